/* SPDX-License-Identifier: Apache-2.0 */
/*
 * States of a sandbox and the operations between them. Invariants: `is_pending` while an
 * operation runs, and only that operation moves `state`; every change is put into the store
 * before it is reported; files are removed only after the state that needs them is no longer the
 * one on disk. A sandbox that was destroyed is freed when nothing holds it any more.
 *
 * What is asked for is an intent until it is on disk: only then anything is done about it, and when it cannot be written
 * the sandbox is what it was. (A creation begins at once, and is undone.) What the sandbox came to by itself is true
 * whether it can be written or not; that is tried again and again.
 */
#include "control/life/life.h"
#include "control/life/links.h"
#include "control/life/network.h"
#include "control/life/steps.h"

#include "control/objects/build_info.h"
#include "control/objects/leftovers.h"
#include "control/objects/secrets.h"
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
/* While the journal cannot be written. */
#define RETRY_MS 1000

/* A sandbox that waits for its image. */
typedef struct dl_building {
  dl_wanted_t wanted;
  dl_sandbox_t *sandbox;
} building_t;

typedef struct {
  dl_list_t link;
  dl_life_wait_t wait;
  uv_timer_t timer;
} waiter_t;

/* What may follow a state, as bits. A failed one can fail again, for another reason. */
#define BIT(state) (1u << (state))
static const unsigned successors[DL_STATE_COUNT] = {
  [DL_CREATING] = BIT(DL_STARTED) | BIT(DL_ERROR) | BIT(DL_DESTROYED),
  [DL_STARTED] = BIT(DL_STOPPED) | BIT(DL_RESIZING) | BIT(DL_PAUSED) | BIT(DL_FORKING) |
                 BIT(DL_SNAPSHOTTING) | BIT(DL_ERROR) | BIT(DL_DESTROYED),
  [DL_STOPPED] = BIT(DL_STARTED) | BIT(DL_ARCHIVED) | BIT(DL_RESIZING) | BIT(DL_SNAPSHOTTING) |
                 BIT(DL_ERROR) | BIT(DL_DESTROYED),
  [DL_PAUSED] = BIT(DL_STARTED) | BIT(DL_STOPPED) | BIT(DL_ERROR) | BIT(DL_DESTROYED),
  [DL_FORKING] = BIT(DL_STARTED) | BIT(DL_ERROR) | BIT(DL_DESTROYED),
  [DL_SNAPSHOTTING] = BIT(DL_STARTED) | BIT(DL_STOPPED) | BIT(DL_ERROR) | BIT(DL_DESTROYED),
  [DL_ARCHIVED] = BIT(DL_RESTORING) | BIT(DL_ERROR) | BIT(DL_DESTROYED),
  [DL_RESTORING] = BIT(DL_STARTED) | BIT(DL_ERROR) | BIT(DL_DESTROYED),
  [DL_RESIZING] = BIT(DL_STARTED) | BIT(DL_STOPPED) | BIT(DL_ERROR) | BIT(DL_DESTROYED),
  [DL_ERROR] = BIT(DL_STOPPED) | BIT(DL_ERROR) | BIT(DL_DESTROYED),
  [DL_DESTROYED] = 0,
  [DL_PENDING_BUILD] =
    BIT(DL_BUILDING) | BIT(DL_CREATING) | BIT(DL_BUILD_FAILED) | BIT(DL_ERROR) | BIT(DL_DESTROYED),
  [DL_BUILDING] =
    BIT(DL_PENDING_BUILD) | BIT(DL_CREATING) | BIT(DL_BUILD_FAILED) | BIT(DL_ERROR) | BIT(DL_DESTROYED),
  [DL_BUILD_FAILED] = BIT(DL_DESTROYED),
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

/* Of what is true anyway: see on_undone. */
static void ignore_commit(dl_written_t outcome, void *user) { (void)outcome, (void)user; }

void dl_life_mark(dl_life_t *l) {
  if (!l->is_frozen && l->on_alarm)
    uv_timer_start(&l->alarm, l->on_alarm, dl_store_is_failing(l->objects->store) ? RETRY_MS : 0, 0);
}

/* To be called whenever the states have changed. */
static void tell_watcher(dl_sandbox_t *sb) {
  dl_life_t *l = sb->life;
  const char *was_state = sb->told.state, *was_want = sb->told.want;
  sb->told.state = dl_sandbox_state_name(sb, false);
  sb->told.want = dl_want_name(sb->want);
  if (was_state == sb->told.state && was_want == sb->told.want) return;
  if (l->on_shown && !l->is_frozen) l->on_shown(sb, was_state, was_want, l->shown_user);
}

static void save_as(dl_sandbox_t *sb, dl_state_t state) {
  dl_store_t *store = sb->life->objects->store;
  int64_t offset = dl_clock_offset(&sb->life->objects->clock);
  if (sb->want == DL_WANT_DESTROYED)
    dl_store_put_ending(store, "sandbox", sb->id, dl_sandbox_record(sb, state, offset));
  else
    dl_store_put(store, "sandbox", sb->id, dl_sandbox_record(sb, state, offset));
  dl_store_commit(store, ignore_commit, NULL);
  dl_life_mark(sb->life);
  tell_watcher(sb);
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
          sb->life->is_frozen         ? DL_LIFE_ENDING
          : sb->is_unmade             ? DL_LIFE_NOT_WRITTEN
          : dl_sandbox_is_errored(sb) ? DL_LIFE_FAILED
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

static void tell_not_written(dl_sandbox_t *sb) {
  while (!dl_list_empty(&sb->waiters)) {
    dl_life_wait_t wait = take_waiter(DL_CONTAINER(sb->waiters.next, waiter_t, link));
    wait.cb(sb, DL_LIFE_NOT_WRITTEN, wait.user);
  }
}

/* --- the box --- */

static void finish_destroy(dl_sandbox_t *sb);

static void failed_as(dl_sandbox_t *sb, dl_state_t state, const char *reason, bool is_recoverable) {
  sb->gives_way = sb->cancels_archive = false;
  if (sb->intent.go) { /* and that is what an intent goes back to */
    sb->intent.state = state;
    sb->intent.is_pending = false;
    sb->intent.is_recoverable = is_recoverable;
    dl_set(&sb->intent.error_reason, reason);
  }
  dl_set(&sb->error_reason, reason);
  sb->is_recoverable = is_recoverable;
  reached(sb, state, false);
  tell_waiters(sb);
}

static void failed(dl_sandbox_t *sb, const char *reason, bool is_recoverable) {
  failed_as(sb, DL_ERROR, reason, is_recoverable);
}

/* There is no box any more, and what it ran on is not needed by it. */
static void box_is_over(dl_sandbox_t *sb) {
  sb->box = NULL;
  dl_image_release(sb->held_image);
  sb->held_image = NULL;
}

static void on_box_exit(void *user, dl_box_t *box, const char *reason) {
  dl_sandbox_t *sb = user;
  (void)box;
  box_is_over(sb);
  if (sb->life->is_frozen) return;
  dl_warn("sandbox %s ended by itself: %s", sb->id, reason);
  if (sb->is_pending) return; /* the operation under way sees it too */
  failed(sb, reason, true);
}

/* --- intents --- */

/* Before anything is changed. */
static void remember(dl_sandbox_t *sb) {
  assert(!sb->intent.go);
  sb->intent.state = sb->state;
  sb->intent.want = sb->want;
  sb->intent.is_recoverable = sb->is_recoverable;
  sb->intent.is_pending = sb->is_pending;
  sb->intent.is_start = false;
  sb->intent.backup_state = sb->backup_state;
  sb->intent.updated_at = sb->updated_at;
  sb->intent.last_activity_at = sb->last_activity_at;
  dl_set(&sb->intent.name, sb->name);
  dl_set(&sb->intent.error_reason, sb->error_reason);
}

static void go_back(dl_sandbox_t *sb) {
  set_state(sb, sb->intent.state);
  sb->want = sb->intent.want;
  sb->is_recoverable = sb->intent.is_recoverable;
  sb->is_pending = sb->intent.is_pending;
  sb->backup_state = sb->intent.backup_state;
  sb->updated_at = sb->intent.updated_at;
  sb->last_activity_at = sb->intent.last_activity_at;
  sb->queue_timed_out_at = sb->spot_evicted_at = 0;
  dl_set(&sb->error_reason, sb->intent.error_reason);
  if (strcmp(sb->name, sb->intent.name) != 0) {
    dl_set(&sb->name, sb->intent.name);
    dl_objects_regain_name(sb->life->objects, sb);
  }
  tell_watcher(sb);
  if (sb->forking || sb->snapshotting) sb->life->copies->drop(sb);
  if (sb->intent.is_start) tell_not_written(sb);
  if (sb->state == DL_STARTED && !sb->box) failed(sb, "the sandbox has ended", true);
  dl_life_mark(sb->life);
}

static void on_intended(dl_written_t outcome, void *user) {
  dl_sandbox_t *sb = user;
  void (*go)(dl_sandbox_t *) = sb->intent.go;
  void (*deferred)(const char *, void *) = sb->intent.deferred;
  char *error = sb->intent.deferred_error;
  sb->intent.go = NULL;
  sb->intent.deferred = NULL;
  sb->intent.deferred_error = NULL;
  bool is_over = sb->life->is_frozen || sb->is_unmade;
  if (!is_over && outcome == DL_WRITTEN) go(sb);
  if (!is_over && outcome != DL_WRITTEN) go_back(sb);
  if (deferred) deferred(error, sb);
  free(error);
  unhold(sb);
}

/* `go` does it, once what was put is on disk. */
static void intend(dl_sandbox_t *sb, void (*go)(dl_sandbox_t *sb)) {
  assert(!sb->intent.go && sb->is_pending);
  sb->intent.go = go;
  hold(sb);
  dl_store_commit(sb->life->objects->store, on_intended, sb);
}

/* The end of work on files while an intent to interrupt it is not on disk yet: it is processed when that is decided. */
static bool defer(dl_sandbox_t *sb, dl_job_cb cb, const char *error) {
  if (!sb->intent.go) return false;
  assert(!sb->intent.deferred);
  sb->intent.deferred = cb;
  dl_set(&sb->intent.deferred_error, error);
  return true;
}

/* --- files --- */

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
static void on_restored_durable(dl_written_t outcome, void *user) {
  dl_sandbox_t *sb = user;
  if (outcome == DL_WRITTEN && !sb->life->is_frozen && sb->want != DL_WANT_ARCHIVED)
    discard_archive(sb, NULL);
  unhold(sb);
}

static void on_box_started(void *user, dl_box_t *box, const char *error) {
  dl_sandbox_t *sb = user;
  if (error) box = NULL; /* a failed start names the box too, for the last time */
  if (!box) box_is_over(sb);
  if (sb->life->is_frozen) {
    tell_waiters(sb);
  } else if (sb->is_unmade) {
    assert(!box || sb->box); /* it is being stopped */
  } else if (!box && sb->want == DL_WANT_DESTROYED && !sb->intent.go) {
    tell_waiters(sb); /* it was interrupted, and on_box_stopped goes on */
  } else if (!box) {
    failed(sb, error ? error : "the sandbox did not start", true);
  } else {
    bool was_restored = sb->state == DL_RESTORING, is_to_go = sb->intent.go != NULL;
    dl_set(&sb->error_reason, NULL);
    sb->is_recoverable = false;
    if (is_to_go) { /* and this is what it goes back to, should the deletion not be written */
      sb->intent.state = DL_STARTED;
      sb->intent.is_pending = false;
    }
    reached(sb, DL_STARTED, is_to_go);
    if (sb->are_secrets_due) dl_life_renew_secrets(sb, NULL, NULL);
    if (was_restored) {
      hold(sb);
      dl_store_commit(sb->life->objects->store, on_restored_durable, sb);
    }
    tell_waiters(sb);
  }
  unhold(sb);
}

/* The server's pairs that the sandbox has not set itself. */
static size_t add_pairs(const dl_sandbox_t *sb, const dl_box_pair_t *from, size_t count, dl_box_pair_t *out) {
  size_t n = 0;
  for (size_t i = 0; i < count; i++)
    if (!json_object_get(sb->env, from[i].name)) out[n++] = from[i];
  return n;
}

/* Later ones win. */
static dl_box_pair_t *env_pairs(const dl_sandbox_t *sb, size_t *count) {
  const dl_life_t *l = sb->life;
  dl_box_pair_t *pairs = dl_xcalloc(
    l->proxy_env_count + l->sandbox_env_count + json_object_size(sb->env) + json_object_size(sb->secrets) + 5,
    sizeof *pairs);
  const char *name, *secret;
  json_t *value;
  size_t n = add_pairs(sb, l->proxy_env, l->proxy_env_count, pairs);
  n += add_pairs(sb, l->sandbox_env, l->sandbox_env_count, pairs + n);
  pairs[n++] = (dl_box_pair_t){"DAYTONA_SANDBOX_ID", sb->id};
  pairs[n++] = (dl_box_pair_t){"DAYTONA_SANDBOX_USER", sb->user};
  if (sb->snapshot) pairs[n++] = (dl_box_pair_t){"DAYTONA_SANDBOX_SNAPSHOT", sb->snapshot};
  pairs[n++] = (dl_box_pair_t){"DAYTONA_ORGANIZATION_ID", sb->life->objects->organization_id};
  pairs[n++] = (dl_box_pair_t){"DAYTONA_REGION_ID", sb->target};
  json_object_foreach (sb->env, name, value) pairs[n++] = (dl_box_pair_t){name, json_string_value(value)};
  json_object_foreach (sb->secrets, name, value) {
    secret = dl_secret_value(l->objects, json_string_value(value));
    if (secret) pairs[n++] = (dl_box_pair_t){name, secret};
  }
  *count = n;
  return pairs;
}

/* Nothing that would replace the image's own was asked for. */
static bool is_of_image(const json_t *words, const dl_image_info_t *info) {
  size_t count = 0;
  while (info->entrypoint[count]) count++;
  if (!json_is_array(words)) return true;
  for (size_t i = 0; i < count; i++) {
    const char *word = json_string_value(json_array_get(words, i));
    if (!word || strcmp(word, info->entrypoint[i]) != 0) return false;
  }
  return count > 0 && json_array_size(words) == count;
}

/* What it is started with: what was asked for, else the image's entrypoint with its arguments, else something that stays.
 * Borrowed texts, NULL at the end; the array is yours to free. `info` is that of its image, NULL: it has none. */
static const char **entrypoint_of(const dl_sandbox_t *sb, const dl_image_info_t *info) {
  static const char *const nothing[] = {NULL};
  const json_t *snapshot = dl_snapshot_find(sb->life->objects, NULL), *words = sb->entrypoint;
  const char *const *more = info && is_of_image(words, info) ? info->cmd : nothing;
  size_t count = 0, i;
  json_t *word;
  if (!json_is_array(words) && !*more) words = dl_json_get(snapshot, "entrypoint");
  while (more[count]) count++;
  const char **out = dl_xcalloc(json_array_size(words) + count + 1, sizeof *out);
  json_array_foreach (words, i, word) out[i] = json_string_value(word);
  for (i = 0; i < count; i++) out[json_array_size(words) + i] = more[i];
  return out;
}

/* What it runs on, filled in; `out` borrows from the image, which is held as long as the box lives. False: *error. */
static bool take_root(dl_sandbox_t *sb, dl_box_image_t *out, char **error) {
  dl_image_t *image = dl_image_open(sb->life->images, sb->image, error);
  if (!image) return false;
  const dl_image_info_t *info = dl_image_info(image);
  const dl_image_ids_t ids = dl_images_ids(sb->life->images);
  sb->held_image = image;
  *out = (dl_box_image_t){.layers = dl_image_layers(image),
                          .ids = {ids.zero_uid, ids.first_uid, ids.zero_gid, ids.first_gid, ids.count},
                          .user = sb->user,
                          .work_dir = info->work_dir,
                          .env = info->env};
  return true;
}

/* The box is given them all now. */
static void note_secrets(dl_sandbox_t *sb) {
  const char *name;
  json_t *id;
  sb->are_secrets_due = false;
  json_decref(sb->box_secrets);
  sb->box_secrets = json_object();
  json_object_foreach (sb->secrets, name, id) json_object_set_new(sb->box_secrets, name, json_true());
}

/* They borrow from it. */
static dl_box_rules_t rules_of(const dl_sandbox_t *sb) {
  const dl_network_settings_t settings = dl_network_settings(sb);
  return dl_network_rules(sb->life->runtime, &settings, sb->life->accepts_unenforced);
}

static void boot(dl_sandbox_t *sb);

/* What was there before a sandbox may be gone; then it starts as if there had been nothing. */
static void on_box_claimed(void *user, dl_box_t *box, const char *error) {
  dl_sandbox_t *sb = user;
  bool is_wanted = !sb->life->is_frozen && !sb->is_unmade && !sb->intent.go && sb->want == DL_WANT_STARTED;
  if (!error || !is_wanted) {
    on_box_started(user, box, error);
    return;
  }
  dl_info("sandbox %s: its warm box has ended, and it starts another one: %s", sb->id, error);
  box_is_over(sb);
  boot(sb);
  unhold(sb);
}

static void boot(dl_sandbox_t *sb) {
  dl_objects_t *o = sb->life->objects;
  char *home = dl_objects_home(o, sb), *dir = dl_objects_dir(o, sb), *error = NULL;
  assert(sb->is_pending && !sb->box);
  sb->gives_way =
    false; /* a boot is over soon once it is prepared, and ends in a state that can be destroyed */
  mkdir(dir, 0711);
  dl_warm_put_off(&sb->life->warm);
  size_t env_count, volume_count;
  dl_box_pair_t *env = env_pairs(sb, &env_count);
  dl_box_volume_t *volumes = dl_volume_mounts(o, sb->volumes, &volume_count, &error);
  if (!error && !dl_secrets_narrow(o, sb->secrets, &sb->secret_hosts))
    error = dl_secrets_refused(o, sb->secrets);
  note_secrets(sb);
  dl_box_image_t root;
  bool has_root = sb->image && !error && take_root(sb, &root, &error);
  const char **entrypoint = entrypoint_of(sb, has_root ? dl_image_info(sb->held_image) : NULL);
  char *hosts = dl_links_hosts(o, sb);
  hold(sb);
  assert(!error || !sb->warm_box);
  if (error) {
    on_box_started(sb, NULL, error);
  } else {
    dl_box_spec_t spec = {
      .id = sb->id,
      .home_dir = home,
      .image = has_root ? &root : NULL,
      .env = env,
      .env_count = env_count,
      .volumes = volumes,
      .volume_count = volume_count,
      .rules = rules_of(sb),
      .hosts = hosts,
      .cpu = sb->cpu,
      .memory_gib = sb->memory,
      .disk_gib = sb->disk,
      .entrypoint = entrypoint,
      .on_exit = on_box_exit,
      .user = sb,
    };
    if (sb->warm_box) {
      sb->box = sb->warm_box;
      sb->warm_box = NULL;
      dl_box_claim(sb->box, &spec, on_box_claimed, sb);
    } else {
      sb->box = dl_box_start(sb->life->runtime, &spec, on_box_started, sb);
    }
    dl_links_make(o, sb);
  }
  dl_volume_mounts_free(volumes, volume_count);
  free(entrypoint);
  free(env);
  free(error);
  free(hosts);
  free(dir);
  free(home);
}

/* --- its image --- */

/* Default is what the image says; there is no user "daytona" in most. */
static const char *user_of(const dl_image_info_t *info) { return *info->user ? info->user : "root"; }

void dl_life_take_image(dl_sandbox_t *sb, const dl_image_t *image) {
  const dl_image_info_t *info = dl_image_info(image);
  dl_set(&sb->image, info->id);
  if (!sb->entrypoint && *info->entrypoint) {
    sb->entrypoint = json_array();
    for (const char *const *at = info->entrypoint; *at; at++)
      json_array_append_new(sb->entrypoint, json_string(*at));
  }
  if (!sb->has_own_user) dl_set(&sb->user, user_of(info));
}

static void drop_building(dl_sandbox_t *sb) {
  if (sb->building) dl_wanted_drop(&sb->building->wanted);
  free(sb->building);
  sb->building = NULL;
}

static void on_built(const char *error, void *user) {
  dl_sandbox_t *sb = user;
  if (sb->life->is_frozen || sb->is_unmade) return;
  if (defer(sb, on_built, error)) return;
  if (sb->want == DL_WANT_DESTROYED) {
    finish_destroy(sb);
  } else if (error) {
    failed_as(sb, DL_BUILD_FAILED, error, false);
  } else {
    reached(sb, DL_CREATING, true);
    boot(sb);
  }
}

static void on_image(dl_wanted_t *w, dl_image_t *image, const char *error) {
  dl_sandbox_t *sb = DL_CONTAINER(w, building_t, wanted)->sandbox;
  if (image) dl_life_take_image(sb, image);
  free(sb->building);
  sb->building = NULL;
  on_built(error, sb);
}

static void on_build_begun(dl_wanted_t *w) {
  dl_sandbox_t *sb = DL_CONTAINER(w, building_t, wanted)->sandbox;
  if (sb->intent.go)
    sb->intent.state = DL_BUILDING; /* should that be taken back */
  else
    reached(sb, DL_BUILDING, true);
}

static void want_image(dl_sandbox_t *sb) {
  assert(sb->state == DL_PENDING_BUILD && sb->is_pending && sb->build && !sb->building);
  sb->building = dl_xcalloc(1, sizeof *sb->building);
  *sb->building = (building_t){.wanted = {.on_begun = on_build_begun, .on_end = on_image}, .sandbox = sb};
  sb->gives_way = true;
  char *name = dl_build_image_name(dl_json_str(sb->build, "snapshotRef"));
  dl_works_build(sb->life->works, &sb->building->wanted, name, sb->build);
  free(name);
  if (dl_wanted_has_begun(&sb->building->wanted)) reached(sb, DL_BUILDING, true);
}

void dl_life_give_up_build(dl_sandbox_t *sb) {
  assert(sb->building && !sb->intent.go);
  drop_building(sb);
  on_built("the build took longer than an hour", sb);
}

/* --- create and start --- */

static bool may_be_warm(const dl_life_t *l, const dl_sandbox_t *sb) {
  if (!l->runtime || sb->image || sb->build || sb->files_from || !sb->snapshot ||
      strcmp(sb->snapshot, DL_DEFAULT_SNAPSHOT) != 0)
    return false;
  if (json_array_size(sb->volumes) > 0 || sb->linked) return false;
  char *problem = dl_secrets_refused(l->objects, sb->secrets);
  bool is_refused = problem != NULL;
  free(problem);
  return !is_refused;
}

void dl_life_take_warm(dl_life_t *l, dl_sandbox_t *sb) {
  assert(!sb->life && !sb->warm_box);
  if (!may_be_warm(l, sb)) return;
  const dl_network_settings_t settings = dl_network_settings(sb);
  const dl_box_spec_t needs = {.rules = dl_network_rules(l->runtime, &settings, l->accepts_unenforced),
                               .cpu = sb->cpu,
                               .memory_gib = sb->memory,
                               .disk_gib = sb->disk};
  char *id = NULL;
  sb->warm_box = dl_warm_take(&l->warm, &needs, &id);
  if (!sb->warm_box) return;
  if (strcmp(sb->name, sb->id) == 0) dl_set(&sb->name, id);
  dl_set(&sb->id, id);
  free(id);
}

void dl_life_create(dl_life_t *l, dl_sandbox_t *sb) {
  sb->life = l;
  dl_objects_add(l->objects, sb);
  assert(sb->state == DL_CREATING);
  if (sb->build && !sb->image) sb->state = DL_PENDING_BUILD;
  sb->want = DL_WANT_STARTED;
  sb->is_pending = true;
  dl_life_save(sb);
}

void dl_life_adopt(dl_life_t *l, dl_sandbox_t *sb, bool is_archived) {
  sb->life = l;
  dl_set(&sb->files_from, NULL); /* it has files */
  sb->state = is_archived ? DL_ARCHIVED : DL_STOPPED;
  sb->want = is_archived ? DL_WANT_ARCHIVED : DL_WANT_STOPPED;
  sb->is_adopted = true;
  dl_objects_add(l->objects, sb);
  dl_life_save(sb);
}

/* Its first files may be elsewhere. */
static void begin(dl_sandbox_t *sb) {
  if (sb->files_from)
    sb->life->copies->fetch(sb);
  else
    boot(sb);
}

void dl_life_boot(dl_sandbox_t *sb, dl_life_wait_t wait) {
  assert(sb->state == DL_CREATING || sb->state == DL_PENDING_BUILD);
  wait_for_start(sb, wait);
  if (sb->state == DL_PENDING_BUILD)
    want_image(sb);
  else
    begin(sb);
}

static void on_unpacked(const char *error, void *user) {
  dl_sandbox_t *sb = user;
  sb->job = NULL;
  if (defer(sb, on_unpacked, error)) return;
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

/* --- secrets of a running box --- */

#define SECRETS_TEXT_MAX (4u << 20)

typedef struct {
  dl_sandbox_t *sandbox;
  void (*cb)(dl_sandbox_t *sb, void *user);
  void *user;
} renewal_t;

static void on_renewed(bool is_set, void *user) {
  renewal_t *r = user;
  (void)is_set; /* a box that has ended is given them by the next start */
  if (r->cb) r->cb(r->sandbox, r->user);
  unhold(r->sandbox);
  free(r);
}

static void put_variable(dl_buf_t *text, const char *name, const char *value) {
  dl_buf_puts(text, name);
  if (value) dl_buf_puts(text, "=");
  dl_buf_append(text, value ? value : "", value ? strlen(value) + 1 : 1);
}

/* What is gone has again the value that the sandbox's own environment has, or none. */
static void put_secrets(dl_buf_t *text, const dl_sandbox_t *sb) {
  const char *name;
  json_t *value;
  json_object_foreach (sb->box_secrets, name, value) {
    if (!json_object_get(sb->secrets, name)) put_variable(text, name, dl_json_str(sb->env, name));
  }
  json_object_foreach (sb->secrets, name, value) {
    const char *secret = dl_secret_value(sb->life->objects, json_string_value(value));
    put_variable(text, name, secret ? secret : dl_json_str(sb->env, name));
  }
}

void dl_life_renew_secrets(dl_sandbox_t *sb, void (*cb)(dl_sandbox_t *sb, void *user), void *user) {
  dl_buf_t text;
  dl_buf_init(&text, SECRETS_TEXT_MAX);
  renewal_t *r = dl_xcalloc(1, sizeof *r);
  *r = (renewal_t){sb, cb, user};
  hold(sb);
  if (sb->box) put_secrets(&text, sb);
  bool is_sent = text.len > 0 && dl_box_set_env(sb->box, text.data, text.len, on_renewed, r);
  if (is_sent) note_secrets(sb);
  if (sb->box && text.len > 0 && !is_sent) sb->are_secrets_due = true; /* it is starting, or ending */
  if (!is_sent) on_renewed(false, r);
  if (text.data) explicit_bzero(text.data, text.len);
  dl_buf_clear(&text);
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

static void go_start(dl_sandbox_t *sb) {
  if (sb->state != DL_ARCHIVED) {
    begin(sb);
    return;
  }
  tell_waiters(sb); /* it takes as long as it takes */
  restore(sb);
}

/* The end of the archive continues with the start. */
static void go_start_instead(dl_sandbox_t *sb) {
  sb->cancels_archive = true;
  if (sb->job) dl_job_cancel(sb->job);
}

void dl_life_start(dl_sandbox_t *sb, dl_life_wait_t wait) {
  bool is_archiving = sb->want == DL_WANT_ARCHIVED && sb->is_pending;
  assert((!sb->is_pending || dl_sandbox_gives_way(sb)) && sb->want != DL_WANT_DESTROYED);
  remember(sb);
  if (sb->state == DL_ERROR) clear_error(sb);
  sb->want = DL_WANT_STARTED;
  if (!is_archiving) sb->backup_state = "None";
  if (!is_archiving && sb->state != DL_PAUSED) {
    free(sb->preview_token);
    sb->preview_token = dl_random_token(32, DL_ALPHABET_PREVIEW);
  }
  reached(sb, sb->state, true);
  wait_for_start(sb, wait);
  sb->intent.is_start = true;
  intend(sb, is_archiving ? go_start_instead : go_start);
}

static void go_recover(dl_sandbox_t *sb) {
  sb->is_pending = false;
  dl_life_mark(sb->life);
}

void dl_life_recover(dl_sandbox_t *sb) {
  assert(!sb->is_pending && sb->want != DL_WANT_DESTROYED);
  remember(sb);
  clear_error(sb);
  sb->want = DL_WANT_STOPPED;
  reached(sb, DL_STOPPED, true);
  intend(sb, go_recover);
}

/* --- stop --- */

static void broken(dl_sandbox_t *sb) {
  sb->is_breaking = false;
  reached(sb, DL_ERROR, false);
  tell_waiters(sb);
}

static void on_box_stopped(void *user) {
  dl_sandbox_t *sb = user;
  box_is_over(sb);
  if (!sb->life->is_frozen) {
    if (sb->want == DL_WANT_DESTROYED)
      finish_destroy(sb);
    else if (sb->is_breaking)
      broken(sb);
    else
      reached(sb, sb->want == DL_WANT_PAUSED ? DL_PAUSED : DL_STOPPED, false);
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

static void go_stop(dl_sandbox_t *sb) { end_box(sb, sb->intent.is_forced); }

void dl_life_stop(dl_sandbox_t *sb, bool force) {
  if (dl_sandbox_is_ephemeral(sb)) {
    dl_life_destroy(sb);
    return;
  }
  remember(sb);
  sb->want = DL_WANT_STOPPED;
  sb->intent.is_forced = force;
  reached(sb, sb->state, true);
  intend(sb, go_stop);
}

/* --- pause --- */

static void go_pause(dl_sandbox_t *sb) { end_box(sb, false); }

void dl_life_pause(dl_sandbox_t *sb) {
  assert(sb->state == DL_STARTED && !sb->is_pending && dl_sandbox_is_vm(sb));
  remember(sb);
  sb->want = DL_WANT_PAUSED;
  reached(sb, sb->state, true);
  intend(sb, go_pause);
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
  if (defer(sb, on_archive_settled, error)) return;
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
static void on_archived_durable(dl_written_t outcome, void *user) {
  dl_sandbox_t *sb = user;
  if (outcome == DL_WRITTEN && !sb->life->is_frozen) {
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
  if (defer(sb, on_packed, error)) return;
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

static void go_archive(dl_sandbox_t *sb) {
  dl_objects_t *o = sb->life->objects;
  char *home = dl_objects_home(o, sb), *archive = dl_objects_archive(o, sb);
  sb->gives_way = true;
  hold(sb);
  sb->job = dl_job_pack(o->jobs, home, archive, on_packed, sb);
  free(home);
  free(archive);
}

void dl_life_archive(dl_sandbox_t *sb) {
  assert(sb->state == DL_STOPPED && !sb->is_pending && !sb->box);
  remember(sb);
  sb->want = DL_WANT_ARCHIVED;
  sb->backup_state = "InProgress";
  reached(sb, sb->state, true);
  intend(sb, go_archive);
}

/* --- destroy --- */

/* That of a build stays: it is quick to have it when the same is asked for again. */
static void leave_image(const dl_sandbox_t *sb) {
  dl_objects_t *o = sb->life->objects;
  if (!sb->image || sb->build || dl_image_is_needed(o, sb->image, NULL)) return;
  dl_image_note_unneeded(o, sb->image);
  dl_works_look(sb->life->works);
}

static void on_files_removed(const char *error, void *user) {
  dl_sandbox_t *sb = user;
  (void)error;
  if (!sb->life->is_frozen) {
    set_state(sb, DL_DESTROYED);
    sb->is_pending = false;
    leave_image(sb);
    if (dl_sandbox_is_memory(sb))
      dl_life_save(sb);
    else
      dl_life_forget(sb);
  }
  unhold(sb);
}

void dl_life_forget(dl_sandbox_t *sb) {
  dl_objects_t *o = sb->life->objects;
  assert(sb->state == DL_DESTROYED && !sb->is_gone);
  tell_watcher(sb);
  dl_store_put(o->store, "sandbox", sb->id, NULL);
  dl_store_commit(o->store, ignore_commit, NULL);
  dl_objects_remove(o, sb);
  hold(sb);
  sb->is_gone = true;
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

static void go_destroy(dl_sandbox_t *sb) {
  if (!sb->gives_way)
    end_box(sb, true);
  else if (sb->job)
    dl_job_cancel(sb->job); /* its end continues with the removal */
  else if (sb->building) {
    drop_building(sb);
    finish_destroy(sb);
  }
}

void dl_life_queue_out(dl_sandbox_t *sb) {
  sb->queue_timed_out_at = dl_objects_now(sb->life->objects);
  dl_life_destroy(sb);
}

void dl_life_evict(dl_sandbox_t *sb) {
  sb->spot_evicted_at = dl_objects_now(sb->life->objects);
  dl_life_destroy(sb);
}

bool dl_life_is_preparing(const dl_sandbox_t *sb) {
  return sb->is_pending && !sb->intent.go && sb->box && dl_box_is_preparing(sb->box);
}

void dl_life_destroy(dl_sandbox_t *sb) {
  dl_objects_t *o = sb->life->objects;
  assert((!sb->is_pending || dl_sandbox_gives_way(sb) || dl_life_is_preparing(sb)) &&
         sb->want != DL_WANT_DESTROYED);
  remember(sb);
  dl_objects_forget_name(o, sb);
  char *name = dl_xprintf("DESTROYED_%s_%lld", sb->name, (long long)dl_objects_now(o));
  free(sb->name);
  sb->name = name;
  sb->want = DL_WANT_DESTROYED;
  reached(sb, sb->state, true);
  intend(sb, go_destroy);
}

/* --- resize --- */

static void go_resize(dl_sandbox_t *sb) {
  sb->want = sb->intent.want;
  if (sb->box) {
    const char *missing = dl_box_update_limits(sb->box, sb->cpu, sb->memory);
    if (missing) dl_info("sandbox %s: %s", sb->id, missing);
  }
  if (sb->intent.state == DL_STARTED && !sb->box)
    failed(sb, "the sandbox ended while it was resized", true);
  else
    reached(sb, sb->intent.state, false);
}

void dl_life_resize(dl_sandbox_t *sb, double cpu, double memory, double disk) {
  assert(!sb->is_pending && (sb->state == DL_STARTED || sb->state == DL_STOPPED));
  remember(sb);
  sb->cpu = cpu;
  sb->memory = memory;
  sb->disk = disk;
  sb->want = DL_WANT_RESIZED;
  reached(sb, DL_RESIZING, true);
  intend(sb, go_resize);
}

/* --- what could not be written --- */

/* A creation: nothing of it stays, but files that were there before it. */
static void unmake(dl_sandbox_t *sb) {
  dl_objects_t *o = sb->life->objects;
  dl_objects_forget_name(o, sb);
  drop_building(sb);
  sb->is_unmade = sb->is_pending = true;
  sb->want = DL_WANT_DESTROYED;
  tell_waiters(sb);
  if (sb->is_adopted) {
    hold(sb);
    sb->state = DL_DESTROYED;
    tell_watcher(sb);
    dl_objects_remove(o, sb);
    sb->is_gone = true;
    unhold(sb);
  } else {
    tell_watcher(sb);
    end_box(sb, true);
  }
}

static void on_retry(uv_timer_t *timer) {
  dl_life_t *l = DL_CONTAINER(timer, dl_life_t, retry);
  DL_LIST_EACH(&l->objects->sandbox_list, node) {
    dl_sandbox_t *sb = DL_CONTAINER(node, dl_sandbox_t, link);
    if (!sb->is_unwritten) continue;
    sb->is_unwritten = false; /* until that fails, too */
    dl_life_save(sb);
  }
  if (l->snapshots) l->snapshots->go_on(l);
}

static void start_retry(dl_life_t *l) {
  if (!uv_is_active((uv_handle_t *)&l->retry)) uv_timer_start(&l->retry, on_retry, RETRY_MS, 0);
}

static void on_rules_back(void *user, const char *error) {
  (void)user;
  if (error) dl_warn("the network of a sandbox is not what it was: %s", error);
}

/* Settings are taken back. States and what was seen are not: they are written when that is possible again. */
static void on_undone(const char *kind, const char *id, void *user) {
  dl_life_t *l = user;
  if (strcmp(kind, "volume") == 0) dl_volume_undone(l->objects, id);
  if (strcmp(kind, "snapshot") == 0 && !l->is_frozen) start_retry(l);
  dl_sandbox_t *sb = strcmp(kind, "sandbox") == 0 ? dl_map_get(&l->objects->sandboxes, id) : NULL;
  if (!sb || l->is_frozen) return;
  const json_t *record = json_object_get(dl_store_all(l->objects->store, "sandbox"), id);
  if (!record) {
    if (!sb->is_unmade) unmake(sb);
    return;
  }
  dl_objects_take_settings(l->objects, sb, record);
  if (sb->box) {
    const dl_box_rules_t rules = rules_of(sb);
    char *failure = dl_box_set_rules(sb->box, &rules, on_rules_back, NULL);
    if (failure) on_rules_back(NULL, failure);
    free(failure);
  }
  sb->is_unwritten = true;
  start_retry(l);
}

/* --- after a restart --- */

/* No process has outlived the last server, and a record may say anything: here it becomes something that can go on. */
static void settle(dl_sandbox_t *sb) {
  bool wants_start = sb->want == DL_WANT_STARTED;
  if (sb->state == DL_BUILDING) sb->state = DL_PENDING_BUILD; /* it begins again */
  if (sb->want == DL_WANT_RESIZED) sb->want = DL_WANT_STOPPED;
  /* No process of it is there any more, as it was asked. */
  if (sb->want == DL_WANT_PAUSED && (sb->state == DL_STARTED || sb->state == DL_PAUSED)) {
    sb->state = DL_PAUSED;
    return;
  }
  if (sb->state == DL_PAUSED && sb->want == DL_WANT_STOPPED) sb->state = DL_STOPPED;
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
  tell_watcher(sb); /* from here on changes are events */
  if (dl_sandbox_is_memory(sb)) return;
  if (sb->want == DL_WANT_DESTROYED) {
    dl_objects_forget_name(sb->life->objects, sb);
    sb->is_pending = true;
    finish_destroy(sb);
  } else if (dl_sandbox_is_errored(sb)) {
    return;
  } else if (sb->state == DL_PENDING_BUILD) {
    sb->is_pending = true;
    want_image(sb);
  } else if (sb->want == DL_WANT_STARTED && (sb->state == DL_ARCHIVED || sb->state == DL_RESTORING)) {
    sb->is_pending = true;
    restore(sb);
  } else if (sb->want == DL_WANT_STARTED) {
    sb->is_pending = true;
    begin(sb);
  } else if (sb->want == DL_WANT_ARCHIVED && sb->state == DL_STOPPED) {
    dl_life_archive(sb);
  } else if (sb->state == DL_ARCHIVED) {
    discard_dir(sb, NULL);
  }
}

void dl_life_resume(dl_life_t *l) {
  if (l->snapshots) l->snapshots->go_on(l);
  DL_LIST_EACH_SAFE(&l->objects->sandbox_list, node, after) {
    dl_sandbox_t *sb = DL_CONTAINER(node, dl_sandbox_t, link);
    sb->life = l;
    resume(sb);
  }
  if (l->runtime) dl_warm_open(&l->warm, l->runtime, l->warm_count);
}

/* --- steps for the other files of this room --- */

void dl_step_hold(dl_sandbox_t *sb) { hold(sb); }
void dl_step_unhold(dl_sandbox_t *sb) { unhold(sb); }
void dl_step_remember(dl_sandbox_t *sb) { remember(sb); }
void dl_step_intend(dl_sandbox_t *sb, void (*go)(dl_sandbox_t *sb)) { intend(sb, go); }
void dl_step_reached(dl_sandbox_t *sb, dl_state_t state, bool is_pending) { reached(sb, state, is_pending); }
void dl_step_failed(dl_sandbox_t *sb, const char *reason, bool is_recoverable) {
  failed(sb, reason, is_recoverable);
}
void dl_step_boot(dl_sandbox_t *sb) { boot(sb); }
void dl_step_discard_archive(dl_sandbox_t *sb) { discard_archive(sb, NULL); }
void dl_step_finish_destroy(dl_sandbox_t *sb) { finish_destroy(sb); }
void dl_step_tell_waiters(dl_sandbox_t *sb) { tell_waiters(sb); }
bool dl_step_defer(dl_sandbox_t *sb, dl_job_cb cb, const char *error) { return defer(sb, cb, error); }
void dl_step_box_is_over(dl_sandbox_t *sb) { box_is_over(sb); }
void dl_step_undone(const char *kind, const char *id, dl_life_t *l) { on_undone(kind, id, l); }
