/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections of WebSockets; see ws_conn.h.
 *
 * Opening runs through phases in a fixed order, each of which either is done, waits for bytes, or fails;
 * phases that do not apply are skipped when the setup is made. Bytes flow through at most two TLS
 * layers; whatever they produce is collected in the client's scratch buffer and written to the socket
 * once, at the end of the call that caused it.
 */
#include "net/ws_conn.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

#include "core/limits.h"
#include "core/memory.h"
#include "core/random.h"
#include "net/tunnel.h"

enum {
  PHASE_NEW,
  PHASE_CONTEXT,
  PHASE_LOOKUP,
  PHASE_TCP,
  PHASE_PROXY_TLS,
  PHASE_TUNNEL,
  PHASE_TLS,
  PHASE_OPEN,
  PHASE_FAILED,
  PHASE_CLOSED
};

/* One frame: the largest is a request body that goes as a message. And what TLS, twice perhaps, makes of it. */
#define FRAME_MAX (DAYTONA__REQUEST_BODY_MAX + ((size_t)64 << 10))
#define OUT_MAX (FRAME_MAX + FRAME_MAX / 64 + ((size_t)64 << 10))

/* A scratch buffer larger than this is not kept. */
#define SCRATCH_KEEP ((size_t)64 << 10)

typedef struct daytona__ws_setup {
  daytona__ws_conn_t *conn;
  daytona__target_t target;
  daytona__proxy_t proxy;
  bool has_proxy, tunnel_was_sent;
  daytona__trust_waiter_t waiter;
  daytona__lookup_t lookup;
  daytona__task_t report; /* a failure inside the call that began it */
  daytona__http1_head_t answer;
} setup_t;

/* --- what a client shares ---------------------------------------------------------------------- */

int daytona__ws_net_init(daytona__ws_net_t *net, daytona__loop_t *loop, const daytona__net_options_t *options,
                         daytona__resolver_t *resolver) {
  memset(net, 0, sizeof *net);
  net->loop = loop;
  net->resolver = resolver;
  net->race_ms = options->happy_eyeballs_ms;
  net->connect_timeout_ms = options->connect_timeout_ms;
  daytona__strbuf_init(&net->out, OUT_MAX);
  daytona__strbuf_init(&net->frame, FRAME_MAX);
  int code = daytona__psa_init();
  if (code == 0) code = daytona__proxy_options_own(&net->proxy, &options->proxy);
  if (code == 0) code = daytona__tcp_env_init(&net->tcp, loop);
  if (code == 0) code = daytona__tls_ctx_new(loop, &options->tls, &net->tls);
  if (code != 0) daytona__ws_net_clear(net);
  return code;
}

void daytona__ws_net_clear(daytona__ws_net_t *net) {
  daytona__proxy_options_disown(&net->proxy);
  daytona__tcp_env_clear(&net->tcp);
  daytona__strbuf_clear(&net->out);
  daytona__strbuf_clear(&net->frame);
  daytona__wipe(net->random, sizeof net->random);
}

int daytona__ws_net_random(daytona__ws_net_t *net, void *buffer, size_t size) {
  assert(size <= sizeof net->random);
  if (net->random_left < size) {
    if (daytona__random(net->random, sizeof net->random) != 0) return DAYTONA_EFAILED;
    net->random_left = sizeof net->random;
  }
  net->random_left -= size;
  memcpy(buffer, net->random + net->random_left, size);
  return 0;
}

void daytona__ws_net_reset(daytona__strbuf_t *scratch) {
  if (scratch->room > SCRATCH_KEEP || scratch->error != 0)
    daytona__strbuf_clear(scratch);
  else
    scratch->size = 0;
}

/* --- levels ------------------------------------------------------------------------------------ */

/* Write what the TLS layers have produced. */
static int flush(daytona__ws_conn_t *conn) {
  daytona__strbuf_t *out = &conn->net->out;
  int code = out->error;
  if (code == 0 && out->size != 0) code = daytona__tcp_write(&conn->tcp, out->data, out->size);
  daytona__ws_net_reset(out);
  return code;
}

static ptrdiff_t level_read(daytona__ws_conn_t *conn, unsigned levels, void *buffer, size_t size) {
  if (levels == 0) return daytona__tcp_read(&conn->tcp, buffer, size);
  ptrdiff_t got = daytona__tls_read(conn->levels[levels - 1].tls, buffer, size);
  if (got == DAYTONA__TLS_FAIL) {
    conn->code = daytona__tls_code(conn->levels[levels - 1].tls);
    conn->message = daytona__tls_message(conn->levels[levels - 1].tls);
  }
  return got;
}

static int level_write(daytona__ws_conn_t *conn, unsigned levels, const void *bytes, size_t size) {
  if (levels == 0) return daytona__strbuf_append(&conn->net->out, bytes, size);
  return daytona__tls_write(conn->levels[levels - 1].tls, bytes, size);
}

static ptrdiff_t on_pull(void *user, void *buffer, size_t size) {
  daytona__ws_level_t *level = user;
  ptrdiff_t got = level_read(level->conn, (unsigned)(level - level->conn->levels), buffer, size);
  return got == DAYTONA__TLS_FAIL ? DAYTONA__TLS_END : got;
}

static int on_push(void *user, const void *bytes, size_t size) {
  daytona__ws_level_t *level = user;
  return level_write(level->conn, (unsigned)(level - level->conn->levels), bytes, size);
}

ptrdiff_t daytona__ws_conn_read(daytona__ws_conn_t *conn, void *buffer, size_t size) {
  if (conn->phase != PHASE_OPEN) return DAYTONA__WS_CONN_END;
  ptrdiff_t got = level_read(conn, conn->level_count, buffer, size);
  if (conn->level_count == 0) return got;
  int code = flush(conn); /* an alert, a ticket's answer, a key update */
  if (code != 0 && got <= 0) {
    conn->code = code;
    conn->message = daytona_errcode_text(code);
    got = DAYTONA__WS_CONN_FAIL;
  }
  return conn->code != 0 ? DAYTONA__WS_CONN_FAIL : got;
}

int daytona__ws_conn_errno(const daytona__ws_conn_t *conn) {
  if (conn->system_errno != 0) return conn->system_errno;
  return conn->tcp.end != 0 ? daytona__system_errno(conn->tcp.end) : conn->tcp.write_errno;
}

int daytona__ws_conn_write(daytona__ws_conn_t *conn, const void *bytes, size_t size) {
  if (conn->phase != PHASE_OPEN) return DAYTONA_ECLOSED;
  if (conn->level_count == 0) return daytona__tcp_write(&conn->tcp, bytes, size);
  int code = level_write(conn, conn->level_count, bytes, size);
  int flushed = flush(conn);
  return code != 0 ? code : flushed;
}

/* --- frames ------------------------------------------------------------------------------------ */

/* Frames that wait for each other leave when they are so many: the buffer stays small enough to be kept. */
enum { CORK_BYTES = 32 * 1024 };

/* The buffer is empty afterwards, and nobody's. */
static int send_frames(daytona__ws_conn_t *conn) {
  daytona__ws_net_t *net = conn->net;
  net->owner = NULL;
  int code = net->frame.size != 0 ? daytona__ws_conn_write(conn, net->frame.data, net->frame.size) : 0;
  daytona__ws_net_reset(&net->frame);
  return code;
}

void daytona__ws_conn_flush(daytona__ws_conn_t *conn) {
  if (conn->net->owner != conn) return;
  int code = send_frames(conn);
  conn->on_flushed(conn, code);
}

daytona__strbuf_t *daytona__ws_conn_frame(daytona__ws_conn_t *conn) {
  daytona__ws_net_t *net = conn->net;
  if (net->owner != NULL && net->owner != conn) daytona__ws_conn_flush(net->owner);
  net->frame.error = 0; /* a frame that did not fit has changed nothing */
  assert(net->owner == conn || net->frame.size == 0);
  return &net->frame;
}

int daytona__ws_conn_commit(daytona__ws_conn_t *conn) {
  daytona__ws_net_t *net = conn->net;
  assert(net->owner == NULL || net->owner == conn);
  if (net->corks != 0 && conn->written_turn == net->cork_turn && net->frame.size < CORK_BYTES) {
    net->owner = conn;
    return 0;
  }
  conn->written_turn = net->cork_turn;
  return send_frames(conn);
}

void daytona__ws_net_cork(daytona__ws_net_t *net) {
  if (net->corks++ == 0) net->cork_turn++;
}

void daytona__ws_net_uncork(daytona__ws_net_t *net) {
  assert(net->corks != 0);
  if (--net->corks == 0 && net->owner != NULL) daytona__ws_conn_flush(net->owner);
}

void daytona__ws_conn_shutdown(daytona__ws_conn_t *conn) {
  if (conn->phase != PHASE_OPEN) return;
  daytona__ws_conn_flush(conn);
  for (unsigned i = conn->level_count; i > 0; i--) daytona__tls_close_notify(conn->levels[i - 1].tls);
  flush(conn);
}

size_t daytona__ws_conn_queued(const daytona__ws_conn_t *conn) {
  return daytona__tcp_queued(&conn->tcp) + (conn->net->owner == conn ? conn->net->frame.size : 0);
}

void daytona__ws_conn_set_reading(daytona__ws_conn_t *conn, bool wants_read) {
  daytona__tcp_set_reading(&conn->tcp, wants_read);
}

/* --- opening ----------------------------------------------------------------------------------- */

/* The only place that changes a phase: to the next one, or to an end. */
static void set_phase(daytona__ws_conn_t *conn, int to) {
  assert(conn->phase < PHASE_FAILED || to == PHASE_CLOSED);
  assert(to == conn->phase + 1 || to >= PHASE_FAILED);
  assert(to < PHASE_LOOKUP || to >= PHASE_OPEN || conn->setup != NULL);
  conn->phase = to;
}

static void setup_free(daytona__ws_conn_t *conn) {
  setup_t *setup = conn->setup;
  if (setup == NULL) return;
  daytona__trust_cancel(&setup->waiter);
  daytona__resolver_cancel(&setup->lookup);
  daytona__task_cancel(&setup->report);
  daytona__proxy_clear(&setup->proxy);
  daytona__http1_head_clear(&setup->answer);
  daytona__free(setup);
  conn->setup = NULL;
}

static void opened(daytona__ws_conn_t *conn, int phase) {
  set_phase(conn, phase);
  setup_free(conn);
  conn->on_opened(conn);
}

static void fail(daytona__ws_conn_t *conn, int code, const char *message) {
  conn->code = code;
  if (message != conn->text) snprintf(conn->text, sizeof conn->text, "%s", message);
  conn->message = conn->text;
  opened(conn, PHASE_FAILED);
}

/* The connection ended while something more was expected. */
static void fail_end(daytona__ws_conn_t *conn, int code) {
  snprintf(conn->text, sizeof conn->text, "%s",
           conn->tcp.end != 0 ? daytona__tcp_strerror(conn->tcp.end) : "the peer closed the connection");
  fail(conn, code, conn->text);
}

/* One phase: 1 done, 0 waits for bytes, below 0 failed and reported. */
static int step_tls(daytona__ws_conn_t *conn, const char *host, int port) {
  unsigned wanted =
    conn->phase == PHASE_TLS && conn->setup->has_proxy && conn->setup->proxy.kind == DAYTONA__PROXY_HTTPS ? 2
                                                                                                          : 1;
  if (conn->level_count < wanted) {
    daytona__ws_level_t *level = &conn->levels[conn->level_count];
    daytona__tls_io_t io = {on_pull, on_push, level};
    level->conn = conn;
    int code = daytona__tls_new(conn->net->tls, host, port, &io, &level->tls);
    if (code != 0) {
      fail(conn, code, daytona_errcode_text(code));
      return -1;
    }
    conn->level_count++;
    assert(conn->level_count <= sizeof conn->levels / sizeof conn->levels[0]);
  }
  daytona__tls_t *tls = conn->levels[conn->level_count - 1].tls;
  int code = daytona__tls_handshake(tls);
  int flushed = flush(conn);
  if (code < 0) {
    fail(conn, code, daytona__tls_message(tls));
  } else if (flushed != 0) {
    fail(conn, flushed, daytona_errcode_text(flushed));
    code = -1;
  }
  return code;
}

static int tunnel_send(daytona__ws_conn_t *conn) {
  setup_t *setup = conn->setup;
  daytona__strbuf_t request;
  daytona__strbuf_init(&request, DAYTONA__URL_MAX);
  int code = daytona__tunnel_request(&setup->proxy, &setup->target, &request);
  if (code == 0) code = level_write(conn, conn->level_count, request.data, request.size);
  if (request.data != NULL) daytona__wipe(request.data, request.size);
  daytona__strbuf_clear(&request);
  int flushed = flush(conn);
  setup->tunnel_was_sent = true;
  return code != 0 ? code : flushed;
}

static int step_tunnel(daytona__ws_conn_t *conn) {
  setup_t *setup = conn->setup;
  int code = setup->tunnel_was_sent ? 0 : tunnel_send(conn);
  if (code != 0) {
    fail(conn, code, daytona_errcode_text(code));
    return -1;
  }
  char byte;
  ptrdiff_t got;
  while ((got = level_read(conn, conn->level_count, &byte, 1)) > 0) {
    code = daytona__http1_head_head(&setup->answer, byte);
    if (code == DAYTONA__HTTP1_HEAD_MORE) continue;
    if (code == DAYTONA__HTTP1_HEAD_DONE)
      code = daytona__tunnel_check(&setup->proxy, &setup->answer, conn->text, sizeof conn->text);
    else
      snprintf(conn->text, sizeof conn->text, "the proxy's response: %s", setup->answer.message);
    if (code == 0) return 1;
    fail(conn, code == DAYTONA_ENOMEM ? code : DAYTONA_EPROXY, conn->text);
    return -1;
  }
  if (got == 0) return 0;
  fail_end(conn, DAYTONA_EPROXY);
  return -1;
}

/* Go through the phases that bytes decide, as far as the bytes go. */
static void advance(daytona__ws_conn_t *conn) {
  setup_t *setup = conn->setup;
  for (;;) {
    int done = 1;
    if (conn->phase == PHASE_PROXY_TLS) {
      if (setup->has_proxy && setup->proxy.kind == DAYTONA__PROXY_HTTPS)
        done = step_tls(conn, setup->proxy.host, setup->proxy.port);
    } else if (conn->phase == PHASE_TUNNEL) {
      if (setup->has_proxy) done = step_tunnel(conn);
    } else if (setup->target.is_secure) {
      done = step_tls(conn, setup->target.host, setup->target.port);
    }
    if (done <= 0) return;
    if (conn->phase == PHASE_TLS) {
      opened(conn, PHASE_OPEN);
      return;
    }
    set_phase(conn, conn->phase + 1);
  }
}

static void on_tcp_readable(daytona__tcp_t *tcp) {
  daytona__ws_conn_t *conn = DAYTONA__CONTAINER(tcp, daytona__ws_conn_t, tcp);
  if (conn->phase == PHASE_OPEN)
    conn->on_readable(conn);
  else if (conn->phase >= PHASE_PROXY_TLS && conn->phase < PHASE_OPEN)
    advance(conn);
}

/* The name may mean another address by now. */
static void doubt_address(daytona__ws_conn_t *conn) {
  const setup_t *setup = conn->setup;
  daytona__resolver_doubt(conn->net->resolver, setup->has_proxy ? setup->proxy.host : setup->target.host);
}

static void on_tcp_connected(daytona__tcp_t *tcp, int status) {
  daytona__ws_conn_t *conn = DAYTONA__CONTAINER(tcp, daytona__ws_conn_t, tcp);
  if (status != 0) {
    conn->system_errno = daytona__system_errno(status);
    doubt_address(conn);
    fail(conn, status == UV_ENOMEM ? DAYTONA_ENOMEM : DAYTONA_ECONNECTION, daytona__tcp_strerror(status));
    return;
  }
  set_phase(conn, PHASE_PROXY_TLS);
  daytona__tcp_set_reading(tcp, true);
  advance(conn);
}

static void on_tcp_drained(daytona__tcp_t *tcp) {
  daytona__ws_conn_t *conn = DAYTONA__CONTAINER(tcp, daytona__ws_conn_t, tcp);
  if (conn->phase == PHASE_OPEN) conn->on_drained(conn);
}

static void on_looked_up(daytona__lookup_t *lookup, daytona_errcode_t code, const char *message,
                         const daytona__addresses_t *addresses) {
  setup_t *setup = DAYTONA__CONTAINER(lookup, setup_t, lookup);
  daytona__ws_conn_t *conn = setup->conn;
  if (addresses == NULL) {
    fail(conn, code, message);
    return;
  }
  set_phase(conn, PHASE_TCP);
  int port = setup->has_proxy ? setup->proxy.port : setup->target.port;
  int started = daytona__tcp_connect(&conn->tcp, addresses, port, conn->net->race_ms);
  if (started != 0) fail(conn, started, daytona_errcode_text(started));
}

static void start_lookup(daytona__ws_conn_t *conn) {
  setup_t *setup = conn->setup;
  set_phase(conn, PHASE_LOOKUP);
  daytona__resolver_start(conn->net->resolver, setup->has_proxy ? setup->proxy.host : setup->target.host,
                          &setup->lookup);
}

static void on_context(daytona__trust_waiter_t *waiter, int code, const char *message) {
  setup_t *setup = DAYTONA__CONTAINER(waiter, setup_t, waiter);
  if (code != 0)
    fail(setup->conn, code, message);
  else
    start_lookup(setup->conn);
}

static void on_report(daytona__task_t *task) {
  setup_t *setup = DAYTONA__CONTAINER(task, setup_t, report);
  fail(setup->conn, setup->conn->code, setup->conn->message);
}

static int pick_proxy(daytona__ws_conn_t *conn, setup_t *setup) {
  const char *url = daytona__proxy_pick(&conn->net->proxy, &setup->target);
  if (url == NULL || *url == '\0') return 0;
  int code = daytona__proxy_parse(url, &setup->proxy);
  if (code == DAYTONA_ENOMEM) return code;
  setup->has_proxy = code == 0;
  if (code != 0) {
    conn->message = "the proxy's URL is malformed";
  } else if (setup->proxy.kind != DAYTONA__PROXY_HTTP && setup->proxy.kind != DAYTONA__PROXY_HTTPS) {
    conn->message = "SOCKS proxies are not supported for WebSockets; use an HTTP proxy";
    code = DAYTONA_EUNSUPPORTED;
  }
  return code;
}

static void on_tcp_closed(daytona__tcp_t *tcp) {
  daytona__ws_conn_t *conn = DAYTONA__CONTAINER(tcp, daytona__ws_conn_t, tcp);
  conn->on_closed(conn);
}

void daytona__ws_conn_init(daytona__ws_conn_t *conn, daytona__ws_net_t *net) {
  memset(conn, 0, sizeof *conn);
  conn->net = net;
  daytona__tcp_init(&conn->tcp, &net->tcp);
  conn->tcp.on_connected = on_tcp_connected;
  conn->tcp.on_readable = on_tcp_readable;
  conn->tcp.on_drained = on_tcp_drained;
  conn->tcp.on_closed = on_tcp_closed;
}

int daytona__ws_conn_open(daytona__ws_conn_t *conn, const daytona__target_t *target) {
  assert(conn->phase == PHASE_NEW);
  setup_t *setup = daytona__calloc(1, sizeof *setup);
  if (setup == NULL) return DAYTONA_ENOMEM;
  conn->setup = setup;
  setup->conn = conn;
  setup->target = *target;
  daytona__list_init(&setup->waiter.link);
  daytona__list_init(&setup->lookup.link);
  daytona__task_init(&setup->lookup.task, NULL);
  daytona__task_init(&setup->report, on_report);
  daytona__http1_head_init(&setup->answer);
  setup->waiter.on_ready = on_context;
  setup->lookup.on_done = on_looked_up;
  set_phase(conn, PHASE_CONTEXT);
  conn->code = pick_proxy(conn, setup);
  if (conn->code != 0) {
    if (conn->message == NULL) conn->message = daytona_errcode_text(conn->code);
    daytona__loop_defer(conn->net->loop, &setup->report);
  } else if (target->is_secure || (setup->has_proxy && setup->proxy.kind == DAYTONA__PROXY_HTTPS)) {
    daytona__tls_ctx_wait(conn->net->tls, &setup->waiter);
  } else {
    start_lookup(conn);
  }
  return 0;
}

void daytona__ws_conn_close(daytona__ws_conn_t *conn) {
  if (conn->phase == PHASE_CLOSED) return;
  if (conn->net->owner == conn) send_frames(conn);
  if (conn->phase == PHASE_TCP) doubt_address(conn); /* given up, often because its time was over */
  set_phase(conn, PHASE_CLOSED);
  setup_free(conn);
  for (unsigned i = 0; i < conn->level_count; i++) daytona__tls_free(conn->levels[i].tls);
  conn->level_count = 0;
  daytona__tcp_close(&conn->tcp);
}
