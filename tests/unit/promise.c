/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Promises: every sentence of <daytona/promise.h>.
 */
#include "core/promise.h"

#include <string.h>

#include "core/combine.h"
#include "core/future.h"
#include "support/alloc.h"
#include "support/api_scene.h"
#include "support/check.h"
#include "support/stage.h"
#include "support/misuse.h"
#include "support/op.h"

/* What came, in order: 'c' on_cancel, 's' the future's callback, 'u' destroy_user, 'v' the value's destroy. */
typedef struct scene {
  stage_t *host;
  daytona_promise_t *promise;
  daytona_future_t *future;
  char order[16];
  bool releases_inside;
} scene_t;

static scene_t *current; /* for the value's destroy, whose pointer is the value */

static void note(scene_t *scene, char what) {
  size_t size = strlen(scene->order);
  assert_true(size + 1 < sizeof scene->order);
  scene->order[size] = what;
  scene->order[size + 1] = '\0';
}

static void on_cancel(daytona_promise_t *promise, void *user) {
  scene_t *scene = user;
  note(scene, 'c');
  assert_ptr_equal(promise, scene->promise);
  if (!scene->releases_inside) return;
  daytona_promise_release(promise);
  scene->promise = NULL;
}

static void on_settled(daytona_future_t *future, void *user) { note(user, 's'); }
static void destroy_user(void *user) { note(user, 'u'); }

static void destroy_value(void *value) {
  assert_string_equal(value, "value");
  note(current, 'v');
}

static void begin(scene_t *scene, stage_t *host) {
  const daytona_promise_opts_t opts = {.on_cancel = on_cancel, .user = scene, .destroy_user = destroy_user};
  memset(scene, 0, sizeof *scene);
  scene->host = host;
  current = scene;
  assert_int_equal(daytona__promise_new(host->loop, &opts, &scene->promise, &scene->future), 0);
  assert_int_equal(daytona_future_on_settled(scene->future, on_settled, scene), 0);
}

/* The turn comes, and then everything goes. */
static void finish(scene_t *scene, const char *order) {
  assert_string_equal(scene->order, "");
  stage_drain(scene->host);
  assert_string_equal(scene->order, order);
  daytona_promise_release(scene->promise);
  daytona_future_release(scene->future);
  stage_drain(scene->host);
}

static void resolving_gives_the_value_from_a_later_turn(void **state) {
  scene_t scene;
  begin(&scene, *state);
  assert_int_equal(daytona_promise_resolve(scene.promise, "value", destroy_value), 0);
  assert_false(daytona_future_is_settled(scene.future));
  assert_null(daytona_future_value(scene.future));
  stage_drain(scene.host);
  assert_string_equal(daytona_future_value(scene.future), "value");
  assert_string_equal(daytona_future_kind(scene.future), "value");
  assert_wrong_accessor(daytona_future_string(scene.future));
  daytona_promise_release(scene.promise);
  assert_string_equal(scene.order, "su");
  daytona_future_release(scene.future);
  assert_string_equal(scene.order, "suv");
}

static void a_promise_may_resolve_without_a_value(void **state) {
  scene_t scene;
  begin(&scene, *state);
  assert_int_equal(daytona_promise_resolve(scene.promise, NULL, destroy_value), 0);
  finish(&scene, "su");
  assert_string_equal(scene.order, "su"); /* there was nothing to destroy */
}

static void no_value_is_absent(void **state) {
  scene_t scene;
  begin(&scene, *state);
  assert_int_equal(daytona_promise_resolve(scene.promise, NULL, NULL), 0);
  stage_drain(scene.host);
  assert_true(daytona_future_is_absent(scene.future));
  assert_null(daytona_future_value(scene.future));
  daytona_promise_release(scene.promise);
  daytona_future_release(scene.future);
}

static void failing_has_code_and_message(void **state) {
  static const struct {
    daytona_errcode_t code;
    const char *given, *message;
  } cases[] = {{DAYTONA_EIO, "the disk is gone", "the disk is gone"}, {DAYTONA_EGONE, NULL, "gone"}};
  for (size_t i = 0; i < 2; i++) {
    scene_t scene;
    begin(&scene, *state);
    assert_int_equal(daytona_promise_fail(scene.promise, DAYTONA_OK, "no"), DAYTONA_EINVAL);
    assert_int_equal(daytona_promise_fail(scene.promise, (daytona_errcode_t)-999, "no"), DAYTONA_EINVAL);
    assert_int_equal(daytona_promise_fail(scene.promise, cases[i].code, cases[i].given), 0);
    assert_int_equal(daytona_promise_fail(scene.promise, DAYTONA_EFAILED, "again"), cases[i].code);
    daytona_future_retain(scene.future);
    finish(&scene, "su");
    assert_int_equal(daytona_future_code(scene.future), cases[i].code);
    assert_string_equal(daytona_future_message(scene.future), cases[i].message);
    daytona_future_release(scene.future);
  }
}

static void anothers_failure_can_be_passed_on(void **state) {
  scene_t scene;
  const daytona_error_t error = {.code = DAYTONA_ECONFLICT, .http_status = 409, .message = "taken"};
  begin(&scene, *state);
  assert_int_equal(daytona_promise_fail_error(scene.promise, NULL), DAYTONA_EINVAL);
  assert_int_equal(daytona_promise_fail_error(scene.promise, &error), 0);
  daytona_future_retain(scene.future);
  finish(&scene, "su");
  assert_int_equal(daytona_future_error(scene.future)->http_status, 409);
  assert_string_equal(daytona_future_message(scene.future), "taken");
  daytona_future_release(scene.future);
}

static void cancelling_is_reported_before_the_futures_callbacks(void **state) {
  for (int inside = 0; inside < 2; inside++) {
    scene_t scene;
    begin(&scene, *state);
    scene.releases_inside = inside != 0;
    daytona_future_cancel(scene.future);
    daytona_future_cancel(scene.future);
    assert_int_equal(daytona_promise_resolve(scene.promise, "value", destroy_value), DAYTONA_ECANCELED);
    assert_int_equal(daytona_promise_fail(scene.promise, DAYTONA_EIO, NULL), DAYTONA_ECANCELED);
    finish(&scene, "csu"); /* and the value was never taken */
  }
}

static void a_promise_released_between_is_not_told_of_a_cancel(void **state) {
  scene_t scene;
  begin(&scene, *state);
  daytona_future_cancel(scene.future);
  daytona_promise_release(scene.promise);
  scene.promise = NULL;
  finish(&scene, "su");
}

static void giving_up_a_promise_fails_its_future(void **state) {
  scene_t scene;
  begin(&scene, *state);
  daytona_promise_release(scene.promise);
  scene.promise = NULL;
  daytona_future_retain(scene.future);
  finish(&scene, "su");
  assert_int_equal(daytona_future_code(scene.future), DAYTONA_EFAILED);
  daytona_future_release(scene.future);
}

static void a_promise_outlives_its_future(void **state) {
  scene_t scene;
  begin(&scene, *state);
  daytona_future_release(scene.future);
  scene.future = NULL;
  assert_int_equal(daytona_promise_resolve(scene.promise, "value", destroy_value), 0);
  stage_drain(scene.host);
  assert_string_equal(scene.order, "su");
  daytona_promise_release(scene.promise);
  assert_string_equal(scene.order, "suv"); /* its reference was the last */
}

static void a_second_outcome_is_refused(void **state) {
  scene_t scene;
  begin(&scene, *state);
  assert_int_equal(daytona_promise_resolve(scene.promise, "value", NULL), 0);
  assert_int_equal(daytona_promise_resolve(scene.promise, "other", destroy_value), DAYTONA_EINVAL);
  assert_int_equal(daytona_promise_fail(scene.promise, DAYTONA_EIO, NULL), DAYTONA_EINVAL);
  finish(&scene, "su");
}

static void a_promise_may_be_a_member_of_combinations(void **state) {
  stage_t *host = *state;
  support_op_t op;
  scene_t scene;
  begin(&scene, host);
  support_op_start(host, &op);
  daytona_future_t *members[2] = {daytona_future_retain(op.future), daytona_future_retain(scene.future)};
  daytona_future_t *any = daytona__combine_any(host->loop, members, 2);
  daytona_future_t *bound = daytona_future_deadline(any, 60000);
  assert_int_equal(daytona_future_pause(bound), DAYTONA_EINVAL); /* there is nothing to pause in it */
  assert_int_equal(daytona_promise_resolve(scene.promise, "value", destroy_value), 0);
  daytona_promise_release(scene.promise);
  daytona_future_release(scene.future);
  stage_drain(host);
  assert_int_equal(op.stop_count, 1);
  assert_string_equal(daytona_future_value(bound), "value");
  assert_string_equal(scene.order, "su");
  daytona_future_release(bound);
  assert_string_equal(scene.order, "suv");
  daytona_future_release(op.future);
}

static void a_deadline_cancels_a_promise(void **state) {
  scene_t scene;
  begin(&scene, *state);
  daytona_future_t *bound = daytona_future_deadline(daytona_future_retain(scene.future), 5);
  daytona__loop_advance(scene.host->loop, 10);
  finish(&scene, "csu");
  assert_int_equal(daytona_future_code(bound), DAYTONA_EDEADLINE);
  daytona_future_release(bound);
}

static void a_pending_promise_does_not_keep_the_loop_alive(void **state) {
  scene_t scene;
  begin(&scene, *state);
  assert_int_equal(uv_run(&scene.host->uv, UV_RUN_DEFAULT), 0);
  assert_string_equal(scene.order, "");
  daytona_future_cancel(scene.future);
  finish(&scene, "csu");
}

static void settle_from_here(void *user) {
  scene_t *scene = user;
  daytona_promise_t *made = NULL;
  daytona_future_t *future = NULL;
  const daytona_promise_opts_t opts = {.user = scene, .destroy_user = destroy_user};
  assert_int_equal(daytona_promise_resolve(scene->promise, "value", NULL), DAYTONA_ETHREAD);
  assert_int_equal(daytona_promise_fail(scene->promise, DAYTONA_EIO, NULL), DAYTONA_ETHREAD);
  assert_int_equal(daytona__promise_new(scene->host->loop, &opts, &made, &future), DAYTONA_ETHREAD);
  assert_null(made);
  assert_null(future);
}

static void promises_belong_to_the_loops_thread(void **state) {
  scene_t scene;
  uv_thread_t thread;
  begin(&scene, *state);
  assert_int_equal(uv_thread_create(&thread, settle_from_here, &scene), 0);
  uv_thread_join(&thread);
  assert_int_equal(daytona_promise_resolve(scene.promise, "value", NULL), 0);
  finish(&scene, "su");
}

/* The one block is made at the beginning: nothing after it can fail for lack of memory. */
static void only_the_making_needs_memory(void **state) {
  stage_t *host = *state;
  scene_t scene = {.host = host};
  const daytona_promise_opts_t opts = {.user = &scene, .destroy_user = destroy_user};
  support_alloc_fail_from(1);
  assert_int_equal(daytona__promise_new(host->loop, &opts, &scene.promise, &scene.future), DAYTONA_ENOMEM);
  support_alloc_heal();
  assert_null(scene.promise);
  assert_null(scene.future);
  assert_string_equal(scene.order, ""); /* nothing was taken */
  begin(&scene, host);
  support_alloc_fail_from(1);
  assert_int_equal(daytona_promise_resolve(scene.promise, "value", destroy_value), 0);
  stage_drain(host);
  support_alloc_heal();
  assert_string_equal(scene.order, "su");
  daytona_promise_release(scene.promise);
  daytona_future_release(scene.future);
}

static void a_closing_client_settles_its_promises(void **state) {
  api_scene_t api;
  scene_t scene = {0};
  const daytona_promise_opts_t opts = {.on_cancel = on_cancel, .user = &scene, .destroy_user = destroy_user};
  const daytona_promise_opts_t dirty = {.reserved = {0, 1}};
  daytona_promise_t *promise = NULL;
  daytona_future_t *future = NULL;
  api_scene_open(&api);
  assert_int_equal(daytona_promise_new(NULL, &opts, &promise, &future), DAYTONA_EINVAL);
  assert_int_equal(daytona_promise_new(api.client, &opts, NULL, &future), DAYTONA_EINVAL);
  assert_int_equal(daytona_promise_new(api.client, &opts, &promise, NULL), DAYTONA_EINVAL);
  assert_int_equal(daytona_promise_new(api.client, &dirty, &promise, &future), DAYTONA_EINVAL);
  assert_null(promise);
  assert_int_equal(daytona_promise_new(api.client, NULL, &promise, &future), 0);
  daytona_promise_release(promise);
  daytona_future_release(future);
  assert_int_equal(daytona_promise_new(api.client, &opts, &scene.promise, &scene.future), 0);
  assert_int_equal(daytona_future_on_settled(scene.future, on_settled, &scene), 0);
  daytona_client_t *client = daytona_client_retain(api.client);
  api_scene_close_client(&api);
  assert_int_equal(daytona_promise_new(client, NULL, &promise, &future), DAYTONA_ECLOSED);
  assert_int_equal(daytona_promise_resolve(scene.promise, "value", NULL), DAYTONA_ECLOSED);
  daytona_client_release(client);
  while (!api.is_closed) uv_run(&api.uv, UV_RUN_ONCE);
  assert_string_equal(scene.order, "csu"); /* all of it before the close was reported */
  assert_int_equal(daytona_future_code(scene.future), DAYTONA_ECLOSED);
  daytona_promise_release(scene.promise);
  daytona_future_release(scene.future);
  api_scene_close(&api);
}

static void null_is_no_promise(void **state) {
  daytona_promise_release(NULL);
  assert_int_equal(daytona_promise_resolve(NULL, NULL, NULL), DAYTONA_EINVAL);
  assert_int_equal(daytona_promise_fail(NULL, DAYTONA_EIO, NULL), DAYTONA_EINVAL);
  assert_null(daytona_future_value(NULL));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, stage_setup, stage_teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
    TEST(resolving_gives_the_value_from_a_later_turn),
    TEST(a_promise_may_resolve_without_a_value),
    TEST(no_value_is_absent),
    TEST(failing_has_code_and_message),
    TEST(anothers_failure_can_be_passed_on),
    TEST(cancelling_is_reported_before_the_futures_callbacks),
    TEST(a_promise_released_between_is_not_told_of_a_cancel),
    TEST(giving_up_a_promise_fails_its_future),
    TEST(a_promise_outlives_its_future),
    TEST(a_second_outcome_is_refused),
    TEST(a_promise_may_be_a_member_of_combinations),
    TEST(a_deadline_cancels_a_promise),
    TEST(a_pending_promise_does_not_keep_the_loop_alive),
    TEST(promises_belong_to_the_loops_thread),
    TEST(only_the_making_needs_memory),
    cmocka_unit_test(a_closing_client_settles_its_promises),
    cmocka_unit_test(null_is_no_promise),
  };
  return cmocka_run_group_tests_name("promise", tests, NULL, NULL);
}
