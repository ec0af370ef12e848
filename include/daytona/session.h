/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions: long-lived shells that keep their state between commands, which run one after another.
 *
 * Unless a function says otherwise:
 *   Thread: loop.  In callbacks: yes.  After close: fails with DAYTONA_ECLOSED.
 *   Arguments: strings and option structs are copied; the sandbox is retained until the future settles.
 *   Fails with DAYTONA_EINVAL for a missing id or sandbox, DAYTONA_ENOTFOUND for an unknown session or command, and as
 *   any request does: DAYTONA_ECONNECTION, DAYTONA_ETIMEOUT, DAYTONA_EAUTH and codes below them.
 *   Limits: 64 KiB for a URL with the ids in it; 64 MiB of JSON for a command or input,
 *   and for a response, including a log that is not followed. Above them: DAYTONA_ELIMIT.
 *   Time: `timeout_ms` is in milliseconds. Default: request_timeout_ms of the client. DAYTONA_NO_TIMEOUT: none. Other
 *   negative values: DAYTONA_EINVAL.
 *   Cancel: stops waiting; the server may still complete the request.
 *   Retry: only requests that cannot have reached the sandbox are retried; of others, only GET and DELETE.
 *
 * Logs: the sandbox stores a command's output as one log in which each line begins with a marker
 * of three bytes (01 01 01 for stdout, 02 02 02 for stderr). Lines of the two streams need not
 * be in the order in which they were written, a missing final newline is added, and NUL bytes
 * are lost. Markers that a program prints itself cannot be distinguished from the server's.
 *
 * Protocol: toolbox, /process/session.
 */
#ifndef DAYTONA_SESSION_H
#define DAYTONA_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <daytona/export.h>
#include <daytona/future.h>
#include <daytona/sandbox.h>
#include <daytona/stream.h>
#include <daytona/types.h>

DAYTONA_BEGIN

/** A command of a session. */
typedef struct daytona_session_command {
  const char *id;
  const char *command;
  daytona_opt_int_t exit_code; /**< not set: it has not finished, or its shell has died */
} daytona_session_command_t;

typedef struct daytona_session {
  const char *id;
  const daytona_session_command_t *const *commands; /**< in any order; NULL when there are none */
  size_t command_count;
} daytona_session_t;

typedef struct daytona_session_list_t {
  const daytona_session_t *const *items; /**< in any order */
  size_t count;
} daytona_session_list_t;

/** A command's log, complete and split by stream. Nothing in it is NULL. */
typedef struct daytona_session_logs {
  daytona_bytes_t output; /**< as the server stores it, with markers */
  daytona_bytes_t out;    /**< stdout */
  daytona_bytes_t err;    /**< stderr */
} daytona_session_logs_t;

/** The result of daytona_session_exec(). */
typedef struct daytona_session_exec_result {
  const char *command_id;
  daytona_opt_int_t exit_code; /**< not set: started with run_async */
  daytona_session_logs_t logs; /**< empty with run_async */
} daytona_session_exec_result_t;

/** Results of this header's futures, or NULL. Borrowed from the future. */
DAYTONA_API const daytona_session_t *daytona_future_session(const daytona_future_t *future);
DAYTONA_API const daytona_session_list_t *daytona_future_session_list(const daytona_future_t *future);
DAYTONA_API const daytona_session_command_t *daytona_future_session_command(const daytona_future_t *future);
DAYTONA_API const daytona_session_exec_result_t *daytona_future_session_exec_result(
  const daytona_future_t *future);
DAYTONA_API const daytona_session_logs_t *daytona_future_session_logs(const daytona_future_t *future);

/**
 * Start a shell under an id of your choice. Settles without a value; DAYTONA_ECONFLICT if the id is in use,
 * DAYTONA_EINVAL for the reserved id "entrypoint".
 */
DAYTONA_API daytona_future_t *daytona_session_create(daytona_sandbox_t *sandbox, const char *session_id,
                                                     const daytona_call_opts_t *opts);

/** Get a session with its commands. Settles with daytona_future_session(). */
DAYTONA_API daytona_future_t *daytona_session_get(daytona_sandbox_t *sandbox, const char *session_id,
                                                  const daytona_call_opts_t *opts);

/** List all sessions. Settles with daytona_future_session_list(). */
DAYTONA_API daytona_future_t *daytona_session_list(daytona_sandbox_t *sandbox,
                                                   const daytona_call_opts_t *opts);

/** End a session and all its processes, and delete its logs. Settles without a value. May take some seconds. */
DAYTONA_API daytona_future_t *daytona_session_delete(daytona_sandbox_t *sandbox, const char *session_id,
                                                     const daytona_call_opts_t *opts);

typedef struct daytona_session_exec_opts {
  bool run_async;           /**< Settle when the command is accepted; it runs after earlier ones. */
  bool suppress_input_echo; /**< What daytona_session_send_input() sends does not appear in the log. */
  int64_t timeout_ms;       /**< Optional. Default: none. How long to wait; the command then continues. */
  uint64_t reserved[8];     /**< Must be zero. */
} daytona_session_exec_opts_t;

/**
 * Run a command in a session's shell, after the commands before it have ended.
 *
 * Settles with daytona_future_session_exec_result(). An exit code other than 0 is a result, not a failure.
 * `exit` ends the session's shell, and the call then never settles: use `return`. Without run_async its
 * stdin is empty. A command has ended when no process holds its output open: a background process
 * (`server &`) delays this command and all later ones until it ends, unless its output is redirected
 * (`server >log 2>&1 &`). Published servers respond to an unknown session with status 500 (DAYTONA_EINTERNAL).
 *
 * @param command  Required, not blank, UTF-8.
 *
 * Cancel and `timeout_ms`: stop waiting; the command continues.  Retry: never once it may have been sent.
 */
DAYTONA_API daytona_future_t *daytona_session_exec(daytona_sandbox_t *sandbox, const char *session_id,
                                                   const char *command,
                                                   const daytona_session_exec_opts_t *opts);

/** Get one command. Settles with daytona_future_session_command(). */
DAYTONA_API daytona_future_t *daytona_session_get_command(daytona_sandbox_t *sandbox, const char *session_id,
                                                          const char *command_id,
                                                          const daytona_call_opts_t *opts);

/** Get the log so far. Settles with daytona_future_session_logs(). */
DAYTONA_API daytona_future_t *daytona_session_get_command_logs(daytona_sandbox_t *sandbox,
                                                               const char *session_id, const char *command_id,
                                                               const daytona_call_opts_t *opts);

/** The session that runs the entrypoint of the sandbox's image, with one command. Settles with daytona_future_session();
    DAYTONA_ENOTFOUND on servers without one. */
DAYTONA_API daytona_future_t *daytona_session_get_entrypoint(daytona_sandbox_t *sandbox,
                                                             const daytona_call_opts_t *opts);

/** The log of the entrypoint so far. Settles with daytona_future_session_logs(). */
DAYTONA_API daytona_future_t *daytona_session_get_entrypoint_logs(daytona_sandbox_t *sandbox,
                                                                  const daytona_call_opts_t *opts);

/**
 * Send text to the stdin of a command that was started with run_async. A newline is added unless the
 * text ends with one. Settles without a value; fails with DAYTONA_EGONE when the command has finished.
 *
 * @param data  Required, not empty, UTF-8.
 */
DAYTONA_API daytona_future_t *daytona_session_send_input(daytona_sandbox_t *sandbox, const char *session_id,
                                                         const char *command_id, const char *data,
                                                         const daytona_call_opts_t *opts);

/* --- following a log --------------------------------------------------------------------------- */

typedef struct daytona_session_follow_opts {
  daytona_output_cb on_stdout;     /**< Optional. */
  daytona_output_cb on_stderr;     /**< Optional. */
  void *user;                      /**< For both. Borrowed until the follow has settled. */
  daytona_destroy_cb destroy_user; /**< Optional. For `user`. */
  bool as_text; /**< Deliver whole UTF-8 characters only; bytes that are not UTF-8 become U+FFFD. */
  daytona_buffer_policy_t policy; /**< Default: DAYTONA_BUFFER_STOP. */
  size_t buffer_bytes;            /**< For DROP_OLDEST. Default: 1 MiB; at most 64 MiB. */
  int64_t connect_timeout_ms;     /**< Optional. Of each connection. Default: the client's. */
  int64_t timeout_ms;             /**< Optional. Default: none. Of the whole follow; the outcome is then
                                DAYTONA_STREAM_TIMEOUT, and the command continues. */
  uint64_t reserved[8];           /**< Must be zero. */
} daytona_session_follow_opts_t;

/**
 * Follow a command's log from its beginning to its end.
 *
 * Settles with daytona_future_stream_end() once all output has been delivered: with DAYTONA_STREAM_EXITED and
 * the exit code; DAYTONA_STREAM_KILLED when the session was deleted; DAYTONA_STREAM_LOST when the connection
 * broke and the sandbox could not be reached again; DAYTONA_STREAM_TIMEOUT, when output that is still kept is
 * dropped. Fails with DAYTONA_ENOTFOUND and similar codes when there is nothing to follow, and when the first
 * connection cannot be made.
 *
 * A log may have any length. The log of a command whose shell has died never ends: set `timeout_ms`, or cancel.
 *
 * A connection that is lost, or that the server closed early, is recovered: the log is fetched with plain requests,
 * output that was delivered already is recognised by its length and a checksum, and the follow continues after it.
 * No byte is lost and none is delivered twice. If the log has changed, `has_gap` is set and the follow continues at
 * the same position, or at the end if the log became shorter. Recovery stops after ten failures in a row (about a
 * minute). While the follow is paused with DAYTONA_BUFFER_STOP nothing is fetched: the sandbox stores the log.
 *
 * If a proxy on the way blocks WebSockets, the log is fetched with plain requests alone, one second apart.
 *
 * Cancel: ends the follow; the command continues.  Protocol: the WebSocket .../logs?follow=true, and plain requests.
 */
DAYTONA_API daytona_future_t *daytona_session_follow(daytona_sandbox_t *sandbox, const char *session_id,
                                                     const char *command_id,
                                                     const daytona_session_follow_opts_t *opts);

/**
 * Follow the log of the entrypoint of the sandbox's image, in all as daytona_session_follow(). Fails with
 * DAYTONA_ENOTFOUND when the sandbox was started without one. It ends with the entrypoint; a sandbox that is stopped ends it with
 * DAYTONA_STREAM_LOST.
 */
DAYTONA_API daytona_future_t *daytona_session_follow_entrypoint(daytona_sandbox_t *sandbox,
                                                                const daytona_session_follow_opts_t *opts);

/* --- parsing logs ------------------------------------------------------------------------------ */

/**
 * Split a complete log by stream. Bytes before its first marker are in neither part.
 *
 * @param log   Copied; `size` bytes. NULL is allowed when `size` is 0.
 * @param out   Yours on success: free with daytona_session_logs_release(). Untouched on failure.
 * @return 0, DAYTONA_EINVAL (a NULL argument), DAYTONA_ELIMIT or DAYTONA_ENOMEM.
 *
 * Thread: any.
 */
DAYTONA_API int daytona_session_parse_logs(const void *log, size_t size, daytona_session_logs_t **out);

/** As daytona_session_parse_logs(), as text: bytes that are not UTF-8 are omitted from all three. */
DAYTONA_API int daytona_session_parse_text_logs(const void *log, size_t size, daytona_session_logs_t **out);

/** Free the logs of the two functions above. NULL is allowed. Thread: any. */
DAYTONA_API void daytona_session_logs_release(daytona_session_logs_t *logs);

DAYTONA_END

#endif
