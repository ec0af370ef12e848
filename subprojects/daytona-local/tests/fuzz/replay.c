/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzz target over the files named on the command line, and over every beginning of them.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INPUT_MAX (64 * 1024)

static int replay(const char *path) {
  static uint8_t data[INPUT_MAX];
  FILE *file = fopen(path, "rb");
  if (file == NULL) return -1;
  size_t size = fread(data, 1, sizeof data, file);
  int rc = ferror(file);
  fclose(file);
  for (size_t prefix = 0; prefix <= size; prefix++) LLVMFuzzerTestOneInput(data, prefix);
  return rc;
}

int main(int argc, char **argv) {
  int failed = 0;
  printf("1..%d\n", argc - 1);
  for (int i = 1; i < argc; i++) {
    int rc = replay(argv[i]);
    failed |= rc;
    printf("%s %d - %s\n", rc == 0 ? "ok" : "not ok", i, argv[i]);
    fflush(stdout);
  }
  return failed != 0;
}
