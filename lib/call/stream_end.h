/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the services' streams share: a WebSocket of a sandbox's toolbox, and what its end means.
 */
#ifndef DAYTONA_CALL_STREAM_END_H
#define DAYTONA_CALL_STREAM_END_H

#include <daytona/stream.h>

#include "call/op.h"
#include "net/ws.h"

/* Default and largest buffer of a paused stream that drops. */
#define DAYTONA__STREAM_BUFFER_DEFAULT ((size_t)1 << 20)
#define DAYTONA__STREAM_BUFFER_MAX ((size_t)64 << 20)

extern const daytona__type_t daytona__type_stream_end; /* a daytona_stream_end_t */

/*
 * Open the socket for `op`, whose endpoint is a stream and whose toolbox is known. `opts` is complete but for the
 * URL. 0 or the code of an error.
 */
int daytona__stream_open(daytona__op_t *op, daytona__ws_opts_t *opts, daytona__ws_t **out);

/*
 * Whether something on the way answered the upgrade instead of the sandbox, as fronts do that let no WebSocket through:
 * plain requests may work all the same.
 */
bool daytona__stream_was_refused(const daytona__ws_close_t *close);

/* Call the program with output that has arrived. A NULL callback is nothing. */
void daytona__stream_output(daytona__loop_t *loop, daytona_output_cb callback, const daytona_output_t *output,
                            void *user);

/*
 * Why a socket did not open, as for a REST call, and for daytona_future_stream_reason() of `future`. Strings are in
 * `arena` or borrowed from `close`.
 */
void daytona__stream_error(daytona_future_t *future, daytona__arena_t *arena,
                           const daytona__ws_close_t *close, daytona_error_t *error);

/* Whether the connection broke, as opposed to having been ended by one side on purpose. */
bool daytona__stream_is_lost(const daytona__ws_close_t *close);

/* The reason of an end that has no exit code in it. */
daytona_stream_reason_t daytona__stream_reason(const daytona__ws_close_t *close);

/* Check policy and size of a buffer as given in options. 0: fine. */
int daytona__stream_buffer(daytona_buffer_policy_t policy, size_t given, size_t *out);

#endif
