/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See log_scene.h.
 */
#include "log_scene.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

static const char base[] = "/toolbox/sb-1/process/session/s/command/c";

/* --- reading ----------------------------------------------------------------------------------- */

uint64_t log_hash(uint64_t hash, int stream, const char *bytes, size_t size) {
  for (size_t i = 0; i < size; i++)
    hash = (hash ^ ((uint64_t)stream << 8 | (unsigned char)bytes[i])) * UINT64_C(0x100000001b3);
  return hash;
}

log_heard_t log_reading(const char *log, size_t size) {
  log_heard_t heard = {.hash = LOG_HASH_START};
  int stream = 0;
  for (size_t at = 0; at < size;) {
    bool is_mark =
      size - at >= 3 && (log[at] == 1 || log[at] == 2) && log[at + 1] == log[at] && log[at + 2] == log[at];
    if (is_mark) {
      stream = log[at];
      at += 3;
      continue;
    }
    if (stream != 0) {
      heard.hash = log_hash(heard.hash, stream, log + at, 1);
      heard.size[stream]++;
    }
    at++;
  }
  return heard;
}

/* --- the server -------------------------------------------------------------------------------- */

static size_t shown_now(const log_scene_t *scene) {
  size_t upgrades = scene->stream.upgrades;
  if (upgrades >= scene->finished_at) return scene->size;
  if (upgrades == 0) return 0;
  return scene->shown[upgrades <= STREAM_SCRIPTS ? upgrades - 1 : STREAM_SCRIPTS - 1];
}

static void answer(peer_conn_t *conn, const char *type, const char *bytes, size_t size) {
  char head[256];
  snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n", type,
           size);
  peer_puts(conn, head);
  peer_send(conn, bytes, size);
}

static void answer_json(peer_conn_t *conn, const log_scene_t *scene) {
  size_t shown = shown_now(scene), length;
  char *text = malloc(shown * 6 + 64);
  if (text == NULL) abort();
  length = (size_t)sprintf(text, "{\"output\":\"");
  for (size_t i = 0; i < shown; i++)
    length += (size_t)sprintf(text + length, "\\u%04x", (unsigned char)scene->log[i] & 0x7F);
  length += (size_t)sprintf(text + length, "\"}");
  answer(conn, "application/json", text, length);
  free(text);
}

static void on_rest(peer_conn_t *conn, const char *request, size_t size) {
  log_scene_t *scene = conn->peer->user;
  char line[256], body[64];
  snprintf(line, sizeof line, "GET %s/logs ", base);
  if (strncmp(request, line, strlen(line)) == 0) {
    scene->fetches++;
    if (scene->is_json)
      answer_json(conn, scene);
    else
      answer(conn, "text/plain", scene->log, shown_now(scene));
    return;
  }
  snprintf(line, sizeof line, "GET %s ", base);
  if (strncmp(request, line, strlen(line)) != 0) {
    scene->on_rest(conn, request, size);
    return;
  }
  scene->checks++;
  snprintf(body, sizeof body, "{\"id\":\"c\",\"command\":\"x\"}");
  if (scene->stream.upgrades >= scene->finished_at)
    snprintf(body, sizeof body, "{\"id\":\"c\",\"command\":\"x\",\"exitCode\":%d}", scene->exit_code);
  answer(conn, "application/json", body, strlen(body));
}

void log_scene_open_bare(log_scene_t *scene) {
  memset(scene, 0, sizeof *scene);
  stream_open_bare(&scene->stream);
  scene->on_rest = scene->stream.on_rest;
  scene->stream.on_rest = on_rest;
}

void log_scene_open(log_scene_t *scene) {
  log_scene_open_bare(scene);
  stream_client(&scene->stream);
}

void log_scene_close(log_scene_t *scene) { stream_close(&scene->stream); }

void log_scene_begin(log_scene_t *scene, const char *log, size_t size) {
  stream_forget(&scene->stream);
  scene->log = log;
  scene->size = size;
  scene->finished_at = SIZE_MAX;
  scene->exit_code = 3;
  scene->is_json = scene->is_paused = false;
  scene->checks = scene->fetches = 0;
  scene->heard = (log_heard_t){.hash = LOG_HASH_START};
  scene->settled = 0;
  for (size_t i = 0; i < STREAM_SCRIPTS; i++) scene->shown[i] = size;
}

void log_scene_socket(log_scene_t *scene, size_t shown, size_t frame, bool closes, size_t cut,
                      stream_fate_t fate) {
  stream_script_t script = {0};
  for (size_t at = 0, now; at < shown; at += now) {
    now = frame != 0 ? frame : (size_t)rand() % 40 + 1;
    if (now > shown - at) now = shown - at;
    stream_frame(&script, 2, scene->log + at, now);
  }
  if (closes) stream_close_frame(&script, 1000, "");
  stream_play(&scene->stream, &script, cut < script.size ? cut : script.size, fate);
  stream_script_clear(&script);
}

/* --- the client -------------------------------------------------------------------------------- */

static void hear(log_scene_t *scene, int stream, const char *bytes, size_t size) {
  assert_int_equal(scene->settled, 0);
  assert_false(scene->is_paused);
  scene->heard.hash = log_hash(scene->heard.hash, stream, bytes, size);
  scene->heard.size[stream] += size;
  if ((unsigned)rand() % 8 >= scene->pauses_of_8) return;
  scene->is_paused = true;
  daytona_future_pause(scene->follow);
}

static void on_out(const daytona_output_t *output, void *user) { hear(user, 1, output->bytes, output->size); }
static void on_err(const daytona_output_t *output, void *user) { hear(user, 2, output->bytes, output->size); }
static void on_settled(daytona_future_t *future, void *user) { ((log_scene_t *)user)->settled++; }

daytona_future_t *log_scene_run(log_scene_t *scene, daytona_session_follow_opts_t opts, int64_t step_ms) {
  api_scene_t *api = &scene->stream.api;
  opts.on_stdout = on_out;
  opts.on_stderr = on_err;
  opts.user = scene;
  daytona_future_t *future = scene->follow = daytona_session_follow(scene->stream.sandbox, "s", "c", &opts);
  daytona_future_on_settled(future, on_settled, scene);
  /* Certificates are loaded by a thread, which takes real time: the clock stands still meanwhile. */
  while (scene->stream.upgrades == 0 && !daytona_future_is_settled(future)) uv_run(&api->uv, UV_RUN_ONCE);
  for (int turn = 0; !daytona_future_is_settled(future); turn++) {
    assert_true(turn < 20000);
    if (!scene->is_paused) api_settle(api); /* a fetch whose reader is paused does not end */
    api_spin(api, 8);
    if (scene->is_paused && rand() % 3 == 0) {
      scene->is_paused = false;
      daytona_future_resume(future);
    } else if (!daytona_future_is_settled(future)) {
      api_advance(api, step_ms);
    }
  }
  api_spin(api, 2);
  assert_int_equal(scene->settled, 1);
  if (daytona_future_error(future) != NULL) fail_msg("%s", daytona_future_error(future)->message);
  return future;
}

void log_scene_expect_all(const log_scene_t *scene, const daytona_future_t *future) {
  const daytona_stream_end_t *end = daytona_future_stream_end(future);
  log_heard_t all = log_reading(scene->log, scene->size);
  if (end->reason != DAYTONA_STREAM_EXITED)
    fail_msg("%s: %s", daytona_stream_reason_text(end->reason), end->message);
  assert_int_equal(end->exit_code, scene->exit_code);
  assert_false(end->has_gap);
  assert_int_equal(end->dropped_bytes, 0);
  assert_int_equal(scene->heard.size[1], all.size[1]);
  assert_int_equal(scene->heard.size[2], all.size[2]);
  assert_int_equal(end->received_bytes, all.size[1] + all.size[2]);
  assert_true(scene->heard.hash == all.hash);
}
