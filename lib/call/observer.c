/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the funnels to the observers; see observer.h.
 */
#include "call/observer.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/memory.h"

/* A socket's trace: a block of its own, because a terminal's socket outlives the operation that opened it. */
typedef struct daytona__watched_socket {
  daytona__ws_trace_t trace; /* first */
  daytona_client_t *client;  /* outlives its sockets */
  daytona__op_t *op;         /* NULL: it has ended */
  uint64_t began_ns;
  daytona__socket_event_t event;
  daytona__http_context_t context;
  daytona__span_t span; /* of the operation, which may end before */
  char texts[];         /* id of the sandbox, and the span's state */
} socket_t;

static int64_t us_since(uint64_t began_ns) { return (int64_t)((uv_hrtime() - began_ns) / 1000); }

/* --- places ------------------------------------------------------------------------------------- */

/* The row of the path's argument "{key}" that begins at `key`, if it is a secret. */
static bool is_secret(const daytona__json_model_t *rows, const char *key, size_t size) {
  for (size_t i = 0; rows != NULL && i < rows->field_count; i++) {
    const daytona__json_field_t *row = &rows->fields[i];
    if (row->where == DAYTONA__IN_PATH && strlen(row->key) == size && memcmp(row->key, key, size) == 0)
      return (row->flags & DAYTONA__JSON_SECRET) != 0;
  }
  return false;
}

typedef struct text {
  char *to;
  size_t size, room;
} text_t;

/* What does not fit is left out: it is a line of a log. */
static void put(text_t *text, const char *bytes, size_t size) {
  size_t room = text->room - 1 - text->size;
  if (size > room) size = room;
  memcpy(text->to + text->size, bytes, size);
  text->size += size;
  text->to[text->size] = '\0';
}

/* Arguments are percent-encoded, so that the path and its template have the same segments. */
static void put_masked(text_t *text, const char *path, size_t size, const daytona__method_t *method) {
  const char *row = method->path, *end = path + size;
  while (path < end) {
    size_t segment = strcspn(path, "/?#");
    size_t row_size = row != NULL ? strcspn(row, "/") : 0;
    if (path + segment > end) segment = (size_t)(end - path);
    bool hides = row_size > 2 && row[0] == '{' && is_secret(method->request, row + 1, row_size - 2);
    put(text, hides ? "***" : path, hides ? 3 : segment);
    path += segment;
    if (row != NULL) row = row[row_size] == '/' ? row + row_size + 1 : NULL;
    if (path >= end) break;
    put(text, "/", 1);
    path++;
  }
}

/*
 * `target` is the method's part at the end of `url`; NULL: the path is the library's own. Whatever a redirect points at
 * may have a secret anywhere.
 */
static void find_place(daytona__place_t *place, const char *method, const char *url, const daytona__op_t *op,
                       const char *target, bool is_redirected) {
  text_t host = {place->host, 0, sizeof place->host}, path = {place->path, 0, sizeof place->path};
  const char *at = strstr(url, "://");
  place->scheme = strncasecmp(url, "https", 5) == 0 || strncasecmp(url, "wss", 3) == 0 ? "https" : "http";
  at = at != NULL ? at + 3 : url;
  size_t authority = strcspn(at, "/?#");
  const char *login = memchr(at, '@', authority), *begin = at + authority;
  size_t size = strcspn(begin, "?#"), target_size = target != NULL ? strlen(target) : 0;
  place->method = method;
  place->host[0] = place->path[0] = '\0';
  for (const char *next; login != NULL; login = next) { /* what is in front of the last one */
    authority -= (size_t)(login + 1 - at);
    at = login + 1;
    next = memchr(at, '@', authority);
  }
  put(&host, at, authority);
  if (is_redirected) {
    put(&path, "/***", 4);
  } else if (target_size != 0 && target_size <= strlen(begin)) {
    size_t base = strlen(begin) - target_size;
    put(&path, begin, base < size ? base : size);
    if (base < size) put_masked(&path, begin + base, size - base, op->method);
  } else {
    put(&path, begin, size);
  }
}

/* --- operations --------------------------------------------------------------------------------- */

static daytona__origin_t origin_of(const daytona__op_t *op) {
  const daytona_future_t *future = op->future;
  daytona__origin_t origin = {.id = op->watch.id,
                              .name = op->watch.name,
                              .sandbox = op->sandbox != NULL ? op->sandbox->id : NULL,
                              .span = op->watch.span};
  if (origin.sandbox == NULL && future->type == &daytona__type_sandbox && future->result != NULL)
    origin.sandbox = ((const daytona_sandbox_t *)future->result)->id;
  return origin;
}

void daytona__observe_op_begin(daytona__op_t *op, const char *name) {
  static const char prefix[] = "daytona_";
  daytona_client_t *client = op->client;
  if (name == NULL) return;
  client->ops.begun++;
  op->watch.is_counted = true;
  if (client->observers == NULL) return;
  op->watch.name = strncmp(name, prefix, sizeof prefix - 1) == 0 ? name + sizeof prefix - 1 : name;
  op->watch.id = ++client->last_op_id;
  op->watch.began_ns = uv_hrtime();
  daytona__arena_t *arena = &op->future->arena;
  if (client->telemetry != NULL) op->watch.span = daytona__arena_alloc(arena, sizeof *op->watch.span);
  const daytona__op_event_t event = {.origin = origin_of(op), .arena = arena};
  for (daytona__observer_t *observer = client->observers; observer != NULL; observer = observer->next)
    if (observer->op_begun != NULL) observer->op_begun(observer, &event);
}

/* How it has ended. One that is being stopped settles with what has stopped it. */
static daytona_errcode_t outcome_of(const daytona__op_t *op) {
  const daytona_future_t *future = op->future;
  if (daytona__future_is_pending(future)) return op->client->is_closing ? DAYTONA_ECLOSED : DAYTONA_ECANCELED;
  return future->error != NULL ? future->error->code : DAYTONA_OK;
}

static void count(daytona__op_t *op) {
  daytona__op_stats_t *stats = &op->client->ops;
  daytona_errcode_t code = outcome_of(op);
  if (!op->watch.is_counted) return;
  op->watch.is_counted = false;
  assert(code <= 0 && -code < DAYTONA_STATS_CODES);
  stats->failures[-code]++;
  if (code == DAYTONA_OK)
    stats->succeeded++;
  else
    stats->failed++;
}

void daytona__observe_op_end(daytona__op_t *op) {
  const daytona__op_watch_t *watch = &op->watch;
  count(op);
  if (watch->name == NULL) return;
  const daytona_future_t *future = op->future;
  daytona__op_event_t event = {.origin = origin_of(op),
                               .duration_us = us_since(watch->began_ns),
                               .requests = watch->requests,
                               .sent_bytes = watch->sent_bytes,
                               .received_bytes = watch->received_bytes};
  event.code = outcome_of(op);
  if (future->error != NULL) {
    event.http_status = future->error->http_status;
    event.message = future->error->message;
  }
  for (daytona__observer_t *observer = op->client->observers; observer != NULL; observer = observer->next)
    if (observer->op_ended != NULL) observer->op_ended(observer, &event);
  if (op->watch.socket != NULL) op->watch.socket->op = NULL;
  op->watch.name = NULL;
}

/* --- requests ----------------------------------------------------------------------------------- */

static void on_begin(const daytona__http_call_t *call, daytona__http_context_t *context, void *user) {
  daytona_client_t *client = user;
  const daytona__origin_t origin = origin_of(call->owner);
  for (daytona__observer_t *observer = client->observers; observer != NULL; observer = observer->next)
    if (observer->request_begun != NULL) observer->request_begun(observer, &origin, context);
}

static void on_attempt(const daytona__http_attempt_t *attempt, void *user) {
  daytona_client_t *client = user;
  daytona__op_t *op = attempt->call->owner;
  daytona__request_event_t event = {.origin = origin_of(op),
                                    .code = attempt->code,
                                    .message = attempt->message,
                                    .status = attempt->status,
                                    .attempt = attempt->number,
                                    .duration_us = attempt->duration_us,
                                    .sent_bytes = attempt->sent_bytes,
                                    .received_bytes = attempt->received_bytes,
                                    .is_reused = attempt->is_reused,
                                    .context = attempt->context};
  op->watch.requests++;
  op->watch.sent_bytes += attempt->sent_bytes;
  op->watch.received_bytes += attempt->received_bytes;
  find_place(&event.place, attempt->method, attempt->url, op, op->is_finding ? NULL : op->target,
             attempt->is_redirected);
  for (daytona__observer_t *observer = client->observers; observer != NULL; observer = observer->next)
    if (observer->request_ended != NULL) observer->request_ended(observer, &event);
}

/* --- sockets ------------------------------------------------------------------------------------ */

static void on_opened(daytona__ws_trace_t *trace) {
  socket_t *self = (socket_t *)trace;
  self->event.duration_us = us_since(self->began_ns);
  for (daytona__observer_t *observer = self->client->observers; observer != NULL; observer = observer->next)
    if (observer->socket_opened != NULL) observer->socket_opened(observer, &self->event);
}

static void on_ended(daytona__ws_trace_t *trace, const daytona__ws_trace_end_t *end) {
  socket_t *self = (socket_t *)trace;
  daytona__socket_event_t *event = &self->event;
  event->duration_us = us_since(self->began_ns);
  event->was_open = end->was_open;
  event->code = end->code;
  event->message = end->message;
  event->status = end->status;
  event->close_code = end->close_code;
  event->sent_bytes = end->sent_bytes;
  event->received_bytes = end->received_bytes;
  event->is_detached = self->op == NULL;
  if (self->op != NULL) {
    self->op->watch.sent_bytes += end->sent_bytes;
    self->op->watch.received_bytes += end->received_bytes;
    self->op->watch.socket = NULL;
  }
  for (daytona__observer_t *observer = self->client->observers; observer != NULL; observer = observer->next)
    if (observer->socket_ended != NULL) observer->socket_ended(observer, event);
  daytona__free(self);
}

static socket_t *socket_new(daytona__op_t *op) {
  const char *sandbox = op->sandbox->id, *state = op->watch.span != NULL ? op->watch.span->state : NULL;
  size_t sandbox_size = strlen(sandbox) + 1, state_size = state != NULL ? strlen(state) + 1 : 0;
  socket_t *self = daytona__calloc(1, sizeof *self + sandbox_size + state_size);
  if (self == NULL) return NULL;
  memcpy(self->texts, sandbox, sandbox_size);
  self->trace.on_opened = on_opened;
  self->trace.on_ended = on_ended;
  self->client = op->client;
  self->began_ns = uv_hrtime();
  self->op = op;
  self->event.origin = origin_of(op);
  self->event.origin.sandbox = self->texts;
  self->event.context = &self->context;
  if (op->watch.span == NULL) return self;
  self->span = *op->watch.span;
  self->event.origin.span = &self->span;
  if (state != NULL) self->span.state = memcpy(self->texts + sandbox_size, state, state_size);
  return self;
}

/* "name: value" as a header; the value is borrowed. */
static daytona_header_t header_of(const char *line, const char *name) {
  return (daytona_header_t){name, line + strlen(name) + 2};
}

/* Add what the upgrade is to carry to its headers. */
static int add_context(daytona__op_t *op, const daytona__http_context_t *context, daytona__ws_opts_t *opts) {
  if (context->parent[0] == '\0') return 0;
  size_t count = opts->header_count;
  daytona_header_t *headers = daytona__arena_array(daytona__op_arena(op), count + 2, sizeof *headers);
  if (headers == NULL) return DAYTONA_ENOMEM;
  if (count != 0) memcpy(headers, opts->headers, count * sizeof *headers);
  headers[count++] = header_of(context->parent, "traceparent");
  if (context->state != NULL) headers[count++] = header_of(context->state, "tracestate");
  opts->headers = headers;
  opts->header_count = count;
  return 0;
}

int daytona__observe_socket(daytona__op_t *op, daytona__ws_opts_t *opts) {
  daytona_client_t *client = op->client;
  opts->trace = NULL;
  if (op->watch.name == NULL) return 0;
  socket_t *self = socket_new(op);
  if (self == NULL) return 0; /* then it is not observed */
  assert(op->watch.socket == NULL);
  op->watch.socket = self;
  op->watch.requests++;
  find_place(&self->event.place, "GET", opts->url, op, op->target, false);
  self->event.place.scheme = strcmp(self->event.place.scheme, "https") == 0 ? "wss" : "ws";
  for (daytona__observer_t *observer = client->observers; observer != NULL; observer = observer->next)
    if (observer->request_begun != NULL)
      observer->request_begun(observer, &self->event.origin, &self->context);
  opts->trace = &self->trace;
  return add_context(op, &self->context, opts);
}

void daytona__observe_no_socket(daytona__ws_trace_t *trace) {
  socket_t *self = (socket_t *)trace;
  if (self == NULL) return;
  self->op->watch.socket = NULL;
  daytona__free(self);
}

/* --- the client --------------------------------------------------------------------------------- */

void daytona__client_observe(daytona_client_t *client, daytona__observer_t *observer) {
  assert(client->last_op_id == 0);
  observer->next = client->observers;
  client->observers = observer;
  daytona__http_set_trace(client->http, on_attempt, client);
  if (observer->request_begun != NULL) daytona__http_set_context(client->http, on_begin);
}

void daytona__client_unobserve(daytona_client_t *client, daytona__observer_t *observer) {
  daytona__observer_t **at = &client->observers;
  while (*at != observer) at = &(*at)->next;
  *at = observer->next;
}

/* --- the log ------------------------------------------------------------------------------------ */

static double ms(int64_t us) { return (double)us / 1000; }

static void log_op(daytona__observer_t *self, const daytona__op_event_t *event) {
  const daytona__origin_t *origin = &event->origin;
  bool has_sandbox = origin->sandbox != NULL;
  char status[24] = "";
  if (event->http_status != 0) snprintf(status, sizeof status, ", status %d", event->http_status);
  daytona__log(self->user, DAYTONA_LOG_INFO, "%s: %s%s%s%s%s, %.1f ms", origin->name,
               has_sandbox ? "sandbox " : "", has_sandbox ? origin->sandbox : "", has_sandbox ? ": " : "",
               event->code == DAYTONA_OK ? "ok" : daytona_errcode_name(event->code), status,
               ms(event->duration_us));
}

static void log_request(daytona__observer_t *self, const daytona__request_event_t *event) {
  const char *message = event->code != DAYTONA_EFAILED ? event->message : NULL;
  daytona__log(
    self->user, DAYTONA_LOG_DEBUG,
    "http: %s %s%s: status %d, %.1f ms, attempt %d, %s connection, %llu bytes out, %llu in%s%s%s%s",
    event->place.method, event->place.host, event->place.path, event->status, ms(event->duration_us),
    event->attempt, event->is_reused ? "used" : "new", (unsigned long long)event->sent_bytes,
    (unsigned long long)event->received_bytes, event->code != DAYTONA_OK ? ": " : "",
    event->code != DAYTONA_OK ? daytona_errcode_name(event->code) : "", message != NULL ? ": " : "",
    message != NULL ? message : "");
}

static void log_open(daytona__observer_t *self, const daytona__socket_event_t *event) {
  daytona__log(self->user, DAYTONA_LOG_DEBUG, "ws: %s%s: open, %.1f ms", event->place.host, event->place.path,
               ms(event->duration_us));
}

static void log_socket(daytona__observer_t *self, const daytona__socket_event_t *event) {
  daytona__log(self->user, DAYTONA_LOG_DEBUG,
               "ws: %s%s: status %d, close code %d, %.1f ms, %llu bytes out, %llu in%s%s", event->place.host,
               event->place.path, event->was_open ? 101 : event->status, event->close_code,
               ms(event->duration_us), (unsigned long long)event->sent_bytes,
               (unsigned long long)event->received_bytes, event->code != DAYTONA_OK ? ": " : "",
               event->code != DAYTONA_OK ? daytona_errcode_name(event->code) : "");
}

const daytona__observer_t daytona__log_observer = {
  .op_ended = log_op, .request_ended = log_request, .socket_opened = log_open, .socket_ended = log_socket};
