/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a sandbox: what is sent, how waiting paces itself, which states and errors end it, and the limit
 * on the whole.
 */
#include <stdio.h>
#include <string.h>

#include "api/sandbox_life.h"
#include "call/sandbox_object.h"
#include "core/memory.h"
#include "support/api_scene.h"
#include "support/check.h"
#include "support/same_json.h"

static const char poll[] = "GET /api/sandbox/sb-1";
static const char start[] = "POST /api/sandbox/sb-1/start";
static const char stop[] = "POST /api/sandbox/sb-1/stop";

static void answer_state(api_scene_t *scene, const char *line, const char *state) {
  api_answer(scene, line, 200, api_sandbox_json(scene, "sb-1", state, ""));
}

/* A scene with one sandbox in `state`. */
/* --- pace -------------------------------------------------------------------------------------- */

static void wait_polls_at_once_then_every_100_ms_then_slower(void **state) {
  (void)state;
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "starting");
  answer_state(&scene, poll, "starting");
  const daytona_sandbox_lifecycle_opts_t opts = {.timeout_ms = DAYTONA_NO_TIMEOUT};
  daytona_future_t *future = daytona_sandbox_wait_for_start(sandbox, &opts);
  const daytona__life_t *life = future->op;
  int64_t began = api_now(&scene), last = 0;
  size_t at_100 = 0;
  api_until_requests(&scene, 1);
  assert_true(api_now(&scene) - began < 100); /* the first one does not wait */
  for (int i = 0; i < 120; i++) {
    api_settle(&scene);
    assert_true(daytona__timer_is_running(&life->pause));
    int64_t interval = life->interval_ms;
    assert_true(life->pause.due_ms <= api_now(&scene) + interval);
    assert_true(life->pause.due_ms > api_now(&scene) + interval - 90);
    if (interval == 100) at_100++;
    if (last != 0 && interval != 100)
      assert_int_equal(interval, last + last / 10 < 1000 ? last + last / 10 : 1000);
    last = interval;
    size_t count = scene.request_count;
    api_advance(&scene, life->pause.due_ms - api_now(&scene));
    api_until_requests(&scene, count + 1);
    assert_int_equal(scene.request_count, count + 1);
  }
  assert_in_range(at_100, 40, 51); /* about five seconds of them; the rest of the time is real */
  assert_int_equal(last, 1000);
  daytona_future_cancel(future);
  daytona_future_release(future);
  api_close_with(&scene, sandbox);
}

static void known_target_state_needs_no_request(void **state) {
  (void)state;
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  api_done(daytona_sandbox_wait_for_start(sandbox, NULL));
  api_done(daytona_sandbox_wait_for_resize_complete(sandbox, NULL));
  assert_int_equal(scene.request_count, 0);
  api_close_with(&scene, sandbox);
}

static void known_error_state_is_looked_at_again(void **state) {
  (void)state;
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "error");
  answer_state(&scene, poll, "started");
  api_done(daytona_sandbox_wait_for_start(sandbox, NULL));
  assert_int_equal(scene.request_count, 1);
  api_close_with(&scene, sandbox);
}

/* --- states ------------------------------------------------------------------------------------ */

typedef daytona_future_t *(*wait_t)(daytona_sandbox_t *sandbox, const daytona_sandbox_lifecycle_opts_t *opts);

enum { MET, FAILS, WAITS };

static int outcome_of(wait_t wait, const char *from, const char *to) {
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, from);
  api_answer(&scene, poll, 200, api_sandbox_json(&scene, "sb-1", to, ",\"errorReason\":\"why\""));
  daytona_future_t *future = wait(sandbox, NULL);
  api_until_requests(&scene, 1);
  api_settle(&scene);
  api_spin(&scene, 2);
  int outcome = WAITS;
  if (daytona_future_is_settled(future)) outcome = daytona_future_code(future) == 0 ? MET : FAILS;
  if (outcome == FAILS) {
    char expected[160];
    assert_int_equal(daytona_future_code(future), DAYTONA_ESANDBOX_FAILED);
    snprintf(expected, sizeof expected, "sandbox sb-1 is in state %s: why", to);
    assert_non_null(strstr(daytona_future_error(future)->message, expected));
  }
  if (outcome == MET) assert_ptr_equal(daytona_future_sandbox(future), sandbox);
  daytona_future_cancel(future);
  daytona_future_release(future);
  api_close_with(&scene, sandbox);
  return outcome;
}

static void every_state_ends_the_waits_it_should(void **state) {
  (void)state;
  for (int i = 0; i <= DAYTONA_SANDBOX_RESUMING; i++) {
    const char *name = daytona_sandbox_state_name((daytona_sandbox_state_t)i);
    bool is_error = i == DAYTONA_SANDBOX_ERROR || i == DAYTONA_SANDBOX_BUILD_FAILED;
    bool is_stopped = i == DAYTONA_SANDBOX_STOPPED || i == DAYTONA_SANDBOX_DESTROYED;
    assert_int_equal(outcome_of(daytona_sandbox_wait_for_start, "creating", name),
                     is_error                       ? FAILS
                     : i == DAYTONA_SANDBOX_STARTED ? MET
                                                    : WAITS);
    assert_int_equal(outcome_of(daytona_sandbox_wait_for_stop, "stopping", name), is_error     ? FAILS
                                                                                  : is_stopped ? MET
                                                                                               : WAITS);
    assert_int_equal(outcome_of(daytona_sandbox_wait_for_resize_complete, "resizing", name),
                     is_error                        ? FAILS
                     : i == DAYTONA_SANDBOX_RESIZING ? WAITS
                                                     : MET);
  }
  assert_int_equal(outcome_of(daytona_sandbox_wait_for_start, "creating", "a state of tomorrow"), WAITS);
}

static void error_state_without_a_reason_is_told_too(void **state) {
  (void)state;
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "starting");
  answer_state(&scene, poll, "build_failed");
  daytona_future_t *future =
    api_must_fail(daytona_sandbox_wait_for_start(sandbox, NULL), DAYTONA_ESANDBOX_FAILED);
  api_says(future, "sb-1");
  api_says(future, "build_failed");
  daytona_future_release(future);
  api_close_with(&scene, sandbox);
}

/* --- failing polls ----------------------------------------------------------------------------- */

static void failed_poll_is_forgiven_if_the_next_one_brings_the_end(void **state) {
  (void)state;
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "starting");
  api_answer(&scene, poll, 500, "{\"message\":\"boom\"}");
  answer_state(&scene, poll, "started");
  api_done(daytona_sandbox_wait_for_start(sandbox, NULL));
  assert_int_equal(scene.request_count, 2);
  api_close_with(&scene, sandbox);
}

static void failed_poll_gives_way_to_an_error_state(void **state) {
  (void)state;
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "starting");
  api_answer(&scene, poll, 500, "{\"message\":\"boom\"}");
  answer_state(&scene, poll, "error");
  api_fails(daytona_sandbox_wait_for_start(sandbox, NULL), DAYTONA_ESANDBOX_FAILED);
  api_close_with(&scene, sandbox);
}

static void failed_poll_counts_if_the_next_one_brings_nothing(void **state) {
  (void)state;
  static const char *const second[] = {"{\"id\":\"sb-1\",\"state\":\"starting\"}", "rubbish"};
  for (int i = 0; i < 2; i++) {
    api_scene_t scene;
    daytona_sandbox_t *sandbox = api_open_with(&scene, "starting");
    api_answer(&scene, poll, 500, "{\"message\":\"boom\"}");
    api_answer(&scene, poll, 200, second[i]);
    daytona_future_t *future =
      api_must_fail(daytona_sandbox_wait_for_start(sandbox, NULL), DAYTONA_EINTERNAL);
    api_says(future, "boom");
    assert_int_equal(scene.request_count, 2);
    daytona_future_release(future);
    api_close_with(&scene, sandbox);
  }
}

static void vanished_sandbox_fails_a_wait_for_start(void **state) {
  (void)state;
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "starting");
  api_answer(&scene, poll, 404, "{\"message\":\"gone\"}");
  api_fails(daytona_sandbox_wait_for_start(sandbox, NULL), DAYTONA_ENOTFOUND);
  assert_int_equal(daytona_sandbox_state(sandbox), DAYTONA_SANDBOX_STARTING);
  api_close_with(&scene, sandbox);
}

static void vanished_sandbox_counts_as_stopped(void **state) {
  (void)state;
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  answer_state(&scene, stop, "stopping");
  api_answer(&scene, poll, 404, "");
  api_done(daytona_sandbox_stop(sandbox, NULL));
  assert_int_equal(daytona_sandbox_state(sandbox), DAYTONA_SANDBOX_DESTROYED);
  assert_string_equal(daytona_sandbox_info(sandbox)->state_name, "destroyed");
  api_close_with(&scene, sandbox);
}

static void safe_waits_pass_over_rubbish(void **state) {
  (void)state;
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "stopping");
  api_answer(&scene, poll, 200, "rubbish");
  api_answer(&scene, poll, 200, "");
  api_answer(&scene, poll, 200, "{\"id\":7}");
  answer_state(&scene, poll, "stopped");
  daytona_future_t *future = daytona_sandbox_wait_for_stop(sandbox, NULL);
  api_hurry(&scene, future, 50);
  api_done(future);
  assert_int_equal(scene.request_count, 4);
  api_close_with(&scene, sandbox);
}

static void unsafe_waits_do_not(void **state) {
  (void)state;
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "starting");
  api_answer(&scene, poll, 200, "rubbish");
  api_fails(daytona_sandbox_wait_for_start(sandbox, NULL), DAYTONA_EPROTOCOL);
  assert_int_equal(scene.request_count, 2);
  api_close_with(&scene, sandbox);
}

/* --- the requests ------------------------------------------------------------------------------ */

static void start_sends_and_waits(void **state) {
  (void)state;
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "stopped");
  answer_state(&scene, start, "starting");
  answer_state(&scene, poll, "starting");
  answer_state(&scene, poll, "started");
  daytona_future_t *future = daytona_sandbox_start(sandbox, NULL);
  api_hurry(&scene, future, 50);
  assert_ptr_equal(daytona_future_sandbox(api_must(future)), sandbox);
  assert_string_equal(api_line_of(scene.requests[0]), start);
  assert_string_equal(api_body_of(scene.requests[0]), "");
  assert_int_equal(scene.request_count, 3);
  daytona_future_release(future);
  api_close_with(&scene, sandbox);
}

static void refused_start_is_told_with_its_operation(void **state) {
  (void)state;
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "stopped");
  api_answer(&scene, start, 409, "{\"message\":\"no\"}");
  daytona_future_t *future = api_must_fail(daytona_sandbox_start(sandbox, NULL), DAYTONA_ECONFLICT);
  api_says(future, "Failed to start sandbox: no");
  assert_int_equal(scene.request_count, 1);
  daytona_future_release(future);
  api_close_with(&scene, sandbox);
}

static void stop_always_says_whether_it_is_forced(void **state) {
  (void)state;
  const daytona_sandbox_lifecycle_opts_t forced = {.is_forced = true}, plain = {.waits = true};
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  answer_state(&scene, stop, "stopped");
  api_done(daytona_sandbox_stop(sandbox, NULL));
  api_done(daytona_sandbox_stop(sandbox, &forced));
  api_done(daytona_sandbox_stop(sandbox, &plain));
  assert_string_equal(api_line_of(scene.requests[0]), "POST /api/sandbox/sb-1/stop?force=false");
  assert_string_equal(api_line_of(scene.requests[1]), "POST /api/sandbox/sb-1/stop?force=true");
  assert_string_equal(api_line_of(scene.requests[2]), "POST /api/sandbox/sb-1/stop?force=false");
  assert_int_equal(scene.request_count, 3);
  api_close_with(&scene, sandbox);
}

static void recover_waits_for_started(void **state) {
  (void)state;
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "error");
  api_answer(&scene, "POST /api/sandbox/sb-1/recover", 200, "");
  answer_state(&scene, poll, "started");
  api_done(daytona_sandbox_recover(sandbox, NULL));
  assert_int_equal(scene.request_count, 2);
  api_close_with(&scene, sandbox);
}

static void delete_returns_at_once_or_waits(void **state) {
  (void)state;
  static const char line[] = "DELETE /api/sandbox/sb-1";
  const daytona_sandbox_lifecycle_opts_t waits = {.waits = true};
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  answer_state(&scene, line, "destroying");
  api_done(daytona_sandbox_delete(sandbox, NULL));
  assert_int_equal(daytona_sandbox_state(sandbox), DAYTONA_SANDBOX_DESTROYING);
  assert_int_equal(scene.request_count, 1);
  answer_state(&scene, poll, "destroying");
  api_answer(&scene, poll, 404, "");
  daytona_future_t *future = daytona_sandbox_delete(sandbox, &waits);
  api_hurry(&scene, future, 50);
  api_done(future);
  assert_int_equal(scene.request_count, 4);
  assert_int_equal(daytona_sandbox_state(sandbox), DAYTONA_SANDBOX_DESTROYED);
  api_close_with(&scene, sandbox);
}

static void resize_sends_what_is_given(void **state) {
  (void)state;
  static const char line[] = "POST /api/sandbox/sb-1/resize";
  const daytona_sandbox_resize_opts_t opts = {.cpu = daytona_int(2), .disk_gib = daytona_int(20)};
  const daytona_sandbox_resize_opts_t bad[] = {{.timeout_ms = 5},
                                               {.cpu = daytona_int(0)},
                                               {.memory_gib = daytona_int(-1)},
                                               {.cpu = daytona_int(1), .disk_gib = daytona_int(0)},
                                               {.cpu = daytona_int(1), .timeout_ms = -5}};
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  answer_state(&scene, line, "resizing");
  answer_state(&scene, poll, "resizing");
  answer_state(&scene, poll, "started");
  daytona_future_t *future = daytona_sandbox_resize(sandbox, &opts);
  api_hurry(&scene, future, 50);
  api_done(future);
  assert_same_json(api_body_of(scene.requests[0]), "{\"cpu\":2,\"disk\":20}");
  assert_int_equal(scene.request_count, 3);
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
    api_fails(daytona_sandbox_resize(sandbox, &bad[i]), DAYTONA_EINVAL);
  api_fails(daytona_sandbox_resize(sandbox, NULL), DAYTONA_EINVAL);
  assert_int_equal(scene.request_count, 3);
  api_close_with(&scene, sandbox);
}

static void archive_does_not_wait(void **state) {
  (void)state;
  static const char line[] = "POST /api/sandbox/sb-1/archive";
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "stopped");
  answer_state(&scene, line, "archiving");
  api_answer(&scene, line, 204, "");
  api_done(daytona_sandbox_archive(sandbox, NULL));
  assert_int_equal(daytona_sandbox_state(sandbox), DAYTONA_SANDBOX_ARCHIVING);
  api_done(daytona_sandbox_archive(sandbox, NULL));
  assert_int_equal(scene.request_count, 2);
  api_close_with(&scene, sandbox);
}

static void intervals_travel_in_the_path(void **state) {
  (void)state;
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  answer_state(&scene, "POST /api/sandbox/sb-1/autostop/0", "started");
  answer_state(&scene, "POST /api/sandbox/sb-1/autoarchive/60", "started");
  answer_state(&scene, "POST /api/sandbox/sb-1/autodelete/-1", "started");
  api_done(daytona_sandbox_set_autostop_interval(sandbox, 0, NULL));
  api_done(daytona_sandbox_set_auto_archive_interval(sandbox, 60, NULL));
  api_done(daytona_sandbox_set_auto_delete_interval(sandbox, -1, NULL));
  api_fails(daytona_sandbox_set_autostop_interval(sandbox, -1, NULL), DAYTONA_EINVAL);
  api_fails(daytona_sandbox_set_auto_archive_interval(sandbox, -1, NULL), DAYTONA_EINVAL);
  assert_int_equal(scene.request_count, 3);
  api_close_with(&scene, sandbox);
}

static void answer_without_news_is_a_success(void **state) {
  (void)state;
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "stopped");
  api_answer(&scene, start, 200, "<html>");
  answer_state(&scene, poll, "started");
  api_done(daytona_sandbox_start(sandbox, NULL));
  api_close_with(&scene, sandbox);
}

/* A sandbox that is never refreshed must not keep the labels that it once had. */
static void replaced_labels_take_no_memory(void **state) {
  (void)state;
  char value[2001], body[2100];
  const daytona_pair_t pairs[] = {{"a", value}};
  const daytona_map_t map = {pairs, 1};
  api_scene_t scene;
  size_t blocks = 0;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  memset(value, 'x', sizeof value - 1);
  value[sizeof value - 1] = '\0';
  snprintf(body, sizeof body, "{\"labels\":{\"a\":\"%s\"}}", value);
  api_answer(&scene, "PUT /api/sandbox/sb-1/labels", 200, body);
  for (int i = 0; i < 100; i++) {
    api_done(daytona_sandbox_set_labels(sandbox, &map, NULL));
    api_settle(&scene);
    if (i == 1) blocks = daytona__alloc_count();
  }
  assert_int_equal(daytona__alloc_count(), blocks);
  assert_string_equal(daytona_map_value(&daytona_sandbox_info(sandbox)->labels, "a"), value);
  api_close_with(&scene, sandbox);
}

static void labels_are_replaced_and_shown(void **state) {
  (void)state;
  static const char line[] = "PUT /api/sandbox/sb-1/labels";
  static const daytona_pair_t pairs[] = {{"a", "1"}};
  const daytona_map_t map = {pairs, 1};
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  api_answer(&scene, line, 200, "{\"labels\":{\"a\":\"1\",\"b\":\"2\"}}");
  api_answer(&scene, line, 200, "{\"labels\":{}}");
  daytona_future_t *future = api_must(daytona_sandbox_set_labels(sandbox, &map, NULL));
  assert_same_json(api_body_of(scene.requests[0]), "{\"labels\":{\"a\":\"1\"}}");
  assert_string_equal(daytona_map_value(daytona_future_map(future), "b"), "2");
  daytona_future_release(future);
  assert_string_equal(daytona_map_value(&daytona_sandbox_info(sandbox)->labels, "b"), "2");
  api_done(daytona_sandbox_set_labels(sandbox, NULL, NULL));
  assert_same_json(api_body_of(scene.requests[1]), "{\"labels\":{}}");
  assert_int_equal(daytona_sandbox_info(sandbox)->labels.count, 0);
  static const daytona_pair_t no_value[] = {{"a", NULL}}, no_name[] = {{NULL, "a"}},
                              bad_text[] = {{"a", "\xff"}};
  const daytona_map_t bad[] = {{NULL, 1}, {no_value, 1}, {no_name, 1}, {bad_text, 1}};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
    api_fails(daytona_sandbox_set_labels(sandbox, &bad[i], NULL), DAYTONA_EINVAL);
  assert_int_equal(scene.request_count, 2);
  api_close_with(&scene, sandbox);
}

static void missing_sandboxes_are_refused(void **state) {
  (void)state;
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  api_fails(daytona_sandbox_delete(NULL, NULL), DAYTONA_EINVAL);
  api_fails(daytona_sandbox_stop(NULL, NULL), DAYTONA_EINVAL);
  assert_int_equal(scene.request_count, 0);
  api_close_with(&scene, sandbox);
}

/* --- the limit --------------------------------------------------------------------------------- */

static void whole_operation_is_bounded_by_its_limit(void **state) {
  (void)state;
  static const struct { int64_t given, effective; } limits[] = {{0, 60000}, {7000, 7000}, {150, 150}};
  for (int i = 0; i < 3; i++) {
    api_scene_t scene;
    const daytona_sandbox_lifecycle_opts_t opts = {.timeout_ms = limits[i].given};
    daytona_sandbox_t *sandbox = api_open_with(&scene, "stopped");
    answer_state(&scene, start, "starting");
    answer_state(&scene, poll, "starting");
    daytona_future_t *future = daytona_sandbox_start(sandbox, &opts);
    int64_t passed = api_hurry(&scene, future, limits[i].effective / 50);
    char limit[32];
    snprintf(limit, sizeof limit, "%d ms", (int)limits[i].effective);
    const daytona_error_t *error = daytona_future_error(api_must_fail(future, DAYTONA_EDEADLINE));
    api_says(future, limit);
    api_says(future, "sb-1");
    api_says(future, "starting");
    assert_true(daytona_error_is(error, DAYTONA_ETIMEOUT));
    assert_true(passed <= limits[i].effective + limits[i].effective / 50);
    daytona_future_release(future);
    api_close_with(&scene, sandbox);
  }
}

static void limit_ends_a_request_that_is_not_answered(void **state) {
  (void)state;
  for (int phase = 0; phase < 2; phase++) {
    api_scene_t scene;
    daytona_sandbox_t *sandbox = api_open_with(&scene, "stopped");
    if (phase == 0) api_answer(&scene, start, 0, api_silence);
    if (phase == 1) answer_state(&scene, start, "starting");
    if (phase == 1) api_answer(&scene, poll, 0, api_silence);
    daytona_future_t *future = daytona_sandbox_start(sandbox, NULL);
    api_until_requests(&scene, (size_t)phase + 1);
    api_advance(&scene, 59000);
    api_spin(&scene, 10);
    assert_false(daytona_future_is_settled(future));
    api_advance(&scene, 1000);
    api_fails(future, DAYTONA_EDEADLINE);
    assert_int_equal(scene.request_count, phase + 1); /* no last poll */
    api_close_with(&scene, sandbox);
  }
}

static void no_timeout_waits_for_hours(void **state) {
  (void)state;
  const daytona_sandbox_lifecycle_opts_t opts = {.timeout_ms = DAYTONA_NO_TIMEOUT};
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "stopped");
  answer_state(&scene, start, "starting");
  answer_state(&scene, poll, "starting");
  daytona_future_t *future = daytona_sandbox_start(sandbox, &opts);
  for (int i = 0; i < 20; i++) {
    api_settle(&scene);
    api_advance(&scene, 3600 * 1000);
  }
  api_settle(&scene);
  assert_false(daytona_future_is_settled(future));
  daytona_future_cancel(future);
  api_fails(future, DAYTONA_ECANCELED);
  api_close_with(&scene, sandbox);
}

/* A long wait keeps one response, not all of them. */
static void polling_does_not_grow(void **state) {
  (void)state;
  const daytona_sandbox_lifecycle_opts_t opts = {.timeout_ms = DAYTONA_NO_TIMEOUT};
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "starting");
  answer_state(&scene, poll, "starting");
  daytona_future_t *future = daytona_sandbox_wait_for_start(sandbox, &opts);
  size_t after_ten = 0;
  for (int i = 0; i < 300; i++) {
    api_settle(&scene);
    if (i == 10) after_ten = future->arena.used;
    api_advance(&scene, 1000);
  }
  assert_int_equal(future->arena.used, after_ten);
  daytona_future_cancel(future);
  daytona_future_release(future);
  api_close_with(&scene, sandbox);
}

static void negative_limits_are_refused(void **state) {
  (void)state;
  const daytona_sandbox_lifecycle_opts_t opts = {.timeout_ms = -2};
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "stopped");
  api_fails(daytona_sandbox_start(sandbox, &opts), DAYTONA_EINVAL);
  api_fails(daytona_sandbox_stop(sandbox, &opts), DAYTONA_EINVAL);
  api_fails(daytona_sandbox_delete(sandbox, &opts), DAYTONA_EINVAL);
  api_fails(daytona_sandbox_recover(sandbox, &opts), DAYTONA_EINVAL);
  api_fails(daytona_sandbox_wait_for_start(sandbox, &opts), DAYTONA_EINVAL);
  api_fails(daytona_sandbox_wait_for_stop(sandbox, &opts), DAYTONA_EINVAL);
  api_fails(daytona_sandbox_wait_for_resize_complete(sandbox, &opts), DAYTONA_EINVAL);
  assert_int_equal(scene.request_count, 0);
  api_close_with(&scene, sandbox);
}

/* Behind a request that occupies the only connection, time counts only if asked. */
static void queue_time_counts_only_if_asked(void **state) {
  (void)state;
  for (int counts = 0; counts < 2; counts++) {
    api_scene_t scene;
    const daytona_sandbox_lifecycle_opts_t opts = {.timeout_ms = 1000, .counts_queue_time = counts != 0};
    api_scene_open_bare(&scene);
    scene.config.max_connections = 1;
    api_scene_client(&scene);
    daytona_sandbox_t *sandbox = api_sandbox(&scene, "sb-1", "stopped");
    api_answer(&scene, "GET /api/sandbox/slow", 0, api_silence);
    answer_state(&scene, start, "started");
    daytona_future_t *slow = daytona_sandbox_get(scene.client, "slow", NULL);
    api_until_requests(&scene, 1);
    daytona_future_t *future = daytona_sandbox_start(sandbox, &opts);
    api_spin(&scene, 5);
    api_advance(&scene, 2000);
    api_spin(&scene, 5);
    assert_int_equal(daytona_future_is_settled(future), counts);
    daytona_future_cancel(slow);
    daytona_future_release(slow);
    if (counts)
      api_fails(future, DAYTONA_EDEADLINE);
    else
      api_done(future);
    api_close_with(&scene, sandbox);
  }
}

/* --- cancel ------------------------------------------------------------------------------------ */

static void cancel_ends_each_phase(void **state) {
  (void)state;
  for (int phase = 0; phase < 4; phase++) {
    api_scene_t scene;
    daytona_sandbox_t *sandbox = api_open_with(&scene, "stopped");
    if (phase <= 1) api_answer(&scene, start, 0, api_silence);
    if (phase >= 2) answer_state(&scene, start, "starting");
    if (phase == 2) api_answer(&scene, poll, 0, api_silence);
    if (phase == 3) answer_state(&scene, poll, "starting");
    daytona_future_t *future = daytona_sandbox_start(sandbox, NULL);
    size_t expected = phase >= 2 ? 2 : (size_t)phase;
    if (phase != 0) api_until_requests(&scene, expected);
    if (phase == 3) api_settle(&scene);
    daytona_future_cancel(future);
    api_fails(future, DAYTONA_ECANCELED);
    api_advance(&scene, 5000);
    api_spin(&scene, 10);
    assert_int_equal(scene.request_count, expected);
    assert_int_equal(scene.client->starting, 0);
    api_close_with(&scene, sandbox);
  }
}

/* --- pause, snapshots, forks ------------------------------------------------------------------- */

static void pause_waits_until_it_is_paused(void **state) {
  (void)state;
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  answer_state(&scene, "POST /api/sandbox/sb-1/pause", "pausing");
  answer_state(&scene, poll, "pausing");
  answer_state(&scene, poll, "paused");
  daytona_future_t *future = daytona_sandbox_pause(sandbox, NULL);
  api_hurry(&scene, future, 100);
  assert_ptr_equal(daytona_future_sandbox(future), sandbox);
  assert_int_equal(daytona_sandbox_state(sandbox), DAYTONA_SANDBOX_PAUSED);
  daytona_future_release(future);
  api_close_with(&scene, sandbox);
}

/* What a class that cannot pause answers. */
static void refused_pause_says_why(void **state) {
  (void)state;
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  api_answer(&scene, "POST /api/sandbox/sb-1/pause", 422, "{\"message\":\"containers are not paused\"}");
  daytona_future_t *future = daytona_sandbox_pause(sandbox, NULL);
  api_must_fail(future, DAYTONA_EUNPROCESSABLE);
  assert_string_equal(daytona_future_error(future)->message,
                      "Failed to pause sandbox: containers are not paused");
  daytona_future_release(future);
  api_close_with(&scene, sandbox);
}

static void snapshot_waits_until_it_is_made(void **state) {
  (void)state;
  const daytona_sandbox_create_snapshot_opts_t whole = {.includes_memory = true};
  static const char line[] = "POST /api/sandbox/sb-1/snapshot";
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  answer_state(&scene, line, "snapshotting");
  api_answer(&scene, line, 200, ""); /* unreadable: what was known before says nothing */
  answer_state(&scene, poll, "snapshotting");
  answer_state(&scene, poll, "started");
  daytona_future_t *future = daytona_sandbox_create_snapshot(sandbox, "mine", NULL);
  api_hurry(&scene, future, 100);
  assert_int_equal(daytona_future_code(future), 0);
  assert_int_equal(api_count(&scene, poll), 2);
  daytona_future_release(future);
  future = daytona_sandbox_create_snapshot(sandbox, "mine", &whole);
  api_hurry(&scene, future, 100);
  assert_int_equal(daytona_future_code(future), 0);
  assert_int_equal(api_count(&scene, poll), 3);
  daytona_future_release(future);
  assert_same_json(api_body_of(api_request(&scene, line, 0)), "{\"name\":\"mine\",\"includeMemory\":false}");
  assert_same_json(api_body_of(api_request(&scene, line, 1)), "{\"name\":\"mine\",\"includeMemory\":true}");
  api_fails(daytona_sandbox_create_snapshot(sandbox, "", NULL), DAYTONA_EINVAL);
  api_forget(&scene, line);
  api_answer(&scene, line, 0, api_break);
  api_fails(daytona_sandbox_create_snapshot(sandbox, "mine", NULL), DAYTONA_ECONNECTION);
  assert_int_equal(api_count(&scene, line), 3); /* it may be being made */
  api_close_with(&scene, sandbox);
}

#define FORK "POST /api/sandbox/sb-1/fork"
#define CHILD "GET /api/sandbox/sb-2"

static void fork_gives_the_child_once_it_is_started(void **state) {
  (void)state;
  const daytona_sandbox_fork_opts_t named = {.name = "twin"};
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  api_answer(&scene, FORK, 200, api_sandbox_json(&scene, "sb-2", "creating", ",\"name\":\"twin\""));
  api_answer(&scene, CHILD, 200, api_sandbox_json(&scene, "sb-2", "creating", ""));
  api_answer(&scene, CHILD, 200, api_sandbox_json(&scene, "sb-2", "started", ""));
  daytona_future_t *future = daytona_sandbox_fork(sandbox, &named);
  api_hurry(&scene, future, 100);
  daytona_sandbox_t *child = daytona_future_sandbox(future);
  assert_string_equal(daytona_sandbox_id(child), "sb-2");
  assert_int_equal(daytona_sandbox_state(child), DAYTONA_SANDBOX_STARTED);
  assert_string_equal(daytona_sandbox_id(sandbox), "sb-1");
  daytona_future_release(future);
  api_done(daytona_sandbox_fork(sandbox, NULL));
  assert_same_json(api_body_of(api_request(&scene, FORK, 0)), "{\"name\":\"twin\"}");
  assert_same_json(api_body_of(api_request(&scene, FORK, 1)), "{}");
  api_close_with(&scene, sandbox);
}

static void failed_fork_names_what_may_exist(void **state) {
  (void)state;
  const daytona_sandbox_fork_opts_t named = {.name = "twin"};
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  api_answer(&scene, FORK, 422, "{\"message\":\"no virtual machine\"}");
  api_answer(&scene, FORK, 0, api_break);
  api_answer(&scene, FORK, 200, api_sandbox_json(&scene, "sb-2", "creating", ""));
  api_answer(&scene, CHILD, 200, api_sandbox_json(&scene, "sb-2", "error", ",\"errorReason\":\"no disk\""));
  daytona_future_t *future = daytona_sandbox_fork(sandbox, &named);
  api_must_fail(future, DAYTONA_EUNPROCESSABLE);
  assert_null(daytona_future_error(future)->sandbox);
  daytona_future_release(future);
  future = daytona_sandbox_fork(sandbox, &named);
  api_must_fail(future, DAYTONA_ECONNECTION);
  assert_string_equal(daytona_future_error(future)->sandbox, "twin");
  daytona_future_release(future);
  assert_int_equal(api_count(&scene, FORK), 2); /* never sent again */
  future = daytona_sandbox_fork(sandbox, NULL);
  api_hurry(&scene, future, 100);
  assert_int_equal(daytona_future_code(future), DAYTONA_ESANDBOX_FAILED);
  assert_string_equal(daytona_future_error(future)->sandbox, "sb-2");
  assert_non_null(strstr(daytona_future_error(future)->message, "sandbox sb-2 is in state error: no disk"));
  daytona_future_release(future);
  api_close_with(&scene, sandbox);
}

/* The rule is that of a create. */
static void fork_names_its_child_when_the_answer_leaves_it_open(void **state) {
  (void)state;
  static const struct {
    int status;
    const char *body;
    daytona_errcode_t code;
    bool may_exist;
  } answers[] = {{500, "{}", DAYTONA_EINTERNAL, true},       {408, "{}", DAYTONA_ETIMEOUT, true},
                 {200, "not JSON", DAYTONA_EPROTOCOL, true}, {501, "", DAYTONA_EFAILED, false},
                 {405, "", DAYTONA_EFAILED, false},          {404, "<html>", DAYTONA_ENOTFOUND, false}};
  const daytona_sandbox_fork_opts_t named = {.name = "twin"};
  for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
    api_scene_t scene;
    daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
    api_answer(&scene, FORK, answers[i].status, answers[i].body);
    daytona_future_t *future = api_must_fail(daytona_sandbox_fork(sandbox, &named), answers[i].code);
    const char *left = daytona_future_error(future)->sandbox;
    assert_true(answers[i].may_exist ? left != NULL && strcmp(left, "twin") == 0 : left == NULL);
    daytona_future_release(future);
    api_close_with(&scene, sandbox);
  }
}

static void fork_that_was_not_sent_names_nothing(void **state) {
  (void)state;
  const daytona_sandbox_fork_opts_t named = {.name = "twin"};
  peer_t gone;
  char api[64];
  api_scene_t scene;
  api_scene_open_bare(&scene);
  peer_open(&gone, &scene.uv);
  snprintf(api, sizeof api, "%s", peer_url(&gone, "/api"));
  peer_close(&gone);
  scene.config.api_url = api;
  api_scene_client(&scene);
  daytona_sandbox_t *sandbox = api_sandbox_at(&scene, scene.toolbox_url, "started");
  daytona_future_t *future = daytona_sandbox_fork(sandbox, &named);
  api_hurry(&scene, future, 100);
  assert_int_equal(daytona_future_code(future), DAYTONA_ECONNECTION);
  assert_null(daytona_future_error(future)->sandbox);
  daytona_future_release(future);
  api_close_with(&scene, sandbox);
}

static void cancelled_fork_names_the_child(void **state) {
  (void)state;
  const daytona_sandbox_fork_opts_t named = {.name = "twin"};
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  daytona_future_t *future = daytona_sandbox_fork(sandbox, &named);
  daytona_future_cancel(future);
  api_must_fail(future, DAYTONA_ECANCELED);
  assert_null(daytona_future_error(future)->sandbox); /* nothing was sent */
  daytona_future_release(future);
  api_answer(&scene, FORK, 200, api_silence);
  future = daytona_sandbox_fork(sandbox, &named);
  api_until_requests(&scene, 1);
  daytona_future_cancel(future);
  api_must_fail(future, DAYTONA_ECANCELED);
  assert_string_equal(daytona_future_error(future)->sandbox, "twin");
  assert_non_null(strstr(daytona_future_error(future)->message, "sandbox twin may exist"));
  daytona_future_release(future);
  api_close_with(&scene, sandbox);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(wait_polls_at_once_then_every_100_ms_then_slower),
    cmocka_unit_test(known_target_state_needs_no_request),
    cmocka_unit_test(known_error_state_is_looked_at_again),
    cmocka_unit_test(every_state_ends_the_waits_it_should),
    cmocka_unit_test(error_state_without_a_reason_is_told_too),
    cmocka_unit_test(failed_poll_is_forgiven_if_the_next_one_brings_the_end),
    cmocka_unit_test(failed_poll_gives_way_to_an_error_state),
    cmocka_unit_test(failed_poll_counts_if_the_next_one_brings_nothing),
    cmocka_unit_test(vanished_sandbox_fails_a_wait_for_start),
    cmocka_unit_test(vanished_sandbox_counts_as_stopped),
    cmocka_unit_test(safe_waits_pass_over_rubbish),
    cmocka_unit_test(unsafe_waits_do_not),
    cmocka_unit_test(start_sends_and_waits),
    cmocka_unit_test(refused_start_is_told_with_its_operation),
    cmocka_unit_test(stop_always_says_whether_it_is_forced),
    cmocka_unit_test(recover_waits_for_started),
    cmocka_unit_test(delete_returns_at_once_or_waits),
    cmocka_unit_test(resize_sends_what_is_given),
    cmocka_unit_test(archive_does_not_wait),
    cmocka_unit_test(intervals_travel_in_the_path),
    cmocka_unit_test(answer_without_news_is_a_success),
    cmocka_unit_test(labels_are_replaced_and_shown),
    cmocka_unit_test(replaced_labels_take_no_memory),
    cmocka_unit_test(missing_sandboxes_are_refused),
    cmocka_unit_test(whole_operation_is_bounded_by_its_limit),
    cmocka_unit_test(limit_ends_a_request_that_is_not_answered),
    cmocka_unit_test(no_timeout_waits_for_hours),
    cmocka_unit_test(polling_does_not_grow),
    cmocka_unit_test(negative_limits_are_refused),
    cmocka_unit_test(queue_time_counts_only_if_asked),
    cmocka_unit_test(cancel_ends_each_phase),
    cmocka_unit_test(pause_waits_until_it_is_paused),
    cmocka_unit_test(refused_pause_says_why),
    cmocka_unit_test(snapshot_waits_until_it_is_made),
    cmocka_unit_test(fork_gives_the_child_once_it_is_started),
    cmocka_unit_test(failed_fork_names_what_may_exist),
    cmocka_unit_test(fork_names_its_child_when_the_answer_leaves_it_open),
    cmocka_unit_test(fork_that_was_not_sent_names_nothing),
    cmocka_unit_test(cancelled_fork_names_the_child),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
