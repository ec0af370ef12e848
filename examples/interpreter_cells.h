/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text in, cells out: lines are collected until they make a cell.
 *
 * Typed cells end when they are complete, blocks with an empty line; cells of a file at a line that begins
 * with `# %%`. Whether typed text is complete is a guess from brackets, strings and colons: Python itself has
 * the last word.
 */
#ifndef EXAMPLES_INTERPRETER_CELLS_H
#define EXAMPLES_INTERPRETER_CELLS_H

#include <stdbool.h>
#include <stddef.h>

typedef struct cells {
  bool is_typed;
  char *input; /* not yet looked at */
  size_t input_size;
  char *cell; /* the lines so far */
  size_t cell_size;
  char *event; /* what the last event lends */
} cells_t;

typedef enum cells_kind {
  CELLS_MORE,    /* nothing can be said before more input comes */
  CELLS_LINE,    /* a line was taken, the cell goes on */
  CELLS_CELL,    /* `text` is a cell */
  CELLS_COMMAND, /* `text` is a line that begins with % */
  CELLS_TOO_LONG
} cells_kind_t;

typedef struct cells_event {
  cells_kind_t kind;
  char *text; /* borrowed until the next call */
} cells_event_t;

void cells_init(cells_t *cells, bool is_typed);
void cells_free(cells_t *cells);
/* False: out of memory. */
bool cells_add(cells_t *cells, const char *bytes, size_t size);
cells_event_t cells_next(cells_t *cells, bool is_end);
/* Forget the lines of the cell so far. */
void cells_clear(cells_t *cells);
bool cells_is_empty(const cells_t *cells);

/* Python that calls `function` with the global names, `number` and `source` as a string. Yours to free; NULL:
   out of memory. */
char *cells_call(const char *function, int number, const char *source);

#endif
