/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A line of JSON: one object of strings.
 */
#ifndef EXAMPLES_SERVER_LINE_H
#define EXAMPLES_SERVER_LINE_H

#include <stdbool.h>
#include <stdio.h>

typedef struct line {
  FILE *to;
  char *text;
  size_t size;
} line_t;

/* False: out of memory. */
bool line_open(line_t *line);
void line_put(line_t *line, const char *name, const char *text, size_t size);
/* End it. False: out of memory. Free `text` in both cases. */
bool line_close(line_t *line);

#endif
