/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pipes to a worker. Its user may kill it from inside on_line, so nothing of it is touched after
 * that without asking whether it is over; memory goes when the handles have closed.
 */
#include "toolbox/interpreter/worker.h"

#include "base/buf.h"
#include "toolbox/core/scripts.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READ_BLOCK 16384
#define READS_PER_TURN 16
#define REQUEST_MAX (128u * 1024 * 1024) /* code of the longest message, with every character escaped */

struct dl_worker {
  dl_process_t process;
  uv_poll_t reader, writer;
  int in_fd, out_fd, open_handles;
  dl_buf_t line, input;
  bool is_paused, is_over, has_exited;
  dl_worker_events_t events;
  void *user;
};

static void on_handle_closed(uv_handle_t *handle) {
  dl_worker_t *w = handle->data;
  if (--w->open_handles > 0) return;
  close(w->in_fd);
  close(w->out_fd);
  dl_buf_clear(&w->line);
  dl_buf_clear(&w->input);
  free(w);
}

static void dispose(dl_worker_t *w) {
  assert(!w->is_over);
  w->is_over = true;
  dl_process_forget(&w->process);
  uv_close((uv_handle_t *)&w->reader, on_handle_closed);
  uv_close((uv_handle_t *)&w->writer, on_handle_closed);
}

void dl_worker_kill(dl_worker_t *w) {
  if (w == NULL || w->is_over) return;
  if (!w->has_exited) dl_process_kill_tree(&w->process);
  dispose(w);
}

static void fail(dl_worker_t *w) {
  dl_worker_kill(w);
  w->events.on_end(w->user);
}

/* --- lines from it --- */

static void take(dl_worker_t *w, const char *bytes, size_t len) {
  while (len > 0 && !w->is_over) {
    const char *end = memchr(bytes, '\n', len);
    size_t n = end != NULL ? (size_t)(end - bytes) : len;
    if (!dl_buf_append(&w->line, bytes, n)) {
      fail(w);
      return;
    }
    if (end != NULL) {
      dl_buf_t line = w->line;
      dl_buf_init(&w->line, DL_WORKER_LINE_MAX);
      if (line.len > 0) w->events.on_line(w->user, line.data, line.len);
      dl_buf_clear(&line);
      n++;
    }
    bytes += n;
    len -= n;
  }
}

static void read_lines(dl_worker_t *w, int rounds) {
  char block[READ_BLOCK];
  for (int i = 0; i < rounds && !w->is_over && !w->is_paused; i++) {
    ssize_t got = read(w->out_fd, block, sizeof block);
    if (got < 0 && errno == EINTR) continue;
    if (got == 0) uv_poll_stop(&w->reader);
    if (got <= 0) return;
    take(w, block, (size_t)got);
  }
}

static void on_readable(uv_poll_t *poll, int status, int events) {
  (void)status, (void)events;
  read_lines(poll->data, READS_PER_TURN);
}

/* What it has said is still in the pipe; at the end nobody waits for a slow client. */
static void on_exit_told(dl_process_t *p, int status) {
  dl_worker_t *w = DL_CONTAINER(p, dl_worker_t, process);
  (void)status;
  assert(!w->is_over && !w->has_exited);
  w->has_exited = true;
  w->is_paused = false;
  read_lines(w, 1024);
  if (!w->is_over) fail(w);
}

void dl_worker_pause(dl_worker_t *w) {
  w->is_paused = !w->has_exited;
  if (w->is_paused) uv_poll_stop(&w->reader);
}

void dl_worker_resume(dl_worker_t *w) {
  w->is_paused = false;
  uv_poll_start(&w->reader, UV_READABLE, on_readable);
}

/* --- lines to it --- */

static void on_writable(uv_poll_t *poll, int status, int events) {
  dl_worker_t *w = poll->data;
  (void)events;
  ssize_t sent = write(w->in_fd, w->input.data, w->input.len);
  if (sent > 0) dl_buf_consume(&w->input, (size_t)sent);
  bool is_broken = status < 0 || (sent < 0 && errno != EAGAIN && errno != EINTR);
  if (is_broken || w->input.len == 0) uv_poll_stop(poll); /* its exit will be reported */
}

void dl_worker_send(dl_worker_t *w, const char *line) {
  assert(!w->is_over);
  dl_buf_puts(&w->input, line);
  dl_buf_puts(&w->input, "\n");
  uv_poll_start(&w->writer, UV_WRITABLE, on_writable);
}

void dl_worker_interrupt(dl_worker_t *w) {
  if (!w->has_exited) kill(-w->process.pid, SIGINT);
}

/* --- the start --- */

static int start(dl_worker_t *w, dl_toolbox_t *tb, const char *cwd, const char *python) {
  int in[2] = {-1, -1}, out[2] = {-1, -1}, null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
  bool ok = null_fd >= 0 && pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0;
  char *argv[] = {(char *)python, "-c", (char *)DL_SCRIPT_WORKER_PY, NULL};
  dl_process_opts_t opts = {.file = python,
                            .argv = argv,
                            .envp = tb->environment.pairs,
                            .cwd = cwd,
                            .fds = {in[0], out[1], null_fd},
                            .is_subreaper = true};
  w->process.on_exit = on_exit_told;
  int error = ok ? dl_process_start(tb->reaper, &w->process, &opts) : errno;
  if (in[0] >= 0) close(in[0]);
  if (out[1] >= 0) close(out[1]);
  if (null_fd >= 0) close(null_fd);
  w->in_fd = in[1];
  w->out_fd = out[0];
  if (error == 0) {
    fcntl(w->in_fd, F_SETFL, O_NONBLOCK);
    fcntl(w->out_fd, F_SETFL, O_NONBLOCK);
    return 0;
  }
  if (w->in_fd >= 0) close(w->in_fd);
  if (w->out_fd >= 0) close(w->out_fd);
  return error;
}

int dl_worker_start(dl_toolbox_t *tb, const char *cwd, const dl_worker_events_t *events, void *user,
                    dl_worker_t **out) {
  char *python = dl_process_find(&tb->environment, "python3");
  if (python == NULL) python = dl_process_find(&tb->environment, "python");
  if (python == NULL) return ENOENT;
  dl_worker_t *w = dl_xcalloc(1, sizeof *w);
  dl_list_init(&w->process.link);
  int error = start(w, tb, cwd, python);
  free(python);
  if (error != 0) {
    free(w);
    return error;
  }
  w->events = *events;
  w->user = user;
  dl_buf_init(&w->line, DL_WORKER_LINE_MAX);
  dl_buf_init(&w->input, REQUEST_MAX);
  uv_poll_init(tb->loop, &w->reader, w->out_fd);
  uv_poll_init(tb->loop, &w->writer, w->in_fd);
  w->reader.data = w->writer.data = w;
  w->open_handles = 2;
  uv_poll_start(&w->reader, UV_READABLE, on_readable);
  *out = w;
  return 0;
}
