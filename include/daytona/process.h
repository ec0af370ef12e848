/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes in a sandbox: one-shot commands and code.
 *
 * Unless a function says otherwise:
 *   Thread: loop.  In callbacks: yes.  After close: fails with DAYTONA_ECLOSED.
 *   Arguments: strings and option structs are copied; the sandbox is retained until the future settles.
 *   Retry: only requests that cannot have reached the sandbox are retried.
 *
 * Stopping remote commands: the server kills a command that exceeds `timeout_ms`, and the call fails with
 * DAYTONA_EPROCESS_TIMEOUT. The protocol has no call to stop a command earlier, and a broken connection does
 * not stop it. So each command gets a marker, the environment variable DAYTONA_EXEC_ID (a variable of your own
 * of that name is DAYTONA_EINVAL). Cancelling the future, or reaching the client's own deadline, sends a second
 * command, which does not wait for a free connection, and which kills every process with the marker and all
 * descendants of such processes. It is sent in the background, and may fail without any report: the
 * sandbox cannot be reached, or a process belongs to another user. It misses a process without the marker (its
 * environment was cleared, or overwritten by a title) if no ancestor has the marker (its parent has ended, or
 * it replaced the command's shell). Closing the client stops nothing. `leaves_running` turns all of this off.
 *
 * Protocol: toolbox, POST /process/execute and /process/code-run.
 */
#ifndef DAYTONA_PROCESS_H
#define DAYTONA_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <daytona/chart.h>
#include <daytona/export.h>
#include <daytona/future.h>
#include <daytona/sandbox.h>
#include <daytona/types.h>

DAYTONA_BEGIN

/** The result of a command or program. */
typedef struct daytona_exec_result {
  int exit_code; /**< -1: it could not be started, or the shell was killed by a signal */
  const char
    *result; /**< stdout and stderr together, in the order written; never NULL; the server has replaced
                             bytes that were not UTF-8. It may contain NULs: use `result_size` */
  size_t result_size;
  const char *artifacts; /**< code_run: the raw JSON of the artifacts (charts) of the response, or NULL */
  /** code_run: what the program has plotted and shown; never NULL. Charts that cannot be read are left out, and counted by
      daytona_future_skipped_count(). */
  const daytona_chart_list_t *charts;
} daytona_exec_result_t;

/** The result of the futures of this header, or NULL. Borrowed from the future. */
DAYTONA_API const daytona_exec_result_t *daytona_future_exec_result(const daytona_future_t *future);

typedef struct daytona_process_exec_opts {
  const char *cwd; /**< Optional. Default: the work folder; relative paths start there. */
  daytona_map_t
    env; /**< Optional. Added to the sandbox's. Names: a letter or `_`, then letters, digits, `_`. Name and
               value of one: at most 131070 bytes together, what a program can be given, else DAYTONA_EINVAL. */
  int64_t
    timeout_ms; /**< Optional. Default: none. Rounded up to whole seconds, at most 2^32-1 of them. The server
                             enforces it; the client fails 5 s later with DAYTONA_EDEADLINE. */
  bool leaves_running;    /**< Give the command no marker, and do not stop it on cancel. */
  bool counts_queue_time; /**< Count the wait for a free connection in the client's limit. */
  uint64_t reserved[8];   /**< Must be zero. */
} daytona_process_exec_opts_t;

/**
 * Run a shell command and wait until it ends.
 *
 * A shell runs the text unchanged; it may be a script of many lines. An exit code other than 0 is a result, not
 * an error. A background child that keeps the output open delays the response: redirect its output. Settles
 * with daytona_future_exec_result(). Fails with DAYTONA_EPROCESS_TIMEOUT (or its parent DAYTONA_ETIMEOUT from
 * older servers) when the command exceeds `timeout_ms`; its output is lost then. The response is limited to 64
 * MiB: with more output the command runs to its end, and the call fails with DAYTONA_ELIMIT. Redirect it to a
 * file, or use a session.
 *
 * @param sandbox  Retained until the future settles.
 * @param command  Required, not blank. At most 64 MiB with the environment.
 * @param opts     Optional. Copied. NULL means all defaults.
 */
DAYTONA_API daytona_future_t *daytona_process_exec(daytona_sandbox_t *sandbox, const char *command,
                                                   const daytona_process_exec_opts_t *opts);

typedef struct daytona_process_code_run_opts {
  const char
    *language; /**< Optional. `python`, `javascript`, `typescript`. Default: the sandbox's language. */
  daytona_strings_t argv; /**< Optional. Arguments of the program. Servers may split them at spaces;
                               what is between two spaces has at most 131071 bytes. */
  daytona_map_t env;      /**< Optional. As in exec. */
  int64_t timeout_ms;     /**< Optional. Default: none. As in exec. */
  bool leaves_running;    /**< As in exec. */
  bool counts_queue_time;
  uint64_t reserved[8]; /**< Must be zero. */
} daytona_process_code_run_opts_t;

/**
 * Run source code in a new interpreter and wait until it ends. Nothing is kept between runs. The result has a chart for each
 * figure that a Python program showed with matplotlib: <daytona/chart.h>.
 *
 * Settles with daytona_future_exec_result(). Fails as exec does, and with DAYTONA_EINVAL for a language that the
 * server does not know.
 *
 * @param sandbox  Retained until the future settles.
 * @param code     Required, not empty.
 * @param opts     Optional. Copied. NULL means all defaults.
 */
DAYTONA_API daytona_future_t *daytona_process_code_run(daytona_sandbox_t *sandbox, const char *code,
                                                       const daytona_process_code_run_opts_t *opts);

DAYTONA_END

#endif
