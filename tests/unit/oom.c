/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lack of memory: the response still comes, once, from a later turn, and nothing leaks.
 */
#include <string.h>

#include "core/future.h"
#include "core/limits.h"
#include "core/memory.h"

#include "support/alloc.h"
#include "support/check.h"
#include "support/stage.h"
#include "support/op.h"

static void an_operation_without_memory_fails_from_a_later_turn(void **state) {
  stage_t *host = *state;
  support_seen_t seen = {0};
  support_alloc_fail_from(1);
  daytona_future_t *future = daytona__future_new(host->loop, 100, "op: ");
  assert_true(daytona__future_is_dead(future));
  assert_true(daytona_future_is_settled(future));
  daytona_future_then(future, support_see, &seen);
  assert_int_equal(seen.count, 0);
  stage_drain(host);
  support_alloc_heal();
  assert_int_equal(seen.count, 1);
  assert_int_equal(seen.code, DAYTONA_ENOMEM);
  assert_string_equal(seen.text, "out of memory");
}

static void the_dead_future_takes_everything(void **state) {
  stage_t *host = *state;
  daytona_future_t *dead = daytona__loop_oom_future(host->loop);
  daytona_future_cancel(dead);
  daytona__future_abort(dead, DAYTONA_ECLOSED, "closed");
  daytona__future_set_limit(dead, 1);
  for (int i = 0; i < 3; i++) daytona_future_release(dead);
  assert_ptr_equal(daytona_future_retain(dead), dead);
  assert_int_equal(daytona_future_await(dead), DAYTONA_ENOMEM);
  assert_null(daytona_future_string(dead));
  assert_int_equal(daytona_future_on_settled(dead, NULL, NULL), DAYTONA_EINVAL);
  daytona_future_then(dead, NULL, NULL);
}

static char order[DAYTONA__NOTICES_RESERVED * 4];

static void note(daytona_future_t *future, void *user) { strcat(order, user); }

static void the_reserve_is_used_again(void **state) {
  stage_t *host = *state;
  daytona_future_t *dead = daytona__loop_oom_future(host->loop);
  for (int round = 0; round < 3; round++) {
    order[0] = '\0';
    support_alloc_fail_from(1);
    for (int i = 0; i < DAYTONA__NOTICES_RESERVED; i++)
      assert_int_equal(daytona_future_on_settled(dead, note, "."), 0);
    assert_string_equal(order, "");
    assert_int_equal(daytona_future_on_settled(dead, note, "never"), DAYTONA_ENOMEM);
    daytona_future_then(dead, note, "now"); /* better early than never */
    assert_string_equal(order, "now");
    stage_drain(host);
    support_alloc_heal();
    assert_int_equal(strlen(order), 3 + DAYTONA__NOTICES_RESERVED);
  }
}

static void callback_on_dead(daytona_future_t *future, void *user) {
  int *left = user;
  if (--*left > 0) daytona_future_then(future, callback_on_dead, user);
}

static void a_notice_may_ask_for_another(void **state) {
  stage_t *host = *state;
  int left = DAYTONA__NOTICES_RESERVED * 3;
  support_alloc_fail_from(1);
  daytona_future_then(daytona__loop_oom_future(host->loop), callback_on_dead, &left);
  assert_int_equal(left, DAYTONA__NOTICES_RESERVED * 3);
  stage_turn(host);
  assert_int_equal(left, DAYTONA__NOTICES_RESERVED * 3 - 1);
  stage_drain(host);
  support_alloc_heal();
  assert_int_equal(left, 0);
}

static void the_first_observer_needs_no_memory(void **state) {
  stage_t *host = *state;
  support_op_t op;
  support_seen_t first = {0}, second = {0}, third = {0};
  support_op_start(host, &op);
  support_alloc_fail_from(1);
  assert_int_equal(daytona_future_on_settled(op.future, support_see, &first), 0);
  assert_int_equal(daytona_future_on_settled(op.future, support_see, &second), DAYTONA_ENOMEM);
  daytona_future_retain(op.future);
  daytona_future_then(op.future, support_see, &third);
  assert_int_equal(third.count, 0);
  stage_drain(host);
  assert_int_equal(third.count, 1); /* of another future: this one is pending */
  assert_int_equal(third.code, DAYTONA_ENOMEM);
  assert_ptr_not_equal(third.future, op.future);
  support_op_succeed(&op, NULL);
  stage_drain(host);
  support_alloc_heal();
  assert_int_equal(first.count, 1);
  assert_int_equal(second.count, 0);
  assert_int_equal(third.count, 1);
  daytona_future_release(op.future);
}

static void the_room_of_an_observer_is_used_again(void **state) {
  stage_t *host = *state;
  support_op_t op;
  support_seen_t seen = {0};
  support_op_start(host, &op);
  support_op_succeed(&op, NULL);
  support_alloc_fail_from(1);
  for (int i = 1; i <= 3; i++) {
    assert_int_equal(daytona_future_on_settled(op.future, support_see, &seen), 0);
    stage_drain(host);
    assert_int_equal(seen.count, i);
  }
  support_alloc_heal();
  daytona_future_release(op.future);
}

static void an_error_without_memory_keeps_its_code(void **state) {
  stage_t *host = *state;
  support_op_t op;
  support_seen_t seen = {0};
  support_op_start(host, &op);
  daytona__future_set_limit(op.future, 1);
  while (daytona__arena_alloc(&op.future->arena, 16) != NULL) continue;
  daytona__future_fail(op.future, DAYTONA_ECONFLICT, "%s", "a text for which there is no room");
  op.is_running = false;
  daytona_future_then(op.future, support_see, &seen);
  daytona_future_release(op.future); /* the operation's */
  stage_drain(host);
  assert_int_equal(seen.code, DAYTONA_ECONFLICT);
  assert_string_equal(seen.text, "conflict");
}

/* What a program does in one go: several observers, a failure with a long text, a cancel. */
static void use_futures(void *user) {
  stage_t *host = user;
  support_op_t ops[3];
  support_seen_t seen[6] = {0};
  char text[3000];
  memset(text, 'x', sizeof text);
  text[sizeof text - 1] = '\0';
  for (int i = 0; i < 3; i++) {
    support_op_start(host, &ops[i]);
    daytona_future_then(daytona_future_retain(ops[i].future), support_see, &seen[i]);
    daytona_future_then(daytona_future_retain(ops[i].future), support_see, &seen[i + 3]);
  }
  if (ops[0].is_running) support_op_succeed(&ops[0], "short");
  if (ops[1].is_running) {
    daytona__future_fail(ops[1].future, DAYTONA_EGONE, "%s", text);
    ops[1].is_running = false;
    daytona_future_release(ops[1].future);
  }
  daytona_future_cancel(ops[2].future);
  for (int i = 0; i < 6; i++) assert_int_equal(seen[i].count, 0);
  stage_drain(host);
  for (int i = 0; i < 6; i++) assert_int_equal(seen[i].count, 1);
  static const daytona_errcode_t wanted[3] = {DAYTONA_OK, DAYTONA_EGONE, DAYTONA_ECANCELED};
  for (int i = 0; i < 6; i++)
    if (seen[i].code != DAYTONA_ENOMEM) assert_int_equal(seen[i].code, wanted[i % 3]);
  for (int i = 0; i < 3; i++) daytona_future_release(ops[i].future);
}

static void futures_survive_every_failing_allocation(void **state) {
  support_alloc_sweep(use_futures, *state);
}

static void count_closed(void *user) { ++*(int *)user; }

static void live_and_close(void *user) {
  stage_t *host = user;
  daytona__loop_t *loop;
  if (stage_loop_new(&host->uv, NULL, NULL, &loop) != 0) return;
  stage_t other = {.loop = loop};
  support_op_t op;
  support_seen_t seen[2] = {0};
  int closed = 0;
  support_op_start(&other, &op);
  daytona_future_then(op.future, support_see, &seen[0]);
  daytona__loop_close(loop, count_closed, &closed);
  stage_drain(host);
  assert_int_equal(closed, 1);
  daytona_future_then(daytona__future_failed(loop, NULL, DAYTONA_ECLOSED, "closed"), support_see, &seen[1]);
  assert_int_equal(seen[1].count, 0);
  stage_drain(host);
  assert_int_equal(seen[0].count, 1);
  assert_int_equal(seen[1].count, 1);
  daytona__loop_release(loop);
}

static void a_life_survives_every_failing_allocation(void **state) {
  support_alloc_sweep(live_and_close, *state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, stage_setup, stage_teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
    TEST(an_operation_without_memory_fails_from_a_later_turn),
    TEST(the_dead_future_takes_everything),
    TEST(the_reserve_is_used_again),
    TEST(a_notice_may_ask_for_another),
    TEST(the_first_observer_needs_no_memory),
    TEST(the_room_of_an_observer_is_used_again),
    TEST(an_error_without_memory_keeps_its_code),
    TEST(futures_survive_every_failing_allocation),
    TEST(a_life_survives_every_failing_allocation),
  };
  return cmocka_run_group_tests_name("oom", tests, NULL, NULL);
}
