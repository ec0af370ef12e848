/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Futures: what every operation returns.
 *
 * The rules, without exception:
 *   1. An operation never returns NULL. A bad argument, a closed client or lack of memory gives
 *      a future that fails. (A call without its client or sandbox has no loop to report on: its
 *      future has already failed, and daytona_future_then() calls back before it returns.)
 *   2. A future settles exactly once, with a result or with an error.
 *   3. Callbacks run on the loop's thread and from a later turn of the loop, never inside the call
 *      that asked for them.
 *   4. A callback may do anything: start, cancel, close, release. Only daytona_future_await() refuses there.
 *   5. Results belong to the future and live until its last reference is released. Objects with a
 *      retain function of their own, such as a sandbox, may be retained and kept.
 *
 * Futures are counted references that belong to the loop's thread; none of these functions may be
 * called from another thread, unless it says so.
 *
 * NULL is allowed in place of a future, and there is nothing to release, cancel or wait for: it has
 * not settled and has neither error nor result. Functions that return a code return DAYTONA_EINVAL.
 */
#ifndef DAYTONA_FUTURE_H
#define DAYTONA_FUTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <daytona/error.h>
#include <daytona/export.h>
#include <daytona/types.h>

DAYTONA_BEGIN

typedef struct daytona_future daytona_future_t;
typedef struct daytona_client daytona_client_t;

/**
 * `future` has settled. Called once per registration, on the loop.
 *
 * @param future  Borrowed for the call; daytona_future_retain() keeps it.
 * @param user    As registered.
 */
typedef void (*daytona_future_cb)(daytona_future_t *future, void *user);

/**
 * Take the reference to `future` and call `callback` once, when it has settled.
 *
 * The usual way to consume an operation: `daytona_future_then(daytona_process_exec(...), on_exec, me)`.
 *
 * @param future    Taken: released after `callback` returned.
 * @param callback  Optional. NULL detaches the operation, as daytona_future_release() does. The first
 *                  registration with a future needs no memory. If there is no memory for a later one,
 *                  its callback receives a different future, which has failed with DAYTONA_ENOMEM.
 *
 * Thread: loop.  In callbacks: yes.  After close: the callback still comes, with DAYTONA_ECLOSED.
 */
DAYTONA_API void daytona_future_then(daytona_future_t *future, daytona_future_cb callback, void *user);

/**
 * Call `callback` once, when `future` has settled, and leave the reference with you. Any number of callbacks,
 * called in the order of registration. If it has settled already, the call comes from a later turn.
 *
 * @return 0, or DAYTONA_ENOMEM (then `callback` is never called), or DAYTONA_EINVAL without a callback.
 *         With a future that was made on another thread than the loop's, also DAYTONA_ECLOSED.
 */
DAYTONA_API int daytona_future_on_settled(daytona_future_t *future, daytona_future_cb callback, void *user);

/**
 * Run the loop until `future` has settled. For tools and tests; servers use callbacks.
 *
 * Runs whatever else is on the loop meanwhile. The reference stays yours: daytona_future_await(daytona_..._x()) without a
 * variable leaks the future.
 *
 * Not in callbacks: it runs uv_run(), which libuv does not allow inside a callback of the same loop. In the library's
 * callbacks it refuses; in a callback of the program's own, such as that of a uv_timer_t, it cannot know, and the behaviour
 * is undefined.
 *
 * @return 0 when it settled with a result, otherwise its error code; DAYTONA_EREENTRANT
 *         when called from a callback of any client of the library; DAYTONA_ETHREAD on
 *         a thread other than the loop's (the loop is not run then).
 */
DAYTONA_API int daytona_future_await(daytona_future_t *future);

/**
 * Settle `future` with DAYTONA_ECANCELED, unless it has settled, and stop its operation.
 *
 * Each operation's header says what a cancel cannot undo on the server. Callbacks are still
 * called, from a later turn. Cancelling twice, or after it has settled, does nothing.
 */
DAYTONA_API void daytona_future_cancel(daytona_future_t *future);

/**
 * Pause a stream or a transfer: none of its bytes are delivered or taken until daytona_future_resume(),
 * and meanwhile only its time limits, daytona_future_cancel() or a failure can end it. For the futures
 * of daytona_session_follow(), daytona_interpreter_run_code(), daytona_pty_wait() (which pauses its
 * terminal), and of all uploads and downloads; each header says what happens to bytes that arrive. In a
 * callback of the same stream it takes effect at once. Pausing again has no effect.
 *
 * Pausing a combination pauses every member that can be paused. The time of a deadline keeps running.
 *
 * @return 0; DAYTONA_EINVAL when there is nothing to pause: the future is NULL, settled, of another kind, or a
 *         combination without such a member; DAYTONA_ETHREAD on another thread than the loop's.
 *
 * Thread: loop.  In callbacks: yes.  After close: DAYTONA_EINVAL, for everything has settled.
 */
DAYTONA_API int daytona_future_pause(daytona_future_t *future);

/**
 * Continue what daytona_future_pause() has stopped, an upload whose source had no
 * data, or a download whose sink was full: the callback is called again from a later
 * turn. Does nothing when nothing was stopped. Returns as daytona_future_pause() does.
 */
DAYTONA_API int daytona_future_resume(daytona_future_t *future);

/** One more reference. Returns `future`. */
DAYTONA_API daytona_future_t *daytona_future_retain(daytona_future_t *future);

/**
 * Release a reference. When the last reference to a pending future is released, its operation
 * is detached: it continues, and callbacks registered before are still called. NULL is allowed.
 */
DAYTONA_API void daytona_future_release(daytona_future_t *future);

/** Whether it has settled: it has a result or an error, and its callbacks have been or will be called. */
DAYTONA_API bool daytona_future_is_settled(const daytona_future_t *future);

/**
 * One line for people in every state: the message of daytona_future_error(), or "pending", "ok",
 * or "there is none" when daytona_future_is_absent(). Never NULL. Borrowed from the future.
 */
DAYTONA_API const char *daytona_future_message(const daytona_future_t *future);

/**
 * The kind of result: "pending", "error", "none" after success without a value, "value" of a promise; otherwise
 * the name in the accessor of the result, such as "exec_result" for daytona_future_exec_result(). Static.
 */
DAYTONA_API const char *daytona_future_kind(const daytona_future_t *future);

/**
 * Whether it succeeded and found that the requested thing does not exist: a setting that is not set, a remote that is
 * not there, the next sandbox at the end of an iteration. The accessor then returns NULL. This is a success, not a
 * failure; calls that can end so say so. False while pending, after a failure, and for calls that never give a value.
 */
DAYTONA_API bool daytona_future_is_absent(const daytona_future_t *future);

/**
 * How many records of a list the server has sent that could not be read: with a value of the wrong kind, or without an id.
 * They are left out of the result, so that one of them does not cost the others, and a line of level DAYTONA_LOG_WARN names
 * the first one. A step of an iterator counts those of the page that it fetched. 0 where all could be read, for NULL, while
 * pending, and for futures of combinators.
 */
DAYTONA_API size_t daytona_future_skipped_count(const daytona_future_t *future);

/** Why it failed. NULL while pending and after success. Borrowed from the future. */
DAYTONA_API const daytona_error_t *daytona_future_error(const daytona_future_t *future);

/** The code of daytona_future_error(); DAYTONA_OK while pending and after success. */
DAYTONA_API daytona_errcode_t daytona_future_code(const daytona_future_t *future);

/*
 * Combinators. Each takes the references that it is given, as daytona_future_then() does, and returns a future you own:
 *
 *   daytona_future_then(daytona_future_deadline(daytona_process_exec(...), 300), on_exec, me);
 *
 * leaks nothing. To keep a reference of your own, retain a member first; daytona_future_member() borrows one.
 * Members are released with the combination. Cancelling the combination cancels every member that has not settled.
 *
 * A combination that cannot be made fails with DAYTONA_EINVAL (a member is NULL, of another loop, or of a
 * call without its client or sandbox; an argument is out of range) or DAYTONA_ENOMEM. Its members are taken
 * all the same: their operations are detached, as by daytona_future_release(), and not cancelled. (On a
 * thread other than the loop's it fails with DAYTONA_ETHREAD, and members of that loop are not touched.)
 *
 * The same future may be a member more than once: each occurrence takes a reference.
 */

/**
 * Wait for all members.
 *
 * Settles once every member has settled: with success if all of them succeeded, else with the error
 * of the member that failed first. No member is cancelled because another failed. Read results from the
 * members: daytona_future_member().
 *
 * @param client   Its loop reports, and every member must belong to that loop. Retained.
 * @param futures  Array copied, members taken.
 * @param count    0 settles with success.
 */
DAYTONA_API daytona_future_t *daytona_future_all(daytona_client_t *client, daytona_future_t *const *futures,
                                                 size_t count);

/**
 * Wait for the first success.
 *
 * Settles with the result of the first member that succeeds: the typed accessors of the combination
 * give that result, daytona_future_winner() its index. The members still pending are then cancelled.
 * Fails with the error of the last one to fail when all have failed, DAYTONA_EINVAL when count is 0.
 *
 * Arguments as for daytona_future_all().
 */
DAYTONA_API daytona_future_t *daytona_future_any(daytona_client_t *client, daytona_future_t *const *futures,
                                                 size_t count);

/**
 * Wait for the first member to settle, with success or failure; pending members are then cancelled.
 * Fails with DAYTONA_EINVAL when count is 0. Arguments as for daytona_future_all().
 */
DAYTONA_API daytona_future_t *daytona_future_race(daytona_client_t *client, daytona_future_t *const *futures,
                                                  size_t count);

/**
 * Put a time limit on `future`.
 *
 * Settles as `future` does, with its result, or after `timeout_ms` with DAYTONA_EDEADLINE; the
 * operation is then cancelled.
 *
 * @param future      Taken. NULL: fails with DAYTONA_EINVAL at once, because there is no loop.
 * @param timeout_ms  Milliseconds from now, at least 0. DAYTONA_NO_TIMEOUT: no limit.
 */
DAYTONA_API daytona_future_t *daytona_future_deadline(daytona_future_t *future, int64_t timeout_ms);

/** Number of members of daytona_future_all(), _any(), _race(); 1 for a deadline; 0 for plain futures. */
DAYTONA_API size_t daytona_future_member_count(const daytona_future_t *future);

/** Member `index` of a combination, or NULL. Borrowed from the combination. */
DAYTONA_API daytona_future_t *daytona_future_member(const daytona_future_t *future, size_t index);

/** Index of the member whose outcome a settled any, race or deadline took; -1 when there is none. */
DAYTONA_API int64_t daytona_future_winner(const daytona_future_t *future);

/*
 * Results of simple kinds; the other headers have their own. Check daytona_future_code()
 * first: with DAYTONA_OK the accessor gives the result. Each accessor returns NULL while
 * the future is pending, after a failure, and when daytona_future_is_absent().
 *
 * Calling the accessor of another kind of result is a bug in the program: it returns
 * NULL and logs an error to the client's log; a debug build of the library aborts.
 */

/** A string result: a path, a URL. Borrowed from the future. */
DAYTONA_API const char *daytona_future_string(const daytona_future_t *future);

/** A list of strings, such as names of files. Borrowed from the future. */
DAYTONA_API const daytona_strings_t *daytona_future_strings(const daytona_future_t *future);

/** A string map result, such as labels. Borrowed from the future. */
DAYTONA_API const daytona_map_t *daytona_future_map(const daytona_future_t *future);

DAYTONA_END

#endif
