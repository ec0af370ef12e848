/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Snapshots: images that sandboxes are created from.
 *
 * A snapshot is made from an image of a registry, which the server pulls, or from a daytona_image_t, which it builds. Sandboxes
 * are created from one in state ACTIVE, by its id or name: daytona_sandbox_create_opts_t.snapshot.
 *
 * Unless a function says otherwise:
 *   Thread: loop.  In callbacks: yes.  After close: fails with DAYTONA_ECLOSED.
 *   Arguments: strings and option structs are copied; client and image are retained until the future settles.
 *   Fails with DAYTONA_EINVAL for a bad argument, DAYTONA_ENOTFOUND for an unknown snapshot, DAYTONA_EFORBIDDEN for changes
 *   of a general one, DAYTONA_ESNAPSHOT_FAILED when the snapshot that is waited for ends in ERROR or BUILD_FAILED, and as
 *   any request does.
 *   Time: `timeout_ms` is in milliseconds. Default: request_timeout_ms of the client. DAYTONA_NO_TIMEOUT: none. Other
 *   negative values: DAYTONA_EINVAL.
 *   Cancel: stops waiting; the server continues what it has begun.
 *   Retry: requests that cannot have reached the server are retried; of others, only GET and DELETE.
 *
 * Protocol: control plane, /snapshots.
 */
#ifndef DAYTONA_SNAPSHOT_H
#define DAYTONA_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <daytona/build.h>
#include <daytona/export.h>
#include <daytona/future.h>
#include <daytona/image.h>
#include <daytona/types.h>

DAYTONA_BEGIN

/** X(NAME, number, wire string). Numbers never change; 0 also stands for states unknown to this version. */
#define DAYTONA_SNAPSHOT_STATE_MAP(X) \
  X(UNKNOWN, 0, "unknown")            \
  X(BUILDING, 1, "building")          \
  X(PENDING, 2, "pending")            \
  X(PULLING, 3, "pulling")            \
  X(SNAPSHOTTING, 4, "snapshotting")  \
  X(ACTIVE, 5, "active")              \
  X(INACTIVE, 6, "inactive")          \
  X(ERROR, 7, "error")                \
  X(BUILD_FAILED, 8, "build_failed")  \
  X(REMOVING, 9, "removing")

typedef enum daytona_snapshot_state {
#define DAYTONA_SNAPSHOT_STATE_ENUM(name, value, text) DAYTONA_SNAPSHOT_##name = value,
  DAYTONA_SNAPSHOT_STATE_MAP(DAYTONA_SNAPSHOT_STATE_ENUM)
#undef DAYTONA_SNAPSHOT_STATE_ENUM
    DAYTONA_SNAPSHOT_STATE_FORCE_INT = 0x7fffffff /**< keeps the size of the enum */
} daytona_snapshot_state_t;

/** What the server reported about a snapshot. Strings that it omitted are NULL; times are RFC 3339 text, as received. */
typedef struct daytona_snapshot {
  const char *id;
  const char *organization_id; /**< NULL for general ones */
  bool is_general;             /**< the platform's, for all organizations */
  const char *name;
  const char *image_name;
  daytona_snapshot_state_t state;
  const char *state_name;       /**< as received, also where `state` is UNKNOWN */
  daytona_opt_num_t size_gb;    /**< not set before it was pulled or built */
  daytona_strings_t entrypoint; /**< empty: none, sandboxes wait for ever */
  double cpu;                   /**< cores, of its sandboxes */
  double gpu;                   /**< units */
  const char *gpu_type;
  double memory_gib;
  double disk_gib;
  const char *error_reason;
  const char *created_at;
  const char *updated_at;
  const char *last_used_at;
  const char *dockerfile;   /**< of a build */
  const char *snapshot_ref; /**< of a build */
  daytona_strings_t regions;
  const char *runner_id; /**< that has made it */
  const char *ref;       /**< of the image, once it is known */
  const char *source_sandbox_id;
  const char *sandbox_class;
} daytona_snapshot_t;

/** The snapshot of a future of daytona_snapshot_get(), _create(), _activate() and daytona_snapshot_iter_next(), or NULL; NULL
    at the end of an iteration, too. Borrowed from the future. */
DAYTONA_API const daytona_snapshot_t *daytona_future_snapshot(const daytona_future_t *future);

/* --- find -------------------------------------------------------------------------------------- */

/** One page of snapshots. */
typedef struct daytona_snapshot_page {
  const daytona_snapshot_t *const *items;
  size_t count;
  int64_t total; /**< of all pages */
  int64_t page;  /**< from 1 */
  int64_t total_pages;
} daytona_snapshot_page_t;

typedef struct daytona_snapshot_list_opts {
  daytona_opt_int_t page;        /**< Optional. From 1. Default 1. Not for an iteration. */
  daytona_opt_int_t limit;       /**< Optional. Snapshots per page, from 1. Server default: 100. */
  const char *name;              /**< Optional. Part of the name, any case. */
  const char *source_sandbox_id; /**< Optional. Those made from this sandbox. */
  const char *sort;              /**< Optional. name, state, lastUsedAt, createdAt. */
  const char *order;             /**< Optional. asc or desc. */
  int64_t timeout_ms;            /**< Optional. Of each request. Default: request_timeout_ms of the client. */
  uint64_t reserved[8];          /**< Must be zero. */
} daytona_snapshot_list_opts_t;

/** Fetch one page of the list, own snapshots first. Settles with daytona_future_snapshot_page(). */
DAYTONA_API daytona_future_t *daytona_snapshot_list(daytona_client_t *client,
                                                    const daytona_snapshot_list_opts_t *opts);

/** The page of daytona_snapshot_list(), or NULL. Borrowed from the future. */
DAYTONA_API const daytona_snapshot_page_t *daytona_future_snapshot_page(const daytona_future_t *future);

/** An iteration over all snapshots, page by page. */
typedef struct daytona_snapshot_iter daytona_snapshot_iter_t;

/**
 * Begin an iteration. No request is sent before the first daytona_snapshot_iter_next().
 *
 * @param opts  Copied. NULL means everything. `page` must not be set.
 * @param out   The iterator, which you own. Untouched on failure.
 * @return 0, DAYTONA_EINVAL for bad options, DAYTONA_ENOMEM, DAYTONA_ECLOSED.
 */
DAYTONA_API int daytona_snapshot_iter_new(daytona_client_t *client, const daytona_snapshot_list_opts_t *opts,
                                          daytona_snapshot_iter_t **out);

/**
 * Fetch the next snapshot. Settles with daytona_future_snapshot(). At the end, and for every further call, it succeeds and
 * daytona_future_is_absent() is true. After a failure the same step may be retried. One step at a time: a call while
 * another is pending fails with DAYTONA_EREENTRANT.
 */
DAYTONA_API daytona_future_t *daytona_snapshot_iter_next(daytona_snapshot_iter_t *iter);

/** Release the iterator. A pending step still settles. NULL is allowed. */
DAYTONA_API void daytona_snapshot_iter_release(daytona_snapshot_iter_t *iter);

/** Fetch one snapshot. Settles with daytona_future_snapshot(). @param id_or_name  Required, not empty. */
DAYTONA_API daytona_future_t *daytona_snapshot_get(daytona_client_t *client, const char *id_or_name,
                                                   const daytona_call_opts_t *opts);

/* --- create ------------------------------------------------------------------------------------ */

typedef struct daytona_snapshot_create_opts {
  /** The name of an image in a registry, with its tag or digest, not ":latest". Either this or `image` is required. */
  const char *image_name;
  /** An image to build. What it copies from this machine is uploaded first. */
  daytona_image_t *image;
  daytona_strings_t
    entrypoint; /**< Optional. Program and arguments. Default: the image's. For an `image` it becomes an
                                      ENTRYPOINT of this build; the image is not changed. */
  daytona_resources_t resources; /**< Optional. Of the sandboxes made from it. */
  const char *region;        /**< Optional. Id. Default: `target` of the client, else the organization's. */
  const char *sandbox_class; /**< Optional. Server default: container. */
  daytona_build_cb on_build; /**< Optional. States, and the log of a build. */
  void *user;                /**< Of `on_build`. */
  daytona_destroy_cb destroy_user; /**< Optional. For `user`. */
  int64_t timeout_ms;              /**< Optional. Of the whole. Default: no limit. */
  uint64_t reserved[8];            /**< Must be zero. */
} daytona_snapshot_create_opts_t;

/**
 * Make a snapshot, and wait until it is ACTIVE.
 *
 * Settles with daytona_future_snapshot(). Fails with DAYTONA_EINVAL for a bad name or image, DAYTONA_ECONFLICT for a name in
 * use, DAYTONA_ESNAPSHOT_FAILED with the reason when pulling or building fails, and DAYTONA_EDEADLINE at the limit, with the
 * last state in the message. After that, and after a cancellation, the server continues; the snapshot is found by its name.
 *
 * Of an `image`, files are read and contexts uploaded before the request; `timeout_ms` includes that, and a cancellation
 * during it leaves no snapshot.
 *
 * @param name  Required, not empty.
 * @param opts  Required. Copied.
 */
DAYTONA_API daytona_future_t *daytona_snapshot_create(daytona_client_t *client, const char *name,
                                                      const daytona_snapshot_create_opts_t *opts);

/**
 * Upload what an image copies from this machine, as daytona_snapshot_create() does. Settles with daytona_future_strings(): a
 * hash for each context, in the order of daytona_image_resolve(). What is in the storage already is not sent again.
 *
 * @param image  Required. Retained until the future settles.
 * @param opts   Default of timeout_ms: no limit.
 *
 * Cancel: stops, and removes parts of what was not complete.
 */
DAYTONA_API daytona_future_t *daytona_snapshot_process_image_context(daytona_client_t *client,
                                                                     daytona_image_t *image,
                                                                     const daytona_call_opts_t *opts);

/* --- change ------------------------------------------------------------------------------------ */

/**
 * Delete a snapshot. Settles without a value when the server has accepted it.
 * @param id_or_name  Required, not empty. A name costs a request more.
 */
DAYTONA_API daytona_future_t *daytona_snapshot_delete(daytona_client_t *client, const char *id_or_name,
                                                      const daytona_call_opts_t *opts);

/**
 * Activate a snapshot that is INACTIVE. Settles with daytona_future_snapshot() when the server has accepted it; it does not
 * wait for ACTIVE.
 * @param id_or_name  Required, not empty. A name costs a request more.
 */
DAYTONA_API daytona_future_t *daytona_snapshot_activate(daytona_client_t *client, const char *id_or_name,
                                                        const daytona_call_opts_t *opts);

DAYTONA_END

#endif
