/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The objects of the store: records in the journal, by key, and a file each with a name of our own. A file is never
 * changed once a record names it; replacing an object is a new file and a new record.
 */
#ifndef DL_BLOBS_H
#define DL_BLOBS_H

#include "base/lane.h"
#include "control/objects/objects.h"

#include <stdatomic.h>

#define DL_BLOBS_MAX 10000u /* objects; it bounds the journal, and a list */
#define DL_BLOB_NAME_LEN 24u

typedef struct {
  dl_objects_t *objects;
  dl_lane_t *lane;
  int data_fd, parts_fd; /* the folders of objects and of what is not finished */
  bool is_durable;
  atomic_bool is_stopping; /* long works give up */
  atomic_llong used_bytes; /* of all files in them */
  size_t work_count;       /* works on the lane */
  void (*on_idle)(void *user);
  void *idle_user;
  const char **keys; /* sorted, borrowed from the journal; rebuilt when `is_sorted` is false */
  size_t key_count;
  bool is_sorted;
} dl_blobs_t;

/* Opens the folders, removes what no record names, forgets records without a file. -1 and *error when it cannot. */
int dl_blobs_open(dl_blobs_t *b, dl_objects_t *objects, uv_loop_t *loop, bool is_durable, char **error);
/* Waits for its works, then frees. */
void dl_blobs_close(dl_blobs_t *b, void (*on_closed)(void *user), void *user);

/* A work on the lane that counts; dl_blobs_worked in its `done`. */
void dl_blobs_work(dl_blobs_t *b, dl_work_t *work);
void dl_blobs_worked(dl_blobs_t *b);

/* {file, size, etag, modified, headers, sum: {header, value}}. Borrowed; NULL: there is none. */
const json_t *dl_blob_find(const dl_blobs_t *b, const char *key);
size_t dl_blobs_count(const dl_blobs_t *b);
/* The keys in order of their bytes, until the next change. */
const char *const *dl_blobs_keys(dl_blobs_t *b, size_t *count);
/* -1 and errno. */
int dl_blob_open(const dl_blobs_t *b, const json_t *record);

/* Makes `record` (taken) the object of that key; its file is in data_fd. The callback comes when it is on the disk,
 * or was taken back: then its file is gone. */
void dl_blob_put(dl_blobs_t *b, const char *key, json_t *record, dl_store_cb cb, void *user);
/* Removes the object of that key, which there is. */
void dl_blob_remove(dl_blobs_t *b, const char *key, dl_store_cb cb, void *user);

/* Removes a file of that many bytes when there is time. */
void dl_blobs_discard(dl_blobs_t *b, int dir_fd, const char *file, int64_t size);

/* A fresh name for a file. */
void dl_blob_name(char out[DL_BLOB_NAME_LEN + 1]);

#endif
