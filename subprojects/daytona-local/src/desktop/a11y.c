/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What can be asked for. A question is a JSON object: "do" is tree, find, focus, invoke or value, and the other members are
 * those of the toolbox's requests (scope, pid, maxDepth, role, name, nameMatch, states, limit, id, action, value), whose types
 * the toolbox has checked. "timeMs" is for tests: less time than there is.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "desktop/a11y.h"

#include "desktop/a11y_limits.h"
#include "desktop/a11y_nodes.h"

#include <errno.h>
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define ASK_MAX (4u * 1024 * 1024)
#define PATTERN_MAX 4096
/* Steps that one name may take. */
#define MATCH_LIMIT 100000
#define MATCH_HEAP_KIB 4096

static const char MUTE[] = "the accessibility bus does not answer";
static const char LOST[] =
  "the accessibility bus has ended, or a program on it has sent more than 16 MiB at once";

/* A message of ours, and the status that goes with it. */
static int fail(dl_buf_t *out, int status, const char *message) {
  dl_buf_reset(out);
  dl_buf_puts(out, message);
  return status;
}

/* --- where to look --- */

static bool is_of_process(bus_t *bus, const ref_t *app, int64_t pid) {
  static const ref_t BUS = {DBUS_SERVICE_DBUS, DBUS_PATH_DBUS};
  dbus_uint32_t found = 0;
  DBusPendingCall *call = bus_send(bus, &BUS, DBUS_INTERFACE_DBUS, "GetConnectionUnixProcessID",
                                   DBUS_TYPE_STRING, &app->name, DBUS_TYPE_INVALID);
  DBusMessage *reply = bus_wait(bus, &BUS, call, NULL);
  bool ok = reply != NULL &&
            dbus_message_get_args(reply, NULL, DBUS_TYPE_UINT32, &found, DBUS_TYPE_INVALID) && found == pid;
  if (reply != NULL) dbus_message_unref(reply);
  return ok;
}

static DBusPendingCall *send_children(bus_t *bus, const ref_t *of) {
  return bus_send(bus, of, A11Y_ACCESSIBLE, "GetChildren", DBUS_TYPE_INVALID);
}

static size_t wait_children(bus_t *bus, const ref_t *of, DBusPendingCall *call, ref_t **out,
                            bus_error_t *error) {
  DBusMessage *reply = bus_wait(bus, of, call, error);
  size_t count = reply != NULL ? read_refs(reply, out, NULL) : 0;
  if (reply != NULL) dbus_message_unref(reply);
  return count;
}

static void clear_refs(ref_t *refs, size_t count) {
  for (size_t i = 0; i < count; i++) ref_clear(&refs[i]);
  free(refs);
}

typedef struct {
  size_t app;
  ref_t ref;
  DBusPendingCall *state;
} window_t;

/* The windows of all of them. Asked together: one that does not answer is to cost its time once. */
static window_t *list_windows(bus_t *bus, const ref_t *apps, size_t count, size_t *window_count) {
  DBusPendingCall **calls = dl_xcalloc(count + 1, sizeof *calls);
  window_t *windows = NULL;
  *window_count = 0;
  for (size_t i = 0; i < count; i++) calls[i] = send_children(bus, &apps[i]);
  for (size_t i = 0; i < count; i++) {
    ref_t *found = NULL;
    size_t n = wait_children(bus, &apps[i], calls[i], &found, NULL);
    size_t kept = n < A11Y_WINDOWS_MAX ? n : A11Y_WINDOWS_MAX;
    if (kept > 0) windows = dl_xrealloc(windows, (*window_count + kept) * sizeof *windows);
    for (size_t k = 0; k < kept; k++) {
      windows[(*window_count)++] = (window_t){i, found[k], NULL};
      found[k] = (ref_t){0};
    }
    clear_refs(found, n);
  }
  free(calls);
  return windows;
}

/* The first that has an active window; -1: none. */
static int64_t find_focused(bus_t *bus, const ref_t *apps, size_t count) {
  size_t window_count;
  int64_t found = -1;
  window_t *windows = list_windows(bus, apps, count, &window_count);
  for (size_t i = 0; i < window_count; i++)
    windows[i].state = bus_send(bus, &windows[i].ref, A11Y_ACCESSIBLE, "GetState", DBUS_TYPE_INVALID);
  for (size_t i = 0; i < window_count; i++) {
    DBusMessage *reply = bus_wait(bus, &windows[i].ref, windows[i].state, NULL);
    if (reply != NULL && found < 0 && (read_states(reply) >> state_number("active") & 1) != 0)
      found = (int64_t)windows[i].app;
    if (reply != NULL) dbus_message_unref(reply);
    ref_clear(&windows[i].ref);
  }
  free(windows);
  return found;
}

static int64_t find_process(bus_t *bus, const ref_t *apps, size_t count, int64_t pid) {
  for (size_t i = 0; i < count; i++)
    if (is_of_process(bus, &apps[i], pid)) return (int64_t)i;
  return -1;
}

/* The program that is meant; 0, or the status of a failure. *out is yours to clear. */
static int find_root(bus_t *bus, const json_t *ask, ref_t *out, dl_buf_t *message) {
  const char *scope = dl_json_str(ask, "scope");
  ref_t desktop, *apps = NULL;
  bool is_pid = scope != NULL && strcmp(scope, "pid") == 0;
  node_ref_root(&desktop);
  if (scope != NULL && strcmp(scope, "all") == 0) {
    *out = (ref_t){dl_xstrdup(desktop.name), dl_xstrdup(desktop.path)};
    return 0;
  }
  bus_error_t error;
  size_t count = wait_children(bus, &desktop, send_children(bus, &desktop), &apps, &error);
  if (error != BUS_OK) return fail(message, 503, MUTE);
  int64_t found =
    is_pid ? find_process(bus, apps, count, dl_json_int(ask, "pid", 0)) : find_focused(bus, apps, count);
  if (found >= 0) {
    *out = apps[found];
    apps[found] = (ref_t){0};
  }
  clear_refs(apps, count);
  if (found >= 0) return 0;
  return fail(message, 404,
              is_pid ? "no program with this process id shows itself on the accessibility bus"
                     : "no program has the focus; the scope \"all\" has every program");
}

/* Walks over what the question means. 0, or the status of a failure. */
static int walk(tree_t *t, const json_t *ask, int max_depth, node_t **root, dl_buf_t *message) {
  ref_t ref;
  const char *scope = dl_json_str(ask, "scope");
  bool is_all = scope != NULL && strcmp(scope, "all") == 0;
  int status = find_root(t->bus, ask, &ref, message);
  if (status != 0) return status;
  *root = tree_walk(t, &ref, max_depth);
  ref_clear(&ref);
  if (*root != NULL) return 0;
  return is_all ? fail(message, 503, MUTE) : fail(message, 404, "the program does not answer, or has ended");
}

static int answer_tree(bus_t *bus, const json_t *ask, dl_buf_t *out) {
  tree_t tree;
  node_t *root = NULL;
  tree_init(&tree, bus);
  int64_t depth = dl_json_int(ask, "maxDepth", -1);
  int status = walk(&tree, ask, depth < 0 || depth > A11Y_DEPTH_MAX ? -1 : (int)depth, &root, out);
  if (status == 0) {
    bool ok = dl_buf_puts(out, "{\"root\":") && node_put(out, root, true) &&
              dl_buf_printf(out, ",\"truncated\":%s}", tree.is_truncated ? "true" : "false");
    status =
      ok ? 200 : fail(out, 500, "the tree is larger than 48 MiB; ask for fewer levels, or look for nodes");
  }
  tree_clear(&tree);
  return status;
}

/* --- find --- */

typedef enum { MATCH_SUBSTRING, MATCH_EXACT, MATCH_REGEX } match_kind_t;

typedef struct {
  const char *role, *name;
  match_kind_t kind;
  pcre2_code *code;
  pcre2_match_data *data;
  pcre2_match_context *limits;
  uint64_t states;
  size_t limit, count;
  bool is_full;
} filter_t;

static int compile(filter_t *f, dl_buf_t *message) {
  int error;
  PCRE2_SIZE at;
  if (strlen(f->name) > PATTERN_MAX) return fail(message, 400, "the pattern is too long: 4096 bytes at most");
  f->code = pcre2_compile((PCRE2_SPTR)f->name, PCRE2_ZERO_TERMINATED, PCRE2_UTF, &error, &at, NULL);
  if (f->code == NULL) {
    char text[256];
    pcre2_get_error_message(error, (PCRE2_UCHAR *)text, sizeof text);
    dl_buf_printf(message, "the pattern is malformed at character %zu: %s", at, text);
    return 400;
  }
  f->data = pcre2_match_data_create(1, NULL);
  f->limits = pcre2_match_context_create(NULL);
  if (f->data == NULL || f->limits == NULL) return fail(message, 500, "out of memory");
  pcre2_set_match_limit(f->limits, MATCH_LIMIT);
  pcre2_set_heap_limit(f->limits, MATCH_HEAP_KIB);
  return 0;
}

static void clear_filter(filter_t *f) {
  pcre2_code_free(f->code);
  pcre2_match_data_free(f->data);
  pcre2_match_context_free(f->limits);
}

static int read_filter(filter_t *f, const json_t *ask, dl_buf_t *message) {
  const char *match = dl_json_str(ask, "nameMatch");
  json_t *name;
  size_t i;
  *f = (filter_t){.role = dl_json_str(ask, "role"), .name = dl_json_str(ask, "name"), .limit = A11Y_MATCHES};
  if (f->role != NULL && *f->role == '\0') f->role = NULL;
  if (f->name != NULL && *f->name == '\0') f->name = NULL;
  int64_t limit = dl_json_int(ask, "limit", 0);
  if (limit > 0) f->limit = limit > A11Y_MATCHES_MAX ? A11Y_MATCHES_MAX : (size_t)limit;
  json_array_foreach (dl_json_get(ask, "states"), i, name) {
    int number = state_number(json_string_value(name));
    if (number < 0) {
      dl_buf_printf(message, "there is no state '%.64s'", json_string_value(name));
      return 400;
    }
    f->states |= (uint64_t)1 << number;
  }
  if (match != NULL && strcmp(match, "exact") == 0) f->kind = MATCH_EXACT;
  if (match != NULL && strcmp(match, "regex") == 0) f->kind = MATCH_REGEX;
  return f->kind == MATCH_REGEX && f->name != NULL ? compile(f, message) : 0;
}

/* 1, 0, or -1: the pattern takes too long. */
static int name_matches(const filter_t *f, const char *label) {
  if (f->name == NULL) return 1;
  if (f->kind == MATCH_EXACT) return strcmp(label, f->name) == 0;
  if (f->kind == MATCH_SUBSTRING) return strstr(label, f->name) != NULL;
  int found = pcre2_match(f->code, (PCRE2_SPTR)label, strlen(label), 0, 0, f->data, f->limits);
  return found >= 0 ? 1 : found == PCRE2_ERROR_NOMATCH ? 0 : -1;
}

/* "push button" of at-spi2-core before 2.54 is "button" since, and clients write either. */
static bool role_matches(const filter_t *f, const char *role) {
  static const char SHORT[] = "button", LONG[] = "push button";
  const char *wanted = f->role;
  if (wanted == NULL || strcasecmp(role, wanted) == 0) return true;
  return (strcasecmp(wanted, SHORT) == 0 && strcasecmp(role, LONG) == 0) ||
         (strcasecmp(wanted, LONG) == 0 && strcasecmp(role, SHORT) == 0);
}

/* In the order in which they stand on the screen's tree: a parent, what is below it, its next. 0, or a status. */
static int put_matches(filter_t *f, const node_t *n, dl_buf_t *out) {
  bool fits = role_matches(f, n->role) && (n->states & f->states) == f->states;
  int match = fits ? name_matches(f, n->label != NULL ? n->label : "") : 0;
  if (match < 0) return fail(out, 400, "the pattern takes too many steps on a name");
  if (match > 0 && f->count == f->limit) f->is_full = true;
  if (match > 0 && !f->is_full) {
    bool ok = (f->count++ == 0 || dl_buf_puts(out, ",")) && node_put(out, n, false);
    if (!ok) return fail(out, 500, "the matches are larger than 48 MiB; set a limit");
  }
  for (const node_t *child = n->first; child != NULL && !f->is_full; child = child->next) {
    int status = put_matches(f, child, out);
    if (status != 0) return status;
  }
  return 0;
}

static int answer_find(bus_t *bus, const json_t *ask, dl_buf_t *out) {
  tree_t tree;
  filter_t filter;
  node_t *root = NULL;
  tree_init(&tree, bus);
  int status = read_filter(&filter, ask, out);
  if (status == 0) status = walk(&tree, ask, -1, &root, out);
  if (status == 0) {
    dl_buf_puts(out, "{\"matches\":[");
    status = put_matches(&filter, root, out);
  }
  if (status == 0) {
    bool is_cut = tree.is_truncated || filter.is_full;
    status = dl_buf_printf(out, "],\"truncated\":%s}", is_cut ? "true" : "false")
               ? 200
               : fail(out, 500, "too many matches");
  }
  clear_filter(&filter);
  tree_clear(&tree);
  return status;
}

/* --- one node --- */

static int explain(dl_buf_t *out, bus_error_t error, const char *unsupported) {
  switch (error) {
    case BUS_GONE: return fail(out, 404, "there is no such node; it may be gone, or its program");
    case BUS_UNSUPPORTED: return fail(out, 400, unsupported);
    case BUS_LATE: return fail(out, 500, "the program does not answer");
    case BUS_LOST: return fail(out, 503, LOST);
    default: return fail(out, 400, unsupported);
  }
}

/* What a call says that answers with true or false. */
static int settle(bus_t *bus, const ref_t *ref, DBusPendingCall *call, const char *refused, dl_buf_t *out) {
  bus_error_t error;
  bool is_done = false;
  DBusMessage *reply = bus_wait(bus, ref, call, &error);
  if (reply == NULL) return explain(out, error, refused);
  bool ok = bus_read_bool(reply, &is_done);
  dbus_message_unref(reply);
  if (!ok || !is_done) return fail(out, 400, refused);
  dl_buf_puts(out, "{}");
  return 200;
}

/* 0 when the node is there. Programs differ in what they say of one that is not. */
static int check_node(bus_t *bus, const ref_t *ref, dl_buf_t *out) {
  bus_error_t error;
  DBusMessage *reply =
    bus_wait(bus, ref, bus_send(bus, ref, A11Y_ACCESSIBLE, "GetState", DBUS_TYPE_INVALID), &error);
  if (reply == NULL) return explain(out, error == BUS_LATE || error == BUS_LOST ? error : BUS_GONE, NULL);
  bool is_gone = (read_states(reply) >> state_number("defunct") & 1) != 0;
  dbus_message_unref(reply);
  return is_gone ? explain(out, BUS_GONE, NULL) : 0;
}

static bool has_interface(bus_t *bus, const ref_t *ref, const char *interface) {
  DBusMessage *reply =
    bus_wait(bus, ref, bus_send(bus, ref, A11Y_ACCESSIBLE, "GetInterfaces", DBUS_TYPE_INVALID), NULL);
  bool found = reply != NULL && bus_list_has(reply, interface);
  if (reply != NULL) dbus_message_unref(reply);
  return found;
}

static int answer_focus(bus_t *bus, const ref_t *ref, const json_t *ask, dl_buf_t *out) {
  (void)ask;
  if (!has_interface(bus, ref, A11Y_COMPONENT)) return fail(out, 400, "the node does not take the focus");
  return settle(bus, ref, bus_send(bus, ref, A11Y_COMPONENT, "GrabFocus", DBUS_TYPE_INVALID),
                "the node does not take the focus", out);
}

static int answer_invoke(bus_t *bus, const ref_t *ref, const json_t *ask, dl_buf_t *out) {
  const char *wanted = dl_json_str(ask, "action");
  DBusPendingCall *calls[A11Y_ACTIONS_MAX];
  bus_error_t error;
  dbus_int32_t index = -1;
  if (!has_interface(bus, ref, A11Y_ACTION)) return fail(out, 400, "the node has no actions");
  DBusMessage *reply =
    bus_wait(bus, ref, bus_send(bus, ref, A11Y_ACTION, "GetActions", DBUS_TYPE_INVALID), &error);
  if (reply == NULL) return explain(out, error, "the node has no actions");
  size_t count = send_action_names(bus, ref, reply, calls);
  dbus_message_unref(reply);
  char **names = wait_action_names(bus, ref, calls, count);
  for (size_t i = 0; i < count; i++) {
    if (index < 0 && (wanted == NULL || *wanted == '\0' || strcasecmp(names[i], wanted) == 0))
      index = (dbus_int32_t)i;
    free(names[i]);
  }
  free(names);
  if (index < 0)
    return fail(out, 400, count > 0 ? "the node has no action of that name" : "the node has no actions");
  return settle(bus, ref,
                bus_send(bus, ref, A11Y_ACTION, "DoAction", DBUS_TYPE_INT32, &index, DBUS_TYPE_INVALID),
                "the node refuses the action", out);
}

/* A property that is a number: what has no editable text, such as a slider. */
static int set_number(bus_t *bus, const ref_t *ref, const char *text, dl_buf_t *out) {
  bus_error_t error;
  double number;
  if (!dl_parse_double(text, &number))
    return fail(out, 400, "the node takes a number, and the value is none");
  DBusPendingCall *call = bus_send_set(bus, ref, A11Y_VALUE, "CurrentValue", DBUS_TYPE_DOUBLE, &number);
  DBusMessage *reply = bus_wait(bus, ref, call, &error);
  if (reply == NULL) return explain(out, error, "the node's value cannot be set");
  dbus_message_unref(reply);
  dl_buf_puts(out, "{}");
  return 200;
}

static int answer_value(bus_t *bus, const ref_t *ref, const json_t *ask, dl_buf_t *out) {
  const char *value = dl_json_str(ask, "value");
  if (value == NULL) value = "";
  if (has_interface(bus, ref, A11Y_EDITABLE))
    return settle(
      bus, ref,
      bus_send(bus, ref, A11Y_EDITABLE, "SetTextContents", DBUS_TYPE_STRING, &value, DBUS_TYPE_INVALID),
      "the node's text cannot be set", out);
  if (has_interface(bus, ref, A11Y_VALUE)) return set_number(bus, ref, value, out);
  return fail(out, 400, "the node has neither a text that can be edited nor a value");
}

static int answer_node(bus_t *bus, const json_t *ask, dl_buf_t *out,
                       int (*answer)(bus_t *, const ref_t *, const json_t *, dl_buf_t *)) {
  const char *id = dl_json_str(ask, "id");
  ref_t ref;
  if (id == NULL || !ref_parse(id, &ref))
    return fail(out, 400, "this is no id of a node; those of the tree and of matches are");
  int status = check_node(bus, &ref, out);
  if (status == 0) status = answer(bus, &ref, ask, out);
  ref_clear(&ref);
  return status;
}

/* --- the question --- */

static int answer_on(bus_t *bus, const json_t *ask, dl_buf_t *out) {
  const char *what = dl_json_str(ask, "do");
  if (what == NULL) what = "";
  if (strcmp(what, "tree") == 0) return answer_tree(bus, ask, out);
  if (strcmp(what, "find") == 0) return answer_find(bus, ask, out);
  if (strcmp(what, "focus") == 0) return answer_node(bus, ask, out, answer_focus);
  if (strcmp(what, "invoke") == 0) return answer_node(bus, ask, out, answer_invoke);
  if (strcmp(what, "value") == 0) return answer_node(bus, ask, out, answer_value);
  return fail(out, 400, "nothing is known by that name");
}

int a11y_answer(const json_t *ask, dl_buf_t *out) {
  bus_t bus;
  int64_t time_ms = dl_json_int(ask, "timeMs", A11Y_TIME_MS);
  if (time_ms < 0 || time_ms > A11Y_TIME_MS) time_ms = A11Y_TIME_MS;
  const char *problem = bus_open(&bus, clock_ms() + (uint64_t)time_ms);
  if (problem != NULL) return fail(out, 503, problem);
  int status = answer_on(&bus, ask, out);
  if (bus_is_lost(&bus)) status = fail(out, 503, LOST);
  bus_close(&bus);
  return status;
}

static bool read_all(dl_buf_t *in) {
  for (;;) {
    char *room = dl_buf_reserve(in, 65536);
    ssize_t got = room != NULL ? read(STDIN_FILENO, room, 65536) : -1;
    if (got < 0 && room != NULL && errno == EINTR) continue;
    if (got <= 0) return got == 0;
    dl_buf_grew(in, (size_t)got);
  }
}

int a11y_main(void) {
  dl_buf_t in, out;
  char *failure = NULL;
  dl_buf_init(&in, ASK_MAX);
  dl_buf_init(&out, A11Y_OUT_MAX);
  json_t *ask = read_all(&in) ? dl_json_parse(in.data != NULL ? in.data : "", in.len, &failure) : NULL;
  int status = ask != NULL ? a11y_answer(ask, &out) : fail(&out, 400, "the question cannot be read");
  bool ok =
    printf("%d\n", status) > 0 && fwrite(out.data, 1, out.len, stdout) == out.len && fflush(stdout) == 0;
  json_decref(ask);
  free(failure);
  dl_buf_clear(&in);
  dl_buf_clear(&out);
  dbus_shutdown();
  return ok ? 0 : 1;
}
