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
  int64_t value;
  if (!minutes(user, req, 0, &value)) return;
  if (value != 0 && sb->auto_pause != 0) {
    dl_fail(user, req, 400,
            "auto-stop and auto-pause exclude each other: set the auto-pause interval to 0 first");
    return;
  }
  sb->auto_stop = value;
  saved(user, req, sb);
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
  dl_sandbox_t *sb = dl_target(req);
  int64_t value;
  if (!minutes(user, req, 0, &value)) return;
  const char *problem = value != 0 ? dl_why_no_auto_pause(sb) : NULL;
  if (problem) {
    dl_fail(user, req, 400, "%s", problem);
    return;
  }
  sb->auto_pause = value;
  saved(user, req, sb);
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

static void check_network(dl_check_t *k, const network_t *n) {
  const char *allow = json_string_value(n->allow), *domains = json_string_value(n->domains), *problem;
  if (!n->block && !n->allow && !n->domains)
    dl_check_add(k, "at least one of networkBlockAll, networkAllowList, domainAllowList must be given");
  if (n->block && !json_is_boolean(n->block)) dl_check_add(k, "networkBlockAll must be a boolean value");
  if (n->allow && !allow) dl_check_add(k, "networkAllowList must be a string");
  if (n->domains && !domains) dl_check_add(k, "domainAllowList must be a string");
  if (allow && (problem = dl_check_allow_list(allow))) dl_check_add(k, "networkAllowList %s", problem);
  if (domains && (problem = dl_check_domain_list(domains))) dl_check_add(k, "domainAllowList %s", problem);
}

/* What it has then; borrowed from both. */
static dl_network_settings_t merge(const dl_sandbox_t *sb, const network_t *n) {
  const char *allow = json_string_value(n->allow), *domains = json_string_value(n->domains);
  dl_network_settings_t to = dl_network_settings(sb);
  if (json_is_true(n->block)) {
    to.is_blocked = true;
    to.allow_list = NULL;
  } else if (allow && *allow) {
    to.is_blocked = false;
    to.allow_list = allow;
  } else if (allow || n->block) {
    to.allow_list = NULL;
    if (n->block) to.is_blocked = false;
  }
  if (domains) to.domain_list = domains;
  return to;
}

typedef struct {
  dl_control_t *control;
  dl_req_t *req;
  char *id, *allow_list, *domain_list;
  bool is_blocked;
} change_t;

/* Only what its box has is written down and shown. */
static void on_rules_set(void *user, const char *error) {
  change_t *change = user;
  dl_control_t *c = change->control;
  dl_sandbox_t *sb = dl_map_get(&c->objects.sandboxes, change->id);
  if (sb) sb->is_changing_network = false;
  if (!sb || sb->want == DL_WANT_DESTROYED) {
    dl_fail(c, change->req, 404, "Sandbox with ID or name %s not found", change->id);
  } else if (error) {
    dl_fail(c, change->req, 400, "the network settings cannot be enforced: %s", error);
  } else {
    dl_network_take(sb,
                    &(dl_network_settings_t){change->is_blocked, change->allow_list, change->domain_list});
    saved(c, change->req, sb);
  }
  free(change->id);
  free(change->allow_list);
  free(change->domain_list);
  free(change);
}

static char *copy(const char *list) { return list ? dl_xstrdup(list) : NULL; }

static void change_box(dl_control_t *c, dl_req_t *req, dl_sandbox_t *sb, const dl_network_settings_t *to) {
  change_t *change = dl_xcalloc(1, sizeof *change);
  *change =
    (change_t){c, req, dl_xstrdup(sb->id), copy(to->allow_list), copy(to->domain_list), to->is_blocked};
  const dl_box_rules_t rules = dl_network_rules(c->life.runtime, to, c->opts.accepts_unenforced);
  sb->is_changing_network = true;
  char *failure = dl_box_set_rules(sb->box, &rules, on_rules_set, change);
  if (failure) on_rules_set(change, failure);
  free(failure);
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
  check_network(&k, &n);
  const dl_network_settings_t to = merge(sb, &n);
  if (k.text.len == 0) dl_check_enforceable(c, &k, &to);
  if (dl_check_failed(&k, c, req)) return;
  if (sb->is_changing_network) {
    dl_fail(c, req, 409, "another change of the network settings is in progress");
    return;
  }
  if (sb->box) {
    change_box(c, req, sb, &to);
  } else {
    /* The lists may be the sandbox's own. */
    char *allow = copy(to.allow_list), *domains = copy(to.domain_list);
    dl_network_take(sb, &(dl_network_settings_t){to.is_blocked, allow, domains});
    free(allow);
    free(domains);
    saved(c, req, sb);
  }
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
