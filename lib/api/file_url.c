/* SPDX-License-Identifier: Apache-2.0 */
/*
 * URLs to files of a sandbox, signed here.
 *
 *   find the toolbox, whose URL it becomes -> GET the key, unless a young one is known -> sign
 *
 * The signature is an HMAC of "v1:files:VERB:PATH:EXPIRES" with the path as it was given, not encoded.
 */
#include <daytona/sandbox.h>

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "call/method.h"
#include "call/results.h"
#include "core/ascii.h"
#include "core/own.h"
#include "net/digest.h"

enum { KEY_LIFE_MS = 15000, KEY_MAX = 4096, EXPIRES_DEFAULT_S = 3600 };

/* --- the key ----------------------------------------------------------------------------------- */

/* Printable ASCII: what both sides take for the same bytes. */
static bool is_key(const char *text, size_t size) {
  if (size == 0 || size > KEY_MAX) return false;
  for (size_t i = 0; i < size; i++)
    if (text[i] <= ' ' || text[i] > '~') return false;
  return true;
}

/* The key of a response, which is plain text, or a string of JSON. NULL: none. In `arena`. */
static const char *read_key(const daytona__op_t *op, daytona__arena_t *arena, int *rc) {
  const daytona__response_t *response = &op->http.response;
  const char *key = NULL;
  if (strcmp(op->http.response_type, "application/json") != 0)
    key = is_key(response->body, response->body_size)
            ? daytona__arena_strndup(arena, response->body, response->body_size)
            : "";
  else if (daytona__json_decode_string(arena, response->body, response->body_size, &key, NULL) != 0)
    key = "";
  if (key == NULL) *rc = DAYTONA_ENOMEM;
  return key != NULL && is_key(key, strlen(key)) ? key : NULL;
}

/* Keep the key of a response; without one none is known any more. 0, DAYTONA_EPROTOCOL or DAYTONA_ENOMEM. */
static int take_key(daytona__op_t *op) {
  daytona_sandbox_t *sandbox = op->sandbox;
  int rc = DAYTONA_EPROTOCOL;
  daytona__disown(&sandbox->signing_key);
  const char *key = read_key(op, &op->future->arena, &rc);
  if (key == NULL) return rc;
  sandbox->signing_key_ms = daytona__loop_now(op->client->loop);
  return daytona__own(&sandbox->signing_key, key);
}

static bool knows_key(const daytona_sandbox_t *sandbox) {
  int64_t age_ms = daytona__loop_now(sandbox->client->loop) - sandbox->signing_key_ms;
  return sandbox->signing_key != NULL && age_ms < KEY_LIFE_MS;
}

/* The key is new, whether the response shows it or not. */
static int finish_rotation(daytona__op_t *op, const void *args, void **answer, const char **problem) {
  return take_key(op) == DAYTONA_ENOMEM ? DAYTONA_ENOMEM : 0;
}

DAYTONA__METHOD(rotate, .prefix = "Failed to rotate signing key: ", .verb = "POST",
                .path = "/sandbox/{sandbox}/signing-key/rotate", .gives_body = true, .is_secret = true,
                .finish = finish_rotation);

daytona_future_t *daytona_sandbox_rotate_signing_key(daytona_sandbox_t *sandbox,
                                                     const daytona_call_opts_t *opts) {
  return daytona__call(sandbox, &rotate_method, NULL, DAYTONA__OPTS(opts));
}

/* --- the URL ----------------------------------------------------------------------------------- */

typedef struct url_args {
  const char *path;
} url_args_t;

typedef struct url_op {
  daytona__op_t op; /* first */
  const char *verb, *route, *path;
  daytona_opt_int_t expires_in_s;
  int64_t timeout_ms;
} url_op_t;

#define FILE_URL(noun, what)                                                                                \
  DAYTONA__METHOD(noun, .prefix = "Failed to create " what " URL: ", .verb = "GET", .path = "/files/" what, \
                  .service = DAYTONA__TOOLBOX, .is_stream = true, .is_secret = true,                        \
                  .request = DAYTONA__ARGS(url_args_t, DAYTONA__ARG(IN_QUERY, url_args_t, STRING, path,     \
                                                                    "path", .rules = DAYTONA__NONEMPTY)))

FILE_URL(download, "download");
FILE_URL(upload, "upload");

DAYTONA__METHOD(get_key, .verb = "GET", .path = "/sandbox/{sandbox}/signing-key", .gives_body = true,
                .is_secret = true);

/* Unix seconds, or 0 for never. */
static int64_t expiry(const url_op_t *self) {
  int64_t now = (int64_t)time(NULL), life = EXPIRES_DEFAULT_S;
  if (self->expires_in_s.is_set) life = self->expires_in_s.value;
  if (life <= 0) return 0;
  return life < INT64_MAX - now ? now + life : INT64_MAX;
}

/* "v1_" and the HMAC in base64; NULL without memory. */
static const char *sign(const url_op_t *self, int64_t expires) {
  daytona__arena_t *arena = &self->op.future->arena;
  const char *key = self->op.sandbox->signing_key;
  unsigned char mac[DAYTONA__SHA256_SIZE];
  char encoded[DAYTONA__BASE64_ROOM(DAYTONA__SHA256_SIZE)];
  const char *text = daytona__arena_printf(arena, "v1:files:%s:%s:%" PRId64, self->verb, self->path, expires);
  if (text == NULL || daytona__hmac_sha256(key, strlen(key), text, strlen(text), mac) != 0) return NULL;
  daytona__base64_url(encoded, mac, sizeof mac);
  return daytona__arena_printf(arena, "v1_%s", encoded);
}

static void settle(url_op_t *self) {
  daytona__op_t *op = &self->op;
  daytona__url_t url;
  const char *text = NULL;
  int64_t expires = expiry(self);
  const char *signature = sign(self, expires);
  int rc = DAYTONA_ENOMEM;
  if (signature != NULL) {
    daytona__url_init(&url);
    daytona__url_path(&url, op->sandbox->toolbox_url, self->route);
    daytona__url_query(&url, "path", self->path);
    daytona__url_query_int(&url, "expires", daytona_int(expires));
    daytona__url_query(&url, "signature", signature);
    rc = daytona__url_finish(&url, &op->future->arena, &text);
  }
  if (rc == 0)
    daytona__op_resolve(op, &daytona__type_string, (void *)text);
  else
    daytona__op_reject(op, (daytona_errcode_t)rc, "%s", daytona_errcode_text(rc));
}

static void on_key(daytona__op_t *op, const daytona_error_t *error, void *answer) {
  if (error != NULL) {
    daytona__op_fail(op, error);
    return;
  }
  int rc = take_key(op);
  if (rc == 0)
    settle((url_op_t *)op);
  else
    daytona__op_reject(
      op, (daytona_errcode_t)rc, "%s",
      rc == DAYTONA_EPROTOCOL ? "malformed response: there is no key in it" : daytona_errcode_text(rc));
}

/* The toolbox is known. */
static void on_located(daytona__op_t *op, const daytona_error_t *error, void *answer) {
  url_op_t *self = (url_op_t *)op;
  if (error != NULL) {
    daytona__op_fail(op, error);
  } else if (knows_key(op->sandbox)) {
    settle(self);
  } else {
    daytona__op_switch(op, &get_key_method);
    op->done = on_key;
    if (daytona__op_prepare(op, NULL, self->timeout_ms) == 0) daytona__op_send(op);
  }
}

static daytona_future_t *make(const char *name, daytona_sandbox_t *sandbox, const daytona__method_t *method,
                              const char *path, const daytona_sandbox_file_url_opts_t *opts) {
  daytona_future_t *future;
  const url_args_t args = {path};
  url_op_t *self = (url_op_t *)daytona__call_new_named(name, method, NULL, sandbox, sizeof *self, &args,
                                                       DAYTONA__OPTS(opts), &future);
  if (self == NULL) return future;
  bool is_upload = method == &upload_method;
  self->verb = is_upload ? "POST" : "GET";
  self->route = is_upload ? "/files/upload-v2" : "/files/download";
  self->path = daytona__arena_strdup(&future->arena, path);
  self->timeout_ms = opts != NULL ? opts->timeout_ms : 0;
  if (opts != NULL) self->expires_in_s = opts->expires_in_seconds;
  if (self->path == NULL)
    return daytona__op_reject(&self->op, DAYTONA_ENOMEM, "%s", daytona_errcode_text(DAYTONA_ENOMEM));
  self->op.done = on_located;
  if (daytona__call_prepare(&self->op, &args, DAYTONA__OPTS(opts), self->timeout_ms) == 0)
    daytona__op_send(&self->op);
  return future;
}

daytona_future_t *daytona_sandbox_download_url(daytona_sandbox_t *sandbox, const char *path,
                                               const daytona_sandbox_file_url_opts_t *opts) {
  return make(__func__, sandbox, &download_method, path, opts);
}

daytona_future_t *daytona_sandbox_upload_url(daytona_sandbox_t *sandbox, const char *path,
                                             const daytona_sandbox_file_url_opts_t *opts) {
  return make(__func__, sandbox, &upload_method, path, opts);
}
