/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET and HEAD /files/download: one file, or ranges of it.
 *
 * The file is opened and looked at on the thread pool; then the head is decided on the loop, and the
 * bytes are produced on the pool again. What was declared is what is sent: of a file that grows, the
 * length at opening; of one that shrinks, a broken connection instead of a short answer.
 */
#include "http/http.h"
#include "toolbox/core/conditions.h"
#include "toolbox/core/reply.h"
#include "toolbox/files/fileio.h"
#include "toolbox/files/files.h"
#include "toolbox/files/multipart.h"
#include "toolbox/core/pump.h"
#include "toolbox/core/range.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Files of /proc and the like say that they are empty. Those that fit here get a true length. */
#define PROBE_MAX 65536u

typedef struct {
  uv_work_t work;
  dl_toolbox_t *tb;
  dl_req_t *req;
  char *path;
  int fd, error;
  bool is_unreadable; /* it opened, but reading fails with `error` */
  struct stat st;
  /* A file without a length of its own. */
  char *probe;
  size_t probe_len;
  bool is_unsized, is_probe_all;
  /* What is sent: text, then bytes of the file, for each range; text at the end. */
  dl_range_t ranges[DL_RANGES_MAX];
  size_t range_count, range_at;
  int64_t sent_of_range;
  char *boundary; /* of several ranges */
  dl_buf_t text;
  size_t text_at;
  bool is_range_open, is_finished;
} download_t;

static void free_download(download_t *d) {
  if (d->fd >= 0) close(d->fd);
  free(d->path);
  free(d->probe);
  free(d->boundary);
  dl_buf_clear(&d->text);
  free(d);
}

/* --- the bytes, on the pool --- */

static void put_range_head(download_t *d, const dl_range_t *range) {
  dl_buf_printf(
    &d->text,
    "%s--%s\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes %lld-%lld/%lld\r\n\r\n",
    d->range_at > 0 ? "\r\n" : "", d->boundary, (long long)range->start,
    (long long)(range->start + range->len - 1), (long long)d->st.st_size);
}

static ssize_t take_text(download_t *d, char *out, size_t max) {
  assert(d->text_at <= d->text.len);
  size_t left = d->text.len - d->text_at;
  if (max > left) max = left;
  memcpy(out, d->text.data + d->text_at, max);
  d->text_at += max;
  if (d->text_at == d->text.len) {
    dl_buf_reset(&d->text);
    d->text_at = 0;
  }
  return (ssize_t)max;
}

/* The next text, or the opening of the next range; false at the end. */
static bool go_on(download_t *d) {
  if (d->range_at < d->range_count) {
    d->is_range_open = true;
    d->sent_of_range = 0;
    if (d->boundary != NULL) put_range_head(d, &d->ranges[d->range_at]);
    return true;
  }
  if (d->is_finished || d->boundary == NULL) return false;
  d->is_finished = true;
  return dl_buf_printf(&d->text, "\r\n--%s--\r\n", d->boundary);
}

static ssize_t produce_sized(download_t *d, char *out, size_t max) {
  for (;;) {
    if (d->text.len > d->text_at) return take_text(d, out, max);
    if (!d->is_range_open) {
      if (!go_on(d)) return 0;
      continue;
    }
    const dl_range_t *range = &d->ranges[d->range_at];
    int64_t left = range->len - d->sent_of_range;
    assert(left >= 0);
    if (left == 0) {
      d->is_range_open = false;
      d->range_at++;
      continue;
    }
    size_t want = left < (int64_t)max ? (size_t)left : max;
    ssize_t got = dl_fs_read_at(d->fd, out, want, range->start + d->sent_of_range);
    if (got <= 0) return -1; /* it has shrunk, or cannot be read: never a short answer */
    d->sent_of_range += got;
    return got;
  }
}

static ssize_t produce(void *user, char *out, size_t max) {
  download_t *d = user;
  if (!d->is_unsized) return produce_sized(d, out, max);
  if (d->probe_len > 0) {
    size_t len = d->probe_len < max ? d->probe_len : max;
    memcpy(out, d->probe, len);
    d->sent_of_range += (int64_t)len;
    d->probe_len = 0;
    return (ssize_t)len;
  }
  if (d->is_probe_all) return 0;
  ssize_t got = dl_fs_read_at(d->fd, out, max, d->sent_of_range);
  if (got > 0) d->sent_of_range += got;
  return got;
}

static void release(void *user) { free_download(user); }

/* --- the head --- */

/* `type`: NULL where the response has one of its own. */
static void add_headers(download_t *d, const char *type) {
  char date[64] = "", *name = dl_fs_base(d->path);
  struct tm parts;
  dl_buf_t text;
  dl_buf_init(&text, 65536);
  dl_buf_puts(&text, "attachment; ");
  dl_filename_params(&text, name);
  dl_req_add_header(d->req, "Content-Description", "File Transfer");
  dl_req_add_header(d->req, "Content-Disposition", text.data);
  dl_req_add_header(d->req, "Content-Transfer-Encoding", "binary");
  if (type != NULL) dl_req_add_header(d->req, "Content-Type", type);
  dl_req_add_header(d->req, "Expires", "0");
  dl_req_add_header(d->req, "Cache-Control", "must-revalidate");
  dl_req_add_header(d->req, "Pragma", "public");
  dl_req_add_header(d->req, "Accept-Ranges", "bytes");
  if (gmtime_r(&d->st.st_mtime, &parts) != NULL)
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &parts);
  dl_req_add_header(d->req, "Last-Modified", date);
  dl_buf_clear(&text);
  free(name);
}

static void add_content_range(download_t *d, const dl_range_t *range) {
  char text[96];
  if (range == NULL)
    snprintf(text, sizeof text, "bytes */%lld", (long long)d->st.st_size);
  else
    snprintf(text, sizeof text, "bytes %lld-%lld/%lld", (long long)range->start,
             (long long)(range->start + range->len - 1), (long long)d->st.st_size);
  dl_req_add_header(d->req, "Content-Range", text);
}

static void reply_bad_range(download_t *d, dl_range_kind_t kind) {
  if (kind == DL_RANGE_OUTSIDE) add_content_range(d, NULL);
  add_headers(d, NULL);
  dl_tb_add_request_id(d->req);
  dl_reply_text(d->req, 416,
                kind == DL_RANGE_OUTSIDE ? "invalid range: failed to overlap\n" : "invalid range\n");
  free_download(d);
}

/* The length of the whole response of several ranges. */
static int64_t prepare_parts(download_t *d) {
  int64_t length = 0;
  d->boundary = dl_random_token(40, DL_ALPHABET_LOWER);
  for (d->range_at = 0; d->range_at < d->range_count; d->range_at++) {
    put_range_head(d, &d->ranges[d->range_at]);
    length += d->ranges[d->range_at].len;
  }
  length += (int64_t)d->text.len + (int64_t)strlen(d->boundary) + 8;
  d->range_at = 0;
  dl_buf_reset(&d->text);
  return length;
}

static void send_file(download_t *d) {
  static const dl_source_events_t events = {produce, release};
  dl_range_kind_t kind = d->is_unsized ? DL_RANGE_NONE
                                       : dl_range_parse(dl_conditions_range(d->req, d->st.st_mtime),
                                                        d->st.st_size, d->ranges, &d->range_count);
  int64_t length = d->st.st_size;
  if (kind == DL_RANGE_BAD || kind == DL_RANGE_OUTSIDE) {
    reply_bad_range(d, kind);
    return;
  }
  if (kind == DL_RANGE_NONE) {
    d->ranges[0] = (dl_range_t){0, d->st.st_size};
    d->range_count = 1;
    if (d->is_unsized) length = d->is_probe_all ? (int64_t)d->probe_len : -1;
    add_headers(d, "application/octet-stream");
  } else if (d->range_count == 1) {
    length = d->ranges[0].len;
    add_content_range(d, &d->ranges[0]);
    add_headers(d, "application/octet-stream");
  } else {
    length = prepare_parts(d);
    char *type = dl_xprintf("multipart/byteranges; boundary=%s", d->boundary);
    add_headers(d, type);
    free(type);
  }
  dl_source_start(d->tb, d->req, kind == DL_RANGE_SOME ? 206 : 200, length, &events, d);
}

/* --- opening --- */

static void open_file(uv_work_t *work) {
  download_t *d = work->data;
  d->fd = open(d->path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (d->fd < 0 || fstat(d->fd, &d->st) != 0) {
    d->error = errno;
  } else if (!S_ISREG(d->st.st_mode)) {
    d->error = S_ISDIR(d->st.st_mode) ? EISDIR : EINVAL;
  } else if (d->st.st_size > 0) {
    char byte;
    d->is_unreadable = dl_fs_read_at(d->fd, &byte, 1, 0) < 0;
  } else {
    d->probe = dl_xmalloc(PROBE_MAX);
    ssize_t got = dl_fs_read_at(d->fd, d->probe, PROBE_MAX, 0);
    d->is_unreadable = got < 0;
    d->is_unsized = got > 0;
    d->probe_len = got > 0 ? (size_t)got : 0;
    d->is_probe_all = d->probe_len < PROBE_MAX;
  }
  if (d->is_unreadable) d->error = errno;
}

static void reply_open_error(download_t *d) {
  const char *code;
  int status = dl_fs_errno_status(d->error, &code);
  if (d->is_unreadable && status == 400) {
    char *text = dl_fs_os_text("read", d->path, d->error);
    dl_tb_reply_error_code(d->req, 500, "FILE_READ_FAILED", "failed to read file: %s", text);
    free(text);
  } else if (status == 404)
    dl_tb_reply_error_code(d->req, status, code, "file not found: %s", d->path);
  else if (status == 403)
    dl_tb_reply_error_code(d->req, status, code, "permission denied: %s", d->path);
  else if (d->error == EISDIR)
    dl_tb_reply_error_code(d->req, 400, code, "path points to a directory: %s", d->path);
  else {
    char *text = dl_fs_os_text("open", d->path, d->error);
    dl_tb_reply_error_code(d->req, status, code, "%s", text);
    free(text);
  }
  free_download(d);
}

static void on_opened(uv_work_t *work, int uv_status) {
  download_t *d = work->data;
  (void)uv_status;
  d->tb->live_count--;
  if (d->error != 0) {
    reply_open_error(d);
    return;
  }
  int status = dl_conditions_check(d->req, d->st.st_mtime);
  if (status == 0) {
    send_file(d);
    return;
  }
  add_headers(d, "application/octet-stream");
  dl_tb_add_request_id(d->req);
  dl_reply_empty(d->req, status);
  free_download(d);
}

static void on_download(dl_req_t *req, void *user) {
  download_t *d = dl_xcalloc(1, sizeof *d);
  *d = (download_t){.tb = user, .req = req, .fd = -1, .path = dl_fs_query(req, "path")};
  d->work.data = d;
  dl_buf_init(&d->text, 65536);
  if (d->path == NULL || *d->path == '\0') {
    dl_tb_reply_error(req, 400, "path is required");
    free_download(d);
    return;
  }
  d->tb->live_count++;
  uv_queue_work(d->tb->loop, &d->work, open_file, on_opened);
}

static const dl_route_t ROUTES[] = {
  {"GET", "/files/download", on_download, 0},
  {"HEAD", "/files/download", on_download, 0},
};
const dl_route_table_t DL_TB_DOWNLOAD_ROUTES = {ROUTES, DL_COUNT(ROUTES)};
