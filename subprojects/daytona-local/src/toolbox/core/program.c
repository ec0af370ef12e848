/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See program.h. A terminal is one descriptor for input and output, pipes are three. Each is watched for exactly what is
 * wanted of it. The exit is reported when all output was read, or HOLD_MS after it where somebody else still holds the
 * pipes; on a terminal that is the end too, since its jobs lose it then.
 */
#include "toolbox/core/program.h"

#include "base/buf.h"
#include "toolbox/core/spawn.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define READ_BLOCK (32u * 1024)
#define READS_PER_TURN 8
#define INPUT_MAX (16u * 1024 * 1024) /* who talks to it keeps to much less */
#define HOLD_MS 250
#define END_OF_FILE "\004"

enum { IN, OUT, ERRORS, END_COUNT };

typedef struct {
  dl_program_t *program;
  int fd; /* -1: closed, or there is none */
  uv_poll_t poll;
  bool has_poll, is_over; /* nothing more comes or goes there */
} end_t;

struct dl_program {
  dl_list_t link; /* in the toolbox's list */
  dl_process_t process;
  end_t ends[END_COUNT];
  uv_timer_t hold;
  const dl_program_events_t *events;
  void *user;
  dl_buf_t input;
  size_t dropped; /* input for nobody, not reported yet */
  int open_handles, status;
  bool has_terminal, ends_input, is_held, has_exited, is_exit_told, is_closed;
};

/* --- the end --- */

static void on_handle_closed(uv_handle_t *handle) {
  dl_program_t *p = handle->data;
  assert(p->open_handles > 0);
  if (--p->open_handles > 0) return;
  assert(p->is_closed);
  for (int i = 0; i < END_COUNT; i++)
    if (p->ends[i].fd >= 0) close(p->ends[i].fd);
  dl_buf_clear(&p->input);
  free(p);
}

static void dispose(dl_program_t *p) {
  assert(!p->is_closed);
  p->is_closed = true;
  dl_process_forget(&p->process);
  dl_list_unlink(&p->link);
  for (int i = 0; i < END_COUNT; i++)
    if (p->ends[i].has_poll) uv_close((uv_handle_t *)&p->ends[i].poll, on_handle_closed);
  uv_close((uv_handle_t *)&p->hold, on_handle_closed);
}

void dl_program_close(dl_program_t *p) {
  if (!p->has_exited) {
    kill(-p->process.pid, SIGHUP);
    kill(-p->process.pid, SIGCONT);
  }
  dispose(p);
}

static bool is_drained(const dl_program_t *p) {
  return p->has_terminal ? p->ends[IN].is_over : p->ends[OUT].is_over && p->ends[ERRORS].is_over;
}

static void finish(dl_program_t *p) {
  const dl_program_events_t *events = p->events;
  void *user = p->user;
  if (!p->is_exit_told) {
    p->is_exit_told = true;
    events->on_exit(p, p->status, user);
    if (p->is_closed) return;
  }
  dispose(p);
  events->on_end(p, user);
}

static void on_hold_over(uv_timer_t *timer);

static void on_exit_seen(dl_process_t *process, int status) {
  dl_program_t *p = DL_CONTAINER(process, dl_program_t, process);
  assert(!p->has_exited && !p->is_closed);
  p->has_exited = true;
  p->status = status;
  uv_timer_start(&p->hold, on_hold_over, is_drained(p) ? 0 : HOLD_MS, 0);
}

/* --- reading and writing --- */

static void on_ready(uv_poll_t *poll, int status, int events);

static bool is_read(const dl_program_t *p, int i) { return p->has_terminal ? i == IN : i != IN; }

static void watch(dl_program_t *p) {
  for (int i = 0; i < END_COUNT && !p->is_closed; i++) {
    end_t *e = &p->ends[i];
    int events = 0;
    if (!e->has_poll) continue;
    if (!e->is_over && is_read(p, i) && !p->is_held) events |= UV_READABLE;
    if (i == IN && (p->dropped > 0 || (!e->is_over && p->input.len > 0))) events |= UV_WRITABLE;
    if (events != 0)
      uv_poll_start(&e->poll, events, on_ready);
    else
      uv_poll_stop(&e->poll);
  }
}

/* Nobody reads it: whoever wrote it must not wait for ever. */
static void drop_input(dl_program_t *p) {
  p->dropped += p->input.len;
  dl_buf_reset(&p->input);
}

static void end_reading(dl_program_t *p, end_t *e) {
  e->is_over = true;
  if (p->has_terminal) drop_input(p);
  if (p->has_exited && is_drained(p)) uv_timer_start(&p->hold, on_hold_over, 0, 0);
}

static void read_output(dl_program_t *p, end_t *e, int status) {
  static char block[READ_BLOCK]; /* one thread, and borrowed for the call */
  for (int i = 0; i < READS_PER_TURN && !p->is_held; i++) {
    ssize_t got = read(e->fd, block, sizeof block);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN && status >= 0) return;
    if (got <= 0) {
      end_reading(p, e);
      return;
    }
    p->events->on_output(p, e == &p->ends[ERRORS], block, (size_t)got, p->user);
    if (p->is_closed) return;
  }
}

static void on_pipe_closed(uv_handle_t *handle) {
  end_t *e = DL_CONTAINER(handle, end_t, poll);
  close(e->fd);
  e->fd = -1;
  on_handle_closed(handle);
}

/* Not before its handle is closed: libuv would take the next descriptor of that number for this one. */
static void close_pipe(dl_program_t *p) {
  end_t *e = &p->ends[IN];
  e->is_over = true;
  e->has_poll = false;
  uv_close((uv_handle_t *)&e->poll, on_pipe_closed);
}

static bool is_input_whole(const dl_program_t *p) {
  return p->ends_input && !p->has_terminal && !p->ends[IN].is_over && p->input.len == 0;
}

static void write_input(dl_program_t *p) {
  end_t *e = &p->ends[IN];
  size_t taken = 0;
  while (p->input.len > 0 && !e->is_over) {
    ssize_t sent = write(e->fd, p->input.data, p->input.len < 4096 ? p->input.len : 4096);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN) break;
    if (sent <= 0) {
      e->is_over = !p->has_terminal;
      drop_input(p);
      break;
    }
    dl_buf_consume(&p->input, (size_t)sent);
    taken += (size_t)sent;
  }
  if (is_input_whole(p)) close_pipe(p);
  taken += p->dropped;
  p->dropped = 0;
  if (taken > 0) p->events->on_taken(p, taken, p->user);
}

/* What it has written before its end is there by now. */
static void on_hold_over(uv_timer_t *timer) {
  dl_program_t *p = timer->data;
  for (int i = 0; i < END_COUNT && !p->is_closed; i++)
    if (is_read(p, i) && !p->ends[i].is_over) read_output(p, &p->ends[i], 0);
  if (p->is_closed) return;
  if (p->is_held && !is_drained(p)) {
    uv_timer_start(&p->hold, on_hold_over, HOLD_MS, 0);
  } else if (p->has_terminal || is_drained(p)) {
    finish(p);
  } else if (!p->is_exit_told) {
    p->is_exit_told = true;
    p->events->on_exit(p, p->status, p->user);
  }
}

static void on_ready(uv_poll_t *poll, int status, int events) {
  end_t *e = DL_CONTAINER(poll, end_t, poll);
  dl_program_t *p = e->program;
  if (e == &p->ends[IN] && ((events & UV_WRITABLE) || (status < 0 && !p->has_terminal))) write_input(p);
  if (p->is_closed) return;
  bool reads = is_read(p, (int)(e - p->ends)) && !e->is_over;
  if (reads && ((events & UV_READABLE) || status < 0)) read_output(p, e, status);
  if (!p->is_closed) watch(p);
}

/* --- what is asked of it --- */

void dl_program_write(dl_program_t *p, const char *bytes, size_t len) {
  assert(!p->is_closed && !p->ends_input);
  if (p->ends[IN].is_over || !dl_buf_append(&p->input, bytes, len)) p->dropped += len;
  watch(p);
}

void dl_program_end_input(dl_program_t *p) {
  if (p->ends_input) return;
  if (p->has_terminal && !p->ends[IN].is_over) dl_buf_append(&p->input, END_OF_FILE, 1);
  p->ends_input = true;
  if (is_input_whole(p)) close_pipe(p);
  watch(p);
}

void dl_program_hold(dl_program_t *p, bool is_held) {
  if (p->is_held == is_held) return;
  p->is_held = is_held;
  watch(p);
}

void dl_program_resize(dl_program_t *p, unsigned columns, unsigned rows) {
  struct winsize size = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)columns};
  if (p->has_terminal) ioctl(p->ends[IN].fd, TIOCSWINSZ, &size);
}

void dl_program_signal(dl_program_t *p, int number) {
  if (p->has_exited) return;
  pid_t foreground = p->has_terminal ? tcgetpgrp(p->ends[IN].fd) : -1;
  if (foreground > 0 && foreground != p->process.pid) kill(-foreground, number);
  kill(-p->process.pid, number);
}

void dl_programs_hang_up(dl_toolbox_t *tb) {
  DL_LIST_EACH(&tb->programs, node) {
    dl_program_t *p = DL_CONTAINER(node, dl_program_t, link);
    if (p->has_terminal && !p->has_exited) kill(p->process.pid, SIGHUP);
  }
}

/* --- the start --- */

int dl_terminal_open(unsigned columns, unsigned rows, int *master_fd, int *slave_fd) {
  char name[128];
  struct winsize size = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)columns};
  int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK), slave = -1;
  if (master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0 &&
      ptsname_r(master, name, sizeof name) == 0 && ioctl(master, TIOCSWINSZ, &size) == 0)
    slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
  int error = slave < 0 ? errno : 0;
  if (slave < 0 && master >= 0) close(master);
  if (slave < 0) return error;
  *master_fd = master;
  *slave_fd = slave;
  return 0;
}

static void close_all(int fds[END_COUNT]) {
  for (int i = 0; i < END_COUNT; i++)
    if (fds[i] >= 0 && (i == 0 || fds[i] != fds[i - 1])) close(fds[i]);
}

/* Ours, and those of the program by their numbers. 0 or an errno value: then nothing is open. */
static int open_ends(const dl_program_opts_t *o, int ours[END_COUNT], int theirs[END_COUNT]) {
  int error = 0;
  if (o->has_terminal) {
    error =
      dl_terminal_open(o->columns > 0 ? o->columns : 80, o->rows > 0 ? o->rows : 24, &ours[IN], &theirs[IN]);
    theirs[OUT] = theirs[ERRORS] = theirs[IN];
    return error;
  }
  for (int i = 0; i < END_COUNT && error == 0; i++) {
    int both[2];
    if (pipe2(both, O_CLOEXEC) != 0) {
      error = errno;
    } else {
      ours[i] = both[i == IN];
      theirs[i] = both[i != IN];
      fcntl(ours[i], F_SETFL, O_NONBLOCK);
    }
  }
  if (error != 0) {
    close_all(ours);
    close_all(theirs);
  }
  return error;
}

static void init_ends(dl_program_t *p, uv_loop_t *loop, const int fds[END_COUNT]) {
  for (int i = 0; i < END_COUNT; i++) {
    end_t *e = &p->ends[i];
    e->program = p;
    e->fd = fds[i];
    if (e->fd < 0) continue;
    uv_poll_init(loop, &e->poll, e->fd);
    e->poll.data = p;
    e->has_poll = true;
    p->open_handles++;
  }
  uv_timer_init(loop, &p->hold);
  p->hold.data = p;
  p->open_handles++;
}

dl_program_t *dl_program_start(dl_toolbox_t *tb, const dl_program_opts_t *opts,
                               const dl_program_events_t *events, void *user, int *error) {
  int ours[END_COUNT] = {-1, -1, -1}, theirs[END_COUNT] = {-1, -1, -1};
  char *too_large = opts->run == NULL ? dl_environ_too_large(opts->environment, opts->argv) : NULL;
  *error = too_large != NULL ? E2BIG : open_ends(opts, ours, theirs);
  free(too_large);
  if (*error != 0) return NULL;
  dl_program_t *p = dl_xcalloc(1, sizeof *p);
  p->events = events;
  p->user = user;
  p->has_terminal = opts->has_terminal;
  p->process.on_exit = on_exit_seen;
  dl_list_init(&p->process.link);
  dl_buf_init(&p->input, INPUT_MAX);
  const dl_process_opts_t process = {.file = opts->file,
                                     .run = opts->run,
                                     .argv = opts->argv,
                                     .envp = opts->environment->pairs,
                                     .cwd = opts->cwd,
                                     .fds = {theirs[IN], theirs[OUT], theirs[ERRORS]},
                                     .is_session = true};
  *error = dl_process_start(tb->reaper, &p->process, &process);
  close_all(theirs);
  if (*error != 0) {
    close_all(ours);
    dl_buf_clear(&p->input);
    free(p);
    return NULL;
  }
  init_ends(p, tb->loop, ours);
  dl_list_push(&tb->programs, &p->link);
  watch(p);
  return p;
}
