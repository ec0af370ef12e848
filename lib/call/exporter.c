/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See exporter.h. A lane is the queue of one signal: its first batch is compressed, sent, or waits to be sent again;
 * whatever becomes of it, finish() takes it out and goes on with the next.
 */
#include "call/exporter.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/memory.h"
#include "core/retry_after.h"
#include "wire/gzip.h"

enum { PAUSE_FIRST_MS = 1000, COMPRESSED_PART = 64 * 1024 };

typedef struct lane {
  daytona__exporter_t *exporter;
  const daytona__signal_settings_t *settings;
  const char *what;                                          /* in the log */
  daytona_header_t headers[DAYTONA__EXPORT_HEADERS_MAX + 1]; /* the settings', and Content-Encoding */
  daytona__list_t batches;                                   /* the first is the one under way */
  daytona__http_call_t http;
  bool is_requesting;
  daytona__timer_t pause; /* before the first batch is sent again */
  daytona__task_t step;   /* of compression, or the first of a batch */
  daytona__gzip_t *gzip;
  daytona__strbuf_t compressed;
  size_t compressed_from; /* bytes of the batch that were read */
  bool is_failing;        /* the last batch was given up, which was logged */
  bool is_rejecting;      /* the same of one of which a part was rejected */
} lane_t;

struct daytona__exporter {
  daytona__loop_t *loop;
  daytona__http_t *http;
  daytona__export_stats_t *stats;
  lane_t lanes[DAYTONA__SIGNALS];
  size_t spans, bytes;
  bool is_flushing;
  daytona__timer_t limit; /* of the flush */
  daytona__task_t over;
  void (*closed)(void *user);
  void *closed_user;
};

/* --- batches ------------------------------------------------------------------------------------ */

daytona__batch_t *daytona__batch_new(void) {
  daytona__batch_t *batch = daytona__calloc(1, sizeof *batch);
  if (batch == NULL) return NULL;
  daytona__list_init(&batch->link);
  daytona__strbuf_init(&batch->bytes, DAYTONA__EXPORT_BATCH_MAX);
  return batch;
}

void daytona__batch_free(daytona__batch_t *batch) {
  if (batch == NULL) return;
  daytona__strbuf_clear(&batch->bytes);
  daytona__free(batch);
}

static daytona__batch_t *first_of(const lane_t *lane) {
  assert(!daytona__list_empty(&lane->batches));
  return DAYTONA__CONTAINER(lane->batches.next, daytona__batch_t, link);
}

static void count_bytes(daytona__exporter_t *exporter, const daytona__batch_t *batch, bool is_more) {
  assert(is_more || (exporter->bytes >= batch->bytes.room && exporter->spans >= batch->spans));
  exporter->bytes += is_more ? batch->bytes.room : -batch->bytes.room;
  exporter->spans += is_more ? batch->spans : -batch->spans;
}

/* --- the end of a batch ------------------------------------------------------------------------- */

static void look_for_end(daytona__exporter_t *exporter);

static void stop_compressing(lane_t *lane) {
  daytona__gzip_free(lane->gzip);
  lane->gzip = NULL;
  daytona__strbuf_clear(&lane->compressed);
  lane->compressed_from = 0;
}

/* Take out the first batch, of which `rejected` spans have come to nothing. */
static void finish(lane_t *lane, uint64_t rejected) {
  daytona__exporter_t *exporter = lane->exporter;
  daytona__batch_t *batch = first_of(lane);
  assert(!lane->is_requesting && rejected <= batch->spans);
  stop_compressing(lane);
  exporter->stats->exported += batch->spans - rejected;
  exporter->stats->dropped += rejected;
  daytona__list_remove(&batch->link);
  count_bytes(exporter, batch, false);
  daytona__batch_free(batch);
  if (!daytona__list_empty(&lane->batches)) daytona__loop_defer(exporter->loop, &lane->step);
  look_for_end(exporter);
}

/* One line for a row of failures. */
static void give_up(lane_t *lane, const char *why, int status) {
  daytona__exporter_t *exporter = lane->exporter;
  exporter->stats->failures++;
  if (!lane->is_failing)
    daytona__log(exporter->loop, DAYTONA_LOG_WARN, "telemetry: %s could not be exported (status %d): %s",
                 lane->what, status, why);
  lane->is_failing = true;
  finish(lane, first_of(lane)->spans);
}

/* All of it: a collector that does not answer now is not asked again for each batch of a flush. */
static void give_up_all(lane_t *lane, const char *why, int status) {
  while (!daytona__list_empty(&lane->batches)) give_up(lane, why, status);
}

/* Nobody can ask for statistics any more. */
static void log_losses(const daytona__exporter_t *exporter) {
  if (exporter->stats->dropped != 0)
    daytona__log(exporter->loop, DAYTONA_LOG_WARN, "telemetry: %llu spans of %llu were dropped in all",
                 (unsigned long long)exporter->stats->dropped,
                 (unsigned long long)(exporter->stats->dropped + exporter->stats->exported));
}

static void on_accepted(lane_t *lane) {
  daytona__exporter_t *exporter = lane->exporter;
  const daytona__response_t *response = &lane->http.response;
  uint64_t rejected = daytona__otlp_rejected(response->body, response->body_size);
  size_t spans = first_of(lane)->spans;
  if (rejected > spans) rejected = spans; /* of metrics, points; or the collector lies */
  if (rejected != 0 && !lane->is_rejecting)
    daytona__log(exporter->loop, DAYTONA_LOG_WARN, "telemetry: the collector has rejected %llu of %zu spans",
                 (unsigned long long)rejected, spans);
  exporter->stats->exports++;
  if (lane->is_failing)
    daytona__log(exporter->loop, DAYTONA_LOG_INFO, "telemetry: %s can be exported again", lane->what);
  lane->is_failing = false;
  lane->is_rejecting = rejected != 0;
  daytona__http_call_clear(&lane->http);
  finish(lane, rejected);
}

/* --- requests ----------------------------------------------------------------------------------- */

static bool may_pass(const daytona__response_t *response) {
  int status = response->status;
  const daytona_error_t error = {.code = response->code};
  if (response->code == DAYTONA_EFAILED) return status == 429 || (status >= 502 && status <= 504);
  return daytona_error_is(&error, DAYTONA_ECONNECTION) || daytona_error_is(&error, DAYTONA_ETIMEOUT);
}

/* What the collector asks for; -1: nothing. */
static int64_t asked_pause(const daytona__response_t *response) {
  for (size_t i = 0; i < response->header_count; i++)
    if (daytona__is_retry_after(response->headers[i].name))
      return daytona__retry_after_ms(response->headers[i].value, (int64_t)time(NULL) * 1000);
  return -1;
}

static int64_t next_pause(const daytona__batch_t *batch, const daytona__response_t *response) {
  int64_t ms = (int64_t)PAUSE_FIRST_MS << (batch->attempts - 1), asked = asked_pause(response);
  return asked > ms ? asked : ms;
}

static void on_done(daytona__http_call_t *http) {
  lane_t *lane = http->user;
  daytona__exporter_t *exporter = lane->exporter;
  daytona__batch_t *batch = first_of(lane);
  const daytona__response_t *response = &http->response;
  lane->is_requesting = false;
  if (response->code == DAYTONA_OK) {
    on_accepted(lane);
    return;
  }
  int status = response->status;
  bool passes = may_pass(response);
  /* A connection that was kept may have been closed by the collector in the meantime. */
  bool is_lost = status == 0 && batch->attempts == 1;
  int64_t pause_ms = next_pause(batch, response);
  char why[200];
  snprintf(why, sizeof why, "%s",
           response->message != NULL ? response->message : "the collector has answered that it failed");
  daytona__http_call_clear(http);
  if (passes && exporter->is_flushing && is_lost)
    daytona__loop_defer(exporter->loop, &lane->step);
  else if (passes && exporter->is_flushing)
    give_up_all(lane, why, status);
  else if (passes && batch->attempts < DAYTONA__EXPORT_ATTEMPTS_MAX &&
           pause_ms <= DAYTONA__EXPORT_RETRY_AFTER_MAX_MS)
    daytona__timer_start(exporter->loop, &lane->pause, pause_ms);
  else
    give_up(lane, why, status);
}

static void send_batch(lane_t *lane) {
  daytona__batch_t *batch = first_of(lane);
  const daytona__signal_settings_t *settings = lane->settings;
  batch->attempts++;
  memset(&lane->http, 0, sizeof lane->http);
  lane->http.method = "POST";
  lane->http.url = settings->url;
  lane->http.headers = lane->headers;
  lane->http.header_count = settings->header_count + batch->is_gzip;
  lane->http.content_type = "application/x-protobuf";
  lane->http.accept = "application/x-protobuf";
  lane->http.body = batch->bytes.data + batch->start;
  lane->http.body_size = batch->bytes.size - batch->start;
  lane->http.total_timeout_ms = settings->timeout_ms;
  lane->http.is_create = true; /* what may have been recorded is not sent twice without our knowing */
  lane->http.no_repeats = true;
  lane->http.no_redirects = true;
  lane->http.max_body = DAYTONA__OTLP_ANSWER_MAX;
  lane->http.on_done = on_done;
  lane->http.user = lane;
  lane->is_requesting = true;
  daytona__http_start(lane->exporter->http, &lane->http);
}

/* --- compression -------------------------------------------------------------------------------- */

/* It is sent as it is where it cannot be compressed. */
static void replace_bytes(lane_t *lane, daytona__batch_t *batch) {
  daytona__exporter_t *exporter = lane->exporter;
  count_bytes(exporter, batch, false);
  daytona__strbuf_clear(&batch->bytes);
  batch->bytes = lane->compressed;
  batch->start = 0;
  batch->is_gzip = true;
  daytona__strbuf_init(&lane->compressed, DAYTONA__EXPORT_BATCH_MAX);
  count_bytes(exporter, batch, true);
}

/* A part of the first batch. False: it is done, or cannot be done. */
static bool compress(lane_t *lane) {
  daytona__batch_t *batch = first_of(lane);
  if (batch->is_gzip || !lane->settings->is_gzip || batch->attempts != 0) return false;
  if (lane->gzip == NULL) {
    daytona__strbuf_init(&lane->compressed, DAYTONA__EXPORT_BATCH_MAX);
    lane->compressed_from = batch->start;
    lane->gzip = daytona__gzip_new(&lane->compressed);
    if (lane->gzip == NULL) return false;
  }
  size_t size = batch->bytes.size - lane->compressed_from;
  if (size > COMPRESSED_PART) size = COMPRESSED_PART;
  int rc = daytona__gzip_add(lane->gzip, batch->bytes.data + lane->compressed_from, size);
  lane->compressed_from += size;
  if (rc == 0 && lane->compressed_from < batch->bytes.size) return true;
  if (rc == 0 && daytona__gzip_end(lane->gzip) == 0) replace_bytes(lane, batch);
  stop_compressing(lane);
  return false;
}

static void on_step(daytona__task_t *task) {
  lane_t *lane = DAYTONA__CONTAINER(task, lane_t, step);
  if (daytona__list_empty(&lane->batches) || lane->is_requesting || daytona__timer_is_running(&lane->pause))
    return;
  if (compress(lane))
    daytona__loop_defer(lane->exporter->loop, &lane->step);
  else
    send_batch(lane);
}

static void on_pause(daytona__timer_t *timer) { send_batch(DAYTONA__CONTAINER(timer, lane_t, pause)); }

/* --- for the recorder --------------------------------------------------------------------------- */

void daytona__exporter_send(daytona__exporter_t *exporter, daytona__signal_t signal,
                            daytona__batch_t *batch) {
  lane_t *lane = &exporter->lanes[signal];
  assert(batch->bytes.error == 0 && batch->start < batch->bytes.size);
  daytona__list_append(&lane->batches, &batch->link);
  count_bytes(exporter, batch, true);
  daytona__loop_defer(exporter->loop, &lane->step);
}

size_t daytona__exporter_spans(const daytona__exporter_t *exporter) { return exporter->spans; }
size_t daytona__exporter_bytes(const daytona__exporter_t *exporter) { return exporter->bytes; }

bool daytona__exporter_is_busy(const daytona__exporter_t *exporter, daytona__signal_t signal) {
  return !daytona__list_empty(&exporter->lanes[signal].batches);
}

/* --- life --------------------------------------------------------------------------------------- */

static void on_limit(daytona__timer_t *timer);
static void on_over(daytona__task_t *task);

static void lane_init(daytona__exporter_t *exporter, lane_t *lane, const daytona__signal_settings_t *settings,
                      const char *what) {
  lane->exporter = exporter;
  lane->settings = settings;
  lane->what = what;
  assert(settings->header_count <= DAYTONA__EXPORT_HEADERS_MAX);
  if (settings->header_count != 0)
    memcpy(lane->headers, settings->headers, settings->header_count * sizeof lane->headers[0]);
  lane->headers[settings->header_count] = (daytona_header_t){"Content-Encoding", "gzip"};
  daytona__list_init(&lane->batches);
  daytona__timer_init(&lane->pause, on_pause);
  lane->pause.is_background = true;
  daytona__task_init(&lane->step, on_step);
  daytona__strbuf_init(&lane->compressed, DAYTONA__EXPORT_BATCH_MAX);
}

/*
 * The client's network as far as it is about this machine, its proxies and the authorities that it trusts; the client's
 * certificate is for the server, and so is the wish not to check one.
 */
static void make_options(const daytona__telemetry_settings_t *settings, const daytona__net_options_t *net,
                         daytona__net_options_t *out) {
  *out = *net;
  out->tls = (daytona__tls_options_t){.ca_file = net->tls.ca_file,
                                      .ca_path = net->tls.ca_path,
                                      .client_cert = settings->client_cert,
                                      .client_key = settings->client_key};
  if (settings->ca_file != NULL) {
    out->tls.ca_file = settings->ca_file;
    out->tls.ca_path = NULL;
  }
  out->max_connections = DAYTONA__SIGNALS;
  out->rate_limit_wait_ms = 0;
  out->is_background = true;
}

int daytona__exporter_new(daytona__loop_t *loop, const daytona__telemetry_settings_t *settings,
                          const daytona__net_options_t *net, daytona__resolver_t *resolver,
                          daytona__export_stats_t *stats, daytona__exporter_t **out) {
  static const daytona_header_t common[] = {{"User-Agent", "sdk-c/" DAYTONA_VERSION}};
  daytona__net_options_t options;
  daytona__exporter_t *exporter = daytona__calloc(1, sizeof *exporter);
  if (exporter == NULL) return DAYTONA_ENOMEM;
  make_options(settings, net, &options);
  int rc = daytona__http_new(loop, &options, resolver, common, 1, &exporter->http);
  if (rc != 0) {
    daytona__free(exporter);
    return rc;
  }
  exporter->loop = loop;
  exporter->stats = stats;
  lane_init(exporter, &exporter->lanes[DAYTONA__TRACES], &settings->signals[DAYTONA__TRACES], "spans");
  lane_init(exporter, &exporter->lanes[DAYTONA__METRICS], &settings->signals[DAYTONA__METRICS], "metrics");
  daytona__timer_init(&exporter->limit, on_limit);
  exporter->limit.is_background = true;
  daytona__task_init(&exporter->over, on_over);
  *out = exporter;
  return 0;
}

void daytona__exporter_discard(daytona__exporter_t *exporter) {
  daytona__http_discard(exporter->http);
  daytona__free(exporter);
}

/* --- closing ------------------------------------------------------------------------------------ */

static bool is_empty(const daytona__exporter_t *exporter) {
  for (int i = 0; i < DAYTONA__SIGNALS; i++)
    if (!daytona__list_empty(&exporter->lanes[i].batches)) return false;
  return true;
}

static void look_for_end(daytona__exporter_t *exporter) {
  if (exporter->is_flushing && is_empty(exporter)) daytona__loop_defer(exporter->loop, &exporter->over);
}

static void on_http_closed(void *user) {
  daytona__exporter_t *exporter = user;
  void (*closed)(void *user) = exporter->closed;
  void *closed_user = exporter->closed_user;
  assert(exporter->bytes == 0 && exporter->spans == 0);
  daytona__loop_let_go(exporter->loop);
  daytona__free(exporter);
  closed(closed_user);
}

static void on_over(daytona__task_t *task) {
  daytona__exporter_t *exporter = DAYTONA__CONTAINER(task, daytona__exporter_t, over);
  daytona__timer_stop(&exporter->limit);
  log_losses(exporter);
  for (int i = 0; i < DAYTONA__SIGNALS; i++) daytona__task_cancel(&exporter->lanes[i].step);
  daytona__http_close(exporter->http, on_http_closed, exporter);
}

static void drop_all(daytona__exporter_t *exporter, const char *why) {
  for (int i = 0; i < DAYTONA__SIGNALS; i++) {
    lane_t *lane = &exporter->lanes[i];
    daytona__timer_stop(&lane->pause);
    if (lane->is_requesting) {
      daytona__http_cancel(&lane->http);
      daytona__http_call_clear(&lane->http);
    }
    lane->is_requesting = false;
    give_up_all(lane, why, 0);
  }
}

static void on_limit(daytona__timer_t *timer) {
  drop_all(DAYTONA__CONTAINER(timer, daytona__exporter_t, limit), "the client was closed");
}

void daytona__exporter_close(daytona__exporter_t *exporter, int64_t limit_ms, void (*closed)(void *user),
                             void *user) {
  assert(!exporter->is_flushing);
  exporter->is_flushing = true;
  exporter->closed = closed;
  exporter->closed_user = user;
  daytona__loop_hold(exporter->loop); /* now it is waited for */
  for (int i = 0; i < DAYTONA__SIGNALS; i++) {
    lane_t *lane = &exporter->lanes[i];
    if (!daytona__timer_is_running(&lane->pause)) continue;
    daytona__timer_stop(&lane->pause);
    daytona__loop_defer(exporter->loop, &lane->step); /* once more, at once */
  }
  if (limit_ms > 0)
    daytona__timer_start(exporter->loop, &exporter->limit, limit_ms);
  else
    drop_all(exporter, "the client was closed");
  look_for_end(exporter);
}
