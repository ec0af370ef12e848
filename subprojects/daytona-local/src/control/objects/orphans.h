/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Homes, archives, volumes and files of snapshots that no object owns: a damaged journal leaves them, or a state directory that was put together
 * by hand. They are never removed by themselves.
 */
#ifndef DL_ORPHANS_H
#define DL_ORPHANS_H

#include "control/objects/objects.h"

/* [{kind: "sandbox", "volume" or "snapshot", id, paths: [...]}] */
json_t *dl_orphans_list(const dl_objects_t *o);
/* At the start: one line in the log for each, but what is empty (a create that was cut off) is removed. */
void dl_orphans_report(const dl_objects_t *o);

typedef enum {
  DL_ORPHAN_NONE,
  DL_ORPHAN_HOME,
  DL_ORPHAN_ARCHIVE,
  DL_ORPHAN_VOLUME,
  DL_ORPHAN_SNAPSHOT
} dl_orphan_kind_t;
/* What there is of that id; a home wins over an archive, which is older. NONE too where an object owns it. */
dl_orphan_kind_t dl_orphan_find(const dl_objects_t *o, const char *id);
/* Removes all there is of it. */
void dl_orphan_discard(dl_objects_t *o, const char *id);

#endif
