/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The interpreter: what is sent, what comes back, and that nothing but the close frame ends a run.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "core/future.h"
#include "support/alloc.h"
#include "support/check.h"
#include "support/same_json.h"
#include "support/stream_scene.h"

#define CONTEXT "/toolbox/sb-1/process/interpreter/context"

static const char completed[] =
  "{\"type\":\"control\",\"text\":\"completed\",\"name\":\"\",\"value\":\"\",\"traceback\":\"\"}";
static const char interrupted[] = "{\"type\":\"control\",\"text\":\"interrupted\"}";
static const char out_hi[] =
  "{\"type\":\"stdout\",\"text\":\"hi\\n\",\"name\":\"\",\"value\":\"\",\"traceback\":\"\"}";
static const char err_e[] = "{\"type\":\"stderr\",\"text\":\"\\u00e9\\u0000\"}";
static const char raised[] =
  "{\"type\":\"error\",\"text\":\"\",\"name\":\"ValueError\",\"value\":\"bad\",\"traceback\":\"T\\n\"}";

typedef struct heard {
  stream_scene_t *scene;
  daytona_future_t *run;
  char out[256], err[256], name[64];
  size_t err_size;
  int calls;
  void (*action)(struct heard *heard);
} heard_t;

static void act(heard_t *heard) {
  heard->calls++;
  if (heard->action != NULL) heard->action(heard);
}

static void on_out(const daytona_output_t *output, void *user) {
  heard_t *heard = user;
  assert_int_equal(output->stream, DAYTONA_OUTPUT_STDOUT);
  assert_true(output->future != NULL && output->pty == NULL);
  act(heard);
  strncat(heard->out, output->bytes, output->size); /* still there, whatever was done */
}

static void on_err(const daytona_output_t *output, void *user) {
  heard_t *heard = user;
  assert_int_equal(output->stream, DAYTONA_OUTPUT_STDERR);
  act(heard);
  memcpy(heard->err + heard->err_size, output->bytes, output->size);
  heard->err_size += output->size;
}

static void on_error(const daytona_interpreter_run_error_t *error, void *user) {
  heard_t *heard = user;
  act(heard);
  snprintf(heard->name, sizeof heard->name, "%s", error->name);
}

static void play(stream_script_t *script, const char *text) { stream_frame(script, 1, text, strlen(text)); }

static daytona_future_t *run(stream_scene_t *scene, heard_t *heard) {
  const daytona_interpreter_run_code_opts_t opts = {
    .on_stdout = on_out, .on_stderr = on_err, .on_error = on_error, .user = heard};
  heard->scene = scene;
  heard->run = daytona_interpreter_run_code(scene->sandbox, "print()", &opts);
  return heard->run;
}

/* --- what is sent ------------------------------------------------------------------------------ */

static void the_first_message_is_the_request(void **state) {
  stream_scene_t *scene = *state;
  static const daytona_pair_t env[] = {{"A", "1"}};
  static const char *const sent[] = {
    "{\"code\":\"1\"}", "{\"code\":\"1\",\"contextId\":\"c\",\"envs\":{\"A\":\"1\"},\"timeout\":2}",
    "{\"code\":\"1\",\"timeout\":0}"};
  const daytona_interpreter_run_code_opts_t opts[] = {
    {0}, {.context_id = "c", .env = {env, 1}, .timeout_ms = 1001}, {.timeout_ms = DAYTONA_NO_TIMEOUT}};
  for (int i = 0; i < 3; i++) {
    stream_again(scene);
    daytona_future_t *future = daytona_interpreter_run_code(scene->sandbox, "1", i == 0 ? NULL : &opts[i]);
    while (scene->frames == 0) uv_run(&scene->api.uv, UV_RUN_ONCE);
    assert_same_json(scene->received, sent[i]);
    assert_non_null(strstr(scene->upgrade, "GET /toolbox/sb-1/process/interpreter/execute HTTP/1.1"));
    stream_send_close(scene, 1000, "");
    api_must(future);
    assert_null(daytona_future_interpreter_run_result(future)->error);
    assert_string_equal(daytona_future_interpreter_run_result(future)->out.data, "");
    daytona_future_release(future);
  }
}

static void bad_arguments_do_not_leave_the_client(void **state) {
  stream_scene_t *scene = *state;
  static const daytona_pair_t nameless[] = {{"", "x"}};
  const daytona_interpreter_run_code_opts_t bad[] = {{.timeout_ms = -3},
                                                     {.connect_timeout_ms = -3},
                                                     {.context_id = ""},
                                                     {.env = {nameless, 1}},
                                                     {.env = {NULL, 1}},
                                                     {.reserved = {0, 0, 0, 1}},
                                                     {.max_output_bytes = (size_t)1 << 30},
                                                     {.timeout_ms = INT64_MAX}};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
    api_fails(daytona_interpreter_run_code(scene->sandbox, "1", &bad[i]), DAYTONA_EINVAL);
  api_fails(daytona_interpreter_run_code(scene->sandbox, "", NULL), DAYTONA_EINVAL);
  api_fails(daytona_interpreter_run_code(scene->sandbox, NULL, NULL), DAYTONA_EINVAL);
  api_fails(daytona_interpreter_run_code(scene->sandbox, "\xFF", NULL), DAYTONA_EINVAL);
  api_fails(daytona_interpreter_delete_context(scene->sandbox, "", NULL), DAYTONA_EINVAL);
  assert_int_equal(scene->api.request_count + scene->upgrades, 0);
}

static void contexts_are_made_listed_and_deleted(void **state) {
  stream_scene_t *scene = *state;
  static const char context[] =
    "{\"id\":\"c\",\"cwd\":\"/w\",\"createdAt\":\"2026\",\"active\":true,\"language\":\"python\"}";
  char list[512];
  snprintf(list, sizeof list, "{\"contexts\":[%s]}", context);
  api_answer(&scene->api, "POST " CONTEXT, 200, context);
  api_answer(&scene->api, "GET " CONTEXT, 200, list);
  api_answer(&scene->api, "GET " CONTEXT, 200, "{\"contexts\":null}");
  api_answer(&scene->api, "DELETE " CONTEXT "/c", 200, "{}");
  daytona_future_t *future = api_must(daytona_interpreter_create_context(scene->sandbox, NULL));
  assert_string_equal(daytona_future_interpreter_context(future)->cwd, "/w");
  assert_same_json(api_body_of(scene->api.requests[0]), "{}");
  daytona_future_release(future);
  api_done(daytona_interpreter_create_context(scene->sandbox,
                                              &(daytona_interpreter_create_context_opts_t){.cwd = "/x"}));
  assert_same_json(api_body_of(scene->api.requests[1]), "{\"cwd\":\"/x\"}");
  for (size_t count = 1; count != (size_t)-1; count--) {
    future = api_must(daytona_interpreter_list_contexts(scene->sandbox, NULL));
    assert_int_equal(daytona_future_interpreter_context_list(future)->count, count);
    daytona_future_release(future);
  }
  api_done(daytona_interpreter_delete_context(scene->sandbox, "c", NULL));
  api_fails(daytona_interpreter_delete_context(scene->sandbox, "d", NULL), DAYTONA_ENOTFOUND);
}

/* --- the end ----------------------------------------------------------------------------------- */

static const struct {
  int close_code; /* 0: no close frame */
  const char *reason;
  stream_fate_t fate;
  daytona_errcode_t code;
  daytona_stream_reason_t verdict;
} endings[] = {
  {1000, "", STREAM_ENDS, DAYTONA_OK, DAYTONA_STREAM_EXITED},
  {4008, "", STREAM_ENDS, DAYTONA_ETIMEOUT, DAYTONA_STREAM_TIMEOUT},
  {1001, "worker process ended", STREAM_ENDS, DAYTONA_ECONNECTION, DAYTONA_STREAM_FAILED},
  {1001, "", STREAM_ENDS, DAYTONA_ECONNECTION, DAYTONA_STREAM_LOST},
  {1008, "context not found: x", STREAM_ENDS, DAYTONA_ECONNECTION, DAYTONA_STREAM_FAILED},
  {1008, "slow consumer", STREAM_ENDS, DAYTONA_ECONNECTION, DAYTONA_STREAM_SLOW_READER},
  {1008, "replaced by a newer client", STREAM_ENDS, DAYTONA_ECONNECTION, DAYTONA_STREAM_REPLACED},
  {1011, "", STREAM_ENDS, DAYTONA_ECONNECTION, DAYTONA_STREAM_FAILED},
  {0, NULL, STREAM_ENDS, DAYTONA_ECONNECTION, DAYTONA_STREAM_LOST},
  {0, NULL, STREAM_BREAKS, DAYTONA_ECONNECTION, DAYTONA_STREAM_LOST},
};

static void only_the_close_frame_ends_a_run(void **state) {
  stream_scene_t *scene = *state;
  for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++)
    for (int control = 0; control < 3; control++) {
      heard_t heard = {0};
      stream_again(scene);
      play(&scene->script, out_hi);
      play(&scene->script, "no JSON");
      stream_frame(&scene->script, 2, err_e, strlen(err_e));
      play(&scene->script, raised);
      if (control != 0) play(&scene->script, control == 1 ? completed : interrupted);
      if (endings[i].close_code != 0)
        stream_close_frame(&scene->script, endings[i].close_code, endings[i].reason);
      stream_play(scene, &scene->script, scene->script.size, endings[i].fate);
      daytona_future_t *future = run(scene, &heard);
      assert_int_equal(daytona_future_stream_reason(future), DAYTONA_STREAM_OPEN);
      assert_int_equal(daytona_future_await(future), endings[i].code);
      assert_int_equal(daytona_future_stream_reason(future), endings[i].verdict);
      const daytona_interpreter_run_result_t *result = daytona_future_interpreter_run_result(future);
      if (result != NULL) {
        assert_string_equal(result->out.data, "hi\n");
        assert_int_equal(result->err.size, 3);
        assert_memory_equal(result->err.data, "\xC3\xA9", 3);
        assert_string_equal(result->error->value, "bad");
        assert_string_equal(result->error->traceback, "T\n");
      } else if (endings[i].reason != NULL) {
        assert_non_null(strstr(daytona_future_error(future)->message, endings[i].reason));
      }
      assert_string_equal(heard.out, "hi\n");
      assert_int_equal(heard.err_size, 3);
      assert_string_equal(heard.name, "ValueError");
      daytona_future_release(future);
    }
}

static void a_completed_run_without_a_close_frame_is_not_over(void **state) {
  stream_scene_t *scene = *state;
  heard_t heard = {0};
  play(&scene->script, out_hi);
  play(&scene->script, completed);
  stream_play(scene, &scene->script, scene->script.size, STREAM_STAYS);
  daytona_future_t *future = run(scene, &heard);
  while (heard.calls == 0) uv_run(&scene->api.uv, UV_RUN_ONCE);
  api_spin(&scene->api, 20);
  assert_false(daytona_future_is_settled(future));
  stream_send_close(scene, 4008, "");
  api_fails(future, DAYTONA_ETIMEOUT);
}

/* The published daemon does not read the socket of a run that waits for its turn. */
static void a_run_waits_for_its_turn_however_long(void **state) {
  stream_scene_t *scene = *state;
  heard_t heard = {0};
  daytona_future_t *future = run(scene, &heard);
  while (scene->frames == 0) uv_run(&scene->api.uv, UV_RUN_ONCE); /* it is read, and then nothing more */
  peer_stop_reading(scene->socket);
  for (int i = 0; i < 60; i++) {
    api_advance(&scene->api, 10000);
    api_spin(&scene->api, 5);
  }
  assert_false(daytona_future_is_settled(future));
  peer_start_reading(scene->socket);
  stream_send(scene, 1, out_hi, strlen(out_hi));
  stream_send(scene, 1, completed, strlen(completed));
  stream_send_close(scene, 1000, "");
  api_must(future);
  assert_string_equal(daytona_future_interpreter_run_result(future)->out.data, "hi\n");
  assert_string_equal(heard.out, "hi\n");
  daytona_future_release(future);
}

/* Every cut is an error, and what came before it has been told. Without any byte it waits, as above. */
static void a_cut_anywhere_is_an_error(void **state) {
  stream_scene_t *scene = *state;
  stream_script_t script = {0};
  play(&script, out_hi);
  size_t first = script.size;
  play(&script, completed);
  stream_close_frame(&script, 1000, "");
  for (int fate = 0; fate < 3; fate++)
    for (size_t size = fate == STREAM_STAYS; size < script.size; size += fate == 0 ? 1 : 3) {
      heard_t heard = {0};
      stream_again(scene);
      stream_play(scene, &script, size, (stream_fate_t)fate);
      daytona_future_t *future = run(scene, &heard);
      for (int turn = 0; !daytona_future_is_settled(future); turn++) {
        assert_true(turn < 10000);
        uv_run(&scene->api.uv, UV_RUN_NOWAIT);
        if (turn % 20 == 19) api_advance(&scene->api, 1000);
      }
      assert_true(daytona_error_is(daytona_future_error(future), DAYTONA_ECONNECTION));
      assert_string_equal(heard.out, size < first ? "" : "hi\n");
      daytona_future_release(future);
    }
  stream_script_clear(&script);
}

/* Whoever does not read cannot be told why the connection goes. */
static void a_slow_reader_is_told_from_a_lost_connection(void **state) {
  stream_scene_t *scene = *state;
  static const struct {
    size_t lines;
    bool goes_on;
    daytona_stream_reason_t reason;
  } ends[] = {
    {4000, false, DAYTONA_STREAM_SLOW_READER},
    {10, false, DAYTONA_STREAM_LOST},
    {4000, true, DAYTONA_STREAM_LOST}, /* it had caught up */
  };
  for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
    const daytona_interpreter_run_code_opts_t opts = {0};
    stream_again(scene);
    daytona_future_t *future = daytona_interpreter_run_code(scene->sandbox, "1", &opts);
    while (scene->frames == 0) uv_run(&scene->api.uv, UV_RUN_ONCE);
    daytona_future_pause(future);
    for (size_t n = 0; n < ends[i].lines; n++) play(&scene->script, out_hi);
    peer_send(scene->socket, scene->script.bytes, scene->script.size);
    if (!ends[i].goes_on) peer_end(scene->socket);
    api_spin(&scene->api, 50);
    daytona_future_resume(future);
    if (ends[i].goes_on) {
      api_spin(&scene->api, 200);
      api_advance(&scene->api, 5000);
      peer_end(scene->socket);
    }
    api_must_fail(future, DAYTONA_ECONNECTION);
    if (daytona_future_stream_reason(future) != ends[i].reason)
      fail_msg("%zu: %s", i, daytona_stream_reason_text(daytona_future_stream_reason(future)));
    daytona_future_release(future);
  }
}

static void refusals_are_errors_as_from_rest(void **state) {
  stream_scene_t *scene = *state;
  heard_t heard = {0};
  scene->refusal = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n";
  api_fails(run(scene, &heard), DAYTONA_EAUTH);
  scene->refusal = "HTTP/1.1 403 Forbidden\r\nContent-Length: 16\r\n\r\n{\"message\":\"no\"}";
  api_fails(run(scene, &heard), DAYTONA_EFORBIDDEN);
  scene->refusal = stream_stopped_sandbox;
  api_fails(run(scene, &heard), DAYTONA_ESANDBOX_STOPPED);
}

static void an_upgrade_that_is_refused_on_the_way_says_so(void **state) {
  stream_scene_t *scene = *state;
  for (int i = 0; i < STREAM_FRONTS; i++) {
    heard_t heard = {0};
    char status[16];
    stream_again(scene);
    scene->refusal = stream_fronts[i].answer;
    snprintf(status, sizeof status, "status %d", stream_fronts[i].status);
    daytona_future_t *future = api_must_fail(run(scene, &heard), DAYTONA_EUPGRADE);
    const daytona_error_t *error = daytona_future_error(future);
    assert_int_equal(error->http_status, stream_fronts[i].status);
    assert_non_null(strstr(error->message, "upgrade"));
    assert_non_null(strstr(error->message, status));
    assert_int_equal(scene->upgrades, 1);
    daytona_future_release(future);
  }
}

static void collected_output_has_a_bound(void **state) {
  stream_scene_t *scene = *state;
  heard_t heard = {0};
  for (int i = 0; i < 3; i++) play(&scene->script, out_hi);
  stream_close_frame(&scene->script, 1000, "");
  stream_play(scene, &scene->script, scene->script.size, STREAM_ENDS);
  const daytona_interpreter_run_code_opts_t opts = {
    .max_output_bytes = 4, .on_stdout = on_out, .user = &heard};
  daytona_future_t *future = api_must(daytona_interpreter_run_code(scene->sandbox, "1", &opts));
  const daytona_interpreter_run_result_t *result = daytona_future_interpreter_run_result(future);
  assert_string_equal(result->out.data, "hi\nh");
  assert_true(result->out_is_truncated && !result->err_is_truncated);
  assert_string_equal(heard.out, "hi\nhi\nhi\n");
  daytona_future_release(future);
}

/* What is announced is enough: nobody waits for the rest. */
static void a_message_has_a_bound(void **state) {
  stream_scene_t *scene = *state;
  static const char head[] = {(char)0x81, 127,        0, 0, 0,  0,
                              0,          (char)0x80, 0, 1, 'x'}; /* of 8 MiB and a byte */
  heard_t heard = {0};
  daytona_future_t *future = run(scene, &heard);
  while (scene->frames == 0) uv_run(&scene->api.uv, UV_RUN_ONCE);
  peer_send(scene->socket, head, sizeof head);
  api_fails(future, DAYTONA_ELIMIT);
  assert_int_equal(scene->close_code, 1009);
}

enum { LONG_TEXT = 5 << 20 };

static void count_out(const daytona_output_t *output, void *user) {
  heard_t *heard = user;
  for (size_t i = 0; i < output->size; i++) assert_int_equal(output->bytes[i], 'a' + i % 26);
  heard->err_size += output->size;
  act(heard);
}

/* A message of several MiB, and the close behind it. */
static daytona_future_t *run_long(stream_scene_t *scene, heard_t *heard) {
  static char message[LONG_TEXT + 64];
  const daytona_interpreter_run_code_opts_t opts = {.on_stdout = count_out, .user = heard};
  size_t size = (size_t)sprintf(message, "{\"type\":\"stdout\",\"text\":\"");
  for (int i = 0; i < LONG_TEXT; i++) message[size++] = (char)('a' + i % 26);
  size += (size_t)sprintf(message + size, "\"}");
  heard->scene = scene;
  heard->run = daytona_interpreter_run_code(scene->sandbox, "print()", &opts);
  while (scene->frames == 0) uv_run(&scene->api.uv, UV_RUN_ONCE);
  stream_send(scene, 1, message, size);
  stream_send_close(scene, 1000, "");
  return heard->run;
}

static void a_long_message_is_delivered_whole(void **state) {
  stream_scene_t *scene = *state;
  heard_t heard = {0};
  daytona_future_t *future = api_must(run_long(scene, &heard));
  assert_int_equal(heard.err_size, LONG_TEXT);
  assert_int_equal(heard.calls, 1);
  assert_int_equal(daytona_future_interpreter_run_result(future)->out.size, LONG_TEXT);
  daytona_future_release(future);
}

/* It is read over some turns: paused, cancelled or closed at any of them. */
static void a_long_message_may_be_left_at_any_turn(void **state) {
  stream_scene_t *scene = *state;
  for (int turn = 0; turn < 120; turn += 7)
    for (int way = 0; way < 3; way++) {
      heard_t heard = {0};
      stream_again(scene);
      daytona_future_t *future = run_long(scene, &heard);
      api_spin(&scene->api, turn);
      int calls = heard.calls;
      bool was_settled = daytona_future_is_settled(future);
      if (way == 0) daytona_future_cancel(future);
      if (way == 1) api_scene_close_client(&scene->api);
      if (way == 2 && !was_settled) {
        assert_int_equal(daytona_future_pause(future), 0);
        api_spin(&scene->api, 60);
        assert_int_equal(heard.calls, calls);
        assert_false(daytona_future_is_settled(future));
        assert_int_equal(daytona_future_resume(future), 0);
      }
      while (!daytona_future_is_settled(future)) uv_run(&scene->api.uv, UV_RUN_ONCE);
      if (way == 2) assert_int_equal(heard.err_size, LONG_TEXT);
      daytona_future_release(future);
    }
}

/* A server that reports errors without end: the last one counts, and the others cost nothing. */
static void errors_without_end_do_not_cost_memory(void **state) {
  stream_scene_t *scene = *state;
  heard_t heard = {0};
  size_t used = 0;
  daytona_future_t *future = run(scene, &heard);
  while (scene->frames == 0) uv_run(&scene->api.uv, UV_RUN_ONCE);
  for (int i = 1; i <= 2000; i++) {
    stream_send(scene, 1, raised, strlen(raised));
    while (heard.calls < i) uv_run(&scene->api.uv, UV_RUN_ONCE);
    if (i == 100) used = future->arena.used;
  }
  assert_int_equal(future->arena.used, used);
  stream_send_close(scene, 1000, "");
  api_must(future);
  assert_string_equal(daytona_future_interpreter_run_result(future)->error->traceback, "T\n");
  daytona_future_release(future);
}

/* The time of a deadline runs while the run is paused; then the client leaves, and delivers nothing more. */
static void a_deadline_ends_a_paused_run(void **state) {
  stream_scene_t *scene = *state;
  heard_t heard = {0};
  daytona_future_t *bound = daytona_future_deadline(run(scene, &heard), 5000);
  while (scene->frames == 0) uv_run(&scene->api.uv, UV_RUN_ONCE);
  assert_int_equal(daytona_future_pause(bound), 0);
  stream_send(scene, 1, out_hi, strlen(out_hi));
  stream_send_close(scene, 1000, "");
  api_spin(&scene->api, 30);
  api_advance(&scene->api, 4900);
  api_spin(&scene->api, 10);
  assert_false(daytona_future_is_settled(bound));
  api_advance(&scene->api, 200);
  api_must_fail(bound, DAYTONA_EDEADLINE);
  assert_int_equal(daytona_future_resume(bound), DAYTONA_EINVAL);
  api_spin(&scene->api, 20);
  assert_int_equal(heard.calls, 0);
  daytona_future_release(bound);
}

/* --- callbacks --------------------------------------------------------------------------------- */

static void cancel_it(heard_t *heard) { daytona_future_cancel(heard->run); }
static void close_client(heard_t *heard) { api_scene_close_client(&heard->scene->api); }
static void pause_it(heard_t *heard) { daytona_future_pause(heard->run); }

static void a_callback_may_do_anything(void **state) {
  stream_scene_t *scene = *state;
  static void (*const actions[])(heard_t * heard) = {cancel_it, close_client, pause_it};
  static const daytona_errcode_t codes[] = {DAYTONA_ECANCELED, DAYTONA_ECLOSED, DAYTONA_OK};
  static const char *const first[] = {out_hi, err_e, raised};
  for (int i = 0; i < 3; i++)
    for (int kind = 0; kind < 3; kind++) {
      heard_t heard = {.action = actions[i]};
      stream_again(scene);
      play(&scene->script, first[kind]);
      play(&scene->script, out_hi);
      stream_close_frame(&scene->script, 1000, "");
      stream_play(scene, &scene->script, scene->script.size, STREAM_ENDS);
      daytona_future_t *future = run(scene, &heard);
      while (heard.calls == 0) uv_run(&scene->api.uv, UV_RUN_ONCE);
      api_spin(&scene->api, 20);
      assert_int_equal(heard.calls, 1);
      heard.action = NULL;
      if (i == 2) assert_false(daytona_future_is_settled(future));
      daytona_future_resume(future);
      while (!daytona_future_is_settled(future)) uv_run(&scene->api.uv, UV_RUN_ONCE);
      assert_int_equal(daytona_future_code(future), codes[i]);
      daytona_future_release(future);
      stream_script_clear(&scene->script);
      if (i == 1)
        while (!scene->api.is_closed) uv_run(&scene->api.uv, UV_RUN_ONCE);
    }
}

static void a_run_may_be_cancelled_or_closed_at_any_time(void **state) {
  stream_scene_t *scene = *state;
  for (int way = 0; way < 2; way++)
    for (int turns = 0; turns < 15; turns++) {
      heard_t heard = {0};
      stream_again(scene);
      play(&scene->script, out_hi);
      stream_play(scene, &scene->script, scene->script.size, STREAM_STAYS);
      daytona_future_t *future = run(scene, &heard);
      api_spin(&scene->api, turns);
      if (way == 0) daytona_future_cancel(future);
      if (way == 1) api_scene_close_client(&scene->api);
      while (!daytona_future_is_settled(future)) uv_run(&scene->api.uv, UV_RUN_NOWAIT);
      assert_int_equal(daytona_future_code(future), way == 0 ? DAYTONA_ECANCELED : DAYTONA_ECLOSED);
      daytona_future_release(future);
      stream_script_clear(&scene->script);
      if (way == 1)
        while (!scene->api.is_closed) uv_run(&scene->api.uv, UV_RUN_ONCE);
    }
}

/* --- lack of memory ---------------------------------------------------------------------------- */

static bool run_once(stream_scene_t *scene) {
  heard_t heard = {0};
  scene->upgrades = 0;
  daytona_future_t *future = run(scene, &heard);
  while (!daytona_future_is_settled(future)) uv_run(&scene->api.uv, UV_RUN_ONCE);
  const daytona_interpreter_run_result_t *result = daytona_future_interpreter_run_result(future);
  if (result != NULL) {
    assert_string_equal(result->out.data, "hi\n");
    assert_string_equal(result->error->name, "ValueError");
  } else {
    assert_true(support_alloc_failed() != 0);
  }
  daytona_future_release(future);
  for (int i = 0; i < 20; i++) uv_run(&scene->api.uv, UV_RUN_NOWAIT);
  return support_alloc_failed() != 0;
}

static void a_run_survives_lack_of_memory(void **state) {
  stream_scene_t *scene = *state;
  play(&scene->script, out_hi);
  play(&scene->script, raised);
  stream_close_frame(&scene->script, 1000, "");
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
    TEST(the_first_message_is_the_request),
    TEST(bad_arguments_do_not_leave_the_client),
    TEST(contexts_are_made_listed_and_deleted),
    TEST(only_the_close_frame_ends_a_run),
    TEST(a_completed_run_without_a_close_frame_is_not_over),
    TEST(a_run_waits_for_its_turn_however_long),
    TEST(a_cut_anywhere_is_an_error),
    TEST(a_slow_reader_is_told_from_a_lost_connection),
    TEST(refusals_are_errors_as_from_rest),
    TEST(an_upgrade_that_is_refused_on_the_way_says_so),
    TEST(collected_output_has_a_bound),
    TEST(a_message_has_a_bound),
    TEST(a_long_message_is_delivered_whole),
    TEST(a_long_message_may_be_left_at_any_turn),
    TEST(errors_without_end_do_not_cost_memory),
    TEST(a_deadline_ends_a_paused_run),
    TEST(a_callback_may_do_anything),
    TEST(a_run_may_be_cancelled_or_closed_at_any_time),
    TEST(a_run_survives_lack_of_memory),
  };
  signal(SIGPIPE, SIG_IGN); /* the peer writes to clients that have gone */
  return cmocka_run_group_tests(tests, NULL, NULL);
}
