/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See stage.h.
 */
#include "support/stage.h"

#include <stdio.h>

#include "support/alloc.h"
#include "support/check.h"

enum { GUARD_MS = 20 * 1000 };

void stage_fail_alloc(size_t n) { support_alloc_fail_once(n + 1); }

bool stage_alloc_failed(void) { return support_alloc_failed() != 0; }

void stage_alloc_restore(void) { support_alloc_heal(); }

int stage_loop_new(uv_loop_t *uv, daytona_log_cb log, void *log_user, daytona__loop_t **out) {
  daytona__loop_t *loop;
  int rc = daytona__loop_new(uv, log, log_user, &loop);
  if (rc != 0) return rc;
  assert_int_equal(daytona__loop_open(loop), 0);
  *out = loop;
  return 0;
}

static void on_log(daytona_log_level_t level, const char *line, void *user) {
  stage_t *stage = user;
  snprintf(stage->logged, sizeof stage->logged, "%d %s", (int)level, line);
}

void stage_open(stage_t *stage) {
  support_alloc_install();
  stage->closed_count = 0;
  stage->is_closing = false;
  stage->logged[0] = '\0';
  assert_int_equal(uv_loop_init(&stage->uv), 0);
  assert_int_equal(uv_timer_init(&stage->uv, &stage->guard), 0);
  stage->guard.data = stage;
  assert_int_equal(stage_loop_new(&stage->uv, on_log, stage, &stage->loop), 0);
}

void stage_set_flag(void *user) { *(bool *)user = true; }

/* --- waiting ----------------------------------------------------------------------------------- */

static void on_guard(uv_timer_t *guard) { ((stage_t *)guard->data)->is_late = true; }

void stage_until_true(stage_t *stage, bool (*is_true)(void *user), void *user) {
  stage->is_late = false;
  uv_update_time(&stage->uv);
  uv_timer_start(&stage->guard, on_guard, GUARD_MS, 0);
  while (!is_true(user) && !stage->is_late) uv_run(&stage->uv, UV_RUN_ONCE);
  uv_timer_stop(&stage->guard);
  if (stage->is_late) fail_msg("waited %d ms for something that does not come", (int)GUARD_MS);
}

static bool is_flag(void *user) { return *(const bool *)user; }

void stage_until(stage_t *stage, const bool *flag) { stage_until_true(stage, is_flag, (void *)flag); }

static bool is_set(void *user) { return *(const int *)user != 0; }

void stage_until_set(stage_t *stage, const int *flag) { stage_until_true(stage, is_set, (void *)flag); }

typedef struct counting {
  const size_t *count;
  size_t wanted;
} counting_t;

static bool is_counted(void *user) { return *((counting_t *)user)->count >= ((counting_t *)user)->wanted; }

void stage_until_count(stage_t *stage, const size_t *count, size_t wanted) {
  counting_t counting = {count, wanted};
  stage_until_true(stage, is_counted, &counting);
}

void stage_drain(stage_t *stage) {
  uint64_t end = uv_hrtime() + (uint64_t)GUARD_MS * 1000000;
  while (uv_run(&stage->uv, UV_RUN_ONCE) != 0) assert_true(uv_hrtime() < end);
}

void stage_spin(stage_t *stage, int turns) {
  for (int i = 0; i < turns; i++) uv_run(&stage->uv, UV_RUN_NOWAIT);
}

void stage_turn(stage_t *stage) { stage_spin(stage, 1); }

/* --- closing ----------------------------------------------------------------------------------- */

static void on_closed(void *user) { ((stage_t *)user)->closed_count++; }

void stage_begin_close(stage_t *stage) {
  stage->is_closing = true;
  daytona__loop_close(stage->loop, on_closed, stage);
  assert_int_equal(stage->closed_count, 0);
}

static void on_left_over(uv_handle_t *handle, void *user) {
  (void)user;
  print_error("left on the loop: %s\n", uv_handle_type_name(handle->type));
}

void stage_close(stage_t *stage) {
  stage_alloc_restore();
  if (!stage->is_closing) stage_begin_close(stage);
  stage_until_set(stage, &stage->closed_count);
  uv_close((uv_handle_t *)&stage->guard, NULL);
  stage_drain(stage); /* calls made after the close are still answered */
  assert_int_equal(stage->closed_count, 1);
  assert_true(daytona__loop_is_closed(stage->loop));
  daytona__loop_release(stage->loop);
  int rc = uv_loop_close(&stage->uv);
  if (rc != 0) uv_walk(&stage->uv, on_left_over, NULL);
  assert_int_equal(rc, 0);
  support_alloc_remove(); /* fails the test if a block is left */
}

static stage_t fixture;

int stage_setup(void **state) {
  stage_open(&fixture);
  *state = &fixture;
  return 0;
}

int stage_teardown(void **state) {
  stage_close(*state);
  return 0;
}
