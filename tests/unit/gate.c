/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gate before starting sandboxes: how many at once, in which order, and that every way out of it gives
 * the place back.
 */
#include <stdio.h>
#include <string.h>

#include "support/api_scene.h"
#include "support/check.h"

static const char post[] = "POST /api/sandbox";

enum { MANY = 12 };

static char names[MANY][8];

static void open_with(api_scene_t *scene, int max_starting) {
  api_scene_open_bare(scene);
  scene->config.max_starting = max_starting;
  api_scene_client(scene);
  for (int i = 0; i < MANY; i++) snprintf(names[i], sizeof names[i], "n%d", i);
}

static daytona_future_t *create(api_scene_t *scene, int i) {
  const daytona_sandbox_create_opts_t opts = {.name = names[i]};
  return daytona_sandbox_create(scene->client, &opts);
}

static bool is_for(const char *request, int i) {
  char wanted[128];
  snprintf(wanted, sizeof wanted, "\"name\":\"%s\"", names[i]);
  return strstr(api_body_of(request), wanted) != NULL;
}

static void no_more_than_allowed_are_sent_and_the_rest_in_order(void **state) {
  (void)state;
  api_scene_t scene;
  daytona_future_t *futures[MANY];
  open_with(&scene, 3);
  api_answer(&scene, post, 0, api_silence);
  for (int i = 0; i < MANY; i++) futures[i] = create(&scene, i);
  api_until_requests(&scene, 3);
  api_spin(&scene, 10);
  assert_int_equal(scene.request_count, 3);
  assert_int_equal(scene.client->starting, 3);
  /* Each that ends lets exactly the next one in. */
  for (int i = 0; i < MANY; i++) {
    daytona_future_cancel(futures[i]);
    api_fails(futures[i], DAYTONA_ECANCELED);
    size_t expected = i + 4 < MANY ? (size_t)i + 4 : MANY;
    api_until_requests(&scene, expected);
    api_spin(&scene, 10);
    assert_int_equal(scene.request_count, expected);
  }
  assert_int_equal(scene.client->starting, 0);
  /* The first three may reach the server in any order. */
  for (int i = 3; i < MANY; i++) assert_true(is_for(scene.requests[i], i));
  api_scene_close(&scene);
}

static void place_is_held_until_started(void **state) {
  (void)state;
  api_scene_t scene;
  open_with(&scene, 1);
  api_answer(&scene, post, 200, api_sandbox_json(&scene, "sb-0", "creating", ""));
  api_answer(&scene, post, 200, api_sandbox_json(&scene, "sb-1", "started", ""));
  api_answer(&scene, "GET /api/sandbox/sb-0", 200, api_sandbox_json(&scene, "sb-0", "creating", ""));
  daytona_future_t *first = create(&scene, 0), *second = create(&scene, 1);
  api_until_requests(&scene, 2);
  for (int i = 0; i < 5; i++) {
    api_settle(&scene);
    api_advance(&scene, 100);
  }
  assert_int_equal(api_count(&scene, post), 1);
  api_answer(&scene, "GET /api/sandbox/sb-0", 200, api_sandbox_json(&scene, "sb-0", "started", ""));
  api_hurry(&scene, second, 100);
  api_done(second);
  api_done(first);
  assert_int_equal(scene.client->starting, 0);
  api_scene_close(&scene);
}

static void failure_gives_the_place_back(void **state) {
  (void)state;
  api_scene_t scene;
  open_with(&scene, 1);
  api_answer(&scene, post, 400, "{}");
  daytona_future_t *futures[MANY];
  for (int i = 0; i < MANY; i++) futures[i] = create(&scene, i);
  for (int i = 0; i < MANY; i++) api_fails(futures[i], DAYTONA_EINVAL);
  for (int i = 0; i < MANY; i++) assert_true(is_for(scene.requests[i], i));
  assert_int_equal(scene.client->starting, 0);
  api_scene_close(&scene);
}

static void refused_arguments_take_no_place(void **state) {
  (void)state;
  const daytona_sandbox_create_opts_t bad = {.timeout_ms = -7};
  api_scene_t scene;
  open_with(&scene, 1);
  api_fails(daytona_sandbox_create(scene.client, &bad), DAYTONA_EINVAL);
  assert_int_equal(scene.client->starting, 0);
  api_scene_close(&scene);
}

static void start_and_recover_wait_at_the_same_gate_and_stop_does_not(void **state) {
  (void)state;
  api_scene_t scene;
  open_with(&scene, 1);
  daytona_sandbox_t *sandbox = api_sandbox(&scene, "sb-1", "stopped");
  api_answer(&scene, post, 0, api_silence);
  api_answer(&scene, "POST /api/sandbox/sb-1/start", 200, api_sandbox_json(&scene, "sb-1", "started", ""));
  api_answer(&scene, "POST /api/sandbox/sb-1/recover", 200, api_sandbox_json(&scene, "sb-1", "started", ""));
  api_answer(&scene, "POST /api/sandbox/sb-1/stop", 200, api_sandbox_json(&scene, "sb-1", "stopped", ""));
  daytona_future_t *blocker = create(&scene, 0);
  daytona_future_t *start = daytona_sandbox_start(sandbox, NULL);
  daytona_future_t *recover = daytona_sandbox_recover(sandbox, NULL);
  api_done(daytona_sandbox_stop(sandbox, NULL));
  assert_int_equal(scene.request_count, 2);
  daytona_future_cancel(blocker);
  api_fails(blocker, DAYTONA_ECANCELED);
  api_done(start);
  api_done(recover);
  assert_int_equal(scene.client->starting, 0);
  daytona_sandbox_release(sandbox);
  api_scene_close(&scene);
}

static void cancel_while_waiting_leaves_the_queue(void **state) {
  (void)state;
  api_scene_t scene;
  daytona_future_t *futures[4];
  open_with(&scene, 1);
  api_answer(&scene, post, 0, api_silence);
  for (int i = 0; i < 4; i++) futures[i] = create(&scene, i);
  api_until_requests(&scene, 1);
  daytona_future_cancel(futures[1]);
  api_fails(futures[1], DAYTONA_ECANCELED);
  assert_int_equal(scene.request_count, 1);
  daytona_future_cancel(futures[0]);
  /* The place has been handed to the third, which is cancelled before it is told: the fourth gets it. */
  daytona_future_cancel(futures[2]);
  api_until_requests(&scene, 2);
  assert_true(is_for(scene.requests[1], 3));
  assert_int_equal(scene.client->starting, 1);
  daytona_future_cancel(futures[3]);
  api_fails(futures[0], DAYTONA_ECANCELED);
  api_fails(futures[2], DAYTONA_ECANCELED);
  api_fails(futures[3], DAYTONA_ECANCELED);
  assert_int_equal(scene.client->starting, 0);
  api_scene_close(&scene);
}

/* A place that was handed on may not be taken by somebody who comes later. */
static void newcomer_does_not_overtake(void **state) {
  (void)state;
  api_scene_t scene;
  open_with(&scene, 1);
  api_answer(&scene, post, 0, api_silence);
  daytona_future_t *first = create(&scene, 0), *second = create(&scene, 1);
  api_until_requests(&scene, 1);
  daytona_future_cancel(first);
  daytona_future_t *third = create(&scene, 2);
  api_until_requests(&scene, 2);
  assert_true(is_for(scene.requests[1], 1));
  daytona_future_cancel(second);
  api_until_requests(&scene, 3);
  assert_true(is_for(scene.requests[2], 2));
  daytona_future_cancel(third);
  daytona_future_release(first);
  daytona_future_release(second);
  daytona_future_release(third);
  api_scene_close(&scene);
}

static void limit_runs_while_waiting_only_if_asked(void **state) {
  (void)state;
  api_scene_t scene;
  const daytona_sandbox_create_opts_t counting = {
    .name = "n1", .timeout_ms = 1000, .counts_queue_time = true};
  const daytona_sandbox_create_opts_t patient = {.name = "n2", .timeout_ms = 1000};
  open_with(&scene, 1);
  api_answer(&scene, post, 0, api_silence);
  api_answer(&scene, post, 200, api_sandbox_json(&scene, "sb-1", "started", ""));
  daytona_future_t *blocker = create(&scene, 0);
  daytona_future_t *first = daytona_sandbox_create(scene.client, &counting);
  daytona_future_t *second = daytona_sandbox_create(scene.client, &patient);
  api_until_requests(&scene, 1);
  api_advance(&scene, 1000);
  api_fails(first, DAYTONA_EDEADLINE);
  api_advance(&scene, 5000);
  api_spin(&scene, 5);
  assert_false(daytona_future_is_settled(second));
  daytona_future_cancel(blocker);
  daytona_future_release(blocker);
  api_done(second);
  assert_int_equal(scene.request_count, 2);
  api_scene_close(&scene);
}

static size_t told;

static void on_told(daytona_future_t *future, void *user) {
  (void)user;
  assert_int_equal(daytona_future_code(future), DAYTONA_ECLOSED);
  told++;
}

static void close_fails_those_who_wait(void **state) {
  (void)state;
  api_scene_t scene;
  open_with(&scene, 1);
  told = 0;
  api_answer(&scene, post, 0, api_silence);
  for (int i = 0; i < MANY; i++) daytona_future_then(create(&scene, i), on_told, NULL);
  api_until_requests(&scene, 1);
  api_scene_close_client(&scene);
  api_scene_close(&scene);
  assert_int_equal(told, MANY);
  assert_int_equal(scene.peer.requests, 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(no_more_than_allowed_are_sent_and_the_rest_in_order),
    cmocka_unit_test(place_is_held_until_started),
    cmocka_unit_test(failure_gives_the_place_back),
    cmocka_unit_test(refused_arguments_take_no_place),
    cmocka_unit_test(start_and_recover_wait_at_the_same_gate_and_stop_does_not),
    cmocka_unit_test(cancel_while_waiting_leaves_the_queue),
    cmocka_unit_test(newcomer_does_not_overtake),
    cmocka_unit_test(limit_runs_while_waiting_only_if_asked),
    cmocka_unit_test(close_fails_those_who_wait),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
