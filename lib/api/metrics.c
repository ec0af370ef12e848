/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What sandboxes use: the latest sample from the toolbox, and the history.
 *
 *   GET config, once per client -> GET the history, from the analytics if the configuration names them, else from the
 *   control plane -> points of one time become one sample
 */
#include <daytona/sandbox.h>

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "call/method.h"
#include "call/results.h"

/* Of one series; there are seven. */
enum { POINTS_MAX = 20000, SERIES_MAX = 64 };

/* --- the latest -------------------------------------------------------------------------------- */

#define SAMPLE(type, member, key) DAYTONA__FIELD(daytona_sandbox_metrics_t, type, member, key)

static DAYTONA__MODEL_OF(latest_model, daytona_sandbox_metrics_t, "SystemMetrics",
                         SAMPLE(STRING, timestamp, "timestamp"), SAMPLE(NUMBER, cpu_count, "cpuCount"),
                         SAMPLE(NUMBER, cpu_used_pct, "cpuUsedPct"),
                         SAMPLE(INT, memory_total_bytes, "memTotal"),
                         SAMPLE(INT, memory_used_bytes, "memUsed"),
                         SAMPLE(INT, memory_cache_bytes, "memCache"),
                         SAMPLE(INT, disk_total_bytes, "diskTotal"),
                         SAMPLE(INT, disk_used_bytes, "diskUsed"));

DAYTONA__METHOD(latest, .prefix = "Failed to get sandbox metrics: ", .verb = "GET", .path = "/system/metrics",
                .service = DAYTONA__TOOLBOX, .response = &latest_model,
                .result = &daytona__type_sandbox_metrics);

daytona_future_t *daytona_sandbox_get_metrics_latest(daytona_sandbox_t *sandbox,
                                                     const daytona_call_opts_t *opts) {
  return daytona__call(sandbox, &latest_method, NULL, DAYTONA__OPTS(opts));
}

/* --- samples of points ------------------------------------------------------------------------- */

/* Of the analytics: a list of these. Of the control plane: series of points without a name. */
typedef struct point {
  const char *name, *timestamp;
  daytona_opt_num_t value;
} point_t;

typedef struct series {
  const char *name;
  const point_t *const *points;
  size_t count;
} series_t;

typedef struct history {
  const series_t *const *series;
  size_t count;
} history_t;

static DAYTONA__MODEL_OF(point_model, point_t, "MetricDataPoint",
                         DAYTONA__FIELD(point_t, STRING, name, "metricName"),
                         DAYTONA__FIELD(point_t, STRING, timestamp, "timestamp"),
                         DAYTONA__FIELD(point_t, OPT_NUM, value, "value"));
static DAYTONA__MODEL_OF(series_model, series_t, "MetricSeries",
                         DAYTONA__FIELD(series_t, STRING, name, "metricName"),
                         DAYTONA__FIELD_LIST(series_t, points, count, "dataPoints", &point_model,
                                             .max_count = POINTS_MAX));
static DAYTONA__MODEL_OF(history_model, history_t, "MetricsResponse",
                         DAYTONA__FIELD_LIST(history_t, series, count, "series", &series_model,
                                             .max_count = SERIES_MAX));

#define METRIC(name) "daytona.sandbox." name

static const struct {
  const char *name;
  size_t offset;
  bool is_bytes;
} metrics[] = {
  {METRIC("cpu.utilization"), offsetof(daytona_sandbox_metrics_t, cpu_used_pct), false},
  {METRIC("cpu.limit"), offsetof(daytona_sandbox_metrics_t, cpu_count), false},
  {METRIC("memory.usage"), offsetof(daytona_sandbox_metrics_t, memory_used_bytes), true},
  {METRIC("memory.limit"), offsetof(daytona_sandbox_metrics_t, memory_total_bytes), true},
  {METRIC("memory.cache"), offsetof(daytona_sandbox_metrics_t, memory_cache_bytes), true},
  {METRIC("filesystem.usage"), offsetof(daytona_sandbox_metrics_t, disk_used_bytes), true},
  {METRIC("filesystem.total"), offsetof(daytona_sandbox_metrics_t, disk_total_bytes), true},
};

enum { METRIC_COUNT = sizeof metrics / sizeof metrics[0] };

static int metric_of(const char *name) {
  for (int i = 0; name != NULL && i < METRIC_COUNT; i++)
    if (strcmp(metrics[i].name, name) == 0) return i;
  return -1;
}

/* A point that counts: its metric is known, and it has a time and a value. */
typedef struct entry {
  const char *timestamp;
  int metric;
  double value;
} entry_t;

typedef struct entries {
  entry_t *items;
  size_t count, room;
} entries_t;

static void add_point(entries_t *entries, const char *name, const point_t *point) {
  int metric = metric_of(name);
  if (metric < 0 || point->timestamp == NULL || !point->value.is_set) return;
  assert(entries->count < entries->room);
  entries->items[entries->count++] = (entry_t){point->timestamp, metric, point->value.value};
}

static int compare(const void *one, const void *other) {
  return strcmp(((const entry_t *)one)->timestamp, ((const entry_t *)other)->timestamp);
}

static void set_value(daytona_sandbox_metrics_t *sample, const entry_t *entry) {
  char *member = (char *)sample + metrics[entry->metric].offset;
  double value = entry->value;
  if (!metrics[entry->metric].is_bytes) {
    memcpy(member, &value, sizeof value);
    return;
  }
  /* What does not fit into the number is none of a size. */
  int64_t bytes = value > -9e18 && value < 9e18 ? (int64_t)value : 0;
  memcpy(member, &bytes, sizeof bytes);
}

/* Points of the same time become one sample. NULL without memory. */
static daytona_sandbox_metrics_list_t *merge(daytona__arena_t *arena, const entries_t *entries) {
  daytona_sandbox_metrics_list_t *list = daytona__arena_alloc(arena, sizeof *list);
  size_t count = 0;
  if (list == NULL) return NULL;
  qsort(entries->items, entries->count, sizeof *entries->items, compare);
  for (size_t i = 0; i < entries->count; i++)
    count += i == 0 || compare(&entries->items[i - 1], &entries->items[i]) != 0;
  daytona_sandbox_metrics_t *samples = daytona__arena_array(arena, count, sizeof *samples), *sample = NULL;
  if (samples == NULL) return NULL;
  for (size_t i = 0; i < entries->count; i++) {
    if (i == 0 || compare(&entries->items[i - 1], &entries->items[i]) != 0) {
      sample = sample == NULL ? samples : sample + 1;
      sample->timestamp = entries->items[i].timestamp;
    }
    set_value(sample, &entries->items[i]);
  }
  *list =
    (daytona_sandbox_metrics_list_t){daytona__arena_pointers(arena, samples, count, sizeof *samples), count};
  return list->items != NULL ? list : NULL;
}

static bool make_room(entries_t *entries, daytona__arena_t *arena, size_t room) {
  entries->room = room;
  entries->items = daytona__arena_array(arena, room, sizeof *entries->items);
  return entries->items != NULL;
}

static bool read_history(entries_t *entries, daytona__arena_t *arena, const history_t *history) {
  size_t room = 0;
  for (size_t i = 0; i < history->count; i++) room += history->series[i]->count;
  if (!make_room(entries, arena, room)) return false;
  for (size_t i = 0; i < history->count; i++)
    for (size_t k = 0; k < history->series[i]->count; k++)
      add_point(entries, history->series[i]->name, history->series[i]->points[k]);
  return true;
}

static bool read_points(entries_t *entries, daytona__arena_t *arena, const daytona__array_t *array) {
  if (!make_room(entries, arena, array->count)) return false;
  for (size_t i = 0; i < array->count; i++) {
    const point_t *point = array->items[i];
    add_point(entries, point->name, point);
  }
  return true;
}

/* --- the history ------------------------------------------------------------------------------- */

typedef struct metrics_args {
  const char *sandbox_id, *organization_id, *from, *to, *names;
  daytona_strings_t name_list;
} metrics_args_t;

typedef struct metrics_op {
  daytona__op_t op; /* first */
  metrics_args_t args;
  int64_t timeout_ms;
  daytona_header_t authorization;
} metrics_op_t;

typedef struct config {
  const char *analytics_url;
} config_t;

static DAYTONA__MODEL_OF(config_model, config_t, "DaytonaConfiguration",
                         DAYTONA__FIELD(config_t, STRING, analytics_url, "analyticsApiUrl"));

#define ARGS(...) .request = DAYTONA__ARGS(metrics_args_t, __VA_ARGS__)
#define TIME(member, key) DAYTONA__ARG(IN_QUERY, metrics_args_t, STRING, member, key)

DAYTONA__METHOD(get, .prefix = "Failed to get sandbox metrics: ", .verb = "GET", .path = "/config",
                .response = &config_model);
DAYTONA__METHOD(fetch, .verb = "GET", .path = "/sandbox/{sandbox}/telemetry/metrics",
                ARGS(TIME(from, "from"), TIME(to, "to"),
                     DAYTONA__ARG(IN_QUERY, metrics_args_t, STRINGS, name_list, "metricNames")),
                .response = &history_model);
DAYTONA__METHOD(analyse, .verb = "GET", .path = "/organization/{organization}/sandbox/{id}/telemetry/metrics",
                ARGS(DAYTONA__ARG(IN_PATH, metrics_args_t, STRING, organization_id, "organization"),
                     DAYTONA__ARG(IN_PATH, metrics_args_t, STRING, sandbox_id, "id"), TIME(from, "from"),
                     TIME(to, "to"), DAYTONA__ARG(IN_QUERY, metrics_args_t, STRING, names, "metricNames")),
                .service = DAYTONA__ANALYTICS, .response = &point_model, .gives_array = true);

static void settle(daytona__op_t *op, const entries_t *entries) {
  daytona_sandbox_metrics_list_t *list = merge(&op->future->arena, entries);
  if (list != NULL)
    daytona__op_resolve(op, &daytona__type_sandbox_metrics_list, list);
  else
    daytona__op_fail(op, daytona__error_static(DAYTONA_ENOMEM));
}

static void on_history(daytona__op_t *op, const daytona_error_t *error, void *answer) {
  entries_t entries = {NULL};
  if (error != NULL)
    daytona__op_fail(op, error);
  else if (!read_history(&entries, &op->future->arena, answer))
    daytona__op_fail(op, daytona__error_static(DAYTONA_ENOMEM));
  else
    settle(op, &entries);
}

static void on_points(daytona__op_t *op, const daytona_error_t *error, void *answer) {
  const daytona__array_t *array = answer;
  entries_t entries = {NULL};
  if (error != NULL)
    daytona__op_fail(op, error);
  else if (array->count > (size_t)METRIC_COUNT * POINTS_MAX)
    daytona__op_reject(op, DAYTONA_ELIMIT, "the server has more samples than are taken: ask for less time");
  else if (!read_points(&entries, &op->future->arena, array))
    daytona__op_fail(op, daytona__error_static(DAYTONA_ENOMEM));
  else
    settle(op, &entries);
}

/* It is another service: all it needs to know is who asks. */
static void on_outgoing(daytona__op_t *op) {
  metrics_op_t *self = (metrics_op_t *)op;
  op->http.skips_common = true;
  op->http.headers = &self->authorization;
  op->http.header_count = 1;
}

static void fetch(metrics_op_t *self) {
  daytona__op_t *op = &self->op;
  bool analyses = op->client->analytics_url != NULL && self->args.organization_id != NULL;
  daytona__op_switch(op, analyses ? &analyse_method : &fetch_method);
  op->done = analyses ? on_points : on_history;
  op->outgoing = analyses ? on_outgoing : NULL;
  if (daytona__op_prepare(op, &self->args, self->timeout_ms) == 0) daytona__op_send(op);
}

/* Note where the analytics are. 0, or a code with *problem. */
static int take_config(daytona__op_t *op, const char *url, const char **problem) {
  daytona_client_t *client = op->client;
  daytona__toolbox_fault_t fault = DAYTONA__TOOLBOX_FINE;
  const char *base = NULL;
  if (url != NULL && url[0] != '\0') {
    int rc = daytona__toolbox_check(&client->settings, url, &op->future->arena, &base, &fault);
    if (rc != 0) return rc;
    *problem =
      "the server names a service for metrics that is reached by http: the credentials are not sent in the "
      "clear unless allows_plain_toolbox of the configuration is set";
    if (fault == DAYTONA__TOOLBOX_PLAIN) return DAYTONA_EPROTOCOL;
    if (fault != DAYTONA__TOOLBOX_FINE) {
      daytona__log(client->loop, DAYTONA_LOG_WARN, "metrics: the analytics URL of the server is unusable");
      base = NULL;
    }
  }
  client->analytics_url = daytona__arena_strdup(&client->arena, base);
  *problem = NULL;
  if (base != NULL && client->analytics_url == NULL) return DAYTONA_ENOMEM;
  client->knows_analytics = true;
  return 0;
}

static void on_config(daytona__op_t *op, const daytona_error_t *error, void *answer) {
  const char *problem = NULL;
  /* A server without a configuration has no analytics either. */
  if (error != NULL && error->http_status != 404) {
    daytona__op_fail(op, error);
    return;
  }
  int rc = take_config(op, error == NULL ? ((const config_t *)answer)->analytics_url : NULL, &problem);
  if (rc == 0)
    fetch((metrics_op_t *)op);
  else
    daytona__op_reject(op, (daytona_errcode_t)rc, "%s", problem != NULL ? problem : daytona_errcode_text(rc));
}

/* RFC 3339, in UTC. */
static const char *now_text(daytona__arena_t *arena) {
  time_t now = time(NULL);
  struct tm parts;
  char text[32];
  if (gmtime_r(&now, &parts) == NULL || strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0)
    return NULL;
  return daytona__arena_strdup(arena, text);
}

static int fill_args(metrics_op_t *self, const daytona_sandbox_get_metrics_opts_t *opts) {
  daytona__arena_t *arena = &self->op.future->arena;
  const daytona_sandbox_info_t *info = self->op.sandbox->info;
  metrics_args_t *args = &self->args;
  const char *from = opts != NULL && opts->start != NULL ? opts->start : info->created_at;
  const char **names = daytona__arena_array(arena, METRIC_COUNT, sizeof *names);
  const char *joined = "";
  if (names == NULL) return DAYTONA_ENOMEM;
  for (int i = 0; i < METRIC_COUNT && joined != NULL; i++) {
    names[i] = metrics[i].name;
    joined = daytona__arena_printf(arena, "%s%s%s", joined, i != 0 ? "," : "", metrics[i].name);
  }
  args->name_list = (daytona_strings_t){names, METRIC_COUNT};
  args->names = joined;
  args->from = daytona__arena_strdup(arena, from != NULL ? from : "1970-01-01T00:00:00Z");
  args->to = opts != NULL && opts->end != NULL ? daytona__arena_strdup(arena, opts->end) : now_text(arena);
  args->sandbox_id = daytona__arena_strdup(arena, self->op.sandbox->id);
  args->organization_id = daytona__arena_strdup(arena, info->organization_id);
  bool is_whole = args->names != NULL && args->from != NULL && args->to != NULL && args->sandbox_id != NULL;
  return is_whole && (args->organization_id != NULL || info->organization_id == NULL) ? 0 : DAYTONA_ENOMEM;
}

daytona_future_t *daytona_sandbox_get_metrics(daytona_sandbox_t *sandbox,
                                              const daytona_sandbox_get_metrics_opts_t *opts) {
  daytona_future_t *future;
  metrics_op_t *self = (metrics_op_t *)daytona__call_new(&get_method, NULL, sandbox, sizeof *self, NULL,
                                                         DAYTONA__OPTS(opts), &future);
  if (self == NULL) return future;
  daytona__op_t *op = &self->op;
  int rc = fill_args(self, opts);
  if (rc != 0) return daytona__op_reject(op, (daytona_errcode_t)rc, "%s", daytona_errcode_text(rc));
  self->timeout_ms = opts != NULL ? opts->timeout_ms : 0;
  self->authorization = (daytona_header_t){"Authorization", op->client->bearer};
  if (op->client->knows_analytics) {
    fetch(self);
    return future;
  }
  op->done = on_config;
  if (daytona__call_prepare(op, NULL, DAYTONA__OPTS(opts), self->timeout_ms) == 0) daytona__op_send(op);
  return future;
}
