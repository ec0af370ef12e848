/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text that came from outside, read strictly: numbers, booleans, UTF-8, ISO 8601 times.
 * Every function here either understands the whole text or refuses it.
 */
#include "base/base.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

bool dl_utf8_valid(const char *text, size_t len) {
  const unsigned char *s = (const unsigned char *)text, *end = s + len;
  while (s < end) {
    if (*s < 0x80) {
      s++;
      continue;
    }
    unsigned extra = *s >= 0xf0 ? 3 : *s >= 0xe0 ? 2 : 1;
    unsigned value = *s & (0x3fu >> extra);
    if (*s < 0xc2 || *s > 0xf4 || (size_t)(end - s) <= extra) return false;
    for (unsigned i = 1; i <= extra; i++) {
      if ((s[i] & 0xc0) != 0x80) return false;
      value = value << 6 | (s[i] & 0x3fu);
    }
    if (extra == 2 && (value < 0x800 || (value >= 0xd800 && value < 0xe000))) return false;
    if (extra == 3 && (value < 0x10000 || value > 0x10ffff)) return false;
    s += extra + 1;
  }
  return true;
}

bool dl_parse_double(const char *text, double *out) {
  /* strtod also knows hexadecimal, "inf" and leading blanks: none of them is a number here. */
  if (text[0] == '\0' || strspn(text, "0123456789+-.eE") != strlen(text)) return false;
  char *end;
  double value = strtod(text, &end);
  if (*end != '\0' || !isfinite(value)) return false;
  *out = value;
  return true;
}

bool dl_parse_int(const char *text, int64_t min, int64_t max, int64_t *out) {
  double value;
  if (!dl_parse_double(text, &value)) return false;
  if (value != floor(value) || fabs(value) > 9007199254740992.0) return false;
  int64_t integer = (int64_t)value;
  if (integer < min || integer > max) return false;
  *out = integer;
  return true;
}

bool dl_parse_bool(const char *text, bool *out) {
  bool yes = strcmp(text, "true") == 0;
  if (!yes && strcmp(text, "false") != 0) return false;
  *out = yes;
  return true;
}

int64_t dl_steady_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t dl_wall_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

dl_iso_t dl_iso_format(int64_t wall_ms) {
  dl_iso_t iso;
  time_t seconds = (time_t)(wall_ms / 1000);
  int millis = (int)(wall_ms % 1000);
  if (millis < 0) {
    millis += 1000;
    seconds--;
  }
  struct tm tm;
  gmtime_r(&seconds, &tm);
  size_t len = strftime(iso.text, sizeof iso.text, "%Y-%m-%dT%H:%M:%S", &tm);
  snprintf(iso.text + len, sizeof iso.text - len, ".%03uZ", (unsigned)millis % 1000u);
  return iso;
}

/* Reads exactly `count` digits. */
static bool digits(const char **at, int count, int *out) {
  int value = 0;
  for (int i = 0; i < count; i++) {
    if (!isdigit((unsigned char)(*at)[i])) return false;
    value = value * 10 + ((*at)[i] - '0');
  }
  *at += count;
  *out = value;
  return true;
}

static bool literal(const char **at, char c) {
  if (**at != c) return false;
  (*at)++;
  return true;
}

static bool parse_offset(const char **at, int *minutes) {
  *minutes = 0;
  if (literal(at, 'Z') || literal(at, 'z') || **at == '\0') return true;
  /* A '+' of a query string may have been decoded to a blank on the way. */
  int sign = **at == '-' ? -1 : 1;
  if (**at != '+' && **at != '-' && **at != ' ') return false;
  (*at)++;
  int h, m = 0;
  if (!digits(at, 2, &h)) return false;
  (void)literal(at, ':');
  if (**at != '\0' && !digits(at, 2, &m)) return false;
  *minutes = sign * (h * 60 + m);
  return h < 24 && m < 60;
}

static bool parse_clock(const char **at, struct tm *tm, int *millis) {
  if (!digits(at, 2, &tm->tm_hour) || !literal(at, ':') || !digits(at, 2, &tm->tm_min)) return false;
  if (literal(at, ':') && !digits(at, 2, &tm->tm_sec)) return false;
  if (literal(at, '.') || literal(at, ',')) {
    int scale = 100;
    if (!isdigit((unsigned char)**at)) return false;
    for (; isdigit((unsigned char)**at); (*at)++, scale /= 10) *millis += (**at - '0') * scale;
  }
  return tm->tm_hour < 24 && tm->tm_min < 60 && tm->tm_sec < 61;
}

bool dl_iso_parse(const char *text, int64_t *out) {
  struct tm tm = {0};
  int year, month, millis = 0, offset = 0;
  const char *at = text;
  if (!digits(&at, 4, &year) || !literal(&at, '-') || !digits(&at, 2, &month) || !literal(&at, '-') ||
      !digits(&at, 2, &tm.tm_mday))
    return false;
  if (month < 1 || month > 12 || tm.tm_mday < 1 || tm.tm_mday > 31) return false;
  if (*at == 'T' || *at == 't' || *at == ' ') {
    at++;
    if (!parse_clock(&at, &tm, &millis) || !parse_offset(&at, &offset)) return false;
  }
  if (*at != '\0') return false;
  tm.tm_year = year - 1900;
  tm.tm_mon = month - 1;
  *out = ((int64_t)timegm(&tm) - (int64_t)offset * 60) * 1000 + millis;
  return true;
}
