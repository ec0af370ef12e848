/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects that go out, what is kept of their headers, conditions, and deleting.
 */
#include "s3/flow.h"
#include "s3/internal.h"
#include "toolbox/core/range.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#define KEPT_MAX 8192u /* bytes of names and values */

/* --- headers --- */

typedef struct {
  json_t *headers;
  size_t bytes;
} kept_t;

static void keep(void *user, const char *name, const char *value) {
  static const char *const kept[] = {"Content-Type",        "Content-Encoding", "Content-Language",
                                     "Content-Disposition", "Cache-Control",    "Expires"};
  kept_t *k = user;
  bool is_kept = strncasecmp(name, "x-amz-meta-", 11) == 0;
  for (size_t i = 0; i < DL_COUNT(kept); i++) is_kept = is_kept || strcasecmp(name, kept[i]) == 0;
  k->bytes += is_kept ? strlen(name) + strlen(value) : 0;
  if (!is_kept || k->bytes > KEPT_MAX) return;
  /* The coding of the request is not one of the object. */
  if (strcasecmp(name, "Content-Encoding") == 0 && dl_starts_with(value, "aws-chunked")) {
    value += strlen("aws-chunked");
    value += strspn(value, " ,");
    if (*value == '\0') return;
  }
  json_t *text = json_string(value);
  if (text) json_object_set_new(k->headers, name, text);
}

json_t *dl_s3_kept_headers(const dl_req_t *req) {
  kept_t k = {json_object(), 0};
  dl_req_each_header(req, keep, &k);
  return k.headers;
}

json_t *dl_s3_record(dl_s3_t *s, const char *file, int64_t size, const char *etag, json_t *headers,
                     dl_sum_kind_t sum, const char *sum_value) {
  json_t *record =
    json_pack("{s:s, s:I, s:s, s:I, s:o}", "file", file, "size", (json_int_t)size, "etag", etag, "modified",
              (json_int_t)dl_objects_stamp(s->opts.objects), "headers", headers);
  if (sum != DL_SUM_NONE && sum_value && *sum_value)
    json_object_set_new(record, "sum",
                        json_pack("{s:s, s:s}", "header", dl_sum_header(sum), "value", sum_value));
  return record;
}

static void http_date(int64_t ms, char out[40]) {
  static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  time_t seconds = (time_t)(ms / 1000);
  struct tm t;
  gmtime_r(&seconds, &t);
  snprintf(out, 40, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[t.tm_wday % 7], t.tm_mday % 100,
           months[t.tm_mon % 12], (t.tm_year + 1900) % 10000, t.tm_hour % 100, t.tm_min % 100,
           t.tm_sec % 100);
}

static void add_headers(dl_req_t *req, const json_t *record, bool is_whole) {
  char date[40];
  const char *name, *mode = dl_req_header(req, "x-amz-checksum-mode");
  json_t *value;
  http_date(dl_json_int(record, "modified", 0), date);
  dl_req_add_header(req, "Last-Modified", date);
  char *etag = dl_xprintf("\"%s\"", dl_json_str(record, "etag"));
  dl_req_add_header(req, "ETag", etag);
  free(etag);
  dl_req_add_header(req, "Accept-Ranges", "bytes");
  /* A page that somebody has stored must not run as one of the server's. */
  dl_req_add_header(req, "Content-Security-Policy", "sandbox");
  dl_req_add_header(req, "X-Content-Type-Options", "nosniff");
  json_t *headers = json_object_get(record, "headers");
  json_object_foreach (headers, name, value) dl_req_add_header(req, name, json_string_value(value));
  if (!json_object_get(headers, "Content-Type") && !json_object_get(headers, "content-type"))
    dl_req_add_header(req, "Content-Type", "binary/octet-stream");
  const json_t *sum = json_object_get(record, "sum");
  if (!sum || !is_whole || !mode || strcasecmp(mode, "ENABLED") != 0) return;
  dl_req_add_header(req, dl_json_str(sum, "header"), dl_json_str(sum, "value"));
  dl_req_add_header(req, "x-amz-checksum-type", "FULL_OBJECT");
}

/* --- conditions --- */

bool dl_s3_etag_matches(const char *list, const char *etag) {
  size_t etag_len = strlen(etag);
  for (const char *at = list; *at != '\0';) {
    at += strspn(at, " ,\t");
    size_t len = strcspn(at, ", \t");
    const char *text = at;
    at += len;
    if (len >= 2 && text[0] == '"' && text[len - 1] == '"') text++, len -= 2;
    if ((len == 1 && *text == '*') || (len == etag_len && memcmp(text, etag, len) == 0)) return true;
  }
  return false;
}

bool dl_s3_may_replace(const dl_req_t *req, const json_t *before) {
  const char *match = dl_req_header(req, "If-Match"), *none = dl_req_header(req, "If-None-Match");
  const char *etag = before ? dl_json_str(before, "etag") : NULL;
  if (match && (!etag || !dl_s3_etag_matches(match, etag))) return false;
  return !none || !etag || !dl_s3_etag_matches(none, etag);
}

/* -1: there is none that can be read. */
static int64_t date_header(const dl_req_t *req, const char *name) {
  const char *text = dl_req_header(req, name), *end;
  struct tm tm = {0};
  if (!text) return -1;
  end = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm);
  return end && *end == '\0' ? (int64_t)timegm(&tm) : -1;
}

static dl_s3_code_t check_conditions(const dl_req_t *req, const json_t *record) {
  const char *match = dl_req_header(req, "If-Match"), *none = dl_req_header(req, "If-None-Match");
  const char *etag = dl_json_str(record, "etag");
  int64_t modified = dl_json_int(record, "modified", 0) / 1000;
  int64_t since = date_header(req, "If-Modified-Since"), unmodified = date_header(req, "If-Unmodified-Since");
  if (match && !dl_s3_etag_matches(match, etag)) return DL_S3_PreconditionFailed;
  if (!match && unmodified >= 0 && modified > unmodified) return DL_S3_PreconditionFailed;
  if (none && dl_s3_etag_matches(none, etag)) return DL_S3_NotModified;
  if (!none && since >= 0 && modified <= since) return DL_S3_NotModified;
  return DL_S3_OK;
}

/* --- the call --- */

/* The one range that is asked for, in `r`. More than one, or one that makes no sense, is as good as none. */
static dl_range_kind_t find_range(const dl_req_t *req, const json_t *record, dl_range_t *r) {
  dl_range_t ranges[DL_RANGES_MAX];
  size_t count = 0;
  const char *text = dl_req_header(req, "Range"), *only = dl_req_header(req, "If-Range");
  if (only && !dl_s3_etag_matches(only, dl_json_str(record, "etag"))) return DL_RANGE_NONE;
  dl_range_kind_t kind = dl_range_parse(text, dl_json_int(record, "size", 0), ranges, &count);
  if (kind == DL_RANGE_BAD || (kind == DL_RANGE_SOME && count != 1)) return DL_RANGE_NONE;
  *r = ranges[0];
  return kind;
}

static void send_object(dl_s3_call_t *call, dl_req_t *req, const json_t *record) {
  int64_t size = dl_json_int(record, "size", 0);
  dl_range_t r = {0, size};
  dl_range_kind_t kind = find_range(req, record, &r);
  if (kind == DL_RANGE_OUTSIDE) {
    char *text = dl_xprintf("bytes */%lld", (long long)size);
    dl_req_add_header(req, "Content-Range", text);
    free(text);
    dl_s3_fail(req, DL_S3_InvalidRange, NULL);
    return;
  }
  if (kind == DL_RANGE_NONE) r = (dl_range_t){0, size};
  bool is_head = strcmp(dl_req_method(req), "HEAD") == 0;
  int fd = is_head ? -1 : dl_blob_open(&call->s3->blobs, record);
  if (fd < 0 && !is_head) {
    dl_s3_fail(req, dl_s3_os_error("opening an object", errno), NULL);
    return;
  }
  add_headers(req, record, kind == DL_RANGE_NONE);
  if (kind == DL_RANGE_SOME) {
    char *text = dl_xprintf("bytes %lld-%lld/%lld", (long long)r.start, (long long)(r.start + r.len - 1),
                            (long long)size);
    dl_req_add_header(req, "Content-Range", text);
    free(text);
  }
  dl_outflow_start(&call->s3->blobs, req, kind == DL_RANGE_SOME ? 206 : 200, fd, r.start, r.len);
}

void dl_s3_get(dl_s3_call_t *call, dl_req_t *req) {
  const json_t *record = dl_blob_find(&call->s3->blobs, call->key);
  dl_s3_code_t code = record ? check_conditions(req, record) : DL_S3_NoSuchKey;
  if (code == DL_S3_OK)
    send_object(call, req, record);
  else
    dl_s3_fail(req, code, NULL);
}

/* --- deleting --- */

static void on_deleted(dl_written_t outcome, void *user) {
  dl_req_t *req = user;
  if (outcome == DL_WRITTEN)
    dl_reply_empty(req, 204);
  else
    dl_s3_fail(req, DL_S3_InternalError, "the change could not be written to the disk");
}

/* One that is not there is deleted already. */
void dl_s3_delete(dl_s3_call_t *call, dl_req_t *req) {
  if (dl_blob_find(&call->s3->blobs, call->key))
    dl_blob_remove(&call->s3->blobs, call->key, on_deleted, req);
  else
    dl_reply_empty(req, 204);
}
