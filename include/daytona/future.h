/*
 * Futures: what every operation returns.
 *
 * The rules, without exception:
 *   1. An operation never returns NULL. A bad argument, a closed client, lack of memory: all of it is
 *      a future that fails. (A call without its client or sandbox has no loop to report on: that one
 *      future has failed at once, and daytona_future_then() calls back before it returns.)
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
 * NULL in place of a future is nothing to release, cancel or wait for: it has not settled and has neither
 * error nor result; where there is a code to return, that is DAYTONA_EINVAL.
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
 * Hand a reference over and be told once.
 *
 * The usual way to consume an operation: `daytona_future_then(daytona_process_exec(...), on_exec, me)`.
 *
 * @param future    Taken: released after `callback` returned.
 * @param callback  Optional. NULL detaches the operation, as daytona_future_release() does. The first
 *                  registration with a future needs no memory; a later one for which there is none
 *                  is told of another future, which has failed with DAYTONA_ENOMEM.
 *
 * Thread: loop.  In callbacks: yes.  After close: the callback still comes, with DAYTONA_ECLOSED.
 */
DAYTONA_API void daytona_future_then(daytona_future_t *future, daytona_future_cb callback, void *user);

/**
 * Be told once and keep the reference. Any number of callbacks per future, called in the order of
 * registration; also after it has settled, from a later turn.
 *
 * @return 0, or DAYTONA_ENOMEM (then `callback` is never called), or DAYTONA_EINVAL without a callback.
 *         With a future that was made on another thread than the loop's, also DAYTONA_ECLOSED.
 */
DAYTONA_API int daytona_future_on_settled(daytona_future_t *future, daytona_future_cb callback, void *user);

/**
 * Turn the loop until `future` has settled. For tools and tests; servers use callbacks.
 *
 * Runs whatever else is on the loop meanwhile. The reference stays yours.
 *
 * @return 0 when it settled with a result, its error code otherwise, or DAYTONA_EREENTRANT when
 *         called from a callback of the library, of whichever client, or DAYTONA_ETHREAD on another
 *         thread than the loop's (nothing has run then).
 */
DAYTONA_API int daytona_future_await(daytona_future_t *future);

/**
 * Settle `future` with DAYTONA_ECANCELED, unless it has settled, and stop its operation.
 *
 * Each operation says in its header what a cancel cannot undo on the server. Callbacks still come,
 * from a later turn. Cancelling twice, or too late, does nothing.
 */
DAYTONA_API void daytona_future_cancel(daytona_future_t *future);

/**
 * Hold a stream or a transfer: no more of its bytes are handed on or taken until daytona_future_resume(), and it does
 * not end meanwhile, except by its limits of time, daytona_future_cancel(), or a failure. For the futures of
 * daytona_session_follow(), daytona_interpreter_run_code(), daytona_pty_wait() (it pauses its terminal), and of all
 * uploads and downloads; each noun's header says what becomes of bytes that arrive. Inside a callback of the same
 * stream it takes effect at once. Twice is once.
 *
 * Of a combination, every member that can be paused is. The time of a deadline goes on.
 *
 * @return 0; DAYTONA_EINVAL when there is nothing to pause: the future is NULL, settled, of another kind, or a
 *         combination without such a member; DAYTONA_ETHREAD on another thread than the loop's.
 *
 * Thread: loop.  In callbacks: yes.  After close: DAYTONA_EINVAL, for everything has settled.
 */
DAYTONA_API int daytona_future_pause(daytona_future_t *future);

/**
 * Continue what daytona_future_pause() has stopped, or an upload whose source had nothing, or a download whose sink
 * was full: these are called again, from a later turn. Harmless when nothing had stopped. Returns as
 * daytona_future_pause() does.
 */
DAYTONA_API int daytona_future_resume(daytona_future_t *future);

/** One more reference. Returns `future`. */
DAYTONA_API daytona_future_t *daytona_future_retain(daytona_future_t *future);

/**
 * Give up a reference. An operation whose future nobody holds any more is detached: it goes on, and
 * callbacks registered before are still called. NULL is allowed.
 */
DAYTONA_API void daytona_future_release(daytona_future_t *future);

/** Whether it has settled: a result or an error is there, and callbacks have been or are being told. */
DAYTONA_API bool daytona_future_is_settled(const daytona_future_t *future);

/**
 * One line for people, whatever has become of it: the message of daytona_future_error(), or "pending", "ok", or "there is
 * none" when daytona_future_is_absent(). Never NULL. Borrowed from the future.
 */
DAYTONA_API const char *daytona_future_message(const daytona_future_t *future);

/**
 * What there is to read: "pending", "error", "none" after a success without a value, "value" of a promise; else the
 * name of the result, which is that of its accessor: "exec_result" for daytona_future_exec_result(). Static.
 */
DAYTONA_API const char *daytona_future_kind(const daytona_future_t *future);

/**
 * Whether it succeeded and found that what was asked for does not exist: a setting that is not set, a remote of
 * that name, the next sandbox of a walk that is at its end. The accessor is then NULL. That is an answer and no
 * failure; each call that has it says so. False while pending, after a failure, and for calls that never give a value.
 */
DAYTONA_API bool daytona_future_is_absent(const daytona_future_t *future);

/** Why it failed. NULL while pending and after success. Borrowed from the future. */
DAYTONA_API const daytona_error_t *daytona_future_error(const daytona_future_t *future);

/** The code of daytona_future_error(), or DAYTONA_OK: also while pending. */
DAYTONA_API daytona_errcode_t daytona_future_code(const daytona_future_t *future);

/*
 * Combinators. Each takes the references that it is given, as daytona_future_then() does, and returns a future you own:
 *
 *   daytona_future_then(daytona_future_deadline(daytona_process_exec(...), 300), on_exec, me);
 *
 * leaks nothing. Retain a member before, to keep a reference of your own; daytona_future_member() borrows one. Members
 * are released with the combination. Cancelling the combination cancels every member that has not settled.
 *
 * One that cannot be made fails, with DAYTONA_EINVAL (a member is NULL, of another loop, or of a call without its client
 * or sandbox; an argument out of range) or DAYTONA_ENOMEM. The members are taken all the same: their operations are
 * detached, as by daytona_future_release(), and not cancelled. (On another thread than the loop's it fails with
 * DAYTONA_ETHREAD, and members that belong to that loop are not touched.)
 *
 * The same future may be a member twice: each place takes a reference.
 */

/**
 * Wait for all of them.
 *
 * Settles once every member has settled: with success if all of them succeeded, else with the error
 * of the member that failed first. No member is cancelled because another failed. Read results from the
 * members: daytona_future_member().
 *
 * @param client   Whose loop reports; every member must be of the same loop. Retained.
 * @param futures  Array copied, members taken.
 * @param count    0 settles with success.
 */
DAYTONA_API daytona_future_t *daytona_future_all(daytona_client_t *client, daytona_future_t *const *futures,
                                                 size_t count);

/**
 * The first success.
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
 * The first to settle, with success or failure; the members still pending are then cancelled.
 * Fails with DAYTONA_EINVAL when count is 0. Arguments as for daytona_future_all().
 */
DAYTONA_API daytona_future_t *daytona_future_race(daytona_client_t *client, daytona_future_t *const *futures,
                                                  size_t count);

/**
 * Bound `future` in time.
 *
 * Settles as `future` does, with its result, or after `timeout_ms` with DAYTONA_EDEADLINE; the
 * operation is then cancelled.
 *
 * @param future      Taken. NULL: DAYTONA_EINVAL, reported at once, for there is no loop.
 * @param timeout_ms  Milliseconds from now, at least 0. DAYTONA_NO_TIMEOUT: no bound.
 */
DAYTONA_API daytona_future_t *daytona_future_deadline(daytona_future_t *future, int64_t timeout_ms);

/** Number of members of daytona_future_all(), _any(), _race(); 1 for a deadline; 0 for plain futures. */
DAYTONA_API size_t daytona_future_member_count(const daytona_future_t *future);

/** Member `index` of a combination, or NULL. Borrowed from the combination. */
DAYTONA_API daytona_future_t *daytona_future_member(const daytona_future_t *future, size_t index);

/** Index of the member whose outcome a settled any, race or deadline has taken; -1 when there is none. */
DAYTONA_API int64_t daytona_future_winner(const daytona_future_t *future);

/*
 * Results of plain kinds; the nouns' headers have the others. Ask daytona_future_code() first: with DAYTONA_OK there is a
 * result, and its accessor gives it. Each accessor returns NULL while the future is pending, after a failure, and when
 * daytona_future_is_absent().
 *
 * The accessor of another kind of result is an error of the program. It returns NULL, too, and an error goes to the
 * client's log; in debug builds of the library the program ends there.
 */

/** A string result: a path, a URL. Borrowed from the future. */
DAYTONA_API const char *daytona_future_string(const daytona_future_t *future);

/** A list of strings, such as names of files. Borrowed from the future. */
DAYTONA_API const daytona_strings_t *daytona_future_strings(const daytona_future_t *future);

/** A string map result, such as labels. Borrowed from the future. */
DAYTONA_API const daytona_map_t *daytona_future_map(const daytona_future_t *future);

DAYTONA_END

#endif
