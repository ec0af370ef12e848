/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST /sandbox: reading and checking what is wanted. Nothing exists until every check has passed.
 */
#include "control/routes/create.h"

#include "control/life/source.h"
#include "control/life/links.h"
#include "control/objects/build_info.h"
#include "control/objects/snapshots.h"
#include "control/objects/volumes.h"
#include "control/routes/call.h"
#include "control/routes/fields.h"
#include "control/routes/started.h"
#include "control/routes/validate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ENV_MAX 1000
#define MINUTES_MAX 1e9
/* On the platform. */
#define AUTO_PAUSE_MINUTES 60

/* --- typed fields of the body --- */

static void take_minutes(dl_check_t *k, const json_t *body, const char *key, double min, int64_t *slot) {
  json_t *value = dl_json_get(body, key);
  double n = json_number_value(value);
  if (!dl_field_is(k, body, key, json_is_number(value), "a number") || !value) return;
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
  if (!dl_field_is(k, body, key, is_text_map(value), "an object of strings") || !value) return;
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

/* True when the request was answered. */
static bool refuse_kind(dl_control_t *c, dl_req_t *req, const json_t *body, bool is_build) {
  bool has_sizes = dl_has_number(body, "cpu") || dl_has_number(body, "gpu") ||
                   dl_has_number(body, "memory") || dl_has_number(body, "disk") ||
                   dl_asks_for(body, "gpuType");
  if (is_build && (dl_asks_for(body, "snapshot") || dl_asks_for(body, "linkedSandbox"))) {
    dl_fail(c, req, 400, "buildInfo cannot be combined with snapshot or linkedSandbox");
    return true;
  }
  if (!is_build && has_sizes) {
    dl_fail(c, req, 400, "Cannot specify Sandbox resources when using a snapshot");
    return true;
  }
  if (dl_json_bool(body, "spot", false)) {
    dl_fail(c, req, 400, "only GPU sandboxes can be spot sandboxes");
    return true;
  }
  return false;
}

/* Resolves the reference; false when the request was answered. */
static bool resolve_link(dl_control_t *c, dl_req_t *req, dl_sandbox_t *sb, const json_t *body) {
  const char *name = dl_json_str(body, "linkedSandbox"), *missing = dl_runtime_links_missing(c->life.runtime);
  if (!name || !*name) return true;
  const dl_sandbox_t *owner = dl_objects_find(&c->objects, name, true);
  if (!owner || owner->want == DL_WANT_DESTROYED) {
    dl_fail(c, req, 404, "Linked sandbox %s not found", name);
    return false;
  }
  char *problem = dl_links_refused(owner);
  if (!problem && sb->auto_delete != 0)
    problem = dl_xstrdup("A linked sandbox must be ephemeral: autoDeleteInterval must be 0");
  if (!problem && missing) problem = dl_xprintf("daytona-local cannot link sandboxes: %s", missing);
  if (problem) dl_fail(c, req, 400, "%s", problem);
  bool ok = problem == NULL;
  free(problem);
  if (ok) dl_set(&sb->linked, owner->id);
  return ok;
}

/* What is kept to the hosts of a secret tells it nobody else. */
static bool may_be_linked(dl_control_t *c, dl_req_t *req, const dl_sandbox_t *sb) {
  const dl_sandbox_t *owner = sb->linked ? dl_map_get(&c->objects.sandboxes, sb->linked) : NULL;
  if (!owner || (!owner->secret_hosts && !sb->secret_hosts)) return true;
  dl_fail(c, req, 400,
          "A sandbox with a secret that has hosts reaches these hosts only, and cannot be linked");
  return false;
}

static bool resolve_target(dl_control_t *c, dl_req_t *req, const dl_sandbox_t *sb) {
  if (dl_region_is_ours(c, sb->target)) return true;
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
  const dl_network_settings_t settings = dl_network_settings(sb);
  if (k->text.len == 0) dl_check_enforceable(c, k, &settings);
  if (sb->allow_list && !*sb->allow_list) dl_set(&sb->allow_list, NULL);
  if (sb->domain_list && !*sb->domain_list) dl_set(&sb->domain_list, NULL);
  if (sb->outbound_proxy && !*sb->outbound_proxy) dl_set(&sb->outbound_proxy, NULL);
  if (sb->otel_endpoint && !*sb->otel_endpoint) dl_set(&sb->otel_endpoint, NULL);
}

void dl_check_enforceable(dl_control_t *c, dl_check_t *k, const dl_network_settings_t *settings) {
  const char *reason = dl_network_missing_for(c->life.runtime, settings), *domains = settings->domain_list;
  if (!reason || c->opts.accepts_unenforced) return;
  dl_check_add(
    k, "%s cannot be enforced by daytona-local: %s (start it with --accept-unenforced to store it anyway)",
    settings->is_blocked  ? "networkBlockAll"
    : domains && *domains ? "domainAllowList"
                          : "networkAllowList",
    reason);
}

int64_t dl_clamp_archive(int64_t minutes) {
  return minutes == 0 || minutes > DL_ARCHIVE_MAX_MINUTES ? DL_ARCHIVE_MAX_MINUTES : minutes;
}

/* How long to wait for a place to run. Here there is always one, so it is checked and shown. */
static void take_queue_timeout(dl_check_t *k, const json_t *body, int64_t *slot) {
  json_t *value = dl_json_get(body, "queueTimeout");
  if (!dl_field_is(k, body, "queueTimeout", json_is_number(value), "a number") || !value) return;
  double n = json_number_value(value);
  if (n != floor(n) || n < 1 || n > MINUTES_MAX)
    dl_check_add(k, "queueTimeout must be an integer not less than 1");
  else
    *slot = (int64_t)n;
}

const char *dl_why_no_auto_pause(const dl_sandbox_t *sb) {
  if (!dl_sandbox_is_vm(sb)) return "Sandboxes of class container cannot be paused";
  if (dl_sandbox_is_ephemeral(sb)) return "an ephemeral sandbox cannot be paused by itself";
  return sb->auto_stop != 0
           ? "auto-stop and auto-pause exclude each other: set the auto-stop interval to 0 first"
           : NULL;
}

/* Its class is known now. Those that can be paused are, unless something else is asked for. False: the request was answered. */
static bool settle_pause(dl_control_t *c, dl_req_t *req, dl_sandbox_t *sb, const json_t *body) {
  bool asks_stop = dl_has_number(body, "autoStopInterval"),
       asks_pause = dl_json_get(body, "autoPauseInterval"),
       is_plain = !dl_json_get(body, "autoStopInterval") && !asks_pause;
  if (dl_sandbox_is_vm(sb) && !asks_stop &&
      (sb->auto_pause != 0 || (is_plain && !dl_sandbox_is_ephemeral(sb))))
    sb->auto_stop = 0;
  if (dl_sandbox_is_vm(sb) && is_plain && !dl_sandbox_is_ephemeral(sb)) sb->auto_pause = AUTO_PAUSE_MINUTES;
  const char *problem = sb->auto_pause != 0 ? dl_why_no_auto_pause(sb) : NULL;
  if (problem) dl_fail(c, req, 400, "autoPauseInterval: %s", problem);
  return !problem;
}

static void read_fields(dl_control_t *c, dl_check_t *k, dl_sandbox_t *sb, const json_t *body) {
  int64_t ttl = 0;
  bool wants_kvm = false;
  dl_take_text(k, body, "name", &sb->name);
  dl_take_text(k, body, "user", &sb->user);
  dl_take_text(k, body, "target", &sb->target);
  dl_take_text(k, body, "networkAllowList", &sb->allow_list);
  dl_take_text(k, body, "domainAllowList", &sb->domain_list);
  dl_take_text(k, body, "outboundProxyUrl", &sb->outbound_proxy);
  dl_take_text(k, body, "otelEndpointOverride", &sb->otel_endpoint);
  take_map(k, body, "env", &sb->env);
  take_map(k, body, "labels", &sb->labels);
  dl_take_bool(k, body, "public", &sb->is_public);
  dl_take_bool(k, body, "networkBlockAll", &sb->is_blocked);
  take_minutes(k, body, "autoStopInterval", 0, &sb->auto_stop);
  take_minutes(k, body, "autoArchiveInterval", 0, &sb->auto_archive);
  take_minutes(k, body, "autoDeleteInterval", -MINUTES_MAX, &sb->auto_delete);
  take_minutes(k, body, "autoPauseInterval", 0, &sb->auto_pause);
  take_minutes(k, body, "ttlMinutes", 0, &ttl);
  dl_field_is(k, body, "snapshot", json_is_string(dl_json_get(body, "snapshot")), "a string");
  dl_field_is(k, body, "linkedSandbox", json_is_string(dl_json_get(body, "linkedSandbox")), "a string");
  dl_field_is(k, body, "volumes", json_is_array(dl_json_get(body, "volumes")), "an array");
  take_queue_timeout(k, body, &sb->queue_timeout);
  dl_take_bool(k, body, "kvm", &wants_kvm);
  if (wants_kvm) dl_check_add(k, "kvm is not supported by containers");
  check_env(k, sb->env);
  if (!*sb->name) dl_set(&sb->name, sb->id);
  const char *problem = dl_check_display(sb->name);
  if (problem) dl_check_add(k, "name %s", problem);
  sb->has_own_user = dl_asks_for(body, "user");
  if (!*sb->user) dl_set(&sb->user, "daytona");
  if (!*sb->target) dl_set(&sb->target, c->objects.region);
  sb->auto_archive = dl_clamp_archive(sb->auto_archive);
  if (sb->auto_delete < 0) sb->auto_delete = -1;
  if (ttl > 0) sb->destroy_at = sb->created_at + ttl * 60000;
}

/* --- what it runs on --- */

/* False when the request was answered. */
static bool is_usable(dl_control_t *c, dl_req_t *req, const json_t *snapshot, const char *name) {
  if (!snapshot) {
    dl_fail(c, req, 400, "Snapshot %s not found", name);
    return false;
  }
  dl_snapshot_state_t state = dl_snapshot_state(snapshot);
  if (state == DL_SNAPSHOT_ACTIVE) return true;
  dl_fail(c, req, 400, "Snapshot %s is not active: its state is %s", dl_json_str(snapshot, "name"),
          dl_snapshot_state_name(state));
  return false;
}

/* The same. */
static bool take_snapshot(dl_control_t *c, dl_req_t *req, dl_sandbox_t *sb, const json_t *snapshot) {
  char *problem = dl_life_take_snapshot(&c->life, sb, snapshot);
  if (problem) dl_fail(c, req, 400, "%s", problem);
  bool ok = problem == NULL;
  free(problem);
  return ok;
}

/* The same. An image that was built before is taken at once. */
static bool take_build(dl_control_t *c, dl_req_t *req, dl_sandbox_t *sb, const dl_sizes_t *sizes) {
  char *error = NULL, *problem = NULL;
  sb->cpu = sizes->cpu;
  sb->memory = sizes->memory;
  sb->disk = sizes->disk;
  char *name = dl_build_image_name(dl_json_str(sb->build, "snapshotRef"));
  dl_image_t *image = dl_image_open(c->life.images, name, &error);
  free(error);
  free(name);
  if (image)
    dl_life_take_image(sb, image);
  else
    problem = dl_why_no_images(c);
  dl_image_release(image);
  if (problem) dl_fail(c, req, 400, "%s", problem);
  free(problem);
  return image || !problem;
}

bool dl_take_snapshot(dl_control_t *c, dl_req_t *req, dl_sandbox_t *sb, const char *id_or_name) {
  const json_t *snapshot = dl_snapshot_find_usable(&c->objects, id_or_name);
  return is_usable(c, req, snapshot, id_or_name) && take_snapshot(c, req, sb, snapshot);
}

bool dl_name_is_taken(const dl_control_t *c, const char *name) {
  return dl_map_get(&c->objects.names, name) || dl_map_get(&c->objects.sandboxes, name);
}

/* False when the request was answered. */
static bool fill(dl_control_t *c, dl_req_t *req, dl_sandbox_t *sb, const json_t *body) {
  dl_check_t k;
  dl_check_init(&k);
  read_fields(c, &k, sb, body);
  bool is_build = dl_asks_for(body, "buildInfo");
  dl_sizes_t sizes = {1, 1, 3};
  size_t i;
  json_t *mount;
  json_t *volumes = dl_json_get(body, "volumes");
  json_array_foreach (volumes, i, mount) check_mount(&k, i, mount);
  check_nesting(&k, volumes);
  if (is_build) {
    sb->build = dl_take_build(&k, body, dl_objects_stamp(&c->objects));
    dl_take_sizes(c, &k, body, &sizes);
    dl_check_gpu(&k, body);
  }
  if (k.text.len == 0) check_lists(c, &k, sb);
  if (dl_check_failed(&k, c, req) || refuse_kind(c, req, body, is_build) || !resolve_target(c, req, sb))
    return false;
  const char *name = dl_json_str(body, "snapshot");
  json_t *snapshot = is_build ? NULL : dl_snapshot_find_usable(&c->objects, name);
  if (!is_build && !is_usable(c, req, snapshot, name)) return false;
  bool has_image = is_build || dl_json_str(snapshot, "image");
  if (!has_image && strcmp(sb->user, "daytona") != 0) {
    dl_fail(c, req, 400, "user must be daytona: the snapshot %s has no other user",
            dl_json_str(snapshot, "name"));
    return false;
  }
  if (has_image && c->opts.runtime.isolation == DL_ISOLATION_NONE) {
    dl_fail(
      c, req, 400,
      "a sandbox on an image is kept apart by its namespaces, and this server makes none (--isolation=none)");
    return false;
  }
  if (!resolve_link(c, req, sb, body)) return false;
  if (!resolve_volumes(c, req, volumes, &sb->volumes)) return false;
  if (!dl_take_secrets(c, req, body, &sb->secrets, &sb->secret_hosts)) return false;
  if (!may_be_linked(c, req, sb)) return false;
  if (dl_name_is_taken(c, sb->name)) {
    dl_fail(c, req, 409, "Sandbox with name %s already exists", sb->name);
    return false;
  }
  if (is_build ? !take_build(c, req, sb, &sizes) : !take_snapshot(c, req, sb, snapshot)) return false;
  if (!settle_pause(c, req, sb, body)) return false;
  if (snapshot) dl_snapshot_used(&c->objects, snapshot);
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
  dl_sandbox_t *ready = c->opts.answers_creating || sb->linked ? NULL : dl_pool_claim(c->pools, sb);
  if (ready) {
    dl_sandbox_free(sb);
    dl_answer_sandbox(c, req, ready);
    return;
  }
  dl_life_take_warm(&c->life, sb);
  dl_life_create(&c->life, sb);
  /* A build takes as long as it takes. */
  bool answers_at_once = c->opts.answers_creating || sb->build;
  if (answers_at_once) dl_answer_sandbox(c, req, sb);
  dl_life_boot(sb, answers_at_once ? DL_LIFE_NO_WAIT : dl_wait_started(c, req));
}
