/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WebSocket client; see ws.h. This file: life, opening and outcome; ws_messages.c: the open socket.
 *
 * A socket moves through its states in one direction only, save that a redirect leads from UPGRADING
 * back to CONNECTING. finish() is the only way to DONE: it notes the outcome, releases the connection
 * and queues the callback. When the outcome was reported and no handle is left the socket is retired: it has
 * left its client, which may close, and its memory goes when the caller releases it.
 */
#include "net/ws.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

#include "core/header.h"
#include "core/limits.h"
#include "core/memory.h"
#include "core/own.h"
#include "net/ws_impl.h"

#define CLOSE_TIMEOUT_DEFAULT_MS 5000
#define PING_DEFAULT_MS 20000
#define PONG_DEFAULT_MS 20000

/* How long what was written before a close may take to leave. */
#define LINGER_MS 2000

/* --- what a client shares ---------------------------------------------------------------------- */

static void env_free(daytona__ws_env_t *env) {
  daytona__headers_disown(env->common, env->common_count);
  daytona__ws_net_clear(&env->net);
  daytona__free(env);
}

int daytona__ws_env_new(daytona__loop_t *loop, const daytona__net_options_t *options,
                        daytona__resolver_t *resolver, const daytona_header_t *common, size_t common_count,
                        daytona__ws_env_t **out) {
  daytona__ws_env_t *env = daytona__calloc(1, sizeof *env);
  if (env == NULL) return DAYTONA_ENOMEM;
  daytona__list_init(&env->sockets);
  env->common = daytona__calloc(common_count, sizeof *env->common);
  env->common_count = common_count;
  int code = env->common != NULL ? daytona__headers_own(env->common, common, common_count) : DAYTONA_ENOMEM;
  if (code == 0) code = daytona__ws_net_init(&env->net, loop, options, resolver);
  if (code != 0) {
    daytona__headers_disown(env->common, common_count);
    daytona__free(env);
    return code;
  }
  *out = env;
  return 0;
}

static void on_context_closed(void *user) {
  daytona__ws_env_t *env = user;
  env->closed(env->closed_user);
  env_free(env);
}

static void env_check_closed(daytona__ws_env_t *env) {
  if (env->is_closing && !env->is_freeing && daytona__list_empty(&env->sockets)) {
    env->is_freeing = true;
    daytona__tls_ctx_close(env->net.tls, on_context_closed, env);
  }
}

void daytona__ws_env_close(daytona__ws_env_t *env, void (*closed)(void *user), void *user) {
  assert(!env->is_closing);
  env->is_closing = true;
  env->closed = closed;
  env->closed_user = user;
  /* cancel reports later, so the list does not change under the walk */
  for (daytona__list_t *node = env->sockets.next; node != &env->sockets; node = node->next)
    daytona__ws_cancel(DAYTONA__CONTAINER(node, daytona__ws_t, link));
  env_check_closed(env);
}

size_t daytona__ws_env_count(const daytona__ws_env_t *env) {
  size_t count = 0;
  for (const daytona__list_t *node = env->sockets.next; node != &env->sockets; node = node->next) count++;
  return count;
}

/* --- life -------------------------------------------------------------------------------------- */

static void opening_free(daytona__ws_t *ws) {
  daytona__ws_opening_t *opening = ws->opening;
  if (opening == NULL) return;
  daytona__headers_disown(opening->headers, opening->upgrade.header_count);
  for (size_t i = 0; i < opening->upgrade.protocol_count; i++)
    if (opening->protocols != NULL) daytona__disown(&opening->protocols[i]);
  daytona__free(opening->protocols);
  daytona__ws_url_clear(&opening->url);
  daytona__http1_head_clear(&opening->answer);
  daytona__free(opening);
  ws->opening = NULL;
}

void daytona__ws_set_state(daytona__ws_t *ws, daytona__ws_state_t to) {
  static const unsigned char allowed[] = {
    [DAYTONA__WS_CONNECTING] = 1 << DAYTONA__WS_UPGRADING | 1 << DAYTONA__WS_DONE,
    [DAYTONA__WS_REDIRECTING] = 1 << DAYTONA__WS_CONNECTING | 1 << DAYTONA__WS_DONE,
    [DAYTONA__WS_UPGRADING] = 1 << DAYTONA__WS_REDIRECTING | 1 << DAYTONA__WS_ANSWERING |
                              1 << DAYTONA__WS_STREAMING | 1 << DAYTONA__WS_DONE,
    [DAYTONA__WS_ANSWERING] = 1 << DAYTONA__WS_DONE,
    [DAYTONA__WS_STREAMING] = 1 << DAYTONA__WS_CLOSING | 1 << DAYTONA__WS_DONE,
    [DAYTONA__WS_CLOSING] = 1 << DAYTONA__WS_DONE,
    [DAYTONA__WS_DONE] = 0,
  };
  assert((allowed[ws->state] >> to & 1) != 0);
  assert(ws->opening != NULL || to > DAYTONA__WS_STREAMING); /* until it is open */
  assert(ws->env != NULL && daytona__loop_on_thread(ws->env->net.loop));
  ws->state = to;
}

static void unref(daytona__ws_t *ws) {
  assert(ws->refs > 0);
  if (--ws->refs == 0) daytona__free(ws);
}

/* Reported and without a handle: what is left is a block that the caller may hold on to for ever. */
static void retire(daytona__ws_t *ws) {
  daytona__ws_env_t *env = ws->env;
  if (!ws->is_reported || ws->has_conn) return;
  assert(ws->state == DAYTONA__WS_DONE && !daytona__timer_is_running(&ws->beat));
  opening_free(ws);
  daytona__ws_codec_clear(&ws->codec);
  daytona__list_remove(&ws->link);
  ws->env = NULL;
  unref(ws);
  env_check_closed(env);
}

void daytona__ws_hold(daytona__ws_t *ws) { ws->refs++; }
void daytona__ws_drop(daytona__ws_t *ws) { unref(ws); }

static void on_conn_closed(daytona__ws_conn_t *conn) {
  daytona__ws_t *ws = DAYTONA__CONTAINER(conn, daytona__ws_t, conn);
  if (ws->state == DAYTONA__WS_REDIRECTING) {
    daytona__ws_connect(ws);
    return;
  }
  ws->has_conn = false;
  retire(ws);
}

/* Nothing but its handles is left of the connection. */
static void let_go(daytona__ws_t *ws) {
  daytona__timer_stop(&ws->timer);
  daytona__ws_conn_close(&ws->conn);
}

static void fill_answer(daytona__ws_t *ws, daytona__ws_close_t *close) {
  if (ws->how != DAYTONA__WS_END_HTTP || ws->opening == NULL) return;
  const daytona__http1_head_t *answer = &ws->opening->answer;
  daytona__response_t *response = &close->response;
  response->status = answer->status;
  response->headers = answer->headers;
  response->header_count = answer->header_count;
  if (answer->body.data == NULL) return;
  response->body = answer->body.data;
  response->body_size = answer->body.size;
}

static void on_notify(daytona__task_t *task) {
  daytona__ws_t *ws = DAYTONA__CONTAINER(task, daytona__ws_t, task);
  daytona__ws_close_t close = {
    .how = ws->how,
    .was_open = ws->was_open,
    .was_asked = ws->was_asked,
    .was_behind = ws->was_behind,
    .close_code = ws->close_code,
    .reason = ws->reason != NULL ? ws->reason : "",
    .reason_size = ws->reason_size,
    .response = {
      .code = ws->code, .message = ws->text, .attempts = 1, .body = "", .system_errno = ws->system_errno}};
  fill_answer(ws, &close);
  daytona__loop_t *loop = ws->env->net.loop;
  if (!ws->is_silent && ws->opts.on_close != NULL) {
    daytona__loop_enter(loop);
    ws->opts.on_close(ws, &close);
    daytona__loop_leave(loop);
  }
  ws->is_reported = true;
  retire(ws);
}

const daytona__ws_stats_t *daytona__ws_stats(const daytona__ws_env_t *env) { return &env->stats; }

static void trace_end(daytona__ws_t *ws) {
  daytona__ws_trace_t *trace = ws->opts.trace;
  if (trace == NULL) return;
  bool was_answered = ws->how == DAYTONA__WS_END_HTTP && ws->opening != NULL;
  const daytona__ws_trace_end_t end = {.was_open = ws->was_open,
                                       .code = ws->code,
                                       .message = ws->text,
                                       .status = was_answered ? ws->opening->answer.status : 0,
                                       .close_code = ws->how == DAYTONA__WS_END_FRAME ? ws->close_code : 0,
                                       .sent_bytes = ws->sent_bytes,
                                       .received_bytes = ws->received_bytes};
  ws->opts.trace = NULL;
  trace->on_ended(trace, &end);
}

void daytona__ws_finish(daytona__ws_t *ws, daytona__ws_end_t how, int code, const char *message) {
  if (ws->state == DAYTONA__WS_DONE) return;
  bool is_orderly = how == DAYTONA__WS_END_FRAME || how == DAYTONA__WS_END_PROTOCOL;
  ws->was_open = ws->state == DAYTONA__WS_STREAMING || ws->state == DAYTONA__WS_CLOSING;
  daytona__ws_set_state(ws, DAYTONA__WS_DONE);
  ws->how = how;
  ws->code = (daytona_errcode_t)code;
  ws->system_errno = code == DAYTONA_ECONNECTION ? daytona__ws_conn_errno(&ws->conn) : 0;
  snprintf(ws->text, sizeof ws->text, "%s", message);
  assert(!ws->was_open || ws->env->stats.open != 0);
  if (ws->was_open) ws->env->stats.open--;
  trace_end(ws);
  daytona__timer_stop(&ws->beat);
  daytona__timer_stop(&ws->timer);
  daytona__task_cancel(&ws->pump);
  daytona__loop_defer(ws->env->net.loop, &ws->task);
  if (!ws->has_conn) return;
  if (is_orderly) daytona__ws_conn_shutdown(&ws->conn);
  if (is_orderly && daytona__ws_conn_queued(&ws->conn) != 0) {
    /* The outcome is known; only our close frame has not left yet. */
    daytona__ws_conn_set_reading(&ws->conn, false);
    daytona__timer_start(ws->env->net.loop, &ws->timer, LINGER_MS);
  } else {
    let_go(ws);
  }
}

void daytona__ws_finish_end(daytona__ws_t *ws) {
  int end = ws->conn.tcp.end;
  if (end == UV_ENOMEM)
    daytona__ws_finish(ws, DAYTONA__WS_END_NO_MEMORY, DAYTONA_ENOMEM, "out of memory");
  else if (end == 0 || end == UV_EOF)
    daytona__ws_finish(ws, DAYTONA__WS_END_EOF, DAYTONA_ECONNECTION,
                       "the connection ended without a close frame");
  else
    daytona__ws_finish(ws, DAYTONA__WS_END_RESET, DAYTONA_ECONNECTION, daytona__tcp_strerror(end));
}

void daytona__ws_finish_code(daytona__ws_t *ws, daytona__ws_end_t how, int code, const char *message) {
  if (code == DAYTONA_ENOMEM) how = DAYTONA__WS_END_NO_MEMORY;
  daytona__ws_finish(ws, how, code, message != NULL ? message : daytona_errcode_text(code));
}

/* --- upgrade ----------------------------------------------------------------------------------- */

static void on_timer(daytona__timer_t *timer) {
  daytona__ws_t *ws = DAYTONA__CONTAINER(timer, daytona__ws_t, timer);
  if (ws->state == DAYTONA__WS_DONE)
    let_go(ws);
  else if (ws->state == DAYTONA__WS_CLOSING)
    daytona__ws_finish(ws, DAYTONA__WS_END_CLOSE_TIMEOUT, DAYTONA_ETIMEOUT,
                       "the peer did not answer the close frame");
  else
    daytona__ws_finish(ws, DAYTONA__WS_END_CONNECT_TIMEOUT, DAYTONA_ECONNECT_TIMEOUT,
                       "no WebSocket within the connect limit");
}

void daytona__ws_connect(daytona__ws_t *ws) {
  daytona__ws_conn_t *conn = &ws->conn;
  daytona__ws_conn_init(conn, &ws->env->net);
  conn->tcp.is_background = ws->opts.is_background;
  conn->on_opened = daytona__ws_on_opened;
  conn->on_readable = daytona__ws_on_readable;
  conn->on_drained = daytona__ws_on_drained;
  conn->on_flushed = daytona__ws_on_flushed;
  conn->on_closed = on_conn_closed;
  if (ws->state == DAYTONA__WS_REDIRECTING) daytona__ws_set_state(ws, DAYTONA__WS_CONNECTING);
  int code = daytona__ws_conn_open(conn, &ws->opening->url.target);
  if (code != 0) daytona__ws_finish_code(ws, DAYTONA__WS_END_FAILED, code, NULL);
}

void daytona__ws_on_opened(daytona__ws_conn_t *conn) {
  daytona__ws_t *ws = DAYTONA__CONTAINER(conn, daytona__ws_t, conn);
  if (conn->code != DAYTONA_OK) {
    daytona__ws_finish_code(ws, DAYTONA__WS_END_FAILED, conn->code, conn->message);
    return;
  }
  daytona__strbuf_t request;
  daytona__strbuf_init(&request, DAYTONA__REQUEST_HEAD_MAX);
  int code = daytona__ws_upgrade_request(&ws->opening->upgrade, &request);
  if (code == 0) code = daytona__ws_conn_write(conn, request.data, request.size);
  if (request.data != NULL) daytona__wipe(request.data, request.size);
  daytona__strbuf_clear(&request);
  if (code != 0) {
    daytona__ws_finish_code(ws, DAYTONA__WS_END_FAILED, code, NULL);
    return;
  }
  daytona__ws_set_state(ws, DAYTONA__WS_UPGRADING);
  daytona__ws_on_readable(conn);
}

/* Go where the response points. False: it points nowhere, and is itself the outcome. */
static bool follow(daytona__ws_t *ws) {
  daytona__ws_opening_t *opening = ws->opening;
  int status = opening->answer.status;
  const char *location = daytona__http1_head_header(&opening->answer, "Location"), *message;
  if (!daytona__redirect_is_asked(status) || location == NULL) return false;
  daytona__ws_url_t next = {0};
  int code = daytona__ws_url_follow(&next, &opening->url, location);
  if (code == DAYTONA_ENOMEM) {
    daytona__ws_finish_code(ws, DAYTONA__WS_END_NO_MEMORY, code, NULL);
    return true;
  }
  char text[160];
  message = "it is no WebSocket URL";
  code = code != 0
           ? DAYTONA_EPROTOCOL
           : daytona__redirect_follow(&opening->upgrade.redirect, status, "GET", ws->opts.has_secret_protocol,
                                      &opening->url.target, &next.target, &message);
  if (code != 0) {
    snprintf(text, sizeof text, "redirected to a URL that is not followed: %s", message);
    daytona__ws_url_clear(&next);
    daytona__ws_finish(ws, DAYTONA__WS_END_HTTP, code, text);
    return true;
  }
  daytona__ws_url_clear(&opening->url);
  opening->url = next;
  daytona__http1_head_clear(&opening->answer);
  daytona__ws_set_state(ws, DAYTONA__WS_REDIRECTING);
  daytona__ws_conn_close(&ws->conn);
  return true;
}

static void finish_answer(daytona__ws_t *ws) {
  int status = ws->opening->answer.status;
  char text[64];
  snprintf(text, sizeof text, "the server answered the upgrade with status %d", status);
  daytona__ws_finish(ws, DAYTONA__WS_END_HTTP, DAYTONA_EFAILED, text);
}

static void switched(daytona__ws_t *ws) {
  const char *protocol, *message;
  daytona__ws_opening_t *opening = ws->opening;
  int code = daytona__ws_upgrade_check(&opening->upgrade, &opening->answer, &protocol, &message);
  if (code != 0) {
    daytona__ws_finish(ws, DAYTONA__WS_END_FAILED, code, message);
    return;
  }
  code = daytona__ws_messages_begin(ws);
  if (code != 0) {
    daytona__ws_finish_code(ws, DAYTONA__WS_END_FAILED, code, NULL);
    return;
  }
  daytona__timer_stop(&ws->timer);
  daytona__ws_hold(ws);
  ws->env->stats.opened++;
  ws->env->stats.open++;
  if (ws->opts.trace != NULL) ws->opts.trace->on_opened(ws->opts.trace);
  if (ws->opts.on_open != NULL && !ws->is_silent) {
    daytona__loop_enter(ws->env->net.loop);
    ws->opts.on_open(ws, protocol);
    daytona__loop_leave(ws->env->net.loop);
  }
  if (ws->state != DAYTONA__WS_DONE) opening_free(ws);
  daytona__ws_drop(ws);
}

/* The status line and headers are complete. */
static void answered(daytona__ws_t *ws) {
  if (ws->opening->answer.status == 101) {
    switched(ws);
    return;
  }
  if (follow(ws)) return;
  int code = daytona__http1_head_begin_body(&ws->opening->answer);
  if (code == DAYTONA__HTTP1_HEAD_MORE)
    daytona__ws_set_state(ws, DAYTONA__WS_ANSWERING);
  else
    finish_answer(ws); /* with a malformed length there is no body, but still a status */
}

void daytona__ws_upgrade_pump(daytona__ws_t *ws) {
  char bytes[4096];
  ptrdiff_t got = 0;
  while (ws->state == DAYTONA__WS_UPGRADING && (got = daytona__ws_conn_read(&ws->conn, bytes, 1)) > 0) {
    int code = daytona__http1_head_head(&ws->opening->answer, *bytes);
    if (code == DAYTONA__HTTP1_HEAD_DONE)
      answered(ws);
    else if (code < 0)
      daytona__ws_finish_code(ws, DAYTONA__WS_END_FAILED, code, ws->opening->answer.message);
  }
  while (ws->state == DAYTONA__WS_ANSWERING &&
         (got = daytona__ws_conn_read(&ws->conn, bytes, sizeof bytes)) > 0) {
    int code = daytona__http1_head_body(&ws->opening->answer, bytes, (size_t)got);
    if (code != DAYTONA__HTTP1_HEAD_MORE) finish_answer(ws);
  }
  if (got >= 0 || ws->state > DAYTONA__WS_ANSWERING) return;
  if (ws->state == DAYTONA__WS_ANSWERING)
    finish_answer(ws); /* a body may end with the connection, and a cut one is better than none */
  else if (got == DAYTONA__WS_CONN_FAIL)
    daytona__ws_finish_code(ws, DAYTONA__WS_END_FAILED, ws->conn.code, ws->conn.message);
  else
    daytona__ws_finish_end(ws);
}

/* --- public ------------------------------------------------------------------------------------ */

static int64_t or_default(int64_t value, int64_t fallback) { return value != 0 ? value : fallback; }

static void apply_defaults(daytona__ws_t *ws, const daytona__ws_opts_t *opts) {
  daytona__ws_opts_t *own = &ws->opts;
  *own = *opts;
  own->url = NULL;
  own->headers = NULL;
  own->protocols = NULL;
  int64_t connect = ws->env->net.connect_timeout_ms;
  own->connect_timeout_ms =
    or_default(own->connect_timeout_ms, or_default(connect, DAYTONA__CONNECT_TIMEOUT_DEFAULT_MS));
  own->ping_ms = or_default(own->ping_ms, PING_DEFAULT_MS);
  own->pong_timeout_ms = or_default(own->pong_timeout_ms, PONG_DEFAULT_MS);
  own->close_timeout_ms = or_default(own->close_timeout_ms, CLOSE_TIMEOUT_DEFAULT_MS);
  if (own->max_message == 0) own->max_message = DAYTONA__WS_MESSAGE_MAX;
  if (own->max_queued == 0) own->max_queued = DAYTONA__WS_QUEUED_DEFAULT;
}

static int copy_protocols(daytona__ws_opening_t *opening, const daytona__ws_opts_t *opts) {
  opening->protocols = daytona__calloc(opts->protocol_count, sizeof *opening->protocols);
  if (opening->protocols == NULL) return DAYTONA_ENOMEM;
  opening->upgrade.protocol_count = opts->protocol_count;
  for (size_t i = 0; i < opts->protocol_count; i++) {
    if (opts->protocols[i] == NULL) return DAYTONA_EINVAL;
    if (daytona__own(&opening->protocols[i], opts->protocols[i]) != 0) return DAYTONA_ENOMEM;
  }
  return 0;
}

/* Copy and check what the handshake needs. */
static int opening_new(daytona__ws_t *ws, const daytona__ws_opts_t *opts) {
  daytona__ws_opening_t *opening = ws->opening = daytona__calloc(1, sizeof *opening);
  if (opening == NULL) return DAYTONA_ENOMEM;
  daytona__ws_env_t *env = ws->env;
  daytona__http1_head_init(&opening->answer);
  if (opts->url == NULL) return DAYTONA_EINVAL;
  size_t count = env->common_count + opts->header_count;
  opening->headers = daytona__calloc(count, sizeof *opening->headers);
  if (opening->headers == NULL) return DAYTONA_ENOMEM;
  opening->upgrade.header_count = count;
  int code = daytona__headers_own(opening->headers, env->common, env->common_count);
  if (code == 0)
    code = daytona__headers_own(opening->headers + env->common_count, opts->headers, opts->header_count);
  if (code == 0) code = copy_protocols(opening, opts);
  if (code == 0) code = daytona__ws_url_parse(&opening->url, opts->url);
  opening->upgrade.url = &opening->url;
  opening->upgrade.headers = opening->headers;
  opening->upgrade.protocols = opening->protocols;
  return code == 0 ? daytona__ws_upgrade_validate(&opening->upgrade) : code;
}

int daytona__ws_open(daytona__ws_env_t *env, const daytona__ws_opts_t *opts, daytona__ws_t **out) {
  if (env->is_closing) return DAYTONA_ECLOSED;
  daytona__ws_t *ws = daytona__calloc(1, sizeof *ws);
  if (ws == NULL) return DAYTONA_ENOMEM;
  ws->env = env;
  ws->close_code = DAYTONA__WS_NO_STATUS;
  daytona__list_init(&ws->link);
  daytona__task_init(&ws->task, on_notify);
  daytona__timer_init(&ws->timer, on_timer);
  ws->timer.is_background = opts->is_background;
  apply_defaults(ws, opts);
  daytona__ws_messages_init(ws);
  int code = opening_new(ws, opts);
  if (code != 0) {
    opening_free(ws);
    daytona__free(ws);
    return code;
  }
  daytona__list_append(&env->sockets, &ws->link);
  ws->refs = 2; /* the caller's and our own until it is retired */
  ws->has_conn = true;
  *out = ws;
  if (ws->opts.connect_timeout_ms > 0)
    daytona__timer_start(env->net.loop, &ws->timer, ws->opts.connect_timeout_ms);
  daytona__ws_connect(ws);
  return 0;
}

void *daytona__ws_user(const daytona__ws_t *ws) { return ws->opts.user; }

void daytona__ws_cancel(daytona__ws_t *ws) {
  daytona__ws_finish(ws, DAYTONA__WS_END_CANCELED, DAYTONA_ECANCELED,
                     daytona_errcode_text(DAYTONA_ECANCELED));
}

void daytona__ws_release(daytona__ws_t *ws) {
  if (ws == NULL) return;
  ws->is_silent = true;
  daytona__ws_cancel(ws);
  unref(ws);
}
