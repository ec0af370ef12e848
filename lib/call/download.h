/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What downloads have in common beyond transfers: bytes go from the transport to a sink, the program may pause them, and the
 * call settles on a turn of its own, when the transport has reported the end and the sink is settled.
 */
#ifndef DAYTONA_CALL_DOWNLOAD_H
#define DAYTONA_CALL_DOWNLOAD_H

#include "call/sink.h"
#include "call/transfer.h"

typedef struct daytona__download {
  daytona__transfer_t transfer; /* first */
  size_t memory_left;           /* of what may be kept in memory */
  bool is_paused; /* by the program: what comes is left with the transport, which then stops as well */
  bool has_ended; /* the transport has reported */
  daytona__task_t settle, resume;
} daytona__download_t;

/* As daytona__transfer_new(); `settle` is called after daytona__download_settle_soon(). NULL: *future has failed. */
daytona__download_t *daytona__download_new(const char *name, const daytona__method_t *method,
                                           daytona_sandbox_t *sandbox, size_t size,
                                           const daytona_transfer_opts_t *opts,
                                           const daytona__op_kind_t *kind,
                                           void (*settle)(daytona__task_t *task), daytona_future_t **future);

/* Of the operation's ending. */
void daytona__download_clear(daytona__download_t *self);

/* Of its outgoing: what the request and its response are like, whatever the service. */
void daytona__download_outgoing(daytona__download_t *self, const char *accept,
                                void (*on_head)(daytona__http_call_t *call),
                                size_t (*on_bytes)(daytona__http_call_t *call, const char *bytes,
                                                   size_t size));

void daytona__download_settle_soon(daytona__download_t *self);

/* The kind's pause and resume; 0. */
int daytona__download_pause(daytona__download_t *self);
int daytona__download_resume(daytona__download_t *self);

/* Resolve with nothing, or with the bytes of a sink of memory. */
void daytona__download_resolve(daytona__download_t *self, daytona__sink_t *memory);

#endif
