/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls that move a sandbox between states: whether each may be asked now. The moves themselves
 * are in life.c.
 */
#include "control/routes/call.h"
#include "control/routes/query.h"
#include "control/routes/started.h"

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
  } else if (sb->state != DL_STARTED) {
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
  if (sb->is_pending)
    refuse_busy(c, req, sb);
  else if (sb->state != DL_STARTED)
    refuse_state(c, req, sb, "paused");
  else
    dl_fail(c, req, 422, "Sandboxes of class container cannot be paused");
}

static void fork_sandbox(dl_req_t *req, void *user) {
  dl_fail(user, req, 422, "Sandboxes of class container cannot be forked");
}

static void snapshot_sandbox(dl_req_t *req, void *user) {
  dl_control_t *c = user;
  dl_sandbox_t *sb = dl_target(req);
  const char *name = dl_json_str(dl_body(req), "name");
  if (!name || !*name)
    dl_fail(c, req, 400, "name should not be empty");
  else if (sb->is_pending)
    refuse_busy(c, req, sb);
  else if (sb->state != DL_STARTED && sb->state != DL_STOPPED)
    refuse_state(c, req, sb, "made a snapshot of");
  else
    dl_fail(c, req, 400, "daytona-local cannot make snapshots of sandboxes");
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
  {"POST", "/sandbox/{x}/fork", fork_sandbox, DL_R_SANDBOX | DL_R_CREATE | WRITE},
};

dl_route_table_t dl_action_routes(void) { return (dl_route_table_t){routes, DL_COUNT(routes)}; }
