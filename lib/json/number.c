/*
 * Numbers as text; see number.h. printf and strtod follow the locale that the program has set, also
 * one with a decimal comma; they agree with each other, so the text is tried with them and its decimal
 * mark replaced afterwards.
 */
#include "json/number.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Any 15 digits survive being a double; 17 tell every double apart. Subnormal ones have fewer. */
enum { DIGITS_FEW = 15, DIGITS_ALL = 17 };

/* Whole numbers are exact up to here and are written without an exponent. */
#define WHOLE_MAX 9007199254740992.0

/* Put a point where the locale's decimal mark is, which may be several bytes. */
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
