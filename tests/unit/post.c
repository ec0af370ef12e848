/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Other threads: posting to the loop, also while it closes, and what calls from a wrong thread get.
 * Run under ThreadSanitizer as well.
 */
#include <stdatomic.h>
#include <string.h>

#include <daytona/error.h>

#include "core/future.h"
#include "core/memory.h"

#include "support/alloc.h"
#include "support/check.h"
#include "support/stage.h"
#include "support/op.h"

enum { THREADS = 4, POSTS = 2000 };

typedef struct letter {
  int thread, number;
} letter_t;

static stage_t *host;
static letter_t letters[THREADS][POSTS];
static int next_number[THREADS];
static int run_count, all_arrived;
static uv_thread_t loop_thread;

static void on_letter(void *user) {
  const letter_t *letter = user;
  uv_thread_t self = uv_thread_self();
  assert_true(uv_thread_equal(&self, &loop_thread));
  assert_int_equal(letter->number, next_number[letter->thread]);
  next_number[letter->thread]++;
  if (++run_count == THREADS * POSTS) all_arrived = 1;
}

static void post_all(void *user) {
  int thread = (int)(intptr_t)user;
  for (int i = 0; i < POSTS; i++) {
    letters[thread][i] = (letter_t){thread, i};
    if (daytona__loop_post(host->loop, on_letter, &letters[thread][i]) != 0) return;
  }
}

static int setup(void **state) {
  stage_setup(state);
  host = *state;
  memset(next_number, 0, sizeof next_number);
  run_count = all_arrived = 0;
  loop_thread = uv_thread_self();
  return 0;
}

static void threads_start(uv_thread_t *threads, void (*run)(void *user)) {
  for (int i = 0; i < THREADS; i++)
    assert_int_equal(uv_thread_create(&threads[i], run, (void *)(intptr_t)i), 0);
}

static void threads_join(uv_thread_t *threads) {
  for (int i = 0; i < THREADS; i++) uv_thread_join(&threads[i]);
}

static void posts_run_once_on_the_loop_in_each_threads_order(void **state) {
  uv_thread_t threads[THREADS];
  threads_start(threads, post_all);
  stage_until_set(host, &all_arrived);
  threads_join(threads);
  stage_drain(host);
  assert_int_equal(run_count, THREADS * POSTS);
}

static void a_post_does_not_keep_the_loop_alive(void **state) {
  letters[0][0] = (letter_t){0, 0};
  assert_int_equal(daytona__loop_post(host->loop, on_letter, &letters[0][0]), 0);
  assert_int_equal(uv_loop_alive(&host->uv), 0);
  stage_drain(host);
  assert_int_equal(run_count, 0);
}

static void a_post_without_memory_is_refused(void **state) {
  support_alloc_fail_once(1);
  assert_int_equal(daytona__loop_post(host->loop, on_letter, &letters[0][0]), DAYTONA_ENOMEM);
  support_alloc_heal();
  stage_begin_close(host);
  stage_until_set(host, &host->closed_count);
  assert_int_equal(run_count, 0);
}

/* --- racing with the close --------------------------------------------------------------------- */

static atomic_int accepted, refused, started;
static int executed;

static void on_raced(void *user) { executed++; }

static void post_until_closed(void *user) {
  int rc;
  atomic_fetch_add(&started, 1);
  while ((rc = daytona__loop_post(host->loop, on_raced, NULL)) == 0) atomic_fetch_add(&accepted, 1);
  if (rc == DAYTONA_ECLOSED) atomic_fetch_add(&refused, 1);
}

static bool all_started(void *user) { return atomic_load(&started) == THREADS; }

static void every_post_is_run_or_refused_while_closing(void **state) {
  uv_thread_t threads[THREADS];
  atomic_store(&accepted, 0);
  atomic_store(&refused, 0);
  atomic_store(&started, 0);
  executed = 0;
  threads_start(threads, post_until_closed);
  daytona__loop_hold(host->loop);
  stage_until_true(host, all_started, NULL);
  daytona__loop_let_go(host->loop);
  stage_begin_close(host);
  stage_until_set(host, &host->closed_count);
  threads_join(threads);
  assert_int_equal(atomic_load(&refused), THREADS);
  assert_int_equal(executed, atomic_load(&accepted));
}

/* --- awaiting another thread ------------------------------------------------------------------- */

static support_op_t awaited;

static void on_awaited(void *user) { support_op_succeed(&awaited, "from a thread"); }

static void post_result(void *user) { daytona__loop_post(host->loop, on_awaited, NULL); }

static void await_ends_by_a_post(void **state) {
  uv_thread_t thread;
  support_op_start(host, &awaited);
  assert_int_equal(uv_thread_create(&thread, post_result, NULL), 0);
  assert_int_equal(daytona_future_await(awaited.future), 0);
  assert_string_equal(daytona_future_string(awaited.future), "from a thread");
  daytona_future_release(awaited.future);
  uv_thread_join(&thread);
}

static void await_in_post(void *user) {
  assert_int_equal(daytona_future_await(user), DAYTONA_EREENTRANT);
  run_count++;
}

static void await_is_refused_in_posts(void **state) {
  support_op_t op;
  support_op_start(host, &op);
  assert_int_equal(daytona__loop_post(host->loop, await_in_post, op.future), 0);
  daytona__loop_hold(host->loop);
  stage_until_set(host, &run_count);
  daytona__loop_let_go(host->loop);
  support_op_succeed(&op, NULL);
  daytona_future_release(op.future);
}

/* --- wrong threads ----------------------------------------------------------------------------- */

static support_seen_t seen[3];
static int await_code;
static daytona_future_t *made_elsewhere;

static void call_from_here(void *user) {
  made_elsewhere = daytona__future_new(host->loop, 16, "op: ");
  daytona_future_cancel(made_elsewhere);
  daytona_future_release(daytona_future_retain(made_elsewhere));
  await_code = daytona_future_await(made_elsewhere);
  daytona_future_then(made_elsewhere, support_see, &seen[0]);
  daytona_future_t *failed = daytona__future_failed(host->loop, NULL, DAYTONA_EINVAL, "never seen");
  daytona_future_then(daytona_future_deadline(failed, 10), support_see, &seen[1]);
  daytona_future_then(daytona_future_deadline(failed, -7), support_see, &seen[2]);
}

static void run_elsewhere(void (*run)(void *user)) {
  uv_thread_t thread;
  assert_int_equal(uv_thread_create(&thread, run, NULL), 0);
  uv_thread_join(&thread);
}

static bool all_told(void *user) { return seen[0].count + seen[1].count + seen[2].count == 3; }

static void calls_from_a_wrong_thread_fail_on_the_loops_thread(void **state) {
  memset(seen, 0, sizeof seen);
  run_elsewhere(call_from_here);
  assert_int_equal(await_code, DAYTONA_ETHREAD);
  assert_int_equal(seen[0].count, 0);
  daytona__loop_hold(host->loop);
  stage_until_true(host, all_told, NULL);
  daytona__loop_let_go(host->loop);
  for (int i = 0; i < 3; i++) {
    assert_int_equal(seen[i].count, 1);
    assert_int_equal(seen[i].code, DAYTONA_ETHREAD);
    assert_true(uv_thread_equal(&seen[i].thread, &loop_thread));
  }
  assert_true(daytona__future_is_dead(made_elsewhere));
}

static void calls_from_a_wrong_thread_after_the_close_are_told_there(void **state) {
  memset(seen, 0, sizeof seen);
  stage_begin_close(host);
  stage_until_set(host, &host->closed_count);
  run_elsewhere(call_from_here);
  for (int i = 0; i < 3; i++) {
    assert_int_equal(seen[i].count, 1);
    assert_int_equal(seen[i].code, DAYTONA_ETHREAD);
    assert_false(uv_thread_equal(&seen[i].thread, &loop_thread));
  }
}

/* A life of its own on a thread of its own, while the other thread is inside a callback. */
static void live_elsewhere(void *user) {
  uv_loop_t uv;
  daytona__loop_t *loop;
  assert_int_equal(uv_loop_init(&uv), 0);
  assert_int_equal(stage_loop_new(&uv, NULL, NULL, &loop), 0);
  daytona_future_t *future = daytona__future_new(loop, 0, NULL);
  daytona__future_succeed(future);
  await_code = daytona_future_await(future);
  daytona_future_release(future);
  daytona__loop_close(loop, NULL, NULL);
  daytona__loop_release(loop);
  uv_run(&uv, UV_RUN_DEFAULT);
  assert_int_equal(uv_loop_close(&uv), 0);
}

static void start_a_life(daytona_future_t *future, void *user) {
  run_elsewhere(live_elsewhere);
  run_count++;
}

static void a_callback_does_not_stop_another_threads_await(void **state) {
  support_op_t op;
  await_code = DAYTONA_EREENTRANT;
  support_op_start(host, &op);
  support_op_succeed(&op, NULL);
  daytona_future_then(op.future, start_a_life, NULL);
  stage_drain(host);
  assert_int_equal(run_count, 1);
  assert_int_equal(await_code, 0);
}

static void await_real_elsewhere(void *user) { await_code = daytona_future_await(awaited.future); }

static void await_is_refused_on_another_thread(void **state) {
  support_op_start(host, &awaited);
  run_elsewhere(await_real_elsewhere);
  assert_int_equal(await_code, DAYTONA_ETHREAD);
  support_op_succeed(&awaited, NULL);
  daytona_future_release(awaited.future);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, stage_teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
    TEST(posts_run_once_on_the_loop_in_each_threads_order),
    TEST(a_post_does_not_keep_the_loop_alive),
    TEST(a_post_without_memory_is_refused),
    TEST(every_post_is_run_or_refused_while_closing),
    TEST(await_ends_by_a_post),
    TEST(await_is_refused_in_posts),
    TEST(calls_from_a_wrong_thread_fail_on_the_loops_thread),
    TEST(calls_from_a_wrong_thread_after_the_close_are_told_there),
    TEST(a_callback_does_not_stop_another_threads_await),
    TEST(await_is_refused_on_another_thread),
  };
  return cmocka_run_group_tests_name("post", tests, NULL, NULL);
}
