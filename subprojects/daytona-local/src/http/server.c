/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server around its connections: accepting, room, time limits, and the end.
 *
 * Connections with something to do are marked, and do it from two places only: before the loop sleeps and right
 * after it polled. So no response is sent from inside somebody else's call, and nothing here blocks.
 *
 * Each connection that waits for its client is in the list of what it waits for, the longest first, and all of one list have the
 * same limit: one timer looks at the first of each. When there is no room for a newcomer, the one that has
 * waited longest for what costs nothing to ask for again makes it: so half requests shut nobody out.
 */
#include "http/internal.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 4096
#define ACCEPTS_PER_TURN 64
#define ROUNDS_PER_TURN 8
#define ACCEPT_REST_MS 50
#define CONNECTIONS_MAX 8192u
#define SCRATCH_MAX (16u * 1024 * 1024)
/* For a client whose machine has gone without a word. */
#define KEEPALIVE_IDLE_S 30
#define KEEPALIVE_STEP_S 10
#define KEEPALIVE_STEPS 6
/* The toolbox gets the heads that the server passes on, with some headers more. */
#define HEAD_MAX (48u * 1024)
#define HEAD_MAX_UNIX (64u * 1024)

static const unsigned limits_ms[DL_PHASE_COUNT] = {
  [DL_PHASE_HEAD] = 10000, [DL_PHASE_IDLE] = 75000,   [DL_PHASE_BODY] = 75000,
  [DL_PHASE_DRAIN] = 5000, [DL_PHASE_ANSWER] = 75000, [DL_PHASE_LINGER] = 2000,
};

typedef struct {
  dl_list_t link;
  int fd;
} silent_socket_t;

static void stop(dl_http_t *h);

/* --- work --- */

void dl_conn_mark(dl_conn_t *c) {
  if (c->is_over || c->is_upgraded || !dl_list_empty(&c->dirty_link)) return;
  dl_list_push(&c->server->dirty, &c->dirty_link);
}

static void on_work_timer(uv_timer_t *timer) { (void)timer; }

static void work(dl_http_t *h) {
  if (h->is_working || h->is_stopped) return;
  h->is_working = true;
  for (int i = 0; i < ROUNDS_PER_TURN && !dl_list_empty(&h->dirty) && !h->is_closing; i++) {
    dl_list_t now;
    dl_list_init(&now);
    dl_list_splice(&now, &h->dirty);
    while (!dl_list_empty(&now)) {
      dl_conn_t *c = DL_CONTAINER(now.next, dl_conn_t, dirty_link);
      dl_list_unlink(&c->dirty_link);
      dl_conn_work(c);
    }
  }
  h->is_working = false;
  if (h->is_closing)
    stop(h);
  else if (!dl_list_empty(&h->dirty)) /* others get their turn first */
    uv_timer_start(&h->work_timer, on_work_timer, 0, 0);
}

static void on_prepare(uv_prepare_t *p) { work(DL_CONTAINER(p, dl_http_t, prepare)); }
static void on_check(uv_check_t *c) { work(DL_CONTAINER(c, dl_http_t, check)); }

/* --- time limits --- */

static void on_limit(uv_timer_t *timer);

/* The timer goes off no later than that. */
static void look_again(dl_http_t *h, uint64_t deadline) {
  uint64_t now = uv_now(h->loop), due = deadline > now ? deadline - now : 0;
  if (uv_is_active((uv_handle_t *)&h->limit_timer) && uv_timer_get_due_in(&h->limit_timer) <= due) return;
  uv_timer_start(&h->limit_timer, on_limit, due, 0);
}

void dl_http_wait(dl_conn_t *c, dl_phase_t phase, bool is_new) {
  if (c->is_over || (c->phase == phase && !is_new)) return;
  dl_http_t *h = c->server;
  dl_list_unlink(&c->phase_link);
  c->phase = phase;
  if (phase == DL_PHASE_BUSY) return;
  c->deadline = uv_now(h->loop) + limits_ms[phase];
  c->sent_before = dl_duplex_sent(c->stream);
  dl_list_push(&h->phases[phase], &c->phase_link);
  look_again(h, c->deadline);
}

static void on_limit(uv_timer_t *timer) {
  dl_http_t *h = timer->data;
  uint64_t now = uv_now(h->loop);
  for (int phase = 0; phase < DL_PHASE_COUNT; phase++) {
    dl_list_t *list = &h->phases[phase];
    while (!dl_list_empty(list)) {
      dl_conn_t *c = DL_CONTAINER(list->next, dl_conn_t, phase_link);
      if (c->deadline > now) {
        look_again(h, c->deadline);
        break;
      }
      dl_list_unlink(&c->phase_link);
      dl_conn_expire(c);
    }
  }
}

/* --- room --- */

/* Whoever has waited longest in that phase, if for as long as that. */
static dl_conn_t *find_waiting(dl_http_t *h, dl_phase_t phase, unsigned for_ms) {
  dl_list_t *list = &h->phases[phase];
  if (dl_list_empty(list)) return NULL;
  dl_conn_t *c = DL_CONTAINER(list->next, dl_conn_t, phase_link);
  uint64_t since = c->deadline - limits_ms[phase];
  return since + for_ms <= uv_now(h->loop) ? c : NULL;
}

/* A client that has taken nothing of its answer for a while. */
static dl_conn_t *find_stuck(dl_http_t *h, unsigned for_ms) {
  for (dl_conn_t *c; (c = find_waiting(h, DL_PHASE_ANSWER, for_ms)) != NULL;) {
    if (dl_duplex_sent(c->stream) == c->sent_before) return c;
    dl_http_wait(c, DL_PHASE_ANSWER, true);
  }
  return NULL;
}

/* False when everybody is at work. Newcomers get the time that a request takes to come before they go themselves. */
static bool make_room(dl_http_t *h) {
  static const struct {
    dl_phase_t phase;
    unsigned for_ms;
  } order[] = {
    {DL_PHASE_LINGER, 0},    {DL_PHASE_HEAD, 1000}, {DL_PHASE_DRAIN, 1000}, {DL_PHASE_IDLE, 5000},
    {DL_PHASE_ANSWER, 5000}, {DL_PHASE_HEAD, 0},    {DL_PHASE_DRAIN, 0},    {DL_PHASE_IDLE, 0},
  };
  dl_conn_t *found = NULL;
  for (size_t i = 0; i < DL_COUNT(order) && found == NULL; i++)
    found = order[i].phase == DL_PHASE_ANSWER ? find_stuck(h, order[i].for_ms)
                                              : find_waiting(h, order[i].phase, order[i].for_ms);
  if (found != NULL) dl_conn_end(found);
  return found != NULL;
}

/* As many as there are descriptors for, with some left for sandboxes. A client of the server costs two, as most have
 * a connection to a sandbox, and four with TLS. */
static unsigned room_for(const dl_http_t *h, bool is_unix) {
  struct rlimit files;
  if (h->opts.connection_max > 0) return h->opts.connection_max;
  if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur == RLIM_INFINITY) return CONNECTIONS_MAX;
  unsigned long each = is_unix          ? 1
                       : h->tls != NULL ? 4
                                        : 2,
                count = (files.rlim_cur - files.rlim_cur / 4) / each;
  return count > CONNECTIONS_MAX ? CONNECTIONS_MAX : count > 0 ? (unsigned)count : 1;
}

/* --- accepting --- */

static void on_listen(uv_poll_t *poll, int status, int events);

static void on_accept_rested(uv_timer_t *timer) {
  dl_http_t *h = timer->data;
  uv_poll_start(&h->listen_poll, UV_READABLE, on_listen);
}

/* No room, descriptors or memory: the client stays in the queue and the socket stays readable, so
 * asking again at once would keep us busy with nothing else. */
static void rest_accepting(dl_http_t *h, const char *why) {
  if (!h->has_told_accept) dl_warn("cannot accept: %s", why);
  h->has_told_accept = true;
  uv_poll_stop(&h->listen_poll);
  uv_timer_start(&h->accept_timer, on_accept_rested, ACCEPT_REST_MS, 0);
}

static void describe(const struct sockaddr_storage *addr, char *out, size_t size) {
  const struct sockaddr_in *v4 = (const struct sockaddr_in *)addr;
  const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)addr;
  if (addr->ss_family == AF_INET)
    inet_ntop(AF_INET, &v4->sin_addr, out, (socklen_t)size);
  else if (addr->ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
    inet_ntop(AF_INET, v6->sin6_addr.s6_addr + 12, out, (socklen_t)size);
  else if (addr->ss_family == AF_INET6)
    inet_ntop(AF_INET6, &v6->sin6_addr, out, (socklen_t)size);
}

static void set_options(int fd) {
  int on = 1, idle = KEEPALIVE_IDLE_S, step = KEEPALIVE_STEP_S, steps = KEEPALIVE_STEPS;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &step, sizeof step);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &steps, sizeof steps);
}

static void take(dl_http_t *h, int fd, const struct sockaddr_storage *addr) {
  char peer[64] = "unix";
  if (h->opts.on_accept && h->opts.on_accept(h->opts.user)) {
    silent_socket_t *s = dl_xcalloc(1, sizeof *s);
    s->fd = fd;
    dl_list_push(&h->silent, &s->link);
    return;
  }
  describe(addr, peer, sizeof peer);
  if (addr->ss_family != AF_UNIX) set_options(fd);
  if (h->tls != NULL) fd = h->opts.tls->accept(h->tls, fd);
  if (fd >= 0) dl_conn_new(h, fd, peer);
}

static bool is_somebody_waiting(const dl_http_t *h) {
  struct pollfd p = {.fd = h->listen_fd, .events = POLLIN};
  return poll(&p, 1, 0) > 0;
}

static void on_listen(uv_poll_t *poll, int status, int events) {
  (void)events;
  dl_http_t *h = DL_CONTAINER(poll, dl_http_t, listen_poll);
  if (status < 0) return;
  /* Of a few places, not all are taken anew before those who took them were served. */
  unsigned most = h->count_max / 4 < ACCEPTS_PER_TURN ? h->count_max / 4 + 1 : ACCEPTS_PER_TURN;
  for (unsigned i = 0; i < most; i++) {
    struct sockaddr_storage addr = {0};
    socklen_t len = sizeof addr;
    if (h->count >= h->count_max) {
      if (!is_somebody_waiting(h)) return;
      if (!make_room(h)) {
        rest_accepting(h, "as many connections as there may be");
        return;
      }
    }
    int fd = accept4(h->listen_fd, (struct sockaddr *)&addr, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
      if (errno == EINTR || errno == ECONNABORTED) continue;
      if ((errno == EMFILE || errno == ENFILE) && make_room(h)) continue;
      if (errno != EAGAIN && errno != EWOULDBLOCK) rest_accepting(h, strerror(errno));
      return;
    }
    h->has_told_accept = false;
    take(h, fd, &addr);
  }
}

/* --- start --- */

static int listen_on(const dl_http_opts_t *opts, char **error) {
  int fd = opts->listen_fd;
  if (fd < 0) {
    struct sockaddr_storage addr = {0};
    socklen_t len;
    const char *host = opts->host ? opts->host : "127.0.0.1";
    struct sockaddr_in *v4 = (struct sockaddr_in *)&addr;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&addr;
    if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
      v4->sin_family = AF_INET;
      v4->sin_port = htons((uint16_t)opts->port);
      len = sizeof *v4;
    } else if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
      v6->sin6_family = AF_INET6;
      v6->sin6_port = htons((uint16_t)opts->port);
      len = sizeof *v6;
    } else {
      *error = dl_xprintf("'%s' is not a numeric address", host);
      return -1;
    }
    fd = socket(addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    if (fd >= 0) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (fd < 0 || bind(fd, (struct sockaddr *)&addr, len) != 0) {
      *error = dl_xprintf("cannot listen on %s port %d: %s", host, opts->port, strerror(errno));
      if (fd >= 0) close(fd);
      return -1;
    }
  }
  if (listen(fd, BACKLOG) != 0 || fcntl(fd, F_SETFL, O_NONBLOCK) != 0) {
    *error = dl_xprintf("cannot listen: %s", strerror(errno));
    close(fd);
    return -1;
  }
  return fd;
}

static int port_of(int fd) {
  struct sockaddr_storage addr = {0};
  socklen_t len = sizeof addr;
  if (getsockname(fd, (struct sockaddr *)&addr, &len) != 0) return 0;
  if (addr.ss_family == AF_INET) return ntohs(((struct sockaddr_in *)&addr)->sin_port);
  if (addr.ss_family == AF_INET6) return ntohs(((struct sockaddr_in6 *)&addr)->sin6_port);
  return 0;
}

static void start_watching(dl_http_t *h) {
  uv_poll_init(h->loop, &h->listen_poll, h->listen_fd);
  uv_poll_start(&h->listen_poll, UV_READABLE, on_listen);
  uv_timer_init(h->loop, &h->work_timer);
  uv_timer_init(h->loop, &h->limit_timer);
  uv_timer_init(h->loop, &h->accept_timer);
  h->limit_timer.data = h->accept_timer.data = h;
  uv_prepare_init(h->loop, &h->prepare);
  uv_prepare_start(&h->prepare, on_prepare);
  uv_check_init(h->loop, &h->check);
  uv_check_start(&h->check, on_check);
  h->open_handles = 6;
}

static bool is_unix_socket(int fd) {
  struct sockaddr_storage addr = {0};
  socklen_t len = sizeof addr;
  return getsockname(fd, (struct sockaddr *)&addr, &len) == 0 && addr.ss_family == AF_UNIX;
}

dl_http_t *dl_http_new(uv_loop_t *loop, const dl_http_opts_t *opts, char **error) {
  assert(opts->on_request);
  dl_http_t *h = dl_xcalloc(1, sizeof *h);
  h->loop = loop;
  h->opts = *opts;
  h->opts.tls_cert_pem = h->opts.tls_key_pem = h->opts.tls_client_ca_pem = NULL;
  dl_list_init(&h->conns);
  dl_list_init(&h->dirty);
  dl_list_init(&h->silent);
  for (int i = 0; i < DL_PHASE_COUNT; i++) dl_list_init(&h->phases[i]);
  dl_buf_init(&h->scratch, SCRATCH_MAX);
  h->listen_fd = listen_on(opts, error);
  if (h->listen_fd < 0) goto out;
  h->port = port_of(h->listen_fd);
  if (opts->tls_cert_pem) {
    assert(opts->tls);
    h->tls = opts->tls->open(loop, opts->tls_cert_pem, opts->tls_key_pem, opts->tls_client_ca_pem);
    if (!h->tls) {
      *error = dl_xstrdup("TLS: certificate, key or client CA unusable");
      goto out;
    }
  }
  bool is_unix = is_unix_socket(h->listen_fd);
  h->head_max = is_unix ? HEAD_MAX_UNIX : HEAD_MAX;
  h->count_max = room_for(h, is_unix);
  start_watching(h);
  return h;
out:
  if (h->listen_fd >= 0) close(h->listen_fd);
  free(h);
  return NULL;
}

int dl_http_port(const dl_http_t *h) { return h->port; }
uv_loop_t *dl_http_loop(const dl_http_t *h) { return h->loop; }

/* --- end --- */

static void on_part_closed(void *server) {
  dl_http_t *h = server;
  if (--h->open_handles > 0) return;
  void (*on_closed)(void *) = h->on_closed;
  void *user = h->closed_user;
  assert(h->count == 0);
  dl_buf_clear(&h->scratch);
  free(h);
  if (on_closed) on_closed(user);
}

static void on_handle_closed(uv_handle_t *handle) { on_part_closed(handle->data); }

static void close_silent(dl_http_t *h) {
  DL_LIST_EACH_SAFE(&h->silent, node, after) {
    silent_socket_t *s = DL_CONTAINER(node, silent_socket_t, link);
    close(s->fd);
    free(s);
  }
}

static void stop(dl_http_t *h) {
  if (h->is_stopped) return;
  h->is_stopped = true;
  uv_handle_t *const handles[] = {(uv_handle_t *)&h->listen_poll, (uv_handle_t *)&h->work_timer,
                                  (uv_handle_t *)&h->limit_timer, (uv_handle_t *)&h->accept_timer,
                                  (uv_handle_t *)&h->prepare,     (uv_handle_t *)&h->check};
  for (size_t i = 0; i < DL_COUNT(handles); i++) {
    handles[i]->data = h;
    uv_close(handles[i], on_handle_closed);
  }
  close(h->listen_fd);
  close_silent(h);
  /* Each call takes at least one off the list, and the callbacks it invokes may end others. */
  while (!dl_list_empty(&h->conns)) dl_conn_drop(DL_CONTAINER(h->conns.next, dl_conn_t, link));
  if (h->tls) {
    h->open_handles++;
    h->opts.tls->close(h->tls, on_part_closed, h);
  }
}

void dl_http_close(dl_http_t *h, void (*on_closed)(void *user), void *user) {
  if (h->is_closing) return;
  h->is_closing = true;
  h->on_closed = on_closed;
  h->closed_user = user;
  /* Callbacks of requests come from the loop, never from inside this call. */
  uv_timer_start(&h->work_timer, on_work_timer, 0, 0);
}
