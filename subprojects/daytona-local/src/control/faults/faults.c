/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fault rules: read strictly (a misspelt key must not silently do nothing), matched in the order
 * they were added, counted down, and gone when used up.
 */
#include "control/faults/faults.h"

#include "base/list.h"
#include "http/damage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define RULES_MAX 1000

typedef struct {
  dl_list_t link;
  dl_fault_t rule;
} entry_t;

struct dl_faults {
  dl_list_t entries;
  dl_list_t used; /* one finished entry, whose texts may still be borrowed */
  size_t count;
  unsigned next_id;
};

static const char *const action_names[] = {"delay",  "reset",        "truncate",     "short",       "dribble",
                                           "status", "stall",        "freeze",       "delay-pongs", "close",
                                           "split",  "leave-unread", "stall-accept", "fail"};
static const struct {
  const char *name;
  unsigned bit;
} target_names[] = {{"control", DL_TARGET_CONTROL}, {"toolbox", DL_TARGET_TOOLBOX},
                    {"preview", DL_TARGET_PREVIEW}, {"storage", DL_TARGET_STORAGE},
                    {"logs", DL_TARGET_LOGS},       {"pull", DL_TARGET_PULL},
                    {"build", DL_TARGET_BUILD}};

#define WORK_TARGETS (unsigned)(DL_TARGET_PULL | DL_TARGET_BUILD)

#define FOR(action) (1u << DL_FAULT_##action)
#define ALL_ACTIONS (~0u)
#define CUTS (FOR(RESET) | FOR(TRUNCATE) | FOR(FREEZE))

static const struct {
  const char *key;
  size_t offset;
  int64_t min, max;
  unsigned actions; /* those it means something to */
} numbers[] = {
  {"times", offsetof(dl_fault_t, times), 1, 1000000000, ALL_ACTIONS},
  {"skip", offsetof(dl_fault_t, skip), 0, 1000000000, ALL_ACTIONS},
  {"delay_ms", offsetof(dl_fault_t, delay_ms), 0, 86400000, ALL_ACTIONS},
  {"after_bytes", offsetof(dl_fault_t, after_bytes), 0, INT64_C(1) << 50, ALL_ACTIONS},
  {"bytes_per_second", offsetof(dl_fault_t, bytes_per_second), 1, 1000000000, ALL_ACTIONS},
  {"status", offsetof(dl_fault_t, status), 200, 599, ALL_ACTIONS},
  {"retry_after", offsetof(dl_fault_t, retry_after), 0, 86400, FOR(STATUS)},
  {"after_frames", offsetof(dl_fault_t, after_frames), 0, INT64_C(1) << 50,
   CUTS | FOR(CLOSE) | FOR(LEAVE_UNREAD)},
  {"into_bytes", offsetof(dl_fault_t, into_bytes), 1, INT64_C(1) << 50, CUTS},
  {"for_ms", offsetof(dl_fault_t, for_ms), 1, 86400000, FOR(FREEZE) | FOR(LEAVE_UNREAD)},
  {"piece_bytes", offsetof(dl_fault_t, piece_bytes), 1, 1 << 20, FOR(SPLIT)},
  {"fragment_bytes", offsetof(dl_fault_t, fragment_bytes), 1, 1 << 20, FOR(SPLIT)},
  {"pause_ms", offsetof(dl_fault_t, pause_ms), 0, 60000, FOR(SPLIT)},
  {"close_code", offsetof(dl_fault_t, close_code), 1000, 4999, FOR(CLOSE)},
};
static const struct {
  const char *key;
  size_t offset;
} texts[] = {{"bucket", offsetof(dl_fault_t, bucket)},
             {"message", offsetof(dl_fault_t, message)},
             {"code", offsetof(dl_fault_t, code)},
             {"close_reason", offsetof(dl_fault_t, close_reason)}};

#define NUMBER(rule, i) (*(int64_t *)(void *)((char *)(rule) + numbers[i].offset))
#define TEXT(rule, i) (*(char **)(void *)((char *)(rule) + texts[i].offset))

dl_faults_t *dl_faults_new(void) {
  dl_faults_t *f = dl_xcalloc(1, sizeof *f);
  dl_list_init(&f->entries);
  dl_list_init(&f->used);
  return f;
}

static void free_entry(entry_t *e) {
  dl_list_unlink(&e->link);
  free(e->rule.method);
  free(e->rule.path);
  for (size_t i = 0; i < DL_COUNT(texts); i++) free(TEXT(&e->rule, i));
  free(e);
}

static void free_all(dl_list_t *list) {
  while (!dl_list_empty(list)) free_entry(DL_CONTAINER(list->next, entry_t, link));
}

void dl_faults_clear(dl_faults_t *f) {
  free_all(&f->entries);
  f->count = 0;
}

void dl_faults_free(dl_faults_t *f) {
  if (!f) return;
  free_all(&f->entries);
  free_all(&f->used);
  free(f);
}

/* --- reading --- */

static bool read_targets(const json_t *value, unsigned *out) {
  size_t i, j;
  json_t *item;
  json_t *list = json_is_array(value) ? json_incref((json_t *)value) : json_pack("[O]", value);
  bool ok = true;
  json_array_foreach (list, i, item) {
    unsigned bit = 0;
    for (j = 0; j < DL_COUNT(target_names); j++)
      if (json_is_string(item) && strcmp(json_string_value(item), target_names[j].name) == 0)
        bit = target_names[j].bit;
    *out |= bit;
    ok = ok && bit;
  }
  json_decref(list);
  return ok;
}

static char *read_match(const json_t *match, dl_fault_t *r) {
  const char *key;
  json_t *value;
  if (!json_is_object(match)) return dl_xstrdup("match must be an object");
  json_object_foreach ((json_t *)match, key, value) {
    bool is_text = json_is_string(value);
    if (strcmp(key, "method") == 0 && is_text)
      dl_set(&r->method, json_string_value(value));
    else if (strcmp(key, "path") == 0 && is_text)
      dl_set(&r->path, json_string_value(value));
    else if (strcmp(key, "target") != 0 || !read_targets(value, &r->targets))
      return dl_xprintf(
        "match.%s is not understood (method, path, target: control|toolbox|preview|storage|logs|pull|build)",
        key);
  }
  return NULL;
}

static bool read_number(dl_fault_t *r, const char *key, const json_t *value, char **error) {
  for (size_t i = 0; i < DL_COUNT(numbers); i++) {
    if (strcmp(numbers[i].key, key) != 0) continue;
    json_int_t n = json_integer_value(value);
    if (!json_is_integer(value) || n < numbers[i].min || n > numbers[i].max)
      *error = dl_xprintf("%s must be an integer from %lld to %lld", key, (long long)numbers[i].min,
                          (long long)numbers[i].max);
    else
      NUMBER(r, i) = n;
    return true;
  }
  return false;
}

static bool read_text(dl_fault_t *r, const char *key, const json_t *value, char **error) {
  for (size_t i = 0; i < DL_COUNT(texts); i++) {
    if (strcmp(texts[i].key, key) != 0) continue;
    if (json_is_string(value))
      dl_set(&TEXT(r, i), json_string_value(value));
    else
      *error = dl_xprintf("%s must be a string", key);
    return true;
  }
  return false;
}

static char *read_action(const json_t *value, dl_fault_t *r) {
  for (size_t i = 0; i < DL_COUNT(action_names); i++) {
    if (!json_is_string(value) || strcmp(json_string_value(value), action_names[i]) != 0) continue;
    r->action = (dl_fault_action_t)i;
    return NULL;
  }
  return dl_xstrdup(
    "action must be delay, reset, truncate, short, dribble, status, stall, freeze, delay-pongs, close, "
    "split, "
    "leave-unread, stall-accept or fail");
}

static char *read_phase(const json_t *value, dl_fault_t *r) {
  const char *text = json_string_value(value);
  r->is_after = text && strcmp(text, "after") == 0;
  return r->is_after || (text && strcmp(text, "before") == 0) ? NULL
                                                              : dl_xstrdup("phase must be before or after");
}

static bool is_of_frames(const dl_fault_t *r) {
  return r->after_frames >= 0 || r->action == DL_FAULT_DELAY_PONGS || r->action == DL_FAULT_CLOSE ||
         r->action == DL_FAULT_SPLIT || r->action == DL_FAULT_LEAVE_UNREAD;
}

/* Codes that may stand in a close frame, and 1005 for one that holds none. */
static bool is_close_code(int64_t code) {
  return (code >= 1000 && code <= 1014 && code != 1004 && code != 1006) || (code >= 3000 && code <= 4999);
}

static char *check_close(const dl_fault_t *r) {
  size_t reason = r->close_reason ? strlen(r->close_reason) : 0;
  if (r->action != DL_FAULT_CLOSE)
    return r->close_reason ? dl_xstrdup("close_reason goes with action close") : NULL;
  if (r->close_code < 0) return dl_xstrdup("close_code is missing");
  if (!is_close_code(r->close_code))
    return dl_xstrdup("close_code must be 1000 to 1003, 1005, 1007 to 1014, or 3000 to 4999");
  if (r->close_code == 1005 && r->close_reason) return dl_xstrdup("close_reason needs a code that is sent");
  return reason > DL_CLOSE_REASON_MAX
           ? dl_xprintf("close_reason must not be longer than %d bytes", DL_CLOSE_REASON_MAX)
           : NULL;
}

/* What an action on a stream needs to make sense. */
static char *check_stream(const dl_fault_t *r) {
  for (size_t i = 0; i < DL_COUNT(numbers); i++)
    if (NUMBER(r, i) >= 0 && !(numbers[i].actions & 1u << r->action))
      return dl_xprintf("%s does not go with action %s", numbers[i].key, action_names[r->action]);
  if (r->after_frames >= 0 && r->after_bytes >= 0)
    return dl_xstrdup("after_bytes and after_frames exclude each other");
  if (r->into_bytes >= 0 && r->after_frames < 0) return dl_xstrdup("into_bytes needs after_frames");
  if (r->pause_ms >= 0 && r->piece_bytes < 0 && r->fragment_bytes >= 0)
    return dl_xstrdup("pause_ms needs piece_bytes");
  if (r->action == DL_FAULT_FREEZE && r->after_frames < 0 && r->after_bytes < 0)
    return dl_xstrdup("after_bytes or after_frames is missing");
  if (r->action == DL_FAULT_DELAY_PONGS && r->delay_ms == 0)
    return dl_xstrdup("delay_ms must be more than 0, or absent: for ever");
  if (r->is_after && (is_of_frames(r) || r->action == DL_FAULT_FREEZE))
    return dl_xstrdup("phase after does not go with damage to a stream");
  return check_close(r);
}

/* Pulls and builds are no requests: what goes wrong with one does not go wrong with the other. */
static char *check_work(const dl_fault_t *r) {
  bool is_work = (r->targets & WORK_TARGETS) != 0, is_fail = r->action == DL_FAULT_FAIL;
  bool may_be = is_fail || r->action == DL_FAULT_DELAY || r->action == DL_FAULT_STALL;
  if (is_fail && !is_work) return dl_xstrdup("action fail needs the target pull or build");
  if (!is_work) return NULL;
  if (r->targets & ~WORK_TARGETS) return dl_xstrdup("pull and build do not go with other targets");
  if (!may_be) return dl_xstrdup("a pull or a build can fail, delay or stall");
  return r->method ? dl_xstrdup("a pull or a build has no method") : NULL;
}

/* What an action needs to make sense. */
static char *check_rule(const dl_fault_t *r) {
  if (r->action == DL_FAULT_STATUS && r->status < 0) return dl_xstrdup("status is missing");
  if (r->action == DL_FAULT_DELAY && r->delay_ms <= 0) return dl_xstrdup("delay_ms is missing");
  if (r->action == DL_FAULT_TRUNCATE && r->after_bytes < 0 && r->after_frames < 0)
    return dl_xstrdup("after_bytes is missing");
  if (r->action == DL_FAULT_SHORT && r->after_bytes < 0) return dl_xstrdup("after_bytes is missing");
  if (r->action == DL_FAULT_DRIBBLE && r->bytes_per_second <= 0)
    return dl_xstrdup("bytes_per_second is missing");
  char *problem = check_work(r);
  return problem ? problem : check_stream(r);
}

static char *read_rule(const json_t *rule, dl_fault_t *r) {
  const char *key;
  json_t *value;
  bool has_action = false;
  char *error = NULL;
  for (size_t i = 0; i < DL_COUNT(numbers); i++) NUMBER(r, i) = -1;
  r->times = 1;
  r->skip = 0;
  if (!json_is_object(rule)) return dl_xstrdup("a fault is a JSON object");
  json_object_foreach ((json_t *)rule, key, value) {
    if (strcmp(key, "match") == 0)
      error = read_match(value, r);
    else if (strcmp(key, "action") == 0)
      error = read_action(value, r), has_action = true;
    else if (strcmp(key, "phase") == 0)
      error = read_phase(value, r);
    else if (strcmp(key, "times") == 0 && json_is_string(value) &&
             strcmp(json_string_value(value), "always") == 0)
      r->times = -1;
    else if (!read_number(r, key, value, &error) && !read_text(r, key, value, &error))
      error = dl_xprintf("unknown key %s", key);
    if (error) return error;
  }
  return has_action ? check_rule(r) : dl_xstrdup("action is missing");
}

const dl_fault_t *dl_faults_add(dl_faults_t *f, const json_t *rule, char **error) {
  entry_t *e = dl_xcalloc(1, sizeof *e);
  dl_list_init(&e->link);
  *error = f->count >= RULES_MAX ? dl_xstrdup("too many faults") : read_rule(rule, &e->rule);
  if (*error) {
    free_entry(e);
    return NULL;
  }
  snprintf(e->rule.id, sizeof e->rule.id, "fault-%u", ++f->next_id);
  dl_list_push(&f->entries, &e->link);
  f->count++;
  return &e->rule;
}

bool dl_faults_remove(dl_faults_t *f, const char *id) {
  DL_LIST_EACH_SAFE(&f->entries, node, after) {
    entry_t *e = DL_CONTAINER(node, entry_t, link);
    if (strcmp(e->rule.id, id) != 0) continue;
    free_entry(e);
    f->count--;
    return true;
  }
  return false;
}

/* --- showing --- */

json_t *dl_fault_json(const dl_fault_t *r) {
  json_t *match = json_object(), *targets = json_array();
  if (r->method) json_object_set_new(match, "method", json_string(r->method));
  if (r->path) json_object_set_new(match, "path", json_string(r->path));
  for (size_t i = 0; i < DL_COUNT(target_names); i++)
    if (r->targets & target_names[i].bit) json_array_append_new(targets, json_string(target_names[i].name));
  if (json_array_size(targets) > 0) json_object_set(match, "target", targets);
  json_decref(targets);
  json_t *o = json_pack("{s:s, s:o, s:s, s:s}", "id", r->id, "match", match, "action",
                        action_names[r->action], "phase", r->is_after ? "after" : "before");
  for (size_t i = 0; i < DL_COUNT(numbers); i++)
    if (NUMBER(r, i) >= numbers[i].min) json_object_set_new(o, numbers[i].key, json_integer(NUMBER(r, i)));
  if (r->times < 0) json_object_set_new(o, "times", json_string("always"));
  for (size_t i = 0; i < DL_COUNT(texts); i++)
    if (TEXT(r, i)) json_object_set_new(o, texts[i].key, json_string(TEXT(r, i)));
  return o;
}

json_t *dl_faults_list(const dl_faults_t *f) {
  json_t *list = json_array();
  DL_LIST_EACH(&f->entries, node)
  json_array_append_new(list, dl_fault_json(&DL_CONTAINER(node, entry_t, link)->rule));
  return list;
}

/* --- matching --- */

bool dl_fault_path_matches(const char *pattern, const char *path) {
  for (;;) {
    if (*pattern == '*' && pattern[1] == '\0') return true;
    if (*pattern == '*') {
      /* One segment, or the rest of one. */
      pattern++;
      while (*path && *path != '/') path++;
      continue;
    }
    if (*pattern == '\0') return *path == '\0' || *path == '/';
    if (*pattern != *path) return false;
    pattern++;
    path++;
  }
}

static bool use(dl_faults_t *f, entry_t *e, dl_fault_t *out) {
  if (e->rule.skip > 0) {
    e->rule.skip--;
    return false;
  }
  if (out) *out = e->rule;
  if (e->rule.times > 0 && --e->rule.times == 0) {
    free_all(&f->used);
    dl_list_unlink(&e->link);
    dl_list_push(&f->used, &e->link);
    f->count--;
  }
  return true;
}

bool dl_faults_hit(dl_faults_t *f, dl_fault_target_t target, const char *method, const char *path,
                   bool is_upgrade, dl_fault_t *out) {
  DL_LIST_EACH_SAFE(&f->entries, node, after) {
    entry_t *e = DL_CONTAINER(node, entry_t, link);
    const dl_fault_t *r = &e->rule;
    if (r->action == DL_FAULT_STALL_ACCEPT || (r->targets && !(r->targets & target))) continue;
    if (is_of_frames(r) && !is_upgrade) continue;
    if (r->method && strcasecmp(r->method, method) != 0) continue;
    if (r->path && !dl_fault_path_matches(r->path, path)) continue;
    if (use(f, e, out)) return true;
  }
  return false;
}

bool dl_faults_hit_work(dl_faults_t *f, dl_fault_target_t target, const char *name, dl_fault_t *out) {
  DL_LIST_EACH_SAFE(&f->entries, node, after) {
    entry_t *e = DL_CONTAINER(node, entry_t, link);
    if (!(e->rule.targets & target) || (e->rule.path && !dl_fault_path_matches(e->rule.path, name))) continue;
    if (use(f, e, out)) return true;
  }
  return false;
}

bool dl_faults_hit_accept(dl_faults_t *f) {
  DL_LIST_EACH_SAFE(&f->entries, node, after) {
    entry_t *e = DL_CONTAINER(node, entry_t, link);
    if (e->rule.action == DL_FAULT_STALL_ACCEPT && use(f, e, NULL)) return true;
  }
  return false;
}
