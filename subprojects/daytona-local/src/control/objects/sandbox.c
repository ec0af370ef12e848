/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sandbox as data. One table names the fields that are kept on disk, and drives both
 * directions.
 */
#include "control/objects/sandbox.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const char *const state_names[DL_STATE_COUNT] = {
  "creating",  "started",       "stopped",           "archived",     "restoring", "resizing", "error",
  "destroyed", "pending_build", "building_snapshot", "build_failed", "paused",    "forking",  "snapshotting"};
static const char *const want_names[DL_WANT_COUNT] = {"started",   "stopped", "archived",
                                                      "destroyed", "resized", "paused"};

/* Every state a client may ask for, ours or not. */
static const char *const known_states[] = {
  "creating", "restoring",        "destroyed", "destroying",   "started",       "stopped",
  "starting", "stopping",         "error",     "build_failed", "pending_build", "building_snapshot",
  "unknown",  "pulling_snapshot", "archived",  "archiving",    "resizing",      "snapshotting",
  "forking",  "pausing",          "paused",    "resuming"};

static const char *const backup_states[] = {"None", "Pending", "InProgress", "Completed", "Error"};

typedef enum { F_TEXT, F_JSON, F_BOOL, F_NUMBER, F_MINUTES, F_TIME, F_TOKENS } field_kind_t;
typedef struct {
  const char *key;
  field_kind_t kind;
  size_t offset;
  bool is_setting; /* a client chooses it */
} field_t;

#define FIELD(key, kind, member) \
  { key, kind, offsetof(dl_sandbox_t, member), false }
#define SETTING(key, kind, member) \
  { key, kind, offsetof(dl_sandbox_t, member), true }
static const field_t fields[] = {
  FIELD("id", F_TEXT, id),
  FIELD("name", F_TEXT, name),
  FIELD("snapshot", F_TEXT, snapshot),
  FIELD("user", F_TEXT, user),
  FIELD("hasOwnUser", F_BOOL, has_own_user),
  FIELD("target", F_TEXT, target),
  FIELD("class", F_TEXT, class_name),
  SETTING("pool", F_TEXT, pool_id),
  FIELD("forkedFrom", F_TEXT, forked_from),
  FIELD("filesFrom", F_TEXT, files_from),
  FIELD("env", F_JSON, env),
  SETTING("labels", F_JSON, labels),
  FIELD("volumes", F_JSON, volumes),
  SETTING("secrets", F_JSON, secrets),
  SETTING("secretHosts", F_TEXT, secret_hosts),
  FIELD("linkedSandbox", F_TEXT, linked),
  FIELD("image", F_TEXT, image),
  FIELD("build", F_JSON, build),
  FIELD("entrypoint", F_JSON, entrypoint),
  SETTING("public", F_BOOL, is_public),
  SETTING("blocked", F_BOOL, is_blocked),
  SETTING("allowList", F_TEXT, allow_list),
  SETTING("domainList", F_TEXT, domain_list),
  FIELD("outboundProxy", F_TEXT, outbound_proxy),
  FIELD("otelEndpoint", F_TEXT, otel_endpoint),
  SETTING("cpu", F_NUMBER, cpu),
  FIELD("gpu", F_NUMBER, gpu),
  SETTING("memory", F_NUMBER, memory),
  SETTING("disk", F_NUMBER, disk),
  FIELD("errorReason", F_TEXT, error_reason),
  FIELD("recoverable", F_BOOL, is_recoverable),
  FIELD("backupAt", F_TIME, backup_at),
  SETTING("autoStop", F_MINUTES, auto_stop),
  SETTING("autoArchive", F_MINUTES, auto_archive),
  SETTING("autoDelete", F_MINUTES, auto_delete),
  SETTING("autoPause", F_MINUTES, auto_pause),
  SETTING("destroyAt", F_TIME, destroy_at),
  FIELD("queueTimeout", F_MINUTES, queue_timeout),
  FIELD("queueTimedOutAt", F_TIME, queue_timed_out_at),
  FIELD("spotEvictedAt", F_TIME, spot_evicted_at),
  FIELD("createdAt", F_TIME, created_at),
  FIELD("updatedAt", F_TIME, updated_at),
  FIELD("lastActivityAt", F_TIME, last_activity_at),
  SETTING("previewToken", F_TEXT, preview_token),
  SETTING("signingKey", F_TEXT, signing_key),
  SETTING("signedTokens", F_TOKENS, signed_tokens),
  SETTING("sshAccess", F_TOKENS, ssh_access),
};

#define AT(sb, f, type) ((type *)(void *)((char *)(sb) + (f)->offset))
#define AT_CONST(sb, f, type) ((const type *)(const void *)((const char *)(sb) + (f)->offset))

char *dl_sandbox_new_signing_key(void) {
  /* A letter in front: the key must never look like a JSON number. */
  char *key = dl_random_token(40, DL_ALPHABET_MIXED), *full = dl_xprintf("sk%s", key);
  free(key);
  return full;
}

dl_sandbox_t *dl_sandbox_new(const char *id, const char *target, int64_t now) {
  dl_sandbox_t *sb = dl_xcalloc(1, sizeof *sb);
  sb->id = dl_xstrdup(id);
  sb->name = dl_xstrdup(id);
  sb->user = dl_xstrdup("daytona");
  sb->target = dl_xstrdup(target);
  sb->class_name = dl_xstrdup(DL_CLASS_CONTAINER);
  sb->env = json_object();
  sb->labels = json_object();
  sb->volumes = json_array();
  sb->secrets = json_object();
  sb->signed_tokens = json_array();
  sb->ssh_access = json_array();
  sb->preview_token = dl_random_token(32, DL_ALPHABET_PREVIEW);
  sb->signing_key = dl_sandbox_new_signing_key();
  sb->auto_stop = 15;
  sb->auto_archive = 10080;
  sb->auto_delete = -1;
  sb->backup_state = "None";
  sb->created_at = sb->updated_at = sb->last_activity_at = now;
  dl_list_init(&sb->link);
  dl_list_init(&sb->waiters);
  return sb;
}

void dl_sandbox_free(dl_sandbox_t *sb) {
  dl_list_unlink(&sb->link);
  for (size_t i = 0; i < DL_COUNT(fields); i++) {
    if (fields[i].kind == F_TEXT) free(*AT(sb, &fields[i], char *));
    if (fields[i].kind == F_JSON || fields[i].kind == F_TOKENS) json_decref(*AT(sb, &fields[i], json_t *));
  }
  free(sb->intent.name);
  free(sb->intent.error_reason);
  free(sb->intent.deferred_error);
  free(sb->building);
  free(sb->snapshotting);
  json_decref(sb->box_secrets);
  json_decref(sb->coming_secrets);
  free(sb);
}

/* --- on disk --- */

/* A list of tokens with all its times so much later; a reference where that changes nothing. */
static json_t *later(json_t *tokens, int64_t ms) {
  static const char *const times[] = {"createdAt", "expiresAt"};
  if (ms == 0) return json_incref(tokens);
  json_t *moved = json_deep_copy(tokens), *entry;
  size_t i;
  json_array_foreach (moved, i, entry) {
    for (size_t j = 0; j < DL_COUNT(times); j++) {
      int64_t at = dl_json_int(entry, times[j], 0);
      if (at != 0) json_object_set_new(entry, times[j], json_integer(at + ms));
    }
  }
  return moved;
}

static json_t *encode_field(const dl_sandbox_t *sb, const field_t *f, int64_t offset) {
  switch (f->kind) {
    case F_TEXT: return dl_json_str_or_null(*AT_CONST(sb, f, char *));
    case F_JSON: {
      json_t *value = *AT((dl_sandbox_t *)sb, f, json_t *);
      return value ? json_incref(value) : json_null();
    }
    case F_BOOL: return json_boolean(*AT_CONST(sb, f, bool));
    case F_NUMBER: return dl_json_number(*AT_CONST(sb, f, double));
    case F_MINUTES: return json_integer(*AT_CONST(sb, f, int64_t));
    case F_TIME: {
      int64_t at = *AT_CONST(sb, f, int64_t);
      return json_integer(at != 0 ? at + offset : 0);
    }
    case F_TOKENS: return later(*AT((dl_sandbox_t *)sb, f, json_t *), offset);
  }
  return NULL;
}

json_t *dl_sandbox_record(const dl_sandbox_t *sb, dl_state_t state, int64_t clock_offset) {
  json_t *record = json_object();
  dl_want_t want = sb->want;
  assert(state < DL_STATE_COUNT && want < DL_WANT_COUNT);
  /* A resize that is cut off has happened: the sizes are in the record, and so is what it goes back to. A copy of its files
   * changes nothing. */
  if (state == DL_RESIZING || state == DL_FORKING || state == DL_SNAPSHOTTING) {
    state = sb->intent.state;
    want = sb->intent.want;
  }
  for (size_t i = 0; i < DL_COUNT(fields); i++)
    json_object_set_new(record, fields[i].key, encode_field(sb, &fields[i], clock_offset));
  json_object_set_new(record, "state", json_string(state_names[state]));
  json_object_set_new(record, "want", json_string(want_names[want]));
  json_object_set_new(record, "backupState", json_string(sb->backup_state));
  if (clock_offset != 0) json_object_set_new(record, "clockOffset", json_integer(clock_offset));
  return record;
}

static void decode_field(dl_sandbox_t *sb, const field_t *f, json_t *value, int64_t offset) {
  switch (f->kind) {
    case F_TEXT: dl_set(AT(sb, f, char *), json_string_value(value)); break;
    case F_JSON:
      json_decref(*AT(sb, f, json_t *));
      *AT(sb, f, json_t *) = json_incref(value);
      break;
    case F_TOKENS:
      json_decref(*AT(sb, f, json_t *));
      *AT(sb, f, json_t *) = later(value, -offset);
      break;
    case F_BOOL: *AT(sb, f, bool) = json_is_true(value); break;
    case F_NUMBER: *AT(sb, f, double) = json_number_value(value); break;
    case F_MINUTES: *AT(sb, f, int64_t) = json_integer_value(value); break;
    case F_TIME: {
      int64_t at = json_integer_value(value);
      *AT(sb, f, int64_t) = at != 0 ? at - offset : 0;
      break;
    }
  }
}

static int index_of(const char *const *names, int count, const char *name) {
  for (int i = 0; name && i < count; i++)
    if (strcmp(names[i], name) == 0) return i;
  return -1;
}

void dl_sandbox_take_settings(dl_sandbox_t *sb, const json_t *record) {
  int64_t offset = dl_json_int(record, "clockOffset", 0);
  for (size_t i = 0; i < DL_COUNT(fields); i++) {
    json_t *value = json_object_get(record, fields[i].key);
    if (fields[i].is_setting && value) decode_field(sb, &fields[i], value, offset);
  }
}

dl_sandbox_t *dl_sandbox_from_record(const json_t *record, const char *region) {
  const char *id = dl_json_str(record, "id");
  int state = index_of(state_names, DL_STATE_COUNT, dl_json_str(record, "state"));
  int want = index_of(want_names, DL_WANT_COUNT, dl_json_str(record, "want"));
  int backup = index_of(backup_states, DL_COUNT(backup_states), dl_json_str(record, "backupState"));
  if (!id || !dl_is_uuid(id) || state < 0 || want < 0 || backup < 0) return NULL;
  dl_sandbox_t *sb = dl_sandbox_new(id, region, 0);
  sb->state = (dl_state_t)state;
  sb->want = (dl_want_t)want;
  sb->backup_state = backup_states[backup];
  for (size_t i = 0; i < DL_COUNT(fields); i++) {
    json_t *value = json_object_get(record, fields[i].key);
    bool is_json = fields[i].kind == F_JSON || fields[i].kind == F_TOKENS;
    /* The times are the machine's, at which our clock has begun. */
    if (value && !(is_json && json_is_null(value))) decode_field(sb, &fields[i], value, 0);
  }
  return sb;
}

/* --- states --- */

bool dl_state_known(const char *name) { return index_of(known_states, DL_COUNT(known_states), name) >= 0; }

const char *dl_sandbox_state_name(const dl_sandbox_t *sb, bool in_list) {
  if (sb->state == DL_STARTED && sb->want == DL_WANT_STOPPED) return "stopping";
  if (sb->state == DL_STARTED && sb->want == DL_WANT_DESTROYED) return "destroying";
  if (sb->state == DL_STOPPED && sb->want == DL_WANT_STARTED) return "starting";
  if (sb->state == DL_STOPPED && sb->want == DL_WANT_DESTROYED) return "destroying";
  if (sb->state == DL_STOPPED && sb->want == DL_WANT_ARCHIVED) return "archiving";
  if (sb->state == DL_STARTED && sb->want == DL_WANT_PAUSED) return "pausing";
  if (sb->state == DL_PAUSED && sb->want == DL_WANT_STARTED) return "resuming";
  if (sb->state == DL_ARCHIVED && sb->want == DL_WANT_STARTED && in_list) return "restoring";
  return state_names[sb->state];
}

const char *dl_want_name(dl_want_t want) { return want_names[want]; }

bool dl_sandbox_is_busy(const dl_sandbox_t *sb) {
  static const dl_state_t reached[DL_WANT_COUNT] = {DL_STARTED,   DL_STOPPED,  DL_ARCHIVED,
                                                    DL_DESTROYED, DL_RESIZING, DL_PAUSED};
  return sb->is_pending || (!dl_sandbox_is_errored(sb) && sb->state != reached[sb->want]);
}

bool dl_sandbox_is_up(const dl_sandbox_t *sb) {
  bool is_at_work = sb->state == DL_STARTED || sb->state == DL_RESIZING || sb->state == DL_FORKING ||
                    sb->state == DL_SNAPSHOTTING;
  bool is_to_end = sb->want == DL_WANT_STOPPED || sb->want == DL_WANT_PAUSED ||
                   sb->want == DL_WANT_ARCHIVED || sb->want == DL_WANT_DESTROYED;
  return sb->box && is_at_work && !is_to_end;
}

bool dl_sandbox_gives_way(const dl_sandbox_t *sb) { return sb->gives_way && !sb->intent.go; }

bool dl_sandbox_is_ephemeral(const dl_sandbox_t *sb) { return sb->auto_delete == 0; }

bool dl_sandbox_is_vm(const dl_sandbox_t *sb) { return strcmp(sb->class_name, DL_CLASS_VM) == 0; }

bool dl_sandbox_is_errored(const dl_sandbox_t *sb) {
  return sb->state == DL_ERROR || sb->state == DL_BUILD_FAILED;
}

bool dl_sandbox_is_memory(const dl_sandbox_t *sb) {
  return sb->state == DL_DESTROYED && (sb->queue_timed_out_at != 0 || sb->spot_evicted_at != 0);
}
