/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Volumes: directories of the server that several sandboxes can see.
 */
#ifndef DL_VOLUMES_H
#define DL_VOLUMES_H

#include "control/objects/objects.h"
#include "runtime/runtime.h"

typedef enum { DL_VOLUME_MISSING, DL_VOLUME_NOT_READY, DL_VOLUME_OK } dl_volume_found_t;

/* Borrowed; NULL when there is none. */
json_t *dl_volume_by_id(dl_objects_t *o, const char *id);
json_t *dl_volume_by_name(dl_objects_t *o, const char *name);
/* By id or name; *id is borrowed. */
dl_volume_found_t dl_volume_find(dl_objects_t *o, const char *id_or_name, const char **id);

/* The mounts of a sandbox's volume list. *error when one is gone. */
dl_box_volume_t *dl_volume_mounts(dl_objects_t *o, const json_t *volumes, size_t *count, char **error);
void dl_volume_mounts_free(dl_box_volume_t *mounts, size_t count);
/* A sandbox that is not destroyed has it. */
bool dl_volume_is_mounted(dl_objects_t *o, const char *id);
/* A new one, yours to release, and on its way to disk. "" is named after its id; the name is free. NULL and errno
 * when its directory cannot be made. */
json_t *dl_volume_create(dl_objects_t *o, const char *name);
/* The same for a directory that is there and has no volume. */
json_t *dl_volume_adopt(dl_objects_t *o, const char *id);
/* At the start: a volume whose directory is gone shows an error. */
void dl_volumes_check(dl_objects_t *o);
/* Its creation could not be written, or its removal. */
void dl_volume_undone(dl_objects_t *o, const char *id);
/* It, and its files once that is on disk. It is not mounted. */
void dl_volume_remove(dl_objects_t *o, const char *id);
/* Note that sandboxes use them now. */
void dl_volume_used(dl_objects_t *o, const json_t *volumes);

#endif
