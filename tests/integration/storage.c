/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Contexts in the object storage of daytona-local: found again, sent in parts, resumed and cleaned up, with credentials
 * that expire in the middle.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "call/s3.h"
#include "core/future.h"
#include "support/check.h"
#include "support/local_files.h"
#include "support/session.h"

enum { MIB = 1 << 20 };

static session_t session;
static char folder[64];
static unsigned seed;

static int open_session(void **state) {
  (void)state;
  session_open(&session, NULL);
  strcpy(folder, "/tmp/storage-XXXXXX");
  if (seed == 0) seed = (unsigned)getpid() * 100u;
  return mkdtemp(folder) != NULL ? 0 : -1;
}

static int close_session(void **state) {
  (void)state;
  char command[96];
  session_admin("DELETE", "/faults", NULL);
  session_close(&session);
  snprintf(command, sizeof command, "rm -r %s", folder);
  return system(command);
}

/* A file that was not there before. */
static const char *fresh_file(size_t size) {
  const char *path = local_path(folder, "file");
  char *bytes = local_pattern(size, ++seed);
  local_write(path, bytes, size);
  free(bytes);
  return path;
}

static daytona_future_t *upload(const char *path, const daytona_object_storage_upload_opts_t *opts) {
  static const daytona_object_storage_upload_opts_t named = {.archive_path = "f"};
  return daytona_object_storage_upload(session.client, path, opts != NULL ? opts : &named);
}

/* --- a look at the storage, past the library ---------------------------------------------------- */

static daytona__s3_access_t *get_access(daytona__arena_t *arena) {
  char url[256], header[256], body[4096];
  void *access = NULL;
  snprintf(url, sizeof url, "%s/object-storage/push-access", getenv("DAYTONA_API_URL"));
  snprintf(header, sizeof header, "Authorization: Bearer %s", getenv("DAYTONA_API_KEY"));
  assert_int_equal(session_fetch(url, header, body, sizeof body), 200);
  assert_int_equal(daytona__json_decode(arena, &daytona__s3_access_model, body, strlen(body), &access, NULL),
                   0);
  return access;
}

/* GET of an object's path behind the organization, or of the bucket with a query; gives the status. */
static int look(const char *object, const char *query, char *body, size_t size) {
  daytona__arena_t arena;
  daytona_header_t headers[DAYTONA__S3_SIGNED_HEADERS];
  char path[512], url[1024], text[8192] = "", whole_query[512] = "";
  size_t count = 0;
  daytona__arena_init(&arena, 0);
  const daytona__s3_access_t *access = get_access(&arena);
  const char *host = strstr(access->url, "://") + 3;
  const daytona__s3_identity_t identity = {access->access_key, access->secret, access->session_token,
                                           access->region};
  if (object != NULL)
    snprintf(path, sizeof path, "/%s/%s/%s", access->bucket, access->organization, object);
  else
    snprintf(path, sizeof path, "/%s", access->bucket);
  if (query != NULL) snprintf(whole_query, sizeof whole_query, query, access->organization);
  const daytona__s3_request_t request = {.verb = "GET",
                                         .host = host,
                                         .path = path,
                                         .query = whole_query,
                                         .payload = daytona__s3_empty_payload,
                                         .time_s = (int64_t)time(NULL)};
  assert_null(strchr(host, '/'));
  assert_int_equal(daytona__s3_sign(&arena, &identity, &request, headers, &count), 0);
  for (size_t i = 0; i < count; i++)
    snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s: %s", i != 0 ? "\r\n" : "",
             headers[i].name, headers[i].value);
  snprintf(url, sizeof url, "%s%s%s%s", access->url, path, query != NULL ? "?" : "", whole_query);
  int status = session_fetch(url, text, body, size);
  daytona__arena_clear(&arena);
  return status;
}

/* The object holds the local file, behind its header. */
static void is_stored(const char *key, size_t size) {
  char *body = malloc(size + 16384);
  assert_int_equal(look(key, NULL, body, size + 16384), 200);
  assert_string_equal(body, "f");
  local_holds(local_path(folder, "file"), body + 512, size);
  free(body);
}

static void no_upload_is_left(void) {
  char body[16384];
  for (int i = 0;; i++) {
    assert_int_equal(look(NULL, "prefix=%s&uploads=", body, sizeof body), 200);
    assert_non_null(strstr(body, "ListMultipartUploadsResult"));
    if (strstr(body, "<UploadId>") == NULL) return;
    assert_true(i < 100); /* an abort in the background may be on its way */
    uv_run(&session.uv, UV_RUN_NOWAIT);
    usleep(50 * 1000);
  }
}

static void is_uploaded(const char *path, size_t size, const daytona_object_storage_upload_opts_t *opts) {
  daytona_future_t *future = api_must(upload(path, opts));
  const daytona_object_storage_result_t *result = daytona_future_object_storage_result(future);
  assert_false(result->was_there);
  is_stored(result->key, size);
  daytona_future_release(future);
  no_upload_is_left();
}

/* --- what works -------------------------------------------------------------------------------- */

static void contexts_of_all_sizes_arrive(void **state) {
  (void)state;
  static const size_t sizes[] = {0, 1, 5 * MIB - 1536, 5 * MIB, 12 * MIB + 77};
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
    is_uploaded(fresh_file(sizes[i]), sizes[i], NULL);
}

static void what_is_there_is_found(void **state) {
  (void)state;
  const char *path = fresh_file(6 * MIB);
  is_uploaded(path, 6 * MIB, NULL);
  daytona_future_t *future = api_must(upload(path, NULL));
  assert_true(daytona_future_object_storage_result(future)->was_there);
  assert_int_equal(daytona_future_object_storage_result(future)->sent_bytes, 0);
  daytona_future_release(future);
}

static void a_folder_arrives_as_a_tar(void **state) {
  (void)state;
  char path[128], command[512], body[65536];
  snprintf(command, sizeof command,
           "mkdir -p %s/ctx/sub/empty && echo %u > %s/ctx/a.txt && ln -s ../a.txt %s/ctx/sub/link && chmod "
           "750 %s/ctx/a.txt",
           folder, ++seed, folder, folder, folder);
  assert_int_equal(system(command), 0);
  snprintf(path, sizeof path, "%s/ctx", folder);
  const daytona_object_storage_upload_opts_t opts = {.archive_path = "app"};
  daytona_future_t *future = api_must(daytona_object_storage_upload(session.client, path, &opts));
  assert_int_equal(look(daytona_future_object_storage_result(future)->key, NULL, body, sizeof body), 200);
  local_write(local_path(folder, "got.tar"), body,
              (size_t)daytona_future_object_storage_result(future)->sent_bytes);
  daytona_future_release(future);
  snprintf(command, sizeof command,
           "cd %s && mkdir got && tar -xf got.tar -C got && diff -r --no-dereference ctx got/app && test -x "
           "got/app/a.txt",
           folder);
  assert_int_equal(system(command), 0);
}

/* --- what goes wrong --------------------------------------------------------------------------- */

static void lost_parts_are_sent_again(void **state) {
  (void)state;
  static const char *const faults[] = {
    "{\"match\":{\"method\":\"PUT\",\"target\":\"storage\"},\"action\":\"reset\",\"skip\":1,\"times\":2}",
    "{\"match\":{\"method\":\"PUT\",\"target\":\"storage\"},\"action\":\"reset\",\"phase\":\"after\","
    "\"times\":2}",
    "{\"match\":{\"method\":\"PUT\",\"target\":\"storage\"},\"action\":\"status\",\"status\":503,\"times\":"
    "3}",
    "{\"match\":{\"method\":\"POST\",\"target\":\"storage\"},\"action\":\"status\",\"status\":500,\"skip\":"
    "1}",
    "{\"match\":{\"method\":\"POST\",\"target\":\"storage\"},\"action\":\"reset\",\"phase\":\"after\","
    "\"skip\":1}",
    "{\"match\":{\"method\":\"HEAD\",\"target\":\"storage\"},\"action\":\"reset\"}"};
  for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
    const char *path = fresh_file(12 * MIB);
    assert_int_equal(session_admin("POST", "/faults", faults[i]), 201);
    is_uploaded(path, 12 * MIB, NULL);
    session_admin("DELETE", "/faults", NULL);
  }
}

static void a_failure_for_good_leaves_nothing(void **state) {
  (void)state;
  const char *path = fresh_file(12 * MIB);
  assert_int_equal(
    session_admin("POST", "/faults",
                  "{\"match\":{\"method\":\"PUT\",\"target\":\"storage\"},\"action\":\"status\","
                  "\"status\":403,\"skip\":1,\"times\":\"always\"}"),
    201);
  api_fails(upload(path, NULL), DAYTONA_EFORBIDDEN);
  session_admin("DELETE", "/faults", NULL);
  no_upload_is_left();
}

typedef struct watch {
  daytona_future_t *future;
  int count;
  bool cancels;
} watch_t;

static void on_progress(const daytona_transfer_progress_t *progress, void *user) {
  watch_t *watch = user;
  (void)progress;
  if (watch->count++ != 0) return;
  if (watch->cancels)
    daytona_future_cancel(watch->future);
  else /* every credential that was given out ends */
    assert_int_equal(session_admin("POST", "/clock", "{\"jump_ms\":3700000}"), 200);
}

static void a_cancel_leaves_nothing(void **state) {
  (void)state;
  watch_t watch = {.cancels = true};
  const daytona_object_storage_upload_opts_t opts = {
    .archive_path = "f", .on_progress = on_progress, .user = &watch};
  watch.future = upload(fresh_file(32 * MIB), &opts);
  api_fails(daytona_future_retain(watch.future), DAYTONA_ECANCELED);
  daytona_future_release(watch.future);
  no_upload_is_left();
}

static void credentials_that_expire_in_the_middle_are_renewed(void **state) {
  (void)state;
  watch_t watch = {0};
  const daytona_object_storage_upload_opts_t opts = {
    .archive_path = "f", .on_progress = on_progress, .user = &watch, .parallel_parts = 1};
  is_uploaded(fresh_file(32 * MIB), 32 * MIB, &opts);
  assert_true(watch.count > 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(contexts_of_all_sizes_arrive, open_session, close_session),
    cmocka_unit_test_setup_teardown(what_is_there_is_found, open_session, close_session),
    cmocka_unit_test_setup_teardown(a_folder_arrives_as_a_tar, open_session, close_session),
    cmocka_unit_test_setup_teardown(lost_parts_are_sent_again, open_session, close_session),
    cmocka_unit_test_setup_teardown(a_failure_for_good_leaves_nothing, open_session, close_session),
    cmocka_unit_test_setup_teardown(a_cancel_leaves_nothing, open_session, close_session),
    cmocka_unit_test_setup_teardown(credentials_that_expire_in_the_middle_are_renewed, open_session,
                                    close_session),
  };
  return cmocka_run_group_tests_name("storage", tests, NULL, NULL);
}
