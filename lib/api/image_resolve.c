/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An image with its files looked at: the job on the thread pool, and the public call.
 *
 * A job owns a copy of the image's record, so that the image can be changed meanwhile; the texts that the
 * record points at live in the image, which is retained. Only the loop's thread touches the counts of image
 * and content.
 */
#include "api/image.h"

#include <assert.h>
#include <string.h>

#include "api/image_impl.h"
#include "call/client_impl.h"
#include "call/op.h"
#include "core/future.h"
#include "core/memory.h"

/* --- content ----------------------------------------------------------------------------------- */

static daytona__image_content_t *content_new(void) {
  daytona__image_content_t *content = daytona__calloc(1, sizeof *content);
  if (content == NULL) return NULL;
  content->refs = 1;
  daytona__arena_init(&content->arena, DAYTONA__IMAGE_MEMORY_MAX);
  content->arena.is_pool = true;
  return content;
}

daytona__image_content_t *daytona__image_content_retain(daytona__image_content_t *content) {
  content->refs++;
  return content;
}

void daytona__image_content_release(daytona__image_content_t *content) {
  if (content == NULL) return;
  assert(content->refs > 0);
  if (--content->refs != 0) return;
  daytona__arena_clear(&content->arena);
  daytona__free(content);
}

/* --- jobs -------------------------------------------------------------------------------------- */

struct daytona__image_job {
  uv_work_t work;
  daytona__loop_t *loop;  /* retained */
  daytona_image_t *image; /* retained: the record points into it */
  image_record_t record;
  daytona__strbuf_t entrypoint;
  daytona__image_content_t *content;
  daytona__image_done_cb done; /* NULL: cancelled */
  void *user;
  bool is_cancelled; /* atomic: seen by the thread */
};

static void job_free(daytona__image_job_t *job) {
  daytona__image_content_release(job->content);
  daytona_image_release(job->image);
  daytona__strbuf_clear(&job->entrypoint);
  daytona__free(job->record.steps);
  daytona__free((char *)job->record.text);
  daytona__loop_release(job->loop);
  daytona__free(job);
}

static void on_work(uv_work_t *work) {
  daytona__image_job_t *job = work->data;
  daytona__image_work(&job->record, job->content);
}

static void on_worked(uv_work_t *work, int status) {
  daytona__image_job_t *job = work->data;
  daytona__loop_t *loop = daytona__loop_retain(job->loop);
  daytona__image_content_t *content = job->content;
  assert(status == 0); /* nobody cancels the request itself */
  if (job->done != NULL) {
    const daytona_error_t error = {.code = content->code,
                                   .message = content->message,
                                   .system_errno = content->system_errno,
                                   .retry_after_ms = -1};
    bool is_good = content->code == DAYTONA_OK;
    job->done(is_good ? content : NULL, is_good ? NULL : &error, job->user);
  }
  job_free(job);
  daytona__loop_job_end(loop);
  daytona__loop_release(loop);
}

/* The image as it is now. */
static bool job_record(daytona__image_job_t *job, const daytona_image_t *image,
                       const daytona_strings_t *entrypoint) {
  size_t size = image->step_count * sizeof *image->steps;
  daytona__strbuf_init(&job->entrypoint, DAYTONA__DOCKERFILE_MAX);
  if (entrypoint != NULL) daytona__image_put_words(&job->entrypoint, "ENTRYPOINT", entrypoint);
  job->record.steps = daytona__alloc(size);
  job->record.text = daytona__strndup(image->text.size != 0 ? image->text.data : "", image->text.size);
  if (job->record.steps == NULL || job->record.text == NULL || job->entrypoint.error == DAYTONA_ENOMEM)
    return false;
  if (size != 0) memcpy(job->record.steps, image->steps, size);
  job->record.step_count = image->step_count;
  job->record.code = image->code;
  job->record.message = image->message;
  job->record.is_cancelled = &job->is_cancelled;
  job->record.entrypoint = job->entrypoint.size != 0 ? job->entrypoint.data : "";
  if (job->entrypoint.error != 0 && job->record.code == DAYTONA_OK) {
    job->record.code = DAYTONA_ELIMIT;
    job->record.message = "the entrypoint is too long";
  }
  return true;
}

daytona__image_job_t *daytona__image_job_new(daytona__loop_t *loop, daytona_image_t *image,
                                             const daytona_strings_t *entrypoint, daytona__image_done_cb done,
                                             void *user) {
  assert(image != NULL && done != NULL);
  daytona__image_job_t *job = daytona__calloc(1, sizeof *job);
  if (job == NULL) return NULL;
  job->work.data = job;
  job->loop = daytona__loop_retain(loop);
  job->image = daytona_image_retain(image);
  job->done = done;
  job->user = user;
  job->content = content_new();
  if (job->content == NULL || !job_record(job, image, entrypoint) ||
      uv_queue_work(daytona__loop_uv(loop), &job->work, on_work, on_worked) != 0) {
    job_free(job);
    return NULL;
  }
  daytona__loop_job_begin(loop);
  return job;
}

void daytona__image_job_cancel(daytona__image_job_t *job) {
  if (job == NULL) return;
  job->done = NULL;
  __atomic_store_n(&job->is_cancelled, true, __ATOMIC_RELAXED);
}

/* --- the public call --------------------------------------------------------------------------- */

typedef struct resolve {
  daytona_future_t *future; /* a reference of the operation */
  daytona__image_job_t *job;
} resolve_t;

static void drop_content(void *result) { daytona__image_content_release(result); }

static const daytona__type_t type_image_content = {.name = "image_content", .drop = drop_content};

const daytona_image_content_t *daytona_future_image_content(const daytona_future_t *future) {
  const daytona__image_content_t *content = daytona__future_result(future, &type_image_content);
  return content != NULL ? &content->view : NULL;
}

static void on_content(daytona__image_content_t *content, const daytona_error_t *error, void *user) {
  resolve_t *self = user;
  daytona_future_t *future = self->future;
  self->job = NULL;
  if (error != NULL)
    daytona__future_fail_error(future, error);
  else
    daytona__future_resolve(future, &type_image_content, daytona__image_content_retain(content));
  daytona_future_release(future);
}

static void on_stop(daytona_future_t *future) {
  resolve_t *self = future->op;
  daytona__image_job_cancel(self->job);
  self->job = NULL;
  daytona_future_release(future);
}

daytona_future_t *daytona_image_resolve(daytona_client_t *client, daytona_image_t *image) {
  static const char prefix[] = "Failed to resolve image: ";
  if (client == NULL) return daytona__future_orphan();
  if (client->is_closing)
    return daytona__future_failed(client->loop, prefix, DAYTONA_ECLOSED, "the client is closed");
  if (image == NULL) return daytona__future_failed(client->loop, prefix, DAYTONA_EINVAL, "image is missing");
  daytona_future_t *future = daytona__future_new(client->loop, sizeof(resolve_t), prefix);
  if (daytona__future_is_dead(future)) return future;
  resolve_t *self = future->op;
  self->future = daytona_future_retain(future);
  self->job = daytona__image_job_new(client->loop, image, NULL, on_content, self);
  if (self->job == NULL) {
    daytona__future_fail(future, DAYTONA_ENOMEM, "out of memory for an image");
    daytona_future_release(self->future);
  } else {
    future->stop = on_stop;
  }
  return future;
}
