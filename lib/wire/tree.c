/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walking; see tree.h. A frame per open folder, on a stack; each holds the sorted names of its folder. The path of the
 * entry is one text, of which each frame knows how much is its own. It runs on the thread pool, so that its memory is
 * malloc()'s: daytona/memory.h.
 */
#include "wire/tree.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Below the beginning; the system takes 4 KiB in one call, and this is one component after the other. */
enum { PATH_SIZE_MAX = 64 * 1024, LINK_MAX_SIZE = 4096 };

/* A text that grows. */
typedef struct text {
  char *data;
  size_t size, room;
} text_t;

typedef struct name {
  const char *text; /* in the frame's block */
  bool is_folder;
} name_t;

typedef struct frame {
  int fd;
  text_t block; /* the names, each with its NUL */
  name_t *names;
  size_t count, next;
  size_t path_size; /* of the folder's own path */
} frame_t;

struct daytona__tree {
  char *root;
  daytona__tree_order_t order;
  bool has_begun;
  frame_t frames[DAYTONA__TREE_DEPTH_MAX];
  size_t depth;
  size_t names_size; /* of all frames, for the ceiling */
  text_t path;
  daytona__tree_entry_t entry;
  char target[LINK_MAX_SIZE + 1];
  int parent, file;       /* descriptors: where the entry is; the one that is read, or -1 */
  const char *entry_name; /* in the parent */
  struct stat opened;     /* of the file */
  int64_t left;           /* of its bytes */
  uint64_t fingerprint;
  daytona_errcode_t code;
  int system_errno;
  char text[512];
};

/* --- failing ----------------------------------------------------------------------------------- */

static void fail(daytona__tree_t *tree, daytona_errcode_t code, const char *what, int error) {
  if (tree->code != DAYTONA_OK) return;
  const char *path = tree->path.data != NULL ? tree->path.data : "";
  bool is_below = *path != '\0';
  tree->code = error == ENOMEM ? DAYTONA_ENOMEM : code;
  tree->system_errno = error;
  snprintf(tree->text, sizeof tree->text, "%.200s%s%.200s: %s%s%s", tree->root, is_below ? "/" : "", path,
           what, error != 0 ? ": " : "", error != 0 ? strerror(error) : "");
}

static void fail_io(daytona__tree_t *tree, const char *what) { fail(tree, DAYTONA_EIO, what, errno); }

static bool fail_memory(daytona__tree_t *tree) {
  fail(tree, DAYTONA_ENOMEM, "out of memory", 0);
  return false;
}

/* Append `size` bytes; more than `max` in all are too many, of what `limit` says. */
static bool append(daytona__tree_t *tree, text_t *text, const char *bytes, size_t size, size_t max,
                   const char *limit) {
  if (size > max || text->size > max - size) {
    fail(tree, DAYTONA_ELIMIT, limit, 0);
    return false;
  }
  if (text->room - text->size < size) {
    size_t room = text->room + text->room / 2 + size + 256;
    char *data = realloc(text->data, room);
    if (data == NULL) return fail_memory(tree);
    text->data = data;
    text->room = room;
  }
  memcpy(text->data + text->size, bytes, size);
  text->size += size;
  return true;
}

daytona_errcode_t daytona__tree_error(const daytona__tree_t *tree, const char **text, int *system_errno) {
  *text = tree->text;
  *system_errno = tree->system_errno;
  return tree->code;
}

/* --- the fingerprint --------------------------------------------------------------------------- */

static uint64_t mix(uint64_t hash, const void *bytes, size_t size) {
  const unsigned char *at = bytes;
  for (size_t i = 0; i < size; i++) hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
  return hash;
}

/* A sum, so that both orders come to the same. What is not in the archive, such as the time of a folder, is left out. */
static void note(daytona__tree_t *tree) {
  const daytona__tree_entry_t *entry = &tree->entry;
  const struct stat *stat = &entry->stat;
  uint64_t hash = mix(UINT64_C(0xcbf29ce484222325), entry->path, strlen(entry->path) + 1);
  const int64_t facts[] = {(int64_t)stat->st_mode, (int64_t)stat->st_ino,          (int64_t)stat->st_size,
                           stat->st_mtim.tv_sec,   (int64_t)stat->st_mtim.tv_nsec, stat->st_ctim.tv_sec,
                           stat->st_ctim.tv_nsec};
  size_t count = S_ISDIR(stat->st_mode) ? 2 : sizeof facts / sizeof facts[0];
  hash = mix(hash, facts, count * sizeof facts[0]);
  if (entry->target != NULL) hash = mix(hash, entry->target, strlen(entry->target) + 1);
  tree->fingerprint += hash ^ hash >> 29;
}

uint64_t daytona__tree_fingerprint(const daytona__tree_t *tree) { return tree->fingerprint; }

/* --- folders ----------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b) {
  return strcmp(((const name_t *)a)->text, ((const name_t *)b)->text);
}

static int compare_files_first(const void *a, const void *b) {
  const name_t *one = a, *other = b;
  return one->is_folder != other->is_folder ? one->is_folder - other->is_folder : compare(a, b);
}

static bool is_folder(int folder, const struct dirent *item) {
  struct stat stat;
  if (item->d_type != DT_UNKNOWN) return item->d_type == DT_DIR;
  return fstatat(folder, item->d_name, &stat, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(stat.st_mode);
}

/* All names into the block, each behind one character that says what it is. */
static bool read_names(daytona__tree_t *tree, frame_t *frame, DIR *folder) {
  static const char limit[] = "too many files in the folders";
  const size_t max = DAYTONA__TREE_NAMES_MAX - tree->names_size;
  struct dirent *item;
  errno = 0;
  while ((item = readdir(folder)) != NULL) {
    if (strcmp(item->d_name, ".") == 0 || strcmp(item->d_name, "..") == 0) continue;
    const char *kind = is_folder(frame->fd, item) ? "/" : "-";
    if (!append(tree, &frame->block, kind, 1, max, limit) ||
        !append(tree, &frame->block, item->d_name, strlen(item->d_name) + 1, max, limit))
      return false;
    frame->count++;
    errno = 0;
  }
  if (errno != 0) fail_io(tree, "cannot read the folder");
  return tree->code == DAYTONA_OK;
}

static bool sort_names(daytona__tree_t *tree, frame_t *frame) {
  if (frame->count == 0) return true;
  frame->names = calloc(frame->count, sizeof *frame->names);
  if (frame->names == NULL) return fail_memory(tree);
  const char *at = frame->block.data;
  for (size_t i = 0; i < frame->count; i++, at += strlen(at) + 1)
    frame->names[i] = (name_t){at + 1, *at == '/'};
  qsort(frame->names, frame->count, sizeof *frame->names,
        tree->order == DAYTONA__TREE_BY_NAME ? compare : compare_files_first);
  return true;
}

static void leave(daytona__tree_t *tree) {
  frame_t *frame = &tree->frames[--tree->depth];
  tree->names_size -= frame->block.size;
  close(frame->fd);
  free(frame->block.data);
  free(frame->names);
}

/* Make a frame of the folder `fd`, which is taken over. */
static bool enter(daytona__tree_t *tree, int fd) {
  if (tree->depth == DAYTONA__TREE_DEPTH_MAX) {
    close(fd);
    fail(tree, DAYTONA_ELIMIT, "too many folders inside each other", 0);
    return false;
  }
  frame_t *frame = &tree->frames[tree->depth++];
  memset(frame, 0, sizeof *frame);
  frame->fd = fd;
  frame->path_size = tree->path.size;
  int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* which closedir() closes */
  DIR *folder = copy >= 0 ? fdopendir(copy) : NULL;
  bool is_read = false;
  if (folder != NULL)
    is_read = read_names(tree, frame, folder) && sort_names(tree, frame);
  else
    fail_io(tree, "cannot open the folder");
  if (folder != NULL)
    closedir(folder);
  else if (copy >= 0)
    close(copy);
  tree->names_size += frame->block.size;
  return is_read;
}

/* --- entries ----------------------------------------------------------------------------------- */

static void close_file(daytona__tree_t *tree) {
  if (tree->file >= 0) close(tree->file);
  tree->file = -1;
  tree->left = 0;
}

/* The path of the entry `name` in the folder whose own path has `size` bytes. */
static bool set_path(daytona__tree_t *tree, size_t size, const char *name) {
  static const char limit[] = "the path is too long";
  tree->path.size = size;
  bool is_set = (size == 0 || append(tree, &tree->path, "/", 1, PATH_SIZE_MAX, limit)) &&
                append(tree, &tree->path, name, strlen(name) + 1, PATH_SIZE_MAX, limit);
  if (is_set) tree->path.size--; /* the NUL is behind it */
  tree->entry.path = tree->path.data;
  return is_set;
}

/* Open the entry as it is, or with `follows` what it leads to. */
static int open_entry(daytona__tree_t *tree, int flags, bool follows) {
  return openat(tree->parent, tree->entry_name,
                O_RDONLY | O_CLOEXEC | O_NONBLOCK | flags | (follows ? 0 : O_NOFOLLOW));
}

static bool begin_file(daytona__tree_t *tree, bool follows) {
  tree->file = open_entry(tree, O_NOCTTY, follows);
  if (tree->file < 0) {
    fail_io(tree, "cannot open the local file");
    return false;
  }
  if (fstat(tree->file, &tree->opened) != 0) fail_io(tree, "cannot look at the local file");
  bool is_link = tree->entry.target != NULL;
  bool is_same = S_ISREG(tree->opened.st_mode) && (is_link || tree->opened.st_ino == tree->entry.stat.st_ino);
  if (!is_same) fail(tree, DAYTONA_EIO, "the local file was replaced while it was read", 0);
  tree->left = (int64_t)tree->opened.st_size;
  if (!is_link) tree->entry.stat = tree->opened;
  return tree->code == DAYTONA_OK;
}

static bool begin_folder(daytona__tree_t *tree, bool follows) {
  int fd = open_entry(tree, O_DIRECTORY, follows);
  if (fd < 0) {
    fail_io(tree, "cannot open the local folder");
    return false;
  }
  if (fstat(fd, &tree->entry.stat) != 0) fail_io(tree, "cannot look at the local folder");
  bool is_entered = enter(tree, fd);
  if (is_entered) tree->entry.is_empty = tree->frames[tree->depth - 1].count == 0;
  return is_entered;
}

static bool read_link(daytona__tree_t *tree) {
  ssize_t size = readlinkat(tree->parent, tree->entry_name, tree->target, LINK_MAX_SIZE);
  if (size < 0) {
    fail_io(tree, "cannot read the local link");
    return false;
  }
  tree->target[size] = '\0';
  tree->entry.target = tree->target;
  return true;
}

/* The entry whose path, parent and name are set. False: it is left out, or there is an error. */
static bool begin_entry(daytona__tree_t *tree, bool follows) {
  struct stat *stat = &tree->entry.stat;
  tree->entry.target = NULL;
  tree->entry.is_empty = false;
  if (fstatat(tree->parent, tree->entry_name, stat, follows ? 0 : AT_SYMLINK_NOFOLLOW) != 0) {
    fail_io(tree, "cannot look at the local file");
    return false;
  }
  if (S_ISDIR(stat->st_mode)) return begin_folder(tree, follows);
  if (S_ISREG(stat->st_mode)) return begin_file(tree, follows);
  if (S_ISLNK(stat->st_mode)) return read_link(tree);
  if (!S_ISSOCK(stat->st_mode) || follows)
    fail(tree, DAYTONA_EIO, "neither a regular file nor a folder nor a link", 0);
  return false;
}

const daytona__tree_entry_t *daytona__tree_next(daytona__tree_t *tree) {
  close_file(tree);
  if (tree->code != DAYTONA_OK) return NULL;
  if (!tree->has_begun) {
    tree->has_begun = true;
    tree->parent = AT_FDCWD;
    tree->entry_name = tree->root;
    bool is_there = set_path(tree, 0, "") && begin_entry(tree, true);
    if (is_there) note(tree);
    return is_there ? &tree->entry : NULL;
  }
  while (tree->depth != 0 && tree->code == DAYTONA_OK) {
    frame_t *frame = &tree->frames[tree->depth - 1];
    if (frame->next == frame->count) {
      leave(tree);
      continue;
    }
    tree->parent = frame->fd;
    tree->entry_name = frame->names[frame->next++].text;
    if (set_path(tree, frame->path_size, tree->entry_name) && begin_entry(tree, false)) {
      note(tree);
      return &tree->entry;
    }
  }
  return NULL;
}

bool daytona__tree_follow(daytona__tree_t *tree) {
  struct stat stat;
  assert(tree->entry.target != NULL && tree->file < 0);
  if (fstatat(tree->parent, tree->entry_name, &stat, 0) != 0 || !S_ISREG(stat.st_mode)) return false;
  return begin_file(tree, true);
}

static bool is_unchanged(const struct stat *one, const struct stat *other) {
  return one->st_size == other->st_size && one->st_mtim.tv_sec == other->st_mtim.tv_sec &&
         one->st_mtim.tv_nsec == other->st_mtim.tv_nsec;
}

size_t daytona__tree_read(daytona__tree_t *tree, void *out, size_t size) {
  struct stat now;
  if (tree->file < 0 || tree->code != DAYTONA_OK) return 0;
  if (tree->left == 0) {
    if (fstat(tree->file, &now) != 0)
      fail_io(tree, "cannot look at the local file");
    else if (!is_unchanged(&tree->opened, &now))
      fail(tree, DAYTONA_EIO, "the local file has changed while it was read", 0);
    return 0;
  }
  if ((int64_t)size > tree->left) size = (size_t)tree->left;
  ssize_t got;
  do {
    got = read(tree->file, out, size);
  } while (got < 0 && errno == EINTR);
  if (got < 0) fail_io(tree, "cannot read the local file");
  if (got == 0) fail(tree, DAYTONA_EIO, "the local file has become shorter", 0);
  if (got <= 0) return 0;
  tree->left -= got;
  return (size_t)got;
}

/* --- life -------------------------------------------------------------------------------------- */

daytona__tree_t *daytona__tree_new(const char *path, daytona__tree_order_t order) {
  daytona__tree_t *tree = calloc(1, sizeof *tree);
  if (tree == NULL) return NULL;
  tree->root = strdup(path);
  tree->order = order;
  tree->file = -1;
  if (tree->root != NULL) return tree;
  daytona__tree_free(tree);
  return NULL;
}

void daytona__tree_free(daytona__tree_t *tree) {
  if (tree == NULL) return;
  close_file(tree);
  while (tree->depth != 0) leave(tree);
  free(tree->path.data);
  free(tree->root);
  free(tree);
}
