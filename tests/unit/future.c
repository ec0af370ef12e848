/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Futures: one completion, from a later turn, whatever callers do meanwhile.
 * A test per promise of <daytona/future.h>; memory and threads have files of their own.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/future.h"
#include "core/memory.h"

#include "support/alloc.h"
#include "support/check.h"
#include "support/stage.h"
#include "support/op.h"

/* Callbacks in the order in which they came: one letter each. */
static char order[64];

static void note(daytona_future_t *future, void *user) { strcat(order, user); }

static int setup(void **state) {
  order[0] = '\0';
  return stage_setup(state);
}

static void settles_from_a_later_turn(void **state) {
  stage_t *host = *state;
  support_op_t op;
  support_seen_t seen = {0};
  support_op_start(host, &op);
  assert_int_equal(daytona_future_on_settled(op.future, support_see, &seen), 0);
  support_op_succeed(&op, "value");
  assert_int_equal(seen.count, 0);
  assert_false(daytona_future_is_settled(op.future));
  assert_null(daytona_future_string(op.future));
  stage_turn(host);
  assert_int_equal(seen.count, 1);
  assert_string_equal(seen.text, "value");
  assert_ptr_equal(seen.future, op.future);
  stage_drain(host);
  assert_int_equal(seen.count, 1);
  daytona_future_release(op.future);
}

static void failure_shows_only_once_settled(void **state) {
  stage_t *host = *state;
  support_op_t op;
  support_op_start(host, &op);
  assert_null(daytona_future_error(op.future));
  assert_int_equal(daytona_future_code(op.future), DAYTONA_OK);
  support_op_fail(&op, DAYTONA_ECONFLICT);
  assert_null(daytona_future_error(op.future));
  assert_int_equal(daytona_future_code(op.future), DAYTONA_OK);
  stage_drain(host);
  assert_int_equal(daytona_future_code(op.future), DAYTONA_ECONFLICT);
  assert_string_equal(daytona_future_error(op.future)->message, "op: conflict");
  assert_int_equal(daytona_future_error(op.future)->retry_after_ms, -1);
  daytona_future_release(op.future);
}

static void settles_without_any_callback(void **state) {
  stage_t *host = *state;
  support_op_t op;
  support_op_start(host, &op);
  support_op_succeed(&op, NULL);
  stage_drain(host);
  assert_true(daytona_future_is_settled(op.future));
  assert_null(daytona_future_error(op.future));
  daytona_future_release(op.future);
}

static void tells_observers_in_order_of_registration(void **state) {
  stage_t *host = *state;
  support_op_t op;
  support_op_start(host, &op);
  daytona_future_on_settled(op.future, note, "a");
  daytona_future_on_settled(op.future, note, "b");
  support_op_succeed(&op, NULL);
  daytona_future_on_settled(op.future, note, "c");
  daytona_future_then(op.future, note, "d");
  assert_string_equal(order, "");
  stage_drain(host);
  assert_string_equal(order, "abcd");
}

static void tells_late_observers_from_a_later_turn(void **state) {
  stage_t *host = *state;
  support_op_t op;
  support_op_start(host, &op);
  support_op_succeed(&op, NULL);
  stage_drain(host);
  daytona_future_on_settled(op.future, note, "a");
  daytona_future_on_settled(op.future, note, "b");
  assert_string_equal(order, "");
  stage_drain(host);
  assert_string_equal(order, "ab");
  daytona_future_then(op.future, note, "c");
  stage_drain(host);
  assert_string_equal(order, "abc");
}

static void observe_again(daytona_future_t *future, void *user) {
  strcat(order, "a");
  assert_int_equal(daytona_future_on_settled(future, note, "c"), 0);
  assert_int_equal(daytona_future_on_settled(future, note, "d"), 0);
  assert_string_equal(order, "a");
}

static void observers_added_in_a_callback_come_after_the_others(void **state) {
  stage_t *host = *state;
  support_op_t op;
  support_op_start(host, &op);
  daytona_future_on_settled(op.future, observe_again, NULL);
  daytona_future_on_settled(op.future, note, "b");
  support_op_succeed(&op, NULL);
  daytona_future_release(op.future);
  stage_turn(host);
  assert_string_equal(order, "ab");
  stage_drain(host);
  assert_string_equal(order, "abcd");
}

static void on_settled_wants_a_callback(void **state) {
  stage_t *host = *state;
  support_op_t op;
  support_op_start(host, &op);
  assert_int_equal(daytona_future_on_settled(op.future, NULL, NULL), DAYTONA_EINVAL);
  support_op_succeed(&op, NULL);
  daytona_future_release(op.future);
}

/* --- references -------------------------------------------------------------------------------- */

static int drop_count;

static void count_drop(void *result) {
  assert_string_equal(result, "dropped");
  drop_count++;
}

static const daytona__type_t type_counted = {"counted", count_drop};

static void resolve_counted(daytona_future_t *future) {
  daytona__future_resolve(future, &type_counted, "dropped");
}

static void last_release_drops_the_result_once(void **state) {
  stage_t *host = *state;
  drop_count = 0;
  daytona_future_t *future = daytona__future_new(host->loop, 0, NULL);
  resolve_counted(future);
  stage_drain(host);
  assert_ptr_equal(daytona_future_retain(future), future);
  daytona_future_release(future);
  assert_int_equal(drop_count, 0);
  assert_non_null(daytona__future_result(future, &type_counted));
  daytona_future_release(future);
  assert_int_equal(drop_count, 1);
}

static void released_while_being_told_of(daytona_future_t *future, void *user) {
  assert_int_equal(drop_count, 0);
  *(int *)user = 1;
}

static void then_releases_after_the_callback(void **state) {
  stage_t *host = *state;
  int told = 0;
  drop_count = 0;
  daytona_future_t *future = daytona__future_new(host->loop, 0, NULL);
  resolve_counted(future);
  daytona_future_then(future, released_while_being_told_of, &told);
  stage_drain(host);
  assert_int_equal(told, 1);
  assert_int_equal(drop_count, 1);
}

static void keep(daytona_future_t *future, void *user) {
  *(daytona_future_t **)user = daytona_future_retain(future);
}

static void callback_may_retain_the_future(void **state) {
  stage_t *host = *state;
  daytona_future_t *kept = NULL;
  support_op_t op;
  support_op_start(host, &op);
  support_op_succeed(&op, "kept");
  daytona_future_then(op.future, keep, &kept);
  stage_drain(host);
  assert_string_equal(daytona_future_string(kept), "kept");
  daytona_future_release(kept);
}

static void release_detaches_and_callbacks_still_come(void **state) {
  stage_t *host = *state;
  support_op_t op;
  support_seen_t seen = {0};
  support_op_start(host, &op);
  daytona_future_on_settled(op.future, support_see, &seen);
  daytona_future_release(op.future);
  stage_drain(host);
  assert_true(op.is_running);
  assert_int_equal(op.stop_count, 0);
  support_op_succeed(&op, "on its own");
  stage_drain(host);
  assert_int_equal(seen.count, 1);
  assert_string_equal(seen.text, "on its own");
}

static void then_without_callback_detaches(void **state) {
  stage_t *host = *state;
  support_op_t op;
  support_op_start(host, &op);
  daytona_future_then(op.future, NULL, NULL);
  assert_true(op.is_running);
  support_op_succeed(&op, NULL);
}

static void null_is_nothing_to_release_or_cancel(void **state) {
  daytona_future_release(NULL);
  daytona_future_cancel(NULL);
  daytona_future_then(NULL, note, "never");
  assert_string_equal(order, "");
}

/* The accessors of results, too, take the absence of a future for the absence of a result. */
static void null_is_no_future_to_ask_or_await(void **state) {
  (void)state;
  assert_null(daytona_future_retain(NULL));
  assert_false(daytona_future_is_settled(NULL));
  assert_null(daytona_future_error(NULL));
  assert_int_equal(daytona_future_code(NULL), DAYTONA_OK);
  assert_null(daytona_future_string(NULL));
  assert_int_equal(daytona_future_member_count(NULL), 0);
  assert_null(daytona_future_member(NULL, 0));
  assert_int_equal(daytona_future_winner(NULL), -1);
  assert_int_equal(daytona_future_await(NULL), DAYTONA_EINVAL);
  assert_int_equal(daytona_future_on_settled(NULL, note, "never"), DAYTONA_EINVAL);
  assert_string_equal(order, "");
}

static void release_twice(daytona_future_t *future, void *user) {
  strcat(order, "r");
  daytona_future_release(future); /* the program's own reference */
}

static void callback_may_release_the_programs_reference(void **state) {
  stage_t *host = *state;
  support_op_t op;
  support_op_start(host, &op);
  daytona_future_on_settled(op.future, release_twice, NULL);
  daytona_future_on_settled(op.future, note, "b");
  support_op_succeed(&op, NULL);
  stage_drain(host);
  assert_string_equal(order, "rb");
}

/* --- cancelling -------------------------------------------------------------------------------- */

static void cancel_stops_and_tells_from_a_later_turn(void **state) {
  stage_t *host = *state;
  support_op_t op;
  support_seen_t seen = {0};
  support_op_start(host, &op);
  daytona_future_on_settled(op.future, support_see, &seen);
  daytona_future_cancel(op.future);
  assert_int_equal(op.stop_count, 1);
  assert_int_equal(seen.count, 0);
  daytona_future_cancel(op.future);
  stage_drain(host);
  daytona_future_cancel(op.future);
  stage_drain(host);
  assert_int_equal(op.stop_count, 1);
  assert_int_equal(seen.count, 1);
  assert_int_equal(seen.code, DAYTONA_ECANCELED);
  assert_string_equal(seen.text, "op: cancelled");
  daytona_future_release(op.future);
}

static void cancel_after_the_outcome_is_known_does_nothing(void **state) {
  stage_t *host = *state;
  support_op_t op;
  support_seen_t seen = {0};
  support_op_start(host, &op);
  support_op_succeed(&op, "won");
  daytona_future_cancel(op.future);
  daytona_future_then(op.future, support_see, &seen);
  stage_drain(host);
  assert_int_equal(seen.code, DAYTONA_OK);
  assert_string_equal(seen.text, "won");
  assert_int_equal(op.stop_count, 0);
}

static void cancel_in_stop(daytona_future_t *future) {
  daytona_future_cancel(future); /* no effect on a stop that is under way, but for the outcome */
}

static void settle_in_stop(daytona_future_t *future) {
  daytona__future_resolve(future, &daytona__type_string, "too late");
}

static void stop_may_settle_the_future_itself(void **state) {
  stage_t *host = *state;
  support_seen_t first = {0}, second = {0};
  daytona_future_t *future = daytona__future_new(host->loop, 0, NULL);
  future->stop = settle_in_stop;
  daytona_future_cancel(future);
  daytona_future_then(future, support_see, &first);
  future = daytona__future_new(host->loop, 0, NULL);
  future->stop = cancel_in_stop;
  daytona_future_cancel(future);
  daytona_future_then(future, support_see, &second);
  stage_drain(host);
  assert_string_equal(first.text, "too late");
  assert_int_equal(second.code, DAYTONA_ECANCELED);
  assert_int_equal(first.count + second.count, 2);
}

static support_op_t *others;

static void stop_settles_others(daytona_future_t *future) {
  support_op_succeed(&others[0], "other");
  daytona_future_cancel(others[1].future);
}

static void stop_may_settle_other_futures(void **state) {
  stage_t *host = *state;
  support_op_t pair[2];
  support_seen_t seen[3] = {0};
  others = pair;
  for (int i = 0; i < 2; i++) {
    support_op_start(host, &pair[i]);
    daytona_future_on_settled(pair[i].future, support_see, &seen[i]);
  }
  daytona_future_t *future = daytona__future_new(host->loop, 0, NULL);
  future->stop = stop_settles_others;
  daytona_future_on_settled(future, support_see, &seen[2]);
  daytona_future_cancel(future);
  daytona_future_release(future);
  stage_drain(host);
  assert_int_equal(seen[0].code, DAYTONA_OK);
  assert_int_equal(seen[1].code, DAYTONA_ECANCELED);
  assert_int_equal(seen[2].code, DAYTONA_ECANCELED);
  for (int i = 0; i < 3; i++) assert_int_equal(seen[i].count, 1);
  for (int i = 0; i < 2; i++) daytona_future_release(pair[i].future);
}

static void cancel_other(daytona_future_t *future, void *user) {
  strcat(order, "x");
  daytona_future_cancel(user);
  daytona_future_cancel(future); /* itself, too late */
  assert_int_equal(daytona_future_code(future), DAYTONA_OK);
}

static void callback_may_cancel_futures(void **state) {
  stage_t *host = *state;
  support_op_t first, second;
  support_seen_t seen = {0};
  support_op_start(host, &first);
  support_op_start(host, &second);
  daytona_future_on_settled(second.future, support_see, &seen);
  daytona_future_on_settled(first.future, cancel_other, second.future);
  support_op_succeed(&first, NULL);
  stage_turn(host);
  assert_string_equal(order, "x");
  assert_int_equal(second.stop_count, 1);
  assert_int_equal(seen.count, 0);
  stage_drain(host);
  assert_int_equal(seen.count, 1);
  assert_int_equal(seen.code, DAYTONA_ECANCELED);
  daytona_future_release(first.future);
  daytona_future_release(second.future);
}

static void abort_settles_with_the_code_given(void **state) {
  stage_t *host = *state;
  support_op_t op;
  support_seen_t seen = {0};
  support_op_start(host, &op);
  daytona__future_abort(op.future, DAYTONA_ECLOSED, "the client is closed");
  daytona_future_then(op.future, support_see, &seen);
  stage_drain(host);
  assert_int_equal(op.stop_count, 1);
  assert_int_equal(seen.code, DAYTONA_ECLOSED);
  assert_string_equal(seen.text, "op: the client is closed");
}

/* --- inside callbacks -------------------------------------------------------------------------- */

typedef struct chain {
  stage_t *host;
  int left;
  support_op_t op;
} chain_t;

static void start_next(daytona_future_t *future, void *user) {
  chain_t *chain = user;
  strcat(order, ".");
  if (chain->left-- == 0) return;
  size_t length = strlen(order);
  support_op_start(chain->host, &chain->op);
  support_op_succeed(&chain->op, NULL);
  daytona_future_then(chain->op.future, start_next, chain);
  assert_int_equal(strlen(order), length);
}

static void callback_may_start_operations_told_in_turns_of_their_own(void **state) {
  stage_t *host = *state;
  chain_t chain = {.host = host, .left = 3};
  support_op_start(host, &chain.op);
  support_op_succeed(&chain.op, NULL);
  daytona_future_then(chain.op.future, start_next, &chain);
  for (size_t turn = 1; turn <= 4; turn++) {
    stage_turn(host);
    assert_int_equal(strlen(order), turn);
  }
}

static void close_host(daytona_future_t *future, void *user) {
  strcat(order, "x");
  stage_begin_close(user);
}

static void callback_may_close(void **state) {
  stage_t *host = *state;
  support_op_t op, pending;
  support_op_start(host, &op);
  support_op_start(host, &pending);
  support_op_succeed(&op, NULL);
  daytona_future_on_settled(op.future, close_host, host);
  daytona_future_then(op.future, note, "b");
  support_seen_t seen = {0};
  daytona_future_then(pending.future, support_see, &seen);
  stage_until_set(host, &host->closed_count);
  assert_string_equal(order, "xb");
  assert_int_equal(seen.count, 1);
  assert_int_equal(seen.code, DAYTONA_ECLOSED);
  assert_int_equal(pending.stop_count, 1);
}

/* --- awaiting ---------------------------------------------------------------------------------- */

typedef struct delayed {
  daytona__task_t task;
  daytona__timer_t timer;
  support_op_t op;
  daytona_errcode_t code;
} delayed_t;

static void end_delayed(delayed_t *delayed) {
  if (delayed->code == DAYTONA_OK)
    support_op_succeed(&delayed->op, NULL);
  else
    support_op_fail(&delayed->op, delayed->code);
}

static void succeed_now(daytona__task_t *task) { end_delayed(DAYTONA__CONTAINER(task, delayed_t, task)); }

static void on_timer(daytona__timer_t *timer) { end_delayed(DAYTONA__CONTAINER(timer, delayed_t, timer)); }

static void await_returns_the_outcome(void **state) {
  stage_t *host = *state;
  delayed_t delayed = {.code = DAYTONA_OK};
  daytona__task_init(&delayed.task, succeed_now);
  for (int i = 0; i < 2; i++) {
    support_op_start(host, &delayed.op);
    daytona__loop_defer(host->loop, &delayed.task);
    assert_int_equal(daytona_future_await(delayed.op.future), delayed.code);
    assert_true(daytona_future_is_settled(delayed.op.future));
    assert_int_equal(daytona_future_await(delayed.op.future), delayed.code);
    daytona_future_release(delayed.op.future);
    delayed.code = DAYTONA_EGONE;
  }
}

static void await_waits_for_background_timers(void **state) {
  stage_t *host = *state;
  delayed_t delayed = {.code = DAYTONA_OK};
  support_op_start(host, &delayed.op);
  daytona__timer_init(&delayed.timer, on_timer);
  delayed.timer.is_background = true;
  daytona__timer_start(host->loop, &delayed.timer, 5);
  assert_int_equal(daytona_future_await(delayed.op.future), 0);
  daytona_future_release(delayed.op.future);
  assert_int_equal(uv_loop_alive(&host->uv), 0);
}

static void await_inside(daytona_future_t *future, void *user) {
  strcat(order, "i");
  assert_int_equal(daytona_future_await(user), DAYTONA_EREENTRANT);
  assert_int_equal(daytona_future_await(future), DAYTONA_EREENTRANT);
}

static void await_is_refused_in_callbacks(void **state) {
  stage_t *host = *state;
  support_op_t op, other;
  support_op_start(host, &op);
  support_op_start(host, &other);
  support_op_succeed(&op, NULL);
  daytona_future_then(op.future, await_inside, other.future);
  stage_drain(host);
  assert_string_equal(order, "i");
  support_op_succeed(&other, NULL);
  assert_int_equal(daytona_future_await(other.future), 0);
  daytona_future_release(other.future);
}

static void note_closed(void *user) { *(int *)user = 1; }

static void await_is_refused_in_callbacks_of_another_client(void **state) {
  stage_t *host = *state;
  daytona__loop_t *second;
  int is_closed = 0;
  assert_int_equal(stage_loop_new(&host->uv, NULL, NULL, &second), 0);
  daytona_future_t *other = daytona__future_new(second, 0, NULL);
  daytona__future_succeed(other);
  support_op_t op;
  support_op_start(host, &op);
  support_op_succeed(&op, NULL);
  daytona_future_on_settled(op.future, await_inside, other);
  daytona_future_then(op.future, note, "b");
  stage_drain(host);
  assert_string_equal(order, "ib");
  daytona_future_release(other);
  daytona__loop_close(second, note_closed, &is_closed);
  stage_until_set(host, &is_closed);
  daytona__loop_release(second);
}

static void close_before_await(daytona__task_t *task) {
  daytona__loop_t *loop = DAYTONA__CONTAINER(task, delayed_t, task)->op.future->loop;
  daytona__loop_close(loop, NULL, NULL);
}

static void await_ends_when_the_client_closes(void **state) {
  stage_t *host = *state;
  daytona__loop_t *second;
  assert_int_equal(stage_loop_new(&host->uv, NULL, NULL, &second), 0);
  stage_t other = {.loop = second};
  delayed_t delayed = {0};
  support_op_start(&other, &delayed.op);
  daytona__task_init(&delayed.task, close_before_await);
  daytona__loop_defer(second, &delayed.task);
  assert_int_equal(daytona_future_await(delayed.op.future), DAYTONA_ECLOSED);
  daytona_future_release(delayed.op.future);
  stage_drain(host);
  assert_true(daytona__loop_is_closed(second));
  daytona_future_t *late = daytona__future_failed(second, NULL, DAYTONA_ECLOSED, "closed");
  assert_int_equal(daytona_future_await(late), DAYTONA_ECLOSED);
  daytona_future_release(late);
  daytona__loop_release(second);
}

/* --- results ----------------------------------------------------------------------------------- */

/* Four futures: a string, nothing, a failure, a map; and a string that there is none of. */
typedef struct kinds {
  support_op_t text, none, failed;
  daytona_future_t *labels, *absent;
} kinds_t;

static void kinds_init(kinds_t *kinds, stage_t *host) {
  static const daytona_pair_t pair = {"k", "v"};
  static daytona_map_t map = {&pair, 1};
  support_op_start(host, &kinds->text);
  support_op_start(host, &kinds->none);
  support_op_start(host, &kinds->failed);
  kinds->labels = daytona__future_new(host->loop, 0, NULL);
  kinds->absent = daytona__future_new(host->loop, 0, NULL);
  assert_null(daytona_future_string(kinds->text.future));
  support_op_succeed(&kinds->text, "text");
  support_op_succeed(&kinds->none, NULL);
  support_op_fail(&kinds->failed, DAYTONA_EGONE);
  daytona__future_resolve(kinds->labels, &daytona__type_map, &map);
  daytona__future_resolve(kinds->absent, &daytona__type_string, NULL);
  stage_drain(host);
}

static void kinds_clear(kinds_t *kinds) {
  daytona_future_release(kinds->text.future);
  daytona_future_release(kinds->none.future);
  daytona_future_release(kinds->failed.future);
  daytona_future_release(kinds->labels);
  daytona_future_release(kinds->absent);
}

static void accessors_give_their_own_kind(void **state) {
  kinds_t kinds;
  stage_t *host = *state;
  kinds_init(&kinds, host);
  assert_string_equal(daytona_future_string(kinds.text.future), "text");
  assert_string_equal(daytona_future_map(kinds.labels)->items[0].value, "v");
  assert_null(daytona_future_string(kinds.failed.future)); /* of whatever kind it would have been */
  assert_null(daytona_future_map(kinds.failed.future));
  assert_null(daytona_future_string(kinds.absent));
  assert_null(daytona_future_string(NULL));
  assert_int_equal(daytona_future_member_count(kinds.text.future), 0);
  assert_null(daytona_future_member(kinds.text.future, 0));
  assert_int_equal(daytona_future_winner(kinds.text.future), -1);
  assert_string_equal(host->logged, "");
  kinds_clear(&kinds);
}

static void a_wrong_accessor_is_logged_and_gives_null(void **state) {
  kinds_t kinds;
  stage_t *host = *state;
  kinds_init(&kinds, host);
  bool stops = daytona__misuse_stops;
  daytona__misuse_stops = false;
  assert_null(daytona_future_map(kinds.text.future));
  assert_string_equal(host->logged,
                      "1 future: wrong accessor: asked for \"map\", but the result is \"string\"");
  assert_null(daytona_future_string(kinds.none.future));
  assert_string_equal(host->logged,
                      "1 future: wrong accessor: asked for \"string\", but the result is \"none\"");
  assert_null(daytona_future_map(kinds.absent));
  assert_non_null(strstr(host->logged, "asked for \"map\""));
  daytona__misuse_stops = stops;
  kinds_clear(&kinds);
}

/* In a debug build: what the test run uses. */
static void a_wrong_accessor_ends_a_debug_build(void **state) {
  kinds_t kinds;
  int status = 0;
  kinds_init(&kinds, *state);
  fflush(NULL);
  pid_t child = daytona__misuse_stops ? fork() : -1;
  if (child == 0) {
    int nowhere = open("/dev/null", O_WRONLY);
    dup2(nowhere, 2);
    signal(SIGABRT, SIG_DFL);
    daytona_future_map(kinds.text.future);
    _exit(0);
  }
  bool is_debug = child > 0;
  if (is_debug) {
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
  }
  kinds_clear(&kinds);
  if (!is_debug) skip();
}

static void every_future_has_a_message_and_a_kind(void **state) {
  kinds_t kinds;
  daytona_future_t *pending = daytona__future_new(((stage_t *)*state)->loop, 0, NULL);
  kinds_init(&kinds, *state);
  const struct {
    const daytona_future_t *future;
    const char *message, *kind;
    bool is_absent;
  } expected[] = {
    {kinds.text.future, "ok", "string", false},
    {kinds.none.future, "ok", "none", false},
    {kinds.failed.future, "op: gone", "error", false},
    {kinds.labels, "ok", "map", false},
    {kinds.absent, "there is none", "string", true},
    {pending, "pending", "pending", false},
    {NULL, "there is no future", "pending", false},
    {daytona__future_orphan(), "the client or sandbox is NULL", "error", false},
  };
  for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
    assert_string_equal(daytona_future_message(expected[i].future), expected[i].message);
    assert_string_equal(daytona_future_kind(expected[i].future), expected[i].kind);
    assert_int_equal(daytona_future_is_absent(expected[i].future), expected[i].is_absent);
  }
  daytona__future_succeed(pending);
  assert_string_equal(daytona_future_message(pending), "pending"); /* until a later turn */
  daytona_future_release(pending);
  kinds_clear(&kinds);
}

static void failed_futures_are_told_from_a_later_turn(void **state) {
  stage_t *host = *state;
  support_seen_t seen = {0};
  daytona_future_t *future =
    daytona__future_failed(host->loop, "sandbox_get: ", DAYTONA_EINVAL, "%s is required", "id");
  assert_false(daytona_future_is_settled(future));
  daytona_future_then(future, support_see, &seen);
  assert_int_equal(seen.count, 0);
  stage_drain(host);
  assert_int_equal(seen.count, 1);
  assert_int_equal(seen.code, DAYTONA_EINVAL);
  assert_string_equal(seen.text, "sandbox_get: id is required");
}

static void state_of_an_operation_is_zeroed_and_bounded(void **state) {
  stage_t *host = *state;
  enum { SIZE = 5000 };
  static const char zeroes[SIZE];
  daytona_future_t *future = daytona__future_new(host->loop, SIZE, NULL);
  assert_memory_equal(future->op, zeroes, SIZE);
  daytona__future_set_limit(future, 20000);
  assert_null(daytona__arena_alloc(&future->arena, 20000));
  assert_non_null(daytona__arena_alloc(&future->arena, 5000));
  daytona__future_succeed(future);
  daytona_future_release(future);
}

static void typical_operation_takes_one_block(void **state) {
  stage_t *host = *state;
  support_seen_t seen = {0};
  size_t before = daytona__alloc_count();
  daytona_future_t *future = daytona__future_new(host->loop, 200, "exec: ");
  daytona__arena_strdup(&future->arena, "https://api.example/toolbox/process/execute");
  daytona_future_on_settled(future, support_see, &seen);
  assert_int_equal(daytona__alloc_count(), before + 1);
  daytona__future_fail(future, DAYTONA_ETIMEOUT, "too slow");
  daytona_future_release(future);
  stage_turn(host);
  assert_int_equal(seen.count, 1);
  assert_int_equal(daytona__alloc_count(), before);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, stage_teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
    TEST(settles_from_a_later_turn),
    TEST(failure_shows_only_once_settled),
    TEST(settles_without_any_callback),
    TEST(tells_observers_in_order_of_registration),
    TEST(tells_late_observers_from_a_later_turn),
    TEST(observers_added_in_a_callback_come_after_the_others),
    TEST(on_settled_wants_a_callback),
    TEST(last_release_drops_the_result_once),
    TEST(then_releases_after_the_callback),
    TEST(callback_may_retain_the_future),
    TEST(release_detaches_and_callbacks_still_come),
    TEST(then_without_callback_detaches),
    TEST(null_is_nothing_to_release_or_cancel),
    TEST(null_is_no_future_to_ask_or_await),
    TEST(callback_may_release_the_programs_reference),
    TEST(cancel_stops_and_tells_from_a_later_turn),
    TEST(cancel_after_the_outcome_is_known_does_nothing),
    TEST(stop_may_settle_the_future_itself),
    TEST(stop_may_settle_other_futures),
    TEST(callback_may_cancel_futures),
    TEST(abort_settles_with_the_code_given),
    TEST(callback_may_start_operations_told_in_turns_of_their_own),
    TEST(callback_may_close),
    TEST(await_returns_the_outcome),
    TEST(await_waits_for_background_timers),
    TEST(await_is_refused_in_callbacks),
    TEST(await_is_refused_in_callbacks_of_another_client),
    TEST(await_ends_when_the_client_closes),
    TEST(accessors_give_their_own_kind),
    TEST(a_wrong_accessor_is_logged_and_gives_null),
    TEST(a_wrong_accessor_ends_a_debug_build),
    TEST(every_future_has_a_message_and_a_kind),
    TEST(failed_futures_are_told_from_a_later_turn),
    TEST(state_of_an_operation_is_zeroed_and_bounded),
    TEST(typical_operation_takes_one_block),
  };
  return cmocka_run_group_tests_name("future", tests, NULL, NULL);
}
