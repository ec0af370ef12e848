/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Matching by code point; a byte that is not UTF-8 counts as one. The last star is the only one that
 * is ever tried again, so the time is bounded by the product of the lengths.
 */
#include "toolbox/files/glob.h"

#include <stddef.h>

static unsigned next(const char **at) {
  const unsigned char *p = (const unsigned char *)*at;
  int more = p[0] >= 0xf0 ? 3 : p[0] >= 0xe0 ? 2 : p[0] >= 0xc2 ? 1 : 0;
  unsigned code = more ? p[0] & (0x3fu >> more) : p[0];
  for (int i = 1; i <= more; i++) {
    if ((p[i] & 0xc0) != 0x80) {
      (*at)++;
      return 0x110000u + p[0];
    }
    code = code << 6 | (p[i] & 0x3f);
  }
  *at += more + 1;
  return code;
}

/* One character of a class, which may be escaped. False at the end of the pattern. */
static bool class_char(const char **pattern, unsigned *out) {
  if (**pattern == '\0' || **pattern == '-' || **pattern == ']') return false;
  if (**pattern == '\\') (*pattern)++;
  if (**pattern == '\0') return false;
  *out = next(pattern);
  return true;
}

/* *pattern is behind '['; it is moved behind ']'. False: malformed. */
static bool class_match(const char **pattern, unsigned c, bool *hit) {
  bool is_negated = **pattern == '^', found = false;
  if (is_negated) (*pattern)++;
  for (int count = 0; **pattern != ']' || count == 0; count++) {
    unsigned low, high;
    if (!class_char(pattern, &low)) return false;
    high = low;
    if (**pattern == '-') {
      (*pattern)++;
      if (!class_char(pattern, &high)) return false;
    }
    found = found || (low <= c && c <= high);
  }
  (*pattern)++;
  *hit = found != is_negated;
  return true;
}

bool dl_glob_valid(const char *pattern) {
  while (*pattern != '\0') {
    bool hit;
    if (*pattern == '[') {
      pattern++;
      if (!class_match(&pattern, 0, &hit)) return false;
      continue;
    }
    if (*pattern == '\\' && *++pattern == '\0') return false;
    next(&pattern);
  }
  return true;
}

/* One element of the pattern that is no star against the next character of the name. */
static bool step(const char **pattern, const char **name) {
  bool hit = true;
  if (**pattern == '\0') return false;
  unsigned c = next(name);
  if (**pattern == '?') {
    (*pattern)++;
    return true;
  }
  if (**pattern == '[') {
    (*pattern)++;
    return class_match(pattern, c, &hit) && hit;
  }
  if (**pattern == '\\') (*pattern)++;
  return next(pattern) == c;
}

bool dl_glob_match(const char *pattern, const char *name) {
  const char *star = NULL, *star_name = NULL;
  if (!dl_glob_valid(pattern)) return false;
  for (;;) {
    if (*pattern == '*') {
      star = ++pattern;
      star_name = name;
      continue;
    }
    if (*name == '\0' && *pattern == '\0') return true;
    if (*name != '\0' && step(&pattern, &name)) continue;
    if (star == NULL || *star_name == '\0') return false;
    next(&star_name);
    pattern = star;
    name = star_name;
  }
}
