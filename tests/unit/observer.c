/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What observers hear: every operation's beginning and end, every attempt, every socket; once each, whatever happens,
 * and never a secret. The lines of the log are made of the same.
 */
#include "call/observer.h"

#include <stdio.h>
#include <string.h>

#include "support/api_scene.h"
#include "support/check.h"
#include "support/stream_scene.h"

enum { KEPT = 64 };

typedef struct heard {
  daytona__observer_t observer; /* first */
  int begun, ended, requests, opened, sockets;
  daytona__op_event_t op[KEPT];
  char op_name[KEPT][64], op_sandbox[KEPT][64];
  daytona__request_event_t request[KEPT];
  daytona__socket_event_t socket[KEPT];
  char socket_sandbox[64];
} heard_t;

static heard_t heard;
static stream_scene_t scene;

static void on_begun(daytona__observer_t *self, const daytona__op_event_t *event) {
  heard.begun++;
  assert_true(event->origin.id != 0 && event->origin.name != NULL);
}

static void on_ended(daytona__observer_t *self, const daytona__op_event_t *event) {
  int i = heard.ended++;
  assert_true(i < KEPT && heard.begun >= heard.ended);
  heard.op[i] = *event;
  snprintf(heard.op_name[i], sizeof heard.op_name[i], "%s", event->origin.name);
  snprintf(heard.op_sandbox[i], sizeof heard.op_sandbox[i], "%s",
           event->origin.sandbox != NULL ? event->origin.sandbox : "-");
}

static void on_request(daytona__observer_t *self, const daytona__request_event_t *event) {
  assert_true(heard.requests < KEPT);
  heard.request[heard.requests++] = *event;
}

static void on_opened(daytona__observer_t *self, const daytona__socket_event_t *event) { heard.opened++; }

static void on_socket(daytona__observer_t *self, const daytona__socket_event_t *event) {
  assert_true(heard.sockets < KEPT);
  snprintf(heard.socket_sandbox, sizeof heard.socket_sandbox, "%s", event->origin.sandbox);
  heard.socket[heard.sockets++] = *event;
}

static int open_scene(void **state) {
  memset(&heard, 0, sizeof heard);
  heard.observer = (daytona__observer_t){.op_begun = on_begun,
                                         .op_ended = on_ended,
                                         .request_ended = on_request,
                                         .socket_opened = on_opened,
                                         .socket_ended = on_socket};
  stream_open_bare(&scene);
  api_scene_client(&scene.api);
  daytona__client_observe(scene.api.client, &heard.observer);
  scene.sandbox = api_sandbox(&scene.api, "sb-1", "started");
  heard.begun = heard.ended = heard.requests = 0; /* the sandbox was got */

  return 0;
}

static int close_scene(void **state) {
  stream_close(&scene);
  assert_int_equal(heard.begun, heard.ended);
  assert_true(heard.opened <= heard.sockets);
  return 0;
}

/* --- operations --------------------------------------------------------------------------------- */

static void expect_op(int i, const char *name, const char *sandbox, daytona_errcode_t code, int status,
                      unsigned requests) {
  assert_true(i < heard.ended);
  assert_string_equal(heard.op_name[i], name);
  assert_string_equal(heard.op_sandbox[i], sandbox);
  assert_int_equal(heard.op[i].code, code);
  assert_int_equal(heard.op[i].http_status, status);
  assert_int_equal(heard.op[i].requests, requests);
  assert_true(requests == 0 || code == DAYTONA_ECANCELED || heard.op[i].sent_bytes > 5);
  assert_true(heard.op[i].duration_us >= 0);
  assert_int_equal(heard.op[i].origin.id, heard.op[0].origin.id + (uint64_t)i);
}

static void an_operation_is_named_and_has_its_outcome(void **state) {
  api_scene_t *api = &scene.api;
  api_answer(api, "POST /toolbox/sb-1/files/move", 200, "");
  api_answer(api, "POST /api/sandbox", 200, api_sandbox_json(api, "sb-2", "started", ""));
  api_done(daytona_fs_move_files(scene.sandbox, "a", "b", NULL));
  api_done(daytona_sandbox_create(api->client, NULL));
  api_fails(daytona_sandbox_get(api->client, "none", NULL), DAYTONA_ENOTFOUND);
  api_fails(daytona_process_exec(scene.sandbox, " ", NULL), DAYTONA_EINVAL);
  expect_op(0, "fs_move_files", "sb-1", DAYTONA_OK, 0, 1);
  expect_op(1, "sandbox_create", "sb-2", DAYTONA_OK, 0, 1);
  expect_op(2, "sandbox_get", "-", DAYTONA_ENOTFOUND, 404, 1);
  expect_op(3, "process_exec", "sb-1", DAYTONA_EINVAL, 0, 0);
}

/* Functions that share what makes their operation. */
static void every_function_has_its_own_name(void **state) {
  static const char *const names[] = {"fs_upload",
                                      "fs_upload_file",
                                      "fs_upload_file_stream",
                                      "fs_upload_files",
                                      "fs_download",
                                      "fs_download_file",
                                      "fs_download_file_stream",
                                      "fs_download_files",
                                      "process_code_run",
                                      "sandbox_start",
                                      "sandbox_stop",
                                      "pty_create",
                                      "pty_connect",
                                      "session_follow",
                                      "interpreter_run_code",
                                      "git_get_status",
                                      "sandbox_list",
                                      "sandbox_find_one"};
  daytona_sandbox_t *sb = scene.sandbox;
  daytona_client_t *client = scene.api.client;
  const daytona_sandbox_find_one_opts_t by_name = {.id_or_name = "x"};
  const daytona_fs_upload_item_t up = {0};
  const daytona_fs_download_item_t down = {0};
  daytona_future_t *futures[] = {daytona_fs_upload(sb, "", 0, NULL, NULL),
                                 daytona_fs_upload_file(sb, NULL, NULL, NULL),
                                 daytona_fs_upload_file_stream(sb, NULL, NULL, NULL, NULL),
                                 daytona_fs_upload_files(sb, &up, 1, NULL),
                                 daytona_fs_download(sb, NULL, NULL),
                                 daytona_fs_download_file(sb, NULL, NULL, NULL),
                                 daytona_fs_download_file_stream(sb, NULL, NULL, NULL, NULL),
                                 daytona_fs_download_files(sb, &down, 1, NULL),
                                 daytona_process_code_run(sb, NULL, NULL),
                                 daytona_sandbox_start(sb, NULL),
                                 daytona_sandbox_stop(sb, NULL),
                                 daytona_pty_create(sb, &(daytona_pty_create_opts_t){.id = ""}),
                                 daytona_pty_connect(sb, NULL, NULL),
                                 daytona_session_follow(sb, NULL, NULL, NULL),
                                 daytona_interpreter_run_code(sb, NULL, NULL),
                                 daytona_git_get_status(sb, NULL, NULL),
                                 daytona_sandbox_list(client, NULL),
                                 daytona_sandbox_find_one(client, &by_name)};
  enum { COUNT = sizeof names / sizeof names[0] };
  assert_int_equal(sizeof futures / sizeof futures[0], COUNT);
  for (int i = 0; i < COUNT; i++) {
    daytona_future_cancel(futures[i]);
    daytona_future_release(futures[i]);
  }
  api_settle(&scene.api);
  assert_int_equal(heard.ended, COUNT);
  for (int i = 0; i < COUNT; i++) {
    bool is_there = false;
    for (int k = 0; k < COUNT; k++) is_there |= strcmp(heard.op_name[k], names[i]) == 0;
    if (!is_there) fail_msg("nobody heard of %s", names[i]);
  }
}

static void what_ends_an_operation_from_outside_is_its_outcome(void **state) {
  api_answer(&scene.api, "GET /api/sandbox/x", 0, api_silence);
  daytona_future_t *future = daytona_sandbox_get(scene.api.client, "x", NULL);
  api_until_requests(&scene.api, 1);
  daytona_future_cancel(future);
  api_fails(future, DAYTONA_ECANCELED);
  expect_op(0, "sandbox_get", "-", DAYTONA_ECANCELED, 0, 1);
  assert_int_equal(heard.request[0].code, DAYTONA_ECANCELED);
  future = daytona_sandbox_get(scene.api.client, "x", NULL);
  api_until_requests(&scene.api, 2);
  api_scene_close_client(&scene.api);
  api_fails(future, DAYTONA_ECLOSED);
  expect_op(1, "sandbox_get", "-", DAYTONA_ECLOSED, 0, 1);
}

/* --- requests ----------------------------------------------------------------------------------- */

static void every_attempt_is_heard(void **state) {
  api_scene_t *api = &scene.api;
  char host[64];
  snprintf(host, sizeof host, "127.0.0.1:%d", api->peer.port);
  api_answer(api, "GET /api/sandbox/x", 0, api_break); /* libcurl itself tries a pooled connection again */
  api_answer(api, "GET /api/sandbox/x", 0, api_break);
  api_answer(api, "GET /api/sandbox/x", 500, "{\"message\":\"no\"}");
  api_answer(api, "GET /api/sandbox/x", 200, api_sandbox_json(api, "x", "started", ""));
  daytona_future_t *future = daytona_sandbox_get(api->client, "x", NULL);
  api_hurry(api, future, 500);
  daytona_future_release(future);
  api_done(daytona_sandbox_get(api->client, "x", NULL));
  const daytona__request_event_t *first = &heard.request[0], *last = &heard.request[heard.requests - 1];
  assert_int_equal(first->code, DAYTONA_ECONNECTION);
  assert_int_equal(first->status, 0);
  assert_int_equal(first->attempt, 1);
  assert_non_null(first->message);
  assert_string_equal(first->place.method, "GET");
  assert_string_equal(first->place.host, host);
  assert_string_equal(first->place.path, "/api/sandbox/x");
  assert_int_equal(heard.request[1].attempt, 2);
  assert_int_equal(heard.request[1].status, 500);
  assert_int_equal(heard.op[0].requests, 2);
  assert_int_equal(last->status, 200);
  assert_true(last->code == DAYTONA_OK && last->is_reused && last->received_bytes > 50);
  assert_true(first->duration_us >= 0 && last->sent_bytes > 100);
}

static void secrets_are_in_no_path(void **state) {
  api_scene_t *api = &scene.api;
  api_fails(daytona_sandbox_expire_signed_preview_url(scene.sandbox, 80, "t0ken/x", NULL), DAYTONA_ENOTFOUND);
  assert_string_equal(heard.request[0].place.path,
                      "/api/sandbox/sb-1/ports/80/signed-preview-url/***/expire");
  api_fails(daytona_sandbox_revoke_ssh_access(scene.sandbox, "t0ken", NULL), DAYTONA_ENOTFOUND);
  assert_string_equal(heard.request[1].place.path, "/api/sandbox/sb-1/ssh-access"); /* it was in the query */
  api_fails(daytona_session_get(scene.sandbox, "a/b", NULL), DAYTONA_ENOTFOUND);
  assert_string_equal(heard.request[2].place.path, "/toolbox/sb-1/process/session/a%2Fb");
  /* What a redirect points at may have one anywhere. */
  api_answer_with(api, "GET /api/sandbox/r", 302, "Location: /store/t0ken?sig=t0ken\r\n", "");
  api_fails(daytona_sandbox_get(api->client, "r", NULL), DAYTONA_ENOTFOUND);
  assert_string_equal(heard.request[3].place.path, "/api/sandbox/r");
  assert_int_equal(heard.request[3].status, 302);
  assert_string_equal(heard.request[4].place.path, "/***");
}

/* --- sockets ------------------------------------------------------------------------------------ */

static void a_run_has_a_socket(void **state) {
  stream_script_t script = {0};
  static const char text[] = "{\"type\":\"stdout\",\"text\":\"x\"}";
  stream_frame(&script, 1, text, sizeof text - 1);
  stream_close_frame(&script, 1000, "");
  stream_play(&scene, &script, script.size, STREAM_STAYS);
  api_done(daytona_interpreter_run_code(scene.sandbox, "1", NULL));
  assert_int_equal(heard.opened, 1);
  assert_int_equal(heard.sockets, 1);
  const daytona__socket_event_t *socket = &heard.socket[0];
  assert_true(socket->was_open && socket->code == DAYTONA_OK && socket->close_code == 1000);
  assert_int_equal(socket->received_bytes, sizeof text - 1);
  assert_true(socket->sent_bytes > 5);
  assert_string_equal(socket->place.path, "/toolbox/sb-1/process/interpreter/execute");
  assert_int_equal(socket->origin.id, heard.op[0].origin.id);
  expect_op(0, "interpreter_run_code", "sb-1", DAYTONA_OK, 0, 1);
  stream_script_clear(&script);
}

static void a_terminals_socket_outlives_its_operation(void **state) {
  stream_script_t script = {0};
  stream_frame(&script, 1, "{\"type\":\"control\",\"status\":\"connected\"}", 39);
  stream_play(&scene, &script, script.size, STREAM_STAYS);
  daytona_future_t *future = api_must(daytona_pty_connect(scene.sandbox, "t", NULL));
  assert_int_equal(heard.ended, 1);
  assert_int_equal(heard.opened, 1);
  assert_int_equal(heard.sockets, 0);
  daytona_future_release(future); /* and the terminal */
  assert_int_equal(heard.sockets, 1);
  assert_int_equal(heard.socket[0].code, DAYTONA_ECANCELED);
  assert_string_equal(heard.socket_sandbox, "sb-1");
  assert_int_equal(heard.socket[0].origin.id, heard.op[0].origin.id);
  stream_script_clear(&script);
}

static void a_refused_socket_has_the_status(void **state) {
  scene.refusal = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
  api_fails(daytona_interpreter_run_code(scene.sandbox, "1", NULL), DAYTONA_ENOTFOUND);
  assert_int_equal(heard.opened, 0);
  assert_int_equal(heard.sockets, 1);
  assert_false(heard.socket[0].was_open);
  assert_int_equal(heard.socket[0].status, 404);
}

/* --- the log ------------------------------------------------------------------------------------ */

static char logged[16384];

static void on_log(daytona_log_level_t level, const char *line, void *user) {
  size_t size = strlen(logged);
  snprintf(logged + size, sizeof logged - size, "%d %s\n", (int)level, line);
}

static void the_log_has_a_line_for_each(void **state) {
  (void)state;
  char begin[160];
  static stream_scene_t own;
  logged[0] = '\0';
  stream_open_bare(&own);
  own.api.config.log = on_log;
  stream_client(&own);
  logged[0] = '\0';
  api_answer(&own.api, "POST /toolbox/sb-1/files/move", 200, "");
  api_done(daytona_fs_move_files(own.sandbox, "a", "b", NULL));
  api_fails(daytona_sandbox_get(own.api.client, "x", NULL), DAYTONA_ENOTFOUND);
  snprintf(begin, sizeof begin, "4 http: POST 127.0.0.1:%d/toolbox/sb-1/files/move: status 200, ",
           own.api.peer.port);
  assert_true(strncmp(logged, begin, strlen(begin)) == 0);
  assert_non_null(strstr(logged, "\n3 fs_move_files: sandbox sb-1: ok, "));
  assert_non_null(strstr(logged, "\n3 sandbox_get: DAYTONA_ENOTFOUND, status 404, "));
  assert_null(strstr(logged, "source=")); /* no query */
  stream_close(&own);
}

static void a_login_in_a_url_is_not_logged(void **state) {
  (void)state;
  static stream_scene_t own;
  char url[128];
  logged[0] = '\0';
  stream_open_bare(&own);
  snprintf(url, sizeof url, "http://user:s3cret@127.0.0.1:%d/api", own.api.peer.port);
  own.api.config.api_url = url;
  own.api.config.log = on_log;
  daytona_client_t *client = NULL;
  if (daytona_client_new(&own.api.uv, &own.api.config, &client) == 0) { /* or it is refused */
    daytona_future_t *future = daytona_sandbox_get(client, "x", NULL);
    daytona_future_await(future);
    daytona_future_release(future);
    daytona_client_release(client);
    assert_non_null(strstr(logged, "/api/sandbox/x"));
  }
  assert_null(strstr(logged, "s3cret"));
  assert_null(strstr(logged, "user:"));
  own.api.config.api_url = own.api.api_url;
  stream_client(&own);
  stream_close(&own);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_scene, close_scene)

int main(void) {
  const struct CMUnitTest tests[] = {
    TEST(an_operation_is_named_and_has_its_outcome),
    TEST(every_function_has_its_own_name),
    TEST(what_ends_an_operation_from_outside_is_its_outcome),
    TEST(every_attempt_is_heard),
    TEST(secrets_are_in_no_path),
    TEST(a_run_has_a_socket),
    TEST(a_terminals_socket_outlives_its_operation),
    TEST(a_refused_socket_has_the_status),
    cmocka_unit_test(the_log_has_a_line_for_each),
    cmocka_unit_test(a_login_in_a_url_is_not_logged),
  };
  return cmocka_run_group_tests_name("observer", tests, NULL, NULL);
}
