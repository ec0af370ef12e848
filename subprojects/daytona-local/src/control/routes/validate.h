/* SPDX-License-Identifier: Apache-2.0
 *
 * Rules for values that callers send. Pure functions over text.
 */
#ifndef DL_VALIDATE_H
#define DL_VALIDATE_H

#include "base/base.h"

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
