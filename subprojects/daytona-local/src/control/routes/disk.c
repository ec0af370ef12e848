/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every sandbox is measured by a job of its own; the last one answers.
 */
#include "control/routes/disk.h"

#include "control/store/jobs.h"

#include <stdlib.h>

typedef struct {
  dl_req_t *req;
  json_t *answer, *disk;
  size_t waiting;
} count_t;

typedef struct {
  count_t *count;
  char *id;
} one_t;

static void finish(count_t *n) {
  if (--n->waiting > 0) return;
  json_object_set_new(n->answer, "disk", n->disk);
  dl_reply_json(n->req, 200, n->answer);
  free(n);
}

static void on_measured(uint64_t bytes, const char *error, void *user) {
  one_t *one = user;
  json_object_set_new(one->count->disk, one->id, error ? json_null() : json_integer((json_int_t)bytes));
  finish(one->count);
  free(one->id);
  free(one);
}

void dl_disk_answer(dl_control_t *c, dl_req_t *req, json_t *answer) {
  dl_objects_t *o = &c->objects;
  count_t *n = dl_xcalloc(1, sizeof *n);
  *n = (count_t){.req = req, .answer = answer, .disk = json_object(), .waiting = 1};
  DL_LIST_EACH(&o->sandbox_list, node) {
    const dl_sandbox_t *sb = DL_CONTAINER(node, dl_sandbox_t, link);
    char *path = sb->state == DL_ARCHIVED ? dl_objects_archive(o, sb) : dl_objects_dir(o, sb);
    one_t *one = dl_xcalloc(1, sizeof *one);
    *one = (one_t){n, dl_xstrdup(sb->id)};
    n->waiting++;
    dl_job_measure(o->jobs, path, on_measured, one);
    free(path);
  }
  finish(n);
}
