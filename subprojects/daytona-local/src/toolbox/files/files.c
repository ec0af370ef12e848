/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files as objects: list, info, folder, delete, move, permissions. Statuses are the platform's: a
 * missing path is 404, a path that may not be looked at 403, what exists already 409, and every
 * other refusal 400.
 */
#include "runtime/image_user.h"
#include "toolbox/core/reply.h"
#include "toolbox/core/text.h"
#include "toolbox/files/fileio.h"
#include "toolbox/files/files.h"
#include "toolbox/files/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ACCOUNTS_MAX (1024 * 1024)

/* Octal digits only. */
static bool parse_mode(const char *text, mode_t *out) {
  size_t len = strlen(text);
  if (len == 0 || len > 8 || strspn(text, "01234567") != len) return false;
  *out = (mode_t)strtoul(text, NULL, 8) & 0777u;
  return true;
}

static void fail_text(dl_fs_job_t *job, const char *what, const char *path, int error) {
  char *text = dl_fs_os_text(what, path, error);
  dl_fs_fail(job, 400, "BAD_REQUEST", "%s", text);
  free(text);
}

/* --- list, info --- */

typedef struct {
  dl_fs_job_t *job;
  size_t count;
} listing_t;

static bool list_one(void *user, const char *path, const char *rel, const struct stat *found) {
  listing_t *l = user;
  (void)rel;
  struct stat st = *found;
  if (atomic_load(&l->job->is_abandoned)) return false;
  if (S_ISLNK(st.st_mode) && stat(path, &st) != 0) return true; /* it leads nowhere */
  if (++l->count > DL_FS_ENTRIES_MAX) {
    dl_fs_fail(l->job, 422, "UNPROCESSABLE_ENTITY", "more than %u entries below %s", DL_FS_ENTRIES_MAX,
               l->job->path);
    return false;
  }
  char *name = dl_fs_base(path);
  json_t *info = dl_fs_info(name, &st);
  if (l->job->flag) json_object_set_new(info, "path", dl_tb_text(path, strlen(path)));
  json_array_append_new(l->job->json, info);
  free(name);
  return true;
}

static void run_list(dl_fs_job_t *job) {
  struct stat st;
  listing_t l = {job, 0};
  if (stat(job->path, &st) != 0) {
    dl_fs_fail_errno(job, errno, "stat", job->path);
  } else if (!S_ISDIR(st.st_mode)) {
    fail_text(job, "open", job->path, ENOTDIR);
  } else if (access(job->path, R_OK) != 0) {
    dl_fs_fail_errno(job, errno, "open", job->path);
  } else {
    job->json = json_array();
    dl_fs_walk_below(job->path, job->depth, list_one, &l);
  }
}

/* Go clients before 0.188.0 refuse fields that they do not know. */
static bool knows_path_field(const dl_req_t *req) {
  const char *source = dl_req_header(req, "X-Daytona-Source"),
             *version = dl_req_header(req, "X-Daytona-SDK-Version");
  unsigned major = 0, minor = 0;
  if (source == NULL || strcmp(source, "sdk-go") != 0) return true;
  if (version != NULL && *version == 'v') version++;
  return version != NULL && sscanf(version, "%u.%u", &major, &minor) == 2 && (major > 0 || minor >= 188);
}

static void on_list(dl_req_t *req, void *user) {
  dl_fs_job_t *job = dl_fs_job_new(user, req, run_list);
  char *depth = dl_fs_query(req, "depth");
  bool is_good = depth == NULL || *depth == '\0' || dl_parse_int(depth, 1, INT32_MAX, &job->depth);
  if (depth == NULL || *depth == '\0') job->depth = 1;
  free(depth);
  if (!is_good) {
    dl_tb_reply_error(req, 400, "depth must be a whole number from 1 on");
    dl_fs_job_free(job);
    return;
  }
  if (job->path == NULL || *job->path == '\0') dl_set(&job->path, ".");
  job->flag = knows_path_field(req);
  dl_fs_job_start(job);
}

static void run_info(dl_fs_job_t *job) {
  struct stat st;
  if (stat(job->path, &st) != 0) {
    dl_fs_fail_errno(job, errno, "stat", job->path);
    return;
  }
  char *name = dl_fs_base(job->path);
  job->json = dl_fs_info(name, &st);
  free(name);
}

static void on_info(dl_req_t *req, void *user) {
  dl_fs_job_t *job = dl_fs_job_new(user, req, run_info);
  if (dl_fs_job_require(job, "path", job->path)) dl_fs_job_start(job);
}

/* --- folder --- */

static void run_folder(dl_fs_job_t *job) {
  char *failed = NULL;
  mode_t mode = 0755;
  if (job->mode != NULL && *job->mode != '\0' && !parse_mode(job->mode, &mode)) {
    dl_fs_fail(job, 400, "BAD_REQUEST", "mode must be octal digits");
    return;
  }
  int error = dl_fs_make_dirs(job->path, mode, &failed);
  if (error != 0) fail_text(job, "mkdir", failed, error);
  free(failed);
  job->status = error != 0 ? job->status : 201;
}

static void on_folder(dl_req_t *req, void *user) {
  dl_fs_job_t *job = dl_fs_job_new(user, req, run_folder);
  job->mode = dl_fs_query(req, "mode");
  if (dl_fs_job_require(job, "path", job->path)) dl_fs_job_start(job);
}

/* --- delete --- */

/* With a slash behind it a link stands for where it leads; these calls are about the link. */
static void cut_slashes(char *path) {
  size_t len = strlen(path);
  while (len > 1 && path[len - 1] == '/') path[--len] = '\0';
}

static void run_delete(dl_fs_job_t *job) {
  struct stat st;
  cut_slashes(job->path);
  if (lstat(job->path, &st) != 0) {
    dl_fs_fail_errno(job, errno, "stat", job->path);
    return;
  }
  if (S_ISDIR(st.st_mode) && !job->flag) {
    dl_fs_fail(job, 400, "BAD_REQUEST", "cannot delete directory without recursive flag: %s", job->path);
    return;
  }
  char *failed = NULL;
  int error = dl_tree_remove(job->path, &failed);
  if (error != 0) fail_text(job, "remove", failed, error);
  free(failed);
  job->status = error != 0 ? job->status : 204;
}

static void on_delete(dl_req_t *req, void *user) {
  dl_fs_job_t *job = dl_fs_job_new(user, req, run_delete);
  char *recursive = dl_fs_query(req, "recursive");
  job->flag = recursive != NULL && strcmp(recursive, "true") == 0;
  free(recursive);
  if (dl_fs_job_require(job, "path", job->path)) dl_fs_job_start(job);
}

/* --- move --- */

/* A folder cannot move below itself. The system refuses that by itself unless the move is a copy. */
static bool is_below(const char *path, const char *root) {
  char real_root[PATH_MAX], real[PATH_MAX];
  if (realpath(root, real_root) == NULL || realpath(path, real) == NULL) return false;
  size_t len = strlen(real_root);
  return strncmp(real, real_root, len) == 0 && (real[len] == '/' || real[len] == '\0' || len == 1);
}

static void copy_and_delete(dl_fs_job_t *job) {
  char *failed = NULL;
  int error = dl_tree_copy(job->path, job->other, &failed);
  if (error != 0) {
    char *left = NULL;
    fail_text(job, "copy", failed, error);
    dl_tree_remove(job->other, &left);
    free(left);
  } else if ((error = dl_tree_remove(job->path, &failed)) != 0) {
    char *text = dl_fs_os_text("remove", failed, error);
    job->json = json_object();
    json_object_set_new(job->json, "message",
                        json_string("file copied, but the source could not be removed"));
    json_object_set_new(job->json, "error", dl_tb_text(text, strlen(text)));
    free(text);
  }
  free(failed);
}

static int rename_new(const char *from, const char *to) {
  if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0) return 0;
  /* Some file systems do not know the flag. */
  if (errno != EINVAL && errno != ENOSYS) return errno;
  return rename(from, to) == 0 ? 0 : errno;
}

static void run_move(dl_fs_job_t *job) {
  struct stat source, other;
  cut_slashes(job->path);
  cut_slashes(job->other);
  char *parent = dl_fs_parent(job->other);
  if (lstat(job->path, &source) != 0) {
    dl_fs_fail_errno(job, errno, "stat", job->path);
  } else if (stat(parent, &other) != 0) {
    int error = errno;
    if (error == ENOENT)
      dl_fs_fail_errno(job, error, "stat", parent);
    else
      fail_text(job, "stat", parent, error);
  } else if (lstat(job->other, &other) == 0) {
    dl_fs_fail(job, 409, "CONFLICT", "destination already exists: %s", job->other);
  } else if (S_ISDIR(source.st_mode) && is_below(parent, job->path)) {
    dl_fs_fail(job, 400, "BAD_REQUEST", "cannot move a directory below itself: %s", job->path);
  } else {
    int error = rename_new(job->path, job->other);
    if (error == EXDEV)
      copy_and_delete(job);
    else if (error == EEXIST || error == ENOTEMPTY)
      dl_fs_fail(job, 409, "CONFLICT", "destination already exists: %s", job->other);
    else if (error == ENOENT)
      dl_fs_fail_errno(job, error, "rename", job->path);
    else if (error != 0)
      fail_text(job, "rename", job->path, error);
  }
  free(parent);
}

static void on_move(dl_req_t *req, void *user) {
  dl_fs_job_t *job = dl_fs_job_new(user, req, run_move);
  free(job->path);
  job->path = dl_fs_query(req, "source");
  job->other = dl_fs_query(req, "destination");
  if (dl_fs_job_require(job, "source", job->path) && dl_fs_job_require(job, "destination", job->other))
    dl_fs_job_start(job);
}

/* --- permissions --- */

static bool is_number(const char *text, int64_t *out) { return dl_parse_int(text, 0, UINT32_MAX - 1, out); }

/* In a box on an image, whose accounts the C library would look up with libraries that the image names. Any process of
 * the box may be writing the file. Yours to free. */
static char *read_accounts(const char *path) {
  struct stat st;
  char *text = dl_xcalloc(1, ACCOUNTS_MAX + 1);
  int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  size_t len = 0;
  if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
    for (ssize_t got; len < ACCOUNTS_MAX && (got = read(fd, text + len, ACCOUNTS_MAX - len)) > 0;)
      len += (size_t)got;
  if (fd >= 0) close(fd);
  return text;
}

static bool find_user(const dl_toolbox_t *tb, const char *text, uid_t *out) {
  struct passwd entry, *found = NULL;
  char buffer[16384];
  int64_t number;
  if (is_number(text, &number)) {
    *out = (uid_t)number;
    return true;
  }
  if (tb->hidden_dir != NULL) {
    char *accounts = read_accounts("/etc/passwd");
    bool is_found = dl_image_uid(accounts, text, out);
    free(accounts);
    return is_found;
  }
  if (getpwnam_r(text, &entry, buffer, sizeof buffer, &found) != 0 || found == NULL) return false;
  *out = found->pw_uid;
  return true;
}

static bool find_group(const dl_toolbox_t *tb, const char *text, gid_t *out) {
  struct group entry, *found = NULL;
  char buffer[16384];
  int64_t number;
  if (is_number(text, &number)) {
    *out = (gid_t)number;
    return true;
  }
  if (tb->hidden_dir != NULL) {
    char *accounts = read_accounts("/etc/group");
    bool is_found = dl_image_gid(accounts, text, out);
    free(accounts);
    return is_found;
  }
  if (getgrnam_r(text, &entry, buffer, sizeof buffer, &found) != 0 || found == NULL) return false;
  *out = found->gr_gid;
  return true;
}

static bool is_set(const char *text) { return text != NULL && *text != '\0'; }

static void run_permissions(dl_fs_job_t *job) {
  struct stat st;
  mode_t mode;
  uid_t uid = (uid_t)-1;
  gid_t gid = (gid_t)-1;
  if (stat(job->path, &st) != 0) {
    dl_fs_fail_errno(job, errno, "stat", job->path);
    return;
  }
  if (is_set(job->mode)) {
    if (!parse_mode(job->mode, &mode)) {
      dl_fs_fail(job, 400, "BAD_REQUEST", "mode must be octal digits");
      return;
    }
    if (chmod(job->path, mode) != 0) {
      fail_text(job, "chmod", job->path, errno);
      return;
    }
  }
  if (is_set(job->owner) && !find_user(job->tb, job->owner, &uid)) {
    dl_fs_fail(job, 400, "BAD_REQUEST", "unknown user %s", job->owner);
  } else if (is_set(job->group) && !find_group(job->tb, job->group, &gid)) {
    dl_fs_fail(job, 400, "BAD_REQUEST", "unknown group %s", job->group);
  } else if ((uid != (uid_t)-1 || gid != (gid_t)-1) && chown(job->path, uid, gid) != 0) {
    fail_text(job, "chown", job->path, errno);
  }
}

static void on_permissions(dl_req_t *req, void *user) {
  dl_fs_job_t *job = dl_fs_job_new(user, req, run_permissions);
  job->mode = dl_fs_query(req, "mode");
  job->owner = dl_fs_query(req, "owner");
  job->group = dl_fs_query(req, "group");
  if (dl_fs_job_require(job, "path", job->path)) dl_fs_job_start(job);
}

static const dl_route_t ROUTES[] = {
  {"GET", "/files", on_list, DL_TB_ANY_SLASH}, {"DELETE", "/files", on_delete, DL_TB_ANY_SLASH},
  {"GET", "/files/info", on_info, 0},          {"POST", "/files/folder", on_folder, 0},
  {"POST", "/files/move", on_move, 0},         {"POST", "/files/permissions", on_permissions, 0},
};
const dl_route_table_t DL_TB_FILES_ROUTES = {ROUTES, DL_COUNT(ROUTES)};
