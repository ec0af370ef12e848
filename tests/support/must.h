/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Awaiting futures, each of which must have succeeded, or failed as the test says.
 */
#ifndef TESTS_SUPPORT_MUST_H
#define TESTS_SUPPORT_MUST_H

#include <daytona/future.h>

/* Turn the loop until the future has settled; it must have succeeded, or failed with exactly `code`. */
daytona_future_t *api_must(daytona_future_t *future);
daytona_future_t *api_must_fail(daytona_future_t *future, daytona_errcode_t code);

/* As the latter, with any code that is of the kind of `code`. */
daytona_future_t *api_must_fail_as(daytona_future_t *future, daytona_errcode_t code);

/* The same, and let it go. */
void api_done(daytona_future_t *future);
void api_fails(daytona_future_t *future, daytona_errcode_t code);
void api_fails_as(daytona_future_t *future, daytona_errcode_t code);

/* The message of a future that has failed says `part`, such as the name of an argument or what the server said. */
void api_says(const daytona_future_t *future, const char *part);

#endif
