/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS on mbedTLS under a WebSocket: the common matrix first, then what only this side has.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/check.h"
#include "net/tls.h"
#include "support/tls_peer.h"
#include "support/ws_client.h"

static bool has_certificates;

static void need_certificates(void) {
  if (has_certificates) return;
  print_message("# skipped: openssl(1) is not installed\n");
  skip();
}

/* A client that trusts what `test` says, and a TLS server in place of the plain one. */
typedef struct scene {
  ws_client_t client;
  tls_peer_t tls;
  ws_seen_t seen;
  char url[128], ca[128];
} scene_t;

static void scene_open(scene_t *scene, const tls_case_t *test) {
  daytona__net_options_t options = {.happy_eyeballs_ms = -1};
  need_certificates();
  memset(scene, 0, sizeof *scene);
  tls_case_options(test, &options.tls);
  ws_client_open(&scene->client, &options);
  tls_peer_open(&scene->tls, &scene->client.peer, test->server, test->asks_client, test->fault);
  snprintf(scene->url, sizeof scene->url, "wss://%s:%d/", test->host, scene->client.peer.port);
}

static void scene_close(scene_t *scene) {
  ws_client_release(&scene->seen);
  ws_client_close(&scene->client);
  tls_peer_close(&scene->tls);
}

static const tls_case_t *const good = &tls_cases[0];

static void scene_connect(scene_t *scene, ws_seen_t *seen) {
  ws_client_connect_open(&scene->client, seen, (daytona__ws_opts_t){.url = scene->url});
}

static void matrix(void **state) {
  const tls_case_t *test = *state;
  scene_t scene;
  scene_open(&scene, test);
  scene.client.peer.echoes = true;
  assert_int_equal(ws_client_connect(&scene.client, &scene.seen,
                                     (daytona__ws_opts_t){.url = scene.url, .connect_timeout_ms = 8000}),
                   0);
  while (scene.seen.opened + scene.seen.closed == 0) {
    stage_spin(&scene.client.stage, 1);
    if (test->fault == TLS_FAULT_STALL && scene.client.peer.accepted != 0)
      daytona__loop_advance(scene.client.stage.loop, 2000);
  }
  if (test->expected == DAYTONA_OK) {
    assert_int_equal(scene.seen.opened, 1);
    assert_int_equal(daytona__ws_send(scene.seen.ws, false, "secret", 6), 0);
    stage_until_count(&scene.client.stage, &scene.seen.messages, 1);
    assert_string_equal(scene.seen.data, "secret");
  } else {
    assert_int_equal(scene.seen.opened, 0);
    assert_int_equal(scene.seen.code, test->expected);
    if (strstr(test->name, "another_key") != NULL)
      assert_non_null(strstr(scene.seen.message, "does not belong"));
    print_message("# %s\n", scene.seen.message);
  }
  scene_close(&scene);
}

static void tls_carries_much_both_ways(void **state) {
  scene_t scene;
  scene_open(&scene, good);
  scene_connect(&scene, &scene.seen);
  scene.client.peer.echoes = true;
  enum { SIZE = 3 << 20 };
  char *bytes = malloc(SIZE);
  for (size_t i = 0; i < SIZE; i++) bytes[i] = (char)(i * 31 + i / 4096);
  assert_int_equal(daytona__ws_send(scene.seen.ws, false, bytes, SIZE), 0);
  stage_until_count(&scene.client.stage, &scene.seen.messages, 1);
  assert_int_equal(scene.seen.data_size, SIZE);
  assert_memory_equal(scene.seen.data, bytes, SIZE);
  free(bytes);
  scene_close(&scene);
}

static void tls_pause_loses_nothing(void **state) {
  scene_t scene;
  scene_open(&scene, good);
  scene_connect(&scene, &scene.seen);
  enum { SIZE = 1 << 20 };
  char *bytes = malloc(SIZE);
  for (size_t i = 0; i < SIZE; i++) bytes[i] = (char)(i * 37 + i / 4096);
  scene.seen.pauses_after_piece = true;
  ws_link_frame(scene.client.peer.link, 2, true, bytes, SIZE);
  while (scene.seen.messages == 0) { /* one chunk for each resume, to the last */
    size_t pieces = scene.seen.pieces;
    stage_until_count(&scene.client.stage, &scene.seen.pieces, pieces + 1);
    assert_int_equal(scene.seen.pieces, pieces + 1);
    daytona__ws_resume(scene.seen.ws);
  }
  assert_int_equal(scene.seen.data_size, SIZE);
  assert_memory_equal(scene.seen.data, bytes, SIZE);
  free(bytes);
  scene_close(&scene);
}

static void tls_resumes_sessions(void **state) {
  scene_t scene;
  ws_seen_t second = {0};
  scene_open(&scene, good);
  scene_connect(&scene, &scene.seen);
  size_t full = scene.tls.handshake_bytes;
  scene_connect(&scene, &second);
  assert_int_equal(scene.tls.handshakes, 2);
  assert_true(scene.tls.handshake_bytes < full / 2);
  ws_client_release(&second);
  /* An old session is not offered any more. */
  daytona__loop_advance(scene.client.stage.loop, 11 * 60 * 1000);
  ws_seen_t third = {0};
  scene_connect(&scene, &third);
  assert_true(scene.tls.handshake_bytes > full / 2);
  ws_client_release(&third);
  scene_close(&scene);
}

static void tls_end_is_no_tls_failure(void **state) {
  static const daytona__ws_end_t ends[] = {DAYTONA__WS_END_EOF, DAYTONA__WS_END_EOF, DAYTONA__WS_END_RESET};
  for (int way = 0; way < 3; way++) {
    scene_t scene;
    scene_open(&scene, good);
    scene_connect(&scene, &scene.seen);
    if (way == 0) tls_peer_notify(&scene.client.peer);
    if (way == 1) ws_link_shut(scene.client.peer.link);
    if (way == 2) ws_link_reset(scene.client.peer.link);
    ws_client_until_closed(&scene.seen);
    assert_int_equal(scene.seen.how, ends[way]);
    assert_int_equal(scene.seen.code, DAYTONA_ECONNECTION);
    scene_close(&scene);
  }
}

static void tls_broken_record_is_a_tls_failure(void **state) {
  scene_t scene;
  scene_open(&scene, good);
  scene_connect(&scene, &scene.seen);
  ws_link_send_raw(scene.client.peer.link, "\x17\x03\x03\x00\x20 not encrypted with any key at all", 40);
  ws_client_until_closed(&scene.seen);
  assert_int_equal(scene.seen.code, DAYTONA_ETLS);
  scene_close(&scene);
}

static void tls_close_is_orderly(void **state) {
  scene_t scene;
  scene_open(&scene, good);
  scene_connect(&scene, &scene.seen);
  assert_int_equal(daytona__ws_close(scene.seen.ws, 1000, "done"), 0);
  ws_client_until_closed(&scene.seen);
  assert_int_equal(scene.seen.how, DAYTONA__WS_END_FRAME);
  assert_int_equal(scene.client.peer.close_code, 1000);
  scene_close(&scene);
}

static void tls_cancels_while_loading(void **state) {
  scene_t scene;
  scene_open(&scene, good);
  assert_int_equal(ws_client_connect(&scene.client, &scene.seen, (daytona__ws_opts_t){.url = scene.url}), 0);
  daytona__ws_cancel(scene.seen.ws);
  ws_client_until_closed(&scene.seen);
  assert_int_equal(scene.seen.code, DAYTONA_ECANCELED);
  scene_close(&scene); /* the pool may still be reading the CA file */
}

/* What could not be loaded is tried again by the next connection: it may have been a lack of memory. */
static void tls_loads_again_what_failed(void **state) {
  static const tls_case_t late = {"late", "good", "localhost",    "late.pem",
                                  NULL,   false,  TLS_FAULT_NONE, DAYTONA_OK};
  scene_t scene;
  ws_seen_t second = {0};
  char command[600], from[256], to[256];
  scene_open(&scene, &late);
  assert_int_equal(ws_client_connect(&scene.client, &scene.seen, (daytona__ws_opts_t){.url = scene.url}), 0);
  ws_client_until_closed(&scene.seen);
  assert_int_equal(scene.seen.code, DAYTONA_ETLS);
  tls_certificate_path("ca", ".pem", from, sizeof from);
  tls_certificate_path("late", ".pem", to, sizeof to);
  snprintf(command, sizeof command, "cp '%s' '%s'", from, to);
  assert_int_equal(system(command), 0);
  scene_connect(&scene, &second);
  ws_client_release(&second);
  scene_close(&scene);
}

/* Open another socket; what becomes of it. */
static daytona_errcode_t open_another(scene_t *scene) {
  ws_client_release(&scene->seen);
  memset(&scene->seen, 0, sizeof scene->seen);
  assert_int_equal(ws_client_connect(&scene->client, &scene->seen, (daytona__ws_opts_t){.url = scene->url}),
                   0);
  while (scene->seen.opened + scene->seen.closed == 0) stage_spin(&scene->client.stage, 1);
  return scene->seen.opened != 0 ? DAYTONA_OK : scene->seen.code;
}

static void tls_renewed_certificates_count_for_the_next_connection(void **state) {
  tls_case_t test = *good;
  scene_t scene;
  tls_certificate_renew("ca.pem");
  test.ca = "renewed.pem";
  scene_open(&scene, &test);
  assert_int_equal(open_another(&scene), DAYTONA_OK);
  ws_seen_t old = {0};
  scene_connect(&scene, &old);
  tls_certificate_renew("other_ca.pem");
  daytona__loop_advance(scene.client.stage.loop, 1100);
  assert_int_equal(open_another(&scene), DAYTONA_ETLS); /* no session is resumed either */
  tls_certificate_renew("ca.pem");
  assert_int_equal(open_another(&scene), DAYTONA_OK);
  tls_certificate_renew("empty.pem");
  daytona__loop_advance(scene.client.stage.loop, 1100);
  assert_int_equal(open_another(&scene), DAYTONA_OK); /* of no use: what was known stays in force */
  assert_int_equal(old.closed, 0);
  ws_client_release(&old);
  scene_close(&scene);
}

static void tls_survives_each_failed_allocation(void **state) {
  bool has_failed = true;
  for (size_t nth = 0; has_failed; nth++) {
    scene_t scene;
    scene_open(&scene, good);
    stage_fail_alloc(nth);
    int code = ws_client_connect(&scene.client, &scene.seen, (daytona__ws_opts_t){.url = scene.url});
    if (code == 0) {
      while (scene.seen.opened + scene.seen.closed == 0) stage_spin(&scene.client.stage, 1);
      if (scene.seen.closed != 0) assert_int_equal(scene.seen.code, DAYTONA_ENOMEM);
    }
    has_failed = stage_alloc_failed();
    stage_alloc_restore();
    scene_close(&scene);
  }
}

/* --- no network: both ends in memory ----------------------------------------------------------- */

typedef struct pipe_end {
  char bytes[1 << 18];
  size_t at, size;
  size_t step; /* bytes handed out at once; 0: random */
  bool gives;  /* one step may be taken */
} pipe_end_t;

static pipe_end_t to_client, to_server;

static void pipe_put(pipe_end_t *pipe, const void *bytes, size_t size) {
  assert_true(pipe->size + size <= sizeof pipe->bytes);
  memcpy(pipe->bytes + pipe->size, bytes, size);
  pipe->size += size;
}

static size_t pipe_get(pipe_end_t *pipe, void *buffer, size_t size) {
  size_t now = pipe->step != 0 ? pipe->step : (size_t)rand() % 40 + 1;
  if (!pipe->gives) return 0;
  pipe->gives = false;
  if (now > size) now = size;
  if (now > pipe->size - pipe->at) now = pipe->size - pipe->at;
  memcpy(buffer, pipe->bytes + pipe->at, now);
  pipe->at += now;
  return now;
}

static ptrdiff_t client_pull(void *user, void *buffer, size_t size) {
  return (ptrdiff_t)pipe_get(&to_client, buffer, size);
}

static int client_push(void *user, const void *bytes, size_t size) {
  pipe_put(&to_server, bytes, size);
  return 0;
}

static int server_send(void *user, const unsigned char *bytes, size_t size) {
  pipe_put(&to_client, bytes, size);
  return (int)size;
}

static int server_receive(void *user, unsigned char *buffer, size_t size) {
  to_server.gives = true;
  size_t got = pipe_get(&to_server, buffer, size);
  return got != 0 ? (int)got : MBEDTLS_ERR_SSL_WANT_READ;
}

typedef struct loaded {
  daytona__trust_waiter_t waiter;
  bool is_done;
  int code;
} loaded_t;

static void on_loaded(daytona__trust_waiter_t *waiter, int code, const char *message) {
  loaded_t *loaded = DAYTONA__CONTAINER(waiter, loaded_t, waiter);
  loaded->is_done = true;
  loaded->code = code;
}

static void handshake(daytona__tls_t *client, mbedtls_ssl_context *server) {
  int client_done = 0, server_status = MBEDTLS_ERR_SSL_WANT_READ;
  while (client_done == 0 || server_status != 0) {
    to_client.gives = true;
    if (client_done == 0) client_done = daytona__tls_handshake(client);
    assert_true(client_done >= 0);
    if (server_status != 0) server_status = mbedtls_ssl_handshake(server);
    assert_true(server_status == 0 || server_status == MBEDTLS_ERR_SSL_WANT_READ);
  }
}

static void exchange(daytona__tls_t *client, mbedtls_ssl_context *server) {
  enum { SIZE = 50000 };
  static char sent[SIZE], got[SIZE];
  size_t have = 0;
  for (size_t i = 0; i < SIZE; i++) sent[i] = (char)(i * 13);
  for (size_t at = 0; at < SIZE;) {
    int wrote = mbedtls_ssl_write(server, (unsigned char *)sent + at, SIZE - at);
    assert_true(wrote > 0);
    at += (size_t)wrote;
  }
  while (have < SIZE) {
    to_client.gives = true;
    ptrdiff_t now = daytona__tls_read(client, got + have, SIZE - have);
    assert_true(now >= 0);
    have += (size_t)now;
  }
  assert_memory_equal(sent, got, SIZE);
  assert_int_equal(daytona__tls_write(client, sent, SIZE), 0);
  for (have = 0; have < SIZE;) {
    int now = mbedtls_ssl_read(server, (unsigned char *)got + have, SIZE - have);
    assert_true(now > 0 || now == MBEDTLS_ERR_SSL_WANT_READ);
    if (now > 0) have += (size_t)now;
  }
  assert_memory_equal(sent, got, SIZE);
}

static void tls_is_the_same_however_cut(void **state) {
  static const size_t steps[] = {1, 3, 16384, 0, 0};
  char ca[256];
  stage_t stage;
  ws_peer_t unused;
  tls_peer_t tls;
  need_certificates();
  stage_open(&stage);
  assert_int_equal(daytona__psa_init(), 0);
  tls_certificate_path("ca", ".pem", ca, sizeof ca);
  daytona__tls_options_t options = {.ca_file = ca};
  daytona__tls_ctx_t *ctx;
  loaded_t loaded = {.waiter.on_ready = on_loaded};
  assert_int_equal(daytona__tls_ctx_new(stage.loop, &options, &ctx), 0);
  daytona__tls_ctx_wait(ctx, &loaded.waiter);
  stage_until(&stage, &loaded.is_done);
  assert_int_equal(loaded.code, 0);
  tls_peer_open(&tls, &unused, "good", false, TLS_FAULT_NONE);
  for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
    mbedtls_ssl_context server;
    daytona__tls_t *client;
    daytona__tls_io_t io = {client_pull, client_push, NULL};
    to_client.at = to_client.size = to_server.at = to_server.size = 0;
    to_client.step = to_server.step = steps[i];
    mbedtls_ssl_init(&server);
    assert_int_equal(mbedtls_ssl_setup(&server, &tls.conf), 0);
    mbedtls_ssl_set_bio(&server, NULL, server_send, server_receive, NULL);
    /* Another port each time: no session is resumed. */
    assert_int_equal(daytona__tls_new(ctx, "localhost", (int)i + 1, &io, &client), 0);
    handshake(client, &server);
    exchange(client, &server);
    daytona__tls_close_notify(client);
    daytona__tls_free(client);
    mbedtls_ssl_free(&server);
  }
  bool closed = false;
  daytona__tls_ctx_close(ctx, stage_set_flag, &closed);
  stage_until(&stage, &closed);
  tls_peer_close(&tls);
  stage_close(&stage);
}

/* --- proxies ----------------------------------------------------------------------------------- */

static struct {
  char request[512];
  const char *answer;
  bool starts_tls;
} proxy;

/* The peer as a proxy that then plays the target itself. */
static void on_connect(ws_link_t *link) {
  if (strstr(link->in, "\r\n\r\n") == NULL) return;
  snprintf(proxy.request, sizeof proxy.request, "%s", link->in);
  link->in_size = 0;
  link->peer->on_raw = NULL;
  ws_link_send(link, proxy.answer, strlen(proxy.answer));
  if (proxy.starts_tls) link->filter_state = link->peer->filter.open(link, link->peer->filter.user);
}

static void open_through_proxy(scene_t *scene, const char *proxy_url, const char *url) {
  char text[128];
  daytona__net_options_t options = {.happy_eyeballs_ms = -1};
  memset(scene, 0, sizeof *scene);
  tls_certificate_path("ca.pem", "", scene->ca, sizeof scene->ca);
  options.tls.ca_file = scene->ca;
  /* The port is known only when the peer listens, so the sockets' common part is made a second time. */
  ws_client_open(&scene->client, &options);
  snprintf(text, sizeof text, proxy_url, scene->client.peer.port);
  bool closed = false;
  daytona__ws_env_close(scene->client.env, stage_set_flag, &closed);
  stage_until(&scene->client.stage, &closed);
  options.proxy.http_proxy = options.proxy.https_proxy = text;
  assert_int_equal(daytona__ws_env_new(scene->client.stage.loop, &options, scene->client.resolver, NULL, 0,
                                       &scene->client.env),
                   0);
  scene->client.peer.on_raw = on_connect;
  snprintf(scene->url, sizeof scene->url, "%s", url);
  proxy.answer = "HTTP/1.1 200 OK\r\n\r\n";
  proxy.starts_tls = false;
}

static void proxy_tunnels_plain(void **state) {
  scene_t scene;
  need_certificates();
  open_through_proxy(&scene, "http://us%%65r:p%%3Aw@127.0.0.1:%d", "ws://target.invalid:8080/x");
  scene_connect(&scene, &scene.seen);
  assert_non_null(strstr(proxy.request, "CONNECT target.invalid:8080 HTTP/1.1\r\n"));
  assert_non_null(strstr(proxy.request, "Proxy-Authorization: Basic dXNlcjpwOnc=\r\n"));
  assert_null(strstr(scene.client.peer.link->request, "Proxy-Authorization"));
  ws_client_release(&scene.seen);
  ws_client_close(&scene.client);
}

static void proxy_tunnels_tls(void **state) {
  scene_t scene;
  need_certificates();
  open_through_proxy(&scene, "http://127.0.0.1:%d", "wss://localhost:9443/x");
  tls_peer_open(&scene.tls, &scene.client.peer, "good", false, TLS_FAULT_NONE);
  proxy.starts_tls = true;
  ws_peer_filter_t filter = scene.client.peer.filter;
  scene.client.peer.filter.open = NULL; /* TLS begins behind the response */
  assert_int_equal(ws_client_connect(&scene.client, &scene.seen, (daytona__ws_opts_t){.url = scene.url}), 0);
  stage_until_count(&scene.client.stage, &scene.client.peer.accepted, 1);
  scene.client.peer.filter = filter;
  stage_until_count(&scene.client.stage, &scene.seen.opened, 1);
  assert_non_null(strstr(proxy.request, "CONNECT localhost:9443 HTTP/1.1\r\n"));
  scene_close(&scene);
}

static void proxy_itself_over_tls(void **state) {
  scene_t scene;
  need_certificates();
  open_through_proxy(&scene, "https://localhost:%d", "ws://target.invalid/x");
  tls_peer_open(&scene.tls, &scene.client.peer, "good", false, TLS_FAULT_NONE);
  scene_connect(&scene, &scene.seen);
  assert_non_null(strstr(proxy.request, "CONNECT target.invalid:80 HTTP/1.1\r\n"));
  scene_close(&scene);
}

static void proxy_refusals_are_named(void **state) {
  static const char *const answers[] = {
    ("HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Digest realm=x\r\nContent-Length: "
     "0\r\n\r\n"),
    "HTTP/1.1 403 Forbidden\r\n\r\n", "SSH-2.0\r\n\r\n"};
  for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
    scene_t scene;
    need_certificates();
    open_through_proxy(&scene, "http://127.0.0.1:%d", "ws://target.invalid/x");
    proxy.answer = answers[i];
    assert_int_equal(ws_client_connect(&scene.client, &scene.seen, (daytona__ws_opts_t){.url = scene.url}),
                     0);
    ws_client_until_closed(&scene.seen);
    assert_int_equal(scene.seen.code, DAYTONA_EPROXY);
    if (i == 0)
      assert_string_equal(
        scene.seen.message,
        "the proxy wants credentials (407, it offers Digest); Basic is what this library knows");
    ws_client_release(&scene.seen);
    ws_client_close(&scene.client);
  }
}

static void proxy_socks_is_refused_in_words(void **state) {
  scene_t scene;
  need_certificates();
  open_through_proxy(&scene, "socks5://127.0.0.1:%d", "ws://target.invalid/x");
  assert_int_equal(ws_client_connect(&scene.client, &scene.seen, (daytona__ws_opts_t){.url = scene.url}), 0);
  ws_client_until_closed(&scene.seen);
  assert_int_equal(scene.seen.code, DAYTONA_EUNSUPPORTED);
  assert_non_null(strstr(scene.seen.message, "SOCKS"));
  ws_client_release(&scene.seen);
  ws_client_close(&scene.client);
}

int main(void) {
  static char names[TLS_CASES][64];
  struct CMUnitTest tests[TLS_CASES + 24] = {{0}};
  const struct CMUnitTest own[] = {
    cmocka_unit_test(tls_carries_much_both_ways),
    cmocka_unit_test(tls_pause_loses_nothing),
    cmocka_unit_test(tls_resumes_sessions),
    cmocka_unit_test(tls_end_is_no_tls_failure),
    cmocka_unit_test(tls_broken_record_is_a_tls_failure),
    cmocka_unit_test(tls_close_is_orderly),
    cmocka_unit_test(tls_cancels_while_loading),
    cmocka_unit_test(tls_loads_again_what_failed),
    cmocka_unit_test(tls_renewed_certificates_count_for_the_next_connection),
    cmocka_unit_test(tls_survives_each_failed_allocation),
    cmocka_unit_test(tls_is_the_same_however_cut),
    cmocka_unit_test(proxy_tunnels_plain),
    cmocka_unit_test(proxy_tunnels_tls),
    cmocka_unit_test(proxy_itself_over_tls),
    cmocka_unit_test(proxy_refusals_are_named),
    cmocka_unit_test(proxy_socks_is_refused_in_words),
  };
  size_t count = 0;
  for (; count < TLS_CASES; count++) {
    snprintf(names[count], sizeof names[count], "matrix_%s", tls_cases[count].name);
    tests[count] = (struct CMUnitTest){
      .name = names[count], .test_func = matrix, .initial_state = (void *)&tls_cases[count]};
  }
  for (size_t i = 0; i < sizeof own / sizeof *own; i++) tests[count++] = own[i];
  has_certificates = tls_certificates_make() != NULL;
  int failed = _cmocka_run_group_tests("tls", tests, count, NULL, NULL);
  tls_certificates_remove();
  return failed;
}
