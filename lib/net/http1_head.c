/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parser of HTTP/1.1 responses; see http1_head.h.
 *
 * The head is collected up to its empty line and then cut up in place. Everything is bounded: the head
 * by DAYTONA__UPGRADE_HEAD_MAX, the number of headers, the interim responses, the kept part of the body.
 */
#include "net/http1_head.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "core/ascii.h"
#include "core/header.h"
#include "core/limits.h"
#include "core/memory.h"

enum { CHUNK_SIZE, CHUNK_EXTENSION, CHUNK_DATA, CHUNK_DATA_END, CHUNK_TRAILER };

void daytona__http1_head_init(daytona__http1_head_t *answer) {
  memset(answer, 0, sizeof *answer);
  daytona__strbuf_init(&answer->head, DAYTONA__UPGRADE_HEAD_MAX);
  daytona__strbuf_init(&answer->body, DAYTONA__ERROR_BODY_MAX);
}

void daytona__http1_head_clear(daytona__http1_head_t *answer) {
  daytona__strbuf_clear(&answer->head);
  daytona__strbuf_clear(&answer->body);
  daytona__free(answer->headers);
  daytona__http1_head_init(answer);
}

static int fail(daytona__http1_head_t *answer, int code, const char *message) {
  answer->message = message;
  return code;
}

/* --- head -------------------------------------------------------------------------------------- */

/* Cut one line off `*at`: ends it with a NUL, drops CR LF and blanks at its end. */
static char *take_line(char **at) {
  char *line = *at;
  char *end = strchr(line, '\n');
  if (end == NULL) end = line + strlen(line);
  *at = *end != '\0' ? end + 1 : end;
  *end = '\0';
  while (end > line && (end[-1] == '\r' || end[-1] == ' ' || end[-1] == '\t')) *--end = '\0';
  return line;
}

/* "HTTP/1.x NNN reason" */
static int parse_status(const char *line) {
  if (strncmp(line, "HTTP/1.", 7) != 0 || !isdigit((unsigned char)line[7]) || line[8] != ' ') return -1;
  line += 9;
  int status = 0;
  for (int i = 0; i < 3; i++) {
    if (!isdigit((unsigned char)line[i])) return -1;
    status = status * 10 + (line[i] - '0');
  }
  if ((line[3] != ' ' && line[3] != '\0') || status < 100) return -1;
  return status;
}

static bool parse_header(char *line, daytona_header_t *out) {
  char *colon = line;
  while (daytona__is_token_char(*colon)) colon++;
  if (colon == line || *colon != ':') return false;
  *colon++ = '\0';
  while (*colon == ' ' || *colon == '\t') colon++;
  out->name = line;
  out->value = colon;
  return true;
}

static int parse_head(daytona__http1_head_t *answer) {
  char *at = answer->head.data;
  if (memchr(at, '\0', answer->head.size) != NULL)
    return fail(answer, DAYTONA_EPROTOCOL, "the response's headers contain a NUL byte");
  answer->status = parse_status(take_line(&at));
  if (answer->status < 0) return fail(answer, DAYTONA_EPROTOCOL, "the response is not HTTP/1.1");
  size_t lines = 0;
  for (const char *c = at; *c != '\0'; c++) lines += *c == '\n';
  if (lines > DAYTONA__UPGRADE_HEADERS_MAX)
    return fail(answer, DAYTONA_ELIMIT, "the response has too many headers");
  answer->headers = daytona__calloc(lines, sizeof *answer->headers);
  if (answer->headers == NULL) return fail(answer, DAYTONA_ENOMEM, "out of memory");
  while (*at != '\0') {
    char *line = take_line(&at);
    if (*line == '\0') break;
    if (!parse_header(line, &answer->headers[answer->header_count]))
      return fail(answer, DAYTONA_EPROTOCOL, "the response has a malformed header");
    answer->header_count++;
  }
  return DAYTONA__HTTP1_HEAD_DONE;
}

int daytona__http1_head_head(daytona__http1_head_t *answer, char byte) {
  int code = daytona__strbuf_putc(&answer->head, byte);
  if (code == DAYTONA_ELIMIT) return fail(answer, code, "the response's headers are too large");
  if (code != 0) return fail(answer, code, "out of memory");
  if (byte != '\n') {
    if (byte != '\r') answer->line++;
    return DAYTONA__HTTP1_HEAD_MORE;
  }
  bool is_empty = answer->line == 0;
  answer->line = 0;
  if (!is_empty) return DAYTONA__HTTP1_HEAD_MORE;
  code = parse_head(answer);
  if (code < 0 || answer->status >= 200 || answer->status == 101) return code;
  unsigned interim = answer->interim + 1;
  if (interim > DAYTONA__INTERIM_MAX) return fail(answer, DAYTONA_EPROTOCOL, "too many interim responses");
  daytona__http1_head_clear(answer);
  answer->interim = interim;
  return DAYTONA__HTTP1_HEAD_MORE;
}

/* --- body -------------------------------------------------------------------------------------- */

int daytona__http1_head_begin_body(daytona__http1_head_t *answer) {
  int status = answer->status;
  if (status < 200 || status == 204 || status == 304) return DAYTONA__HTTP1_HEAD_DONE;
  answer->is_chunked = daytona__http1_head_has_token(answer, "Transfer-Encoding", "chunked");
  if (answer->is_chunked) return DAYTONA__HTTP1_HEAD_MORE;
  const char *length = daytona__http1_head_header(answer, "Content-Length");
  if (length == NULL) return DAYTONA__HTTP1_HEAD_MORE; /* until the connection ends */
  answer->is_sized = true;
  for (; isdigit((unsigned char)*length); length++) {
    if (answer->left > UINT64_MAX / 16)
      return fail(answer, DAYTONA_EPROTOCOL, "the response has a malformed length");
    answer->left = answer->left * 10 + (uint64_t)(*length - '0');
  }
  if (*length != '\0') return fail(answer, DAYTONA_EPROTOCOL, "the response has a malformed length");
  return answer->left == 0 ? DAYTONA__HTTP1_HEAD_DONE : DAYTONA__HTTP1_HEAD_MORE;
}

static int keep(daytona__http1_head_t *answer, const char *bytes, size_t size) {
  size_t room = answer->body.max - answer->body.size;
  if (size > room) size = room;
  if (daytona__strbuf_append(&answer->body, bytes, size) != 0)
    return fail(answer, DAYTONA_ENOMEM, "out of memory");
  return DAYTONA__HTTP1_HEAD_MORE;
}

/* One byte of the chunked framing, outside of data. */
static int chunk_byte(daytona__http1_head_t *answer, char c) {
  if (c == '\r') return DAYTONA__HTTP1_HEAD_MORE;
  switch (answer->chunk_state) {
    case CHUNK_SIZE:
    case CHUNK_EXTENSION: {
      if (c == '\n') {
        answer->chunk_state = answer->left != 0 ? CHUNK_DATA : CHUNK_TRAILER;
        answer->line = 0;
        return DAYTONA__HTTP1_HEAD_MORE;
      }
      int digit = answer->chunk_state == CHUNK_SIZE ? daytona__hex_digit(c) : -1;
      if (digit < 0) {
        answer->chunk_state = CHUNK_EXTENSION;
        return DAYTONA__HTTP1_HEAD_MORE;
      }
      if (answer->left > UINT64_MAX / 32)
        return fail(answer, DAYTONA_EPROTOCOL, "the response has a malformed chunk");
      answer->left = answer->left * 16 + (uint64_t)digit;
      return DAYTONA__HTTP1_HEAD_MORE;
    }
    case CHUNK_DATA_END:
      if (c != '\n') return fail(answer, DAYTONA_EPROTOCOL, "the response has a malformed chunk");
      answer->chunk_state = CHUNK_SIZE;
      return DAYTONA__HTTP1_HEAD_MORE;
    default: /* CHUNK_TRAILER: ends with an empty line */
      if (c != '\n') {
        answer->line++;
        return DAYTONA__HTTP1_HEAD_MORE;
      }
      if (answer->line == 0) return DAYTONA__HTTP1_HEAD_DONE;
      answer->line = 0;
      return DAYTONA__HTTP1_HEAD_MORE;
  }
}

static int chunked_body(daytona__http1_head_t *answer, const char *bytes, size_t size) {
  while (size != 0) {
    if (answer->chunk_state != CHUNK_DATA) {
      int code = chunk_byte(answer, *bytes++);
      size--;
      if (code != DAYTONA__HTTP1_HEAD_MORE) return code;
      continue;
    }
    size_t now = size < answer->left ? size : (size_t)answer->left;
    int code = keep(answer, bytes, now);
    if (code != DAYTONA__HTTP1_HEAD_MORE) return code;
    bytes += now;
    size -= now;
    answer->left -= now;
    if (answer->left == 0) answer->chunk_state = CHUNK_DATA_END;
  }
  return DAYTONA__HTTP1_HEAD_MORE;
}

int daytona__http1_head_body(daytona__http1_head_t *answer, const char *bytes, size_t size) {
  if (answer->is_chunked) return chunked_body(answer, bytes, size);
  if (answer->is_sized && size > answer->left) size = (size_t)answer->left;
  int code = keep(answer, bytes, size);
  if (code != DAYTONA__HTTP1_HEAD_MORE || !answer->is_sized) return code;
  answer->left -= size;
  return answer->left == 0 ? DAYTONA__HTTP1_HEAD_DONE : DAYTONA__HTTP1_HEAD_MORE;
}

/* --- headers ----------------------------------------------------------------------------------- */

const char *daytona__http1_head_header(const daytona__http1_head_t *answer, const char *name) {
  return daytona__header_find(answer->headers, answer->header_count, name);
}

size_t daytona__http1_head_count(const daytona__http1_head_t *answer, const char *name) {
  size_t count = 0;
  for (size_t i = 0; i < answer->header_count; i++) count += strcasecmp(answer->headers[i].name, name) == 0;
  return count;
}

static bool list_has(const char *list, const char *token) {
  size_t size = strlen(token);
  while (*list != '\0') {
    list += strspn(list, " \t,");
    size_t item = strcspn(list, ",");
    size_t trimmed = item;
    while (trimmed > 0 && (list[trimmed - 1] == ' ' || list[trimmed - 1] == '\t')) trimmed--;
    if (trimmed == size && strncasecmp(list, token, size) == 0) return true;
    list += item;
  }
  return false;
}

bool daytona__http1_head_has_token(const daytona__http1_head_t *answer, const char *name, const char *token) {
  for (size_t i = 0; i < answer->header_count; i++)
    if (strcasecmp(answer->headers[i].name, name) == 0 && list_has(answer->headers[i].value, token))
      return true;
  return false;
}
