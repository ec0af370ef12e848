/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The options of an example: one table for getopt_long() and for --help.
 */
#ifndef EXAMPLES_OPTIONS_H
#define EXAMPLES_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <daytona/daytona.h>

enum { PAIRS_MAX = 64 };

/* Variables for a program in the sandbox, from an option that may be repeated. Borrowed from argv. */
typedef struct option_pairs {
  daytona_pair_t items[PAIRS_MAX];
  size_t count;
} option_pairs_t;

/* One of the five pointers is given, and says what kind it is: a flag is set, a text borrowed from argv, NAME=VALUE added. */
typedef struct option_row {
  char letter;
  const char *name;
  const char *value; /* what the help calls the value; NULL for a flag */
  const char *help;
  bool *flag;
  const char **text;
  int *number;
  int least, most;       /* of a number */
  int64_t *ms;           /* from seconds, which may have a fraction */
  option_pairs_t *pairs; /* NAME is a letter or `_`, then letters, digits, `_` */
} option_row_t;

/* Read the options, up to `--`; the other arguments are moved behind them. Returns the index of the first one of these.
   --help prints `about` and the options, and ends the program with 0; a wrong option with 2. `about` begins with
   "usage: " and ends with a newline. */
int parse_options(int argc, char **argv, const char *about, const option_row_t *rows, size_t count);

/* The same, but the first word that is no option ends them: what follows it belongs to a command. */
int parse_options_of_command(int argc, char **argv, const char *about, const option_row_t *rows,
                             size_t count);

/* The same as for a wrong option. */
_Noreturn void refuse_arguments(const char *about, const char *reason);

#endif
