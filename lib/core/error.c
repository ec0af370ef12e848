/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The code tree and the error record. See <daytona/error.h>: one list makes the enum, the names, the
 * texts and the parents.
 */
#include <daytona/error.h>

#include <stddef.h>
#include <string.h>

#include "core/future.h"
#include "core/header.h"
#include "core/limits.h"

typedef struct code_entry {
  int code;
  int parent, parent2;
  const char *name;
  const char *text;
} code_entry_t;

static const code_entry_t codes[] = {
#define ENTRY(code_name, number, up, up2, description) {number, up, up2, #code_name, description},
  DAYTONA_ERROR_MAP(ENTRY)
#undef ENTRY
};

enum { CODE_COUNT = sizeof codes / sizeof codes[0] };

/* For places without memory: one complete record per code, never written to. */
static const daytona_error_t static_errors[CODE_COUNT] = {
#define ENTRY(code_name, number, up, up2, description) \
  {.code = code_name, .message = description, .retry_after_ms = -1},
  DAYTONA_ERROR_MAP(ENTRY)
#undef ENTRY
};

static const code_entry_t *find_code(int code) {
  for (size_t i = 0; i < CODE_COUNT; i++)
    if (codes[i].code == code) return &codes[i];
  return NULL;
}

bool daytona_errcode_is(int code, daytona_errcode_t kind) {
  if (code == DAYTONA_OK) return kind == DAYTONA_OK;
  if (code == (int)kind) return true;
  const code_entry_t *entry = find_code(code);
  if (entry == NULL) return false;
  return (entry->parent != DAYTONA_OK && daytona_errcode_is(entry->parent, kind)) ||
         (entry->parent2 != DAYTONA_OK && daytona_errcode_is(entry->parent2, kind));
}

bool daytona_error_is(const daytona_error_t *error, daytona_errcode_t kind) {
  return error != NULL && daytona_errcode_is(error->code, kind);
}

const char *daytona_errcode_name(int code) {
  if (code == DAYTONA_OK) return "DAYTONA_OK";
  const code_entry_t *entry = find_code(code);
  return entry != NULL ? entry->name : "unknown";
}

const char *daytona_errcode_text(int code) {
  if (code == DAYTONA_OK) return "success";
  const code_entry_t *entry = find_code(code);
  return entry != NULL ? entry->text : "unknown error";
}

const char *daytona_error_header(const daytona_error_t *error, const char *name) {
  if (error == NULL || name == NULL) return NULL;
  for (size_t i = 0; i < error->header_count; i++)
    if (strcasecmp(error->headers[i]->name, name) == 0) return error->headers[i]->value;
  return NULL;
}

const daytona_error_t *daytona__error_static(daytona_errcode_t code) {
  for (size_t i = 0; i < CODE_COUNT; i++)
    if (codes[i].code == (int)code) return &static_errors[i];
  return &static_errors[0];
}

static const daytona_header_t *const *copy_headers(daytona__arena_t *arena, const daytona_error_t *error) {
  daytona_header_t *headers =
    error->header_count != 0 ? daytona__arena_array(arena, error->header_count, sizeof *headers) : NULL;
  for (size_t i = 0; headers != NULL && i < error->header_count; i++) {
    headers[i].name = daytona__arena_strdup(arena, error->headers[i]->name);
    headers[i].value = daytona__arena_strdup(arena, error->headers[i]->value);
    if (headers[i].name == NULL || headers[i].value == NULL) return NULL;
  }
  return headers != NULL ? daytona__arena_pointers(arena, headers, error->header_count, sizeof *headers)
                         : NULL;
}

void daytona__one_line(char *text, size_t max) {
  size_t size = strlen(text);
  if (size > max) {
    size = max;
    /* Not inside a character, which has at most three bytes after its first. */
    for (int i = 0; i < 3 && ((unsigned char)text[size] & 0xc0) == 0x80; i++) size--;
    text[size] = '\0';
  }
  while (size > 0 && (unsigned char)text[size - 1] <= ' ') text[--size] = '\0';
  for (size_t i = 0; i < size; i++)
    if ((unsigned char)text[i] < ' ' || text[i] == 0x7f) text[i] = ' ';
}

static bool has_text(const char *message) {
  if (message == NULL) return false;
  while (*message != '\0' && (unsigned char)*message <= ' ') message++;
  return *message != '\0';
}

daytona_error_t *daytona__error_copy(daytona__arena_t *arena, const daytona_error_t *error,
                                     const char *prefix) {
  daytona_error_t *copy = daytona__arena_alloc(arena, sizeof *copy);
  const char *message = has_text(error->message) ? error->message : daytona_errcode_text(error->code);
  char *line =
    copy != NULL ? daytona__arena_printf(arena, "%s%s", prefix != NULL ? prefix : "", message) : NULL;
  if (line == NULL) return (daytona_error_t *)daytona__error_static(error->code);
  daytona__one_line(line, DAYTONA__ERROR_MESSAGE_MAX);
  *copy = *error;
  copy->message = line;
  copy->server_code = daytona__arena_strdup(arena, error->server_code);
  copy->source = daytona__arena_strdup(arena, error->source);
  copy->request_id = daytona__arena_strdup(arena, error->request_id);
  copy->field = daytona__arena_strdup(arena, error->field);
  copy->sandbox = daytona__arena_strdup(arena, error->sandbox);
  copy->headers = copy_headers(arena, error);
  if (copy->headers == NULL) copy->header_count = 0;
  if (copy->body_size > DAYTONA__ERROR_BODY_MAX) copy->body_size = DAYTONA__ERROR_BODY_MAX;
  copy->body = daytona__arena_strndup(arena, error->body, copy->body_size);
  if (copy->body == NULL) copy->body_size = 0;
  return copy;
}
