/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Name lookups on the thread pool, cached and coalesced.
 *
 * At most DAYTONA__LOOKUPS_MAX run at once; equal names share one; answers live for a minute, or until no
 * connection could be made to them, and a stale one
 * is used when a fresh lookup fails. Literal addresses, "localhost" and names under it never leave the thread.
 * A running getaddrinfo cannot be stopped: closing fails its waiters at once and reports when it has returned.
 */
#ifndef DAYTONA_NET_RESOLVER_H
#define DAYTONA_NET_RESOLVER_H

#include <stddef.h>
#include <sys/socket.h>

#include <daytona/error.h>

#include "core/limits.h"
#include "core/loop.h"

/* Addresses kept of one name; and names kept by one client. */
#define DAYTONA__ADDRESSES_MAX 16
#define DAYTONA__NAMES_MAX 256

/* Name lookups on the thread pool at once: it has four threads for the whole process. */
#define DAYTONA__LOOKUPS_MAX 2

typedef struct daytona__resolver daytona__resolver_t;

typedef struct daytona__addresses {
  size_t count;
  struct sockaddr_storage items[DAYTONA__ADDRESSES_MAX]; /* port 0; in the order to try */
} daytona__addresses_t;

typedef struct daytona__lookup daytona__lookup_t;
struct daytona__lookup {
  /* Set by the caller. `addresses` is NULL on failure, borrowed for the call; from a later turn. */
  void (*on_done)(daytona__lookup_t *lookup, daytona_errcode_t code, const char *message,
                  const daytona__addresses_t *addresses);
  /* private */
  daytona__list_t link;
  daytona__task_t task;
  void *entry;
};

int daytona__resolver_new(daytona__loop_t *loop, daytona__resolver_t **out);

/* Take back one that was never used, of a loop that is not open. */
void daytona__resolver_discard(daytona__resolver_t *resolver);

void daytona__resolver_close(daytona__resolver_t *resolver, void (*closed)(void *user), void *user);

/* Addresses known without waiting (literal, localhost, fresh cache), or NULL. Borrowed until the next call. */
const daytona__addresses_t *daytona__resolver_peek(daytona__resolver_t *resolver, const char *host);

/* Look `host` up and complete `lookup`, which must live until then or until it is cancelled. */
void daytona__resolver_start(daytona__resolver_t *resolver, const char *host, daytona__lookup_t *lookup);
void daytona__resolver_cancel(daytona__lookup_t *lookup);

/* No connection could be made to what was known of `host`: the next lookup asks again. What is known stays for the case
   that it fails. */
void daytona__resolver_doubt(daytona__resolver_t *resolver, const char *host);

/* Tests replace getaddrinfo; it is called on a pool thread. NULL restores it. */
typedef int (*daytona__getaddrinfo_fn)(const char *host, daytona__addresses_t *out);
void daytona__resolver_set_getaddrinfo(daytona__resolver_t *resolver, daytona__getaddrinfo_fn fn);

#endif
