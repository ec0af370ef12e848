/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From what the program and the variables of OpenTelemetry say to the settings of a client's telemetry.
 */
#ifndef DAYTONA_CALL_TELEMETRY_CONFIG_H
#define DAYTONA_CALL_TELEMETRY_CONFIG_H

#include <daytona/client.h>

#include "core/arena.h"
#include "wire/otlp.h"

/* Spans that wait, unless configured otherwise, and at most; and how many go into one export. */
#define DAYTONA__SPANS_QUEUED_DEFAULT 2048
#define DAYTONA__SPANS_QUEUED_MAX 65536
#define DAYTONA__SPANS_BATCH_DEFAULT 512

/* Headers of an export, and attributes of the resource, that the program or the environment may give. */
#define DAYTONA__EXPORT_HEADERS_MAX 32
#define DAYTONA__RESOURCE_ATTRIBUTES_MAX 64

typedef enum daytona__signal { DAYTONA__TRACES, DAYTONA__METRICS, DAYTONA__SIGNALS } daytona__signal_t;

/* Where one kind of records goes, and how. */
typedef struct daytona__signal_settings {
  bool is_on, is_gzip;
  const char *url;
  const daytona_header_t *headers;
  size_t header_count;
  int64_t timeout_ms;
} daytona__signal_settings_t;

/* What is recorded of a trace that begins here; with `follows_parent`, only of those without a parent. */
typedef struct daytona__sampler {
  bool follows_parent;
  double ratio; /* 0: none, 1: all */
} daytona__sampler_t;

typedef struct daytona__telemetry_settings {
  bool is_on;
  daytona__signal_settings_t signals[DAYTONA__SIGNALS];
  const char *ca_file, *client_cert, *client_key; /* NULL: not given */
  int64_t interval_ms, metrics_interval_ms;
  int64_t flush_timeout_ms; /* 0: nothing is waited for */
  size_t max_queue, max_batch;
  daytona__sampler_t sampler;
  bool has_old_names, has_new_names; /* of the attributes of requests: http.method, http.request.method */
  const daytona__otlp_attribute_t *attributes; /* of the resource */
  size_t attribute_count;
} daytona__telemetry_settings_t;

/*
 * Resolve into `settings`, whose strings live in `arena`. `is_asked`: the environment asks for telemetry. 0, or the code
 * with one line without secrets in `reason` (of `size` bytes, may be NULL). What the environment says and cannot be used is
 * an error where it decides on where things go, else a warning in the configuration's log, and the default.
 */
int daytona__telemetry_resolve(daytona__arena_t *arena, const daytona_config_t *config, bool is_asked,
                               daytona__telemetry_settings_t *settings, char *reason, size_t size);

#endif
