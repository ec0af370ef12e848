/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Snapshots as data. One lives in the store as the object that is shown, with some fields more that are not: `image`, the id
 * of its image; `asksEntrypoint`, whether its entrypoint is the one that was asked for; `hasFiles`, whether it is a snapshot of a
 * sandbox, whose files are in a tar file; and `secretHosts`, what that sandbox may reach because of its secrets. Its state is changed in src/control/life only.
 *
 * Those that are there from the start have no image: they stand for the machine's own system.
 */
#ifndef DL_SNAPSHOTS_H
#define DL_SNAPSHOTS_H

#include "control/objects/objects.h"

#define DL_DEFAULT_SNAPSHOT "daytona-local/default:1.0"
/* The same of the class that can be forked and paused. */
#define DL_VM_SNAPSHOT "daytona-local/vm:1.0"

typedef enum {
  DL_SNAPSHOT_PENDING,
  DL_SNAPSHOT_PULLING,
  DL_SNAPSHOT_BUILDING,
  DL_SNAPSHOT_ACTIVE,
  DL_SNAPSHOT_INACTIVE,
  DL_SNAPSHOT_ERROR,
  DL_SNAPSHOT_BUILD_FAILED,
  DL_SNAPSHOT_REMOVING,
  DL_SNAPSHOT_SNAPSHOTTING, /* the files of a sandbox are copied */
  DL_SNAPSHOT_STATE_COUNT
} dl_snapshot_state_t;

/* Makes sure the snapshots that are always there are; their ids survive restarts. Records that make no sense are put aside: they
 * stay in the journal, as another kind. */
void dl_snapshots_init(dl_objects_t *o);
/* By id; borrowed, never NULL. */
const json_t *dl_snapshots_all(dl_objects_t *o);
/* Those that are not general. */
size_t dl_snapshots_count(dl_objects_t *o);
/* By id or name, an own one before a general one; NULL or blank text: the default one. Borrowed, NULL when there is none. */
json_t *dl_snapshot_find(dl_objects_t *o, const char *id_or_name);
/* The same to make a sandbox from: one that is active is preferred. */
json_t *dl_snapshot_find_usable(dl_objects_t *o, const char *id_or_name);
/* Of the organization's own. */
bool dl_snapshot_name_is_taken(dl_objects_t *o, const char *name);

typedef struct {
  const char *name;         /* Required. */
  const char *image_name;   /* Or `build`. */
  json_t *build;            /* See dl_build_info. Borrowed. */
  const json_t *entrypoint; /* NULL: that of the image. Borrowed. */
  const char *class_name;   /* NULL: container */
  double cpu, memory, disk;
} dl_snapshot_spec_t;
/* The record of a new one, pending. Yours to release; it is not in the store yet. */
json_t *dl_snapshot_new(dl_objects_t *o, const dl_snapshot_spec_t *spec);

/* The record of one of a sandbox, whose files are to be copied. */
json_t *dl_snapshot_new_of_sandbox(dl_objects_t *o, const dl_sandbox_t *sb, const char *name);
bool dl_snapshot_has_files(const json_t *snapshot);
/* Where its files are, yours to free; and below the state directory. */
char *dl_snapshot_files(const dl_objects_t *o, const char *id);
char *dl_snapshot_files_name(const char *id);

dl_snapshot_state_t dl_snapshot_state(const json_t *snapshot);
const char *dl_snapshot_state_name(dl_snapshot_state_t state);
bool dl_snapshot_is_general(const json_t *snapshot);
/* What it is made from; NULL when it is not a build. */
const json_t *dl_snapshot_build(const json_t *snapshot);
/* How long ago its record was changed, and how long nobody has used it, in ms. Its times are the machine's, whose clock
 * may have jumped: these may be too short then, never too long. */
int64_t dl_snapshot_age(const dl_objects_t *o, const json_t *snapshot);
int64_t dl_snapshot_idle(const dl_objects_t *o, const json_t *snapshot);
/* As clients see it. Yours to release. */
json_t *dl_snapshot_shown(const json_t *snapshot);

void dl_snapshot_used(dl_objects_t *o, json_t *snapshot);

/* A snapshot other than `except` or a sandbox needs the image of that id. */
bool dl_image_is_needed(dl_objects_t *o, const char *image, const char *except);
/* Images that nothing needed when they were noted; they are removed when nothing else happens, over restarts too. The
 * first of them is yours to free, NULL when there is none. */
void dl_image_note_unneeded(dl_objects_t *o, const char *image);
char *dl_image_first_unneeded(dl_objects_t *o);
void dl_image_forget_unneeded(dl_objects_t *o, const char *image);
/* A snapshot or a sandbox was made from that build. */
bool dl_build_is_known(dl_objects_t *o, const char *ref);

#endif
