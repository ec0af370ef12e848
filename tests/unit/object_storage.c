/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Uploads of contexts against a scripted storage that checks every signature: what is sent and what is not, what a program
 * can do meanwhile, and what it is told.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "call/storage.h"
#include "support/check.h"
#include "support/local_files.h"
#include "support/storage_scene.h"

static storage_scene_t *scene_of(void **state) { return *state; }

static const daytona_object_storage_result_t *result_of(daytona_future_t *future) {
  const daytona_object_storage_result_t *result = daytona_future_object_storage_result(future);
  assert_non_null(result);
  return result;
}

static daytona_future_t *upload_with(storage_scene_t *scene,
                                     const daytona_object_storage_upload_opts_t *opts) {
  return daytona_object_storage_upload(scene->api.client, scene->file, opts);
}

/* --- what is sent ------------------------------------------------------------------------------ */

static void a_small_context_is_one_request(void **state) {
  storage_scene_t *scene = scene_of(state);
  const daytona_object_storage_upload_opts_t opts = {.archive_path = "dir/hello.txt"};
  local_write(scene->file, "hello\n", 6);
  daytona_future_t *future = api_must(upload_with(scene, &opts));
  const daytona_object_storage_result_t *result = result_of(future);
  assert_string_equal(result->hash, "5534e515aa68d58fae17b6a7d4b02dd1"); /* the official SDK's */
  assert_string_equal(result->key, "5534e515aa68d58fae17b6a7d4b02dd1/context.tar");
  assert_false(result->was_there);
  assert_int_equal(result->sent_bytes, 2048);
  assert_int_equal(scene->s3.objects[0].blob.size, 2048);
  assert_string_equal(scene->s3.objects[0].key, "daytona/org-1/5534e515aa68d58fae17b6a7d4b02dd1/context.tar");
  assert_int_equal(scene->s3.requests, 2);
  assert_string_equal(scene->s3.log[0], "HEAD ");
  assert_string_equal(scene->s3.log[1], "PUT ");
  assert_false(scene->s3.has_unsigned); /* there is no TLS */
  strcpy(scene->s3.host, "127.0.0.1");  /* nor anybody in between */
  api_forget(&scene->api, STORAGE_ACCESS);
  api_answer(&scene->api, STORAGE_ACCESS, 200, s3_peer_access(&scene->s3));
  s3_peer_forget(&scene->s3);
  api_done(upload_with(scene, &opts));
  assert_true(scene->s3.has_unsigned);
  daytona_future_release(future);
}

static void what_is_there_is_not_sent(void **state) {
  storage_scene_t *scene = scene_of(state);
  storage_file(scene, 100);
  api_done(storage_upload(scene));
  storage_holds_file(scene);
  daytona_future_t *future = api_must(storage_upload(scene));
  assert_true(result_of(future)->was_there);
  assert_int_equal(result_of(future)->sent_bytes, 0);
  assert_int_equal(s3_peer_count(&scene->s3, "PUT"), 1);
  daytona_future_release(future);
}

static void the_archive_path_comes_from_the_path(void **state) {
  storage_scene_t *scene = scene_of(state);
  storage_file(scene, 3);
  api_done(upload_with(scene, NULL));
  assert_string_equal(scene->s3.objects[0].blob.bytes, scene->file + 1);
  char out[16] = "untouched";
  static const struct {
    const char *path, *name;
  } cases[] = {{"/a/b/", "a/b"}, {"./x", "x"}, {"a//b/../c", "a/c"}, {"../z", "../z"},
               {".", "."},       {"/", ""},    {"//a", "a"},         {"\\a", "a"}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    assert_int_equal(daytona_object_storage_parse_archive_path(cases[i].path, out, sizeof out), 0);
    assert_string_equal(out, cases[i].name);
  }
  strcpy(out, "untouched");
  assert_int_equal(daytona_object_storage_parse_archive_path("abc", out, 3), DAYTONA_ELIMIT);
  assert_int_equal(daytona_object_storage_parse_archive_path("abc", NULL, 3), DAYTONA_EINVAL);
  assert_int_equal(daytona_object_storage_parse_archive_path(NULL, out, 3), DAYTONA_EINVAL);
  assert_string_equal(out, "untouched");
  assert_int_equal(daytona_object_storage_parse_archive_path("abc", out, 4), 0);
}

static void more_than_a_part_is_a_multipart_upload(void **state) {
  storage_scene_t *scene = scene_of(state);
  for (int parts = 1; parts <= 6; parts++) {
    size_t before = scene->s3.requests;
    storage_file_of_parts(scene, parts);
    daytona_future_t *future = api_must(storage_upload(scene));
    assert_int_equal(result_of(future)->sent_bytes, parts * STORAGE_PART);
    daytona_future_release(future);
    storage_holds_file(scene);
    assert_int_equal(scene->s3.requests - before, parts == 1 ? 2 : 3 + parts);
    s3_peer_forget(&scene->s3);
  }
  assert_int_equal(scene->s3.aborts, 0);
  assert_false(scene->s3.has_unsigned);
}

static void parts_are_sent_at_the_same_time_within_bounds(void **state) {
  storage_scene_t *scene = scene_of(state);
  for (int bound = 0; bound <= 5; bound++) {
    const daytona_object_storage_upload_opts_t opts = {.archive_path = "f", .parallel_parts = bound};
    scene->s3.holds_parts = true;
    scene->s3.most_in_flight = 0;
    storage_file_of_parts(scene, 11);
    daytona_future_t *future = upload_with(scene, &opts);
    while (daytona__future_is_pending(future)) {
      api_spin(&scene->api, 50);
      api_until_no_job(&scene->api);
      s3_peer_release(&scene->s3);
    }
    assert_int_equal(scene->s3.most_in_flight, bound == 0 ? DAYTONA__STORAGE_PARALLEL_DEFAULT : bound);
    daytona_future_release(future);
    storage_holds_file(scene);
    s3_peer_forget(&scene->s3);
  }
}

static void a_folder_is_sent_as_a_tree(void **state) {
  storage_scene_t *scene = scene_of(state);
  char path[128];
  snprintf(path, sizeof path, "%s/ctx", scene->folder);
  assert_int_equal(mkdir(path, 0755), 0);
  for (int i = 0; i < 20; i++) {
    snprintf(path, sizeof path, "%s/ctx/%02d", scene->folder, i);
    local_write(path, "12345", 5);
  }
  snprintf(path, sizeof path, "%s/ctx", scene->folder);
  const daytona_object_storage_upload_opts_t opts = {.archive_path = "ctx"};
  daytona_future_t *future = api_must(daytona_object_storage_upload(scene->api.client, path, &opts));
  assert_int_equal(result_of(future)->sent_bytes, 512 * (1 + 2 * 20 + 2));
  assert_string_equal(scene->s3.objects[0].blob.bytes, "ctx/");
  assert_string_equal(scene->s3.objects[0].blob.bytes + 512, "ctx/00");
  daytona_future_release(future);
}

static void the_key_of_the_client_stays_with_the_control_plane(void **state) {
  storage_scene_t *scene = scene_of(state);
  storage_file_of_parts(scene, 2);
  api_done(storage_upload(scene)); /* the peer looks for it in each request */
  assert_true(api_has_header(api_request(&scene->api, STORAGE_ACCESS, 0), "Authorization", "Bearer key"));
  assert_int_equal(api_count(&scene->api, STORAGE_ACCESS), 1);
}

static void a_storage_may_be_below_a_path_and_in_any_region(void **state) {
  storage_scene_t *scene = scene_of(state);
  strcpy(scene->s3.path, "/base");
  strcpy(scene->s3.region, "eu-central-1");
  scene->s3.token[0] = '\0';
  api_forget(&scene->api, STORAGE_ACCESS);
  api_answer(&scene->api, STORAGE_ACCESS, 200, s3_peer_access(&scene->s3));
  storage_file_of_parts(scene, 2);
  api_done(storage_upload(scene));
  storage_holds_file(scene);
}

/* --- credentials ------------------------------------------------------------------------------- */

static void credentials_of_the_program_need_no_control_plane(void **state) {
  storage_scene_t *scene = scene_of(state);
  const char *url = peer_url(&scene->s3.peer, "/");
  const daytona_object_storage_upload_opts_t opts = {.archive_path = "f",
                                                     .credentials = {.endpoint_url = url,
                                                                     .access_key = scene->s3.access_key,
                                                                     .secret_key = scene->s3.secret,
                                                                     .session_token = scene->s3.token,
                                                                     .bucket = "daytona",
                                                                     .organization_id = "org-1"}};
  storage_file_of_parts(scene, 2);
  api_done(upload_with(scene, &opts));
  storage_holds_file(scene);
  assert_int_equal(scene->api.request_count, 0);
}

static void credentials_that_are_not_whole_are_refused(void **state) {
  storage_scene_t *scene = scene_of(state);
  const daytona_object_storage_credentials_t whole = {.endpoint_url = peer_url(&scene->s3.peer, ""),
                                                      .access_key = "a",
                                                      .secret_key = "s",
                                                      .organization_id = "o"};
  daytona_object_storage_upload_opts_t opts[] = {{.credentials = {.access_key = "a"}},
                                                 {.credentials = whole},
                                                 {.credentials = whole},
                                                 {.credentials = whole},
                                                 {.credentials = whole},
                                                 {.credentials = whole},
                                                 {.credentials = whole},
                                                 {.parallel_parts = -1},
                                                 {.parallel_parts = 17},
                                                 {.idle_timeout_ms = -5},
                                                 {.timeout_ms = -5}};
  opts[1].credentials.access_key = "";
  opts[2].credentials.secret_key = NULL;
  opts[3].credentials.organization_id = "..";
  opts[4].credentials.endpoint_url = "ftp://x";
  opts[5].credentials.session_token = "two\nlines";
  opts[6].credentials.bucket = "\xff";
  storage_file(scene, 3);
  for (size_t i = 0; i < sizeof opts / sizeof opts[0]; i++)
    api_fails(upload_with(scene, &opts[i]), DAYTONA_EINVAL);
  api_fails(daytona_object_storage_upload(scene->api.client, NULL, NULL), DAYTONA_EINVAL);
  api_fails(daytona_object_storage_upload(scene->api.client, "", NULL), DAYTONA_EINVAL);
  assert_int_equal(scene->api.request_count + scene->s3.requests, 0);
}

static void access_that_cannot_be_used_is_an_error(void **state) {
  storage_scene_t *scene = scene_of(state);
#define ACCESS(key, url, org, bucket, token)                                                         \
  "{\"accessKey\":\"" key "\",\"secret\":\"s\",\"storageUrl\":\"" url "\",\"organizationId\":\"" org \
  "\",\"bucket\":\"" bucket "\",\"sessionToken\":\"" token "\"}"
  static const char *const answers[] = {
    "{}",
    "[]",
    "{\"accessKey\":5}",
    ACCESS("", "http://h", "o", "b", ""),
    ACCESS("a", "", "o", "b", ""),
    ACCESS("a", "file:///etc/passwd", "o", "b", ""),
    ACCESS("a", "http://user:pass@h", "o", "b", ""),
    ACCESS("a", "http://h?x=y", "o", "b", ""),
    ACCESS("a", "http://h", "", "b", ""),
    ACCESS("a", "http://h", "..", "b", ""),
    ACCESS("a", "http://h", "o", "..", ""),
    ACCESS("a", "http://h", "o", "", ""),
    ACCESS("a\\r\\nX: y", "http://h", "o", "b", ""),
    ACCESS("a", "http://h", "o", "b", "t\\r\\nHost: other"),
  };
#undef ACCESS
  storage_file(scene, 3);
  for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
    api_forget(&scene->api, STORAGE_ACCESS);
    api_answer(&scene->api, STORAGE_ACCESS, 200, answers[i]);
    daytona_future_t *future = api_must_fail(storage_upload(scene), DAYTONA_EPROTOCOL);
    assert_memory_equal(daytona_future_message(future), "Failed to upload a context: ", 28);
    daytona_future_release(future);
  }
  assert_int_equal(scene->s3.requests, 0);
  api_forget(&scene->api, STORAGE_ACCESS);
  api_answer(&scene->api, STORAGE_ACCESS, 503, "{\"message\":\"Object storage is not configured\"}");
  daytona_future_t *future = api_must_fail(storage_upload(scene), DAYTONA_EUNAVAILABLE);
  assert_non_null(strstr(daytona_future_message(future), "not configured"));
  daytona_future_release(future);
}

/* --- files ------------------------------------------------------------------------------------- */

static void a_file_that_is_missing_is_named(void **state) {
  storage_scene_t *scene = scene_of(state);
  daytona_future_t *future = api_must_fail(storage_upload(scene), DAYTONA_EIO);
  assert_non_null(strstr(daytona_future_message(future), scene->file));
  assert_int_equal(daytona_future_error(future)->system_errno, 2);
  daytona_future_release(future);
  assert_int_equal(scene->s3.requests, 0);
}

static const char *changing;

static int change_file(s3_peer_t *s3, const s3_request_t *request) {
  (void)s3;
  if (strstr(request->query, "partNumber=1&") != NULL) assert_int_equal(truncate(changing, 100), 0);
  return S3_DO;
}

static void a_file_that_changes_meanwhile_is_not_stored(void **state) {
  storage_scene_t *scene = scene_of(state);
  const daytona_object_storage_upload_opts_t opts = {.archive_path = "f", .parallel_parts = 1};
  storage_file(scene, 1 << 20);
  changing = scene->file;
  scene->s3.script = change_file;
  daytona_future_t *future = api_must_fail(upload_with(scene, &opts), DAYTONA_EIO);
  assert_non_null(strstr(daytona_future_message(future), "the local file has become shorter"));
  daytona_future_release(future);
  assert_int_equal(scene->s3.object_count, 0);
  assert_int_equal(scene->s3.aborts, 1);
  assert_int_equal(s3_peer_open_uploads(&scene->s3), 0);
}

static void what_no_object_can_hold_is_refused_before(void **state) {
  storage_scene_t *scene = scene_of(state);
  daytona__storage_part_size = 2;
  storage_file(scene, 2 * DAYTONA__STORAGE_PARTS_MAX);
  api_fails(storage_upload(scene), DAYTONA_ELIMIT);
  assert_int_equal(scene->s3.requests, 0);
}

/* --- progress and pauses ----------------------------------------------------------------------- */

typedef struct seen {
  storage_scene_t *scene;
  daytona_future_t *future;
  int64_t bytes, total;
  int count, destroyed;
  enum { LOOKS, CANCELS, CLOSES } does;
} seen_t;

static void on_progress(const daytona_transfer_progress_t *progress, void *user) {
  seen_t *seen = user;
  assert_true(progress->bytes > seen->bytes);
  assert_true(progress->bytes <= progress->total);
  seen->bytes = progress->bytes;
  seen->total = progress->total;
  seen->count++;
  if (seen->does == CANCELS) daytona_future_cancel(seen->future);
  if (seen->does == CLOSES && seen->scene->api.client != NULL) api_scene_close_client(&seen->scene->api);
}

static void on_destroy(void *user) { ((seen_t *)user)->destroyed++; }

static daytona_object_storage_upload_opts_t watched(seen_t *seen) {
  return (daytona_object_storage_upload_opts_t){
    .archive_path = "f", .on_progress = on_progress, .user = seen, .destroy_user = on_destroy};
}

static void progress_counts_the_bytes_of_files(void **state) {
  storage_scene_t *scene = scene_of(state);
  for (int parts = 1; parts <= 5; parts++) {
    seen_t seen = {.scene = scene};
    const daytona_object_storage_upload_opts_t opts = watched(&seen);
    int64_t size = parts * STORAGE_PART - 1536;
    storage_file_of_parts(scene, parts);
    api_done(upload_with(scene, &opts));
    assert_int_equal(seen.bytes, size);
    assert_int_equal(seen.total, size);
    assert_true(seen.count >= 1);
    assert_int_equal(seen.destroyed, 1);
    api_done(upload_with(scene, &(daytona_object_storage_upload_opts_t){.archive_path = "f"}));
    s3_peer_forget(&scene->s3);
  }
}

static void a_progress_callback_may_do_anything(void **state) {
  storage_scene_t *scene = scene_of(state);
  seen_t seen = {.scene = scene, .does = CANCELS};
  const daytona_object_storage_upload_opts_t opts = watched(&seen);
  storage_file_of_parts(scene, 5);
  seen.future = upload_with(scene, &opts);
  api_fails(daytona_future_retain(seen.future), DAYTONA_ECANCELED);
  daytona_future_release(seen.future);
  assert_int_equal(seen.count, 1);
  storage_until_clean(scene);
  seen = (seen_t){.scene = scene, .does = CLOSES};
  seen.future = upload_with(scene, &opts);
  api_fails(daytona_future_retain(seen.future), DAYTONA_ECLOSED);
  daytona_future_release(seen.future);
  assert_int_equal(seen.count, 1);
  assert_int_equal(seen.destroyed, 1);
}

/* What is on its way arrives, and jobs end. */
static void let_it_rest(storage_scene_t *scene) {
  for (int i = 0; i < 8; i++) {
    api_until_no_job(&scene->api);
    api_spin(&scene->api, 20);
  }
}

static void a_pause_stops_at_every_moment(void **state) {
  storage_scene_t *scene = scene_of(state);
  strcpy(scene->s3.host, "127.0.0.1"); /* there is no lookup that a test could wait for */
  api_forget(&scene->api, STORAGE_ACCESS);
  api_answer(&scene->api, STORAGE_ACCESS, 200, s3_peer_access(&scene->s3));
  for (int turns = 0; turns < 60; turns++) {
    storage_file_of_parts(scene, 4);
    daytona_future_t *future = storage_upload(scene);
    api_spin(&scene->api, turns);
    if (daytona__future_is_pending(future)) {
      assert_int_equal(daytona_future_pause(future), 0);
      let_it_rest(scene);
      size_t bytes = scene->s3.peer.bytes, requests = scene->s3.requests;
      api_advance(&scene->api, 3600 * 1000); /* and does not count as idle */
      let_it_rest(scene);
      assert_int_equal(scene->s3.requests, requests);
      assert_int_equal(scene->s3.peer.bytes, bytes);
      if (daytona__future_is_pending(future)) /* what was sent whole may have been answered */
        assert_int_equal(daytona_future_resume(future), 0);
    }
    api_done(future);
    storage_holds_file(scene);
    s3_peer_forget(&scene->s3);
    scene->s3.upload_count = 0;
  }
}

/* --- time -------------------------------------------------------------------------------------- */

static int stay_silent(s3_peer_t *s3, const s3_request_t *request) {
  return request->index == (size_t)(uintptr_t)s3->user ? S3_SILENCE : S3_DO;
}

static void the_whole_has_a_limit(void **state) {
  storage_scene_t *scene = scene_of(state);
  const daytona_object_storage_upload_opts_t opts = {.archive_path = "f", .timeout_ms = 5000};
  storage_file_of_parts(scene, 3);
  scene->s3.script = stay_silent;
  for (size_t i = 0; i < 6; i++) {
    scene->s3.user = (void *)(uintptr_t)(scene->s3.requests + i);
    size_t before = scene->s3.requests;
    daytona_future_t *future = upload_with(scene, &opts);
    while (scene->s3.requests <= before + i) uv_run(&scene->api.uv, UV_RUN_ONCE);
    api_advance(&scene->api, 4900);
    api_spin(&scene->api, 5);
    assert_true(daytona__future_is_pending(future));
    api_advance(&scene->api, 200);
    api_spin(&scene->api, 5);
    assert_false(daytona__future_is_pending(future)); /* whatever is still to be aborted */
    assert_int_equal(daytona_future_code(future), DAYTONA_EDEADLINE);
    daytona_future_release(future);
    if (i != 1) storage_until_clean(scene); /* an upload whose name never came cannot be aborted */
    api_settle(&scene->api);
    api_advance(&scene->api, 20000);
    api_spin(&scene->api, 50);
    assert_int_equal(scene->s3.object_count, 0);
  }
}

static void a_silent_storage_is_tried_again_after_the_idle_limit(void **state) {
  storage_scene_t *scene = scene_of(state);
  const daytona_object_storage_upload_opts_t opts = {.archive_path = "f", .idle_timeout_ms = 7000};
  storage_file_of_parts(scene, 3);
  scene->s3.script = stay_silent;
  for (size_t i = 0; i < 6; i++) {
    scene->s3.user = (void *)(uintptr_t)(scene->s3.requests + i);
    size_t before = scene->s3.requests;
    daytona_future_t *future = upload_with(scene, &opts);
    while (scene->s3.requests <= before + i) uv_run(&scene->api.uv, UV_RUN_ONCE);
    api_spin(&scene->api, 20);
    api_advance(&scene->api, 7100);
    api_spin(&scene->api, 5);
    storage_hurry(scene, future);
    api_done(future);
    storage_holds_file(scene);
    s3_peer_forget(&scene->s3);
  }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, storage_scene_open, storage_scene_close)

int main(void) {
  const struct CMUnitTest tests[] = {
    TEST(a_small_context_is_one_request),
    TEST(what_is_there_is_not_sent),
    TEST(the_archive_path_comes_from_the_path),
    TEST(more_than_a_part_is_a_multipart_upload),
    TEST(parts_are_sent_at_the_same_time_within_bounds),
    TEST(a_folder_is_sent_as_a_tree),
    TEST(the_key_of_the_client_stays_with_the_control_plane),
    TEST(a_storage_may_be_below_a_path_and_in_any_region),
    TEST(credentials_of_the_program_need_no_control_plane),
    TEST(credentials_that_are_not_whole_are_refused),
    TEST(access_that_cannot_be_used_is_an_error),
    TEST(a_file_that_is_missing_is_named),
    TEST(a_file_that_changes_meanwhile_is_not_stored),
    TEST(what_no_object_can_hold_is_refused_before),
    TEST(progress_counts_the_bytes_of_files),
    TEST(a_progress_callback_may_do_anything),
    TEST(a_pause_stops_at_every_moment),
    TEST(the_whole_has_a_limit),
    TEST(a_silent_storage_is_tried_again_after_the_idle_limit),
  };
  return cmocka_run_group_tests_name("object_storage", tests, NULL, NULL);
}
