/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log lines. The library is silent unless a client was given a log callback.
 */
#ifndef DAYTONA_LOG_H
#define DAYTONA_LOG_H

#include <daytona/export.h>

DAYTONA_BEGIN

typedef enum daytona_log_level {
  DAYTONA_LOG_ERROR = 1, /**< a failure in the library that no future can report */
  DAYTONA_LOG_WARN = 2,  /**< the program or the server does something suspicious */
  DAYTONA_LOG_INFO = 3,  /**< one line per operation: its name, sandbox, outcome and time */
  DAYTONA_LOG_DEBUG =
    4 /**< one line per attempt of a request, and per socket: method, host, path, status, time */
} daytona_log_level_t;

/**
 * Receives one line, without a newline. Never contains a key, a token, a query or a request body; secret segments of
 * paths are "***".
 *
 * @param level  Its severity.
 * @param line   Borrowed for the call.
 * @param user   `log_user` of the configuration.
 *
 * Called on the loop's thread, possibly while the library is in
 * the middle of other work: do not call the library from here.
 */
typedef void (*daytona_log_cb)(daytona_log_level_t level, const char *line, void *user);

DAYTONA_END

#endif
