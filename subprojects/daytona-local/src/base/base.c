/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory, strings, log and random names. See base.h for the rules.
 */
#include "base/base.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

const char DL_ALPHABET_HEX[] = "0123456789abcdef";
const char DL_ALPHABET_LOWER[] = "abcdefghijklmnopqrstuvwxyz0123456789";
const char DL_ALPHABET_MIXED[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
const char DL_ALPHABET_PREVIEW[] = "abcdefghijklmnopqrstuvwxyz0123456789-_";

static dl_log_level_t log_level = DL_LOG_WARN;
static const char *const log_names[] = {"error", "warn", "info", "debug"};

static _Noreturn void out_of_memory(void) {
  static const char text[] = "daytona-local: out of memory\n";
  ssize_t ignored = write(STDERR_FILENO, text, sizeof text - 1);
  (void)ignored;
  abort();
}

void *dl_xmalloc(size_t size) {
  void *ptr = malloc(size ? size : 1);
  if (!ptr) out_of_memory();
  return ptr;
}

void *dl_xcalloc(size_t count, size_t size) {
  void *ptr = calloc(count ? count : 1, size ? size : 1);
  if (!ptr) out_of_memory();
  return ptr;
}

void *dl_xrealloc(void *ptr, size_t size) {
  void *grown = realloc(ptr, size ? size : 1);
  if (!grown) out_of_memory();
  return grown;
}

char *dl_xstrdup(const char *text) { return dl_xstrndup(text, strlen(text)); }

char *dl_xstrndup(const char *text, size_t len) {
  char *copy = dl_xmalloc(len + 1);
  memcpy(copy, text, len);
  copy[len] = '\0';
  return copy;
}

char *dl_xvprintf(const char *fmt, va_list args) {
  char *text = NULL;
  if (vasprintf(&text, fmt, args) < 0) out_of_memory();
  return text;
}

char *dl_xprintf(const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  char *text = dl_xvprintf(fmt, args);
  va_end(args);
  return text;
}

void dl_set(char **slot, const char *text) {
  char *copy = text ? dl_xstrdup(text) : NULL;
  free(*slot);
  *slot = copy;
}

bool dl_same_secret(const char *a, const char *b) {
  size_t a_len = strlen(a), b_len = strlen(b);
  unsigned diff = a_len != b_len;
  /* Walk the text that was presented, so that time reveals nothing about ours. */
  for (size_t i = 0; i < b_len; i++) diff |= (unsigned char)(a[a_len ? i % a_len : 0] ^ b[i]);
  return diff == 0;
}

bool dl_starts_with(const char *text, const char *prefix) {
  return strncmp(text, prefix, strlen(prefix)) == 0;
}

void dl_log_set_level(dl_log_level_t level) { log_level = level; }

bool dl_log_level_parse(const char *text, dl_log_level_t *out) {
  for (size_t i = 0; i < DL_COUNT(log_names); i++) {
    if (strcmp(text, log_names[i]) != 0) continue;
    *out = (dl_log_level_t)i;
    return true;
  }
  return false;
}

void dl_log(dl_log_level_t level, const char *fmt, ...) {
  if (level > log_level) return;
  va_list args;
  va_start(args, fmt);
  char *line = dl_xvprintf(fmt, args);
  va_end(args);
  fprintf(stderr, "daytona-local: %s: %s\n", log_names[level], line);
  free(line);
}

void dl_random_bytes(void *out, size_t len) {
  unsigned char *at = out;
  while (len > 0) {
    ssize_t got = getrandom(at, len, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      dl_error("the kernel gives no random bytes");
      abort();
    }
    at += got;
    len -= (size_t)got;
  }
}

dl_uuid_t dl_uuid_new(void) {
  unsigned char b[16];
  dl_random_bytes(b, sizeof b);
  b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
  b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
  dl_uuid_t id;
  snprintf(id.text, sizeof id.text, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
           b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
           b[15]);
  return id;
}

bool dl_is_uuid(const char *text) {
  for (size_t i = 0; i < DL_UUID_LEN; i++) {
    bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? text[i] != '-' : !isxdigit((unsigned char)text[i])) return false;
  }
  return text[DL_UUID_LEN] == '\0';
}

char *dl_random_token(size_t len, const char *alphabet) {
  size_t count = strlen(alphabet);
  unsigned limit = 256u - 256u % (unsigned)count; /* reject the rest: every letter equally likely */
  char *token = dl_xmalloc(len + 1);
  size_t at = 0;
  while (at < len) {
    unsigned char pool[64];
    dl_random_bytes(pool, sizeof pool);
    for (size_t i = 0; i < sizeof pool && at < len; i++)
      if (pool[i] < limit) token[at++] = alphabet[pool[i] % count];
  }
  token[len] = '\0';
  return token;
}
