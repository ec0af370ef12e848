/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a channel runs, and with which environment.
 *
 * Images often have no server of sftp; then it is ours. Where they have no scp either, that of the server's own system is
 * used, which a box on an image sees in its hidden folder: it runs in the box, as its user, and with that system's loader.
 */
#include "toolbox/ssh/internal.h"

#include "base/buf.h"
#include "ssh/frames.h"
#include "toolbox/core/spawn.h"
#include "toolbox/core/text.h"
#include "toolbox/ssh/sftp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define SHELL "/bin/sh"
#define ENVIRONMENT_MAX 256

static const char *const SFTP_SERVERS[] = {"/usr/lib/openssh/sftp-server", "/usr/libexec/openssh/sftp-server",
                                           "/usr/lib/ssh/sftp-server",     "/usr/libexec/sftp-server",
                                           "/usr/lib/sftp-server",         "/usr/libexec/ssh/sftp-server"};

static const char *field(const dl_ssh_start_t *start, const char *name) {
  return dl_ssh_field(start->bytes, start->len, name);
}

/* --- the environment --- */

/* "127.0.0.1 50001" is where the client is. */
static void set_connection(dl_environ_t *e, const char *from) {
  if (from == NULL || strchr(from, ' ') == NULL) return;
  char *client = dl_xprintf("%s 22", from), *connection = dl_xprintf("%s 127.0.0.1 22", from);
  dl_environ_set(e, "SSH_CLIENT", client);
  dl_environ_set(e, "SSH_CONNECTION", connection);
  free(client);
  free(connection);
}

static void set_sent(dl_environ_t *e, const dl_ssh_start_t *start) {
  static const char prefix[] = "env.";
  size_t count = 0;
  for (size_t at = 0; at < start->len && count < ENVIRONMENT_MAX; at += strlen(start->bytes + at) + 1) {
    const char *pair = start->bytes + at, *sign = strchr(pair, '=');
    if (!dl_starts_with(pair, prefix) || sign == NULL) continue;
    char *name = dl_xstrndup(pair + strlen(prefix), (size_t)(sign - pair) - strlen(prefix));
    if (dl_environ_name_ok(name)) dl_environ_set(e, name, sign + 1);
    free(name);
    count++;
  }
}

static void make_environment(dl_environ_t *e, const dl_toolbox_t *tb, const dl_ssh_start_t *start) {
  const char *term = field(start, "term");
  dl_environ_copy(e, &tb->environment);
  set_connection(e, field(start, "from"));
  set_sent(e, start);
  if (term != NULL) dl_environ_set(e, "TERM", *term != '\0' ? term : "xterm-256color");
}

/* --- programs of the server's system --- */

/* How one of them is started, see runtime/starter.c. */
typedef struct {
  char *loader, *libraries, *program;
} hidden_t;

static void clear_hidden(hidden_t *h) {
  free(h->loader);
  free(h->libraries);
  free(h->program);
  *h = (hidden_t){0};
}

/* False: it is not there, or this box has no hidden folder. */
static bool find_hidden(const dl_toolbox_t *tb, const char *path, hidden_t *out) {
  const char *place = tb->hidden_dir;
  if (place == NULL) return false;
  hidden_t h = {.loader = dl_xprintf("%s/loader", place), .program = dl_xprintf("%s%s", place, path)};
  dl_buf_t libraries;
  dl_buf_init(&libraries, 4096);
  for (int i = 0; i < 8; i++) dl_buf_printf(&libraries, "%s%s/lib%d", i > 0 ? ":" : "", place, i);
  h.libraries = dl_buf_take(&libraries);
  if (access(h.loader, X_OK) == 0 && access(h.program, X_OK) == 0) {
    *out = h;
    return true;
  }
  clear_hidden(&h);
  return false;
}

/* What an image has its loader do is meant for the image's programs. */
static void unset_loader(dl_environ_t *e) {
  static const char *const NAMES[] = {"LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT"};
  for (size_t i = 0; i < DL_COUNT(NAMES); i++) dl_environ_unset(e, NAMES[i]);
}

/* `scp -O` and older clients run "scp -t" or "scp -f" over here. Yours to free. */
static char *with_scp(const dl_toolbox_t *tb, dl_environ_t *e, const char *command) {
  hidden_t h = {0};
  if (!dl_starts_with(command, "scp ")) return dl_xstrdup(command);
  char *own = dl_process_find(e, "scp"), *out = NULL;
  if (own == NULL && find_hidden(tb, "/usr/bin/scp", &h)) {
    out = dl_xprintf("exec %s --inhibit-cache --library-path %s %s %s", h.loader, h.libraries, h.program,
                     command + 4);
    unset_loader(e);
  }
  clear_hidden(&h);
  free(own);
  return out != NULL ? out : dl_xstrdup(command);
}

/* --- the start --- */

static unsigned number(const char *text) {
  int64_t n = 0;
  return text != NULL && dl_parse_int(text, 1, 65535, &n) ? (unsigned)n : 0;
}

/* `run` instead of argv: see spawn.h. */
static dl_program_t *start_program(dl_toolbox_t *tb, const dl_ssh_start_t *start, char *const *argv,
                                   int (*run)(void), const dl_environ_t *e, const dl_program_events_t *events,
                                   void *user, char **failure) {
  int error = 0;
  char *cwd = dl_tb_path(tb, NULL);
  const dl_program_opts_t opts = {.file = argv[0],
                                  .argv = argv,
                                  .run = run,
                                  .environment = e,
                                  .cwd = cwd,
                                  .has_terminal = field(start, "term") != NULL,
                                  .columns = number(field(start, "columns")),
                                  .rows = number(field(start, "rows"))};
  dl_program_t *p = dl_program_start(tb, &opts, events, user, &error);
  if (p == NULL) *failure = dl_xprintf("cannot start %s: %s", argv[0], strerror(error));
  free(cwd);
  return p;
}

static dl_program_t *run_shell(dl_toolbox_t *tb, const dl_ssh_start_t *start, dl_environ_t *e,
                               const dl_program_events_t *events, void *user, char **failure) {
  char *shell = dl_process_shell(e);
  char *argv[] = {shell, "-l", field(start, "term") != NULL ? "-i" : NULL, NULL};
  dl_program_t *p = start_program(tb, start, argv, NULL, e, events, user, failure);
  free(shell);
  return p;
}

static dl_program_t *run_command(dl_toolbox_t *tb, const dl_ssh_start_t *start, dl_environ_t *e,
                                 const dl_program_events_t *events, void *user, char **failure) {
  const char *asked = field(start, "command");
  char *command = with_scp(tb, e, asked != NULL ? asked : ""), *argv[] = {SHELL, "-c", command, NULL};
  dl_program_t *p = start_program(tb, start, argv, NULL, e, events, user, failure);
  free(command);
  return p;
}

static int serve_sftp(void) {
  prctl(PR_SET_NAME, "sftp-server");
  return dl_sftp_serve(STDIN_FILENO, STDOUT_FILENO);
}

/* The sandbox's own server of sftp if it has one, else ours. */
static dl_program_t *run_sftp(dl_toolbox_t *tb, const dl_ssh_start_t *start, dl_environ_t *e,
                              const dl_program_events_t *events, void *user, char **failure) {
  char *argv[] = {"sftp-server", NULL};
  for (size_t i = 0; i < DL_COUNT(SFTP_SERVERS); i++) {
    char *own[] = {(char *)SFTP_SERVERS[i], NULL};
    if (access(own[0], X_OK) == 0) return start_program(tb, start, own, NULL, e, events, user, failure);
  }
  return start_program(tb, start, argv, serve_sftp, e, events, user, failure);
}

dl_program_t *dl_ssh_run(dl_toolbox_t *tb, const dl_ssh_start_t *start, const dl_program_events_t *events,
                         void *user, char **failure) {
  static const struct {
    const char *kind;
    dl_program_t *(*run)(dl_toolbox_t *, const dl_ssh_start_t *, dl_environ_t *, const dl_program_events_t *,
                         void *, char **);
  } KINDS[] = {{"shell", run_shell}, {"exec", run_command}, {"sftp", run_sftp}};
  const char *kind = field(start, "kind");
  for (size_t i = 0; kind != NULL && i < DL_COUNT(KINDS); i++) {
    if (strcmp(kind, KINDS[i].kind) != 0) continue;
    dl_environ_t e;
    make_environment(&e, tb, start);
    dl_program_t *p = KINDS[i].run(tb, start, &e, events, user, failure);
    dl_environ_clear(&e);
    return p;
  }
  *failure = dl_xstrdup("nothing of that kind is run here");
  return NULL;
}
