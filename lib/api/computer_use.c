/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The processes of a desktop; see computer_use.h.
 *
 * A start and a stop report the processes as an object whose keys are their names, which no table of fields can
 * describe: it is walked here.
 */
#include <daytona/computer_use.h>

#include <string.h>

#include "call/method.h"
#include "call/results.h"
#include "json/lexer.h"

/* Most processes of a desktop, and bytes of the JSON that describes them. There are five, of 60 bytes each. */
enum { PROCESSES_MAX = 64, PROCESSES_TEXT_MAX = 64 << 10 };

typedef struct computer_args {
  const char *name;
} computer_args_t;

#define COMPUTER(noun, http_verb, tail, what, ...)                                                         \
  DAYTONA__METHOD(noun, .prefix = "Failed to " what ": ", .verb = http_verb, .path = "/computeruse/" tail, \
                  .service = DAYTONA__TOOLBOX, __VA_ARGS__)
#define OF_PROCESS                                                                                       \
  .request = DAYTONA__ARGS(computer_args_t, DAYTONA__ARG(IN_PATH, computer_args_t, STRING, name, "name", \
                                                         .rules = DAYTONA__NONEMPTY))

/* --- start and stop ---------------------------------------------------------------------------- */

/* The public result, and what it is made of. */
typedef struct result {
  daytona_computer_use_result_t shown; /* first */
  const char *processes;               /* JSON: {name: process} */
} result_t;

static DAYTONA__MODEL_OF(result_model, result_t, "ComputerUseResponse",
                         DAYTONA__FIELD(result_t, STRING, shown.message, "message"),
                         DAYTONA__FIELD(result_t, RAW, processes, "status"));

#define PROCESS(type, member, key, other) \
  DAYTONA__FIELD(daytona_computer_use_process_t, type, member, key, .alias = other)

static DAYTONA__MODEL_OF(process_model, daytona_computer_use_process_t, "ProcessStatus",
                         PROCESS(BOOL, is_running, "Running", "running"),
                         PROCESS(BOOL, restarts, "AutoRestart", "autoRestart"),
                         PROCESS(INT, priority, "Priority", "priority"), PROCESS(OPT_INT, pid, "Pid", "pid"));

/* The next member of the object. 0, or the code of an error. */
static int read_process(daytona__json_lexer_t *lexer, daytona__arena_t *arena,
                        const daytona_computer_use_process_t **out) {
  daytona__json_string_t key;
  void *decoded;
  if (!daytona__json_key_begin(lexer, &key)) return lexer->code;
  if (daytona__json_string_go(lexer, &key, PROCESSES_TEXT_MAX) != DAYTONA__JSON_DONE) return lexer->code;
  if (!daytona__json_colon(lexer)) return lexer->code;
  if (daytona__json_peek(lexer) != '{') return DAYTONA_EPROTOCOL;
  const char *value = lexer->at;
  if (!daytona__json_skip(lexer)) return lexer->code;
  int rc = daytona__json_decode(arena, &process_model, value, (size_t)(lexer->at - value), &decoded, NULL);
  if (rc != 0) return rc;
  size_t size = daytona__json_copy_size(&key, DAYTONA__JSON_NUL_REPLACED);
  char *name = daytona__arena_alloc(arena, size + 1);
  if (name == NULL) return DAYTONA_ENOMEM;
  daytona__json_copy(&key, DAYTONA__JSON_NUL_REPLACED, name);
  daytona_computer_use_process_t *process = decoded;
  process->name = name;
  *out = process;
  return 0;
}

static int read_processes(daytona__arena_t *arena, result_t *result) {
  const daytona_computer_use_process_t **items = daytona__arena_array(arena, PROCESSES_MAX, sizeof *items);
  size_t size = strlen(result->processes);
  daytona__json_lexer_t lexer;
  daytona__json_walk_t walk = {0};
  int rc = 0;
  if (items == NULL) return DAYTONA_ENOMEM;
  if (size > PROCESSES_TEXT_MAX) return DAYTONA_ELIMIT;
  result->shown.processes = items;
  daytona__json_lexer_init(&lexer, result->processes, size);
  if (daytona__json_peek(&lexer) != '{' || !daytona__json_open(&lexer)) return DAYTONA_EPROTOCOL;
  while (rc == 0 && daytona__json_next_member(&lexer, &walk)) {
    if (result->shown.process_count == PROCESSES_MAX) return DAYTONA_ELIMIT;
    rc = read_process(&lexer, arena, &items[result->shown.process_count]);
    if (rc == 0) result->shown.process_count++;
  }
  return rc != 0 ? rc : lexer.code;
}

static int finish_result(daytona__op_t *op, const void *args, void **answer, const char **problem) {
  result_t *result = *answer;
  int rc = result->processes != NULL ? read_processes(&op->future->arena, result) : 0;
  if (rc == DAYTONA_EPROTOCOL) *problem = "malformed response: status is not an object of processes";
  return rc;
}

#define RESULT \
  .response = &result_model, .result = &daytona__type_computer_use_result, .finish = finish_result

COMPUTER(start, "POST", "start", "start computer use", RESULT);

daytona_future_t *daytona_computer_use_start(daytona_sandbox_t *sandbox, const daytona_call_opts_t *opts) {
  return daytona__call(sandbox, &start_method, NULL, DAYTONA__OPTS(opts));
}

COMPUTER(stop, "POST", "stop", "stop computer use", RESULT);

daytona_future_t *daytona_computer_use_stop(daytona_sandbox_t *sandbox, const daytona_call_opts_t *opts) {
  return daytona__call(sandbox, &stop_method, NULL, DAYTONA__OPTS(opts));
}

/* --- states ------------------------------------------------------------------------------------ */

#define TEXT_MODEL(noun, name, key) \
  static DAYTONA__MODEL_OF(noun, daytona__text_t, name, DAYTONA__FIELD(daytona__text_t, STRING, text, key))

TEXT_MODEL(state_model, "ComputerUseStatusResponse", "status");

COMPUTER(get_status, "GET", "process-status", "get computer use status", .response = &state_model,
         .gives_text = true);

daytona_future_t *daytona_computer_use_get_status(daytona_sandbox_t *sandbox,
                                                  const daytona_call_opts_t *opts) {
  return daytona__call(sandbox, &get_status_method, NULL, DAYTONA__OPTS(opts));
}

static DAYTONA__MODEL_OF(process_status_model, daytona_computer_use_process_status_t, "ProcessStatusResponse",
                         DAYTONA__FIELD(daytona_computer_use_process_status_t, STRING, name, "processName"),
                         DAYTONA__FIELD(daytona_computer_use_process_status_t, BOOL, is_running, "running"));

COMPUTER(get_process_status, "GET", "process/{name}/status", "get process status", OF_PROCESS,
         .response = &process_status_model, .result = &daytona__type_computer_use_process_status);

daytona_future_t *daytona_computer_use_get_process_status(daytona_sandbox_t *sandbox, const char *name,
                                                          const daytona_call_opts_t *opts) {
  return daytona__call(sandbox, &get_process_status_method, &(computer_args_t){name}, DAYTONA__OPTS(opts));
}

/* --- one process ------------------------------------------------------------------------------- */

TEXT_MODEL(restart_model, "ProcessRestartResponse", "message");

COMPUTER(restart_process, "POST", "process/{name}/restart", "restart process", OF_PROCESS,
         .response = &restart_model, .gives_text = true);

daytona_future_t *daytona_computer_use_restart_process(daytona_sandbox_t *sandbox, const char *name,
                                                       const daytona_call_opts_t *opts) {
  return daytona__call(sandbox, &restart_process_method, &(computer_args_t){name}, DAYTONA__OPTS(opts));
}

TEXT_MODEL(logs_model, "ProcessLogsResponse", "logs");

COMPUTER(get_process_logs, "GET", "process/{name}/logs", "get process logs", OF_PROCESS,
         .response = &logs_model, .gives_text = true);

daytona_future_t *daytona_computer_use_get_process_logs(daytona_sandbox_t *sandbox, const char *name,
                                                        const daytona_call_opts_t *opts) {
  return daytona__call(sandbox, &get_process_logs_method, &(computer_args_t){name}, DAYTONA__OPTS(opts));
}

TEXT_MODEL(errors_model, "ProcessErrorsResponse", "errors");

COMPUTER(get_process_errors, "GET", "process/{name}/errors", "get process errors", OF_PROCESS,
         .response = &errors_model, .gives_text = true);

daytona_future_t *daytona_computer_use_get_process_errors(daytona_sandbox_t *sandbox, const char *name,
                                                          const daytona_call_opts_t *opts) {
  return daytona__call(sandbox, &get_process_errors_method, &(computer_args_t){name}, DAYTONA__OPTS(opts));
}
