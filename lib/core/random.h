/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random bytes and what is made of them.
 */
#ifndef DAYTONA_CORE_RANDOM_H
#define DAYTONA_CORE_RANDOM_H

#include <stddef.h>

#define DAYTONA__UUID_SIZE 37 /* with the NUL */

/* From the system's generator. 0, or DAYTONA_EFAILED where it has none. */
int daytona__random(void *bytes, size_t size);

/*
 * Random bytes in stock, for what needs a few of them per request: asking the kernel each time is over 1 %
 * of a command's CPU time. It belongs to a client and not to the process, for a forked child would have the
 * same. Zero: empty.
 */
typedef struct daytona__entropy {
  unsigned char bytes[256];
  size_t left;
} daytona__entropy_t;

/* A version 4 UUID in lower case. 0, or DAYTONA_EFAILED. */
int daytona__uuid(daytona__entropy_t *entropy, char text[DAYTONA__UUID_SIZE]);

#endif
