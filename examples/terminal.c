/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A terminal in a sandbox, used like ssh: the local terminal is attached to a shell over there.
 *
 *   daytona-local run -- terminal                  a shell in a fresh sandbox, deleted afterwards
 *   terminal SANDBOX                               a shell in a sandbox of yours (see --help for more)
 *   echo 'uname -a' | terminal                     a script, as if it were typed
 *
 * What is worth a look: the local terminal is in raw mode only while it is attached, and restored on every
 * way out; input waits when the sandbox is slow (DAYTONA_ELIMIT), output waits when the local terminal is
 * (pause and resume), and nothing blocks the loop; the size follows the window; and the stream's one outcome
 * becomes the exit code.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <uv.h>

#include <daytona/daytona.h>

#include "shared/box.h"
#include "shared/local_io.h"

/* Output that the local terminal has not taken yet: stop at the first, go on at the second. */
enum { OUTPUT_HIGH = 256 * 1024, OUTPUT_LOW = 64 * 1024 };
/* What is kept of the output while it is stopped. The protocol cannot make the sandbox wait: a client that
   falls further behind than this, and than what the server keeps, is dropped. */
enum { BEHIND_MAX = 16 * 1024 * 1024 };
enum { LOST = 255, ENV_MAX = 64, SIZE_MAX_CELLS = 1000, KILL_LIMIT_MS = 5000 };

static const char usage[] =
  "usage: terminal [OPTIONS] [SANDBOX]\n"
  "Attach this terminal to a shell in a sandbox: SANDBOX, an id or name, or a fresh one\n"
  "that is deleted afterwards. The exit code is the shell's; 255 when the connection failed.\n"
  "\n"
  "  -c, --command TEXT   type this line and leave when it has run, with its exit code\n"
  "  -p, --pty ID         attach to the terminal ID of SANDBOX, or start it, and leave it running\n"
  "                       when the connection ends\n"
  "  -e, --env NAME=VALUE set a variable for the shell (may be repeated)\n"
  "  -C, --cwd DIR        start there\n"
  "  -k, --keep           keep the fresh sandbox\n"
  "  -h, --help           this text\n"
  "\n"
  "Escapes, at the beginning of a line:  ~.  disconnect   ~^Z  suspend   ~~  a tilde   ~?  help\n"
  "Without a terminal as stdin its lines are typed into the shell, and then `exit`.\n";

static const char escapes[] = "\r\nEscapes: ~. disconnect, ~^Z suspend, ~~ a tilde, ~? this\r\n";

static const int ending_signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
enum { ENDING_SIGNALS = sizeof ending_signals / sizeof ending_signals[0] };

typedef struct terminal {
  uv_loop_t *loop;
  daytona_client_t *client;
  box_t box;
  daytona_pty_t *pty;
  daytona_future_t *attach; /* borrowed, until its callback came */
  daytona_future_t *wait;   /* for its outcome */
  /* what was asked for */
  const char *sandbox, *pty_id, *command, *cwd;
  daytona_pair_t env[ENV_MAX];
  size_t env_count;
  bool keeps;
  /* this side */
  local_input_t input;
  local_output_t output;
  uv_signal_t ending[ENDING_SIGNALS], winch, stop;
  bool is_tty, is_new_line, has_tilde;
  /* input on its way */
  char typed[LOCAL_BLOCK + 1];
  size_t typed_size;
  /* the size over there, and whether a change is under way */
  int cols, rows;
  bool is_resizing;
  /* the end */
  bool is_output_held, is_ending, is_quitting;
  char message[512];
  int status;
} terminal_t;

static void end(terminal_t *self, int status, bool is_hasty);

/* --- the local terminal ------------------------------------------------------------------------ */

/* Global, because it is restored from wherever the program ends: exit(), and signals that say it is broken.
   */
static struct termios cooked;
static volatile sig_atomic_t is_raw;

static void restore_tty(void) {
  if (is_raw) tcsetattr(STDIN_FILENO, TCSANOW, &cooked);
  is_raw = 0;
}

static void on_crash(int number) {
  if (is_raw) tcsetattr(STDIN_FILENO, TCSANOW, &cooked); /* allowed in signal handlers */
  raise(number);                                         /* SA_RESETHAND: this time it ends the program */
}

static void make_raw(void) {
  struct termios raw;
  if (tcgetattr(STDIN_FILENO, &cooked) != 0) return;
  raw = cooked;
  cfmakeraw(&raw);
  if (tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0) is_raw = 1;
}

static void guard_tty(void) {
  static const int crashes[] = {SIGABRT, SIGSEGV, SIGBUS, SIGILL, SIGFPE};
  struct sigaction old, ours = {.sa_handler = on_crash, .sa_flags = SA_RESETHAND | SA_NODEFER};
  sigemptyset(&ours.sa_mask);
  atexit(restore_tty);
  for (size_t i = 0; i < sizeof crashes / sizeof crashes[0]; i++)
    if (sigaction(crashes[i], NULL, &old) == 0 && old.sa_handler == SIG_DFL)
      sigaction(crashes[i], &ours, NULL);
}

static void read_size(int *cols, int *rows) {
  struct winsize size = {0};
  for (int fd = 0; fd < 3 && size.ws_col == 0; fd++)
    if (ioctl(fd, TIOCGWINSZ, &size) != 0) size.ws_col = 0;
  *cols = size.ws_col == 0 ? 80 : size.ws_col;
  *rows = size.ws_row == 0 ? 24 : size.ws_row;
  if (*cols > SIZE_MAX_CELLS) *cols = SIZE_MAX_CELLS;
  if (*rows > SIZE_MAX_CELLS) *rows = SIZE_MAX_CELLS;
}

/* One change at a time, so that the last size is the one that stays. */
static void follow_size(terminal_t *self);

static void on_resized(daytona_future_t *future, void *user) {
  terminal_t *self = user;
  self->is_resizing = false;
  if (daytona_future_error(future) == NULL) follow_size(self); /* it may have changed again */
}

static void follow_size(terminal_t *self) {
  int cols, rows;
  read_size(&cols, &rows);
  if (self->pty == NULL || self->is_ending || self->is_resizing || (cols == self->cols && rows == self->rows))
    return;
  self->cols = cols;
  self->rows = rows;
  self->is_resizing = true;
  daytona_future_then(daytona_pty_resize(self->box.sandbox, daytona_pty_id(self->pty), cols, rows, NULL),
                      on_resized, self);
}

static void on_winch(uv_signal_t *handle, int number) {
  (void)number;
  follow_size(handle->data);
}

/* Out of the way, and back when the user's shell continues us. The whole job is stopped, as the terminal
   itself would do it; where nobody could continue it, the default action of SIGTSTP is nothing. */
static void suspend(terminal_t *self) {
  struct sigaction ours, stops = {.sa_handler = SIG_DFL};
  bool was_raw = is_raw;
  restore_tty();
  sigemptyset(&stops.sa_mask);
  sigaction(SIGTSTP, &stops, &ours);
  kill(0, SIGTSTP);
  sigaction(SIGTSTP, &ours, NULL);
  if (was_raw) make_raw();
  follow_size(self);
}

static void on_stop(uv_signal_t *handle, int number) {
  (void)number;
  suspend(handle->data);
}

/* --- input ------------------------------------------------------------------------------------- */

/* Send what is there; if the sandbox is behind, stop reading until it has caught up. */
static void send_typed(terminal_t *self) {
  int rc = self->typed_size == 0 ? 0 : daytona_pty_write(self->pty, self->typed, self->typed_size);
  if (rc == DAYTONA_ELIMIT) {
    local_input_pause(&self->input);
    return; /* on_drained comes back here */
  }
  self->typed_size = 0; /* sent, or the connection is gone, which its outcome tells */
  local_input_resume(&self->input);
}

static void on_drained(daytona_pty_t *pty, void *user) {
  (void)pty;
  if (!((terminal_t *)user)->is_ending) send_typed(user);
}

static void add_typed(terminal_t *self, char c) { self->typed[self->typed_size++] = c; }

/* True: `c` was part of an escape and is not to be typed. */
static bool take_escape(terminal_t *self, char c) {
  bool was_tilde = self->has_tilde;
  self->has_tilde = false;
  if (!was_tilde) return self->has_tilde = self->is_new_line && c == '~';
  if (c == '.') {
    snprintf(self->message, sizeof self->message, "Connection to %s closed.", box_name(&self->box));
    end(self, LOST, true);
  } else if (c == 'Z' - '@') {
    suspend(self);
  } else if (c == '?') {
    local_output_write(&self->output, escapes, sizeof escapes - 1);
  } else {
    add_typed(self, '~');
    return c == '~';
  }
  return true;
}

static void on_input_end(terminal_t *self, ssize_t size) {
  static const char bye[] =
    "\004exit\n"; /* whatever reads now gets an end of file, and the shell is told to go */
  if (self->is_tty) {
    snprintf(self->message, sizeof self->message, "terminal: the local terminal is gone");
    end(self, 128 + SIGHUP, true);
    return;
  }
  if (size < 0) fprintf(stderr, "terminal: stdin: %s\n", uv_strerror((int)size));
  if (!self->is_new_line) add_typed(self, '\n');
  memcpy(self->typed + self->typed_size, bye, sizeof bye - 1);
  self->typed_size += sizeof bye - 1;
  send_typed(self);
}

static void on_input(local_input_t *input, const char *bytes, ssize_t size, void *user) {
  terminal_t *self = user;
  (void)input;
  if (size <= 0) {
    on_input_end(self, size);
    return;
  }
  for (ssize_t i = 0; i < size && !self->is_ending; i++) {
    if (self->is_tty && take_escape(self, bytes[i])) continue;
    add_typed(self, bytes[i]);
    self->is_new_line = bytes[i] == '\r' || bytes[i] == '\n';
  }
  if (!self->is_ending) send_typed(self);
}

static void open_input(terminal_t *self) {
  if (self->is_tty) make_raw();
  self->is_new_line = true;
  if (self->command != NULL) {
    daytona_pty_write(self->pty, self->command, strlen(self->command));
    daytona_pty_write(self->pty, "; exit\n", 7);
    if (!self->is_tty) return; /* a script's stdin is for somebody else */
  }
  int rc = local_input_open(&self->input, self->loop, STDIN_FILENO, on_input, self);
  if (rc != 0) on_input_end(self, rc);
}

/* --- output ------------------------------------------------------------------------------------ */

static void on_output(const daytona_output_t *output, void *user) {
  terminal_t *self = user;
  int rc = local_output_write(&self->output, output->bytes, output->size);
  if (rc != 0) {
    snprintf(self->message, sizeof self->message, "terminal: stdout: %s", uv_strerror(rc));
    end(self, LOST, true);
  } else if (local_output_queued(&self->output) > OUTPUT_HIGH) {
    self->is_output_held = true;
    daytona_pty_pause(output->pty);
  }
}

static void finish(terminal_t *self);

static void on_written(local_output_t *output, void *user) {
  terminal_t *self = user;
  if (self->is_ending)
    finish(self);
  else if (self->is_output_held && local_output_queued(output) <= OUTPUT_LOW) {
    self->is_output_held = false;
    daytona_pty_resume(self->pty);
  }
}

/* --- the end ----------------------------------------------------------------------------------- */

static void close_all(terminal_t *self) {
  local_input_close(&self->input);
  local_output_close(&self->output);
  for (int i = 0; i < ENDING_SIGNALS; i++) uv_close((uv_handle_t *)&self->ending[i], NULL);
  uv_close((uv_handle_t *)&self->winch, NULL);
  uv_close((uv_handle_t *)&self->stop, NULL);
  daytona_client_close(self->client, NULL, NULL);
}

static void on_left(box_t *box, const char *problem, void *user) {
  if (problem != NULL)
    fprintf(stderr, "terminal: the sandbox %s is left behind: %s\n", box_name(box), problem);
  if (box->is_fresh && box->keeps && box->sandbox != NULL)
    fprintf(stderr, "terminal: the sandbox %s was kept\n", box_name(box));
  close_all(user);
}

static void on_killed(daytona_future_t *future, void *user) {
  (void)future; /* it may have ended by itself meanwhile */
  box_close(&((terminal_t *)user)->box);
}

static bool deletes_sandbox(const terminal_t *self) { return self->box.is_fresh && !self->keeps; }

/* Nobody else will end this shell: not its sandbox's end, and no user who comes back to it. */
static bool must_kill(const terminal_t *self) {
  const daytona_stream_end_t *outcome = daytona_pty_end(self->pty);
  if (self->pty == NULL || self->pty_id != NULL || deletes_sandbox(self)) return false;
  return outcome == NULL ||
         (outcome->reason != DAYTONA_STREAM_EXITED && outcome->reason != DAYTONA_STREAM_KILLED);
}

/* All output is on the screen: the terminal is the user's again. */
static void finish(terminal_t *self) {
  daytona_call_opts_t opts = {.timeout_ms = KILL_LIMIT_MS};
  daytona_pty_t *pty = self->pty;
  if (self->is_quitting || self->attach != NULL) return;
  self->is_quitting = true;
  restore_tty();
  if (self->message[0] != '\0') fprintf(stderr, "%s\n", self->message);
  if (must_kill(self))
    daytona_future_then(daytona_pty_kill(self->box.sandbox, daytona_pty_id(pty), &opts), on_killed, self);
  else
    box_close(&self->box);
  self->pty = NULL;
  daytona_pty_release(pty); /* detaches, if it is attached */
}

/* Once, whatever comes first. `is_hasty`: output that the local terminal does not take is given up. */
static void end(terminal_t *self, int status, bool is_hasty) {
  if (self->is_ending) return;
  self->is_ending = true;
  self->status = status;
  local_input_close(&self->input);
  daytona_future_cancel(self->wait);
  daytona_future_release(self->wait);
  self->wait = NULL;
  if (self->pty != NULL) daytona_pty_set_output(self->pty, NULL, NULL);
  if (deletes_sandbox(self))
    daytona_future_cancel(self->attach); /* else what it makes is waited for, and killed */
  if (is_hasty || local_output_queued(&self->output) == 0) finish(self);
}

static void on_outcome(daytona_future_t *future, void *user) {
  terminal_t *self = user;
  const daytona_stream_end_t *outcome = daytona_future_stream_end(future);
  const char *name = box_name(&self->box);
  if (self->is_ending) return;
  int status =
    outcome != NULL && outcome->has_exit_code && outcome->exit_code >= 0 ? outcome->exit_code : LOST;
  if (outcome == NULL)
    snprintf(self->message, sizeof self->message, "terminal: %s", daytona_future_message(future));
  else if (outcome->reason == DAYTONA_STREAM_EXITED && self->is_tty)
    snprintf(self->message, sizeof self->message, "Connection to %s closed.", name);
  else if (outcome->reason == DAYTONA_STREAM_KILLED)
    snprintf(self->message, sizeof self->message, "terminal: the terminal in %s was killed", name);
  else if (outcome->reason != DAYTONA_STREAM_EXITED)
    snprintf(self->message, sizeof self->message, "terminal: connection to %s ended: %s (%s)%s%s", name,
             daytona_stream_reason_text(outcome->reason), outcome->message,
             self->pty_id != NULL ? "\nterminal: the shell goes on; attach again with --pty " : "",
             self->pty_id != NULL ? self->pty_id : "");
  end(self, status, false);
}

/* The first one ends everything in order; with a second one the user does not want to wait for that. */
static void on_ending(uv_signal_t *handle, int number) {
  terminal_t *self = handle->data;
  if (number == SIGHUP && self->is_ending) return; /* that the terminal is gone shows in more than one way */
  if (self->is_quitting || (self->is_ending && self->attach != NULL)) {
    self->status = 128 + number;
    daytona_client_close(self->client, NULL, NULL); /* fails what is pending, which comes to on_left */
    return;
  }
  if (self->is_ending) { /* the rest of the output was waited for */
    finish(self);
    return;
  }
  snprintf(self->message, sizeof self->message, "terminal: %s", strsignal(number));
  end(self, 128 + number, true);
}

/* --- the start --------------------------------------------------------------------------------- */

static void on_attached(daytona_future_t *future, void *user);

static void start_shell(terminal_t *self) {
  daytona_pty_create_opts_t opts = {
    .id = self->pty_id, .cwd = self->cwd, .env = {self->env, self->env_count}};
  opts.attach = (daytona_pty_attach_t){.on_drained = on_drained, .user = self, .buffer_bytes = BEHIND_MAX};
  read_size(&self->cols, &self->rows);
  opts.cols = self->cols;
  opts.rows = self->rows;
  self->attach = daytona_pty_create(self->box.sandbox, &opts);
  daytona_future_then(self->attach, on_attached, self);
}

static void on_attached(daytona_future_t *future, void *user) {
  terminal_t *self = user;
  daytona_pty_t *pty = daytona_future_pty(future);
  const daytona_error_t *error = daytona_future_error(future);
  self->attach = NULL;
  self->pty = daytona_pty_retain(pty);
  if (self->is_ending) {
    finish(self); /* a signal came meanwhile */
  } else if (pty == NULL) {
    snprintf(self->message, sizeof self->message, "terminal: %s", error->message);
    end(self, LOST, true);
  } else {
    self->wait = daytona_pty_wait(pty);
    daytona_future_on_settled(self->wait, on_outcome, self);
    open_input(self);
    daytona_pty_set_output(pty, on_output, self); /* what came before this was kept */
    follow_size(self);
  }
}

static void on_reattached(daytona_future_t *future, void *user) {
  terminal_t *self = user;
  if (daytona_error_is(daytona_future_error(future), DAYTONA_ENOTFOUND) && !self->is_ending)
    start_shell(self);
  else
    on_attached(future, user);
}

static void on_box(box_t *box, const char *problem, void *user) {
  terminal_t *self = user;
  daytona_pty_connect_opts_t opts = {
    .attach = {.on_drained = on_drained, .user = self, .buffer_bytes = BEHIND_MAX}};
  if (problem != NULL) {
    snprintf(self->message, sizeof self->message, "terminal: %s", problem);
    end(self, LOST, true);
  } else if (self->pty_id != NULL) {
    self->attach = daytona_pty_connect(box->sandbox, self->pty_id, &opts);
    daytona_future_then(self->attach, on_reattached, self);
  } else {
    start_shell(self);
  }
}

static bool add_env(terminal_t *self, char *text) {
  char *equals = strchr(text, '=');
  if (equals == NULL || equals == text || self->env_count == ENV_MAX) return false;
  *equals = '\0';
  self->env[self->env_count++] = (daytona_pair_t){text, equals + 1};
  return true;
}

/* 0, or the exit code + 1: 1 after --help. */
static int read_options(terminal_t *self, int argc, char **argv) {
  static const struct option options[] = {
    {"command", required_argument, NULL, 'c'},
    {"pty", required_argument, NULL, 'p'},
    {"env", required_argument, NULL, 'e'},
    {"cwd", required_argument, NULL, 'C'},
    {"keep", no_argument, NULL, 'k'},
    {"help", no_argument, NULL, 'h'},
    {0},
  };
  int c;
  while ((c = getopt_long(argc, argv, "c:p:e:C:kh", options, NULL)) != -1) {
    if (c == 'c') self->command = optarg;
    if (c == 'p') self->pty_id = optarg;
    if (c == 'C') self->cwd = optarg;
    if (c == 'k') self->keeps = true;
    if (c == 'h') return fputs(usage, stdout), 1;
    if (c == '?' || (c == 'e' && !add_env(self, optarg))) return fputs(usage, stderr), 3;
  }
  self->sandbox = optind < argc ? argv[optind++] : NULL;
  if (optind < argc || (self->pty_id != NULL && self->sandbox == NULL && !self->keeps))
    return fputs(usage, stderr), 3;
  return 0;
}

static void open_signals(terminal_t *self) {
  signal(SIGPIPE, SIG_IGN); /* a reader that went away shows as an error of write */
  for (int i = 0; i < ENDING_SIGNALS; i++) {
    uv_signal_init(self->loop, &self->ending[i]);
    self->ending[i].data = self;
    uv_signal_start(&self->ending[i], on_ending, ending_signals[i]);
  }
  uv_signal_init(self->loop, &self->winch);
  uv_signal_init(self->loop, &self->stop);
  self->winch.data = self->stop.data = self;
  uv_signal_start(&self->winch, on_winch, SIGWINCH);
  uv_signal_start(&self->stop, on_stop, SIGTSTP);
}

int main(int argc, char **argv) {
  static terminal_t self; /* zeroed */
  char reason[256];
  const char *term = getenv("TERM");
  self.loop = uv_default_loop();
  self.is_tty = isatty(STDIN_FILENO);
  if (term != NULL && self.is_tty) self.env[self.env_count++] = (daytona_pair_t){"TERM", term};
  int stops = read_options(&self, argc, argv);
  if (stops != 0) return stops - 1;
  if (daytona_client_new(self.loop, NULL, &self.client) != 0) { /* NULL: from the environment */
    daytona_config_check(NULL, reason, sizeof reason);
    fprintf(stderr, "terminal: %s\n", reason);
    return LOST;
  }
  guard_tty();
  open_signals(&self);
  local_output_open(&self.output, self.loop, STDOUT_FILENO, on_written,
                    &self); /* writing tells what went wrong */
  box_open(&self.box, self.client, self.sandbox, self.keeps, on_box, on_left, &self);
  uv_run(self.loop, UV_RUN_DEFAULT);
  daytona_client_release(self.client);
  return uv_loop_close(self.loop) != 0 ? LOST : self.status;
}
