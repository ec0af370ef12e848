/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams of the services, and plain requests beside them, over TLS and through proxies: one configuration reaches
 * libcurl and mbedTLS alike, and what works or fails on one of them does so on the other.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/pty_impl.h"
#include "call/op.h"
#include "core/limits.h"
#include "core/memory.h"
#include "support/check.h"
#include "support/front.h"
#include "support/log_scene.h"

typedef enum proxy_kind { DIRECT, HTTP_PROXY, HTTPS_PROXY } proxy_kind_t;

typedef struct route {
  const char *name;
  const char *certificate; /* of the server; NULL: plain */
  const char *ca;          /* NULL: the certificate is not verified */
  const char *client;      /* the client's certificate, which the server insists on */
  proxy_kind_t proxy;
  const char *credentials; /* in the proxy's URL; "" for none */
  const char *wanted_auth;
  const char *no_proxy; /* the proxy comes from the environment, and this with it */
  daytona_errcode_t expected;
} route_t;

static const char auth[] = "Basic dXNlcjpwOnc="; /* user, p:w */

/* NO_PROXY of a route to a host that only the proxy knows. */
#define FAR "far,other.test"
static const char far_host[] = "sandbox.test";

static const route_t routes[] = {
  {"wss", "good", "ca.pem", NULL, DIRECT, "", NULL, NULL, DAYTONA_OK},
  {"wss_through_an_intermediate", "chain", "ca.pem", NULL, DIRECT, "", NULL, NULL, DAYTONA_OK},
  {"wss_with_a_client_certificate", "good", "ca.pem", "client", DIRECT, "", NULL, NULL, DAYTONA_OK},
  {"wss_unverified", "expired", NULL, NULL, DIRECT, "", NULL, NULL, DAYTONA_OK},
  {"wss_with_a_ca_path", "good", "cas/", NULL, DIRECT, "", NULL, NULL, DAYTONA_OK},
  {"wss_of_a_stranger", "good", "other_ca.pem", NULL, DIRECT, "", NULL, NULL, DAYTONA_ETLS},
  {"wss_expired", "expired", "ca.pem", NULL, DIRECT, "", NULL, NULL, DAYTONA_ETLS},
  {"wss_of_another_host", "wrong", "ca.pem", NULL, DIRECT, "", NULL, NULL, DAYTONA_ETLS},
  {"ws_through_a_proxy", NULL, "ca.pem", NULL, HTTP_PROXY, "", NULL, NULL, DAYTONA_OK},
  {"ws_through_a_proxy_with_a_password", NULL, "ca.pem", NULL, HTTP_PROXY, "user:p%3Aw@", auth, NULL,
   DAYTONA_OK},
  {"wss_through_a_proxy", "good", "ca.pem", NULL, HTTP_PROXY, "", NULL, NULL, DAYTONA_OK},
  {"wss_through_a_proxy_with_a_password", "good", "ca.pem", "client", HTTP_PROXY, "user:p%3Aw@", auth, NULL,
   DAYTONA_OK},
  {"wss_through_a_proxy_of_another_host", "wrong", "ca.pem", NULL, HTTP_PROXY, "", NULL, NULL, DAYTONA_ETLS},
  {"ws_through_a_secure_proxy", NULL, "ca.pem", NULL, HTTPS_PROXY, "", NULL, NULL, DAYTONA_OK},
  {"wss_through_a_secure_proxy", "good", "ca.pem", NULL, HTTPS_PROXY, "user:p%3Aw@", auth, NULL, DAYTONA_OK},
  {"ws_through_a_secure_proxy_with_a_ca_path", NULL, "cas/", NULL, HTTPS_PROXY, "", NULL, NULL, DAYTONA_OK},
  {"ws_through_a_secure_proxy_that_wants_a_certificate", NULL, "ca.pem", "client", HTTPS_PROXY, "", NULL,
   NULL, DAYTONA_OK},
  {"ws_through_an_unverified_proxy", NULL, NULL, NULL, HTTPS_PROXY, "", NULL, NULL, DAYTONA_OK},
  {"ws_through_a_secure_proxy_of_a_stranger", NULL, "other_ca.pem", NULL, HTTPS_PROXY, "", NULL, NULL,
   DAYTONA_ETLS},
  {"wss_through_a_proxy_without_its_password", "good", "ca.pem", NULL, HTTP_PROXY, "", auth, NULL,
   DAYTONA_EPROXY},
  {"wss_past_the_proxy", "good", "ca.pem", NULL, HTTP_PROXY, "", NULL, "other.test,localhost", DAYTONA_OK},
  {"ws_past_the_proxy", NULL, "ca.pem", NULL, HTTP_PROXY, "", NULL, "127.0.0.1", DAYTONA_OK},
  {"ws_not_past_the_proxy", NULL, "ca.pem", NULL, HTTP_PROXY, "", NULL, FAR, DAYTONA_OK},
  {"wss_on_this_machine", "good", "ca.pem", NULL, HTTP_PROXY, "", NULL, "other.test", DAYTONA_OK},
  {"ws_on_this_machine", NULL, "ca.pem", NULL, HTTP_PROXY, "", NULL, "other.test", DAYTONA_OK},
};

enum { ROUTES = sizeof routes / sizeof *routes };

typedef struct scene {
  log_scene_t log; /* first: the server's callbacks cast */
  front_t door, proxy;
  bool has_door, has_proxy;
  char proxy_url[128];
} scene_t;

static bool has_certificates, allows_plain_toolbox;

static bool is_far(const route_t *route) {
  return route->no_proxy != NULL && strcmp(route->no_proxy, FAR) == 0;
}

static void set_environment(const char *proxy, const char *no_proxy) {
  static const char *const names[] = {"http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY",   "all_proxy",
                                      "ALL_PROXY",  "no_proxy",    "NO_PROXY",   "REQUEST_METHOD"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) unsetenv(names[i]);
  if (proxy == NULL) return;
  setenv("http_proxy", proxy, 1);
  setenv("HTTPS_PROXY", proxy, 1);
  setenv("NO_PROXY", no_proxy, 1);
}

static void open_scene(scene_t *scene, const route_t *route) {
  memset(scene, 0, sizeof *scene);
  log_scene_open_bare(&scene->log);
  api_scene_t *api = &scene->log.stream.api;
  daytona_config_t *config = &api->config;
  int port = api->peer.port;
  scene->has_door = route->certificate != NULL;
  scene->has_proxy = route->proxy != DIRECT;
  if (scene->has_door) {
    front_open(&scene->door, &api->uv, port, route->certificate, route->client != NULL);
    port = scene->door.peer.port;
    snprintf(api->api_url, sizeof api->api_url, "https://localhost:%d/api", port);
    snprintf(api->toolbox_url, sizeof api->toolbox_url, "https://localhost:%d/toolbox", port);
  }
  if (is_far(route)) {
    snprintf(api->api_url, sizeof api->api_url, "http://%s:%d/api", far_host, port);
    snprintf(api->toolbox_url, sizeof api->toolbox_url, "http://%s:%d/toolbox", far_host, port);
  }
  config->allows_plain_toolbox = allows_plain_toolbox;
  const tls_case_t trust = {.ca = route->ca, .client = route->client};
  daytona__tls_options_t tls = {0};
  tls_case_options(&trust, &tls);
  config->ca_file = tls.ca_file;
  config->ca_path = tls.ca_path;
  config->client_cert = tls.client_cert;
  config->client_key = tls.client_key;
  config->insecure_skip_verify = tls.is_unverified;
  /* What fails is asked for again after a while, which the test lets pass: no limit may end that first. */
  if (route->expected != DAYTONA_OK)
    config->connect_timeout_ms = config->request_timeout_ms = DAYTONA_NO_TIMEOUT;
  if (scene->has_proxy) {
    bool is_secure = route->proxy == HTTPS_PROXY;
    const char *certificate = !is_secure ? NULL : route->ca != NULL ? "good" : "expired";
    front_open(&scene->proxy, &api->uv, port, certificate,
               is_secure && !scene->has_door && route->client != NULL);
    front_be_proxy(&scene->proxy, route->wanted_auth);
    snprintf(scene->proxy_url, sizeof scene->proxy_url, "%s://%slocalhost:%d", is_secure ? "https" : "http",
             route->credentials, scene->proxy.peer.port);
    if (route->no_proxy == NULL) config->proxy = scene->proxy_url;
    config->ignores_environment = route->no_proxy == NULL;
    set_environment(route->no_proxy != NULL ? scene->proxy_url : NULL, route->no_proxy);
  }
  api_scene_client(api);
  set_environment(NULL, NULL);
  /* The sandbox's record is not fetched: on the routes that fail nothing is. */
  daytona__sandbox_data_t *data = daytona__sandbox_data_new();
  daytona__sandbox_dto_t *dto = daytona__arena_alloc(&data->arena, sizeof *dto);
  dto->info.id = "sb-1";
  dto->info.toolbox_proxy_url = api->toolbox_url;
  daytona__sandbox_dto_finish(dto);
  scene->log.stream.sandbox = daytona__sandbox_new(api->client, data, dto);
  daytona__sandbox_data_release(data);
}

static void close_scene(scene_t *scene) {
  api_scene_t *api = &scene->log.stream.api;
  api_scene_close_client(api);
  while (!api->is_closed) uv_run(&api->uv, UV_RUN_ONCE);
  if (scene->has_door) front_close(&scene->door);
  if (scene->has_proxy) front_close(&scene->proxy);
  while (scene->door.peer.open + scene->proxy.peer.open != 0) uv_run(&api->uv, UV_RUN_NOWAIT);
  if (scene->has_door) front_clear(&scene->door);
  if (scene->has_proxy) front_clear(&scene->proxy);
  log_scene_close(&scene->log);
}

/* --- what is done on each route ---------------------------------------------------------------- */

static const char log_text[] = "\1\1\1one\n\2\2\2two\xFF\n\1\1\1three\n";

static void follow_with_a_cut(scene_t *scene) {
  log_scene_begin(&scene->log, log_text, sizeof log_text - 1);
  log_scene_socket(&scene->log, sizeof log_text - 1, 5, true, 20, STREAM_ENDS);
  log_scene_socket(&scene->log, sizeof log_text - 1, 5, true, SIZE_MAX, STREAM_ENDS);
  scene->log.shown[0] = 15;
  scene->log.finished_at = 2;
  daytona_future_t *future = log_scene_run(&scene->log, (daytona_session_follow_opts_t){0}, 100);
  log_scene_expect_all(&scene->log, future);
  assert_true(daytona_future_stream_end(future)->resumed_count >= 1);
  assert_int_equal(scene->log.stream.upgrades, 2);
  daytona_future_release(future);
}

static void on_output(const daytona_output_t *output, void *user) {
  (void)output->pty, (void)output->bytes;
  *(size_t *)user += output->size;
}

/* Input of many records and writes, output of as many, and an end in good order. */
static void use_a_terminal(scene_t *scene) {
  enum { SIZE = 200000 };
  static char bytes[SIZE];
  stream_scene_t *stream = &scene->log.stream;
  stream_script_t script = {0};
  size_t heard = 0;
  for (size_t i = 0; i < SIZE; i++) bytes[i] = (char)(i * 31 + i / 4096);
  stream_forget(stream);
  stream_frame(&script, 1, "{\"type\":\"control\",\"status\":\"connected\"}", 39);
  for (size_t at = 0; at < SIZE; at += 50000) stream_frame(&script, 2, bytes + at, 50000);
  stream_play(stream, &script, script.size, STREAM_STAYS);
  const daytona_pty_connect_opts_t opts = {.attach = {.on_output = on_output, .user = &heard}};
  daytona_future_t *future = api_must(daytona_pty_connect(stream->sandbox, "t", &opts));
  daytona_pty_t *pty = daytona_pty_retain(daytona_future_pty(future));
  daytona_future_release(future);
  assert_int_equal(daytona_pty_write(pty, bytes, SIZE), 0);
  while (heard < SIZE || stream->received_size < SIZE) uv_run(&stream->api.uv, UV_RUN_ONCE);
  assert_memory_equal(stream->received, bytes, SIZE);
  daytona_pty_disconnect(pty);
  future = api_must(daytona_pty_wait(pty));
  assert_int_equal(daytona_future_stream_end(future)->reason, DAYTONA_STREAM_CLOSED);
  assert_int_equal(stream->close_code, 1000);
  daytona_future_release(future);
  daytona_pty_release(pty);
  stream_script_clear(&script);
}

static void run_code(scene_t *scene) {
  stream_scene_t *stream = &scene->log.stream;
  stream_script_t script = {0};
  stream_forget(stream);
  stream_frame(&script, 1, "{\"type\":\"stdout\",\"text\":\"42\\n\"}", 31);
  stream_close_frame(&script, 1000, "");
  stream_play(stream, &script, script.size, STREAM_STAYS);
  daytona_future_t *future = api_must(daytona_interpreter_run_code(stream->sandbox, "print(42)", NULL));
  assert_string_equal(daytona_future_interpreter_run_result(future)->out.data, "42\n");
  daytona_future_release(future);
  stream_script_clear(&script);
}

static void succeed(scene_t *scene, const route_t *route) {
  const char *host = scene->has_door ? "localhost" : is_far(route) ? far_host : "127.0.0.1";
  /* The environment's proxy is for other machines. */
  bool goes_past = route->no_proxy != NULL && !is_far(route);
  follow_with_a_cut(scene);
  use_a_terminal(scene);
  run_code(scene);
  assert_true(api_has_header(scene->log.stream.upgrade, "Authorization", "Bearer key"));
  assert_false(api_has_header(scene->log.stream.upgrade, "Proxy-Authorization", NULL));
  if (!scene->has_proxy) return;
  if (goes_past) {
    assert_int_equal(scene->proxy.peer.accepted, 0);
    return;
  }
  char target[64];
  snprintf(target, sizeof target, "%s:%d", host,
           scene->has_door ? scene->door.peer.port : scene->log.stream.api.peer.port);
  assert_string_equal(scene->proxy.target, target);
  assert_true(scene->proxy.connects >= 4); /* four sockets, and with TLS libcurl's connections */
  assert_int_equal(scene->proxy.forwards != 0, !scene->has_door);
}

static void fail_alike(scene_t *scene, const route_t *route) {
  daytona_sandbox_t *sandbox = scene->log.stream.sandbox;
  const daytona_pty_connect_opts_t opts = {.attach = {.handshake_timeout_ms = DAYTONA_NO_TIMEOUT}};
  daytona_future_t *futures[] = {
    daytona_session_get(sandbox, "s", NULL), daytona_session_follow(sandbox, "s", "c", NULL),
    daytona_pty_connect(sandbox, "t", &opts), daytona_interpreter_run_code(sandbox, "1", NULL)};
  for (size_t i = 0; i < sizeof futures / sizeof *futures; i++) {
    while (!daytona_future_is_settled(futures[i])) { /* requests are repeated after a while */
      uv_run(&scene->log.stream.api.uv, UV_RUN_NOWAIT);
      if (i == 0) api_advance(&scene->log.stream.api, 20);
    }
    if (daytona_future_code(futures[i]) != route->expected)
      fail_msg(
        "%zu: %s: %s", i, daytona_errcode_name(daytona_future_code(futures[i])),
        daytona_future_error(futures[i]) != NULL ? daytona_future_error(futures[i])->message : "success");
    daytona_future_release(futures[i]);
  }
  assert_int_equal(scene->log.stream.upgrades + scene->log.stream.api.request_count, 0);
}

static void streams_take_the_route(void **state) {
  const route_t *route = *state;
  static scene_t scene;
  if (!has_certificates) {
    print_message("# skipped: openssl(1) is not installed\n");
    skip();
  }
  open_scene(&scene, route);
  if (route->expected == DAYTONA_OK)
    succeed(&scene, route);
  else
    fail_alike(&scene, route);
  close_scene(&scene);
}

/* What an https server says of an http toolbox is not believed. */
static void a_key_does_not_leave_tls(void **state) {
  static scene_t scene;
  if (!has_certificates) {
    print_message("# skipped: openssl(1) is not installed\n");
    skip();
  }
  open_scene(&scene, &routes[0]);
  daytona_sandbox_t *sandbox = scene.log.stream.sandbox;
  const char *before = sandbox->toolbox_url;
  assert_int_equal(daytona__sandbox_set_toolbox(sandbox, "http://localhost:1/toolbox", NULL), 0);
  assert_ptr_equal(sandbox->toolbox_url, before);
  assert_int_equal(daytona__sandbox_set_toolbox(sandbox, "https://localhost:1/toolbox", NULL), 0);
  assert_string_equal(sandbox->toolbox_url, "https://localhost:1/toolbox/sb-1");
  close_scene(&scene);
}

/* Records of TLS are larger than what is in them, and a peer that does not read lets them pile up. */
static void input_is_taken_whole_or_not_at_all(void **state) {
  static scene_t scene;
  static char bytes[1 << 20];
  stream_scene_t *stream = &scene.log.stream;
  stream_script_t script = {0};
  if (!has_certificates) {
    print_message("# skipped: openssl(1) is not installed\n");
    skip();
  }
  open_scene(&scene, &routes[0]);
  stream_forget(stream);
  stream_frame(&script, 1, "{\"type\":\"control\",\"status\":\"connected\"}", 39);
  stream_play(stream, &script, script.size, STREAM_STAYS);
  daytona_future_t *future = api_must(daytona_pty_connect(stream->sandbox, "t", NULL));
  daytona_pty_t *pty = daytona_pty_retain(daytona_future_pty(future));
  daytona_future_release(future);
  uv_read_stop((uv_stream_t *)&scene.door.peer.link->handle);
  size_t room;
  do {
    assert_int_equal(daytona_pty_write(pty, bytes, 256 << 10), 0);
    room = DAYTONA__WS_QUEUED_DEFAULT - daytona__ws_queued(pty->ws);
  } while (room > sizeof bytes);
  /* As much as fits but for what frames add; then a byte less and less, to where everything fits. */
  for (size_t size = room; size > room - 8192; size -= 511) {
    size_t before = daytona__ws_queued(pty->ws);
    int rc = daytona_pty_write(pty, bytes, size);
    size_t taken = daytona__ws_queued(pty->ws) - before;
    if (rc == DAYTONA_ELIMIT) {
      assert_int_equal(taken, 0);
      continue;
    }
    assert_int_equal(rc, 0);
    assert_true(taken >= size);
    break;
  }
  assert_int_equal(daytona_pty_write(pty, bytes, sizeof bytes), DAYTONA_ELIMIT);
  daytona_pty_release(pty);
  stream_script_clear(&script);
  close_scene(&scene);
}

/*
 * A control plane that is reached by https names a toolbox that is not: nothing is sent there, not on this machine
 * either, unless the program has allowed it.
 */
static void a_plain_toolbox_of_a_secure_control_plane_is_refused(void **state) {
  (void)state;
  static scene_t scene;
  char url[64], answer[128];
  if (!has_certificates) {
    print_message("# skipped: openssl(1) is not installed\n");
    skip();
  }
  for (int is_allowed = 0; is_allowed < 2; is_allowed++) {
    allows_plain_toolbox = is_allowed;
    open_scene(&scene, &routes[0]);
    stream_scene_t *stream = &scene.log.stream;
    api_scene_t *api = &stream->api;
    daytona_sandbox_t *sandbox = stream->sandbox;
    snprintf(url, sizeof url, "http://127.0.0.1:%d/toolbox", api->peer.port);
    snprintf(answer, sizeof answer, "{\"url\":\"%s\"}", url);
    api_answer(api, "GET /api/sandbox/sb-1/toolbox-proxy-url", 200, answer);
    api_answer(api, "POST /toolbox/sb-1/process/execute", 200, "{\"exitCode\":0,\"result\":\"\"}");
    daytona__free(sandbox->toolbox_url);
    sandbox->toolbox_url = NULL;
    assert_int_equal(daytona__sandbox_set_toolbox(sandbox, url, NULL),
                     0); /* as the sandbox's own record would */
    assert_int_equal(sandbox->toolbox_url != NULL, is_allowed);
    if (is_allowed) {
      api_done(daytona_process_exec(sandbox, "ls", NULL));
    } else {
      daytona_future_t *futures[] = {
        daytona_process_exec(sandbox, "ls", NULL), daytona_session_follow(sandbox, "s", "c", NULL),
        daytona_pty_connect(sandbox, "t", NULL), daytona_interpreter_run_code(sandbox, "1", NULL)};
      for (size_t i = 0; i < sizeof futures / sizeof *futures; i++) {
        const char *message = daytona_future_error(api_must_fail(futures[i], DAYTONA_EPROTOCOL))->message;
        assert_non_null(strstr(message, url));
        assert_non_null(strstr(message, "allows_plain_toolbox"));
        daytona_future_release(futures[i]);
      }
      assert_int_equal(stream->upgrades, 0);
      assert_int_equal(api_count(api, "POST /toolbox"), 0);
    }
    close_scene(&scene);
  }
  allows_plain_toolbox = false;
}

int main(void) {
  struct CMUnitTest tests[ROUTES + 3] = {
    [ROUTES] = cmocka_unit_test(input_is_taken_whole_or_not_at_all),
    cmocka_unit_test(a_key_does_not_leave_tls),
    cmocka_unit_test(a_plain_toolbox_of_a_secure_control_plane_is_refused)};
  for (size_t i = 0; i < ROUTES; i++)
    tests[i] = (struct CMUnitTest){
      .name = routes[i].name, .test_func = streams_take_the_route, .initial_state = (void *)&routes[i]};
  signal(SIGPIPE, SIG_IGN); /* the peers write to clients that have gone */
  has_certificates = tls_certificates_make() != NULL;
  int failed = cmocka_run_group_tests_name("stream_routes", tests, NULL, NULL);
  tls_certificates_remove();
  return failed;
}
