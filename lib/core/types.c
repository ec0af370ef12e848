/*
 * The few functions of the shared value types.
 */
#include <daytona/types.h>

#include <string.h>

const char *daytona_map_value(const daytona_map_t *map, const char *key) {
  if (map == NULL || key == NULL) return NULL;
  for (size_t i = 0; i < map->count; i++)
    if (strcmp(map->items[i].key, key) == 0) return map->items[i].value;
  return NULL;
}

const char *daytona_version(void) { return DAYTONA_VERSION; }
