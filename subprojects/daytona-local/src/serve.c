/* SPDX-License-Identifier: Apache-2.0
 *
 * The commands serve and run. Both end in order on SIGINT and SIGTERM; run passes
 * signals on to its command and ends with it, leaving no process and no file behind.
 */
#include "cli.h"

#include "base/thread.h"
#include "control/store/removal.h"

#include <errno.h>
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
  dl_server *server;
  uv_signal_t signals[DL_COUNT(caught)];
  uv_process_t child;
  bool has_child, is_ending;
  int64_t exit_status;
  int term_signal;
  int open_signals;
} app;

/* ---- the end ---- */

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
  app *a = user;
  a->server = NULL;
}

static void end(app *a) {
  if (a->is_ending) return;
  a->is_ending = true;
  for (int i = 0; i < a->open_signals; i++) uv_close((uv_handle_t *)&a->signals[i], NULL);
  if (!a->server) return;
  limit_end();
  dl_server_close(a->server, on_server_closed, a);
}

static void on_signal(uv_signal_t *handle, int number) {
  app *a = handle->data;
  /* The terminal has told the whole foreground group already. */
  bool was_told = (number == SIGINT || number == SIGQUIT) && tcgetpgrp(STDIN_FILENO) == getpgrp();
  if (a->has_child && !was_told) uv_process_kill(&a->child, number);
  if (a->has_child) return; /* its end is ours */
  if (number != SIGUSR1 && number != SIGUSR2) end(a);
}

/* Before anything is made that an early signal could leave behind: it is acted on when the loop runs. */
static void open_loop(app *a) {
  dl_thread_is_loop();
  uv_loop_init(&a->loop);
  for (size_t i = 0; i < DL_COUNT(caught); i++) {
    uv_signal_init(&a->loop, &a->signals[i]);
    a->signals[i].data = a;
    uv_signal_start(&a->signals[i], on_signal, caught[i]);
    a->open_signals++;
  }
  signal(SIGPIPE, SIG_IGN);
}

/* Each sandbox and each client costs descriptors. */
static void raise_limits(void) {
  struct rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) != 0) return;
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
}

static int add_faults(app *a, const dl_cli_opts *o) {
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
static int bring_up(app *a, dl_cli_opts *o) {
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

static int tear_down(app *a, int rc) {
  end(a);
  uv_run(&a->loop, UV_RUN_DEFAULT);
  atomic_store(&has_ended, true);
  if (uv_loop_close(&a->loop) != 0) dl_warn("handles are still open");
  return rc;
}

/* ---- serve ---- */

static char *default_state(void) {
  const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
  if (state && state[0] == '/') return dl_xprintf("%s/daytona-local", state);
  return home && home[0] == '/' ? dl_xprintf("%s/.local/state/daytona-local", home) : NULL;
}

static int make_path(const char *path) {
  char *copy = dl_xstrdup(path);
  for (char *at = copy + 1; *at; at++) {
    if (*at != '/') continue;
    *at = '\0';
    mkdir(copy, 0755);
    *at = '/';
  }
  int rc = mkdir(copy, 0700) == 0 || errno == EEXIST ? 0 : -1;
  if (rc) fprintf(stderr, "daytona-local: cannot make %s: %s\n", path, strerror(errno));
  free(copy);
  return rc;
}

static void announce(const app *a, const dl_cli_opts *o, const char *fresh_key) {
  const char *url = dl_server_url(a->server);
  if (fresh_key) printf("daytona-local: API key %s\n", fresh_key);
  if (o->prints_env)
    printf("export DAYTONA_API_URL=%s/api\nexport DAYTONA_API_KEY=%s\n", url, o->keys[0].key);
  if (o->control.runtime.isolation == DL_ISOLATION_NONE)
    fprintf(stderr,
            "daytona-local: WARNING: --isolation=none: sandboxes are plain processes of this user and can do "
            "everything it can\n");
  printf("daytona-local: listening on %s/api\n", url);
  fflush(stdout);
}

int dl_cli_serve(dl_cli_opts *o) {
  app a = {0};
  char *fresh_key = NULL;
  if (!o->state) o->state = default_state();
  if (!o->state) return fputs("daytona-local: --state is needed\n", stderr), 2;
  if (make_path(o->state) != 0) return 1;
  if (!o->listen_host) o->control.listen_port = DEFAULT_PORT;
  if (o->key_count == 0) {
    fresh_key = dl_key_generate();
    o->keys = dl_xcalloc(1, sizeof *o->keys);
    o->keys[o->key_count++] = (dl_key){dl_xstrdup(fresh_key), DL_PERM_ALL};
  }
  o->control.is_durable = true;
  open_loop(&a);
  int rc = bring_up(&a, o);
  if (rc == 0) {
    announce(&a, o, fresh_key);
    uv_run(&a.loop, UV_RUN_DEFAULT);
  }
  free(fresh_key);
  return tear_down(&a, rc);
}

/* ---- run ---- */

static void on_child_closed(uv_handle_t *handle) { end(handle->data); }

static void on_child_exit(uv_process_t *child, int64_t status, int term_signal) {
  app *a = child->data;
  a->has_child = false;
  a->exit_status = status;
  a->term_signal = term_signal;
  uv_close((uv_handle_t *)child, on_child_closed);
}

static char **child_environment(const char *url, const char *key) {
  extern char **environ;
  static const char *const ours[] = {
    "DAYTONA_API_URL=",   "DAYTONA_API_KEY=",         "DAYTONA_LOCAL_ADMIN_URL=", "DAYTONA_SERVER_URL=",
    "DAYTONA_JWT_TOKEN=", "DAYTONA_ORGANIZATION_ID=", "DAYTONA_TARGET="};
  size_t count = 0, n = 0;
  while (environ[count]) count++;
  char **env = dl_xcalloc(count + 4, sizeof *env);
  for (size_t i = 0; i < count; i++) {
    bool is_ours = false;
    for (size_t j = 0; j < DL_COUNT(ours); j++) is_ours = is_ours || dl_starts_with(environ[i], ours[j]);
    if (!is_ours) env[n++] = dl_xstrdup(environ[i]);
  }
  env[n++] = dl_xprintf("DAYTONA_API_URL=%s/api", url);
  env[n++] = dl_xprintf("DAYTONA_API_KEY=%s", key);
  env[n++] = dl_xprintf("DAYTONA_LOCAL_ADMIN_URL=%s/admin", url);
  return env;
}

static int spawn(app *a, dl_cli_opts *o) {
  char **env = child_environment(dl_server_url(a->server), o->keys[0].key);
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

int dl_cli_run(dl_cli_opts *o) {
  app a = {0};
  const char *tmp = getenv("TMPDIR");
  bool is_private = !o->state;
  open_loop(&a);
  if (is_private) {
    /* Homes lie here. Where /tmp is in memory, files in it would count against a sandbox's memory limit. */
    o->state = dl_xprintf("%s/daytona-local-XXXXXX", tmp && tmp[0] == '/' ? tmp : "/var/tmp");
    if (!mkdtemp(o->state)) {
      fprintf(stderr, "daytona-local: cannot make %s: %s\n", o->state, strerror(errno));
      return tear_down(&a, 1);
    }
  }
  char *key = dl_key_generate();
  o->keys = dl_xrealloc(o->keys, (o->key_count + 1) * sizeof *o->keys);
  memmove(o->keys + 1, o->keys, o->key_count++ * sizeof *o->keys);
  o->keys[0] = (dl_key){key, DL_PERM_ALL};
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
