/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two sides of the jail's network. What listens in the jail is made there and handed out, so that connections are accepted
 * by a process that can reach the host's own loopback.
 */
#include "images/jail_net.h"

#include "runtime/internal.h"

#include "base/base.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define LISTENERS_MAX (2 * DL_JAIL_FORWARDS_MAX)
#define PAIRS_MAX 128
#define BLOCK 16384

typedef struct {
  struct sockaddr_storage to;
  socklen_t len;
} address_t;

/* --- addresses --- */

static bool read_v4(const char *host, size_t len, in_port_t port, address_t *out) {
  struct sockaddr_in *in = (struct sockaddr_in *)&out->to;
  char text[32];
  if (len >= sizeof text) return false;
  memcpy(text, host, len);
  text[len] = '\0';
  *out = (address_t){.len = sizeof *in};
  in->sin_family = AF_INET;
  in->sin_port = port;
  return inet_pton(AF_INET, text, &in->sin_addr) == 1 && ntohl(in->sin_addr.s_addr) >> 24 == 127;
}

static void set_v6(in_port_t port, address_t *out) {
  struct sockaddr_in6 *in = (struct sockaddr_in6 *)&out->to;
  *out = (address_t){.len = sizeof *in};
  in->sin6_family = AF_INET6;
  in->sin6_port = port;
  in->sin6_addr = in6addr_loopback;
}

/* How many of `out` (two) are the loopback addresses that `text` names. */
static size_t read_address(const char *text, address_t out[2]) {
  const char *colon = strrchr(text, ':');
  int64_t number;
  if (!colon || !dl_parse_int(colon + 1, 1, 65535, &number)) return 0;
  in_port_t port = htons((uint16_t)number);
  size_t len = (size_t)(colon - text);
  if (len == 5 && strncmp(text, "[::1]", len) == 0) return set_v6(port, out), 1;
  if (len == 9 && strncmp(text, "localhost", len) == 0)
    return read_v4("127.0.0.1", 9, port, &out[0]), set_v6(port, &out[1]), 2;
  return read_v4(text, len, port, out) ? 1 : 0;
}

static size_t read_all(const dl_jail_net_t *net, address_t out[LISTENERS_MAX]) {
  size_t count = 0;
  for (size_t i = 0; i < net->count && i < DL_JAIL_FORWARDS_MAX; i++)
    count += read_address(net->forwards[i], out + count);
  return count;
}

/* --- inside --- */

static bool bring_up_loopback(void) {
  struct ifreq request = {.ifr_name = "lo"};
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  bool ok = fd >= 0 && ioctl(fd, SIOCGIFFLAGS, &request) == 0;
  request.ifr_flags |= IFF_UP;
  ok = ok && ioctl(fd, SIOCSIFFLAGS, &request) == 0;
  if (fd >= 0) close(fd);
  return ok;
}

/* -1 where the address is not to be had: named twice, or no IPv6. /dev/null then takes its place. */
static int listen_at(const address_t *a) {
  int fd = socket(a->to.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd >= 0 && bind(fd, (const struct sockaddr *)&a->to, a->len) == 0 && listen(fd, 64) == 0) return fd;
  if (fd >= 0) close(fd);
  return -1;
}

/* A byte, and with it a descriptor for each address. */
static bool send_all(int line, const int *fds, size_t count) {
  char space[CMSG_SPACE(sizeof(int) * LISTENERS_MAX)] = {0}, byte = 0;
  struct iovec bytes = {&byte, 1};
  struct msghdr message = {.msg_iov = &bytes, .msg_iovlen = 1};
  if (count > 0) {
    message.msg_control = space;
    message.msg_controllen = CMSG_SPACE(sizeof(int) * count);
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof(int) * count);
    memcpy(CMSG_DATA(head), fds, sizeof(int) * count);
  }
  return sendmsg(line, &message, 0) == 1;
}

const char *dl_jail_net_enter(const dl_jail_net_t *net, int line) {
  address_t addresses[LISTENERS_MAX];
  int fds[LISTENERS_MAX], none = open("/dev/null", O_RDONLY | O_CLOEXEC);
  size_t count = read_all(net, addresses);
  char byte;
  if (!bring_up_loopback()) return "cannot bring up the jail's loopback";
  if (!dl_forbid_loopback()) return "cannot keep the loopback's addresses in the jail";
  for (size_t i = 0; i < count; i++) {
    fds[i] = listen_at(&addresses[i]);
    if (fds[i] < 0) fds[i] = none;
  }
  bool ok = none >= 0 && send_all(line, fds, count) && read(line, &byte, 1) == 1;
  for (size_t i = 0; i < count; i++)
    if (fds[i] != none) close(fds[i]);
  if (none >= 0) close(none);
  return ok ? NULL : "cannot make the jail's network";
}

/* --- outside: from what listens in the jail to the host's loopback --- */

typedef struct {
  int fds[2];      /* the jail's, the host's; -1: free */
  bool is_over[2]; /* nothing more is read from it */
} pair_t;

static void end_pair(pair_t *p) {
  for (int i = 0; i < 2; i++)
    if (p->fds[i] >= 0) close(p->fds[i]);
  p->fds[0] = p->fds[1] = -1;
}

static void take_connection(int listener, const address_t *to, pair_t *pairs) {
  int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC), out = -1;
  if (fd < 0) return;
  for (size_t i = 0; i < PAIRS_MAX; i++) {
    if (pairs[i].fds[0] >= 0) continue;
    out = socket(to->to.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (out < 0 || connect(out, (const struct sockaddr *)&to->to, to->len) != 0) break;
    pairs[i] = (pair_t){.fds = {fd, out}};
    return;
  }
  if (out >= 0) close(out);
  close(fd);
}

static bool write_all(int fd, const char *bytes, size_t len) {
  while (len > 0) {
    ssize_t done = send(fd, bytes, len, MSG_NOSIGNAL);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return false;
    bytes += done;
    len -= (size_t)done;
  }
  return true;
}

static void pass_on(pair_t *p, int from) {
  static char block[BLOCK];
  ssize_t got = recv(p->fds[from], block, sizeof block, 0);
  if (got > 0 && write_all(p->fds[!from], block, (size_t)got)) return;
  if (got != 0) {
    end_pair(p);
    return;
  }
  p->is_over[from] = true;
  shutdown(p->fds[!from], SHUT_WR);
  if (p->is_over[!from]) end_pair(p);
}

static bool is_listening(int fd) {
  int value = 0;
  socklen_t len = sizeof value;
  return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &len) == 0 && value != 0;
}

/* Writing waits for the other side, and everybody else with it: what is behind are a registry and buildah, which read. */
_Noreturn static void port(const int *listeners, const address_t *addresses, size_t count) {
  static pair_t pairs[PAIRS_MAX];
  struct pollfd polls[LISTENERS_MAX + 2 * PAIRS_MAX];
  for (size_t i = 0; i < PAIRS_MAX; i++) pairs[i].fds[0] = pairs[i].fds[1] = -1;
  for (;;) {
    for (size_t i = 0; i < count; i++)
      polls[i] = (struct pollfd){.fd = is_listening(listeners[i]) ? listeners[i] : -1, .events = POLLIN};
    for (size_t i = 0; i < 2 * PAIRS_MAX; i++) {
      const pair_t *p = &pairs[i / 2];
      polls[count + i] = (struct pollfd){.fd = p->is_over[i % 2] ? -1 : p->fds[i % 2], .events = POLLIN};
    }
    if (poll(polls, count + 2 * PAIRS_MAX, -1) < 0 && errno != EINTR) _exit(1);
    for (size_t i = 0; i < 2 * PAIRS_MAX; i++)
      if (polls[count + i].revents && pairs[i / 2].fds[0] >= 0) pass_on(&pairs[i / 2], i % 2);
    for (size_t i = 0; i < count; i++)
      if (polls[i].revents & POLLIN) take_connection(listeners[i], &addresses[i], pairs);
  }
}

/* --- outside: slirp4netns --- */

_Noreturn static void become_slirp(pid_t jail, int ready, bool as_root) {
  char number[16], ready_option[32];
  snprintf(number, sizeof number, "%d", (int)jail);
  snprintf(ready_option, sizeof ready_option, "--ready-fd=%d", ready);
  char *argv[] = {"slirp4netns", "--configure", "--mtu=65520", "--disable-host-loopback",
                  ready_option,  number,        "tap0",        as_root ? "--enable-sandbox" : NULL,
                  NULL};
  int none = open("/dev/null", O_RDWR);
  for (int i = 0; i < 3; i++) dup2(none, i);
  fcntl(ready, F_SETFD, 0);
  execvp(argv[0], argv);
  _exit(127);
}

static const char *start_slirp(pid_t jail) {
  int ready[2];
  char byte;
  if (pipe2(ready, O_CLOEXEC) != 0) return "cannot make a pipe";
  pid_t self = getpid(), helper = fork();
  if (helper == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != self) _exit(1);
    become_slirp(jail, ready[1], geteuid() == 0);
  }
  close(ready[1]);
  bool ok = helper > 0 && read(ready[0], &byte, 1) == 1;
  close(ready[0]);
  errno = 0;
  return ok ? NULL : "slirp4netns cannot give the jail a network";
}

static int receive_all(int line, int *fds) {
  char space[CMSG_SPACE(sizeof(int) * LISTENERS_MAX)], byte;
  struct iovec bytes = {&byte, 1};
  struct msghdr message = {
    .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
  if (recvmsg(line, &message, MSG_CMSG_CLOEXEC) != 1) return -1;
  struct cmsghdr *head = CMSG_FIRSTHDR(&message);
  if (!head) return 0;
  size_t len = head->cmsg_len - CMSG_LEN(0);
  memcpy(fds, CMSG_DATA(head), len);
  return (int)(len / sizeof(int));
}

const char *dl_jail_net_serve(const dl_jail_net_t *net, pid_t jail, int line) {
  address_t addresses[LISTENERS_MAX];
  int fds[LISTENERS_MAX];
  int count = receive_all(line, fds);
  if (count < 0 || (size_t)count != read_all(net, addresses)) return "the jail has ended early";
  const char *failure = net->has_outside ? start_slirp(jail) : NULL;
  if (failure) return failure;
  if (count > 0) {
    pid_t self = getpid(), porter = fork();
    if (porter < 0) return "cannot start a process";
    if (porter == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (getppid() != self) _exit(1);
      close(line);
      port(fds, addresses, (size_t)count);
    }
  }
  for (int i = 0; i < count; i++) close(fds[i]);
  return write(line, "", 1) == 1 ? NULL : "the jail has ended early";
}
