/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One bad record never costs a list: every call whose answer is a list delivers the records that can be read, counts the
 * others, and says in the log which was the first; an answer that is a single object fails. The rule itself is tested in json.c.
 */
#include <stdio.h>
#include <string.h>

#include "support/check.h"
#include "support/stream_scene.h"

#define TOOLBOX "/toolbox/sb-1"

static stream_scene_t scene;
static char logged[8192];

static void on_log(daytona_log_level_t level, const char *line, void *user) {
  size_t size = strlen(logged);
  if (level <= DAYTONA_LOG_WARN) snprintf(logged + size, sizeof logged - size, "%s\n", line);
}

static int open_scene(void **state) {
  stream_open_bare(&scene);
  scene.api.config.log = on_log;
  scene.api.config.api_key = "dtn_0123456789abcdef";
  stream_client(&scene);
  logged[0] = '\0';
  return 0;
}

static int close_scene(void **state) {
  stream_close(&scene);
  return 0;
}

/* --- lists of a sandbox ------------------------------------------------------------------------- */

#define LIST(name, call, accessor)                                              \
  static daytona_future_t *call_##name(void) { return call; }                   \
  static size_t count_##name(const daytona_future_t *future) {                  \
    const char *first = daytona_future_##accessor(future) != NULL ? "" : NULL;  \
    return first != NULL ? daytona_future_##accessor(future)->COUNT : SIZE_MAX; \
  }

#define COUNT count
LIST(sessions, daytona_session_list(scene.sandbox, NULL), session_list)
LIST(files, daytona_fs_list_files(scene.sandbox, "p", NULL), file_list)
LIST(matches, daytona_fs_find_files(scene.sandbox, "p", "x", NULL), file_match_list)
LIST(terminals, daytona_pty_list(scene.sandbox, NULL), pty_list)
LIST(contexts, daytona_interpreter_list_contexts(scene.sandbox, NULL), interpreter_context_list)
LIST(remotes, daytona_git_list_remotes(scene.sandbox, "p", NULL), map)
#undef COUNT
#define COUNT command_count
LIST(commands, daytona_session_get(scene.sandbox, "s", NULL), session)
#undef COUNT
#define COUNT file_count
LIST(changes, daytona_git_get_status(scene.sandbox, "p", NULL), git_status)
#undef COUNT

static const struct list_case {
  const char *line, *body;
  daytona_future_t *(*call)(void);
  size_t (*count)(const daytona_future_t *future);
  size_t kept, skipped;
  const char *first;
} list_cases[] = {
  {"GET " TOOLBOX "/process/session",
   "[{\"sessionId\":\"a\"},{\"commands\":7,\"sessionId\":\"bad\"},{\"sessionId\":\"b\"},{}]", call_sessions,
   count_sessions, 2, 2,
   "session_list: left out 2 of the records, which cannot be read; the first is \"bad\": [1].commands: "},
  {"GET " TOOLBOX "/process/session/s",
   "{\"sessionId\":\"s\",\"commands\":[{\"id\":\"c\"},{\"id\":\"d\",\"exitCode\":\"one\"}]}", call_commands,
   count_commands, 1, 1, "the first is \"d\": commands[1].exitCode: expected a number, got a string"},
  {"GET " TOOLBOX "/files", "[{\"name\":\"a\",\"size\":\"big\"},{\"name\":\"b\",\"size\":2}]", call_files,
   count_files, 1, 1, "the first: [0].size: expected a number, got a string"},
  {"GET " TOOLBOX "/files/find", "[{\"file\":\"a\",\"line\":1,\"content\":\"x\"},{\"file\":[],\"line\":2}]",
   call_matches, count_matches, 1, 1, "the first: [1].file: "},
  {"GET " TOOLBOX "/process/pty", "{\"sessions\":[{\"id\":\"a\"},{\"id\":\"b\",\"cols\":-99999999999}]}",
   call_terminals, count_terminals, 1, 1, "the first is \"b\": sessions[1].cols: "},
  {"GET " TOOLBOX "/process/interpreter/context", "{\"contexts\":[{\"id\":\"\"},{\"id\":\"b\"}]}",
   call_contexts, count_contexts, 1, 1, "the first: contexts[0].id: it is empty"},
  {"GET " TOOLBOX "/git/remotes", "{\"remotes\":[{\"name\":\"o\",\"url\":\"u\"},{\"name\":\"p\",\"url\":9}]}",
   call_remotes, count_remotes, 1, 1, "the first is \"p\": remotes[1].url: "},
  {"GET " TOOLBOX "/git/status", "{\"currentBranch\":\"m\",\"fileStatus\":[{\"name\":\"a\"},7]}",
   call_changes, count_changes, 1, 1, "the first: fileStatus[1]: expected an object, got a number"},
};

static void every_list_keeps_what_can_be_read(void **state) {
  for (size_t i = 0; i < sizeof list_cases / sizeof list_cases[0]; i++) {
    const struct list_case *row = &list_cases[i];
    logged[0] = '\0';
    api_answer(&scene.api, row->line, 200, row->body);
    daytona_future_t *future = row->call();
    assert_int_equal(daytona_future_skipped_count(future), 0); /* pending */
    api_must(future);
    if (row->count(future) != row->kept || daytona_future_skipped_count(future) != row->skipped)
      fail_msg("%s: %zu, %zu left out", row->line, row->count(future), daytona_future_skipped_count(future));
    if (strstr(logged, row->first) == NULL) fail_msg("%s: logged: %s", row->line, logged);
    daytona_future_release(future);
  }
  assert_int_equal(daytona_future_skipped_count(NULL), 0);
}

static void an_object_that_cannot_be_read_fails(void **state) {
  api_answer(&scene.api, "GET " TOOLBOX "/process/session/s", 200, "{\"sessionId\":\"s\",\"commands\":7}");
  api_answer(&scene.api, "GET " TOOLBOX "/files/info", 200, "{\"name\":\"a\",\"size\":\"big\"}");
  api_answer(&scene.api, "GET /api/sandbox/x", 200, "{\"id\":\"x\",\"cpu\":\"two\"}");
  api_fails(daytona_session_get(scene.sandbox, "s", NULL), DAYTONA_EPROTOCOL);
  api_fails(daytona_fs_get_file_info(scene.sandbox, "a", NULL), DAYTONA_EPROTOCOL);
  api_fails(daytona_sandbox_get(scene.api.client, "x", NULL), DAYTONA_EPROTOCOL);
  assert_string_equal(logged, "");
}

/* --- sandboxes ---------------------------------------------------------------------------------- */

#define BAD "{\"id\":\"sick\",\"state\":\"started\",\"cpu\":\"two\"}"
static const char paged[] = "GET /api/sandbox/paginated";

static void a_page_and_an_iterator_go_on(void **state) {
  char body[2048], ids[8] = "";
  daytona_sandbox_iter_t *iter = NULL;
  snprintf(body, sizeof body, "{\"items\":[%s," BAD ",{\"id\":\"\"},%s],\"total\":4,\"nextCursor\":\"c\"}",
           api_sandbox_json(&scene.api, "a", "started", ""),
           api_sandbox_json(&scene.api, "b", "started", ""));
  api_answer(&scene.api, paged, 200, body);
  daytona_future_t *future = api_must(daytona_sandbox_list(scene.api.client, NULL));
  assert_int_equal(daytona_future_sandbox_page(future)->count, 2);
  assert_int_equal(daytona_future_sandbox_page(future)->total, 4);
  assert_int_equal(daytona_future_skipped_count(future), 2);
  assert_non_null(
    strstr(logged,
           "sandbox_list: left out 2 of the records, which cannot be read; the first is \"sick\": "
           "items[1].cpu: expected a number, got a string"));
  daytona_future_release(future);

  api_answer(&scene.api, "GET /api/sandbox", 200, body);
  api_answer(&scene.api, "GET /api/sandbox", 200, "{\"items\":[" BAD "]}");
  assert_int_equal(daytona_sandbox_iter_new(scene.api.client, NULL, &iter), 0);
  for (int step = 0; step < 3; step++) {
    future = api_must(daytona_sandbox_iter_next(iter));
    if (!daytona_future_is_absent(future)) strcat(ids, daytona_sandbox_id(daytona_future_sandbox(future)));
    assert_int_equal(daytona_future_skipped_count(future), step == 0 ? 2 : step == 1 ? 0 : 1);
    daytona_future_release(future);
  }
  assert_string_equal(ids, "ab");
  daytona_sandbox_iter_release(iter);
}

/* Its only answer being unreadable is no proof that there is none. */
static void a_search_does_not_take_it_for_absent(void **state) {
  api_answer(&scene.api, paged, 200, "{\"items\":[" BAD "]}");
  api_fails(daytona_sandbox_find_one(scene.api.client, NULL), DAYTONA_EPROTOCOL);
  assert_non_null(strstr(logged, "\"sick\""));
}

static void a_bad_volume_costs_no_sandbox(void **state) {
  char body[1024];
  snprintf(body, sizeof body, "%s",
           api_sandbox_json(&scene.api, "a", "started",
                            ",\"volumes\":[{\"volumeId\":\"v\",\"mountPath\":\"/v\"},{\"volumeId\":{}}]"));
  api_answer(&scene.api, "GET /api/sandbox/a", 200, body);
  daytona_future_t *future = api_must(daytona_sandbox_get(scene.api.client, "a", NULL));
  assert_int_equal(daytona_sandbox_info(daytona_future_sandbox(future))->volume_count, 1);
  assert_int_equal(daytona_future_skipped_count(future), 1);
  daytona_future_release(future);
}

/* A server that quotes the key as an id does not bring it into the log. */
static void no_secret_is_logged(void **state) {
  char body[256];
  snprintf(body, sizeof body, "{\"items\":[{\"id\":\"%s\",\"cpu\":\"two\"}]}", scene.api.config.api_key);
  api_answer(&scene.api, paged, 200, body);
  daytona_future_release(api_must(daytona_sandbox_list(scene.api.client, NULL)));
  assert_non_null(strstr(logged, "left out 1"));
  assert_null(strstr(logged, scene.api.config.api_key));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_scene, close_scene)

int main(void) {
  const struct CMUnitTest tests[] = {
    TEST(every_list_keeps_what_can_be_read), TEST(an_object_that_cannot_be_read_fails),
    TEST(a_page_and_an_iterator_go_on),      TEST(a_search_does_not_take_it_for_absent),
    TEST(a_bad_volume_costs_no_sandbox),     TEST(no_secret_is_logged),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
