/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST /sandbox: reading and checking what is wanted. Nothing exists until every check has passed.
 */
#include "control/routes/create.h"

#include "control/objects/snapshots.h"
#include "control/routes/validate.h"
#include "control/objects/volumes.h"
#include "control/routes/call.h"
#include "control/routes/started.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ENV_MAX 1000
#define MINUTES_MAX 1e9

/* --- typed fields of the body --- */

static bool is_type(dl_check_t *k, const json_t *body, const char *key, bool ok, const char *what) {
  if (!dl_json_get(body, key) || ok) return true;
  dl_check_add(k, "%s must be %s", key, what);
  return false;
}

static void take_text(dl_check_t *k, const json_t *body, const char *key, char **slot) {
  json_t *value = dl_json_get(body, key);
  if (is_type(k, body, key, json_is_string(value), "a string") && value)
    dl_set(slot, json_string_value(value));
}

static void take_bool(dl_check_t *k, const json_t *body, const char *key, bool *slot) {
  json_t *value = dl_json_get(body, key);
  if (is_type(k, body, key, json_is_boolean(value), "a boolean value") && value) *slot = json_is_true(value);
}

static void take_minutes(dl_check_t *k, const json_t *body, const char *key, double min, int64_t *slot) {
  json_t *value = dl_json_get(body, key);
  double n = json_number_value(value);
  if (!is_type(k, body, key, json_is_number(value), "a number") || !value) return;
  if (n != floor(n) || fabs(n) > MINUTES_MAX)
    dl_check_add(k, "%s must be an integer", key);
  else if (n < min)
    dl_check_add(k, "%s must not be negative", key);
  else
    *slot = (int64_t)n;
}

static bool is_text_map(const json_t *map) {
  const char *key;
  json_t *value;
  if (!json_is_object(map) || json_object_size(map) > ENV_MAX) return false;
  json_object_foreach ((json_t *)map, key, value) {
    if (!json_is_string(value)) return false;
  }
  return true;
}

static void take_map(dl_check_t *k, const json_t *body, const char *key, json_t **slot) {
  json_t *value = dl_json_get(body, key);
  if (!is_type(k, body, key, is_text_map(value), "an object of strings") || !value) return;
  json_decref(*slot);
  *slot = json_incref(value);
}

static void check_env(dl_check_t *k, const json_t *env) {
  const char *name;
  json_t *value;
  json_object_foreach ((json_t *)env, name, value)
    if (!dl_env_name_ok(name)) dl_check_add(k, "env.%s is not a valid name", name);
}

/* --- the rules, in the platform's order --- */

static bool has_number(const json_t *body, const char *key) { return dl_json_num(body, key, 0) != 0; }

/* Generated clients send every field. What is empty asks for nothing: null, "", [], {}, and an object of such. */
static bool asks_for(const json_t *body, const char *key) {
  const json_t *value = dl_json_get(body, key);
  const char *name;
  json_t *inner;
  if (!value) return false;
  if (json_is_string(value)) return json_string_length(value) > 0;
  if (json_is_array(value)) return json_array_size(value) > 0;
  if (!json_is_object(value)) return true;
  json_object_foreach ((json_t *)value, name, inner) {
    if (asks_for(value, name)) return true;
  }
  return false;
}

/* True when the request was answered. */
static bool refuse_build(dl_control_t *c, dl_req_t *req, const json_t *body) {
  if (asks_for(body, "buildInfo")) {
    if (asks_for(body, "snapshot") || asks_for(body, "linkedSandbox"))
      dl_fail(c, req, 400, "buildInfo cannot be combined with snapshot or linkedSandbox");
    else
      dl_fail(c, req, 400,
              "daytona-local does not build images: create from the snapshot " DL_DEFAULT_SNAPSHOT);
    return true;
  }
  if (has_number(body, "cpu") || has_number(body, "gpu") || has_number(body, "memory") ||
      has_number(body, "disk") || asks_for(body, "gpuType")) {
    dl_fail(c, req, 400, "Cannot specify Sandbox resources when using a snapshot");
    return true;
  }
  if (asks_for(body, "linkedSandbox")) {
    dl_fail(c, req, 400, "daytona-local has no linked sandboxes");
    return true;
  }
  if (asks_for(body, "secrets")) {
    dl_fail(c, req, 400, "daytona-local has no secrets");
    return true;
  }
  if (dl_json_bool(body, "spot", false)) {
    dl_fail(c, req, 400, "only GPU sandboxes can be spot sandboxes");
    return true;
  }
  return false;
}

static bool resolve_target(dl_control_t *c, dl_req_t *req, const dl_sandbox_t *sb) {
  /* One region here; the names of the public ones are accepted so that a configured target works. */
  static const char *const aliases[] = {"us", "eu", "local"};
  if (strcmp(sb->target, c->objects.region) == 0) return true;
  for (size_t i = 0; i < DL_COUNT(aliases); i++)
    if (strcmp(sb->target, aliases[i]) == 0) return true;
  dl_fail(c, req, 404, "Region %s not found", sb->target);
  return false;
}

static void check_mount(dl_check_t *k, size_t i, const json_t *mount) {
  const char *path = dl_json_str(mount, "mountPath"), *volume = dl_json_str(mount, "volumeId");
  const char *subpath = dl_json_str(mount, "subpath");
  const char *problem = path ? dl_check_mount_path(path) : "must be a string";
  if (!volume || !*volume) dl_check_add(k, "volumes.%zu.volumeId should not be empty", i);
  if (problem) dl_check_add(k, "volumes.%zu.mountPath %s", i, problem);
  problem = dl_json_get(mount, "subpath") && !subpath ? "must be a string"
            : subpath                                 ? dl_check_subpath(subpath)
                                                      : NULL;
  if (problem) dl_check_add(k, "volumes.%zu.subpath %s", i, problem);
}

/* Nothing may be mounted into a directory that sandboxes can write to: see runtime.h. */
static void check_nesting(dl_check_t *k, const json_t *volumes) {
  size_t i, j;
  json_t *mount, *other;
  json_array_foreach (volumes, i, mount) {
    json_array_foreach (volumes, j, other) {
      const char *path = dl_json_str(mount, "mountPath"), *above = dl_json_str(other, "mountPath");
      if (i == j || !path || !above || !dl_box_target_is_below(path, above)) continue;
      dl_check_add(k, "volumes.%zu.mountPath must not be at or below that of another volume", i);
      break;
    }
  }
}

/* Resolves the references; false when the request was answered. */
static bool resolve_volumes(dl_control_t *c, dl_req_t *req, const json_t *wanted, json_t **slot) {
  size_t i;
  json_t *mount, *resolved = json_array();
  json_array_foreach (wanted, i, mount) {
    const char *name = dl_json_str(mount, "volumeId"), *subpath = dl_json_str(mount, "subpath"), *id = NULL;
    dl_volume_found_t found = dl_volume_find(&c->objects, name, &id);
    if (found != DL_VOLUME_OK) {
      if (found == DL_VOLUME_MISSING)
        dl_fail(c, req, 404, "Volume %s not found", name);
      else if (found == DL_VOLUME_AMBIGUOUS)
        dl_fail(c, req, 400, "Volume %s is the id of one volume and the name of another", name);
      else
        dl_fail(c, req, 400, "Volume %s is not ready", name);
      json_decref(resolved);
      return false;
    }
    json_t *entry = json_pack("{s:s, s:s}", "volumeId", id, "mountPath", dl_json_str(mount, "mountPath"));
    if (subpath) json_object_set_new(entry, "subpath", json_string(subpath));
    json_array_append_new(resolved, entry);
  }
  json_decref(*slot);
  *slot = resolved;
  return true;
}

static void check_lists(dl_control_t *c, dl_check_t *k, dl_sandbox_t *sb) {
  const char *problem = sb->allow_list ? dl_check_allow_list(sb->allow_list) : NULL;
  if (problem) dl_check_add(k, "networkAllowList %s", problem);
  problem = sb->domain_list ? dl_check_domain_list(sb->domain_list) : NULL;
  if (problem) dl_check_add(k, "domainAllowList %s", problem);
  if (k->text.len == 0) dl_check_enforceable(c, k, sb->allow_list, sb->domain_list);
  if (sb->allow_list && !*sb->allow_list) dl_set(&sb->allow_list, NULL);
  if (sb->domain_list && !*sb->domain_list) dl_set(&sb->domain_list, NULL);
  if (sb->outbound_proxy && !*sb->outbound_proxy) dl_set(&sb->outbound_proxy, NULL);
  if (sb->otel_endpoint && !*sb->otel_endpoint) dl_set(&sb->otel_endpoint, NULL);
}

void dl_check_enforceable(dl_control_t *c, dl_check_t *k, const char *allow_list, const char *domain_list) {
  if (c->opts.accepts_unenforced) return;
  const char *what = allow_list && *allow_list     ? "networkAllowList"
                     : domain_list && *domain_list ? "domainAllowList"
                                                   : NULL;
  if (what)
    dl_check_add(
      k, "%s cannot be enforced by daytona-local (start it with --accept-unenforced to store it anyway)",
      what);
}

int64_t dl_clamp_archive(int64_t minutes) {
  return minutes == 0 || minutes > DL_ARCHIVE_MAX_MINUTES ? DL_ARCHIVE_MAX_MINUTES : minutes;
}

/* How long to wait for a place to run. Here there is always one, so it is checked and shown. */
static void take_queue_timeout(dl_check_t *k, const json_t *body, int64_t *slot) {
  json_t *value = dl_json_get(body, "queueTimeout");
  if (!is_type(k, body, "queueTimeout", json_is_number(value), "a number") || !value) return;
  double n = json_number_value(value);
  if (n != floor(n) || n < 1 || n > MINUTES_MAX)
    dl_check_add(k, "queueTimeout must be an integer not less than 1");
  else
    *slot = (int64_t)n;
}

static void check_pause(dl_check_t *k, const json_t *body) {
  json_t *pause = dl_json_get(body, "autoPauseInterval");
  if (!is_type(k, body, "autoPauseInterval", json_is_number(pause), "a number")) return;
  if (json_number_value(pause) != 0) dl_check_add(k, "autoPauseInterval is not supported by containers");
}

static void read_fields(dl_control_t *c, dl_check_t *k, dl_sandbox_t *sb, const json_t *body) {
  int64_t ttl = 0;
  bool wants_kvm = false;
  take_text(k, body, "name", &sb->name);
  take_text(k, body, "user", &sb->user);
  take_text(k, body, "target", &sb->target);
  take_text(k, body, "networkAllowList", &sb->allow_list);
  take_text(k, body, "domainAllowList", &sb->domain_list);
  take_text(k, body, "outboundProxyUrl", &sb->outbound_proxy);
  take_text(k, body, "otelEndpointOverride", &sb->otel_endpoint);
  take_map(k, body, "env", &sb->env);
  take_map(k, body, "labels", &sb->labels);
  take_bool(k, body, "public", &sb->is_public);
  take_bool(k, body, "networkBlockAll", &sb->is_blocked);
  take_minutes(k, body, "autoStopInterval", 0, &sb->auto_stop);
  take_minutes(k, body, "autoArchiveInterval", 0, &sb->auto_archive);
  take_minutes(k, body, "autoDeleteInterval", -MINUTES_MAX, &sb->auto_delete);
  take_minutes(k, body, "ttlMinutes", 0, &ttl);
  is_type(k, body, "snapshot", json_is_string(dl_json_get(body, "snapshot")), "a string");
  is_type(k, body, "volumes", json_is_array(dl_json_get(body, "volumes")), "an array");
  take_queue_timeout(k, body, &sb->queue_timeout);
  take_bool(k, body, "kvm", &wants_kvm);
  if (wants_kvm) dl_check_add(k, "kvm is not supported by containers");
  check_pause(k, body);
  check_env(k, sb->env);
  if (!*sb->name) dl_set(&sb->name, sb->id);
  const char *problem = dl_check_display(sb->name);
  if (problem) dl_check_add(k, "name %s", problem);
  if (!*sb->user) dl_set(&sb->user, "daytona");
  if (strcmp(sb->user, "daytona") != 0)
    dl_check_add(k, "user must be daytona: daytona-local has no other user");
  if (!*sb->target) dl_set(&sb->target, c->objects.region);
  sb->auto_archive = dl_clamp_archive(sb->auto_archive);
  if (sb->auto_delete < 0) sb->auto_delete = -1;
  if (ttl > 0) sb->destroy_at = sb->created_at + ttl * 60000;
}

/* False when the request was answered. */
static bool fill(dl_control_t *c, dl_req_t *req, dl_sandbox_t *sb, const json_t *body) {
  dl_check_t k;
  dl_check_init(&k);
  read_fields(c, &k, sb, body);
  size_t i;
  json_t *mount;
  json_t *volumes = dl_json_get(body, "volumes");
  json_array_foreach (volumes, i, mount) check_mount(&k, i, mount);
  check_nesting(&k, volumes);
  if (k.text.len == 0) check_lists(c, &k, sb);
  if (dl_check_failed(&k, c, req) || refuse_build(c, req, body) || !resolve_target(c, req, sb)) return false;
  json_t *snapshot = dl_snapshot_find(&c->objects, dl_json_str(body, "snapshot"));
  if (!snapshot) {
    dl_fail(c, req, 400, "Snapshot %s not found", dl_json_str(body, "snapshot"));
    return false;
  }
  if (!resolve_volumes(c, req, volumes, &sb->volumes)) return false;
  if (dl_map_get(&c->objects.names, sb->name) || dl_map_get(&c->objects.sandboxes, sb->name)) {
    dl_fail(c, req, 409, "Sandbox with name %s already exists", sb->name);
    return false;
  }
  dl_set(&sb->snapshot, dl_json_str(snapshot, "name"));
  sb->cpu = dl_json_num(snapshot, "cpu", 1);
  sb->memory = dl_json_num(snapshot, "mem", 1);
  sb->disk = dl_json_num(snapshot, "disk", 3);
  dl_snapshot_used(&c->objects, snapshot);
  dl_volume_used(&c->objects, sb->volumes);
  return true;
}

void dl_create_sandbox(dl_req_t *req, void *user) {
  dl_control_t *c = user;
  dl_sandbox_t *sb = dl_sandbox_new(dl_uuid_new().text, c->objects.region, dl_now(c));
  if (!fill(c, req, sb, dl_body(req))) {
    dl_sandbox_free(sb);
    return;
  }
  dl_life_create(&c->life, sb);
  if (c->opts.answers_creating) dl_answer_sandbox(c, req, sb);
  dl_life_boot(sb, c->opts.answers_creating ? DL_LIFE_NO_WAIT : dl_wait_started(c, req));
}
