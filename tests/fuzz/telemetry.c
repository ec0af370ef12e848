/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as the response of a collector, as the parent that a program gives, and as texts of a span.
 */
#include <string.h>

#include "core/ascii.h"
#include "core/memory.h"
#include "fuzz/target.h"
#include "wire/otlp.h"
#include "wire/protobuf.h"
#include "wire/trace_context.h"

/* What is taken is passed on in the one form that there is. */
static void check_parent(const char *text) {
  daytona__trace_context_t context, again;
  char line[DAYTONA__TRACEPARENT_SIZE];
  if (daytona__traceparent_parse(text, &context) == 0) {
    daytona__traceparent_format(&context, line);
    FUZZ_CHECK(strlen(line) == sizeof line - 1 && daytona__traceparent_parse(line, &again) == 0);
    FUZZ_CHECK(memcmp(context.trace_id, again.trace_id, sizeof again.trace_id) == 0);
    FUZZ_CHECK(memcmp(context.span_id, again.span_id, sizeof again.span_id) == 0);
    FUZZ_CHECK(context.is_sampled == again.is_sampled && strncmp(text + 3, line + 3, 50) == 0);
  }
  if (daytona__tracestate_is_valid(text))
    FUZZ_CHECK(strpbrk(text, "\r\n") == NULL && strchr(text, '=') != NULL);
}

/* The length of a message, behind its tag. */
static size_t take_length(const uint8_t **at) {
  size_t size = 0;
  for (int shift = 0;; shift += 7) {
    uint8_t byte = *(*at)++;
    size |= (size_t)(byte & 0x7f) << shift;
    if ((byte & 0x80) == 0) return size;
  }
}

/* Whatever a text is, what is sent of it is UTF-8, and the lengths around it are right. */
static void check_texts(const char *text) {
  static const uint8_t id[16] = {1};
  const daytona__otlp_attribute_t attributes[] = {{text, text, 0}, {text, NULL, -1}};
  daytona__otlp_span_t span = {.trace_id = id,
                               .span_id = id,
                               .parent_id = id,
                               .state = text,
                               .name = text,
                               .attributes = attributes,
                               .attribute_count = 2,
                               .status = DAYTONA__SPAN_ERROR,
                               .message = text,
                               .exception_type = text};
  daytona__strbuf_t out;
  size_t size;
  char *encoded = daytona__otlp_encode(text, attributes, 0, &size);
  const uint8_t *at = (const uint8_t *)encoded + 1;
  size_t length = take_length(&at);
  FUZZ_CHECK(length <= DAYTONA__PB_TEXT_MAX && (const char *)at + length == encoded + size);
  FUZZ_CHECK(daytona__utf8_is_valid((const char *)at, length));
  daytona__free(encoded);
  daytona__strbuf_init(&out, 1 << 20);
  FUZZ_CHECK(daytona__otlp_put_span(&out, &span) == 0);
  at = (const uint8_t *)out.data + 1;
  length = take_length(&at);
  FUZZ_CHECK((const char *)at + length == out.data + out.size);
  FUZZ_CHECK(daytona__otlp_rejected(out.data, out.size) <= INT64_MAX);
  daytona__strbuf_clear(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char *text = malloc(size + 1);
  uint8_t *answer = malloc(size + 1); /* of its own size, so that a byte too many is seen */
  if (text == NULL || answer == NULL) abort();
  if (size != 0) memcpy(text, data, size);
  if (size != 0) memcpy(answer, data, size);
  answer = realloc(answer, size != 0 ? size : 1);
  text[size] = '\0';
  FUZZ_CHECK(daytona__otlp_rejected(answer, size) <= INT64_MAX);
  check_parent(text);
  check_texts(text);
  free(answer);
  free(text);
  return 0;
}
