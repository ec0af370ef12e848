/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the server and its SSH gateway say to each other. The gateway is a program of its own (daytona-local-ssh), since it
 * speaks with whom nobody knows yet: it holds no key of the API, and learns nothing about sandboxes but what a token opens.
 *
 * Between the two is a control socket. Every client's connection gets a process of its own, with a link to the server that
 * the gateway hands over. All are SOCK_SEQPACKET sockets; a message is a byte that says what it is, and a text.
 *
 *   control socket, to the server   READY   "TYPE KEY\nFINGERPRINT" of the host key: it takes connections
 *                                   BROKEN  it cannot; the text says why. It ends then
 *                                   LINK    a client has come; the text is its address and port, and the link's
 *                                           descriptor comes along
 *   link, to the server             TOKEN   the client's user name
 *                                   OPEN    a connection to the toolbox is wanted
 *   link, to the session            YES     the token opens a sandbox; or here is the connection, as a descriptor
 *                                   NO      the text says why
 *                                   LEAVE   the session is to end now; the text says why
 *
 * A TOKEN and an OPEN are each followed by one YES or NO before the next question. Who closes an end ends the other side:
 * the server by closing the link, a session's process by ending, all of them by the end of the control socket.
 */
#ifndef DL_SSH_LINK_H
#define DL_SSH_LINK_H

#define DL_SSH_MESSAGE_MAX 4096

typedef enum {
  DL_SSH_READY = 'r',
  DL_SSH_BROKEN = 'f',
  DL_SSH_LINK = 'l',
  DL_SSH_TOKEN = 't',
  DL_SSH_OPEN = 'o',
  DL_SSH_YES = 'y',
  DL_SSH_NO = 'n',
  DL_SSH_LEAVE = 'b'
} dl_ssh_message_t;

/* `fd` travels along unless it is -1; the caller still closes it. False when the other side has gone or takes nothing. */
_Bool dl_ssh_send(int socket, dl_ssh_message_t type, const char *text, int fd);
/* One message: its type, or 0 at the end of the other side, or -1 with errno (EAGAIN: there is none). `text` has room for
 * DL_SSH_MESSAGE_MAX bytes and ends with NUL. *fd is the descriptor that came along, or -1: close it. */
int dl_ssh_receive(int socket, char *text, int *fd);

#endif
