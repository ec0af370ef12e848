/*
 * Operations that change the state of a sandbox and wait for it: their common course.
 *
 *   gate (create, start, recover) -> request -> poll until a target or an error state
 *
 * A limit on the whole runs from the moment the first request leaves the queue.
 */
#ifndef DAYTONA_API_SANDBOX_LIFE_H
#define DAYTONA_API_SANDBOX_LIFE_H

#include "call/gate.h"
#include "call/op.h"

/* What to wait for. */
typedef struct daytona__wait_rule {
  const char *name;   /* for messages: "started" */
  uint64_t targets;   /* bit per state */
  bool is_complement; /* wait until the state is none of `targets`, and no error state */
  bool is_safe;       /* 404 means DESTROYED; an answer that cannot be read is passed over */
} daytona__wait_rule_t;

#define DAYTONA__STATE_BIT(name) ((uint64_t)1 << DAYTONA_SANDBOX_##name)

extern const daytona__wait_rule_t daytona__wait_started;

typedef struct daytona__life daytona__life_t;

struct daytona__life {
  daytona__op_t op; /* first */
  daytona__gate_pass_t pass;
  daytona__timer_t limit;
  daytona__timer_t pause;
  int64_t timeout_ms; /* of the whole; -1: none */
  bool counts_queue_time;
  bool is_limited;                     /* the limit runs */
  const char *what;                    /* for the message of the limit: "starting the sandbox" */
  const char *name;                    /* of a sandbox that errors from now on must name; NULL: none */
  bool (*late)(daytona__life_t *life); /* optional: the limit is over; true if that has ended the operation */
  const daytona__wait_rule_t *rule;
  int64_t wait_began_ms, interval_ms;
  daytona_error_t *poll_error; /* a poll has failed: the next one decides */
};

/* Make one; as daytona__op_new(). `size` is that of the structure whose first member it is. */
daytona__life_t *daytona__life_new(const daytona__endpoint_t *endpoint, daytona_client_t *client,
                                   daytona_sandbox_t *sandbox, size_t size, daytona_future_t **future);

/* Check the options. 0, or the operation has failed and is gone. */
int daytona__life_options(daytona__life_t *life, int64_t timeout_ms, bool counts_queue_time);

/* Send the prepared request, with or without the gate before it. */
void daytona__life_start(daytona__life_t *life, bool has_gate);

/* Wait for `rule` on the operation's sandbox and settle with it. */
void daytona__life_wait(daytona__life_t *life, const daytona__wait_rule_t *rule);

/* Whether `state` ends a wait for `rule` well; whether it is an error state. */
bool daytona__wait_is_met(const daytona__wait_rule_t *rule, daytona_sandbox_state_t state);
bool daytona__state_is_error(daytona_sandbox_state_t state);

#endif
