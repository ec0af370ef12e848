/* SPDX-License-Identifier: Apache-2.0 */
/*
 * States of snapshots. A snapshot is what its record in the store says, so a change that cannot be written is undone
 * together with the record, and going on from the record begins it again. What is done about a snapshot meanwhile is its
 * errand. Invariants: a pull or a build begins only when the snapshot is on disk; one that is pending, pulling or building
 * has an errand as soon as that is so, and no other has one.
 */
#include "control/life/snapshot_life.h"

#include "control/objects/build_info.h"
#include "control/objects/leftovers.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PHASE_MAX_MS (INT64_C(3600) * 1000)
#define UNUSED_MAX_MS (INT64_C(14) * 24 * 3600 * 1000)
#define BYTES_PER_GB 1e9

typedef struct {
  dl_wanted_t wanted;
  dl_life_t *life;
  char *id;
} errand_t;

/* What may follow a state, as bits. */
#define BIT(state) (1u << DL_SNAPSHOT_##state)
static const unsigned successors[DL_SNAPSHOT_STATE_COUNT] = {
  [DL_SNAPSHOT_PENDING] =
    BIT(PULLING) | BIT(BUILDING) | BIT(ACTIVE) | BIT(ERROR) | BIT(BUILD_FAILED) | BIT(REMOVING),
  [DL_SNAPSHOT_PULLING] = BIT(ACTIVE) | BIT(ERROR) | BIT(REMOVING),
  [DL_SNAPSHOT_BUILDING] = BIT(ACTIVE) | BIT(BUILD_FAILED) | BIT(ERROR) | BIT(REMOVING),
  [DL_SNAPSHOT_ACTIVE] = BIT(INACTIVE) | BIT(ERROR) | BIT(REMOVING),
  [DL_SNAPSHOT_INACTIVE] = BIT(PENDING) | BIT(REMOVING),
  [DL_SNAPSHOT_ERROR] = BIT(REMOVING),
  [DL_SNAPSHOT_BUILD_FAILED] = BIT(REMOVING),
  [DL_SNAPSHOT_REMOVING] = 0,
  [DL_SNAPSHOT_SNAPSHOTTING] = BIT(ACTIVE) | BIT(ERROR) | BIT(REMOVING),
};

static json_t *find(dl_life_t *l, const char *id) {
  return json_object_get(dl_snapshots_all(l->objects), id);
}

/* --- who waits for it to begin --- */

#define BEGIN_WAIT_MS 30000

typedef struct {
  dl_list_t link;
  uv_timer_t timer;
  char *id;
  void (*cb)(void *user);
  void *user;
} wait_t;

static void free_wait(uv_handle_t *handle) {
  wait_t *w = DL_CONTAINER(handle, wait_t, timer);
  free(w->id);
  free(w);
}

static void tell(wait_t *w) {
  dl_list_unlink(&w->link);
  uv_close((uv_handle_t *)&w->timer, free_wait);
  w->cb(w->user);
}

static void on_wait_over(uv_timer_t *timer) { tell(DL_CONTAINER(timer, wait_t, timer)); }

/* On another turn: whoever changes the state is not done yet. */
static void tell_soon(dl_life_t *l, const char *id) {
  DL_LIST_EACH(&l->begin_waits, node) {
    wait_t *w = DL_CONTAINER(node, wait_t, link);
    if (strcmp(w->id, id) == 0) uv_timer_start(&w->timer, on_wait_over, 0, 0);
  }
}

void dl_snapshot_wait_begun(dl_life_t *l, const char *id, void (*cb)(void *user), void *user) {
  wait_t *w = dl_xcalloc(1, sizeof *w);
  const json_t *snapshot = find(l, id);
  bool is_pending = snapshot && dl_snapshot_state(snapshot) == DL_SNAPSHOT_PENDING;
  *w = (wait_t){.id = dl_xstrdup(id), .cb = cb, .user = user};
  uv_timer_init(l->objects->loop, &w->timer);
  uv_timer_start(&w->timer, on_wait_over, is_pending ? BEGIN_WAIT_MS : 0, 0);
  dl_list_push(&l->begin_waits, &w->link);
}

static void tell_all(dl_life_t *l) {
  while (!dl_list_empty(&l->begin_waits)) tell(DL_CONTAINER(l->begin_waits.next, wait_t, link));
}

/* The only place that changes a state. `changes` is taken; NULL: none. */
static void set_state(dl_life_t *l, const char *id, dl_snapshot_state_t to, json_t *changes) {
  json_t *snapshot = find(l, id), *updated = json_copy(snapshot);
  assert(!l->is_frozen && snapshot && (successors[dl_snapshot_state(snapshot)] & 1u << to));
  assert(!dl_snapshot_is_general(snapshot));
  json_object_set_new(updated, "state", json_string(dl_snapshot_state_name(to)));
  json_object_set_new(updated, "updatedAt", json_string(dl_iso_format(dl_objects_stamp(l->objects)).text));
  if (changes) json_object_update(updated, changes);
  json_decref(changes);
  dl_debug("snapshot %s: %s", id, dl_snapshot_state_name(to));
  dl_store_put(l->objects->store, "snapshot", id, updated);
  tell_soon(l, id);
}

/* --- errands --- */

static void on_begun(dl_wanted_t *w);
static void on_end(dl_wanted_t *w, dl_image_t *image, const char *error);

static errand_t *begin_errand(dl_life_t *l, const char *id) {
  errand_t *e = dl_xcalloc(1, sizeof *e);
  *e = (errand_t){.wanted = {.on_begun = on_begun, .on_end = on_end}, .life = l, .id = dl_xstrdup(id)};
  dl_map_put(&l->errands, id, e);
  return e;
}

static void end_errand(errand_t *e) {
  assert(dl_map_get(&e->life->errands, e->id) == e && !e->wanted.work);
  dl_map_remove(&e->life->errands, e->id);
  free(e->id);
  free(e);
}

static void drop_errand(dl_life_t *l, const char *id) {
  errand_t *e = dl_map_get(&l->errands, id);
  if (!e) return;
  dl_wanted_drop(&e->wanted);
  end_errand(e);
}

/* --- changes that are on their way to disk --- */

static void go_on(dl_life_t *l, const char *id);

typedef struct {
  dl_life_t *life;
  char *id;
} change_t;

static void on_written(dl_written_t outcome, void *user) {
  change_t *change = user;
  if (outcome == DL_WRITTEN && !change->life->is_frozen) go_on(change->life, change->id);
  free(change->id);
  free(change);
}

/* What follows from the change begins when it is on disk. */
static void commit(dl_life_t *l, const char *id) {
  change_t *change = dl_xcalloc(1, sizeof *change);
  *change = (change_t){l, dl_xstrdup(id)};
  dl_store_commit(l->objects->store, on_written, change);
  dl_life_mark(l);
}

static void reached(dl_life_t *l, const char *id, dl_snapshot_state_t to, json_t *changes) {
  set_state(l, id, to, changes);
  commit(l, id);
}

/* --- the image of a snapshot --- */

static json_t *texts(const char *const *list) {
  json_t *array = json_array();
  for (; *list; list++) json_array_append_new(array, json_string(*list));
  return array;
}

static json_t *size_of(const dl_image_info_t *info) {
  /* Rounded up, so that nothing is shown as 0. */
  return json_real(ceil((double)info->size_bytes / BYTES_PER_GB * 1e4) / 1e4);
}

/* What an image says about itself, as changes to a record. */
static json_t *facts_of(const json_t *snapshot, const dl_image_info_t *info) {
  json_t *facts = json_pack("{s:s, s:o, s:n}", "image", info->id, "size", size_of(info), "errorReason");
  const json_t *build = dl_snapshot_build(snapshot);
  const char *name = build ? dl_json_str(build, "snapshotRef") : info->names[0];
  if (!name) name = dl_json_str(snapshot, "imageName");
  json_object_set_new(
    facts, "ref",
    build || !info->digest || !*info->digest ? json_string(name) : json_sprintf("%s@%s", name, info->digest));
  if (!dl_json_bool(snapshot, "asksEntrypoint", false))
    json_object_set_new(facts, "entrypoint", *info->entrypoint ? texts(info->entrypoint) : json_null());
  return facts;
}

/* Why it cannot be a snapshot; yours to free. NULL: it can. */
static char *check_size(const dl_life_t *l, const dl_image_info_t *info) {
  double gb = (double)info->size_bytes / BYTES_PER_GB;
  if (gb <= l->max_snapshot_gb) return NULL;
  return dl_xprintf("the image has %.2f GB, and a snapshot may have %g GB", gb, l->max_snapshot_gb);
}

static void fail(dl_life_t *l, const char *id, dl_snapshot_state_t state, const char *reason) {
  reached(l, id, state, json_pack("{s:s}", "errorReason", reason));
}

/* --- pulling and building --- */

static void on_begun(dl_wanted_t *w) {
  errand_t *e = DL_CONTAINER(w, errand_t, wanted);
  const json_t *snapshot = find(e->life, e->id);
  /* It has begun once before, or its removal is on its way to disk. */
  if (dl_snapshot_state(snapshot) != DL_SNAPSHOT_PENDING) return;
  json_t *builder = json_pack("{s:s}", "initialRunnerId", e->life->objects->organization_id);
  if (dl_snapshot_build(snapshot))
    reached(e->life, e->id, DL_SNAPSHOT_BUILDING, builder);
  else
    reached(e->life, e->id, DL_SNAPSHOT_PULLING, builder);
}

static void take(dl_life_t *l, const char *id, dl_image_t *image) {
  const json_t *snapshot = find(l, id);
  const dl_image_info_t *info = dl_image_info(image);
  char *problem = check_size(l, info);
  if (problem)
    fail(l, id, DL_SNAPSHOT_ERROR, problem);
  else
    reached(l, id, DL_SNAPSHOT_ACTIVE, facts_of(snapshot, info));
  free(problem);
}

static void on_end(dl_wanted_t *w, dl_image_t *image, const char *error) {
  errand_t *e = DL_CONTAINER(w, errand_t, wanted);
  dl_life_t *l = e->life;
  char *id = dl_xstrdup(e->id);
  const json_t *snapshot = find(l, id);
  bool is_build = dl_snapshot_build(snapshot) != NULL;
  end_errand(e);
  if (dl_snapshot_state(snapshot) == DL_SNAPSHOT_REMOVING)
    dl_debug("snapshot %s: nobody wants it any more", id); /* should that not be written, it begins again */
  else if (image)
    take(l, id, image);
  else
    fail(l, id, is_build ? DL_SNAPSHOT_BUILD_FAILED : DL_SNAPSHOT_ERROR, error);
  free(id);
}

/* An image that is there already: that of a record, or of the same build. */
static dl_image_t *open_known(dl_life_t *l, const json_t *snapshot) {
  const json_t *build = dl_snapshot_build(snapshot);
  const char *image = dl_json_str(snapshot, "image");
  char *built = build ? dl_build_image_name(dl_json_str(build, "snapshotRef")) : NULL, *error = NULL;
  if (!image) image = built;
  dl_image_t *found = image ? dl_image_open(l->images, image, &error) : NULL;
  free(error);
  free(built);
  return found;
}

/* --- the files of a sandbox --- */

static bool has_copy(dl_life_t *l, const char *id) {
  char *file = dl_snapshot_files(l->objects, id);
  bool is_there = access(file, F_OK) == 0;
  free(file);
  return is_there;
}

/* Of one that has files. NULL: all that it is made of is there. */
static const char *missing_part(dl_life_t *l, const char *id, const json_t *snapshot) {
  dl_image_t *image = dl_json_str(snapshot, "image") ? open_known(l, snapshot) : NULL;
  bool has_image = image || !dl_json_str(snapshot, "image");
  dl_image_release(image);
  if (!has_copy(l, id)) return "its files are gone";
  return has_image ? NULL : "its image is not in the store any more";
}

static void discard_files(dl_life_t *l, const char *id) {
  char *file = dl_snapshot_files(l->objects, id);
  dl_discard(l->objects, file, NULL, NULL);
  free(file);
}

void dl_snapshot_begin_copy(dl_life_t *l, json_t *snapshot) {
  char *id = dl_xstrdup(dl_json_str(snapshot, "id"));
  assert(dl_snapshot_state(snapshot) == DL_SNAPSHOT_SNAPSHOTTING);
  dl_store_put(l->objects->store, "snapshot", id, snapshot);
  commit(l, id);
  free(id);
}

/* What the copy has on the disk; *problem is yours to free. */
static json_t *facts_of_copy(const dl_life_t *l, const char *id, char **problem) {
  struct stat st = {0};
  char *file = dl_snapshot_files(l->objects, id);
  if (stat(file, &st) != 0) *problem = dl_xprintf("its files cannot be found: %s", strerror(errno));
  free(file);
  double gb = (double)st.st_blocks * 512 / BYTES_PER_GB;
  if (!*problem && gb > l->max_snapshot_gb)
    *problem =
      dl_xprintf("the sandbox has %.2f GB of files, and a snapshot may have %g GB", gb, l->max_snapshot_gb);
  return json_pack("{s:o, s:n, s:o}", "size", json_real(ceil(gb * 1e4) / 1e4), "errorReason", "ref",
                   json_sprintf("sandbox@%s", id));
}

void dl_snapshot_copied(dl_life_t *l, const char *id, const char *error) {
  const json_t *snapshot = find(l, id);
  char *problem = error ? dl_xstrdup(error) : NULL;
  bool is_wanted = snapshot && dl_snapshot_state(snapshot) == DL_SNAPSHOT_SNAPSHOTTING;
  json_t *facts = is_wanted && !problem ? facts_of_copy(l, id, &problem) : NULL;
  if (!is_wanted || problem) discard_files(l, id);
  if (is_wanted && problem)
    fail(l, id, DL_SNAPSHOT_ERROR, problem);
  else if (is_wanted)
    reached(l, id, DL_SNAPSHOT_ACTIVE, json_incref(facts));
  json_decref(facts);
  free(problem);
}

/* Its sandbox is at work. */
static bool is_being_copied(const dl_life_t *l, const char *id) {
  DL_LIST_EACH(&l->objects->sandbox_list, node) {
    const dl_sandbox_t *sb = DL_CONTAINER(node, dl_sandbox_t, link);
    if (sb->snapshotting && strcmp(sb->snapshotting, id) == 0) return true;
  }
  return false;
}

static void acquire(dl_life_t *l, const char *id, const json_t *snapshot) {
  if (dl_snapshot_has_files(snapshot)) {
    const char *missing = missing_part(l, id, snapshot);
    if (missing)
      fail(l, id, DL_SNAPSHOT_ERROR, missing);
    else
      reached(l, id, DL_SNAPSHOT_ACTIVE, NULL);
    return;
  }
  const json_t *build = dl_snapshot_build(snapshot);
  dl_image_t *image = open_known(l, snapshot);
  if (image) {
    take(l, id, image);
    dl_image_release(image);
    return;
  }
  errand_t *e = begin_errand(l, id);
  char *name = build ? dl_build_image_name(dl_json_str(build, "snapshotRef")) : NULL;
  if (build)
    dl_works_build(l->works, &e->wanted, name, build);
  else
    dl_works_pull(l->works, &e->wanted, dl_json_str(snapshot, "imageName"));
  free(name);
  if (dl_wanted_has_begun(&e->wanted)) on_begun(&e->wanted);
}

/* --- removing --- */

static bool leaves_image(dl_life_t *l, const char *id, const json_t *snapshot) {
  const char *image = dl_json_str(snapshot, "image");
  return image && !dl_image_is_needed(l->objects, image, id);
}

/* What is left of it is an image that nothing needs any more: it is noted in the same batch, and goes when that can be. */
static void clear_away(dl_life_t *l, const char *id, const json_t *snapshot) {
  dl_store_t *store = l->objects->store;
  const json_t *build = dl_snapshot_build(snapshot);
  char *ref = build ? dl_xstrdup(dl_json_str(build, "snapshotRef")) : NULL;
  drop_errand(l, id);
  if (leaves_image(l, id, snapshot)) dl_image_note_unneeded(l->objects, dl_json_str(snapshot, "image"));
  if (dl_snapshot_has_files(snapshot)) discard_files(l, id);
  dl_store_put(store, "snapshot", id, NULL);
  commit(l, id);
  if (ref && !dl_build_is_known(l->objects, ref)) dl_log_discard(dl_works_logs(l->works), ref);
  dl_works_look(l->works);
  free(ref);
}

/* --- images that nothing needs any more --- */

typedef struct {
  dl_life_t *life;
  char *image;
} discard_t;

static void on_image_removed(const dl_image_result_t *result, void *user) {
  discard_t *d = user;
  dl_life_t *l = d->life;
  if (result->error) dl_info("image %s stays until it is pruned: %s", d->image, result->error);
  if (!l->is_frozen) {
    dl_image_forget_unneeded(l->objects, d->image);
    commit(l, d->image);
    dl_works_release(l->works);
  }
  free(d->image);
  free(d);
}

/* The next that can go; those that are needed again, are gone, or were imported, are forgotten. Yours to free. */
static char *next_unneeded(dl_life_t *l) {
  for (char *image; (image = dl_image_first_unneeded(l->objects)) != NULL; free(image)) {
    char *error = NULL;
    dl_image_t *found = dl_image_open(l->images, image, &error);
    bool may = found && !dl_image_info(found)->is_imported && !dl_image_is_needed(l->objects, image, NULL);
    dl_image_release(found);
    free(error);
    if (may) return image;
    dl_image_forget_unneeded(l->objects, image);
    commit(l, image);
  }
  return NULL;
}

/* Nothing is pulled or built: what one of them ends with is recorded as needed, and what one of them begins with is there. */
static void on_works_idle(void *user) {
  dl_life_t *l = user;
  char *image = l->is_frozen ? NULL : next_unneeded(l);
  if (image && dl_works_hold(l->works)) {
    discard_t *d = dl_xcalloc(1, sizeof *d);
    *d = (discard_t){l, dl_xstrdup(image)};
    dl_images_remove(l->images, image, &(dl_image_callbacks_t){.on_done = on_image_removed, .user = d});
  }
  free(image);
}

/* --- going on --- */

/* One that is active needs its image. */
static void check_image(dl_life_t *l, const char *id, const json_t *snapshot) {
  if (dl_snapshot_is_general(snapshot)) return;
  if (dl_snapshot_has_files(snapshot)) {
    const char *missing = missing_part(l, id, snapshot);
    if (missing) fail(l, id, DL_SNAPSHOT_ERROR, missing);
    return;
  }
  dl_image_t *image = open_known(l, snapshot);
  if (!image) fail(l, id, DL_SNAPSHOT_ERROR, "its image is not in the store any more");
  dl_image_release(image);
}

static void go_on(dl_life_t *l, const char *id) {
  const json_t *snapshot = find(l, id);
  const errand_t *e = dl_map_get(&l->errands, id);
  dl_snapshot_state_t state = snapshot ? dl_snapshot_state(snapshot) : DL_SNAPSHOT_REMOVING;
  if (!snapshot)
    drop_errand(l, id);
  else if (state == DL_SNAPSHOT_REMOVING)
    clear_away(l, id, snapshot);
  else if (state == DL_SNAPSHOT_SNAPSHOTTING && !is_being_copied(l, id))
    dl_snapshot_copied(l, id, "the server has ended while it was made");
  else if (state == DL_SNAPSHOT_PENDING || state == DL_SNAPSHOT_PULLING || state == DL_SNAPSHOT_BUILDING) {
    if (!e) acquire(l, id, snapshot);
    /* What had begun was not written. */
    if (e && dl_wanted_has_begun(&e->wanted)) on_begun((dl_wanted_t *)&e->wanted);
  }
}

/* Copies, since going on changes what is walked. */
static char **list_ids(dl_life_t *l) {
  const json_t *all = dl_snapshots_all(l->objects);
  char **ids = dl_xcalloc(json_object_size(all) + 1, sizeof *ids);
  const char *id;
  json_t *snapshot;
  size_t count = 0;
  json_object_foreach ((json_t *)all, id, snapshot) ids[count++] = dl_xstrdup(id);
  return ids;
}

static void free_ids(char **ids) {
  for (char **at = ids; *at; at++) free(*at);
  free(ids);
}

/* After a start, and after a change that could not be written. */
static void go_on_all(dl_life_t *l) {
  char **ids = list_ids(l);
  for (char **id = ids; *id; id++) {
    const json_t *snapshot = find(l, *id);
    if (!snapshot) continue;
    if (dl_snapshot_state(snapshot) == DL_SNAPSHOT_ACTIVE) check_image(l, *id, snapshot);
    go_on(l, *id);
  }
  free_ids(ids);
}

/* --- what is asked for --- */

json_t *dl_snapshot_create(dl_life_t *l, json_t *snapshot) {
  char *id = dl_xstrdup(dl_json_str(snapshot, "id"));
  dl_store_put(l->objects->store, "snapshot", id, snapshot);
  dl_image_t *known = dl_snapshot_build(snapshot) ? open_known(l, snapshot) : NULL;
  if (known) take(l, id, known);
  if (!known) commit(l, id);
  dl_image_release(known);
  snapshot = find(l, id);
  free(id);
  return snapshot;
}

void dl_snapshot_activate(dl_life_t *l, const char *id) {
  reached(l, id, DL_SNAPSHOT_PENDING, json_pack("{s:n}", "errorReason"));
}

void dl_snapshot_deactivate(dl_life_t *l, const char *id) { reached(l, id, DL_SNAPSHOT_INACTIVE, NULL); }

void dl_snapshot_remove(dl_life_t *l, const char *id) { reached(l, id, DL_SNAPSHOT_REMOVING, NULL); }

/* --- time --- */

/* How long it is until something is due; INT64_MAX: nothing will be. */
static int64_t left(const dl_life_t *l, const json_t *snapshot) {
  switch (dl_snapshot_state(snapshot)) {
    case DL_SNAPSHOT_PENDING:
    case DL_SNAPSHOT_PULLING:
    case DL_SNAPSHOT_BUILDING: return PHASE_MAX_MS - dl_snapshot_age(l->objects, snapshot);
    case DL_SNAPSHOT_ACTIVE:
      if (dl_snapshot_is_general(snapshot)) return INT64_MAX;
      return UNUSED_MAX_MS - dl_snapshot_idle(l->objects, snapshot);
    default: return INT64_MAX;
  }
}

static void act(dl_life_t *l, const char *id) {
  dl_snapshot_state_t state = dl_snapshot_state(find(l, id));
  bool is_build = dl_snapshot_build(find(l, id)) != NULL;
  if (state == DL_SNAPSHOT_ACTIVE) {
    dl_info("snapshot %s was not used for 14 days", id);
    dl_snapshot_deactivate(l, id);
    return;
  }
  drop_errand(l, id);
  fail(l, id, is_build ? DL_SNAPSHOT_BUILD_FAILED : DL_SNAPSHOT_ERROR,
       state == DL_SNAPSHOT_PENDING ? "its turn did not come within an hour" : "it took longer than an hour");
}

int64_t dl_snapshots_run_due(dl_life_t *l) {
  int64_t earliest = INT64_MAX;
  char **ids = list_ids(l);
  for (char **id = ids; *id; id++) {
    int64_t wait = left(l, find(l, *id));
    if (wait <= 0)
      act(l, *id);
    else if (wait < earliest)
      earliest = wait;
  }
  free_ids(ids);
  return earliest;
}

static void end(dl_life_t *l) {
  for (size_t i = 0; i < l->errands.capacity; i++) {
    errand_t *e = l->errands.slots[i].key ? l->errands.slots[i].value : NULL;
    if (!e) continue;
    free(e->id);
    free(e);
  }
  dl_map_clear(&l->errands);
}

void dl_snapshot_life_init(dl_life_t *l) {
  static const struct dl_life_snapshots part = {go_on_all, tell_all, end};
  l->snapshots = &part;
  dl_works_on_idle(l->works, on_works_idle, l);
  dl_works_look(l->works);
}
