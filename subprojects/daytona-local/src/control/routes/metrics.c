/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a sandbox has used, as series of numbers.
 */
#include "control/routes/call.h"
#include "control/routes/query.h"

#include <stdlib.h>
#include <string.h>

#define PREFIX "daytona.sandbox."
#define ASKED_AGO_MS 2000

static double cpu_pct(const dl_sample_t *s) { return s->cpu_pct; }
static double cpu(const dl_sample_t *s) { return s->cpu; }
static double memory(const dl_sample_t *s) { return (double)s->memory; }
static double memory_total(const dl_sample_t *s) { return (double)s->memory_total; }
static double cache(const dl_sample_t *s) { return (double)s->cache; }
static double disk(const dl_sample_t *s) { return (double)s->disk; }
static double disk_total(const dl_sample_t *s) { return (double)s->disk_total; }

static const struct {
  const char *name;
  double (*value)(const dl_sample_t *s);
} series[] = {
  {PREFIX "cpu.utilization", cpu_pct},     {PREFIX "cpu.limit", cpu},      {PREFIX "memory.usage", memory},
  {PREFIX "memory.limit", memory_total},   {PREFIX "memory.cache", cache}, {PREFIX "filesystem.usage", disk},
  {PREFIX "filesystem.total", disk_total},
};

typedef struct {
  dl_control_t *control;
  dl_req_t *req;
  char *id;
  int64_t from, to; /* as clients mean them */
} call_t;

static json_t *points(const call_t *k, double (*value)(const dl_sample_t *s)) {
  const dl_clock_t *clock = &k->control->objects.clock;
  size_t count;
  const dl_sample_t *samples = dl_meter_history(k->control->meter, k->id, &count);
  json_t *out = json_array();
  for (size_t i = 0; i < count; i++) {
    int64_t at = dl_clock_shown(clock, samples[i].at);
    if (at < k->from || at > k->to) continue;
    json_array_append_new(out, json_pack("{s:s, s:o}", "timestamp", dl_iso_format(at).text, "value",
                                         dl_json_number(value(&samples[i]))));
  }
  return out;
}

static void answer(call_t *k) {
  json_t *all = json_array();
  for (size_t i = 0; i < DL_COUNT(series); i++) {
    if (!dl_query_allows(k->req, "metricNames", series[i].name)) continue;
    json_t *list = points(k, series[i].value);
    if (json_array_size(list) > 0)
      json_array_append_new(all, json_pack("{s:s, s:o}", "metricName", series[i].name, "dataPoints", list));
    else
      json_decref(list);
  }
  dl_reply_json(k->req, 200, json_pack("{s:o}", "series", all));
  free(k->id);
  free(k);
}

static void on_sample(const dl_sample_t *sample, void *user) {
  (void)sample; /* it is in the history by now */
  answer(user);
}

static void metrics(dl_req_t *req, void *user) {
  dl_control_t *c = user;
  dl_sandbox_t *sb = dl_target(req);
  dl_check_t k;
  dl_check_init(&k);
  int64_t from = dl_query_date(req, &k, "from"), to = dl_query_date(req, &k, "to");
  if (k.text.len == 0 && (from < 0 || to < 0)) dl_check_add(&k, "from and to must be ISO 8601 dates");
  if (dl_check_failed(&k, c, req)) return;
  if (c->opts.analytics_url) {
    dl_fail(c, req, 403, "metrics are at the analytics service of GET /config");
    return;
  }
  call_t *call = dl_xcalloc(1, sizeof *call);
  *call = (call_t){c, req, dl_xstrdup(sb->id), from, to};
  /* Who asks until now learns what is so now, too; that question is some time old when it comes. */
  if (to >= dl_objects_stamp(&c->objects) - ASKED_AGO_MS) call->to = INT64_MAX;
  if (dl_sandbox_is_up(sb))
    dl_meter_ask(c->meter, sb, on_sample, call);
  else
    answer(call);
}

static const dl_route_t routes[] = {
  {"GET", "/sandbox/{x}/telemetry/metrics", metrics, DL_R_SANDBOX_ID},
};

dl_route_table_t dl_metrics_routes(void) { return (dl_route_table_t){routes, DL_COUNT(routes)}; }
