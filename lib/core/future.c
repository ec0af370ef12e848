/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Futures. See <daytona/future.h> for the rules and future.h for how operations use them.
 *
 * States: PENDING -> DECIDED (outcome known, `notify` queued) -> SETTLED (reported). A future is on its loop's
 * pending list exactly while PENDING, and the loop holds a reference from DECIDED until it has called its listeners, so
 * neither the operation nor the user has to keep it alive for that.
 */
#include "core/future.h"

#include <assert.h>
#include <string.h>

#include "core/combine.h"
#include "core/large.h"
#include "core/limits.h"
#include "core/memory.h"

enum { PENDING, DECIDED, SETTLED };

/* Room in a future's first block for a typical request and answer. */
enum { FIRST_ROOM = 1024 };

const daytona__type_t daytona__type_none = {"none", NULL};
const daytona__type_t daytona__type_string = {"string", NULL};
const daytona__type_t daytona__type_map = {"map", NULL};
const daytona__type_t daytona__type_strings = {"strings", NULL};

static void notify_listeners(daytona__task_t *task);

/* --- making and releasing ---------------------------------------------------------------------- */

static void init(daytona_future_t *future, daytona__loop_t *loop) {
  future->loop = loop;
  future->refs = 1;
  daytona__list_init(&future->pending);
  daytona__list_init(&future->listeners);
  daytona__task_init(&future->notify, notify_listeners);
}

daytona_future_t *daytona__future_new(daytona__loop_t *loop, size_t op_size, const char *prefix) {
  if (!daytona__loop_on_thread(loop)) return daytona__loop_thread_future(loop);
  daytona_future_t *future = daytona__arena_new_self(sizeof *future, offsetof(daytona_future_t, arena),
                                                     op_size + FIRST_ROOM, DAYTONA__ARENA_MAX);
  if (future == NULL) return daytona__loop_oom_future(loop);
  init(future, daytona__loop_retain(loop));
  future->prefix = prefix;
  if (op_size != 0) future->op = daytona__arena_alloc(&future->arena, op_size);
  daytona__list_append(daytona__loop_pending(loop), &future->pending);
  return future;
}

void daytona__future_init_immortal(daytona_future_t *future, daytona__loop_t *loop, daytona_errcode_t code) {
  init(future, loop); /* part of the loop: no reference, or neither would ever go */
  future->is_immortal = true;
  future->state = SETTLED;
  future->error = (daytona_error_t *)daytona__error_static(code);
}

daytona_future_t *daytona__future_orphan(void) {
  static daytona_error_t error = {
    .code = DAYTONA_EINVAL, .message = "the client or sandbox is NULL", .retry_after_ms = -1};
  static daytona_future_t orphan = {.is_immortal = true, .state = SETTLED, .error = &error};
  return &orphan;
}

bool daytona__future_is_dead(const daytona_future_t *future) { return future->is_immortal; }

void daytona__future_set_limit(daytona_future_t *future, size_t bytes) {
  if (!future->is_immortal) future->arena.limit = bytes;
}

daytona_future_t *daytona_future_retain(daytona_future_t *future) {
  if (future == NULL || future->is_immortal) return future;
  assert(future->refs != 0);
  future->refs++;
  return future;
}

void daytona_future_release(daytona_future_t *future) {
  if (future == NULL || future->is_immortal) return;
  assert(future->refs != 0);
  if (--future->refs != 0) return;
  assert(daytona__list_empty(&future->listeners) && !daytona__task_is_queued(&future->notify));
  daytona__list_remove(&future->pending); /* an operation that was never started */
  daytona__combine_drop(future);
  if (future->result != NULL && future->type->drop != NULL) future->type->drop(future->result);
  daytona__loop_t *loop = future->loop;
  daytona__arena_drop_large(loop, &future->arena);
  daytona__arena_free_self(&future->arena);
  daytona__loop_release(loop);
}

/* --- listeners --------------------------------------------------------------------------------- */

/* The one place that calls users about futures. */
static void call_user(daytona_future_t *future, daytona_future_cb callback, void *user) {
  if (future->loop == NULL) { /* the orphan */
    callback(future, user);
    return;
  }
  daytona__loop_t *loop = daytona__loop_retain(future->loop);
  daytona__loop_enter(loop);
  callback(future, user);
  daytona__loop_leave(loop);
  daytona__loop_release(loop);
}

void daytona__future_own(daytona_future_t *future, daytona_destroy_cb destroy, void *user) {
  if (destroy == NULL) return;
  if (future->is_immortal) {
    destroy(user);
    return;
  }
  assert(future->state != SETTLED);
  daytona__owned_t *owned = future->owned;
  while (owned->destroy != NULL) owned++;
  assert(owned < future->owned + DAYTONA__OWNED_MAX);
  *owned = (daytona__owned_t){destroy, user};
}

void daytona__future_disown(daytona_future_t *future) {
  assert(!future->is_immortal && future->state != SETTLED);
  memset(future->owned, 0, sizeof future->owned);
}

/* After the listeners, who may use the same pointer. */
static void give_back(daytona_future_t *future) {
  for (int i = 0; i < DAYTONA__OWNED_MAX && future->owned[i].destroy != NULL; i++) {
    daytona__owned_t owned = future->owned[i];
    future->owned[i].destroy = NULL;
    daytona__loop_enter(future->loop);
    owned.destroy(owned.user);
    daytona__loop_leave(future->loop);
  }
}

static void notify_listeners(daytona__task_t *task) {
  daytona_future_t *future = DAYTONA__CONTAINER(task, daytona_future_t, notify);
  assert(future->state != PENDING);
  future->state = SETTLED;
  daytona__list_t batch, *node;
  daytona__list_move(&future->listeners, &batch);
  while ((node = daytona__list_shift(&batch)) != NULL) {
    daytona__listener_t *listener = DAYTONA__CONTAINER(node, daytona__listener_t, link);
    daytona_future_cb callback = listener->callback;
    void *user = listener->user;
    if (listener == &future->first)
      future->first_is_used = false;
    else
      daytona__free(listener);
    call_user(future, callback, user);
    daytona_future_release(future); /* the listener's; the loop's own comes last */
  }
  give_back(future);
  daytona_future_release(future);
}

static void run_notice(daytona__task_t *task) {
  daytona__notice_t *notice = DAYTONA__CONTAINER(task, daytona__notice_t, task);
  daytona__notice_t told = *notice;
  if (told.is_reserved)
    daytona__list_append(daytona__loop_spare_notices(told.future->loop), &notice->task.link);
  else
    daytona__free(notice);
  call_user(told.future, told.callback, told.user);
}

static void run_posted_notice(void *user) {
  daytona__notice_t *notice = user;
  run_notice(&notice->task);
}

/* The reserve belongs to the loop's thread. */
static daytona__notice_t *notice_new(daytona__loop_t *loop, bool on_thread) {
  daytona__notice_t *notice = daytona__calloc(1, sizeof *notice);
  if (notice != NULL || !on_thread) return notice;
  daytona__list_t *node = daytona__list_shift(daytona__loop_spare_notices(loop));
  if (node == NULL) return NULL;
  notice = DAYTONA__CONTAINER(node, daytona__notice_t, task.link);
  notice->is_reserved = true;
  return notice;
}

static int listen_to_immortal(daytona_future_t *future, daytona_future_cb callback, void *user) {
  if (future->loop == NULL) {
    call_user(future, callback, user);
    return 0;
  }
  bool on_thread = daytona__loop_on_thread(future->loop);
  daytona__notice_t *notice = notice_new(future->loop, on_thread);
  if (notice == NULL) return DAYTONA_ENOMEM;
  daytona__task_init(&notice->task, run_notice);
  notice->future = future;
  notice->callback = callback;
  notice->user = user;
  if (on_thread) {
    daytona__loop_defer(future->loop, &notice->task);
    return 0;
  }
  int rc = daytona__loop_post(future->loop, run_posted_notice, notice);
  if (rc != 0) daytona__free(notice);
  return rc;
}

int daytona_future_on_settled(daytona_future_t *future, daytona_future_cb callback, void *user) {
  if (future == NULL || callback == NULL) return DAYTONA_EINVAL;
  if (future->is_immortal) return listen_to_immortal(future, callback, user);
  daytona__listener_t *listener = &future->first;
  if (future->first_is_used) listener = daytona__calloc(1, sizeof *listener);
  if (listener == NULL) return DAYTONA_ENOMEM;
  if (listener == &future->first) future->first_is_used = true;
  listener->callback = callback;
  listener->user = user;
  daytona__list_append(&future->listeners, &listener->link);
  daytona_future_retain(future);
  if (future->state == SETTLED && !daytona__task_is_queued(&future->notify)) {
    daytona_future_retain(future);
    daytona__loop_defer(future->loop, &future->notify);
  }
  return 0;
}

/*
 * There is no memory to remember `callback`. The loop's reserve calls it in a later turn;
 * when even the reserve is used up, better called early than never. A wrong thread, when the mailbox is
 * shut as well, is called where it is, with nothing of the loop touched.
 */
static void notify_without_memory(daytona_future_t *future, daytona_future_cb callback, void *user) {
  if (!daytona__loop_on_thread(future->loop)) {
    callback(daytona__loop_thread_future(future->loop), user);
    return;
  }
  daytona_future_t *oom = daytona__loop_oom_future(future->loop);
  if (listen_to_immortal(oom, callback, user) != 0) call_user(oom, callback, user);
}

void daytona_future_then(daytona_future_t *future, daytona_future_cb callback, void *user) {
  if (future == NULL) return;
  if (callback != NULL && daytona_future_on_settled(future, callback, user) != 0)
    notify_without_memory(future, callback, user);
  daytona_future_release(future);
}

/* --- settling ---------------------------------------------------------------------------------- */

static void decide(daytona_future_t *future) {
  assert(future->state == PENDING && !future->is_immortal);
  assert(!daytona__list_empty(&future->pending) && daytona__loop_on_thread(future->loop));
  future->state = DECIDED;
  future->stop = NULL;
  daytona__list_remove(&future->pending);
  daytona_future_retain(future);
  daytona__loop_defer(future->loop, &future->notify);
}

bool daytona__future_is_pending(const daytona_future_t *future) { return future->state == PENDING; }

void *daytona__op_of(const daytona_future_t *future, const daytona__op_kind_t *kind) {
  assert(kind != NULL);
  return future != NULL && future->op_kind == kind ? future->op : NULL;
}

void daytona__future_resolve(daytona_future_t *future, const daytona__type_t *type, void *result) {
  future->type = type;
  future->result = result;
  decide(future);
}

void daytona__future_succeed(daytona_future_t *future) {
  daytona__future_resolve(future, &daytona__type_none, NULL);
}

void daytona__future_fail_error(daytona_future_t *future, const daytona_error_t *error) {
  future->error = daytona__error_copy(&future->arena, error, future->prefix);
  decide(future);
}

static void fail_with(daytona_future_t *future, daytona_errcode_t code, const char *format, va_list args) {
  daytona_error_t error = {.code = code, .retry_after_ms = -1};
  error.message = daytona__arena_vprintf(&future->arena, format, args);
  daytona__future_fail_error(future, &error);
}

void daytona__future_fail(daytona_future_t *future, daytona_errcode_t code, const char *format, ...) {
  va_list args;
  va_start(args, format);
  fail_with(future, code, format, args);
  va_end(args);
}

daytona_future_t *daytona__future_failed(daytona__loop_t *loop, const char *prefix, daytona_errcode_t code,
                                         const char *format, ...) {
  daytona_future_t *future = daytona__future_new(loop, 0, prefix);
  if (daytona__future_is_dead(future)) return future;
  va_list args;
  va_start(args, format);
  fail_with(future, code, format, args);
  va_end(args);
  return future;
}

void daytona__future_abort(daytona_future_t *future, daytona_errcode_t code, const char *message) {
  if (future->state != PENDING) return;
  daytona_future_retain(future);
  daytona__future_stop_cb stop = future->stop;
  future->stop = NULL;
  if (stop != NULL) stop(future);
  if (future->state == PENDING) daytona__future_fail(future, code, "%s", message);
  daytona_future_release(future);
}

void daytona_future_cancel(daytona_future_t *future) {
  if (future != NULL) daytona__future_abort(future, DAYTONA_ECANCELED, "cancelled");
}

/* --- reading ----------------------------------------------------------------------------------- */

bool daytona_future_is_settled(const daytona_future_t *future) {
  return future != NULL && future->state == SETTLED;
}

const daytona_error_t *daytona_future_error(const daytona_future_t *future) {
  return daytona_future_is_settled(future) ? future->error : NULL;
}

daytona_errcode_t daytona_future_code(const daytona_future_t *future) {
  const daytona_error_t *error = daytona_future_error(future);
  return error != NULL ? error->code : DAYTONA_OK;
}

const daytona__type_t *daytona__future_type(const daytona_future_t *future) {
  if (future == NULL || future->state != SETTLED || future->error != NULL) return NULL;
  return future->type;
}

void *daytona__future_result(const daytona_future_t *future, const daytona__type_t *type) {
  const daytona__type_t *own = daytona__future_type(future);
  assert(type != NULL);
  if (own == type) return future->result;
  if (own != NULL)
    daytona__misuse(future->loop, "future: wrong accessor: asked for \"%s\", but the result is \"%s\"",
                    type->name, own->name);
  return NULL;
}

bool daytona_future_is_absent(const daytona_future_t *future) {
  const daytona__type_t *type = daytona__future_type(future);
  return type != NULL && type != &daytona__type_none && future->result == NULL;
}

size_t daytona_future_skipped_count(const daytona_future_t *future) {
  return daytona_future_is_settled(future) ? future->skipped_count : 0;
}

const char *daytona_future_kind(const daytona_future_t *future) {
  if (!daytona_future_is_settled(future)) return "pending";
  return future->error != NULL ? "error" : future->type->name;
}

const char *daytona_future_message(const daytona_future_t *future) {
  if (future == NULL) return "there is no future";
  if (!daytona_future_is_settled(future)) return "pending";
  if (future->error != NULL) return future->error->message;
  return daytona_future_is_absent(future) ? "there is none" : "ok";
}

/* --- pausing ----------------------------------------------------------------------------------- */

static int pause_or_resume(daytona_future_t *future, bool is_pause) {
  if (future == NULL || future->state != PENDING || future->op_kind == NULL) return DAYTONA_EINVAL;
  if (!daytona__loop_on_thread(future->loop)) return DAYTONA_ETHREAD;
  int (*hook)(daytona_future_t * of) = is_pause ? future->op_kind->pause : future->op_kind->resume;
  return hook != NULL ? hook(future) : DAYTONA_EINVAL;
}

int daytona_future_pause(daytona_future_t *future) { return pause_or_resume(future, true); }
int daytona_future_resume(daytona_future_t *future) { return pause_or_resume(future, false); }

/* --- results ----------------------------------------------------------------------------------- */

int daytona_future_await(daytona_future_t *future) {
  if (future == NULL) return DAYTONA_EINVAL;
  if (future->loop == NULL) return daytona_future_code(future);
  daytona__loop_t *loop = future->loop;
  if (!daytona__loop_on_thread(loop)) return DAYTONA_ETHREAD;
  if (daytona__loop_in_callback(loop)) return DAYTONA_EREENTRANT;
  daytona_future_retain(future);
  daytona__loop_retain(loop);
  daytona__loop_hold(loop); /* or a loop with background handles only would spin and never run them */
  while (future->state != SETTLED) uv_run(daytona__loop_uv(loop), UV_RUN_ONCE);
  daytona__loop_let_go(loop);
  daytona__loop_release(loop);
  int code = daytona_future_code(future);
  daytona_future_release(future);
  return code;
}
