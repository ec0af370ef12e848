/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads for one kind of slow work. Invariants: `waiting` and `finished` are only touched under the mutex; a work is
 * in one of them or with one thread; `open_count` counts the works whose `done` was not called yet, and the async
 * handle keeps the loop alive exactly while there are any.
 */
#include "base/lane.h"

#include "base/thread.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>

struct dl_lane {
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  uv_async_t async;
  dl_list_t waiting, finished;
  size_t open_count;
  int nice;
  bool is_ending;
  pthread_t *threads;
  unsigned thread_count;
  void (*on_closed)(void *user);
  void *closed_user;
};

static dl_work_t *first(dl_list_t *list) {
  dl_work_t *work = DL_CONTAINER(list->next, dl_work_t, link);
  dl_list_unlink(&work->link);
  return work;
}

static void *serve(void *user) {
  dl_lane_t *lane = user;
  assert(dl_off_loop_thread());
  /* On Linux the priority belongs to the thread. */
  if (lane->nice != 0) setpriority(PRIO_PROCESS, 0, lane->nice);
  pthread_mutex_lock(&lane->mutex);
  for (;;) {
    while (dl_list_empty(&lane->waiting) && !lane->is_ending) pthread_cond_wait(&lane->changed, &lane->mutex);
    if (dl_list_empty(&lane->waiting)) break;
    dl_work_t *work = first(&lane->waiting);
    pthread_mutex_unlock(&lane->mutex);
    work->run(work);
    pthread_mutex_lock(&lane->mutex);
    dl_list_push(&lane->finished, &work->link);
    uv_async_send(&lane->async);
  }
  pthread_mutex_unlock(&lane->mutex);
  return NULL;
}

static void on_finished(uv_async_t *async) {
  dl_lane_t *lane = async->data;
  dl_list_t done;
  assert(dl_on_loop_thread());
  dl_list_init(&done);
  pthread_mutex_lock(&lane->mutex);
  dl_list_splice(&done, &lane->finished);
  pthread_mutex_unlock(&lane->mutex);
  while (!dl_list_empty(&done)) {
    dl_work_t *work = first(&done);
    assert(lane->open_count > 0);
    if (--lane->open_count == 0) uv_unref((uv_handle_t *)&lane->async);
    work->done(work); /* may add work, or close the lane once nothing is left */
  }
}

static void join_threads(dl_lane_t *lane) {
  pthread_mutex_lock(&lane->mutex);
  lane->is_ending = true;
  pthread_cond_broadcast(&lane->changed);
  pthread_mutex_unlock(&lane->mutex);
  for (unsigned i = 0; i < lane->thread_count; i++) pthread_join(lane->threads[i], NULL);
}

static void free_lane(uv_handle_t *handle) {
  dl_lane_t *lane = handle->data;
  void (*on_closed)(void *) = lane->on_closed;
  void *user = lane->closed_user;
  pthread_cond_destroy(&lane->changed);
  pthread_mutex_destroy(&lane->mutex);
  free(lane->threads);
  free(lane);
  if (on_closed) on_closed(user);
}

/* Signals are for the loop's thread alone. */
static int start_threads(dl_lane_t *lane, unsigned count) {
  sigset_t all, before;
  int rc = 0;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  for (; rc == 0 && lane->thread_count < count; lane->thread_count += rc == 0)
    rc = pthread_create(&lane->threads[lane->thread_count], NULL, serve, lane);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return rc;
}

dl_lane_t *dl_lane_new(uv_loop_t *loop, unsigned thread_count, int nice) {
  dl_lane_t *lane = dl_xcalloc(1, sizeof *lane);
  int rc = -uv_async_init(loop, &lane->async, on_finished);
  if (rc != 0) {
    free(lane);
    errno = rc;
    return NULL;
  }
  lane->async.data = lane;
  lane->nice = nice;
  lane->threads = dl_xcalloc(thread_count, sizeof *lane->threads);
  dl_list_init(&lane->waiting);
  dl_list_init(&lane->finished);
  pthread_mutex_init(&lane->mutex, NULL);
  pthread_cond_init(&lane->changed, NULL);
  uv_unref((uv_handle_t *)&lane->async);
  rc = start_threads(lane, thread_count);
  if (rc == 0) return lane;
  dl_lane_close(lane, NULL, NULL);
  errno = rc;
  return NULL;
}

void dl_lane_add(dl_lane_t *lane, dl_work_t *work) {
  assert(dl_on_loop_thread());
  if (lane->open_count++ == 0) uv_ref((uv_handle_t *)&lane->async);
  pthread_mutex_lock(&lane->mutex);
  assert(!lane->is_ending);
  dl_list_push(&lane->waiting, &work->link);
  pthread_cond_signal(&lane->changed);
  pthread_mutex_unlock(&lane->mutex);
}

bool dl_lane_withdraw(dl_lane_t *lane, dl_work_t *work) {
  bool is_waiting = false;
  assert(dl_on_loop_thread());
  pthread_mutex_lock(&lane->mutex);
  DL_LIST_EACH(&lane->waiting, node) is_waiting = is_waiting || node == &work->link;
  if (is_waiting) {
    dl_list_unlink(&work->link);
    dl_list_push(&lane->finished, &work->link);
    uv_async_send(&lane->async);
  }
  pthread_mutex_unlock(&lane->mutex);
  return is_waiting;
}

void dl_lane_close(dl_lane_t *lane, void (*on_closed)(void *user), void *user) {
  assert(lane->open_count == 0);
  lane->on_closed = on_closed;
  lane->closed_user = user;
  join_threads(lane);
  uv_close((uv_handle_t *)&lane->async, free_lane);
}
