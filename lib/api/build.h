/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What snapshots and sandboxes share that are made from an image: looking at its files, sending its contexts and the
 * Dockerfile, and reporting states and the log of the build while the operation waits.
 */
#ifndef DAYTONA_API_BUILD_H
#define DAYTONA_API_BUILD_H

#include <daytona/build.h>

#include "api/image.h"
#include "call/build_log.h"
#include "call/life.h"
#include "call/storage.h"

/* Part of an operation that waits for something that is built. All zero: it reports nothing. */
typedef struct daytona__build {
  daytona__life_t *life;
  daytona_build_cb on_event;
  void *user;
  const daytona__method_t *log_url;           /* NULL: nothing is built, and there is no log */
  bool (*is_built)(const daytona__op_t *op);  /* its state says that it is built, or will be */
  bool (*has_log)(const daytona__op_t *op);   /* its state says that a log can be there */
  const char *(*id)(const daytona__op_t *op); /* of the object */
  daytona__build_log_t *log;
  bool has_begun; /* is_built() in some state that was reported: there is a log of this build */
  bool is_log_over, is_holding;
  daytona__image_job_t *job; /* its files are being looked at */
  daytona__image_content_t *content;
  daytona__storage_t *storage;       /* its contexts are being uploaded */
  void (*stored)(daytona__op_t *op); /* content and storage are there */
  void (*ready)(daytona__op_t *op);  /* the body is complete */
  char state[32];                    /* reported last */
  uint64_t offset;
} daytona__build_t;

/*
 * Add the build of `image` to the body, which was prepared, as its member "buildInfo", and call `ready` in a later turn. An error
 * of the image or of its files ends the operation. The limit on the whole runs meanwhile. `entrypoint`: an ENTRYPOINT for
 * this build only.
 */
void daytona__build_from(daytona__build_t *build, daytona_image_t *image, const daytona_strings_t *entrypoint,
                         void (*ready)(daytona__op_t *op));

/* The first half of it: look at the files of `image`, put its contexts into the storage, call `stored` in a later turn. */
void daytona__build_store(daytona__build_t *build, daytona_image_t *image,
                          const daytona_strings_t *entrypoint, void (*stored)(daytona__op_t *op));

/* After that: the hashes of the contexts, in the operation's arena. 0 or DAYTONA_ENOMEM. */
int daytona__build_hashes(const daytona__build_t *build, daytona_strings_t *out);

/* The same for an image of a registry, at once. 0 or the code of an error. */
int daytona__build_from_name(daytona__op_t *op, const char *image_name);

/* Report to `on_event` while the operation waits. The other members are set already. */
void daytona__build_watch(daytona__build_t *build);

/* The state is known, as of the first response. May end the operation: look at its future. */
void daytona__build_report(daytona__build_t *build);

/* The limit has passed: true if only the log was waited for; the operation has ended then. */
bool daytona__build_late(daytona__build_t *build);

/* To be called in the operation's `ending`. */
void daytona__build_end(daytona__build_t *build);

#endif
