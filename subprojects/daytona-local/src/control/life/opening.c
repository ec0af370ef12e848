/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What sandboxes live on, opened and closed: the runtime, images, works, boxes that are kept ready, timers. Each is closed when
 * the one before has reported that it is: what uses another goes first.
 */
#include "control/life/life.h"
#include "control/life/steps.h"

#include "control/objects/snapshots.h"
#include "control/store/jobs.h"

#include <assert.h>
#include <stdlib.h>
#include <unistd.h>

void dl_life_init(dl_life_t *l, dl_objects_t *objects, uv_loop_t *loop) {
  *l = (dl_life_t){.objects = objects};
  dl_list_init(&l->begin_waits);
  dl_warm_init(&l->warm, objects, loop);
  uv_timer_init(loop, &l->alarm);
  uv_timer_init(loop, &l->retry);
}

static bool is_needed(const char *image, void *user) {
  return dl_image_is_needed(((dl_life_t *)user)->objects, image, NULL);
}

/* Files of sandboxes on images belong to others where the server is an ordinary user. */
static void tell_ids(dl_life_t *l, const dl_life_opts_t *opts) {
  const dl_image_ids_t ids = dl_images_ids(l->images);
  const char *exe = opts->runtime.exe ? opts->runtime.exe : "/proc/self/exe";
  if (geteuid() == 0) return;
  dl_jobs_set_ids(l->objects->jobs, exe,
                  &(dl_box_ids_t){ids.zero_uid, ids.first_uid, ids.zero_gid, ids.first_gid, ids.count});
}

/* A state directory on a file system without sockets is no reason not to serve. */
static void open_door(dl_life_t *l) {
  char *problem = NULL;
  l->door = dl_image_door_open(l->objects->loop, l->images, l->objects->state_dir, &problem);
  if (problem) dl_warn("`daytona-local image` does not work while this server runs: %s", problem);
  free(problem);
}

void dl_life_watch(dl_life_t *l, dl_life_watch_cb on_shown, void *user) {
  l->on_shown = on_shown;
  l->shown_user = user;
}

/* -1: *error. */
static int open_images(dl_life_t *l, const dl_life_opts_t *opts, char **error) {
  dl_images_opts_t images = opts->images;
  images.is_used = is_needed;
  images.user = l;
  char *logs = dl_xprintf("%s/builds", l->objects->state_dir);
  dl_works_opts_t works = opts->works;
  l->images = dl_images_new(l->objects->loop, &images, error);
  if (l->images) tell_ids(l, opts);
  works.images = l->images;
  works.log_dir = logs;
  if (l->images) l->works = dl_works_new(l->objects->loop, &works, error);
  free(logs);
  if (!l->works) return -1;
  open_door(l);
  return 0;
}

int dl_life_open(dl_life_t *l, const dl_life_opts_t *opts, char **error) {
  char text[2048] = "";
  dl_store_watch(l->objects->store, dl_step_undone, l);
  l->max_snapshot_gb = opts->max_snapshot_gb;
  l->accepts_unenforced = opts->accepts_unenforced;
  l->sandbox_env = opts->sandbox_env;
  l->sandbox_env_count = opts->sandbox_env_count;
  l->warm_count = opts->runtime.isolation == DL_ISOLATION_NONE ? 0 : opts->warm_count;
  if (!opts->images.no_proxy_env) l->proxy_env_count = dl_proxy_env(l->proxy_env);
  int rc = dl_runtime_new(l->objects->loop, &opts->runtime, &l->runtime, text, sizeof text);
  if (rc != 0) *error = dl_xstrdup(text);
  return rc == 0 ? open_images(l, opts, error) : rc;
}

void dl_life_keep_clock(dl_life_t *l) {
  int64_t offset = dl_clock_offset(&l->objects->clock);
  if (offset == l->clock_offset) return;
  l->clock_offset = offset;
  DL_LIST_EACH(&l->objects->sandbox_list, node) {
    dl_sandbox_t *sb = DL_CONTAINER(node, dl_sandbox_t, link);
    if (sb->life) dl_life_save(sb);
  }
}

void dl_life_freeze(dl_life_t *l) {
  if (l->runtime) dl_life_keep_clock(l);
  l->is_frozen = true;
  dl_warm_freeze(&l->warm);
  uv_timer_stop(&l->alarm);
  uv_timer_stop(&l->retry);
  /* At once, so that they end while the rest does. Their sandboxes keep what they have, the next server begins anew. */
  if (l->objects->jobs) dl_jobs_stop(l->objects->jobs);
  if (l->works) dl_works_stop(l->works);
}

static void on_warm_closed(void *user) {
  dl_life_t *l = user;
  l->on_closed(l->closed_user);
}

static void on_retry_closed(uv_handle_t *handle) {
  dl_life_t *l = DL_CONTAINER(handle, dl_life_t, retry);
  dl_warm_close(&l->warm, on_warm_closed, l);
}

static void on_alarm_closed(uv_handle_t *handle) {
  dl_life_t *l = DL_CONTAINER(handle, dl_life_t, alarm);
  uv_close((uv_handle_t *)&l->retry, on_retry_closed);
}

static void on_jobs_closed(void *user) {
  dl_life_t *l = user;
  l->objects->jobs = NULL;
  uv_close((uv_handle_t *)&l->alarm, on_alarm_closed);
}

static void on_images_closed(void *user) {
  dl_life_t *l = user;
  l->images = NULL;
  if (l->snapshots) l->snapshots->end(l);
  dl_proxy_env_clear(l->proxy_env, l->proxy_env_count);
  if (l->objects->jobs)
    dl_jobs_close(l->objects->jobs, on_jobs_closed, l);
  else
    on_jobs_closed(l);
}

static void on_door_closed(void *user) {
  dl_life_t *l = user;
  l->door = NULL;
  if (l->images)
    dl_images_close(l->images, on_images_closed, l);
  else
    on_images_closed(l);
}

static void on_works_closed(void *user) {
  dl_life_t *l = user;
  l->works = NULL;
  if (l->door)
    dl_image_door_close(l->door, on_door_closed, l);
  else
    on_door_closed(l);
}

static void on_runtime_closed(void *user) {
  dl_life_t *l = user;
  l->runtime = NULL;
  DL_LIST_EACH(&l->objects->sandbox_list, node) dl_step_box_is_over(DL_CONTAINER(node, dl_sandbox_t, link));
  if (l->works)
    dl_works_close(l->works, on_works_closed, l);
  else
    on_works_closed(l);
}

void dl_life_close(dl_life_t *l, void (*on_closed)(void *user), void *user) {
  assert(l->is_frozen && !l->on_closed);
  l->on_closed = on_closed;
  l->closed_user = user;
  DL_LIST_EACH(&l->objects->sandbox_list, node) dl_step_tell_waiters(DL_CONTAINER(node, dl_sandbox_t, link));
  if (l->snapshots) l->snapshots->tell_all(l);
  if (l->runtime)
    dl_runtime_close(l->runtime, on_runtime_closed, l);
  else
    on_runtime_closed(l);
}
