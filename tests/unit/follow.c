/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Following a log: every byte once and in its order, whatever happens to the connection. All tests are run with the log
 * of a command and with that of the entrypoint.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "core/future.h"
#include "support/alloc.h"
#include "support/check.h"
#include "support/follow_scene.h"

static void a_follow_hands_on_both_streams_and_the_exit_code(void **state) {
  stream_scene_t *scene = *state;
  follow_heard_t heard = {0};
  follow_serve_log(scene);
  daytona_future_t *future = follow_start(scene, &heard, (daytona_session_follow_opts_t){0});
  const daytona_stream_end_t *end = follow_end_of(scene, future, DAYTONA_STREAM_EXITED);
  follow_expect_everything(&heard, end);
  assert_int_equal(end->close_code, 1000);
  char line[160];
  snprintf(line, sizeof line, "%s?follow=true HTTP/1.1\r\n", follow_get_logs);
  assert_non_null(strstr(scene->upgrade, line));
  assert_true(api_has_header(scene->upgrade, "Authorization", "Bearer key"));
  daytona_future_release(future);
}

/* What was handed on, in order: which stream before each call's bytes. */
typedef struct order {
  char text[64 * 1024];
  size_t size;
  int calls;
} order_t;

static void note(order_t *order, char stream, const char *bytes, size_t size) {
  assert_true(order->size + size + 1 < sizeof order->text);
  order->text[order->size++] = stream;
  memcpy(order->text + order->size, bytes, size);
  order->size += size;
  order->calls++;
}

static void note_out(const daytona_output_t *output, void *user) {
  note(user, 'O', output->bytes, output->size);
}
static void note_err(const daytona_output_t *output, void *user) {
  note(user, 'E', output->bytes, output->size);
}

static void follow_one_frame(stream_scene_t *scene, const char *log, size_t size, order_t *order) {
  stream_again(scene);
  stream_frame(&scene->script, 2, log, size);
  stream_close_frame(&scene->script, 1000, "");
  follow_play_script(scene, STREAM_ENDS);
  follow_finish_command(scene, log);
  daytona_session_follow_opts_t opts = {.on_stdout = note_out, .on_stderr = note_err, .user = order};
  daytona_future_t *future = follow_begin(scene->sandbox, &opts);
  assert_false(follow_end_of(scene, future, DAYTONA_STREAM_EXITED)->has_gap);
  daytona_future_release(future);
}

static void lines_that_came_together_are_handed_on_together(void **state) {
  stream_scene_t *scene = *state;
  static const char log[] = "\1\1\1one\n\1\1\1two\n\2\2\2err\n\1\1\1three\n";
  static order_t order;
  follow_one_frame(scene, log, sizeof log - 1, &order);
  order.text[order.size] = '\0';
  assert_string_equal(order.text, "Oone\ntwo\nEerr\nOthree\n");
}

/* Lines of all lengths around what is collected, in one frame: all of it, in its order. */
static void lines_keep_their_order_whatever_their_length(void **state) {
  stream_scene_t *scene = *state;
  static const size_t lengths[] = {1,    2047, 1,    2048, 2049, 100, 3995, 100,
                                   4095, 4096, 4097, 1,    9000, 2,   1500};
  static char log[64 * 1024], expected[64 * 1024];
  static order_t order;
  size_t size = 0, wanted = 0, got = 0;
  char stream = 0;
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
    char mark = i % 5 == 3 ? 2 : 1;
    memset(log + size, mark, 3);
    memset(log + size + 3, (int)('a' + i), lengths[i]);
    if (mark != stream) expected[wanted++] = mark == 1 ? 'O' : 'E';
    memset(expected + wanted, (int)('a' + i), lengths[i]);
    stream = mark;
    size += 3 + lengths[i];
    wanted += lengths[i];
  }
  follow_one_frame(scene, log, size, &order);
  for (size_t i = 0, last = 0; i < order.size; i++) { /* several calls for one stream count as one */
    char byte = order.text[i];
    bool is_tag = byte == 'O' || byte == 'E';
    if (!is_tag || (size_t)byte != last) order.text[got++] = byte;
    if (is_tag) last = (size_t)byte;
  }
  assert_int_equal(got, wanted);
  assert_memory_equal(order.text, expected, wanted);
}

static void text_has_whole_characters(void **state) {
  stream_scene_t *scene = *state;
  follow_heard_t heard = {0};
  follow_serve_log(scene);
  daytona_future_t *future = follow_start(scene, &heard, (daytona_session_follow_opts_t){.as_text = true});
  follow_end_of(scene, future, DAYTONA_STREAM_EXITED);
  assert_string_equal(heard.err, "\xC3\xA9\xEF\xBF\xBD\n");
  daytona_future_release(future);
}

/* What was begun and cannot become a character any more is told at the end. */
static void text_ends_with_what_was_begun(void **state) {
  stream_scene_t *scene = *state;
  static const char text[] = "\1\1\1a\xC3\2\2\2\xE2\x82";
  follow_heard_t heard = {0};
  stream_frame(&scene->script, 2, text, sizeof text - 1);
  stream_close_frame(&scene->script, 1000, "");
  follow_play_script(scene, STREAM_ENDS);
  follow_finish_command(scene, text);
  daytona_future_t *future = follow_start(scene, &heard, (daytona_session_follow_opts_t){.as_text = true});
  follow_end_of(scene, future, DAYTONA_STREAM_EXITED);
  assert_string_equal(heard.out, "a\xEF\xBF\xBD");
  assert_string_equal(heard.err, "\xEF\xBF\xBD");
  daytona_future_release(future);
}

/* Cut at byte `size`, while the command still runs or not; the next socket shows everything. */
static void cut_at(stream_scene_t *scene, const stream_script_t *script, size_t size, stream_fate_t fate,
                   bool still_runs) {
  follow_heard_t heard = {0};
  stream_again(scene);
  stream_play(scene, script, size, fate);
  stream_play(scene, script, script->size, STREAM_ENDS);
  if (still_runs) {
    char part[sizeof follow_log];
    snprintf(part, sizeof part, "%.12s", follow_log);
    api_answer(&scene->api, follow_get_command, 200, follow_running);
    stream_answer_text(scene, follow_get_logs, size < 15 ? part : follow_log); /* never less than was seen */
  }
  follow_finish_command(scene, follow_log);
  daytona_future_t *future = follow_start(scene, &heard, (daytona_session_follow_opts_t){0});
  follow_expect_everything(&heard, follow_end_of(scene, future, DAYTONA_STREAM_EXITED));
  daytona_future_release(future);
}

static void no_byte_is_lost_wherever_the_connection_breaks(void **state) {
  stream_scene_t *scene = *state;
  stream_script_t script;
  follow_make_script(&script);
  for (size_t size = 0; size < script.size; size++) {
    cut_at(scene, &script, size, size % 2 == 0 ? STREAM_ENDS : STREAM_BREAKS, false);
    cut_at(scene, &script, size, STREAM_ENDS, true);
  }
  stream_script_clear(&script);
}

static void a_frozen_connection_is_noticed(void **state) {
  stream_scene_t *scene = *state;
  stream_script_t script;
  follow_make_script(&script);
  for (size_t size = 0; size < script.size; size += 7) cut_at(scene, &script, size, STREAM_STAYS, false);
  stream_script_clear(&script);
}

static void the_log_is_asked_for_in_its_own_bytes(void **state) {
  stream_scene_t *scene = *state;
  follow_heard_t heard = {0};
  stream_script_t none = {0};
  stream_play(scene, &none, 0, STREAM_ENDS);
  follow_finish_command(scene, follow_log);
  daytona_future_t *future = follow_start(scene, &heard, (daytona_session_follow_opts_t){0});
  const daytona_stream_end_t *end = follow_end_of(scene, future, DAYTONA_STREAM_EXITED);
  follow_expect_everything(&heard, end);
  assert_int_equal(end->resumed_count, 1);
  const char *request = api_request(&scene->api, follow_get_logs, 0);
  assert_true(api_has_header(request, "X-Daytona-SDK-Version", "0.166.0"));
  assert_true(api_has_header(request, "Authorization", "Bearer key"));
  daytona_future_release(future);
}

static void a_log_that_is_another_one_is_a_gap(void **state) {
  stream_scene_t *scene = *state;
  static const char *const logs[] = {"\1\1\1ONE\n\1\1\1more\n", "\1\1\1o"};
  static const char *const out[] = {"one\nmore\n", "one\n"};
  for (int i = 0; i < 2; i++) {
    follow_heard_t heard = {0};
    stream_again(scene);
    stream_frame(&scene->script, 2, follow_log, 7);
    follow_play_script(scene, STREAM_ENDS);
    follow_finish_command(scene, logs[i]);
    daytona_future_t *future = follow_start(scene, &heard, (daytona_session_follow_opts_t){0});
    assert_true(follow_end_of(scene, future, DAYTONA_STREAM_EXITED)->has_gap);
    assert_string_equal(heard.out, out[i]);
    daytona_future_release(future);
  }
}

/* It became shorter: following goes on at its new end. */
static void a_log_that_was_cut_is_followed_from_its_end(void **state) {
  stream_scene_t *scene = *state;
  follow_heard_t heard = {0};
  stream_frame(&scene->script, 2, "\1\1\1one\n", 7);
  follow_play_script(scene, STREAM_ENDS);
  stream_script_clear(&scene->script);
  stream_frame(&scene->script, 2, "\1\1\1oXYZ\n", 8);
  stream_close_frame(&scene->script, 1000, "");
  follow_play_script(scene, STREAM_ENDS);
  api_answer(&scene->api, follow_get_command, 200, follow_running);
  follow_finish_command(scene, "\1\1\1o");
  stream_answer_text(scene, follow_get_logs, "\1\1\1oXYZ\n");
  daytona_future_t *future = follow_start(scene, &heard, (daytona_session_follow_opts_t){0});
  assert_true(follow_end_of(scene, future, DAYTONA_STREAM_EXITED)->has_gap);
  assert_string_equal(heard.out, "one\nXYZ\n");
  assert_int_equal(scene->upgrades, 2);
  daytona_future_release(future);
}

static void json_with_the_log_will_do(void **state) {
  stream_scene_t *scene = *state;
  follow_heard_t heard = {0};
  stream_frame(&scene->script, 2, follow_log, 5);
  follow_play_script(scene, STREAM_BREAKS);
  api_answer(&scene->api, follow_get_command, 200, follow_finished);
  api_answer(&scene->api, follow_get_logs, 200,
             "{\"output\":\"\\u0001\\u0001\\u0001one\\n\\u0002\\u0002\\u0002e\\n\"}");
  daytona_future_t *future = follow_start(scene, &heard, (daytona_session_follow_opts_t){0});
  assert_false(follow_end_of(scene, future, DAYTONA_STREAM_EXITED)->has_gap);
  assert_string_equal(heard.out, "one\n");
  assert_string_equal(heard.err, "e\n");
  daytona_future_release(future);
}

enum { LONG_LINES = 60000, LONG_LINE = 32 };

/* JSON with a log of LONG_LINES lines, of which a socket that broke has shown some bytes. */
static daytona_future_t *follow_long_json(stream_scene_t *scene, follow_heard_t *heard,
                                          daytona_output_cb on_line, void *user) {
  static char body[LONG_LINES * LONG_LINE + 64];
  size_t size = (size_t)sprintf(body, "{\"output\":\"\\u0001\\u0001\\u0001");
  for (int i = 0; i < LONG_LINES; i++) size += (size_t)sprintf(body + size, "%029d\\n", i);
  strcpy(body + size, "\"}");
  follow_make_script(&scene->script);
  stream_play(scene, &scene->script, 4, STREAM_BREAKS);
  api_answer(&scene->api, follow_get_command, 200, follow_finished);
  api_answer(&scene->api, follow_get_logs, 200, body);
  const daytona_session_follow_opts_t opts = {.on_stdout = on_line, .user = user};
  heard->scene = scene;
  return heard->follow = follow_begin(scene->sandbox, &opts);
}

typedef struct counted {
  size_t size, stop_at;
  daytona_future_t *follow;
} counted_t;

static void count_bytes(const daytona_output_t *output, void *user) {
  counted_t *counted = user;
  for (size_t i = 0; i < output->size; i++) {
    char line[LONG_LINE];
    sprintf(line, "%029d\n", (int)((counted->size + i) / 30));
    assert_int_equal(output->bytes[i], line[(counted->size + i) % 30]);
  }
  counted->size += output->size;
  if (counted->stop_at == 0 || counted->size < counted->stop_at) return;
  counted->stop_at = 0;
  daytona_future_pause(counted->follow);
}

/* It is read and delivered in parts, and a reader who pauses gets no more than the part that was under way. */
static void long_json_leaves_turns_to_others(void **state) {
  stream_scene_t *scene = *state;
  follow_heard_t heard = {0};
  counted_t counted = {.stop_at = 700000};
  counted.follow = follow_long_json(scene, &heard, count_bytes, &counted);
  size_t turns = 0, before = 0;
  while (counted.stop_at != 0) {
    uv_run(&scene->api.uv, UV_RUN_ONCE);
    assert_true(counted.size - before <= 256 << 10);
    turns += counted.size != before;
    before = counted.size;
    if (scene->upgrades == 1) api_advance(&scene->api, 1);
  }
  assert_true(turns >= 3);
  api_spin(&scene->api, 50);
  api_settle(&scene->api);
  assert_int_equal(counted.size, before);
  assert_false(daytona_future_is_settled(counted.follow));
  daytona_future_resume(counted.follow);
  follow_end_of(scene, counted.follow, DAYTONA_STREAM_EXITED);
  assert_int_equal(counted.size, LONG_LINES * 30);
  daytona_future_release(counted.follow);
}

/* In every turn while it is read: cancelled, closed, out of time. */
static void long_json_may_be_left_at_any_turn(void **state) {
  stream_scene_t *scene = *state;
  for (int turn = 0; turn < 40; turn += 3)
    for (int way = 0; way < 3; way++) {
      follow_heard_t heard = {0};
      counted_t counted = {.stop_at = way == 2 ? 300000 : 0};
      stream_again(scene);
      daytona_future_t *future = counted.follow = follow_long_json(scene, &heard, count_bytes, &counted);
      while (api_count(&scene->api, follow_get_logs) == 0) {
        api_spin(&scene->api, 2);
        api_advance(&scene->api, 1);
      }
      api_spin(&scene->api, turn);
      if (way == 0) daytona_future_cancel(future);
      if (way == 1) api_scene_close_client(&scene->api);
      if (way == 2) future = daytona_future_deadline(future, 10);
      if (way == 2) api_advance(&scene->api, 20);
      while (!daytona_future_is_settled(future)) uv_run(&scene->api.uv, UV_RUN_ONCE);
      daytona_future_release(future);
    }
}

/* --- upgrades that something on the way refuses -------------------------------------------------- */

static void a_follow_without_sockets_makes_do_with_requests(void **state) {
  stream_scene_t *scene = *state;
  for (int i = 0; i < STREAM_FRONTS; i++) {
    follow_heard_t heard = {0};
    stream_again(scene);
    scene->refusal = stream_fronts[i].answer;
    for (int n = 0; n < 5; n++) api_answer(&scene->api, follow_get_command, 200, follow_running);
    follow_finish_command(scene, "\1\1\1o");
    stream_answer_text(scene, follow_get_logs, "\1\1\1one\n");
    stream_answer_text(scene, follow_get_logs, follow_log);
    daytona_future_t *future = follow_start(scene, &heard, (daytona_session_follow_opts_t){0});
    const daytona_stream_end_t *end = follow_end_of(scene, future, DAYTONA_STREAM_EXITED);
    follow_expect_everything(&heard, end);
    assert_int_equal(end->resumed_count, 0);
    assert_int_equal(scene->upgrades, stream_fronts[i].status < 500 ? 1 : 3);
    daytona_future_release(future);
  }
}

/* A front that restarts answers 502 for a while. */
static void a_front_that_comes_back_is_asked_for_a_socket_again(void **state) {
  stream_scene_t *scene = *state;
  follow_heard_t heard = {0};
  follow_make_script(&scene->script);
  stream_play(scene, &scene->script, 0, STREAM_STAYS);
  stream_play(scene, &scene->script, 0, STREAM_STAYS);
  follow_play_script(scene, STREAM_ENDS);
  scene->refusal = stream_fronts[STREAM_FRONTS - 1].answer;
  scene->refusals = 2;
  for (int n = 0; n < 2; n++) api_answer(&scene->api, follow_get_command, 200, follow_running);
  api_answer(&scene->api, follow_get_command, 200, follow_finished);
  for (int n = 0; n < 2; n++) stream_answer_text(scene, follow_get_logs, "\1\1\1o");
  stream_answer_text(scene, follow_get_logs, follow_log);
  daytona_future_t *future = follow_start(scene, &heard, (daytona_session_follow_opts_t){0});
  follow_expect_everything(&heard, follow_end_of(scene, future, DAYTONA_STREAM_EXITED));
  assert_int_equal(scene->upgrades, 3);
  daytona_future_release(future);
}

static void nothing_to_follow_is_an_error_without_sockets_too(void **state) {
  stream_scene_t *scene = *state;
  static const struct {
    int status;
    daytona_errcode_t code;
  } answers[] = {{404, DAYTONA_ENOTFOUND}, {401, DAYTONA_EAUTH}, {403, DAYTONA_EFORBIDDEN}};
  for (int i = 0; i < 3; i++) {
    follow_heard_t heard = {0};
    stream_again(scene);
    scene->refusal = stream_fronts[1].answer;
    api_answer(&scene->api, follow_get_command, answers[i].status, "{\"message\":\"no\"}");
    api_fails(follow_start(scene, &heard, (daytona_session_follow_opts_t){0}), answers[i].code);
  }
}

/* --- lack of memory ---------------------------------------------------------------------------- */

static void follow_once(void *user) {
  stream_scene_t *scene = user;
  follow_heard_t heard = {0};
  scene->upgrades = 0;
  scene->api.routes[0].given = scene->api.routes[1].given = 0;
  daytona_future_t *future = follow_start(scene, &heard, (daytona_session_follow_opts_t){0});
  for (int turn = 0; !daytona_future_is_settled(future); turn++) {
    assert_true(turn < 200000);
    uv_run(&scene->api.uv, UV_RUN_NOWAIT);
    if (turn % 50 == 49) api_advance(&scene->api, 100);
  }
  const daytona_stream_end_t *end = daytona_future_stream_end(future);
  if (end != NULL && end->reason == DAYTONA_STREAM_EXITED)
    assert_string_equal(heard.out, follow_log_out);
  else
    assert_true(support_alloc_failed() != 0);
  daytona_future_release(future);
  for (int i = 0; i < 30; i++) uv_run(&scene->api.uv, UV_RUN_NOWAIT);
}

static void a_follow_survives_lack_of_memory(void **state) {
  stream_scene_t *scene = *state;
  follow_make_script(&scene->script);
  stream_play(scene, &scene->script, 20, STREAM_ENDS);
  follow_play_script(scene, STREAM_ENDS);
  api_answer(&scene->api, follow_get_command, 200, follow_running);
  follow_finish_command(scene, follow_log);
  follow_once(scene); /* what is made once per client */
  for (size_t nth = 1; nth < 400; nth++) {
    support_alloc_fail_once(nth);
    follow_once(scene);
    bool was_reached = support_alloc_failed() != 0;
    support_alloc_heal();
    if (!was_reached) break;
  }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, stream_setup, stream_teardown)

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
    TEST(a_follow_hands_on_both_streams_and_the_exit_code),
    TEST(lines_that_came_together_are_handed_on_together),
    TEST(lines_keep_their_order_whatever_their_length),
    TEST(text_has_whole_characters),
    TEST(text_ends_with_what_was_begun),
    TEST(no_byte_is_lost_wherever_the_connection_breaks),
    TEST(a_frozen_connection_is_noticed),
    TEST(the_log_is_asked_for_in_its_own_bytes),
    TEST(a_log_that_is_another_one_is_a_gap),
    TEST(a_log_that_was_cut_is_followed_from_its_end),
    TEST(json_with_the_log_will_do),
    TEST(long_json_leaves_turns_to_others),
    TEST(long_json_may_be_left_at_any_turn),
    TEST(a_follow_without_sockets_makes_do_with_requests),
    TEST(a_front_that_comes_back_is_asked_for_a_socket_again),
    TEST(nothing_to_follow_is_an_error_without_sockets_too),
    TEST(a_follow_survives_lack_of_memory),
  };
  signal(SIGPIPE, SIG_IGN); /* the peer writes to clients that have gone */
  if (argc > 1 && strcmp(argv[1], "entrypoint") == 0) follow_use_entrypoint();
  return cmocka_run_group_tests(tests, NULL, NULL);
}
