/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions: what is sent and understood. Following a log is in follow.c.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/check.h"
#include "support/misuse.h"
#include "support/same_json.h"
#include "support/stream_scene.h"

#define SESSION "/toolbox/sb-1/process/session"
#define COMMAND SESSION "/s/command/c"
static const char get_command[] = "GET " COMMAND;
static const char get_logs[] = "GET " COMMAND "/logs";
static const char finished[] = "{\"id\":\"c\",\"command\":\"make\",\"exitCode\":3}";

/* --- requests ---------------------------------------------------------------------------------- */

static void each_call_asks_for_its_resource(void **state) {
  stream_scene_t scene;
  stream_open(&scene);
  api_scene_t *api = &scene.api;
  api_answer(api, "POST " SESSION, 201, "");
  api_answer(api, "GET " SESSION "/s", 200,
             "{\"sessionId\":\"s\",\"commands\":[{\"id\":\"c\",\"command\":\"x\",\"exitCode\":0},"
             "{\"id\":\"d\",\"command\":\"y\"}]}");
  api_answer(api, "GET " SESSION, 200, "[{\"sessionId\":\"s\",\"commands\":null},{\"sessionId\":\"t\"}]");
  api_answer(api, "DELETE " SESSION "/a%2Fb", 204, "");
  api_answer(api, get_command, 200, finished);
  api_answer(api, "POST " COMMAND "/input", 204, "");
  api_done(daytona_session_create(scene.sandbox, "s", NULL));
  assert_same_json(api_body_of(api->requests[0]), "{\"sessionId\":\"s\"}");
  daytona_future_t *future = api_must(daytona_session_get(scene.sandbox, "s", NULL));
  const daytona_session_t *session = daytona_future_session(future);
  assert_int_equal(session->command_count, 2);
  assert_true(session->commands[0]->exit_code.is_set && !session->commands[1]->exit_code.is_set);
  assert_wrong_accessor(daytona_future_session_list(future));
  daytona_future_release(future);
  future = api_must(daytona_session_list(scene.sandbox, NULL));
  assert_int_equal(daytona_future_session_list(future)->count, 2);
  assert_string_equal(daytona_future_session_list(future)->items[1]->id, "t");
  assert_int_equal(daytona_future_session_list(future)->items[0]->command_count, 0);
  daytona_future_release(future);
  api_done(daytona_session_delete(scene.sandbox, "a/b", NULL));
  future = api_must(daytona_session_get_command(scene.sandbox, "s", "c", NULL));
  assert_int_equal(daytona_future_session_command(future)->exit_code.value, 3);
  daytona_future_release(future);
  api_done(daytona_session_send_input(scene.sandbox, "s", "c", "yes", NULL));
  assert_same_json(api_body_of(api_request(api, "POST " COMMAND "/input", 0)), "{\"data\":\"yes\"}");
  stream_close(&scene);
}

static void entrypoint_is_a_session_of_its_own(void **state) {
  stream_scene_t scene;
  stream_open(&scene);
  api_answer(
    &scene.api, "GET " SESSION "/entrypoint", 200,
    "{\"sessionId\":\"entrypoint\",\"commands\":[{\"id\":\"entrypoint_command\",\"command\":\"\"}]}");
  stream_answer_text(&scene, "GET " SESSION "/entrypoint/logs", "\1\1\1up\n");
  daytona_future_t *future = api_must(daytona_session_get_entrypoint(scene.sandbox, NULL));
  assert_string_equal(daytona_future_session(future)->commands[0]->id, "entrypoint_command");
  daytona_future_release(future);
  future = api_must(daytona_session_get_entrypoint_logs(scene.sandbox, NULL));
  assert_string_equal(daytona_future_session_logs(future)->out.data, "up\n");
  daytona_future_release(future);
  stream_close(&scene);
}

static void bad_arguments_do_not_leave_the_client(void **state) {
  stream_scene_t scene;
  const daytona_session_follow_opts_t policy = {.policy = (daytona_buffer_policy_t)7};
  const daytona_session_follow_opts_t buffer = {.buffer_bytes = (size_t)1 << 30};
  const daytona_session_follow_opts_t negative = {.timeout_ms = -5};
  const daytona_session_follow_opts_t reserved = {.reserved = {0, 0, 0, 1}};
  stream_open(&scene);
  api_fails(daytona_session_create(scene.sandbox, NULL, NULL), DAYTONA_EINVAL);
  api_fails(daytona_session_get(scene.sandbox, "", NULL), DAYTONA_EINVAL);
  api_fails(daytona_session_get_command(scene.sandbox, "s", NULL, NULL), DAYTONA_EINVAL);
  api_fails(daytona_session_get_command_logs(scene.sandbox, "s", "..", NULL), DAYTONA_EINVAL);
  api_fails(daytona_session_exec(scene.sandbox, "s", " \n", NULL), DAYTONA_EINVAL);
  api_fails(daytona_session_send_input(scene.sandbox, "s", "c", "", NULL), DAYTONA_EINVAL);
  api_fails(daytona_session_follow(scene.sandbox, "s", NULL, NULL), DAYTONA_EINVAL);
  api_fails(daytona_session_follow(scene.sandbox, NULL, "c", NULL), DAYTONA_EINVAL);
  api_fails(daytona_session_follow(scene.sandbox, "s", "c", &policy), DAYTONA_EINVAL);
  api_fails(daytona_session_follow(scene.sandbox, "s", "c", &buffer), DAYTONA_EINVAL);
  api_fails(daytona_session_follow(scene.sandbox, "s", "c", &negative), DAYTONA_EINVAL);
  api_fails(daytona_session_follow(scene.sandbox, "s", "c", &reserved), DAYTONA_EINVAL);
  assert_int_equal(scene.api.request_count + scene.upgrades, 0);
  stream_close(&scene);
}

static void a_missing_part_of_the_output_is_made_from_the_log(void **state) {
  static const char exec[] = "POST " SESSION "/s/exec";
  stream_scene_t scene;
  stream_open(&scene);
  api_answer(
    &scene.api, exec, 200,
    "{\"cmdId\":\"c\",\"output\":\"\\u0001\\u0001\\u0001a\\n\\u0002\\u0002\\u0002b\\n\",\"stdout\":null,"
    "\"stderr\":null,\"exitCode\":1}");
  api_answer(&scene.api, exec, 200,
             "{\"cmdId\":\"c\",\"output\":\"raw\",\"stdout\":\"x\",\"stderr\":\"\",\"exitCode\":0}");
  api_answer(&scene.api, exec, 202,
             "{\"cmdId\":\"c\",\"output\":null,\"stdout\":null,\"stderr\":null,\"exitCode\":null}");
  daytona_future_t *future = api_must(daytona_session_exec(scene.sandbox, "s", "x", NULL));
  const daytona_session_exec_result_t *result = daytona_future_session_exec_result(future);
  assert_string_equal(result->logs.out.data, "a\n");
  assert_string_equal(result->logs.err.data, "b\n");
  assert_int_equal(result->exit_code.value, 1);
  daytona_future_release(future);
  future = api_must(daytona_session_exec(scene.sandbox, "s", "x", NULL));
  assert_string_equal(daytona_future_session_exec_result(future)->logs.out.data, "x");
  daytona_future_release(future);
  const daytona_session_exec_opts_t async = {.run_async = true, .suppress_input_echo = true};
  future = api_must(daytona_session_exec(scene.sandbox, "s", "x", &async));
  assert_false(daytona_future_session_exec_result(future)->exit_code.is_set);
  assert_string_equal(daytona_future_session_exec_result(future)->logs.err.data, "");
  daytona_future_release(future);
  assert_same_json(api_body_of(api_request(&scene.api, exec, 2)),
                   "{\"command\":\"x\",\"runAsync\":true,\"suppressInputEcho\":true}");
  stream_close(&scene);
}

static void logs_come_as_json_and_as_text(void **state) {
  stream_scene_t scene;
  stream_open(&scene);
  stream_answer_text(&scene, get_logs, "\1\1\1a\xFF\n\2\2\2b\n");
  api_answer(&scene.api, get_logs, 200, "{\"output\":\"o\",\"stdout\":\"a\\u0000\",\"stderr\":\"b\"}");
  api_answer(&scene.api, get_logs, 0, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  api_answer(&scene.api, get_logs, 200, "{\"output\":7}");
  daytona_future_t *future = api_must(daytona_session_get_command_logs(scene.sandbox, "s", "c", NULL));
  assert_string_equal(daytona_future_session_logs(future)->out.data, "a\xFF\n");
  assert_string_equal(daytona_future_session_logs(future)->err.data, "b\n");
  daytona_future_release(future);
  future = api_must(daytona_session_get_command_logs(scene.sandbox, "s", "c", NULL));
  assert_int_equal(daytona_future_session_logs(future)->out.size, 2);
  daytona_future_release(future);
  future = api_must(daytona_session_get_command_logs(scene.sandbox, "s", "c", NULL));
  assert_string_equal(daytona_future_session_logs(future)->output.data, "");
  daytona_future_release(future);
  api_fails(daytona_session_get_command_logs(scene.sandbox, "s", "c", NULL), DAYTONA_EPROTOCOL);
  stream_close(&scene);
}

/* --- long logs --------------------------------------------------------------------------------- */

enum { LONG_LINES = 200000 };

/* A log of both streams as it is, or in JSON. */
static char *long_log(bool is_json) {
  const char *out = is_json ? "\\u0001\\u0001\\u0001out line\\n" : "\1\1\1out line\n";
  const char *err = is_json ? "\\u0002\\u0002\\u0002err\\n" : "\2\2\2err\n";
  char *text = malloc(LONG_LINES * (strlen(out) + strlen(err)) + 64), *at = text;
  assert_non_null(text);
  if (is_json) at += sprintf(at, "{\"output\":\"");
  for (int i = 0; i < LONG_LINES; i++) at += sprintf(at, "%s%s", out, err);
  if (is_json) at += sprintf(at, "\"}");
  return text;
}

static daytona_future_t *ask_for_long_log(stream_scene_t *scene, bool is_json) {
  char *text = long_log(is_json);
  if (is_json)
    api_answer(&scene->api, get_logs, 200, text);
  else
    stream_answer_text(scene, get_logs, text);
  free(text);
  return daytona_session_get_command_logs(scene->sandbox, "s", "c", NULL);
}

/* Decoding and dividing it takes many turns, and gives the same as if it took one. */
static void a_long_log_is_divided_over_many_turns(void **state) {
  for (int is_json = 0; is_json < 2; is_json++) {
    stream_scene_t scene;
    stream_open(&scene);
    daytona_future_t *future = api_must(ask_for_long_log(&scene, is_json));
    const daytona_session_logs_t *logs = daytona_future_session_logs(future);
    assert_int_equal(logs->output.size, LONG_LINES * 19);
    assert_int_equal(logs->out.size, LONG_LINES * 9);
    assert_int_equal(logs->err.size, LONG_LINES * 4);
    for (size_t i = 0; i < LONG_LINES; i++) {
      assert_memory_equal(logs->out.data + i * 9, "out line\n", 9);
      assert_memory_equal(logs->err.data + i * 4, "err\n", 4);
    }
    assert_int_equal(logs->out.data[logs->out.size] + logs->err.data[logs->err.size], 0);
    daytona_future_release(future);
    stream_close(&scene);
  }
}

static void a_long_log_can_be_given_up_at_any_turn(void **state) {
  for (int turns = 0; turns < 8; turns++) {
    stream_scene_t scene;
    stream_open(&scene);
    daytona_future_t *future = ask_for_long_log(&scene, turns % 2 != 0);
    size_t in_flight = 1, waiting;
    while (in_flight != 0) {
      uv_run(&scene.api.uv, UV_RUN_NOWAIT);
      daytona__http_counts(scene.api.client->http, &in_flight, &waiting);
    }
    for (int i = 0; i < turns; i++) uv_run(&scene.api.uv, UV_RUN_NOWAIT);
    assert_false(daytona_future_is_settled(future));
    daytona_future_cancel(future);
    api_fails(future, DAYTONA_ECANCELED);
    stream_close(&scene);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(each_call_asks_for_its_resource),
    cmocka_unit_test(entrypoint_is_a_session_of_its_own),
    cmocka_unit_test(bad_arguments_do_not_leave_the_client),
    cmocka_unit_test(a_missing_part_of_the_output_is_made_from_the_log),
    cmocka_unit_test(logs_come_as_json_and_as_text),
    cmocka_unit_test(a_long_log_is_divided_over_many_turns),
    cmocka_unit_test(a_long_log_can_be_given_up_at_any_turn),
  };
  signal(SIGPIPE, SIG_IGN); /* the peer writes to clients that have gone */
  return cmocka_run_group_tests(tests, NULL, NULL);
}
