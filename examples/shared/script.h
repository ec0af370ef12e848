/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text for a shell in a sandbox.
 */
#ifndef EXAMPLES_SCRIPT_H
#define EXAMPLES_SCRIPT_H

#include "options.h"

/*
 * Run words in a folder with variables: one word is shell text, of several each is passed as it is. `folder` may be NULL. Yours
 * to free; NULL: out of memory.
 *
 * The command runs in a subshell, because one that says `exit` would end a session's own shell, and nobody would ever
 * learn the exit code; and with an empty stdin.
 */
char *script_of(char *const *words, int count, const option_pairs_t *variables, const char *folder);

#endif
