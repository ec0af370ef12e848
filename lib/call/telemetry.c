/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See telemetry.h.
 *
 * Observers only look, since libcurl may be on the stack: what is to be sent is sent from a task. Times are those of the
 * monotonic clock, moved by what the wall clock was ahead of it when the batch was begun, so that no span ends before it
 * has begun.
 */
#include "call/telemetry.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "call/client_impl.h"
#include "call/telemetry_names.h"
#include "core/memory.h"

#define SERVICE "daytona-c-sdk"
#define SCOPE "daytona-sdk-c"

/* Series by function: there are some 170; a power of two, so that the table is never more than half full. */
enum { SERIES_MAX = 512 };
enum { SUCCEEDED, FAILED, OUTCOMES };
enum { STATE_LINE_SIZE = sizeof "tracestate: " + DAYTONA__TRACESTATE_MAX };

/* A function that was called: its names, and the durations of its calls. */
typedef struct series {
  const char *name; /* of the function; static, compared by address */
  daytona__span_names_t names;
  char *encoded; /* of its spans */
  size_t encoded_size;
  daytona__otlp_histogram_t histograms[OUTCOMES];
} series_t;

struct daytona__telemetry {
  daytona__observer_t observer;
  daytona__loop_t *loop;
  const daytona__telemetry_settings_t *settings;
  daytona__export_stats_t *stats;
  daytona__exporter_t *exporter;
  daytona__strbuf_t resource, scope;
  daytona__otlp_head_t head;
  uint64_t random[2];
  uint64_t wall_ns;       /* what the wall clock is ahead of the monotonic one */
  uint64_t began_unix_ns; /* of the histograms */
  bool has_parent;
  daytona__trace_context_t parent;
  char parent_state[STATE_LINE_SIZE]; /* "": none; else the header's line */
  daytona__batch_t *filling;          /* NULL: no span waits */
  bool is_due;                        /* it goes in the next turn */
  series_t *series[SERIES_MAX];
  size_t series_count;
  uint64_t calls, exported_calls; /* recorded in the histograms; of these, when they were last sent */
  daytona__timer_t spans_due, metrics_due;
  daytona__task_t send;
};

/* --- numbers ------------------------------------------------------------------------------------ */

/* xorshift128+: ids need not be secret, but must not repeat; the seed is the system's. */
static uint64_t next_random(daytona__telemetry_t *self) {
  uint64_t a = self->random[0], b = self->random[1];
  self->random[0] = b;
  a ^= a << 23;
  self->random[1] = a ^ b ^ (a >> 17) ^ (b >> 26);
  return self->random[1] + b;
}

static void new_id(daytona__telemetry_t *self, uint8_t *out, size_t size) {
  for (size_t i = 0; i < size; i += sizeof(uint64_t)) {
    uint64_t word;
    do word = next_random(self);
    while (word == 0);
    memcpy(out + i, &word, sizeof word);
  }
}

static void set_clock(daytona__telemetry_t *self) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  self->wall_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec - uv_hrtime();
}

static uint64_t now_unix_ns(const daytona__telemetry_t *self) { return self->wall_ns + uv_hrtime(); }

/* --- functions ---------------------------------------------------------------------------------- */

/* The series of a function; NULL: no memory. There are fewer functions than places. */
static series_t *series_of(daytona__telemetry_t *self, const char *name) {
  size_t at = (size_t)(((uintptr_t)name * UINT64_C(0x9e3779b97f4a7c15)) >> 55) % SERIES_MAX;
  for (; self->series[at] != NULL; at = (at + 1) % SERIES_MAX)
    if (self->series[at]->name == name) return self->series[at];
  if (self->series_count >= SERIES_MAX / 2) return NULL;
  series_t *series = daytona__calloc(1, sizeof *series);
  if (series == NULL) return NULL;
  series->name = name;
  daytona__span_names(name, &series->names);
  const daytona__otlp_attribute_t attributes[] = {{.key = "component", .text = series->names.component},
                                                  {.key = "method", .text = series->names.method}};
  series->encoded = daytona__otlp_encode(series->names.span, attributes, 2, &series->encoded_size);
  if (series->encoded == NULL) {
    daytona__free(series);
    return NULL;
  }
  self->series[at] = series;
  self->series_count++;
  return series;
}

/* --- the sampler -------------------------------------------------------------------------------- */

/* As other SDKs do it, so that all parts of a trace agree: by the last eight bytes of its id. */
static bool is_in_ratio(const uint8_t trace_id[16], double ratio) {
  uint64_t value = 0;
  for (int i = 8; i < 16; i++) value = value << 8 | trace_id[i];
  return ratio >= 1 || (double)value < ratio * 18446744073709551616.0;
}

static void begin_context(daytona__telemetry_t *self, daytona__span_t *span) {
  const daytona__sampler_t *sampler = &self->settings->sampler;
  span->has_parent = self->has_parent;
  if (self->has_parent) {
    memcpy(span->context.trace_id, self->parent.trace_id, sizeof self->parent.trace_id);
    memcpy(span->parent_id, self->parent.span_id, sizeof self->parent.span_id);
  } else {
    new_id(self, span->context.trace_id, sizeof span->context.trace_id);
  }
  new_id(self, span->context.span_id, sizeof span->context.span_id);
  span->context.is_sampled = self->has_parent && sampler->follows_parent
                               ? self->parent.is_sampled
                               : is_in_ratio(span->context.trace_id, sampler->ratio);
}

/* --- batches ------------------------------------------------------------------------------------ */

static void drop_span(daytona__telemetry_t *self) { self->stats->dropped++; }

/* A batch to be filled, with its timer; NULL: no memory. */
static daytona__batch_t *begin_batch(daytona__telemetry_t *self) {
  daytona__batch_t *batch = daytona__batch_new();
  if (batch == NULL) return NULL;
  if (daytona__otlp_open(&batch->bytes, &self->head) != 0) {
    daytona__batch_free(batch);
    return NULL;
  }
  set_clock(self);
  if (!daytona__timer_is_running(&self->spans_due))
    daytona__timer_start(self->loop, &self->spans_due, self->settings->interval_ms);
  return self->filling = batch;
}

static void send_spans(daytona__telemetry_t *self) {
  daytona__batch_t *batch = self->filling;
  daytona__timer_stop(&self->spans_due);
  self->is_due = false;
  if (batch == NULL) return;
  self->filling = NULL;
  assert(batch->spans != 0);
  batch->start = daytona__otlp_close(&batch->bytes, &self->head);
  daytona__exporter_send(self->exporter, DAYTONA__TRACES, batch);
}

static void make_due(daytona__telemetry_t *self) {
  self->is_due = true;
  daytona__loop_defer(self->loop, &self->send);
}

/* Whether one more span may wait. */
static bool has_room(const daytona__telemetry_t *self) {
  size_t spans = daytona__exporter_spans(self->exporter), bytes = daytona__exporter_bytes(self->exporter);
  if (self->filling != NULL) {
    spans += self->filling->spans;
    bytes += self->filling->bytes.room;
  }
  return spans < self->settings->max_queue && bytes + DAYTONA__EXPORT_BATCH_MAX <= DAYTONA__EXPORT_BYTES_MAX;
}

static void put_span(daytona__telemetry_t *self, const daytona__otlp_span_t *span) {
  daytona__batch_t *batch = self->filling;
  if (!has_room(self) || (batch == NULL && (batch = begin_batch(self)) == NULL)) {
    drop_span(self);
    return;
  }
  if (daytona__otlp_put_span(&batch->bytes, span) !=
      0) { /* memory is short, or the batch is full of long texts */
    batch->bytes.error = 0;
    drop_span(self);
    if (batch->spans == 0) {
      daytona__batch_free(batch);
      self->filling = NULL;
      daytona__timer_stop(&self->spans_due);
    } else {
      make_due(self);
    }
    return;
  }
  batch->spans++;
  if (batch->spans >= self->settings->max_batch) make_due(self);
}

/* --- operations --------------------------------------------------------------------------------- */

static daytona__telemetry_t *of(daytona__observer_t *observer) {
  return DAYTONA__CONTAINER(observer, daytona__telemetry_t, observer);
}

static bool is_traced(const daytona__telemetry_t *self, const daytona__span_t *span) {
  return span != NULL && span->is_begun && self->settings->signals[DAYTONA__TRACES].is_on;
}

/* The rest of what a span has, from its context and its duration. */
static void fill_span(daytona__telemetry_t *self, const daytona__span_t *context, int64_t duration_us,
                      daytona__otlp_span_t *span) {
  span->trace_id = context->context.trace_id;
  span->state = context->state != NULL ? context->state + sizeof "tracestate: " - 1 : NULL;
  span->end_ns = now_unix_ns(self);
  span->begin_ns = span->end_ns - (uint64_t)(duration_us > 0 ? duration_us : 0) * 1000;
}

static void on_op_begun(daytona__observer_t *observer, const daytona__op_event_t *event) {
  daytona__telemetry_t *self = of(observer);
  daytona__span_t *span = event->origin.span;
  if (span == NULL || !self->settings->signals[DAYTONA__TRACES].is_on) return;
  begin_context(self, span);
  if (self->has_parent && self->parent_state[0] != '\0')
    span->state =
      daytona__arena_strdup(event->arena, self->parent_state); /* without memory it goes without */
  span->is_begun = true;
}

/* The span of a function, from its beginning to now. */
static void put_function(daytona__telemetry_t *self, const series_t *series, const daytona__span_t *context,
                         const uint8_t *id, const uint8_t *parent_id, bool is_remote, int64_t duration_us,
                         daytona_errcode_t code, const char *message) {
  daytona__otlp_span_t span = {.span_id = id,
                               .parent_id = parent_id,
                               .has_remote_parent = is_remote,
                               .encoded = series->encoded,
                               .encoded_size = series->encoded_size,
                               .kind = DAYTONA__SPAN_INTERNAL,
                               .status = code == DAYTONA_OK ? DAYTONA__SPAN_OK : DAYTONA__SPAN_ERROR};
  fill_span(self, context, duration_us, &span);
  if (code != DAYTONA_OK) {
    span.message = message != NULL ? message : daytona_errcode_text(code);
    span.exception_type = daytona_errcode_name(code);
  }
  put_span(self, &span);
}

static void on_op_ended(daytona__observer_t *observer, const daytona__op_event_t *event) {
  daytona__telemetry_t *self = of(observer);
  const daytona__span_t *context = event->origin.span;
  series_t *series = series_of(self, event->origin.name);
  if (series == NULL) {
    if (is_traced(self, context) && context->context.is_sampled) drop_span(self);
    return;
  }
  if (self->settings->signals[DAYTONA__METRICS].is_on) {
    daytona__otlp_record(&series->histograms[event->code == DAYTONA_OK ? SUCCEEDED : FAILED],
                         (double)event->duration_us / 1000);
    self->calls++;
    if (!daytona__timer_is_running(&self->metrics_due))
      daytona__timer_start(self->loop, &self->metrics_due, self->settings->metrics_interval_ms);
  }
  if (!is_traced(self, context) || !context->context.is_sampled) return;
  put_function(self, series, context, context->context.span_id,
               context->has_parent ? context->parent_id : NULL, context->has_parent, event->duration_us,
               event->code, event->message);
}

/* --- requests ----------------------------------------------------------------------------------- */

static void on_request_begun(daytona__observer_t *observer, const daytona__origin_t *origin,
                             daytona__http_context_t *out) {
  static const char name[] = "traceparent: ";
  daytona__telemetry_t *self = of(observer);
  if (!is_traced(self, origin->span)) return;
  daytona__trace_context_t context = origin->span->context;
  new_id(self, context.span_id, sizeof context.span_id);
  memcpy(out->id, context.span_id, sizeof context.span_id);
  memcpy(out->parent, name, sizeof name - 1);
  daytona__traceparent_format(&context, out->parent + sizeof name - 1);
  out->state = origin->span->state;
}

typedef struct request {
  const daytona__origin_t *origin;
  const daytona__place_t *place;
  const uint8_t *id;
  int status, attempt;
  daytona_errcode_t code;
  const char *message;
  int64_t duration_us;
} request_t;

/* "https://host/path": without the query, and secret segments masked. */
static const char *url_of(const daytona__place_t *place, char *out, size_t room) {
  const char *const parts[] = {place->scheme, "://", place->host, place->path};
  size_t size = 0;
  for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
    size_t part = strlen(parts[i]);
    if (size + part >= room) part = room - size - 1;
    memcpy(out + size, parts[i], part);
    size += part;
  }
  out[size] = '\0';
  return out;
}

/* The host without its port, which is given back; 0: the scheme's. */
static int split_host(const daytona__place_t *place, char host[DAYTONA__HOST_ROOM + 8]) {
  snprintf(host, DAYTONA__HOST_ROOM + 8, "%s", place->host);
  char *colon = strrchr(host, ':');
  bool is_secure = strcmp(place->scheme, "https") == 0 || strcmp(place->scheme, "wss") == 0;
  if (colon == NULL || strchr(colon, ']') != NULL) return is_secure ? 443 : 80;
  *colon = '\0';
  int port = 0;
  for (const char *at = colon + 1; *at >= '0' && *at <= '9' && port < 65536; at++)
    port = port * 10 + (*at - '0');
  return port;
}

enum { REQUEST_ATTRIBUTES = 12 };

static void put_request(daytona__telemetry_t *self, const request_t *request) {
  const daytona__span_t *context = request->origin->span;
  const daytona__telemetry_settings_t *settings = self->settings;
  daytona__otlp_attribute_t attributes[REQUEST_ATTRIBUTES];
  char url[sizeof(daytona__place_t) + 16], host[DAYTONA__HOST_ROOM + 8];
  size_t count = 0;
  if (!is_traced(self, context) || !context->context.is_sampled) return;
  bool has_failed = request->code != DAYTONA_OK && request->code != DAYTONA_EFAILED;
  url_of(request->place, url, sizeof url);
  if (settings->has_old_names) {
    attributes[count++] = (daytona__otlp_attribute_t){"http.method", request->place->method, 0};
    attributes[count++] = (daytona__otlp_attribute_t){"http.url", url, 0};
    if (request->status != 0)
      attributes[count++] = (daytona__otlp_attribute_t){"http.status_code", NULL, request->status};
  }
  if (settings->has_new_names) {
    int port = split_host(request->place, host);
    attributes[count++] = (daytona__otlp_attribute_t){"http.request.method", request->place->method, 0};
    attributes[count++] = (daytona__otlp_attribute_t){"url.full", url, 0};
    attributes[count++] = (daytona__otlp_attribute_t){"server.address", host, 0};
    attributes[count++] = (daytona__otlp_attribute_t){"server.port", NULL, port};
    if (request->status != 0)
      attributes[count++] = (daytona__otlp_attribute_t){"http.response.status_code", NULL, request->status};
    if (has_failed)
      attributes[count++] = (daytona__otlp_attribute_t){"error.type", daytona_errcode_name(request->code), 0};
  }
  if (request->attempt > 1)
    attributes[count++] =
      (daytona__otlp_attribute_t){"http.request.resend_count", NULL, request->attempt - 1};
  assert(count <= REQUEST_ATTRIBUTES);
  daytona__otlp_span_t span = {.span_id = request->id,
                               .parent_id = context->context.span_id,
                               .name = request->place->method,
                               .kind = DAYTONA__SPAN_CLIENT,
                               .attributes = attributes,
                               .attribute_count = count};
  fill_span(self, context, request->duration_us, &span);
  if (has_failed || request->status >= 400) span.status = DAYTONA__SPAN_ERROR;
  if (has_failed) {
    span.message = request->message != NULL ? request->message : daytona_errcode_text(request->code);
    span.exception_type = daytona_errcode_name(request->code);
  }
  put_span(self, &span);
}

static void on_request_ended(daytona__observer_t *observer, const daytona__request_event_t *event) {
  const request_t request = {.origin = &event->origin,
                             .place = &event->place,
                             .id = event->context->id,
                             .status = event->status,
                             .attempt = event->attempt,
                             .code = event->code,
                             .message = event->message,
                             .duration_us = event->duration_us};
  put_request(of(observer), &request);
}

/* --- sockets ------------------------------------------------------------------------------------ */

/* The request of a socket ends with the upgrade, or with what has refused it. */
static void put_upgrade(daytona__observer_t *observer, const daytona__socket_event_t *event, int status) {
  const request_t request = {.origin = &event->origin,
                             .place = &event->place,
                             .id = event->context->id,
                             .status = status,
                             .attempt = 1,
                             .code = event->code,
                             .message = event->message,
                             .duration_us = event->duration_us};
  put_request(of(observer), &request);
}

static void on_socket_opened(daytona__observer_t *observer, const daytona__socket_event_t *event) {
  put_upgrade(observer, event, 101);
}

/* A terminal outlives the operation that has attached it: what it lived is a span of its own. */
static void on_socket_ended(daytona__observer_t *observer, const daytona__socket_event_t *event) {
  static const char name[] = "pty_wait";
  daytona__telemetry_t *self = of(observer);
  const daytona__span_t *context = event->origin.span;
  if (!event->was_open) put_upgrade(observer, event, event->status);
  if (!event->was_open || !event->is_detached || !is_traced(self, context) || !context->context.is_sampled)
    return;
  series_t *series = series_of(self, name);
  uint8_t id[8];
  new_id(self, id, sizeof id);
  if (series != NULL)
    put_function(self, series, context, id, context->context.span_id, false, event->duration_us, event->code,
                 event->message);
  else
    drop_span(self);
}

/* --- sending ------------------------------------------------------------------------------------ */

static int put_series(daytona__telemetry_t *self, const series_t *series, daytona__strbuf_t *out,
                      uint64_t now_ns) {
  static const char *const outcomes[OUTCOMES] = {"success", "error"};
  daytona__otlp_attribute_t attributes[OUTCOMES][3];
  daytona__otlp_point_t points[OUTCOMES];
  char name[DAYTONA__SPAN_NAME_ROOM + 16], description[DAYTONA__SPAN_NAME_ROOM + 32];
  size_t count = 0;
  for (int i = 0; i < OUTCOMES; i++) {
    if (series->histograms[i].count == 0) continue;
    attributes[i][0] = (daytona__otlp_attribute_t){"component", series->names.component, 0};
    attributes[i][1] = (daytona__otlp_attribute_t){"method", series->names.method, 0};
    attributes[i][2] = (daytona__otlp_attribute_t){"status", outcomes[i], 0};
    points[count++] = (daytona__otlp_point_t){&series->histograms[i], attributes[i], 3};
  }
  if (count == 0) return 0;
  snprintf(name, sizeof name, "%s_duration", series->names.metric);
  snprintf(description, sizeof description, "Duration of executions for %s", series->names.metric);
  return daytona__otlp_put_metric(out, name, description, self->began_unix_ns, now_ns, points, count);
}

/* Every number since the beginning: an export that is lost takes nothing with it. */
static void send_metrics(daytona__telemetry_t *self) {
  if (self->calls == self->exported_calls || daytona__exporter_is_busy(self->exporter, DAYTONA__METRICS))
    return;
  daytona__batch_t *batch = daytona__batch_new();
  int rc = batch != NULL ? daytona__otlp_open(&batch->bytes, &self->head) : DAYTONA_ENOMEM;
  set_clock(self);
  uint64_t now_ns = now_unix_ns(self);
  for (size_t i = 0; i < SERIES_MAX && rc == 0; i++)
    if (self->series[i] != NULL) rc = put_series(self, self->series[i], &batch->bytes, now_ns);
  if (rc != 0) {
    daytona__log(self->loop, DAYTONA_LOG_WARN, "telemetry: no memory to export metrics");
    daytona__batch_free(batch);
    return;
  }
  self->exported_calls = self->calls;
  batch->start = daytona__otlp_close(&batch->bytes, &self->head);
  daytona__exporter_send(self->exporter, DAYTONA__METRICS, batch);
}

static void on_send(daytona__task_t *task) {
  daytona__telemetry_t *self = DAYTONA__CONTAINER(task, daytona__telemetry_t, send);
  if (self->is_due) send_spans(self);
}

static void on_spans_due(daytona__timer_t *timer) {
  send_spans(DAYTONA__CONTAINER(timer, daytona__telemetry_t, spans_due));
}

/* It is started again by the next call that ends; what is in the way of this export is that of the one before. */
static void on_metrics_due(daytona__timer_t *timer) {
  daytona__telemetry_t *self = DAYTONA__CONTAINER(timer, daytona__telemetry_t, metrics_due);
  send_metrics(self);
}

/* --- the parent --------------------------------------------------------------------------------- */

int daytona__telemetry_set_parent(daytona__telemetry_t *self, const char *traceparent,
                                  const char *tracestate) {
  daytona__trace_context_t parent = {.is_sampled = false};
  if (traceparent != NULL && daytona__traceparent_parse(traceparent, &parent) != 0) return DAYTONA_EINVAL;
  bool has_state = traceparent != NULL && tracestate != NULL && tracestate[0] != '\0';
  if (has_state && !daytona__tracestate_is_valid(tracestate)) return DAYTONA_EINVAL;
  if (self == NULL) return 0;
  self->has_parent = traceparent != NULL;
  self->parent = parent;
  self->parent_state[0] = '\0';
  if (has_state) snprintf(self->parent_state, sizeof self->parent_state, "tracestate: %s", tracestate);
  return 0;
}

int daytona_telemetry_set_parent(daytona_client_t *client, const char *traceparent, const char *tracestate) {
  if (client == NULL) return DAYTONA_EINVAL;
  if (!daytona__loop_on_thread(client->loop)) return DAYTONA_ETHREAD;
  if (client->is_closing) return DAYTONA_ECLOSED;
  return daytona__telemetry_set_parent(client->telemetry, traceparent, tracestate);
}

/* --- life --------------------------------------------------------------------------------------- */

static int make_head(daytona__telemetry_t *self) {
  static const daytona__otlp_attribute_t own[] = {{"service.name", SERVICE, 0},
                                                  {"service.version", DAYTONA_VERSION, 0},
                                                  {"telemetry.sdk.name", "libdaytona", 0},
                                                  {"telemetry.sdk.language", "c", 0},
                                                  {"telemetry.sdk.version", DAYTONA_VERSION, 0}};
  enum { OWN = sizeof own / sizeof own[0] };
  daytona__otlp_attribute_t all[OWN + DAYTONA__RESOURCE_ATTRIBUTES_MAX];
  size_t given = self->settings->attribute_count;
  assert(given <= DAYTONA__RESOURCE_ATTRIBUTES_MAX);
  memcpy(all, own, sizeof own);
  if (given != 0) memcpy(all + OWN, self->settings->attributes, given * sizeof all[0]);
  daytona__strbuf_init(&self->resource, DAYTONA__EXPORT_BATCH_MAX / 4);
  daytona__strbuf_init(&self->scope, DAYTONA__EXPORT_BATCH_MAX / 4);
  int rc = daytona__otlp_put_resource(&self->resource, all, OWN + given);
  if (rc == 0) rc = daytona__otlp_put_scope(&self->scope, SCOPE, DAYTONA_VERSION);
  self->head = (daytona__otlp_head_t){.resource = self->resource.data,
                                      .scope = self->scope.data,
                                      .resource_size = self->resource.size,
                                      .scope_size = self->scope.size};
  return rc;
}

static void telemetry_free(daytona__telemetry_t *self) {
  for (size_t i = 0; i < SERIES_MAX; i++) {
    if (self->series[i] != NULL) daytona__free(self->series[i]->encoded);
    daytona__free(self->series[i]);
  }
  daytona__batch_free(self->filling);
  daytona__strbuf_clear(&self->resource);
  daytona__strbuf_clear(&self->scope);
  daytona__free(self);
}

static const daytona__observer_t observer = {.op_begun = on_op_begun,
                                             .op_ended = on_op_ended,
                                             .request_begun = on_request_begun,
                                             .request_ended = on_request_ended,
                                             .socket_opened = on_socket_opened,
                                             .socket_ended = on_socket_ended};

int daytona__telemetry_new(daytona__loop_t *loop, const daytona__telemetry_settings_t *settings,
                           const daytona__net_options_t *net, daytona__resolver_t *resolver,
                           daytona__export_stats_t *stats, daytona__telemetry_t **out) {
  daytona__telemetry_t *self = daytona__calloc(1, sizeof *self);
  if (self == NULL) return DAYTONA_ENOMEM;
  self->observer = observer;
  self->loop = loop;
  self->settings = settings;
  self->stats = stats;
  daytona__timer_init(&self->spans_due, on_spans_due);
  daytona__timer_init(&self->metrics_due, on_metrics_due);
  self->spans_due.is_background = self->metrics_due.is_background = true;
  daytona__task_init(&self->send, on_send);
  set_clock(self);
  self->began_unix_ns = now_unix_ns(self);
  int rc = daytona__random(self->random, sizeof self->random);
  self->random[0] |= 1; /* never all zero */
  if (rc == 0) rc = make_head(self);
  if (rc == 0) rc = daytona__exporter_new(loop, settings, net, resolver, stats, &self->exporter);
  if (rc != 0) {
    telemetry_free(self);
    return rc;
  }
  *out = self;
  return 0;
}

void daytona__telemetry_discard(daytona__telemetry_t *self) {
  daytona__exporter_discard(self->exporter);
  telemetry_free(self);
}

daytona__observer_t *daytona__telemetry_observer(daytona__telemetry_t *self) { return &self->observer; }

void daytona__telemetry_close(daytona__telemetry_t *self, void (*closed)(void *user), void *user) {
  daytona__exporter_t *exporter = self->exporter;
  int64_t limit_ms = self->settings->flush_timeout_ms;
  send_spans(self);
  send_metrics(self);
  daytona__timer_stop(&self->metrics_due);
  daytona__task_cancel(&self->send);
  telemetry_free(self);
  daytona__exporter_close(exporter, limit_ms, closed, user);
}
