/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of src/http share about a request and a server. Nobody else includes this.
 */
#ifndef DL_HTTP_INTERNAL_H
#define DL_HTTP_INTERNAL_H

#include "base/list.h"
#include "http/http.h"
#include "http/tls.h"

#include <microhttpd.h>

#define DL_PARAMS_MAX 8
/* What a peer may still send after we have decided to refuse its body; then we hang up. */
#define DL_DRAIN_MAX (64 * 1024 * 1024)

struct dl_http {
  uv_loop_t *loop;
  struct MHD_Daemon *mhd;
  dl_tls *tls; /* NULL: plain HTTP */
  dl_http_opts opts;
  int listen_fd, port;
  uv_poll_t listen_poll, mhd_poll;
  uv_timer_t timer, accept_timer; /* the second while accepting rests */
  uv_prepare_t prepare;
  uv_check_t check;
  int open_handles;
  bool is_dirty, is_running, is_closing, is_stopped;
  bool has_told_accept; /* that it failed, since the last that worked */
  dl_list requests;     /* every dl_req with a connection */
  dl_list upgrades;     /* struct dl_upgrade, connections handed out */
  dl_list silent;       /* accepted and never served */
  void (*on_closed)(void *user);
  void *closed_user;
};

typedef enum { DL_BODY_DROP, DL_BODY_BUFFER, DL_BODY_STREAM } dl_body_mode;
typedef enum {
  DL_ANSWER_NONE,
  DL_ANSWER_BYTES,
  DL_ANSWER_PULL,
  DL_ANSWER_UPGRADE,
  DL_ANSWER_RESET,
  DL_ANSWER_NEVER
} dl_answer_kind;

typedef struct {
  char *name, *value;
} dl_header;

struct dl_req {
  dl_list link;
  dl_http *server;
  struct MHD_Connection *conn; /* NULL once the connection is over */
  int fd;
  char method[24]; /* longer ones are of no route anyway */
  char *target, *path;
  const char *raw_query;
  dl_query query;
  bool has_query;
  char peer[64];
  const char *param_names[DL_PARAMS_MAX];
  size_t param_name_lens[DL_PARAMS_MAX];
  char *params[DL_PARAMS_MAX];
  size_t param_count;
  const char *rest;
  void *data;
  void (*drop)(void *data);

  bool has_started;  /* the handler was called */
  bool is_suspended; /* by us, in libmicrohttpd's terms */
  bool is_body_done;
  dl_body_mode body_mode;
  dl_buf body;
  size_t body_max;
  dl_body_cb on_body;
  dl_body_events body_events;
  void *body_user;
  int64_t dropped;
  bool is_too_large;

  void (*on_gone)(dl_req *req, void *user);
  void *gone_user;
  uv_poll_t *gone_poll;

  bool is_answered; /* the handler's duty is done */
  dl_answer_kind answer;
  int status;
  dl_header *headers;
  size_t header_count;
  char *bytes; /* malloc'ed */
  size_t bytes_len, bytes_at;
  int64_t length;
  dl_pull_events pull_events;
  void *pull_user;
  bool is_pull_open, is_pull_complete;
  void (*on_upgraded)(dl_duplex *d, void *user);
  void *upgrade_user;
  bool is_upgraded;
  bool (*reply_hook)(dl_req *req, void *user);
  void *hook_user;
  void (*hook_drop)(void *user);

  dl_shape shape;
  bool is_shaped, is_delay_over, is_thawed, is_frozen_peer_gone;
  dl_damage *damage;
  uv_timer_t *shape_timer;
  int64_t shape_sent, shape_allowance;
  unsigned shape_polls;
};

/* The server must look at its connections before the loop sleeps. */
void dl_http_mark(dl_http *h);
/* The client's own socket, beneath TLS; -1 when it has gone. */
int dl_req_wire(const dl_req *req);
void dl_req_suspend(dl_req *req);
void dl_req_resume(dl_req *req);
/* libmicrohttpd's view of a request: start, body bytes, end of body, answer. */
enum MHD_Result dl_req_step(dl_req *req, const char *bytes, size_t *len);
dl_req *dl_req_new(dl_http *h, struct MHD_Connection *conn, const char *target);
/* The connection is over, or the request on it. */
void dl_req_finished(dl_req *req, bool is_complete);
/* Queue the decided answer. */
enum MHD_Result dl_req_send(dl_req *req);
void dl_req_maybe_free(dl_req *req);
/* Damage on purpose (shape.c): bytes that may be sent now, 0 to wait, negative DL_PULL_ABORT. */
ssize_t dl_shape_allow(dl_req *req, size_t want);
void dl_shape_count(dl_req *req, size_t sent);
/* The answer waits, perhaps because of the damage. */
void dl_shape_suspended(dl_req *req);
/* True while the answer has to wait. */
bool dl_shape_holds(dl_req *req);
void dl_shape_drop(dl_req *req);
/* End every connection that was handed out by an upgrade. */
void dl_upgrades_end(dl_http *h);

#endif
