/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Snapshots: the default one, listing and lookup.
 */
#ifndef DL_SNAPSHOTS_H
#define DL_SNAPSHOTS_H

#include "control/objects/objects.h"

#define DL_DEFAULT_SNAPSHOT "daytona-local/default:1.0"

/* Makes sure the default snapshot is there; its id survives restarts. */
void dl_snapshots_init(dl_objects_t *o);
/* By id; borrowed, never NULL. */
const json_t *dl_snapshots_all(dl_objects_t *o);
/* By id or name; NULL or blank text: the default one. Borrowed, NULL when there is none. */
json_t *dl_snapshot_find(dl_objects_t *o, const char *id_or_name);
void dl_snapshot_used(dl_objects_t *o, json_t *snapshot);

#endif
