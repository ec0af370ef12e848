/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who holds the watches of epoll that others lack (base/watches.h): the box whose programs hold most of them ends, so that the
 * others go on. It is looked for in /proc when somebody has noticed: the server itself, or a toolbox that says so. The
 * processes of a box are those of its PID namespace.
 */
#include "runtime/internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Parts of all that a user can have: who holds so many is looked for no longer, and who holds fewer is left alone. */
#define ENOUGH 8
#define LITTLE 16
#define APART_MS 1000
/* Of looking, while others wait. */
#define LIMIT_MS 4000

typedef struct {
  char *id;
  pid_t first;
  ino_t space;
  uint64_t count;
} holder_t;

typedef struct {
  uv_work_t work;
  dl_runtime_t *rt;
  holder_t *holders;
  size_t count;
  uint64_t all; /* what there is for a user */
} search_t;

static uint64_t most_of_all(void) {
  char text[32] = "";
  int fd = open("/proc/sys/fs/epoll/max_user_watches", O_RDONLY | O_CLOEXEC);
  if (fd < 0 || read(fd, text, sizeof text - 1) < 0) text[0] = '\0';
  if (fd >= 0) close(fd);
  return strtoull(text, NULL, 10);
}

/* A line for each watch, and a few others. */
static uint64_t count_lines(int proc, const char *name) {
  static _Thread_local char block[65536];
  uint64_t count = 0;
  char path[300];
  snprintf(path, sizeof path, "fdinfo/%.255s", name);
  int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
  for (ssize_t got; fd >= 0 && (got = read(fd, block, sizeof block)) > 0;)
    for (const char *at = block; (at = memchr(at, '\n', (size_t)(block + got - at))) != NULL; at++) count++;
  if (fd >= 0) close(fd);
  return count;
}

/* Until there are enough, or it is late. */
static uint64_t count_watches(const char *pid, int64_t end_ms, uint64_t enough) {
  static const char EPOLL[] = "anon_inode:[eventpoll]";
  char path[300], target[sizeof EPOLL + 1];
  uint64_t count = 0;
  snprintf(path, sizeof path, "/proc/%.255s", pid);
  int proc = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
      fds = proc >= 0 ? openat(proc, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
  DIR *dir = fds >= 0 ? fdopendir(fds) : NULL;
  if (dir == NULL && fds >= 0) close(fds);
  for (struct dirent *e;
       dir != NULL && (e = readdir(dir)) != NULL && count < enough && dl_steady_ms() < end_ms;) {
    ssize_t len = readlinkat(dirfd(dir), e->d_name, target, sizeof target);
    if (len == (ssize_t)sizeof EPOLL - 1 && memcmp(target, EPOLL, sizeof EPOLL - 1) == 0)
      count += count_lines(proc, e->d_name);
  }
  if (dir != NULL) closedir(dir);
  if (proc >= 0) close(proc);
  return count;
}

/* 0: it has ended. */
static ino_t space_of(const char *pid) {
  char path[300];
  struct stat st;
  snprintf(path, sizeof path, "/proc/%.255s/ns/pid", pid);
  return stat(path, &st) == 0 ? st.st_ino : 0;
}

static holder_t *holder_of(search_t *s, ino_t space) {
  for (size_t i = 0; i < s->count && space != 0; i++)
    if (s->holders[i].space == space) return &s->holders[i];
  return NULL;
}

static void look(search_t *s) {
  int64_t end_ms = dl_steady_ms() + LIMIT_MS, number;
  bool is_found = false;
  DIR *dir = opendir("/proc");
  for (size_t i = 0; i < s->count; i++) {
    char pid[24];
    snprintf(pid, sizeof pid, "%ld", (long)s->holders[i].first);
    s->holders[i].space = space_of(pid);
  }
  for (struct dirent *e; dir != NULL && !is_found && (e = readdir(dir)) != NULL && dl_steady_ms() < end_ms;) {
    holder_t *h = dl_parse_int(e->d_name, 1, INT32_MAX, &number) ? holder_of(s, space_of(e->d_name)) : NULL;
    if (h != NULL) h->count += count_watches(e->d_name, end_ms, s->all / ENOUGH);
    is_found = h != NULL && h->count >= s->all / ENOUGH;
  }
  if (dir != NULL) closedir(dir);
}

static void end_one(search_t *s) {
  const holder_t *most = NULL;
  for (size_t i = 0; i < s->count; i++)
    if (most == NULL || s->holders[i].count > most->count) most = &s->holders[i];
  if (most == NULL || s->all == 0 || most->count < s->all / LITTLE) return;
  DL_LIST_EACH(&s->rt->boxes, node) {
    dl_box_t *box = DL_CONTAINER(node, dl_box_t, link);
    if (strcmp(box->id, most->id) != 0 || box->has_exited || box->failure != NULL)
      continue; /* it is ending */
    dl_warn("box %s holds %llu watches of epoll, and is ended: others have none left", box->id,
            (unsigned long long)most->count);
    dl_box_fail(box, dl_xstrdup("its programs held all watches of epoll (fs.epoll.max_user_watches)"));
  }
}

static search_t *new_search(dl_runtime_t *rt) {
  if (rt->isolation == DL_ISOLATION_NONE || rt->is_closing || dl_steady_ms() - rt->searched_at_ms < APART_MS)
    return NULL;
  search_t *s = dl_xcalloc(1, sizeof *s);
  s->rt = rt;
  s->all = most_of_all();
  DL_LIST_EACH(&rt->boxes, node) s->count++;
  s->holders = dl_xcalloc(s->count + 1, sizeof *s->holders);
  s->count = 0;
  DL_LIST_EACH(&rt->boxes, node) {
    const dl_box_t *box = DL_CONTAINER(node, dl_box_t, link);
    if (box->inner_pid > 0 && !box->has_exited)
      s->holders[s->count++] = (holder_t){.id = dl_xstrdup(box->id), .first = box->inner_pid};
  }
  return s;
}

static void end_search(search_t *s) {
  dl_runtime_t *rt = s->rt;
  end_one(s);
  rt->searched_at_ms = dl_steady_ms();
  for (size_t i = 0; i < s->count; i++) free(s->holders[i].id);
  free(s->holders);
  free(s);
}

static void look_work(uv_work_t *work) { look(work->data); }

static void on_looked(uv_work_t *work, int status) {
  search_t *s = work->data;
  dl_runtime_t *rt = s->rt;
  (void)status;
  end_search(s);
  rt->is_searching = false;
  dl_runtime_box_gone(rt);
}

void dl_runtime_relieve(dl_runtime_t *rt) {
  search_t *s = rt->is_searching ? NULL : new_search(rt);
  if (s == NULL) return;
  rt->is_searching = true;
  s->work.data = s;
  uv_queue_work(rt->loop, &s->work, look_work, on_looked);
}

/* Another search may be under way on a thread, whose end the loop would have to hear of. */
void dl_runtime_on_lack(void *user) {
  search_t *s = new_search(user);
  if (s == NULL) return;
  look(s);
  end_search(s);
}
