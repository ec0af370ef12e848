/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting with the event socket of daytona-local: it is used, it comes back after faults, and a program ends without it.
 */
#include <stdio.h>
#include <string.h>

#include <daytona/stats.h>

#include "support/check.h"
#include "support/session.h"

static const daytona_config_t with_events = {.waiting = DAYTONA_WAITING_EVENTS};

static daytona_client_stats_t stats_of(const session_t *session) {
  daytona_client_stats_t stats;
  assert_int_equal(daytona_client_stats(session->client, &stats), 0);
  return stats;
}

enum { SANDBOXES = 5 };

/* Beside a socket that is there and has brought something, a stop is a request and one that reads its state. */
static void states_are_seen_with_few_requests(void **state) {
  session_t session;
  daytona_sandbox_t *sandboxes[SANDBOXES];
  daytona_future_t *futures[SANDBOXES];
  session_open(&session, &with_events);
  for (int i = 0; i < SANDBOXES; i++) sandboxes[i] = session_sandbox(&session, NULL);
  futures[0] = daytona_sandbox_wait_for_stop(sandboxes[0], NULL);
  while (stats_of(&session).streams_open == 0) uv_run(&session.uv, UV_RUN_ONCE);
  daytona_future_t *first = daytona_sandbox_stop(sandboxes[0], NULL);
  api_done(futures[0]);
  api_done(first);
  uint64_t before = stats_of(&session).requests;
  for (int i = 1; i < SANDBOXES; i++) futures[i] = daytona_sandbox_stop(sandboxes[i], NULL);
  for (int i = 1; i < SANDBOXES; i++) api_done(futures[i]);
  assert_in_range(stats_of(&session).requests - before, 2 * (SANDBOXES - 1), 3 * (SANDBOXES - 1));
  for (int i = 0; i < SANDBOXES; i++) {
    assert_int_equal(daytona_sandbox_state(sandboxes[i]), DAYTONA_SANDBOX_STOPPED);
    session_delete(sandboxes[i]);
  }
  assert_int_equal(stats_of(&session).streams, 1);
  session_close(&session); /* at once, although the socket is open */
}

/* Refused, broken, never answered, silent from some place on: waits do not depend on it. */
static void faults_of_the_socket_cost_no_wait(void **state) {
  static const char *const faults[] = {
    "\"status\",\"status\":503",
    "\"reset\"",
    "\"stall\"",
    "\"reset\",\"after_frames\":2",
    "\"truncate\",\"after_frames\":1",
    "\"close\",\"close_code\":1012,\"after_frames\":2",
    "\"freeze\",\"after_frames\":0",
    "\"freeze\",\"after_frames\":2",
    "\"split\",\"piece_bytes\":7,\"fragment_bytes\":11",
  };
  char rule[256];
  session_t session;
  session_open(&session, &with_events);
  daytona_sandbox_t *sandbox = session_sandbox(&session, NULL);
  for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
    session_t other;
    session_open(&other, &with_events);
    snprintf(rule, sizeof rule, "{\"match\":{\"path\":\"/api/socket.io/\"},\"action\":%s}", faults[i]);
    assert_int_equal(session_admin("POST", "/faults", rule), 201);
    daytona_future_t *got = api_must(daytona_sandbox_get(other.client, daytona_sandbox_id(sandbox), NULL));
    daytona_future_t *stopped = daytona_sandbox_wait_for_stop(daytona_future_sandbox(got), NULL);
    uint64_t until = uv_hrtime() + 100 * 1000000u; /* let the socket come, and break */
    while (uv_hrtime() < until) uv_run(&other.uv, UV_RUN_NOWAIT);
    assert_false(daytona_future_is_settled(stopped));
    api_done(daytona_sandbox_stop(daytona_future_sandbox(got), NULL));
    api_done(stopped);
    api_done(daytona_sandbox_start(daytona_future_sandbox(got), NULL));
    daytona_future_release(got);
    session_close(&other);
    session_admin("DELETE", "/faults", NULL);
  }
  session_delete(sandbox);
  session_close(&session);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(states_are_seen_with_few_requests),
    cmocka_unit_test(faults_of_the_socket_cost_no_wait),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
