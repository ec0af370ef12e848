/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Environments are small (tens of names), so a list that is searched from the front does.
 */
#include "toolbox/core/environ.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TOTAL_MAX (6l * 1024 * 1024)
/* The name of the program and what the kernel puts beside. */
#define TOTAL_RESERVE 8192

bool dl_environ_name_ok(const char *name) {
  if (!isalpha((unsigned char)name[0]) && name[0] != '_') return false;
  for (const char *p = name; *p != '\0'; p++)
    if ((unsigned char)*p >= 0x80 || (!isalnum((unsigned char)*p) && *p != '_')) return false;
  return true;
}

static char **find(const dl_environ_t *e, const char *name) {
  size_t len = strlen(name);
  for (size_t i = 0; i < e->count; i++)
    if (strncmp(e->pairs[i], name, len) == 0 && e->pairs[i][len] == '=') return &e->pairs[i];
  return NULL;
}

void dl_environ_set(dl_environ_t *e, const char *name, const char *value) {
  char *pair = dl_xprintf("%s=%s", name, value);
  char **old = find(e, name);
  if (old != NULL) {
    free(*old);
    *old = pair;
    return;
  }
  e->pairs = dl_xrealloc(e->pairs, (e->count + 2) * sizeof *e->pairs);
  e->pairs[e->count++] = pair;
  e->pairs[e->count] = NULL;
}

void dl_environ_unset(dl_environ_t *e, const char *name) {
  char **old = find(e, name);
  if (old == NULL) return;
  free(*old);
  e->count--;
  memmove(old, old + 1, ((size_t)(e->pairs + e->count - old) + 1) * sizeof *old);
}

const char *dl_environ_get(const dl_environ_t *e, const char *name) {
  char **pair = find(e, name);
  return pair != NULL ? *pair + strlen(name) + 1 : NULL;
}

/* What the kernel takes in all: a quarter of the stack's limit, but never more than 6 MiB. */
static size_t total_max(void) {
  long limit = sysconf(_SC_ARG_MAX);
  return limit > 0 && limit < TOTAL_MAX ? (size_t)limit : TOTAL_MAX;
}

char *dl_environ_too_large(const dl_environ_t *e, char *const *argv) {
  size_t total = TOTAL_RESERVE;
  for (size_t i = 0; i < e->count; i++) {
    size_t len = strlen(e->pairs[i]), name = strcspn(e->pairs[i], "=");
    if (len > DL_ENVIRON_TEXT_MAX)
      return dl_xprintf("environment variable %.*s is too long: %zu bytes with its name, %u at most",
                        name < 200 ? (int)name : 200, e->pairs[i], len, DL_ENVIRON_TEXT_MAX);
    total += len + 1 + sizeof(char *);
  }
  for (size_t i = 0; argv != NULL && argv[i] != NULL; i++) {
    size_t len = strlen(argv[i]);
    if (len > DL_ENVIRON_TEXT_MAX)
      return dl_xprintf("argument %zu is too long: %zu bytes, %u at most", i, len, DL_ENVIRON_TEXT_MAX);
    total += len + 1 + sizeof(char *);
  }
  if (total <= total_max()) return NULL;
  return dl_xprintf("arguments and environment together are too long: %zu bytes, %zu at most", total,
                    total_max());
}

void dl_environ_copy(dl_environ_t *to, const dl_environ_t *from) {
  to->count = from->count;
  to->pairs = dl_xcalloc(from->count + 1, sizeof *to->pairs);
  for (size_t i = 0; i < from->count; i++) to->pairs[i] = dl_xstrdup(from->pairs[i]);
}

void dl_environ_clear(dl_environ_t *e) {
  for (size_t i = 0; i < e->count; i++) free(e->pairs[i]);
  free(e->pairs);
  *e = (dl_environ_t){0};
}
