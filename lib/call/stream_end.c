/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See stream_end.h. Close codes have meanings of their own here: the toolbox ends a terminal with 1011 when its
 * process failed, and a slow reader with 1008 and a text.
 */
#include "call/stream_end.h"

#include <assert.h>
#include <string.h>

#include "call/observer.h"
#include "wire/error_map.h"

static int reason_of_end(const void *result) { return ((const daytona_stream_end_t *)result)->reason; }

const daytona__type_t daytona__type_stream_end = {.name = "stream_end", .stream_reason = reason_of_end};

const char *daytona_stream_reason_text(daytona_stream_reason_t reason) {
  switch ((int)reason) {
    case DAYTONA_STREAM_OPEN: return "open";
#define REASON_CASE(name, value, text) \
  case name: return text;
      DAYTONA_STREAM_REASON_MAP(REASON_CASE)
#undef REASON_CASE
    default: return "unknown";
  }
}

daytona_stream_reason_t daytona_future_stream_reason(const daytona_future_t *future) {
  const daytona__type_t *type = daytona__future_type(future);
  const daytona_error_t *error = daytona_future_error(future);
  if (type != NULL && type->stream_reason != NULL)
    return (daytona_stream_reason_t)type->stream_reason(future->result);
  if (error == NULL) return DAYTONA_STREAM_OPEN;
  if (error->code == DAYTONA_ECANCELED) return DAYTONA_STREAM_CANCELED;
  if (error->code == DAYTONA_ECLOSED) return DAYTONA_STREAM_CLOSED;
  if (daytona_error_is(error, DAYTONA_ETIMEOUT)) return DAYTONA_STREAM_TIMEOUT;
  if (future->stream_reason != 0) return (daytona_stream_reason_t)future->stream_reason;
  return daytona_error_is(error, DAYTONA_ECONNECTION) ? DAYTONA_STREAM_LOST : DAYTONA_STREAM_FAILED;
}

int daytona__stream_open(daytona__op_t *op, daytona__ws_opts_t *opts, daytona__ws_t **out) {
  daytona__ws_env_t *env;
  int rc = daytona__client_ws(op->client, &env);
  if (rc != 0) return rc;
  const char *url =
    daytona__arena_printf(daytona__op_arena(op), "%s%s", op->sandbox->toolbox_url, op->target);
  if (url == NULL) return DAYTONA_ENOMEM;
  opts->url = url;
  rc = daytona__observe_socket(op, opts);
  if (rc == 0) rc = daytona__ws_open(env, opts, out);
  if (rc != 0) daytona__observe_no_socket(opts->trace);
  return rc;
}

bool daytona__stream_was_refused(const daytona__ws_close_t *close) {
  return close->how == DAYTONA__WS_END_HTTP && !daytona__error_is_of_platform(&close->response);
}

void daytona__stream_output(daytona__loop_t *loop, daytona_output_cb callback, const daytona_output_t *output,
                            void *user) {
  assert(output->size != 0 && (output->future == NULL) != (output->pty == NULL));
  if (callback == NULL) return;
  daytona__loop_enter(loop);
  callback(output, user);
  daytona__loop_leave(loop);
}

void daytona__stream_error(daytona_future_t *future, daytona__arena_t *arena,
                           const daytona__ws_close_t *close, daytona_error_t *error) {
  daytona__response_t response = close->response;
  if (daytona__stream_was_refused(close)) {
    const char *message = daytona__arena_printf(
      arena, "the upgrade to a WebSocket was answered with status %d on the way to the sandbox",
      response.status);
    response.code = DAYTONA_EUPGRADE;
    if (message != NULL) response.message = message;
  }
  if (close->how == DAYTONA__WS_END_FRAME) {
    const char *reason = close->reason[0] != '\0' ? close->reason : "no reason given";
    const char *message =
      daytona__arena_printf(arena, "the server closed the connection: %s (%d)", reason, close->close_code);
    response.code = DAYTONA_ECONNECTION;
    if (message != NULL) response.message = message;
  }
  daytona__error_from_response(arena, &response, error);
  future->stream_reason = (uint8_t)daytona__stream_reason(close);
}

bool daytona__stream_is_lost(const daytona__ws_close_t *close) {
  switch (close->how) {
    case DAYTONA__WS_END_FRAME: return close->close_code != 1000 && close->close_code != 1005;
    case DAYTONA__WS_END_CANCELED:
    case DAYTONA__WS_END_NO_MEMORY: return false;
    default: return true;
  }
}

static bool has_word(const char *reason, const char *word) { return strstr(reason, word) != NULL; }

daytona_stream_reason_t daytona__stream_reason(const daytona__ws_close_t *close) {
  switch (close->how) {
    case DAYTONA__WS_END_FRAME: break;
    case DAYTONA__WS_END_CANCELED:
    case DAYTONA__WS_END_CLOSE_TIMEOUT: return DAYTONA_STREAM_CLOSED;
    case DAYTONA__WS_END_CONNECT_TIMEOUT:
    case DAYTONA__WS_END_IDLE_TIMEOUT: return DAYTONA_STREAM_TIMEOUT;
    case DAYTONA__WS_END_HTTP:
    case DAYTONA__WS_END_PROTOCOL:
    case DAYTONA__WS_END_NO_MEMORY: return DAYTONA_STREAM_FAILED;
    case DAYTONA__WS_END_EOF: /* servers cannot report it to a reader that does not read; they just close */
    case DAYTONA__WS_END_RESET: return close->was_behind ? DAYTONA_STREAM_SLOW_READER : DAYTONA_STREAM_LOST;
    default: return DAYTONA_STREAM_LOST;
  }
  if (close->was_asked) return DAYTONA_STREAM_CLOSED;
  if (close->close_code == 1008 && has_word(close->reason, "slow")) return DAYTONA_STREAM_SLOW_READER;
  if (has_word(close->reason, "replaced")) return DAYTONA_STREAM_REPLACED;
  if (close->close_code == 4008) return DAYTONA_STREAM_TIMEOUT;
  /* The server, or a proxy on the way, goes down: what ran may still run. */
  bool is_going = close->close_code == 1001 || (close->close_code >= 1012 && close->close_code <= 1014);
  return is_going && close->reason[0] == '\0' ? DAYTONA_STREAM_LOST : DAYTONA_STREAM_FAILED;
}

int daytona__stream_buffer(daytona_buffer_policy_t policy, size_t given, size_t *out) {
  if (policy != DAYTONA_BUFFER_STOP && policy != DAYTONA_BUFFER_DROP_OLDEST) return DAYTONA_EINVAL;
  if (given > DAYTONA__STREAM_BUFFER_MAX) return DAYTONA_EINVAL;
  *out = 0;
  if (policy == DAYTONA_BUFFER_DROP_OLDEST) *out = given != 0 ? given : DAYTONA__STREAM_BUFFER_DEFAULT;
  return 0;
}
