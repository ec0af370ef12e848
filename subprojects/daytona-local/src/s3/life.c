/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store as a whole: its start and end, and what builds take from it.
 */
#include "s3/internal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define OBJECT_MAX (INT64_C(5) << 30)
#define TOTAL_MAX (INT64_C(100) << 30)
#define EXPIRY_STEP_MS 60000
#define CONTEXT_HASH_MAX 256u

/* --- its life --- */

static void on_timer(uv_timer_t *timer) { dl_uploads_expire(&((dl_s3_t *)timer->data)->uploads); }

dl_s3_t *dl_s3_new(uv_loop_t *loop, const dl_s3_opts_t *opts, char **error) {
  assert(opts->objects && opts->limits && opts->front);
  dl_s3_t *s = dl_xcalloc(1, sizeof *s);
  s->opts = *opts;
  if (s->opts.object_max <= 0) s->opts.object_max = OBJECT_MAX;
  if (s->opts.total_max <= 0) s->opts.total_max = TOTAL_MAX;
  dl_random_bytes(s->secret, sizeof s->secret);
  dl_uploads_init(&s->uploads, &s->blobs);
  if (dl_blobs_open(&s->blobs, opts->objects, loop, opts->is_durable, error) != 0) {
    dl_s3_close(s, NULL, NULL);
    return NULL;
  }
  uv_timer_init(loop, &s->timer);
  s->has_timer = true;
  s->timer.data = s;
  uv_timer_start(&s->timer, on_timer, EXPIRY_STEP_MS, EXPIRY_STEP_MS);
  uv_unref((uv_handle_t *)&s->timer);
  return s;
}

static void on_blobs_closed(void *user) {
  dl_s3_t *s = user;
  void (*on_closed)(void *) = s->on_closed;
  void *closed_user = s->closed_user;
  assert(s->intake_count == 0);
  dl_uploads_clear(&s->uploads);
  explicit_bzero(s->secret, sizeof s->secret);
  free(s);
  if (on_closed) on_closed(closed_user);
}

static void on_timer_closed(uv_handle_t *timer) {
  dl_s3_t *s = timer->data;
  dl_blobs_close(&s->blobs, on_blobs_closed, s);
}

void dl_s3_close(dl_s3_t *s, void (*on_closed)(void *user), void *user) {
  if (!s) {
    if (on_closed) on_closed(user);
    return;
  }
  s->on_closed = on_closed;
  s->closed_user = user;
  atomic_store(&s->blobs.is_stopping, true);
  if (s->has_timer)
    uv_close((uv_handle_t *)&s->timer, on_timer_closed);
  else
    dl_blobs_close(&s->blobs, on_blobs_closed, s);
}

dl_s3_usage_t dl_s3_usage(const dl_s3_t *s) {
  return (dl_s3_usage_t){dl_blobs_count(&s->blobs), s->uploads.count, atomic_load(&s->blobs.used_bytes)};
}

/* --- for builds --- */

static const json_t *find_context(const dl_s3_t *s, const char *hash) {
  size_t len = strlen(hash);
  if (len == 0 || len > CONTEXT_HASH_MAX || strchr(hash, '/')) return NULL;
  char *key = dl_xprintf("%s/%s/context.tar", s->opts.objects->organization_id, hash);
  const json_t *record = dl_blob_find(&s->blobs, key);
  free(key);
  return record;
}

bool dl_s3_has_context(dl_s3_t *s, const char *hash) { return find_context(s, hash) != NULL; }

int dl_s3_open_context(dl_s3_t *s, const char *hash, int64_t *size_bytes) {
  const json_t *record = find_context(s, hash);
  if (!record) {
    errno = ENOENT;
    return -1;
  }
  int fd = dl_blob_open(&s->blobs, record);
  if (fd >= 0) *size_bytes = dl_json_int(record, "size", 0);
  return fd;
}

/* --- shared --- */

dl_s3_code_t dl_s3_os_error(const char *what, int error) {
  if (error == ENOSPC || error == EDQUOT || error == EFBIG) return DL_S3_InsufficientStorage;
  dl_error("object store: %s: %s", what, strerror(error));
  return DL_S3_InternalError;
}
