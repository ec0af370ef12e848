/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the server example tells of itself, and of the library for Prometheus.
 */
#include "server.h"

#include <stdlib.h>

void status_serve(service_t *self, http_exchange_t *client) {
  char text[256];
  int paused = 0;
  for (run_t *run = self->running; run != NULL; run = run->next) paused += run->is_paused;
  snprintf(text, sizeof text,
           "{\"idle\":%d,\"busy\":%d,\"preparing\":%d,\"waiting\":%d,\"paused\":%d,\"served\":%lld}\n",
           pool_count(&self->pool, SLOT_IDLE), pool_count(&self->pool, SLOT_BUSY),
           pool_count(&self->pool, SLOT_CREATING) + pool_count(&self->pool, SLOT_PREPARING),
           self->waiting_count, paused, self->served);
  http_answer(client, 200, NULL, "application/json", text);
}

static void put_metric(FILE *to, const char *name, const char *type, unsigned long long value) {
  fprintf(to, "# TYPE daytona_%s %s\ndaytona_%s %llu\n", name, type, name, value);
}

/* Each failure that has happened, by its name. */
static void put_failures(FILE *to, const daytona_client_stats_t *stats) {
  fputs("# TYPE daytona_operations_failed_total counter\n", to);
  for (int i = 1; i < DAYTONA_STATS_CODES; i++)
    if (stats->failures[i] != 0)
      fprintf(to, "daytona_operations_failed_total{code=\"%s\"} %llu\n",
              daytona_errcode_name((daytona_errcode_t)-i), (unsigned long long)stats->failures[i]);
}

static void put_metrics(FILE *to, const daytona_client_stats_t *stats) {
  put_metric(to, "connections_open", "gauge", stats->connections_open);
  put_metric(to, "connections_idle", "gauge", stats->connections_idle);
  put_metric(to, "requests_in_flight", "gauge", stats->requests_in_flight);
  put_metric(to, "requests_queued", "gauge", stats->requests_queued);
  put_metric(to, "sandboxes_starting", "gauge", stats->sandboxes_starting);
  put_metric(to, "sandboxes_waiting", "gauge", stats->sandboxes_waiting);
  put_metric(to, "operations_pending", "gauge", stats->operations_pending);
  put_metric(to, "streams_open", "gauge", stats->streams_open);
  put_metric(to, "memory_blocks", "gauge", stats->memory_blocks);
  put_metric(to, "memory_bytes", "gauge", stats->memory_bytes);
  put_metric(to, "operations_total", "counter", stats->operations);
  put_metric(to, "operations_succeeded_total", "counter", stats->operations_succeeded);
  put_metric(to, "requests_total", "counter", stats->requests);
  put_metric(to, "retries_total", "counter", stats->retries);
  put_metric(to, "rate_limit_waits_total", "counter", stats->rate_limit_waits);
  put_metric(to, "streams_total", "counter", stats->streams);
  put_metric(to, "sent_bytes_total", "counter", stats->sent_bytes);
  put_metric(to, "received_bytes_total", "counter", stats->received_bytes);
  put_metric(to, "spans_exported_total", "counter", stats->spans_exported);
  put_metric(to, "spans_dropped_total", "counter", stats->spans_dropped);
  put_failures(to, stats);
}

/* The library's statistics, as Prometheus reads them. */
void metrics_serve(service_t *self, http_exchange_t *client) {
  daytona_client_stats_t stats;
  char *text = NULL;
  size_t size = 0;
  FILE *to = open_memstream(&text, &size);
  if (to == NULL || daytona_client_stats(self->client, &stats) != 0) {
    if (to != NULL) fclose(to);
    free(text);
    refuse(client, 503, "there are no metrics\n");
    return;
  }
  put_metrics(to, &stats);
  if (fclose(to) == 0)
    http_answer(client, 200, NULL, "text/plain; version=0.0.4", text);
  else
    refuse(client, 503, "out of memory\n");
  free(text);
}
