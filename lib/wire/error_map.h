/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a failed HTTP exchange to an error of ours.
 */
#ifndef DAYTONA_WIRE_ERROR_MAP_H
#define DAYTONA_WIRE_ERROR_MAP_H

#include <daytona/error.h>

#include "core/arena.h"
#include "net/response.h"

/* The code of an HTTP status that is no success. */
daytona_errcode_t daytona__error_from_status(int status);

/* The code that (`source`, `code`) of an error body stand for, or DAYTONA_OK when they stand for none. */
daytona_errcode_t daytona__error_from_server_code(const char *source, const char *code);

/*
 * Whether a response that says no has one of the platform's shapes. Others come from what stands between: a gateway's
 * page, say. A rate limiter means the same wherever it stands; and some daemons say nothing with statuses like 404.
 */
bool daytona__error_is_of_platform(const daytona__response_t *response);

/*
 * Describe why a request failed: `response->code` for transport failures, status and body otherwise. Strings
 * are in `arena` or in `response`; the message has no prefix yet. Short of memory it says less.
 */
void daytona__error_from_response(daytona__arena_t *arena, const daytona__response_t *response,
                                  daytona_error_t *error);

#endif
