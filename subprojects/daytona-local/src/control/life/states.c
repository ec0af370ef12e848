/* SPDX-License-Identifier: Apache-2.0 */
/*
 * States of a sandbox: how one follows another, who is told, and intents. Invariants: `is_pending` while an
 * operation runs, and only that operation moves `state`; every change is put into the store
 * before it is reported. A sandbox that was destroyed is freed when nothing holds it any more.
 *
 * What is asked for is an intent until it is on disk: only then anything is done about it, and when it cannot be written
 * the sandbox is what it was. (A creation begins at once, and is undone.) What the sandbox came to by itself is true
 * whether it can be written or not; that is tried again and again, see records.c.
 */
#include "control/life/life.h"
#include "control/life/steps.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define START_WAIT_MS 30000

typedef struct {
  dl_list_t link;
  dl_life_wait_t wait;
  uv_timer_t timer;
} waiter_t;

/* What may follow a state, as bits. A failed one can fail again, for another reason. */
#define BIT(state) (1u << (state))
static const unsigned successors[DL_STATE_COUNT] = {
  [DL_CREATING] = BIT(DL_STARTED) | BIT(DL_ERROR) | BIT(DL_DESTROYED),
  [DL_STARTED] = BIT(DL_STOPPED) | BIT(DL_RESIZING) | BIT(DL_PAUSED) | BIT(DL_FORKING) |
                 BIT(DL_SNAPSHOTTING) | BIT(DL_ERROR) | BIT(DL_DESTROYED),
  [DL_STOPPED] = BIT(DL_STARTED) | BIT(DL_ARCHIVED) | BIT(DL_RESIZING) | BIT(DL_SNAPSHOTTING) |
                 BIT(DL_ERROR) | BIT(DL_DESTROYED),
  [DL_PAUSED] = BIT(DL_STARTED) | BIT(DL_STOPPED) | BIT(DL_ERROR) | BIT(DL_DESTROYED),
  [DL_FORKING] = BIT(DL_STARTED) | BIT(DL_ERROR) | BIT(DL_DESTROYED),
  [DL_SNAPSHOTTING] = BIT(DL_STARTED) | BIT(DL_STOPPED) | BIT(DL_ERROR) | BIT(DL_DESTROYED),
  [DL_ARCHIVED] = BIT(DL_RESTORING) | BIT(DL_ERROR) | BIT(DL_DESTROYED),
  [DL_RESTORING] = BIT(DL_STARTED) | BIT(DL_ERROR) | BIT(DL_DESTROYED),
  [DL_RESIZING] = BIT(DL_STARTED) | BIT(DL_STOPPED) | BIT(DL_ERROR) | BIT(DL_DESTROYED),
  [DL_ERROR] = BIT(DL_STOPPED) | BIT(DL_ERROR) | BIT(DL_DESTROYED),
  [DL_DESTROYED] = 0,
  [DL_PENDING_BUILD] =
    BIT(DL_BUILDING) | BIT(DL_CREATING) | BIT(DL_BUILD_FAILED) | BIT(DL_ERROR) | BIT(DL_DESTROYED),
  [DL_BUILDING] =
    BIT(DL_PENDING_BUILD) | BIT(DL_CREATING) | BIT(DL_BUILD_FAILED) | BIT(DL_ERROR) | BIT(DL_DESTROYED),
  [DL_BUILD_FAILED] = BIT(DL_DESTROYED),
};

void dl_step_set_state(dl_sandbox_t *sb, dl_state_t to) {
  assert(sb->life && !sb->life->is_frozen);
  assert(sb->state == to || (successors[sb->state] & BIT(to)));
  assert(to != DL_STARTED || sb->box);
  assert(!sb->box || (to != DL_ARCHIVED && to != DL_DESTROYED));
  sb->state = to;
}

void dl_step_hold(dl_sandbox_t *sb) { sb->hold_count++; }

void dl_step_unhold(dl_sandbox_t *sb) {
  assert(sb->hold_count > 0);
  if (--sb->hold_count == 0 && sb->is_gone) dl_sandbox_free(sb);
}

void dl_step_ignore_commit(dl_written_t outcome, void *user) { (void)outcome, (void)user; }

void dl_life_mark(dl_life_t *l) {
  if (!l->is_frozen && l->on_alarm)
    uv_timer_start(&l->alarm, l->on_alarm, dl_store_is_failing(l->objects->store) ? DL_RETRY_MS : 0, 0);
}

void dl_step_tell_watcher(dl_sandbox_t *sb) {
  dl_life_t *l = sb->life;
  const char *was_state = sb->told.state, *was_want = sb->told.want;
  sb->told.state = dl_sandbox_state_name(sb, false);
  sb->told.want = dl_want_name(sb->want);
  if (was_state == sb->told.state && was_want == sb->told.want) return;
  if (l->on_shown && !l->is_frozen) l->on_shown(sb, was_state, was_want, l->shown_user);
}

void dl_step_save_as(dl_sandbox_t *sb, dl_state_t state) {
  dl_store_t *store = sb->life->objects->store;
  int64_t offset = dl_clock_offset(&sb->life->objects->clock);
  if (sb->want == DL_WANT_DESTROYED)
    dl_store_put_ending(store, "sandbox", sb->id, dl_sandbox_record(sb, state, offset));
  else
    dl_store_put(store, "sandbox", sb->id, dl_sandbox_record(sb, state, offset));
  dl_store_commit(store, dl_step_ignore_commit, NULL);
  dl_life_mark(sb->life);
  dl_step_tell_watcher(sb);
}

void dl_life_save(dl_sandbox_t *sb) { dl_step_save_as(sb, sb->state); }

static void touch(dl_sandbox_t *sb) {
  sb->updated_at = sb->last_activity_at = dl_objects_now(sb->life->objects);
}

/* One step done: note it, with the new state on its way to disk. */
void dl_step_reached(dl_sandbox_t *sb, dl_state_t state, bool is_pending) {
  dl_step_set_state(sb, state);
  sb->is_pending = is_pending;
  dl_debug("sandbox %s: %s", sb->id, dl_sandbox_state_name(sb, false));
  touch(sb);
  dl_life_save(sb);
}

/* --- who waits for something --- */

static void tell(dl_sandbox_t *sb, dl_life_wait_t wait) {
  if (!wait.cb) return;
  wait.cb(sb,
          sb->life->is_frozen         ? DL_LIFE_ENDING
          : sb->is_unmade             ? DL_LIFE_NOT_WRITTEN
          : dl_sandbox_is_errored(sb) ? DL_LIFE_FAILED
                                      : DL_LIFE_SETTLED,
          wait.user);
}

static void free_waiter(uv_handle_t *handle) { free(DL_CONTAINER(handle, waiter_t, timer)); }

static dl_life_wait_t take_waiter(waiter_t *w) {
  dl_list_unlink(&w->link);
  uv_close((uv_handle_t *)&w->timer, free_waiter);
  return w->wait;
}

static void on_wait_over(uv_timer_t *timer) {
  dl_sandbox_t *sb = timer->data;
  tell(sb, take_waiter(DL_CONTAINER(timer, waiter_t, timer)));
}

void dl_step_wait_for_start(dl_sandbox_t *sb, dl_life_wait_t wait) {
  if (!wait.cb) return;
  waiter_t *w = dl_xcalloc(1, sizeof *w);
  w->wait = wait;
  uv_timer_init(sb->life->objects->loop, &w->timer);
  w->timer.data = sb;
  uv_timer_start(&w->timer, on_wait_over, START_WAIT_MS, 0);
  dl_list_push(&sb->waiters, &w->link);
}

void dl_step_tell_waiters(dl_sandbox_t *sb) {
  while (!dl_list_empty(&sb->waiters)) tell(sb, take_waiter(DL_CONTAINER(sb->waiters.next, waiter_t, link)));
}

static void tell_not_written(dl_sandbox_t *sb) {
  while (!dl_list_empty(&sb->waiters)) {
    dl_life_wait_t wait = take_waiter(DL_CONTAINER(sb->waiters.next, waiter_t, link));
    wait.cb(sb, DL_LIFE_NOT_WRITTEN, wait.user);
  }
}

/* --- failures --- */

void dl_step_failed_as(dl_sandbox_t *sb, dl_state_t state, const char *reason, bool is_recoverable) {
  sb->gives_way = sb->cancels_archive = false;
  if (sb->intent.go) { /* and that is what an intent goes back to */
    sb->intent.state = state;
    sb->intent.is_pending = false;
    sb->intent.is_recoverable = is_recoverable;
    dl_set(&sb->intent.error_reason, reason);
  }
  dl_set(&sb->error_reason, reason);
  sb->is_recoverable = is_recoverable;
  dl_step_reached(sb, state, false);
  dl_step_tell_waiters(sb);
}

void dl_step_failed(dl_sandbox_t *sb, const char *reason, bool is_recoverable) {
  dl_step_failed_as(sb, DL_ERROR, reason, is_recoverable);
}

/* --- intents --- */

/* Before anything is changed. */
void dl_step_remember(dl_sandbox_t *sb) {
  assert(!sb->intent.go);
  sb->intent.state = sb->state;
  sb->intent.want = sb->want;
  sb->intent.is_recoverable = sb->is_recoverable;
  sb->intent.is_pending = sb->is_pending;
  sb->intent.is_start = false;
  sb->intent.backup_state = sb->backup_state;
  sb->intent.updated_at = sb->updated_at;
  sb->intent.last_activity_at = sb->last_activity_at;
  dl_set(&sb->intent.name, sb->name);
  dl_set(&sb->intent.error_reason, sb->error_reason);
}

static void go_back(dl_sandbox_t *sb) {
  dl_step_set_state(sb, sb->intent.state);
  sb->want = sb->intent.want;
  sb->is_recoverable = sb->intent.is_recoverable;
  sb->is_pending = sb->intent.is_pending;
  sb->backup_state = sb->intent.backup_state;
  sb->updated_at = sb->intent.updated_at;
  sb->last_activity_at = sb->intent.last_activity_at;
  sb->queue_timed_out_at = sb->spot_evicted_at = 0;
  dl_set(&sb->error_reason, sb->intent.error_reason);
  if (strcmp(sb->name, sb->intent.name) != 0) {
    dl_set(&sb->name, sb->intent.name);
    dl_objects_regain_name(sb->life->objects, sb);
  }
  dl_step_tell_watcher(sb);
  if (sb->forking || sb->snapshotting) sb->life->copies->drop(sb);
  if (sb->intent.is_start) tell_not_written(sb);
  if (sb->state == DL_STARTED && !sb->box) dl_step_failed(sb, "the sandbox has ended", true);
  dl_life_mark(sb->life);
}

static void on_intended(dl_written_t outcome, void *user) {
  dl_sandbox_t *sb = user;
  void (*go)(dl_sandbox_t *) = sb->intent.go;
  void (*deferred)(const char *, void *) = sb->intent.deferred;
  char *error = sb->intent.deferred_error;
  sb->intent.go = NULL;
  sb->intent.deferred = NULL;
  sb->intent.deferred_error = NULL;
  bool is_over = sb->life->is_frozen || sb->is_unmade;
  if (!is_over && outcome == DL_WRITTEN) go(sb);
  if (!is_over && outcome != DL_WRITTEN) go_back(sb);
  if (deferred) deferred(error, sb);
  free(error);
  dl_step_unhold(sb);
}

/* `go` does it, once what was put is on disk. */
void dl_step_intend(dl_sandbox_t *sb, void (*go)(dl_sandbox_t *sb)) {
  assert(!sb->intent.go && sb->is_pending);
  sb->intent.go = go;
  dl_step_hold(sb);
  dl_store_commit(sb->life->objects->store, on_intended, sb);
}

/* The end of work on files while an intent to interrupt it is not on disk yet: it is processed when that is decided. */
bool dl_step_defer(dl_sandbox_t *sb, dl_job_cb cb, const char *error) {
  if (!sb->intent.go) return false;
  assert(!sb->intent.deferred);
  sb->intent.deferred = cb;
  dl_set(&sb->intent.deferred_error, error);
  return true;
}
