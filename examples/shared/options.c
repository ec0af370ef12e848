/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options of examples. See options.h.
 */
#include "options.h"

#include <assert.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS_MAX = 24, WRONG = 2 };

static void put_row(char letter, const char *name, const char *value, const char *help) {
  char left[64];
  snprintf(left, sizeof left, "-%c, --%s%s%s", letter, name, value != NULL ? " " : "",
           value != NULL ? value : "");
  printf("  %-24s  %s\n", left, help);
}

static void put_help(const char *about, const option_row_t *rows, size_t count) {
  printf("%s\n", about);
  for (size_t i = 0; i < count; i++) put_row(rows[i].letter, rows[i].name, rows[i].value, rows[i].help);
  put_row('h', "help", NULL, "this text");
}

_Noreturn void refuse_arguments(const char *about, const char *reason) {
  fputs(about, stderr);
  if (reason != NULL) fprintf(stderr, "%s\n", reason);
  exit(WRONG);
}

static _Noreturn void refuse_value(const option_row_t *row, const char *about, const char *wanted) {
  char reason[128];
  snprintf(reason, sizeof reason, "--%s: %s", row->name, wanted);
  refuse_arguments(about, reason);
}

static void read_number(const option_row_t *row, const char *text, const char *about) {
  char *end, wanted[64];
  long number = strtol(text, &end, 10);
  snprintf(wanted, sizeof wanted, "a number from %d to %d", row->least, row->most);
  if (end == text || *end != '\0' || number < row->least || number > row->most)
    refuse_value(row, about, wanted);
  *row->number = (int)number;
}

static void read_seconds(const option_row_t *row, const char *text, const char *about) {
  char *end;
  double seconds = strtod(text, &end);
  if (end == text || *end != '\0' || !(seconds >= 0.001 && seconds < 1e9))
    refuse_value(row, about, "a number of seconds above 0");
  *row->ms = (int64_t)(seconds * 1000);
}

static void add_pair(const option_row_t *row, char *text, const char *about) {
  static const char letters[] = "_ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  char *equals = strchr(text, '=');
  if (equals == NULL || equals == text || strspn(text, letters) != (size_t)(equals - text) ||
      (*text >= '0' && *text <= '9'))
    refuse_value(row, about, "NAME=VALUE");
  if (row->pairs->count == PAIRS_MAX) refuse_value(row, about, "too many");
  *equals = '\0';
  row->pairs->items[row->pairs->count++] = (daytona_pair_t){text, equals + 1};
}

static void take(const option_row_t *row, const char *about) {
  if (row->flag != NULL)
    *row->flag = true;
  else if (row->text != NULL)
    *row->text = optarg;
  else if (row->ms != NULL)
    read_seconds(row, optarg, about);
  else if (row->pairs != NULL)
    add_pair(row, optarg, about);
  else
    read_number(row, optarg, about);
}

static int parse(int argc, char **argv, const char *about, const option_row_t *rows, size_t count,
                 bool stops_at_word) {
  struct option options[ROWS_MAX + 2] = {{"help", no_argument, NULL, 'h'}};
  char letters[2 * ROWS_MAX + 3] = {stops_at_word ? '+' : 'h', 'h'};
  size_t used = 2;
  assert(count <= ROWS_MAX);
  for (size_t i = 0; i < count; i++) {
    int has_value = rows[i].flag == NULL;
    options[i + 1] = (struct option){rows[i].name, has_value, NULL, rows[i].letter};
    letters[used++] = rows[i].letter;
    if (has_value) letters[used++] = ':';
  }
  for (int letter; (letter = getopt_long(argc, argv, letters, options, NULL)) != -1;) {
    if (letter == 'h') {
      put_help(about, rows, count);
      exit(EXIT_SUCCESS);
    }
    size_t i = 0;
    while (i < count && rows[i].letter != letter) i++;
    if (i == count) refuse_arguments(about, NULL); /* getopt_long has told why */
    take(&rows[i], about);
  }
  return optind;
}

int parse_options(int argc, char **argv, const char *about, const option_row_t *rows, size_t count) {
  return parse(argc, argv, about, rows, count, false);
}

int parse_options_of_command(int argc, char **argv, const char *about, const option_row_t *rows,
                             size_t count) {
  return parse(argc, argv, about, rows, count, true);
}
