/* SPDX-License-Identifier: Apache-2.0
 *
 * Walks /proc for the descendants of a process. A process whose parent has died hangs below the
 * nearest subreaper, so callers make the root of a tree a subreaper when nothing may be lost.
 */
#include "runtime/proctree.h"

#include "base/base.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_ROUNDS 100

typedef struct {
  pid_t pid, parent;
  bool is_inside;
} entry;

typedef struct {
  entry *entries;
  size_t count, cap;
} table;

/* The parent stands behind the state letter; the command name before it may hold anything. */
static pid_t parent_of(pid_t pid) {
  char path[64], text[512];
  snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  ssize_t got = read(fd, text, sizeof text - 1);
  close(fd);
  if (got <= 0) return -1;
  text[got] = '\0';
  char *end = strrchr(text, ')');
  char state;
  long parent;
  if (end == NULL || sscanf(end + 1, " %c %ld", &state, &parent) != 2) return -1;
  return state == 'Z' ? -1 : (pid_t)parent;
}

static void read_table(table *t) {
  DIR *d = opendir("/proc");
  t->count = 0;
  if (d == NULL) return;
  for (struct dirent *e; (e = readdir(d)) != NULL;) {
    int64_t pid;
    if (!dl_parse_int(e->d_name, 1, INT32_MAX, &pid)) continue;
    if (t->count == t->cap) {
      t->cap = t->cap ? t->cap * 2 : 256;
      t->entries = dl_xrealloc(t->entries, t->cap * sizeof *t->entries);
    }
    t->entries[t->count++] = (entry){(pid_t)pid, parent_of((pid_t)pid), false};
  }
  closedir(d);
}

static bool is_inside(const table *t, pid_t pid, pid_t root) {
  if (pid == root) return true;
  for (size_t i = 0; i < t->count; i++)
    if (t->entries[i].pid == pid) return t->entries[i].is_inside;
  return false;
}

static void mark(table *t, pid_t root) {
  for (bool again = true; again;) {
    again = false;
    for (size_t i = 0; i < t->count; i++) {
      entry *e = &t->entries[i];
      if (e->is_inside || e->pid == root || !is_inside(t, e->parent, root)) continue;
      e->is_inside = again = true;
    }
  }
}

static bool contains(const pid_t *pids, size_t count, pid_t pid) {
  for (size_t i = 0; i < count; i++)
    if (pids[i] == pid) return true;
  return false;
}

void dl_proctree_kill(pid_t root, bool include_root) {
  table t = {0};
  pid_t *stopped = NULL;
  size_t count = 0;
  bool found = true;
  if (include_root) kill(root, SIGSTOP);
  for (int round = 0; found && round < MAX_ROUNDS; round++) {
    found = false;
    read_table(&t);
    mark(&t, root);
    for (size_t i = 0; i < t.count; i++) {
      if (!t.entries[i].is_inside || contains(stopped, count, t.entries[i].pid)) continue;
      stopped = dl_xrealloc(stopped, (count + 1) * sizeof *stopped);
      stopped[count++] = t.entries[i].pid;
      kill(t.entries[i].pid, SIGSTOP);
      found = true;
    }
  }
  for (size_t i = 0; i < count; i++) kill(stopped[i], SIGKILL);
  if (include_root) kill(root, SIGKILL);
  free(stopped);
  free(t.entries);
}
