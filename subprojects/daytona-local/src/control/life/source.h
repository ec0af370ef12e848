/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a new sandbox is made from.
 */
#ifndef DL_SOURCE_H
#define DL_SOURCE_H

#include "control/life/life.h"

/* All that it has from a snapshot that is active. NULL, or why it cannot be (yours to free). */
char *dl_life_take_snapshot(dl_life_t *l, dl_sandbox_t *sb, const json_t *snapshot);

#endif
