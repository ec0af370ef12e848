/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See text_file.h.
 */
#include "text_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static int look(FILE *file, size_t most, size_t *size) {
  struct stat info;
  if (fstat(fileno(file), &info) != 0) return errno;
  if (!S_ISREG(info.st_mode)) return EINVAL;
  *size = (size_t)info.st_size;
  return *size > most ? EFBIG : 0;
}

char *read_text_file(const char *path, size_t most, size_t *size) {
  FILE *file = fopen(path, "rbe");
  char *text = NULL;
  if (file == NULL) return NULL;
  int problem = look(file, most, size);
  if (problem == 0 && (text = malloc(*size + 1)) == NULL) problem = ENOMEM;
  if (text != NULL) {
    *size = fread(text, 1, *size, file);
    text[*size] = '\0';
  }
  fclose(file);
  errno = problem;
  return text;
}
