/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as what a server may put into headers and addresses: Content-Type, Retry-After, a base URL, a
 * part of a path.
 */
#include <stdlib.h>
#include <string.h>

#include "core/limits.h"
#include "core/retry_after.h"
#include "fuzz/target.h"
#include "wire/headers.h"
#include "wire/url.h"

static void check_content_type(const char *text) {
  char type[40], value[24];
  if (daytona__content_type(text, type, sizeof type)) {
    FUZZ_CHECK(strchr(type, '/') != NULL && strpbrk(type, " ;ABCDEFGHIJKLMNOPQRSTUVWXYZ") == NULL);
    daytona__content_type_is_json(type);
  }
  daytona__content_type_param(text, "charset", value, sizeof value);
  FUZZ_CHECK(strlen(value) < sizeof value);
}

static void check_retry_after(const char *text) {
  int64_t ms = daytona__retry_after_ms(text, 0);
  FUZZ_CHECK(ms >= -1 && ms <= DAYTONA__RETRY_AFTER_MAX_MS);
  daytona__is_retry_after(text);
}

/* A base is taken once and then stays as it is. */
static void check_base(daytona__arena_t *arena, const char *text) {
  const char *base, *again, *problem;
  if (daytona__url_base(arena, text, &base, &problem) != 0) {
    FUZZ_CHECK(problem != NULL);
    return;
  }
  FUZZ_CHECK(base[strlen(base) - 1] != '/' && strpbrk(base, " \r\n?#") == NULL);
  FUZZ_CHECK(daytona__url_base(arena, base, &again, NULL) == 0 && strcmp(base, again) == 0);
}

/* Whatever a value holds, it stays in its place. */
static void check_path(daytona__arena_t *arena, const char *text) {
  daytona__url_t url;
  const char *out, *base;
  daytona__url_init(&url);
  daytona__url_path(&url, "http://h", "/{}/end", text);
  daytona__url_query(&url, "k", text);
  if (daytona__url_finish(&url, arena, &out) != 0) {
    FUZZ_CHECK(url.problem != NULL);
    return;
  }
  const char *query = strchr(out, '?');
  FUZZ_CHECK(query != NULL && strncmp(query - 4, "/end?k=", 7) == 0 && strpbrk(query + 1, "?&#+ ") == NULL);
  FUZZ_CHECK(memchr(out + strlen("http://h/"), '/', (size_t)(query - 4 - out) - strlen("http://h/")) == NULL);
  char *path = strndup(out, (size_t)(query - out));
  if (path == NULL) abort();
  FUZZ_CHECK(daytona__url_base(arena, path, &base, NULL) == 0 && strcmp(base, path) == 0);
  free(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  daytona__arena_t arena;
  char *text = malloc(size + 1);
  if (text == NULL) abort();
  if (size != 0) memcpy(text, data, size);
  text[size] = '\0';
  daytona__arena_init(&arena, 0);
  check_content_type(text);
  check_retry_after(text);
  check_base(&arena, text);
  check_path(&arena, text);
  daytona__arena_clear(&arena);
  free(text);
  return 0;
}
