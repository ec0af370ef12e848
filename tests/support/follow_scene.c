/* SPDX-License-Identifier: Apache-2.0 */
#include "support/follow_scene.h"

#include <string.h>

#include "support/check.h"

#define SESSION "/toolbox/sb-1/process/session"
#define COMMAND SESSION "/s/command/c"
#define RUNNING "{\"id\":\"c\",\"command\":\"make\"}"
#define FINISHED "{\"id\":\"c\",\"command\":\"make\",\"exitCode\":3}"
#define SESSION_WITH(command) "{\"sessionId\":\"entrypoint\",\"commands\":[" command "]}"

static bool is_entrypoint;
const char *follow_get_command = "GET " COMMAND, *follow_get_logs = "GET " COMMAND "/logs";
const char *follow_running = RUNNING, *follow_finished = FINISHED;

void follow_use_entrypoint(void) {
  is_entrypoint = true;
  follow_get_command = "GET " SESSION "/entrypoint";
  follow_get_logs = "GET " SESSION "/entrypoint/logs";
  follow_running = SESSION_WITH(RUNNING);
  follow_finished = SESSION_WITH(FINISHED);
}

daytona_future_t *follow_begin(daytona_sandbox_t *sandbox, const daytona_session_follow_opts_t *opts) {
  return is_entrypoint ? daytona_session_follow_entrypoint(sandbox, opts)
                       : daytona_session_follow(sandbox, "s", "c", opts);
}

static void hear(follow_heard_t *heard, char *to, const char *bytes, size_t size) {
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
  assert_ptr_equal(output->future, ((follow_heard_t *)user)->follow);
  assert_null(output->pty);
  hear(user, ((follow_heard_t *)user)->out, output->bytes, output->size);
}
static void on_err(const daytona_output_t *output, void *user) {
  assert_int_equal(output->stream, DAYTONA_OUTPUT_STDERR);
  hear(user, ((follow_heard_t *)user)->err, output->bytes, output->size);
}
static void on_settled(daytona_future_t *future, void *user) { ((follow_heard_t *)user)->settled++; }
void follow_pause_now(follow_heard_t *heard) { daytona_future_pause(heard->follow); }

daytona_future_t *follow_start(stream_scene_t *scene, follow_heard_t *heard,
                               daytona_session_follow_opts_t opts) {
  opts.on_stdout = on_out;
  opts.on_stderr = on_err;
  opts.user = heard;
  heard->scene = scene;
  heard->follow = follow_begin(scene->sandbox, &opts);
  daytona_future_on_settled(heard->follow, on_settled, heard);
  return heard->follow;
}

void follow_until_quiet(follow_heard_t *heard) {
  api_scene_t *api = &heard->scene->api;
  while (heard->calls == 0) uv_run(&api->uv, UV_RUN_ONCE);
  api_spin(api, 50);
  api_settle(api);
}

void follow_make_script(stream_script_t *script) {
  memset(script, 0, sizeof *script);
  for (size_t at = 0; at < sizeof follow_log - 1; at += 5) {
    size_t left = sizeof follow_log - 1 - at;
    stream_frame(script, 2, follow_log + at, left < 5 ? left : 5);
  }
  stream_close_frame(script, 1000, "");
}

void follow_play_script(stream_scene_t *scene, stream_fate_t fate) {
  stream_play(scene, &scene->script, scene->script.size, fate);
}

void follow_finish_command(stream_scene_t *scene, const char *log) {
  api_answer(&scene->api, follow_get_command, 200, follow_finished);
  stream_answer_text(scene, follow_get_logs, log);
}

void follow_serve_log(stream_scene_t *scene) {
  follow_make_script(&scene->script);
  follow_play_script(scene, STREAM_ENDS);
  follow_finish_command(scene, follow_log);
}

const daytona_stream_end_t *follow_end_of(stream_scene_t *scene, daytona_future_t *future,
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

void follow_expect_everything(const follow_heard_t *heard, const daytona_stream_end_t *end) {
  assert_string_equal(heard->out, follow_log_out);
  assert_string_equal(heard->err, follow_log_err);
  assert_false(end->has_gap);
  assert_true(end->has_exit_code);
  assert_int_equal(end->exit_code, 3);
  assert_int_equal(end->received_bytes, strlen(follow_log_out) + strlen(follow_log_err));
  assert_int_equal(end->dropped_bytes, 0);
}
