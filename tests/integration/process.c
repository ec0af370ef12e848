/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands and code against daytona-local.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/check.h"
#include "support/session.h"

/* One sandbox serves the tests of this file. */
static session_t shared;
static daytona_sandbox_t *sandbox;

static int open_shared(void **state) {
  session_open(&shared, NULL);
  sandbox = session_sandbox(&shared, NULL);
  return 0;
}

static int close_shared(void **state) {
  session_delete(sandbox);
  session_close(&shared);
  return 0;
}

static void exit_codes_and_output_come_back(void **state) {
  session_expect(sandbox, "echo out; echo err >&2; exit 3", 3, "out\nerr\n");
  session_expect(sandbox, "true", 0, "");
  session_expect(sandbox, "kill -9 $$", -1, NULL);
  session_expect(sandbox, "sh -c 'kill -9 $$'", 137, NULL);
  session_expect(sandbox, "printf 'grüße 日本 🚀'", 0, "grüße 日本 🚀");
  session_expect(sandbox, "printf '\\377ok'", 0, "\xef\xbf\xbdok");
  session_expect(sandbox, "cd /tmp\nfor i in 1 2 3; do\n echo $i\ndone", 0, "1\n2\n3\n");
}

static void cwd_and_env_are_used(void **state) {
  daytona_pair_t env[] = {{"A", "1 'quoted' \"twice\" $HOME"}, {"B", ""}};
  daytona_process_exec_opts_t opts = {.cwd = "/tmp", .env = {env, 2}};
  daytona_future_t *future =
    api_must(daytona_process_exec(sandbox, "pwd; printf '%s|%s\\n' \"$A\" \"${B-unset}\"", &opts));
  assert_string_equal(daytona_future_exec_result(future)->result, "/tmp\n1 'quoted' \"twice\" $HOME|\n");
  daytona_future_release(future);
  daytona_process_exec_opts_t nowhere = {.cwd = "/no/such/folder"};
  future = api_must(daytona_process_exec(sandbox, "true", &nowhere));
  assert_int_equal(daytona_future_exec_result(future)->exit_code, -1);
  daytona_future_release(future);
}

static void output_may_hold_a_nul(void **state) {
  daytona_future_t *future = api_must(daytona_process_exec(sandbox, "printf 'a\\000b'", NULL));
  const daytona_exec_result_t *result = daytona_future_exec_result(future);
  assert_int_equal(result->result_size, 3);
  assert_memory_equal(result->result, "a\0b", 3);
  daytona_future_release(future);
}

static void big_output_arrives_whole(void **state) {
  daytona_future_t *future =
    api_must(daytona_process_exec(sandbox, "head -c 8388608 /dev/zero | tr '\\0' x", NULL));
  const daytona_exec_result_t *result = daytona_future_exec_result(future);
  assert_int_equal(result->result_size, 8388608);
  for (size_t i = 0; i < result->result_size; i++)
    if (result->result[i] != 'x') fail_msg("byte %zu differs", i);
  daytona_future_release(future);
}

static void long_script_arrives_whole(void **state) {
  size_t size = 512 * 1024;
  char *script = malloc(size);
  memset(script, ' ', size);
  memcpy(script, "x=1", 3);
  snprintf(script + size - 16, 16, "\necho end $x");
  session_expect(sandbox, script, 0, "end 1\n");
  free(script);
}

static void timeout_is_kept_by_the_server(void **state) {
  daytona_process_exec_opts_t opts = {.timeout_ms = 400}; /* becomes a second */
  uint64_t began = uv_hrtime();
  daytona_future_t *future = api_must_fail_as(
    daytona_process_exec(sandbox, "touch began; sleep 30 & sleep 30", &opts), DAYTONA_EPROCESS_TIMEOUT);
  uint64_t took_ms = (uv_hrtime() - began) / 1000000;
  assert_true(took_ms >= 900 && took_ms < 4000);
  assert_true(daytona_error_is(daytona_future_error(future), DAYTONA_ETIMEOUT));
  assert_int_equal(daytona_future_error(future)->http_status, 408);
  daytona_future_release(future);
  session_expect(sandbox, "ls began; pgrep -f 'sleep 3[0]'", 1, "began\n");
}

/* Turn the loop until the sandbox shows what `command` checks, by running it again and again. */
static bool comes_true(const char *command) {
  for (int i = 0; i < 100; i++) {
    daytona_future_t *future = api_must(daytona_process_exec(sandbox, command, NULL));
    bool is_true = daytona_future_exec_result(future)->exit_code == 0;
    daytona_future_release(future);
    if (is_true) return true;
  }
  return false;
}

static void cancel_kills_the_remote_command_and_its_children(void **state) {
  daytona_future_t *future =
    daytona_process_exec(sandbox, "setsid sleep 4711 & (sleep 4711; true) & touch running; sleep 4711", NULL);
  assert_true(comes_true("test -e running"));
  daytona_future_cancel(future);
  api_fails_as(future, DAYTONA_ECANCELED);
  assert_true(comes_true("sleep 0.05; ! pgrep -f 'sleep 471[1]'"));
}

/* Processes without the mark: their parents have it. */
static void cancel_kills_children_that_have_no_environment(void **state) {
  static const char *const commands[] = {
    "env -i sleep 4713",
    "env -i setsid sleep 4713 & wait",
    "(env -i sh -c 'env -i sleep 4713; true'; true) & wait",
    "trap '' TERM INT HUP; env -i sleep 4713; sleep 4713",
    "python3 -c 'import subprocess; subprocess.run([\"/usr/bin/sleep\", \"4713\"], env={})'",
    "perl -e '$0 = \"x\" x 3000; fork; exec \"sleep 4713\"'",
  };
  for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
    daytona_future_t *future = daytona_process_exec(sandbox, commands[i], NULL);
    if (!comes_true("pgrep -f 'sleep 471[3]'")) fail_msg("does not begin: %s", commands[i]);
    daytona_future_cancel(future);
    api_fails_as(future, DAYTONA_ECANCELED);
    if (!comes_true("sleep 0.05; ! pgrep -f 'sleep 471[3]'")) fail_msg("is left: %s", commands[i]);
  }
}

static void cancel_leaves_running_what_it_was_told_to(void **state) {
  daytona_process_exec_opts_t opts = {.leaves_running = true};
  daytona_future_t *future = daytona_process_exec(sandbox, "sleep 4712; touch done", &opts);
  assert_true(comes_true("pgrep -f 'sleep 471[2]'"));
  daytona_future_cancel(future);
  api_fails_as(future, DAYTONA_ECANCELED);
  session_expect(sandbox, "sleep 1.2; pgrep -fc 'sleep 471[2]'", 0, NULL);
  session_expect(sandbox, "pkill -f 'sleep 471[2]'", 0, "");
}

enum { AT_ONCE = 300 }; /* more than there are connections */

static void many_commands_run_at_once(void **state) {
  daytona_future_t *futures[AT_ONCE];
  char command[64], expected[32];
  for (int i = 0; i < AT_ONCE; i++) {
    snprintf(command, sizeof command, "echo %d", i);
    futures[i] = daytona_process_exec(sandbox, command, NULL);
  }
  daytona_future_t *all = api_must(daytona_future_all(shared.client, futures, AT_ONCE));
  for (int i = 0; i < AT_ONCE; i++) {
    snprintf(expected, sizeof expected, "%d\n", i);
    const daytona_future_t *member = daytona_future_member(all, (size_t)i);
    assert_string_equal(daytona_future_exec_result(member)->result, expected);
  }
  daytona_future_release(all);
}

static void run_code(const char *language, const char *code, int exit_code, const char *output) {
  daytona_process_code_run_opts_t opts = {.language = language};
  daytona_future_t *future = api_must(daytona_process_code_run(sandbox, code, &opts));
  const daytona_exec_result_t *result = daytona_future_exec_result(future);
  if (result->exit_code != exit_code) fail_msg("exit code %d: %s", result->exit_code, result->result);
  if (output != NULL) assert_string_equal(result->result, output);
  daytona_future_release(future);
}

static void code_of_three_languages_runs(void **state) {
  run_code(NULL, "print('python', 6 * 7)", 0, "python 42\n");
  run_code("python", "raise ValueError('no')", 1, NULL);
  run_code("javascript", "console.log('node', 6 * 7)", 0, "node 42\n");
  run_code("typescript", "const n: number = 6 * 7; console.log('ts', n)", 0, "ts 42\n");
  daytona_process_code_run_opts_t unknown = {.language = "cobol"};
  api_fails_as(daytona_process_code_run(sandbox, "x", &unknown), DAYTONA_EINVAL);
}

static void code_gets_arguments_and_environment(void **state) {
  const char *argv[] = {"one", "two"};
  daytona_pair_t env[] = {{"FROM", "env"}};
  daytona_process_code_run_opts_t opts = {.argv = {argv, 2}, .env = {env, 1}};
  daytona_future_t *future = api_must(
    daytona_process_code_run(sandbox, "import os, sys\nprint(sys.argv[1:], os.environ['FROM'])", &opts));
  assert_string_equal(daytona_future_exec_result(future)->result, "['one', 'two'] env\n");
  assert_null(daytona_future_exec_result(future)->artifacts);
  daytona_future_release(future);
}

static void charts_are_typed_and_raw(void **state) {
  static const char code[] =
    "print('dtn_artifact_k39fd2:{\"type\":\"chart\",\"value\":{\"type\":\"line\",\"title\":\"T\","
    "\"elements\":[]}}')\n"
    "print('after')";
  daytona_future_t *future = api_must(daytona_process_code_run(sandbox, code, NULL));
  const daytona_exec_result_t *result = daytona_future_exec_result(future);
  assert_string_equal(result->result, "after\n");
  assert_non_null(result->artifacts);
  assert_non_null(strstr(result->artifacts, "\"charts\""));
  assert_int_equal(result->charts->count, 1);
  assert_int_equal(result->charts->items[0]->type, DAYTONA_CHART_LINE);
  assert_string_equal(result->charts->items[0]->title, "T");
  daytona_future_release(future);
}

static void folders_are_told(void **state) {
  daytona_future_t *future = api_must(daytona_sandbox_get_user_home_dir(sandbox, NULL));
  assert_string_equal(daytona_future_string(future), "/home/daytona");
  daytona_future_release(future);
  future = api_must(daytona_sandbox_get_work_dir(sandbox, NULL));
  assert_string_equal(daytona_future_string(future), "/home/daytona");
  daytona_future_release(future);
}

static void bad_arguments_fail_through_the_future(void **state) {
  daytona_pair_t bad_name[] = {{"1A", "x"}}, no_value[] = {{"A", NULL}};
  daytona_process_exec_opts_t bad[] = {
    {.env = {bad_name, 1}},    {.env = {no_value, 1}}, {.env = {NULL, 1}}, {.timeout_ms = -3},
    {.timeout_ms = INT64_MAX}, {.cwd = "\xff"},        {.reserved = {1}},
  };
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
    api_fails_as(daytona_process_exec(sandbox, "true", &bad[i]), DAYTONA_EINVAL);
  api_fails_as(daytona_process_exec(sandbox, NULL, NULL), DAYTONA_EINVAL);
  api_fails_as(daytona_process_exec(sandbox, " \n\t", NULL), DAYTONA_EINVAL);
  api_fails_as(daytona_process_exec(sandbox, "echo \xc3\x28", NULL), DAYTONA_EINVAL);
  api_fails_as(daytona_process_code_run(sandbox, "", NULL), DAYTONA_EINVAL);
  daytona_process_code_run_opts_t argv = {.argv = {NULL, 2}};
  api_fails_as(daytona_process_code_run(sandbox, "1", &argv), DAYTONA_EINVAL);
  session_expect(sandbox, "echo still usable", 0, "still usable\n");
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(exit_codes_and_output_come_back),
    cmocka_unit_test(cwd_and_env_are_used),
    cmocka_unit_test(output_may_hold_a_nul),
    cmocka_unit_test(big_output_arrives_whole),
    cmocka_unit_test(long_script_arrives_whole),
    cmocka_unit_test(timeout_is_kept_by_the_server),
    cmocka_unit_test(cancel_kills_the_remote_command_and_its_children),
    cmocka_unit_test(cancel_kills_children_that_have_no_environment),
    cmocka_unit_test(cancel_leaves_running_what_it_was_told_to),
    cmocka_unit_test(many_commands_run_at_once),
    cmocka_unit_test(code_of_three_languages_runs),
    cmocka_unit_test(code_gets_arguments_and_environment),
    cmocka_unit_test(charts_are_typed_and_raw),
    cmocka_unit_test(folders_are_told),
    cmocka_unit_test(bad_arguments_fail_through_the_future),
  };
  return cmocka_run_group_tests(tests, open_shared, close_shared);
}
