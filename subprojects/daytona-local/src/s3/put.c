/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects and parts that come in. The body goes to a file of `parts` under a fresh name; everything that the client has
 * said about it (length, hash, checksums, signatures of chunks) is checked before the file becomes anything.
 */
#include "s3/chunks.h"
#include "s3/flow.h"
#include "s3/internal.h"
#include "s3/sums.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* Bodies at once: each has two blocks. */
#define INTAKES_MAX 256u

typedef struct {
  dl_s3_t *s3;
  dl_s3_call_t *call; /* of the request, which outlives this */
  int part;           /* 0: a whole object */
  char upload_id[DL_UPLOAD_ID_LEN + 1];
  json_t *headers; /* of a whole object */
  /* What the client says. */
  int64_t declared; /* bytes of the content */
  bool has_chunks, has_trailer;
  const char *hash; /* the SHA-256 in hex that the signature covers; NULL: not covered */
  bool has_md5;
  unsigned char md5_wanted[16];
  dl_sum_kind_t kind;
  char sum_wanted[DL_SUM_BASE64_MAX];
  /* What comes; on the threads. */
  dl_chunks_t chunks;
  dl_sum_t sha256, md5, sum;
  int fd;
  char file[DL_BLOB_NAME_LEN + 1];
  int64_t total;
  bool is_moved; /* to `data` */
  unsigned char md5_is[16];
  char etag[33], sum_is[DL_SUM_BASE64_MAX];
  dl_s3_code_t error;
  const char *detail;
} incoming_t;

/* --- what the client says --- */

static dl_s3_code_t read_sums(incoming_t *in, const dl_req_t *req) {
  const char *md5 = dl_req_header(req, "Content-MD5"), *trailer = dl_req_header(req, "x-amz-trailer");
  unsigned char unused[DL_SUM_MAX];
  in->kind = DL_SUM_NONE;
  if (md5 && !dl_base64_read(md5, in->md5_wanted, sizeof in->md5_wanted)) return DL_S3_InvalidDigest;
  in->has_md5 = md5 != NULL;
  for (int kind = 0; kind < DL_SUM_MD5; kind++) {
    const char *value = dl_req_header(req, dl_sum_header((dl_sum_kind_t)kind));
    if (!value) continue;
    if (in->kind != DL_SUM_NONE || !dl_base64_read(value, unused, dl_sum_size((dl_sum_kind_t)kind)))
      return DL_S3_InvalidDigest;
    in->kind = (dl_sum_kind_t)kind;
    strcpy(in->sum_wanted, value); /* of a length that was just checked */
  }
  if (!in->has_trailer) return trailer ? DL_S3_InvalidRequest : DL_S3_OK;
  dl_sum_kind_t promised = trailer ? dl_sum_find(trailer) : DL_SUM_NONE;
  if (promised == DL_SUM_NONE || in->kind != DL_SUM_NONE) return DL_S3_InvalidRequest;
  in->kind = promised;
  return DL_S3_OK;
}

static dl_s3_code_t read_length(incoming_t *in, const dl_req_t *req) {
  int64_t length = dl_req_content_length(req);
  const char *decoded = dl_req_header(req, "x-amz-decoded-content-length");
  if (in->has_chunks) {
    if (!decoded || strspn(decoded, "0123456789") != strlen(decoded) ||
        !dl_parse_int(decoded, 0, INT64_MAX, &length))
      return DL_S3_MissingContentLength;
  } else if (length < 0) {
    return DL_S3_MissingContentLength;
  }
  in->declared = length;
  return length > in->s3->opts.object_max ? DL_S3_EntityTooLarge : DL_S3_OK;
}

static dl_s3_code_t read_head(incoming_t *in, dl_req_t *req) {
  const char *payload = in->call->signature.payload;
  bool is_signed = false;
  in->has_chunks = dl_chunks_is(payload, &is_signed, &in->has_trailer);
  in->hash = !in->has_chunks && strcmp(payload, "UNSIGNED-PAYLOAD") != 0 ? payload : NULL;
  dl_s3_code_t code = read_length(in, req);
  if (code == DL_S3_OK) code = read_sums(in, req);
  if (code != DL_S3_OK || !in->has_chunks) return code;
  dl_chunks_init(&in->chunks, is_signed, in->has_trailer, &in->call->signature, in->call->signing_key,
                 in->has_trailer ? in->kind : DL_SUM_NONE);
  return DL_S3_OK;
}

/* --- the content, on the threads --- */

static void fail(incoming_t *in, dl_s3_code_t code, const char *detail) {
  if (in->error != DL_S3_OK) return;
  in->error = code;
  in->detail = detail;
}

static void write_all(incoming_t *in, const char *bytes, size_t len) {
  while (len > 0) {
    ssize_t got = write(in->fd, bytes, len);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      fail(in, dl_s3_os_error("writing", errno), NULL);
      return;
    }
    bytes += got;
    len -= (size_t)got;
  }
}

static void take_content(void *user, const char *bytes, size_t len) {
  incoming_t *in = user;
  dl_blobs_t *b = &in->s3->blobs;
  if (in->error != DL_S3_OK) return;
  if (in->total + (int64_t)len > in->declared) {
    fail(in, DL_S3_IncompleteBody, NULL);
    return;
  }
  int64_t used = atomic_fetch_add(&b->used_bytes, (long long)len) + (int64_t)len;
  in->total += (int64_t)len;
  if (used > in->s3->opts.total_max) {
    fail(in, DL_S3_QuotaExceeded, NULL);
    return;
  }
  if (in->hash) dl_sum_add(&in->sha256, bytes, len);
  dl_sum_add(&in->md5, bytes, len);
  dl_sum_add(&in->sum, bytes, len);
  write_all(in, bytes, len);
}

static bool take(void *user, const char *bytes, size_t len) {
  incoming_t *in = user;
  if (in->has_chunks) {
    dl_chunks_feed(&in->chunks, bytes, len);
    if (in->chunks.error != DL_S3_OK) fail(in, in->chunks.error, in->chunks.detail);
  } else {
    take_content(in, bytes, len);
  }
  return in->error == DL_S3_OK;
}

static void check_sums(incoming_t *in) {
  unsigned char sum[DL_SUM_MAX];
  char hex[DL_SUM_HEX_MAX];
  dl_hex(sum, dl_sum_end(&in->sha256, sum), hex);
  if (in->hash && strcmp(hex, in->hash) != 0) fail(in, DL_S3_XAmzContentSHA256Mismatch, NULL);
  dl_sum_end(&in->md5, sum);
  memcpy(in->md5_is, sum, sizeof in->md5_is);
  dl_hex(sum, sizeof in->md5_is, in->etag);
  if (in->has_md5 && memcmp(sum, in->md5_wanted, sizeof in->md5_wanted) != 0) fail(in, DL_S3_BadDigest, NULL);
  if (in->kind == DL_SUM_NONE) return;
  dl_base64(sum, dl_sum_end(&in->sum, sum), in->sum_is);
  const char *wanted = in->has_trailer ? in->chunks.trailer_value : in->sum_wanted;
  if (strcmp(in->sum_is, wanted) != 0) fail(in, DL_S3_BadDigest, NULL);
}

/* Complete and on the disk, or not there at all. */
static void keep_file(incoming_t *in) {
  dl_blobs_t *b = &in->s3->blobs;
  if (in->error == DL_S3_OK && b->is_durable && fsync(in->fd) != 0)
    fail(in, dl_s3_os_error("syncing", errno), NULL);
  if (close(in->fd) != 0) fail(in, dl_s3_os_error("closing", errno), NULL);
  in->fd = -1;
  if (in->error == DL_S3_OK && in->part == 0) {
    in->is_moved = renameat(b->parts_fd, in->file, b->data_fd, in->file) == 0;
    if (!in->is_moved) fail(in, dl_s3_os_error("renaming", errno), NULL);
    if (in->is_moved && b->is_durable && fsync(b->data_fd) != 0)
      fail(in, dl_s3_os_error("syncing the folder", errno), NULL);
  }
  if (in->error == DL_S3_OK) return;
  unlinkat(in->is_moved ? b->data_fd : b->parts_fd, in->file, 0);
  atomic_fetch_sub(&b->used_bytes, in->total);
}

static void finish(void *user, bool is_complete) {
  incoming_t *in = user;
  if (in->has_chunks) {
    dl_s3_code_t code = is_complete ? dl_chunks_end(&in->chunks) : DL_S3_OK;
    if (code != DL_S3_OK) fail(in, code, in->chunks.detail);
  }
  if (!is_complete || in->total != in->declared) fail(in, DL_S3_IncompleteBody, NULL);
  check_sums(in);
  keep_file(in);
}

/* --- the answer --- */

static void free_incoming(incoming_t *in) {
  assert(in->fd < 0);
  if (in->has_chunks) dl_chunks_clear(&in->chunks);
  dl_sum_clear(&in->sha256);
  dl_sum_clear(&in->md5);
  dl_sum_clear(&in->sum);
  json_decref(in->headers);
  free(in);
}

static void add_outcome_headers(const incoming_t *in, dl_req_t *req) {
  char etag[36];
  snprintf(etag, sizeof etag, "\"%s\"", in->etag);
  dl_req_add_header(req, "ETag", etag);
  if (in->kind != DL_SUM_NONE) dl_req_add_header(req, dl_sum_header(in->kind), in->sum_is);
}

typedef struct {
  incoming_t *in;
  dl_req_t *req;
} put_t;

static void on_put(dl_written_t outcome, void *user) {
  put_t *p = user;
  if (outcome == DL_WRITTEN) {
    add_outcome_headers(p->in, p->req);
    dl_reply_empty(p->req, 200);
  } else {
    dl_s3_fail(p->req, DL_S3_InternalError, "the object could not be written to the disk");
  }
  free_incoming(p->in);
  free(p);
}

/* The last moment for the conditions: another object may have come while this one did. */
static void answer_object(incoming_t *in, dl_req_t *req) {
  dl_blobs_t *b = &in->s3->blobs;
  const json_t *before = dl_blob_find(b, in->call->key);
  dl_s3_code_t code = DL_S3_OK;
  if (!dl_s3_may_replace(req, before)) code = DL_S3_PreconditionFailed;
  if (!before && dl_blobs_count(b) >= DL_BLOBS_MAX) code = DL_S3_TooManyParts;
  if (code != DL_S3_OK) {
    dl_blobs_discard(b, b->data_fd, in->file, in->total);
    dl_s3_fail(req, code, NULL);
    free_incoming(in);
    return;
  }
  json_t *record =
    dl_s3_record(in->s3, in->file, in->total, in->etag, json_incref(in->headers), in->kind, in->sum_is);
  put_t *p = dl_xcalloc(1, sizeof *p);
  *p = (put_t){in, req};
  dl_blob_put(b, in->call->key, record, on_put, p);
}

static void answer_part(incoming_t *in, dl_req_t *req) {
  dl_blobs_t *b = &in->s3->blobs;
  dl_upload_t *upload = dl_upload_find(&in->s3->uploads, in->upload_id, in->call->key);
  if (!upload || upload->is_completing) {
    dl_blobs_discard(b, b->parts_fd, in->file, in->total);
    dl_s3_fail(req, upload ? DL_S3_OperationAborted : DL_S3_NoSuchUpload, NULL);
  } else {
    dl_upload_part_t part = {.number = in->part,
                             .size = in->total,
                             .modified_ms = dl_objects_stamp(in->s3->opts.objects),
                             .sum = in->kind};
    memcpy(part.file, in->file, sizeof part.file);
    memcpy(part.md5, in->md5_is, sizeof part.md5);
    memcpy(part.etag, in->etag, sizeof part.etag);
    memcpy(part.sum_value, in->sum_is, sizeof part.sum_value);
    dl_upload_add(&in->s3->uploads, upload, &part);
    add_outcome_headers(in, req);
    dl_reply_empty(req, 200);
  }
  free_incoming(in);
}

static void answer(void *user, dl_req_t *req) {
  incoming_t *in = user;
  in->s3->intake_count--;
  if (in->error != DL_S3_OK) {
    dl_s3_fail(req, in->error, in->detail);
    free_incoming(in);
  } else if (in->part > 0) {
    answer_part(in, req);
  } else {
    answer_object(in, req);
  }
}

/* --- the start --- */

static void open_file(incoming_t *in) {
  dl_blob_name(in->file);
  in->fd =
    openat(in->s3->blobs.parts_fd, in->file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (in->fd < 0) fail(in, dl_s3_os_error("making a file", errno), NULL);
}

/* Takes `in`. */
static void start(incoming_t *in, dl_req_t *req) {
  static const dl_intake_events_t events = {take, finish, answer};
  dl_s3_t *s = in->s3;
  dl_s3_code_t code = s->intake_count < INTAKES_MAX ? read_head(in, req) : DL_S3_SlowDown;
  if (code != DL_S3_OK)
    fail(in, code, NULL);
  else
    open_file(in);
  if (in->error != DL_S3_OK) {
    dl_s3_fail(req, in->error, in->detail);
    free_incoming(in);
    return;
  }
  in->chunks.on_data = take_content;
  in->chunks.user = in;
  dl_sum_init(&in->sha256, in->hash ? DL_SUM_SHA256 : DL_SUM_NONE);
  dl_sum_init(&in->md5, DL_SUM_MD5);
  dl_sum_init(&in->sum, in->kind);
  s->intake_count++;
  dl_intake_start(&s->blobs, req, &events, in);
}

static incoming_t *new_incoming(dl_s3_call_t *call) {
  incoming_t *in = dl_xcalloc(1, sizeof *in);
  in->s3 = call->s3;
  in->call = call;
  in->fd = -1;
  in->sha256.kind = in->md5.kind = in->sum.kind = in->kind = DL_SUM_NONE;
  return in;
}

void dl_s3_put(dl_s3_call_t *call, dl_req_t *req) {
  if (!dl_s3_may_replace(req, dl_blob_find(&call->s3->blobs, call->key))) {
    dl_s3_fail(req, DL_S3_PreconditionFailed, NULL);
    return;
  }
  incoming_t *in = new_incoming(call);
  in->headers = dl_s3_kept_headers(req);
  start(in, req);
}

void dl_s3_put_part(dl_s3_call_t *call, dl_req_t *req) {
  const char *id = dl_query_get(dl_req_query(req), "uploadId");
  const char *number = dl_query_get(dl_req_query(req), "partNumber");
  int64_t part;
  const dl_upload_t *upload = dl_upload_find(&call->s3->uploads, id, call->key);
  if (strspn(number, "0123456789") != strlen(number) || !dl_parse_int(number, 1, DL_PARTS_MAX, &part)) {
    dl_s3_fail(req, DL_S3_InvalidArgument, "partNumber must be an integer from 1 to 10000");
  } else if (!upload || upload->is_completing) {
    dl_s3_fail(req, upload ? DL_S3_OperationAborted : DL_S3_NoSuchUpload, NULL);
  } else if (call->s3->uploads.part_total >= DL_PARTS_TOTAL_MAX) {
    dl_s3_fail(req, DL_S3_SlowDown, "there are as many parts of uploads as there may be");
  } else {
    incoming_t *in = new_incoming(call);
    in->part = (int)part;
    memcpy(in->upload_id, upload->id, sizeof in->upload_id);
    start(in, req);
  }
}
