/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps boxes ready; see warm.h. An entry is on the list from the beginning of its boot until it is taken or its end is
 * reported, and only those are taken that are ready. The home of a box that was not taken is empty, for nothing runs in it
 * but the toolbox.
 */
#include "control/life/warm.h"

#include "control/objects/leftovers.h"
#include "control/objects/snapshots.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A create is followed by the first command, and that by the next create. */
#define CALM_MS 20
#define PUT_OFF_MAX_MS 500
#define RETRY_MS 250
#define RETRY_DOUBLINGS 8

typedef struct {
  dl_list_t link;
  dl_warm_t *warm;
  dl_box_t *box;
  char *id;
  bool is_ready;
} entry_t;

static void on_fill(uv_timer_t *timer);

static char *dir_of(const dl_warm_t *w, const char *id) {
  return dl_xprintf("%s/warm/%s", w->objects->state_dir, id);
}

/* --- filling --- */

static void fill_in(dl_warm_t *w, uint64_t ms) {
  if (w->runtime && w->wanted > 0) uv_timer_start(&w->timer, on_fill, ms, 0);
}

static void remove_dir(const dl_warm_t *w, const char *id) {
  char *dir = dir_of(w, id), *home = dl_xprintf("%s/home", dir);
  rmdir(home);
  if (rmdir(dir) != 0 && errno != ENOENT) {
    dl_warn("warm box %s: %s", id, strerror(errno));
    if (w->runtime) dl_discard(w->objects, dir, NULL, NULL); /* else the next start does it */
  }
  free(home);
  free(dir);
}

static void drop(entry_t *e) {
  dl_list_unlink(&e->link);
  free(e->id);
  free(e);
}

static void on_spare(void *user, dl_box_t *box) {
  entry_t *e = user;
  (void)box;
  e->is_ready = true;
  dl_debug("warm box %s: ready", e->id);
  fill_in(e->warm, CALM_MS);
}

/* Of a box that nobody has taken its end alone is reported. */
static void on_end(void *user, dl_box_t *box, const char *error) {
  entry_t *e = user;
  dl_warm_t *w = e->warm;
  (void)box;
  remove_dir(w, e->id);
  if (w->runtime) {
    if (w->failure_count++ == 0) dl_warn("warm box %s ended, another one is booted: %s", e->id, error);
    unsigned doublings = w->failure_count < RETRY_DOUBLINGS ? w->failure_count : RETRY_DOUBLINGS;
    fill_in(w, (uint64_t)RETRY_MS << doublings >> 1);
  }
  drop(e);
}

static void boot(dl_warm_t *w) {
  const json_t *snapshot = dl_snapshot_find(w->objects, NULL);
  entry_t *e = dl_xcalloc(1, sizeof *e);
  *e = (entry_t){.warm = w, .id = dl_xstrdup(dl_uuid_new().text)};
  char *dir = dir_of(w, e->id), *home = dl_xprintf("%s/home", dir);
  mkdir(dir, 0711);
  dl_list_push(&w->boxes, &e->link);
  const dl_box_spec_t spec = {.id = e->id,
                              .home_dir = home,
                              .cpu = dl_json_num(snapshot, "cpu", 1),
                              .memory_gib = dl_json_num(snapshot, "mem", 1),
                              .disk_gib = dl_json_num(snapshot, "disk", 3),
                              .on_spare = on_spare};
  e->box = dl_box_start(w->runtime, &spec, on_end, e);
  free(home);
  free(dir);
}

static void on_fill(uv_timer_t *timer) {
  dl_warm_t *w = DL_CONTAINER(timer, dl_warm_t, timer);
  unsigned count = 0;
  w->put_off_since = 0;
  DL_LIST_EACH(&w->boxes, node) {
    count++;
    if (!DL_CONTAINER(node, entry_t, link)->is_ready) return; /* and then we come back */
  }
  if (count < w->wanted) boot(w);
}

/* --- what others ask for --- */

void dl_warm_init(dl_warm_t *w, dl_objects_t *objects, uv_loop_t *loop) {
  *w = (dl_warm_t){.objects = objects};
  dl_list_init(&w->boxes);
  uv_timer_init(loop, &w->timer);
}

void dl_warm_open(dl_warm_t *w, dl_runtime_t *runtime, unsigned wanted) {
  char *dir = dl_xprintf("%s/warm", w->objects->state_dir);
  bool is_there = wanted == 0 || mkdir(dir, 0700) == 0 || errno == EEXIST;
  if (!is_there) dl_warn("no boxes are kept ready: %s: %s", dir, strerror(errno));
  if (is_there && wanted != 0) dl_objects_spread(dir);
  free(dir);
  if (!is_there) return;
  w->runtime = runtime;
  w->wanted = wanted;
  fill_in(w, CALM_MS);
}

void dl_warm_put_off(dl_warm_t *w) {
  uint64_t now = uv_now(w->objects->loop);
  /* A failed one has its own time. */
  if (!w->runtime || (w->failure_count > 0 && uv_is_active((uv_handle_t *)&w->timer))) return;
  if (w->put_off_since == 0) w->put_off_since = now;
  if (now - w->put_off_since < PUT_OFF_MAX_MS || !uv_is_active((uv_handle_t *)&w->timer)) fill_in(w, CALM_MS);
}

/* Its files go to where those of sandboxes are. */
static bool move_files(const dl_warm_t *w, const char *id) {
  char *from = dir_of(w, id), *to = dl_xprintf("%s/sandboxes/%s", w->objects->state_dir, id);
  bool is_moved = rename(from, to) == 0;
  if (!is_moved) dl_warn("warm box %s: %s: %s", id, to, strerror(errno));
  free(to);
  free(from);
  return is_moved;
}

dl_box_t *dl_warm_take(dl_warm_t *w, const dl_box_spec_t *needs, char **id) {
  DL_LIST_EACH_SAFE(&w->boxes, node, after) {
    entry_t *e = DL_CONTAINER(node, entry_t, link);
    if (!w->runtime || !e->is_ready || !dl_box_fits(e->box, needs)) continue;
    if (!move_files(w, e->id)) return NULL;
    dl_box_t *box = e->box;
    *id = dl_xstrdup(e->id);
    w->failure_count = 0;
    drop(e);
    return box;
  }
  return NULL;
}

unsigned dl_warm_ready_count(const dl_warm_t *w) {
  unsigned count = 0;
  DL_LIST_EACH(&w->boxes, node) count += DL_CONTAINER(node, entry_t, link)->is_ready;
  return count;
}

/* --- the end --- */

void dl_warm_freeze(dl_warm_t *w) {
  w->runtime = NULL;
  uv_timer_stop(&w->timer);
}

static void on_timer_closed(uv_handle_t *handle) {
  dl_warm_t *w = DL_CONTAINER(handle, dl_warm_t, timer);
  w->on_closed(w->closed_user);
}

void dl_warm_close(dl_warm_t *w, void (*on_closed)(void *user), void *user) {
  w->on_closed = on_closed;
  w->closed_user = user;
  assert(!w->runtime && dl_list_empty(&w->boxes));
  uv_close((uv_handle_t *)&w->timer, on_timer_closed);
}
