/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions over REST; following a log is in session_follow.c.
 *
 * How the server answers depends on the version that the client names and on its own: newer ones take the log
 * apart, older ones give it as it is, as a member of the response or as plain text. Whatever is missing is made here.
 */
#include <daytona/session.h>

#include <string.h>

#include "call/method.h"
#include "call/results.h"
#include "core/ascii.h"
#include "core/memory.h"
#include "wire/demux.h"

static DAYTONA__MODEL_OF(command_model, daytona_session_command_t, "Command",
                         DAYTONA__FIELD(daytona_session_command_t, STRING, id, "id",
                                        .flags = DAYTONA__JSON_REQUIRED),
                         DAYTONA__FIELD(daytona_session_command_t, STRING, command, "command",
                                        .flags = DAYTONA__JSON_SECRET),
                         DAYTONA__FIELD(daytona_session_command_t, OPT_INT, exit_code, "exitCode"));

static DAYTONA__MODEL_OF(session_model, daytona_session_t, "Session",
                         DAYTONA__FIELD(daytona_session_t, STRING, id, "sessionId",
                                        .flags = DAYTONA__JSON_REQUIRED),
                         DAYTONA__FIELD_LIST(daytona_session_t, commands, command_count, "commands",
                                             &command_model));

static DAYTONA__MODEL_OF(logs_model, daytona_session_logs_t, "SessionCommandLogsResponse",
                         DAYTONA__FIELD(daytona_session_logs_t, BYTES, output, "output"),
                         DAYTONA__FIELD(daytona_session_logs_t, BYTES, out, "stdout"),
                         DAYTONA__FIELD(daytona_session_logs_t, BYTES, err, "stderr"));

static DAYTONA__MODEL_OF(result_model, daytona_session_exec_result_t, "SessionExecuteResponse",
                         DAYTONA__FIELD(daytona_session_exec_result_t, STRING, command_id, "cmdId",
                                        .flags = DAYTONA__JSON_REQUIRED),
                         DAYTONA__FIELD(daytona_session_exec_result_t, OPT_INT, exit_code, "exitCode"),
                         DAYTONA__FIELD(daytona_session_exec_result_t, BYTES, logs.output, "output"),
                         DAYTONA__FIELD(daytona_session_exec_result_t, BYTES, logs.out, "stdout"),
                         DAYTONA__FIELD(daytona_session_exec_result_t, BYTES, logs.err, "stderr"));

/* --- logs -------------------------------------------------------------------------------------- */

static void count_part(void *user, int stream, const char *bytes, size_t size) {
  size_t *sizes = user;
  (void)bytes;
  sizes[stream] += size;
}

static void copy_part(void *user, int stream, const char *bytes, size_t size) {
  char **ends = user;
  memcpy(ends[stream], bytes, size);
  ends[stream] += size;
}

static void walk_log(daytona_bytes_t log, daytona__demux_cb each, void *user) {
  daytona__demux_t demux = {0};
  if (log.size != 0) daytona__demux_feed(&demux, log.data, log.size, each, user);
  daytona__demux_end(&demux, each, user);
}

/* How many bytes the parts of a log need, each with its NUL. */
static size_t measure_parts(daytona_bytes_t log, size_t sizes[3]) {
  memset(sizes, 0, 3 * sizeof sizes[0]);
  walk_log(log, count_part, sizes);
  return sizes[1] + sizes[2] + 2;
}

/* Divide the log into stdout and stderr, which go to `text`: as many zeroed bytes as were measured. */
static void divide_into(daytona_session_logs_t *logs, const size_t sizes[3], char *text) {
  char *ends[3] = {NULL, text, text + sizes[1] + 1};
  logs->out = (daytona_bytes_t){ends[1], sizes[1]};
  logs->err = (daytona_bytes_t){ends[2], sizes[2]};
  walk_log(logs->output, copy_part, ends);
}

static void fill_empty(daytona_bytes_t *bytes) {
  if (bytes->data == NULL) bytes->data = "";
}

/* Making what the server has not said, as much in a turn as takes no time to speak of. */
typedef struct log_work {
  daytona_session_logs_t *logs;
  enum { COPYING, COUNTING, DIVIDING } phase;
  size_t at; /* how much of the log that is done with */
  daytona__demux_t demux;
  size_t sizes[3];
  char *ends[3];
} log_work_t;

enum { LOG_PART = 1 << 20 };

/* The next part of the log; false at its end. */
static bool walk_part(log_work_t *work, daytona__demux_cb each, void *user) {
  daytona_bytes_t log = work->logs->output;
  size_t size = log.size - work->at < LOG_PART ? log.size - work->at : LOG_PART;
  if (size != 0) daytona__demux_feed(&work->demux, log.data + work->at, size, each, user);
  work->at += size;
  if (work->at < log.size) return true;
  daytona__demux_end(&work->demux, each, user);
  work->at = 0;
  memset(&work->demux, 0, sizeof work->demux);
  return false;
}

/* A log that is the whole body: copy a part of it. */
static bool copy_some(log_work_t *work, const daytona__response_t *response) {
  size_t left = response->body_size - work->at, size = left < LOG_PART ? left : LOG_PART;
  if (size != 0) memcpy((char *)work->logs->output.data + work->at, response->body + work->at, size);
  work->at += size;
  if (work->at < response->body_size) return true;
  work->at = 0;
  work->phase = COUNTING;
  return false;
}

static bool is_undivided(const daytona_session_logs_t *logs) {
  return logs->output.data != NULL && logs->out.data == NULL && logs->err.data == NULL;
}

static int begin_dividing(log_work_t *work, daytona__arena_t *arena) {
  char *text = daytona__arena_alloc(arena, work->sizes[1] + work->sizes[2] + 2);
  if (text == NULL) return DAYTONA_ENOMEM;
  work->ends[1] = text;
  work->ends[2] = text + work->sizes[1] + 1;
  work->phase = DIVIDING;
  return 0;
}

static void end_logs(daytona_session_logs_t *logs) {
  fill_empty(&logs->output);
  fill_empty(&logs->out);
  fill_empty(&logs->err);
}

/* 0: done; DAYTONA__FINISH_AGAIN; or DAYTONA_ENOMEM. Each call does one part. */
static int complete_logs(daytona__op_t *op, log_work_t *work) {
  daytona_session_logs_t *logs = work->logs;
  int rc = 0;
  if (work->phase == COPYING && copy_some(work, &op->http.response)) return DAYTONA__FINISH_AGAIN;
  if (work->phase == COUNTING && is_undivided(logs)) {
    if (walk_part(work, count_part, work->sizes)) return DAYTONA__FINISH_AGAIN;
    rc = begin_dividing(work, &op->future->arena);
  }
  if (rc == 0 && work->phase == DIVIDING) {
    if (walk_part(work, copy_part, work->ends)) return DAYTONA__FINISH_AGAIN;
    logs->out = (daytona_bytes_t){work->ends[1] - work->sizes[1], work->sizes[1]};
    logs->err = (daytona_bytes_t){work->ends[2] - work->sizes[2], work->sizes[2]};
  }
  if (rc == 0) end_logs(logs);
  return rc;
}

static log_work_t *begin_logs(daytona__op_t *op, daytona_session_logs_t *logs) {
  log_work_t *work = op->work = daytona__arena_alloc(&op->future->arena, sizeof *work);
  if (work == NULL) return NULL;
  work->logs = logs;
  work->phase = COUNTING;
  return work;
}

static int finish_exec(daytona__op_t *op, const void *args, void **answer, const char **problem) {
  log_work_t *work = op->work;
  if (work == NULL) work = begin_logs(op, &((daytona_session_exec_result_t *)*answer)->logs);
  return work != NULL ? complete_logs(op, work) : DAYTONA_ENOMEM;
}

/* A log that came as text. */
static int begin_text(daytona__op_t *op, void **answer) {
  daytona__arena_t *arena = &op->future->arena;
  size_t size = op->http.response.body_size;
  daytona_session_logs_t *logs = *answer = daytona__arena_alloc(arena, sizeof *logs);
  log_work_t *work = logs != NULL ? begin_logs(op, logs) : NULL;
  if (work == NULL) return DAYTONA_ENOMEM;
  logs->output = (daytona_bytes_t){daytona__arena_alloc(arena, size + 1), size};
  work->phase = COPYING;
  return logs->output.data != NULL ? 0 : DAYTONA_ENOMEM;
}

static int finish_logs(daytona__op_t *op, const void *args, void **answer, const char **problem) {
  int rc = 0;
  if (op->work == NULL && *answer == NULL)
    rc = begin_text(op, answer);
  else if (op->work == NULL && begin_logs(op, *answer) == NULL)
    rc = DAYTONA_ENOMEM;
  return rc == 0 ? complete_logs(op, op->work) : rc;
}

int daytona_session_parse_logs(const void *log, size_t size, daytona_session_logs_t **out) {
  size_t sizes[3];
  if (out == NULL || (log == NULL && size != 0)) return DAYTONA_EINVAL;
  if (size > SIZE_MAX / 2 - sizeof **out - 3) return DAYTONA_ELIMIT;
  /* One block: the record, then the undivided log, then both parts, each with a NUL behind. */
  size_t room = measure_parts((daytona_bytes_t){log, size}, sizes);
  daytona_session_logs_t *logs = daytona__calloc(1, sizeof *logs + size + 1 + room);
  if (logs == NULL) return DAYTONA_ENOMEM;
  char *text = (char *)(logs + 1);
  if (size != 0) memcpy(text, log, size);
  logs->output = (daytona_bytes_t){text, size};
  divide_into(logs, sizes, text + size + 1);
  *out = logs;
  return 0;
}

/* Take out, in place, what is not UTF-8. */
static void keep_text(daytona_bytes_t *bytes) {
  char *text = (char *)bytes->data;
  size_t kept = 0;
  for (size_t at = 0; at < bytes->size;) {
    size_t length = daytona__utf8_length(text + at, bytes->size - at);
    memmove(text + kept, text + at, length);
    kept += length;
    at += length != 0 ? length : 1;
  }
  text[kept] = '\0';
  bytes->size = kept;
}

int daytona_session_parse_text_logs(const void *log, size_t size, daytona_session_logs_t **out) {
  int rc = daytona_session_parse_logs(log, size, out);
  if (rc != 0) return rc;
  keep_text(&(*out)->output);
  keep_text(&(*out)->out);
  keep_text(&(*out)->err);
  return 0;
}

void daytona_session_logs_release(daytona_session_logs_t *logs) { daytona__free(logs); }

/* --- calls ------------------------------------------------------------------------------------- */

typedef struct session_args {
  const char *session_id, *command_id, *command, *data;
} session_args_t;

#define IN_PATH(member, key) \
  DAYTONA__ARG(IN_PATH, session_args_t, STRING, member, key, .rules = DAYTONA__NONEMPTY)
#define SECRET_BODY(member, rule) \
  DAYTONA__ARG(IN_BODY, session_args_t, STRING, member, #member, .flags = DAYTONA__JSON_SECRET, .rules = rule)
#define OPT(member, key) DAYTONA__OPT(IN_BODY, daytona_session_exec_opts_t, BOOL, member, key)
#define ARGS(...) .request = DAYTONA__ARGS(session_args_t, __VA_ARGS__)

#define SESSION(noun, http_verb, tail, what, ...)                            \
  DAYTONA__METHOD(noun, .prefix = "Failed to " what ": ", .verb = http_verb, \
                  .path = "/process/session" tail, .service = DAYTONA__TOOLBOX, __VA_ARGS__)

SESSION(create, "POST", "", "create session",
        ARGS(DAYTONA__ARG(IN_BODY, session_args_t, STRING, session_id, "sessionId",
                          .rules = DAYTONA__NONEMPTY)));

daytona_future_t *daytona_session_create(daytona_sandbox_t *sandbox, const char *session_id,
                                         const daytona_call_opts_t *opts) {
  return daytona__call(sandbox, &create_method, &(session_args_t){session_id}, DAYTONA__OPTS(opts));
}

SESSION(get, "GET", "/{session}", "get session", ARGS(IN_PATH(session_id, "session")),
        .response = &session_model, .result = &daytona__type_session);

daytona_future_t *daytona_session_get(daytona_sandbox_t *sandbox, const char *session_id,
                                      const daytona_call_opts_t *opts) {
  return daytona__call(sandbox, &get_method, &(session_args_t){session_id}, DAYTONA__OPTS(opts));
}

SESSION(list, "GET", "", "list sessions", .response = &session_model, .gives_array = true,
        .result = &daytona__type_session_list);

daytona_future_t *daytona_session_list(daytona_sandbox_t *sandbox, const daytona_call_opts_t *opts) {
  return daytona__call(sandbox, &list_method, NULL, DAYTONA__OPTS(opts));
}

SESSION(delete, "DELETE", "/{session}", "delete session", ARGS(IN_PATH(session_id, "session")));

daytona_future_t *daytona_session_delete(daytona_sandbox_t *sandbox, const char *session_id,
                                         const daytona_call_opts_t *opts) {
  return daytona__call(sandbox, &delete_method, &(session_args_t){session_id}, DAYTONA__OPTS(opts));
}

SESSION(exec, "POST", "/{session}/exec", "execute session command",
        ARGS(IN_PATH(session_id, "session"), SECRET_BODY(command, DAYTONA__NOT_BLANK),
             OPT(run_async, "runAsync"), OPT(suppress_input_echo, "suppressInputEcho")),
        .response = &result_model, .result = &daytona__type_session_exec_result, .finish = finish_exec,
        .timeout_ms = DAYTONA_NO_TIMEOUT);

daytona_future_t *daytona_session_exec(daytona_sandbox_t *sandbox, const char *session_id,
                                       const char *command, const daytona_session_exec_opts_t *opts) {
  return daytona__call(sandbox, &exec_method, &(session_args_t){session_id, .command = command},
                       DAYTONA__OPTS(opts));
}

SESSION(get_command, "GET", "/{session}/command/{command}", "get session command",
        ARGS(IN_PATH(session_id, "session"), IN_PATH(command_id, "command")), .response = &command_model,
        .result = &daytona__type_session_command);

daytona_future_t *daytona_session_get_command(daytona_sandbox_t *sandbox, const char *session_id,
                                              const char *command_id, const daytona_call_opts_t *opts) {
  return daytona__call(sandbox, &get_command_method, &(session_args_t){session_id, command_id},
                       DAYTONA__OPTS(opts));
}

SESSION(get_logs, "GET", "/{session}/command/{command}/logs", "get session command logs",
        ARGS(IN_PATH(session_id, "session"), IN_PATH(command_id, "command")), .response = &logs_model,
        .may_be_text = true, .result = &daytona__type_session_logs, .finish = finish_logs);

daytona_future_t *daytona_session_get_command_logs(daytona_sandbox_t *sandbox, const char *session_id,
                                                   const char *command_id, const daytona_call_opts_t *opts) {
  return daytona__call(sandbox, &get_logs_method, &(session_args_t){session_id, command_id},
                       DAYTONA__OPTS(opts));
}

SESSION(get_entrypoint, "GET", "/entrypoint", "get sandbox entrypoint session", .response = &session_model,
        .result = &daytona__type_session);

daytona_future_t *daytona_session_get_entrypoint(daytona_sandbox_t *sandbox,
                                                 const daytona_call_opts_t *opts) {
  return daytona__call(sandbox, &get_entrypoint_method, NULL, DAYTONA__OPTS(opts));
}

SESSION(get_entrypoint_logs, "GET", "/entrypoint/logs", "get entrypoint logs", .response = &logs_model,
        .may_be_text = true, .result = &daytona__type_session_logs, .finish = finish_logs);

daytona_future_t *daytona_session_get_entrypoint_logs(daytona_sandbox_t *sandbox,
                                                      const daytona_call_opts_t *opts) {
  return daytona__call(sandbox, &get_entrypoint_logs_method, NULL, DAYTONA__OPTS(opts));
}

SESSION(send_input, "POST", "/{session}/command/{command}/input", "send session command input",
        ARGS(IN_PATH(session_id, "session"), IN_PATH(command_id, "command"),
             SECRET_BODY(data, DAYTONA__NONEMPTY)));

daytona_future_t *daytona_session_send_input(daytona_sandbox_t *sandbox, const char *session_id,
                                             const char *command_id, const char *data,
                                             const daytona_call_opts_t *opts) {
  return daytona__call(sandbox, &send_input_method, &(session_args_t){session_id, command_id, .data = data},
                       DAYTONA__OPTS(opts));
}
