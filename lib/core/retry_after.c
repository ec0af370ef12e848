/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Retry-After; see retry_after.h. Numbers and dates are read by hand: the C library would follow the
 * locale of the host program.
 */
#include "core/retry_after.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define MS_MAX DAYTONA__RETRY_AFTER_MAX_MS

bool daytona__is_retry_after(const char *header_name) {
  static const char name[] = "retry-after";
  const size_t size = sizeof name - 1;
  if (strncasecmp(header_name, name, size) != 0) return false;
  return header_name[size] == '\0' || (header_name[size] == '-' && header_name[size + 1] != '\0');
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* "1.5" as 1500, rounded up: a wait must not end before the server's does. */
static int64_t seconds_ms(const char *at, const char *end) {
  int64_t ms = 0, digit_ms = 100;
  while (at < end && is_digit(*at)) {
    if (ms < MS_MAX) ms = ms * 10 + (*at - '0') * 1000;
    at++;
  }
  if (at < end && *at == '.' && at + 1 < end) {
    bool has_rest = false;
    for (at++; at < end && is_digit(*at); at++, digit_ms /= 10) {
      ms += (*at - '0') * digit_ms;
      if (digit_ms == 0 && *at != '0') has_rest = true;
    }
    if (has_rest) ms++;
  }
  if (at != end) return -1;
  return ms < MS_MAX ? ms : MS_MAX;
}

static int month_of(const char *name) {
  static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
  for (int i = 0; i < 12; i++)
    if (strncmp(name, months + 3 * i, 3) == 0) return i + 1;
  return 0;
}

/* Days from 1970-01-01; the year is counted from March, so that the leap day comes last. */
static int64_t days_of(int64_t year, int month, int day) {
  if (month <= 2) year--;
  int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - 719468;
}

int64_t daytona__http_date_ms(const char *at, size_t size) {
  char text[64], month[4] = "";
  int day = 0, year = 0, hour = 0, minute = 0, second = 0, used = -1;
  if (size >= sizeof text) return -1;
  memcpy(text, at, size);
  text[size] = '\0';
  if (sscanf(text, "%*3[A-Za-z], %2d %3[A-Za-z] %4d %2d:%2d:%2d GMT%n", &day, month, &year, &hour, &minute,
             &second, &used) != 6 ||
      used < 0) {
    used = -1;
    if (sscanf(text, "%*9[A-Za-z], %2d-%3[A-Za-z]-%2d %2d:%2d:%2d GMT%n", &day, month, &year, &hour, &minute,
               &second, &used) == 6 &&
        used >= 0)
      year += year < 70 ? 2000 : 1900;
    else if (sscanf(text, "%*3[A-Za-z] %3[A-Za-z] %2d %2d:%2d:%2d %4d%n", month, &day, &hour, &minute,
                    &second, &year, &used) != 6)
      return -1;
  }
  int month_number = month_of(month);
  if (used != (int)size || month_number == 0 || day < 1 || day > 31 || year < 1970 || hour < 0 || hour > 23 ||
      minute < 0 || minute > 59 || second < 0 || second > 60)
    return -1;
  return (((days_of(year, month_number, day) * 24 + hour) * 60 + minute) * 60 + second) * 1000;
}

int64_t daytona__retry_after_ms(const char *value, int64_t now_unix_ms) {
  const char *end = value + strlen(value);
  while (*value == ' ' || *value == '\t') value++;
  while (end > value && (end[-1] == ' ' || end[-1] == '\t')) end--;
  if (is_digit(*value)) return seconds_ms(value, end);
  int64_t date = daytona__http_date_ms(value, (size_t)(end - value));
  if (date < 0) return -1;
  int64_t wait = date > now_unix_ms ? date - now_unix_ms : 0;
  return wait < MS_MAX ? wait : MS_MAX;
}
