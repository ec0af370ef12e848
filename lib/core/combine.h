/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Combinators over futures: all, any, race, deadline.
 */
#ifndef DAYTONA_CORE_COMBINE_H
#define DAYTONA_CORE_COMBINE_H

#include <daytona/future.h>

#include "core/loop.h"

/*
 * The public combinators, on the loop of the client that was named. NULL for the loop: that of no client; the response has
 * failed already. The members are taken in every case.
 */
daytona_future_t *daytona__combine_all(daytona__loop_t *loop, daytona_future_t *const *futures, size_t count);
daytona_future_t *daytona__combine_any(daytona__loop_t *loop, daytona_future_t *const *futures, size_t count);
daytona_future_t *daytona__combine_race(daytona__loop_t *loop, daytona_future_t *const *futures,
                                        size_t count);

/* Called by a combination's last release: lets its members go. */
void daytona__combine_drop(daytona_future_t *future);

#endif
