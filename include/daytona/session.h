/*
 * Sessions: long-lived shells whose state stays between commands, which run one after another.
 *
 * Unless a function says otherwise:
 *   Thread: loop.  In callbacks: yes.  After close: fails with DAYTONA_ECLOSED.
 *   Arguments: strings and option structs are copied; the sandbox is retained until the future settles.
 *   Fails with DAYTONA_EINVAL for a missing id or sandbox, DAYTONA_ENOTFOUND for an unknown session or command, and as
 *   any request does: DAYTONA_ECONNECTION, DAYTONA_ETIMEOUT, DAYTONA_EAUTH and their kinds.
 *   Limits: 64 KiB for a URL, with the ids in it; 64 MiB of JSON for a command or for input, and for an answer, so also
 *   for a log that is not followed: DAYTONA_ELIMIT.
 *   Time: `timeout_ms` is in milliseconds. Default: request_timeout_ms of the client. DAYTONA_NO_TIMEOUT: none. Other
 *   negative values: DAYTONA_EINVAL.
 *   Cancel: ends the waiting; what the server has begun it finishes.
 *   Retry: only requests that cannot have reached the sandbox are repeated; of others, only GET and DELETE.
 *
 * Logs: a command's output is kept by the sandbox as one log in which each line begins with a mark of three bytes
 * (01 01 01 for stdout, 02 02 02 for stderr). Lines of both streams need not be in the order in which they were
 * written, a last line without an end gets one, and NUL bytes are lost. A program that prints such marks itself
 * cannot be told apart from them.
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
  const daytona_session_command_t *const *commands; /**< in no order; NULL when there are none */
  size_t command_count;
} daytona_session_t;

typedef struct daytona_session_list {
  const daytona_session_t *const *items; /**< in no order */
  size_t count;
} daytona_session_list_t;

/** A command's log, whole and taken apart. Nothing in it is NULL. */
typedef struct daytona_session_logs {
  daytona_bytes_t output; /**< as the server keeps it, with the marks */
  daytona_bytes_t out;    /**< stdout */
  daytona_bytes_t err;    /**< stderr */
} daytona_session_logs_t;

/** What daytona_session_exec() gives. */
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

/** A session with its commands. Settles with daytona_future_session(). */
DAYTONA_API daytona_future_t *daytona_session_get(daytona_sandbox_t *sandbox, const char *session_id,
                                                  const daytona_call_opts_t *opts);

/** All sessions. Settles with daytona_future_session_list(). */
DAYTONA_API daytona_future_t *daytona_session_list(daytona_sandbox_t *sandbox,
                                                   const daytona_call_opts_t *opts);

/** End a session and everything that runs in it; its logs go too. Settles without a value. May take some seconds. */
DAYTONA_API daytona_future_t *daytona_session_delete(daytona_sandbox_t *sandbox, const char *session_id,
                                                     const daytona_call_opts_t *opts);

typedef struct daytona_session_exec_opts {
  bool run_async;           /**< Settle as soon as the command is accepted; it runs when its turn comes. */
  bool suppress_input_echo; /**< What daytona_session_send_input() sends does not appear in the log. */
  int64_t timeout_ms;       /**< Optional. Default: none. How long to wait; the command goes on after it. */
  uint64_t reserved[8];     /**< Must be zero. */
} daytona_session_exec_opts_t;

/**
 * Run a command in a session's shell, when the ones before it have ended.
 *
 * Settles with daytona_future_session_exec_result(). An exit code other than 0 is a result, not a failure. `exit` ends the
 * session's shell, and the call then never settles: use `return`. Unless run_async is given its stdin is empty.
 * A command has ended when nothing holds its output open any more: a program left in the background (`server &`) delays
 * this command and all after it until it ends, unless its output goes elsewhere (`server >log 2>&1 &`).
 * Published servers answer an unknown session with status 500 (DAYTONA_EINTERNAL).
 *
 * @param command  Required, not blank, UTF-8.
 *
 * Cancel, and the end of `timeout_ms`: end the waiting; the command goes on.  Retry: never once it may have been sent.
 */
DAYTONA_API daytona_future_t *daytona_session_exec(daytona_sandbox_t *sandbox, const char *session_id,
                                                   const char *command,
                                                   const daytona_session_exec_opts_t *opts);

/** One command. Settles with daytona_future_session_command(). */
DAYTONA_API daytona_future_t *daytona_session_get_command(daytona_sandbox_t *sandbox, const char *session_id,
                                                          const char *command_id,
                                                          const daytona_call_opts_t *opts);

/** The log so far. Settles with daytona_future_session_logs(). */
DAYTONA_API daytona_future_t *daytona_session_get_command_logs(daytona_sandbox_t *sandbox,
                                                               const char *session_id, const char *command_id,
                                                               const daytona_call_opts_t *opts);

/**
 * Send text to the stdin of a command that was started with run_async. A newline is put behind it unless it ends
 * with one. Settles without a value; DAYTONA_EGONE when the command has finished.
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
  bool as_text; /**< Whole UTF-8 characters only, however they were cut; what is not UTF-8 becomes U+FFFD. */
  daytona_buffer_policy_t policy; /**< Default: DAYTONA_BUFFER_STOP. */
  size_t buffer_bytes;            /**< For DROP_OLDEST. Default: 1 MiB; at most 64 MiB. */
  int64_t connect_timeout_ms;     /**< Optional, of each connection. Default: the client's. */
  int64_t timeout_ms;             /**< Optional. Default: none. Of the whole follow; then the verdict is
                                DAYTONA_STREAM_TIMEOUT, and the command goes on. */
  uint64_t reserved[8];           /**< Must be zero. */
} daytona_session_follow_opts_t;

/**
 * Follow a command's log from its beginning to its end.
 *
 * Settles with daytona_future_stream_end() once all output was handed on: with DAYTONA_STREAM_EXITED and the exit
 * code; DAYTONA_STREAM_KILLED when the session was deleted; DAYTONA_STREAM_LOST when the connection broke and the
 * sandbox could not be reached again; DAYTONA_STREAM_TIMEOUT, when what is still kept is dropped. Fails with
 * DAYTONA_ENOTFOUND and the like when there is nothing to follow, and when the first connection cannot be made.
 *
 * A log may have any length. A command whose shell has died never ends: give `timeout_ms`, or cancel.
 *
 * A lost connection, and one that the server closed early, is made up for: the log is fetched with plain requests,
 * what was handed on already is recognised by its length and a checksum, and following goes on behind it. No byte
 * is lost and none comes twice. If the log is not what it was, `has_gap` says so and following goes on at the
 * same place, or at its end if it became shorter. It is given up after ten failures in a row (about a minute).
 * While the follow is paused with DAYTONA_BUFFER_STOP nothing is fetched: the sandbox keeps the log.
 *
 * Where something on the way lets no WebSocket through, the log is fetched with plain requests alone, a second apart.
 *
 * Cancel: ends the following; the command goes on.  Protocol: the WebSocket .../logs?follow=true, and plain requests.
 */
DAYTONA_API daytona_future_t *daytona_session_follow(daytona_sandbox_t *sandbox, const char *session_id,
                                                     const char *command_id,
                                                     const daytona_session_follow_opts_t *opts);

/* --- logs by hand ------------------------------------------------------------------------------ */

/**
 * Take a complete log apart. Bytes before its first mark are in neither part.
 *
 * @param log   Copied; `size` bytes. NULL is allowed when there are none.
 * @param out   Yours on success: daytona_session_logs_release().
 * @return 0, DAYTONA_EINVAL (a NULL argument), DAYTONA_ELIMIT or DAYTONA_ENOMEM.
 *
 * Thread: any.
 */
DAYTONA_API int daytona_session_parse_logs(const void *log, size_t size, daytona_session_logs_t **out);

/** The same as text: what is not UTF-8 is left out of all three. */
DAYTONA_API int daytona_session_parse_text_logs(const void *log, size_t size, daytona_session_logs_t **out);

/** For the two above. NULL is allowed. Thread: any. */
DAYTONA_API void daytona_session_logs_release(daytona_session_logs_t *logs);

DAYTONA_END

#endif
