/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands and code: what is sent, when a command is stopped that nobody waits for any more, what counts as an
 * answer, how long the client waits, and where the toolbox is.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "call/sandbox_object.h"
#include "core/limits.h"
#include "support/api_scene.h"
#include "support/check.h"
#include "support/misuse.h"
#include "support/same_json.h"

static const char exec[] = "POST /toolbox/sb-1/process/execute";
static const char code_run[] = "POST /toolbox/sb-1/process/code-run";
static const char ok[] = "{\"exitCode\":0,\"result\":\"hi\\n\"}";

static const daytona_process_exec_opts_t unmarked = {.leaves_running = true};

/* The mark in the body of a request, in a static buffer; "" without one. */
static const char *mark_of(const char *request) {
  const char *mark = json_at(api_body_of(request), "envs.DAYTONA_EXEC_ID");
  return mark != NULL ? mark : "";
}

/* --- the body ---------------------------------------------------------------------------------- */

static void exec_body_is_the_command_and_its_mark(void **state) {
  (void)state;
  char expected[256];
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  api_answer(&scene, exec, 200, ok);
  daytona_future_t *future = api_must(daytona_process_exec(sandbox, " echo \"hi\"\n", NULL));
  const daytona_exec_result_t *result = daytona_future_exec_result(future);
  assert_int_equal(result->exit_code, 0);
  assert_string_equal(result->result, "hi\n");
  assert_int_equal(result->result_size, 3);
  assert_null(result->artifacts);
  const char *mark = mark_of(scene.requests[0]);
  assert_int_equal(strlen(mark), 36);
  snprintf(expected, sizeof expected,
           "{\"command\":\" echo \\\"hi\\\"\\n\",\"envs\":{\"DAYTONA_EXEC_ID\":\"%s\"}}", mark);
  assert_same_json(api_body_of(scene.requests[0]), expected);
  assert_string_equal(api_line_of(scene.requests[0]), exec);
  assert_true(api_has_header(scene.requests[0], "Authorization", "Bearer key"));
  daytona_future_release(future);
  api_close_with(&scene, sandbox);
}

static void exec_options_have_their_place(void **state) {
  (void)state;
  static const daytona_pair_t env[] = {{"A", "1"}, {"_b2", ""}};
  const daytona_process_exec_opts_t opts = {
    .cwd = "src", .env = {env, 2}, .timeout_ms = 1500, .leaves_running = true};
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  api_answer(&scene, exec, 200, ok);
  api_done(daytona_process_exec(sandbox, "ls", &opts));
  assert_same_json(api_body_of(scene.requests[0]),
                   "{\"command\":\"ls\",\"cwd\":\"src\",\"envs\":{\"A\":\"1\",\"_b2\":\"\"},\"timeout\":2}");
  api_done(daytona_process_exec(sandbox, "ls", &unmarked));
  assert_same_json(api_body_of(scene.requests[1]), "{\"command\":\"ls\"}");
  api_close_with(&scene, sandbox);
}

static void timeout_is_rounded_up_to_seconds(void **state) {
  (void)state;
  static const struct {
    int64_t ms;
    const char *sent;
  } cases[] = {{1, "1"}, {1000, "1"}, {1001, "2"}, {60000, "60"}};
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  api_answer(&scene, exec, 200, ok);
  for (size_t i = 0; i < 4; i++) {
    const daytona_process_exec_opts_t opts = {.timeout_ms = cases[i].ms, .leaves_running = true};
    api_done(daytona_process_exec(sandbox, "ls", &opts));
    assert_string_equal(json_at(api_body_of(scene.requests[i]), "timeout"), cases[i].sent);
  }
  api_close_with(&scene, sandbox);
}

static void code_run_sends_language_and_arguments(void **state) {
  (void)state;
  static const char *const argv[] = {"a b", ""};
  const daytona_process_code_run_opts_t opts = {
    .language = "javascript", .argv = {argv, 2}, .leaves_running = true, .timeout_ms = 3000};
  const daytona_process_code_run_opts_t plain = {.leaves_running = true};
  api_scene_t scene;
  api_scene_open(&scene);
  api_answer(
    &scene, "GET /api/sandbox/sb-1", 200,
    api_sandbox_json(&scene, "sb-1", "started", ",\"labels\":{\"code-toolbox-language\":\"typescript\"}"));
  daytona_future_t *got = api_must(daytona_sandbox_get(scene.client, "sb-1", NULL));
  daytona_sandbox_t *sandbox = daytona_sandbox_retain(daytona_future_sandbox(got));
  daytona_future_release(got);
  api_answer(&scene, code_run, 200, "{\"code\":3,\"result\":\"\",\"artifacts\":{\"charts\":[1, 2]}}");
  daytona_future_t *future = api_must(daytona_process_code_run(sandbox, "print(1)", &opts));
  const daytona_exec_result_t *result = daytona_future_exec_result(future);
  assert_int_equal(result->exit_code, 3);
  assert_string_equal(result->result, "");
  assert_string_equal(result->artifacts, "{\"charts\":[1,2]}");
  assert_same_json(
    api_body_of(scene.requests[1]),
    "{\"code\":\"print(1)\",\"language\":\"javascript\",\"argv\":[\"a b\",\"\"],\"timeout\":3}");
  daytona_future_release(future);
  api_done(daytona_process_code_run(sandbox, "x", &plain));
  assert_same_json(api_body_of(scene.requests[2]), "{\"code\":\"x\",\"language\":\"typescript\"}");
  api_done(daytona_process_code_run(sandbox, "x", NULL));
  assert_int_equal(strlen(mark_of(scene.requests[3])), 36);
  api_close_with(&scene, sandbox);
}

static void bad_arguments_are_refused(void **state) {
  (void)state;
  static const daytona_pair_t bad_name[] = {{"1A", "x"}}, dash[] = {{"A-B", "x"}}, empty[] = {{"", "x"}},
                              no_value[] = {{"A", NULL}};
  static const char *const hole[] = {NULL};
  const daytona_process_exec_opts_t bad[] = {
    {.env = {bad_name, 1}},    {.env = {dash, 1}}, {.env = {empty, 1}},
    {.env = {no_value, 1}},    {.env = {NULL, 1}}, {.timeout_ms = -2},
    {.timeout_ms = INT64_MAX}, {.cwd = "\xff"},    {.reserved = {0, 0, 0, 1}}};
  const daytona_process_code_run_opts_t bad_code[] = {{.argv = {hole, 1}}, {.argv = {NULL, 1}},
                                                      {.timeout_ms = -2},  {.reserved = {1}},
                                                      {.env = {dash, 1}},  {.language = "\xff"}};
  static const char *const blank[] = {NULL, "", " \t\r\n", "\xff\xfe"};
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
    api_fails(daytona_process_exec(sandbox, "ls", &bad[i]), DAYTONA_EINVAL);
  for (size_t i = 0; i < sizeof bad_code / sizeof bad_code[0]; i++)
    api_fails(daytona_process_code_run(sandbox, "x", &bad_code[i]), DAYTONA_EINVAL);
  for (size_t i = 0; i < 4; i++) api_fails(daytona_process_exec(sandbox, blank[i], NULL), DAYTONA_EINVAL);
  api_fails(daytona_process_code_run(sandbox, NULL, NULL), DAYTONA_EINVAL);
  api_fails(daytona_process_code_run(sandbox, "", NULL), DAYTONA_EINVAL);
  api_fails(daytona_process_exec(NULL, "ls", NULL), DAYTONA_EINVAL);
  assert_int_equal(scene.request_count, 0);
  api_close_with(&scene, sandbox);
}

static void command_over_the_limit_is_refused(void **state) {
  (void)state;
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  char *command = malloc(DAYTONA__REQUEST_BODY_MAX + 1);
  if (command == NULL) abort();
  memset(command, 'x', DAYTONA__REQUEST_BODY_MAX);
  command[DAYTONA__REQUEST_BODY_MAX] = '\0';
  daytona_future_t *future = api_must_fail(daytona_process_exec(sandbox, command, NULL), DAYTONA_ELIMIT);
  api_says(future, "command: ");
  daytona_future_release(future);
  free(command);
  assert_int_equal(scene.request_count, 0);
  api_close_with(&scene, sandbox);
}

/* --- answers ----------------------------------------------------------------------------------- */

static void answers_of_all_ages_are_read(void **state) {
  (void)state;
  static const struct {
    const char *body;
    int exit_code;
    const char *result;
    size_t size;
  } cases[] = {{"{\"exitCode\":127,\"result\":\"x\"}", 127, "x", 1},
               {"{\"code\":2,\"result\":\"x\"}", 2, "x", 1},
               {"{\"code\":2,\"exitCode\":1,\"result\":\"x\"}", 1, "x", 1},
               {"{\"exitCode\":-1.0}", -1, "", 0},
               {"{\"exitCode\":0,\"result\":null}", 0, "", 0},
               {"{\"exitCode\":0,\"result\":\"a\\u0000b\"}", 0, "a", 3}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    api_scene_t scene;
    daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
    api_answer(&scene, exec, 200, cases[i].body);
    daytona_future_t *future = api_must(daytona_process_exec(sandbox, "ls", NULL));
    const daytona_exec_result_t *result = daytona_future_exec_result(future);
    assert_int_equal(result->exit_code, cases[i].exit_code);
    assert_string_equal(result->result, cases[i].result);
    assert_int_equal(result->result_size, cases[i].size);
    daytona_future_release(future);
    api_close_with(&scene, sandbox);
  }
}

static void answers_without_a_verdict_are_malformed(void **state) {
  (void)state;
  static const char *const bodies[] = {"{\"result\":\"x\"}",
                                       "{\"exitCode\":null}",
                                       "{\"exitCode\":99999999999}",
                                       "{\"exitCode\":\"0\"}",
                                       "{\"exitCode\":0.5}",
                                       "[]",
                                       "",
                                       "rubbish",
                                       "{\"exitCode\":0,\"result\":7}"};
  for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
    api_scene_t scene;
    daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
    api_answer(&scene, exec, 200, bodies[i]);
    api_fails(daytona_process_exec(sandbox, "ls", NULL), DAYTONA_EPROTOCOL);
    api_spin(&scene, 20);
    assert_int_equal(scene.request_count, 1); /* the sandbox has answered: there is nothing to stop */
    api_close_with(&scene, sandbox);
  }
}

/* --- stopping ---------------------------------------------------------------------------------- */

static void assert_stops(api_scene_t *scene, const char *mark, size_t index) {
  char wanted[128];
  api_until_requests(scene, index + 1);
  const char *body = api_body_of(scene->requests[index]);
  snprintf(wanted, sizeof wanted, "DAYTONA_EXEC_ID=%s", mark);
  assert_string_equal(api_line_of(scene->requests[index]), exec);
  assert_non_null(strstr(body, wanted));
  assert_non_null(strstr(body, "kill -KILL"));
  assert_string_equal(json_at(body, "timeout"), "10");
  assert_null(json_at(body, "envs")); /* or it would find itself */
}

static void cancelled_command_is_stopped_by_its_mark(void **state) {
  (void)state;
  char mark[64];
  for (int is_code = 0; is_code < 2; is_code++) {
    api_scene_t scene;
    daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
    api_answer(&scene, is_code ? code_run : exec, 0, api_silence);
    daytona_future_t *future = is_code ? daytona_process_code_run(sandbox, "while 1: pass", NULL)
                                       : daytona_process_exec(sandbox, "sleep 9", NULL);
    api_until_requests(&scene, 1);
    api_answer(&scene, exec, 200, ok);
    snprintf(mark, sizeof mark, "%s", mark_of(scene.requests[0]));
    daytona_future_cancel(future);
    api_fails(future, DAYTONA_ECANCELED);
    assert_stops(&scene, mark, 1);
    api_settle(&scene);
    assert_int_equal(scene.request_count, 2);
    api_close_with(&scene, sandbox);
  }
}

static void nothing_is_stopped_that_was_not_sent_or_has_answered(void **state) {
  (void)state;
  static const struct {
    int status;
    const char *body;
    daytona_errcode_t code;
  } verdicts[] = {
    {400, "{}", DAYTONA_EINVAL},
    {401, "{}", DAYTONA_EAUTH},
    {408, "{\"code\":\"PROCESS_EXECUTION_TIMEOUT\",\"source\":\"DAYTONA_DAEMON\"}", DAYTONA_EPROCESS_TIMEOUT},
    {429, "{}", DAYTONA_ERATELIMIT}};
  for (size_t i = 0; i < 4; i++) {
    api_scene_t scene;
    daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
    api_answer(&scene, exec, verdicts[i].status, verdicts[i].body);
    api_fails(daytona_process_exec(sandbox, "ls", NULL), verdicts[i].code);
    api_spin(&scene, 20);
    assert_int_equal(scene.request_count, 1);
    api_close_with(&scene, sandbox);
  }
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  daytona_future_t *future = daytona_process_exec(sandbox, "ls", NULL);
  daytona_future_cancel(future);
  api_fails(future, DAYTONA_ECANCELED);
  api_answer(&scene, exec, 200, ok);
  future = api_must(daytona_process_exec(sandbox, "ls", NULL));
  daytona_future_cancel(future); /* too late: it has its result */
  api_done(future);
  api_spin(&scene, 20);
  assert_int_equal(scene.request_count, 1);
  api_close_with(&scene, sandbox);
}

/* The connection is being made: nothing can have reached the sandbox. */
static void command_cancelled_while_connecting_is_not_stopped(void **state) {
  (void)state;
  char body[256];
  peer_deaf_t deaf;
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  size_t in_flight = 0, waiting = 0;
  peer_deaf_begin(&deaf);
  snprintf(body, sizeof body, "{\"id\":\"sb-1\",\"toolboxProxyUrl\":\"http://127.0.0.1:%d/toolbox\"}",
           deaf.port);
  api_answer(&scene, "GET /api/sandbox/sb-1", 200, body);
  api_done(daytona_sandbox_refresh_data(sandbox, NULL));
  daytona_future_t *future = daytona_process_exec(sandbox, "ls", NULL);
  api_spin(&scene, 10);
  daytona_future_cancel(future);
  api_fails(future, DAYTONA_ECANCELED);
  api_spin(&scene, 10);
  daytona__http_counts(scene.client->http, &in_flight, &waiting);
  assert_int_equal(in_flight + waiting, 0);
  peer_deaf_end(&deaf);
  api_close_with(&scene, sandbox);
}

static void lost_answer_stops_the_command(void **state) {
  (void)state;
  static const struct {
    int status;
    const char *body;
    daytona_errcode_t code;
  } losses[] = {{502, "{}", DAYTONA_EBADGATEWAY}, {0, api_break, DAYTONA_ECONNECTION}};
  for (size_t i = 0; i < 2; i++) {
    char mark[64];
    api_scene_t scene;
    daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
    api_answer(&scene, exec, losses[i].status, losses[i].body);
    api_answer(&scene, exec, 200, ok);
    daytona_future_t *future = api_must_fail(daytona_process_exec(sandbox, "ls", NULL), losses[i].code);
    assert_int_equal(daytona_future_error(future)->attempts, 1);
    snprintf(mark, sizeof mark, "%s", mark_of(scene.requests[0]));
    assert_stops(&scene, mark, 1);
    api_settle(&scene);
    daytona_future_release(future);
    api_close_with(&scene, sandbox);
  }
}

/* All connections are busy with commands that take for ever, and more commands wait for one. */
static void stopping_does_not_wait_for_a_free_connection(void **state) {
  (void)state;
  char mark[64];
  api_scene_t scene;
  api_scene_open_bare(&scene);
  scene.config.max_connections = 2;
  api_scene_client(&scene);
  daytona_sandbox_t *sandbox = api_sandbox(&scene, "sb-1", "started");
  api_answer(&scene, exec, 0, api_silence);
  daytona_future_t *commands[6];
  for (int i = 0; i < 6; i++) commands[i] = daytona_process_exec(sandbox, "sleep 9", NULL);
  api_until_requests(&scene, 2);
  api_spin(&scene, 10);
  assert_int_equal(scene.request_count, 2);
  snprintf(mark, sizeof mark, "%s", mark_of(scene.requests[0]));
  daytona_future_cancel(commands[0]);
  assert_stops(&scene, mark, 2); /* and only then the ones that wait */
  for (int i = 1; i < 6; i++) daytona_future_cancel(commands[i]);
  for (int i = 0; i < 6; i++) api_fails(commands[i], DAYTONA_ECANCELED);
  api_until_requests(&scene, 4);
  api_close_with(&scene, sandbox);
}

static void mark_of_the_caller_is_refused(void **state) {
  (void)state;
  static const daytona_pair_t env[] = {{"A", "1"}, {"DAYTONA_EXEC_ID", "mine"}};
  daytona_process_exec_opts_t opts = {.env = {env, 2}};
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  daytona_future_t *future = api_must_fail(daytona_process_exec(sandbox, "ls", &opts), DAYTONA_EINVAL);
  assert_non_null(strstr(daytona_future_error(future)->message, "DAYTONA_EXEC_ID"));
  daytona_future_release(future);
  api_fails(daytona_process_code_run(sandbox, "1", &(daytona_process_code_run_opts_t){.env = {env, 2}}),
            DAYTONA_EINVAL);
  assert_int_equal(scene.request_count, 0);
  opts.leaves_running = true; /* nobody looks for it */
  api_answer(&scene, exec, 200, ok);
  api_done(daytona_process_exec(sandbox, "ls", &opts));
  assert_string_equal(mark_of(scene.requests[0]), "mine");
  api_close_with(&scene, sandbox);
}

static void unmarked_command_is_left_alone(void **state) {
  (void)state;
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  api_answer(&scene, exec, 0, api_silence);
  daytona_future_t *future = daytona_process_exec(sandbox, "sleep 9", &unmarked);
  api_until_requests(&scene, 1);
  assert_string_equal(mark_of(scene.requests[0]), "");
  daytona_future_cancel(future);
  api_fails(future, DAYTONA_ECANCELED);
  api_spin(&scene, 20);
  assert_int_equal(scene.request_count, 1);
  api_close_with(&scene, sandbox);
}

static void count_warnings(daytona_log_level_t level, const char *line, void *user) {
  (void)line;
  if (level <= DAYTONA_LOG_WARN) ++*(int *)user;
}

static void closing_the_client_stops_nothing(void **state) {
  (void)state;
  int warnings = 0;
  api_scene_t scene;
  api_scene_open_bare(&scene);
  scene.config.log = count_warnings;
  scene.config.log_user = &warnings;
  api_scene_client(&scene);
  daytona_sandbox_t *sandbox = api_sandbox(&scene, "sb-1", "started");
  api_answer(&scene, exec, 0, api_silence);
  daytona_future_t *future = daytona_process_exec(sandbox, "sleep 9", NULL);
  api_until_requests(&scene, 1);
  api_scene_close_client(&scene);
  api_fails(future, DAYTONA_ECLOSED);
  daytona_sandbox_release(sandbox);
  api_scene_close(&scene);
  assert_int_equal(scene.peer.requests, 2); /* that of the sandbox and the command */
  assert_int_equal(warnings, 0);
}

/* --- limits ------------------------------------------------------------------------------------ */

static void client_gives_up_five_seconds_after_the_server(void **state) {
  (void)state;
  char mark[64];
  const daytona_process_exec_opts_t opts = {.timeout_ms = 1500};
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  api_answer(&scene, exec, 0, api_silence);
  api_answer(&scene, exec, 200, ok);
  daytona_future_t *future = daytona_process_exec(sandbox, "sleep 9", &opts);
  api_until_requests(&scene, 1);
  api_advance(&scene, 6800);
  api_spin(&scene, 10);
  assert_false(daytona_future_is_settled(future));
  api_advance(&scene, 200);
  api_must_fail(future, DAYTONA_EDEADLINE);
  api_says(future, "7000 ms");
  snprintf(mark, sizeof mark, "%s", mark_of(scene.requests[0]));
  assert_stops(&scene, mark, 1);
  api_settle(&scene);
  daytona_future_release(future);
  api_close_with(&scene, sandbox);
}

static void command_without_a_timeout_may_take_for_ever(void **state) {
  (void)state;
  const daytona_process_exec_opts_t opts[] = {{.timeout_ms = 0}, {.timeout_ms = DAYTONA_NO_TIMEOUT}};
  for (int i = 0; i < 2; i++) {
    api_scene_t scene;
    daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
    api_answer(&scene, exec, 0, api_silence);
    daytona_future_t *future = daytona_process_exec(sandbox, "sleep 9", &opts[i]);
    api_until_requests(&scene, 1);
    assert_null(json_at(api_body_of(scene.requests[0]), "timeout"));
    api_advance(&scene, (int64_t)30 * 24 * 3600 * 1000);
    api_spin(&scene, 10);
    assert_false(daytona_future_is_settled(future));
    api_scene_close_client(&scene);
    api_fails(future, DAYTONA_ECLOSED);
    api_close_with(&scene, sandbox);
  }
}

/* Sent and stored they would be, and then no command could be started with them. */
static void variables_that_no_program_can_be_given_are_not_sent(void **state) {
  (void)state;
  static char value[131072];
  memset(value, 'x', sizeof value - 1);
  const daytona_pair_t pairs[] = {{"A", "1"}, {"BIG", value}};
  const char *const words[] = {value};
  const daytona_map_t env = {pairs, 2};
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  size_t before = scene.request_count;
  daytona_future_t *futures[] = {
    daytona_process_exec(sandbox, "ls", &(daytona_process_exec_opts_t){.env = env}),
    daytona_process_code_run(sandbox, "1", &(daytona_process_code_run_opts_t){.env = env}),
    daytona_pty_create(sandbox, &(daytona_pty_create_opts_t){.env = env}),
    daytona_interpreter_run_code(sandbox, "1", &(daytona_interpreter_run_code_opts_t){.env = env}),
    daytona_sandbox_create(scene.client, &(daytona_sandbox_create_opts_t){.env = env})};
  for (size_t i = 0; i < sizeof futures / sizeof futures[0]; i++) {
    const daytona_error_t *error = daytona_future_error(api_must_fail(futures[i], DAYTONA_EINVAL));
    assert_non_null(strstr(error->message, "env: BIG is too long"));
    assert_null(strstr(error->message, "xxx"));
    daytona_future_release(futures[i]);
  }
  value[sizeof value - 2] = '\0'; /* with its NUL one less than there may be */
  const daytona_process_code_run_opts_t opts = {.argv = {words, 1}, .leaves_running = true};
  api_answer(&scene, code_run, 200, ok);
  api_done(daytona_process_code_run(sandbox, "1", &opts));
  assert_int_equal(scene.request_count, before + 1);
  api_close_with(&scene, sandbox);
}

/* --- where the toolbox is ---------------------------------------------------------------------- */

static const char where[] = "GET /api/sandbox/sb-1/toolbox-proxy-url";

/* A sandbox whose toolbox is not known. */
static daytona_sandbox_t *open_lost(api_scene_t *scene) {
  api_scene_open(scene);
  api_answer(scene, "GET /api/sandbox/sb-1", 200,
             "{\"id\":\"sb-1\",\"state\":\"started\",\"toolboxProxyUrl\":\"\"}");
  daytona_future_t *future = api_must(daytona_sandbox_get(scene->client, "sb-1", NULL));
  daytona_sandbox_t *sandbox = daytona_sandbox_retain(daytona_future_sandbox(future));
  daytona_future_release(future);
  return sandbox;
}

static const char *where_json(const api_scene_t *scene) {
  static char text[128];
  snprintf(text, sizeof text, "{\"url\":\"%s/\"}", scene->toolbox_url);
  return text;
}

static void missing_toolbox_is_asked_for_once(void **state) {
  (void)state;
  api_scene_t scene;
  daytona_sandbox_t *sandbox = open_lost(&scene);
  api_answer(&scene, where, 200, where_json(&scene));
  api_answer(&scene, exec, 200, ok);
  api_done(daytona_process_exec(sandbox, "ls", NULL));
  api_done(daytona_process_exec(sandbox, "ls", NULL));
  assert_int_equal(api_count(&scene, where), 1);
  assert_int_equal(api_count(&scene, exec), 2);
  assert_string_equal(api_body_of(api_request(&scene, where, 0)), "");
  api_close_with(&scene, sandbox);
}

static void several_that_miss_it_do_not_mix_up_their_answers(void **state) {
  (void)state;
  daytona_future_t *futures[5];
  api_scene_t scene;
  daytona_sandbox_t *sandbox = open_lost(&scene);
  api_answer(&scene, where, 200, where_json(&scene));
  api_answer(&scene, exec, 200, ok);
  for (int i = 0; i < 5; i++) futures[i] = daytona_process_exec(sandbox, "ls", NULL);
  for (int i = 0; i < 5; i++) {
    assert_string_equal(daytona_future_exec_result(api_must(futures[i]))->result, "hi\n");
    daytona_future_release(futures[i]);
  }
  assert_int_equal(api_count(&scene, exec), 5);
  api_close_with(&scene, sandbox);
}

static void toolbox_that_cannot_be_found_fails_the_call(void **state) {
  (void)state;
  static const struct {
    int status;
    const char *body;
    daytona_errcode_t code;
  } answers[] = {{500, "{\"message\":\"boom\"}", DAYTONA_EINTERNAL},
                 {404, "", DAYTONA_ENOTFOUND},
                 {200, "{}", DAYTONA_EPROTOCOL},
                 {200, "{\"url\":\"\"}", DAYTONA_EPROTOCOL},
                 {200, "{\"url\":\"ftp://x\"}", DAYTONA_EPROTOCOL},
                 {200, "{\"url\":\"http://\"}", DAYTONA_EPROTOCOL},
                 {200, "{\"url\":\"http://Q.0x.0/8\"}", DAYTONA_EPROTOCOL},
                 {200, "{\"url\":7}", DAYTONA_EPROTOCOL},
                 {200, "{\"url\":\"http://Q.0x.0/8\"}", DAYTONA_EPROTOCOL},
                 {200, "{\"url\":\"http://127.1/\"}", DAYTONA_EPROTOCOL},
                 {200, "", DAYTONA_EPROTOCOL},
                 {200, "{\"url\":\"http://h/a b\\r\\nX: y\"}", DAYTONA_EPROTOCOL}};
  for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
    api_scene_t scene;
    daytona_sandbox_t *sandbox = open_lost(&scene);
    api_answer(&scene, where, answers[i].status, answers[i].body);
    daytona_future_t *future = api_must_fail(daytona_process_exec(sandbox, "ls", NULL), answers[i].code);
    assert_int_equal(strncmp(daytona_future_error(future)->message, "Failed to execute command: ", 27), 0);
    api_spin(&scene, 20);
    assert_int_equal(api_count(&scene, where), 1); /* nothing was run, so nothing is to be stopped */
    assert_int_equal(scene.request_count, 2);
    daytona_future_release(future);
    api_close_with(&scene, sandbox);
  }
}

/* Asking is a plain request, however long the command may take. */
static void looking_for_the_toolbox_has_the_limit_of_a_request(void **state) {
  (void)state;
  api_scene_t scene;
  daytona_sandbox_t *sandbox = open_lost(&scene);
  api_answer(&scene, where, 0, api_silence);
  daytona_future_t *future = daytona_process_exec(sandbox, "ls", NULL);
  api_until_requests(&scene, 2);
  api_advance(&scene, 299000);
  api_spin(&scene, 10);
  assert_false(daytona_future_is_settled(future));
  api_advance(&scene, 1000);
  api_fails(future, DAYTONA_EDEADLINE);
  api_spin(&scene, 20);
  assert_int_equal(scene.request_count, 2);
  api_close_with(&scene, sandbox);
}

static void cancel_while_the_toolbox_is_looked_for_stops_nothing(void **state) {
  (void)state;
  api_scene_t scene;
  daytona_sandbox_t *sandbox = open_lost(&scene);
  api_answer(&scene, where, 0, api_silence);
  daytona_future_t *future = daytona_process_exec(sandbox, "ls", NULL);
  api_until_requests(&scene, 2);
  daytona_future_cancel(future);
  api_fails(future, DAYTONA_ECANCELED);
  api_spin(&scene, 20);
  assert_int_equal(scene.request_count, 2);
  api_close_with(&scene, sandbox);
}

static void refresh_moves_the_toolbox_and_nothing_takes_it_away(void **state) {
  (void)state;
  static const char *const useless[] = {"", ",\"toolboxProxyUrl\":\"\"", ",\"toolboxProxyUrl\":null",
                                        ",\"toolboxProxyUrl\":\"nonsense\""};
  char body[256];
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  snprintf(body, sizeof body,
           "{\"id\":\"sb-1\",\"state\":\"started\",\"toolboxProxyUrl\":\"http://127.0.0.1:%d/new/\"}",
           scene.peer.port);
  api_answer(&scene, "GET /api/sandbox/sb-1", 200, body);
  api_answer(&scene, "POST /toolbox/sb-1/process/execute", 200, ok);
  api_answer(&scene, "POST /new/sb-1/process/execute", 200, ok);
  api_done(daytona_process_exec(sandbox, "ls", NULL));
  api_done(daytona_sandbox_refresh_data(sandbox, NULL));
  for (int i = 0; i < 4; i++) {
    snprintf(body, sizeof body, "{\"id\":\"sb-1\",\"state\":\"started\"%s}", useless[i]);
    api_answer(&scene, "GET /api/sandbox/sb-1", 200, body);
    api_done(daytona_sandbox_refresh_data(sandbox, NULL));
    api_done(daytona_process_exec(sandbox, "ls", NULL));
  }
  assert_int_equal(api_count(&scene, "POST /new/sb-1/process/execute"), 4);
  assert_int_equal(api_count(&scene, exec), 1);
  api_close_with(&scene, sandbox);
}

/* What one parser of URLs takes and the other does not must not fail each call as if its arguments were wrong. */
static void a_toolbox_that_is_no_host_is_not_remembered(void **state) {
  (void)state;
  api_scene_t scene;
  api_scene_open(&scene);
  api_answer(&scene, "GET /api/sandbox/sb-1", 200,
             "{\"id\":\"sb-1\",\"state\":\"started\",\"toolboxProxyUrl\":\"http://Q.0x.0/8\"}");
  daytona_future_t *got = api_must(daytona_sandbox_get(scene.client, "sb-1", NULL));
  daytona_sandbox_t *sandbox = daytona_sandbox_retain(daytona_future_sandbox(got));
  daytona_future_release(got);
  api_answer(&scene, where, 200, "{\"url\":\"http://Q.0x.0/8\"}");
  api_answer(&scene, where, 200, where_json(&scene));
  api_answer(&scene, exec, 200, ok);
  daytona_future_t *future = api_must_fail(daytona_process_exec(sandbox, "ls", NULL), DAYTONA_EPROTOCOL);
  assert_non_null(strstr(daytona_future_error(future)->message, "unusable URL"));
  daytona_future_release(future);
  api_done(daytona_process_exec(sandbox, "ls", NULL));
  api_close_with(&scene, sandbox);
}

static void folders_are_strings_of_the_toolbox(void **state) {
  (void)state;
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  api_answer(&scene, "GET /toolbox/sb-1/user-home-dir", 200, "{\"dir\":\"/home/x\"}");
  api_answer(&scene, "GET /toolbox/sb-1/work-dir", 200, "{\"dir\":\"/w\"}");
  api_answer(&scene, "GET /toolbox/sb-1/work-dir", 200, "{}");
  daytona_future_t *home = api_must(daytona_sandbox_get_user_home_dir(sandbox, NULL));
  daytona_future_t *work = api_must(daytona_sandbox_get_work_dir(sandbox, NULL));
  assert_string_equal(daytona_future_string(home), "/home/x");
  assert_string_equal(daytona_future_string(work), "/w");
  assert_wrong_accessor(daytona_future_exec_result(work));
  daytona_future_release(home);
  daytona_future_release(work);
  api_fails(daytona_sandbox_get_work_dir(sandbox, NULL), DAYTONA_EPROTOCOL);
  api_close_with(&scene, sandbox);
}

/* --- long responses ------------------------------------------------------------------------------ */

/* An exec answer of `size` bytes of output. */
static void answer_long(api_scene_t *scene, size_t size) {
  static const char head[] = "{\"exitCode\":0,\"result\":\"", tail[] = "\"}";
  char *body = malloc(sizeof head + size + sizeof tail);
  assert_non_null(body);
  memcpy(body, head, sizeof head - 1);
  memset(body + sizeof head - 1, 'x', size);
  memcpy(body + sizeof head - 1 + size, tail, sizeof tail);
  api_answer(scene, exec, 200, body);
  free(body);
}

/* Turn until the request is over and its response is being read. */
static void until_read(api_scene_t *scene, const daytona_future_t *future) {
  size_t in_flight = 1, waiting;
  while (in_flight != 0) {
    uv_run(&scene->uv, UV_RUN_NOWAIT);
    daytona__http_counts(scene->client->http, &in_flight, &waiting);
  }
  assert_false(daytona_future_is_settled(future));
}

static void a_long_answer_leaves_turns_to_others(void **state) {
  (void)state;
  enum { SIZE = 4 << 20 };
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  answer_long(&scene, SIZE);
  daytona_future_t *future = daytona_process_exec(sandbox, "x", &unmarked);
  until_read(&scene, future);
  size_t turns = 0;
  for (; !daytona_future_is_settled(future); turns++) uv_run(&scene.uv, UV_RUN_NOWAIT);
  assert_true(turns >= SIZE / (256 << 10));
  assert_int_equal(daytona_future_exec_result(future)->result_size, SIZE);
  daytona_future_release(future);
  api_close_with(&scene, sandbox);
}

static void a_long_answer_can_be_given_up(void **state) {
  (void)state;
  for (int closes = 0; closes < 2; closes++) {
    api_scene_t scene;
    daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
    answer_long(&scene, 2 << 20);
    daytona_future_t *future = daytona_process_exec(sandbox, "x", &unmarked);
    until_read(&scene, future);
    if (closes)
      api_scene_close_client(&scene);
    else
      daytona_future_cancel(future);
    api_fails(future, closes ? DAYTONA_ECLOSED : DAYTONA_ECANCELED);
    api_close_with(&scene, sandbox);
  }
}

static void a_long_answer_that_is_malformed_says_where(void **state) {
  (void)state;
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  static const char head[] = "{\"result\":\"", tail[] = "\",\"exitCode\":\"no number\"}";
  static char body[sizeof head + (1 << 20) + sizeof tail];
  memset(body, 'x', sizeof body);
  memcpy(body, head, sizeof head - 1);
  memcpy(body + sizeof body - sizeof tail, tail, sizeof tail);
  api_answer(&scene, exec, 200, body);
  daytona_future_t *future = api_must_fail(daytona_process_exec(sandbox, "x", &unmarked), DAYTONA_EPROTOCOL);
  assert_string_equal(daytona_future_error(future)->field, "exitCode");
  daytona_future_release(future);
  api_close_with(&scene, sandbox);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(exec_body_is_the_command_and_its_mark),
    cmocka_unit_test(exec_options_have_their_place),
    cmocka_unit_test(timeout_is_rounded_up_to_seconds),
    cmocka_unit_test(code_run_sends_language_and_arguments),
    cmocka_unit_test(bad_arguments_are_refused),
    cmocka_unit_test(command_over_the_limit_is_refused),
    cmocka_unit_test(answers_of_all_ages_are_read),
    cmocka_unit_test(answers_without_a_verdict_are_malformed),
    cmocka_unit_test(cancelled_command_is_stopped_by_its_mark),
    cmocka_unit_test(nothing_is_stopped_that_was_not_sent_or_has_answered),
    cmocka_unit_test(command_cancelled_while_connecting_is_not_stopped),
    cmocka_unit_test(lost_answer_stops_the_command),
    cmocka_unit_test(stopping_does_not_wait_for_a_free_connection),
    cmocka_unit_test(mark_of_the_caller_is_refused),
    cmocka_unit_test(unmarked_command_is_left_alone),
    cmocka_unit_test(closing_the_client_stops_nothing),
    cmocka_unit_test(client_gives_up_five_seconds_after_the_server),
    cmocka_unit_test(command_without_a_timeout_may_take_for_ever),
    cmocka_unit_test(variables_that_no_program_can_be_given_are_not_sent),
    cmocka_unit_test(missing_toolbox_is_asked_for_once),
    cmocka_unit_test(several_that_miss_it_do_not_mix_up_their_answers),
    cmocka_unit_test(toolbox_that_cannot_be_found_fails_the_call),
    cmocka_unit_test(looking_for_the_toolbox_has_the_limit_of_a_request),
    cmocka_unit_test(cancel_while_the_toolbox_is_looked_for_stops_nothing),
    cmocka_unit_test(refresh_moves_the_toolbox_and_nothing_takes_it_away),
    cmocka_unit_test(a_long_answer_leaves_turns_to_others),
    cmocka_unit_test(a_long_answer_can_be_given_up),
    cmocka_unit_test(a_long_answer_that_is_malformed_says_where),
    cmocka_unit_test(a_toolbox_that_is_no_host_is_not_remembered),
    cmocka_unit_test(folders_are_strings_of_the_toolbox),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
