/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ceilings that several layers share. All others stand with their modules; docs/limits.md lists them, which
 * tests/unit/limits.py makes and checks. No buffer grows without one.
 */
#ifndef DAYTONA_CORE_LIMITS_H
#define DAYTONA_CORE_LIMITS_H

/* One operation's request, answer and error together; also the most that a download to memory holds. */
#define DAYTONA__ARENA_MAX ((size_t)1 << 30)

/* A JSON response. The largest usual ones are screenshots and charts (base64 PNG), well under this. */
#define DAYTONA__JSON_BODY_MAX ((size_t)64 << 20)

/* What an error keeps of the response's body. */
#define DAYTONA__ERROR_BODY_MAX ((size_t)64 << 10)

/* An error message, whatever the server sends in it. */
#define DAYTONA__ERROR_MESSAGE_MAX ((size_t)8 << 10)

/* A URL with its query. Servers refuse far shorter ones. */
#define DAYTONA__URL_MAX ((size_t)64 << 10)

/* A JSON request body (a command, a script, a code cell). */
#define DAYTONA__REQUEST_BODY_MAX ((size_t)64 << 20)

/* What one socket may read, and one stream deliver of what it kept, before it yields to other work on the loop. */
#define DAYTONA__READ_BUDGET ((size_t)256 << 10)

#endif
