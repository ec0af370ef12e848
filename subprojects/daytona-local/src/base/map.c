/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open addressing with linear probing; removed slots stay as graves until the next growth. The
 * hash starts from a random value, so that names chosen by a peer cannot pile up.
 */
#include "base/map.h"

#include <stdlib.h>
#include <string.h>

static char grave[1];

static uint64_t hash(const char *key) {
  static uint64_t seed;
  if (seed == 0) dl_random_bytes(&seed, sizeof seed);
  uint64_t h = seed ^ UINT64_C(14695981039346656037);
  for (; *key; key++) h = (h ^ (unsigned char)*key) * UINT64_C(1099511628211);
  return h ^ h >> 29;
}

/* The slot of `key`, or the free slot where the search ended. */
static dl_map_slot_t *find(const dl_map_t *m, const char *key) {
  for (size_t i = hash(key) & (m->capacity - 1);; i = (i + 1) & (m->capacity - 1)) {
    dl_map_slot_t *slot = &m->slots[i];
    if (!slot->key || (slot->key != grave && strcmp(slot->key, key) == 0)) return slot;
  }
}

void *dl_map_get(const dl_map_t *m, const char *key) {
  return m->capacity && key ? find(m, key)->value : NULL;
}

static void grow(dl_map_t *m) {
  dl_map_t old = *m;
  size_t capacity = 16;
  while (capacity < old.count * 4) capacity *= 2;
  *m = (dl_map_t){dl_xcalloc(capacity, sizeof *m->slots), capacity, old.count, old.count};
  for (size_t i = 0; i < old.capacity; i++)
    if (old.slots[i].key && old.slots[i].key != grave) *find(m, old.slots[i].key) = old.slots[i];
  free(old.slots);
}

void dl_map_put(dl_map_t *m, const char *key, void *value) {
  if (m->used * 2 >= m->capacity) grow(m);
  dl_map_slot_t *slot = find(m, key);
  if (!slot->key) {
    slot->key = dl_xstrdup(key);
    m->used++;
    m->count++;
  }
  slot->value = value;
}

void dl_map_remove(dl_map_t *m, const char *key) {
  if (!m->capacity || !key) return;
  dl_map_slot_t *slot = find(m, key);
  if (!slot->key) return;
  free(slot->key);
  *slot = (dl_map_slot_t){grave, NULL};
  m->count--;
}

void dl_map_clear(dl_map_t *m) {
  for (size_t i = 0; i < m->capacity; i++)
    if (m->slots[i].key != grave) free(m->slots[i].key);
  free(m->slots);
  *m = (dl_map_t){0};
}
