/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading response headers.
 */
#ifndef DAYTONA_WIRE_HEADERS_H
#define DAYTONA_WIRE_HEADERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <daytona/error.h>

/* The longest wait that any Retry-After or Retry-After-<suffix> asks for, in milliseconds; -1: none. */
int64_t daytona__headers_retry_after(const daytona_header_t *headers, size_t count);

/*
 * "application/json" of "Application/JSON; charset=utf-8". False, and "", if the value has no such form
 * or is too long for `out`. `value` may be NULL.
 */
bool daytona__content_type(const char *value, char *out, size_t room);

/* A parameter of a Content-Type, such as "charset" or "boundary", without its quotes. */
bool daytona__content_type_param(const char *value, const char *name, char *out, size_t room);

/* Of a type in the form that daytona__content_type() gives. */
bool daytona__content_type_is_json(const char *type);

#endif
