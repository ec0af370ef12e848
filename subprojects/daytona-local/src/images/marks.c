/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The names that were given by imports. A name is written before its import begins: one without an image means nothing,
 * but an import without its name would be asked for at a registry.
 */
#include "images/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void dl_image_marks_load(dl_image_marks_t *m, const char *path) {
  char line[1024];
  memset(m, 0, sizeof *m);
  m->path = dl_xstrdup(path);
  FILE *file = fopen(path, "re");
  while (file && fgets(line, sizeof line, file)) {
    line[strcspn(line, "\n")] = '\0';
    if (!*line) continue;
    m->names = dl_xrealloc(m->names, (m->count + 1) * sizeof *m->names);
    m->names[m->count++] = dl_xstrdup(line);
  }
  if (file) fclose(file);
}

void dl_image_marks_clear(dl_image_marks_t *m) {
  for (size_t i = 0; i < m->count; i++) free(m->names[i]);
  free(m->names);
  free(m->path);
  memset(m, 0, sizeof *m);
}

static size_t find(const dl_image_marks_t *m, const char *name) {
  size_t at = 0;
  while (at < m->count && strcmp(m->names[at], name) != 0) at++;
  return at;
}

bool dl_image_marks_have(const dl_image_marks_t *m, const char *name) { return find(m, name) < m->count; }

/* The list without `leaves`, and with `joins`. */
static bool save(const dl_image_marks_t *m, const char *joins, const char *leaves) {
  char *next = dl_xprintf("%s.new", m->path);
  int fd = open(next, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  bool ok = fd >= 0;
  for (size_t i = 0; ok && i < m->count; i++)
    if (!leaves || strcmp(m->names[i], leaves) != 0) ok = dprintf(fd, "%s\n", m->names[i]) > 0;
  if (ok && joins) ok = dprintf(fd, "%s\n", joins) > 0;
  ok = ok && fsync(fd) == 0;
  int reason = errno;
  if (fd >= 0) close(fd);
  if (ok && rename(next, m->path) != 0) {
    reason = errno;
    ok = false;
  }
  free(next);
  errno = reason;
  return ok;
}

bool dl_image_marks_set(dl_image_marks_t *m, const char *name, bool is_in) {
  size_t at = find(m, name);
  if ((at < m->count) == is_in) return true;
  if (!save(m, is_in ? name : NULL, is_in ? NULL : name)) return false;
  if (is_in) {
    m->names = dl_xrealloc(m->names, (m->count + 1) * sizeof *m->names);
    m->names[m->count++] = dl_xstrdup(name);
  } else {
    free(m->names[at]);
    m->names[at] = m->names[--m->count];
  }
  return true;
}
