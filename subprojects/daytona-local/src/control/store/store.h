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
typedef void (*dl_store_cb)(bool is_durable, void *user);

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
/* Always on a later turn of the loop. */
void dl_store_commit(dl_store_t *s, dl_store_cb cb, void *user);

/* Finishes what was put, tells every commit, then `on_closed`; memory and lock go with it. */
void dl_store_close(dl_store_t *s, void (*on_closed)(void *user), void *user);

#endif
