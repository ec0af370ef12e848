/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file format of `.env`, as python-dotenv 1.2 reads it: the official SDKs leave it to that library, so
 * one file must mean the same to a program of either kind.
 *
 * Parsing looks variables up in the process environment, but never changes it. All values are treated as
 * secrets: they are wiped when freed.
 */
#ifndef DAYTONA_CALL_DOTENV_H
#define DAYTONA_CALL_DOTENV_H

#include <stddef.h>

#include "core/arena.h"

/* A .env file. */
#define DAYTONA__DOTENV_MAX ((size_t)1 << 20)

/* The same with names, values and bookkeeping; a few lines of ${NAME} could ask for any amount. */
#define DAYTONA__DOTENV_MEMORY_MAX ((size_t)16 << 20)

typedef struct daytona__dotenv_entry daytona__dotenv_entry_t;

typedef struct daytona__dotenv {
  daytona__arena_t arena;            /* the text, the names and the values */
  daytona__dotenv_entry_t **buckets; /* NULL: nothing was parsed */
  size_t bucket_count;               /* a power of two */
} daytona__dotenv_t;

void daytona__dotenv_init(daytona__dotenv_t *env);
void daytona__dotenv_clear(daytona__dotenv_t *env);

/*
 * Read all of `text`, which need not end in a NUL, into the empty `env`. Lines that are not understood are
 * skipped. DAYTONA_ENOMEM; DAYTONA_ELIMIT if text or values are too large; DAYTONA_EINVAL if it is not text.
 */
int daytona__dotenv_parse(daytona__dotenv_t *env, const char *text, size_t size);

/*
 * The same for the file `path`. No file, or something else than a regular file, is an empty one. On failure,
 * DAYTONA_EIO included, `*problem` says why in a few words, static, to be put behind the file's name.
 */
int daytona__dotenv_load(daytona__dotenv_t *env, const char *path, const char **problem);

/* The value of `name`, borrowed from `env`; NULL if it has none, and for names without DAYTONA_ in front. */
const char *daytona__dotenv_get(const daytona__dotenv_t *env, const char *name);

#endif
