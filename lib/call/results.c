/*
 * Tags and accessors of results; see results.h.
 */
#include "call/results.h"

#define DEFINE_TYPE(accessor, c_type, label) const daytona__type_t daytona__type_##accessor = {.name = label};
DAYTONA__PLAIN_RESULT_MAP(DEFINE_TYPE)

#define DEFINE_ACCESSOR(accessor, c_type, label)                      \
  c_type daytona_future_##accessor(const daytona_future_t *future) {  \
    return daytona__future_result(future, &daytona__type_##accessor); \
  }
DAYTONA__RESULT_MAP(DEFINE_ACCESSOR)
