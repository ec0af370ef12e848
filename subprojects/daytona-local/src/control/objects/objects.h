/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All that the server keeps: sandboxes, snapshots and volumes, the journal they are written to,
 * their files in the state directory, and the clock that stamps them. Sandboxes are in memory and
 * written as they change; snapshots and volumes are read where the journal has them.
 */
#ifndef DL_OBJECTS_H
#define DL_OBJECTS_H

#include "base/clock.h"
#include "base/list.h"
#include "base/map.h"
#include "control/objects/sandbox.h"
#include "control/store/jobs.h"
#include "control/store/store.h"

#include <uv.h>

typedef struct dl_objects {
  uv_loop_t *loop;
  dl_store_t *store;
  dl_clock_t clock;
  char *state_dir, *organization_id, *region;
  dl_map_t sandboxes; /* id -> dl_sandbox_t */
  dl_map_t names;     /* name -> dl_sandbox_t, living ones only */
  dl_list_t sandbox_list;
  dl_map_t preview_tokens;     /* signed token -> dl_sandbox_t */
  dl_jobs_t *jobs;             /* work on files */
  uint32_t link_address_count; /* given to sandboxes, see links.h */
} dl_objects_t;

typedef struct {
  const char *state_dir; /* Required. */
  bool is_durable;
  const char *organization_id; /* NULL: what is on disk, or a new one */
  const char *region;          /* Required. */
  double clock_speed;
} dl_objects_opts_t;

/* Opens the state directory and reads every object. -1 and *error when it cannot; dl_objects_close is due
 * either way. */
int dl_objects_open(dl_objects_t *o, uv_loop_t *loop, const dl_objects_opts_t *opts, char **error);
/* Writes what is unwritten, then frees everything and reports. The jobs are closed: see dl_life_close. */
void dl_objects_close(dl_objects_t *o, void (*on_closed)(void *user), void *user);

static inline int64_t dl_objects_now(const dl_objects_t *o) { return dl_clock_now(&o->clock); }

/* The same as the machine's clock has it: for what is shown, and for what is kept as text. */
static inline int64_t dl_objects_stamp(const dl_objects_t *o) {
  return dl_clock_shown(&o->clock, dl_clock_now(&o->clock));
}

/* A new sandbox takes its place among the others. Its name is free. */
void dl_objects_add(dl_objects_t *o, dl_sandbox_t *sb);
/* NULL for unknown ones, and for those that are as good as destroyed. */
dl_sandbox_t *dl_objects_find(const dl_objects_t *o, const char *id_or_name, bool by_name);
/* Also one that is destroyed and still shown: see dl_sandbox_is_memory. */
dl_sandbox_t *dl_objects_find_shown(const dl_objects_t *o, const char *id_or_name);
/* Its name is free again, and its signed preview tokens lead nowhere. */
void dl_objects_forget_name(dl_objects_t *o, dl_sandbox_t *sb);
/* Back to before that. */
void dl_objects_regain_name(dl_objects_t *o, dl_sandbox_t *sb);
/* It has another name, which is free. */
void dl_objects_rename(dl_objects_t *o, dl_sandbox_t *sb, const char *name);
/* Its settings are what a record of it says. */
void dl_objects_take_settings(dl_objects_t *o, dl_sandbox_t *sb, const json_t *record);
/* It is destroyed: nothing leads to it any more. The caller still has to free it. */
void dl_objects_remove(dl_objects_t *o, dl_sandbox_t *sb);

/* Where its files live; yours to free. On an image the home is the folder of its writable layer. */
char *dl_objects_dir(const dl_objects_t *o, const dl_sandbox_t *sb);
char *dl_objects_home(const dl_objects_t *o, const dl_sandbox_t *sb);
char *dl_objects_archive(const dl_objects_t *o, const dl_sandbox_t *sb);

/* The directories in `dir` have nothing to do with each other: ext4 places them apart (chattr +T), other file systems as
 * always. Together they would be where sandboxes were deleted a moment ago, whose inodes ext4 passes over one by one. */
void dl_objects_spread(const char *dir);

#endif
