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
#include "terminal.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/tty.h"

/* What is kept of the output while it is stopped. The protocol cannot make the sandbox wait: a client that
   falls further behind than this, and than what the server keeps, is dropped. */
enum { BEHIND_MAX = 16 * 1024 * 1024, KILL_LIMIT_MS = 5000 };

static const char usage[] =
  "usage: terminal [OPTIONS] [SANDBOX]\n"
  "Attach this terminal to a shell in a sandbox: SANDBOX, an id or name, or a fresh one\n"
  "that is deleted afterwards. The exit code is the shell's; 255 when the connection failed.\n"
  "Escapes, at the beginning of a line:  ~.  disconnect   ~^Z  suspend   ~~  a tilde   ~?  help\n"
  "Without a terminal as stdin its lines are typed into the shell, and then `exit`.\n";

/* --- the end ----------------------------------------------------------------------------------- */

static void on_left(void *user) {
  terminal_t *self = user;
  local_input_close(&self->input);
  window_close(self);
}

static void on_killed(daytona_future_t *future, void *user) {
  (void)future; /* it may have ended by itself meanwhile */
  stage_leave(&((terminal_t *)user)->stage);
}

/* Nobody else will end this shell: not its sandbox's end, and no user who comes back to it. */
static bool must_kill(const terminal_t *self) {
  const daytona_stream_end_t *outcome = daytona_pty_end(self->pty);
  if (self->pty == NULL || self->pty_id != NULL || stage_deletes_sandbox(&self->stage)) return false;
  return outcome == NULL ||
         (outcome->reason != DAYTONA_STREAM_EXITED && outcome->reason != DAYTONA_STREAM_KILLED);
}

/* All output is on the screen: the terminal is the user's again. */
static void finish(terminal_t *self) {
  daytona_call_opts_t opts = {.timeout_ms = KILL_LIMIT_MS};
  daytona_pty_t *pty = self->pty;
  if (self->is_quitting || self->attach != NULL) return;
  self->is_quitting = true;
  tty_restore();
  stage_print_message(&self->stage);
  if (must_kill(self))
    daytona_future_then(daytona_pty_kill(self->stage.box.sandbox, daytona_pty_id(pty), &opts), on_killed,
                        self);
  else
    stage_leave(&self->stage);
  self->pty = NULL;
  daytona_pty_release(pty); /* detaches, if it is attached */
}

void terminal_end(void *user, int status, bool is_hasty) {
  terminal_t *self = user;
  if (self->is_ending) return;
  self->is_ending = true;
  self->stage.status = status;
  local_input_close(&self->input);
  daytona_future_cancel(self->wait);
  daytona_future_release(self->wait);
  self->wait = self->stage.printer.stream = NULL;
  if (self->pty != NULL) daytona_pty_set_output(self->pty, NULL, NULL);
  if (stage_deletes_sandbox(&self->stage))
    daytona_future_cancel(self->attach); /* else what it makes is waited for, and killed */
  if (is_hasty || printer_is_empty(&self->stage.printer)) finish(self);
}

static void on_outcome(daytona_future_t *future, void *user) {
  terminal_t *self = user;
  const daytona_stream_end_t *outcome = daytona_future_stream_end(future);
  const char *name = box_name(&self->stage.box);
  if (self->is_ending) return;
  int status =
    outcome != NULL && outcome->has_exit_code && outcome->exit_code >= 0 ? outcome->exit_code : LOST;
  if (outcome == NULL)
    stage_say(&self->stage, "%s", daytona_future_message(future));
  else if (outcome->reason == DAYTONA_STREAM_EXITED && self->is_tty)
    snprintf(self->stage.message, sizeof self->stage.message, "Connection to %s closed.", name);
  else if (outcome->reason == DAYTONA_STREAM_KILLED)
    stage_say(&self->stage, "the terminal in %s was killed", name);
  else if (outcome->reason != DAYTONA_STREAM_EXITED)
    stage_say(&self->stage, "connection to %s ended: %s (%s)%s%s", name,
              daytona_stream_reason_text(outcome->reason), outcome->message,
              self->pty_id != NULL ? "\nterminal: the shell goes on; attach again with --pty " : "",
              self->pty_id != NULL ? self->pty_id : "");
  terminal_end(self, status, false);
}

static void on_written(void *user) {
  if (((terminal_t *)user)->is_ending) finish(user);
}

/* The first one ends everything in order; with a second one the user does not want to wait for that. */
static void on_ending(int number, void *user) {
  terminal_t *self = user;
  if (number == SIGHUP && self->is_ending) return; /* that the terminal is gone shows in more than one way */
  if (self->is_quitting || (self->is_ending && self->attach != NULL)) {
    stage_abandon(&self->stage, 128 + number);
  } else if (self->is_ending) { /* the rest of the output was waited for */
    finish(self);
  } else {
    stage_say(&self->stage, "%s", strsignal(number));
    terminal_end(self, 128 + number, true);
  }
}

/* --- the start --------------------------------------------------------------------------------- */

static void on_drained(daytona_pty_t *pty, void *user) {
  (void)pty;
  if (!((terminal_t *)user)->is_ending) typing_send(user);
}

static void on_attached(daytona_future_t *future, void *user);

static void start_shell(terminal_t *self) {
  daytona_pty_create_opts_t opts = {
    .id = self->pty_id, .cwd = self->cwd, .env = {self->env.items, self->env.count}};
  opts.attach = (daytona_pty_attach_t){.on_drained = on_drained, .user = self, .buffer_bytes = BEHIND_MAX};
  window_read(&self->cols, &self->rows);
  opts.cols = self->cols;
  opts.rows = self->rows;
  self->attach = daytona_pty_create(self->stage.box.sandbox, &opts);
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
    stage_say(&self->stage, "%s", error->message);
    terminal_end(self, LOST, true);
  } else {
    self->wait = self->stage.printer.stream = daytona_pty_wait(pty);
    daytona_future_on_settled(self->wait, on_outcome, self);
    typing_open(self);
    daytona_pty_set_output(pty, printer_on_output, &self->stage.printer); /* what came before this was kept */
    window_follow(self);
  }
}

static void on_reattached(daytona_future_t *future, void *user) {
  terminal_t *self = user;
  if (daytona_error_is(daytona_future_error(future), DAYTONA_ENOTFOUND) && !self->is_ending)
    start_shell(self);
  else
    on_attached(future, user);
}

static void on_opened(void *user) {
  terminal_t *self = user;
  daytona_pty_connect_opts_t opts = {
    .attach = {.on_drained = on_drained, .user = self, .buffer_bytes = BEHIND_MAX}};
  if (self->pty_id == NULL) {
    start_shell(self);
  } else {
    self->attach = daytona_pty_connect(self->stage.box.sandbox, self->pty_id, &opts);
    daytona_future_then(self->attach, on_reattached, self);
  }
}

static void read_options(terminal_t *self, int argc, char **argv) {
  const option_row_t rows[] = {
    {'c', "command", "TEXT", "type this line and leave when it has run, with its exit code",
     .text = &self->command},
    {'p', "pty", "ID", "attach to the terminal ID of SANDBOX, or start it, and leave it running",
     .text = &self->pty_id},
    {'e', "env", "NAME=VALUE", "set a variable for the shell (may be repeated)", .pairs = &self->env},
    {'C', "cwd", "DIR", "start there", .text = &self->cwd},
    {'k', "keep", NULL, "keep the fresh sandbox", .flag = &self->stage.keeps},
  };
  int first = parse_options(argc, argv, usage, rows, sizeof rows / sizeof rows[0]);
  if (argc - first > 1) refuse_arguments(usage, "one SANDBOX at most");
  self->stage.sandbox = argv[first];
  if (self->pty_id != NULL && self->stage.sandbox == NULL && !self->stage.keeps)
    refuse_arguments(usage, "--pty: of which SANDBOX?");
}

int main(int argc, char **argv) {
  static const stage_events_t events = {.on_opened = on_opened,
                                        .on_signal = on_ending,
                                        .on_written = on_written,
                                        .end = terminal_end,
                                        .on_left = on_left};
  static terminal_t self = {.stage = {.program = "terminal", .failed = LOST}};
  const char *term = getenv("TERM");
  self.is_tty = isatty(STDIN_FILENO);
  if (term != NULL && self.is_tty) self.env.items[self.env.count++] = (daytona_pair_t){"TERM", term};
  read_options(&self, argc, argv);
  tty_guard();
  window_open(&self);
  return stage_run(&self.stage, &events, &self);
}
