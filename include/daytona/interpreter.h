/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Python interpreter: runs code in contexts that keep their variables between runs.
 *
 * Unless a function says otherwise:
 *   Thread: loop.  In callbacks: yes.  After close: fails with DAYTONA_ECLOSED.
 *   Arguments: strings and option structs are copied; the sandbox is retained until the future settles.
 *   Fails with DAYTONA_EINVAL for a missing argument or an option out of range, DAYTONA_ENOTFOUND for an unknown context,
 *   and as any request does: DAYTONA_ECONNECTION, DAYTONA_ETIMEOUT, DAYTONA_EAUTH and codes below them.
 *   Time: milliseconds. Default of `timeout_ms`: request_timeout_ms of the client. DAYTONA_NO_TIMEOUT: none.
 *   Cancel: stops waiting; the server may still complete the request.
 *   Retry: only requests that cannot have reached the sandbox are retried; of others, only GET and DELETE.
 *
 * Protocol: toolbox, /process/interpreter.
 */
#ifndef DAYTONA_INTERPRETER_H
#define DAYTONA_INTERPRETER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <daytona/export.h>
#include <daytona/future.h>
#include <daytona/sandbox.h>
#include <daytona/stream.h>
#include <daytona/types.h>

DAYTONA_BEGIN

/** An exception that the code did not catch. Nothing in it is NULL. */
typedef struct daytona_interpreter_run_error {
  const char *name;  /**< of its class, such as "ValueError" */
  const char *value; /**< its text */
  const char *traceback;
} daytona_interpreter_run_error_t;

/** The result of a run. Texts are NUL-terminated but may also contain NULs: use their sizes. */
typedef struct daytona_interpreter_run_result {
  daytona_bytes_t out;                          /**< stdout, UTF-8; at most max_output_bytes of it */
  daytona_bytes_t err;                          /**< stderr */
  bool out_is_truncated, err_is_truncated;      /**< the callbacks received all */
  const daytona_interpreter_run_error_t *error; /**< NULL: the code ended without one */
} daytona_interpreter_run_result_t;

/** The result of a future of daytona_interpreter_run_code(), or NULL. Borrowed from the future. */
DAYTONA_API const daytona_interpreter_run_result_t *daytona_future_interpreter_run_result(
  const daytona_future_t *future);

/** The code ended with an exception. Called at most once per run; rules as for daytona_output_cb. */
typedef void (*daytona_interpreter_error_cb)(const daytona_interpreter_run_error_t *error, void *user);

typedef struct daytona_interpreter_run_code_opts {
  const char *context_id; /**< Optional. Default: the context that every sandbox has. */
  daytona_map_t env;      /**< Optional. For this run only. Limit of each: as in <daytona/process.h>. */
  int64_t timeout_ms;     /**< Optional. Default: the server's, 600 s; DAYTONA_NO_TIMEOUT: none. Rounded up to
                                        whole seconds. The server counts it from the start of the code, which may
                                        wait before that for other runs of its context. */
  size_t max_output_bytes;               /**< Of each text of the result. Default: 16 MiB; at most 256 MiB. */
  daytona_output_cb on_stdout;           /**< Optional. */
  daytona_output_cb on_stderr;           /**< Optional. */
  daytona_interpreter_error_cb on_error; /**< Optional. */
  void *user;                            /**< For all three. Borrowed until the run has settled. */
  daytona_destroy_cb destroy_user;       /**< Optional. For `user`. */
  int64_t connect_timeout_ms;            /**< Optional. Default: the client's. */
  uint64_t reserved[8];                  /**< Must be zero. */
} daytona_interpreter_run_code_opts_t;

/**
 * Run code in a context.
 *
 * Settles with daytona_future_interpreter_run_result(), also when the code ended with an exception: that is a
 * result. Only the server's close frame ends a run. Fails with DAYTONA_ETIMEOUT when the code exceeded its time
 * (or let a KeyboardInterrupt escape, or its context was deleted); with DAYTONA_ECONNECTION and the server's
 * message when the worker died or the context is unknown, or when the connection broke: the code may then still
 * be running. Output that arrived before a failure has been delivered. daytona_future_stream_reason() of
 * <daytona/stream.h> distinguishes such failures: a lost connection, a slow reader, a client that took this
 * one's place. Fails with DAYTONA_EUPGRADE when a proxy on the way blocks WebSockets, and with DAYTONA_ELIMIT
 * when code and environment exceed 64 MiB, or one message of the server exceeds 8 MiB.
 *
 * @param code  Required, not empty, UTF-8.
 *
 * Secrets: code and environment are not logged.
 * Pause: daytona_future_pause() stops reading; at most 64 KiB and one message are kept. The server waits for a
 * while, then disconnects the slow reader, which fails the run with DAYTONA_ECONNECTION and
 * DAYTONA_STREAM_SLOW_READER. (A server that cannot report this only ends the connection. If that follows a pause
 * after which much was still unread, the reason is DAYTONA_STREAM_SLOW_READER, otherwise DAYTONA_STREAM_LOST.)
 * Cancel: the code runs on until its time limit; deleting its context stops it.
 */
DAYTONA_API daytona_future_t *daytona_interpreter_run_code(daytona_sandbox_t *sandbox, const char *code,
                                                           const daytona_interpreter_run_code_opts_t *opts);

/* --- contexts ---------------------------------------------------------------------------------- */

typedef struct daytona_interpreter_context {
  const char *id;
  const char *cwd;
  const char *created_at; /**< RFC 3339, as the server wrote it */
  bool is_active;         /**< false: its worker has ended; the next run starts a new, empty one */
  const char *language;   /**< "python" */
} daytona_interpreter_context_t;

typedef struct daytona_interpreter_context_list {
  const daytona_interpreter_context_t *const *items; /**< without the default one */
  size_t count;
} daytona_interpreter_context_list_t;

typedef struct daytona_interpreter_create_context_opts {
  const char *cwd;      /**< Optional. Default: the work folder. */
  int64_t timeout_ms;   /**< Optional. Default: request_timeout_ms of the client. */
  uint64_t reserved[8]; /**< Must be zero. */
} daytona_interpreter_create_context_opts_t;

/**
 * Make a context. Settles with daytona_future_interpreter_context(). Fails with
 * DAYTONA_EINTERNAL when its worker cannot start, for example if `cwd` does not exist.
 */
DAYTONA_API daytona_future_t *daytona_interpreter_create_context(
  daytona_sandbox_t *sandbox, const daytona_interpreter_create_context_opts_t *opts);

/** List all contexts but the default one. Settles with daytona_future_interpreter_context_list(). */
DAYTONA_API daytona_future_t *daytona_interpreter_list_contexts(daytona_sandbox_t *sandbox,
                                                                const daytona_call_opts_t *opts);

/** End a context and the code that runs in it. Settles without a value. DAYTONA_EINVAL for the id "default". */
DAYTONA_API daytona_future_t *daytona_interpreter_delete_context(daytona_sandbox_t *sandbox,
                                                                 const char *context_id,
                                                                 const daytona_call_opts_t *opts);

/** Results of the calls above, or NULL. Borrowed from the future. */
DAYTONA_API const daytona_interpreter_context_t *daytona_future_interpreter_context(
  const daytona_future_t *future);
DAYTONA_API const daytona_interpreter_context_list_t *daytona_future_interpreter_context_list(
  const daytona_future_t *future);

DAYTONA_END

#endif
