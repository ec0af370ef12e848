/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST /files/bulk-download: many files as one multipart form, in the order asked for. What cannot be
 * opened becomes an error part; what fails after its head was sent ends the response without the closing
 * delimiter and breaks the connection.
 *
 * The boundary is drawn at random, so that content cannot hold it (the platform's is fixed). A part
 * declares the size at opening and sends exactly that; a file that says it is empty and is not is read
 * ahead, and goes without a length if it is long.
 */
#include "base/jsonx.h"
#include "http/http.h"
#include "toolbox/core/fields.h"
#include "toolbox/core/reply.h"
#include "toolbox/core/text.h"
#include "toolbox/files/fileio.h"
#include "toolbox/files/files.h"
#include "toolbox/files/multipart.h"
#include "toolbox/core/pump.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define PATH_TEXT_MAX 16384u   /* no system takes longer ones */
#define HEAD_MAX (512u * 1024) /* a path, its encoded forms, and a probe */
#define PROBE_MAX 65536u

typedef struct {
  json_t *paths;
  size_t at; /* the next path */
  char *boundary;
  bool has_parts, is_closed;
  dl_buf_t text; /* goes first */
  size_t text_at;
  int fd;               /* of the file under way, or -1 */
  int64_t offset, left; /* left -1: up to its end */
} bulk_t;

static const struct {
  const char *extension, *type;
} TYPES[] = {
  {"avif", "image/avif"},
  {"c", "text/x-c; charset=utf-8"},
  {"css", "text/css; charset=utf-8"},
  {"csv", "text/csv; charset=utf-8"},
  {"gif", "image/gif"},
  {"gz", "application/gzip"},
  {"htm", "text/html; charset=utf-8"},
  {"html", "text/html; charset=utf-8"},
  {"jpeg", "image/jpeg"},
  {"jpg", "image/jpeg"},
  {"js", "text/javascript; charset=utf-8"},
  {"json", "application/json"},
  {"md", "text/markdown; charset=utf-8"},
  {"mjs", "text/javascript; charset=utf-8"},
  {"mp3", "audio/mpeg"},
  {"mp4", "video/mp4"},
  {"pdf", "application/pdf"},
  {"png", "image/png"},
  {"py", "text/x-python; charset=utf-8"},
  {"sh", "application/x-sh"},
  {"svg", "image/svg+xml"},
  {"tar", "application/x-tar"},
  {"txt", "text/plain; charset=utf-8"},
  {"wasm", "application/wasm"},
  {"wav", "audio/x-wav"},
  {"webp", "image/webp"},
  {"xml", "text/xml; charset=utf-8"},
  {"zip", "application/zip"},
};

static const char *type_of(const char *path) {
  const char *slash = strrchr(path, '/'), *dot = strrchr(slash ? slash : path, '.');
  for (size_t i = 0; dot != NULL && i < DL_COUNT(TYPES); i++)
    if (strcasecmp(dot + 1, TYPES[i].extension) == 0) return TYPES[i].type;
  return "application/octet-stream";
}

/* --- heads --- */

static void begin_part(bulk_t *b, const char *name, const char *path) {
  dl_buf_printf(&b->text, "%s--%s\r\nContent-Disposition: form-data; name=\"%s\"; ",
                b->has_parts ? "\r\n" : "", b->boundary, name);
  dl_filename_params(&b->text, path);
  dl_buf_puts(&b->text, "\r\n");
  b->has_parts = true;
}

static void put_error(bulk_t *b, const char *path, int status, const char *code, const char *message) {
  json_t *e = json_object();
  json_object_set_new(e, "statusCode", json_integer(status));
  json_object_set_new(e, "message", dl_tb_text(message, strlen(message)));
  json_object_set_new(e, "code", json_string(code));
  json_object_set_new(e, "timestamp", json_string(dl_tb_now().text));
  json_object_set_new(e, "path", dl_tb_text(path, strlen(path)));
  json_object_set_new(e, "method", json_string("POST"));
  json_object_set_new(e, "source", json_string("DAYTONA_DAEMON"));
  char *text = dl_json_text(e);
  begin_part(b, "error", path);
  dl_buf_puts(&b->text, "Content-Type: application/json; charset=utf-8\r\n\r\n");
  dl_buf_puts(&b->text, text);
  free(text);
  json_decref(e);
}

static void put_errno(bulk_t *b, const char *step, const char *path, int error) {
  char *text;
  if (error == ENOENT)
    text = dl_xprintf("file not found: %s", path);
  else if (error == EACCES || error == EPERM)
    text = dl_xprintf("permission denied: %s", path);
  else if (error == EISDIR)
    text = dl_xprintf("invalid file path: path points to a directory: %s", path);
  else {
    char *os = dl_fs_os_text(step, path, error);
    text = dl_xprintf("failed to %s file: %s", step, os);
    free(os);
  }
  if (error == ENOENT)
    put_error(b, path, 404, "FILE_NOT_FOUND", text);
  else if (error == EACCES || error == EPERM)
    put_error(b, path, 403, "FILE_ACCESS_DENIED", text);
  else if (error == EISDIR)
    put_error(b, path, 400, "INVALID_FILE_PATH", text);
  else
    put_error(b, path, 500, "FILE_READ_FAILED", text);
  free(text);
}

/* --- one path after the other --- */

/* 0 with b->fd open, or errno. */
static int open_path(bulk_t *b, const char *path, struct stat *st) {
  b->fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  int error = b->fd < 0 || fstat(b->fd, st) != 0 ? errno : 0;
  if (error == 0 && !S_ISREG(st->st_mode)) error = S_ISDIR(st->st_mode) ? EISDIR : EINVAL;
  if (error != 0 && b->fd >= 0) close(b->fd);
  if (error != 0) b->fd = -1;
  return error;
}

static void close_file(bulk_t *b) {
  if (b->fd >= 0) close(b->fd);
  b->fd = -1;
}

static void begin_file(bulk_t *b, const char *path) {
  struct stat st;
  int error = open_path(b, path, &st);
  if (error != 0) {
    put_errno(b, "open", path, error);
    return;
  }
  /* A file that says it is empty may have content, and one that opens may not be readable. */
  char *probe = NULL, byte;
  b->left = st.st_size;
  b->offset = 0;
  if (st.st_size == 0) probe = dl_xmalloc(PROBE_MAX);
  ssize_t probed = dl_fs_read_at(b->fd, probe ? probe : &byte, probe ? PROBE_MAX : 1, 0);
  if (probed < 0) {
    put_errno(b, "read", path, errno);
    close_file(b);
    free(probe);
    return;
  }
  if (!probe) probed = 0;
  b->offset = probed;
  if (probed == PROBE_MAX) b->left = -1;
  begin_part(b, "file", path);
  if (b->left >= 0)
    dl_buf_printf(&b->text, "Content-Length: %lld\r\n", (long long)(probed > 0 ? probed : b->left));
  dl_buf_printf(&b->text, "Content-Type: %s\r\n\r\n", type_of(path));
  if (probed > 0) dl_buf_append(&b->text, probe, (size_t)probed);
  free(probe);
}

/* The next text; false at the end of all. */
static bool go_on(bulk_t *b) {
  if (b->at < json_array_size(b->paths)) {
    const char *path = json_string_value(json_array_get(b->paths, b->at++));
    if (*path == '\0')
      put_error(b, path, 400, "INVALID_FILE_PATH", "invalid file path: path is empty");
    else
      begin_file(b, path);
    return true;
  }
  if (b->is_closed) return false;
  b->is_closed = true;
  return dl_buf_printf(&b->text, "\r\n--%s--\r\n", b->boundary);
}

/* Up to `max` bytes; 0 when this round has nothing to give, -1 when the file breaks off. */
static ssize_t fill_some(bulk_t *b, char *out, size_t max) {
  size_t text_left = b->text.len - b->text_at;
  if (text_left > 0) {
    if (max > text_left) max = text_left;
    memcpy(out, b->text.data + b->text_at, max);
    b->text_at += max;
    return (ssize_t)max;
  }
  dl_buf_reset(&b->text);
  b->text_at = 0;
  if (b->fd < 0) return 0;
  size_t want = b->left >= 0 && b->left < (int64_t)max ? (size_t)b->left : max;
  ssize_t got = want > 0 ? dl_fs_read_at(b->fd, out, want, b->offset) : 0;
  if (got < 0 || (got == 0 && b->left > 0)) return -1;
  b->offset += got;
  if (b->left >= 0) b->left -= got;
  if (got == 0 || b->left == 0) close_file(b);
  return got;
}

/* Fills the block as far as it goes: many small files make one block. */
static ssize_t produce(void *user, char *out, size_t max) {
  bulk_t *b = user;
  size_t have = 0;
  while (have < max) {
    bool is_idle = b->fd < 0 && b->text_at == b->text.len;
    if (is_idle && !go_on(b)) break;
    ssize_t got = fill_some(b, out + have, max - have);
    /* What was read before the break still goes out. */
    if (got < 0) return have > 0 ? (ssize_t)have : -1;
    have += (size_t)got;
  }
  return (ssize_t)have;
}

static void release(void *user) {
  bulk_t *b = user;
  close_file(b);
  json_decref(b->paths);
  dl_buf_clear(&b->text);
  free(b->boundary);
  free(b);
}

static bool has_long_path(const json_t *paths) {
  size_t i;
  json_t *path;
  json_array_foreach (paths, i, path)
    if (json_string_length(path) > PATH_TEXT_MAX) return true;
  return false;
}

static void on_body(dl_req_t *req, const char *bytes, size_t len, void *user) {
  static const dl_source_events_t events = {produce, release};
  json_t *body = dl_tb_body(req, bytes, len), *paths = NULL;
  if (body == NULL) return;
  bool is_good = dl_tb_field_texts(req, body, "paths", &paths);
  if (is_good && json_array_size(paths) == 0) {
    dl_tb_reply_error(req, 400, "request body must be {\"paths\": [ ... ]} and non-empty");
  } else if (is_good && has_long_path(paths)) {
    dl_tb_reply_error(req, 400, "a path is longer than %u bytes", PATH_TEXT_MAX);
  } else if (is_good) {
    bulk_t *b = dl_xcalloc(1, sizeof *b);
    char *suffix = dl_random_token(32, DL_ALPHABET_LOWER);
    *b = (bulk_t){
      .paths = json_incref(paths), .fd = -1, .boundary = dl_xprintf("DAYTONA-FILE-BOUNDARY-%s", suffix)};
    dl_buf_init(&b->text, HEAD_MAX);
    char *type = dl_xprintf("multipart/form-data; boundary=%s", b->boundary);
    dl_req_add_header(req, "Content-Type", type);
    json_decref(body); /* from here on the paths are the pool's alone */
    body = NULL;
    dl_source_start(user, req, 200, -1, &events, b);
    free(type);
    free(suffix);
  }
  json_decref(body);
}

static void on_bulk_download(dl_req_t *req, void *user) {
  dl_req_read_body(req, DL_TB_BODY_MAX, on_body, user);
}

static const dl_route_t ROUTES[] = {{"POST", "/files/bulk-download", on_bulk_download, 0}};
const dl_route_table_t DL_TB_BULK_DOWNLOAD_ROUTES = {ROUTES, DL_COUNT(ROUTES)};
