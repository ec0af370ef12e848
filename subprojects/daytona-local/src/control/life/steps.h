/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The steps that operations on a sandbox are made of, for the files of this room; nobody else includes it.
 *
 *   states.c   states, who waits for one, intents
 *   boxes.c    the start of a box and its end, files that are removed
 *   life.c     the operations: create, start, stop, pause, archive, destroy, resize
 *   records.c  records that could not be written, and those of the last server
 *
 * Each uses those above it. records.c and copies.c use the operations, too, and what an operation has begun is ended in life.c.
 */
#ifndef DL_STEPS_H
#define DL_STEPS_H

#include "control/objects/sandbox.h"
#include "control/store/jobs.h"
#include "control/store/store.h"
#include "runtime/runtime.h"

struct dl_life_wait;

/* While the journal cannot be written. */
#define DL_RETRY_MS 1000

/* --- states.c --- */

/* It is not freed in between. */
void dl_step_hold(dl_sandbox_t *sb);
void dl_step_unhold(dl_sandbox_t *sb);

/* The only place that changes a state while the server runs. */
void dl_step_set_state(dl_sandbox_t *sb, dl_state_t to);
/* A state is reached, with its record on its way to disk. */
void dl_step_reached(dl_sandbox_t *sb, dl_state_t state, bool is_pending);
void dl_step_failed(dl_sandbox_t *sb, const char *reason, bool is_recoverable);
void dl_step_failed_as(dl_sandbox_t *sb, dl_state_t state, const char *reason, bool is_recoverable);
/* What is written is ahead of what is shown. */
void dl_step_save_as(dl_sandbox_t *sb, dl_state_t state);
/* Of what is true anyway: see dl_step_undone. */
void dl_step_ignore_commit(dl_written_t outcome, void *user);
/* To be called whenever the states have changed. */
void dl_step_tell_watcher(dl_sandbox_t *sb);

void dl_step_wait_for_start(dl_sandbox_t *sb, struct dl_life_wait wait);
void dl_step_tell_waiters(dl_sandbox_t *sb);

/* What it goes back to: before anything is changed for what was asked. Then that is changed, and `go` does it when it is on
 * disk. */
void dl_step_remember(dl_sandbox_t *sb);
void dl_step_intend(dl_sandbox_t *sb, void (*go)(dl_sandbox_t *sb));
/* The end of work on files came before it is decided whether that was to be interrupted: `cb` is called again. */
bool dl_step_defer(dl_sandbox_t *sb, dl_job_cb cb, const char *error);

/* --- boxes.c --- */

/* Its files are there. */
void dl_step_boot(dl_sandbox_t *sb);
/* There is no box any more (the runtime has ended, for one), and what it ran on is not needed by it. */
void dl_step_box_is_over(dl_sandbox_t *sb);
/* They borrow from it. */
dl_box_rules_t dl_step_rules_of(const dl_sandbox_t *sb);
/* `cb` may be NULL. */
void dl_step_discard_archive(dl_sandbox_t *sb, dl_job_cb cb);
void dl_step_discard_dir(dl_sandbox_t *sb, dl_job_cb cb);

/* --- life.c --- */

/* Its first files may be elsewhere. */
void dl_step_begin(dl_sandbox_t *sb);
void dl_step_restore(dl_sandbox_t *sb);
void dl_step_want_image(dl_sandbox_t *sb);
void dl_step_drop_building(dl_sandbox_t *sb);
void dl_step_end_box(dl_sandbox_t *sb, bool force);
void dl_step_finish_destroy(dl_sandbox_t *sb);

/* --- records.c --- */

/* The store could not write a record: of a sandbox, a volume or a snapshot. `user` is the dl_life_t. */
void dl_step_undone(const char *kind, const char *id, void *user);

#endif
