/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changing the state of something and waiting for it; see life.h.
 *
 * Waiting polls at once, then every 100 ms, after five seconds with intervals that grow by a tenth up to one
 * second. Beside the event socket polls come when an event says so, and else at the pace of call/events. A poll that fails is followed by one more: only when that fails as well, or brings nothing, does the
 * first error count, so a single lost response does not end a wait.
 */
#include "call/life.h"

#include <assert.h>
#include <inttypes.h>

enum { POLL_FIRST_MS = 100, POLL_STEADY_MS = 5000, POLL_MAX_MS = 1000 };
/* Polls for events are no closer than this, however many events come. */
enum { POLL_HINT_MS = 25 };
enum { LIFE_TIMEOUT_DEFAULT_MS = 60000, STATES_MAX = 64 };

static bool has_state(uint64_t states, int state) { return (states >> state & 1) != 0; }

bool daytona__wait_is_met(const daytona__wait_rule_t *rule, int state) {
  assert(state >= 0 && state < STATES_MAX);
  bool is_listed = has_state(rule->goals, state);
  return rule->is_complement ? !is_listed && !has_state(rule->failures, state) : is_listed;
}

const char *daytona__life_orphan(const daytona__life_t *life) {
  return life->orphan != NULL ? life->orphan(life) : NULL;
}

/* --- the limit on the whole -------------------------------------------------------------------- */

static void on_limit(daytona__timer_t *timer) {
  daytona__life_t *life = DAYTONA__CONTAINER(timer, daytona__life_t, limit);
  if (life->late != NULL && life->late(life)) return;
  daytona_error_t error = {
    .code = DAYTONA_EDEADLINE, .retry_after_ms = -1, .sandbox = daytona__life_orphan(life)};
  const daytona__waited_t *of = life->rule != NULL ? life->rule->of : NULL;
  const char *name = of != NULL ? of->name(&life->op) : NULL;
  const char *state = of != NULL ? of->state_name(&life->op) : NULL;
  error.message = daytona__arena_printf(
    &life->op.future->arena, "%s took longer than %" PRId64 " ms%s%s%s%s%s", life->what, life->timeout_ms,
    name != NULL ? " (" : "", name != NULL ? name : "", name != NULL && state != NULL ? ", last state: " : "",
    name != NULL && state != NULL ? state : "", name != NULL ? ")" : "");
  daytona__op_fail(&life->op, &error);
}

void daytona__life_limit(daytona__life_t *life) {
  if (life->is_limited || life->timeout_ms < 0) return;
  life->is_limited = true;
  daytona__timer_start(life->op.client->loop, &life->limit, life->timeout_ms);
}

/* --- making ------------------------------------------------------------------------------------ */

void daytona__life_end(daytona__op_t *op) {
  daytona__life_t *life = (daytona__life_t *)op;
  daytona__timer_stop(&life->limit);
  daytona__timer_stop(&life->pause);
  daytona__events_leave(&life->events);
  daytona__gate_leave(&life->pass);
}

static void on_request_admitted(daytona__op_t *op) { daytona__life_limit((daytona__life_t *)op); }

static void poll_now(daytona__life_t *life) {
  life->polled_ms = daytona__loop_now(life->op.client->loop);
  daytona__op_send(&life->op);
}

static void on_pause_over(daytona__timer_t *timer) {
  poll_now(DAYTONA__CONTAINER(timer, daytona__life_t, pause));
}

daytona__life_t *daytona__life_new_named(const char *name, const daytona__method_t *method,
                                         daytona_client_t *client, daytona_sandbox_t *sandbox, size_t size,
                                         const void *args, daytona__life_opts_t opts,
                                         daytona_future_t **future) {
  daytona__op_t *op = daytona__call_new_named(name, method, client, sandbox, size, args, opts.opts, future);
  if (op == NULL) return NULL;
  daytona__life_t *life = (daytona__life_t *)op;
  life->what = "the operation";
  life->counts_queue_time = opts.counts_queue_time;
  int64_t default_ms = opts.default_ms != 0 ? opts.default_ms : LIFE_TIMEOUT_DEFAULT_MS;
  if (!daytona__timeout_resolve(opts.opts.timeout_ms, default_ms, &life->timeout_ms)) {
    daytona__op_reject(op, DAYTONA_EINVAL, "timeout_ms must be at least 0, or DAYTONA_NO_TIMEOUT");
    return NULL;
  }
  op->ending = daytona__life_end;
  op->admitted = on_request_admitted;
  daytona__timer_init(&life->limit, on_limit);
  daytona__timer_init(&life->pause, on_pause_over);
  return life;
}

static void on_gate(daytona__gate_pass_t *pass) {
  daytona__op_send(&DAYTONA__CONTAINER(pass, daytona__life_t, pass)->op);
}

void daytona__life_start(daytona__life_t *life, bool has_gate) {
  if (life->counts_queue_time) daytona__life_limit(life);
  if (has_gate)
    daytona__gate_enter(life->op.client, &life->pass, on_gate);
  else
    daytona__op_send(&life->op);
}

/* --- waiting ----------------------------------------------------------------------------------- */

/* End the wait if the state as it is known decides it. */
static bool settle_by_state(daytona__life_t *life) {
  const daytona__wait_rule_t *rule = life->rule;
  int state = rule->of->state_of(&life->op);
  bool is_met = daytona__wait_is_met(rule, state);
  daytona_errcode_t failure = DAYTONA_OK;
  if (!is_met && has_state(rule->failures, state))
    failure = rule->of->failure;
  else if (!is_met && rule->of->lost != NULL)
    failure = rule->of->lost(&life->op);
  if ((is_met || failure != DAYTONA_OK) && life->holds != NULL) {
    bool (*holds)(daytona__life_t * life) = life->holds;
    life->holds = NULL;
    if (holds(life)) return true;
  }
  if (is_met) {
    rule->of->settle(&life->op);
  } else if (failure != DAYTONA_OK) {
    const daytona_error_t error = {.code = failure,
                                   .retry_after_ms = -1,
                                   .message = rule->of->describe(&life->op),
                                   .sandbox = daytona__life_orphan(life)};
    daytona__op_fail(&life->op, &error);
  } else {
    return false;
  }
  return true;
}

void daytona__life_decide(daytona__life_t *life) {
  life->holds = NULL;
  bool is_decided = settle_by_state(life);
  assert(is_decided);
  (void)is_decided;
}

/* For an event. */
static void poll_soon(daytona__life_t *life) {
  daytona__loop_t *loop = life->op.client->loop;
  int64_t rest_ms = life->polled_ms + POLL_HINT_MS - daytona__loop_now(loop);
  life->is_hinted = life->is_net = false;
  daytona__timer_start(loop, &life->pause, rest_ms > 0 ? rest_ms : 0);
}

/* One of the safety net: also when every event is lost there is one in time before the limit. */
static void poll_at_pace(daytona__life_t *life, int64_t pace_ms) {
  daytona__loop_t *loop = life->op.client->loop;
  if (daytona__timer_is_running(&life->limit)) {
    int64_t half_ms = (life->limit.due_ms - daytona__loop_now(loop)) / 2;
    if (pace_ms > half_ms) pace_ms = half_ms > POLL_MAX_MS ? half_ms : POLL_MAX_MS;
  }
  life->is_net = true;
  daytona__timer_start(loop, &life->pause, pace_ms);
}

static void poll_again(daytona__life_t *life) {
  daytona_client_t *client = life->op.client;
  int64_t elapsed = daytona__loop_now(client->loop) - life->wait_began_ms;
  int64_t pace_ms = life->events.events != NULL ? daytona__events_pace(client) : 0;
  if (elapsed >= POLL_STEADY_MS) {
    life->interval_ms += life->interval_ms / 10;
    if (life->interval_ms > POLL_MAX_MS) life->interval_ms = POLL_MAX_MS;
  }
  if (life->is_hinted) {
    poll_soon(life);
  } else if (pace_ms != 0) {
    poll_at_pace(life, pace_ms);
  } else {
    life->is_net = false;
    daytona__timer_start(client->loop, &life->pause, life->interval_ms);
  }
}

/* Whether a state of that name may end the wait; and who watches a build wants to see all of them. */
static bool is_of_interest(const daytona__life_t *life, const char *name) {
  const daytona__wait_rule_t *rule = life->rule;
  int state = name[0] != '\0' && rule->of->state_named != NULL ? rule->of->state_named(name) : -1;
  return state < 0 || life->polled != NULL || daytona__wait_is_met(rule, state) ||
         has_state(rule->failures | rule->of->lost_states, state);
}

static void on_event(daytona__event_waiter_t *waiter, const char *state) {
  daytona__life_t *life = DAYTONA__CONTAINER(waiter, daytona__life_t, events);
  if (!is_of_interest(life, state)) return;
  if (daytona__timer_is_running(&life->pause))
    poll_soon(life);
  else
    life->is_hinted = true;
}

/* The socket has come, gone, or proved itself. What waits for a poll of the old pace waits for one of the new. */
static void on_pace(daytona__event_waiter_t *waiter) {
  daytona__life_t *life = DAYTONA__CONTAINER(waiter, daytona__life_t, events);
  if (!life->is_net || !daytona__timer_is_running(&life->pause)) return;
  daytona_client_t *client = life->op.client;
  int64_t pace_ms = daytona__events_pace(client);
  life->is_net = pace_ms != 0;
  if (pace_ms != 0) {
    poll_at_pace(life, pace_ms);
    return;
  }
  if (daytona__loop_now(client->loop) - life->wait_began_ms >= POLL_STEADY_MS)
    life->interval_ms = POLL_MAX_MS; /* where it would be by now */
  daytona__timer_start(client->loop, &life->pause, life->interval_ms);
}

/* The first error of a poll is the operation's. Who asked for a new object must learn that it may exist. */
static void fail_poll(daytona__life_t *life) {
  daytona_error_t error = *life->poll_error;
  error.sandbox = daytona__life_orphan(life);
  if (life->new_name != NULL)
    error.message = daytona__arena_printf(&life->op.future->arena, "%s (waiting for the sandbox named %s)",
                                          life->poll_error->message, life->new_name);
  daytona__op_fail(&life->op, &error);
}

static void on_poll_failed(daytona__life_t *life, const daytona_error_t *error) {
  if (life->poll_error != NULL) {
    fail_poll(life);
    return;
  }
  life->poll_error = daytona__error_copy(&life->op.future->arena, error, NULL);
  poll_now(life);
}

static void on_polled(daytona__op_t *op, const daytona_error_t *error, void *answer) {
  daytona__life_t *life = (daytona__life_t *)op;
  const daytona__waited_t *of = life->rule->of;
  if (error != NULL && life->rule->is_safe && error->http_status == 404) {
    of->gone(op);
    error = NULL;
  }
  if (error != NULL) {
    on_poll_failed(life, error);
    return;
  }
  if (answer != NULL) of->take(op, answer);
  daytona_future_t *future = daytona_future_retain(op->future);
  daytona_client_t *client = daytona_client_retain(op->client);
  bool was_net = life->is_net && !life->is_hinted;
  if (life->polled != NULL) life->polled(life);
  bool is_over = !daytona__future_is_pending(future) || settle_by_state(life);
  if (is_over && was_net) daytona__events_missed(client);
  daytona_client_release(client);
  daytona_future_release(future);
  if (is_over) return;
  if (life->poll_error != NULL)
    fail_poll(life);
  else
    poll_again(life);
}

/* From now on events of the object are hints; what they have said until now is forgotten. */
static void listen_for(daytona__life_t *life, const daytona__wait_rule_t *rule) {
  const daytona__waited_t *of = rule->of;
  const char *id = of->noun != NULL ? of->id(&life->op) : NULL;
  life->rule = rule;
  life->is_hinted = life->is_net = false;
  life->events.on_event = on_event;
  life->events.on_pace = on_pace;
  if (id != NULL) daytona__events_join(life->op.client, &life->events, of->noun, id);
}

static void begin_polls(daytona__life_t *life, const daytona__wait_rule_t *rule) {
  daytona__op_t *op = &life->op;
  life->rule = rule;
  daytona__op_switch(op, rule->fetch);
  if (rule->of->locate != NULL) rule->of->locate(op);
  op->done = on_polled;
  life->wait_began_ms = daytona__loop_now(op->client->loop);
  life->polled_ms = life->wait_began_ms - POLL_HINT_MS;
  life->interval_ms = POLL_FIRST_MS;
  if (daytona__op_prepare(op, NULL, 0) != 0) return;
  if (daytona__events_covers(&life->events)) {
    poll_again(life); /* whatever has happened since the request was sent has been told */
    return;
  }
  listen_for(life, rule); /* before the first poll, so that nothing happens between the two */
  poll_now(life);
}

void daytona__life_wait(daytona__life_t *life, const daytona__wait_rule_t *rule) {
  life->rule = rule;
  if (daytona__wait_is_met(rule, rule->of->state_of(&life->op)))
    settle_by_state(life);
  else
    begin_polls(life, rule);
}

/* --- request and wait -------------------------------------------------------------------------- */

typedef struct life_op {
  daytona__life_t life; /* first */
  const daytona__life_kind_t *kind;
  bool skips_wait;
} life_op_t;

static void on_life_answer(daytona__op_t *op, const daytona_error_t *error, void *answer) {
  life_op_t *self = (life_op_t *)op;
  const daytona__wait_rule_t *rule = self->kind->rule;
  if (error != NULL) {
    daytona__op_fail(op, error);
    return;
  }
  if (answer != NULL) rule->of->take(op, answer);
  if (answer == NULL) self->life.is_hinted = true; /* what it says may have been the end */
  if (self->skips_wait)
    rule->of->settle(op);
  else if (answer == NULL && rule->is_complement)
    begin_polls(&self->life, rule); /* the state from before the request is no goal */
  else
    daytona__life_wait(&self->life, rule);
}

daytona_future_t *daytona__life_run_named(const char *name, daytona_sandbox_t *sandbox,
                                          const daytona__life_kind_t *kind, const void *args,
                                          daytona__life_opts_t opts) {
  daytona_future_t *future;
  life_op_t *self = (life_op_t *)daytona__life_new_named(name, kind->method, NULL, sandbox, sizeof *self,
                                                         args, opts, &future);
  if (self == NULL) return future;
  self->kind = kind;
  self->skips_wait = opts.skips_wait;
  self->life.what = kind->what;
  self->life.rule = kind->rule;
  self->life.op.done = on_life_answer;
  if (kind->method->path == NULL) {
    if (self->life.counts_queue_time) daytona__life_limit(&self->life);
    daytona__life_wait(&self->life, kind->rule);
    return future;
  }
  if (!self->skips_wait) listen_for(&self->life, kind->rule);
  /* The request itself may take as long as the whole, which the limit bounds. */
  if (daytona__call_prepare(&self->life.op, args, opts.opts, DAYTONA_NO_TIMEOUT) == 0)
    daytona__life_start(&self->life, kind->has_gate);
  return future;
}
