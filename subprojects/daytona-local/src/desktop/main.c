/* SPDX-License-Identifier: Apache-2.0 */
/*
 * daytona-local-desktop DISPLAY [again]: does what the toolbox asks for on an X display (toolbox/desktop/wire.h). It is a
 * program of its own because the toolbox is small and is to run where there are no X libraries. "again": an earlier one
 * has ended by itself and may have left keys down.
 *
 * One ask at a time, in order. While an action waits, what comes in is read and kept, so that a CANCEL is seen.
 */
#include "desktop/a11y.h"
#include "desktop/input.h"
#include "desktop/shot.h"
#include "desktop/windows.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SOCKET 0
/* An X server that lets a step of an action wait for longer: the program ends by SIGALRM, which the toolbox sees. */
#define ANSWER_LIMIT_S 60
#define INBOX_MAX (DL_DESKTOP_ASKS_MAX * (sizeof(dl_desktop_ask_t) + DL_DESKTOP_ASK_MAX))

typedef struct {
  screen_t screen;
  input_t input;
  dl_buf_t inbox;
  uint32_t running; /* id of the ask that is under way */
  bool is_cancelled, is_ended;
} desktop_t;

/* The ask at `at` of the inbox; NULL: not whole yet. A size that nobody of ours sends ends it all. */
static const dl_desktop_ask_t *ask_at(desktop_t *d, size_t at) {
  if (d->inbox.len - at < sizeof(dl_desktop_ask_t)) return NULL;
  const dl_desktop_ask_t *ask = (const void *)(d->inbox.data + at);
  if (ask->size > DL_DESKTOP_ASK_MAX) exit(2);
  return d->inbox.len - at >= DL_DESKTOP_ASK_LEN(ask->size) ? ask : NULL;
}

static void drop(desktop_t *d, size_t at, const dl_desktop_ask_t *ask) {
  size_t len = DL_DESKTOP_ASK_LEN(ask->size);
  memmove(d->inbox.data + at, d->inbox.data + at + len, d->inbox.len - at - len);
  d->inbox.len -= len;
}

/* Takes what can be read now, or waits for it. */
static void take_in(desktop_t *d, bool waits) {
  char *room = dl_buf_reserve(&d->inbox, 65536);
  if (room == NULL) exit(2);
  ssize_t got = recv(SOCKET, room, 65536, waits ? 0 : MSG_DONTWAIT);
  if (got > 0)
    dl_buf_grew(&d->inbox, (size_t)got);
  else if (got == 0 || (errno != EAGAIN && errno != EINTR))
    d->is_ended = true;
}

static void send_all(const void *bytes, size_t len) {
  for (const char *at = bytes; len > 0;) {
    ssize_t sent = send(SOCKET, at, len, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return; /* the toolbox has gone: the next read says so */
    at += sent;
    len -= (size_t)sent;
  }
}

static void reply(uint32_t id, int status, const dl_buf_t *body) {
  dl_desktop_reply_t head = {.size = (uint32_t)body->len, .id = id, .status = status};
  send_all(&head, sizeof head);
  if (body->len > 0) send_all(body->data, body->len);
}

/* The ask `id` if it waits: it is left out and answered. `end`: of the part of the inbox that is looked at. Returns the
 * bytes that are no longer in that part. */
static size_t cancel_waiting(desktop_t *d, uint32_t id, size_t end) {
  const dl_desktop_ask_t *ask;
  dl_buf_t nothing = {.max = 0};
  for (size_t at = 0; at < end && (ask = ask_at(d, at)) != NULL; at += DL_DESKTOP_ASK_LEN(ask->size)) {
    if (ask->id != id) continue;
    size_t len = DL_DESKTOP_ASK_LEN(ask->size);
    drop(d, at, ask);
    reply(id, 499, &nothing);
    return len;
  }
  return 0;
}

static void handle_cancels(desktop_t *d) {
  const dl_desktop_ask_t *ask;
  for (size_t at = 0; (ask = ask_at(d, at)) != NULL;) {
    if (ask->kind != DL_DESKTOP_CANCEL) {
      at += DL_DESKTOP_ASK_LEN(ask->size);
      continue;
    }
    uint32_t id = (uint32_t)ask->args[0];
    drop(d, at, ask);
    if (id == d->running)
      d->is_cancelled = true;
    else
      at -= cancel_waiting(d, id, at);
  }
}

static int64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool on_pause(void *user, int ms) {
  desktop_t *d = user;
  int64_t end = now_ms() + ms;
  alarm(ANSWER_LIMIT_S + (unsigned)ms / 1000);
  for (;;) {
    int64_t left = end - now_ms();
    struct pollfd poll_fd = {.fd = SOCKET, .events = POLLIN};
    int ready = poll(&poll_fd, 1, left > 0 ? (int)left : 0);
    if (ready > 0) {
      take_in(d, false);
      handle_cancels(d);
    }
    if (d->is_cancelled || d->is_ended || screen_is_lost(&d->screen)) return true;
    if (ready <= 0 && now_ms() >= end) return false;
  }
}

static int run(desktop_t *d, const dl_desktop_ask_t *ask, const char *text, dl_buf_t *out) {
  int x, y;
  unsigned mask;
  switch (ask->kind) {
    case DL_DESKTOP_SHOT: return shot_take(&d->screen, ask, out);
    case DL_DESKTOP_DISPLAYS: put_displays(&d->screen, out); return 200;
    case DL_DESKTOP_WINDOWS: put_windows(&d->screen, out); return 200;
    case DL_DESKTOP_MANAGED: return windows_are_managed(&d->screen) ? 200 : 404;
    case DL_DESKTOP_POSITION:
      if (!screen_pointer(&d->screen, &x, &y, &mask)) return 503;
      dl_buf_printf(out, "{\"x\":%d,\"y\":%d}", x, y);
      return 200;
    default: return input_run(&d->input, ask, text, out);
  }
}

/* False: the X server has gone. */
static bool handle(desktop_t *d, dl_desktop_ask_t *ask, const char *text) {
  dl_buf_t out;
  dl_buf_init(&out, DL_DESKTOP_REPLY_MAX);
  d->running = ask->id;
  d->is_cancelled = false;
  int status = run(d, ask, text, &out);
  bool is_lost = screen_is_lost(&d->screen);
  if (is_lost) {
    status = 503;
    dl_buf_reset(&out);
    dl_buf_puts(&out, "the X server has ended");
  }
  d->running = 0;
  reply(ask->id, status, &out);
  dl_buf_clear(&out);
  return !is_lost;
}

static void serve(desktop_t *d) {
  bool goes_on = true;
  while (goes_on && !d->is_ended) {
    handle_cancels(d);
    const dl_desktop_ask_t *first = ask_at(d, 0);
    alarm(first != NULL ? ANSWER_LIMIT_S : 0);
    if (first == NULL) {
      take_in(d, true);
      continue;
    }
    /* Copied: more can come in while it runs. */
    dl_desktop_ask_t ask = *first;
    char *text = dl_xstrndup((const char *)(first + 1), first->size);
    drop(d, 0, first);
    goes_on = handle(d, &ask, text);
    free(text);
  }
}

/* The other thing that this program does; see a11y.h. */
static int serve_a11y(void) {
#ifdef DL_HAS_A11Y
  return a11y_main();
#else
  fputs("503\naccessibility was not built: libdbus-1-dev and libpcre2-dev were missing", stdout);
  return 0;
#endif
}

int main(int argc, char **argv) {
  desktop_t d = {.input = {.screen = &d.screen, .pause = on_pause, .user = &d}};
  if (argc == 2 && strcmp(argv[1], "--a11y") == 0) return serve_a11y();
  bool is_again = argc == 3 && strcmp(argv[2], "again") == 0;
  if (argc != 2 && !is_again) {
    fprintf(stderr, "usage: %s DISPLAY [again], with a socket of the toolbox as standard input\n",
            DL_DESKTOP_PROGRAM);
    return 2;
  }
  dl_buf_init(&d.inbox, INBOX_MAX + 65536);
  alarm(ANSWER_LIMIT_S);
  const char *failure = screen_open(&d.screen, argv[1]);
  if (failure != NULL) {
    fprintf(stderr, "%s on display %s\n", failure, argv[1]);
    return 1;
  }
  if (is_again) input_release(&d.input);
  serve(&d);
  alarm(ANSWER_LIMIT_S);
  if (!screen_is_lost(&d.screen) &&
      (d.input.held_buttons != 0 || memchr(d.input.held_keys, 1, KEYS_MAX) != NULL))
    input_release(&d.input);
  keymap_clear(&d.input.keys);
  screen_close(&d.screen);
  dl_buf_clear(&d.inbox);
  return 0;
}
