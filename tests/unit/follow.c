/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Following a log: every byte once, whatever happens to the connection, and one outcome. All tests are run with the log
 * of a command and with that of the entrypoint.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "core/future.h"
#include "support/alloc.h"
#include "support/check.h"
#include "support/stream_scene.h"

#define SESSION "/toolbox/sb-1/process/session"
#define COMMAND SESSION "/s/command/c"
#define RUNNING "{\"id\":\"c\",\"command\":\"make\"}"
#define FINISHED "{\"id\":\"c\",\"command\":\"make\",\"exitCode\":3}"
#define SESSION_WITH(command) "{\"sessionId\":\"entrypoint\",\"commands\":[" command "]}"

static bool is_entrypoint;
static const char *get_command = "GET " COMMAND, *get_logs = "GET " COMMAND "/logs";
static const char *running = RUNNING, *finished = FINISHED;

static void use_entrypoint(void) {
  is_entrypoint = true;
  get_command = "GET " SESSION "/entrypoint";
  get_logs = "GET " SESSION "/entrypoint/logs";
  running = SESSION_WITH(RUNNING);
  finished = SESSION_WITH(FINISHED);
}

static daytona_future_t *begin_follow(daytona_sandbox_t *sandbox, const daytona_session_follow_opts_t *opts) {
  return is_entrypoint ? daytona_session_follow_entrypoint(sandbox, opts)
                       : daytona_session_follow(sandbox, "s", "c", opts);
}

static const char log_text[] = "\1\1\1one\n\2\2\2\xC3\xA9\xFF\n\1\1\1two\n\1\1\1three\n";
static const char log_out[] = "one\ntwo\nthree\n";
static const char log_err[] = "\xC3\xA9\xFF\n";

typedef struct heard {
  stream_scene_t *scene;
  char out[512], err[512];
  daytona_future_t *follow;
  int calls, settled;
  int action_at;
  void (*action)(struct heard *heard);
} heard_t;

static void hear(heard_t *heard, char *to, const char *bytes, size_t size) {
  size_t at = strlen(to);
  assert_int_equal(heard->settled, 0);
  assert_true(size != 0 && at + size < sizeof heard->out);
  if (heard->action != NULL && heard->calls == heard->action_at) heard->action(heard);
  memcpy(to + at, bytes, size); /* still there, whatever was done */
  to[at + size] = '\0';
  heard->calls++;
}

static void on_out(const daytona_output_t *output, void *user) {
  assert_int_equal(output->stream, DAYTONA_OUTPUT_STDOUT);
  assert_ptr_equal(output->future, ((heard_t *)user)->follow);
  assert_null(output->pty);
  hear(user, ((heard_t *)user)->out, output->bytes, output->size);
}
static void on_err(const daytona_output_t *output, void *user) {
  assert_int_equal(output->stream, DAYTONA_OUTPUT_STDERR);
  hear(user, ((heard_t *)user)->err, output->bytes, output->size);
}
static void on_settled(daytona_future_t *future, void *user) { ((heard_t *)user)->settled++; }
static void pause_now(heard_t *heard) { daytona_future_pause(heard->follow); }

static daytona_future_t *follow(stream_scene_t *scene, heard_t *heard, daytona_session_follow_opts_t opts) {
  opts.on_stdout = on_out;
  opts.on_stderr = on_err;
  opts.user = heard;
  heard->scene = scene;
  heard->follow = begin_follow(scene->sandbox, &opts);
  daytona_future_on_settled(heard->follow, on_settled, heard);
  return heard->follow;
}

/* Until something was heard, and then until nothing moves any more. */
static void until_quiet(heard_t *heard) {
  api_scene_t *api = &heard->scene->api;
  while (heard->calls == 0) uv_run(&api->uv, UV_RUN_ONCE);
  api_spin(api, 50);
  api_settle(api);
}

/* The log in frames of a few bytes, and the server's close. */
static void make_script(stream_script_t *script) {
  memset(script, 0, sizeof *script);
  for (size_t at = 0; at < sizeof log_text - 1; at += 5) {
    size_t left = sizeof log_text - 1 - at;
    stream_frame(script, 2, log_text + at, left < 5 ? left : 5);
  }
  stream_close_frame(script, 1000, "");
}

/* The newest socket but those before shows the script and then does `fate`. */
static void play_script(stream_scene_t *scene, stream_fate_t fate) {
  stream_play(scene, &scene->script, scene->script.size, fate);
}

/* The command has finished, and plain requests show this log. */
static void finish_command(stream_scene_t *scene, const char *log) {
  api_answer(&scene->api, get_command, 200, finished);
  stream_answer_text(scene, get_logs, log);
}

/* All of it at once: the log over a socket that ends well. */
static void serve_log(stream_scene_t *scene) {
  make_script(&scene->script);
  play_script(scene, STREAM_ENDS);
  finish_command(scene, log_text);
}

/* Let time pass until the end, which must be this one. */
static const daytona_stream_end_t *end_of(stream_scene_t *scene, daytona_future_t *future,
                                          daytona_stream_reason_t reason) {
  for (int turn = 0; !daytona_future_is_settled(future); turn++) {
    assert_true(turn < 100000);
    api_settle(&scene->api);
    for (int i = 0; i < 20; i++) uv_run(&scene->api.uv, UV_RUN_NOWAIT);
    if (!daytona_future_is_settled(future)) api_advance(&scene->api, 100);
  }
  if (daytona_future_error(future) != NULL) fail_msg("%s", daytona_future_error(future)->message);
  const daytona_stream_end_t *end = daytona_future_stream_end(future);
  if (end->reason != reason) fail_msg("%s: %s", daytona_stream_reason_text(end->reason), end->message);
  assert_int_equal(daytona_future_stream_reason(future), reason);
  return end;
}

static void expect_everything(const heard_t *heard, const daytona_stream_end_t *end) {
  assert_string_equal(heard->out, log_out);
  assert_string_equal(heard->err, log_err);
  assert_false(end->has_gap);
  assert_true(end->has_exit_code);
  assert_int_equal(end->exit_code, 3);
  assert_int_equal(end->received_bytes, strlen(log_out) + strlen(log_err));
  assert_int_equal(end->dropped_bytes, 0);
}

static void a_follow_hands_on_both_streams_and_the_exit_code(void **state) {
  stream_scene_t *scene = *state;
  heard_t heard = {0};
  serve_log(scene);
  daytona_future_t *future = follow(scene, &heard, (daytona_session_follow_opts_t){0});
  const daytona_stream_end_t *end = end_of(scene, future, DAYTONA_STREAM_EXITED);
  expect_everything(&heard, end);
  assert_int_equal(end->close_code, 1000);
  char line[160];
  snprintf(line, sizeof line, "%s?follow=true HTTP/1.1\r\n", get_logs);
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
  play_script(scene, STREAM_ENDS);
  finish_command(scene, log);
  daytona_session_follow_opts_t opts = {.on_stdout = note_out, .on_stderr = note_err, .user = order};
  daytona_future_t *future = begin_follow(scene->sandbox, &opts);
  assert_false(end_of(scene, future, DAYTONA_STREAM_EXITED)->has_gap);
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
  heard_t heard = {0};
  serve_log(scene);
  daytona_future_t *future = follow(scene, &heard, (daytona_session_follow_opts_t){.as_text = true});
  end_of(scene, future, DAYTONA_STREAM_EXITED);
  assert_string_equal(heard.err, "\xC3\xA9\xEF\xBF\xBD\n");
  daytona_future_release(future);
}

/* What was begun and cannot become a character any more is told at the end. */
static void text_ends_with_what_was_begun(void **state) {
  stream_scene_t *scene = *state;
  static const char text[] = "\1\1\1a\xC3\2\2\2\xE2\x82";
  heard_t heard = {0};
  stream_frame(&scene->script, 2, text, sizeof text - 1);
  stream_close_frame(&scene->script, 1000, "");
  play_script(scene, STREAM_ENDS);
  finish_command(scene, text);
  daytona_future_t *future = follow(scene, &heard, (daytona_session_follow_opts_t){.as_text = true});
  end_of(scene, future, DAYTONA_STREAM_EXITED);
  assert_string_equal(heard.out, "a\xEF\xBF\xBD");
  assert_string_equal(heard.err, "\xEF\xBF\xBD");
  daytona_future_release(future);
}

/* Cut at byte `size`, while the command still runs or not; the next socket shows everything. */
static void cut_at(stream_scene_t *scene, const stream_script_t *script, size_t size, stream_fate_t fate,
                   bool still_runs) {
  heard_t heard = {0};
  stream_again(scene);
  stream_play(scene, script, size, fate);
  stream_play(scene, script, script->size, STREAM_ENDS);
  if (still_runs) {
    char part[sizeof log_text];
    snprintf(part, sizeof part, "%.12s", log_text);
    api_answer(&scene->api, get_command, 200, running);
    stream_answer_text(scene, get_logs, size < 15 ? part : log_text); /* never less than was seen */
  }
  finish_command(scene, log_text);
  daytona_future_t *future = follow(scene, &heard, (daytona_session_follow_opts_t){0});
  expect_everything(&heard, end_of(scene, future, DAYTONA_STREAM_EXITED));
  daytona_future_release(future);
}

static void no_byte_is_lost_wherever_the_connection_breaks(void **state) {
  stream_scene_t *scene = *state;
  stream_script_t script;
  make_script(&script);
  for (size_t size = 0; size < script.size; size++) {
    cut_at(scene, &script, size, size % 2 == 0 ? STREAM_ENDS : STREAM_BREAKS, false);
    cut_at(scene, &script, size, STREAM_ENDS, true);
  }
  stream_script_clear(&script);
}

static void a_frozen_connection_is_noticed(void **state) {
  stream_scene_t *scene = *state;
  stream_script_t script;
  make_script(&script);
  for (size_t size = 0; size < script.size; size += 7) cut_at(scene, &script, size, STREAM_STAYS, false);
  stream_script_clear(&script);
}

static void the_log_is_asked_for_in_its_own_bytes(void **state) {
  stream_scene_t *scene = *state;
  heard_t heard = {0};
  stream_script_t none = {0};
  stream_play(scene, &none, 0, STREAM_ENDS);
  finish_command(scene, log_text);
  daytona_future_t *future = follow(scene, &heard, (daytona_session_follow_opts_t){0});
  const daytona_stream_end_t *end = end_of(scene, future, DAYTONA_STREAM_EXITED);
  expect_everything(&heard, end);
  assert_int_equal(end->resumed_count, 1);
  const char *request = api_request(&scene->api, get_logs, 0);
  assert_true(api_has_header(request, "X-Daytona-SDK-Version", "0.166.0"));
  assert_true(api_has_header(request, "Authorization", "Bearer key"));
  daytona_future_release(future);
}

static void a_log_that_is_another_one_is_a_gap(void **state) {
  stream_scene_t *scene = *state;
  static const char *const logs[] = {"\1\1\1ONE\n\1\1\1more\n", "\1\1\1o"};
  static const char *const out[] = {"one\nmore\n", "one\n"};
  for (int i = 0; i < 2; i++) {
    heard_t heard = {0};
    stream_again(scene);
    stream_frame(&scene->script, 2, log_text, 7);
    play_script(scene, STREAM_ENDS);
    finish_command(scene, logs[i]);
    daytona_future_t *future = follow(scene, &heard, (daytona_session_follow_opts_t){0});
    assert_true(end_of(scene, future, DAYTONA_STREAM_EXITED)->has_gap);
    assert_string_equal(heard.out, out[i]);
    daytona_future_release(future);
  }
}

/* It became shorter: following goes on at its new end. */
static void a_log_that_was_cut_is_followed_from_its_end(void **state) {
  stream_scene_t *scene = *state;
  heard_t heard = {0};
  stream_frame(&scene->script, 2, "\1\1\1one\n", 7);
  play_script(scene, STREAM_ENDS);
  stream_script_clear(&scene->script);
  stream_frame(&scene->script, 2, "\1\1\1oXYZ\n", 8);
  stream_close_frame(&scene->script, 1000, "");
  play_script(scene, STREAM_ENDS);
  api_answer(&scene->api, get_command, 200, running);
  finish_command(scene, "\1\1\1o");
  stream_answer_text(scene, get_logs, "\1\1\1oXYZ\n");
  daytona_future_t *future = follow(scene, &heard, (daytona_session_follow_opts_t){0});
  assert_true(end_of(scene, future, DAYTONA_STREAM_EXITED)->has_gap);
  assert_string_equal(heard.out, "one\nXYZ\n");
  assert_int_equal(scene->upgrades, 2);
  daytona_future_release(future);
}

static void json_with_the_log_will_do(void **state) {
  stream_scene_t *scene = *state;
  heard_t heard = {0};
  stream_frame(&scene->script, 2, log_text, 5);
  play_script(scene, STREAM_BREAKS);
  api_answer(&scene->api, get_command, 200, finished);
  api_answer(&scene->api, get_logs, 200,
             "{\"output\":\"\\u0001\\u0001\\u0001one\\n\\u0002\\u0002\\u0002e\\n\"}");
  daytona_future_t *future = follow(scene, &heard, (daytona_session_follow_opts_t){0});
  assert_false(end_of(scene, future, DAYTONA_STREAM_EXITED)->has_gap);
  assert_string_equal(heard.out, "one\n");
  assert_string_equal(heard.err, "e\n");
  daytona_future_release(future);
}

enum { LONG_LINES = 60000, LONG_LINE = 32 };

/* JSON with a log of LONG_LINES lines, of which a socket that broke has shown some bytes. */
static daytona_future_t *follow_long_json(stream_scene_t *scene, heard_t *heard, daytona_output_cb on_line,
                                          void *user) {
  static char body[LONG_LINES * LONG_LINE + 64];
  size_t size = (size_t)sprintf(body, "{\"output\":\"\\u0001\\u0001\\u0001");
  for (int i = 0; i < LONG_LINES; i++) size += (size_t)sprintf(body + size, "%029d\\n", i);
  strcpy(body + size, "\"}");
  make_script(&scene->script);
  stream_play(scene, &scene->script, 4, STREAM_BREAKS);
  api_answer(&scene->api, get_command, 200, finished);
  api_answer(&scene->api, get_logs, 200, body);
  const daytona_session_follow_opts_t opts = {.on_stdout = on_line, .user = user};
  heard->scene = scene;
  return heard->follow = begin_follow(scene->sandbox, &opts);
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
  heard_t heard = {0};
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
  end_of(scene, counted.follow, DAYTONA_STREAM_EXITED);
  assert_int_equal(counted.size, LONG_LINES * 30);
  daytona_future_release(counted.follow);
}

/* In every turn while it is read: cancelled, closed, out of time. */
static void long_json_may_be_left_at_any_turn(void **state) {
  stream_scene_t *scene = *state;
  for (int turn = 0; turn < 40; turn += 3)
    for (int way = 0; way < 3; way++) {
      heard_t heard = {0};
      counted_t counted = {.stop_at = way == 2 ? 300000 : 0};
      stream_again(scene);
      daytona_future_t *future = counted.follow = follow_long_json(scene, &heard, count_bytes, &counted);
      while (api_count(&scene->api, get_logs) == 0) {
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

/* The next socket begins with something else: it is not believed, and the plain request is asked again and again. */
static void a_socket_with_another_prefix_is_not_believed(void **state) {
  stream_scene_t *scene = *state;
  heard_t heard = {0};
  stream_script_t other = {0};
  stream_frame(&scene->script, 2, log_text, 7);
  stream_frame(&other, 2, "\1\1\1strange bytes\n", 17);
  play_script(scene, STREAM_ENDS);
  stream_play(scene, &other, other.size, STREAM_STAYS);
  api_answer(&scene->api, get_command, 200, running);
  api_answer(&scene->api, get_command, 200, running);
  finish_command(scene, "\1\1\1one\n");
  stream_answer_text(scene, get_logs, log_text);
  daytona_future_t *future = follow(scene, &heard, (daytona_session_follow_opts_t){0});
  const daytona_stream_end_t *end = end_of(scene, future, DAYTONA_STREAM_EXITED);
  expect_everything(&heard, end);
  assert_int_equal(scene->upgrades, 2);
  assert_int_equal(end->resumed_count, 2);
  daytona_future_release(future);
  stream_script_clear(&other);
}

/* Failures are counted in a row: what works in between has no bytes to show for it when the command is quiet. */
static void failures_with_successes_between_them_are_no_lost_connection(void **state) {
  stream_scene_t *scene = *state;
  const char *const commands[] = {running, running, "?", running, "?", running, "?",     running,
                                  "?",     running, "?", running, "?", running, running, finished};
  static const char logs[] = "..??.??.?"; /* good or bad; then the whole one */
  heard_t heard = {0};
  stream_script_t other = {0};
  stream_frame(&scene->script, 2, log_text, 7);
  stream_frame(&other, 2, "\1\1\1strange bytes\n", 17);
  play_script(scene, STREAM_ENDS);
  stream_play(scene, &other, other.size, STREAM_STAYS);
  for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
    api_answer(&scene->api, get_command, 200, commands[i]);
  for (size_t i = 0; i < sizeof logs - 1; i++)
    if (logs[i] == '?')
      api_answer(&scene->api, get_logs, 200, "?");
    else
      stream_answer_text(scene, get_logs, "\1\1\1one\n");
  stream_answer_text(scene, get_logs, log_text);
  daytona_future_t *future = follow(scene, &heard, (daytona_session_follow_opts_t){0});
  expect_everything(&heard, end_of(scene, future, DAYTONA_STREAM_EXITED));
  daytona_future_release(future);
  stream_script_clear(&other);
}

/* A server that closes early is found out however long it takes to ask about the command. */
static void a_close_right_behind_output_is_not_believed(void **state) {
  stream_scene_t *scene = *state;
  heard_t heard = {0};
  stream_frame(&scene->script, 2, log_text, 9);
  stream_close_frame(&scene->script, 1000, "");
  play_script(scene, STREAM_ENDS);
  for (int i = 0; i < 10; i++) api_answer(&scene->api, get_command, 503, "{\"message\":\"away\"}");
  finish_command(scene, log_text);
  daytona_future_t *future = follow(scene, &heard, (daytona_session_follow_opts_t){0});
  expect_everything(&heard, end_of(scene, future, DAYTONA_STREAM_EXITED));
  daytona_future_release(future);
}

/* As servers do it: some quiet time, then the close. Nothing is fetched. */
static void a_close_behind_a_quiet_time_is_believed(void **state) {
  stream_scene_t *scene = *state;
  heard_t heard = {0};
  stream_frame(&scene->script, 2, log_text, sizeof log_text - 1);
  play_script(scene, STREAM_STAYS);
  api_answer(&scene->api, get_command, 200, finished);
  daytona_future_t *future = follow(scene, &heard, (daytona_session_follow_opts_t){0});
  while (strlen(heard.out) < strlen(log_out)) uv_run(&scene->api.uv, UV_RUN_ONCE);
  api_advance(&scene->api, 600);
  stream_send_close(scene, 1000, "");
  const daytona_stream_end_t *end = end_of(scene, future, DAYTONA_STREAM_EXITED);
  expect_everything(&heard, end);
  assert_int_equal(end->resumed_count, 0);
  assert_int_equal(api_count(&scene->api, get_logs), 0);
  daytona_future_release(future);
}

/* That a close looked right says nothing about what the command has written until it could be asked about. */
static void a_close_is_not_believed_later(void **state) {
  stream_scene_t *scene = *state;
  for (int while_paused = 0; while_paused < 2; while_paused++) {
    heard_t heard = {0};
    stream_again(scene);
    stream_frame(&scene->script, 2, log_text, 7);
    play_script(scene, STREAM_STAYS);
    for (int i = 0; i < 10 && !while_paused; i++)
      api_answer(&scene->api, get_command, 503, "{\"message\":\"away\"}");
    if (while_paused) api_answer(&scene->api, get_command, 200, running);
    finish_command(scene, log_text);
    daytona_future_t *future = follow(scene, &heard, (daytona_session_follow_opts_t){0});
    while (heard.calls == 0) uv_run(&scene->api.uv, UV_RUN_ONCE);
    api_advance(&scene->api, 600);
    stream_send_close(scene, 1000, "");
    while (api_count(&scene->api, get_command) == 0) uv_run(&scene->api.uv, UV_RUN_ONCE);
    if (while_paused) { /* so that the log is not fetched before the command has ended */
      daytona_future_pause(future);
      api_spin(&scene->api, 50);
      assert_int_equal(api_count(&scene->api, get_logs), 0);
      daytona_future_resume(future);
    }
    expect_everything(&heard, end_of(scene, future, DAYTONA_STREAM_EXITED));
    daytona_future_release(future);
  }
}

static void a_sandbox_that_cannot_be_reached_again_is_a_lost_connection(void **state) {
  stream_scene_t *scene = *state;
  heard_t heard = {0};
  api_keep_secret(&scene->api, "key-of-the-client");
  stream_frame(&scene->script, 2, log_text, 7);
  play_script(scene, STREAM_BREAKS);
  api_answer(&scene->api, get_command, 503, "{\"message\":\"away for key-of-the-client\"}");
  daytona_future_t *future = follow(scene, &heard, (daytona_session_follow_opts_t){0});
  const daytona_stream_end_t *end = end_of(scene, future, DAYTONA_STREAM_LOST);
  assert_false(end->has_exit_code);
  assert_non_null(strstr(end->message, "away for ***"));
  assert_string_equal(heard.out, "one\n");
  assert_true(api_count(&scene->api, get_command) >= 11);
  daytona_future_release(future);
}

static void a_deleted_session_is_killed(void **state) {
  stream_scene_t *scene = *state;
  heard_t heard = {0};
  stream_frame(&scene->script, 2, log_text, 5);
  stream_close_frame(&scene->script, 1000, "");
  play_script(scene, STREAM_ENDS);
  api_answer(&scene->api, get_command, 404, "{\"message\":\"not found\"}");
  daytona_future_t *future = follow(scene, &heard, (daytona_session_follow_opts_t){0});
  end_of(scene, future, DAYTONA_STREAM_KILLED);
  assert_string_equal(heard.out, "on");
  daytona_future_release(future);
}

static void nothing_to_follow_is_an_error_as_from_rest(void **state) {
  stream_scene_t *scene = *state;
  heard_t heard = {0};
  scene->refusal = "HTTP/1.1 404 Not Found\r\nContent-Length: 24\r\n\r\n{\"message\":\"no command\"}";
  daytona_future_t *future =
    api_must_fail(follow(scene, &heard, (daytona_session_follow_opts_t){0}), DAYTONA_ENOTFOUND);
  assert_non_null(strstr(daytona_future_error(future)->message, "no command"));
  assert_int_equal(daytona_future_error(future)->http_status, 404);
  assert_int_equal(daytona_future_stream_reason(future), DAYTONA_STREAM_FAILED);
  daytona_future_release(future);
}

static void a_stopped_sandbox_has_its_code(void **state) {
  stream_scene_t *scene = *state;
  heard_t heard = {0};
  scene->refusal = stream_stopped_sandbox;
  api_fails(follow(scene, &heard, (daytona_session_follow_opts_t){0}), DAYTONA_ESANDBOX_STOPPED);
  assert_int_equal(scene->upgrades, 1);
}

static void a_follow_keeps_its_time_limit(void **state) {
  stream_scene_t *scene = *state;
  heard_t heard = {0};
  api_answer(&scene->api, get_command, 200, running);
  daytona_future_t *future = follow(scene, &heard, (daytona_session_follow_opts_t){.timeout_ms = 40000});
  int64_t before = api_now(&scene->api);
  end_of(scene, future, DAYTONA_STREAM_TIMEOUT);
  assert_true(api_now(&scene->api) - before < 41000);
  daytona_future_release(future);
}

/* Nobody reads: the time runs all the same, and nothing is delivered when it has passed. */
static void a_paused_follow_keeps_its_time_limit(void **state) {
  stream_scene_t *scene = *state;
  for (int policy = 0; policy < 2; policy++) {
    heard_t heard = {.action = pause_now};
    stream_again(scene);
    make_script(&scene->script);
    play_script(scene, STREAM_STAYS);
    api_answer(&scene->api, get_command, 200, running);
    daytona_session_follow_opts_t opts = {.policy = (daytona_buffer_policy_t)policy, .timeout_ms = 40000};
    daytona_future_t *future = follow(scene, &heard, opts);
    int64_t before = api_now(&scene->api);
    until_quiet(&heard);
    end_of(scene, future, DAYTONA_STREAM_TIMEOUT);
    assert_true(api_now(&scene->api) - before < 41000);
    assert_int_equal(heard.calls, 1);
    daytona_future_release(future);
  }
}

/* An outcome that is known waits for the reader, but not beyond the limit; then there is no exit code. */
static void a_time_limit_beats_a_verdict_that_waits(void **state) {
  stream_scene_t *scene = *state;
  heard_t heard = {.action = pause_now};
  serve_log(scene);
  daytona_session_follow_opts_t opts = {.policy = DAYTONA_BUFFER_DROP_OLDEST, .timeout_ms = 60000};
  daytona_future_t *future = follow(scene, &heard, opts);
  until_quiet(&heard);
  const daytona_stream_end_t *end = end_of(scene, future, DAYTONA_STREAM_TIMEOUT);
  assert_false(end->has_exit_code);
  assert_int_equal(end->exit_code, 0);
  assert_int_equal(end->received_bytes, end->dropped_bytes + strlen(heard.out) + strlen(heard.err));
  daytona_future_release(future);
}

/* A server that is quiet for days is looked at every 15 s; that must not cost memory. */
static void a_long_follow_does_not_grow(void **state) {
  stream_scene_t *scene = *state;
  heard_t heard = {0};
  size_t used = 0;
  api_answer(&scene->api, get_command, 200, running);
  daytona_future_t *future = follow(scene, &heard, (daytona_session_follow_opts_t){0});
  for (size_t round = 1; round <= 300; round++) {
    while (api_count(&scene->api, get_command) < round) {
      api_spin(&scene->api, 3);
      api_advance(&scene->api, 1000);
      if (scene->socket != NULL) stream_send(scene, 10, "", 0); /* the peer lives */
    }
    api_settle(&scene->api);
    if (round == 20) used = future->arena.used;
  }
  assert_int_equal(future->arena.used, used);
  daytona_future_cancel(future);
  api_fails(future, DAYTONA_ECANCELED);
}

/* Nor must a log whose connection breaks again and again. */
static void a_follow_that_resumes_for_ever_does_not_grow(void **state) {
  stream_scene_t *scene = *state;
  heard_t heard = {0};
  size_t used = 0;
  api_answer(&scene->api, get_command, 200, running);
  api_answer(&scene->api, get_logs, 0, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  daytona_future_t *future = follow(scene, &heard, (daytona_session_follow_opts_t){0});
  for (size_t round = 1; round <= 100; round++) {
    while (scene->upgrades < round) {
      uv_run(&scene->api.uv, UV_RUN_NOWAIT);
      api_advance(&scene->api, 100);
    }
    api_spin(&scene->api, 5);
    api_advance(&scene->api, 10001); /* it lived long enough to be no failure */
    api_settle(&scene->api);
    peer_end(scene->socket);
    if (round == 20) used = future->arena.used;
  }
  assert_int_equal(future->arena.used, used);
  daytona_future_cancel(future);
  api_fails(future, DAYTONA_ECANCELED);
}

/* --- pausing ----------------------------------------------------------------------------------- */

static void a_paused_follow_waits_with_output_and_end(void **state) {
  stream_scene_t *scene = *state;
  for (int policy = 0; policy < 2; policy++) {
    heard_t heard = {.action = pause_now};
    stream_again(scene);
    serve_log(scene);
    daytona_session_follow_opts_t opts = {.policy = (daytona_buffer_policy_t)policy};
    daytona_future_t *future = follow(scene, &heard, opts);
    until_quiet(&heard);
    assert_int_equal(heard.calls, 1);
    assert_false(daytona_future_is_settled(future));
    daytona_future_resume(future);
    assert_int_equal(heard.calls, 1);
    expect_everything(&heard, end_of(scene, future, DAYTONA_STREAM_EXITED));
    daytona_future_pause(future);
    daytona_future_resume(future);
    daytona_future_release(future);
  }
}

static void a_full_buffer_drops_the_oldest_and_counts(void **state) {
  stream_scene_t *scene = *state;
  heard_t heard = {.action = pause_now};
  serve_log(scene);
  daytona_session_follow_opts_t opts = {.policy = DAYTONA_BUFFER_DROP_OLDEST, .buffer_bytes = 4};
  daytona_future_t *future = follow(scene, &heard, opts);
  until_quiet(&heard);
  daytona_future_resume(future);
  const daytona_stream_end_t *end = end_of(scene, future, DAYTONA_STREAM_EXITED);
  assert_int_equal(end->received_bytes, strlen(log_out) + strlen(log_err));
  assert_int_equal(end->dropped_bytes, end->received_bytes - strlen(heard.out) - strlen(heard.err));
  assert_true(end->dropped_bytes > 0);
  assert_string_equal(heard.out + strlen(heard.out) - 4, "ree\n");
  daytona_future_release(future);
}

/* Characters of two bytes; what is thrown away ends where a character does. The other stream's line pauses. */
static void dropping_leaves_whole_characters(void **state) {
  stream_scene_t *scene = *state;
  static const char text[] = "\1\1\1-\n\2\2\2\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\n";
  for (size_t buffer = 1; buffer < 12; buffer++) {
    heard_t heard = {.action = pause_now};
    stream_again(scene);
    stream_frame(&scene->script, 2, text, 5);
    stream_frame(&scene->script, 2, text + 5, sizeof text - 6);
    stream_close_frame(&scene->script, 1000, "");
    play_script(scene, STREAM_ENDS);
    finish_command(scene, text);
    daytona_session_follow_opts_t opts = {
      .policy = DAYTONA_BUFFER_DROP_OLDEST, .buffer_bytes = buffer, .as_text = true};
    daytona_future_t *future = follow(scene, &heard, opts);
    until_quiet(&heard);
    daytona_future_resume(future);
    const daytona_stream_end_t *end = end_of(scene, future, DAYTONA_STREAM_EXITED);
    const char *kept = heard.err;
    assert_string_equal(heard.out, "-\n");
    assert_true(strlen(kept) <= buffer && strlen(kept) + 1 >= buffer);
    assert_true(((unsigned char)kept[0] & 0xC0) != 0x80);
    assert_int_equal(end->received_bytes, end->dropped_bytes + strlen(heard.out) + strlen(heard.err));
    daytona_future_release(future);
  }
}

/* Output that was read late does not make a close that came right behind it a late one. */
static void close_after_a_pause(stream_scene_t *scene, bool has_more) {
  heard_t heard = {.action = pause_now};
  stream_again(scene);
  stream_frame(&scene->script, 2, log_text, 7);
  if (has_more) stream_frame(&scene->script, 2, log_text + 7, 7);
  stream_close_frame(&scene->script, 1000, "");
  play_script(scene, STREAM_ENDS);
  finish_command(scene, log_text);
  daytona_future_t *future = follow(scene, &heard, (daytona_session_follow_opts_t){0});
  while (heard.calls == 0) uv_run(&scene->api.uv, UV_RUN_ONCE);
  api_advance(&scene->api, 10000);
  api_spin(&scene->api, 5);
  daytona_future_resume(future);
  expect_everything(&heard, end_of(scene, future, DAYTONA_STREAM_EXITED));
  daytona_future_release(future);
}

static void a_close_read_after_a_pause_is_not_believed(void **state) {
  stream_scene_t *scene = *state;
  close_after_a_pause(scene, false);
  close_after_a_pause(scene, true);
}

/* What is counted is how often a connection was made up for, and not how often that was tried. */
static void a_resumption_counts_once(void **state) {
  stream_scene_t *scene = *state;
  heard_t heard = {0};
  stream_script_t none = {0};
  stream_play(scene, &none, 0, STREAM_ENDS);
  api_answer(&scene->api, get_command, 200, finished);
  for (int i = 0; i < 4; i++) api_answer(&scene->api, get_logs, 0, api_break);
  stream_answer_text(scene, get_logs, log_text);
  daytona_future_t *future = follow(scene, &heard, (daytona_session_follow_opts_t){0});
  const daytona_stream_end_t *end = end_of(scene, future, DAYTONA_STREAM_EXITED);
  expect_everything(&heard, end);
  assert_int_equal(end->resumed_count, 1);
  daytona_future_release(future);
}

/* The socket stays open and says nothing, but the session has gone. */
static void a_deleted_session_ends_a_silent_socket(void **state) {
  stream_scene_t *scene = *state;
  heard_t heard = {0};
  stream_frame(&scene->script, 2, log_text, 7);
  play_script(scene, STREAM_STAYS);
  api_answer(&scene->api, get_command, 404, "{\"message\":\"not found\"}");
  daytona_future_t *future = follow(scene, &heard, (daytona_session_follow_opts_t){0});
  int64_t before = api_now(&scene->api);
  end_of(scene, future, DAYTONA_STREAM_KILLED);
  assert_true(api_now(&scene->api) - before < 20000);
  assert_string_equal(heard.out, "one\n");
  daytona_future_release(future);
}

/* The sandbox keeps the log for a reader who is paused, so nothing is fetched for him that he could not take. */
static void a_connection_lost_while_paused_is_made_up_for_later(void **state) {
  stream_scene_t *scene = *state;
  for (int in_fetch = 0; in_fetch < 2; in_fetch++) {
    heard_t heard = {.action = pause_now};
    stream_again(scene);
    if (!in_fetch) stream_frame(&scene->script, 2, log_text, 7);
    play_script(scene, STREAM_ENDS);
    api_answer(&scene->api, get_command, 200, finished);
    if (in_fetch) /* it breaks off behind the first line, in which the reader pauses */
      api_answer(&scene->api, get_logs, 0,
                 "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 99\r\n\r\n\1\1\1one\n");
    stream_answer_text(scene, get_logs, log_text);
    daytona_future_t *future = follow(scene, &heard, (daytona_session_follow_opts_t){0});
    while (heard.calls == 0) uv_run(&scene->api.uv, UV_RUN_ONCE);
    for (peer_conn_t *conn = scene->api.peer.conns; conn != NULL && in_fetch; conn = conn->next)
      peer_end(conn);
    for (int i = 0; i < 200; i++) {
      api_spin(&scene->api, 5);
      api_advance(&scene->api, 1000);
    }
    assert_false(daytona_future_is_settled(future));
    assert_int_equal(api_count(&scene->api, get_logs), in_fetch);
    daytona_future_resume(future);
    const daytona_stream_end_t *end = end_of(scene, future, DAYTONA_STREAM_EXITED);
    expect_everything(&heard, end);
    daytona_future_release(future);
  }
}

/* --- upgrades that something on the way refuses -------------------------------------------------- */

static void a_follow_without_sockets_makes_do_with_requests(void **state) {
  stream_scene_t *scene = *state;
  for (int i = 0; i < STREAM_FRONTS; i++) {
    heard_t heard = {0};
    stream_again(scene);
    scene->refusal = stream_fronts[i].answer;
    for (int n = 0; n < 5; n++) api_answer(&scene->api, get_command, 200, running);
    finish_command(scene, "\1\1\1o");
    stream_answer_text(scene, get_logs, "\1\1\1one\n");
    stream_answer_text(scene, get_logs, log_text);
    daytona_future_t *future = follow(scene, &heard, (daytona_session_follow_opts_t){0});
    const daytona_stream_end_t *end = end_of(scene, future, DAYTONA_STREAM_EXITED);
    expect_everything(&heard, end);
    assert_int_equal(end->resumed_count, 0);
    assert_int_equal(scene->upgrades, stream_fronts[i].status < 500 ? 1 : 3);
    daytona_future_release(future);
  }
}

/* A front that restarts answers 502 for a while. */
static void a_front_that_comes_back_is_asked_for_a_socket_again(void **state) {
  stream_scene_t *scene = *state;
  heard_t heard = {0};
  make_script(&scene->script);
  stream_play(scene, &scene->script, 0, STREAM_STAYS);
  stream_play(scene, &scene->script, 0, STREAM_STAYS);
  play_script(scene, STREAM_ENDS);
  scene->refusal = stream_fronts[STREAM_FRONTS - 1].answer;
  scene->refusals = 2;
  for (int n = 0; n < 2; n++) api_answer(&scene->api, get_command, 200, running);
  api_answer(&scene->api, get_command, 200, finished);
  for (int n = 0; n < 2; n++) stream_answer_text(scene, get_logs, "\1\1\1o");
  stream_answer_text(scene, get_logs, log_text);
  daytona_future_t *future = follow(scene, &heard, (daytona_session_follow_opts_t){0});
  expect_everything(&heard, end_of(scene, future, DAYTONA_STREAM_EXITED));
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
    heard_t heard = {0};
    stream_again(scene);
    scene->refusal = stream_fronts[1].answer;
    api_answer(&scene->api, get_command, answers[i].status, "{\"message\":\"no\"}");
    api_fails(follow(scene, &heard, (daytona_session_follow_opts_t){0}), answers[i].code);
  }
}

/* --- ending early ------------------------------------------------------------------------------ */

static void cancel_now(heard_t *heard) { daytona_future_cancel(heard->follow); }
static void close_now(heard_t *heard) { api_scene_close_client(&heard->scene->api); }

static void a_callback_may_end_the_follow(void **state) {
  stream_scene_t *scene = *state;
  static void (*const actions[])(heard_t * heard) = {cancel_now, close_now};
  static const daytona_errcode_t codes[] = {DAYTONA_ECANCELED, DAYTONA_ECLOSED};
  for (int action = 0; action < 2; action++)
    for (int at = 0; at < 5; at++)
      for (int fetched = 0; fetched < 2; fetched++) {
        heard_t heard = {.action = actions[action], .action_at = at};
        stream_again(scene);
        make_script(&scene->script);
        stream_play(scene, &scene->script, fetched ? 0 : scene->script.size, STREAM_ENDS);
        finish_command(scene, log_text);
        daytona_future_t *future = follow(scene, &heard, (daytona_session_follow_opts_t){0});
        while (!daytona_future_is_settled(future)) uv_run(&scene->api.uv, UV_RUN_ONCE);
        /* A fetched log comes in four chunks; then it is over. */
        if (at <= heard.calls - 1) assert_int_equal(daytona_future_code(future), codes[action]);
        if (at <= heard.calls - 1) assert_int_equal(heard.calls, at + 1);
        daytona_future_release(future);
        stream_script_clear(&scene->script);
        if (scene->api.client == NULL)
          while (!scene->api.is_closed) uv_run(&scene->api.uv, UV_RUN_ONCE);
      }
}

/* After each number of turns: whatever state that is. */
static void a_follow_may_be_cancelled_or_closed_at_any_time(void **state) {
  stream_scene_t *scene = *state;
  for (int way = 0; way < 2; way++)
    for (int turns = 0; turns < 40; turns++) {
      heard_t heard = {0};
      stream_again(scene);
      make_script(&scene->script);
      stream_play(scene, &scene->script, 20, STREAM_BREAKS);
      api_answer(&scene->api, get_command, 200, running);
      stream_answer_text(scene, get_logs, log_text);
      daytona_future_t *future = follow(scene, &heard, (daytona_session_follow_opts_t){0});
      api_spin(&scene->api, turns);
      if (way == 0)
        daytona_future_cancel(future);
      else
        api_scene_close_client(&scene->api);
      while (!daytona_future_is_settled(future)) uv_run(&scene->api.uv, UV_RUN_NOWAIT);
      assert_int_equal(daytona_future_code(future), way == 0 ? DAYTONA_ECANCELED : DAYTONA_ECLOSED);
      assert_int_equal(daytona_future_stream_reason(future),
                       way == 0 ? DAYTONA_STREAM_CANCELED : DAYTONA_STREAM_CLOSED);
      daytona_future_release(future);
      stream_script_clear(&scene->script);
      if (way == 1)
        while (!scene->api.is_closed) uv_run(&scene->api.uv, UV_RUN_ONCE);
    }
}

/* --- lack of memory ---------------------------------------------------------------------------- */

static void follow_once(void *user) {
  stream_scene_t *scene = user;
  heard_t heard = {0};
  scene->upgrades = 0;
  scene->api.routes[0].given = scene->api.routes[1].given = 0;
  daytona_future_t *future = follow(scene, &heard, (daytona_session_follow_opts_t){0});
  for (int turn = 0; !daytona_future_is_settled(future); turn++) {
    assert_true(turn < 200000);
    uv_run(&scene->api.uv, UV_RUN_NOWAIT);
    if (turn % 50 == 49) api_advance(&scene->api, 100);
  }
  const daytona_stream_end_t *end = daytona_future_stream_end(future);
  if (end != NULL && end->reason == DAYTONA_STREAM_EXITED)
    assert_string_equal(heard.out, log_out);
  else
    assert_true(support_alloc_failed() != 0);
  daytona_future_release(future);
  for (int i = 0; i < 30; i++) uv_run(&scene->api.uv, UV_RUN_NOWAIT);
}

static void a_follow_survives_lack_of_memory(void **state) {
  stream_scene_t *scene = *state;
  make_script(&scene->script);
  stream_play(scene, &scene->script, 20, STREAM_ENDS);
  play_script(scene, STREAM_ENDS);
  api_answer(&scene->api, get_command, 200, running);
  finish_command(scene, log_text);
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
    TEST(a_socket_with_another_prefix_is_not_believed),
    TEST(failures_with_successes_between_them_are_no_lost_connection),
    TEST(a_close_right_behind_output_is_not_believed),
    TEST(a_close_behind_a_quiet_time_is_believed),
    TEST(a_close_is_not_believed_later),
    TEST(a_sandbox_that_cannot_be_reached_again_is_a_lost_connection),
    TEST(a_deleted_session_is_killed),
    TEST(nothing_to_follow_is_an_error_as_from_rest),
    TEST(a_stopped_sandbox_has_its_code),
    TEST(a_follow_keeps_its_time_limit),
    TEST(a_paused_follow_keeps_its_time_limit),
    TEST(a_time_limit_beats_a_verdict_that_waits),
    TEST(a_long_follow_does_not_grow),
    TEST(a_follow_that_resumes_for_ever_does_not_grow),
    TEST(a_paused_follow_waits_with_output_and_end),
    TEST(a_full_buffer_drops_the_oldest_and_counts),
    TEST(a_close_read_after_a_pause_is_not_believed),
    TEST(a_resumption_counts_once),
    TEST(a_deleted_session_ends_a_silent_socket),
    TEST(a_connection_lost_while_paused_is_made_up_for_later),
    TEST(dropping_leaves_whole_characters),
    TEST(a_follow_without_sockets_makes_do_with_requests),
    TEST(a_front_that_comes_back_is_asked_for_a_socket_again),
    TEST(nothing_to_follow_is_an_error_without_sockets_too),
    TEST(a_callback_may_end_the_follow),
    TEST(a_follow_may_be_cancelled_or_closed_at_any_time),
    TEST(a_follow_survives_lack_of_memory),
  };
  signal(SIGPIPE, SIG_IGN); /* the peer writes to clients that have gone */
  if (argc > 1 && strcmp(argv[1], "entrypoint") == 0) use_entrypoint();
  return cmocka_run_group_tests(tests, NULL, NULL);
}
