/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Uploads in parts: making one, giving it up, and putting its parts together. The file of the first part becomes that
 * of the object, and the others are added to it, so that one part costs nothing and none is lost when that fails: the
 * file is then shortened to what it was.
 */
#include "s3/internal.h"
#include "s3/xml.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define COPY_STEP (size_t)(1u << 20)

void dl_s3_create_upload(dl_s3_call_t *call, dl_req_t *req) {
  const char *sum = dl_req_header(req, "x-amz-checksum-algorithm");
  dl_buf_t out;
  if (sum && dl_sum_find(sum) == DL_SUM_NONE) {
    dl_s3_fail(req, DL_S3_InvalidRequest, "there is no such checksum algorithm");
    return;
  }
  dl_upload_t *upload = dl_upload_new(&call->s3->uploads, call->key, dl_s3_kept_headers(req));
  if (!upload) {
    dl_s3_fail(req, DL_S3_SlowDown, "there are as many uploads as there may be");
    return;
  }
  if (sum) dl_req_add_header(req, "x-amz-checksum-algorithm", sum);
  dl_buf_init(&out, 64 * 1024);
  dl_buf_puts(&out,
              "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<InitiateMultipartUploadResult "
              "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Bucket>" DL_S3_BUCKET "</Bucket>");
  dl_xml_element(&out, "Key", call->key);
  dl_xml_element(&out, "UploadId", upload->id);
  dl_buf_puts(&out, "</InitiateMultipartUploadResult>");
  dl_s3_reply_xml(req, &out);
}

static const char *upload_id(dl_req_t *req) { return dl_query_get(dl_req_query(req), "uploadId"); }

void dl_s3_abort_upload(dl_s3_call_t *call, dl_req_t *req) {
  dl_upload_t *upload = dl_upload_find(&call->s3->uploads, upload_id(req), call->key);
  if (!upload || upload->is_completing) {
    dl_s3_fail(req, upload ? DL_S3_OperationAborted : DL_S3_NoSuchUpload, NULL);
    return;
  }
  dl_upload_drop(&call->s3->uploads, upload);
  dl_reply_empty(req, 204);
}

/* --- completing --- */

typedef struct {
  dl_work_t work;
  dl_s3_t *s3;
  dl_req_t *req;
  dl_upload_t *upload; /* stays while it is being completed */
  dl_upload_part_t *parts;
  size_t count;
  int64_t total, added; /* bytes of the object; those added to the first part so far */
  char etag[48];
  /* The checksum of the whole that the client has sent, if any. */
  dl_sum_kind_t sum;
  char sum_wanted[DL_SUM_BASE64_MAX];
  dl_s3_code_t error;
} completion_t;

/* Adds what `from` holds to the end of `to`. */
static int append(const atomic_bool *is_stopping, int to, int from, int64_t len) {
  bool can_copy = true;
  char *block = NULL;
  int error = 0;
  while (len > 0 && error == 0) {
    if (atomic_load(is_stopping)) return free(block), ECANCELED;
    size_t step = len < (int64_t)COPY_STEP ? (size_t)len : COPY_STEP;
    ssize_t got = can_copy ? copy_file_range(from, NULL, to, NULL, step, 0) : -1;
    if (got < 0 && can_copy && (errno == EXDEV || errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP))
      can_copy = false;
    if (!can_copy) {
      if (!block) block = dl_xmalloc(COPY_STEP);
      got = read(from, block, step);
      for (ssize_t at = 0, put; got > 0 && at < got; at += put)
        if ((put = write(to, block + at, (size_t)(got - at))) < 0) {
          got = -1;
          break;
        }
    }
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) error = got < 0 ? errno : EIO;
    len -= got > 0 ? got : 0;
  }
  free(block);
  return error;
}

static int append_parts(completion_t *k, int base) {
  int parts = k->s3->blobs.parts_fd, error = 0;
  if (lseek(base, 0, SEEK_END) != k->parts[0].size) return EIO;
  for (size_t i = 1; i < k->count && error == 0; i++) {
    int fd = openat(parts, k->parts[i].file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    error = fd >= 0 ? append(&k->s3->blobs.is_stopping, base, fd, k->parts[i].size) : errno;
    if (fd >= 0) close(fd);
    if (error == 0) k->added += k->parts[i].size;
  }
  return error;
}

/* The client's checksum of the whole, over what is in the file now. */
static dl_s3_code_t check_sum(completion_t *k, int base) {
  unsigned char sum[DL_SUM_MAX];
  char is[DL_SUM_BASE64_MAX];
  if (k->sum == DL_SUM_NONE) return DL_S3_OK;
  dl_sum_t s;
  dl_sum_init(&s, k->sum);
  char *block = dl_xmalloc(COPY_STEP);
  ssize_t got;
  for (int64_t at = 0; (got = pread(base, block, COPY_STEP, at)) > 0; at += got)
    dl_sum_add(&s, block, (size_t)got);
  free(block);
  dl_base64(sum, dl_sum_end(&s, sum), is);
  if (got < 0) return dl_s3_os_error("reading an object", errno);
  return strcmp(is, k->sum_wanted) == 0 ? DL_S3_OK : DL_S3_BadDigest;
}

static dl_s3_code_t put_in_place(completion_t *k, int base) {
  dl_blobs_t *b = &k->s3->blobs;
  if (b->is_durable && fsync(base) != 0) return dl_s3_os_error("syncing", errno);
  if (renameat(b->parts_fd, k->parts[0].file, b->data_fd, k->parts[0].file) != 0)
    return dl_s3_os_error("renaming", errno);
  if (!b->is_durable || fsync(b->data_fd) == 0) return DL_S3_OK;
  dl_s3_code_t code = dl_s3_os_error("syncing the folder", errno);
  renameat(b->data_fd, k->parts[0].file, b->parts_fd, k->parts[0].file);
  return code;
}

static void run_completion(dl_work_t *work) {
  completion_t *k = DL_CONTAINER(work, completion_t, work);
  dl_blobs_t *b = &k->s3->blobs;
  int base = openat(b->parts_fd, k->parts[0].file, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
  int error = base >= 0 ? append_parts(k, base) : errno;
  if (error != 0) k->error = dl_s3_os_error("putting parts together", error);
  if (k->error == DL_S3_OK) k->error = check_sum(k, base);
  if (k->error == DL_S3_OK) k->error = put_in_place(k, base);
  if (k->error != DL_S3_OK && base >= 0) {
    if (ftruncate(base, k->parts[0].size) != 0)
      dl_error("object store: a part cannot be made what it was: %s", strerror(errno));
  } else if (k->error == DL_S3_OK) {
    atomic_fetch_add(&b->used_bytes, k->added);
  }
  if (base >= 0) close(base);
}

static void reply_completed(dl_req_t *req, const char *key, const char *etag) {
  dl_buf_t out;
  char *quoted = dl_xprintf("\"%s\"", etag);
  dl_buf_init(&out, 64 * 1024);
  dl_buf_puts(&out,
              "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<CompleteMultipartUploadResult "
              "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
  dl_xml_element(&out, "Location", dl_req_path(req));
  dl_buf_puts(&out, "<Bucket>" DL_S3_BUCKET "</Bucket>");
  dl_xml_element(&out, "Key", key);
  dl_xml_element(&out, "ETag", quoted);
  dl_buf_puts(&out, "</CompleteMultipartUploadResult>");
  free(quoted);
  dl_s3_reply_xml(req, &out);
}

static void free_completion(completion_t *k) {
  free(k->parts);
  free(k);
}

static void on_recorded(dl_written_t outcome, void *user) {
  completion_t *k = user;
  dl_upload_t *upload = k->upload;
  char *key = dl_xstrdup(upload->key);
  upload->is_completing = false;
  /* Its first part is the object's file, or was removed with it: what is left of the upload is of no use. */
  dl_upload_completed(&k->s3->uploads, upload, k->parts[0].file, outcome == DL_WRITTEN ? k->etag : NULL);
  if (outcome == DL_WRITTEN)
    reply_completed(k->req, key, k->etag);
  else
    dl_s3_fail(k->req, DL_S3_InternalError, "the object could not be written to the disk");
  free(key);
  free_completion(k);
}

static void completion_done(dl_work_t *work) {
  completion_t *k = DL_CONTAINER(work, completion_t, work);
  dl_blobs_t *b = &k->s3->blobs;
  if (k->error == DL_S3_OK) {
    json_t *record = dl_s3_record(k->s3, k->parts[0].file, k->total, k->etag, json_incref(k->upload->headers),
                                  k->sum, k->sum_wanted);
    dl_blob_put(b, k->upload->key, record, on_recorded, k);
  } else {
    k->upload->is_completing = false;
    dl_s3_fail(k->req, k->error, NULL);
    free_completion(k);
  }
  dl_blobs_worked(b);
}

/* --- what is to be completed --- */

/* The parts as listed, held against those that were uploaded; *total and the ETag of the whole. */
static dl_s3_code_t choose_parts(completion_t *k, const dl_listed_part_t *listed, size_t count) {
  dl_sum_t md5;
  dl_s3_code_t code = DL_S3_OK;
  dl_sum_init(&md5, DL_SUM_MD5);
  k->parts = dl_xcalloc(count, sizeof *k->parts);
  for (size_t i = 1; i < count; i++)
    if (listed[i].number <= listed[i - 1].number) code = DL_S3_InvalidPartOrder;
  for (size_t i = 0; i < count && code == DL_S3_OK; i++) {
    const dl_upload_part_t *part = dl_upload_part(k->upload, listed[i].number);
    bool is_same = part && strcasecmp(part->etag, listed[i].etag) == 0;
    if (is_same && listed[i].sum != DL_SUM_NONE && part->sum != DL_SUM_NONE)
      is_same = listed[i].sum == part->sum && strcmp(listed[i].sum_value, part->sum_value) == 0;
    if (!is_same)
      code = DL_S3_InvalidPart;
    else if (i + 1 < count && part->size < DL_PART_MIN)
      code = DL_S3_EntityTooSmall;
    if (code != DL_S3_OK) break;
    k->parts[k->count++] = *part;
    k->total += part->size;
    dl_sum_add(&md5, part->md5, sizeof part->md5);
  }
  unsigned char sum[DL_SUM_MAX];
  char hex[DL_SUM_HEX_MAX];
  dl_hex(sum, dl_sum_end(&md5, sum), hex);
  snprintf(k->etag, sizeof k->etag, "%.32s-%zu", hex, k->count);
  if (code == DL_S3_OK && k->total > k->s3->opts.object_max) code = DL_S3_EntityTooLarge;
  return code;
}

/* Checksums of checksums say nothing that those of the parts have not said. */
static dl_s3_code_t read_whole_sum(completion_t *k, const dl_req_t *req) {
  const char *size = dl_req_header(req, "x-amz-mp-object-size");
  unsigned char unused[DL_SUM_MAX];
  int64_t bytes;
  k->sum = DL_SUM_NONE;
  if (size && (!dl_parse_int(size, 0, INT64_MAX, &bytes) || bytes != k->total)) return DL_S3_InvalidRequest;
  for (int kind = 0; kind < DL_SUM_MD5; kind++) {
    const char *value = dl_req_header(req, dl_sum_header((dl_sum_kind_t)kind));
    if (!value || strchr(value, '-')) continue;
    if (k->sum != DL_SUM_NONE || !dl_base64_read(value, unused, dl_sum_size((dl_sum_kind_t)kind)))
      return DL_S3_InvalidDigest;
    k->sum = (dl_sum_kind_t)kind;
    strcpy(k->sum_wanted, value); /* of a length that was just checked */
  }
  return DL_S3_OK;
}

static bool is_signed_body(const char *payload, const char *body, size_t len) {
  char hash[65];
  if (strcmp(payload, "UNSIGNED-PAYLOAD") == 0) return true;
  dl_sha256_hex(body, len, hash);
  return strcmp(payload, hash) == 0;
}

static void start(dl_s3_call_t *call, dl_req_t *req, dl_upload_t *upload, const dl_listed_part_t *listed,
                  size_t count) {
  dl_s3_t *s = call->s3;
  const json_t *before = dl_blob_find(&s->blobs, call->key);
  completion_t *k = dl_xcalloc(1, sizeof *k);
  *k = (completion_t){
    .work = {.run = run_completion, .done = completion_done}, .s3 = s, .req = req, .upload = upload};
  dl_s3_code_t code = choose_parts(k, listed, count);
  if (code == DL_S3_OK) code = read_whole_sum(k, req);
  if (code == DL_S3_OK && !dl_s3_may_replace(req, before)) code = DL_S3_PreconditionFailed;
  if (code == DL_S3_OK && !before && dl_blobs_count(&s->blobs) >= DL_BLOBS_MAX) code = DL_S3_TooManyParts;
  if (code != DL_S3_OK) {
    dl_s3_fail(req, code, NULL);
    free_completion(k);
    return;
  }
  upload->is_completing = true;
  dl_blobs_work(&s->blobs, &k->work);
}

static void on_body(dl_req_t *req, const char *body, size_t len, void *user) {
  dl_s3_call_t *call = user;
  size_t count;
  if (!is_signed_body(call->signature.payload, body, len)) {
    dl_s3_fail(req, DL_S3_XAmzContentSHA256Mismatch, NULL);
    return;
  }
  /* Time has passed since the head. */
  dl_upload_t *upload = dl_upload_find(&call->s3->uploads, upload_id(req), call->key);
  const char *etag = dl_upload_outcome(&call->s3->uploads, upload_id(req), call->key);
  dl_listed_part_t *listed = dl_parts_read(body, len, &count);
  if (!listed)
    dl_s3_fail(req, DL_S3_MalformedXML, NULL);
  else if (etag) /* the client has not heard of it */
    reply_completed(req, call->key, etag);
  else if (!upload || upload->is_completing)
    dl_s3_fail(req, upload ? DL_S3_OperationAborted : DL_S3_NoSuchUpload, NULL);
  else
    start(call, req, upload, listed, count);
  free(listed);
}

void dl_s3_complete_upload(dl_s3_call_t *call, dl_req_t *req) {
  dl_req_read_body(req, DL_PARTS_DOCUMENT_MAX, on_body, call);
}
