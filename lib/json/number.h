/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers as text, the same in every locale of the host program.
 */
#ifndef DAYTONA_JSON_NUMBER_H
#define DAYTONA_JSON_NUMBER_H

#include <stdbool.h>
#include <stddef.h>

/* Enough for any double and its NUL. */
#define DAYTONA__NUMBER_SIZE 32

/*
 * The shortest decimal text that reads back as `value`: "0.5", "3", "1e+300". Returns its length, or 0
 * for what has no such text (NaN and the infinities).
 */
size_t daytona__number_print(double value, char out[DAYTONA__NUMBER_SIZE]);

/*
 * Read a number that has the form JSON demands. False if it is too large for a double, or has more than
 * several hundred digits.
 */
bool daytona__number_read(const char *text, size_t size, double *out);

#endif
