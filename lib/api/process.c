/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One-shot commands and code.
 *
 * Both are one request whose answer may take hours, so only the command's own limit bounds it. A command that
 * may be stopped carries a marker in its environment; see <daytona/process.h>. Stopping is a command of its own,
 * sent in the background, that kills whatever carries the marker.
 */
#include <daytona/process.h>

#include <limits.h>
#include <string.h>

#include "api/chart.h"
#include "call/method.h"
#include "call/results.h"
#include "core/limits.h"
#include "core/random.h"

/* How much longer than the server the client waits, so that the server's outcome arrives first. */
enum { GRACE_MS = 5000 };

/* Limit of the command that stops another one. */
enum { STOP_TIMEOUT_MS = 10000 };

static const char marker_name[] = "DAYTONA_EXEC_ID";

typedef struct exec_args {
  const char *command; /* exec */
  const char *code;    /* code_run */
  const char *language;
  daytona_map_t env; /* the caller's and the marker */
  daytona_opt_int_t timeout_s;
} exec_args_t;

typedef struct exec_answer {
  daytona_opt_int_t exit_code;
  daytona_bytes_t result;
  const char *artifacts;
} exec_answer_t;

static DAYTONA__MODEL_OF(answer_model, exec_answer_t, "ExecuteResponse",
                         DAYTONA__FIELD(exec_answer_t, OPT_INT, exit_code, "exitCode", .alias = "code"),
                         DAYTONA__FIELD(exec_answer_t, BYTES, result, "result"),
                         DAYTONA__FIELD(exec_answer_t, RAW, artifacts, "artifacts"));

#define BODY(type, member, key, ...) DAYTONA__ARG(IN_BODY, exec_args_t, type, member, key, __VA_ARGS__)
#define SECRET(type, member, key, ...) BODY(type, member, key, .flags = DAYTONA__JSON_SECRET, __VA_ARGS__)

/* What both calls send, and what both options structs must keep to. */
#define ENV_AND_LIMIT(opts_type)                                                                  \
  DAYTONA__OPT(NOWHERE, opts_type, MAP, env, "env", .flags = DAYTONA__JSON_SECRET,                \
               .rules = DAYTONA__ENV | DAYTONA__PASSED),                                          \
    DAYTONA__OPT(NOWHERE, opts_type, INT, timeout_ms, "timeout_ms",                               \
                 .rules = DAYTONA__TIME_LIMIT | DAYTONA__MAX, .max = (int64_t)UINT32_MAX * 1000), \
    SECRET(MAP, env, "envs"), BODY(OPT_INT, timeout_s, "timeout")

DAYTONA__METHOD(
  exec, .prefix = "Failed to execute command: ", .verb = "POST", .path = "/process/execute",
  .service = DAYTONA__TOOLBOX,
  .request = DAYTONA__ARGS(exec_args_t, SECRET(STRING, command, "command", .rules = DAYTONA__NOT_BLANK),
                           DAYTONA__OPT(IN_BODY, daytona_process_exec_opts_t, STRING, cwd, "cwd"),
                           ENV_AND_LIMIT(daytona_process_exec_opts_t)),
  .response = &answer_model);

DAYTONA__METHOD(code, .prefix = "Failed to run code: ", .verb = "POST", .path = "/process/code-run",
                .service = DAYTONA__TOOLBOX,
                .request = DAYTONA__ARGS(exec_args_t,
                                         SECRET(STRING, code, "code", .rules = DAYTONA__NONEMPTY),
                                         BODY(STRING, language, "language"),
                                         DAYTONA__OPT(IN_BODY, daytona_process_code_run_opts_t, STRINGS, argv,
                                                      "argv", .rules = DAYTONA__PASSED),
                                         ENV_AND_LIMIT(daytona_process_code_run_opts_t)),
                .response = &answer_model);

typedef struct exec_op {
  daytona__op_t op;                /* first */
  char marker[DAYTONA__UUID_SIZE]; /* "" when the command is not to be stopped */
  bool is_decided;                 /* the sandbox has answered: nothing is running any more */
  daytona_exec_result_t *result;
  daytona__charts_t charts; /* of a response, while they are read over some turns of the loop */
  daytona__task_t reading;
} exec_op_t;

/* How to run it, besides the options that are sent. */
typedef struct run_how {
  bool leaves_running, counts_queue_time;
  bool is_urgent; /* waits for no connection */
} run_how_t;

/* --- stopping ---------------------------------------------------------------------------------- */

/*
 * Kill every process whose environment holds the marker, and everything below such processes whatever its environment,
 * until none is left. They are held first, so that none begins another or loses its parent while the next are looked
 * for. The command may arrive before the one that it is to stop, so it looks again for a second before it believes
 * that there is none.
 */
static const char stop_script[] =
  "n=0; s=\n"
  "while :; do\n"
  "  p=; e=\n"
  "  for f in $(grep -lF '%s=%s' /proc/[0-9]*/environ 2>/dev/null); do\n"
  "    f=${f#/proc/}; f=${f%%/environ}; p=\"$p $f\"; e=\"$e|$f\"\n"
  "  done\n"
  "  if [ -n \"$p\" ]; then\n"
  "    s=1; c=$p\n"
  "    while [ -n \"$c\" ]; do\n"
  "      kill -STOP $c 2>/dev/null\n"
  "      c=\n"
  "      for f in $(grep -lE \"^PPid:[[:space:]]*(${e#|})\\$\" /proc/[0-9]*/status 2>/dev/null); do\n"
  "        f=${f#/proc/}; f=${f%%/status}\n"
  "        case \" $p$c \" in *\" $f \"*) ;; *) c=\"$c $f\"; e=\"$e|$f\";; esac\n"
  "      done\n"
  "      p=\"$p$c\"\n"
  "    done\n"
  "    kill -KILL $p 2>/dev/null\n"
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

static daytona_future_t *run(const char *name, daytona_sandbox_t *sandbox, const daytona__method_t *method,
                             exec_args_t *args, daytona__opts_t opts, run_how_t how);

/* What is to be stopped may hold the connections that this would wait for. */
static void stop_remote(daytona_sandbox_t *sandbox, const char *marker) {
  daytona__arena_t scratch;
  daytona_process_exec_opts_t opts = {.timeout_ms = STOP_TIMEOUT_MS};
  daytona__arena_init(&scratch, 0);
  exec_args_t args = {.command = daytona__arena_printf(&scratch, stop_script, marker_name, marker)};
  run_how_t how = {.leaves_running = true, .is_urgent = true};
  if (args.command != NULL)
    daytona_future_then(run("process_exec_stop", sandbox, &exec_method, &args, DAYTONA__OPTS(&opts), how),
                        on_stopped, daytona_sandbox_retain(sandbox));
  daytona__arena_clear(&scratch);
}

/* Whatever ends the operation comes through here; only a command without an outcome is stopped. */
static void end_exec(daytona__op_t *op) {
  exec_op_t *self = (exec_op_t *)op;
  daytona__task_cancel(&self->reading);
  bool may_run = op->http.was_sent && !op->is_finding && !self->is_decided && self->marker[0] != '\0';
  if (may_run && !op->client->is_closing) stop_remote(op->sandbox, self->marker);
}

/* --- the response -------------------------------------------------------------------------------- */

/* Whether an error says that the command is not running: it was refused, or its response cannot be read. */
static bool says_not_running(const daytona_error_t *error) {
  int kind = error->http_status / 100;
  return kind == 2 || kind == 4;
}

/* A part of the charts; with the last one the result is complete. */
static void read_charts(exec_op_t *self) {
  daytona__op_t *op = &self->op;
  int rc = daytona__charts_read(&self->charts, DAYTONA__READ_BUDGET);
  if (rc == DAYTONA__CHARTS_AGAIN) {
    daytona__loop_defer(op->client->loop, &self->reading);
    return;
  }
  if (rc != 0) {
    daytona__op_fail(op, daytona__error_static((daytona_errcode_t)rc));
    return;
  }
  size_t skipped = self->charts.list->skipped_count;
  self->result->charts = self->charts.list;
  op->future->skipped_count += skipped;
  if (skipped != 0)
    daytona__log(op->client->loop, DAYTONA_LOG_WARN, "sandbox %s: left out %zu charts, which cannot be read",
                 op->sandbox->id, skipped);
  daytona__op_resolve(op, &daytona__type_exec_result, self->result);
}

static void on_reading(daytona__task_t *task) { read_charts(DAYTONA__CONTAINER(task, exec_op_t, reading)); }

/* What is not as charts should be costs only the charts: the command has run, and its outcome counts. */
static void resolve(exec_op_t *self) {
  static const daytona_chart_list_t none;
  daytona__op_t *op = &self->op;
  const char *artifacts = self->result->artifacts;
  int rc = artifacts == NULL
             ? DAYTONA_EPROTOCOL
             : daytona__charts_begin(&self->charts, &op->future->arena, DAYTONA__CHARTS_OF_ARTIFACTS,
                                     artifacts, strlen(artifacts));
  self->result->charts = &none;
  if (rc == DAYTONA_ENOMEM)
    daytona__op_fail(op, daytona__error_static(DAYTONA_ENOMEM));
  else if (rc != 0)
    daytona__op_resolve(op, &daytona__type_exec_result, self->result);
  else
    read_charts(self);
}

static void on_executed(daytona__op_t *op, const daytona_error_t *error, void *answer) {
  exec_op_t *self = (exec_op_t *)op;
  if (error != NULL) {
    self->is_decided = says_not_running(error);
    daytona__op_fail(op, error);
    return;
  }
  const exec_answer_t *reply = answer;
  self->is_decided = true;
  if (!reply->exit_code.is_set || reply->exit_code.value < INT_MIN || reply->exit_code.value > INT_MAX) {
    daytona__op_reject(op, DAYTONA_EPROTOCOL, "malformed response: there is no exit code in it");
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
  self->result = result;
  resolve(self);
}

/* --- the request ------------------------------------------------------------------------------- */

/* The caller's environment and the marker. */
static int add_marker(exec_op_t *self, daytona_map_t *env) {
  size_t count = env->count;
  daytona_pair_t *pairs = daytona__arena_array(&self->op.future->arena, count + 1, sizeof *pairs);
  if (pairs == NULL) return DAYTONA_ENOMEM;
  if (daytona__uuid(&self->op.client->entropy, self->marker) != 0) return DAYTONA_EFAILED;
  if (count != 0) memcpy(pairs, env->items, count * sizeof *pairs);
  pairs[count].key = marker_name;
  pairs[count].value = self->marker;
  env->items = pairs;
  env->count = count + 1;
  return 0;
}

/* What exec and code_run have in common. */
static daytona_future_t *run(const char *name, daytona_sandbox_t *sandbox, const daytona__method_t *method,
                             exec_args_t *args, daytona__opts_t opts, run_how_t how) {
  daytona_future_t *future;
  int64_t wait_ms = DAYTONA_NO_TIMEOUT;
  exec_op_t *self =
    (exec_op_t *)daytona__call_new_named(name, method, NULL, sandbox, sizeof *self, args, opts, &future);
  if (self == NULL) return future;
  daytona__op_t *op = &self->op;
  if (opts.timeout_ms > 0) {
    args->timeout_s = daytona_int((opts.timeout_ms + 999) / 1000);
    wait_ms = args->timeout_s.value * 1000 + GRACE_MS;
  }
  if (!how.leaves_running && daytona_map_value(&args->env, marker_name) != NULL)
    return daytona__op_reject(op, DAYTONA_EINVAL, "env must not have %s unless leaves_running is set",
                              marker_name);
  int rc = how.leaves_running ? 0 : add_marker(self, &args->env);
  if (rc != 0) return daytona__op_reject(op, (daytona_errcode_t)rc, "%s", daytona_errcode_text(rc));
  op->counts_queue_time = how.counts_queue_time;
  op->is_urgent = how.is_urgent;
  op->ending = end_exec;
  op->done = on_executed;
  daytona__task_init(&self->reading, on_reading);
  if (daytona__call_prepare(op, args, opts, wait_ms) == 0) daytona__op_send(op);
  return future;
}

daytona_future_t *daytona_process_exec(daytona_sandbox_t *sandbox, const char *command,
                                       const daytona_process_exec_opts_t *opts) {
  static const daytona_process_exec_opts_t defaults;
  if (opts == NULL) opts = &defaults;
  exec_args_t args = {.command = command, .env = opts->env};
  run_how_t how = {.leaves_running = opts->leaves_running, .counts_queue_time = opts->counts_queue_time};
  return run(__func__, sandbox, &exec_method, &args, DAYTONA__OPTS(opts), how);
}

/* The language that the sandbox was created for. */
static const char *language_of(const daytona_sandbox_t *sandbox) {
  if (sandbox == NULL) return NULL;
  const char *language = daytona_map_value(&sandbox->info->labels, "code-toolbox-language");
  return language != NULL && language[0] != '\0' ? language : "python";
}

daytona_future_t *daytona_process_code_run(daytona_sandbox_t *sandbox, const char *code,
                                           const daytona_process_code_run_opts_t *opts) {
  static const daytona_process_code_run_opts_t defaults;
  if (opts == NULL) opts = &defaults;
  exec_args_t args = {.code = code, .env = opts->env};
  args.language = opts->language != NULL ? opts->language : language_of(sandbox);
  run_how_t how = {.leaves_running = opts->leaves_running, .counts_queue_time = opts->counts_queue_time};
  return run(__func__, sandbox, &code_method, &args, DAYTONA__OPTS(opts), how);
}
