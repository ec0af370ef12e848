/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shell text. See script.h.
 */
#include "script.h"

#include <stdio.h>
#include <stdlib.h>

static void quote(FILE *to, const char *word) {
  fputc('\'', to);
  for (; *word != '\0'; word++)
    if (*word == '\'')
      fputs("'\\''", to);
    else
      fputc(*word, to);
  fputc('\'', to);
}

static void put_place(FILE *to, const option_pairs_t *variables, const char *folder) {
  for (size_t i = 0; i < variables->count; i++) {
    fprintf(to, "export %s=", variables->items[i].key);
    quote(to, variables->items[i].value);
    fputc('\n', to);
  }
  if (folder == NULL) return;
  fputs("cd -- ", to);
  quote(to, folder);
  fputs(" && ", to);
}

char *script_of(char *const *words, int count, const option_pairs_t *variables, const char *folder) {
  char *text = NULL;
  size_t size = 0;
  FILE *to = open_memstream(&text, &size);
  if (to == NULL) return NULL;
  put_place(to, variables, folder);
  fputs("(\n", to);
  if (count == 1) fputs(words[0], to);
  for (int i = 0; i < count && count > 1; i++) {
    quote(to, words[i]);
    fputc(' ', to);
  }
  fputs("\n) </dev/null", to);
  bool is_whole = !ferror(to);
  if (fclose(to) == 0 && is_whole) return text;
  free(text);
  return NULL;
}
