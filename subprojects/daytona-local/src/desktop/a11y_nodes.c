/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A walk in breadth: the ceilings then cut off what lies deepest. The questions about one batch of objects are sent together.
 *
 * Programs can say anything, without end. What is kept of it is counted (`held`), and what is kept for a moment only, the
 * children that an object names, goes before the next object's is read.
 */
#include "desktop/a11y_nodes.h"

#include "desktop/a11y_limits.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define BATCH 32

/* Numbers of AT-SPI. */
static const char *const STATES[] = {
  "invalid",         "active",
  "armed",           "busy",
  "checked",         "collapsed",
  "defunct",         "editable",
  "enabled",         "expandable",
  "expanded",        "focusable",
  "focused",         "has_tooltip",
  "horizontal",      "iconified",
  "modal",           "multi_line",
  "multiselectable", "opaque",
  "pressed",         "resizable",
  "selectable",      "selected",
  "sensitive",       "showing",
  "single_line",     "stale",
  "transient",       "vertical",
  "visible",         "manages_descendants",
  "indeterminate",   "required",
  "truncated",       "animated",
  "invalid_entry",   "supports_autocompletion",
  "selectable_text", "is_default",
  "visited",         "checkable",
  "has_popup",       "read_only",
};

int state_number(const char *name) {
  for (size_t i = 0; i < DL_COUNT(STATES); i++)
    if (strcmp(STATES[i], name) == 0) return (int)i;
  return -1;
}

bool node_has_state(const node_t *n, int number) { return (n->states >> number & 1) != 0; }

/* --- names of objects --- */

void node_ref_root(ref_t *out) {
  *out = (ref_t){"org.a11y.atspi.Registry", "/org/a11y/atspi/accessible/root"};
}

bool ref_parse(const char *id, ref_t *out) {
  const char *slash = strstr(id, ":/");
  if (slash == NULL || slash == id) return false;
  if (strlen(slash + 1) > A11Y_PATH_MAX) return false;
  ref_t ref = {dl_xstrndup(id, (size_t)(slash - id)), dl_xstrdup(slash + 1)};
  if (dbus_validate_bus_name(ref.name, NULL) && dbus_validate_path(ref.path, NULL)) {
    *out = ref;
    return true;
  }
  ref_clear(&ref);
  return false;
}

void ref_clear(ref_t *ref) {
  free(ref->name);
  free(ref->path);
  *ref = (ref_t){0};
}

/* --- reading replies --- */

static char *copy_text(const char *text) {
  size_t len = strlen(text);
  if (len <= A11Y_TEXT_MAX) return dl_xstrdup(text);
  len = A11Y_TEXT_MAX;
  while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80) len--; /* not inside a character */
  return dl_xstrndup(text, len);
}

uint64_t read_states(DBusMessage *reply) {
  DBusMessageIter at, words;
  uint64_t states = 0;
  if (strcmp(dbus_message_get_signature(reply), "au") != 0 || !dbus_message_iter_init(reply, &at)) return 0;
  dbus_message_iter_recurse(&at, &words);
  for (int shift = 0; shift < 64 && dbus_message_iter_get_arg_type(&words) == DBUS_TYPE_UINT32; shift += 32) {
    dbus_uint32_t word;
    dbus_message_iter_get_basic(&words, &word);
    states |= (uint64_t)word << shift;
    dbus_message_iter_next(&words);
  }
  return states;
}

size_t read_refs(DBusMessage *reply, ref_t **out, bool *is_cut) {
  DBusMessageIter at, items, item;
  size_t count = 0, cap = 0;
  *out = NULL;
  if (strcmp(dbus_message_get_signature(reply), "a(so)") != 0 || !dbus_message_iter_init(reply, &at))
    return 0;
  dbus_message_iter_recurse(&at, &items);
  for (; count < A11Y_CHILDREN_MAX && dbus_message_iter_get_arg_type(&items) == DBUS_TYPE_STRUCT;
       dbus_message_iter_next(&items)) {
    const char *name, *path;
    dbus_message_iter_recurse(&items, &item);
    dbus_message_iter_get_basic(&item, &name);
    dbus_message_iter_next(&item);
    dbus_message_iter_get_basic(&item, &path);
    if (strcmp(path, "/org/a11y/atspi/null") == 0 || !dbus_validate_bus_name(name, NULL)) continue;
    if (strlen(path) > A11Y_PATH_MAX) {
      if (is_cut != NULL) *is_cut = true;
      continue;
    }
    if (count == cap) {
      cap = cap > 0 ? cap * 2 : 8;
      *out = dl_xrealloc(*out, cap * sizeof **out);
    }
    (*out)[count++] = (ref_t){dl_xstrdup(name), dl_xstrdup(path)};
  }
  if (is_cut != NULL && dbus_message_iter_get_arg_type(&items) == DBUS_TYPE_STRUCT) *is_cut = true;
  return count;
}

/* GetActions has the names as they are shown, in the user's language or empty; GetName has those that programs go by. */
size_t send_action_names(bus_t *bus, const ref_t *ref, DBusMessage *shown, DBusPendingCall **calls) {
  DBusMessageIter at, items;
  dbus_int32_t count = 0;
  if (strcmp(dbus_message_get_signature(shown), "a(sss)") != 0 || !dbus_message_iter_init(shown, &at))
    return 0;
  dbus_message_iter_recurse(&at, &items);
  for (; count < A11Y_ACTIONS_MAX && dbus_message_iter_get_arg_type(&items) == DBUS_TYPE_STRUCT; count++) {
    calls[count] = bus_send(bus, ref, A11Y_ACTION, "GetName", DBUS_TYPE_INT32, &count, DBUS_TYPE_INVALID);
    dbus_message_iter_next(&items);
  }
  return (size_t)count;
}

char **wait_action_names(bus_t *bus, const ref_t *ref, DBusPendingCall **calls, size_t count) {
  char **names = count > 0 ? dl_xcalloc(count, sizeof *names) : NULL;
  for (size_t i = 0; i < count; i++) {
    const char *name = "";
    DBusMessage *reply = bus_wait(bus, ref, calls[i], NULL);
    if (reply != NULL) bus_read_text(reply, &name);
    names[i] = copy_text(name);
    if (reply != NULL) dbus_message_unref(reply);
  }
  return names;
}

static void read_extents(node_t *n, DBusMessage *reply) {
  DBusMessageIter at, item;
  int32_t *const places[] = {&n->x, &n->y, &n->width, &n->height};
  if (strcmp(dbus_message_get_signature(reply), "(iiii)") != 0 || !dbus_message_iter_init(reply, &at)) return;
  dbus_message_iter_recurse(&at, &item);
  for (size_t i = 0; i < DL_COUNT(places); i++) {
    dbus_message_iter_get_basic(&item, places[i]);
    dbus_message_iter_next(&item);
  }
}

/* --- the tree --- */

void tree_init(tree_t *t, bus_t *bus) { *t = (tree_t){.bus = bus, .max_depth = -1}; }

static void free_node(node_t *n) {
  for (size_t i = 0; i < n->action_count; i++) free(n->actions[i]);
  ref_clear(&n->ref);
  free(n->actions);
  free(n->role);
  free(n->label);
  free(n->description);
  free(n);
}

void tree_clear(tree_t *t) {
  for (size_t i = 0; i < t->count; i++) free_node(t->all[i]);
  free(t->all);
  dl_map_clear(&t->seen);
  *t = (tree_t){0};
}

static bool is_full(const tree_t *t) { return t->count >= A11Y_NODES_MAX || t->held >= A11Y_HELD_MAX; }

/* Takes the names. NULL: it is in the tree, or the tree is full. */
static node_t *add(tree_t *t, ref_t *ref, node_t *parent) {
  char *key = dl_xprintf("%s:%s", ref->name, ref->path);
  node_t *n = NULL;
  if (dl_map_get(&t->seen, key) != NULL) {
    /* They may name each other in a circle. */
  } else if (is_full(t)) {
    t->is_truncated = true;
  } else {
    n = dl_xcalloc(1, sizeof *n);
    n->ref = *ref;
    *ref = (ref_t){0};
    n->depth = parent != NULL ? parent->depth + 1 : 0;
    t->held += 2 * strlen(key); /* here and in the map */
    dl_map_put(&t->seen, key, n);
    if (t->count == t->cap) {
      t->cap = t->cap > 0 ? t->cap * 2 : 256;
      t->all = dl_xrealloc(t->all, t->cap * sizeof *t->all);
    }
    t->all[t->count++] = n;
  }
  free(key);
  return n;
}

static void link_child(node_t *parent, node_t *n) {
  if (parent->last != NULL)
    parent->last->next = n;
  else
    parent->first = n;
  parent->last = n;
}

static bool wants_children(const tree_t *t, const node_t *n) {
  return n->role != NULL && !n->has_too_many && n->depth != t->max_depth;
}

/* They are in the tree after everything that is there, and are linked. */
static void add_children(tree_t *t, node_t *n, DBusMessage *reply) {
  ref_t *found = NULL;
  size_t count = read_refs(reply, &found, &t->is_truncated);
  if (count > 0 && n->depth >= A11Y_DEPTH_MAX) t->is_truncated = true;
  for (size_t i = 0; i < count; i++) {
    node_t *child = n->depth < A11Y_DEPTH_MAX ? add(t, &found[i], n) : NULL;
    if (child != NULL) link_child(n, child);
    ref_clear(&found[i]);
  }
  free(found);
}

/* --- a batch --- */

/* What every object has first; then what only those have that say so: some toolkits complain of questions about others. */
enum {
  ASK_ROLE,
  ASK_NAME,
  ASK_DESCRIPTION,
  ASK_COUNT,
  ASK_STATES,
  ASK_INTERFACES,
  ASK_CHILDREN,
  ASK_PLACE,
  ASK_ACTIONS,
  ASKS
};
enum { FIRST_OF_SECOND_ROUND = ASK_CHILDREN };

typedef struct {
  DBusPendingCall *calls[ASKS];
  DBusPendingCall *names[A11Y_ACTIONS_MAX]; /* of its actions: the third round */
} questions_t;

static void send_first(bus_t *bus, const node_t *n, questions_t *q) {
  const ref_t *r = &n->ref;
  *q = (questions_t){0};
  q->calls[ASK_ROLE] = bus_send(bus, r, A11Y_ACCESSIBLE, "GetRoleName", DBUS_TYPE_INVALID);
  q->calls[ASK_NAME] = bus_send_get(bus, r, A11Y_ACCESSIBLE, "Name");
  q->calls[ASK_DESCRIPTION] = bus_send_get(bus, r, A11Y_ACCESSIBLE, "Description");
  q->calls[ASK_COUNT] = bus_send_get(bus, r, A11Y_ACCESSIBLE, "ChildCount");
  q->calls[ASK_STATES] = bus_send(bus, r, A11Y_ACCESSIBLE, "GetState", DBUS_TYPE_INVALID);
  q->calls[ASK_INTERFACES] = bus_send(bus, r, A11Y_ACCESSIBLE, "GetInterfaces", DBUS_TYPE_INVALID);
}

static void send_second(tree_t *t, const node_t *n, questions_t *q) {
  dbus_uint32_t screen = 0; /* coordinates of the screen, not of the window */
  const ref_t *r = &n->ref;
  if (wants_children(t, n))
    q->calls[ASK_CHILDREN] = bus_send(t->bus, r, A11Y_ACCESSIBLE, "GetChildren", DBUS_TYPE_INVALID);
  if (n->has_place)
    q->calls[ASK_PLACE] =
      bus_send(t->bus, r, A11Y_COMPONENT, "GetExtents", DBUS_TYPE_UINT32, &screen, DBUS_TYPE_INVALID);
  if (n->has_actions)
    q->calls[ASK_ACTIONS] = bus_send(t->bus, r, A11Y_ACTION, "GetActions", DBUS_TYPE_INVALID);
}

static char *keep(tree_t *t, const char *text) {
  char *copy = copy_text(text);
  t->held += strlen(copy);
  return copy;
}

static void take(tree_t *t, node_t *n, questions_t *q, int which, DBusMessage *reply) {
  const char *text = NULL;
  dbus_int32_t count = 0;
  switch (which) {
    case ASK_ROLE:
      if (bus_read_text(reply, &text)) n->role = keep(t, text);
      break;
    case ASK_NAME:
      if (bus_read_property(reply, DBUS_TYPE_STRING, &text)) n->label = keep(t, text);
      break;
    case ASK_DESCRIPTION:
      if (bus_read_property(reply, DBUS_TYPE_STRING, &text)) n->description = keep(t, text);
      break;
    case ASK_COUNT:
      n->has_too_many =
        bus_read_property(reply, DBUS_TYPE_INT32, &count) && (count < 0 || count > A11Y_CHILDREN_MAX);
      if (n->has_too_many && n->depth != t->max_depth) t->is_truncated = true;
      break;
    case ASK_STATES: n->states = read_states(reply); break;
    case ASK_INTERFACES:
      n->has_place = bus_list_has(reply, A11Y_COMPONENT);
      n->has_actions = bus_list_has(reply, A11Y_ACTION);
      break;
    case ASK_CHILDREN: add_children(t, n, reply); break;
    case ASK_PLACE: read_extents(n, reply); break;
    default: n->action_count = send_action_names(t->bus, &n->ref, reply, q->names);
  }
}

static void take_answers(tree_t *t, node_t *n, questions_t *q, int first, int end) {
  for (int i = first; i < end; i++) {
    DBusMessage *reply = q->calls[i] != NULL ? bus_wait(t->bus, &n->ref, q->calls[i], NULL) : NULL;
    if (reply == NULL) continue;
    take(t, n, q, i, reply);
    dbus_message_unref(reply);
  }
}

static void take_action_names(tree_t *t, node_t *n, questions_t *q) {
  n->actions = wait_action_names(t->bus, &n->ref, q->names, n->action_count);
  for (size_t i = 0; i < n->action_count; i++) t->held += strlen(n->actions[i]);
}

/* `count` from `first` on of all; more come behind them. */
static void ask_batch(tree_t *t, size_t first, size_t count) {
  questions_t questions[BATCH];
  assert(count <= BATCH && first + count <= t->count);
  for (size_t i = 0; i < count; i++) send_first(t->bus, t->all[first + i], &questions[i]);
  for (size_t i = 0; i < count; i++)
    take_answers(t, t->all[first + i], &questions[i], 0, FIRST_OF_SECOND_ROUND);
  for (size_t i = 0; i < count; i++) send_second(t, t->all[first + i], &questions[i]);
  for (size_t i = 0; i < count; i++)
    take_answers(t, t->all[first + i], &questions[i], FIRST_OF_SECOND_ROUND, ASKS);
  for (size_t i = 0; i < count; i++) take_action_names(t, t->all[first + i], &questions[i]);
}

/* --- the walk --- */

/* Those that did not answer are left out. */
static void drop_dead(node_t *n) {
  node_t **slot = &n->first;
  n->last = NULL;
  while (*slot != NULL) {
    if ((*slot)->role == NULL) {
      *slot = (*slot)->next;
    } else {
      n->last = *slot;
      slot = &(*slot)->next;
    }
  }
}

node_t *tree_walk(tree_t *t, const ref_t *root, int max_depth) {
  ref_t ref = {dl_xstrdup(root->name), dl_xstrdup(root->path)};
  size_t next = 0;
  assert(t->count == 0);
  t->max_depth = max_depth;
  node_t *top = add(t, &ref, NULL);
  ref_clear(&ref);
  while (next < t->count && t->held < A11Y_HELD_MAX && !bus_is_late(t->bus) && !bus_is_lost(t->bus)) {
    size_t count = t->count - next > BATCH ? BATCH : t->count - next;
    ask_batch(t, next, count);
    next += count;
  }
  if (next < t->count || bus_is_late(t->bus)) t->is_truncated = true;
  for (size_t i = 0; i < t->count; i++) drop_dead(t->all[i]);
  return top->role != NULL ? top : NULL;
}

/* --- as JSON --- */

static bool put_text(dl_buf_t *out, const char *text) {
  json_t *value = json_string(text);
  char *quoted = value != NULL ? json_dumps(value, JSON_ENCODE_ANY) : NULL;
  bool ok = dl_buf_puts(out, quoted != NULL ? quoted : "\"\"");
  free(quoted);
  json_decref(value);
  return ok;
}

static bool put_member(dl_buf_t *out, const char *name, const char *text) {
  return dl_buf_printf(out, ",\"%s\":", name) && put_text(out, text);
}

static bool put_states(dl_buf_t *out, uint64_t states) {
  bool is_first = true;
  if (!dl_buf_puts(out, ",\"states\":[")) return false;
  for (size_t i = 0; i < DL_COUNT(STATES); i++) {
    if ((states >> i & 1) == 0) continue;
    if (!dl_buf_printf(out, "%s\"%s\"", is_first ? "" : ",", STATES[i])) return false;
    is_first = false;
  }
  return dl_buf_puts(out, "]");
}

static bool put_actions(dl_buf_t *out, const node_t *n) {
  if (n->action_count == 0) return true;
  if (!dl_buf_puts(out, ",\"actions\":[")) return false;
  for (size_t i = 0; i < n->action_count; i++)
    if ((i > 0 && !dl_buf_puts(out, ",")) || !put_text(out, n->actions[i])) return false;
  return dl_buf_puts(out, "]");
}

bool node_put(dl_buf_t *out, const node_t *n, bool has_children) {
  assert(n->role != NULL && n->depth <= A11Y_DEPTH_MAX);
  bool ok = dl_buf_printf(out, "{\"id\":\"%s:%s\"", n->ref.name, n->ref.path) &&
            put_member(out, "role", n->role) && put_member(out, "name", n->label != NULL ? n->label : "");
  if (ok && n->description != NULL && *n->description != '\0')
    ok = put_member(out, "description", n->description);
  ok = ok &&
       dl_buf_printf(out, ",\"bounds\":{\"x\":%d,\"y\":%d,\"width\":%d,\"height\":%d}", n->x, n->y, n->width,
                     n->height) &&
       put_states(out, n->states) && put_actions(out, n);
  if (ok && has_children && n->first != NULL) {
    ok = dl_buf_puts(out, ",\"children\":[");
    for (const node_t *child = n->first; ok && child != NULL; child = child->next)
      ok = node_put(out, child, true) && (child->next == NULL || dl_buf_puts(out, ","));
    ok = ok && dl_buf_puts(out, "]");
  }
  return ok && dl_buf_puts(out, "}");
}
