/*
 * The plain file calls: what is asked, and what becomes of responses and errors of newer and older servers.
 */
#include <stdio.h>
#include <string.h>

#include "support/alloc.h"
#include "support/api_scene.h"
#include "support/check.h"
#include "support/misuse.h"

static api_scene_t scene;
static daytona_sandbox_t *sandbox;

static int open_scene(void **state) {
  (void)state;
  api_scene_open(&scene);
  sandbox = api_sandbox(&scene, "sb-1", "started");
  return 0;
}

static int close_scene(void **state) {
  (void)state;
  daytona_sandbox_release(sandbox);
  api_scene_close(&scene);
  return 0;
}

enum { CALLS = 9 };

/* Each call once; a name that needs quoting, and options that are not the default. */
static daytona_future_t *call(int number, const char *path) {
  static const char *const names[] = {"a", "b"};
  static const daytona_strings_t files = {names, 2};
  static const daytona_fs_delete_file_opts_t recursive = {.is_recursive = true};
  static const daytona_fs_set_file_permissions_opts_t owner = {
    .mode = "0640", .owner = "me & you", .group = "0"};
  daytona_fs_list_files_opts_t deep = {.depth = daytona_int(3)};
  switch (number) {
    case 0: return daytona_fs_create_folder(sandbox, path, "700", NULL);
    case 1: return daytona_fs_delete_file(sandbox, path, &recursive);
    case 2: return daytona_fs_get_file_info(sandbox, path, NULL);
    case 3: return daytona_fs_list_files(sandbox, path, &deep);
    case 4: return daytona_fs_find_files(sandbox, path, "x+y", NULL);
    case 5: return daytona_fs_search_files(sandbox, path, "*.c", NULL);
    case 6: return daytona_fs_move_files(sandbox, path, "c d", NULL);
    case 7: return daytona_fs_replace_in_files(sandbox, &files, "old", "", NULL);
    default: return daytona_fs_set_file_permissions(sandbox, path, &owner);
  }
}

static const char *const lines[CALLS] = {
  "POST /toolbox/sb-1/files/folder",      "DELETE /toolbox/sb-1/files",
  "GET /toolbox/sb-1/files/info",         "GET /toolbox/sb-1/files",
  "GET /toolbox/sb-1/files/find",         "GET /toolbox/sb-1/files/search",
  "POST /toolbox/sb-1/files/move",        "POST /toolbox/sb-1/files/replace",
  "POST /toolbox/sb-1/files/permissions",
};

static const char *const answers[CALLS] = {
  "",
  "",
  "{\"name\":\"n\",\"size\":9007199254740993,\"isDir\":true}",
  "[{\"name\":\"n\",\"path\":\"p/n\"}]",
  "[{\"file\":\"f\",\"line\":7,\"content\":\"c\"}]",
  "{\"files\":[\"f\"]}",
  "",
  "[{\"file\":\"a\",\"success\":true},{\"file\":\"b\",\"success\":false,\"error\":\"no\"}]",
  "",
};

static void requests_are_as_described(void **state) {
  (void)state;
  static const char *const asked[CALLS] = {
    "?path=a%20%26/%C3%BC&mode=700",
    "?path=a%20%26/%C3%BC&recursive=true",
    "?path=a%20%26/%C3%BC",
    "?path=a%20%26/%C3%BC&depth=3",
    "?path=a%20%26/%C3%BC&pattern=x%2By",
    "?path=a%20%26/%C3%BC&pattern=%2A.c",
    "?source=a%20%26/%C3%BC&destination=c%20d",
    "",
    "?path=a%20%26/%C3%BC&owner=me%20%26%20you&group=0&mode=0640",
  };
  char line[256];
  for (int i = 0; i < CALLS; i++) {
    api_answer(&scene, lines[i], 200, answers[i]);
    api_done(call(i, "a &/\xc3\xbc"));
    snprintf(line, sizeof line, "%s%s", lines[i], asked[i]);
    assert_string_equal(api_line_of(scene.requests[i]), line);
  }
  assert_string_equal(api_body_of(scene.requests[7]),
                      "{\"files\":[\"a\",\"b\"],\"pattern\":\"old\",\"newValue\":\"\"}");
}

static void answers_are_results(void **state) {
  (void)state;
  daytona_future_t *futures[CALLS];
  for (int i = 0; i < CALLS; i++) {
    api_answer(&scene, lines[i], 200, answers[i]);
    futures[i] = api_must(call(i, "p"));
  }
  const daytona_file_info_t *info = daytona_future_file_info(futures[2]);
  assert_string_equal(info->name, "n");
  assert_true(info->size == 9007199254740993 && info->is_dir);
  assert_null(info->modified_at);
  assert_string_equal(daytona_future_file_list(futures[3])->items[0]->path, "p/n");
  assert_int_equal(daytona_future_file_match_list(futures[4])->items[0]->line, 7);
  assert_string_equal(daytona_future_strings(futures[5])->items[0], "f");
  const daytona_replace_result_list_t *replaced = daytona_future_replace_result_list(futures[7]);
  assert_true(replaced->count == 2 && replaced->items[0]->is_success && replaced->items[0]->error == NULL);
  assert_true(!replaced->items[1]->is_success && strcmp(replaced->items[1]->error, "no") == 0);
  for (int i = 0; i < CALLS; i++) {
    if (i != 2) assert_wrong_accessor(daytona_future_file_info(futures[i]));
    daytona_future_release(futures[i]);
  }
}

/* Older daemons answer errors without a body; newer ones say which. */
static void errors_are_typed_with_and_without_a_body(void **state) {
  (void)state;
  static const struct {
    int status;
    const char *body;
    daytona_errcode_t code;
  } errors[] = {
    {400, "", DAYTONA_EINVAL},
    {401, "", DAYTONA_EAUTH},
    {403, "", DAYTONA_EFORBIDDEN},
    {404, "", DAYTONA_ENOTFOUND},
    {409, "", DAYTONA_ECONFLICT},
    {500, "", DAYTONA_EINTERNAL},
    {418, "", DAYTONA_EFAILED},
    {404, "{\"statusCode\":404,\"source\":\"DAYTONA_DAEMON\",\"code\":\"FILE_NOT_FOUND\",\"message\":\"m\"}",
     DAYTONA_EFILE_NOT_FOUND},
    {403,
     "{\"statusCode\":403,\"source\":\"DAYTONA_DAEMON\",\"code\":\"FILE_ACCESS_DENIED\",\"message\":\"m\"}",
     DAYTONA_EFILE_ACCESS_DENIED},
    {400,
     "{\"statusCode\":400,\"source\":\"DAYTONA_DAEMON\",\"code\":\"INVALID_FILE_PATH\",\"message\":\"m\"}",
     DAYTONA_EINVALID_FILE_PATH},
    {500,
     "{\"statusCode\":500,\"source\":\"DAYTONA_DAEMON\",\"code\":\"FILE_READ_FAILED\",\"message\":\"m\"}",
     DAYTONA_EFILE_READ_FAILED},
    {404, "<html>", DAYTONA_ENOTFOUND},
  };
  static const char *const prefixes[CALLS] = {"create folder", "delete file",      "get file info",
                                              "list files",    "find files",       "search files",
                                              "move files",    "replace in files", "set file permissions"};
  for (int i = 0; i < CALLS; i++) {
    for (size_t e = 0; e < sizeof errors / sizeof errors[0]; e++) {
      char prefix[64];
      api_answer(&scene, lines[i], errors[e].status, errors[e].body);
      daytona_future_t *future = api_must_fail(call(i, "p"), errors[e].code);
      assert_int_equal(daytona_future_error(future)->http_status, errors[e].status);
      assert_int_equal(snprintf(prefix, sizeof prefix, "Failed to %s: ", prefixes[i]) > 0, 1);
      assert_int_equal(strncmp(daytona_future_error(future)->message, prefix, strlen(prefix)), 0);
      assert_true(strlen(daytona_future_error(future)->message) > strlen(prefix)); /* never an empty text */
      daytona_future_release(future);
      api_forget(&scene, lines[i]);
    }
  }
}

static void bad_arguments_are_refused_here(void **state) {
  (void)state;
  static const char *const hole[] = {"a", NULL};
  const daytona_strings_t none = {NULL, 0}, with_hole = {hole, 2}, one = {hole, 1};
  const daytona_fs_list_files_opts_t flat = {.depth = daytona_int(0)};
  const daytona_fs_set_file_permissions_opts_t odd = {.mode = "rw"}, long_mode = {.mode = "777777"};
  for (int i = 0; i < CALLS; i++) {
    if (i == 7) continue;
    api_fails(call(i, NULL), DAYTONA_EINVAL);
    api_fails(call(i, ""), DAYTONA_EINVAL);
    api_fails(call(i, "no UTF-8: \xff"), DAYTONA_EINVAL);
  }
  api_fails(daytona_fs_create_folder(sandbox, "x", "9", NULL), DAYTONA_EINVAL);
  api_fails(daytona_fs_list_files(sandbox, "x", &flat), DAYTONA_EINVAL);
  api_fails(daytona_fs_find_files(sandbox, "x", "", NULL), DAYTONA_EINVAL);
  api_fails(daytona_fs_move_files(sandbox, "x", NULL, NULL), DAYTONA_EINVAL);
  api_fails(daytona_fs_replace_in_files(sandbox, NULL, "x", "y", NULL), DAYTONA_EINVAL);
  api_fails(daytona_fs_replace_in_files(sandbox, &none, "x", "y", NULL), DAYTONA_EINVAL);
  api_fails(daytona_fs_replace_in_files(sandbox, &with_hole, "x", "y", NULL), DAYTONA_EINVAL);
  api_fails(daytona_fs_replace_in_files(sandbox, &one, "", "y", NULL), DAYTONA_EINVAL);
  api_fails(daytona_fs_replace_in_files(sandbox, &one, "x", NULL, NULL), DAYTONA_EINVAL);
  api_fails(daytona_fs_set_file_permissions(sandbox, "x", NULL), DAYTONA_EINVAL);
  api_fails(daytona_fs_set_file_permissions(sandbox, "x", &odd), DAYTONA_EINVAL);
  api_fails(daytona_fs_set_file_permissions(sandbox, "x", &long_mode), DAYTONA_EINVAL);
  api_fails(daytona_fs_get_file_info(NULL, "x", NULL), DAYTONA_EINVAL);
  assert_int_equal(scene.request_count, 0);
}

/* What a call was given may go as soon as it has returned. */
static void arguments_are_copied(void **state) {
  (void)state;
  for (int i = 0; i < CALLS; i++) {
    char path[] = "given";
    api_answer(&scene, lines[i], 200, answers[i]);
    daytona_future_t *future = call(i, path);
    memset(path, 'X', sizeof path - 1);
    api_done(future);
    if (i != 7) assert_non_null(strstr(api_line_of(scene.requests[i]), "=given"));
  }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_scene, close_scene)

int main(void) {
  const struct CMUnitTest tests[] = {
    TEST(requests_are_as_described),
    TEST(answers_are_results),
    TEST(errors_are_typed_with_and_without_a_body),
    TEST(bad_arguments_are_refused_here),
    TEST(arguments_are_copied),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
