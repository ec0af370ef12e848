/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzz target over the files named on the command line, so that the normal test run repeats what
 * fuzzing has found. Every prefix of a small file is tried too: answers are cut anywhere.
 */
#include <stdbool.h>
#include <string.h>

#include "fuzz/target.h"

enum { SMALL = 4096 };

/* An exact copy, so that a sanitizer sees one byte too many. */
static void run(const uint8_t *data, size_t size) {
  uint8_t *copy = malloc(size != 0 ? size : 1);
  if (copy == NULL) abort();
  if (size != 0) memcpy(copy, data, size);
  LLVMFuzzerTestOneInput(copy, size);
  free(copy);
}

static bool replay(const char *path) {
  FILE *file = fopen(path, "rb");
  if (file == NULL) return false;
  uint8_t *data = NULL;
  size_t size = 0, room = 0;
  for (;;) {
    if (size == room) {
      room = room * 2 + SMALL;
      data = realloc(data, room);
      if (data == NULL) abort();
    }
    size_t got = fread(data + size, 1, room - size, file);
    if (got == 0) break;
    size += got;
  }
  bool ok = ferror(file) == 0;
  fclose(file);
  for (size_t prefix = size <= SMALL ? 0 : size; prefix <= size; prefix++) run(data, prefix);
  free(data);
  return ok;
}

int main(int argc, char **argv) {
  bool all_ok = true;
  printf("1..%d\n", argc - 1);
  for (int i = 1; i < argc; i++) {
    const char *slash = strrchr(argv[i], '/');
    bool ok = replay(argv[i]);
    all_ok = all_ok && ok;
    printf("%sok %d - %s\n", ok ? "" : "not ", i, slash != NULL ? slash + 1 : argv[i]);
    fflush(stdout);
  }
  return all_ok ? 0 : 1;
}
