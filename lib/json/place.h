/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where in a JSON text the decoder or encoder stands, as a chain of frames on the stack. It is turned into
 * a path such as "items[2].cpu" only when something is wrong there.
 */
#ifndef DAYTONA_JSON_PLACE_H
#define DAYTONA_JSON_PLACE_H

#include "json/codec.h"

typedef struct daytona__json_place {
  const struct daytona__json_place *up; /* NULL: directly in the text */
  const char *key;                      /* NULL: an element of an array */
  size_t key_size;
  size_t index;
} daytona__json_place_t;

/* Fill in `error`, unless it holds an earlier one. `message` must not hold a part of the text. */
void daytona__json_blame(daytona__json_error_t *error, const daytona__json_place_t *place,
                         daytona_errcode_t code, const char *format, ...)
  __attribute__((format(printf, 4, 5)));

#endif
