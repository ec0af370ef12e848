/*
 * Random bytes and what is made of them.
 */
#ifndef DAYTONA_CORE_RANDOM_H
#define DAYTONA_CORE_RANDOM_H

#include <stddef.h>

#define DAYTONA__UUID_SIZE 37 /* with the NUL */

/* From the system's generator. 0, or DAYTONA_EFAILED where it has none. */
int daytona__random(void *bytes, size_t size);

/* A version 4 UUID in lower case. 0, or DAYTONA_EFAILED. */
int daytona__uuid(char text[DAYTONA__UUID_SIZE]);

#endif
