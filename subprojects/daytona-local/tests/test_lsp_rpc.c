/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests to a language server and their ends: replies, time limits, cancels, a program that ends. The programs are those of
 * every system: cat returns what it is sent, so that a request comes back, is answered here, and the answer comes back.
 */
#include "toolbox/core/spawn.h"
#include "toolbox/lsp/rpc.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uv_loop_t loop;
static dl_toolbox_t tb;
static char *why; /* the program ended */

typedef struct {
  dl_lsp_rpc_t *rpc;
  int count, status;
  bool has_result;
  char message[256];
  int64_t cancels; /* when it is called */
} seen_t;

static void on_end(void *user, const char *reason) {
  (void)user;
  assert_null(why);
  why = dl_xstrdup(reason);
}

static void on_done(void *user, const dl_lsp_outcome_t *outcome) {
  seen_t *seen = user;
  seen->count++;
  seen->has_result = outcome->result != NULL;
  seen->status = outcome->status;
  if (outcome->message != NULL) strncpy(seen->message, outcome->message, sizeof seen->message - 1);
  if (seen->cancels != 0) dl_lsp_rpc_cancel(seen->rpc, seen->cancels);
}

static void on_closed(void *user) { (void)user; }

static int setup(void **state) {
  (void)state;
  signal(SIGPIPE, SIG_IGN);
  memset(&tb, 0, sizeof tb);
  assert_int_equal(uv_loop_init(&loop), 0);
  tb.loop = &loop;
  tb.reaper = dl_reaper_new(&loop, 0);
  dl_environ_set(&tb.environment, "PATH", "/usr/bin:/bin");
  return 0;
}

static int teardown(void **state) {
  (void)state;
  dl_reaper_close(tb.reaper, on_closed, NULL);
  uv_run(&loop, UV_RUN_DEFAULT);
  assert_int_equal(uv_loop_close(&loop), 0);
  dl_environ_clear(&tb.environment);
  free(why);
  why = NULL;
  return 0;
}

static dl_lsp_rpc_t *start(const char *program, const char *argument) {
  char *file = dl_process_find(&tb.environment, program);
  char *argv[] = {file, (char *)argument, NULL};
  dl_lsp_rpc_t *rpc = NULL;
  assert_non_null(file);
  assert_int_equal(dl_lsp_rpc_start(&tb, argv, "/", on_end, NULL, &rpc), 0);
  free(file);
  return rpc;
}

static int64_t request(dl_lsp_rpc_t *rpc, uint64_t timeout_ms, seen_t *seen) {
  seen->rpc = rpc;
  return dl_lsp_rpc_request(rpc, "textDocument/x", json_object(), timeout_ms, on_done, seen);
}

static void run_until(const int *count, int wanted) {
  while (*count < wanted) uv_run(&loop, UV_RUN_ONCE);
  assert_int_equal(*count, wanted);
}

static void replies_reach_their_requests(void **state) {
  seen_t seen[3] = {{0}};
  (void)state;
  dl_lsp_rpc_t *rpc = start("cat", NULL);
  for (int i = 0; i < 3; i++) assert_int_equal(request(rpc, 60000, &seen[i]), i + 1);
  for (int i = 0; i < 3; i++) assert_int_equal(seen[i].count, 0); /* never inside the call */
  for (int i = 0; i < 3; i++) run_until(&seen[i].count, 1);
  for (int i = 0; i < 3; i++) assert_true(seen[i].has_result);
  dl_lsp_rpc_kill(rpc);
}

static void time_limits_are_kept(void **state) {
  seen_t late = {0}, patient = {0};
  (void)state;
  dl_lsp_rpc_t *rpc = start("sleep", "600");
  request(rpc, 60000, &patient);
  request(rpc, 100, &late);
  run_until(&late.count, 1);
  assert_int_equal(late.status, 408);
  assert_int_equal(patient.count, 0);
  dl_lsp_rpc_fail_all(rpc, 400, "enough");
  assert_int_equal(patient.count, 1);
  assert_string_equal(patient.message, "enough");
  dl_lsp_rpc_kill(rpc);
  assert_null(why); /* no event after a kill */
}

static void late_requests_may_cancel_each_other(void **state) {
  seen_t first = {0}, second = {0};
  (void)state;
  dl_lsp_rpc_t *rpc = start("sleep", "600");
  request(rpc, 1, &first);
  first.cancels = request(rpc, 1, &second);
  run_until(&first.count, 1);
  assert_int_equal(second.count, 0);
  dl_lsp_rpc_cancel(rpc, 77); /* nobody's */
  dl_lsp_rpc_kill(rpc);
}

static void the_end_fails_what_is_pending(void **state) {
  seen_t seen = {0};
  (void)state;
  dl_lsp_rpc_t *rpc = start("false", NULL);
  assert_true(request(rpc, 60000, &seen) != 0);
  run_until(&seen.count, 1);
  assert_int_equal(seen.status, 500);
  assert_non_null(strstr(seen.message, "exited with 1"));
  assert_non_null(why);
}

static void what_is_no_protocol_ends_it(void **state) {
  seen_t seen = {0};
  (void)state;
  dl_lsp_rpc_t *rpc = start("yes", NULL);
  request(rpc, 60000, &seen);
  run_until(&seen.count, 1);
  assert_int_equal(seen.status, 500);
  assert_non_null(strstr(why, "no message of the protocol"));
}

static void too_many_requests_are_refused(void **state) {
  static seen_t seen[DL_LSP_PENDING_MAX + 1];
  (void)state;
  dl_lsp_rpc_t *rpc = start("sleep", "600");
  for (int i = 0; i < DL_LSP_PENDING_MAX; i++) assert_true(request(rpc, 60000, &seen[i]) != 0);
  assert_int_equal(request(rpc, 60000, &seen[DL_LSP_PENDING_MAX]), 0);
  dl_lsp_rpc_fail_all(rpc, 400, "enough");
  for (int i = 0; i < DL_LSP_PENDING_MAX; i++) assert_int_equal(seen[i].count, 1);
  dl_lsp_rpc_kill(rpc);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
  const struct CMUnitTest tests[] = {
    TEST(replies_reach_their_requests),        TEST(time_limits_are_kept),
    TEST(late_requests_may_cancel_each_other), TEST(the_end_fails_what_is_pending),
    TEST(what_is_no_protocol_ends_it),         TEST(too_many_requests_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
