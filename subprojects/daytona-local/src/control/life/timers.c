/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens to a sandbox by itself: auto-stop, auto-archive, auto-delete, end of life. One
 * alarm is set for the earliest of all; activity only moves times back, so an alarm that comes
 * too early just looks again.
 */
#include "control/life/timers.h"

#include "control/life/snapshot_life.h"

#define MINUTE INT64_C(60000)
#define ALARM_MAX_MS (60 * 1000)
#define BUILD_MAX_MS (60 * MINUTE)

typedef struct {
  int64_t due;
  void (*act)(dl_sandbox_t *sb);
} event_t;

static void stop_gently(dl_sandbox_t *sb) { dl_life_stop(sb, false); }

static void consider(event_t *e, int64_t due, void (*act)(dl_sandbox_t *sb)) {
  if (e->act && e->due <= due) return;
  *e = (event_t){due, act};
}

/* The next thing that will happen to a sandbox; no `act` when nothing will. */
static event_t next_event(dl_sandbox_t *sb) {
  event_t e = {0};
  if (dl_sandbox_is_memory(sb)) consider(&e, sb->updated_at + DL_MEMORY_MS, dl_life_forget);
  if (sb->want == DL_WANT_DESTROYED || sb->pool_id) return e;
  if (sb->state == DL_PENDING_BUILD && sb->queue_timeout > 0)
    consider(&e, sb->created_at + sb->queue_timeout * MINUTE, dl_life_queue_out);
  if (sb->state == DL_BUILDING) consider(&e, sb->updated_at + BUILD_MAX_MS, dl_life_give_up_build);
  if (sb->destroy_at) consider(&e, sb->destroy_at, dl_life_destroy);
  if (sb->state == DL_STARTED && sb->auto_stop > 0)
    consider(&e, sb->last_activity_at + sb->auto_stop * MINUTE, stop_gently);
  if (sb->state == DL_STARTED && sb->auto_pause > 0 && dl_sandbox_is_vm(sb))
    consider(&e, sb->last_activity_at + sb->auto_pause * MINUTE, dl_life_pause);
  if (sb->state == DL_STOPPED) {
    /* Deletion first: when both are due at once, archiving would be for nothing. */
    if (sb->auto_delete > 0) consider(&e, sb->last_activity_at + sb->auto_delete * MINUTE, dl_life_destroy);
    if (!dl_sandbox_is_ephemeral(sb) && sb->want != DL_WANT_ARCHIVED)
      consider(&e, sb->last_activity_at + sb->auto_archive * MINUTE, dl_life_archive);
  }
  if (sb->state == DL_ARCHIVED && sb->auto_delete > 0)
    consider(&e, sb->last_activity_at + sb->auto_delete * MINUTE, dl_life_destroy);
  return e;
}

void dl_timers_run(dl_life_t *l) {
  dl_objects_t *o = l->objects;
  int64_t now = dl_objects_now(o), earliest = now + (int64_t)((double)ALARM_MAX_MS * o->clock.speed);
  if (l->is_frozen) return;
  int64_t next = dl_snapshots_run_due(l);
  if (dl_list_empty(&o->sandbox_list) && next == INT64_MAX) return;
  if (next < earliest - now) earliest = now + next;
  dl_life_keep_clock(l);
  DL_LIST_EACH_SAFE(&o->sandbox_list, node, after) {
    dl_sandbox_t *sb = DL_CONTAINER(node, dl_sandbox_t, link);
    /* An open stream is activity for as long as it lives. */
    if (sb->relay_count > 0) sb->last_activity_at = now;
    event_t e = next_event(sb);
    bool gives_way = dl_sandbox_gives_way(sb) && e.act != dl_life_archive;
    if (!e.act || (dl_sandbox_is_busy(sb) && !gives_way))
      continue; /* the end of the operation marks us again */
    if (e.due > now) {
      if (e.due < earliest) earliest = e.due;
      continue;
    }
    dl_info("sandbox %s: its time has come", sb->id);
    e.act(sb);
  }
  int64_t wait = dl_clock_real_until(&o->clock, earliest);
  /* Never far ahead: the machine's clock may be set. */
  uv_timer_start(&l->alarm, l->on_alarm, (uint64_t)(wait < ALARM_MAX_MS ? wait : ALARM_MAX_MS), 0);
}

static void on_alarm(uv_timer_t *timer) { dl_timers_run(DL_CONTAINER(timer, dl_life_t, alarm)); }

void dl_timers_start(dl_life_t *l) {
  l->on_alarm = on_alarm;
  uv_timer_start(&l->alarm, on_alarm, 0, 0);
}
