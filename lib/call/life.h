/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations that change the state of an object and wait for it: their common course.
 *
 *   gate (what starts) -> request -> poll until a goal or a failure
 *
 * A limit on the whole runs from the moment the first request leaves the queue. What is waited for is a rule: a
 * method that fetches the object, how to read its state, and which states end the wait.
 */
#ifndef DAYTONA_CALL_LIFE_H
#define DAYTONA_CALL_LIFE_H

#include "call/events.h"
#include "call/gate.h"
#include "call/method.h"

/* How to read an object of the kind that an operation is about. */
typedef struct daytona__waited {
  int (*state_of)(const daytona__op_t *op);      /* a number below 64 */
  void (*take)(daytona__op_t *op, void *answer); /* optional: bring it up to date with a response */
  void (*settle)(daytona__op_t *op);             /* succeed with it */
  void (*gone)(daytona__op_t *op);               /* note that it is there no more */
  const char *(*describe)(
    const daytona__op_t *op); /* "sandbox sb-1 is in state error: no disk"; NULL: no memory */
  const char *(*name)(const daytona__op_t *op);       /* "sandbox sb-1"; NULL: not known yet, or no memory */
  const char *(*state_name)(const daytona__op_t *op); /* as received last; NULL: not known yet */
  void (*locate)(daytona__op_t *op); /* optional: fill in the path of `fetch`, with daytona__op_path() */
  daytona_errcode_t failure;         /* what a failed state is reported as */
  /* Optional, both: what events call it, and its id (NULL: not known yet). And, optional, the number of a state by its name,
     or -1: without it an event of any state is reason for a poll. */
  const char *noun;
  const char *(*id)(const daytona__op_t *op);
  int (*state_named)(const char *name);
  uint64_t lost_states; /* for which `lost` may have a code */
  /* Optional: the code of an object that is lost, although its state is no failure by itself; else DAYTONA_OK. */
  daytona_errcode_t (*lost)(const daytona__op_t *op);
} daytona__waited_t;

typedef struct daytona__wait_rule {
  const daytona__waited_t *of;
  const daytona__method_t *fetch; /* without `locate` its path needs no more than the operation's sandbox */
  uint64_t goals;                 /* bit per state */
  uint64_t failures;              /* end the wait with `failure`, unless they are goals */
  bool is_complement; /* any state that is in neither is a goal; those of `goals` are waited out */
  bool is_safe;       /* 404 means gone; a response that cannot be read is passed over */
} daytona__wait_rule_t;

typedef struct daytona__life daytona__life_t;

struct daytona__life {
  daytona__op_t op; /* first */
  daytona__gate_pass_t pass;
  daytona__timer_t limit;
  daytona__timer_t pause;
  int64_t timeout_ms; /* of the whole; -1: none */
  bool counts_queue_time;
  bool is_limited;      /* the limit runs */
  const char *what;     /* for the message of the limit: "starting the sandbox" */
  const char *new_name; /* of an object that errors from now on must name; NULL: none */
  bool (*late)(
    daytona__life_t *life); /* optional: the limit has passed; true if that has ended the operation */
  const char *(*orphan)(
    const daytona__life_t *life);        /* optional: what a failure leaves behind, for error->sandbox */
  void (*polled)(daytona__life_t *life); /* optional: the object's state was read; may end the operation */
  /* Optional: the state decides the wait. True: not yet; daytona__life_decide() follows. Asked once. */
  bool (*holds)(daytona__life_t *life);
  void *watcher; /* of the two */
  const daytona__wait_rule_t *rule;
  int64_t wait_began_ms, interval_ms;
  daytona__event_waiter_t events;
  int64_t polled_ms; /* when the last poll was sent */
  bool is_hinted;    /* an event came while no poll could be sent */
  bool is_net;       /* the next poll, or the one under way, is one of the safety net beside events */
  daytona_error_t *poll_error; /* a poll has failed: the next one decides */
};

/* An operation that is one request and the wait after it. */
typedef struct daytona__life_kind {
  const daytona__method_t *method; /* for a wait alone: its path is NULL */
  const char *what;
  const daytona__wait_rule_t *rule;
  bool has_gate;
} daytona__life_kind_t;

/* Its options that all have. */
typedef struct daytona__life_opts {
  daytona__opts_t opts;
  bool counts_queue_time;
  bool skips_wait;    /* succeed with the answer to the request */
  int64_t default_ms; /* of timeout_ms; 0: 60,000 */
} daytona__life_opts_t;

/* Run one of these. */
#define daytona__life_run(...) daytona__life_run_named(__func__, __VA_ARGS__)
daytona_future_t *daytona__life_run_named(const char *name, daytona_sandbox_t *sandbox,
                                          const daytona__life_kind_t *kind, const void *args,
                                          daytona__life_opts_t opts);

/*
 * Operations with more to them: make one as daytona__call_new(). `size` is that of the structure whose first member it
 * is. Go on with daytona__call_prepare() and daytona__life_start().
 */
#define daytona__life_new(...) daytona__life_new_named(__func__, __VA_ARGS__)
daytona__life_t *daytona__life_new_named(const char *name, const daytona__method_t *method,
                                         daytona_client_t *client, daytona_sandbox_t *sandbox, size_t size,
                                         const void *args, daytona__life_opts_t opts,
                                         daytona_future_t **future);

/* The `ending` of these operations, for those that have one of their own. */
void daytona__life_end(daytona__op_t *op);

/* Send the prepared request, with or without the gate before it. */
void daytona__life_start(daytona__life_t *life, bool has_gate);

/* Wait for `rule` and settle. */
void daytona__life_wait(daytona__life_t *life, const daytona__wait_rule_t *rule);

/* After `holds`: settle by the state that was read last. */
void daytona__life_decide(daytona__life_t *life);

/* The limit on the whole runs from now on, for operations that work before their first request. */
void daytona__life_limit(daytona__life_t *life);

/* What a failure leaves behind, or NULL. */
const char *daytona__life_orphan(const daytona__life_t *life);

/* Whether `state` ends a wait for `rule` well. */
bool daytona__wait_is_met(const daytona__wait_rule_t *rule, int state);

#endif
