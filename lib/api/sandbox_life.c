/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a sandbox: start, stop, delete, recover, resize, and waiting; its course is call/life.h.
 */
#include "api/sandbox_life.h"

#include <inttypes.h>

#include "call/results.h"

/* --- states ------------------------------------------------------------------------------------ */

#define STATE(name) ((uint64_t)1 << DAYTONA_SANDBOX_##name)
#define FAILURES (STATE(ERROR) | STATE(BUILD_FAILED))

static int state_of(const daytona__op_t *op) { return op->sandbox->info->state; }

static void take(daytona__op_t *op, void *answer) { daytona__sandbox_update(op->sandbox, op->data, answer); }

static void settle(daytona__op_t *op) {
  daytona__op_resolve_sandbox(op, daytona_sandbox_retain(op->sandbox));
}

static void gone(daytona__op_t *op) { daytona__sandbox_set_state(op->sandbox, DAYTONA_SANDBOX_DESTROYED); }

/* The server destroys what found no runner in time, and what gave its place to somebody else. */
static daytona_errcode_t lost(const daytona__op_t *op) {
  const daytona_sandbox_info_t *info = op->sandbox->info;
  if (info->state != DAYTONA_SANDBOX_DESTROYED) return DAYTONA_OK;
  if (info->queue_timed_out_at != NULL) return DAYTONA_EQUEUE_TIMEOUT;
  return info->spot_evicted_at != NULL ? DAYTONA_ESPOT_EVICTED : DAYTONA_OK;
}

static const char *describe_lost(const daytona__op_t *op, const daytona_sandbox_info_t *info) {
  daytona__arena_t *arena = &op->future->arena;
  if (info->queue_timed_out_at == NULL)
    return daytona__arena_printf(arena, "sandbox %s was evicted at %s", op->sandbox->id,
                                 info->spot_evicted_at);
  if (!info->queue_timeout_minutes.is_set)
    return daytona__arena_printf(arena, "sandbox %s found no runner in time (until %s)", op->sandbox->id,
                                 info->queue_timed_out_at);
  return daytona__arena_printf(arena, "sandbox %s found no runner within %" PRId64 " minutes (until %s)",
                               op->sandbox->id, info->queue_timeout_minutes.value, info->queue_timed_out_at);
}

static const char *describe(const daytona__op_t *op) {
  const daytona_sandbox_info_t *info = op->sandbox->info;
  const char *reason = info->error_reason;
  if (lost(op) != DAYTONA_OK) return describe_lost(op, info);
  return daytona__arena_printf(&op->future->arena, "sandbox %s is in state %s%s%s", op->sandbox->id,
                               info->state_name, reason != NULL ? ": " : "", reason != NULL ? reason : "");
}

static const char *name(const daytona__op_t *op) {
  return op->sandbox != NULL ? daytona__arena_printf(&op->future->arena, "sandbox %s", op->sandbox->id)
                             : NULL;
}

static int state_named(const char *name) {
  daytona_sandbox_state_t state = daytona__sandbox_state_named(name);
  return state != DAYTONA_SANDBOX_UNKNOWN ? (int)state : -1;
}

static const char *id_of(const daytona__op_t *op) { return op->sandbox->id; }

static const char *state_name(const daytona__op_t *op) {
  return op->sandbox != NULL ? op->sandbox->info->state_name : NULL;
}

static const daytona__waited_t waited_sandbox = {.state_of = state_of,
                                                 .take = take,
                                                 .settle = settle,
                                                 .gone = gone,
                                                 .describe = describe,
                                                 .name = name,
                                                 .state_name = state_name,
                                                 .noun = "sandbox",
                                                 .id = id_of,
                                                 .state_named = state_named,
                                                 .lost_states = STATE(DESTROYED),
                                                 .failure = DAYTONA_ESANDBOX_FAILED,
                                                 .lost = lost};

DAYTONA__METHOD(poll, .verb = "GET", .path = "/sandbox/{sandbox}", .gives_sandbox = true);
DAYTONA__METHOD(safe_poll, .verb = "GET", .path = "/sandbox/{sandbox}", .gives_sandbox = true,
                .is_lenient = true);

const daytona__wait_rule_t daytona__wait_started = {
  .of = &waited_sandbox, .fetch = &poll_method, .goals = STATE(STARTED), .failures = FAILURES};

static const daytona__wait_rule_t wait_stopped = {.of = &waited_sandbox,
                                                  .fetch = &safe_poll_method,
                                                  .goals = STATE(STOPPED) | STATE(DESTROYED),
                                                  .failures = FAILURES,
                                                  .is_safe = true};

static const daytona__wait_rule_t wait_destroyed = {.of = &waited_sandbox,
                                                    .fetch = &safe_poll_method,
                                                    .goals = STATE(DESTROYED),
                                                    .failures = FAILURES,
                                                    .is_safe = true};

static const daytona__wait_rule_t wait_resized = {.of = &waited_sandbox,
                                                  .fetch = &poll_method,
                                                  .goals = STATE(RESIZING),
                                                  .failures = FAILURES,
                                                  .is_complement = true};

/* --- operations -------------------------------------------------------------------------------- */

/* A request whose answer is the sandbox, or cannot be read, and the wait after it. */
#define LIFE(noun, message, doing, wait, gate, ...)                                                      \
  DAYTONA__METHOD(noun, .prefix = message ": ", .gives_sandbox = true, .is_lenient = true, __VA_ARGS__); \
  static const daytona__life_kind_t noun##_kind = {                                                      \
    .method = &noun##_method, .what = doing, .rule = wait, .has_gate = gate}

#define LIFE_OPTS(given, no_wait)                                                             \
  ((daytona__life_opts_t){.opts = DAYTONA__OPTS(given),                                       \
                          .counts_queue_time = (given) != NULL && (given)->counts_queue_time, \
                          .skips_wait = no_wait})

LIFE(start, "Failed to start sandbox", "starting the sandbox", &daytona__wait_started, true, .verb = "POST",
     .path = "/sandbox/{sandbox}/start");

daytona_future_t *daytona_sandbox_start(daytona_sandbox_t *sandbox,
                                        const daytona_sandbox_lifecycle_opts_t *opts) {
  return daytona__life_run(sandbox, &start_kind, NULL, LIFE_OPTS(opts, false));
}

LIFE(recover, "Failed to recover sandbox", "recovering the sandbox", &daytona__wait_started, true,
     .verb = "POST", .path = "/sandbox/{sandbox}/recover");

daytona_future_t *daytona_sandbox_recover(daytona_sandbox_t *sandbox,
                                          const daytona_sandbox_lifecycle_opts_t *opts) {
  return daytona__life_run(sandbox, &recover_kind, NULL, LIFE_OPTS(opts, false));
}

typedef struct no_args {
  char none;
} no_args_t;

LIFE(stop, "Failed to stop sandbox", "stopping the sandbox", &wait_stopped, false, .verb = "POST",
     .path = "/sandbox/{sandbox}/stop",
     .request = DAYTONA__ARGS(no_args_t, DAYTONA__OPT(IN_QUERY, daytona_sandbox_lifecycle_opts_t, BOOL,
                                                      is_forced, "force")));

daytona_future_t *daytona_sandbox_stop(daytona_sandbox_t *sandbox,
                                       const daytona_sandbox_lifecycle_opts_t *opts) {
  return daytona__life_run(sandbox, &stop_kind, NULL, LIFE_OPTS(opts, false));
}

LIFE(delete, "Failed to remove sandbox", "deleting the sandbox", &wait_destroyed, false, .verb = "DELETE",
     .path = "/sandbox/{sandbox}");

daytona_future_t *daytona_sandbox_delete(daytona_sandbox_t *sandbox,
                                         const daytona_sandbox_lifecycle_opts_t *opts) {
  return daytona__life_run(sandbox, &delete_kind, NULL, LIFE_OPTS(opts, opts == NULL || !opts->waits));
}

#define SIZE(member, key)                                                                \
  DAYTONA__OPT(IN_BODY, daytona_sandbox_resize_opts_t, OPT_INT, member, key, .group = 1, \
               .rules = DAYTONA__ANY_OF | DAYTONA__MIN, .min = 1)

LIFE(resize, "Failed to resize sandbox", "resizing the sandbox", &wait_resized, false, .verb = "POST",
     .path = "/sandbox/{sandbox}/resize",
     .request = DAYTONA__ARGS(no_args_t, SIZE(cpu, "cpu"), SIZE(memory_gib, "memory"),
                              SIZE(disk_gib, "disk")));

daytona_future_t *daytona_sandbox_resize(daytona_sandbox_t *sandbox,
                                         const daytona_sandbox_resize_opts_t *opts) {
  return daytona__life_run(sandbox, &resize_kind, NULL, LIFE_OPTS(opts, false));
}

/* The state before may be what an unread response leaves, so that a sandbox that is started is not paused yet. */
static const daytona__wait_rule_t wait_paused = {.of = &waited_sandbox,
                                                 .fetch = &poll_method,
                                                 .goals = STATE(PAUSING) | STATE(STARTED),
                                                 .failures = FAILURES,
                                                 .is_complement = true};

LIFE(pause, "Failed to pause sandbox", "pausing the sandbox", &wait_paused, false, .verb = "POST",
     .path = "/sandbox/{sandbox}/pause");

daytona_future_t *daytona_sandbox_pause(daytona_sandbox_t *sandbox,
                                        const daytona_sandbox_lifecycle_opts_t *opts) {
  return daytona__life_run(sandbox, &pause_kind, NULL, LIFE_OPTS(opts, false));
}

static const daytona__wait_rule_t wait_snapshotted = {.of = &waited_sandbox,
                                                      .fetch = &poll_method,
                                                      .goals = STATE(SNAPSHOTTING),
                                                      .failures = FAILURES,
                                                      .is_complement = true};

typedef struct name_args {
  const char *name;
} name_args_t;

LIFE(create_snapshot, "Failed to create snapshot", "creating the snapshot", &wait_snapshotted, false,
     .verb = "POST", .path = "/sandbox/{sandbox}/snapshot",
     .request = DAYTONA__ARGS(
       name_args_t, DAYTONA__ARG(IN_BODY, name_args_t, STRING, name, "name", .rules = DAYTONA__NONEMPTY),
       DAYTONA__OPT(IN_BODY, daytona_sandbox_create_snapshot_opts_t, BOOL, includes_memory, "includeMemory")),
     .is_create = true);

daytona_future_t *daytona_sandbox_create_snapshot(daytona_sandbox_t *sandbox, const char *snapshot_name,
                                                  const daytona_sandbox_create_snapshot_opts_t *opts) {
  return daytona__life_run(sandbox, &create_snapshot_kind, &(name_args_t){snapshot_name},
                           LIFE_OPTS(opts, false));
}

/* --- fork -------------------------------------------------------------------------------------- */

typedef struct fork_op {
  daytona__life_t life; /* first; its sandbox is the parent, then the child */
  const char *child;    /* id, or the name asked for; NULL: neither is known */
  bool was_sent;
} fork_op_t;

DAYTONA__METHOD(fork, .prefix = "Failed to fork sandbox: ", .verb = "POST", .path = "/sandbox/{sandbox}/fork",
                .request = DAYTONA__ARGS(no_args_t, DAYTONA__OPT(IN_BODY, daytona_sandbox_fork_opts_t, STRING,
                                                                 name, "name")),
                .gives_sandbox = true, .is_create = true);

/* The child that exists, or may: from the moment that the request has left the queue. */
static const char *fork_orphan(const daytona__life_t *life) {
  const fork_op_t *self = (const fork_op_t *)life;
  return self->was_sent ? self->child : NULL;
}

static void on_fork_admitted(daytona__op_t *op) {
  ((fork_op_t *)op)->was_sent = true;
  daytona__life_limit((daytona__life_t *)op);
}

static void on_forked(daytona__op_t *op, const daytona_error_t *error, void *answer) {
  fork_op_t *self = (fork_op_t *)op;
  if (error != NULL) {
    /* A refusal says that there is no child; after what was sent without a response nobody knows. */
    daytona_error_t named = *error;
    if (daytona__op_may_have_acted(op, error)) named.sandbox = fork_orphan(&self->life);
    daytona__op_fail(op, &named);
    return;
  }
  daytona_sandbox_t *parent = op->sandbox;
  daytona_sandbox_t *child = daytona__sandbox_new(op->client, op->data, answer);
  if (child == NULL) {
    daytona__op_fail(op, daytona__error_static(DAYTONA_ENOMEM));
    return;
  }
  op->sandbox = child;
  self->child = child->id;
  daytona_sandbox_release(parent);
  daytona__life_wait(&self->life, &daytona__wait_started);
}

/* Cancelled, or the client closes: the child stays, and its name is in the error. */
static void stop_fork(daytona_future_t *future) {
  fork_op_t *self = future->op;
  bool is_closing = self->life.op.client->is_closing;
  const char *child = fork_orphan(&self->life);
  daytona_error_t error = {
    .code = is_closing ? DAYTONA_ECLOSED : DAYTONA_ECANCELED, .retry_after_ms = -1, .sandbox = child};
  error.message = is_closing ? "the client was closed" : "cancelled";
  if (child != NULL && !is_closing)
    error.message = daytona__arena_printf(&future->arena, "cancelled; sandbox %s may exist", child);
  daytona__op_fail(&self->life.op, &error);
}

daytona_future_t *daytona_sandbox_fork(daytona_sandbox_t *sandbox, const daytona_sandbox_fork_opts_t *opts) {
  daytona_future_t *future;
  fork_op_t *self = (fork_op_t *)daytona__life_new(&fork_method, NULL, sandbox, sizeof *self, NULL,
                                                   LIFE_OPTS(opts, false), &future);
  if (self == NULL) return future;
  daytona__op_t *op = &self->life.op;
  const char *child = opts != NULL ? opts->name : NULL;
  self->child = daytona__arena_strdup(&future->arena, child);
  if (child != NULL && self->child == NULL)
    return daytona__op_reject(op, DAYTONA_ENOMEM, "%s", daytona_errcode_text(DAYTONA_ENOMEM));
  self->life.what = "forking the sandbox";
  self->life.orphan = fork_orphan;
  future->stop = stop_fork;
  op->admitted = on_fork_admitted;
  op->done = on_forked;
  if (daytona__call_prepare(op, NULL, DAYTONA__OPTS(opts), DAYTONA_NO_TIMEOUT) == 0)
    daytona__life_start(&self->life, true);
  return future;
}

/* --- waits of their own ------------------------------------------------------------------------ */

#define WAIT(noun, message, doing, wait)                                       \
  DAYTONA__METHOD(noun, .prefix = "Failure during waiting for " message ": "); \
  static const daytona__life_kind_t noun##_kind = {.method = &noun##_method, .what = doing, .rule = wait}

WAIT(wait_start, "sandbox to start", "starting the sandbox", &daytona__wait_started);

daytona_future_t *daytona_sandbox_wait_for_start(daytona_sandbox_t *sandbox,
                                                 const daytona_sandbox_lifecycle_opts_t *opts) {
  return daytona__life_run(sandbox, &wait_start_kind, NULL, LIFE_OPTS(opts, false));
}

WAIT(wait_stop, "sandbox to stop", "stopping the sandbox", &wait_stopped);

daytona_future_t *daytona_sandbox_wait_for_stop(daytona_sandbox_t *sandbox,
                                                const daytona_sandbox_lifecycle_opts_t *opts) {
  return daytona__life_run(sandbox, &wait_stop_kind, NULL, LIFE_OPTS(opts, false));
}

WAIT(wait_resize, "resize to complete", "resizing the sandbox", &wait_resized);

daytona_future_t *daytona_sandbox_wait_for_resize_complete(daytona_sandbox_t *sandbox,
                                                           const daytona_sandbox_lifecycle_opts_t *opts) {
  return daytona__life_run(sandbox, &wait_resize_kind, NULL, LIFE_OPTS(opts, false));
}
