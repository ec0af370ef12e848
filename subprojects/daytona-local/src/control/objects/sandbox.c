/* SPDX-License-Identifier: Apache-2.0
 *
 * A sandbox as data. One table names the fields that are kept on disk, and drives both
 * directions; the shown forms are built by hand because nearly every key has a rule of its own.
 */
#include "control/control.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const state_names[DL_STATE_COUNT] = {
  "creating", "started", "stopped", "archived", "restoring", "resizing", "error", "destroying", "destroyed"};
static const char *const want_names[DL_WANT_COUNT] = {"started", "stopped", "archived", "destroyed",
                                                      "resized"};

/* Every state a client may ask for, ours or not. */
static const char *const known_states[] = {
  "creating", "restoring",        "destroyed", "destroying",   "started",       "stopped",
  "starting", "stopping",         "error",     "build_failed", "pending_build", "building_snapshot",
  "unknown",  "pulling_snapshot", "archived",  "archiving",    "resizing",      "snapshotting",
  "forking",  "pausing",          "paused",    "resuming"};

static const char *const backup_states[] = {"None", "Pending", "InProgress", "Completed", "Error"};

typedef enum { F_TEXT, F_JSON, F_BOOL, F_NUMBER, F_TIME } field_kind;
typedef struct {
  const char *key;
  field_kind kind;
  size_t offset;
} field;

#define FIELD(key, kind, member) \
  { key, kind, offsetof(dl_sandbox, member) }
static const field fields[] = {
  FIELD("id", F_TEXT, id),
  FIELD("name", F_TEXT, name),
  FIELD("snapshot", F_TEXT, snapshot),
  FIELD("user", F_TEXT, user),
  FIELD("target", F_TEXT, target),
  FIELD("env", F_JSON, env),
  FIELD("labels", F_JSON, labels),
  FIELD("volumes", F_JSON, volumes),
  FIELD("public", F_BOOL, is_public),
  FIELD("blocked", F_BOOL, is_blocked),
  FIELD("allowList", F_TEXT, allow_list),
  FIELD("domainList", F_TEXT, domain_list),
  FIELD("outboundProxy", F_TEXT, outbound_proxy),
  FIELD("otelEndpoint", F_TEXT, otel_endpoint),
  FIELD("cpu", F_NUMBER, cpu),
  FIELD("gpu", F_NUMBER, gpu),
  FIELD("memory", F_NUMBER, memory),
  FIELD("disk", F_NUMBER, disk),
  FIELD("errorReason", F_TEXT, error_reason),
  FIELD("recoverable", F_BOOL, is_recoverable),
  FIELD("backupAt", F_TIME, backup_at),
  FIELD("autoStop", F_TIME, auto_stop),
  FIELD("autoArchive", F_TIME, auto_archive),
  FIELD("autoDelete", F_TIME, auto_delete),
  FIELD("destroyAt", F_TIME, destroy_at),
  FIELD("createdAt", F_TIME, created_at),
  FIELD("updatedAt", F_TIME, updated_at),
  FIELD("lastActivityAt", F_TIME, last_activity_at),
  FIELD("previewToken", F_TEXT, preview_token),
  FIELD("signingKey", F_TEXT, signing_key),
  FIELD("signedTokens", F_JSON, signed_tokens),
  FIELD("sshAccess", F_JSON, ssh_access),
};

#define AT(sb, f, type) ((type *)(void *)((char *)(sb) + (f)->offset))
#define AT_CONST(sb, f, type) ((const type *)(const void *)((const char *)(sb) + (f)->offset))

dl_sandbox *dl_sandbox_new(struct dl_control *c, const char *id) {
  dl_sandbox *sb = dl_xcalloc(1, sizeof *sb);
  sb->control = c;
  sb->id = dl_xstrdup(id);
  sb->name = dl_xstrdup(id);
  sb->user = dl_xstrdup("daytona");
  sb->target = dl_xstrdup(c->opts.region);
  sb->env = json_object();
  sb->labels = json_object();
  sb->volumes = json_array();
  sb->signed_tokens = json_array();
  sb->ssh_access = json_array();
  sb->preview_token = dl_random_token(32, DL_ALPHABET_PREVIEW);
  /* A letter in front: the key must never look like a JSON number. */
  char *key = dl_random_token(40, DL_ALPHABET_MIXED);
  sb->signing_key = dl_xprintf("sk%s", key);
  free(key);
  sb->auto_stop = 15;
  sb->auto_archive = 10080;
  sb->auto_delete = -1;
  sb->backup_state = "None";
  sb->created_at = sb->updated_at = sb->last_activity_at = dl_now(c);
  dl_list_init(&sb->link);
  dl_list_init(&sb->waiters);
  return sb;
}

void dl_sandbox_free(dl_sandbox *sb) {
  dl_list_unlink(&sb->link);
  for (size_t i = 0; i < DL_COUNT(fields); i++) {
    if (fields[i].kind == F_TEXT) free(*AT(sb, &fields[i], char *));
    if (fields[i].kind == F_JSON) json_decref(*AT(sb, &fields[i], json_t *));
  }
  free(sb);
}

/* ---- on disk ---- */

static json_t *encode_field(const dl_sandbox *sb, const field *f) {
  switch (f->kind) {
    case F_TEXT: return dl_json_str_or_null(*AT_CONST(sb, f, char *));
    case F_JSON: return json_incref(*AT((dl_sandbox *)sb, f, json_t *));
    case F_BOOL: return json_boolean(*AT_CONST(sb, f, bool));
    case F_NUMBER: return dl_json_number(*AT_CONST(sb, f, double));
    case F_TIME: return json_integer(*AT_CONST(sb, f, int64_t));
  }
  return NULL;
}

json_t *dl_sandbox_record(const dl_sandbox *sb) {
  json_t *record = json_object();
  for (size_t i = 0; i < DL_COUNT(fields); i++)
    json_object_set_new(record, fields[i].key, encode_field(sb, &fields[i]));
  json_object_set_new(record, "state", json_string(state_names[sb->state]));
  json_object_set_new(record, "want", json_string(want_names[sb->want]));
  json_object_set_new(record, "backupState", json_string(sb->backup_state));
  return record;
}

static void decode_field(dl_sandbox *sb, const field *f, json_t *value) {
  switch (f->kind) {
    case F_TEXT: dl_set(AT(sb, f, char *), json_string_value(value)); break;
    case F_JSON:
      json_decref(*AT(sb, f, json_t *));
      *AT(sb, f, json_t *) = json_incref(value);
      break;
    case F_BOOL: *AT(sb, f, bool) = json_is_true(value); break;
    case F_NUMBER: *AT(sb, f, double) = json_number_value(value); break;
    case F_TIME: *AT(sb, f, int64_t) = json_integer_value(value); break;
  }
}

static int index_of(const char *const *names, int count, const char *name) {
  for (int i = 0; name && i < count; i++)
    if (strcmp(names[i], name) == 0) return i;
  return -1;
}

dl_sandbox *dl_sandbox_from_record(struct dl_control *c, const json_t *record) {
  const char *id = dl_json_str(record, "id");
  int state = index_of(state_names, DL_STATE_COUNT, dl_json_str(record, "state"));
  int want = index_of(want_names, DL_WANT_COUNT, dl_json_str(record, "want"));
  int backup = index_of(backup_states, DL_COUNT(backup_states), dl_json_str(record, "backupState"));
  if (!id || !dl_is_uuid(id) || state < 0 || want < 0 || backup < 0) return NULL;
  dl_sandbox *sb = dl_sandbox_new(c, id);
  sb->state = (dl_state)state;
  sb->want = (dl_want)want;
  sb->backup_state = backup_states[backup];
  for (size_t i = 0; i < DL_COUNT(fields); i++) {
    json_t *value = json_object_get(record, fields[i].key);
    if (value && !(fields[i].kind == F_JSON && json_is_null(value))) decode_field(sb, &fields[i], value);
  }
  return sb;
}

/* ---- states ---- */

bool dl_state_known(const char *name) { return index_of(known_states, DL_COUNT(known_states), name) >= 0; }

const char *dl_sandbox_state_name(const dl_sandbox *sb, bool in_list) {
  if (sb->state == DL_STARTED && sb->want == DL_WANT_STOPPED) return "stopping";
  if (sb->state == DL_STARTED && sb->want == DL_WANT_DESTROYED) return "destroying";
  if (sb->state == DL_STOPPED && sb->want == DL_WANT_STARTED) return "starting";
  if (sb->state == DL_STOPPED && sb->want == DL_WANT_DESTROYED) return "destroying";
  if (sb->state == DL_STOPPED && sb->want == DL_WANT_ARCHIVED) return "archiving";
  if (sb->state == DL_ARCHIVED && sb->want == DL_WANT_STARTED && in_list) return "restoring";
  return state_names[sb->state];
}

bool dl_sandbox_is_busy(const dl_sandbox *sb) {
  static const dl_state reached[DL_WANT_COUNT] = {DL_STARTED, DL_STOPPED, DL_ARCHIVED, DL_DESTROYED,
                                                  DL_RESIZING};
  return sb->is_pending || (sb->state != DL_ERROR && sb->state != reached[sb->want]);
}

bool dl_sandbox_is_ephemeral(const dl_sandbox *sb) { return sb->auto_delete == 0; }

/* ---- as shown ---- */

static json_t *time_or_null(int64_t ms) { return ms ? json_string(dl_iso_format(ms).text) : json_null(); }

static const char *toolbox_url(const dl_sandbox *sb, char *buffer, size_t size) {
  snprintf(buffer, size, "%s/toolbox", sb->control->url);
  return buffer;
}

/* The keys that both forms have. */
static json_t *common(const dl_sandbox *sb, bool in_list) {
  char url[512];
  json_t *o =
    json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:b, s:o, s:o, s:o, s:o, s:O}", "id", sb->id, "organizationId",
              sb->control->organization_id, "name", sb->name, "target", sb->target, "user", sb->user,
              "public", sb->is_public, "networkBlockAll", sb->is_blocked, "cpu", dl_json_number(sb->cpu),
              "gpu", dl_json_number(sb->gpu), "memory", dl_json_number(sb->memory), "disk",
              dl_json_number(sb->disk), "labels", sb->labels);
  json_object_set_new(o, "toolboxProxyUrl", json_string(toolbox_url(sb, url, sizeof url)));
  json_object_set_new(o, "state", json_string(dl_sandbox_state_name(sb, in_list)));
  json_object_set_new(o, "desiredState", json_string(want_names[sb->want]));
  json_object_set_new(o, "snapshot", dl_json_str_or_null(sb->snapshot));
  json_object_set_new(o, "errorReason", dl_json_str_or_null(sb->error_reason));
  json_object_set_new(o, "recoverable", json_boolean(sb->is_recoverable));
  json_object_set_new(o, "backupState", json_string(sb->backup_state));
  json_object_set_new(o, "networkAllowList", dl_json_str_or_null(sb->allow_list));
  json_object_set_new(o, "domainAllowList", dl_json_str_or_null(sb->domain_list));
  json_object_set_new(o, "autoStopInterval", json_integer(sb->auto_stop));
  json_object_set_new(o, "autoArchiveInterval", json_integer(sb->auto_archive));
  json_object_set_new(o, "autoDeleteInterval", json_integer(sb->auto_delete));
  json_object_set_new(o, "autoPauseInterval", json_integer(0));
  json_object_set_new(o, "autoDestroyAt", time_or_null(sb->destroy_at));
  json_object_set_new(o, "createdAt", json_string(dl_iso_format(sb->created_at).text));
  json_object_set_new(o, "updatedAt", json_string(dl_iso_format(sb->updated_at).text));
  json_object_set_new(o, "lastActivityAt", json_string(dl_iso_format(sb->last_activity_at).text));
  json_object_set_new(o, "sandboxClass", json_string("container"));
  json_object_set_new(o, "daemonVersion", json_string(DL_API_VERSION));
  json_object_set_new(o, "runnerId", json_string(sb->control->organization_id));
  json_object_set_new(o, "kvm", json_false()); /* newer than 0.205, and wanted by SDKs from 0.226 on */
  json_object_set_new(o, "spot", json_false());
  json_object_set_new(o, "spotEvictedAt", json_null());
  json_object_set_new(o, "warmPoolId", json_null());
  return o;
}

json_t *dl_sandbox_list_item(const dl_sandbox *sb) { return common(sb, true); }

json_t *dl_sandbox_dto(const dl_sandbox *sb) {
  json_t *o = common(sb, false);
  json_object_set(o, "env", sb->env);
  json_object_set(o, "volumes", sb->volumes);
  if (sb->backup_at) json_object_set_new(o, "backupCreatedAt", time_or_null(sb->backup_at));
  json_object_set_new(o, "outboundProxyUrl", dl_json_str_or_null(sb->outbound_proxy));
  json_object_set_new(o, "otelEndpointOverride", dl_json_str_or_null(sb->otel_endpoint));
  return o;
}

char *dl_sandbox_dir(const dl_sandbox *sb) {
  return dl_xprintf("%s/sandboxes/%s", sb->control->state_dir, sb->id);
}
char *dl_sandbox_home(const dl_sandbox *sb) {
  return dl_xprintf("%s/sandboxes/%s/home", sb->control->state_dir, sb->id);
}
char *dl_sandbox_archive(const dl_sandbox *sb) {
  return dl_xprintf("%s/archives/%s.tar", sb->control->state_dir, sb->id);
}
