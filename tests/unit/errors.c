/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From an error answer to an error: the code of every status and of every code of the daemon, the message from
 * whatever the body is, and that hostile answers leave the client usable.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "call/sandbox_object.h"
#include "core/ascii.h"
#include "core/limits.h"
#include "support/api_scene.h"
#include "support/check.h"
#include "support/stream_scene.h"

static const char line[] = "GET /api/sandbox/x";
static const char prefix[] = "Failed to get sandbox: ";

static void answer(api_scene_t *scene, int status, const char *headers, const char *body) {
  api_forget(scene, line);
  api_answer_with(scene, line, status, headers, body);
}

/* The failed future of a request that is answered so. */
static daytona_future_t *fail_with(api_scene_t *scene, int status, const char *headers, const char *body,
                                   daytona_errcode_t code) {
  answer(scene, status, headers, body);
  return api_must_fail(daytona_sandbox_get(scene->client, "x", NULL), code);
}

/* Check code, status and message without prefix. */
static void expect(api_scene_t *scene, int status, const char *body, daytona_errcode_t code,
                   const char *message) {
  char whole[256];
  daytona_future_t *future = fail_with(scene, status, "", body, code);
  const daytona_error_t *error = daytona_future_error(future);
  snprintf(whole, sizeof whole, "%s%s", prefix, message);
  assert_string_equal(error->message, whole);
  assert_int_equal(error->http_status, status);
  daytona_future_release(future);
}

/* --- codes ------------------------------------------------------------------------------------- */

static void every_status_has_its_code(void **state) {
  (void)state;
  static const struct {
    int status;
    daytona_errcode_t code;
  } statuses[] = {{400, DAYTONA_EINVAL},       {401, DAYTONA_EAUTH},          {402, DAYTONA_EFAILED},
                  {403, DAYTONA_EFORBIDDEN},   {404, DAYTONA_ENOTFOUND},      {405, DAYTONA_EFAILED},
                  {408, DAYTONA_ETIMEOUT},     {409, DAYTONA_ECONFLICT},      {410, DAYTONA_EGONE},
                  {418, DAYTONA_EFAILED},      {422, DAYTONA_EUNPROCESSABLE}, {429, DAYTONA_ERATELIMIT},
                  {500, DAYTONA_EINTERNAL},    {501, DAYTONA_EFAILED},        {502, DAYTONA_EBADGATEWAY},
                  {503, DAYTONA_EUNAVAILABLE}, {504, DAYTONA_ETIMEOUT},       {599, DAYTONA_EFAILED},
                  {300, DAYTONA_EFAILED},      {304, DAYTONA_EFAILED}};
  api_scene_t scene;
  api_scene_open(&scene);
  for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
    daytona_future_t *future = fail_with(&scene, statuses[i].status, "", "", statuses[i].code);
    const daytona_error_t *error = daytona_future_error(future);
    assert_int_equal(error->http_status, statuses[i].status);
    assert_true(daytona_error_is(error, DAYTONA_EFAILED));
    assert_int_equal(error->attempts, 1);
    daytona_future_release(future);
  }
  api_scene_close(&scene);
}

static void every_code_of_the_daemon_has_its_own(void **state) {
  (void)state;
  static const struct {
    const char *name;
    int status;
    daytona_errcode_t code, parent;
  } codes[] = {
    {"GIT_AUTH_FAILED", 401, DAYTONA_EGIT_AUTH_FAILED, DAYTONA_EAUTH},
    {"GIT_REPO_NOT_FOUND", 404, DAYTONA_EGIT_REPO_NOT_FOUND, DAYTONA_ENOTFOUND},
    {"GIT_BRANCH_NOT_FOUND", 404, DAYTONA_EGIT_BRANCH_NOT_FOUND, DAYTONA_ENOTFOUND},
    {"GIT_BRANCH_EXISTS", 409, DAYTONA_EGIT_BRANCH_EXISTS, DAYTONA_ECONFLICT},
    {"GIT_PUSH_REJECTED", 409, DAYTONA_EGIT_PUSH_REJECTED, DAYTONA_ECONFLICT},
    {"GIT_DIRTY_WORKTREE", 409, DAYTONA_EGIT_DIRTY_WORKTREE, DAYTONA_ECONFLICT},
    {"GIT_MERGE_CONFLICT", 409, DAYTONA_EGIT_MERGE_CONFLICT, DAYTONA_ECONFLICT},
    {"GIT_TRANSPORT_FAILED", 502, DAYTONA_EGIT_TRANSPORT_FAILED, DAYTONA_EBADGATEWAY},
    {"GIT_REMOTE_REJECTED", 422, DAYTONA_EGIT_REMOTE_REJECTED, DAYTONA_EUNPROCESSABLE},
    {"FILE_NOT_FOUND", 404, DAYTONA_EFILE_NOT_FOUND, DAYTONA_ENOTFOUND},
    {"FILE_ACCESS_DENIED", 403, DAYTONA_EFILE_ACCESS_DENIED, DAYTONA_EFORBIDDEN},
    {"INVALID_FILE_PATH", 400, DAYTONA_EINVALID_FILE_PATH, DAYTONA_EINVAL},
    {"FILE_READ_FAILED", 500, DAYTONA_EFILE_READ_FAILED, DAYTONA_EINTERNAL},
    {"LSP_SERVER_NOT_INITIALIZED", 400, DAYTONA_ELSP_NOT_INITIALIZED, DAYTONA_EINVAL},
    {"PROCESS_EXECUTION_TIMEOUT", 408, DAYTONA_EPROCESS_TIMEOUT, DAYTONA_ETIMEOUT},
    {"PROCESS_NOT_FOUND", 404, DAYTONA_EPROCESS_NOT_FOUND, DAYTONA_ENOTFOUND},
    {"SESSION_ENDED", 410, DAYTONA_ESESSION_ENDED, DAYTONA_EGONE},
    {"COMMAND_ALREADY_COMPLETED", 410, DAYTONA_ECOMMAND_COMPLETED, DAYTONA_EGONE},
    {"A11Y_UNAVAILABLE", 503, DAYTONA_EA11Y_UNAVAILABLE, DAYTONA_EUNAVAILABLE},
    {"RECORDING_STILL_ACTIVE", 409, DAYTONA_ERECORDING_ACTIVE, DAYTONA_ECONFLICT},
    {"RECORDING_FFMPEG_NOT_FOUND", 503, DAYTONA_ERECORDING_NO_FFMPEG, DAYTONA_EUNAVAILABLE},
  };
  char body[256];
  api_scene_t scene;
  api_scene_open(&scene);
  for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
    snprintf(body, sizeof body, "{\"message\":\"m\",\"code\":\"%s\",\"source\":\"DAYTONA_DAEMON\"}",
             codes[i].name);
    daytona_future_t *future = fail_with(&scene, codes[i].status, "", body, codes[i].code);
    const daytona_error_t *error = daytona_future_error(future);
    assert_true(daytona_error_is(error, codes[i].parent));
    assert_string_equal(error->server_code, codes[i].name);
    assert_string_equal(error->source, "DAYTONA_DAEMON");
    daytona_future_release(future);
    /* The status alone decides for anyone else, and without a source. */
    snprintf(body, sizeof body, "{\"code\":\"%s\",\"source\":\"DAYTONA_PROXY\"}", codes[i].name);
    daytona_future_release(fail_with(&scene, codes[i].status, "", body, codes[i].parent));
    snprintf(body, sizeof body, "{\"error_code\":\"%s\"}", codes[i].name);
    daytona_future_release(fail_with(&scene, codes[i].status, "", body, codes[i].parent));
  }
  daytona_future_release(
    fail_with(&scene, 409, "", "{\"code\":\"CONFLICT\",\"source\":\"DAYTONA_DAEMON\"}", DAYTONA_ECONFLICT));
  daytona_future_release(fail_with(&scene, 418, "",
                                   "{\"error_code\":\"FILE_NOT_FOUND\",\"source\":\"DAYTONA_DAEMON\"}",
                                   DAYTONA_EFILE_NOT_FOUND));
  api_scene_close(&scene);
}

/* What the proxy in front of the sandboxes says of one that is stopped has no code of its own. */
static void a_stopped_sandbox_has_its_code(void **state) {
  (void)state;
  static const struct {
    int status;
    const char *body;
    daytona_errcode_t code;
  } cases[] = {
    {400,
     "{\"statusCode\":400,\"code\":\"BAD_REQUEST\",\"source\":\"DAYTONA_PROXY\",\"message\":\"bad request: "
     "sandbox x "
     "has no network address (state stopped); is it started?\"}",
     DAYTONA_ESANDBOX_STOPPED},
    {400, "{\"message\":\"bad request: no IP address found. Is the Sandbox started?\\n\"}",
     DAYTONA_ESANDBOX_STOPPED},
    {400, "{\"source\":\"DAYTONA_DAEMON\",\"message\":\"is the sandbox started?\"}", DAYTONA_EINVAL},
    {404, "{\"message\":\"is the sandbox started?\"}", DAYTONA_ENOTFOUND},
    {400, "{\"message\":\"the sandbox is started\"}", DAYTONA_EINVAL},
    {400, "{\"message\":\"is the server started?\"}", DAYTONA_EINVAL},
    {400, "is the sandbox started?", DAYTONA_EINVAL},
    {400, "{\"message\":\"started?\"}", DAYTONA_EINVAL},
  };
  api_scene_t scene;
  api_scene_open(&scene);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    daytona_future_release(fail_with(&scene, cases[i].status, "", cases[i].body, cases[i].code));
  assert_true(daytona_errcode_is(DAYTONA_ESANDBOX_STOPPED, DAYTONA_EINVAL));
  api_scene_close(&scene);
}

/* --- messages ---------------------------------------------------------------------------------- */

static void message_comes_from_where_the_body_has_it(void **state) {
  (void)state;
  static const struct {
    const char *body, *message;
  } cases[] = {
    {"{\"message\":\"m\",\"error\":\"e\"}", "m"},
    {"{\"error\":\"e\",\"statusCode\":400}", "e"},
    {"{\"message\":[\"a\",\"b\"],\"error\":\"e\"}", "a; b"},
    {"{\"message\":[\"name must be a string\",{\"cpu\":[\"too small\",7,null]},[[\"c\"]],\"\"]}",
     "name must be a string; too small; c"},
    {"{\"message\":{\"name\":\"is required\",\"cpu\":\"nul\\u0000\"}}", "is required; nul\xEF\xBF\xBD"},
    {"{\"message\":[],\"error\":\"e\"}", "e"},
    {"{\"message\":[1,2],\"error\":[\"e\",\"f\"]}", "e; f"},
    {"{\"message\":{\"x\":1}}", "{\"message\":{\"x\":1}}"},
    {"{\"message\":7,\"error\":null}", "{\"message\":7,\"error\":null}"},
    {"{}", "{}"},
    {"[1,2]", "[1,2]"},
    {"\"text\"", "\"text\""},
    {"plain text", "plain text"},
    {"<html><body>502</body></html>", "HTTP status 400 (bad request or argument), with a page of HTML"},
    {"\n<!DOCTYPE html>\n<HTML><head><Title>502 Bad\nGateway</title></head><body>nginx</body></HTML>",
     "HTTP status 400 (bad request or argument), with a page of HTML: 502 Bad Gateway"},
    {"<html><title>unfinished", "HTTP status 400 (bad request or argument), with a page of HTML"},
    {"<Error>of an object store</Error>", "<Error>of an object store</Error>"},
    {"{\"message\":\"unfinished", "{\"message\":\"unfinished"},
    {"{\"message\":\"tab\\tand\\nline\\r\\n\"}", "tab and line"},
    {"two\nlines\n", "two lines"},
    {"{\"message\":\"nul\\u0000inside\"}", "nul\xEF\xBF\xBDinside"},
    {"", "HTTP status 400 (bad request or argument)"},
    {" \r\n ", "HTTP status 400 (bad request or argument)"},
  };
  api_scene_t scene;
  api_scene_open(&scene);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    if (cases[i].message != NULL)
      expect(&scene, 400, cases[i].body, DAYTONA_EINVAL, cases[i].message);
    else
      daytona_future_release(fail_with(&scene, 400, "", cases[i].body, DAYTONA_EINVAL));
  api_scene_close(&scene);
}

static void members_that_are_no_strings_are_left_out(void **state) {
  (void)state;
  api_scene_t scene;
  api_scene_open(&scene);
  daytona_future_t *future =
    fail_with(&scene, 404, "", "{\"message\":\"m\",\"code\":7,\"error_code\":\"OLD\",\"source\":{}}",
              DAYTONA_ENOTFOUND);
  const daytona_error_t *error = daytona_future_error(future);
  assert_string_equal(error->server_code, "OLD");
  assert_null(error->source);
  assert_null(error->request_id);
  assert_null(error->field);
  assert_int_equal(error->retry_after_ms, -1);
  daytona_future_release(future);
  api_scene_close(&scene);
}

static void long_messages_are_cut_between_characters(void **state) {
  (void)state;
  static char body[200 * 1024];
  api_scene_t scene;
  api_scene_open(&scene);
  size_t used = (size_t)snprintf(body, sizeof body, "{\"message\":\"x");
  while (used < 90 * 1024) used += (size_t)snprintf(body + used, sizeof body - used, "\xe2\x82\xac");
  snprintf(body + used, sizeof body - used, "\"}");
  daytona_future_t *future = fail_with(&scene, 500, "", body, DAYTONA_EINTERNAL);
  const daytona_error_t *error = daytona_future_error(future);
  assert_in_range(strlen(error->message), DAYTONA__ERROR_MESSAGE_MAX - 3, DAYTONA__ERROR_MESSAGE_MAX);
  assert_true(daytona__utf8_is_valid(error->message, strlen(error->message)));
  assert_int_equal(error->body_size, DAYTONA__ERROR_BODY_MAX);
  assert_memory_equal(error->body, body, DAYTONA__ERROR_BODY_MAX);
  assert_int_equal(error->body[error->body_size], 0);
  daytona_future_release(future);
  api_scene_close(&scene);
}

static void headers_request_id_and_body_are_kept(void **state) {
  (void)state;
  api_scene_t scene;
  api_scene_open(&scene);
  daytona_future_t *future = fail_with(&scene, 503, "X-REQUEST-id: r-7\r\nX-Other: a b\r\nX-Other: c\r\n",
                                       "{\"a\":1}", DAYTONA_EUNAVAILABLE);
  const daytona_error_t *error = daytona_future_error(future);
  assert_string_equal(error->request_id, "r-7");
  assert_string_equal(daytona_error_header(error, "x-other"), "a b");
  assert_string_equal(daytona_error_header(error, "Content-Type"), "application/json");
  assert_null(daytona_error_header(error, "X-Missing"));
  assert_string_equal(error->body, "{\"a\":1}");
  assert_int_equal(error->body_size, 7);
  daytona_future_release(future);
  api_scene_close(&scene);
}

static void retry_after_is_told_in_milliseconds(void **state) {
  (void)state;
  static const struct {
    const char *headers;
    int64_t ms;
  } cases[] = {{"Retry-After: 100\r\n", 100000},
               {"retry-after-authenticated: 40\r\nRetry-After-sandbox-create: 90\r\n", 90000},
               {"Retry-After: soon\r\n", -1},
               {"Retry-After: -5\r\n", -1},
               {"", -1}};
  api_scene_t scene;
  api_scene_open_bare(&scene);
  scene.config.rate_limit_wait_ms = DAYTONA_NO_WAIT;
  api_scene_client(&scene);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    daytona_future_t *future = fail_with(&scene, 429, cases[i].headers, "{}", DAYTONA_ERATELIMIT);
    assert_int_equal(daytona_future_error(future)->retry_after_ms, cases[i].ms);
    daytona_future_release(future);
  }
  api_scene_close(&scene);
}

static void transport_errors_have_no_status(void **state) {
  (void)state;
  const daytona_call_opts_t opts = {.timeout_ms = 500};
  api_scene_t scene;
  api_scene_open(&scene);
  answer(&scene, 0, "", api_silence);
  daytona_future_t *future = daytona_sandbox_get(scene.client, "x", &opts);
  api_until_requests(&scene, 1);
  api_advance(&scene, 500);
  const daytona_error_t *error = daytona_future_error(api_must_fail(future, DAYTONA_EDEADLINE));
  api_says(future, "500 ms");
  assert_int_equal(error->http_status, 0);
  assert_int_equal(error->header_count, 0);
  assert_null(error->body);
  assert_int_equal(error->attempts, 1);
  daytona_future_release(future);
  answer(&scene, 0, "", api_break);
  future = daytona_sandbox_get(scene.client, "x", NULL);
  api_hurry(&scene, future, 100);
  error = daytona_future_error(api_must_fail(future, DAYTONA_ECONNECTION));
  assert_int_equal(error->attempts, 3);
  assert_int_equal(error->http_status, 0);
  daytona_future_release(future);
  api_scene_close(&scene);
}

static void missing_arguments_name_themselves(void **state) {
  (void)state;
  api_scene_t scene;
  api_scene_open(&scene);
  daytona_future_t *future = api_must_fail(daytona_sandbox_get(scene.client, "", NULL), DAYTONA_EINVAL);
  api_says(future, "id_or_name");
  assert_int_equal(daytona_future_error(future)->attempts, 0);
  daytona_future_release(future);
  api_fails(daytona_sandbox_get(scene.client, NULL, NULL), DAYTONA_EINVAL);
  api_fails(daytona_sandbox_get(scene.client, ".", NULL), DAYTONA_EINVAL);
  api_fails(daytona_sandbox_get(scene.client, "..", NULL), DAYTONA_EINVAL);
  api_fails(daytona_sandbox_get(scene.client, "\xff", NULL), DAYTONA_EINVAL);
  api_fails(daytona_sandbox_get(NULL, "x", NULL), DAYTONA_EINVAL);
  assert_int_equal(scene.request_count, 0);
  api_scene_close(&scene);
}

/* --- hostile answers --------------------------------------------------------------------------- */

static char *repeat(const char *head, const char *piece, size_t count, const char *tail) {
  size_t size = strlen(head) + strlen(piece) * count + strlen(tail) + 1;
  char *text = malloc(size), *at = text;
  if (text == NULL) abort();
  at = stpcpy(at, head);
  for (size_t i = 0; i < count; i++) at = stpcpy(at, piece);
  stpcpy(at, tail);
  return text;
}

static void hostile_answers_leave_the_client_usable(void **state) {
  (void)state;
  char *deep = repeat("{\"id\":\"x\",\"a\":", "[", 100000, "");
  char *deep_closed = repeat("{\"id\":\"x\",\"a\":{\"b\":", "{\"c\":", 200, "1");
  char *wide = repeat("{\"labels\":{", "\"k\":\"v\",", 3000, "\"e\":\"f\"},\"state\":\"started\"}");
  const char *const bodies[] = {deep,
                                deep_closed,
                                wide,
                                "",
                                " ",
                                "null",
                                "true",
                                "7",
                                "\"x\"",
                                "[]",
                                "[{}]",
                                "{}",
                                "{\"id\":null}",
                                "{\"id\":[]}",
                                "{\"id\":\"\"}",
                                "{\"id\":\"a\\u0000b\"}",
                                "{\"id\":\"x\",\"cpu\":1e999}",
                                "{\"id\":\"x\",\"cpu\":\"many\"}",
                                "{\"id\":\"x\",\"autoStopInterval\":1.5}",
                                "{\"id\":\"x\",\"autoStopInterval\":99999999999999999999999}",
                                "{\"id\":\"x\",\"labels\":[1]}",
                                "{\"id\":\"x\",\"volumes\":{}}",
                                "{\"id\":\"x\",\"buildInfo\":\"x\"}",
                                "{\"id\":\"x\",\"state\":7}",
                                "{\"id\":\"x\"",
                                "{\"id\":\"x\"}}",
                                "{\"id\":\"x\",}",
                                "\xef\xbb\xbf{\"id\":7}",
                                "{\"id\":\"\xff\xfe\"}"};
  api_scene_t scene;
  api_scene_open(&scene);
  for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
    answer(&scene, 200, "", bodies[i]);
    daytona_future_t *future = daytona_sandbox_get(scene.client, "x", NULL);
    int code = daytona_future_await(future);
    if (code != DAYTONA_EPROTOCOL && code != DAYTONA_ELIMIT)
      fail_msg("%.60s: %s", bodies[i], daytona_errcode_name(code));
    const daytona_error_t *error = daytona_future_error(future);
    assert_int_equal(strncmp(error->message, prefix, sizeof prefix - 1), 0);
    assert_int_equal(error->http_status, 200);
    assert_null(daytona_future_sandbox(future));
    daytona_future_release(future);
    /* The same bodies as errors. */
    answer(&scene, 500, "", bodies[i]);
    api_fails(daytona_sandbox_get(scene.client, "x", NULL), DAYTONA_EINTERNAL);
  }
  answer(&scene, 200, "", "{\"id\":\"x\",\"cpu\":2.0,\"unknown\":[[[{}]]]}");
  api_done(daytona_sandbox_get(scene.client, "x", NULL));
  api_scene_close(&scene);
  free(deep);
  free(deep_closed);
  free(wide);
}

static void malformed_member_is_named(void **state) {
  (void)state;
  api_scene_t scene;
  api_scene_open(&scene);
  daytona_future_t *future =
    fail_with(&scene, 200, "", "{\"id\":\"x\",\"buildInfo\":{\"snapshotRef\":7}}", DAYTONA_EPROTOCOL);
  const daytona_error_t *error = daytona_future_error(future);
  assert_string_equal(error->field, "buildInfo.snapshotRef");
  assert_non_null(strstr(error->message, "malformed response: buildInfo.snapshotRef: "));
  daytona_future_release(future);
  api_scene_close(&scene);
}

static void hostile_http_leaves_the_client_usable(void **state) {
  (void)state;
  static const struct {
    const char *answer;
    daytona_errcode_t code;
  } answers[] = {
    {"rubbish\r\n\r\n", DAYTONA_EPROTOCOL},
    {"HTTP/1.1 99999 X\r\n\r\n", DAYTONA_EFAILED}, /* newer versions of libcurl read status 999 */
    {"HTTP/1.1 200 X\r\nContent-Length: 10\r\nConnection: close\r\n\r\n{}", DAYTONA_ETRUNCATED},
    {"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", DAYTONA_ECONNECTION},
    {"HTTP/1.1 302 X\r\nLocation: ftp://x/\r\nContent-Length: 0\r\n\r\n", DAYTONA_EFAILED},
    {"HTTP/1.1 200 X\r\nContent-Length: -5\r\n\r\n", DAYTONA_ECONNECTION},
  };
  api_scene_t scene;
  api_scene_open(&scene);
  for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
    answer(&scene, 0, "", answers[i].answer);
    daytona_future_t *future = daytona_sandbox_get(scene.client, "x", NULL);
    for (int turn = 0; turn < 40 && !daytona_future_is_settled(future); turn++) {
      uv_run(&scene.uv, UV_RUN_NOWAIT);
      for (peer_conn_t *conn = scene.peer.conns, *next; conn != NULL; conn = next) {
        next = conn->next;
        if (conn->request_count != 0) peer_end(conn);
      }
      api_advance(&scene, 50);
    }
    int code = daytona_future_await(future);
    /* Versions of libcurl differ in what they take for the end of a connection. */
    if (!daytona_errcode_is(code, answers[i].code) && !daytona_errcode_is(code, DAYTONA_EPROTOCOL) &&
        !daytona_errcode_is(code, DAYTONA_ECONNECTION))
      fail_msg("%.20s: %s: %s", answers[i].answer, daytona_errcode_name(code),
               daytona_future_error(future)->message);
    daytona_future_release(future);
  }
  answer(&scene, 200, "", "{\"id\":\"x\"}");
  api_done(daytona_sandbox_get(scene.client, "x", NULL));
  api_scene_close(&scene);
}

/* Whether a text has the key in it, in any spelling that was sent. */
static bool has_key(const char *text) {
  return text != NULL && (strstr(text, "s3cret") != NULL || strstr(text, "s3\\u0063ret") != NULL ||
                          strstr(text, "s3%63ret") != NULL);
}

static void a_key_that_the_server_repeats_is_in_no_error(void **state) {
  static const char body[] =
    "{\"message\":\"no Bearer s3cret-key\",\"code\":\"s3\\u0063ret-key\","
    "\"source\":\"s3%63ret-key\",\"other\":\"Authorization: Bearer s3cret-key\"}";
  api_scene_t scene;
  api_scene_open_bare(&scene);
  scene.config.api_key = "s3cret-key";
  api_scene_client(&scene);
  for (int is_json = 0; is_json < 2; is_json++) {
    daytona_future_t *future =
      fail_with(&scene, 500, "X-Echo: Bearer s3cret-key\r\nX-Request-Id: s3cret-key\r\n",
                is_json ? body : "you sent Bearer s3cret-key", DAYTONA_EINTERNAL);
    const daytona_error_t *error = daytona_future_error(future);
    assert_false(has_key(error->message) || has_key(error->body) || has_key(error->server_code) ||
                 has_key(error->source) || has_key(error->request_id));
    for (size_t i = 0; i < error->header_count; i++) assert_false(has_key(error->headers[i]->value));
    assert_string_equal(daytona_error_header(error, "X-Echo"), "Bearer ***");
    assert_int_equal(error->body_size, strlen(error->body));
    daytona_future_release(future);
  }
  api_scene_close(&scene);
}

/* --- the system's number ----------------------------------------------------------------------- */

static void expect_errno(daytona_future_t *future, daytona_errcode_t code, int number) {
  api_must_fail(future, code);
  assert_int_equal(daytona_future_error(future)->system_errno, number);
  daytona_future_release(future);
}

/* A port that nobody listens at. */
static int dead_port(void) {
  uv_loop_t loop;
  uv_tcp_t tcp;
  struct sockaddr_in address;
  int size = sizeof address;
  assert_int_equal(uv_loop_init(&loop), 0);
  uv_tcp_init(&loop, &tcp);
  uv_ip4_addr("127.0.0.1", 0, &address);
  assert_int_equal(uv_tcp_bind(&tcp, (const struct sockaddr *)&address, 0), 0);
  assert_int_equal(uv_tcp_getsockname(&tcp, (struct sockaddr *)&address, &size), 0);
  uv_close((uv_handle_t *)&tcp, NULL);
  uv_run(&loop, UV_RUN_DEFAULT);
  assert_int_equal(uv_loop_close(&loop), 0);
  return ntohs(address.sin_port);
}

static void local_files_give_the_systems_number(void **state) {
  (void)state;
  static const char body[] =
    "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nx\r\n--b--\r\n";
  stream_scene_t scene;
  char whole[512];
  stream_open(&scene);
  expect_errno(daytona_fs_upload_file(scene.sandbox, "/nowhere/x", "x", NULL), DAYTONA_EIO, ENOENT);
  expect_errno(daytona_fs_upload_file(scene.sandbox, "/dev/null/x", "x", NULL), DAYTONA_EIO, ENOTDIR);
  expect_errno(fail_with(&scene.api, 404, "", "{}", DAYTONA_ENOTFOUND), DAYTONA_ENOTFOUND, 0);
  snprintf(
    whole, sizeof whole,
    "HTTP/1.1 200 OK\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: %zu\r\n\r\n%s",
    sizeof body - 1, body);
  api_answer(&scene.api, "POST /toolbox/sb-1/files/bulk-download", 0, whole);
  expect_errno(daytona_fs_download_file(scene.sandbox, "a", "/dev/null/x", NULL), DAYTONA_EIO, ENOTDIR);
  stream_close(&scene);
}

static void sockets_give_the_systems_number(void **state) {
  (void)state;
  static const char message[] = "{\"type\":\"stdout\",\"text\":\"x\"}";
  stream_scene_t scene;
  stream_script_t script = {0};
  char url[64];
  daytona_client_t *client;
  stream_open(&scene);
  daytona_config_t config = scene.api.config;
  snprintf(url, sizeof url, "http://127.0.0.1:%d/api", dead_port());
  config.api_url = url;
  assert_int_equal(daytona_client_new(&scene.api.uv, &config, &client), 0);
  expect_errno(daytona_sandbox_get(client, "x", NULL), DAYTONA_ECONNECTION, ECONNREFUSED);
  daytona_client_release(client);
  /* A stream that broke; the number and the reason go through a combination, too. */
  stream_frame(&script, 1, message, strlen(message));
  stream_play(&scene, &script, script.size, STREAM_BREAKS);
  daytona_future_t *run =
    daytona_future_deadline(daytona_interpreter_run_code(scene.sandbox, "1", NULL), 60000);
  daytona_future_retain(run);
  expect_errno(run, DAYTONA_ECONNECTION, ECONNRESET);
  assert_int_equal(daytona_future_stream_reason(run), DAYTONA_STREAM_LOST);
  daytona_future_release(run);
  /* And one that was never made. */
  snprintf(scene.sandbox->toolbox_url, strlen(scene.sandbox->toolbox_url) + 1, "http://127.0.0.1:%d",
           dead_port());
  expect_errno(daytona_interpreter_run_code(scene.sandbox, "1", NULL), DAYTONA_ECONNECTION, ECONNREFUSED);
  stream_script_clear(&script);
  stream_close(&scene);
}

static void a_slow_reader_is_named_through_combinations(void **state) {
  (void)state;
  stream_scene_t scene;
  stream_script_t script = {0};
  stream_open(&scene);
  stream_close_frame(&script, 1008, "slow consumer");
  stream_play(&scene, &script, script.size, STREAM_STAYS);
  daytona_future_t *run = daytona_interpreter_run_code(scene.sandbox, "1", NULL);
  daytona_future_t *any = api_must_fail(daytona_future_any(scene.api.client, &run, 1), DAYTONA_ECONNECTION);
  assert_int_equal(daytona_future_stream_reason(any), DAYTONA_STREAM_SLOW_READER);
  assert_int_equal(daytona_future_stream_reason(daytona_future_member(any, 0)), DAYTONA_STREAM_SLOW_READER);
  daytona_future_release(any);
  stream_script_clear(&script);
  stream_close(&scene);
}

static void a_key_of_a_few_letters_leaves_words_alone(void **state) {
  api_scene_t scene;
  api_scene_open_bare(&scene);
  scene.config.api_key = "k";
  api_scene_client(&scene);
  expect(&scene, 500, "{\"message\":\"broken kettle\"}", DAYTONA_EINTERNAL, "broken kettle");
  api_scene_close(&scene);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(every_status_has_its_code),
    cmocka_unit_test(every_code_of_the_daemon_has_its_own),
    cmocka_unit_test(a_stopped_sandbox_has_its_code),
    cmocka_unit_test(message_comes_from_where_the_body_has_it),
    cmocka_unit_test(members_that_are_no_strings_are_left_out),
    cmocka_unit_test(long_messages_are_cut_between_characters),
    cmocka_unit_test(headers_request_id_and_body_are_kept),
    cmocka_unit_test(retry_after_is_told_in_milliseconds),
    cmocka_unit_test(transport_errors_have_no_status),
    cmocka_unit_test(missing_arguments_name_themselves),
    cmocka_unit_test(hostile_answers_leave_the_client_usable),
    cmocka_unit_test(malformed_member_is_named),
    cmocka_unit_test(hostile_http_leaves_the_client_usable),
    cmocka_unit_test(a_key_that_the_server_repeats_is_in_no_error),
    cmocka_unit_test(local_files_give_the_systems_number),
    cmocka_unit_test(sockets_give_the_systems_number),
    cmocka_unit_test(a_slow_reader_is_named_through_combinations),
    cmocka_unit_test(a_key_of_a_few_letters_leaves_words_alone),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
