/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pipes to a language server. Its user may kill it from inside an event, so nothing of it is touched after that without
 * asking whether it is over; memory goes when the handles have closed.
 */
#include "toolbox/lsp/program.h"

#include "toolbox/core/spawn.h"
#include "toolbox/lsp/frames.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define READ_BLOCK 65536
#define READS_PER_TURN 16
#define READS_AT_END 1024
#define SAID_MAX 400 /* of its last words on standard error */

struct dl_lsp_program {
  dl_process_t process;
  uv_poll_t reader, writer, errors;
  int in_fd, out_fd, error_fd, open_handles;
  dl_lsp_frames_t frames;
  dl_buf_t queue;
  char said[SAID_MAX];
  size_t said_len;
  bool is_over, has_exited;
  dl_lsp_program_events_t events;
  void *user;
};

static void on_handle_closed(uv_handle_t *handle) {
  dl_lsp_program_t *p = handle->data;
  if (--p->open_handles > 0) return;
  close(p->in_fd);
  close(p->out_fd);
  close(p->error_fd);
  dl_lsp_frames_clear(&p->frames);
  dl_buf_clear(&p->queue);
  free(p);
}

/* Descriptors stay open until the handles have closed: a number that was free could be another's at once. */
static void dispose(dl_lsp_program_t *p) {
  assert(!p->is_over);
  p->is_over = true;
  dl_process_forget(&p->process);
  uv_close((uv_handle_t *)&p->reader, on_handle_closed);
  uv_close((uv_handle_t *)&p->writer, on_handle_closed);
  uv_close((uv_handle_t *)&p->errors, on_handle_closed);
}

void dl_lsp_program_kill(dl_lsp_program_t *p) {
  if (p == NULL || p->is_over) return;
  if (!p->has_exited) dl_process_kill_tree(&p->process);
  dispose(p);
}

static void end(dl_lsp_program_t *p, const char *why) {
  dl_lsp_program_kill(p);
  p->events.on_end(p->user, why);
}

/* --- messages from it --- */

static void take_messages(dl_lsp_program_t *p) {
  const char *body = NULL;
  size_t len = 0;
  int got = 0;
  while (!p->is_over && (got = dl_lsp_frames_next(&p->frames, &body, &len)) > 0) {
    char *failure = NULL;
    json_t *message = dl_json_parse(body, len, &failure);
    if (json_is_object(message)) p->events.on_message(p->user, message);
    json_decref(message);
    if (failure != NULL && !p->is_over) end(p, "it wrote a message that is not JSON");
    free(failure);
  }
  if (!p->is_over && got < 0) end(p, p->frames.problem);
}

static void read_messages(dl_lsp_program_t *p, int rounds) {
  static char block[READ_BLOCK]; /* one thread, and what is read is kept before anything is called */
  for (int i = 0; i < rounds && !p->is_over; i++) {
    ssize_t got = read(p->out_fd, block, sizeof block);
    if (got < 0 && errno == EINTR) continue;
    if (got == 0) uv_poll_stop(&p->reader);
    if (got <= 0) return;
    if (!dl_lsp_frames_feed(&p->frames, block, (size_t)got)) {
      end(p, p->frames.problem);
      return;
    }
    take_messages(p);
  }
}

static void on_readable(uv_poll_t *poll, int status, int events) {
  (void)status, (void)events;
  read_messages(poll->data, READS_PER_TURN);
}

/* --- its last words --- */

static void keep_said(dl_lsp_program_t *p, const char *bytes, size_t len) {
  if (len >= SAID_MAX) {
    bytes += len - SAID_MAX;
    len = SAID_MAX;
  }
  size_t room = SAID_MAX - p->said_len;
  if (len > room) {
    memmove(p->said, p->said + (len - room), p->said_len - (len - room));
    p->said_len -= len - room;
  }
  memcpy(p->said + p->said_len, bytes, len);
  p->said_len += len;
}

static void read_errors(dl_lsp_program_t *p) {
  char block[4096];
  for (int i = 0; i < READS_PER_TURN; i++) {
    ssize_t got = read(p->error_fd, block, sizeof block);
    if (got == 0) uv_poll_stop(&p->errors);
    if (got <= 0) return;
    keep_said(p, block, (size_t)got);
  }
}

static void on_error_readable(uv_poll_t *poll, int status, int events) {
  (void)status, (void)events;
  read_errors(poll->data);
}

/* The last line of them; yours to free, "" when there is none. */
static char *last_line(const dl_lsp_program_t *p) {
  size_t end = p->said_len, start;
  while (end > 0 && (p->said[end - 1] == '\n' || p->said[end - 1] == '\r')) end--;
  for (start = end; start > 0 && p->said[start - 1] != '\n';) start--;
  return dl_xstrndup(p->said + start, end - start);
}

/* What it has written is still in the pipes. Its own processes may still be there: they are of no use without it. */
static void on_exit_told(dl_process_t *process, int status) {
  dl_lsp_program_t *p = DL_CONTAINER(process, dl_lsp_program_t, process);
  assert(!p->is_over && !p->has_exited);
  p->has_exited = true;
  kill(-process->pid, SIGKILL);
  read_messages(p, READS_AT_END);
  if (p->is_over) return;
  read_errors(p);
  char *line = last_line(p);
  const char *colon = *line != '\0' ? ": " : "";
  char *why = WIFSIGNALED(status) ? dl_xprintf("it was ended by signal %d%s%s", WTERMSIG(status), colon, line)
                                  : dl_xprintf("it exited with %d%s%s", WEXITSTATUS(status), colon, line);
  end(p, why);
  free(why);
  free(line);
}

/* --- messages to it --- */

static void on_writable(uv_poll_t *poll, int status, int events) {
  dl_lsp_program_t *p = poll->data;
  (void)events;
  ssize_t sent = write(p->in_fd, p->queue.data, p->queue.len);
  if (sent > 0) dl_buf_consume(&p->queue, (size_t)sent);
  bool is_broken = status < 0 || (sent < 0 && errno != EAGAIN && errno != EINTR);
  if (is_broken || p->queue.len == 0) uv_poll_stop(poll);
  /* One that takes no more answers no more; its exit will be reported. */
  if (is_broken && !p->has_exited) kill(-p->process.pid, SIGKILL);
}

bool dl_lsp_program_send(dl_lsp_program_t *p, const json_t *message) {
  assert(!p->is_over);
  char *text = dl_json_text(message);
  bool fits = dl_lsp_frames_put(&p->queue, text, strlen(text));
  free(text);
  if (fits) uv_poll_start(&p->writer, UV_WRITABLE, on_writable);
  return fits;
}

/* --- the start --- */

typedef struct {
  int in[2], out[2], errors[2];
} pipes_t;

static void close_one(int fd) {
  if (fd >= 0) close(fd);
}

static int start(dl_lsp_program_t *p, dl_toolbox_t *tb, char *const *argv, const char *cwd) {
  pipes_t pipes = {{-1, -1}, {-1, -1}, {-1, -1}};
  bool ok = pipe2(pipes.in, O_CLOEXEC) == 0 && pipe2(pipes.out, O_CLOEXEC) == 0 &&
            pipe2(pipes.errors, O_CLOEXEC) == 0;
  dl_process_opts_t opts = {.file = argv[0],
                            .argv = argv,
                            .envp = tb->environment.pairs,
                            .cwd = cwd,
                            .fds = {pipes.in[0], pipes.out[1], pipes.errors[1]},
                            .is_subreaper = true};
  p->process.on_exit = on_exit_told;
  int error = ok ? dl_process_start(tb->reaper, &p->process, &opts) : errno;
  close_one(pipes.in[0]);
  close_one(pipes.out[1]);
  close_one(pipes.errors[1]);
  p->in_fd = pipes.in[1];
  p->out_fd = pipes.out[0];
  p->error_fd = pipes.errors[0];
  if (error == 0) {
    fcntl(p->in_fd, F_SETFL, O_NONBLOCK);
    fcntl(p->out_fd, F_SETFL, O_NONBLOCK);
    fcntl(p->error_fd, F_SETFL, O_NONBLOCK);
    return 0;
  }
  close_one(p->in_fd);
  close_one(p->out_fd);
  close_one(p->error_fd);
  return error;
}

int dl_lsp_program_start(dl_toolbox_t *tb, char *const *argv, const char *cwd,
                         const dl_lsp_program_events_t *events, void *user, dl_lsp_program_t **out) {
  dl_lsp_program_t *p = dl_xcalloc(1, sizeof *p);
  dl_list_init(&p->process.link);
  int error = start(p, tb, argv, cwd);
  if (error != 0) {
    free(p);
    return error;
  }
  p->events = *events;
  p->user = user;
  dl_lsp_frames_init(&p->frames);
  dl_buf_init(&p->queue, DL_LSP_QUEUE_MAX);
  uv_poll_init(tb->loop, &p->reader, p->out_fd);
  uv_poll_init(tb->loop, &p->writer, p->in_fd);
  uv_poll_init(tb->loop, &p->errors, p->error_fd);
  p->reader.data = p->writer.data = p->errors.data = p;
  p->open_handles = 3;
  uv_poll_start(&p->reader, UV_READABLE, on_readable);
  uv_poll_start(&p->errors, UV_READABLE, on_error_readable);
  *out = p;
  return 0;
}
