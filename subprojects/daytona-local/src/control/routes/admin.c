/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls for tests: faults, the clock, forced sandbox states. Documented in README.md.
 */
#include "control/routes/admin.h"

#include "control/life/network.h"
#include "control/life/timers.h"
#include "control/routes/admit.h"
#include "control/routes/call.h"
#include "control/routes/disk.h"
#include "control/routes/orphans.h"
#include "control/routes/started.h"

#include <stdlib.h>
#include <string.h>

#define JUMP_MAX_MS (INT64_C(10) * 365 * 86400 * 1000)

/* --- faults --- */

static void list_faults(dl_req_t *req, void *user) {
  dl_control_t *c = user;
  dl_reply_json(req, 200, json_pack("{s:o}", "items", dl_faults_list(c->faults)));
}

static void add_fault(dl_req_t *req, void *user) {
  dl_control_t *c = user;
  char *error = NULL;
  const dl_fault_t *rule = dl_faults_add(c->faults, dl_body(req), &error);
  if (rule)
    dl_reply_json(req, 201, dl_fault_json(rule));
  else
    dl_fail(c, req, 400, "%s", error);
  free(error);
}

static void delete_fault(dl_req_t *req, void *user) {
  dl_control_t *c = user;
  if (dl_faults_remove(c->faults, dl_req_param(req, "id")))
    dl_reply_empty(req, 204);
  else
    dl_fail(c, req, 404, "no fault %s", dl_req_param(req, "id"));
}

static void delete_faults(dl_req_t *req, void *user) {
  dl_faults_clear(((dl_control_t *)user)->faults);
  dl_reply_empty(req, 204);
}

/* --- clock --- */

static json_t *clock_json(const dl_control_t *c) {
  return json_pack("{s:s, s:o}", "now", dl_iso_format(dl_objects_stamp(&c->objects)).text, "speed",
                   dl_json_number(c->objects.clock.speed));
}

static void get_clock(dl_req_t *req, void *user) { dl_reply_json(req, 200, clock_json(user)); }

static void set_clock(dl_req_t *req, void *user) {
  dl_control_t *c = user;
  const json_t *body = dl_body(req);
  json_t *jump = dl_json_get(body, "jump_ms"), *speed = dl_json_get(body, "speed");
  double ms = json_number_value(jump), factor = json_number_value(speed);
  if ((!jump && !speed) || (jump && (!json_is_number(jump) || ms < 0 || ms > (double)JUMP_MAX_MS)) ||
      (speed && (!json_is_number(speed) || factor < 0.001 || factor > 1e6))) {
    dl_fail(c, req, 400, "expected jump_ms (forward, up to ten years) or speed (0.001 to 1000000)");
    return;
  }
  if (speed) dl_clock_set_speed(&c->objects.clock, factor);
  if (jump) dl_clock_jump(&c->objects.clock, (int64_t)ms);
  dl_timers_run(&c->life);
  dl_reply_json(req, 200, clock_json(c));
}

/* --- forced states --- */

/* As if it had waited too long for a place to run, or as if its place had been taken away. */
static void destroy(dl_control_t *c, dl_req_t *req, dl_sandbox_t *sb) {
  bool is_queued = dl_json_bool(dl_body(req), "queueTimedOut", false),
       is_evicted = dl_json_bool(dl_body(req), "spotEvicted", false);
  if (is_queued == is_evicted) {
    dl_fail(c, req, 400, "the state destroyed needs queueTimedOut or spotEvicted");
  } else if (sb->want == DL_WANT_DESTROYED || (sb->is_pending && !dl_sandbox_gives_way(sb))) {
    dl_fail(c, req, 409, "a state change is in progress");
  } else {
    if (is_queued)
      dl_life_queue_out(sb);
    else
      dl_life_evict(sb);
    dl_answer_sandbox(c, req, sb);
  }
}

static void set_state(dl_req_t *req, void *user) {
  dl_control_t *c = user;
  dl_sandbox_t *sb = dl_target(req);
  const json_t *body = dl_body(req);
  const char *state = dl_json_str(body, "state"), *reason = dl_json_str(body, "errorReason");
  if (state && strcmp(state, "destroyed") == 0) {
    destroy(c, req, sb);
  } else if (!state || strcmp(state, "error") != 0) {
    dl_fail(c, req, 400, "only the states error and destroyed can be forced");
  } else if (sb->is_pending) {
    dl_fail(c, req, 409, "a state change is in progress");
  } else if (sb->state == DL_ARCHIVED) {
    dl_fail(c, req, 400, "an archived sandbox has nothing that could fail");
  } else {
    dl_life_break(sb, reason ? reason : "forced by an admin call", dl_json_bool(body, "recoverable", false),
                  dl_wait_any(c, req));
  }
}

static json_t *storage_json(const dl_control_t *c) {
  dl_s3_usage_t u = dl_s3_usage(c->s3);
  return json_pack("{s:I, s:I, s:I}", "objects", (json_int_t)u.object_count, "uploads",
                   (json_int_t)u.upload_count, "bytes", (json_int_t)u.size_bytes);
}

/* --- what there is --- */

static void add_image(const dl_image_info_t *image, void *user) {
  json_t *names = json_array();
  for (const char *const *at = image->names; *at; at++) json_array_append_new(names, json_string(*at));
  json_array_append_new(user, json_pack("{s:s, s:o, s:I, s:b}", "id", image->id, "names", names, "bytes",
                                        (json_int_t)image->size_bytes, "imported", image->is_imported));
}

static json_t *images_json(dl_control_t *c) {
  json_t *items = json_array();
  dl_images_list(c->life.images, add_image, items);
  return json_pack("{s:o, s:I, s:o}", "items", items, "bytes",
                   (json_int_t)dl_images_disk_bytes(c->life.images), "missing",
                   dl_json_str_or_null(dl_images_missing(c->life.images)));
}

/* What this machine cannot enforce, and why. */
static json_t *network_json(const dl_control_t *c) {
  static const struct {
    const char *name;
    dl_network_settings_t settings;
  } kinds[] = {{"networkBlockAll", {true, NULL, NULL}},
               {"networkAllowList", {false, "10.0.0.0/8", NULL}},
               {"domainAllowList", {false, NULL, "example.com"}}};
  json_t *missing = json_object();
  for (size_t i = 0; i < DL_COUNT(kinds); i++)
    json_object_set_new(missing, kinds[i].name,
                        dl_json_str_or_null(dl_network_missing_for(c->life.runtime, &kinds[i].settings)));
  return json_pack("{s:o}", "missing", missing);
}

static void info(dl_req_t *req, void *user) {
  dl_control_t *c = user;
  json_t *boxes = json_object();
  DL_LIST_EACH(&c->objects.sandbox_list, node) {
    dl_sandbox_t *sb = DL_CONTAINER(node, dl_sandbox_t, link);
    if (!dl_sandbox_is_up(sb)) continue;
    dl_box_info_t i = dl_box_get_info(sb->box);
    json_object_set_new(boxes, sb->id,
                        json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "isolation", i.isolation,
                                  "network", i.network, "rules", i.rules, "memory", i.memory, "cpu", i.cpu,
                                  "processes", i.processes, "disk", i.disk, "start", i.start));
  }
  json_t *damage = (json_t *)dl_store_damage(c->objects.store);
  dl_disk_answer(
    c, req,
    json_pack("{s:s, s:o, s:o, s:{s:I, s:I}, s:o, s:o, s:o, s:o, s:o}", "version", DL_VERSION, "clock",
              clock_json(c), "boxes", boxes, "warm", "wanted", (json_int_t)c->life.warm.wanted, "ready",
              (json_int_t)dl_warm_ready_count(&c->life.warm), "network", network_json(c), "builds",
              dl_works_list(c->life.works), "images", images_json(c), "storage", storage_json(c), "damage",
              damage ? json_incref(damage) : json_null()));
}

static const dl_route_t routes[] = {
  {"GET", "/info", info, 0},
  {"GET", "/faults", list_faults, 0},
  {"POST", "/faults", add_fault, DL_R_BODY},
  {"DELETE", "/faults", delete_faults, 0},
  {"DELETE", "/faults/{id}", delete_fault, 0},
  {"GET", "/clock", get_clock, 0},
  {"POST", "/clock", set_clock, DL_R_BODY},
  {"GET", "/orphans", dl_orphans_get, 0},
  {"POST", "/orphans/{id}", dl_orphan_adopt, DL_R_BODY},
  {"DELETE", "/orphans/{id}", dl_orphan_delete, 0},
  {"PUT", "/sandbox/{x}/state", set_state, DL_R_BODY | DL_R_SANDBOX},
};

void dl_admin_handle(dl_control_t *c, dl_req_t *req, const char *path) {
  bool bad_escape;
  unsigned permissions;
  const dl_route_t *route = dl_route_find(req, routes, DL_COUNT(routes), path, &bad_escape);
  if (!dl_authenticate(c, req, &permissions)) return;
  if (permissions != DL_PERM_ALL)
    dl_fail(c, req, 403, "admin calls need a key with all permissions");
  else if (!route)
    dl_fail(c, req, bad_escape ? 400 : 404, "Cannot %s %s", dl_req_method(req), dl_req_path(req));
  else
    dl_run_route(c, req, route);
}
