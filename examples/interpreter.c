/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small Python notebook on the command line: cells run one after another in a context of a sandbox, which
 * keeps their variables, and print as they go.
 *
 *   daytona-local run -- interpreter               type cells, in a fresh sandbox
 *   daytona-local run -- interpreter notebook.py   run a file whose cells are separated by lines with `# %%`
 *
 * What is worth a look: output is streamed and paused when this side is slow; an exception is a result, not a
 * failure; and Ctrl-C. The protocol has no call that interrupts a run. But its Python is a process of the
 * sandbox, so this program asks for its number and sends it a SIGINT with an ordinary command: the code sees
 * a KeyboardInterrupt, and the variables stay. Code that catches it goes on; a second Ctrl-C ends the
 * context, and its variables with it.
 */
#include "interpreter.h"

#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DELETE_LIMIT_MS = 10 * 1000 };

static const char usage[] =
  "usage: interpreter [OPTIONS] [FILE]\n"
  "Run Python cells in a sandbox, in one context that keeps its variables. From a terminal a cell\n"
  "ends when it is complete, a block with an empty line. In a FILE, or when stdin is no terminal,\n"
  "cells are separated by lines that begin with `# %%`; the first one that fails ends it with 1.\n"
  "Ctrl-C interrupts a cell, a second one also takes the variables away. %help lists the commands.\n"
  "For a history and editing: rlwrap interpreter.\n";

/* --- output ------------------------------------------------------------------------------------ */

void notebook_print(notebook_t *self, bool is_stderr, const char *text, size_t size) {
  if (size == 0) return;
  self->is_at_margin = text[size - 1] == '\n';
  printer_print(&self->stage.printer, is_stderr, text, size);
}

/* A line of our own, on a line of its own. */
void notebook_say(notebook_t *self, const char *format, ...) {
  char text[1024];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text - 1, format, arguments);
  va_end(arguments);
  strcat(text, "\n");
  if (!self->is_at_margin) notebook_print(self, true, "\n", 1);
  notebook_print(self, true, text, strlen(text));
}

static void prompt(notebook_t *self) {
  char text[32];
  if (!self->is_interactive) return;
  if (!self->is_at_margin) notebook_print(self, false, "\n", 1);
  if (cells_is_empty(&self->cells))
    snprintf(text, sizeof text, "In [%d]: ", self->number + 1);
  else
    snprintf(text, sizeof text, "   ...: ");
  notebook_print(self, false, text, strlen(text));
  self->is_at_margin = true; /* as far as the next line is concerned: the user's Return moves on */
}

static void leave(notebook_t *self);

static void on_written(void *user) {
  if (((notebook_t *)user)->phase == ENDING) leave(user);
}

/* --- the end ----------------------------------------------------------------------------------- */

static void on_left(void *user) { local_input_close(&((notebook_t *)user)->input); }

static void on_context_gone(daytona_future_t *future, void *user) {
  (void)future; /* with its sandbox gone or out of reach there is nothing more to do for it */
  stage_leave(&((notebook_t *)user)->stage);
}

static void leave(notebook_t *self) {
  daytona_call_opts_t opts = {.timeout_ms = DELETE_LIMIT_MS};
  if (self->phase == LEAVING) return;
  self->phase = LEAVING;
  stage_print_message(&self->stage);
  if (self->context != NULL && !stage_deletes_sandbox(&self->stage))
    daytona_future_then(daytona_interpreter_delete_context(self->stage.box.sandbox, self->context, &opts),
                        on_context_gone, self);
  else
    stage_leave(&self->stage);
}

void notebook_quit(void *user, int status, bool is_hasty) {
  notebook_t *self = user;
  if (self->phase < ENDING) {
    self->phase = ENDING;
    self->stage.status = status;
    local_input_close(&self->input);
    run_drop(self);
  }
  if (is_hasty || printer_is_empty(&self->stage.printer)) leave(self);
}

void notebook_fail(notebook_t *self, const char *problem) {
  notebook_say(self, "interpreter: %s", problem);
  notebook_quit(self, FAILED, false);
}

/* --- input ------------------------------------------------------------------------------------- */

/* As many lines as can be dealt with: until a cell runs, or there are no more. */
static void pump(notebook_t *self) {
  while (self->phase == READY) {
    cells_event_t event = cells_next(&self->cells, self->has_input_ended);
    if (event.kind == CELLS_MORE && self->has_input_ended) {
      if (self->is_interactive) notebook_print(self, false, "\n", 1);
      notebook_quit(self, EXIT_SUCCESS, false);
    } else if (event.kind == CELLS_MORE) {
      local_input_resume(&self->input);
      return;
    } else if (event.kind == CELLS_TOO_LONG) {
      notebook_fail(self, "a cell is too long");
    } else if (event.kind == CELLS_COMMAND) {
      run_command(self, event.text);
    } else if (event.kind == CELLS_CELL) {
      run_cell(self, event.text);
    }
    if (self->phase == READY) prompt(self);
  }
  local_input_pause(&self->input);
}

static void on_input(local_input_t *input, const char *bytes, ssize_t size, void *user) {
  notebook_t *self = user;
  if (size <= 0)
    self->has_input_ended = true;
  else if (!cells_add(&self->cells, bytes, (size_t)size)) {
    notebook_fail(self, "out of memory");
    return;
  }
  local_input_pause(input);
  pump(self);
}

void notebook_ready(notebook_t *self) {
  self->phase = READY;
  prompt(self);
  pump(self);
}

/* --- signals ----------------------------------------------------------------------------------- */

static void on_signal(int number, void *user) {
  notebook_t *self = user;
  if (number == SIGHUP && self->phase >= ENDING)
    return;                    /* that the terminal is gone shows in more than one way */
  if (self->phase >= ENDING) { /* the user does not want to wait */
    stage_abandon(&self->stage, 128 + number);
    notebook_quit(self, 128 + number, true);
  } else if (number == SIGINT && self->phase == RUNNING) {
    run_interrupt(self);
  } else if (number == SIGINT && self->phase == READY && self->is_interactive) {
    cells_clear(&self->cells); /* what was typed so far */
    self->is_at_margin = false;
    prompt(self);
  } else {
    notebook_quit(self, 128 + number, true);
  }
}

/* --- the start --------------------------------------------------------------------------------- */

static void on_opened(void *user) {
  notebook_t *self = user;
  int rc = local_input_open(&self->input, self->stage.loop, self->fd, on_input, self);
  if (rc != 0) {
    notebook_fail(self, uv_strerror(rc));
    return;
  }
  local_input_pause(&self->input);
  if (self->is_interactive)
    notebook_say(self, "Python in the sandbox %s. %%help lists the commands.", box_name(&self->stage.box));
  run_open_context(self);
}

static void read_options(notebook_t *self, int argc, char **argv) {
  const option_row_t rows[] = {
    {'s', "sandbox", "ID", "in this sandbox (id or name) and not in a fresh one",
     .text = &self->stage.sandbox},
    {'k', "keep", NULL, "keep the fresh sandbox", .flag = &self->stage.keeps},
    {'t', "timeout", "SECONDS", "of each cell; without it there is none", .ms = &self->timeout_ms},
  };
  int first = parse_options(argc, argv, usage, rows, sizeof rows / sizeof rows[0]);
  if (argc - first > 1) refuse_arguments(usage, "one FILE at most");
  self->fd = first < argc ? open(argv[first], O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
  if (self->fd >= 0) return;
  perror(argv[first]);
  exit(2);
}

static void clear(notebook_t *self) {
  for (size_t i = 0; i < self->env_count; i++) {
    free((char *)self->env[i].key);
    free((char *)self->env[i].value);
  }
  free(self->context);
  cells_free(&self->cells);
  if (self->fd != STDIN_FILENO) close(self->fd);
}

int main(int argc, char **argv) {
  static const stage_events_t events = {.on_opened = on_opened,
                                        .on_signal = on_signal,
                                        .on_written = on_written,
                                        .end = notebook_quit,
                                        .on_left = on_left};
  static notebook_t self = {.stage = {.program = "interpreter", .failed = FAILED}, .is_at_margin = true};
  read_options(&self, argc, argv);
  self.is_interactive = isatty(self.fd);
  cells_init(&self.cells, self.is_interactive);
  int status = stage_run(&self.stage, &events, &self);
  clear(&self);
  return status;
}
