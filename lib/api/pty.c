/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An attached terminal: output, input, and the outcome.
 *
 * The end comes in one of several ways, and whichever is first counts: a control message "exited", a close frame
 * whose reason is JSON with the exit code (its close code 1011 is no error then), any other close frame, or a broken
 * connection. end_with() notes it once; notify() reports it when the output before it was delivered.
 *
 *   NEW <-> OPENING -> ATTACHED -> LEAVING -> ENDED -> REPORTED    ENDED: from each of the three before it
 */
#include "api/pty_impl.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "core/limits.h"
#include "core/memory.h"

enum { INPUT_MAX = 64 * 1024, CONTROL_MAX = 16 * 1024 };

/* The longest line that a kernel keeps for a program which reads lines; of a longer one it drops the rest. */
enum { LINE_MAX_BYTES = 4095 };

/* Control messages, and reasons of close frames. */
typedef struct control {
  const char *type;
  const char *status;
  const char *error;
  daytona_opt_int_t exit_code;
  const char *exit_reason;
} control_t;

static DAYTONA__MODEL_OF(control_model, control_t, "PtyControl",
                         DAYTONA__FIELD(control_t, STRING, type, "type"),
                         DAYTONA__FIELD(control_t, STRING, status, "status"),
                         DAYTONA__FIELD(control_t, STRING, error, "error"),
                         DAYTONA__FIELD(control_t, OPT_INT, exit_code, "exitCode"),
                         DAYTONA__FIELD(control_t, STRING, exit_reason, "exitReason"));

typedef struct wait {
  daytona__list_t link;
  daytona_future_t *future; /* a reference while it is in the list */
  daytona_pty_t *pty;       /* retained */
} wait_t;

static void set_phase(daytona_pty_t *pty, daytona__pty_phase_t to) {
#define TO(phase) (1u << DAYTONA__PTY_##phase)
  static const unsigned allowed[] = {
    [DAYTONA__PTY_NEW] = TO(OPENING),
    [DAYTONA__PTY_OPENING] = TO(NEW) | TO(ATTACHED) | TO(ENDED),
    [DAYTONA__PTY_ATTACHED] = TO(LEAVING) | TO(ENDED),
    [DAYTONA__PTY_LEAVING] = TO(ENDED),
    [DAYTONA__PTY_ENDED] = TO(REPORTED),
    [DAYTONA__PTY_REPORTED] = 0,
  };
#undef TO
  bool has_socket = to >= DAYTONA__PTY_OPENING && to <= DAYTONA__PTY_LEAVING;
  assert((allowed[pty->phase] & 1u << to) != 0);
  assert(has_socket == (pty->ws != NULL));
  assert(to != DAYTONA__PTY_ENDED || pty->end.reason != DAYTONA_STREAM_OPEN);
  pty->phase = to;
}

/* --- life -------------------------------------------------------------------------------------- */

static void on_drain(daytona__task_t *task);

daytona_pty_t *daytona__pty_new(daytona_sandbox_t *sandbox, const char *id,
                                const daytona_pty_attach_t *attach, size_t buffer) {
  daytona_pty_t *pty = daytona__calloc(1, sizeof *pty);
  if (pty == NULL) return NULL;
  pty->id = daytona__strdup(id);
  if (pty->id == NULL) {
    daytona__free(pty);
    return NULL;
  }
  pty->refs = 1;
  pty->sandbox = daytona_sandbox_retain(sandbox);
  pty->on_output = attach->on_output;
  pty->on_drained = attach->on_drained;
  pty->user = pty->output_user = attach->user;
  pty->destroy_user = attach->destroy_user;
  pty->stops_reading = attach->policy == DAYTONA_BUFFER_STOP;
  pty->buffer_bytes = buffer;
  daytona__inbox_init(&pty->inbox, pty->stops_reading ? 0 : buffer);
  daytona__strbuf_init(&pty->text, CONTROL_MAX);
  daytona__task_init(&pty->drain, on_drain);
  daytona__list_init(&pty->waits);
  return pty;
}

daytona_pty_t *daytona_pty_retain(daytona_pty_t *pty) {
  if (pty != NULL) pty->refs++;
  return pty;
}

static daytona__loop_t *loop_of(const daytona_pty_t *pty) { return pty->sandbox->client->loop; }

/* No callback can come any more. */
static void give_back(const daytona_pty_t *pty) {
  if (pty->destroy_user == NULL) return;
  daytona__loop_enter(loop_of(pty));
  pty->destroy_user(pty->user);
  daytona__loop_leave(loop_of(pty));
}

void daytona_pty_release(daytona_pty_t *pty) {
  if (pty == NULL || --pty->refs != 0) return;
  assert(daytona__list_empty(&pty->waits) && pty->opener.op == NULL);
  daytona__ws_release(pty->ws);
  daytona__task_cancel(&pty->drain);
  daytona__inbox_clear(&pty->inbox);
  daytona__strbuf_clear(&pty->text);
  give_back(pty);
  daytona_sandbox_release(pty->sandbox);
  daytona__free(pty->id);
  daytona__free(pty);
}

/* --- the outcome ------------------------------------------------------------------------------- */

static void stop_wait(daytona_future_t *future) {
  wait_t *wait = future->op;
  daytona_pty_t *pty = wait->pty;
  daytona__list_remove(&wait->link);
  daytona_future_release(future);
  daytona_pty_release(pty);
}

static void settle_wait(wait_t *wait) {
  daytona__arena_t *arena = &wait->future->arena;
  daytona_pty_t *pty = wait->pty;
  daytona_future_t *future = wait->future;
  daytona_stream_end_t *end = daytona__arena_alloc(arena, sizeof *end);
  const char *message = daytona__arena_strdup(arena, pty->message);
  if (end == NULL || message == NULL) {
    daytona__future_fail_error(future, daytona__error_static(DAYTONA_ENOMEM));
  } else {
    *end = pty->end;
    end->message = message;
    daytona__future_resolve(future, &daytona__type_stream_end, end);
  }
  daytona_future_release(future);
  daytona_pty_release(pty);
}

/* Report the end, unless output must come before. Settling calls nobody before a later turn. */
static void notify(daytona_pty_t *pty) {
  daytona__list_t batch, *node;
  bool is_waiting = pty->on_output != NULL && !pty->sandbox->client->is_closing &&
                    (pty->is_paused || !daytona__inbox_is_empty(&pty->inbox));
  if (pty->phase != DAYTONA__PTY_ENDED || is_waiting) return;
  set_phase(pty, DAYTONA__PTY_REPORTED);
  pty->end.message = pty->message;
  pty->end.dropped_bytes = pty->inbox.dropped;
  daytona__list_move(&pty->waits, &batch);
  while ((node = daytona__list_shift(&batch)) != NULL) settle_wait(DAYTONA__CONTAINER(node, wait_t, link));
}

static bool has_ended(const daytona_pty_t *pty) { return pty->phase >= DAYTONA__PTY_ENDED; }

/* `pty` is held by the caller. */
static void end_with(daytona_pty_t *pty, daytona_stream_reason_t reason, const char *message) {
  daytona__ws_t *ws = pty->ws;
  daytona__arena_t scratch;
  if (has_ended(pty)) return;
  pty->end.reason = reason;
  daytona__arena_init(&scratch, 0);
  snprintf(pty->message, sizeof pty->message, "%s",
           daytona__secrets_clean_text(&pty->sandbox->client->secrets, &scratch, message));
  daytona__arena_clear(&scratch);
  daytona__one_line(pty->message, sizeof pty->message - 4);
  pty->ws = NULL;
  daytona__ws_release(ws);
  set_phase(pty, DAYTONA__PTY_ENDED);
  notify(pty);
}

/* An exit code, and perhaps why. False: there is none in it. */
static bool end_with_exit(daytona_pty_t *pty, const control_t *control) {
  if (!control->exit_code.is_set || control->exit_code.value < INT_MIN || control->exit_code.value > INT_MAX)
    return false;
  const char *why = control->error != NULL ? control->error : control->exit_reason;
  bool was_killed = control->exit_reason != NULL && strcmp(control->exit_reason, "SIGKILL") == 0;
  if (has_ended(pty)) return true;
  pty->end.has_exit_code = true;
  pty->end.exit_code = (int)control->exit_code.value;
  end_with(pty, was_killed ? DAYTONA_STREAM_KILLED : DAYTONA_STREAM_EXITED,
           why != NULL && why[0] != '\0' ? why : "the process has ended");
  return true;
}

/* The handshake has succeeded or failed, or the connection it led to has ended. */
static void opened(daytona_pty_t *pty, const daytona_error_t *error, const daytona__ws_close_t *close) {
  daytona__pty_opener_t *opener = &pty->opener;
  void (*on_opened)(daytona__op_t *, const daytona_error_t *, const daytona__ws_close_t *) =
    opener->on_opened;
  if (opener->op == NULL) return;
  opener->on_opened = NULL;
  if (on_opened != NULL)
    on_opened(opener->op, error, close);
  else if (has_ended(pty))
    opener->on_ended(opener->op);
}

static void lack_memory(daytona_pty_t *pty) {
  end_with(pty, DAYTONA_STREAM_FAILED, daytona_errcode_text(DAYTONA_ENOMEM));
  opened(pty, daytona__error_static(DAYTONA_ENOMEM), NULL);
}

/* --- output ------------------------------------------------------------------------------------ */

static void call_user(daytona_pty_t *pty, const char *bytes, size_t size) {
  const daytona_output_t output = {.bytes = bytes, .size = size, .stream = DAYTONA_OUTPUT_STDOUT, .pty = pty};
  daytona__stream_output(loop_of(pty), pty->on_output, &output, pty->output_user);
}

/* Once the client's close has been reported, the program is not called any more. */
static bool may_call(const daytona_pty_t *pty) {
  return pty->on_output != NULL && !pty->is_paused && !pty->sandbox->client->is_closed;
}

static void output(daytona_pty_t *pty, const char *bytes, size_t size) {
  if (size == 0 || has_ended(pty)) return;
  pty->end.received_bytes += size;
  if (pty->opener.op != NULL) pty->opener.on_printed(pty->opener.op, bytes, size);
  if (may_call(pty) && daytona__inbox_is_empty(&pty->inbox)) {
    call_user(pty, bytes, size);
    return;
  }
  if (daytona__inbox_put(&pty->inbox, 0, bytes, size) != 0) {
    lack_memory(pty);
  } else if (pty->stops_reading && pty->inbox.size >= pty->buffer_bytes && !pty->is_ws_paused) {
    pty->is_ws_paused = true;
    daytona__ws_pause(pty->ws);
  }
}

static daytona__inbox_next_t hand_on_kept(void *user, int tag, const char *bytes, size_t size) {
  daytona_pty_t *pty = user;
  (void)tag;
  call_user(pty, bytes, size);
  pty->handed_on += size;
  bool goes_on = pty->refs > 1 && may_call(pty) && pty->handed_on < DAYTONA__READ_BUDGET;
  return goes_on ? DAYTONA__INBOX_MORE : DAYTONA__INBOX_LATER;
}

static void on_drain(daytona__task_t *task) {
  daytona_pty_t *pty = daytona_pty_retain(DAYTONA__CONTAINER(task, daytona_pty_t, drain));
  pty->handed_on = 0;
  if (may_call(pty)) daytona__inbox_drain(&pty->inbox, hand_on_kept, pty);
  if (pty->refs > 1 && may_call(pty) && !daytona__inbox_is_empty(&pty->inbox)) {
    daytona__loop_defer(loop_of(pty), &pty->drain); /* the others of the loop have their turn */
    daytona_pty_release(pty);
    return;
  }
  if (may_call(pty) && pty->is_ws_paused) {
    pty->is_ws_paused = false;
    if (pty->ws != NULL) daytona__ws_resume(pty->ws);
  }
  notify(pty);
  daytona_pty_release(pty);
}

static void drain_later(daytona_pty_t *pty) {
  if (may_call(pty)) daytona__loop_defer(loop_of(pty), &pty->drain);
}

/* --- messages ---------------------------------------------------------------------------------- */

/* The server could not attach us, or has trouble later. */
static void take_error(daytona_pty_t *pty, const char *text) {
  bool is_missing = strstr(text, "not found") != NULL;
  daytona_error_t error = {.code = is_missing ? DAYTONA_ENOTFOUND : DAYTONA_ECONNECTION,
                           .retry_after_ms = -1,
                           .attempts = 1,
                           .message = text};
  if (pty->phase == DAYTONA__PTY_OPENING)
    opened(pty, &error, NULL);
  else
    end_with(pty, DAYTONA_STREAM_FAILED, text);
  if (has_ended(pty)) opened(pty, NULL, NULL);
}

/* False: it is no control message, so it is output. */
static bool take_control(daytona_pty_t *pty, const char *text, size_t size) {
  daytona__arena_t scratch;
  void *decoded;
  bool is_control = false;
  daytona__arena_init(&scratch, 0);
  int rc = daytona__json_decode(&scratch, &control_model, text, size, &decoded, NULL);
  if (rc == DAYTONA_ENOMEM) {
    lack_memory(pty);
    is_control = true; /* unknown; it ends anyway */
  } else if (rc == 0) {
    const control_t *control = decoded;
    const char *status = control->status != NULL ? control->status : "";
    is_control = control->type != NULL && strcmp(control->type, "control") == 0;
    if (is_control && strcmp(status, "connected") == 0) {
      if (pty->phase == DAYTONA__PTY_OPENING) set_phase(pty, DAYTONA__PTY_ATTACHED);
      opened(pty, NULL, NULL);
    } else if (is_control && strcmp(status, "error") == 0) {
      take_error(pty, control->error != NULL ? control->error : "the terminal failed");
    } else if (is_control && strcmp(status, "exited") == 0 && end_with_exit(pty, control)) {
      opened(pty, NULL, NULL);
    }
  }
  daytona__arena_clear(&scratch);
  return is_control;
}

/* Whether a text message that begins like this may be JSON, and so a control message. */
static bool may_be_control(const daytona__ws_chunk_t *chunk) {
  return chunk->size == 0 || strchr("{ \t\r\n", chunk->bytes[0]) != NULL;
}

/* A chunk of a text message: collected if it may be a control message, which must be seen as a whole. */
static void take_text(daytona_pty_t *pty, const daytona__ws_chunk_t *chunk) {
  if (chunk->is_first) pty->is_plain_text = !may_be_control(chunk);
  if (!pty->is_plain_text && daytona__strbuf_append(&pty->text, chunk->bytes, chunk->size) != 0) {
    if (pty->text.error == DAYTONA_ENOMEM) {
      lack_memory(pty);
      return;
    }
    pty->is_plain_text = true;
    output(pty, pty->text.data, pty->text.size);
    daytona__strbuf_clear(&pty->text);
  }
  if (pty->is_plain_text) {
    output(pty, chunk->bytes, chunk->size);
    return;
  }
  if (!chunk->is_final) return;
  daytona__strbuf_t text = pty->text;
  daytona__strbuf_init(&pty->text, CONTROL_MAX);
  if (text.size != 0 && !take_control(pty, text.data, text.size)) output(pty, text.data, text.size);
  daytona__strbuf_clear(&text);
}

static void on_data(daytona__ws_t *ws, const daytona__ws_chunk_t *chunk) {
  daytona_pty_t *pty = daytona_pty_retain(daytona__ws_user(ws));
  if (chunk->is_text)
    take_text(pty, chunk);
  else
    output(pty, chunk->bytes, chunk->size);
  daytona_pty_release(pty);
}

/* --- the socket's end -------------------------------------------------------------------------- */

/* Exit data in a close frame's reason. */
static bool take_reason(daytona_pty_t *pty, const daytona__ws_close_t *close) {
  daytona__arena_t scratch;
  void *decoded;
  bool has_exit = false;
  if (close->how != DAYTONA__WS_END_FRAME) return false;
  daytona__arena_init(&scratch, 0);
  int rc = close->reason_size != 0 ? daytona__json_decode(&scratch, &control_model, close->reason,
                                                          close->reason_size, &decoded, NULL)
                                   : DAYTONA_EPROTOCOL;
  if (rc == 0) has_exit = end_with_exit(pty, decoded);
  daytona__arena_clear(&scratch);
  if (rc == DAYTONA_ENOMEM) { /* rather no outcome than a wrong one */
    lack_memory(pty);
    return true;
  }
  if (has_exit || close->close_code != 1000 || close->was_asked) return has_exit;
  const control_t success = {.exit_code = {true, 0}};
  return end_with_exit(pty, &success);
}

static void on_close(daytona__ws_t *ws, const daytona__ws_close_t *close) {
  daytona_pty_t *pty = daytona_pty_retain(daytona__ws_user(ws));
  daytona__arena_t scratch;
  daytona_error_t error;
  if (close->how == DAYTONA__WS_END_FRAME) pty->end.close_code = close->close_code;
  if (take_reason(pty, close)) {
    opened(pty, NULL, NULL);
  } else if (pty->phase == DAYTONA__PTY_OPENING) {
    pty->ws = NULL;
    set_phase(pty, DAYTONA__PTY_NEW);
    daytona__arena_init(&scratch, 0);
    daytona__stream_error(pty->opener.op->future, &scratch, close, &error);
    opened(pty, &error, close);
    daytona__arena_clear(&scratch);
    daytona__ws_release(ws);
  } else {
    bool says_why = close->how == DAYTONA__WS_END_FRAME && close->reason[0] != '\0';
    daytona_stream_reason_t reason = daytona__stream_reason(close);
    if (pty->phase == DAYTONA__PTY_LEAVING) reason = DAYTONA_STREAM_CLOSED;
    end_with(pty, reason, says_why ? close->reason : close->response.message);
    opened(pty, NULL, NULL);
  }
  daytona_pty_release(pty);
}

static void on_sent(daytona__ws_t *ws) {
  daytona_pty_t *pty = daytona_pty_retain(daytona__ws_user(ws));
  if (pty->on_drained != NULL) pty->on_drained(pty, pty->user);
  daytona_pty_release(pty);
}

static void on_open(daytona__ws_t *ws, const char *protocol) {
  (void)ws, (void)protocol; /* the server's word that we are attached comes as a message */
}

int daytona__pty_attach(daytona_pty_t *pty, const daytona_pty_attach_t *attach, const char *const *protocols,
                        size_t protocol_count, const daytona__pty_opener_t *opener) {
  daytona__ws_opts_t opts = {.protocols = protocols,
                             .protocol_count = protocol_count,
                             .connect_timeout_ms = attach->connect_timeout_ms,
                             .allows_invalid_utf8 = true,
                             .on_open = on_open,
                             .on_data = on_data,
                             .on_drain = on_sent,
                             .on_close = on_close,
                             .user = pty};
  int rc = daytona__stream_open(opener->op, &opts, &pty->ws);
  if (rc != 0) return rc;
  pty->opener = *opener;
  set_phase(pty, DAYTONA__PTY_OPENING);
  return 0;
}

/* --- public ------------------------------------------------------------------------------------ */

const char *daytona_pty_id(const daytona_pty_t *pty) { return pty != NULL ? pty->id : NULL; }

daytona_sandbox_t *daytona_pty_sandbox(const daytona_pty_t *pty) { return pty != NULL ? pty->sandbox : NULL; }

bool daytona_pty_is_connected(const daytona_pty_t *pty) {
  return pty != NULL && pty->phase == DAYTONA__PTY_ATTACHED && pty->opener.op == NULL;
}

void daytona_pty_set_output(daytona_pty_t *pty, daytona_output_cb on_output, void *user) {
  if (pty == NULL) return;
  pty->on_output = on_output;
  pty->output_user = user;
  drain_later(pty);
  notify(pty); /* without a callback the outcome waits for nothing */
}

/* Nothing of it can come any more. */
static bool is_over(const daytona_pty_t *pty) {
  return pty->phase == DAYTONA__PTY_REPORTED && daytona__inbox_is_empty(&pty->inbox);
}

int daytona_pty_pause(daytona_pty_t *pty) {
  if (pty == NULL || is_over(pty)) return DAYTONA_EINVAL;
  pty->is_paused = true;
  return 0;
}

int daytona_pty_resume(daytona_pty_t *pty) {
  if (pty == NULL || is_over(pty)) return DAYTONA_EINVAL;
  if (!pty->is_paused) return 0;
  pty->is_paused = false;
  drain_later(pty);
  return 0;
}

/* Before a fresh terminal has printed anything its shell has not begun to read, so the kernel collects lines. */
static bool reads_lines(const daytona_pty_t *pty) { return pty->is_fresh && pty->end.received_bytes == 0; }

/* Whether no line gets longer than is kept; `*line_bytes` is what the unfinished one has. */
static bool fits_lines(size_t *line_bytes, const char *bytes, size_t size) {
  for (size_t i = 0; i < size; i++) {
    bool is_end = bytes[i] == '\n' || bytes[i] == '\r';
    *line_bytes = is_end ? 0 : *line_bytes + 1;
    if (*line_bytes > LINE_MAX_BYTES) return false;
  }
  return true;
}

int daytona_pty_write(daytona_pty_t *pty, const void *bytes, size_t size) {
  if (pty == NULL || (bytes == NULL && size != 0)) return DAYTONA_EINVAL;
  if (!daytona_pty_is_connected(pty)) return DAYTONA_ECONNECTION;
  if (size == 0) return 0;
  size_t line_bytes = pty->line_bytes;
  if (reads_lines(pty) && !fits_lines(&line_bytes, bytes, size)) return DAYTONA_ELIMIT;
  int rc = daytona__ws_send_all(pty->ws, false, bytes, size, INPUT_MAX);
  if (rc == 0) pty->line_bytes = line_bytes;
  return rc == DAYTONA_ECLOSED ? DAYTONA_ECONNECTION : rc;
}

static int pause_wait(daytona_future_t *future);
static int resume_wait(daytona_future_t *future);

static const daytona__op_kind_t wait_kind = {
  .name = "terminal's wait", .pause = pause_wait, .resume = resume_wait};

static int pause_wait(daytona_future_t *future) {
  return daytona_pty_pause(((wait_t *)daytona__op_of(future, &wait_kind))->pty);
}

static int resume_wait(daytona_future_t *future) {
  return daytona_pty_resume(((wait_t *)daytona__op_of(future, &wait_kind))->pty);
}

daytona_future_t *daytona_pty_wait(daytona_pty_t *pty) {
  if (pty == NULL) return daytona__future_orphan();
  daytona_client_t *client = pty->sandbox->client;
  if (client->is_closing && pty->phase != DAYTONA__PTY_REPORTED)
    return daytona__future_failed(client->loop, NULL, DAYTONA_ECLOSED, "%s",
                                  daytona_errcode_text(DAYTONA_ECLOSED));
  daytona_future_t *future =
    daytona__future_new(client->loop, sizeof(wait_t), "Failed to wait for PTY session: ");
  if (daytona__future_is_dead(future)) return future;
  wait_t *wait = future->op;
  daytona__list_init(&wait->link);
  wait->future = daytona_future_retain(future);
  wait->pty = daytona_pty_retain(pty);
  if (pty->phase == DAYTONA__PTY_REPORTED) {
    settle_wait(wait);
    return future;
  }
  future->stop = stop_wait;
  future->op_kind = &wait_kind;
  daytona__list_append(&pty->waits, &wait->link);
  return future;
}

const daytona_stream_end_t *daytona_pty_end(const daytona_pty_t *pty) {
  return pty != NULL && pty->phase == DAYTONA__PTY_REPORTED ? &pty->end : NULL;
}

void daytona_pty_disconnect(daytona_pty_t *pty) {
  if (pty == NULL || !daytona_pty_is_connected(pty)) return;
  set_phase(pty, DAYTONA__PTY_LEAVING);
  if (pty->is_ws_paused) { /* the peer's close frame is behind what was not read */
    pty->is_ws_paused = false;
    daytona__ws_resume(pty->ws);
  }
  daytona__ws_close(pty->ws, 1000, "");
}
