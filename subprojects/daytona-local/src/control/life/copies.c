/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Forks and snapshots. Invariants: a sandbox with `files_from` has no files of its own yet, and does not boot before it has
 * them; the tar file of a fork is the child's archive, which goes when its files are there and that is on disk; the tar
 * file of a snapshot stays as long as the snapshot. A copy that a crash has cut off is not there: the child fails, and so
 * does the snapshot.
 */
#include "control/life/copies.h"

#include "control/life/snapshot_life.h"
#include "control/life/steps.h"
#include "control/objects/snapshots.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- the first files of a sandbox --- */

static bool is_own_archive(const dl_sandbox_t *sb) { return dl_starts_with(sb->files_from, "archives/"); }

/* The journal does not ask for the archive any more. */
static void on_fetched_durable(dl_written_t outcome, void *user) {
  dl_sandbox_t *sb = user;
  if (outcome == DL_WRITTEN && !sb->life->is_frozen && sb->want != DL_WANT_ARCHIVED)
    dl_step_discard_archive(sb, NULL);
  dl_step_unhold(sb);
}

static void take_files(dl_sandbox_t *sb) {
  bool had_archive = is_own_archive(sb);
  dl_set(&sb->files_from, NULL);
  sb->gives_way = false;
  dl_life_save(sb);
  if (had_archive) {
    dl_step_hold(sb);
    dl_store_commit(sb->life->objects->store, on_fetched_durable, sb);
  }
  dl_step_boot(sb);
}

static void on_fetched(const char *error, void *user) {
  dl_sandbox_t *sb = user;
  sb->job = NULL;
  if (dl_step_defer(sb, on_fetched, error)) return;
  if (sb->life->is_frozen)
    dl_step_tell_waiters(sb);
  else if (sb->want == DL_WANT_DESTROYED)
    dl_step_finish_destroy(sb);
  else if (error)
    dl_step_failed(sb, error, false);
  else
    take_files(sb);
  dl_step_unhold(sb);
}

static void fetch(dl_sandbox_t *sb) {
  dl_objects_t *o = sb->life->objects;
  char *file = dl_xprintf("%s/%s", o->state_dir, sb->files_from), *dir = dl_objects_dir(o, sb),
       *home = dl_objects_home(o, sb);
  assert(sb->is_pending && !sb->box && !sb->job);
  if (access(file, F_OK) != 0) {
    dl_step_failed(sb, "the copy of the files was not finished, or is gone", false);
  } else {
    mkdir(dir, 0711);
    sb->gives_way = true;
    dl_step_hold(sb);
    sb->job = dl_job_unpack(o->jobs, file, home, on_fetched, sb);
  }
  free(home);
  free(dir);
  free(file);
}

/* --- fork --- */

/* What there is of the child goes again. */
static void give_up_child(dl_sandbox_t *child, const char *reason) {
  if (child->is_unmade || child->life->is_frozen) return;
  dl_step_failed(child, reason, false);
  dl_life_destroy(child);
}

static void on_forked(const char *error, void *user) {
  dl_sandbox_t *parent = user, *child = parent->forking;
  parent->job = NULL;
  parent->forking = NULL;
  if (!parent->life->is_frozen) {
    if (parent->box)
      dl_step_reached(parent, DL_STARTED, false);
    else
      dl_step_failed(parent, "the sandbox ended while it was forked", true);
    if (child->is_unmade)
      dl_step_discard_archive(child, NULL);
    else if (error)
      dl_step_failed(child, error, false);
    else
      fetch(child);
  }
  dl_step_unhold(child);
  dl_step_unhold(parent);
}

static void go_fork(dl_sandbox_t *parent) {
  dl_objects_t *o = parent->life->objects;
  char *home = dl_objects_home(o, parent), *archive = dl_objects_archive(o, parent->forking);
  dl_step_hold(parent);
  parent->job = dl_job_pack(o->jobs, home, archive, on_forked, parent);
  free(archive);
  free(home);
}

void dl_life_fork(dl_sandbox_t *parent, dl_sandbox_t *child) {
  assert(parent->state == DL_STARTED && !parent->is_pending && dl_sandbox_is_vm(parent));
  dl_set(&child->forked_from, parent->id);
  free(child->files_from);
  child->files_from = dl_xprintf("archives/%s.tar", child->id);
  /* The child first: when its parent is on disk as forking, so is it. */
  dl_life_create(parent->life, child);
  dl_step_hold(child);
  dl_step_remember(parent);
  parent->forking = child;
  dl_step_reached(parent, DL_FORKING, true);
  dl_step_intend(parent, go_fork);
}

bool dl_life_has_forks(const dl_sandbox_t *sb) {
  DL_LIST_EACH(&sb->life->objects->sandbox_list, node) {
    const dl_sandbox_t *other = DL_CONTAINER(node, dl_sandbox_t, link);
    if (other->want != DL_WANT_DESTROYED && other->forked_from && strcmp(other->forked_from, sb->id) == 0)
      return true;
  }
  return false;
}

/* --- snapshot --- */

static void on_copied(const char *error, void *user) {
  dl_sandbox_t *sb = user;
  char *id = sb->snapshotting;
  sb->job = NULL;
  sb->snapshotting = NULL;
  if (!sb->life->is_frozen) {
    /* First: who waits for the sandbox finds the snapshot. */
    dl_snapshot_copied(sb->life, id, error);
    if (sb->intent.state == DL_STARTED && !sb->box)
      dl_step_failed(sb, "the sandbox ended while a snapshot of it was made", true);
    else
      dl_step_reached(sb, sb->intent.state, false);
  }
  free(id);
  dl_step_unhold(sb);
}

static void go_snapshot(dl_sandbox_t *sb) {
  dl_objects_t *o = sb->life->objects;
  char *home = dl_objects_home(o, sb), *file = dl_snapshot_files(o, sb->snapshotting);
  dl_step_hold(sb);
  sb->job = dl_job_pack(o->jobs, home, file, on_copied, sb);
  free(file);
  free(home);
}

void dl_life_snapshot(dl_sandbox_t *sb, json_t *snapshot) {
  assert(!sb->is_pending && (sb->state == DL_STARTED || sb->state == DL_STOPPED));
  dl_set(&sb->snapshotting, dl_json_str(snapshot, "id"));
  dl_snapshot_begin_copy(sb->life, snapshot);
  dl_step_remember(sb);
  dl_step_reached(sb, DL_SNAPSHOTTING, true);
  dl_step_intend(sb, go_snapshot);
}

/* --- all of it --- */

/* It was not written that it is forking, or that a snapshot is made. */
static void drop(dl_sandbox_t *sb) {
  dl_sandbox_t *child = sb->forking;
  char *snapshot = sb->snapshotting;
  sb->forking = NULL;
  sb->snapshotting = NULL;
  if (snapshot) dl_snapshot_copied(sb->life, snapshot, "it could not be written that it is made");
  free(snapshot);
  if (!child) return;
  give_up_child(child, "it could not be written that its parent is forked");
  dl_step_unhold(child);
}

void dl_copies_init(dl_life_t *l) {
  static const struct dl_life_copies part = {fetch, drop};
  l->copies = &part;
}
