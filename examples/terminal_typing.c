/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is typed into the terminal example: on its way to the sandbox it waits when that is slow, and a tilde at the beginning
 * of a line is for this program.
 */
#include "terminal.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "shared/tty.h"

static const char escapes[] = "\r\nEscapes: ~. disconnect, ~^Z suspend, ~~ a tilde, ~? this\r\n";

/* --- input ------------------------------------------------------------------------------------- */

/* Send what is there; if the sandbox is behind, stop reading until it has caught up. */
void typing_send(terminal_t *self) {
  int rc = self->typed_size == 0 ? 0 : daytona_pty_write(self->pty, self->typed, self->typed_size);
  if (rc == DAYTONA_ELIMIT) {
    local_input_pause(&self->input);
    return; /* it drains, and comes back here */
  }
  self->typed_size = 0; /* sent, or the connection is gone, which its outcome tells */
  local_input_resume(&self->input);
}

static void add_typed(terminal_t *self, char c) { self->typed[self->typed_size++] = c; }

/* True: `c` was part of an escape and is not to be typed. */
static bool take_escape(terminal_t *self, char c) {
  bool was_tilde = self->has_tilde;
  self->has_tilde = false;
  if (!was_tilde) return self->has_tilde = self->is_new_line && c == '~';
  if (c == '.') {
    snprintf(self->stage.message, sizeof self->stage.message, "Connection to %s closed.",
             box_name(&self->stage.box));
    terminal_end(self, LOST, true);
  } else if (c == 'Z' - '@') {
    window_suspend(self);
  } else if (c == '?') {
    printer_print(&self->stage.printer, false, escapes, sizeof escapes - 1);
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
    stage_say(&self->stage, "the local terminal is gone");
    terminal_end(self, 128 + SIGHUP, true);
    return;
  }
  if (size < 0) fprintf(stderr, "terminal: stdin: %s\n", uv_strerror((int)size));
  if (!self->is_new_line) add_typed(self, '\n');
  memcpy(self->typed + self->typed_size, bye, sizeof bye - 1);
  self->typed_size += sizeof bye - 1;
  typing_send(self);
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
  if (!self->is_ending) typing_send(self);
}

void typing_open(terminal_t *self) {
  if (self->is_tty) tty_make_raw();
  self->is_new_line = true;
  if (self->command != NULL) {
    daytona_pty_write(self->pty, self->command, strlen(self->command));
    daytona_pty_write(self->pty, "; exit\n", 7);
    if (!self->is_tty) return; /* a script's stdin is for somebody else */
  }
  int rc = local_input_open(&self->input, self->stage.loop, STDIN_FILENO, on_input, self);
  if (rc != 0) on_input_end(self, rc);
}
