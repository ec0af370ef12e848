/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the file endpoints share. The disk may be slow, and a path may lead to anything, so nothing
 * here runs on the loop: a call is a job on the thread pool that is answered when it is over.
 *
 * Paths are taken as they come, relative ones from the working directory. The box is the isolation:
 * all that can be reached is the sandbox's own. (With --isolation=none there is no box, and these
 * endpoints reach whatever the user of the server can.)
 */
#ifndef DL_FILEIO_H
#define DL_FILEIO_H

#include "base/jsonx.h"
#include "http/http.h"
#include "toolbox/core/toolbox.h"

#include <stdatomic.h>
#include <sys/stat.h>

/* Ceilings of one response. */
#define DL_FS_ENTRIES_MAX 200000u
#define DL_FS_TEXT_MAX (64u * 1024 * 1024)

typedef struct dl_fs_job dl_fs_job_t;
struct dl_fs_job {
  uv_work_t work;
  dl_toolbox_t *tb;
  dl_req_t *req;
  void (*run)(dl_fs_job_t *job);             /* on the thread pool */
  char *path, *other, *mode, *owner, *group; /* from the query, or NULL */
  json_t *body;
  int64_t depth;
  bool flag;
  atomic_bool is_abandoned; /* the client has gone: long walks end */

  /* The response, set by `run`. */
  int status;
  json_t *json;
  const char *code; /* of an error */
  char *message;    /* set: an error */
};

/* The value of a query key, percent-decoded to any bytes but NUL (a path need not be UTF-8). NULL when
 * absent or not decodable. Yours to free. */
char *dl_fs_query(const dl_req_t *req, const char *key);

dl_fs_job_t *dl_fs_job_new(dl_toolbox_t *tb, dl_req_t *req, void (*run)(dl_fs_job_t *job));
/* Runs it, answers and frees it. */
void dl_fs_job_start(dl_fs_job_t *job);
void dl_fs_job_free(dl_fs_job_t *job);
/* Answers 400 and frees the job when one of its texts is missing. */
bool dl_fs_job_require(dl_fs_job_t *job, const char *name, const char *value);

void dl_fs_fail(dl_fs_job_t *job, int status, const char *code, const char *fmt, ...) DL_PRINTF(4, 5);
/* A file that cannot be looked at: 404 FILE_NOT_FOUND, 403 FILE_ACCESS_DENIED, else 400. */
void dl_fs_fail_errno(dl_fs_job_t *job, int error, const char *what, const char *path);
/* The status and code of that. */
int dl_fs_errno_status(int error, const char **code);

/* "what path: no such file or directory". Yours to free. */
char *dl_fs_os_text(const char *what, const char *path, int error);

json_t *dl_fs_info(const char *name, const struct stat *st);

/* Makes a folder and its parents. 0, or errno with *failed naming the folder (yours to free). */
int dl_fs_make_dirs(const char *path, mode_t mode, char **failed);
/* The folder that `path` is in. Yours to free. */
char *dl_fs_parent(const char *path);
/* The last segment, as Go's path.Base: "/" for the root, "." for nothing. Yours to free. */
char *dl_fs_base(const char *path);
/* `root` and `name` with exactly one slash between. Yours to free. */
char *dl_fs_join(const char *root, const char *name);

bool dl_fs_write_all(int fd, const char *bytes, size_t len);
/* Up to `len` bytes from `at`; fewer only at the end of the file. -1 and errno. */
ssize_t dl_fs_read_at(int fd, char *out, size_t len, int64_t at);

/* Walks in lexical order. Links are not followed, and what cannot be read is left out. `visit` gets
 * the path below the root as `rel`, and returns false to end the walk. */
typedef bool (*dl_fs_visit_cb)(void *user, const char *path, const char *rel, const struct stat *st);
/* The root itself first, with rel "". False when something had to be left out. */
bool dl_fs_walk(const char *root, dl_fs_visit_cb visit, void *user);
/* Without the root, which may be a link to a folder; `depth` levels. */
void dl_fs_walk_below(const char *root, int64_t depth, dl_fs_visit_cb visit, void *user);

#endif
