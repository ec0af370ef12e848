/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See image_root.h. First what only the server's user can reach is put on a small file system over /tmp (the stage), then
 * the overlay is mounted next to it, filled with mounts of our own, and made the root.
 *
 * Mount points are opened before anything is mounted over the image: /dev and /proc are ours from then on, and a volume
 * whose path leads into them through a link of the image is refused, because crossing a mount is. All volumes' mount
 * points are opened before the first volume is mounted, since boxes write to volumes.
 */
#include "runtime/image_root.h"

#include "base/beneath.h"
#include "base/jsonx.h"
#include "runtime/image_user.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define STAGE "/tmp"
#define STAGE_ROOT STAGE "/root"
#define STAGE_UPPER STAGE "/w/upper"
#define STAGE_WORK STAGE "/w/work"
#define SHM_SIZE "268435456"
/* The kernel takes one page of options; a staged layer needs less than ten bytes. */
#define LAYERS_MAX 400
#define VOLUMES_MAX 64
#define TEXT_MAX (1024 * 1024)

static char *failed(const char *what, const char *name) {
  return dl_xprintf("cannot %s %s: %s", what, name, strerror(errno));
}

static void close_fd(int *fd) {
  if (*fd >= 0) close(*fd);
  *fd = -1;
}

/* --- paths of the image --- */

/* As if `root` were the root: links and ".." end there. `extra`: more of the RESOLVE flags. */
static int open_in_root(int root, const char *path, int flags, unsigned extra) {
  struct open_how how = {.flags = (unsigned)(flags | O_CLOEXEC),
                         .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | extra};
  return (int)syscall(SYS_openat2, root, *path ? path : "/", &how, sizeof how);
}

/* Opens the folder `path`, made with what is missing above it: as root of the box, or for `uid` and `gid` unless they
 * are -1. -1 with errno. */
static int make_in_root(int root, const char *path, uid_t uid, gid_t gid, unsigned extra) {
  int at = open_in_root(root, "/", O_PATH | O_DIRECTORY, extra);
  for (size_t len = 0; at >= 0;) {
    len += strspn(path + len, "/");
    if (path[len] == '\0') return at;
    size_t part = strcspn(path + len, "/");
    char *name = dl_xstrndup(path + len, part);
    len += part;
    char *prefix = dl_xstrndup(path, len);
    int next = open_in_root(root, prefix, O_PATH | O_DIRECTORY, extra);
    if (next < 0 && errno == ENOENT && mkdirat(at, name, 0755) == 0 &&
        (uid == (uid_t)-1 || fchownat(at, name, uid, gid, AT_SYMLINK_NOFOLLOW) == 0))
      next = open_in_root(root, prefix, O_PATH | O_DIRECTORY, extra);
    int reason = errno;
    close(at);
    free(prefix);
    free(name);
    errno = reason;
    at = next;
  }
  return -1;
}

char *dl_image_root_make_dir(int root, const char *path, uid_t uid, gid_t gid) {
  int fd = make_in_root(root, path, uid, gid, 0);
  if (fd < 0) return failed("make the folder", path);
  close(fd);
  return NULL;
}

char *dl_image_root_read(int root, const char *path) {
  struct stat st;
  char *text = dl_xcalloc(1, TEXT_MAX + 1);
  int fd = open_in_root(root, path, O_RDONLY | O_NONBLOCK, 0);
  size_t len = 0;
  if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
    for (ssize_t got; len < TEXT_MAX && (got = read(fd, text + len, TEXT_MAX - len)) > 0;) len += (size_t)got;
  if (fd >= 0) close(fd);
  return text;
}

/* --- the stage --- */

typedef struct {
  char *point; /* below STAGE */
  char *source;
  int fd; /* of the source, then of a mount of it */
  bool is_read_only, is_file;
} staged_t;

typedef struct {
  staged_t *items;
  size_t count;
} stage_t;

static char *stage_add(stage_t *s, char *point, const char *source, const char *subpath, bool is_read_only) {
  s->items = dl_xrealloc(s->items, (s->count + 1) * sizeof *s->items);
  staged_t *item = &s->items[s->count++];
  int dir = open(source, O_PATH | O_DIRECTORY | O_CLOEXEC);
  *item = (staged_t){.point = point, .source = dl_xstrdup(source), .fd = dir, .is_read_only = is_read_only};
  if (dir < 0) return failed("open", source);
  if (subpath == NULL || *subpath == '\0') return NULL;
  item->fd = dl_beneath_open(dir, subpath, O_PATH | O_DIRECTORY);
  int reason = errno;
  close(dir);
  errno = reason;
  return item->fd >= 0 ? NULL : failed("open the subpath of the volume", source);
}

/* The program for desktops: it is where the server was built, which the box does not see. */
static char *stage_add_file(stage_t *s, const char *point, const char *source) {
  s->items = dl_xrealloc(s->items, (s->count + 1) * sizeof *s->items);
  int fd = open(source, O_PATH | O_CLOEXEC);
  s->items[s->count++] = (staged_t){.point = dl_xstrdup(point),
                                    .source = dl_xstrdup(source),
                                    .fd = fd,
                                    .is_read_only = true,
                                    .is_file = true};
  return fd >= 0 ? NULL : failed("open", source);
}

static char *stage_open(stage_t *s, const json_t *image) {
  size_t i;
  json_t *value;
  char *failure = NULL;
  json_array_foreach (json_object_get(image, "layers"), i, value)
    if (failure == NULL)
      failure = stage_add(s, dl_xprintf(STAGE "/%zu", i), json_string_value(value), NULL, true);
  if (failure == NULL) failure = stage_add(s, dl_xstrdup(STAGE "/w"), dl_json_str(image, "dir"), NULL, false);
  json_array_foreach (json_object_get(image, "volumes"), i, value)
    if (failure == NULL)
      failure = stage_add(s, dl_xprintf(STAGE "/v%zu", i), dl_json_str(value, "dir"),
                          dl_json_str(value, "subpath"), false);
  const char *modules = dl_json_str(image, "nodeModules");
  if (failure == NULL && modules != NULL) failure = stage_add(s, dl_xstrdup(STAGE "/n"), modules, NULL, true);
  const char *desktop = dl_json_str(image, "desktop");
  if (failure == NULL && desktop != NULL) failure = stage_add_file(s, STAGE "/d", desktop);
  return failure;
}

static char *restrict_mount(int mount, bool is_read_only) {
  struct mount_attr attr = {.attr_set =
                              MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | (is_read_only ? MOUNT_ATTR_RDONLY : 0)};
  return mount_setattr(mount, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof attr) == 0
           ? NULL
           : failed("restrict", "a mount");
}

/* A mount of what `fd` stands for, attached to nothing; fd is closed. */
static int clone_mount(int fd) {
  int mount = open_tree(fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | AT_EMPTY_PATH);
  int reason = errno;
  close(fd);
  errno = reason;
  return mount;
}

static int attach(int mount, int dir, const char *name) {
  int flags = MOVE_MOUNT_F_EMPTY_PATH | (*name == '\0' ? MOVE_MOUNT_T_EMPTY_PATH : 0);
  int rc = move_mount(mount, "", dir, name, (unsigned)flags);
  int reason = errno;
  close(mount);
  errno = reason;
  return rc;
}

/* Files of volumes have one owner on the disk and are the user's in the box; those of its other users are theirs. */
static int show_volume(int fd, const dl_box_ids_t *ids, unsigned stored, unsigned shown) {
  dl_idmap_t map = {.stored = stored, .shown = shown};
  if (ids->count > 1) {
    map.first = ids->first_uid;
    map.count = ids->count - 1;
  }
  return dl_idmap_mount(fd, &map);
}

/* The user as the writable layer and the layers below have it, which is what the overlay will show, but for an image
 * that has deleted its /etc/passwd. */
static unsigned host_uid(const stage_t *s, const json_t *image, const dl_box_ids_t *ids) {
  size_t layers = json_array_size(json_object_get(image, "layers"));
  char *passwd = dl_image_root_read(s->items[layers].fd, "upper/etc/passwd");
  for (size_t i = 0; *passwd == '\0' && i < layers; i++) {
    free(passwd);
    passwd = dl_image_root_read(s->items[i].fd, "etc/passwd");
  }
  dl_image_user_t user;
  char *failure = dl_image_user_find(dl_json_str(image, "user"), passwd, "", &user);
  unsigned uid =
    failure == NULL && user.uid > 0 && user.uid < ids->count ? ids->first_uid + user.uid - 1 : ids->zero_uid;
  free(failure);
  free(passwd);
  dl_image_user_clear(&user);
  return uid;
}

static char *stage_volumes(stage_t *s, const json_t *image, const dl_box_ids_t *ids) {
  size_t at = json_array_size(json_object_get(image, "layers")) + 1, i;
  json_t *volume;
  json_array_foreach (json_object_get(image, "volumes"), i, volume) {
    int64_t stored = dl_json_int(volume, "owner", -1);
    staged_t *item = &s->items[at + i];
    if (stored < 0) continue;
    int mount = show_volume(item->fd, ids, (unsigned)stored, host_uid(s, image, ids));
    if (mount < 0) return failed("mount the volume", item->source);
    close(item->fd);
    item->fd = mount;
  }
  return NULL;
}

static char *stage_attach(staged_t *item) {
  int made = item->is_file ? mknod(item->point, S_IFREG | 0644, 0) : mkdir(item->point, 0755);
  if (made != 0) return failed("make", item->point);
  int mount = clone_mount(item->fd);
  item->fd = -1;
  if (mount < 0) return failed("take hold of", item->source);
  char *failure = restrict_mount(mount, item->is_read_only);
  if (failure != NULL) {
    close(mount);
    return failure;
  }
  return attach(mount, AT_FDCWD, item->point) == 0 ? NULL : failed("stage", item->source);
}

char *dl_image_root_stage(const json_t *image, const dl_box_ids_t *ids) {
  stage_t s = {0};
  char *failure = stage_open(&s, image);
  /* The stage may hide what the paths led to. */
  if (failure == NULL && mount("tmpfs", STAGE, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=1m") != 0)
    failure = failed("mount a private", STAGE);
  if (failure == NULL) failure = stage_volumes(&s, image, ids);
  for (size_t i = 0; failure == NULL && i < s.count; i++) failure = stage_attach(&s.items[i]);
  if (failure == NULL && mkdir(STAGE_ROOT, 0755) != 0) failure = failed("make", STAGE_ROOT);
  for (size_t i = 0; i < s.count; i++) {
    close_fd(&s.items[i].fd);
    free(s.items[i].point);
    free(s.items[i].source);
  }
  free(s.items);
  return failure;
}

/* --- the overlay --- */

/* The root of an overlay has the owner and mode of its uppermost folder. */
static char *make_upper(void) {
  struct stat st;
  if (stat(STAGE "/0", &st) != 0) return failed("look at", "the image's root");
  if (mkdir(STAGE_WORK, 0700) != 0 && errno != EEXIST) return failed("make", "the writable layer");
  if (mkdir(STAGE_UPPER, 0755) != 0) return errno == EEXIST ? NULL : failed("make", "the writable layer");
  if (chown(STAGE_UPPER, st.st_uid, st.st_gid) != 0 || chmod(STAGE_UPPER, st.st_mode & 0777) != 0)
    return failed("prepare", "the writable layer");
  return NULL;
}

static char *no_overlay(void) {
  const char *help = errno == EPERM || errno == ENODEV ? "; sandboxes on images need Linux 5.12 or newer"
                     : errno == EINVAL
                       ? "; the state directory may be on a file system that no overlay can write to"
                       : "";
  return dl_xprintf("cannot mount the image's writable layer: %s%s", strerror(errno), help);
}

char *dl_image_root_mount(const json_t *image, int *root) {
  size_t layers = json_array_size(json_object_get(image, "layers"));
  if (layers == 0 || layers > LAYERS_MAX)
    return dl_xprintf("an image with %zu layers cannot be mounted", layers);
  char *failure = make_upper();
  if (failure != NULL) return failure;
  dl_buf_t options;
  dl_buf_init(&options, SIZE_MAX);
  dl_buf_puts(&options, "userxattr,upperdir=" STAGE_UPPER ",workdir=" STAGE_WORK ",lowerdir=" STAGE "/0");
  for (size_t i = 1; i < layers; i++) {
    char *layer = dl_xprintf(":" STAGE "/%zu", i);
    dl_buf_puts(&options, layer);
    free(layer);
  }
  if (mount("overlay", STAGE_ROOT, "overlay", MS_NOSUID | MS_NODEV, options.data) != 0)
    failure = no_overlay();
  dl_buf_clear(&options);
  if (failure != NULL) return failure;
  *root = open(STAGE_ROOT, O_PATH | O_DIRECTORY | O_CLOEXEC);
  return *root >= 0 ? NULL : failed("open", "the image's root");
}

/* --- what is in it --- */

/* A folder of the root itself; whatever else has this name in the image is removed from the box's layer. */
static int top_folder(int root, const char *name, mode_t mode) {
  struct stat st;
  if (fstatat(root, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISDIR(st.st_mode) &&
      unlinkat(root, name, 0) != 0)
    return -1;
  if (mkdirat(root, name, mode) == 0) {
    if (fchmodat(root, name, mode, 0) != 0) return -1;
  } else if (errno != EEXIST) {
    return -1;
  }
  return openat(root, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static int new_mount(const char *type, const char *const (*options)[2], unsigned attributes) {
  int context = fsopen(type, FSOPEN_CLOEXEC), mount = -1;
  bool ok = context >= 0;
  for (; ok && options != NULL && (*options)[0] != NULL; options++)
    ok = fsconfig(context, FSCONFIG_SET_STRING, (*options)[0], (*options)[1], 0) == 0;
  if (ok && fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
    mount = fsmount(context, FSMOUNT_CLOEXEC, attributes);
  int reason = errno;
  if (context >= 0) close(context);
  errno = reason;
  return mount;
}

/* Mounts `mount` at `name` in `root` and opens the root of the mount; -1 with errno. */
static int mount_top(int root, const char *name, int mount) {
  int point = mount < 0 ? -1 : top_folder(root, name, 0755);
  int reason = errno;
  bool ok = point >= 0 && attach(mount, point, "") == 0;
  if (ok)
    reason = 0;
  else if (point >= 0)
    reason = errno;
  else if (mount >= 0)
    close(mount);
  if (point >= 0) close(point);
  errno = reason;
  return ok ? openat(root, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
}

static char *cover(int dir, const char *name) {
  int fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return errno == ENOENT ? NULL : failed("open", name);
  int mount = clone_mount(fd);
  if (mount < 0) return failed("take hold of", name);
  char *failure = restrict_mount(mount, true);
  if (failure != NULL) {
    close(mount);
    return failure;
  }
  return attach(mount, dir, name) == 0 ? NULL : failed("protect", name);
}

static char *mount_proc(int root, int *sysctl) {
  static const char *const COVERED[] = {"sys", "sysrq-trigger", "irq", "bus"};
  int proc = mount_top(root, "proc",
                       new_mount("proc", NULL, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC));
  if (proc < 0) return failed("mount", "/proc");
  *sysctl = openat(proc, "sys", O_PATH | O_DIRECTORY | O_CLOEXEC);
  char *failure = *sysctl < 0 ? failed("open", "/proc/sys") : NULL;
  for (size_t i = 0; failure == NULL && i < DL_COUNT(COVERED); i++) failure = cover(proc, COVERED[i]);
  close(proc);
  return failure;
}

static char *bind_into(int dir, const char *name, const char *source, bool is_read_only) {
  int fd = open(source, O_PATH | O_CLOEXEC);
  int mount = fd < 0 ? -1 : clone_mount(fd);
  if (mount < 0) return failed("take hold of", source);
  char *failure = is_read_only ? restrict_mount(mount, true) : NULL;
  if (failure != NULL) {
    close(mount);
    return failure;
  }
  return attach(mount, dir, name) == 0 ? NULL : failed("mount", source);
}

static char *make_devices(int dev) {
  static const char *const DEVICES[] = {"null", "zero", "full", "random", "urandom", "tty"};
  static const char *const LINKS[][2] = {{"stdin", "/proc/self/fd/0"},
                                         {"stdout", "/proc/self/fd/1"},
                                         {"stderr", "/proc/self/fd/2"},
                                         {"fd", "/proc/self/fd"},
                                         {"ptmx", "pts/ptmx"}};
  char *failure = NULL;
  for (size_t i = 0; failure == NULL && i < DL_COUNT(DEVICES); i++) {
    char source[32];
    snprintf(source, sizeof source, "/dev/%s", DEVICES[i]);
    int fd = openat(dev, DEVICES[i], O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0) return failed("make", source);
    close(fd);
    failure = bind_into(dev, DEVICES[i], source, false);
  }
  for (size_t i = 0; failure == NULL && i < DL_COUNT(LINKS); i++)
    if (symlinkat(LINKS[i][1], dev, LINKS[i][0]) != 0) failure = failed("make", LINKS[i][0]);
  return failure;
}

static char *mount_below(int dir, const char *name, int mount) {
  if (mount < 0) return failed("mount", name);
  if (mkdirat(dir, name, 0755) != 0) {
    close(mount);
    return failed("make", name);
  }
  return attach(mount, dir, name) == 0 ? NULL : failed("mount", name);
}

/* --- the server's own system --- */

typedef struct {
  int dir;
  size_t count;
  char *seen[8];
} libraries_t;

/* The folders of the libraries that this program uses, as lib0, lib1, ... */
static int link_library(struct dl_phdr_info *info, size_t size, void *user) {
  libraries_t *l = user;
  (void)size;
  if (info->dlpi_name[0] != '/') return 0;
  char *path = realpath(info->dlpi_name, NULL);
  char *slash = path != NULL ? strrchr(path, '/') : NULL;
  bool is_new = slash != NULL && dl_starts_with(path, "/usr/") && l->count < DL_COUNT(l->seen);
  if (slash != NULL) *slash = '\0';
  for (size_t i = 0; is_new && i < l->count; i++) is_new = strcmp(l->seen[i], path) != 0;
  if (is_new) {
    char name[16];
    snprintf(name, sizeof name, "lib%zu", l->count);
    l->seen[l->count++] = dl_xstrdup(path);
    if (symlinkat(path + 1, l->dir, name) != 0) dl_warn("cannot link %s: %s", path, strerror(errno));
  }
  free(path);
  return 0;
}

/* The program that starts another one of the server's system with that system's loader. */
static char *write_starter(int dir) {
  int fd = openat(dir, "start", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
  bool ok =
    fd >= 0 && write(fd, DL_STARTER, DL_STARTER_SIZE) == (ssize_t)DL_STARTER_SIZE && fchmod(fd, 0755) == 0;
  char *failure = ok ? NULL : failed("write", "the starter of git");
  if (fd >= 0) close(fd);
  return failure;
}

/* False: the server's system has none that the box could use, nor then its programs. */
static bool link_loader(int dir) {
  char *loader = realpath(DL_LOADER, NULL);
  bool ok = loader != NULL && dl_starts_with(loader, "/usr/") && symlinkat(loader + 1, dir, "loader") == 0;
  free(loader);
  return ok;
}

static char *place_desktop(int dir) {
  if (mknodat(dir, "desktop", S_IFREG | 0644, 0) != 0) return failed("make", DL_HIDDEN_DESKTOP);
  return bind_into(dir, "desktop", STAGE "/d", true);
}

/* Those that git starts as programs of their own. */
static char *link_git(int dir) {
  static const char *const NAMES[] = {"git",
                                      "git-remote-http",
                                      "git-remote-https",
                                      "git-upload-pack",
                                      "git-receive-pack",
                                      "git-upload-archive"};
  static const char *const PLACES[] = {"/usr/lib/git-core", "/usr/libexec/git-core"};
  size_t place = 0;
  while (place < DL_COUNT(PLACES) && access(PLACES[place], X_OK) != 0) place++;
  if (place == DL_COUNT(PLACES)) return NULL; /* then the image's, if it has one */
  if (symlinkat(PLACES[place] + 1, dir, "git-core") != 0 || mkdirat(dir, "git", 0755) != 0)
    return failed("prepare", "git");
  for (size_t i = 0; i < DL_COUNT(NAMES); i++) {
    char name[48];
    snprintf(name, sizeof name, "git/%s", NAMES[i]);
    if (symlinkat("../start", dir, name) != 0) return failed("link", name);
  }
  return write_starter(dir);
}

static char *fill_hidden(const json_t *image, int dir) {
  if (mkdirat(dir, "usr", 0755) != 0) return failed("make", DL_HIDDEN_DIR);
  char *failure = bind_into(dir, "usr", "/usr", true);
  if (failure == NULL && access("/etc/ssl/certs", X_OK) == 0)
    failure = mkdirat(dir, "certs", 0755) == 0 ? bind_into(dir, "certs", "/etc/ssl/certs", true)
                                               : failed("make", DL_HIDDEN_DIR "/certs");
  if (failure == NULL && dl_json_str(image, "nodeModules") != NULL)
    failure = mkdirat(dir, "node_modules", 0755) == 0 ? bind_into(dir, "node_modules", STAGE "/n", true)
                                                      : failed("make", DL_HIDDEN_NODE_MODULES);
  libraries_t libraries = {.dir = dir};
  if (failure == NULL) dl_iterate_phdr(link_library, &libraries);
  for (size_t i = 0; i < libraries.count; i++) free(libraries.seen[i]);
  if (failure != NULL || !link_loader(dir)) return failure;
  if (dl_json_str(image, "desktop") != NULL) failure = place_desktop(dir);
  return failure == NULL ? link_git(dir) : failure;
}

static char *make_hidden(const json_t *image, int dev) {
  const char *name = strrchr(DL_HIDDEN_DIR, '/') + 1;
  if (mkdirat(dev, name, 0755) != 0) return failed("make", DL_HIDDEN_DIR);
  int dir = openat(dev, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  char *failure = dir < 0 ? failed("open", DL_HIDDEN_DIR) : fill_hidden(image, dir);
  close_fd(&dir);
  return failure;
}

/* --- /dev --- */

static char *fill_dev(const json_t *image, int dev) {
  static const char *const PTS[][2] = {
    {"ptmxmode", "0666"}, {"mode", "620"}, {"max", DL_BOX_TERMINALS}, {NULL, NULL}};
  static const char *const SHM[][2] = {{"mode", "1777"}, {"size", SHM_SIZE}, {NULL, NULL}};
  char *failure = make_devices(dev);
  if (failure == NULL)
    failure = mount_below(dev, "pts", new_mount("devpts", PTS, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC));
  if (failure == NULL)
    failure = mount_below(dev, "shm", new_mount("tmpfs", SHM, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV));
  if (failure == NULL) failure = make_hidden(image, dev);
  struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};
  if (failure == NULL && mount_setattr(dev, "", AT_EMPTY_PATH, &attr, sizeof attr) != 0)
    failure = failed("protect", "/dev");
  return failure;
}

static char *mount_dev(const json_t *image, int root) {
  static const char *const OPTIONS[][2] = {{"mode", "0755"}, {"size", "1m"}, {NULL, NULL}};
  int dev = mount_top(root, "dev", new_mount("tmpfs", OPTIONS, MOUNT_ATTR_NOSUID));
  if (dev < 0) return failed("mount", "/dev");
  char *failure = fill_dev(image, dev);
  close(dev);
  return failure;
}

/* --- /etc --- */

static bool has_text(int dir, const char *name, const char *text) {
  char have[4096];
  struct stat st;
  size_t len = strlen(text);
  int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return false;
  bool same = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (size_t)st.st_size == len && len <= sizeof have &&
              read(fd, have, len) == (ssize_t)len && memcmp(have, text, len) == 0;
  close(fd);
  return same;
}

/* A new file in the place of what has the name, which may be a link to anywhere. */
static void write_etc(int dir, const char *name, const char *text) {
  static const char NEW[] = ".daytona-new";
  if (has_text(dir, name, text)) return;
  unlinkat(dir, NEW, 0);
  int fd = openat(dir, NEW, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
  bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) && fchmod(fd, 0644) == 0 &&
            renameat(dir, NEW, dir, name) == 0;
  if (!ok) dl_warn("cannot write /etc/%s of the image: %s", name, strerror(errno));
  if (fd >= 0) close(fd);
  if (!ok) unlinkat(dir, NEW, 0);
}

/* An /etc that is a link, or is no folder, stays what it is: a box that has made it so must start again. */
static void write_etc_files(const json_t *image, int root) {
  static const char *const NAMES[] = {"hosts", "hostname", "resolv.conf"};
  if (mkdirat(root, "etc", 0755) != 0 && errno != EEXIST)
    dl_warn("cannot make /etc of the image: %s", strerror(errno));
  int etc = openat(root, "etc", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (etc < 0) return;
  for (size_t i = 0; i < DL_COUNT(NAMES); i++) {
    const char *text = dl_json_str(dl_json_get(image, "etc"), NAMES[i]);
    if (text != NULL) write_etc(etc, NAMES[i], text);
  }
  close(etc);
}

/* --- volumes --- */

static char *not_a_place(const char *target) {
  const char *reason = errno == ENOTDIR                    ? "not a directory"
                       : errno == EXDEV                    ? "it leads into /dev, /proc or another volume"
                       : errno == EEXIST || errno == ELOOP ? "a link that leads nowhere"
                                                           : strerror(errno);
  return dl_xprintf("a volume cannot be mounted at '%s': %s", target, reason);
}

static char *mount_volumes(const json_t *image, int root) {
  const json_t *volumes = json_object_get(image, "volumes");
  int points[VOLUMES_MAX];
  size_t count = json_array_size(volumes), opened = 0;
  char *failure = count > VOLUMES_MAX ? dl_xprintf("more than %d volumes", VOLUMES_MAX) : NULL;
  for (; failure == NULL && opened < count; opened++) {
    const char *target = dl_json_str(json_array_get(volumes, opened), "target");
    points[opened] = make_in_root(root, target, (uid_t)-1, (gid_t)-1, RESOLVE_NO_XDEV);
    if (points[opened] < 0) failure = not_a_place(target);
  }
  for (size_t i = 0; failure == NULL && i < count; i++) {
    char source[32];
    snprintf(source, sizeof source, STAGE "/v%zu", i);
    failure = bind_into(points[i], "", source, false);
  }
  for (size_t i = 0; i < opened; i++) close_fd(&points[i]);
  return failure;
}

static char *change_root(int root) {
  if (fchdir(root) != 0 || syscall(SYS_pivot_root, ".", ".") != 0 || umount2(".", MNT_DETACH) != 0 ||
      chdir("/") != 0)
    return failed("make", "the image's root ours");
  return NULL;
}

char *dl_image_root_enter(const json_t *image, int root, int *sysctl) {
  char *failure = mount_proc(root, sysctl);
  if (failure == NULL) failure = mount_dev(image, root);
  if (failure == NULL) {
    static const struct {
      const char *name;
      mode_t mode;
    } FOLDERS[] = {{"sys", 0555}, {"tmp", 01777}};
    for (size_t i = 0; failure == NULL && i < DL_COUNT(FOLDERS); i++) {
      struct stat st;
      if (fstatat(root, FOLDERS[i].name, &st, AT_SYMLINK_NOFOLLOW) == 0) continue;
      int fd = top_folder(root, FOLDERS[i].name, FOLDERS[i].mode);
      if (fd < 0) failure = failed("make", FOLDERS[i].name);
      close_fd(&fd);
    }
  }
  if (failure == NULL) write_etc_files(image, root);
  if (failure == NULL) failure = mount_volumes(image, root);
  return failure == NULL ? change_root(root) : failure;
}
