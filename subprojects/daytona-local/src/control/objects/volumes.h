/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Volumes: directories of the server that several sandboxes can see.
 */
#ifndef DL_VOLUMES_H
#define DL_VOLUMES_H

#include "control/objects/objects.h"
#include "runtime/runtime.h"

typedef enum { DL_VOLUME_MISSING, DL_VOLUME_AMBIGUOUS, DL_VOLUME_NOT_READY, DL_VOLUME_OK } dl_volume_found_t;

/* Borrowed; NULL when there is none, or it was deleted. */
json_t *dl_volume_by_id(dl_objects_t *o, const char *id);
json_t *dl_volume_by_name(dl_objects_t *o, const char *name);
/* By id or name, if it is not that of one and the id of another; *id is borrowed. */
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
/* How many there are, and whether this one was deleted: its record is kept for a while, to be listed. */
size_t dl_volume_count(dl_objects_t *o);
bool dl_volume_is_deleted(const json_t *volume);
/* Before any of these, for a call: a removal that is done and could not be written as done is put so again. */
void dl_volumes_settle(dl_objects_t *o);
/* At the start: a volume whose directory is gone shows an error, and one whose removal had begun is removed. */
void dl_volumes_check(dl_objects_t *o);
/* Its creation could not be written, or its removal. */
void dl_volume_undone(dl_objects_t *o, const char *id);
/* It is not mounted, and ready or in error. Shows pending_delete until that is on the disk; then its files go, and it
 * is deleted, and renamed so that its name is free. `cb` comes in between, and says whether it is. */
void dl_volume_remove(dl_objects_t *o, const char *id, dl_store_cb cb, void *user);
/* Note that sandboxes use them now. */
void dl_volume_used(dl_objects_t *o, const json_t *volumes);

#endif
