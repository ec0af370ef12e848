/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The exporter: sends what telemetry has recorded to a collector, over connections of its own.
 *
 * Batches of a signal go one after the other. What fails for a while (no connection, 429, 502, 503, 504) is sent again,
 * DAYTONA__EXPORT_ATTEMPTS_MAX times in all, after the Retry-After of the response or a pause that doubles; everything
 * else is dropped, and counted. No redirect is followed: the headers are for this collector alone. Nothing here keeps
 * the host's loop alive, but for a name that is looked up, and the flush of a close.
 */
#ifndef DAYTONA_CALL_EXPORTER_H
#define DAYTONA_CALL_EXPORTER_H

#include "call/telemetry_config.h"
#include "core/loop.h"
#include "net/http.h"

/* Attempts of one batch. */
#define DAYTONA__EXPORT_ATTEMPTS_MAX 5

/* The longest wait for a collector that asks for one; it is not sent to again when it asks for more. */
#define DAYTONA__EXPORT_RETRY_AFTER_MAX_MS ((int64_t)60 * 1000)

/* Bytes of one batch, and of all that wait or are being filled. What has no room is dropped. */
#define DAYTONA__EXPORT_BATCH_MAX ((size_t)512 << 10)
#define DAYTONA__EXPORT_BYTES_MAX ((size_t)4 << 20)

typedef struct daytona__export_stats {
  uint64_t exported, dropped; /* spans */
  uint64_t exports, failures; /* requests that were accepted; batches given up, of both signals */
} daytona__export_stats_t;

/* Records in the form in which they are sent, taken by the exporter. */
typedef struct daytona__batch {
  daytona__list_t link;
  daytona__strbuf_t bytes;
  size_t start; /* where the request begins in them */
  size_t spans; /* 0: metrics */
  bool is_gzip;
  int attempts;
} daytona__batch_t;

daytona__batch_t *daytona__batch_new(void);
void daytona__batch_free(daytona__batch_t *batch);

typedef struct daytona__exporter daytona__exporter_t;

/* `settings`, `resolver` and `stats` are borrowed until the end; `net` is that of the client. */
int daytona__exporter_new(daytona__loop_t *loop, const daytona__telemetry_settings_t *settings,
                          const daytona__net_options_t *net, daytona__resolver_t *resolver,
                          daytona__export_stats_t *stats, daytona__exporter_t **out);

/* Take back one that was never used, of a loop that is not open. */
void daytona__exporter_discard(daytona__exporter_t *exporter);

/* Takes the batch; from a turn of the loop with nothing of libcurl on the stack. */
void daytona__exporter_send(daytona__exporter_t *exporter, daytona__signal_t signal, daytona__batch_t *batch);

/* Spans that wait or are under way, and the bytes of all batches. */
size_t daytona__exporter_spans(const daytona__exporter_t *exporter);
size_t daytona__exporter_bytes(const daytona__exporter_t *exporter);
bool daytona__exporter_is_busy(const daytona__exporter_t *exporter, daytona__signal_t signal);

/*
 * Send what is left, within `limit_ms` (0: nothing is sent), drop the rest, and close the connections. `closed` comes in a
 * later turn, and the exporter is gone then.
 */
void daytona__exporter_close(daytona__exporter_t *exporter, int64_t limit_ms, void (*closed)(void *user),
                             void *user);

#endif
