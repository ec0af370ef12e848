/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Combinators: who wins, who is cancelled, what is taken over, and when it is told.
 */
#include "core/combine.h"

#include <string.h>

#include "core/future.h"
#include "core/memory.h"

#include "support/alloc.h"
#include "support/check.h"
#include "support/stage.h"
#include "support/misuse.h"
#include "support/op.h"

enum { COUNT = 3 };

/* Three operations, the array that combinators want, and what the combination told. */
typedef struct trio {
  stage_t *host;
  support_op_t op[COUNT];
  daytona_future_t *futures[COUNT];
  support_seen_t seen;
} trio_t;

static void trio_start(trio_t *trio, stage_t *host) {
  memset(trio, 0, sizeof *trio);
  trio->host = host;
  for (int i = 0; i < COUNT; i++) {
    support_op_start(host, &trio->op[i]);
    trio->futures[i] = trio->op[i].future;
  }
}

/* End what still runs and give up the members. */
static void trio_end(trio_t *trio) {
  for (int i = 0; i < COUNT; i++) {
    if (trio->op[i].is_running) support_op_succeed(&trio->op[i], NULL);
    daytona_future_release(trio->futures[i]);
  }
}

/* Another reference to each, for a combination to take. */
static daytona_future_t *const *kept(daytona_future_t *const *futures, size_t count) {
  for (size_t i = 0; i < count; i++) daytona_future_retain(futures[i]);
  return futures;
}

static daytona_future_t *watch(trio_t *trio, daytona_future_t *group) {
  assert_int_equal(daytona_future_on_settled(group, support_see, &trio->seen), 0);
  return group;
}

#define ALL(trio) watch(&(trio), daytona__combine_all((trio).host->loop, kept((trio).futures, COUNT), COUNT))
#define ANY(trio) watch(&(trio), daytona__combine_any((trio).host->loop, kept((trio).futures, COUNT), COUNT))
#define RACE(trio) \
  watch(&(trio), daytona__combine_race((trio).host->loop, kept((trio).futures, COUNT), COUNT))

static int stops(const trio_t *trio) {
  int count = 0;
  for (int i = 0; i < COUNT; i++) count += trio->op[i].stop_count;
  return count;
}

/* --- all --------------------------------------------------------------------------------------- */

static void all_waits_for_the_last(void **state) {
  trio_t trio;
  trio_start(&trio, *state);
  daytona_future_t *all = ALL(trio);
  assert_int_equal(daytona_future_member_count(all), COUNT);
  for (int i = COUNT - 1; i >= 0; i--) {
    assert_ptr_equal(daytona_future_member(all, (size_t)i), trio.futures[i]);
    assert_int_equal(trio.seen.count, 0);
    support_op_succeed(&trio.op[i], "text");
    assert_int_equal(trio.seen.count, 0);
    stage_drain(trio.host);
  }
  assert_int_equal(trio.seen.count, 1);
  assert_int_equal(trio.seen.code, DAYTONA_OK);
  assert_null(daytona_future_member(all, COUNT));
  assert_wrong_accessor(daytona_future_string(all));
  assert_int_equal(daytona_future_winner(all), -1);
  trio_end(&trio);
  assert_string_equal(daytona_future_string(daytona_future_member(all, 1)), "text");
  daytona_future_release(all);
}

static void all_fails_with_the_first_failure_and_cancels_nobody(void **state) {
  trio_t trio;
  trio_start(&trio, *state);
  daytona_future_t *all = ALL(trio);
  support_op_fail(&trio.op[2], DAYTONA_EGONE);
  stage_drain(trio.host);
  support_op_fail(&trio.op[0], DAYTONA_ECONFLICT);
  stage_drain(trio.host);
  assert_int_equal(trio.seen.count, 0);
  assert_int_equal(stops(&trio), 0);
  support_op_succeed(&trio.op[1], NULL);
  stage_drain(trio.host);
  assert_int_equal(trio.seen.count, 1);
  assert_int_equal(trio.seen.code, DAYTONA_EGONE);
  assert_string_equal(trio.seen.text, "op: gone");
  daytona_future_release(all);
  trio_end(&trio);
}

static void error_of_a_combination_outlives_its_member(void **state) {
  trio_t trio;
  trio_start(&trio, *state);
  daytona_future_t *bound = daytona_future_deadline(daytona_future_retain(trio.futures[0]), 1000);
  support_op_fail(&trio.op[0], DAYTONA_EGONE);
  stage_drain(trio.host);
  assert_ptr_not_equal(daytona_future_error(bound), daytona_future_error(trio.futures[0]));
  trio_end(&trio);
  assert_string_equal(daytona_future_error(bound)->message, "op: gone");
  daytona_future_release(bound);
}

static void all_of_nothing_succeeds_from_a_later_turn(void **state) {
  stage_t *host = *state;
  support_seen_t seen = {0};
  daytona_future_t *all = daytona__combine_all(host->loop, NULL, 0);
  assert_false(daytona_future_is_settled(all));
  daytona_future_then(all, support_see, &seen);
  assert_int_equal(seen.count, 0);
  stage_drain(host);
  assert_int_equal(seen.count, 1);
  assert_int_equal(seen.code, DAYTONA_OK);
}

static void cancelling_a_combination_cancels_its_pending_members(void **state) {
  trio_t trio;
  trio_start(&trio, *state);
  daytona_future_t *all = ALL(trio);
  support_op_succeed(&trio.op[1], NULL);
  daytona_future_cancel(all);
  assert_int_equal(trio.seen.count, 0);
  stage_drain(trio.host);
  assert_int_equal(trio.seen.count, 1);
  assert_int_equal(trio.seen.code, DAYTONA_ECANCELED);
  assert_int_equal(trio.op[0].stop_count, 1);
  assert_int_equal(trio.op[1].stop_count, 0);
  assert_int_equal(trio.op[2].stop_count, 1);
  assert_int_equal(daytona_future_code(trio.futures[0]), DAYTONA_ECANCELED);
  assert_int_equal(daytona_future_code(trio.futures[1]), DAYTONA_OK);
  daytona_future_release(all);
  trio_end(&trio);
}

/* --- any and race ------------------------------------------------------------------------------ */

static void any_takes_the_first_success_and_cancels_the_rest(void **state) {
  trio_t trio;
  trio_start(&trio, *state);
  daytona_future_t *any = ANY(trio);
  support_op_fail(&trio.op[0], DAYTONA_EGONE);
  stage_drain(trio.host);
  assert_int_equal(trio.seen.count, 0);
  assert_int_equal(stops(&trio), 0);
  support_op_succeed(&trio.op[2], "winner");
  stage_turn(trio.host);
  assert_int_equal(daytona_future_winner(any), -1); /* decided, not yet told */
  stage_drain(trio.host);
  assert_int_equal(trio.seen.count, 1);
  assert_string_equal(trio.seen.text, "winner");
  assert_int_equal(daytona_future_winner(any), 2);
  assert_int_equal(trio.op[1].stop_count, 1);
  trio_end(&trio);
  assert_string_equal(daytona_future_string(any), "winner");
  daytona_future_release(any);
}

static void any_fails_with_the_last_failure(void **state) {
  trio_t trio;
  trio_start(&trio, *state);
  daytona_future_t *any = ANY(trio);
  support_op_fail(&trio.op[1], DAYTONA_EGONE);
  support_op_fail(&trio.op[0], DAYTONA_EAUTH);
  stage_drain(trio.host);
  support_op_fail(&trio.op[2], DAYTONA_ECONFLICT);
  stage_drain(trio.host);
  assert_int_equal(trio.seen.count, 1);
  assert_int_equal(trio.seen.code, DAYTONA_ECONFLICT);
  assert_int_equal(daytona_future_winner(any), -1);
  daytona_future_release(any);
  trio_end(&trio);
}

static void race_takes_a_failure_too(void **state) {
  trio_t trio;
  trio_start(&trio, *state);
  daytona_future_t *race = RACE(trio);
  support_op_fail(&trio.op[1], DAYTONA_EGONE);
  stage_drain(trio.host);
  assert_int_equal(trio.seen.count, 1);
  assert_int_equal(trio.seen.code, DAYTONA_EGONE);
  assert_int_equal(daytona_future_winner(race), 1);
  assert_int_equal(stops(&trio), 2);
  daytona_future_release(race);
  trio_end(&trio);
}

static void race_between_outcomes_of_one_turn_goes_to_the_earlier(void **state) {
  trio_t trio;
  trio_start(&trio, *state);
  daytona_future_t *race = RACE(trio);
  support_op_succeed(&trio.op[2], "first");
  support_op_succeed(&trio.op[0], "second");
  stage_drain(trio.host);
  assert_string_equal(trio.seen.text, "first");
  assert_int_equal(daytona_future_winner(race), 2);
  daytona_future_release(race);
  trio_end(&trio);
}

static void choosing_among_nothing_fails(void **state) {
  stage_t *host = *state;
  support_seen_t seen[2] = {0};
  daytona_future_then(daytona__combine_any(host->loop, NULL, 0), support_see, &seen[0]);
  daytona_future_then(daytona__combine_race(host->loop, NULL, 0), support_see, &seen[1]);
  stage_drain(host);
  for (int i = 0; i < 2; i++) {
    assert_int_equal(seen[i].count, 1);
    assert_int_equal(seen[i].code, DAYTONA_EINVAL);
  }
}

/* --- members ----------------------------------------------------------------------------------- */

static void members_may_have_settled_before(void **state) {
  trio_t trio;
  trio_start(&trio, *state);
  for (int i = 0; i < COUNT; i++) support_op_succeed(&trio.op[i], "done");
  stage_drain(trio.host);
  support_seen_t seen[3] = {0};
  daytona_future_then(daytona__combine_all(trio.host->loop, kept(trio.futures, COUNT), COUNT), support_see,
                      &seen[0]);
  daytona_future_then(daytona__combine_any(trio.host->loop, kept(trio.futures, COUNT), COUNT), support_see,
                      &seen[1]);
  daytona_future_then(daytona__combine_race(trio.host->loop, kept(trio.futures, COUNT), COUNT), support_see,
                      &seen[2]);
  assert_int_equal(seen[0].count + seen[1].count + seen[2].count, 0);
  stage_drain(trio.host);
  for (int i = 0; i < 3; i++) {
    assert_int_equal(seen[i].count, 1);
    assert_int_equal(seen[i].code, DAYTONA_OK);
  }
  assert_string_equal(seen[1].text, "done");
  trio_end(&trio);
}

static void the_same_future_may_be_a_member_twice(void **state) {
  trio_t trio;
  trio_start(&trio, *state);
  daytona_future_t *twice[2] = {trio.futures[0], trio.futures[0]};
  support_seen_t seen[2] = {0};
  daytona_future_then(daytona__combine_all(trio.host->loop, kept(twice, 2), 2), support_see, &seen[0]);
  daytona_future_t *any = daytona__combine_any(trio.host->loop, kept(twice, 2), 2);
  daytona_future_on_settled(any, support_see, &seen[1]);
  support_op_succeed(&trio.op[0], "both");
  stage_drain(trio.host);
  assert_int_equal(seen[0].count, 1);
  assert_string_equal(seen[1].text, "both");
  assert_int_equal(daytona_future_winner(any), 0);
  assert_ptr_equal(daytona_future_member(any, 1), trio.futures[0]);
  assert_null(daytona_future_member(any, 2));
  daytona_future_release(any);
  trio_end(&trio);
}

static void combinations_nest_and_pass_the_result_on(void **state) {
  trio_t trio;
  trio_start(&trio, *state);
  daytona_future_t *inner = daytona__combine_any(trio.host->loop, kept(trio.futures, 2), 2);
  daytona_future_t *bound = daytona_future_deadline(daytona_future_retain(inner), 60000);
  daytona_future_t *pair[2] = {bound, trio.futures[2]};
  daytona_future_t *outer = watch(&trio, daytona__combine_race(trio.host->loop, kept(pair, 2), 2));
  daytona_future_release(inner);
  daytona_future_release(bound);
  support_op_succeed(&trio.op[1], "deep");
  stage_drain(trio.host);
  assert_string_equal(trio.seen.text, "deep");
  assert_int_equal(trio.op[0].stop_count, 1);
  assert_int_equal(trio.op[2].stop_count, 1);
  trio_end(&trio);
  assert_string_equal(daytona_future_string(outer), "deep");
  daytona_future_release(outer);
}

static void cancelling_the_outer_reaches_the_innermost(void **state) {
  trio_t trio;
  trio_start(&trio, *state);
  daytona_future_t *inner = daytona__combine_all(trio.host->loop, kept(trio.futures, COUNT), COUNT);
  daytona_future_t *outer = watch(&trio, daytona__combine_all(trio.host->loop, kept(&inner, 1), 1));
  daytona_future_release(inner);
  daytona_future_cancel(outer);
  assert_int_equal(stops(&trio), COUNT);
  stage_drain(trio.host);
  assert_int_equal(trio.seen.code, DAYTONA_ECANCELED);
  daytona_future_release(outer);
  trio_end(&trio);
}

static int drop_count;

static void count_drop(void *result) { drop_count++; }

static const daytona__type_t type_counted = {"counted", count_drop};

static void a_result_taken_over_is_dropped_once(void **state) {
  stage_t *host = *state;
  drop_count = 0;
  daytona_future_t *member = daytona__future_new(host->loop, 0, NULL);
  daytona_future_t *race = daytona__combine_race(host->loop, kept(&member, 1), 1);
  daytona_future_t *bound = daytona_future_deadline(daytona_future_retain(race), 1000);
  daytona__future_resolve(member, &type_counted, &drop_count);
  daytona_future_release(member);
  daytona_future_release(race);
  stage_drain(host);
  assert_ptr_equal(daytona__future_result(bound, &type_counted), &drop_count);
  assert_int_equal(drop_count, 0);
  daytona_future_release(bound);
  assert_int_equal(drop_count, 1);
}

static void a_released_combination_goes_on(void **state) {
  trio_t trio;
  trio_start(&trio, *state);
  daytona_future_release(ANY(trio));
  stage_drain(trio.host);
  assert_int_equal(stops(&trio), 0);
  support_op_succeed(&trio.op[0], "alone");
  stage_drain(trio.host);
  assert_int_equal(trio.seen.count, 1);
  assert_string_equal(trio.seen.text, "alone");
  assert_int_equal(stops(&trio), 2);
  trio_end(&trio);
}

static void members_must_exist_and_share_the_loop(void **state) {
  trio_t trio;
  trio_start(&trio, *state);
  uv_loop_t other_uv;
  daytona__loop_t *other;
  assert_int_equal(uv_loop_init(&other_uv), 0);
  assert_int_equal(stage_loop_new(&other_uv, NULL, NULL, &other), 0);
  daytona_future_t *foreign = daytona__future_new(other, 0, NULL);
  daytona_future_t *lists[2][2] = {{trio.futures[0], NULL}, {trio.futures[0], foreign}};
  support_seen_t seen[3] = {0};
  daytona_future_then(daytona__combine_all(trio.host->loop, kept(lists[0], 2), 2), support_see, &seen[0]);
  daytona_future_then(daytona__combine_any(trio.host->loop, kept(lists[1], 2), 2), support_see, &seen[1]);
  daytona_future_then(daytona__combine_race(trio.host->loop, NULL, 2), support_see, &seen[2]);
  stage_drain(trio.host);
  for (int i = 0; i < 3; i++) {
    assert_int_equal(seen[i].count, 1);
    assert_int_equal(seen[i].code, DAYTONA_EINVAL);
  }
  assert_int_equal(stops(&trio), 0);
  daytona_future_release(foreign);
  daytona__loop_close(other, NULL, NULL);
  uv_run(&other_uv, UV_RUN_DEFAULT);
  daytona__loop_release(other);
  assert_int_equal(uv_loop_close(&other_uv), 0);
  trio_end(&trio);
}

/* A call without its client has a future of no loop at all. */
static void member_of_no_loop_is_refused(void **state) {
  trio_t trio;
  trio_start(&trio, *state);
  daytona_future_t *list[2] = {trio.futures[0], daytona__future_orphan()};
  support_seen_t seen[3] = {0};
  daytona_future_then(daytona__combine_all(trio.host->loop, kept(list, 2), 2), support_see, &seen[0]);
  daytona_future_then(daytona__combine_any(trio.host->loop, kept(list, 2), 2), support_see, &seen[1]);
  daytona_future_then(daytona__combine_race(trio.host->loop, kept(list, 2), 2), support_see, &seen[2]);
  stage_drain(trio.host);
  for (int i = 0; i < 3; i++) {
    assert_int_equal(seen[i].count, 1);
    assert_int_equal(seen[i].code, DAYTONA_EINVAL);
  }
  assert_int_equal(stops(&trio), 0);
  trio_end(&trio);
}

static void members_may_be_of_another_client(void **state) {
  trio_t trio;
  trio_start(&trio, *state);
  daytona__loop_t *second;
  assert_int_equal(stage_loop_new(&trio.host->uv, NULL, NULL, &second), 0);
  daytona_future_t *all = watch(&trio, daytona__combine_all(second, kept(trio.futures, COUNT), COUNT));
  daytona__loop_close(second, NULL, NULL);
  stage_drain(trio.host);
  assert_true(daytona__loop_is_closed(second));
  assert_int_equal(trio.seen.code, DAYTONA_ECLOSED);
  assert_int_equal(stops(&trio), COUNT);
  daytona_future_release(all);
  daytona__loop_release(second);
  trio_end(&trio);
}

static void members_without_memory_count_as_failed(void **state) {
  trio_t trio;
  trio_start(&trio, *state);
  support_alloc_fail_from(1);
  daytona_future_t *dead = daytona__future_new(trio.host->loop, 0, NULL);
  support_alloc_heal();
  assert_true(daytona__future_is_dead(dead));
  daytona_future_t *pair[2] = {dead, trio.futures[0]};
  support_seen_t seen[4] = {0};
  daytona_future_then(daytona__combine_any(trio.host->loop, kept(pair, 2), 2), support_see, &seen[0]);
  daytona_future_then(daytona__combine_all(trio.host->loop, kept(pair, 2), 2), support_see, &seen[1]);
  daytona_future_then(daytona_future_deadline(daytona_future_retain(dead), 10), support_see, &seen[2]);
  stage_drain(trio.host);
  assert_int_equal(seen[0].count + seen[1].count, 0);
  assert_int_equal(seen[2].code, DAYTONA_ENOMEM);
  support_op_succeed(&trio.op[0], "alive");
  daytona_future_then(daytona__combine_race(trio.host->loop, kept(pair, 2), 2), support_see, &seen[3]);
  stage_drain(trio.host);
  assert_string_equal(seen[0].text, "alive");
  assert_int_equal(seen[1].code, DAYTONA_ENOMEM);
  for (int i = 0; i < 4; i++) assert_int_equal(seen[i].count, 1);
  trio_end(&trio);
}

/* --- callbacks --------------------------------------------------------------------------------- */

static void cancel_user(daytona_future_t *future, void *user) { daytona_future_cancel(user); }

static void a_members_callback_may_cancel_the_combination(void **state) {
  trio_t trio;
  trio_start(&trio, *state);
  daytona_future_t *all = daytona__combine_all(trio.host->loop, kept(trio.futures, COUNT), COUNT);
  daytona_future_on_settled(all, support_see, &trio.seen);
  daytona_future_on_settled(trio.futures[0], cancel_user, all);
  support_op_succeed(&trio.op[0], NULL);
  stage_drain(trio.host);
  assert_int_equal(trio.seen.count, 1);
  assert_int_equal(trio.seen.code, DAYTONA_ECANCELED);
  assert_int_equal(stops(&trio), 2);
  daytona_future_release(all);
  trio_end(&trio);
}

static void release_user(daytona_future_t *future, void *user) { daytona_future_release(user); }

static void a_members_callback_may_release_the_combination(void **state) {
  trio_t trio;
  trio_start(&trio, *state);
  daytona_future_t *race = daytona__combine_race(trio.host->loop, kept(trio.futures, COUNT), COUNT);
  daytona_future_on_settled(trio.futures[0], release_user, race);
  support_op_succeed(&trio.op[0], NULL);
  trio_end(&trio);
  stage_drain(trio.host);
  assert_int_equal(stops(&trio), 0); /* trio_end() came first */
}

static support_op_t *last_op;

static void end_last(daytona_future_t *future) { support_op_succeed(last_op, "from a stop"); }

static void a_losers_stop_may_settle_other_members(void **state) {
  trio_t trio;
  trio_start(&trio, *state);
  daytona_future_t *member = daytona__future_new(trio.host->loop, 0, NULL);
  member->stop = end_last;
  last_op = &trio.op[1];
  daytona_future_t *list[3] = {trio.futures[0], member, trio.futures[1]};
  daytona_future_t *any = watch(&trio, daytona__combine_any(trio.host->loop, kept(list, 3), 3));
  daytona_future_release(member);
  support_op_succeed(&trio.op[0], "winner");
  stage_drain(trio.host);
  assert_string_equal(trio.seen.text, "winner");
  assert_int_equal(daytona_future_code(daytona_future_member(any, 1)), DAYTONA_ECANCELED);
  assert_string_equal(daytona_future_string(trio.futures[1]), "from a stop");
  daytona_future_release(any);
  trio_end(&trio);
}

/* --- deadlines --------------------------------------------------------------------------------- */

static void deadline_cancels_an_operation_that_is_late(void **state) {
  trio_t trio;
  trio_start(&trio, *state);
  daytona_future_t *bound =
    watch(&trio, daytona_future_deadline(daytona_future_retain(trio.futures[0]), 3600000));
  assert_int_equal(daytona_future_member_count(bound), 1);
  assert_ptr_equal(daytona_future_member(bound, 0), trio.futures[0]);
  daytona__loop_advance(trio.host->loop, 3500000);
  for (int i = 0; i < 5; i++) stage_turn(trio.host);
  assert_int_equal(trio.seen.count, 0);
  daytona__loop_advance(trio.host->loop, 100000);
  stage_drain(trio.host);
  assert_int_equal(trio.seen.count, 1);
  assert_int_equal(trio.seen.code, DAYTONA_EDEADLINE);
  assert_string_equal(trio.seen.text, "op: not finished within 3600000 ms");
  assert_int_equal(trio.op[0].stop_count, 1);
  assert_int_equal(daytona_future_code(trio.futures[0]), DAYTONA_ECANCELED);
  assert_int_equal(daytona_future_winner(bound), -1);
  daytona_future_release(bound);
  trio_end(&trio);
}

static void deadline_passes_the_result_on_and_stops_its_timer(void **state) {
  trio_t trio;
  trio_start(&trio, *state);
  daytona_future_t *bound =
    watch(&trio, daytona_future_deadline(daytona_future_retain(trio.futures[0]), 60000));
  support_op_succeed(&trio.op[0], "in time");
  stage_drain(trio.host); /* would wait a minute if the timer still ran */
  assert_string_equal(trio.seen.text, "in time");
  assert_string_equal(daytona_future_string(bound), "in time");
  assert_int_equal(daytona_future_winner(bound), 0);
  daytona__loop_advance(trio.host->loop, 100000);
  stage_drain(trio.host);
  assert_int_equal(trio.seen.count, 1);
  daytona_future_release(bound);
  trio_end(&trio);
}

static void deadline_of_zero_fires_from_a_later_turn(void **state) {
  trio_t trio;
  trio_start(&trio, *state);
  daytona_future_t *bound = watch(&trio, daytona_future_deadline(daytona_future_retain(trio.futures[0]), 0));
  assert_int_equal(trio.seen.count, 0);
  stage_drain(trio.host);
  assert_int_equal(trio.seen.code, DAYTONA_EDEADLINE);
  daytona_future_release(bound);
  trio_end(&trio);
}

static void deadline_never_beats_an_outcome_that_is_known(void **state) {
  trio_t trio;
  trio_start(&trio, *state);
  support_seen_t seen[2] = {0};
  daytona_future_then(daytona_future_deadline(daytona_future_retain(trio.futures[0]), 5), support_see,
                      &seen[0]);
  support_op_succeed(&trio.op[0], "known");
  daytona_future_then(daytona_future_deadline(daytona_future_retain(trio.futures[0]), 0), support_see,
                      &seen[1]);
  daytona__loop_advance(trio.host->loop, 1000); /* both are over before anyone is told */
  stage_drain(trio.host);
  for (int i = 0; i < 2; i++) {
    assert_int_equal(seen[i].count, 1);
    assert_string_equal(seen[i].text, "known");
  }
  trio_end(&trio);
}

static void no_timeout_means_no_bound(void **state) {
  trio_t trio;
  trio_start(&trio, *state);
  daytona_future_t *bound =
    watch(&trio, daytona_future_deadline(daytona_future_retain(trio.futures[0]), DAYTONA_NO_TIMEOUT));
  assert_int_equal(uv_loop_alive(&trio.host->uv), 0);
  daytona__loop_advance(trio.host->loop, INT64_C(1) << 40);
  stage_drain(trio.host);
  assert_int_equal(trio.seen.count, 0);
  support_op_succeed(&trio.op[0], "at last");
  stage_drain(trio.host);
  assert_string_equal(trio.seen.text, "at last");
  daytona_future_release(bound);
  trio_end(&trio);
}

static void longest_timeout_is_far_away(void **state) {
  trio_t trio;
  trio_start(&trio, *state);
  daytona_future_t *bound =
    watch(&trio, daytona_future_deadline(daytona_future_retain(trio.futures[0]), INT64_MAX));
  for (int i = 0; i < 3; i++) stage_turn(trio.host);
  assert_int_equal(trio.seen.count, 0);
  daytona_future_cancel(bound);
  stage_drain(trio.host);
  assert_int_equal(trio.seen.code, DAYTONA_ECANCELED);
  daytona_future_release(bound);
  trio_end(&trio);
}

static void negative_timeout_is_an_error_and_leaves_the_operation(void **state) {
  trio_t trio;
  trio_start(&trio, *state);
  daytona_future_then(daytona_future_deadline(daytona_future_retain(trio.futures[0]), -2), support_see,
                      &trio.seen);
  stage_drain(trio.host);
  assert_int_equal(trio.seen.code, DAYTONA_EINVAL);
  assert_int_equal(stops(&trio), 0);
  trio_end(&trio);
}

static void cancelling_a_deadline_stops_timer_and_operation(void **state) {
  trio_t trio;
  trio_start(&trio, *state);
  daytona_future_t *bound =
    watch(&trio, daytona_future_deadline(daytona_future_retain(trio.futures[0]), 60000));
  daytona_future_cancel(bound);
  stage_drain(trio.host);
  assert_int_equal(trio.seen.count, 1);
  assert_int_equal(trio.seen.code, DAYTONA_ECANCELED);
  assert_int_equal(trio.op[0].stop_count, 1);
  daytona_future_release(bound);
  trio_end(&trio);
}

static void cancelling_the_operation_settles_its_deadline(void **state) {
  trio_t trio;
  trio_start(&trio, *state);
  daytona_future_t *bound =
    watch(&trio, daytona_future_deadline(daytona_future_retain(trio.futures[0]), 60000));
  daytona_future_cancel(trio.futures[0]);
  stage_drain(trio.host);
  assert_int_equal(trio.seen.code, DAYTONA_ECANCELED);
  daytona_future_release(bound);
  trio_end(&trio);
}

/* --- memory ------------------------------------------------------------------------------------ */

/* Whatever fails: one report for the combination, and the members are left to their owner. */
static void combine_without_memory(void *user) {
  trio_t trio;
  trio_start(&trio, user);
  bool is_started = true;
  for (int i = 0; i < COUNT; i++) is_started = is_started && trio.op[i].is_running;
  daytona_future_t *groups[4] = {
    daytona__combine_all(trio.host->loop, kept(trio.futures, COUNT), COUNT),
    daytona__combine_any(trio.host->loop, kept(trio.futures, COUNT), COUNT),
    daytona__combine_race(trio.host->loop, kept(trio.futures, COUNT), COUNT),
    daytona_future_deadline(daytona_future_retain(trio.futures[0]), 1000),
  };
  support_seen_t seen[4] = {0};
  for (int i = 0; i < 4; i++) daytona_future_then(groups[i], support_see, &seen[i]);
  for (int i = 0; i < 4; i++) assert_int_equal(seen[i].count, 0);
  if (is_started) assert_int_equal(stops(&trio), 0);
  for (int i = 0; i < COUNT; i++)
    if (trio.op[i].is_running) support_op_succeed(&trio.op[i], NULL);
  stage_drain(trio.host);
  for (int i = 0; i < 4; i++) {
    assert_int_equal(seen[i].count, 1);
    if (seen[i].code != DAYTONA_OK) assert_int_equal(seen[i].code, DAYTONA_ENOMEM);
  }
  trio_end(&trio);
}

static void combinations_survive_every_failing_allocation(void **state) {
  support_alloc_sweep(combine_without_memory, *state);
}

static void many_members_settle_together(void **state) {
  stage_t *host = *state;
  enum { MANY = 5000 };
  static daytona_future_t *futures[MANY];
  support_seen_t seen = {0};
  for (int i = 0; i < MANY; i++) futures[i] = daytona__future_new(host->loop, 0, NULL);
  daytona_future_then(daytona__combine_all(host->loop, kept(futures, MANY), MANY), support_see, &seen);
  for (int i = 0; i < MANY; i++) {
    daytona__future_succeed(futures[i]);
    daytona_future_release(futures[i]);
  }
  stage_drain(host);
  assert_int_equal(seen.count, 1);
  assert_int_equal(seen.code, DAYTONA_OK);
}

/* --- ownership --------------------------------------------------------------------------------- */

/* The obvious line: nobody keeps the member, and nothing is left of it. Members that are bad are taken, too. */
static void members_are_taken_also_when_there_is_no_combination(void **state) {
  stage_t *host = *state;
  support_seen_t seen[5] = {0};
  daytona_future_t *member[5];
  for (int i = 0; i < 5; i++) {
    member[i] = daytona__future_new(host->loop, 0, NULL);
    member[i]->refs++; /* seen from here only */
  }
  daytona_future_t *hole[2] = {member[3], NULL};
  daytona_future_then(daytona_future_deadline(member[0], 300), support_see, &seen[0]);
  daytona_future_then(daytona_future_deadline(member[1], -9), support_see, &seen[1]);
  daytona_future_then(daytona__combine_all(NULL, &member[2], 1), support_see, &seen[2]);
  daytona_future_then(daytona__combine_race(host->loop, hole, 2), support_see, &seen[3]);
  support_alloc_fail_from(1);
  daytona_future_then(daytona__combine_any(host->loop, &member[4], 1), support_see, &seen[4]);
  support_alloc_heal();
  for (int i = 1; i < 5; i++) assert_int_equal(member[i]->refs, 1);
  for (int i = 0; i < 5; i++) daytona__future_succeed(member[i]);
  stage_drain(host);
  assert_int_equal(member[0]->refs, 1);
  for (int i = 0; i < 5; i++) {
    static const daytona_errcode_t codes[] = {DAYTONA_OK, DAYTONA_EINVAL, DAYTONA_EINVAL, DAYTONA_EINVAL,
                                              DAYTONA_ENOMEM};
    assert_int_equal(seen[i].count, 1);
    assert_int_equal(seen[i].code, codes[i]);
    daytona_future_release(member[i]);
  }
}

/* --- pausing ----------------------------------------------------------------------------------- */

static int pauses, resumes;

static int on_pause(daytona_future_t *future) {
  pauses++;
  return 0;
}

static int on_resume(daytona_future_t *future) {
  resumes++;
  return 0;
}

static const daytona__op_kind_t stream_kind = {.name = "stream", .pause = on_pause, .resume = on_resume};

static void pause_reaches_what_can_be_paused_through_combinations(void **state) {
  trio_t trio;
  trio_start(&trio, *state);
  assert_int_equal(daytona_future_pause(NULL), DAYTONA_EINVAL);
  assert_int_equal(daytona_future_resume(trio.futures[0]), DAYTONA_EINVAL); /* a plain operation */
  daytona_future_t *all = ALL(trio);
  assert_int_equal(daytona_future_pause(all), DAYTONA_EINVAL); /* nobody in it can be paused */
  trio.futures[1]->op_kind = trio.futures[2]->op_kind = &stream_kind;
  daytona_future_t *bound = daytona_future_deadline(daytona_future_retain(all), 1000);
  pauses = resumes = 0;
  assert_int_equal(daytona_future_pause(bound), 0);
  assert_int_equal(pauses, 2);
  support_op_succeed(&trio.op[1], NULL);
  assert_int_equal(daytona_future_resume(bound), 0);
  assert_int_equal(resumes, 1);
  support_op_succeed(&trio.op[2], NULL);
  assert_int_equal(daytona_future_resume(bound), DAYTONA_EINVAL);
  support_op_succeed(&trio.op[0], NULL);
  stage_drain(trio.host);
  assert_int_equal(daytona_future_pause(bound), DAYTONA_EINVAL); /* it has settled */
  trio_end(&trio);
  daytona_future_release(all);
  daytona_future_release(bound);
}

static void a_pause_does_not_stop_a_deadline(void **state) {
  trio_t trio;
  trio_start(&trio, *state);
  trio.futures[0]->op_kind = &stream_kind;
  daytona_future_t *bound =
    watch(&trio, daytona_future_deadline(daytona_future_retain(trio.futures[0]), 1000));
  assert_int_equal(daytona_future_pause(bound), 0);
  daytona__loop_advance(trio.host->loop, 2000);
  stage_drain(trio.host);
  assert_int_equal(trio.seen.code, DAYTONA_EDEADLINE);
  assert_int_equal(trio.op[0].stop_count, 1);
  daytona_future_release(bound);
  trio_end(&trio);
}

static void paused_on_another_thread(void *user) {
  daytona_future_t *future = user;
  assert_int_equal(daytona_future_pause(future), DAYTONA_ETHREAD);
}

static void pause_belongs_to_the_loops_thread(void **state) {
  trio_t trio;
  uv_thread_t thread;
  trio_start(&trio, *state);
  trio.futures[0]->op_kind = &stream_kind;
  pauses = 0;
  assert_int_equal(uv_thread_create(&thread, paused_on_another_thread, trio.futures[0]), 0);
  uv_thread_join(&thread);
  assert_int_equal(pauses, 0);
  trio_end(&trio);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, stage_setup, stage_teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
    TEST(all_waits_for_the_last),
    TEST(all_fails_with_the_first_failure_and_cancels_nobody),
    TEST(error_of_a_combination_outlives_its_member),
    TEST(all_of_nothing_succeeds_from_a_later_turn),
    TEST(cancelling_a_combination_cancels_its_pending_members),
    TEST(any_takes_the_first_success_and_cancels_the_rest),
    TEST(any_fails_with_the_last_failure),
    TEST(race_takes_a_failure_too),
    TEST(race_between_outcomes_of_one_turn_goes_to_the_earlier),
    TEST(choosing_among_nothing_fails),
    TEST(members_may_have_settled_before),
    TEST(the_same_future_may_be_a_member_twice),
    TEST(combinations_nest_and_pass_the_result_on),
    TEST(cancelling_the_outer_reaches_the_innermost),
    TEST(a_result_taken_over_is_dropped_once),
    TEST(a_released_combination_goes_on),
    TEST(members_must_exist_and_share_the_loop),
    TEST(member_of_no_loop_is_refused),
    TEST(members_may_be_of_another_client),
    TEST(members_without_memory_count_as_failed),
    TEST(a_members_callback_may_cancel_the_combination),
    TEST(a_members_callback_may_release_the_combination),
    TEST(a_losers_stop_may_settle_other_members),
    TEST(deadline_cancels_an_operation_that_is_late),
    TEST(deadline_passes_the_result_on_and_stops_its_timer),
    TEST(deadline_of_zero_fires_from_a_later_turn),
    TEST(deadline_never_beats_an_outcome_that_is_known),
    TEST(no_timeout_means_no_bound),
    TEST(longest_timeout_is_far_away),
    TEST(negative_timeout_is_an_error_and_leaves_the_operation),
    TEST(cancelling_a_deadline_stops_timer_and_operation),
    TEST(cancelling_the_operation_settles_its_deadline),
    TEST(combinations_survive_every_failing_allocation),
    TEST(many_members_settle_together),
    TEST(members_are_taken_also_when_there_is_no_combination),
    TEST(pause_reaches_what_can_be_paused_through_combinations),
    TEST(a_pause_does_not_stop_a_deadline),
    TEST(pause_belongs_to_the_loops_thread),
  };
  return cmocka_run_group_tests_name("group", tests, NULL, NULL);
}
