/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settings of a sandbox: labels, intervals, end of life, network, public flag, activity.
 */
#include "control/routes/create.h"
#include "control/routes/call.h"
#include "control/routes/validate.h"

#include <stdlib.h>
#include <string.h>

#define MINUTES_MAX INT64_C(1000000000)

static void saved(dl_control_t *c, dl_req_t *req, dl_sandbox_t *sb) {
  sb->updated_at = dl_now(c);
  dl_life_save(sb);
  dl_answer_sandbox(c, req, sb);
}

static void set_labels(dl_req_t *req, void *user) {
  dl_control_t *c = user;
  dl_sandbox_t *sb = dl_target(req);
  json_t *labels = dl_json_get(dl_body(req), "labels"), *value;
  const char *key;
  bool ok = json_is_object(labels);
  if (ok)
    json_object_foreach (labels, key, value) ok = ok && json_is_string(value);
  if (!ok) {
    dl_fail(c, req, 400, "labels must be an object of strings");
    return;
  }
  json_decref(sb->labels);
  sb->labels = json_incref(labels);
  saved(c, req, sb);
}

/* Minutes from the path; false when the request was answered. */
static bool minutes(dl_control_t *c, dl_req_t *req, int64_t min, int64_t *out) {
  if (dl_parse_int(dl_req_param(req, "minutes"), min, MINUTES_MAX, out)) return true;
  dl_fail(c, req, 400, "the interval must be an integer%s", min == 0 ? " of at least 0" : "");
  return false;
}

static void set_auto_stop(dl_req_t *req, void *user) {
  dl_sandbox_t *sb = dl_target(req);
  if (minutes(user, req, 0, &sb->auto_stop)) saved(user, req, sb);
}

static void set_auto_archive(dl_req_t *req, void *user) {
  dl_sandbox_t *sb = dl_target(req);
  if (!minutes(user, req, 0, &sb->auto_archive)) return;
  sb->auto_archive = dl_clamp_archive(sb->auto_archive);
  saved(user, req, sb);
}

static void set_auto_delete(dl_req_t *req, void *user) {
  dl_sandbox_t *sb = dl_target(req);
  if (!minutes(user, req, -MINUTES_MAX, &sb->auto_delete)) return;
  if (sb->auto_delete < 0) sb->auto_delete = -1;
  saved(user, req, sb);
}

static void set_auto_pause(dl_req_t *req, void *user) {
  int64_t value;
  if (!minutes(user, req, 0, &value)) return;
  if (value != 0)
    dl_fail(user, req, 400, "Sandboxes of class container cannot be paused");
  else
    dl_answer_sandbox(user, req, dl_target(req));
}

static void set_ttl(dl_req_t *req, void *user) {
  dl_control_t *c = user;
  dl_sandbox_t *sb = dl_target(req);
  int64_t value;
  if (!minutes(c, req, 0, &value)) return;
  sb->destroy_at = value ? dl_now(c) + value * 60000 : 0;
  saved(c, req, sb);
}

static void set_public(dl_req_t *req, void *user) {
  dl_sandbox_t *sb = dl_target(req);
  if (!dl_parse_bool(dl_req_param(req, "public"), &sb->is_public)) {
    dl_fail(user, req, 400, "public must be true or false");
    return;
  }
  saved(user, req, sb);
}

static void last_activity(dl_req_t *req, void *user) {
  dl_control_t *c = user;
  dl_sandbox_t *sb = dl_target(req);
  sb->last_activity_at = dl_now(c);
  dl_life_save(sb);
  dl_answer_durable(c, req, 201, NULL);
}

/* --- network --- */

typedef struct {
  json_t *block, *allow, *domains;
} network_t;

static void check_network(dl_control_t *c, dl_check_t *k, const network_t *n) {
  const char *allow = json_string_value(n->allow), *domains = json_string_value(n->domains), *problem;
  if (!n->block && !n->allow && !n->domains)
    dl_check_add(k, "at least one of networkBlockAll, networkAllowList, domainAllowList must be given");
  if (n->block && !json_is_boolean(n->block)) dl_check_add(k, "networkBlockAll must be a boolean value");
  if (n->allow && !allow) dl_check_add(k, "networkAllowList must be a string");
  if (n->domains && !domains) dl_check_add(k, "domainAllowList must be a string");
  if (allow && (problem = dl_check_allow_list(allow))) dl_check_add(k, "networkAllowList %s", problem);
  if (domains && (problem = dl_check_domain_list(domains))) dl_check_add(k, "domainAllowList %s", problem);
  if (k->text.len == 0) dl_check_enforceable(c, k, allow, domains);
}

static void apply_network(dl_sandbox_t *sb, const network_t *n) {
  const char *allow = json_string_value(n->allow), *domains = json_string_value(n->domains);
  if (json_is_true(n->block)) {
    sb->is_blocked = true;
    dl_set(&sb->allow_list, NULL);
  } else if (allow && *allow) {
    sb->is_blocked = false;
    dl_set(&sb->allow_list, allow);
  } else if (allow) {
    dl_set(&sb->allow_list, NULL);
    if (n->block) sb->is_blocked = false;
  } else if (n->block) {
    sb->is_blocked = false;
    dl_set(&sb->allow_list, NULL);
  }
  if (domains) dl_set(&sb->domain_list, *domains ? domains : NULL);
}

static void set_network(dl_req_t *req, void *user) {
  dl_control_t *c = user;
  dl_sandbox_t *sb = dl_target(req);
  const json_t *body = dl_body(req);
  /* Here, and only here, null is not the same as absent for the flag. */
  network_t n = {json_object_get(body, "networkBlockAll"), dl_json_get(body, "networkAllowList"),
                 dl_json_get(body, "domainAllowList")};
  dl_check_t k;
  dl_check_init(&k);
  check_network(c, &k, &n);
  bool is_running = sb->state != DL_STOPPED && sb->state != DL_ARCHIVED;
  bool blocks = json_is_true(n.block) || (!n.block && !json_string_length(n.allow) && sb->is_blocked);
  if (k.text.len == 0 && is_running && blocks != sb->is_blocked && !c->opts.accepts_unenforced)
    dl_check_add(&k, "networkBlockAll can only be changed by daytona-local while the sandbox is stopped");
  if (dl_check_failed(&k, c, req)) return;
  apply_network(sb, &n);
  saved(c, req, sb);
}

#define WRITE (DL_R_SANDBOX | DL_R_PERM(DL_PERM_WRITE_SANDBOXES))
static const dl_route_t routes[] = {
  {"PUT", "/sandbox/{x}/labels", set_labels, DL_R_BODY | WRITE},
  {"POST", "/sandbox/{x}/autostop/{minutes}", set_auto_stop, WRITE},
  {"POST", "/sandbox/{x}/autoarchive/{minutes}", set_auto_archive, WRITE},
  {"POST", "/sandbox/{x}/autodelete/{minutes}", set_auto_delete, WRITE},
  {"POST", "/sandbox/{x}/autopause/{minutes}", set_auto_pause, WRITE},
  {"POST", "/sandbox/{x}/ttl/{minutes}", set_ttl, WRITE},
  {"POST", "/sandbox/{x}/public/{public}", set_public, WRITE},
  {"POST", "/sandbox/{x}/last-activity", last_activity, DL_R_SANDBOX_ID},
  {"POST", "/sandbox/{x}/network-settings", set_network, DL_R_BODY | WRITE},
};

dl_route_table_t dl_settings_routes(void) { return (dl_route_table_t){routes, DL_COUNT(routes)}; }
