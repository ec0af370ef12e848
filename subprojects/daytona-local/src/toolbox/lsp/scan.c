/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A walk in breadth, so that the ceilings cut off what lies deepest.
 */
#include "toolbox/lsp/scan.h"

#include "base/beneath.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

/* A folder that waits for its turn; its path is relative to the root, "" for the root itself. */
typedef struct folder {
  struct folder *next;
  char path[];
} folder_t;

typedef struct {
  dl_lsp_scan_t *scan;
  int root;
  folder_t *first, **last;
  size_t entries, bytes;
} walk_t;

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c; }

static char *lowered(const char *text, size_t len) {
  char *copy = dl_xmalloc(len + 1);
  for (size_t i = 0; i < len; i++) copy[i] = lower(text[i]);
  return copy;
}

/* By memmem, which takes time by the lengths and not by their product. */
bool dl_lsp_contains(const char *text, size_t len, const char *part) {
  size_t part_len = strlen(part);
  if (part_len > len) return false;
  char *in = lowered(text, len), *wanted = lowered(part, part_len);
  bool found = memmem(in, len, wanted, part_len) != NULL;
  free(in);
  free(wanted);
  return found;
}

static bool is_full(const walk_t *w) {
  return w->entries >= DL_LSP_SCAN_ENTRIES || w->bytes >= DL_LSP_SCAN_BYTES ||
         w->scan->count >= DL_LSP_SCAN_FOUND || atomic_load(&w->scan->is_abandoned) ||
         uv_hrtime() >= w->scan->end_ns;
}

static void queue_folder(walk_t *w, const char *path) {
  size_t len = strlen(path);
  folder_t *f = dl_xmalloc(sizeof *f + len + 1);
  f->next = NULL;
  memcpy(f->path, path, len + 1);
  *w->last = f;
  w->last = &f->next;
}

static bool is_wanted(const dl_lsp_scan_t *s, const char *name) {
  size_t len = strlen(name);
  for (size_t i = 0; s->suffixes[i] != NULL; i++) {
    size_t n = strlen(s->suffixes[i]);
    if (len > n && strcmp(name + len - n, s->suffixes[i]) == 0) return true;
  }
  return false;
}

static bool is_of_others(const char *name) {
  static const char *const NAMES[] = {"node_modules", "site-packages", "__pycache__"};
  for (size_t i = 0; i < DL_COUNT(NAMES); i++)
    if (strcmp(name, NAMES[i]) == 0) return true;
  return false;
}

/* --- a file --- */

static bool begins_import(const char *line, size_t len) {
  while (len > 0 && (*line == ' ' || *line == '\t')) line++, len--;
  return (len > 7 && memcmp(line, "import ", 7) == 0) || (len > 5 && memcmp(line, "from ", 5) == 0);
}

static void note_imports(dl_lsp_file_t *f) {
  uint32_t number = 0;
  size_t cap = 0;
  for (const char *line = f->text, *end = f->text + f->len; line < end; number++) {
    const char *stop = memchr(line, '\n', (size_t)(end - line));
    if (stop == NULL) stop = end;
    if (begins_import(line, (size_t)(stop - line))) {
      if (f->import_count == cap) {
        cap = cap > 0 ? cap * 2 : 16;
        f->imports = dl_xrealloc(f->imports, cap * sizeof *f->imports);
      }
      f->imports[f->import_count++] = number;
    }
    line = stop + 1;
  }
}

/* All of it, or NULL: not a plain file, too large, or it changed meanwhile. */
static char *read_all(int fd, size_t *len) {
  struct stat st;
  if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size > DL_LSP_SCAN_FILE) return NULL;
  char *text = dl_xmalloc((size_t)st.st_size + 1);
  size_t have = 0;
  ssize_t got = 1;
  while (have < (size_t)st.st_size && got != 0) {
    got = read(fd, text + have, (size_t)st.st_size - have);
    if (got > 0) have += (size_t)got;
    if (got < 0 && errno != EINTR) break;
  }
  *len = have;
  return text;
}

static void look_into(walk_t *w, const char *path) {
  int fd = dl_beneath_open(w->root, path, O_RDONLY | O_NONBLOCK);
  size_t len = 0;
  char *text = fd >= 0 ? read_all(fd, &len) : NULL;
  if (fd >= 0) close(fd);
  if (text == NULL) return;
  w->bytes += len;
  if (!dl_lsp_contains(text, len, w->scan->query)) {
    free(text);
    return;
  }
  dl_lsp_file_t *f = &w->scan->found[w->scan->count++];
  *f = (dl_lsp_file_t){dl_xprintf("%s/%s", w->scan->root, path), text, len, NULL, 0};
  note_imports(f);
}

/* --- a folder --- */

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* Names in it, sorted; those that begin with a dot are left out. */
static char **list(walk_t *w, int fd, size_t *count) {
  char **names = NULL;
  size_t cap = 0;
  DIR *stream = fdopendir(fd);
  if (stream == NULL) {
    close(fd);
    return NULL;
  }
  for (struct dirent *e; !is_full(w) && (e = readdir(stream)) != NULL;) {
    w->entries++;
    if (e->d_name[0] == '.') continue;
    if (*count == cap) {
      cap = cap > 0 ? cap * 2 : 32;
      names = dl_xrealloc(names, cap * sizeof *names);
    }
    names[(*count)++] = dl_xstrdup(e->d_name);
  }
  closedir(stream);
  if (*count > 1) qsort(names, *count, sizeof *names, by_name);
  return names;
}

static void look_at(walk_t *w, int dir, const char *folder, const char *name) {
  struct stat st;
  if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0) return;
  char *path = *folder != '\0' ? dl_xprintf("%s/%s", folder, name) : dl_xstrdup(name);
  if (S_ISDIR(st.st_mode) && !is_of_others(name))
    queue_folder(w, path);
  else if (S_ISREG(st.st_mode) && is_wanted(w->scan, name))
    look_into(w, path);
  free(path);
}

static void enter(walk_t *w, const char *folder) {
  size_t count = 0;
  int dir = *folder != '\0' ? dl_beneath_open(w->root, folder, O_RDONLY | O_DIRECTORY)
                            : openat(w->root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (dir < 0) return;
  bool is_environment = *folder != '\0' && faccessat(dir, "pyvenv.cfg", F_OK, AT_SYMLINK_NOFOLLOW) == 0;
  int again = is_environment ? -1 : fcntl(dir, F_DUPFD_CLOEXEC, 3);
  char **names = again >= 0 ? list(w, again, &count) : NULL;
  for (size_t i = 0; i < count; i++) {
    if (!is_full(w)) look_at(w, dir, folder, names[i]);
    free(names[i]);
  }
  free(names);
  close(dir);
}

void dl_lsp_scan_run(dl_lsp_scan_t *s) {
  walk_t w = {.scan = s, .root = open(s->root, O_PATH | O_DIRECTORY | O_CLOEXEC)};
  if (w.root < 0) return;
  s->found = dl_xcalloc(DL_LSP_SCAN_FOUND, sizeof *s->found);
  w.last = &w.first;
  queue_folder(&w, "");
  while (w.first != NULL) {
    folder_t *f = w.first;
    if (!is_full(&w)) enter(&w, f->path);
    w.first = f->next;
    if (w.first == NULL) w.last = &w.first;
    free(f);
  }
  close(w.root);
}

void dl_lsp_scan_clear(dl_lsp_scan_t *s) {
  for (size_t i = 0; i < s->count; i++) {
    free(s->found[i].path);
    free(s->found[i].text);
    free(s->found[i].imports);
  }
  free(s->found);
  s->found = NULL;
  s->count = 0;
}
