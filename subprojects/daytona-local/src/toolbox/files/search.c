/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking for files: by content, by name, and replacing text in them. Nothing is held that is larger
 * than a line (find) or a block (replace).
 */
#include "toolbox/core/fields.h"
#include "toolbox/core/reply.h"
#include "toolbox/core/text.h"
#include "toolbox/files/fileio.h"
#include "toolbox/files/files.h"
#include "toolbox/files/glob.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES (64u * 1024)
#define BINARY_WINDOW 512
#define BLOCK (128u * 1024)
#define MATCHES_MAX 100000u

typedef struct {
  dl_fs_job_t *job;
  json_t *found;
  size_t count, bytes;
} hunt_t;

/* False: the response is full. */
static bool count_in(hunt_t *h, size_t bytes) {
  h->bytes += bytes;
  if (++h->count <= MATCHES_MAX && h->bytes <= DL_FS_TEXT_MAX) return true;
  dl_fs_fail(h->job, 422, "UNPROCESSABLE_ENTITY", "too many matches below %s", h->job->path);
  return false;
}

/* --- find --- */

static bool take_line(hunt_t *h, const char *path, const char *line, size_t len, int64_t number) {
  const char *pattern = h->job->other;
  if (memmem(line, len, pattern, strlen(pattern)) == NULL) return true;
  if (len > 0 && line[len - 1] == '\r') len--;
  if (!count_in(h, len + strlen(path))) return false;
  json_t *match = json_object();
  json_object_set_new(match, "file", dl_tb_text(path, strlen(path)));
  json_object_set_new(match, "line", json_integer(number));
  json_object_set_new(match, "content", dl_tb_text(line, len));
  json_array_append_new(h->found, match);
  return true;
}

/* Lines of `fd` until one is too long; false when the hunt is over. */
static bool scan_lines(hunt_t *h, const char *path, int fd) {
  char *buffer = dl_xmalloc(LINE_MAX_BYTES);
  size_t have = 0;
  int64_t number = 0;
  bool goes_on = true, is_end = false, is_first = true;
  while (goes_on && !is_end && !atomic_load(&h->job->is_abandoned)) {
    ssize_t got = read(fd, buffer + have, LINE_MAX_BYTES - have);
    if (got < 0 && errno == EINTR) continue;
    is_end = got <= 0;
    if (got > 0) have += (size_t)got;
    size_t window = have < BINARY_WINDOW ? have : BINARY_WINDOW;
    if (is_first && memchr(buffer, '\0', window) != NULL) break;
    is_first = false;
    size_t at = 0;
    for (char *end; goes_on && (end = memchr(buffer + at, '\n', have - at)) != NULL;
         at = (size_t)(end - buffer) + 1)
      goes_on = take_line(h, path, buffer + at, (size_t)(end - buffer) - at, ++number);
    memmove(buffer, buffer + at, have - at);
    have -= at;
    if (have == LINE_MAX_BYTES) break;
  }
  if (goes_on && is_end && have > 0) goes_on = take_line(h, path, buffer, have, ++number);
  free(buffer);
  return goes_on;
}

static bool find_in(void *user, const char *path, const char *rel, const struct stat *st) {
  hunt_t *h = user;
  (void)rel;
  if (atomic_load(&h->job->is_abandoned)) return false;
  if (!S_ISREG(st->st_mode)) return true;
  int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return true;
  bool goes_on = scan_lines(h, path, fd);
  close(fd);
  return goes_on;
}

static void run_find(dl_fs_job_t *job) {
  job->json = json_array();
  hunt_t h = {.job = job, .found = job->json};
  dl_fs_walk(job->path, find_in, &h);
}

static void on_find(dl_req_t *req, void *user) {
  dl_fs_job_t *job = dl_fs_job_new(user, req, run_find);
  job->other = dl_fs_query(req, "pattern");
  if (dl_fs_job_require(job, "path", job->path) && dl_fs_job_require(job, "pattern", job->other))
    dl_fs_job_start(job);
}

/* --- search --- */

static bool match_name(void *user, const char *path, const char *rel, const struct stat *st) {
  hunt_t *h = user;
  (void)rel, (void)st;
  if (atomic_load(&h->job->is_abandoned)) return false;
  char *name = dl_fs_base(path);
  bool hit = dl_glob_match(h->job->other, name);
  free(name);
  if (!hit) return true;
  if (!count_in(h, strlen(path))) return false;
  json_array_append_new(h->found, dl_tb_text(path, strlen(path)));
  return true;
}

static void run_search(dl_fs_job_t *job) {
  hunt_t h = {.job = job, .found = json_array()};
  if (dl_glob_valid(job->other)) dl_fs_walk(job->path, match_name, &h);
  job->json = json_object();
  json_object_set_new(job->json, "files", h.found);
}

static void on_search(dl_req_t *req, void *user) {
  dl_fs_job_t *job = dl_fs_job_new(user, req, run_search);
  job->other = dl_fs_query(req, "pattern");
  if (dl_fs_job_require(job, "path", job->path) && dl_fs_job_require(job, "pattern", job->other))
    dl_fs_job_start(job);
}

/* --- replace --- */

typedef struct {
  const char *pattern, *value;
  size_t pattern_len, value_len;
  int out;
  int64_t hits;
} replacing_t;

/* Writes `bytes` with every pattern in it replaced; returns how many bytes were used: what may be the
 * start of a pattern waits for more, unless this is the end. -1 and errno. */
static ssize_t replace_block(replacing_t *r, const char *bytes, size_t len, bool is_end) {
  size_t used = 0;
  for (const char *hit; (hit = memmem(bytes + used, len - used, r->pattern, r->pattern_len)) != NULL;
       r->hits++) {
    size_t before = (size_t)(hit - bytes) - used;
    if (!dl_fs_write_all(r->out, bytes + used, before) || !dl_fs_write_all(r->out, r->value, r->value_len))
      return -1;
    used += before + r->pattern_len;
  }
  size_t left = len - used, keep = is_end ? 0 : r->pattern_len - 1;
  if (left <= keep) return (ssize_t)used;
  return dl_fs_write_all(r->out, bytes + used, left - keep) ? (ssize_t)(len - keep) : -1;
}

static int replace_into(replacing_t *r, int in) {
  size_t room = BLOCK + r->pattern_len, have = 0;
  char *buffer = dl_xmalloc(room);
  int error = 0;
  for (bool is_end = false; error == 0 && !is_end;) {
    ssize_t got = read(in, buffer + have, room - have);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) {
      error = errno;
      break;
    }
    is_end = got == 0;
    have += (size_t)got;
    ssize_t used = replace_block(r, buffer, have, is_end);
    if (used < 0) {
      error = errno;
      break;
    }
    memmove(buffer, buffer + used, have - (size_t)used);
    have -= (size_t)used;
  }
  free(buffer);
  return error;
}

/* A file without a name, beside `path` where that can be. */
static int open_spool(const char *path) {
  char *dir = dl_fs_parent(path);
  int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  free(dir);
  if (fd >= 0) return fd;
  char name[] = "/tmp/replace-XXXXXX";
  fd = mkostemp(name, O_CLOEXEC);
  if (fd >= 0) unlink(name);
  return fd;
}

/* The new content over the old one, so that links, mode and owner stay. The room is there before the
 * first byte is overwritten. */
static int copy_back(int spool, int file) {
  struct stat now, then;
  if (fstat(spool, &now) != 0 || fstat(file, &then) != 0) return errno;
  if (now.st_size > then.st_size) {
    int error = posix_fallocate(file, then.st_size, now.st_size - then.st_size);
    if (error != 0) {
      /* A failed reservation may have grown the file. */
      return ftruncate(file, then.st_size) == 0 ? error : errno;
    }
  }
  char *block = dl_xmalloc(BLOCK);
  int64_t at = 0;
  int error = lseek(file, 0, SEEK_SET) < 0 ? errno : 0;
  while (error == 0 && at < now.st_size) {
    ssize_t got = dl_fs_read_at(spool, block, BLOCK, at);
    if (got <= 0 || !dl_fs_write_all(file, block, (size_t)got)) error = got == 0 ? EIO : errno;
    at += got;
  }
  free(block);
  if (error == 0 && ftruncate(file, now.st_size) != 0) error = errno;
  return error;
}

/* NULL, or what went wrong (yours to free). */
static char *replace_in(const char *path, const char *pattern, const char *value) {
  struct stat st;
  int file = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (file < 0) return dl_fs_os_text("open", path, errno);
  int error = fstat(file, &st) != 0 ? errno : S_ISREG(st.st_mode) ? 0 : EINVAL;
  int spool = error == 0 ? open_spool(path) : -1;
  if (error == 0 && spool < 0) error = errno;
  if (error == 0) {
    replacing_t r = {pattern, value, strlen(pattern), strlen(value), spool, 0};
    error = replace_into(&r, file);
    if (error == 0 && r.hits > 0) error = copy_back(spool, file);
  }
  if (spool >= 0) close(spool);
  if (close(file) != 0 && error == 0) error = errno;
  return error == 0 ? NULL : dl_fs_os_text("write", path, error);
}

static void run_replace(dl_fs_job_t *job) {
  const char *pattern = json_string_value(dl_json_get_nocase(job->body, "pattern"));
  const char *value = json_string_value(dl_json_get_nocase(job->body, "newValue"));
  json_t *file;
  size_t i;
  job->json = json_array();
  json_array_foreach (dl_json_get_nocase(job->body, "files"), i, file) {
    char *error = replace_in(json_string_value(file), pattern, value);
    json_t *result = json_object();
    json_object_set(result, "file", file);
    json_object_set_new(result, "success", json_boolean(error == NULL));
    if (error != NULL) json_object_set_new(result, "error", dl_tb_text(error, strlen(error)));
    json_array_append_new(job->json, result);
    free(error);
  }
}

static void on_replace_body(dl_req_t *req, const char *bytes, size_t len, void *user) {
  json_t *body = dl_tb_body(req, bytes, len), *files = NULL;
  const char *pattern = NULL, *value = NULL;
  if (body == NULL) return;
  if (dl_tb_field_texts(req, body, "files", &files) &&
      dl_tb_field_text(req, body, "pattern", true, &pattern) &&
      dl_tb_field_text(req, body, "newValue", false, &value)) {
    if (files != NULL && value != NULL) {
      dl_fs_job_t *job = dl_fs_job_new(user, req, run_replace);
      job->body = body;
      dl_fs_job_start(job);
      return;
    } else {
      dl_tb_reply_error_code(req, 400, "INVALID_REQUEST_BODY", "invalid request body: field '%s' is required",
                             files == NULL ? "files" : "newValue");
    }
  }
  json_decref(body);
}

static void on_replace(dl_req_t *req, void *user) {
  dl_req_read_body(req, DL_TB_BODY_MAX, on_replace_body, user);
}

static const dl_route_t ROUTES[] = {
  {"GET", "/files/find", on_find, 0},
  {"GET", "/files/search", on_search, 0},
  {"POST", "/files/replace", on_replace, 0},
};
const dl_route_table_t DL_TB_SEARCH_ROUTES = {ROUTES, DL_COUNT(ROUTES)};
