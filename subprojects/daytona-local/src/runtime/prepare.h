/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must be true of a box's directories before it starts; runs on the thread pool.
 */
#ifndef DL_PREPARE_H
#define DL_PREPARE_H

#include "runtime/internal.h"

/* NULL, or the reason why the specification cannot work (yours to free). Looks at nothing on disk. */
char *dl_prepare_check(const dl_box_spec_t *spec);
/* Make and open the home and the volumes, give the home to the box's user, let it write to the volumes, make the
 * mount points in the home. Touches only `home`, `volumes`, `uid` of the box. NULL, or the reason (yours to free). */
char *dl_prepare_dirs(dl_box_t *box, bool as_root);
/* Closes what that has opened. The numbers of the directories stay true as long as they are open, so not before the
 * box has compared them. */
void dl_prepare_close(dl_box_t *box);

#endif
