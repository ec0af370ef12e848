/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See gateway.h. Every connection of a client has a link here. Nothing waits for a link: a question is answered at once,
 * and whatever does not fit into its socket ends it.
 *
 * The program is one of the states: absent (we watch the listening socket ourselves), starting, ready. In none of them do
 * we read a byte of a client.
 */
#include "control/gateway/gateway.h"

#include "control/objects/ssh.h"
#include "runtime/runtime.h"
#include "ssh/link.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PROGRAM_NAME "daytona-local-ssh"
#define LOGIN_SECONDS 20
#define BACKLOG 128
/* Sessions end at a change that is announced; this finds the others: time that passes, sandboxes that stop. */
#define CHECK_MS 200
#define START_LIMIT_MS 15000
/* A program that ends again and again. */
#define RETRY_MS 5000
#define END_LIMIT_MS 1000
/* A session ends itself at the first; this is for one that does not. */
#define BAD_TOKENS_MAX 3
/* Whoever has a token of one sandbox leaves connections for the others, and memory: a session's process may hold tens of MiB. */
#define SESSIONS_MAX 64
/* Messages of one turn, so that no link keeps the loop. */
#define MESSAGES_PER_TURN 16

const char DL_GATEWAY_MISSING[] = "the program " PROGRAM_NAME
                                  " is missing: daytona-local was built without libssh "
                                  "(package libssh-dev), or installed without that program";

typedef struct {
  dl_list_t link;
  dl_gateway_t *gateway;
  uv_poll_t poll;
  int fd;
  char *address; /* of the client */
  char *token;   /* a good one was shown */
  char *sandbox_id;
  struct dl_box *box; /* only compared */
  unsigned bad_tokens;
  bool is_closing;
} link_t;

typedef enum { ABSENT, STARTING, READY } program_state_t;

struct dl_gateway {
  uv_loop_t *loop;
  dl_gateway_opts_t opts; /* its texts are our own */
  char *host_key, *fingerprint, *key_path;
  int listen_fd, port;
  uv_poll_t waiting; /* on the listening socket, while the program is absent */
  uv_timer_t check, retry;
  program_state_t state;
  uv_process_t process;
  uv_poll_t control;
  int control_fd;
  bool has_process, has_control;
  dl_list_t links;
  size_t link_count;
  int open_handles;
  bool is_closing;
  void (*on_closed)(void *user);
  void *closed_user;
};

/* --- the end --- */

static void maybe_free(dl_gateway_t *g) {
  if (!g->is_closing || g->open_handles > 0 || g->link_count > 0) return;
  void (*on_closed)(void *) = g->on_closed;
  void *user = g->closed_user;
  if (g->listen_fd >= 0) close(g->listen_fd);
  free((char *)g->opts.host);
  free((char *)g->opts.program);
  free(g->host_key);
  free(g->fingerprint);
  free(g->key_path);
  free(g);
  on_closed(user);
}

static void on_handle_closed(uv_handle_t *handle) {
  dl_gateway_t *g = handle->data;
  assert(g->open_handles > 0);
  g->open_handles--;
  maybe_free(g);
}

/* --- links --- */

static void on_link_closed(uv_handle_t *handle) {
  link_t *l = handle->data;
  dl_gateway_t *g = l->gateway;
  close(l->fd);
  free(l->address);
  free(l);
  assert(g->link_count > 0);
  g->link_count--;
  maybe_free(g);
}

static dl_sandbox_t *sandbox_of(const link_t *l) {
  return l->sandbox_id != NULL ? dl_map_get(&l->gateway->opts.objects->sandboxes, l->sandbox_id) : NULL;
}

static void forget_token(link_t *l) {
  dl_sandbox_t *sb = sandbox_of(l);
  if (sb != NULL) {
    assert(sb->relay_count > 0);
    sb->relay_count--;
    sb->last_activity_at = dl_objects_now(l->gateway->opts.objects);
  }
  if (l->token != NULL) explicit_bzero(l->token, strlen(l->token));
  dl_set(&l->token, NULL);
  dl_set(&l->sandbox_id, NULL);
}

/* The other side sees the end of its socket. `why` NULL: it is the one that has gone. */
static void end_link(link_t *l, const char *why) {
  if (l->is_closing) return;
  l->is_closing = true;
  if (why != NULL) dl_ssh_send(l->fd, DL_SSH_LEAVE, why, -1);
  shutdown(l->fd, SHUT_RDWR);
  forget_token(l);
  dl_list_unlink(&l->link);
  uv_close((uv_handle_t *)&l->poll, on_link_closed);
}

/* Why a session with this token may not be, or not go on; NULL: it may. */
static const char *objection(const dl_objects_t *o, const dl_sandbox_t *sb, const char *token) {
  const json_t *entry = sb != NULL ? json_array_get(sb->ssh_access, 0) : NULL;
  if (entry == NULL || sb->want == DL_WANT_DESTROYED || !dl_same_secret(dl_json_str(entry, "token"), token))
    return "this SSH access was revoked";
  if (dl_json_int(entry, "expiresAt", 0) <= dl_objects_now(o)) return "this SSH access has expired";
  return dl_sandbox_is_up(sb) ? NULL : "the sandbox is not started";
}

static void check_link(link_t *l) {
  if (l->token == NULL) return;
  const dl_sandbox_t *sb = sandbox_of(l);
  const char *why = objection(l->gateway->opts.objects, sb, l->token);
  if (why == NULL && sb->box != l->box) why = "the sandbox was started anew";
  if (why != NULL) end_link(l, why);
}

void dl_gateway_check(dl_gateway_t *g) {
  if (g == NULL) return;
  DL_LIST_EACH_SAFE(&g->links, node, after) check_link(DL_CONTAINER(node, link_t, link));
  if (dl_list_empty(&g->links)) uv_timer_stop(&g->check);
}

static void on_check(uv_timer_t *timer) { dl_gateway_check(timer->data); }

/* --- questions --- */

static void answer(link_t *l, dl_ssh_message_t type, const char *text, int fd) {
  if (!dl_ssh_send(l->fd, type, text, fd)) end_link(l, NULL);
}

/* Guesses cost their address the same as bad keys of the API. */
static bool is_blocked(const link_t *l, int cost) {
  const dl_gateway_t *g = l->gateway;
  dl_verdict_t v =
    dl_rates_take(g->opts.limits, DL_BUCKET_FAILED_AUTH, l->address, cost, dl_objects_now(g->opts.objects));
  return v.is_limited && v.is_blocked;
}

static bool is_crowded(const dl_gateway_t *g, const dl_sandbox_t *sb) {
  size_t count = 0;
  DL_LIST_EACH(&g->links, node) {
    const link_t *l = DL_CONTAINER(node, link_t, link);
    count += l->sandbox_id != NULL && strcmp(l->sandbox_id, sb->id) == 0;
  }
  return count >= SESSIONS_MAX;
}

static void refuse_token(link_t *l, const char *why) {
  answer(l, DL_SSH_NO, why, -1);
  if (!l->is_closing && ++l->bad_tokens >= BAD_TOKENS_MAX) end_link(l, NULL);
}

static void on_token(link_t *l, const char *token) {
  const dl_objects_t *o = l->gateway->opts.objects;
  if (l->token != NULL && strcmp(l->token, token) == 0) {
    answer(l, DL_SSH_YES, "", -1);
    return;
  }
  if (is_blocked(l, 0)) {
    refuse_token(l, "too many failed logins; try again later");
    return;
  }
  dl_sandbox_t *sb = l->token == NULL ? dl_ssh_find(o, token) : NULL;
  const char *why = sb != NULL ? objection(o, sb, token) : NULL;
  if (sb != NULL && why == NULL && is_crowded(l->gateway, sb)) why = "the sandbox has 64 SSH sessions";
  if (sb == NULL) {
    is_blocked(l, 1);
    dl_info("ssh: a client at %s shows a token that opens nothing", l->address);
    refuse_token(
      l,
      "this user name opens no sandbox: it must be a token of ssh-access, and those expire and are "
      "revoked by newer ones");
  } else if (why != NULL) {
    refuse_token(l, why);
  } else {
    l->token = dl_xstrdup(token);
    l->sandbox_id = dl_xstrdup(sb->id);
    l->box = sb->box;
    sb->relay_count++;
    sb->last_activity_at = dl_objects_now(o);
    dl_info("ssh: a client at %s has sandbox %s", l->address, sb->id);
    answer(l, DL_SSH_YES, "", -1);
  }
}

static int connect_toolbox(const dl_sandbox_t *sb) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  const char *path = dl_box_socket_path(sb->box);
  if (path == NULL || strlen(path) >= sizeof address.sun_path) return -1;
  strcpy(address.sun_path, path);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0) return fd;
  if (fd >= 0) close(fd);
  return -1;
}

static void on_open(link_t *l) {
  check_link(l);
  if (l->is_closing) return;
  int fd = l->token != NULL ? connect_toolbox(sandbox_of(l)) : -1;
  if (fd >= 0)
    answer(l, DL_SSH_YES, "", fd);
  else
    answer(l, DL_SSH_NO, "the sandbox does not answer", -1);
  if (fd >= 0) close(fd);
}

static void on_link(uv_poll_t *poll, int status, int events) {
  link_t *l = poll->data;
  char text[DL_SSH_MESSAGE_MAX];
  (void)events;
  for (int i = 0; i < MESSAGES_PER_TURN && !l->is_closing; i++) {
    int fd, type = dl_ssh_receive(l->fd, text, &fd);
    if (fd >= 0) close(fd); /* nobody asked for it */
    if (type < 0 && errno == EAGAIN && status >= 0) break;
    if (type == DL_SSH_TOKEN)
      on_token(l, text);
    else if (type == DL_SSH_OPEN)
      on_open(l);
    else
      end_link(l, NULL);
  }
  explicit_bzero(text, sizeof text);
}

static void add_link(dl_gateway_t *g, int fd, const char *from) {
  link_t *l = dl_xcalloc(1, sizeof *l);
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  l->gateway = g;
  l->fd = fd;
  l->address = dl_xstrndup(from, strcspn(from, " "));
  l->poll.data = l;
  dl_list_init(&l->link);
  if (uv_poll_init(g->loop, &l->poll, fd) != 0) {
    close(fd);
    free(l->address);
    free(l);
    return;
  }
  g->link_count++;
  dl_list_push(&g->links, &l->link);
  uv_poll_start(&l->poll, UV_READABLE, on_link);
  if (!uv_is_active((uv_handle_t *)&g->check)) uv_timer_start(&g->check, on_check, CHECK_MS, CHECK_MS);
}

/* --- the program --- */

static void wait_for_clients(dl_gateway_t *g);

static void take_host_key(dl_gateway_t *g, const char *text) {
  size_t len = strcspn(text, "\n");
  free(g->host_key);
  g->host_key = dl_xstrndup(text, len);
  dl_set(&g->fingerprint, text[len] == '\n' ? text + len + 1 : "");
  g->state = READY;
}

static void on_control_closed(uv_handle_t *handle) {
  dl_gateway_t *g = handle->data;
  close(g->control_fd);
  on_handle_closed(handle);
}

/* Its control socket; sessions that it has handed over end when their links are closed. */
static void drop_program(dl_gateway_t *g) {
  if (g->has_control) {
    g->has_control = false;
    uv_poll_stop(&g->control);
    shutdown(g->control_fd, SHUT_RDWR);
    uv_close((uv_handle_t *)&g->control, on_control_closed);
  }
  while (!dl_list_empty(&g->links))
    end_link(DL_CONTAINER(g->links.next, link_t, link), "the SSH gateway has ended");
}

static void on_retry(uv_timer_t *timer) {
  dl_gateway_t *g = timer->data;
  if (g->is_closing) {
    if (g->has_process) uv_process_kill(&g->process, SIGKILL);
  } else if (g->state == ABSENT) {
    wait_for_clients(g);
  }
}

static void on_process_exit(uv_process_t *process, int64_t status, int term_signal) {
  dl_gateway_t *g = process->data;
  bool was_ready = g->state == READY;
  g->has_process = false;
  g->state = ABSENT;
  uv_close((uv_handle_t *)process, on_handle_closed);
  drop_program(g);
  if (g->is_closing) {
    uv_close((uv_handle_t *)&g->retry, on_handle_closed);
    return;
  }
  dl_warn("the SSH gateway has ended by itself (status %d, signal %d)%s", (int)status, term_signal,
          was_ready ? "; the next client starts it again" : "");
  uv_timer_start(&g->retry, on_retry, was_ready ? 100 : RETRY_MS, 0);
}

static void on_control(uv_poll_t *poll, int status, int events) {
  dl_gateway_t *g = poll->data;
  char text[DL_SSH_MESSAGE_MAX];
  (void)events;
  for (int i = 0; i < MESSAGES_PER_TURN && g->has_control; i++) {
    int fd, type = dl_ssh_receive(g->control_fd, text, &fd);
    if (type < 0 && errno == EAGAIN && status >= 0) return;
    if (type == DL_SSH_LINK) { /* without descriptors the link is lost, and its session ends with it */
      if (fd >= 0) add_link(g, fd, text);
      continue;
    }
    if (fd >= 0) close(fd);
    if (type == DL_SSH_READY) {
      take_host_key(g, text);
    } else if (type == DL_SSH_BROKEN) {
      dl_error("ssh: %s", text);
    } else {
      uv_poll_stop(poll); /* it ends, and that is reported */
      return;
    }
  }
}

/* -1 and *error. */
static int spawn_program(dl_gateway_t *g, char **error) {
  int both[2];
  char seconds[16], *argv[] = {(char *)g->opts.program, g->key_path, seconds, NULL};
  snprintf(seconds, sizeof seconds, "%u", g->opts.login_seconds);
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, both) != 0) {
    *error = dl_xprintf("cannot make a socket for the SSH gateway: %s", strerror(errno));
    return -1;
  }
  fcntl(both[1], F_SETFL, fcntl(both[1], F_GETFL) & ~O_NONBLOCK);
  uv_stdio_container_t stdio[] = {{.flags = UV_IGNORE},
                                  {.flags = UV_IGNORE},
                                  {.flags = UV_INHERIT_FD, .data.fd = 2},
                                  {.flags = UV_INHERIT_FD, .data.fd = g->listen_fd},
                                  {.flags = UV_INHERIT_FD, .data.fd = both[1]}};
  char *none[] = {NULL};
  uv_process_options_t options = {.file = g->opts.program,
                                  .args = argv,
                                  .env = none,
                                  .stdio = stdio,
                                  .stdio_count = (int)DL_COUNT(stdio),
                                  .exit_cb = on_process_exit};
  int rc = uv_spawn(g->loop, &g->process, &options);
  g->process.data = g;
  g->open_handles++;
  close(both[1]);
  if (rc != 0) {
    *error = dl_xprintf("cannot run %s: %s", g->opts.program, uv_strerror(rc));
    close(both[0]);
    uv_close((uv_handle_t *)&g->process, on_handle_closed);
    return -1;
  }
  g->has_process = true;
  g->state = STARTING;
  g->control_fd = both[0];
  return 0;
}

static void watch_program(dl_gateway_t *g) {
  uv_poll_init(g->loop, &g->control, g->control_fd);
  g->control.data = g;
  g->has_control = true;
  g->open_handles++;
  uv_poll_start(&g->control, UV_READABLE, on_control);
}

static int run_program(dl_gateway_t *g, char **error) {
  assert(g->state == ABSENT && !g->has_process);
  uv_poll_stop(&g->waiting);
  if (spawn_program(g, error) != 0) return -1;
  watch_program(g);
  return 0;
}

static void run_or_retry(dl_gateway_t *g) {
  char *error = NULL;
  if (run_program(g, &error) == 0) return;
  dl_error("ssh: %s", error);
  free(error);
  uv_timer_start(&g->retry, on_retry, RETRY_MS, 0);
}

static void on_client(uv_poll_t *poll, int status, int events) {
  (void)status, (void)events;
  run_or_retry(poll->data);
}

static void wait_for_clients(dl_gateway_t *g) { uv_poll_start(&g->waiting, UV_READABLE, on_client); }

void dl_gateway_expect(dl_gateway_t *g) {
  if (g->state == ABSENT && !g->has_process && !g->has_control && !uv_is_active((uv_handle_t *)&g->retry))
    run_or_retry(g);
}

int dl_gateway_start(dl_gateway_t *g, char **error) {
  char text[DL_SSH_MESSAGE_MAX] = "";
  int fd = -1, type = -1;
  if (run_program(g, error) != 0) return -1;
  struct pollfd p = {.fd = g->control_fd, .events = POLLIN};
  int64_t end = dl_steady_ms() + START_LIMIT_MS;
  for (int64_t now = dl_steady_ms(); type < 0 && now < end; now = dl_steady_ms())
    if (poll(&p, 1, (int)(end - now)) > 0) type = dl_ssh_receive(g->control_fd, text, &fd);
  if (fd >= 0) close(fd);
  if (type == DL_SSH_READY) {
    take_host_key(g, text);
    return 0;
  }
  *error = dl_xprintf("SSH: %s", type == DL_SSH_BROKEN ? text : "the gateway does not get ready");
  return -1;
}

/* --- life --- */

char *dl_gateway_find_program(void) {
  char self[PATH_MAX] = "";
  if (readlink("/proc/self/exe", self, sizeof self - 1) < 0) return NULL;
  char *slash = strrchr(self, '/');
  if (slash == NULL) return NULL;
  *slash = '\0';
  /* Beside us as it is built, below the same folder as it is packed, or where it was configured to be. */
  char *places[] = {dl_xprintf("%s/" PROGRAM_NAME, self),
                    dl_xprintf("%s/../libexec/daytona-local/" PROGRAM_NAME, self),
                    dl_xprintf("%s/" PROGRAM_NAME, DL_LIBEXEC_DIR)},
       *found = NULL;
  for (size_t i = 0; i < DL_COUNT(places); i++) {
    if (found == NULL && access(places[i], X_OK) == 0)
      found = places[i];
    else
      free(places[i]);
  }
  return found;
}

static int open_listener(const char *host, int port, int *actual) {
  struct sockaddr_storage address = {0};
  struct sockaddr_in *v4 = (struct sockaddr_in *)&address;
  struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&address;
  bool is_v6 = inet_pton(AF_INET6, host, &v6->sin6_addr) == 1;
  if (!is_v6 && inet_pton(AF_INET, host, &v4->sin_addr) != 1) return -EINVAL;
  socklen_t len = is_v6 ? sizeof *v6 : sizeof *v4;
  int one = 1, fd = socket(is_v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  address.ss_family = is_v6 ? AF_INET6 : AF_INET;
  v4->sin_port = htons((in_port_t)port); /* at the same place in both */
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(fd, (struct sockaddr *)&address, len) != 0 || listen(fd, BACKLOG) != 0 ||
      getsockname(fd, (struct sockaddr *)&address, &len) != 0) {
    int error = errno;
    close(fd);
    return -error;
  }
  *actual = ntohs(v4->sin_port);
  return fd;
}

dl_gateway_t *dl_gateway_new(uv_loop_t *loop, const dl_gateway_opts_t *opts, char **error) {
  int port = 0, fd = open_listener(opts->host, opts->port, &port);
  if (fd < 0) {
    *error = dl_xprintf("cannot listen for SSH on %s port %d: %s", opts->host, opts->port, strerror(-fd));
    return NULL;
  }
  dl_gateway_t *g = dl_xcalloc(1, sizeof *g);
  g->loop = loop;
  g->opts = *opts;
  g->opts.host = dl_xstrdup(opts->host);
  g->opts.program = dl_xstrdup(opts->program);
  if (g->opts.login_seconds == 0) g->opts.login_seconds = LOGIN_SECONDS;
  g->key_path = dl_xprintf("%s/ssh_host_ed25519_key", opts->objects->state_dir);
  g->listen_fd = fd;
  g->port = port;
  dl_list_init(&g->links);
  uv_poll_init(loop, &g->waiting, fd);
  uv_timer_init(loop, &g->check);
  uv_timer_init(loop, &g->retry);
  g->waiting.data = g->check.data = g->retry.data = g;
  g->open_handles = 3;
  wait_for_clients(g);
  return g;
}

void dl_gateway_close(dl_gateway_t *g, void (*on_closed)(void *user), void *user) {
  if (g == NULL) {
    on_closed(user);
    return;
  }
  assert(!g->is_closing);
  g->on_closed = on_closed;
  g->closed_user = user;
  while (!dl_list_empty(&g->links))
    end_link(DL_CONTAINER(g->links.next, link_t, link), "daytona-local is stopping");
  g->is_closing = true;
  uv_close((uv_handle_t *)&g->waiting, on_handle_closed);
  uv_close((uv_handle_t *)&g->check, on_handle_closed);
  drop_program(g);
  if (g->has_process)
    uv_timer_start(&g->retry, on_retry, END_LIMIT_MS, 0);
  else
    uv_close((uv_handle_t *)&g->retry, on_handle_closed);
}

const char *dl_gateway_host(const dl_gateway_t *g) { return g->opts.host; }
int dl_gateway_port(const dl_gateway_t *g) { return g->port; }
const char *dl_gateway_host_key(const dl_gateway_t *g) { return g->host_key; }
const char *dl_gateway_fingerprint(const dl_gateway_t *g) { return g->fingerprint; }
