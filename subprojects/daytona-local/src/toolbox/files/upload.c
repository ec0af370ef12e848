/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files into the sandbox: POST /files/upload and /files/upload-v2 (one file) and /files/bulk-upload
 * (many, in the order of their parts). Bodies are consumed by the pump, parsed and written on the
 * thread pool, and always read to their end before the response.
 *
 * A single upload is written beside its target and takes its place at the end, so one that breaks off
 * changes nothing. A bulk upload writes the targets themselves, as the platform does: what breaks off
 * leaves the part that came.
 */
#include "toolbox/core/reply.h"
#include "toolbox/core/text.h"
#include "toolbox/files/fileio.h"
#include "toolbox/files/files.h"
#include "toolbox/files/multipart.h"
#include "toolbox/core/pump.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATH_TEXT_MAX 65536u
#define FILES_MAX 100000u /* files, paths and errors of one bulk upload */

/* A pipe would hold the thread until somebody reads it. */
static int refuse_pipes(int fd) {
  struct stat st;
  if (fstat(fd, &st) == 0 && !S_ISFIFO(st.st_mode) && !S_ISSOCK(st.st_mode)) return fd;
  close(fd);
  errno = EINVAL;
  return -1;
}

static int open_target(const char *path) {
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0666);
  return fd < 0 ? -1 : refuse_pipes(fd);
}

/* --- one file --- */

typedef struct {
  char *path, *target, *spool; /* spool NULL: the target itself is written */
  mode_t parent_mode;
  bool is_v2, is_form, has_file, in_file;
  dl_multipart_t form;
  int fd;
  char *error; /* the first one */
} single_t;

static void set_error(single_t *u, const char *what, const char *path, int error) {
  if (u->error == NULL) u->error = dl_fs_os_text(what, path, error);
}

/* Where the bytes go: a new file beside the target, or the target itself if that cannot be. */
static void open_single(single_t *u) {
  char *parent = dl_fs_parent(u->path), *failed = NULL, real[PATH_MAX];
  int error = dl_fs_make_dirs(parent, u->parent_mode, &failed);
  struct stat st;
  bool exists = error == 0 && realpath(u->path, real) != NULL && stat(real, &st) == 0;
  if (error != 0) {
    set_error(u, "mkdir", failed, error);
  } else if (exists && !S_ISDIR(st.st_mode) && access(real, W_OK) != 0) {
    set_error(u, "open", u->path, errno);
  } else {
    u->target = dl_xstrdup(exists ? real : u->path);
    bool replaces = (!exists && lstat(u->path, &st) != 0) ||
                    (exists && S_ISREG(st.st_mode) && st.st_nlink == 1 && st.st_uid == geteuid());
    if (replaces) {
      char *dir = dl_fs_parent(u->target);
      u->spool = dl_fs_join(dir, ".upload-XXXXXX");
      free(dir);
      u->fd = mkostemp(u->spool, O_CLOEXEC);
      if (u->fd < 0) dl_set(&u->spool, NULL);
      /* 0644 is what the umask of this process makes of 0666. */
      else if (fchmod(u->fd, exists ? st.st_mode & 0777 : 0644) != 0)
        set_error(u, "chmod", u->path, errno);
    }
    if (u->fd < 0) u->fd = open_target(u->target);
    if (u->fd < 0) set_error(u, "open", u->path, errno);
  }
  free(failed);
  free(parent);
}

static void write_single(single_t *u, const char *bytes, size_t len) {
  if (u->error != NULL || u->fd < 0) return;
  if (!dl_fs_write_all(u->fd, bytes, len)) set_error(u, "write", u->path, errno);
}

static void on_single_part(void *user, const dl_part_t *part) {
  single_t *u = user;
  /* The first part that fits is the file. Without a file name it would be a plain field. */
  u->in_file = !u->has_file && strcmp(part->name, "file") == 0 &&
               (u->is_v2 || (part->filename != NULL && *part->filename != '\0'));
  if (!u->in_file) return;
  u->has_file = true;
  open_single(u);
}

static void on_single_data(void *user, const char *bytes, size_t len) {
  single_t *u = user;
  if (u->in_file) write_single(u, bytes, len);
}

static void on_single_part_end(void *user, bool is_complete) {
  single_t *u = user;
  if (!is_complete && u->error == NULL) u->error = dl_xstrdup("unexpected EOF");
  u->in_file = false;
}

/* A raw body is the file. */
static void begin_raw(single_t *u) {
  if (u->has_file) return;
  u->has_file = true;
  if (u->error == NULL) open_single(u);
}

static void consume_single(void *user, const char *bytes, size_t len) {
  single_t *u = user;
  if (u->is_form) {
    dl_multipart_feed(&u->form, bytes, len);
    return;
  }
  begin_raw(u);
  write_single(u, bytes, len);
}

static void finish_single(void *user, bool is_complete) {
  single_t *u = user;
  if (u->is_form) {
    dl_multipart_finish(&u->form, is_complete);
    if (u->form.error != NULL && u->error == NULL) u->error = dl_xstrdup(u->form.error);
    if (!u->has_file && u->error == NULL)
      u->error = dl_xstrdup("no such file: the form has no part 'file' with a file name");
    dl_multipart_clear(&u->form);
  } else if (is_complete) {
    begin_raw(u); /* an empty body makes an empty file */
  }
  if (!is_complete && u->error == NULL) u->error = dl_xstrdup("unexpected EOF");
  if (u->fd >= 0 && close(u->fd) != 0) set_error(u, "close", u->path, errno);
  if (u->spool == NULL) return;
  if (u->error == NULL && rename(u->spool, u->target) != 0) set_error(u, "rename", u->path, errno);
  if (u->error != NULL) unlink(u->spool);
}

static void answer_single(void *user, dl_req_t *req) {
  single_t *u = user;
  if (u->error != NULL) {
    dl_tb_reply_error(req, 400, "%s", u->error);
  } else if (u->is_v2) {
    char *name = dl_fs_base(u->path);
    json_t *answer = json_object();
    json_object_set_new(answer, "name", dl_tb_text(name, strlen(name)));
    json_object_set_new(answer, "path", dl_tb_text(u->path, strlen(u->path)));
    json_object_set_new(answer, "type", json_string("file"));
    dl_tb_reply_json(req, 200, answer);
    free(name);
  } else {
    dl_tb_add_request_id(req);
    dl_reply_empty(req, 200);
  }
  free(u->path);
  free(u->target);
  free(u->spool);
  free(u->error);
  free(u);
}

static void start_single(dl_toolbox_t *tb, dl_req_t *req, bool is_v2) {
  static const dl_multipart_events_t parts = {on_single_part, on_single_data, on_single_part_end};
  static const dl_sink_events_t body = {consume_single, finish_single, answer_single};
  char *boundary = dl_multipart_boundary(dl_req_header(req, "Content-Type"));
  single_t *u = dl_xcalloc(1, sizeof *u);
  u->fd = -1;
  u->is_v2 = is_v2;
  u->is_form = boundary != NULL;
  u->parent_mode = is_v2 ? 0755 : 0750;
  u->path = dl_fs_query(req, "path");
  if (u->path == NULL) u->path = dl_xstrdup("");
  if (*u->path == '\0')
    u->error = dl_xstrdup("path is required");
  else if (!u->is_form && !is_v2)
    u->error = dl_xstrdup("request Content-Type isn't multipart/form-data");
  if (u->is_form) dl_multipart_init(&u->form, boundary, &parts, u);
  free(boundary);
  dl_sink_start(tb, req, &body, u);
}

static void on_upload(dl_req_t *req, void *user) { start_single(user, req, false); }
static void on_upload_v2(dl_req_t *req, void *user) { start_single(user, req, true); }

/* --- many files --- */

typedef enum { IN_OTHER, IN_PATH, IN_FILE } bulk_part_t;

typedef struct {
  bool is_form;
  dl_multipart_t form;
  json_t *paths; /* texts by index; raw bytes, never written out */
  json_t *files, *errors;
  size_t count;
  bulk_part_t part;
  char *index, *path;
  dl_buf_t text; /* of a path */
  int fd;
  int64_t bytes;
} bulk_t;

/* Takes `text`. */
static void add_error(bulk_t *b, char *text) {
  if (b->count++ < FILES_MAX) json_array_append_new(b->errors, dl_tb_text(text, strlen(text)));
  free(text);
}

static void add_os_error(bulk_t *b, const char *step, const char *what, const char *path, int error) {
  char *text = dl_fs_os_text(what, path, error);
  add_error(b, dl_xprintf("%s: %s: %s", b->path, step, text));
  free(text);
}

/* "files[INDEX].path" and "files[INDEX].file". */
static bulk_part_t part_kind(const char *name, char **index) {
  size_t len = strlen(name);
  if (len < 12 || strncmp(name, "files[", 6) != 0 || name[len - 6] != ']' || name[len - 5] != '.')
    return IN_OTHER;
  bulk_part_t kind = strcmp(name + len - 4, "path") == 0   ? IN_PATH
                     : strcmp(name + len - 4, "file") == 0 ? IN_FILE
                                                           : IN_OTHER;
  if (kind != IN_OTHER) *index = dl_xstrndup(name + 6, len - 12);
  return kind;
}

static void begin_file(bulk_t *b) {
  const char *path = json_string_value(json_object_get(b->paths, b->index));
  char *failed = NULL;
  if (path == NULL) {
    add_error(b, dl_xprintf("file[%s]: missing .path metadata", b->index));
    return;
  }
  b->path = dl_xstrdup(path);
  b->bytes = 0;
  char *parent = dl_fs_parent(path);
  int error = dl_fs_make_dirs(parent, 0755, &failed);
  if (error != 0) {
    char *text = dl_fs_os_text("mkdir", failed, error);
    add_error(b, dl_xprintf("%s: mkdir %s: %s", path, parent, text));
    free(text);
  } else if ((b->fd = open_target(path)) < 0) {
    add_os_error(b, "create", "open", path, errno);
  }
  free(failed);
  free(parent);
}

static void on_bulk_part(void *user, const dl_part_t *part) {
  bulk_t *b = user;
  b->part = part_kind(part->name, &b->index);
  dl_buf_reset(&b->text);
  if (b->part != IN_OTHER && b->count >= FILES_MAX) {
    /* The first thing over the ceiling is reported, what follows is read and dropped. */
    if (b->count++ == FILES_MAX)
      json_array_append_new(b->errors, json_sprintf("more than %u files in one call", FILES_MAX));
    b->part = IN_OTHER;
  }
  if (b->part == IN_FILE) begin_file(b);
}

static void on_bulk_data(void *user, const char *bytes, size_t len) {
  bulk_t *b = user;
  if (b->part == IN_PATH && !dl_buf_append(&b->text, bytes, len)) {
    add_error(b, dl_xprintf("path[%s]: path too long", b->index));
    b->part = IN_OTHER;
  }
  if (b->part != IN_FILE || b->fd < 0) return;
  if (dl_fs_write_all(b->fd, bytes, len)) {
    b->bytes += (int64_t)len;
    return;
  }
  add_os_error(b, "write", "write", b->path, errno);
  close(b->fd);
  b->fd = -1;
}

static void end_path(bulk_t *b) {
  const char *text = b->text.data ? b->text.data : "";
  size_t len = b->text.len;
  while (len > 0 && isspace((unsigned char)*text)) text++, len--;
  while (len > 0 && isspace((unsigned char)text[len - 1])) len--;
  if (len == 0 || memchr(text, '\0', len) != NULL) {
    add_error(b, dl_xprintf("path[%s]: %s", b->index, len == 0 ? "empty path" : "path contains a NUL byte"));
    return;
  }
  if (json_object_get(b->paths, b->index) == NULL) b->count++;
  json_object_set_new_nocheck(b->paths, b->index, json_stringn_nocheck(text, len));
}

static void end_file(bulk_t *b, bool is_complete) {
  if (b->fd < 0) return;
  bool is_closed = close(b->fd) == 0;
  b->fd = -1;
  if (!is_complete) {
    add_error(b, dl_xprintf("%s: write: unexpected EOF", b->path));
  } else if (!is_closed) {
    add_os_error(b, "close", "close", b->path, errno);
  } else {
    json_t *file = json_object();
    json_object_set_new(file, "path", dl_tb_text(b->path, strlen(b->path)));
    json_object_set_new(file, "bytes", json_integer(b->bytes));
    json_array_append_new(b->files, file);
    b->count++;
  }
}

static void on_bulk_part_end(void *user, bool is_complete) {
  bulk_t *b = user;
  if (b->part == IN_PATH && is_complete) end_path(b);
  if (b->part == IN_FILE) end_file(b, is_complete);
  free(b->index);
  free(b->path);
  b->index = b->path = NULL;
  b->part = IN_OTHER;
}

static void consume_bulk(void *user, const char *bytes, size_t len) {
  bulk_t *b = user;
  if (b->is_form) dl_multipart_feed(&b->form, bytes, len);
}

static void finish_bulk(void *user, bool is_complete) {
  bulk_t *b = user;
  if (!b->is_form) return;
  dl_multipart_finish(&b->form, is_complete);
  if (b->form.error != NULL) add_error(b, dl_xprintf("reading part: %s", b->form.error));
}

static void free_bulk(bulk_t *b) {
  if (b->is_form) dl_multipart_clear(&b->form);
  dl_buf_clear(&b->text);
  json_decref(b->paths);
  json_decref(b->files);
  json_decref(b->errors);
  free(b->index);
  free(b->path);
  free(b);
}

static void answer_bulk(void *user, dl_req_t *req) {
  bulk_t *b = user;
  if (!b->is_form) {
    dl_tb_reply_error(req, 400, "invalid multipart form");
  } else {
    json_t *answer = json_object();
    bool is_good = json_array_size(b->errors) == 0;
    if (!is_good) json_object_set(answer, "errors", b->errors);
    json_object_set(answer, "files", json_array_size(b->files) > 0 ? b->files : json_null());
    dl_tb_reply_json(req, is_good ? 200 : 400, answer);
  }
  free_bulk(b);
}

static void on_bulk_upload(dl_req_t *req, void *user) {
  static const dl_multipart_events_t parts = {on_bulk_part, on_bulk_data, on_bulk_part_end};
  static const dl_sink_events_t body = {consume_bulk, finish_bulk, answer_bulk};
  char *boundary = dl_multipart_boundary(dl_req_header(req, "Content-Type"));
  bulk_t *b = dl_xcalloc(1, sizeof *b);
  b->fd = -1;
  b->paths = json_object();
  b->files = json_array();
  b->errors = json_array();
  dl_buf_init(&b->text, PATH_TEXT_MAX);
  b->is_form = boundary != NULL;
  if (b->is_form) dl_multipart_init(&b->form, boundary, &parts, b);
  free(boundary);
  dl_sink_start(user, req, &body, b);
}

static const dl_route_t ROUTES[] = {
  {"POST", "/files/upload", on_upload, 0},
  {"POST", "/files/upload-v2", on_upload_v2, 0},
  {"POST", "/files/bulk-upload", on_bulk_upload, 0},
};
const dl_route_table_t DL_TB_UPLOAD_ROUTES = {ROUTES, DL_COUNT(ROUTES)};
