/* SPDX-License-Identifier: Apache-2.0 */
/*
 * State on disk: an append-only journal of objects, one JSON record per change.
 *
 * A change is put (in memory, in order) and then committed: the commit callback comes once
 * everything put before it is on the disk. Writing and syncing happen on a thread of its own, several
 * changes share one sync. A kill at any moment leaves what was committed, and perhaps the
 * beginning of a record, which is dropped. Whatever else cannot be read is damage: the file is kept
 * aside as journal.damaged-DATE, and every record that can be read counts (see journal.h).
 */
#ifndef DL_STORE_H
#define DL_STORE_H

#include "base/jsonx.h"

#include <uv.h>

typedef struct dl_store dl_store_t;

typedef enum {
  DL_WRITTEN,     /* it is on the disk */
  DL_NOT_WRITTEN, /* it is not, and was taken back in memory */
  DL_PERHAPS_WRITTEN /* the same, but the disk has not confirmed it: a server that is started at once may find the change */
} dl_written_t;
typedef void (*dl_store_cb)(dl_written_t outcome, void *user);

/* An object is again what it was before a put, or is no more: see dl_store_all. */
typedef void (*dl_store_undone_cb)(const char *kind, const char *id, void *user);

/* Locks `dir` (made with mode 0700 when absent) against a second server. `is_durable` false
 * leaves out the syncs, for a directory that is thrown away anyway. NULL and *error otherwise. */
dl_store_t *dl_store_open(uv_loop_t *loop, const char *dir, bool is_durable, char **error);

/* The objects of a kind, by id; borrowed, never NULL. */
const json_t *dl_store_all(dl_store_t *s, const char *kind);

/* What could not be read when the store was opened: {file, records, bytes, unnamed, lost: [{kind, id, isKnown}]}. Borrowed;
 * NULL: nothing. */
const json_t *dl_store_damage(const dl_store_t *s);

/* `value` is taken; NULL removes the object. */
void dl_store_put(dl_store_t *s, const char *kind, const char *id, json_t *value);
/* The same for an object that is to be removed. It and removals are also written when the disk is full: the file `reserve`
 * keeps some room for them. */
void dl_store_put_ending(dl_store_t *s, const char *kind, const char *id, json_t *value);
/* What objects were before is not to stay in the file: with the next batch that is written it is made anew, as soon as there
 * is room for that. Copies of a damaged journal are left alone. */
void dl_store_forget_history(dl_store_t *s);
/* Always on a later turn of the loop, with what became of all that was put before the commit; what is put in the same turn
 * is written or not written together. When it cannot be written, every put since the last commit that was is taken back: first
 * the watcher is called for each object, then the commits. */
void dl_store_commit(dl_store_t *s, dl_store_cb cb, void *user);
void dl_store_watch(dl_store_t *s, dl_store_undone_cb on_undone, void *user);
/* Called for every put, and for every step back when puts are taken back: `before` and `after` are borrowed for the call,
 * NULL for an object that is not there. From inside the put: nothing may be put from there. */
typedef void (*dl_store_change_cb)(const char *kind, const json_t *before, const json_t *after, void *user);
void dl_store_on_change(dl_store_t *s, dl_store_change_cb on_change, void *user);
/* The last commit could not be written. */
bool dl_store_is_failing(const dl_store_t *s);

/* Finishes what was put, reports every commit, then `on_closed`; memory and lock go with it. */
void dl_store_close(dl_store_t *s, void (*on_closed)(void *user), void *user);

/* For tests: how much may wait for the disk. */
void dl_store_set_waiting_max(dl_store_t *s, size_t max);

#endif
