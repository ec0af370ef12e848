/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of src/http share about a server, its connections and a request. Nobody else includes this.
 *
 *     server.c   accepting, room for everybody, time limits, the end of it all
 *     conn.c     one connection: bytes to requests, one after the other, and answers to bytes
 *     request.c  what was asked and its body
 *     reply.c    what is answered: decided at any time, and turned into blocks of bytes
 *     shape.c    damage on purpose
 */
#ifndef DL_HTTP_INTERNAL_H
#define DL_HTTP_INTERNAL_H

#include "base/list.h"
#include "http/http.h"
#include "http/http1.h"
#include "http/tls.h"

#define DL_PARAMS_MAX 8
/* What a peer may still send after we have decided to refuse its body; then it gets the response and the end. */
#define DL_DRAIN_MAX (64 * 1024 * 1024)

typedef struct dl_conn dl_conn_t;

/* What a connection waits for. All of them but the last have a time limit (server.c). */
typedef enum {
  DL_PHASE_HEAD,   /* the first request, or the rest of the head of a next one */
  DL_PHASE_IDLE,   /* the beginning of a next request */
  DL_PHASE_BODY,   /* more of the body */
  DL_PHASE_DRAIN,  /* the rest of a body that nobody wants any more */
  DL_PHASE_ANSWER, /* the client to take some of the response */
  DL_PHASE_LINGER, /* the client's end after ours */
  DL_PHASE_COUNT,
  DL_PHASE_BUSY = DL_PHASE_COUNT /* us */
} dl_phase_t;

struct dl_http {
  uv_loop_t *loop;
  dl_tls_t *tls; /* NULL: plain HTTP */
  dl_http_opts_t opts;
  int listen_fd, port;
  size_t head_max;
  unsigned count, count_max;
  uv_poll_t listen_poll;
  uv_timer_t work_timer, limit_timer, accept_timer; /* the last while accepting rests */
  uv_prepare_t prepare;
  uv_check_t check;
  int open_handles;
  bool is_working, is_closing, is_stopped;
  bool has_told_accept;             /* that it failed, since the last that worked */
  dl_list_t conns;                  /* every connection, also those handed out by an upgrade */
  dl_list_t dirty;                  /* those with something to do before the loop sleeps */
  dl_list_t phases[DL_PHASE_COUNT]; /* those that wait, the longest first */
  dl_list_t silent;                 /* accepted and never served */
  dl_buf_t scratch;                 /* what goes out next; empty between calls */
  char date[40];
  time_t date_at;
  void (*on_closed)(void *user);
  void *closed_user;
};

struct dl_conn {
  dl_list_t link, dirty_link, phase_link;
  dl_http_t *server;
  dl_duplex_t *stream; /* NULL once it is over */
  int fd;              /* the stream's; for TLS the plain side */
  char peer[64];
  dl_phase_t phase;
  uint64_t deadline, sent_before;
  unsigned depth; /* of our calls on the stack: it is freed when none is left */
  dl_http1_t parser;
  dl_buf_t held; /* read, and not for now */
  dl_req_t *req; /* NULL between requests */
  bool is_over, is_upgraded, is_lingering, has_shut_down;
  bool client_ended;  /* it sends nothing more; it may read */
  bool has_probed;    /* whether it does */
  bool is_paused;     /* the handler takes no more of the body for now */
  bool wants_close;   /* after this response */
  bool is_drain_over; /* the body was given up: the response goes in front of it */
  bool owes_continue; /* the client waits for 100 Continue */
  /* Of the response under way. */
  bool is_head_sent, has_body, is_chunked, is_all_sent;
  int64_t body_sent;
};

typedef enum { DL_BODY_DROP, DL_BODY_BUFFER, DL_BODY_STREAM } dl_body_mode_t;
typedef enum {
  DL_ANSWER_NONE,
  DL_ANSWER_BYTES,
  DL_ANSWER_PULL,
  DL_ANSWER_UPGRADE,
  DL_ANSWER_RESET,
  DL_ANSWER_NEVER
} dl_answer_kind_t;

typedef struct {
  const char *name, *value;
} dl_field_t;

typedef struct {
  char *name, *value;
} dl_header_t;

struct dl_req {
  dl_http_t *server;
  dl_conn_t *conn; /* NULL once the connection is over */
  dl_buf_t head;   /* what the texts of the request lie in */
  dl_field_t *fields;
  size_t field_count;
  int64_t content_length; /* as dl_req_content_length */
  bool is_upgrade;
  const char *method, *target;
  char *path;
  const char *raw_query;
  dl_query_t query;
  bool has_query;
  char peer[64];
  const char *param_names[DL_PARAMS_MAX];
  size_t param_name_lens[DL_PARAMS_MAX];
  char *params[DL_PARAMS_MAX];
  size_t param_count;
  const char *rest;
  void *data;
  void (*drop)(void *data);

  bool is_body_done;
  dl_body_mode_t body_mode;
  dl_buf_t body;
  dl_body_cb on_body;
  dl_body_events_t body_events;
  void *body_user;
  int64_t dropped;
  bool is_too_large;

  void (*on_gone)(dl_req_t *req, void *user);
  void *gone_user;

  uint64_t began_ns; /* given to the handler */
  bool is_noted;     /* on_decided was called */
  bool is_answered;  /* the handler's duty is done */
  dl_answer_kind_t answer;
  int status;
  dl_header_t *headers;
  size_t header_count;
  char *bytes; /* malloc'ed */
  size_t bytes_len, bytes_at;
  int64_t length;
  dl_pull_events_t pull_events;
  void *pull_user;
  bool is_pull_open, is_pull_complete;
  void (*on_upgraded)(dl_duplex_t *d, void *user);
  void *upgrade_user;
  bool is_upgraded;
  bool (*reply_hook)(dl_req_t *req, void *user);
  void *hook_user;
  void (*hook_drop)(void *user);

  dl_shape_t shape;
  bool is_shaped, is_delay_over, is_thawed;
  dl_damage_t *damage;
  uv_timer_t *shape_timer;
  int64_t shape_sent, shape_allowance;
  unsigned shape_polls;
};

/* --- server.c --- */

/* It has something to do before the loop sleeps. */
void dl_conn_mark(dl_conn_t *c);
/* It waits for that from now on, or still does; with `is_new` its limit begins anew. */
void dl_http_wait(dl_conn_t *c, dl_phase_t phase, bool is_new);

/* --- conn.c --- */

/* `fd` is taken; it counts as one of the server's until it is freed. */
void dl_conn_new(dl_http_t *h, int fd, const char *peer);
/* The end, at once; a request on it is informed (dl_req_finished). */
void dl_conn_end(dl_conn_t *c);
/* The server's own end: also of a connection that was handed out. */
void dl_conn_drop(dl_conn_t *c);
/* Whatever can be done now. */
void dl_conn_work(dl_conn_t *c);
/* The limit of the phase has passed. */
void dl_conn_expire(dl_conn_t *c);

/* --- request.c --- */

/* Takes the head out of the parser. */
dl_req_t *dl_req_new(dl_conn_t *c);
/* Bytes of the body; returns how many were taken. */
size_t dl_req_take_body(dl_req_t *req, const char *bytes, size_t len);
void dl_req_finish_body(dl_req_t *req);
/* Answers 413 if the declared length is past what the handler wants. */
bool dl_req_refuse_body(dl_req_t *req);
/* Calls on_decided, once. The connection is there, or ends just now. */
void dl_req_note(dl_req_t *req, int status);
/* The connection is over, or the request on it. */
void dl_req_finished(dl_req_t *req, bool is_complete);
void dl_req_maybe_free(dl_req_t *req);
/* The response, or its next part, may have become possible. */
void dl_req_resume(dl_req_t *req);
/* The client's own socket, beneath TLS; -1 when it has gone. */
int dl_req_wire(const dl_req_t *req);

/* --- reply.c --- */

const char *dl_http_reason(int status);
/* The head of the decided answer, with its framing. */
void dl_reply_put_head(dl_conn_t *c, dl_buf_t *out);
/* The head and body of a response of our own, for what is no request. */
void dl_reply_put_refusal(dl_http_t *h, dl_buf_t *out, int status, const char *message);
/* The next bytes of the response's body, at most `max`; 0 or DL_PULL_*. */
ssize_t dl_reply_pull(dl_req_t *req, char *out, size_t max);

/* --- shape.c --- */

/* Bytes that may be sent now, 0 to wait, negative DL_PULL_ABORT. */
ssize_t dl_shape_allow(dl_req_t *req, size_t want);
void dl_shape_count(dl_req_t *req, size_t sent);
/* True while the response has to wait. */
bool dl_shape_holds(dl_req_t *req);
/* Nothing more is sent for now, to no attached client. */
bool dl_shape_is_frozen(const dl_req_t *req);
void dl_shape_drop(dl_req_t *req);

#endif
