/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Language servers: what is sent for each call, what symbols and completions become, and recorded exchanges.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/api_scene.h"
#include "support/check.h"
#include "support/misuse.h"
#include "support/recorded.h"
#include "support/same_json.h"

#define START "POST /toolbox/sb-1/lsp/start"
#define COMPLETIONS "POST /toolbox/sb-1/lsp/completions"
#define DOCUMENT "GET /toolbox/sb-1/lsp/document-symbols"
#define WORKSPACE "GET /toolbox/sb-1/lsp/workspacesymbols"
#define SERVER "\"languageId\":\"python\",\"pathToProject\":\"/home/daytona/p\""

typedef struct room {
  api_scene_t scene;
  daytona_sandbox_t *sandbox;
  daytona_lsp_t *lsp;
} room_t;

static void room_open(room_t *room) {
  room->sandbox = api_open_with(&room->scene, "started");
  assert_int_equal(daytona_lsp_new(room->sandbox, "python", "/home/daytona/p", &room->lsp), 0);
}

static void room_close(room_t *room) {
  daytona_lsp_release(room->lsp);
  api_close_with(&room->scene, room->sandbox);
}

static void object_holds_what_it_was_made_with(void **state) {
  (void)state;
  char language[] = "python", project[] = "/p";
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  daytona_lsp_t *lsp = NULL;
  assert_int_equal(daytona_lsp_new(sandbox, language, project, &lsp), 0);
  language[0] = project[0] = 'x';
  assert_string_equal(daytona_lsp_language(lsp), "python");
  assert_string_equal(daytona_lsp_project(lsp), "/p");
  assert_ptr_equal(daytona_lsp_sandbox(lsp), sandbox);
  assert_ptr_equal(daytona_lsp_retain(lsp), lsp);
  daytona_lsp_release(lsp);
  daytona_sandbox_release(sandbox); /* the object keeps it */
  assert_int_equal(scene.request_count, 0);
  api_answer(&scene, START, 200, "");
  daytona_future_t *future = daytona_lsp_start(lsp, NULL);
  daytona_lsp_release(lsp); /* and the call keeps what it needs */
  api_done(future);
  api_scene_close(&scene);
}

static void object_is_not_made_of_bad_arguments(void **state) {
  (void)state;
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  daytona_lsp_t *lsp = NULL;
  assert_int_equal(daytona_lsp_new(NULL, "python", "/p", &lsp), DAYTONA_EINVAL);
  assert_int_equal(daytona_lsp_new(sandbox, NULL, "/p", &lsp), DAYTONA_EINVAL);
  assert_int_equal(daytona_lsp_new(sandbox, "", "/p", &lsp), DAYTONA_EINVAL);
  assert_int_equal(daytona_lsp_new(sandbox, "python", "", &lsp), DAYTONA_EINVAL);
  assert_int_equal(daytona_lsp_new(sandbox, "python", "/\xff", &lsp), DAYTONA_EINVAL);
  assert_int_equal(daytona_lsp_new(sandbox, "python", "/p", NULL), DAYTONA_EINVAL);
  assert_null(lsp);
  assert_null(daytona_lsp_retain(NULL));
  assert_null(daytona_lsp_sandbox(NULL));
  assert_null(daytona_lsp_language(NULL));
  assert_null(daytona_lsp_project(NULL));
  daytona_lsp_release(NULL);
  api_fails(daytona_lsp_start(NULL, NULL), DAYTONA_EINVAL);
  api_fails(daytona_lsp_did_open(NULL, "/p", NULL), DAYTONA_EINVAL);
  api_close_with(&scene, sandbox);
}

static void every_request_names_the_server(void **state) {
  (void)state;
  room_t room;
  room_open(&room);
  api_answer(&room.scene, START, 200, "");
  api_answer(&room.scene, "POST /toolbox/sb-1/lsp/stop", 200, "");
  api_answer(&room.scene, "POST /toolbox/sb-1/lsp/did-open", 200, "");
  api_answer(&room.scene, "POST /toolbox/sb-1/lsp/did-close", 200, "");
  api_done(daytona_lsp_start(room.lsp, NULL));
  api_done(daytona_lsp_did_open(room.lsp, "/home/daytona/p/a b.py", NULL));
  api_done(daytona_lsp_did_close(room.lsp, "src/main.py", NULL));
  api_done(daytona_lsp_stop(room.lsp, NULL));
  assert_same_json(api_body_of(room.scene.requests[0]), "{" SERVER "}");
  assert_same_json(api_body_of(room.scene.requests[1]),
                   "{" SERVER ",\"uri\":\"file:///home/daytona/p/a b.py\"}");
  assert_same_json(api_body_of(room.scene.requests[2]), "{" SERVER ",\"uri\":\"file://src/main.py\"}");
  assert_same_json(api_body_of(room.scene.requests[3]), "{" SERVER "}");
  room_close(&room);
}

static void symbols_have_ranges(void **state) {
  (void)state;
  room_t room;
  room_open(&room);
  api_answer(&room.scene, DOCUMENT, 200,
             "[{\"kind\":5,\"name\":\"Stack\",\"location\":{\"uri\":\"file:///p/s.py\",\"range\":{\"start\":"
             "{\"line\":2,\"character\":4},\"end\":{\"line\":8,\"character\":1}}},\"containerName\":\"m\"},"
             "{\"name\":\"bare\"}]");
  daytona_future_t *future = api_must(daytona_lsp_document_symbols(room.lsp, "/p/s.py", NULL));
  const daytona_lsp_symbol_list_t *list = daytona_future_lsp_symbol_list(future);
  assert_int_equal(list->count, 2);
  const daytona_lsp_symbol_t *symbol = list->items[0];
  assert_string_equal(symbol->name, "Stack");
  assert_int_equal(symbol->kind, 5);
  assert_string_equal(symbol->location.uri, "file:///p/s.py");
  assert_int_equal(symbol->location.range.start.line, 2);
  assert_int_equal(symbol->location.range.start.character, 4);
  assert_int_equal(symbol->location.range.end.line, 8);
  assert_int_equal(symbol->location.range.end.character, 1);
  assert_string_equal(symbol->container_name, "m");
  assert_string_equal(list->items[1]->name, "bare");
  assert_null(list->items[1]->location.uri);
  assert_string_equal(api_line_of(room.scene.requests[0]), DOCUMENT
                      "?languageId=python&pathToProject=/home/daytona/p"
                      "&uri=file%3A///p/s.py");
  assert_wrong_accessor(daytona_future_lsp_completion_list(future));
  daytona_future_release(future);
  room_close(&room);
}

static void no_symbols_are_an_empty_list(void **state) {
  (void)state;
  static const char *const answers[] = {"null", "[]"};
  for (int i = 0; i < 2; i++) {
    room_t room;
    room_open(&room);
    api_answer(&room.scene, WORKSPACE, 200, answers[i]);
    daytona_future_t *future = api_must(daytona_lsp_sandbox_symbols(room.lsp, "a b", NULL));
    assert_int_equal(daytona_future_lsp_symbol_list(future)->count, 0);
    daytona_future_release(future);
    api_done(daytona_lsp_workspace_symbols(room.lsp, "a b", NULL));
    for (int n = 0; n < 2; n++)
      assert_string_equal(api_line_of(room.scene.requests[n]),
                          WORKSPACE "?query=a%20b&languageId=python&pathToProject=/home/daytona/p");
    room_close(&room);
  }
}

static const char every_member[] =
  "{\"isIncomplete\":true,\"items\":[{\"label\":\"join\",\"kind\":3,\"detail\":\"d\",\"documentation\":"
  "\"t\\u00fc"
  "\",\"sortText\":\"s\",\"filterText\":\"f\",\"insertText\":\"i\",\"insertTextFormat\":2,\"insertTextMode\":"
  "1,"
  "\"preselect\":false,\"deprecated\":true,\"labelDetails\":{\"detail\":\"ld\",\"description\":\"lx\"},"
  "\"commitCharacters\":[\".\",\"(\"],\"textEditText\":\"tt\",\"textEdit\":{\"newText\":\"n\"},"
  "\"additionalTextEdits\":[{\"newText\":\"m\"}],\"command\":{\"title\":\"c\"},\"tags\":[1],\"data\":{\"a\":"
  "5}},"
  "{\"label\":\"x\",\"documentation\":{\"kind\":\"markdown\",\"value\":\"**b**\"}},"
  "{\"label\":\"y\",\"documentation\":[1,2]},{\"label\":\"z\",\"documentation\":{\"value\":7}}]}";

static void completions_have_every_member(void **state) {
  (void)state;
  room_t room;
  room_open(&room);
  api_answer(&room.scene, COMPLETIONS, 200, every_member);
  daytona_future_t *future = api_must(daytona_lsp_completions(room.lsp, "/p/s.py", 0, 3, NULL));
  const daytona_lsp_completion_list_t *list = daytona_future_lsp_completion_list(future);
  assert_true(list->is_incomplete);
  assert_int_equal(list->count, 4);
  const daytona_lsp_completion_t *item = list->items[0];
  assert_string_equal(item->label, "join");
  assert_int_equal(item->kind, 3);
  assert_string_equal(item->detail, "d");
  assert_string_equal(item->documentation, "t\xc3\xbc");
  assert_null(item->documentation_kind);
  assert_string_equal(item->sort_text, "s");
  assert_string_equal(item->filter_text, "f");
  assert_string_equal(item->insert_text, "i");
  assert_int_equal(item->insert_text_format.value, 2);
  assert_int_equal(item->insert_text_mode.value, 1);
  assert_true(item->preselect.is_set && !item->preselect.value);
  assert_true(item->deprecated.is_set && item->deprecated.value);
  assert_string_equal(item->label_details.detail, "ld");
  assert_string_equal(item->label_details.description, "lx");
  assert_int_equal(item->commit_characters.count, 2);
  assert_string_equal(item->text_edit_text, "tt");
  assert_string_equal(item->text_edit_json, "{\"newText\":\"n\"}");
  assert_string_equal(item->additional_text_edits_json, "[{\"newText\":\"m\"}]");
  assert_string_equal(item->command_json, "{\"title\":\"c\"}");
  assert_string_equal(item->tags_json, "[1]");
  assert_string_equal(item->data_json, "{\"a\":5}");
  assert_string_equal(list->items[1]->documentation, "**b**");
  assert_string_equal(list->items[1]->documentation_kind, "markdown");
  assert_null(list->items[2]->documentation);
  assert_string_equal(list->items[2]->documentation_json, "[1,2]");
  assert_null(list->items[3]->documentation);
  assert_same_json(api_body_of(room.scene.requests[0]),
                   "{" SERVER ",\"uri\":\"file:///p/s.py\",\"position\":{\"line\":0,\"character\":3}}");
  daytona_future_release(future);
  room_close(&room);
}

static void completions_report_how_they_were_triggered(void **state) {
  (void)state;
  static const struct {
    daytona_lsp_completions_opts_t opts;
    const char *context;
  } rows[] = {{{.trigger_character = "."}, "{\"triggerKind\":2,\"triggerCharacter\":\".\"}"},
              {{.trigger_kind = {true, 1}}, "{\"triggerKind\":1}"},
              {{.trigger_kind = {true, 3}, .trigger_character = "x"},
               "{\"triggerKind\":3,\"triggerCharacter\":\"x\"}"}};
  room_t room;
  room_open(&room);
  api_answer(&room.scene, COMPLETIONS, 200, "{\"isIncomplete\":false,\"items\":null}");
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    daytona_future_t *future = api_must(daytona_lsp_completions(room.lsp, "/p", 1, 1, &rows[i].opts));
    assert_int_equal(daytona_future_lsp_completion_list(future)->count, 0);
    assert_same_json(json_at(api_body_of(room.scene.requests[i]), "context"), rows[i].context);
    daytona_future_release(future);
  }
  room_close(&room);
}

/* Longer than what is read in one turn. */
static void long_documentation_is_read_in_parts(void **state) {
  (void)state;
  enum { ITEMS = 64, TEXT = 8000 };
  room_t room;
  room_open(&room);
  char *body = malloc((size_t)ITEMS * (TEXT + 64)), *end = body;
  assert_non_null(body);
  end += sprintf(end, "{\"items\":[");
  for (int i = 0; i < ITEMS; i++)
    end += sprintf(end, "%s{\"label\":\"l%d\",\"documentation\":\"%0*d\"}", i != 0 ? "," : "", i, TEXT, i);
  sprintf(end, "]}");
  api_answer(&room.scene, COMPLETIONS, 200, body);
  daytona_future_t *future = api_must(daytona_lsp_completions(room.lsp, "/p", 1, 1, NULL));
  const daytona_lsp_completion_list_t *list = daytona_future_lsp_completion_list(future);
  assert_int_equal(list->count, ITEMS);
  for (int i = 0; i < ITEMS; i++) {
    assert_int_equal(strlen(list->items[i]->documentation), TEXT);
    assert_int_equal(atoi(list->items[i]->documentation), i);
  }
  daytona_future_release(future);
  free(body);
  room_close(&room);
}

static void refusals_without_a_body_are_typed(void **state) {
  (void)state;
  room_t room;
  room_open(&room);
  api_answer(&room.scene, START, 500, "");
  api_answer(&room.scene, DOCUMENT, 400, "");
  daytona_future_t *future = api_must_fail(daytona_lsp_start(room.lsp, NULL), DAYTONA_EINTERNAL);
  api_says(future, "Failed to start LSP server: ");
  daytona_future_release(future);
  future = api_must_fail(daytona_lsp_document_symbols(room.lsp, "/p", NULL), DAYTONA_EINVAL);
  api_says(future, "Failed to get symbols from document: ");
  daytona_future_release(future);
  room_close(&room);
}

static void bad_arguments_do_not_leave_the_client(void **state) {
  (void)state;
  static const daytona_lsp_completions_opts_t kind_0 = {.trigger_kind = {true, 0}},
                                              kind_4 = {.trigger_kind = {true, 4}},
                                              no_text = {.trigger_character = "\xff"};
  room_t room;
  room_open(&room);
  api_fails(daytona_lsp_did_open(room.lsp, NULL, NULL), DAYTONA_EINVAL);
  api_fails(daytona_lsp_did_open(room.lsp, "", NULL), DAYTONA_EINVAL);
  api_fails(daytona_lsp_did_open(room.lsp, "/\xff", NULL), DAYTONA_EINVAL);
  api_fails(daytona_lsp_did_close(room.lsp, "", NULL), DAYTONA_EINVAL);
  api_fails(daytona_lsp_document_symbols(room.lsp, "", NULL), DAYTONA_EINVAL);
  api_fails(daytona_lsp_sandbox_symbols(room.lsp, "", NULL), DAYTONA_EINVAL);
  api_fails(daytona_lsp_workspace_symbols(room.lsp, NULL, NULL), DAYTONA_EINVAL);
  api_fails(daytona_lsp_completions(room.lsp, "", 1, 1, NULL), DAYTONA_EINVAL);
  api_fails(daytona_lsp_completions(room.lsp, "/p", -1, 1, NULL), DAYTONA_EINVAL);
  api_fails(daytona_lsp_completions(room.lsp, "/p", 1, -1, NULL), DAYTONA_EINVAL);
  api_fails(daytona_lsp_completions(room.lsp, "/p", 1, 1, &kind_0), DAYTONA_EINVAL);
  api_fails(daytona_lsp_completions(room.lsp, "/p", 1, 1, &kind_4), DAYTONA_EINVAL);
  api_fails(daytona_lsp_completions(room.lsp, "/p", 1, 1, &no_text), DAYTONA_EINVAL);
  assert_int_equal(room.scene.request_count, 0);
  room_close(&room);
}

/* --- recordings -------------------------------------------------------------------------------- */

/* The value in a query of the recorder, which escapes ':' only. */
static const char *query_value(const char *target, const char *key, char *out) {
  const char *found = strstr(target, key);
  out[0] = '\0';
  if (found == NULL) return out;
  found += strlen(key);
  snprintf(out, 256, "%.*s", (int)strcspn(found, "&"), found);
  char *colon = strstr(out, "%3A");
  if (colon != NULL) {
    *colon = ':';
    memmove(colon + 1, colon + 3, strlen(colon + 3) + 1);
  }
  return out;
}

/* The call that a recorded request is of. NULL: one that this client does not send. */
static daytona_future_t *ask(daytona_sandbox_t *sandbox, const recorded_step_t *step, daytona_lsp_t **lsp) {
  char language[256], project[256], uri[256], query[256];
  const char *what = step->target + strlen("/lsp/");
  query_value(step->target, "languageId=", language);
  query_value(step->target, "pathToProject=", project);
  query_value(step->target, "uri=", uri);
  query_value(step->target, "query=", query);
  bool is_post = step->body[0] != '\0';
  const char *body_uri = is_post ? recorded_member(step, "uri") : uri;
  const char *line = is_post ? recorded_member(step, "position.line") : NULL;
  const char *character = is_post ? recorded_member(step, "position.character") : NULL;
  const char *path = body_uri != NULL && strlen(body_uri) > 7 ? body_uri + 7 : "";
  const char *kind = is_post ? recorded_member(step, "context.triggerKind") : NULL;
  const daytona_lsp_completions_opts_t opts = {
    .trigger_kind = {kind != NULL, kind != NULL ? atoi(kind) : 0},
    .trigger_character = is_post ? recorded_member(step, "context.triggerCharacter") : NULL};
  if (daytona_lsp_new(sandbox, is_post ? recorded_member(step, "languageId") : language,
                      is_post ? recorded_member(step, "pathToProject") : project, lsp) != 0)
    return NULL;
  if (strcmp(what, "start") == 0) return daytona_lsp_start(*lsp, NULL);
  if (strcmp(what, "stop") == 0) return daytona_lsp_stop(*lsp, NULL);
  if (strcmp(what, "did-open") == 0) return daytona_lsp_did_open(*lsp, path, NULL);
  if (strcmp(what, "did-close") == 0) return daytona_lsp_did_close(*lsp, path, NULL);
  if (strncmp(what, "document", 8) == 0) return daytona_lsp_document_symbols(*lsp, path, NULL);
  if (strncmp(what, "workspace", 9) == 0 && query[0] != '\0')
    return daytona_lsp_sandbox_symbols(*lsp, query, NULL);
  if (strcmp(what, "completions") == 0 && line != NULL && character != NULL)
    return daytona_lsp_completions(*lsp, path, atoi(line), atoi(character), &opts);
  return NULL;
}

static void check_symbols(const daytona_future_t *future, const char *answer) {
  const daytona_lsp_symbol_list_t *list = daytona_future_lsp_symbol_list(future);
  size_t names = 0;
  for (const char *at = answer; (at = strstr(at, "\"name\":")) != NULL; at++) names++;
  assert_int_equal(list->count, names);
  assert_int_equal(daytona_future_skipped_count(future), 0);
  for (size_t i = 0; i < list->count; i++) {
    const daytona_lsp_range_t *range = &list->items[i]->location.range;
    assert_true(list->items[i]->kind > 0);
    assert_memory_equal(list->items[i]->location.uri, "file:///", 8);
    assert_true(range->end.line > range->start.line ||
                (range->end.line == range->start.line && range->end.character > range->start.character));
  }
}

static void check_completions(const daytona_future_t *future, const char *answer) {
  const daytona_lsp_completion_list_t *list = daytona_future_lsp_completion_list(future);
  size_t labels = 0;
  for (const char *at = answer; (at = strstr(at, "\"label\":")) != NULL; at++) labels++;
  assert_int_equal(list->count, labels);
  assert_int_equal(daytona_future_skipped_count(future), 0);
  for (size_t i = 0; i < list->count; i++) {
    assert_non_null(list->items[i]->sort_text);
    assert_true(list->items[i]->kind > 0);
  }
}

/* Play one step; false: it is not a call of this client. */
static bool play(const recorded_step_t *step) {
  char line[256];
  api_scene_t scene;
  daytona_lsp_t *lsp = NULL;
  if (strncmp(step->target, "/lsp/", 5) != 0) return false;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  snprintf(line, sizeof line, "%s /toolbox/sb-1%.*s", step->verb, (int)strcspn(step->target, "?"),
           step->target);
  api_answer(&scene, line, step->status, step->answer);
  daytona_future_t *future = ask(sandbox, step, &lsp);
  if (future != NULL) {
    daytona_errcode_t code = (daytona_errcode_t)daytona_future_await(future);
    if (step->status == 200)
      assert_int_equal(code, DAYTONA_OK);
    else
      assert_int_equal(daytona_future_error(future)->http_status, step->status);
    if (step->body[0] != '\0') assert_same_json(api_body_of(scene.requests[0]), step->body);
    if (step->status == 200 && strstr(step->target, "symbols") != NULL) check_symbols(future, step->answer);
    if (step->status == 200 && strstr(step->target, "completions") != NULL)
      check_completions(future, step->answer);
    daytona_future_release(future);
  }
  daytona_lsp_release(lsp);
  api_close_with(&scene, sandbox);
  return future != NULL;
}

static void play_all(const char *name, int least) {
  int played = 0;
  for (const recorded_step_t *step = recorded_load(name); step->verb != NULL; step++) played += play(step);
  recorded_free();
  assert_true(played >= least);
}

static void recorded_python_is_understood(void **state) {
  (void)state;
  play_all("lsp-python.json", 10);
}

static void recorded_typescript_is_understood(void **state) {
  (void)state;
  play_all("lsp-typescript.json", 15);
}

static void recorded_refusals_are_understood(void **state) {
  (void)state;
  play_all("lsp-not-started.json", 6);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(object_holds_what_it_was_made_with),
    cmocka_unit_test(object_is_not_made_of_bad_arguments),
    cmocka_unit_test(every_request_names_the_server),
    cmocka_unit_test(symbols_have_ranges),
    cmocka_unit_test(no_symbols_are_an_empty_list),
    cmocka_unit_test(completions_have_every_member),
    cmocka_unit_test(completions_report_how_they_were_triggered),
    cmocka_unit_test(long_documentation_is_read_in_parts),
    cmocka_unit_test(refusals_without_a_body_are_typed),
    cmocka_unit_test(bad_arguments_do_not_leave_the_client),
    cmocka_unit_test(recorded_python_is_understood),
    cmocka_unit_test(recorded_typescript_is_understood),
    cmocka_unit_test(recorded_refusals_are_understood),
  };
  if (argc > 1) recorded_folder = argv[1];
  signal(SIGPIPE, SIG_IGN); /* the peer writes to clients that have gone */
  return cmocka_run_group_tests(tests, NULL, NULL);
}
