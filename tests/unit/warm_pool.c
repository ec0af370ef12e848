/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Warm pools: what is sent and what is understood.
 */
#include <signal.h>
#include <string.h>

#include "support/api_scene.h"
#include "support/check.h"
#include "support/misuse.h"
#include "support/same_json.h"

static const char full[] =
  "{\"id\":\"wp-1\",\"organizationId\":\"o\",\"snapshot\":\"acme/base:1.4\",\"target\":\"us\",\"pool\":3,"
  "\"currentSize\":2.0,\"cpu\":1,\"mem\":2,\"disk\":3.5,\"osUser\":\"daytona\",\"env\":{\"A\":\"b\"},"
  "\"errorReason\":null,\"createdAt\":\"c\",\"updatedAt\":\"u\"}";

static void check_full(const daytona_warm_pool_t *pool) {
  assert_string_equal(pool->id, "wp-1");
  assert_string_equal(pool->organization_id, "o");
  assert_string_equal(pool->snapshot, "acme/base:1.4");
  assert_string_equal(pool->target, "us");
  assert_int_equal(pool->size, 3);
  assert_int_equal(pool->ready_count, 2);
  assert_true(pool->cpu == 1 && pool->memory_gib == 2 && pool->disk_gib == 3.5);
  assert_string_equal(pool->os_user, "daytona");
  assert_string_equal(pool->env.items[0].value, "b");
  assert_null(pool->error_reason);
}

static void list_gives_all(void **state) {
  (void)state;
  char list[1024];
  api_scene_t scene;
  api_scene_open(&scene);
  snprintf(list, sizeof list, "[%s,{\"id\":\"wp-2\",\"errorReason\":\"quota\"}]", full);
  api_answer(&scene, "GET /api/warm-pools", 200, list);
  daytona_future_t *future = api_must(daytona_warm_pool_list(scene.client, NULL));
  const daytona_warm_pool_list_t *pools = daytona_future_warm_pool_list(future);
  assert_int_equal(pools->count, 2);
  check_full(pools->items[0]);
  assert_string_equal(pools->items[1]->error_reason, "quota");
  assert_wrong_accessor(daytona_future_warm_pool(future));
  daytona_future_release(future);
  api_scene_close(&scene);
}

static void create_names_snapshot_and_region(void **state) {
  (void)state;
  const daytona_warm_pool_create_opts_t opts = {.target = "eu"};
  api_scene_t scene;
  api_scene_open_bare(&scene);
  scene.config.target = "us";
  api_scene_client(&scene);
  api_answer(&scene, "POST /api/warm-pools", 201, full);
  daytona_future_t *future = api_must(daytona_warm_pool_create(scene.client, "acme/base:1.4", 3, &opts));
  check_full(daytona_future_warm_pool(future));
  daytona_future_release(future);
  api_done(daytona_warm_pool_create(scene.client, "s", 1, NULL));
  assert_same_json(api_body_of(scene.requests[0]),
                   "{\"snapshot\":\"acme/base:1.4\",\"pool\":3,\"target\":\"eu\"}");
  assert_same_json(api_body_of(scene.requests[1]), "{\"snapshot\":\"s\",\"pool\":1,\"target\":\"us\"}");
  api_fails(daytona_warm_pool_create(scene.client, "s", 0, NULL), DAYTONA_EINVAL);
  api_fails(daytona_warm_pool_create(scene.client, "s", -1, NULL), DAYTONA_EINVAL);
  api_fails(daytona_warm_pool_create(scene.client, "", 1, NULL), DAYTONA_EINVAL);
  assert_int_equal(scene.request_count, 2);
  api_forget(&scene, "POST /api/warm-pools");
  api_answer(&scene, "POST /api/warm-pools", 0, api_break);
  api_fails(daytona_warm_pool_create(scene.client, "s", 1, NULL), DAYTONA_ECONNECTION);
  assert_int_equal(scene.request_count, 3); /* there may be one now */
  api_forget(&scene, "POST /api/warm-pools");
  api_answer(&scene, "POST /api/warm-pools", 409, "{}");
  api_fails(daytona_warm_pool_create(scene.client, "s", 1, NULL), DAYTONA_ECONFLICT);
  api_scene_close(&scene);
}

static void update_and_delete_are_by_id(void **state) {
  (void)state;
  api_scene_t scene;
  api_scene_open(&scene);
  api_answer(&scene, "PATCH /api/warm-pools/wp-1", 200, full);
  api_answer(&scene, "DELETE /api/warm-pools/wp-1", 204, "");
  daytona_future_t *future = api_must(daytona_warm_pool_update(scene.client, "wp-1", 0, NULL));
  check_full(daytona_future_warm_pool(future));
  daytona_future_release(future);
  assert_same_json(api_body_of(scene.requests[0]), "{\"pool\":0}");
  api_done(daytona_warm_pool_delete(scene.client, "wp-1", NULL));
  api_fails(daytona_warm_pool_update(scene.client, "wp-1", -1, NULL), DAYTONA_EINVAL);
  api_fails(daytona_warm_pool_update(scene.client, "", 1, NULL), DAYTONA_EINVAL);
  api_fails(daytona_warm_pool_delete(scene.client, "", NULL), DAYTONA_EINVAL);
  api_fails(daytona_warm_pool_delete(scene.client, "wp-2", NULL), DAYTONA_ENOTFOUND);
  assert_int_equal(scene.request_count, 3);
  api_scene_close(&scene);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(list_gives_all),
    cmocka_unit_test(create_names_snapshot_and_region),
    cmocka_unit_test(update_and_delete_are_by_id),
  };
  signal(SIGPIPE, SIG_IGN); /* the peer writes to clients that have gone */
  return cmocka_run_group_tests(tests, NULL, NULL);
}
