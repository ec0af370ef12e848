/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accessibility; see accessibility.h. The model of a node holds itself: how deep a tree may be is DAYTONA__JSON_DEPTH_MAX's.
 */
#include <daytona/accessibility.h>

#include "call/method.h"
#include "call/results.h"

#define NODE(type, member, key, ...) \
  DAYTONA__FIELD(daytona_accessibility_node_t, type, member, key, __VA_ARGS__)
#define BOUND(member) DAYTONA__FIELD(daytona_accessibility_bounds_t, INT32, member, #member)

static DAYTONA__MODEL_OF(bounds_model, daytona_accessibility_bounds_t, "Bounds", BOUND(x), BOUND(y),
                         BOUND(width), BOUND(height));

static const daytona__json_model_t node_model;

static DAYTONA__MODEL_OF(node_model, daytona_accessibility_node_t, "AccessibilityNode",
                         NODE(STRING, id, "id"), NODE(STRING, role, "role"), NODE(STRING, name, "name"),
                         NODE(STRING, description, "description"),
                         NODE(INLINE, bounds, "bounds", .model = &bounds_model),
                         NODE(STRINGS, states, "states"), NODE(STRINGS, actions, "actions"),
                         DAYTONA__FIELD_LIST(daytona_accessibility_node_t, children, child_count, "children",
                                             &node_model));

static DAYTONA__MODEL_OF(tree_model, daytona_accessibility_tree_t, "AccessibilityTreeResponse",
                         DAYTONA__FIELD(daytona_accessibility_tree_t, OBJECT, root, "root",
                                        .model = &node_model),
                         DAYTONA__FIELD(daytona_accessibility_tree_t, BOOL, is_truncated, "truncated"));

static DAYTONA__MODEL_OF(list_model, daytona_accessibility_node_list_t, "AccessibilityNodesResponse",
                         DAYTONA__FIELD_LIST(daytona_accessibility_node_list_t, items, count, "matches",
                                             &node_model),
                         DAYTONA__FIELD(daytona_accessibility_node_list_t, BOOL, is_truncated, "truncated"));

typedef struct node_args {
  const char *id, *value;
} node_args_t;

#define ARGS(...) .request = DAYTONA__ARGS(node_args_t, __VA_ARGS__)
#define ID DAYTONA__ARG(IN_BODY, node_args_t, STRING, id, "id", .rules = DAYTONA__NONEMPTY)
#define TREE(type, member, key) \
  DAYTONA__OPT(IN_QUERY, daytona_accessibility_get_tree_opts_t, type, member, key)
#define FIND(type, member, key) \
  DAYTONA__OPT(IN_BODY, daytona_accessibility_find_nodes_opts_t, type, member, key)
#define A11Y(noun, http_verb, tail, what, ...)                               \
  DAYTONA__METHOD(noun, .prefix = "Failed to " what ": ", .verb = http_verb, \
                  .path = "/computeruse/a11y/" tail, .service = DAYTONA__TOOLBOX, __VA_ARGS__)

A11Y(get_tree, "GET", "tree", "get accessibility tree",
     ARGS(TREE(STRING, scope, "scope"), TREE(OPT_INT, pid, "pid"), TREE(OPT_INT, max_depth, "maxDepth")),
     .response = &tree_model, .result = &daytona__type_accessibility_tree);

daytona_future_t *daytona_accessibility_get_tree(daytona_sandbox_t *sandbox,
                                                 const daytona_accessibility_get_tree_opts_t *opts) {
  return daytona__call(sandbox, &get_tree_method, NULL, DAYTONA__OPTS(opts));
}

A11Y(find_nodes, "POST", "find", "find accessibility nodes",
     ARGS(FIND(STRING, scope, "scope"), FIND(OPT_INT, pid, "pid"), FIND(STRING, role, "role"),
          FIND(STRING, name, "name"), FIND(STRING, name_match, "nameMatch"), FIND(STRINGS, states, "states"),
          FIND(OPT_INT, limit, "limit")),
     .response = &list_model, .result = &daytona__type_accessibility_node_list);

daytona_future_t *daytona_accessibility_find_nodes(daytona_sandbox_t *sandbox,
                                                   const daytona_accessibility_find_nodes_opts_t *opts) {
  return daytona__call(sandbox, &find_nodes_method, NULL, DAYTONA__OPTS(opts));
}

A11Y(focus_node, "POST", "node/focus", "focus accessibility node", ARGS(ID));

daytona_future_t *daytona_accessibility_focus_node(daytona_sandbox_t *sandbox, const char *id,
                                                   const daytona_call_opts_t *opts) {
  return daytona__call(sandbox, &focus_node_method, &(node_args_t){.id = id}, DAYTONA__OPTS(opts));
}

A11Y(invoke_node, "POST", "node/invoke", "invoke accessibility node",
     ARGS(ID, DAYTONA__OPT(IN_BODY, daytona_accessibility_invoke_node_opts_t, STRING, action, "action")));

daytona_future_t *daytona_accessibility_invoke_node(daytona_sandbox_t *sandbox, const char *id,
                                                    const daytona_accessibility_invoke_node_opts_t *opts) {
  return daytona__call(sandbox, &invoke_node_method, &(node_args_t){.id = id}, DAYTONA__OPTS(opts));
}

A11Y(set_node_value, "POST", "node/value", "set accessibility node value",
     ARGS(ID, DAYTONA__ARG(IN_BODY, node_args_t, STRING, value, "value",
                           .flags = DAYTONA__JSON_ALWAYS | DAYTONA__JSON_SECRET,
                           .rules = DAYTONA__GIVEN | DAYTONA__HIDE)));

daytona_future_t *daytona_accessibility_set_node_value(daytona_sandbox_t *sandbox, const char *id,
                                                       const char *value, const daytona_call_opts_t *opts) {
  return daytona__call(sandbox, &set_node_value_method, &(node_args_t){id, value}, DAYTONA__OPTS(opts));
}
