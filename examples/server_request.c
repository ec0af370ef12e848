/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The head of a request. See server_request.h.
 */
#include "server_request.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool read_length(const char *text, size_t *out) {
  size_t size = strspn(text, "0123456789");
  if (size == 0 || size > 15 || text[size] != '\0') return false;
  *out = strtoull(text, NULL, 10);
  return true;
}

/* The line at *at, without its end, which must be CR LF; *at moves behind it. NULL: malformed. */
static char *take_line(char **at) {
  char *line = *at, *end = strstr(line, "\r\n");
  if (end == NULL || strcspn(line, "\r\n") != (size_t)(end - line)) return NULL;
  *end = '\0';
  *at = end + 2;
  return line;
}

static bool take_header(char *line, head_t *head) {
  char *colon = strchr(line, ':');
  if (colon == NULL || colon == line || strcspn(line, " \t") < (size_t)(colon - line)) return false;
  *colon = '\0';
  char *value = colon + 1 + strspn(colon + 1, " \t"), *end = value + strlen(value);
  while (end > value && strchr(" \t", end[-1]) != NULL) *--end = '\0';
  if (strcasecmp(line, "Content-Length") == 0) {
    if (head->has_length || !read_length(value, &head->length)) return false;
    head->has_length = true;
  }
  if (strcasecmp(line, "Transfer-Encoding") == 0) head->has_encoding = true;
  if (strcasecmp(line, "Expect") == 0 && strcasecmp(value, "100-continue") == 0) head->expects = true;
  if (strcasecmp(line, "Origin") == 0) head->has_origin = true;
  return true;
}

bool head_read(char *text, head_t *head) {
  char *at = text, *line = take_line(&at);
  char *space = line != NULL ? strchr(line, ' ') : NULL,
       *version = space != NULL ? strchr(space + 1, ' ') : NULL;
  if (version == NULL || strncmp(version + 1, "HTTP/1.", 7) != 0 || space[1] != '/') return false;
  *space = *version = '\0';
  head->method = line;
  head->path = space + 1;
  while ((line = take_line(&at)) != NULL && *line != '\0')
    if (!take_header(line, head)) return false;
  return line != NULL;
}
