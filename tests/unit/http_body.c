/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streamed bodies, both ways: order, pausing, giving up, cancelling from inside, bounded memory.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/memory.h"
#include "http_scene.h"
#include "support/check.h"

static scene_t scene;

/* A call with a sink and a source of the test's. */
typedef struct stream {
  request_t request;                      /* first */
  size_t heads, offers, taken, take_most; /* take_most: per offer; 0: all */
  int status_at_head;
  size_t headers_at_head;
  size_t given, size, give_most;
  bool waits, cancels, cancels_in_head;
  daytona_errcode_t gives_up;
} stream_t;

static unsigned char pattern(size_t at) { return (unsigned char)(at * 31 + (at >> 8) * 7 + (at >> 16)); }

static void on_head(daytona__http_call_t *call) {
  stream_t *stream = (stream_t *)call;
  stream->heads++;
  assert_int_equal(stream->offers, 0);
  stream->status_at_head = call->response.status;
  stream->headers_at_head = call->response.header_count;
  if (stream->cancels_in_head) daytona__http_cancel(call);
}

static size_t on_sink(daytona__http_call_t *call, const char *bytes, size_t size) {
  stream_t *stream = (stream_t *)call;
  assert_int_equal(stream->heads, 1);
  stream->offers++;
  if (stream->cancels) {
    daytona__http_cancel(call);
    return 0;
  }
  if (stream->gives_up != DAYTONA_OK) {
    call->user_error = stream->gives_up;
    return 0;
  }
  size_t taken = stream->take_most != 0 && stream->take_most < size ? stream->take_most : size;
  for (size_t i = 0; i < taken; i++) {
    if ((unsigned char)bytes[i] != pattern(stream->taken + i))
      fail_msg("wrong byte at %zu", stream->taken + i);
  }
  stream->taken += taken;
  return taken;
}

static ptrdiff_t on_source(daytona__http_call_t *call, char *buffer, size_t size) {
  stream_t *stream = (stream_t *)call;
  if (stream->gives_up != DAYTONA_OK) {
    call->user_error = stream->gives_up;
    return DAYTONA__HTTP_SOURCE_FAIL;
  }
  if (stream->waits) return DAYTONA__HTTP_SOURCE_WAIT;
  size_t left = stream->size - stream->given;
  if (size > left) size = left;
  if (stream->give_most != 0 && size > stream->give_most) size = stream->give_most;
  for (size_t i = 0; i < size; i++) buffer[i] = (char)pattern(stream->given + i);
  stream->given += size;
  return (ptrdiff_t)size;
}

static void prepare(stream_t *stream, const char *method) {
  memset(stream, 0, sizeof *stream);
  scene_prepare(&scene, &stream->request, method, peer_url(&scene.peer, "/"));
}

static void prepare_get(stream_t *stream) {
  prepare(stream, "GET");
  stream->request.call.sink = on_sink;
  stream->request.call.on_head = on_head;
}

static void prepare_put(stream_t *stream, size_t size) {
  prepare(stream, "POST");
  stream->size = size;
  stream->request.call.source = on_source;
  stream->request.call.source_size = (int64_t)size;
  stream->request.call.content_type = "application/octet-stream";
}

static char *large_answer;
static size_t large_size;

static void make_large_answer(size_t body_size) {
  large_answer = malloc(body_size + 256);
  if (large_answer == NULL) abort();
  large_size =
    (size_t)sprintf(large_answer, "HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: %zu\r\n\r\n", body_size);
  for (size_t i = 0; i < body_size; i++) large_answer[large_size + i] = (char)pattern(i);
  large_size += body_size;
  scene.peer.answer = large_answer;
  scene.peer.answer_size = large_size;
}

static int set_up(void **state) {
  scene_open(&scene);
  large_answer = NULL;
  return 0;
}

static int tear_down(void **state) {
  free(large_answer);
  scene_close(&scene);
  return 0;
}

/* --- answers ------------------------------------------------------------------------------------ */

static void a_large_answer_arrives_in_order(void **state) {
  stream_t stream;
  make_large_answer(5 << 20);
  prepare_get(&stream);
  scene_start(&stream.request);
  scene_wait(&stream.request);
  assert_int_equal(stream.request.call.response.code, DAYTONA_OK);
  assert_int_equal(stream.taken, 5 << 20);
  assert_int_equal(stream.heads, 1);
  assert_int_equal(stream.status_at_head, 200);
  assert_int_equal(stream.headers_at_head, 2);
  assert_int_equal(stream.request.call.response.body_size, 0);
  scene_clear(&stream.request);
}

static void what_is_not_taken_is_offered_again(void **state) {
  stream_t stream;
  make_large_answer(300 * 1024);
  prepare_get(&stream);
  stream.take_most = 1000;
  scene_start(&stream.request);
  while (stream.request.done == 0) {
    size_t offers = stream.offers;
    uv_run(&scene.stage.uv, UV_RUN_NOWAIT);
    assert_true(stream.offers <= offers + 1); /* paused until resumed */
    if (stream.offers > offers) daytona__http_resume_receive(&stream.request.call);
  }
  assert_int_equal(stream.request.call.response.code, DAYTONA_OK);
  assert_int_equal(stream.taken, 300 * 1024);
  scene_clear(&stream.request);
}

static void a_paused_answer_holds_little(void **state) {
  stream_t stream;
  make_large_answer(16 << 20);
  prepare_get(&stream);
  scene_start(&stream.request);
  while (stream.taken == 0) uv_run(&scene.stage.uv, UV_RUN_NOWAIT);
  daytona__http_pause_receive(&stream.request.call);
  size_t taken = stream.taken;
  stage_spin(&scene.stage, 200);
  assert_int_equal(stream.taken, taken);
  daytona__http_resume_receive(&stream.request.call);
  daytona__http_resume_receive(&stream.request.call);
  scene_wait(&stream.request);
  assert_int_equal(stream.taken, 16 << 20);
  scene_clear(&stream.request);
}

static void the_end_waits_for_the_sink(void **state) {
  stream_t stream;
  make_large_answer(10);
  prepare_get(&stream);
  stream.take_most = 4;
  scene_start(&stream.request);
  while (stream.taken == 0) uv_run(&scene.stage.uv, UV_RUN_ONCE);
  stage_spin(&scene.stage, 10);
  assert_int_equal(stream.request.done, 0);
  daytona__http_resume_receive(&stream.request.call);
  stage_spin(&scene.stage, 3);
  assert_int_equal(stream.taken, 8);
  assert_int_equal(stream.request.done, 0);
  daytona__http_resume_receive(&stream.request.call);
  scene_wait(&stream.request);
  assert_int_equal(stream.taken, 10);
  assert_int_equal(stream.request.call.response.code, DAYTONA_OK);
  scene_clear(&stream.request);
}

static void an_empty_answer_still_has_a_head(void **state) {
  stream_t stream;
  scene.peer.answer = "HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 0\r\n\r\n";
  prepare_get(&stream);
  scene_start(&stream.request);
  scene_wait(&stream.request);
  assert_int_equal(stream.heads, 1);
  assert_int_equal(stream.offers, 0);
  assert_int_equal(stream.headers_at_head, 2);
  scene_clear(&stream.request);
}

static void failures_are_collected_and_not_streamed(void **state) {
  stream_t stream;
  scene.peer.answer = "HTTP/1.1 404 No\r\nContent-Length: 4\r\n\r\nnope";
  prepare_get(&stream);
  scene_start(&stream.request);
  scene_wait(&stream.request);
  assert_int_equal(stream.heads + stream.offers, 0);
  assert_int_equal(stream.request.call.response.code, DAYTONA_EFAILED);
  assert_string_equal(stream.request.call.response.body, "nope");
  assert_int_equal(stream.request.call.response.header_count, 1);
  scene_clear(&stream.request);
}

static void streams_follow_no_redirect(void **state) {
  stream_t stream;
  scene.peer.answer = "HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n";
  prepare_get(&stream);
  scene_start(&stream.request);
  scene_wait(&stream.request);
  assert_int_equal(stream.request.call.response.code, DAYTONA_EFAILED);
  assert_int_equal(stream.request.call.response.status, 302);
  assert_int_equal(scene.peer.requests, 1);
  scene_clear(&stream.request);
}

static void a_short_answer_is_an_error_after_its_bytes(void **state) {
  stream_t stream;
  make_large_answer(100 * 1024);
  scene.peer.answer_size -= 1;
  scene.peer.ends_after_answer = true;
  prepare_get(&stream);
  scene_start(&stream.request);
  scene_wait(&stream.request);
  assert_int_equal(stream.request.call.response.code, DAYTONA_ETRUNCATED);
  assert_int_equal(stream.taken, 100 * 1024 - 1);
  assert_non_null(stream.request.call.response.message);
  scene_clear(&stream.request);
}

static void a_sink_may_give_up(void **state) {
  stream_t stream;
  make_large_answer(1 << 20);
  prepare_get(&stream);
  stream.gives_up = DAYTONA_EIO;
  scene_start(&stream.request);
  scene_wait(&stream.request);
  assert_int_equal(stream.request.call.response.code, DAYTONA_EIO);
  assert_int_equal(stream.offers, 1);
  scene_clear(&stream.request);
}

static void a_sink_may_cancel_its_call(void **state) {
  for (int where = 0; where < 2; where++) {
    stream_t stream;
    free(large_answer);
    make_large_answer(1 << 20);
    prepare_get(&stream);
    stream.cancels = where == 0;
    stream.cancels_in_head = where == 1;
    scene_start(&stream.request);
    while (stream.heads == 0 || (where == 0 && stream.offers == 0)) uv_run(&scene.stage.uv, UV_RUN_ONCE);
    stage_spin(&scene.stage, 5);
    assert_int_equal(stream.request.done, 0);
    assert_int_equal(stream.offers, where == 0);
    scene_clear(&stream.request);
  }
}

static void cancel_while_the_sink_is_behind(void **state) {
  stream_t stream;
  make_large_answer(10);
  prepare_get(&stream);
  stream.take_most = 1;
  scene_start(&stream.request);
  while (stream.taken == 0) uv_run(&scene.stage.uv, UV_RUN_ONCE);
  stage_spin(&scene.stage, 5);
  daytona__http_cancel(&stream.request.call);
  stage_spin(&scene.stage, 5);
  assert_int_equal(stream.request.done, 0);
  scene_clear(&stream.request);
}

static void streams_ask_for_no_encoding(void **state) {
  stream_t stream;
  prepare_get(&stream);
  scene.peer.answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
  scene_start(&stream.request);
  scene_wait(&stream.request);
  assert_null(strstr(scene.peer.last_request, "Accept-Encoding"));
  scene_clear(&stream.request);
}

/* --- requests ----------------------------------------------------------------------------------- */

static size_t checked;
static const char *expected_line;

static void check_upload(peer_conn_t *conn, const char *request, size_t size) {
  const char *body = strstr(request, "\r\n\r\n") + 4;
  if (expected_line != NULL) assert_non_null(strstr(request, expected_line));
  checked = size - (size_t)(body - request);
  for (size_t i = 0; i < checked && strstr(request, "chunked") == NULL; i++)
    if ((unsigned char)body[i] != pattern(i)) fail_msg("wrong byte at %zu", i);
  peer_puts(conn, scene_ok);
}

static void a_large_request_is_sent_whole(void **state) {
  stream_t stream;
  expected_line = "\r\nContent-Length: 3145728\r\n";
  scene.peer.on_request = check_upload;
  prepare_put(&stream, 3 << 20);
  scene_start(&stream.request);
  scene_wait(&stream.request);
  assert_int_equal(stream.request.call.response.code, DAYTONA_OK);
  assert_int_equal(checked, 3 << 20);
  assert_memory_equal(scene.peer.last_request, "POST / HTTP/1.1\r\n", 17);
  assert_null(strstr(scene.peer.last_request, "Expect"));
  scene_clear(&stream.request);
}

static void an_unknown_size_is_sent_in_chunks(void **state) {
  stream_t stream;
  expected_line = "\r\nTransfer-Encoding: chunked\r\n";
  scene.peer.on_request = check_upload;
  prepare_put(&stream, 100000);
  stream.request.call.source_size = -1;
  scene_start(&stream.request);
  scene_wait(&stream.request);
  assert_int_equal(stream.request.call.response.code, DAYTONA_OK);
  assert_true(checked > 100000);
  scene_clear(&stream.request);
}

static void an_empty_request_is_sent(void **state) {
  stream_t stream;
  expected_line = NULL;
  scene.peer.on_request = check_upload;
  prepare_put(&stream, 0);
  scene_start(&stream.request);
  scene_wait(&stream.request);
  assert_int_equal(stream.request.call.response.code, DAYTONA_OK);
  scene_clear(&stream.request);
}

static void a_source_may_wait(void **state) {
  stream_t stream;
  expected_line = NULL;
  scene.peer.on_request = check_upload;
  prepare_put(&stream, 200000);
  stream.waits = true;
  stream.give_most = 50000;
  stream.request.call.idle_timeout_ms = 1000;
  scene_start(&stream.request);
  scene_until_accepted(&scene, 1);
  for (int i = 0; i < 3; i++) {
    stage_spin(&scene.stage, 10);
    daytona__loop_advance(scene.stage.loop, 5000); /* waiting for the program is not idling */
    stage_spin(&scene.stage, 10);
    assert_int_equal(stream.request.done, 0);
    daytona__http_resume_send(&stream.request.call); /* still nothing: it waits again */
  }
  stream.waits = false;
  daytona__http_resume_send(&stream.request.call);
  scene_wait(&stream.request);
  assert_int_equal(stream.request.call.response.code, DAYTONA_OK);
  assert_int_equal(checked, 200000);
  scene_clear(&stream.request);
}

static void a_source_may_give_up(void **state) {
  stream_t stream;
  prepare_put(&stream, 1000);
  stream.gives_up = DAYTONA_EIO;
  scene_start(&stream.request);
  scene_wait(&stream.request);
  assert_int_equal(stream.request.call.response.code, DAYTONA_EIO);
  assert_int_equal(stream.request.call.response.attempts, 1);
  scene_clear(&stream.request);
}

/*
 * A server that refuses while libcurl is about to send: its response and a reset arrive between the look for a response
 * and the bytes that the source gives. It is played without libuv, inside the source.
 */
static int refusing_listener;
static const char *refusal;

static void refuse_now(void) {
  int fd = accept(refusing_listener, NULL, NULL);
  struct linger at_once = {1, 0};
  assert_true(fd >= 0);
  assert_int_equal(send(fd, refusal, strlen(refusal), 0), (ssize_t)strlen(refusal));
  assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
  assert_int_equal(close(fd), 0);
}

static ptrdiff_t on_refused_source(daytona__http_call_t *call, char *buffer, size_t size) {
  stream_t *stream = (stream_t *)call;
  if (stream->given == 0) refuse_now();
  memset(buffer, 'x', size);
  stream->given += size;
  return (ptrdiff_t)size;
}

static void a_refusal_is_heard_although_sending_fails(void **state) {
  static const char *const answers[] = {
    "HTTP/1.1 413 No\r\nContent-Length: 6\r\n\r\ntoo big, and more",
    "HTTP/1.1 401 No\r\nTransfer-Encoding: chunked\r\n\r\n6\r\ntoo bi\r\n",
    "HTTP/1.1 413 No\r\n", /* cut */
    "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\ntoo bi",
  };
  static const int statuses[] = {413, 401, 0, 0};
  for (int i = 0; i < 4; i++) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    char url[64];
    stream_t stream = {0};
    refusal = answers[i];
    refusing_listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(refusing_listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(refusing_listener, 5), 0);
    assert_int_equal(getsockname(refusing_listener, (struct sockaddr *)&address, &size), 0);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", ntohs(address.sin_port));
    scene_prepare(&scene, &stream.request, "POST", url);
    stream.request.call.source = on_refused_source;
    stream.request.call.source_size = 10 << 20;
    scene_start(&stream.request);
    scene_wait(&stream.request);
    daytona__response_t *response = &stream.request.call.response;
    assert_int_equal(response->code, statuses[i] != 0 ? DAYTONA_EFAILED : DAYTONA_ECONNECTION);
    assert_int_equal(response->status, statuses[i]);
    if (statuses[i] != 0) assert_int_equal(strncmp(response->body, "too bi", 6), 0);
    scene_clear(&stream.request);
    close(refusing_listener);
  }
}

static void a_source_that_ends_early_is_an_error(void **state) {
  stream_t stream;
  prepare_put(&stream, 1000);
  stream.request.call.source_size = 2000;
  scene_start(&stream.request);
  scene_wait(&stream.request);
  assert_int_equal(stream.request.call.response.code, DAYTONA_EIO);
  assert_int_equal(scene.peer.requests, 0);
  scene_clear(&stream.request);
}

static void a_source_is_not_asked_for_more_than_announced(void **state) {
  stream_t stream;
  expected_line = "\r\nContent-Length: 1000\r\n";
  scene.peer.on_request = check_upload;
  prepare_put(&stream, 5000);
  stream.request.call.source_size = 1000;
  scene_start(&stream.request);
  scene_wait(&stream.request);
  assert_int_equal(stream.request.call.response.code, DAYTONA_OK);
  assert_int_equal(stream.given, 1000);
  scene_clear(&stream.request);
}

static void refuse_early(peer_conn_t *conn) {
  peer_puts(conn, "HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig");
}

static void an_early_refusal_is_the_answer(void **state) {
  stream_t stream;
  scene.peer.on_accept = refuse_early;
  scene.peer.accepts_raw = true;
  prepare_put(&stream, 64 << 20);
  scene_start(&stream.request);
  scene_wait(&stream.request);
  assert_int_equal(stream.request.call.response.code, DAYTONA_EFAILED);
  assert_int_equal(stream.request.call.response.status, 413);
  assert_true(stream.given < 64 << 20);
  scene_clear(&stream.request);
}

/* The server has said nothing of closing; what it has not read makes it reset the connection all the same. */
static void a_connection_that_refused_an_upload_is_not_used_again(void **state) {
  static const int statuses[] = {200, 401, 413, 503};
  for (int i = 0; i < 4; i++) {
    char answer[128];
    size_t before = scene.peer.accepted;
    snprintf(answer, sizeof answer, "HTTP/1.1 %d X\r\nContent-Length: 2\r\n\r\nno", statuses[i]);
    for (int n = 0; n < 2; n++) {
      stream_t stream;
      prepare_put(&stream, 1000);
      scene.peer.answer = answer;
      scene.peer.answer_size = strlen(answer);
      scene_start(&stream.request);
      scene_wait(&stream.request);
      assert_int_equal(stream.request.call.response.status, statuses[i]);
      scene_clear(&stream.request);
    }
    assert_int_equal(scene.peer.accepted - before, statuses[i] == 200 ? 1 : i == 1 ? 1 : 2);
  }
}

static void both_ways_at_once(void **state) {
  stream_t stream;
  expected_line = NULL;
  make_large_answer(1 << 20);
  prepare_put(&stream, 1 << 20);
  stream.request.call.sink = on_sink;
  stream.request.call.on_head = on_head;
  scene_start(&stream.request);
  scene_wait(&stream.request);
  assert_int_equal(stream.request.call.response.code, DAYTONA_OK);
  assert_int_equal(stream.taken, 1 << 20);
  assert_int_equal(stream.given, 1 << 20);
  scene_clear(&stream.request);
}

static void a_plain_request_after_a_stream_is_plain(void **state) {
  stream_t stream;
  request_t request;
  prepare_put(&stream, 100);
  scene_start(&stream.request);
  scene_wait(&stream.request);
  scene_clear(&stream.request);
  scene_run(&scene, &request, "GET", peer_url(&scene.peer, "/plain"));
  assert_int_equal(request.call.response.code, DAYTONA_OK);
  assert_memory_equal(scene.peer.last_request, "GET /plain HTTP/1.1\r\n", 21);
  assert_null(strstr(scene.peer.last_request, "Transfer-Encoding"));
  scene_clear(&request);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
    TEST(a_large_answer_arrives_in_order),
    TEST(what_is_not_taken_is_offered_again),
    TEST(a_paused_answer_holds_little),
    TEST(the_end_waits_for_the_sink),
    TEST(an_empty_answer_still_has_a_head),
    TEST(failures_are_collected_and_not_streamed),
    TEST(streams_follow_no_redirect),
    TEST(a_short_answer_is_an_error_after_its_bytes),
    TEST(a_sink_may_give_up),
    TEST(a_sink_may_cancel_its_call),
    TEST(cancel_while_the_sink_is_behind),
    TEST(streams_ask_for_no_encoding),
    TEST(a_large_request_is_sent_whole),
    TEST(an_unknown_size_is_sent_in_chunks),
    TEST(an_empty_request_is_sent),
    TEST(a_source_may_wait),
    TEST(a_source_may_give_up),
    TEST(a_refusal_is_heard_although_sending_fails),
    TEST(a_source_that_ends_early_is_an_error),
    TEST(a_source_is_not_asked_for_more_than_announced),
    TEST(an_early_refusal_is_the_answer),
    TEST(a_connection_that_refused_an_upload_is_not_used_again),
    TEST(both_ways_at_once),
    TEST(a_plain_request_after_a_stream_is_plain),
  };
  return cmocka_run_group_tests_name("http_stream", tests, NULL, NULL);
}
