/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images, for the nouns that use them: snapshots, sandboxes from an image, object storage.
 *
 *   self->job = daytona__image_job_new(client->loop, image, entrypoint, on_content, self);
 *   static void on_content(daytona__image_content_t *content, const daytona_error_t *error, void *user) ...
 */
#ifndef DAYTONA_API_IMAGE_H
#define DAYTONA_API_IMAGE_H

#include <daytona/image.h>

#include "core/arena.h"
#include "core/loop.h"

/* A Dockerfile; also what is read of any file for one. */
#define DAYTONA__DOCKERFILE_MAX ((size_t)1 << 20)

/* Local files and folders that one image names, after wildcards were resolved. */
#define DAYTONA__IMAGE_CONTEXTS_MAX 10000

/* An image's record of its calls; also what the names of all its contexts may take. */
#define DAYTONA__IMAGE_MEMORY_MAX ((size_t)16 << 20)

/* An image with its files looked at. Counted; belongs to the loop's thread. Never changes. */
typedef struct daytona__image_content {
  daytona_image_content_t view; /* what programs see of it */
  unsigned refs;
  daytona__arena_t arena;
  daytona_errcode_t code; /* until it was delivered: why there is none */
  const char *message;
  int system_errno;
} daytona__image_content_t;

daytona__image_content_t *daytona__image_content_retain(daytona__image_content_t *content);
void daytona__image_content_release(daytona__image_content_t *content); /* takes NULL */

/* Files being looked at on the thread pool. */
typedef struct daytona__image_job daytona__image_job_t;

/*
 * The end of a job: `content`, borrowed for the call, or `error`, whose message has no prefix. Once, from a
 * later turn of the loop; the job is gone then.
 */
typedef void (*daytona__image_done_cb)(daytona__image_content_t *content, const daytona_error_t *error,
                                       void *user);

/*
 * Look at the files of `image` as it is now; it is retained as long as needed. Errors that the image has kept
 * are delivered in the same way. `entrypoint` is copied: an ENTRYPOINT that is added to this content and not
 * to the image; NULL: none. Keeps the loop alive. NULL: no memory, and `done` is not called.
 */
daytona__image_job_t *daytona__image_job_new(daytona__loop_t *loop, daytona_image_t *image,
                                             const daytona_strings_t *entrypoint, daytona__image_done_cb done,
                                             void *user);

/* `done` is not called any more; the job frees itself. Takes NULL. */
void daytona__image_job_cancel(daytona__image_job_t *job);

#endif
