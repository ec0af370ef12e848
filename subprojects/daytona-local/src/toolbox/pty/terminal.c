/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A terminal from its start to its end.
 *
 * Output goes to every client as it comes; nobody else keeps it. While all clients are busy reading,
 * the program waits, so that a quick program does not cost a good client its connection. When none
 * of them has taken a byte for the patience of the toolbox the program continues, and clients that are
 * too far behind are dropped (websocket.h). The end is the shell's exit with all its output read: the
 * terminal reports that nobody holds it any more, or HOLD_MS have passed.
 */
#include "toolbox/pty/terminal.h"

#include "toolbox/core/program.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define OUTPUT_BLOCK (32u * 1024)
#define BLOCKS_PER_TURN 8
#define INPUT_HIGH (256u * 1024)
#define INPUT_MAX (64u * 1024 * 1024) /* only reached by many clients at the same moment */
#define HOLD_MS 250

typedef struct {
  dl_list_t link;
  dl_pty_t *pty;
  dl_ws_t *ws;
  bool wants_exit_message;
} client_t;

/* --- the end --- */

static void free_pty(dl_pty_t *p) {
  if (p->master_fd >= 0) close(p->master_fd);
  json_decref(p->envs);
  dl_buf_clear(&p->input);
  free(p->id);
  free(p->cwd);
  free(p);
}

static void on_handle_closed(uv_handle_t *handle) {
  dl_pty_t *p = handle->data;
  assert(p->is_over && p->open_handles > 0);
  if (--p->open_handles == 0) free_pty(p);
}

static void dispose(dl_pty_t *p) {
  assert(!p->is_over && dl_list_empty(&p->clients));
  p->is_over = true;
  dl_process_forget(&p->shell);
  dl_list_unlink(&p->link);
  if (p->is_active) uv_close((uv_handle_t *)&p->terminal, on_handle_closed);
  uv_close((uv_handle_t *)&p->hold, on_handle_closed);
  uv_close((uv_handle_t *)&p->pace, on_handle_closed);
}

static const char *reason_of(int code, char *text, size_t size) {
  if (code == 0) return NULL;
  if (code == 130) return "Ctrl+C";
  if (code == 137) return "SIGKILL";
  if (code == 143) return "SIGTERM";
  if (code <= 128) return "non-zero exit";
  snprintf(text, size, "signal %d", code - 128);
  return text;
}

static void tell_exit(client_t *c, int code, const char *reason) {
  json_t *verdict = json_object();
  json_object_set_new(verdict, "exitCode", json_integer(code));
  if (reason != NULL) json_object_set_new(verdict, "exitReason", json_string(reason));
  char *closing = dl_json_text(verdict);
  json_object_set_new(verdict, "type", json_string("control"));
  json_object_set_new(verdict, "status", json_string("exited"));
  char *message = dl_json_text(verdict);
  if (!c->wants_exit_message || dl_ws_send(c->ws, DL_WS_TEXT, message, strlen(message)))
    dl_ws_close(c->ws, code == 0 ? DL_WS_NORMAL : DL_WS_INTERNAL, closing);
  free(message);
  free(closing);
  json_decref(verdict);
}

/* Output that is queued for a client leaves before the close frame. */
static void end_clients(dl_pty_t *p, int code) {
  char text[32];
  const char *reason = reason_of(code, text, sizeof text);
  while (!dl_list_empty(&p->clients)) {
    client_t *c = DL_CONTAINER(p->clients.next, client_t, link);
    dl_list_unlink(&c->link);
    tell_exit(c, code, reason);
    free(c);
  }
}

static void finish(dl_pty_t *p) {
  if (p->is_over) return;
  end_clients(p, WIFEXITED(p->status) ? WEXITSTATUS(p->status) : -1);
  dispose(p);
}

void dl_pty_kill(dl_pty_t *p) {
  if (p->is_active && !p->has_exited) dl_process_kill_tree(&p->shell);
  end_clients(p, 128 + SIGKILL);
  dispose(p);
}

static void go_on(dl_pty_t *p);

static void on_hold_over(uv_timer_t *timer) { finish(timer->data); }

static void on_shell_exit(dl_process_t *shell, int status) {
  dl_pty_t *p = DL_CONTAINER(shell, dl_pty_t, shell);
  assert(p->is_active && !p->has_exited);
  p->has_exited = true;
  p->status = status;
  if (p->is_drained) {
    finish(p);
    return;
  }
  if (p->is_active) go_on(p); /* what is left in the terminal is not much, and waits for no client */
  uv_timer_start(&p->hold, on_hold_over, HOLD_MS, 0);
}

/* --- output --- */

static void on_terminal(uv_poll_t *poll, int status, int events);

static void watch(dl_pty_t *p) {
  int events = 0;
  if (!p->is_drained && !p->is_output_held) events |= UV_READABLE;
  if (p->input.len > 0 && !p->is_drained) events |= UV_WRITABLE;
  if (events != 0)
    uv_poll_start(&p->terminal, events, on_terminal);
  else
    uv_poll_stop(&p->terminal);
}

/* A client that left while the list was walked is not in it any more. */
static void drop_client(client_t *c) {
  dl_list_unlink(&c->link);
  free(c);
}

static void broadcast(dl_pty_t *p, const char *bytes, size_t len) {
  DL_LIST_EACH_SAFE(&p->clients, node, after) {
    client_t *c = DL_CONTAINER(node, client_t, link);
    if (!dl_ws_send(c->ws, DL_WS_BINARY, bytes, len)) drop_client(c);
  }
}

static bool all_are_busy(const dl_pty_t *p) {
  DL_LIST_EACH(&p->clients, node)
  if (dl_ws_is_idle(DL_CONTAINER(node, client_t, link)->ws)) return false;
  return !dl_list_empty(&p->clients);
}

static uint64_t taken_by_clients(const dl_pty_t *p) {
  uint64_t taken = 0;
  DL_LIST_EACH(&p->clients, node) taken += dl_ws_taken(DL_CONTAINER(node, client_t, link)->ws);
  return taken;
}

static void on_pace(uv_timer_t *timer);

static void start_pace(dl_pty_t *p) {
  p->taken = taken_by_clients(p);
  uv_timer_start(&p->pace, on_pace, p->tb->reader_patience_ms, 0);
}

/* A client on a thin line may take longer than that for one block. */
static void on_pace(uv_timer_t *timer) {
  dl_pty_t *p = timer->data;
  if (taken_by_clients(p) != p->taken) {
    start_pace(p);
    return;
  }
  p->is_output_free = true;
  p->is_output_held = false;
  watch(p);
}

/* Somebody is there who reads, or nobody is there at all. */
static void go_on(dl_pty_t *p) {
  p->is_output_free = p->is_output_held = false;
  uv_timer_stop(&p->pace);
  watch(p);
}

/* One block, as full as the terminal can fill it. False: nothing more for now. */
static bool read_block(dl_pty_t *p) {
  static char block[OUTPUT_BLOCK]; /* one thread, no call in between */
  size_t len = 0;
  ssize_t got = 0;
  while (len < sizeof block) {
    got = read(p->master_fd, block + len, sizeof block - len);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    len += (size_t)got;
  }
  if (got == 0 || (got < 0 && errno != EAGAIN)) p->is_drained = true; /* EIO: nobody holds the terminal */
  if (len > 0) broadcast(p, block, len);
  return len == sizeof block;
}

static void read_output(dl_pty_t *p) {
  bool is_full = true;
  for (int i = 0; i < BLOCKS_PER_TURN && is_full && !p->is_output_held; i++) {
    is_full = read_block(p);
    /* Also behind a block that is not full: a program that writes slowly has clients that read slower. */
    bool is_free = p->is_output_free || p->has_exited || p->is_drained || p->tb->reader_patience_ms == 0;
    if (is_free || !all_are_busy(p)) continue;
    p->is_output_held = true;
    start_pace(p);
  }
}

/* --- input --- */

static void hold_input(dl_pty_t *p, bool is_held) {
  if (p->is_input_held == is_held) return;
  p->is_input_held = is_held;
  DL_LIST_EACH(&p->clients, node) {
    client_t *c = DL_CONTAINER(node, client_t, link);
    if (is_held)
      dl_ws_read_pause(c->ws);
    else
      dl_ws_read_resume(c->ws);
  }
}

static void write_input(dl_pty_t *p) {
  while (p->input.len > 0) {
    ssize_t sent = write(p->master_fd, p->input.data, p->input.len < 4096 ? p->input.len : 4096);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) break;
    dl_buf_consume(&p->input, (size_t)sent);
  }
  if (p->input.len < INPUT_HIGH / 2) hold_input(p, false);
}

static void on_terminal(uv_poll_t *poll, int status, int events) {
  dl_pty_t *p = poll->data;
  if (events & UV_WRITABLE) write_input(p);
  if ((events & UV_READABLE) || status < 0) read_output(p);
  if (p->is_drained && p->has_exited)
    finish(p);
  else
    watch(p);
}

/* --- clients --- */

static void on_client_message(dl_ws_t *ws, const char *bytes, size_t len, void *user) {
  client_t *c = user;
  dl_pty_t *p = c->pty;
  (void)ws;
  if (!dl_buf_append(&p->input, bytes, len)) {
    dl_ws_close(c->ws, DL_WS_INTERNAL, "PTY session unavailable");
    drop_client(c);
    return;
  }
  if (p->input.len > INPUT_HIGH) hold_input(p, true);
  watch(p);
}

static void on_client_drain(dl_ws_t *ws, void *user) {
  client_t *c = user;
  dl_pty_t *p = c->pty;
  (void)ws;
  go_on(p);
}

static void on_client_end(dl_ws_t *ws, void *user) {
  client_t *c = user;
  dl_pty_t *p = c->pty;
  (void)ws;
  drop_client(c);
  if (p->is_output_held && !all_are_busy(p)) go_on(p);
}

void dl_pty_attach(dl_pty_t *p, dl_ws_t *ws, bool wants_exit_message) {
  static const char connected[] = "{\"status\":\"connected\",\"type\":\"control\"}";
  static const dl_ws_events_t events = {
    .on_message = on_client_message, .on_drain = on_client_drain, .on_end = on_client_end};
  client_t *c = dl_xcalloc(1, sizeof *c);
  assert(!p->is_over);
  c->pty = p;
  c->ws = ws;
  c->wants_exit_message = wants_exit_message;
  dl_list_init(&c->link);
  dl_list_push(&p->clients, &c->link);
  dl_ws_listen(ws, &events, c);
  p->is_output_free = false; /* a new client is assumed to read, until it shows otherwise */
  if (p->is_input_held) dl_ws_read_pause(ws);
  if (!dl_ws_send(ws, DL_WS_TEXT, connected, strlen(connected))) drop_client(c);
}

/* --- the start --- */

dl_pty_t *dl_pty_new(dl_toolbox_t *tb, const dl_pty_opts_t *opts) {
  dl_pty_t *p = dl_xcalloc(1, sizeof *p);
  p->tb = tb;
  p->id = dl_xstrdup(opts->id);
  p->cwd = dl_tb_path(tb, opts->cwd);
  p->envs = opts->envs != NULL ? json_copy(opts->envs) : json_object();
  const char *term = json_string_value(json_object_get(p->envs, "TERM"));
  if (term == NULL || *term == '\0') json_object_set_new(p->envs, "TERM", json_string("xterm-256color"));
  p->cols = opts->cols;
  p->rows = opts->rows;
  p->is_lazy = opts->is_lazy;
  p->created = dl_tb_now();
  p->master_fd = -1;
  dl_list_init(&p->clients);
  dl_list_init(&p->shell.link);
  dl_buf_init(&p->input, INPUT_MAX);
  uv_timer_init(tb->loop, &p->hold);
  uv_timer_init(tb->loop, &p->pace);
  p->hold.data = p->pace.data = p->terminal.data = p;
  p->open_handles = 2;
  dl_list_push(tb->ptys, &p->link);
  return p;
}

static int start_shell(dl_pty_t *p, int slave_fd) {
  char *shell = dl_process_shell(&p->tb->environment), *argv[] = {shell, "-i", "-l", NULL};
  dl_environ_t environment;
  const char *name;
  json_t *value;
  dl_environ_copy(&environment, &p->tb->environment);
  json_object_foreach (p->envs, name, value) dl_environ_set(&environment, name, json_string_value(value));
  dl_process_opts_t opts = {.file = shell,
                            .argv = argv,
                            .envp = environment.pairs,
                            .cwd = p->cwd,
                            .fds = {slave_fd, slave_fd, slave_fd},
                            .is_session = true,
                            .is_subreaper = true};
  p->shell.on_exit = on_shell_exit;
  char *problem = dl_environ_too_large(&environment, argv);
  int error = problem != NULL ? E2BIG : dl_process_start(p->tb->reaper, &p->shell, &opts);
  free(problem);
  dl_environ_clear(&environment);
  free(shell);
  return error;
}

int dl_pty_start(dl_pty_t *p) {
  assert(!p->is_active && !p->is_over && p->master_fd < 0);
  int slave_fd = -1, error = dl_terminal_open(p->cols, p->rows, &p->master_fd, &slave_fd);
  if (error == 0) error = start_shell(p, slave_fd);
  if (slave_fd >= 0) close(slave_fd);
  if (error != 0) {
    if (p->master_fd >= 0) close(p->master_fd);
    p->master_fd = -1;
    return error;
  }
  uv_poll_init(p->tb->loop, &p->terminal, p->master_fd);
  p->open_handles++;
  p->is_active = true;
  watch(p);
  return 0;
}

void dl_pty_resize(dl_pty_t *p, unsigned cols, unsigned rows) {
  struct winsize size = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)cols};
  p->cols = cols;
  p->rows = rows;
  ioctl(p->master_fd, TIOCSWINSZ, &size);
}
