/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers as text; see number.h. printf and strtod follow the locale that the program has set, also
 * one with a decimal comma; they agree with each other, so the text is tried with them and its decimal
 * separator replaced afterwards.
 */
#include "json/number.h"

#include <assert.h>
#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Any 15 digits survive being a double; 17 distinguish every double. Subnormal ones have fewer. */
enum { DIGITS_FEW = 15, DIGITS_ALL = 17 };

/* Longest number that is read when its digits matter. */
enum { SLOW_MAX = 800 };

/* Whole numbers are exact up to here and are written without an exponent. */
#define WHOLE_MAX 9007199254740992.0

/* Put a point where the locale's decimal separator is, which may be several bytes. */
static size_t use_point(char *text, size_t size) {
  size_t start = strspn(text, "-0123456789");
  size_t rest = start;
  while (rest < size && strchr("0123456789e", text[rest]) == NULL) rest++;
  if (rest == start) return size;
  text[start] = '.';
  memmove(text + start + 1, text + rest, size - rest + 1);
  return size - (rest - start) + 1;
}

size_t daytona__number_print(double value, char out[DAYTONA__NUMBER_SIZE]) {
  if (!isfinite(value)) return 0;
  if (value == 0) value = 0; /* no minus sign */
  if (fabs(value) < WHOLE_MAX && value == trunc(value))
    return (size_t)snprintf(out, DAYTONA__NUMBER_SIZE, "%.0f", value);
  for (int digits = fabs(value) >= DBL_MIN ? DIGITS_FEW : 1; digits <= DIGITS_ALL; digits++) {
    int size = snprintf(out, DAYTONA__NUMBER_SIZE, "%.*g", digits, value);
    assert(size > 0 && size < DAYTONA__NUMBER_SIZE);
    if (digits == DIGITS_ALL || strtod(out, NULL) == value) return use_point(out, (size_t)size);
  }
  return 0;
}

/* A sign, up to 18 digits with a point among them and a power of ten: what JSON holds nearly always. */
typedef struct decimal {
  bool is_negative;
  uint64_t digits;
  int exponent;
} decimal_t;

/* Take the number apart; false if it has too many digits for that. */
static bool parse_decimal(const char *at, const char *end, decimal_t *out) {
  int count = 0, exponent = 0;
  memset(out, 0, sizeof *out);
  if (*at == '-') {
    out->is_negative = true;
    at++;
  }
  bool is_fraction = false;
  for (; at < end && *at != 'e' && *at != 'E'; at++) {
    if (*at == '.') {
      is_fraction = true;
      continue;
    }
    if (++count > 18) return false;
    out->digits = out->digits * 10 + (uint64_t)(*at - '0');
    if (is_fraction) out->exponent--;
  }
  if (at == end) return true;
  bool is_small = *++at == '-';
  if (*at == '-' || *at == '+') at++;
  for (; at < end; at++) {
    if (exponent > 1000) return false;
    exponent = exponent * 10 + (*at - '0');
  }
  out->exponent += is_small ? -exponent : exponent;
  return true;
}

/* Whatever the digits: with strtod(), in the words of the current locale. */
static bool read_slowly(const char *text, size_t size, double *out) {
  char copy[SLOW_MAX];
  const char *mark = localeconv()->decimal_point;
  size_t mark_size = strlen(mark);
  if (size + mark_size >= sizeof copy) return false;
  const char *point = memchr(text, '.', size);
  size_t whole = point != NULL ? (size_t)(point - text) : size;
  size_t length = whole;
  memcpy(copy, text, whole);
  if (point != NULL) {
    memcpy(copy + length, mark, mark_size);
    length += mark_size;
    memcpy(copy + length, point + 1, size - whole - 1);
    length += size - whole - 1;
  }
  copy[length] = '\0';
  double value = strtod(copy, NULL);
  if (!isfinite(value)) return false;
  *out = value;
  return true;
}

bool daytona__number_read(const char *text, size_t size, double *out) {
  static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                  1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
  decimal_t decimal;
  assert(size != 0);
  /* Digits and power are both exact doubles here, so that one operation rounds once: correctly. */
  if (!parse_decimal(text, text + size, &decimal) || (double)decimal.digits > WHOLE_MAX ||
      decimal.exponent < -22 || decimal.exponent > 22)
    return read_slowly(text, size, out);
  double value = (double)decimal.digits;
  value = decimal.exponent < 0 ? value / powers[-decimal.exponent] : value * powers[decimal.exponent];
  *out = decimal.is_negative ? -value : value;
  return true;
}
