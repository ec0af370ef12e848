/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Object storage on the test's own loop: keeps objects and multipart uploads in memory, checks every signature and hash,
 * and does what the test's script says instead, at any request.
 */
#ifndef TESTS_SUPPORT_S3_PEER_H
#define TESTS_SUPPORT_S3_PEER_H

#include <stdbool.h>
#include <stddef.h>

#include "peer.h"

enum { S3_OBJECTS = 16, S3_UPLOADS = 16, S3_PARTS = 64, S3_LOG = 4096 };

typedef struct s3_request {
  char verb[8], path[512], query[2048];
  const char *text, *body; /* the whole; the body in it */
  size_t body_size;
  size_t index; /* of all requests, from 0 */
} s3_request_t;

typedef struct s3_blob {
  char *bytes; /* NULL: none */
  size_t size;
} s3_blob_t;

typedef struct s3_object {
  char key[512]; /* "bucket/org/hash/context.tar" */
  s3_blob_t blob;
} s3_object_t;

typedef struct s3_upload {
  char id[32], key[512];
  bool is_open;
  s3_blob_t parts[S3_PARTS];
} s3_upload_t;

/* What the script wants; a status from 100 on is answered with `s3_code` as S3's code. */
enum {
  S3_DO,          /* as a storage does */
  S3_DROP,        /* end the connection and do nothing */
  S3_DO_AND_DROP, /* do it, but the answer is lost */
  S3_SILENCE,     /* do nothing and say nothing */
  S3_RAW          /* answer `s3_raw` */
};

typedef struct s3_peer s3_peer_t;

struct s3_peer {
  peer_t peer; /* first */
  char host[32];
  char path[32]; /* in front of the bucket: "" or "/base" */
  char access_key[64], secret[64], token[64], region[32];
  s3_object_t objects[S3_OBJECTS];
  s3_upload_t uploads[S3_UPLOADS];
  size_t object_count, upload_count, aborts, completions;
  size_t bad; /* requests whose signature, hash or headers are wrong */
  char why[128];
  bool is_mute;         /* for one request */
  bool has_unsigned;    /* a body that was not signed */
  char log[S3_LOG][96]; /* "PUT partNumber=1": what was asked for */
  size_t requests;
  size_t in_flight, most_in_flight; /* parts whose answer is held back */
  bool holds_parts;
  peer_conn_t *held[S3_PARTS];
  char held_answers[S3_PARTS][160];
  size_t held_count;
  bool holds_creates;
  peer_conn_t *creating; /* whose answer is held back as well */
  char held_create[512];
  int (*script)(s3_peer_t *s3, const s3_request_t *request);
  const char *s3_code, *s3_raw;
  void *user;
};

void s3_peer_open(s3_peer_t *s3, uv_loop_t *uv);
void s3_peer_close(s3_peer_t *s3); /* and let the loop turn once more */

/* Drop all objects. */
void s3_peer_forget(s3_peer_t *s3);

/* JSON of push-access for it, in a static buffer. */
const char *s3_peer_access(const s3_peer_t *s3);

/* Answer the parts and the beginning that were held back. */
void s3_peer_release(s3_peer_t *s3);

size_t s3_peer_open_uploads(const s3_peer_t *s3);
/* How often it was asked for something that begins so: "PUT partNumber=1". */
size_t s3_peer_count(const s3_peer_t *s3, const char *line);

#endif
