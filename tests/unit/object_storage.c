/*
 * Uploads of contexts against a scripted storage that checks every signature: what is sent and what is not, in one request
 * and in many, with failures of every kind at every border.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "call/storage.h"
#include "support/alloc.h"
#include "support/api_scene.h"
#include "support/check.h"
#include "support/local_files.h"
#include "support/s3_peer.h"

#define ACCESS "GET /api/object-storage/push-access"

enum { PART = 4096 };

static api_scene_t scene;
static s3_peer_t s3;
static char folder[64];

static int open_scene(void **state) {
  (void)state;
  api_scene_open(&scene);
  s3_peer_open(&s3, &scene.uv);
  api_answer(&scene, ACCESS, 200, s3_peer_access(&s3));
  strcpy(folder, "/tmp/object_storage-XXXXXX");
  daytona__storage_part_size = PART;
  return mkdtemp(folder) != NULL ? 0 : -1;
}

static int close_scene(void **state) {
  (void)state;
  if (s3.bad != 0) fail_msg("%zu requests were wrong: %s", s3.bad, s3.why);
  s3_peer_close(&s3);
  api_scene_close(&scene);
  daytona__storage_part_size = DAYTONA__STORAGE_PART_MAX;
  char command[128];
  snprintf(command, sizeof command, "rm -r %s", folder);
  return system(command);
}

/* A file of so many bytes; its tar has 1536 more, and fills whole blocks of 512. */
static const char *file(size_t size) {
  const char *path = local_path(folder, "file");
  char *bytes = local_pattern(size, (unsigned)size);
  local_write(path, bytes, size);
  free(bytes);
  return path;
}

/* A file whose tar is so many parts. */
static const char *file_of_parts(int count) { return file((size_t)count * PART - 1536); }

static const daytona_object_storage_upload_opts_t named = {.archive_path = "f"};

static const daytona_object_storage_result_t *result_of(daytona_future_t *future) {
  return daytona_future_object_storage_result(future);
}

/* The object is there, and is a tar of the file. */
static void is_stored(const char *hash) {
  char key[256];
  snprintf(key, sizeof key, "daytona/org-1/%s/context.tar", hash);
  assert_int_equal(s3.object_count, 1);
  assert_string_equal(s3.objects[0].key, key);
  const char *tar = s3.objects[0].blob.bytes;
  assert_string_equal(tar, "f");
  struct stat stat_of;
  assert_int_equal(stat(local_path(folder, "file"), &stat_of), 0);
  local_holds(local_path(folder, "file"), tar + 512, (size_t)stat_of.st_size);
  assert_int_equal(s3_peer_open_uploads(&s3), 0);
}

static void upload_is_stored(const daytona_object_storage_upload_opts_t *opts) {
  daytona_future_t *future =
    api_must(daytona_object_storage_upload(scene.client, local_path(folder, "file"), opts));
  assert_false(result_of(future)->was_there);
  is_stored(result_of(future)->hash);
  daytona_future_release(future);
}

/* --- what is sent ------------------------------------------------------------------------------ */

static void a_small_context_is_one_request(void **state) {
  (void)state;
  local_write(local_path(folder, "file"), "hello\n", 6);
  const daytona_object_storage_upload_opts_t opts = {.archive_path = "dir/hello.txt"};
  daytona_future_t *future =
    api_must(daytona_object_storage_upload(scene.client, local_path(folder, "file"), &opts));
  const daytona_object_storage_result_t *result = result_of(future);
  assert_string_equal(result->hash, "5534e515aa68d58fae17b6a7d4b02dd1"); /* the official SDK's */
  assert_string_equal(result->key, "5534e515aa68d58fae17b6a7d4b02dd1/context.tar");
  assert_false(result->was_there);
  assert_int_equal(result->sent_bytes, 2048);
  assert_int_equal(s3.objects[0].blob.size, 2048);
  assert_string_equal(s3.objects[0].key, "daytona/org-1/5534e515aa68d58fae17b6a7d4b02dd1/context.tar");
  assert_int_equal(s3.requests, 2);
  assert_string_equal(s3.log[0], "HEAD ");
  assert_string_equal(s3.log[1], "PUT ");
  assert_false(s3.has_unsigned); /* there is no TLS */
  daytona_future_release(future);
}

static void what_is_there_is_not_sent(void **state) {
  (void)state;
  file(100);
  upload_is_stored(&named);
  daytona_future_t *future =
    api_must(daytona_object_storage_upload(scene.client, local_path(folder, "file"), &named));
  assert_true(result_of(future)->was_there);
  assert_int_equal(result_of(future)->sent_bytes, 0);
  assert_int_equal(s3_peer_count(&s3, "PUT"), 1);
  daytona_future_release(future);
}

static void more_than_a_part_is_a_multipart_upload(void **state) {
  (void)state;
  for (int parts = 1; parts <= 6; parts++) {
    size_t before = s3.requests;
    file_of_parts(parts);
    upload_is_stored(&named);
    assert_int_equal(s3.requests - before, parts == 1 ? 2 : 3 + parts);
    assert_int_equal(s3.aborts, 0);
    s3_peer_forget(&s3);
  }
  assert_false(s3.has_unsigned);
}

static void parts_are_sent_at_the_same_time_within_bounds(void **state) {
  (void)state;
  for (int bound = 0; bound <= 3; bound++) {
    const daytona_object_storage_upload_opts_t opts = {.archive_path = "f", .parallel_parts = bound};
    s3.holds_parts = true;
    s3.most_in_flight = 0;
    file_of_parts(9);
    daytona_future_t *future = daytona_object_storage_upload(scene.client, local_path(folder, "file"), &opts);
    while (daytona__future_is_pending(future)) {
      api_spin(&scene, 50);
      api_until_no_job(&scene);
      s3_peer_release(&s3);
    }
    assert_int_equal(s3.most_in_flight, bound == 0 ? DAYTONA__STORAGE_PARALLEL_DEFAULT : bound);
    is_stored(result_of(future)->hash);
    daytona_future_release(future);
    s3_peer_forget(&s3);
  }
}

static void the_key_of_the_client_stays_with_the_control_plane(void **state) {
  (void)state;
  assert_non_null(scene.config.api_key);
  file_of_parts(2);
  upload_is_stored(&named); /* the peer looks for it in each request */
  assert_true(api_has_header(api_request(&scene, ACCESS, 0), "Authorization", "Bearer key"));
  assert_int_equal(api_count(&scene, ACCESS), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_scene, close_scene)

int main(void) {
  const struct CMUnitTest tests[] = {
    TEST(a_small_context_is_one_request),
    TEST(what_is_there_is_not_sent),
    TEST(more_than_a_part_is_a_multipart_upload),
    TEST(parts_are_sent_at_the_same_time_within_bounds),
    TEST(the_key_of_the_client_stays_with_the_control_plane),
  };
  return cmocka_run_group_tests_name("object_storage", tests, NULL, NULL);
}
