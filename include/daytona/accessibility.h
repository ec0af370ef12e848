/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accessibility: the parts of the programs on a sandbox's desktop (windows, buttons, fields) with their names, roles and
 * places, and actions on them without the mouse.
 *
 * The rules of <daytona/computer_use.h> hold for all functions here. Besides, they fail with DAYTONA_EA11Y_UNAVAILABLE or its
 * parent DAYTONA_EUNAVAILABLE where there is no accessibility bus, and with DAYTONA_ENOTFOUND for a node that is gone, or
 * where there is no program to look at; `server_code` of the error tells them apart (A11Y_NODE_NOT_FOUND,
 * A11Y_NO_ACCESSIBLE_ROOT, A11Y_ACTION_NOT_SUPPORTED and others).
 *
 * Protocol: toolbox, /computeruse/a11y.
 */
#ifndef DAYTONA_ACCESSIBILITY_H
#define DAYTONA_ACCESSIBILITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <daytona/export.h>
#include <daytona/future.h>
#include <daytona/sandbox.h>
#include <daytona/types.h>

DAYTONA_BEGIN

/** A place on the screen, in pixels. */
typedef struct daytona_accessibility_bounds {
  int x, y;
  int width, height;
} daytona_accessibility_bounds_t;

/** A part of a program. */
typedef struct daytona_accessibility_node {
  const char *id; /**< for the actions below; valid while the program keeps the part */
  const char *role;
  const char *name;
  const char *description;
  daytona_accessibility_bounds_t bounds;
  daytona_strings_t states;  /**< such as "enabled", "focused", "visible" */
  daytona_strings_t actions; /**< for daytona_accessibility_invoke_node() */
  const struct daytona_accessibility_node *const *children;
  size_t child_count;
} daytona_accessibility_node_t;

typedef struct daytona_accessibility_tree {
  const daytona_accessibility_node_t *root; /**< NULL: none was sent */
  bool is_truncated;                        /**< there is more than the sandbox walks over */
} daytona_accessibility_tree_t;

typedef struct daytona_accessibility_node_list_t {
  const daytona_accessibility_node_t *const *items; /**< without their children */
  size_t count;
  bool is_truncated; /**< there are more */
} daytona_accessibility_node_list_t;

typedef struct daytona_accessibility_get_tree_opts {
  const char
    *scope; /**< Optional. "focused" (the program that has the focus), "pid" or "all". Default: "focused". */
  daytona_opt_int_t pid;       /**< Optional. Of the program, with the scope "pid". */
  daytona_opt_int_t max_depth; /**< Optional. 0: the root only. Default: all. A tree may be 100 levels deep
                                      (DAYTONA_ELIMIT). */
  int64_t timeout_ms;          /**< Optional. */
  uint64_t reserved[8];        /**< Must be zero. */
} daytona_accessibility_get_tree_opts_t;

/** The tree of a program, or of all. Settles with daytona_future_accessibility_tree(). */
DAYTONA_API daytona_future_t *daytona_accessibility_get_tree(
  daytona_sandbox_t *sandbox, const daytona_accessibility_get_tree_opts_t *opts);

typedef struct daytona_accessibility_find_nodes_opts {
  const char *scope;        /**< Optional. As above. */
  daytona_opt_int_t pid;    /**< Optional. As above. */
  const char *role;         /**< Optional. Without regard to case. */
  const char *name;         /**< Optional. */
  const char *name_match;   /**< Optional. "exact", "substring" or "regex". Default: "substring". */
  daytona_strings_t states; /**< Optional. All of them are needed. */
  daytona_opt_int_t limit;  /**< Optional. Default: 500, at most 5000. */
  int64_t timeout_ms;       /**< Optional. */
  uint64_t reserved[8];     /**< Must be zero. */
} daytona_accessibility_find_nodes_opts_t;

/** The nodes for which all that is given is true. Settles with daytona_future_accessibility_node_list(). */
DAYTONA_API daytona_future_t *daytona_accessibility_find_nodes(
  daytona_sandbox_t *sandbox, const daytona_accessibility_find_nodes_opts_t *opts);

/** Give a node the focus. */
DAYTONA_API daytona_future_t *daytona_accessibility_focus_node(daytona_sandbox_t *sandbox, const char *id,
                                                               const daytona_call_opts_t *opts);

typedef struct daytona_accessibility_invoke_node_opts {
  const char *action; /**< Optional. One of the node's actions, without regard to case. Default: its first. */
  int64_t timeout_ms; /**< Optional. */
  uint64_t reserved[8]; /**< Must be zero. */
} daytona_accessibility_invoke_node_opts_t;

/** Carry out an action of a node, such as a click on a button. */
DAYTONA_API daytona_future_t *daytona_accessibility_invoke_node(
  daytona_sandbox_t *sandbox, const char *id, const daytona_accessibility_invoke_node_opts_t *opts);

/** Set the text of a node, or its number. @param value  May be empty. Not logged, redacted from errors if it has eight bytes
    or more, and wiped from memory when the future is freed. */
DAYTONA_API daytona_future_t *daytona_accessibility_set_node_value(daytona_sandbox_t *sandbox, const char *id,
                                                                   const char *value,
                                                                   const daytona_call_opts_t *opts);

/** Results of the calls above, or NULL. Borrowed from the future. */
DAYTONA_API const daytona_accessibility_tree_t *daytona_future_accessibility_tree(
  const daytona_future_t *future);
DAYTONA_API const daytona_accessibility_node_list_t *daytona_future_accessibility_node_list(
  const daytona_future_t *future);

DAYTONA_END

#endif
