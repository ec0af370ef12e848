/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See must.h.
 */
#include "support/must.h"

#include <string.h>

#include "support/check.h"

daytona_future_t *api_must(daytona_future_t *future) {
  if (daytona_future_await(future) != 0)
    fail_msg("%s: %s", daytona_errcode_name(daytona_future_code(future)),
             daytona_future_error(future)->message);
  return future;
}

static daytona_future_t *must_fail(daytona_future_t *future, daytona_errcode_t code, bool is_exact) {
  int got = daytona_future_await(future);
  if (is_exact ? got != (int)code : !daytona_errcode_is(got, code))
    fail_msg("expected %s, got %s: %s", daytona_errcode_name(code), daytona_errcode_name(got),
             got != 0 ? daytona_future_error(future)->message : "success");
  return future;
}

daytona_future_t *api_must_fail(daytona_future_t *future, daytona_errcode_t code) {
  return must_fail(future, code, true);
}

daytona_future_t *api_must_fail_as(daytona_future_t *future, daytona_errcode_t code) {
  return must_fail(future, code, false);
}

void api_done(daytona_future_t *future) { daytona_future_release(api_must(future)); }

void api_fails(daytona_future_t *future, daytona_errcode_t code) {
  daytona_future_release(api_must_fail(future, code));
}

void api_fails_as(daytona_future_t *future, daytona_errcode_t code) {
  daytona_future_release(api_must_fail_as(future, code));
}

void api_says(const daytona_future_t *future, const char *part) {
  const daytona_error_t *error = daytona_future_error(future);
  if (error == NULL || strstr(error->message, part) == NULL)
    fail_msg("\"%s\" does not say \"%s\"", daytona_future_message(future), part);
}
