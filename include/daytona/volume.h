/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Volumes: storage that outlives sandboxes and is shared by those that mount it.
 *
 * A volume is mounted when a sandbox is created: daytona_sandbox_create_opts_t.volumes takes its id or name, a folder of
 * the sandbox and, with `subpath`, a folder inside the volume. Only volumes in state READY can be mounted.
 *
 * Unless a function says otherwise:
 *   Thread: loop.  In callbacks: yes.  After close: fails with DAYTONA_ECLOSED.
 *   Arguments: strings and option structs are copied; the client is retained until the future settles.
 *   Fails with DAYTONA_EINVAL for an empty id or name, DAYTONA_ENOTFOUND for an unknown volume, DAYTONA_EVOLUME_FAILED
 *   when the volume that is waited for is in state ERROR, and as any request does.
 *   Time: `timeout_ms` is in milliseconds. DAYTONA_NO_TIMEOUT: none. Other negative values: DAYTONA_EINVAL.
 *   Cancel: stops waiting; the server may still complete the request.
 *   Retry: requests that cannot have reached the server are retried; of others, only GET and DELETE.
 *
 * Protocol: control plane, /volumes.
 */
#ifndef DAYTONA_VOLUME_H
#define DAYTONA_VOLUME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <daytona/export.h>
#include <daytona/future.h>
#include <daytona/types.h>

DAYTONA_BEGIN

/** X(NAME, number, wire string). Numbers never change; 0 also stands for states unknown to this version. */
#define DAYTONA_VOLUME_STATE_MAP(X)      \
  X(UNKNOWN, 0, "unknown")               \
  X(CREATING, 1, "creating")             \
  X(READY, 2, "ready")                   \
  X(PENDING_CREATE, 3, "pending_create") \
  X(PENDING_DELETE, 4, "pending_delete") \
  X(DELETING, 5, "deleting")             \
  X(DELETED, 6, "deleted")               \
  X(ERROR, 7, "error")

typedef enum daytona_volume_state {
#define DAYTONA_VOLUME_STATE_ENUM(name, value, text) DAYTONA_VOLUME_##name = value,
  DAYTONA_VOLUME_STATE_MAP(DAYTONA_VOLUME_STATE_ENUM)
#undef DAYTONA_VOLUME_STATE_ENUM
    DAYTONA_VOLUME_STATE_FORCE_INT = 0x7fffffff /**< keeps the size of the enum */
} daytona_volume_state_t;

/** What the server reported about a volume. Strings that it omitted are NULL; times are RFC 3339 text, as received. */
typedef struct daytona_volume {
  const char *id;
  const char *name;
  const char *organization_id;
  daytona_volume_state_t state;
  const char *state_name; /**< as received, also where `state` is UNKNOWN */
  const char *created_at;
  const char *updated_at;
  const char *last_used_at;
  const char *error_reason;
} daytona_volume_t;

typedef struct daytona_volume_list_t {
  const daytona_volume_t *const *items; /**< the last used ones first, as the server orders them */
  size_t count;
} daytona_volume_list_t;

/** The volume of a future of daytona_volume_get() and daytona_volume_create(), or NULL. Borrowed from the future. */
DAYTONA_API const daytona_volume_t *daytona_future_volume(const daytona_future_t *future);

/** The volumes of daytona_volume_list(), or NULL. Borrowed from the future. */
DAYTONA_API const daytona_volume_list_t *daytona_future_volume_list(const daytona_future_t *future);

typedef struct daytona_volume_list_opts {
  bool includes_deleted; /**< Also those that were deleted. */
  int64_t timeout_ms;    /**< Optional. Default: request_timeout_ms of the client. */
  uint64_t reserved[8];  /**< Must be zero. */
} daytona_volume_list_opts_t;

/** List the volumes of the organization. Settles with daytona_future_volume_list(). */
DAYTONA_API daytona_future_t *daytona_volume_list(daytona_client_t *client,
                                                  const daytona_volume_list_opts_t *opts);

typedef struct daytona_volume_get_opts {
  bool creates;         /**< Create the volume when there is none of that name. */
  bool waits;           /**< Settle when it is READY. */
  int64_t timeout_ms;   /**< Optional. Of the whole. Default 60000. */
  uint64_t reserved[8]; /**< Must be zero. */
} daytona_volume_get_opts_t;

/**
 * Get a volume by its name. Settles with daytona_future_volume(). When two programs create the same volume at the same
 * time, both get it.
 */
DAYTONA_API daytona_future_t *daytona_volume_get(daytona_client_t *client, const char *name,
                                                 const daytona_volume_get_opts_t *opts);

typedef struct daytona_volume_create_opts {
  bool waits;           /**< Settle when it is READY; else it is usually PENDING_CREATE. */
  int64_t timeout_ms;   /**< Optional. Of the whole. Default 60000. */
  uint64_t reserved[8]; /**< Must be zero. */
} daytona_volume_create_opts_t;

/**
 * Create a volume. Settles with daytona_future_volume(). Fails with DAYTONA_EINVAL when the name is in use. The request
 * is not sent again once it may have reached the server.
 */
DAYTONA_API daytona_future_t *daytona_volume_create(daytona_client_t *client, const char *name,
                                                    const daytona_volume_create_opts_t *opts);

typedef struct daytona_volume_delete_opts {
  bool waits;           /**< Settle when the volume no longer exists; else when the server has accepted it. */
  int64_t timeout_ms;   /**< Optional. Of the whole. Default 60000. */
  uint64_t reserved[8]; /**< Must be zero. */
} daytona_volume_delete_opts_t;

/**
 * Delete a volume and everything in it. Settles without a value. Fails with DAYTONA_ECONFLICT while a sandbox uses it,
 * and with DAYTONA_EINVAL for a volume that is neither READY nor in ERROR.
 *
 * @param id  The id, not the name.
 */
DAYTONA_API daytona_future_t *daytona_volume_delete(daytona_client_t *client, const char *id,
                                                    const daytona_volume_delete_opts_t *opts);

DAYTONA_END

#endif
