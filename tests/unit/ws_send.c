/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a WebSocket carries, against a peer on the same loop: reading that pauses, messages that are joined, the queue, frames that
 * leave together, and floods.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/limits.h"
#include "support/check.h"
#include "support/ws_client.h"

static void pause_and_lose_nothing(daytona__ws_opts_t opts) {
  ws_client_t client;
  ws_seen_t seen = {0};
  ws_client_open(&client, NULL);
  ws_client_connect_open(&client, &seen, opts);
  enum { SIZE = 24 << 20 }; /* more than the kernel holds */
  char *bytes = malloc(SIZE);
  for (size_t i = 0; i < SIZE; i++) bytes[i] = (char)(i * 31 + i / 4096);
  seen.pauses_after_piece = true;
  ws_link_frame(client.peer.link, 2, true, bytes, SIZE);
  stage_until_count(&client.stage, &seen.pieces, 1);
  stage_spin(&client.stage, 20);
  assert_int_equal(seen.pieces, 1);
  assert_true(uv_stream_get_write_queue_size((uv_stream_t *)&client.peer.link->handle) > 0);
  for (size_t i = 2; i <= 10; i++) { /* a chunk for each resume */
    daytona__ws_resume(seen.ws);
    stage_until_count(&client.stage, &seen.pieces, i);
    stage_spin(&client.stage, 3);
    assert_int_equal(seen.pieces, i);
  }
  seen.pauses_after_piece = false;
  daytona__ws_resume(seen.ws);
  stage_until_count(&client.stage, &seen.data_size, SIZE);
  assert_memory_equal(seen.data, bytes, SIZE);
  free(bytes);
  ws_client_end(&client, &seen);
}

static void ws_pause_stops_reading_and_loses_nothing(void **state) {
  pause_and_lose_nothing((daytona__ws_opts_t){0});
  pause_and_lose_nothing((daytona__ws_opts_t){.is_bytes = true});
}

/* Messages that came in one write are one chunk; what else comes keeps its place, also behind a pause. */
static void ws_joins_messages_when_asked(void **state) {
  for (int pauses = 0; pauses <= 1; pauses++) {
    ws_client_t client;
    ws_seen_t seen = {.pauses_after_piece = pauses};
    char behind[128];
    size_t size = ws_frame_build(behind, 2, true, "one", 3);
    size += ws_frame_build(behind + size, 2, true, "", 0);
    size += ws_frame_build(behind + size, 1, false, "t", 1);
    size += ws_frame_build(behind + size, 0, true, "wo", 2);
    size += ws_frame_build(behind + size, 9, true, "p", 1);
    size += ws_frame_build(behind + size, 2, true, "three", 5);
    size += ws_frame_build(behind + size, 8, true,
                           "\x03\xe8"
                           "bye",
                           5);
    ws_client_open(&client, NULL);
    client.peer.behind = behind;
    client.peer.behind_size = size;
    ws_client_connect_open(&client, &seen, (daytona__ws_opts_t){.is_bytes = true});
    stage_until_count(&client.stage, &seen.pieces, 1);
    if (pauses) {
      stage_spin(&client.stage, 20);
      assert_string_equal(seen.data, "onetwo");
      assert_int_equal(client.peer.pongs, 0); /* nothing is read while paused, and nothing was taken */
      daytona__ws_resume(seen.ws);
      stage_until_count(&client.stage, &seen.pieces, 2);
      stage_spin(&client.stage, 20);
      assert_int_equal(seen.closed, 0);
      daytona__ws_resume(seen.ws);
    }
    ws_client_until_closed(&seen);
    assert_int_equal(seen.pieces, 2);
    assert_string_equal(seen.data, "onetwothree");
    assert_int_equal(seen.close_code, 1000);
    assert_string_equal(seen.reason, "bye");
    stage_until_count(&client.stage, &client.peer.pongs, 1);
    ws_client_end(&client, &seen);
  }
}

static void ws_bounds_its_queue_and_tells_when_drained(void **state) {
  ws_client_t client;
  ws_seen_t seen = {0};
  ws_client_open(&client, NULL);
  ws_client_connect_open(&client, &seen, (daytona__ws_opts_t){.max_queued = 1 << 20});
  ws_link_t *link = client.peer.link;
  uv_read_stop((uv_stream_t *)&link->handle);
  size_t size = 64 << 10, sent = 0;
  char *bytes = calloc(1, size);
  int code;
  while ((code = daytona__ws_send(seen.ws, false, bytes, size)) == 0) sent += size;
  assert_int_equal(code, DAYTONA_ELIMIT);
  assert_true(daytona__ws_queued(seen.ws) <= 1 << 20);
  assert_int_equal(seen.drains, 0);
  /* Pings of a peer that does not read are not all answered. */
  for (int i = 0; i < 1000; i++) ws_link_frame(link, 9, true, "0123456789", 10);
  ws_link_frame(link, 2, true, "end", 3);
  stage_until_count(&client.stage, &seen.messages, 1);
  assert_true(daytona__ws_queued(seen.ws) <= 1 << 20);
  ws_peer_t *peer = &client.peer;
  ws_link_read(link);
  stage_until_count(&client.stage, &seen.drains, 1);
  stage_until_count(&client.stage, &peer->pongs, 1);
  while (peer->received_size < sent) stage_spin(&client.stage, 1);
  assert_int_equal(daytona__ws_queued(seen.ws), 0);
  assert_int_equal(peer->received_size, sent);
  assert_int_equal(peer->pongs, 1);
  free(bytes);
  ws_client_end(&client, &seen);
}

/* --- frames of one turn ------------------------------------------------------------------------ */

enum { BATCH = 300 };

static struct {
  ws_seen_t *other; /* another socket of the client that sends as well */
  size_t queued[3]; /* before, after the first frame, after the second */
} batch;

static void put_number(ws_seen_t *seen, int number) {
  char text[16];
  int size = snprintf(text, sizeof text, "%d,", number);
  assert_int_equal(daytona__ws_send(seen->ws, true, text, (size_t)size), 0);
}

static void send_batch(ws_seen_t *seen) {
  batch.queued[0] = daytona__ws_queued(seen->ws);
  for (int i = 0; i < BATCH; i++) {
    put_number(seen, i);
    if (i < 2) batch.queued[i + 1] = daytona__ws_queued(seen->ws);
    if (batch.other != NULL && i % 7 == 0) put_number(batch.other, i);
  }
}

static void expect_numbers(const char *received, int step) {
  char expected[BATCH * 5] = "", *at = expected;
  for (int i = 0; i < BATCH; i += step) at += sprintf(at, "%d,", i);
  assert_string_equal(received, expected);
}

/* The first leaves at once; the rest together, at the end of the turn, and nothing is lost whatever comes behind it. */
static void ws_frames_of_one_turn_leave_together(void **state) {
  for (int way = 0; way < 4; way++) {
    ws_client_t client;
    ws_seen_t seen = {0};
    ws_client_begin(&client, &seen);
    seen.then = send_batch;
    seen.cancels_on_data = way == 1;
    seen.releases_on_data = way == 2;
    memset(&batch, 0, sizeof batch);
    ws_link_frame(client.peer.link, 1, true, "go", 2);
    stage_until_count(&client.stage, &seen.messages, 1);
    assert_int_equal(batch.queued[0], 0);
    assert_int_equal(batch.queued[1], 0);
    assert_int_equal(batch.queued[2], 2 + 4 + 2); /* it waits */
    if (way == 3) daytona__ws_close(seen.ws, 1000, NULL);
    stage_until_count(&client.stage, &client.peer.frames, BATCH);
    client.peer.received = realloc(client.peer.received, client.peer.received_size + 1);
    client.peer.received[client.peer.received_size] = '\0';
    expect_numbers(client.peer.received, 1);
    if (way == 0) assert_int_equal(daytona__ws_queued(seen.ws), 0);
    assert_int_equal(seen.drains, 0);
    ws_client_end(&client, &seen);
  }
}

static void collect(ws_link_t *link, int opcode, const char *bytes, size_t size) {
  char *text = link->data;
  if (opcode == 1) strncat(text, bytes, size);
}

static void ws_frames_of_two_sockets_stay_apart(void **state) {
  static char texts[2][BATCH * 5];
  ws_client_t client;
  ws_seen_t one = {0}, two = {0};
  memset(texts, 0, sizeof texts);
  memset(&batch, 0, sizeof batch);
  ws_client_begin(&client, &one);
  client.peer.on_frame = collect;
  ws_link_t *link = client.peer.link;
  link->data = texts[0];
  ws_client_connect_open(&client, &two, (daytona__ws_opts_t){0});
  client.peer.link->data = texts[1];
  batch.other = &two;
  one.then = send_batch;
  ws_link_frame(link, 1, true, "go", 2);
  stage_until_count(&client.stage, &client.peer.frames, BATCH + (BATCH + 6) / 7);
  expect_numbers(texts[0], 1);
  expect_numbers(texts[1], 7);
  ws_client_release(&two);
  ws_client_end(&client, &one);
}

static void send_more_than_may_wait(ws_seen_t *seen) {
  static const char bytes[1000];
  for (int i = 0; i < 60; i++) assert_int_equal(daytona__ws_send(seen->ws, false, bytes, sizeof bytes), 0);
}

/* The limit is that of what the system does not take: frames that wait for each other leave before one is refused. */
static void ws_limit_counts_what_the_system_does_not_take(void **state) {
  ws_client_t client;
  ws_seen_t seen = {0};
  ws_client_open(&client, NULL);
  ws_client_connect_open(&client, &seen, (daytona__ws_opts_t){.max_queued = 2000});
  seen.then = send_more_than_may_wait;
  ws_link_frame(client.peer.link, 1, true, "go", 2);
  stage_until_count(&client.stage, &client.peer.frames, 60);
  assert_int_equal(client.peer.received_size, 60 * 1000);
  assert_int_equal(seen.drains, 0);
  ws_client_end(&client, &seen);
}

/* Its queue is empty then, but not because there was room. */
static void ws_of_a_broken_connection_is_not_drained(void **state) {
  ws_client_t client;
  ws_seen_t seen = {0};
  ws_client_open(&client, NULL);
  ws_client_connect_open(&client, &seen, (daytona__ws_opts_t){0});
  ws_link_t *link = client.peer.link;
  uv_read_stop((uv_stream_t *)&link->handle);
  size_t size = 64 << 10;
  char *bytes = calloc(1, size);
  while (daytona__ws_send(seen.ws, false, bytes, size) == 0) continue;
  free(bytes);
  daytona__ws_pause(seen.ws);
  ws_link_reset(link);
  while (daytona__ws_queued(seen.ws) != 0) uv_run(&client.stage.uv, UV_RUN_ONCE);
  stage_spin(&client.stage, 5);
  assert_int_equal(seen.drains, 0);
  daytona__ws_resume(seen.ws);
  ws_client_until_closed(&seen);
  assert_true(seen.how == DAYTONA__WS_END_RESET ||
              seen.how == DAYTONA__WS_END_EOF); /* who met the reset first */
  ws_client_end(&client, &seen);
}

/* A peer that never stops sending gets its share of a turn, not all of it. */
static void ws_flood_leaves_turns_to_others(void **state) {
  ws_client_t client;
  ws_seen_t loud = {0}, quiet = {0};
  ws_client_open(&client, NULL);
  ws_client_connect_open(&client, &loud, (daytona__ws_opts_t){0});
  ws_link_t *loud_link = client.peer.link;
  ws_client_connect_open(&client, &quiet, (daytona__ws_opts_t){0});
  enum { SIZE = 16 << 20 };
  char *bytes = calloc(1, SIZE);
  ws_link_frame(loud_link, 2, true, bytes, SIZE);
  free(bytes);
  ws_link_frame(client.peer.link, 1, true, "me too", 6);
  size_t before = 0, most = 0;
  while (loud.messages == 0) {
    stage_spin(&client.stage, 1);
    if (loud.data_size - before > most) most = loud.data_size - before;
    before = loud.data_size;
    if (quiet.messages == 0) assert_true(loud.data_size < SIZE / 4);
  }
  assert_int_equal(quiet.messages, 1);
  assert_true(most <= 2 * DAYTONA__READ_BUDGET);
  ws_client_release(&quiet);
  ws_client_end(&client, &loud);
}

static void ws_sends_long_frames_whole(void **state) {
  static const size_t sizes[] = {0, 1, 125, 126, 65535, 65536, 300000};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    ws_client_t client;
    ws_seen_t seen = {0};
    ws_client_begin(&client, &seen);
    client.peer.echoes = true;
    char *bytes = malloc(sizes[i] + 1);
    for (size_t k = 0; k < sizes[i]; k++) bytes[k] = (char)(k * 7);
    assert_int_equal(daytona__ws_send(seen.ws, false, bytes, sizes[i]), 0);
    stage_until_count(&client.stage, &seen.messages, 1);
    assert_int_equal(seen.data_size, sizes[i]);
    assert_memory_equal(seen.data, bytes, sizes[i]);
    free(bytes);
    ws_client_end(&client, &seen);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(ws_pause_stops_reading_and_loses_nothing),
    cmocka_unit_test(ws_joins_messages_when_asked),
    cmocka_unit_test(ws_bounds_its_queue_and_tells_when_drained),
    cmocka_unit_test(ws_frames_of_one_turn_leave_together),
    cmocka_unit_test(ws_frames_of_two_sockets_stay_apart),
    cmocka_unit_test(ws_limit_counts_what_the_system_does_not_take),
    cmocka_unit_test(ws_of_a_broken_connection_is_not_drained),
    cmocka_unit_test(ws_flood_leaves_turns_to_others),
    cmocka_unit_test(ws_sends_long_frames_whole),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
