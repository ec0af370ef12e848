/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walk over pages, with items of a kind that no service has: by number and by cursor, plain data that is copied into
 * each step. What sandboxes add is in sandbox_list.c.
 */
#include <string.h>

#include "call/pager.h"
#include "support/alloc.h"
#include "support/api_scene.h"
#include "support/check.h"

typedef struct thing {
  const char *name;
  int64_t size;
} thing_t;

static const daytona__json_field_t thing_fields[] = {
  DAYTONA__FIELD(thing_t, STRING, name, "name", .flags = DAYTONA__JSON_REQUIRED),
  DAYTONA__FIELD(thing_t, INT, size, "size"),
};
static DAYTONA__MODEL(thing_model, thing_t, "Thing", thing_fields);
DAYTONA__PAGE_MODEL(page_model, "Things", &thing_model);

typedef struct thing_args {
  const char *kind;
} thing_args_t;

DAYTONA__METHOD(walk, .prefix = "Failed to list things: ", .verb = "GET", .path = "/things",
                .request = DAYTONA__ARGS(thing_args_t,
                                         DAYTONA__ARG(IN_QUERY, thing_args_t, STRING, kind, "kind")),
                .response = &page_model, .keeps_answer = true);

static const daytona__type_t type_thing = {.name = "thing"};

static const daytona__paged_t by_number = {
  .fetch = &walk_method, .by_number = true, .item = &thing_model, .result = &type_thing};
static const daytona__paged_t by_cursor = {
  .fetch = &walk_method, .item = &thing_model, .result = &type_thing};

static const char things[] = "GET /api/things";
static api_scene_t scene;

static int open_scene(void **state) {
  api_scene_open(&scene);
  return 0;
}

static int close_scene(void **state) {
  api_scene_close(&scene);
  return 0;
}

static daytona__pager_t *begin(const daytona__paged_t *paged, const char *kind) {
  daytona__pager_t *pager = NULL;
  const thing_args_t args = {kind};
  assert_int_equal(
    daytona__pager_new(scene.client, paged, &args, DAYTONA__OPTS((daytona_call_opts_t *)NULL), &pager), 0);
  return pager;
}

/* "name size" of the next thing, or "" at the end. */
static const char *next(daytona__pager_t *pager) {
  static char text[64];
  daytona_future_t *future = api_must(daytona__pager_next(pager));
  const thing_t *thing = daytona__future_result(future, &type_thing);
  text[0] = '\0';
  if (thing != NULL) snprintf(text, sizeof text, "%s %d", thing->name, (int)thing->size);
  daytona_future_release(future);
  return text;
}

static void pages_are_asked_for_by_number(void **state) {
  api_answer(&scene, things, 200,
             "{\"items\":[{\"name\":\"a\",\"size\":1},{\"name\":\"b\"}],\"page\":1,\"totalPages\":2}");
  api_answer(&scene, things, 200, "{\"items\":[{\"name\":\"c\",\"size\":3}],\"page\":2,\"totalPages\":2}");
  daytona__pager_t *pager = begin(&by_number, "x y");
  assert_string_equal(next(pager), "a 1");
  assert_string_equal(next(pager), "b 0");
  assert_string_equal(next(pager), "c 3");
  assert_string_equal(next(pager), "");
  assert_string_equal(next(pager), "");
  assert_int_equal(scene.request_count, 2);
  assert_string_equal(api_line_of(scene.requests[0]), "GET /api/things?page=1&kind=x%20y");
  assert_string_equal(api_line_of(scene.requests[1]), "GET /api/things?page=2&kind=x%20y");
  daytona__pager_release(pager);
}

/* A server that counts pages for ever must not be walked for ever. */
static void empty_page_ends_a_walk_by_number(void **state) {
  api_answer(&scene, things, 200, "{\"items\":[],\"page\":1,\"totalPages\":900}");
  daytona__pager_t *pager = begin(&by_number, NULL);
  assert_string_equal(next(pager), "");
  assert_string_equal(api_line_of(scene.requests[0]), "GET /api/things?page=1");
  assert_int_equal(scene.request_count, 1);
  daytona__pager_release(pager);
}

static void pages_are_asked_for_by_cursor(void **state) {
  api_answer(&scene, things, 200, "{\"items\":[{\"name\":\"a\"}],\"nextCursor\":\"c/1\"}");
  api_answer(&scene, things, 200, "{\"items\":[],\"nextCursor\":\"c/2\"}");
  api_answer(&scene, things, 200, "{\"items\":[{\"name\":\"b\"}],\"nextCursor\":null}");
  daytona__pager_t *pager = begin(&by_cursor, "k");
  assert_string_equal(next(pager), "a 0");
  assert_string_equal(next(pager), "b 0");
  assert_string_equal(next(pager), "");
  assert_string_equal(api_line_of(scene.requests[2]), "GET /api/things?cursor=c/2&kind=k");
  daytona__pager_release(pager);
}

static void item_outlives_its_page_and_its_walk(void **state) {
  api_answer(&scene, things, 200, "{\"items\":[{\"name\":\"a\",\"size\":1}],\"totalPages\":1}");
  daytona__pager_t *pager = begin(&by_number, NULL);
  daytona_future_t *future = api_must(daytona__pager_next(pager));
  daytona__pager_release(pager);
  assert_string_equal(((const thing_t *)daytona__future_result(future, &type_thing))->name, "a");
  daytona_future_release(future);
}

static void item_without_a_name_is_left_out(void **state) {
  api_answer(&scene, things, 200, "{\"items\":[{\"name\":\"\"},{\"name\":\"b\"}],\"totalPages\":1}");
  daytona__pager_t *pager = begin(&by_number, NULL);
  daytona_future_t *future = api_must(daytona__pager_next(pager));
  assert_string_equal(((const thing_t *)daytona__future_result(future, &type_thing))->name, "b");
  assert_int_equal(daytona_future_skipped_count(future), 1);
  daytona_future_release(future);
  daytona__pager_release(pager);
}

static void walk_with_little_memory(void *user) {
  daytona__pager_t *pager = NULL;
  const thing_args_t args = {"k"};
  int rc = daytona__pager_new(scene.client, user, &args, DAYTONA__OPTS((daytona_call_opts_t *)NULL), &pager);
  assert_true(rc == 0 || rc == DAYTONA_ENOMEM);
  for (int i = 0; i < 3 && rc == 0; i++) {
    daytona_future_t *future = daytona__pager_next(pager);
    int code = daytona_future_await(future);
    assert_true(code == 0 || support_alloc_failed() != 0);
    daytona_future_release(future);
  }
  daytona__pager_release(pager);
  api_settle(&scene);
  while (daytona__loop_job_count(scene.client->loop) != 0) api_spin(&scene, 1);
}

static void every_allocation_of_a_walk_may_fail(void **state) {
  api_answer(&scene, things, 200, "{\"items\":[{\"name\":\"a\"},{\"name\":\"b\"}],\"totalPages\":1}");
  for (int i = 0; i < 2; i++) {
    void *paged = (void *)(i == 0 ? &by_number : &by_cursor);
    walk_with_little_memory(paged);
    support_alloc_sweep(walk_with_little_memory, paged);
  }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_scene, close_scene)

int main(void) {
  const struct CMUnitTest tests[] = {
    TEST(pages_are_asked_for_by_number),   TEST(empty_page_ends_a_walk_by_number),
    TEST(pages_are_asked_for_by_cursor),   TEST(item_outlives_its_page_and_its_walk),
    TEST(item_without_a_name_is_left_out), TEST(every_allocation_of_a_walk_may_fail),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
