/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The toolbox role: arguments, life, and the way of a request to its handler.
 *
 * In a box this is process 1. It is given a listening socket and a control socket by the server
 * (descriptors, see runtime/internal.h). When the server says so, or is gone, everything in the
 * box is asked to end, and killed at last by the kernel when this process exits.
 */
#include "toolbox/main.h"

#include "base/buf.h"
#include "base/thread.h"
#include "base/watches.h"
#include "runtime/proctree.h"
#include "toolbox/a11y/a11y.h"
#include "toolbox/core/gate.h"
#include "toolbox/core/quiet.h"
#include "toolbox/core/program.h"
#include "toolbox/core/reply.h"
#include "toolbox/core/spawn.h"
#include "toolbox/desktop/desktop.h"
#include "toolbox/files/files.h"
#include "toolbox/git/git.h"
#include "toolbox/info/info.h"
#include "toolbox/interpreter/interpreter.h"
#include "toolbox/lsp/lsp.h"
#include "toolbox/port/port.h"
#include "toolbox/process/process.h"
#include "toolbox/pty/pty.h"
#include "toolbox/ssh/ssh.h"
#include "toolbox/terminal/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define END_LIMIT_MS 4000
#define END_POLL_MS 2
/* As long as the platform lets one write to a client take. */
#define READER_PATIENCE_MS 10000
#define ENV_TEXT_MAX (8 * 1024 * 1024)

typedef struct {
  dl_toolbox_t tb;
  dl_http_t *http;
  dl_routes_t *routes;
  int listen_fd, control_fd, env_fd;
  const char *socket_path, *bin_dir, *user, *shell;
  char **entrypoint;      /* NULL: none */
  dl_quiet_t *quiet;      /* NULL: nobody is to know */
  char **told_entrypoint; /* the same, when it was not on the command line */
  int64_t max_processes, max_data;
  uv_poll_t control;
  uv_timer_t ending;
  uv_signal_t terminate;
  uint64_t end_at_ms;
  bool is_ending, awaits_network;
} role_t;

static const dl_route_table_t *const TABLES[] = {
  &DL_TB_EXEC_ROUTES,     &DL_TB_CODE_ROUTES,          &DL_TB_INFO_ROUTES,        &DL_TB_PORT_ROUTES,
  &DL_TB_FORWARD_ROUTES,  &DL_TB_FILES_ROUTES,         &DL_TB_SEARCH_ROUTES,      &DL_TB_UPLOAD_ROUTES,
  &DL_TB_DOWNLOAD_ROUTES, &DL_TB_BULK_DOWNLOAD_ROUTES, &DL_TB_INTERPRETER_ROUTES, &DL_TB_SESSION_ROUTES,
  &DL_TB_PTY_ROUTES,      &DL_TB_GIT_ROUTES,           &DL_TB_LSP_ROUTES,         &DL_TB_A11Y_ROUTES,
  &DL_TB_DESKTOP_ROUTES,  &DL_TB_INPUT_ROUTES,         &DL_TB_SCREEN_ROUTES,      &DL_TB_RECORDING_ROUTES,
  &DL_TB_SSH_ROUTES,      &DL_TB_TERMINAL_ROUTES,
};

/* --- requests --- */

static dl_routes_t *join_routes(char **error) {
  dl_route_table_t tables[DL_COUNT(TABLES)];
  for (size_t i = 0; i < DL_COUNT(TABLES); i++) tables[i] = *TABLES[i];
  return dl_routes_join(tables, DL_COUNT(tables), error);
}

/* The router does not count slashes; the platform's does. */
static bool is_exact(dl_req_t *req, const dl_route_t *route, const char *path) {
  size_t have = strlen(path), want = strlen(route->path);
  if (strchr(route->path, '*') != NULL) return *dl_req_rest(req) != '\0' || path[have - 1] == '/';
  if (strstr(path, "//") != NULL) return false;
  return (route->flags & DL_TB_ANY_SLASH) != 0 || (path[have - 1] == '/') == (route->path[want - 1] == '/');
}

/* A slash too many or too few leads to the route that differs only in it. */
static bool redirect(const role_t *r, dl_req_t *req, const char *path) {
  size_t len = strlen(path);
  bool bad = false;
  if (len < 2) return false;
  char *other = path[len - 1] == '/' ? dl_xstrndup(path, len - 1) : dl_xprintf("%s/", path);
  const dl_route_t *route = dl_routes_find(req, r->routes, other, &bad);
  bool found = route != NULL && is_exact(req, route, other);
  if (found) {
    const char *query = dl_req_raw_query(req);
    char *location = dl_xprintf("%s%s%s", other, *query ? "?" : "", query);
    dl_req_add_header(req, "Location", location);
    dl_reply_empty(req, strcmp(dl_req_method(req), "GET") == 0 ? 301 : 307);
    free(location);
  }
  free(other);
  return found;
}

static void on_request(dl_req_t *req, void *user) {
  role_t *r = user;
  const char *path = dl_req_path(req);
  bool bad_escape = false;
  const dl_route_t *route = dl_routes_find(req, r->routes, path, &bad_escape);
  if (route != NULL && is_exact(req, route, path)) {
    route->handler(req, &r->tb);
  } else if (bad_escape || !redirect(r, req, path)) {
    static const char text[] = "404 page not found";
    dl_tb_add_request_id(req);
    dl_reply_bytes(req, 404, "text/plain", text, strlen(text));
  }
}

/* --- the end --- */

static bool has_others(void) {
  siginfo_t info;
  return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

static void on_part_closed(void *user) { (void)user; }

/* The loop ends when all of this is closed. Only without isolation: process 1 just exits, and the
 * kernel ends whatever is left in the box. */
static void close_all(role_t *r) {
  if (getpid() == 1) _exit(0);
  if (r->control_fd >= 0) uv_close((uv_handle_t *)&r->control, NULL);
  uv_close((uv_handle_t *)&r->ending, NULL);
  uv_close((uv_handle_t *)&r->terminate, NULL);
  if (r->quiet != NULL) dl_quiet_close(r->quiet);
  dl_tb_metrics_close(r->tb.metrics);
  dl_tb_gate_close(r->tb.gate);
  dl_sessions_close(&r->tb);
  dl_ptys_close(&r->tb);
  dl_ssh_channels_close(&r->tb);
  dl_terminals_close(&r->tb);
  dl_interpreters_close(&r->tb);
  dl_lsp_close(&r->tb);
  dl_desktop_close(&r->tb);
  dl_a11y_close(&r->tb);
  dl_reaper_close(r->tb.reaper, on_part_closed, NULL);
  dl_http_close(r->http, on_part_closed, NULL);
}

static void on_ending(uv_timer_t *timer) {
  role_t *r = timer->data;
  if (uv_now(r->tb.loop) >= r->end_at_ms) _exit(0);
  if (!has_others() && r->tb.live_count == 0) close_all(r);
}

/* SIGTERM for everybody, then wait until nobody is left. Process 1 may signal all; without
 * isolation that would be the whole machine, so there the tree is killed at once. */
static void end_everything(void *user) {
  role_t *r = user;
  if (getpid() == 1) {
    kill(-1, SIGTERM);
    kill(-1, SIGCONT);
  } else {
    dl_proctree_kill(getpid(), false);
  }
  uv_timer_start(&r->ending, on_ending, 0, END_POLL_MS);
}

static void begin_end(role_t *r) {
  if (r->is_ending) return;
  r->is_ending = true;
  r->end_at_ms = uv_now(r->tb.loop) + END_LIMIT_MS;
  dl_ptys_hang_up(&r->tb);
  dl_programs_hang_up(&r->tb);
  dl_desktop_leave(&r->tb, end_everything, r);
}

/* What is left of a text of NUL-ended words. */
static char **copy_words(const char *text, size_t len) {
  size_t count = 0;
  for (size_t i = 0; i < len; i++) count += text[i] == '\0';
  if (count == 0) return NULL;
  char **words = dl_xcalloc(count + 1, sizeof *words);
  for (size_t i = 0; i < count; i++) {
    words[i] = dl_xstrdup(text);
    text += strlen(text) + 1;
  }
  return words;
}

static void free_words(char **words) {
  for (size_t i = 0; words != NULL && words[i] != NULL; i++) free(words[i]);
  free(words);
}

/* NAME=VALUE texts and, to unset one, NAME; each ended by NUL. Behind an empty one the words of the entrypoint, if there is
 * one. Takes the descriptor. */
static void take_environment(role_t *r, int fd) {
  dl_environ_t *e = &r->tb.environment;
  dl_buf_t text;
  dl_buf_init(&text, ENV_TEXT_MAX);
  char block[4096];
  for (ssize_t got; (got = read(fd, block, sizeof block)) > 0;)
    if (!dl_buf_append(&text, block, (size_t)got)) break;
  close(fd);
  for (size_t at = 0; at < text.len; at += strlen(text.data + at) + 1) {
    char *equals = strchr(text.data + at, '=');
    if (text.data[at] == '\0') {
      free_words(r->told_entrypoint);
      r->entrypoint = r->told_entrypoint = copy_words(text.data + at + 1, text.len - at - 1);
      break;
    }
    if (equals == NULL) {
      dl_environ_unset(e, text.data + at);
      continue;
    }
    *equals = '\0';
    dl_environ_set(e, text.data + at, equals + 1);
    *equals = '=';
  }
  if (text.data != NULL) explicit_bzero(text.data, text.len);
  explicit_bzero(block, sizeof block);
  dl_buf_clear(&text);
}

/* One byte, and the descriptor that came with it in *fd; -1: none. */
static ssize_t receive(int socket_fd, char *byte, int *fd) {
  union {
    struct cmsghdr align;
    char space[CMSG_SPACE(sizeof(int))];
  } control = {0};
  struct iovec io = {byte, 1};
  struct msghdr message = {
    .msg_iov = &io, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  ssize_t got = recvmsg(socket_fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  struct cmsghdr *head = got > 0 ? CMSG_FIRSTHDR(&message) : NULL;
  *fd = -1;
  if (head != NULL && head->cmsg_type == SCM_RIGHTS) memcpy(fd, CMSG_DATA(head), sizeof *fd);
  return got;
}

static void start_entrypoint(role_t *r) {
  int error = r->entrypoint != NULL ? dl_entrypoint_start(&r->tb, r->entrypoint) : 0;
  if (error != 0) dl_warn("the entrypoint %s does not run: %s", r->entrypoint[0], strerror(error));
}

static void on_control(uv_poll_t *poll, int status, int events) {
  role_t *r = poll->data;
  char byte = 0;
  int fd = -1;
  (void)events;
  ssize_t got = receive(r->control_fd, &byte, &fd);
  if (got < 0 && (errno == EAGAIN || errno == EINTR) && status == 0) return;
  if (got <= 0) { /* the server is gone */
    if (getpid() != 1) dl_proctree_kill(getpid(), false);
    _exit(0);
  }
  if (byte == 'N') dl_tb_gate_open(r->tb.gate);
  if (fd >= 0) {
    take_environment(r, fd);
    if (byte == 'C' || byte == 'E') send(r->control_fd, &byte, 1, MSG_NOSIGNAL);
    if (byte == 'C') start_entrypoint(r);
  }
  if (byte == 'T') begin_end(r);
}

static void on_terminate(uv_signal_t *handle, int number) {
  (void)number;
  begin_end(handle->data);
}

/* --- the start --- */

static int fail(const char *what, const char *detail) {
  fprintf(stderr, "daytona-local toolbox: %s: %s\n", what, detail);
  return 1;
}

/* DEVICE:INODE:PATH, both numbers in hexadecimal: PATH must be that directory, which is the one the server
 * has opened. A box that was given another one must not come up. */
static int check_expected(const char *text) {
  unsigned long long dev, ino;
  int len = 0;
  struct stat st;
  if (sscanf(text, "%llx:%llx:%n", &dev, &ino, &len) != 2 || text[len] != '/')
    return fail("not DEVICE:INODE:PATH", text);
  if (stat(text + len, &st) != 0) return fail(text + len, strerror(errno));
  if (!S_ISDIR(st.st_mode) || st.st_dev != dev || st.st_ino != ino)
    return fail(text + len, "the directory was exchanged while the sandbox started");
  return 0;
}

static void add_word(char ***words, const char *word) {
  size_t count = 0;
  while (*words != NULL && (*words)[count] != NULL) count++;
  *words = dl_xrealloc(*words, (count + 2) * sizeof **words);
  (*words)[count] = dl_xstrdup(word);
  (*words)[count + 1] = NULL;
}

static int parse(role_t *r, int argc, char **argv) {
  static const struct option options[] = {
    {"listen-fd", 1, NULL, 'l'},    {"control-fd", 1, NULL, 'c'},    {"env-fd", 1, NULL, 'e'},
    {"socket", 1, NULL, 's'},       {"home", 1, NULL, 'h'},          {"work-dir", 1, NULL, 'w'},
    {"node-modules", 1, NULL, 'n'}, {"bin-dir", 1, NULL, 'b'},       {"max-processes", 1, NULL, 'p'},
    {"max-data", 1, NULL, 'd'},     {"await-network", 0, NULL, 'a'}, {"reader-patience", 1, NULL, 'r'},
    {"expect", 1, NULL, 'x'},       {"hidden-dir", 1, NULL, 'i'},    {"user", 1, NULL, 'u'},
    {"shell", 1, NULL, 'S'},        {"desktop", 1, NULL, 'D'},       {NULL, 0, NULL, 0}};
  int64_t number = 0;
  optind = 1;
  for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
    if (strchr("lcepdr", option) != NULL && !dl_parse_int(optarg, 0, INT64_MAX / 2, &number))
      return fail("not a number", optarg);
    switch (option) {
      case 'l': r->listen_fd = (int)number; break;
      case 'c': r->control_fd = (int)number; break;
      case 'e': r->env_fd = (int)number; break;
      case 'p': r->max_processes = number; break;
      case 'd': r->max_data = number; break;
      case 'r': r->tb.reader_patience_ms = (uint64_t)number; break;
      case 's': r->socket_path = optarg; break;
      case 'a': r->awaits_network = true; break;
      case 'b': r->bin_dir = optarg; break;
      case 'h': dl_set(&r->tb.home, optarg); break;
      case 'w': dl_set(&r->tb.work_dir, optarg); break;
      case 'n': dl_set(&r->tb.node_modules, optarg); break;
      case 'i': dl_set(&r->tb.hidden_dir, optarg); break;
      case 'u': r->user = optarg; break;
      case 'S': r->shell = optarg; break;
      case 'D': add_word(&r->tb.desktop_command, optarg); break;
      case 'x':
        if (check_expected(optarg) != 0) return 1;
        break;
      default: return 2;
    }
  }
  if (optind < argc && strcmp(argv[optind - 1], "--") != 0) return fail("unexpected argument", argv[optind]);
  if (optind < argc) r->entrypoint = argv + optind;
  if ((r->listen_fd < 0) == (r->socket_path == NULL)) return fail("usage", "give --listen-fd or --socket");
  return 0;
}

static int open_socket(role_t *r) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (r->socket_path == NULL) return 0;
  if (strlen(r->socket_path) >= sizeof address.sun_path) return fail(r->socket_path, "path too long");
  strcpy(address.sun_path, r->socket_path);
  r->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (r->listen_fd < 0 || bind(r->listen_fd, (struct sockaddr *)&address, sizeof address) != 0 ||
      listen(r->listen_fd, 1024) != 0)
    return fail(r->socket_path, strerror(errno));
  return 0;
}

/* What the image does not say itself. */
static void set_of_image(role_t *r) {
  dl_environ_t *e = &r->tb.environment;
  const char *shell = r->shell != NULL && access(r->shell, X_OK) == 0 ? r->shell
                      : access("/bin/bash", X_OK) == 0                ? "/bin/bash"
                                                                      : "/bin/sh";
  dl_environ_set(e, "PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
  dl_environ_set(e, "HOME", r->tb.home);
  dl_environ_set(e, "USER", r->user);
  dl_environ_set(e, "LOGNAME", r->user);
  dl_environ_set(e, "SHELL", shell);
}

static void set_of_system(role_t *r) {
  dl_environ_t *e = &r->tb.environment;
  /* Where pip puts programs first; stand-ins for missing ones last. */
  char *path = dl_xprintf("%s/.local/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin%s%s",
                          r->tb.home, r->bin_dir != NULL ? ":" : "", r->bin_dir != NULL ? r->bin_dir : "");
  dl_environ_set(e, "PATH", path);
  free(path);
  dl_environ_set(e, "HOME", r->tb.home);
  dl_environ_set(e, "USER", "daytona");
  dl_environ_set(e, "LOGNAME", "daytona");
  dl_environ_set(e, "SHELL", "/bin/bash");
  dl_environ_set(e, "LANG", "C.UTF-8");
  /* The system is read-only in a box, so pip installs into the home by itself, and there is nothing to protect from
   * it. Not PIP_USER: with it pip refuses to work in a virtual environment. */
  if (getpid() == 1) dl_environ_set(e, "PIP_BREAK_SYSTEM_PACKAGES", "1");
}

static void read_environment(role_t *r) {
  if (r->tb.hidden_dir != NULL)
    set_of_image(r);
  else
    set_of_system(r);
  if (r->env_fd >= 0) take_environment(r, r->env_fd);
}

static void set_limit(int which, int64_t value) {
  struct rlimit limit;
  if (value <= 0 || getrlimit(which, &limit) != 0) return;
  if ((rlim_t)value < limit.rlim_max) limit.rlim_max = (rlim_t)value;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(which, &limit);
}

/* What the server's side handed over must not reach the programs we start. */
static void keep_descriptors_ours(void) {
  if (syscall(SYS_close_range, 3U, ~0U, 4U /* CLOSE_RANGE_CLOEXEC */) == 0) return;
  for (int i = 3; i < 256; i++) fcntl(i, F_SETFD, FD_CLOEXEC);
}

/* The programs of a box have its user too, and could trace process 1 and act in its place. Without
 * isolation there is nothing to protect. After the reaper, which needs our files in /proc. */
static void keep_memory_ours(void) {
  if (getpid() == 1) prctl(PR_SET_DUMPABLE, 0);
}

static int settle_home(role_t *r) {
  const char *home = getenv("HOME");
  if (r->tb.home == NULL) r->tb.home = dl_xstrdup(home != NULL && home[0] == '/' ? home : "/");
  if (r->tb.work_dir == NULL) r->tb.work_dir = dl_xstrdup(r->tb.home);
  if (chdir(r->tb.work_dir) != 0) return fail(r->tb.work_dir, strerror(errno));
  return 0;
}

/* The server finds out who has them all. */
static void on_lack(void *user) {
  const role_t *r = user;
  send(r->control_fd, "W", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static int serve(role_t *r) {
  char *failure = NULL;
  dl_http_opts_t http = {.listen_fd = r->listen_fd, .on_request = on_request, .user = r};
  r->tb.reaper = dl_reaper_new(r->tb.loop, r->max_data);
  keep_memory_ours();
  /* Only process 1 sees the processes of the box and no others. */
  if (getpid() == 1 && r->control_fd >= 0) r->quiet = dl_quiet_new(r->tb.loop, r->tb.reaper, r->control_fd);
  r->tb.metrics = dl_tb_metrics_new(r->tb.loop);
  r->tb.gate = dl_tb_gate_new(r->tb.loop, !r->awaits_network);
  r->tb.sessions = dl_sessions_new();
  r->tb.ptys = dl_ptys_new();
  dl_list_init(&r->tb.programs);
  r->tb.ssh_channels = dl_ssh_channels_new();
  r->tb.terminals = dl_terminals_new();
  r->tb.contexts = dl_interpreters_new();
  r->tb.lsp = dl_lsp_new();
  r->tb.desktop = dl_desktop_new(&r->tb);
  r->tb.a11y = dl_a11y_new(&r->tb);
  r->tb.on_desktop = dl_a11y_on_desktop;
  r->tb.accessibility = dl_a11y_state;
  r->routes = join_routes(&failure);
  if (r->routes == NULL) return fail("cannot serve", failure);
  r->http = dl_http_new(r->tb.loop, &http, &failure);
  if (r->http == NULL) return fail("cannot serve", failure);
  uv_timer_init(r->tb.loop, &r->ending);
  uv_signal_init(r->tb.loop, &r->terminate);
  /* A program of the box must not end it; process 1 takes only what it asks for. */
  if (getpid() != 1) uv_signal_start(&r->terminate, on_terminate, SIGTERM);
  r->ending.data = r->terminate.data = r->control.data = r;
  if (r->control_fd >= 0) {
    dl_watches_on_lack(on_lack, r);
    uv_poll_init(r->tb.loop, &r->control, r->control_fd);
    uv_poll_start(&r->control, UV_READABLE, on_control);
    if (send(r->control_fd, "R", 1, MSG_NOSIGNAL) != 1) return fail("control socket", strerror(errno));
  }
  start_entrypoint(r);
  uv_run(r->tb.loop, UV_RUN_DEFAULT);
  uv_loop_close(r->tb.loop);
  return 0;
}

int dl_toolbox_main(int argc, char **argv) {
  role_t r = {.tb.reader_patience_ms = READER_PATIENCE_MS, .listen_fd = -1, .control_fd = -1, .env_fd = -1};
  int status = parse(&r, argc, argv);
  if (status != 0) return status;
  signal(SIGPIPE, SIG_IGN);
  umask(022);
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  keep_descriptors_ours();
  set_limit(RLIMIT_NPROC, r.max_processes);
  dl_thread_is_loop();
  r.tb.loop = uv_default_loop();
  status = settle_home(&r);
  if (status == 0) status = open_socket(&r);
  if (status == 0) {
    read_environment(&r);
    status = serve(&r);
  }
  dl_routes_free(r.routes);
  dl_environ_clear(&r.tb.environment);
  free_words(r.told_entrypoint);
  free(r.tb.home);
  free(r.tb.work_dir);
  free(r.tb.node_modules);
  free(r.tb.hidden_dir);
  for (char **word = r.tb.desktop_command; word != NULL && *word != NULL; word++) free(*word);
  free(r.tb.desktop_command);
  return status;
}
