/* SPDX-License-Identifier: Apache-2.0 */
/*
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
#include <sys/stat.h>
#include <unistd.h>

#define MAX_ROUNDS 100

typedef struct {
  pid_t pid, parent;
  bool is_inside;
} entry_t;

typedef struct {
  entry_t *entries;
  size_t count, cap;
} table_t;

/* How much of a file of the process fits `text`, with a NUL after it; 0 if it cannot be read. */
static size_t read_file(pid_t pid, const char *name, char *text, size_t size) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%ld/%s", (long)pid, name);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  ssize_t got = read(fd, text, size - 1);
  close(fd);
  if (got < 0) got = 0;
  text[got] = '\0';
  return (size_t)got;
}

/* The parent stands behind the state letter; the command name before it may hold anything. */
static pid_t parent_of(pid_t pid) {
  char text[512];
  if (read_file(pid, "stat", text, sizeof text) == 0) return -1;
  char *end = strrchr(text, ')');
  char state;
  long parent;
  if (end == NULL || sscanf(end + 1, " %c %ld", &state, &parent) != 2) return -1;
  return state == 'Z' ? -1 : (pid_t)parent;
}

static void read_table(table_t *t) {
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
    t->entries[t->count++] = (entry_t){(pid_t)pid, parent_of((pid_t)pid), false};
  }
  closedir(d);
}

static bool is_inside(const table_t *t, pid_t pid, pid_t root) {
  if (pid == root) return true;
  for (size_t i = 0; i < t->count; i++)
    if (t->entries[i].pid == pid) return t->entries[i].is_inside;
  return false;
}

static void mark(table_t *t, pid_t root) {
  for (bool again = true; again;) {
    again = false;
    for (size_t i = 0; i < t->count; i++) {
      entry_t *e = &t->entries[i];
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
  table_t t = {0};
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

size_t dl_proctree_signal(pid_t root, int number) {
  table_t t = {0};
  size_t count = 0;
  read_table(&t);
  mark(&t, root);
  for (size_t i = 0; i < t.count; i++)
    if (t.entries[i].is_inside && kill(t.entries[i].pid, number) == 0) count++;
  free(t.entries);
  return count;
}

static bool is_run_by(pid_t pid, unsigned first_uid, unsigned uid_count) {
  char path[64];
  struct stat st;
  snprintf(path, sizeof path, "/proc/%ld", (long)pid);
  return stat(path, &st) == 0 && st.st_uid >= first_uid && st.st_uid - first_uid < uid_count;
}

static bool is_called(pid_t pid, const char *name) {
  char text[64];
  size_t len = read_file(pid, "comm", text, sizeof text);
  return len == strlen(name) + 1 && strncmp(text, name, len - 1) == 0;
}

/* In a namespace below ours. */
static bool is_first_of_a_namespace(pid_t pid) {
  char text[16384], *end;
  long number = 0;
  int count = 0;
  read_file(pid, "status", text, sizeof text);
  const char *at = strstr(text, "\nNSpid:");
  if (at == NULL) return false;
  for (at += strlen("\nNSpid:"); strtol(at, &end, 10), end != at; at = end, count++)
    number = strtol(at, NULL, 10);
  return count >= 2 && number == 1;
}

void dl_proctree_kill_orphans(const char *name, const char *word, unsigned first_uid, unsigned uid_count) {
  table_t t = {0};
  char text[16384];
  read_table(&t);
  for (size_t i = 0; i < t.count; i++) {
    pid_t pid = t.entries[i].pid;
    if (pid == 1 || !is_run_by(pid, first_uid, uid_count) || !is_called(pid, name)) continue;
    if (is_called(t.entries[i].parent, name) || !is_first_of_a_namespace(pid)) continue;
    size_t len = read_file(pid, "cmdline", text, sizeof text);
    bool found = false;
    for (size_t at = 0; at < len && !found; at += strlen(text + at) + 1) found = strcmp(text + at, word) == 0;
    if (found) kill(pid, SIGKILL);
  }
  free(t.entries);
}
