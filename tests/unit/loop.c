/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client's share of the host's loop: tasks in later turns, closing in every state and from inside
 * every callback, what keeps the host's loop alive, log lines.
 */
#include "core/loop.h"

#include <stdio.h>
#include <string.h>

#include <daytona/error.h>

#include "core/future.h"
#include "core/memory.h"

#include "support/alloc.h"
#include "support/check.h"
#include "support/stage.h"
#include "support/op.h"

/* A task, a timer and what they do when they run: append `name`, then `then`. */
typedef struct actor {
  daytona__task_t task;
  daytona__timer_t timer;
  const char *name;
  void (*then)(struct actor *actor);
  stage_t *host;
  struct actor *other;
  int left;
} actor_t;

static char order[128];

static void act(actor_t *actor) {
  strcat(order, actor->name);
  if (actor->then != NULL) actor->then(actor);
}

static void on_task(daytona__task_t *task) { act(DAYTONA__CONTAINER(task, actor_t, task)); }
static void on_timer(daytona__timer_t *timer) { act(DAYTONA__CONTAINER(timer, actor_t, timer)); }

static void actor_init(actor_t *actor, stage_t *host, const char *name, void (*then)(actor_t *actor)) {
  memset(actor, 0, sizeof *actor);
  actor->host = host;
  actor->name = name;
  actor->then = then;
  daytona__task_init(&actor->task, on_task);
  daytona__timer_init(&actor->timer, on_timer);
}

static void defer(actor_t *actor) { daytona__loop_defer(actor->host->loop, &actor->task); }

static int setup(void **state) {
  order[0] = '\0';
  return stage_setup(state);
}

/* --- tasks ------------------------------------------------------------------------------------- */

static void tasks_run_in_a_later_turn_in_order(void **state) {
  actor_t a, b, c;
  actor_init(&a, *state, "a", NULL);
  actor_init(&b, *state, "b", NULL);
  actor_init(&c, *state, "c", NULL);
  defer(&a);
  defer(&b);
  defer(&a); /* stays where it is */
  defer(&c);
  assert_true(daytona__task_is_queued(&a.task));
  assert_string_equal(order, "");
  stage_turn(*state);
  assert_string_equal(order, "abc");
  assert_false(daytona__task_is_queued(&a.task));
}

static void defer_again(actor_t *actor) {
  if (actor->left-- > 0) defer(actor);
}

static void a_task_deferred_by_a_task_waits_for_another_turn(void **state) {
  actor_t a;
  actor_init(&a, *state, "a", defer_again);
  a.left = 3;
  defer(&a);
  for (size_t turn = 1; turn <= 4; turn++) {
    stage_turn(*state);
    assert_int_equal(strlen(order), turn);
  }
  stage_drain(*state);
  assert_int_equal(strlen(order), 4);
}

static void cancel_the_other(actor_t *actor) { daytona__task_cancel(&actor->other->task); }

static void a_cancelled_task_does_not_run(void **state) {
  stage_t *host = *state;
  actor_t a, b, c;
  actor_init(&a, host, "a", cancel_the_other);
  actor_init(&b, host, "b", NULL);
  actor_init(&c, host, "c", NULL);
  a.other = &b;
  defer(&a);
  defer(&b);
  defer(&c);
  daytona__task_cancel(&c.task);
  daytona__task_cancel(&c.task);
  stage_drain(host);
  assert_string_equal(order, "a");
  assert_int_equal(uv_loop_alive(&host->uv), 0);
}

static void turn_inside(actor_t *actor) {
  uv_run(&actor->host->uv, UV_RUN_NOWAIT);
  strcat(order, ")");
}

static void a_host_that_turns_inside_a_task_loses_none(void **state) {
  actor_t a, b, c;
  actor_init(&a, *state, "(", turn_inside);
  actor_init(&b, *state, "b", NULL);
  actor_init(&c, *state, "c", NULL);
  defer(&a);
  defer(&b);
  defer(&c);
  stage_drain(*state);
  assert_int_equal(strlen(order), 4);
  assert_non_null(strchr(order, 'b'));
  assert_non_null(strchr(order, 'c'));
}

/* --- what keeps the host's loop alive ---------------------------------------------------------- */

static void an_idle_client_does_not_keep_the_loop_alive(void **state) {
  stage_t *host = *state;
  assert_int_equal(uv_loop_alive(&host->uv), 0);
  actor_t a;
  actor_init(&a, host, "a", NULL);
  defer(&a);
  assert_int_not_equal(uv_loop_alive(&host->uv), 0);
  stage_drain(host);
  assert_int_equal(uv_loop_alive(&host->uv), 0);
  daytona__timer_start(host->loop, &a.timer, 60000);
  assert_int_not_equal(uv_loop_alive(&host->uv), 0);
  daytona__timer_stop(&a.timer);
  assert_int_equal(uv_loop_alive(&host->uv), 0);
}

static void background_timers_do_not_keep_the_loop_alive(void **state) {
  stage_t *host = *state;
  actor_t back, front;
  actor_init(&back, host, "b", NULL);
  actor_init(&front, host, "f", NULL);
  back.timer.is_background = true;
  daytona__timer_start(host->loop, &back.timer, 60000);
  assert_int_equal(uv_loop_alive(&host->uv), 0);
  daytona__timer_start(host->loop, &front.timer, 90000); /* later than the first of the heap */
  assert_int_not_equal(uv_loop_alive(&host->uv), 0);
  daytona__loop_advance(host->loop, 60000);
  stage_turn(host);
  stage_turn(host);
  assert_string_equal(order, "b");
  assert_int_not_equal(uv_loop_alive(&host->uv), 0);
  daytona__timer_start(host->loop, &back.timer, 1000);
  daytona__timer_stop(&front.timer); /* not the first either */
  assert_int_equal(uv_loop_alive(&host->uv), 0);
  daytona__timer_stop(&back.timer);
}

static void holding_keeps_the_loop_alive(void **state) {
  stage_t *host = *state;
  daytona__loop_hold(host->loop);
  daytona__loop_hold(host->loop);
  daytona__loop_let_go(host->loop);
  assert_int_not_equal(uv_loop_alive(&host->uv), 0);
  daytona__loop_let_go(host->loop);
  assert_int_equal(uv_loop_alive(&host->uv), 0);
}

/* --- closing ----------------------------------------------------------------------------------- */

static void close_reports_once_from_a_later_turn(void **state) {
  stage_t *host = *state;
  assert_ptr_equal(daytona__loop_uv(host->loop), &host->uv);
  stage_begin_close(host);
  assert_false(daytona__loop_is_closed(host->loop));
  stage_drain(host);
  assert_int_equal(host->closed_count, 1);
  assert_true(daytona__loop_is_closed(host->loop));
}

static void close_lets_queued_tasks_run_first(void **state) {
  stage_t *host = *state;
  actor_t a, b;
  actor_init(&a, host, "a", defer_again);
  actor_init(&b, host, "b", defer_again);
  a.left = 2;
  b.left = 5;
  defer(&a);
  stage_begin_close(host);
  defer(&b);
  stage_until_set(host, &host->closed_count);
  assert_int_equal(strlen(order), 3 + 6);
}

static void begin_close(actor_t *actor) { stage_begin_close(actor->host); }

static void close_inside_a_task(void **state) {
  stage_t *host = *state;
  actor_t a, b;
  actor_init(&a, host, "a", begin_close);
  actor_init(&b, host, "b", NULL);
  defer(&a);
  defer(&b);
  stage_until_set(host, &host->closed_count);
  assert_string_equal(order, "ab");
}

static void close_inside_a_timer_ends_background_timers(void **state) {
  stage_t *host = *state;
  actor_t a, b, c;
  actor_init(&a, host, "a", begin_close);
  actor_init(&b, host, "b", NULL);
  actor_init(&c, host, "c", NULL);
  b.timer.is_background = c.timer.is_background = true;
  daytona__timer_start(host->loop, &a.timer, 10);
  daytona__timer_start(host->loop, &b.timer, 20);
  daytona__timer_start(host->loop, &c.timer, 3600000);
  daytona__loop_advance(host->loop, 20); /* due while the close begins */
  stage_until_set(host, &host->closed_count);
  assert_string_equal(order, "ab");
  assert_false(daytona__timer_is_running(&c.timer));
  daytona__timer_stop(&c.timer);
}

static void on_post(void *user) { act(user); }

static void close_inside_a_post(void **state) {
  stage_t *host = *state;
  actor_t a, b;
  actor_init(&a, host, "a", begin_close);
  actor_init(&b, host, "b", NULL);
  assert_int_equal(daytona__loop_post(host->loop, on_post, &a), 0);
  assert_int_equal(daytona__loop_post(host->loop, on_post, &b), 0);
  daytona__loop_hold(host->loop);
  stage_until_set(host, &host->closed_count);
  daytona__loop_let_go(host->loop);
  assert_string_equal(order, "ab");
}

static void posts_made_before_the_close_are_delivered(void **state) {
  stage_t *host = *state;
  actor_t a;
  actor_init(&a, host, "a", NULL);
  assert_int_equal(daytona__loop_post(host->loop, on_post, &a), 0);
  stage_begin_close(host);
  assert_int_equal(daytona__loop_post(host->loop, on_post, &a), 0);
  stage_until_set(host, &host->closed_count);
  assert_string_equal(order, "aa");
  assert_int_equal(daytona__loop_post(host->loop, on_post, &a), DAYTONA_ECLOSED);
}

static void post_deadline(void *user) {
  actor_t *actor = user;
  strcat(order, "p");
  support_op_t *op = (support_op_t *)actor->other;
  support_op_start(actor->host, op);
  daytona_future_t *bound = daytona_future_deadline(daytona_future_retain(op->future), 60000);
  daytona_future_release(bound);
}

static void what_starts_while_closing_fails_with_closed(void **state) {
  stage_t *host = *state;
  support_op_t op;
  support_seen_t seen = {0};
  actor_t a;
  actor_init(&a, host, "a", NULL);
  a.other = (actor_t *)&op;
  assert_int_equal(daytona__loop_post(host->loop, post_deadline, &a), 0);
  stage_begin_close(host);
  while (order[0] == '\0') stage_turn(host);
  daytona_future_on_settled(op.future, support_see, &seen);
  stage_until_set(host, &host->closed_count);
  stage_drain(host);
  assert_int_equal(seen.count, 1);
  assert_int_equal(seen.code, DAYTONA_ECLOSED);
  assert_int_equal(op.stop_count, 1);
  daytona_future_release(op.future);
}

/* Turn by turn through all states; a call in each of them is answered, from a later turn. */
static void calls_are_answered_in_every_state_of_closing(void **state) {
  stage_t *host = *state;
  enum { TURNS = 8 };
  support_seen_t seen[TURNS] = {0};
  stage_begin_close(host);
  for (int i = 0; i < TURNS; i++) {
    daytona_future_then(daytona__future_failed(host->loop, NULL, DAYTONA_ECLOSED, "turn %d", i), support_see,
                        &seen[i]);
    assert_int_equal(seen[i].count, 0);
    stage_turn(host);
  }
  stage_drain(host);
  for (int i = 0; i < TURNS; i++) {
    assert_int_equal(seen[i].count, 1);
    assert_int_equal(seen[i].code, DAYTONA_ECLOSED);
  }
}

/* The host's own handle closes in the same turn as ours, so its callback comes in between. */
static actor_t between;

static void on_host_handle_closed(uv_handle_t *handle) {
  assert_int_equal(between.host->closed_count, 0);
  assert_false(daytona__loop_is_closed(between.host->loop));
  defer(&between);
}

static void on_prepare(uv_prepare_t *handle) {
  /* Of one turn: idle callbacks, then this, then close callbacks. */
  if (between.host->is_closing) uv_close((uv_handle_t *)handle, on_host_handle_closed);
}

static void a_call_while_the_handles_close_delays_the_report(void **state) {
  stage_t *host = *state;
  uv_prepare_t prepare;
  actor_init(&between, host, "b", defer_again);
  between.left = 3;
  uv_prepare_init(&host->uv, &prepare);
  uv_prepare_start(&prepare, on_prepare);
  stage_begin_close(host);
  stage_until_set(host, &host->closed_count);
  assert_string_equal(order, "bbbb"); /* all of it before the report */
}

static actor_t late;

static void call_in_closed(void *user) {
  stage_t *host = user;
  host->closed_count++;
  assert_string_equal(order, "");
  defer(&late);
  assert_string_equal(order, "");
}

static void tasks_deferred_by_the_closed_report_run_later(void **state) {
  stage_t *host = *state;
  actor_init(&late, host, "l", defer_again);
  late.left = 2;
  host->is_closing = true;
  daytona__loop_close(host->loop, call_in_closed, host);
  stage_drain(host);
  assert_string_equal(order, "lll");
}

static void await_in_closed(void *user) {
  stage_t *host = user;
  host->closed_count++;
  daytona_future_t *future = daytona__future_failed(host->loop, NULL, DAYTONA_ECLOSED, "closed");
  assert_int_equal(daytona_future_await(future), DAYTONA_EREENTRANT);
  daytona_future_release(future);
}

static void await_is_refused_in_the_closed_report(void **state) {
  stage_t *host = *state;
  host->is_closing = true;
  daytona__loop_close(host->loop, await_in_closed, host);
  stage_drain(host);
}

static void late_calls_are_answered_without_memory(void **state) {
  stage_t *host = *state;
  actor_t a, b;
  actor_init(&a, host, "a", defer_again);
  actor_init(&b, host, "b", defer_again);
  a.left = b.left = 1;
  stage_begin_close(host);
  stage_drain(host);
  support_alloc_fail_from(1);
  defer(&a);
  defer(&b);
  assert_string_equal(order, "");
  stage_drain(host);
  support_alloc_heal();
  assert_string_equal(order, "abab");
  assert_int_equal(uv_loop_alive(&host->uv), 0);
}

static void late_calls_come_again_and_again(void **state) {
  stage_t *host = *state;
  actor_t a;
  actor_init(&a, host, "a", NULL);
  stage_begin_close(host);
  stage_drain(host);
  for (int i = 0; i < 5; i++) {
    defer(&a);
    if (i % 2 == 0) stage_turn(host);
    stage_turn(host);
  }
  stage_drain(host);
  assert_int_equal(strlen(order), 5);
}

static void timers_started_after_closing_never_run(void **state) {
  stage_t *host = *state;
  actor_t a;
  actor_init(&a, host, "a", NULL);
  stage_begin_close(host);
  stage_drain(host);
  daytona__timer_start(host->loop, &a.timer, 1);
  assert_false(daytona__timer_is_running(&a.timer));
  daytona__loop_advance(host->loop, 100);
  stage_drain(host);
  assert_string_equal(order, "");
}

static void a_loop_may_close_without_a_report(void **state) {
  stage_t *host = *state;
  daytona__loop_t *second;
  assert_int_equal(stage_loop_new(&host->uv, NULL, NULL, &second), 0);
  daytona__loop_close(second, NULL, NULL);
  daytona__loop_release(second); /* lives on its own until it has closed */
  stage_drain(host);
}

static void futures_outlive_the_closed_client(void **state) {
  stage_t *host = *state;
  daytona__loop_t *second;
  assert_int_equal(stage_loop_new(&host->uv, NULL, NULL, &second), 0);
  daytona_future_t *future = daytona__future_new(second, 0, NULL);
  daytona__loop_close(second, NULL, NULL);
  daytona__loop_release(second);
  stage_drain(host);
  support_seen_t seen = {0};
  assert_int_equal(daytona_future_code(future), DAYTONA_ECLOSED);
  daytona_future_then(future, support_see, &seen);
  assert_int_equal(seen.count, 0);
  stage_drain(host);
  assert_int_equal(seen.count, 1);
}

static void a_new_loop_without_memory_leaves_nothing(void **state) {
  stage_t *host = *state;
  daytona__loop_t *second = NULL;
  size_t before = daytona__alloc_count();
  support_alloc_fail_once(1);
  assert_int_equal(stage_loop_new(&host->uv, NULL, NULL, &second), DAYTONA_ENOMEM);
  assert_null(second);
  assert_int_equal(daytona__alloc_count(), before);
}

/* --- log --------------------------------------------------------------------------------------- */

static char logged[2048];

static void keep_line(daytona_log_level_t level, const char *line, void *user) {
  snprintf(logged, sizeof logged, "%d %s%s", (int)level, (const char *)user, line);
}

static void log_lines_are_single_lines(void **state) {
  stage_t *host = *state;
  daytona__loop_t *loud, *silent;
  assert_int_equal(stage_loop_new(&host->uv, NULL, NULL, &silent), 0);
  daytona__log(silent, DAYTONA_LOG_ERROR, "nobody listens");
  assert_false(daytona__log_enabled(silent));
  daytona__loop_close(silent, NULL, NULL);
  daytona__loop_release(silent);
  assert_int_equal(stage_loop_new(&host->uv, keep_line, "> ", &loud), 0);
  assert_true(daytona__log_enabled(loud));
  daytona__log(loud, DAYTONA_LOG_WARN, "a\nb\r\x1b[2J%s", "\x7fz");
  assert_string_equal(logged, "2 > a b  [2J z");
  char longest[1500];
  memset(longest, 'x', sizeof longest);
  longest[sizeof longest - 1] = '\0';
  daytona__log(loud, DAYTONA_LOG_DEBUG, "%s", longest);
  assert_in_range(strlen(logged), 1000, 1100);
  daytona__loop_close(loud, NULL, NULL);
  daytona__loop_release(loud);
  stage_drain(host);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, stage_teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
    TEST(tasks_run_in_a_later_turn_in_order),
    TEST(a_task_deferred_by_a_task_waits_for_another_turn),
    TEST(a_cancelled_task_does_not_run),
    TEST(a_host_that_turns_inside_a_task_loses_none),
    TEST(an_idle_client_does_not_keep_the_loop_alive),
    TEST(background_timers_do_not_keep_the_loop_alive),
    TEST(holding_keeps_the_loop_alive),
    TEST(close_reports_once_from_a_later_turn),
    TEST(close_lets_queued_tasks_run_first),
    TEST(close_inside_a_task),
    TEST(close_inside_a_timer_ends_background_timers),
    TEST(close_inside_a_post),
    TEST(posts_made_before_the_close_are_delivered),
    TEST(what_starts_while_closing_fails_with_closed),
    TEST(calls_are_answered_in_every_state_of_closing),
    TEST(a_call_while_the_handles_close_delays_the_report),
    TEST(tasks_deferred_by_the_closed_report_run_later),
    TEST(await_is_refused_in_the_closed_report),
    TEST(late_calls_are_answered_without_memory),
    TEST(late_calls_come_again_and_again),
    TEST(timers_started_after_closing_never_run),
    TEST(a_loop_may_close_without_a_report),
    TEST(futures_outlive_the_closed_client),
    TEST(a_new_loop_without_memory_leaves_nothing),
    TEST(log_lines_are_single_lines),
  };
  return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
