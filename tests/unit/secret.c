/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Secrets: what is sent, what is understood, and that no value is left anywhere.
 */
#define _GNU_SOURCE /* memmem() */

#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "support/api_scene.h"
#include "support/check.h"
#include "support/misuse.h"
#include "support/same_json.h"

static const char full[] =
  "{\"id\":\"se-1\",\"name\":\"pkg_key\",\"description\":\"read-only\",\"placeholder\":\"dtn_secret_6b1f\","
  "\"hosts\":[\"a.example\",\"*.b.example\"],\"createdAt\":\"c\",\"updatedAt\":\"u\"}";

static void check_full(const daytona_secret_t *secret) {
  assert_string_equal(secret->id, "se-1");
  assert_string_equal(secret->name, "pkg_key");
  assert_string_equal(secret->description, "read-only");
  assert_string_equal(secret->placeholder, "dtn_secret_6b1f");
  assert_int_equal(secret->hosts.count, 2);
  assert_string_equal(secret->hosts.items[1], "*.b.example");
  assert_string_equal(secret->created_at, "c");
  assert_string_equal(secret->updated_at, "u");
}

static void get_knows_all_members(void **state) {
  (void)state;
  api_scene_t scene;
  api_scene_open(&scene);
  api_answer(&scene, "GET /api/secret/se-1", 200, full);
  daytona_future_t *future = api_must(daytona_secret_get(scene.client, "se-1", NULL));
  check_full(daytona_future_secret(future));
  assert_wrong_accessor(daytona_future_secret_page(future));
  daytona_future_release(future);
  api_scene_close(&scene);
}

static void list_asks_for_a_page(void **state) {
  (void)state;
  const daytona_secret_list_opts_t opts = {
    .cursor = "c1", .limit = daytona_int(200), .name = "pkg", .sort = "name", .order = "asc"};
  const daytona_secret_list_opts_t bad[] = {
    {.limit = daytona_int(0)}, {.limit = daytona_int(201)}, {.timeout_ms = -7}};
  char page[1024];
  api_scene_t scene;
  api_scene_open(&scene);
  snprintf(page, sizeof page, "{\"items\":[%s],\"total\":9,\"nextCursor\":\"c2\"}", full);
  api_answer(&scene, "GET /api/secret/paginated", 200, page);
  api_answer(&scene, "GET /api/secret/paginated", 200, "{\"items\":[],\"total\":9,\"nextCursor\":null}");
  daytona_future_t *future = api_must(daytona_secret_list(scene.client, &opts));
  const daytona_secret_page_t *list = daytona_future_secret_page(future);
  assert_int_equal(list->count, 1);
  assert_int_equal(list->total, 9);
  assert_string_equal(list->next_cursor, "c2");
  check_full(list->items[0]);
  daytona_future_release(future);
  future = api_must(daytona_secret_list(scene.client, NULL));
  assert_null(daytona_future_secret_page(future)->next_cursor);
  daytona_future_release(future);
  for (int i = 0; i < 3; i++) api_fails(daytona_secret_list(scene.client, &bad[i]), DAYTONA_EINVAL);
  assert_string_equal(api_line_of(scene.requests[0]),
                      "GET /api/secret/paginated?cursor=c1&limit=200&name=pkg&sort=name&order=asc");
  assert_string_equal(api_line_of(scene.requests[1]), "GET /api/secret/paginated");
  assert_int_equal(scene.request_count, 2);
  api_scene_close(&scene);
}

static void iteration_follows_the_cursor(void **state) {
  (void)state;
  char page[1024];
  daytona_secret_iter_t *iter;
  const daytona_secret_list_opts_t named = {.name = "p"}, placed = {.cursor = "c"};
  api_scene_t scene;
  api_scene_open(&scene);
  snprintf(page, sizeof page, "{\"items\":[%s],\"total\":2,\"nextCursor\":\"a b\"}", full);
  api_answer(&scene, "GET /api/secret/paginated", 200, page);
  snprintf(page, sizeof page, "{\"items\":[%s],\"total\":2,\"nextCursor\":null}", full);
  api_answer(&scene, "GET /api/secret/paginated", 200, page);
  assert_int_equal(daytona_secret_iter_new(scene.client, &placed, &iter), DAYTONA_EINVAL);
  assert_int_equal(daytona_secret_iter_new(scene.client, &named, &iter), 0);
  for (int i = 0; i < 2; i++) {
    daytona_future_t *future = api_must(daytona_secret_iter_next(iter));
    check_full(daytona_future_secret(future));
    daytona_future_release(future);
  }
  daytona_future_t *future = api_must(daytona_secret_iter_next(iter));
  assert_true(daytona_future_is_absent(future));
  daytona_future_release(future);
  daytona_secret_iter_release(iter);
  assert_string_equal(api_line_of(scene.requests[1]), "GET /api/secret/paginated?cursor=a%20b&name=p");
  api_scene_close(&scene);
}

static void create_sends_the_value_once(void **state) {
  (void)state;
  static const char *const hosts[] = {"a.example", "*.b.example"};
  const daytona_secret_create_opts_t opts = {.description = "read-only", .hosts = {hosts, 2}};
  api_scene_t scene;
  api_scene_open(&scene);
  api_answer(&scene, "POST /api/secret", 201, full);
  daytona_future_t *future = api_must(daytona_secret_create(scene.client, "pkg_key", "v", &opts));
  check_full(daytona_future_secret(future));
  daytona_future_release(future);
  assert_same_json(api_body_of(scene.requests[0]),
                   "{\"name\":\"pkg_key\",\"value\":\"v\",\"description\":\"read-only\","
                   "\"hosts\":[\"a.example\",\"*.b.example\"]}");
  api_done(daytona_secret_create(scene.client, "pkg_key", "v", NULL));
  assert_same_json(api_body_of(scene.requests[1]), "{\"name\":\"pkg_key\",\"value\":\"v\"}");
  api_fails(daytona_secret_create(scene.client, "", "v", NULL), DAYTONA_EINVAL);
  api_fails(daytona_secret_create(scene.client, "n", "", NULL), DAYTONA_EINVAL);
  api_fails(daytona_secret_create(scene.client, "n", NULL, NULL), DAYTONA_EINVAL);
  assert_int_equal(scene.request_count, 2);
  api_forget(&scene, "POST /api/secret");
  api_answer(&scene, "POST /api/secret", 0, api_break);
  api_fails(daytona_secret_create(scene.client, "pkg_key", "v", NULL), DAYTONA_ECONNECTION);
  assert_int_equal(scene.request_count, 3); /* it may have been stored */
  api_forget(&scene, "POST /api/secret");
  api_answer(&scene, "POST /api/secret", 409, "{\"message\":\"in use\"}");
  api_fails(daytona_secret_create(scene.client, "pkg_key", "v", NULL), DAYTONA_ECONFLICT);
  api_scene_close(&scene);
}

static void update_sends_what_changes(void **state) {
  (void)state;
  static const char *const hosts[] = {"c.example"};
  const daytona_secret_update_opts_t value = {.value = "new"}, all = {.value = "new", .removes_hosts = true},
                                     moved = {.description = "", .hosts = {hosts, 1}},
                                     open = {.removes_hosts = true}, nothing = {.timeout_ms = 5},
                                     both = {.removes_hosts = true, .hosts = {hosts, 1}},
                                     empty = {.value = ""};
  api_scene_t scene;
  api_scene_open(&scene);
  api_answer(&scene, "PATCH /api/secret/se-1", 200, full);
  api_done(daytona_secret_update(scene.client, "se-1", &value));
  api_done(daytona_secret_update(scene.client, "se-1", &moved));
  api_done(daytona_secret_update(scene.client, "se-1", &open));
  api_done(daytona_secret_update(scene.client, "se-1", &all));
  assert_same_json(api_body_of(scene.requests[0]), "{\"value\":\"new\"}");
  assert_same_json(api_body_of(scene.requests[1]), "{\"description\":\"\",\"hosts\":[\"c.example\"]}");
  assert_same_json(api_body_of(scene.requests[2]), "{\"hosts\":[]}");
  assert_same_json(api_body_of(scene.requests[3]), "{\"value\":\"new\",\"hosts\":[]}");
  api_fails(daytona_secret_update(scene.client, "se-1", &nothing), DAYTONA_EINVAL);
  api_fails(daytona_secret_update(scene.client, "se-1", NULL), DAYTONA_EINVAL);
  api_fails(daytona_secret_update(scene.client, "se-1", &both), DAYTONA_EINVAL);
  api_fails(daytona_secret_update(scene.client, "se-1", &empty), DAYTONA_EINVAL);
  api_fails(daytona_secret_update(scene.client, "", &value), DAYTONA_EINVAL);
  assert_int_equal(scene.request_count, 4);
  api_scene_close(&scene);
}

static void delete_is_by_id(void **state) {
  (void)state;
  api_scene_t scene;
  api_scene_open(&scene);
  api_answer(&scene, "DELETE /api/secret/se%2F1", 204, "");
  api_done(daytona_secret_delete(scene.client, "se/1", NULL));
  api_fails(daytona_secret_delete(scene.client, "unknown", NULL), DAYTONA_ENOTFOUND);
  api_fails(daytona_secret_delete(scene.client, NULL, NULL), DAYTONA_EINVAL);
  api_scene_close(&scene);
}

/* --- values ------------------------------------------------------------------------------------ */

static const char hidden[] = "hush-hush-value";
static int values_freed;

/* Every block begins zeroed to its end, so that what is found in it was written by the library. */
static void *plain_malloc(size_t size, void *user) {
  (void)user;
  void *block = malloc(size);
  if (block != NULL) memset(block, 0, malloc_usable_size(block));
  return block;
}
static void *plain_calloc(size_t count, size_t size, void *user) {
  return size != 0 && count > SIZE_MAX / size ? NULL : plain_malloc(count * size, user);
}
static void watching_free(void *block, void *user) {
  (void)user;
  size_t size = block != NULL ? malloc_usable_size(block) : 0;
  if (size >= sizeof hidden - 1 && memmem(block, size, hidden, sizeof hidden - 1) != NULL) values_freed++;
  free(block);
}
static void *watching_realloc(void *block, size_t size, void *user) {
  void *bigger = plain_malloc(size, user);
  size_t old = block != NULL ? malloc_usable_size(block) : 0;
  if (bigger == NULL) return NULL;
  if (block != NULL) memcpy(bigger, block, old < size ? old : size);
  watching_free(block, user);
  return bigger;
}

static char log_text[65536];

static void on_log(daytona_log_level_t level, const char *line, void *user) {
  (void)level, (void)user;
  strncat(log_text, line, sizeof log_text - strlen(log_text) - 1);
}

static void values_leave_no_trace(void **state) {
  (void)state;
  static const daytona_pair_t pairs[] = {{"TOKEN", hidden}};
  const daytona_map_t env = {pairs, 1};
  const daytona_secret_update_opts_t update = {.value = hidden};
  const daytona_allocator_t watching = {plain_malloc, plain_calloc, watching_realloc, watching_free, NULL};
  char echo[256];
  api_scene_t scene;
  values_freed = 0;
  log_text[0] = '\0';
  assert_int_equal(daytona_memory_set_allocator(&watching), 0);
  api_scene_open_bare(&scene);
  scene.config.log = on_log;
  api_scene_client(&scene);
  daytona_sandbox_t *sandbox = api_sandbox_at(&scene, scene.toolbox_url, "started");
  snprintf(echo, sizeof echo, "{\"message\":\"the value %s is too long\"}", hidden);
  api_answer(&scene, "POST /api/secret", 400, echo);
  daytona_future_t *future = daytona_secret_create(scene.client, "n", hidden, NULL);
  api_must_fail(future, DAYTONA_EINVAL);
  assert_null(strstr(daytona_future_error(future)->message, hidden));
  assert_non_null(strstr(daytona_future_error(future)->message, "***"));
  if (daytona_future_error(future)->body != NULL)
    assert_null(strstr(daytona_future_error(future)->body, hidden));
  daytona_future_release(future);
  api_forget(&scene, "POST /api/secret");
  api_answer(&scene, "POST /api/secret", 201, full);
  api_done(daytona_secret_create(scene.client, "n", hidden, NULL));
  api_answer(&scene, "PATCH /api/secret/se-1", 200, full);
  api_done(daytona_secret_update(scene.client, "se-1", &update));
  api_answer(&scene, "POST /toolbox/sb-1/env", 200, "{\"TOKEN\":\"hush-hush-value\"}");
  api_done(daytona_sandbox_update_env(sandbox, &env, NULL));
  api_close_with(&scene, sandbox);
  assert_int_equal(daytona_memory_set_allocator(NULL), 0);
  assert_int_equal(values_freed, 0);
  assert_non_null(strstr(log_text, "secret_create"));
  assert_null(strstr(log_text, hidden));
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(get_knows_all_members),        cmocka_unit_test(list_asks_for_a_page),
    cmocka_unit_test(iteration_follows_the_cursor), cmocka_unit_test(create_sends_the_value_once),
    cmocka_unit_test(update_sends_what_changes),    cmocka_unit_test(delete_is_by_id),
    cmocka_unit_test(values_leave_no_trace),
  };
  signal(SIGPIPE, SIG_IGN); /* the peer writes to clients that have gone */
  return cmocka_run_group_tests(tests, NULL, NULL);
}
