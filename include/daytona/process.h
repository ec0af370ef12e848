/*
 * Processes in a sandbox: one-shot commands and code.
 *
 * Unless a function says otherwise:
 *   Thread: loop.  In callbacks: yes.  After close: fails with DAYTONA_ECLOSED.
 *   Arguments: strings and option structs are copied; the sandbox is retained until the future settles.
 *   Retry: only requests that cannot have reached the sandbox are repeated.
 *
 * Stopping what runs remotely: the server kills a command whose `timeout_ms` is over, and tells so with
 * DAYTONA_EPROCESS_TIMEOUT. The protocol has no call to stop a command earlier, and a broken connection does not stop
 * it. So each command is marked with the environment variable DAYTONA_EXEC_ID (a caller's own of that name is refused
 * with DAYTONA_EINVAL); cancelling its future, or running into the client's own deadline, sends a second command, which
 * waits for no free connection and kills every process with that mark and all below such processes. It is sent in the
 * background and may fail unseen: the sandbox cannot be reached, a process belongs to another user, or it cannot be
 * found because neither it has the mark (its environment was cleared, or overwritten by a title) nor any process above
 * it (its parent has gone, or it took the place of the command's shell). Closing the client stops nothing.
 * `leaves_running` turns all of this off.
 *
 * Protocol: toolbox, POST /process/execute and /process/code-run.
 */
#ifndef DAYTONA_PROCESS_H
#define DAYTONA_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <daytona/export.h>
#include <daytona/future.h>
#include <daytona/sandbox.h>
#include <daytona/types.h>

DAYTONA_BEGIN

/** What a command or program left behind. */
typedef struct daytona_exec_result {
  int exit_code;      /**< -1: it could not be started, or the shell was killed by a signal */
  const char *result; /**< stdout and stderr together, in the order written; never NULL; bytes that were not
                             UTF-8 have been replaced by the server. A NUL inside ends it: see `size` */
  size_t result_size;
  const char *artifacts; /**< code_run: the raw JSON of the answer's artifacts (charts), or NULL */
} daytona_exec_result_t;

/** The result of the futures of this header, or NULL. Borrowed from the future. */
DAYTONA_API const daytona_exec_result_t *daytona_future_exec_result(const daytona_future_t *future);

typedef struct daytona_process_exec_opts {
  const char *cwd; /**< Optional. Default: the work folder; relative paths start there. */
  daytona_map_t
    env; /**< Optional. On top of the sandbox's. Names: a letter or `_`, then letters, digits, `_`. */
  int64_t
    timeout_ms; /**< Optional. Default: none. Rounded up to whole seconds, at most 2^32-1 of them. The server
                             keeps it; the client gives up 5 s later, with DAYTONA_EDEADLINE. */
  bool leaves_running;    /**< Do not mark the command and do not try to stop it on cancel. */
  bool counts_queue_time; /**< Let waiting for a free connection count for the client's limit. */
  uint64_t reserved[8];   /**< Must be zero. */
} daytona_process_exec_opts_t;

/**
 * Run a shell command and wait for its end.
 *
 * The text is fed to a shell as it is; it may be a script of many lines. An exit code other than 0 is a result, not
 * an error. Output that a background child keeps open delays the answer: redirect it.
 * Settles with daytona_future_exec_result(). Fails with DAYTONA_EPROCESS_TIMEOUT (or its parent DAYTONA_ETIMEOUT
 * from older servers) when `timeout_ms` is over; output so far is lost then. The whole answer must fit 64 MiB: with more
 * output the command runs to its end, and the call fails with DAYTONA_ELIMIT. Redirect it to a file, or use a session.
 *
 * @param sandbox  Retained until the future settles.
 * @param command  Required, not blank. At most 64 MiB with the environment.
 * @param opts     Optional.
 */
DAYTONA_API daytona_future_t *daytona_process_exec(daytona_sandbox_t *sandbox, const char *command,
                                                   const daytona_process_exec_opts_t *opts);

typedef struct daytona_process_code_run_opts {
  const char
    *language; /**< Optional. `python`, `javascript`, `typescript`. Default: the sandbox's language. */
  daytona_strings_t argv; /**< Optional. Arguments of the program. Servers may split them at blanks. */
  daytona_map_t env;      /**< Optional. As in exec. */
  int64_t timeout_ms;     /**< Optional. As in exec. */
  bool leaves_running;    /**< As in exec. */
  bool counts_queue_time;
  uint64_t reserved[8]; /**< Must be zero. */
} daytona_process_code_run_opts_t;

/**
 * Run a program text in a fresh interpreter and wait for its end. Nothing is kept between runs.
 *
 * Settles with daytona_future_exec_result(). Fails as exec does, and with DAYTONA_EINVAL for a language that the
 * server does not know.
 *
 * @param sandbox  Retained until the future settles.
 * @param code     Required, not empty.
 * @param opts     Optional.
 */
DAYTONA_API daytona_future_t *daytona_process_code_run(daytona_sandbox_t *sandbox, const char *code,
                                                       const daytona_process_code_run_opts_t *opts);

DAYTONA_END

#endif
