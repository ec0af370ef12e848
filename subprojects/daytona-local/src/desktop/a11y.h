/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What programs show of themselves through AT-SPI: one question, one answer, over the accessibility bus of the session.
 */
#ifndef DL_A11Y_H
#define DL_A11Y_H

#include "base/buf.h"
#include "base/jsonx.h"

/* Answers `ask` (see a11y.c) and returns a status as in HTTP; `out` gets the JSON of a success, or a message. */
int a11y_answer(const json_t *ask, dl_buf_t *out);
/* The whole program: the question on standard input, the answer on standard output, its status in the first line. */
int a11y_main(void);

#endif
