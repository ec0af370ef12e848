/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What sandboxes use: the latest sample, the history of the control plane and of the analytics, and which is asked.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "support/api_scene.h"
#include "support/check.h"
#include "support/misuse.h"

#define CONFIG "GET /api/config"
#define HISTORY "GET /api/sandbox/sb-1/telemetry/metrics"
#define ANALYTICS "GET /analytics/organization/org-1/sandbox/sb-1/telemetry/metrics"
#define POINT(time, value) "{\"timestamp\":\"" time "\",\"value\":" value "}"
#define NAME(name) "\"metricName\":\"daytona.sandbox." name "\""

static void latest_is_asked_of_the_sandbox(void **state) {
  (void)state;
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  api_answer(&scene, "GET /toolbox/sb-1/system/metrics", 200,
             "{\"timestamp\":\"2026-11-30T10:00:00Z\",\"timestampUnix\":1,\"cpuCount\":2,\"cpuUsedPct\":12.5,"
             "\"memTotal\":1024,\"memUsed\":512,\"memCache\":5,\"diskTotal\":9000000000,\"diskUsed\":3,"
             "\"diskFree\":6}");
  api_answer(&scene, "GET /toolbox/sb-1/system/metrics", 200, "{}");
  daytona_future_t *future = api_must(daytona_sandbox_get_metrics_latest(sandbox, NULL));
  const daytona_sandbox_metrics_t *sample = daytona_future_sandbox_metrics(future);
  assert_string_equal(sample->timestamp, "2026-11-30T10:00:00Z");
  assert_true(sample->cpu_count == 2 && sample->cpu_used_pct == 12.5);
  assert_int_equal(sample->memory_total_bytes, 1024);
  assert_int_equal(sample->memory_used_bytes, 512);
  assert_int_equal(sample->memory_cache_bytes, 5);
  assert_int_equal(sample->disk_total_bytes, 9000000000);
  assert_int_equal(sample->disk_used_bytes, 3);
  assert_wrong_accessor(daytona_future_sandbox_metrics_list(future));
  daytona_future_release(future);
  future = api_must(daytona_sandbox_get_metrics_latest(sandbox, NULL));
  assert_null(daytona_future_sandbox_metrics(future)->timestamp);
  assert_true(daytona_future_sandbox_metrics(future)->cpu_count == 0);
  daytona_future_release(future);
  api_close_with(&scene, sandbox);
}

static const daytona_sandbox_get_metrics_opts_t range = {.start = "2026-11-30T09:00:00Z",
                                                         .end = "2026-11-30T10:00:00+01:00"};

static void history_joins_the_points_of_a_time(void **state) {
  (void)state;
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  api_answer(&scene, CONFIG, 200, "{\"version\":\"1\"}");
  api_answer(&scene, HISTORY, 200,
             "{\"series\":[{" NAME("cpu.utilization") ",\"dataPoints\":[" POINT("t2", "20.5") "," POINT(
               "t1", "10") ",{\"timestamp\":\"t3\"},{\"value\":3}]},"
                           "{" NAME("memory.usage") ",\"dataPoints\":[" POINT("t1", "1e6") "]},"
                                                    "{" NAME("of.tomorrow") ",\"dataPoints\":[" POINT("t9", "1") "]},"
                                                    "{\"dataPoints\":[" POINT("t9", "1") "]},{" NAME("filesystem.total") "}]}");
  daytona_future_t *future = api_must(daytona_sandbox_get_metrics(sandbox, &range));
  const daytona_sandbox_metrics_list_t *list = daytona_future_sandbox_metrics_list(future);
  assert_int_equal(list->count, 2);
  assert_string_equal(list->items[0]->timestamp, "t1");
  assert_true(list->items[0]->cpu_used_pct == 10);
  assert_int_equal(list->items[0]->memory_used_bytes, 1000000);
  assert_string_equal(list->items[1]->timestamp, "t2");
  assert_true(list->items[1]->cpu_used_pct == 20.5);
  assert_int_equal(list->items[1]->memory_used_bytes, 0);
  daytona_future_release(future);
  const char *line = api_line_of(api_request(&scene, HISTORY, 0));
  assert_non_null(strstr(line,
                         "?from=2026-11-30T09%3A00%3A00Z&to=2026-11-30T10%3A00%3A00%2B01%3A00&"
                         "metricNames=daytona.sandbox.cpu.utilization&metricNames="));
  api_done(daytona_sandbox_get_metrics(sandbox, &range));
  assert_int_equal(api_count(&scene, CONFIG), 1); /* it is asked for once */
  api_close_with(&scene, sandbox);
}

static void range_is_the_life_of_the_sandbox(void **state) {
  (void)state;
  api_scene_t scene;
  api_scene_open(&scene);
  api_answer(&scene, "GET /api/sandbox/sb-1", 200,
             api_sandbox_json(&scene, "sb-1", "started", ",\"createdAt\":\"2026-01-02T03:04:05Z\""));
  api_answer(&scene, HISTORY, 200, "{\"series\":[]}");
  daytona_future_t *found = api_must(daytona_sandbox_get(scene.client, "sb-1", NULL));
  daytona_sandbox_t *sandbox = daytona_future_sandbox(found);
  daytona_future_t *future =
    api_must(daytona_sandbox_get_metrics(sandbox, NULL)); /* a 404 for the configuration */
  assert_int_equal(daytona_future_sandbox_metrics_list(future)->count, 0);
  daytona_future_release(future);
  assert_non_null(
    strstr(api_line_of(api_request(&scene, HISTORY, 0)), "?from=2026-01-02T03%3A04%3A05Z&to=20"));
  daytona_future_release(found);
  api_scene_close(&scene);
}

static void analytics_get_the_key_and_nothing_else(void **state) {
  (void)state;
  char config[160];
  api_scene_t scene;
  api_scene_open(&scene);
  daytona_sandbox_t *sandbox = api_sandbox_at(&scene, scene.toolbox_url, "started");
  snprintf(config, sizeof config, "{\"analyticsApiUrl\":\"%s/\"}", peer_url(&scene.peer, "/analytics"));
  api_answer(&scene, CONFIG, 200, config);
  api_answer(&scene, ANALYTICS, 200,
             "[{" NAME("memory.limit") ",\"timestamp\":\"t1\",\"value\":7},{" NAME(
               "cpu.limit") ",\"timestamp\":\"t1\",\"value\":0.5},{\"timestamp\":\"t1\",\"value\":1},null]");
  daytona_future_t *future = api_must(daytona_sandbox_get_metrics(sandbox, &range));
  const daytona_sandbox_metrics_list_t *list = daytona_future_sandbox_metrics_list(future);
  assert_int_equal(list->count, 1);
  assert_int_equal(list->items[0]->memory_total_bytes, 7);
  assert_true(list->items[0]->cpu_count == 0.5);
  daytona_future_release(future);
  const char *request = api_request(&scene, ANALYTICS, 0);
  assert_true(api_has_header(request, "Authorization", NULL));
  assert_false(api_has_header(request, "X-Daytona-Source", NULL));
  assert_non_null(
    strstr(api_line_of(request), "&metricNames=daytona.sandbox.cpu.utilization%2Cdaytona.sandbox.cpu.limit"));
  assert_int_equal(api_count(&scene, HISTORY), 0);
  api_close_with(&scene, sandbox);
}

static void unusable_analytics_are_passed_over(void **state) {
  (void)state;
  static const char *const urls[] = {"ftp://x", "no url", "http://", "", NULL};
  for (size_t i = 0; urls[i] != NULL; i++) {
    char config[160];
    api_scene_t scene;
    api_scene_open(&scene);
    daytona_sandbox_t *sandbox = api_sandbox_at(&scene, scene.toolbox_url, "started");
    snprintf(config, sizeof config, "{\"analyticsApiUrl\":\"%s\"}", urls[i]);
    api_answer(&scene, CONFIG, 200, config);
    api_answer(&scene, HISTORY, 200, "{\"series\":[]}");
    api_done(daytona_sandbox_get_metrics(sandbox, &range));
    assert_int_equal(api_count(&scene, HISTORY), 1);
    api_close_with(&scene, sandbox);
  }
}

static void refused_configuration_is_asked_for_again(void **state) {
  (void)state;
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  api_answer(&scene, CONFIG, 500, "{}");
  api_answer(&scene, CONFIG, 200, "{}");
  api_answer(&scene, HISTORY, 403, "{\"message\":\"ask the analytics\"}");
  api_fails(daytona_sandbox_get_metrics(sandbox, &range), DAYTONA_EINTERNAL);
  api_fails(daytona_sandbox_get_metrics(sandbox, &range), DAYTONA_EFORBIDDEN);
  assert_int_equal(api_count(&scene, CONFIG), 2);
  api_close_with(&scene, sandbox);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(latest_is_asked_of_the_sandbox),
    cmocka_unit_test(history_joins_the_points_of_a_time),
    cmocka_unit_test(range_is_the_life_of_the_sandbox),
    cmocka_unit_test(analytics_get_the_key_and_nothing_else),
    cmocka_unit_test(unusable_analytics_are_passed_over),
    cmocka_unit_test(refused_configuration_is_asked_for_again),
  };
  signal(SIGPIPE, SIG_IGN); /* the peer writes to clients that have gone */
  return cmocka_run_group_tests(tests, NULL, NULL);
}
