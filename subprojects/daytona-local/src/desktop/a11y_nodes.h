/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tree of what programs show.
 */
#ifndef DL_A11Y_NODES_H
#define DL_A11Y_NODES_H

#include "base/buf.h"
#include "base/jsonx.h"
#include "desktop/a11y_bus.h"

typedef struct node {
  ref_t ref;
  char *role, *label, *description;
  uint64_t states; /* a bit per name, see a11y_nodes.c */
  int32_t x, y, width, height;
  char **actions;
  size_t action_count;
  bool has_place, has_actions;      /* so its interfaces say */
  bool has_too_many;                /* children: they are not asked for */
  struct node *first, *last, *next; /* children; the next of the same parent */
  int depth;
} node_t;

typedef struct {
  bus_t *bus;
  dl_map_t seen; /* programs and objects that are in the tree already: they may name each other in a circle */
  node_t **all;  /* those that were visited, in breadth */
  size_t count, cap;
  size_t held; /* bytes of texts */
  int max_depth;
  bool is_truncated;
} tree_t;

void tree_init(tree_t *t, bus_t *bus);
void tree_clear(tree_t *t);
/* Visits `root` and what is below it, `max_depth` levels (-1: all), in breadth and within the ceilings of a11y_limits.h. NULL: it is
 * gone. */
node_t *tree_walk(tree_t *t, const ref_t *root, int max_depth);

/* "NAME:PATH" of a client. False: it is not of that form. */
bool ref_parse(const char *id, ref_t *out);
void ref_clear(ref_t *ref);
void node_ref_root(ref_t *out); /* of all programs; static texts */

/* -1: there is no state of that name. */
int state_number(const char *name);
bool node_has_state(const node_t *n, int number);
/* Asks for the names of its actions, which `shown`, the reply to GetActions, counts; A11Y_ACTIONS_MAX at most. */
size_t send_action_names(bus_t *bus, const ref_t *ref, DBusMessage *shown, DBusPendingCall **calls);
/* Yours to free, with the array; NULL for none. */
char **wait_action_names(bus_t *bus, const ref_t *ref, DBusPendingCall **calls, size_t count);
/* Its children; those that are no objects are left out. *is_cut (may be NULL) is set when there are others besides. */
size_t read_refs(DBusMessage *reply, ref_t **out, bool *is_cut);
uint64_t read_states(DBusMessage *reply);

/* Appends it as JSON, with what is below it or without. False: the answer is full. */
bool node_put(dl_buf_t *out, const node_t *n, bool has_children);

#endif
