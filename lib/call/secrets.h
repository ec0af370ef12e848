/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a request must keep secret, and redacting it in what comes back: a server may quote a URL or a header.
 * Any spelling is found: as it is, escaped as in JSON, percent-encoded as in a URL, and a login in base64 as in a
 * header.
 */
#ifndef DAYTONA_CALL_SECRETS_H
#define DAYTONA_CALL_SECRETS_H

#include <stdbool.h>
#include <stddef.h>

#include <daytona/error.h>

#include "core/arena.h"

/* Texts that one request, or one client, keeps secret. */
enum { DAYTONA__SECRETS_MAX = 8 };

typedef struct daytona__secrets {
  const char *texts[DAYTONA__SECRETS_MAX];
  size_t count;
  bool is_short; /* one could not be kept for lack of memory: the request must not go */
} daytona__secrets_t;

/* Texts are copied. NULL and "" are ignored. */
void daytona__secrets_add(daytona__secrets_t *secrets, daytona__arena_t *arena, const char *text);

/* User and password, each alone and as basic authentication sends them. Of users, names under four bytes stay: they
   tell nobody anything and are in every other word. */
void daytona__secrets_add_login(daytona__secrets_t *secrets, daytona__arena_t *arena, const char *user,
                                const char *password);

/* What is in front of the host of a URL; nothing if `text` is none. */
void daytona__secrets_add_url(daytona__secrets_t *secrets, daytona__arena_t *arena, const char *text);

/* `text` itself if no secret is in it, else a copy without. Takes NULL. Without memory: "***". */
const char *daytona__secrets_clean_text(const daytona__secrets_t *secrets, daytona__arena_t *arena,
                                        const char *text);

/* All texts of an error without the secrets. */
void daytona__secrets_clean(const daytona__secrets_t *secrets, daytona__arena_t *arena,
                            daytona_error_t *error);

#endif
