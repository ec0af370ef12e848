/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a forwarded port leads to: only to addresses of the sandbox itself. A gateway that connected further would let
 * whoever has a token see the network as the server does, past the rules of the sandbox's own.
 */
#include "toolbox/ssh/internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ADDRESSES_MAX 32

typedef struct {
  struct sockaddr_storage items[ADDRESSES_MAX];
  int count;
} addresses_t;

static void add_v4(addresses_t *a, in_addr_t address) {
  if (a->count == ADDRESSES_MAX) return;
  struct sockaddr_in *v4 = (struct sockaddr_in *)&a->items[a->count++];
  *v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = address};
}

static void add_v6(addresses_t *a, const struct in6_addr *address, uint32_t scope) {
  if (a->count == ADDRESSES_MAX) return;
  struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&a->items[a->count++];
  *v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_addr = *address, .sin6_scope_id = scope};
}

static void add_loopback(addresses_t *a) {
  add_v4(a, htonl(INADDR_LOOPBACK));
  add_v6(a, &in6addr_loopback, 0);
}

static bool is_same(const struct sockaddr *have, int family, const void *address) {
  if (have->sa_family != family) return false;
  if (family == AF_INET) return memcmp(&((const struct sockaddr_in *)have)->sin_addr, address, 4) == 0;
  return memcmp(&((const struct sockaddr_in6 *)have)->sin6_addr, address, 16) == 0;
}

/* Those of the interfaces: all of them for `address` NULL, else the equal one. */
static void add_own(addresses_t *a, int family, const void *address) {
  struct ifaddrs *list;
  if (getifaddrs(&list) != 0) return;
  for (struct ifaddrs *at = list; at != NULL; at = at->ifa_next) {
    const struct sockaddr *have = at->ifa_addr;
    if (have == NULL || (address != NULL && !is_same(have, family, address))) continue;
    if (have->sa_family == AF_INET) add_v4(a, ((const struct sockaddr_in *)have)->sin_addr.s_addr);
    if (have->sa_family == AF_INET6) {
      const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)have;
      add_v6(a, &v6->sin6_addr, v6->sin6_scope_id);
    }
  }
  freeifaddrs(list);
}

static void resolve(addresses_t *a, const char *host) {
  struct in_addr v4;
  struct in6_addr v6;
  char own[256] = "";
  gethostname(own, sizeof own - 1);
  if (strcmp(host, "localhost") == 0) {
    add_loopback(a);
  } else if (*own != '\0' && strcmp(host, own) == 0) {
    add_loopback(a);
    add_own(a, AF_UNSPEC, NULL);
  } else if (inet_pton(AF_INET, host, &v4) == 1) {
    if (ntohl(v4.s_addr) >> 24 == IN_LOOPBACKNET)
      add_v4(a, v4.s_addr);
    else
      add_own(a, AF_INET, &v4);
  } else if (inet_pton(AF_INET6, host, &v6) == 1) {
    if (IN6_IS_ADDR_LOOPBACK(&v6))
      add_v6(a, &v6, 0);
    else
      add_own(a, AF_INET6, &v6);
  }
}

static int open_socket(const struct sockaddr_storage *address, in_port_t port, bool *is_connecting) {
  struct sockaddr_storage to = *address;
  int one = 1, fd = socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  /* The port is at the same place in both. */
  ((struct sockaddr_in *)&to)->sin_port = htons(port);
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  socklen_t len = to.ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
  int rc = connect(fd, (struct sockaddr *)&to, len);
  *is_connecting = rc != 0 && errno == EINPROGRESS;
  if (rc == 0 || *is_connecting) return fd;
  int error = errno;
  close(fd);
  errno = error;
  return -1;
}

int dl_ssh_connect(const char *host, const char *port, int *attempt, bool *is_connecting, char **failure) {
  addresses_t a = {.count = 0};
  int64_t number = 0;
  if (host == NULL || port == NULL || !dl_parse_int(port, 1, 65535, &number)) {
    *failure = dl_xstrdup("no host and port");
    return -1;
  }
  resolve(&a, host);
  if (a.count == 0) {
    *failure =
      dl_xprintf("%s is no address of the sandbox: ports are forwarded to the sandbox itself only", host);
    return -1;
  }
  for (; *attempt < a.count; ++*attempt) {
    int fd = open_socket(&a.items[*attempt], (in_port_t)number, is_connecting);
    if (fd >= 0) return fd;
  }
  *failure = dl_xprintf("nothing answers on port %s of %s", port, host);
  return -1;
}
