/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A walk in breadth: the ceilings then cut off what lies deepest. The questions about one batch of objects are sent together.
 */
#include "desktop/a11y_nodes.h"

#include "desktop/a11y_limits.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BATCH 32
#define CHILDREN_MAX 10000 /* of one object: a table may say millions */

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

uint64_t clock_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

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

size_t read_refs(DBusMessage *reply, ref_t **out) {
  DBusMessageIter at, items, item;
  size_t count = 0, cap = 0;
  *out = NULL;
  if (strcmp(dbus_message_get_signature(reply), "a(so)") != 0 || !dbus_message_iter_init(reply, &at))
    return 0;
  dbus_message_iter_recurse(&at, &items);
  for (; count < CHILDREN_MAX && dbus_message_iter_get_arg_type(&items) == DBUS_TYPE_STRUCT;
       dbus_message_iter_next(&items)) {
    const char *name, *path;
    dbus_message_iter_recurse(&items, &item);
    dbus_message_iter_get_basic(&item, &name);
    dbus_message_iter_next(&item);
    dbus_message_iter_get_basic(&item, &path);
    if (strcmp(path, "/org/a11y/atspi/null") == 0 || !dbus_validate_bus_name(name, NULL)) continue;
    if (count == cap) {
      cap = cap > 0 ? cap * 2 : 8;
      *out = dl_xrealloc(*out, cap * sizeof **out);
    }
    (*out)[count++] = (ref_t){dl_xstrdup(name), dl_xstrdup(path)};
  }
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

/* --- a batch --- */

/* What every object has first; then what only those have that say so: some toolkits complain of questions about others. */
enum { ASK_NAMES, ASK_ROLE, ASK_STATES, ASK_INTERFACES, ASK_CHILDREN, ASK_PLACE, ASK_ACTIONS, ASKS };
enum { FIRST_OF_SECOND_ROUND = ASK_PLACE };

typedef struct {
  DBusPendingCall *calls[ASKS];
  DBusPendingCall *names[A11Y_ACTIONS_MAX]; /* of its actions: the third round */
} questions_t;

static void send_first(bus_t *bus, const node_t *n, bool wants_children, questions_t *q) {
  static const char *const ACCESSIBLE = A11Y_ACCESSIBLE;
  const ref_t *r = &n->ref;
  *q = (questions_t){0};
  q->calls[ASK_NAMES] =
    bus_send(bus, r, DBUS_INTERFACE_PROPERTIES, "GetAll", DBUS_TYPE_STRING, &ACCESSIBLE, DBUS_TYPE_INVALID);
  q->calls[ASK_ROLE] = bus_send(bus, r, A11Y_ACCESSIBLE, "GetRoleName", DBUS_TYPE_INVALID);
  q->calls[ASK_STATES] = bus_send(bus, r, A11Y_ACCESSIBLE, "GetState", DBUS_TYPE_INVALID);
  q->calls[ASK_INTERFACES] = bus_send(bus, r, A11Y_ACCESSIBLE, "GetInterfaces", DBUS_TYPE_INVALID);
  if (wants_children)
    q->calls[ASK_CHILDREN] = bus_send(bus, r, A11Y_ACCESSIBLE, "GetChildren", DBUS_TYPE_INVALID);
}

static void send_second(bus_t *bus, const node_t *n, questions_t *q) {
  dbus_uint32_t screen = 0; /* coordinates of the screen, not of the window */
  const ref_t *r = &n->ref;
  if (n->has_place)
    q->calls[ASK_PLACE] =
      bus_send(bus, r, A11Y_COMPONENT, "GetExtents", DBUS_TYPE_UINT32, &screen, DBUS_TYPE_INVALID);
  if (n->has_actions) q->calls[ASK_ACTIONS] = bus_send(bus, r, A11Y_ACTION, "GetActions", DBUS_TYPE_INVALID);
}

static void take(bus_t *bus, node_t *n, questions_t *q, int which, DBusMessage *reply) {
  const char *text = NULL;
  switch (which) {
    case ASK_NAMES:
      if (bus_read_member(reply, "Name", &text)) n->label = copy_text(text);
      if (bus_read_member(reply, "Description", &text)) n->description = copy_text(text);
      break;
    case ASK_ROLE:
      if (bus_read_text(reply, &text)) n->role = copy_text(text);
      break;
    case ASK_STATES: n->states = read_states(reply); break;
    case ASK_INTERFACES:
      n->has_place = bus_list_has(reply, A11Y_COMPONENT);
      n->has_actions = bus_list_has(reply, A11Y_ACTION);
      break;
    case ASK_CHILDREN: n->found_count = read_refs(reply, &n->found); break;
    case ASK_PLACE: read_extents(n, reply); break;
    default: n->action_count = send_action_names(bus, &n->ref, reply, q->names);
  }
}

static void take_answers(bus_t *bus, node_t *n, questions_t *q, int first, int end) {
  for (int i = first; i < end; i++) {
    DBusMessage *reply = q->calls[i] != NULL ? bus_wait(bus, &n->ref, q->calls[i], NULL) : NULL;
    if (reply == NULL) continue;
    take(bus, n, q, i, reply);
    dbus_message_unref(reply);
  }
}

static void ask_batch(bus_t *bus, node_t **nodes, size_t count, int max_depth) {
  questions_t questions[BATCH];
  assert(count <= BATCH);
  for (size_t i = 0; i < count; i++) send_first(bus, nodes[i], nodes[i]->depth != max_depth, &questions[i]);
  for (size_t i = 0; i < count; i++) take_answers(bus, nodes[i], &questions[i], 0, FIRST_OF_SECOND_ROUND);
  for (size_t i = 0; i < count; i++) send_second(bus, nodes[i], &questions[i]);
  for (size_t i = 0; i < count; i++) take_answers(bus, nodes[i], &questions[i], FIRST_OF_SECOND_ROUND, ASKS);
  for (size_t i = 0; i < count; i++)
    nodes[i]->actions = wait_action_names(bus, &nodes[i]->ref, questions[i].names, nodes[i]->action_count);
}

/* --- the walk --- */

void tree_init(tree_t *t, bus_t *bus) { *t = (tree_t){.bus = bus, .end_ms = clock_ms() + A11Y_TIME_MS}; }

static void free_node(node_t *n) {
  for (size_t i = 0; i < n->action_count; i++) free(n->actions[i]);
  for (size_t i = 0; i < n->found_count; i++) ref_clear(&n->found[i]);
  ref_clear(&n->ref);
  free(n->actions);
  free(n->found);
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

/* Takes the names. NULL: it is in the tree, or the tree is full. */
static node_t *add(tree_t *t, ref_t *ref, node_t *parent) {
  char *key = dl_xprintf("%s:%s", ref->name, ref->path);
  bool is_known = dl_map_get(&t->seen, key) != NULL, is_full = t->count >= A11Y_NODES_MAX;
  node_t *n = NULL;
  if (is_full && !is_known) t->is_truncated = true;
  if (!is_known && !is_full) {
    n = dl_xcalloc(1, sizeof *n);
    n->ref = *ref;
    *ref = (ref_t){0};
    n->depth = parent != NULL ? parent->depth + 1 : 0;
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

/* Its children are in the tree after it, and are linked when they have answered. */
static void add_children(tree_t *t, node_t *n, int max_depth) {
  bool is_deep = n->depth >= A11Y_DEPTH_MAX;
  if (n->found_count > 0 && is_deep) t->is_truncated = true;
  if (is_deep || n->depth == max_depth) return;
  for (size_t i = 0; i < n->found_count; i++) {
    node_t *child = add(t, &n->found[i], n);
    if (child != NULL) link_child(n, child);
  }
}

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
  size_t next = t->count;
  node_t *top = add(t, &ref, NULL);
  ref_clear(&ref);
  while (next < t->count && clock_ms() < t->end_ms) {
    size_t count = t->count - next > BATCH ? BATCH : t->count - next;
    ask_batch(t->bus, t->all + next, count, max_depth);
    for (size_t end = next + count; next < end; next++)
      if (t->all[next]->role != NULL) add_children(t, t->all[next], max_depth);
  }
  if (next < t->count) t->is_truncated = true;
  for (size_t i = 0; i < t->count; i++) drop_dead(t->all[i]);
  return top != NULL && top->role != NULL ? top : NULL;
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
