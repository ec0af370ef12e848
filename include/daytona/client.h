/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client: credentials, connections and limits, on your loop.
 *
 * A client belongs to the thread that called daytona_client_new(), and that thread must run the loop: where another thread
 * runs it, make the client there. Every function fails with DAYTONA_ETHREAD on another thread, unless its comment says
 * otherwise; daytona_client_post() is the way in. Make one client per program or account, not one per sandbox: all
 * sandboxes of a client share its connections.
 */
#ifndef DAYTONA_CLIENT_H
#define DAYTONA_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <daytona/export.h>
#include <daytona/future.h>
#include <daytona/log.h>
#include <daytona/telemetry.h>
#include <daytona/types.h>

DAYTONA_BEGIN

/** libuv's loop, as <uv.h> calls it uv_loop_t. No header of the library includes that one. */
struct uv_loop_s;

/** How waits (daytona_sandbox_wait_for_start() and all calls that wait) learn of a state. */
typedef enum daytona_waiting_t {
  /** What DAYTONA_USE_DEPRECATED_POLLING says: `false` means EVENTS, anything else or nothing POLLS. */
  DAYTONA_WAITING_DEFAULT = 0,
  /** The server is asked: every 100 ms, after five seconds up to every second. */
  DAYTONA_WAITING_POLLS = 1,
  /** The platform's event socket says when to ask, so that a state is seen as soon as it is there; the server is asked
      without that only every 2 to 10 seconds. One connection per client, opened when something is waited for, and
      closed 15 seconds after the last wait. It never keeps the loop alive. While there is none, or it brings no events,
      waiting is as with POLLS or at most a second late, and no wait fails for its sake. */
  DAYTONA_WAITING_EVENTS = 2
} daytona_waiting_t;

/**
 * How a client is set up. All zero, or NULL in its place, takes everything from the environment.
 *
 * Each of the first six fields is used if it is set and not empty. Missing ones come from the environment,
 * unless the key (or JWT and organization), URL and target are all given here. The environment has three
 * sources, and the first that defines a name wins: the process environment, then `.env.local`, then `.env`
 * in the current directory; in these files only names that begin with DAYTONA_ count. The URL is never
 * taken from a file: otherwise anyone who can write to the directory could obtain the key.
 */
typedef struct daytona_config {
  /** API key; else DAYTONA_API_KEY, unless `jwt_token` is given here. The key wins over a JWT. */
  const char *api_key;
  /** JSON Web Token; else DAYTONA_JWT_TOKEN. Needs an organization. */
  const char *jwt_token;
  /** Organization of the JWT; else DAYTONA_ORGANIZATION_ID. Never sent together with a key. */
  const char *organization_id;
  /** Base URL; else DAYTONA_API_URL, DAYTONA_SERVER_URL (both of the process environment only),
      https://app.daytona.io/api. */
  const char *api_url;
  /** Old name of `api_url`, used when that is empty. */
  const char *server_url;
  /** Region for new sandboxes; else DAYTONA_TARGET; else the organization's. */
  const char *target;

  /** Optional. Connections at once, 1 to 65535. Default 250. Further requests wait in order. */
  int max_connections;
  /** Optional. Sandboxes in creation or start at once. Default 100. Further ones wait in order. */
  int max_starting;
  /** Optional. Limit of lookup, TCP, TLS and proxy together. Default 30000. DAYTONA_NO_TIMEOUT: none. */
  int64_t connect_timeout_ms;
  /** Optional. Limit of one plain request with its retries. Default 300000. DAYTONA_NO_TIMEOUT:
      none. Does not apply to commands, git calls, transfers and streams. */
  int64_t request_timeout_ms;
  /** Optional. Total time that one request may wait because of 429 responses with a Retry-After. Default
      30000. DAYTONA_NO_TIMEOUT: no limit but that of the operation. DAYTONA_NO_WAIT: fail at once. */
  int64_t rate_limit_wait_ms;
  /** Optional. Head start of one address family over the other. Default: DAYTONA_HAPPY_EYEBALLS_DELAY
      (seconds, or `none`), else 200. DAYTONA_NO_TIMEOUT: the families are not raced. */
  int64_t happy_eyeballs_ms;

  /** Optional. PEM file with the trusted certificates, instead of the system's. Read again after it has changed,
      by the next new connection; if it cannot be used then, the certificates read before stay in force. */
  const char *ca_file;
  /** Optional. Folder of trusted certificates, as OpenSSL's c_rehash makes it. */
  const char *ca_path;
  /** Optional. PEM file with the client certificate. */
  const char *client_cert;
  /** Optional. PEM file with its key. Default: in `client_cert`. */
  const char *client_key;
  /** Optional. Password of `client_key`. */
  const char *client_key_password;
  /** Accept any certificate and host name. Anyone on the network path can read everything: tests only. */
  bool insecure_skip_verify;
  /** Send requests for sandboxes to an `http` toolbox that an `https` control plane names. Everything, the
      credentials too, is readable to anyone on the way; on this machine's own addresses as well. Without it such
      calls fail with DAYTONA_EPROTOCOL and nothing is sent. */
  bool allows_plain_toolbox;

  /** Optional. Proxy URL for every request; "" for none. Default: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and
      NO_PROXY of the process environment, or, before each, its lower case form. */
  const char *proxy;
  /** Do not offer HTTP/2. */
  bool no_http2;

  /** Take nothing from the environment or from files, proxies included. */
  bool ignores_environment;
  /** Optional. Whether waits use the event socket. Default: DAYTONA_USE_DEPRECATED_POLLING, else no. */
  daytona_waiting_t waiting;

  /** Optional. Where log lines go. Default: nowhere. */
  daytona_log_cb log;
  /** For `log`. Borrowed until the client has closed. */
  void *log_user;

  /** Optional. Telemetry is sent, as this says. NULL: only if DAYTONA_OTEL_ENABLED or
      DAYTONA_EXPERIMENTAL_OTEL_ENABLED is `true`. See <daytona/telemetry.h>. */
  const daytona_telemetry_opts_t *telemetry;

  uint64_t reserved[7]; /**< Must be zero. */
} daytona_config_t;

/** For `rate_limit_wait_ms`: do not retry after a 429 response. */
#define DAYTONA_NO_WAIT ((int64_t)-2)

/**
 * Make a client. No request is sent.
 *
 * @param loop    Borrowed until the close has been reported. The client never runs, stops or walks it.
 * @param config  Copied. NULL: everything from the environment.
 * @param out     The client, with one reference that you own; untouched on failure.
 * @return 0; DAYTONA_EAUTH without credentials, or with a JWT and no organization; DAYTONA_EINVAL for a
 *         value out of range or a malformed URL; DAYTONA_ENOMEM; DAYTONA_ETLS if a certificate file cannot
 *         be read. daytona_config_check() gives the reason as text. The content of such a file is checked when
 *         the first secure connection is made: requests fail with DAYTONA_ETLS if it cannot be used. On failure
 *         nothing is left on the loop: uv_loop_close() may follow at once.
 *
 * Thread: the one that runs the loop, and will run it. Reads two small files and the environment, so call it before the
 * loop is busy.
 */
DAYTONA_API int daytona_client_new(struct uv_loop_s *loop, const daytona_config_t *config,
                                   daytona_client_t **out);

/**
 * Validate a configuration without making a client.
 *
 * @param config  Borrowed for the call. NULL: everything from the environment.
 * @param reason  Receives one NUL-terminated line without secrets; empty on success. May be NULL.
 * @param size    Size of `reason` in bytes.
 * @return As daytona_client_new().
 */
DAYTONA_API int daytona_config_check(const daytona_config_t *config, char *reason, size_t size);

/** The client is closed: it has no handle, descriptor, thread-pool request or memory left on the loop. */
typedef void (*daytona_client_closed_cb)(void *user);

/**
 * Begin an orderly close.
 *
 * Every pending operation fails with DAYTONA_ECLOSED, reported to its callbacks as usual.
 * Connections are closed. `closed` is called last of all; after it uv_loop_close() finds no handle
 * of the library. A name lookup that is running on the thread pool cannot be stopped, so the report
 * waits for it to return. Nothing is sent to the server: sandboxes and commands keep running.
 *
 * @param closed  Optional. The function may be called more than once; each callback is called once.
 *
 * Thread: loop.  In callbacks: yes.
 * After the report, further calls fail with DAYTONA_ECLOSED
 * in a later turn of the loop, so the loop must still run.
 */
DAYTONA_API void daytona_client_close(daytona_client_t *client, daytona_client_closed_cb closed, void *user);

/** One more reference. Returns `client`, also if that is NULL. Thread: loop. */
DAYTONA_API daytona_client_t *daytona_client_retain(daytona_client_t *client);

/**
 * Release a reference. Sandboxes and pending operations hold their own references; when the last
 * one is released, a client that was never closed closes itself. NULL is allowed. Thread: loop.
 */
DAYTONA_API void daytona_client_release(daytona_client_t *client);

/** Whether daytona_client_close() was called. False for NULL. Thread: loop. */
DAYTONA_API bool daytona_client_is_closing(const daytona_client_t *client);

/** The loop given to daytona_client_new(); NULL for NULL. Thread: any. */
DAYTONA_API struct uv_loop_s *daytona_client_loop(const daytona_client_t *client);

/**
 * Call `run` on the loop's thread. The only function of a client for other threads; hold a
 * reference to the client for as long as they may call it. Does not keep the loop alive.
 *
 * @param run   Called once, in the order of posting, from a turn of the loop.
 * @param user  Passed to `run`. Borrowed until then.
 * @return 0, DAYTONA_ENOMEM, DAYTONA_EINVAL without `run`, or DAYTONA_ECLOSED after the client was closed;
 *         then `run` is not called.
 *
 * Thread: any.
 */
DAYTONA_API int daytona_client_post(daytona_client_t *client, void (*run)(void *user), void *user);

DAYTONA_END

#endif
