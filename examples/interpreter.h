/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of the interpreter example share: the state, what is printed, and what one part asks of another.
 *
 *   STARTING -> READY -> RUNNING -> STARTING ... -> ENDING -> LEAVING
 */
#ifndef EXAMPLES_INTERPRETER_H
#define EXAMPLES_INTERPRETER_H

#include "interpreter_cells.h"
#include "shared/options.h"
#include "shared/stage.h"

enum { CELL_FAILED = 1, FAILED = 255 };

typedef enum phase { STARTING, READY, RUNNING, ENDING, LEAVING } phase_t;

typedef struct notebook {
  stage_t stage;
  phase_t phase;
  /* what was asked for */
  int64_t timeout_ms;
  bool is_interactive, shows_time;
  int fd;
  /* this side */
  local_input_t input;
  cells_t cells;
  bool has_input_ended, is_at_margin;
  /* over there */
  char *context;
  long pid; /* of its Python */
  daytona_pair_t env[PAIRS_MAX];
  size_t env_count;
  /* the cell that runs */
  daytona_future_t *run;
  int number;
  uint64_t began_ns;
  bool is_timed, was_interrupted, is_interrupting;
} notebook_t;

/* interpreter.c */
void notebook_print(notebook_t *self, bool is_stderr, const char *text, size_t size);
/* A line of our own, on a line of its own. */
void notebook_say(notebook_t *self, const char *format, ...) __attribute__((format(printf, 2, 3)));
void notebook_fail(notebook_t *self, const char *problem);
void notebook_quit(void *user, int status, bool is_hasty);
void notebook_ready(notebook_t *self); /* for the next cell */

/* interpreter_run.c */
void run_open_context(notebook_t *self);
void run_cell(notebook_t *self, const char *source);
void run_interrupt(notebook_t *self);
void run_drop(notebook_t *self); /* nobody wants to know how the cell ends */
/* End the context and what runs in it, and make another one. */
void run_reset(notebook_t *self);

/* interpreter_commands.c: a line that begins with %, of which it may change the bytes */
void run_command(notebook_t *self, char *line);

#endif
