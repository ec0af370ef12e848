/* SPDX-License-Identifier: Apache-2.0
 *
 * What must be true of a box's directories before it starts; runs on the thread pool.
 */
#ifndef DL_PREPARE_H
#define DL_PREPARE_H

#include "runtime/internal.h"

/* NULL, or the reason why the specification cannot work (yours to free). Looks at nothing on disk. */
char *dl_prepare_check(const dl_box_spec *spec);
/* Make the home, give it to the box's user, open volumes to it. Touches only `home_dir`,
 * `volumes`, `uid` of the box. NULL, or the reason (yours to free). */
char *dl_prepare_dirs(const dl_box *box, bool as_root);

#endif
