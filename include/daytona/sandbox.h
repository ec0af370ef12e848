/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sandboxes: create, find, list, and their lifecycle.
 *
 * A sandbox object is a snapshot of the server's last report, with an id that never changes. Every operation
 * on it that returns newer data updates it. It is reference-counted: futures lend their reference, so call
 * daytona_sandbox_retain() on what you keep. It keeps the memory of its client, not its connections.
 *
 * `timeout_ms` of lifecycle calls (create, start, stop, recover, delete, resize and the waits) bounds the whole
 * call, including the wait for the state. Default 60000; DAYTONA_NO_TIMEOUT is no limit; other negative values fail
 * with DAYTONA_EINVAL. Time spent waiting for a free connection or a place among the starting sandboxes does not
 * count, unless `counts_queue_time` is set. At the limit the future fails with DAYTONA_EDEADLINE, and the server
 * continues the operation. All other calls: default request_timeout_ms of the client. Times are in milliseconds.
 *
 * Unless a function says otherwise:
 *   Thread: loop.  In callbacks: yes.  After close: fails with DAYTONA_ECLOSED.
 *   Arguments: strings and option structs are copied; objects are retained until the future settles.
 *   Cancel: stops waiting and aborts the request; the server may still complete it.
 *   Retry: requests that cannot have reached the server are retried, up to twice; of requests that may have
 *   reached it, only GET, PUT and DELETE are.
 *
 * Protocol: control plane of Daytona (/sandbox...), see docs/protocol.md.
 */
#ifndef DAYTONA_SANDBOX_H
#define DAYTONA_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <daytona/export.h>
#include <daytona/build.h>
#include <daytona/future.h>
#include <daytona/image.h>
#include <daytona/types.h>

DAYTONA_BEGIN

typedef struct daytona_sandbox daytona_sandbox_t;

/** X(NAME, number, wire string). Numbers never change; 0 also stands for states unknown to this version. */
#define DAYTONA_SANDBOX_STATE_MAP(X)            \
  X(UNKNOWN, 0, "unknown")                      \
  X(CREATING, 1, "creating")                    \
  X(RESTORING, 2, "restoring")                  \
  X(DESTROYED, 3, "destroyed")                  \
  X(DESTROYING, 4, "destroying")                \
  X(STARTED, 5, "started")                      \
  X(STOPPED, 6, "stopped")                      \
  X(STARTING, 7, "starting")                    \
  X(STOPPING, 8, "stopping")                    \
  X(ERROR, 9, "error")                          \
  X(BUILD_FAILED, 10, "build_failed")           \
  X(PENDING_BUILD, 11, "pending_build")         \
  X(BUILDING_SNAPSHOT, 12, "building_snapshot") \
  X(PULLING_SNAPSHOT, 13, "pulling_snapshot")   \
  X(ARCHIVED, 14, "archived")                   \
  X(ARCHIVING, 15, "archiving")                 \
  X(RESIZING, 16, "resizing")                   \
  X(SNAPSHOTTING, 17, "snapshotting")           \
  X(FORKING, 18, "forking")                     \
  X(PAUSING, 19, "pausing")                     \
  X(PAUSED, 20, "paused")                       \
  X(RESUMING, 21, "resuming")

typedef enum daytona_sandbox_state {
#define DAYTONA_SANDBOX_STATE_ENUM(name, value, text) DAYTONA_SANDBOX_##name = value,
  DAYTONA_SANDBOX_STATE_MAP(DAYTONA_SANDBOX_STATE_ENUM)
#undef DAYTONA_SANDBOX_STATE_ENUM
    DAYTONA_SANDBOX_STATE_FORCE_INT = 0x7fffffff /**< keeps the size of the enum */
} daytona_sandbox_state_t;

/** The wire string of a state: "started". "unknown" for unknown values. Static. Thread: any. */
DAYTONA_API const char *daytona_sandbox_state_name(daytona_sandbox_state_t state);

/** A volume in a sandbox. */
typedef struct daytona_volume_mount {
  const char *volume_id;  /**< Required. Id or name. */
  const char *mount_path; /**< Required. Absolute; not a system folder. */
  const char *subpath;    /**< Optional. Folder inside the volume. */
  uint64_t reserved[8];   /**< Must be zero. */
} daytona_volume_mount_t;

/**
 * What the server reported about a sandbox. Strings that it omitted are NULL; fields whose comment says "not in list
 * items" are empty in sandboxes of daytona_sandbox_iter_next() until daytona_sandbox_refresh_data().
 */
typedef struct daytona_sandbox_info_t {
  const char *id;
  const char *organization_id;
  const char *name;
  const char *snapshot;
  const char *os_user; /**< operating system user */
  daytona_map_t env;   /**< not in list items */
  daytona_map_t labels;
  bool is_public;
  bool network_block_all;
  const char *network_allow_list;
  const char *domain_allow_list;
  const char *outbound_proxy_url;     /**< not in list items */
  const char *otel_endpoint_override; /**< not in list items */
  const char *target;
  double cpu; /**< cores */
  double gpu; /**< units */
  const char *gpu_type;
  double memory_gib;
  double disk_gib;
  bool is_spot;
  const char *spot_evicted_at;
  bool has_kvm;                            /**< not in list items */
  daytona_opt_int_t queue_timeout_minutes; /**< longest wait for a runner; not set: no limit */
  const char *queue_timed_out_at;          /**< set: that time has passed, and the sandbox was destroyed */
  daytona_sandbox_state_t state;
  const char *state_name; /**< as received, also where `state` is UNKNOWN */
  const char *desired_state;
  const char *error_reason;
  bool is_recoverable;
  const char *warm_pool_id;
  const char *backup_state;
  const char *backup_created_at;        /**< not in list items */
  daytona_opt_int_t auto_stop_minutes;  /**< 0: never */
  daytona_opt_int_t auto_pause_minutes; /**< 0: never */
  daytona_opt_int_t auto_archive_minutes;
  daytona_opt_int_t auto_delete_minutes; /**< negative: never; 0: when stopped */
  const char *auto_destroy_at;
  const daytona_volume_mount_t *const *volumes; /**< not in list items */
  size_t volume_count;
  const char *dockerfile;   /**< of an image build; not in list items */
  const char *snapshot_ref; /**< of an image build; not in list items */
  const char *created_at;   /**< times are RFC 3339 text, as received */
  const char *updated_at;
  const char *last_activity_at;
  const char *sandbox_class;
  const char *daemon_version;
  const char *runner_id;
  const char *linked_sandbox_id;
  const char *toolbox_proxy_url;
} daytona_sandbox_info_t;

/** One more reference. Returns `sandbox`, also if that is NULL: the result of a failed future can be passed. */
DAYTONA_API daytona_sandbox_t *daytona_sandbox_retain(daytona_sandbox_t *sandbox);

/** Release a reference; the sandbox on the server is not changed. NULL is allowed. */
DAYTONA_API void daytona_sandbox_release(daytona_sandbox_t *sandbox);

/** The id. Lives as long as the object. For NULL, this and the info and client are NULL. */
DAYTONA_API const char *daytona_sandbox_id(const daytona_sandbox_t *sandbox);

/** The state that the server reported last. DAYTONA_SANDBOX_UNKNOWN for NULL. */
DAYTONA_API daytona_sandbox_state_t daytona_sandbox_state(const daytona_sandbox_t *sandbox);

/**
 * Everything that the server reported last.
 *
 * Borrowed, and changed in place or replaced when an operation returns newer data:
 * copy what you keep, and do not hold the pointer across a return to the loop.
 */
DAYTONA_API const daytona_sandbox_info_t *daytona_sandbox_info(const daytona_sandbox_t *sandbox);

/** The client it belongs to. Borrowed. */
DAYTONA_API daytona_client_t *daytona_sandbox_client(const daytona_sandbox_t *sandbox);

/**
 * The sandbox of a future of daytona_sandbox_create(), _get(), _find_one(), daytona_sandbox_iter_next() and of the
 * lifecycle calls. Borrowed from the future; retain it to keep it. NULL while pending, after a failure, for other
 * kinds, and at the end of an iteration.
 */
DAYTONA_API daytona_sandbox_t *daytona_future_sandbox(const daytona_future_t *future);

/* --- create ------------------------------------------------------------------------------------ */

typedef struct daytona_sandbox_create_opts {
  /** Optional. Unique in the organization. Default: a new UUID, by which a create with an unknown outcome is found. */
  const char *name;
  /** Optional. Id or name of a snapshot. Default: the server's. */
  const char *snapshot;
  /** Optional. The name of an image in a registry, with its tag or digest, to create the sandbox from. Excludes `snapshot`. */
  const char *image_name;
  /** Optional. An image to build, and to create the sandbox from. What it copies from this machine is uploaded first. A
      build that the server has already is not made again. Excludes `snapshot` and `image_name`. */
  daytona_image_t *image;
  daytona_resources_t resources; /**< Optional. Only with `image_name` or `image`: a snapshot has its own. */
  daytona_build_cb on_build;     /**< Optional. States, and the log of the build of an image. */
  void *user;                    /**< Of `on_build`. */
  daytona_destroy_cb destroy_user; /**< Optional. For `user`. */
  /** Optional. Operating system user. Default: the server's, `daytona`. */
  const char *os_user;
  /** Optional. `python` (default), `typescript` or `javascript`: what daytona_process_code_run()
      runs. Stored as the label `code-toolbox-language`, which overrides one given in `labels`. */
  const char *language;
  daytona_map_t env;    /**< Optional. Environment of every process in the sandbox. Limit of each: as in
                                             <daytona/process.h>. */
  daytona_map_t labels; /**< Optional. */
  daytona_opt_bool_t is_public;         /**< Optional. Previews need no token. Default: false. */
  daytona_opt_int_t auto_stop_minutes;  /**< Optional. Idle time; 0: never. Server default: 15. */
  daytona_opt_int_t auto_pause_minutes; /**< Optional. 0: never. Not together with auto-stop. */
  daytona_opt_int_t
    auto_archive_minutes; /**< Optional. Stopped time; 0: the maximum. Server default: 7 days. */
  daytona_opt_int_t auto_delete_minutes; /**< Optional. Stopped time; negative: never; 0: on stop. */
  daytona_opt_int_t ttl_minutes;         /**< Optional. Lifetime from creation; 0: unlimited. */
  bool is_ephemeral; /**< Delete when stopped: auto_delete_minutes of 0, whatever that says. */
  const daytona_volume_mount_t *volumes; /**< Optional. Copied. */
  size_t volume_count;
  daytona_opt_bool_t network_block_all; /**< Optional. No outbound traffic. */
  const char *network_allow_list;       /**< Optional. IPv4 CIDRs, comma-separated, at most 10. */
  const char *domain_allow_list;        /**< Optional. Domains, comma-separated, at most 10. */
  daytona_map_t secrets;                /**< Optional. Environment variable to name of a stored secret. */
  const char *outbound_proxy_url;       /**< Optional. */
  const char *otel_endpoint_override;   /**< Optional. */
  const char *linked_sandbox;           /**< Optional. Id or name of a sandbox to run next to. */
  daytona_opt_bool_t is_spot;           /**< Optional. GPU sandboxes only; may be evicted. */
  daytona_opt_bool_t has_kvm; /**< Optional. /dev/kvm by nested virtualization; virtual machines only. */
  daytona_opt_int_t
    queue_timeout_minutes; /**< Optional. Longest wait for a runner, from 1; after it the server destroys
                                                the sandbox. Default: the organization's. */
  const char *target;      /**< Optional. Region of this sandbox. Default: `target` of the client. */
  int64_t timeout_ms;      /**< Optional. Default 60000. */
  bool counts_queue_time;  /**< Count the wait for a free place as well. */
  bool keeps_on_cancel;    /**< Cancelling does not delete the sandbox. */
  uint64_t reserved[8];    /**< Must be zero. */
} daytona_sandbox_create_opts_t;

/**
 * Create a sandbox from a snapshot or an image and wait until it is started.
 *
 * Settles with daytona_future_sandbox(). Fails with DAYTONA_EINVAL for a bad argument or unknown snapshot,
 * DAYTONA_ECONFLICT for a name in use, DAYTONA_ESANDBOX_FAILED when the sandbox ends in an error state (a build that fails
 * included, with its reason), DAYTONA_EQUEUE_TIMEOUT and DAYTONA_ESPOT_EVICTED when the server has destroyed it for these
 * reasons, the errors of an image (see <daytona/image.h>) and of its upload,
 * DAYTONA_ERATELIMIT, DAYTONA_EDEADLINE and any error of transport.
 *
 * With an `image`, its files are read and its contexts uploaded before the request; `timeout_ms` includes that and the build,
 * so 60 s is short for one. A cancellation before the request leaves no sandbox.
 *
 * Never sent again once it may have reached the server. If the response is lost (a broken connection,
 * no response, a 5xx other than 501, 505 and 511), the sandbox is looked up by its name: if it exists, the operation continues
 * with it; if not, the first error is reported. Three quarters of timeout_ms are for the request, the
 * rest for the lookup. A name of your own must never have been used before: an older sandbox of that
 * name cannot be distinguished from the requested one. After a failure that came later than the
 * request, error->sandbox and the message name the sandbox, which may exist: delete it, or use it.
 *
 * @param client  Retained until the future settles.
 * @param opts    Copied. NULL means all defaults.
 *
 * Cancel: before the request is sent, nothing happens. After it, the sandbox may exist:
 * error->sandbox has its id or name. If it is certain that this call made it (its id is known,
 * or you gave no name), it is deleted in the background, for up to 10 s, and the outcome is
 * logged; keeps_on_cancel prevents that. Closing the client or a timeout deletes nothing.
 */
DAYTONA_API daytona_future_t *daytona_sandbox_create(daytona_client_t *client,
                                                     const daytona_sandbox_create_opts_t *opts);

/* --- find -------------------------------------------------------------------------------------- */

/**
 * Fetch one sandbox. Settles with daytona_future_sandbox(); fails with DAYTONA_ENOTFOUND if there is none.
 *
 * @param id_or_name  Required, not empty.
 * @param opts        Optional. `timeout_ms`: default request_timeout_ms of the client.
 */
DAYTONA_API daytona_future_t *daytona_sandbox_get(daytona_client_t *client, const char *id_or_name,
                                                  const daytona_call_opts_t *opts);

typedef struct daytona_sandbox_find_one_opts {
  const char *id_or_name; /**< Optional. When given, labels are ignored. */
  daytona_map_t labels;   /**< Optional. Every pair must be present. */
  int64_t timeout_ms;     /**< Optional. Default: request_timeout_ms of the client. */
  uint64_t reserved[8];   /**< Must be zero. */
} daytona_sandbox_find_one_opts_t;

/**
 * Fetch the sandbox with that id or name, or else the first one with those labels.
 * Settles with daytona_future_sandbox(); fails with DAYTONA_ENOTFOUND if there is none.
 */
DAYTONA_API daytona_future_t *daytona_sandbox_find_one(daytona_client_t *client,
                                                       const daytona_sandbox_find_one_opts_t *opts);

/** One page of sandboxes, borrowed from the future; retain those you keep. */
typedef struct daytona_sandbox_page {
  daytona_sandbox_t *const *items;
  size_t count;
  int64_t total; /**< of all pages */
  int64_t page;  /**< from 1 */
  int64_t total_pages;
} daytona_sandbox_page_t;

typedef struct daytona_sandbox_list_opts {
  daytona_map_t labels;    /**< Optional. Every pair must be present. */
  daytona_opt_int_t page;  /**< Optional. From 1. Default 1. */
  daytona_opt_int_t limit; /**< Optional. Sandboxes per page, 1 to 200. Server default: 100. */
  int64_t timeout_ms;      /**< Optional. Default: request_timeout_ms of the client. */
  uint64_t reserved[8];    /**< Must be zero. */
} daytona_sandbox_list_opts_t;

/**
 * Fetch one page of the list. Settles with daytona_future_sandbox_page(). The server has deprecated this call;
 * prefer daytona_sandbox_iter_new(). Where the server no longer has it, the whole list is gone through to count it and to cut
 * out the page: `timeout_ms` is then that of each request, and the sandboxes lack what list items do.
 */
DAYTONA_API daytona_future_t *daytona_sandbox_list(daytona_client_t *client,
                                                   const daytona_sandbox_list_opts_t *opts);

/** The page of a future of daytona_sandbox_list(), or NULL. Borrowed from the future. */
DAYTONA_API const daytona_sandbox_page_t *daytona_future_sandbox_page(const daytona_future_t *future);

/** The filter of an iteration. Times are RFC 3339 text. All zero: all sandboxes, in the server's order. */
typedef struct daytona_sandbox_query {
  const char *id_prefix;                 /**< Optional. Any case. */
  const char *name_prefix;               /**< Optional. Any case. */
  daytona_map_t labels;                  /**< Optional. Every pair must be present. */
  const daytona_sandbox_state_t *states; /**< Optional. Any of these. Not DESTROYED, not UNKNOWN. */
  size_t state_count;
  daytona_strings_t snapshots; /**< Optional. Names; any of these. */
  daytona_strings_t targets;   /**< Optional. Region ids; any of these. */
  daytona_opt_int_t min_cpu, max_cpu;
  daytona_opt_int_t min_memory_gib, max_memory_gib;
  daytona_opt_int_t min_disk_gib, max_disk_gib;
  daytona_opt_bool_t is_public;
  daytona_opt_bool_t is_recoverable;
  const char *created_after, *created_before;
  const char *last_activity_after, *last_activity_before;
  const char *auto_destroy_after, *auto_destroy_before;
  const char *sort;            /**< Optional. name, cpu, memoryGib, diskGib, lastActivityAt, createdAt. */
  const char *order;           /**< Optional. asc or desc. */
  daytona_opt_int_t page_size; /**< Optional. Sandboxes per request, 1 to 200. Server default: 100. */
  int64_t timeout_ms;          /**< Optional. Of each request. Default: request_timeout_ms of the client. */
  uint64_t reserved[8];        /**< Must be zero. */
} daytona_sandbox_query_t;

/** An iteration over all sandboxes that match a query, page by page. */
typedef struct daytona_sandbox_iter daytona_sandbox_iter_t;

/**
 * Begin an iteration. No request is sent before the first daytona_sandbox_iter_next().
 *
 * @param query  Copied. NULL means everything.
 * @param out    The iterator, with one reference that you own. Untouched on failure.
 * @return 0, DAYTONA_EINVAL for a bad query, DAYTONA_ENOMEM, DAYTONA_ECLOSED.
 */
DAYTONA_API int daytona_sandbox_iter_new(daytona_client_t *client, const daytona_sandbox_query_t *query,
                                         daytona_sandbox_iter_t **out);

/**
 * Fetch the next sandbox. Settles with daytona_future_sandbox(). At the end, and for every further call,
 * it succeeds and daytona_future_is_absent() is true. After a failure the same step may be retried.
 *
 * Some fields are not in list items; see daytona_sandbox_info_t. One step
 * at a time: a call while another is pending fails with DAYTONA_EREENTRANT.
 */
DAYTONA_API daytona_future_t *daytona_sandbox_iter_next(daytona_sandbox_iter_t *iter);

/** Release the iterator. A pending step still settles. NULL is allowed. */
DAYTONA_API void daytona_sandbox_iter_release(daytona_sandbox_iter_t *iter);

/* --- data -------------------------------------------------------------------------------------- */

/** Fetch the sandbox again. Settles with daytona_future_sandbox(), the same object, updated. */
DAYTONA_API daytona_future_t *daytona_sandbox_refresh_data(daytona_sandbox_t *sandbox,
                                                           const daytona_call_opts_t *opts);

/** Report activity, which postpones auto-stop. Settles without a value. */
DAYTONA_API daytona_future_t *daytona_sandbox_refresh_activity(daytona_sandbox_t *sandbox,
                                                               const daytona_call_opts_t *opts);

/** Get the home folder of the sandbox's user. Settles with daytona_future_string(). Protocol: toolbox. */
DAYTONA_API daytona_future_t *daytona_sandbox_get_user_home_dir(daytona_sandbox_t *sandbox,
                                                                const daytona_call_opts_t *opts);

/** Get the folder at which relative paths start. Settles with daytona_future_string(). Protocol: toolbox. */
DAYTONA_API daytona_future_t *daytona_sandbox_get_work_dir(daytona_sandbox_t *sandbox,
                                                           const daytona_call_opts_t *opts);

/**
 * Replace all labels, including the language: give `code-toolbox-language` again to keep it.
 * Settles with daytona_future_map(): the labels as the server stored them.
 *
 * @param labels  Copied. NULL or empty removes all.
 */
DAYTONA_API daytona_future_t *daytona_sandbox_set_labels(daytona_sandbox_t *sandbox,
                                                         const daytona_map_t *labels,
                                                         const daytona_call_opts_t *opts);

/* --- lifecycle --------------------------------------------------------------------------------- */

/** Options of lifecycle calls. */
typedef struct daytona_sandbox_lifecycle_opts {
  int64_t timeout_ms;     /**< Optional. Default 60000. */
  bool is_forced;         /**< stop: kill processes at once instead of letting them end. */
  bool waits;             /**< delete: wait until the sandbox no longer exists. */
  bool counts_queue_time; /**< Count the wait for a free place as well. */
  uint64_t reserved[8];   /**< Must be zero. */
} daytona_sandbox_lifecycle_opts_t;

/** Start and wait until it is started. Settles with daytona_future_sandbox(). */
DAYTONA_API daytona_future_t *daytona_sandbox_start(daytona_sandbox_t *sandbox,
                                                    const daytona_sandbox_lifecycle_opts_t *opts);

/** Stop and wait until it is stopped, or deleted if it is ephemeral. Settles with daytona_future_sandbox(). */
DAYTONA_API daytona_future_t *daytona_sandbox_stop(daytona_sandbox_t *sandbox,
                                                   const daytona_sandbox_lifecycle_opts_t *opts);

/** Repair a sandbox in state ERROR whose `is_recoverable` is true, and wait until it is started. Settles with
    daytona_future_sandbox(). */
DAYTONA_API daytona_future_t *daytona_sandbox_recover(daytona_sandbox_t *sandbox,
                                                      const daytona_sandbox_lifecycle_opts_t *opts);

/** Delete. Settles with daytona_future_sandbox() when the server has accepted
    it, or, with `waits`, when the sandbox no longer exists (state DESTROYED). A sandbox that is gone already is
    DAYTONA_ENOTFOUND, one that another call is deleting DAYTONA_ECONFLICT: a cleanup may take both for success. */
DAYTONA_API daytona_future_t *daytona_sandbox_delete(daytona_sandbox_t *sandbox,
                                                     const daytona_sandbox_lifecycle_opts_t *opts);

/** Move a stopped sandbox to the archive. Settles with daytona_future_sandbox() when the server has accepted it; it
    does not wait for ARCHIVED. */
DAYTONA_API daytona_future_t *daytona_sandbox_archive(daytona_sandbox_t *sandbox,
                                                      const daytona_call_opts_t *opts);

/** New resources. At least one is required; each is at least 1. */
typedef struct daytona_sandbox_resize_opts {
  daytona_opt_int_t cpu;        /**< cores; cannot shrink while started */
  daytona_opt_int_t memory_gib; /**< cannot shrink while started */
  daytona_opt_int_t disk_gib;   /**< stopped sandboxes only; cannot shrink */
  int64_t timeout_ms;           /**< Optional. Default 60000. */
  bool counts_queue_time;
  uint64_t reserved[8]; /**< Must be zero. */
} daytona_sandbox_resize_opts_t;

/**
 * Change the resources and wait until the change is complete. Settles with daytona_future_sandbox().
 * @param opts  Required. Copied.
 */
DAYTONA_API daytona_future_t *daytona_sandbox_resize(daytona_sandbox_t *sandbox,
                                                     const daytona_sandbox_resize_opts_t *opts);

/** Wait until it is started. Succeeds without a request if the last report said so. Fails with
    DAYTONA_ESANDBOX_FAILED in an error state. Settles with daytona_future_sandbox(). */
DAYTONA_API daytona_future_t *daytona_sandbox_wait_for_start(daytona_sandbox_t *sandbox,
                                                             const daytona_sandbox_lifecycle_opts_t *opts);

/** As daytona_sandbox_wait_for_start(), until it is stopped or destroyed. */
DAYTONA_API daytona_future_t *daytona_sandbox_wait_for_stop(daytona_sandbox_t *sandbox,
                                                            const daytona_sandbox_lifecycle_opts_t *opts);

/** As daytona_sandbox_wait_for_start(), until it is no longer being resized. */
DAYTONA_API daytona_future_t *daytona_sandbox_wait_for_resize_complete(
  daytona_sandbox_t *sandbox, const daytona_sandbox_lifecycle_opts_t *opts);

/** Set the idle minutes after which it stops; 0: never; negative: DAYTONA_EINVAL. Settles with daytona_future_sandbox(), like
    the next two. */
DAYTONA_API daytona_future_t *daytona_sandbox_set_autostop_interval(daytona_sandbox_t *sandbox,
                                                                    int64_t minutes,
                                                                    const daytona_call_opts_t *opts);

/** Set the stopped minutes after which it is archived; 0: the server's maximum, which also bounds larger values. */
DAYTONA_API daytona_future_t *daytona_sandbox_set_auto_archive_interval(daytona_sandbox_t *sandbox,
                                                                        int64_t minutes,
                                                                        const daytona_call_opts_t *opts);

/** Set the stopped minutes after which it is deleted; 0: when stopped; negative: never. */
DAYTONA_API daytona_future_t *daytona_sandbox_set_auto_delete_interval(daytona_sandbox_t *sandbox,
                                                                       int64_t minutes,
                                                                       const daytona_call_opts_t *opts);

/** Set the idle minutes after which it is paused; 0: never. Virtual machines only; excludes auto-stop. Negative:
    DAYTONA_EINVAL. */
DAYTONA_API daytona_future_t *daytona_sandbox_set_auto_pause_interval(daytona_sandbox_t *sandbox,
                                                                      int64_t minutes,
                                                                      const daytona_call_opts_t *opts);

/** Set the minutes from now after which it is deleted, in whatever state it is; 0: never. Negative: DAYTONA_EINVAL. Each
    call counts anew; `auto_destroy_at` has the time. Settles with daytona_future_sandbox(). */
DAYTONA_API daytona_future_t *daytona_sandbox_set_ttl(daytona_sandbox_t *sandbox, int64_t minutes,
                                                      const daytona_call_opts_t *opts);

/** Pause and wait until it is paused: memory and processes are kept, and starting it resumes them. Virtual machines only;
    others fail with DAYTONA_EUNPROCESSABLE or as the server has it. Settles with daytona_future_sandbox(). */
DAYTONA_API daytona_future_t *daytona_sandbox_pause(daytona_sandbox_t *sandbox,
                                                    const daytona_sandbox_lifecycle_opts_t *opts);

typedef struct daytona_sandbox_create_snapshot_opts {
  bool includes_memory;   /**< Also the memory, of virtual machines that can; else the files alone. */
  int64_t timeout_ms;     /**< Optional. Default 60000. */
  bool counts_queue_time; /**< Count the wait for a free place as well. */
  uint64_t reserved[8];   /**< Must be zero. */
} daytona_sandbox_create_snapshot_opts_t;

/**
 * Make a snapshot of the sandbox and wait until it is made. Settles with daytona_future_sandbox(); the snapshot is found
 * with daytona_snapshot_get(). Fails with DAYTONA_ESANDBOX_FAILED when the sandbox ends in an error state. The request is
 * not sent again once it may have reached the server.
 *
 * @param name  Required. Of the snapshot, unique in the organization: published servers drop the result under a name that
 *              is in use, and report success.
 */
DAYTONA_API daytona_future_t *daytona_sandbox_create_snapshot(
  daytona_sandbox_t *sandbox, const char *name, const daytona_sandbox_create_snapshot_opts_t *opts);

typedef struct daytona_sandbox_fork_opts {
  const char *name;       /**< Optional. Of the new sandbox. Default: its id. */
  int64_t timeout_ms;     /**< Optional. Default 60000. */
  bool counts_queue_time; /**< Count the wait for a free place as well. */
  uint64_t reserved[8];   /**< Must be zero. */
} daytona_sandbox_fork_opts_t;

/**
 * Make a copy of the sandbox, with its files, environment, labels and settings, and wait until that is started. Settles
 * with daytona_future_sandbox(): the new one. It takes a place among the starting sandboxes. Virtual machines only; others fail as
 * the server has it.
 *
 * The request is not sent again once it may have reached the server. After a failure or cancel that came later, error->sandbox has
 * the id, or else the name you gave, of a sandbox that may exist; nothing is deleted.
 */
DAYTONA_API daytona_future_t *daytona_sandbox_fork(daytona_sandbox_t *sandbox,
                                                   const daytona_sandbox_fork_opts_t *opts);

/* --- settings ---------------------------------------------------------------------------------- */

/** Set whether previews need no token. Settles with daytona_future_sandbox(). */
DAYTONA_API daytona_future_t *daytona_sandbox_set_public(daytona_sandbox_t *sandbox, bool is_public,
                                                         const daytona_call_opts_t *opts);

/** What a sandbox may reach. At least one of the first three is required; those that are not given stay as they are, but
    `network_block_all` clears the list of addresses, and such a list ends the block. */
typedef struct daytona_sandbox_update_network_settings_opts {
  daytona_opt_bool_t network_block_all; /**< No outbound traffic. */
  const char *network_allow_list;       /**< IPv4 CIDRs, comma-separated, at most 10; "": none. */
  const char *domain_allow_list;        /**< Domains, comma-separated, at most 10; "": none. */
  int64_t timeout_ms;                   /**< Optional. Default: request_timeout_ms of the client. */
  uint64_t reserved[8];                 /**< Must be zero. */
} daytona_sandbox_update_network_settings_opts_t;

/** Change what the sandbox may reach, while it runs. Settles with daytona_future_sandbox(). */
DAYTONA_API daytona_future_t *daytona_sandbox_update_network_settings(
  daytona_sandbox_t *sandbox, const daytona_sandbox_update_network_settings_opts_t *opts);

/**
 * Replace the secrets of the sandbox. Settles with daytona_future_sandbox(). Variables are new in processes that are
 * started afterwards; a sandbox that was created without secrets must be restarted once.
 *
 * @param secrets  Environment variable to name of a secret, see <daytona/secret.h>. Copied. NULL or empty: none.
 */
DAYTONA_API daytona_future_t *daytona_sandbox_update_secrets(daytona_sandbox_t *sandbox,
                                                             const daytona_map_t *secrets,
                                                             const daytona_call_opts_t *opts);

typedef struct daytona_sandbox_update_env_opts {
  daytona_strings_t unset; /**< Optional. Names to remove, before `env` is set. */
  const char
    *unset_value_prefix; /**< Optional. Remove variables whose value begins so, unless `env` has them. */
  int64_t timeout_ms;    /**< Optional. Default: request_timeout_ms of the client. */
  uint64_t reserved[8];  /**< Must be zero. */
} daytona_sandbox_update_env_opts_t;

/**
 * Change the environment of processes, sessions and terminals that are started afterwards, until the sandbox stops.
 * Settles without a value. Fails with DAYTONA_EINVAL when there is nothing to change. Protocol: toolbox.
 *
 * @param env  Variables to set. Copied, and wiped afterwards. NULL or empty: none. Limit of each: as in <daytona/process.h>.
 */
DAYTONA_API daytona_future_t *daytona_sandbox_update_env(daytona_sandbox_t *sandbox, const daytona_map_t *env,
                                                         const daytona_sandbox_update_env_opts_t *opts);

/* --- previews ---------------------------------------------------------------------------------- */

/** The address at which a port of the sandbox is reachable from outside. */
typedef struct daytona_preview_link {
  const char *sandbox_id;
  int64_t port;
  const char *url;
  const char *token; /**< secret; header `X-Daytona-Preview-Token`; for signed links it is part of the URL */
} daytona_preview_link_t;

/**
 * Get the URL of a port and its token. No process needs to listen on the port yet.
 * Settles with daytona_future_preview_link().
 *
 * @param port  1 to 65535.
 */
DAYTONA_API daytona_future_t *daytona_sandbox_get_preview_link(daytona_sandbox_t *sandbox, int port,
                                                               const daytona_call_opts_t *opts);

typedef struct daytona_sandbox_create_signed_preview_url_opts {
  daytona_opt_int_t expires_in_seconds; /**< Optional. 1 to 86400. Server default: 60. */
  int64_t timeout_ms;                   /**< Optional. Default: request_timeout_ms of the client. */
  uint64_t reserved[8];                 /**< Must be zero. */
} daytona_sandbox_create_signed_preview_url_opts_t;

/** Make a URL that needs no separate token. Settles with daytona_future_preview_link(). */
DAYTONA_API daytona_future_t *daytona_sandbox_create_signed_preview_url(
  daytona_sandbox_t *sandbox, int port, const daytona_sandbox_create_signed_preview_url_opts_t *opts);

/** Invalidate a signed URL. Settles without a value. `token` is that of the link. */
DAYTONA_API daytona_future_t *daytona_sandbox_expire_signed_preview_url(daytona_sandbox_t *sandbox, int port,
                                                                        const char *token,
                                                                        const daytona_call_opts_t *opts);

/** The link of the two futures above, or NULL. Borrowed from the future. */
DAYTONA_API const daytona_preview_link_t *daytona_future_preview_link(const daytona_future_t *future);

/* --- links to files ---------------------------------------------------------------------------- */

typedef struct daytona_sandbox_file_url_opts {
  daytona_opt_int_t expires_in_seconds; /**< Optional. 0 or less: never. Default: 3600. */
  int64_t timeout_ms;                   /**< Optional. Default: request_timeout_ms of the client. */
  uint64_t reserved[8];                 /**< Must be zero. */
} daytona_sandbox_file_url_opts_t;

/**
 * Make a URL with which anyone can download one file, without a key. Settles with daytona_future_string(); the URL is a
 * secret, and is wiped with the future.
 *
 * It is signed here, with a key of the sandbox that is fetched when none younger than 15 seconds is known. This
 * machine's clock decides when it expires. daytona_sandbox_rotate_signing_key() invalidates it.
 *
 * @param path  Required, not empty, UTF-8. Relative paths begin at daytona_sandbox_get_work_dir().
 */
DAYTONA_API daytona_future_t *daytona_sandbox_download_url(daytona_sandbox_t *sandbox, const char *path,
                                                           const daytona_sandbox_file_url_opts_t *opts);

/** As daytona_sandbox_download_url(), to upload that file: with a POST of a form whose field `file` has the content. */
DAYTONA_API daytona_future_t *daytona_sandbox_upload_url(daytona_sandbox_t *sandbox, const char *path,
                                                         const daytona_sandbox_file_url_opts_t *opts);

/** Make a new key: all URLs that were signed so far become invalid. Settles without a value. */
DAYTONA_API daytona_future_t *daytona_sandbox_rotate_signing_key(daytona_sandbox_t *sandbox,
                                                                 const daytona_call_opts_t *opts);

/* --- metrics ----------------------------------------------------------------------------------- */

/** What a sandbox used at one moment. What the server left out is 0. */
typedef struct daytona_sandbox_metrics {
  const char *timestamp; /**< RFC 3339 text, as received; NULL: none */
  double cpu_count;      /**< cores that it may use */
  double cpu_used_pct;   /**< of these, in percent */
  int64_t memory_total_bytes;
  int64_t memory_used_bytes;
  int64_t memory_cache_bytes;
  int64_t disk_total_bytes;
  int64_t disk_used_bytes;
} daytona_sandbox_metrics_t;

typedef struct daytona_sandbox_metrics_list_t {
  const daytona_sandbox_metrics_t *const *items; /**< in the order of time */
  size_t count;
} daytona_sandbox_metrics_list_t;

/** The sample of daytona_sandbox_get_metrics_latest(), or NULL. Borrowed from the future. */
DAYTONA_API const daytona_sandbox_metrics_t *daytona_future_sandbox_metrics(const daytona_future_t *future);

/** The samples of daytona_sandbox_get_metrics(), or NULL. Borrowed from the future. */
DAYTONA_API const daytona_sandbox_metrics_list_t *daytona_future_sandbox_metrics_list(
  const daytona_future_t *future);

/** Ask a running sandbox what it uses now. Settles with daytona_future_sandbox_metrics(). Protocol: toolbox. */
DAYTONA_API daytona_future_t *daytona_sandbox_get_metrics_latest(daytona_sandbox_t *sandbox,
                                                                 const daytona_call_opts_t *opts);

typedef struct daytona_sandbox_get_metrics_opts {
  const char *start;    /**< Optional. RFC 3339. Default: when the sandbox was created. */
  const char *end;      /**< Optional. RFC 3339. Default: now. */
  int64_t timeout_ms;   /**< Optional. Of each request. Default: request_timeout_ms of the client. */
  uint64_t reserved[8]; /**< Must be zero. */
} daytona_sandbox_get_metrics_opts_t;

/**
 * Fetch what a sandbox has used. Settles with daytona_future_sandbox_metrics_list(); more than about 20,000 samples fail
 * with DAYTONA_ELIMIT: ask for a shorter time.
 *
 * Where the server's configuration names a service for analytics, that is asked instead of the control plane. The
 * configuration is fetched once per client. A service that is reached by http while the control plane is by https is sent
 * nothing: DAYTONA_EPROTOCOL, unless `allows_plain_toolbox` of the configuration is set.
 */
DAYTONA_API daytona_future_t *daytona_sandbox_get_metrics(daytona_sandbox_t *sandbox,
                                                          const daytona_sandbox_get_metrics_opts_t *opts);

/* --- SSH --------------------------------------------------------------------------------------- */

/** A permission to log in over SSH. */
typedef struct daytona_ssh_access {
  const char *id;
  const char *sandbox_id;
  const char *token; /**< secret: the SSH user name */
  const char *expires_at;
  const char *created_at;
  const char *updated_at;
  const char *ssh_command;
} daytona_ssh_access_t;

typedef struct daytona_sandbox_create_ssh_access_opts {
  daytona_opt_num_t expires_in_minutes; /**< Optional. More than 0. Server default: 60. */
  int64_t timeout_ms;                   /**< Optional. Default: request_timeout_ms of the client. */
  uint64_t reserved[8];                 /**< Must be zero. */
} daytona_sandbox_create_ssh_access_opts_t;

/** Permit SSH; earlier tokens of the sandbox become invalid. Settles with daytona_future_ssh_access(). */
DAYTONA_API daytona_future_t *daytona_sandbox_create_ssh_access(
  daytona_sandbox_t *sandbox, const daytona_sandbox_create_ssh_access_opts_t *opts);

/**
 * Revoke one SSH token. Settles without a value.
 * @param token  Required. An empty one is DAYTONA_EINVAL, because the server would revoke all.
 */
DAYTONA_API daytona_future_t *daytona_sandbox_revoke_ssh_access(daytona_sandbox_t *sandbox, const char *token,
                                                                const daytona_call_opts_t *opts);

typedef struct daytona_ssh_validation {
  bool is_valid;
  const char *sandbox_id; /**< "" for a token that is not valid */
} daytona_ssh_validation_t;

/** Check whether a token is valid. Ordinary keys may get DAYTONA_EFORBIDDEN. Settles with
    daytona_future_ssh_validation(). */
DAYTONA_API daytona_future_t *daytona_sandbox_validate_ssh_access(daytona_sandbox_t *sandbox,
                                                                  const char *token,
                                                                  const daytona_call_opts_t *opts);

/** The access of a future of daytona_sandbox_create_ssh_access(), or NULL. Borrowed from the future. */
DAYTONA_API const daytona_ssh_access_t *daytona_future_ssh_access(const daytona_future_t *future);

/** The result of daytona_sandbox_validate_ssh_access(), or NULL. Borrowed from the future. */
DAYTONA_API const daytona_ssh_validation_t *daytona_future_ssh_validation(const daytona_future_t *future);

DAYTONA_END

#endif
