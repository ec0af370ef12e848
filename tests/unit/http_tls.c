/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS under HTTP, which is libcurl's: the same matrix of certificates and faults as for WebSockets.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "http_scene.h"
#include "support/check.h"
#include "support/tls_peer.h"

static bool has_certificates;

typedef struct tls_scene {
  scene_t scene;
  ws_peer_t server;
  tls_peer_t tls;
  request_t request;
  char url[128];
} tls_scene_t;

static void answer(ws_link_t *link) {
  if (strstr(link->in, "\r\n\r\n") == NULL) return;
  link->in_size = 0;
  link->in[0] = '\0';
  ws_link_send(link, scene_ok, strlen(scene_ok));
}

static size_t swallowed;
static void swallow(ws_link_t *link) {
  swallowed += link->in_size;
  link->in_size = 0;
}

static void open_scene(tls_scene_t *s, const tls_case_t *test) {
  if (!has_certificates) {
    print_message("# skipped: openssl(1) is not installed\n");
    skip();
  }
  memset(s, 0, sizeof *s);
  scene_open(&s->scene);
  daytona__tls_options_t *tls = &s->scene.options.tls;
  tls_case_options(test, tls);
  scene_reopen(&s->scene);
  ws_peer_open(&s->server, &s->scene.stage.uv);
  s->server.on_raw = answer;
  tls_peer_open(&s->tls, &s->server, test->server, test->asks_client, test->fault);
  snprintf(s->url, sizeof s->url, "https://%s:%d/", test->host, s->server.port);
}

static void close_scene(tls_scene_t *s) {
  scene_clear(&s->request);
  scene_close_http(&s->scene);
  ws_peer_close(&s->server);
  while (s->server.open != 0) uv_run(&s->scene.stage.uv, UV_RUN_ONCE);
  tls_peer_close(&s->tls);
  scene_close(&s->scene);
}

/* Repeats are due by the moved clock; the connect limit is not, unless the case is about it. */
static void run_out(tls_scene_t *s, bool is_stalled) {
  scene_prepare(&s->scene, &s->request, "GET", s->url);
  s->request.call.connect_timeout_ms = is_stalled ? 8000 : -1;
  scene_start(&s->request);
  while (s->request.done == 0) {
    if (!is_stalled || s->server.accepted != 0) daytona__loop_advance(s->scene.stage.loop, 20);
    stage_spin(&s->scene.stage, 1);
  }
}

static void matrix(void **state) {
  const tls_case_t *test = *state;
  tls_scene_t s;
  open_scene(&s, test);
  run_out(&s, test->fault == TLS_FAULT_STALL);
  const daytona__response_t *response = &s.request.call.response;
  daytona_errcode_t code = response->code;
  bool has_body = response->body != NULL && strcmp(response->body, "{}") == 0;
  char message[256];
  snprintf(message, sizeof message, "%s", response->message != NULL ? response->message : "");
  close_scene(&s); /* first: a row that fails must not take the others with it */
  if (code != test->expected) fail_msg("%s: %s", daytona_errcode_name((int)code), message);
  if (test->expected == DAYTONA_OK)
    assert_true(has_body);
  else
    assert_string_not_equal(message, "");
}

static void a_connection_serves_many_requests(void **state) {
  tls_scene_t s;
  open_scene(&s, &tls_cases[0]);
  for (int i = 0; i < 5; i++) {
    scene_run(&s.scene, &s.request, "POST", s.url);
    assert_int_equal(s.request.call.response.code, DAYTONA_OK);
    scene_clear(&s.request);
  }
  assert_int_equal(s.tls.handshakes, 1);
  close_scene(&s);
}

static void a_bad_certificate_is_not_asked_for_again(void **state) {
  tls_scene_t s;
  open_scene(&s, &tls_cases[8]);
  assert_string_equal(tls_cases[8].name, "wrong_host");
  run_out(&s, false);
  assert_int_equal(s.request.call.response.attempts, 1);
  assert_int_equal(s.server.accepted, 1);
  assert_false(s.request.call.was_sent);
  close_scene(&s);
}

static daytona_errcode_t ask(tls_scene_t *s) {
  scene_clear(&s->request);
  scene_run(&s->scene, &s->request, "POST", s->url);
  return s->request.call.response.code;
}

/* The peer ends what is open, so that the next request needs a connection, and the clock goes on. */
static void renew(tls_scene_t *s, const char *from) {
  tls_certificate_renew(from);
  ws_link_shut(s->server.link);
  stage_spin(&s->scene.stage, 20);
  daytona__loop_advance(s->scene.stage.loop, 1100);
}

static void renewed_certificates_count_for_the_next_connection(void **state) {
  tls_scene_t s;
  open_scene(&s, &tls_cases[0]);
  s.scene.options.tls.ca_file = tls_certificate_renew("ca.pem");
  scene_reopen(&s.scene);
  assert_int_equal(ask(&s), DAYTONA_OK);
  renew(&s, "other_ca.pem");
  assert_int_equal(ask(&s), DAYTONA_ETLS);
  /* After a refusal the file is looked at, whenever that was done last. */
  tls_certificate_renew("ca.pem");
  assert_int_equal(ask(&s), DAYTONA_OK);
  renew(&s, "empty.pem"); /* of no use: what was known stays in force */
  assert_int_equal(ask(&s), DAYTONA_OK);
  close_scene(&s);
}

/* Requests that run go on on the connections that they have. */
static void a_renewal_leaves_connections_alone(void **state) {
  tls_scene_t s;
  open_scene(&s, &tls_cases[0]);
  s.scene.options.tls.ca_file = tls_certificate_renew("ca.pem");
  scene_reopen(&s.scene);
  s.server.on_raw = swallow;
  swallowed = 0;
  request_t slow;
  scene_prepare(&s.scene, &slow, "GET", s.url);
  scene_start(&slow);
  while (swallowed == 0) uv_run(&s.scene.stage.uv, UV_RUN_ONCE);
  ws_link_t *link = s.server.link;
  s.server.on_raw = answer;
  for (int i = 0; i < 3; i++) {
    tls_certificate_renew("ca.pem");
    daytona__loop_advance(s.scene.stage.loop, 1100);
    assert_int_equal(ask(&s), DAYTONA_OK);
  }
  ws_link_send(link, scene_ok, strlen(scene_ok));
  scene_wait(&slow);
  assert_int_equal(slow.call.response.code, DAYTONA_OK);
  scene_clear(&slow);
  close_scene(&s);
}

static volatile sig_atomic_t broken_pipes;
static void on_broken_pipe(int signal_number) { broken_pipes++; }

/* Writing to a connection that the peer has reset must not raise SIGPIPE in the program. */
static void a_reset_while_sending_kills_nobody(void **state) {
  tls_scene_t s;
  static char body[4 << 20];
  open_scene(&s, &tls_cases[0]);
  s.server.on_raw = swallow;
  scene_prepare(&s.scene, &s.request, "POST", s.url);
  s.request.call.body = body;
  s.request.call.body_size = sizeof body;
  scene_start(&s.request);
  while (swallowed == 0) uv_run(&s.scene.stage.uv, UV_RUN_ONCE);
  ws_link_reset(s.server.link);
  signal(SIGPIPE, on_broken_pipe);
  scene_wait(&s.request);
  signal(SIGPIPE, SIG_IGN);
  assert_int_equal(broken_pipes, 0);
  assert_int_equal(s.request.call.response.code, DAYTONA_ECONNECTION);
  close_scene(&s);
}

int main(void) {
  static struct CMUnitTest tests[TLS_CASES + 5];
  size_t count = 0;
  signal(SIGPIPE, SIG_IGN); /* the test's own server writes through libuv, which does not care */
  has_certificates = tls_certificates_make() != NULL;
  for (size_t i = 0; i < TLS_CASES; i++)
    tests[count++] = (struct CMUnitTest){tls_cases[i].name, matrix, NULL, NULL, (void *)&tls_cases[i]};
  tests[count++] = (struct CMUnitTest)cmocka_unit_test(a_connection_serves_many_requests);
  tests[count++] = (struct CMUnitTest)cmocka_unit_test(a_bad_certificate_is_not_asked_for_again);
  tests[count++] = (struct CMUnitTest)cmocka_unit_test(a_reset_while_sending_kills_nobody);
  tests[count++] = (struct CMUnitTest)cmocka_unit_test(renewed_certificates_count_for_the_next_connection);
  tests[count++] = (struct CMUnitTest)cmocka_unit_test(a_renewal_leaves_connections_alone);
  int failed = _cmocka_run_group_tests("http_tls", tests, count, NULL, NULL);
  tls_certificates_remove();
  return failed;
}
