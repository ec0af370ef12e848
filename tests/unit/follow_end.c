/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Following a log: one outcome. Which close is believed to be the end, what ends a follow besides, and what pauses and time limits
 * do. All tests are run with the log of a command and with that of the entrypoint.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "core/future.h"
#include "support/alloc.h"
#include "support/check.h"
#include "support/follow_scene.h"

/* The next socket begins with something else: it is not believed, and the plain request is asked again and again. */
static void a_socket_with_another_prefix_is_not_believed(void **state) {
  stream_scene_t *scene = *state;
  follow_heard_t heard = {0};
  stream_script_t other = {0};
  stream_frame(&scene->script, 2, follow_log, 7);
  stream_frame(&other, 2, "\1\1\1strange bytes\n", 17);
  follow_play_script(scene, STREAM_ENDS);
  stream_play(scene, &other, other.size, STREAM_STAYS);
  api_answer(&scene->api, follow_get_command, 200, follow_running);
  api_answer(&scene->api, follow_get_command, 200, follow_running);
  follow_finish_command(scene, "\1\1\1one\n");
  stream_answer_text(scene, follow_get_logs, follow_log);
  daytona_future_t *future = follow_start(scene, &heard, (daytona_session_follow_opts_t){0});
  const daytona_stream_end_t *end = follow_end_of(scene, future, DAYTONA_STREAM_EXITED);
  follow_expect_everything(&heard, end);
  assert_int_equal(scene->upgrades, 2);
  assert_int_equal(end->resumed_count, 2);
  daytona_future_release(future);
  stream_script_clear(&other);
}

/* Failures are counted in a row: what works in between has no bytes to show for it when the command is quiet. */
static void failures_with_successes_between_them_are_no_lost_connection(void **state) {
  stream_scene_t *scene = *state;
  const char *const commands[] = {follow_running,
                                  follow_running,
                                  "?",
                                  follow_running,
                                  "?",
                                  follow_running,
                                  "?",
                                  follow_running,
                                  "?",
                                  follow_running,
                                  "?",
                                  follow_running,
                                  "?",
                                  follow_running,
                                  follow_running,
                                  follow_finished};
  static const char logs[] = "..??.??.?"; /* good or bad; then the whole one */
  follow_heard_t heard = {0};
  stream_script_t other = {0};
  stream_frame(&scene->script, 2, follow_log, 7);
  stream_frame(&other, 2, "\1\1\1strange bytes\n", 17);
  follow_play_script(scene, STREAM_ENDS);
  stream_play(scene, &other, other.size, STREAM_STAYS);
  for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
    api_answer(&scene->api, follow_get_command, 200, commands[i]);
  for (size_t i = 0; i < sizeof logs - 1; i++)
    if (logs[i] == '?')
      api_answer(&scene->api, follow_get_logs, 200, "?");
    else
      stream_answer_text(scene, follow_get_logs, "\1\1\1one\n");
  stream_answer_text(scene, follow_get_logs, follow_log);
  daytona_future_t *future = follow_start(scene, &heard, (daytona_session_follow_opts_t){0});
  follow_expect_everything(&heard, follow_end_of(scene, future, DAYTONA_STREAM_EXITED));
  daytona_future_release(future);
  stream_script_clear(&other);
}

/* A server that closes early is found out however long it takes to ask about the command. */
static void a_close_right_behind_output_is_not_believed(void **state) {
  stream_scene_t *scene = *state;
  follow_heard_t heard = {0};
  stream_frame(&scene->script, 2, follow_log, 9);
  stream_close_frame(&scene->script, 1000, "");
  follow_play_script(scene, STREAM_ENDS);
  for (int i = 0; i < 10; i++) api_answer(&scene->api, follow_get_command, 503, "{\"message\":\"away\"}");
  follow_finish_command(scene, follow_log);
  daytona_future_t *future = follow_start(scene, &heard, (daytona_session_follow_opts_t){0});
  follow_expect_everything(&heard, follow_end_of(scene, future, DAYTONA_STREAM_EXITED));
  daytona_future_release(future);
}

/* As servers do it: some quiet time, then the close. Nothing is fetched. */
static void a_close_behind_a_quiet_time_is_believed(void **state) {
  stream_scene_t *scene = *state;
  follow_heard_t heard = {0};
  stream_frame(&scene->script, 2, follow_log, sizeof follow_log - 1);
  follow_play_script(scene, STREAM_STAYS);
  api_answer(&scene->api, follow_get_command, 200, follow_finished);
  daytona_future_t *future = follow_start(scene, &heard, (daytona_session_follow_opts_t){0});
  while (strlen(heard.out) < strlen(follow_log_out)) uv_run(&scene->api.uv, UV_RUN_ONCE);
  api_advance(&scene->api, 600);
  stream_send_close(scene, 1000, "");
  const daytona_stream_end_t *end = follow_end_of(scene, future, DAYTONA_STREAM_EXITED);
  follow_expect_everything(&heard, end);
  assert_int_equal(end->resumed_count, 0);
  assert_int_equal(api_count(&scene->api, follow_get_logs), 0);
  daytona_future_release(future);
}

/* That a close looked right says nothing about what the command has written until it could be asked about. */
static void a_close_is_not_believed_later(void **state) {
  stream_scene_t *scene = *state;
  for (int while_paused = 0; while_paused < 2; while_paused++) {
    follow_heard_t heard = {0};
    stream_again(scene);
    stream_frame(&scene->script, 2, follow_log, 7);
    follow_play_script(scene, STREAM_STAYS);
    for (int i = 0; i < 10 && !while_paused; i++)
      api_answer(&scene->api, follow_get_command, 503, "{\"message\":\"away\"}");
    if (while_paused) api_answer(&scene->api, follow_get_command, 200, follow_running);
    follow_finish_command(scene, follow_log);
    daytona_future_t *future = follow_start(scene, &heard, (daytona_session_follow_opts_t){0});
    while (heard.calls == 0) uv_run(&scene->api.uv, UV_RUN_ONCE);
    api_advance(&scene->api, 600);
    stream_send_close(scene, 1000, "");
    while (api_count(&scene->api, follow_get_command) == 0) uv_run(&scene->api.uv, UV_RUN_ONCE);
    if (while_paused) { /* so that the log is not fetched before the command has ended */
      daytona_future_pause(future);
      api_spin(&scene->api, 50);
      assert_int_equal(api_count(&scene->api, follow_get_logs), 0);
      daytona_future_resume(future);
    }
    follow_expect_everything(&heard, follow_end_of(scene, future, DAYTONA_STREAM_EXITED));
    daytona_future_release(future);
  }
}

static void a_sandbox_that_cannot_be_reached_again_is_a_lost_connection(void **state) {
  stream_scene_t *scene = *state;
  follow_heard_t heard = {0};
  api_keep_secret(&scene->api, "key-of-the-client");
  stream_frame(&scene->script, 2, follow_log, 7);
  follow_play_script(scene, STREAM_BREAKS);
  api_answer(&scene->api, follow_get_command, 503, "{\"message\":\"away for key-of-the-client\"}");
  daytona_future_t *future = follow_start(scene, &heard, (daytona_session_follow_opts_t){0});
  const daytona_stream_end_t *end = follow_end_of(scene, future, DAYTONA_STREAM_LOST);
  assert_false(end->has_exit_code);
  assert_non_null(strstr(end->message, "away for ***"));
  assert_string_equal(heard.out, "one\n");
  assert_true(api_count(&scene->api, follow_get_command) >= 11);
  daytona_future_release(future);
}

static void a_deleted_session_is_killed(void **state) {
  stream_scene_t *scene = *state;
  follow_heard_t heard = {0};
  stream_frame(&scene->script, 2, follow_log, 5);
  stream_close_frame(&scene->script, 1000, "");
  follow_play_script(scene, STREAM_ENDS);
  api_answer(&scene->api, follow_get_command, 404, "{\"message\":\"not found\"}");
  daytona_future_t *future = follow_start(scene, &heard, (daytona_session_follow_opts_t){0});
  follow_end_of(scene, future, DAYTONA_STREAM_KILLED);
  assert_string_equal(heard.out, "on");
  daytona_future_release(future);
}

static void nothing_to_follow_is_an_error_as_from_rest(void **state) {
  stream_scene_t *scene = *state;
  follow_heard_t heard = {0};
  scene->refusal = "HTTP/1.1 404 Not Found\r\nContent-Length: 24\r\n\r\n{\"message\":\"no command\"}";
  daytona_future_t *future =
    api_must_fail(follow_start(scene, &heard, (daytona_session_follow_opts_t){0}), DAYTONA_ENOTFOUND);
  assert_non_null(strstr(daytona_future_error(future)->message, "no command"));
  assert_int_equal(daytona_future_error(future)->http_status, 404);
  assert_int_equal(daytona_future_stream_reason(future), DAYTONA_STREAM_FAILED);
  daytona_future_release(future);
}

static void a_stopped_sandbox_has_its_code(void **state) {
  stream_scene_t *scene = *state;
  follow_heard_t heard = {0};
  scene->refusal = stream_stopped_sandbox;
  api_fails(follow_start(scene, &heard, (daytona_session_follow_opts_t){0}), DAYTONA_ESANDBOX_STOPPED);
  assert_int_equal(scene->upgrades, 1);
}

static void a_follow_keeps_its_time_limit(void **state) {
  stream_scene_t *scene = *state;
  follow_heard_t heard = {0};
  api_answer(&scene->api, follow_get_command, 200, follow_running);
  daytona_future_t *future =
    follow_start(scene, &heard, (daytona_session_follow_opts_t){.timeout_ms = 40000});
  int64_t before = api_now(&scene->api);
  follow_end_of(scene, future, DAYTONA_STREAM_TIMEOUT);
  assert_true(api_now(&scene->api) - before < 41000);
  daytona_future_release(future);
}

/* Nobody reads: the time runs all the same, and nothing is delivered when it has passed. */
static void a_paused_follow_keeps_its_time_limit(void **state) {
  stream_scene_t *scene = *state;
  for (int policy = 0; policy < 2; policy++) {
    follow_heard_t heard = {.action = follow_pause_now};
    stream_again(scene);
    follow_make_script(&scene->script);
    follow_play_script(scene, STREAM_STAYS);
    api_answer(&scene->api, follow_get_command, 200, follow_running);
    daytona_session_follow_opts_t opts = {.policy = (daytona_buffer_policy_t)policy, .timeout_ms = 40000};
    daytona_future_t *future = follow_start(scene, &heard, opts);
    int64_t before = api_now(&scene->api);
    follow_until_quiet(&heard);
    follow_end_of(scene, future, DAYTONA_STREAM_TIMEOUT);
    assert_true(api_now(&scene->api) - before < 41000);
    assert_int_equal(heard.calls, 1);
    daytona_future_release(future);
  }
}

/* An outcome that is known waits for the reader, but not beyond the limit; then there is no exit code. */
static void a_time_limit_beats_a_verdict_that_waits(void **state) {
  stream_scene_t *scene = *state;
  follow_heard_t heard = {.action = follow_pause_now};
  follow_serve_log(scene);
  daytona_session_follow_opts_t opts = {.policy = DAYTONA_BUFFER_DROP_OLDEST, .timeout_ms = 60000};
  daytona_future_t *future = follow_start(scene, &heard, opts);
  follow_until_quiet(&heard);
  const daytona_stream_end_t *end = follow_end_of(scene, future, DAYTONA_STREAM_TIMEOUT);
  assert_false(end->has_exit_code);
  assert_int_equal(end->exit_code, 0);
  assert_int_equal(end->received_bytes, end->dropped_bytes + strlen(heard.out) + strlen(heard.err));
  daytona_future_release(future);
}

/* A server that is quiet for days is looked at every 15 s; that must not cost memory. */
static void a_long_follow_does_not_grow(void **state) {
  stream_scene_t *scene = *state;
  follow_heard_t heard = {0};
  size_t used = 0;
  api_answer(&scene->api, follow_get_command, 200, follow_running);
  daytona_future_t *future = follow_start(scene, &heard, (daytona_session_follow_opts_t){0});
  for (size_t round = 1; round <= 300; round++) {
    while (api_count(&scene->api, follow_get_command) < round) {
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
  follow_heard_t heard = {0};
  size_t used = 0;
  api_answer(&scene->api, follow_get_command, 200, follow_running);
  api_answer(&scene->api, follow_get_logs, 0, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  daytona_future_t *future = follow_start(scene, &heard, (daytona_session_follow_opts_t){0});
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
    follow_heard_t heard = {.action = follow_pause_now};
    stream_again(scene);
    follow_serve_log(scene);
    daytona_session_follow_opts_t opts = {.policy = (daytona_buffer_policy_t)policy};
    daytona_future_t *future = follow_start(scene, &heard, opts);
    follow_until_quiet(&heard);
    assert_int_equal(heard.calls, 1);
    assert_false(daytona_future_is_settled(future));
    daytona_future_resume(future);
    assert_int_equal(heard.calls, 1);
    follow_expect_everything(&heard, follow_end_of(scene, future, DAYTONA_STREAM_EXITED));
    daytona_future_pause(future);
    daytona_future_resume(future);
    daytona_future_release(future);
  }
}

static void a_full_buffer_drops_the_oldest_and_counts(void **state) {
  stream_scene_t *scene = *state;
  follow_heard_t heard = {.action = follow_pause_now};
  follow_serve_log(scene);
  daytona_session_follow_opts_t opts = {.policy = DAYTONA_BUFFER_DROP_OLDEST, .buffer_bytes = 4};
  daytona_future_t *future = follow_start(scene, &heard, opts);
  follow_until_quiet(&heard);
  daytona_future_resume(future);
  const daytona_stream_end_t *end = follow_end_of(scene, future, DAYTONA_STREAM_EXITED);
  assert_int_equal(end->received_bytes, strlen(follow_log_out) + strlen(follow_log_err));
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
    follow_heard_t heard = {.action = follow_pause_now};
    stream_again(scene);
    stream_frame(&scene->script, 2, text, 5);
    stream_frame(&scene->script, 2, text + 5, sizeof text - 6);
    stream_close_frame(&scene->script, 1000, "");
    follow_play_script(scene, STREAM_ENDS);
    follow_finish_command(scene, text);
    daytona_session_follow_opts_t opts = {
      .policy = DAYTONA_BUFFER_DROP_OLDEST, .buffer_bytes = buffer, .as_text = true};
    daytona_future_t *future = follow_start(scene, &heard, opts);
    follow_until_quiet(&heard);
    daytona_future_resume(future);
    const daytona_stream_end_t *end = follow_end_of(scene, future, DAYTONA_STREAM_EXITED);
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
  follow_heard_t heard = {.action = follow_pause_now};
  stream_again(scene);
  stream_frame(&scene->script, 2, follow_log, 7);
  if (has_more) stream_frame(&scene->script, 2, follow_log + 7, 7);
  stream_close_frame(&scene->script, 1000, "");
  follow_play_script(scene, STREAM_ENDS);
  follow_finish_command(scene, follow_log);
  daytona_future_t *future = follow_start(scene, &heard, (daytona_session_follow_opts_t){0});
  while (heard.calls == 0) uv_run(&scene->api.uv, UV_RUN_ONCE);
  api_advance(&scene->api, 10000);
  api_spin(&scene->api, 5);
  daytona_future_resume(future);
  follow_expect_everything(&heard, follow_end_of(scene, future, DAYTONA_STREAM_EXITED));
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
  follow_heard_t heard = {0};
  stream_script_t none = {0};
  stream_play(scene, &none, 0, STREAM_ENDS);
  api_answer(&scene->api, follow_get_command, 200, follow_finished);
  for (int i = 0; i < 4; i++) api_answer(&scene->api, follow_get_logs, 0, api_break);
  stream_answer_text(scene, follow_get_logs, follow_log);
  daytona_future_t *future = follow_start(scene, &heard, (daytona_session_follow_opts_t){0});
  const daytona_stream_end_t *end = follow_end_of(scene, future, DAYTONA_STREAM_EXITED);
  follow_expect_everything(&heard, end);
  assert_int_equal(end->resumed_count, 1);
  daytona_future_release(future);
}

/* The socket stays open and says nothing, but the session has gone. */
static void a_deleted_session_ends_a_silent_socket(void **state) {
  stream_scene_t *scene = *state;
  follow_heard_t heard = {0};
  stream_frame(&scene->script, 2, follow_log, 7);
  follow_play_script(scene, STREAM_STAYS);
  api_answer(&scene->api, follow_get_command, 404, "{\"message\":\"not found\"}");
  daytona_future_t *future = follow_start(scene, &heard, (daytona_session_follow_opts_t){0});
  int64_t before = api_now(&scene->api);
  follow_end_of(scene, future, DAYTONA_STREAM_KILLED);
  assert_true(api_now(&scene->api) - before < 20000);
  assert_string_equal(heard.out, "one\n");
  daytona_future_release(future);
}

/* The sandbox keeps the log for a reader who is paused, so nothing is fetched for him that he could not take. */
static void a_connection_lost_while_paused_is_made_up_for_later(void **state) {
  stream_scene_t *scene = *state;
  for (int in_fetch = 0; in_fetch < 2; in_fetch++) {
    follow_heard_t heard = {.action = follow_pause_now};
    stream_again(scene);
    if (!in_fetch) stream_frame(&scene->script, 2, follow_log, 7);
    follow_play_script(scene, STREAM_ENDS);
    api_answer(&scene->api, follow_get_command, 200, follow_finished);
    if (in_fetch) /* it breaks off behind the first line, in which the reader pauses */
      api_answer(&scene->api, follow_get_logs, 0,
                 "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 99\r\n\r\n\1\1\1one\n");
    stream_answer_text(scene, follow_get_logs, follow_log);
    daytona_future_t *future = follow_start(scene, &heard, (daytona_session_follow_opts_t){0});
    while (heard.calls == 0) uv_run(&scene->api.uv, UV_RUN_ONCE);
    for (peer_conn_t *conn = scene->api.peer.conns; conn != NULL && in_fetch; conn = conn->next)
      peer_end(conn);
    for (int i = 0; i < 200; i++) {
      api_spin(&scene->api, 5);
      api_advance(&scene->api, 1000);
    }
    assert_false(daytona_future_is_settled(future));
    assert_int_equal(api_count(&scene->api, follow_get_logs), in_fetch);
    daytona_future_resume(future);
    const daytona_stream_end_t *end = follow_end_of(scene, future, DAYTONA_STREAM_EXITED);
    follow_expect_everything(&heard, end);
    daytona_future_release(future);
  }
}

/* --- ending early ------------------------------------------------------------------------------ */

static void cancel_now(follow_heard_t *heard) { daytona_future_cancel(heard->follow); }
static void close_now(follow_heard_t *heard) { api_scene_close_client(&heard->scene->api); }

static void a_callback_may_end_the_follow(void **state) {
  stream_scene_t *scene = *state;
  static void (*const actions[])(follow_heard_t * heard) = {cancel_now, close_now};
  static const daytona_errcode_t codes[] = {DAYTONA_ECANCELED, DAYTONA_ECLOSED};
  for (int action = 0; action < 2; action++)
    for (int at = 0; at < 5; at++)
      for (int fetched = 0; fetched < 2; fetched++) {
        follow_heard_t heard = {.action = actions[action], .action_at = at};
        stream_again(scene);
        follow_make_script(&scene->script);
        stream_play(scene, &scene->script, fetched ? 0 : scene->script.size, STREAM_ENDS);
        follow_finish_command(scene, follow_log);
        daytona_future_t *future = follow_start(scene, &heard, (daytona_session_follow_opts_t){0});
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
      follow_heard_t heard = {0};
      stream_again(scene);
      follow_make_script(&scene->script);
      stream_play(scene, &scene->script, 20, STREAM_BREAKS);
      api_answer(&scene->api, follow_get_command, 200, follow_running);
      stream_answer_text(scene, follow_get_logs, follow_log);
      daytona_future_t *future = follow_start(scene, &heard, (daytona_session_follow_opts_t){0});
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, stream_setup, stream_teardown)

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
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
    TEST(a_callback_may_end_the_follow),
    TEST(a_follow_may_be_cancelled_or_closed_at_any_time),
  };
  signal(SIGPIPE, SIG_IGN); /* the peer writes to clients that have gone */
  if (argc > 1 && strcmp(argv[1], "entrypoint") == 0) follow_use_entrypoint();
  return cmocka_run_group_tests(tests, NULL, NULL);
}
