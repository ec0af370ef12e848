/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hash map from text to pointer. Keys are copied.
 */
#ifndef DL_MAP_H
#define DL_MAP_H

#include "base/base.h"

typedef struct {
  char *key; /* NULL: free; key with value DL_MAP_GRAVE: removed */
  void *value;
} dl_map_slot_t;

typedef struct {
  dl_map_slot_t *slots;
  size_t capacity, used, count; /* used counts graves too */
} dl_map_t;

void *dl_map_get(const dl_map_t *m, const char *key);
/* Replaces an older value. `value` is not NULL. */
void dl_map_put(dl_map_t *m, const char *key, void *value);
void dl_map_remove(dl_map_t *m, const char *key);
void dl_map_clear(dl_map_t *m);

#endif
