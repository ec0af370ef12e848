/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes connections and gives each a process of its own, so that one client can neither hold up nor look into another one.
 * This process itself reads nothing of what clients send. It ends with the server's end of the control socket, and its
 * children end with it.
 *
 * Started by the server alone: descriptor 3 listens, 4 is the control socket.
 */
#include "gateway/internal.h"
#include "ssh/link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LISTEN_FD = 3, CONTROL_FD = 4 };

#define CONNECTIONS_MAX 512
/* Connections that have not logged in. One more ends the oldest of them, so that nobody can lock out others by holding
 * connections open. */
#define LOGINS_MAX 100

typedef struct {
  pid_t pid;
  int login_fd; /* a byte comes when it has logged in, and the end when it has ended */
  bool has_logged_in;
} connection_t;

/* In the order in which they came. */
static connection_t connections[CONNECTIONS_MAX];
static size_t connection_count;
static unsigned login_seconds = 20;

/* --- a child --- */

_Noreturn static void serve(ssh_bind bind, int client_fd, int link_fd, int login_fd, const char *from) {
  pid_t parent = getppid();
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  close(LISTEN_FD);
  close(CONTROL_FD);
  for (size_t i = 0; i < connection_count; i++) close(connections[i].login_fd);
  if (!dl_confine()) _exit(1);
  prctl(PR_SET_PDEATHSIG, SIGKILL); /* another user's process forgets it */
  if (getppid() == parent) dl_session_run(bind, client_fd, link_fd, login_fd, login_seconds, from);
  _exit(0);
}

/* --- connections --- */

static void forget(size_t i) {
  close(connections[i].login_fd);
  connection_count--;
  memmove(&connections[i], &connections[i + 1], (connection_count - i) * sizeof connections[0]);
}

static void end_oldest_login(void) {
  for (size_t i = 0; i < connection_count; i++) {
    if (connections[i].has_logged_in) continue;
    kill(connections[i].pid, SIGKILL);
    waitpid(connections[i].pid, NULL, 0);
    forget(i);
    return;
  }
}

static size_t count_logins(void) {
  size_t count = 0;
  for (size_t i = 0; i < connection_count; i++) count += !connections[i].has_logged_in;
  return count;
}

static void on_login(size_t i) {
  char byte;
  if (read(connections[i].login_fd, &byte, 1) == 1) {
    connections[i].has_logged_in = true;
    return;
  }
  kill(connections[i].pid, SIGKILL); /* one that was taken over may have closed it and live on */
  waitpid(connections[i].pid, NULL, 0);
  forget(i);
}

static void settle_socket(int fd) {
  int one = 1, idle = 60, interval = 15, count = 4;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
}

static void name_client(const struct sockaddr_storage *peer, char *out, size_t size) {
  char text[INET6_ADDRSTRLEN] = "?";
  bool is_v6 = peer->ss_family == AF_INET6;
  const struct sockaddr_in *v4 = (const void *)peer;
  const struct sockaddr_in6 *v6 = (const void *)peer;
  inet_ntop(peer->ss_family, is_v6 ? (const void *)&v6->sin6_addr : &v4->sin_addr, text, sizeof text);
  snprintf(out, size, "%s %u", text, ntohs(is_v6 ? v6->sin6_port : v4->sin_port));
}

/* `fd` is taken. */
static void start(ssh_bind bind, int fd, const char *from) {
  int link[2] = {-1, -1}, login[2] = {-1, -1};
  pid_t pid = -1;
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, link) == 0 && pipe2(login, O_CLOEXEC) == 0 &&
      dl_ssh_send(CONTROL_FD, DL_SSH_LINK, from, link[1])) {
    close(link[1]);
    link[1] = -1;
    pid = fork();
    if (pid == 0) {
      close(login[0]);
      serve(bind, fd, link[0], login[1], from);
    }
  }
  if (pid > 0)
    connections[connection_count++] = (connection_t){.pid = pid, .login_fd = login[0]};
  else
    fprintf(stderr, "daytona-local-ssh: a connection is refused: %s\n", strerror(errno));
  for (int i = 0; i < 2; i++) {
    if (link[i] >= 0) close(link[i]);
    if (login[i] >= 0 && (i == 1 || pid <= 0)) close(login[i]);
  }
  close(fd);
}

static void accept_one(ssh_bind bind) {
  struct sockaddr_storage peer;
  socklen_t len = sizeof peer;
  char from[INET6_ADDRSTRLEN + 16];
  int fd = accept4(LISTEN_FD, (struct sockaddr *)&peer, &len, SOCK_CLOEXEC);
  if (fd < 0) {
    /* Without descriptors the connection stays where it is: do not spin. */
    if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) usleep(100 * 1000);
    return;
  }
  if (count_logins() >= LOGINS_MAX) end_oldest_login();
  static bool is_full_told;
  if (connection_count == CONNECTIONS_MAX) {
    if (!is_full_told)
      fprintf(stderr, "daytona-local-ssh: connections are refused: there are %d\n", CONNECTIONS_MAX);
    is_full_told = true;
    close(fd);
    return;
  }
  is_full_told = false;
  settle_socket(fd);
  name_client(&peer, from, sizeof from);
  start(bind, fd, from);
}

static void run(ssh_bind bind) {
  static struct pollfd fds[CONNECTIONS_MAX + 2];
  for (;;) {
    size_t count = connection_count;
    fds[0] = (struct pollfd){.fd = CONTROL_FD, .events = POLLIN};
    fds[1] = (struct pollfd){.fd = LISTEN_FD, .events = POLLIN};
    for (size_t i = 0; i < count; i++)
      fds[2 + i] = (struct pollfd){.fd = connections[i].login_fd, .events = POLLIN};
    if (poll(fds, (nfds_t)(2 + count), -1) < 0 && errno != EINTR) return;
    if (fds[0].revents != 0) return; /* the server has gone */
    for (size_t i = count; i-- > 0;)
      if (fds[2 + i].revents != 0) on_login(i);
    if (fds[1].revents != 0) accept_one(bind);
  }
}

/* --- the start --- */

/* What the distribution's policy for its own sshd says is none of ours, and nothing old is offered. */
static ssh_bind make_bind(ssh_key key, char **failure) {
  static const char kex[] =
    "curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256,ecdh-sha2-nistp384,"
    "ecdh-sha2-nistp521,diffie-hellman-group16-sha512,diffie-hellman-group18-sha512",
                    ciphers[] =
                      "chacha20-poly1305@openssh.com,aes256-gcm@openssh.com,aes128-gcm@openssh.com,"
                      "aes256-ctr,aes192-ctr,aes128-ctr",
                    macs[] =
                      "hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com,hmac-sha2-256,"
                      "hmac-sha2-512";
  static const struct {
    enum ssh_bind_options_e option;
    const char *value;
  } OPTIONS[] = {{SSH_BIND_OPTIONS_KEY_EXCHANGE, kex},    {SSH_BIND_OPTIONS_CIPHERS_C_S, ciphers},
                 {SSH_BIND_OPTIONS_CIPHERS_S_C, ciphers}, {SSH_BIND_OPTIONS_HMAC_C_S, macs},
                 {SSH_BIND_OPTIONS_HMAC_S_C, macs},       {SSH_BIND_OPTIONS_BANNER, "daytona-local"}};
  bool reads_config = false;
  ssh_bind bind = ssh_bind_new();
  bool ok = bind != NULL &&
            ssh_bind_options_set(bind, SSH_BIND_OPTIONS_PROCESS_CONFIG, &reads_config) == SSH_OK &&
            ssh_bind_options_set(bind, SSH_BIND_OPTIONS_IMPORT_KEY, key) == SSH_OK;
  for (size_t i = 0; ok && i < DL_COUNT(OPTIONS); i++)
    ok = ssh_bind_options_set(bind, OPTIONS[i].option, OPTIONS[i].value) == SSH_OK;
  if (ok) return bind;
  *failure = dl_xprintf("libssh cannot be set up: %s", bind != NULL ? ssh_get_error(bind) : "no memory");
  return NULL;
}

int main(int argc, char **argv) {
  int64_t seconds = 0;
  char *failure = NULL;
  if (argc != 3 || !dl_parse_int(argv[2], 1, 3600, &seconds)) {
    fputs("daytona-local-ssh is started by daytona-local: see its --ssh-listen\n", stderr);
    return 2;
  }
  login_seconds = (unsigned)seconds;
  signal(SIGPIPE, SIG_IGN);
  /* A terminal's signals are for the server, which ends us. */
  signal(SIGINT, SIG_IGN);
  signal(SIGQUIT, SIG_IGN);
  signal(SIGHUP, SIG_IGN);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  prctl(PR_SET_DUMPABLE, 0); /* the host key is in our memory */
  ssh_init();
  ssh_key key = dl_host_key_get(argv[1], &failure);
  char *text = key != NULL ? dl_host_key_text(key) : NULL;
  ssh_bind bind = text != NULL ? make_bind(key, &failure) : NULL;
  if (bind == NULL) {
    dl_ssh_send(CONTROL_FD, DL_SSH_BROKEN, failure != NULL ? failure : "the host key cannot be shown", -1);
    return 1;
  }
  if (dl_ssh_send(CONTROL_FD, DL_SSH_READY, text, -1)) run(bind);
  /* Our children hold links that the server closes; whoever does not see that in time gets the signal of our end. */
  free(text);
  _exit(0);
}
