/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accessibility: what is sent, trees of nodes and how deep they may be, matches, and typed errors.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json/lexer.h"
#include "support/api_scene.h"
#include "support/check.h"
#include "support/misuse.h"
#include "support/same_json.h"

#define A11Y "/toolbox/sb-1/computeruse/a11y/"
#define TREE "GET " A11Y "tree"
#define FIND "POST " A11Y "find"

static void tree_has_every_member(void **state) {
  (void)state;
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  api_answer(
    &scene, TREE, 200,
    "{\"root\":{\"id\":\":1.42:/a/7\",\"role\":\"frame\",\"name\":\"n\",\"description\":\"d\",\"bounds\":"
    "{\"x\":-1,\"y\":2,\"width\":3,\"height\":4},\"states\":[\"enabled\",\"visible\"],\"actions\":[\"click\"]"
    ","
    "\"children\":[{\"id\":\"c1\",\"states\":null,\"children\":[{\"id\":\"g\"}]},{\"id\":\"c2\"}]},"
    "\"truncated\":true}");
  daytona_future_t *future = api_must(daytona_accessibility_get_tree(sandbox, NULL));
  const daytona_accessibility_tree_t *tree = daytona_future_accessibility_tree(future);
  const daytona_accessibility_node_t *root = tree->root;
  assert_true(tree->is_truncated);
  assert_string_equal(root->id, ":1.42:/a/7");
  assert_string_equal(root->role, "frame");
  assert_string_equal(root->name, "n");
  assert_string_equal(root->description, "d");
  assert_int_equal(root->bounds.x, -1);
  assert_int_equal(root->bounds.y, 2);
  assert_int_equal(root->bounds.width, 3);
  assert_int_equal(root->bounds.height, 4);
  assert_int_equal(root->states.count, 2);
  assert_string_equal(root->states.items[1], "visible");
  assert_string_equal(root->actions.items[0], "click");
  assert_int_equal(root->child_count, 2);
  assert_string_equal(root->children[0]->children[0]->id, "g");
  assert_int_equal(root->children[0]->states.count, 0);
  assert_string_equal(root->children[1]->id, "c2");
  assert_int_equal(root->children[1]->child_count, 0);
  assert_wrong_accessor(daytona_future_accessibility_node_list(future));
  daytona_future_release(future);
  api_close_with(&scene, sandbox);
}

/* A chain of `depth` nodes. free() it. */
static char *chain_of(size_t depth) {
  char *text = calloc(depth + 1, 64), *end = text;
  if (text == NULL) abort();
  end += sprintf(end, "{\"root\":");
  for (size_t i = 0; i < depth; i++) end += sprintf(end, "{\"id\":\"%zu\",\"children\":[", i);
  for (size_t i = 0; i < depth; i++) end += sprintf(end, "]}");
  strcpy(end, "}");
  return text;
}

static void trees_may_be_deep(void **state) {
  (void)state;
  enum { DEEPEST = (DAYTONA__JSON_DEPTH_MAX - 1) / 2 };
  assert_true(DEEPEST >= 100); /* as the header says */
  for (size_t depth = DEEPEST; depth <= DEEPEST + 1; depth++) {
    char *body = chain_of(depth);
    api_scene_t scene;
    daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
    api_answer(&scene, TREE, 200, body);
    if (depth == DEEPEST) {
      daytona_future_t *future = api_must(daytona_accessibility_get_tree(sandbox, NULL));
      const daytona_accessibility_node_t *node = daytona_future_accessibility_tree(future)->root;
      for (size_t i = 0; i + 1 < depth; i++) node = node->children[0];
      assert_int_equal(atoi(node->id), depth - 1);
      assert_int_equal(node->child_count, 0);
      daytona_future_release(future);
    } else {
      api_fails(daytona_accessibility_get_tree(sandbox, NULL), DAYTONA_ELIMIT);
    }
    free(body);
    api_close_with(&scene, sandbox);
  }
}

static void matches_are_a_list(void **state) {
  (void)state;
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  api_answer(&scene, FIND, 200,
             "{\"matches\":[{\"id\":\"a\"},{\"id\":\"b\",\"name\":\"n\"}],\"truncated\":false}");
  api_answer(&scene, FIND, 200, "{\"matches\":null,\"truncated\":true}");
  daytona_future_t *future = api_must(daytona_accessibility_find_nodes(sandbox, NULL));
  const daytona_accessibility_node_list_t *list = daytona_future_accessibility_node_list(future);
  assert_int_equal(list->count, 2);
  assert_string_equal(list->items[1]->name, "n");
  assert_false(list->is_truncated);
  daytona_future_release(future);
  future = api_must(daytona_accessibility_find_nodes(sandbox, NULL));
  assert_int_equal(daytona_future_accessibility_node_list(future)->count, 0);
  assert_true(daytona_future_accessibility_node_list(future)->is_truncated);
  daytona_future_release(future);
  api_close_with(&scene, sandbox);
}

static void requests_have_what_was_given(void **state) {
  (void)state;
  static const char *const states[] = {"enabled", "visible"};
  const daytona_accessibility_get_tree_opts_t tree = {
    .scope = "pid", .pid = daytona_int(9), .max_depth = daytona_int(0)};
  const daytona_accessibility_find_nodes_opts_t find = {.scope = "all",
                                                        .pid = daytona_int(9),
                                                        .role = "r",
                                                        .name = "n",
                                                        .name_match = "regex",
                                                        .states = {states, 2},
                                                        .limit = daytona_int(0)};
  const daytona_accessibility_invoke_node_opts_t press = {.action = "press"};
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  api_answer(&scene, TREE, 200, "{}");
  api_answer(&scene, FIND, 200, "{}");
  api_answer(&scene, "POST " A11Y "node/focus", 200, "{}");
  api_answer(&scene, "POST " A11Y "node/invoke", 200, "{}");
  api_answer(&scene, "POST " A11Y "node/value", 200, "{}");
  daytona_future_t *future = api_must(daytona_accessibility_get_tree(sandbox, NULL));
  assert_null(daytona_future_accessibility_tree(future)->root);
  daytona_future_release(future);
  api_done(daytona_accessibility_get_tree(sandbox, &tree));
  api_done(daytona_accessibility_find_nodes(sandbox, NULL));
  api_done(daytona_accessibility_find_nodes(sandbox, &find));
  api_done(daytona_accessibility_focus_node(sandbox, ":1.42:/a/7", NULL));
  api_done(daytona_accessibility_invoke_node(sandbox, "i", NULL));
  api_done(daytona_accessibility_invoke_node(sandbox, "i", &press));
  api_done(daytona_accessibility_set_node_value(sandbox, "i", "", NULL));
  assert_string_equal(api_line_of(scene.requests[0]), TREE);
  assert_string_equal(api_line_of(scene.requests[1]), TREE "?scope=pid&pid=9&maxDepth=0");
  assert_same_json(api_body_of(scene.requests[2]), "{}");
  assert_same_json(api_body_of(scene.requests[3]),
                   "{\"scope\":\"all\",\"pid\":9,\"role\":\"r\",\"name\":\"n\",\"nameMatch\":\"regex\","
                   "\"states\":[\"enabled\",\"visible\"],\"limit\":0}");
  assert_same_json(api_body_of(scene.requests[4]), "{\"id\":\":1.42:/a/7\"}");
  assert_same_json(api_body_of(scene.requests[5]), "{\"id\":\"i\"}");
  assert_same_json(api_body_of(scene.requests[6]), "{\"id\":\"i\",\"action\":\"press\"}");
  assert_same_json(api_body_of(scene.requests[7]), "{\"id\":\"i\",\"value\":\"\"}");
  api_close_with(&scene, sandbox);
}

static void refusals_are_typed(void **state) {
  (void)state;
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  api_answer(&scene, TREE, 503,
             "{\"message\":\"no bus\",\"code\":\"A11Y_UNAVAILABLE\",\"source\":\"DAYTONA_DAEMON\"}");
  api_answer(&scene, FIND, 503, "{\"error\":\"no bus\",\"code\":\"A11Y_UNAVAILABLE\"}");
  api_answer(&scene, "POST " A11Y "node/focus", 404, "{\"error\":\"gone\",\"code\":\"A11Y_NODE_NOT_FOUND\"}");
  api_answer(&scene, "POST " A11Y "node/value", 400, "{\"error\":\"cannot set correct horse\"}");
  api_fails(daytona_accessibility_get_tree(sandbox, NULL), DAYTONA_EA11Y_UNAVAILABLE);
  api_fails(daytona_accessibility_find_nodes(sandbox, NULL), DAYTONA_EUNAVAILABLE);
  daytona_future_t *future =
    api_must_fail(daytona_accessibility_focus_node(sandbox, "i", NULL), DAYTONA_ENOTFOUND);
  assert_string_equal(daytona_future_error(future)->server_code, "A11Y_NODE_NOT_FOUND");
  daytona_future_release(future);
  future =
    api_must_fail(daytona_accessibility_set_node_value(sandbox, "i", "correct horse", NULL), DAYTONA_EINVAL);
  api_says(future, "Failed to set accessibility node value: cannot set ***");
  daytona_future_release(future);
  api_close_with(&scene, sandbox);
}

static void bad_arguments_do_not_leave_the_client(void **state) {
  (void)state;
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  api_fails(daytona_accessibility_focus_node(sandbox, "", NULL), DAYTONA_EINVAL);
  api_fails(daytona_accessibility_invoke_node(sandbox, NULL, NULL), DAYTONA_EINVAL);
  api_fails(daytona_accessibility_set_node_value(sandbox, "", "v", NULL), DAYTONA_EINVAL);
  api_fails(daytona_accessibility_set_node_value(sandbox, "i", NULL, NULL), DAYTONA_EINVAL);
  assert_int_equal(scene.request_count, 0);
  api_close_with(&scene, sandbox);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(tree_has_every_member), cmocka_unit_test(trees_may_be_deep),
    cmocka_unit_test(matches_are_a_list),    cmocka_unit_test(requests_have_what_was_given),
    cmocka_unit_test(refusals_are_typed),    cmocka_unit_test(bad_arguments_do_not_leave_the_client),
  };
  signal(SIGPIPE, SIG_IGN); /* the peer writes to clients that have gone */
  return cmocka_run_group_tests(tests, NULL, NULL);
}
