/*
 * Log lines. The library is silent unless a client was given a log callback.
 */
#ifndef DAYTONA_LOG_H
#define DAYTONA_LOG_H

#include <daytona/export.h>

DAYTONA_BEGIN

typedef enum daytona_log_level {
  DAYTONA_LOG_ERROR = 1, /**< something of ours went wrong that no future can tell */
  DAYTONA_LOG_WARN = 2,  /**< the program or the server does something doubtful */
  DAYTONA_LOG_INFO = 3,  /**< one line per operation */
  DAYTONA_LOG_DEBUG = 4  /**< one line per request, retry, lookup */
} daytona_log_level_t;

/**
 * One fact, one line, without a newline. Never contains a key, a token or a request body.
 *
 * @param level  How much it matters.
 * @param line   Borrowed for the call.
 * @param user   What the configuration named.
 *
 * Called on the loop's thread, at times with library state on the stack: do not call back into
 * the library from here.
 */
typedef void (*daytona_log_cb)(daytona_log_level_t level, const char *line, void *user);

DAYTONA_END

#endif
