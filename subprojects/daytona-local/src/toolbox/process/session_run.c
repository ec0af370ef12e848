/* SPDX-License-Identifier: Apache-2.0 */
/*
 * We hold the reading ends of stdout.pipe and stderr.pipe before the shell opens the writing ones,
 * so its open never waits, and an end of file means that every writer has gone. input.pipe we hold
 * for reading and writing: the command then sees an open, silent input, and what we write is kept
 * until it reads. A pipe that ended before the shell was done may get a writer again and is
 * asked once more at the end.
 *
 * A program that we start ourselves needs no names: its pipes have none, and it takes no input.
 */
#include "toolbox/process/session_run.h"

#include "toolbox/process/session_log.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_BLOCK 65536
#define READS_PER_TURN 16
#define INPUT_MAX (16u * 1024 * 1024)
/* A block of line ends becomes four times as long. */
#define RECORDS_MAX (4 * READ_BLOCK + 4 * DL_LOG_LINE_MAX)

typedef struct {
  dl_session_run_t *run;
  uv_poll_t poll;
  int fd;
  dl_labeller_t labeller;
  bool is_ended;
} source_t;

struct dl_session_run {
  char *dir;
  source_t sources[2];
  uv_poll_t writer;
  int in_fd; /* -1: takes none, and has no names */
  int log_fd;
  dl_buf_t records, input;
  int open_handles;
  bool is_done, is_told, is_closed;
  dl_session_run_events_t events;
  void *user;
};

static const char *const PIPES[] = {"stdout.pipe", "stderr.pipe", "input.pipe"};

static void free_run(dl_session_run_t *run) {
  for (int i = 0; i < 2; i++) {
    if (run->sources[i].fd >= 0) close(run->sources[i].fd);
    dl_labeller_clear(&run->sources[i].labeller);
  }
  if (run->in_fd >= 0) close(run->in_fd);
  if (run->log_fd >= 0) close(run->log_fd);
  dl_buf_clear(&run->records);
  dl_buf_clear(&run->input);
  free(run->dir);
  free(run);
}

static void on_handle_closed(uv_handle_t *handle) {
  dl_session_run_t *run = handle->data;
  if (--run->open_handles == 0) free_run(run);
}

static void on_source_closed(uv_handle_t *handle) {
  dl_session_run_t *run = ((source_t *)handle->data)->run;
  if (--run->open_handles == 0) free_run(run);
}

static void remove_pipes(const dl_session_run_t *run) {
  for (size_t i = 0; i < DL_COUNT(PIPES); i++) {
    char *path = dl_xprintf("%s/%s", run->dir, PIPES[i]);
    unlink(path);
    free(path);
  }
}

void dl_session_run_close(dl_session_run_t *run) {
  if (run == NULL || run->is_closed) return;
  run->is_closed = true;
  if (run->in_fd >= 0) remove_pipes(run);
  for (int i = 0; i < 2; i++) uv_close((uv_handle_t *)&run->sources[i].poll, on_source_closed);
  if (run->in_fd >= 0) uv_close((uv_handle_t *)&run->writer, on_handle_closed);
}

/* --- output --- */

/* What the disk does not take is lost; the command continues. */
static void store(dl_session_run_t *run) {
  const char *at = run->records.data;
  for (size_t left = run->records.len; left > 0;) {
    ssize_t sent = write(run->log_fd, at, left);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) break;
    at += sent;
    left -= (size_t)sent;
  }
  bool has_grown = run->records.len > 0;
  dl_buf_reset(&run->records);
  if (has_grown) run->events.on_output(run->user);
}

static void end_source(source_t *s) {
  if (s->is_ended) return;
  s->is_ended = true;
  uv_poll_stop(&s->poll);
  dl_labeller_end(&s->labeller, &s->run->records);
  store(s->run);
}

/* Reads what there is, at most `rounds` blocks. */
static void read_source(source_t *s, int rounds) {
  static char block[READ_BLOCK]; /* one thread, no call in between */
  for (int i = 0; i < rounds; i++) {
    ssize_t got = read(s->fd, block, sizeof block);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
      if (s->run->is_done)
        end_source(s);
      else
        uv_poll_stop(&s->poll); /* no writer for now */
      return;
    }
    dl_labeller_feed(&s->labeller, block, (size_t)got, &s->run->records);
    store(s->run);
  }
}

static void tell_if_drained(dl_session_run_t *run) {
  if (!run->is_done || run->is_told || !run->sources[0].is_ended || !run->sources[1].is_ended) return;
  assert(!run->is_closed);
  run->is_told = true;
  run->events.on_drained(run->user);
}

static void on_readable(uv_poll_t *poll, int status, int events) {
  source_t *s = poll->data;
  (void)status, (void)events;
  read_source(s, READS_PER_TURN);
  tell_if_drained(s->run);
}

void dl_session_run_done(dl_session_run_t *run) {
  assert(!run->is_closed);
  run->is_done = true;
  for (int i = 0; i < 2; i++) {
    uv_poll_start(&run->sources[i].poll, UV_READABLE, on_readable);
    read_source(&run->sources[i], READS_PER_TURN);
  }
  tell_if_drained(run);
}

void dl_session_run_echo(dl_session_run_t *run, const char *bytes, size_t len) {
  static const char marker[] = {DL_LOG_STDOUT, DL_LOG_STDOUT, DL_LOG_STDOUT};
  dl_buf_t record;
  dl_buf_init(&record, sizeof marker + len);
  dl_buf_append(&record, marker, sizeof marker);
  dl_buf_append(&record, bytes, len);
  dl_buf_t kept = run->records;
  run->records = record;
  store(run);
  dl_buf_clear(&run->records);
  run->records = kept;
}

/* --- input --- */

static void on_writable(uv_poll_t *poll, int status, int events) {
  dl_session_run_t *run = poll->data;
  (void)status, (void)events;
  ssize_t sent = write(run->in_fd, run->input.data, run->input.len);
  if (sent > 0) dl_buf_consume(&run->input, (size_t)sent);
  if (run->input.len == 0) uv_poll_stop(poll);
}

bool dl_session_run_input(dl_session_run_t *run, const char *bytes, size_t len) {
  assert(run->in_fd >= 0);
  if (!dl_buf_append(&run->input, bytes, len)) return false;
  uv_poll_start(&run->writer, UV_WRITABLE, on_writable);
  return true;
}

/* --- the start --- */

static int open_pipe(const char *dir, const char *name, int flags) {
  char *path = dl_xprintf("%s/%s", dir, name);
  int fd = mkfifo(path, 0600) == 0 ? open(path, flags | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW) : -1;
  free(path);
  return fd;
}

static bool open_log(dl_session_run_t *run) {
  char *log = dl_xprintf("%s/output.log", run->dir);
  run->log_fd = open(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
  free(log);
  return run->log_fd >= 0;
}

static bool open_named(dl_session_run_t *run) {
  for (int i = 0; i < 2; i++) run->sources[i].fd = open_pipe(run->dir, PIPES[i], O_RDONLY);
  run->in_fd = open_pipe(run->dir, PIPES[2], O_RDWR);
  return run->in_fd >= 0 && run->sources[0].fd >= 0 && run->sources[1].fd >= 0;
}

static bool open_unnamed(dl_session_run_t *run, int ends[2]) {
  for (int i = 0; i < 2; i++) {
    int pipe_ends[2];
    if (pipe2(pipe_ends, O_CLOEXEC) != 0) return false;
    run->sources[i].fd = pipe_ends[0];
    ends[i] = pipe_ends[1];
    fcntl(pipe_ends[0], F_SETFL, O_NONBLOCK); /* the other end is the program's, and blocks */
  }
  return true;
}

static dl_session_run_t *new_run(const char *dir, const dl_session_run_events_t *events, void *user) {
  dl_session_run_t *run = dl_xcalloc(1, sizeof *run);
  run->dir = dl_xstrdup(dir);
  run->events = *events;
  run->user = user;
  run->in_fd = run->log_fd = run->sources[0].fd = run->sources[1].fd = -1;
  dl_buf_init(&run->records, RECORDS_MAX);
  dl_buf_init(&run->input, INPUT_MAX);
  return run;
}

static void start(dl_session_run_t *run, uv_loop_t *loop) {
  for (int i = 0; i < 2; i++) {
    source_t *s = &run->sources[i];
    s->run = run;
    dl_labeller_init(&s->labeller, i == 0 ? DL_LOG_STDOUT : DL_LOG_STDERR);
    uv_poll_init(loop, &s->poll, s->fd);
    s->poll.data = s;
    uv_poll_start(&s->poll, UV_READABLE, on_readable);
  }
  run->open_handles = 2;
  if (run->in_fd < 0) return;
  uv_poll_init(loop, &run->writer, run->in_fd);
  run->writer.data = run;
  run->open_handles = 3;
}

dl_session_run_t *dl_session_run_new(dl_toolbox_t *tb, const char *dir, const dl_session_run_events_t *events,
                                     void *user) {
  dl_session_run_t *run = new_run(dir, events, user);
  if (open_log(run) && open_named(run)) {
    start(run, tb->loop);
    return run;
  }
  int error = errno;
  remove_pipes(run);
  free_run(run);
  errno = error;
  return NULL;
}

dl_session_run_t *dl_session_run_new_unnamed(dl_toolbox_t *tb, const char *dir,
                                             const dl_session_run_events_t *events, void *user, int ends[2]) {
  dl_session_run_t *run = new_run(dir, events, user);
  ends[0] = ends[1] = -1;
  if (open_log(run) && open_unnamed(run, ends)) {
    start(run, tb->loop);
    return run;
  }
  int error = errno;
  for (int i = 0; i < 2; i++)
    if (ends[i] >= 0) close(ends[i]);
  ends[0] = ends[1] = -1;
  free_run(run);
  errno = error;
  return NULL;
}
