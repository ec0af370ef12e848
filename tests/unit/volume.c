/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Volumes: what is sent, creation by get, and waiting for a state.
 */
#include <signal.h>
#include <string.h>

#include "support/api_scene.h"
#include "support/check.h"
#include "support/misuse.h"
#include "support/same_json.h"

#define BY_NAME "GET /api/volumes/by-name/cache"
#define POLL "GET /api/volumes/v-1"
#define VOLUME(state) "{\"id\":\"v-1\",\"name\":\"cache\",\"state\":\"" state "\",\"organizationId\":\"o\"}"

static void list_gives_states_and_reasons(void **state) {
  (void)state;
  const daytona_volume_list_opts_t all = {.includes_deleted = true};
  api_scene_t scene;
  api_scene_open(&scene);
  api_answer(
    &scene, "GET /api/volumes", 200,
    "[{\"id\":\"v-1\",\"name\":\"cache\",\"organizationId\":\"o\",\"state\":\"error\",\"createdAt\":\"c\","
    "\"updatedAt\":\"u\",\"lastUsedAt\":null,\"errorReason\":\"full\"},"
    "{\"id\":\"v-2\",\"state\":\"melting\"},{\"id\":\"v-3\"}]");
  daytona_future_t *future = api_must(daytona_volume_list(scene.client, NULL));
  const daytona_volume_list_t *list = daytona_future_volume_list(future);
  assert_int_equal(list->count, 3);
  assert_string_equal(list->items[0]->name, "cache");
  assert_int_equal(list->items[0]->state, DAYTONA_VOLUME_ERROR);
  assert_string_equal(list->items[0]->error_reason, "full");
  assert_null(list->items[0]->last_used_at);
  assert_int_equal(list->items[1]->state, DAYTONA_VOLUME_UNKNOWN);
  assert_string_equal(list->items[1]->state_name, "melting");
  assert_int_equal(list->items[2]->state, DAYTONA_VOLUME_UNKNOWN);
  assert_wrong_accessor(daytona_future_volume(future));
  daytona_future_release(future);
  api_done(daytona_volume_list(scene.client, &all));
  assert_string_equal(api_line_of(scene.requests[0]), "GET /api/volumes");
  assert_string_equal(api_line_of(scene.requests[1]), "GET /api/volumes?includeDeleted=true");
  api_scene_close(&scene);
}

static void get_finds_by_name(void **state) {
  (void)state;
  api_scene_t scene;
  api_scene_open(&scene);
  api_answer(&scene, "GET /api/volumes/by-name/a%2Fb%20c", 200, VOLUME("pending_create"));
  daytona_future_t *future = api_must(daytona_volume_get(scene.client, "a/b c", NULL));
  assert_string_equal(daytona_future_volume(future)->id, "v-1");
  assert_int_equal(daytona_future_volume(future)->state, DAYTONA_VOLUME_PENDING_CREATE);
  daytona_future_release(future);
  future = api_must_fail(daytona_volume_get(scene.client, "none", NULL), DAYTONA_ENOTFOUND);
  api_says(future, "Failed to get volume: ");
  daytona_future_release(future);
  api_scene_close(&scene);
}

static void get_creates_what_is_missing(void **state) {
  (void)state;
  const daytona_volume_get_opts_t creates = {.creates = true, .waits = true};
  api_scene_t scene;
  api_scene_open(&scene);
  api_answer(&scene, BY_NAME, 404, "{\"message\":\"no\"}");
  api_answer(&scene, "POST /api/volumes", 200, VOLUME("pending_create"));
  api_answer(&scene, POLL, 200, VOLUME("creating"));
  api_answer(&scene, POLL, 200, VOLUME("ready"));
  daytona_future_t *future = daytona_volume_get(scene.client, "cache", &creates);
  api_hurry(&scene, future, 100);
  assert_int_equal(daytona_future_volume(future)->state, DAYTONA_VOLUME_READY);
  assert_same_json(api_body_of(api_request(&scene, "POST /api/volumes", 0)), "{\"name\":\"cache\"}");
  assert_int_equal(api_count(&scene, POLL), 2);
  daytona_future_release(future);
  api_scene_close(&scene);
}

/* Two programs create it at the same time, or the response is lost: it is looked for again. */
static void creation_by_get_survives_a_race(void **state) {
  (void)state;
  static const struct {
    int status;
    const char *body;
  } rows[] = {{400, "{\"message\":\"Volume with name cache already exists\"}"}, {0, api_break}, {502, ""}};
  const daytona_volume_get_opts_t creates = {.creates = true};
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    api_scene_t scene;
    api_scene_open(&scene);
    api_answer(&scene, BY_NAME, 404, "{\"message\":\"no\"}");
    api_answer(&scene, BY_NAME, 200, VOLUME("ready"));
    api_answer(&scene, "POST /api/volumes", rows[i].status, rows[i].body);
    api_done(daytona_volume_get(scene.client, "cache", &creates));
    assert_int_equal(api_count(&scene, "POST /api/volumes"), 1);
    api_scene_close(&scene);
  }
}

static void refused_creation_reports_why(void **state) {
  (void)state;
  const daytona_volume_get_opts_t creates = {.creates = true};
  api_scene_t scene;
  api_scene_open(&scene);
  api_answer(&scene, BY_NAME, 404, "{\"message\":\"no\"}");
  api_answer(&scene, "POST /api/volumes", 403, "{\"message\":\"quota exceeded\"}");
  daytona_future_t *future =
    api_must_fail(daytona_volume_get(scene.client, "cache", &creates), DAYTONA_EFORBIDDEN);
  api_says(future, "quota exceeded");
  daytona_future_release(future);
  api_scene_close(&scene);
}

static void failed_volume_ends_the_wait(void **state) {
  (void)state;
  const daytona_volume_create_opts_t waits = {.waits = true};
  api_scene_t scene;
  api_scene_open(&scene);
  api_answer(&scene, "POST /api/volumes", 200, VOLUME("creating"));
  api_answer(&scene, POLL, 200, "{\"id\":\"v-1\",\"state\":\"error\",\"errorReason\":\"no bucket\"}");
  daytona_future_t *future = daytona_volume_create(scene.client, "cache", &waits);
  api_hurry(&scene, future, 100);
  assert_int_equal(daytona_future_error(future)->code, DAYTONA_EVOLUME_FAILED);
  api_says(future, "volume cache is in state error: no bucket");
  daytona_future_release(future);
  api_scene_close(&scene);
}

static void limit_names_the_volume_and_its_state(void **state) {
  (void)state;
  const daytona_volume_create_opts_t waits = {.waits = true, .timeout_ms = 3000};
  api_scene_t scene;
  api_scene_open(&scene);
  api_answer(&scene, "POST /api/volumes", 200, VOLUME("creating"));
  api_answer(&scene, POLL, 200, VOLUME("creating"));
  daytona_future_t *future = daytona_volume_create(scene.client, "cache", &waits);
  assert_in_range(api_hurry(&scene, future, 100), 2900, 3300);
  assert_int_equal(daytona_future_error(future)->code, DAYTONA_EDEADLINE);
  api_says(future, "volume cache, last state: creating");
  daytona_future_release(future);
  api_scene_close(&scene);
}

static void deletion_waits_until_it_is_gone(void **state) {
  (void)state;
  const daytona_volume_delete_opts_t waits = {.waits = true};
  api_scene_t scene;
  api_scene_open(&scene);
  api_answer(&scene, "DELETE /api/volumes/v-1", 200, "");
  api_answer(&scene, POLL, 200, VOLUME("deleting"));
  api_answer(&scene, POLL, 404, "{\"message\":\"no\"}");
  api_done(daytona_volume_delete(scene.client, "v-1", NULL));
  assert_int_equal(scene.request_count, 1);
  daytona_future_t *future = daytona_volume_delete(scene.client, "v-1", &waits);
  api_hurry(&scene, future, 100);
  assert_null(daytona_future_error(future));
  assert_int_equal(api_count(&scene, POLL), 2);
  daytona_future_release(future);
  api_forget(&scene, "DELETE /api/volumes/v-1");
  api_answer(&scene, "DELETE /api/volumes/v-1", 409, "{\"message\":\"in use\"}");
  api_fails(daytona_volume_delete(scene.client, "v-1", NULL), DAYTONA_ECONFLICT);
  api_scene_close(&scene);
}

static void bad_arguments_do_not_leave_the_client(void **state) {
  (void)state;
  const daytona_volume_get_opts_t negative = {.timeout_ms = -5}, reserved = {.reserved = {0, 1}};
  api_scene_t scene;
  api_scene_open(&scene);
  api_fails(daytona_volume_get(scene.client, NULL, NULL), DAYTONA_EINVAL);
  api_fails(daytona_volume_get(scene.client, "", NULL), DAYTONA_EINVAL);
  api_fails(daytona_volume_get(scene.client, "x", &negative), DAYTONA_EINVAL);
  api_fails(daytona_volume_get(scene.client, "x", &reserved), DAYTONA_EINVAL);
  api_fails(daytona_volume_create(scene.client, "", NULL), DAYTONA_EINVAL);
  api_fails(daytona_volume_create(scene.client, "\xff", NULL), DAYTONA_EINVAL);
  api_fails(daytona_volume_delete(scene.client, NULL, NULL), DAYTONA_EINVAL);
  api_fails(daytona_volume_delete(scene.client, "..", NULL), DAYTONA_EINVAL);
  assert_int_equal(scene.request_count, 0);
  api_scene_close(&scene);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(list_gives_states_and_reasons),
    cmocka_unit_test(get_finds_by_name),
    cmocka_unit_test(get_creates_what_is_missing),
    cmocka_unit_test(creation_by_get_survives_a_race),
    cmocka_unit_test(refused_creation_reports_why),
    cmocka_unit_test(failed_volume_ends_the_wait),
    cmocka_unit_test(limit_names_the_volume_and_its_state),
    cmocka_unit_test(deletion_waits_until_it_is_gone),
    cmocka_unit_test(bad_arguments_do_not_leave_the_client),
  };
  signal(SIGPIPE, SIG_IGN); /* the peer writes to clients that have gone */
  return cmocka_run_group_tests(tests, NULL, NULL);
}
