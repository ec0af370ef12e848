/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ending a process with everything it has started, as far as /proc shows.
 */
#ifndef DL_PROCTREE_H
#define DL_PROCTREE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* SIGKILL for all descendants of `root`, and for `root` itself if asked. Processes are stopped
 * first and the search is repeated until it finds nothing new, so that none can escape by
 * forking meanwhile. */
void dl_proctree_kill(pid_t root, bool include_root);

/* The signal (0: none) for every living descendant of `root`; returns how many there are. */
size_t dl_proctree_signal(pid_t root, int number);

/* SIGKILL for processes called `name` that are process 1 of a namespace and were left by who made them (their parent has another
 * name: process 1, or who takes orphans in its place), run by a user from `first_uid` on (`uid_count` of them), with `word` among
 * their arguments. */
void dl_proctree_kill_orphans(const char *name, const char *word, unsigned first_uid, unsigned uid_count);

#endif
