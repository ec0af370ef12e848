/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WebSockets against a peer on the same loop that follows the test's word.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mbedtls/ssl.h>

#include "core/limits.h"
#include "support/check.h"
#include "support/ws_client.h"

static void ws_opens_and_echoes(void **state) {
  ws_client_t client;
  ws_seen_t seen = {0};
  ws_client_begin(&client, &seen);
  client.peer.echoes = true;
  assert_int_equal(daytona__ws_send(seen.ws, true, "hello", 5), 0);
  stage_until_count(&client.stage, &seen.messages, 1);
  assert_string_equal(seen.data, "hello");
  assert_true(seen.last_is_text);
  assert_non_null(strstr(client.peer.link->request, "GET /toolbox/x?y=1 HTTP/1.1\r\n"));
  assert_non_null(strstr(client.peer.link->request, "\r\nUpgrade: websocket\r\n"));
  assert_non_null(strstr(client.peer.link->request, "\r\nAuthorization: Bearer secret\r\n"));
  assert_null(strstr(client.peer.link->request, "Sec-WebSocket-Extensions"));
  assert_int_equal(daytona__ws_close(seen.ws, 1000, "bye"), 0);
  ws_client_until_closed(&seen);
  assert_int_equal(seen.how, DAYTONA__WS_END_FRAME);
  assert_int_equal(seen.code, DAYTONA_OK);
  assert_int_equal(seen.close_code, 1000);
  assert_true(seen.was_asked && seen.was_open);
  assert_int_equal(client.peer.close_code, 1000);
  assert_int_equal(daytona__ws_send(seen.ws, true, "late", 4), DAYTONA_ECLOSED);
  ws_client_end(&client, &seen);
}

static void ws_offers_protocols_in_one_line(void **state) {
  ws_client_t client;
  ws_seen_t seen = {0};
  const char *protocols[] = {"X-Daytona-SDK-Version~0.190.0", "other"};
  ws_client_open(&client, NULL);
  client.peer.extra_headers = "Sec-WebSocket-Protocol: X-Daytona-SDK-Version~0.190.0\r\n";
  ws_client_connect_open(&client, &seen, (daytona__ws_opts_t){.protocols = protocols, .protocol_count = 2});
  assert_string_equal(seen.protocol, protocols[0]);
  assert_non_null(strstr(client.peer.link->request,
                         "\r\nSec-WebSocket-Protocol: X-Daytona-SDK-Version~0.190.0, other\r\n"));
  ws_client_end(&client, &seen);
}

static void ws_takes_what_follows_the_upgrade(void **state) {
  /* In one write with the 101, and with the response in single bytes. */
  for (size_t step = 0; step < 2; step++) {
    ws_client_t client;
    ws_seen_t seen = {0};
    char behind[64];
    ws_client_open(&client, NULL);
    size_t size = ws_frame_build(behind, 1, true, "early", 5);
    size += ws_frame_build(behind + size, 8, true,
                           "\x03\xe8"
                           "bye",
                           5);
    client.peer.behind = behind;
    client.peer.behind_size = size;
    client.peer.answer_step = step;
    assert_int_equal(ws_client_connect(&client, &seen, (daytona__ws_opts_t){0}), 0);
    ws_client_until_closed(&seen);
    assert_int_equal(seen.opened, 1);
    assert_string_equal(seen.data, "early");
    assert_string_equal(seen.reason, "bye");
    assert_int_equal(seen.close_code, 1000);
    ws_client_end(&client, &seen);
  }
}

static void ws_keeps_close_codes_and_reasons(void **state) {
  static const int codes[] = {1000, 1001, 1005, 1008, 1011, 1012, 1013, 1014, 3000, 4999};
  for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
    ws_client_t client;
    ws_seen_t seen = {0};
    ws_client_begin(&client, &seen);
    ws_link_close_frame(client.peer.link, codes[i], "slow consumer");
    ws_client_until_closed(&seen);
    assert_int_equal(seen.how, DAYTONA__WS_END_FRAME);
    assert_int_equal(seen.code, DAYTONA_OK);
    assert_int_equal(seen.close_code, codes[i]);
    assert_string_equal(seen.reason, codes[i] == 1005 ? "" : "slow consumer");
    assert_false(seen.was_asked);
    stage_until_count(&client.stage, &client.peer.closes, 1);
    assert_int_equal(client.peer.close_code, codes[i]); /* the echo */
    ws_client_end(&client, &seen);
  }
}

static void ws_refuses_bad_frames(void **state) {
  static const struct {
    const char *bytes;
    size_t size;
    int close_code, code;
  } cases[] = {
    {"\x91\x00", 2, 1002, DAYTONA_EPROTOCOL}, /* reserved bit on a text frame */
    {"\x83\x00", 2, 1002, DAYTONA_EPROTOCOL}, /* unknown opcode */
    {"\x80\x00", 2, 1002, DAYTONA_EPROTOCOL}, /* continuation of nothing */
    {"\x01\x01"
     "a\x81\x01"
     "b",
     6, 1002, DAYTONA_EPROTOCOL},                     /* message in a message */
    {"\x09\x00", 2, 1002, DAYTONA_EPROTOCOL},         /* fragmented ping */
    {"\x89\x7e\x00\x80", 4, 1002, DAYTONA_EPROTOCOL}, /* overlong ping */
    {"\x82\x81"
     "0000"
     "a",
     7, 1002, DAYTONA_EPROTOCOL}, /* masked */
    {"\x82\x7e\x00\x01"
     "a",
     5, 1002, DAYTONA_EPROTOCOL},                                            /* length not the shortest */
    {"\x88\x01\x03", 3, 1002, DAYTONA_EPROTOCOL},                            /* half a close code */
    {"\x88\x02\x03\xed", 4, 1002, DAYTONA_EPROTOCOL},                        /* 1005 in a frame */
    {"\x88\x02\x07\xd0", 4, 1002, DAYTONA_EPROTOCOL},                        /* 2000 */
    {"\x81\x02\xc3\x28", 4, 1007, DAYTONA_EPROTOCOL},                        /* invalid UTF-8 */
    {"\x81\x01\xc3", 3, 1007, DAYTONA_EPROTOCOL},                            /* unfinished UTF-8 */
    {"\x81\x03\xed\xa0\x80", 5, 1007, DAYTONA_EPROTOCOL},                    /* a surrogate */
    {"\x88\x03\x03\xe8\xff", 5, 1007, DAYTONA_EPROTOCOL},                    /* reason not UTF-8 */
    {"\x82\x7f\x00\x00\x00\x00\x40\x00\x00\x00z", 11, 1009, DAYTONA_ELIMIT}, /* announces 1 GiB */
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    ws_client_t client;
    ws_seen_t seen = {0};
    ws_client_begin(&client, &seen);
    ws_link_send(client.peer.link, cases[i].bytes, cases[i].size);
    ws_client_until_closed(&seen);
    assert_int_equal(seen.how, DAYTONA__WS_END_PROTOCOL);
    assert_int_equal(seen.code, cases[i].code);
    stage_until_count(&client.stage, &client.peer.closes, 1);
    assert_int_equal(client.peer.close_code, cases[i].close_code);
    ws_client_end(&client, &seen);
  }
}

static void ws_hands_on_invalid_utf8_when_asked(void **state) {
  ws_client_t client;
  ws_seen_t seen = {0};
  ws_client_open(&client, NULL);
  ws_client_connect_open(&client, &seen, (daytona__ws_opts_t){.allows_invalid_utf8 = true});
  ws_link_frame(client.peer.link, 1, true,
                "\xff\xfe"
                "x",
                3);
  ws_link_frame(client.peer.link, 1, true, "ok", 2);
  stage_until_count(&client.stage, &seen.messages, 2);
  assert_memory_equal(seen.data,
                      "\xff\xfe"
                      "xok",
                      5);
  ws_client_end(&client, &seen);
}

static void ws_joins_fragments_around_pings(void **state) {
  ws_client_t client;
  ws_seen_t seen = {0};
  ws_client_begin(&client, &seen);
  ws_link_frame(client.peer.link, 1, false, "gr\xc3", 3);
  ws_link_frame(client.peer.link, 9, true, "p", 1);
  ws_link_frame(client.peer.link, 0, false, "\xbc", 1);
  ws_link_frame(client.peer.link, 0, false, "", 0);
  ws_link_frame(client.peer.link, 0, true, "n", 1);
  stage_until_count(&client.stage, &seen.messages, 1);
  assert_string_equal(seen.data, "gr\xc3\xbcn");
  stage_until_count(&client.stage, &client.peer.pongs, 1);
  ws_client_end(&client, &seen);
}

static void ws_bounds_a_message_over_its_fragments(void **state) {
  ws_client_t client;
  ws_seen_t seen = {0};
  ws_client_open(&client, NULL);
  ws_client_connect_open(&client, &seen, (daytona__ws_opts_t){.max_message = 10});
  ws_link_frame(client.peer.link, 2, false, "0123456", 7);
  ws_link_frame(client.peer.link, 0, true, "0123", 4);
  ws_client_until_closed(&seen);
  assert_int_equal(seen.code, DAYTONA_ELIMIT);
  ws_client_end(&client, &seen);
}

static void ws_reports_a_refusal_with_its_body(void **state) {
  static const struct {
    const char *answer;
    int status;
    const char *body;
    int code; /* 0: DAYTONA_EFAILED */
  } cases[] = {
    {"HTTP/1.1 401 Unauthorized\r\nContent-Length: 6\r\nX-Test: a\r\n\r\n{\"a\":1}", 401, "{\"a\":1"},
    {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\nX-Test: a\r\nTransfer-Encoding: "
     "chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: v\r\n\r\n",
     404, "abcde"},
    {"HTTP/1.0 502 Bad Gateway\r\nX-Test:a\r\n\r\nuntil the end", 502, "until the end"},
    {"HTTP/1.1 429 \r\nX-Test: a  \r\nContent-Length: 0\r\n\r\n", 429, ""},
    {"HTTP/1.1 200 OK\r\nX-Test: a\r\nContent-Length: 100\r\n\r\ncut", 200, "cut"},
    {"HTTP/1.1 302 Found\nX-Test: a\n\nno location", 302, "no location"},
    {"HTTP/1.1 302 Found\r\nX-Test: a\r\nLocation: ftp://x/\r\nContent-Length: 0\r\n\r\n", 302, "",
     DAYTONA_EPROTOCOL},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    for (size_t step = 0; step < 2; step++) {
      ws_client_t client;
      ws_seen_t seen = {0};
      ws_client_open(&client, NULL);
      client.peer.answer = cases[i].answer;
      client.peer.answer_step = step;
      assert_int_equal(ws_client_connect(&client, &seen, (daytona__ws_opts_t){0}), 0);
      ws_client_until_closed(&seen);
      assert_int_equal(seen.how, DAYTONA__WS_END_HTTP);
      assert_int_equal(seen.status, cases[i].status);
      assert_int_equal(seen.code, cases[i].code != 0 ? cases[i].code : DAYTONA_EFAILED);
      assert_string_equal(seen.body, cases[i].body);
      assert_string_equal(seen.header, "a");
      assert_false(seen.was_open);
      ws_client_end(&client, &seen);
    }
}

static void ws_refuses_a_wrong_upgrade(void **state) {
  static const struct {
    const char *answer;
    int code;
  } cases[] = {
    {"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", DAYTONA_EPROTOCOL},
    {"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
     "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
     DAYTONA_EPROTOCOL},
    {"HTTP/1.1 101 X\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n", DAYTONA_EPROTOCOL},
    {"SSH-2.0-OpenSSH\r\n\r\n", DAYTONA_EPROTOCOL},
    {"HTTP/1.1 101 X\r\nbad header\r\n\r\n", DAYTONA_EPROTOCOL},
    {"HTTP/1.1 1x1 X\r\n\r\n", DAYTONA_EPROTOCOL},
    {"HTTP/1.1 101 X\r\nUpgra", DAYTONA_ECONNECTION},
    {"", DAYTONA_ECONNECTION},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    ws_client_t client;
    ws_seen_t seen = {0};
    ws_client_open(&client, NULL);
    client.peer.answer = cases[i].answer;
    assert_int_equal(ws_client_connect(&client, &seen, (daytona__ws_opts_t){0}), 0);
    ws_client_until_closed(&seen);
    assert_int_equal(seen.code, cases[i].code);
    assert_int_equal(seen.opened, 0);
    ws_client_end(&client, &seen);
  }
}

static void ws_refuses_what_was_not_offered(void **state) {
  static const char *const headers[] = {"Sec-WebSocket-Protocol: mqtt\r\n",
                                        "Sec-WebSocket-Extensions: permessage-deflate\r\n"};
  for (size_t i = 0; i < 2; i++) {
    ws_client_t client;
    ws_seen_t seen = {0};
    ws_client_open(&client, NULL);
    client.peer.extra_headers = headers[i];
    assert_int_equal(ws_client_connect(&client, &seen, (daytona__ws_opts_t){0}), 0);
    ws_client_until_closed(&seen);
    assert_int_equal(seen.how, DAYTONA__WS_END_FAILED);
    assert_int_equal(seen.code, DAYTONA_EPROTOCOL);
    ws_client_end(&client, &seen);
  }
}

static void ws_follows_redirects_up_to_a_limit(void **state) {
  ws_client_t client;
  ws_seen_t seen = {0};
  ws_client_open(&client, NULL);
  client.peer.answer = "HTTP/1.1 307 T\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n";
  assert_int_equal(ws_client_connect(&client, &seen, (daytona__ws_opts_t){0}), 0);
  ws_client_until_closed(&seen);
  assert_int_equal(seen.code, DAYTONA_EPROTOCOL);
  assert_int_equal(seen.status, 307);
  assert_int_equal(client.peer.upgrades, 6);
  ws_client_end(&client, &seen);
}

/* A peer that sends every upgrade to another origin. */
typedef struct detour {
  ws_client_t client;
  ws_peer_t other;
  char answer[128], url[128];
} detour_t;

static void detour_open(detour_t *detour) {
  ws_client_open(&detour->client, NULL);
  ws_peer_open(&detour->other, &detour->client.stage.uv);
  snprintf(detour->answer, sizeof detour->answer, "HTTP/1.1 302 F\r\nLocation: ws://127.0.0.1:%d/new\r\n\r\n",
           detour->other.port);
  detour->client.peer.answer = detour->answer;
  ws_client_url(&detour->client, "http", detour->url, sizeof detour->url);
}

static void detour_close(detour_t *detour, ws_seen_t *seen) {
  ws_client_release(seen);
  ws_peer_close(&detour->other);
  while (detour->other.open != 0) uv_run(&detour->client.stage.uv, UV_RUN_ONCE);
  ws_client_close(&detour->client);
}

static void ws_tells_another_origin_nothing_about_the_client(void **state) {
  static const daytona_header_t headers[] = {
    {"X-Daytona-Organization-ID", "org"}, {"x-daytona-source", "c"}, {"Cookie", "a=b"}, {"X-Other", "kept"}};
  static const char *const protocols[] = {"X-Daytona-SDK-Version~1", "kept"};
  detour_t detour;
  ws_seen_t seen = {0};
  detour_open(&detour);
  ws_client_connect_open(
    &detour.client, &seen,
    (daytona__ws_opts_t){
      .url = detour.url, .headers = headers, .header_count = 4, .protocols = protocols, .protocol_count = 2});
  const char *request = detour.other.link->request;
  assert_non_null(strstr(request, "GET /new HTTP/1.1\r\n"));
  assert_null(strstr(request, "Authorization"));
  assert_null(strstr(request, "X-Daytona-"));
  assert_null(strstr(request, "x-daytona-"));
  assert_null(strstr(request, "Cookie"));
  assert_non_null(strstr(request, "X-Other: kept\r\n"));
  assert_non_null(strstr(request, "Sec-WebSocket-Protocol: kept\r\n"));
  detour_close(&detour, &seen);
}

static void ws_takes_a_secret_protocol_to_no_other_origin(void **state) {
  static const char *const protocols[] = {"Secret~1"};
  detour_t detour;
  ws_seen_t seen = {0};
  detour_open(&detour);
  assert_int_equal(
    ws_client_connect(
      &detour.client, &seen,
      (daytona__ws_opts_t){
        .url = detour.url, .protocols = protocols, .protocol_count = 1, .has_secret_protocol = true}),
    0);
  ws_client_until_closed(&seen);
  assert_int_equal(seen.code, DAYTONA_EPROTOCOL);
  assert_int_equal(seen.status, 302);
  assert_int_equal(detour.other.upgrades, 0);
  detour_close(&detour, &seen);
}

static void ws_rejects_bad_arguments(void **state) {
  ws_client_t client;
  ws_seen_t seen = {0};
  ws_client_open(&client, NULL);
  static const char *const urls[] = {
    "", "ftp://127.0.0.1/", "ws://", "ws://a b/", "ws://u:p@h/", "ws://h/a\r\nX: y", "h/x", "ws://h:99999/"};
  for (size_t i = 0; i < sizeof urls / sizeof *urls; i++)
    assert_int_equal(ws_client_connect(&client, &seen, (daytona__ws_opts_t){.url = urls[i]}), DAYTONA_EINVAL);
  static const daytona_header_t headers[] = {
    {"X", "a\r\nY: b"}, {"X Y", "a"}, {"Host", "x"}, {"Sec-WebSocket-Key", "x"}, {"", "x"}};
  for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
    assert_int_equal(
      ws_client_connect(&client, &seen, (daytona__ws_opts_t){.headers = &headers[i], .header_count = 1}),
      DAYTONA_EINVAL);
  const char *protocol = "a,b";
  assert_int_equal(
    ws_client_connect(&client, &seen, (daytona__ws_opts_t){.protocols = &protocol, .protocol_count = 1}),
    DAYTONA_EINVAL);
  ws_client_close(&client);
}

static void ws_tells_eof_and_reset_apart(void **state) {
  for (int resets = 0; resets < 2; resets++) {
    ws_client_t client;
    ws_seen_t seen = {0};
    ws_client_begin(&client, &seen);
    if (resets)
      ws_link_reset(client.peer.link);
    else
      ws_link_shut(client.peer.link);
    ws_client_until_closed(&seen);
    assert_int_equal(seen.how, resets ? DAYTONA__WS_END_RESET : DAYTONA__WS_END_EOF);
    assert_int_equal(seen.code, DAYTONA_ECONNECTION);
    assert_true(seen.was_open);
    ws_client_end(&client, &seen);
  }
}

static const char *moving_to;
static int fake_getaddrinfo(const char *host, daytona__addresses_t *out) {
  (void)host;
  out->count = 1;
  return uv_ip4_addr(moving_to, 0, (struct sockaddr_in *)&out->items[0]);
}

/* The next connection does not go to an address that has just refused one. */
static void ws_asks_again_for_an_address_that_refused(void **state) {
  ws_client_t client;
  ws_seen_t seen = {0};
  char url[64];
  ws_client_open(&client, NULL);
  daytona__resolver_set_getaddrinfo(client.resolver, fake_getaddrinfo);
  snprintf(url, sizeof url, "ws://moving.example:%d/", client.peer.port);
  moving_to = "127.0.0.2";
  assert_int_equal(ws_client_connect(&client, &seen, (daytona__ws_opts_t){.url = url}), 0);
  ws_client_until_closed(&seen);
  assert_int_equal(seen.code, DAYTONA_ECONNECTION);
  ws_client_release(&seen);
  memset(&seen, 0, sizeof seen);
  moving_to = "127.0.0.1";
  ws_client_connect_open(&client, &seen, (daytona__ws_opts_t){.url = url});
  ws_client_release(&seen);
  ws_client_close(&client);
}

static void ws_fails_when_nobody_listens(void **state) {
  ws_client_t client;
  ws_seen_t seen = {0};
  ws_client_open(&client, NULL);
  ws_peer_t gone;
  ws_peer_open(&gone, &client.stage.uv);
  char url[64];
  snprintf(url, sizeof url, "ws://127.0.0.1:%d/", gone.port);
  ws_peer_close(&gone);
  while (gone.open != 0) uv_run(&client.stage.uv, UV_RUN_ONCE);
  assert_int_equal(ws_client_connect(&client, &seen, (daytona__ws_opts_t){.url = url}), 0);
  ws_client_until_closed(&seen);
  assert_int_equal(seen.how, DAYTONA__WS_END_FAILED);
  assert_int_equal(seen.code, DAYTONA_ECONNECTION);
  ws_client_end(&client, &seen);
}

static void ws_holds_the_connect_limit(void **state) {
  ws_client_t client;
  ws_seen_t seen = {0};
  ws_client_open(&client, NULL);
  client.peer.is_silent = true;
  assert_int_equal(ws_client_connect(&client, &seen, (daytona__ws_opts_t){.connect_timeout_ms = 5000}), 0);
  stage_until_count(&client.stage, &client.peer.accepted, 1);
  daytona__loop_advance(client.stage.loop, 4900);
  stage_spin(&client.stage, 5);
  assert_int_equal(seen.closed, 0);
  daytona__loop_advance(client.stage.loop, 101);
  ws_client_until_closed(&seen);
  assert_int_equal(seen.how, DAYTONA__WS_END_CONNECT_TIMEOUT);
  assert_int_equal(seen.code, DAYTONA_ECONNECT_TIMEOUT);
  ws_client_end(&client, &seen);
}

static void ws_pings_and_finds_dead_peers(void **state) {
  ws_client_t client;
  ws_seen_t seen = {0};
  ws_client_open(&client, NULL);
  ws_client_connect_open(&client, &seen, (daytona__ws_opts_t){.ping_ms = 20000, .pong_timeout_ms = 15000});
  for (size_t i = 1; i <= 5; i++) { /* answered: alive for as long as it takes */
    daytona__loop_advance(client.stage.loop, 20001);
    stage_until_count(&client.stage, &client.peer.pings, i);
    stage_spin(&client.stage, 5);
  }
  assert_int_equal(seen.closed, 0);
  client.peer.answers_pings = false;
  daytona__loop_advance(client.stage.loop, 20001);
  stage_until_count(&client.stage, &client.peer.pings, 6);
  daytona__loop_advance(client.stage.loop, 14000);
  stage_spin(&client.stage, 5);
  assert_int_equal(seen.closed, 0);
  daytona__loop_advance(client.stage.loop, 1001);
  ws_client_until_closed(&seen);
  assert_int_equal(seen.how, DAYTONA__WS_END_PONG_TIMEOUT);
  assert_int_equal(seen.code, DAYTONA_ECONNECTION_TIMEOUT);
  ws_client_end(&client, &seen);
}

/* Some servers leave a socket unread until it has its turn; their system takes the bytes meanwhile. */
static void ws_waits_for_a_peer_that_does_not_read_yet(void **state) {
  daytona__ws_opts_t opts = {.ping_ms = 20000, .pong_timeout_ms = 20000, .reads_late = true};
  ws_client_t client;
  ws_seen_t seen = {0};
  ws_client_open(&client, NULL);
  ws_client_connect_open(&client, &seen, opts);
  uv_read_stop((uv_stream_t *)&client.peer.link->handle);
  for (int i = 0; i < 20; i++) {
    daytona__loop_advance(client.stage.loop, 20001);
    stage_spin(&client.stage, 5);
  }
  assert_int_equal(seen.closed, 0);
  ws_link_read(client.peer.link);
  stage_until_count(&client.stage, &client.peer.pings, 20);
  stage_spin(&client.stage, 5); /* it has spoken: from now on it has to answer */
  client.peer.answers_pings = false;
  for (int i = 0; i < 2; i++) {
    daytona__loop_advance(client.stage.loop, 20001);
    stage_spin(&client.stage, 5);
  }
  ws_client_until_closed(&seen);
  assert_int_equal(seen.how, DAYTONA__WS_END_PONG_TIMEOUT);
  ws_client_end(&client, &seen);
}

/* With bytes that not even its system takes, the peer is as good as dead. */
static void ws_gives_up_a_peer_whose_system_takes_nothing(void **state) {
  daytona__ws_opts_t opts = {.ping_ms = 20000, .pong_timeout_ms = 20000, .reads_late = true};
  ws_client_t client;
  ws_seen_t seen = {0};
  ws_client_open(&client, NULL);
  ws_client_connect_open(&client, &seen, opts);
  uv_read_stop((uv_stream_t *)&client.peer.link->handle);
  size_t size = 64 << 10;
  char *bytes = calloc(1, size);
  while (daytona__ws_queued(seen.ws) == 0) assert_int_equal(daytona__ws_send(seen.ws, false, bytes, size), 0);
  for (int i = 0; i < 3; i++) {
    daytona__loop_advance(client.stage.loop, 20001);
    stage_spin(&client.stage, 5);
  }
  ws_client_until_closed(&seen);
  assert_int_equal(seen.how, DAYTONA__WS_END_PONG_TIMEOUT);
  free(bytes);
  ws_client_end(&client, &seen);
}

static void ws_ends_when_idle_too_long(void **state) {
  ws_client_t client;
  ws_seen_t seen = {0};
  ws_client_open(&client, NULL);
  ws_client_connect_open(&client, &seen, (daytona__ws_opts_t){.idle_timeout_ms = 60000});
  daytona__loop_advance(client.stage.loop, 50000);
  assert_int_equal(daytona__ws_send(seen.ws, true, "x", 1), 0);
  stage_spin(&client.stage, 10);
  daytona__loop_advance(client.stage.loop, 20000);
  stage_spin(&client.stage, 10);
  assert_int_equal(seen.closed, 0);
  daytona__loop_advance(client.stage.loop, 20000);
  stage_spin(&client.stage, 10);
  daytona__loop_advance(client.stage.loop, 20001);
  ws_client_until_closed(&seen);
  assert_int_equal(seen.how, DAYTONA__WS_END_IDLE_TIMEOUT);
  assert_int_equal(seen.code, DAYTONA_EIDLE_TIMEOUT);
  assert_true(client.peer.pings > 0); /* which do not count */
  ws_client_end(&client, &seen);
}

static void ws_bounds_the_close(void **state) {
  ws_client_t client;
  ws_seen_t seen = {0};
  ws_client_begin(&client, &seen);
  client.peer.answers_close = false;
  assert_int_equal(daytona__ws_close(seen.ws, 999, NULL), DAYTONA_EINVAL);
  assert_int_equal(daytona__ws_close(seen.ws, 1000, NULL), 0);
  assert_int_equal(daytona__ws_close(seen.ws, 1000, NULL), 0);
  stage_until_count(&client.stage, &client.peer.closes, 1);
  ws_link_frame(client.peer.link, 1, true, "still", 5); /* what was under way still arrives */
  stage_until_count(&client.stage, &seen.messages, 1);
  daytona__loop_advance(client.stage.loop, 5001);
  ws_client_until_closed(&seen);
  assert_int_equal(seen.how, DAYTONA__WS_END_CLOSE_TIMEOUT);
  assert_true(seen.was_asked);
  ws_client_end(&client, &seen);
}

static void ws_cancels_in_every_state(void **state) {
  for (int at = 0; at < 6; at++) {
    ws_client_t client;
    ws_seen_t seen = {0};
    ws_client_open(&client, NULL);
    client.peer.is_silent = at == 2;
    seen.cancels_on_open = at == 3;
    seen.cancels_on_data = at == 4;
    assert_int_equal(ws_client_connect(&client, &seen, (daytona__ws_opts_t){0}), 0);
    if (at == 1) stage_spin(&client.stage, 1);
    if (at == 2) stage_until_count(&client.stage, &client.peer.accepted, 1);
    if (at >= 3) stage_until_count(&client.stage, &seen.opened, 1);
    if (at == 4) ws_link_frame(client.peer.link, 1, true, "x", 1);
    if (at == 5) daytona__ws_close(seen.ws, 1000, NULL);
    if (at < 3 || at == 5) {
      daytona__ws_cancel(seen.ws);
      assert_int_equal(seen.closed, 0);
    }
    ws_client_until_closed(&seen);
    assert_int_equal(seen.how, DAYTONA__WS_END_CANCELED);
    assert_int_equal(seen.code, DAYTONA_ECANCELED);
    daytona__ws_cancel(seen.ws);
    ws_client_end(&client, &seen);
  }
}

static void ws_released_is_silent(void **state) {
  for (int at = 0; at < 5; at++) {
    ws_client_t client;
    ws_seen_t seen = {0};
    ws_client_open(&client, NULL);
    seen.releases_on_data = at == 3;
    seen.releases_on_close = at == 4;
    assert_int_equal(ws_client_connect(&client, &seen, (daytona__ws_opts_t){0}), 0);
    if (at >= 1) stage_until_count(&client.stage, &client.peer.accepted, 1);
    if (at >= 2) stage_until_count(&client.stage, &seen.opened, 1);
    if (at >= 3) ws_link_frame(client.peer.link, 1, true, "xx", 2);
    if (at == 3) stage_until_count(&client.stage, &seen.pieces, 1);
    if (at == 4) {
      ws_link_close_frame(client.peer.link, 1000, "");
      ws_client_until_closed(&seen);
    }
    ws_client_release(&seen);
    stage_spin(&client.stage, 10);
    assert_int_equal(seen.closed, at == 4);
    assert_int_equal(daytona__ws_env_count(client.env), 0);
    ws_client_close(&client);
  }
}

static void ws_env_close_cancels_all(void **state) {
  ws_client_t client;
  ws_seen_t seen[3] = {{0}};
  ws_client_open(&client, NULL);
  ws_client_connect_open(&client, &seen[0], (daytona__ws_opts_t){0});
  assert_int_equal(ws_client_connect(&client, &seen[1], (daytona__ws_opts_t){0}), 0);
  ws_client_connect_open(&client, &seen[2], (daytona__ws_opts_t){0});
  daytona__ws_close(seen[2].ws, 1000, NULL);
  daytona__ws_env_close(client.env, stage_set_flag, &client.env_closed);
  for (size_t i = 0; i < 3; i++) {
    ws_client_until_closed(&seen[i]);
    assert_int_equal(seen[i].how, DAYTONA__WS_END_CANCELED);
  }
  stage_until(&client.stage, &client.env_closed);
  for (size_t i = 0; i < 3; i++) { /* held beyond their client's end */
    assert_int_equal(daytona__ws_send(seen[i].ws, true, "x", 1), DAYTONA_ECLOSED);
    assert_int_equal(daytona__ws_close(seen[i].ws, 1000, NULL), 0);
    assert_int_equal(daytona__ws_queued(seen[i].ws), 0);
    daytona__ws_pause(seen[i].ws);
    daytona__ws_resume(seen[i].ws);
    daytona__ws_cancel(seen[i].ws);
    ws_client_release(&seen[i]);
  }
  client.env = NULL;
  ws_client_close(&client);
}

static void allocation_scenario(size_t nth, bool *has_failed) {
  ws_client_t client;
  ws_seen_t seen = {0};
  ws_client_open(&client, NULL);
  client.peer.echoes = true;
  stage_fail_alloc(nth);
  int code = ws_client_connect(&client, &seen, (daytona__ws_opts_t){0});
  assert_true(code == 0 || code == DAYTONA_ENOMEM);
  if (code == 0) {
    while (seen.opened == 0 && seen.closed == 0) stage_spin(&client.stage, 1);
    if (seen.closed == 0) {
      code = daytona__ws_send(seen.ws, true, "hello", 5);
      if (code == 0)
        while (seen.messages == 0 && seen.closed == 0) stage_spin(&client.stage, 1);
    }
    if (seen.closed == 0) daytona__ws_close(seen.ws, 1000, NULL);
    ws_client_until_closed(&seen);
    assert_true(seen.how == DAYTONA__WS_END_NO_MEMORY || seen.how == DAYTONA__WS_END_FRAME);
    ws_client_release(&seen);
  }
  *has_failed = stage_alloc_failed();
  stage_alloc_restore();
  ws_client_close(&client);
}

static void ws_survives_each_failed_allocation(void **state) {
  bool has_failed = true;
  size_t nth = 0;
  while (has_failed) allocation_scenario(nth++, &has_failed);
  assert_true(nth > 10);
}

/* --- libraries without memory ------------------------------------------------------------------ */

/* The linker puts these in the way of the real ones; see meson.build. */
static bool wslay_fails, mbedtls_fails;

struct wslay_frame_callbacks;
int __real_wslay_frame_context_init(void **context, const struct wslay_frame_callbacks *callbacks,
                                    void *user);
int __wrap_wslay_frame_context_init(void **context, const struct wslay_frame_callbacks *callbacks,
                                    void *user);
int __wrap_wslay_frame_context_init(void **context, const struct wslay_frame_callbacks *callbacks,
                                    void *user) {
  return wslay_fails ? -1 : __real_wslay_frame_context_init(context, callbacks, user);
}

int __real_mbedtls_ssl_setup(void *ssl, const void *conf);
int __wrap_mbedtls_ssl_setup(void *ssl, const void *conf);
int __wrap_mbedtls_ssl_setup(void *ssl, const void *conf) {
  return mbedtls_fails ? MBEDTLS_ERR_SSL_ALLOC_FAILED : __real_mbedtls_ssl_setup(ssl, conf);
}

static void ws_survives_wslay_without_memory(void **state) {
  ws_client_t client;
  ws_seen_t seen = {0};
  ws_client_open(&client, NULL);
  wslay_fails = true;
  assert_int_equal(ws_client_connect(&client, &seen, (daytona__ws_opts_t){0}), 0);
  ws_client_until_closed(&seen);
  wslay_fails = false;
  assert_int_equal(seen.how, DAYTONA__WS_END_NO_MEMORY);
  assert_int_equal(seen.code, DAYTONA_ENOMEM);
  assert_int_equal(seen.opened, 0);
  ws_client_end(&client, &seen);
}

static void ws_survives_mbedtls_without_memory(void **state) {
  ws_client_t client;
  ws_seen_t seen = {0};
  char url[128];
  daytona__net_options_t options = {.happy_eyeballs_ms = -1, .tls.is_unverified = true};
  ws_client_open(&client, &options);
  ws_client_url(&client, "wss", url, sizeof url);
  mbedtls_fails = true;
  assert_int_equal(ws_client_connect(&client, &seen, (daytona__ws_opts_t){.url = url}), 0);
  ws_client_until_closed(&seen);
  mbedtls_fails = false;
  assert_int_equal(seen.how, DAYTONA__WS_END_NO_MEMORY);
  ws_client_end(&client, &seen);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(ws_opens_and_echoes),
    cmocka_unit_test(ws_offers_protocols_in_one_line),
    cmocka_unit_test(ws_takes_what_follows_the_upgrade),
    cmocka_unit_test(ws_keeps_close_codes_and_reasons),
    cmocka_unit_test(ws_refuses_bad_frames),
    cmocka_unit_test(ws_hands_on_invalid_utf8_when_asked),
    cmocka_unit_test(ws_joins_fragments_around_pings),
    cmocka_unit_test(ws_bounds_a_message_over_its_fragments),
    cmocka_unit_test(ws_reports_a_refusal_with_its_body),
    cmocka_unit_test(ws_refuses_a_wrong_upgrade),
    cmocka_unit_test(ws_refuses_what_was_not_offered),
    cmocka_unit_test(ws_follows_redirects_up_to_a_limit),
    cmocka_unit_test(ws_tells_another_origin_nothing_about_the_client),
    cmocka_unit_test(ws_takes_a_secret_protocol_to_no_other_origin),
    cmocka_unit_test(ws_rejects_bad_arguments),
    cmocka_unit_test(ws_tells_eof_and_reset_apart),
    cmocka_unit_test(ws_fails_when_nobody_listens),
    cmocka_unit_test(ws_asks_again_for_an_address_that_refused),
    cmocka_unit_test(ws_holds_the_connect_limit),
    cmocka_unit_test(ws_pings_and_finds_dead_peers),
    cmocka_unit_test(ws_waits_for_a_peer_that_does_not_read_yet),
    cmocka_unit_test(ws_gives_up_a_peer_whose_system_takes_nothing),
    cmocka_unit_test(ws_ends_when_idle_too_long),
    cmocka_unit_test(ws_bounds_the_close),
    cmocka_unit_test(ws_cancels_in_every_state),
    cmocka_unit_test(ws_released_is_silent),
    cmocka_unit_test(ws_env_close_cancels_all),
    cmocka_unit_test(ws_survives_each_failed_allocation),
    cmocka_unit_test(ws_survives_wslay_without_memory),
    cmocka_unit_test(ws_survives_mbedtls_without_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
