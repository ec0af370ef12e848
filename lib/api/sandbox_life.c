/*
 * The life of a sandbox: start, stop, delete, recover, resize, and waiting; see sandbox_life.h.
 *
 * Waiting polls at once, then every 100 ms, after five seconds with intervals that grow by a tenth up to one
 * second. A poll that fails is followed by one more: only when that fails as well, or brings nothing, does the
 * first error count, so a single lost answer does not end a wait.
 */
#include "api/sandbox_life.h"

#include <inttypes.h>

enum { POLL_FIRST_MS = 100, POLL_STEADY_MS = 5000, POLL_MAX_MS = 1000 };
enum { LIFE_TIMEOUT_DEFAULT_MS = 60000 };

#define ERROR_STATES (DAYTONA__STATE_BIT(ERROR) | DAYTONA__STATE_BIT(BUILD_FAILED))

const daytona__wait_rule_t daytona__wait_started = {.name = "started",
                                                    .targets = DAYTONA__STATE_BIT(STARTED)};

static const daytona__wait_rule_t wait_stopped = {
  .name = "stopped", .targets = DAYTONA__STATE_BIT(STOPPED) | DAYTONA__STATE_BIT(DESTROYED), .is_safe = true};

static const daytona__wait_rule_t wait_destroyed = {
  .name = "destroyed", .targets = DAYTONA__STATE_BIT(DESTROYED), .is_safe = true};

static const daytona__wait_rule_t wait_resized = {
  .name = "resized", .targets = DAYTONA__STATE_BIT(RESIZING), .is_complement = true};

bool daytona__state_is_error(daytona_sandbox_state_t state) { return (ERROR_STATES >> state & 1) != 0; }

bool daytona__wait_is_met(const daytona__wait_rule_t *rule, daytona_sandbox_state_t state) {
  bool is_listed = (rule->targets >> state & 1) != 0;
  return rule->is_complement ? !is_listed && !daytona__state_is_error(state) : is_listed;
}

/* --- the limit on the whole -------------------------------------------------------------------- */

static void on_limit(daytona__timer_t *timer) {
  daytona__life_t *life = DAYTONA__CONTAINER(timer, daytona__life_t, limit);
  if (life->late != NULL && life->late(life)) return;
  daytona_error_t error = {.code = DAYTONA_EDEADLINE, .retry_after_ms = -1};
  const char *id = life->op.sandbox != NULL ? life->op.sandbox->id : NULL;
  error.message = daytona__arena_printf(&life->op.future->arena, "%s took longer than %" PRId64 " ms%s%s%s",
                                        life->what, life->timeout_ms, id != NULL ? " (sandbox " : "",
                                        id != NULL ? id : "", id != NULL ? ")" : "");
  daytona__op_fail(&life->op, &error);
}

static void start_limit(daytona__life_t *life) {
  if (life->is_limited || life->timeout_ms < 0) return;
  life->is_limited = true;
  daytona__timer_start(life->op.client->loop, &life->limit, life->timeout_ms);
}

/* --- making ------------------------------------------------------------------------------------ */

static void end_timers(daytona__op_t *op) {
  daytona__life_t *life = (daytona__life_t *)op;
  daytona__timer_stop(&life->limit);
  daytona__timer_stop(&life->pause);
  daytona__gate_leave(&life->pass);
}

static void on_request_admitted(daytona__op_t *op) { start_limit((daytona__life_t *)op); }

static void on_pause_over(daytona__timer_t *timer);

daytona__life_t *daytona__life_new(const daytona__endpoint_t *endpoint, daytona_client_t *client,
                                   daytona_sandbox_t *sandbox, size_t size, daytona_future_t **future) {
  daytona__op_t *op =
    daytona__op_new(endpoint, client, sandbox, size != 0 ? size : sizeof(daytona__life_t), future);
  if (op == NULL) return NULL;
  daytona__life_t *life = (daytona__life_t *)op;
  op->ending = end_timers;
  op->admitted = on_request_admitted;
  daytona__timer_init(&life->limit, on_limit);
  daytona__timer_init(&life->pause, on_pause_over);
  life->what = "the operation";
  return life;
}

int daytona__life_options(daytona__life_t *life, int64_t timeout_ms, bool counts_queue_time) {
  life->counts_queue_time = counts_queue_time;
  if (daytona__timeout_resolve(timeout_ms, LIFE_TIMEOUT_DEFAULT_MS, &life->timeout_ms)) return 0;
  daytona__op_reject(&life->op, DAYTONA_EINVAL, "timeout_ms must not be negative");
  return DAYTONA_EINVAL;
}

static void on_gate(daytona__gate_pass_t *pass) {
  daytona__op_send(&DAYTONA__CONTAINER(pass, daytona__life_t, pass)->op);
}

void daytona__life_start(daytona__life_t *life, bool has_gate) {
  if (life->counts_queue_time) start_limit(life);
  if (has_gate)
    daytona__gate_enter(life->op.client, &life->pass, on_gate);
  else
    daytona__op_send(&life->op);
}

/* --- waiting ----------------------------------------------------------------------------------- */

static const daytona__endpoint_t poll_endpoint = {
  .method = "GET", .path = "/sandbox/{}", .gives_sandbox = true};
static const daytona__endpoint_t safe_poll_endpoint = {
  .method = "GET", .path = "/sandbox/{}", .gives_sandbox = true, .is_lenient = true};

static void finish_wait(daytona__life_t *life) {
  daytona__op_resolve_sandbox(&life->op, daytona_sandbox_retain(life->op.sandbox));
}

static void fail_wait(daytona__life_t *life) {
  const daytona_sandbox_info_t *info = life->op.sandbox->info;
  daytona_error_t error = {.code = DAYTONA_ESANDBOX_FAILED, .retry_after_ms = -1};
  const char *reason = info->error_reason;
  error.message =
    daytona__arena_printf(&life->op.future->arena, "sandbox %s is in state %s%s%s", life->op.sandbox->id,
                          info->state_name, reason != NULL ? ": " : "", reason != NULL ? reason : "");
  daytona__op_fail(&life->op, &error);
}

/* End the wait if the state as it is known decides it. */
static bool settle_by_state(daytona__life_t *life) {
  daytona_sandbox_state_t state = life->op.sandbox->info->state;
  if (daytona__wait_is_met(life->rule, state))
    finish_wait(life);
  else if (daytona__state_is_error(state))
    fail_wait(life);
  else
    return false;
  return true;
}

static void poll_again(daytona__life_t *life) {
  int64_t elapsed = daytona__loop_now(life->op.client->loop) - life->wait_began_ms;
  if (elapsed >= POLL_STEADY_MS) {
    life->interval_ms += life->interval_ms / 10;
    if (life->interval_ms > POLL_MAX_MS) life->interval_ms = POLL_MAX_MS;
  }
  daytona__timer_start(life->op.client->loop, &life->pause, life->interval_ms);
}

/* The first error of a poll is the operation's. Who asked for a new sandbox must be told that it may exist. */
static void fail_poll(daytona__life_t *life) {
  daytona_error_t error = *life->poll_error;
  if (life->name != NULL)
    error.message = daytona__arena_printf(&life->op.future->arena, "%s (waiting for the sandbox named %s)",
                                          life->poll_error->message, life->name);
  daytona__op_fail(&life->op, &error);
}

static void on_poll_failed(daytona__life_t *life, const daytona_error_t *error) {
  if (life->poll_error != NULL) {
    fail_poll(life);
    return;
  }
  life->poll_error = daytona__error_copy(&life->op.future->arena, error, NULL);
  daytona__op_send(&life->op);
}

static void on_polled(daytona__op_t *op, const daytona_error_t *error, void *answer) {
  daytona__life_t *life = (daytona__life_t *)op;
  if (error != NULL && life->rule->is_safe && error->http_status == 404) {
    daytona__sandbox_set_state(op->sandbox, DAYTONA_SANDBOX_DESTROYED);
    error = NULL;
  }
  if (error != NULL) {
    on_poll_failed(life, error);
    return;
  }
  if (answer != NULL) daytona__sandbox_update(op->sandbox, op->data, answer);
  if (settle_by_state(life)) return;
  if (life->poll_error != NULL)
    fail_poll(life);
  else
    poll_again(life);
}

static void on_pause_over(daytona__timer_t *timer) {
  daytona__op_send(&DAYTONA__CONTAINER(timer, daytona__life_t, pause)->op);
}

void daytona__life_wait(daytona__life_t *life, const daytona__wait_rule_t *rule) {
  daytona__op_t *op = &life->op;
  life->rule = rule;
  if (daytona__wait_is_met(rule, op->sandbox->info->state)) {
    finish_wait(life);
    return;
  }
  daytona__op_switch(op, rule->is_safe ? &safe_poll_endpoint : &poll_endpoint);
  daytona__op_path(op, op->sandbox->id, NULL, NULL);
  op->done = on_polled;
  life->wait_began_ms = daytona__loop_now(op->client->loop);
  life->interval_ms = POLL_FIRST_MS;
  if (daytona__op_prepare(op, NULL, 0) == 0) daytona__op_send(op);
}

/* --- the operations ---------------------------------------------------------------------------- */

typedef struct life_kind {
  daytona__endpoint_t endpoint;
  const char *what;
  const daytona__wait_rule_t *rule;
  bool has_gate;
} life_kind_t;

typedef struct life_op {
  daytona__life_t life; /* first */
  const life_kind_t *kind;
  bool waits;
} life_op_t;

static void on_life_answer(daytona__op_t *op, const daytona_error_t *error, void *answer) {
  life_op_t *self = (life_op_t *)op;
  if (error != NULL) {
    daytona__op_fail(op, error);
    return;
  }
  if (answer != NULL) daytona__sandbox_update(op->sandbox, op->data, answer);
  if (self->waits)
    daytona__life_wait(&self->life, self->kind->rule);
  else
    daytona__op_resolve_sandbox(op, daytona_sandbox_retain(op->sandbox));
}

/* Make an operation of `kind` and check the options that all have; NULL if *future has failed. */
static life_op_t *life_op_new(daytona_sandbox_t *sandbox, const life_kind_t *kind, int64_t timeout_ms,
                              bool counts_queue_time, bool reserved_is_zero, daytona_future_t **future) {
  life_op_t *self = (life_op_t *)daytona__life_new(&kind->endpoint, NULL, sandbox, sizeof *self, future);
  if (self == NULL) return NULL;
  self->kind = kind;
  self->waits = true;
  self->life.what = kind->what;
  self->life.op.done = on_life_answer;
  if (!reserved_is_zero) {
    daytona__op_reject(&self->life.op, DAYTONA_EINVAL, "reserved words of the options are not zero");
    return NULL;
  }
  if (daytona__life_options(&self->life, timeout_ms, counts_queue_time) != 0) return NULL;
  return self;
}

static const daytona_sandbox_lifecycle_opts_t no_opts;

static life_op_t *life_op_begin(daytona_sandbox_t *sandbox, const life_kind_t *kind,
                                const daytona_sandbox_lifecycle_opts_t *opts, daytona_future_t **future) {
  if (opts == NULL) opts = &no_opts;
  life_op_t *self =
    life_op_new(sandbox, kind, opts->timeout_ms, opts->counts_queue_time, DAYTONA__RESERVED_OK(opts), future);
  if (self != NULL && kind->endpoint.path != NULL) daytona__op_path(&self->life.op, sandbox->id, NULL, NULL);
  return self;
}

/* The request itself may take as long as the whole, which the limit bounds. */
static void life_op_send(life_op_t *self, const void *request) {
  if (daytona__op_prepare(&self->life.op, request, DAYTONA_NO_TIMEOUT) == 0)
    daytona__life_start(&self->life, self->kind->has_gate);
}

static daytona_future_t *life_op_run(daytona_sandbox_t *sandbox, const life_kind_t *kind,
                                     const daytona_sandbox_lifecycle_opts_t *opts) {
  daytona_future_t *future;
  life_op_t *self = life_op_begin(sandbox, kind, opts, &future);
  if (self != NULL) life_op_send(self, NULL);
  return future;
}

static const life_kind_t start_kind = {.endpoint = {.prefix = "Failed to start sandbox: ",
                                                    .method = "POST",
                                                    .path = "/sandbox/{}/start",
                                                    .gives_sandbox = true,
                                                    .is_lenient = true},
                                       .what = "starting the sandbox",
                                       .rule = &daytona__wait_started,
                                       .has_gate = true};

daytona_future_t *daytona_sandbox_start(daytona_sandbox_t *sandbox,
                                        const daytona_sandbox_lifecycle_opts_t *opts) {
  return life_op_run(sandbox, &start_kind, opts);
}

static const life_kind_t recover_kind = {.endpoint = {.prefix = "Failed to recover sandbox: ",
                                                      .method = "POST",
                                                      .path = "/sandbox/{}/recover",
                                                      .gives_sandbox = true,
                                                      .is_lenient = true},
                                         .what = "recovering the sandbox",
                                         .rule = &daytona__wait_started,
                                         .has_gate = true};

daytona_future_t *daytona_sandbox_recover(daytona_sandbox_t *sandbox,
                                          const daytona_sandbox_lifecycle_opts_t *opts) {
  return life_op_run(sandbox, &recover_kind, opts);
}

static const life_kind_t stop_kind = {.endpoint = {.prefix = "Failed to stop sandbox: ",
                                                   .method = "POST",
                                                   .path = "/sandbox/{}/stop",
                                                   .gives_sandbox = true,
                                                   .is_lenient = true},
                                      .what = "stopping the sandbox",
                                      .rule = &wait_stopped};

daytona_future_t *daytona_sandbox_stop(daytona_sandbox_t *sandbox,
                                       const daytona_sandbox_lifecycle_opts_t *opts) {
  daytona_future_t *future;
  life_op_t *self = life_op_begin(sandbox, &stop_kind, opts, &future);
  if (self == NULL) return future;
  daytona__url_query_bool(&self->life.op.url, "force", daytona_bool(opts != NULL && opts->is_forced));
  life_op_send(self, NULL);
  return future;
}

static const life_kind_t delete_kind = {.endpoint = {.prefix = "Failed to remove sandbox: ",
                                                     .method = "DELETE",
                                                     .path = "/sandbox/{}",
                                                     .gives_sandbox = true,
                                                     .is_lenient = true},
                                        .what = "deleting the sandbox",
                                        .rule = &wait_destroyed};

daytona_future_t *daytona_sandbox_delete(daytona_sandbox_t *sandbox,
                                         const daytona_sandbox_lifecycle_opts_t *opts) {
  daytona_future_t *future;
  life_op_t *self = life_op_begin(sandbox, &delete_kind, opts, &future);
  if (self == NULL) return future;
  self->waits = opts != NULL && opts->waits;
  life_op_send(self, NULL);
  return future;
}

/* --- resize ------------------------------------------------------------------------------------ */

typedef struct resize {
  daytona_opt_int_t cpu, memory, disk;
} resize_t;

static const daytona__json_field_t resize_fields[] = {
  DAYTONA__FIELD(resize_t, OPT_INT, cpu, "cpu"),
  DAYTONA__FIELD(resize_t, OPT_INT, memory, "memory"),
  DAYTONA__FIELD(resize_t, OPT_INT, disk, "disk"),
};

static DAYTONA__MODEL(resize_model, resize_t, "ResizeSandbox", resize_fields);

static const life_kind_t resize_kind = {.endpoint = {.prefix = "Failed to resize sandbox: ",
                                                     .method = "POST",
                                                     .path = "/sandbox/{}/resize",
                                                     .request = &resize_model,
                                                     .gives_sandbox = true,
                                                     .is_lenient = true},
                                        .what = "resizing the sandbox",
                                        .rule = &wait_resized};

static bool is_too_small(daytona_opt_int_t value) { return value.is_set && value.value < 1; }

daytona_future_t *daytona_sandbox_resize(daytona_sandbox_t *sandbox,
                                         const daytona_sandbox_resize_opts_t *opts) {
  static const daytona_sandbox_resize_opts_t nothing;
  if (opts == NULL) opts = &nothing;
  daytona_future_t *future;
  life_op_t *self = life_op_new(sandbox, &resize_kind, opts->timeout_ms, opts->counts_queue_time,
                                DAYTONA__RESERVED_OK(opts), &future);
  if (self == NULL) return future;
  daytona__op_t *op = &self->life.op;
  if (!opts->cpu.is_set && !opts->memory_gib.is_set && !opts->disk_gib.is_set)
    return daytona__op_reject(op, DAYTONA_EINVAL, "cpu, memory_gib or disk_gib is required");
  if (is_too_small(opts->cpu) || is_too_small(opts->memory_gib) || is_too_small(opts->disk_gib))
    return daytona__op_reject(op, DAYTONA_EINVAL, "cpu, memory_gib and disk_gib must be at least 1");
  daytona__op_path(op, sandbox->id, NULL, NULL);
  resize_t request = {opts->cpu, opts->memory_gib, opts->disk_gib};
  life_op_send(self, &request);
  return future;
}

/* --- waits of their own ------------------------------------------------------------------------ */

static daytona_future_t *wait_for(daytona_sandbox_t *sandbox, const life_kind_t *kind,
                                  const daytona_sandbox_lifecycle_opts_t *opts) {
  daytona_future_t *future;
  life_op_t *self = life_op_begin(sandbox, kind, opts, &future);
  if (self == NULL) return future;
  if (self->life.counts_queue_time) start_limit(&self->life);
  daytona__life_wait(&self->life, kind->rule);
  return future;
}

static const life_kind_t wait_start_kind = {
  .endpoint = {.prefix = "Failure during waiting for sandbox to start: "},
  .what = "starting the sandbox",
  .rule = &daytona__wait_started};

daytona_future_t *daytona_sandbox_wait_for_start(daytona_sandbox_t *sandbox,
                                                 const daytona_sandbox_lifecycle_opts_t *opts) {
  return wait_for(sandbox, &wait_start_kind, opts);
}

static const life_kind_t wait_stop_kind = {
  .endpoint = {.prefix = "Failure during waiting for sandbox to stop: "},
  .what = "stopping the sandbox",
  .rule = &wait_stopped};

daytona_future_t *daytona_sandbox_wait_for_stop(daytona_sandbox_t *sandbox,
                                                const daytona_sandbox_lifecycle_opts_t *opts) {
  return wait_for(sandbox, &wait_stop_kind, opts);
}

static const life_kind_t wait_resize_kind = {
  .endpoint = {.prefix = "Failure during waiting for resize to complete: "},
  .what = "resizing the sandbox",
  .rule = &wait_resized};

daytona_future_t *daytona_sandbox_wait_for_resize_complete(daytona_sandbox_t *sandbox,
                                                           const daytona_sandbox_lifecycle_opts_t *opts) {
  return wait_for(sandbox, &wait_resize_kind, opts);
}
