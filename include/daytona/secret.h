/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Secrets: values that programs in sandboxes use without seeing them.
 *
 * A secret is mounted into a sandbox under the name of an environment variable: `secrets` of
 * daytona_sandbox_create_opts_t, or daytona_sandbox_update_secrets(). The variable holds the secret's placeholder, and the
 * platform puts the value in its place in requests that the sandbox sends to the hosts allowed. The value can be written and
 * never be read back.
 *
 * Values that you pass are wiped from the library's memory when the future is released, never logged, and redacted
 * in errors (those of eight bytes or more).
 *
 * Unless a function says otherwise:
 *   Thread: loop.  In callbacks: yes.  After close: fails with DAYTONA_ECLOSED.
 *   Arguments: strings and option structs are copied; the client is retained until the future settles.
 *   Fails with DAYTONA_EINVAL for an empty id, DAYTONA_ENOTFOUND for an unknown secret, DAYTONA_EFORBIDDEN for a key that may not
 *   manage secrets, and as any request does.
 *   Time: `timeout_ms` is in milliseconds. Default: request_timeout_ms of the client.
 *   Cancel: aborts the request; the server may still complete it.
 *   Retry: requests that cannot have reached the server are retried; of others, only GET and DELETE.
 *
 * Protocol: control plane, /secret.
 */
#ifndef DAYTONA_SECRET_H
#define DAYTONA_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <daytona/export.h>
#include <daytona/future.h>
#include <daytona/types.h>

DAYTONA_BEGIN

/** What the server reported about a secret, without its value. Strings that it omitted are NULL; times are RFC 3339 text. */
typedef struct daytona_secret {
  const char *id;
  const char *name;
  const char *description;
  const char *placeholder; /**< what the variable in a sandbox holds */
  daytona_strings_t hosts; /**< that may be sent the value; empty: no restriction was given */
  const char *created_at;
  const char *updated_at;
} daytona_secret_t;

typedef struct daytona_secret_page_t {
  const daytona_secret_t *const *items;
  size_t count;
  int64_t total;           /**< of all pages */
  const char *next_cursor; /**< of the next page; NULL: this is the last one */
} daytona_secret_page_t;

/** A walk over all secrets. */
typedef struct daytona_secret_iter daytona_secret_iter_t;

/** The secret of a future of daytona_secret_get(), _create(), _update() and _iter_next(), or NULL. Borrowed from the future. */
DAYTONA_API const daytona_secret_t *daytona_future_secret(const daytona_future_t *future);

/** The page of daytona_secret_list(), or NULL. Borrowed from the future. */
DAYTONA_API const daytona_secret_page_t *daytona_future_secret_page(const daytona_future_t *future);

typedef struct daytona_secret_list_opts {
  const char *cursor;      /**< Optional. `next_cursor` of the page before. Not for iterations. */
  daytona_opt_int_t limit; /**< Optional. Of a page, 1 to 200. Server default: 100. */
  const char *name;        /**< Optional. A part of the name. */
  const char *sort;        /**< Optional. `name`, `createdAt` (default) or `updatedAt`. */
  const char *order;       /**< Optional. `asc` or `desc` (default). */
  int64_t timeout_ms;      /**< Optional. Default: request_timeout_ms of the client. */
  uint64_t reserved[8];    /**< Must be zero. */
} daytona_secret_list_opts_t;

/** List one page. Settles with daytona_future_secret_page(). */
DAYTONA_API daytona_future_t *daytona_secret_list(daytona_client_t *client,
                                                  const daytona_secret_list_opts_t *opts);

/**
 * Begin a walk over all secrets. No request is sent yet.
 *
 * @param opts  Copied. `timeout_ms` is that of each page.
 * @param out   The walk; yours, release it. Untouched on failure.
 * @return 0, DAYTONA_EINVAL, DAYTONA_ENOMEM or DAYTONA_ECLOSED.
 */
DAYTONA_API int daytona_secret_iter_new(daytona_client_t *client, const daytona_secret_list_opts_t *opts,
                                        daytona_secret_iter_t **out);

/** Fetch the next secret. Settles with daytona_future_secret(), or without a value at the end. One call at a time: a second one
    fails with DAYTONA_EREENTRANT. After a failure, call it again to retry. */
DAYTONA_API daytona_future_t *daytona_secret_iter_next(daytona_secret_iter_t *iter);

/** End a walk; a pending step still settles. NULL is allowed. */
DAYTONA_API void daytona_secret_iter_release(daytona_secret_iter_t *iter);

/** Get one secret, without its value. Settles with daytona_future_secret(). */
DAYTONA_API daytona_future_t *daytona_secret_get(daytona_client_t *client, const char *id,
                                                 const daytona_call_opts_t *opts);

typedef struct daytona_secret_create_opts {
  const char *description; /**< Optional. */
  daytona_strings_t
    hosts;              /**< Optional. Host names, or `*.` and a domain; no ports. Default: no restriction. */
  int64_t timeout_ms;   /**< Optional. Default: request_timeout_ms of the client. */
  uint64_t reserved[8]; /**< Must be zero. */
} daytona_secret_create_opts_t;

/**
 * Store a secret. Settles with daytona_future_secret(). Fails with DAYTONA_ECONFLICT for a name in use. The request is not
 * sent again once it may have reached the server.
 *
 * @param name   Required. A letter or _, then letters, digits, _ and -.
 * @param value  Required, not empty, UTF-8.
 */
DAYTONA_API daytona_future_t *daytona_secret_create(daytona_client_t *client, const char *name,
                                                    const char *value,
                                                    const daytona_secret_create_opts_t *opts);

/** What changes; at least one is required. */
typedef struct daytona_secret_update_opts {
  const char *value;       /**< Optional. Takes effect in sandboxes within seconds. */
  const char *description; /**< Optional. */
  daytona_strings_t hosts; /**< Optional. Replace the hosts. */
  bool removes_hosts;      /**< Remove all hosts, and with them the restriction. Excludes `hosts`. */
  int64_t timeout_ms;      /**< Optional. Default: request_timeout_ms of the client. */
  uint64_t reserved[8];    /**< Must be zero. */
} daytona_secret_update_opts_t;

/** Change a secret. Settles with daytona_future_secret(). */
DAYTONA_API daytona_future_t *daytona_secret_update(daytona_client_t *client, const char *id,
                                                    const daytona_secret_update_opts_t *opts);

/** Delete a secret. Settles without a value. */
DAYTONA_API daytona_future_t *daytona_secret_delete(daytona_client_t *client, const char *id,
                                                    const daytona_call_opts_t *opts);

DAYTONA_END

#endif
