/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory, CPU and process limits through control groups, whichever version lets us.
 *
 * The server makes one directory of its own, daytona-local-PID, below the group it runs in, and
 * one child per box. A box's first process is put there before the box is reported to have started,
 * and until then it starts nothing, so no program of a user ever runs outside. Directories of servers that were killed are swept at start:
 * those that no server holds a lock on, for its process may be out of sight, in another PID namespace.
 * Version 1 hierarchies with the controller win over version 2, because a controller can only
 * live in one of them.
 */
#include "runtime/internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define OWN_PREFIX "daytona-local-"
#define CPU_PERIOD_US 100000

static const char *const CONTROLLERS[DL_LIMIT_COUNT] = {"memory", "cpu", "pids"};

static int write_file(const char *dir, const char *name, const char *text) {
  char *path = dl_xprintf("%s/%s", dir, name);
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  int failure = fd < 0 ? errno : 0;
  if (fd >= 0) {
    if (write(fd, text, strlen(text)) < 0) failure = errno;
    close(fd);
  }
  free(path);
  return failure;
}

static bool has_word(const char *words, const char *word, const char *separators) {
  size_t len = strlen(word);
  for (const char *p = words; *p != '\0';) {
    size_t n = strcspn(p, separators);
    if (n == len && memcmp(p, word, n) == 0) return true;
    p += n;
    p += strspn(p, separators);
  }
  return false;
}

/* The path of our group in the hierarchy of `controller` ("" for version 2), or NULL. */
static char *own_group(const char *controller) {
  FILE *f = fopen("/proc/self/cgroup", "re");
  char line[4096], *found = NULL;
  while (f != NULL && found == NULL && fgets(line, sizeof line, f) != NULL) {
    line[strcspn(line, "\n")] = '\0';
    char *names = strchr(line, ':');
    char *path = names != NULL ? strchr(names + 1, ':') : NULL;
    if (path == NULL) continue;
    *path++ = '\0';
    names++;
    bool match = *controller == '\0' ? *names == '\0' : has_word(names, controller, ",");
    if (match) found = dl_xstrdup(path);
  }
  if (f != NULL) fclose(f);
  return found;
}

/* Where the hierarchy is mounted, with our own group's path appended; NULL if it is not. */
static char *group_dir(const char *controller) {
  char *own = own_group(controller);
  if (own == NULL) return NULL;
  FILE *f = fopen("/proc/self/mountinfo", "re");
  char line[4096], *found = NULL;
  while (f != NULL && found == NULL && fgets(line, sizeof line, f) != NULL) {
    char root[1024], point[1024], type[64], options[1024];
    char *tail = strstr(line, " - ");
    if (tail == NULL || sscanf(line, "%*s %*s %*s %1023s %1023s", root, point) != 2) continue;
    if (sscanf(tail, " - %63s %*s %1023s", type, options) != 2) continue;
    bool match = *controller == '\0' ? strcmp(type, "cgroup2") == 0
                                     : strcmp(type, "cgroup") == 0 && has_word(options, controller, ",");
    if (!match) continue;
    const char *below = own;
    size_t root_len = strcmp(root, "/") == 0 ? 0 : strlen(root);
    if (strncmp(own, root, root_len) == 0) below = own + root_len;
    found = dl_xprintf("%s%s", point, strcmp(below, "/") == 0 ? "" : below);
  }
  if (f != NULL) fclose(f);
  free(own);
  return found;
}

/* A number that is no process's: for a server whose own is taken by one of another namespace. */
#define PID_STEP (1 << 22)

/* The lock of a server on its directory, held as long as it lives; -1 with errno: another one has it, or it is no more. */
static int lock_dir(const char *dir) {
  struct stat held, now;
  int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return -1;
  bool ok = flock(fd, LOCK_EX | LOCK_NB) == 0;
  if (ok)
    ok = fstat(fd, &held) == 0 && stat(dir, &now) == 0 && held.st_ino == now.st_ino; /* not swept meanwhile */
  if (ok) return fd;
  int failure = errno;
  close(fd);
  errno = failure;
  return -1;
}

/* Remove what servers that no longer exist have left in `dir`. */
static void sweep(const char *dir) {
  DIR *d = opendir(dir);
  if (d == NULL) return;
  for (struct dirent *e; (e = readdir(d)) != NULL;) {
    int64_t pid;
    if (!dl_starts_with(e->d_name, OWN_PREFIX)) continue;
    if (!dl_parse_int(e->d_name + strlen(OWN_PREFIX), 1, INT32_MAX, &pid)) continue;
    if (kill((pid_t)pid, 0) == 0 || errno != ESRCH) continue;
    char *old = dl_xprintf("%s/%s", dir, e->d_name);
    int lock = lock_dir(old);
    DIR *children = lock >= 0 ? opendir(old) : NULL;
    for (struct dirent *c; children != NULL && (c = readdir(children)) != NULL;) {
      if (c->d_name[0] == '.') continue;
      char *child = dl_xprintf("%s/%s", old, c->d_name);
      rmdir(child); /* fails on plain files, as it should */
      free(child);
    }
    if (children != NULL) closedir(children);
    if (lock >= 0) rmdir(old);
    if (lock >= 0) close(lock);
    free(old);
  }
  closedir(d);
}

static char *make_own(const char *dir, int *lock) {
  sweep(dir);
  for (long number = (long)getpid(), tries = 0; tries < 100; tries++) {
    char *own = dl_xprintf("%s/" OWN_PREFIX "%ld", dir, number);
    bool is_there = mkdir(own, 0755) == 0 || errno == EEXIST;
    *lock = is_there ? lock_dir(own) : -1;
    if (*lock >= 0) return own;
    int failure = errno;
    free(own);
    if (!is_there || (failure != EWOULDBLOCK && failure != ENOENT)) break;
    if (failure == EWOULDBLOCK) number += PID_STEP;
  }
  return NULL;
}

/* Version 2 lets a group hand out controllers only when no process is in it, so the server
 * itself moves into a leaf when it is alone there. */
static bool hand_out_controllers(const char *dir) {
  static const char all[] = "+memory +cpu +pids";
  if (write_file(dir, "cgroup.subtree_control", all) == 0) return true;
  char *leaf = dl_xprintf("%s/daytona-local-server", dir);
  bool done = false;
  if (mkdir(leaf, 0755) == 0 || errno == EEXIST) {
    done = write_file(leaf, "cgroup.procs", "0") == 0 && write_file(dir, "cgroup.subtree_control", all) == 0;
    if (!done) {
      write_file(dir, "cgroup.procs", "0");
      rmdir(leaf);
    }
  }
  free(leaf);
  return done;
}

static bool init_version1(dl_limits_t *l) {
  for (int i = 0; i < DL_LIMIT_COUNT; i++) {
    char *dir = group_dir(CONTROLLERS[i]);
    if (dir != NULL) l->base[i] = make_own(dir, &l->lock[i]);
    if (l->base[i] != NULL) l->version = 1;
    free(dir);
  }
  return l->version == 1;
}

void dl_limits_init(dl_limits_t *l) {
  memset(l, 0, sizeof *l);
  for (int i = 0; i < DL_LIMIT_COUNT; i++) l->lock[i] = -1;
  if (init_version1(l)) return;
  char *dir = group_dir("");
  if (dir != NULL && access(dir, W_OK) == 0 && hand_out_controllers(dir)) {
    char *own = make_own(dir, &l->lock[0]);
    if (own != NULL && write_file(own, "cgroup.subtree_control", "+memory +cpu +pids") == 0) {
      l->version = 2;
      for (int i = 0; i < DL_LIMIT_COUNT; i++) l->base[i] = dl_xstrdup(own);
    } else if (own != NULL) {
      rmdir(own);
      close(l->lock[0]);
      l->lock[0] = -1;
    }
    free(own);
  }
  free(dir);
}

void dl_limits_clear(dl_limits_t *l) {
  for (int i = 0; i < DL_LIMIT_COUNT; i++) {
    if (l->base[i] == NULL) continue; /* before the start all are */
    rmdir(l->base[i]);
    free(l->base[i]);
    if (l->lock[i] >= 0) close(l->lock[i]);
  }
  memset(l, 0, sizeof *l);
  for (int i = 0; i < DL_LIMIT_COUNT; i++) l->lock[i] = -1;
}

void dl_box_limits_init(const dl_limits_t *l, dl_box_limits_t *bl, const char *box_id) {
  memset(bl, 0, sizeof *bl);
  for (int i = 0; i < DL_LIMIT_COUNT; i++) {
    bl->how[i] = "none";
    if (l->base[i] == NULL) continue;
    char *dir = dl_xprintf("%s/%s", l->base[i], box_id);
    if (mkdir(dir, 0755) == 0 || errno == EEXIST)
      bl->dir[i] = dir;
    else
      free(dir);
  }
}

void dl_box_limits_clear(const dl_limits_t *l, dl_box_limits_t *bl) {
  for (int i = 0; i < DL_LIMIT_COUNT; i++) {
    if (bl->dir[i] != NULL && rmdir(bl->dir[i]) != 0 && errno != ENOENT && l->version == 1)
      dl_debug("runtime: cannot remove %s: %s", bl->dir[i], strerror(errno));
    free(bl->dir[i]);
    bl->dir[i] = NULL;
  }
}

static bool set_memory(int version, const char *dir, double gib) {
  char text[32] = "-1";
  if (gib > 0) snprintf(text, sizeof text, "%.0f", gib * 1024 * 1024 * 1024);
  if (version == 2) {
    if (gib <= 0) strcpy(text, "max");
    write_file(dir, "memory.swap.max", gib > 0 ? "0" : "max"); /* absent without swap */
    write_file(dir, "memory.oom.group", "0");
    return write_file(dir, "memory.max", text) == 0;
  }
  /* The sum with swap may never be below the memory limit: raise it first, lower it last. */
  write_file(dir, "memory.memsw.limit_in_bytes", "-1");
  if (write_file(dir, "memory.limit_in_bytes", text) != 0) return false;
  write_file(dir, "memory.memsw.limit_in_bytes", text);
  return true;
}

static bool set_cpu(int version, const char *dir, double cpu) {
  char text[64];
  long quota = (long)(cpu * CPU_PERIOD_US);
  if (version == 2) {
    if (cpu > 0)
      snprintf(text, sizeof text, "%ld %d", quota, CPU_PERIOD_US);
    else
      snprintf(text, sizeof text, "max %d", CPU_PERIOD_US);
    return write_file(dir, "cpu.max", text) == 0;
  }
  snprintf(text, sizeof text, "%ld", cpu > 0 ? quota : -1L);
  return write_file(dir, "cpu.cfs_quota_us", text) == 0;
}

static bool set_pids(const char *dir, unsigned processes) {
  char text[32];
  snprintf(text, sizeof text, "%u", processes);
  return write_file(dir, "pids.max", text) == 0;
}

void dl_box_limits_set(const dl_limits_t *l, dl_box_limits_t *bl, double cpu, double memory_gib,
                       unsigned processes) {
  const char *name = l->version == 2 ? "cgroup2" : "cgroup1";
  char **dir = bl->dir;
  bool memory = dir[DL_LIMIT_MEMORY] != NULL && set_memory(l->version, dir[DL_LIMIT_MEMORY], memory_gib);
  bool cpus = dir[DL_LIMIT_CPU] != NULL && set_cpu(l->version, dir[DL_LIMIT_CPU], cpu);
  bool pids = dir[DL_LIMIT_PIDS] != NULL && set_pids(dir[DL_LIMIT_PIDS], processes);
  bl->how[DL_LIMIT_MEMORY] = memory_gib <= 0 ? "unlimited" : memory ? name : "none";
  bl->how[DL_LIMIT_CPU] = cpu <= 0 ? "unlimited" : cpus ? name : "none";
  bl->how[DL_LIMIT_PIDS] = pids ? name : "none";
}

char *dl_box_limits_join(const dl_limits_t *l, const dl_box_limits_t *bl, pid_t pid) {
  char number[32];
  char *failed = NULL;
  snprintf(number, sizeof number, "%ld", (long)pid);
  for (int i = 0; i < DL_LIMIT_COUNT && failed == NULL; i++) {
    if (bl->dir[i] == NULL || (l->version == 2 && i > 0)) continue;
    int error = write_file(bl->dir[i], "cgroup.procs", number);
    if (error == ESRCH) return NULL; /* its end has a reason, and that is what is reported */
    if (error != 0) failed = dl_xprintf("cannot join %s: %s", bl->dir[i], strerror(error));
  }
  return failed;
}
