/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Language servers against daytona-local: pylsp, which is skipped where it is not installed.
 */
#include <string.h>
#include <unistd.h>

#include "support/check.h"
#include "support/session.h"

#define PROJECT "/home/daytona/project"
#define MAIN PROJECT "/main.py"

static const char main_text[] =
  "import os\n\nclass Stack:\n    def push(self, item):\n        return item\n\ns = "
  "Stack()\ns.\nos.path.jo\n";

static session_t shared;
static daytona_sandbox_t *sandbox;
static bool has_pylsp;

static void put(const char *path, const char *text) {
  daytona_future_release(api_must(daytona_fs_upload(sandbox, text, strlen(text), path, NULL)));
}

static int open_shared(void **state) {
  session_open(&shared, NULL);
  sandbox = session_sandbox(&shared, NULL);
  put(MAIN, main_text);
  put(PROJECT
      "/lib/gr\xc3\xb6\xc3\x9f"
      "e.py",
      "def measure():\n    return 1\n");
  daytona_future_t *future = api_must(daytona_process_exec(sandbox, "command -v pylsp", NULL));
  has_pylsp = daytona_future_exec_result(future)->exit_code == 0;
  daytona_future_release(future);
  return 0;
}

static int close_shared(void **state) {
  session_delete(sandbox);
  session_close(&shared);
  return 0;
}

static daytona_lsp_t *server_of(const char *language, const char *project) {
  daytona_lsp_t *lsp;
  assert_int_equal(daytona_lsp_new(sandbox, language, project, &lsp), 0);
  return lsp;
}

static daytona_lsp_t *started(const char *project) {
  daytona_lsp_t *lsp = server_of("python", project);
  daytona_future_release(api_must(daytona_lsp_start(lsp, NULL)));
  return lsp;
}

static void stop(daytona_lsp_t *lsp) {
  daytona_future_release(api_must(daytona_lsp_stop(lsp, NULL)));
  daytona_lsp_release(lsp);
}

static const daytona_lsp_symbol_t *symbol_of(daytona_future_t *future, const char *name) {
  const daytona_lsp_symbol_list_t *list = daytona_future_lsp_symbol_list(api_must(future));
  for (size_t i = 0; i < list->count; i++)
    if (strcmp(list->items[i]->name, name) == 0) return list->items[i];
  fail_msg("no symbol %s", name);
  return NULL;
}

static void files_have_symbols_and_completions(void **state) {
  if (!has_pylsp) skip();
  daytona_lsp_t *lsp = started(PROJECT);
  daytona_future_release(api_must(daytona_lsp_did_open(lsp, MAIN, NULL)));
  daytona_future_t *future = daytona_lsp_document_symbols(lsp, MAIN, NULL);
  const daytona_lsp_symbol_t *stack = symbol_of(future, "Stack");
  assert_int_equal(stack->kind, 5);
  assert_string_equal(stack->location.uri, "file://" MAIN);
  assert_int_equal(stack->location.range.start.line, 2);
  daytona_future_release(future);
  future = api_must(daytona_lsp_completions(lsp, MAIN, 8, 10, NULL));
  const daytona_lsp_completion_list_t *list = daytona_future_lsp_completion_list(future);
  assert_int_equal(list->count, 1);
  assert_string_equal(list->items[0]->insert_text, "join");
  assert_int_equal(list->items[0]->kind, 3);
  daytona_future_release(future);
  const daytona_lsp_completions_opts_t dot = {.trigger_character = "."};
  future = api_must(daytona_lsp_completions(lsp, MAIN, 7, 2, &dot));
  assert_true(daytona_future_lsp_completion_list(future)->count > 1);
  daytona_future_release(future);
  daytona_future_release(api_must(daytona_lsp_completions(lsp, MAIN, 0, 0, NULL)));
  daytona_future_release(api_must(daytona_lsp_did_close(lsp, MAIN, NULL)));
  stop(lsp);
}

static void projects_have_symbols(void **state) {
  if (!has_pylsp) skip();
  daytona_lsp_t *lsp = started(PROJECT);
  daytona_future_t *future = daytona_lsp_sandbox_symbols(lsp, "measure", NULL);
  assert_string_equal(symbol_of(future, "measure")->location.uri, "file://" PROJECT
                                                                  "/lib/gr\xc3\xb6\xc3\x9f"
                                                                  "e.py");
  daytona_future_release(future);
  future = daytona_lsp_workspace_symbols(lsp, "PUSH", NULL);
  assert_int_equal(symbol_of(future, "push")->location.range.start.line, 3);
  daytona_future_release(future);
  future = api_must(daytona_lsp_sandbox_symbols(lsp, "nothing_of_that_name", NULL));
  assert_int_equal(daytona_future_lsp_symbol_list(future)->count, 0);
  daytona_future_release(future);
  stop(lsp);
}

static void requests_run_at_once_and_can_be_cancelled(void **state) {
  daytona_future_t *futures[16];
  if (!has_pylsp) skip();
  daytona_lsp_t *lsp = started(PROJECT);
  for (size_t i = 0; i < 16; i++) futures[i] = daytona_lsp_document_symbols(lsp, MAIN, NULL);
  daytona_future_cancel(futures[3]);
  for (size_t i = 0; i < 16; i++) {
    if (i == 3) {
      api_fails_as(futures[i], DAYTONA_ECANCELED);
      continue;
    }
    assert_non_null(symbol_of(futures[i], "Stack"));
    daytona_future_release(futures[i]);
  }
  stop(lsp);
}

static void a_server_that_was_killed_is_started_again(void **state) {
  if (!has_pylsp) skip();
  daytona_lsp_t *lsp = started(PROJECT);
  /* One that is no zombie any more was seen by the toolbox. */
  session_expect(
    sandbox, "pkill -KILL -f '[p]ylsp'; while pgrep -f '[p]ylsp' >/dev/null; do sleep 0.05; done", 0, NULL);
  api_fails_as(daytona_lsp_did_open(lsp, MAIN, NULL), DAYTONA_ELSP_NOT_INITIALIZED);
  daytona_future_release(api_must(daytona_lsp_start(lsp, NULL)));
  daytona_future_release(api_must(daytona_lsp_did_open(lsp, MAIN, NULL)));
  stop(lsp);
}

static void errors_have_their_kinds(void **state) {
  daytona_lsp_t *lsp = server_of("python", "/no/such/folder"), *other = server_of("cobol", PROJECT);
  api_fails_as(daytona_lsp_did_open(lsp, MAIN, NULL), DAYTONA_ELSP_NOT_INITIALIZED);
  api_fails_as(daytona_lsp_did_close(lsp, MAIN, NULL), DAYTONA_ELSP_NOT_INITIALIZED);
  api_fails_as(daytona_lsp_document_symbols(lsp, MAIN, NULL), DAYTONA_ELSP_NOT_INITIALIZED);
  api_fails_as(daytona_lsp_sandbox_symbols(lsp, "x", NULL), DAYTONA_ELSP_NOT_INITIALIZED);
  api_fails_as(daytona_lsp_completions(lsp, MAIN, 0, 0, NULL), DAYTONA_ELSP_NOT_INITIALIZED);
  api_fails_as(daytona_lsp_stop(lsp, NULL), DAYTONA_EINTERNAL);
  api_fails_as(daytona_lsp_start(lsp, NULL), DAYTONA_EINTERNAL);
  api_fails_as(daytona_lsp_start(other, NULL), DAYTONA_EINVAL);
  daytona_lsp_release(other);
  daytona_lsp_release(lsp);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(files_have_symbols_and_completions),
    cmocka_unit_test(projects_have_symbols),
    cmocka_unit_test(requests_run_at_once_and_can_be_cancelled),
    cmocka_unit_test(a_server_that_was_killed_is_started_again),
    cmocka_unit_test(errors_have_their_kinds),
  };
  return cmocka_run_group_tests(tests, open_shared, close_shared);
}
