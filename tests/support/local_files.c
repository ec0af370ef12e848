/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See local_files.h.
 */
#include "support/local_files.h"

#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "support/check.h"

const char *local_path(const char *folder, const char *name) {
  static char paths[8][PATH_MAX];
  static unsigned next;
  char *path = paths[next++ % 8];
  snprintf(path, PATH_MAX, "%s/%s", folder, name);
  return path;
}

void local_write(const char *path, const void *bytes, size_t size) {
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  assert_int_equal(fwrite(bytes, 1, size, file), size);
  assert_int_equal(fclose(file), 0);
}

void local_holds(const char *path, const void *bytes, size_t size) {
  char *got = malloc(size + 1);
  FILE *file = fopen(path, "r");
  assert_non_null(file);
  assert_int_equal(fread(got, 1, size + 1, file), size);
  assert_memory_equal(got, bytes, size);
  fclose(file);
  free(got);
}

char *local_pattern(size_t size, unsigned seed) {
  char *bytes = malloc(size + 1);
  uint32_t x = seed * 2654435761u + 1;
  for (size_t i = 0; i < size; i++) bytes[i] = (char)((x = x * 1664525u + 1013904223u) >> 24);
  return bytes;
}
