/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cells of the interpreter example. See interpreter_cells.h.
 */
#include "interpreter_cells.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CELL_MAX = 4 * 1024 * 1024 };

/* --- is it complete? --------------------------------------------------------------------------- */

typedef struct scan {
  int depth;  /* of brackets */
  char quote; /* inside a string; 0: no */
  bool is_triple;
  bool is_joined; /* the last line ends with a backslash */
  bool has_block; /* a line ends with a colon, or is a decorator */
  bool is_blank;  /* the last line */
} scan_t;

static bool is_triple_at(const char *at) { return at[1] == at[0] && at[2] == at[0]; }

/* What a character inside a string does; returns how many were used up. */
static size_t scan_string(scan_t *scan, const char *at) {
  if (*at == '\\' && at[1] != '\0') return 2;
  if (*at == '\n' && !scan->is_triple) scan->quote = '\0'; /* an error, which Python will tell */
  if (*at != scan->quote) return 1;
  if (scan->is_triple && !is_triple_at(at)) return 1;
  scan->quote = '\0';
  return scan->is_triple ? 3 : 1;
}

static void end_line(scan_t *scan, char first, char last) {
  scan->is_joined = last == '\\';
  scan->is_blank = first == '\0';
  if (scan->depth == 0 && (last == ':' || first == '@')) scan->has_block = true;
}

static scan_t scan_cell(const char *text) {
  scan_t scan = {0};
  char first = '\0', last = '\0'; /* of the line, blanks and comments not counted */
  while (*text != '\0') {
    char c = *text;
    if (scan.quote != '\0') {
      text += scan_string(&scan, text);
      first = first == '\0' ? 's' : first; /* a line of a string is not blank */
      last = 's';
      if (c == '\n') first = '\0';
      continue;
    }
    if (c == '#') {
      text += strcspn(text, "\n");
      continue;
    }
    if (c == '"' || c == '\'') {
      scan.quote = c;
      scan.is_triple = is_triple_at(text);
      text += scan.is_triple ? 2 : 0;
    }
    if (strchr("([{", c) != NULL) scan.depth++;
    if (strchr(")]}", c) != NULL && scan.depth > 0) scan.depth--;
    if (c == '\n') end_line(&scan, first, last);
    if (c == '\n') first = last = '\0';
    if (strchr(" \t\r\n", c) == NULL) {
      first = first == '\0' ? c : first;
      last = c;
    }
    text++;
  }
  return scan;
}

static bool is_complete(const char *cell) {
  scan_t scan = scan_cell(cell);
  if (scan.quote != '\0' || scan.depth != 0 || scan.is_joined) return false;
  return !scan.has_block || scan.is_blank;
}

/* --- lines ------------------------------------------------------------------------------------- */

void cells_init(cells_t *cells, bool is_typed) { *cells = (cells_t){.is_typed = is_typed}; }

void cells_free(cells_t *cells) {
  free(cells->input);
  free(cells->cell);
  free(cells->event);
  *cells = (cells_t){0};
}

/* Behind what is there, with a NUL. */
static bool append(char **text, size_t *size, const char *bytes, size_t count) {
  char *bigger = realloc(*text, *size + count + 1);
  if (bigger == NULL) return false;
  memcpy(bigger + *size, bytes, count);
  *size += count;
  bigger[*size] = '\0';
  *text = bigger;
  return true;
}

bool cells_add(cells_t *cells, const char *bytes, size_t size) {
  return append(&cells->input, &cells->input_size, bytes, size);
}

void cells_clear(cells_t *cells) {
  free(cells->cell);
  cells->cell = NULL;
  cells->cell_size = 0;
}

bool cells_is_empty(const cells_t *cells) { return cells->cell_size == 0; }

static bool is_all_blank(const char *text) { return text == NULL || text[strspn(text, " \t\r\n")] == '\0'; }

static cells_event_t give_cell(cells_t *cells) {
  free(cells->event);
  cells->event = cells->cell;
  cells->cell = NULL;
  cells->cell_size = 0;
  return (cells_event_t){is_all_blank(cells->event) ? CELLS_LINE : CELLS_CELL, cells->event};
}

static cells_event_t give_command(cells_t *cells, const char *line, size_t size) {
  while (size != 0 && strchr("\r\n \t", line[size - 1]) != NULL) size--;
  free(cells->event);
  cells->event = strndup(line, size);
  return (cells_event_t){cells->event != NULL ? CELLS_COMMAND : CELLS_TOO_LONG, cells->event};
}

/* One line with its end, still in `input`. */
static cells_event_t take_line(cells_t *cells, const char *line, size_t size) {
  if (!cells->is_typed && size >= 4 && strncmp(line, "# %%", 4) == 0) return give_cell(cells);
  if (is_all_blank(cells->cell) && line[0] == '%') return give_command(cells, line, size);
  if (cells->is_typed && cells->cell_size == 0 && strspn(line, " \t\r\n") >= size)
    return (cells_event_t){CELLS_LINE, NULL};
  if (cells->cell_size + size > CELL_MAX || !append(&cells->cell, &cells->cell_size, line, size))
    return (cells_event_t){CELLS_TOO_LONG, NULL};
  if (cells->is_typed && is_complete(cells->cell)) return give_cell(cells);
  return (cells_event_t){CELLS_LINE, NULL};
}

cells_event_t cells_next(cells_t *cells, bool is_end) {
  const char *end = cells->input_size != 0 ? memchr(cells->input, '\n', cells->input_size) : NULL;
  size_t size = end != NULL ? (size_t)(end - cells->input) + 1 : cells->input_size;
  if (cells->input_size > CELL_MAX && end == NULL) return (cells_event_t){CELLS_TOO_LONG, NULL};
  if (end == NULL && (!is_end || size == 0)) {
    if (!is_end || is_all_blank(cells->cell)) return (cells_event_t){CELLS_MORE, NULL};
    return give_cell(cells);
  }
  cells_event_t event = take_line(cells, cells->input, size);
  cells->input_size -= size;
  memmove(cells->input, cells->input + size, cells->input_size + 1);
  return event;
}

/* --- Python ------------------------------------------------------------------------------------ */

char *cells_call(const char *function, int number, const char *source) {
  char *text = NULL;
  size_t size = 0;
  FILE *to = open_memstream(&text, &size);
  if (to == NULL) return NULL;
  fprintf(to, "%s(globals(), %d, \"", function, number);
  for (const unsigned char *at = (const unsigned char *)source; *at != '\0'; at++) {
    if (*at == '"' || *at == '\\')
      fprintf(to, "\\%c", *at);
    else if (*at < ' ')
      fprintf(to, "\\x%02x", *at);
    else
      fputc(*at, to);
  }
  fputs("\")\n", to);
  bool is_whole = !ferror(to);
  if (fclose(to) == 0 && is_whole) return text;
  free(text);
  return NULL;
}
