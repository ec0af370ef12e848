/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Error responses. The platform has several shapes of error body (an envelope with `message`, a bare
 * `{"error": text}`, plain text, HTML from a gateway, nothing at all), so every member is read as
 * raw JSON and used only if it has the right type.
 */
#include "wire/error_map.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/limits.h"
#include "core/memory.h"
#include "core/strbuf.h"
#include "json/codec.h"
#include "json/lexer.h"
#include "wire/headers.h"

typedef struct error_body {
  const char *message, *error, *code, *error_code, *source; /* raw JSON */
} error_body_t;

static DAYTONA__MODEL_OF(error_model, error_body_t, "ErrorResponse",
                         DAYTONA__FIELD(error_body_t, RAW, message, "message"),
                         DAYTONA__FIELD(error_body_t, RAW, error, "error"),
                         DAYTONA__FIELD(error_body_t, RAW, code, "code"),
                         DAYTONA__FIELD(error_body_t, RAW, error_code, "error_code"),
                         DAYTONA__FIELD(error_body_t, RAW, source, "source"));

static const struct {
  int status;
  daytona_errcode_t code;
} by_status[] = {
  {400, DAYTONA_EINVAL},    {401, DAYTONA_EAUTH},          {403, DAYTONA_EFORBIDDEN},
  {404, DAYTONA_ENOTFOUND}, {408, DAYTONA_ETIMEOUT},       {409, DAYTONA_ECONFLICT},
  {410, DAYTONA_EGONE},     {422, DAYTONA_EUNPROCESSABLE}, {429, DAYTONA_ERATELIMIT},
  {500, DAYTONA_EINTERNAL}, {502, DAYTONA_EBADGATEWAY},    {503, DAYTONA_EUNAVAILABLE},
  {504, DAYTONA_ETIMEOUT},
};

/* Codes of the daemon; each counts only together with its source. */
static const struct {
  const char *name;
  daytona_errcode_t code;
} by_daemon_code[] = {
  {"GIT_AUTH_FAILED", DAYTONA_EGIT_AUTH_FAILED},
  {"GIT_REPO_NOT_FOUND", DAYTONA_EGIT_REPO_NOT_FOUND},
  {"GIT_BRANCH_NOT_FOUND", DAYTONA_EGIT_BRANCH_NOT_FOUND},
  {"GIT_BRANCH_EXISTS", DAYTONA_EGIT_BRANCH_EXISTS},
  {"GIT_PUSH_REJECTED", DAYTONA_EGIT_PUSH_REJECTED},
  {"GIT_DIRTY_WORKTREE", DAYTONA_EGIT_DIRTY_WORKTREE},
  {"GIT_MERGE_CONFLICT", DAYTONA_EGIT_MERGE_CONFLICT},
  {"GIT_TRANSPORT_FAILED", DAYTONA_EGIT_TRANSPORT_FAILED},
  {"GIT_REMOTE_REJECTED", DAYTONA_EGIT_REMOTE_REJECTED},
  {"FILE_NOT_FOUND", DAYTONA_EFILE_NOT_FOUND},
  {"FILE_ACCESS_DENIED", DAYTONA_EFILE_ACCESS_DENIED},
  {"INVALID_FILE_PATH", DAYTONA_EINVALID_FILE_PATH},
  {"FILE_READ_FAILED", DAYTONA_EFILE_READ_FAILED},
  {"LSP_SERVER_NOT_INITIALIZED", DAYTONA_ELSP_NOT_INITIALIZED},
  {"PROCESS_EXECUTION_TIMEOUT", DAYTONA_EPROCESS_TIMEOUT},
  {"PROCESS_NOT_FOUND", DAYTONA_EPROCESS_NOT_FOUND},
  {"SESSION_ENDED", DAYTONA_ESESSION_ENDED},
  {"COMMAND_ALREADY_COMPLETED", DAYTONA_ECOMMAND_COMPLETED},
  {"A11Y_UNAVAILABLE", DAYTONA_EA11Y_UNAVAILABLE},
  {"RECORDING_STILL_ACTIVE", DAYTONA_ERECORDING_ACTIVE},
  {"RECORDING_FFMPEG_NOT_FOUND", DAYTONA_ERECORDING_NO_FFMPEG},
};

daytona_errcode_t daytona__error_from_status(int status) {
  for (size_t i = 0; i < sizeof by_status / sizeof by_status[0]; i++)
    if (by_status[i].status == status) return by_status[i].code;
  return DAYTONA_EFAILED;
}

daytona_errcode_t daytona__error_from_server_code(const char *source, const char *code) {
  if (source == NULL || code == NULL || strcmp(source, "DAYTONA_DAEMON") != 0) return DAYTONA_OK;
  for (size_t i = 0; i < sizeof by_daemon_code / sizeof by_daemon_code[0]; i++)
    if (strcmp(by_daemon_code[i].name, code) == 0) return by_daemon_code[i].code;
  return DAYTONA_OK;
}

/* Where `part` begins in `text`, in any case of ASCII, or NULL. */
static const char *find_text(const char *text, const char *part) {
  for (size_t size = strlen(part); *text != '\0'; text++)
    if (strncasecmp(text, part, size) == 0) return text;
  return NULL;
}

/*
 * The proxy in front of the sandboxes has no code of its own for one that is stopped, paused or archived: it answers 400
 * and asks at the end of its sentence whether the sandbox is started. What the daemon says cannot mean that: it runs.
 */
static bool is_stopped_sandbox(const daytona_error_t *error, int status) {
  static const char question[] = "started?";
  size_t size = strlen(error->message), asked = sizeof question - 1;
  if (status != 400 || (error->source != NULL && strcmp(error->source, "DAYTONA_DAEMON") == 0)) return false;
  while (size > 0 && strchr(" \t\r\n", error->message[size - 1]) != NULL) size--;
  return size > asked && strncasecmp(error->message + size - asked, question, asked) == 0 &&
         find_text(error->message, "sandbox") != NULL;
}

/* The value of a raw member if it is a JSON string with something in it. */
static const char *as_string(daytona__arena_t *arena, const char *raw) {
  const char *text = NULL;
  if (raw == NULL || raw[0] != '"') return NULL;
  if (daytona__json_decode_string(arena, raw, strlen(raw), &text, NULL) != 0) return NULL;
  return text;
}

/* Every string in the value that is next, without the keys, with "; " between them. */
static bool gather(daytona__json_lexer_t *lexer, daytona__strbuf_t *out) {
  daytona__json_walk_t walk = {0};
  daytona__json_string_t string;
  int c = daytona__json_peek(lexer);
  if (c == '"') {
    if (!daytona__json_lex_string(lexer, &string)) return false;
    size_t size = daytona__json_copy_size(&string, DAYTONA__JSON_NUL_REPLACED);
    if (size == 0) return true;
    if (out->size != 0) daytona__strbuf_puts(out, "; ");
    char *at = daytona__strbuf_reserve(out, size);
    if (at == NULL) return false;
    daytona__json_copy(&string, DAYTONA__JSON_NUL_REPLACED, at);
    at[size] = '\0';
    out->size += size;
    return true;
  }
  if (c != '[' && c != '{') return daytona__json_skip(lexer);
  if (!daytona__json_open(lexer)) return false;
  while (c == '[' ? daytona__json_next_item(lexer, &walk) : daytona__json_next_member(lexer, &walk)) {
    if (c == '{' && !(daytona__json_key_begin(lexer, &string) &&
                      daytona__json_string_go(lexer, &string, SIZE_MAX) == DAYTONA__JSON_DONE &&
                      daytona__json_colon(lexer)))
      return false;
    if (!gather(lexer, out)) return false;
  }
  return lexer->code == 0;
}

/* The sentences of a raw member: a string, or a list or object with strings in it. NULL: there are none. */
static const char *as_sentences(daytona__arena_t *arena, const char *raw) {
  daytona__json_lexer_t lexer;
  daytona__strbuf_t text;
  const char *sentences = NULL;
  if (raw == NULL) return NULL;
  daytona__strbuf_init(&text, DAYTONA__ERROR_BODY_MAX * 2);
  daytona__json_lexer_init(&lexer, raw, strlen(raw));
  if (gather(&lexer, &text) && text.size != 0)
    sentences = daytona__arena_strndup(arena, text.data, text.size);
  if (text.data != NULL) daytona__wipe(text.data, text.size);
  daytona__strbuf_clear(&text);
  return sentences;
}

static const char *either(const char *first, const char *second) { return first != NULL ? first : second; }

static void read_body(daytona__arena_t *arena, const char *text, size_t size, daytona_error_t *error) {
  void *decoded;
  if (size > DAYTONA__ERROR_BODY_MAX) size = DAYTONA__ERROR_BODY_MAX;
  error->body = daytona__arena_strndup(arena, text, size);
  if (error->body == NULL) return;
  error->body_size = size;
  error->message = error->body;
  if (daytona__json_decode(arena, &error_model, text, size, &decoded, NULL) != 0) return;
  const error_body_t *body = decoded;
  const char *message = either(as_sentences(arena, body->message), as_sentences(arena, body->error));
  if (message != NULL && message[0] != '\0') error->message = message;
  error->server_code = either(as_string(arena, body->code), as_string(arena, body->error_code));
  error->source = as_string(arena, body->source);
}

bool daytona__error_is_of_platform(const daytona__response_t *response) {
  daytona__arena_t scratch;
  daytona_error_t error = {0};
  if (response->status < 400) return false;
  if (response->status == 429) return true;
  if (response->body_size == 0)
    return response->status > 400 && response->status < 500 && response->status != 426;
  daytona__arena_init(&scratch, 0);
  read_body(&scratch, response->body, response->body_size, &error);
  bool has_shape = error.message != error.body || error.server_code != NULL;
  daytona__arena_clear(&scratch);
  return has_shape;
}

/* A page of HTML, from a gateway or from what is no API: its title says all that a line can show. NULL: it is none. */
static const char *page_text(daytona__arena_t *arena, const char *body, int status, daytona_errcode_t code) {
  enum { TITLE_MAX = 120 };
  body += strspn(body, " \t\r\n");
  if (body[0] != '<' || find_text(body, "<html") == NULL) return NULL;
  const char *title = find_text(body, "<title>"), *end = title != NULL ? strchr(title + 7, '<') : NULL;
  int size = end != NULL && end - title - 7 < TITLE_MAX ? (int)(end - title - 7) : 0;
  return daytona__arena_printf(arena, "HTTP status %d (%s), with a page of HTML%s%.*s", status,
                               daytona_errcode_text(code), size != 0 ? ": " : "", size,
                               size != 0 ? title + 7 : "");
}

static void describe_answer(daytona__arena_t *arena, const daytona__response_t *response,
                            daytona_error_t *error) {
  if (response->body_size != 0) read_body(arena, response->body, response->body_size, error);
  error->code = daytona__error_from_server_code(error->source, error->server_code);
  if (error->code == DAYTONA_OK) error->code = daytona__error_from_status(response->status);
  if (error->message != error->body && error->message != NULL && is_stopped_sandbox(error, response->status))
    error->code = DAYTONA_ESANDBOX_STOPPED;
  const char *page = error->message != NULL && error->message == error->body
                       ? page_text(arena, error->body, response->status, error->code)
                       : NULL;
  if (page != NULL) error->message = page;
  if (error->message == NULL || strspn(error->message, " \t\r\n") == strlen(error->message))
    error->message = daytona__arena_printf(arena, "HTTP status %d (%s)", response->status,
                                           daytona_errcode_text(error->code));
}

void daytona__error_from_response(daytona__arena_t *arena, const daytona__response_t *response,
                                  daytona_error_t *error) {
  memset(error, 0, sizeof *error);
  error->code = response->code;
  error->http_status = response->status;
  error->message = response->message;
  if (response->header_count != 0)
    error->headers =
      daytona__arena_pointers(arena, response->headers, response->header_count, sizeof *response->headers);
  error->header_count = error->headers != NULL ? response->header_count : 0;
  error->attempts = response->attempts;
  error->system_errno = response->system_errno;
  error->retry_after_ms = daytona__headers_retry_after(response->headers, response->header_count);
  error->request_id = daytona_error_header(error, "X-Request-Id");
  /* With any other code something else went wrong, before or behind the response. */
  if (response->code == DAYTONA_EFAILED && response->status != 0) describe_answer(arena, response, error);
  if (error->code == DAYTONA_OK) error->code = DAYTONA_EFAILED;
}
