/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Promises on a loop; the client's function adds the client. See <daytona/promise.h>.
 */
#ifndef DAYTONA_CORE_PROMISE_H
#define DAYTONA_CORE_PROMISE_H

#include <daytona/promise.h>

#include "core/loop.h"

/* daytona_promise_new() with arguments that were checked. 0, DAYTONA_ENOMEM or DAYTONA_ETHREAD. */
int daytona__promise_new(daytona__loop_t *loop, const daytona_promise_opts_t *opts, daytona_promise_t **out,
                         daytona_future_t **future);

#endif
