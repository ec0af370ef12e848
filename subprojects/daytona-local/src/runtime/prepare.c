/* SPDX-License-Identifier: Apache-2.0
 *
 * Checks a specification and readies the home and volume directories.
 *
 * As root every box has a user of its own on the host. The home changes hands when the number
 * differs from the last time. A volume can be shared by boxes with different users, so a default
 * ACL opens whatever is made in it; the server's own 0700 directory above keeps others out.
 */
#include "runtime/prepare.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

static const char ID_CHARS[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
/* A volume over one of these would change the system or hide ours. */
static const char *const RESERVED[] = {"/proc", "/dev", "/sys",   "/etc",   "/usr",  "/run", "/bin",
                                       "/sbin", "/lib", "/lib32", "/lib64", "/root", "/opt"};

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

static char *check_volume(const dl_box_pair *v) {
  if (v->name == NULL || v->name[0] != '/') return dl_xstrdup("a volume needs an absolute directory");
  if (!is_plain_path(v->value))
    return dl_xprintf("a volume cannot be mounted at '%s'", v->value ? v->value : "");
  if (strcmp(v->value, "/home") == 0 || strcmp(v->value, DL_BOX_HOME) == 0)
    return dl_xprintf("a volume cannot be mounted over '%s'", v->value);
  for (size_t i = 0; i < DL_COUNT(RESERVED); i++)
    if (is_at_or_below(v->value, RESERVED[i]))
      return dl_xprintf("a volume cannot be mounted below '%s'", RESERVED[i]);
  return NULL;
}

char *dl_prepare_check(const dl_box_spec *spec) {
  if (spec->id == NULL || *spec->id == '\0' || strlen(spec->id) > 64 ||
      spec->id[strspn(spec->id, ID_CHARS)] != '\0')
    return dl_xstrdup("a sandbox needs an id of letters, digits, '-' and '_'");
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
    char *failure = check_volume(&spec->volumes[i]);
    if (failure != NULL) return failure;
  }
  return NULL;
}

static char *failed(const char *what, const char *path) {
  return dl_xprintf("cannot %s %s: %s", what, path, strerror(errno));
}

/* Nothing runs in the home now, so paths cannot change under us; links are never followed. */
static char *give_tree(const char *dir, unsigned uid) {
  char *paths[] = {(char *)dir, NULL};
  FTS *tree = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, NULL);
  if (tree == NULL) return failed("walk", dir);
  char *failure = NULL;
  for (FTSENT *e; failure == NULL && (e = fts_read(tree)) != NULL;) {
    if (e->fts_info == FTS_DP) continue;
    if (lchown(e->fts_path, uid, uid) != 0) failure = failed("give away", e->fts_path);
  }
  fts_close(tree);
  return failure;
}

static char *ready_home(const dl_box *box, bool as_root) {
  struct stat st;
  if (mkdir(box->home_dir, 0700) != 0 && errno != EEXIST) return failed("make", box->home_dir);
  if (lstat(box->home_dir, &st) != 0) return failed("look at", box->home_dir);
  if (!S_ISDIR(st.st_mode)) return dl_xprintf("%s is not a directory", box->home_dir);
  if (as_root && st.st_uid != box->uid) return give_tree(box->home_dir, box->uid);
  return NULL;
}

/* Version 2 of the kernel's ACL format: entries of tag, permissions and id, for owner, group and
 * others: all may read, write and enter. */
static void open_to_all(const char *dir) {
  static const unsigned char acl[] = {
    2, 0, 0,    0,    0x01, 0,    7,    0, 0xff, 0xff, 0xff, 0xff, 0x04, 0,
    7, 0, 0xff, 0xff, 0xff, 0xff, 0x20, 0, 7,    0,    0xff, 0xff, 0xff, 0xff,
  };
  chmod(dir, 0777);
  if (setxattr(dir, "system.posix_acl_default", acl, sizeof acl, 0) != 0)
    dl_warn("volume %s: other sandboxes may not be able to change its files: %s", dir, strerror(errno));
}

/* bubblewrap makes missing mount points itself and would follow a link in the home to do it. */
static char *check_mount_point(const dl_box *box, const char *target) {
  if (!is_at_or_below(target, DL_BOX_HOME)) return NULL;
  char *failure = NULL;
  int fd = open(box->home_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
  const char *p = target + strlen(DL_BOX_HOME);
  while (fd >= 0 && failure == NULL) {
    while (*p == '/') p++;
    if (*p == '\0') break;
    char *name = dl_xstrndup(p, strcspn(p, "/"));
    p += strlen(name);
    int next = openat(fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;
    if (next >= 0 && fstat(next, &st) == 0 && !S_ISDIR(st.st_mode))
      failure = dl_xprintf("a volume cannot be mounted at '%s': not a directory", target);
    free(name);
    close(fd);
    fd = next; /* a missing rest is made later */
  }
  if (fd >= 0) close(fd);
  return failure;
}

char *dl_prepare_dirs(const dl_box *box, bool as_root) {
  char *failure = ready_home(box, as_root);
  for (size_t i = 0; failure == NULL && i < box->volume_count; i++) {
    struct stat st;
    if (stat(box->volumes[i].source, &st) != 0)
      failure = failed("find", box->volumes[i].source);
    else if (as_root)
      open_to_all(box->volumes[i].source);
    if (failure == NULL) failure = check_mount_point(box, box->volumes[i].target);
  }
  return failure;
}
