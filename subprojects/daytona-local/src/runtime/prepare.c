/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks a specification and readies the home and volume directories.
 *
 * As root every box has a user of its own on the host. The home changes hands when the number
 * differs from the last time; in a large one that takes a while, and stops when the box is to be stopped. A volume can be shared by boxes with different users: on the disk its files belong to one
 * user of its own, and each box is given a mount that shows them as its own user's. Where the file system or the kernel
 * has no such mounts, a default ACL opens whatever is made, though not what is closed afterwards. The server's own 0700
 * directory above keeps others out.
 *
 * Other boxes may write to a volume at this moment. Whatever is below its root is opened once, by
 * base/beneath.h, and everything after that (mode, ACL, mount) is done to the descriptor.
 */
#include "runtime/prepare.h"

#include "base/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char ID_CHARS[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
/* A volume over one of these would change the system or hide ours. */
static const char *const RESERVED[] = {"/proc", "/dev", "/sys",   "/etc",   "/usr",  "/run", "/bin",
                                       "/sbin", "/lib", "/lib32", "/lib64", "/root", "/opt"};
#define RESERVED_ON_IMAGES 3 /* the first ones */

static bool is_plain_path(const char *path) {
  if (path == NULL || path[0] != '/' || path[1] == '\0') return false;
  for (const char *p = path; *p != '\0'; p += strcspn(p, "/")) {
    while (*p == '/') p++;
    size_t len = strcspn(p, "/");
    if ((len == 1 && p[0] == '.') || (len == 2 && p[0] == '.' && p[1] == '.')) return false;
  }
  return true;
}

static bool is_at_or_below(const char *path, const char *dir) {
  size_t len = strlen(dir);
  return strncmp(path, dir, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

/* Compares the next parts of two paths and steps behind them; false at the end of either, or where they differ. */
static bool same_part(const char **a, const char **b) {
  *a += strspn(*a, "/");
  *b += strspn(*b, "/");
  size_t len = strcspn(*a, "/");
  if (len == 0 || len != strcspn(*b, "/") || memcmp(*a, *b, len) != 0) return false;
  *a += len;
  *b += len;
  return true;
}

bool dl_box_target_is_below(const char *target, const char *other) {
  while (same_part(&target, &other)) {}
  return other[strspn(other, "/")] == '\0';
}

static char *check_volume(const dl_box_volume_t *v, bool on_image) {
  if (v->dir == NULL || v->dir[0] != '/') return dl_xstrdup("a volume needs an absolute directory");
  if (!is_plain_path(v->target))
    return dl_xprintf("a volume cannot be mounted at '%s'", v->target ? v->target : "");
  if (!on_image && (strcmp(v->target, "/home") == 0 || strcmp(v->target, DL_BOX_HOME) == 0))
    return dl_xprintf("a volume cannot be mounted over '%s'", v->target);
  /* An image's own system is its box's to change, but for what we mount. */
  for (size_t i = 0; i < (on_image ? RESERVED_ON_IMAGES : DL_COUNT(RESERVED)); i++)
    if (is_at_or_below(v->target, RESERVED[i]))
      return dl_xprintf("a volume cannot be mounted below '%s'", RESERVED[i]);
  return NULL;
}

/* bubblewrap would make the mount point itself, and follow links that a box has put into the other volume. */
static char *check_nesting(const dl_box_spec_t *spec) {
  for (size_t i = 0; i < spec->volume_count; i++)
    for (size_t j = 0; j < spec->volume_count; j++)
      if (i != j && dl_box_target_is_below(spec->volumes[i].target, spec->volumes[j].target))
        return dl_xprintf("a volume cannot be mounted at '%s', at or below the volume at '%s'",
                          spec->volumes[i].target, spec->volumes[j].target);
  return NULL;
}

char *dl_prepare_check(const dl_box_spec_t *spec) {
  if (spec->id == NULL || *spec->id == '\0' || strlen(spec->id) > 64 ||
      spec->id[strspn(spec->id, ID_CHARS)] != '\0')
    return dl_xstrdup("a sandbox needs an id of letters, digits, '-' and '_'");
  if (spec->image != NULL) {
    char *failure = dl_image_check(spec->image);
    if (failure != NULL) return failure;
  }
  if (spec->home_dir == NULL || spec->home_dir[0] != '/')
    return dl_xstrdup("a sandbox needs an absolute home directory");
  if (!(spec->cpu >= 0 && spec->cpu <= 1e6) || !(spec->memory_gib >= 0 && spec->memory_gib <= 1e6))
    return dl_xstrdup("cpu and memory must be numbers that make sense");
  for (size_t i = 0; i < spec->env_count; i++) {
    const char *name = spec->env[i].name;
    if (name == NULL || *name == '\0' || strchr(name, '=') != NULL || spec->env[i].value == NULL)
      return dl_xprintf("invalid environment variable name: '%s'", name ? name : "");
  }
  for (size_t i = 0; i < spec->volume_count; i++) {
    char *failure = check_volume(&spec->volumes[i], spec->image != NULL);
    if (failure != NULL) return failure;
  }
  return check_nesting(spec);
}

static char *failed(const char *what, const char *path) {
  return dl_xprintf("cannot %s %s: %s", what, path, strerror(errno));
}

/* --- opening --- */

static char *open_shared(dl_shared_dir_t *d, int fd, const char *what) {
  struct stat st;
  if (fd < 0) return failed(what, d->source);
  d->fd = fd;
  if (fstat(fd, &st) != 0) return failed("look at", d->source);
  d->dev = (uint64_t)st.st_dev;
  d->ino = (uint64_t)st.st_ino;
  return NULL;
}

static int give_entry(const dl_beneath_entry_t *entry, void *user) {
  const dl_box_t *box = user;
  if (atomic_load(&box->is_given_up)) return ECANCELED;
  return fchownat(entry->dir, entry->name, box->uid, box->uid, AT_SYMLINK_NOFOLLOW) == 0 ? 0 : errno;
}

/* The directory itself belongs to root meanwhile, so that what was interrupted is done again. */
static char *give_tree(dl_box_t *box) {
  const dl_shared_dir_t *home = &box->home;
  int rc = fchownat(home->fd, "", 0, 0, AT_EMPTY_PATH) == 0 ? 0 : errno;
  if (rc == 0) rc = dl_beneath_walk(home->fd, give_entry, box);
  if (rc == 0 && fchownat(home->fd, "", box->uid, box->uid, AT_EMPTY_PATH) != 0) rc = errno;
  errno = rc;
  return rc == 0 ? NULL : failed("give away", home->source);
}

/* What is above the home is the server's, so up to here text is as good as a descriptor. */
static char *ready_home(dl_box_t *box, bool as_root) {
  struct stat st;
  dl_shared_dir_t *home = &box->home;
  if (mkdir(home->source, 0700) != 0 && errno != EEXIST) return failed("make", home->source);
  char *failure =
    open_shared(home, open(home->source, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), "open");
  if (failure != NULL || !as_root) return failure;
  if (fstat(home->fd, &st) != 0) return failed("look at", home->source);
  /* What is in a writable layer has many owners, and they are the same at every start. */
  if (box->image != NULL)
    return fchownat(home->fd, "", box->zero_uid, box->zero_gid, AT_EMPTY_PATH) == 0
             ? NULL
             : failed("give away", home->source);
  return st.st_uid == box->uid ? NULL : give_tree(box);
}

/* Version 2 of the kernel's ACL format: entries of tag, permissions and id, for owner, group and
 * others: all may read, write and enter. */
static void open_to_all(const dl_shared_dir_t *volume) {
  static const unsigned char acl[] = {
    2, 0, 0,    0,    0x01, 0,    7,    0, 0xff, 0xff, 0xff, 0xff, 0x04, 0,
    7, 0, 0xff, 0xff, 0xff, 0xff, 0x20, 0, 7,    0,    0xff, 0xff, 0xff, 0xff,
  };
  if (dl_beneath_chmod(volume->fd, 0777) != 0 ||
      dl_beneath_set_xattr(volume->fd, "system.posix_acl_default", acl, sizeof acl) != 0)
    dl_warn("volume %s: other sandboxes may not be able to change its files: %s", volume->source,
            strerror(errno));
}

/* What boxes have made there through an ACL, by an older version or on another kernel. */
static int give_to_volumes(const dl_beneath_entry_t *entry, void *user) {
  const dl_box_t *box = user;
  const dl_runtime_t *rt = box->rt;
  uid_t uid = entry->st.st_uid;
  if (atomic_load(&box->is_given_up)) return ECANCELED;
  if (uid < rt->first_uid || uid - rt->first_uid >= rt->uid_count) return 0;
  return fchownat(entry->dir, entry->name, rt->volume_uid, rt->volume_uid, AT_SYMLINK_NOFOLLOW) == 0 ? 0
                                                                                                     : errno;
}

/* The root of the volume changes hands last, so that what was interrupted is done again. 0, or an errno value. */
static int settle_owner(const dl_box_t *box, int root) {
  struct stat st;
  const dl_runtime_t *rt = box->rt;
  if (fstat(root, &st) != 0) return errno;
  if (st.st_uid == rt->volume_uid) return 0;
  int rc = dl_beneath_walk(root, give_to_volumes, (void *)box);
  if (rc == 0 && fchownat(root, "", rt->volume_uid, rt->volume_uid, AT_EMPTY_PATH) != 0) rc = errno;
  return rc;
}

/* Puts a mount with the box's user in the place of the descriptor; false where there is none to be had. */
static bool show_as_own(const dl_box_t *box, dl_shared_dir_t *volume, int root) {
  int mount = dl_idmap_mount(volume->fd, &(dl_idmap_t){.stored = box->rt->volume_uid, .shown = box->uid});
  if (mount < 0) {
    dl_debug("volume %s: no mount with other users: %s", volume->dir, strerror(errno));
    return false;
  }
  if (settle_owner(box, root) != 0 || dl_beneath_chmod(volume->fd, 0777) != 0) {
    close(mount);
    return false;
  }
  volume->can_be_shown = true;
  if (box->image != NULL) { /* whose launcher makes its own */
    close(mount);
    return true;
  }
  close(volume->fd);
  volume->fd = mount;
  volume->is_mount = true;
  return true;
}

/* Boxes will make files of their own users in it, so the next one with a mount has to settle the owner again. */
static void open_without_mount(const dl_box_t *box, const dl_shared_dir_t *volume, int root) {
  struct stat st;
  if (fstat(root, &st) == 0 && st.st_uid == box->rt->volume_uid &&
      fchownat(root, "", 0, 0, AT_EMPTY_PATH) != 0)
    dl_warn("volume %s: %s", volume->dir, strerror(errno));
  open_to_all(volume);
}

static char *ready_volume(const dl_box_t *box, dl_shared_dir_t *volume, bool as_root) {
  int root = open(volume->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (root < 0) return failed("find", volume->dir);
  int fd = dl_beneath_make(root, volume->subpath, 0777, as_root ? (uid_t)box->rt->volume_uid : (uid_t)-1);
  char *failure = NULL;
  if (fd < 0 && (errno == ENOTDIR || errno == ELOOP))
    failure = dl_xprintf("the subpath '%s' of a volume is not a directory", volume->subpath);
  else
    failure = open_shared(volume, fd, "make");
  if (failure == NULL && as_root && !show_as_own(box, volume, root)) open_without_mount(box, volume, root);
  /* Users of images have ids of their own. */
  if (failure == NULL && !as_root && box->image != NULL) open_to_all(volume);
  close(root);
  return failure;
}

/* One part of a mount point. The way there must be open to the box's user, or the toolbox cannot compare. */
static int ready_part(int home, const char *path, uid_t owner) {
  struct stat st;
  int fd = dl_beneath_make(home, path, 0755, owner);
  bool ok = fd >= 0 && fstat(fd, &st) == 0 &&
            ((st.st_mode & 0700) == 0700 || dl_beneath_chmod(fd, (st.st_mode | 0700) & 07777) == 0);
  int reason = errno;
  if (fd >= 0) close(fd);
  return ok ? 0 : reason;
}

/* The mount points in the home are made here, since bubblewrap would follow links to make them. */
static char *ready_mount_point(const dl_box_t *box, const char *target, bool as_root) {
  if (box->image != NULL || !is_at_or_below(target, DL_BOX_HOME)) return NULL;
  const char *rest = target + strlen(DL_BOX_HOME);
  int rc = 0;
  rest += strspn(rest, "/");
  for (size_t len = 0; rc == 0 && rest[len] != '\0';) {
    len += strcspn(rest + len, "/");
    char *part = dl_xstrndup(rest, len);
    rc = ready_part(box->home.fd, part, as_root ? (uid_t)box->uid : (uid_t)-1);
    free(part);
    len += strspn(rest + len, "/");
  }
  if (rc == 0) return NULL;
  return dl_xprintf("a volume cannot be mounted at '%s': %s", target,
                    rc == ENOTDIR ? "not a directory" : strerror(rc));
}

char *dl_prepare_dirs(dl_box_t *box, bool as_root) {
  char *failure = ready_home(box, as_root);
  for (size_t i = 0; failure == NULL && i < box->volume_count; i++) {
    failure = ready_volume(box, &box->volumes[i], as_root);
    if (failure == NULL) failure = ready_mount_point(box, box->volumes[i].target, as_root);
  }
  return failure;
}

static void close_shared(dl_shared_dir_t *d) {
  if (d->fd >= 0) close(d->fd);
  d->fd = -1;
}

void dl_prepare_close(dl_box_t *box) {
  close_shared(&box->home);
  for (size_t i = 0; i < box->volume_count; i++) close_shared(&box->volumes[i]);
}
