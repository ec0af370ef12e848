/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A collector behind TLS: which authorities the exporter trusts, and which certificate it shows. What the client has been
 * given for its server is not for others.
 */
#include <stdio.h>
#include <string.h>

#include "support/api_scene.h"
#include "support/check.h"
#include "support/tls_peer.h"

static bool has_certificates;
static api_scene_t scene;
static ws_peer_t server;
static tls_peer_t tls;
static daytona_telemetry_opts_t telemetry;
static char url[64], ca[256], stranger[256], client[256], key[256];
static size_t exports;

static void answer(ws_link_t *link) {
  static const char fine[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
  if (strstr(link->in, "\r\n\r\n") == NULL) return;
  link->in_size = 0;
  link->in[0] = '\0';
  exports++;
  ws_link_send(link, fine, strlen(fine));
}

static void open_scene(bool asks_client) {
  if (!has_certificates) {
    print_message("# skipped: openssl(1) is not installed\n");
    skip();
  }
  exports = 0;
  memset(&telemetry, 0, sizeof telemetry);
  api_scene_open_bare(&scene);
  ws_peer_open(&server, &scene.uv);
  server.on_raw = answer;
  tls_peer_open(&tls, &server, "good", asks_client, TLS_FAULT_NONE);
  snprintf(url, sizeof url, "https://localhost:%d", server.port);
  tls_certificate_path("ca", ".pem", ca, sizeof ca);
  tls_certificate_path("other_ca", ".pem", stranger, sizeof stranger);
  tls_certificate_path("client", ".pem", client, sizeof client);
  tls_certificate_path("client", ".key", key, sizeof key);
  telemetry.endpoint = url;
  telemetry.no_metrics = true;
  telemetry.flush_timeout_ms = 5000;
  scene.config.telemetry = &telemetry;
}

/* A call, and the close that sends its span. */
static void run(void) {
  api_scene_client(&scene);
  api_fails(daytona_sandbox_get(scene.client, "x", NULL), DAYTONA_ENOTFOUND);
  api_scene_close_client(&scene);
  while (!scene.is_closed) uv_run(&scene.uv, UV_RUN_ONCE);
  ws_peer_close(&server);
  while (server.open != 0) uv_run(&scene.uv, UV_RUN_ONCE);
  tls_peer_close(&tls);
  api_scene_close(&scene);
}

static void authorities_may_be_given_for_the_collector(void **state) {
  open_scene(false);
  telemetry.ca_file = ca;
  run();
  assert_int_equal(exports, 1);
}

static void authorities_of_the_client_count_too(void **state) {
  open_scene(false);
  scene.config.ca_file = ca;
  run();
  assert_int_equal(exports, 1);
}

static void those_that_are_given_come_first(void **state) {
  open_scene(false);
  scene.config.ca_file = ca;
  telemetry.ca_file = stranger;
  run();
  assert_int_equal(exports, 0);
}

static void an_unverified_server_is_no_unverified_collector(void **state) {
  open_scene(false);
  scene.config.insecure_skip_verify = true;
  run();
  assert_int_equal(exports, 0);
}

static void the_collector_may_want_a_certificate(void **state) {
  open_scene(true);
  telemetry.ca_file = ca;
  telemetry.client_cert = client;
  telemetry.client_key = key;
  run();
  assert_int_equal(exports, 1);
}

static void it_does_not_get_that_of_the_client(void **state) {
  open_scene(true);
  telemetry.ca_file = ca;
  scene.config.client_cert = client;
  scene.config.client_key = key;
  run();
  assert_int_equal(exports, 0);
}

static int make(void **state) {
  has_certificates = tls_certificates_make() != NULL;
  return 0;
}

static int unmake(void **state) {
  tls_certificates_remove();
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(authorities_may_be_given_for_the_collector),
    cmocka_unit_test(authorities_of_the_client_count_too),
    cmocka_unit_test(those_that_are_given_come_first),
    cmocka_unit_test(an_unverified_server_is_no_unverified_collector),
    cmocka_unit_test(the_collector_may_want_a_certificate),
    cmocka_unit_test(it_does_not_get_that_of_the_client),
  };
  return cmocka_run_group_tests_name("telemetry_tls", tests, make, unmake);
}
