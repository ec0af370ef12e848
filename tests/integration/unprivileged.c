/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files without permission, on both sides. Tests usually run as root, to whom everything is permitted; this program
 * becomes nobody first. In the sandbox programs and the toolbox are an ordinary user anyway.
 */
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/check.h"
#include "support/local_files.h"
#include "support/session.h"

enum { NOBODY = 65534 };

static session_t shared;
static daytona_sandbox_t *sandbox;
static char folder[64];

static int open_shared(void **state) {
  session_open(&shared, NULL);
  sandbox = session_sandbox(&shared, NULL);
  return 0;
}

static int close_shared(void **state) {
  session_delete(sandbox);
  session_close(&shared);
  return 0;
}

static const char *in_folder(const char *name) { return local_path(folder, name); }

static void fails_with(daytona_future_t *future, daytona_errcode_t code, const char *part) {
  api_must_fail_as(future, code);
  if (strstr(daytona_future_error(future)->message, part) == NULL)
    fail_msg("\"%s\" is not in: %s", part, daytona_future_error(future)->message);
  daytona_future_release(future);
}

static void shell(const char *command) { session_expect(sandbox, command, 0, NULL); }

/* --- here -------------------------------------------------------------------------------------- */

static void folder_that_may_not_be_written_is_an_error(void **state) {
  api_done(daytona_fs_upload(sandbox, "new", 3, "source", NULL));
  assert_int_equal(mkdir(in_folder("locked"), 0700), 0);
  local_write(in_folder("locked/old"), "old", 3);
  assert_int_equal(chmod(in_folder("locked"), 0500), 0);
  fails_with(daytona_fs_download_file(sandbox, "source", in_folder("locked/old"), NULL), DAYTONA_EIO,
             "permission denied");
  fails_with(daytona_fs_download_file(sandbox, "source", in_folder("locked/new"), NULL), DAYTONA_EIO,
             "permission denied");
  fails_with(daytona_fs_download_file(sandbox, "source", in_folder("locked/a/b/c"), NULL), DAYTONA_EIO,
             "permission denied");
  fails_with(daytona_fs_download_file(sandbox, "source", "/usr/no-place-for-nobody", NULL), DAYTONA_EIO, "");
  assert_int_equal(chmod(in_folder("locked"), 0000), 0); /* not even looked into */
  fails_with(daytona_fs_download_file(sandbox, "source", in_folder("locked/old"), NULL), DAYTONA_EIO,
             "permission denied");
  daytona_fs_download_item_t items[] = {{.source = "source", .local_path = in_folder("locked/old")},
                                        {.source = "source", .local_path = in_folder("open")}};
  daytona_future_t *future = api_must(daytona_fs_download_files(sandbox, items, 2, NULL));
  assert_int_equal(daytona_future_fs_result_list(future)->failed_count, 1);
  assert_int_equal(daytona_future_fs_result_list(future)->items[0]->error->code, DAYTONA_EIO);
  daytona_future_release(future);
  local_holds(in_folder("open"), "new", 3);
  assert_int_equal(chmod(in_folder("locked"), 0700), 0);
  local_holds(in_folder("locked/old"), "old", 3);
  assert_int_equal(unlink(in_folder("locked/old")) + rmdir(in_folder("locked")),
                   0); /* nothing else is in it */
}

static void file_that_may_not_be_read_is_an_error_before_anything_is_sent(void **state) {
  local_write(in_folder("readable"), "text", 4);
  local_write(in_folder("secret"), "text", 4);
  assert_int_equal(chmod(in_folder("secret"), 0000), 0);
  fails_with(daytona_fs_upload_file(sandbox, in_folder("secret"), "sent/a", NULL), DAYTONA_EIO,
             "permission denied");
  daytona_fs_upload_item_t items[] = {{.destination = "sent/b", .local_path = in_folder("readable")},
                                      {.destination = "sent/c", .local_path = in_folder("secret")}};
  fails_with(daytona_fs_upload_files(sandbox, items, 2, NULL), DAYTONA_EIO, "permission denied");
  session_expect(sandbox, "ls sent 2>/dev/null", 2, "");
}

/* --- there ------------------------------------------------------------------------------------- */

static void what_the_sandbox_may_not_read_is_typed(void **state) {
  shell("mkdir -p hidden/in && echo x > hidden/in/f && echo x > unreadable && chmod 000 hidden unreadable");
  api_fails_as(daytona_fs_download(sandbox, "unreadable", NULL), DAYTONA_EFILE_ACCESS_DENIED);
  api_fails_as(daytona_fs_download_file(sandbox, "unreadable", in_folder("none"), NULL),
               DAYTONA_EFILE_ACCESS_DENIED);
  assert_int_equal(access(in_folder("none"), F_OK), -1);
  api_fails_as(daytona_fs_get_file_info(sandbox, "hidden/in", NULL), DAYTONA_EFILE_ACCESS_DENIED);
  api_fails_as(daytona_fs_list_files(sandbox, "hidden", NULL), DAYTONA_EFILE_ACCESS_DENIED);
  api_fails_as(daytona_fs_move_files(sandbox, "hidden/in/f", "moved", NULL), DAYTONA_EFILE_ACCESS_DENIED);
  daytona_fs_set_file_permissions_opts_t mode = {.mode = "600"};
  api_fails_as(daytona_fs_set_file_permissions(sandbox, "hidden/in/f", &mode), DAYTONA_EFILE_ACCESS_DENIED);
  api_fails_as(daytona_fs_set_file_permissions(sandbox, "/etc/passwd", &mode), DAYTONA_EFAILED);
  shell("chmod 755 hidden");
}

static void what_the_sandbox_may_not_write_is_an_error_of_that_file(void **state) {
  shell("mkdir -p shut && echo old > shut/f && chmod 400 shut/f && chmod 500 shut");
  fails_with(daytona_fs_upload(sandbox, "new", 3, "shut/f", NULL), DAYTONA_EFAILED, "permission denied");
  fails_with(daytona_fs_upload(sandbox, "new", 3, "shut/g", NULL), DAYTONA_EFAILED, "permission denied");
  fails_with(daytona_fs_upload(sandbox, "new", 3, "/usr/bin/new", NULL), DAYTONA_EFAILED, "/usr/bin/new");
  daytona_fs_upload_item_t items[] = {{.destination = "shut/g", .bytes = "1", .size = 1},
                                      {.destination = "wide/g", .bytes = "2", .size = 1}};
  daytona_future_t *future = api_must(daytona_fs_upload_files(sandbox, items, 2, NULL));
  assert_int_equal(daytona_future_fs_result_list(future)->failed_count, 1);
  assert_non_null(
    strstr(daytona_future_fs_result_list(future)->items[0]->error->message, "permission denied"));
  daytona_future_release(future);
  api_fails_as(daytona_fs_create_folder(sandbox, "shut/in", NULL, NULL), DAYTONA_EFAILED);
  api_fails_as(daytona_fs_delete_file(sandbox, "shut/f", NULL), DAYTONA_EFAILED);
  const char *names[] = {"shut/f"};
  daytona_strings_t files = {names, 1};
  future = api_must(daytona_fs_replace_in_files(sandbox, &files, "old", "new", NULL));
  assert_false(daytona_future_replace_result_list(future)->items[0]->is_success);
  daytona_future_release(future);
  session_expect(sandbox, "cat shut/f wide/g; ls shut", 0, "old\n2f\n");
}

/* Not as root: as the sandbox sees it. */
static void become_nobody(void) {
  if (geteuid() != 0) return;
  if (setgroups(0, NULL) != 0 || setgid(NOBODY) != 0 || setuid(NOBODY) != 0) {
    perror("cannot become nobody");
    exit(1);
  }
  prctl(PR_SET_DUMPABLE, 1); /* for the leak checker */
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(folder_that_may_not_be_written_is_an_error),
    cmocka_unit_test(file_that_may_not_be_read_is_an_error_before_anything_is_sent),
    cmocka_unit_test(what_the_sandbox_may_not_read_is_typed),
    cmocka_unit_test(what_the_sandbox_may_not_write_is_an_error_of_that_file),
  };
  become_nobody();
  strcpy(folder, "/tmp/client_unprivileged-XXXXXX");
  if (mkdtemp(folder) == NULL) return 1;
  int failed = cmocka_run_group_tests(tests, open_shared, close_shared);
  char command[128];
  snprintf(command, sizeof command, "rm -rf %s", folder);
  return failed != 0 || system(command) != 0;
}
