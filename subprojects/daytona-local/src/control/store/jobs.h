/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slow work on files: packing a home, unpacking it, removing a tree. Each kind has threads of its own, two at a time,
 * the rest waits in order; a job can be given up at any moment.
 */
#ifndef DL_JOBS_H
#define DL_JOBS_H

#include "base/list.h"
#include "runtime/runtime.h"

#include <uv.h>

typedef struct dl_jobs dl_jobs_t;
/* Valid until its callback. */
typedef struct dl_job dl_job_t;

/* `error` is NULL on success, else borrowed for the call. On the loop, on a later turn, once. */
typedef void (*dl_job_cb)(const char *error, void *user);

/* `is_durable` false leaves out the syncs. NULL and *error when there are no threads. */
dl_jobs_t *dl_jobs_new(uv_loop_t *loop, bool is_durable, char **error);

/* Files in sandboxes' folders may belong to these ids of images, and a process of `exe` (this program) does the work where
 * the server may not. Both are copied. For a server that is an ordinary user. */
void dl_jobs_set_ids(dl_jobs_t *jobs, const char *exe, const dl_box_ids_t *ids);

/* The directory `dir` as a tar file at `file`, complete and synced or not there at all; `dir` is as it was. */
dl_job_t *dl_job_pack(dl_jobs_t *jobs, const char *dir, const char *file, dl_job_cb cb, void *user);
/* The other way; `dir` appears when all is in it. */
dl_job_t *dl_job_unpack(dl_jobs_t *jobs, const char *file, const char *dir, dl_job_cb cb, void *user);
/* A file or a whole tree; absent is fine. */
dl_job_t *dl_job_remove(dl_jobs_t *jobs, const char *path, dl_job_cb cb, void *user);

/* Bytes that a file or a tree takes on the disk; 0 where there is none. */
typedef void (*dl_measured_cb)(uint64_t bytes, const char *error, void *user);
dl_job_t *dl_job_measure(dl_jobs_t *jobs, const char *path, dl_measured_cb cb, void *user);

/* Give the job up: it ends soon, at once when it has not begun, with an error unless it was over already. */
void dl_job_cancel(dl_job_t *job);

/* Gives up every job, those to come too. */
void dl_jobs_stop(dl_jobs_t *jobs);
/* Stops, waits until every callback was made, and frees. */
void dl_jobs_close(dl_jobs_t *jobs, void (*on_closed)(void *user), void *user);

#endif
