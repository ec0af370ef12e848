/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of src/s3 share about the store and a request. Nobody else includes this.
 */
#ifndef DL_S3_INTERNAL_H
#define DL_S3_INTERNAL_H

#include "s3/blobs.h"
#include "s3/errors.h"
#include "s3/s3.h"
#include "s3/sigv4.h"
#include "s3/uploads.h"

#define DL_S3_KEY_MAX 1024u

struct dl_s3 {
  dl_s3_opts_t opts;
  dl_blobs_t blobs;
  dl_uploads_t uploads;
  uv_timer_t timer; /* looks for uploads that were left */
  bool has_timer;
  unsigned char secret[32]; /* credentials are made with it; of this start only */
  unsigned intake_count;    /* bodies that are being taken */
  void (*on_closed)(void *user);
  void *closed_user;
};

/* A request whose signature is good. It lives as long as the request. */
typedef struct {
  dl_s3_t *s3;
  dl_sigv4_t signature;
  unsigned char signing_key[32];
  char *key; /* decoded; NULL: the bucket itself */
} dl_s3_call_t;

/* Each answers the request, now or later. */
void dl_s3_put(dl_s3_call_t *call, dl_req_t *req);
void dl_s3_put_part(dl_s3_call_t *call, dl_req_t *req);
void dl_s3_create_upload(dl_s3_call_t *call, dl_req_t *req);
void dl_s3_complete_upload(dl_s3_call_t *call, dl_req_t *req);
void dl_s3_abort_upload(dl_s3_call_t *call, dl_req_t *req);
void dl_s3_get(dl_s3_call_t *call, dl_req_t *req);
void dl_s3_delete(dl_s3_call_t *call, dl_req_t *req);
void dl_s3_list(dl_s3_call_t *call, dl_req_t *req);
void dl_s3_list_uploads(dl_s3_call_t *call, dl_req_t *req);
void dl_s3_list_parts(dl_s3_call_t *call, dl_req_t *req);

/* The headers that an object keeps, of the request that makes it. */
json_t *dl_s3_kept_headers(const dl_req_t *req);
/* Whether If-Match and If-None-Match let an object be made in the place of `before` (NULL: there is none). */
bool dl_s3_may_replace(const dl_req_t *req, const json_t *before);
/* A record for dl_blob_put. `sum_value` NULL or "": none. */
json_t *dl_s3_record(dl_s3_t *s, const char *file, int64_t size, const char *etag, json_t *headers,
                     dl_sum_kind_t sum, const char *sum_value);
/* Comma-separated ETags with or without quotes, or '*'. */
bool dl_s3_etag_matches(const char *list, const char *etag);
/* ENOSPC and its like are what they are; the rest is logged. */
dl_s3_code_t dl_s3_os_error(const char *what, int error);

/* Credentials. */
dl_s3_code_t dl_s3_secret_of(dl_s3_t *s, const dl_sigv4_t *signature, char **secret);

#endif
