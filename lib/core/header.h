/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Header fields: looking one up, what may stand in one, and lists that are owned.
 */
#ifndef DAYTONA_CORE_HEADER_H
#define DAYTONA_CORE_HEADER_H

#include <stdbool.h>
#include <stddef.h>

#include <daytona/error.h>

/* The value of the first header called `name` in any case, or NULL. */
const char *daytona__header_find(const daytona_header_t *headers, size_t count, const char *name);

/* Whether it can be sent: a token and a value without line ends or other control characters but tab. */
bool daytona__header_is_valid(const daytona_header_t *header);
bool daytona__header_value_is_valid(const char *value);

/* Copy `count` headers into `out`, which is zero. 0, DAYTONA_EINVAL or DAYTONA_ENOMEM; disown in every case. */
int daytona__headers_own(daytona_header_t *out, const daytona_header_t *headers, size_t count);

/* Free the texts of `count` headers, of which some may not have been made, and the block. Takes NULL. */
void daytona__headers_disown(daytona_header_t *headers, size_t count);

#endif
