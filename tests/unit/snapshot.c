/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Snapshots: lists, what create sends and waits for, the log of a build with its cuts, and changes by id and name.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/api_scene.h"
#include "support/check.h"
#include "support/misuse.h"
#include "support/same_json.h"

#define POST "POST /api/snapshots"
#define POLL "GET /api/snapshots/sn-1"
#define LOG_URL "GET /api/snapshots/sn-1/build-logs-url"
#define LOG "GET /log"
#define SNAPSHOT(state) "{\"id\":\"sn-1\",\"name\":\"base\",\"state\":\"" state "\"}"
#define UUID "3b1f0e52-8a1d-4c0b-9f5e-6a7c1d2e3f40"

static const char full[] =
  "{\"id\":\"sn-1\",\"organizationId\":\"o\",\"general\":true,\"name\":\"a/b:1\",\"imageName\":\"r/a:1\","
  "\"state\":\"active\",\"size\":0.42,\"entrypoint\":[\"sleep\",\"9\"],\"cpu\":1,\"gpu\":0,\"mem\":2,"
  "\"disk\":3,"
  "\"errorReason\":null,\"createdAt\":\"c\",\"updatedAt\":\"u\",\"lastUsedAt\":null,"
  "\"buildInfo\":{\"dockerfileContent\":\"FROM x\",\"snapshotRef\":\"s\"},\"regionIds\":[\"us\"],"
  "\"initialRunnerId\":\"r\",\"ref\":\"f\",\"sandboxClass\":\"container\",\"sourceSandboxId\":null}";

static const char local_file[] = "ctx"; /* in the working folder */

static const daytona_snapshot_create_opts_t plain = {.image_name = "debian:12.9"};

/* --- reading ----------------------------------------------------------------------------------- */

static void check_full(const daytona_snapshot_t *snapshot) {
  assert_string_equal(snapshot->name, "a/b:1");
  assert_true(snapshot->is_general && snapshot->size_gb.is_set);
  assert_int_equal(snapshot->state, DAYTONA_SNAPSHOT_ACTIVE);
  assert_string_equal(snapshot->state_name, "active");
  assert_int_equal(snapshot->entrypoint.count, 2);
  assert_true(snapshot->memory_gib == 2);
  assert_null(snapshot->error_reason);
  assert_string_equal(snapshot->dockerfile, "FROM x");
  assert_string_equal(snapshot->snapshot_ref, "s");
  assert_string_equal(snapshot->regions.items[0], "us");
}

static void get_knows_all_members(void **state) {
  (void)state;
  api_scene_t scene;
  api_scene_open(&scene);
  api_answer(&scene, "GET /api/snapshots/a%2Fb%3A1", 200, full);
  daytona_future_t *future = api_must(daytona_snapshot_get(scene.client, "a/b:1", NULL));
  check_full(daytona_future_snapshot(future));
  assert_wrong_accessor(daytona_future_snapshot_page(future));
  daytona_future_release(future);
  api_scene_close(&scene);
}

static void list_asks_for_a_page(void **state) {
  (void)state;
  const daytona_snapshot_list_opts_t opts = {.page = daytona_int(2),
                                             .limit = daytona_int(7),
                                             .name = "py",
                                             .source_sandbox_id = "sb",
                                             .sort = "name",
                                             .order = "asc"};
  char page[2048];
  api_scene_t scene;
  api_scene_open(&scene);
  snprintf(page, sizeof page,
           "{\"items\":[%s,{\"id\":\"x\",\"state\":\"melting\"}],\"total\":9,\"page\":2,\"totalPages\":2}",
           full);
  api_answer(&scene, "GET /api/snapshots", 200, page);
  daytona_future_t *future = api_must(daytona_snapshot_list(scene.client, &opts));
  const daytona_snapshot_page_t *list = daytona_future_snapshot_page(future);
  assert_int_equal(list->count, 2);
  assert_int_equal(list->total, 9);
  assert_int_equal(list->total_pages, 2);
  check_full(list->items[0]);
  assert_int_equal(list->items[1]->state, DAYTONA_SNAPSHOT_UNKNOWN);
  assert_string_equal(list->items[1]->state_name, "melting");
  daytona_future_release(future);
  assert_string_equal(api_line_of(scene.requests[0]),
                      "GET /api/snapshots?page=2&limit=7&name=py&sourceSandboxId=sb&sort=name&order=asc");
  api_scene_close(&scene);
}

static void iteration_walks_over_all_pages(void **state) {
  (void)state;
  char page[2048];
  daytona_snapshot_iter_t *iter;
  const daytona_snapshot_list_opts_t named = {.name = "p"}, paged = {.page = daytona_int(2)};
  api_scene_t scene;
  api_scene_open(&scene);
  snprintf(page, sizeof page, "{\"items\":[%s],\"total\":2,\"page\":1,\"totalPages\":2}", full);
  api_answer(&scene, "GET /api/snapshots", 200, page);
  api_answer(&scene, "GET /api/snapshots", 200, page);
  assert_int_equal(daytona_snapshot_iter_new(scene.client, &paged, &iter), DAYTONA_EINVAL);
  assert_int_equal(daytona_snapshot_iter_new(scene.client, &named, &iter), 0);
  for (int i = 0; i < 2; i++) {
    daytona_future_t *future = api_must(daytona_snapshot_iter_next(iter));
    check_full(daytona_future_snapshot(future));
    daytona_future_release(future);
  }
  daytona_future_t *future = api_must(daytona_snapshot_iter_next(iter));
  assert_true(daytona_future_is_absent(future));
  daytona_future_release(future);
  daytona_snapshot_iter_release(iter);
  assert_string_equal(api_line_of(scene.requests[1]), "GET /api/snapshots?page=2&name=p");
  api_scene_close(&scene);
}

/* --- create ------------------------------------------------------------------------------------ */

static void create_sends_what_is_set_and_waits(void **state) {
  (void)state;
  static const char *const words[] = {"sleep", "9"}, *const models[] = {"H100"};
  const daytona_snapshot_create_opts_t opts = {.image_name = "debian:12.9",
                                               .entrypoint = {words, 2},
                                               .resources = {.cpu = daytona_int(2),
                                                             .memory_gib = daytona_int(4),
                                                             .disk_gib = daytona_int(8),
                                                             .gpu = daytona_int(1),
                                                             .gpu_types = {models, 1}},
                                               .region = "eu",
                                               .sandbox_class = "container"};
  api_scene_t scene;
  api_scene_open(&scene);
  api_answer(&scene, POST, 200, SNAPSHOT("pending"));
  api_answer(&scene, POLL, 200, SNAPSHOT("pulling"));
  api_answer(&scene, POLL, 200, SNAPSHOT("active"));
  daytona_future_t *future = daytona_snapshot_create(scene.client, "base", &opts);
  api_hurry(&scene, future, 100);
  assert_int_equal(daytona_future_snapshot(future)->state, DAYTONA_SNAPSHOT_ACTIVE);
  assert_same_json(
    api_body_of(api_request(&scene, POST, 0)),
    "{\"name\":\"base\",\"imageName\":\"debian:12.9\",\"entrypoint\":[\"sleep\",\"9\"],\"cpu\":2,"
    "\"memory\":4,\"disk\":8,\"gpu\":1,\"gpuType\":[\"H100\"],\"regionId\":\"eu\","
    "\"sandboxClass\":\"container\"}");
  daytona_future_release(future);
  api_scene_close(&scene);
}

static void failed_snapshot_says_why(void **state) {
  (void)state;
  api_scene_t scene;
  api_scene_open(&scene);
  api_answer(&scene, POST, 200, SNAPSHOT("pending"));
  api_answer(&scene, POLL, 200, "{\"id\":\"sn-1\",\"state\":\"error\",\"errorReason\":\"no such image\"}");
  daytona_future_t *future = daytona_snapshot_create(scene.client, "base", &plain);
  api_hurry(&scene, future, 100);
  assert_int_equal(daytona_future_error(future)->code, DAYTONA_ESNAPSHOT_FAILED);
  api_says(future, "Failed to create snapshot: snapshot base is in state error: no such image");
  daytona_future_release(future);
  api_scene_close(&scene);
}

static void limit_names_the_snapshot_and_its_state(void **state) {
  (void)state;
  daytona_snapshot_create_opts_t opts = plain;
  opts.timeout_ms = 5000;
  api_scene_t scene;
  api_scene_open(&scene);
  api_answer(&scene, POST, 200, SNAPSHOT("pulling"));
  api_answer(&scene, POLL, 200, SNAPSHOT("pulling"));
  daytona_future_t *future = daytona_snapshot_create(scene.client, "base", &opts);
  int64_t passed = api_hurry(&scene, future, 100);
  assert_true(passed >= 4900 && passed <= 5300);
  assert_int_equal(daytona_future_error(future)->code, DAYTONA_EDEADLINE);
  api_says(future, "snapshot base, last state: pulling");
  daytona_future_release(future);
  api_scene_close(&scene);
}

static void bad_arguments_do_not_leave_the_client(void **state) {
  (void)state;
  daytona_snapshot_create_opts_t opts = plain;
  api_scene_t scene;
  api_scene_open(&scene);
  api_fails(daytona_snapshot_create(scene.client, "x", NULL), DAYTONA_EINVAL);
  api_fails(daytona_snapshot_create(scene.client, "", &plain), DAYTONA_EINVAL);
  opts.resources.cpu = daytona_int(0);
  daytona_future_t *future = api_must_fail(daytona_snapshot_create(scene.client, "x", &opts), DAYTONA_EINVAL);
  api_says(future, "resources.cpu");
  daytona_future_release(future);
  opts = plain;
  opts.resources.reserved[3] = 1;
  api_fails(daytona_snapshot_create(scene.client, "x", &opts), DAYTONA_EINVAL);
  api_fails(daytona_snapshot_get(scene.client, "", NULL), DAYTONA_EINVAL);
  api_fails(daytona_snapshot_delete(scene.client, NULL, NULL), DAYTONA_EINVAL);
  api_fails(daytona_snapshot_activate(scene.client, "", NULL), DAYTONA_EINVAL);
  assert_int_equal(scene.request_count, 0);
  api_scene_close(&scene);
}

/* --- the log of a build -------------------------------------------------------------------------- */

typedef struct seen {
  char states[256], text[512];
  size_t size, events;
  daytona_future_t *to_cancel; /* at the first text */
  int destroyed;
} seen_t;

static void on_build(const daytona_build_event_t *event, void *user) {
  seen_t *seen = user;
  seen->events++;
  if (event->text == NULL) {
    strcat(strcat(seen->states, event->state_name), " ");
    return;
  }
  assert_int_equal(event->offset, seen->size);
  assert_true(seen->size + event->size < sizeof seen->text);
  memcpy(seen->text + seen->size, event->text, event->size);
  seen->size += event->size;
  if (seen->to_cancel != NULL) daytona_future_cancel(seen->to_cancel);
}

static void on_destroy(void *user) { ((seen_t *)user)->destroyed++; }

/* Builds "base" with a log at LOG; the answers of POLL and LOG are the test's. */
static void open_build(api_scene_t *scene) {
  char url[256];
  api_scene_open(scene);
  snprintf(url, sizeof url, "{\"url\":\"%s\"}", peer_url(&scene->peer, "/log"));
  api_answer(scene, POST, 200, SNAPSHOT("pending"));
  api_answer(scene, LOG_URL, 200, url);
}

/* The image may go at once. */
static daytona_future_t *begin_build(api_scene_t *scene, seen_t *seen) {
  daytona_image_t *image = daytona_image_base("x:1");
  const daytona_snapshot_create_opts_t opts = {
    .image = image, .on_build = on_build, .user = seen, .destroy_user = on_destroy};
  *seen = (seen_t){.states = ""};
  daytona_future_t *future = daytona_snapshot_create(scene->client, "base", &opts);
  daytona_image_release(image);
  return future;
}

/* Turn until it has settled; time passes only when nothing is in flight and no file is looked at. */
static void finish_build(api_scene_t *scene, daytona_future_t *future) {
  api_until_requests(scene, 1);
  api_hurry(scene, future, 100);
}

static void assert_text(const seen_t *seen, const char *text) {
  assert_int_equal(seen->size, strlen(text));
  assert_memory_equal(seen->text, text, seen->size);
}

static void states_are_reported_once_each(void **state) {
  (void)state;
  seen_t seen;
  api_scene_t scene;
  daytona_snapshot_create_opts_t opts = {
    .image_name = "x:1", .on_build = on_build, .user = &seen, .destroy_user = on_destroy};
  seen = (seen_t){.states = ""};
  open_build(&scene);
  api_answer(&scene, POLL, 200, SNAPSHOT("pulling"));
  api_answer(&scene, POLL, 200, SNAPSHOT("pulling"));
  api_answer(&scene, POLL, 200, SNAPSHOT("active"));
  daytona_future_t *future = daytona_snapshot_create(scene.client, "base", &opts);
  api_hurry(&scene, future, 100);
  assert_string_equal(seen.states, "pending pulling active ");
  assert_int_equal(api_count(&scene, LOG_URL), 0); /* pulled images have no log */
  daytona_future_release(future);
  api_scene_close(&scene);
  assert_int_equal(seen.destroyed, 1);
}

static void build_sends_its_dockerfile(void **state) {
  (void)state;
  static const char *const words[] = {"sleep", "9"};
  api_scene_t scene;
  open_build(&scene);
  daytona_image_t *image = daytona_image_base("debian:12.9");
  const daytona_snapshot_create_opts_t opts = {.image = image, .entrypoint = {words, 2}};
  const daytona_snapshot_create_opts_t both = {.image = image, .image_name = "x:1"};
  api_answer(&scene, POLL, 200, SNAPSHOT("active"));
  api_fails(daytona_snapshot_create(scene.client, "base", &both), DAYTONA_EINVAL);
  daytona_future_t *future = daytona_snapshot_create(scene.client, "base", &opts);
  finish_build(&scene, future);
  assert_null(daytona_future_error(future));
  assert_same_json(api_body_of(api_request(&scene, POST, 0)),
                   "{\"name\":\"base\",\"buildInfo\":{\"dockerfileContent\":\"FROM debian:12.9\\nENTRYPOINT "
                   "[\\\"sleep\\\", \\\"9\\\"]\\n\",\"contextHashes\":[]}}");
  assert_string_equal(daytona_image_dockerfile(image), "FROM debian:12.9\n");
  daytona_future_release(future);
  daytona_image_release(image);
  api_scene_close(&scene);
}

/* --- contexts ---------------------------------------------------------------------------------- */

#define ACCESS "GET /api/object-storage/push-access"
#define BUCKET "/bucket/org/"

/* A storage on the peer, in which the file is there already if `is_there`. */
static void answer_storage(api_scene_t *scene, const char *hash, bool is_there) {
  char access[512], line[128];
  snprintf(access, sizeof access,
           "{\"accessKey\":\"a\",\"secret\":\"s\",\"sessionToken\":\"t\",\"storageUrl\":\"%s\","
           "\"organizationId\":\"org\",\"bucket\":\"bucket\",\"region\":\"us-east-1\"}",
           peer_url(&scene->peer, ""));
  api_answer(scene, ACCESS, 200, access);
  snprintf(line, sizeof line, "HEAD " BUCKET "%s/context.tar", hash);
  api_answer(scene, line, is_there ? 200 : 404, "");
  snprintf(line, sizeof line, "PUT " BUCKET "%s/context.tar", hash);
  api_answer(scene, line, 200, "");
}

/* MD5 of "ctx" and "hello", as the official SDK has it. */
static const char hash[] = "798199b3528a5e597e0df126d10e0eff";

static daytona_image_t *image_with_file(void) {
  daytona_image_t *image = daytona_image_base("x:1");
  return daytona_image_add_local_file(image, local_file, "/data/");
}

static void contexts_are_uploaded_before_the_request(void **state) {
  (void)state;
  for (int is_there = 0; is_there < 2; is_there++) {
    char line[128], body[512];
    api_scene_t scene;
    open_build(&scene);
    answer_storage(&scene, hash, is_there);
    api_answer(&scene, POLL, 200, SNAPSHOT("active"));
    daytona_image_t *image = image_with_file();
    const daytona_snapshot_create_opts_t opts = {.image = image};
    daytona_future_t *future = daytona_snapshot_create(scene.client, "base", &opts);
    finish_build(&scene, future);
    if (daytona_future_error(future) != NULL) fail_msg("%s", daytona_future_message(future));
    snprintf(line, sizeof line, "PUT " BUCKET "%s/context.tar", hash);
    assert_int_equal(api_count(&scene, line), !is_there);
    snprintf(body, sizeof body,
             "{\"name\":\"base\",\"buildInfo\":{\"dockerfileContent\":\"FROM x:1\\nCOPY [\\\"%s\\\", "
             "\\\"/data/ctx\\\"]\\n\",\"contextHashes\":[\"%s\"]}}",
             local_file, hash);
    assert_same_json(api_body_of(api_request(&scene, POST, 0)), body);
    daytona_future_release(future);
    future = api_must(daytona_snapshot_process_image_context(scene.client, image, NULL));
    assert_int_equal(daytona_future_strings(future)->count, 1);
    assert_string_equal(daytona_future_strings(future)->items[0], hash);
    daytona_future_release(future);
    daytona_image_release(image);
    api_scene_close(&scene);
  }
}

static void refused_upload_ends_create(void **state) {
  (void)state;
  api_scene_t scene;
  open_build(&scene);
  api_answer(&scene, ACCESS, 503, "{\"message\":\"no storage\"}");
  daytona_image_t *image = image_with_file();
  const daytona_snapshot_create_opts_t opts = {.image = image};
  daytona_future_t *future =
    api_must_fail(daytona_snapshot_create(scene.client, "base", &opts), DAYTONA_EUNAVAILABLE);
  api_says(future, "no storage");
  daytona_future_release(future);
  assert_int_equal(api_count(&scene, POST), 0);
  const daytona_call_opts_t reserved = {.reserved = {[7] = 1}};
  api_fails(daytona_snapshot_process_image_context(scene.client, NULL, NULL), DAYTONA_EINVAL);
  api_fails(daytona_snapshot_process_image_context(scene.client, image, &reserved), DAYTONA_EINVAL);
  daytona_image_release(image);
  api_scene_close(&scene);
}

static void broken_image_ends_create_before_any_request(void **state) {
  (void)state;
  api_scene_t scene;
  open_build(&scene);
  daytona_image_t *image = daytona_image_base("");
  const daytona_snapshot_create_opts_t opts = {.image = image};
  daytona_future_t *future =
    api_must_fail(daytona_snapshot_create(scene.client, "base", &opts), DAYTONA_EINVAL);
  api_says(future, "Failed to create snapshot: ");
  daytona_future_release(future);
  assert_int_equal(scene.request_count, 0);
  daytona_image_release(image);
  api_scene_close(&scene);
}

#define TEXT(text) "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" text
#define CUT(text) "HTTP/1.1 200 OK\r\nContent-Length: 9999\r\nConnection: close\r\n\r\n" text

static void log_is_followed_while_it_builds(void **state) {
  (void)state;
  seen_t seen;
  api_scene_t scene;
  open_build(&scene);
  api_answer(&scene, POLL, 200, SNAPSHOT("building"));
  api_answer(&scene, POLL, 200, SNAPSHOT("active"));
  api_answer(&scene, LOG, 0, TEXT("STEP 1\nSTEP 2: \xe2\x82\xac\xff\n"));
  daytona_future_t *future = begin_build(&scene, &seen);
  finish_build(&scene, future);
  assert_null(daytona_future_error(future));
  assert_string_equal(seen.states, "pending building active ");
  assert_text(&seen, "STEP 1\nSTEP 2: \xe2\x82\xac\xef\xbf\xbd\n");
  assert_true(api_has_header(api_request(&scene, LOG, 0), "Authorization", NULL));
  assert_string_equal(api_line_of(api_request(&scene, LOG, 0)), "GET /log?follow=true");
  daytona_future_release(future);
  api_scene_close(&scene);
  assert_int_equal(seen.destroyed, 1);
}

/* Each connection reads the log from its beginning; what was delivered is not delivered again. */
static void cut_log_goes_on_where_it_was_cut(void **state) {
  (void)state;
  static const char whole[] = "STEP 1: \xe2\x82\xac\nSTEP 2\n";
  for (size_t cut = 0; cut <= sizeof whole - 1; cut++) {
    char first[256];
    seen_t seen;
    api_scene_t scene;
    open_build(&scene);
    snprintf(first, sizeof first, CUT("%.*s"), (int)cut, whole);
    api_answer(&scene, POLL, 200, SNAPSHOT("building"));
    for (int i = 0; i < 12; i++) api_answer(&scene, POLL, 200, SNAPSHOT("building"));
    api_answer(&scene, POLL, 200, SNAPSHOT("active"));
    api_answer(&scene, LOG, 0, first);
    api_answer(&scene, LOG, 0, TEXT("STEP 1: \xe2\x82\xac\nSTEP 2\n"));
    daytona_future_t *future = begin_build(&scene, &seen);
    finish_build(&scene, future);
    assert_null(daytona_future_error(future));
    assert_text(&seen, whole);
    assert_true(api_count(&scene, LOG) >= 2);
    daytona_future_release(future);
    api_scene_close(&scene);
  }
}

/* A build that fails keeps its log open on real servers: silence is the end. */
static void failed_build_delivers_its_log_first(void **state) {
  (void)state;
  seen_t seen;
  api_scene_t scene;
  open_build(&scene);
  api_answer(&scene, POLL, 200, SNAPSHOT("building"));
  api_answer(&scene, POLL, 200, "{\"id\":\"sn-1\",\"state\":\"build_failed\",\"errorReason\":\"exit 1\"}");
  api_answer(&scene, LOG, 0, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nboom!\n\r\n");
  daytona_future_t *future = begin_build(&scene, &seen);
  finish_build(&scene, future);
  assert_int_equal(daytona_future_error(future)->code, DAYTONA_ESNAPSHOT_FAILED);
  api_says(future, "exit 1");
  assert_text(&seen, "boom!\n");
  assert_string_equal(seen.states, "pending building build_failed ");
  daytona_future_release(future);
  api_scene_close(&scene);
}

static void log_that_cannot_be_read_fails_nothing(void **state) {
  (void)state;
  static const struct {
    const char *line;
    int status;
    const char *body;
  } rows[] = {{LOG_URL, 404, "{\"message\":\"no\"}"},
              {LOG_URL, 500, ""},
              {LOG_URL, 200, "{\"url\":\"ftp://x\"}"},
              {LOG_URL, 200, "{\"url\":7}"},
              {LOG, 404, "no"},
              {LOG, 403, "no"},
              {LOG, 500, ""},
              {LOG, 0, api_break},
              {LOG, 0, "HTTP/1.1 200 OK\r\n\r\n"},
              {LOG_URL, 0, api_break}};
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    seen_t seen;
    api_scene_t scene;
    open_build(&scene);
    if (strcmp(rows[i].line, LOG_URL) == 0) api_forget(&scene, LOG_URL);
    api_answer(&scene, rows[i].line, rows[i].status, rows[i].body);
    for (int k = 0; k < 14; k++) api_answer(&scene, POLL, 200, SNAPSHOT("building"));
    api_answer(&scene, POLL, 200, SNAPSHOT("active"));
    daytona_future_t *future = begin_build(&scene, &seen);
    finish_build(&scene, future);
    assert_null(daytona_future_error(future));
    assert_int_equal(daytona_future_snapshot(future)->state, DAYTONA_SNAPSHOT_ACTIVE);
    daytona_future_release(future);
    api_scene_close(&scene);
  }
}

static void callback_may_cancel(void **state) {
  (void)state;
  seen_t seen;
  api_scene_t scene;
  open_build(&scene);
  api_answer(&scene, POLL, 200, SNAPSHOT("building"));
  api_answer(&scene, LOG, 0, CUT("one\ntwo\n"));
  daytona_future_t *future = begin_build(&scene, &seen);
  seen.to_cancel = future;
  finish_build(&scene, future);
  assert_int_equal(daytona_future_error(future)->code, DAYTONA_ECANCELED);
  assert_true(seen.size > 0);
  daytona_future_release(future);
  api_scene_close(&scene);
  assert_int_equal(seen.destroyed, 1);
}

/* The limit passes while only the log is waited for: the snapshot is there. */
static void limit_does_not_lose_what_was_built(void **state) {
  (void)state;
  seen_t seen = {.states = ""};
  api_scene_t scene;
  open_build(&scene);
  daytona_image_t *image = daytona_image_base("x:1");
  const daytona_snapshot_create_opts_t opts = {
    .image = image, .on_build = on_build, .user = &seen, .timeout_ms = 2000};
  api_answer(&scene, POLL, 200, SNAPSHOT("building"));
  api_answer(&scene, POLL, 200, SNAPSHOT("active"));
  api_answer(&scene, LOG, 0, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nx\n\r\n");
  daytona_future_t *future = daytona_snapshot_create(scene.client, "base", &opts);
  finish_build(&scene, future);
  assert_null(daytona_future_error(future));
  assert_int_equal(daytona_future_snapshot(future)->state, DAYTONA_SNAPSHOT_ACTIVE);
  daytona_future_release(future);
  daytona_image_release(image);
  api_scene_close(&scene);
}

/* --- changes ----------------------------------------------------------------------------------- */

static void names_are_looked_up_and_ids_are_not(void **state) {
  (void)state;
  api_scene_t scene;
  api_scene_open(&scene);
  api_answer(&scene, "GET /api/snapshots/base%3A1", 200, SNAPSHOT("inactive"));
  api_answer(&scene, "DELETE /api/snapshots/sn-1", 200, "");
  api_answer(&scene, "POST /api/snapshots/sn-1/activate", 200, SNAPSHOT("pending"));
  api_answer(&scene, "DELETE /api/snapshots/" UUID, 200, "");
  api_done(daytona_snapshot_delete(scene.client, "base:1", NULL));
  daytona_future_t *future = api_must(daytona_snapshot_activate(scene.client, "base:1", NULL));
  assert_int_equal(daytona_future_snapshot(future)->state, DAYTONA_SNAPSHOT_PENDING);
  daytona_future_release(future);
  assert_int_equal(scene.request_count, 4);
  api_done(daytona_snapshot_delete(scene.client, UUID, NULL));
  assert_int_equal(scene.request_count, 5);
  api_scene_close(&scene);
}

static void a_name_that_looks_like_an_id_is_found(void **state) {
  (void)state;
  api_scene_t scene;
  api_scene_open(&scene);
  api_answer(&scene, "DELETE /api/snapshots/" UUID, 404, "{\"message\":\"no\"}");
  api_answer(&scene, "GET /api/snapshots/" UUID, 200, SNAPSHOT("active"));
  api_answer(&scene, "DELETE /api/snapshots/sn-1", 200, "");
  api_done(daytona_snapshot_delete(scene.client, UUID, NULL));
  assert_int_equal(scene.request_count, 3);
  api_forget(&scene, "DELETE /api/snapshots/sn-1");
  api_answer(&scene, "DELETE /api/snapshots/sn-1", 404, "{\"message\":\"gone\"}");
  daytona_future_t *future =
    api_must_fail(daytona_snapshot_delete(scene.client, UUID, NULL), DAYTONA_ENOTFOUND);
  api_says(future, "Failed to delete snapshot: gone");
  daytona_future_release(future);
  assert_int_equal(scene.request_count, 6); /* looked up once */
  api_scene_close(&scene);
}

static char folder[] = "/tmp/daytona-snapshot-XXXXXX";

static int make_file(void **state) {
  (void)state;
  if (mkdtemp(folder) == NULL || chdir(folder) != 0) return -1;
  FILE *file = fopen(local_file, "w");
  return file != NULL && fputs("hello", file) >= 0 && fclose(file) == 0 ? 0 : -1;
}

static int remove_file(void **state) {
  (void)state;
  return unlink(local_file) == 0 && rmdir(folder) == 0 ? 0 : -1;
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(get_knows_all_members),
    cmocka_unit_test(list_asks_for_a_page),
    cmocka_unit_test(iteration_walks_over_all_pages),
    cmocka_unit_test(create_sends_what_is_set_and_waits),
    cmocka_unit_test(failed_snapshot_says_why),
    cmocka_unit_test(limit_names_the_snapshot_and_its_state),
    cmocka_unit_test(bad_arguments_do_not_leave_the_client),
    cmocka_unit_test(states_are_reported_once_each),
    cmocka_unit_test(build_sends_its_dockerfile),
    cmocka_unit_test(contexts_are_uploaded_before_the_request),
    cmocka_unit_test(refused_upload_ends_create),
    cmocka_unit_test(broken_image_ends_create_before_any_request),
    cmocka_unit_test(log_is_followed_while_it_builds),
    cmocka_unit_test(cut_log_goes_on_where_it_was_cut),
    cmocka_unit_test(failed_build_delivers_its_log_first),
    cmocka_unit_test(log_that_cannot_be_read_fails_nothing),
    cmocka_unit_test(callback_may_cancel),
    cmocka_unit_test(limit_does_not_lose_what_was_built),
    cmocka_unit_test(names_are_looked_up_and_ids_are_not),
    cmocka_unit_test(a_name_that_looks_like_an_id_is_found),
  };
  signal(SIGPIPE, SIG_IGN); /* the peer writes to clients that have gone */
  return cmocka_run_group_tests(tests, make_file, remove_file);
}
