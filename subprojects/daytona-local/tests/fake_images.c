/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images by hand.
 */
#include "fake_images.h"

#include "base/list.h"
#include "images/door.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const char *const none[] = {NULL};

struct dl_image {
  dl_list_t link;
  dl_image_info_t info;
  const char *names[2], *entrypoint[2];
  unsigned holds;
};

struct dl_images {
  uv_loop_t *loop;
  dl_list_t all, jobs, gone; /* gone: removed while they were held */
  char *missing;
  bool lingers;
  void (*on_closed)(void *user);
  void *closed_user;
};

struct dl_image_job {
  dl_list_t link;
  dl_images_t *images;
  char *kind, *name;
  dl_image_callbacks_t cb;
  uv_timer_t timer; /* its end after a cancel, or of a removal */
  bool is_cancelled;
};

dl_images_t *fake_images_new(uv_loop_t *loop) {
  dl_images_t *images = dl_xcalloc(1, sizeof *images);
  images->loop = loop;
  dl_list_init(&images->all);
  dl_list_init(&images->jobs);
  dl_list_init(&images->gone);
  return images;
}

dl_images_t *dl_images_new(uv_loop_t *loop, const dl_images_opts_t *opts, char **error) {
  (void)opts, (void)error;
  return fake_images_new(loop);
}

void fake_images_set_missing(dl_images_t *images, const char *missing) { dl_set(&images->missing, missing); }
const char *dl_images_missing(const dl_images_t *images) { return images->missing; }
dl_image_ids_t dl_images_ids(const dl_images_t *images) {
  (void)images;
  return (dl_image_ids_t){.count = 1};
}

/* --- images --- */

static void free_image(dl_image_t *image) {
  dl_list_unlink(&image->link);
  free((char *)image->info.id);
  free((char *)image->names[0]);
  free((char *)image->entrypoint[0]);
  free(image);
}

void fake_image_add(dl_images_t *images, const char *name, const char *id, uint64_t size,
                    const char *entrypoint) {
  dl_image_t *image = dl_xcalloc(1, sizeof *image);
  image->names[0] = dl_xstrdup(name);
  image->entrypoint[0] = entrypoint ? dl_xstrdup(entrypoint) : NULL;
  image->info = (dl_image_info_t){.id = dl_xstrdup(id),
                                  .digest = "sha256:0",
                                  .names = image->names,
                                  .size_bytes = size,
                                  .entrypoint = image->entrypoint,
                                  .cmd = none,
                                  .env = none,
                                  .user = "",
                                  .work_dir = ""};
  dl_list_push(&images->all, &image->link);
}

static dl_image_t *find(dl_images_t *images, const char *name) {
  DL_LIST_EACH(&images->all, node) {
    dl_image_t *image = DL_CONTAINER(node, dl_image_t, link);
    if (strcmp(image->info.id, name) == 0 || strcmp(image->names[0], name) == 0) return image;
  }
  return NULL;
}

void fake_image_set_imported(dl_images_t *images, const char *id) {
  find(images, id)->info.is_imported = true;
}

bool fake_image_is_there(dl_images_t *images, const char *id) { return find(images, id) != NULL; }
unsigned fake_image_holds(dl_images_t *images, const char *id) { return find(images, id)->holds; }

dl_image_t *dl_image_open(dl_images_t *images, const char *name, char **error) {
  dl_image_t *image = find(images, name);
  if (!image) *error = dl_xprintf("there is no image %s", name);
  return image ? dl_image_retain(image) : NULL;
}

dl_image_t *dl_image_retain(dl_image_t *image) {
  image->holds++;
  return image;
}

void dl_image_release(dl_image_t *image) {
  if (!image) return;
  assert(image->holds > 0);
  image->holds--;
}

const dl_image_info_t *dl_image_info(const dl_image_t *image) { return &image->info; }
const char *const *dl_image_layers(const dl_image_t *image) {
  (void)image;
  return none;
}

/* --- jobs --- */

static void on_timer_closed(uv_handle_t *handle) {
  dl_image_job_t *job = DL_CONTAINER(handle, dl_image_job_t, timer);
  free(job->kind);
  free(job->name);
  free(job);
}

static void close_when_idle(dl_images_t *images) {
  if (!images->on_closed || !dl_list_empty(&images->jobs)) return;
  while (!dl_list_empty(&images->all)) free_image(DL_CONTAINER(images->all.next, dl_image_t, link));
  while (!dl_list_empty(&images->gone)) free_image(DL_CONTAINER(images->gone.next, dl_image_t, link));
  void (*on_closed)(void *) = images->on_closed;
  void *user = images->closed_user;
  free(images->missing);
  free(images);
  on_closed(user);
}

static void end(dl_image_job_t *job, dl_image_code_t code, const char *error) {
  dl_images_t *images = job->images;
  dl_image_t *image = error || strcmp(job->kind, "remove") == 0 ? NULL : find(images, job->name);
  dl_image_callbacks_t cb = job->cb;
  dl_list_unlink(&job->link);
  uv_close((uv_handle_t *)&job->timer, on_timer_closed);
  cb.on_done(&(dl_image_result_t){code, error, image}, cb.user);
  close_when_idle(images);
}

static void on_due(uv_timer_t *timer) {
  dl_image_job_t *job = DL_CONTAINER(timer, dl_image_job_t, timer);
  dl_image_t *image = strcmp(job->kind, "remove") == 0 ? find(job->images, job->name) : NULL;
  if (job->is_cancelled) {
    end(job, DL_IMAGE_CANCELLED, "cancelled");
    return;
  }
  if (image) {
    dl_list_unlink(&image->link);
    dl_list_push(&job->images->gone, &image->link);
  }
  end(job, image ? DL_IMAGE_OK : DL_IMAGE_UNKNOWN, image ? NULL : "there is none");
}

static dl_image_job_t *submit(dl_images_t *images, const char *kind, const char *name,
                              const dl_image_callbacks_t *cb) {
  dl_image_job_t *job = dl_xcalloc(1, sizeof *job);
  *job = (dl_image_job_t){.images = images, .kind = dl_xstrdup(kind), .name = dl_xstrdup(name), .cb = *cb};
  uv_timer_init(images->loop, &job->timer);
  dl_list_push(&images->jobs, &job->link);
  return job;
}

dl_image_job_t *dl_images_pull(dl_images_t *images, const char *reference, const dl_image_callbacks_t *cb) {
  return submit(images, "pull", reference, cb);
}
dl_image_job_t *dl_images_build(dl_images_t *images, const dl_image_build_t *build,
                                const dl_image_callbacks_t *cb) {
  return submit(images, "build", build->name, cb);
}
dl_image_job_t *dl_images_remove(dl_images_t *images, const char *name, const dl_image_callbacks_t *cb) {
  dl_image_job_t *job = submit(images, "remove", name, cb);
  if (!images->lingers) uv_timer_start(&job->timer, on_due, 0, 0);
  return job;
}

void dl_image_job_cancel(dl_image_job_t *job) {
  job->is_cancelled = true;
  if (!job->images->lingers) uv_timer_start(&job->timer, on_due, 0, 0);
}

void dl_images_close(dl_images_t *images, void (*on_closed)(void *user), void *user) {
  images->on_closed = on_closed;
  images->closed_user = user;
  images->lingers = false;
  DL_LIST_EACH(&images->jobs, node) dl_image_job_cancel(DL_CONTAINER(node, dl_image_job_t, link));
  close_when_idle(images);
}

dl_image_job_t *fake_job(dl_images_t *images, const char *kind, const char *name) {
  DL_LIST_EACH(&images->jobs, node) {
    dl_image_job_t *job = DL_CONTAINER(node, dl_image_job_t, link);
    if (strcmp(job->kind, kind) == 0 && strcmp(job->name, name) == 0) return job;
  }
  return NULL;
}

unsigned fake_job_count(const dl_images_t *images) {
  unsigned count = 0;
  DL_LIST_EACH(&images->jobs, node) count++;
  return count;
}

void fake_job_log(dl_image_job_t *job, const char *text) { job->cb.on_log(text, strlen(text), job->cb.user); }

void fake_job_done(dl_image_job_t *job, const char *error) {
  if (strcmp(job->kind, "remove") == 0) {
    on_due(&job->timer);
    return;
  }
  end(job, job->is_cancelled ? DL_IMAGE_CANCELLED : error ? DL_IMAGE_FAILED : DL_IMAGE_OK, error);
}

void fake_jobs_linger(dl_images_t *images, bool linger) { images->lingers = linger; }

/* --- there is no door --- */

dl_image_door_t *dl_image_door_open(uv_loop_t *loop, dl_images_t *images, const char *state_dir,
                                    char **error) {
  (void)loop, (void)images, (void)state_dir;
  *error = dl_xstrdup("there is no door");
  return NULL;
}

void dl_image_door_close(dl_image_door_t *door, void (*on_closed)(void *user), void *user) {
  (void)door;
  on_closed(user);
}

/* --- and no proxy --- */

size_t dl_proxy_env(dl_image_pair_t out[DL_PROXY_ENV_MAX]) {
  (void)out;
  return 0;
}

void dl_proxy_env_clear(dl_image_pair_t *pairs, size_t count) { (void)pairs, (void)count; }
