/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether programs run in the box, for the server: while there are none, nothing of it uses the network, and what serves that can
 * rest. Says 'P' on the control socket before a program is started, and 'Q' when a while after the last end or start nothing
 * runs but process 1 and `sleep infinity`. It begins as if a program had been started.
 */
#ifndef DL_QUIET_H
#define DL_QUIET_H

#include "toolbox/core/spawn.h"

typedef struct dl_quiet dl_quiet_t;

dl_quiet_t *dl_quiet_new(uv_loop_t *loop, dl_reaper_t *reaper, int control_fd);
/* Before the reaper is closed. Its memory goes with the loop's next turn. */
void dl_quiet_close(dl_quiet_t *q);

#endif
