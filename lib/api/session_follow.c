/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Following the log of a session's command, or of the entrypoint, and not losing it.
 *
 * The log comes over a WebSocket, from its beginning. When that ends, for whatever reason, the command is looked at:
 * if it has finished and the socket ended in good order, that is the end; else the log is fetched with a plain
 * request, what was delivered before is skipped, and unless the command has finished meanwhile a new socket is opened.
 *
 *   OPENING -> STREAMING -> CHECKING -> FETCHING -> OPENING ...        WAITING: before CHECKING, after a failure
 *                  ^------- WATCHING, with the socket still open: has the command finished without a report?
 *
 *   HOLDING: the reader has paused, and the sandbox keeps the log; CHECKING follows when it resumes.
 *
 * Where sockets cannot be had or do not show the log, plain requests alone make up for them, a second apart.
 *
 * `offset` and `sum` describe the bytes of the log that were accepted. Every source begins at the log's beginning,
 * so as many bytes are skipped and summed up; only if both agree is what follows known to be the rest. The fetch names
 * an older protocol version, for which the server sends the log's own bytes: JSON would replace what is not UTF-8.
 *
 * Everything lives in the future's arena. A callback may settle the future, so each path that hands bytes on holds
 * a reference and asks afterwards whether it is still pending.
 */
#include <daytona/session.h>

#include <assert.h>
#include <limits.h>
#include <string.h>

#include "call/inbox.h"
#include "call/op.h"
#include "call/stream_end.h"
#include "core/large.h"
#include "core/limits.h"
#include "core/memory.h"
#include "wire/checksum.h"
#include "wire/demux.h"
#include "wire/utf8_split.h"

/* Answers a request for a log with its bytes, markers included; see the table in the protocol's description. */
static const char raw_log_version[] = "0.166.0";

enum {
  FAILURES_MAX = 10,
  RETRY_FIRST_MS = 250,
  RETRY_MAX_MS = 8000,
  POLL_MS = 1000,
  WATCH_MS = 15000,  /* silence after which the command is looked at */
  STABLE_MS = 10000, /* a connection that lived so long was none that failed */
  REFUSALS_MAX = 3,  /* answers like 502 to an upgrade: a front may be restarting */
  SETTLED_MS = 500,  /* the server waits longer than this before it ends a complete log */
  FETCH_IDLE_MS = 30000
};

typedef enum phase {
  LOCATING,  /* the toolbox */
  OPENING,   /* a socket */
  STREAMING, /* it is open */
  WATCHING,  /* it is open and silent, and the command is being looked at */
  CHECKING,  /* the command is being looked at; there is no socket */
  FETCHING,  /* the log, with a plain request */
  WAITING,
  HOLDING,
  ENDING /* the outcome is known, and waits for a reader who has paused */
} phase_t;

/* How the last socket has ended. WHOLE: in good order and some time after the last output, so that nothing is missing
   if the command has finished; that holds until the command has been looked at. */
typedef enum socket_end { BROKEN, ORDERLY, WHOLE } socket_end_t;

/* The requests about one kind of log. */
typedef struct log_kind {
  const daytona__method_t *follow, *check, *fetch;
} log_kind_t;

typedef struct follow {
  daytona__op_t op; /* first */
  const log_kind_t *kind;
  phase_t phase;
  const char *session_id, *command_id; /* NULL: of the entrypoint */
  daytona_output_cb on_output[3];      /* by stream */
  void *user;
  bool as_text;
  int64_t connect_timeout_ms;

  daytona__ws_t *ws; /* while OPENING, STREAMING and WATCHING */
  unsigned sockets_opened, sockets_ended, refusals;
  socket_end_t last_end;
  bool is_polling;                 /* no sockets any more: requests alone */
  unsigned fetches, polls;         /* that have come whole; those while polling */
  uint64_t fetched_from;           /* `offset` when the fetch began */
  int failures;                    /* in a row */
  int64_t opened_ms, last_data_ms; /* of the last socket */
  daytona__timer_t timer, deadline;

  uint64_t offset, skip;             /* of the log: accepted; of this source: still to be skipped */
  daytona__checksum_t sum, skip_sum; /* of what was accepted, and of what was skipped */
  bool is_json;                      /* the fetched log; collected in `json` */
  daytona__strbuf_t json;
  daytona__json_decoder_t *decoder; /* while that is read */
  const daytona_bytes_t *json_log;  /* what was read, in `json_arena`; NULL: nothing, or not yet */
  size_t json_taken;
  daytona__arena_t json_arena;
  daytona__task_t reading; /* the next part of either */
  daytona_header_t headers[DAYTONA__COMMON_HEADERS];
  daytona_opt_int_t exit_code;

  daytona__demux_t demux;
  daytona__utf8_split_t text[3];
  int text_stream;
  daytona__inbox_t inbox;
  bool is_paused;
  bool lacks_memory;
  size_t handed_on; /* in this turn, of what was kept */
  daytona__task_t drain;
  daytona__arena_t round; /* of one request: a follow that lasts for days must not grow */
  daytona_stream_end_t *end;
} follow_t;

DAYTONA__METHOD(follow, .prefix = "Failed to follow session command logs: ", .verb = "GET",
                .path = "/process/session/{}/command/{}/logs", .service = DAYTONA__TOOLBOX,
                .is_stream = true);

/* What a check wants to know; the command's text, which may be long, is left out. */
typedef struct check_answer {
  daytona_opt_int_t exit_code;
} check_answer_t;

static DAYTONA__MODEL_OF(check_model, check_answer_t, "Command",
                         DAYTONA__FIELD(check_answer_t, OPT_INT, exit_code, "exitCode"));

DAYTONA__METHOD(check, .prefix = "Failed to follow session command logs: ", .verb = "GET",
                .path = "/process/session/{}/command/{}", .service = DAYTONA__TOOLBOX,
                .response = &check_model);

DAYTONA__METHOD(fetch, .prefix = "Failed to follow session command logs: ", .verb = "GET",
                .path = "/process/session/{}/command/{}/logs", .service = DAYTONA__TOOLBOX);

static const log_kind_t command_kind = {&follow_method, &check_method, &fetch_method};

/* The entrypoint is a session of its own, with one command. */
typedef struct check_session {
  const check_answer_t *const *commands;
  size_t count;
} check_session_t;

static DAYTONA__MODEL_OF(check_session_model, check_session_t, "Session",
                         DAYTONA__FIELD_LIST(check_session_t, commands, count, "commands", &check_model));

#define ENTRYPOINT(noun, tail, ...)                                                    \
  DAYTONA__METHOD(noun, .prefix = "Failed to follow entrypoint logs: ", .verb = "GET", \
                  .path = "/process/session/entrypoint" tail, .service = DAYTONA__TOOLBOX, __VA_ARGS__)

ENTRYPOINT(follow_entrypoint, "/logs", .is_stream = true);
ENTRYPOINT(check_entrypoint, "", .response = &check_session_model);
ENTRYPOINT(fetch_entrypoint, "/logs", .response = NULL);

static const log_kind_t entrypoint_kind = {&follow_entrypoint_method, &check_entrypoint_method,
                                           &fetch_entrypoint_method};

static DAYTONA__MODEL_OF(whole_log_model, daytona_bytes_t, "SessionCommandLogsResponse",
                         {.key = "output", .type = DAYTONA__JSON_BYTES});

static void check(follow_t *self);
static void fetch(follow_t *self);
static void open_socket(follow_t *self);

static bool is_over(const follow_t *self) { return !daytona__future_is_pending(self->op.future); }
static bool stops_reading(const follow_t *self) { return self->inbox.max == 0; }
static int64_t now(const follow_t *self) { return daytona__loop_now(self->op.client->loop); }

/* Whether the log was seen: then a failure is one of the connection, and not that there is nothing to follow. */
static bool knows_log(const follow_t *self) { return self->sockets_opened != 0 || self->fetches != 0; }

static void set_phase(follow_t *self, phase_t to) {
#define TO(phase) (1u << (phase))
  static const unsigned allowed[] = {
    [LOCATING] = TO(OPENING) | TO(ENDING),
    [OPENING] = TO(STREAMING) | TO(CHECKING) | TO(WAITING) | TO(ENDING),
    [STREAMING] = TO(STREAMING) | TO(WATCHING) | TO(CHECKING) | TO(WAITING) | TO(ENDING),
    [WATCHING] = TO(STREAMING) | TO(CHECKING) | TO(FETCHING) | TO(HOLDING) | TO(ENDING),
    [CHECKING] = TO(FETCHING) | TO(HOLDING) | TO(WAITING) | TO(ENDING),
    [FETCHING] = TO(OPENING) | TO(WAITING) | TO(ENDING),
    [WAITING] = TO(CHECKING) | TO(ENDING),
    [HOLDING] = TO(CHECKING) | TO(ENDING),
    [ENDING] = TO(ENDING), /* a time limit beats an outcome that waits */
  };
#undef TO
  bool has_socket = to == OPENING || to == STREAMING || to == WATCHING;
  assert((allowed[self->phase] & 1u << to) != 0);
  assert(has_socket == (self->ws != NULL));
  assert(to != OPENING || !self->is_polling);
  assert(to != HOLDING || (self->is_paused && stops_reading(self)));
  self->phase = to;
}

/* --- ending ------------------------------------------------------------------------------------ */

static void drop_socket(follow_t *self) {
  daytona__ws_t *ws = self->ws;
  self->ws = NULL;
  daytona__ws_release(ws);
}

static void drop_json_text(follow_t *self) {
  daytona__free_large(self->op.client->loop, self->json.data, self->json.room, false);
  daytona__strbuf_init(&self->json, self->json.max);
}

static void drop_json(follow_t *self) {
  daytona__task_cancel(&self->reading);
  daytona__json_decoder_free(self->decoder);
  self->decoder = NULL;
  self->json_log = NULL;
  daytona__arena_drop_large(self->op.client->loop, &self->json_arena);
  daytona__arena_clear(&self->json_arena);
  drop_json_text(self);
}

/* However the operation ends. */
static void end_follow(daytona__op_t *op) {
  follow_t *self = (follow_t *)op;
  drop_socket(self);
  daytona__timer_stop(&self->timer);
  daytona__timer_stop(&self->deadline);
  daytona__task_cancel(&self->drain);
  daytona__inbox_clear(&self->inbox);
  drop_json(self);
  daytona__arena_clear(&self->round);
}

static void settle(follow_t *self) {
  self->end->dropped_bytes = self->inbox.dropped;
  daytona__op_resolve(&self->op, &daytona__type_stream_end, self->end);
}

static void emit(void *user, int stream, const char *bytes, size_t size);
static void hand_on_text(void *user, const char *text, size_t size);

/* The outcome is known; it is reported when all output was delivered. `message` is copied. */
static void finish(follow_t *self, daytona_stream_reason_t reason, const char *message) {
  daytona_future_t *future = daytona_future_retain(self->op.future);
  char *line = daytona__op_copy_text(&self->op, message);
  if (line == NULL) self->lacks_memory = true;
  drop_socket(self);
  daytona__timer_stop(&self->timer);
  set_phase(self, ENDING);
  self->end->reason = reason;
  self->end->message = line;
  if (line != NULL) daytona__one_line(line, DAYTONA__ERROR_MESSAGE_MAX);
  self->end->has_exit_code = reason == DAYTONA_STREAM_EXITED;
  self->end->exit_code = self->end->has_exit_code ? (int)self->exit_code.value : 0;
  daytona__demux_end(&self->demux, emit, self);
  for (int stream = DAYTONA__DEMUX_OUT; stream <= DAYTONA__DEMUX_ERR && self->as_text; stream++) {
    self->text_stream = stream;
    daytona__utf8_end(&self->text[stream], hand_on_text, self);
  }
  if (!is_over(self)) {
    if (self->lacks_memory)
      daytona__op_fail(&self->op, daytona__error_static(DAYTONA_ENOMEM));
    else if (!self->is_paused && daytona__inbox_is_empty(&self->inbox))
      settle(self);
  }
  daytona_future_release(future);
}

static void finish_exited(follow_t *self) {
  if (self->exit_code.value < INT_MIN || self->exit_code.value > INT_MAX)
    finish(self, DAYTONA_STREAM_FAILED, "the server sent an exit code that is out of range");
  else
    finish(self, DAYTONA_STREAM_EXITED, "the command has finished");
}

/* --- output ------------------------------------------------------------------------------------ */

static void call_user(follow_t *self, int stream, const char *bytes, size_t size) {
  const daytona_output_t output = {
    .bytes = bytes,
    .size = size,
    .stream = stream == DAYTONA__DEMUX_ERR ? DAYTONA_OUTPUT_STDERR : DAYTONA_OUTPUT_STDOUT,
    .future = self->op.future};
  daytona__stream_output(self->op.client->loop, self->on_output[stream], &output, self->user);
}

static void hand_on(follow_t *self, int stream, const char *bytes, size_t size) {
  if (is_over(self) || self->lacks_memory) return;
  if (!self->is_paused && daytona__inbox_is_empty(&self->inbox))
    call_user(self, stream, bytes, size);
  else if (daytona__inbox_put(&self->inbox, stream, bytes, size) != 0)
    self->lacks_memory = true;
}

static void hand_on_text(void *user, const char *text, size_t size) {
  follow_t *self = user;
  hand_on(self, self->text_stream, text, size);
}

/* One stream's next bytes. */
static void emit(void *user, int stream, const char *bytes, size_t size) {
  follow_t *self = user;
  if (is_over(self)) return;
  self->end->received_bytes += size;
  if (!self->as_text) {
    hand_on(self, stream, bytes, size);
    return;
  }
  self->text_stream = stream;
  daytona__utf8_feed(&self->text[stream], bytes, size, hand_on_text, self);
}

static daytona__inbox_next_t hand_on_kept(void *user, int stream, const char *bytes, size_t size) {
  follow_t *self = user;
  call_user(self, stream, bytes, size);
  if (is_over(self)) return DAYTONA__INBOX_OVER;
  self->handed_on += size;
  return self->is_paused || self->handed_on >= DAYTONA__READ_BUDGET ? DAYTONA__INBOX_LATER
                                                                    : DAYTONA__INBOX_MORE;
}

/* What comes next may be old, so that the time since it came says nothing about the log's end. */
static void resume_socket(follow_t *self) {
  if (stops_reading(self)) self->last_data_ms = now(self);
  daytona__ws_resume(self->ws);
}

/* From a turn of its own: what was kept while the stream was paused, then the end if it was waiting. */
static void on_drain(daytona__task_t *task) {
  follow_t *self = DAYTONA__CONTAINER(task, follow_t, drain);
  daytona_future_t *future = daytona_future_retain(self->op.future);
  self->handed_on = 0;
  if (!self->is_paused) daytona__inbox_drain(&self->inbox, hand_on_kept, self);
  if (!is_over(self) && !self->is_paused) {
    if (!daytona__inbox_is_empty(&self->inbox))
      daytona__loop_defer(self->op.client->loop, &self->drain); /* the others of the loop have their turn */
    else if (self->phase == ENDING)
      settle(self);
    else if (self->ws != NULL)
      resume_socket(self);
    else if (self->json_log != NULL)
      daytona__loop_defer(self->op.client->loop, &self->reading);
    else if (self->phase == FETCHING && self->decoder == NULL)
      daytona__http_resume_receive(&self->op.http);
    else if (self->phase == HOLDING)
      check(self);
  }
  daytona_future_release(future);
}

/* --- the log's bytes --------------------------------------------------------------------------- */

/* A new source, which begins at the log's beginning. */
static void begin_source(follow_t *self) {
  self->skip = self->offset;
  self->skip_sum = (daytona__checksum_t){0};
}

/*
 * More bytes of a source. False: it does not show the log that we know. A fetched log is believed all the same, for
 * there is nothing better.
 */
static bool take(follow_t *self, const char *bytes, size_t size) {
  if (self->skip != 0) {
    size_t skipped = self->skip < size ? (size_t)self->skip : size;
    daytona__checksum_add(&self->skip_sum, bytes, skipped);
    self->skip -= skipped;
    bytes += skipped;
    size -= skipped;
    if (self->skip == 0 && !daytona__checksum_same(&self->skip_sum, &self->sum)) {
      if (self->phase != FETCHING) return false;
      self->end->has_gap = true;
      self->sum = self->skip_sum;
    }
  }
  if (size == 0) return true;
  daytona__checksum_add(&self->sum, bytes, size);
  self->offset += size;
  self->failures = 0;
  daytona__demux_feed(&self->demux, bytes, size, emit, self);
  return true;
}

/* The whole source has been seen, and was shorter than what we know: it is not the same log any more. */
static void end_source(follow_t *self) {
  if (self->skip == 0) return;
  self->end->has_gap = true;
  self->offset -= self->skip;
  self->sum = self->skip_sum;
  self->skip = 0;
}

/* --- waiting ----------------------------------------------------------------------------------- */

static void wait_for(follow_t *self, int64_t ms) {
  set_phase(self, WAITING);
  daytona__timer_start(self->op.client->loop, &self->timer, ms);
}

static void watch(follow_t *self) {
  set_phase(self, STREAMING);
  daytona__timer_start(self->op.client->loop, &self->timer, WATCH_MS);
}

/* One more failure: try again later, or give up. */
static void retry(follow_t *self, const char *message) {
  int64_t delay_ms = RETRY_FIRST_MS;
  if (++self->failures > FAILURES_MAX) {
    finish(self, DAYTONA_STREAM_LOST, message);
    return;
  }
  for (int i = 1; i < self->failures && delay_ms < RETRY_MAX_MS; i++) delay_ms *= 2;
  wait_for(self, delay_ms);
}

static void on_timer(daytona__timer_t *timer) {
  follow_t *self = DAYTONA__CONTAINER(timer, follow_t, timer);
  assert(self->phase == STREAMING || self->phase == WAITING);
  int64_t quiet_ms = now(self) - self->last_data_ms;
  if (self->phase == STREAMING && (self->is_paused || quiet_ms < WATCH_MS))
    watch(self);
  else
    check(self);
}

static void on_deadline(daytona__timer_t *timer) {
  follow_t *self = DAYTONA__CONTAINER(timer, follow_t, deadline);
  daytona_future_t *future = daytona_future_retain(self->op.future);
  finish(self, DAYTONA_STREAM_TIMEOUT, "the follow exceeded its time limit");
  if (!is_over(self)) {
    self->inbox.dropped += self->inbox.size; /* paused: nobody has asked for it in time */
    settle(self);
  }
  daytona_future_release(future);
}

/* --- the command ------------------------------------------------------------------------------- */

static bool is_gone(const daytona_error_t *error) {
  return daytona_error_is(error, DAYTONA_ENOTFOUND) || daytona_error_is(error, DAYTONA_EGONE);
}

/* Whether asking again would give the same: the server has understood, and says no. */
static bool is_final(const daytona_error_t *error) {
  return error->http_status / 100 == 4 && error->http_status != 408 && error->http_status != 429;
}

/* The exit code in a response to `check`; not set: it still runs. */
static daytona_opt_int_t exit_code_in(const follow_t *self, const void *answer) {
  static const daytona_opt_int_t none;
  const check_session_t *session = answer;
  if (answer == NULL) return none;
  if (self->kind == &command_kind) return ((const check_answer_t *)answer)->exit_code;
  return session->count != 0 ? session->commands[session->count - 1]->exit_code : none;
}

/*
 * What the response means depends on the socket. While there is one, it decides, unless the command has finished. After one
 * that ended WHOLE a command that has finished is the end; after any other the log has to be looked at.
 */
static void on_checked(daytona__op_t *op, const daytona_error_t *error, void *answer) {
  follow_t *self = (follow_t *)op;
  const daytona_opt_int_t exit_code = exit_code_in(self, answer);
  assert(self->phase == CHECKING || self->phase == WATCHING);
  bool has_finished = exit_code.is_set, has_gone = error != NULL && is_gone(error);
  bool is_whole = self->phase == CHECKING && self->last_end == WHOLE;
  if (self->last_end == WHOLE) self->last_end = ORDERLY; /* the log may grow until it is looked at again */
  if (error != NULL && error->code == DAYTONA_ENOMEM) {
    daytona__op_fail(op, error);
  } else if (self->phase == WATCHING && !has_finished && !has_gone) {
    watch(self);
  } else if (has_gone && knows_log(self)) {
    finish(self, DAYTONA_STREAM_KILLED, "the session was deleted");
  } else if (error != NULL && is_final(error) && !knows_log(self)) {
    daytona__op_fail(op, error); /* there is nothing to follow */
  } else if (error != NULL) {
    retry(self, error->message);
  } else {
    self->exit_code = exit_code;
    if (has_finished && is_whole)
      finish_exited(self);
    else
      fetch(self);
  }
}

/* A request of the follow's own, on the operation's only slot. */
static void request(follow_t *self, const daytona__method_t *method, int64_t timeout_ms,
                    void (*done)(daytona__op_t *op, const daytona_error_t *error, void *answer),
                    void (*outgoing)(daytona__op_t *op)) {
  daytona__op_t *op = &self->op;
  daytona__op_switch(op, method);
  daytona__op_path(op, self->session_id, self->command_id, NULL);
  op->done = done;
  op->outgoing = outgoing;
  if (daytona__op_prepare(op, NULL, timeout_ms) == 0) daytona__op_send(op);
}

static void check(follow_t *self) {
  set_phase(self, self->ws != NULL ? WATCHING : CHECKING);
  request(self, self->kind->check, 0, on_checked, NULL);
}

/* --- the log over a plain request -------------------------------------------------------------- */

static void on_head(daytona__http_call_t *http) {
  follow_t *self = http->user;
  self->is_json = strcmp(http->response_type, "application/json") == 0;
}

static size_t on_fetched_bytes(daytona__http_call_t *http, const char *bytes, size_t size) {
  follow_t *self = http->user;
  daytona_future_t *future = self->op.future;
  assert(self->phase == FETCHING);
  if (self->is_json) {
    int rc = daytona__strbuf_append(&self->json, bytes, size);
    if (rc != 0) http->user_error = (daytona_errcode_t)rc;
    return size;
  }
  if (self->is_paused && stops_reading(self)) return 0;
  daytona_future_retain(future);
  take(self, bytes, size);
  if (!is_over(self) && self->lacks_memory) http->user_error = DAYTONA_ENOMEM;
  daytona_future_release(future);
  return size;
}

/* Ask for the log's own bytes. */
static void prepare_fetch(daytona__op_t *op) {
  follow_t *self = (follow_t *)op;
  op->http.skips_common = true;
  op->http.headers = self->headers;
  op->http.header_count = daytona__client_headers(op->client, raw_log_version, self->headers);
  op->http.accept = "*/*";
  op->http.idle_timeout_ms = FETCH_IDLE_MS;
  op->http.on_head = on_head;
  op->http.sink = on_fetched_bytes;
}

/* The log has come whole, as it was when the command was looked at or longer. */
static void go_on_after_fetch(follow_t *self) {
  end_source(self);
  bool was_needed = self->last_end == BROKEN || !self->exit_code.is_set || self->offset != self->fetched_from;
  bool was_lost = self->sockets_opened != 0 && self->polls == 0; /* what polls make up for counts once */
  if (was_needed && was_lost) self->end->resumed_count++;
  self->fetches++;
  self->polls += self->is_polling;
  if (self->exit_code.is_set) {
    finish_exited(self);
  } else if (self->is_polling) {
    self->failures =
      0; /* the requests work, whether or not they had bytes to bring: a quiet command is none */
    wait_for(self, POLL_MS);
  } else {
    open_socket(self);
  }
}

/* The request has ended; `rc` says how reading JSON has. */
static void end_fetch(follow_t *self, int rc, const daytona_error_t *error) {
  assert(self->phase == FETCHING && !is_over(self));
  drop_json(self);
  if (self->lacks_memory || rc == DAYTONA_ENOMEM || (error != NULL && error->code == DAYTONA_ENOMEM)) {
    daytona__op_fail(&self->op, daytona__error_static(DAYTONA_ENOMEM));
  } else if (rc != 0) {
    retry(self, "the server's response with the log is malformed");
  } else if (error != NULL && is_gone(error)) {
    finish(self, DAYTONA_STREAM_KILLED, "the session was deleted");
  } else if (error != NULL) {
    retry(self, error->message);
  } else {
    go_on_after_fetch(self);
  }
}

/* One part of the work on JSON: of its text, then of the log that was in it. DAYTONA__JSON_GOES_ON: there is more. */
static int read_json(follow_t *self) {
  if (self->decoder != NULL) {
    int rc = daytona__json_decoder_run(self->decoder, DAYTONA__READ_BUDGET);
    if (rc != 0) return rc;
    self->json_log = daytona__json_decoder_result(self->decoder, NULL);
    self->json_taken = 0;
    daytona__json_decoder_free(self->decoder);
    self->decoder = NULL;
    drop_json_text(self);
    return self->json_log != NULL ? DAYTONA__JSON_GOES_ON : 0;
  }
  const daytona_bytes_t *log = self->json_log;
  size_t at = self->json_taken, size = log->size - at;
  if (size > DAYTONA__READ_BUDGET) size = DAYTONA__READ_BUDGET;
  self->json_taken = at + size;
  if (size != 0) take(self, log->data + at, size);
  return self->json_taken < log->size ? DAYTONA__JSON_GOES_ON : 0;
}

static void on_reading(daytona__task_t *task) {
  follow_t *self = DAYTONA__CONTAINER(task, follow_t, reading);
  if (self->json_log != NULL && self->is_paused && stops_reading(self)) return; /* on_drain() continues */
  daytona_future_t *future = daytona_future_retain(self->op.future);
  int rc = read_json(self);
  if (is_over(self)) {
    /* a callback has ended it */
  } else if (rc == DAYTONA__JSON_GOES_ON && !self->lacks_memory) {
    daytona__loop_defer(self->op.client->loop, &self->reading);
  } else {
    end_fetch(self, rc, NULL);
  }
  daytona_future_release(future);
}

/* A server that responds with JSON all the same: it is read in parts, for it may be long. */
static void begin_json(follow_t *self) {
  self->decoder =
    daytona__json_decoder_new(&self->json_arena, &whole_log_model, false, self->json.data, self->json.size);
  if (self->decoder != NULL)
    daytona__loop_defer(self->op.client->loop, &self->reading);
  else
    end_fetch(self, DAYTONA_ENOMEM, NULL);
}

static void on_fetched(daytona__op_t *op, const daytona_error_t *error, void *answer) {
  follow_t *self = (follow_t *)op;
  if (error == NULL && self->json.size != 0)
    begin_json(self);
  else
    end_fetch(self, 0, error);
}

static void fetch(follow_t *self) {
  drop_socket(self);
  daytona__timer_stop(&self->timer);
  if (self->is_paused && stops_reading(self)) { /* there is nobody to take what it would bring */
    set_phase(self, HOLDING);
    return;
  }
  set_phase(self, FETCHING);
  self->fetched_from = self->offset;
  self->is_json = false;
  daytona__strbuf_init(&self->json, DAYTONA__JSON_BODY_MAX);
  begin_source(self);
  request(self, self->kind->fetch, DAYTONA_NO_TIMEOUT, on_fetched, prepare_fetch);
}

/* --- the socket -------------------------------------------------------------------------------- */

static void on_open(daytona__ws_t *ws, const char *protocol) {
  follow_t *self = daytona__ws_user(ws);
  (void)protocol;
  self->sockets_opened++;
  self->refusals = 0;
  self->opened_ms = self->last_data_ms = now(self);
  if (self->is_paused && stops_reading(self)) daytona__ws_pause(ws);
  watch(self);
}

static void on_data(daytona__ws_t *ws, const daytona__ws_chunk_t *chunk) {
  follow_t *self = daytona__ws_user(ws);
  daytona_future_t *future = daytona_future_retain(self->op.future);
  assert(self->phase == STREAMING || self->phase == WATCHING);
  self->last_data_ms = daytona__ws_heard_ms(ws);
  bool is_same = take(self, chunk->bytes, chunk->size);
  if (is_over(self)) {
    /* a callback has ended it */
  } else if (self->lacks_memory) {
    daytona__op_fail(&self->op, daytona__error_static(DAYTONA_ENOMEM));
  } else if (!is_same) {
    self->is_polling = true;
    self->last_end = BROKEN;
    drop_socket(self);
    if (self->phase == WATCHING)
      set_phase(self, CHECKING); /* the response is on its way */
    else
      check(self);
  }
  daytona_future_release(future);
}

static socket_end_t end_of_socket(const follow_t *self, const daytona__ws_close_t *close) {
  if (!close->was_open || daytona__stream_is_lost(close)) return BROKEN;
  return now(self) - self->last_data_ms >= SETTLED_MS ? WHOLE : ORDERLY;
}

static void on_close(daytona__ws_t *ws, const daytona__ws_close_t *close) {
  follow_t *self = daytona__ws_user(ws);
  daytona__op_t *op = &self->op;
  bool is_checking = self->phase == WATCHING, is_first = self->sockets_ended++ == 0;
  bool was_refused = daytona__stream_was_refused(close);
  drop_socket(self);
  daytona__timer_stop(&self->timer);
  if (close->how == DAYTONA__WS_END_NO_MEMORY) {
    daytona__op_fail(op, daytona__error_static(DAYTONA_ENOMEM));
    return;
  }
  if (!knows_log(self) && !was_refused) {
    daytona_error_t error;
    daytona__stream_error(op->future, &op->future->arena, close, &error);
    daytona__op_fail(op, &error);
    return;
  }
  if (was_refused && (close->response.status < 500 || ++self->refusals >= REFUSALS_MAX))
    self->is_polling = true;
  if (close->how == DAYTONA__WS_END_FRAME) self->end->close_code = close->close_code;
  self->last_end = end_of_socket(self, close);
  if (close->was_open && now(self) - self->opened_ms >= STABLE_MS) self->failures = 0;
  if (is_checking)
    set_phase(self, CHECKING); /* the response is on its way */
  else if (is_first)
    check(self); /* there is no reason to wait */
  else
    retry(self, close->response.message);
}

static void open_socket(follow_t *self) {
  daytona__ws_opts_t opts = {.connect_timeout_ms = self->connect_timeout_ms,
                             .allows_invalid_utf8 = true,
                             .is_bytes = true,
                             .on_open = on_open,
                             .on_data = on_data,
                             .on_close = on_close,
                             .user = self};
  daytona__op_t *op = &self->op;
  begin_source(self);
  daytona__op_switch(op, self->kind->follow);
  daytona__op_path(op, self->session_id, self->command_id, NULL);
  daytona__url_query(&op->url, "follow", "true");
  if (daytona__op_prepare(op, NULL, DAYTONA_NO_TIMEOUT) != 0) return;
  int rc = daytona__stream_open(op, &opts, &self->ws);
  if (rc != 0)
    daytona__op_reject(op, (daytona_errcode_t)rc, "%s", daytona_errcode_text(rc));
  else
    set_phase(self, OPENING);
}

/* The toolbox is known. */
static void on_located(daytona__op_t *op, const daytona_error_t *error, void *answer) {
  if (error != NULL)
    daytona__op_fail(op, error);
  else
    open_socket((follow_t *)op);
}

/* --- public ------------------------------------------------------------------------------------ */

static int pause_follow(daytona_future_t *future);
static int resume_follow(daytona_future_t *future);

static const daytona__op_kind_t follow_kind = {
  .name = "session follow", .pause = pause_follow, .resume = resume_follow};

static void init(follow_t *self, const daytona_session_follow_opts_t *opts, size_t buffer) {
  self->op.future->op_kind = &follow_kind;
  self->op.done = on_located;
  self->op.ending = end_follow;
  self->on_output[DAYTONA__DEMUX_OUT] = opts->on_stdout;
  self->on_output[DAYTONA__DEMUX_ERR] = opts->on_stderr;
  self->user = opts->user;
  self->as_text = opts->as_text;
  self->connect_timeout_ms = opts->connect_timeout_ms;
  daytona__inbox_init(&self->inbox, buffer);
  self->inbox.is_text = opts->as_text;
  daytona__arena_init(&self->round, 0);
  daytona__arena_init(&self->json_arena, 0);
  daytona__task_init(&self->reading, on_reading);
  self->op.scratch = &self->round;
  daytona__timer_init(&self->timer, on_timer);
  daytona__timer_init(&self->deadline, on_deadline);
  daytona__task_init(&self->drain, on_drain);
}

static daytona_future_t *follow(const char *name, daytona_sandbox_t *sandbox, const log_kind_t *kind,
                                const char *session_id, const char *command_id,
                                const daytona_session_follow_opts_t *opts) {
  static const daytona_session_follow_opts_t defaults;
  daytona_future_t *future;
  size_t buffer = 0;
  int64_t limit_ms, connect_ms;
  if (opts == NULL) opts = &defaults;
  follow_t *self =
    (follow_t *)daytona__op_new_named(name, kind->follow, NULL, sandbox, sizeof *self, &future);
  daytona__future_own(future, opts->destroy_user, opts->user);
  if (self == NULL) return future;
  daytona__op_t *op = &self->op;
  if (!DAYTONA__RESERVED_OK(opts))
    return daytona__op_reject(op, DAYTONA_EINVAL, "reserved words of the options are not zero");
  if (daytona__stream_buffer(opts->policy, opts->buffer_bytes, &buffer) != 0)
    return daytona__op_reject(op, DAYTONA_EINVAL, "policy is unknown or buffer_bytes is over 64 MiB");
  if (!daytona__timeout_resolve(opts->timeout_ms, DAYTONA_NO_TIMEOUT, &limit_ms) ||
      !daytona__timeout_resolve(opts->connect_timeout_ms, 0, &connect_ms))
    return daytona__op_reject(op, DAYTONA_EINVAL, "a timeout must be at least 0, or DAYTONA_NO_TIMEOUT");
  self->kind = kind;
  self->session_id = daytona__arena_strdup(&future->arena, session_id);
  self->command_id = daytona__arena_strdup(&future->arena, command_id);
  self->end = daytona__arena_alloc(&future->arena, sizeof *self->end);
  if (self->end == NULL || (self->session_id == NULL && session_id != NULL) ||
      (self->command_id == NULL && command_id != NULL))
    return daytona__op_reject(op, DAYTONA_ENOMEM, "%s", daytona_errcode_text(DAYTONA_ENOMEM));
  init(self, opts, buffer);
  daytona__op_path(op, session_id, command_id, NULL);
  if (daytona__op_prepare(op, NULL, 0) != 0) return future;
  if (limit_ms > 0) daytona__timer_start(op->client->loop, &self->deadline, limit_ms);
  daytona__op_send(op);
  return future;
}

daytona_future_t *daytona_session_follow(daytona_sandbox_t *sandbox, const char *session_id,
                                         const char *command_id, const daytona_session_follow_opts_t *opts) {
  return follow(__func__, sandbox, &command_kind, session_id, command_id, opts);
}

daytona_future_t *daytona_session_follow_entrypoint(daytona_sandbox_t *sandbox,
                                                    const daytona_session_follow_opts_t *opts) {
  return follow(__func__, sandbox, &entrypoint_kind, NULL, NULL, opts);
}

static int pause_follow(daytona_future_t *future) {
  follow_t *self = daytona__op_of(future, &follow_kind);
  if (self->is_paused) return 0;
  self->is_paused = true;
  daytona__task_cancel(&self->drain);
  if (self->ws != NULL && stops_reading(self)) daytona__ws_pause(self->ws);
  return 0;
}

static int resume_follow(daytona_future_t *future) {
  follow_t *self = daytona__op_of(future, &follow_kind);
  if (!self->is_paused) return 0;
  self->is_paused = false;
  daytona__loop_defer(self->op.client->loop, &self->drain);
  return 0;
}
