/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Promises: the settling end of a future, in the hands of the program. See <daytona/promise.h>.
 *
 * A promise lives in the arena of its future, which it holds a reference to until it is released. Its value lies in a
 * box beside it, so that resolving needs no memory and a combination can hand the value on as any other result.
 */
#include "core/promise.h"

#include <assert.h>

#include "core/future.h"

typedef struct box {
  void *value;
  daytona_destroy_cb destroy;
} box_t;

struct daytona_promise {
  daytona_future_t *future; /* retained; NULL once the promise was released */
  daytona_promise_cancel_cb on_cancel;
  void *user;
  daytona__task_t cancelled; /* while it is queued it holds a reference to the future, too */
  daytona_future_t *source;  /* that one */
  box_t box;
};

static void drop_box(void *result) {
  const box_t *box = result;
  if (box->destroy != NULL) box->destroy(box->value);
}

static const daytona__type_t type_value = {.name = "value", .drop = drop_box};

void *daytona_future_value(const daytona_future_t *future) {
  const box_t *box = daytona__future_result(future, &type_value);
  return box != NULL ? box->value : NULL;
}

/* In a turn of its own: a cancel may come from the middle of a combination that cancels its members. */
static void on_cancelled(daytona__task_t *task) {
  daytona_promise_t *self = DAYTONA__CONTAINER(task, daytona_promise_t, cancelled);
  daytona_future_t *future = self->source;
  daytona__loop_t *loop = future->loop;
  self->source = NULL;
  if (self->future != NULL && self->on_cancel != NULL) {
    daytona__loop_enter(loop);
    self->on_cancel(self, self->user);
    daytona__loop_leave(loop);
  }
  daytona_future_release(future);
}

static void on_stop(daytona_future_t *future) {
  daytona_promise_t *self = future->op;
  assert(self->future == future && self->source == NULL);
  self->source = daytona_future_retain(future);
  daytona__loop_defer(future->loop, &self->cancelled);
}

int daytona__promise_new(daytona__loop_t *loop, const daytona_promise_opts_t *opts, daytona_promise_t **out,
                         daytona_future_t **future) {
  daytona_future_t *made = daytona__future_new(loop, sizeof(daytona_promise_t), NULL);
  if (daytona__future_is_dead(made)) return daytona_future_code(made);
  daytona_promise_t *self = made->op;
  self->future = daytona_future_retain(made);
  self->on_cancel = opts->on_cancel;
  self->user = opts->user;
  daytona__task_init(&self->cancelled, on_cancelled);
  made->stop = on_stop;
  daytona__future_own(made, opts->destroy_user, opts->user);
  *out = self;
  *future = made;
  return 0;
}

/* 0: it may be settled. */
static int check(const daytona_promise_t *self) {
  if (self == NULL) return DAYTONA_EINVAL;
  const daytona_future_t *future = self->future;
  if (!daytona__loop_on_thread(future->loop)) return DAYTONA_ETHREAD;
  if (daytona__future_is_pending(future)) return 0;
  return future->error != NULL ? (int)future->error->code : DAYTONA_EINVAL;
}

int daytona_promise_resolve(daytona_promise_t *promise, void *value, daytona_destroy_cb destroy) {
  int rc = check(promise);
  if (rc != 0) return rc;
  promise->box = (box_t){value, destroy};
  daytona__future_resolve(promise->future, &type_value, value != NULL ? &promise->box : NULL);
  return 0;
}

int daytona_promise_fail_error(daytona_promise_t *promise, const daytona_error_t *error) {
  if (error == NULL || error->code == DAYTONA_OK || daytona__error_static(error->code)->code != error->code)
    return DAYTONA_EINVAL;
  int rc = check(promise);
  if (rc == 0) daytona__future_fail_error(promise->future, error);
  return rc;
}

int daytona_promise_fail(daytona_promise_t *promise, daytona_errcode_t code, const char *message) {
  const daytona_error_t error = {.code = code, .message = message, .retry_after_ms = -1};
  return daytona_promise_fail_error(promise, &error);
}

void daytona_promise_release(daytona_promise_t *promise) {
  if (promise == NULL) return;
  daytona_future_t *future = promise->future;
  if (daytona__future_is_pending(future))
    daytona__future_fail(future, DAYTONA_EFAILED, "the promise was given up");
  promise->future = NULL;
  daytona_future_release(future);
}
