/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading the store. It is that of containers/storage with the overlay driver:
 *
 *   overlay-images/images.json            [{id, digest, names, layer, created}], replaced as a whole
 *   overlay-images/ID/=BASE64(sha256:ID)  the configuration of the image
 *   overlay-layers/layers.json            [{id, parent, diff-size, incomplete}]
 *   overlay/LAYER/diff                    the files of a layer
 *
 * An image is in images.json when all its layers are there, so one that was cut off is not seen. Blocks.
 */
#include "images/internal.h"

#include "base/beneath.h"
#include "base/jsonx.h"
#include "base/map.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RECORD_MAX ((size_t)64 << 20)
#define CONFIG_MAX ((size_t)4 << 20)
#define LAYERS_MAX 500 /* of one image: more cannot be mounted */

/* A text of at most `max` bytes; NULL with errno, 0 where it is too long. */
static char *read_file(int root, const char *path, size_t max) {
  struct stat st;
  int fd = dl_beneath_open(root, path, O_RDONLY);
  if (fd < 0) return NULL;
  char *text = NULL;
  errno = 0;
  if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (size_t)st.st_size <= max) {
    size_t len = 0;
    ssize_t got = 1;
    text = dl_xmalloc((size_t)st.st_size + 1);
    while (len < (size_t)st.st_size && (got = read(fd, text + len, (size_t)st.st_size - len)) > 0)
      len += (size_t)got;
    text[len] = '\0';
  }
  close(fd);
  return text;
}

/* An array of the store; an absent file is an empty one. */
static json_t *read_array(int root, const char *path, char **error) {
  char *text = read_file(root, path, RECORD_MAX), *problem = NULL;
  if (!text && errno == ENOENT) return json_array();
  json_t *value = text ? dl_json_parse(text, strlen(text), &problem) : NULL;
  if (!json_is_array(value)) {
    *error = dl_xprintf("cannot read %s of the image store: %s", path, problem ? problem : strerror(errno));
    json_decref(value);
    value = NULL;
  }
  free(problem);
  free(text);
  return value;
}

/* --- lists of texts --- */

static char **texts(const json_t *array) {
  size_t count = json_array_size(array), n = 0;
  char **list = dl_xcalloc(count + 1, sizeof *list);
  for (size_t i = 0; i < count; i++) {
    const char *text = json_string_value(json_array_get(array, i));
    if (text) list[n++] = dl_xstrdup(text);
  }
  return list;
}

static void free_texts(char **list) {
  for (char **at = list; at && *at; at++) free(*at);
  free(list);
}

/* --- images --- */

dl_image_t *dl_image_retain(dl_image_t *image) {
  assert(image->references > 0);
  image->references++;
  return image;
}

void dl_image_release(dl_image_t *image) {
  if (!image || --image->references > 0) return;
  const dl_image_info_t *i = &image->info;
  const char *const owned[] = {i->id, i->digest, i->architecture, i->os, i->user, i->work_dir};
  for (size_t n = 0; n < DL_COUNT(owned); n++) free((char *)owned[n]);
  for (char ***list = image->old_names; list && *list; list++) free_texts(*list);
  free(image->old_names);
  free_texts(image->names);
  free_texts(image->entrypoint);
  free_texts(image->cmd);
  free_texts(image->env);
  free_texts(image->layers);
  free(image);
}

const dl_image_info_t *dl_image_info(const dl_image_t *image) { return &image->info; }

const char *const *dl_image_layers(const dl_image_t *image) { return (const char *const *)image->layers; }

static bool same_texts(char **a, char **b) {
  while (*a && *b && strcmp(*a, *b) == 0) a++, b++;
  return !*a && !*b;
}

dl_image_t *dl_image_renew(dl_image_t *image, dl_image_t *fresh) {
  assert(strcmp(image->info.id, fresh->info.id) == 0);
  if (!same_texts(image->names, fresh->names)) {
    size_t count = 0;
    while (image->old_names && image->old_names[count]) count++;
    image->old_names = dl_xrealloc(image->old_names, (count + 2) * sizeof *image->old_names);
    image->old_names[count] = image->names;
    image->old_names[count + 1] = NULL;
    image->names = fresh->names;
    fresh->names = NULL;
    image->info.names = (const char *const *)image->names;
  }
  dl_image_release(fresh);
  return dl_image_retain(image);
}

/* "sha256:ID" as the store names its file. */
static char *config_path(const char *id) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  char *key = dl_xprintf("sha256:%s", id);
  size_t len = strlen(key), at = 0;
  char *name = dl_xcalloc(1, len * 2);
  for (size_t i = 0; i < len; i += 3) {
    unsigned bits = 0;
    for (size_t j = 0; j < 3; j++) bits = bits << 8 | (i + j < len ? (unsigned char)key[i + j] : 0);
    for (size_t j = 0; j < 4; j++) name[at++] = i + j > len ? '=' : digits[bits >> (18 - 6 * j) & 63];
  }
  char *path = dl_xprintf("overlay-images/%s/=%s", id, name);
  free(key);
  free(name);
  return path;
}

static json_t *read_config(int root, const char *id) {
  char *path = config_path(id), *text = read_file(root, path, CONFIG_MAX), *problem = NULL;
  json_t *config = text ? dl_json_parse(text, strlen(text), &problem) : NULL;
  if (!config)
    dl_warn("image %s: cannot read its configuration: %s", id, problem ? problem : strerror(errno));
  free(problem);
  free(text);
  free(path);
  return config;
}

static const char *text_of(const json_t *object, const char *key) {
  const char *text = dl_json_str(object, key);
  return dl_xstrdup(text ? text : "");
}

/* From the topmost down; false where one is missing or was not finished. */
static bool find_layers(dl_image_t *image, const char *dir, const dl_map_t *layers, const char *topmost) {
  size_t count = 0;
  image->layers = dl_xcalloc(LAYERS_MAX + 1, sizeof *image->layers);
  for (const char *id = topmost; id && *id;) {
    const json_t *layer = dl_map_get(layers, id);
    if (!layer || count == LAYERS_MAX || dl_json_bool(dl_json_get(layer, "flags"), "incomplete", false))
      return false;
    image->layers[count++] = dl_xprintf("%s/overlay/%s/diff", dir, id);
    image->info.size_bytes += (uint64_t)dl_json_int(layer, "diff-size", 0);
    id = dl_json_str(layer, "parent");
  }
  return true;
}

static void take_config(dl_image_t *image, const json_t *config) {
  const json_t *runs = dl_json_get(config, "config");
  dl_image_info_t *i = &image->info;
  image->entrypoint = texts(dl_json_get(runs, "Entrypoint"));
  image->cmd = texts(dl_json_get(runs, "Cmd"));
  image->env = texts(dl_json_get(runs, "Env"));
  i->names = (const char *const *)image->names;
  i->entrypoint = (const char *const *)image->entrypoint;
  i->cmd = (const char *const *)image->cmd;
  i->env = (const char *const *)image->env;
  i->user = text_of(runs, "User");
  i->work_dir = text_of(runs, "WorkingDir");
  i->architecture = text_of(config, "architecture");
  i->os = text_of(config, "os");
}

static dl_image_t *read_image(int root, const char *dir, const json_t *record, const dl_map_t *layers) {
  const char *id = dl_json_str(record, "id"), *topmost = dl_json_str(record, "layer"),
             *created = dl_json_str(record, "created");
  if (!id || !dl_image_is_id(id)) return NULL;
  dl_image_t *image = dl_xcalloc(1, sizeof *image);
  image->references = 1;
  image->info.id = dl_xstrdup(id);
  image->info.digest = text_of(record, "digest");
  image->names = texts(dl_json_get(record, "names"));
  if (created) dl_iso_parse(created, &image->info.created_ms);
  json_t *config = find_layers(image, dir, layers, topmost) ? read_config(root, id) : NULL;
  take_config(image, config);
  bool ok = config != NULL;
  json_decref(config);
  if (ok) return image;
  dl_image_release(image);
  return NULL;
}

/* --- all of them --- */

static void map_layers(const json_t *array, dl_map_t *map, uint64_t *bytes) {
  size_t i;
  json_t *layer;
  json_array_foreach (array, i, layer) {
    const char *id = dl_json_str(layer, "id");
    if (!id || !dl_image_is_id(id)) continue;
    dl_map_put(map, id, layer);
    *bytes += (uint64_t)dl_json_int(layer, "diff-size", 0);
  }
}

static char *load(int root, const char *dir, dl_image_records_t *out) {
  char *error = NULL;
  dl_map_t map = {0};
  json_t *record, *layers = NULL, *images = read_array(root, "overlay-images/images.json", &error);
  size_t i;
  if (!error) layers = read_array(root, "overlay-layers/layers.json", &error);
  if (!error) {
    map_layers(layers, &map, &out->disk_bytes);
    out->images = dl_xcalloc(json_array_size(images) + 1, sizeof *out->images);
    json_array_foreach (images, i, record) {
      dl_image_t *image = read_image(root, dir, record, &map);
      if (image) out->images[out->count++] = image;
    }
  }
  dl_map_clear(&map);
  json_decref(images);
  json_decref(layers);
  return error;
}

char *dl_image_records_load(const char *dir, dl_image_records_t *out) {
  memset(out, 0, sizeof *out);
  int root = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (root < 0) return errno == ENOENT ? NULL : dl_xprintf("cannot open %s: %s", dir, strerror(errno));
  char *error = load(root, dir, out);
  close(root);
  return error;
}

void dl_image_records_clear(dl_image_records_t *r) {
  for (size_t i = 0; i < r->count; i++) dl_image_release(r->images[i]);
  free(r->images);
  memset(r, 0, sizeof *r);
}

static bool has_name(const dl_image_t *image, const char *name) {
  for (char **at = image->names; *at; at++)
    if (strcmp(*at, name) == 0) return true;
  return false;
}

/* NAME@DIGEST of an image that has another name of the same repository. */
static bool has_digest(const dl_image_t *image, const char *name) {
  const char *digest = strchr(name, '@');
  if (!digest || strcmp(image->info.digest, digest + 1) != 0) return false;
  char *repository = dl_image_repository(name);
  size_t len = strlen(repository);
  bool found = false;
  for (char **at = image->names; *at; at++)
    found = found || (strncmp(*at, repository, len) == 0 && strchr(":@", (*at)[len]));
  free(repository);
  return found;
}

dl_image_t *dl_image_records_find(const dl_image_records_t *r, const char *name) {
  bool is_id = strlen(name) >= 12 && strspn(name, "0123456789abcdef") == strlen(name);
  for (size_t i = 0; i < r->count; i++)
    if (has_name(r->images[i], name)) return r->images[i];
  for (size_t i = 0; i < r->count; i++) {
    dl_image_t *image = r->images[i];
    if (has_digest(image, name) || (is_id && dl_starts_with(image->info.id, name))) return image;
  }
  return NULL;
}
