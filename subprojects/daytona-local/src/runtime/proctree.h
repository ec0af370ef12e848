/* SPDX-License-Identifier: Apache-2.0
 *
 * Ending a process with everything it has started, as far as /proc can tell.
 */
#ifndef DL_PROCTREE_H
#define DL_PROCTREE_H

#include <stdbool.h>
#include <sys/types.h>

/* SIGKILL for all descendants of `root`, and for `root` itself if asked. Processes are stopped
 * first and the search is repeated until it finds nothing new, so that none can escape by
 * forking meanwhile. */
void dl_proctree_kill(pid_t root, bool include_root);

#endif
