/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Combinations of futures. One record serves the four kinds; what differs is a row of `kinds`.
 *
 * A combination takes the references that it is given, whether or not it can be made, and keeps them until it is
 * released itself, so the result that it takes over from a winner stays where it is, in the winner's arena. While it
 * is pending it holds a reference of its own for every member that has still to report.
 */
#include "core/combine.h"

#include <assert.h>
#include <string.h>

#include "core/future.h"
#include "core/memory.h"

typedef struct daytona__combine daytona__combine_t;

/* What a listener of one member needs to know. */
typedef struct member_ref {
  daytona__combine_t *group;
  size_t index;
} member_ref_t;

struct daytona__combine {
  daytona_future_t *future;
  daytona_future_t **members;
  member_ref_t *refs;
  size_t count, reported;
  int64_t winner;
  const daytona_future_t *first_failed;
  void (*on_member)(daytona__combine_t *group, size_t index);
  daytona__timer_t timer; /* of a deadline, which is the rest of this struct as well */
  int64_t timeout_ms;
};

static int pause_members(daytona_future_t *future);
static int resume_members(daytona_future_t *future);

static const daytona__op_kind_t combine_kind = {
  .name = "combination", .pause = pause_members, .resume = resume_members};

static daytona__combine_t *group_of(const daytona_future_t *future) {
  return daytona__op_of(future, &combine_kind);
}

void daytona__combine_drop(daytona_future_t *future) {
  daytona__combine_t *group = group_of(future);
  if (group == NULL) return;
  for (size_t i = 0; i < group->count; i++) daytona_future_release(group->members[i]);
  if (group->winner >= 0) future->result = NULL; /* it was the winner's, who has dropped it */
}

static void cancel_members(daytona__combine_t *group) {
  for (size_t i = 0; i < group->count; i++) daytona_future_cancel(group->members[i]);
}

static void stop_group(daytona_future_t *future) {
  daytona__combine_t *group = group_of(future);
  daytona__timer_stop(&group->timer);
  cancel_members(group);
}

/* Members that can be paused are paused; the others are not affected. */
static int for_members(daytona_future_t *future, int (*change)(daytona_future_t *member)) {
  const daytona__combine_t *group = group_of(future);
  int rc = DAYTONA_EINVAL;
  for (size_t i = 0; i < group->count; i++)
    if (change(group->members[i]) == 0) rc = 0;
  return rc;
}

static int pause_members(daytona_future_t *future) { return for_members(future, daytona_future_pause); }
static int resume_members(daytona_future_t *future) { return for_members(future, daytona_future_resume); }

static void fail_as(daytona__combine_t *group, const daytona_future_t *member) {
  assert(member->error != NULL);
  group->future->stream_reason = member->stream_reason;
  daytona__future_fail_error(group->future, member->error);
}

/* Take over the outcome of member `index`. */
static void settle_as(daytona__combine_t *group, size_t index) {
  daytona_future_t *member = group->members[index];
  assert(group->winner < 0 && !daytona__future_is_pending(member));
  daytona__timer_stop(&group->timer);
  group->winner = (int64_t)index;
  if (member->error != NULL)
    fail_as(group, member);
  else
    daytona__future_resolve(group->future, member->type, member->result);
  cancel_members(group);
}

static void on_all_member(daytona__combine_t *group, size_t index) {
  const daytona_future_t *member = group->members[index];
  if (group->first_failed == NULL && member->error != NULL) group->first_failed = member;
  if (group->reported < group->count) return;
  if (group->first_failed != NULL)
    fail_as(group, group->first_failed);
  else
    daytona__future_succeed(group->future);
}

static void on_any_member(daytona__combine_t *group, size_t index) {
  const daytona_future_t *member = group->members[index];
  if (member->error == NULL)
    settle_as(group, index);
  else if (group->reported == group->count)
    fail_as(group, member);
}

static void on_race_member(daytona__combine_t *group, size_t index) { settle_as(group, index); }

static void on_member_settled(daytona_future_t *member, void *user) {
  member_ref_t *ref = user;
  daytona__combine_t *group = ref->group;
  daytona_future_t *future = group->future;
  assert(ref->index < group->count && group->reported < group->count);
  group->reported++;
  if (daytona__future_is_pending(future)) group->on_member(group, ref->index);
  daytona_future_release(future);
}

static void on_deadline(daytona__timer_t *timer) {
  daytona__combine_t *group = DAYTONA__CONTAINER(timer, daytona__combine_t, timer);
  if (!daytona__future_is_pending(group->members[0])) return; /* in time; its report is on the way */
  group->future->prefix = group->members[0]->prefix;
  daytona__future_fail(group->future, DAYTONA_EDEADLINE, "not finished within %lld ms",
                       (long long)group->timeout_ms);
  cancel_members(group);
}

/*
 * Members come from the program: each must be there and turn with the same loop. The answer to a call without a
 * client turns with none.
 */
static bool members_are_valid(daytona__loop_t *loop, daytona_future_t *const *futures, size_t count) {
  if (loop == NULL || (futures == NULL && count != 0)) return false;
  for (size_t i = 0; i < count; i++)
    if (futures[i] == NULL || futures[i]->loop == NULL ||
        daytona__loop_uv(futures[i]->loop) != daytona__loop_uv(loop))
      return false;
  return true;
}

/* Let go of members that were given. Those of another thread's loop cannot be touched from here. */
static void drop_given(daytona_future_t *const *futures, size_t count) {
  for (size_t i = 0; futures != NULL && i < count; i++)
    if (futures[i] != NULL && futures[i]->loop != NULL && daytona__loop_on_thread(futures[i]->loop))
      daytona_future_release(futures[i]);
}

/* A combination without members that has failed, or is dead; those given are released. */
static daytona_future_t *group_failed(daytona__loop_t *loop, daytona_future_t *const *futures, size_t count,
                                      daytona_errcode_t code, const char *message) {
  daytona_future_t *failed =
    loop != NULL ? daytona__future_failed(loop, NULL, code, "%s", message) : daytona__future_orphan();
  drop_given(futures, count);
  return failed;
}

/* Take the members. False: there is no memory, and nothing was taken. */
static bool take_members(daytona__combine_t *group, daytona_future_t *const *futures, size_t count) {
  daytona__arena_t *arena = &group->future->arena;
  group->members = daytona__arena_array(arena, count, sizeof *group->members);
  group->refs = daytona__arena_array(arena, count, sizeof *group->refs);
  if (group->members == NULL || group->refs == NULL) return false;
  group->count = count;
  for (size_t i = 0; i < count; i++) {
    group->members[i] = futures[i];
    group->refs[i] = (member_ref_t){group, i};
  }
  return true;
}

/*
 * A combination with its members in place. Dead or failed when memory is short or a member is not valid.
 */
static daytona_future_t *group_new(daytona__loop_t *loop, daytona_future_t *const *futures, size_t count,
                                   void (*on_member)(daytona__combine_t *group, size_t index)) {
  if (!members_are_valid(loop, futures, count))
    return group_failed(loop, futures, count, DAYTONA_EINVAL, "a member is missing or of another loop");
  daytona_future_t *future = daytona__future_new(loop, sizeof(daytona__combine_t), NULL);
  if (daytona__future_is_dead(future)) {
    drop_given(futures, count);
    return future;
  }
  daytona__combine_t *group = future->op;
  group->future = future;
  group->winner = -1;
  group->on_member = on_member;
  daytona__timer_init(&group->timer, on_deadline);
  if (!take_members(group, futures, count)) {
    drop_given(futures, count);
    daytona__future_fail_error(future, daytona__error_static(DAYTONA_ENOMEM));
    return future;
  }
  future->op_kind = &combine_kind;
  future->stop = stop_group;
  for (size_t i = 0; i < count; i++) {
    daytona_future_retain(future);
    if (daytona_future_on_settled(futures[i], on_member_settled, &group->refs[i]) == 0) continue;
    daytona_future_release(future);
    daytona__future_fail_error(future, daytona__error_static(DAYTONA_ENOMEM));
    break;
  }
  return future;
}

daytona_future_t *daytona__combine_all(daytona__loop_t *loop, daytona_future_t *const *futures,
                                       size_t count) {
  daytona_future_t *future = group_new(loop, futures, count, on_all_member);
  if (count == 0 && daytona__future_is_pending(future)) daytona__future_succeed(future);
  return future;
}

static daytona_future_t *first_of(daytona__loop_t *loop, daytona_future_t *const *futures, size_t count,
                                  void (*on_member)(daytona__combine_t *group, size_t index)) {
  if (count == 0)
    return group_failed(loop, futures, count, DAYTONA_EINVAL, "there are no futures to choose from");
  return group_new(loop, futures, count, on_member);
}

daytona_future_t *daytona__combine_any(daytona__loop_t *loop, daytona_future_t *const *futures,
                                       size_t count) {
  return first_of(loop, futures, count, on_any_member);
}

daytona_future_t *daytona__combine_race(daytona__loop_t *loop, daytona_future_t *const *futures,
                                        size_t count) {
  return first_of(loop, futures, count, on_race_member);
}

daytona_future_t *daytona_future_deadline(daytona_future_t *future, int64_t timeout_ms) {
  if (future == NULL || future->loop == NULL) return daytona__future_orphan();
  if (timeout_ms < 0 && timeout_ms != DAYTONA_NO_TIMEOUT)
    return group_failed(future->loop, &future, 1, DAYTONA_EINVAL,
                        "timeout_ms must be at least 0, or DAYTONA_NO_TIMEOUT");
  daytona_future_t *bound = group_new(future->loop, &future, 1, on_race_member);
  if (daytona__future_is_pending(bound) && timeout_ms >= 0) {
    group_of(bound)->timeout_ms = timeout_ms;
    daytona__timer_start(future->loop, &group_of(bound)->timer, timeout_ms);
  }
  return bound;
}

size_t daytona_future_member_count(const daytona_future_t *future) {
  const daytona__combine_t *group = group_of(future);
  return group != NULL ? group->count : 0;
}

daytona_future_t *daytona_future_member(const daytona_future_t *future, size_t index) {
  const daytona__combine_t *group = group_of(future);
  return group != NULL && index < group->count ? group->members[index] : NULL;
}

int64_t daytona_future_winner(const daytona_future_t *future) {
  const daytona__combine_t *group = group_of(future);
  return group != NULL && daytona_future_is_settled(future) ? group->winner : -1;
}
