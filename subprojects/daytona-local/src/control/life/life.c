/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operations on a sandbox, from its creation to its end: each is what is remembered and intended, what is done about it
 * once that is on disk, and the state that is reached. Invariant: files are removed only after the state that needs
 * them is no longer the one on disk. How a state is moved is in states.c, what a box is started with in boxes.c.
 */
#include "control/life/life.h"
#include "control/life/network.h"
#include "control/life/steps.h"

#include "control/objects/build_info.h"
#include "control/objects/secrets.h"
#include "control/objects/snapshots.h"
#include "control/store/jobs.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* A sandbox that waits for its image. */
typedef struct dl_building {
  dl_wanted_t wanted;
  dl_sandbox_t *sandbox;
} building_t;

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

void dl_step_drop_building(dl_sandbox_t *sb) {
  if (sb->building) dl_wanted_drop(&sb->building->wanted);
  free(sb->building);
  sb->building = NULL;
}

static void on_built(const char *error, void *user) {
  dl_sandbox_t *sb = user;
  if (sb->life->is_frozen || sb->is_unmade) return;
  if (dl_step_defer(sb, on_built, error)) return;
  if (sb->want == DL_WANT_DESTROYED) {
    dl_step_finish_destroy(sb);
  } else if (error) {
    dl_step_failed_as(sb, DL_BUILD_FAILED, error, false);
  } else {
    dl_step_reached(sb, DL_CREATING, true);
    dl_step_boot(sb);
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
    dl_step_reached(sb, DL_BUILDING, true);
}

void dl_step_want_image(dl_sandbox_t *sb) {
  assert(sb->state == DL_PENDING_BUILD && sb->is_pending && sb->build && !sb->building);
  sb->building = dl_xcalloc(1, sizeof *sb->building);
  *sb->building = (building_t){.wanted = {.on_begun = on_build_begun, .on_end = on_image}, .sandbox = sb};
  sb->gives_way = true;
  char *name = dl_build_image_name(dl_json_str(sb->build, "snapshotRef"));
  dl_works_build(sb->life->works, &sb->building->wanted, name, sb->build);
  free(name);
  if (dl_wanted_has_begun(&sb->building->wanted)) dl_step_reached(sb, DL_BUILDING, true);
}

void dl_life_give_up_build(dl_sandbox_t *sb) {
  assert(sb->building && !sb->intent.go);
  dl_step_drop_building(sb);
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

void dl_step_begin(dl_sandbox_t *sb) {
  if (sb->files_from)
    sb->life->copies->fetch(sb);
  else
    dl_step_boot(sb);
}

void dl_life_boot(dl_sandbox_t *sb, dl_life_wait_t wait) {
  assert(sb->state == DL_CREATING || sb->state == DL_PENDING_BUILD);
  dl_step_wait_for_start(sb, wait);
  if (sb->state == DL_PENDING_BUILD)
    dl_step_want_image(sb);
  else
    dl_step_begin(sb);
}

static void on_unpacked(const char *error, void *user) {
  dl_sandbox_t *sb = user;
  sb->job = NULL;
  if (dl_step_defer(sb, on_unpacked, error)) return;
  if (sb->life->is_frozen)
    dl_step_tell_waiters(sb);
  else if (sb->want == DL_WANT_DESTROYED)
    dl_step_finish_destroy(sb);
  else if (error)
    dl_step_failed(sb, error, false);
  else
    dl_step_boot(sb);
  dl_step_unhold(sb);
}

void dl_step_restore(dl_sandbox_t *sb) {
  dl_objects_t *o = sb->life->objects;
  char *dir = dl_objects_dir(o, sb), *home = dl_objects_home(o, sb), *archive = dl_objects_archive(o, sb);
  mkdir(dir, 0711);
  sb->gives_way = true;
  dl_step_reached(sb, DL_RESTORING, true);
  dl_step_hold(sb);
  sb->job = dl_job_unpack(o->jobs, archive, home, on_unpacked, sb);
  free(archive);
  free(home);
  free(dir);
}

static void clear_error(dl_sandbox_t *sb) {
  dl_set(&sb->error_reason, NULL);
  sb->is_recoverable = false;
  dl_step_set_state(sb, DL_STOPPED);
}

static void go_start(dl_sandbox_t *sb) {
  if (sb->state != DL_ARCHIVED) {
    dl_step_begin(sb);
    return;
  }
  dl_step_tell_waiters(sb); /* it takes as long as it takes */
  dl_step_restore(sb);
}

/* The end of the archive continues with the start. */
static void go_start_instead(dl_sandbox_t *sb) {
  sb->cancels_archive = true;
  if (sb->job) dl_job_cancel(sb->job);
}

void dl_life_start(dl_sandbox_t *sb, dl_life_wait_t wait) {
  bool is_archiving = sb->want == DL_WANT_ARCHIVED && sb->is_pending;
  assert((!sb->is_pending || dl_sandbox_gives_way(sb)) && sb->want != DL_WANT_DESTROYED);
  dl_step_remember(sb);
  if (sb->state == DL_ERROR) clear_error(sb);
  sb->want = DL_WANT_STARTED;
  if (!is_archiving) sb->backup_state = "None";
  if (!is_archiving && sb->state != DL_PAUSED) {
    free(sb->preview_token);
    sb->preview_token = dl_random_token(32, DL_ALPHABET_PREVIEW);
  }
  dl_step_reached(sb, sb->state, true);
  dl_step_wait_for_start(sb, wait);
  sb->intent.is_start = true;
  dl_step_intend(sb, is_archiving ? go_start_instead : go_start);
}

static void go_recover(dl_sandbox_t *sb) {
  sb->is_pending = false;
  dl_life_mark(sb->life);
}

void dl_life_recover(dl_sandbox_t *sb) {
  assert(!sb->is_pending && sb->want != DL_WANT_DESTROYED);
  dl_step_remember(sb);
  clear_error(sb);
  sb->want = DL_WANT_STOPPED;
  dl_step_reached(sb, DL_STOPPED, true);
  dl_step_intend(sb, go_recover);
}

/* --- stop --- */

static void broken(dl_sandbox_t *sb) {
  sb->is_breaking = false;
  dl_step_reached(sb, DL_ERROR, false);
  dl_step_tell_waiters(sb);
}

static void on_box_stopped(void *user) {
  dl_sandbox_t *sb = user;
  dl_step_box_is_over(sb);
  if (!sb->life->is_frozen) {
    if (sb->want == DL_WANT_DESTROYED)
      dl_step_finish_destroy(sb);
    else if (sb->is_breaking)
      broken(sb);
    else
      dl_step_reached(sb, sb->want == DL_WANT_PAUSED ? DL_PAUSED : DL_STOPPED, false);
  }
  dl_step_unhold(sb);
}

void dl_step_end_box(dl_sandbox_t *sb, bool force) {
  dl_step_hold(sb);
  if (sb->box)
    dl_box_stop(sb->box, force, on_box_stopped, sb);
  else
    on_box_stopped(sb);
}

static void go_stop(dl_sandbox_t *sb) { dl_step_end_box(sb, sb->intent.is_forced); }

void dl_life_stop(dl_sandbox_t *sb, bool force) {
  if (dl_sandbox_is_ephemeral(sb)) {
    dl_life_destroy(sb);
    return;
  }
  dl_step_remember(sb);
  sb->want = DL_WANT_STOPPED;
  sb->intent.is_forced = force;
  dl_step_reached(sb, sb->state, true);
  dl_step_intend(sb, go_stop);
}

/* --- pause --- */

static void go_pause(dl_sandbox_t *sb) { dl_step_end_box(sb, false); }

void dl_life_pause(dl_sandbox_t *sb) {
  assert(sb->state == DL_STARTED && !sb->is_pending && dl_sandbox_is_vm(sb));
  dl_step_remember(sb);
  sb->want = DL_WANT_PAUSED;
  dl_step_reached(sb, sb->state, true);
  dl_step_intend(sb, go_pause);
}

void dl_life_break(dl_sandbox_t *sb, const char *reason, bool is_recoverable, dl_life_wait_t wait) {
  assert(!sb->is_pending && sb->state != DL_ARCHIVED && dl_list_empty(&sb->waiters));
  dl_step_wait_for_start(sb, wait);
  dl_set(&sb->error_reason, reason);
  sb->is_recoverable = is_recoverable;
  if (sb->box) {
    sb->is_breaking = sb->is_pending = true;
    dl_step_end_box(sb, true);
  } else {
    broken(sb);
  }
}

/* --- archive --- */

static void on_archive_settled(const char *error, void *user) {
  dl_sandbox_t *sb = user;
  if (dl_step_defer(sb, on_archive_settled, error)) return;
  if (sb->life->is_frozen) {
    dl_step_tell_waiters(sb);
  } else if (sb->want == DL_WANT_DESTROYED) {
    dl_step_finish_destroy(sb);
  } else {
    sb->gives_way = false;
    dl_step_reached(sb, DL_ARCHIVED, false);
    /* A start that came too late to cancel the archive begins from it. */
    if (sb->cancels_archive) {
      sb->cancels_archive = false;
      dl_life_start(sb, DL_LIFE_NO_WAIT);
    }
  }
  dl_step_unhold(sb);
}

/* The journal says archived: now the directory can go, and only then is the operation over, so
 * that a start never meets the removal. */
static void on_archived_durable(dl_written_t outcome, void *user) {
  dl_sandbox_t *sb = user;
  if (outcome == DL_WRITTEN && !sb->life->is_frozen) {
    dl_step_hold(sb);
    dl_step_discard_dir(sb, on_archive_settled);
  } else if (!sb->life->is_frozen) {
    dl_step_failed(sb, "the archive could not be recorded", true);
  }
  dl_step_unhold(sb);
}

/* What is written says archived while what is shown still says archiving. */
static void record_archived(dl_sandbox_t *sb) {
  sb->backup_state = "Completed";
  sb->backup_at = dl_objects_now(sb->life->objects);
  dl_step_save_as(sb, DL_ARCHIVED);
  dl_step_hold(sb);
  dl_store_commit(sb->life->objects->store, on_archived_durable, sb);
}

static void on_packed(const char *error, void *user) {
  dl_sandbox_t *sb = user;
  sb->job = NULL;
  if (dl_step_defer(sb, on_packed, error)) return;
  if (sb->life->is_frozen) {
    dl_step_tell_waiters(sb);
  } else if (sb->want == DL_WANT_DESTROYED) {
    dl_step_finish_destroy(sb);
  } else if (sb->cancels_archive) {
    sb->cancels_archive = false;
    dl_step_discard_archive(sb, NULL);
    dl_step_boot(sb);
  } else if (error) {
    dl_step_failed(sb, error, true);
  } else {
    record_archived(sb);
  }
  dl_step_unhold(sb);
}

static void go_archive(dl_sandbox_t *sb) {
  dl_objects_t *o = sb->life->objects;
  char *home = dl_objects_home(o, sb), *archive = dl_objects_archive(o, sb);
  sb->gives_way = true;
  dl_step_hold(sb);
  sb->job = dl_job_pack(o->jobs, home, archive, on_packed, sb);
  free(home);
  free(archive);
}

void dl_life_archive(dl_sandbox_t *sb) {
  assert(sb->state == DL_STOPPED && !sb->is_pending && !sb->box);
  dl_step_remember(sb);
  sb->want = DL_WANT_ARCHIVED;
  sb->backup_state = "InProgress";
  dl_step_reached(sb, sb->state, true);
  dl_step_intend(sb, go_archive);
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
    dl_step_set_state(sb, DL_DESTROYED);
    sb->is_pending = false;
    leave_image(sb);
    if (dl_sandbox_is_memory(sb))
      dl_life_save(sb);
    else
      dl_life_forget(sb);
  }
  dl_step_unhold(sb);
}

void dl_life_forget(dl_sandbox_t *sb) {
  dl_objects_t *o = sb->life->objects;
  assert(sb->state == DL_DESTROYED && !sb->is_gone);
  dl_step_tell_watcher(sb);
  dl_store_put(o->store, "sandbox", sb->id, NULL);
  dl_store_commit(o->store, dl_step_ignore_commit, NULL);
  dl_objects_remove(o, sb);
  dl_step_hold(sb);
  sb->is_gone = true;
  dl_step_unhold(sb);
}

static void on_dir_removed(const char *error, void *user) {
  (void)error;
  dl_step_discard_archive(user, on_files_removed);
}

void dl_step_finish_destroy(dl_sandbox_t *sb) {
  assert(sb->want == DL_WANT_DESTROYED && !sb->box);
  sb->gives_way = false;
  dl_step_tell_waiters(sb);
  dl_step_hold(sb);
  dl_step_discard_dir(sb, on_dir_removed);
}

static void go_destroy(dl_sandbox_t *sb) {
  if (!sb->gives_way)
    dl_step_end_box(sb, true);
  else if (sb->job)
    dl_job_cancel(sb->job); /* its end continues with the removal */
  else if (sb->building) {
    dl_step_drop_building(sb);
    dl_step_finish_destroy(sb);
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
  dl_step_remember(sb);
  dl_objects_forget_name(o, sb);
  char *name = dl_xprintf("DESTROYED_%s_%lld", sb->name, (long long)dl_objects_now(o));
  free(sb->name);
  sb->name = name;
  sb->want = DL_WANT_DESTROYED;
  dl_step_reached(sb, sb->state, true);
  dl_step_intend(sb, go_destroy);
}

/* --- resize --- */

static void go_resize(dl_sandbox_t *sb) {
  sb->want = sb->intent.want;
  if (sb->box) {
    const char *missing = dl_box_update_limits(sb->box, sb->cpu, sb->memory);
    if (missing) dl_info("sandbox %s: %s", sb->id, missing);
  }
  if (sb->intent.state == DL_STARTED && !sb->box)
    dl_step_failed(sb, "the sandbox ended while it was resized", true);
  else
    dl_step_reached(sb, sb->intent.state, false);
}

void dl_life_resize(dl_sandbox_t *sb, double cpu, double memory, double disk) {
  assert(!sb->is_pending && (sb->state == DL_STARTED || sb->state == DL_STOPPED));
  dl_step_remember(sb);
  sb->cpu = cpu;
  sb->memory = memory;
  sb->disk = disk;
  sb->want = DL_WANT_RESIZED;
  dl_step_reached(sb, DL_RESIZING, true);
  dl_step_intend(sb, go_resize);
}
