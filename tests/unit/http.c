/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP transport against a scripted peer: requests, answers, limits of size, cancelling, closing.
 * Time limits and repeating are in tests/fault.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http_scene.h"
#include "net/http_private.h"
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

static void assert_sent(const char *text) {
  if (strstr(scene.peer.last_request, text) == NULL)
    fail_msg("'%s' is not in:\n%s", text, scene.peer.last_request);
}

static void assert_not_sent(const char *text) {
  if (strstr(scene.peer.last_request, text) != NULL) fail_msg("'%s' was sent", text);
}

/* --- requests ----------------------------------------------------------------------------------- */

static void a_get_is_answered(void **state) {
  request_t request;
  scene_run(&scene, &request, "GET", peer_url(&scene.peer, "/a?b=c"));
  assert_int_equal(request.call.response.code, DAYTONA_OK);
  assert_int_equal(request.call.response.status, 200);
  assert_int_equal(request.call.response.attempts, 1);
  assert_true(request.call.was_sent);
  assert_string_equal(request.call.response_type, "application/json");
  assert_int_equal(request.call.response.body_size, 2);
  assert_string_equal(request.call.response.body, "{}");
  assert_int_equal(request.call.response.header_count, 0);
  assert_sent("GET /a?b=c HTTP/1.1\r\n");
  assert_sent("\r\nAuthorization: Bearer secret\r\n");
  assert_sent("\r\nUser-Agent: test/1\r\n");
  assert_sent("\r\nX-Daytona-Source: test\r\n");
  assert_sent("\r\nAccept: application/json\r\n");
  assert_sent("\r\nContent-Type: application/json\r\n");
  assert_not_sent("Expect");
  assert_not_sent("Content-Length");
  scene_clear(&request);
}

static void every_method_keeps_its_name_and_body(void **state) {
  static const struct {
    const char *method, *body, *line;
  } rows[] = {
    {"POST", "{\"a\":1}", "Content-Length: 7\r\n"},
    {"POST", NULL, "Content-Length: 0\r\n"},
    {"PUT", "xyz", "Content-Length: 3\r\n"},
    {"PUT", NULL, "Content-Length: 0\r\n"},
    {"PATCH", "x", "Content-Length: 1\r\n"},
    {"DELETE", NULL, ""},
    {"DELETE", "xx", "Content-Length: 2\r\n"},
    {"GET", NULL, ""},
    {"OPTIONS", NULL, ""},
    {"GET", "q", "Content-Length: 1\r\n"},
    {"POST", "again", "Content-Length: 5\r\n"},
    {"GET", NULL, ""},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    request_t request;
    char start[64];
    scene_prepare(&scene, &request, rows[i].method, peer_url(&scene.peer, "/x"));
    request.call.body = rows[i].body;
    request.call.body_size = rows[i].body != NULL ? strlen(rows[i].body) : 0;
    scene_start(&request);
    scene_wait(&request);
    assert_int_equal(request.call.response.code, DAYTONA_OK);
    snprintf(start, sizeof start, "%s /x HTTP/1.1\r\n", rows[i].method);
    assert_memory_equal(scene.peer.last_request, start, strlen(start));
    assert_sent(rows[i].line);
    if (rows[i].line[0] == '\0') assert_not_sent("Content-Length");
    const char *body = strstr(scene.peer.last_request, "\r\n\r\n") + 4;
    assert_string_equal(body, rows[i].body != NULL ? rows[i].body : "");
    scene_clear(&request);
  }
  assert_int_equal(scene.peer.accepted, 1); /* all on one connection */
}

static void head_has_no_body(void **state) {
  request_t request;
  scene.peer.answer = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n";
  scene_run(&scene, &request, "HEAD", peer_url(&scene.peer, "/"));
  assert_int_equal(request.call.response.code, DAYTONA_OK);
  assert_int_equal(request.call.response.body_size, 0);
  scene_clear(&request);
  scene.peer.answer = scene_ok;
  scene_run(&scene, &request, "GET", peer_url(&scene.peer, "/"));
  assert_int_equal(request.call.response.body_size, 2);
  scene_clear(&request);
}

static void own_headers_are_added_and_win(void **state) {
  request_t request;
  const daytona_header_t headers[] = {
    {"X-One", "1"}, {"user-agent", "mine"}, {"X-Empty", ""}, {"Content-Type", "text/x"}};
  scene_prepare(&scene, &request, "POST", peer_url(&scene.peer, "/"));
  request.call.headers = headers;
  request.call.header_count = 4;
  request.call.accept = "*/*";
  scene_start(&request);
  scene_wait(&request);
  assert_int_equal(request.call.response.code, DAYTONA_OK);
  assert_sent("\r\nX-One: 1\r\n");
  assert_sent("\r\nuser-agent: mine\r\n");
  assert_sent("\r\nX-Empty:");
  assert_sent("\r\nAccept: */*\r\n");
  assert_sent("\r\nContent-Type: text/x\r\n");
  assert_sent("\r\nAuthorization: Bearer secret\r\n");
  assert_not_sent("test/1");
  assert_not_sent("application/json");
  scene_clear(&request);
}

static void another_service_gets_no_common_headers(void **state) {
  request_t request;
  scene_prepare(&scene, &request, "GET", peer_url(&scene.peer, "/"));
  request.call.skips_common = true;
  scene_start(&request);
  scene_wait(&request);
  assert_not_sent("Authorization");
  assert_not_sent("X-Daytona");
  scene_clear(&request);
}

static void bad_requests_fail_without_being_sent(void **state) {
  const daytona_header_t bad_name = {"X Y", "1"}, bad_value = {"X", "1\r\nEvil: 1"}, no_value = {"X", NULL};
  const daytona_header_t *const headers[] = {&bad_name, &bad_value, &no_value};
  const char *const urls[] = {
    "", "nonsense", "ftp://x/", "http://", "http://u@127.0.0.1/", "http://127.1/", "http://a b/"};
  request_t request;
  for (size_t i = 0; i < 3; i++) {
    scene_prepare(&scene, &request, "GET", peer_url(&scene.peer, "/"));
    request.call.headers = headers[i];
    request.call.header_count = 1;
    scene_start(&request);
    scene_wait(&request);
    assert_int_equal(request.call.response.code, DAYTONA_EINVAL);
    assert_non_null(request.call.response.message);
    scene_clear(&request);
  }
  for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
    scene_run(&scene, &request, "GET", urls[i]);
    assert_int_equal(request.call.response.code, DAYTONA_EINVAL);
    scene_clear(&request);
  }
  scene_run(&scene, &request, NULL, peer_url(&scene.peer, "/"));
  assert_int_equal(request.call.response.code, DAYTONA_EINVAL);
  scene_clear(&request);
  scene_run(&scene, &request, "GET", NULL);
  assert_int_equal(request.call.response.code, DAYTONA_EINVAL);
  scene_clear(&request);
  assert_int_equal(scene.peer.accepted, 0);
}

static void names_are_pinned(void **state) {
  char url[64];
  request_t request;
  snprintf(url, sizeof url, "http://localhost:%d/", scene.peer.port);
  for (int i = 0; i < 3; i++) {
    scene_run(&scene, &request, "GET", url);
    assert_int_equal(request.call.response.code, DAYTONA_OK);
    scene_clear(&request);
  }
  snprintf(url, sizeof url, "http://Some.LocalHost:%d/", scene.peer.port);
  scene_run(&scene, &request, "GET", url);
  assert_int_equal(request.call.response.code, DAYTONA_OK);
  scene_clear(&request);
}

static const char *addresses[4];
static int fake_getaddrinfo(const char *host, daytona__addresses_t *out) {
  for (size_t i = 0; i < 4 && addresses[i] != NULL; i++) {
    if (uv_ip4_addr(addresses[i], 0, (struct sockaddr_in *)&out->items[i]) != 0)
      uv_ip6_addr(addresses[i], 0, (struct sockaddr_in6 *)&out->items[i]);
    out->count++;
  }
  return 0;
}

/* Sockets that fail give their number to the next one at once, and the next must be watched. */
static void dead_addresses_are_passed_over(void **state) {
  static const char *const rows[][4] = {
    {"127.0.0.2", "127.0.0.1"}, {"127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.1"},
    {"::1", "127.0.0.1"},       {"127.0.0.2", "::1", "127.0.0.1"},
    {"127.0.0.1", "127.0.0.2"},
  };
  daytona__resolver_set_getaddrinfo(scene.resolver, fake_getaddrinfo);
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    request_t request;
    char url[64];
    memcpy(addresses, rows[i], sizeof addresses);
    snprintf(url, sizeof url, "http://name%zu.example:%d/", i, scene.peer.port);
    scene_run(&scene, &request, "POST", url);
    if (request.call.response.code != DAYTONA_OK) fail_msg("row %zu: %s", i, request.call.response.message);
    assert_int_equal(request.call.response.attempts, 1);
    scene_clear(&request);
  }
}

static void a_name_that_moves_is_followed(void **state) {
  request_t request;
  char url[64];
  snprintf(url, sizeof url, "http://moving.example:%d/", scene.peer.port);
  daytona__resolver_set_getaddrinfo(scene.resolver, fake_getaddrinfo);
  memcpy(addresses, (const char *[4]){"127.0.0.2"}, sizeof addresses);
  scene_prepare(&scene, &request, "GET", url);
  request.call.connect_timeout_ms = -1;
  scene_start(&request);
  while (request.call.response.attempts == 0) uv_run(&scene.stage.uv, UV_RUN_ONCE);
  memcpy(addresses, (const char *[4]){"127.0.0.1"}, sizeof addresses);
  daytona__loop_advance(scene.stage.loop, 61 * 1000); /* the old answer is no longer fresh */
  while (request.done == 0) {
    daytona__loop_advance(scene.stage.loop, 20);
    uv_run(&scene.stage.uv, UV_RUN_NOWAIT);
  }
  assert_int_equal(request.call.response.code, DAYTONA_OK);
  assert_int_equal(request.call.response.attempts, 2);
  scene_clear(&request);
}

/* What was asked for a moment ago leads nowhere now: the repeat does not wait until it is a minute old. */
static void a_refused_address_is_asked_for_again(void **state) {
  request_t request;
  char url[64];
  snprintf(url, sizeof url, "http://moving.example:%d/", scene.peer.port);
  daytona__resolver_set_getaddrinfo(scene.resolver, fake_getaddrinfo);
  memcpy(addresses, (const char *[4]){"127.0.0.2"}, sizeof addresses);
  scene_prepare(&scene, &request, "GET", url);
  request.call.connect_timeout_ms = -1;
  scene_start(&request);
  while (request.call.response.attempts == 0) uv_run(&scene.stage.uv, UV_RUN_ONCE);
  memcpy(addresses, (const char *[4]){"127.0.0.1"}, sizeof addresses);
  while (request.done == 0) {
    daytona__loop_advance(scene.stage.loop, 20);
    uv_run(&scene.stage.uv, UV_RUN_NOWAIT);
  }
  assert_int_equal(request.call.response.code, DAYTONA_OK);
  assert_int_equal(request.call.response.attempts, 2);
  scene_clear(&request);
  /* An address that works is not asked for again. */
  memcpy(addresses, (const char *[4]){"127.0.0.2"}, sizeof addresses);
  scene_run(&scene, &request, "GET", url);
  assert_int_equal(request.call.response.code, DAYTONA_OK);
  assert_int_equal(request.call.response.attempts, 1);
  scene_clear(&request);
}

/* --- answers ------------------------------------------------------------------------------------ */

static void a_failure_brings_body_and_headers(void **state) {
  request_t request;
  scene.peer.answer =
    "HTTP/1.1 404 Not Found\r\nContent-Type: Text/HTML ;x=y\r\nX-Request-Id: abc\r\nContent-Length: "
    "4\r\n\r\noops";
  scene_run(&scene, &request, "GET", peer_url(&scene.peer, "/"));
  assert_int_equal(request.call.response.code, DAYTONA_EFAILED);
  assert_int_equal(request.call.response.status, 404);
  assert_string_equal(request.call.response_type, "text/html");
  assert_string_equal(request.call.response.body, "oops");
  assert_int_equal(request.call.response.header_count, 3);
  assert_string_equal(request.call.response.headers[1].name, "X-Request-Id");
  assert_string_equal(request.call.response.headers[1].value, "abc");
  scene_clear(&request);
}

static void headers_of_a_success_are_kept_on_request(void **state) {
  request_t request;
  scene_prepare(&scene, &request, "GET", peer_url(&scene.peer, "/"));
  request.call.keeps_headers = true;
  scene_start(&request);
  scene_wait(&request);
  assert_int_equal(request.call.response.header_count, 2);
  assert_string_equal(request.call.response.headers[0].name, "Content-Type");
  scene_clear(&request);
}

static void odd_but_legal_answers_are_read(void **state) {
  static const struct {
    const char *answer, *body, *type;
    bool ends;
  } rows[] = {
    {"HTTP/1.1 204 No Content\r\n\r\n", "", "", false},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: t\r\n\r\n",
     "abcde", "", false},
    {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", "x", "", false},
    {"HTTP/1.1 103 Early Hints\r\nLink: y\r\n\r\nHTTP/1.1 200 OK\r\nContent-Type: "
     "application/JSON\r\nContent-Length: 1\r\n\r\nx",
     "x", "application/json", false},
    {"HTTP/1.0 200 OK\r\n\r\nuntil the end", "until the end", "", true},
    {"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", "ok", "", true},
    {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: a/b;c\r\n\r\nbye", "bye", "a/b", true},
    {"HTTP/1.1 299 Odd\r\nContent-Length: 0\r\n\r\n", "", "", false},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    request_t request;
    scene.peer.answer = rows[i].answer;
    scene.peer.ends_after_answer = rows[i].ends;
    scene_run(&scene, &request, "GET", peer_url(&scene.peer, "/"));
    assert_int_equal(request.call.response.code, DAYTONA_OK);
    assert_int_equal(request.call.response.body_size, strlen(rows[i].body));
    if (request.call.response.body_size != 0) assert_string_equal(request.call.response.body, rows[i].body);
    assert_string_equal(request.call.response_type, rows[i].type);
    scene_clear(&request);
  }
}

static void an_answer_over_its_ceiling_fails(void **state) {
  static const struct {
    const char *answer;
    size_t max;
    daytona_errcode_t code;
  } rows[] = {
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde", 4, DAYTONA_ELIMIT},
    {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde", 5, DAYTONA_OK},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n", 4, DAYTONA_ELIMIT},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    request_t request;
    scene.peer.answer = rows[i].answer;
    scene_prepare(&scene, &request, "GET", peer_url(&scene.peer, "/"));
    request.call.max_body = rows[i].max;
    scene_start(&request);
    scene_wait(&request);
    assert_int_equal(request.call.response.code, rows[i].code);
    assert_int_equal(request.call.response.attempts, 1);
    if (rows[i].code == DAYTONA_ELIMIT)
      assert_string_equal(request.call.response.message, "the response is larger than 4 bytes");
    scene_clear(&request);
  }
}

static void a_server_that_is_not_there_is_named_with_the_reason(void **state) {
  request_t request;
  char url[64];
  int port = peer_dead_port();
  snprintf(url, sizeof url, "http://127.0.0.1:%d/", port);
  scene_run(&scene, &request, "GET", url);
  assert_int_equal(request.call.response.code, DAYTONA_ECONNECTION);
  assert_int_equal(request.call.response.system_errno, ECONNREFUSED);
  assert_non_null(strstr(request.call.response.message, "127.0.0.1"));
  assert_non_null(strstr(request.call.response.message, ": connection refused"));
  scene_clear(&request);
}

static void an_endless_error_body_is_cut(void **state) {
  request_t request;
  size_t size = 300 * 1024;
  char *answer = calloc(1, size);
  int head = snprintf(answer, size, "HTTP/1.1 500 Oops\r\nContent-Length: 100000000\r\n\r\n");
  memset(answer + head, 'e', size - (size_t)head);
  scene.peer.answer = answer;
  scene.peer.answer_size = size;
  scene_run(&scene, &request, "GET", peer_url(&scene.peer, "/"));
  assert_int_equal(request.call.response.code, DAYTONA_EFAILED);
  assert_int_equal(request.call.response.status, 500);
  assert_int_equal(request.call.response.body_size, DAYTONA__ERROR_BODY_MAX);
  scene_clear(&request);
  free(answer);
}

static void a_flood_of_headers_is_refused(void **state) {
  request_t request;
  size_t size = 400 * 1024, used = 0;
  char *answer = malloc(size);
  used += (size_t)snprintf(answer, size, "HTTP/1.1 200 OK\r\n");
  while (used < size - 200)
    used += (size_t)snprintf(answer + used, size - used, "X-Flood-%zu: %0100d\r\n", used, 1);
  used += (size_t)snprintf(answer + used, size - used, "\r\n");
  scene.peer.answer = answer;
  scene.peer.answer_size = used;
  scene_run(&scene, &request, "GET", peer_url(&scene.peer, "/"));
  assert_int_equal(request.call.response.code, DAYTONA_ELIMIT);
  assert_int_equal(request.call.response.attempts, 1);
  scene_clear(&request);
  free(answer);
}

static void nonsense_is_a_protocol_error(void **state) {
  static const char *const answers[] = {"hello\r\n\r\n", "HTTP/9.9 200 OK\r\n\r\n", "SSH-2.0-x\r\n"};
  for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
    request_t request;
    scene.peer.answer = answers[i];
    scene.peer.ends_after_answer = true;
    scene_run(&scene, &request, "GET", peer_url(&scene.peer, "/"));
    assert_int_equal(request.call.response.code, DAYTONA_EPROTOCOL);
    assert_non_null(request.call.response.message);
    scene_clear(&request);
  }
}

/* --- admission ---------------------------------------------------------------------------------- */

static void no_more_connections_than_slots(void **state) {
  enum { COUNT = 35 };
  static request_t requests[COUNT];
  size_t in_flight, waiting;
  scene.peer.answer = NULL;
  for (int i = 0; i < COUNT; i++) {
    scene_prepare(&scene, &requests[i], "GET", peer_url(&scene.peer, "/"));
    scene_start(&requests[i]);
  }
  scene_until_requests(&scene, 10);
  stage_spin(&scene.stage, 5);
  daytona__http_counts(scene.http, &in_flight, &waiting);
  assert_int_equal(in_flight, 10);
  assert_int_equal(waiting, COUNT - 10);
  assert_int_equal(scene.peer.accepted, 10);
  scene.peer.answer = scene_ok;
  for (peer_conn_t *conn = scene.peer.conns; conn != NULL; conn = conn->next) peer_puts(conn, scene_ok);
  stage_until_count(&scene.stage, &scene.done, COUNT);
  assert_int_equal(scene.peer.accepted, 10);
  for (int i = 0; i < COUNT; i++) {
    assert_int_equal(requests[i].call.response.code, DAYTONA_OK);
    scene_clear(&requests[i]);
  }
}

static int order[8];
static size_t order_count;
static void note_order(request_t *request) { order[order_count++] = *(int *)request->call.user; }

static void requests_are_served_in_order(void **state) {
  static request_t requests[8];
  static int numbers[8];
  order_count = 0;
  scene.options.max_connections = 1;
  scene_reopen(&scene);
  for (int i = 0; i < 8; i++) {
    numbers[i] = i;
    scene_prepare(&scene, &requests[i], "GET", peer_url(&scene.peer, "/"));
    requests[i].call.user = &numbers[i];
    requests[i].then = note_order;
    scene_start(&requests[i]);
  }
  stage_until_count(&scene.stage, &scene.done, 8);
  for (int i = 0; i < 8; i++) {
    assert_int_equal(order[i], i);
    scene_clear(&requests[i]);
  }
  assert_int_equal(scene.peer.accepted, 1);
}

static size_t admitted;
static void on_admitted(daytona__http_call_t *call) {
  admitted++;
  if (call->user != NULL) daytona__http_cancel(call);
}

static void admission_is_told_and_may_cancel(void **state) {
  request_t a, b;
  admitted = 0;
  scene_prepare(&scene, &a, "GET", peer_url(&scene.peer, "/"));
  scene_prepare(&scene, &b, "GET", peer_url(&scene.peer, "/"));
  a.call.on_admitted = b.call.on_admitted = on_admitted;
  a.call.user = &a;
  scene_start(&a);
  scene_start(&b);
  assert_int_equal(admitted, 0);
  scene_wait(&b);
  assert_int_equal(admitted, 2);
  assert_int_equal(a.done, 0);
  assert_int_equal(scene.peer.requests, 1);
  scene_clear(&a);
  scene_clear(&b);
}

static void a_thousand_calls_at_once(void **state) {
  enum { COUNT = 1000 };
  request_t *requests = calloc(COUNT, sizeof *requests);
  scene.options.max_connections = COUNT;
  scene_reopen(&scene);
  for (int i = 0; i < COUNT; i++) {
    scene_prepare(&scene, &requests[i], i % 2 != 0 ? "POST" : "GET", peer_url(&scene.peer, "/"));
    scene_start(&requests[i]);
  }
  stage_until_count(&scene.stage, &scene.done, COUNT);
  for (int i = 0; i < COUNT; i++) {
    assert_int_equal(requests[i].call.response.code, DAYTONA_OK);
    scene_clear(&requests[i]);
  }
  free(requests);
}

enum { BUSY_COUNT = 200 };

static void answer_all_with_the_last(peer_conn_t *conn, const char *request, size_t size) {
  if (conn->peer->requests < BUSY_COUNT) return;
  for (peer_conn_t *each = conn->peer->conns; each != NULL; each = each->next) peer_puts(each, scene_ok);
}

static void what_a_busy_moment_took_is_given_back(void **state) {
  enum { COUNT = BUSY_COUNT };
  static request_t requests[COUNT];
  scene.peer.on_request = answer_all_with_the_last;
  scene.options.max_connections = COUNT;
  scene_reopen(&scene);
  for (int i = 0; i < COUNT; i++) {
    scene_prepare(&scene, &requests[i], "GET", peer_url(&scene.peer, "/"));
    scene_start(&requests[i]);
  }
  stage_until_count(&scene.stage, &scene.done, COUNT);
  for (int i = 0; i < COUNT; i++) scene_clear(&requests[i]);
  assert_int_equal(scene.http->easy_count, COUNT);
  daytona__loop_advance(scene.stage.loop, 5000);
  stage_spin(&scene.stage, 5);
  assert_int_equal(scene.http->easy_count, HTTP_IDLE_EASIES);
}

/* 200 calls at once are no more than 16 new connections in one turn of the loop. */
static void a_burst_is_spread_over_turns(void **state) {
  enum { BURST = BUSY_COUNT };
  static request_t requests[BURST];
  size_t before = 0, in_flight, waiting;
  scene.options.max_connections = BURST;
  scene_reopen(&scene);
  for (int i = 0; i < BURST; i++) {
    scene_prepare(&scene, &requests[i], "GET", peer_url(&scene.peer, "/"));
    scene_start(&requests[i]);
  }
  for (int turn = 0; turn < 5; turn++) {
    uv_run(&scene.stage.uv, UV_RUN_NOWAIT);
    daytona__http_counts(scene.http, &in_flight, &waiting);
    assert_true(in_flight <= before + 16);
    before = in_flight;
  }
  assert_true(before != 0);
  stage_until_count(&scene.stage, &scene.done, BURST);
  for (int i = 0; i < BURST; i++) {
    assert_int_equal(requests[i].call.response.code, DAYTONA_OK);
    scene_clear(&requests[i]);
  }
}

/* --- cancelling and closing --------------------------------------------------------------------- */

static void cancel_works_in_every_state(void **state) {
  request_t queued, running, half;
  scene.peer.answer = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf";
  scene_prepare(&scene, &queued, "GET", peer_url(&scene.peer, "/"));
  scene_start(&queued);
  daytona__http_cancel(&queued.call);
  daytona__http_cancel(&queued.call);
  scene_prepare(&scene, &half, "GET", peer_url(&scene.peer, "/"));
  scene_start(&half);
  while (half.call.collected.size == 0) uv_run(&scene.stage.uv, UV_RUN_ONCE);
  daytona__http_cancel(&half.call);
  scene_clear(&half);
  scene.peer.answer = NULL;
  scene_prepare(&scene, &running, "GET", peer_url(&scene.peer, "/"));
  scene_start(&running);
  scene_until_requests(&scene, 2);
  daytona__http_cancel(&running.call);
  assert_null(running.call.transfer);
  stage_spin(&scene.stage, 5);
  assert_int_equal(scene.done, 0);
  while (scene.peer.open != 0) uv_run(&scene.stage.uv, UV_RUN_ONCE); /* their connections are gone */
  scene_clear(&running);
}

static void cancel_takes_back_an_early_failure(void **state) {
  request_t request;
  scene_prepare(&scene, &request, NULL, NULL);
  scene_start(&request);
  daytona__http_cancel(&request.call);
  stage_spin(&scene.stage, 3);
  assert_int_equal(request.done, 0);
  scene_prepare(&scene, &request, "GET", "http://x/");
  daytona__http_cancel(&request.call); /* never started */
}

static request_t *victims[2];
static void cancel_victims(request_t *request) {
  daytona__http_cancel(&request->call); /* itself: harmless */
  for (int i = 0; i < 2; i++) daytona__http_cancel(&victims[i]->call);
}

static void a_callback_may_cancel_others(void **state) {
  request_t a, b, c;
  scene_prepare(&scene, &a, "GET", peer_url(&scene.peer, "/"));
  scene_prepare(&scene, &b, "GET", peer_url(&scene.peer, "/"));
  scene_prepare(&scene, &c, "GET", peer_url(&scene.peer, "/"));
  a.then = b.then = c.then = cancel_victims;
  victims[0] = &b;
  victims[1] = &c;
  scene_start(&a);
  scene_start(&b);
  scene_start(&c);
  scene_wait(&a);
  stage_spin(&scene.stage, 5);
  assert_int_equal(b.done + c.done, 0);
  scene_clear(&a);
  scene_clear(&b);
  scene_clear(&c);
}

static request_t next_request;
static void start_next(request_t *request) {
  (void)request;
  scene_prepare(&scene, &next_request, "GET", peer_url(&scene.peer, "/next"));
  scene_start(&next_request);
}

static void a_callback_may_start_another(void **state) {
  request_t request;
  scene_prepare(&scene, &request, "GET", peer_url(&scene.peer, "/"));
  request.then = start_next;
  scene_start(&request);
  stage_until_count(&scene.stage, &scene.done, 2);
  assert_int_equal(scene.peer.accepted, 1);
  scene_clear(&request);
  scene_clear(&next_request);
}

static bool was_closed;
static void close_from_callback(request_t *request) {
  daytona__http_close(request->scene->http, stage_set_flag, &was_closed);
  request->scene->http = NULL;
}

static void the_last_callback_may_close(void **state) {
  request_t request;
  was_closed = false;
  scene_prepare(&scene, &request, "GET", peer_url(&scene.peer, "/"));
  request.then = close_from_callback;
  scene_start(&request);
  stage_until(&scene.stage, &was_closed);
  scene_clear(&request);
}

static void close_drops_pooled_connections(void **state) {
  request_t requests[5];
  for (int i = 0; i < 5; i++) {
    scene_prepare(&scene, &requests[i], "GET", peer_url(&scene.peer, "/"));
    scene_start(&requests[i]);
  }
  stage_until_count(&scene.stage, &scene.done, 5);
  assert_int_equal(scene.peer.open, 5);
  scene_close_http(&scene);
  while (scene.peer.open != 0) uv_run(&scene.stage.uv, UV_RUN_ONCE);
  for (int i = 0; i < 5; i++) scene_clear(&requests[i]);
}

static void a_broken_transport_is_built_anew(void **state) {
  request_t a, b, waiting;
  scene.options.max_connections = 2;
  scene_reopen(&scene);
  scene.peer.answer = NULL;
  scene_prepare(&scene, &a, "GET", peer_url(&scene.peer, "/"));
  scene_prepare(&scene, &b, "POST", peer_url(&scene.peer, "/"));
  scene_prepare(&scene, &waiting, "GET", peer_url(&scene.peer, "/"));
  scene_start(&a);
  scene_start(&b);
  scene_start(&waiting);
  scene_until_requests(&scene, 2);
  scene.peer.answer = scene_ok;
  scene.http->current[false]->is_broken = true; /* as after an error of curl_multi_socket_action */
  daytona__loop_defer(scene.stage.loop, &scene.http->current[false]->kick);
  stage_until_count(&scene.stage, &scene.done, 3);
  assert_int_equal(a.call.response.code, DAYTONA_ECONNECTION);
  assert_int_equal(b.call.response.code, DAYTONA_ECONNECTION);
  assert_int_equal(waiting.call.response.code, DAYTONA_OK);
  scene_clear(&a);
  scene_clear(&b);
  scene_clear(&waiting);
}

static void a_full_queue_refuses(void **state) {
  request_t request;
  scene.http->waiting_count += DAYTONA__QUEUE_MAX; /* a million calls would take too long to make */
  scene_prepare(&scene, &request, "GET", peer_url(&scene.peer, "/"));
  scene_start(&request);
  scene.http->waiting_count -= DAYTONA__QUEUE_MAX;
  scene_wait(&request);
  assert_int_equal(request.call.response.code, DAYTONA_ELIMIT);
  scene_clear(&request);
}

static void a_program_with_nothing_pending_ends(void **state) {
  request_t request;
  scene_run(&scene, &request, "GET", peer_url(&scene.peer, "/"));
  scene_clear(&request);
  peer_conn_t *conn = scene.peer.conns;
  uv_unref((uv_handle_t *)&conn->tcp); /* the pooled connection's other side is the test's own */
  assert_int_equal(uv_run(&scene.stage.uv, UV_RUN_DEFAULT), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
    TEST(a_get_is_answered),
    TEST(every_method_keeps_its_name_and_body),
    TEST(head_has_no_body),
    TEST(own_headers_are_added_and_win),
    TEST(another_service_gets_no_common_headers),
    TEST(bad_requests_fail_without_being_sent),
    TEST(names_are_pinned),
    TEST(dead_addresses_are_passed_over),
    TEST(a_name_that_moves_is_followed),
    TEST(a_refused_address_is_asked_for_again),
    TEST(a_failure_brings_body_and_headers),
    TEST(headers_of_a_success_are_kept_on_request),
    TEST(odd_but_legal_answers_are_read),
    TEST(an_answer_over_its_ceiling_fails),
    TEST(a_server_that_is_not_there_is_named_with_the_reason),
    TEST(an_endless_error_body_is_cut),
    TEST(a_flood_of_headers_is_refused),
    TEST(nonsense_is_a_protocol_error),
    TEST(no_more_connections_than_slots),
    TEST(requests_are_served_in_order),
    TEST(admission_is_told_and_may_cancel),
    TEST(a_thousand_calls_at_once),
    TEST(what_a_busy_moment_took_is_given_back),
    TEST(a_burst_is_spread_over_turns),
    TEST(cancel_works_in_every_state),
    TEST(cancel_takes_back_an_early_failure),
    TEST(a_callback_may_cancel_others),
    TEST(a_callback_may_start_another),
    TEST(the_last_callback_may_close),
    TEST(close_drops_pooled_connections),
    TEST(a_broken_transport_is_built_anew),
    TEST(a_full_queue_refuses),
    TEST(a_program_with_nothing_pending_ends),
  };
  return cmocka_run_group_tests_name("http", tests, NULL, NULL);
}
