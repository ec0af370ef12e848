/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Collects one program's output.
 *
 * Two facts make the normal end: the pipe is closed by every holder, and the program was reaped.
 * They come in either order. After the report the object only waits for its handles to close.
 * Output past the ceiling is read and dropped, so that the program can go on, and the text ends
 * with a line that says so.
 */
#include "toolbox/core/run.h"

#include "base/buf.h"
#include "toolbox/core/spawn.h"

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

/* One pipe from the program. */
typedef struct {
  dl_run_t *run;
  uv_poll_t reader;
  int fd;
  dl_buf_t text;
  bool is_drained, is_truncated, has_reader;
} stream_t;

struct dl_run {
  dl_process_t process;
  dl_toolbox_t *tb;
  stream_t streams[2]; /* the output; errors, when they are split */
  size_t stream_count;
  uv_poll_t writer;
  uv_timer_t limit, hold; /* the timeout; the wait for pipe holders */
  int in_fd;
  dl_buf_t input;
  size_t input_at;
  int open_handles, status;
  bool has_exited, is_reported, has_writer;
  int start_error;
  dl_run_cb cb;
  void *user;
};

typedef dl_run_t run_t;

static void on_handle_closed(uv_handle_t *handle) {
  run_t *r = handle->data;
  assert(r->is_reported && r->open_handles > 0);
  if (--r->open_handles > 0) return;
  for (size_t i = 0; i < r->stream_count; i++) {
    if (r->streams[i].fd >= 0) close(r->streams[i].fd);
    dl_buf_clear(&r->streams[i].text);
  }
  if (r->in_fd >= 0) close(r->in_fd);
  dl_buf_clear(&r->input);
  r->tb->live_count--;
  free(r);
}

static void note_truncation(stream_t *s) {
  if (!s->is_truncated) return;
  char *note = dl_xprintf("\n[output truncated after %u bytes]\n", DL_TB_OUTPUT_MAX);
  dl_buf_append(&s->text, note, strlen(note));
  free(note);
}

static const char *text_of(const stream_t *s) { return s->text.data != NULL ? s->text.data : ""; }

static bool is_drained(const run_t *r) {
  for (size_t i = 0; i < r->stream_count; i++)
    if (!r->streams[i].is_drained) return false;
  return true;
}

/* Nothing more is reported; what is left goes with its handles. */
static void end(run_t *r) {
  assert(r->is_reported);
  dl_process_forget(&r->process);
  for (size_t i = 0; i < r->stream_count; i++)
    if (r->streams[i].has_reader) uv_close((uv_handle_t *)&r->streams[i].reader, on_handle_closed);
  if (r->has_writer) uv_close((uv_handle_t *)&r->writer, on_handle_closed);
  uv_close((uv_handle_t *)&r->limit, on_handle_closed);
  uv_close((uv_handle_t *)&r->hold, on_handle_closed);
}

static void report(run_t *r, bool timed_out) {
  stream_t *out = &r->streams[0], *err = &r->streams[1];
  if (r->is_reported) return;
  assert(timed_out || r->has_exited || r->start_error != 0);
  r->is_reported = true;
  note_truncation(out);
  note_truncation(err);
  dl_run_result_t result = {
    r->start_error, timed_out,    r->status,     text_of(out),
    out->text.len,  text_of(err), err->text.len, out->is_truncated || err->is_truncated};
  r->cb(r->user, &result);
  end(r);
}

static void on_hold_over(uv_timer_t *timer) { report(timer->data, false); }

static void on_exit_told(dl_process_t *p, int status) {
  run_t *r = DL_CONTAINER(p, run_t, process);
  r->has_exited = true;
  r->status = status;
  if (is_drained(r))
    report(r, false);
  else
    uv_timer_start(&r->hold, on_hold_over, DL_RUN_HOLD_MS, 0);
}

static void kill_all(run_t *r) {
  if (!r->has_exited)
    dl_process_kill_tree(&r->process);
  else
    kill(-r->process.pid, SIGKILL); /* its group may outlive it and hold the pipe */
}

static void on_limit(uv_timer_t *timer) {
  run_t *r = timer->data;
  kill_all(r);
  report(r, true);
}

static void on_start_failed(uv_timer_t *timer) { report(timer->data, false); }

static void keep(stream_t *s, const char *bytes, size_t len) {
  assert(s->text.len <= DL_TB_OUTPUT_MAX);
  size_t room = DL_TB_OUTPUT_MAX - s->text.len;
  if (len > room) {
    len = room;
    s->is_truncated = true;
  }
  if (!s->is_truncated || len > 0) dl_buf_append(&s->text, bytes, len);
}

static void on_readable(uv_poll_t *poll, int status, int events) {
  stream_t *s = DL_CONTAINER(poll, stream_t, reader);
  run_t *r = s->run;
  static char block[READ_BLOCK]; /* one thread, no call in between */
  (void)events;
  for (int i = 0; i < READS_PER_TURN; i++) {
    ssize_t got = read(s->fd, block, sizeof block);
    if (got > 0) {
      keep(s, block, (size_t)got);
      continue;
    }
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN && status == 0) return;
    s->is_drained = true;
    uv_poll_stop(poll);
    if (r->has_exited && is_drained(r)) report(r, false);
    return;
  }
}

static void on_writer_closed(uv_handle_t *handle) {
  run_t *r = handle->data;
  if (r->is_reported)
    on_handle_closed(handle);
  else
    r->open_handles--;
}

/* The handle first: its close takes the descriptor's number out of the poll, and that may be somebody else's by then. */
static void close_input(run_t *r) {
  if (r->has_writer) uv_close((uv_handle_t *)&r->writer, on_writer_closed);
  r->has_writer = false;
  close(r->in_fd);
  r->in_fd = -1;
}

static void on_writable(uv_poll_t *poll, int status, int events) {
  run_t *r = poll->data;
  (void)events;
  assert(r->in_fd >= 0 && r->input_at < r->input.len);
  ssize_t sent = write(r->in_fd, r->input.data + r->input_at, r->input.len - r->input_at);
  if (sent > 0) r->input_at += (size_t)sent;
  bool again = sent < 0 && (errno == EAGAIN || errno == EINTR) && status == 0;
  /* A program may end without having read its input. */
  if ((sent < 0 && !again) || r->input_at == r->input.len) close_input(r);
}

/* Most inputs fit the pipe at once; the rest follows as the program reads. */
static void give_input(run_t *r, const dl_run_opts_t *opts) {
  ssize_t sent = write(r->in_fd, opts->input, opts->input_len);
  if (sent < 0) sent = 0;
  if ((size_t)sent == opts->input_len) {
    close_input(r);
    return;
  }
  dl_buf_init(&r->input, opts->input_len);
  dl_buf_append(&r->input, opts->input + sent, opts->input_len - (size_t)sent);
  uv_poll_init(r->tb->loop, &r->writer, r->in_fd);
  r->writer.data = r;
  r->has_writer = true;
  r->open_handles++;
  uv_poll_start(&r->writer, UV_WRITABLE, on_writable);
}

static int start(run_t *r, const dl_run_opts_t *opts, int in, const int out[2]) {
  char *none[] = {NULL};
  dl_process_opts_t p = {.file = opts->file,
                         .argv = opts->argv,
                         .envp = opts->environment->count > 0 ? opts->environment->pairs : none,
                         .cwd = opts->cwd,
                         .fds = {in, out[0], out[1]},
                         .is_subreaper = true,
                         .is_ours = opts->is_ours};
  r->process.on_exit = on_exit_told;
  dl_list_init(&r->process.link);
  return dl_process_start(r->tb->reaper, &r->process, &p);
}

/* Makes the pipes, starts the program, keeps our ends. 0 or an errno value. */
static int open_and_start(run_t *r, const dl_run_opts_t *opts) {
  int in[2] = {-1, -1}, out[2][2] = {{-1, -1}, {-1, -1}}, error = 0;
  if (pipe2(in, O_CLOEXEC) != 0) error = errno;
  for (size_t i = 0; i < r->stream_count && error == 0; i++)
    if (pipe2(out[i], O_CLOEXEC) != 0) error = errno;
  if (error == 0) error = start(r, opts, in[0], (int[2]){out[0][1], out[r->stream_count - 1][1]});
  r->in_fd = in[1];
  if (in[0] >= 0) close(in[0]);
  for (size_t i = 0; i < r->stream_count; i++) {
    r->streams[i].fd = out[i][0];
    if (out[i][1] >= 0) close(out[i][1]);
  }
  return error;
}

static void init_handles(run_t *r) {
  uv_timer_init(r->tb->loop, &r->limit);
  uv_timer_init(r->tb->loop, &r->hold);
  r->limit.data = r->hold.data = r;
  r->open_handles = 2;
  if (r->start_error != 0) return;
  for (size_t i = 0; i < r->stream_count; i++) {
    stream_t *s = &r->streams[i];
    fcntl(s->fd, F_SETFL, O_NONBLOCK);
    uv_poll_init(r->tb->loop, &s->reader, s->fd);
    s->reader.data = r;
    s->has_reader = true;
    r->open_handles++;
  }
}

dl_run_t *dl_run(dl_toolbox_t *tb, const dl_run_opts_t *opts, dl_run_cb cb, void *user) {
  run_t *r = dl_xcalloc(1, sizeof *r);
  r->tb = tb;
  tb->live_count++;
  r->cb = cb;
  r->user = user;
  dl_list_init(&r->process.link);
  r->stream_count = opts->splits_errors ? 2 : 1;
  for (size_t i = 0; i < r->stream_count; i++) {
    r->streams[i].run = r;
    dl_buf_init(&r->streams[i].text, DL_TB_OUTPUT_MAX + 256);
  }
  r->start_error = open_and_start(r, opts);
  init_handles(r);
  if (r->start_error != 0) {
    uv_timer_start(&r->hold, on_start_failed, 0, 0);
    return r;
  }
  fcntl(r->in_fd, F_SETFL, O_NONBLOCK);
  for (size_t i = 0; i < r->stream_count; i++) uv_poll_start(&r->streams[i].reader, UV_READABLE, on_readable);
  give_input(r, opts);
  if (opts->timeout_s > 0) uv_timer_start(&r->limit, on_limit, (uint64_t)opts->timeout_s * 1000, 0);
  return r;
}

void dl_run_cancel(dl_run_t *r) {
  assert(!r->is_reported);
  if (r->start_error == 0) kill_all(r);
  r->is_reported = true;
  end(r);
}

int dl_run_exit_code(const dl_run_result_t *result) {
  return WIFSIGNALED(result->status) ? 128 + WTERMSIG(result->status) : WEXITSTATUS(result->status);
}
