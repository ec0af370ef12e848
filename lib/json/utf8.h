/*
 * UTF-8 character by character, for the scanner and the encoder.
 */
#ifndef DAYTONA_JSON_UTF8_H
#define DAYTONA_JSON_UTF8_H

#include <stddef.h>

/* Bytes of the character that `text` begins with, or 0 if it does not begin with a valid one. */
size_t daytona__utf8_length(const char *text, size_t size);

#endif
