/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client's share of the host's loop. See loop.h.
 *
 * Invariants: `turn` is active while `ready` is not empty, and stops in the first turn that finds it
 * empty; `clock` is armed for the root of the timer heap or for an earlier time, and referenced
 * exactly while a foreground timer runs; `mailbox` is referenced only while somebody holds the loop. The
 * tasks of one turn are moved to `batch` first, so a task deferred while they run waits for the next turn
 * and the loop can do I/O in between.
 *
 * While a handle is open the loop has a reference: the client's, and from the close on one of its own.
 *
 * A call made after closing still owes its response in a later turn. `turn` carries it: a closing handle
 * looks at `ready` once more when it is gone, and a closed one is opened again, so that no memory is
 * needed for it.
 */
#include "core/loop.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <daytona/error.h>

#include "core/future.h"
#include "core/limits.h"
#include "core/memory.h"

typedef struct post {
  daytona__list_t link;
  void (*run)(void *user);
  void *user;
} post_t;

/* SHUT: the handles are closing; CLOSED: they are gone, but for a `turn` that was opened again. */
enum { LOOP_OPEN, LOOP_CLOSING, LOOP_SHUT, LOOP_CLOSED };

/*
 * User callbacks on this thread's stack. Not kept per client: a callback of one client that turned the
 * loop for another would run libuv inside libuv just the same.
 */
static _Thread_local unsigned callback_depth;

struct daytona__loop {
  uv_loop_t *uv;
  unsigned refs;
  int state;
  unsigned open_handles;
  unsigned holds;
  uv_thread_t thread;

  uv_idle_t turn;
  bool turn_is_open;
  daytona__list_t ready; /* for the next turn */
  daytona__list_t batch; /* rest of the turn that is running */
  daytona__task_t closing;
  unsigned jobs; /* on the thread pool: closing waits for them */

  uv_timer_t clock;
  daytona__timer_t *timers; /* root of the pairing heap */
  int64_t armed_ms;         /* when `clock` fires: a timer that is stopped leaves it armed, so that the
                               limit of each request, set and soon taken back, costs no arming */
  unsigned foreground;      /* running timers that keep the host's loop alive */
  int64_t offset_ms;        /* how far tests have moved the clock */

  uv_async_t mailbox;
  uv_mutex_t lock; /* guards posts and is_shut */
  daytona__list_t posts;
  bool is_shut;

  daytona__list_t pending;
  daytona_future_t oom_future, thread_future;
  daytona__notice_t notices[DAYTONA__NOTICES_RESERVED];
  daytona__list_t spare_notices;

  void (*closed)(void *user);
  void *closed_user;

  daytona_log_cb log;
  void *log_user;
};

/* --- tasks ------------------------------------------------------------------------------------- */

void daytona__task_init(daytona__task_t *task, void (*run)(daytona__task_t *task)) {
  daytona__list_init(&task->link);
  task->run = run;
}

bool daytona__task_is_queued(const daytona__task_t *task) { return !daytona__list_empty(&task->link); }

void daytona__task_cancel(daytona__task_t *task) { daytona__list_remove(&task->link); }

static void run_ready(daytona__loop_t *loop) {
  daytona__list_t *node;
  /* Appended and not moved: a host that turns the loop from inside one of its tasks loses none. */
  while ((node = daytona__list_shift(&loop->ready)) != NULL) daytona__list_append(&loop->batch, node);
  while ((node = daytona__list_shift(&loop->batch)) != NULL) {
    daytona__task_t *task = DAYTONA__CONTAINER(node, daytona__task_t, link);
    task->run(task);
  }
}

static void handle_gone(daytona__loop_t *loop);
static void on_turn(uv_idle_t *handle);

static void on_turn_closed(uv_handle_t *handle) {
  daytona__loop_t *loop = handle->data;
  if (!daytona__list_empty(&loop->ready)) {
    uv_idle_init(loop->uv, &loop->turn);
    uv_idle_start(&loop->turn, on_turn);
    return;
  }
  loop->turn_is_open = false;
  handle_gone(loop);
}

static void on_turn(uv_idle_t *handle) {
  daytona__loop_t *loop = handle->data;
  run_ready(loop);
  if (daytona__list_empty(&loop->ready) && !uv_is_closing((uv_handle_t *)handle)) {
    if (loop->state >= LOOP_SHUT)
      uv_close((uv_handle_t *)handle, on_turn_closed);
    else
      uv_idle_stop(handle);
  }
}

void daytona__loop_defer(daytona__loop_t *loop, daytona__task_t *task) {
  assert(task->run != NULL);
  if (daytona__task_is_queued(task)) return;
  daytona__list_append(&loop->ready, &task->link);
  if (!loop->turn_is_open) {
    daytona__loop_retain(loop); /* until the handle is gone */
    loop->open_handles++;
    loop->turn_is_open = true;
    uv_idle_init(loop->uv, &loop->turn);
  } else if (uv_is_closing((uv_handle_t *)&loop->turn)) {
    return; /* on_turn_closed() looks */
  }
  uv_idle_start(&loop->turn, on_turn);
}

/* --- timers ------------------------------------------------------------------------------------ */

static bool due_before(const daytona__timer_t *a, const daytona__timer_t *b) { return a->due_ms < b->due_ms; }

/* Join two heaps; both are roots. `next` and `back` of the result are for the caller to set. */
static daytona__timer_t *heap_join(daytona__timer_t *a, daytona__timer_t *b) {
  if (a == NULL) return b;
  if (b == NULL) return a;
  if (due_before(b, a)) {
    daytona__timer_t *swap = a;
    a = b;
    b = swap;
  }
  b->next = a->child;
  if (b->next != NULL) b->next->back = &b->next;
  b->back = &a->child;
  a->child = b;
  return a;
}

/* Join the siblings from `first` on, pairwise from the left and then from the right. */
static daytona__timer_t *heap_join_siblings(daytona__timer_t *first) {
  daytona__timer_t *pairs = NULL;
  while (first != NULL) {
    daytona__timer_t *second = first->next;
    daytona__timer_t *rest = second != NULL ? second->next : NULL;
    daytona__timer_t *pair = heap_join(first, second);
    pair->next = pairs;
    pairs = pair;
    first = rest;
  }
  daytona__timer_t *root = NULL;
  while (pairs != NULL) {
    daytona__timer_t *rest = pairs->next;
    root = heap_join(root, pairs);
    pairs = rest;
  }
  return root;
}

static void heap_set_root(daytona__loop_t *loop, daytona__timer_t *root) {
  loop->timers = root;
  if (root == NULL) return;
  root->next = NULL;
  root->back = &loop->timers;
}

static void heap_remove(daytona__loop_t *loop, daytona__timer_t *timer) {
  daytona__timer_t *below = heap_join_siblings(timer->child);
  *timer->back = timer->next;
  if (timer->next != NULL) timer->next->back = timer->back;
  timer->child = timer->next = NULL;
  timer->back = NULL;
  if (below != NULL) heap_set_root(loop, heap_join(loop->timers, below));
}

static void on_clock(uv_timer_t *handle);

static void clock_ref(daytona__loop_t *loop) {
  if (loop->foreground != 0)
    uv_ref((uv_handle_t *)&loop->clock);
  else
    uv_unref((uv_handle_t *)&loop->clock);
}

static void clock_arm(daytona__loop_t *loop, int64_t now_ms) {
  if (loop->state >= LOOP_SHUT) return;
  if (loop->timers == NULL) {
    uv_timer_stop(&loop->clock);
    loop->armed_ms = INT64_MAX;
    return;
  }
  loop->armed_ms = loop->timers->due_ms;
  int64_t delay = loop->armed_ms - now_ms;
  uv_timer_start(&loop->clock, on_clock, delay > 0 ? (uint64_t)delay : 0, 0);
  clock_ref(loop);
}

static void timer_unlink(daytona__timer_t *timer) {
  daytona__loop_t *loop = timer->loop;
  heap_remove(loop, timer);
  if (!timer->is_background) loop->foreground--;
  timer->loop = NULL;
}

static void on_clock(uv_timer_t *handle) {
  daytona__loop_t *loop = handle->data;
  int64_t now = daytona__loop_now(loop);
  loop->armed_ms = INT64_MAX; /* it is not any more, should somebody start a timer below */
  while (loop->timers != NULL && loop->timers->due_ms <= now) {
    daytona__timer_t *timer = loop->timers;
    timer_unlink(timer);
    timer->fire(timer);
  }
  clock_arm(loop, daytona__loop_now(loop));
}

int64_t daytona__loop_now(const daytona__loop_t *loop) {
  return (int64_t)(uv_hrtime() / 1000000) + loop->offset_ms;
}

void daytona__loop_advance(daytona__loop_t *loop, int64_t ms) {
  loop->offset_ms += ms;
  clock_arm(loop, daytona__loop_now(loop));
}

void daytona__timer_init(daytona__timer_t *timer, void (*fire)(daytona__timer_t *timer)) {
  memset(timer, 0, sizeof *timer);
  timer->fire = fire;
}

void daytona__timer_start(daytona__loop_t *loop, daytona__timer_t *timer, int64_t delay_ms) {
  if (timer->loop != NULL) timer_unlink(timer);
  if (loop->state >= LOOP_SHUT) return;
  if (delay_ms > DAYTONA__DELAY_MAX_MS) delay_ms = DAYTONA__DELAY_MAX_MS;
  /* At least a millisecond, so that a timer restarted as it fires waits for another turn. */
  int64_t now_ms = daytona__loop_now(loop);
  timer->due_ms = now_ms + (delay_ms > 0 ? delay_ms : 1);
  timer->loop = loop;
  timer->child = timer->next = NULL;
  if (!timer->is_background) loop->foreground++;
  heap_set_root(loop, heap_join(loop->timers, timer));
  if (timer->due_ms < loop->armed_ms)
    clock_arm(loop, now_ms);
  else
    clock_ref(loop);
}

void daytona__timer_stop(daytona__timer_t *timer) {
  daytona__loop_t *loop = timer->loop;
  if (loop == NULL) return;
  timer_unlink(timer);
  if (loop->state < LOOP_SHUT) clock_ref(loop);
}

bool daytona__timer_is_running(const daytona__timer_t *timer) { return timer->loop != NULL; }

/* --- other threads ----------------------------------------------------------------------------- */

static void run_posts(daytona__loop_t *loop) {
  daytona__list_t batch, *node;
  uv_mutex_lock(&loop->lock);
  daytona__list_move(&loop->posts, &batch);
  uv_mutex_unlock(&loop->lock);
  while ((node = daytona__list_shift(&batch)) != NULL) {
    post_t *post = DAYTONA__CONTAINER(node, post_t, link);
    void (*run)(void *user) = post->run;
    void *user = post->user;
    daytona__free(post);
    daytona__loop_enter(loop);
    run(user);
    daytona__loop_leave(loop);
  }
}

static void on_mail(uv_async_t *handle) { run_posts(handle->data); }

int daytona__loop_post(daytona__loop_t *loop, void (*run)(void *user), void *user) {
  post_t *post = daytona__calloc(1, sizeof *post);
  if (post == NULL) return DAYTONA_ENOMEM;
  post->run = run;
  post->user = user;
  uv_mutex_lock(&loop->lock);
  bool is_shut = loop->is_shut;
  if (!is_shut) {
    daytona__list_append(&loop->posts, &post->link);
    uv_async_send(&loop->mailbox);
  }
  uv_mutex_unlock(&loop->lock);
  if (is_shut) daytona__free(post);
  return is_shut ? DAYTONA_ECLOSED : 0;
}

/* --- life -------------------------------------------------------------------------------------- */

static void on_closing_turn(daytona__task_t *task);

int daytona__loop_new(uv_loop_t *uv, daytona_log_cb log, void *log_user, daytona__loop_t **out) {
  daytona__loop_t *loop = daytona__calloc(1, sizeof *loop);
  if (loop == NULL) return DAYTONA_ENOMEM;
  if (uv_mutex_init(&loop->lock) != 0) {
    daytona__free(loop);
    return DAYTONA_ENOMEM;
  }
  loop->state = LOOP_CLOSED;
  loop->mailbox.data = loop->turn.data = loop->clock.data = loop;
  loop->uv = uv;
  loop->refs = 1;
  loop->thread = uv_thread_self();
  loop->armed_ms = INT64_MAX;
  loop->log = log;
  loop->log_user = log_user;
  daytona__list_init(&loop->ready);
  daytona__list_init(&loop->batch);
  daytona__task_init(&loop->closing, on_closing_turn);
  daytona__list_init(&loop->posts);
  daytona__list_init(&loop->pending);
  daytona__list_init(&loop->spare_notices);
  for (int i = 0; i < DAYTONA__NOTICES_RESERVED; i++)
    daytona__list_append(&loop->spare_notices, &loop->notices[i].task.link);
  daytona__future_init_immortal(&loop->oom_future, loop, DAYTONA_ENOMEM);
  daytona__future_init_immortal(&loop->thread_future, loop, DAYTONA_ETHREAD);
  *out = loop;
  return 0;
}

int daytona__loop_open(daytona__loop_t *loop) {
  assert(loop->state == LOOP_CLOSED && loop->open_handles == 0 && daytona__list_empty(&loop->ready));
  /* The only initialiser of the three that can fail comes first, so that nothing is to be undone. */
  if (uv_async_init(loop->uv, &loop->mailbox, on_mail) != 0) return DAYTONA_ENOMEM;
  uv_idle_init(loop->uv, &loop->turn);
  uv_timer_init(loop->uv, &loop->clock);
  uv_unref((uv_handle_t *)&loop->mailbox);
  loop->open_handles = 3;
  loop->turn_is_open = true;
  loop->state = LOOP_OPEN;
  return 0;
}

daytona__loop_t *daytona__loop_retain(daytona__loop_t *loop) {
  assert(loop->refs != 0);
  loop->refs++;
  return loop;
}

void daytona__loop_release(daytona__loop_t *loop) {
  if (loop == NULL || --loop->refs != 0) return;
  assert(loop->state == LOOP_CLOSED && loop->open_handles == 0 && loop->jobs == 0);
  assert(daytona__list_empty(&loop->pending) && daytona__list_empty(&loop->posts));
  uv_mutex_destroy(&loop->lock);
  daytona__free(loop);
}

static void handle_gone(daytona__loop_t *loop) {
  assert(loop->open_handles != 0);
  if (--loop->open_handles != 0) return;
  loop->state = LOOP_CLOSED;
  void (*closed)(void *user) = loop->closed;
  void *user = loop->closed_user;
  loop->closed = NULL;
  if (closed != NULL) {
    daytona__loop_enter(loop);
    closed(user);
    daytona__loop_leave(loop);
  }
  daytona__loop_release(loop);
}

static void on_handle_closed(uv_handle_t *handle) { handle_gone(handle->data); }

/* What callbacks started while the client was closing; each of them is called in the next round. */
static void abort_pending(daytona__loop_t *loop) {
  while (!daytona__list_empty(&loop->pending))
    daytona__future_abort(DAYTONA__CONTAINER(loop->pending.next, daytona_future_t, pending), DAYTONA_ECLOSED,
                          daytona_errcode_text(DAYTONA_ECLOSED));
}

/* Deliver everything that was queued before, then close; each round is a turn of its own. */
static void on_closing_turn(daytona__task_t *task) {
  daytona__loop_t *loop = DAYTONA__CONTAINER(task, daytona__loop_t, closing);
  if (loop->jobs != 0) return; /* the last one to end comes here again */
  uv_mutex_lock(&loop->lock);
  loop->is_shut = true;
  uv_mutex_unlock(&loop->lock);
  run_posts(loop);
  abort_pending(loop);
  if (!daytona__list_empty(&loop->ready) || !daytona__list_empty(&loop->batch)) {
    daytona__loop_defer(loop, task);
    return;
  }
  assert(loop->foreground == 0);
  while (loop->timers != NULL) timer_unlink(loop->timers);
  loop->state = LOOP_SHUT;
  uv_close((uv_handle_t *)&loop->turn, on_turn_closed);
  uv_close((uv_handle_t *)&loop->clock, on_handle_closed);
  uv_close((uv_handle_t *)&loop->mailbox, on_handle_closed);
}

void daytona__loop_close(daytona__loop_t *loop, void (*closed)(void *user), void *user) {
  assert(loop->state == LOOP_OPEN);
  loop->state = LOOP_CLOSING;
  loop->closed = closed;
  loop->closed_user = user;
  daytona__loop_retain(loop);
  daytona__loop_defer(loop, &loop->closing);
}

bool daytona__loop_is_closed(const daytona__loop_t *loop) { return loop->state == LOOP_CLOSED; }
uv_loop_t *daytona__loop_uv(const daytona__loop_t *loop) { return loop->uv; }
daytona__list_t *daytona__loop_pending(daytona__loop_t *loop) { return &loop->pending; }
daytona_future_t *daytona__loop_oom_future(daytona__loop_t *loop) { return &loop->oom_future; }
daytona_future_t *daytona__loop_thread_future(daytona__loop_t *loop) { return &loop->thread_future; }
daytona__list_t *daytona__loop_spare_notices(daytona__loop_t *loop) { return &loop->spare_notices; }

bool daytona__loop_on_thread(const daytona__loop_t *loop) {
  uv_thread_t self = uv_thread_self();
  return uv_thread_equal(&self, &loop->thread) != 0;
}

void daytona__loop_hold(daytona__loop_t *loop) {
  if (loop->holds++ == 0) uv_ref((uv_handle_t *)&loop->mailbox);
}

void daytona__loop_let_go(daytona__loop_t *loop) {
  assert(loop->holds > 0);
  if (--loop->holds == 0) uv_unref((uv_handle_t *)&loop->mailbox);
}

void daytona__loop_job_begin(daytona__loop_t *loop) {
  loop->jobs++;
  daytona__loop_retain(loop);
}

unsigned daytona__loop_job_count(const daytona__loop_t *loop) { return loop->jobs; }

void daytona__loop_job_end(daytona__loop_t *loop) {
  assert(loop->jobs > 0);
  if (--loop->jobs == 0 && loop->state == LOOP_CLOSING) daytona__loop_defer(loop, &loop->closing);
  daytona__loop_release(loop);
}

void daytona__loop_enter(daytona__loop_t *loop) { callback_depth++; }

void daytona__loop_leave(daytona__loop_t *loop) {
  assert(callback_depth > 0);
  callback_depth--;
}

bool daytona__loop_in_callback(const daytona__loop_t *loop) { return callback_depth != 0; }

bool daytona__log_enabled(const daytona__loop_t *loop) { return loop->log != NULL; }

enum { LINE_MAX_SIZE = 1024 };

/* One line, whatever is in the arguments. */
static void make_line(char line[LINE_MAX_SIZE], const char *format, va_list args) {
  vsnprintf(line, LINE_MAX_SIZE, format, args);
  for (char *at = line; *at != '\0'; at++)
    if ((unsigned char)*at < ' ' || *at == 0x7f) *at = ' ';
}

void daytona__log(daytona__loop_t *loop, daytona_log_level_t level, const char *format, ...) {
  if (loop->log == NULL) return;
  char line[LINE_MAX_SIZE];
  va_list args;
  va_start(args, format);
  make_line(line, format, args);
  va_end(args);
  loop->log(level, line, loop->log_user);
}

#if defined(DAYTONA__MISUSE_STOPS) && !defined(NDEBUG)
bool daytona__misuse_stops = true;
#else
bool daytona__misuse_stops = false;
#endif

void daytona__misuse(daytona__loop_t *loop, const char *format, ...) {
  char line[LINE_MAX_SIZE];
  va_list args;
  va_start(args, format);
  make_line(line, format, args);
  va_end(args);
  if (loop->log != NULL) loop->log(DAYTONA_LOG_ERROR, line, loop->log_user);
  if (!daytona__misuse_stops) return;
  fprintf(stderr, "libdaytona: %s\n", line);
  abort();
}
