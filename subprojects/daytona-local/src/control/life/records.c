/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What becomes of a sandbox by its records: of one that could not be written (its creation and its settings are taken back, what
 * is true anyway is written again and again), and of those that a server finds when it starts.
 */
#include "control/life/life.h"
#include "control/life/steps.h"

#include "control/objects/volumes.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- what could not be written --- */

/* A creation: nothing of it stays, but files that were there before it. */
static void unmake(dl_sandbox_t *sb) {
  dl_objects_t *o = sb->life->objects;
  dl_objects_forget_name(o, sb);
  dl_step_drop_building(sb);
  sb->is_unmade = sb->is_pending = true;
  sb->want = DL_WANT_DESTROYED;
  dl_step_tell_waiters(sb);
  if (sb->is_adopted) {
    dl_step_hold(sb);
    sb->state = DL_DESTROYED;
    dl_step_tell_watcher(sb);
    dl_objects_remove(o, sb);
    sb->is_gone = true;
    dl_step_unhold(sb);
  } else {
    dl_step_tell_watcher(sb);
    dl_step_end_box(sb, true);
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
  if (!uv_is_active((uv_handle_t *)&l->retry)) uv_timer_start(&l->retry, on_retry, DL_RETRY_MS, 0);
}

static void on_rules_back(void *user, const char *error) {
  (void)user;
  if (error) dl_warn("the network of a sandbox is not what it was: %s", error);
}

/* Settings are taken back. States and what was seen are not: they are written when that is possible again. */
void dl_step_undone(const char *kind, const char *id, void *user) {
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
    const dl_box_rules_t rules = dl_step_rules_of(sb);
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
    if (sb->want != DL_WANT_ARCHIVED) dl_step_discard_archive(sb, NULL);
    return;
  }
  dl_warn("sandbox %s has an archive and no home: it is taken as archived", sb->id);
  sb->state = DL_ARCHIVED;
  if (sb->want == DL_WANT_STOPPED) sb->want = DL_WANT_ARCHIVED;
}

static void resume(dl_sandbox_t *sb) {
  settle(sb);
  settle_files(sb);
  dl_step_tell_watcher(sb); /* from here on changes are events */
  if (dl_sandbox_is_memory(sb)) return;
  if (sb->want == DL_WANT_DESTROYED) {
    dl_objects_forget_name(sb->life->objects, sb);
    sb->is_pending = true;
    dl_step_finish_destroy(sb);
  } else if (dl_sandbox_is_errored(sb)) {
    return;
  } else if (sb->state == DL_PENDING_BUILD) {
    sb->is_pending = true;
    dl_step_want_image(sb);
  } else if (sb->want == DL_WANT_STARTED && (sb->state == DL_ARCHIVED || sb->state == DL_RESTORING)) {
    sb->is_pending = true;
    dl_step_restore(sb);
  } else if (sb->want == DL_WANT_STARTED) {
    sb->is_pending = true;
    dl_step_begin(sb);
  } else if (sb->want == DL_WANT_ARCHIVED && sb->state == DL_STOPPED) {
    dl_life_archive(sb);
  } else if (sb->state == DL_ARCHIVED) {
    dl_step_discard_dir(sb, NULL);
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
