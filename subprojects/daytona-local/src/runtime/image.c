/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A box's image on the server's side: what the launcher is told about it (image_box.c), as JSON text through a descriptor:
 *
 *   layers, ids {zeroUid, firstUid, zeroGid, firstGid, count}, user, workDir   as in dl_box_image_t
 *   dir             of the writable layer
 *   owner           a user of the host that no other box has
 *   volumes [{dir, subpath, target, owner}]   owner: whose files they are on the disk, to be shown as the user's
 *   hostname, hostNetwork, nodeModules, desktop (the program for it), etc {NAME: TEXT}
 *
 * Nothing in it is secret; the environment has its own descriptor.
 */
#include "runtime/internal.h"

#include "base/jsonx.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HOST_RESOLV_MAX 65536

char *dl_image_check(const dl_box_image_t *image) {
  if (image->layers == NULL || image->layers[0] == NULL) return dl_xstrdup("an image needs a layer");
  for (size_t i = 0; image->layers[i] != NULL; i++)
    if (image->layers[i][0] != '/') return dl_xstrdup("the layers of an image are absolute paths");
  if (image->ids.count == 0) return dl_xstrdup("an image needs ids");
  for (size_t i = 0; image->env != NULL && image->env[i] != NULL; i++)
    if (strchr(image->env[i], '=') == NULL || image->env[i][0] == '=')
      return dl_xprintf("invalid environment variable of the image: '%s'", image->env[i]);
  return NULL;
}

json_t *dl_image_copy(const dl_box_image_t *image) {
  const dl_box_ids_t *ids = &image->ids;
  json_t *layers = json_array();
  for (size_t i = 0; image->layers[i] != NULL; i++)
    json_array_append_new(layers, json_string(image->layers[i]));
  return json_pack("{s:o,s:s,s:s,s:{s:I,s:I,s:I,s:I,s:I}}", "layers", layers, "user",
                   image->user ? image->user : "", "workDir", image->work_dir ? image->work_dir : "", "ids",
                   "zeroUid", (json_int_t)ids->zero_uid, "firstUid", (json_int_t)ids->first_uid, "zeroGid",
                   (json_int_t)ids->zero_gid, "firstGid", (json_int_t)ids->first_gid, "count",
                   (json_int_t)ids->count);
}

static json_t *volumes_of(const dl_box_t *box) {
  json_t *list = json_array();
  for (size_t i = 0; i < box->volume_count; i++) {
    const dl_shared_dir_t *v = &box->volumes[i];
    json_t *volume = json_pack("{s:s,s:s,s:s}", "dir", v->dir, "subpath", v->subpath, "target", v->target);
    if (v->can_be_shown) json_object_set_new(volume, "owner", json_integer((json_int_t)box->rt->volume_uid));
    json_array_append_new(list, volume);
  }
  return list;
}

static json_t *host_resolv(void) {
  char *text = dl_xcalloc(1, HOST_RESOLV_MAX + 1);
  int fd = open("/etc/resolv.conf", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  ssize_t got = fd >= 0 ? read(fd, text, HOST_RESOLV_MAX) : -1;
  if (fd >= 0) close(fd);
  json_t *value = got > 0 ? json_string(text) : NULL;
  free(text);
  return value;
}

static json_t *etc_of(const dl_box_t *box) {
  char *hosts = dl_box_hosts(box), *hostname = dl_xprintf("%s\n", box->id);
  json_t *etc = json_pack("{s:s,s:s}", "hosts", hosts, "hostname", hostname);
  json_t *resolv = box->network == DL_NETWORK_HOST ? host_resolv() : json_string(DL_ETC_RESOLV);
  if (resolv != NULL) json_object_set_new(etc, "resolv.conf", resolv);
  free(hosts);
  free(hostname);
  return etc;
}

char *dl_image_plan(const dl_box_t *box) {
  json_t *plan = json_copy(box->image);
  json_object_set_new(plan, "dir", json_string(box->home.source));
  json_object_set_new(plan, "volumes", volumes_of(box));
  json_object_set_new(plan, "owner", json_integer((json_int_t)box->uid));
  json_object_set_new(plan, "hostname", json_string(box->id));
  json_object_set_new(plan, "hostNetwork", json_boolean(box->network == DL_NETWORK_HOST));
  if (box->rt->node_modules != NULL)
    json_object_set_new(plan, "nodeModules", json_string(box->rt->node_modules));
  if (box->rt->desktop != NULL) json_object_set_new(plan, "desktop", json_string(box->rt->desktop));
  json_object_set_new(plan, "etc", etc_of(box));
  char *text = dl_json_text(plan);
  json_decref(plan);
  return text;
}
