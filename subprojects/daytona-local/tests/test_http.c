/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP server wrapper: bodies, late answers, streams, upgrades, damage, and its end.
 */
#include "http_driver.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct {
  uv_loop_t loop;
  dl_http_t *http;
  raw_client_t client;
  dl_http_handler_cb handler;
  dl_req_t *held;
  bool was_gone, was_closed, was_complete;
  size_t streamed, taken;
  int pulls;
  uv_timer_t timer;
  dl_duplex_t *upgraded;
  bool body_aborted;
} fixture_t;

static void on_request(dl_req_t *req, void *user) {
  fixture_t *f = user;
  f->handler(req, user);
}

static int setup(void **state) {
  fixture_t *f = calloc(1, sizeof *f);
  char *error = NULL;
  uv_loop_init(&f->loop);
  f->http =
    dl_http_new(&f->loop, &(dl_http_opts_t){.listen_fd = -1, .on_request = on_request, .user = f}, &error);
  assert_non_null(f->http);
  raw_open(&f->client, &f->loop, dl_http_port(f->http));
  *state = f;
  return 0;
}

static int teardown(void **state) {
  fixture_t *f = *state;
  if (f->http) turn_until_closed(&f->loop, f->http);
  raw_close(&f->client);
  uv_run(&f->loop, UV_RUN_DEFAULT);
  assert_int_equal(uv_loop_close(&f->loop), 0);
  free(f);
  return 0;
}

#define HEAD "HTTP/1.1\r\nHost: x\r\n"

static void echo_body(dl_req_t *req, const char *body, size_t len, void *user) {
  (void)user;
  dl_reply_bytes(req, 200, "text/plain", body, len);
}
static void echo(dl_req_t *req, void *user) { dl_req_read_body(req, 1024, echo_body, user); }

static void body_is_echoed_twice_on_one_connection(void **state) {
  fixture_t *f = *state;
  f->handler = echo;
  raw_send(&f->client, "POST /a " HEAD "Content-Length: 5\r\n\r\nhello");
  assert_true(raw_until(&f->client, "\r\n\r\nhello"));
  raw_send(&f->client, "POST /a " HEAD "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
  assert_true(raw_until(&f->client, "\r\n\r\nabcde"));
}

static void too_large_body_is_413_and_the_connection_lives(void **state) {
  fixture_t *f = *state;
  f->handler = echo;
  char big[3000];
  memset(big, 'x', sizeof big);
  raw_send(&f->client, "POST /a " HEAD "Content-Length: 3000\r\n\r\n");
  dl_duplex_write(f->client.stream, big, sizeof big);
  assert_true(raw_until(&f->client, "413"));
  assert_true(raw_until(&f->client, "too large\"}"));
  raw_send(&f->client, "POST /a " HEAD "Transfer-Encoding: chunked\r\n\r\nbb8\r\n");
  dl_duplex_write(f->client.stream, big, sizeof big);
  dl_buf_reset(&f->client.got);
  raw_send(&f->client, "\r\n0\r\n\r\n");
  assert_true(raw_until(&f->client, "413"));
  raw_send(&f->client, "POST /a " HEAD "Content-Length: 2\r\n\r\nok");
  assert_true(raw_until(&f->client, "\r\n\r\nok"));
}

static void refuse(dl_req_t *req, void *user) {
  (void)user;
  dl_reply_text(req, 401, "no");
}

static void refusal_comes_after_the_body_was_read(void **state) {
  fixture_t *f = *state;
  f->handler = refuse;
  raw_send(&f->client, "POST /a " HEAD "Content-Length: 4\r\n\r\nab");
  for (int i = 0; i < 20; i++) uv_run(&f->loop, UV_RUN_NOWAIT);
  assert_int_equal(f->client.got.len, 0);
  raw_send(&f->client, "cd");
  assert_true(raw_until(&f->client, "\r\n\r\nno"));
}

static void hold(dl_req_t *req, void *user) { ((fixture_t *)user)->held = req; }
static void on_gone(dl_req_t *req, void *user) {
  (void)req;
  ((fixture_t *)user)->was_gone = true;
}
static void hold_and_watch(dl_req_t *req, void *user) {
  hold(req, user);
  dl_req_on_gone(req, on_gone, user);
}

static void answer_may_come_later(void **state) {
  fixture_t *f = *state;
  f->handler = hold;
  raw_send(&f->client, "GET /later?x=1&x=a%20b " HEAD "\r\n");
  while (!f->held) uv_run(&f->loop, UV_RUN_ONCE);
  assert_string_equal(dl_req_path(f->held), "/later");
  assert_string_equal(dl_req_raw_query(f->held), "x=1&x=a%20b");
  size_t at = 0;
  assert_string_equal(dl_query_next(dl_req_query(f->held), "x", &at), "1");
  assert_string_equal(dl_query_next(dl_req_query(f->held), "x", &at), "a b");
  assert_null(dl_query_next(dl_req_query(f->held), "x", &at));
  for (int i = 0; i < 5; i++) uv_run(&f->loop, UV_RUN_NOWAIT);
  dl_reply_empty(f->held, 204);
  assert_true(raw_until(&f->client, "204"));
}

static void peer_going_away_is_told_and_the_answer_goes_nowhere(void **state) {
  fixture_t *f = *state;
  f->handler = hold_and_watch;
  raw_send(&f->client, "GET /later " HEAD "\r\n");
  while (!f->held) uv_run(&f->loop, UV_RUN_ONCE);
  dl_duplex_close(f->client.stream);
  f->client.stream = NULL;
  while (!f->was_gone) uv_run(&f->loop, UV_RUN_ONCE);
  dl_reply_empty(f->held, 200);
  for (int i = 0; i < 5; i++) uv_run(&f->loop, UV_RUN_NOWAIT);
}

static void closing_the_server_ends_held_requests(void **state) {
  fixture_t *f = *state;
  f->handler = hold_and_watch;
  raw_send(&f->client, "GET /later " HEAD "\r\n");
  while (!f->held) uv_run(&f->loop, UV_RUN_ONCE);
  turn_until_closed(&f->loop, f->http);
  f->http = NULL;
  assert_true(f->was_gone);
  assert_true(dl_req_is_gone(f->held));
  dl_reply_empty(f->held, 200);
}

static void wake_timer(uv_timer_t *t) {
  fixture_t *f = t->data;
  dl_reply_wake(f->held);
}

static ssize_t pull(void *user, char *out, size_t max) {
  fixture_t *f = user;
  (void)max;
  int n = f->pulls++;
  if (n == 6) return DL_PULL_END;
  if (n % 2) {
    uv_timer_start(&f->timer, wake_timer, 1, 0);
    return DL_PULL_LATER;
  }
  memcpy(out, "tick ", 5);
  return 5;
}
static void on_stream_close(void *user, bool is_complete) {
  fixture_t *f = user;
  f->was_closed = true;
  f->was_complete = is_complete;
}
static const dl_pull_events_t pull_events = {pull, on_stream_close};
static void stream_out(dl_req_t *req, void *user) {
  hold(req, user);
  dl_reply_stream(req, 200, -1, &pull_events, user);
}
static void stream_out_known(dl_req_t *req, void *user) {
  hold(req, user);
  dl_reply_stream(req, 200, 15, &pull_events, user);
}

static void run_stream(fixture_t *f) {
  uv_timer_init(&f->loop, &f->timer);
  f->timer.data = f;
  raw_send(&f->client, "GET /s " HEAD "\r\n");
  while (!f->was_closed) uv_run(&f->loop, UV_RUN_ONCE);
  assert_true(f->was_complete);
  uv_close((uv_handle_t *)&f->timer, NULL);
}

static void chunked_stream_waits_for_its_source(void **state) {
  fixture_t *f = *state;
  f->handler = stream_out;
  run_stream(f);
  assert_true(raw_until(&f->client, "\r\n0\r\n\r\n"));
  assert_non_null(strstr(f->client.got.data, "Transfer-Encoding: chunked"));
}

static void stream_of_known_length_is_plain(void **state) {
  fixture_t *f = *state;
  f->handler = stream_out_known;
  run_stream(f);
  assert_true(raw_until(&f->client, "\r\n\r\ntick tick tick "));
  assert_non_null(strstr(f->client.got.data, "Content-Length: 15"));
}

static size_t take_some(dl_req_t *req, const char *bytes, size_t len, void *user) {
  (void)bytes, (void)req;
  fixture_t *f = user;
  size_t room = 1000 - f->taken;
  if (len > room) len = room;
  f->taken += len;
  f->streamed += len;
  return len;
}
static void on_body_end(dl_req_t *req, bool is_complete, void *user) {
  fixture_t *f = user;
  f->body_aborted = !is_complete;
  f->held = NULL;
  char *text = dl_xprintf("got %zu", f->streamed);
  dl_reply_text(req, 200, text);
  free(text);
}
static const dl_body_events_t body_events = {take_some, on_body_end};
static void stream_in(dl_req_t *req, void *user) {
  hold(req, user);
  dl_req_stream_body(req, &body_events, user);
}

static void streamed_body_obeys_back_pressure(void **state) {
  fixture_t *f = *state;
  f->handler = stream_in;
  char big[10000];
  memset(big, 'y', sizeof big);
  raw_send(&f->client, "POST /up " HEAD "Content-Length: 10000\r\n\r\n");
  dl_duplex_write(f->client.stream, big, sizeof big);
  while (f->streamed < sizeof big) {
    while (f->taken < 1000 && f->streamed < sizeof big) uv_run(&f->loop, UV_RUN_NOWAIT);
    assert_true(f->taken <= 1000);
    f->taken = 0;
    if (f->held) dl_req_body_resume(f->held);
  }
  assert_true(raw_until(&f->client, "got 10000"));
}

static void streamed_body_cut_by_the_peer_is_told(void **state) {
  fixture_t *f = *state;
  f->handler = stream_in;
  raw_send(&f->client, "POST /up " HEAD "Content-Length: 10000\r\n\r\nabc");
  while (f->streamed < 3) uv_run(&f->loop, UV_RUN_ONCE);
  dl_duplex_close(f->client.stream);
  f->client.stream = NULL;
  while (!f->body_aborted) uv_run(&f->loop, UV_RUN_ONCE);
}

static void up_data(dl_duplex_t *d, const char *bytes, size_t len, void *user) {
  (void)user;
  dl_duplex_write(d, bytes, len);
}
static void up_end(dl_duplex_t *d, int error, void *user) {
  (void)error;
  ((fixture_t *)user)->was_closed = true;
  dl_duplex_close(d);
}
static const dl_duplex_events_t up_events = {up_data, up_end, NULL};
static void on_upgraded(dl_duplex_t *d, void *user) {
  ((fixture_t *)user)->upgraded = d;
  if (d) dl_duplex_listen(d, &up_events, user);
}
static void upgrade(dl_req_t *req, void *user) {
  dl_req_add_header(req, "Upgrade", "echo");
  dl_reply_upgrade(req, on_upgraded, user);
}
#define UPGRADE "GET /ws " HEAD "Connection: Upgrade\r\nUpgrade: echo\r\n\r\n"

static void upgraded_connection_is_a_stream(void **state) {
  fixture_t *f = *state;
  f->handler = upgrade;
  raw_send(&f->client, UPGRADE "early");
  assert_true(raw_until(&f->client, "\r\n\r\nearly"));
  assert_non_null(strstr(f->client.got.data, "101"));
  raw_send(&f->client, "more");
  assert_true(raw_until(&f->client, "earlymore"));
  dl_duplex_close(f->client.stream);
  f->client.stream = NULL;
  while (!f->was_closed) uv_run(&f->loop, UV_RUN_ONCE);
}

static void closing_the_server_ends_upgraded_streams(void **state) {
  fixture_t *f = *state;
  f->handler = upgrade;
  raw_send(&f->client, UPGRADE);
  while (!f->upgraded) uv_run(&f->loop, UV_RUN_ONCE);
  turn_until_closed(&f->loop, f->http);
  f->http = NULL;
  assert_true(f->was_closed);
}

static void shaped(dl_req_t *req, dl_shape_t shape) {
  dl_req_shape(req, &shape);
  dl_reply_text(req, 200, "0123456789");
}
static void truncating(dl_req_t *req, void *user) {
  (void)user;
  dl_shape_t s = DL_SHAPE_NONE;
  s.truncate_after = 4;
  shaped(req, s);
}
static void resetting(dl_req_t *req, void *user) {
  (void)user;
  dl_reply_reset(req);
}
static void dribbling(dl_req_t *req, void *user) {
  (void)user;
  dl_shape_t s = DL_SHAPE_NONE;
  s.bytes_per_second = 200;
  s.delay_ms = 10;
  shaped(req, s);
}

static void truncated_answer_declares_more_than_it_sends(void **state) {
  fixture_t *f = *state;
  f->handler = truncating;
  raw_send(&f->client, "GET / " HEAD "\r\n");
  raw_until_end(&f->client);
  assert_non_null(strstr(f->client.got.data, "Content-Length: 10"));
  assert_non_null(strstr(f->client.got.data, "\r\n\r\n0123"));
  assert_null(strstr(f->client.got.data, "01234"));
}

static void reset_is_seen_as_a_reset(void **state) {
  fixture_t *f = *state;
  f->handler = resetting;
  raw_send(&f->client, "GET / " HEAD "\r\n");
  raw_until_end(&f->client);
  assert_int_equal(f->client.error, UV_ECONNRESET);
  assert_int_equal(f->client.got.len, 0);
}

static void dribbled_answer_takes_its_time(void **state) {
  fixture_t *f = *state;
  f->handler = dribbling;
  uint64_t start = uv_hrtime();
  raw_send(&f->client, "GET / " HEAD "\r\n");
  assert_true(raw_until(&f->client, "0123456789"));
  assert_true(uv_hrtime() - start >= 50u * 1000 * 1000);
}

static void bad_requests_do_no_harm(void **state) {
  fixture_t *f = *state;
  f->handler = echo;
  raw_send(&f->client, "\r\n\r\nGET\r\n\r\n");
  raw_until_end(&f->client);
}

static void up_bytes(fixture_t *f, size_t count) {
  while (f->client.got.len < count && !f->client.is_ended) uv_run(&f->loop, UV_RUN_ONCE);
}

static void a_client_that_waits_is_invited(void **state) {
  fixture_t *f = *state;
  f->handler = echo;
  raw_send(&f->client, "POST /a " HEAD "Content-Length: 5\r\nExpect: 100-continue\r\n\r\n");
  up_bytes(f, 25);
  assert_string_equal(f->client.got.data, "HTTP/1.1 100 Continue\r\n\r\n");
  raw_send(&f->client, "hello");
  assert_true(raw_until(&f->client, "\r\n\r\nhello"));
  raw_send(&f->client, "POST /a " HEAD "Content-Length: 2\r\n\r\nok");
  assert_true(raw_until(&f->client, "\r\n\r\nok"));
}

static void a_client_that_waits_is_refused_instead(void **state) {
  fixture_t *f = *state;
  f->handler = refuse;
  raw_send(&f->client, "POST /a " HEAD "Content-Length: 5\r\nExpect: 100-continue\r\n\r\n");
  raw_until_end(&f->client);
  assert_int_equal(f->client.error, 0);
  assert_int_equal(strncmp(f->client.got.data, "HTTP/1.1 401 ", 13), 0);
  assert_non_null(strstr(f->client.got.data, "Connection: close"));
}

static void a_body_that_is_declared_too_large_is_not_invited(void **state) {
  fixture_t *f = *state;
  f->handler = echo;
  raw_send(&f->client, "POST /a " HEAD "Content-Length: 5000\r\nExpect: 100-continue\r\n\r\n");
  raw_until_end(&f->client);
  assert_int_equal(strncmp(f->client.got.data, "HTTP/1.1 413 ", 13), 0);
}

static void half_close(fixture_t *f) { dl_duplex_shutdown(f->client.stream); }

/* Sends the request, and its end, and waits until the server has seen both. */
static void send_half_closed(fixture_t *f, const char *text) {
  raw_send(&f->client, text);
  while (dl_duplex_queued(f->client.stream) > 0) uv_run(&f->loop, UV_RUN_ONCE);
  half_close(f);
}

static void a_client_that_sends_no_more_gets_its_answer(void **state) {
  fixture_t *f = *state;
  f->handler = hold_and_watch;
  send_half_closed(f, "GET /later " HEAD "\r\n");
  /* It is asked whether it is still there, and is. */
  assert_true(raw_until(&f->client, "100 Continue\r\n\r\n"));
  for (int i = 0; i < 20; i++) uv_run(&f->loop, UV_RUN_NOWAIT);
  assert_false(f->was_gone);
  dl_reply_text(f->held, 200, "late");
  raw_until_end(&f->client);
  assert_non_null(strstr(f->client.got.data, "\r\n\r\nlate"));
  assert_int_equal(f->client.error, 0);
}

static void a_stream_to_a_client_that_sends_no_more_is_whole(void **state) {
  fixture_t *f = *state;
  f->handler = stream_out;
  uv_timer_init(&f->loop, &f->timer);
  f->timer.data = f;
  send_half_closed(f, "GET /s " HEAD "\r\n");
  raw_until_end(&f->client);
  assert_true(f->was_closed && f->was_complete);
  /* The size of one chunk, or of the last one, has a digit more. */
  assert_true(strstr(f->client.got.data, "\r\n0\r\n\r\n") != NULL ||
              strstr(f->client.got.data, "\r\n00\r\n\r\n") != NULL);
  uv_close((uv_handle_t *)&f->timer, NULL);
}

static ssize_t pull_never(void *user, char *out, size_t max) {
  (void)out, (void)max;
  ((fixture_t *)user)->pulls++;
  return DL_PULL_LATER;
}

static void stream_nothing(dl_req_t *req, void *user) {
  static const dl_pull_events_t events = {pull_never, on_stream_close};
  dl_reply_stream(req, 200, -1, &events, user);
}

static void who_leaves_a_quiet_stream_is_noticed(void **state) {
  fixture_t *f = *state;
  f->handler = stream_nothing;
  raw_send(&f->client, "GET /s " HEAD "\r\n");
  assert_true(raw_until(&f->client, "\r\n\r\n"));
  dl_duplex_close(f->client.stream);
  f->client.stream = NULL;
  while (!f->was_closed) uv_run(&f->loop, UV_RUN_ONCE);
  assert_false(f->was_complete);
}

static void requests_in_one_go_are_answered_in_order(void **state) {
  fixture_t *f = *state;
  dl_buf_t text;
  f->handler = echo;
  dl_buf_init(&text, 1 << 20);
  for (int i = 0; i < 200; i++)
    dl_buf_printf(&text, "POST /a " HEAD "Content-Length: 4\r\n\r\n<%02d>", i % 100);
  send_half_closed(f, text.data);
  raw_until_end(&f->client);
  const char *at = f->client.got.data;
  for (int i = 0; i < 200; i++) {
    char want[16];
    snprintf(want, sizeof want, "\r\n\r\n<%02d>", i % 100);
    at = strstr(at, "\r\n\r\n");
    assert_non_null(at);
    assert_int_equal(strncmp(at, want, strlen(want)), 0);
    at += strlen(want);
  }
  assert_string_equal(at, "");
  dl_buf_clear(&text);
}

static void what_is_no_request_is_refused_and_lingers(void **state) {
  fixture_t *f = *state;
  f->handler = echo;
  /* More than a socket holds behind the error: it must not destroy the response. */
  static char rest[4000000];
  memset(rest, 'x', sizeof rest);
  raw_send(&f->client, "GET / HTTP/1.1\r\n\r\n");
  dl_duplex_write(f->client.stream, rest, sizeof rest);
  raw_until_end(&f->client);
  assert_int_equal(f->client.error, 0);
  assert_int_equal(strncmp(f->client.got.data, "HTTP/1.1 400 ", 13), 0);
}

static void a_broken_body_tells_the_handler_and_the_client(void **state) {
  fixture_t *f = *state;
  f->handler = stream_in;
  raw_send(&f->client, "POST /up " HEAD "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nnonsense\r\n");
  raw_until_end(&f->client);
  assert_true(f->body_aborted);
  assert_int_equal(f->streamed, 3);
  assert_int_equal(strncmp(f->client.got.data, "HTTP/1.1 400 ", 13), 0);
}

static void answers_to_head_have_no_body(void **state) {
  fixture_t *f = *state;
  f->handler = stream_out;
  raw_send(&f->client, "HEAD /s " HEAD "\r\n");
  assert_true(raw_until(&f->client, "\r\n\r\n"));
  while (!f->was_closed) uv_run(&f->loop, UV_RUN_ONCE);
  assert_int_equal(f->pulls, 0);
  f->handler = echo;
  dl_buf_reset(&f->client.got);
  raw_send(&f->client, "HEAD /a " HEAD "Content-Length: 2\r\n\r\nok");
  assert_true(raw_until(&f->client, "Content-Length: 2\r\n\r\n"));
  raw_send(&f->client, "POST /a " HEAD "Content-Length: 5\r\n\r\nafter");
  assert_true(raw_until(&f->client, "\r\n\r\nafter"));
}

static void an_old_client_gets_a_plain_stream_and_an_end(void **state) {
  fixture_t *f = *state;
  f->handler = stream_out;
  uv_timer_init(&f->loop, &f->timer);
  f->timer.data = f;
  raw_send(&f->client, "GET /s HTTP/1.0\r\n\r\n");
  raw_until_end(&f->client);
  assert_non_null(strstr(f->client.got.data, "\r\n\r\ntick tick tick "));
  assert_null(strstr(f->client.got.data, "chunked"));
  uv_close((uv_handle_t *)&f->timer, NULL);
}

static void add_bad_headers(dl_req_t *req, void *user) {
  (void)user;
  dl_req_add_header(req, "X-Good", "a\tb");
  dl_req_add_header(req, "X-Bad", "a\nb");
  dl_req_add_header(req, "X-Bad", "a\001b");
  dl_req_add_header(req, "X Bad", "a");
  dl_req_add_header(req, "", "a");
  dl_req_add_header(req, "Content-Length", "99");
  dl_req_add_header(req, "connection", "upgrade");
  dl_req_add_header(req, "Transfer-Encoding", "chunked");
  dl_reply_text(req, 200, "ok");
}

static void answers_hold_only_headers_that_are_some(void **state) {
  fixture_t *f = *state;
  f->handler = add_bad_headers;
  raw_send(&f->client, "GET / " HEAD "\r\n");
  assert_true(raw_until(&f->client, "\r\n\r\nok"));
  assert_non_null(strstr(f->client.got.data, "\r\nX-Good: a\tb\r\n"));
  static const char *const none[] = {"Bad", "99", "upgrade", "chunked", "\r\n:"};
  for (size_t i = 0; i < DL_COUNT(none); i++) assert_null(strstr(f->client.got.data, none[i]));
}

static ssize_t pull_too_little(void *user, char *out, size_t max) {
  fixture_t *f = user;
  (void)max;
  if (f->pulls++ > 0) return DL_PULL_END;
  memcpy(out, "abc", 3);
  return 3;
}

static void stream_too_little(dl_req_t *req, void *user) {
  static const dl_pull_events_t events = {pull_too_little, on_stream_close};
  dl_reply_stream(req, 200, 10, &events, user);
}

static void a_stream_that_ends_early_breaks_the_connection(void **state) {
  fixture_t *f = *state;
  f->handler = stream_too_little;
  raw_send(&f->client, "GET / " HEAD "\r\n");
  raw_until_end(&f->client);
  assert_true(f->was_closed);
  assert_false(f->was_complete);
  assert_non_null(strstr(f->client.got.data, "Content-Length: 10"));
}

int main(void) {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
  const struct CMUnitTest tests[] = {
    T(body_is_echoed_twice_on_one_connection),
    T(too_large_body_is_413_and_the_connection_lives),
    T(refusal_comes_after_the_body_was_read),
    T(answer_may_come_later),
    T(peer_going_away_is_told_and_the_answer_goes_nowhere),
    T(closing_the_server_ends_held_requests),
    T(chunked_stream_waits_for_its_source),
    T(stream_of_known_length_is_plain),
    T(streamed_body_obeys_back_pressure),
    T(streamed_body_cut_by_the_peer_is_told),
    T(upgraded_connection_is_a_stream),
    T(closing_the_server_ends_upgraded_streams),
    T(truncated_answer_declares_more_than_it_sends),
    T(reset_is_seen_as_a_reset),
    T(dribbled_answer_takes_its_time),
    T(bad_requests_do_no_harm),
    T(a_client_that_waits_is_invited),
    T(a_client_that_waits_is_refused_instead),
    T(a_body_that_is_declared_too_large_is_not_invited),
    T(a_client_that_sends_no_more_gets_its_answer),
    T(a_stream_to_a_client_that_sends_no_more_is_whole),
    T(who_leaves_a_quiet_stream_is_noticed),
    T(requests_in_one_go_are_answered_in_order),
    T(what_is_no_request_is_refused_and_lingers),
    T(a_broken_body_tells_the_handler_and_the_client),
    T(answers_to_head_have_no_body),
    T(an_old_client_gets_a_plain_stream_and_an_end),
    T(answers_hold_only_headers_that_are_some),
    T(a_stream_that_ends_early_breaks_the_connection),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
