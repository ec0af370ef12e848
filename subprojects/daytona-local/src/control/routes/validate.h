/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules for values that callers send. Pure functions.
 */
#ifndef DL_VALIDATE_H
#define DL_VALIDATE_H

#include "base/jsonx.h"

#define DL_NAME_MAX 1024u
#define DL_TEXT_MAX (64u * 1024)
/* What the kernel lets one variable have, "NAME=value" and its NUL (MAX_ARG_STRLEN). */
#define DL_ENV_ENTRY_MAX (128u * 1024)

/* Looks through all texts of a body, whatever its fields are. NULL, or a sentence about the first one that cannot be:
 * yours to free. No text holds a NUL, is longer than DL_TEXT_MAX, or has control characters other than tab and line
 * breaks; values of "env" may have these, and are as long as a program can be given; a Dockerfile may have DL_DOCKERFILE_MAX. */
char *dl_check_texts(const json_t *body);

/* The same for the encoded path and the encoded query of a request (NULL: none). What cannot be decoded is refused
 * too: it would be as if it had not been sent. */
char *dl_check_path(const char *path);
char *dl_check_query(const char *raw);

/* NULL if fine, else a static text to follow the field's name: "must be ...". */
const char *dl_check_mount_path(const char *path);
const char *dl_check_subpath(const char *path);
const char *dl_check_allow_list(const char *list);
const char *dl_check_domain_list(const char *list);
/* Display text: no markup, no links, no control characters. */
const char *dl_check_display(const char *text);
/* The name of a snapshot: segments of letters, digits and `_ . - :`, with a digest behind them or not. */
const char *dl_check_snapshot_name(const char *name);
/* The name of an image, with a tag other than latest, or a digest. */
const char *dl_check_image_name(const char *name);
/* What the object store calls a context: the name of a folder there. */
const char *dl_check_context_hash(const char *hash);
/* A Dockerfile is as long as a body lets it. */
#define DL_DOCKERFILE_MAX (1024u * 1024)
/* An environment variable's name. */
bool dl_env_name_ok(const char *name);

#endif
