/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a request goes: redirects, proxies, and what travels with it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http_scene.h"
#include "support/check.h"

static scene_t scene;
static peer_t other; /* another host: another port of this one */

static int set_up(void **state) {
  scene_open(&scene);
  peer_open(&other, &scene.stage.uv);
  other.answer = scene_ok;
  return 0;
}

static int tear_down(void **state) {
  peer_close(&other);
  scene_close(&scene);
  return 0;
}

static void assert_has(const peer_t *peer, const char *text) {
  if (strstr(peer->last_request, text) == NULL) fail_msg("'%s' is not in:\n%s", text, peer->last_request);
}

static void assert_lacks(const peer_t *peer, const char *text) {
  if (strstr(peer->last_request, text) != NULL) fail_msg("'%s' is in:\n%s", text, peer->last_request);
}

/* --- redirects ---------------------------------------------------------------------------------- */

static char location[1200];

static void redirect_first(peer_conn_t *conn, const char *request, size_t size) {
  peer_puts(conn, conn->peer->requests == 1 ? location : scene_ok);
}

static void redirect_to(int status, const char *to) {
  snprintf(location, sizeof location, "HTTP/1.1 %d Moved\r\nLocation: %s\r\nContent-Length: 3\r\n\r\nold",
           status, to);
  scene.peer.on_request = redirect_first;
}

static void methods_follow_the_status(void **state) {
  static const struct {
    int status;
    const char *method, *then;
    bool has_body;
  } rows[] = {
    {301, "GET", "GET", false},  {302, "GET", "GET", false},    {303, "GET", "GET", false},
    {307, "GET", "GET", false},  {308, "GET", "GET", false},    {303, "POST", "GET", false},
    {307, "POST", "POST", true}, {308, "POST", "POST", true},   {303, "PUT", "GET", false},
    {302, "PUT", "PUT", true},   {303, "DELETE", "GET", false}, {307, "DELETE", "DELETE", true},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    request_t request;
    char line[64];
    scene.peer.requests = 0;
    redirect_to(rows[i].status, "/new?x=1");
    scene_prepare(&scene, &request, rows[i].method, peer_url(&scene.peer, "/old"));
    if (strcmp(rows[i].method, "GET") != 0) {
      request.call.body = "body!";
      request.call.body_size = 5;
    }
    scene_start(&request);
    scene_wait(&request);
    assert_int_equal(request.call.response.code, DAYTONA_OK);
    assert_string_equal(request.call.response.body, "{}");
    snprintf(line, sizeof line, "%s /new?x=1 HTTP/1.1\r\n", rows[i].then);
    assert_memory_equal(scene.peer.last_request, line, strlen(line));
    assert_has(&scene.peer, "Authorization: Bearer secret");
    if (rows[i].has_body)
      assert_has(&scene.peer, "body!");
    else
      assert_lacks(&scene.peer, "body!");
    scene_clear(&request);
  }
}

static void another_host_gets_no_credentials(void **state) {
  request_t request;
  redirect_to(302, peer_url(&other, "/there"));
  scene_run(&scene, &request, "GET", peer_url(&scene.peer, "/"));
  assert_int_equal(request.call.response.code, DAYTONA_OK);
  assert_has(&other, "GET /there HTTP/1.1\r\n");
  assert_lacks(&other, "Authorization");
  assert_lacks(&other, "X-Daytona");
  assert_has(&other, "User-Agent: test/1");
  scene_clear(&request);
}

static void another_host_gets_no_body(void **state) {
  static const int statuses[] = {307, 308};
  for (size_t i = 0; i < 2; i++) {
    request_t request;
    scene.peer.requests = 0;
    other.requests = 0;
    redirect_to(statuses[i], peer_url(&other, "/there"));
    scene_prepare(&scene, &request, "POST", peer_url(&scene.peer, "/clone"));
    request.call.body = "{\"password\":\"s3cret\"}";
    request.call.body_size = strlen(request.call.body);
    scene_start(&request);
    scene_wait(&request);
    assert_int_equal(request.call.response.code, DAYTONA_EPROTOCOL);
    assert_non_null(strstr(request.call.response.message, "http://127.0.0.1:")); /* where to */
    assert_int_equal(other.requests, 0);
    scene_clear(&request);
  }
}

static void a_post_is_not_made_a_get(void **state) {
  static const int statuses[] = {301, 302};
  for (int i = 0; i < 2; i++) {
    request_t request;
    scene.peer.requests = 0;
    redirect_to(statuses[i], "/elsewhere");
    scene_prepare(&scene, &request, "POST", peer_url(&scene.peer, "/here"));
    scene_start(&request);
    scene_wait(&request);
    assert_int_equal(request.call.response.code, DAYTONA_EPROTOCOL);
    assert_int_equal(request.call.response.status, statuses[i]);
    assert_non_null(strstr(request.call.response.message, "127.0.0.1"));
    assert_non_null(strstr(request.call.response.message, "DAYTONA_API_URL"));
    assert_int_equal(scene.peer.requests, 1);
    scene_clear(&request);
  }
}

/* Asked in the wrong protocol, servers give themselves away; nothing was carried out, and nothing is repeated. */
static void speak_tls(peer_conn_t *conn, const char *request, size_t size) {
  static const char alert[] = "\x15\x03\x03\x00\x02\x02\x16";
  peer_send(conn, alert, sizeof alert - 1);
  peer_end(conn);
}

static void refuse_bytes(peer_conn_t *conn, const char *bytes, size_t size) {
  peer_puts(conn, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
  peer_end(conn);
}

static void a_server_of_another_protocol_is_named(void **state) {
  char url[64];
  request_t request;
  scene.peer.on_request = speak_tls;
  scene_run(&scene, &request, "POST", peer_url(&scene.peer, "/"));
  assert_int_equal(request.call.response.code, DAYTONA_EPROTOCOL);
  assert_non_null(strstr(request.call.response.message, "is https:// meant?"));
  assert_int_equal(request.call.response.attempts, 1);
  assert_true(request.call.is_other_protocol);
  scene_clear(&request);

  scene.peer.accepts_raw = true;
  scene.peer.on_bytes = refuse_bytes;
  snprintf(url, sizeof url, "https://127.0.0.1:%d/", scene.peer.port);
  scene_run(&scene, &request, "POST", url);
  assert_int_equal(request.call.response.code, DAYTONA_ETLS);
  assert_non_null(strstr(request.call.response.message, "is http:// meant?"));
  assert_int_equal(request.call.response.attempts, 1);
  scene_clear(&request);
}

static void bad_redirects_are_refused(void **state) {
  static const char *const targets[] = {"ftp://127.0.0.1/x", "file:///etc/passwd", "http://user@127.0.0.1/",
                                        "//user:p@127.0.0.1/x"};
  for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
    request_t request;
    scene.peer.requests = 0;
    redirect_to(302, targets[i]);
    scene_run(&scene, &request, "GET", peer_url(&scene.peer, "/"));
    assert_int_equal(request.call.response.code, DAYTONA_EPROTOCOL);
    assert_int_equal(request.call.response.status, 302);
    assert_non_null(request.call.response.message);
    scene_clear(&request);
  }
}

static void always_redirect(peer_conn_t *conn, const char *request, size_t size) {
  peer_puts(conn, location);
}

static void redirects_in_a_circle_end(void **state) {
  request_t request;
  redirect_to(302, "/again");
  scene.peer.on_request = always_redirect;
  scene_run(&scene, &request, "GET", peer_url(&scene.peer, "/"));
  assert_int_equal(request.call.response.code, DAYTONA_EPROTOCOL);
  assert_int_equal(scene.peer.requests, 6);
  scene_clear(&request);
}

static void a_redirect_without_location_is_an_answer(void **state) {
  request_t request;
  scene.peer.answer = "HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n";
  scene_run(&scene, &request, "GET", peer_url(&scene.peer, "/"));
  assert_int_equal(request.call.response.code, DAYTONA_EFAILED);
  assert_int_equal(request.call.response.status, 302);
  scene_clear(&request);
}

static void a_redirect_to_a_name_is_looked_up_here(void **state) {
  request_t request;
  char to[64];
  snprintf(to, sizeof to, "http://other.localhost:%d/x", other.port);
  redirect_to(307, to);
  scene_run(&scene, &request, "GET", peer_url(&scene.peer, "/"));
  assert_int_equal(request.call.response.code, DAYTONA_OK);
  assert_has(&other, "Host: other.localhost:");
  scene_clear(&request);
}

/* --- proxies ------------------------------------------------------------------------------------ */

static void use_proxy(const char *credentials, bool is_secure) {
  static char url[128];
  snprintf(url, sizeof url, "http://%s127.0.0.1:%d", credentials, scene.peer.port);
  if (is_secure)
    scene.options.proxy.https_proxy = url;
  else
    scene.options.proxy.http_proxy = url;
  scene_reopen(&scene);
}

static void plain_requests_go_through_the_proxy(void **state) {
  request_t request;
  use_proxy("us%40er:pa%3Ass@", false);
  scene_run(&scene, &request, "GET", "http://sandbox.example/x?y");
  assert_int_equal(request.call.response.code, DAYTONA_OK);
  assert_has(&scene.peer, "GET http://sandbox.example/x?y HTTP/1.1\r\n");
  assert_has(&scene.peer, "\r\nHost: sandbox.example\r\n");
  assert_has(&scene.peer, "\r\nProxy-Authorization: Basic dXNAZXI6cGE6c3M=\r\n");
  scene_clear(&request);
}

static void exceptions_go_direct(void **state) {
  request_t request;
  char rules[64];
  snprintf(rules, sizeof rules, "example.com,127.0.0.1:%d", other.port);
  scene.options.proxy.no_proxy = rules;
  use_proxy("", false);
  scene_run(&scene, &request, "GET", peer_url(&other, "/direct"));
  assert_int_equal(request.call.response.code, DAYTONA_OK);
  assert_has(&other, "GET /direct HTTP/1.1\r\n");
  scene_clear(&request);
  scene_run(&scene, &request, "GET",
            "http://elsewhere.example/"); /* and back through it, with the same handle */
  assert_has(&scene.peer, "GET http://elsewhere.example/ HTTP/1.1\r\n");
  scene_clear(&request);
  scene_run(&scene, &request, "GET", peer_url(&other, "/again"));
  assert_has(&other, "GET /again HTTP/1.1\r\n");
  scene_clear(&request);
}

static void connect_is_asked_for_https(void **state) {
  request_t request;
  use_proxy("u:p@", true);
  scene.peer.answer =
    "HTTP/1.1 407 Who\r\nProxy-Authenticate: Digest realm=x\r\nProxy-Authenticate: "
    "Negotiate\r\nContent-Length: 0\r\n\r\n";
  scene_prepare(&scene, &request, "POST", "https://sandbox.example/");
  scene_start(&request);
  scene_wait(&request);
  assert_int_equal(request.call.response.code, DAYTONA_EPROXY);
  assert_int_equal(request.call.response.attempts, 1);
  assert_false(request.call.was_sent);
  assert_has(&scene.peer, "CONNECT sandbox.example:443 HTTP/1.1\r\n");
  assert_has(&scene.peer, "Proxy-Authorization: Basic dTpw");
  assert_non_null(strstr(request.call.response.message, "Digest, Negotiate"));
  assert_lacks(&scene.peer, "secret"); /* the target's credentials are not for the proxy */
  scene_clear(&request);
}

/* The same of a plain request, which the proxy answers with a page of its own. */
static void a_proxy_that_wants_credentials_is_no_server(void **state) {
  static const char *const offers[] = {"", "Proxy-Authenticate: Digest realm=x, nonce=\"y\"\r\n",
                                       "Proxy-Authenticate: ,x\r\nProxy-Authenticate: @\r\n"};
  static const char *const said[] = {"(407)", "Digest", "(407)"};
  for (size_t i = 0; i < 3; i++) {
    request_t request;
    char answer[256];
    use_proxy("", false);
    snprintf(answer, sizeof answer, "HTTP/1.1 407 Who\r\n%sContent-Length: 6\r\n\r\n<html>", offers[i]);
    scene.peer.answer = answer;
    size_t before = scene.peer.requests;
    scene_prepare(&scene, &request, i == 0 ? "GET" : "POST", "http://sandbox.example/");
    scene_start(&request);
    scene_wait(&request);
    assert_int_equal(request.call.response.code, DAYTONA_EPROXY);
    assert_int_equal(request.call.response.attempts, 1);
    assert_int_equal(request.call.response.status, 0);
    assert_false(request.call.was_sent); /* to the server */
    assert_int_equal(request.call.response.body_size, 0);
    assert_non_null(strstr(request.call.response.message, said[i]));
    assert_int_equal(scene.peer.requests, before + 1);
    scene_clear(&request);
  }
}

static void the_proxys_name_is_looked_up_and_not_the_targets(void **state) {
  request_t request;
  char url[64];
  snprintf(url, sizeof url, "http://proxy.localhost:%d", scene.peer.port);
  scene.options.proxy.http_proxy = url;
  scene_reopen(&scene);
  scene_run(&scene, &request, "GET", "http://nowhere.invalid/");
  assert_int_equal(request.call.response.code, DAYTONA_OK);
  assert_has(&scene.peer, "Host: nowhere.invalid\r\n");
  scene_clear(&request);
}

static void a_dead_proxy_is_named(void **state) {
  request_t request;
  char url[64];
  snprintf(url, sizeof url, "http://127.0.0.1:%d", peer_dead_port());
  scene.options.proxy.http_proxy = url;
  scene_reopen(&scene);
  scene_prepare(&scene, &request, "GET", "http://x.example/");
  request.call.connect_timeout_ms = -1;
  scene_start(&request);
  while (request.done == 0) {
    daytona__loop_advance(scene.stage.loop, 5);
    uv_run(&scene.stage.uv, UV_RUN_NOWAIT);
  }
  assert_int_equal(request.call.response.code, DAYTONA_EPROXY);
  assert_int_equal(request.call.response.attempts, 3);
  scene_clear(&request);
}

static void a_socks_proxy_looks_names_up(void **state) {
  static const char answer[] = "\x05\x00";
  request_t request;
  char url[64];
  scene.peer.accepts_raw = true;
  snprintf(url, sizeof url, "socks5://127.0.0.1:%d", scene.peer.port);
  scene.options.proxy.http_proxy = url;
  scene_reopen(&scene);
  scene_prepare(&scene, &request, "GET", "http://sandbox.example/");
  scene_start(&request);
  stage_until_count(&scene.stage, &scene.peer.bytes, 3);
  peer_send(scene.peer.conns, answer, 2);
  stage_until_count(&scene.stage, &scene.peer.bytes, 3 + 4 + 1 + strlen("sandbox.example") + 2);
  daytona__http_cancel(&request.call);
}

static void the_environment_is_not_asked(void **state) {
  request_t request;
  setenv("http_proxy", "http://127.0.0.1:1", 1);
  setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
  scene_run(&scene, &request, "GET", peer_url(&scene.peer, "/"));
  unsetenv("http_proxy");
  unsetenv("ALL_PROXY");
  assert_int_equal(request.call.response.code, DAYTONA_OK);
  scene_clear(&request);
}

static void bad_settings_are_refused_at_the_start(void **state) {
  daytona__http_t *http = NULL;
  const daytona_header_t bad = {"X", "a\nb"};
  daytona__net_options_t options = {.proxy.http_proxy = "gopher://x"};
  assert_int_equal(daytona__http_new(scene.stage.loop, &options, scene.resolver, NULL, 0, &http),
                   DAYTONA_EINVAL);
  options.proxy.http_proxy = NULL;
  assert_int_equal(daytona__http_new(scene.stage.loop, &options, scene.resolver, &bad, 1, &http),
                   DAYTONA_EINVAL);
  assert_null(http);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
    TEST(methods_follow_the_status),
    TEST(another_host_gets_no_credentials),
    TEST(another_host_gets_no_body),
    TEST(a_post_is_not_made_a_get),
    TEST(a_server_of_another_protocol_is_named),
    TEST(bad_redirects_are_refused),
    TEST(redirects_in_a_circle_end),
    TEST(a_redirect_without_location_is_an_answer),
    TEST(a_redirect_to_a_name_is_looked_up_here),
    TEST(plain_requests_go_through_the_proxy),
    TEST(exceptions_go_direct),
    TEST(connect_is_asked_for_https),
    TEST(a_proxy_that_wants_credentials_is_no_server),
    TEST(the_proxys_name_is_looked_up_and_not_the_targets),
    TEST(a_dead_proxy_is_named),
    TEST(a_socks_proxy_looks_names_up),
    TEST(the_environment_is_not_asked),
    TEST(bad_settings_are_refused_at_the_start),
  };
  return cmocka_run_group_tests_name("http_route", tests, NULL, NULL);
}
