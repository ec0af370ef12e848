/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Following the log of a build; see build_log.h.
 *
 *   ASKING -> WAITING -> ASKING      there is no log yet
 *      |
 *   READING -> WAITING -> READING    the connection was cut, or the server has ended it before the build
 *      |
 *   (finished) -> READING without follow, unless the log has ended in order -> ENDED
 *
 * A log is a file from which each connection reads from the beginning. What was delivered is skipped, and compared by its
 * checksum. A server may keep the connection of a build that has failed open: once the build has ended, a
 * connection without output for IDLE_MS is the end.
 */
#include "call/build_log.h"

#include <assert.h>
#include <string.h>

#include "core/memory.h"
#include "net/proxy.h"
#include "wire/checksum.h"
#include "wire/utf8_split.h"

enum {
  RETRY_MS = 1000,    /* between two attempts */
  IDLE_MS = 4000,     /* without output after the build has ended */
  REST_MS = 10000,    /* for what is read once more at the end */
  TAKE_TURN = 1 << 18 /* bytes delivered in one turn */
};

typedef enum state { ASKING, READING, WAITING, ENDED } state_t;

struct daytona__build_log {
  daytona__op_t op; /* first */
  daytona__build_log_opts_t opts;
  daytona__arena_t arena; /* of one request */
  char *url;              /* NULL: not known yet */
  state_t state;
  bool is_finished;       /* the build has ended */
  bool reads_rest;        /* the request is the one without follow */
  daytona__timer_t timer; /* WAITING: the next attempt; READING a finished build: silence */
  uint64_t delivered, at; /* bytes of the log: delivered ever, and read from this connection */
  daytona__checksum_t sum, skipped;
  daytona__utf8_split_t text;
};

typedef struct log_url {
  const char *url;
} log_url_t;

static const daytona__json_field_t url_fields[] = {
  DAYTONA__FIELD(log_url_t, STRING, url, "url", .flags = DAYTONA__JSON_REQUIRED)};

DAYTONA__MODEL(daytona__build_log_url_model, log_url_t, "Url", url_fields);

/* The address is the server's; the path of this row only stands for it. */
DAYTONA__METHOD(read, .prefix = "Failed to follow the build log: ", .verb = "GET", .path = "/build-logs",
                .is_background = true);

static void set_state(daytona__build_log_t *log, state_t state) {
  static const unsigned allowed[] = {[ASKING] = 1 << READING | 1 << WAITING | 1 << ENDED,
                                     [READING] = 1 << READING | 1 << WAITING | 1 << ENDED,
                                     [WAITING] = 1 << ASKING | 1 << READING | 1 << ENDED};
  assert(log->state != ENDED && (allowed[log->state] >> state & 1) != 0);
  log->state = state;
}

/* --- the end ----------------------------------------------------------------------------------- */

static void on_ending(daytona__op_t *op) {
  daytona__build_log_t *log = (daytona__build_log_t *)op;
  daytona__timer_stop(&log->timer);
  daytona__arena_clear(&log->arena);
  daytona__free(log->url);
  log->url = NULL;
}

static void end(daytona__build_log_t *log) {
  daytona_future_t *future = daytona_future_retain(log->op.future);
  set_state(log, ENDED);
  daytona__op_resolve(&log->op, &daytona__type_none, NULL);
  log->opts.on_end(log->opts.user);
  daytona_future_release(future);
}

static void give_up(daytona__build_log_t *log, const daytona_error_t *error) {
  daytona__log(log->op.client->loop, DAYTONA_LOG_WARN, "the log of a build cannot be read: %s",
               error->message);
  end(log);
}

/* --- requests ---------------------------------------------------------------------------------- */

static void on_asked(daytona__op_t *op, const daytona_error_t *error, void *answer);
static void on_read(daytona__op_t *op, const daytona_error_t *error, void *answer);

static void prepare(daytona__build_log_t *log, const daytona__method_t *method, const char *id,
                    int64_t timeout_ms,
                    void (*done)(daytona__op_t *op, const daytona_error_t *error, void *answer)) {
  daytona__op_switch(&log->op, method);
  daytona__op_path(&log->op, id, NULL, NULL);
  log->op.done = done;
  if (daytona__op_prepare(&log->op, NULL, timeout_ms) == 0) daytona__op_send(&log->op);
}

static void ask(daytona__build_log_t *log) { prepare(log, log->opts.url_method, log->opts.id, 0, on_asked); }

static void read_log(daytona__build_log_t *log) {
  log->at = 0;
  log->skipped = (daytona__checksum_t){0};
  log->reads_rest = log->is_finished;
  set_state(log, READING);
  prepare(log, &read_method, NULL, log->reads_rest ? REST_MS : DAYTONA_NO_TIMEOUT, on_read);
}

static void on_timer(daytona__timer_t *timer) {
  daytona__build_log_t *log = DAYTONA__CONTAINER(timer, daytona__build_log_t, timer);
  if (log->state == READING) {
    end(log); /* silence after the end of the build */
  } else if (log->url != NULL) {
    read_log(log);
  } else {
    set_state(log, ASKING);
    ask(log);
  }
}

static void wait_for_next(daytona__build_log_t *log) {
  set_state(log, WAITING);
  daytona__timer_start(log->op.client->loop, &log->timer, RETRY_MS);
}

/* The address is that of another host, perhaps, and gets the key: it must be a usable one, and not a plainer one. */
static const char *fault_of(const daytona__settings_t *settings, const char *url) {
  daytona__target_t target, control;
  if (daytona__target_parse(url, &target, NULL) != 0) return "the server names an unusable URL";
  bool is_secure = daytona__target_parse(settings->api_url, &control, NULL) == 0 && control.is_secure;
  if (is_secure && !target.is_secure && !settings->allows_plain_toolbox)
    return "the server names an http address, and the control plane is reached by https";
  return NULL;
}

static void on_asked(daytona__op_t *op, const daytona_error_t *error, void *answer) {
  daytona__build_log_t *log = (daytona__build_log_t *)op;
  if (error != NULL) {
    bool may_come = error->http_status == 404 || error->http_status == 0 || error->http_status >= 500;
    if (may_come && !log->is_finished)
      wait_for_next(log);
    else
      give_up(log, error);
    return;
  }
  const char *url = ((const log_url_t *)answer)->url, *fault = fault_of(&op->client->settings, url);
  log->url = fault == NULL ? daytona__strdup(url) : NULL;
  if (fault != NULL)
    give_up(log, &(daytona_error_t){.message = fault});
  else if (log->url == NULL)
    give_up(log, daytona__error_static(DAYTONA_ENOMEM));
  else
    read_log(log);
}

/* --- the log ----------------------------------------------------------------------------------- */

static void deliver(void *user, const char *text, size_t size) {
  daytona__build_log_t *log = user;
  if (daytona__future_is_pending(log->op.future)) log->opts.on_text(log->opts.user, text, size);
}

/* Take what was not delivered yet; what was is compared. */
static size_t sink(daytona__http_call_t *http, const char *bytes, size_t size) {
  daytona__build_log_t *log = http->user;
  daytona_future_t *future = daytona_future_retain(log->op.future);
  if (size > TAKE_TURN) size = TAKE_TURN;
  size_t taken = size;
  if (log->is_finished && !log->reads_rest) daytona__timer_start(log->op.client->loop, &log->timer, IDLE_MS);
  if (log->at < log->delivered) {
    size_t known = log->delivered - log->at < size ? (size_t)(log->delivered - log->at) : size;
    daytona__checksum_add(&log->skipped, bytes, known);
    log->at += known;
    bytes += known;
    size -= known;
    if (log->at == log->delivered && !daytona__checksum_same(&log->skipped, &log->sum))
      daytona__log(log->op.client->loop, DAYTONA_LOG_WARN,
                   "the log of a build has changed while it was cut: output may be missing");
  }
  if (size > 0) {
    daytona__checksum_add(&log->sum, bytes, size);
    log->at += size;
    log->delivered += size;
    daytona__utf8_feed(&log->text, bytes, size, deliver, log);
  }
  if (!daytona__future_is_pending(future)) taken = 0; /* the callback has ended the operation */
  daytona_future_release(future);
  return taken;
}

static void on_outgoing(daytona__op_t *op) {
  daytona__build_log_t *log = (daytona__build_log_t *)op;
  if (op->method != &read_method) return;
  const char *follow = log->reads_rest ? "" : strchr(log->url, '?') != NULL ? "&follow=true" : "?follow=true";
  op->http.url = daytona__arena_printf(&log->arena, "%s%s", log->url, follow);
  if (op->http.url == NULL) op->http.url = log->url; /* without follow it ends, and is asked for again */
  op->http.accept = "text/plain, application/octet-stream;q=0.9, */*;q=0.1";
  op->http.sink = sink;
}

static void on_read(daytona__op_t *op, const daytona_error_t *error, void *answer) {
  daytona__build_log_t *log = (daytona__build_log_t *)op;
  (void)answer;
  daytona__timer_stop(&log->timer);
  bool is_refusal = error != NULL && error->http_status >= 400 && error->http_status < 500;
  if (is_refusal && (error->http_status != 404 || log->is_finished)) {
    give_up(log, error);
  } else if (log->is_finished && (error == NULL || log->reads_rest)) {
    if (error != NULL) {
      give_up(log, error);
      return;
    }
    daytona_future_t *future = daytona_future_retain(op->future);
    daytona__utf8_end(&log->text, deliver, log);
    if (daytona__future_is_pending(future)) end(log);
    daytona_future_release(future);
  } else if (log->is_finished) {
    read_log(log); /* it was cut: the rest */
  } else {
    wait_for_next(log);
  }
}

/* --- for operations ---------------------------------------------------------------------------- */

daytona__build_log_t *daytona__build_log_new(daytona_client_t *client,
                                             const daytona__build_log_opts_t *opts) {
  daytona_future_t *future;
  daytona__build_log_t *log = (daytona__build_log_t *)daytona__op_new_named(
    "build_log_follow", opts->url_method, client, NULL, sizeof *log, &future);
  if (log == NULL) {
    daytona_future_release(future);
    return NULL;
  }
  log->opts = *opts;
  daytona__arena_init(&log->arena, 0);
  daytona__timer_init(&log->timer, on_timer);
  log->op.scratch = &log->arena;
  log->op.ending = on_ending;
  log->op.outgoing = on_outgoing;
  log->opts.id = daytona__arena_strdup(&future->arena, opts->id);
  if (log->opts.id == NULL) {
    daytona__op_fail(&log->op, daytona__error_static(DAYTONA_ENOMEM));
    daytona_future_release(future);
    return NULL;
  }
  ask(log);
  return log;
}

void daytona__build_log_finish(daytona__build_log_t *log) {
  assert(log->state != ENDED && !log->is_finished);
  log->is_finished = true;
  if (log->state == READING)
    daytona__timer_start(log->op.client->loop, &log->timer, IDLE_MS);
  else if (log->state == WAITING)
    daytona__timer_start(log->op.client->loop, &log->timer, 0); /* not inside of the call */
}

void daytona__build_log_stop(daytona__build_log_t *log) {
  if (log == NULL) return;
  daytona_future_t *future = log->op.future;
  daytona_future_cancel(future);
  daytona_future_release(future);
}
