/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long a server asks us to wait. Here and not with the headers, because the transport needs it as well
 * as the error that is made of a response.
 */
#ifndef DAYTONA_CORE_RETRY_AFTER_H
#define DAYTONA_CORE_RETRY_AFTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* No server is waited for longer than this, whatever it asks. */
#define DAYTONA__RETRY_AFTER_MAX_MS (INT64_C(7) * 24 * 3600 * 1000)

/*
 * "Retry-After" in any case, also with one of the platform's suffixes, such as
 * "Retry-After-sandbox-create".
 */
bool daytona__is_retry_after(const char *header_name);

/*
 * Milliseconds for the value of such a header: seconds, perhaps with a fraction, or an HTTP date, which is
 * compared with `now_unix_ms`. A date that has passed gives 0. -1 if it is neither.
 */
int64_t daytona__retry_after_ms(const char *value, int64_t now_unix_ms);

/* An HTTP date since 1970: the three forms of RFC 9110, fixed, of RFC 850, and of asctime(). -1 if it is none. */
int64_t daytona__http_date_ms(const char *text, size_t size);

#endif
