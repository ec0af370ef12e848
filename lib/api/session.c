/*
 * Sessions over REST; following a log is in session_follow.c.
 *
 * How the server answers depends on the version that the client names and on its own: newer ones take the log
 * apart, older ones give it as it is, as a member of the answer or as plain text. Whatever is missing is made here.
 */
#include "api/session.h"

#include <string.h>

#include "call/op.h"
#include "wire/demux.h"

static const daytona__json_field_t command_fields[] = {
  DAYTONA__FIELD(daytona_session_command_t, STRING, id, "id", .flags = DAYTONA__JSON_REQUIRED),
  DAYTONA__FIELD(daytona_session_command_t, STRING, command, "command", .flags = DAYTONA__JSON_SECRET),
  DAYTONA__FIELD(daytona_session_command_t, OPT_INT, exit_code, "exitCode"),
};

static DAYTONA__MODEL(command_model, daytona_session_command_t, "Command", command_fields);

static const daytona__json_field_t session_fields[] = {
  DAYTONA__FIELD(daytona_session_t, STRING, id, "sessionId", .flags = DAYTONA__JSON_REQUIRED),
  DAYTONA__FIELD_ARRAY(daytona_session_t, commands, command_count, "commands", &command_model),
};

static DAYTONA__MODEL(session_model, daytona_session_t, "Session", session_fields);

typedef struct session_request {
  const char *id;
  const char *command;
  const char *data;
  bool run_async;
  bool suppress_input_echo;
} session_request_t;

#define FIELD(type, member, key, ...) DAYTONA__FIELD(session_request_t, type, member, key, __VA_ARGS__)

static const daytona__json_field_t create_fields[] = {
  FIELD(STRING, id, "sessionId", .flags = DAYTONA__JSON_ALWAYS),
};
static const daytona__json_field_t exec_fields[] = {
  FIELD(STRING, command, "command", .flags = DAYTONA__JSON_ALWAYS | DAYTONA__JSON_SECRET),
  FIELD(BOOL, run_async, "runAsync"),
  FIELD(BOOL, suppress_input_echo, "suppressInputEcho"),
};
static const daytona__json_field_t input_fields[] = {
  FIELD(STRING, data, "data", .flags = DAYTONA__JSON_ALWAYS | DAYTONA__JSON_SECRET),
};

static DAYTONA__MODEL(create_model, session_request_t, "CreateSessionRequest", create_fields);
static DAYTONA__MODEL(exec_model, session_request_t, "SessionExecuteRequest", exec_fields);
static DAYTONA__MODEL(input_model, session_request_t, "SessionSendInputRequest", input_fields);

static const daytona__json_field_t logs_fields[] = {
  DAYTONA__FIELD(daytona_session_logs_t, BYTES, output, "output"),
  DAYTONA__FIELD(daytona_session_logs_t, BYTES, out, "stdout"),
  DAYTONA__FIELD(daytona_session_logs_t, BYTES, err, "stderr"),
};

static DAYTONA__MODEL(logs_model, daytona_session_logs_t, "SessionCommandLogsResponse", logs_fields);

static const daytona__json_field_t result_fields[] = {
  DAYTONA__FIELD(daytona_session_exec_result_t, STRING, command_id, "cmdId", .flags = DAYTONA__JSON_REQUIRED),
  DAYTONA__FIELD(daytona_session_exec_result_t, OPT_INT, exit_code, "exitCode"),
  DAYTONA__FIELD(daytona_session_exec_result_t, BYTES, logs.output, "output"),
  DAYTONA__FIELD(daytona_session_exec_result_t, BYTES, logs.out, "stdout"),
  DAYTONA__FIELD(daytona_session_exec_result_t, BYTES, logs.err, "stderr"),
};

static DAYTONA__MODEL(result_model, daytona_session_exec_result_t, "SessionExecuteResponse", result_fields);

#define ENDPOINT(name, text, verb, route, ...)                               \
  static const daytona__endpoint_t name = {.prefix = text ": ",              \
                                           .method = verb,                   \
                                           .path = "/process/session" route, \
                                           .service = DAYTONA__TOOLBOX,      \
                                           __VA_ARGS__}

ENDPOINT(create_endpoint, "Failed to create session", "POST", "", .request = &create_model);
ENDPOINT(get_endpoint, "Failed to get session", "GET", "/{}", .response = &session_model);
ENDPOINT(list_endpoint, "Failed to list sessions", "GET", "", .response = &session_model,
         .gives_array = true);
ENDPOINT(delete_endpoint, "Failed to delete session", "DELETE", "/{}");
ENDPOINT(exec_endpoint, "Failed to execute session command", "POST", "/{}/exec", .request = &exec_model,
         .response = &result_model);
ENDPOINT(command_endpoint, "Failed to get session command", "GET", "/{}/command/{}",
         .response = &command_model);
ENDPOINT(logs_endpoint, "Failed to get session command logs", "GET", "/{}/command/{}/logs");
ENDPOINT(input_endpoint, "Failed to send session command input", "POST", "/{}/command/{}/input",
         .request = &input_model);

static const daytona__type_t type_session = {"session", NULL};
static const daytona__type_t type_list = {"session list", NULL};
static const daytona__type_t type_command = {"session command", NULL};
static const daytona__type_t type_exec = {"session exec result", NULL};
static const daytona__type_t type_logs = {"session logs", NULL};

const daytona_session_t *daytona_future_session(const daytona_future_t *future) {
  return daytona__future_result(future, &type_session);
}

const daytona_session_list_t *daytona_future_session_list(const daytona_future_t *future) {
  return daytona__future_result(future, &type_list);
}

const daytona_session_command_t *daytona_future_session_command(const daytona_future_t *future) {
  return daytona__future_result(future, &type_command);
}

const daytona_session_exec_result_t *daytona_future_session_exec_result(const daytona_future_t *future) {
  return daytona__future_result(future, &type_exec);
}

const daytona_session_logs_t *daytona_future_session_logs(const daytona_future_t *future) {
  return daytona__future_result(future, &type_logs);
}

/* --- logs -------------------------------------------------------------------------------------- */

typedef struct parts {
  daytona__arena_t *arena;
  size_t sizes[3];
  char *ends[3];
} parts_t;

static void count_part(void *user, int stream, const char *bytes, size_t size) {
  (void)bytes;
  ((parts_t *)user)->sizes[stream] += size;
}

static void copy_part(void *user, int stream, const char *bytes, size_t size) {
  parts_t *parts = user;
  memcpy(parts->ends[stream], bytes, size);
  parts->ends[stream] += size;
}

/* Make stdout and stderr of an undivided log, in the arena. */
static int divide(daytona__arena_t *arena, daytona_session_logs_t *logs) {
  parts_t parts = {.arena = arena};
  for (int pass = 0; pass < 2; pass++) {
    daytona__demux_t demux = {0};
    daytona__demux_cb each = pass == 0 ? count_part : copy_part;
    if (logs->output.size != 0)
      daytona__demux_feed(&demux, logs->output.data, logs->output.size, each, &parts);
    daytona__demux_end(&demux, each, &parts);
    if (pass != 0) break;
    char *text = daytona__arena_alloc(arena, parts.sizes[1] + parts.sizes[2] + 2);
    if (text == NULL) return DAYTONA_ENOMEM;
    parts.ends[1] = text;
    parts.ends[2] = text + parts.sizes[1] + 1;
    logs->out = (daytona_bytes_t){parts.ends[1], parts.sizes[1]};
    logs->err = (daytona_bytes_t){parts.ends[2], parts.sizes[2]};
  }
  return 0;
}

static void fill_empty(daytona_bytes_t *bytes) {
  if (bytes->data == NULL) bytes->data = "";
}

/* Make what the server has not said. */
static int complete_logs(daytona__arena_t *arena, daytona_session_logs_t *logs) {
  int rc = 0;
  if (logs->output.data != NULL && logs->out.data == NULL && logs->err.data == NULL) rc = divide(arena, logs);
  fill_empty(&logs->output);
  fill_empty(&logs->out);
  fill_empty(&logs->err);
  return rc;
}

int daytona__session_logs_decode(daytona__arena_t *arena, const char *text, size_t size,
                                 daytona_session_logs_t *out, daytona__json_error_t *error) {
  void *decoded;
  int rc = daytona__json_decode(arena, &logs_model, text, size, &decoded, error);
  if (rc != 0) return rc;
  *out = *(daytona_session_logs_t *)decoded;
  fill_empty(&out->output);
  return 0;
}

static void on_logs(daytona__op_t *op, const daytona_error_t *error, void *answer) {
  daytona__arena_t *arena = &op->future->arena;
  const daytona__response_t *response = &op->http.response;
  if (error != NULL) {
    daytona__op_fail(op, error);
    return;
  }
  daytona_session_logs_t *logs = daytona__arena_alloc(arena, sizeof *logs);
  daytona__json_error_t problem = {.code = DAYTONA_OK};
  int rc = logs != NULL ? 0 : DAYTONA_ENOMEM;
  if (rc == 0 && strcmp(op->http.response_type, "application/json") == 0) {
    rc = daytona__session_logs_decode(arena, response->body, response->body_size, logs, &problem);
  } else if (rc == 0 && response->body_size != 0) {
    logs->output.data = daytona__arena_strndup(arena, response->body, response->body_size);
    logs->output.size = response->body_size;
    if (logs->output.data == NULL) rc = DAYTONA_ENOMEM;
  }
  if (rc == 0) rc = complete_logs(arena, logs);
  if (rc != 0)
    daytona__op_reject(op, rc, "malformed answer: %s",
                       problem.message[0] != '\0' ? problem.message : daytona_errcode_text(rc));
  else
    daytona__op_resolve(op, &type_logs, logs);
}

/* --- answers ----------------------------------------------------------------------------------- */

static void on_session(daytona__op_t *op, const daytona_error_t *error, void *answer) {
  if (error != NULL)
    daytona__op_fail(op, error);
  else
    daytona__op_resolve(op, &type_session, answer);
}

static void on_list(daytona__op_t *op, const daytona_error_t *error, void *answer) {
  if (error != NULL) {
    daytona__op_fail(op, error);
    return;
  }
  const daytona__array_t *array = answer;
  daytona_session_list_t *list = daytona__arena_alloc(&op->future->arena, sizeof *list);
  if (list == NULL) {
    daytona__op_fail(op, daytona__error_static(DAYTONA_ENOMEM));
    return;
  }
  list->items = array->items;
  list->count = array->count;
  daytona__op_resolve(op, &type_list, list);
}

static void on_command(daytona__op_t *op, const daytona_error_t *error, void *answer) {
  if (error != NULL)
    daytona__op_fail(op, error);
  else
    daytona__op_resolve(op, &type_command, answer);
}

static void on_executed(daytona__op_t *op, const daytona_error_t *error, void *answer) {
  daytona_session_exec_result_t *result = answer;
  if (error != NULL)
    daytona__op_fail(op, error);
  else if (complete_logs(&op->future->arena, &result->logs) != 0)
    daytona__op_fail(op, daytona__error_static(DAYTONA_ENOMEM));
  else
    daytona__op_resolve(op, &type_exec, result);
}

/* --- requests ---------------------------------------------------------------------------------- */

static daytona__op_t *begin(const daytona__endpoint_t *endpoint, daytona_sandbox_t *sandbox,
                            const char *session_id, const char *command_id, daytona_future_t **future) {
  daytona__op_t *op = daytona__op_new(endpoint, NULL, sandbox, 0, future);
  if (op == NULL) return NULL;
  if (session_id == NULL || session_id[0] == '\0') {
    daytona__op_reject(op, DAYTONA_EINVAL, "session_id is required");
    return NULL;
  }
  daytona__op_path(op, session_id, command_id, NULL);
  return op;
}

daytona_future_t *daytona_session_create(daytona_sandbox_t *sandbox, const char *session_id,
                                         const daytona_call_opts_t *opts) {
  daytona_future_t *future;
  daytona__op_t *op = begin(&create_endpoint, sandbox, session_id, NULL, &future);
  if (op == NULL) return future;
  session_request_t request = {.id = session_id};
  return daytona__op_run(op, &request, opts, daytona__op_done_empty);
}

daytona_future_t *daytona_session_get(daytona_sandbox_t *sandbox, const char *session_id,
                                      const daytona_call_opts_t *opts) {
  daytona_future_t *future;
  daytona__op_t *op = begin(&get_endpoint, sandbox, session_id, NULL, &future);
  return op != NULL ? daytona__op_run(op, NULL, opts, on_session) : future;
}

daytona_future_t *daytona_session_list(daytona_sandbox_t *sandbox, const daytona_call_opts_t *opts) {
  daytona_future_t *future;
  daytona__op_t *op = daytona__op_new(&list_endpoint, NULL, sandbox, 0, &future);
  return op != NULL ? daytona__op_run(op, NULL, opts, on_list) : future;
}

daytona_future_t *daytona_session_delete(daytona_sandbox_t *sandbox, const char *session_id,
                                         const daytona_call_opts_t *opts) {
  daytona_future_t *future;
  daytona__op_t *op = begin(&delete_endpoint, sandbox, session_id, NULL, &future);
  return op != NULL ? daytona__op_run(op, NULL, opts, daytona__op_done_empty) : future;
}

daytona_future_t *daytona_session_exec(daytona_sandbox_t *sandbox, const char *session_id,
                                       const char *command, const daytona_session_exec_opts_t *opts) {
  static const daytona_session_exec_opts_t defaults;
  daytona_future_t *future;
  if (opts == NULL) opts = &defaults;
  daytona__op_t *op = begin(&exec_endpoint, sandbox, session_id, NULL, &future);
  if (op == NULL) return future;
  if (!DAYTONA__RESERVED_OK(opts))
    return daytona__op_reject(op, DAYTONA_EINVAL, "reserved words of the options are not zero");
  if (command == NULL || command[strspn(command, " \t\r\n\v\f")] == '\0')
    return daytona__op_reject(op, DAYTONA_EINVAL, "command is required");
  session_request_t request = {
    .command = command, .run_async = opts->run_async, .suppress_input_echo = opts->suppress_input_echo};
  op->done = on_executed;
  if (daytona__op_prepare(op, &request, opts->timeout_ms != 0 ? opts->timeout_ms : DAYTONA_NO_TIMEOUT) == 0)
    daytona__op_send(op);
  return future;
}

daytona_future_t *daytona_session_get_command(daytona_sandbox_t *sandbox, const char *session_id,
                                              const char *command_id, const daytona_call_opts_t *opts) {
  daytona_future_t *future;
  daytona__op_t *op = begin(&command_endpoint, sandbox, session_id, command_id, &future);
  return op != NULL ? daytona__op_run(op, NULL, opts, on_command) : future;
}

daytona_future_t *daytona_session_get_command_logs(daytona_sandbox_t *sandbox, const char *session_id,
                                                   const char *command_id, const daytona_call_opts_t *opts) {
  daytona_future_t *future;
  daytona__op_t *op = begin(&logs_endpoint, sandbox, session_id, command_id, &future);
  return op != NULL ? daytona__op_run(op, NULL, opts, on_logs) : future;
}

daytona_future_t *daytona_session_send_input(daytona_sandbox_t *sandbox, const char *session_id,
                                             const char *command_id, const char *data,
                                             const daytona_call_opts_t *opts) {
  daytona_future_t *future;
  daytona__op_t *op = begin(&input_endpoint, sandbox, session_id, command_id, &future);
  if (op == NULL) return future;
  if (data == NULL || data[0] == '\0') return daytona__op_reject(op, DAYTONA_EINVAL, "data is required");
  session_request_t request = {.data = data};
  return daytona__op_run(op, &request, opts, daytona__op_done_empty);
}
