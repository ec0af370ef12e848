/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jobs on their lanes. Invariants: a job is in `all` until its callback was made; `stop` is the only thing that the
 * loop and a job's thread share while it runs.
 */
#include "control/store/jobs.h"

#include "base/lane.h"
#include "control/store/archive.h"
#include "control/store/layers.h"
#include "control/store/removal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* At once, of each kind. */
#define JOBS_AT_ONCE 2
/* Archives must not take the processor from requests. */
#define ARCHIVE_NICE 10

typedef enum { JOB_PACK, JOB_UNPACK, JOB_REMOVE, JOB_MEASURE, JOB_KINDS } job_kind_t;

struct dl_jobs {
  dl_lane_t *lanes[JOB_KINDS];
  int open_lanes;
  bool is_durable, is_stopped, is_closing;
  char *exe; /* NULL: there are no ids */
  dl_box_ids_t ids;
  dl_list_t all;
  void (*on_closed)(void *user);
  void *closed_user;
};

struct dl_job {
  dl_list_t link;
  dl_work_t work;
  dl_jobs_t *jobs;
  job_kind_t kind;
  char *from, *to;
  atomic_bool stop;
  char *error;
  dl_job_cb cb;
  dl_measured_cb measured;
  uint64_t bytes;
  void *user;
};

static void try_tree(dl_job_t *job, bool *is_foreign) {
  bool removes = job->kind == JOB_REMOVE;
  int rc =
    removes ? dl_remove_tree(job->from, &job->stop) : dl_layer_measure(job->from, &job->stop, &job->bytes);
  *is_foreign = rc == EACCES || rc == EPERM;
  if (rc == 0 || rc == ENOENT) return;
  job->error = rc == ECANCELED
                 ? dl_xstrdup(DL_GIVEN_UP)
                 : dl_xprintf("cannot %s %s: %s", removes ? "remove" : "measure", job->from, strerror(rc));
}

static void try_archive(dl_job_t *job, bool *is_foreign) {
  bool packs = job->kind == JOB_PACK;
  job->error = packs ? dl_archive_pack(job->from, job->to, job->jobs->is_durable, &job->stop)
                     : dl_archive_unpack(job->from, job->to, job->jobs->is_durable, &job->stop);
  *is_foreign = job->error && strcmp(job->error, DL_FOREIGN) == 0;
}

/* Most trees are the server's alone; of others that is found out by trying. */
static void run(dl_work_t *work) {
  static const dl_layer_task_t TASKS[JOB_KINDS] = {DL_LAYER_PACK, DL_LAYER_UNPACK, DL_LAYER_REMOVE,
                                                   DL_LAYER_MEASURE};
  dl_job_t *job = DL_CONTAINER(work, dl_job_t, work);
  const dl_jobs_t *jobs = job->jobs;
  bool is_foreign = false;
  if (job->kind == JOB_PACK || job->kind == JOB_UNPACK)
    try_archive(job, &is_foreign);
  else
    try_tree(job, &is_foreign);
  if (!is_foreign || !jobs->exe) return;
  free(job->error);
  job->error = dl_layer_run(jobs->exe, &jobs->ids, TASKS[job->kind], job->from, job->to, jobs->is_durable,
                            &job->stop, &job->bytes);
}

static void on_lane_closed(void *user) {
  dl_jobs_t *jobs = user;
  if (--jobs->open_lanes > 0) return;
  void (*on_closed)(void *) = jobs->on_closed;
  void *closed_user = jobs->closed_user;
  free(jobs->exe);
  free(jobs);
  if (on_closed) on_closed(closed_user);
}

static void close_when_empty(dl_jobs_t *jobs) {
  if (!jobs->is_closing || !dl_list_empty(&jobs->all)) return;
  for (int i = 0, count = jobs->open_lanes; i < count; i++)
    dl_lane_close(jobs->lanes[i], on_lane_closed, jobs);
}

static void done(dl_work_t *work) {
  dl_job_t *job = DL_CONTAINER(work, dl_job_t, work);
  dl_jobs_t *jobs = job->jobs;
  if (job->error && !atomic_load(&job->stop)) dl_warn("%s", job->error);
  if (job->cb) job->cb(job->error, job->user);
  if (job->measured) job->measured(job->bytes, job->error, job->user);
  dl_list_unlink(&job->link);
  free(job->error);
  free(job->from);
  free(job->to);
  free(job);
  close_when_empty(jobs);
}

dl_jobs_t *dl_jobs_new(uv_loop_t *loop, bool is_durable, char **error) {
  dl_jobs_t *jobs = dl_xcalloc(1, sizeof *jobs);
  jobs->is_durable = is_durable;
  dl_list_init(&jobs->all);
  for (int kind = 0; kind < JOB_KINDS; kind++) {
    jobs->lanes[kind] = dl_lane_new(loop, JOBS_AT_ONCE, kind == JOB_REMOVE ? 0 : ARCHIVE_NICE);
    if (!jobs->lanes[kind]) {
      *error = dl_xprintf("cannot make threads: %s", strerror(errno));
      if (kind == 0)
        free(jobs);
      else
        dl_jobs_close(jobs, NULL, NULL);
      return NULL;
    }
    jobs->open_lanes++;
  }
  return jobs;
}

static dl_job_t *submit(dl_jobs_t *jobs, job_kind_t kind, const char *from, const char *to, dl_job_cb cb,
                        void *user) {
  dl_job_t *job = dl_xcalloc(1, sizeof *job);
  job->jobs = jobs;
  job->kind = kind;
  job->from = dl_xstrdup(from);
  job->cb = cb;
  job->user = user;
  job->work.run = run;
  job->work.done = done;
  dl_set(&job->to, to);
  dl_list_push(&jobs->all, &job->link);
  atomic_store(&job->stop, jobs->is_stopped);
  dl_lane_add(jobs->lanes[kind], &job->work);
  if (jobs->is_stopped) dl_job_cancel(job);
  return job;
}

void dl_jobs_set_ids(dl_jobs_t *jobs, const char *exe, const dl_box_ids_t *ids) {
  dl_set(&jobs->exe, exe);
  jobs->ids = *ids;
}

dl_job_t *dl_job_pack(dl_jobs_t *jobs, const char *dir, const char *file, dl_job_cb cb, void *user) {
  return submit(jobs, JOB_PACK, dir, file, cb, user);
}
dl_job_t *dl_job_unpack(dl_jobs_t *jobs, const char *file, const char *dir, dl_job_cb cb, void *user) {
  return submit(jobs, JOB_UNPACK, file, dir, cb, user);
}
dl_job_t *dl_job_remove(dl_jobs_t *jobs, const char *path, dl_job_cb cb, void *user) {
  return submit(jobs, JOB_REMOVE, path, NULL, cb, user);
}

dl_job_t *dl_job_measure(dl_jobs_t *jobs, const char *path, dl_measured_cb cb, void *user) {
  dl_job_t *job = submit(jobs, JOB_MEASURE, path, NULL, NULL, user);
  job->measured = cb;
  return job;
}

void dl_job_cancel(dl_job_t *job) {
  atomic_store(&job->stop, true);
  if (dl_lane_withdraw(job->jobs->lanes[job->kind], &job->work)) job->error = dl_xstrdup(DL_GIVEN_UP);
}

void dl_jobs_stop(dl_jobs_t *jobs) {
  jobs->is_stopped = true;
  DL_LIST_EACH(&jobs->all, node) dl_job_cancel(DL_CONTAINER(node, dl_job_t, link));
}

void dl_jobs_close(dl_jobs_t *jobs, void (*on_closed)(void *user), void *user) {
  jobs->is_closing = true;
  jobs->on_closed = on_closed;
  jobs->closed_user = user;
  dl_jobs_stop(jobs);
  close_when_empty(jobs);
}
