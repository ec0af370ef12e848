/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sandboxes that wait for work: made ahead of time, each with an interpreter context in which nothing has run
 * yet, used by one run at a time, and replaced after so many runs or when one went wrong.
 *
 * They are made so that the service deletes them when they have been idle for a while: a pool whose program
 * was killed leaves nothing for long. Those that wait here are kept awake.
 */
#ifndef EXAMPLES_SERVER_POOL_H
#define EXAMPLES_SERVER_POOL_H

#include <stdbool.h>
#include <stddef.h>

#include <uv.h>

#include <daytona/daytona.h>

enum { POOL_MAX = 64 };

typedef enum slot_state {
  SLOT_EMPTY,
  SLOT_CREATING,
  SLOT_PREPARING,
  SLOT_IDLE,
  SLOT_BUSY,
  SLOT_DELETING
} slot_state_t;

typedef struct pool pool_t;

/* A place for a sandbox. While it is yours (from pool_take() to pool_give_back()) read the first two. */
typedef struct slot {
  daytona_sandbox_t *sandbox;
  char *context;
  pool_t *pool;
  slot_state_t state;
  int run_count;
  uv_timer_t retry;
  uint64_t retry_ms;
} slot_t;

typedef struct pool_events {
  void (*on_idle)(void *user);   /* there may be one to take */
  void (*on_closed)(void *user); /* after pool_close(): every sandbox is deleted, or said to be left behind */
  void *user;
} pool_events_t;

struct pool {
  daytona_client_t *client;
  pool_events_t events;
  slot_t slots[POOL_MAX];
  int size, runs_per_sandbox, open_handles;
  uv_timer_t awake;
  bool is_closing;
};

void pool_open(pool_t *pool, daytona_client_t *client, int size, int runs_per_sandbox,
               const pool_events_t *events);
/* One to run something in, or NULL if none is idle. */
slot_t *pool_take(pool_t *pool);
/* `is_clean`: the run has ended by itself. A sandbox in which something may still run is deleted, which ends
   that. */
void pool_give_back(slot_t *slot, bool is_clean);
/* Delete them all; those that are taken when they are given back. */
void pool_close(pool_t *pool);
int pool_count(const pool_t *pool, slot_state_t state);

#endif
