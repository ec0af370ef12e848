/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files against daytona-local.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/check.h"
#include "support/local_files.h"
#include "support/session.h"

/* One sandbox serves the tests of this file. */
static session_t shared;
static daytona_sandbox_t *sandbox;
static char folder[64];

static int open_shared(void **state) {
  session_open(&shared, NULL);
  sandbox = session_sandbox(&shared, NULL);
  strcpy(folder, "/tmp/client_files-XXXXXX");
  assert_non_null(mkdtemp(folder));
  return 0;
}

static int close_shared(void **state) {
  char command[128];
  session_admin("DELETE", "/faults", NULL);
  session_delete(sandbox);
  session_close(&shared);
  snprintf(command, sizeof command, "rm -r %s", folder);
  return system(command);
}

static const char *in_folder(const char *name) { return local_path(folder, name); }

static void expect_bytes(const char *path, const char *bytes, size_t size) {
  daytona_future_t *future = api_must(daytona_fs_download(sandbox, path, NULL));
  assert_int_equal(daytona_future_bytes(future)->size, size);
  assert_memory_equal(daytona_future_bytes(future)->data, bytes, size);
  daytona_future_release(future);
}

static void files_of_every_size_come_back(void **state) {
  static const size_t sizes[] = {0, 1, 65535, 65536, 65537, 262143, 262145, 5 * 1024 * 1024};
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    char *bytes = local_pattern(sizes[i], (unsigned)i);
    api_done(daytona_fs_upload(sandbox, bytes, sizes[i], "sizes/memory", NULL));
    expect_bytes("sizes/memory", bytes, sizes[i]);
    api_done(daytona_fs_download_file(sandbox, "sizes/memory", in_folder("size"), NULL));
    api_done(daytona_fs_upload_file(sandbox, in_folder("size"), "sizes/disk", NULL));
    expect_bytes("sizes/disk", bytes, sizes[i]);
    free(bytes);
  }
}

static void content_may_look_like_the_wire(void **state) {
  static const char *const contents[] = {
    "\r\n--DAYTONA-FILE-BOUNDARY--\r\n",
    "--DAYTONA-FILE-BOUNDARY\r\nContent-Length: 1\r\n\r\nx",
    "\r\n",
    "\r",
    "--",
    ("x\r\n--DAYTONA-FILE-BOUNDARY\r\nContent-Disposition: form-data; name=\"error\"; "
     "filename=\"like\"\r\n\r\n{}"),
    "----DaytonaUpload\r\n",
  };
  for (size_t i = 0; i < sizeof contents / sizeof contents[0]; i++) {
    api_done(daytona_fs_upload(sandbox, contents[i], strlen(contents[i]), "like", NULL));
    expect_bytes("like", contents[i], strlen(contents[i]));
  }
}

static void odd_names_are_kept(void **state) {
  static const char *const names[] = {
    "a b",       "quo\"te", "back\\slash", "semi;colon", "per%41cent", "\xc3\xbc\xe6\x97\xa5\xf0\x9f\x9a\x80",
    "q?a=b&c#d", "it's",    "new\nline",   "tab\there",  "C:\\x\\y",   "*.txt",
    "-rf"};
  char path[128];
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    snprintf(path, sizeof path, "/home/daytona/odd/%s", names[i]);
    api_done(daytona_fs_upload(sandbox, path, strlen(path), path, NULL));
    expect_bytes(path, path, strlen(path));
    daytona_future_t *future = api_must(daytona_fs_get_file_info(sandbox, path, NULL));
    assert_string_equal(daytona_future_file_info(future)->name, names[i]);
    daytona_future_release(future);
  }
  daytona_future_t *future = api_must(daytona_fs_list_files(sandbox, "/home/daytona/odd", NULL));
  assert_int_equal(daytona_future_file_list(future)->count, sizeof names / sizeof names[0]);
  daytona_future_release(future);
  session_expect(sandbox, "touch \"odd/$(printf 'bad\\377')\"", 0, "");
  future = api_must(daytona_fs_list_files(sandbox, "/home/daytona/odd", NULL)); /* a name that is no UTF-8 */
  daytona_future_release(future);
  api_fails_as(daytona_fs_download(sandbox, "/home/daytona/odd/bad\xff", NULL), DAYTONA_EINVAL);
  api_fails_as(daytona_fs_get_file_info(sandbox, "/home/daytona/odd/bad\xff", NULL), DAYTONA_EINVAL);
  api_done(
    daytona_fs_upload(sandbox, "raw", 3, " /home/daytona/odd/up\xfe\n", NULL)); /* blanks around it go */
  session_expect(sandbox, "cat \"odd/$(printf 'up\\376')\"", 0, "raw");
}

static void plain_calls_do_what_they_say(void **state) {
  const char *listed[] = {"calls/one.txt", "calls/none.txt"};
  daytona_strings_t files = {listed, 2};
  api_done(daytona_fs_create_folder(sandbox, "calls/deep", "750", NULL));
  api_done(daytona_fs_upload(sandbox, "red fox\nblue\n", 13, "calls/one.txt", NULL));
  daytona_future_t *future = api_must(daytona_fs_find_files(sandbox, "calls", "fox", NULL));
  assert_int_equal(daytona_future_file_match_list(future)->count, 1);
  assert_string_equal(daytona_future_file_match_list(future)->items[0]->content, "red fox");
  daytona_future_release(future);
  future = api_must(daytona_fs_search_files(sandbox, "calls", "*.txt", NULL));
  assert_int_equal(daytona_future_strings(future)->count, 1);
  daytona_future_release(future);
  future = api_must(daytona_fs_replace_in_files(sandbox, &files, "fox", "", NULL));
  assert_true(daytona_future_replace_result_list(future)->items[0]->is_success);
  assert_false(daytona_future_replace_result_list(future)->items[1]->is_success);
  daytona_future_release(future);
  expect_bytes("calls/one.txt", "red \nblue\n", 10);
  daytona_fs_set_file_permissions_opts_t private = {.mode = "600"};
  api_done(daytona_fs_set_file_permissions(sandbox, "calls/one.txt", &private));
  future = api_must(daytona_fs_get_file_info(sandbox, "calls/one.txt", NULL));
  assert_string_equal(daytona_future_file_info(future)->permissions, "0600");
  daytona_future_release(future);
  api_fails_as(daytona_fs_move_files(sandbox, "calls/one.txt", "calls/deep", NULL), DAYTONA_ECONFLICT);
  api_done(daytona_fs_move_files(sandbox, "calls/one.txt", "calls/deep/two.txt", NULL));
  api_fails_as(daytona_fs_get_file_info(sandbox, "calls/one.txt", NULL), DAYTONA_ENOTFOUND);
  api_fails_as(daytona_fs_delete_file(sandbox, "calls", NULL), DAYTONA_EINVAL);
  daytona_fs_delete_file_opts_t all = {.is_recursive = true};
  api_done(daytona_fs_delete_file(sandbox, "calls", &all));
  api_fails_as(daytona_fs_list_files(sandbox, "calls", NULL), DAYTONA_EFAILED);
}

static void many_files_with_some_failing(void **state) {
  enum { COUNT = 300 };
  daytona_fs_upload_item_t up[COUNT] = {{0}};
  daytona_fs_download_item_t down[COUNT] = {{0}};
  static char names[COUNT][64], locals[COUNT][128];
  for (int i = 0; i < COUNT; i++) {
    snprintf(names[i], sizeof names[i], i % 50 == 7 ? "/proc/no/%d" : "many/%d", i);
    snprintf(locals[i], sizeof locals[i], "%s/many/%d", folder, i);
    up[i] = (daytona_fs_upload_item_t){.destination = names[i], .bytes = names[i], .size = strlen(names[i])};
    down[i] = (daytona_fs_download_item_t){.source = names[i], .local_path = i % 2 != 0 ? locals[i] : NULL};
  }
  daytona_future_t *future = api_must(daytona_fs_upload_files(sandbox, up, COUNT, NULL));
  assert_int_equal(daytona_future_fs_result_list(future)->failed_count, COUNT / 50);
  for (int i = 0; i < COUNT; i++)
    assert_int_equal(daytona_future_fs_result_list(future)->items[i]->error != NULL, i % 50 == 7);
  daytona_future_release(future);
  future = api_must(daytona_fs_download_files(sandbox, down, COUNT, NULL));
  const daytona_fs_result_list_t *results = daytona_future_fs_result_list(future);
  assert_int_equal(results->failed_count, COUNT / 50);
  for (int i = 0; i < COUNT; i++) {
    if (i % 50 == 7) {
      assert_true(daytona_error_is(results->items[i]->error, DAYTONA_ENOTFOUND));
      assert_int_equal(access(locals[i], F_OK), -1);
    } else if (i % 2 == 0) {
      assert_string_equal(results->items[i]->bytes.data, names[i]);
    } else {
      struct stat stat_now;
      assert_int_equal(stat(locals[i], &stat_now), 0);
      assert_int_equal(stat_now.st_size, strlen(names[i]));
    }
  }
  daytona_future_release(future);
}

enum { AT_ONCE = 200 };

static void many_transfers_run_at_once(void **state) {
  static char *contents[AT_ONCE];
  daytona_future_t *futures[AT_ONCE];
  char path[64];
  for (int i = 0; i < AT_ONCE; i++) {
    contents[i] = local_pattern(20000 + (size_t)i * 100, (unsigned)i);
    snprintf(path, sizeof path, "at-once/%d", i);
    futures[i] = daytona_fs_upload(sandbox, contents[i], 20000 + (size_t)i * 100, path, NULL);
  }
  api_done(daytona_future_all(shared.client, futures, AT_ONCE));
  for (int i = 0; i < AT_ONCE; i++) {
    snprintf(path, sizeof path, "at-once/%d", i);
    futures[i] = daytona_fs_download(sandbox, path, NULL);
  }
  daytona_future_t *all = api_must(daytona_future_all(shared.client, futures, AT_ONCE));
  for (int i = 0; i < AT_ONCE; i++) {
    const daytona_bytes_t *bytes = daytona_future_bytes(daytona_future_member(all, (size_t)i));
    assert_memory_equal(bytes->data, contents[i], 20000 + (size_t)i * 100);
    free(contents[i]);
  }
  daytona_future_release(all);
}

/* --- large files ------------------------------------------------------------------------------- */

static long peak_kb(void) {
  char line[256];
  long peak = 0;
  FILE *status = fopen("/proc/self/status", "r");
  while (status != NULL && fgets(line, sizeof line, status) != NULL)
    if (sscanf(line, "VmHWM: %ld", &peak) == 1) break;
  fclose(status);
  return peak;
}

/* From now on the peak is counted anew. */
static long reset_peak(void) {
  FILE *file = fopen("/proc/self/clear_refs", "w");
  if (file == NULL || fputs("5", file) < 0 || fclose(file) != 0) return -1;
  return peak_kb();
}

/* CLIENT_FILES_MIB: 1024 unless something smaller is asked for. */
static void huge_file_passes_in_bounded_memory(void **state) {
  const char *wish = getenv("CLIENT_FILES_MIB");
  long mib = wish != NULL ? atol(wish) : 1024;
  char *bytes = local_pattern(1 << 20, 9), command[512], expected[80] = "";
  int fd = open(in_folder("huge"), O_WRONLY | O_CREAT | O_EXCL, 0600);
  for (long i = 0; i < mib; i++) {
    memcpy(bytes, &i, sizeof i); /* no two blocks are the same */
    assert_int_equal(write(fd, bytes, 1 << 20), 1 << 20);
  }
  close(fd);
  free(bytes);
  snprintf(command, sizeof command, "sha256sum < %s", in_folder("huge"));
  FILE *sum = popen(command, "r");
  assert_non_null(fgets(expected, sizeof expected, sum));
  pclose(sum);
  long before = reset_peak();
  api_done(daytona_fs_upload_file(sandbox, in_folder("huge"), "huge", NULL));
  long upload = peak_kb() - before;
  unlink(in_folder("huge"));
  session_expect(sandbox, "sha256sum < huge", 0, expected);
  before = reset_peak();
  api_done(daytona_fs_download_file(sandbox, "huge", in_folder("huge"), NULL));
  long download = peak_kb() - before;
  session_expect(sandbox, "rm huge", 0, "");
  sum = popen(command, "r");
  char got[80] = "";
  assert_non_null(fgets(got, sizeof got, sum));
  pclose(sum);
  unlink(in_folder("huge"));
  assert_string_equal(got, expected);
  print_message("%ld MiB: peak of the upload %ld KiB, of the download %ld KiB above idle\n", mib, upload,
                download);
  if (before < 0) return;    /* the kernel does not reset peaks */
#ifndef __SANITIZE_ADDRESS__ /* which keeps freed memory for a while */
  assert_true(upload < 8 * 1024 && download < 8 * 1024);
#endif
}

/* --- things that go wrong ---------------------------------------------------------------------- */

static void add_fault(const char *action) {
  char rule[256];
  snprintf(rule, sizeof rule, "{\"match\":{\"path\":\"/toolbox/*/files/bulk-download\"},%s}", action);
  assert_int_equal(session_admin("POST", "/faults", rule), 201);
}

/* Once: what has begun is continued, what has not is an error. */
static void answer_cut_anywhere_leaves_no_file_or_a_whole_one(void **state) {
  char action[128];
  int whole_count = 0, failed_count = 0;
  api_done(daytona_fs_upload(sandbox, "0123456789", 10, "cut", NULL));
  for (int at = 0; at < 220; at += 11) {
    for (int resets = 0; resets < 2; resets++) {
      snprintf(action, sizeof action, "\"action\":\"%s\",\"after_bytes\":%d,\"times\":1",
               resets ? "reset" : "truncate", at);
      add_fault(action);
      daytona_future_t *future = daytona_fs_download_file(sandbox, "cut", in_folder("cut"), NULL);
      bool is_whole = daytona_future_await(future) == DAYTONA_OK;
      if (is_whole)
        local_holds(in_folder("cut"), "0123456789", 10);
      else
        assert_true(daytona_error_is(daytona_future_error(future), DAYTONA_EFAILED));
      daytona_future_release(future);
      session_admin("DELETE", "/faults", NULL);
      uv_run(&shared.uv, UV_RUN_NOWAIT);
      assert_int_equal(unlink(in_folder("cut")), is_whole ? 0 : -1);
      whole_count += is_whole;
      failed_count += !is_whole;
    }
  }
  assert_true(whole_count > 0 && failed_count > 0);
}

static void dribbling_server_is_waited_for(void **state) {
  api_done(daytona_fs_upload(sandbox, "0123456789", 10, "slow", NULL));
  add_fault("\"action\":\"dribble\",\"bytes_per_second\":2000");
  expect_bytes("slow", "0123456789", 10);
}

static void silent_server_is_not_waited_for(void **state) {
  daytona_transfer_opts_t opts = {.idle_timeout_ms = 300};
  add_fault("\"action\":\"stall\"");
  api_fails_as(daytona_fs_download(sandbox, "slow", &opts), DAYTONA_EIDLE_TIMEOUT);
}

static void file_of_proc_and_growing_file_come_as_they_are(void **state) {
  daytona_future_t *future = api_must(daytona_fs_download(sandbox, "/proc/self/status", NULL));
  assert_non_null(strstr(daytona_future_bytes(future)->data, "Name:"));
  daytona_future_release(future);
}

static void errors_of_the_sandbox_are_typed(void **state) {
  api_fails_as(daytona_fs_download(sandbox, "none", NULL), DAYTONA_EFILE_NOT_FOUND);
  api_fails_as(daytona_fs_download(sandbox, "/home", NULL), DAYTONA_EINVALID_FILE_PATH);
  api_fails_as(daytona_fs_upload(sandbox, "x", 1, "/proc/no/x", NULL), DAYTONA_EFAILED);
  session_expect(sandbox, "mkdir locked && echo x > locked/f && chmod 000 locked/f", 0, "");
  daytona_future_t *future = daytona_fs_download(sandbox, "locked/f", NULL);
  assert_int_equal(daytona_future_await(future), DAYTONA_EFILE_ACCESS_DENIED);
  daytona_future_release(future);
}

typedef struct appender {
  size_t left;
  const char *path;
} appender_t;

static void on_progress(const daytona_transfer_progress_t *progress, void *user) {
  appender_t *self = user;
  if (self->left-- == 0) return;
  FILE *file = fopen(self->path, "a");
  fputs("more", file);
  fclose(file);
}

static void what_is_appended_while_it_is_sent_stays_out(void **state) {
  char *bytes = local_pattern(3 << 20, 4);
  FILE *file = fopen(in_folder("log"), "w");
  fwrite(bytes, 1, 3 << 20, file);
  fclose(file);
  appender_t appender = {.left = 3, .path = in_folder("log")};
  daytona_transfer_opts_t opts = {.on_progress = on_progress, .user = &appender};
  api_done(daytona_fs_upload_file(sandbox, in_folder("log"), "log", &opts));
  expect_bytes("log", bytes, 3 << 20);
  free(bytes);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(files_of_every_size_come_back),
    cmocka_unit_test(content_may_look_like_the_wire),
    cmocka_unit_test(odd_names_are_kept),
    cmocka_unit_test(plain_calls_do_what_they_say),
    cmocka_unit_test(many_files_with_some_failing),
    cmocka_unit_test(many_transfers_run_at_once),
    cmocka_unit_test(answer_cut_anywhere_leaves_no_file_or_a_whole_one),
    cmocka_unit_test(dribbling_server_is_waited_for),
    cmocka_unit_test(silent_server_is_not_waited_for),
    cmocka_unit_test(file_of_proc_and_growing_file_come_as_they_are),
    cmocka_unit_test(errors_of_the_sandbox_are_typed),
    cmocka_unit_test(what_is_appended_while_it_is_sent_stays_out),
    cmocka_unit_test(huge_file_passes_in_bounded_memory),
  };
  return cmocka_run_group_tests(tests, open_shared, close_shared);
}
