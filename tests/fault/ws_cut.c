/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream that is cut, reset or frozen at every single byte, and all over a TLS connection: what was whole
 * before that byte has been handed on, nothing else, and there is exactly one outcome, the right one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/check.h"
#include "support/tls_peer.h"
#include "support/ws_client.h"

/* The stream: messages whole and in three, a ping between, an empty one, and a close frame. */
static const struct {
  int opcode;
  bool is_final;
  const char *bytes;
} frames[] = {{1, true, "{\"type\":\"control\"}"}, {2, false, "out"}, {9, true, "ping"}, {0, false, "put "},
              {0, true, "of a command"},           {2, true, ""},     {1, true, "tail"}};

enum { FRAMES = sizeof frames / sizeof *frames };
static const char close_reason[] = "{\"exitCode\":3}";

static void send_stream(ws_link_t *link) {
  for (size_t i = 0; i < FRAMES; i++)
    ws_link_frame(link, frames[i].opcode, frames[i].is_final, frames[i].bytes, strlen(frames[i].bytes));
  ws_link_close_frame(link, 1011, close_reason);
}

/* Payload that is complete, or begun, within the first `size` bytes behind the 101. */
static size_t payload_within(size_t size) {
  size_t payload = 0;
  for (size_t i = 0; i < FRAMES; i++) {
    size_t length = strlen(frames[i].bytes);
    if (size <= 2) break;
    size -= 2;
    size_t here = length < size ? length : size;
    if (frames[i].opcode <= 2) payload += here;
    size -= here;
  }
  return payload;
}

static const char whole[] = "{\"type\":\"control\"}output of a commandtail";

typedef struct scene {
  ws_client_t client;
  tls_peer_t tls;
  ws_seen_t seen;
  char url[128], ca[256];
  bool is_secure;
} scene_t;

static void scene_open(scene_t *scene, bool is_secure) {
  daytona__net_options_t options = {.happy_eyeballs_ms = -1};
  memset(scene, 0, sizeof *scene);
  scene->is_secure = is_secure;
  if (is_secure) {
    tls_certificate_path("ca", ".pem", scene->ca, sizeof scene->ca);
    options.tls.ca_file = scene->ca;
  }
  ws_client_open(&scene->client, &options);
  if (is_secure) tls_peer_open(&scene->tls, &scene->client.peer, "good", false, TLS_FAULT_NONE);
  snprintf(scene->url, sizeof scene->url, "%s://localhost:%d/x", is_secure ? "wss" : "ws",
           scene->client.peer.port);
  scene->client.peer.on_upgraded = send_stream;
}

static void scene_close(scene_t *scene) {
  ws_client_release(&scene->seen);
  ws_client_close(&scene->client);
  if (scene->is_secure) tls_peer_close(&scene->tls);
}

static void scene_run(scene_t *scene) {
  assert_int_equal(
    ws_client_connect(
      &scene->client, &scene->seen,
      (daytona__ws_opts_t){
        .url = scene->url, .connect_timeout_ms = 30000, .ping_ms = 20000, .pong_timeout_ms = 20000}),
    0);
  size_t turns = 0;
  while (scene->seen.closed == 0) {
    stage_spin(&scene->client.stage, 1);
    /* Frozen: nothing comes any more, so time decides. */
    if (scene->client.peer.cut == WS_CUT_FREEZE && scene->client.peer.upgrades != 0 && ++turns > 20)
      daytona__loop_advance(scene->client.stage.loop, 1000);
    if (scene->client.peer.cut == WS_CUT_FREEZE && scene->client.peer.accepted != 0 && ++turns > 400)
      daytona__loop_advance(scene->client.stage.loop, 1000);
  }
}

/* How many bytes the peer sends for the head alone, and for everything. */
static void measure(bool is_secure, size_t *head, size_t *total) {
  scene_t scene;
  scene_open(&scene, is_secure);
  scene.client.peer.on_upgraded = NULL;
  ws_client_connect_open(&scene.client, &scene.seen, (daytona__ws_opts_t){.url = scene.url});
  *head = scene.client.peer.link->sent;
  send_stream(scene.client.peer.link);
  *total = scene.client.peer.link->sent;
  ws_client_until_closed(&scene.seen);
  scene_close(&scene);
}

static void check(const scene_t *scene, bool has_all, bool was_open) {
  const ws_seen_t *seen = &scene->seen;
  assert_int_equal(seen->closed, 1);
  assert_int_equal(seen->opened, was_open);
  if (has_all) {
    assert_int_equal(seen->how, DAYTONA__WS_END_FRAME);
    assert_int_equal(seen->close_code, 1011);
    assert_string_equal(seen->reason, close_reason);
    assert_int_equal(seen->messages, 4);
    return;
  }
  assert_string_equal(seen->reason, "");
  switch (scene->client.peer.cut) {
    case WS_CUT_SHUT:
      /* Our answer to the ping can meet a closed socket, which then answers with a reset. */
      if (seen->messages == 0) assert_int_equal(seen->how, DAYTONA__WS_END_EOF);
      assert_int_equal(seen->code, DAYTONA_ECONNECTION);
      break;
    case WS_CUT_RESET: assert_int_equal(seen->code, DAYTONA_ECONNECTION); break;
    default:
      assert_int_equal(seen->how, was_open ? DAYTONA__WS_END_PONG_TIMEOUT : DAYTONA__WS_END_CONNECT_TIMEOUT);
      assert_int_equal(seen->code, was_open ? DAYTONA_ECONNECTION_TIMEOUT : DAYTONA_ECONNECT_TIMEOUT);
  }
}

static void cut_plain_at_every_byte(void **state) {
  size_t head, total;
  measure(false, &head, &total);
  for (int way = WS_CUT_SHUT; way <= WS_CUT_FREEZE; way++)
    for (size_t at = 1; at <= total; at++) {
      scene_t scene;
      scene_open(&scene, false);
      scene.client.peer.cut = way;
      scene.client.peer.cut_at = at;
      scene_run(&scene);
      check(&scene, at == total, at >= head);
      size_t payload = at > head ? payload_within(at - head) : 0;
      assert_int_equal(scene.seen.data_size, payload);
      assert_memory_equal(scene.seen.data != NULL ? scene.seen.data : "", whole, payload);
      scene_close(&scene);
    }
}

static bool has_certificates;

static void need_certificates(void) {
  if (has_certificates) return;
  print_message("# skipped: openssl(1) is not installed\n");
  skip();
}

static void cut_tls_all_over_the_stream(void **state) {
  size_t head, total;
  need_certificates();
  measure(true, &head, &total);
  for (int way = WS_CUT_SHUT; way <= WS_CUT_FREEZE; way++)
    for (size_t at = head; at <= total; at += way == WS_CUT_SHUT ? 5 : 23) {
      scene_t scene;
      scene_open(&scene, true);
      scene.client.peer.cut = way;
      scene.client.peer.cut_at = at;
      scene_run(&scene);
      /* Lengths of signatures vary by a byte or two, so the exact border is not asked for. */
      assert_int_equal(scene.seen.closed, 1);
      assert_memory_equal(scene.seen.data != NULL ? scene.seen.data : "", whole, scene.seen.data_size);
      if (scene.seen.how == DAYTONA__WS_END_FRAME)
        assert_int_equal(scene.seen.messages, 4);
      else if (way != WS_CUT_FREEZE && scene.seen.code != DAYTONA_ECONNECTION)
        fail_msg("cut %d at %zu of %zu..%zu: %s: %s", way, at, head, total,
                 daytona_errcode_name(scene.seen.code), scene.seen.message);
      scene_close(&scene);
    }
}

static void cut_tls_handshake(void **state) {
  size_t head, total;
  need_certificates();
  measure(true, &head, &total);
  for (size_t at = 1; at < 1000; at += 23) {
    scene_t scene;
    scene_open(&scene, true);
    scene.client.peer.cut = at % 2 != 0 ? WS_CUT_SHUT : WS_CUT_RESET;
    scene.client.peer.cut_at = at;
    scene_run(&scene);
    assert_int_equal(scene.seen.opened, 0);
    /* The server may have finished while its last words are still to come. */
    assert_true(scene.seen.code == DAYTONA_ETLS ||
                (scene.tls.handshakes != 0 && scene.seen.code == DAYTONA_ECONNECTION));
    scene_close(&scene);
  }
}

/* --- a proxy that ends connections that are quiet for a minute --------------------------------- */

static int64_t heard_ms;

static void on_any_frame(ws_link_t *link, int opcode, const char *bytes, size_t size) {
  heard_ms = daytona__loop_now(link->peer->user);
}

static void idle_day_behind_an_impatient_proxy(void **state) {
  enum { STEP_MS = 5000, DAY_MS = 24 * 3600 * 1000 };
  ws_client_t client;
  ws_seen_t seen = {0};
  ws_client_open(&client, NULL);
  client.peer.user = client.stage.loop;
  client.peer.on_frame = on_any_frame;
  ws_client_connect_open(&client, &seen, (daytona__ws_opts_t){0});
  heard_ms = daytona__loop_now(client.stage.loop);
  for (int64_t at = 0; at < DAY_MS; at += STEP_MS) {
    daytona__loop_advance(client.stage.loop, STEP_MS);
    stage_spin(&client.stage, 4);
    if (daytona__loop_now(client.stage.loop) - heard_ms >= 60000) ws_link_shut(client.peer.link);
  }
  assert_int_equal(seen.closed, 0);
  assert_true(client.peer.pings > DAY_MS / 60000);
  client.peer.echoes = true;
  assert_int_equal(daytona__ws_send(seen.ws, true, "awake", 5), 0);
  stage_until_count(&client.stage, &seen.messages, 1);
  ws_client_release(&seen);
  ws_client_close(&client);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(cut_plain_at_every_byte),
    cmocka_unit_test(cut_tls_all_over_the_stream),
    cmocka_unit_test(cut_tls_handshake),
    cmocka_unit_test(idle_day_behind_an_impatient_proxy),
  };
  has_certificates = tls_certificates_make() != NULL;
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  tls_certificates_remove();
  return failed;
}
