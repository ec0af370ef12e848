/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The objects as a whole: read when the server starts, found, and let go. Every sandbox in
 * `sandbox_list` is in `sandboxes`; it is in `names` until its destruction begins.
 */
#include "control/objects/objects.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- opening --- */

void dl_objects_spread(const char *path) {
  int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), flags;
  if (fd < 0) return;
  if (ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 && !(flags & FS_TOPDIR_FL)) {
    flags |= FS_TOPDIR_FL;
    int ignored = ioctl(fd, FS_IOC_SETFLAGS, &flags);
    (void)ignored;
  }
  close(fd);
}

static int make_dirs(const char *root, char **error) {
  static const char *const names[] = {"sandboxes", "volumes", "archives", "trash", "builds", "snapshots"};
  for (size_t i = 0; i < DL_COUNT(names); i++) {
    char *path = dl_xprintf("%s/%s", root, names[i]);
    int rc = mkdir(path, 0700) == 0 || errno == EEXIST ? 0 : -1;
    if (rc == 0 && strcmp(names[i], "sandboxes") == 0) dl_objects_spread(path);
    if (rc != 0) *error = dl_xprintf("cannot make %s: %s", path, strerror(errno));
    free(path);
    if (rc != 0) return -1;
  }
  return 0;
}

/* The organization's id is made once and kept. */
static void load_meta(dl_objects_t *o, const char *wanted) {
  json_t *meta = json_object_get(dl_store_all(o->store, "meta"), "organization");
  const char *id = wanted ? wanted : dl_json_str(meta, "id");
  o->organization_id = dl_xstrdup(id ? id : dl_uuid_new().text);
  if (!dl_json_str(meta, "id") || strcmp(dl_json_str(meta, "id"), o->organization_id) != 0)
    dl_store_put(o->store, "meta", "organization", json_pack("{s:s}", "id", o->organization_id));
}

static void load_tokens(dl_objects_t *o, dl_sandbox_t *sb) {
  size_t i;
  json_t *entry;
  json_array_foreach (sb->signed_tokens, i, entry)
    dl_map_put(&o->preview_tokens, dl_json_str(entry, "token"), sb);
}

static void load_sandboxes(dl_objects_t *o) {
  const char *id;
  json_t *record;
  int64_t latest = 0;
  json_object_foreach ((json_t *)dl_store_all(o->store, "sandbox"), id, record) {
    dl_sandbox_t *sb = dl_sandbox_from_record(record, o->region);
    if (!sb) {
      dl_error("the record of sandbox %s makes no sense and is left alone", id);
      continue;
    }
    dl_map_put(&o->sandboxes, sb->id, sb);
    if (sb->want != DL_WANT_DESTROYED) dl_map_put(&o->names, sb->name, sb);
    dl_list_push(&o->sandbox_list, &sb->link);
    load_tokens(o, sb);
    if (sb->updated_at > latest) latest = sb->updated_at;
    if (sb->last_activity_at > latest) latest = sb->last_activity_at;
  }
  /* The clock may have been jumped or run fast: it never goes back behind what it has stamped. */
  int64_t now = dl_objects_now(o);
  if (latest > now) dl_clock_jump(&o->clock, latest - now);
}

int dl_objects_open(dl_objects_t *o, uv_loop_t *loop, const dl_objects_opts_t *opts, char **error) {
  *o = (dl_objects_t){.loop = loop};
  dl_list_init(&o->sandbox_list);
  dl_clock_init(&o->clock, opts->clock_speed);
  o->region = dl_xstrdup(opts->region);
  o->state_dir = realpath(opts->state_dir, NULL);
  if (!o->state_dir) o->state_dir = dl_xstrdup(opts->state_dir);
  o->store = dl_store_open(loop, o->state_dir, opts->is_durable, error);
  if (!o->store || make_dirs(o->state_dir, error) != 0) return -1;
  o->jobs = dl_jobs_new(loop, opts->is_durable, error);
  if (!o->jobs) return -1;
  load_meta(o, opts->organization_id);
  load_sandboxes(o);
  return 0;
}

/* --- closing --- */

typedef struct {
  dl_objects_t *objects;
  void (*on_closed)(void *user);
  void *user;
} closing_t;

static void on_store_closed(void *user) {
  closing_t *k = user;
  dl_objects_t *o = k->objects;
  while (!dl_list_empty(&o->sandbox_list))
    dl_sandbox_free(DL_CONTAINER(o->sandbox_list.next, dl_sandbox_t, link));
  dl_map_clear(&o->sandboxes);
  dl_map_clear(&o->names);
  dl_map_clear(&o->preview_tokens);
  free(o->state_dir);
  free(o->organization_id);
  free(o->region);
  closing_t told = *k;
  free(k);
  told.on_closed(told.user);
}

void dl_objects_close(dl_objects_t *o, void (*on_closed)(void *user), void *user) {
  assert(!o->jobs);
  closing_t *k = dl_xcalloc(1, sizeof *k);
  *k = (closing_t){o, on_closed, user};
  if (o->store)
    dl_store_close(o->store, on_store_closed, k);
  else
    on_store_closed(k);
}

/* --- sandboxes --- */

void dl_objects_add(dl_objects_t *o, dl_sandbox_t *sb) {
  assert(!dl_map_get(&o->sandboxes, sb->id) && !dl_map_get(&o->names, sb->name));
  dl_map_put(&o->sandboxes, sb->id, sb);
  dl_map_put(&o->names, sb->name, sb);
  dl_list_push(&o->sandbox_list, &sb->link);
}

dl_sandbox_t *dl_objects_find(const dl_objects_t *o, const char *id_or_name, bool by_name) {
  dl_sandbox_t *sb = dl_map_get(&o->sandboxes, id_or_name);
  if (!sb && by_name) sb = dl_map_get(&o->names, id_or_name);
  /* A running or stopped one shows "destroying" first; the others are gone at once. */
  bool is_leaving = sb && sb->want == DL_WANT_DESTROYED;
  return is_leaving && sb->state != DL_STARTED && sb->state != DL_STOPPED ? NULL : sb;
}

dl_sandbox_t *dl_objects_find_shown(const dl_objects_t *o, const char *id_or_name) {
  dl_sandbox_t *sb = dl_map_get(&o->sandboxes, id_or_name);
  return sb && dl_sandbox_is_memory(sb) ? sb : dl_objects_find(o, id_or_name, true);
}

void dl_objects_forget_name(dl_objects_t *o, dl_sandbox_t *sb) {
  size_t i;
  json_t *entry;
  if (dl_map_get(&o->names, sb->name) == sb) dl_map_remove(&o->names, sb->name);
  json_array_foreach (sb->signed_tokens, i, entry)
    dl_map_remove(&o->preview_tokens, dl_json_str(entry, "token"));
}

void dl_objects_regain_name(dl_objects_t *o, dl_sandbox_t *sb) {
  assert(!dl_map_get(&o->names, sb->name));
  dl_map_put(&o->names, sb->name, sb);
  load_tokens(o, sb);
}

void dl_objects_rename(dl_objects_t *o, dl_sandbox_t *sb, const char *name) {
  assert(dl_map_get(&o->names, sb->name) == sb && !dl_map_get(&o->names, name));
  dl_map_remove(&o->names, sb->name);
  dl_set(&sb->name, name);
  dl_map_put(&o->names, sb->name, sb);
}

void dl_objects_take_settings(dl_objects_t *o, dl_sandbox_t *sb, const json_t *record) {
  size_t i;
  json_t *entry;
  /* It was taken from its pool, and is back: it is called as it was. */
  bool is_back = dl_json_str(record, "pool") && !sb->pool_id && dl_map_get(&o->names, sb->name) == sb;
  if (is_back && strcmp(sb->name, dl_json_str(record, "name")) != 0)
    dl_objects_rename(o, sb, dl_json_str(record, "name"));
  json_array_foreach (sb->signed_tokens, i, entry)
    dl_map_remove(&o->preview_tokens, dl_json_str(entry, "token"));
  dl_sandbox_take_settings(sb, record);
  if (sb->want != DL_WANT_DESTROYED) load_tokens(o, sb);
}

void dl_objects_remove(dl_objects_t *o, dl_sandbox_t *sb) {
  assert(sb->state == DL_DESTROYED);
  assert(dl_map_get(&o->sandboxes, sb->id) == sb && dl_map_get(&o->names, sb->name) != sb);
  dl_map_remove(&o->sandboxes, sb->id);
  dl_list_unlink(&sb->link);
}

char *dl_objects_dir(const dl_objects_t *o, const dl_sandbox_t *sb) {
  return dl_xprintf("%s/sandboxes/%s", o->state_dir, sb->id);
}

char *dl_objects_home(const dl_objects_t *o, const dl_sandbox_t *sb) {
  return dl_xprintf("%s/sandboxes/%s/home", o->state_dir, sb->id);
}

char *dl_objects_archive(const dl_objects_t *o, const dl_sandbox_t *sb) {
  return dl_xprintf("%s/archives/%s.tar", o->state_dir, sb->id);
}
