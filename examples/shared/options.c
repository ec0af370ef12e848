/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options of examples. See options.h.
 */
#include "options.h"

#include <assert.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

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

static void read_number(const option_row_t *row, const char *text, const char *about) {
  char *end, reason[128];
  long number = strtol(text, &end, 10);
  if (end != text && *end == '\0' && number >= row->least && number <= row->most) {
    *row->number = (int)number;
    return;
  }
  snprintf(reason, sizeof reason, "--%s: a number from %d to %d", row->name, row->least, row->most);
  refuse_arguments(about, reason);
}

static void take(const option_row_t *row, const char *about) {
  if (row->flag != NULL)
    *row->flag = true;
  else if (row->text != NULL)
    *row->text = optarg;
  else
    read_number(row, optarg, about);
}

int parse_options(int argc, char **argv, const char *about, const option_row_t *rows, size_t count) {
  struct option options[ROWS_MAX + 2] = {{"help", no_argument, NULL, 'h'}};
  char letters[2 * ROWS_MAX + 2] = "h";
  size_t used = 1;
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
