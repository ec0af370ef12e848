/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Warm pools: sandboxes that the platform keeps ready, so that creating one takes no time to speak of.
 *
 * A pool serves daytona_sandbox_create() calls that name its snapshot and region and leave user, environment, volumes and
 * secrets at their defaults. Nothing has to be said to use it.
 *
 * Unless a function says otherwise:
 *   Thread: loop.  In callbacks: yes.  After close: fails with DAYTONA_ECLOSED.
 *   Arguments: strings and option structs are copied; the client is retained until the future settles.
 *   Fails with DAYTONA_EINVAL for an empty id, DAYTONA_ENOTFOUND for an unknown pool, and as any request does.
 *   Time: `timeout_ms` is in milliseconds. Default: request_timeout_ms of the client.
 *   Cancel: aborts the request; the server may still complete it.
 *   Retry: requests that cannot have reached the server are retried; of others, only GET and DELETE.
 *
 * Protocol: control plane, /warm-pools.
 */
#ifndef DAYTONA_WARM_POOL_H
#define DAYTONA_WARM_POOL_H

#include <stddef.h>
#include <stdint.h>

#include <daytona/export.h>
#include <daytona/future.h>
#include <daytona/types.h>

DAYTONA_BEGIN

/** What the server reported about a pool. Strings that it omitted are NULL; times are RFC 3339 text, as received. */
typedef struct daytona_warm_pool {
  const char *id;
  const char *organization_id;
  const char *snapshot;
  const char *target;  /**< region */
  int64_t size;        /**< sandboxes to keep ready */
  int64_t ready_count; /**< that are ready now */
  double cpu;          /**< of each, cores */
  double memory_gib;
  double disk_gib;
  const char *os_user;
  daytona_map_t env;
  const char *error_reason;
  const char *created_at;
  const char *updated_at;
} daytona_warm_pool_t;

typedef struct daytona_warm_pool_list_t {
  const daytona_warm_pool_t *const *items;
  size_t count;
} daytona_warm_pool_list_t;

/** The pool of a future of daytona_warm_pool_create() and _update(), or NULL. Borrowed from the future. */
DAYTONA_API const daytona_warm_pool_t *daytona_future_warm_pool(const daytona_future_t *future);

/** The pools of daytona_warm_pool_list(), or NULL. Borrowed from the future. */
DAYTONA_API const daytona_warm_pool_list_t *daytona_future_warm_pool_list(const daytona_future_t *future);

/** List the pools of the organization. Settles with daytona_future_warm_pool_list(). */
DAYTONA_API daytona_future_t *daytona_warm_pool_list(daytona_client_t *client,
                                                     const daytona_call_opts_t *opts);

typedef struct daytona_warm_pool_create_opts {
  const char *target;   /**< Optional. Region. Default: that of the client, else the organization's. */
  int64_t timeout_ms;   /**< Optional. Default: request_timeout_ms of the client. */
  uint64_t reserved[8]; /**< Must be zero. */
} daytona_warm_pool_create_opts_t;

/**
 * Create a pool, which fills up in the background. Settles with daytona_future_warm_pool(). Fails with DAYTONA_ECONFLICT when
 * there is one of that snapshot and region. The request is not sent again once it may have reached the server.
 *
 * @param snapshot  Required. Id or name.
 * @param size      From 1; the organization's quota is the limit.
 */
DAYTONA_API daytona_future_t *daytona_warm_pool_create(daytona_client_t *client, const char *snapshot,
                                                       int64_t size,
                                                       const daytona_warm_pool_create_opts_t *opts);

/** Change the size; 0 empties the pool and keeps it. Settles with daytona_future_warm_pool(). */
DAYTONA_API daytona_future_t *daytona_warm_pool_update(daytona_client_t *client, const char *id, int64_t size,
                                                       const daytona_call_opts_t *opts);

/** Delete a pool and the sandboxes that are ready in it. Settles without a value. */
DAYTONA_API daytona_future_t *daytona_warm_pool_delete(daytona_client_t *client, const char *id,
                                                       const daytona_call_opts_t *opts);

DAYTONA_END

#endif
