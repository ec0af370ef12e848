/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a connection in its process: keys are exchanged, the client's user name is shown to the server as a token,
 * and then its channels are served until one side ends it.
 *
 * A token is good or it is not; there is nothing to try again. Who shows a bad one is told so and the connection ends.
 * With a good one every way to log in succeeds, because clients differ in which they try: none, any password, any key.
 *
 * libssh's interface of messages is used, not its callbacks: a forwarded port is answered later than it is asked for.
 */
#include "gateway/internal.h"
#include "ssh/link.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define CHANNELS_MAX 64
#define POLLS_MAX (CHANNELS_MAX + 2)
/* The server never leaves a question unanswered for long. */
#define ANSWER_S 20
#define FLUSH_MS 2000
#define MESSAGES_PER_ROUND 64

/* --- the server --- */

/* The answer to a question; anything but YES is the end. *fd as in dl_ssh_receive. */
static bool ask(dl_session_t *s, dl_ssh_message_t question, const char *text, char *answer, int *fd) {
  *fd = -1;
  snprintf(answer, DL_SSH_MESSAGE_MAX, "the server does not answer");
  if (!dl_ssh_send(s->link_fd, question, text, -1)) return false;
  int type = dl_ssh_receive(s->link_fd, answer, fd);
  if (type == DL_SSH_YES) return true;
  if (*fd >= 0) close(*fd);
  *fd = -1;
  if (type <= 0) snprintf(answer, DL_SSH_MESSAGE_MAX, "the server does not answer");
  if (type == DL_SSH_LEAVE) {
    dl_set(&s->farewell, answer);
    s->is_over = true;
  }
  return false;
}

int dl_session_connect(dl_session_t *s, char **failure) {
  char answer[DL_SSH_MESSAGE_MAX];
  int fd;
  bool is_good = ask(s, DL_SSH_OPEN, "", answer, &fd);
  if (is_good && fd >= 0) {
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    return fd;
  }
  *failure = dl_xstrdup(answer);
  return -1;
}

/* The server may say at any time that the session is over. */
static void on_link(dl_session_t *s) {
  char text[DL_SSH_MESSAGE_MAX];
  int fd, type = dl_ssh_receive(s->link_fd, text, &fd);
  if (fd >= 0) close(fd);
  if (type < 0 && errno == EAGAIN) return;
  dl_set(&s->farewell, type == DL_SSH_LEAVE ? text : "the server has ended the session");
  s->is_over = true;
}

/* --- the login --- */

static void disconnect(dl_session_t *s, const char *why) {
  ssh_session_set_disconnect_message(s->ssh, why);
  ssh_disconnect(s->ssh);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
/* A key that is only shown to ask whether it would do. */
static bool is_probe(ssh_message message) {
  return ssh_message_subtype(message) == SSH_AUTH_METHOD_PUBLICKEY &&
         ssh_message_auth_publickey_state(message) == SSH_PUBLICKEY_STATE_NONE;
}
#pragma GCC diagnostic pop

static bool is_known_method(ssh_message message) {
  int method = ssh_message_subtype(message);
  return method == SSH_AUTH_METHOD_NONE || method == SSH_AUTH_METHOD_PASSWORD ||
         method == SSH_AUTH_METHOD_PUBLICKEY;
}

/* Every request of a login counts with its own user name. False: the connection has ended. */
static bool try_login(dl_session_t *s, ssh_message message, bool *is_in) {
  char answer[DL_SSH_MESSAGE_MAX];
  const char *token = ssh_message_auth_user(message);
  int fd;
  if (!is_known_method(message)) {
    ssh_message_auth_set_methods(message, SSH_AUTH_METHOD_PUBLICKEY | SSH_AUTH_METHOD_PASSWORD);
    ssh_message_reply_default(message);
    return true;
  }
  if (!ask(s, DL_SSH_TOKEN, token != NULL ? token : "", answer, &fd)) {
    disconnect(s, answer);
    return false;
  }
  if (fd >= 0) close(fd);
  if (is_probe(message)) {
    ssh_message_auth_reply_pk_ok_simple(message);
    return true;
  }
  *is_in = ssh_message_auth_reply_success(message, 0) == SSH_OK;
  return *is_in;
}

/* Probes are few: a client shows its keys one after the other. */
#define LOGIN_MESSAGES_MAX 32

static bool log_in(dl_session_t *s) {
  bool is_in = false, goes_on = true;
  for (int i = 0; goes_on && !is_in && i < LOGIN_MESSAGES_MAX; i++) {
    ssh_message message = ssh_message_get(s->ssh);
    if (message == NULL) return false;
    if (ssh_message_type(message) == SSH_REQUEST_SERVICE)
      ssh_message_service_reply_success(message);
    else if (ssh_message_type(message) == SSH_REQUEST_AUTH)
      goes_on = try_login(s, message, &is_in);
    else
      ssh_message_reply_default(message);
    ssh_message_free(message);
  }
  return is_in;
}

/* --- channels --- */

static void on_open(dl_session_t *s, ssh_message message) {
  int kind = ssh_message_subtype(message);
  if (s->channel_count >= CHANNELS_MAX || (kind != SSH_CHANNEL_SESSION && kind != SSH_CHANNEL_DIRECT_TCPIP)) {
    ssh_message_reply_default(message);
    ssh_message_free(message);
  } else if (kind == SSH_CHANNEL_DIRECT_TCPIP) {
    dl_channel_forward(s, message);
  } else {
    dl_channel_new(s, message);
    ssh_message_free(message);
  }
}

static void on_message(dl_session_t *s, ssh_message message) {
  int type = ssh_message_type(message);
  if (type == SSH_REQUEST_CHANNEL_OPEN) {
    on_open(s, message);
    return;
  }
  if (type == SSH_REQUEST_CHANNEL)
    dl_channel_request(s, message);
  else
    ssh_message_reply_default(message); /* ports of the client's side are not forwarded */
  ssh_message_free(message);
}

static bool is_connected(const dl_session_t *s) {
  return ssh_is_connected(s->ssh) && (ssh_get_status(s->ssh) & (SSH_CLOSED | SSH_CLOSED_ERROR)) == 0;
}

/* libssh holds something that the socket does not take. Whatever is done then makes it more: a client that sends and does not
 * read would have us hold answers without end. (After each write libssh says that more is to be written.) */
static bool is_held_up(const dl_session_t *s) {
  struct pollfd client = {.fd = ssh_get_fd(s->ssh), .events = POLLOUT};
  return (ssh_get_poll_flags(s->ssh) & SSH_WRITE_PENDING) != 0 && poll(&client, 1, 0) == 0;
}

/* One round, after which the server is listened to. True: there may be more, since libssh takes packets from the socket in
 * several places, and what it has taken wakes nobody. */
static bool work(dl_session_t *s) {
  bool has_moved = false;
  ssh_message message;
  for (int i = 0; i < MESSAGES_PER_ROUND && (message = ssh_message_get(s->ssh)) != NULL; i++) {
    on_message(s, message);
    has_moved = true;
  }
  if (is_held_up(s)) return false;
  DL_LIST_EACH_SAFE(&s->channels, node, after)
  has_moved = dl_channel_pump(dl_channel_of(node)) || has_moved;
  return has_moved;
}

static void wait_for_work(dl_session_t *s, bool has_moved) {
  struct pollfd fds[POLLS_MAX];
  bool must_flush = is_held_up(s);
  nfds_t count = 2;
  fds[0] = (struct pollfd){.fd = ssh_get_fd(s->ssh), .events = must_flush ? POLLOUT : POLLIN};
  fds[1] = (struct pollfd){.fd = s->link_fd, .events = POLLIN};
  if (!must_flush) {
    if ((ssh_get_poll_flags(s->ssh) & SSH_WRITE_PENDING) != 0) fds[0].events |= POLLOUT;
    DL_LIST_EACH(&s->channels, node) fds[count++] = dl_channel_poll(dl_channel_of(node));
  }
  if (poll(fds, count, has_moved && !must_flush ? 0 : -1) < 0) return;
  if (fds[1].revents != 0) on_link(s);
}

static void say_farewell(dl_session_t *s) {
  char *line = dl_xprintf("\r\ndaytona-local: %s\r\n", s->farewell);
  DL_LIST_EACH(&s->channels, node) dl_channel_tell(dl_channel_of(node), line);
  free(line);
  ssh_blocking_flush(s->ssh, FLUSH_MS);
  disconnect(s, s->farewell);
}

static void serve_channels(dl_session_t *s) {
  ssh_set_blocking(s->ssh, 0);
  fcntl(s->link_fd, F_SETFL, fcntl(s->link_fd, F_GETFL) & ~O_NONBLOCK);
  while (!s->is_over && is_connected(s)) {
    bool has_moved = work(s);
    if (!s->is_over && is_connected(s)) wait_for_work(s, has_moved);
  }
  if (s->farewell != NULL && is_connected(s)) say_farewell(s);
}

void dl_session_run(ssh_bind bind, int client_fd, int link_fd, int login_fd, unsigned login_seconds,
                    const char *from) {
  const struct timeval limit = {.tv_sec = ANSWER_S};
  dl_session_t s = {.ssh = ssh_new(), .link_fd = link_fd, .from = from};
  dl_list_init(&s.channels);
  setsockopt(link_fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  fcntl(client_fd, F_SETFL, fcntl(client_fd, F_GETFL) | O_NONBLOCK); /* nobody waits for who does not read */
  alarm(login_seconds); /* its default is the end of the process */
  bool is_in = s.ssh != NULL && ssh_bind_accept_fd(bind, s.ssh, client_fd) == SSH_OK &&
               ssh_handle_key_exchange(s.ssh) == SSH_OK && log_in(&s);
  if (!is_in) return;
  alarm(0);
  if (write(login_fd, "y", 1) == 1) serve_channels(&s);
}
