/*
 * See stage.h.
 */
#include "stage.h"

#include "alloc.h"
#include "support/check.h"

enum { GUARD_MS = 20 * 1000 };

void stage_fail_alloc(size_t n) { support_alloc_fail_once(n + 1); }

bool stage_alloc_failed(void) { return support_alloc_failed() != 0; }

void stage_alloc_restore(void) { support_alloc_heal(); }

static void on_guard(uv_timer_t *guard) {
  (void)guard;
  fail_msg("waited %d ms for something that does not come", (int)GUARD_MS);
}

void stage_open(stage_t *stage) {
  support_alloc_install();
  assert_int_equal(uv_loop_init(&stage->uv), 0);
  assert_int_equal(uv_timer_init(&stage->uv, &stage->guard), 0);
  uv_unref((uv_handle_t *)&stage->guard);
  assert_int_equal(daytona__loop_new(&stage->uv, NULL, NULL, &stage->loop), 0);
}

void stage_set_flag(void *user) { *(bool *)user = true; }

void stage_until(stage_t *stage, const bool *flag) {
  uv_update_time(&stage->uv);
  uv_timer_start(&stage->guard, on_guard, GUARD_MS, 0);
  while (!*flag)
    if (uv_run(&stage->uv, UV_RUN_ONCE) == 0 && !*flag) fail_msg("nothing is left that could happen");
  uv_timer_stop(&stage->guard);
}

void stage_until_count(stage_t *stage, const size_t *count, size_t wanted) {
  uv_update_time(&stage->uv);
  uv_timer_start(&stage->guard, on_guard, GUARD_MS, 0);
  while (*count < wanted)
    if (uv_run(&stage->uv, UV_RUN_ONCE) == 0 && *count < wanted)
      fail_msg("nothing is left that could happen");
  uv_timer_stop(&stage->guard);
}

void stage_spin(stage_t *stage, int turns) {
  for (int i = 0; i < turns; i++) uv_run(&stage->uv, UV_RUN_NOWAIT);
}

void stage_close(stage_t *stage) {
  bool is_closed = false;
  stage_alloc_restore();
  daytona__loop_close(stage->loop, stage_set_flag, &is_closed);
  stage_until(stage, &is_closed);
  daytona__loop_release(stage->loop);
  uv_close((uv_handle_t *)&stage->guard, NULL);
  uv_run(&stage->uv, UV_RUN_DEFAULT);
  assert_int_equal(uv_loop_close(&stage->uv), 0);
  support_alloc_remove(); /* fails the test if a block is left */
}
