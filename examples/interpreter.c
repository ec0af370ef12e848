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
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <uv.h>

#include <daytona/daytona.h>

#include "shared/box.h"
#include "shared/local_io.h"
#include "interpreter_cells.h"

enum { OUTPUT_HIGH = 256 * 1024, ENV_MAX = 64, DELETE_LIMIT_MS = 10 * 1000 };
enum { CELL_FAILED = 1, FAILED = 255 };

static const char usage[] =
  "usage: interpreter [OPTIONS] [FILE]\n"
  "Run Python cells in a sandbox, in one context that keeps its variables. From a terminal a cell\n"
  "ends when it is complete, a block with an empty line. In a FILE, or when stdin is no terminal,\n"
  "cells are separated by lines that begin with `# %%`; the first one that fails ends it with 1.\n"
  "\n"
  "  -s, --sandbox ID     in this sandbox (id or name) and not in a fresh one\n"
  "  -k, --keep           keep the fresh sandbox\n"
  "  -t, --timeout SECONDS  of each cell; without it there is none\n"
  "  -h, --help           this text\n"
  "\n"
  "Ctrl-C interrupts a cell, a second one also takes the variables away. %help lists the commands.\n"
  "For a history and editing: rlwrap interpreter.\n";

static const char help[] =
  "%env NAME=VALUE   set an environment variable for the cells to come; %env shows them\n"
  "%time [CODE]      tell how long CODE takes; alone: every cell, or no longer\n"
  "%reset            begin again without variables\n"
  "%quit [STATUS]    leave, as at the end of the input\n";

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

static const int ending_signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
enum { ENDING_SIGNALS = sizeof ending_signals / sizeof ending_signals[0] };

typedef enum phase { STARTING, READY, RUNNING, ENDING, LEAVING } phase_t;

typedef struct notebook {
  uv_loop_t *loop;
  daytona_client_t *client;
  box_t box;
  phase_t phase;
  /* what was asked for */
  const char *sandbox;
  int64_t timeout_ms;
  bool keeps, is_interactive, shows_time;
  int fd;
  /* this side */
  local_input_t input;
  local_output_t out, err;
  uv_signal_t ending[ENDING_SIGNALS];
  cells_t cells;
  bool has_input_ended, is_at_margin, is_held;
  /* over there */
  char *context;
  long pid; /* of its Python */
  daytona_pair_t env[ENV_MAX];
  size_t env_count;
  /* the cell that runs */
  daytona_future_t *run;
  int number;
  uint64_t began_ns;
  bool is_timed, was_interrupted, is_interrupting;
  int status;
} notebook_t;

static void ready(notebook_t *self);
static void quit(notebook_t *self, int status, bool is_hasty);

/* --- output ------------------------------------------------------------------------------------ */

static void print(notebook_t *self, local_output_t *to, const char *text, size_t size) {
  if (size == 0) return;
  self->is_at_margin = text[size - 1] == '\n';
  int rc = local_output_write(to, text, size);
  if (rc != 0) {
    quit(self, rc == UV_EPIPE ? 128 + SIGPIPE : FAILED, true); /* nobody is there to be told */
  } else if (local_output_queued(to) > OUTPUT_HIGH && self->run != NULL) {
    self->is_held = true;
    daytona_future_pause(self->run);
  }
}

/* A line of our own, on a line of its own. */
static void say(notebook_t *self, const char *format, ...) {
  char text[1024];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text - 1, format, arguments);
  va_end(arguments);
  strcat(text, "\n");
  if (!self->is_at_margin) print(self, &self->err, "\n", 1);
  print(self, &self->err, text, strlen(text));
}

static void on_output(const daytona_output_t *output, void *user) {
  notebook_t *self = user;
  print(self, output->stream == DAYTONA_OUTPUT_STDERR ? &self->err : &self->out, output->bytes, output->size);
}

static void leave(notebook_t *self);

static bool is_all_written(const notebook_t *self) {
  return local_output_queued(&self->out) == 0 && local_output_queued(&self->err) == 0;
}

static void on_written(local_output_t *output, void *user) {
  notebook_t *self = user;
  (void)output;
  if (!is_all_written(self)) return;
  if (self->phase == ENDING) leave(self);
  if (self->is_held) daytona_future_resume(self->run);
  self->is_held = false;
}

static void prompt(notebook_t *self) {
  char text[32];
  if (!self->is_interactive) return;
  if (!self->is_at_margin) print(self, &self->out, "\n", 1);
  if (cells_is_empty(&self->cells))
    snprintf(text, sizeof text, "In [%d]: ", self->number + 1);
  else
    snprintf(text, sizeof text, "   ...: ");
  print(self, &self->out, text, strlen(text));
  self->is_at_margin = true; /* as far as the next line is concerned: the user's Return moves on */
}

/* --- the end ----------------------------------------------------------------------------------- */

static void on_left(box_t *box, const char *problem, void *user) {
  notebook_t *self = user;
  if (problem != NULL)
    fprintf(stderr, "interpreter: the sandbox %s is left behind: %s\n", box_name(box), problem);
  if (box->is_fresh && box->keeps && box->sandbox != NULL)
    fprintf(stderr, "interpreter: the sandbox %s was kept\n", box_name(box));
  local_input_close(&self->input);
  local_output_close(&self->out);
  local_output_close(&self->err);
  for (int i = 0; i < ENDING_SIGNALS; i++) uv_close((uv_handle_t *)&self->ending[i], NULL);
  daytona_client_close(self->client, NULL, NULL);
}

static void on_context_gone(daytona_future_t *future, void *user) {
  (void)future; /* with its sandbox gone or out of reach there is nothing more to do for it */
  box_close(&((notebook_t *)user)->box);
}

static void leave(notebook_t *self) {
  daytona_call_opts_t opts = {.timeout_ms = DELETE_LIMIT_MS};
  if (self->phase == LEAVING) return;
  self->phase = LEAVING;
  if (self->context != NULL && (!self->box.is_fresh || self->keeps))
    daytona_future_then(daytona_interpreter_delete_context(self->box.sandbox, self->context, &opts),
                        on_context_gone, self);
  else
    box_close(&self->box);
}

static void drop_run(notebook_t *self) {
  daytona_future_t *run = self->run;
  self->run = NULL;
  daytona_future_cancel(run);
  daytona_future_release(run);
}

static void quit(notebook_t *self, int status, bool is_hasty) {
  if (self->phase < ENDING) {
    self->phase = ENDING;
    self->status = status;
    local_input_close(&self->input);
    drop_run(self);
  }
  if (is_hasty || is_all_written(self)) leave(self);
}

/* --- contexts ---------------------------------------------------------------------------------- */

static void fail(notebook_t *self, const char *problem) {
  say(self, "interpreter: %s", problem);
  quit(self, FAILED, false);
}

/* The context is there, and its Python said which process it is: another one than before has no variables. */
static void on_set_up(daytona_future_t *future, void *user) {
  notebook_t *self = user;
  const daytona_interpreter_run_result_t *result = daytona_future_interpreter_run_result(future);
  if (self->phase >= ENDING) return;
  long pid = result != NULL ? strtol(result->out.data, NULL, 10) : 0;
  if (pid <= 0) {
    fail(self, result == NULL          ? daytona_future_message(future)
               : result->error != NULL ? result->error->traceback
                                       : "this Python cannot be used");
    return;
  }
  if (self->pid != 0 && pid != self->pid)
    say(self, "interpreter: Python was started again: all variables are gone");
  self->pid = pid;
  ready(self);
}

static void look(notebook_t *self) {
  daytona_interpreter_run_code_opts_t opts = {.context_id = self->context};
  self->phase = STARTING;
  daytona_future_then(daytona_interpreter_run_code(self->box.sandbox, setup, &opts), on_set_up, self);
}

static void on_context(daytona_future_t *future, void *user) {
  notebook_t *self = user;
  const daytona_interpreter_context_t *context = daytona_future_interpreter_context(future);
  if (self->phase >= ENDING) return; /* on its way out; the context goes with the sandbox, or is idle */
  if (context != NULL) self->context = strdup(context->id);
  if (self->context == NULL)
    fail(self, context == NULL ? daytona_future_message(future) : "out of memory");
  else
    look(self);
}

static void create_context(notebook_t *self) {
  daytona_future_then(daytona_interpreter_create_context(self->box.sandbox, NULL), on_context, self);
}

static void on_reset(daytona_future_t *future, void *user) {
  notebook_t *self = user;
  const daytona_error_t *error = daytona_future_error(future);
  if (self->phase >= ENDING) return;
  if (error != NULL && !daytona_error_is(error, DAYTONA_ENOTFOUND)) {
    fail(self, error->message);
    return;
  }
  free(self->context);
  self->context = NULL;
  create_context(self);
}

/* End the context and what runs in it, and make another one. */
static void reset(notebook_t *self) {
  drop_run(self);
  cells_clear(&self->cells);
  self->phase = STARTING;
  self->pid = 0;
  daytona_future_then(daytona_interpreter_delete_context(self->box.sandbox, self->context, NULL), on_reset,
                      self);
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
  if (!self->is_at_margin) print(self, &self->err, "\n", 1);
  if (rest != NULL && behind(rest, "  File ") != NULL) print(self, &self->err, head, strlen(head));
  if (rest == NULL) rest = error->traceback;
  if (rest[0] == '\0')
    say(self, "%s: %s", error->name, error->value);
  else
    print(self, &self->err, rest, strlen(rest));
}

static bool show_outcome(notebook_t *self, daytona_future_t *future) {
  const daytona_interpreter_run_result_t *result = daytona_future_interpreter_run_result(future);
  const daytona_error_t *error = daytona_future_error(future);
  if (result != NULL && result->error != NULL)
    show_exception(self, result->error);
  else if (self->was_interrupted && daytona_error_is(error, DAYTONA_ETIMEOUT))
    say(self, "KeyboardInterrupt");
  else if (error != NULL)
    say(self, "interpreter: %s", error->message);
  if (self->is_timed || self->shows_time)
    say(self, "took %.3f s", (double)(uv_hrtime() - self->began_ns) / 1e9);
  return error == NULL && result->error == NULL;
}

static void on_run(daytona_future_t *future, void *user) {
  notebook_t *self = user;
  if (future != self->run) return; /* given up */
  bool is_good = show_outcome(self, future), was_interrupted = self->was_interrupted;
  if (self->phase >= ENDING) return;
  bool is_sound = daytona_future_error(future) == NULL && !was_interrupted;
  daytona_future_release(self->run);
  self->run = NULL;
  self->is_held = self->is_timed = self->was_interrupted = false;
  self->phase = STARTING;
  if (!is_good && !self->is_interactive)
    quit(self, was_interrupted ? 128 + SIGINT : CELL_FAILED, false);
  else if (self->is_interrupting)
    return; /* the interrupt may hit whatever comes next: on_interrupted goes on */
  else if (is_sound)
    ready(self);
  else
    look(self);
}

static void run_cell(notebook_t *self, const char *source) {
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
    fail(self, "out of memory");
    return;
  }
  self->number++;
  self->phase = RUNNING;
  self->began_ns = uv_hrtime();
  self->run = daytona_interpreter_run_code(self->box.sandbox, code, &opts);
  daytona_future_on_settled(self->run, on_run, self);
  free(code);
}

static void on_interrupted(daytona_future_t *future, void *user) {
  notebook_t *self = user;
  const daytona_exec_result_t *result = daytona_future_exec_result(future);
  self->is_interrupting = false;
  if (self->phase == RUNNING && result == NULL)
    say(self, "interpreter: not interrupted: %s", daytona_future_message(future));
  if (self->phase == STARTING && self->run == NULL && self->pid != 0)
    look(self); /* the cell ended meanwhile */
}

static void interrupt(notebook_t *self) {
  char command[64];
  daytona_process_exec_opts_t opts = {.timeout_ms = 10000, .leaves_running = true};
  if (self->was_interrupted && !self->is_interactive) {
    quit(self, 128 + SIGINT, true);
    return;
  }
  if (self->was_interrupted) {
    say(self, "interpreter: ending the context");
    self->was_interrupted = false;
    reset(self);
    return;
  }
  self->was_interrupted = self->is_interrupting = true;
  if (self->is_interactive) self->is_at_margin = false; /* the terminal shows ^C */
  snprintf(command, sizeof command, "kill -INT %ld", self->pid);
  daytona_future_then(daytona_process_exec(self->box.sandbox, command, &opts), on_interrupted, self);
}

/* --- commands ---------------------------------------------------------------------------------- */

static void command_env(notebook_t *self, char *argument) {
  char *equals = strchr(argument, '=');
  size_t i = 0;
  if (*argument == '\0') {
    for (i = 0; i < self->env_count; i++) say(self, "%s=%s", self->env[i].key, self->env[i].value);
    return;
  }
  if (equals == NULL || equals == argument || self->env_count == ENV_MAX) {
    say(self, "interpreter: %%env NAME=VALUE, at most %d of them", ENV_MAX);
    return;
  }
  *equals = '\0';
  while (i < self->env_count && strcmp(self->env[i].key, argument) != 0) i++;
  char *key = strdup(argument), *value = strdup(equals + 1);
  if (key == NULL || value == NULL) {
    free(key);
    free(value);
    fail(self, "out of memory");
    return;
  }
  if (i < self->env_count) {
    free((char *)self->env[i].key);
    free((char *)self->env[i].value);
  } else {
    self->env_count++;
  }
  self->env[i] = (daytona_pair_t){key, value};
}

static void command_time(notebook_t *self, char *argument) {
  if (*argument == '\0') {
    self->shows_time = !self->shows_time;
    return;
  }
  self->is_timed = true;
  run_cell(self, argument);
}

static void command_reset(notebook_t *self, char *argument) {
  (void)argument;
  reset(self);
}

static void command_quit(notebook_t *self, char *argument) { quit(self, atoi(argument) & 255, false); }

static void command_help(notebook_t *self, char *argument) {
  (void)argument;
  print(self, &self->out, help, sizeof help - 1);
}

static void run_command(notebook_t *self, char *line) {
  static const struct {
    const char *name;
    void (*run)(notebook_t *self, char *argument);
  } commands[] = {{"%env", command_env},   {"%time", command_time}, {"%reset", command_reset},
                  {"%quit", command_quit}, {"%exit", command_quit}, {"%help", command_help}};
  size_t name_size = strcspn(line, " \t");
  char *argument = line + name_size + strspn(line + name_size, " \t");
  for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
    if (strlen(commands[i].name) == name_size && strncmp(commands[i].name, line, name_size) == 0) {
      commands[i].run(self, argument);
      return;
    }
  say(self, "interpreter: no such command: %.*s (try %%help)", (int)name_size, line);
  if (!self->is_interactive) quit(self, CELL_FAILED, false);
}

/* --- input ------------------------------------------------------------------------------------- */

/* As many lines as can be dealt with: until a cell runs, or there are no more. */
static void pump(notebook_t *self) {
  while (self->phase == READY) {
    cells_event_t event = cells_next(&self->cells, self->has_input_ended);
    if (event.kind == CELLS_MORE && self->has_input_ended) {
      if (self->is_interactive) print(self, &self->out, "\n", 1);
      quit(self, EXIT_SUCCESS, false);
    } else if (event.kind == CELLS_MORE) {
      local_input_resume(&self->input);
      return;
    } else if (event.kind == CELLS_TOO_LONG) {
      fail(self, "a cell is too long");
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
    fail(self, "out of memory");
    return;
  }
  local_input_pause(input);
  pump(self);
}

static void ready(notebook_t *self) {
  self->phase = READY;
  prompt(self);
  pump(self);
}

/* --- signals ----------------------------------------------------------------------------------- */

static void on_signal(uv_signal_t *handle, int number) {
  notebook_t *self = handle->data;
  if (number == SIGHUP && self->phase >= ENDING)
    return;                    /* that the terminal is gone shows in more than one way */
  if (self->phase >= ENDING) { /* the user does not want to wait: fail all that is pending */
    self->status = 128 + number;
    daytona_client_close(self->client, NULL, NULL);
    quit(self, self->status, true);
  } else if (number == SIGINT && self->phase == RUNNING) {
    interrupt(self);
  } else if (number == SIGINT && self->phase == READY && self->is_interactive) {
    cells_clear(&self->cells); /* what was typed so far */
    self->is_at_margin = false;
    prompt(self);
  } else {
    quit(self, 128 + number, true);
  }
}

/* --- the start --------------------------------------------------------------------------------- */

static void on_box(box_t *box, const char *problem, void *user) {
  notebook_t *self = user;
  if (problem != NULL) {
    fail(self, problem);
    return;
  }
  int rc = local_input_open(&self->input, self->loop, self->fd, on_input, self);
  if (rc != 0) {
    fail(self, uv_strerror(rc));
    return;
  }
  local_input_pause(&self->input);
  if (self->is_interactive) say(self, "Python in the sandbox %s. %%help lists the commands.", box_name(box));
  create_context(self);
}

static bool read_seconds(const char *text, int64_t *out_ms) {
  char *end_of_number;
  double seconds = strtod(text, &end_of_number);
  if (end_of_number == text || *end_of_number != '\0' || !(seconds > 0 && seconds < 1e9)) return false;
  *out_ms = (int64_t)(seconds * 1000);
  return true;
}

/* 0, or the exit code + 1: 1 after --help. */
static int read_options(notebook_t *self, int argc, char **argv) {
  static const struct option options[] = {
    {"sandbox", required_argument, NULL, 's'},
    {"keep", no_argument, NULL, 'k'},
    {"timeout", required_argument, NULL, 't'},
    {"help", no_argument, NULL, 'h'},
    {0},
  };
  int c;
  while ((c = getopt_long(argc, argv, "s:kt:h", options, NULL)) != -1) {
    if (c == 's') self->sandbox = optarg;
    if (c == 'k') self->keeps = true;
    if (c == 'h') return fputs(usage, stdout), 1;
    if (c == '?' || (c == 't' && !read_seconds(optarg, &self->timeout_ms))) return fputs(usage, stderr), 3;
  }
  if (argc - optind > 1) return fputs(usage, stderr), 3;
  if (optind == argc) return 0;
  FILE *file = fopen(argv[optind], "re");
  if (file == NULL) return perror(argv[optind]), 3;
  self->fd = dup(fileno(file));
  fclose(file);
  return self->fd < 0 ? 3 : 0;
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
  static notebook_t self = {.fd = STDIN_FILENO, .is_at_margin = true};
  char reason[256];
  int stops = read_options(&self, argc, argv);
  if (stops != 0) return stops - 1;
  self.loop = uv_default_loop();
  self.is_interactive = isatty(self.fd);
  cells_init(&self.cells, self.is_interactive);
  if (daytona_client_new(self.loop, NULL, &self.client) != 0) { /* NULL: from the environment */
    daytona_config_check(NULL, reason, sizeof reason);
    fprintf(stderr, "interpreter: %s\n", reason);
    clear(&self);
    return FAILED;
  }
  signal(SIGPIPE, SIG_IGN); /* a reader that went away shows as an error of write */
  for (int i = 0; i < ENDING_SIGNALS; i++) {
    uv_signal_init(self.loop, &self.ending[i]);
    self.ending[i].data = &self;
    uv_signal_start(&self.ending[i], on_signal, ending_signals[i]);
  }
  local_output_open(&self.out, self.loop, STDOUT_FILENO, on_written,
                    &self); /* writing tells what went wrong */
  local_output_open(&self.err, self.loop, STDERR_FILENO, on_written, &self);
  box_open(&self.box, self.client, self.sandbox, self.keeps, on_box, on_left, &self);
  uv_run(self.loop, UV_RUN_DEFAULT);
  daytona_client_release(self.client);
  clear(&self);
  return uv_loop_close(self.loop) != 0 ? FAILED : self.status;
}
