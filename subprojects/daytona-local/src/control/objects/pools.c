/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Warm pools in the store.
 */
#include "control/objects/pools.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define KIND "pool"

const json_t *dl_pools_all(dl_objects_t *o) { return dl_store_all(o->store, KIND); }

const json_t *dl_pool_by_id(dl_objects_t *o, const char *id) { return json_object_get(dl_pools_all(o), id); }

void dl_pools_init(dl_objects_t *o) {
  const char *id;
  void *next;
  json_t *pool;
  json_object_foreach_safe ((json_t *)dl_pools_all(o), next, id, pool) {
    const char *own = dl_json_str(pool, "id");
    if (own && strcmp(own, id) == 0 && dl_json_str(pool, "snapshot") && dl_json_str(pool, "target") &&
        json_is_integer(dl_json_get(pool, "pool")))
      continue;
    char *copy = dl_xstrdup(id);
    dl_error("the record of warm pool %s makes no sense and is put aside", copy);
    dl_store_put(o->store, "unsound", copy, json_incref(pool));
    dl_store_put(o->store, KIND, copy, NULL);
    free(copy);
  }
}

const json_t *dl_pool_find(dl_objects_t *o, const char *snapshot, const char *target) {
  const char *id;
  json_t *pool;
  json_object_foreach ((json_t *)dl_pools_all(o), id, pool) {
    if (strcmp(dl_json_str(pool, "snapshot"), snapshot) == 0 &&
        strcmp(dl_json_str(pool, "target"), target) == 0)
      return pool;
  }
  return NULL;
}

static const json_t *put(dl_objects_t *o, json_t *pool) {
  json_object_set_new(pool, "updatedAt", json_string(dl_iso_format(dl_objects_stamp(o)).text));
  dl_store_put(o->store, KIND, dl_json_str(pool, "id"), pool);
  return pool;
}

const json_t *dl_pool_create(dl_objects_t *o, const json_t *snapshot, const char *target, int64_t size) {
  assert(!dl_pool_find(o, dl_json_str(snapshot, "name"), target));
  return put(
    o, json_pack("{s:s, s:s, s:s, s:s, s:I, s:O, s:O, s:O, s:s, s:{}, s:s}", "id", dl_uuid_new().text,
                 "organizationId", o->organization_id, "snapshot", dl_json_str(snapshot, "name"), "target",
                 target, "pool", (json_int_t)size, "cpu", dl_json_get(snapshot, "cpu"), "mem",
                 dl_json_get(snapshot, "mem"), "disk", dl_json_get(snapshot, "disk"), "osUser", "daytona",
                 "env", "createdAt", dl_iso_format(dl_objects_stamp(o)).text));
}

const json_t *dl_pool_resize(dl_objects_t *o, const char *id, int64_t size) {
  json_t *updated = json_copy((json_t *)dl_pool_by_id(o, id));
  json_object_set_new(updated, "pool", json_integer(size));
  return put(o, updated);
}

void dl_pool_remove(dl_objects_t *o, const char *id) { dl_store_put(o->store, KIND, id, NULL); }

int64_t dl_pool_size(const json_t *pool) { return dl_json_int(pool, "pool", 0); }

bool dl_pool_has(const char *id, const dl_sandbox_t *sb) {
  return sb->pool_id && sb->want != DL_WANT_DESTROYED && strcmp(sb->pool_id, id) == 0;
}

size_t dl_pool_ready_count(const dl_objects_t *o, const char *id) {
  size_t count = 0;
  DL_LIST_EACH(&o->sandbox_list, node) {
    const dl_sandbox_t *sb = DL_CONTAINER(node, dl_sandbox_t, link);
    count += dl_pool_has(id, sb) && sb->state == DL_STARTED && !dl_sandbox_is_busy(sb);
  }
  return count;
}
