/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An environment for processes: NAME=value texts in order, each name once.
 */
#ifndef DL_ENVIRON_H
#define DL_ENVIRON_H

#include "base/base.h"

typedef struct {
  char **pairs; /* always ends with NULL once something was set */
  size_t count;
} dl_environ_t;

/* What the kernel gives a program as one text, without its NUL: "NAME=value", or an argument (MAX_ARG_STRLEN). */
#define DL_ENVIRON_TEXT_MAX (128u * 1024 - 1)

/* [A-Za-z_][A-Za-z0-9_]* */
bool dl_environ_name_ok(const char *name);
void dl_environ_set(dl_environ_t *e, const char *name, const char *value);
void dl_environ_unset(dl_environ_t *e, const char *name);
const char *dl_environ_get(const dl_environ_t *e, const char *name);
/* Why no program can be started with these arguments (NULL: none yet) in this environment: the one that is too long, or all
 * of them together. NULL if one can; yours to free. */
char *dl_environ_too_large(const dl_environ_t *e, char *const *argv);
void dl_environ_copy(dl_environ_t *to, const dl_environ_t *from);
void dl_environ_clear(dl_environ_t *e);

#endif
