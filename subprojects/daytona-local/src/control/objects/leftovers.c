/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Discarded files go to the directory `trash` by rename, and from there to nowhere; what is found in it at the start
 * was discarded by an earlier server.
 */
#include "control/objects/leftovers.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void dl_discard(dl_objects_t *o, const char *path, dl_job_cb cb, void *user) {
  char *name = dl_random_token(20, DL_ALPHABET_LOWER), *trash = dl_xprintf("%s/trash/%s", o->state_dir, name);
  bool is_moved = rename(path, trash) == 0;
  if (!is_moved && errno != ENOENT) dl_warn("cannot move %s to the trash: %s", path, strerror(errno));
  /* Where it cannot be moved it is removed in its place. */
  dl_job_remove(o->jobs, is_moved ? trash : path, cb, user);
  free(trash);
  free(name);
}

static bool is_part(const char *name) {
  size_t len = strlen(name);
  return len > 5 && strcmp(name + len - 5, ".part") == 0;
}

/* What a build has taken from the object store: see server.c. */
static bool is_context(const char *name) { return dl_starts_with(name, "context-"); }

static void sweep(dl_objects_t *o, const char *where, bool (*is_ours)(const char *name)) {
  char *dir = dl_xprintf("%s/%s", o->state_dir, where);
  DIR *stream = opendir(dir);
  struct dirent *entry;
  while (stream && (entry = readdir(stream))) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    if (is_ours && !is_ours(entry->d_name)) continue;
    char *path = dl_xprintf("%s/%s", dir, entry->d_name);
    dl_discard(o, path, NULL, NULL);
    free(path);
  }
  if (stream) closedir(stream);
  free(dir);
}

void dl_leftovers_sweep(dl_objects_t *o) {
  sweep(o, "trash", NULL);
  sweep(o, "archives", is_part);
  sweep(o, "snapshots", is_part);
  sweep(o, "builds", is_context);
  sweep(o, "warm", NULL);
}
