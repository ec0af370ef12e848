/* SPDX-License-Identifier: Apache-2.0
 *
 * Slow work on files, done on the thread pool: packing a home, unpacking it, removing a tree.
 */
#ifndef DL_JOBS_H
#define DL_JOBS_H

#include "base/list.h"

#include <uv.h>

/* `error` is NULL on success, else borrowed for the call. On the loop, on a later turn. */
typedef void (*dl_job_cb)(const char *error, void *user);

/* Every job is linked into `jobs` until it was reported. */

/* `dir` as a tar file at `file`, complete and synced or not there at all. */
void dl_job_pack(uv_loop_t *loop, dl_list *jobs, const char *dir, const char *file, dl_job_cb cb, void *user);
/* The other way; `dir` appears when all is in it. */
void dl_job_unpack(uv_loop_t *loop, dl_list *jobs, const char *file, const char *dir, dl_job_cb cb,
                   void *user);
/* A file or a whole tree; absent is fine. */
void dl_job_remove(uv_loop_t *loop, dl_list *jobs, const char *path, dl_job_cb cb, void *user);

/* As dl_job_remove, at once, for programs that are about to end. */
int dl_remove_tree(const char *path);

#endif
