/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects on the disk. Order: the file is complete and synced in `data`, then the record is committed, then the file
 * that it replaces is removed. So at any moment a record's file is there; a file that no record names was not
 * finished or is no longer wanted. Only where the journal was damaged it may be wanted: then
 * it goes to `lost`, where nothing is ever removed.
 */
#include "s3/blobs.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KIND "object"
#define THREADS 4

void dl_blob_name(char out[DL_BLOB_NAME_LEN + 1]) {
  char *name = dl_random_token(DL_BLOB_NAME_LEN, DL_ALPHABET_LOWER);
  memcpy(out, name, DL_BLOB_NAME_LEN + 1);
  free(name);
}

const json_t *dl_blob_find(const dl_blobs_t *b, const char *key) {
  return json_object_get(dl_store_all(b->objects->store, KIND), key);
}

size_t dl_blobs_count(const dl_blobs_t *b) { return json_object_size(dl_store_all(b->objects->store, KIND)); }

int dl_blob_open(const dl_blobs_t *b, const json_t *record) {
  return openat(b->data_fd, dl_json_str(record, "file"), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
}

/* --- in order --- */

static int by_bytes(const void *a, const void *b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

const char *const *dl_blobs_keys(dl_blobs_t *b, size_t *count) {
  if (!b->is_sorted) {
    json_t *all = (json_t *)dl_store_all(b->objects->store, KIND), *record;
    const char *key;
    b->keys = dl_xrealloc(b->keys, (json_object_size(all) + 1) * sizeof *b->keys);
    b->key_count = 0;
    json_object_foreach (all, key, record) b->keys[b->key_count++] = key;
    qsort(b->keys, b->key_count, sizeof *b->keys, by_bytes);
    b->is_sorted = true;
  }
  *count = b->key_count;
  return b->keys;
}

/* --- works --- */

void dl_blobs_work(dl_blobs_t *b, dl_work_t *work) {
  b->work_count++;
  dl_lane_add(b->lane, work);
}

void dl_blobs_worked(dl_blobs_t *b) {
  assert(b->work_count > 0);
  if (--b->work_count == 0 && b->on_idle) b->on_idle(b->idle_user);
}

typedef struct {
  dl_work_t work;
  dl_blobs_t *blobs;
  int dir_fd;
  int64_t size;
  char file[];
} discard_t;

static void run_discard(dl_work_t *work) {
  discard_t *d = DL_CONTAINER(work, discard_t, work);
  if (unlinkat(d->dir_fd, d->file, 0) != 0 && errno != ENOENT)
    dl_warn("cannot remove the object file %s: %s", d->file, strerror(errno));
  atomic_fetch_sub(&d->blobs->used_bytes, d->size);
}

static void discard_done(dl_work_t *work) {
  discard_t *d = DL_CONTAINER(work, discard_t, work);
  dl_blobs_t *b = d->blobs;
  free(d);
  dl_blobs_worked(b);
}

void dl_blobs_discard(dl_blobs_t *b, int dir_fd, const char *file, int64_t size) {
  size_t len = strlen(file) + 1;
  discard_t *d = dl_xcalloc(1, sizeof *d + len);
  *d = (discard_t){{.run = run_discard, .done = discard_done}, b, dir_fd, size};
  memcpy(d->file, file, len);
  dl_blobs_work(b, &d->work);
}

/* --- changes --- */

typedef struct {
  dl_blobs_t *blobs;
  json_t *before, *after; /* records; NULL: none */
  dl_store_cb cb;
  void *user;
} change_t;

static void discard_record(dl_blobs_t *b, const json_t *record) {
  if (record) dl_blobs_discard(b, b->data_fd, dl_json_str(record, "file"), dl_json_int(record, "size", 0));
}

static void on_committed(dl_written_t outcome, void *user) {
  change_t *c = user;
  dl_blobs_t *b = c->blobs;
  b->is_sorted = false;
  /* What perhaps was written may name either file after a restart. */
  if (outcome == DL_WRITTEN)
    discard_record(b, c->before);
  else if (outcome == DL_NOT_WRITTEN)
    discard_record(b, c->after);
  c->cb(outcome, c->user);
  json_decref(c->before);
  json_decref(c->after);
  free(c);
  dl_blobs_worked(b);
}

static void change(dl_blobs_t *b, const char *key, json_t *record, dl_store_cb cb, void *user) {
  change_t *c = dl_xcalloc(1, sizeof *c);
  *c = (change_t){b, json_incref((json_t *)dl_blob_find(b, key)), json_incref(record), cb, user};
  b->is_sorted = false;
  b->work_count++;
  dl_store_put(b->objects->store, KIND, key, record);
  dl_store_commit(b->objects->store, on_committed, c);
}

void dl_blob_put(dl_blobs_t *b, const char *key, json_t *record, dl_store_cb cb, void *user) {
  assert(dl_json_str(record, "file"));
  change(b, key, record, cb, user);
}

void dl_blob_remove(dl_blobs_t *b, const char *key, dl_store_cb cb, void *user) {
  assert(dl_blob_find(b, key));
  change(b, key, NULL, cb, user);
}

/* --- the start --- */

static int open_folder(int parent, const char *name, char **error) {
  bool is_there = mkdirat(parent, name, 0700) == 0 || errno == EEXIST;
  int fd = is_there ? openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW) : -1;
  if (fd < 0) *error = dl_xprintf("cannot open the folder %s of the object store: %s", name, strerror(errno));
  return fd;
}

/* Calls `is_wanted` for each file of the folder, and removes those that are not. */
static void sweep(dl_blobs_t *b, int folder,
                  bool (*is_wanted)(dl_blobs_t *b, const char *name, int64_t size, void *user), void *user) {
  int fd = dup(folder);
  DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;
  struct dirent *entry;
  while (stream && (entry = readdir(stream))) {
    struct stat st;
    if (entry->d_name[0] == '.' || fstatat(folder, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0) continue;
    if (!is_wanted(b, entry->d_name, st.st_size, user))
      dl_blobs_discard(b, folder, entry->d_name, st.st_size);
  }
  if (stream)
    closedir(stream);
  else if (fd >= 0)
    close(fd);
}

static bool is_unfinished(dl_blobs_t *b, const char *name, int64_t size, void *user) {
  (void)name;
  (void)user;
  atomic_fetch_add(&b->used_bytes, size);
  return false;
}

/* Where somebody can look at it. */
static void keep_lost(dl_blobs_t *b, const char *name) {
  char *place = dl_xprintf("../lost/%s", name);
  mkdirat(b->data_fd, "../lost", 0700);
  if (renameat(b->data_fd, name, b->data_fd, place) == 0)
    dl_warn("the journal was damaged, and an object file has no record: it is kept as objects/lost/%s", name);
  else
    dl_error("cannot move the object file %s to objects/lost: %s", name, strerror(errno));
  free(place);
}

/* `user`: file name -> size, of what the journal names. */
static bool is_named(dl_blobs_t *b, const char *name, int64_t size, void *user) {
  json_t *named = user;
  json_t *wanted = json_object_get(named, name);
  bool is_whole = wanted && json_integer_value(wanted) == size;
  if (!wanted && dl_store_damage(b->objects->store)) {
    keep_lost(b, name);
    return true;
  }
  atomic_fetch_add(&b->used_bytes, size);
  if (is_whole) json_object_del(named, name);
  return is_whole;
}

static void check(dl_blobs_t *b) {
  /* A copy: an id may not be one of the store when its object is removed. */
  json_t *all = json_copy((json_t *)dl_store_all(b->objects->store, KIND)), *record, *named = json_object();
  const char *key;
  json_object_foreach (all, key, record) {
    const char *file = dl_json_str(record, "file");
    if (file) json_object_set_new(named, file, json_integer(dl_json_int(record, "size", 0)));
  }
  sweep(b, b->parts_fd, is_unfinished, NULL);
  sweep(b, b->data_fd, is_named, named);
  /* What is still in `named` has no file, or another one. */
  json_object_foreach (all, key, record) {
    const char *file = dl_json_str(record, "file");
    if (file && !json_object_get(named, file)) continue;
    dl_error("the file of the object %s is missing or not whole: the object is forgotten", key);
    dl_store_put(b->objects->store, KIND, key, NULL);
  }
  json_decref(named);
  json_decref(all);
}

int dl_blobs_open(dl_blobs_t *b, dl_objects_t *objects, uv_loop_t *loop, bool is_durable, char **error) {
  *b = (dl_blobs_t){.objects = objects, .data_fd = -1, .parts_fd = -1, .is_durable = is_durable};
  int state = open(objects->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int root = state >= 0 ? open_folder(state, "objects", error) : -1;
  if (state < 0) *error = dl_xprintf("cannot open %s: %s", objects->state_dir, strerror(errno));
  if (root >= 0) b->data_fd = open_folder(root, "data", error);
  if (b->data_fd >= 0) b->parts_fd = open_folder(root, "parts", error);
  if (root >= 0) close(root);
  if (state >= 0) close(state);
  if (b->parts_fd < 0) return -1;
  b->lane = dl_lane_new(loop, THREADS, 0);
  if (!b->lane) {
    *error = dl_xprintf("no threads for the object store: %s", strerror(errno));
    return -1;
  }
  check(b);
  return 0;
}

/* --- the end --- */

typedef struct {
  dl_blobs_t *blobs;
  void (*on_closed)(void *user);
  void *user;
} closing_t;

static void finish(void *user) {
  closing_t told = *(closing_t *)user;
  dl_blobs_t *b = told.blobs;
  free(user);
  if (b->data_fd >= 0) close(b->data_fd);
  if (b->parts_fd >= 0) close(b->parts_fd);
  free(b->keys);
  told.on_closed(told.user);
}

static void close_lane(void *user) {
  closing_t *k = user;
  k->blobs->on_idle = NULL;
  if (k->blobs->lane)
    dl_lane_close(k->blobs->lane, finish, k);
  else
    finish(k);
}

void dl_blobs_close(dl_blobs_t *b, void (*on_closed)(void *user), void *user) {
  closing_t *k = dl_xcalloc(1, sizeof *k);
  *k = (closing_t){b, on_closed, user};
  b->on_idle = close_lane;
  b->idle_user = k;
  if (b->work_count == 0) close_lane(k);
}
