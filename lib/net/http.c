/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls: the queue in front of libcurl, time limits, repeating, redirects, cancelling, closing. See http.h
 * and http_private.h.
 *
 * Every way a call can end goes through daytona__http_finish(), which takes the transfer apart first and
 * calls the caller last. A slot is taken in begin() and given back in detach().
 */
#include "net/http_private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <uv.h>

#include "core/header.h"
#include "core/memory.h"

enum {
  REPEATS_MAX = 2,
  REPEAT_STEP_MS = 250,
  REPEAT_JITTER_MS = 100,
  URGENT_SLOTS = 1,
  BEGINS_PER_TURN = 16,
};

/* --- transfers ---------------------------------------------------------------------------------- */

static void on_phase(daytona__timer_t *timer);
static void on_total(daytona__timer_t *timer);
static void on_lookup(daytona__lookup_t *lookup, daytona_errcode_t code, const char *message,
                      const daytona__addresses_t *addresses);
static void on_trust(daytona__trust_waiter_t *waiter, int code, const char *message);

static daytona__http_transfer_t *transfer_new(daytona__http_t *http, daytona__http_call_t *call) {
  daytona__list_t *node = daytona__list_shift(&http->transfers);
  daytona__http_transfer_t *t;
  if (node != NULL) {
    http->transfer_count--;
    t = DAYTONA__CONTAINER(node, daytona__http_transfer_t, link);
    memset(t, 0, sizeof *t);
  } else if ((t = daytona__calloc(1, sizeof *t)) == NULL) {
    return NULL;
  }
  daytona__list_init(&t->link);
  daytona__timer_init(&t->phase, on_phase);
  daytona__timer_init(&t->total, on_total);
  t->phase.is_background = t->total.is_background = http->options.is_background;
  daytona__http_stream_init(t);
  daytona__list_init(&t->lookup.link);
  daytona__list_init(&t->waiter.link);
  t->waiter.on_ready = on_trust;
  daytona__task_init(&t->lookup.task, NULL);
  t->lookup.on_done = on_lookup;
  t->http = http;
  t->call = call;
  call->transfer = t;
  return t;
}

static void transfer_free(daytona__http_transfer_t *t) {
  daytona__http_t *http = t->http;
  assert(t->easy == NULL && t->call == NULL && t->pins == 0 && t->headers == NULL);
  assert(!daytona__timer_is_running(&t->phase) && !daytona__timer_is_running(&t->total));
  daytona__http_stream_free(t);
  if (http->transfer_count < HTTP_IDLE_TRANSFERS && !http->is_closing) {
    daytona__list_append(http->transfers.next, &t->link);
    http->transfer_count++;
  } else {
    daytona__free(t);
  }
}

void daytona__http_pin(daytona__http_transfer_t *t) { t->pins++; }

void daytona__http_unpin(daytona__http_transfer_t *t) {
  assert(t->pins != 0);
  if (--t->pins == 0 && t->call == NULL) transfer_free(t);
}

static bool holds_slot(const daytona__http_transfer_t *t) {
  return t->state == HTTP_RESOLVING || t->state == HTTP_RUNNING;
}

/* The only place that changes a state; see http_private.h. */
static void set_state(daytona__http_transfer_t *t, daytona__http_state_t to) {
  static const unsigned char allowed[] = {
    [HTTP_QUEUED] = 1 << HTTP_RESOLVING,
    [HTTP_RESOLVING] = 1 << HTTP_RUNNING | 1 << HTTP_DELAYED,
    [HTTP_RUNNING] = 1 << HTTP_DELAYED,
    [HTTP_DELAYED] = 1 << HTTP_QUEUED | 1 << HTTP_DRAINING,
    [HTTP_DRAINING] = 0,
  };
  assert((allowed[t->state] >> to & 1) != 0);
  assert(to != HTTP_RUNNING || (t->easy != NULL && t->easy->hub != NULL));
  assert(to == HTTP_RUNNING || t->easy == NULL);
  t->state = to;
}

/* --- traces ------------------------------------------------------------------------------------- */

/* What libcurl knows of the attempt, while it has it. */
static void note_trace(daytona__http_transfer_t *t) {
  CURL *curl = t->easy->curl;
  long request = 0, headers = 0, connects = 0;
  curl_off_t up = 0, down = 0;
  curl_easy_getinfo(curl, CURLINFO_REQUEST_SIZE, &request);
  curl_easy_getinfo(curl, CURLINFO_HEADER_SIZE, &headers);
  curl_easy_getinfo(curl, CURLINFO_NUM_CONNECTS, &connects);
  curl_easy_getinfo(curl, CURLINFO_SIZE_UPLOAD_T, &up);
  curl_easy_getinfo(curl, CURLINFO_SIZE_DOWNLOAD_T, &down);
  t->trace.sent = request + up;
  t->trace.received = headers + down;
  t->trace.is_reused = t->is_connected && connects == 0;
}

/* The attempt has ended. Before its response is forgotten. */
static void trace(daytona__http_transfer_t *t, daytona_errcode_t code, const char *message) {
  daytona__http_t *http = t->http;
  if (t->trace.began_ns == 0) return;
  if (t->easy != NULL) note_trace(t);
  http->stats.attempts++;
  http->stats.sent_bytes += (uint64_t)t->trace.sent;
  http->stats.received_bytes += (uint64_t)t->trace.received;
  if (http->on_attempt == NULL) {
    memset(&t->trace, 0, sizeof t->trace);
    return;
  }
  const daytona__http_attempt_t attempt = {.call = t->call,
                                           .method = daytona__http_method(t),
                                           .url = daytona__http_url(t),
                                           .is_redirected = t->redirect_url != NULL,
                                           .code = code,
                                           .message = message,
                                           .status = t->call->response.status,
                                           .number = t->call->response.attempts,
                                           .duration_us = (int64_t)((uv_hrtime() - t->trace.began_ns) / 1000),
                                           .sent_bytes = (uint64_t)t->trace.sent,
                                           .received_bytes = (uint64_t)t->trace.received,
                                           .is_reused = t->trace.is_reused,
                                           .context = &t->context};
  memset(&t->trace, 0, sizeof t->trace);
  http->on_attempt(&attempt, http->trace_user);
}

void daytona__http_set_trace(daytona__http_t *http,
                             void (*on_attempt)(const daytona__http_attempt_t *attempt, void *user),
                             void *user) {
  http->on_attempt = on_attempt;
  http->trace_user = user;
}

void daytona__http_set_context(daytona__http_t *http,
                               void (*on_begin)(const daytona__http_call_t *call,
                                                daytona__http_context_t *context, void *user)) {
  http->on_begin = on_begin;
}

static void make_context(daytona__http_transfer_t *t) {
  if (t->http->on_begin == NULL) return;
  memset(&t->context, 0, sizeof t->context);
  t->http->on_begin(t->call, &t->context, t->http->trace_user);
}

/* --- ending ------------------------------------------------------------------------------------- */

/* The name may mean another address by now. A refusal by a proxy comes from an address that is right. */
static void doubt_address(daytona__http_transfer_t *t) {
  const daytona__http_easy_t *easy = t->easy;
  const daytona__proxy_t *proxy = daytona__http_easy_proxy(easy);
  long connect_status = 0;
  curl_easy_getinfo(easy->curl, CURLINFO_HTTP_CONNECTCODE, &connect_status);
  if (!t->is_connected && connect_status == 0)
    daytona__resolver_doubt(t->http->resolver, proxy != NULL ? proxy->host : easy->target.host);
}

/* Take the transfer away from libcurl and the resolver, and give its slot to the next one. */
static void detach(daytona__http_transfer_t *t) {
  daytona__http_t *http = t->http;
  if (t->state == HTTP_RESOLVING) {
    daytona__trust_cancel(&t->waiter);
    daytona__resolver_cancel(&t->lookup);
  }
  if (t->easy != NULL) {
    daytona__http_easy_t *easy = t->easy;
    t->call->was_sent |= !t->is_proxys && daytona__http_was_sent(t);
    if (t->trace.began_ns != 0) note_trace(t);
    daytona__http_multi_remove(easy);
    /* Whether libcurl has read the pinned name is not known before it is connected. */
    if (easy->has_pin && !t->is_connected) daytona__http_forget_pins(easy->hub);
    t->easy = NULL;
    daytona__http_easy_put(easy);
  }
  daytona__http_headers_drop(t);
  daytona__timer_stop(&t->phase);
  daytona__task_cancel(&t->resume);
  if (!holds_slot(t)) return;
  assert(http->slot_count != 0);
  http->slot_count--;
  set_state(t, HTTP_DELAYED);
  if (http->waiting_count != 0) daytona__loop_defer(http->loop, &http->pump);
}

/* Nothing of the transfer is left but pins; its call is free. */
static daytona__http_call_t *take_apart(daytona__http_transfer_t *t) {
  daytona__http_t *http = t->http;
  daytona__http_call_t *call = t->call;
  detach(t);
  if (t->state == HTTP_QUEUED) http->waiting_count--;
  daytona__list_remove(&t->link);
  daytona__timer_stop(&t->total);
  daytona__task_cancel(&t->deliver);
  daytona__free(t->redirect_url);
  t->redirect_url = NULL;
  daytona__free(t->last_words);
  t->last_words = NULL;
  t->call = NULL;
  call->transfer = NULL;
  if (t->pins == 0) transfer_free(t);
  return call;
}

void daytona__http_finish(daytona__http_transfer_t *t, daytona_errcode_t code, const char *message) {
  trace(t, code, message);
  daytona__http_call_t *call = take_apart(t);
  call->response.code = code;
  call->response.message = message;
  /* What a limit has ended was not ended by the socket that failed before it. */
  if (code != DAYTONA_ECONNECTION && code != DAYTONA_ETRUNCATED) call->response.system_errno = 0;
  if (call->collected.data != NULL) {
    call->response.body = call->collected.data;
    call->response.body_size = call->collected.size;
  }
  call->on_done(call);
}

/* --- time limits -------------------------------------------------------------------------------- */

static int64_t connect_limit(const daytona__http_transfer_t *t) {
  int64_t own = t->call->connect_timeout_ms;
  return own != 0 ? own : t->http->options.connect_timeout_ms;
}

/* "no response within 300 ms" and the like, in the call's own room. */
static const char *limit_text(daytona__http_call_t *call, const char *what, int64_t limit_ms) {
  snprintf(call->text, sizeof call->text, "%s within %lld ms", what, (long long)limit_ms);
  return call->text;
}

void daytona__http_idle_restart(daytona__http_transfer_t *t) {
  if (t->state != HTTP_RUNNING || !t->is_connected) return;
  daytona__timer_stop(&t->phase);
  if (t->call->idle_timeout_ms <= 0 || t->is_user_paused || t->is_send_paused) return;
  t->last_byte_ms = daytona__loop_now(t->http->loop);
  daytona__timer_start(t->http->loop, &t->phase, t->call->idle_timeout_ms);
}

void daytona__http_connected(daytona__http_transfer_t *t) {
  t->is_connected = true;
  daytona__http_idle_restart(t);
  if (t->call->idle_timeout_ms <= 0) daytona__timer_stop(&t->phase);
}

static void requeue(daytona__http_transfer_t *t);

static void on_idle(daytona__http_transfer_t *t) {
  if (t->is_user_paused || t->is_send_paused) return; /* resuming starts it again */
  int64_t left = t->last_byte_ms + t->call->idle_timeout_ms - daytona__loop_now(t->http->loop);
  if (left > 0)
    daytona__timer_start(t->http->loop, &t->phase, left);
  else
    daytona__http_finish(t, DAYTONA_EIDLE_TIMEOUT, limit_text(t->call, "no bytes", t->call->idle_timeout_ms));
}

static void fail_to_connect(daytona__http_transfer_t *t) {
  if (t->state == HTTP_RUNNING) doubt_address(t);
  daytona__http_finish(t, DAYTONA_ECONNECT_TIMEOUT, limit_text(t->call, "no connection", connect_limit(t)));
}

static void on_phase(daytona__timer_t *timer) {
  daytona__http_transfer_t *t = DAYTONA__CONTAINER(timer, daytona__http_transfer_t, phase);
  if (t->state == HTTP_DELAYED)
    requeue(t);
  else if (t->is_connected)
    on_idle(t);
  else
    fail_to_connect(t);
}

static void on_total(daytona__timer_t *timer) {
  daytona__http_transfer_t *t = DAYTONA__CONTAINER(timer, daytona__http_transfer_t, total);
  daytona__http_finish(t, DAYTONA_EDEADLINE, limit_text(t->call, "not finished", t->call->total_timeout_ms));
}

static void start_total(daytona__http_transfer_t *t) {
  if (t->call->total_timeout_ms > 0)
    daytona__timer_start(t->http->loop, &t->total, t->call->total_timeout_ms);
}

/* --- an attempt --------------------------------------------------------------------------------- */

static void run(daytona__http_transfer_t *t) {
  set_state(t, HTTP_RUNNING);
  t->call->response.attempts++;
  if (daytona__http_multi_add(t->easy) != 0)
    daytona__http_finish(t, DAYTONA_ENOMEM, "out of memory for the request");
}

static void repeat_or_fail(daytona__http_transfer_t *t, daytona__http_outcome_t outcome, const char *message);

static bool has_tls(const daytona__http_easy_t *easy) {
  const daytona__proxy_t *proxy = daytona__http_easy_proxy(easy);
  return easy->target.is_secure || (proxy != NULL && proxy->kind == DAYTONA__PROXY_HTTPS);
}

/* With addresses, unless the host is one. */
static void connect_to(daytona__http_transfer_t *t, const daytona__addresses_t *addresses) {
  daytona__http_easy_t *easy = t->easy;
  const daytona__proxy_t *proxy = daytona__http_easy_proxy(easy);
  easy->hub = daytona__http_hub_of(t->http, has_tls(easy));
  if (easy->hub == NULL && t->http->has_trust && has_tls(easy)) { /* it broke during the lookup */
    daytona__trust_wait(&t->http->trust, &t->waiter);
    return;
  }
  if (easy->hub == NULL) {
    daytona__http_finish(t, DAYTONA_ENOMEM, "out of memory for the request");
    return;
  }
  if (addresses != NULL)
    daytona__http_easy_pin(easy, proxy != NULL ? proxy->host : easy->target.host,
                           proxy != NULL ? proxy->port : easy->target.port, addresses);
  run(t);
}

static void on_lookup(daytona__lookup_t *lookup, daytona_errcode_t code, const char *message,
                      const daytona__addresses_t *addresses) {
  daytona__http_transfer_t *t = DAYTONA__CONTAINER(lookup, daytona__http_transfer_t, lookup);
  daytona__http_t *http = t->http;
  if (code == DAYTONA_OK) {
    connect_to(t, addresses);
    daytona__http_multi_run(http);
    return;
  }
  t->call->response.attempts++;
  snprintf(t->call->text, sizeof t->call->text, "%s", message);
  repeat_or_fail(t, (daytona__http_outcome_t){code, code != DAYTONA_ERESOLVE}, t->call->text);
}

/* The host to connect to must be an address, known, or looked up: libcurl never does that itself. */
static void resolve(daytona__http_transfer_t *t) {
  const daytona__proxy_t *proxy = daytona__http_easy_proxy(t->easy);
  if (proxy == NULL && t->easy->target.is_literal) {
    connect_to(t, NULL);
    return;
  }
  const char *host = proxy != NULL ? proxy->host : t->easy->target.host;
  const daytona__addresses_t *known = daytona__resolver_peek(t->http->resolver, host);
  if (known != NULL)
    connect_to(t, known);
  else
    daytona__resolver_start(t->http->resolver, host, &t->lookup);
}

static void on_trust(daytona__trust_waiter_t *waiter, int code, const char *message) {
  daytona__http_transfer_t *t = DAYTONA__CONTAINER(waiter, daytona__http_transfer_t, waiter);
  daytona__http_t *http = t->http;
  if (code != 0) {
    t->call->response.attempts++;
    snprintf(t->call->text, sizeof t->call->text, "%s", message);
    daytona__http_finish(t, (daytona_errcode_t)code, t->call->text);
    return;
  }
  resolve(t);
  daytona__http_multi_run(http);
}

static void attempt(daytona__http_transfer_t *t) {
  const char *message = "out of memory for the request";
  t->is_connected = t->is_cut = t->is_proxys = t->is_head_whole = t->is_repeat_refused = t->is_send_paused =
    false;
  t->trace.began_ns = uv_hrtime();
  t->fail_code = DAYTONA_OK;
  t->status = 0;
  t->header_bytes = 0;
  t->progress = 0;
  t->fd = CURL_SOCKET_BAD;
  make_context(t);
  t->easy = daytona__http_easy_get(t->http);
  int error = t->easy == NULL ? DAYTONA_ENOMEM : 0;
  if (error == 0 && (error = daytona__target_parse(daytona__http_url(t), &t->easy->target, NULL)) != 0)
    message = "malformed URL";
  if (error == 0) error = daytona__http_easy_prepare(t, &message);
  if (error != 0) {
    daytona__http_finish(t, (daytona_errcode_t)error, message);
    return;
  }
  if (connect_limit(t) > 0) daytona__timer_start(t->http->loop, &t->phase, connect_limit(t));
  if (t->http->has_trust && has_tls(t->easy) && !daytona__trust_is_fresh(&t->http->trust))
    daytona__trust_wait(&t->http->trust, &t->waiter);
  else
    resolve(t);
}

static void begin(daytona__http_transfer_t *t) {
  daytona__http_t *http = t->http;
  daytona__http_call_t *call = t->call;
  assert(http->waiting_count != 0 && http->slot_count < http->max_connections);
  set_state(t, HTTP_RESOLVING);
  http->slot_count++;
  http->waiting_count--;
  daytona__list_append(&http->active, &t->link);
  daytona__http_pin(t);
  if (!t->was_admitted) {
    t->was_admitted = true;
    if (!call->counts_queue_time) start_total(t);
    if (call->on_admitted != NULL) call->on_admitted(call);
  }
  if (t->call != NULL) attempt(t);
  daytona__http_unpin(t);
}

/* Whether the first that waits may begin. One more than the others have is kept for what is urgent. */
static bool has_slot(const daytona__http_t *http) {
  if (daytona__list_empty(&http->waiting)) return false;
  const daytona__http_transfer_t *first =
    DAYTONA__CONTAINER(http->waiting.next, daytona__http_transfer_t, link);
  return http->slot_count < http->max_connections + (first->call->is_urgent ? URGENT_SLOTS : 0);
}

/*
 * Only what waited when the turn began: a call started by a callback of this turn waits for the next. A burst is
 * spread over turns, for a new connection costs libcurl some 50 us, and the loop is the host's.
 */
static void on_pump(daytona__task_t *task) {
  daytona__http_t *http = DAYTONA__CONTAINER(task, daytona__http_t, pump);
  size_t most = http->waiting_count < BEGINS_PER_TURN ? http->waiting_count : BEGINS_PER_TURN;
  for (size_t n = most; n != 0 && has_slot(http); n--)
    begin(DAYTONA__CONTAINER(daytona__list_shift(&http->waiting), daytona__http_transfer_t, link));
  if (has_slot(http)) daytona__loop_defer(http->loop, &http->pump);
  daytona__http_multi_run(http);
}

/* --- repeating ---------------------------------------------------------------------------------- */

static uint64_t next_random(daytona__http_t *http) {
  http->random ^= http->random << 13;
  http->random ^= http->random >> 7;
  http->random ^= http->random << 17;
  return http->random;
}

static bool is_idempotent(const char *method) {
  static const char *const methods[] = {"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"};
  for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
    if (strcmp(method, methods[i]) == 0) return true;
  return false;
}

/* Whether the request may be sent again although the server may have executed it. */
bool daytona__http_may_repeat(const daytona__http_transfer_t *t) {
  return is_idempotent(daytona__http_method(t)) && !t->call->is_create && !t->is_source_asked &&
         !t->is_sink_touched;
}

static void requeue(daytona__http_transfer_t *t) {
  daytona__http_t *http = t->http;
  daytona__list_remove(&t->link);
  set_state(t, HTTP_QUEUED);
  daytona__list_append(http->waiting.next, &t->link); /* in front: it has waited before */
  http->waiting_count++;
  daytona__loop_defer(http->loop, &http->pump);
}

static void delay(daytona__http_transfer_t *t, int64_t ms) {
  daytona__http_t *http = t->http;
  detach(t);
  assert(t->state == HTTP_DELAYED);
  daytona__http_answer_reset(t->call);
  daytona__timer_start(http->loop, &t->phase, ms);
}

static void repeat_or_fail(daytona__http_transfer_t *t, daytona__http_outcome_t outcome,
                           const char *message) {
  daytona__http_t *http = t->http;
  bool is_safe = !daytona__http_was_sent(t) || daytona__http_may_repeat(t);
  if (outcome.is_final || !is_safe || t->call->no_repeats || t->is_source_asked || t->is_sink_touched ||
      t->repeats == REPEATS_MAX) {
    daytona__http_finish(t, outcome.code, message);
    return;
  }
  t->repeats++;
  http->stats.retries++;
  trace(t, outcome.code, message);
  delay(t, REPEAT_STEP_MS * t->repeats + (int64_t)(next_random(http) % (REPEAT_JITTER_MS + 1)));
}

/* A refusal for now, by a limiter that says for how long. True: the call waits for it. */
static bool wait_for_limiter(daytona__http_transfer_t *t) {
  daytona__http_t *http = t->http;
  int64_t ms = daytona__http_retry_after_ms(t);
  if (ms < 0 || t->is_source_asked) return false;
  /* Not at once even if Retry-After says so: a limiter that says 0 for ever must not be asked for ever. */
  if (ms < REPEAT_STEP_MS) ms = REPEAT_STEP_MS;
  if (ms > http->options.rate_limit_wait_ms - t->rate_waited_ms) return false;
  if (daytona__timer_is_running(&t->total) && daytona__loop_now(http->loop) + ms >= t->total.due_ms)
    return false;
  t->rate_waited_ms += ms;
  http->stats.limiter_waits++;
  trace(t, DAYTONA_EFAILED, NULL);
  daytona__log(http->loop, DAYTONA_LOG_INFO, "http: %s: rate limited, waiting %lld ms", t->call->method,
               (long long)ms);
  delay(t, ms + (int64_t)(next_random(http) % (REPEAT_JITTER_MS + 1)));
  return true;
}

/* --- redirects ---------------------------------------------------------------------------------- */

static bool has_body(const daytona__http_call_t *call) {
  return call->body_size != 0 || call->source != NULL;
}

/* Whether the Location has a login, which newer versions of libcurl leave out of the URL that they make of it. */
static bool has_login(const daytona__http_transfer_t *t) {
  struct curl_header *header;
  if (curl_easy_header(t->easy->curl, "Location", 0, CURLH_HEADER, -1, &header) != CURLHE_OK) return false;
  size_t scheme = strcspn(header->value, ":/?#");
  const char *at = header->value + (header->value[scheme] == ':' ? scheme + 1 : 0);
  size_t slashes = strspn(at, "/\\");
  return slashes >= 2 && at[slashes + strcspn(at + slashes, "@/\\?#")] == '@';
}

/* 0: followed or not to be followed; the transfer is gone if `*is_followed`. */
static daytona_errcode_t redirect(daytona__http_transfer_t *t, bool *is_followed, const char **message) {
  daytona__http_call_t *call = t->call;
  int status = call->response.status;
  char *location = NULL;
  daytona__target_t to;
  *is_followed = false;
  curl_easy_getinfo(t->easy->curl, CURLINFO_REDIRECT_URL, &location);
  bool is_asked = daytona__redirect_is_asked(status) && location != NULL;
  if (!is_asked || call->no_redirects || call->source != NULL || call->sink != NULL) return DAYTONA_OK;
  *message = "redirected to a URL that is not followed";
  if (has_login(t) || daytona__target_parse(location, &to, NULL) != 0) return DAYTONA_EPROTOCOL;
  const char *reason;
  int error = daytona__redirect_follow(&t->redirect, status, daytona__http_method(t), has_body(call),
                                       &t->easy->target, &to, &reason);
  if (error != 0) {
    snprintf(
      call->text, sizeof call->text,
      "redirected to %s://%s:%d, which is not followed: %s. If that is the server, set its URL (api_url, "
      "DAYTONA_API_URL)",
      to.is_secure ? "https" : "http", to.host, to.port, reason);
    *message = call->text;
    return (daytona_errcode_t)error;
  }
  char *url = daytona__strdup(location);
  *message = "out of memory for a redirect";
  if (url == NULL) return DAYTONA_ENOMEM;
  trace(t, DAYTONA_OK, NULL);
  daytona__free(t->redirect_url);
  t->redirect_url = url;
  *is_followed = true;
  detach(t);
  daytona__http_answer_reset(call);
  requeue(t);
  return DAYTONA_OK;
}

/* --- the end of an attempt ---------------------------------------------------------------------- */

/* A response is there, whatever its status. */
static void answered(daytona__http_transfer_t *t) {
  daytona__http_call_t *call = t->call;
  bool is_success = call->response.status / 100 == 2, is_followed;
  const char *message = NULL;
  daytona_errcode_t code = redirect(t, &is_followed, &message);
  if (is_followed) return;
  if (code == DAYTONA_OK && call->response.status == 429 && wait_for_limiter(t)) return;
  if (code == DAYTONA_OK) {
    message = NULL;
    if (!is_success) code = DAYTONA_EFAILED;
  }
  bool wants_headers = !is_success || call->keeps_headers || call->sink != NULL;
  if (!t->is_head_reported && daytona__http_answer_take(t, wants_headers) != 0) {
    code = DAYTONA_ENOMEM;
    message = "out of memory for the response's headers";
  }
  daytona__http_finish(t, code, message);
}

/* The sink gets what is still in the buffer before the call ends, and always its on_head. */
static bool must_drain(const daytona__http_transfer_t *t, bool is_success) {
  if (t->call->sink == NULL) return false;
  return t->stream_end != t->stream_start || (is_success && !t->is_head_reported);
}

static void drain(daytona__http_transfer_t *t, daytona_errcode_t code, const char *message) {
  t->call->response.message = message;
  t->final_code = code;
  if (!t->is_head_reported && daytona__http_answer_take(t, true) != 0) {
    daytona__http_finish(t, DAYTONA_ENOMEM, "out of memory for the response's headers");
    return;
  }
  detach(t);
  set_state(t, HTTP_DRAINING);
  daytona__loop_defer(t->http->loop, &t->deliver);
}

/* The collected response has passed its ceiling: the ceiling is named, since a caller may be able to ask for less. */
static const char *name_ceiling(daytona__http_call_t *call) {
  size_t ceiling = call->max_body != 0 ? call->max_body : DAYTONA__JSON_BODY_MAX;
  bool is_round = ceiling % (1 << 20) == 0;
  snprintf(call->text, sizeof call->text, "the response is larger than %zu %s",
           is_round ? ceiling >> 20 : ceiling, is_round ? "MiB" : "bytes");
  return call->text;
}

/* libcurl ends with "Couldn't connect to server"; the system knows why. */
static void name_reason(char *text, size_t size, int system_errno) {
  static const char vague[] = ": Couldn't connect to server", later[] = ": Could not connect to server";
  char *end = strstr(text, vague);
  if (end == NULL) end = strstr(text, later);
  if (end == NULL || system_errno == 0 || system_errno == EINPROGRESS) return;
  snprintf(end, size - (size_t)(end - text), ": %s", uv_strerror(-system_errno));
}

static const char *failure_text(daytona__http_transfer_t *t, daytona__http_outcome_t outcome,
                                CURLcode result) {
  daytona__http_call_t *call = t->call;
  const char *text = t->easy->error[0] != '\0' ? t->easy->error : curl_easy_strerror(result);
  if (outcome.code == DAYTONA_EPROXY && daytona__http_proxy_refusal(t, call->text, sizeof call->text))
    return call->text;
  const char *mix_up = daytona__http_mix_up(t, result);
  if (mix_up != NULL) {
    snprintf(call->text, sizeof call->text, "%s:%d %s", t->easy->target.host, t->easy->target.port, mix_up);
    call->is_other_protocol = true;
    return call->text;
  }
  if (t->is_repeat_refused)
    text = "a pooled connection broke after the request was sent; it may have been executed";
  else if (t->fail_code == DAYTONA_ELIMIT && t->header_bytes <= DAYTONA__HEADERS_MAX && call->sink == NULL)
    return name_ceiling(call);
  else if (t->fail_code == DAYTONA_ELIMIT)
    text = t->header_bytes > DAYTONA__HEADERS_MAX ? "the response's headers are too large"
                                                  : "the response is too large";
  else if (t->fail_code != DAYTONA_OK)
    text = daytona_errcode_text((int)outcome.code);
  snprintf(call->text, sizeof call->text, "%s", text);
  name_reason(call->text, sizeof call->text, call->response.system_errno);
  for (char *at = call->text; *at != '\0'; at++)
    if ((unsigned char)*at < ' ') *at = ' ';
  return call->text;
}

/* The response is the proxy's and not the server's: nothing of it is shown. */
static void refuse_by_proxy(daytona__http_transfer_t *t) {
  daytona__http_call_t *call = t->call;
  call->response.status = t->status = 0;
  t->is_proxys = true;
  daytona__strbuf_clear(&call->collected);
  if (must_drain(t, false))
    drain(t, DAYTONA_EPROXY, call->text);
  else
    daytona__http_finish(t, DAYTONA_EPROXY, call->text);
}

void daytona__http_completed(daytona__http_transfer_t *t, CURLcode result) {
  daytona__http_call_t *call = t->call;
  long status = 0;
  t->easy->is_clean = result == CURLE_OK;
  daytona__http_multi_remove(t->easy);
  curl_easy_getinfo(t->easy->curl, CURLINFO_RESPONSE_CODE, &status);
  call->response.status = t->status = (int)status;
  /* Old versions take a connection that ends inside the headers for the end of an empty response. */
  if (result == CURLE_OK && (!t->is_head_whole || status < 200)) {
    result = CURLE_PARTIAL_FILE;
    call->response.status = t->status = 0;
    snprintf(t->easy->error, sizeof t->easy->error, "the response ended inside its headers");
  }
  /* An upload that was refused while it was sent: the status says it, even if the rest of the response did not come. */
  bool was_refused = t->is_source_asked && t->is_head_whole && status >= 400;
  bool has_answer = result == CURLE_OK || t->is_cut || was_refused;
  if (has_answer && daytona__http_proxy_refusal(t, call->text, sizeof call->text)) {
    refuse_by_proxy(t);
    return;
  }
  if (has_answer) {
    call->was_sent = true;
    if (must_drain(t, status / 100 == 2))
      drain(t, DAYTONA_OK, NULL);
    else
      answered(t);
    return;
  }
  if (t->last_words != NULL && !t->is_head_whole && daytona__http_take_last_words(t)) {
    call->was_sent = true;
    daytona__http_finish(t, DAYTONA_EFAILED, NULL);
    return;
  }
  long system_errno = 0;
  curl_easy_getinfo(t->easy->curl, CURLINFO_OS_ERRNO, &system_errno);
  call->response.system_errno = (int)system_errno;
  daytona__http_outcome_t outcome = daytona__http_judge(t, result);
  doubt_address(t);
  if (outcome.code == DAYTONA_ETLS) daytona__trust_doubt(&t->http->trust);
  const char *message = failure_text(t, outcome, result);
  if (must_drain(t, false))
    drain(t, outcome.code, message);
  else
    repeat_or_fail(t, outcome, message);
}

/* --- calls -------------------------------------------------------------------------------------- */

static void notify_early(daytona__task_t *task) {
  daytona__http_call_t *call = DAYTONA__CONTAINER(task, daytona__http_call_t, task);
  call->on_done(call);
}

/* Failures before there is a transfer still arrive in a later turn. */
static void fail_early(daytona__http_t *http, daytona__http_call_t *call, daytona_errcode_t code,
                       const char *message) {
  call->response.code = code;
  call->response.message = message;
  daytona__task_init(&call->task, notify_early);
  daytona__loop_defer(http->loop, &call->task);
}

void daytona__http_start(daytona__http_t *http, daytona__http_call_t *call) {
  assert(daytona__loop_on_thread(http->loop) && call->transfer == NULL && call->on_done != NULL);
  call->http = http;
  call->response_type = "";
  call->response.body = "";
  daytona__strbuf_init(&call->collected, call->max_body != 0 ? call->max_body : DAYTONA__JSON_BODY_MAX);
  if (http->is_closing) {
    fail_early(http, call, DAYTONA_ECLOSED, "the client is closed");
    return;
  }
  if (call->method == NULL || *call->method == '\0' || strlen(call->method) >= 16 || call->url == NULL ||
      strlen(call->url) > DAYTONA__URL_MAX) {
    fail_early(http, call, DAYTONA_EINVAL, "malformed request");
    return;
  }
  if (http->waiting_count >= DAYTONA__QUEUE_MAX && !call->is_urgent) {
    fail_early(http, call, DAYTONA_ELIMIT, "too many requests are waiting for a connection");
    return;
  }
  daytona__http_transfer_t *t = transfer_new(http, call);
  if (t == NULL) {
    fail_early(http, call, DAYTONA_ENOMEM, "out of memory for the request");
    return;
  }
  if (call->is_repeat) http->stats.retries++;
  assert(t->state == HTTP_QUEUED);
  daytona__list_append(call->is_urgent ? http->waiting.next : &http->waiting, &t->link);
  http->waiting_count++;
  if (call->counts_queue_time) start_total(t);
  if (has_slot(http)) daytona__loop_defer(http->loop, &http->pump);
}

void daytona__http_cancel(daytona__http_call_t *call) {
  assert(call->transfer == NULL || call->transfer->call == call);
  if (call->transfer != NULL) {
    assert(!call->http->in_curl);
    trace(call->transfer, DAYTONA_ECANCELED, NULL);
    take_apart(call->transfer);
  } else if (call->task.run != NULL) {
    daytona__task_cancel(&call->task);
  }
}

void daytona__http_call_clear(daytona__http_call_t *call) {
  assert(call->transfer == NULL);
  daytona__http_answer_reset(call);
}

const daytona__http_stats_t *daytona__http_stats(const daytona__http_t *http) { return &http->stats; }

void daytona__http_counts(const daytona__http_t *http, size_t *in_flight, size_t *waiting) {
  *in_flight = http->slot_count;
  *waiting = http->waiting_count;
}

/* --- life --------------------------------------------------------------------------------------- */

static int parse_proxies(daytona__http_t *http) {
  const char *urls[2] = {http->options.proxy.http_proxy, http->options.proxy.https_proxy};
  for (int i = 0; i < 2; i++) {
    if (urls[i] == NULL || *urls[i] == '\0') continue;
    int error = daytona__proxy_parse(urls[i], &http->proxies[i]);
    if (error != 0) return error;
    http->has_proxy[i] = true;
  }
  return 0;
}

static int copy_common(daytona__http_t *http, const daytona_header_t *common, size_t count) {
  if (count == 0) return 0;
  http->common = daytona__calloc(count, sizeof *http->common);
  if (http->common == NULL) return DAYTONA_ENOMEM;
  http->common_count = count;
  return daytona__headers_own(http->common, common, count);
}

static void http_free(daytona__http_t *http) {
  daytona__net_options_disown(&http->options);
  for (int i = 0; i < 2; i++) daytona__proxy_clear(&http->proxies[i]);
  daytona__headers_disown(http->common, http->common_count);
  daytona__http_multi_free(http);
  daytona__free(http);
}

static void on_closing(daytona__task_t *task);

int daytona__http_new(daytona__loop_t *loop, const daytona__net_options_t *options,
                      daytona__resolver_t *resolver, const daytona_header_t *common, size_t common_count,
                      daytona__http_t **out) {
  if (!daytona__http_headers_are_valid(common, common_count)) return DAYTONA_EINVAL;
  daytona__http_t *http = daytona__calloc(1, sizeof *http);
  if (http == NULL) return DAYTONA_ENOMEM;
  http->loop = loop;
  http->resolver = resolver;
  int limit = options->max_connections > 0 ? options->max_connections : DAYTONA__CONNECTIONS_DEFAULT;
  http->max_connections = (size_t)(limit < DAYTONA__CONNECTIONS_MAX ? limit : DAYTONA__CONNECTIONS_MAX);
  http->random = uv_hrtime() | 1;
  daytona__list_init(&http->hubs);
  daytona__list_init(&http->waiting);
  daytona__list_init(&http->active);
  daytona__list_init(&http->easies);
  daytona__list_init(&http->transfers);
  daytona__task_init(&http->pump, on_pump);
  daytona__task_init(&http->closing, on_closing);
  int error = daytona__net_options_own(&http->options, options);
  if (error == 0) error = parse_proxies(http);
  if (error == 0) error = copy_common(http, common, common_count);
  if (error == 0) error = daytona__http_multi_init(http);
  if (error == 0) daytona__http_trust_init(http);
  if (error == 0 && curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) error = DAYTONA_ENOMEM;
  if (error != 0) {
    http_free(http);
    return error;
  }
  daytona__loop_retain(loop);
  *out = http;
  return 0;
}

void daytona__http_discard(daytona__http_t *http) {
  daytona__loop_t *loop = http->loop;
  assert(daytona__list_empty(&http->hubs) && daytona__list_empty(&http->waiting) && http->slot_count == 0);
  http_free(http);
  curl_global_cleanup();
  daytona__loop_release(loop);
}

void daytona__http_close_step(daytona__http_t *http) {
  if (!http->is_shut || !daytona__http_multi_is_gone(http)) return;
  void (*closed)(void *user) = http->closed;
  void *user = http->closed_user;
  daytona__loop_t *loop = http->loop;
  http_free(http);
  curl_global_cleanup();
  if (closed != NULL) closed(user);
  daytona__loop_release(loop);
}

static void on_trust_closed(void *user) {
  daytona__http_t *http = user;
  daytona__list_t *node;
  daytona__task_cancel(&http->pump);
  daytona__http_easy_free_all(http);
  daytona__http_multi_close(http);
  daytona__http_headers_free(http);
  http->is_shut = true;
  while ((node = daytona__list_shift(&http->transfers)) != NULL)
    daytona__free(DAYTONA__CONTAINER(node, daytona__http_transfer_t, link));
  daytona__http_close_step(http);
}

static void on_closing(daytona__task_t *task) {
  daytona__http_t *http = DAYTONA__CONTAINER(task, daytona__http_t, closing);
  assert(daytona__list_empty(&http->waiting) && daytona__list_empty(&http->active));
  daytona__trust_close(&http->trust, on_trust_closed, http);
}

void daytona__http_close(daytona__http_t *http, void (*closed)(void *user), void *user) {
  assert(!http->is_closing && http->waiting_count == 0);
  http->is_closing = true;
  http->closed = closed;
  http->closed_user = user;
  daytona__loop_defer(http->loop, &http->closing);
}
