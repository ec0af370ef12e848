/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands serve and run. Both end in order on SIGINT and SIGTERM; run passes
 * signals on to its command and ends with it, leaving no process and no file behind.
 */
#include "cli.h"

#include "base/buf.h"
#include "base/thread.h"
#include "control/gateway/gateway.h"
#include "control/store/removal.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define DEFAULT_PORT 3986
/* From the signal on; five seconds are promised. */
#define END_LIMIT_MS 4500

/* Whatever would end us without our taking the command and the files along. */
static const int caught[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGALRM, SIGUSR1, SIGUSR2};

static atomic_bool has_ended;

typedef struct {
  uv_loop_t loop;
  dl_server_t *server;
  uv_signal_t signals[DL_COUNT(caught)];
  uv_process_t child;
  bool has_child, is_ending;
  int64_t exit_status;
  int term_signal;
  int open_signals;
} app_t;

/* --- the end --- */

/* Where the end does not come: a thread in a system call on a disk that does not answer cannot be ended, only left. */
static void *watch_end(void *user) {
  (void)user;
  const struct timespec limit = {.tv_sec = END_LIMIT_MS / 1000, .tv_nsec = END_LIMIT_MS % 1000 * 1000000};
  nanosleep(&limit, NULL);
  if (atomic_load(&has_ended)) return NULL;
  dl_error("gave up waiting for %s after %d ms; the next start goes on from what is on the disk",
           dl_server_closing_step(), END_LIMIT_MS);
  _exit(1);
}

static void limit_end(void) {
  pthread_t thread;
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  if (pthread_create(&thread, NULL, watch_end, NULL) == 0)
    pthread_detach(thread);
  else
    dl_warn("nothing limits the time that the end takes");
  pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void on_server_closed(void *user) {
  app_t *a = user;
  a->server = NULL;
}

static void end(app_t *a) {
  if (a->is_ending) return;
  a->is_ending = true;
  for (int i = 0; i < a->open_signals; i++) uv_close((uv_handle_t *)&a->signals[i], NULL);
  if (!a->server) return;
  limit_end();
  dl_server_close(a->server, on_server_closed, a);
}

static void on_signal(uv_signal_t *handle, int number) {
  app_t *a = handle->data;
  /* The terminal has signalled the whole foreground group already. */
  bool was_told = (number == SIGINT || number == SIGQUIT) && tcgetpgrp(STDIN_FILENO) == getpgrp();
  if (a->has_child && !was_told) uv_process_kill(&a->child, number);
  if (a->has_child) return; /* its end is ours */
  if (number != SIGUSR1 && number != SIGUSR2) end(a);
}

/* Before anything is made that an early signal could leave behind: it is acted on when the loop runs. */
static void open_loop(app_t *a) {
  dl_thread_is_loop();
  uv_loop_init(&a->loop);
  for (size_t i = 0; i < DL_COUNT(caught); i++) {
    uv_signal_init(&a->loop, &a->signals[i]);
    a->signals[i].data = a;
    uv_signal_start(&a->signals[i], on_signal, caught[i]);
    a->open_signals++;
  }
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is a write that fails, not our end */
}

/* Each sandbox and each client costs descriptors. */
static void raise_limits(void) {
  struct rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) != 0) return;
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
}

static int add_faults(app_t *a, const dl_cli_opts_t *o) {
  for (size_t i = 0; i < o->fault_count; i++) {
    char *error = NULL;
    json_t *rule = dl_json_parse(o->fault_texts[i], strlen(o->fault_texts[i]), &error);
    if (rule) dl_server_add_fault(a->server, rule, &error);
    json_decref(rule);
    if (!error) continue;
    fprintf(stderr, "daytona-local: --fault: %s\n", error);
    free(error);
    return 2;
  }
  return 0;
}

/* 0 when the server is up. */
static int bring_up(app_t *a, dl_cli_opts_t *o) {
  char *error = NULL;
  raise_limits();
  o->control.state_dir = o->state;
  o->control.keys = o->keys;
  o->control.key_count = o->key_count;
  a->server = dl_server_new(&a->loop, &o->control, &error);
  if (!a->server) {
    fprintf(stderr, "daytona-local: %s\n", error);
    free(error);
    return 1;
  }
  return add_faults(a, o);
}

static int tear_down(app_t *a, int rc) {
  end(a);
  uv_run(&a->loop, UV_RUN_DEFAULT);
  atomic_store(&has_ended, true);
  if (uv_loop_close(&a->loop) != 0) dl_warn("handles are still open");
  return rc;
}

/* --- serve --- */

char *dl_cli_default_state(void) {
  const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
  if (state && state[0] == '/') return dl_xprintf("%s/daytona-local", state);
  return home && home[0] == '/' ? dl_xprintf("%s/.local/state/daytona-local", home) : NULL;
}

static int make_one(const char *path, mode_t mode) {
  struct stat st;
  if (mkdir(path, mode) == 0 || (stat(path, &st) == 0 && S_ISDIR(st.st_mode))) return 0;
  return errno == EEXIST ? ENOTDIR : errno;
}

/* `path` and what is missing above it. The reason names the first part that cannot be made, and the way out. */
int dl_cli_make_state(const char *path) {
  char *copy = dl_xstrdup(path);
  int error = 0;
  for (char *at = copy + 1; error == 0 && (at = strchr(at, '/')) != NULL; *at++ = '/') {
    *at = '\0';
    error = make_one(copy, 0755);
    if (error) break;
  }
  if (error == 0) error = make_one(copy, 0700);
  if (error)
    fprintf(
      stderr,
      "daytona-local: cannot make %s: %s; --state DIR names another place for the state of the server\n",
      copy, strerror(error));
  free(copy);
  return error ? -1 : 0;
}

/* --- the key of a server that is given none --- */

static int write_key(const char *path, const char *key) {
  int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return errno;
  bool ok = dprintf(fd, "%s\n", key) > 0 && fsync(fd) == 0;
  int error = ok ? 0 : errno;
  close(fd);
  if (!ok) unlink(path);
  return error;
}

/* Others could call the server with a key that they can read. */
static const char *check_key_file(const char *path) {
  struct stat st;
  if (lstat(path, &st) != 0) return strerror(errno);
  if (!S_ISREG(st.st_mode)) return "it is no regular file";
  if (st.st_uid != geteuid()) return "it belongs to another user";
  return (st.st_mode & 077) != 0 ? "other users may read it (chmod 600)" : NULL;
}

/* Made at the first start and kept, so that what clients have been given stays true. 0, or an exit status. */
static int keep_key(dl_cli_opts_t *o) {
  char *path = dl_xprintf("%s/key", o->state), *key = dl_key_generate(), *error = NULL;
  int rc = write_key(path, key);
  if (rc == 0) {
    fprintf(stderr, "daytona-local: API key %s (kept in %s)\n", key, path);
    o->keys = dl_xcalloc(1, sizeof *o->keys);
    o->keys[o->key_count++] = (dl_key_t){dl_xstrdup(key), DL_PERM_ALL};
  } else if (rc == EEXIST) {
    const char *problem = check_key_file(path);
    if (!problem) o->keys = dl_keys_read_file(path, &o->key_count, &error);
    if (o->keys)
      fprintf(stderr, "daytona-local: the API key is the one in %s\n", path);
    else
      fprintf(stderr, "daytona-local: cannot use the key in %s: %s\n", path, problem ? problem : error);
  } else {
    fprintf(stderr, "daytona-local: cannot keep the key in %s: %s; --key and --key-file give one\n", path,
            strerror(rc));
  }
  explicit_bzero(key, strlen(key));
  free(key);
  free(path);
  free(error);
  return o->keys ? 0 : 1;
}

/* --- messages --- */

static bool is_loopback(const char *host) { return dl_starts_with(host, "127.") || strcmp(host, "::1") == 0; }

static void warn_of_an_open_door(const dl_cli_opts_t *o) {
  if (!o->cert)
    fprintf(
      stderr,
      "daytona-local: WARNING: open to the network over plain HTTP: who reads along has the key, and may run "
      "programs here; --tls-cert and --tls-key encrypt\n");
  if (!o->control.public_url || !o->control.proxy_domain)
    fprintf(stderr,
            "daytona-local: answers name it by localhost or an address of this machine, with the port that "
            "the client "
            "used; for clients that call it by another name, give --public-url and --proxy-domain\n");
}

/* What a sandbox may miss, since it sees this machine's programs. */
static void tell_missing_programs(void) {
  static const char *const names[] = {"bash", "python3", "node", "git", "ps"};
  static const char *const dirs[] = {"/usr/local/bin", "/usr/bin", "/bin"};
  dl_buf_t missing;
  dl_buf_init(&missing, 256);
  for (size_t i = 0; i < DL_COUNT(names); i++) {
    bool found = false;
    for (size_t j = 0; j < DL_COUNT(dirs); j++) {
      char *path = dl_xprintf("%s/%s", dirs[j], names[i]);
      found = found || access(path, X_OK) == 0;
      free(path);
    }
    if (!found) dl_buf_printf(&missing, "%s%s", missing.len > 0 ? ", " : "", names[i]);
  }
  if (missing.len > 0)
    fprintf(stderr, "daytona-local: sandboxes have no %s, because this machine has none (see README.md)\n",
            missing.data);
  dl_buf_clear(&missing);
}

/* Messages go to stderr. stdout is for what a shell is to evaluate. */
static void announce(const app_t *a, const dl_cli_opts_t *o) {
  const char *url = dl_server_url(a->server), *host = o->listen_host ? o->listen_host : "127.0.0.1";
  bool is_v6 = strchr(host, ':') != NULL;
  if (o->prints_env) {
    printf("export DAYTONA_API_URL=%s/api\nexport DAYTONA_API_KEY=%s\n", url, o->keys[0].key);
    fflush(stdout);
  }
  if (o->control.runtime.isolation == DL_ISOLATION_NONE)
    fprintf(stderr,
            "daytona-local: WARNING: --isolation=none: sandboxes are plain processes of this user and can do "
            "everything it can\n");
  if (!is_loopback(host)) warn_of_an_open_door(o);
  tell_missing_programs();
  fprintf(stderr, "daytona-local: listening on %s://%s%s%s:%d/api%s%s\n", o->cert ? "https" : "http",
          is_v6 ? "[" : "", host, is_v6 ? "]" : "", dl_server_port(a->server),
          o->control.public_url ? ", for clients " : "", o->control.public_url ? o->control.public_url : "");
  const dl_gateway_t *ssh = dl_server_gateway(a->server);
  if (ssh)
    fprintf(stderr, "daytona-local: SSH on %s port %d, host key %s\n", dl_gateway_host(ssh),
            dl_gateway_port(ssh), dl_gateway_fingerprint(ssh));
}

int dl_cli_serve(dl_cli_opts_t *o) {
  app_t a = {0};
  if (!o->state) o->state = dl_cli_default_state();
  if (!o->state)
    return fputs("daytona-local: --state is needed, since neither XDG_STATE_HOME nor HOME is set\n", stderr),
           2;
  if (dl_cli_make_state(o->state) != 0) return 1;
  if (!o->listen_host) o->control.listen_port = DEFAULT_PORT;
  if (o->key_count == 0 && keep_key(o) != 0) return 1;
  o->control.is_durable = true;
  open_loop(&a);
  int rc = bring_up(&a, o);
  if (rc == 0) {
    announce(&a, o);
    uv_run(&a.loop, UV_RUN_DEFAULT);
  }
  return tear_down(&a, rc);
}

/* --- run --- */

static void on_child_closed(uv_handle_t *handle) { end(handle->data); }

static void on_child_exit(uv_process_t *child, int64_t status, int term_signal) {
  app_t *a = child->data;
  a->has_child = false;
  a->exit_status = status;
  a->term_signal = term_signal;
  uv_close((uv_handle_t *)child, on_child_closed);
}

static char **child_environment(const char *url, const char *key, const char *state) {
  extern char **environ;
  static const char *const ours[] = {
    "DAYTONA_API_URL=",   "DAYTONA_API_KEY=",         "DAYTONA_LOCAL_ADMIN_URL=", "DAYTONA_SERVER_URL=",
    "DAYTONA_JWT_TOKEN=", "DAYTONA_ORGANIZATION_ID=", "DAYTONA_TARGET=",          "DAYTONA_LOCAL_STATE="};
  size_t count = 0, n = 0;
  while (environ[count]) count++;
  char **env = dl_xcalloc(count + 5, sizeof *env);
  for (size_t i = 0; i < count; i++) {
    bool is_ours = false;
    for (size_t j = 0; j < DL_COUNT(ours); j++) is_ours = is_ours || dl_starts_with(environ[i], ours[j]);
    if (!is_ours) env[n++] = dl_xstrdup(environ[i]);
  }
  env[n++] = dl_xprintf("DAYTONA_API_URL=%s/api", url);
  env[n++] = dl_xprintf("DAYTONA_API_KEY=%s", key);
  env[n++] = dl_xprintf("DAYTONA_LOCAL_ADMIN_URL=%s/admin", url);
  env[n++] = dl_xprintf("DAYTONA_LOCAL_STATE=%s", state);
  return env;
}

static int spawn(app_t *a, dl_cli_opts_t *o) {
  char **env = child_environment(dl_server_url(a->server), o->keys[0].key, o->state);
  uv_stdio_container_t stdio[3];
  for (int i = 0; i < 3; i++) stdio[i] = (uv_stdio_container_t){.flags = UV_INHERIT_FD, .data.fd = i};
  uv_process_options_t options = {.file = o->command[0],
                                  .args = o->command,
                                  .env = env,
                                  .stdio = stdio,
                                  .stdio_count = 3,
                                  .exit_cb = on_child_exit};
  a->child.data = a;
  int rc = uv_spawn(&a->loop, &a->child, &options);
  a->has_child = rc == 0;
  if (rc != 0) {
    fprintf(stderr, "daytona-local: cannot run %s: %s\n", o->command[0], uv_strerror(rc));
    uv_close((uv_handle_t *)&a->child, NULL);
  }
  for (char **at = env; *at; at++) free(*at);
  free(env);
  return rc == 0 ? 0 : rc == UV_ENOENT ? 127 : 126;
}

/* Homes lie here. /var/tmp comes before /tmp, because where /tmp is in memory, files in it would count against a
 * sandbox's memory limit. Whoever sets TMPDIR means it. 0, or -1 after the reason was printed. */
static int make_private_state(dl_cli_opts_t *o) {
  const char *tmp = getenv("TMPDIR");
  bool is_told = tmp && tmp[0] == '/';
  const char *const places[] = {is_told ? tmp : "/var/tmp", is_told ? NULL : "/tmp"};
  int error = 0;
  for (size_t i = 0; i < DL_COUNT(places) && places[i]; i++) {
    o->state = dl_xprintf("%s/daytona-local-XXXXXX", places[i]);
    if (mkdtemp(o->state)) return 0;
    if (i == 0) error = errno;
    free(o->state);
    o->state = NULL;
  }
  fprintf(stderr,
          "daytona-local: cannot make a directory in %s: %s; TMPDIR or --state DIR names another place\n",
          is_told ? tmp : "/var/tmp or /tmp", strerror(error));
  return -1;
}

int dl_cli_run(dl_cli_opts_t *o) {
  app_t a = {0};
  bool is_private = !o->state;
  if (!o->has_ssh) o->control.ssh_host = "127.0.0.1"; /* of any free port */
  open_loop(&a);
  if (is_private && make_private_state(o) != 0) return tear_down(&a, 1);
  char *key = dl_key_generate();
  o->keys = dl_xrealloc(o->keys, (o->key_count + 1) * sizeof *o->keys);
  memmove(o->keys + 1, o->keys, o->key_count++ * sizeof *o->keys);
  o->keys[0] = (dl_key_t){key, DL_PERM_ALL};
  o->control.is_durable = !is_private;
  int rc = bring_up(&a, o);
  if (rc == 0) {
    rc = spawn(&a, o);
    if (rc == 0) {
      uv_run(&a.loop, UV_RUN_DEFAULT);
      rc = a.term_signal ? 128 + a.term_signal : (int)a.exit_status;
    }
  }
  rc = tear_down(&a, rc);
  if (is_private) dl_remove_tree(o->state, NULL);
  return rc;
}
