/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What boxes use: from their control groups where there are some, else from /proc, where every process of a box descends from
 * its first one. Reading is done on a thread: with many processes it takes a while.
 */
#include "runtime/internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEPTH_MAX 4096

/* A box as the thread knows it. */
typedef struct {
  pid_t first;  /* its process 1 */
  char *memory; /* its group; NULL: none that counts */
  char *cpu;    /* the same */
  int version;  /* of both */
} target_t;

typedef struct {
  uv_work_t work;
  target_t *targets;
  dl_usage_t *usages;
  size_t count;
  dl_usage_cb cb;
  void *user;
} measure_t;

typedef struct {
  pid_t pid, parent;
  uint64_t ticks, pages;
} process_t;

/* --- control groups --- */

static bool read_text(const char *dir, const char *name, char *text, size_t size) {
  char path[4096];
  snprintf(path, sizeof path, "%s/%s", dir, name);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t got = fd >= 0 ? read(fd, text, size - 1) : -1;
  if (fd >= 0) close(fd);
  text[got > 0 ? got : 0] = '\0';
  return got > 0;
}

/* The number behind a name at the beginning of a line; 0: not there. */
static uint64_t number_of(const char *text, const char *name) {
  size_t len = strlen(name);
  for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
    line += *line == '\n';
    if (strncmp(line, name, len) == 0 && line[len] == ' ') return strtoull(line + len + 1, NULL, 10);
  }
  return 0;
}

static bool read_memory(const target_t *t, dl_usage_t *u) {
  char text[8192];
  bool is_v2 = t->version == 2;
  if (t->memory == NULL ||
      !read_text(t->memory, is_v2 ? "memory.current" : "memory.usage_in_bytes", text, 64))
    return false;
  uint64_t all = strtoull(text, NULL, 10);
  if (!read_text(t->memory, "memory.stat", text, sizeof text)) return false;
  u->cache_bytes = number_of(text, is_v2 ? "file" : "cache");
  u->memory_bytes = all > u->cache_bytes ? all - u->cache_bytes : 0;
  return true;
}

/* The group of version 1 that limits does not count. */
static bool read_cpu(const target_t *t, dl_usage_t *u) {
  char text[2048];
  if (t->cpu == NULL || t->version != 2 || !read_text(t->cpu, "cpu.stat", text, sizeof text)) return false;
  u->cpu_us = number_of(text, "usage_usec");
  return true;
}

/* --- processes --- */

/* Of itself and of all that it has waited for. */
static bool read_process(pid_t pid, process_t *out) {
  char path[64], text[1024], state;
  long parent;
  unsigned long long user, system, pages;
  long long waited_user, waited_system;
  snprintf(path, sizeof path, "/proc/%ld", (long)pid);
  if (!read_text(path, "stat", text, sizeof text)) return false;
  char *end = strrchr(text, ')'); /* the name before it may hold anything */
  if (end == NULL ||
      sscanf(end + 1,
             " %c %ld %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu %llu %lld %lld %*s %*s %*s %*s %*s %*s %llu",
             &state, &parent, &user, &system, &waited_user, &waited_system, &pages) != 7)
    return false;
  *out =
    (process_t){pid, (pid_t)parent, user + system + (uint64_t)waited_user + (uint64_t)waited_system, pages};
  return true;
}

static int by_pid(const void *a, const void *b) {
  pid_t x = ((const process_t *)a)->pid, y = ((const process_t *)b)->pid;
  return (x > y) - (x < y);
}

static process_t *read_processes(size_t *count) {
  DIR *d = opendir("/proc");
  process_t *all = NULL;
  size_t cap = 0;
  *count = 0;
  for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
    int64_t pid;
    if (!dl_parse_int(e->d_name, 1, INT32_MAX, &pid)) continue;
    if (*count == cap) {
      cap = cap > 0 ? cap * 2 : 256;
      all = dl_xrealloc(all, cap * sizeof *all);
    }
    if (read_process((pid_t)pid, &all[*count])) (*count)++;
  }
  if (d != NULL) closedir(d);
  if (*count > 0) qsort(all, *count, sizeof *all, by_pid);
  return all;
}

static const process_t *find(const process_t *all, size_t count, pid_t pid) {
  const process_t key = {.pid = pid};
  return count > 0 ? bsearch(&key, all, count, sizeof *all, by_pid) : NULL;
}

static int by_first(const void *a, const void *b) {
  pid_t x = (*(target_t *const *)a)->first, y = (*(target_t *const *)b)->first;
  return (x > y) - (x < y);
}

/* The target whose tree the process is in, or NULL. `sorted` is by first process. */
static const target_t *target_of(const process_t *all, size_t count, const process_t *p,
                                 target_t *const *sorted, size_t target_count) {
  for (int depth = 0; p != NULL && p->pid > 1 && depth < DEPTH_MAX; depth++) {
    target_t key = {.first = p->pid}, *wanted = &key;
    target_t *const *found = bsearch(&wanted, sorted, target_count, sizeof *sorted, by_first);
    if (found != NULL) return *found;
    p = find(all, count, p->parent);
  }
  return NULL;
}

/* Sums over the processes of every target. */
static void read_all(measure_t *m, dl_usage_t *sums) {
  size_t count;
  process_t *all = read_processes(&count);
  target_t **sorted = dl_xcalloc(m->count + 1, sizeof *sorted);
  uint64_t tick_us = 1000000 / (uint64_t)sysconf(_SC_CLK_TCK), page = (uint64_t)sysconf(_SC_PAGESIZE);
  for (size_t i = 0; i < m->count; i++) sorted[i] = &m->targets[i];
  qsort(sorted, m->count, sizeof *sorted, by_first);
  for (size_t i = 0; i < count; i++) {
    const target_t *t = target_of(all, count, &all[i], sorted, m->count);
    if (t == NULL) continue;
    sums[t - m->targets].cpu_us += all[i].ticks * tick_us;
    sums[t - m->targets].memory_bytes += all[i].pages * page;
  }
  free(sorted);
  free(all);
}

static void measure_work(uv_work_t *work) {
  measure_t *m = work->data;
  bool needs_processes = false;
  dl_usage_t *sums = dl_xcalloc(m->count + 1, sizeof *sums);
  for (size_t i = 0; i < m->count; i++) {
    dl_usage_t *u = &m->usages[i];
    u->has_memory = read_memory(&m->targets[i], u);
    u->has_cpu = read_cpu(&m->targets[i], u);
    needs_processes = needs_processes || !u->has_memory || !u->has_cpu;
  }
  if (needs_processes) read_all(m, sums);
  for (size_t i = 0; i < m->count; i++) {
    if (!m->usages[i].has_memory) m->usages[i].memory_bytes = sums[i].memory_bytes;
    if (!m->usages[i].has_cpu) m->usages[i].cpu_us = sums[i].cpu_us;
  }
  free(sums);
}

static void on_measured(uv_work_t *work, int status) {
  measure_t *m = work->data;
  (void)status;
  m->cb(m->usages, m->count, m->user);
  for (size_t i = 0; i < m->count; i++) {
    free(m->targets[i].memory);
    free(m->targets[i].cpu);
  }
  free(m->targets);
  free(m->usages);
  free(m);
}

/* --- asking --- */

static void take_target(target_t *t, const dl_box_t *box) {
  *t = (target_t){.first = box->inner_pid, .version = box->rt->limits.version};
  dl_set(&t->memory, box->limits.dir[DL_LIMIT_MEMORY]);
  dl_set(&t->cpu, box->limits.dir[DL_LIMIT_CPU]);
}

void dl_runtime_measure(dl_runtime_t *rt, dl_box_t *const *boxes, size_t count, dl_usage_cb cb, void *user) {
  measure_t *m = dl_xcalloc(1, sizeof *m);
  *m = (measure_t){.count = count, .cb = cb, .user = user};
  m->targets = dl_xcalloc(count + 1, sizeof *m->targets);
  m->usages = dl_xcalloc(count + 1, sizeof *m->usages);
  for (size_t i = 0; i < count; i++) take_target(&m->targets[i], boxes[i]);
  m->work.data = m;
  uv_queue_work(rt->loop, &m->work, measure_work, on_measured);
}

int64_t dl_box_up_ms(const dl_box_t *box) { return box->up_at_ms; }
