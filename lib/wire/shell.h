/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Words as a POSIX shell reads them. Quoting and splitting are those of Python's shlex, which the official
 * SDK uses.
 */
#ifndef DAYTONA_WIRE_SHELL_H
#define DAYTONA_WIRE_SHELL_H

#include <stdbool.h>
#include <stddef.h>

#include "core/strbuf.h"

/* Append `word`, between single quotes where it needs them. */
void daytona__shell_quote(daytona__strbuf_t *out, const char *word);

/*
 * Append the words of `text`, a NUL behind each, and count them. False: a quote is not closed or nothing
 * follows a backslash. No expansion, and '#' begins no comment. Lack of memory is out->error.
 */
bool daytona__shell_split(const char *text, size_t size, daytona__strbuf_t *out, size_t *count);

#endif
