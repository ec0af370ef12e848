/* SPDX-License-Identifier: Apache-2.0
 *
 * Volumes. A volume lives in the store as the object that is shown, and in a directory of its id.
 * It is ready as soon as its directory exists, which is before the creation is answered; the
 * answer says pending_create all the same, as the platform's does.
 */
#include "control/objects/volumes.h"

#include "control/store/jobs.h"
#include "control/routes/validate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static json_t *by_id(dl_control *c, const char *id) {
  return json_object_get(dl_store_all(c->store, "volume"), id);
}

static json_t *by_name(dl_control *c, const char *name) {
  const char *id;
  json_t *volume;
  json_object_foreach ((json_t *)dl_store_all(c->store, "volume"), id, volume) {
    if (strcmp(dl_json_str(volume, "name"), name) == 0) return volume;
  }
  return NULL;
}

static char *directory(const dl_control *c, const char *id) {
  return dl_xprintf("%s/volumes/%s", c->state_dir, id);
}

dl_volume_found dl_volume_find(dl_control *c, const char *id_or_name, const char **id) {
  json_t *volume = by_id(c, id_or_name);
  if (!volume) volume = by_name(c, id_or_name);
  if (!volume) return DL_VOLUME_MISSING;
  *id = dl_json_str(volume, "id");
  return strcmp(dl_json_str(volume, "state"), "ready") == 0 ? DL_VOLUME_OK : DL_VOLUME_NOT_READY;
}

/* ---- mounting ---- */

/* The directories on the way to a subpath; each must be a real directory, never a link that a
 * sandbox has put there to point out of the volume. */
static char *make_subpath(const char *root, const char *subpath) {
  char *path = dl_xstrdup(root), *copy = dl_xstrdup(subpath), *save = NULL;
  for (char *part = strtok_r(copy, "/", &save); part; part = strtok_r(NULL, "/", &save)) {
    if (strcmp(part, ".") == 0) continue;
    char *next = dl_xprintf("%s/%s", path, part);
    free(path);
    path = next;
    struct stat st;
    if (mkdir(path, 0777) == 0) chmod(path, 0777);
    if (lstat(path, &st) != 0 || !S_ISDIR(st.st_mode)) {
      free(path);
      path = NULL;
      break;
    }
  }
  free(copy);
  return path;
}

dl_box_pair *dl_volume_mounts(dl_control *c, const json_t *volumes, size_t *count, char **error) {
  size_t i;
  json_t *mount;
  dl_box_pair *pairs = dl_xcalloc(json_array_size(volumes) + 1, sizeof *pairs);
  *count = 0;
  json_array_foreach (volumes, i, mount) {
    const char *id = dl_json_str(mount, "volumeId"), *subpath = dl_json_str(mount, "subpath");
    if (!by_id(c, id)) {
      *error = dl_xprintf("volume %s no longer exists", id);
      break;
    }
    char *root = directory(c, id);
    char *path = make_subpath(root, subpath ? subpath : "");
    free(root);
    if (!path) {
      *error = dl_xprintf("subpath %s of volume %s is not a directory", subpath ? subpath : "", id);
      break;
    }
    pairs[(*count)++] = (dl_box_pair){path, dl_json_str(mount, "mountPath")};
  }
  return pairs;
}

void dl_volume_mounts_free(dl_box_pair *mounts, size_t count) {
  for (size_t i = 0; i < count; i++) free((void *)mounts[i].name);
  free(mounts);
}

void dl_volume_used(dl_control *c, const json_t *volumes) {
  size_t i;
  json_t *mount;
  json_array_foreach (volumes, i, mount) {
    json_t *volume = by_id(c, dl_json_str(mount, "volumeId"));
    if (!volume) continue;
    json_t *updated = json_copy(volume);
    json_object_set_new(updated, "lastUsedAt", json_string(dl_iso_format(dl_now(c)).text));
    dl_store_put(c->store, "volume", dl_json_str(mount, "volumeId"), updated);
  }
}

static bool is_mounted(dl_control *c, const char *id) {
  DL_LIST_EACH(&c->sandbox_list, node) {
    dl_sandbox *sb = DL_CONTAINER(node, dl_sandbox, link);
    size_t i;
    json_t *mount;
    if (sb->want == DL_WANT_DESTROYED) continue;
    json_array_foreach (sb->volumes, i, mount) {
      if (strcmp(dl_json_str(mount, "volumeId"), id) == 0) return true;
    }
  }
  return false;
}

/* ---- calls ---- */

static int compare_text(const char *a, const char *b) {
  return a && b ? strcmp(a, b) : (a != NULL) - (b != NULL);
}

/* Last used first, never used last, then the newest. */
static int by_use(const void *a, const void *b) {
  const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
  int used = compare_text(dl_json_str(y, "lastUsedAt"), dl_json_str(x, "lastUsedAt"));
  return used ? used : compare_text(dl_json_str(y, "createdAt"), dl_json_str(x, "createdAt"));
}

static void list(dl_req *req, void *user) {
  dl_control *c = user;
  json_t *all = (json_t *)dl_store_all(c->store, "volume"), *volume, *out = json_array();
  size_t count = 0, size = json_object_size(all);
  json_t **sorted = dl_xcalloc(size + 1, sizeof *sorted);
  const char *id;
  json_object_foreach (all, id, volume) sorted[count++] = volume;
  qsort(sorted, count, sizeof *sorted, by_use);
  for (size_t i = 0; i < count; i++) json_array_append(out, sorted[i]);
  free(sorted);
  dl_reply_json(req, 200, out);
}

static void create(dl_req *req, void *user) {
  dl_control *c = user;
  const json_t *body = dl_body(req);
  const char *name = dl_json_str(body, "name");
  const char *problem = name ? dl_check_display(name) : "must be a string";
  if (problem) {
    dl_fail(c, req, 400, "name %s", problem);
    return;
  }
  dl_uuid id = dl_uuid_new();
  if (*name == '\0') name = id.text;
  if (by_name(c, name)) {
    dl_fail(c, req, 400, "Volume with name %s already exists", name);
    return;
  }
  char *dir = directory(c, id.text);
  bool is_made = mkdir(dir, 0777) == 0 && chmod(dir, 0777) == 0;
  free(dir);
  if (!is_made) {
    dl_fail(c, req, 500, "cannot make the volume's directory: %s", strerror(errno));
    return;
  }
  dl_iso now = dl_iso_format(dl_now(c));
  json_t *volume = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:n, s:n}", "id", id.text, "name", name,
                             "organizationId", c->organization_id, "state", "ready", "createdAt", now.text,
                             "updatedAt", now.text, "lastUsedAt", "errorReason");
  json_t *shown = json_copy(volume);
  json_object_set_new(shown, "state", json_string("pending_create"));
  dl_store_put(c->store, "volume", id.text, volume);
  dl_answer_durable(c, req, 200, shown);
}

static void answer(dl_control *c, dl_req *req, json_t *volume, const char *what) {
  if (volume)
    dl_reply_json(req, 200, json_incref(volume));
  else
    dl_fail(c, req, 404, "Volume %s not found", what);
}

static void get(dl_req *req, void *user) {
  answer(user, req, by_id(user, dl_req_param(req, "id")), dl_req_param(req, "id"));
}

static void get_by_name(dl_req *req, void *user) {
  answer(user, req, by_name(user, dl_req_param(req, "name")), dl_req_param(req, "name"));
}

static void delete_volume(dl_req *req, void *user) {
  dl_control *c = user;
  const char *id = dl_req_param(req, "id");
  if (!by_id(c, id)) {
    dl_fail(c, req, 404, "Volume %s not found", id);
    return;
  }
  if (is_mounted(c, id)) {
    dl_fail(c, req, 409, "Volume %s is in use by a sandbox", id);
    return;
  }
  char *dir = directory(c, id);
  dl_job_remove(c->loop, &c->jobs, dir, NULL, NULL);
  free(dir);
  dl_store_put(c->store, "volume", id, NULL);
  dl_answer_durable(c, req, 200, NULL);
}

static const dl_route routes[] = {
  {"GET", "/volumes", list, DL_R_PERM(DL_PERM_READ_VOLUMES)},
  {"POST", "/volumes", create, DL_R_BODY | DL_R_PERM(DL_PERM_WRITE_VOLUMES)},
  {"GET", "/volumes/by-name/{name}", get_by_name, DL_R_PERM(DL_PERM_READ_VOLUMES)},
  {"GET", "/volumes/{id}", get, DL_R_PERM(DL_PERM_READ_VOLUMES)},
  {"DELETE", "/volumes/{id}", delete_volume, DL_R_PERM(DL_PERM_DELETE_VOLUMES)},
};

dl_route_table dl_volume_routes(void) { return (dl_route_table){routes, DL_COUNT(routes)}; }
