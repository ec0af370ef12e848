/*
 * What sessions and the following of their logs share.
 */
#ifndef DAYTONA_API_SESSION_H
#define DAYTONA_API_SESSION_H

#include <daytona/session.h>

#include "json/codec.h"

/* The undivided log in a JSON answer of the logs endpoint. 0, or the code of the error. */
int daytona__session_logs_decode(daytona__arena_t *arena, const char *text, size_t size,
                                 daytona_session_logs_t *out, daytona__json_error_t *error);

#endif
