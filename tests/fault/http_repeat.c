/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which failures are repeated: a table of method, failure and what had gone over the wire. Nothing that a
 * server may have executed is sent again, unless the method says that this does no harm.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <time.h>

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

/* Move the clock on until the call ends; it must have no limits of its own. */
static void run_out(request_t *request) {
  for (int i = 0; request->done == 0; i++) {
    assert_true(i < 200000);
    daytona__loop_advance(scene.stage.loop, 5);
    uv_run(&scene.stage.uv, UV_RUN_NOWAIT);
  }
}

static void prepare(request_t *request, const char *method, const char *url) {
  scene_prepare(&scene, request, method, url);
  request->call.connect_timeout_ms = -1;
  if (strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0 || strcmp(method, "PATCH") == 0) {
    request->call.body = "{}";
    request->call.body_size = 2;
  }
}

/* --- the table ---------------------------------------------------------------------------------- */

enum failure {
  REFUSED, /* nobody listens */
  UNKNOWN_NAME,
  NOT_TLS,       /* the handshake fails */
  CLOSED_UNREAD, /* closed on accept */
  CLOSED_READ,   /* closed after the request */
  RESET_READ,
  HALF_HEAD, /* closed inside the response's headers */
  HALF_BODY,
  HALF_CHUNK,
  STATUS_503,
  STATUS_429 /* without Retry-After */
};

static void close_unread(peer_conn_t *conn) { peer_end(conn); }
static void close_read(peer_conn_t *conn, const char *request, size_t size) { peer_end(conn); }
static void reset_read(peer_conn_t *conn, const char *request, size_t size) { peer_reset(conn); }
static int no_such_name(const char *host, daytona__addresses_t *out) { return -2; }

static const char *arrange(enum failure failure) {
  static char url[64];
  peer_t *peer = &scene.peer;
  snprintf(url, sizeof url, "http://127.0.0.1:%d/", peer->port);
  peer->ends_after_answer = true;
  switch (failure) {
    case REFUSED: snprintf(url, sizeof url, "http://127.0.0.1:%d/", peer_dead_port()); break;
    case UNKNOWN_NAME:
      daytona__resolver_set_getaddrinfo(scene.resolver, no_such_name);
      snprintf(url, sizeof url, "http://unknown.example/");
      break;
    case NOT_TLS:
      peer->on_accept = close_unread;
      snprintf(url, sizeof url, "https://127.0.0.1:%d/", peer->port);
      break;
    case CLOSED_UNREAD: peer->on_accept = close_unread; break;
    case CLOSED_READ: peer->on_request = close_read; break;
    case RESET_READ: peer->on_request = reset_read; break;
    case HALF_HEAD: peer->answer = "HTTP/1.1 200 OK\r\nContent-Le"; break;
    case HALF_BODY: peer->answer = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"; break;
    case HALF_CHUNK: peer->answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf"; break;
    case STATUS_503: peer->answer = "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"; break;
    case STATUS_429: peer->answer = "HTTP/1.1 429 Slow\r\nContent-Length: 0\r\n\r\n"; break;
  }
  return url;
}

static void the_table_of_failures(void **state) {
  static const struct {
    enum failure failure;
    daytona_errcode_t code;
    int idempotent, other; /* attempts */
  } rows[] = {
    {REFUSED, DAYTONA_ECONNECTION, 3, 3},
    {UNKNOWN_NAME, DAYTONA_ERESOLVE, 3, 3},
    {NOT_TLS, DAYTONA_ETLS, 3, 3},
    {CLOSED_UNREAD, DAYTONA_ECONNECTION, 3, 1},
    {CLOSED_READ, DAYTONA_ECONNECTION, 3, 1},
    {RESET_READ, DAYTONA_ECONNECTION, 3, 1},
    {HALF_HEAD, DAYTONA_ETRUNCATED, 3, 1},
    {HALF_BODY, DAYTONA_ETRUNCATED, 3, 1},
    {HALF_CHUNK, DAYTONA_ETRUNCATED, 3, 1},
    {STATUS_503, DAYTONA_EFAILED, 1, 1},
    {STATUS_429, DAYTONA_EFAILED, 1, 1},
  };
  static const struct {
    const char *method;
    bool is_idempotent, is_create;
  } methods[] = {
    {"GET", true, false},   {"OPTIONS", true, false}, {"PUT", true, false},    {"DELETE", true, false},
    {"TRACE", true, false}, {"POST", false, false},   {"PATCH", false, false}, {"PUT", false, true},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    for (size_t k = 0; k < sizeof methods / sizeof methods[0]; k++) {
      request_t request;
      scene_close(&scene);
      scene_open(&scene);
      prepare(&request, methods[k].method, arrange(rows[i].failure));
      request.call.is_create = methods[k].is_create;
      scene_start(&request);
      run_out(&request);
      int expected = methods[k].is_idempotent ? rows[i].idempotent : rows[i].other;
      bool is_sent = rows[i].failure > NOT_TLS;
      /* A connection closed on accept may be seen broken before or after the request was written. */
      bool is_open = rows[i].failure == CLOSED_UNREAD && !request.call.was_sent;
      if (request.call.response.code != rows[i].code ||
          (request.call.response.attempts != expected && !is_open) ||
          (request.call.was_sent != is_sent && !is_open))
        fail_msg("row %zu, %s: %s after %d attempts, sent %d: %s", i, methods[k].method,
                 daytona_errcode_name((int)request.call.response.code), request.call.response.attempts,
                 request.call.was_sent,
                 request.call.response.message != NULL ? request.call.response.message : "");
      scene_clear(&request);
    }
  }
}

/* --- pooled connections ------------------------------------------------------------------------- */

static void answer_once(peer_conn_t *conn, const char *request, size_t size) {
  if (conn->index == 0 && conn->request_count > 1)
    peer_end(conn); /* the second request on the first connection: read, and no response */
  else
    peer_puts(conn, scene_ok);
}

static void run_on_pooled(request_t *request, const char *method) {
  request_t first;
  scene.peer.on_request = answer_once;
  prepare(&first, "GET", peer_url(&scene.peer, "/first"));
  scene_start(&first);
  scene_wait(&first);
  scene_clear(&first);
  prepare(request, method, peer_url(&scene.peer, "/second"));
  scene_start(request);
  run_out(request);
}

static void a_get_on_a_dying_connection_is_sent_again(void **state) {
  request_t request;
  run_on_pooled(&request, "GET");
  assert_int_equal(request.call.response.code, DAYTONA_OK);
  assert_int_equal(scene.peer.requests, 3);
  assert_int_equal(scene.peer.accepted, 2);
  scene_clear(&request);
}

static void a_post_on_a_dying_connection_is_not(void **state) {
  request_t request;
  run_on_pooled(&request, "POST");
  assert_int_equal(request.call.response.code, DAYTONA_ECONNECTION);
  assert_true(request.call.was_sent);
  assert_int_equal(request.call.response.attempts, 1);
  assert_int_equal(scene.peer.requests, 2);
  scene_clear(&request);
}

static void a_connection_that_died_while_idle_does_no_harm(void **state) {
  request_t request;
  prepare(&request, "GET", peer_url(&scene.peer, "/"));
  scene_start(&request);
  scene_wait(&request);
  scene_clear(&request);
  peer_end(scene.peer.conns);
  while (scene.peer.open != 0) uv_run(&scene.stage.uv, UV_RUN_ONCE);
  stage_spin(&scene.stage, 3);
  prepare(&request, "POST", peer_url(&scene.peer, "/"));
  scene_start(&request);
  scene_wait(&request);
  assert_int_equal(request.call.response.code, DAYTONA_OK);
  assert_int_equal(request.call.response.attempts, 1);
  scene_clear(&request);
}

/* Sockets of this process whose peer has closed and which are still open here. */
static int half_closed(void) {
  int count = 0;
  for (int fd = 0; fd < 1024; fd++) {
    struct tcp_info info;
    socklen_t size = sizeof info;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 && info.tcpi_state == TCP_CLOSE_WAIT)
      count++;
  }
  return count;
}

static void on_host_timer(uv_timer_t *timer) { (void)timer; }

static void a_connection_that_died_while_idle_is_closed_within_seconds(void **state) {
  request_t request;
  prepare(&request, "GET", peer_url(&scene.peer, "/"));
  scene_start(&request);
  scene_wait(&request);
  scene_clear(&request);
  peer_end(scene.peer.conns);
  for (int i = 0; i < 1000 && half_closed() == 0; i++) uv_run(&scene.stage.uv, UV_RUN_NOWAIT);
  assert_int_equal(half_closed(), 1);
  stage_spin(&scene.stage, 3);
  /* Nothing of ours keeps the loop alive meanwhile: the host does. */
  uv_timer_t host;
  uv_timer_init(&scene.stage.uv, &host);
  uv_timer_start(&host, on_host_timer, 1, 1);
  daytona__loop_advance(scene.stage.loop, 3000);
  for (int i = 0; i < 2000 && half_closed() != 0; i++) uv_run(&scene.stage.uv, UV_RUN_ONCE);
  uv_close((uv_handle_t *)&host, NULL);
  stage_spin(&scene.stage, 1);
  assert_int_equal(half_closed(), 0);
}

/* --- timing and success ------------------------------------------------------------------------- */

static void the_waits_grow(void **state) {
  request_t request;
  char url[64];
  size_t in_flight, waiting;
  snprintf(url, sizeof url, "http://127.0.0.1:%d/", peer_dead_port());
  prepare(&request, "POST", url);
  scene_start(&request);
  for (int n = 1; n <= 2; n++) {
    do {
      uv_run(&scene.stage.uv, UV_RUN_NOWAIT);
      daytona__http_counts(scene.http, &in_flight, &waiting);
    } while (request.call.response.attempts < n || in_flight != 0);
    daytona__loop_advance(scene.stage.loop, 250 * n - 60);
    stage_spin(&scene.stage, 3);
    assert_int_equal(request.call.response.attempts, n);
    daytona__loop_advance(scene.stage.loop, 60 + 101);
    stage_spin(&scene.stage, 3);
    assert_int_equal(request.call.response.attempts, n + 1);
  }
  scene_wait(&request);
  assert_int_equal(request.call.response.code, DAYTONA_ECONNECTION);
  scene_clear(&request);
}

static void fail_first(peer_conn_t *conn, const char *request, size_t size) {
  if (conn->index == 0) {
    peer_puts(
      conn, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\nX-Old: 1\r\nContent-Type: text/old\r\n\r\nleft over");
    peer_end(conn);
  } else {
    peer_puts(conn, scene_ok);
  }
}

static void nothing_of_a_failed_attempt_is_left(void **state) {
  request_t request;
  scene.peer.on_request = fail_first;
  prepare(&request, "GET", peer_url(&scene.peer, "/"));
  request.call.keeps_headers = true;
  scene_start(&request);
  run_out(&request);
  assert_int_equal(request.call.response.code, DAYTONA_OK);
  assert_int_equal(request.call.response.attempts, 2);
  assert_string_equal(request.call.response.body, "{}");
  assert_int_equal(request.call.response.header_count, 2);
  assert_null(request.call.response.message);
  scene_clear(&request);
}

static void a_waiting_repeat_can_be_cancelled(void **state) {
  request_t request;
  char url[64];
  size_t in_flight = 1, waiting;
  snprintf(url, sizeof url, "http://127.0.0.1:%d/", peer_dead_port());
  prepare(&request, "GET", url);
  scene_start(&request);
  while (request.call.response.attempts < 1 || in_flight != 0) {
    uv_run(&scene.stage.uv, UV_RUN_NOWAIT);
    daytona__http_counts(scene.http, &in_flight, &waiting);
  }
  daytona__http_cancel(&request.call);
  daytona__loop_advance(scene.stage.loop, 10000);
  stage_spin(&scene.stage, 3);
  assert_int_equal(request.done, 0);
  assert_int_equal(request.call.response.attempts, 1);
}

/* --- streamed bodies ---------------------------------------------------------------------------- */

static ptrdiff_t give_abc(daytona__http_call_t *call, char *buffer, size_t size) {
  memcpy(buffer, "abc", 3);
  return 3;
}

static void a_source_that_was_asked_is_not_repeated(void **state) {
  request_t request;
  scene.peer.on_request = close_read;
  prepare(&request, "PUT", peer_url(&scene.peer, "/"));
  request.call.body = NULL;
  request.call.source = give_abc;
  request.call.source_size = 3;
  scene_start(&request);
  run_out(&request);
  assert_int_equal(request.call.response.code, DAYTONA_ECONNECTION);
  assert_int_equal(request.call.response.attempts, 1);
  scene_clear(&request);
}

static void a_source_that_was_not_asked_is(void **state) {
  request_t request;
  char url[64];
  snprintf(url, sizeof url, "http://127.0.0.1:%d/", peer_dead_port());
  prepare(&request, "POST", url);
  request.call.body = NULL;
  request.call.source = give_abc;
  request.call.source_size = 3;
  scene_start(&request);
  run_out(&request);
  assert_int_equal(request.call.response.attempts, 3);
  scene_clear(&request);
}

static size_t sunk;
static size_t take_all(daytona__http_call_t *call, const char *bytes, size_t size) {
  sunk += size;
  return size;
}

static void an_answer_that_reached_the_sink_is_not_repeated(void **state) {
  request_t request;
  sunk = 0;
  scene.peer.on_request = fail_first;
  prepare(&request, "GET", peer_url(&scene.peer, "/"));
  request.call.sink = take_all;
  scene_start(&request);
  run_out(&request);
  assert_int_equal(request.call.response.code, DAYTONA_ETRUNCATED);
  assert_int_equal(request.call.response.attempts, 1);
  assert_int_equal(sunk, strlen("left over"));
  scene_clear(&request);
}

/* --- limiters ----------------------------------------------------------------------------------- */

static const char *limited;
static void limit_first(peer_conn_t *conn, const char *request, size_t size) {
  peer_puts(conn, conn->peer->requests == 1 ? limited : scene_ok);
}

static void start_limited(request_t *request, const char *answer, int64_t wait_ms) {
  scene.options.rate_limit_wait_ms = wait_ms;
  scene_reopen(&scene);
  limited = answer;
  scene.peer.on_request = limit_first;
  prepare(request, "POST", peer_url(&scene.peer, "/"));
}

static void a_limiter_is_waited_for(void **state) {
  static const struct {
    const char *answer;
    int64_t ms;
  } rows[] = {
    {"HTTP/1.1 429 S\r\nRetry-After: 3\r\nContent-Length: 0\r\n\r\n", 3000},
    {"HTTP/1.1 429 S\r\nRetry-After-sandbox-create: 2.5\r\nContent-Length: 0\r\n\r\n", 2500},
    {"HTTP/1.1 429 S\r\nretry-after: 1\r\nRetry-After-X: 4\r\nContent-Length: 4\r\n\r\nslow", 4000},
    {"HTTP/1.1 429 S\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n", 250},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    request_t request;
    scene_close(&scene);
    scene_open(&scene);
    start_limited(&request, rows[i].answer, 60000);
    scene_start(&request);
    size_t in_flight = 1, waiting;
    while (scene.peer.requests == 0 || in_flight != 0) {
      uv_run(&scene.stage.uv, UV_RUN_NOWAIT);
      daytona__http_counts(scene.http, &in_flight, &waiting);
    }
    daytona__loop_advance(scene.stage.loop, rows[i].ms - 60);
    stage_spin(&scene.stage, 5);
    assert_int_equal(request.call.response.attempts, 1);
    daytona__loop_advance(scene.stage.loop, 60 + 101);
    scene_wait(&request);
    assert_int_equal(request.call.response.code, DAYTONA_OK);
    assert_int_equal(request.call.response.attempts, 2);
    assert_string_equal(request.call.response.body, "{}");
    scene_clear(&request);
  }
}

static void a_limiter_that_asks_too_much_is_an_error(void **state) {
  static const struct {
    const char *answer;
    int64_t allowed_ms, total_ms;
  } rows[] = {
    {"HTTP/1.1 429 S\r\nRetry-After: 3\r\nContent-Length: 0\r\n\r\n", 2999, 0},
    {"HTTP/1.1 429 S\r\nRetry-After: 3\r\nContent-Length: 0\r\n\r\n", 0, 0},
    {"HTTP/1.1 429 S\r\nRetry-After: 3\r\nContent-Length: 0\r\n\r\n", 60000, 2000},
    {"HTTP/1.1 429 S\r\nRetry-After: soon\r\nContent-Length: 0\r\n\r\n", 60000, 0},
    {"HTTP/1.1 503 S\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n", 60000, 0},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    request_t request;
    scene_close(&scene);
    scene_open(&scene);
    start_limited(&request, rows[i].answer, rows[i].allowed_ms);
    request.call.total_timeout_ms = rows[i].total_ms;
    scene_start(&request);
    scene_wait(&request);
    assert_int_equal(request.call.response.code, DAYTONA_EFAILED);
    assert_int_equal(request.call.response.attempts, 1);
    assert_true(request.call.response.header_count > 0);
    scene_clear(&request);
  }
}

static void a_limiter_with_a_date_is_waited_for(void **state) {
  request_t request;
  char answer[256], date[64];
  time_t then = time(NULL) + 30;
  strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime(&then));
  snprintf(answer, sizeof answer, "HTTP/1.1 429 S\r\nRetry-After: %s\r\nContent-Length: 0\r\n\r\n", date);
  start_limited(&request, answer, 60000);
  scene_start(&request);
  scene_until_requests(&scene, 1);
  stage_spin(&scene.stage, 5);
  daytona__loop_advance(scene.stage.loop, 20000);
  stage_spin(&scene.stage, 5);
  assert_int_equal(request.call.response.attempts, 1);
  daytona__loop_advance(scene.stage.loop, 11000);
  scene_wait(&request);
  assert_int_equal(request.call.response.code, DAYTONA_OK);
  scene_clear(&request);
}

static void always_limit(peer_conn_t *conn, const char *request, size_t size) { peer_puts(conn, limited); }

static void an_endless_limiter_ends(void **state) {
  request_t request;
  start_limited(&request, "HTTP/1.1 429 S\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n", 1000);
  scene.peer.on_request = always_limit;
  scene_start(&request);
  run_out(&request);
  assert_int_equal(request.call.response.status, 429);
  assert_int_equal(request.call.response.attempts, 5); /* 250 ms at a time, a second in all */
  scene_clear(&request);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
    TEST(the_table_of_failures),
    TEST(a_get_on_a_dying_connection_is_sent_again),
    TEST(a_post_on_a_dying_connection_is_not),
    TEST(a_connection_that_died_while_idle_does_no_harm),
    TEST(a_connection_that_died_while_idle_is_closed_within_seconds),
    TEST(the_waits_grow),
    TEST(nothing_of_a_failed_attempt_is_left),
    TEST(a_waiting_repeat_can_be_cancelled),
    TEST(a_source_that_was_asked_is_not_repeated),
    TEST(a_source_that_was_not_asked_is),
    TEST(an_answer_that_reached_the_sink_is_not_repeated),
    TEST(a_limiter_is_waited_for),
    TEST(a_limiter_that_asks_too_much_is_an_error),
    TEST(a_limiter_with_a_date_is_waited_for),
    TEST(an_endless_limiter_ends),
  };
  return cmocka_run_group_tests_name("http_repeat", tests, NULL, NULL);
}
