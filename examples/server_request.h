/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The head of an HTTP request, taken apart.
 */
#ifndef EXAMPLES_SERVER_REQUEST_H
#define EXAMPLES_SERVER_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

typedef struct head {
  char *method, *path; /* inside of the text */
  size_t length;       /* of the body */
  bool has_length, has_encoding, expects, has_origin;
} head_t;

/* `text` ends behind the empty line, and is changed. `head` begins as zero. False: malformed. */
bool head_read(char *text, head_t *head);

#endif
