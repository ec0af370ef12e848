/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keeper looks at all pools when something has changed, soon again while sandboxes are on their way, and now and then
 * in any case: sandboxes end by themselves, too. Where they cannot be made it waits longer each time.
 */
#include "control/life/pools.h"

#include "control/life/source.h"
#include "control/objects/pools.h"
#include "control/objects/snapshots.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define SOON_MS 100
#define SOMETIMES_MS 5000
/* So many start at a time, of all pools: creates come first. */
#define STARTING_MAX 2u
#define BACKOFF_MIN_MS 1000
#define BACKOFF_MAX_MS (5 * 60 * 1000)

typedef struct {
  char *problem;
  int64_t backoff_ms, again_at_ms; /* dl_steady_ms */
} trouble_t;

struct dl_pool_keeper {
  dl_life_t *life;
  uv_timer_t timer;
  dl_map_t troubles; /* id of a pool -> trouble_t */
  void (*on_closed)(void *user);
  void *closed_user;
};

/* --- what is wrong --- */

static void note_trouble(dl_pool_keeper_t *k, const char *id, const char *problem) {
  trouble_t *t = dl_map_get(&k->troubles, id);
  if (!t) {
    t = dl_xcalloc(1, sizeof *t);
    dl_map_put(&k->troubles, id, t);
  }
  dl_set(&t->problem, problem);
  t->backoff_ms = t->backoff_ms ? t->backoff_ms * 2 : BACKOFF_MIN_MS;
  if (t->backoff_ms > BACKOFF_MAX_MS) t->backoff_ms = BACKOFF_MAX_MS;
  t->again_at_ms = dl_steady_ms() + t->backoff_ms;
  dl_warn("warm pool %s: %s", id, problem);
}

static void forget_trouble(dl_pool_keeper_t *k, const char *id) {
  trouble_t *t = dl_map_get(&k->troubles, id);
  if (!t) return;
  dl_map_remove(&k->troubles, id);
  free(t->problem);
  free(t);
}

static bool has_to_wait(const dl_pool_keeper_t *k, const char *id) {
  const trouble_t *t = dl_map_get(&k->troubles, id);
  return t && dl_steady_ms() < t->again_at_ms;
}

const char *dl_pool_problem(const dl_pool_keeper_t *k, const char *id) {
  const trouble_t *t = dl_map_get(&k->troubles, id);
  return t ? t->problem : NULL;
}

/* --- members --- */

static bool is_ready(const dl_sandbox_t *sb) { return sb->state == DL_STARTED && !dl_sandbox_is_busy(sb); }

/* It ends when it can; one that is on its way is looked at again. */
static void let_go(dl_sandbox_t *sb) {
  if (!sb->is_pending && sb->want != DL_WANT_DESTROYED) dl_life_destroy(sb);
}

static void make_member(dl_pool_keeper_t *k, const json_t *pool) {
  dl_life_t *l = k->life;
  const char *id = dl_json_str(pool, "id"), *name = dl_json_str(pool, "snapshot");
  const json_t *snapshot = dl_snapshot_find_usable(l->objects, name);
  if (!snapshot || dl_snapshot_state(snapshot) != DL_SNAPSHOT_ACTIVE) {
    note_trouble(k, id, snapshot ? "its snapshot is not active" : "its snapshot is gone");
    return;
  }
  dl_sandbox_t *sb =
    dl_sandbox_new(dl_uuid_new().text, dl_json_str(pool, "target"), dl_objects_now(l->objects));
  char *problem = dl_life_take_snapshot(l, sb, snapshot);
  if (problem) {
    note_trouble(k, id, problem);
    dl_sandbox_free(sb);
    free(problem);
    return;
  }
  dl_set(&sb->pool_id, id);
  dl_life_create(l, sb);
  dl_life_boot(sb, DL_LIFE_NO_WAIT);
}

/* --- looking --- */

typedef struct {
  int64_t members;
  size_t starting;
} tally_t;

/* What has failed goes, and what is too much. */
static tally_t count(dl_pool_keeper_t *k, const json_t *pool) {
  const char *id = dl_json_str(pool, "id");
  int64_t wanted = dl_pool_size(pool);
  tally_t t = {0};
  DL_LIST_EACH_SAFE(&k->life->objects->sandbox_list, node, after) {
    dl_sandbox_t *sb = DL_CONTAINER(node, dl_sandbox_t, link);
    if (!dl_pool_has(id, sb)) continue;
    if (dl_sandbox_is_errored(sb)) {
      note_trouble(k, id, sb->error_reason ? sb->error_reason : "a sandbox has failed");
      let_go(sb);
      continue;
    }
    /* Somebody has stopped it, say: it is nobody's any more. */
    if (!sb->is_pending && !is_ready(sb)) {
      let_go(sb);
      continue;
    }
    if (t.members >= wanted) {
      let_go(sb);
      continue;
    }
    t.members++;
    t.starting += !is_ready(sb);
  }
  return t;
}

/* Members of pools that are gone. True: some have to be waited for. */
static bool let_orphans_go(dl_pool_keeper_t *k) {
  bool is_left = false;
  DL_LIST_EACH_SAFE(&k->life->objects->sandbox_list, node, after) {
    dl_sandbox_t *sb = DL_CONTAINER(node, dl_sandbox_t, link);
    if (!sb->pool_id || sb->want == DL_WANT_DESTROYED || dl_pool_by_id(k->life->objects, sb->pool_id))
      continue;
    is_left = is_left || sb->is_pending;
    let_go(sb);
  }
  return is_left;
}

static size_t starting_count(const dl_pool_keeper_t *k) {
  size_t found = 0;
  DL_LIST_EACH(&k->life->objects->sandbox_list, node) {
    const dl_sandbox_t *sb = DL_CONTAINER(node, dl_sandbox_t, link);
    found += sb->pool_id && sb->want != DL_WANT_DESTROYED && !is_ready(sb) && sb->is_pending;
  }
  return found;
}

static void on_timer(uv_timer_t *timer) {
  dl_pool_keeper_t *k = timer->data;
  const char *id;
  json_t *pool;
  if (k->life->is_frozen) return;
  bool is_short = let_orphans_go(k);
  json_object_foreach ((json_t *)dl_pools_all(k->life->objects), id, pool) {
    tally_t t = count(k, pool);
    bool is_full = t.members >= dl_pool_size(pool);
    if (is_full && t.starting == 0) forget_trouble(k, id);
    is_short = is_short || t.starting > 0 || (!is_full && !has_to_wait(k, id));
    if (!is_full && !has_to_wait(k, id) && starting_count(k) < STARTING_MAX) make_member(k, pool);
  }
  bool has_any = json_object_size(dl_pools_all(k->life->objects)) > 0;
  if (is_short || has_any) uv_timer_start(&k->timer, on_timer, is_short ? SOON_MS : SOMETIMES_MS, 0);
}

void dl_pool_keeper_look(dl_pool_keeper_t *k) {
  if (!k->life->is_frozen) uv_timer_start(&k->timer, on_timer, 0, 0);
}

/* --- claims --- */

/* A pool has none with anything else. */
static bool may_be_claimed(const dl_sandbox_t *wanted) {
  return !wanted->has_own_user && !wanted->build && !wanted->is_blocked && !wanted->allow_list &&
         !wanted->domain_list && !wanted->outbound_proxy && !wanted->otel_endpoint &&
         json_object_size(wanted->env) == 0 && json_object_size(wanted->secrets) == 0 &&
         json_array_size(wanted->volumes) == 0;
}

static void take_over(dl_objects_t *o, dl_sandbox_t *sb, const dl_sandbox_t *wanted) {
  if (strcmp(wanted->name, wanted->id) != 0) dl_objects_rename(o, sb, wanted->name);
  json_decref(sb->labels);
  sb->labels = json_incref(wanted->labels);
  sb->is_public = wanted->is_public;
  sb->auto_stop = wanted->auto_stop;
  sb->auto_archive = wanted->auto_archive;
  sb->auto_delete = wanted->auto_delete;
  sb->auto_pause = wanted->auto_pause;
  sb->destroy_at = wanted->destroy_at;
  sb->queue_timeout = wanted->queue_timeout;
  sb->created_at = sb->updated_at = sb->last_activity_at = dl_objects_now(o);
  dl_set(&sb->pool_id, NULL);
}

dl_sandbox_t *dl_pool_claim(dl_pool_keeper_t *k, const dl_sandbox_t *wanted) {
  dl_objects_t *o = k->life->objects;
  const json_t *pool =
    may_be_claimed(wanted) && wanted->snapshot ? dl_pool_find(o, wanted->snapshot, wanted->target) : NULL;
  if (!pool) return NULL;
  DL_LIST_EACH(&o->sandbox_list, node) {
    dl_sandbox_t *sb = DL_CONTAINER(node, dl_sandbox_t, link);
    bool is_same =
      (!sb->image && !wanted->image) || (sb->image && wanted->image && strcmp(sb->image, wanted->image) == 0);
    if (!dl_pool_has(dl_json_str(pool, "id"), sb) || !is_ready(sb) || sb->relay_count > 0 || !is_same)
      continue;
    take_over(o, sb, wanted);
    dl_life_save(sb);
    dl_pool_keeper_look(k);
    return sb;
  }
  return NULL;
}

/* --- all of it --- */

dl_pool_keeper_t *dl_pool_keeper_new(dl_life_t *life) {
  dl_pool_keeper_t *k = dl_xcalloc(1, sizeof *k);
  k->life = life;
  uv_timer_init(life->objects->loop, &k->timer);
  k->timer.data = k;
  dl_pool_keeper_look(k);
  return k;
}

static void on_timer_closed(uv_handle_t *handle) {
  dl_pool_keeper_t *k = handle->data;
  void (*on_closed)(void *) = k->on_closed;
  void *user = k->closed_user;
  for (size_t i = 0; i < k->troubles.capacity; i++) {
    trouble_t *t = k->troubles.slots[i].value;
    if (t) free(t->problem);
    free(t);
  }
  dl_map_clear(&k->troubles);
  free(k);
  on_closed(user);
}

void dl_pool_keeper_close(dl_pool_keeper_t *k, void (*on_closed)(void *user), void *user) {
  assert(!k->on_closed);
  k->on_closed = on_closed;
  k->closed_user = user;
  uv_close((uv_handle_t *)&k->timer, on_timer_closed);
}
