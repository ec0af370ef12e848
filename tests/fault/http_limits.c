/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time limits against peers that do not play along: nobody there, silent, stalled in the lookup, in TLS or
 * at the proxy, dribbling. The clock is moved by hand; each limit must hold to the 50 ms that are promised
 * and give its own error.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http_scene.h"
#include "support/check.h"

static scene_t scene;

static int set_up(void **state) {
  scene_open(&scene);
  return 0;
}

static int tear_down(void **state) {
  scene_close(&scene);
  return 0;
}

/*
 * The call is still going half a second (of the moved clock, for this machine may be slow) before its limit,
 * which runs from now at the latest, and over at it.
 */
static void assert_ends_at(request_t *request, int64_t limit_ms, daytona_errcode_t code) {
  const int64_t slack_ms = 500;
  daytona__loop_advance(scene.stage.loop, limit_ms - slack_ms);
  stage_spin(&scene.stage, 3);
  assert_int_equal(request->done, 0);
  daytona__loop_advance(scene.stage.loop, slack_ms);
  stage_spin(&scene.stage, 3);
  assert_int_equal(request->done, 1);
  assert_int_equal(request->call.response.code, code);
  assert_non_null(request->call.response.message);
}

static void prepare(request_t *request, const char *url) { scene_prepare(&scene, request, "GET", url); }

/* --- the connect limit -------------------------------------------------------------------------- */

/* A listener whose queue is full: further connections are neither accepted nor refused. */
static int make_full_listener(int fds[4]) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  fds[0] = socket(AF_INET, SOCK_STREAM, 0);
  assert_int_equal(bind(fds[0], (struct sockaddr *)&address, size), 0);
  assert_int_equal(listen(fds[0], 0), 0);
  getsockname(fds[0], (struct sockaddr *)&address, &size);
  for (int i = 1; i < 4; i++) {
    fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    connect(fds[i], (struct sockaddr *)&address, size);
  }
  return ntohs(address.sin_port);
}

static void a_peer_that_never_accepts(void **state) {
  request_t request;
  char url[64];
  int fds[4];
  snprintf(url, sizeof url, "http://127.0.0.1:%d/", make_full_listener(fds));
  prepare(&request, url);
  request.call.connect_timeout_ms = 3000;
  scene_start(&request);
  stage_spin(&scene.stage, 5);
  assert_ends_at(&request, 3000, DAYTONA_ECONNECT_TIMEOUT);
  assert_false(request.call.was_sent);
  assert_int_equal(request.call.response.attempts, 1);
  for (int i = 0; i < 4; i++) close(fds[i]);
  scene_clear(&request);
}

static void a_stalled_tls_handshake(void **state) {
  request_t request;
  char url[64];
  scene.peer.accepts_raw = true;
  snprintf(url, sizeof url, "https://127.0.0.1:%d/", scene.peer.port);
  prepare(&request, url);
  scene_start(&request);
  stage_until_count(&scene.stage, &scene.peer.bytes, 1);
  assert_ends_at(&request, 5000, DAYTONA_ECONNECT_TIMEOUT); /* the client's default */
  assert_false(request.call.was_sent);
  scene_clear(&request);
}

static void a_tls_handshake_that_dribbles(void **state) {
  request_t request;
  char url[64];
  scene.peer.accepts_raw = true;
  snprintf(url, sizeof url, "https://127.0.0.1:%d/", scene.peer.port);
  prepare(&request, url);
  scene_start(&request);
  stage_until_count(&scene.stage, &scene.peer.bytes, 1);
  static const char record[] = {0x16, 3, 3, 0x10, 0, 2, 0, 0x0f, (char)0xfc, 3, 3};
  for (size_t i = 0; i < sizeof record && request.done == 0; i++) {
    assert_int_equal(i < 10, 1);
    peer_send(scene.peer.conns, &record[i], 1);
    daytona__loop_advance(scene.stage.loop, 500);
    stage_spin(&scene.stage, 3);
  }
  assert_int_equal(request.call.response.code, DAYTONA_ECONNECT_TIMEOUT);
  scene_clear(&request);
}

static struct {
  uv_mutex_t lock;
  uv_cond_t changed;
  bool is_held;
} lookup;

static int slow_getaddrinfo(const char *host, daytona__addresses_t *out) {
  uv_mutex_lock(&lookup.lock);
  while (lookup.is_held) uv_cond_wait(&lookup.changed, &lookup.lock);
  uv_mutex_unlock(&lookup.lock);
  uv_ip4_addr("127.0.0.1", 0, (struct sockaddr_in *)&out->items[0]);
  out->count = 1;
  return 0;
}

static void let_lookups_go(void) {
  uv_mutex_lock(&lookup.lock);
  lookup.is_held = false;
  uv_cond_broadcast(&lookup.changed);
  uv_mutex_unlock(&lookup.lock);
}

static void a_stalled_name_lookup(void **state) {
  request_t request, after;
  char url[64];
  uv_mutex_init(&lookup.lock);
  uv_cond_init(&lookup.changed);
  lookup.is_held = true;
  daytona__resolver_set_getaddrinfo(scene.resolver, slow_getaddrinfo);
  snprintf(url, sizeof url, "http://name.example:%d/", scene.peer.port);
  prepare(&request, url);
  scene_start(&request);
  stage_spin(&scene.stage, 3);
  assert_ends_at(&request, 5000, DAYTONA_ECONNECT_TIMEOUT);
  assert_false(request.call.was_sent);
  scene_close_http(&scene); /* does not wait for the lookup */
  let_lookups_go();
  assert_int_equal(daytona__http_new(scene.stage.loop, &scene.options, scene.resolver, NULL, 0, &scene.http),
                   0);
  scene_run(&scene, &after, "GET", url);
  assert_int_equal(after.call.response.code, DAYTONA_OK);
  scene_clear(&request);
  scene_clear(&after);
  uv_cond_destroy(&lookup.changed);
  uv_mutex_destroy(&lookup.lock);
}

static void a_silent_proxy(void **state) {
  request_t request;
  scene.peer.answer = NULL;
  scene.options.proxy.https_proxy = peer_url(&scene.peer, "");
  scene_reopen(&scene);
  prepare(&request, "https://sandbox.example/");
  scene_start(&request);
  scene_until_requests(&scene, 1);
  assert_ends_at(&request, 5000, DAYTONA_ECONNECT_TIMEOUT);
  assert_false(request.call.was_sent);
  scene_clear(&request);
}

static void no_connect_limit_when_asked_for_none(void **state) {
  request_t request;
  char url[64];
  int fds[4];
  snprintf(url, sizeof url, "http://127.0.0.1:%d/", make_full_listener(fds));
  prepare(&request, url);
  request.call.connect_timeout_ms = -1;
  scene_start(&request);
  stage_spin(&scene.stage, 5);
  daytona__loop_advance(scene.stage.loop, 3600 * 1000);
  stage_spin(&scene.stage, 5);
  assert_int_equal(request.done, 0);
  daytona__http_cancel(&request.call);
  for (int i = 0; i < 4; i++) close(fds[i]);
}

/* --- the idle limit ----------------------------------------------------------------------------- */

static void a_silent_peer(void **state) {
  request_t request;
  scene.peer.answer = NULL;
  prepare(&request, peer_url(&scene.peer, "/"));
  request.call.idle_timeout_ms = 2000;
  scene_start(&request);
  scene_until_requests(&scene, 1);
  assert_ends_at(&request, 2000, DAYTONA_EIDLE_TIMEOUT);
  assert_true(request.call.was_sent);
  assert_int_equal(request.call.response.attempts, 1);
  scene_clear(&request);
}

static void bytes_keep_a_call_alive(void **state) {
  request_t request;
  scene.peer.answer = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";
  prepare(&request, peer_url(&scene.peer, "/"));
  request.call.idle_timeout_ms = 2000;
  scene_start(&request);
  scene_until_requests(&scene, 1);
  for (size_t i = 1; i <= 8; i++) {
    daytona__loop_advance(scene.stage.loop, 1500);
    peer_puts(scene.peer.conns, "x");
    while (request.call.collected.size < i && request.done == 0) uv_run(&scene.stage.uv, UV_RUN_ONCE);
    assert_int_equal(request.done, 0);
  }
  assert_ends_at(&request, 2000, DAYTONA_EIDLE_TIMEOUT);
  scene_clear(&request);
}

static void the_idle_limit_does_not_count_connecting(void **state) {
  request_t request;
  char url[64];
  int fds[4];
  snprintf(url, sizeof url, "http://127.0.0.1:%d/", make_full_listener(fds));
  prepare(&request, url);
  request.call.idle_timeout_ms = 100;
  scene_start(&request);
  stage_spin(&scene.stage, 5);
  assert_ends_at(&request, 5000, DAYTONA_ECONNECT_TIMEOUT);
  for (int i = 0; i < 4; i++) close(fds[i]);
  scene_clear(&request);
}

static size_t take_nothing(daytona__http_call_t *call, const char *bytes, size_t size) { return 0; }

static void a_paused_call_is_not_idle(void **state) {
  request_t request;
  scene.peer.answer = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc";
  prepare(&request, peer_url(&scene.peer, "/"));
  request.call.idle_timeout_ms = 2000;
  request.call.sink = take_nothing;
  scene_start(&request);
  scene_until_requests(&scene, 1);
  while (request.call.response.status == 0) uv_run(&scene.stage.uv, UV_RUN_ONCE);
  stage_spin(&scene.stage, 3);
  daytona__loop_advance(scene.stage.loop, 3600 * 1000);
  stage_spin(&scene.stage, 5);
  assert_int_equal(request.done, 0);
  daytona__http_cancel(&request.call);
  scene_clear(&request);
}

/* --- the total limit ---------------------------------------------------------------------------- */

static void a_dribbling_peer(void **state) {
  request_t request;
  scene.peer.answer = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";
  prepare(&request, peer_url(&scene.peer, "/"));
  request.call.idle_timeout_ms = 2000;
  request.call.total_timeout_ms = 10000;
  scene_start(&request);
  scene_until_requests(&scene, 1);
  for (size_t i = 1; i <= 9; i++) {
    daytona__loop_advance(scene.stage.loop, 1000);
    peer_puts(scene.peer.conns, "x");
    while (request.call.collected.size < i && request.done == 0) uv_run(&scene.stage.uv, UV_RUN_ONCE);
    assert_int_equal(request.done, 0);
  }
  daytona__loop_advance(scene.stage.loop, 1000);
  stage_spin(&scene.stage, 3);
  assert_int_equal(request.done, 1);
  assert_int_equal(request.call.response.code, DAYTONA_EDEADLINE);
  scene_clear(&request);
}

static void a_peer_that_dribbles_headers(void **state) {
  request_t request;
  scene.peer.answer = "HTTP/1.1 200 OK\r\nX";
  prepare(&request, peer_url(&scene.peer, "/"));
  request.call.total_timeout_ms = 10000;
  scene_start(&request);
  scene_until_requests(&scene, 1);
  for (int i = 0; i < 9; i++) {
    peer_puts(scene.peer.conns, "x");
    daytona__loop_advance(scene.stage.loop, 1000);
    stage_spin(&scene.stage, 2);
    assert_int_equal(request.done, 0);
  }
  daytona__loop_advance(scene.stage.loop, 1000);
  stage_spin(&scene.stage, 3);
  assert_int_equal(request.call.response.code, DAYTONA_EDEADLINE);
  scene_clear(&request);
}

static void the_total_limit_includes_repeating(void **state) {
  request_t request;
  char url[64];
  snprintf(url, sizeof url, "http://127.0.0.1:%d/", peer_dead_port());
  prepare(&request, url);
  request.call.total_timeout_ms = 200; /* the first wait before repeating is 250 ms */
  scene_start(&request);
  while (request.call.response.attempts == 0 || request.call.transfer == NULL)
    uv_run(&scene.stage.uv, UV_RUN_NOWAIT);
  size_t in_flight = 1, waiting;
  while (in_flight != 0) {
    uv_run(&scene.stage.uv, UV_RUN_NOWAIT);
    daytona__http_counts(scene.http, &in_flight, &waiting);
  }
  daytona__loop_advance(scene.stage.loop, 200);
  stage_spin(&scene.stage, 3);
  assert_int_equal(request.done, 1);
  assert_int_equal(request.call.response.code, DAYTONA_EDEADLINE);
  scene_clear(&request);
}

static void waiting_in_the_queue_counts_only_when_asked(void **state) {
  request_t first, free_wait, counted;
  scene.peer.answer = NULL;
  scene.options.max_connections = 1;
  scene_reopen(&scene);
  prepare(&first, peer_url(&scene.peer, "/"));
  prepare(&free_wait, peer_url(&scene.peer, "/"));
  prepare(&counted, peer_url(&scene.peer, "/"));
  free_wait.call.total_timeout_ms = counted.call.total_timeout_ms = 1000;
  counted.call.counts_queue_time = true;
  scene_start(&first);
  scene_start(&free_wait);
  scene_start(&counted);
  scene_until_requests(&scene, 1);
  assert_ends_at(&counted, 1000, DAYTONA_EDEADLINE);
  assert_false(counted.call.was_sent);
  daytona__loop_advance(scene.stage.loop, 5000);
  stage_spin(&scene.stage, 3);
  assert_int_equal(free_wait.done, 0);
  daytona__http_cancel(&first.call);
  scene_until_requests(&scene, 2);
  assert_ends_at(&free_wait, 1000, DAYTONA_EDEADLINE);
  assert_true(free_wait.call.was_sent);
}

/* --- the loop goes on --------------------------------------------------------------------------- */

static void a_thousand_silent_peers_are_dropped_at_once(void **state) {
  enum { COUNT = 400 };
  static request_t requests[COUNT];
  scene.options.max_connections = COUNT;
  scene.peer.answer = NULL;
  scene_reopen(&scene);
  for (int i = 0; i < COUNT; i++) {
    prepare(&requests[i], peer_url(&scene.peer, "/"));
    requests[i].call.total_timeout_ms = 60000;
    scene_start(&requests[i]);
  }
  scene_until_requests(&scene, COUNT);
  daytona__loop_advance(scene.stage.loop, 60000);
  stage_until_count(&scene.stage, &scene.done, COUNT);
  for (int i = 0; i < COUNT; i++) assert_int_equal(requests[i].call.response.code, DAYTONA_EDEADLINE);
  while (scene.peer.open != 0) uv_run(&scene.stage.uv, UV_RUN_ONCE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
    TEST(a_peer_that_never_accepts),
    TEST(a_stalled_tls_handshake),
    TEST(a_tls_handshake_that_dribbles),
    TEST(a_stalled_name_lookup),
    TEST(a_silent_proxy),
    TEST(no_connect_limit_when_asked_for_none),
    TEST(a_silent_peer),
    TEST(bytes_keep_a_call_alive),
    TEST(the_idle_limit_does_not_count_connecting),
    TEST(a_paused_call_is_not_idle),
    TEST(a_dribbling_peer),
    TEST(a_peer_that_dribbles_headers),
    TEST(the_total_limit_includes_repeating),
    TEST(waiting_in_the_queue_counts_only_when_asked),
    TEST(a_thousand_silent_peers_are_dropped_at_once),
  };
  return cmocka_run_group_tests_name("http_limits", tests, NULL, NULL);
}
