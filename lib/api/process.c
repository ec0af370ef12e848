/*
 * One-shot commands and code.
 *
 * Both are one request whose answer may take hours, so only the command's own limit bounds it. A command that
 * may be stopped carries a mark in its environment; see <daytona/process.h>. Stopping is a command of its own,
 * sent in the background, that kills whatever carries the mark.
 */
#include <daytona/process.h>

#include <limits.h>
#include <string.h>

#include "call/op.h"
#include "core/random.h"

/* How much longer than the server the client waits, so that the server's verdict arrives first. */
enum { GRACE_MS = 5000 };

/* Limit of the command that stops another one. */
enum { STOP_TIMEOUT_MS = 10000 };

static const char mark_name[] = "DAYTONA_EXEC_ID";

typedef struct exec_request {
  const char *command; /* exec */
  const char *cwd;
  const char *code; /* code_run */
  const char *language;
  daytona_strings_t argv;
  daytona_map_t env;
  daytona_opt_int_t timeout_s;
} exec_request_t;

#define FIELD(type, member, key, ...) DAYTONA__FIELD(exec_request_t, type, member, key, __VA_ARGS__)

static const daytona__json_field_t exec_fields[] = {
  FIELD(STRING, command, "command", .flags = DAYTONA__JSON_ALWAYS | DAYTONA__JSON_SECRET),
  FIELD(STRING, cwd, "cwd"),
  FIELD(MAP, env, "envs", .flags = DAYTONA__JSON_SECRET),
  FIELD(OPT_INT, timeout_s, "timeout"),
};

static const daytona__json_field_t code_fields[] = {
  FIELD(STRING, code, "code", .flags = DAYTONA__JSON_ALWAYS | DAYTONA__JSON_SECRET),
  FIELD(STRING, language, "language"),
  FIELD(STRINGS, argv, "argv"),
  FIELD(MAP, env, "envs", .flags = DAYTONA__JSON_SECRET),
  FIELD(OPT_INT, timeout_s, "timeout"),
};

static DAYTONA__MODEL(exec_model, exec_request_t, "ExecuteRequest", exec_fields);
static DAYTONA__MODEL(code_model, exec_request_t, "CodeRunRequest", code_fields);

typedef struct exec_answer {
  daytona_opt_int_t exit_code;
  daytona_bytes_t result;
  const char *artifacts;
} exec_answer_t;

static const daytona__json_field_t answer_fields[] = {
  DAYTONA__FIELD(exec_answer_t, OPT_INT, exit_code, "exitCode", .alias = "code"),
  DAYTONA__FIELD(exec_answer_t, BYTES, result, "result"),
  DAYTONA__FIELD(exec_answer_t, RAW, artifacts, "artifacts"),
};

static DAYTONA__MODEL(answer_model, exec_answer_t, "ExecuteResponse", answer_fields);

static const daytona__endpoint_t exec_endpoint = {.prefix = "Failed to execute command: ",
                                                  .method = "POST",
                                                  .path = "/process/execute",
                                                  .service = DAYTONA__TOOLBOX,
                                                  .request = &exec_model,
                                                  .response = &answer_model};

static const daytona__endpoint_t code_endpoint = {.prefix = "Failed to run code: ",
                                                  .method = "POST",
                                                  .path = "/process/code-run",
                                                  .service = DAYTONA__TOOLBOX,
                                                  .request = &code_model,
                                                  .response = &answer_model};

static const daytona__type_t type_exec = {"exec result", NULL};

const daytona_exec_result_t *daytona_future_exec_result(const daytona_future_t *future) {
  return daytona__future_result(future, &type_exec);
}

typedef struct exec_op {
  daytona__op_t op;              /* first */
  char mark[DAYTONA__UUID_SIZE]; /* "" when the command is not to be stopped */
  bool has_verdict;              /* the sandbox has answered: nothing is running any more */
} exec_op_t;

/* --- stopping ---------------------------------------------------------------------------------- */

/*
 * Kill every process whose environment holds the mark, until none is left. The command may arrive before
 * the one that it is to stop, so it looks again for a second before it believes that there is none.
 */
static const char stop_script[] =
  "n=0; s=\n"
  "while :; do\n"
  "  m=$(grep -lF '%s=%s' /proc/[0-9]*/environ 2>/dev/null)\n"
  "  if [ -n \"$m\" ]; then\n"
  "    s=1\n"
  "    for f in $m; do p=${f#/proc/}; kill -KILL \"${p%%/environ}\" 2>/dev/null; done\n"
  "  elif [ -n \"$s\" ] || [ \"$n\" -ge 10 ]; then\n"
  "    break\n"
  "  fi\n"
  "  n=$((n + 1)); [ \"$n\" -ge 50 ] && break\n"
  "  sleep 0.1\n"
  "done\n";

static void on_stopped(daytona_future_t *future, void *user) {
  const daytona_error_t *error = daytona_future_error(future);
  daytona_sandbox_t *sandbox = user;
  if (error != NULL)
    daytona__log(sandbox->client->loop, DAYTONA_LOG_WARN,
                 "sandbox %s: a cancelled command may still be running: %s", sandbox->id, error->message);
  daytona_sandbox_release(sandbox);
}

static void stop_remote(daytona_sandbox_t *sandbox, const char *mark) {
  daytona__arena_t scratch;
  daytona_process_exec_opts_t opts = {.timeout_ms = STOP_TIMEOUT_MS, .leaves_running = true};
  daytona__arena_init(&scratch, 0);
  const char *script = daytona__arena_printf(&scratch, stop_script, mark_name, mark);
  if (script != NULL)
    daytona_future_then(daytona_process_exec(sandbox, script, &opts), on_stopped,
                        daytona_sandbox_retain(sandbox));
  daytona__arena_clear(&scratch);
}

/* Whatever ends the operation comes through here; only a command without a verdict is stopped. */
static void end_exec(daytona__op_t *op) {
  exec_op_t *self = (exec_op_t *)op;
  bool may_run = op->http.was_sent && !op->is_finding && !self->has_verdict && self->mark[0] != '\0';
  if (may_run && !op->client->is_closing) stop_remote(op->sandbox, self->mark);
}

/* --- the answer -------------------------------------------------------------------------------- */

/* Whether an error says that the command is not running: it was refused, or its answer cannot be read. */
static bool is_verdict(const daytona_error_t *error) {
  int kind = error->http_status / 100;
  return kind == 2 || kind == 4;
}

static void on_executed(daytona__op_t *op, const daytona_error_t *error, void *answer) {
  exec_op_t *self = (exec_op_t *)op;
  if (error != NULL) {
    self->has_verdict = is_verdict(error);
    daytona__op_fail(op, error);
    return;
  }
  const exec_answer_t *reply = answer;
  self->has_verdict = true;
  if (!reply->exit_code.is_set || reply->exit_code.value < INT_MIN || reply->exit_code.value > INT_MAX) {
    daytona__op_reject(op, DAYTONA_EPROTOCOL, "malformed answer: there is no exit code in it");
    return;
  }
  daytona_exec_result_t *result = daytona__arena_alloc(&op->future->arena, sizeof *result);
  if (result == NULL) {
    daytona__op_fail(op, daytona__error_static(DAYTONA_ENOMEM));
    return;
  }
  result->exit_code = (int)reply->exit_code.value;
  result->result = reply->result.data != NULL ? reply->result.data : "";
  result->result_size = reply->result.size;
  result->artifacts = reply->artifacts;
  daytona__op_resolve(op, &type_exec, result);
}

/* --- the request ------------------------------------------------------------------------------- */

static bool is_blank(const char *text) { return text[strspn(text, " \t\r\n\v\f")] == '\0'; }

static bool is_env_name(const char *name) {
  static const char first[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
  static const char later[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";
  return name != NULL && name[0] != '\0' && strchr(first, name[0]) != NULL &&
         strspn(name, later) == strlen(name);
}

static bool env_is_bad(const daytona_map_t *env) {
  if (env->count != 0 && env->items == NULL) return true;
  for (size_t i = 0; i < env->count; i++)
    if (!is_env_name(env->items[i].key) || env->items[i].value == NULL) return true;
  return false;
}

/* The caller's environment and the mark. */
static int add_mark(exec_op_t *self, exec_request_t *request) {
  size_t count = request->env.count;
  daytona_pair_t *pairs = daytona__arena_array(&self->op.future->arena, count + 1, sizeof *pairs);
  if (pairs == NULL) return DAYTONA_ENOMEM;
  if (daytona__uuid(&self->op.client->entropy, self->mark) != 0) return DAYTONA_EFAILED;
  if (count != 0) memcpy(pairs, request->env.items, count * sizeof *pairs);
  pairs[count].key = mark_name;
  pairs[count].value = self->mark;
  request->env.items = pairs;
  request->env.count = count + 1;
  return 0;
}

/* What exec and code_run have in common once their own arguments are checked. */
static daytona_future_t *run(exec_op_t *self, exec_request_t *request, int64_t timeout_ms,
                             bool leaves_running, bool counts_queue_time) {
  daytona__op_t *op = &self->op;
  daytona_future_t *future = op->future;
  int64_t wait_ms = DAYTONA_NO_TIMEOUT;
  if (env_is_bad(&request->env))
    return daytona__op_reject(op, DAYTONA_EINVAL,
                              "env has a name that is not a letter or _ followed by letters, digits "
                              "and _, or an entry without a value");
  if (timeout_ms < 0 && timeout_ms != DAYTONA_NO_TIMEOUT)
    return daytona__op_reject(op, DAYTONA_EINVAL, "timeout_ms must not be negative");
  if (timeout_ms > (int64_t)UINT32_MAX * 1000)
    return daytona__op_reject(op, DAYTONA_EINVAL, "timeout_ms must be at most %lld",
                              (long long)UINT32_MAX * 1000);
  if (timeout_ms > 0) {
    request->timeout_s = daytona_int((timeout_ms + 999) / 1000);
    wait_ms = request->timeout_s.value * 1000 + GRACE_MS;
  }
  if (!leaves_running) {
    int rc = add_mark(self, request);
    if (rc != 0) return daytona__op_reject(op, rc, "%s", daytona_errcode_text(rc));
  }
  op->counts_queue_time = counts_queue_time;
  op->ending = end_exec;
  op->done = on_executed;
  if (daytona__op_prepare(op, request, wait_ms) == 0) daytona__op_send(op);
  return future;
}

daytona_future_t *daytona_process_exec(daytona_sandbox_t *sandbox, const char *command,
                                       const daytona_process_exec_opts_t *opts) {
  static const daytona_process_exec_opts_t defaults;
  daytona_future_t *future;
  if (opts == NULL) opts = &defaults;
  exec_op_t *self = (exec_op_t *)daytona__op_new(&exec_endpoint, NULL, sandbox, sizeof *self, &future);
  if (self == NULL) return future;
  if (!DAYTONA__RESERVED_OK(opts))
    return daytona__op_reject(&self->op, DAYTONA_EINVAL, "reserved words of the options are not zero");
  if (command == NULL || is_blank(command))
    return daytona__op_reject(&self->op, DAYTONA_EINVAL, "command is required");
  exec_request_t request = {.command = command, .cwd = opts->cwd, .env = opts->env};
  return run(self, &request, opts->timeout_ms, opts->leaves_running, opts->counts_queue_time);
}

/* The language that the sandbox was created for. */
static const char *language_of(const daytona_sandbox_t *sandbox) {
  const char *language = daytona_map_value(&sandbox->info->labels, "code-toolbox-language");
  return language != NULL && language[0] != '\0' ? language : "python";
}

daytona_future_t *daytona_process_code_run(daytona_sandbox_t *sandbox, const char *code,
                                           const daytona_process_code_run_opts_t *opts) {
  static const daytona_process_code_run_opts_t defaults;
  daytona_future_t *future;
  if (opts == NULL) opts = &defaults;
  exec_op_t *self = (exec_op_t *)daytona__op_new(&code_endpoint, NULL, sandbox, sizeof *self, &future);
  if (self == NULL) return future;
  if (!DAYTONA__RESERVED_OK(opts))
    return daytona__op_reject(&self->op, DAYTONA_EINVAL, "reserved words of the options are not zero");
  if (code == NULL || code[0] == '\0')
    return daytona__op_reject(&self->op, DAYTONA_EINVAL, "code is required");
  if (!daytona__strings_are_whole(&opts->argv))
    return daytona__op_reject(&self->op, DAYTONA_EINVAL, "argv has an element that is NULL");
  exec_request_t request = {.code = code, .argv = opts->argv, .env = opts->env};
  request.language = opts->language != NULL ? opts->language : language_of(sandbox);
  return run(self, &request, opts->timeout_ms, opts->leaves_running, opts->counts_queue_time);
}
