/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jobs on the thread pool, names, errors and walks of the file endpoints. A job belongs to the loop
 * before and after its `run`, and to one thread of the pool during it; only `is_abandoned` is shared.
 */
#include "toolbox/files/fileio.h"

#include "base/jsonx.h"
#include "base/thread.h"
#include "http/http.h"
#include "toolbox/core/reply.h"
#include "toolbox/core/text.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* --- queries --- */

static int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static char *decode(const char *text, size_t len) {
  char *out = dl_xmalloc(len + 1);
  size_t n = 0;
  for (size_t i = 0; i < len; i++) {
    int c = text[i] == '+' ? ' ' : (unsigned char)text[i];
    if (c == '%') {
      int high = len - i > 2 ? hex_digit(text[i + 1]) : -1, low = len - i > 2 ? hex_digit(text[i + 2]) : -1;
      c = high < 0 || low < 0 ? 0 : high << 4 | low;
      i += 2;
    }
    if (c == 0) {
      free(out);
      return NULL;
    }
    out[n++] = (char)c;
  }
  out[n] = '\0';
  return out;
}

char *dl_fs_query(const dl_req_t *req, const char *key) {
  for (const char *at = dl_req_raw_query(req); *at != '\0';) {
    size_t len = strcspn(at, "&");
    const char *equals = memchr(at, '=', len);
    size_t key_len = equals ? (size_t)(equals - at) : len;
    char *name = decode(at, key_len);
    bool is_it = name != NULL && strcmp(name, key) == 0;
    free(name);
    if (is_it) return equals ? decode(equals + 1, len - key_len - 1) : dl_xstrdup("");
    at += len + (at[len] == '&');
  }
  return NULL;
}

/* --- jobs --- */

dl_fs_job_t *dl_fs_job_new(dl_toolbox_t *tb, dl_req_t *req, void (*run)(dl_fs_job_t *job)) {
  dl_fs_job_t *job = dl_xcalloc(1, sizeof *job);
  job->tb = tb;
  job->req = req;
  job->run = run;
  job->status = 200;
  job->work.data = job;
  job->path = dl_fs_query(req, "path");
  return job;
}

void dl_fs_job_free(dl_fs_job_t *job) {
  free(job->path);
  free(job->other);
  free(job->mode);
  free(job->owner);
  free(job->group);
  free(job->message);
  json_decref(job->body);
  json_decref(job->json);
  free(job);
}

bool dl_fs_job_require(dl_fs_job_t *job, const char *name, const char *value) {
  if (value != NULL && *value != '\0') return true;
  dl_tb_reply_error(job->req, 400, "%s is required", name);
  dl_fs_job_free(job);
  return false;
}

static void on_work(uv_work_t *work) {
  dl_fs_job_t *job = work->data;
  assert(dl_off_loop_thread());
  job->run(job);
}

static void on_worked(uv_work_t *work, int status) {
  dl_fs_job_t *job = work->data;
  (void)status; /* never cancelled */
  assert(job->tb->live_count > 0);
  assert(job->message == NULL || job->status >= 400);
  job->tb->live_count--;
  dl_req_on_gone(job->req, NULL, NULL);
  if (job->message != NULL) {
    dl_tb_reply_error_code(job->req, job->status, job->code, "%s", job->message);
  } else if (job->json != NULL) {
    dl_tb_reply_json(job->req, job->status, job->json);
    job->json = NULL;
  } else {
    dl_tb_add_request_id(job->req);
    dl_reply_empty(job->req, job->status);
  }
  dl_fs_job_free(job);
}

static void on_gone(dl_req_t *req, void *user) {
  (void)req;
  dl_fs_job_t *job = user;
  atomic_store(&job->is_abandoned, true);
}

void dl_fs_job_start(dl_fs_job_t *job) {
  job->tb->live_count++;
  dl_req_on_gone(job->req, on_gone, job);
  uv_queue_work(job->tb->loop, &job->work, on_work, on_worked);
}

/* --- errors --- */

void dl_fs_fail(dl_fs_job_t *job, int status, const char *code, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  free(job->message);
  job->message = dl_xvprintf(fmt, args);
  va_end(args);
  job->status = status;
  job->code = code;
}

int dl_fs_errno_status(int error, const char **code) {
  *code = error == ENOENT                     ? "FILE_NOT_FOUND"
          : error == EACCES || error == EPERM ? "FILE_ACCESS_DENIED"
                                              : "BAD_REQUEST";
  return error == ENOENT ? 404 : error == EACCES || error == EPERM ? 403 : 400;
}

char *dl_fs_os_text(const char *what, const char *path, int error) {
  char text[128];
  dl_tb_errno_text(error, text, sizeof text);
  return dl_xprintf("%s %s: %s", what, path, text);
}

void dl_fs_fail_errno(dl_fs_job_t *job, int error, const char *what, const char *path) {
  const char *code;
  int status = dl_fs_errno_status(error, &code);
  if (status == 404) {
    dl_fs_fail(job, status, code, "file not found: %s", path);
  } else if (status == 403) {
    dl_fs_fail(job, status, code, "permission denied: %s", path);
  } else {
    char *text = dl_fs_os_text(what, path, error);
    dl_fs_fail(job, status, code, "%s", text);
    free(text);
  }
}

/* --- FileInfo --- */

static void mode_text(mode_t mode, char out[16]) {
  static const char bits[] = "rwxrwxrwx";
  char *at = out;
  if (S_ISDIR(mode)) *at++ = 'd';
  if (S_ISBLK(mode) || S_ISCHR(mode)) *at++ = 'D';
  if (S_ISFIFO(mode)) *at++ = 'p';
  if (S_ISSOCK(mode)) *at++ = 'S';
  if (mode & S_ISUID) *at++ = 'u';
  if (mode & S_ISGID) *at++ = 'g';
  if (S_ISCHR(mode)) *at++ = 'c';
  if (mode & S_ISVTX) *at++ = 't';
  if (at == out) *at++ = '-';
  for (int i = 0; i < 9; i++) *at++ = mode & (0400u >> i) ? bits[i] : '-';
  *at = '\0';
}

/* A fraction without trailing zeros, with its point; empty when there is none. */
static void fraction(long nanoseconds, char out[16]) {
  snprintf(out, 16, ".%09ld", nanoseconds);
  size_t len = 10;
  while (len > 1 && out[len - 1] == '0') len--;
  out[len == 1 ? 0 : len] = '\0';
}

static void set_text(json_t *object, const char *key, const char *text) {
  json_object_set_new(object, key, dl_tb_text(text, strlen(text)));
}

json_t *dl_fs_info(const char *name, const struct stat *st) {
  char mode[16], tail[16], text[96], day[24] = "", clock[16] = "";
  struct tm parts;
  json_t *info = json_object();
  mode_text(st->st_mode, mode);
  fraction(st->st_mtim.tv_nsec, tail);
  if (gmtime_r(&st->st_mtim.tv_sec, &parts) != NULL) {
    strftime(day, sizeof day, "%Y-%m-%d", &parts);
    strftime(clock, sizeof clock, "%H:%M:%S", &parts);
  }
  set_text(info, "name", name);
  json_object_set_new(info, "size", json_integer(st->st_size));
  set_text(info, "mode", mode);
  snprintf(text, sizeof text, "%s %s%s +0000 UTC", day, clock, tail);
  set_text(info, "modTime", text);
  snprintf(text, sizeof text, "%sT%s%sZ", day, clock, tail);
  set_text(info, "modifiedAt", text);
  json_object_set_new(info, "isDir", json_boolean(S_ISDIR(st->st_mode)));
  snprintf(text, sizeof text, "%u", (unsigned)st->st_uid);
  set_text(info, "owner", text);
  snprintf(text, sizeof text, "%u", (unsigned)st->st_gid);
  set_text(info, "group", text);
  snprintf(text, sizeof text, "%04o", (unsigned)st->st_mode & 0777u);
  set_text(info, "permissions", text);
  return info;
}

/* --- names --- */

static size_t without_slashes(const char *path) {
  size_t len = strlen(path);
  while (len > 1 && path[len - 1] == '/') len--;
  return len;
}

char *dl_fs_parent(const char *path) {
  size_t len = without_slashes(path);
  while (len > 0 && path[len - 1] != '/') len--;
  if (len == 0) return dl_xstrdup(".");
  while (len > 1 && path[len - 1] == '/') len--;
  return dl_xstrndup(path, len);
}

char *dl_fs_base(const char *path) {
  size_t len = without_slashes(path), at = len;
  if (len == 0) return dl_xstrdup(".");
  if (len == 1) return dl_xstrndup(path, 1);
  while (at > 0 && path[at - 1] != '/') at--;
  return dl_xstrndup(path + at, len - at);
}

char *dl_fs_join(const char *root, const char *name) {
  size_t len = without_slashes(root);
  if (strcmp(root, ".") == 0) return dl_xstrdup(name);
  if (len == 1 && root[0] == '/') len = 0;
  return dl_xprintf("%.*s/%s", (int)len, root, name);
}

int dl_fs_make_dirs(const char *path, mode_t mode, char **failed) {
  struct stat st;
  if (stat(path, &st) == 0) {
    if (S_ISDIR(st.st_mode)) return 0;
    *failed = dl_xstrdup(path);
    return ENOTDIR;
  }
  char *parent = dl_fs_parent(path);
  int error = strcmp(parent, path) == 0 ? 0 : dl_fs_make_dirs(parent, mode, failed);
  free(parent);
  if (error != 0 || mkdir(path, mode) == 0) return error;
  error = errno;
  /* Somebody else may have made it meanwhile. */
  if (error == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode)) return 0;
  *failed = dl_xstrdup(path);
  return error;
}

/* --- bytes --- */

bool dl_fs_write_all(int fd, const char *bytes, size_t len) {
  while (len > 0) {
    ssize_t put = write(fd, bytes, len);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return false;
    bytes += put;
    len -= (size_t)put;
  }
  return true;
}

ssize_t dl_fs_read_at(int fd, char *out, size_t len, int64_t at) {
  size_t have = 0;
  while (have < len) {
    ssize_t got = pread(fd, out + have, len - have, at + (int64_t)have);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return -1;
    if (got == 0) break;
    have += (size_t)got;
  }
  return (ssize_t)have;
}

/* --- walks --- */

#define NAMES_MAX 1000000u /* in one folder */

typedef struct {
  dl_fs_visit_cb visit;
  void *user;
  bool is_whole; /* nothing was left out */
} walking_t;

typedef struct {
  char **names;
  size_t count, room;
} name_list_t;

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static void read_names(walking_t *w, const char *path, name_list_t *list) {
  DIR *dir = opendir(path);
  *list = (name_list_t){0};
  if (dir == NULL) {
    w->is_whole = false;
    return;
  }
  for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    if (list->count == NAMES_MAX) {
      w->is_whole = false;
      break;
    }
    if (list->count == list->room) {
      list->room = list->room ? list->room * 2 : 32;
      list->names = dl_xrealloc(list->names, list->room * sizeof *list->names);
    }
    list->names[list->count++] = dl_xstrdup(entry->d_name);
  }
  closedir(dir);
  if (list->count > 0) qsort(list->names, list->count, sizeof *list->names, by_name);
}

static bool walk(walking_t *w, const char *path, const char *rel, int64_t depth) {
  name_list_t list;
  bool goes_on = true;
  if (depth == 0) return true;
  read_names(w, path, &list);
  for (size_t i = 0; i < list.count; i++) {
    struct stat st;
    char *child = dl_fs_join(path, list.names[i]);
    char *child_rel = *rel ? dl_xprintf("%s/%s", rel, list.names[i]) : dl_xstrdup(list.names[i]);
    if (goes_on && lstat(child, &st) == 0) {
      goes_on = w->visit(w->user, child, child_rel, &st);
      if (goes_on && S_ISDIR(st.st_mode)) goes_on = walk(w, child, child_rel, depth - 1);
    } else if (goes_on && errno != ENOENT) {
      w->is_whole = false;
    }
    free(child);
    free(child_rel);
    free(list.names[i]);
  }
  free(list.names);
  return goes_on;
}

void dl_fs_walk_below(const char *root, int64_t depth, dl_fs_visit_cb visit, void *user) {
  walking_t w = {visit, user, true};
  walk(&w, root, "", depth);
}

bool dl_fs_walk(const char *root, dl_fs_visit_cb visit, void *user) {
  walking_t w = {visit, user, true};
  struct stat st;
  if (lstat(root, &st) != 0) return false;
  if (visit(user, root, "", &st) && S_ISDIR(st.st_mode)) walk(&w, root, "", -1);
  return w.is_whole;
}
