/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP/1.1 server of both roles, on a libuv loop.
 *
 * One rule covers every request: the handler is called once, when the head has arrived, and
 * **answers exactly once**, at once or on any later turn of the loop, also when the peer has gone
 * (the response then goes nowhere). A request pointer is valid until its response was given;
 * for a streamed response, until its on_close was called. There is nothing else to free.
 *
 *     handler -> dl_reply_*                                    body, if any, is read and dropped
 *     handler -> dl_req_read_body(ceiling, cb) -> dl_reply_*   413 when larger; cb is then not called
 *     handler -> dl_req_stream_body(cbs) -> dl_reply_*         bytes as they come, with back-pressure
 *
 * The body is read to its end before a response leaves, so that connections stay usable; a body that nobody wants
 * any more has five seconds and 64 MiB for that, then the response comes with the end of the connection. A client that
 * waits for 100 Continue gets it when the handler has returned without a response.
 *
 * Whatever is no request for sure is answered 4xx without a handler, and its connection ends. Limits and time limits
 * are in docs/local-server.md.
 *
 * All callbacks come on the loop thread. Closing the server and all of dl_req_* and dl_reply_*
 * may be called from inside any of them.
 */
#ifndef DL_HTTP_H
#define DL_HTTP_H

#include "base/jsonx.h"
#include "http/damage.h"
#include "http/url.h"

struct dl_tls_functions;
typedef struct dl_http dl_http_t;
typedef struct dl_req dl_req_t;

typedef void (*dl_http_handler_cb)(dl_req_t *req, void *user);

typedef struct {
  /* A bound socket (TCP or Unix), taken; it need not be listening. -1: use host and port. */
  int listen_fd;
  const char *host; /* a numeric address; default 127.0.0.1 */
  int port;         /* 0: any free one, see dl_http_port */
  /* PEM texts, copied; NULL: plain HTTP. With a client CA, a client must show a certificate of it. */
  const char *tls_cert_pem, *tls_key_pem, *tls_client_ca_pem;
  const struct dl_tls_functions *tls; /* Required with a certificate: &DL_TLS, see tls.h */
  unsigned connection_max;            /* 0: 8192, or what three quarters of the descriptors are enough for */
  dl_http_handler_cb on_request;      /* Required. */
  /* True: keep this fresh connection open but never read or answer it. Optional. */
  bool (*on_accept)(void *user);
  /* The response to a request that the handler got is decided: its status (0: a reset, or none at all; -1: none, for its
   * client has gone first), and how long that took. `req` is borrowed for the call. Optional. */
  void (*on_decided)(const dl_req_t *req, int status, uint64_t took_ms, void *user);
  /* What is no request was answered with `status`; its connection ends. Optional. */
  void (*on_refused)(const char *peer, int status, const char *problem, void *user);
  void *user;
} dl_http_opts_t;

/* NULL and *error (yours to free) if it cannot listen. */
dl_http_t *dl_http_new(uv_loop_t *loop, const dl_http_opts_t *opts, char **error);
int dl_http_port(const dl_http_t *h);
uv_loop_t *dl_http_loop(const dl_http_t *h);
/* Connections end, streamed bodies and responses are ended, then `on_closed` is called. */
void dl_http_close(dl_http_t *h, void (*on_closed)(void *user), void *user);

/* --- what was asked; all borrowed, valid as long as the request --- */

const char *dl_req_method(const dl_req_t *req);
/* As received: still encoded, query included. */
const char *dl_req_target(const dl_req_t *req);
/* As received, without the query. */
const char *dl_req_path(const dl_req_t *req);
/* As received, without the '?'; "" when there is none. */
const char *dl_req_raw_query(const dl_req_t *req);
const dl_query_t *dl_req_query(dl_req_t *req);
const char *dl_req_header(const dl_req_t *req, const char *name);
void dl_req_each_header(const dl_req_t *req, void (*each)(void *user, const char *name, const char *value),
                        void *user);
/* The protocol that is asked for, or NULL; without its word in Connection the header asks for nothing. */
const char *dl_req_upgrade(const dl_req_t *req);
/* Declared length, -1 when chunked, 0 when there is no body. */
int64_t dl_req_content_length(const dl_req_t *req);
/* Address of the peer, "unix" on a Unix socket. */
const char *dl_req_peer(const dl_req_t *req);
dl_http_t *dl_req_server(const dl_req_t *req);
/* A value of the path template, decoded. NULL when the template has none of that name. */
const char *dl_req_param(const dl_req_t *req, const char *name);
/* The undecoded rest of the path matched by "{name*}", without its leading slash. */
const char *dl_req_rest(const dl_req_t *req);

/* The handler's own pointer, and how to drop it when the request is over. */
void dl_req_set_data(dl_req_t *req, void *data, void (*drop)(void *data));
void *dl_req_data(const dl_req_t *req);

/* --- the request body --- */

typedef void (*dl_body_cb)(dl_req_t *req, const char *body, size_t len, void *user);
/* Body complete: `body` is NUL-terminated (not counted) and lives as long as the request. When
 * the peer goes away first, or the body passes `max`, the callback does not come and the
 * request answers itself. */
void dl_req_read_body(dl_req_t *req, size_t max, dl_body_cb on_body, void *user);

typedef struct {
  /* Returns how many bytes were taken; fewer than `len` pauses until dl_req_body_resume. */
  size_t (*on_data)(dl_req_t *req, const char *bytes, size_t len, void *user);
  /* The body is complete, or (is_complete false) the peer went away in the middle. */
  void (*on_end)(dl_req_t *req, bool is_complete, void *user);
} dl_body_events_t;
void dl_req_stream_body(dl_req_t *req, const dl_body_events_t *events, void *user);
void dl_req_body_resume(dl_req_t *req);

/* Tell once if the peer goes away before the response was given. The response is still due. A peer that only sends no more
 * has not gone: it is asked with an interim response, so that one that has gone shows. */
void dl_req_on_gone(dl_req_t *req, void (*on_gone)(dl_req_t *req, void *user), void *user);
bool dl_req_is_gone(const dl_req_t *req);

/* --- the response --- */

/* For the coming answer; ignored after it. Left out: names that are no token, values with control characters, and
 * what is ours (Connection, Content-Length, Transfer-Encoding, Date). */
void dl_req_add_header(dl_req_t *req, const char *name, const char *value);

/* Forget the headers added so far. */
void dl_req_clear_headers(dl_req_t *req);

void dl_reply_empty(dl_req_t *req, int status);
/* application/json; charset=utf-8. `value` is taken. */
void dl_reply_json(dl_req_t *req, int status, json_t *value);
/* text/plain; charset=utf-8. Copied. */
void dl_reply_text(dl_req_t *req, int status, const char *text);
/* `content_type` NULL: none. Copied. */
void dl_reply_bytes(dl_req_t *req, int status, const char *content_type, const void *bytes, size_t len);

#define DL_PULL_LATER 0 /* nothing now: dl_reply_wake will be called */
#define DL_PULL_END (-1)
#define DL_PULL_ABORT (-2) /* break the connection */
typedef struct {
  /* Fill up to `max` bytes; returns how many, or one of DL_PULL_*. */
  ssize_t (*pull)(void *user, char *out, size_t max);
  /* Once: all was sent (is_complete) or the connection ended. The request is gone after it. */
  void (*on_close)(void *user, bool is_complete);
} dl_pull_events_t;
/* `length` -1: unknown, sent chunked. */
void dl_reply_stream(dl_req_t *req, int status, int64_t length, const dl_pull_events_t *events, void *user);
/* The stream has something to pull again. */
void dl_reply_wake(dl_req_t *req);

/* 101 with the headers added before (Upgrade among them; Connection is ours). `on_upgraded` gets
 * the connection, or NULL if the peer has gone; the request is over after it. */
void dl_reply_upgrade(dl_req_t *req, void (*on_upgraded)(dl_duplex_t *d, void *user), void *user);

/* No response: break the connection with a reset, or keep it silent until the peer or we give up. */
void dl_reply_reset(dl_req_t *req);
void dl_reply_never(dl_req_t *req);

/* --- damage on purpose: how the coming answer is sent --- */

typedef struct {
  unsigned delay_ms;         /* wait before the response */
  int64_t truncate_after;    /* close after that many body bytes; -1: no */
  int64_t short_after;       /* end there as if that were all, declared length included; -1: no */
  int64_t reset_after;       /* reset after that many body bytes; -1: no */
  int64_t freeze_after;      /* send nothing more after that many body bytes; -1: no */
  int64_t freeze_ms;         /* and go on after that time; -1: never */
  unsigned bytes_per_second; /* 0: no limit */
} dl_shape_t;
#define DL_SHAPE_NONE \
  ((dl_shape_t){.truncate_after = -1, .short_after = -1, .reset_after = -1, .freeze_after = -1})
void dl_req_shape(dl_req_t *req, const dl_shape_t *shape);

/* The same for an upgraded connection that is passed on (dl_forward). Copied. */
void dl_req_set_damage(dl_req_t *req, const dl_damage_t *damage);
/* Yours to free; NULL when there is none. */
dl_damage_t *dl_req_take_damage(dl_req_t *req);

/* Called when the response was decided, before it is sent; true: it was taken care of (the hook
 * called dl_reply_reset, dl_reply_never or another reply on `req`). Used once; `drop` comes when
 * the request goes, whether or not the hook was used. */
void dl_req_on_reply(dl_req_t *req, bool (*hook)(dl_req_t *req, void *user), void *user,
                     void (*drop)(void *user));

/* --- routes --- */

typedef struct {
  const char *method;
  /* Segments match on the encoded path and are decoded afterwards: "/sandbox/{idOrName}/start". A
   * last segment "{name*}" matches any rest, an empty one included. */
  const char *path;
  dl_http_handler_cb handler;
  unsigned flags; /* for the caller's use */
} dl_route_t;

/* The most specific route: literal segments win over parameters, from the left. Sets the
 * request's parameters. NULL: no route; *bad_escape is set when a segment could not be decoded. */
const dl_route_t *dl_route_find(dl_req_t *req, const dl_route_t *routes, size_t count, const char *path,
                                bool *bad_escape);

typedef struct {
  const dl_route_t *routes;
  size_t count;
} dl_route_table_t;

/* The rows of several tables as one. */
typedef struct dl_routes dl_routes_t;

/* Copies the rows, however many there are. NULL and *error (yours to free) when a path has more segments or
 * parameters than a request can have, or when two rows take the same requests. */
dl_routes_t *dl_routes_join(const dl_route_table_t *tables, size_t count, char **error);
/* NULL is fine. */
void dl_routes_free(dl_routes_t *r);
/* As dl_route_find, over all rows. */
const dl_route_t *dl_routes_find(dl_req_t *req, const dl_routes_t *routes, const char *path,
                                 bool *bad_escape);

#endif
