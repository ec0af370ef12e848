/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Uploads in parts: who is under way, and with which parts.
 */
#include "s3/uploads.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void dl_uploads_init(dl_uploads_t *u, dl_blobs_t *blobs) {
  *u = (dl_uploads_t){.blobs = blobs};
  dl_list_init(&u->list);
}

static void free_upload(dl_uploads_t *u, dl_upload_t *upload) {
  dl_list_unlink(&upload->link);
  u->count--;
  u->part_total -= upload->part_count;
  free(upload->key);
  free(upload->parts);
  json_decref(upload->headers);
  free(upload);
}

void dl_uploads_clear(dl_uploads_t *u) {
  while (!dl_list_empty(&u->list)) free_upload(u, DL_CONTAINER(u->list.next, dl_upload_t, link));
  for (size_t i = 0; i < DL_UPLOADS_REMEMBERED; i++) {
    free(u->completed[i].key);
    free(u->completed[i].etag);
  }
}

dl_upload_t *dl_upload_new(dl_uploads_t *u, const char *key, json_t *headers) {
  dl_uploads_expire(u);
  if (u->count >= DL_UPLOADS_MAX) {
    json_decref(headers);
    return NULL;
  }
  dl_upload_t *upload = dl_xcalloc(1, sizeof *upload);
  char *id = dl_random_token(DL_UPLOAD_ID_LEN, DL_ALPHABET_MIXED);
  memcpy(upload->id, id, sizeof upload->id);
  free(id);
  upload->key = dl_xstrdup(key);
  upload->headers = headers;
  upload->used_ms = dl_objects_now(u->blobs->objects);
  upload->created_ms = dl_objects_stamp(u->blobs->objects);
  dl_list_push(&u->list, &upload->link);
  u->count++;
  return upload;
}

dl_upload_t *dl_upload_find(dl_uploads_t *u, const char *id, const char *key) {
  DL_LIST_EACH(&u->list, node) {
    dl_upload_t *upload = DL_CONTAINER(node, dl_upload_t, link);
    if (strcmp(upload->id, id) == 0) return strcmp(upload->key, key) == 0 ? upload : NULL;
  }
  return NULL;
}

/* --- parts --- */

/* Where the part of that number is, or belongs. */
static size_t place_of(const dl_upload_t *upload, int number) {
  size_t low = 0, high = upload->part_count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (upload->parts[middle].number < number)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

const dl_upload_part_t *dl_upload_part(const dl_upload_t *upload, int number) {
  size_t at = place_of(upload, number);
  return at < upload->part_count && upload->parts[at].number == number ? &upload->parts[at] : NULL;
}

static void discard_part(dl_uploads_t *u, const dl_upload_part_t *part) {
  dl_blobs_discard(u->blobs, u->blobs->parts_fd, part->file, part->size);
}

void dl_upload_add(dl_uploads_t *u, dl_upload_t *upload, const dl_upload_part_t *part) {
  assert(!upload->is_completing && part->number >= 1 && part->number <= (int)DL_PARTS_MAX);
  size_t at = place_of(upload, part->number);
  upload->used_ms = dl_objects_now(u->blobs->objects);
  if (dl_upload_part(upload, part->number)) {
    discard_part(u, &upload->parts[at]);
    upload->parts[at] = *part;
    return;
  }
  if (upload->part_count == upload->part_room) {
    upload->part_room = upload->part_room ? upload->part_room * 2 : 8;
    upload->parts = dl_xrealloc(upload->parts, upload->part_room * sizeof *upload->parts);
  }
  memmove(&upload->parts[at + 1], &upload->parts[at], (upload->part_count - at) * sizeof *upload->parts);
  upload->parts[at] = *part;
  upload->part_count++;
  u->part_total++;
}

/* --- the end of one --- */

void dl_upload_drop(dl_uploads_t *u, dl_upload_t *upload) {
  assert(!upload->is_completing);
  for (size_t i = 0; i < upload->part_count; i++) discard_part(u, &upload->parts[i]);
  free_upload(u, upload);
}

void dl_upload_completed(dl_uploads_t *u, dl_upload_t *upload, const char *kept, const char *etag) {
  if (etag) {
    size_t at = u->completed_at++ % DL_UPLOADS_REMEMBERED;
    memcpy(u->completed[at].id, upload->id, sizeof upload->id);
    dl_set(&u->completed[at].key, upload->key);
    dl_set(&u->completed[at].etag, etag);
  }
  for (size_t i = 0; i < upload->part_count; i++)
    if (strcmp(upload->parts[i].file, kept) != 0) discard_part(u, &upload->parts[i]);
  free_upload(u, upload);
}

const char *dl_upload_outcome(const dl_uploads_t *u, const char *id, const char *key) {
  for (size_t i = 0; i < DL_UPLOADS_REMEMBERED; i++) {
    if (!u->completed[i].key || strcmp(u->completed[i].id, id) != 0) continue;
    return strcmp(u->completed[i].key, key) == 0 ? u->completed[i].etag : NULL;
  }
  return NULL;
}

void dl_uploads_expire(dl_uploads_t *u) {
  int64_t now = dl_objects_now(u->blobs->objects);
  DL_LIST_EACH_SAFE(&u->list, node, after) {
    dl_upload_t *upload = DL_CONTAINER(node, dl_upload_t, link);
    if (!upload->is_completing && upload->used_ms + DL_UPLOAD_LIFETIME_MS < now) dl_upload_drop(u, upload);
  }
}
