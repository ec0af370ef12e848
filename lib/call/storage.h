/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Putting contexts of images into object storage, for the operations that need it: each is hashed, looked for, and packed
 * and sent if it is not there yet, in one request or, above one part, in a multipart upload.
 *
 *   self->storage = daytona__storage_new(op, contexts, count, &(daytona__storage_opts_t){.done = on_stored});
 *   ...
 *   static void on_stored(daytona__op_t *op, const daytona_error_t *error) { ... daytona__storage_hashes() ... }
 *   static void end(daytona__op_t *op) { daytona__storage_close(self->storage); ... }        the operation's `ending`
 *
 * No more than a part for each that is in flight is in memory. Files are read on the thread pool. What was begun in the
 * storage and not completed is aborted there: before `done` reports a failure, and after a close, which does not wait.
 */
#ifndef DAYTONA_CALL_STORAGE_H
#define DAYTONA_CALL_STORAGE_H

#include <daytona/image.h>

#include "call/s3.h"

/* A part of a multipart upload: the least that S3 takes, but for the last one. */
#define DAYTONA__STORAGE_PART_MAX ((size_t)5 << 20)

/* Parts of one object, by the protocol. */
#define DAYTONA__STORAGE_PARTS_MAX 10000

/* Parts in flight, which are in memory: unless the program says otherwise, and at most. */
#define DAYTONA__STORAGE_PARALLEL_DEFAULT 4
#define DAYTONA__STORAGE_PARALLEL_MAX 16

/* How long an abort may hold up the report of the failure that it is for. */
#define DAYTONA__STORAGE_ABORT_MAX_MS 5000

typedef struct daytona__storage daytona__storage_t;

typedef struct daytona__storage_result {
  const char *hash;
  bool was_there;     /* nothing was sent */
  int64_t sent_bytes; /* of the archive */
} daytona__storage_result_t;

typedef struct daytona__storage_opts {
  const daytona__s3_access_t *access; /* of the program; NULL: asked of the control plane */
  int parallel;                       /* 0: the default */
  int64_t idle_timeout_ms;            /* 0: the default; -1: none */
  /* Optional: so many bytes of the files are in the storage or on their way; `total` is -1 until all were hashed. May end
     the operation. */
  void (*on_progress)(daytona__op_t *op, int64_t bytes, int64_t total);
  /* Once, from a later turn. The results are there until the close; the error's strings as long. May end the operation. */
  void (*done)(daytona__op_t *op, const daytona_error_t *error);
} daytona__storage_opts_t;

/* DAYTONA__STORAGE_PART_MAX, but in tests. Read when an upload begins. */
extern size_t daytona__storage_part_size;

/* Begin. Contexts and options are copied. NULL: no memory. Without contexts no request is sent. */
daytona__storage_t *daytona__storage_new(daytona__op_t *op, const daytona_image_context_t *const *contexts,
                                         size_t count, const daytona__storage_opts_t *opts);

/* Stop whatever is under way, and free. Takes NULL. */
void daytona__storage_close(daytona__storage_t *storage);

void daytona__storage_pause(daytona__storage_t *storage);
void daytona__storage_resume(daytona__storage_t *storage);

/* When it is done: one for each context, in their order. */
const daytona__storage_result_t *daytona__storage_results(const daytona__storage_t *storage);

/* The hashes of `count` contexts as a list in `arena`. 0 or DAYTONA_ENOMEM. */
static inline int daytona__storage_hashes(const daytona__storage_t *storage, size_t count,
                                          daytona__arena_t *arena, daytona_strings_t *out) {
  const daytona__storage_result_t *results = daytona__storage_results(storage);
  const char **items = daytona__arena_array(arena, count, sizeof *items);
  if (items == NULL && count != 0) return DAYTONA_ENOMEM;
  for (size_t i = 0; i < count; i++)
    if ((items[i] = daytona__arena_strdup(arena, results[i].hash)) == NULL) return DAYTONA_ENOMEM;
  *out = (daytona_strings_t){.items = items, .count = count};
  return 0;
}

#endif
