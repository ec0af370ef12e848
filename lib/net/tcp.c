/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TCP connections; see tcp.h.
 *
 * A socket is a heap block of its own, because several may race for one connection and each belongs to
 * libuv until its close callback ran. `handles` counts the blocks of a connection, open or closing; when
 * it falls to zero after daytona__tcp_close() the connection reports and is no longer touched.
 *
 * Invariants: `in` points into the shared buffer only while on_read is on the stack, otherwise into
 * `stash`; the handle is reading exactly when `is_reading`; nothing is read while a stash is there.
 */
#include "net/tcp.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "core/limits.h"
#include "core/memory.h"

/* RFC 8305 names 250 ms as the time to wait for one address before the next is tried beside it. */
#define RACE_DEFAULT_MS 250

/*
 * A reader is said to have been slow if so much waited for it, came without such a pause, and ended within so long.
 */
enum { BEHIND_BYTES = 64 * 1024, BEHIND_PAUSE_MS = 1000, BEHIND_MAX_MS = 30000 };

struct daytona__tcp_socket {
  uv_tcp_t handle;
  uv_connect_t connect;
  daytona__list_t link; /* in the race */
  daytona__tcp_t *tcp;
};

struct daytona__tcp_race {
  daytona__timer_t timer;
  daytona__tcp_t *tcp;
  daytona__list_t sockets; /* attempts under way */
  size_t next, count;
  int port;
  int64_t delay_ms;
  int status;                          /* of the last failure */
  struct sockaddr_storage addresses[]; /* as many as there are: thousands may race at once, mostly for one */
};

int daytona__tcp_env_init(daytona__tcp_env_t *env, daytona__loop_t *loop) {
  env->loop = loop;
  env->buffer = daytona__alloc(DAYTONA__READ_BUFFER);
  return env->buffer != NULL ? 0 : DAYTONA_ENOMEM;
}

void daytona__tcp_env_clear(daytona__tcp_env_t *env) {
  daytona__free(env->buffer);
  env->buffer = NULL;
}

static void on_task(daytona__task_t *task);

void daytona__tcp_init(daytona__tcp_t *tcp, daytona__tcp_env_t *env) {
  memset(tcp, 0, sizeof *tcp);
  tcp->env = env;
  daytona__task_init(&tcp->task, on_task);
}

const char *daytona__tcp_strerror(int status) {
  switch (status) {
    case UV_EOF: return "the peer closed the connection";
    case UV_ECONNRESET: return "the peer reset the connection";
    default: return uv_strerror(status);
  }
}

/* --- sockets ----------------------------------------------------------------------------------- */

static void report_closed(daytona__tcp_t *tcp) {
  daytona__free(tcp->stash);
  tcp->stash = NULL;
  tcp->on_closed(tcp);
}

static void handle_gone(daytona__tcp_t *tcp) {
  assert(tcp->handles > 0);
  if (--tcp->handles == 0 && tcp->is_closing) report_closed(tcp);
}

static void on_socket_closed(uv_handle_t *handle) {
  daytona__tcp_socket_t *socket = handle->data;
  daytona__tcp_t *tcp = socket->tcp;
  daytona__free(socket);
  handle_gone(tcp);
}

static void socket_close(daytona__tcp_socket_t *socket) {
  daytona__list_remove(&socket->link);
  uv_close((uv_handle_t *)&socket->handle, on_socket_closed);
}

static int socket_new(daytona__tcp_t *tcp, daytona__tcp_socket_t **out) {
  daytona__tcp_socket_t *socket = daytona__calloc(1, sizeof *socket);
  if (socket == NULL) return UV_ENOMEM;
  int status = uv_tcp_init(daytona__loop_uv(tcp->env->loop), &socket->handle);
  if (status != 0) {
    daytona__free(socket);
    return status;
  }
  socket->tcp = tcp;
  socket->handle.data = socket;
  daytona__list_init(&socket->link);
  tcp->handles++;
  *out = socket;
  return 0;
}

/* --- connecting -------------------------------------------------------------------------------- */

static void race_end(daytona__tcp_t *tcp) {
  daytona__tcp_race_t *race = tcp->race;
  if (race == NULL) return;
  daytona__timer_stop(&race->timer);
  while (!daytona__list_empty(&race->sockets))
    socket_close(DAYTONA__CONTAINER(race->sockets.next, daytona__tcp_socket_t, link));
  daytona__free(race);
  tcp->race = NULL;
}

static void race_next(daytona__tcp_race_t *race);

/* The last failure speaks for all, but lack of memory is not the network's fault. */
static void note_failure(daytona__tcp_race_t *race, int status) {
  if (race->status != UV_ENOMEM) race->status = status;
}

static void on_connect(uv_connect_t *request, int status) {
  daytona__tcp_socket_t *socket = request->data;
  daytona__tcp_t *tcp = socket->tcp;
  if (uv_is_closing((uv_handle_t *)&socket->handle)) return;
  daytona__tcp_race_t *race = tcp->race;
  assert(race != NULL && tcp->socket == NULL);
  if (status != 0) {
    note_failure(race, status);
    socket_close(socket);
    race_next(race);
    return;
  }
  daytona__list_remove(&socket->link);
  race_end(tcp);
  tcp->socket = socket;
  uv_tcp_nodelay(&socket->handle, 1);
  if (tcp->is_background) uv_unref((uv_handle_t *)&socket->handle);
  tcp->on_connected(tcp, 0);
}

static void set_port(struct sockaddr_storage *address, int port) {
  if (address->ss_family == AF_INET6)
    ((struct sockaddr_in6 *)address)->sin6_port = htons((uint16_t)port);
  else
    ((struct sockaddr_in *)address)->sin_port = htons((uint16_t)port);
}

/* Try one address; the error stays in the race. */
static bool race_try(daytona__tcp_race_t *race, struct sockaddr_storage *address) {
  daytona__tcp_socket_t *socket;
  int status = socket_new(race->tcp, &socket);
  if (status == 0) {
    set_port(address, race->port);
    socket->connect.data = socket;
    daytona__list_append(&race->sockets, &socket->link);
    status = uv_tcp_connect(&socket->connect, &socket->handle, (const struct sockaddr *)address, on_connect);
    if (status == 0) return true;
    socket_close(socket);
  }
  note_failure(race, status);
  return false;
}

/* Start the next attempt, or report when none is left and none is under way. */
static void race_next(daytona__tcp_race_t *race) {
  bool is_trying = false;
  while (!is_trying && race->next < race->count) is_trying = race_try(race, &race->addresses[race->next++]);
  if (race->next < race->count && race->delay_ms != INT64_MAX)
    daytona__timer_start(race->tcp->env->loop, &race->timer, race->delay_ms);
  else
    daytona__timer_stop(&race->timer);
  if (daytona__list_empty(&race->sockets)) daytona__loop_defer(race->tcp->env->loop, &race->tcp->task);
}

static void on_race_timer(daytona__timer_t *timer) {
  race_next(DAYTONA__CONTAINER(timer, daytona__tcp_race_t, timer));
}

/* The families take turns, beginning with the resolver's favourite; order within one is kept. */
static void interleave(const daytona__addresses_t *from, struct sockaddr_storage *to) {
  size_t next[2] = {0, 0};
  int first = from->count != 0 ? from->items[0].ss_family : AF_INET;
  int side = 0;
  size_t count = 0;
  while (count < from->count) {
    size_t at = next[side];
    while (at < from->count && (from->items[at].ss_family == first) != (side == 0)) at++;
    next[side] = at < from->count ? at + 1 : at;
    if (at < from->count) to[count++] = from->items[at];
    side = 1 - side;
  }
}

int daytona__tcp_connect(daytona__tcp_t *tcp, const daytona__addresses_t *addresses, int port,
                         int64_t race_ms) {
  assert(tcp->race == NULL && tcp->socket == NULL && !tcp->is_closing);
  daytona__tcp_race_t *race = daytona__calloc(1, sizeof *race + addresses->count * sizeof race->addresses[0]);
  if (race == NULL) return DAYTONA_ENOMEM;
  race->tcp = tcp;
  race->port = port;
  race->delay_ms = race_ms < 0 ? RACE_DEFAULT_MS : race_ms;
  race->status = UV_EADDRNOTAVAIL;
  daytona__list_init(&race->sockets);
  daytona__timer_init(&race->timer, on_race_timer);
  race->count = addresses->count;
  interleave(addresses, race->addresses);
  tcp->race = race;
  race_next(race);
  return 0;
}

/* --- reading ----------------------------------------------------------------------------------- */

/*
 * libuv would go on reading a fast peer: without a buffer it stops until the next turn, and others get theirs. Stopping and
 * starting to read would cost the system calls instead.
 */
static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer) {
  daytona__tcp_socket_t *socket = handle->data;
  bool is_over = socket->tcp->turn_bytes >= DAYTONA__READ_BUDGET;
  *buffer = is_over ? uv_buf_init(NULL, 0) : uv_buf_init(socket->tcp->env->buffer, DAYTONA__READ_BUFFER);
}

static void reading_stop(daytona__tcp_t *tcp) {
  if (!tcp->is_reading) return;
  uv_read_stop((uv_stream_t *)&tcp->socket->handle);
  tcp->is_reading = false;
}

/* Keep what was not pulled: the shared buffer is about to serve another connection. */
static void keep_rest(daytona__tcp_t *tcp) {
  reading_stop(tcp);
  tcp->stash = daytona__alloc(tcp->in_size);
  if (tcp->stash == NULL) {
    tcp->in_size = 0;
    tcp->end = UV_ENOMEM;
    daytona__loop_defer(tcp->env->loop, &tcp->task);
    return;
  }
  memcpy(tcp->stash, tcp->in, tcp->in_size);
  tcp->in = tcp->stash;
}

/* Whether what comes may still be from the time when nobody read. */
static bool may_be_behind(const daytona__tcp_t *tcp, int64_t now) {
  return tcp->is_behind && now - tcp->read_ms <= BEHIND_PAUSE_MS && now - tcp->resumed_ms <= BEHIND_MAX_MS;
}

static void note_progress(daytona__tcp_t *tcp, size_t size) {
  if (!tcp->is_behind) return;
  int64_t now = daytona__loop_now(tcp->env->loop);
  tcp->is_behind = may_be_behind(tcp, now);
  tcp->behind_bytes += size;
  tcp->read_ms = now;
}

bool daytona__tcp_was_behind(const daytona__tcp_t *tcp) {
  return tcp->behind_bytes >= BEHIND_BYTES && may_be_behind(tcp, daytona__loop_now(tcp->env->loop));
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer) {
  daytona__tcp_socket_t *socket = stream->data;
  daytona__tcp_t *tcp = socket->tcp;
  if (size == 0) return;
  if (buffer->base == NULL && size == UV_ENOBUFS) { /* see on_alloc() */
    tcp->turn_bytes = 0;
    return;
  }
  assert(tcp->in_size == 0 && tcp->stash == NULL);
  if (size < 0) {
    reading_stop(tcp);
    tcp->end = (int)size;
  } else {
    tcp->in = buffer->base;
    tcp->in_size = (size_t)size;
    tcp->turn_bytes += (size_t)size;
    note_progress(tcp, (size_t)size);
  }
  tcp->on_readable(tcp);
  if (tcp->is_closing) {
    tcp->in_size = 0;
    return;
  }
  if (tcp->in_size != 0) keep_rest(tcp);
  if (size >= 0 && (size_t)size < DAYTONA__READ_BUFFER)
    tcp->turn_bytes = 0; /* libuv comes back in the next turn */
}

static void reading_start(daytona__tcp_t *tcp) {
  if (tcp->is_reading || !tcp->wants_read || tcp->socket == NULL || tcp->is_closing || tcp->end != 0 ||
      tcp->in_size != 0)
    return;
  tcp->turn_bytes = 0;
  int status = uv_read_start((uv_stream_t *)&tcp->socket->handle, on_alloc, on_read);
  if (status == 0) {
    tcp->is_reading = true;
    return;
  }
  tcp->end = status;
  daytona__loop_defer(tcp->env->loop, &tcp->task);
}

void daytona__tcp_set_reading(daytona__tcp_t *tcp, bool wants_read) {
  if (tcp->wants_read && !wants_read) {
    tcp->is_behind = true;
    tcp->behind_bytes = 0;
  }
  if (!tcp->wants_read && wants_read) tcp->resumed_ms = tcp->read_ms = daytona__loop_now(tcp->env->loop);
  tcp->wants_read = wants_read;
  if (wants_read)
    reading_start(tcp);
  else
    reading_stop(tcp);
}

ptrdiff_t daytona__tcp_read(daytona__tcp_t *tcp, void *buffer, size_t size) {
  if (tcp->is_closing) return DAYTONA__TCP_END;
  if (tcp->in_size == 0) return tcp->end != 0 ? DAYTONA__TCP_END : 0;
  assert(tcp->in != NULL);
  if (size > tcp->in_size) size = tcp->in_size;
  memcpy(buffer, tcp->in, size);
  tcp->in += size;
  tcp->in_size -= size;
  if (tcp->in_size == 0 && tcp->stash != NULL) {
    daytona__free(tcp->stash);
    tcp->stash = NULL;
    reading_start(tcp);
  }
  return (ptrdiff_t)size;
}

/* --- writing ----------------------------------------------------------------------------------- */

/* Bytes that the socket did not take. */
typedef struct block {
  struct block *next;
  size_t size, done;
  char bytes[];
} block_t;

/*
 * Waits until the socket takes bytes again. libuv's own writes raise SIGPIPE on a connection that the
 * peer has closed, and how the process takes that signal is not ours to decide; so bytes are sent here,
 * and a second descriptor of the socket is polled, because one descriptor can have one handle only. It
 * is made when a peer is slow for the first time.
 */
struct daytona__tcp_writer {
  uv_poll_t poll;
  daytona__tcp_t *tcp;
  int fd;
  block_t *first, **last;
  size_t queued;
};

size_t daytona__tcp_queued(const daytona__tcp_t *tcp) {
  return tcp->writer != NULL && !tcp->is_closing ? tcp->writer->queued : 0;
}

static void queue_drop(daytona__tcp_writer_t *writer) {
  while (writer->first != NULL) {
    block_t *block = writer->first;
    assert(block->done <= block->size && writer->queued >= block->size - block->done);
    writer->queued -= block->size - block->done;
    writer->first = block->next;
    daytona__free(block);
  }
  assert(writer->queued == 0); /* the sum of the blocks */
  writer->last = &writer->first;
}

/* What the socket takes of it now. An error breaks the writing side for good. */
static size_t send_now(daytona__tcp_t *tcp, const char *bytes, size_t size) {
  size_t done = 0;
  uv_os_fd_t fd;
  if (uv_fileno((uv_handle_t *)&tcp->socket->handle, &fd) != 0) tcp->is_broken = true;
  while (done < size && !tcp->is_broken) {
    ssize_t sent = send(fd, bytes + done, size - done, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0)
      done += (size_t)sent;
    else if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS))
      break;
    else if (sent == 0 || errno != EINTR) {
      tcp->is_broken = true;
      tcp->write_errno = sent < 0 ? errno : 0;
    }
  }
  return done;
}

static void on_writable(uv_poll_t *poll, int status, int events) {
  daytona__tcp_writer_t *writer = poll->data;
  daytona__tcp_t *tcp = writer->tcp;
  while (writer->first != NULL) {
    block_t *block = writer->first;
    size_t sent = send_now(tcp, block->bytes + block->done, block->size - block->done);
    assert(sent <= block->size - block->done && sent <= writer->queued);
    block->done += sent;
    writer->queued -= sent;
    if (tcp->is_broken || block->done < block->size) break;
    writer->first = block->next;
    if (writer->first == NULL) writer->last = &writer->first;
    daytona__free(block);
  }
  /* libuv polls no longer after an error, so nothing that is left would ever be sent. */
  if (status != 0 && writer->queued != 0) tcp->is_broken = true;
  if (tcp->is_broken) queue_drop(writer);
  assert((writer->first == NULL) == (writer->queued == 0));
  if (writer->queued != 0) return;
  uv_poll_stop(poll);
  tcp->on_drained(tcp);
}

static int writer_new(daytona__tcp_t *tcp) {
  uv_os_fd_t fd;
  if (uv_fileno((uv_handle_t *)&tcp->socket->handle, &fd) != 0) return DAYTONA_ECLOSED;
  daytona__tcp_writer_t *writer = daytona__calloc(1, sizeof *writer);
  if (writer == NULL) return DAYTONA_ENOMEM;
  writer->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (writer->fd < 0 || uv_poll_init(daytona__loop_uv(tcp->env->loop), &writer->poll, writer->fd) != 0) {
    if (writer->fd >= 0) close(writer->fd);
    daytona__free(writer);
    return DAYTONA_EIO;
  }
  writer->tcp = tcp;
  writer->last = &writer->first;
  writer->poll.data = writer;
  if (tcp->is_background) uv_unref((uv_handle_t *)&writer->poll);
  tcp->writer = writer;
  tcp->handles++;
  return 0;
}

static void on_writer_closed(uv_handle_t *handle) {
  daytona__tcp_writer_t *writer = handle->data;
  daytona__tcp_t *tcp = writer->tcp;
  close(writer->fd);
  daytona__free(writer);
  handle_gone(tcp);
}

static void writer_close(daytona__tcp_t *tcp) {
  if (tcp->writer == NULL) return;
  queue_drop(tcp->writer);
  uv_close((uv_handle_t *)&tcp->writer->poll, on_writer_closed);
  tcp->writer = NULL;
}

static int queue_append(daytona__tcp_t *tcp, const char *bytes, size_t size) {
  int code = tcp->writer == NULL ? writer_new(tcp) : 0;
  block_t *block = code == 0 ? daytona__alloc(sizeof *block + size) : NULL;
  if (code != 0) return code;
  if (block == NULL) return DAYTONA_ENOMEM;
  daytona__tcp_writer_t *writer = tcp->writer;
  assert(!tcp->is_closing && (writer->first == NULL) == (writer->queued == 0));
  block->next = NULL;
  block->size = size;
  block->done = 0;
  memcpy(block->bytes, bytes, size);
  *writer->last = block;
  writer->last = &block->next;
  writer->queued += size;
  uv_poll_start(&writer->poll, UV_WRITABLE, on_writable);
  return 0;
}

int daytona__tcp_write(daytona__tcp_t *tcp, const void *bytes, size_t size) {
  if (tcp->socket == NULL || tcp->is_closing) return DAYTONA_ECLOSED;
  size_t done = daytona__tcp_queued(tcp) == 0 ? send_now(tcp, bytes, size) : 0;
  if (done == size || tcp->is_broken) return 0;
  return queue_append(tcp, (const char *)bytes + done, size - done);
}

bool daytona__tcp_is_stuck(const daytona__tcp_t *tcp) {
  if (tcp->socket == NULL || daytona__tcp_queued(tcp) != 0) return true;
#ifdef __linux__
  uv_os_fd_t fd;
  struct tcp_info info = {0};
  socklen_t size = sizeof info;
  if (uv_fileno((const uv_handle_t *)&tcp->socket->handle, &fd) == 0 &&
      getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0)
    return info.tcpi_retransmits != 0 || info.tcpi_probes != 0;
#endif
  return false;
}

/* --- end --------------------------------------------------------------------------------------- */

/* Carries whatever must not happen inside the call that caused it. */
static void on_task(daytona__task_t *task) {
  daytona__tcp_t *tcp = DAYTONA__CONTAINER(task, daytona__tcp_t, task);
  if (tcp->is_closing) {
    if (tcp->handles == 0) report_closed(tcp);
  } else if (tcp->race != NULL) {
    int status = tcp->race->status;
    if (!daytona__list_empty(&tcp->race->sockets)) return;
    race_end(tcp);
    tcp->on_connected(tcp, status);
  } else if (tcp->end != 0) {
    tcp->on_readable(tcp);
  } else {
    reading_start(tcp);
  }
}

void daytona__tcp_close(daytona__tcp_t *tcp) {
  if (tcp->is_closing) return;
  race_end(tcp);
  if (tcp->socket != NULL) {
    reading_stop(tcp);
    writer_close(tcp);
    socket_close(tcp->socket);
  }
  tcp->is_closing = true;
  tcp->in_size = 0;
  if (tcp->handles == 0)
    daytona__loop_defer(tcp->env->loop, &tcp->task);
  else
    daytona__task_cancel(&tcp->task);
}
