/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One program, one socket, asks in order.
 *
 * A link is one run of the program. When its socket ends, everything that was asked through it is answered, and the next ask
 * makes a new link. An ask that cannot be sent at all is answered from a timer, so that no reply comes inside the call.
 */
#include "toolbox/desktop/lane.h"

#include "base/buf.h"
#include "toolbox/core/spawn.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define OUT_MAX (DL_DESKTOP_ASKS_MAX * DL_DESKTOP_ASK_LEN(DL_DESKTOP_ASK_MAX))
#define IN_BLOCK 65536
/* A buffer that was this large for one reply is not kept. */
#define IN_KEPT 65536

typedef struct {
  dl_list_t link;
  uint32_t id;
  dl_desktop_reply_cb cb;
  void *user;
  char *refusal; /* answered with it from the timer */
} ask_t;

typedef struct {
  struct dl_desktop_lane *lane;
  dl_process_t process;
  uv_poll_t poll;
  int fd;
  dl_buf_t in, out;
  dl_list_t asks;
  size_t ask_count;
  bool was_answered;
} run_t;

struct dl_desktop_lane {
  dl_toolbox_t *tb;
  const char *(*display)(dl_toolbox_t *tb);
  run_t *run;        /* NULL: none */
  dl_list_t refused; /* asks */
  uv_timer_t *timer; /* for them; NULL until there were some */
  uint32_t last_id;
  bool broke_off; /* the last program ended by itself: it may have left something held */
};

/* --- the end of a run --- */

static void answer(ask_t *ask, int status, const char *body, size_t len) {
  dl_list_unlink(&ask->link);
  ask->cb(ask->user, status, body, len);
  free(ask->refusal);
  free(ask);
}

static void on_run_closed(uv_handle_t *handle) {
  run_t *r = handle->data;
  assert(dl_list_empty(&r->asks));
  close(r->fd);
  dl_buf_clear(&r->in);
  dl_buf_clear(&r->out);
  free(r);
}

static void on_exit_ignored(dl_process_t *p, int status) {
  (void)p;
  (void)status; /* the end of the socket says it */
}

/* The callbacks may ask again: that makes another run. */
static void end_run(run_t *r, const char *reason) {
  dl_list_t asks;
  dl_list_init(&asks);
  dl_list_splice(&asks, &r->asks);
  if (r->lane != NULL) r->lane->run = NULL;
  r->lane = NULL;
  dl_process_forget(&r->process);
  shutdown(r->fd, SHUT_RDWR); /* it sees the end, and ends */
  uv_close((uv_handle_t *)&r->poll, on_run_closed);
  while (!dl_list_empty(&asks)) answer(DL_CONTAINER(asks.next, ask_t, link), 503, reason, strlen(reason));
}

static void break_off(run_t *r) {
  const char *display = r->lane->display(r->lane->tb);
  char *reason =
    r->was_answered
      ? dl_xprintf("the X server of display %s has ended or does not answer, or the program for it has ended",
                   display)
      : dl_xprintf("no desktop runs: no X server answers on display %s; start one first", display);
  r->lane->broke_off = r->was_answered;
  end_run(r, reason);
  free(reason);
}

/* --- reading --- */

static ask_t *find_ask(run_t *r, uint32_t id) {
  DL_LIST_EACH(&r->asks, node)
  if (DL_CONTAINER(node, ask_t, link)->id == id) return DL_CONTAINER(node, ask_t, link);
  return NULL;
}

/* One reply from the front; false: not whole yet. */
static bool take_reply(run_t *r) {
  dl_desktop_reply_t head;
  if (r->in.len < sizeof head) return false;
  memcpy(&head, r->in.data, sizeof head);
  ask_t *ask = find_ask(r, head.id);
  if (head.size > DL_DESKTOP_REPLY_MAX || ask == NULL) {
    kill(r->process.pid, SIGKILL); /* no program of ours says this */
    break_off(r);
    return false;
  }
  if (r->in.len < sizeof head + head.size) return false;
  r->was_answered = true;
  r->ask_count--;
  dl_buf_t whole = r->in;
  r->in = (dl_buf_t){.max = whole.max};
  dl_buf_append(&r->in, whole.data + sizeof head + head.size, whole.len - sizeof head - head.size);
  answer(ask, head.status, whole.data + sizeof head, head.size);
  dl_buf_clear(&whole);
  return true;
}

static void read_replies(run_t *r) {
  for (;;) {
    char *room = dl_buf_reserve(&r->in, IN_BLOCK);
    ssize_t got = room != NULL ? recv(r->fd, room, IN_BLOCK, MSG_DONTWAIT) : 0;
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) break;
    if (got <= 0) {
      break_off(r);
      return;
    }
    dl_buf_grew(&r->in, (size_t)got);
    while (r->lane != NULL && take_reply(r)) {}
    if (r->lane == NULL) return;
  }
  if (r->in.len == 0 && r->in.cap > IN_KEPT) dl_buf_clear(&r->in);
}

/* The end may have come since the last turn of the loop; an ask that is sent then would be lost. */
static void check_end(run_t *r) {
  char byte;
  ssize_t got = recv(r->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) break_off(r);
}

/* --- writing --- */

static void on_ready(uv_poll_t *poll, int status, int events);

static void write_asks(run_t *r) {
  while (r->out.len > 0) {
    ssize_t sent = send(r->fd, r->out.data, r->out.len, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent <= 0) break; /* full, or gone: reading tells */
    dl_buf_consume(&r->out, (size_t)sent);
  }
  if (r->out.len == 0 && r->out.cap > IN_KEPT) dl_buf_clear(&r->out);
  uv_poll_start(&r->poll, UV_READABLE | (r->out.len > 0 ? UV_WRITABLE : 0), on_ready);
}

static void on_ready(uv_poll_t *poll, int status, int events) {
  run_t *r = poll->data;
  if (status == 0 && (events & UV_WRITABLE) != 0) write_asks(r);
  if (status != 0 || (events & UV_READABLE) != 0) read_replies(r);
}

/* --- starting --- */

static int start_program(dl_desktop_lane_t *l, run_t *r, int fd) {
  dl_toolbox_t *tb = l->tb;
  char *const *command = tb->desktop_command;
  const char *argv[16];
  size_t count = 0;
  while (command[count] != NULL && count < DL_COUNT(argv) - 3) {
    argv[count] = command[count];
    count++;
  }
  argv[count++] = l->display(tb);
  if (l->broke_off) argv[count++] = "again";
  argv[count] = NULL;
  int nothing = open("/dev/null", O_WRONLY | O_CLOEXEC);
  dl_process_opts_t opts = {.is_ours = true,
                            .file = command[0],
                            .argv = (char *const *)argv,
                            .envp = tb->environment.pairs,
                            .cwd = "/",
                            .fds = {fd, nothing, STDERR_FILENO}};
  int error = nothing < 0 ? errno : dl_process_start(tb->reaper, &r->process, &opts);
  if (nothing >= 0) close(nothing);
  return error;
}

/* NULL, or why not. */
static char *start_run(dl_desktop_lane_t *l) {
  int ends[2];
  if (l->tb->desktop_command == NULL)
    return dl_xstrdup("this server has no desktops: " DL_DESKTOP_PROGRAM
                      " was not built (see docs/desktop.md)");
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    return dl_xprintf("cannot make a socket: %s", strerror(errno));
  run_t *r = dl_xcalloc(1, sizeof *r);
  *r = (run_t){.lane = l, .fd = ends[0], .process.on_exit = on_exit_ignored};
  dl_list_init(&r->process.link);
  int error = start_program(l, r, ends[1]);
  close(ends[1]);
  if (error != 0) {
    close(ends[0]);
    free(r);
    return dl_xprintf("cannot start " DL_DESKTOP_PROGRAM ": %s", strerror(error));
  }
  l->broke_off = false;
  dl_list_init(&r->asks);
  dl_buf_init(&r->in, sizeof(dl_desktop_reply_t) + DL_DESKTOP_REPLY_MAX + IN_BLOCK);
  dl_buf_init(&r->out, OUT_MAX);
  uv_poll_init(l->tb->loop, &r->poll, r->fd);
  r->poll.data = r;
  uv_poll_start(&r->poll, UV_READABLE, on_ready);
  l->run = r;
  return NULL;
}

/* --- asking --- */

static void on_refusals(uv_timer_t *timer) {
  dl_desktop_lane_t *l = timer->data;
  dl_list_t asks;
  dl_list_init(&asks);
  dl_list_splice(&asks, &l->refused);
  while (!dl_list_empty(&asks)) {
    ask_t *ask = DL_CONTAINER(asks.next, ask_t, link);
    answer(ask, 503, ask->refusal, strlen(ask->refusal));
  }
}

static void refuse_later(dl_desktop_lane_t *l, ask_t *ask, char *reason) {
  ask->refusal = reason;
  dl_list_push(&l->refused, &ask->link);
  if (l->timer == NULL) {
    l->timer = dl_xcalloc(1, sizeof *l->timer);
    uv_timer_init(l->tb->loop, l->timer);
    l->timer->data = l;
  }
  uv_timer_start(l->timer, on_refusals, 0, 0);
}

static void put_ask(run_t *r, const dl_desktop_ask_t *ask, uint32_t id, const char *text) {
  static const char zeros[4];
  dl_desktop_ask_t head = *ask;
  head.id = id;
  dl_buf_append(&r->out, &head, sizeof head);
  if (head.size > 0) dl_buf_append(&r->out, text, head.size);
  dl_buf_append(&r->out, zeros, DL_DESKTOP_ASK_LEN(head.size) - sizeof head - head.size);
}

uint32_t dl_desktop_lane_ask(dl_desktop_lane_t *l, const dl_desktop_ask_t *ask, const char *text,
                             dl_desktop_reply_cb cb, void *user) {
  assert(ask->size <= DL_DESKTOP_ASK_MAX);
  ask_t *a = dl_xcalloc(1, sizeof *a);
  if (++l->last_id == 0) l->last_id = 1;
  *a = (ask_t){.id = l->last_id, .cb = cb, .user = user};
  dl_list_init(&a->link);
  if (l->run != NULL) check_end(l->run);
  char *reason = l->run == NULL ? start_run(l) : NULL;
  if (reason == NULL && l->run->ask_count >= DL_DESKTOP_ASKS_MAX)
    reason = dl_xstrdup("the desktop has too much to do: too many calls wait for it");
  if (reason != NULL) {
    refuse_later(l, a, reason);
    return a->id;
  }
  dl_list_push(&l->run->asks, &a->link);
  l->run->ask_count++;
  put_ask(l->run, ask, a->id, text);
  write_asks(l->run);
  return a->id;
}

void dl_desktop_lane_cancel(dl_desktop_lane_t *l, uint32_t id) {
  dl_desktop_ask_t cancel = {.kind = DL_DESKTOP_CANCEL, .args = {(int32_t)id}};
  if (l->run == NULL) return;
  put_ask(l->run, &cancel, 0, NULL);
  write_asks(l->run);
}

dl_desktop_lane_t *dl_desktop_lane_new(dl_toolbox_t *tb, const char *(*display)(dl_toolbox_t *tb)) {
  dl_desktop_lane_t *l = dl_xcalloc(1, sizeof *l);
  l->tb = tb;
  l->display = display;
  dl_list_init(&l->refused);
  return l;
}

void dl_desktop_lane_end(dl_desktop_lane_t *l) {
  l->broke_off = false;
  if (l->run != NULL) end_run(l->run, "the desktop was stopped");
}

static void on_timer_closed(uv_handle_t *handle) { free(handle); }

void dl_desktop_lane_free(dl_desktop_lane_t *l) {
  dl_desktop_lane_end(l);
  if (l->timer != NULL) {
    on_refusals(l->timer);
    uv_close((uv_handle_t *)l->timer, on_timer_closed);
  }
  free(l);
}
