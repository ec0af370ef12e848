/* SPDX-License-Identifier: Apache-2.0
 *
 * The daemon of libmicrohttpd inside a libuv loop. We accept the sockets and hand them over; the
 * daemon's own epoll descriptor is watched by the loop, and the daemon runs from two places only:
 * before the loop sleeps and right after it polled, whenever something marked the server dirty.
 * So no callback of ours ever runs inside somebody else's, and nothing here blocks.
 */
#include "http/internal.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 4096
#define ACCEPTS_PER_TURN 64
#define RUNS_PER_TURN 8
#define ACCEPT_REST_MS 50
/* Seconds without traffic after which an idle connection is closed. */
#define IDLE_SECONDS 75
#define CONNECTION_MEMORY (48 * 1024)

typedef struct {
  dl_list link;
  int fd;
} silent_socket;

void dl_http_mark(dl_http *h) { h->is_dirty = true; }

/* ---- callbacks of the daemon ---- */

static void *on_target(void *cls, const char *target, struct MHD_Connection *conn) {
  return dl_req_new(cls, conn, target);
}

static enum MHD_Result on_access(void *cls, struct MHD_Connection *conn, const char *url, const char *method,
                                 const char *version, const char *bytes, size_t *len, void **con_cls) {
  (void)cls, (void)conn, (void)url, (void)version;
  dl_req *req = *con_cls;
  if (!req) return MHD_NO;
  if (!req->has_started) snprintf(req->method, sizeof req->method, "%s", method);
  return dl_req_step(req, bytes, len);
}

static void on_completed(void *cls, struct MHD_Connection *conn, void **con_cls,
                         enum MHD_RequestTerminationCode why) {
  (void)cls, (void)conn;
  dl_req *req = *con_cls;
  *con_cls = NULL;
  if (req) dl_req_finished(req, why == MHD_REQUEST_TERMINATED_COMPLETED_OK);
}

static size_t keep_escapes(void *cls, struct MHD_Connection *conn, char *text) {
  (void)cls, (void)conn;
  return strlen(text);
}

static void on_mhd_log(void *cls, const char *fmt, va_list args) {
  (void)cls;
  char *text = dl_xvprintf(fmt, args);
  text[strcspn(text, "\n")] = '\0';
  dl_debug("http: %s", text);
  free(text);
}

/* ---- running the daemon ---- */

static void stop(dl_http *h);

static void service(dl_http *h) {
  if (h->is_running || h->is_stopped) return;
  h->is_running = true;
  for (int i = 0; i < RUNS_PER_TURN && h->is_dirty && !h->is_closing; i++) {
    h->is_dirty = false;
    MHD_run(h->mhd);
    MHD_UNSIGNED_LONG_LONG wait;
    if (MHD_get_timeout(h->mhd, &wait) != MHD_YES)
      uv_timer_stop(&h->timer);
    else if (wait == 0)
      h->is_dirty = true;
    else
      uv_timer_start(&h->timer, (void (*)(uv_timer_t *))h->timer.data, wait, 0);
  }
  h->is_running = false;
  if (h->is_closing) {
    stop(h);
    return;
  }
  /* Still busy: others get their turn first. */
  if (h->is_dirty) uv_timer_start(&h->timer, (void (*)(uv_timer_t *))h->timer.data, 0, 0);
}

static void on_timer(uv_timer_t *timer) { dl_http_mark(DL_CONTAINER(timer, dl_http, timer)); }
static void on_prepare(uv_prepare_t *p) {
  dl_http *h = DL_CONTAINER(p, dl_http, prepare);
  if (h->is_dirty || h->is_closing) service(h);
}
static void on_check(uv_check_t *c) {
  dl_http *h = DL_CONTAINER(c, dl_http, check);
  if (h->is_dirty || h->is_closing) service(h);
}
static void on_mhd_ready(uv_poll_t *poll, int status, int events) {
  (void)status, (void)events;
  dl_http_mark(DL_CONTAINER(poll, dl_http, mhd_poll));
}

static void on_listen(uv_poll_t *poll, int status, int events);

static void on_accept_rested(uv_timer_t *timer) {
  dl_http *h = timer->data;
  uv_poll_start(&h->listen_poll, UV_READABLE, on_listen);
}

/* Out of descriptors or memory: the client stays in the queue and the socket stays readable, so
 * asking again at once would keep us busy with nothing else. */
static void rest_accepting(dl_http *h, int failure) {
  if (!h->has_told_accept) dl_warn("cannot accept: %s", strerror(failure));
  h->has_told_accept = true;
  uv_poll_stop(&h->listen_poll);
  uv_timer_start(&h->accept_timer, on_accept_rested, ACCEPT_REST_MS, 0);
}

static void on_listen(uv_poll_t *poll, int status, int events) {
  (void)events;
  dl_http *h = DL_CONTAINER(poll, dl_http, listen_poll);
  if (status < 0) return;
  for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
    struct sockaddr_storage addr = {0};
    socklen_t len = sizeof addr;
    int fd = accept4(h->listen_fd, (struct sockaddr *)&addr, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
      if (errno == EINTR || errno == ECONNABORTED) continue;
      if (errno != EAGAIN && errno != EWOULDBLOCK) rest_accepting(h, errno);
      return;
    }
    h->has_told_accept = false;
    if (h->opts.on_accept && h->opts.on_accept(h->opts.user)) {
      silent_socket *s = dl_xcalloc(1, sizeof *s);
      s->fd = fd;
      dl_list_push(&h->silent, &s->link);
      continue;
    }
    int on = 1;
    if (addr.ss_family != AF_UNIX) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (h->tls != NULL) {
      fd = dl_tls_accept(h->tls, fd);
      if (fd < 0) continue;
      addr = (struct sockaddr_storage){.ss_family = AF_UNIX};
      len = sizeof(sa_family_t);
    }
    if (len < sizeof(sa_family_t)) len = sizeof(sa_family_t);
    if (MHD_add_connection(h->mhd, fd, (struct sockaddr *)&addr, len) != MHD_YES)
      dl_debug("connection refused by the daemon: %s", strerror(errno));
    dl_http_mark(h);
  }
}

/* ---- start ---- */

static int listen_on(const dl_http_opts *opts, char **error) {
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

static struct MHD_Daemon *start_daemon(dl_http *h) {
  unsigned flags = MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME | MHD_ALLOW_UPGRADE |
                   MHD_USE_ERROR_LOG;
  unsigned max = h->opts.connection_max ? h->opts.connection_max : 8192;
  return MHD_start_daemon(flags, 0, NULL, NULL, on_access, h, MHD_OPTION_EXTERNAL_LOGGER, on_mhd_log, NULL,
                          MHD_OPTION_URI_LOG_CALLBACK, on_target, h, MHD_OPTION_NOTIFY_COMPLETED,
                          on_completed, h, MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL,
                          MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_SECONDS, MHD_OPTION_CONNECTION_LIMIT,
                          max, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY, MHD_OPTION_END);
}

static void start_watching(dl_http *h, int epoll_fd) {
  uv_poll_init(h->loop, &h->mhd_poll, epoll_fd);
  uv_poll_start(&h->mhd_poll, UV_READABLE, on_mhd_ready);
  uv_poll_init(h->loop, &h->listen_poll, h->listen_fd);
  uv_poll_start(&h->listen_poll, UV_READABLE, on_listen);
  uv_timer_init(h->loop, &h->timer);
  h->timer.data = (void *)on_timer;
  uv_timer_init(h->loop, &h->accept_timer);
  h->accept_timer.data = h;
  uv_prepare_init(h->loop, &h->prepare);
  uv_prepare_start(&h->prepare, on_prepare);
  uv_check_init(h->loop, &h->check);
  uv_check_start(&h->check, on_check);
  h->open_handles = 6;
}

static void on_nothing_closed(void *user) { (void)user; }

dl_http *dl_http_new(uv_loop_t *loop, const dl_http_opts *opts, char **error) {
  assert(opts->on_request);
  dl_http *h = dl_xcalloc(1, sizeof *h);
  h->loop = loop;
  h->opts = *opts;
  h->opts.tls_cert_pem = h->opts.tls_key_pem = h->opts.tls_client_ca_pem = NULL;
  dl_list_init(&h->requests);
  dl_list_init(&h->upgrades);
  dl_list_init(&h->silent);
  h->listen_fd = listen_on(opts, error);
  if (h->listen_fd < 0) goto out;
  h->port = port_of(h->listen_fd);
  if (opts->tls_cert_pem) {
    h->tls = dl_tls_new(loop, opts->tls_cert_pem, opts->tls_key_pem, opts->tls_client_ca_pem);
    if (!h->tls) {
      *error = dl_xstrdup("TLS: certificate, key or client CA unusable");
      goto out;
    }
  }
  h->mhd = start_daemon(h);
  const union MHD_DaemonInfo *info = h->mhd ? MHD_get_daemon_info(h->mhd, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
  if (!info) {
    *error = dl_xstrdup("the HTTP daemon did not start");
    goto out;
  }
  start_watching(h, info->epoll_fd);
  return h;
out:
  if (h->mhd) MHD_stop_daemon(h->mhd);
  if (h->tls) dl_tls_close(h->tls, on_nothing_closed, NULL);
  if (h->listen_fd >= 0) close(h->listen_fd);
  free(h);
  return NULL;
}

int dl_http_port(const dl_http *h) { return h->port; }
uv_loop_t *dl_http_loop(const dl_http *h) { return h->loop; }

/* ---- end ---- */

static void on_part_closed(void *server) {
  dl_http *h = server;
  if (--h->open_handles > 0) return;
  void (*on_closed)(void *) = h->on_closed;
  void *user = h->closed_user;
  free(h);
  if (on_closed) on_closed(user);
}

static void on_handle_closed(uv_handle_t *handle) { on_part_closed(handle->data); }

static void stop(dl_http *h) {
  if (h->is_stopped) return;
  h->is_stopped = true;
  h->mhd_poll.data = h->listen_poll.data = h->timer.data = h->prepare.data = h->check.data = h;
  uv_close((uv_handle_t *)&h->mhd_poll, on_handle_closed);
  uv_close((uv_handle_t *)&h->listen_poll, on_handle_closed);
  uv_close((uv_handle_t *)&h->timer, on_handle_closed);
  uv_close((uv_handle_t *)&h->accept_timer, on_handle_closed);
  uv_close((uv_handle_t *)&h->prepare, on_handle_closed);
  uv_close((uv_handle_t *)&h->check, on_handle_closed);
  close(h->listen_fd);
  DL_LIST_EACH_SAFE(&h->silent, node, after) {
    silent_socket *s = DL_CONTAINER(node, silent_socket, link);
    close(s->fd);
    free(s);
  }
  dl_upgrades_end(h);
  /* The daemon must not hold suspended connections when it ends. */
  DL_LIST_EACH_SAFE(&h->requests, node, after) { dl_req_resume(DL_CONTAINER(node, dl_req, link)); }
  MHD_stop_daemon(h->mhd); /* tells every request that it is over */
  if (h->tls) {
    h->open_handles++;
    dl_tls_close(h->tls, on_part_closed, h);
  }
  assert(dl_list_empty(&h->requests));
}

void dl_http_close(dl_http *h, void (*on_closed)(void *user), void *user) {
  if (h->is_closing) return;
  h->is_closing = true;
  h->on_closed = on_closed;
  h->closed_user = user;
  /* Requests are told from the loop, never from inside this call. */
  uv_timer_start(&h->timer, on_timer, 0, 0);
  dl_http_mark(h);
}
