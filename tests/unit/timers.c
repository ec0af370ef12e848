/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Timers: the pairing heap against a model that looks at every timer, on a clock moved by hand.
 */
#include <stdlib.h>
#include <string.h>

#include "core/loop.h"

#include "support/check.h"
#include "support/stage.h"

enum { COUNT = 400, STEPS = 30000, MANY = 50000 };

typedef struct alarm {
  daytona__timer_t timer;
  bool is_running; /* the model */
  int fired;
} alarm_t;

static stage_t *host;
static alarm_t alarms[COUNT];
static unsigned seed;
static int64_t last_due;
static size_t fired_total;

/* The same numbers on every machine. */
static unsigned next_random(unsigned below) {
  seed = seed * 1103515245u + 12345u;
  return (seed >> 16) % below;
}

static void start(alarm_t *alarm) {
  daytona__timer_start(host->loop, &alarm->timer, 1 + (int64_t)next_random(1000) * next_random(100));
  alarm->is_running = true;
}

static void stop_watch(alarm_t *alarm) {
  daytona__timer_stop(&alarm->timer);
  alarm->is_running = false;
}

/* Nobody that still runs was due before this one; then some of what real callbacks do. */
static void on_fire(daytona__timer_t *timer) {
  alarm_t *alarm = DAYTONA__CONTAINER(timer, alarm_t, timer);
  assert_true(alarm->is_running);
  assert_false(daytona__timer_is_running(timer));
  assert_true(timer->due_ms <= daytona__loop_now(host->loop));
  assert_true(timer->due_ms >= last_due);
  last_due = timer->due_ms;
  alarm->is_running = false;
  alarm->fired++;
  fired_total++;
  for (int i = 0; i < COUNT; i++)
    if (alarms[i].is_running) assert_true(alarms[i].timer.due_ms >= timer->due_ms);
  switch (next_random(4)) {
    case 0: start(alarm); break;
    case 1: stop_watch(&alarms[next_random(COUNT)]); break;
    case 2: start(&alarms[next_random(COUNT)]); break;
    default: break;
  }
}

static void check_all(int64_t now_before) {
  for (int i = 0; i < COUNT; i++) {
    assert_int_equal(alarms[i].is_running, daytona__timer_is_running(&alarms[i].timer));
    if (alarms[i].is_running) assert_true(alarms[i].timer.due_ms > now_before);
  }
}

static void heap_agrees_with_a_model_under_random_use(void **state) {
  host = *state;
  seed = 20;
  fired_total = 0;
  memset(alarms, 0, sizeof alarms);
  for (int i = 0; i < COUNT; i++) daytona__timer_init(&alarms[i].timer, on_fire);
  daytona__loop_hold(host->loop);
  for (int step = 0; step < STEPS; step++) {
    alarm_t *alarm = &alarms[next_random(COUNT)];
    switch (next_random(10)) {
      case 0:
      case 1:
      case 2: stop_watch(alarm); break;
      case 3: {
        daytona__loop_advance(host->loop, next_random(5000));
        int64_t now = daytona__loop_now(host->loop);
        last_due = 0;
        stage_turn(host);
        check_all(now);
        break;
      }
      default: start(alarm); break;
    }
  }
  assert_true(fired_total > 1000);
  for (int i = 0; i < COUNT; i++) stop_watch(&alarms[i]);
  daytona__loop_let_go(host->loop);
  assert_int_equal(uv_loop_alive(&host->uv), 0);
}

static void count_fire(daytona__timer_t *timer) {
  assert_true(timer->due_ms >= last_due);
  last_due = timer->due_ms;
  fired_total++;
}

static void many_timers_cost_little_and_fire_in_order(void **state) {
  host = *state;
  seed = 4;
  fired_total = 0;
  last_due = 0;
  daytona__timer_t *timers = calloc(MANY, sizeof *timers);
  assert_non_null(timers);
  for (int i = 0; i < MANY; i++) {
    daytona__timer_init(&timers[i], count_fire);
    /* ascending, descending and mixed: the shapes that make a heap deep or wide */
    int64_t delay = i < MANY / 3 ? i : i < 2 * MANY / 3 ? MANY - i : (int64_t)next_random(30000) * 2;
    daytona__timer_start(host->loop, &timers[i], 1000 + delay);
  }
  for (int i = 0; i < MANY; i += 2) daytona__timer_stop(&timers[i]);
  daytona__loop_advance(host->loop, 1000000);
  stage_drain(host);
  assert_int_equal(fired_total, MANY / 2);
  free(timers);
}

typedef struct ticker {
  daytona__timer_t timer;
  stage_t *host;
  int left;
} ticker_t;

static void tick(daytona__timer_t *timer) {
  ticker_t *ticker = DAYTONA__CONTAINER(timer, ticker_t, timer);
  if (--ticker->left > 0) daytona__timer_start(ticker->host->loop, timer, 0);
}

static void a_timer_restarted_as_it_fires_waits_for_another_turn(void **state) {
  ticker_t ticker = {.host = *state, .left = 3};
  daytona__timer_init(&ticker.timer, tick);
  daytona__timer_start(ticker.host->loop, &ticker.timer, 0);
  daytona__loop_advance(ticker.host->loop, 1);
  stage_turn(*state);
  assert_int_equal(ticker.left, 2);
  stage_drain(*state);
  assert_int_equal(ticker.left, 0);
}

static void starting_again_moves_a_timer(void **state) {
  ticker_t ticker = {.host = *state, .left = 1};
  daytona__timer_init(&ticker.timer, tick);
  daytona__timer_start(ticker.host->loop, &ticker.timer, 1000);
  daytona__timer_start(ticker.host->loop, &ticker.timer, 600000);
  daytona__loop_advance(ticker.host->loop, 2000);
  stage_turn(*state);
  assert_int_equal(ticker.left, 1);
  daytona__timer_start(ticker.host->loop, &ticker.timer, 3000);
  daytona__loop_advance(ticker.host->loop, 3000);
  stage_drain(*state);
  assert_int_equal(ticker.left, 0);
}

static void timers_follow_real_time_too(void **state) {
  ticker_t ticker = {.host = *state, .left = 1};
  daytona__timer_init(&ticker.timer, tick);
  uint64_t before = uv_hrtime();
  daytona__timer_start(ticker.host->loop, &ticker.timer, 20);
  stage_drain(*state);
  assert_int_equal(ticker.left, 0);
  assert_true(uv_hrtime() - before >= 19000000);
}

static void the_farthest_time_does_not_overflow(void **state) {
  ticker_t ticker = {.host = *state, .left = 1};
  daytona__timer_init(&ticker.timer, tick);
  daytona__loop_advance(ticker.host->loop, 100);
  daytona__timer_start(ticker.host->loop, &ticker.timer, INT64_MAX);
  stage_turn(*state);
  assert_int_equal(ticker.left, 1);
  daytona__timer_stop(&ticker.timer);
  daytona__timer_stop(&ticker.timer);
}

/* The clock stays armed for a timer that was stopped, and must not take another for it. */
static void a_stopped_timer_hurries_nobody(void **state) {
  ticker_t stopped = {.host = *state, .left = 1}, kept = {.host = *state, .left = 1};
  daytona__timer_init(&stopped.timer, tick);
  daytona__timer_init(&kept.timer, tick);
  uint64_t before = uv_hrtime();
  daytona__timer_start(kept.host->loop, &stopped.timer, 5);
  daytona__timer_start(kept.host->loop, &kept.timer, 30);
  daytona__timer_stop(&stopped.timer);
  stage_drain(*state);
  assert_int_equal(stopped.left, 1);
  assert_int_equal(kept.left, 0);
  assert_true(uv_hrtime() - before >= 29000000);
}

static void a_timer_before_the_first_is_in_time(void **state) {
  ticker_t late = {.host = *state, .left = 1}, early = {.host = *state, .left = 1};
  daytona__timer_init(&late.timer, tick);
  daytona__timer_init(&early.timer, tick);
  daytona__timer_start(late.host->loop, &late.timer, 600000);
  daytona__timer_start(late.host->loop, &early.timer, 5);
  uint64_t before = uv_hrtime();
  while (early.left != 0) uv_run(daytona__loop_uv(late.host->loop), UV_RUN_ONCE);
  assert_true(uv_hrtime() - before < 60000000000);
  daytona__timer_stop(&late.timer);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, stage_setup, stage_teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
    TEST(heap_agrees_with_a_model_under_random_use),
    TEST(many_timers_cost_little_and_fire_in_order),
    TEST(a_timer_restarted_as_it_fires_waits_for_another_turn),
    TEST(starting_again_moves_a_timer),
    TEST(timers_follow_real_time_too),
    TEST(the_farthest_time_does_not_overflow),
    TEST(a_stopped_timer_hurries_nobody),
    TEST(a_timer_before_the_first_is_in_time),
  };
  return cmocka_run_group_tests_name("timers", tests, NULL, NULL);
}
