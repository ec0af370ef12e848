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
 * breaks; values of "env" may have these, and are as long as a program can be given. */
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
/* An environment variable's name. */
bool dl_env_name_ok(const char *name);

#endif
