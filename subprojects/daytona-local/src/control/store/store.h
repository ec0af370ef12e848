/* SPDX-License-Identifier: Apache-2.0
 *
 * State on disk: an append-only journal of objects, one JSON record per change.
 *
 * A change is put (in memory, in order) and then committed: the commit callback comes once
 * everything put before it is on the disk. Writing and syncing happen on a thread of its own, several
 * changes share one sync. Each record carries its length and checksum, so that a kill at any
 * moment leaves a readable prefix: what was committed is there, what was cut off is not.
 */
#ifndef DL_STORE_H
#define DL_STORE_H

#include "base/jsonx.h"

#include <uv.h>

typedef struct dl_store dl_store;
typedef void (*dl_store_cb)(bool is_durable, void *user);

/* Locks `dir` (made with mode 0700 when absent) against a second server. `is_durable` false
 * leaves out the syncs, for a directory that is thrown away anyway. NULL and *error otherwise. */
dl_store *dl_store_open(uv_loop_t *loop, const char *dir, bool is_durable, char **error);

/* The objects of a kind, by id; borrowed, never NULL. */
const json_t *dl_store_all(dl_store *s, const char *kind);

/* `value` is taken; NULL removes the object. */
void dl_store_put(dl_store *s, const char *kind, const char *id, json_t *value);
/* Always on a later turn of the loop. */
void dl_store_commit(dl_store *s, dl_store_cb cb, void *user);

/* Finishes what was put, tells every commit, then `on_closed`; memory and lock go with it. */
void dl_store_close(dl_store *s, void (*on_closed)(void *user), void *user);

/* ---- for tests ---- */

/* One journal line for a record, yours to free. */
char *dl_store_encode(const char *kind, const char *id, const json_t *value);
/* Reads records from the front of `text`; returns how many bytes were whole records. */
size_t dl_store_replay(json_t *all, const char *text, size_t len);

#endif
