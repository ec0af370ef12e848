/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs of the interpreter, and its contexts.
 *
 * One socket is one run: the first message is the request, the server's messages are its output, and its close frame
 * is the outcome. Control messages say less than that (a run that was interrupted announces it, and only the close
 * code says whether for its time), so they are not looked at.
 */
#include <daytona/interpreter.h>

#include <assert.h>
#include <string.h>

#include "call/method.h"
#include "call/results.h"
#include "call/stream_end.h"
#include "core/limits.h"

enum { CLOSE_NORMAL = 1000, CLOSE_NO_CODE = 1005, CLOSE_TIMEOUT = 4008 };

/* A message holds a chunk of at most 1 MiB, in JSON. */
#define MESSAGE_MAX ((size_t)8 << 20)
#define OUTPUT_DEFAULT ((size_t)16 << 20)
#define OUTPUT_MAX ((size_t)256 << 20)
#define QUEUE_EXTRA ((size_t)64 << 10)

typedef struct run_args {
  const char *code;
  daytona_opt_int_t timeout_s;
} run_args_t;

#define RUN_OPT(place, type, member, key, ...) \
  DAYTONA__OPT(place, daytona_interpreter_run_code_opts_t, type, member, key, __VA_ARGS__)

static const char *check_run(const void *args, const void *opts) {
  const daytona_interpreter_run_code_opts_t *how = opts;
  if (how->max_output_bytes > OUTPUT_MAX) return "max_output_bytes is over 256 MiB";
  return how->context_id != NULL && how->context_id[0] == '\0' ? "context_id is empty" : NULL;
}

/* All of the body goes as the first message. */
DAYTONA__METHOD(run, .prefix = "Failed to run code: ", .verb = "GET", .path = "/process/interpreter/execute",
                .service = DAYTONA__TOOLBOX, .is_stream = true, .is_secret = true, .check = check_run,
                .request = DAYTONA__ARGS(
                  run_args_t,
                  DAYTONA__ARG(IN_BODY, run_args_t, STRING, code, "code", .flags = DAYTONA__JSON_SECRET,
                               .rules = DAYTONA__NONEMPTY),
                  RUN_OPT(IN_BODY, STRING, context_id, "contextId"),
                  RUN_OPT(IN_BODY, MAP, env, "envs", .flags = DAYTONA__JSON_SECRET, .rules = DAYTONA__PASSED),
                  RUN_OPT(NOWHERE, INT, timeout_ms, "timeout_ms", .rules = DAYTONA__TIME_LIMIT | DAYTONA__MAX,
                          .max = (int64_t)UINT32_MAX * 1000),
                  RUN_OPT(NOWHERE, INT, connect_timeout_ms, "connect_timeout_ms",
                          .rules = DAYTONA__TIME_LIMIT),
                  DAYTONA__ARG(IN_BODY, run_args_t, OPT_INT, timeout_s, "timeout")));

typedef struct message {
  daytona_bytes_t type, text, name, value, traceback;
} message_t;

static DAYTONA__MODEL_OF(message_model, message_t, "InterpreterMessage",
                         DAYTONA__FIELD(message_t, BYTES, type, "type"),
                         DAYTONA__FIELD(message_t, BYTES, text, "text"),
                         DAYTONA__FIELD(message_t, BYTES, name, "name"),
                         DAYTONA__FIELD(message_t, BYTES, value, "value"),
                         DAYTONA__FIELD(message_t, BYTES, traceback, "traceback"));

/* A run that has a result has ended by itself. */
static int reason_of_run(const void *result) {
  (void)result;
  return DAYTONA_STREAM_EXITED;
}

const daytona__type_t daytona__type_interpreter_run_result = {.name = "interpreter_run_result",
                                                              .stream_reason = reason_of_run};

typedef enum phase {
  LOCATING, /* the toolbox */
  OPENING,  /* the socket */
  RUNNING,  /* the code was sent: it waits for its turn, or runs */
  ENDED
} phase_t;

typedef struct run_op {
  daytona__op_t op; /* first */
  phase_t phase;
  daytona_output_cb on_stdout, on_stderr;
  daytona_interpreter_error_cb on_error;
  void *user;
  int64_t connect_timeout_ms;
  daytona__ws_t *ws;
  bool is_paused;
  bool is_done;                     /* it has ended well, and waits for a reader who has paused */
  daytona__strbuf_t message;        /* of which not all has come, or that is read in parts */
  daytona__json_decoder_t *decoder; /* of the latter, into `scratch`; meanwhile the socket is paused */
  daytona__arena_t scratch;
  daytona__task_t reading;
  daytona__strbuf_t out, err;
  daytona__arena_t error_arena; /* of the newest error */
  daytona_interpreter_run_error_t error;
  daytona_interpreter_run_result_t result;
} run_op_t;

static void set_phase(run_op_t *self, phase_t to) {
  static const unsigned allowed[] = {
    [LOCATING] = 1u << OPENING, [OPENING] = 1u << RUNNING, [RUNNING] = 0, [ENDED] = 0};
  assert(to == ENDED || (allowed[self->phase] & 1u << to) != 0);
  assert(self->phase != ENDED && (to == ENDED || self->ws != NULL));
  self->phase = to;
}

/* --- ending ------------------------------------------------------------------------------------ */

static void drop_socket(run_op_t *self) {
  daytona__ws_t *ws = self->ws;
  self->ws = NULL;
  daytona__ws_release(ws);
}

static void drop_message(run_op_t *self) {
  daytona__task_cancel(&self->reading);
  daytona__json_decoder_free(self->decoder);
  self->decoder = NULL;
  daytona__arena_clear(&self->scratch);
  daytona__strbuf_clear(&self->message);
}

static void end_run(daytona__op_t *op) {
  run_op_t *self = (run_op_t *)op;
  set_phase(self, ENDED);
  drop_socket(self);
  drop_message(self);
  daytona__strbuf_clear(&self->out);
  daytona__strbuf_clear(&self->err);
  daytona__arena_clear(&self->error_arena);
}

static void fail_with(run_op_t *self, int code, const char *message) {
  daytona__op_reject(&self->op, (daytona_errcode_t)code, "%s",
                     message != NULL ? message : daytona_errcode_text(code));
}

static int keep(daytona__arena_t *arena, const daytona__strbuf_t *from, daytona_bytes_t *to) {
  to->data = daytona__arena_strndup(arena, from->data != NULL ? from->data : "", from->size);
  to->size = from->size;
  return to->data != NULL ? 0 : DAYTONA_ENOMEM;
}

static int keep_error(daytona__arena_t *arena, const daytona_interpreter_run_error_t *from,
                      daytona_interpreter_run_error_t *to) {
  to->name = daytona__arena_strdup(arena, from->name);
  to->value = daytona__arena_strdup(arena, from->value);
  to->traceback = daytona__arena_strdup(arena, from->traceback);
  return to->name != NULL && to->value != NULL && to->traceback != NULL ? 0 : DAYTONA_ENOMEM;
}

static void succeed(run_op_t *self) {
  daytona__arena_t *arena = &self->op.future->arena;
  int rc = keep(arena, &self->out, &self->result.out);
  if (rc == 0) rc = keep(arena, &self->err, &self->result.err);
  if (rc == 0 && self->result.error != NULL) rc = keep_error(arena, &self->error, &self->error);
  if (rc != 0)
    fail_with(self, DAYTONA_ENOMEM, NULL);
  else
    daytona__op_resolve(&self->op, &daytona__type_interpreter_run_result, &self->result);
}

/* --- messages ---------------------------------------------------------------------------------- */

/* Collect as much as there is room for. */
static int collect(daytona__strbuf_t *to, const daytona_bytes_t *text, bool *is_truncated) {
  size_t room = to->max - to->size;
  if (text->size > room) *is_truncated = true;
  return daytona__strbuf_append(to, text->data, text->size < room ? text->size : room);
}

static void take_output(run_op_t *self, const daytona_bytes_t *text, bool is_stderr) {
  daytona__strbuf_t *to = is_stderr ? &self->err : &self->out;
  if (text->size == 0) return;
  if (collect(to, text, is_stderr ? &self->result.err_is_truncated : &self->result.out_is_truncated) != 0) {
    fail_with(self, DAYTONA_ENOMEM, NULL);
    return;
  }
  const daytona_output_t output = {.bytes = text->data,
                                   .size = text->size,
                                   .stream = is_stderr ? DAYTONA_OUTPUT_STDERR : DAYTONA_OUTPUT_STDOUT,
                                   .future = self->op.future};
  daytona__stream_output(self->op.client->loop, is_stderr ? self->on_stderr : self->on_stdout, &output,
                         self->user);
}

static const char *text_of(daytona__arena_t *arena, const daytona_bytes_t *bytes) {
  return bytes->data != NULL ? daytona__arena_strndup(arena, bytes->data, bytes->size) : "";
}

/* The last one counts, and only that one is kept: a server may send any number. */
static void take_error(run_op_t *self, const message_t *message) {
  daytona_future_t *future = self->op.future; /* the caller holds it */
  daytona__loop_t *loop = self->op.client->loop;
  daytona__arena_t arena;
  daytona__arena_init(&arena, 0);
  daytona_interpreter_run_error_t error = {.name = text_of(&arena, &message->name),
                                           .value = text_of(&arena, &message->value),
                                           .traceback = text_of(&arena, &message->traceback)};
  if (error.name == NULL || error.value == NULL || error.traceback == NULL) {
    fail_with(self, DAYTONA_ENOMEM, NULL);
  } else if (self->on_error != NULL) {
    daytona__loop_enter(loop);
    self->on_error(&error, self->user);
    daytona__loop_leave(loop);
  }
  if (!daytona__future_is_pending(future)) { /* failed here, or ended by the callback */
    daytona__arena_clear(&arena);
    return;
  }
  daytona__arena_clear(&self->error_arena);
  self->error_arena = arena;
  self->error = error;
  self->result.error = &self->error;
}

static bool is_type(const message_t *message, const char *name) {
  return message->type.data != NULL && strcmp(message->type.data, name) == 0;
}

/* `rc` says how reading the message has ended. */
static void take_message(run_op_t *self, int rc, const message_t *message) {
  if (rc == DAYTONA_ENOMEM)
    fail_with(self, rc, NULL);
  else if (rc != 0)
    daytona__log(self->op.client->loop, DAYTONA_LOG_WARN,
                 "sandbox %s: a message of the interpreter is malformed", self->op.sandbox->id);
  else if (is_type(message, "stdout") || is_type(message, "stderr"))
    take_output(self, &message->text, is_type(message, "stderr"));
  else if (is_type(message, "error"))
    take_error(self, message);
}

/* The message has been read. What it holds stays for the call of a callback that ends the run. */
static void end_message(run_op_t *self, int rc, const message_t *message) {
  daytona_future_t *future = daytona_future_retain(self->op.future);
  daytona__strbuf_t text = self->message;
  daytona__arena_t scratch = self->scratch;
  daytona__strbuf_init(&self->message, MESSAGE_MAX);
  daytona__arena_init(&self->scratch, 0);
  take_message(self, rc, message);
  daytona__strbuf_clear(&text);
  daytona__arena_clear(&scratch);
  daytona_future_release(future);
}

/* One part of a long message, or the end. Nothing is read while the run is paused: what comes of it is delivered. */
static void on_reading(daytona__task_t *task) {
  run_op_t *self = DAYTONA__CONTAINER(task, run_op_t, reading);
  if (self->is_paused) return; /* resume_run() continues */
  if (self->is_done) {
    succeed(self);
    return;
  }
  int rc = daytona__json_decoder_run(self->decoder, DAYTONA__READ_BUDGET);
  if (rc == DAYTONA__JSON_GOES_ON) {
    daytona__loop_defer(self->op.client->loop, &self->reading);
    return;
  }
  daytona_future_t *future = daytona_future_retain(self->op.future);
  const message_t *message = rc == 0 ? daytona__json_decoder_result(self->decoder, NULL) : NULL;
  daytona__json_decoder_free(self->decoder);
  self->decoder = NULL;
  end_message(self, rc, message);
  if (daytona__future_is_pending(future) && !self->is_paused) daytona__ws_resume(self->ws);
  daytona_future_release(future);
}

/* The message is whole: read it, a long one in parts, so that others have their turns. */
static void read_message(run_op_t *self) {
  daytona__strbuf_t *text = &self->message;
  void *decoded = NULL;
  assert(self->decoder == NULL);
  if (text->size <= DAYTONA__READ_BUDGET) {
    int rc = daytona__json_decode(&self->scratch, &message_model, text->data, text->size, &decoded, NULL);
    end_message(self, rc, decoded);
    return;
  }
  self->decoder = daytona__json_decoder_new(&self->scratch, &message_model, false, text->data, text->size);
  if (self->decoder == NULL) {
    fail_with(self, DAYTONA_ENOMEM, NULL);
    return;
  }
  daytona__ws_pause(self->ws);
  daytona__loop_defer(self->op.client->loop, &self->reading);
}

static void on_data(daytona__ws_t *ws, const daytona__ws_chunk_t *chunk) {
  run_op_t *self = daytona__ws_user(ws);
  daytona_future_t *future = daytona_future_retain(self->op.future);
  assert(self->phase == RUNNING);
  int rc = daytona__strbuf_append(&self->message, chunk->bytes, chunk->size);
  if (rc == DAYTONA_ELIMIT) {
    fail_with(self, DAYTONA_EPROTOCOL, "a message of the interpreter is too long");
  } else if (rc != 0) {
    fail_with(self, rc, NULL);
  } else if (chunk->is_final) {
    if (self->message.size != 0) read_message(self);
  }
  daytona_future_release(future);
}

/* --- the socket -------------------------------------------------------------------------------- */

static void on_open(daytona__ws_t *ws, const char *protocol) {
  run_op_t *self = daytona__ws_user(ws);
  (void)protocol;
  set_phase(self, RUNNING);
  int rc = daytona__ws_send(ws, true, self->op.body, self->op.body_size);
  if (rc != 0)
    fail_with(self, rc, NULL);
  else if (self->is_paused)
    daytona__ws_pause(ws);
}

static void on_close(daytona__ws_t *ws, const daytona__ws_close_t *close) {
  run_op_t *self = daytona__ws_user(ws);
  daytona_error_t error;
  (void)ws;
  bool has_frame = close->how == DAYTONA__WS_END_FRAME;
  if (has_frame && (close->close_code == CLOSE_NORMAL || close->close_code == CLOSE_NO_CODE)) {
    assert(self->decoder == NULL); /* the socket is paused as long as there is one */
    self->is_done = true;
    drop_socket(self);
    on_reading(&self->reading);
  } else if (has_frame && close->close_code == CLOSE_TIMEOUT) {
    fail_with(self, DAYTONA_ETIMEOUT,
              close->reason[0] != '\0' ? close->reason : "the code exceeded its time limit");
  } else {
    daytona__stream_error(self->op.future, &self->op.future->arena, close, &error);
    daytona__op_fail(&self->op, &error);
  }
}

static void on_located(daytona__op_t *op, const daytona_error_t *error, void *answer) {
  run_op_t *self = (run_op_t *)op;
  daytona__ws_opts_t opts = {.connect_timeout_ms = self->connect_timeout_ms,
                             .max_message = MESSAGE_MAX,
                             .max_queued = op->body_size + QUEUE_EXTRA,
                             .allows_invalid_utf8 = true,
                             .reads_late = true, /* of a run that waits for its turn nothing is read */
                             .on_open = on_open,
                             .on_data = on_data,
                             .on_close = on_close,
                             .user = self};
  int rc = error == NULL ? daytona__stream_open(op, &opts, &self->ws) : 0;
  if (error != NULL)
    daytona__op_fail(op, error);
  else if (rc != 0)
    fail_with(self, rc, NULL);
  else
    set_phase(self, OPENING);
}

/* --- running ----------------------------------------------------------------------------------- */

static int pause_run(daytona_future_t *future);
static int resume_run(daytona_future_t *future);

static const daytona__op_kind_t run_kind = {
  .name = "interpreter run", .pause = pause_run, .resume = resume_run};

daytona_future_t *daytona_interpreter_run_code(daytona_sandbox_t *sandbox, const char *code,
                                               const daytona_interpreter_run_code_opts_t *opts) {
  static const daytona_interpreter_run_code_opts_t defaults;
  daytona_future_t *future;
  if (opts == NULL) opts = &defaults;
  run_args_t args = {.code = code};
  if (opts->timeout_ms != 0)
    args.timeout_s = daytona_int(opts->timeout_ms > 0 ? (opts->timeout_ms - 1) / 1000 + 1 : 0);
  run_op_t *self = (run_op_t *)daytona__call_new(&run_method, NULL, sandbox, sizeof *self, &args,
                                                 DAYTONA__OPTS(opts), &future);
  daytona__future_own(future, opts->destroy_user, opts->user);
  if (self == NULL) return future;
  size_t max = opts->max_output_bytes != 0 ? opts->max_output_bytes : OUTPUT_DEFAULT;
  future->op_kind = &run_kind;
  self->op.done = on_located;
  self->op.ending = end_run;
  self->on_stdout = opts->on_stdout;
  self->on_stderr = opts->on_stderr;
  self->on_error = opts->on_error;
  self->user = opts->user;
  self->connect_timeout_ms = opts->connect_timeout_ms;
  daytona__strbuf_init(&self->message, MESSAGE_MAX);
  daytona__arena_init(&self->scratch, 0);
  daytona__task_init(&self->reading, on_reading);
  daytona__arena_init(&self->error_arena, 0);
  daytona__strbuf_init(&self->out, max);
  daytona__strbuf_init(&self->err, max);
  if (daytona__call_prepare(&self->op, &args, DAYTONA__OPTS(opts), 0) == 0) daytona__op_send(&self->op);
  return future;
}

static int pause_run(daytona_future_t *future) {
  run_op_t *self = daytona__op_of(future, &run_kind);
  self->is_paused = true;
  if (self->ws != NULL) daytona__ws_pause(self->ws);
  return 0;
}

static int resume_run(daytona_future_t *future) {
  run_op_t *self = daytona__op_of(future, &run_kind);
  self->is_paused = false;
  if (self->decoder != NULL || self->is_done)
    daytona__loop_defer(self->op.client->loop, &self->reading);
  else if (self->ws != NULL)
    daytona__ws_resume(self->ws);
  return 0;
}

/* --- contexts ---------------------------------------------------------------------------------- */

static DAYTONA__MODEL_OF(context_model, daytona_interpreter_context_t, "InterpreterContext",
                         DAYTONA__FIELD(daytona_interpreter_context_t, STRING, id, "id",
                                        .flags = DAYTONA__JSON_REQUIRED),
                         DAYTONA__FIELD(daytona_interpreter_context_t, STRING, cwd, "cwd"),
                         DAYTONA__FIELD(daytona_interpreter_context_t, STRING, created_at, "createdAt"),
                         DAYTONA__FIELD(daytona_interpreter_context_t, BOOL, is_active, "active"),
                         DAYTONA__FIELD(daytona_interpreter_context_t, STRING, language, "language"));

static DAYTONA__MODEL_OF(list_model, daytona_interpreter_context_list_t, "ListContextsResponse",
                         DAYTONA__FIELD_LIST(daytona_interpreter_context_list_t, items, count, "contexts",
                                             &context_model));

typedef struct context_args {
  const char *context_id;
} context_args_t;

#define ARGS(...) .request = DAYTONA__ARGS(context_args_t, __VA_ARGS__)

#define CONTEXT(noun, http_verb, tail, what, ...)                            \
  DAYTONA__METHOD(noun, .prefix = "Failed to " what ": ", .verb = http_verb, \
                  .path = "/process/interpreter/context" tail, .service = DAYTONA__TOOLBOX, __VA_ARGS__)

CONTEXT(create, "POST", "", "create interpreter context",
        ARGS(DAYTONA__OPT(IN_BODY, daytona_interpreter_create_context_opts_t, STRING, cwd, "cwd")),
        .response = &context_model, .result = &daytona__type_interpreter_context);

daytona_future_t *daytona_interpreter_create_context(daytona_sandbox_t *sandbox,
                                                     const daytona_interpreter_create_context_opts_t *opts) {
  return daytona__call(sandbox, &create_method, NULL, DAYTONA__OPTS(opts));
}

CONTEXT(list, "GET", "", "list interpreter contexts", .response = &list_model,
        .result = &daytona__type_interpreter_context_list);

daytona_future_t *daytona_interpreter_list_contexts(daytona_sandbox_t *sandbox,
                                                    const daytona_call_opts_t *opts) {
  return daytona__call(sandbox, &list_method, NULL, DAYTONA__OPTS(opts));
}

CONTEXT(delete, "DELETE", "/{context}", "delete interpreter context",
        ARGS(DAYTONA__ARG(IN_PATH, context_args_t, STRING, context_id, "context",
                          .rules = DAYTONA__NONEMPTY)));

daytona_future_t *daytona_interpreter_delete_context(daytona_sandbox_t *sandbox, const char *context_id,
                                                     const daytona_call_opts_t *opts) {
  return daytona__call(sandbox, &delete_method, &(context_args_t){context_id}, DAYTONA__OPTS(opts));
}
