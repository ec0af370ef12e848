/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The options of an example: one table for getopt_long() and for --help.
 */
#ifndef EXAMPLES_OPTIONS_H
#define EXAMPLES_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

/* One of the three pointers is given, and says what kind it is: a flag is set, a text borrowed from argv. */
typedef struct option_row {
  char letter;
  const char *name;
  const char *value; /* what the help calls the value; NULL for a flag */
  const char *help;
  bool *flag;
  const char **text;
  int *number;
  int least, most; /* of a number */
} option_row_t;

/* Read the options, up to `--`; the other arguments are moved behind them. Returns the index of the first one of these.
   --help prints `about` and the options, and ends the program with 0; a wrong option with 2. `about` begins with
   "usage: " and ends with a newline. */
int parse_options(int argc, char **argv, const char *about, const option_row_t *rows, size_t count);

/* The same as for a wrong option. */
_Noreturn void refuse_arguments(const char *about, const char *reason);

#endif
