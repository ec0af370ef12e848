/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pool of the server example. See server_pool.h.
 *
 *   EMPTY -> CREATING -> PREPARING -> IDLE -> BUSY -> PREPARING (a fresh context) ... -> DELETING -> EMPTY
 *
 * move() is the only place that decides what comes next for a slot in which nothing is under way.
 */
#include "server_pool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  AWAKE_MS = 4 * 60 * 1000,
  RETRY_FIRST_MS = 1000,
  RETRY_MAX_MS = 30 * 1000,
  PREPARE_LIMIT_MS = 30 * 1000,
  DELETE_LIMIT_MS = 30 * 1000
};

static void move(slot_t *slot);

static void forget_context(slot_t *slot) {
  free(slot->context);
  slot->context = NULL;
}

/* --- making ------------------------------------------------------------------------------------ */

static void on_retry(uv_timer_t *timer) { move(timer->data); }

/* Again, later and later: a service that is down or a limit that is reached is not to be hammered at. */
static void retry(slot_t *slot, const daytona_error_t *error) {
  fprintf(stderr, "server: no sandbox: %s\n", error->message);
  slot->state = SLOT_EMPTY;
  slot->retry_ms = slot->retry_ms == 0 ? RETRY_FIRST_MS : slot->retry_ms * 2;
  if (slot->retry_ms > RETRY_MAX_MS) slot->retry_ms = RETRY_MAX_MS;
  if (slot->pool->is_closing)
    move(slot);
  else
    uv_timer_start(&slot->retry, on_retry, slot->retry_ms, 0);
}

static void on_created(daytona_future_t *future, void *user) {
  slot_t *slot = user;
  if (daytona_future_error(future) != NULL) {
    retry(slot, daytona_future_error(future));
    return;
  }
  slot->sandbox = daytona_sandbox_retain(daytona_future_sandbox(future));
  slot->run_count = 0;
  slot->state = SLOT_PREPARING;
  move(slot);
}

static void create(slot_t *slot) {
  static const daytona_pair_t labels[] = {{"made-by", "libdaytona-example-server"}};
  daytona_sandbox_create_opts_t opts = {.is_ephemeral = true, .labels = {labels, 1}};
  slot->state = SLOT_CREATING;
  daytona_future_then(daytona_sandbox_create(slot->pool->client, &opts), on_created, slot);
}

static void on_context(daytona_future_t *future, void *user) {
  slot_t *slot = user;
  const daytona_interpreter_context_t *context = daytona_future_interpreter_context(future);
  slot->context = context != NULL ? strdup(context->id) : NULL;
  if (slot->context != NULL) {
    slot->state = SLOT_IDLE;
    slot->retry_ms = 0;
  } else { /* then another sandbox, not at once */
    if (context == NULL) fprintf(stderr, "server: %s\n", daytona_future_message(future));
    slot->state = SLOT_DELETING;
    slot->retry_ms = RETRY_FIRST_MS;
  }
  move(slot);
}

static void prepare(slot_t *slot) {
  daytona_interpreter_create_context_opts_t opts = {.timeout_ms = PREPARE_LIMIT_MS};
  daytona_future_then(daytona_interpreter_create_context(slot->sandbox, &opts), on_context, slot);
}

/* --- deleting ---------------------------------------------------------------------------------- */

static void on_deleted(daytona_future_t *future, void *user) {
  slot_t *slot = user;
  const daytona_error_t *error = daytona_future_error(future);
  if (error != NULL && !daytona_error_is(error, DAYTONA_ENOTFOUND))
    fprintf(stderr, "server: the sandbox %s is left behind: %s\n", daytona_sandbox_id(slot->sandbox),
            error->message);
  daytona_sandbox_release(slot->sandbox);
  slot->sandbox = NULL;
  slot->state = SLOT_EMPTY;
  if (slot->retry_ms != 0 && !slot->pool->is_closing)
    uv_timer_start(&slot->retry, on_retry, slot->retry_ms, 0);
  else
    move(slot);
}

static void delete_sandbox(slot_t *slot) {
  daytona_sandbox_lifecycle_opts_t opts = {.timeout_ms = DELETE_LIMIT_MS};
  forget_context(slot);
  daytona_future_then(daytona_sandbox_delete(slot->sandbox, &opts), on_deleted, slot);
}

/* --- what comes next --------------------------------------------------------------------------- */

static void on_handle_closed(uv_handle_t *handle) {
  pool_t *pool = ((slot_t *)handle->data)->pool;
  if (--pool->open_handles == 0) pool->events.on_closed(pool->events.user);
}

static void close_slot(slot_t *slot) {
  if (!uv_is_closing((uv_handle_t *)&slot->retry)) uv_close((uv_handle_t *)&slot->retry, on_handle_closed);
}

static void move(slot_t *slot) {
  bool is_closing = slot->pool->is_closing;
  if (is_closing && (slot->state == SLOT_PREPARING || slot->state == SLOT_IDLE)) slot->state = SLOT_DELETING;
  switch (slot->state) {
    case SLOT_EMPTY:
      if (is_closing)
        close_slot(slot);
      else
        create(slot);
      break;
    case SLOT_PREPARING: prepare(slot); break;
    case SLOT_DELETING: delete_sandbox(slot); break;
    case SLOT_IDLE: slot->pool->events.on_idle(slot->pool->events.user); break;
    case SLOT_CREATING:
    case SLOT_BUSY: break;
  }
}

/* --- awake ------------------------------------------------------------------------------------- */

/* One that has gone away meanwhile is replaced before somebody runs into it. */
static void on_kept_awake(daytona_future_t *future, void *user) {
  slot_t *slot = user;
  if (daytona_future_error(future) == NULL || slot->state != SLOT_IDLE) return;
  slot->state = SLOT_DELETING;
  move(slot);
}

static void on_awake(uv_timer_t *timer) {
  pool_t *pool = timer->data;
  for (int i = 0; i < pool->size; i++)
    if (pool->slots[i].state == SLOT_IDLE)
      daytona_future_then(daytona_sandbox_refresh_activity(pool->slots[i].sandbox, NULL), on_kept_awake,
                          &pool->slots[i]);
}

/* --- public ------------------------------------------------------------------------------------ */

void pool_open(pool_t *pool, daytona_client_t *client, int size, int runs_per_sandbox,
               const pool_events_t *events) {
  uv_loop_t *loop = daytona_client_loop(client);
  *pool = (pool_t){.client = client,
                   .events = *events,
                   .size = size,
                   .runs_per_sandbox = runs_per_sandbox,
                   .open_handles = size};
  uv_timer_init(loop, &pool->awake);
  pool->awake.data = pool;
  uv_timer_start(&pool->awake, on_awake, AWAKE_MS, AWAKE_MS);
  for (int i = 0; i < size; i++) {
    slot_t *slot = &pool->slots[i];
    slot->pool = pool;
    uv_timer_init(loop, &slot->retry);
    slot->retry.data = slot;
    move(slot);
  }
}

slot_t *pool_take(pool_t *pool) {
  for (int i = 0; i < pool->size; i++)
    if (pool->slots[i].state == SLOT_IDLE) {
      pool->slots[i].state = SLOT_BUSY;
      pool->slots[i].run_count++;
      return &pool->slots[i];
    }
  return NULL;
}

/* The old context goes before the new one comes, with what its code may have left running in it. */
static void on_context_gone(daytona_future_t *future, void *user) {
  slot_t *slot = user;
  slot->state = daytona_future_error(future) == NULL ? SLOT_PREPARING : SLOT_DELETING;
  move(slot);
}

void pool_give_back(slot_t *slot, bool is_clean) {
  daytona_call_opts_t opts = {.timeout_ms = PREPARE_LIMIT_MS};
  if (!is_clean || slot->run_count >= slot->pool->runs_per_sandbox || slot->pool->is_closing) {
    slot->state = SLOT_DELETING;
    move(slot);
    return;
  }
  slot->state = SLOT_PREPARING;
  daytona_future_then(daytona_interpreter_delete_context(slot->sandbox, slot->context, &opts),
                      on_context_gone, slot);
  forget_context(slot);
}

void pool_close(pool_t *pool) {
  if (pool->is_closing) return;
  pool->is_closing = true;
  uv_close((uv_handle_t *)&pool->awake, NULL);
  for (int i = 0; i < pool->size; i++) {
    slot_t *slot = &pool->slots[i];
    if (slot->state == SLOT_IDLE || slot->state == SLOT_EMPTY)
      move(slot); /* the others come there by themselves */
  }
}

int pool_count(const pool_t *pool, slot_state_t state) {
  int count = 0;
  for (int i = 0; i < pool->size; i++) count += pool->slots[i].state == state;
  return count;
}
