/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The few functions of the shared value types.
 */
#include <daytona/types.h>

#include <string.h>

void daytona_opt_int_set(daytona_opt_int_t *out, int64_t value) {
  if (out != NULL) *out = daytona_int(value);
}

void daytona_opt_num_set(daytona_opt_num_t *out, double value) {
  if (out != NULL) *out = daytona_num(value);
}

void daytona_opt_bool_set(daytona_opt_bool_t *out, bool value) {
  if (out != NULL) *out = daytona_bool(value);
}

const char *daytona_map_value(const daytona_map_t *map, const char *key) {
  if (map == NULL || key == NULL) return NULL;
  for (size_t i = 0; i < map->count; i++)
    if (strcmp(map->items[i].key, key) == 0) return map->items[i].value;
  return NULL;
}

const char *daytona_version(void) { return DAYTONA_VERSION; }
