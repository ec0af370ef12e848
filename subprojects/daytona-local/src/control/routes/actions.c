/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls that move a sandbox between states: whether each may be asked now. The moves themselves
 * are in life.c.
 */
#include "control/life/copies.h"
#include "control/objects/snapshots.h"
#include "control/objects/volumes.h"
#include "control/routes/call.h"
#include "control/routes/create.h"
#include "control/routes/fields.h"
#include "control/routes/query.h"
#include "control/routes/started.h"
#include "control/routes/validate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void refuse_state(dl_control_t *c, dl_req_t *req, const dl_sandbox_t *sb, const char *what) {
  dl_fail(c, req, 400, "Sandbox %s cannot be %s in state %s", sb->id, what, dl_sandbox_state_name(sb, false));
}

static void refuse_busy(dl_control_t *c, dl_req_t *req, const dl_sandbox_t *sb) {
  dl_fail(c, req, 409, "Sandbox %s: a state change is in progress (%s)", sb->id,
          dl_sandbox_state_name(sb, false));
}

static void start(dl_req_t *req, void *user) {
  dl_control_t *c = user;
  dl_sandbox_t *sb = dl_target(req);
  bool is_archiving = sb->state == DL_STOPPED && sb->want == DL_WANT_ARCHIVED && dl_sandbox_gives_way(sb);
  if (dl_sandbox_is_errored(sb))
    refuse_state(c, req, sb, "started");
  else if (sb->state == DL_STARTED && sb->want == DL_WANT_STARTED && !sb->is_pending)
    dl_answer_sandbox(c, req, sb);
  else if (!is_archiving && dl_sandbox_is_busy(sb))
    refuse_busy(c, req, sb);
  else
    dl_life_start(sb, dl_wait_started(c, req));
}

static void stop(dl_req_t *req, void *user) {
  dl_control_t *c = user;
  dl_sandbox_t *sb = dl_target(req);
  dl_check_t k;
  dl_check_init(&k);
  bool force = dl_query_bool(req, &k, "force") == 1;
  if (dl_check_failed(&k, c, req)) return;
  if (dl_sandbox_is_errored(sb)) {
    refuse_state(c, req, sb, "stopped");
  } else if (dl_sandbox_is_busy(sb)) {
    refuse_busy(c, req, sb);
  } else if (sb->state != DL_STARTED && sb->state != DL_PAUSED) {
    refuse_state(c, req, sb, "stopped");
  } else {
    dl_life_stop(sb, force);
    dl_answer_sandbox(c, req, sb);
  }
}

static void archive(dl_req_t *req, void *user) {
  dl_control_t *c = user;
  dl_sandbox_t *sb = dl_target(req);
  if (dl_sandbox_is_ephemeral(sb)) {
    dl_fail(c, req, 400, "Sandbox %s is ephemeral and cannot be archived", sb->id);
  } else if (dl_sandbox_is_errored(sb)) {
    refuse_state(c, req, sb, "archived");
  } else if (dl_sandbox_is_busy(sb)) {
    refuse_busy(c, req, sb);
  } else if (sb->state != DL_STOPPED) {
    refuse_state(c, req, sb, "archived");
  } else {
    dl_life_archive(sb);
    dl_answer_sandbox(c, req, sb);
  }
}

static void delete_sandbox(dl_req_t *req, void *user) {
  dl_control_t *c = user;
  dl_sandbox_t *sb = dl_target(req);
  bool is_free = !sb->is_pending || dl_sandbox_gives_way(sb) || dl_life_is_preparing(sb);
  if (!is_free || sb->want == DL_WANT_DESTROYED) {
    refuse_busy(c, req, sb);
    return;
  }
  if (dl_life_has_forks(sb)) {
    dl_fail(c, req, 400, "Sandbox %s has forks: delete them first", sb->id);
    return;
  }
  dl_life_destroy(sb);
  dl_answer_sandbox(c, req, sb);
}

static void recover(dl_req_t *req, void *user) {
  dl_control_t *c = user;
  dl_sandbox_t *sb = dl_target(req);
  dl_check_t k;
  dl_check_init(&k);
  bool skip_start = dl_query_bool(req, &k, "skipStart") == 1;
  if (dl_check_failed(&k, c, req)) return;
  if (sb->is_pending) {
    refuse_busy(c, req, sb);
  } else if (!dl_sandbox_is_errored(sb)) {
    refuse_state(c, req, sb, "recovered");
  } else if (!sb->is_recoverable) {
    dl_fail(c, req, 400, "Sandbox %s is not recoverable", sb->id);
  } else if (!skip_start) {
    dl_life_start(sb, dl_wait_started(c, req));
  } else {
    dl_life_recover(sb);
    dl_answer_sandbox(c, req, sb);
  }
}

static void pause_sandbox(dl_req_t *req, void *user) {
  dl_control_t *c = user;
  dl_sandbox_t *sb = dl_target(req);
  /* The state is looked at before the class. */
  if (dl_sandbox_is_busy(sb)) {
    refuse_busy(c, req, sb);
  } else if (sb->state != DL_STARTED) {
    refuse_state(c, req, sb, "paused");
  } else if (!dl_sandbox_is_vm(sb)) {
    dl_fail(c, req, 422, "Sandboxes of class %s cannot be paused", sb->class_name);
  } else {
    dl_life_pause(sb);
    dl_answer_sandbox(c, req, sb);
  }
}

/* --- copies --- */

/* The name that a body gives it. False: the request was answered. */
static bool name_child(dl_control_t *c, dl_req_t *req, dl_sandbox_t *child) {
  dl_check_t k;
  dl_check_init(&k);
  dl_take_text(&k, dl_body(req), "name", &child->name);
  if (!*child->name) dl_set(&child->name, child->id);
  const char *problem = dl_check_display(child->name);
  if (problem) dl_check_add(&k, "name %s", problem);
  if (dl_check_failed(&k, c, req)) return false;
  if (!dl_name_is_taken(c, child->name)) return true;
  dl_fail(c, req, 409, "Sandbox with name %s already exists", child->name);
  return false;
}

static void replace(json_t **slot, json_t *value) {
  json_decref(*slot);
  *slot = json_incref(value);
}

/* Everything but what is its own: id, name, tokens, end of life. */
static void inherit(dl_sandbox_t *child, const dl_sandbox_t *parent) {
  dl_set(&child->snapshot, parent->snapshot);
  dl_set(&child->user, parent->user);
  dl_set(&child->class_name, parent->class_name);
  dl_set(&child->image, parent->image);
  dl_set(&child->allow_list, parent->allow_list);
  dl_set(&child->domain_list, parent->domain_list);
  dl_set(&child->outbound_proxy, parent->outbound_proxy);
  dl_set(&child->otel_endpoint, parent->otel_endpoint);
  dl_set(&child->secret_hosts, parent->secret_hosts);
  replace(&child->env, parent->env);
  replace(&child->labels, parent->labels);
  replace(&child->volumes, parent->volumes);
  replace(&child->secrets, parent->secrets);
  replace(&child->build, parent->build);
  replace(&child->entrypoint, parent->entrypoint);
  child->has_own_user = parent->has_own_user;
  child->is_public = parent->is_public;
  child->is_blocked = parent->is_blocked;
  child->cpu = parent->cpu;
  child->gpu = parent->gpu;
  child->memory = parent->memory;
  child->disk = parent->disk;
  child->auto_stop = parent->auto_stop;
  child->auto_archive = parent->auto_archive;
  child->auto_delete = parent->auto_delete;
  child->auto_pause = parent->auto_pause;
}

/* A copy is kept to the hosts of the secrets that the sandbox has when it is begun. True: the request was answered. */
static bool refuse_changing(dl_control_t *c, dl_req_t *req, const dl_sandbox_t *sb) {
  if (sb->is_changing_network)
    dl_fail(c, req, 409, "Sandbox %s: a change of its network is in progress", sb->id);
  return sb->is_changing_network;
}

static void fork_sandbox(dl_req_t *req, void *user) {
  dl_control_t *c = user;
  dl_sandbox_t *sb = dl_target(req), *child;
  if (!dl_sandbox_is_vm(sb)) {
    dl_fail(c, req, 422, "Sandboxes of class %s cannot be forked", sb->class_name);
    return;
  }
  if (dl_sandbox_is_busy(sb)) {
    refuse_busy(c, req, sb);
    return;
  }
  if (sb->state != DL_STARTED) {
    refuse_state(c, req, sb, "forked");
    return;
  }
  if (refuse_changing(c, req, sb)) return;
  child = dl_sandbox_new(dl_uuid_new().text, sb->target, dl_now(c));
  if (!name_child(c, req, child)) {
    dl_sandbox_free(child);
    return;
  }
  inherit(child, sb);
  dl_life_fork(sb, child);
  dl_volume_used(&c->objects, child->volumes);
  dl_answer_sandbox(c, req, child);
}

/* The rules for a new snapshot. True when the request was answered. */
static bool refuse_snapshot(dl_control_t *c, dl_req_t *req) {
  const char *name = dl_json_str(dl_body(req), "name"), *problem = name ? dl_check_snapshot_name(name) : NULL;
  bool with_memory = false;
  dl_check_t k;
  dl_check_init(&k);
  if (!name || !*name)
    dl_check_add(&k, "name should not be empty");
  else if (problem)
    dl_check_add(&k, "name %s", problem);
  dl_take_bool(&k, dl_body(req), "includeMemory", &with_memory);
  if (with_memory) dl_check_add(&k, "includeMemory: snapshots here have no memory in them, only files");
  if (dl_check_failed(&k, c, req)) return true;
  if (dl_snapshot_name_is_taken(&c->objects, name)) {
    dl_fail(c, req, 409, "Snapshot with name %s already exists", name);
    return true;
  }
  if (dl_snapshots_count(&c->objects) < (size_t)c->opts.max_snapshots) return false;
  dl_fail(c, req, 400, "the limit of %d snapshots is reached", c->opts.max_snapshots);
  return true;
}

static void snapshot_sandbox(dl_req_t *req, void *user) {
  dl_control_t *c = user;
  dl_sandbox_t *sb = dl_target(req);
  if (refuse_snapshot(c, req)) return;
  if (dl_sandbox_is_busy(sb)) {
    refuse_busy(c, req, sb);
  } else if (sb->state != DL_STARTED && sb->state != DL_STOPPED) {
    refuse_state(c, req, sb, "made a snapshot of");
  } else if (!refuse_changing(c, req, sb)) {
    dl_life_snapshot(sb, dl_snapshot_new_of_sandbox(&c->objects, sb, dl_json_str(dl_body(req), "name")));
    dl_answer_sandbox(c, req, sb);
  }
}

/* --- resize --- */

static double take_size(dl_check_t *k, const json_t *body, const char *key, double max, double current) {
  json_t *value = dl_json_get(body, key);
  double n = json_number_value(value);
  if (!value) return current;
  if (!json_is_number(value) || n != floor(n) || n < 1) {
    dl_check_add(k, "%s must be an integer of at least 1", key);
    return current;
  }
  if (n > max) dl_check_add(k, "%s must not exceed %g per sandbox", key, max);
  return n;
}

static void resize(dl_req_t *req, void *user) {
  dl_control_t *c = user;
  dl_sandbox_t *sb = dl_target(req);
  const json_t *body = dl_body(req);
  dl_check_t k;
  dl_check_init(&k);
  double cpu = take_size(&k, body, "cpu", c->opts.max_cpu, sb->cpu);
  double memory = take_size(&k, body, "memory", c->opts.max_memory, sb->memory);
  double disk = take_size(&k, body, "disk", c->opts.max_disk, sb->disk);
  bool is_given = dl_json_get(body, "cpu") || dl_json_get(body, "memory") || dl_json_get(body, "disk");
  if (!is_given) dl_check_add(&k, "at least one of cpu, memory, disk must be given");
  if (dl_check_failed(&k, c, req)) return;
  if (dl_sandbox_is_busy(sb) && !dl_sandbox_is_errored(sb)) {
    refuse_busy(c, req, sb);
    return;
  }
  if (sb->state != DL_STARTED && sb->state != DL_STOPPED) {
    refuse_state(c, req, sb, "resized");
    return;
  }
  if (disk != sb->disk && sb->state != DL_STOPPED) dl_check_add(&k, "disk can only be resized while stopped");
  if (disk < sb->disk) dl_check_add(&k, "disk can only grow");
  if (sb->state == DL_STARTED && (cpu < sb->cpu || memory < sb->memory))
    dl_check_add(&k, "cpu and memory can only grow while the sandbox is started");
  if (cpu == sb->cpu && memory == sb->memory && disk == sb->disk)
    dl_check_add(&k, "at least one value must differ from the present one");
  if (dl_check_failed(&k, c, req)) return;
  dl_life_resize(sb, cpu, memory, disk);
  dl_answer_sandbox(c, req, sb);
}

#define WRITE DL_R_PERM(DL_PERM_WRITE_SANDBOXES)
static const dl_route_t routes[] = {
  {"DELETE", "/sandbox/{x}", delete_sandbox,
   DL_R_SANDBOX | DL_R_LIFECYCLE | DL_R_PERM(DL_PERM_DELETE_SANDBOXES)},
  {"POST", "/sandbox/{x}/start", start, DL_R_SANDBOX | DL_R_LIFECYCLE | WRITE},
  {"POST", "/sandbox/{x}/stop", stop, DL_R_SANDBOX | DL_R_LIFECYCLE | WRITE},
  {"POST", "/sandbox/{x}/pause", pause_sandbox, DL_R_SANDBOX | DL_R_LIFECYCLE | WRITE},
  {"POST", "/sandbox/{x}/recover", recover, DL_R_SANDBOX | DL_R_LIFECYCLE | WRITE},
  {"POST", "/sandbox/{x}/archive", archive, DL_R_SANDBOX | DL_R_LIFECYCLE | WRITE},
  {"POST", "/sandbox/{x}/resize", resize, DL_R_SANDBOX | DL_R_BODY | DL_R_LIFECYCLE | WRITE},
  {"POST", "/sandbox/{x}/snapshot", snapshot_sandbox, DL_R_SANDBOX | DL_R_BODY | WRITE},
  {"POST", "/sandbox/{x}/fork", fork_sandbox, DL_R_SANDBOX | DL_R_BODY | DL_R_CREATE | WRITE},
};

dl_route_table_t dl_action_routes(void) { return (dl_route_table_t){routes, DL_COUNT(routes)}; }
