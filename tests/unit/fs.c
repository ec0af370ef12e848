/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plain file calls: what is asked, and what becomes of responses and errors of newer and older servers.
 */
#include <stdio.h>
#include <string.h>

#include "support/alloc.h"
#include "support/api_scene.h"
#include "support/check.h"
#include "support/misuse.h"
#include "support/same_json.h"

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

/* One of the calls, with a name for its path that the test chooses. */
typedef daytona_future_t *call_fn(const char *path);

static daytona_future_t *create_folder(const char *path) {
  return daytona_fs_create_folder(sandbox, path, "700", NULL);
}

static daytona_future_t *delete_file(const char *path) {
  return daytona_fs_delete_file(sandbox, path, &(daytona_fs_delete_file_opts_t){.is_recursive = true});
}

static daytona_future_t *get_file_info(const char *path) {
  return daytona_fs_get_file_info(sandbox, path, NULL);
}

static void check_info(daytona_future_t *future) {
  const daytona_file_info_t *info = daytona_future_file_info(future);
  assert_string_equal(info->name, "n");
  assert_true(info->size == 9007199254740993 && info->is_dir);
  assert_null(info->modified_at);
}

static daytona_future_t *list_files(const char *path) {
  return daytona_fs_list_files(sandbox, path, &(daytona_fs_list_files_opts_t){.depth = daytona_int(3)});
}

static void check_list(daytona_future_t *future) {
  assert_string_equal(daytona_future_file_list(future)->items[0]->path, "p/n");
}

static daytona_future_t *find_files(const char *path) {
  return daytona_fs_find_files(sandbox, path, "x+y", NULL);
}

static void check_matches(daytona_future_t *future) {
  assert_int_equal(daytona_future_file_match_list(future)->items[0]->line, 7);
}

static daytona_future_t *search_files(const char *path) {
  return daytona_fs_search_files(sandbox, path, "*.c", NULL);
}

static void check_names(daytona_future_t *future) {
  assert_string_equal(daytona_future_strings(future)->items[0], "f");
}

static daytona_future_t *move_files(const char *path) {
  return daytona_fs_move_files(sandbox, path, "c d", NULL);
}

/* `path` is one of the two files. */
static daytona_future_t *replace_in_files(const char *path) {
  const char *const names[] = {path, "b"};
  return daytona_fs_replace_in_files(sandbox, &(daytona_strings_t){names, 2}, "old", "", NULL);
}

static void check_replaced(daytona_future_t *future) {
  const daytona_replace_result_list_t *replaced = daytona_future_replace_result_list(future);
  assert_true(replaced->count == 2 && replaced->items[0]->is_success && replaced->items[0]->error == NULL);
  assert_true(!replaced->items[1]->is_success && strcmp(replaced->items[1]->error, "no") == 0);
}

static daytona_future_t *set_file_permissions(const char *path) {
  const daytona_fs_set_file_permissions_opts_t opts = {.mode = "0640", .owner = "me & you", .group = "0"};
  return daytona_fs_set_file_permissions(sandbox, path, &opts);
}

/* What belongs to a call. */
static const struct {
  const char *what; /* it does, in words: errors begin so */
  call_fn *call;
  const char *line, *query, *body; /* asked, for the path "a &/\xc3\xbc" */
  const char *answer;
  void (*check)(daytona_future_t *future); /* what is made of it; NULL: nothing */
} calls[] = {
  {.what = "create folder",
   .call = create_folder,
   .line = "POST /toolbox/sb-1/files/folder",
   .query = "?path=a%20%26/%C3%BC&mode=700",
   .answer = ""},
  {.what = "delete file",
   .call = delete_file,
   .line = "DELETE /toolbox/sb-1/files",
   .query = "?path=a%20%26/%C3%BC&recursive=true",
   .answer = ""},
  {.what = "get file info",
   .call = get_file_info,
   .line = "GET /toolbox/sb-1/files/info",
   .query = "?path=a%20%26/%C3%BC",
   .answer = "{\"name\":\"n\",\"size\":9007199254740993,\"isDir\":true}",
   .check = check_info},
  {.what = "list files",
   .call = list_files,
   .line = "GET /toolbox/sb-1/files",
   .query = "?path=a%20%26/%C3%BC&depth=3",
   .answer = "[{\"name\":\"n\",\"path\":\"p/n\"}]",
   .check = check_list},
  {.what = "find files",
   .call = find_files,
   .line = "GET /toolbox/sb-1/files/find",
   .query = "?path=a%20%26/%C3%BC&pattern=x%2By",
   .answer = "[{\"file\":\"f\",\"line\":7,\"content\":\"c\"}]",
   .check = check_matches},
  {.what = "search files",
   .call = search_files,
   .line = "GET /toolbox/sb-1/files/search",
   .query = "?path=a%20%26/%C3%BC&pattern=%2A.c",
   .answer = "{\"files\":[\"f\"]}",
   .check = check_names},
  {.what = "move files",
   .call = move_files,
   .line = "POST /toolbox/sb-1/files/move",
   .query = "?source=a%20%26/%C3%BC&destination=c%20d",
   .answer = ""},
  {.what = "replace in files",
   .call = replace_in_files,
   .line = "POST /toolbox/sb-1/files/replace",
   .query = "",
   .body = "{\"files\":[\"a &/\xc3\xbc\",\"b\"],\"pattern\":\"old\",\"newValue\":\"\"}",
   .answer = "[{\"file\":\"a\",\"success\":true},{\"file\":\"b\",\"success\":false,\"error\":\"no\"}]",
   .check = check_replaced},
  {.what = "set file permissions",
   .call = set_file_permissions,
   .line = "POST /toolbox/sb-1/files/permissions",
   .query = "?path=a%20%26/%C3%BC&owner=me%20%26%20you&group=0&mode=0640",
   .answer = ""},
};

enum { CALLS = sizeof calls / sizeof calls[0] };

static void requests_are_as_described(void **state) {
  (void)state;
  char line[256];
  for (size_t i = 0; i < CALLS; i++) {
    api_answer(&scene, calls[i].line, 200, calls[i].answer);
    api_done(calls[i].call("a &/\xc3\xbc"));
    snprintf(line, sizeof line, "%s%s", calls[i].line, calls[i].query);
    assert_string_equal(api_line_of(scene.requests[i]), line);
    if (calls[i].body != NULL)
      assert_same_json(api_body_of(scene.requests[i]), calls[i].body);
    else
      assert_string_equal(api_body_of(scene.requests[i]), "");
  }
}

static void answers_are_results(void **state) {
  (void)state;
  for (size_t i = 0; i < CALLS; i++) {
    api_answer(&scene, calls[i].line, 200, calls[i].answer);
    daytona_future_t *future = api_must(calls[i].call("p"));
    if (calls[i].check != NULL) calls[i].check(future);
    if (calls[i].check != check_info) assert_wrong_accessor(daytona_future_file_info(future));
    daytona_future_release(future);
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
  for (size_t i = 0; i < CALLS; i++) {
    for (size_t e = 0; e < sizeof errors / sizeof errors[0]; e++) {
      char prefix[64];
      api_answer(&scene, calls[i].line, errors[e].status, errors[e].body);
      daytona_future_t *future = api_must_fail(calls[i].call("p"), errors[e].code);
      assert_int_equal(daytona_future_error(future)->http_status, errors[e].status);
      snprintf(prefix, sizeof prefix, "%s: ", calls[i].what);
      api_says(future, prefix);
      const char *said = strstr(daytona_future_message(future), prefix);
      assert_true(strlen(said) > strlen(prefix)); /* never an empty text */
      daytona_future_release(future);
      api_forget(&scene, calls[i].line);
    }
  }
}

static void bad_arguments_are_refused_here(void **state) {
  (void)state;
  static const char *const hole[] = {"a", NULL};
  const daytona_strings_t none = {NULL, 0}, with_hole = {hole, 2}, one = {hole, 1};
  const daytona_fs_list_files_opts_t flat = {.depth = daytona_int(0)};
  const daytona_fs_set_file_permissions_opts_t odd = {.mode = "rw"}, long_mode = {.mode = "777777"};
  for (size_t i = 0; i < CALLS; i++) {
    if (calls[i].call != replace_in_files) api_fails(calls[i].call(""), DAYTONA_EINVAL);
    api_fails(calls[i].call(NULL), DAYTONA_EINVAL);
    api_fails(calls[i].call("no UTF-8: \xff"), DAYTONA_EINVAL);
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
  for (size_t i = 0; i < CALLS; i++) {
    char path[] = "given";
    api_answer(&scene, calls[i].line, 200, calls[i].answer);
    daytona_future_t *future = calls[i].call(path);
    memset(path, 'X', sizeof path - 1);
    api_done(future);
    assert_non_null(
      strstr(calls[i].body != NULL ? scene.requests[i] : api_line_of(scene.requests[i]), "given"));
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
