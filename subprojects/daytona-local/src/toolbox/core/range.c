/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ranges of bytes. What lies outside is dropped; a set that asks for more than the file is answered
 * with the file, so that overlapping ranges cannot multiply the work.
 */
#include "toolbox/core/range.h"

#include "base/base.h"

#include <assert.h>
#include <string.h>
#include <stdlib.h>

static const char *trim(const char *text, size_t *len) {
  while (*len > 0 && (*text == ' ' || *text == '\t')) text++, (*len)--;
  while (*len > 0 && (text[*len - 1] == ' ' || text[*len - 1] == '\t')) (*len)--;
  return text;
}

static bool number(const char *text, size_t len, int64_t *out) {
  if (len == 0 || len > 18 || strspn(text, "0123456789") < len) return false;
  char digits[20] = {0};
  memcpy(digits, text, len);
  *out = strtoll(digits, NULL, 10);
  return true;
}

/* 1 a range, 0 nothing of it is in the file, -1 no range at all. */
static int parse_one(const char *text, size_t len, int64_t size, dl_range_t *out) {
  const char *dash = memchr(text, '-', len);
  int64_t first, last;
  if (dash == NULL) return -1;
  size_t first_len = (size_t)(dash - text), last_len = len - first_len - 1;
  const char *start = trim(text, &first_len), *end = trim(dash + 1, &last_len);
  if (first_len == 0) {
    if (!number(end, last_len, &last)) return -1;
    if (last > size) last = size;
    *out = (dl_range_t){size - last, last};
    return last > 0;
  }
  if (!number(start, first_len, &first)) return -1;
  if (last_len == 0)
    last = size - 1;
  else if (!number(end, last_len, &last) || last < first)
    return -1;
  if (first >= size) return 0;
  if (last >= size) last = size - 1;
  *out = (dl_range_t){first, last - first + 1};
  return 1;
}

dl_range_kind_t dl_range_parse(const char *text, int64_t size, dl_range_t *out, size_t *count) {
  int64_t sum = 0;
  bool has_outside = false;
  *count = 0;
  if (text == NULL || *text == '\0') return DL_RANGE_NONE;
  if (strncmp(text, "bytes=", 6) != 0) return DL_RANGE_BAD;
  for (text += 6; *text != '\0';) {
    size_t len = strcspn(text, ","), part_len = len;
    const char *part = trim(text, &part_len);
    text += len + (text[len] == ',');
    if (part_len == 0) continue;
    if (*count == DL_RANGES_MAX) return DL_RANGE_NONE;
    int verdict = parse_one(part, part_len, size, &out[*count]);
    if (verdict < 0) return DL_RANGE_BAD;
    if (verdict == 0)
      has_outside = true;
    else
      sum += out[(*count)++].len;
  }
  for (size_t i = 0; i < *count; i++)
    assert(out[i].start >= 0 && out[i].len > 0 && out[i].len <= size - out[i].start);
  if (*count == 0) return has_outside && size > 0 ? DL_RANGE_OUTSIDE : DL_RANGE_NONE;
  return sum > size ? DL_RANGE_NONE : DL_RANGE_SOME;
}
