/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one client puts on the host's loop: a queue of things to do in a later turn, timers on a clock
 * that tests can move, and a mailbox for other threads.
 *
 * Three libuv handles serve any number of operations. They are open while the client is, referenced
 * only while something of ours is pending, and closed by daytona__loop_close(). The structure itself
 * is counted: futures that outlive the client still point at it.
 */
#ifndef DAYTONA_CORE_LOOP_H
#define DAYTONA_CORE_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include <daytona/log.h>

#include "core/list.h"

/* Callbacks of one client that its loop can call with lack of memory, from a later turn, at the same time. */
#define DAYTONA__NOTICES_RESERVED 16

/* The longest delay of a timer, so that sums of times cannot overflow: over 35,000 years. */
#define DAYTONA__DELAY_MAX_MS ((int64_t)1 << 50)

typedef struct daytona__loop daytona__loop_t;

/* Something to do in a later turn. Embedded in its object, which must live until it ran. */
typedef struct daytona__task {
  daytona__list_t link;
  void (*run)(struct daytona__task *task);
} daytona__task_t;

/* A point in time with a callback. Embedded; stop it before its memory goes. */
typedef struct daytona__timer {
  struct daytona__timer *child, *next, **back; /* pairing heap */
  int64_t due_ms;
  daytona__loop_t *loop; /* not NULL while running */
  bool is_background;    /* does not keep the host's loop alive */
  void (*fire)(struct daytona__timer *timer);
} daytona__timer_t;

/*
 * In two steps, so that handles come last: one that is not open has put nothing on the host's loop, and goes with its last
 * reference. Nothing may be deferred or timed on it. 0 or DAYTONA_ENOMEM.
 */
int daytona__loop_new(uv_loop_t *uv, daytona_log_cb log, void *log_user, daytona__loop_t **out);
int daytona__loop_open(daytona__loop_t *loop);
daytona__loop_t *daytona__loop_retain(daytona__loop_t *loop);
void daytona__loop_release(daytona__loop_t *loop);

/*
 * Close the handles; `closed` comes in a later turn, when they are gone. Queued tasks and posts run
 * before, and futures that are still pending fail with DAYTONA_ECLOSED. Foreground timers must have been
 * stopped, those of futures by the futures' stop functions; background timers just end.
 */
void daytona__loop_close(daytona__loop_t *loop, void (*closed)(void *user), void *user);
bool daytona__loop_is_closed(const daytona__loop_t *loop);

uv_loop_t *daytona__loop_uv(const daytona__loop_t *loop);

/* The system's number of an error of libuv; 0: it is one of libuv's own, or none. */
static inline int daytona__system_errno(int uv_error) {
  return uv_error < 0 && uv_error > UV_EAI_ADDRFAMILY ? -uv_error : 0;
}

/* Whether the calling thread is the one that made the loop's client. */
bool daytona__loop_on_thread(const daytona__loop_t *loop);

/*
 * Run `task` in a later turn, after what was deferred before. A task already queued stays where it is.
 * Works in every state; what is deferred before `closed` was reported delays that report.
 */
void daytona__loop_defer(daytona__loop_t *loop, daytona__task_t *task);
void daytona__task_init(daytona__task_t *task, void (*run)(daytona__task_t *task));
bool daytona__task_is_queued(const daytona__task_t *task);
void daytona__task_cancel(daytona__task_t *task);

/* Monotonic milliseconds. Tests move it forward with daytona__loop_advance(). */
int64_t daytona__loop_now(const daytona__loop_t *loop);
void daytona__loop_advance(daytona__loop_t *loop, int64_t ms);

/* A timer ends with the loop: one started after closing, or running when it closes, never fires. */
void daytona__timer_init(daytona__timer_t *timer, void (*fire)(daytona__timer_t *timer));
void daytona__timer_start(daytona__loop_t *loop, daytona__timer_t *timer, int64_t delay_ms);
void daytona__timer_stop(daytona__timer_t *timer);
bool daytona__timer_is_running(const daytona__timer_t *timer);

/* Thread-safe: have `run` called on the loop's thread. 0, DAYTONA_ENOMEM or DAYTONA_ECLOSED. */
int daytona__loop_post(daytona__loop_t *loop, void (*run)(void *user), void *user);

/* Keep the host's loop alive, and waiting, between these two although nothing of ours is active. */
void daytona__loop_hold(daytona__loop_t *loop);
void daytona__loop_let_go(daytona__loop_t *loop);

/* A job on the thread pool, which cannot be stopped: the close of the loop is reported after its end. */
void daytona__loop_job_begin(daytona__loop_t *loop);
void daytona__loop_job_end(daytona__loop_t *loop);
unsigned daytona__loop_job_count(const daytona__loop_t *loop); /* for tests: those under way */

/* User code is on the thread's stack between these two; daytona_future_await() asks. */
void daytona__loop_enter(daytona__loop_t *loop);
void daytona__loop_leave(daytona__loop_t *loop);
bool daytona__loop_in_callback(const daytona__loop_t *loop);

/* Futures that have not settled, so that closing can fail them; see future.c. */
daytona__list_t *daytona__loop_pending(daytona__loop_t *loop);

/* The future returned when there is no memory for one, and on a wrong thread; see future.c. */
struct daytona_future;
struct daytona_future *daytona__loop_oom_future(daytona__loop_t *loop);
struct daytona_future *daytona__loop_thread_future(daytona__loop_t *loop);

/* Reserved notices, for reporting lack of memory; see future.c. */
daytona__list_t *daytona__loop_spare_notices(daytona__loop_t *loop);

void daytona__log(daytona__loop_t *loop, daytona_log_level_t level, const char *format, ...)
  __attribute__((format(printf, 3, 4)));
bool daytona__log_enabled(const daytona__loop_t *loop);

/*
 * A programmer's error that the call it was made in can survive: logged as an error, and in a debug build the end of the
 * program, unless a test has turned `daytona__misuse_stops` off.
 */
void daytona__misuse(daytona__loop_t *loop, const char *format, ...) __attribute__((format(printf, 2, 3)));
extern bool daytona__misuse_stops;

#endif
