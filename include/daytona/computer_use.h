/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Computer use: the desktop of a sandbox. This header has its processes; what is done on it is in <daytona/mouse.h>,
 * <daytona/keyboard.h>, <daytona/screenshot.h>, <daytona/display.h>, <daytona/recording.h> and
 * <daytona/accessibility.h>. The desktop is on display :0 of the sandbox; daytona_computer_use_start() comes first.
 * A person can look at it through the preview of port 6080 (noVNC).
 *
 * Unless a function says otherwise, for all of these headers:
 *   Settles without a value. Fails with DAYTONA_EINVAL for an argument that is missing or not allowed, before anything is
 *   sent, and when the sandbox refuses a value; DAYTONA_EUNAVAILABLE while the desktop's programs are missing or not
 *   loaded; DAYTONA_EPROTOCOL for a malformed response; DAYTONA_ENOMEM; and the errors of every request.
 *   Arguments: strings, lists and option structs are copied; the sandbox is retained until the future settles. Options
 *   may be NULL: all defaults.
 *   Results belong to the future and are freed with its last reference; an accessor returns NULL for a future that is
 *   pending, has failed, or is of another call. Strings that the sandbox did not send are NULL, numbers are 0.
 *   Thread: loop.  In callbacks: yes.  After close: fails with DAYTONA_ECLOSED.
 *   Cancel: stops waiting; the sandbox may still do what was asked for.
 *   Retry: only requests that cannot have reached the sandbox are retried; of others, only GET and DELETE.
 *   Time: milliseconds. Default of `timeout_ms`: request_timeout_ms of the client. DAYTONA_NO_TIMEOUT: none.
 *
 * Protocol: toolbox, /computeruse.
 */
#ifndef DAYTONA_COMPUTER_USE_H
#define DAYTONA_COMPUTER_USE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <daytona/export.h>
#include <daytona/future.h>
#include <daytona/sandbox.h>
#include <daytona/types.h>

DAYTONA_BEGIN

/** A process of the desktop: "xvfb", "xfce4", "x11vnc", "novnc", and "atspi" where there is accessibility. */
typedef struct daytona_computer_use_process {
  const char *name;
  bool is_running;
  bool restarts;         /**< it is started again when it ends */
  int64_t priority;      /**< the order of the start, lower first */
  daytona_opt_int_t pid; /**< of the sandbox; not set while it does not run */
} daytona_computer_use_process_t;

/** What a start or a stop came to. */
typedef struct daytona_computer_use_result {
  const char *message; /**< of the sandbox, for people */
  const daytona_computer_use_process_t *const *processes;
  size_t process_count;
} daytona_computer_use_result_t;

/** Start the desktop. What runs already stays. Takes up to some ten seconds. Settles with
    daytona_future_computer_use_result(). */
DAYTONA_API daytona_future_t *daytona_computer_use_start(daytona_sandbox_t *sandbox,
                                                         const daytona_call_opts_t *opts);

/** Stop the desktop; keys and buttons that are held are released. Settles with daytona_future_computer_use_result(). */
DAYTONA_API daytona_future_t *daytona_computer_use_stop(daytona_sandbox_t *sandbox,
                                                        const daytona_call_opts_t *opts);

/** The state of the desktop. Settles with daytona_future_string(): "active", "partial" (some of its processes run) or
    "inactive". Before the first start it can be "partial". */
DAYTONA_API daytona_future_t *daytona_computer_use_get_status(daytona_sandbox_t *sandbox,
                                                              const daytona_call_opts_t *opts);

/** Whether a process runs. */
typedef struct daytona_computer_use_process_status {
  const char *name;
  bool is_running;
} daytona_computer_use_process_status_t;

/** Look at one process. Settles with daytona_future_computer_use_process_status(). Fails with DAYTONA_EUNAVAILABLE for
    an unknown name. */
DAYTONA_API daytona_future_t *daytona_computer_use_get_process_status(daytona_sandbox_t *sandbox,
                                                                      const char *name,
                                                                      const daytona_call_opts_t *opts);

/** Restart one process. Settles with daytona_future_string(): a message for people, or NULL. */
DAYTONA_API daytona_future_t *daytona_computer_use_restart_process(daytona_sandbox_t *sandbox,
                                                                   const char *name,
                                                                   const daytona_call_opts_t *opts);

/** All that a process has printed on stdout, or on stderr. Settles with daytona_future_string(). Fails with
    DAYTONA_EINVAL for an unknown name, or while nothing was printed. */
DAYTONA_API daytona_future_t *daytona_computer_use_get_process_logs(daytona_sandbox_t *sandbox,
                                                                    const char *name,
                                                                    const daytona_call_opts_t *opts);
DAYTONA_API daytona_future_t *daytona_computer_use_get_process_errors(daytona_sandbox_t *sandbox,
                                                                      const char *name,
                                                                      const daytona_call_opts_t *opts);

/** Results of the calls above, or NULL. Borrowed from the future. */
DAYTONA_API const daytona_computer_use_result_t *daytona_future_computer_use_result(
  const daytona_future_t *future);
DAYTONA_API const daytona_computer_use_process_status_t *daytona_future_computer_use_process_status(
  const daytona_future_t *future);

DAYTONA_END

#endif
