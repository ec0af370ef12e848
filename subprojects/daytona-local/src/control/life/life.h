/* SPDX-License-Identifier: Apache-2.0
 *
 * The only place where a sandbox changes its state. Routes ask for something here after they
 * checked that it may be asked; timers and admin calls use the same functions.
 */
#ifndef DL_LIFECYCLE_H
#define DL_LIFECYCLE_H

#include "control/control.h"

/* Write the sandbox into the journal; `touch` also moves updatedAt and lastActivityAt. */
void dl_sandbox_save(dl_sandbox *sb);
void dl_sandbox_touch(dl_sandbox *sb);

/* Register a new sandbox and boot it. `req` is answered when it is up (or at once). */
void dl_life_create(dl_sandbox *sb, dl_req *req);
/* stopped, archived or (cancelling) archiving -> started. `req` may be NULL. */
void dl_life_start(dl_sandbox *sb, dl_req *req);
/* started -> stopped; an ephemeral one is destroyed. */
void dl_life_stop(dl_sandbox *sb, bool force);
void dl_life_archive(dl_sandbox *sb);
void dl_life_destroy(dl_sandbox *sb);
void dl_life_resize(dl_sandbox *sb, double cpu, double memory, double disk);
/* For tests of error paths: ends the box, shows `error`, then answers `req`. */
void dl_life_break(dl_sandbox *sb, const char *reason, bool is_recoverable, dl_req *req);
/* Go on with what a stopped server left behind. */
void dl_life_resume(dl_sandbox *sb);

/* Auto-stop, auto-archive, auto-delete, end of life: look now, and set the alarm for the next. */
void dl_timers_run(dl_control *c);
/* Something changed that may make a timer due earlier. */
void dl_timers_mark(dl_control *c);

/* Answer everybody who waits for a start; for the end of the server. */
void dl_life_abandon(dl_sandbox *sb);

#endif
