/* SPDX-License-Identifier: Apache-2.0
 *
 * Volumes: directories of the server that several sandboxes can see.
 */
#ifndef DL_VOLUMES_H
#define DL_VOLUMES_H

#include "control/control.h"

typedef enum { DL_VOLUME_MISSING, DL_VOLUME_NOT_READY, DL_VOLUME_OK } dl_volume_found;

/* By id or name; *id is borrowed. */
dl_volume_found dl_volume_find(dl_control *c, const char *id_or_name, const char **id);

/* The mounts of a sandbox's volume list; directories are made as needed. *error when one is gone. */
dl_box_pair *dl_volume_mounts(dl_control *c, const json_t *volumes, size_t *count, char **error);
void dl_volume_mounts_free(dl_box_pair *mounts, size_t count);
/* Note that sandboxes use them now. */
void dl_volume_used(dl_control *c, const json_t *volumes);

#endif
