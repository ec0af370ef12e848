/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists of sandboxes: the exact queries, the pages, the walk by cursor, and finding one.
 */
#include <stdio.h>
#include <string.h>

#include "support/api_scene.h"
#include "support/check.h"

static const char paged[] = "GET /api/sandbox/paginated";
static const char walked[] = "GET /api/sandbox";

static const daytona_pair_t label_pairs[] = {{"team", "a&b"}, {"q", "\"+/\xc3\xa9"}};
static const daytona_map_t labels = {label_pairs, 2};

/* {"team":"a&b","q":"\"+/é"} in a query value. */
#define LABELS_QUERY "labels=%7B%22team%22%3A%22a%26b%22%2C%22q%22%3A%22%5C%22%2B/%C3%A9%22%7D"

/* --- pages ------------------------------------------------------------------------------------- */

static void page_is_asked_for_with_what_is_given(void **state) {
  (void)state;
  const daytona_sandbox_list_opts_t all = {
    .labels = labels, .page = daytona_int(2), .limit = daytona_int(50)};
  const daytona_sandbox_list_opts_t some = {.limit = daytona_int(1)};
  api_scene_t scene;
  api_scene_open(&scene);
  api_answer(&scene, paged, 200, "{\"items\":[],\"total\":0,\"page\":1,\"totalPages\":0}");
  api_done(daytona_sandbox_list(scene.client, NULL));
  api_done(daytona_sandbox_list(scene.client, &all));
  api_done(daytona_sandbox_list(scene.client, &some));
  assert_string_equal(api_line_of(scene.requests[0]), "GET /api/sandbox/paginated");
  assert_string_equal(api_line_of(scene.requests[1]),
                      "GET /api/sandbox/paginated?" LABELS_QUERY "&page=2&limit=50");
  assert_string_equal(api_line_of(scene.requests[2]), "GET /api/sandbox/paginated?limit=1");
  api_scene_close(&scene);
}

static void page_has_numbers_and_sandboxes(void **state) {
  (void)state;
  char body[1024];
  api_scene_t scene;
  api_scene_open(&scene);
  snprintf(body, sizeof body, "{\"items\":[%s,%s,null],\"total\":7.0,\"page\":2,\"totalPages\":4,\"new\":{}}",
           api_sandbox_json(&scene, "a", "started", ",\"cpu\":2.0"),
           api_sandbox_json(&scene, "b", "future_state", ""));
  api_answer(&scene, paged, 200, body);
  daytona_future_t *future = api_must(daytona_sandbox_list(scene.client, NULL));
  const daytona_sandbox_page_t *page = daytona_future_sandbox_page(future);
  assert_int_equal(page->count, 2);
  assert_int_equal(page->total, 7);
  assert_int_equal(page->page, 2);
  assert_int_equal(page->total_pages, 4);
  assert_string_equal(daytona_sandbox_id(page->items[0]), "a");
  assert_true(daytona_sandbox_info(page->items[0])->cpu == 2);
  assert_int_equal(daytona_sandbox_state(page->items[1]), DAYTONA_SANDBOX_UNKNOWN);
  assert_string_equal(daytona_sandbox_info(page->items[1])->state_name, "future_state");
  /* One that is kept outlives the page and the client's interest in it. */
  daytona_sandbox_t *kept = daytona_sandbox_retain(page->items[1]);
  daytona_future_release(future);
  assert_string_equal(daytona_sandbox_info(kept)->id, "b");
  daytona_sandbox_release(kept);
  api_scene_close(&scene);
}

static void bad_page_arguments_are_refused(void **state) {
  (void)state;
  static const daytona_pair_t no_value[] = {{"a", NULL}}, bad_text[] = {{"a", "\xff"}};
  const daytona_sandbox_list_opts_t bad[] = {
    {.page = daytona_int(0)},  {.limit = daytona_int(0)}, {.page = daytona_int(-1)}, {.labels = {NULL, 1}},
    {.labels = {no_value, 1}}, {.labels = {bad_text, 1}}, {.timeout_ms = -3},        {.reserved = {1}}};
  api_scene_t scene;
  api_scene_open(&scene);
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
    api_fails(daytona_sandbox_list(scene.client, &bad[i]), DAYTONA_EINVAL);
  assert_int_equal(scene.request_count, 0);
  api_scene_close(&scene);
}

/* --- find -------------------------------------------------------------------------------------- */

static void find_one_prefers_the_name(void **state) {
  (void)state;
  const daytona_sandbox_find_one_opts_t opts = {.id_or_name = "a b/c", .labels = labels};
  api_scene_t scene;
  api_scene_open(&scene);
  api_answer(&scene, "GET /api/sandbox/a%20b%2Fc", 200, api_sandbox_json(&scene, "sb-1", "started", ""));
  daytona_future_t *future = api_must(daytona_sandbox_find_one(scene.client, &opts));
  assert_string_equal(daytona_sandbox_id(daytona_future_sandbox(future)), "sb-1");
  assert_string_equal(api_line_of(scene.requests[0]), "GET /api/sandbox/a%20b%2Fc");
  daytona_future_release(future);
  api_scene_close(&scene);
}

static void find_one_takes_the_first_with_the_labels(void **state) {
  (void)state;
  char body[512];
  const daytona_sandbox_find_one_opts_t opts = {.id_or_name = "", .labels = labels};
  api_scene_t scene;
  api_scene_open(&scene);
  snprintf(body, sizeof body, "{\"items\":[%s]}", api_sandbox_json(&scene, "sb-1", "stopped", ""));
  api_answer(&scene, paged, 200, body);
  api_answer(&scene, paged, 200, "{\"items\":[]}");
  daytona_future_t *future = api_must(daytona_sandbox_find_one(scene.client, &opts));
  assert_int_equal(daytona_sandbox_state(daytona_future_sandbox(future)), DAYTONA_SANDBOX_STOPPED);
  daytona_future_release(future);
  assert_string_equal(api_line_of(scene.requests[0]),
                      "GET /api/sandbox/paginated?" LABELS_QUERY "&page=1&limit=1");
  future = api_must_fail(daytona_sandbox_find_one(scene.client, &opts), DAYTONA_ENOTFOUND);
  assert_int_equal(strncmp(daytona_future_error(future)->message, "Failed to find sandbox: ", 24), 0);
  daytona_future_release(future);
  api_scene_close(&scene);
}

/* Every path of a sandbox is made of its id: one without would address another thing. */
static void items_without_an_id_are_left_out(void **state) {
  (void)state;
  static const char body[] = "{\"items\":[{\"id\":\"\",\"state\":\"started\"}]}";
  api_scene_t scene;
  daytona_sandbox_iter_t *iter = NULL;
  api_scene_open(&scene);
  api_answer(&scene, paged, 200, body);
  api_answer(&scene, walked, 200, body);
  assert_int_equal(daytona_sandbox_iter_new(scene.client, NULL, &iter), 0);
  daytona_future_t *page = api_must(daytona_sandbox_list(scene.client, NULL));
  assert_int_equal(daytona_future_sandbox_page(page)->count, 0);
  assert_int_equal(daytona_future_skipped_count(page), 1);
  daytona_future_release(page);
  api_fails(daytona_sandbox_find_one(scene.client, NULL), DAYTONA_EPROTOCOL);
  daytona_future_t *end = api_must(daytona_sandbox_iter_next(iter));
  assert_true(daytona_future_is_absent(end) && daytona_future_skipped_count(end) == 1);
  daytona_future_release(end);
  daytona_sandbox_iter_release(iter);
  api_scene_close(&scene);
}

/* --- the walk ---------------------------------------------------------------------------------- */

static daytona_sandbox_iter_t *walk(api_scene_t *scene, const daytona_sandbox_query_t *query) {
  daytona_sandbox_iter_t *iter = NULL;
  assert_int_equal(daytona_sandbox_iter_new(scene->client, query, &iter), 0);
  return iter;
}

/* Take the next step: "" at the end, else the id, in a static buffer. */
static const char *step(daytona_sandbox_iter_t *iter) {
  static char id[64];
  daytona_future_t *future = api_must(daytona_sandbox_iter_next(iter));
  daytona_sandbox_t *sandbox = daytona_future_sandbox(future);
  snprintf(id, sizeof id, "%s", sandbox != NULL ? daytona_sandbox_id(sandbox) : "");
  daytona_future_release(future);
  return id;
}

static void query_travels_exactly(void **state) {
  (void)state;
  static const daytona_sandbox_state_t states[] = {DAYTONA_SANDBOX_STARTED, DAYTONA_SANDBOX_STOPPED};
  static const char *const snapshots[] = {"s 1", "s+2"}, *const targets[] = {"eu"};
  const daytona_sandbox_query_t query = {.id_prefix = "i",
                                         .name_prefix = "n",
                                         .labels = labels,
                                         .states = states,
                                         .state_count = 2,
                                         .snapshots = {snapshots, 2},
                                         .targets = {targets, 1},
                                         .min_cpu = daytona_int(0),
                                         .max_cpu = daytona_int(4),
                                         .min_memory_gib = daytona_int(1),
                                         .max_memory_gib = daytona_int(8),
                                         .min_disk_gib = daytona_int(2),
                                         .max_disk_gib = daytona_int(9),
                                         .is_public = daytona_bool(false),
                                         .is_recoverable = daytona_bool(true),
                                         .created_after = "2026-01-01T00:00:00+0100",
                                         .created_before = "b",
                                         .last_activity_after = "c",
                                         .last_activity_before = "d",
                                         .auto_destroy_after = "e",
                                         .auto_destroy_before = "f",
                                         .sort = "memoryGib",
                                         .order = "desc",
                                         .page_size = daytona_int(3)};
  api_scene_t scene;
  api_scene_open(&scene);
  api_answer(&scene, walked, 200, "{\"items\":[],\"nextCursor\":\"x/y+z\"}");
  api_answer(&scene, walked, 200, "{\"items\":[],\"nextCursor\":null}");
  daytona_sandbox_iter_t *iter = walk(&scene, &query);
  assert_int_equal(scene.request_count, 0);
  assert_string_equal(step(iter), "");
#define QUERY                                                                                                \
  "limit=3&id=i&name=n&" LABELS_QUERY                                                                        \
  "&snapshots=s%201&snapshots=s%2B2&regionIds=eu"                                                            \
  "&minCpu=0&maxCpu=4&minMemoryGiB=1&maxMemoryGiB=8&minDiskGiB=2&maxDiskGiB=9&isPublic=false&isRecoverable=" \
  "true"                                                                                                     \
  "&createdAtAfter=2026-01-01T00%3A00%3A00%2B0100&createdAtBefore=b&lastEventAfter=c&lastEventBefore=d"      \
  "&autoDestroyAtAfter=e&autoDestroyAtBefore=f&sort=memoryGib&order=desc&states=started&states=stopped"
  assert_string_equal(api_line_of(scene.requests[0]), "GET /api/sandbox?" QUERY);
  assert_string_equal(api_line_of(scene.requests[1]), "GET /api/sandbox?cursor=x/y%2Bz&" QUERY);
  daytona_sandbox_iter_release(iter);
  api_scene_close(&scene);
}

/* One page with sandboxes `ids`, which are single letters. */
static void answer_page(api_scene_t *scene, const char *ids, const char *cursor) {
  char body[2048];
  int used = snprintf(body, sizeof body, "{\"items\":[");
  for (const char *at = ids; *at != '\0'; at++)
    used += snprintf(body + used, sizeof body - (size_t)used, "%s{\"id\":\"%c\",\"state\":\"started\"}",
                     at == ids ? "" : ",", *at);
  snprintf(body + used, sizeof body - (size_t)used, cursor != NULL ? "],\"nextCursor\":\"%s\"}" : "]}",
           cursor);
  api_answer(scene, walked, 200, body);
}

static void walk_goes_from_page_to_page_and_stays_at_the_end(void **state) {
  (void)state;
  api_scene_t scene;
  api_scene_open(&scene);
  answer_page(&scene, "ab", "c1");
  answer_page(&scene, "", "c2");
  answer_page(&scene, "c", "c3");
  answer_page(&scene, "", "");
  daytona_sandbox_iter_t *iter = walk(&scene, NULL);
  assert_string_equal(step(iter), "a");
  assert_int_equal(scene.request_count, 1);
  assert_string_equal(step(iter), "b");
  assert_int_equal(scene.request_count, 1);
  assert_string_equal(step(iter), "c");
  assert_int_equal(scene.request_count, 3);
  assert_string_equal(step(iter), "");
  assert_string_equal(step(iter), "");
  assert_int_equal(scene.request_count, 4);
  assert_string_equal(api_line_of(scene.requests[0]), "GET /api/sandbox");
  assert_string_equal(api_line_of(scene.requests[1]), "GET /api/sandbox?cursor=c1");
  assert_string_equal(api_line_of(scene.requests[3]), "GET /api/sandbox?cursor=c3");
  daytona_sandbox_iter_release(iter);
  api_scene_close(&scene);
}

static void failed_step_can_be_asked_for_again(void **state) {
  (void)state;
  api_scene_t scene;
  api_scene_open(&scene);
  answer_page(&scene, "a", "c1");
  api_answer(&scene, walked, 500, "{\"message\":\"boom\"}");
  api_answer(&scene, walked, 200, "rubbish");
  answer_page(&scene, "b", NULL);
  daytona_sandbox_iter_t *iter = walk(&scene, NULL);
  assert_string_equal(step(iter), "a");
  daytona_future_t *future = api_must_fail(daytona_sandbox_iter_next(iter), DAYTONA_EINTERNAL);
  api_says(future, "Failed to list sandboxes: boom");
  daytona_future_release(future);
  api_fails(daytona_sandbox_iter_next(iter), DAYTONA_EPROTOCOL);
  assert_string_equal(step(iter), "b");
  assert_string_equal(step(iter), "");
  for (int i = 1; i < 4; i++)
    assert_string_equal(api_line_of(scene.requests[i]), "GET /api/sandbox?cursor=c1");
  daytona_sandbox_iter_release(iter);
  api_scene_close(&scene);
}

static void cursor_that_comes_again_is_refused(void **state) {
  (void)state;
  static const char *const circles[][4] = {
    {"c1"}, {"c1", "c2"}, {"c1", "c2", "c3"}, {"c1", "c2", "c3", "c4"}};
  for (size_t i = 0; i < 4; i++) {
    api_scene_t scene;
    api_scene_open(&scene);
    for (int turn = 0; turn < 4; turn++)
      for (int n = 0; n < 4 && circles[i][n] != NULL; n++) answer_page(&scene, "", circles[i][n]);
    daytona_sandbox_iter_t *iter = walk(&scene, NULL);
    daytona_future_t *future = api_must_fail(daytona_sandbox_iter_next(iter), DAYTONA_EPROTOCOL);
    assert_non_null(strstr(daytona_future_error(future)->message, "cursor"));
    assert_in_range(scene.request_count, i + 2, 2 * (i + 1) + 3);
    assert_true(scene.request_count <= 4 * (i + 1)); /* before the last response is given again and again */
    daytona_future_release(future);
    daytona_sandbox_iter_release(iter);
    api_scene_close(&scene);
  }
}

static void second_step_has_to_wait(void **state) {
  (void)state;
  api_scene_t scene;
  api_scene_open(&scene);
  answer_page(&scene, "ab", NULL);
  daytona_sandbox_iter_t *iter = walk(&scene, NULL);
  daytona_future_t *first = daytona_sandbox_iter_next(iter);
  api_fails(daytona_sandbox_iter_next(iter), DAYTONA_EREENTRANT);
  api_done(first);
  assert_string_equal(step(iter), "b");
  daytona_sandbox_iter_release(iter);
  api_scene_close(&scene);
}

static void iterator_released_early_lets_its_step_end(void **state) {
  (void)state;
  api_scene_t scene;
  api_scene_open(&scene);
  answer_page(&scene, "abc", "c1");
  daytona_sandbox_iter_t *iter = walk(&scene, NULL);
  daytona_future_t *future = daytona_sandbox_iter_next(iter);
  daytona_sandbox_iter_release(iter);
  assert_string_equal(daytona_sandbox_id(daytona_future_sandbox(api_must(future))), "a");
  daytona_future_release(future);
  daytona_sandbox_iter_release(NULL);
  api_scene_close(&scene);
}

static void cancelled_step_can_be_asked_for_again(void **state) {
  (void)state;
  api_scene_t scene;
  api_scene_open(&scene);
  api_answer(&scene, walked, 0, api_silence);
  answer_page(&scene, "a", NULL);
  daytona_sandbox_iter_t *iter = walk(&scene, NULL);
  daytona_future_t *future = daytona_sandbox_iter_next(iter);
  api_until_requests(&scene, 1);
  daytona_future_cancel(future);
  assert_string_equal(step(iter), "a");
  api_fails(future, DAYTONA_ECANCELED);
  daytona_sandbox_iter_release(iter);
  api_scene_close(&scene);
}

static void bad_queries_are_refused(void **state) {
  (void)state;
  static const daytona_sandbox_state_t no_state[] = {(daytona_sandbox_state_t)1000};
  static const char *const hole[] = {"a", NULL};
  const daytona_sandbox_query_t bad[] = {{.page_size = daytona_int(0)},
                                         {.timeout_ms = -4},
                                         {.labels = {NULL, 1}},
                                         {.state_count = 1},
                                         {.snapshots = {NULL, 1}},
                                         {.targets = {NULL, 2}},
                                         {.states = no_state, .state_count = 1},
                                         {.snapshots = {hole, 2}},
                                         {.id_prefix = "\xff"},
                                         {.reserved = {0, 0, 0, 0, 0, 0, 0, 1}}};
  daytona_sandbox_iter_t *iter = NULL;
  api_scene_t scene;
  api_scene_open(&scene);
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
    assert_int_equal(daytona_sandbox_iter_new(scene.client, &bad[i], &iter), DAYTONA_EINVAL);
  assert_int_equal(daytona_sandbox_iter_new(NULL, NULL, &iter), DAYTONA_EINVAL);
  assert_int_equal(daytona_sandbox_iter_new(scene.client, NULL, NULL), DAYTONA_EINVAL);
  assert_null(iter);
  api_fails(daytona_sandbox_iter_next(NULL), DAYTONA_EINVAL);
  api_scene_close(&scene);
}

static void closed_client_ends_a_walk(void **state) {
  (void)state;
  daytona_sandbox_iter_t *late = NULL;
  api_scene_t scene;
  api_scene_open(&scene);
  api_answer(&scene, walked, 0, api_silence);
  daytona_sandbox_iter_t *iter = walk(&scene, NULL);
  daytona_future_t *future = daytona_sandbox_iter_next(iter);
  api_until_requests(&scene, 1);
  daytona_client_t *client = daytona_client_retain(scene.client);
  api_scene_close_client(&scene);
  api_fails(future, DAYTONA_ECLOSED);
  api_fails(daytona_sandbox_iter_next(iter), DAYTONA_ECLOSED);
  assert_int_equal(daytona_sandbox_iter_new(client, NULL, &late), DAYTONA_ECLOSED);
  daytona_client_release(client);
  daytona_sandbox_iter_release(iter);
  api_scene_close(&scene);
}

/* --- servers without pages ---------------------------------------------------------------------- */

#define PAGES "GET /api/sandbox/paginated"
#define CURSORS "GET /api/sandbox"

static void page_is_cut_out_of_the_list_by_cursor(void **state) {
  (void)state;
  static const daytona_pair_t pairs[] = {{"a", "b"}};
  const daytona_sandbox_list_opts_t second = {
    .labels = {pairs, 1}, .page = daytona_int(2), .limit = daytona_int(2)};
  api_scene_t scene;
  api_scene_open(&scene);
  api_answer(&scene, PAGES, 404, "{\"message\":\"Sandbox paginated not found\"}");
  api_answer(&scene, CURSORS, 200,
             "{\"items\":[{\"id\":\"s1\"},{\"id\":\"s2\"},{\"id\":\"s3\"}],\"nextCursor\":\"c 1\"}");
  api_answer(&scene, CURSORS, 200,
             "{\"items\":[{\"id\":\"s4\",\"state\":\"started\"},{\"id\":\"s5\"}],\"nextCursor\":null}");
  daytona_future_t *future = api_must(daytona_sandbox_list(scene.client, &second));
  const daytona_sandbox_page_t *page = daytona_future_sandbox_page(future);
  assert_int_equal(page->count, 2);
  assert_string_equal(daytona_sandbox_id(page->items[0]), "s3");
  assert_string_equal(daytona_sandbox_id(page->items[1]), "s4");
  assert_int_equal(daytona_sandbox_state(page->items[1]), DAYTONA_SANDBOX_STARTED);
  assert_int_equal(page->total, 5);
  assert_int_equal(page->page, 2);
  assert_int_equal(page->total_pages, 3);
  daytona_future_release(future);
  assert_string_equal(api_line_of(scene.requests[1]), CURSORS "?labels=%7B%22a%22%3A%22b%22%7D&limit=200");
  assert_string_equal(api_line_of(scene.requests[2]),
                      CURSORS "?labels=%7B%22a%22%3A%22b%22%7D&limit=200&cursor=c%201");
  api_done(daytona_sandbox_list(scene.client, NULL)); /* pages are not asked for again */
  assert_int_equal(api_count(&scene, PAGES), 1);
  api_scene_close(&scene);
}

static void pages_beyond_the_end_are_empty(void **state) {
  (void)state;
  const daytona_sandbox_list_opts_t far = {.page = daytona_int(INT64_MAX), .limit = daytona_int(INT64_MAX)},
                                    third = {.page = daytona_int(3), .limit = daytona_int(2)};
  api_scene_t scene;
  api_scene_open(&scene);
  api_answer(&scene, PAGES, 410, "");
  api_answer(&scene, CURSORS, 200, "{\"items\":[{\"id\":\"s1\"}]}");
  daytona_future_t *future = api_must(daytona_sandbox_list(scene.client, &third));
  assert_int_equal(daytona_future_sandbox_page(future)->count, 0);
  assert_int_equal(daytona_future_sandbox_page(future)->total, 1);
  assert_int_equal(daytona_future_sandbox_page(future)->total_pages, 1);
  daytona_future_release(future);
  future = api_must(daytona_sandbox_list(scene.client, &far));
  assert_int_equal(daytona_future_sandbox_page(future)->count, 0);
  daytona_future_release(future);
  api_scene_close(&scene);
}

static void the_first_is_found_without_pages(void **state) {
  (void)state;
  static const daytona_pair_t pairs[] = {{"a", "b"}};
  const daytona_sandbox_find_one_opts_t opts = {.labels = {pairs, 1}};
  api_scene_t scene;
  api_scene_open(&scene);
  api_answer(&scene, PAGES, 404, "");
  api_answer(&scene, CURSORS, 200, "{\"items\":[{\"id\":\"s1\"}],\"nextCursor\":\"c\"}");
  api_answer(&scene, CURSORS, 200, "{\"items\":[],\"nextCursor\":null}");
  daytona_future_t *future = api_must(daytona_sandbox_find_one(scene.client, &opts));
  assert_string_equal(daytona_sandbox_id(daytona_future_sandbox(future)), "s1");
  daytona_future_release(future);
  assert_string_equal(api_line_of(scene.requests[1]), CURSORS "?labels=%7B%22a%22%3A%22b%22%7D&limit=1");
  assert_int_equal(scene.request_count, 2);
  api_fails(daytona_sandbox_find_one(scene.client, &opts), DAYTONA_ENOTFOUND);
  api_scene_close(&scene);
}

static void cursors_in_a_circle_end_the_list(void **state) {
  (void)state;
  char body[128];
  api_scene_t scene;
  api_scene_open(&scene);
  api_answer(&scene, PAGES, 404, "");
  for (int i = 0; i < 12; i++) {
    snprintf(body, sizeof body, "{\"items\":[{\"id\":\"s\"}],\"nextCursor\":\"c%d\"}", i % 3);
    api_answer(&scene, CURSORS, 200, body);
  }
  api_fails(daytona_sandbox_list(scene.client, NULL), DAYTONA_EPROTOCOL);
  assert_in_range(scene.request_count, 5, 9);
  api_scene_close(&scene);
}

static void lists_are_missing_altogether(void **state) {
  (void)state;
  api_scene_t scene;
  api_scene_open(&scene);
  daytona_future_t *future = daytona_sandbox_list(scene.client, NULL);
  api_must_fail(future, DAYTONA_ENOTFOUND);
  assert_non_null(strstr(daytona_future_error(future)->message, "Failed to list sandboxes: "));
  daytona_future_release(future);
  api_fails(daytona_sandbox_list(scene.client, NULL), DAYTONA_ENOTFOUND);
  assert_int_equal(api_count(&scene, PAGES), 2); /* nothing was learned */
  api_scene_close(&scene);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(page_is_asked_for_with_what_is_given),
    cmocka_unit_test(page_has_numbers_and_sandboxes),
    cmocka_unit_test(bad_page_arguments_are_refused),
    cmocka_unit_test(find_one_prefers_the_name),
    cmocka_unit_test(find_one_takes_the_first_with_the_labels),
    cmocka_unit_test(items_without_an_id_are_left_out),
    cmocka_unit_test(query_travels_exactly),
    cmocka_unit_test(walk_goes_from_page_to_page_and_stays_at_the_end),
    cmocka_unit_test(failed_step_can_be_asked_for_again),
    cmocka_unit_test(cursor_that_comes_again_is_refused),
    cmocka_unit_test(second_step_has_to_wait),
    cmocka_unit_test(iterator_released_early_lets_its_step_end),
    cmocka_unit_test(cancelled_step_can_be_asked_for_again),
    cmocka_unit_test(bad_queries_are_refused),
    cmocka_unit_test(closed_client_ends_a_walk),
    cmocka_unit_test(page_is_cut_out_of_the_list_by_cursor),
    cmocka_unit_test(pages_beyond_the_end_are_empty),
    cmocka_unit_test(the_first_is_found_without_pages),
    cmocka_unit_test(cursors_in_a_circle_end_the_list),
    cmocka_unit_test(lists_are_missing_altogether),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
