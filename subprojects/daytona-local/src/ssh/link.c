/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See link.h. Nothing here waits: whose socket blocks waits in its calls.
 */
#include "ssh/link.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

_Bool dl_ssh_send(int socket, dl_ssh_message_t type, const char *text, int fd) {
  char letter = (char)type;
  size_t len = strnlen(text, DL_SSH_MESSAGE_MAX - 2);
  struct iovec parts[] = {{&letter, 1}, {(void *)text, len}};
  union {
    char bytes[CMSG_SPACE(sizeof fd)];
    struct cmsghdr align;
  } room;
  struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
  if (fd >= 0) {
    memset(&room, 0, sizeof room);
    message.msg_control = room.bytes;
    message.msg_controllen = sizeof room.bytes;
    struct cmsghdr *c = CMSG_FIRSTHDR(&message);
    *c = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof fd), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
  }
  ssize_t sent;
  do sent = sendmsg(socket, &message, MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  return sent >= 0;
}

/* One descriptor at most is of use; what else came is closed. */
static void take_descriptors(struct msghdr *message, int *fd) {
  for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; i++) {
      int one;
      memcpy(&one, CMSG_DATA(c) + i * sizeof one, sizeof one);
      if (*fd < 0)
        *fd = one;
      else
        close(one);
    }
  }
}

int dl_ssh_receive(int socket, char *text, int *fd) {
  char bytes[DL_SSH_MESSAGE_MAX];
  struct iovec part = {bytes, sizeof bytes};
  union {
    char bytes[CMSG_SPACE(sizeof(int))];
    struct cmsghdr align;
  } room;
  struct msghdr message = {
    .msg_iov = &part, .msg_iovlen = 1, .msg_control = room.bytes, .msg_controllen = sizeof room.bytes};
  ssize_t got;
  *fd = -1;
  do got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  while (got < 0 && errno == EINTR);
  if (got < 0) return errno == ECONNRESET ? 0 : -1;
  take_descriptors(&message, fd);
  text[0] = '\0';
  if (got == 0) return 0;
  memcpy(text, bytes + 1, (size_t)got - 1);
  text[got - 1] = '\0';
  return (unsigned char)bytes[0];
}
