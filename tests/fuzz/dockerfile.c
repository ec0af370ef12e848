/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any text as a Dockerfile: looking for what it copies must neither fall nor keep anything, and find the same
 * twice. What is found is text, stands for itself once it is quoted for a shell, and may be any pattern for
 * names.
 */
#include <stdint.h>
#include <string.h>

#include <daytona/error.h>

#include "core/ascii.h"
#include "core/glob.h"
#include "core/memory.h"
#include "core/path.h"
#include "fuzz/target.h"
#include "wire/dockerfile.h"
#include "wire/shell.h"

typedef struct found {
  size_t count, bytes;
  uint64_t sum;
} found_t;

static void check_quoted(const char *source) {
  daytona__strbuf_t out;
  size_t count, size;
  daytona__strbuf_init(&out, 16 << 20);
  daytona__shell_quote(&out, source);
  size = out.size;
  char *quoted = daytona__strndup(out.data, size);
  FUZZ_CHECK(daytona__shell_split(quoted, size, &out, &count) && count == 1);
  FUZZ_CHECK(strcmp(out.data + size, source) == 0);
  daytona__free(quoted);
  daytona__strbuf_clear(&out);
}

/* Making a path normal changes nothing the second time, and never makes it longer but for ".". */
static void check_normal(const char *source) {
  daytona__strbuf_t once, twice;
  daytona__strbuf_init(&once, 16 << 20);
  daytona__strbuf_init(&twice, 16 << 20);
  daytona__path_put_normal(&once, source);
  daytona__path_put_normal(&twice, once.data);
  FUZZ_CHECK(strcmp(once.data, twice.data) == 0 && once.size <= strlen(source) + 1);
  daytona__strbuf_clear(&once);
  daytona__path_put_archive(&once, source);
  FUZZ_CHECK(once.error == 0 && once.size <= twice.size);
  daytona__strbuf_clear(&once);
  daytona__strbuf_clear(&twice);
}

static int on_source(const char *source, void *user) {
  found_t *found = user;
  size_t size = strlen(source);
  FUZZ_CHECK(daytona__utf8_is_valid(source, size));
  found->count++;
  found->bytes += size;
  for (size_t i = 0; i < size; i++) found->sum = found->sum * 31 + (unsigned char)source[i];
  if (found->count > 100) return 0;
  check_quoted(source);
  check_normal(source);
  daytona__glob_matches(source, source);
  FUZZ_CHECK(strpbrk(source, "*?[") != NULL || daytona__glob_matches(source, source));
  return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  found_t first = {0}, second = {0};
  size_t blocks = daytona__alloc_count();
  const char *text = (const char *)data;
  if (!daytona__utf8_is_valid(text, size)) return 0; /* the caller has refused it */
  FUZZ_CHECK(daytona__dockerfile_sources(text, size, false, on_source, &first) == 0);
  FUZZ_CHECK(daytona__dockerfile_sources(text, size, true, on_source, &second) == 0);
  FUZZ_CHECK(first.count == second.count && first.sum == second.sum);
  FUZZ_CHECK(first.bytes <= size && first.count <= size);
  FUZZ_CHECK(daytona__alloc_count() == blocks);
  return 0;
}
