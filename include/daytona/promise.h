/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Promises: futures that the program settles itself, to combine its own work (a timer, a lookup) with the library's.
 *
 * A promise is the end that settles, owned by the code that does the work; its future is the end that waits.
 * That future keeps every rule of <daytona/future.h> and may be given to every function there: it settles
 * once and from a later turn, combinators accept it, and cancelling it calls the promise's `on_cancel`.
 *
 *   daytona_promise_t *promise;
 *   daytona_future_t *ready;
 *   if (daytona_promise_new(client, NULL, &promise, &ready) != 0) return;
 *   start_my_lookup(promise);        ... later: daytona_promise_resolve(promise, address, free);
 *                                               daytona_promise_release(promise);
 *   daytona_future_then(daytona_future_deadline(ready, 5000), on_ready, me);
 *
 * Unless a function says otherwise:
 *   Thread: loop; from another, use daytona_client_post().  In callbacks: yes.  After close: the future has settled.
 *
 * A pending promise does not keep the loop alive; the work that the program waits for must do so.
 */
#ifndef DAYTONA_PROMISE_H
#define DAYTONA_PROMISE_H

#include <stdint.h>

#include <daytona/error.h>
#include <daytona/export.h>
#include <daytona/future.h>
#include <daytona/types.h>

DAYTONA_BEGIN

/** The end that settles. One owner; its life is independent of the future's. */
typedef struct daytona_promise daytona_promise_t;

/**
 * The future was cancelled (by daytona_future_cancel(), a combination, or the client's close) and has
 * settled: stop the work. Called at most once, from a later turn, before the callbacks of the future,
 * and not after daytona_promise_release(). You may call anything, releasing the promise included.
 */
typedef void (*daytona_promise_cancel_cb)(daytona_promise_t *promise, void *user);

typedef struct daytona_promise_opts {
  daytona_promise_cancel_cb on_cancel; /**< Optional. */
  void *user;                          /**< For on_cancel; borrowed until destroy_user is called. */
  daytona_destroy_cb
    destroy_user;       /**< Optional. Called with `user` once, after the future has settled and its
                                            callbacks were called: on_cancel is not called after it. */
  uint64_t reserved[8]; /**< Must be zero. */
} daytona_promise_opts_t;

/**
 * Make a promise and its future.
 *
 * @param client  The future settles on its loop. When it closes, a pending future fails with DAYTONA_ECLOSED.
 * @param opts    Copied. NULL means all defaults.
 * @param out     The promise; end it with daytona_promise_release(). Untouched on failure.
 * @param future  Its future, with one reference that you own. Untouched on failure.
 * @return 0, DAYTONA_EINVAL (a NULL argument, reserved words), DAYTONA_ECLOSED, DAYTONA_ENOMEM, DAYTONA_ETHREAD. On
 *         failure nothing is taken, and destroy_user is not called.
 */
DAYTONA_API int daytona_promise_new(daytona_client_t *client, const daytona_promise_opts_t *opts,
                                    daytona_promise_t **out, daytona_future_t **future);

/**
 * Settle with success. Needs no memory.
 *
 * @param value    Taken; daytona_future_value() returns it. NULL: none, and daytona_future_is_absent() is true.
 * @param destroy  Optional. Called with `value`, unless that is NULL, once, inside the release of the last reference to
 *                 the future.
 * @return 0. Otherwise the future had settled already and `value` stays yours: DAYTONA_ECANCELED,
 *         DAYTONA_ECLOSED or the code with which it failed; DAYTONA_EINVAL if it was resolved.
 *         DAYTONA_EINVAL also for a NULL promise; DAYTONA_ETHREAD on a thread other than the loop's.
 */
DAYTONA_API int daytona_promise_resolve(daytona_promise_t *promise, void *value, daytona_destroy_cb destroy);

/**
 * Settle with a failure.
 *
 * @param code     One of <daytona/error.h>; for others returns DAYTONA_EINVAL and changes nothing.
 * @param message  One line for people. Copied. NULL: the text of the code.
 * @return As daytona_promise_resolve().
 */
DAYTONA_API int daytona_promise_fail(daytona_promise_t *promise, daytona_errcode_t code, const char *message);

/** Settle with the failure of another future, or any error. Copied; otherwise as daytona_promise_fail(). */
DAYTONA_API int daytona_promise_fail_error(daytona_promise_t *promise, const daytona_error_t *error);

/**
 * End the promise and free it. If its future has not settled, it fails with
 * DAYTONA_EFAILED, so that no callback waits for ever. NULL is allowed.
 */
DAYTONA_API void daytona_promise_release(daytona_promise_t *promise);

/** The value of a promise's future, or NULL. Borrowed from the future. */
DAYTONA_API void *daytona_future_value(const daytona_future_t *future);

DAYTONA_END

#endif
