/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Uploads in parts. They are in memory, their parts in files; a server that is started again knows none of them.
 */
#ifndef DL_UPLOADS_H
#define DL_UPLOADS_H

#include "s3/blobs.h"
#include "s3/xml.h"

#define DL_UPLOADS_MAX 1000u
#define DL_PARTS_TOTAL_MAX 100000u /* of all uploads */
#define DL_UPLOAD_ID_LEN 32u
#define DL_PART_MIN (INT64_C(5) * 1024 * 1024)
/* Since its last part. */
#define DL_UPLOAD_LIFETIME_MS (INT64_C(24) * 3600 * 1000)
/* Completed uploads that are remembered, so that a client that has not heard it may ask again. */
#define DL_UPLOADS_REMEMBERED 256u

typedef struct {
  int number;
  int64_t size, modified_ms;
  char file[DL_BLOB_NAME_LEN + 1];
  unsigned char md5[16];
  char etag[33];
  dl_sum_kind_t sum; /* DL_SUM_NONE: the client sent none */
  char sum_value[DL_SUM_BASE64_MAX];
} dl_upload_part_t;

typedef struct {
  dl_list_t link;
  char id[DL_UPLOAD_ID_LEN + 1];
  char *key;
  json_t *headers; /* of the object that it becomes */
  int64_t created_ms, used_ms;
  dl_upload_part_t *parts; /* by number, ascending */
  size_t part_count, part_room;
  bool is_completing; /* its files are being put together: nothing else may touch them */
} dl_upload_t;

typedef struct {
  dl_blobs_t *blobs;
  dl_list_t list; /* the oldest first */
  size_t count, part_total;
  struct {
    char id[DL_UPLOAD_ID_LEN + 1];
    char *key, *etag;
  } completed[DL_UPLOADS_REMEMBERED]; /* a ring */
  size_t completed_at;
} dl_uploads_t;

void dl_uploads_init(dl_uploads_t *u, dl_blobs_t *blobs);
/* Forgets them; their files go at the next start. */
void dl_uploads_clear(dl_uploads_t *u);

/* NULL: there are as many as there may be. Takes `headers`. */
dl_upload_t *dl_upload_new(dl_uploads_t *u, const char *key, json_t *headers);
/* NULL: there is none of that id for that key. */
dl_upload_t *dl_upload_find(dl_uploads_t *u, const char *id, const char *key);
/* Adds the part, or replaces that of its number. */
void dl_upload_add(dl_uploads_t *u, dl_upload_t *upload, const dl_upload_part_t *part);
const dl_upload_part_t *dl_upload_part(const dl_upload_t *upload, int number);
/* Removes it and its files. It is not being completed. */
void dl_upload_drop(dl_uploads_t *u, dl_upload_t *upload);
/* The same but for `kept`, the file that the object has; remembers what it has become, unless `etag` is NULL. */
void dl_upload_completed(dl_uploads_t *u, dl_upload_t *upload, const char *kept, const char *etag);
/* The ETag of an upload that was completed, or NULL. */
const char *dl_upload_outcome(const dl_uploads_t *u, const char *id, const char *key);
/* Drops those that nobody has used for a day. */
void dl_uploads_expire(dl_uploads_t *u);

#endif
