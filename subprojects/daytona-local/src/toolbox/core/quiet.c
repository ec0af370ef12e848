/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every process of the box descends from process 1, and so the last one to end is a child of it, by birth or as an orphan: it
 * is enough to look when a child has ended.
 */
#include "toolbox/core/quiet.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define QUIET_MS 5000

struct dl_quiet {
  uv_timer_t timer;
  dl_reaper_t *reaper;
  int control_fd;
  bool is_quiet;
};

/* The entrypoint of the default snapshot, or a program that calls itself so. */
static bool only_sleeps(const char *pid) {
  static const char expected[] = "sleep\0infinity";
  char path[64], line[sizeof expected + 1];
  snprintf(path, sizeof path, "/proc/%.20s/cmdline", pid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t got = fd >= 0 ? read(fd, line, sizeof line) : -1;
  if (fd >= 0) close(fd);
  return got == (ssize_t)sizeof expected && memcmp(line, expected, sizeof expected) == 0;
}

static bool runs_nothing(void) {
  DIR *d = opendir("/proc");
  bool nothing = d != NULL;
  for (struct dirent *e; nothing && (e = readdir(d)) != NULL;) {
    bool is_process = e->d_name[0] >= '0' && e->d_name[0] <= '9';
    if (is_process && strcmp(e->d_name, "1") != 0) nothing = only_sleeps(e->d_name);
  }
  if (d != NULL) closedir(d);
  return nothing;
}

static void say(dl_quiet_t *q, char byte) {
  q->is_quiet = byte == 'Q';
  send(q->control_fd, &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT); /* the end of the server is seen elsewhere */
}

static void on_quiet(uv_timer_t *timer) {
  dl_quiet_t *q = DL_CONTAINER(timer, dl_quiet_t, timer);
  if (!q->is_quiet && runs_nothing()) say(q, 'Q');
}

static void on_change(bool starts, void *user) {
  dl_quiet_t *q = user;
  if (starts && q->is_quiet) say(q, 'P');
  uv_timer_start(&q->timer, on_quiet, QUIET_MS, 0);
}

dl_quiet_t *dl_quiet_new(uv_loop_t *loop, dl_reaper_t *reaper, int control_fd) {
  dl_quiet_t *q = dl_xcalloc(1, sizeof *q);
  q->reaper = reaper;
  q->control_fd = control_fd;
  uv_timer_init(loop, &q->timer);
  uv_timer_start(&q->timer, on_quiet, QUIET_MS, 0);
  uv_unref((uv_handle_t *)&q->timer);
  dl_reaper_watch(reaper, on_change, q);
  return q;
}

static void on_closed(uv_handle_t *handle) { free(DL_CONTAINER(handle, dl_quiet_t, timer)); }

void dl_quiet_close(dl_quiet_t *q) {
  dl_reaper_watch(q->reaper, NULL, NULL);
  uv_close((uv_handle_t *)&q->timer, on_closed);
}
