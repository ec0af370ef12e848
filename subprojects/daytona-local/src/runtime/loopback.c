/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 127.0.0.0/8 stays in a network namespace. A packet with such an address that reaches slirp4netns is delivered to the loopback
 * of the host, whatever its options say, and any socket may be bound to the device that leads there. So the namespace gets a
 * route that forbids it: the loopback of its own is in another table and works as ever.
 */
#include "runtime/internal.h"

#include <arpa/inet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

bool dl_forbid_loopback(void) {
  struct {
    struct nlmsghdr head;
    struct rtmsg route;
    struct rtattr attribute;
    in_addr_t to;
  } asked = {
    .head = {sizeof asked, RTM_NEWROUTE, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, 1, 0},
    .route = {.rtm_family = AF_INET,
              .rtm_dst_len = 8,
              .rtm_table = RT_TABLE_MAIN,
              .rtm_protocol = RTPROT_STATIC,
              .rtm_scope = RT_SCOPE_UNIVERSE,
              .rtm_type = RTN_PROHIBIT},
    .attribute = {sizeof(struct rtattr) + sizeof(in_addr_t), RTA_DST},
    .to = htonl(0x7f000000)};
  struct {
    struct nlmsghdr head;
    struct nlmsgerr said;
  } answer = {0};
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  bool ok = fd >= 0 && send(fd, &asked, sizeof asked, 0) == (ssize_t)sizeof asked &&
            recv(fd, &answer, sizeof answer, 0) > 0 && answer.head.nlmsg_type == NLMSG_ERROR &&
            answer.said.error == 0;
  if (fd >= 0) close(fd);
  return ok;
}

bool dl_forbid_loopback_of(int net_fd, int user_fd) {
  int status = -1;
  pid_t child = fork();
  if (child == 0) {
    /* Root has all rights in the namespaces of others. */
    bool is_in = (geteuid() == 0 || setns(user_fd, CLONE_NEWUSER) == 0) && setns(net_fd, CLONE_NEWNET) == 0;
    _exit(is_in && dl_forbid_loopback() ? 0 : 1);
  }
  return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}
