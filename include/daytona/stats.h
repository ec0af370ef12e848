/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a client is doing, and has done: for a metrics page, an alarm, or a look while debugging.
 */
#ifndef DAYTONA_STATS_H
#define DAYTONA_STATS_H

#include <stddef.h>
#include <stdint.h>

#include <daytona/client.h>
#include <daytona/export.h>

DAYTONA_BEGIN

/** Room for failures by code; codes are less than this, without their sign. */
#define DAYTONA_STATS_CODES 128

/**
 * Statistics of a client. Numbers named `..._open`, `_idle`, `_in_flight`, `_queued`, `_pending`, `_starting` and `_waiting`, and
 * the memory, are of this moment; all others count from the making of the client and never fall.
 */
typedef struct daytona_client_stats_t {
  size_t connections_open; /**< of requests, those being opened included; streams have their own */
  size_t
    connections_idle; /**< of these, that carry no request; over HTTP/2 one may carry several: at least 0 */
  size_t requests_in_flight; /**< each holds one of max_connections */
  size_t requests_queued;    /**< wait for one */
  size_t sandboxes_starting; /**< creates, starts and forks; each holds one of max_starting */
  size_t sandboxes_waiting;  /**< wait for one */
  size_t operations_pending; /**< futures of calls that have not settled */
  size_t streams_open;       /**< terminals, followed logs, interpreter runs, the event socket */

  uint64_t operations; /**< calls that were begun */
  uint64_t operations_succeeded;
  uint64_t operations_failed;             /**< cancelled ones included */
  uint64_t failures[DAYTONA_STATS_CODES]; /**< of these, by error code: failures[-DAYTONA_ENOTFOUND] */
  uint64_t requests;                      /**< attempts that have ended, retries and redirects included */
  uint64_t retries;                       /**< requests sent again after a failure of the connection */
  uint64_t rate_limit_waits; /**< 429 responses after which the request waited and was sent again */
  uint64_t streams;          /**< that were opened */
  uint64_t sent_bytes;       /**< requests that have ended, and messages of streams; before TLS */
  uint64_t received_bytes;   /**< as these; before decompression */

  size_t memory_blocks; /**< that the library holds, of all clients of the process */
  size_t
    memory_bytes; /**< of these; 0 when the program has set an allocator. libuv's, libcurl's and mbedTLS's own
                             memory is not counted */
  uint64_t spans_exported;     /**< that a collector has accepted; see <daytona/telemetry.h> */
  uint64_t spans_dropped;      /**< for want of room or memory, or because a collector did not accept them */
  uint64_t telemetry_exports;  /**< requests of telemetry that succeeded; they count nowhere else */
  uint64_t telemetry_failures; /**< exports that were given up */
  uint64_t reserved[4];        /**< Zero. */
} daytona_client_stats_t;

/**
 * Fill in the statistics of a client. Cheap enough to be called each second, and more often.
 *
 * @param client  Borrowed for the call.
 * @param out     All of it is written, if it is given and this is the right thread.
 * @return 0; DAYTONA_EINVAL for a NULL argument; DAYTONA_ETHREAD; DAYTONA_ECLOSED after the close was reported, with all zero.
 *
 * Thread: loop.  In callbacks: yes.  While the client closes: yes.
 */
DAYTONA_API int daytona_client_stats(const daytona_client_t *client, daytona_client_stats_t *out);

DAYTONA_END

#endif
