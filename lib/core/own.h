/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strings that a structure owns: copied in, and wiped when they go, because any of them may be a secret.
 */
#ifndef DAYTONA_CORE_OWN_H
#define DAYTONA_CORE_OWN_H

#include <string.h>

#include <daytona/error.h>

#include "core/memory.h"

/* A copy; NULL stays NULL. 0, or DAYTONA_ENOMEM with *out NULL. */
static inline int daytona__own(const char **out, const char *text) {
  *out = text != NULL ? daytona__strdup(text) : NULL;
  return text == NULL || *out != NULL ? 0 : DAYTONA_ENOMEM;
}

static inline void daytona__disown(const char **text) {
  if (*text != NULL) daytona__wipe((char *)*text, strlen(*text));
  daytona__free((char *)*text);
  *text = NULL;
}

#endif
