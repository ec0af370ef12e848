/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Quoting and splitting; see shell.h.
 */
#include "wire/shell.h"

#include <string.h>

/* What needs no quotes. */
static bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         (c != '\0' && strchr("_@%+=:,./-", c) != NULL);
}

void daytona__shell_quote(daytona__strbuf_t *out, const char *word) {
  const char *at = word;
  while (is_plain(*at)) at++;
  if (*at == '\0' && at != word) {
    daytona__strbuf_append(out, word, (size_t)(at - word));
    return;
  }
  daytona__strbuf_putc(out, '\'');
  for (at = word; *at != '\0'; at++) {
    size_t run = strcspn(at, "'");
    daytona__strbuf_append(out, at, run);
    at += run;
    if (*at == '\0') break;
    daytona__strbuf_puts(out, "'\"'\"'");
  }
  daytona__strbuf_putc(out, '\'');
}

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

/* One word from `at` on, to its end; NULL where it has none. */
static const char *split_word(const char *at, const char *end, daytona__strbuf_t *out) {
  char quote = '\0';
  for (; at < end && (quote != '\0' || !is_blank(*at)); at++) {
    char c = *at;
    if (c == quote && quote != '\0') {
      quote = '\0';
    } else if (quote == '\0' && (c == '\'' || c == '"')) {
      quote = c;
    } else if (c == '\\' && quote != '\'') {
      if (++at == end) return NULL;
      /* between double quotes it stays, except before another and before the quote */
      if (quote == '"' && *at != '\\' && *at != '"') daytona__strbuf_putc(out, '\\');
      daytona__strbuf_putc(out, *at);
    } else {
      daytona__strbuf_putc(out, c);
    }
  }
  return quote == '\0' ? at : NULL;
}

bool daytona__shell_split(const char *text, size_t size, daytona__strbuf_t *out, size_t *count) {
  const char *at = text, *end = text + size;
  for (*count = 0;; (*count)++) {
    while (at < end && is_blank(*at)) at++;
    if (at == end) return true;
    at = split_word(at, end, out);
    if (at == NULL) return false;
    daytona__strbuf_putc(out, '\0');
  }
}
