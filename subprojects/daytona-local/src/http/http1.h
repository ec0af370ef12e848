/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading HTTP/1.x messages: bytes in, facts out, no input or output of its own. Both directions share the head's
 * lines and the body; they differ in how much is forgiven. Answers come from programs of a sandbox and are read by
 * one parser, ours, so line ends of LF alone pass. Requests may have passed a proxy that reads them by rules of
 * its own, and whatever two parsers could read differently is refused: see docs/local-server.md.
 */
#ifndef DL_HTTP1_H
#define DL_HTTP1_H

#include "base/buf.h"

#define DL_HTTP1_HEAD_MAX (64u * 1024)
#define DL_HTTP1_TARGET_MAX (40u * 1024) /* of a request line */
#define DL_HTTP1_HEADERS_MAX 256u
#define DL_HTTP1_CHUNK_LINE_MAX 4096u
#define DL_HTTP1_TRAILERS_MAX (8u * 1024)

typedef enum {
  DL_HTTP1_HEAD,    /* the head is not complete */
  DL_HTTP1_BODY,    /* body bytes may come */
  DL_HTTP1_DONE,    /* the message is complete; what follows is not part of it */
  DL_HTTP1_UPGRADE, /* a response of 101: what follows is another protocol */
  DL_HTTP1_BROKEN
} dl_http1_state_t;

typedef struct {
  dl_http1_state_t state;
  bool is_request, is_head_request, is_chunked;
  int64_t length; /* declared body length, -1: chunked or until the end of the stream */
  /* The lines once the head is complete, each without its end: first line, then name and value of each header, all
   * of them followed by a NUL. */
  dl_buf_t head;
  size_t headers_at, header_count;
  size_t head_max;
  bool has_skipped_line, has_first_line;
  int minor; /* of HTTP/1.x: 0 or 1 */
  /* A response. */
  int status;
  /* A request; the texts lie in `head`. */
  const char *method, *target, *host;
  bool expects_continue, wants_close, is_upgrade;
  /* A broken request: what to answer. */
  int refusal;
  const char *problem;
  /* The body. */
  int64_t left; /* bytes left in it or in the chunk; -1: until the end of the stream */
  int chunk_state;
  size_t digits, line_len, excess;
} dl_http1_t;

void dl_http1_init(dl_http1_t *p, bool is_head_request);
void dl_http1_init_request(dl_http1_t *p, size_t head_max);
void dl_http1_clear(dl_http1_t *p);

/* Takes some of the bytes and returns how many; after each call the state says what is known.
 * *body and *body_len are set to body bytes among those taken (0 when none). Call again with the
 * rest until all is taken or the state says it is over. Interim responses are skipped. */
size_t dl_http1_feed(dl_http1_t *p, const char *bytes, size_t len, const char **body, size_t *body_len);

/* The last `len` body bytes were not taken after all, and will be fed again before anything else. */
void dl_http1_untake(dl_http1_t *p, size_t len);

/* The stream ended. True if the response is complete by that. */
bool dl_http1_end(dl_http1_t *p);

/* Calls `each` for every header, in order. After the head is complete. */
void dl_http1_each_header(const dl_http1_t *p, void (*each)(void *user, const char *name, const char *value),
                          void *user);

/* A header that belongs to one connection and is never passed on. */
bool dl_http1_is_hop_header(const char *name);

/* Letters, digits and the marks that names of methods and headers are made of. */
bool dl_http1_is_token(const char *text);
/* No control characters but tab. */
bool dl_http1_is_value(const char *text);

#endif
