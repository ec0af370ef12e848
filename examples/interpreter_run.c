/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The context of the interpreter example, and the cell that runs in it: how it is begun, shown and interrupted.
 */
#include "interpreter.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Sent once per context. The protocol shows no values, so this does: a cell's last expression, if it is one.
   It is compiled under a name of its own, because tracebacks leave out what is not the user's. */
static const char setup[] =
  "exec(compile('''\n"
  "import ast, builtins, os\n"
  "def cell(names, number, source):\n"
  "    tree, last = ast.parse(source, '<string>'), None\n"
  "    if tree.body and isinstance(tree.body[-1], ast.Expr):\n"
  "        last = ast.Expression(tree.body.pop().value)\n"
  "    exec(compile(tree, '<string>', 'exec', dont_inherit=True), names)\n"
  "    value = None if last is None else eval(compile(last, '<string>', 'eval', dont_inherit=True), names)\n"
  "    if value is not None:\n"
  "        names['_'] = value\n"
  "        print(f'Out[{number}]: {value!r}')\n"
  "builtins.__cell__ = cell\n"
  "print(os.getpid())\n"
  "''', '<notebook>', 'exec'), {})\n";

/* --- contexts ---------------------------------------------------------------------------------- */

void run_drop(notebook_t *self) {
  daytona_future_t *run = self->run;
  self->run = self->stage.printer.stream = NULL;
  daytona_future_cancel(run);
  daytona_future_release(run);
}

/* The context is there, and its Python said which process it is: another one than before has no variables. */
static void on_set_up(daytona_future_t *future, void *user) {
  notebook_t *self = user;
  const daytona_interpreter_run_result_t *result = daytona_future_interpreter_run_result(future);
  if (self->phase >= ENDING) return;
  long pid = result != NULL ? strtol(result->out.data, NULL, 10) : 0;
  if (pid <= 0) {
    notebook_fail(self, result == NULL          ? daytona_future_message(future)
                        : result->error != NULL ? result->error->traceback
                                                : "this Python cannot be used");
    return;
  }
  if (self->pid != 0 && pid != self->pid)
    notebook_say(self, "interpreter: Python was started again: all variables are gone");
  self->pid = pid;
  notebook_ready(self);
}

static void look(notebook_t *self) {
  daytona_interpreter_run_code_opts_t opts = {.context_id = self->context};
  self->phase = STARTING;
  daytona_future_then(daytona_interpreter_run_code(self->stage.box.sandbox, setup, &opts), on_set_up, self);
}

static void on_context(daytona_future_t *future, void *user) {
  notebook_t *self = user;
  const daytona_interpreter_context_t *context = daytona_future_interpreter_context(future);
  if (self->phase >= ENDING) return; /* on its way out; the context goes with the sandbox, or is idle */
  if (context != NULL) self->context = strdup(context->id);
  if (self->context == NULL)
    notebook_fail(self, context == NULL ? daytona_future_message(future) : "out of memory");
  else
    look(self);
}

void run_open_context(notebook_t *self) {
  daytona_future_then(daytona_interpreter_create_context(self->stage.box.sandbox, NULL), on_context, self);
}

static void on_reset(daytona_future_t *future, void *user) {
  notebook_t *self = user;
  const daytona_error_t *error = daytona_future_error(future);
  if (self->phase >= ENDING) return;
  if (error != NULL && !daytona_error_is(error, DAYTONA_ENOTFOUND)) {
    notebook_fail(self, error->message);
    return;
  }
  free(self->context);
  self->context = NULL;
  run_open_context(self);
}

void run_reset(notebook_t *self) {
  run_drop(self);
  cells_clear(&self->cells);
  self->phase = STARTING;
  self->pid = 0;
  daytona_future_then(daytona_interpreter_delete_context(self->stage.box.sandbox, self->context, NULL),
                      on_reset, self);
}

/* --- running a cell ---------------------------------------------------------------------------- */

/* What is behind `prefix`, or NULL if the text does not begin with it. */
static const char *behind(const char *text, const char *prefix) {
  size_t size = strlen(prefix);
  return strncmp(text, prefix, size) == 0 ? text + size : NULL;
}

/* The first frame is the one of our own call and says nothing to the user. */
static void show_exception(notebook_t *self, const daytona_interpreter_run_error_t *error) {
  static const char head[] = "Traceback (most recent call last):\n";
  const char *frames = behind(error->traceback, head);
  const char *rest = frames != NULL ? behind(frames, "  File \"<stdin>\", line 1\n") : NULL;
  if (!self->is_at_margin) notebook_print(self, true, "\n", 1);
  if (rest != NULL && behind(rest, "  File ") != NULL) notebook_print(self, true, head, strlen(head));
  if (rest == NULL) rest = error->traceback;
  if (rest[0] == '\0')
    notebook_say(self, "%s: %s", error->name, error->value);
  else
    notebook_print(self, true, rest, strlen(rest));
}

static bool show_outcome(notebook_t *self, daytona_future_t *future) {
  const daytona_interpreter_run_result_t *result = daytona_future_interpreter_run_result(future);
  const daytona_error_t *error = daytona_future_error(future);
  if (result != NULL && result->error != NULL)
    show_exception(self, result->error);
  else if (self->was_interrupted && daytona_error_is(error, DAYTONA_ETIMEOUT))
    notebook_say(self, "KeyboardInterrupt");
  else if (error != NULL)
    notebook_say(self, "interpreter: %s", error->message);
  if (self->is_timed || self->shows_time)
    notebook_say(self, "took %.3f s", (double)(uv_hrtime() - self->began_ns) / 1e9);
  return error == NULL && result->error == NULL;
}

static void on_run(daytona_future_t *future, void *user) {
  notebook_t *self = user;
  if (future != self->run) return; /* given up */
  bool is_good = show_outcome(self, future), was_interrupted = self->was_interrupted;
  if (self->phase >= ENDING) return;
  bool is_sound = daytona_future_error(future) == NULL && !was_interrupted;
  daytona_future_release(self->run);
  self->run = self->stage.printer.stream = NULL;
  self->stage.printer.is_held = self->is_timed = self->was_interrupted = false;
  self->phase = STARTING;
  if (!is_good && !self->is_interactive)
    notebook_quit(self, was_interrupted ? 128 + SIGINT : CELL_FAILED, false);
  else if (self->is_interrupting)
    return; /* the interrupt may hit whatever comes next: on_interrupted goes on */
  else if (is_sound)
    notebook_ready(self);
  else
    look(self);
}

static void on_output(const daytona_output_t *output, void *user) {
  notebook_print(user, output->stream == DAYTONA_OUTPUT_STDERR, output->bytes, output->size);
}

void run_cell(notebook_t *self, const char *source) {
  daytona_interpreter_run_code_opts_t opts = {
    .context_id = self->context,
    .env = {self->env, self->env_count},
    .timeout_ms = self->timeout_ms != 0 ? self->timeout_ms : DAYTONA_NO_TIMEOUT,
    .max_output_bytes = 1, /* it was printed, nobody asks for it again */
    .on_stdout = on_output,
    .on_stderr = on_output,
    .user = self};
  char *code = cells_call("__cell__", self->number + 1, source);
  if (code == NULL) {
    notebook_fail(self, "out of memory");
    return;
  }
  self->number++;
  self->phase = RUNNING;
  self->began_ns = uv_hrtime();
  self->run = self->stage.printer.stream = daytona_interpreter_run_code(self->stage.box.sandbox, code, &opts);
  daytona_future_on_settled(self->run, on_run, self);
  free(code);
}

static void on_interrupted(daytona_future_t *future, void *user) {
  notebook_t *self = user;
  const daytona_exec_result_t *result = daytona_future_exec_result(future);
  self->is_interrupting = false;
  if (self->phase == RUNNING && result == NULL)
    notebook_say(self, "interpreter: not interrupted: %s", daytona_future_message(future));
  if (self->phase == STARTING && self->run == NULL && self->pid != 0)
    look(self); /* the cell ended meanwhile */
}

void run_interrupt(notebook_t *self) {
  char command[64];
  daytona_process_exec_opts_t opts = {.timeout_ms = 10000, .leaves_running = true};
  if (self->was_interrupted && !self->is_interactive) {
    notebook_quit(self, 128 + SIGINT, true);
    return;
  }
  if (self->was_interrupted) {
    notebook_say(self, "interpreter: ending the context");
    self->was_interrupted = false;
    run_reset(self);
    return;
  }
  self->was_interrupted = self->is_interrupting = true;
  if (self->is_interactive) self->is_at_margin = false; /* the terminal shows ^C */
  snprintf(command, sizeof command, "kill -INT %ld", self->pid);
  daytona_future_then(daytona_process_exec(self->stage.box.sandbox, command, &opts), on_interrupted, self);
}
