/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Talking to object storage: credentials, which expire and are asked for anew, and signed requests, which are retried.
 *
 * A session belongs to one operation, which makes its requests visible to observers. The key of the control plane never
 * goes to the storage; no redirect is followed there.
 */
#ifndef DAYTONA_CALL_S3_H
#define DAYTONA_CALL_S3_H

#include "call/op.h"
#include "call/secrets.h"
#include "wire/s3_sign.h"

/* Attempts of one request, and how long after the first failure another is made. */
#define DAYTONA__S3_ATTEMPTS_MAX 11
#define DAYTONA__S3_RETRY_MAX_MS (INT64_C(4) * 60 * 1000)

/* Without a byte in either direction. */
#define DAYTONA__S3_IDLE_DEFAULT_MS (INT64_C(2) * 60 * 1000)

/* An answer of S3: lists and errors. */
#define DAYTONA__S3_BODY_MAX ((size_t)256 << 10)

/* What the control plane answers; see the control plane's GET /object-storage/push-access. */
typedef struct daytona__s3_access {
  const char *access_key, *secret, *session_token, *url, *organization, *bucket, *region;
} daytona__s3_access_t;

extern const daytona__json_model_t daytona__s3_access_model;

typedef struct daytona__s3 daytona__s3_t;
typedef struct daytona__s3_call daytona__s3_call_t;

/* One request. All zero but for what is asked for; everything is borrowed until `done` or cancel. */
struct daytona__s3_call {
  const char *verb;
  const char *object; /* its key behind the organization's, "hash/context.tar"; NULL: the bucket */
  const char *query;  /* encoded, in the order of the keys; NULL: none */
  const char *body;   /* NULL: none */
  size_t body_size;
  const char *body_hash; /* hexadecimal SHA-256; NULL: it is not signed */
  int64_t timeout_ms;    /* of each attempt; 0: none */
  bool is_tried_once;
  void (*done)(daytona__s3_call_t *call, const daytona_error_t *error); /* NULL: see http.response */
  void (*on_sent)(daytona__s3_call_t *call); /* optional; libcurl is on the stack: note `sent`, no more */
  void *user;

  size_t sent; /* bytes of the body, of the attempt under way */
  int attempts;
  daytona__http_call_t http; /* the answer, in `done` and until the next start or cancel */

  /* private */
  daytona__s3_t *s3;
  daytona__list_t link;   /* of calls that wait for credentials */
  daytona__arena_t arena; /* of the attempt: URL, headers, error */
  daytona_header_t headers[DAYTONA__S3_SIGNED_HEADERS];
  daytona__timer_t pause;
  daytona__task_t failing;
  daytona_errcode_t failure;
  unsigned generation;     /* of the credentials that it was sent with */
  int64_t first_failed_ms; /* -1: it has not */
  bool is_active, is_requesting, is_reclocked;
};

struct daytona__s3 {
  daytona__op_t *op;
  daytona__arena_t arena; /* of the credentials */
  daytona__s3_access_t access;
  daytona__s3_identity_t identity;
  const char *url, *host, *path; /* of the storage; path is what its URL has behind the host */
  bool is_private;               /* by TLS, or on this machine: bodies need not be signed */
  daytona__secrets_t secrets;
  bool is_given;       /* the credentials are the program's, and cannot be renewed */
  unsigned generation; /* 0: there are none yet */
  unsigned renewals;   /* since a request last succeeded */
  int64_t skew_s;      /* what the storage's clock is ahead of ours */
  int64_t idle_timeout_ms;
  bool is_paused;
  daytona__list_t waiting; /* calls that wait for credentials */
  daytona__http_call_t asking;
  bool is_asking;
  void (*ready)(daytona__s3_t *s3, const daytona_error_t *error);
  void *user;
};

void daytona__s3_init(daytona__s3_t *s3, daytona__op_t *op);

/* Take over credentials of the program. 0, or a code with `*problem`, a static text. */
int daytona__s3_give(daytona__s3_t *s3, const daytona__s3_access_t *access, const char **problem);

/* Ask for credentials; `ready` comes once from a later turn, with the error in the session's arena. */
void daytona__s3_ask(daytona__s3_t *s3, void (*ready)(daytona__s3_t *s3, const daytona_error_t *error));

/* Stop asking, and forget the credentials. All calls have ended or were cancelled. */
void daytona__s3_clear(daytona__s3_t *s3);

/* Whether bodies are to be signed: nothing else protects them. */
bool daytona__s3_signs_bodies(const daytona__s3_t *s3);

/* Send; `done` comes once from a later turn. A call may be started again. */
void daytona__s3_start(daytona__s3_t *s3, daytona__s3_call_t *call);

/* Stop without `done`, and free what the answer holds. Harmless on a call that was never started. */
void daytona__s3_cancel(daytona__s3_call_t *call);

/* Bytes go again after is_paused was set and reset. */
void daytona__s3_resume(daytona__s3_call_t *call);

#endif
