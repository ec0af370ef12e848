/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The steps that operations on a sandbox are made of, for the other files of this room: see life.c, which has them.
 */
#ifndef DL_STEPS_H
#define DL_STEPS_H

#include "control/objects/sandbox.h"
#include "control/store/jobs.h"

struct dl_life;

/* It is not freed in between. */
void dl_step_hold(dl_sandbox_t *sb);
void dl_step_unhold(dl_sandbox_t *sb);

/* What it goes back to: before anything is changed for what was asked. Then that is changed, and `go` does it when it is on
 * disk. */
void dl_step_remember(dl_sandbox_t *sb);
void dl_step_intend(dl_sandbox_t *sb, void (*go)(dl_sandbox_t *sb));

/* A state is reached, with its record on its way to disk. */
void dl_step_reached(dl_sandbox_t *sb, dl_state_t state, bool is_pending);
void dl_step_failed(dl_sandbox_t *sb, const char *reason, bool is_recoverable);

/* Its files are there. */
void dl_step_boot(dl_sandbox_t *sb);
void dl_step_discard_archive(dl_sandbox_t *sb);
void dl_step_finish_destroy(dl_sandbox_t *sb);
void dl_step_tell_waiters(dl_sandbox_t *sb);

/* The end of work on files came before it is decided whether that was to be interrupted: `cb` is called again. */
bool dl_step_defer(dl_sandbox_t *sb, dl_job_cb cb, const char *error);

/* The runtime has ended, and its box with it. */
void dl_step_box_is_over(dl_sandbox_t *sb);
/* The store could not write a record of a sandbox. */
void dl_step_undone(const char *kind, const char *id, struct dl_life *l);

#endif
