/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting one process of the desktop and keeping what it says.
 *
 * Output goes through a pipe and not into a file, because a desktop runs for days and its programs complain a lot: of each
 * stream the newest 64 KiB are kept. A reader lives until its pipe is closed by everybody, or the next start.
 */
#include "toolbox/desktop/process.h"

#include "runtime/proctree.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct dl_log_reader {
  uv_poll_t poll;
  int fd;
  dl_desktop_process_t *process; /* NULL: it has another reader by now */
  int stream;
} reader_t;

static void keep(dl_buf_t *log, const char *bytes, size_t len) {
  if (log->len + len > DL_DESKTOP_LOG_MAX) {
    size_t over = log->len + len - DL_DESKTOP_LOG_MAX;
    dl_buf_consume(log, over < log->len ? over : log->len);
  }
  dl_buf_append(log, bytes, len);
}

static void on_reader_closed(uv_handle_t *handle) {
  reader_t *r = handle->data;
  close(r->fd);
  free(r);
}

static void close_reader(reader_t *r) {
  if (r == NULL) return;
  if (r->process != NULL) r->process->readers[r->stream] = NULL;
  r->process = NULL;
  uv_close((uv_handle_t *)&r->poll, on_reader_closed);
}

static void on_output(uv_poll_t *poll, int status, int events) {
  reader_t *r = poll->data;
  char block[4096];
  (void)events;
  assert(r->process != NULL);
  ssize_t got = read(r->fd, block, sizeof block);
  if (got > 0) {
    keep(&r->process->logs[r->stream], block, (size_t)got);
  } else if (got == 0 || (errno != EAGAIN && errno != EINTR) || status != 0) {
    close_reader(r);
  }
}

static void read_output(dl_desktop_process_t *p, int stream, int fd) {
  reader_t *r = dl_xcalloc(1, sizeof *r);
  *r = (reader_t){.fd = fd, .process = p, .stream = stream};
  fcntl(fd, F_SETFL, O_NONBLOCK);
  uv_poll_init(p->tb->loop, &r->poll, fd);
  r->poll.data = r;
  uv_poll_start(&r->poll, UV_READABLE, on_output);
  p->readers[stream] = r;
}

static void on_exit_seen(dl_process_t *process, int status) {
  dl_desktop_process_t *p = DL_CONTAINER(process, dl_desktop_process_t, process);
  p->is_running = false;
  kill(-process->pid, SIGTERM); /* what it has left: another of its kind could not start beside that */
  /* Its last words are in the pipe already. */
  for (int i = 0; i < 2; i++)
    if (p->readers[i] != NULL) on_output(&p->readers[i]->poll, 0, 0);
  p->on_end(p, status);
}

void dl_desktop_process_init(dl_desktop_process_t *p, dl_toolbox_t *tb, const char *name,
                             void (*on_end)(dl_desktop_process_t *p, int status)) {
  *p = (dl_desktop_process_t){.tb = tb, .name = name, .on_end = on_end, .process.on_exit = on_exit_seen};
  dl_list_init(&p->process.link);
  for (int i = 0; i < 2; i++) dl_buf_init(&p->logs[i], DL_DESKTOP_LOG_MAX);
}

int dl_desktop_process_start(dl_desktop_process_t *p, char *const *argv, const dl_environ_t *environment,
                             int stdin_fd) {
  int pipes[2][2] = {{-1, -1}, {-1, -1}}, nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
  assert(!p->is_running);
  char *file = dl_process_find(environment, argv[0]);
  int error = file == NULL ? ENOENT : nothing < 0 ? errno : 0;
  for (int i = 0; i < 2 && error == 0; i++)
    if (pipe2(pipes[i], O_CLOEXEC) != 0) error = errno;
  dl_process_opts_t opts = {.file = file,
                            .argv = argv,
                            .envp = environment->pairs,
                            .cwd = access(p->tb->home, X_OK) == 0 ? p->tb->home : "/",
                            .fds = {stdin_fd >= 0 ? stdin_fd : nothing, pipes[0][1], pipes[1][1]},
                            .is_session = true,
                            .is_subreaper = true};
  if (error == 0) error = dl_process_start(p->tb->reaper, &p->process, &opts);
  for (int i = 0; i < 2; i++) {
    if (pipes[i][1] >= 0) close(pipes[i][1]);
    if (error != 0 && pipes[i][0] >= 0) close(pipes[i][0]);
    if (error != 0) continue;
    close_reader(p->readers[i]);
    read_output(p, i, pipes[i][0]);
  }
  if (nothing >= 0) close(nothing);
  free(file);
  p->is_running = error == 0;
  p->was_started = p->was_started || error == 0;
  return error;
}

void dl_desktop_process_signal(dl_desktop_process_t *p, int number) {
  if (!p->is_running) return;
  /* Agents of a session leave its group. Before it: when it has ended, they are below nobody of ours. */
  dl_proctree_signal(p->process.pid, number);
  kill(-p->process.pid, number);
}

void dl_desktop_process_kill(dl_desktop_process_t *p) {
  if (p->is_running) dl_process_kill_tree(&p->process);
}

char *dl_desktop_process_last_words(const dl_desktop_process_t *p) {
  const dl_buf_t *log = p->logs[1].len > 0 ? &p->logs[1] : &p->logs[0];
  const char *text = log->data != NULL ? log->data : "";
  size_t end = log->len;
  while (end > 0 && strchr("\r\n \t", text[end - 1]) != NULL) end--;
  size_t start = end;
  while (start > 0 && text[start - 1] != '\n') start--;
  return dl_xstrndup(text + start, end - start < 300 ? end - start : 300);
}

void dl_desktop_process_close(dl_desktop_process_t *p) {
  dl_process_forget(&p->process);
  for (int i = 0; i < 2; i++) {
    close_reader(p->readers[i]);
    dl_buf_clear(&p->logs[i]);
  }
}
