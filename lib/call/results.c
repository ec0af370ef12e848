/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tags and accessors of results; see results.h.
 */
#include "call/results.h"

#define ACCESSOR(accessor, c_type)                                    \
  c_type daytona_future_##accessor(const daytona_future_t *future) {  \
    return daytona__future_result(future, &daytona__type_##accessor); \
  }
#define PLAIN(accessor, c_type)                                         \
  const daytona__type_t daytona__type_##accessor = {.name = #accessor}; \
  ACCESSOR(accessor, c_type)

DAYTONA__PLAIN_RESULT_MAP(PLAIN)
DAYTONA__OWNED_RESULT_MAP(ACCESSOR)
