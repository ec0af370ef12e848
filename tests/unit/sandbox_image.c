/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sandboxes from images: what create sends, the log of the build, and how the server loses one that waits.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/api_scene.h"
#include "support/check.h"
#include "support/same_json.h"

#define POST "POST /api/sandbox"
#define POLL "GET /api/sandbox/sb-1"
#define LOG_URL "GET /api/sandbox/sb-1/build-logs-url"
#define LOG "GET /log"

/* What create sends whatever is asked for, and `extra`. */
static const char *body_with(const char *extra) {
  static char text[1024];
  snprintf(text, sizeof text,
           "{\"name\":\"n\",\"env\":{},\"labels\":{\"code-toolbox-language\":\"python\"},\"volumes\":[]%s}",
           extra);
  return text;
}

static void answer_states(api_scene_t *scene, const char *const *states) {
  api_answer(scene, POST, 200, api_sandbox_json(scene, "sb-1", states[0], ""));
  for (size_t i = 1; states[i] != NULL; i++)
    api_answer(scene, POLL, 200, api_sandbox_json(scene, "sb-1", states[i], ""));
}

static void finish(api_scene_t *scene, daytona_future_t *future) {
  api_until_requests(scene, 1);
  api_hurry(scene, future, 100);
}

static void name_of_an_image_is_a_build_without_contexts(void **state) {
  (void)state;
  static const char *const states[] = {"pending_build", "building_snapshot", "started", NULL};
  static const char *const models[] = {"H100", "H200"};
  const daytona_sandbox_create_opts_t opts = {.name = "n",
                                              .image_name = "debian:12.9",
                                              .resources = {.cpu = daytona_int(2),
                                                            .memory_gib = daytona_int(4),
                                                            .disk_gib = daytona_int(8),
                                                            .gpu = daytona_int(1),
                                                            .gpu_types = {models, 2}},
                                              .has_kvm = daytona_bool(true),
                                              .queue_timeout_minutes = daytona_int(3),
                                              .target = "eu"};
  api_scene_t scene;
  api_scene_open(&scene);
  answer_states(&scene, states);
  daytona_future_t *future = daytona_sandbox_create(scene.client, &opts);
  finish(&scene, future);
  assert_null(daytona_future_error(future));
  assert_same_json(
    api_body_of(api_request(&scene, POST, 0)),
    body_with(",\"buildInfo\":{\"dockerfileContent\":\"FROM debian:12.9\\n\"},\"cpu\":2,\"memory\":4,"
              "\"disk\":8,\"gpu\":1,\"gpuType\":[\"H100\",\"H200\"],\"kvm\":true,\"queueTimeout\":3,"
              "\"target\":\"eu\""));
  assert_int_equal(api_count(&scene, LOG_URL), 0); /* nobody listens */
  daytona_future_release(future);
  api_scene_close(&scene);
}

static void image_sends_its_dockerfile(void **state) {
  (void)state;
  static const char *const states[] = {"started", NULL};
  static const char *const commands[] = {"echo \"hi\""};
  api_scene_t scene;
  api_scene_open(&scene);
  answer_states(&scene, states);
  daytona_image_t *image = daytona_image_base("x:1");
  daytona_image_run_commands(image, &(daytona_strings_t){commands, 1});
  const daytona_sandbox_create_opts_t opts = {.name = "n", .image = image};
  daytona_future_t *future = daytona_sandbox_create(scene.client, &opts);
  daytona_image_release(image);
  finish(&scene, future);
  assert_null(daytona_future_error(future));
  assert_same_json(api_body_of(api_request(&scene, POST, 0)),
                   body_with(",\"buildInfo\":{\"dockerfileContent\":\"FROM x:1\\nRUN echo \\\"hi\\\"\\n\","
                             "\"contextHashes\":[]}"));
  daytona_future_release(future);
  api_scene_close(&scene);
}

static void what_excludes_each_other_is_refused(void **state) {
  (void)state;
  api_scene_t scene;
  api_scene_open(&scene);
  daytona_image_t *image = daytona_image_base("x:1");
  const daytona_sandbox_create_opts_t bad[] = {{.image_name = "x:1", .snapshot = "s"},
                                               {.image = image, .snapshot = "s"},
                                               {.image = image, .image_name = "x:1"},
                                               {.resources = {.cpu = daytona_int(1)}},
                                               {.snapshot = "s", .resources = {.gpu = daytona_int(0)}},
                                               {.image_name = "x:1", .resources = {.cpu = daytona_int(0)}},
                                               {.image_name = "x:1", .resources = {.reserved = {1}}},
                                               {.image_name = "x\xff"},
                                               {.queue_timeout_minutes = daytona_int(0)}};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
    api_fails(daytona_sandbox_create(scene.client, &bad[i]), DAYTONA_EINVAL);
  assert_int_equal(scene.request_count, 0);
  daytona_image_release(image);
  api_scene_close(&scene);
}

static void broken_image_sends_nothing(void **state) {
  (void)state;
  api_scene_t scene;
  api_scene_open(&scene);
  daytona_image_t *image = daytona_image_from_dockerfile("/nonexistent/Dockerfile", NULL);
  const daytona_sandbox_create_opts_t opts = {.image = image};
  daytona_future_t *future = api_must_fail(daytona_sandbox_create(scene.client, &opts), DAYTONA_ENOTFOUND);
  api_says(future, "Failed to create sandbox: ");
  daytona_future_release(future);
  daytona_image_release(image);
  assert_int_equal(scene.request_count, 0);
  api_scene_close(&scene);
}

/* A server would take it for no image at all, and make a sandbox from the default snapshot. */
static void empty_dockerfile_sends_nothing(void **state) {
  (void)state;
  static const char *const texts[] = {"", " \n\t\r\n"};
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    char path[] = "/tmp/daytona-dockerfile-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, texts[i], strlen(texts[i])) == (ssize_t)strlen(texts[i]));
    close(fd);
    api_scene_t scene;
    api_scene_open(&scene);
    daytona_image_t *image = daytona_image_from_dockerfile(path, NULL);
    const daytona_sandbox_create_opts_t opts = {.image = image};
    daytona_future_t *future = api_must_fail(daytona_sandbox_create(scene.client, &opts), DAYTONA_EINVAL);
    api_says(future, "Failed to create sandbox: the Dockerfile of the image is empty");
    daytona_future_release(future);
    daytona_image_release(image);
    assert_int_equal(scene.request_count, 0);
    api_scene_close(&scene);
    unlink(path);
  }
}

/* --- the log ----------------------------------------------------------------------------------- */

typedef struct seen {
  char states[256], text[256];
  size_t size;
} seen_t;

static void on_build(const daytona_build_event_t *event, void *user) {
  seen_t *seen = user;
  if (event->text == NULL) {
    strcat(strcat(seen->states, event->state_name), " ");
    return;
  }
  assert_true(seen->size + event->size < sizeof seen->text);
  memcpy(seen->text + seen->size, event->text, event->size);
  seen->size += event->size;
}

static void answer_log(api_scene_t *scene, const char *text) {
  char url[256];
  snprintf(url, sizeof url, "{\"url\":\"%s\"}", peer_url(&scene->peer, "/log"));
  api_answer(scene, LOG_URL, 200, url);
  api_answer(scene, LOG, 0, text);
}

static void log_is_followed_until_it_is_started(void **state) {
  (void)state;
  static const char *const states[] = {"pending_build", "pending_build", "building_snapshot",
                                       "starting",      "started",       NULL};
  seen_t seen = {.states = ""};
  const daytona_sandbox_create_opts_t opts = {
    .name = "n", .image_name = "x:1", .on_build = on_build, .user = &seen};
  api_scene_t scene;
  api_scene_open(&scene);
  answer_states(&scene, states);
  answer_log(&scene, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nSTEP 1\n");
  daytona_future_t *future = daytona_sandbox_create(scene.client, &opts);
  finish(&scene, future);
  assert_null(daytona_future_error(future));
  assert_string_equal(seen.states, "pending_build building_snapshot starting started ");
  assert_string_equal(seen.text, "STEP 1\n");
  daytona_future_release(future);
  api_scene_close(&scene);
}

/* Its image was built before: the server has the log of that build, which is not one of this call. */
static void log_of_an_older_build_is_not_delivered(void **state) {
  (void)state;
  static const char *const states[] = {"creating", "starting", "started", NULL};
  seen_t seen = {0};
  const daytona_sandbox_create_opts_t opts = {
    .name = "n", .image_name = "x:1", .on_build = on_build, .user = &seen};
  api_scene_t scene;
  api_scene_open(&scene);
  answer_states(&scene, states);
  daytona_future_t *future = daytona_sandbox_create(scene.client, &opts);
  finish(&scene, future);
  assert_null(daytona_future_error(future));
  assert_string_equal(seen.states, "creating starting started ");
  assert_int_equal(api_count(&scene, LOG_URL), 0);
  daytona_future_release(future);
  api_scene_close(&scene);
}

static void failed_build_says_why_after_its_log(void **state) {
  (void)state;
  static const char *const states[] = {"pending_build", "building_snapshot", NULL};
  seen_t seen = {.states = ""};
  const daytona_sandbox_create_opts_t opts = {
    .name = "n", .image_name = "x:1", .on_build = on_build, .user = &seen};
  api_scene_t scene;
  api_scene_open(&scene);
  answer_states(&scene, states);
  api_answer(&scene, POLL, 200,
             api_sandbox_json(&scene, "sb-1", "build_failed", ",\"errorReason\":\"step 2: exit status 1\""));
  answer_log(&scene, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nboom\n");
  daytona_future_t *future = daytona_sandbox_create(scene.client, &opts);
  finish(&scene, future);
  assert_int_equal(daytona_future_error(future)->code, DAYTONA_ESANDBOX_FAILED);
  assert_string_equal(daytona_future_error(future)->sandbox, "sb-1");
  api_says(future, "step 2: exit status 1");
  assert_string_equal(seen.text, "boom\n");
  daytona_future_release(future);
  api_scene_close(&scene);
}

/* --- lost by the server -------------------------------------------------------------------------- */

static void server_says_why_it_destroyed_the_sandbox(void **state) {
  (void)state;
  static const struct {
    const char *extra;
    daytona_errcode_t code;
    const char *part;
  } rows[] = {
    {",\"queueTimeout\":3,\"queueTimedOutAt\":\"T\"", DAYTONA_EQUEUE_TIMEOUT, "within 3 minutes (until T)"},
    {",\"queueTimedOutAt\":\"T\",\"spotEvictedAt\":\"E\"", DAYTONA_EQUEUE_TIMEOUT, "until T"},
    {",\"spotEvictedAt\":\"E\"", DAYTONA_ESPOT_EVICTED, "evicted at E"}};
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    static const char *const states[] = {"pending_build", NULL};
    const daytona_sandbox_create_opts_t opts = {.name = "n"};
    api_scene_t scene;
    api_scene_open(&scene);
    answer_states(&scene, states);
    api_answer(&scene, POLL, 200, api_sandbox_json(&scene, "sb-1", "destroyed", rows[i].extra));
    daytona_future_t *future = daytona_sandbox_create(scene.client, &opts);
    finish(&scene, future);
    assert_int_equal(daytona_future_error(future)->code, rows[i].code);
    api_says(future, rows[i].part);
    daytona_future_release(future);
    api_scene_close(&scene);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(name_of_an_image_is_a_build_without_contexts),
    cmocka_unit_test(image_sends_its_dockerfile),
    cmocka_unit_test(what_excludes_each_other_is_refused),
    cmocka_unit_test(broken_image_sends_nothing),
    cmocka_unit_test(empty_dockerfile_sends_nothing),
    cmocka_unit_test(log_is_followed_until_it_is_started),
    cmocka_unit_test(log_of_an_older_build_is_not_delivered),
    cmocka_unit_test(failed_build_says_why_after_its_log),
    cmocka_unit_test(server_says_why_it_destroyed_the_sandbox),
  };
  signal(SIGPIPE, SIG_IGN); /* the peer writes to clients that have gone */
  return cmocka_run_group_tests(tests, NULL, NULL);
}
