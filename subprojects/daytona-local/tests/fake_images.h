/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images without a store and without buildah: what src/images does, done by hand. Linked instead of it.
 */
#ifndef FAKE_IMAGES_H
#define FAKE_IMAGES_H

#include "images/images.h"

/* A new, empty store; closed by dl_images_close. */
dl_images_t *fake_images_new(uv_loop_t *loop);
void fake_images_set_missing(dl_images_t *images, const char *missing);

/* `id`: any text. `entrypoint`: one word, or NULL. */
void fake_image_add(dl_images_t *images, const char *name, const char *id, uint64_t size,
                    const char *entrypoint);
void fake_image_set_imported(dl_images_t *images, const char *id);
bool fake_image_is_there(dl_images_t *images, const char *id);
/* How often it is held. */
unsigned fake_image_holds(dl_images_t *images, const char *id);

/* The one job of that kind ("pull", "build", "remove") and name that runs; NULL: there is none. */
dl_image_job_t *fake_job(dl_images_t *images, const char *kind, const char *name);
unsigned fake_job_count(const dl_images_t *images);
void fake_job_log(dl_image_job_t *job, const char *text);
/* Its end, at once: with the image that has its name, or with an error. */
void fake_job_done(dl_image_job_t *job, const char *error);
/* A cancelled one and a removal end on a later turn, as others do; this keeps them from that until they are done. */
void fake_jobs_linger(dl_images_t *images, bool linger);

#endif
