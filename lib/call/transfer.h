/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What uploads and downloads have in common.
 */
#ifndef DAYTONA_CALL_TRANSFER_H
#define DAYTONA_CALL_TRANSFER_H

#include <daytona/fs.h>

#include "call/op.h"

/* A download to memory, unless the call says otherwise. */
#define DAYTONA__DOWNLOAD_DEFAULT ((size_t)256 << 20)

/* Files in one call. */
#define DAYTONA__TRANSFER_ITEMS_MAX 100000

typedef struct daytona__transfer daytona__transfer_t;

struct daytona__transfer {
  daytona__op_t op; /* first */
  daytona_fs_progress_cb on_progress;
  void *user;
  int64_t bytes, total;
  int64_t idle_timeout_ms; /* -1: none */
  int64_t timeout_ms;      /* -1: none */
};

/* As daytona__op_new(), with the options checked and taken over. NULL: *future has failed. */
daytona__transfer_t *daytona__transfer_new(const char *name, const daytona__method_t *method,
                                           daytona_sandbox_t *sandbox, size_t size,
                                           const daytona_transfer_opts_t *opts,
                                           const daytona__op_kind_t *kind, daytona_future_t **future);

/* What the program has lent to the call whose future this is, with `stream_user` of a source or sink. Returns it. */
daytona_future_t *daytona__transfer_own(daytona_future_t *future, const daytona_transfer_opts_t *opts,
                                        bool is_stream, void *stream_user);

/* Count bytes that were moved and call the user's progress callback. May end the operation: check daytona__future_is_pending(). */
void daytona__transfer_progress(daytona__transfer_t *transfer, int64_t bytes);

/* "not finished within 5000 ms", in the future's arena. */
const char *daytona__transfer_limit_text(const daytona__transfer_t *transfer);

extern const daytona__type_t daytona__type_fs_result_list; /* daytona_fs_result_list_t */
extern const daytona__type_t daytona__type_bytes;          /* daytona_bytes_t */

#endif
