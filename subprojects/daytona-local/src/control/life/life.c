/* SPDX-License-Identifier: Apache-2.0 */
/*
 * States of a sandbox and the operations between them. Invariants: `is_pending` while an
 * operation runs, and only that operation moves `state`; every change is put into the store
 * before anybody is told; files are removed only after the state that needs them is no longer the
 * one on disk. A sandbox that was destroyed is freed when nothing holds it any more.
 */
#include "control/life/life.h"

#include "control/objects/leftovers.h"
#include "control/objects/snapshots.h"
#include "control/objects/volumes.h"
#include "control/store/jobs.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define START_WAIT_MS 30000

typedef struct {
  dl_list_t link;
  dl_life_wait_t wait;
  uv_timer_t timer;
} waiter_t;

/* What may follow a state, as bits. A failed one can fail again, for another reason. */
#define BIT(state) (1u << (state))
static const unsigned successors[DL_STATE_COUNT] = {
  [DL_CREATING] = BIT(DL_STARTED) | BIT(DL_ERROR) | BIT(DL_DESTROYED),
  [DL_STARTED] = BIT(DL_STOPPED) | BIT(DL_RESIZING) | BIT(DL_ERROR) | BIT(DL_DESTROYED),
  [DL_STOPPED] = BIT(DL_STARTED) | BIT(DL_ARCHIVED) | BIT(DL_RESIZING) | BIT(DL_ERROR) | BIT(DL_DESTROYED),
  [DL_ARCHIVED] = BIT(DL_RESTORING) | BIT(DL_ERROR) | BIT(DL_DESTROYED),
  [DL_RESTORING] = BIT(DL_STARTED) | BIT(DL_ERROR) | BIT(DL_DESTROYED),
  [DL_RESIZING] = BIT(DL_STARTED) | BIT(DL_STOPPED) | BIT(DL_ERROR) | BIT(DL_DESTROYED),
  [DL_ERROR] = BIT(DL_STOPPED) | BIT(DL_ERROR) | BIT(DL_DESTROYED),
  [DL_DESTROYED] = 0,
};

/* The only place that changes a state while the server runs. */
static void set_state(dl_sandbox_t *sb, dl_state_t to) {
  assert(sb->life && !sb->life->is_frozen);
  assert(sb->state == to || (successors[sb->state] & BIT(to)));
  assert(to != DL_STARTED || sb->box);
  assert(!sb->box || (to != DL_ARCHIVED && to != DL_DESTROYED));
  sb->state = to;
}

static void hold(dl_sandbox_t *sb) { sb->hold_count++; }

static void unhold(dl_sandbox_t *sb) {
  assert(sb->hold_count > 0);
  if (--sb->hold_count == 0 && sb->is_gone) dl_sandbox_free(sb);
}

static void ignore_commit(bool is_durable, void *user) { (void)is_durable, (void)user; }

/* Something changed that may make something due earlier. */
static void mark(dl_life_t *l) {
  if (!l->is_frozen && l->on_alarm) uv_timer_start(&l->alarm, l->on_alarm, 0, 0);
}

static void save_as(dl_sandbox_t *sb, dl_state_t state) {
  dl_store_t *store = sb->life->objects->store;
  dl_store_put(store, "sandbox", sb->id, dl_sandbox_record(sb, state));
  dl_store_commit(store, ignore_commit, NULL);
  mark(sb->life);
}

void dl_life_save(dl_sandbox_t *sb) { save_as(sb, sb->state); }

static void touch(dl_sandbox_t *sb) {
  sb->updated_at = sb->last_activity_at = dl_objects_now(sb->life->objects);
}

/* One step done: note it, with the new state on its way to disk. */
static void reached(dl_sandbox_t *sb, dl_state_t state, bool is_pending) {
  set_state(sb, state);
  sb->is_pending = is_pending;
  dl_debug("sandbox %s: %s", sb->id, dl_sandbox_state_name(sb, false));
  touch(sb);
  dl_life_save(sb);
}

/* --- who waits for something --- */

static void tell(dl_sandbox_t *sb, dl_life_wait_t wait) {
  if (!wait.cb) return;
  wait.cb(sb,
          sb->life->is_frozen     ? DL_LIFE_ENDING
          : sb->state == DL_ERROR ? DL_LIFE_FAILED
                                  : DL_LIFE_SETTLED,
          wait.user);
}

static void free_waiter(uv_handle_t *handle) { free(DL_CONTAINER(handle, waiter_t, timer)); }

static dl_life_wait_t take_waiter(waiter_t *w) {
  dl_list_unlink(&w->link);
  uv_close((uv_handle_t *)&w->timer, free_waiter);
  return w->wait;
}

static void on_wait_over(uv_timer_t *timer) {
  dl_sandbox_t *sb = timer->data;
  tell(sb, take_waiter(DL_CONTAINER(timer, waiter_t, timer)));
}

static void wait_for_start(dl_sandbox_t *sb, dl_life_wait_t wait) {
  if (!wait.cb) return;
  waiter_t *w = dl_xcalloc(1, sizeof *w);
  w->wait = wait;
  uv_timer_init(sb->life->objects->loop, &w->timer);
  w->timer.data = sb;
  uv_timer_start(&w->timer, on_wait_over, START_WAIT_MS, 0);
  dl_list_push(&sb->waiters, &w->link);
}

static void tell_waiters(dl_sandbox_t *sb) {
  while (!dl_list_empty(&sb->waiters)) tell(sb, take_waiter(DL_CONTAINER(sb->waiters.next, waiter_t, link)));
}

/* --- the box --- */

static void finish_destroy(dl_sandbox_t *sb);

static void failed(dl_sandbox_t *sb, const char *reason, bool is_recoverable) {
  sb->gives_way = sb->cancels_archive = false;
  dl_set(&sb->error_reason, reason);
  sb->is_recoverable = is_recoverable;
  reached(sb, DL_ERROR, false);
  tell_waiters(sb);
}

static void on_box_exit(void *user, dl_box_t *box, const char *reason) {
  dl_sandbox_t *sb = user;
  (void)box;
  sb->box = NULL;
  if (sb->life->is_frozen) return;
  dl_warn("sandbox %s ended by itself: %s", sb->id, reason);
  if (sb->is_pending) return; /* the operation under way sees it too */
  failed(sb, reason, true);
}

static void discard_archive(dl_sandbox_t *sb, dl_job_cb cb) {
  dl_objects_t *o = sb->life->objects;
  char *archive = dl_objects_archive(o, sb);
  dl_discard(o, archive, cb, sb);
  free(archive);
}

static void discard_dir(dl_sandbox_t *sb, dl_job_cb cb) {
  dl_objects_t *o = sb->life->objects;
  char *dir = dl_objects_dir(o, sb);
  dl_discard(o, dir, cb, sb);
  free(dir);
}

/* The archive goes only when the journal no longer asks for it. */
static void on_restored_durable(bool is_durable, void *user) {
  dl_sandbox_t *sb = user;
  if (is_durable && !sb->life->is_frozen && sb->want != DL_WANT_ARCHIVED) discard_archive(sb, NULL);
  unhold(sb);
}

static void on_box_started(void *user, dl_box_t *box, const char *error) {
  dl_sandbox_t *sb = user;
  if (error) box = NULL; /* a failed start names the box too, for the last time */
  if (!box) sb->box = NULL;
  if (sb->life->is_frozen) {
    tell_waiters(sb);
  } else if (!box) {
    failed(sb, error ? error : "the sandbox did not start", true);
  } else {
    bool was_restored = sb->state == DL_RESTORING;
    dl_set(&sb->error_reason, NULL);
    sb->is_recoverable = false;
    reached(sb, DL_STARTED, false);
    if (was_restored) {
      hold(sb);
      dl_store_commit(sb->life->objects->store, on_restored_durable, sb);
    }
    tell_waiters(sb);
  }
  unhold(sb);
}

static dl_box_pair_t *env_pairs(const dl_sandbox_t *sb, size_t *count) {
  dl_box_pair_t *pairs = dl_xcalloc(json_object_size(sb->env) + 5, sizeof *pairs);
  const char *name;
  json_t *value;
  size_t n = 0;
  pairs[n++] = (dl_box_pair_t){"DAYTONA_SANDBOX_ID", sb->id};
  pairs[n++] = (dl_box_pair_t){"DAYTONA_SANDBOX_USER", sb->user};
  if (sb->snapshot) pairs[n++] = (dl_box_pair_t){"DAYTONA_SANDBOX_SNAPSHOT", sb->snapshot};
  pairs[n++] = (dl_box_pair_t){"DAYTONA_ORGANIZATION_ID", sb->life->objects->organization_id};
  pairs[n++] = (dl_box_pair_t){"DAYTONA_REGION_ID", sb->target};
  json_object_foreach (sb->env, name, value) pairs[n++] = (dl_box_pair_t){name, json_string_value(value)};
  *count = n;
  return pairs;
}

/* Borrowed texts, NULL at the end; the array is yours to free. */
static const char **entrypoint_of(const dl_sandbox_t *sb) {
  const json_t *snapshot = dl_snapshot_find(sb->life->objects, sb->snapshot);
  const json_t *words = snapshot ? dl_json_get(snapshot, "entrypoint") : NULL;
  const char **out = dl_xcalloc(json_array_size(words) + 1, sizeof *out);
  size_t i;
  json_t *word;
  json_array_foreach (words, i, word) out[i] = json_string_value(word);
  return out;
}

static void boot(dl_sandbox_t *sb) {
  dl_objects_t *o = sb->life->objects;
  char *home = dl_objects_home(o, sb), *dir = dl_objects_dir(o, sb), *error = NULL;
  assert(sb->is_pending && !sb->box);
  sb->gives_way = false; /* a boot is over soon, and ends in a state that can be destroyed */
  mkdir(dir, 0711);
  size_t env_count, volume_count;
  dl_box_pair_t *env = env_pairs(sb, &env_count);
  const char **entrypoint = entrypoint_of(sb);
  dl_box_volume_t *volumes = dl_volume_mounts(o, sb->volumes, &volume_count, &error);
  hold(sb);
  if (error) {
    on_box_started(sb, NULL, error);
  } else {
    dl_box_spec_t spec = {
      .id = sb->id,
      .home_dir = home,
      .env = env,
      .env_count = env_count,
      .volumes = volumes,
      .volume_count = volume_count,
      .network_block_all = sb->is_blocked,
      .cpu = sb->cpu,
      .memory_gib = sb->memory,
      .disk_gib = sb->disk,
      .entrypoint = entrypoint,
      .on_exit = on_box_exit,
      .user = sb,
    };
    sb->box = dl_box_start(sb->life->runtime, &spec, on_box_started, sb);
  }
  dl_volume_mounts_free(volumes, volume_count);
  free(entrypoint);
  free(env);
  free(error);
  free(dir);
  free(home);
}

/* --- create and start --- */

void dl_life_create(dl_life_t *l, dl_sandbox_t *sb) {
  sb->life = l;
  dl_objects_add(l->objects, sb);
  assert(sb->state == DL_CREATING);
  sb->want = DL_WANT_STARTED;
  sb->is_pending = true;
  dl_life_save(sb);
}

void dl_life_adopt(dl_life_t *l, dl_sandbox_t *sb, bool is_archived) {
  sb->life = l;
  sb->state = is_archived ? DL_ARCHIVED : DL_STOPPED;
  sb->want = is_archived ? DL_WANT_ARCHIVED : DL_WANT_STOPPED;
  dl_objects_add(l->objects, sb);
  dl_life_save(sb);
}

void dl_life_boot(dl_sandbox_t *sb, dl_life_wait_t wait) {
  assert(sb->state == DL_CREATING);
  wait_for_start(sb, wait);
  boot(sb);
}

static void on_unpacked(const char *error, void *user) {
  dl_sandbox_t *sb = user;
  sb->job = NULL;
  if (sb->life->is_frozen)
    tell_waiters(sb);
  else if (sb->want == DL_WANT_DESTROYED)
    finish_destroy(sb);
  else if (error)
    failed(sb, error, false);
  else
    boot(sb);
  unhold(sb);
}

static void restore(dl_sandbox_t *sb) {
  dl_objects_t *o = sb->life->objects;
  char *dir = dl_objects_dir(o, sb), *home = dl_objects_home(o, sb), *archive = dl_objects_archive(o, sb);
  mkdir(dir, 0711);
  sb->gives_way = true;
  reached(sb, DL_RESTORING, true);
  hold(sb);
  sb->job = dl_job_unpack(o->jobs, archive, home, on_unpacked, sb);
  free(archive);
  free(home);
  free(dir);
}

static void clear_error(dl_sandbox_t *sb) {
  dl_set(&sb->error_reason, NULL);
  sb->is_recoverable = false;
  set_state(sb, DL_STOPPED);
}

static void on_start_written(bool is_durable, void *user) {
  dl_sandbox_t *sb = user;
  (void)is_durable;
  if (!sb->life->is_frozen && sb->want == DL_WANT_STARTED) restore(sb);
  if (!sb->life->is_frozen && sb->want == DL_WANT_DESTROYED) finish_destroy(sb);
  unhold(sb);
}

void dl_life_start(dl_sandbox_t *sb, dl_life_wait_t wait) {
  if (sb->want == DL_WANT_ARCHIVED && sb->is_pending) {
    sb->cancels_archive = true; /* its end goes on with the start */
    if (sb->job) dl_job_cancel(sb->job);
    sb->want = DL_WANT_STARTED;
    touch(sb);
    dl_life_save(sb);
    wait_for_start(sb, wait);
    return;
  }
  assert(!sb->is_pending && sb->want != DL_WANT_DESTROYED);
  if (sb->state == DL_ERROR) clear_error(sb);
  bool is_archived = sb->state == DL_ARCHIVED;
  sb->want = DL_WANT_STARTED;
  sb->backup_state = "None";
  free(sb->preview_token);
  sb->preview_token = dl_random_token(32, DL_ALPHABET_PREVIEW);
  reached(sb, sb->state, true);
  if (is_archived) {
    tell(sb, wait); /* it takes as long as it takes */
    sb->gives_way = true;
    hold(sb);
    dl_store_commit(sb->life->objects->store, on_start_written, sb);
    return;
  }
  wait_for_start(sb, wait);
  boot(sb);
}

void dl_life_recover(dl_sandbox_t *sb) {
  assert(!sb->is_pending && sb->want != DL_WANT_DESTROYED);
  clear_error(sb);
  sb->want = DL_WANT_STOPPED;
  touch(sb);
  dl_life_save(sb);
}

/* --- stop --- */

static void broken(dl_sandbox_t *sb) {
  sb->is_breaking = false;
  reached(sb, DL_ERROR, false);
  tell_waiters(sb);
}

static void on_box_stopped(void *user) {
  dl_sandbox_t *sb = user;
  sb->box = NULL;
  if (!sb->life->is_frozen) {
    if (sb->want == DL_WANT_DESTROYED)
      finish_destroy(sb);
    else if (sb->is_breaking)
      broken(sb);
    else
      reached(sb, DL_STOPPED, false);
  }
  unhold(sb);
}

static void end_box(dl_sandbox_t *sb, bool force) {
  hold(sb);
  if (sb->box)
    dl_box_stop(sb->box, force, on_box_stopped, sb);
  else
    on_box_stopped(sb);
}

void dl_life_stop(dl_sandbox_t *sb, bool force) {
  if (dl_sandbox_is_ephemeral(sb)) {
    dl_life_destroy(sb);
    return;
  }
  sb->want = DL_WANT_STOPPED;
  reached(sb, sb->state, true);
  end_box(sb, force);
}

void dl_life_break(dl_sandbox_t *sb, const char *reason, bool is_recoverable, dl_life_wait_t wait) {
  assert(!sb->is_pending && sb->state != DL_ARCHIVED && dl_list_empty(&sb->waiters));
  wait_for_start(sb, wait);
  dl_set(&sb->error_reason, reason);
  sb->is_recoverable = is_recoverable;
  if (sb->box) {
    sb->is_breaking = sb->is_pending = true;
    end_box(sb, true);
  } else {
    broken(sb);
  }
}

/* --- archive --- */

static void on_archive_settled(const char *error, void *user) {
  dl_sandbox_t *sb = user;
  (void)error;
  if (sb->life->is_frozen) {
    tell_waiters(sb);
  } else if (sb->want == DL_WANT_DESTROYED) {
    finish_destroy(sb);
  } else {
    sb->gives_way = false;
    reached(sb, DL_ARCHIVED, false);
    /* A start that came too late to cancel the archive begins from it. */
    if (sb->cancels_archive) {
      sb->cancels_archive = false;
      dl_life_start(sb, DL_LIFE_NO_WAIT);
    }
  }
  unhold(sb);
}

/* The journal says archived: now the directory can go, and only then is the operation over, so
 * that a start never meets the removal. */
static void on_archived_durable(bool is_durable, void *user) {
  dl_sandbox_t *sb = user;
  if (!sb->life->is_frozen && sb->want == DL_WANT_DESTROYED) {
    finish_destroy(sb);
  } else if (is_durable && !sb->life->is_frozen) {
    hold(sb);
    discard_dir(sb, on_archive_settled);
  } else if (!sb->life->is_frozen) {
    failed(sb, "the archive could not be recorded", true);
  }
  unhold(sb);
}

/* What is written says archived while what is shown still says archiving. */
static void record_archived(dl_sandbox_t *sb) {
  sb->backup_state = "Completed";
  sb->backup_at = dl_objects_now(sb->life->objects);
  save_as(sb, DL_ARCHIVED);
  hold(sb);
  dl_store_commit(sb->life->objects->store, on_archived_durable, sb);
}

static void on_packed(const char *error, void *user) {
  dl_sandbox_t *sb = user;
  sb->job = NULL;
  if (sb->life->is_frozen) {
    tell_waiters(sb);
  } else if (sb->want == DL_WANT_DESTROYED) {
    finish_destroy(sb);
  } else if (sb->cancels_archive) {
    sb->cancels_archive = false;
    discard_archive(sb, NULL);
    boot(sb);
  } else if (error) {
    failed(sb, error, true);
  } else {
    record_archived(sb);
  }
  unhold(sb);
}

void dl_life_archive(dl_sandbox_t *sb) {
  dl_objects_t *o = sb->life->objects;
  assert(sb->state == DL_STOPPED && !sb->is_pending && !sb->box);
  sb->want = DL_WANT_ARCHIVED;
  sb->backup_state = "InProgress";
  reached(sb, sb->state, true);
  char *home = dl_objects_home(o, sb), *archive = dl_objects_archive(o, sb);
  sb->gives_way = true;
  hold(sb);
  sb->job = dl_job_pack(o->jobs, home, archive, on_packed, sb);
  free(home);
  free(archive);
}

/* --- destroy --- */

static void on_files_removed(const char *error, void *user) {
  dl_sandbox_t *sb = user;
  dl_objects_t *o = sb->life->objects;
  (void)error;
  if (!sb->life->is_frozen) {
    set_state(sb, DL_DESTROYED);
    dl_store_put(o->store, "sandbox", sb->id, NULL);
    dl_store_commit(o->store, ignore_commit, NULL);
    dl_objects_remove(o, sb);
    sb->is_gone = true;
  }
  unhold(sb);
}

static void on_dir_removed(const char *error, void *user) {
  (void)error;
  discard_archive(user, on_files_removed);
}

static void finish_destroy(dl_sandbox_t *sb) {
  assert(sb->want == DL_WANT_DESTROYED && !sb->box);
  sb->gives_way = false;
  tell_waiters(sb);
  hold(sb);
  discard_dir(sb, on_dir_removed);
}

void dl_life_destroy(dl_sandbox_t *sb) {
  dl_objects_t *o = sb->life->objects;
  assert((!sb->is_pending || sb->gives_way) && sb->want != DL_WANT_DESTROYED);
  dl_objects_forget_name(o, sb);
  char *name = dl_xprintf("DESTROYED_%s_%lld", sb->name, (long long)dl_objects_now(o));
  free(sb->name);
  sb->name = name;
  sb->want = DL_WANT_DESTROYED;
  reached(sb, sb->state, true);
  if (!sb->gives_way)
    end_box(sb, true);
  else if (sb->job)
    dl_job_cancel(sb->job); /* its end goes on with the removal */
}

/* --- resize --- */

static void on_resize_durable(bool is_durable, void *user) {
  dl_sandbox_t *sb = user;
  (void)is_durable;
  if (sb->state == DL_RESIZING && !sb->life->is_frozen) {
    sb->want = sb->want_before;
    if (sb->box) {
      const char *missing = dl_box_update_limits(sb->box, sb->cpu, sb->memory);
      if (missing) dl_info("sandbox %s: %s", sb->id, missing);
    }
    if (sb->state_before == DL_STARTED && !sb->box)
      failed(sb, "the sandbox ended while it was resized", true);
    else
      reached(sb, sb->state_before, false);
  }
  unhold(sb);
}

void dl_life_resize(dl_sandbox_t *sb, double cpu, double memory, double disk) {
  assert(!sb->is_pending && (sb->state == DL_STARTED || sb->state == DL_STOPPED));
  sb->cpu = cpu;
  sb->memory = memory;
  sb->disk = disk;
  sb->state_before = sb->state;
  sb->want_before = sb->want;
  sb->want = DL_WANT_RESIZED;
  reached(sb, DL_RESIZING, true); /* the record has the state that it goes back to */
  hold(sb);
  dl_store_commit(sb->life->objects->store, on_resize_durable, sb);
}

/* --- after a restart --- */

/* No process has outlived the last server, and a record may say anything: here it becomes something that can go on. */
static void settle(dl_sandbox_t *sb) {
  bool wants_start = sb->want == DL_WANT_STARTED;
  if (sb->want == DL_WANT_RESIZED) sb->want = DL_WANT_STOPPED;
  if (sb->state == DL_STARTED || sb->state == DL_RESIZING || (sb->state == DL_CREATING && !wants_start))
    sb->state = DL_STOPPED;
  if (sb->state == DL_RESTORING && !wants_start) sb->state = DL_ARCHIVED;
  if (sb->state == DL_ARCHIVED && sb->want == DL_WANT_STOPPED) sb->want = DL_WANT_ARCHIVED;
  if (sb->state == DL_DESTROYED) sb->want = DL_WANT_DESTROYED;
}

static bool exists(char *path) {
  bool found = access(path, F_OK) == 0;
  free(path);
  return found;
}

/* Of a home and an archive only one is right. The record says which; but where only the archive is there, the record of
 * it is the one that a damaged journal has lost. */
static void settle_files(dl_sandbox_t *sb) {
  const dl_objects_t *o = sb->life->objects;
  if (sb->want == DL_WANT_DESTROYED || sb->state != DL_STOPPED) return;
  if (!exists(dl_objects_archive(o, sb))) {
    if (!exists(dl_objects_home(o, sb))) dl_warn("sandbox %s has no files any more", sb->id);
    return;
  }
  if (exists(dl_objects_home(o, sb))) {
    if (sb->want != DL_WANT_ARCHIVED) discard_archive(sb, NULL);
    return;
  }
  dl_warn("sandbox %s has an archive and no home: it is taken as archived", sb->id);
  sb->state = DL_ARCHIVED;
  if (sb->want == DL_WANT_STOPPED) sb->want = DL_WANT_ARCHIVED;
}

static void resume(dl_sandbox_t *sb) {
  settle(sb);
  settle_files(sb);
  if (sb->want == DL_WANT_DESTROYED) {
    dl_objects_forget_name(sb->life->objects, sb);
    sb->is_pending = true;
    finish_destroy(sb);
  } else if (sb->state == DL_ERROR) {
    return;
  } else if (sb->want == DL_WANT_STARTED && (sb->state == DL_ARCHIVED || sb->state == DL_RESTORING)) {
    sb->is_pending = true;
    restore(sb);
  } else if (sb->want == DL_WANT_STARTED) {
    sb->is_pending = true;
    boot(sb);
  } else if (sb->want == DL_WANT_ARCHIVED && sb->state == DL_STOPPED) {
    dl_life_archive(sb);
  } else if (sb->state == DL_ARCHIVED) {
    discard_dir(sb, NULL);
  }
}

void dl_life_resume(dl_life_t *l) {
  DL_LIST_EACH_SAFE(&l->objects->sandbox_list, node, after) {
    dl_sandbox_t *sb = DL_CONTAINER(node, dl_sandbox_t, link);
    sb->life = l;
    resume(sb);
  }
}

/* --- all of them --- */

void dl_life_init(dl_life_t *l, dl_objects_t *objects, uv_loop_t *loop) {
  *l = (dl_life_t){.objects = objects};
  uv_timer_init(loop, &l->alarm);
}

int dl_life_open(dl_life_t *l, const dl_runtime_opts_t *opts, char **error) {
  char text[2048] = "";
  int rc = dl_runtime_new(l->objects->loop, opts, &l->runtime, text, sizeof text);
  if (rc != 0) *error = dl_xstrdup(text);
  return rc;
}

void dl_life_freeze(dl_life_t *l) {
  l->is_frozen = true;
  uv_timer_stop(&l->alarm);
  /* At once, so that they end while the rest does. Their sandboxes keep what they have, the next server begins anew. */
  if (l->objects->jobs) dl_jobs_stop(l->objects->jobs);
}

static void on_alarm_closed(uv_handle_t *handle) {
  dl_life_t *l = DL_CONTAINER(handle, dl_life_t, alarm);
  l->on_closed(l->closed_user);
}

static void on_jobs_closed(void *user) {
  dl_life_t *l = user;
  l->objects->jobs = NULL;
  uv_close((uv_handle_t *)&l->alarm, on_alarm_closed);
}

static void on_runtime_closed(void *user) {
  dl_life_t *l = user;
  l->runtime = NULL;
  if (l->objects->jobs)
    dl_jobs_close(l->objects->jobs, on_jobs_closed, l);
  else
    on_jobs_closed(l);
}

void dl_life_close(dl_life_t *l, void (*on_closed)(void *user), void *user) {
  assert(l->is_frozen && !l->on_closed);
  l->on_closed = on_closed;
  l->closed_user = user;
  DL_LIST_EACH(&l->objects->sandbox_list, node) tell_waiters(DL_CONTAINER(node, dl_sandbox_t, link));
  if (l->runtime)
    dl_runtime_close(l->runtime, on_runtime_closed, l);
  else
    on_runtime_closed(l);
}
