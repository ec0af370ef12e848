/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The page's own files, which are a part of this program, and xterm.js, which is read from its package when it is asked for: so
 * it may be installed while the server runs.
 */
#include "page/internal.h"

#include "control/routes/answer.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define XTERM_MAX (8u * 1024 * 1024)

static const dl_page_file_t *find(const char *name) {
  for (size_t i = 0; i < DL_PAGE_FILE_COUNT; i++)
    if (strcmp(DL_PAGE_FILES[i].name, name) == 0) return &DL_PAGE_FILES[i];
  return NULL;
}

static void reply(dl_req_t *req, const dl_page_file_t *file) {
  dl_reply_bytes(req, 200, file->type, file->bytes, file->len);
}

void dl_page_reply_file(dl_req_t *req, const char *name) {
  const dl_page_file_t *file = find(name);
  assert(file != NULL);
  reply(req, file);
}

void dl_page_file(dl_page_t *p, dl_req_t *req) {
  const char *name = dl_req_path(req) + strlen(DL_PAGE_PATH "/file/");
  const dl_page_file_t *file = find(name);
  bool is_xterm = strcmp(name, "xterm.js") == 0 || strcmp(name, "xterm.css") == 0;
  if (file != NULL && file->is_public)
    reply(req, file);
  else if (dl_page_visitor(p, req) == NULL)
    dl_fail(p->control, req, 401, "log in first");
  else if (is_xterm)
    dl_page_xterm(p, req);
  else if (file != NULL)
    reply(req, file);
  else
    dl_fail(p->control, req, 404, "there is no such file of the page");
}

/* --- xterm.js --- */

/* False: it is not there, or is no file of a sensible size. */
static bool read_file(const char *path, dl_buf_t *out) {
  struct stat st = {0};
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  bool is_file = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
  size_t size = is_file && st.st_size <= XTERM_MAX ? (size_t)st.st_size : 0;
  ssize_t got = 1;
  dl_buf_init(out, XTERM_MAX);
  while (out->len < size && got > 0) {
    char *at = dl_buf_reserve(out, size - out->len);
    got = at != NULL ? read(fd, at, size - out->len) : -1;
    if (got > 0) dl_buf_grew(out, (size_t)got);
  }
  if (fd >= 0) close(fd);
  return size > 0 && out->len == size;
}

/* As Debian's package and those of npm have it; `kind` is "js" or "css". */
static bool read_xterm_of(const char *folder, const char *kind, dl_buf_t *out) {
  char *paths[] = {dl_xprintf("%s/xterm.%s", folder, kind),
                   dl_xprintf("%s/%s/xterm.%s", folder, strcmp(kind, "js") == 0 ? "lib" : "css", kind),
                   dl_xprintf("%s/dist/xterm.%s", folder, kind)};
  bool ok = false;
  for (size_t i = 0; i < DL_COUNT(paths); i++) {
    if (!ok) ok = read_file(paths[i], out);
    if (!ok) dl_buf_clear(out);
    free(paths[i]);
  }
  return ok;
}

/* Where the operator says, else among the modules of sandboxes, else where packages of the system have it. */
static bool read_xterm(const dl_page_t *p, const char *kind, dl_buf_t *out) {
  static const char *const folders[] = {"/usr/share/javascript/xterm", "/usr/share/nodejs/xterm",
                                        "/usr/share/nodejs/@xterm/xterm"};
  const dl_control_opts_t *opts = &p->control->opts;
  if (opts->xterm_dir != NULL) return read_xterm_of(opts->xterm_dir, kind, out);
  if (opts->runtime.node_modules != NULL) {
    char *folder = dl_xprintf("%s/@xterm/xterm", opts->runtime.node_modules);
    bool ok = read_xterm_of(folder, kind, out);
    free(folder);
    if (ok) return true;
  }
  for (size_t i = 0; i < DL_COUNT(folders); i++)
    if (read_xterm_of(folders[i], kind, out)) return true;
  return false;
}

void dl_page_xterm(dl_page_t *p, dl_req_t *req) {
  bool is_script = strcmp(strrchr(dl_req_path(req), '.'), ".js") == 0;
  dl_buf_t bytes;
  if (read_xterm(p, is_script ? "js" : "css", &bytes))
    dl_reply_bytes(req, 200, is_script ? "text/javascript; charset=utf-8" : "text/css; charset=utf-8",
                   bytes.data, bytes.len);
  else
    dl_fail(p->control, req, 404,
            "xterm.js is not installed: the package libjs-xterm has it, or see --xterm");
  dl_buf_clear(&bytes);
}
