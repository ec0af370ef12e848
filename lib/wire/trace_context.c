/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See trace_context.h. The form of version 00 is "00-" trace id "-" span id "-" flags, in hexadecimal of lower case; a
 * later version may have more behind another dash.
 */
#include "wire/trace_context.h"

#include <string.h>

#include <daytona/error.h>

#include "core/ascii.h"

enum { TRACE_AT = 3, SPAN_AT = 36, FLAGS_AT = 53, FLAG_SAMPLED = 1 };

/* The bytes of 2 * `size` digits. False: others are among them. */
static bool parse_hex(const char *text, uint8_t *out, size_t size) {
  for (size_t i = 0; i < 2 * size; i++) {
    int digit = daytona__hex_digit(text[i]);
    if (digit < 0 || (text[i] >= 'A' && text[i] <= 'F')) return false;
    out[i / 2] = (uint8_t)(i % 2 == 0 ? digit << 4 : out[i / 2] | digit);
  }
  return true;
}

static bool is_zero(const uint8_t *bytes, size_t size) {
  uint8_t any = 0;
  for (size_t i = 0; i < size; i++) any |= bytes[i];
  return any == 0;
}

int daytona__traceparent_parse(const char *text, daytona__trace_context_t *out) {
  daytona__trace_context_t found = {.is_sampled = false};
  uint8_t version, flags;
  size_t size = text != NULL ? strnlen(text, DAYTONA__TRACEPARENT_SIZE) : 0;
  if (size < DAYTONA__TRACEPARENT_SIZE - 1) return DAYTONA_EINVAL;
  if (text[TRACE_AT - 1] != '-' || text[SPAN_AT - 1] != '-' || text[FLAGS_AT - 1] != '-')
    return DAYTONA_EINVAL;
  if (!parse_hex(text, &version, 1) || !parse_hex(text + TRACE_AT, found.trace_id, sizeof found.trace_id) ||
      !parse_hex(text + SPAN_AT, found.span_id, sizeof found.span_id) ||
      !parse_hex(text + FLAGS_AT, &flags, 1))
    return DAYTONA_EINVAL;
  char behind = text[DAYTONA__TRACEPARENT_SIZE - 1];
  if (version == 0xff || (behind != '\0' && (version == 0 || behind != '-'))) return DAYTONA_EINVAL;
  if (is_zero(found.trace_id, sizeof found.trace_id) || is_zero(found.span_id, sizeof found.span_id))
    return DAYTONA_EINVAL;
  found.is_sampled = (flags & FLAG_SAMPLED) != 0;
  *out = found;
  return 0;
}

static char *put_hex(char *at, const uint8_t *bytes, size_t size) {
  static const char digits[] = "0123456789abcdef";
  for (size_t i = 0; i < size; i++) {
    *at++ = digits[bytes[i] >> 4];
    *at++ = digits[bytes[i] & 15];
  }
  return at;
}

void daytona__traceparent_format(const daytona__trace_context_t *context,
                                 char out[DAYTONA__TRACEPARENT_SIZE]) {
  char *at = out;
  memcpy(at, "00-", 3);
  at = put_hex(at + 3, context->trace_id, sizeof context->trace_id);
  *at++ = '-';
  at = put_hex(at, context->span_id, sizeof context->span_id);
  memcpy(at, context->is_sampled ? "-01" : "-00", 4);
}

bool daytona__tracestate_is_valid(const char *text) {
  size_t size = strnlen(text, DAYTONA__TRACESTATE_MAX + 1);
  size_t count = 0;
  if (size > DAYTONA__TRACESTATE_MAX) return false;
  for (size_t i = 0; i < size; i++)
    if (text[i] < ' ' || text[i] > '~') return false;
  for (const char *at = text; *at != '\0';) {
    size_t member = strcspn(at, ",");
    const char *equals = memchr(at, '=', member);
    bool is_blank = strspn(at, " ") >= member;
    if (!is_blank && (equals == NULL || equals == at + strspn(at, " "))) return false;
    count += !is_blank;
    at += member + (at[member] == ',');
  }
  return count != 0;
}
