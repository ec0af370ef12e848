/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statistics: every number moves with what it counts, and back.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "support/api_scene.h"
#include "support/check.h"
#include "support/stream_scene.h"

static daytona_client_stats_t of(const api_scene_t *scene) {
  daytona_client_stats_t stats;
  memset(&stats, 0xff, sizeof stats);
  assert_int_equal(daytona_client_stats(scene->client, &stats), 0);
  for (size_t i = 0; i < sizeof stats.reserved / sizeof stats.reserved[0]; i++)
    assert_int_equal(stats.reserved[i], 0);
  uint64_t failed = 0;
  for (int i = 0; i < DAYTONA_STATS_CODES; i++) failed += stats.failures[i];
  assert_int_equal(failed, stats.operations_failed);
  assert_int_equal(stats.operations,
                   stats.operations_succeeded + stats.operations_failed + stats.operations_pending);
  return stats;
}

static void new_client_has_done_nothing(void **state) {
  (void)state;
  api_scene_t scene;
  api_scene_open(&scene);
  daytona_client_stats_t stats = of(&scene);
  assert_true(stats.memory_blocks != 0);
  assert_int_equal(stats.memory_bytes, 0); /* the tests have an allocator of their own */
  stats.memory_blocks = 0;
  const daytona_client_stats_t zero = {0};
  assert_memory_equal(&stats, &zero, sizeof zero);
  assert_int_equal(daytona_client_stats(NULL, &stats), DAYTONA_EINVAL);
  assert_int_equal(daytona_client_stats(scene.client, NULL), DAYTONA_EINVAL);
  api_scene_close(&scene);
}

static void requests_are_counted_where_they_are(void **state) {
  (void)state;
  api_scene_t scene;
  api_scene_open_bare(&scene);
  scene.config.max_connections = 2;
  api_scene_client(&scene);
  api_answer(&scene, "GET /api/sandbox/slow", 0, api_silence);
  api_answer(&scene, "GET /api/sandbox/quick", 200, api_sandbox_json(&scene, "quick", "started", ""));
  daytona_future_t *slow[3];
  for (int i = 0; i < 3; i++) slow[i] = daytona_sandbox_get(scene.client, "slow", NULL);
  assert_int_equal(of(&scene).requests_queued, 3);
  api_until_requests(&scene, 2);
  daytona_client_stats_t stats = of(&scene);
  assert_int_equal(stats.requests_in_flight, 2);
  assert_int_equal(stats.requests_queued, 1);
  assert_int_equal(stats.connections_open, 2);
  assert_int_equal(stats.connections_idle, 0);
  assert_int_equal(stats.operations_pending, 3);
  assert_int_equal(stats.requests, 0);
  for (int i = 0; i < 3; i++) {
    daytona_future_cancel(slow[i]);
    daytona_future_release(slow[i]);
  }
  stats = of(&scene);
  assert_int_equal(stats.requests_in_flight + stats.requests_queued, 0);
  assert_int_equal(stats.operations_pending, 0);
  assert_int_equal(stats.failures[-DAYTONA_ECANCELED], 3);
  assert_int_equal(stats.requests, 2); /* one was never sent */
  api_done(daytona_sandbox_get(scene.client, "quick", NULL));
  stats = of(&scene);
  assert_int_equal(stats.operations_succeeded, 1);
  assert_int_equal(stats.requests, 3);
  assert_int_equal(stats.connections_open, 1); /* those of cancelled requests are closed */
  assert_int_equal(stats.connections_idle, 1);
  assert_in_range(stats.received_bytes, 60, 1000);
  assert_in_range(stats.sent_bytes, 100, 3000);
  api_scene_close(&scene);
}

static void failures_retries_and_waits_are_told_apart(void **state) {
  (void)state;
  api_scene_t scene;
  api_scene_open(&scene);
  api_answer(&scene, "GET /api/sandbox/a", 0, api_break);
  api_answer(&scene, "GET /api/sandbox/a", 404, "{}");
  api_answer_with(&scene, "GET /api/sandbox/b", 429, "Retry-After: 1\r\n", "{}");
  api_answer(&scene, "GET /api/sandbox/b", 403, "{}");
  daytona_future_t *future = daytona_sandbox_get(scene.client, "a", NULL);
  api_hurry(&scene, future, 100);
  daytona_future_release(future);
  daytona_client_stats_t stats = of(&scene);
  assert_int_equal(stats.retries, 1);
  assert_int_equal(stats.requests, 2);
  assert_int_equal(stats.failures[-DAYTONA_ENOTFOUND], 1);
  future = daytona_sandbox_get(scene.client, "b", NULL);
  api_hurry(&scene, future, 100);
  daytona_future_release(future);
  api_fails(daytona_sandbox_get(scene.client, "", NULL), DAYTONA_EINVAL);
  stats = of(&scene);
  assert_int_equal(stats.retries, 1);
  assert_int_equal(stats.rate_limit_waits, 1);
  assert_int_equal(stats.requests, 4);
  assert_int_equal(stats.failures[-DAYTONA_EFORBIDDEN], 1);
  assert_int_equal(stats.failures[-DAYTONA_EINVAL], 1);
  assert_int_equal(stats.operations, 3);
  api_scene_close(&scene);
}

static void starting_sandboxes_are_counted(void **state) {
  (void)state;
  api_scene_t scene;
  api_scene_open_bare(&scene);
  scene.config.max_starting = 1;
  api_scene_client(&scene);
  daytona_sandbox_t *sandbox = api_sandbox_at(&scene, scene.toolbox_url, "stopped");
  api_answer(&scene, "POST /api/sandbox/sb-1/start", 0, api_silence);
  daytona_future_t *starts[3];
  for (int i = 0; i < 3; i++) starts[i] = daytona_sandbox_start(sandbox, NULL);
  api_until_requests(&scene, 1);
  assert_int_equal(of(&scene).sandboxes_starting, 1);
  assert_int_equal(of(&scene).sandboxes_waiting, 2);
  for (int i = 0; i < 3; i++) {
    daytona_future_cancel(starts[i]);
    daytona_future_release(starts[i]);
  }
  assert_int_equal(of(&scene).sandboxes_starting, 0);
  assert_int_equal(of(&scene).sandboxes_waiting, 0);
  api_close_with(&scene, sandbox);
}

static void ignore(const daytona_output_t *output, void *user) { (void)output, (void)user; }

static void streams_are_counted_with_their_bytes(void **state) {
  stream_scene_t *scene = *state;
  const daytona_session_follow_opts_t opts = {.on_stdout = ignore};
  memset(&scene->script, 0, sizeof scene->script);
  stream_frame(&scene->script, 2, "\1\1\1hello", 8);
  stream_play(scene, &scene->script, scene->script.size, STREAM_STAYS);
  uint64_t before = of(&scene->api).received_bytes;
  daytona_future_t *future = daytona_session_follow(scene->sandbox, "s", "c", &opts);
  while (of(&scene->api).received_bytes == before) uv_run(&scene->api.uv, UV_RUN_ONCE);
  assert_int_equal(of(&scene->api).received_bytes, before + 8);
  assert_int_equal(of(&scene->api).streams_open, 1);
  assert_int_equal(of(&scene->api).streams, 1);
  daytona_future_cancel(future);
  daytona_future_release(future);
  assert_int_equal(of(&scene->api).streams_open, 0);
  assert_int_equal(of(&scene->api).streams, 1);
}

static void closed_client_has_none(void **state) {
  (void)state;
  daytona_client_stats_t stats;
  api_scene_t scene;
  api_scene_open(&scene);
  daytona_client_t *client = daytona_client_retain(scene.client);
  daytona_future_t *future = daytona_sandbox_get(client, "x", NULL);
  api_scene_close_client(&scene);
  assert_int_equal(daytona_client_stats(client, &stats), 0); /* it is closing */
  assert_int_equal(stats.failures[-DAYTONA_ECLOSED], 1);
  while (!scene.is_closed) uv_run(&scene.uv, UV_RUN_ONCE);
  assert_int_equal(daytona_client_stats(client, &stats), DAYTONA_ECLOSED);
  assert_int_equal(stats.operations, 0);
  daytona_future_release(future);
  daytona_client_release(client);
  api_scene_close(&scene);
}

static void memory_is_measured_as_malloc_does(void **state) {
  (void)state;
  size_t blocks = daytona__alloc_count(), bytes = daytona__alloc_bytes();
  char *block = daytona__alloc(1000);
  assert_in_range(daytona__alloc_bytes(), bytes + 1000, bytes + 2000);
  block = daytona__realloc(block, 5000);
  assert_int_equal(daytona__alloc_count(), blocks + 1);
  assert_in_range(daytona__alloc_bytes(), bytes + 5000, bytes + 7000);
  daytona__free(block);
  assert_int_equal(daytona__alloc_bytes(), bytes);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(new_client_has_done_nothing),
    cmocka_unit_test(requests_are_counted_where_they_are),
    cmocka_unit_test(failures_retries_and_waits_are_told_apart),
    cmocka_unit_test(starting_sandboxes_are_counted),
    cmocka_unit_test_setup_teardown(streams_are_counted_with_their_bytes, stream_setup, stream_teardown),
    cmocka_unit_test(closed_client_has_none),
    cmocka_unit_test(memory_is_measured_as_malloc_does),
  };
  signal(SIGPIPE, SIG_IGN); /* the peer writes to clients that have gone */
  return cmocka_run_group_tests(tests, NULL, NULL);
}
