/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of sessions and the order of their commands.
 *
 * The shell reads from a pipe and reports on another. For each command it is given one line that
 * sources the command's file with the command's pipes, and then prints the status to the report
 * pipe, which no program of the command has. The next line is written when the command before it
 * has ended and its output is in the log, so at most one line is ever on its way.
 *
 * When the shell has ended, the command it was in gets its exit status, and those behind it are
 * lost; the session stays until it is deleted.
 *
 * The session of the entrypoint has no shell: its one command is the program that the sandbox was started with.
 */
#include "toolbox/process/session.h"

#include "runtime/proctree.h"
#include "toolbox/core/reply.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define DELETE_GRACE_MS 5000
#define DELETE_POLL_MS 20
#define REPORT_MAX 4096
#define ENTRYPOINT_MAX (1024u * 1024) /* of its text */

struct dl_sessions {
  dl_list_t list;
};

struct dl_sessions *dl_sessions_new(void) {
  struct dl_sessions *all = dl_xcalloc(1, sizeof *all);
  dl_list_init(&all->list);
  return all;
}

dl_list_t *dl_sessions_list(dl_toolbox_t *tb) { return &tb->sessions->list; }

dl_session_t *dl_session_find(dl_toolbox_t *tb, const char *id) {
  DL_LIST_EACH(&tb->sessions->list, node) {
    dl_session_t *s = DL_CONTAINER(node, dl_session_t, link);
    if (strcmp(s->id, id) == 0) return s;
  }
  return NULL;
}

dl_command_t *dl_session_command(dl_session_t *s, const char *id) {
  DL_LIST_EACH(&s->commands, node) {
    dl_command_t *c = DL_CONTAINER(node, dl_command_t, link);
    if (strcmp(c->id, id) == 0) return c;
  }
  return NULL;
}

/* --- memory --- */

static void free_command(dl_command_t *c) {
  dl_list_unlink(&c->link);
  free(c->text);
  free(c->dir);
  free(c);
}

static void free_session(dl_session_t *s) {
  while (!dl_list_empty(&s->commands)) free_command(DL_CONTAINER(s->commands.next, dl_command_t, link));
  assert(s->current == NULL && s->run == NULL);
  dl_list_unlink(&s->link);
  dl_buf_clear(&s->report);
  if (s->in_fd >= 0) close(s->in_fd);
  if (s->status_fd >= 0) close(s->status_fd);
  free(s->id);
  free(s->dir);
  free(s);
}

static void on_handle_closed(uv_handle_t *handle) {
  dl_session_t *s = handle->data;
  if (--s->open_handles == 0) free_session(s);
}

/* --- commands --- */

/* waiting -> running -> done or lost; lost also without having run. */
static void set_state(dl_command_t *c, dl_command_state_t to) {
  assert((c->state == DL_COMMAND_WAITING && (to == DL_COMMAND_RUNNING || to == DL_COMMAND_LOST)) ||
         (c->state == DL_COMMAND_RUNNING && (to == DL_COMMAND_DONE || to == DL_COMMAND_LOST)));
  c->state = to;
}

static void settle(dl_command_t *c, dl_command_state_t state, int exit_code) {
  set_state(c, state);
  c->exit_code = exit_code;
  if (c->req != NULL) c->on_end(c);
  dl_command_release_followers(c);
}

static void write_text(const char *dir, const char *name, const char *text) {
  char *path = dl_xprintf("%s/%s", dir, name);
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
  size_t len = strlen(text);
  while (fd >= 0 && len > 0) {
    ssize_t sent = write(fd, text, len);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) break;
    text += sent;
    len -= (size_t)sent;
  }
  if (fd >= 0) close(fd);
  free(path);
}

static void on_output(void *user) {
  dl_session_t *s = user;
  dl_command_wake(s->current);
}

static void on_drained(void *user) {
  dl_session_t *s = user;
  dl_command_t *c = s->current;
  char code[16];
  snprintf(code, sizeof code, "%d", c->exit_code);
  write_text(c->dir, "exit_code", code);
  dl_session_run_close(s->run);
  s->run = NULL;
  s->current = NULL;
  settle(c, DL_COMMAND_DONE, c->exit_code);
  dl_session_advance(s);
}

/* In single quotes, for a shell. */
static char *quote(const char *text) {
  dl_buf_t out;
  dl_buf_init(&out, strlen(text) * 4 + 3);
  dl_buf_puts(&out, "'");
  for (; *text != '\0'; text++)
    if (*text == '\'')
      dl_buf_puts(&out, "'\\''");
    else
      dl_buf_append(&out, text, 1);
  dl_buf_puts(&out, "'");
  return dl_buf_take(&out);
}

static bool tell_shell(dl_session_t *s, const dl_command_t *c) {
  char *dir = quote(c->dir);
  char *input = c->is_async ? dl_xprintf("%s/input.pipe", dir) : dl_xstrdup("/dev/null");
  char *line =
    dl_xprintf("{ . %s/cmd.sh; } <%s >%s/stdout.pipe 2>%s/stderr.pipe; command printf '%%s\\n' \"$?\"\n", dir,
               input, dir, dir);
  size_t len = strlen(line);
  bool ok = write(s->in_fd, line, len) == (ssize_t)len; /* the pipe is empty and takes it whole */
  free(line);
  free(input);
  free(dir);
  return ok;
}

static void start_command(dl_session_t *s, dl_command_t *c) {
  static const dl_session_run_events_t events = {on_output, on_drained};
  assert(s->current == NULL && s->run == NULL);
  s->current = c;
  set_state(c, DL_COMMAND_RUNNING);
  s->run = dl_session_run_new(s->tb, c->dir, &events, s);
  if (s->run != NULL && tell_shell(s, c)) return;
  dl_session_run_close(s->run);
  s->run = NULL;
  s->current = NULL;
  settle(c, DL_COMMAND_LOST, 0);
}

void dl_session_advance(dl_session_t *s) {
  DL_LIST_EACH_SAFE(&s->commands, node, after) {
    dl_command_t *c = DL_CONTAINER(node, dl_command_t, link);
    if (s->current != NULL) return;
    if (c->state != DL_COMMAND_WAITING) continue;
    if (s->is_alive && !s->is_deleting)
      start_command(s, c);
    else
      settle(c, DL_COMMAND_LOST, 0);
  }
}

static int make_dirs(const char *path) {
  char *copy = dl_xstrdup(path);
  int error = 0;
  for (char *at = copy + 1; error == 0 && at != NULL; at++) {
    at = strchr(at, '/');
    if (at != NULL) *at = '\0';
    if (mkdir(copy, 0755) != 0 && errno != EEXIST) error = errno;
    if (at == NULL) break;
    *at = '/';
  }
  free(copy);
  return error;
}

static int add_command(dl_session_t *s, const char *id, const char *text, dl_command_t **out) {
  char *dir = dl_xprintf("%s/%s", s->dir, id);
  int error = make_dirs(dir);
  if (error != 0) {
    free(dir);
    return error;
  }
  write_text(dir, "cmd.sh", text);
  write_text(dir, "output.log", "");
  dl_command_t *c = dl_xcalloc(1, sizeof *c);
  c->session = s;
  c->text = dl_xstrdup(text);
  c->dir = dir;
  snprintf(c->id, sizeof c->id, "%s", id);
  dl_list_init(&c->followers);
  dl_list_push(&s->commands, &c->link);
  s->command_count++;
  *out = c;
  return 0;
}

int dl_session_submit(dl_session_t *s, const char *text, dl_command_t **out) {
  if (s->command_count >= DL_SESSION_COMMANDS_MAX) return EDQUOT;
  return add_command(s, dl_uuid_new().text, text, out);
}

/* --- the shell --- */

static void stop_reading(dl_session_t *s) {
  if (s->is_reading) uv_poll_stop(&s->status);
  s->is_reading = false;
}

static void on_reported(dl_session_t *s, int code) {
  if (s->current == NULL || code < 0) return;
  s->current->exit_code = code & 255;
  dl_session_run_done(s->run);
}

static void read_report(dl_session_t *s) {
  char block[256];
  for (;;) {
    ssize_t got = read(s->status_fd, block, sizeof block);
    if (got < 0 && errno == EINTR) continue;
    if (got == 0) stop_reading(s);
    if (got <= 0) break;
    if (!dl_buf_append(&s->report, block, (size_t)got)) dl_buf_reset(&s->report);
  }
  char *end;
  while (s->report.len > 0 && (end = memchr(s->report.data, '\n', s->report.len)) != NULL) {
    int64_t code;
    *end = '\0';
    bool ok = dl_parse_int(s->report.data, 0, 255, &code);
    dl_buf_consume(&s->report, (size_t)(end - s->report.data) + 1);
    if (ok) on_reported(s, (int)code);
  }
}

static void on_report(uv_poll_t *poll, int status, int events) {
  (void)status, (void)events;
  read_report(poll->data);
}

static void on_shell_exit(dl_process_t *p, int status) {
  dl_session_t *s = DL_CONTAINER(p, dl_session_t, shell);
  assert(s->is_alive);
  s->is_alive = false;
  read_report(s);
  if (s->current != NULL) on_reported(s, WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
  dl_session_advance(s);
}

static dl_session_t *new_session(dl_toolbox_t *tb, const char *id) {
  dl_session_t *s = dl_xcalloc(1, sizeof *s);
  s->tb = tb;
  s->id = dl_xstrdup(id);
  s->dir = dl_xprintf("%s/.daytona/sessions/%s", tb->home, id);
  s->in_fd = s->status_fd = -1;
  dl_list_init(&s->link);
  dl_list_init(&s->commands);
  dl_list_init(&s->shell.link);
  dl_buf_init(&s->report, REPORT_MAX);
  return s;
}

/* From here on it is found, and only closing its handles frees it. */
static void publish(dl_session_t *s) {
  uv_poll_init(s->tb->loop, &s->status, s->status_fd);
  uv_timer_init(s->tb->loop, &s->deletion);
  s->status.data = s->deletion.data = s;
  s->open_handles = 2;
  dl_list_push(&s->tb->sessions->list, &s->link);
}

static int start_shell(dl_session_t *s, const char *cwd) {
  int in[2] = {-1, -1}, out[2] = {-1, -1}, null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
  bool ok = null_fd >= 0 && pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0;
  char *shell = dl_process_shell(&s->tb->environment), *argv[] = {shell, NULL};
  dl_process_opts_t opts = {.file = shell,
                            .argv = argv,
                            .envp = s->tb->environment.pairs,
                            .cwd = cwd,
                            .fds = {in[0], out[1], null_fd},
                            .is_subreaper = true};
  s->shell.on_exit = on_shell_exit;
  int error = ok ? dl_process_start(s->tb->reaper, &s->shell, &opts) : errno;
  free(shell);
  if (in[0] >= 0) close(in[0]);
  if (out[1] >= 0) close(out[1]);
  if (null_fd >= 0) close(null_fd);
  s->in_fd = in[1];
  s->status_fd = out[0];
  if (error != 0) return error;
  fcntl(s->in_fd, F_SETFL, O_NONBLOCK);
  fcntl(s->status_fd, F_SETFL, O_NONBLOCK);
  return 0;
}

int dl_session_create(dl_toolbox_t *tb, const char *id, const char *cwd) {
  dl_session_t *s = new_session(tb, id);
  int error = make_dirs(s->dir);
  if (error == 0) error = start_shell(s, cwd);
  if (error != 0) {
    free_session(s);
    return error;
  }
  s->is_alive = s->is_reading = true;
  publish(s);
  uv_poll_start(&s->status, UV_READABLE, on_report);
  return 0;
}

/* --- the entrypoint --- */

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *ftw) {
  (void)st, (void)kind, (void)ftw;
  remove(path);
  return 0;
}

/* 0, or an errno value. `ends`: its output and its errors. */
static int start_program(dl_session_t *s, char *const *argv, const int ends[2]) {
  int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC), error = 0;
  char *file = dl_process_find(&s->tb->environment, argv[0]);
  dl_process_opts_t opts = {.file = file,
                            .argv = argv,
                            .envp = s->tb->environment.pairs,
                            .cwd = s->tb->work_dir,
                            .fds = {null_fd, ends[0], ends[1]},
                            .is_subreaper = true};
  s->shell.on_exit = on_shell_exit;
  if (file == NULL)
    error = ENOENT;
  else if (null_fd < 0)
    error = EIO;
  else
    error = dl_process_start(s->tb->reaper, &s->shell, &opts);
  if (null_fd >= 0) close(null_fd);
  free(file);
  return error;
}

/* 0, or an errno value. */
static int run_program(dl_session_t *s, const dl_command_t *c, char *const *argv) {
  static const dl_session_run_events_t events = {on_output, on_drained};
  int ends[2];
  s->run = dl_session_run_new_unnamed(s->tb, c->dir, &events, s, ends);
  if (s->run == NULL) return errno;
  int error = start_program(s, argv, ends);
  close(ends[0]);
  close(ends[1]);
  return error;
}

static char *quote_all(char *const *argv) {
  dl_buf_t text;
  dl_buf_init(&text, ENTRYPOINT_MAX);
  for (size_t i = 0; argv[i] != NULL; i++) {
    char *word = quote(argv[i]);
    if (i > 0) dl_buf_puts(&text, " ");
    dl_buf_puts(&text, word);
    free(word);
  }
  return dl_buf_take(&text);
}

int dl_entrypoint_start(dl_toolbox_t *tb, char *const *argv) {
  dl_session_t *s = new_session(tb, DL_ENTRYPOINT_ID);
  dl_command_t *c = NULL;
  int ends[2] = {-1, -1};
  nftw(s->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT); /* of the sandbox's last life */
  int error = make_dirs(s->dir);
  if (error == 0 && pipe2(ends, O_CLOEXEC) != 0) error = errno;
  char *text = quote_all(argv);
  if (error == 0) error = add_command(s, DL_ENTRYPOINT_ID "_command", text, &c);
  free(text);
  if (ends[1] >= 0)
    close(ends[1]); /* nothing is reported: the end of the program is the end of the command */
  s->status_fd = ends[0];
  if (error != 0) {
    free_session(s);
    return error;
  }
  publish(s);
  s->current = c;
  set_state(c, DL_COMMAND_RUNNING);
  error = run_program(s, c, argv);
  s->is_alive = error == 0;
  if (s->is_alive) return 0;
  c->exit_code = 127;
  if (s->run != NULL)
    dl_session_run_done(s->run);
  else
    on_drained(s);
  return error;
}

/* --- the end --- */

static void remove_dir(uv_work_t *work) {
  dl_session_t *s = work->data;
  nftw(s->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

static void on_removed(uv_work_t *work, int status) {
  dl_session_t *s = work->data;
  (void)status;
  dl_list_unlink(&s->link); /* the id is free now */
  s->tb->live_count--;
  if (s->delete_req != NULL) {
    dl_tb_add_request_id(s->delete_req);
    dl_reply_empty(s->delete_req, 204);
  }
  uv_close((uv_handle_t *)&s->status, on_handle_closed);
  uv_close((uv_handle_t *)&s->deletion, on_handle_closed);
}

/* Every command gets its end, then the directory goes, then the response. */
static void finish_delete(dl_session_t *s) {
  assert(s->is_deleting && !s->is_removing);
  uv_timer_stop(&s->deletion);
  dl_process_forget(&s->shell);
  s->is_alive = false;
  s->is_removing = true;
  dl_session_run_close(s->run);
  s->run = NULL;
  s->current = NULL;
  DL_LIST_EACH_SAFE(&s->commands, node, after) {
    dl_command_t *c = DL_CONTAINER(node, dl_command_t, link);
    if (c->state == DL_COMMAND_WAITING || c->state == DL_COMMAND_RUNNING) settle(c, DL_COMMAND_LOST, 0);
  }
  s->tb->live_count++;
  s->removal.data = s;
  uv_queue_work(s->tb->loop, &s->removal, remove_dir, on_removed);
}

static void on_deletion(uv_timer_t *timer) {
  dl_session_t *s = timer->data;
  bool has_children = s->is_alive && dl_proctree_signal(s->shell.pid, 0) > 0;
  if (has_children && uv_now(s->tb->loop) < s->give_up_ms) return;
  if (s->is_alive) dl_process_kill_tree(&s->shell);
  finish_delete(s);
}

/* The shell is stopped first: after the end of what it waits for it would go on in its script. Its
 * children then have some time to end in order, and the shell goes last. */
void dl_session_delete(dl_session_t *s, dl_req_t *req) {
  s->is_deleting = true;
  s->delete_req = req;
  stop_reading(s);
  if (s->is_alive) {
    kill(s->shell.pid, SIGSTOP);
    dl_proctree_signal(s->shell.pid, SIGTERM);
    dl_proctree_signal(s->shell.pid, SIGCONT);
  }
  s->give_up_ms = uv_now(s->tb->loop) + DELETE_GRACE_MS;
  uv_timer_start(&s->deletion, on_deletion, 0, DELETE_POLL_MS);
}

void dl_sessions_close(dl_toolbox_t *tb) {
  while (!dl_list_empty(&tb->sessions->list)) {
    dl_session_t *s = DL_CONTAINER(tb->sessions->list.next, dl_session_t, link);
    dl_list_unlink(&s->link);
    if (s->is_removing) continue;
    s->is_deleting = true;
    stop_reading(s);
    if (s->is_alive) dl_process_kill_tree(&s->shell);
    finish_delete(s);
  }
  free(tb->sessions);
  tb->sessions = NULL;
}
