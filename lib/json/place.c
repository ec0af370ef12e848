/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Field paths; see place.h. A path that is too long loses its end. Bytes that do not print, which only
 * keys of a peer's own making can hold, become '?': paths go into log lines.
 */
#include "json/place.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static size_t put(char *out, size_t used, size_t room, const char *text, size_t size) {
  for (size_t i = 0; i < size && used + 1 < room; i++)
    out[used++] = text[i] > ' ' && text[i] <= '~' ? text[i] : '?';
  return used;
}

static size_t render(const daytona__json_place_t *place, char *out, size_t room) {
  if (place == NULL) return 0;
  size_t used = render(place->up, out, room);
  if (place->key == NULL) {
    char index[32];
    int size = snprintf(index, sizeof index, "[%zu]", place->index);
    return put(out, used, room, index, (size_t)size);
  }
  if (used != 0) used = put(out, used, room, ".", 1);
  return put(out, used, room, place->key, place->key_size);
}

void daytona__json_blame(daytona__json_error_t *error, const daytona__json_place_t *place,
                         daytona_errcode_t code, const char *format, ...) {
  if (error->code != DAYTONA_OK) return;
  va_list args;
  va_start(args, format);
  vsnprintf(error->message, sizeof error->message, format, args);
  va_end(args);
  error->code = code;
  error->field[render(place, error->field, sizeof error->field)] = '\0';
}
