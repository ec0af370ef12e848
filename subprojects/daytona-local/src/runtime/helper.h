/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program that serves one box's network from outside (slirp4netns, the resolver). It ends when a descriptor that it holds
 * closes, so a server that is killed takes it along. One that is paused needs PR_SET_PDEATHSIG for that.
 */
#ifndef DL_RUNTIME_HELPER_H
#define DL_RUNTIME_HELPER_H

#include "runtime/internal.h"

typedef struct dl_helper dl_helper_t;

typedef struct {
  const char *what;   /* for the log; a static text */
  const char *box_id; /* copied */
  char **argv;        /* argv[0] is the program's path; borrowed for the call */
  const int *fds;     /* become 3, 4, ... in it; taken, the list borrowed for the call */
  size_t fd_count;    /* at most 8 */
  int line_fd;        /* taken. What the helper says is read from it */
  int alive_fd;       /* taken. -1: none */
  /* A message, on the loop. Without bytes: there will be no more. */
  void (*on_said)(void *user, const char *bytes, size_t len);
  void (*on_died)(
    void *user); /* Optional. It has ended by itself; what is left of it is still to be stopped. */
  void *user;
} dl_helper_spec_t;

/* NULL when it cannot be started, which is logged, and when one of `fds` or the line is -1: then nothing was tried. What was
 * taken is closed in any case. */
dl_helper_t *dl_helper_start(dl_runtime_t *rt, const dl_helper_spec_t *spec);
/* One message to it. False when it did not take it. */
bool dl_helper_say(dl_helper_t *helper, const char *text);
/* Stops it, or lets it go on. */
void dl_helper_pause(dl_helper_t *helper, bool is_paused);
/* Ends it; `done` comes on a later turn, and nothing else does. */
void dl_helper_stop(dl_helper_t *helper, void (*done)(void *user), void *user);

/* The network namespace of a box, and the user namespace that it belongs to; -1 with errno, ESRCH when the box has ended. On
 * the loop's thread. */
int dl_netns_open(const dl_box_t *box, int *net_fd, int *user_fd);

#endif
