/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Links of boxes, and the role "link" that carries their packets.
 *
 * The process makes an interface in each of the two network namespaces, by a child that enters it and hands back the
 * descriptor, and then gives up what rights it has: it reads packets on one side and writes them on the other. What does not
 * come from the address of the one and go to that of the other is dropped.
 */
#include "runtime/link.h"

#include "runtime/rules.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- the server's side --- */

static bool takes_links(const dl_box_t *box) {
  if (box == NULL) return false;
  const dl_rules_t *rules = box->net.wanted;
  /* What is kept to the hosts of a secret tells it nobody else, another sandbox neither. */
  return box->net.is_open && !box->is_ended && box->network == DL_NETWORK_PRIVATE && !rules->blocks_all &&
         rules->hosts == NULL;
}

bool dl_link_may_run(const dl_link_t *link) {
  return takes_links(link->ends[0]) && takes_links(link->ends[1]);
}

static void poke(dl_link_t *link) {
  dl_box_t *ends[2] = {link->ends[0], link->ends[1]};
  for (size_t i = 0; i < 2; i++)
    if (ends[i] != NULL) dl_box_net_look(ends[i]);
}

static void on_said(void *user, const char *bytes, size_t len) {
  dl_link_t *link = user;
  if (!link->awaits_helper) return;
  link->awaits_helper = false;
  link->has_failed = len == 0 || bytes[0] != '1';
  if (link->has_failed)
    dl_warn("the link of box %s does not work: %.*s", link->ends[0]->id, (int)len, len > 0 ? bytes : "");
  poke(link);
}

static void on_died(void *user) {
  dl_link_t *link = user;
  link->has_failed = true;
  poke(link);
}

void dl_link_start(dl_link_t *link) {
  dl_box_t *box = link->ends[0];
  int fds[5] = {-1, -1, -1, -1, -1}, line[2] = {-1, -1};
  char texts[4][24], name[IFNAMSIZ];
  snprintf(name, sizeof name, DL_LINK_PREFIX "%x", link->number);
  snprintf(texts[0], sizeof texts[0], "%u", link->address[0]);
  snprintf(texts[1], sizeof texts[1], "%u", link->address[1]);
  snprintf(texts[2], sizeof texts[2], "%u", box->rt->as_root ? box->uid : 0);
  char *args[] = {box->rt->exe, (char *)"link", name, texts[0], texts[1], texts[2], NULL};
  if (dl_netns_open(link->ends[0], &fds[0], &fds[1]) == 0 &&
      dl_netns_open(link->ends[1], &fds[2], &fds[3]) == 0 &&
      socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, line) == 0)
    fds[4] = line[1];
  link->helper = dl_helper_start(box->rt, &(dl_helper_spec_t){.what = "its link",
                                                              .box_id = box->id,
                                                              .argv = args,
                                                              .fds = fds,
                                                              .fd_count = DL_COUNT(fds),
                                                              .line_fd = line[0],
                                                              .alive_fd = -1,
                                                              .on_said = on_said,
                                                              .on_died = on_died,
                                                              .user = link});
  link->awaits_helper = link->helper != NULL;
  link->has_failed = link->helper == NULL;
}

static void on_stopped(void *user) {
  dl_link_t *link = user;
  link->helper = NULL;
  link->is_stopping = false;
  poke(link);
}

void dl_link_stop(dl_link_t *link) {
  link->is_stopping = true;
  link->awaits_helper = false;
  dl_helper_stop(link->helper, on_stopped, link);
}

/* --- the process --- */

#define PACKET_MAX 65535
#define PACKETS_AT_ONCE 64

enum { FD_NET = 3, FD_USER = 4, FD_LINE = 7 }; /* the namespaces of the other follow those of the one */

typedef struct {
  const char *name;
  uint32_t address[2];
} ends_t;

static bool set(int fd, unsigned long what, const char *name, uint32_t address) {
  struct ifreq request = {0};
  struct sockaddr_in *in = (struct sockaddr_in *)(void *)&request.ifr_addr;
  snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
  in->sin_family = AF_INET;
  in->sin_addr.s_addr = htonl(address);
  return ioctl(fd, what, &request) == 0;
}

static bool bring_up(const char *name, uint32_t own, uint32_t other) {
  struct ifreq request = {0};
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
  request.ifr_mtu = DL_LINK_MTU;
  bool ok = fd >= 0 && ioctl(fd, SIOCSIFMTU, &request) == 0 && set(fd, SIOCSIFADDR, name, own) &&
            set(fd, SIOCSIFDSTADDR, name, other);
  request.ifr_flags = IFF_UP | IFF_RUNNING | IFF_POINTOPOINT | IFF_NOARP;
  return ok && ioctl(fd, SIOCSIFFLAGS, &request) == 0;
}

/* In a child: the interface of one side. */
static int make_interface(const ends_t *ends, int side) {
  struct ifreq request = {0};
  snprintf(request.ifr_name, sizeof request.ifr_name, "%s", ends->name);
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  if (setns(FD_USER + 2 * side, CLONE_NEWUSER) != 0 || setns(FD_NET + 2 * side, CLONE_NEWNET) != 0) return -1;
  int tun = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (tun < 0 || ioctl(tun, TUNSETIFF, &request) != 0) return -1;
  return bring_up(ends->name, ends->address[side], ends->address[1 - side]) ? tun : -1;
}

static bool send_fd(int line, int fd) {
  union {
    struct cmsghdr align;
    char space[CMSG_SPACE(sizeof(int))];
  } control = {{0}};
  struct iovec bytes = {(void *)"", 1};
  struct msghdr message = {
    .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = control.space, .msg_controllen = sizeof control.space};
  struct cmsghdr *head = CMSG_FIRSTHDR(&message);
  head->cmsg_level = SOL_SOCKET;
  head->cmsg_type = SCM_RIGHTS;
  head->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(head), &fd, sizeof fd);
  return sendmsg(line, &message, MSG_NOSIGNAL) == 1;
}

static int receive_fd(int line) {
  union {
    struct cmsghdr align;
    char space[CMSG_SPACE(sizeof(int))];
  } control;
  char byte;
  struct iovec bytes = {&byte, 1};
  struct msghdr message = {
    .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = control.space, .msg_controllen = sizeof control.space};
  int fd = -1;
  if (recvmsg(line, &message, MSG_CMSG_CLOEXEC) != 1) return -1;
  struct cmsghdr *head = CMSG_FIRSTHDR(&message);
  if (head != NULL && head->cmsg_type == SCM_RIGHTS && head->cmsg_len == CMSG_LEN(sizeof fd))
    memcpy(&fd, CMSG_DATA(head), sizeof fd);
  return fd;
}

/* -1 with errno. A child enters the namespaces, so that this process stays where it is. */
static int interface_of(const ends_t *ends, int side) {
  int line[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, line) != 0) return -1;
  pid_t pid = fork();
  if (pid == 0) {
    int tun = make_interface(ends, side);
    _exit(tun >= 0 && send_fd(line[1], tun) ? 0 : errno);
  }
  close(line[1]);
  int fd = pid > 0 ? receive_fd(line[0]) : -1, status = 0;
  close(line[0]);
  while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
  if (fd < 0) errno = WIFEXITED(status) ? WEXITSTATUS(status) : EIO;
  return fd;
}

static bool give_up(unsigned uid) {
  const struct rlimit none = {0, 0};
  bool is_root = geteuid() == 0;
  if (is_root && setgroups(0, NULL) != 0) return false;
  /* An ordinary user's process has what that user has, and may not be allowed a namespace to lose it in. */
  bool can_leave = is_root || unshare(CLONE_NEWUSER) == 0;
  if (can_leave && (chdir("/proc/self/fdinfo") != 0 || chroot(".") != 0) && is_root) return false;
  if (is_root && (setresgid(uid, uid, uid) != 0 || setresuid(uid, uid, uid) != 0)) return false;
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  setrlimit(RLIMIT_FSIZE, &none);
  setrlimit(RLIMIT_CORE, &none);
  setrlimit(RLIMIT_NPROC, &none);
  return true;
}

static bool is_meant(const ends_t *ends, int from, const unsigned char *packet, size_t len) {
  uint32_t address[2];
  if (len < 20 || packet[0] >> 4 != 4) return false;
  memcpy(address, packet + 12, sizeof address);
  return ntohl(address[0]) == ends->address[from] && ntohl(address[1]) == ends->address[1 - from];
}

/* What the other side does not take now is lost, as on any line. */
static void carry(const ends_t *ends, const int tuns[2], int from) {
  static unsigned char packet[PACKET_MAX];
  for (int i = 0; i < PACKETS_AT_ONCE; i++) {
    ssize_t got = read(tuns[from], packet, sizeof packet);
    if (got <= 0) return;
    if (!is_meant(ends, from, packet, (size_t)got)) continue;
    ssize_t ignored = write(tuns[1 - from], packet, (size_t)got);
    (void)ignored;
  }
}

static int relay(const ends_t *ends, const int tuns[2]) {
  struct pollfd polls[3] = {{tuns[0], POLLIN, 0}, {tuns[1], POLLIN, 0}, {FD_LINE, POLLIN, 0}};
  for (;;) {
    if (poll(polls, 3, -1) < 0 && errno != EINTR) return 1;
    if (polls[2].revents != 0) return 0; /* the server is gone, and says nothing else */
    if ((polls[0].revents | polls[1].revents) & (POLLERR | POLLNVAL)) return 0; /* a namespace is */
    for (int i = 0; i < 2; i++)
      if (polls[i].revents & POLLIN) carry(ends, tuns, i);
  }
}

int dl_link_main(int argc, char **argv) {
  int64_t own, other, uid;
  int tuns[2] = {-1, -1};
  if (argc != 4 || !dl_parse_int(argv[1], 1, UINT32_MAX, &own) ||
      !dl_parse_int(argv[2], 1, UINT32_MAX, &other) || !dl_parse_int(argv[3], 0, UINT32_MAX, &uid))
    return 2;
  ends_t ends = {argv[0], {(uint32_t)own, (uint32_t)other}};
  bool ok = (tuns[0] = interface_of(&ends, 0)) >= 0 && (tuns[1] = interface_of(&ends, 1)) >= 0;
  for (int fd = FD_NET; fd < FD_LINE; fd++) close(fd);
  ok = ok && give_up((unsigned)uid);
  const char *said = ok ? "1" : strerrordesc_np(errno);
  if (send(FD_LINE, said, strlen(said), MSG_NOSIGNAL) < 0 || !ok) return 1;
  return relay(&ends, tuns);
}
