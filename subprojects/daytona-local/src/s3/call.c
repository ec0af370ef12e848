/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way of a request to its call: signature, credentials, bucket and key, what is asked, the prefix of the
 * credentials, then the call.
 */
#include "s3/chunks.h"
#include "s3/internal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool dl_s3_is_for(dl_req_t *req) {
  const char *path = dl_req_path(req), *authorization = dl_req_header(req, "Authorization");
  static const char bucket[] = "/" DL_S3_BUCKET;
  size_t len = sizeof bucket - 1;
  if (strncmp(path, bucket, len) == 0 && (path[len] == '/' || path[len] == '\0')) return true;
  return (authorization && dl_starts_with(authorization, "AWS4-HMAC-SHA256")) ||
         strstr(dl_req_raw_query(req), "X-Amz-Signature=") != NULL;
}

void dl_s3_reply_fault(dl_req_t *req, int status, const char *code, const char *message) {
  const char *name = status == 503 ? "SlowDown" : status >= 500 ? "InternalError" : "InvalidRequest";
  dl_s3_fail_as(req, status, code ? code : name, message ? message : "a fault on purpose");
}

static void drop_call(void *data) {
  dl_s3_call_t *call = data;
  dl_sigv4_clear(&call->signature);
  explicit_bzero(call->signing_key, sizeof call->signing_key);
  free(call->key);
  free(call);
}

/* No segment leads anywhere else, and no character is one that a document could not carry. */
static dl_s3_code_t check_key(const char *key, const char **detail) {
  size_t len = strlen(key);
  if (len > DL_S3_KEY_MAX) return DL_S3_KeyTooLongError;
  for (size_t i = 0; i < len; i++) {
    if ((unsigned char)key[i] >= ' ' && key[i] != 0x7f) continue;
    *detail = "a key has no control characters";
    return DL_S3_InvalidArgument;
  }
  for (const char *at = key;; at++) {
    size_t part = strcspn(at, "/");
    bool is_dots = (part == 1 && at[0] == '.') || (part == 2 && at[0] == '.' && at[1] == '.');
    if (is_dots) {
      *detail = "a key has no part that is . or ..";
      return DL_S3_InvalidArgument;
    }
    at += part;
    if (*at == '\0') return DL_S3_OK;
  }
}

/* /BUCKET, /BUCKET/ or /BUCKET/KEY. */
static dl_s3_code_t read_path(const char *path, char **key, const char **detail) {
  static const char bucket[] = "/" DL_S3_BUCKET;
  size_t len = sizeof bucket - 1;
  if (strcmp(path, "/") == 0) {
    *detail = "these credentials list no buckets; there is " DL_S3_BUCKET;
    return DL_S3_AccessDenied;
  }
  if (strncmp(path, bucket, len) != 0 || (path[len] != '/' && path[len] != '\0')) return DL_S3_NoSuchBucket;
  const char *rest = path + len + (path[len] == '/');
  if (*rest == '\0') return DL_S3_OK;
  *key = dl_url_decode(rest, strlen(rest), false);
  if (!*key) {
    *detail = "the key is not UTF-8, or not well encoded";
    return DL_S3_InvalidArgument;
  }
  return check_key(*key, detail);
}

/* --- the signature --- */

typedef struct {
  dl_sigv4_field_t fields[DL_SIGV4_HEADERS_MAX];
  size_t count;
  bool is_too_many;
} fields_t;

static void add_field(void *user, const char *name, const char *value) {
  fields_t *f = user;
  if (f->count < DL_COUNT(f->fields))
    f->fields[f->count++] = (dl_sigv4_field_t){name, value};
  else
    f->is_too_many = true;
}

/* The name that the client has called by is part of what it signs. */
static const char *host_of(const dl_s3_t *s, const dl_req_t *req) {
  const char *told = dl_is_from_trusted(s->opts.front, req) ? dl_req_header(req, "X-Forwarded-Host") : NULL;
  return told ? told : dl_req_header(req, "Host");
}

static dl_s3_code_t check_payload(const char *payload) {
  bool is_signed, has_trailer;
  bool is_hash = strlen(payload) == 64 && strspn(payload, "0123456789abcdef") == 64;
  if (is_hash || strcmp(payload, "UNSIGNED-PAYLOAD") == 0 || dl_chunks_is(payload, &is_signed, &has_trailer))
    return DL_S3_OK;
  return dl_starts_with(payload, "STREAMING-") ? DL_S3_NotImplemented : DL_S3_InvalidArgument;
}

static dl_s3_code_t verify(dl_s3_call_t *call, dl_req_t *req, const char **detail) {
  fields_t fields = {.count = 0};
  dl_s3_t *s = call->s3;
  char *secret = NULL;
  dl_req_each_header(req, add_field, &fields);
  if (fields.is_too_many) return DL_S3_InvalidRequest;
  const dl_sigv4_request_t r = {dl_req_method(req), dl_req_path(req), dl_req_raw_query(req),
                                host_of(s, req),    fields.fields,    fields.count};
  dl_s3_code_t code = dl_sigv4_read(&call->signature, &r, DL_S3_REGION, detail);
  if (code == DL_S3_OK) code = dl_s3_secret_of(s, &call->signature, &secret);
  if (code == DL_S3_OK) {
    dl_sigv4_key(&call->signature, secret, call->signing_key);
    code = dl_sigv4_check(&call->signature, &r, call->signing_key, detail);
  }
  /* Client and server have clocks of their own: the wall's, not the one of the server's objects. */
  if (code == DL_S3_OK) code = dl_sigv4_check_time(&call->signature, dl_wall_ms());
  if (code == DL_S3_OK) code = check_payload(call->signature.payload);
  if (secret) explicit_bzero(secret, strlen(secret));
  free(secret);
  return code;
}

/* An address that keeps failing is refused before its signature is looked at. */
static bool is_failing_peer(dl_s3_t *s, const dl_req_t *req, int cost) {
  int64_t now = dl_objects_now(s->opts.objects);
  dl_verdict_t v = dl_rates_take(s->opts.limits, DL_BUCKET_FAILED_AUTH, dl_req_peer(req), cost, now);
  return v.is_limited && v.is_blocked;
}

/* --- what is asked --- */

typedef void (*call_fn)(dl_s3_call_t *call, dl_req_t *req);

static void head_bucket(dl_s3_call_t *call, dl_req_t *req) {
  (void)call;
  dl_req_add_header(req, "x-amz-bucket-region", DL_S3_REGION);
  dl_reply_empty(req, 200);
}

static void get_location(dl_s3_call_t *call, dl_req_t *req) {
  (void)call;
  dl_buf_t out;
  dl_buf_init(&out, 1024);
  /* us-east-1 is said by saying nothing. */
  dl_buf_puts(&out,
              "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
              "<LocationConstraint xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"/>");
  dl_s3_reply_xml(req, &out);
}

/* `marks`: query names that make it this call; `others`: those that it takes beside. */
static const struct {
  const char *method;
  bool has_key;
  const char *marks[2], *others[8];
  call_fn call;
} calls[] = {
  {"GET", false, {"location"}, {0}, get_location},
  {"GET",
   false,
   {"uploads"},
   {"prefix", "delimiter", "key-marker", "upload-id-marker", "max-uploads", "encoding-type"},
   dl_s3_list_uploads},
  {"GET",
   false,
   {"list-type"},
   {"prefix", "delimiter", "max-keys", "continuation-token", "start-after", "encoding-type", "fetch-owner"},
   dl_s3_list},
  {"HEAD", false, {0}, {0}, head_bucket},
  {"GET", true, {"uploadId"}, {"max-parts", "part-number-marker"}, dl_s3_list_parts},
  {"GET", true, {0}, {0}, dl_s3_get},
  {"HEAD", true, {0}, {0}, dl_s3_get},
  {"PUT", true, {"partNumber", "uploadId"}, {0}, dl_s3_put_part},
  {"PUT", true, {0}, {0}, dl_s3_put},
  {"POST", true, {"uploads"}, {0}, dl_s3_create_upload},
  {"POST", true, {"uploadId"}, {0}, dl_s3_complete_upload},
  {"DELETE", true, {"uploadId"}, {0}, dl_s3_abort_upload},
  {"DELETE", true, {0}, {0}, dl_s3_delete},
};

static bool is_among(const char *name, const char *const *list, size_t count) {
  for (size_t i = 0; i < count && list[i]; i++)
    if (strcmp(list[i], name) == 0) return true;
  return false;
}

/* How the request is signed, and which call of an SDK it is, changes nothing. */
static bool is_common(const char *name) {
  return strncasecmp(name, "X-Amz-", 6) == 0 || strcmp(name, "x-id") == 0;
}

/* A call fits with all its marks, and with nothing that it does not know: that might change its meaning. */
static bool fits(size_t at, const char *method, bool has_key, const dl_query_t *q) {
  if (strcmp(calls[at].method, method) != 0 || calls[at].has_key != has_key) return false;
  for (size_t i = 0; i < DL_COUNT(calls[at].marks) && calls[at].marks[i]; i++)
    if (!dl_query_get(q, calls[at].marks[i])) return false;
  for (size_t i = 0; i < q->count; i++) {
    const char *name = q->pairs[i].key;
    if (!is_common(name) && !is_among(name, calls[at].marks, DL_COUNT(calls[at].marks)) &&
        !is_among(name, calls[at].others, DL_COUNT(calls[at].others)))
      return false;
  }
  return true;
}

static call_fn find_call(dl_req_t *req, bool has_key) {
  for (size_t i = 0; i < DL_COUNT(calls); i++)
    if (fits(i, dl_req_method(req), has_key, dl_req_query(req))) return calls[i].call;
  return NULL;
}

/* Headers that ask for what is not here; ignoring them would be a lie. */
static void find_unknown(void *user, const char *name, const char *value) {
  static const char *const refused[] = {
    "x-amz-copy-source", "x-amz-server-side-encryption", "x-amz-object-lock", "x-amz-tagging", "x-amz-grant-",
    "x-amz-website-",    "x-amz-write-offset-",          "x-amz-bypass-",     "x-amz-mfa"};
  const char **found = user;
  for (size_t i = 0; i < DL_COUNT(refused); i++)
    if (strncasecmp(name, refused[i], strlen(refused[i])) == 0) *found = name;
  bool is_other_acl = strcasecmp(name, "x-amz-acl") == 0 && strcmp(value, "private") != 0;
  bool is_other_class = strcasecmp(name, "x-amz-storage-class") == 0 && strcmp(value, "STANDARD") != 0;
  if (is_other_acl || is_other_class) *found = name;
}

/* The credentials reach below the prefix of the organization; calls on the bucket look at their own prefix. */
static bool is_own_key(const dl_s3_t *s, const char *key) {
  const char *id = s->opts.objects->organization_id;
  size_t len = strlen(id);
  return strncmp(key, id, len) == 0 && key[len] == '/' && key[len + 1] != '\0';
}

static void run(dl_s3_call_t *call, dl_req_t *req) {
  const char *unknown = NULL;
  call_fn fn = find_call(req, call->key != NULL);
  dl_req_each_header(req, find_unknown, &unknown);
  if (!fn || unknown)
    dl_s3_fail(req, DL_S3_NotImplemented, NULL);
  else if (call->key && !is_own_key(call->s3, call->key))
    dl_s3_fail(req, DL_S3_AccessDenied,
               "these credentials reach below the prefix of their organization only");
  else
    fn(call, req);
}

void dl_s3_handle(dl_s3_t *s, dl_req_t *req) {
  const char *detail = NULL;
  char *id = dl_random_token(16, DL_ALPHABET_HEX);
  dl_req_add_header(req, "x-amz-request-id", id);
  free(id);
  if (is_failing_peer(s, req, 0)) {
    dl_s3_fail(req, DL_S3_SlowDown, NULL);
    return;
  }
  dl_s3_call_t *call = dl_xcalloc(1, sizeof *call);
  call->s3 = s;
  dl_req_set_data(req, call, drop_call);
  dl_s3_code_t code = verify(call, req, &detail);
  if (code != DL_S3_OK) (void)is_failing_peer(s, req, 1);
  if (code == DL_S3_OK) code = read_path(dl_req_path(req), &call->key, &detail);
  if (code == DL_S3_OK)
    run(call, req);
  else
    dl_s3_fail(req, code, detail);
}
