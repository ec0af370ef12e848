/* SPDX-License-Identifier: Apache-2.0
 *
 * States of a sandbox and the operations between them. Invariants: `is_pending` while an
 * operation runs, and only that operation moves `state`; every change is put into the store
 * before anybody is told; files are removed only after the state that needs them is no longer the
 * one on disk. A sandbox that was destroyed is freed when nothing holds it any more.
 */
#include "control/life/life.h"

#include "control/store/jobs.h"
#include "control/objects/volumes.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define START_WAIT_MS 30000

typedef struct {
  dl_list link;
  dl_req *req;
  uv_timer_t timer;
} waiter;

static void hold(dl_sandbox *sb) { sb->hold_count++; }

static void unhold(dl_sandbox *sb) {
  assert(sb->hold_count > 0);
  if (--sb->hold_count == 0 && sb->is_gone) dl_sandbox_free(sb);
}

static void ignore_commit(bool is_durable, void *user) { (void)is_durable, (void)user; }

void dl_sandbox_save(dl_sandbox *sb) {
  dl_store_put(sb->control->store, "sandbox", sb->id, dl_sandbox_record(sb));
  dl_store_commit(sb->control->store, ignore_commit, NULL);
  dl_timers_mark(sb->control);
}

void dl_sandbox_touch(dl_sandbox *sb) { sb->updated_at = sb->last_activity_at = dl_now(sb->control); }

/* One step done: note it, with the new state on its way to disk. */
static void reached(dl_sandbox *sb, dl_state state, bool is_pending) {
  dl_debug("sandbox %s: %s", sb->id, dl_sandbox_state_name(sb, false));
  sb->state = state;
  sb->is_pending = is_pending;
  dl_sandbox_touch(sb);
  dl_sandbox_save(sb);
}

/* ---- who waits for a start ---- */

static void free_waiter(uv_handle_t *handle) { free(DL_CONTAINER(handle, waiter, timer)); }

static dl_req *take_waiter(waiter *w) {
  dl_list_unlink(&w->link);
  uv_close((uv_handle_t *)&w->timer, free_waiter);
  return w->req;
}

static void on_wait_over(uv_timer_t *timer) {
  dl_sandbox *sb = timer->data;
  dl_req *req = take_waiter(DL_CONTAINER(timer, waiter, timer));
  dl_answer_sandbox(sb->control, req, sb);
}

static void wait_for_start(dl_sandbox *sb, dl_req *req) {
  waiter *w = dl_xcalloc(1, sizeof *w);
  w->req = req;
  uv_timer_init(sb->control->loop, &w->timer);
  w->timer.data = sb;
  uv_timer_start(&w->timer, on_wait_over, START_WAIT_MS, 0);
  dl_list_push(&sb->waiters, &w->link);
}

static void tell_waiters(dl_sandbox *sb) {
  while (!dl_list_empty(&sb->waiters)) {
    dl_req *req = take_waiter(DL_CONTAINER(sb->waiters.next, waiter, link));
    if (sb->control->is_closing)
      dl_fail(sb->control, req, 503, "the server is stopping");
    else if (sb->state == DL_ERROR)
      dl_fail(sb->control, req, 400, "Sandbox %s failed to start: %s", sb->id, sb->error_reason);
    else
      dl_answer_sandbox(sb->control, req, sb);
  }
}

void dl_life_abandon(dl_sandbox *sb) {
  tell_waiters(sb);
  if (sb->break_req) dl_fail(sb->control, sb->break_req, 503, "the server is stopping");
  sb->break_req = NULL;
}

/* ---- the box ---- */

static void finish_destroy(dl_sandbox *sb);

static void failed(dl_sandbox *sb, const char *reason, bool is_recoverable) {
  dl_set(&sb->error_reason, reason);
  sb->is_recoverable = is_recoverable;
  reached(sb, DL_ERROR, false);
  tell_waiters(sb);
}

static void on_box_exit(void *user, dl_box *box, const char *reason) {
  dl_sandbox *sb = user;
  (void)box;
  sb->box = NULL;
  if (sb->control->is_closing) return;
  dl_warn("sandbox %s ended by itself: %s", sb->id, reason);
  if (sb->is_pending) return; /* the operation under way sees it too */
  failed(sb, reason, true);
}

/* The archive goes only when the journal no longer asks for it. */
static void on_restored_durable(bool is_durable, void *user) {
  dl_sandbox *sb = user;
  dl_control *c = sb->control;
  if (is_durable && !c->is_closing && sb->want != DL_WANT_ARCHIVED) {
    char *archive = dl_sandbox_archive(sb);
    dl_job_remove(c->loop, &c->jobs, archive, NULL, NULL);
    free(archive);
  }
  unhold(sb);
}

static void on_box_started(void *user, dl_box *box, const char *error) {
  dl_sandbox *sb = user;
  dl_control *c = sb->control;
  if (error) box = NULL; /* a failed start names the box too, for the last time */
  if (!box) sb->box = NULL;
  if (c->is_closing) {
    tell_waiters(sb);
  } else if (sb->want == DL_WANT_DESTROYED) {
    finish_destroy(sb);
  } else if (!box) {
    failed(sb, error ? error : "the sandbox did not start", true);
  } else {
    bool was_restored = sb->state == DL_RESTORING;
    dl_set(&sb->error_reason, NULL);
    sb->is_recoverable = false;
    reached(sb, DL_STARTED, false);
    if (was_restored) {
      hold(sb);
      dl_store_commit(c->store, on_restored_durable, sb);
    }
    tell_waiters(sb);
  }
  unhold(sb);
}

static dl_box_pair *env_pairs(const dl_sandbox *sb, size_t *count) {
  dl_box_pair *pairs = dl_xcalloc(json_object_size(sb->env) + 3, sizeof *pairs);
  const char *name;
  json_t *value;
  size_t n = 0;
  pairs[n++] = (dl_box_pair){"DAYTONA_SANDBOX_ID", sb->id};
  pairs[n++] = (dl_box_pair){"DAYTONA_SANDBOX_USER", sb->user};
  if (sb->snapshot) pairs[n++] = (dl_box_pair){"DAYTONA_SANDBOX_SNAPSHOT", sb->snapshot};
  json_object_foreach (sb->env, name, value) pairs[n++] = (dl_box_pair){name, json_string_value(value)};
  *count = n;
  return pairs;
}

static void boot(dl_sandbox *sb) {
  dl_control *c = sb->control;
  char *home = dl_sandbox_home(sb), *dir = dl_sandbox_dir(sb), *error = NULL;
  mkdir(dir, 0711);
  size_t env_count, volume_count;
  dl_box_pair *env = env_pairs(sb, &env_count);
  dl_box_pair *volumes = dl_volume_mounts(c, sb->volumes, &volume_count, &error);
  hold(sb);
  if (error) {
    on_box_started(sb, NULL, error);
  } else {
    dl_box_spec spec = {
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
      .on_exit = on_box_exit,
      .user = sb,
    };
    sb->box = dl_box_start(c->runtime, &spec, on_box_started, sb);
  }
  dl_volume_mounts_free(volumes, volume_count);
  free(env);
  free(error);
  free(dir);
  free(home);
}

/* ---- create and start ---- */

void dl_life_create(dl_sandbox *sb, dl_req *req) {
  dl_control *c = sb->control;
  dl_map_put(&c->sandboxes, sb->id, sb);
  dl_map_put(&c->names, sb->name, sb);
  dl_list_push(&c->sandbox_list, &sb->link);
  sb->state = DL_CREATING;
  sb->want = DL_WANT_STARTED;
  sb->is_pending = true;
  dl_sandbox_save(sb);
  if (c->opts.answers_creating)
    dl_answer_sandbox(c, req, sb);
  else
    wait_for_start(sb, req);
  boot(sb);
}

static void on_unpacked(const char *error, void *user) {
  dl_sandbox *sb = user;
  if (sb->control->is_closing)
    tell_waiters(sb);
  else if (error)
    failed(sb, error, false);
  else
    boot(sb);
  unhold(sb);
}

static void restore(dl_sandbox *sb) {
  dl_control *c = sb->control;
  char *dir = dl_sandbox_dir(sb), *home = dl_sandbox_home(sb), *archive = dl_sandbox_archive(sb);
  mkdir(dir, 0711);
  reached(sb, DL_RESTORING, true);
  hold(sb);
  dl_job_unpack(c->loop, &c->jobs, archive, home, on_unpacked, sb);
  free(archive);
  free(home);
  free(dir);
}

static void on_start_written(bool is_durable, void *user) {
  dl_sandbox *sb = user;
  (void)is_durable;
  if (!sb->control->is_closing && sb->want == DL_WANT_STARTED) restore(sb);
  unhold(sb);
}

void dl_life_start(dl_sandbox *sb, dl_req *req) {
  dl_control *c = sb->control;
  if (sb->want == DL_WANT_ARCHIVED && sb->is_pending) {
    sb->cancels_archive = true; /* its end goes on with the start */
    sb->want = DL_WANT_STARTED;
    dl_sandbox_touch(sb);
    dl_sandbox_save(sb);
    if (req) wait_for_start(sb, req);
    return;
  }
  bool is_archived = sb->state == DL_ARCHIVED;
  sb->want = DL_WANT_STARTED;
  if (sb->state == DL_ERROR) sb->state = DL_STOPPED;
  sb->backup_state = "None";
  free(sb->preview_token);
  sb->preview_token = dl_random_token(32, DL_ALPHABET_PREVIEW);
  reached(sb, sb->state, true);
  if (is_archived) {
    if (req) dl_answer_sandbox(c, req, sb);
    hold(sb);
    dl_store_commit(c->store, on_start_written, sb);
    return;
  }
  if (req) wait_for_start(sb, req);
  boot(sb);
}

/* ---- stop ---- */

static void broken(dl_sandbox *sb) {
  dl_req *req = sb->break_req;
  char *reason = dl_xstrdup(sb->error_reason);
  sb->break_req = NULL;
  failed(sb, reason, sb->is_recoverable);
  free(reason);
  dl_answer_sandbox(sb->control, req, sb);
}

static void on_box_stopped(void *user) {
  dl_sandbox *sb = user;
  sb->box = NULL;
  if (!sb->control->is_closing) {
    if (sb->want == DL_WANT_DESTROYED)
      finish_destroy(sb);
    else if (sb->break_req)
      broken(sb);
    else
      reached(sb, DL_STOPPED, false);
  }
  unhold(sb);
}

static void end_box(dl_sandbox *sb, bool force) {
  hold(sb);
  if (sb->box)
    dl_box_stop(sb->box, force, on_box_stopped, sb);
  else
    on_box_stopped(sb);
}

void dl_life_stop(dl_sandbox *sb, bool force) {
  if (dl_sandbox_is_ephemeral(sb)) {
    dl_life_destroy(sb);
    return;
  }
  sb->want = DL_WANT_STOPPED;
  reached(sb, sb->state, true);
  end_box(sb, force);
}

void dl_life_break(dl_sandbox *sb, const char *reason, bool is_recoverable, dl_req *req) {
  if (!sb->box) {
    failed(sb, reason, is_recoverable);
    dl_answer_sandbox(sb->control, req, sb);
    return;
  }
  sb->break_req = req;
  sb->is_pending = true;
  dl_set(&sb->error_reason, reason);
  sb->is_recoverable = is_recoverable;
  end_box(sb, true);
}

/* ---- archive ---- */

static void on_archive_settled(const char *error, void *user) {
  dl_sandbox *sb = user;
  (void)error;
  if (!sb->control->is_closing) {
    reached(sb, DL_ARCHIVED, false);
    /* A start that came too late to cancel the archive begins from it. */
    if (sb->cancels_archive) {
      sb->cancels_archive = false;
      dl_life_start(sb, NULL);
    }
  }
  unhold(sb);
}

/* The journal says archived: now the directory can go, and only then is the operation over, so
 * that a start never meets the removal. */
static void on_archived_durable(bool is_durable, void *user) {
  dl_sandbox *sb = user;
  dl_control *c = sb->control;
  if (is_durable && !c->is_closing) {
    char *dir = dl_sandbox_dir(sb);
    hold(sb);
    dl_job_remove(c->loop, &c->jobs, dir, on_archive_settled, sb);
    free(dir);
  } else if (!c->is_closing) {
    failed(sb, "the archive could not be recorded", true);
  }
  unhold(sb);
}

/* What is written says archived while what is shown still says archiving. */
static void record_archived(dl_sandbox *sb) {
  dl_state shown = sb->state;
  sb->backup_state = "Completed";
  sb->backup_at = dl_now(sb->control);
  sb->state = DL_ARCHIVED;
  dl_sandbox_save(sb);
  sb->state = shown;
  hold(sb);
  dl_store_commit(sb->control->store, on_archived_durable, sb);
}

static void on_packed(const char *error, void *user) {
  dl_sandbox *sb = user;
  dl_control *c = sb->control;
  if (c->is_closing) {
    tell_waiters(sb);
  } else if (sb->want == DL_WANT_DESTROYED) {
    finish_destroy(sb);
  } else if (sb->cancels_archive) {
    sb->cancels_archive = false;
    char *archive = dl_sandbox_archive(sb);
    dl_job_remove(c->loop, &c->jobs, archive, NULL, NULL);
    free(archive);
    boot(sb);
  } else if (error) {
    failed(sb, error, true);
  } else {
    record_archived(sb);
  }
  unhold(sb);
}

void dl_life_archive(dl_sandbox *sb) {
  dl_control *c = sb->control;
  sb->want = DL_WANT_ARCHIVED;
  sb->backup_state = "InProgress";
  reached(sb, sb->state, true);
  char *home = dl_sandbox_home(sb), *archive = dl_sandbox_archive(sb);
  hold(sb);
  dl_job_pack(c->loop, &c->jobs, home, archive, on_packed, sb);
  free(home);
  free(archive);
}

/* ---- destroy ---- */

static void on_files_removed(const char *error, void *user) {
  dl_sandbox *sb = user;
  dl_control *c = sb->control;
  (void)error;
  if (!c->is_closing) {
    sb->state = DL_DESTROYED;
    dl_store_put(c->store, "sandbox", sb->id, NULL);
    dl_store_commit(c->store, ignore_commit, NULL);
    dl_map_remove(&c->sandboxes, sb->id);
    dl_list_unlink(&sb->link);
    sb->is_gone = true;
  }
  unhold(sb);
}

static void on_dir_removed(const char *error, void *user) {
  dl_sandbox *sb = user;
  (void)error;
  char *archive = dl_sandbox_archive(sb);
  dl_job_remove(sb->control->loop, &sb->control->jobs, archive, on_files_removed, sb);
  free(archive);
}

static void finish_destroy(dl_sandbox *sb) {
  tell_waiters(sb);
  char *dir = dl_sandbox_dir(sb);
  hold(sb);
  dl_job_remove(sb->control->loop, &sb->control->jobs, dir, on_dir_removed, sb);
  free(dir);
}

static void forget_tokens(dl_sandbox *sb) {
  size_t i;
  json_t *entry;
  json_array_foreach (sb->signed_tokens, i, entry)
    dl_map_remove(&sb->control->preview_tokens, dl_json_str(entry, "token"));
}

void dl_life_destroy(dl_sandbox *sb) {
  dl_control *c = sb->control;
  if (dl_map_get(&c->names, sb->name) == sb) dl_map_remove(&c->names, sb->name);
  char *name = dl_xprintf("DESTROYED_%s_%lld", sb->name, (long long)dl_now(c));
  free(sb->name);
  sb->name = name;
  sb->want = DL_WANT_DESTROYED;
  forget_tokens(sb);
  reached(sb, sb->state, true);
  end_box(sb, true);
}

/* ---- resize ---- */

typedef struct {
  dl_sandbox *sandbox;
  dl_state state;
  dl_want want;
} resize;

static void on_resize_durable(bool is_durable, void *user) {
  resize *r = user;
  dl_sandbox *sb = r->sandbox;
  (void)is_durable;
  if (sb->state == DL_RESIZING && !sb->control->is_closing) {
    sb->want = r->want;
    if (sb->box) {
      const char *missing = dl_box_update_limits(sb->box, sb->cpu, sb->memory);
      if (missing) dl_info("sandbox %s: %s", sb->id, missing);
    }
    if (r->state == DL_STARTED && !sb->box)
      failed(sb, "the sandbox ended while it was resized", true);
    else
      reached(sb, r->state, false);
  }
  unhold(sb);
  free(r);
}

void dl_life_resize(dl_sandbox *sb, double cpu, double memory, double disk) {
  resize *r = dl_xcalloc(1, sizeof *r);
  *r = (resize){sb, sb->state, sb->want};
  sb->cpu = cpu;
  sb->memory = memory;
  sb->disk = disk;
  dl_sandbox_touch(sb);
  dl_sandbox_save(sb); /* with the state it has and will have again */
  sb->state = DL_RESIZING;
  sb->want = DL_WANT_RESIZED;
  sb->is_pending = true;
  hold(sb);
  dl_store_commit(sb->control->store, on_resize_durable, r);
}

/* ---- after a restart ---- */

void dl_life_resume(dl_sandbox *sb) {
  dl_control *c = sb->control;
  if (sb->want == DL_WANT_DESTROYED) {
    sb->is_pending = true;
    hold(sb);
    finish_destroy(sb);
    unhold(sb);
  } else if (sb->state == DL_ERROR) {
    return;
  } else if (sb->want == DL_WANT_STARTED && (sb->state == DL_ARCHIVED || sb->state == DL_RESTORING)) {
    sb->is_pending = true;
    restore(sb);
  } else if (sb->want == DL_WANT_STARTED) {
    if (sb->state == DL_STARTED) sb->state = DL_STOPPED;
    sb->is_pending = true;
    boot(sb);
  } else if (sb->want == DL_WANT_STOPPED) {
    sb->state = DL_STOPPED;
  } else if (sb->want == DL_WANT_ARCHIVED && sb->state == DL_STOPPED) {
    dl_life_archive(sb);
  } else if (sb->state == DL_ARCHIVED) {
    char *dir = dl_sandbox_dir(sb);
    dl_job_remove(c->loop, &c->jobs, dir, NULL, NULL);
    free(dir);
  }
}
