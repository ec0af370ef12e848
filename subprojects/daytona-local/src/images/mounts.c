/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A place is a file system and a path in it, as /proc/self/mountinfo has them: no link and no mount on the way to a file
 * hides it. What is not known to be of the build is refused. Nothing of the build runs meanwhile, so that nothing changes.
 */
#include "images/mounts.h"

#include "base/base.h"
#include "images/jail.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define STORE "/store"

typedef struct {
  char device[32], type[32];
  char *root, *point;
} mount_t;

typedef struct {
  mount_t *items;
  size_t count;
} mounts_t;

typedef struct {
  const mount_t *mount;
  char *path; /* in its file system */
} place_t;

/* --- the mounts that there are --- */

/* "\040" is a blank; the kernel writes no other escapes than octal ones. */
static char *unescape(const char *text, size_t len) {
  char *out = dl_xmalloc(len + 1), *to = out;
  for (size_t i = 0; i < len; i++) {
    unsigned code;
    if (text[i] == '\\' && i + 3 < len && sscanf(text + i + 1, "%3o", &code) == 1) {
      *to++ = (char)code;
      i += 3;
    } else {
      *to++ = text[i];
    }
  }
  *to = '\0';
  return out;
}

/* ID PARENT DEVICE ROOT POINT OPTIONS TAGS... - TYPE SOURCE OPTIONS */
static bool read_line(const char *line, mount_t *out) {
  int root = 0, root_end = 0, point = 0, point_end = 0;
  const char *rest = strstr(line, " - ");
  if (!rest ||
      sscanf(line, "%*d %*d %31s %n%*s%n %n%*s%n", out->device, &root, &root_end, &point, &point_end) != 1 ||
      point_end == 0 || sscanf(rest, " - %31s", out->type) != 1)
    return false;
  out->root = unescape(line + root, (size_t)(root_end - root));
  out->point = unescape(line + point, (size_t)(point_end - point));
  return true;
}

static bool read_mounts(mounts_t *all) {
  FILE *file = fopen("/proc/self/mountinfo", "re");
  char *line = NULL;
  size_t room = 0;
  bool ok = file != NULL;
  while (ok && getline(&line, &room, file) > 0) {
    all->items = dl_xrealloc(all->items, (all->count + 1) * sizeof *all->items);
    ok = read_line(line, &all->items[all->count]);
    all->count += ok;
  }
  free(line);
  if (file) fclose(file);
  return ok;
}

static void clear_mounts(mounts_t *all) {
  for (size_t i = 0; i < all->count; i++) {
    free(all->items[i].root);
    free(all->items[i].point);
  }
  free(all->items);
}

/* --- places --- */

/* What comes behind `folder` in `path`: "" or "/...". NULL: it is not below it. */
static const char *below(const char *path, const char *folder) {
  size_t len = strcmp(folder, "/") == 0 ? 0 : strlen(folder);
  if (strncmp(path, folder, len) != 0 || (path[len] != '/' && path[len] != '\0')) return NULL;
  return path + len;
}

/* The last of the longest: later mounts cover earlier ones. */
static bool locate(const mounts_t *all, const char *path, place_t *out) {
  char *real = realpath(path, NULL);
  *out = (place_t){0};
  for (size_t i = 0; real && i < all->count; i++)
    if (below(real, all->items[i].point) &&
        (!out->mount || strlen(all->items[i].point) >= strlen(out->mount->point)))
      out->mount = &all->items[i];
  if (out->mount) {
    const char *root = strcmp(out->mount->root, "/") == 0 ? "" : out->mount->root;
    out->path = dl_xprintf("%s%s", root, below(real, out->mount->point));
  }
  free(real);
  return out->mount != NULL;
}

/* What comes behind `folder` on the way to `place`, or NULL. */
static char *place_below(const mounts_t *all, const place_t *place, const char *folder) {
  place_t top;
  char *rest = NULL;
  if (locate(all, folder, &top) && strcmp(top.mount->device, place->mount->device) == 0) {
    const char *found = below(place->path, top.path);
    if (found) rest = dl_xstrdup(found);
  }
  free(top.path);
  return rest;
}

/* --- what is of the build --- */

static bool is_harmless_device(const struct stat *st) {
  if (!S_ISCHR(st->st_mode)) return false;
  unsigned of = major(st->st_rdev), number = minor(st->st_rdev);
  if (of == 5) return number == 0 || number == 2; /* tty, ptmx */
  return of == 1 && (number == 3 || number == 5 || (number >= 7 && number <= 9));
}

/* Made by buildah for this container, wherever it keeps them. */
static bool is_file_of_buildah(const char *rest, const struct stat *st) {
  static const char *const names[] = {"hosts", "hostname", "resolv.conf", ".containerenv"};
  const char *slash = strrchr(rest, '/');
  if (!S_ISREG(st->st_mode) || !slash) return false;
  for (size_t i = 0; i < DL_COUNT(names); i++)
    if (strcmp(slash + 1, names[i]) == 0) return true;
  return false;
}

/* Of this job alone: its context, and the caches of its steps. */
static bool is_in_work(const char *rest, const struct stat *st) {
  return below(rest, "/context") || dl_starts_with(rest, "/buildah-cache") || is_file_of_buildah(rest, st);
}

/* File systems that buildah has put together from layers: images, stages, volumes. Never one that was there before it. */
static bool is_of_layers(const mounts_t *all, const place_t *place) {
  if (strcmp(place->mount->type, "overlay") != 0) return false;
  for (size_t i = 0; i < all->count; i++)
    if (strcmp(all->items[i].device, place->mount->device) == 0 &&
        (below(all->items[i].point, STORE "/overlay") ||
         below(all->items[i].point, STORE "/overlay-containers")))
      return true;
  return false;
}

static bool is_of_the_build(const mounts_t *all, const place_t *place, const struct stat *st,
                            const char *target) {
  char *in_work = place_below(all, place, DL_JAIL_WORK), *in_store = place_below(all, place, STORE);
  bool is_system = strcmp(target, "/sys") == 0 && strcmp(place->mount->type, "sysfs") == 0;
  bool ok = is_system || is_harmless_device(st) || is_of_layers(all, place) ||
            (in_work && is_in_work(in_work, st)) || (in_store && is_file_of_buildah(in_store, st));
  free(in_work);
  free(in_store);
  return ok;
}

static bool is_bind(const json_t *mount) {
  const char *type = json_string_value(json_object_get(mount, "type"));
  size_t i;
  json_t *option;
  if (!type || strcmp(type, "bind") == 0 || strcmp(type, "none") == 0) return true;
  json_array_foreach (json_object_get(mount, "options"), i, option) {
    const char *text = json_string_value(option);
    if (text && (strcmp(text, "bind") == 0 || strcmp(text, "rbind") == 0)) return true;
  }
  return false;
}

static char *check_mount(const mounts_t *all, const json_t *mount) {
  const char *source = json_string_value(json_object_get(mount, "source"));
  const char *target = json_string_value(json_object_get(mount, "destination"));
  struct stat st;
  place_t place = {0};
  if (!is_bind(mount)) return NULL;
  bool ok = source && target && stat(source, &st) == 0 && locate(all, source, &place) &&
            is_of_the_build(all, &place, &st, target);
  free(place.path);
  return ok ? NULL : dl_xprintf("the source of the mount %s is not of this build", target ? target : "");
}

char *dl_image_mounts_check(const json_t *config) {
  const json_t *wanted = json_object_get(config, "mounts");
  mounts_t all = {0};
  char *problem = read_mounts(&all) ? NULL : dl_xstrdup("cannot read /proc/self/mountinfo");
  for (size_t i = 0; !problem && i < json_array_size(wanted); i++)
    problem = check_mount(&all, json_array_get(wanted, i));
  clear_mounts(&all);
  return problem;
}
