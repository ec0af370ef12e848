/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the program and the variables of OpenTelemetry say, and what is made of it: endpoints, headers, limits, samplers, and
 * typed errors at the making of the client for what cannot be used.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uv.h>

#include <daytona/daytona.h>

#include "call/config.h"
#include "support/check.h"

static const char *const variables[] = {
  "DAYTONA_OTEL_ENABLED",
  "DAYTONA_EXPERIMENTAL_OTEL_ENABLED",
  "OTEL_SDK_DISABLED",
  "OTEL_EXPORTER_OTLP_ENDPOINT",
  "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
  "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
  "OTEL_EXPORTER_OTLP_HEADERS",
  "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
  "OTEL_EXPORTER_OTLP_TIMEOUT",
  "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT",
  "OTEL_EXPORTER_OTLP_COMPRESSION",
  "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION",
  "OTEL_EXPORTER_OTLP_CERTIFICATE",
  "OTEL_EXPORTER_OTLP_PROTOCOL",
  "OTEL_TRACES_EXPORTER",
  "OTEL_METRICS_EXPORTER",
  "OTEL_TRACES_SAMPLER",
  "OTEL_TRACES_SAMPLER_ARG",
  "OTEL_BSP_SCHEDULE_DELAY",
  "OTEL_BSP_MAX_QUEUE_SIZE",
  "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
  "OTEL_METRIC_EXPORT_INTERVAL",
  "OTEL_RESOURCE_ATTRIBUTES",
  "OTEL_SEMCONV_STABILITY_OPT_IN",
};

static daytona__arena_t arena;
static daytona__settings_t settings;
static char reason[256], logged[1024];

static void on_log(daytona_log_level_t level, const char *line, void *user) {
  size_t size = strlen(logged);
  snprintf(logged + size, sizeof logged - size, "%s\n", line);
}

static int clean(void **state) {
  for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++) unsetenv(variables[i]);
  logged[0] = '\0';
  daytona__arena_init(&arena, 0);
  return 0;
}

static int end(void **state) {
  daytona__arena_clear(&arena);
  return 0;
}

static int resolve(const daytona_telemetry_opts_t *opts, bool ignores_environment) {
  const daytona_config_t config = {.api_key = "key",
                                   .api_url = "http://localhost:3000/api",
                                   .target = "x",
                                   .log = on_log,
                                   .telemetry = opts,
                                   .ignores_environment = ignores_environment};
  return daytona__config_resolve(&arena, &config, &settings, reason, sizeof reason);
}

static const daytona__telemetry_settings_t *resolved(const daytona_telemetry_opts_t *opts) {
  int rc = resolve(opts, false);
  if (rc != 0) fail_msg("%d: %s", rc, reason);
  return &settings.telemetry;
}

/* The variable says something that is an error, which names it and not its value. */
static void refuses(const char *variable, const char *value, const char *named) {
  setenv(variable, value, 1);
  assert_int_equal(resolve(&(daytona_telemetry_opts_t){0}, false), DAYTONA_EINVAL);
  assert_non_null(strstr(reason, named));
  assert_null(strstr(reason, "s3cret"));
  unsetenv(variable);
}

static void it_is_off_unless_asked_for(void **state) {
  assert_false(resolved(NULL)->is_on);
  setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "nonsense", 1); /* of another program */
  assert_false(resolved(NULL)->is_on);
  unsetenv("OTEL_EXPORTER_OTLP_ENDPOINT");
  setenv("DAYTONA_OTEL_ENABLED", "yes", 1);
  assert_false(resolved(NULL)->is_on);
  setenv("DAYTONA_OTEL_ENABLED", "true", 1);
  assert_true(resolved(NULL)->is_on);
  assert_false(resolved(&(daytona_telemetry_opts_t){.is_disabled = true})->is_on);
  assert_int_equal(resolve(NULL, true), 0);
  assert_false(settings.telemetry.is_on);
  unsetenv("DAYTONA_OTEL_ENABLED");
  setenv("DAYTONA_EXPERIMENTAL_OTEL_ENABLED", "true", 1);
  assert_true(resolved(NULL)->is_on);
  setenv("OTEL_SDK_DISABLED", "TRUE", 1);
  assert_false(resolved(NULL)->is_on);
  assert_false(resolved(&(daytona_telemetry_opts_t){0})->is_on);
  assert_int_equal(resolve(&(daytona_telemetry_opts_t){0}, true), 0);
  assert_true(settings.telemetry.is_on);
}

static void defaults_are_those_of_opentelemetry(void **state) {
  const daytona__telemetry_settings_t *got = resolved(&(daytona_telemetry_opts_t){0});
  assert_string_equal(got->signals[DAYTONA__TRACES].url, "http://localhost:4318/v1/traces");
  assert_string_equal(got->signals[DAYTONA__METRICS].url, "http://localhost:4318/v1/metrics");
  assert_int_equal(got->signals[DAYTONA__TRACES].timeout_ms, 10000);
  assert_int_equal(got->interval_ms, 5000);
  assert_int_equal(got->metrics_interval_ms, 60000);
  assert_int_equal(got->flush_timeout_ms, 5000);
  assert_int_equal(got->max_queue, 2048);
  assert_int_equal(got->max_batch, 512);
  assert_true(got->sampler.follows_parent && got->sampler.ratio == 1);
  assert_true(got->has_old_names && !got->has_new_names);
  assert_false(got->signals[DAYTONA__TRACES].is_gzip);
}

static void endpoints_are_general_or_of_a_signal(void **state) {
  setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector.example/base/", 1);
  setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://other.example", 1);
  const daytona__telemetry_settings_t *got = resolved(&(daytona_telemetry_opts_t){0});
  assert_string_equal(got->signals[DAYTONA__TRACES].url, "http://other.example"); /* as it is */
  assert_string_equal(got->signals[DAYTONA__METRICS].url, "https://collector.example/base/v1/metrics");
  got = resolved(&(daytona_telemetry_opts_t){.endpoint = "http://given.example:1"});
  assert_string_equal(got->signals[DAYTONA__TRACES].url, "http://given.example:1/v1/traces");
  got = resolved(&(daytona_telemetry_opts_t){.endpoint = "http://x", .metrics_endpoint = "http://m/x?y=z"});
  assert_string_equal(got->signals[DAYTONA__METRICS].url, "http://m/x?y=z");
}

static void an_endpoint_that_is_none_is_an_error(void **state) {
  static const char *const wrong[] = {"nonsense",        "localhost:4318",     "ftp://x",
                                      "http://",         "http:///v1",         "http://user:s3cret@host",
                                      "http://host/a b", "http://host:99999",  "http://host/\r\nX: s3cret",
                                      "http://host/#x",  "http://host\\@other"};
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    refuses("OTEL_EXPORTER_OTLP_ENDPOINT", wrong[i], "OTEL_EXPORTER_OTLP_ENDPOINT: ");
    refuses("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", wrong[i], "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: ");
    const daytona_telemetry_opts_t opts = {.endpoint = wrong[i]};
    assert_int_equal(resolve(&opts, true), DAYTONA_EINVAL);
    assert_string_equal(reason, "telemetry.endpoint: not the http or https URL of a collector");
  }
  refuses("OTEL_EXPORTER_OTLP_ENDPOINT", "http://host/?x",
          "OTEL_EXPORTER_OTLP_ENDPOINT: "); /* nothing fits behind */
}

static void the_client_is_not_made_with_one(void **state) {
  uv_loop_t loop;
  daytona_client_t *client = NULL;
  const daytona_telemetry_opts_t opts = {.endpoint = "nonsense"};
  const daytona_config_t config = {.api_key = "key", .ignores_environment = true, .telemetry = &opts};
  assert_int_equal(uv_loop_init(&loop), 0);
  assert_int_equal(daytona_client_new(&loop, &config, &client), DAYTONA_EINVAL);
  assert_int_equal(daytona_config_check(&config, reason, sizeof reason), DAYTONA_EINVAL);
  assert_non_null(strstr(reason, "telemetry.endpoint"));
  assert_int_equal(uv_loop_close(&loop), 0);
}

static void headers_are_decoded(void **state) {
  setenv("OTEL_EXPORTER_OTLP_HEADERS", "general=1", 1);
  setenv("OTEL_EXPORTER_OTLP_TRACES_HEADERS", " x-key = a%20b%3d , authorization=Basic YTpi==,", 1);
  const daytona__telemetry_settings_t *got = resolved(&(daytona_telemetry_opts_t){0});
  const daytona__signal_settings_t *traces = &got->signals[DAYTONA__TRACES];
  assert_int_equal(traces->header_count, 2);
  assert_string_equal(traces->headers[0].name, "x-key");
  assert_string_equal(traces->headers[0].value, "a b=");
  assert_string_equal(traces->headers[1].value, "Basic YTpi==");
  assert_string_equal(got->signals[DAYTONA__METRICS].headers[0].name, "general");
  const daytona_header_t own = {"own", "x"};
  got = resolved(&(daytona_telemetry_opts_t){.headers = &own, .header_count = 1});
  assert_int_equal(got->signals[DAYTONA__TRACES].header_count, 1);
  assert_string_equal(got->signals[DAYTONA__TRACES].headers[0].name, "own");
}

static void headers_that_are_none_are_an_error(void **state) {
  static const char *const wrong[] = {"s3cret", "=s3cret", "a b=s3cret", "x=s3cret%0d%0aY: z", "x=%00"};
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
    refuses("OTEL_EXPORTER_OTLP_HEADERS", wrong[i], "OTEL_EXPORTER_OTLP_HEADERS: ");
  daytona_header_t many[33];
  for (size_t i = 0; i < 33; i++) many[i] = (daytona_header_t){"x", "y"};
  assert_int_equal(resolve(&(daytona_telemetry_opts_t){.headers = many, .header_count = 33}, true),
                   DAYTONA_EINVAL);
  assert_int_equal(resolve(&(daytona_telemetry_opts_t){.headers = many, .header_count = 32}, true), 0);
  assert_int_equal(resolve(&(daytona_telemetry_opts_t){.header_count = 1}, true), DAYTONA_EINVAL);
  many[0].value = NULL;
  assert_int_equal(resolve(&(daytona_telemetry_opts_t){.headers = many, .header_count = 1}, true),
                   DAYTONA_EINVAL);
}

static void numbers_that_are_none_are_warned_of(void **state) {
  setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "soon", 1);
  setenv("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "250", 1);
  setenv("OTEL_BSP_SCHEDULE_DELAY", "-1", 1);
  setenv("OTEL_BSP_MAX_QUEUE_SIZE", "99999999999999999999999", 1);
  setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "7", 1);
  setenv("OTEL_METRIC_EXPORT_INTERVAL", "1000", 1);
  setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "brotli", 1);
  setenv("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "gzip", 1);
  setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", 1);
  const daytona__telemetry_settings_t *got = resolved(&(daytona_telemetry_opts_t){0});
  assert_int_equal(got->signals[DAYTONA__TRACES].timeout_ms, 10000);
  assert_int_equal(got->signals[DAYTONA__METRICS].timeout_ms, 250);
  assert_int_equal(got->interval_ms, 5000);
  assert_int_equal(got->max_queue, 65536);
  assert_int_equal(got->max_batch, 7);
  assert_int_equal(got->metrics_interval_ms, 1000);
  assert_true(got->signals[DAYTONA__TRACES].is_gzip && !got->signals[DAYTONA__METRICS].is_gzip);
  assert_non_null(strstr(logged, "OTEL_EXPORTER_OTLP_TIMEOUT is no number"));
  assert_non_null(strstr(logged, "OTEL_BSP_SCHEDULE_DELAY is no number"));
  assert_non_null(strstr(logged, "OTEL_EXPORTER_OTLP_COMPRESSION is neither"));
  assert_non_null(strstr(logged, "OTEL_EXPORTER_OTLP_PROTOCOL is not http/protobuf"));
}

static void options_out_of_range_are_errors(void **state) {
  static const daytona_telemetry_opts_t wrong[] = {{.timeout_ms = -5},
                                                   {.interval_ms = -1},
                                                   {.metrics_interval_ms = -1},
                                                   {.flush_timeout_ms = -1},
                                                   {.max_queue = -1},
                                                   {.max_queue = 65537},
                                                   {.sample_ratio = {true, 2}},
                                                   {.sample_ratio = {true, -0.5}},
                                                   {.compression = (daytona_telemetry_compression_t)7},
                                                   {.resource_attributes = "x"},
                                                   {.client_key = "/dev/null"},
                                                   {.reserved = {0, 0, 0, 0, 0, 0, 0, 1}}};
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    assert_int_equal(resolve(&wrong[i], true), DAYTONA_EINVAL);
    assert_true(reason[0] != '\0');
  }
  assert_int_equal(resolve(&(daytona_telemetry_opts_t){.ca_file = "/none"}, true), DAYTONA_ETLS);
  assert_string_equal(reason, "telemetry.ca_file: cannot be read");
  assert_int_equal(resolve(&(daytona_telemetry_opts_t){.flush_timeout_ms = DAYTONA_NO_WAIT}, true), 0);
  assert_int_equal(settings.telemetry.flush_timeout_ms, 0);
}

static void samplers_have_the_names_of_opentelemetry(void **state) {
  static const struct {
    const char *name, *arg;
    bool follows_parent;
    double ratio;
  } rows[] = {{"always_on", "", false, 1},
              {"always_off", "", false, 0},
              {"traceidratio", "0.25", false, 0.25},
              {"parentbased_always_on", "", true, 1},
              {"parentbased_always_off", "", true, 0},
              {"parentbased_traceidratio", "1", true, 1},
              {"parentbased_traceidratio", "", true, 1},
              {"traceidratio", "1.5", false, 1},
              {"traceidratio", "half", false, 1},
              {"jaeger_remote", "0", true, 1}};
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    setenv("OTEL_TRACES_SAMPLER", rows[i].name, 1);
    setenv("OTEL_TRACES_SAMPLER_ARG", rows[i].arg, 1);
    const daytona__sampler_t *got = &resolved(&(daytona_telemetry_opts_t){0})->sampler;
    assert_int_equal(got->follows_parent, rows[i].follows_parent);
    assert_true(got->ratio == rows[i].ratio);
  }
  assert_non_null(strstr(logged, "OTEL_TRACES_SAMPLER names no sampler that is known"));
  assert_non_null(strstr(logged, "OTEL_TRACES_SAMPLER_ARG is not a number"));
}

static void signals_can_be_left_out(void **state) {
  setenv("OTEL_METRICS_EXPORTER", "none", 1);
  setenv("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "nonsense", 1); /* which nobody needs */
  assert_false(resolved(&(daytona_telemetry_opts_t){0})->signals[DAYTONA__METRICS].is_on);
  setenv("OTEL_TRACES_EXPORTER", "console", 1);
  assert_true(resolved(&(daytona_telemetry_opts_t){0})->signals[DAYTONA__TRACES].is_on);
  assert_non_null(strstr(logged, "OTEL_TRACES_EXPORTER names something other"));
  assert_false(resolved(&(daytona_telemetry_opts_t){.no_traces = true})->is_on); /* nothing is left */
}

static void attributes_of_the_resource_are_decoded(void **state) {
  setenv("OTEL_RESOURCE_ATTRIBUTES", "a=b%2Cc,service.version=x,d=", 1);
  const daytona__telemetry_settings_t *got = resolved(&(daytona_telemetry_opts_t){0});
  assert_int_equal(got->attribute_count, 2);
  assert_string_equal(got->attributes[0].text, "b,c");
  assert_string_equal(got->attributes[1].key, "d");
  setenv("OTEL_RESOURCE_ATTRIBUTES", "nonsense", 1);
  assert_int_equal(resolved(&(daytona_telemetry_opts_t){0})->attribute_count, 0);
  assert_non_null(strstr(logged, "OTEL_RESOURCE_ATTRIBUTES is not a list"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, clean, end)

int main(void) {
  const struct CMUnitTest tests[] = {
    TEST(it_is_off_unless_asked_for),
    TEST(defaults_are_those_of_opentelemetry),
    TEST(endpoints_are_general_or_of_a_signal),
    TEST(an_endpoint_that_is_none_is_an_error),
    TEST(the_client_is_not_made_with_one),
    TEST(headers_are_decoded),
    TEST(headers_that_are_none_are_an_error),
    TEST(numbers_that_are_none_are_warned_of),
    TEST(options_out_of_range_are_errors),
    TEST(samplers_have_the_names_of_opentelemetry),
    TEST(signals_can_be_left_out),
    TEST(attributes_of_the_resource_are_decoded),
  };
  return cmocka_run_group_tests_name("telemetry_config", tests, NULL, NULL);
}
