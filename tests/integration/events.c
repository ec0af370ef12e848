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

/* Refused, reset, never answered: waits do not depend on it. */
static void faults_of_the_socket_cost_no_wait(void **state) {
  static const char *const faults[] = {
    "{\"match\":{\"path\":\"/api/socket.io/\"},\"action\":\"status\",\"status\":503}",
    "{\"match\":{\"path\":\"/api/socket.io/\"},\"action\":\"reset\"}",
    "{\"match\":{\"path\":\"/api/socket.io/\"},\"action\":\"stall\"}"};
  for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
    session_t session;
    session_open(&session, &with_events);
    daytona_sandbox_t *sandbox = session_sandbox(&session, NULL);
    assert_int_equal(session_admin("POST", "/faults", faults[i]), 201);
    api_done(daytona_sandbox_stop(sandbox, NULL));
    assert_int_equal(stats_of(&session).streams_open, 0);
    session_delete(sandbox);
    session_close(&session);
    session_admin("DELETE", "/faults", NULL);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(states_are_seen_with_few_requests),
    cmocka_unit_test(faults_of_the_socket_cost_no_wait),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
