/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A non-blocking socket on the loop. Invariants: the poll handle watches exactly what the flags
 * say; no event is reported from inside read_resume, write, or close.
 */
#include "http/duplex.h"

#include <assert.h>
#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_CHUNK (64u * 1024)

struct dl_duplex {
  uv_poll_t poll;
  uv_timer_t timer; /* limits close_flushed */
  int open_handles;
  int fd, wire;
  dl_duplex_release_cb release;
  void *owner;
  const dl_duplex_events_t *events;
  void *user;
  dl_buf_t out, unread;
  size_t out_at;
  int watched; /* what the poll handle is set to */
  uint64_t sent;
  int error;
  bool is_connecting, is_paused, is_ended, is_broken, is_closing, is_flushing, wants_drain;
  bool wants_hangup, has_told_hangup, wants_break;
};

static char read_buffer[READ_CHUNK]; /* the server has one loop; bytes are borrowed for the call */

static void on_poll(uv_poll_t *poll, int status, int events);

static size_t pending(const dl_duplex_t *d) { return d->out.len - d->out_at; }

static void watch(dl_duplex_t *d) {
  if (d->is_closing) return;
  int want = 0;
  if (!d->is_paused && !d->is_ended && !d->is_connecting && !d->is_flushing) want |= UV_READABLE;
  if (pending(d) > 0 || d->is_connecting || d->error || d->wants_drain) want |= UV_WRITABLE;
  /* A socket is nearly always writable: this asks for one turn to hand over what we hold. */
  if (d->unread.len > 0 && !d->is_paused) want |= UV_WRITABLE;
  /* Errors come with any event that is asked for: this one hardly ever comes by itself. */
  bool is_silent = d->is_ended ? d->wants_break : d->is_paused && d->wants_hangup;
  if (is_silent && !d->is_broken) want |= d->is_ended || d->has_told_hangup ? UV_PRIORITIZED : UV_DISCONNECT;
  if (want == d->watched) return;
  d->watched = want;
  if (want)
    uv_poll_start(&d->poll, want, on_poll);
  else
    uv_poll_stop(&d->poll);
}

static void on_handle_closed(uv_handle_t *handle) {
  dl_duplex_t *d = handle->data;
  if (--d->open_handles > 0) return;
  dl_buf_clear(&d->out);
  dl_buf_clear(&d->unread);
  free(d);
}

void dl_duplex_close(dl_duplex_t *d) {
  if (!d || d->is_closing) return;
  int fd = d->fd;
  d->is_closing = true;
  d->events = NULL;
  uv_close((uv_handle_t *)&d->poll, on_handle_closed);
  uv_close((uv_handle_t *)&d->timer, on_handle_closed);
  if (d->release)
    d->release(d->fd, d->owner);
  else
    close(d->fd);
  if (d->wire >= 0 && d->wire != fd) close(d->wire);
  d->fd = d->wire = -1;
}

static void tell_end(dl_duplex_t *d, int error) {
  if (d->is_broken || (d->is_ended && !error)) return;
  d->is_ended = true;
  d->is_broken = error != 0;
  d->error = 0;
  if (error) {
    d->out_at = 0;
    dl_buf_clear(&d->out);
    d->wants_drain = false;
  }
  watch(d);
  if (d->is_flushing) {
    if (error) dl_duplex_close(d);
    return;
  }
  if (d->events && d->events->on_end) d->events->on_end(d, error, d->user);
}

/* True while the stream is fit for use. A failure is noted and reported from the poll callback. */
static bool flush(dl_duplex_t *d) {
  while (pending(d) > 0) {
    ssize_t sent = send(d->fd, d->out.data + d->out_at, pending(d), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
    if (sent < 0) {
      d->error = -errno;
      d->out_at = 0;
      dl_buf_reset(&d->out);
      return false;
    }
    d->out_at += (size_t)sent;
    d->sent += (uint64_t)sent;
  }
  if (pending(d) == 0) {
    d->out_at = 0;
    /* An idle stream keeps no buffer. */
    if (d->out.cap > 16 * 1024)
      dl_buf_clear(&d->out);
    else
      dl_buf_reset(&d->out);
  }
  return true;
}

static void on_writable(dl_duplex_t *d) {
  if (d->is_connecting) {
    int error = 0;
    socklen_t len = sizeof error;
    getsockopt(d->fd, SOL_SOCKET, SO_ERROR, &error, &len);
    d->is_connecting = false;
    if (error) {
      tell_end(d, -error);
      return;
    }
  }
  if (d->error || !flush(d)) {
    tell_end(d, d->error);
    return;
  }
  if (pending(d) > 0) return;
  if (d->is_flushing) {
    dl_duplex_close(d);
    return;
  }
  if (!d->wants_drain) return;
  d->wants_drain = false;
  if (d->events && d->events->on_drain) d->events->on_drain(d, d->user);
}

static void deliver_unread(dl_duplex_t *d) {
  dl_buf_t held = d->unread;
  dl_buf_init(&d->unread, DL_DUPLEX_MAX);
  if (d->events && d->events->on_data) d->events->on_data(d, held.data, held.len, d->user);
  dl_buf_clear(&held);
}

static void on_readable(dl_duplex_t *d) {
  /* A few rounds only, so that one busy stream does not starve the others. */
  for (int round = 0; round < 4 && !d->is_closing && !d->is_paused && !d->is_ended; round++) {
    ssize_t got = recv(d->fd, read_buffer, sizeof read_buffer, MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
    if (got <= 0) {
      tell_end(d, got < 0 ? -errno : 0);
      return;
    }
    if (d->events && d->events->on_data) d->events->on_data(d, read_buffer, (size_t)got, d->user);
    if ((size_t)got < sizeof read_buffer) return;
  }
}

static bool is_hung_up(const dl_duplex_t *d) {
  struct pollfd p = {.fd = d->fd};
  return poll(&p, 1, 0) > 0 && (p.revents & (POLLERR | POLLHUP)) != 0;
}

/* The peer has gone, wholly or in one direction, and nobody reads. */
static void on_silence_broken(dl_duplex_t *d, int events) {
  if (is_hung_up(d)) {
    tell_end(d, UV_ECONNRESET);
  } else if (events & UV_PRIORITIZED) {
    d->wants_break = d->wants_hangup =
      false; /* an urgent byte, which nobody wants: it would wake us for ever */
  } else if (d->events && d->events->on_hangup) {
    d->has_told_hangup = true;
    d->events->on_hangup(d, d->user);
  } else {
    tell_end(d, UV_ECONNRESET);
  }
}

static void on_poll(uv_poll_t *poll, int status, int events) {
  dl_duplex_t *d = poll->data;
  int was = d->watched;
  if (status < 0) {
    /* libuv has stopped the handle; the socket itself says what is wrong. */
    d->watched = 0;
    events = was;
  }
  if (events & was & UV_WRITABLE) on_writable(d);
  if (!d->is_closing && !d->is_paused && !d->is_ended && d->unread.len > 0) deliver_unread(d);
  if ((events & was & UV_READABLE) && !d->is_closing) on_readable(d);
  if ((events & was & (UV_DISCONNECT | UV_PRIORITIZED)) && !d->is_closing && !d->is_broken)
    on_silence_broken(d, events & was);
  if (!d->is_closing) watch(d);
}

static void on_flush_limit(uv_timer_t *timer) { dl_duplex_close(timer->data); }

dl_duplex_t *dl_duplex_new(uv_loop_t *loop, int fd, bool is_connecting, dl_duplex_release_cb release,
                           void *owner) {
  dl_duplex_t *d = dl_xcalloc(1, sizeof *d);
  d->fd = d->wire = fd;
  d->release = release;
  d->owner = owner;
  d->is_connecting = is_connecting;
  dl_buf_init(&d->out, DL_DUPLEX_MAX);
  dl_buf_init(&d->unread, DL_DUPLEX_MAX);
  int rc = uv_poll_init_socket(loop, &d->poll, fd);
  if (rc != 0) {
    dl_error("cannot watch a socket: %s", uv_strerror(rc));
    if (release)
      release(fd, owner);
    else
      close(fd);
    free(d);
    return NULL;
  }
  uv_timer_init(loop, &d->timer);
  d->poll.data = d->timer.data = d;
  d->open_handles = 2;
  watch(d);
  return d;
}

void dl_duplex_listen(dl_duplex_t *d, const dl_duplex_events_t *events, void *user) {
  d->events = events;
  d->user = user;
}

void dl_duplex_unread(dl_duplex_t *d, const void *bytes, size_t len) {
  if (!dl_buf_append(&d->unread, bytes, len)) d->error = UV_ENOBUFS;
  watch(d);
}

void dl_duplex_read_pause(dl_duplex_t *d) {
  d->is_paused = true;
  watch(d);
}

void dl_duplex_read_resume(dl_duplex_t *d) {
  d->is_paused = false;
  watch(d);
}

/* How much of it leaves at once, with nothing queued before it; a failure is reported later, by the poll callback. */
static size_t send_now(dl_duplex_t *d, const char *bytes, size_t len) {
  size_t taken = 0;
  while (taken < len) {
    ssize_t sent = send(d->fd, bytes + taken, len - taken, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno != EAGAIN && errno != EWOULDBLOCK) d->error = -errno;
    if (sent < 0) break;
    taken += (size_t)sent;
    d->sent += (uint64_t)sent;
  }
  return taken;
}

bool dl_duplex_write(dl_duplex_t *d, const void *bytes, size_t len) {
  if (d->is_closing || d->error || d->is_broken) return false;
  if (pending(d) == 0 && !d->is_connecting) {
    size_t sent = send_now(d, bytes, len);
    bytes = (const char *)bytes + sent;
    len -= sent;
    if (d->error) watch(d);
    if (d->error || len == 0) return true;
  }
  if (d->out_at > 0 && d->out_at >= pending(d)) {
    dl_buf_consume(&d->out, d->out_at);
    d->out_at = 0;
  }
  if (!dl_buf_append(&d->out, bytes, len)) {
    d->error = UV_ENOBUFS;
    watch(d);
    return false;
  }
  d->wants_drain = true;
  watch(d);
  return true;
}

size_t dl_duplex_queued(const dl_duplex_t *d) { return pending(d); }

uint64_t dl_duplex_sent(const dl_duplex_t *d) { return d->sent; }

int dl_duplex_fd(const dl_duplex_t *d) { return d->fd; }

void dl_duplex_ask_drain(dl_duplex_t *d) {
  d->wants_drain = true;
  watch(d);
}

void dl_duplex_close_flushed(dl_duplex_t *d, unsigned limit_ms) {
  if (!d || d->is_closing) return;
  if (pending(d) == 0 || d->error) {
    dl_duplex_close(d);
    return;
  }
  d->events = NULL;
  d->is_flushing = true;
  uv_timer_start(&d->timer, on_flush_limit, limit_ms, 0);
  watch(d);
}

void dl_duplex_watch_hangup(dl_duplex_t *d, bool is_on) {
  d->wants_hangup = is_on;
  watch(d);
}

void dl_duplex_watch_break(dl_duplex_t *d) {
  d->wants_break = true;
  watch(d);
}

/* --- for damage on purpose --- */

void dl_duplex_set_wire(dl_duplex_t *d, int fd) { d->wire = fd; }

int dl_duplex_wire(const dl_duplex_t *d) { return d->wire; }

/* What the other end of `fd` has not taken (a pipe) or not acknowledged (TCP). */
static bool holds_nothing(int fd, unsigned long question) {
  int count = 0;
  return ioctl(fd, question, &count) != 0 || count == 0;
}

bool dl_duplex_is_sent(const dl_duplex_t *d) {
  if (pending(d) > 0 || !holds_nothing(d->wire, SIOCOUTQNSD)) return false;
  return d->wire == d->fd || holds_nothing(d->fd, SIOCOUTQ);
}

bool dl_duplex_is_delivered(const dl_duplex_t *d) {
  return pending(d) == 0 && dl_socket_is_delivered(d->fd, d->wire);
}

bool dl_socket_is_delivered(int fd, int wire) {
  return holds_nothing(fd, SIOCOUTQ) && holds_nothing(wire, SIOCOUTQ);
}

void dl_duplex_shutdown(dl_duplex_t *d) { shutdown(d->fd, SHUT_WR); }

void dl_duplex_reset(dl_duplex_t *d) { dl_socket_reset(d->wire); }

void dl_socket_reset(int fd) {
  struct linger now = {.l_onoff = 1, .l_linger = 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  /* Connecting a TCP socket to "no address" drops the connection with a reset, at once. */
  struct sockaddr none = {.sa_family = AF_UNSPEC};
  if (connect(fd, &none, sizeof none) != 0) shutdown(fd, SHUT_RDWR);
}

bool dl_duplex_fail(dl_duplex_t *d, int error) {
  assert(error != 0);
  if (!d->is_closing) tell_end(d, error);
  return d->is_closing;
}
