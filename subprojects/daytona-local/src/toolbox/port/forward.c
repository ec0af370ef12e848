/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ANY /proxy/{port}/{path}: to a program of the sandbox that listens on its loopback. IPv4 first,
 * then IPv6, because some programs only listen there.
 */
#include "http/forward.h"
#include "toolbox/core/reply.h"
#include "toolbox/port/port.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct {
  int port;
} hop_t;

static int connect_loopback(void *user, int attempt, bool *is_connecting) {
  const hop_t *h = user;
  struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)h->port)};
  struct sockaddr_in6 v6 = {
    .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)h->port), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
  v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (attempt > 1) return -1;
  int one = 1, fd = socket(attempt == 0 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  int done = attempt == 0 ? connect(fd, (struct sockaddr *)&v4, sizeof v4)
                          : connect(fd, (struct sockaddr *)&v6, sizeof v6);
  *is_connecting = done != 0 && errno == EINPROGRESS;
  if (done == 0 || *is_connecting) return fd;
  close(fd);
  return attempt == 0 ? connect_loopback(user, 1, is_connecting) : -1;
}

static void on_head(void *user, dl_req_t *req, int status) {
  (void)user;
  if (status != 101) dl_tb_add_request_id(req);
}

static void on_failure(void *user, dl_req_t *req) {
  const hop_t *h = user;
  dl_tb_reply_error(req, 502, "nothing answers on port %d", h->port);
}

static void on_proxy(dl_req_t *req, void *user) {
  int port = 0;
  (void)user;
  if (!dl_tb_port_parse(dl_req_param(req, "port"), &port)) {
    dl_tb_reply_error(req, 400, "invalid port");
    return;
  }
  const char *query = dl_req_raw_query(req), *rest = dl_req_rest(req);
  hop_t *h = dl_xcalloc(1, sizeof *h);
  h->port = port;
  char *target = dl_xprintf("/%s%s%s", rest ? rest : "", *query ? "?" : "", query);
  char *host = dl_xprintf("localhost:%d", port);
  dl_forward_opts_t forward = {
    .connect = connect_loopback,
    .target = target,
    .host = host,
    .extra_headers = dl_req_header(req, "X-Forwarded-For") ? NULL : "X-Forwarded-For: 127.0.0.1\r\n",
    .on_head = on_head,
    .on_failure = on_failure,
    .on_end = free,
    .user = h};
  dl_forward(req, &forward);
  free(target);
  free(host);
}

static const dl_route_t ROUTES[] = {{"*", "/proxy/{port}/{path*}", on_proxy, 0}};
const dl_route_table_t DL_TB_FORWARD_ROUTES = {ROUTES, DL_COUNT(ROUTES)};
