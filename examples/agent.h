/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of agent share: programs as text, and where the next version comes from.
 */
#ifndef EXAMPLES_AGENT_H
#define EXAMPLES_AGENT_H

#include <stdbool.h>
#include <stddef.h>

#include <uv.h>

enum { PROGRAM_MAX = 1 << 20 };

typedef struct text {
  char *bytes; /* followed by a NUL; NULL: none */
  size_t size;
} text_t;

/* A local file of at most PROGRAM_MAX bytes. Without it, why was printed. */
text_t text_of_file(const char *path);
text_t text_copy(const char *bytes);
bool text_write(const text_t *text, const char *path);
bool text_has(const text_t *text, const char *wanted);
void text_clear(text_t *text);

/* Run `command` with this machine's shell: its stdin has `outcome`, an empty line, `output`, a line with three dashes, and
   `program`; what it prints is the next version. Ended after ten minutes, and when `*is_interrupted`. Without a result, why was
   printed. */
text_t next_by_command(uv_loop_t *loop, const char *command, const char *outcome, const text_t *output,
                       const text_t *program, const bool *is_interrupted);

#endif
