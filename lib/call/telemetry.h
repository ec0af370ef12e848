/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Telemetry: the observer that makes spans and histograms of what it sees, and hands them to the exporter.
 *
 * Spans are encoded as they end, into the batch that is being filled; nothing else is kept of them. A batch goes when it
 * is full, or `interval_ms` after its first span. Spans for which there is no room are dropped and counted.
 */
#ifndef DAYTONA_CALL_TELEMETRY_H
#define DAYTONA_CALL_TELEMETRY_H

#include <daytona/telemetry.h>

#include "call/exporter.h"
#include "call/observer.h"

typedef struct daytona__telemetry daytona__telemetry_t;

/* What is borrowed is so until the end; see exporter.h. */
int daytona__telemetry_new(daytona__loop_t *loop, const daytona__telemetry_settings_t *settings,
                           const daytona__net_options_t *net, daytona__resolver_t *resolver,
                           daytona__export_stats_t *stats, daytona__telemetry_t **out);

/* Take back one that was never used, of a loop that is not open. */
void daytona__telemetry_discard(daytona__telemetry_t *telemetry);

/* To be added to the client; it lives as long as the telemetry. */
daytona__observer_t *daytona__telemetry_observer(daytona__telemetry_t *telemetry);

/* See daytona_telemetry_set_parent(). `telemetry` NULL: the texts are only checked. */
int daytona__telemetry_set_parent(daytona__telemetry_t *telemetry, const char *traceparent,
                                  const char *tracestate);

/* Send what is left, as the settings say, and free everything; `closed` comes in a later turn. Nothing is observed any more. */
void daytona__telemetry_close(daytona__telemetry_t *telemetry, void (*closed)(void *user), void *user);

#endif
