/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Terminals: how they are created and attached to, output early and late, input in chunks, and one outcome for every
 * way in which they can end.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "call/sandbox_object.h"
#include "support/alloc.h"
#include "support/check.h"
#include "support/same_json.h"
#include "support/stream_scene.h"

#define PTY "/toolbox/sb-1/process/pty"

static const char connected[] = "{\"type\":\"control\",\"status\":\"connected\"}";
static const char missing_answer[] = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
static const char info_json[] =
  "{\"id\":\"t\",\"cwd\":\"/w\",\"envs\":{\"TERM\":\"x\"},\"cols\":100,\"rows\":30,"
  "\"createdAt\":\"2026-01-01T00:00:00Z\",\"active\":true,\"lazyStart\":false}";

typedef struct heard {
  stream_scene_t *scene;
  daytona_pty_t *pty;
  char out[4096];
  int calls, drained;
  void (*action)(struct heard *heard);
} heard_t;

static void on_output(const daytona_output_t *output, void *user) {
  heard_t *heard = user;
  size_t at = strlen(heard->out);
  assert_true(output->size != 0 && at + output->size < sizeof heard->out);
  heard->calls++;
  assert_true(output->stream == DAYTONA_OUTPUT_STDOUT && output->future == NULL);
  heard->pty = output->pty;
  if (heard->action != NULL) heard->action(heard);
  memcpy(heard->out + at, output->bytes, output->size); /* still there, whatever was done */
}

static void on_drained(daytona_pty_t *pty, void *user) { ((heard_t *)user)->drained++; }

static void play_text(stream_script_t *script, const char *text) {
  stream_frame(script, 1, text, strlen(text));
}
static void play_output(stream_script_t *script, const char *text) {
  stream_frame(script, 2, text, strlen(text));
}

/* Attach to a terminal that sends `script` and then does `fate`; one reference is the caller's. */
static daytona_pty_t *attach(stream_scene_t *scene, stream_script_t *script, stream_fate_t fate,
                             daytona_pty_attach_t how) {
  const daytona_pty_connect_opts_t opts = {.attach = how};
  stream_play(scene, script, script->size, fate);
  daytona_future_t *future = api_must(daytona_pty_connect(scene->sandbox, "t", &opts));
  daytona_pty_t *pty = daytona_pty_retain(daytona_future_pty(future));
  daytona_future_release(future);
  stream_script_clear(script);
  return pty;
}

/* The outcome, which must be this one. Lets `pty` go. */
static daytona_stream_end_t ends_with(daytona_pty_t *pty, daytona_stream_reason_t reason) {
  daytona_future_t *future = api_must(daytona_pty_wait(pty));
  const daytona_stream_end_t *end = daytona_future_stream_end(future);
  if (end->reason != reason) fail_msg("%s: %s", daytona_stream_reason_text(end->reason), end->message);
  assert_int_equal(daytona_pty_end(pty)->reason, reason);
  assert_false(daytona_pty_is_connected(pty));
  assert_int_equal(daytona_pty_write(pty, "x", 1), DAYTONA_ECONNECTION);
  daytona_stream_end_t copy = *end;
  copy.message = NULL;
  daytona_future_release(future);
  future = api_must(daytona_pty_wait(pty)); /* also when it was told before */
  assert_int_equal(daytona_future_stream_end(future)->reason, reason);
  daytona_future_release(future);
  daytona_pty_release(pty);
  return copy;
}

/* --- creating ---------------------------------------------------------------------------------- */

static void creating_is_one_upgrade(void **state) {
  stream_scene_t *scene = *state;
  static const daytona_pair_t env[] = {{"A", "1"}, {"B", "\xC3\xA9>>>???"}};
  heard_t heard = {0};
  play_text(&scene->script, connected);
  play_output(&scene->script, "$ ");
  stream_play(scene, &scene->script, scene->script.size, STREAM_STAYS);
  const daytona_pty_create_opts_t opts = {.id = "t",
                                          .cwd = "/a b",
                                          .env = {env, 2},
                                          .cols = 100,
                                          .attach = {.on_output = on_output, .user = &heard}};
  daytona_future_t *future = api_must(daytona_pty_create(scene->sandbox, &opts));
  daytona_pty_t *pty = daytona_future_pty(future);
  assert_string_equal(daytona_pty_id(pty), "t");
  assert_ptr_equal(daytona_pty_sandbox(pty), scene->sandbox);
  assert_true(daytona_pty_is_connected(pty));
  assert_null(daytona_pty_end(pty));
  assert_non_null(
    strstr(scene->upgrade, "GET " PTY "/create-connect?id=t&cols=100&rows=24&cwd=/a%20b HTTP/1.1"));
  assert_non_null(strstr(scene->upgrade,
                         "Sec-WebSocket-Protocol: X-Daytona-Pty-Exit-Control, "
                         "X-Daytona-Pty-Envs~eyJBIjoiMSIsIkIiOiLDqT4-Pj8_PyJ9\r\n"));
  while (heard.calls == 0) uv_run(&scene->api.uv, UV_RUN_ONCE);
  assert_string_equal(heard.out, "$ ");
  daytona_future_release(future); /* with the last reference the client leaves */
}

static void older_servers_create_and_attach_in_turn(void **state) {
  stream_scene_t *scene = *state;
  static const daytona_pair_t env[] = {{"A", "1"}};
  scene->refusal = missing_answer;
  api_answer(&scene->api, "POST " PTY, 201, "{\"sessionId\":\"t\"}");
  const daytona_pty_create_opts_t opts = {.id = "t", .env = {env, 1}};
  daytona_future_t *future = daytona_pty_create(scene->sandbox, &opts);
  api_until_requests(&scene->api, 1);
  assert_same_json(api_body_of(scene->api.requests[0]),
                   "{\"id\":\"t\",\"envs\":{\"A\":\"1\"},\"cols\":80,\"rows\":24,\"lazyStart\":true}");
  scene->refusal = NULL;
  play_text(&scene->script, connected);
  stream_script_t none = {0};
  stream_play(scene, &none, 0, STREAM_STAYS); /* of the upgrade that was refused */
  stream_play(scene, &scene->script, scene->script.size, STREAM_STAYS);
  api_must(future);
  assert_int_equal(scene->upgrades, 2);
  assert_non_null(strstr(scene->upgrade, "GET " PTY "/t/connect HTTP/1.1"));
  assert_null(strstr(scene->upgrade, "Pty-Envs"));
  daytona_future_release(future);
}

/* What is known of a server is not found out again and again. */
static void older_servers_are_asked_in_turn_at_once_the_second_time(void **state) {
  stream_scene_t *scene = *state;
  stream_script_t none = {0};
  scene->refusal = missing_answer;
  scene->refusals = 1;
  api_answer(&scene->api, "POST " PTY, 201, "{\"sessionId\":\"t\"}");
  play_text(&scene->script, connected);
  stream_play(scene, &none, 0, STREAM_STAYS); /* of the upgrade that was refused */
  for (int i = 0; i < 2; i++) stream_play(scene, &scene->script, scene->script.size, STREAM_STAYS);
  for (int i = 0; i < 2; i++) {
    api_done(daytona_pty_create(scene->sandbox, &(daytona_pty_create_opts_t){.id = "t"}));
    assert_int_equal(scene->upgrades, 2 + i);
    assert_non_null(strstr(scene->upgrade, "GET " PTY "/t/connect HTTP/1.1"));
  }
}

/* Of all sizes up to the limit; the head of the upgrade stays short whatever it is. */
static void a_large_environment_goes_in_a_body(void **state) {
  stream_scene_t *scene = *state;
  static const size_t sizes[] = {2000, 5000, 50000, 190000, 200000};
  static char value[100001]; /* twice: one variable cannot be so long */
  for (size_t i = 0; i < 5; i++) {
    memset(value, 'v', sizes[i] / 2);
    value[sizes[i] / 2] = '\0';
    const daytona_pair_t env[] = {{"A", value}, {"B", value}};
    const daytona_pty_create_opts_t opts = {.id = "t", .env = {env, 2}};
    stream_again(scene);
    play_text(&scene->script, connected);
    stream_play(scene, &scene->script, scene->script.size, STREAM_STAYS);
    api_answer(&scene->api, "POST " PTY, 201, "{\"sessionId\":\"t\"}");
    if (sizes[i] > 192 * 1024) {
      api_fails(daytona_pty_create(scene->sandbox, &opts), DAYTONA_ELIMIT);
      assert_int_equal(scene->upgrades + scene->api.request_count, 0);
    } else {
      api_done(daytona_pty_create(scene->sandbox, &opts));
      assert_int_equal(api_count(&scene->api, "POST " PTY), sizes[i] > 4000);
      if (sizes[i] > 4000) assert_non_null(strstr(api_body_of(scene->api.requests[0]), value));
      assert_non_null(strstr(scene->upgrade, "\r\n\r\n")); /* it has room for 4 KiB */
    }
  }
}

static void an_environment_that_a_front_refuses_goes_in_a_body(void **state) {
  stream_scene_t *scene = *state;
  static const daytona_pair_t env[] = {{"A", "1"}};
  stream_script_t none = {0};
  scene->refusal =
    "HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Type: text/html\r\n"
    "Content-Length: 9\r\n\r\n<p>No</p>";
  scene->refusals = 1;
  play_text(&scene->script, connected);
  stream_play(scene, &none, 0, STREAM_STAYS);
  stream_play(scene, &scene->script, scene->script.size, STREAM_STAYS);
  api_answer(&scene->api, "POST " PTY, 201, "{\"sessionId\":\"t\"}");
  api_done(daytona_pty_create(scene->sandbox, &(daytona_pty_create_opts_t){.id = "t", .env = {env, 1}}));
  assert_int_equal(scene->upgrades, 2);
}

/* With an environment, too, which a front might have found too long; and to a terminal that is attached to. */
static void a_stopped_sandbox_has_its_code(void **state) {
  stream_scene_t *scene = *state;
  static const daytona_pair_t env[] = {{"A", "1"}};
  const daytona_pty_create_opts_t opts[] = {{.id = "t"}, {.id = "t", .env = {env, 1}}};
  scene->refusal = stream_stopped_sandbox;
  for (int way = 0; way < 3; way++) {
    daytona_future_t *future = api_must_fail(way == 2 ? daytona_pty_connect(scene->sandbox, "t", NULL)
                                                      : daytona_pty_create(scene->sandbox, &opts[way]),
                                             DAYTONA_ESANDBOX_STOPPED);
    assert_int_equal(daytona_future_error(future)->http_status, 400);
    assert_non_null(strstr(daytona_future_error(future)->message, "Is the Sandbox started?"));
    daytona_future_release(future);
    assert_int_equal(scene->upgrades, way + 1);
    assert_int_equal(scene->api.request_count, 0);
  }
}

/* Once, and nothing is left in the sandbox that nobody can reach. */
static void an_upgrade_that_is_refused_on_the_way_says_so(void **state) {
  stream_scene_t *scene = *state;
  for (int i = 0; i < STREAM_FRONTS; i++)
    for (int way = 0; way < 3; way++) {
      char status[16];
      stream_again(scene);
      scene->refusal = stream_fronts[i].answer;
      scene->sandbox->creates_ptys_in_turn = way == 2;
      api_answer(&scene->api, "POST " PTY, 201, "{\"sessionId\":\"t\"}");
      api_answer(&scene->api, "DELETE " PTY "/t", 200, "{}");
      const daytona_pty_create_opts_t opts = {.id = "t"};
      snprintf(status, sizeof status, "status %d", stream_fronts[i].status);
      daytona_future_t *future = api_must_fail(
        way == 0 ? daytona_pty_connect(scene->sandbox, "t", NULL) : daytona_pty_create(scene->sandbox, &opts),
        DAYTONA_EUPGRADE);
      assert_non_null(strstr(daytona_future_error(future)->message, "upgrade"));
      assert_non_null(strstr(daytona_future_error(future)->message, status));
      assert_int_equal(daytona_future_error(future)->http_status, stream_fronts[i].status);
      daytona_future_release(future);
      assert_int_equal(scene->upgrades, 1);
      api_settle(&scene->api);
      assert_int_equal(api_count(&scene->api, "POST " PTY), way == 2);
      assert_int_equal(api_count(&scene->api, "DELETE " PTY "/t"), way == 2);
    }
}

/* --- the prompt -------------------------------------------------------------------------------- */

static void a_terminal_may_be_waited_for_until_its_prompt(void **state) {
  stream_scene_t *scene = *state;
  static const char printed[] = "welc$ome\r\nbox:~$$ ";
  for (size_t piece = 1; piece < sizeof printed; piece++)
    for (int is_early = 0; is_early < 2;
         is_early++) { /* output may come before the word that we are attached */
      heard_t heard = {0};
      size_t size = sizeof printed - 1;
      stream_again(scene);
      if (!is_early) play_text(&scene->script, connected);
      for (size_t at = 0; at < size - 1; at += piece)
        stream_frame(&scene->script, 2, printed + at, at + piece < size - 1 ? piece : size - 1 - at);
      if (is_early) play_text(&scene->script, connected);
      stream_play(scene, &scene->script, scene->script.size, STREAM_STAYS);
      const daytona_pty_create_opts_t opts = {
        .id = "t", .wait_for = "$ ", .attach = {.on_output = on_output, .user = &heard}};
      daytona_future_t *future = daytona_pty_create(scene->sandbox, &opts);
      while (strlen(heard.out) < size - 1) uv_run(&scene->api.uv, UV_RUN_ONCE);
      api_spin(&scene->api, 10);
      assert_false(daytona_future_is_settled(future));
      stream_send(scene, 2, " ", 1);
      api_must(future);
      assert_true(daytona_pty_is_connected(daytona_future_pty(future)));
      api_spin(&scene->api, 5);
      assert_string_equal(heard.out, printed);
      daytona_future_release(future);
    }
}

static void a_prompt_that_does_not_come_is_a_time_out_and_a_shell_that_ends_is_not(void **state) {
  stream_scene_t *scene = *state;
  for (int ends = 0; ends < 2; ends++) {
    stream_again(scene);
    play_text(&scene->script, connected);
    play_output(&scene->script, "no such luck");
    if (ends) stream_close_frame(&scene->script, 1011, "{\"exitCode\":3}");
    stream_play(scene, &scene->script, scene->script.size, STREAM_STAYS);
    daytona_future_t *future =
      daytona_pty_create(scene->sandbox, &(daytona_pty_create_opts_t){.id = "t", .wait_for = "$ "});
    if (ends) {
      api_must(future);
      assert_int_equal(
        ends_with(daytona_pty_retain(daytona_future_pty(future)), DAYTONA_STREAM_EXITED).exit_code, 3);
    } else {
      while (scene->upgrades == 0) uv_run(&scene->api.uv, UV_RUN_ONCE);
      api_spin(&scene->api, 10);
      api_advance(&scene->api, 10001);
      api_must_fail(future, DAYTONA_ETIMEOUT);
      assert_non_null(strstr(daytona_future_error(future)->message, "waited for"));
    }
    daytona_future_release(future);
  }
}

/* The kernel would keep 4095 bytes of a line for a shell that has not begun to read, and drop the rest. */
static void a_long_line_is_refused_before_the_shell_has_printed_anything(void **state) {
  stream_scene_t *scene = *state;
  static char line[5000];
  heard_t heard = {0};
  memset(line, 'x', sizeof line);
  play_text(&scene->script, connected);
  stream_play(scene, &scene->script, scene->script.size, STREAM_STAYS);
  const daytona_pty_create_opts_t opts = {.id = "t", .attach = {.on_output = on_output, .user = &heard}};
  daytona_future_t *future = api_must(daytona_pty_create(scene->sandbox, &opts));
  daytona_pty_t *pty = daytona_future_pty(future);
  assert_int_equal(daytona_pty_write(pty, line, 4096), DAYTONA_ELIMIT);
  assert_int_equal(daytona_pty_write(pty, line, 4000), 0);
  assert_int_equal(daytona_pty_write(pty, line, 96), DAYTONA_ELIMIT); /* of the same line */
  assert_int_equal(daytona_pty_write(pty, line, 95), 0);
  assert_int_equal(daytona_pty_write(pty, "\r", 1), 0);
  line[2500] = '\n';
  assert_int_equal(daytona_pty_write(pty, line, sizeof line), 0);
  stream_send(scene, 2, "$ ", 2);
  while (heard.calls == 0) uv_run(&scene->api.uv, UV_RUN_ONCE);
  assert_int_equal(daytona_pty_write(pty, line, 2499), 0);
  while (scene->received_size < 4096 + 5000 + 2499) uv_run(&scene->api.uv, UV_RUN_ONCE);
  assert_int_equal(scene->received_size, 4096 + 5000 + 2499);
  daytona_future_release(future);
}

static void refusals_are_errors_as_from_rest(void **state) {
  stream_scene_t *scene = *state;
  scene->refusal = "HTTP/1.1 409 Conflict\r\nContent-Length: 18\r\n\r\n{\"error\":\"in use\"}";
  daytona_future_t *future = api_must_fail(daytona_pty_create(scene->sandbox, NULL), DAYTONA_ECONFLICT);
  assert_non_null(strstr(daytona_future_error(future)->message, "in use"));
  daytona_future_release(future);
  scene->refusal = missing_answer;
  api_fails(daytona_pty_connect(scene->sandbox, "t", NULL), DAYTONA_ENOTFOUND);
  api_fails(daytona_pty_create(scene->sandbox, NULL),
            DAYTONA_ENOTFOUND); /* and the POST is answered 404, too */
}

static void the_handshake_may_fail_in_band(void **state) {
  stream_scene_t *scene = *state;
  static const char missing[] =
    "{\"type\":\"control\",\"status\":\"error\",\"error\":\"PTY session not found\"}";
  static const char other[] = "{\"type\":\"control\",\"status\":\"error\",\"error\":\"no shell\"}";
  for (int i = 0; i < 3; i++) {
    stream_again(scene);
    if (i < 2) play_text(&scene->script, i == 0 ? missing : other);
    stream_play(scene, &scene->script, scene->script.size, STREAM_ENDS);
    api_fails(daytona_pty_connect(scene->sandbox, "t", NULL),
              i == 0 ? DAYTONA_ENOTFOUND : DAYTONA_ECONNECTION);
  }
}

static void a_server_that_says_nothing_runs_into_the_time_limit(void **state) {
  stream_scene_t *scene = *state;
  daytona_future_t *future = daytona_pty_connect(scene->sandbox, "t", NULL);
  while (scene->upgrades == 0) uv_run(&scene->api.uv, UV_RUN_ONCE);
  api_spin(&scene->api, 5);
  api_advance(&scene->api, 9900);
  api_spin(&scene->api, 5);
  assert_false(daytona_future_is_settled(future));
  api_advance(&scene->api, 200);
  api_fails(future, DAYTONA_ETIMEOUT);
}

static void bad_arguments_do_not_leave_the_client(void **state) {
  stream_scene_t *scene = *state;
  static const daytona_pair_t nameless[] = {{"", "x"}};
  static const daytona_pair_t no_text[] = {{"A", "\xFF"}};
  const daytona_pty_create_opts_t bad[] = {
    {.id = ""},
    {.cols = -1},
    {.rows = 1001},
    {.env = {nameless, 1}},
    {.env = {no_text, 1}},
    {.env = {NULL, 1}},
    {.attach = {.policy = (daytona_buffer_policy_t)9}},
    {.attach = {.buffer_bytes = (size_t)1 << 30}},
    {.attach = {.handshake_timeout_ms = -2}},
    {.reserved = {0, 1}},
  };
  const daytona_pty_connect_opts_t reserved = {.reserved = {1}};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
    api_fails(daytona_pty_create(scene->sandbox, &bad[i]), DAYTONA_EINVAL);
  api_fails(daytona_pty_connect(scene->sandbox, NULL, NULL), DAYTONA_EINVAL);
  api_fails(daytona_pty_connect(scene->sandbox, "..", NULL), DAYTONA_EINVAL);
  api_fails(daytona_pty_connect(scene->sandbox, "t", &reserved), DAYTONA_EINVAL);
  api_fails(daytona_pty_resize(scene->sandbox, "t", 0, 24, NULL), DAYTONA_EINVAL);
  api_fails(daytona_pty_resize(scene->sandbox, "t", 80, 1001, NULL), DAYTONA_EINVAL);
  api_fails(daytona_pty_get_info(scene->sandbox, "", NULL), DAYTONA_EINVAL);
  api_fails(daytona_pty_kill(scene->sandbox, NULL, NULL), DAYTONA_EINVAL);
  assert_int_equal(scene->api.request_count + scene->upgrades, 0);
}

static void rest_calls_ask_for_their_resource(void **state) {
  stream_scene_t *scene = *state;
  char list[512];
  snprintf(list, sizeof list, "{\"sessions\":[%s]}", info_json);
  api_answer(&scene->api, "GET " PTY, 200, list);
  api_answer(&scene->api, "GET " PTY "/t", 200, info_json);
  api_answer(&scene->api, "POST " PTY "/t/resize", 200, info_json);
  api_answer(&scene->api, "POST " PTY "/gone/resize", 410, "{\"error\":\"gone\"}");
  api_answer(&scene->api, "DELETE " PTY "/t", 200, "{\"message\":\"x\"}");
  daytona_future_t *future = api_must(daytona_pty_list(scene->sandbox, NULL));
  assert_int_equal(daytona_future_pty_list(future)->count, 1);
  daytona_future_release(future);
  future = api_must(daytona_pty_get_info(scene->sandbox, "t", NULL));
  const daytona_pty_info_t *info = daytona_future_pty_info(future);
  assert_int_equal(info->cols, 100);
  assert_true(info->is_active && !info->is_lazy);
  assert_string_equal(daytona_map_value(&info->env, "TERM"), "x");
  daytona_future_release(future);
  api_done(daytona_pty_resize(scene->sandbox, "t", 100, 30, NULL));
  assert_same_json(api_body_of(api_request(&scene->api, "POST " PTY "/t/resize", 0)),
                   "{\"cols\":100,\"rows\":30}");
  api_fails(daytona_pty_resize(scene->sandbox, "gone", 100, 30, NULL), DAYTONA_EGONE);
  api_done(daytona_pty_kill(scene->sandbox, "t", NULL));
}

/* --- the end ----------------------------------------------------------------------------------- */

static const struct {
  const char *control; /* before the close; NULL: none */
  int close_code;      /* 0: no close frame */
  const char *reason;
  stream_fate_t fate;
  daytona_stream_reason_t verdict;
  int exit_code; /* -100: none */
} endings[] = {
  {NULL, 1000, "{\"exitCode\":0}", STREAM_ENDS, DAYTONA_STREAM_EXITED, 0},
  {NULL, 1000, "", STREAM_ENDS, DAYTONA_STREAM_EXITED, 0},
  {NULL, 1000, "bye", STREAM_ENDS, DAYTONA_STREAM_EXITED, 0},
  {NULL, 1011, "{\"exitCode\":5,\"exitReason\":\"non-zero exit\"}", STREAM_ENDS, DAYTONA_STREAM_EXITED, 5},
  {NULL, 1011, "{\"exitCode\":-1,\"exitReason\":\"non-zero exit\"}", STREAM_BREAKS, DAYTONA_STREAM_EXITED,
   -1},
  {NULL, 1011, "{\"exitCode\":137,\"exitReason\":\"SIGKILL\"}", STREAM_ENDS, DAYTONA_STREAM_KILLED, 137},
  {NULL, 1011, "{\"exitCode\":\"x\"}", STREAM_ENDS, DAYTONA_STREAM_FAILED, -100},
  {NULL, 1011, "{\"exitCode\":99999999999}", STREAM_ENDS, DAYTONA_STREAM_FAILED, -100},
  {NULL, 1011, "PTY session unavailable", STREAM_ENDS, DAYTONA_STREAM_FAILED, -100},
  {NULL, 1008, "slow consumer", STREAM_ENDS, DAYTONA_STREAM_SLOW_READER, -100},
  {NULL, 1001, "", STREAM_ENDS, DAYTONA_STREAM_LOST, -100},
  {NULL, 0, NULL, STREAM_ENDS, DAYTONA_STREAM_LOST, -100},
  {NULL, 0, NULL, STREAM_BREAKS, DAYTONA_STREAM_LOST, -100},
  {"{\"type\":\"control\",\"status\":\"exited\",\"exitCode\":7,\"exitReason\":\"x\"}", 0, NULL, STREAM_STAYS,
   DAYTONA_STREAM_EXITED, 7},
  {"{\"type\":\"control\",\"status\":\"exited\",\"exitCode\":0}", 1011, "{\"exitCode\":4}", STREAM_ENDS,
   DAYTONA_STREAM_EXITED, 0},
  {"{\"type\":\"control\",\"status\":\"error\",\"error\":\"broken\"}", 0, NULL, STREAM_STAYS,
   DAYTONA_STREAM_FAILED, -100},
};

static void every_ending_has_its_verdict(void **state) {
  stream_scene_t *scene = *state;
  for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++)
    for (int greets = 0; greets < 2; greets++) {
      bool is_told_before = endings[i].exit_code != -100; /* ended before it said that we are attached */
      if (!greets && !is_told_before) continue;
      heard_t heard = {0};
      stream_again(scene);
      if (greets) play_text(&scene->script, connected);
      play_output(&scene->script, "out");
      if (endings[i].control != NULL) play_text(&scene->script, endings[i].control);
      if (endings[i].close_code != 0)
        stream_close_frame(&scene->script, endings[i].close_code, endings[i].reason);
      const daytona_pty_attach_t how = {.on_output = on_output, .user = &heard};
      daytona_pty_t *pty = attach(scene, &scene->script, endings[i].fate, how);
      daytona_stream_end_t end = ends_with(pty, endings[i].verdict);
      assert_int_equal(end.has_exit_code, endings[i].exit_code != -100);
      if (end.has_exit_code) assert_int_equal(end.exit_code, endings[i].exit_code);
      assert_string_equal(heard.out, "out");
      assert_int_equal(end.received_bytes, 3);
    }
}

/* Cut, broken or frozen at every byte behind the greeting. */
static void a_cut_anywhere_is_a_lost_connection_and_keeps_the_output(void **state) {
  stream_scene_t *scene = *state;
  stream_script_t whole = {0};
  play_text(&whole, connected);
  size_t greeting = whole.size;
  play_output(&whole, "one");
  play_output(&whole, "two");
  stream_close_frame(&whole, 1011, "{\"exitCode\":5}");
  for (int fate = 0; fate < 3; fate++)
    for (size_t size = greeting; size < whole.size; size++) {
      heard_t heard = {0};
      stream_again(scene);
      const daytona_pty_connect_opts_t opts = {.attach = {.on_output = on_output, .user = &heard}};
      stream_play(scene, &whole, size, (stream_fate_t)fate);
      daytona_future_t *future = api_must(daytona_pty_connect(scene->sandbox, "t", &opts));
      daytona_pty_t *pty = daytona_pty_retain(daytona_future_pty(future));
      daytona_future_release(future);
      future = daytona_pty_wait(pty);
      for (int turn = 0; !daytona_future_is_settled(future); turn++) {
        assert_true(turn < 10000);
        uv_run(&scene->api.uv, UV_RUN_NOWAIT);
        if (turn % 20 == 19) api_advance(&scene->api, 1000);
      }
      daytona_future_release(future);
      ends_with(pty, DAYTONA_STREAM_LOST);
      size_t seen = size < greeting + 2 ? 0 : size - greeting - 2;
      if (seen > 3) seen = size < greeting + 7 ? 3 : size - greeting - 4;
      if (seen > 6) seen = 6;
      assert_int_equal(strlen(heard.out), seen);
      assert_memory_equal("onetwo", heard.out, seen);
    }
  stream_script_clear(&whole);
}

static void disconnecting_leaves_in_good_order(void **state) {
  stream_scene_t *scene = *state;
  play_text(&scene->script, connected);
  daytona_pty_t *pty = attach(scene, &scene->script, STREAM_STAYS, (daytona_pty_attach_t){0});
  daytona_pty_disconnect(pty);
  daytona_pty_disconnect(pty);
  assert_false(daytona_pty_is_connected(pty));
  daytona_stream_end_t end = ends_with(pty, DAYTONA_STREAM_CLOSED);
  assert_false(end.has_exit_code);
  assert_int_equal(scene->close_code, 1000);
  daytona_pty_release(NULL);
}

/* --- output and input -------------------------------------------------------------------------- */

static void text_that_is_no_control_message_is_output(void **state) {
  stream_scene_t *scene = *state;
  static const char *const texts[] = {"plain", "{\"type\":\"other\"}",
                                      "{\"type\":\"control\",\"status\":\"new\"}", "[1]"};
  static char large[20000];
  memset(large, 'x', sizeof large);
  play_text(&scene->script, connected);
  for (int i = 0; i < 4; i++) play_text(&scene->script, texts[i]);
  stream_frame(&scene->script, 1, large, sizeof large);
  stream_close_frame(&scene->script, 1000, "");
  daytona_pty_t *pty = attach(scene, &scene->script, STREAM_ENDS, (daytona_pty_attach_t){0});
  daytona_stream_end_t end = ends_with(pty, DAYTONA_STREAM_EXITED);
  assert_int_equal(end.received_bytes, strlen(texts[0]) + strlen(texts[1]) + strlen(texts[3]) + sizeof large);
}

/* Text need not be whole to be output, unless it may become a control message. */
static void a_cut_text_message_keeps_its_output(void **state) {
  stream_scene_t *scene = *state;
  heard_t heard = {0};
  play_text(&scene->script, connected);
  play_text(&scene->script, "plain text");
  const daytona_pty_connect_opts_t opts = {.attach = {.on_output = on_output, .user = &heard}};
  stream_play(scene, &scene->script, scene->script.size - 3, STREAM_ENDS);
  daytona_future_t *future = api_must(daytona_pty_connect(scene->sandbox, "t", &opts));
  ends_with(daytona_pty_retain(daytona_future_pty(future)), DAYTONA_STREAM_LOST);
  assert_string_equal(heard.out, "plain t");
  daytona_future_release(future);
}

static void early_output_is_kept_for_the_callback(void **state) {
  stream_scene_t *scene = *state;
  heard_t heard = {0};
  play_output(&scene->script, "before ");
  play_text(&scene->script, connected);
  play_output(&scene->script, "behind");
  daytona_pty_t *pty = attach(scene, &scene->script, STREAM_STAYS, (daytona_pty_attach_t){0});
  api_spin(&scene->api, 10);
  daytona_pty_set_output(pty, on_output, &heard);
  assert_int_equal(heard.calls, 0);
  while (strlen(heard.out) < 13) uv_run(&scene->api.uv, UV_RUN_ONCE);
  assert_string_equal(heard.out, "before behind");
  stream_send(scene, 2, "!", 1);
  while (strlen(heard.out) < 14) uv_run(&scene->api.uv, UV_RUN_ONCE);
  stream_send_close(scene, 1000, "");
  ends_with(pty, DAYTONA_STREAM_EXITED);
}

/* A shell may be faster than the program that wants to hear it. */
static void output_is_kept_past_the_end_for_the_callback(void **state) {
  stream_scene_t *scene = *state;
  heard_t heard = {0};
  play_text(&scene->script, connected);
  play_output(&scene->script, "kept");
  stream_close_frame(&scene->script, 1000, "");
  daytona_pty_t *pty =
    daytona_pty_retain(attach(scene, &scene->script, STREAM_STAYS, (daytona_pty_attach_t){0}));
  ends_with(pty, DAYTONA_STREAM_EXITED);
  daytona_pty_set_output(pty, on_output, &heard);
  assert_int_equal(heard.calls, 0);
  while (heard.calls == 0) uv_run(&scene->api.uv, UV_RUN_ONCE);
  assert_string_equal(heard.out, "kept");
  daytona_pty_release(pty);
}

static void pause_it_all(daytona_pty_t *pty, daytona_future_t *bound, bool is_pause) {
  int rc = bound == NULL ? (is_pause ? daytona_pty_pause(pty) : daytona_pty_resume(pty))
                         : (is_pause ? daytona_future_pause(bound) : daytona_future_resume(bound));
  assert_int_equal(rc, 0);
}

/* By the object, or by the future of a wait, also inside a combination. */
static void a_terminal_is_paused(stream_scene_t *scene, bool by_future) {
  heard_t heard = {0};
  stream_again(scene);
  play_text(&scene->script, connected);
  daytona_pty_attach_t how = {.on_output = on_output, .user = &heard};
  daytona_pty_t *pty = attach(scene, &scene->script, STREAM_STAYS, how);
  daytona_future_t *future = daytona_pty_wait(pty);
  daytona_future_t *bound =
    by_future ? daytona_future_deadline(daytona_future_retain(future), DAYTONA_NO_TIMEOUT) : NULL;
  pause_it_all(pty, bound, true);
  stream_send(scene, 2, "kept", 4);
  stream_send_close(scene, 1011, "{\"exitCode\":2}");
  api_spin(&scene->api, 30);
  assert_false(daytona_future_is_settled(future));
  assert_int_equal(heard.calls, 0);
  pause_it_all(pty, bound, false);
  api_done(future);
  assert_string_equal(heard.out, "kept");
  assert_int_equal(daytona_pty_pause(pty), DAYTONA_EINVAL); /* it is over */
  assert_int_equal(daytona_pty_resume(pty), DAYTONA_EINVAL);
  if (bound != NULL) assert_int_equal(daytona_future_pause(bound), DAYTONA_EINVAL);
  daytona_future_release(bound);
  assert_int_equal(ends_with(pty, DAYTONA_STREAM_EXITED).exit_code, 2);
}

static void a_paused_terminal_waits_with_output_and_verdict(void **state) {
  a_terminal_is_paused(*state, false);
}
static void a_wait_pauses_its_terminal(void **state) { a_terminal_is_paused(*state, true); }

/* The time of a deadline runs while its terminal is paused. Only the waiting ends. */
static void a_deadline_ends_a_paused_wait(void **state) {
  stream_scene_t *scene = *state;
  heard_t heard = {0};
  play_text(&scene->script, connected);
  daytona_pty_attach_t how = {.on_output = on_output, .user = &heard};
  daytona_pty_t *pty = attach(scene, &scene->script, STREAM_STAYS, how);
  daytona_future_t *bound = daytona_future_deadline(daytona_pty_wait(pty), 5000);
  assert_int_equal(daytona_future_pause(bound), 0);
  stream_send(scene, 2, "kept", 4);
  api_spin(&scene->api, 30);
  api_advance(&scene->api, 4900);
  api_spin(&scene->api, 10);
  assert_false(daytona_future_is_settled(bound));
  api_advance(&scene->api, 200);
  api_must_fail(bound, DAYTONA_EDEADLINE);
  assert_int_equal(daytona_future_resume(bound), DAYTONA_EINVAL);
  daytona_future_release(bound);
  assert_true(daytona_pty_is_connected(pty));
  assert_int_equal(heard.calls, 0);
  assert_int_equal(daytona_pty_resume(pty), 0);
  stream_send_close(scene, 1011, "{\"exitCode\":2}");
  assert_int_equal(ends_with(pty, DAYTONA_STREAM_EXITED).exit_code, 2);
  assert_string_equal(heard.out, "kept");
}

static void a_full_buffer_stops_reading_or_drops_the_oldest(void **state) {
  stream_scene_t *scene = *state;
  for (int policy = 0; policy < 2; policy++) {
    heard_t heard = {0};
    stream_again(scene);
    play_text(&scene->script, connected);
    daytona_pty_attach_t how = {
      .on_output = on_output, .user = &heard, .policy = (daytona_buffer_policy_t)policy, .buffer_bytes = 8};
    daytona_pty_t *pty = attach(scene, &scene->script, STREAM_STAYS, how);
    daytona_pty_pause(pty);
    for (char c = 'a'; c <= 'p'; c++) stream_send(scene, 2, &c, 1);
    api_spin(&scene->api, 60);
    daytona_pty_resume(pty);
    stream_send_close(scene, 1000, "");
    daytona_stream_end_t end = ends_with(pty, DAYTONA_STREAM_EXITED);
    assert_string_equal(heard.out, policy == DAYTONA_BUFFER_STOP ? "abcdefghijklmnop" : "ijklmnop");
    assert_int_equal(end.dropped_bytes, policy == DAYTONA_BUFFER_STOP ? 0 : 8);
  }
}

static void input_goes_in_messages_of_at_most_64_kib(void **state) {
  stream_scene_t *scene = *state;
  static char paste[150000], too_much[(4 << 20) + 1];
  heard_t heard = {0};
  for (size_t i = 0; i < sizeof paste; i++) paste[i] = (char)('a' + i % 26);
  play_text(&scene->script, connected);
  daytona_pty_attach_t how = {.on_drained = on_drained, .user = &heard};
  daytona_pty_t *pty = attach(scene, &scene->script, STREAM_STAYS, how);
  assert_int_equal(daytona_pty_write(pty, too_much, sizeof too_much), DAYTONA_ELIMIT);
  assert_int_equal(daytona_pty_write(pty, NULL, 1), DAYTONA_EINVAL);
  assert_int_equal(daytona_pty_write(NULL, "x", 1), DAYTONA_EINVAL);
  assert_int_equal(daytona_pty_write(pty, NULL, 0), 0);
  assert_int_equal(daytona_pty_write(pty, paste, sizeof paste), 0);
  assert_int_equal(daytona_pty_write(pty, "\r", 1), 0);
  while (scene->received_size < sizeof paste + 1) uv_run(&scene->api.uv, UV_RUN_ONCE);
  assert_memory_equal(scene->received, paste, sizeof paste);
  assert_int_equal(scene->largest, 65536);
  assert_int_equal(scene->frames, 4);
  daytona_pty_release(pty);
}

/* --- callbacks, and ending early --------------------------------------------------------------- */

static void disconnect_it(heard_t *heard) { daytona_pty_disconnect(heard->pty); }
static void unset_it(heard_t *heard) { daytona_pty_set_output(heard->pty, NULL, NULL); }
static void pause_it(heard_t *heard) { daytona_pty_pause(heard->pty); }
static void close_client(heard_t *heard) {
  if (heard->scene->api.client != NULL) api_scene_close_client(&heard->scene->api);
}

static void release_it(heard_t *heard) {
  heard->action = NULL;
  daytona_pty_release(heard->pty);
}

static void a_callback_may_do_anything(void **state) {
  stream_scene_t *scene = *state;
  static void (*const actions[])(heard_t * heard) = {disconnect_it, unset_it, pause_it, close_client,
                                                     release_it};
  for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++)
    for (int kept = 0; kept < 2; kept++) {
      heard_t heard = {.action = actions[i], .scene = scene};
      stream_again(scene);
      play_text(&scene->script, connected);
      play_output(&scene->script, "one");
      play_output(&scene->script, "two");
      daytona_pty_t *pty =
        attach(scene, &scene->script, STREAM_STAYS, (daytona_pty_attach_t){.policy = DAYTONA_BUFFER_STOP});
      if (kept) api_spin(&scene->api, 10);
      daytona_pty_set_output(pty, on_output, &heard);
      while (heard.calls == 0) uv_run(&scene->api.uv, UV_RUN_ONCE);
      if (actions[i] != release_it) daytona_pty_release(pty);
      if (scene->api.client == NULL)
        while (!scene->api.is_closed) uv_run(&scene->api.uv, UV_RUN_ONCE);
    }
}

static void closing_the_client_ends_a_terminal(void **state) {
  stream_scene_t *scene = *state;
  play_text(&scene->script, connected);
  daytona_pty_t *pty = attach(scene, &scene->script, STREAM_STAYS, (daytona_pty_attach_t){0});
  daytona_future_t *future = daytona_pty_wait(pty);
  api_scene_close_client(&scene->api);
  while (!scene->api.is_closed) uv_run(&scene->api.uv, UV_RUN_ONCE);
  assert_int_equal(daytona_future_code(future), DAYTONA_ECLOSED);
  assert_int_equal(daytona_future_stream_reason(future), DAYTONA_STREAM_CLOSED);
  assert_int_equal(daytona_pty_end(pty)->reason, DAYTONA_STREAM_CLOSED);
  daytona_future_release(future);
  daytona_pty_release(pty);
}

/* What the server says goes into one line, whatever is in it, and is not cut inside a character. */
/* Also where the text is cut: the key goes before. */
static void the_key_is_not_in_the_message(void **state) {
  stream_scene_t *scene = *state;
  api_keep_secret(&scene->api, "key-of-the-client");
  play_text(&scene->script, connected);
  stream_close_frame(&scene->script, 1011, "refused for key-of-the-client");
  daytona_pty_t *pty = attach(scene, &scene->script, STREAM_STAYS, (daytona_pty_attach_t){0});
  daytona_future_t *future = api_must(daytona_pty_wait(pty));
  assert_non_null(strstr(daytona_future_stream_end(future)->message, "refused for ***"));
  assert_non_null(strstr(daytona_pty_end(pty)->message, "refused for ***"));
  daytona_future_release(future);
  daytona_pty_release(pty);
}

static void the_message_is_one_line(void **state) {
  stream_scene_t *scene = *state;
  char large[800] = "{\"type\":\"control\",\"status\":\"error\",\"error\":\"";
  for (int i = 0; i < 2; i++) {
    stream_again(scene);
    play_text(&scene->script, connected);
    if (i == 0) {
      stream_close_frame(&scene->script, 1011, "first\nsecond\r\tthird");
    } else {
      for (int n = 0; n < 300; n++) strcat(large, "\xC3\xA9");
      strcat(large, "\"}");
      play_text(&scene->script, large);
    }
    daytona_pty_t *pty = attach(scene, &scene->script, STREAM_STAYS, (daytona_pty_attach_t){0});
    daytona_future_t *future = api_must(daytona_pty_wait(pty));
    const char *message = daytona_future_stream_end(future)->message;
    if (i == 0) assert_string_equal(message, "first second  third");
    if (i == 1) assert_true(strlen(message) > 200 && strlen(message) % 2 == 0);
    daytona_future_release(future);
    daytona_pty_release(pty);
  }
}

/* After the report of the client's close nothing calls the program, whatever is still kept. */
static void a_closed_client_hands_nothing_on(void **state) {
  stream_scene_t *scene = *state;
  heard_t heard = {0};
  play_text(&scene->script, connected);
  play_output(&scene->script, "kept");
  daytona_pty_t *pty = attach(scene, &scene->script, STREAM_STAYS,
                              (daytona_pty_attach_t){.on_output = on_output, .user = &heard});
  daytona_pty_pause(pty);
  heard.out[0] = '\0';
  heard.calls = 0;
  stream_send(scene, 2, "more", 4);
  api_spin(&scene->api, 20);
  api_scene_close_client(&scene->api);
  while (!scene->api.is_closed) uv_run(&scene->api.uv, UV_RUN_ONCE);
  assert_int_equal(daytona_pty_end(pty)->reason, DAYTONA_STREAM_CLOSED);
  daytona_pty_resume(pty);
  daytona_pty_set_output(pty, on_output, &heard);
  assert_int_equal(daytona_pty_write(pty, "x", 1), DAYTONA_ECONNECTION);
  daytona_pty_disconnect(pty);
  api_spin(&scene->api, 10);
  assert_int_equal(heard.calls, 0);
  daytona_pty_release(pty);
}

static void creating_may_be_cancelled_or_closed_at_any_time(void **state) {
  stream_scene_t *scene = *state;
  for (int way = 0; way < 3; way++)
    for (int turns = 0; turns < 15; turns++) {
      stream_again(scene);
      play_text(&scene->script, connected);
      stream_play(scene, &scene->script, scene->script.size, STREAM_STAYS);
      daytona_future_t *future = daytona_pty_create(scene->sandbox, NULL);
      api_spin(&scene->api, turns);
      if (way == 0) daytona_future_cancel(future);
      if (way == 1) api_scene_close_client(&scene->api);
      while (way != 2 && !daytona_future_is_settled(future)) uv_run(&scene->api.uv, UV_RUN_NOWAIT);
      daytona_future_release(future);
      if (way == 1)
        while (!scene->api.is_closed) uv_run(&scene->api.uv, UV_RUN_ONCE);
      if (way == 2) api_settle(&scene->api);
    }
}

static void cancelling_a_wait_leaves_the_terminal(void **state) {
  stream_scene_t *scene = *state;
  play_text(&scene->script, connected);
  daytona_pty_t *pty = attach(scene, &scene->script, STREAM_STAYS, (daytona_pty_attach_t){0});
  daytona_future_t *future = daytona_pty_wait(pty);
  daytona_future_cancel(future);
  api_fails(future, DAYTONA_ECANCELED);
  assert_true(daytona_pty_is_connected(pty));
  stream_send_close(scene, 1000, "");
  ends_with(pty, DAYTONA_STREAM_EXITED);
}

static void no_terminal_is_no_crash(void **state) {
  daytona_pty_set_output(NULL, on_output, NULL);
  assert_int_equal(daytona_pty_pause(NULL), DAYTONA_EINVAL);
  assert_int_equal(daytona_pty_resume(NULL), DAYTONA_EINVAL);
  daytona_pty_disconnect(NULL);
  daytona_pty_release(daytona_pty_retain(NULL));
  assert_null(daytona_pty_id(NULL));
  assert_null(daytona_pty_sandbox(NULL));
  assert_null(daytona_pty_end(NULL));
  assert_false(daytona_pty_is_connected(NULL));
  assert_int_equal(daytona_future_code(daytona_pty_wait(NULL)), DAYTONA_EINVAL);
}

/* --- lack of memory ---------------------------------------------------------------------------- */

static bool run_once(stream_scene_t *scene) {
  static const daytona_pair_t env[] = {{"A", "1"}};
  heard_t heard = {0};
  const daytona_pty_create_opts_t opts = {.env = {env, 1}};
  scene->upgrades = 0;
  daytona_future_t *future = daytona_pty_create(scene->sandbox, &opts);
  while (!daytona_future_is_settled(future)) uv_run(&scene->api.uv, UV_RUN_ONCE);
  daytona_pty_t *pty = daytona_future_pty(future);
  if (pty != NULL) {
    daytona_pty_retain(pty);
    daytona_pty_write(pty, "ls\n", 3);
    daytona_future_t *wait = daytona_pty_wait(pty);
    while (!daytona_future_is_settled(wait)) uv_run(&scene->api.uv, UV_RUN_ONCE);
    daytona_pty_set_output(pty, on_output, &heard);
    for (int i = 0; i < 5; i++) uv_run(&scene->api.uv, UV_RUN_NOWAIT);
    const daytona_stream_end_t *end = daytona_future_stream_end(wait);
    if (end != NULL && end->reason == DAYTONA_STREAM_EXITED) {
      assert_string_equal(heard.out, "out");
      assert_int_equal(end->exit_code, 5); /* never another one for lack of memory */
    }
    daytona_future_release(wait);
    daytona_pty_release(pty);
  }
  daytona_future_release(future);
  for (int i = 0; i < 20; i++) uv_run(&scene->api.uv, UV_RUN_NOWAIT);
  return support_alloc_failed() != 0;
}

static void a_terminal_survives_lack_of_memory(void **state) {
  stream_scene_t *scene = *state;
  play_text(&scene->script, connected);
  play_output(&scene->script, "out");
  stream_close_frame(&scene->script, 1000, "{\"exitCode\":5}");
  stream_play(scene, &scene->script, scene->script.size, STREAM_ENDS);
  run_once(scene); /* what is made once per client */
  for (size_t nth = 1; nth < 300; nth++) {
    support_alloc_fail_once(nth);
    bool was_reached = run_once(scene);
    support_alloc_heal();
    if (!was_reached) break;
    assert_true(nth < 299);
  }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, stream_setup, stream_teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
    TEST(creating_is_one_upgrade),
    TEST(older_servers_create_and_attach_in_turn),
    TEST(older_servers_are_asked_in_turn_at_once_the_second_time),
    TEST(a_large_environment_goes_in_a_body),
    TEST(an_environment_that_a_front_refuses_goes_in_a_body),
    TEST(a_stopped_sandbox_has_its_code),
    TEST(an_upgrade_that_is_refused_on_the_way_says_so),
    TEST(a_terminal_may_be_waited_for_until_its_prompt),
    TEST(a_prompt_that_does_not_come_is_a_time_out_and_a_shell_that_ends_is_not),
    TEST(a_long_line_is_refused_before_the_shell_has_printed_anything),
    TEST(refusals_are_errors_as_from_rest),
    TEST(the_handshake_may_fail_in_band),
    TEST(a_server_that_says_nothing_runs_into_the_time_limit),
    TEST(bad_arguments_do_not_leave_the_client),
    TEST(rest_calls_ask_for_their_resource),
    TEST(every_ending_has_its_verdict),
    TEST(a_cut_anywhere_is_a_lost_connection_and_keeps_the_output),
    TEST(disconnecting_leaves_in_good_order),
    TEST(text_that_is_no_control_message_is_output),
    TEST(a_cut_text_message_keeps_its_output),
    TEST(early_output_is_kept_for_the_callback),
    TEST(output_is_kept_past_the_end_for_the_callback),
    TEST(a_paused_terminal_waits_with_output_and_verdict),
    TEST(a_wait_pauses_its_terminal),
    TEST(a_deadline_ends_a_paused_wait),
    TEST(a_full_buffer_stops_reading_or_drops_the_oldest),
    TEST(input_goes_in_messages_of_at_most_64_kib),
    TEST(a_callback_may_do_anything),
    TEST(closing_the_client_ends_a_terminal),
    TEST(the_key_is_not_in_the_message),
    TEST(the_message_is_one_line),
    TEST(a_closed_client_hands_nothing_on),
    TEST(creating_may_be_cancelled_or_closed_at_any_time),
    TEST(cancelling_a_wait_leaves_the_terminal),
    cmocka_unit_test(no_terminal_is_no_crash),
    TEST(a_terminal_survives_lack_of_memory),
  };
  signal(SIGPIPE, SIG_IGN); /* the peer writes to clients that have gone */
  return cmocka_run_group_tests(tests, NULL, NULL);
}
