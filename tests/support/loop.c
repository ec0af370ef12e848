/*
 * The host's loop in tests. See loop.h.
 */
#include "support/loop.h"

#include <stdio.h>

#include "support/alloc.h"
#include "support/check.h"

enum { GUARD_MS = 20000 };

static void on_log(daytona_log_level_t level, const char *line, void *user) {
  support_loop_t *host = user;
  snprintf(host->logged, sizeof host->logged, "%d %s", (int)level, line);
}

void support_loop_init(support_loop_t *host) {
  support_alloc_install();
  host->closed_count = 0;
  host->is_closing = false;
  host->logged[0] = '\0';
  assert_int_equal(uv_loop_init(&host->uv), 0);
  assert_int_equal(daytona__loop_new(&host->uv, on_log, host, &host->loop), 0);
}

void support_loop_turn(support_loop_t *host) { uv_run(&host->uv, UV_RUN_NOWAIT); }

static void on_guard(uv_timer_t *guard) { *(bool *)guard->data = true; }

static void on_guard_closed(uv_handle_t *guard) { guard->data = NULL; }

void support_loop_until(support_loop_t *host, bool (*done)(void *user), void *user) {
  uv_timer_t guard;
  bool is_late = false;
  uv_timer_init(&host->uv, &guard);
  guard.data = &is_late;
  uv_timer_start(&guard, on_guard, GUARD_MS, 0);
  while (!done(user) && !is_late) uv_run(&host->uv, UV_RUN_ONCE);
  uv_close((uv_handle_t *)&guard, on_guard_closed);
  while (guard.data != NULL) uv_run(&host->uv, UV_RUN_NOWAIT);
  assert_false(is_late);
}

static bool is_set(void *user) { return *(const int *)user != 0; }

void support_loop_until_set(support_loop_t *host, const int *flag) {
  support_loop_until(host, is_set, (void *)flag);
}

void support_loop_drain(support_loop_t *host) {
  uint64_t end = uv_hrtime() + (uint64_t)GUARD_MS * 1000000;
  while (uv_run(&host->uv, UV_RUN_ONCE) != 0) assert_true(uv_hrtime() < end);
}

static void on_closed(void *user) {
  support_loop_t *host = user;
  host->closed_count++;
}

void support_loop_begin_close(support_loop_t *host) {
  host->is_closing = true;
  daytona__loop_close(host->loop, on_closed, host);
  assert_int_equal(host->closed_count, 0);
}

static void on_left_over(uv_handle_t *handle, void *user) {
  print_error("left on the loop: %s\n", uv_handle_type_name(handle->type));
}

void support_loop_finish(support_loop_t *host) {
  if (!host->is_closing) support_loop_begin_close(host);
  support_loop_until_set(host, &host->closed_count);
  support_loop_drain(host); /* calls made after the close are still answered */
  assert_int_equal(host->closed_count, 1);
  assert_true(daytona__loop_is_closed(host->loop));
  daytona__loop_release(host->loop);
  int rc = uv_loop_close(&host->uv);
  if (rc != 0) uv_walk(&host->uv, on_left_over, NULL);
  assert_int_equal(rc, 0);
  support_alloc_remove();
}

static support_loop_t fixture;

int support_loop_setup(void **state) {
  support_loop_init(&fixture);
  *state = &fixture;
  return 0;
}

int support_loop_teardown(void **state) {
  support_loop_finish(*state);
  return 0;
}
