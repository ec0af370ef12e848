/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A line of JSON. See server_line.h.
 */
#include "server_line.h"

static void put_string(line_t *line, const char *text, size_t size) {
  fputc('"', line->to);
  for (size_t i = 0; i < size; i++) {
    unsigned char c = (unsigned char)text[i];
    if (c == '"' || c == '\\')
      fprintf(line->to, "\\%c", c);
    else if (c == '\n')
      fputs("\\n", line->to);
    else if (c < ' ')
      fprintf(line->to, "\\u%04x", c);
    else
      fputc(c, line->to);
  }
  fputc('"', line->to);
}

void line_put(line_t *line, const char *name, const char *text, size_t size) {
  fprintf(line->to, "%c\"%s\":", ftell(line->to) == 0 ? '{' : ',', name);
  put_string(line, text, size);
}

bool line_open(line_t *line) {
  *line = (line_t){0};
  line->to = open_memstream(&line->text, &line->size);
  return line->to != NULL;
}

bool line_close(line_t *line) {
  fputs("}\n", line->to);
  bool is_whole = !ferror(line->to);
  return fclose(line->to) == 0 && is_whole;
}
