/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calling the wrong accessor on purpose: NULL, and no end of the program in a debug build.
 */
#ifndef SUPPORT_MISUSE_H
#define SUPPORT_MISUSE_H

#include "core/loop.h"

#include "support/check.h"

#define assert_wrong_accessor(call)     \
  do {                                  \
    bool stops = daytona__misuse_stops; \
    daytona__misuse_stops = false;      \
    assert_null(call);                  \
    daytona__misuse_stops = stops;      \
  } while (0)

#endif
