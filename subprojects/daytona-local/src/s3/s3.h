/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The object store: the part of the S3 protocol that clients use to send build contexts, in one bucket, below the
 * prefix of the organization. Objects lie in the state directory; their keys only in the journal, never in a path.
 *
 * Everything here runs on the loop, but for the work on files, which has threads of its own.
 */
#ifndef DL_S3_H
#define DL_S3_H

#include "control/auth/origin.h"
#include "control/auth/rates.h"
#include "control/objects/objects.h"
#include "http/http.h"

#define DL_S3_BUCKET "daytona"
#define DL_S3_REGION "us-east-1"
/* How long credentials are good for, on the clock of the server. */
#define DL_S3_LIFETIME_MS (INT64_C(60) * 60 * 1000)

typedef struct dl_s3 dl_s3_t;

typedef struct {
  dl_objects_t *objects;   /* Required; open, and longer there than this. */
  dl_rates_t *limits;      /* Required: addresses that fail to sign are slowed down by it. */
  const dl_front_t *front; /* Required: how clients call the server. */
  bool is_durable;         /* False leaves out the syncs. */
  int64_t object_max;      /* Bytes of one object; 0: 5 GiB. */
  int64_t total_max;       /* Bytes of all objects and parts; 0: 100 GiB. */
} dl_s3_opts_t;

/* Opens the directory `objects` of the state and removes what an earlier server had not finished. NULL and *error
 * (yours to free) when it cannot. */
dl_s3_t *dl_s3_new(uv_loop_t *loop, const dl_s3_opts_t *opts, char **error);
/* Waits for the work on files, then frees. No request may be left: close the HTTP server first. `s` may be NULL. */
void dl_s3_close(dl_s3_t *s, void (*on_closed)(void *user), void *user);

/* What is stored: objects, uploads under way, and the bytes of both. */
typedef struct {
  size_t object_count, upload_count;
  int64_t size_bytes;
} dl_s3_usage_t;
dl_s3_usage_t dl_s3_usage(const dl_s3_t *s);

/* --- for builds --- */

/* The build context (an uncompressed tar) that was uploaded under `hash`: a descriptor for reading, yours to close, at
 * offset 0, and *size_bytes. What it reads never changes, also when the object is replaced or deleted meanwhile.
 * -1 and errno: ENOENT where there is none (so for any text that can be no hash), else what kept it from being opened. */
int dl_s3_open_context(dl_s3_t *s, const char *hash, int64_t *size_bytes);
/* Whether there is one, without opening it. */
bool dl_s3_has_context(dl_s3_t *s, const char *hash);

/* --- for routes --- */

/* Fresh credentials for the organization's prefix; every text is yours to free. */
typedef struct {
  char *access_key, *secret, *session_token;
} dl_s3_access_t;
dl_s3_access_t dl_s3_issue(dl_s3_t *s);
/* Wipes the secrets. */
void dl_s3_access_clear(dl_s3_access_t *a);

/* The request is one for the object store: its path is in the bucket, or it is signed as such requests are. */
bool dl_s3_is_for(dl_req_t *req);
void dl_s3_handle(dl_s3_t *s, dl_req_t *req);

/* Answers with an error of S3's, for faults. `code` and `message` NULL: what goes with the status. */
void dl_s3_reply_fault(dl_req_t *req, int status, const char *code, const char *message);

#endif
