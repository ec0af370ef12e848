/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See http_scene.h.
 */
#include "http_scene.h"
#include "support/check.h"

#include <string.h>

const char scene_ok[] =
  "HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: 2\r\n\r\n{}";

static const daytona_header_t common[] = {
  {"Authorization", "Bearer secret"},
  {"User-Agent", "test/1"},
  {"X-Daytona-Source", "test"},
};

void scene_open(scene_t *scene) {
  memset(scene, 0, sizeof *scene);
  stage_open(&scene->stage);
  scene->options.max_connections = 10;
  scene->options.connect_timeout_ms = 5000;
  scene->options.happy_eyeballs_ms = -1;
  assert_int_equal(daytona__resolver_new(scene->stage.loop, &scene->resolver), 0);
  assert_int_equal(daytona__http_new(scene->stage.loop, &scene->options, scene->resolver, common,
                                     sizeof common / sizeof common[0], &scene->http),
                   0);
  peer_open(&scene->peer, &scene->stage.uv);
  scene->peer.answer = scene_ok;
}

void scene_close_http(scene_t *scene) {
  bool is_closed = false;
  daytona__http_close(scene->http, stage_set_flag, &is_closed);
  assert_false(is_closed);
  stage_until(&scene->stage, &is_closed);
  scene->http = NULL;
}

void scene_reopen(scene_t *scene) {
  scene_close_http(scene);
  assert_int_equal(daytona__http_new(scene->stage.loop, &scene->options, scene->resolver, common,
                                     sizeof common / sizeof common[0], &scene->http),
                   0);
}

void scene_close(scene_t *scene) {
  bool is_closed = false;
  stage_alloc_restore();
  if (scene->http != NULL) scene_close_http(scene);
  daytona__resolver_close(scene->resolver, stage_set_flag, &is_closed);
  stage_until(&scene->stage, &is_closed);
  peer_close(&scene->peer);
  stage_close(&scene->stage);
}

static void on_done(daytona__http_call_t *call) {
  request_t *request = (request_t *)call;
  request->done++;
  request->scene->done++;
  assert_null(call->transfer);
  if (request->then != NULL) request->then(request);
}

void scene_prepare(scene_t *scene, request_t *request, const char *method, const char *url) {
  memset(request, 0, sizeof *request);
  request->scene = scene;
  request->call.method = method;
  request->call.url = url;
  request->call.on_done = on_done;
}

void scene_start(request_t *request) {
  daytona__http_start(request->scene->http, &request->call);
  assert_int_equal(request->done, 0);
}

void scene_wait(request_t *request) {
  stage_until_count(&request->scene->stage, &request->done, 1);
  assert_int_equal(request->done, 1);
}

void scene_run(scene_t *scene, request_t *request, const char *method, const char *url) {
  scene_prepare(scene, request, method, url);
  scene_start(request);
  scene_wait(request);
}

void scene_clear(request_t *request) { daytona__http_call_clear(&request->call); }

void scene_until_requests(scene_t *scene, size_t count) {
  stage_until_count(&scene->stage, &scene->peer.requests, count);
}

void scene_until_accepted(scene_t *scene, size_t count) {
  stage_until_count(&scene->stage, &scene->peer.accepted, count);
}
