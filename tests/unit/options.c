/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every options struct of the public headers: all zero asks for the same as NULL, and a reserved word that is not
 * zero is refused before anything is sent. The calls are generated from the headers by options.py.
 */
#include <stdio.h>
#include <string.h>

#include "support/answers.h"
#include "support/api_scene.h"
#include "support/check.h"

static const char *const names[] = {"x"};
static const daytona_strings_t one_name = {names, 1};

static const char local_source[] = "/etc/passwd"; /* some file that is always there */

static bool asks_for_array(const char *request) {
  const daytona__method_t *method = answers_method_of(request);
  return method != NULL && method->gives_array;
}

/* A language server of the sandbox. The one before it is released. */
static daytona_lsp_t *server;

static daytona_lsp_t *a_server(daytona_sandbox_t *sandbox) {
  daytona_lsp_release(server);
  server = NULL;
  daytona_lsp_new(sandbox, "python", "/x", &server);
  return server;
}

/* One answer for every question. */
static void on_request(peer_conn_t *conn, const char *request, size_t size) {
  static const char format[] =
    "{\"id\":\"sb-1\",\"sessionId\":\"s\",\"cmdId\":\"c\",\"state\":\"%s\",\"url\":\"u\",\"token\":\"t\","
    "\"dir\":\"d\",\"exitCode\":0,"
    "\"items\":[{\"id\":\"sb-1\"}],\"hash\":\"h\",\"valid\":true,\"labels\":{},\"port\":80,"
    "\"accessKey\":\"a\",\"success\":true,\"screenshot\":\"AAAA\",\"secret\":\"s\",\"storageUrl\":\"%s\","
    "\"organizationId\":\"o\","
    "\"bucket\":\"b\"}";
  char body[768], answer[1024];
  (void)size;
  bool stops = strstr(request, "/stop") != NULL || conn->peer->user != NULL;
  const char *state = strstr(request, "/snapshots") != NULL ? "active" : stops ? "stopped" : "started";
  snprintf(body, sizeof body, format, state, peer_url(conn->peer, ""));
  if (asks_for_array(request)) strcpy(body, "[]");
  if (strstr(request, "/signing-key") != NULL) strcpy(body, "\"k\"");
  snprintf(answer, sizeof answer,
           "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s", strlen(body),
           strncmp(request, "HEAD ", 5) == 0 ? "" : body);
  peer_puts(conn, answer);
}

typedef daytona_future_t *(*call_t)(daytona_client_t *client, daytona_sandbox_t *sandbox, const void *opts);

/* ARGUMENTS of a call, with the options behind them. */
#define UNPACK(...) __VA_ARGS__
#define NESTED(function, type, arguments, inner, member)
#define ITEM(function, type, arguments, inner, member, count)
#define PARAMETER(function, type, arguments)
#define CASE(function, type, least, arguments, words)                                            \
  static daytona_future_t *call_##function(daytona_client_t *client, daytona_sandbox_t *sandbox, \
                                           const void *opts) {                                   \
    (void)client, (void)sandbox;                                                                 \
    return function(UNPACK arguments, opts);                                                     \
  }                                                                                              \
  static const type least_##function = {UNPACK least};
#include "options_cases.h"
#undef CASE

static const struct {
  const char *name;
  call_t call;
  const void *least;
  size_t size, reserved_at, words;
  bool takes_null;
} cases[] = {
#define IS_ZERO(text) (sizeof text == sizeof "(0)" && text[1] == '0')
#define CASE(function, type, least, arguments, words)                                     \
  {#function, call_##function, &least_##function, sizeof(type), offsetof(type, reserved), \
   words,     IS_ZERO(#least)},
#include "options_cases.h"
#undef CASE
};

#undef NESTED
#undef ITEM
#undef PARAMETER

/* Structs inside of options and in arrays: each call with one reserved word of theirs set. */
typedef daytona_future_t *(*inner_call_t)(daytona_client_t *client, daytona_sandbox_t *sandbox, size_t word);

#define CASE(function, type, least, arguments, words)
#define INNER(function, member, arguments, prepare)                                                          \
  static daytona_future_t *inner_##function##_##member(daytona_client_t *client, daytona_sandbox_t *sandbox, \
                                                       size_t word) {                                        \
    (void)client, (void)sandbox;                                                                             \
    prepare;                                                                                                 \
    return function arguments;                                                                               \
  }
#define NESTED(function, type, arguments, inner, member)              \
  INNER(function, member, (UNPACK arguments, &opts), type opts = {0}; \
        opts.member.reserved[word] = (uint64_t)1 << 63)
#define ITEM(function, type, arguments, inner, member, count)                           \
  INNER(function, member, (UNPACK arguments, &opts), inner item = {0}; type opts = {0}; \
        item.reserved[word] = 1; opts.member = &item; opts.count = 1)
#define PARAMETER(function, type, arguments) \
  INNER(function, items, (UNPACK arguments, NULL), type item = {0}; item.reserved[word] = 1)
#include "options_cases.h"
#undef NESTED
#undef ITEM
#undef PARAMETER

static const struct {
  const char *name;
  inner_call_t call;
  size_t words;
} inner_cases[] = {
#define NESTED(function, type, arguments, inner, member) \
  {#function, inner_##function##_##member, sizeof((inner *)0)->reserved / sizeof(uint64_t)},
#define ITEM(function, type, arguments, inner, member, count) NESTED(function, type, arguments, inner, member)
#define PARAMETER(function, type, arguments) NESTED(function, type, arguments, type, items)
#include "options_cases.h"
#undef CASE
};

/* Run one call; the line of its first request, or "" if there was none. */
static daytona_errcode_t run(api_scene_t *scene, daytona_sandbox_t *sandbox, call_t call, const void *opts,
                             char *line, size_t room) {
  size_t before = scene->peer.requests;
  daytona_future_t *future = call(scene->client, sandbox, opts);
  daytona_errcode_t code = (daytona_errcode_t)daytona_future_await(future);
  daytona_future_release(future);
  daytona_lsp_release(server);
  server = NULL;
  line[0] = '\0';
  if (scene->peer.requests != before)
    snprintf(line, room, "%.*s", (int)strcspn(scene->peer.last_request, "\r"), scene->peer.last_request);
  return code;
}

static void all_zero_is_all_defaults(void **state) {
  (void)state;
  char with_zero[1024], with_null[1024];
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    api_scene_t scene;
    api_scene_open(&scene);
    daytona_sandbox_t *sandbox = api_sandbox(&scene, "sb-1", "started");
    scene.peer.on_request = on_request;
    bool stops = strstr(cases[i].name, "stop") != NULL || strstr(cases[i].name, "pause") != NULL;
    scene.peer.user = stops ? &scene : NULL;
    daytona_errcode_t code = run(&scene, sandbox, cases[i].call, cases[i].least, with_zero, sizeof with_zero);
    if (code != DAYTONA_OK) fail_msg("%s: %s", cases[i].name, daytona_errcode_name(code));
    if (cases[i].takes_null) {
      assert_int_equal(run(&scene, sandbox, cases[i].call, NULL, with_null, sizeof with_null), DAYTONA_OK);
      bool remembers = strstr(cases[i].name, "wait_for") != NULL ||
                       strstr(cases[i].name, "load_url") != NULL ||
                       strstr(cases[i].name, "get_metrics") != NULL;
      if (!remembers) assert_string_equal(with_zero, with_null);
    }
    daytona_sandbox_release(sandbox);
    api_scene_close(&scene);
  }
}

static void reserved_words_must_be_zero(void **state) {
  (void)state;
  char line[1024], opts[1024];
  api_scene_t scene;
  api_scene_open(&scene);
  daytona_sandbox_t *sandbox = api_sandbox(&scene, "sb-1", "started");
  scene.peer.on_request = on_request;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    for (size_t word = 0; word < cases[i].words; word++) {
      const uint64_t one = (uint64_t)1 << (word * 9);
      assert_true(cases[i].size <= sizeof opts);
      memcpy(opts, cases[i].least, cases[i].size);
      memcpy(opts + cases[i].reserved_at + word * sizeof one, &one, sizeof one);
      daytona_errcode_t code = run(&scene, sandbox, cases[i].call, opts, line, sizeof line);
      if (code != DAYTONA_EINVAL || line[0] != '\0')
        fail_msg("%s, word %zu: %s %s", cases[i].name, word, daytona_errcode_name(code), line);
    }
  daytona_sandbox_release(sandbox);
  api_scene_close(&scene);
}

static void reserved_words_inside_of_others_must_be_zero(void **state) {
  (void)state;
  api_scene_t scene;
  api_scene_open(&scene);
  daytona_sandbox_t *sandbox = api_sandbox(&scene, "sb-1", "started");
  size_t before = scene.peer.requests;
  for (size_t i = 0; i < sizeof inner_cases / sizeof inner_cases[0]; i++)
    for (size_t word = 0; word < inner_cases[i].words; word++) {
      daytona_future_t *future = inner_cases[i].call(scene.client, sandbox, word);
      api_must_fail(future, DAYTONA_EINVAL);
      const char *message = daytona_future_error(future)->message;
      if (strstr(message, "reserved words of") == NULL) fail_msg("%s: %s", inner_cases[i].name, message);
      daytona_future_release(future);
    }
  assert_int_equal(scene.peer.requests, before);
  daytona_sandbox_release(sandbox);
  api_scene_close(&scene);
}

/* The functions that return a number. */
static void reserved_words_of_configuration_and_query_must_be_zero(void **state) {
  (void)state;
  api_scene_t scene;
  api_scene_open(&scene);
  daytona_sandbox_iter_t *iter = NULL;
  const daytona_sandbox_query_t everything = {0};
  assert_int_equal(daytona_sandbox_iter_new(scene.client, &everything, &iter), 0);
  daytona_sandbox_iter_release(iter);
  iter = NULL;
  for (size_t i = 0; i < sizeof everything.reserved / sizeof(uint64_t); i++) {
    daytona_sandbox_query_t query = {0};
    query.reserved[i] = (uint64_t)1 << 63;
    assert_int_equal(daytona_sandbox_iter_new(scene.client, &query, &iter), DAYTONA_EINVAL);
    assert_null(iter);
  }
  for (size_t i = 0; i < sizeof((daytona_snapshot_list_opts_t *)0)->reserved / sizeof(uint64_t); i++) {
    daytona_snapshot_list_opts_t opts = {0};
    daytona_snapshot_iter_t *snapshots = NULL;
    opts.reserved[i] = 1;
    assert_int_equal(daytona_snapshot_iter_new(scene.client, &opts, &snapshots), DAYTONA_EINVAL);
    assert_null(snapshots);
  }
  for (size_t i = 0; i < sizeof((daytona_secret_list_opts_t *)0)->reserved / sizeof(uint64_t); i++) {
    daytona_secret_list_opts_t opts = {0};
    daytona_secret_iter_t *secrets = NULL;
    opts.reserved[i] = 1;
    assert_int_equal(daytona_secret_iter_new(scene.client, &opts, &secrets), DAYTONA_EINVAL);
    assert_null(secrets);
  }
  for (size_t i = 0; i < sizeof((daytona_promise_opts_t *)0)->reserved / sizeof(uint64_t); i++) {
    daytona_promise_opts_t opts = {0};
    daytona_promise_t *promise = NULL;
    daytona_future_t *future = NULL;
    opts.reserved[i] = 1;
    assert_int_equal(daytona_promise_new(scene.client, &opts, &promise, &future), DAYTONA_EINVAL);
    assert_null(promise);
    assert_null(future);
  }
  for (size_t i = 0; i < sizeof scene.config.reserved / sizeof(uint64_t); i++) {
    daytona_config_t config = scene.config;
    daytona_client_t *client = NULL;
    char reason[128] = "";
    config.reserved[i] = 1;
    assert_int_equal(daytona_client_new(&scene.uv, &config, &client), DAYTONA_EINVAL);
    assert_null(client);
    assert_int_equal(daytona_config_check(&config, reason, sizeof reason), DAYTONA_EINVAL);
    assert_non_null(strstr(reason, "reserved"));
  }
  api_scene_close(&scene);
}

static size_t no_sink(const char *bytes, size_t size, void *user) { return size; }
static ptrdiff_t no_source(char *buffer, size_t size, void *user) { return 0; }

/* Transfers, whose responses are not JSON. */
static void reserved_words_of_transfers_must_be_zero(void **state) {
  (void)state;
  api_scene_t scene;
  api_scene_open(&scene);
  daytona_sandbox_t *sandbox = api_sandbox(&scene, "sb-1", "started");
  const daytona_fs_upload_item_t upload = {.destination = "x"};
  const daytona_fs_download_item_t download = {.source = "x"};
  const daytona_transfer_opts_t opts = {.reserved = {0, 0, 0, 1}};
  size_t before = scene.peer.requests;
  daytona_future_t *futures[] = {
    daytona_fs_upload(sandbox, "x", 1, "x", &opts),
    daytona_fs_upload_file(sandbox, "x", "x", &opts),
    daytona_fs_upload_file_stream(sandbox, no_source, NULL, "x", &opts),
    daytona_fs_upload_files(sandbox, &upload, 1, &opts),
    daytona_fs_download(sandbox, "x", &opts),
    daytona_fs_download_file(sandbox, "x", "x", &opts),
    daytona_fs_download_file_stream(sandbox, "x", no_sink, NULL, &opts),
    daytona_fs_download_files(sandbox, &download, 1, &opts),
    daytona_recording_download(sandbox, "x", &opts),
    daytona_recording_download_file(sandbox, "x", "x", &opts),
    daytona_recording_download_file_stream(sandbox, "x", no_sink, NULL, &opts),
  };
  for (size_t i = 0; i < sizeof futures / sizeof futures[0]; i++) {
    assert_int_equal(daytona_future_await(futures[i]), DAYTONA_EINVAL);
    daytona_future_release(futures[i]);
  }
  assert_int_equal(scene.peer.requests, before);
  daytona_sandbox_release(sandbox);
  api_scene_close(&scene);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(reserved_words_of_transfers_must_be_zero),
    cmocka_unit_test(all_zero_is_all_defaults),
    cmocka_unit_test(reserved_words_must_be_zero),
    cmocka_unit_test(reserved_words_inside_of_others_must_be_zero),
    cmocka_unit_test(reserved_words_of_configuration_and_query_must_be_zero),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
