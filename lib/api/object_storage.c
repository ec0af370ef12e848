/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Object storage: uploading one context. The work is done by call/storage.h; here are arguments and results.
 */
#include <daytona/object_storage.h>

#include <string.h>

#include "call/method.h"
#include "call/results.h"
#include "call/storage.h"
#include "core/path.h"

/* Of the official SDKs, for those who bring their own storage. */
static const char bucket_default[] = "daytona-volume-builds";

/* A local path, and so its name in an archive. */
#define PATH_SIZE_MAX ((size_t)64 << 10)

typedef struct upload_args {
  const char *path;
} upload_args_t;

typedef struct upload {
  daytona__op_t op; /* first */
  daytona__storage_t *storage;
  daytona_fs_progress_cb on_progress;
  void *user;
  daytona__timer_t deadline;
  int64_t timeout_ms;
} upload_t;

#define OPTS daytona_object_storage_upload_opts_t

static const char *check(const void *args, const void *given);

DAYTONA__METHOD(upload, .prefix = "Failed to upload a context: ", .verb = "GET",
                .path = "/object-storage/push-access", .response = &daytona__s3_access_model,
                .request = DAYTONA__ARGS(upload_args_t, DAYTONA__ARG(NOWHERE, upload_args_t, STRING, path,
                                                                     "path", .rules = DAYTONA__NONEMPTY)),
                .check = check);

static bool is_given(const char *text) { return text != NULL && *text != '\0'; }

static const char *check(const void *args, const void *given) {
  const OPTS *opts = given;
  const daytona_object_storage_credentials_t *own = &opts->credentials;
  bool is_bare = own->access_key == NULL && own->secret_key == NULL && own->session_token == NULL &&
                 own->bucket == NULL && own->region == NULL && own->organization_id == NULL;
  int64_t unused;
  (void)args;
  if (!DAYTONA__RESERVED_OK(own)) return "reserved words of the credentials are not zero";
  if (opts->parallel_parts < 0 || opts->parallel_parts > DAYTONA__STORAGE_PARALLEL_MAX)
    return "parallel_parts must be 1 to 16";
  if (!daytona__timeout_resolve(opts->idle_timeout_ms, 1, &unused))
    return "idle_timeout_ms must be at least 0, or DAYTONA_NO_TIMEOUT";
  if (!daytona__timeout_resolve(opts->timeout_ms, 1, &unused))
    return "timeout_ms must be at least 0, or DAYTONA_NO_TIMEOUT";
  if (own->endpoint_url == NULL)
    return is_bare ? NULL : "credentials need an endpoint_url; without one they are the control plane's";
  if (!is_given(own->access_key) || !is_given(own->secret_key) || !is_given(own->organization_id))
    return "credentials need an access_key, a secret_key and an organization_id";
  return NULL;
}

/* --- running ----------------------------------------------------------------------------------- */

static int pause_upload(daytona_future_t *future);
static int resume_upload(daytona_future_t *future);

static const daytona__op_kind_t upload_kind = {
  .name = "context upload", .pause = pause_upload, .resume = resume_upload};

static int pause_upload(daytona_future_t *future) {
  daytona__storage_pause(((upload_t *)daytona__op_of(future, &upload_kind))->storage);
  return 0;
}

static int resume_upload(daytona_future_t *future) {
  daytona__storage_resume(((upload_t *)daytona__op_of(future, &upload_kind))->storage);
  return 0;
}

static void end_upload(daytona__op_t *op) {
  upload_t *self = (upload_t *)op;
  daytona__timer_stop(&self->deadline);
  daytona__storage_close(self->storage);
  self->storage = NULL;
}

static void on_deadline(daytona__timer_t *timer) {
  upload_t *self = DAYTONA__CONTAINER(timer, upload_t, deadline);
  daytona__op_reject(&self->op, DAYTONA_EDEADLINE, "not finished within %lld ms",
                     (long long)self->timeout_ms);
}

static void on_progress(daytona__op_t *op, int64_t bytes, int64_t total) {
  upload_t *self = (upload_t *)op;
  const daytona_transfer_progress_t progress = {bytes, total};
  daytona__loop_t *loop = daytona__loop_retain(op->client->loop);
  daytona__loop_enter(loop);
  self->on_progress(&progress, self->user);
  daytona__loop_leave(loop);
  daytona__loop_release(loop);
}

static void on_stored(daytona__op_t *op, const daytona_error_t *error) {
  upload_t *self = (upload_t *)op;
  daytona__arena_t *arena = &op->future->arena;
  if (error != NULL) {
    daytona__op_fail(op, error);
    return;
  }
  const daytona__storage_result_t *stored = daytona__storage_results(self->storage);
  daytona_object_storage_result_t *result = daytona__arena_alloc(arena, sizeof *result);
  if (result != NULL) {
    result->hash = daytona__arena_strdup(arena, stored->hash);
    result->key = daytona__arena_printf(arena, "%s/context.tar", stored->hash);
    result->was_there = stored->was_there;
    result->sent_bytes = stored->sent_bytes;
  }
  if (result == NULL || result->hash == NULL || result->key == NULL)
    daytona__op_fail(op, daytona__error_static(DAYTONA_ENOMEM));
  else
    daytona__op_resolve(op, &daytona__type_object_storage_result, result);
}

/* --- beginning --------------------------------------------------------------------------------- */

/* 0, or a code; *out is the name, in the arena. */
static int archive_path(daytona__arena_t *arena, const char *path, const char **out) {
  daytona__strbuf_t text;
  daytona__strbuf_init(&text, PATH_SIZE_MAX);
  daytona__path_put_archive(&text, path);
  int rc = text.error;
  if (rc == 0 && (*out = daytona__arena_strndup(arena, text.data, text.size)) == NULL) rc = DAYTONA_ENOMEM;
  daytona__strbuf_clear(&text);
  return rc;
}

static int begin(upload_t *self, const char *path, const OPTS *opts) {
  const daytona_object_storage_credentials_t *own = &opts->credentials;
  daytona_image_context_t context = {path, opts->archive_path};
  const daytona_image_context_t *const contexts[] = {&context};
  const daytona__s3_access_t access = {
    own->access_key,   own->secret_key,      own->session_token,
    own->endpoint_url, own->organization_id, is_given(own->bucket) ? own->bucket : bucket_default,
    own->region};
  const daytona__storage_opts_t storage_opts = {.access = own->endpoint_url != NULL ? &access : NULL,
                                                .parallel = opts->parallel_parts,
                                                .idle_timeout_ms = opts->idle_timeout_ms,
                                                .on_progress = self->on_progress != NULL ? on_progress : NULL,
                                                .done = on_stored};
  int rc =
    context.archive_path == NULL ? archive_path(&self->op.future->arena, path, &context.archive_path) : 0;
  if (rc != 0) return rc;
  self->storage = daytona__storage_new(&self->op, contexts, 1, &storage_opts);
  return self->storage != NULL ? 0 : DAYTONA_ENOMEM;
}

daytona_future_t *daytona_object_storage_upload(daytona_client_t *client, const char *path,
                                                const OPTS *opts) {
  static const OPTS defaults;
  daytona_future_t *future;
  const upload_args_t args = {path};
  upload_t *self = (upload_t *)daytona__call_new(&upload_method, client, NULL, sizeof *self, &args,
                                                 DAYTONA__OPTS(opts), &future);
  if (opts == NULL) opts = &defaults;
  if (self != NULL) {
    self->on_progress = opts->on_progress;
    self->user = opts->user;
    daytona__timer_init(&self->deadline, on_deadline);
    daytona__timeout_resolve(opts->timeout_ms, DAYTONA_NO_TIMEOUT, &self->timeout_ms);
    int rc = begin(self, path, opts);
    if (rc != 0) {
      daytona__op_reject(&self->op, (daytona_errcode_t)rc, "%s", daytona_errcode_text(rc));
    } else {
      self->op.ending = end_upload;
      future->op_kind = &upload_kind;
      if (self->timeout_ms > 0) daytona__timer_start(client->loop, &self->deadline, self->timeout_ms);
    }
  }
  daytona__future_own(future, opts->destroy_user, opts->user);
  return future;
}

int daytona_object_storage_parse_archive_path(const char *path, char *out, size_t size) {
  daytona__strbuf_t text;
  if (path == NULL || out == NULL) return DAYTONA_EINVAL;
  daytona__strbuf_init(&text, PATH_SIZE_MAX);
  daytona__path_put_archive(&text, path);
  int rc = text.error;
  if (rc == 0 && text.size >= size) rc = DAYTONA_ELIMIT;
  if (rc == 0) memcpy(out, text.data, text.size + 1);
  daytona__strbuf_clear(&text);
  return rc;
}
