/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program's own epoll_ctl goes before that of the C library, for libraries that it is linked with as well.
 */
#include "base/watches.h"

#include <errno.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#define STEP_US 10000
#define STEPS_MAX 6000 /* the end of who has them all takes seconds of the kernel */

static void (*on_lack)(void *user);
static void *lack_user;

void dl_watches_on_lack(void (*cb)(void *user), void *user) {
  on_lack = cb;
  lack_user = user;
}

static int ask(int epoll_fd, int op, int fd, struct epoll_event *event) {
  return (int)syscall(SYS_epoll_ctl, epoll_fd, op, fd, event);
}

int epoll_ctl(int epoll_fd, int op, int fd, struct epoll_event *event) {
  int rc = ask(epoll_fd, op, fd, event);
  for (int i = 0; i < STEPS_MAX && rc != 0 && errno == ENOSPC && op == EPOLL_CTL_ADD; i++) {
    if (on_lack != NULL) on_lack(lack_user);
    usleep(STEP_US);
    rc = ask(epoll_fd, op, fd, event);
  }
  return rc;
}
