/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sets of host names, as texts: names and `*.NAME` (every name below it), in lower case, separated by commas. NULL is every
 * host, "" is none.
 */
#ifndef DL_HOSTS_H
#define DL_HOSTS_H

#include "base/jsonx.h"

/* Of an array of names; NULL for an empty one. Yours to free. */
char *dl_hosts_text(const json_t *names);
/* What is in both, yours to free. */
char *dl_hosts_common(const char *a, const char *b);

#endif
