/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statistics of a client: counters that its parts keep anyway, put together when somebody asks.
 */
#include <daytona/stats.h>

#include <assert.h>

#include "call/client_impl.h"
#include "core/list.h"
#include "core/memory.h"

static size_t length_of(const daytona__list_t *list) {
  size_t count = 0;
  for (const daytona__list_t *node = list->next; node != list; node = node->next) count++;
  return count;
}

static void fill_requests(const daytona_client_t *client, daytona_client_stats_t *out) {
  bool is_gone = client->http == NULL;
  const daytona__http_stats_t *http = is_gone ? &client->http_totals : daytona__http_stats(client->http);
  if (!is_gone) daytona__http_counts(client->http, &out->requests_in_flight, &out->requests_queued);
  out->requests = http->attempts;
  out->retries = http->retries;
  out->rate_limit_waits = http->limiter_waits;
  out->sent_bytes = http->sent_bytes;
  out->received_bytes = http->received_bytes;
  out->connections_open = http->connections;
  out->connections_idle =
    http->connections > out->requests_in_flight ? http->connections - out->requests_in_flight : 0;
}

static void fill_operations(const daytona_client_t *client, daytona_client_stats_t *out) {
  const daytona__op_stats_t *ops = &client->ops;
  assert(ops->succeeded + ops->failed <= ops->begun);
  out->operations = ops->begun;
  out->operations_succeeded = ops->succeeded;
  out->operations_failed = ops->failed;
  out->operations_pending = (size_t)(ops->begun - ops->succeeded - ops->failed);
  for (int i = 1; i < DAYTONA_STATS_CODES; i++) out->failures[i] = ops->failures[i];
}

static void fill_streams(const daytona_client_t *client, daytona_client_stats_t *out) {
  const daytona__ws_stats_t *ws = client->ws != NULL ? daytona__ws_stats(client->ws) : &client->ws_totals;
  out->streams_open = ws->open;
  out->streams = ws->opened;
  out->sent_bytes += ws->sent_bytes;
  out->received_bytes += ws->received_bytes;
}

int daytona_client_stats(const daytona_client_t *client, daytona_client_stats_t *out) {
  if (client == NULL || out == NULL) return DAYTONA_EINVAL;
  if (!daytona__loop_on_thread(client->loop)) return DAYTONA_ETHREAD;
  *out = (daytona_client_stats_t){0};
  if (client->is_closed) return DAYTONA_ECLOSED;
  fill_requests(client, out);
  fill_operations(client, out);
  out->sandboxes_starting = (size_t)client->starting;
  out->sandboxes_waiting = length_of(&client->gate);
  fill_streams(client, out);
  out->spans_exported = client->exports.exported;
  out->spans_dropped = client->exports.dropped;
  out->telemetry_exports = client->exports.exports;
  out->telemetry_failures = client->exports.failures;
  out->memory_blocks = daytona__alloc_count();
  out->memory_bytes = daytona__alloc_bytes();
  return 0;
}
