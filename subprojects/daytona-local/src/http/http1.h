/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading an HTTP/1.x answer: bytes in, facts out, no input or output of its own.
 */
#ifndef DL_HTTP1_H
#define DL_HTTP1_H

#include "base/buf.h"

#define DL_HTTP1_HEAD_MAX (64u * 1024)

typedef enum {
  DL_HTTP1_HEAD,    /* the head is not complete */
  DL_HTTP1_BODY,    /* body bytes may come */
  DL_HTTP1_DONE,    /* the answer is complete; what follows is not part of it */
  DL_HTTP1_UPGRADE, /* 101: what follows is another protocol */
  DL_HTTP1_BROKEN
} dl_http1_state;

typedef struct {
  dl_http1_state state;
  int status;
  int64_t length; /* declared body length, -1: chunked or until the end of the stream */
  bool is_chunked, is_head_request;
  dl_buf head;  /* status line and header lines, each ended by NUL once the head is complete */
  int64_t left; /* bytes left in the body or chunk; -1: until the end of the stream */
  int chunk_state;
  char line[32]; /* the chunk size line being read */
  size_t line_len;
} dl_http1;

void dl_http1_init(dl_http1 *p, bool is_head_request);
void dl_http1_clear(dl_http1 *p);

/* Takes some of the bytes and returns how many; after each call the state tells what is known.
 * *body and *body_len are set to body bytes among those taken (0 when none). Call again with the
 * rest until all is taken or the state says it is over. Interim answers are skipped. */
size_t dl_http1_feed(dl_http1 *p, const char *bytes, size_t len, const char **body, size_t *body_len);

/* The stream ended. True if the answer is complete by that. */
bool dl_http1_end(dl_http1 *p);

/* Calls `each` for every header, in order. After the head is complete. */
void dl_http1_each_header(const dl_http1 *p, void (*each)(void *user, const char *name, const char *value),
                          void *user);

/* A header that belongs to one connection and is never passed on. */
bool dl_http1_is_hop_header(const char *name);

#endif
