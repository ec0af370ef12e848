/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Telemetry: what a client does, as OpenTelemetry traces and metrics, sent to a collector over OTLP.
 *
 * A span for each call and one for each request, named and attributed as those of the official Python SDK, and a histogram
 * of durations for each function. docs/telemetry.md has the names, the variables of the environment and the limits.
 *
 * It is on when daytona_config_t has `telemetry`, or the environment DAYTONA_OTEL_ENABLED=true (or
 * DAYTONA_EXPERIMENTAL_OTEL_ENABLED=true); it is off whatever else is said with OTEL_SDK_DISABLED=true.
 */
#ifndef DAYTONA_TELEMETRY_H
#define DAYTONA_TELEMETRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <daytona/error.h>
#include <daytona/export.h>
#include <daytona/future.h>
#include <daytona/types.h>

DAYTONA_BEGIN

typedef enum daytona_telemetry_compression {
  DAYTONA_TELEMETRY_COMPRESSION_DEFAULT = 0, /**< as OTEL_EXPORTER_OTLP_COMPRESSION says; else none */
  DAYTONA_TELEMETRY_COMPRESSION_NONE = 1,
  DAYTONA_TELEMETRY_COMPRESSION_GZIP = 2
} daytona_telemetry_compression_t;

/**
 * How telemetry is sent. All zero takes everything from the variables of OpenTelemetry (OTEL_...), which are read from the
 * process environment only and not at all with `ignores_environment` of the configuration. What is given here wins.
 * Everything is copied by daytona_client_new().
 */
typedef struct daytona_telemetry_opts {
  /** No telemetry, whatever the environment says. */
  bool is_disabled;
  /** No spans, and no headers of a trace on requests. */
  bool no_traces;
  /** No histograms. */
  bool no_metrics;

  /** Optional. Base URL of the collector, http or https; `/v1/traces` and `/v1/metrics` are added. Default:
      OTEL_EXPORTER_OTLP_ENDPOINT, else http://localhost:4318. */
  const char *endpoint;
  /** Optional. URL for spans, used as it is. Default: OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, else made of `endpoint`. An
      `endpoint` that is given here wins over the variable. */
  const char *traces_endpoint;
  /** Optional. The same for metrics: OTEL_EXPORTER_OTLP_METRICS_ENDPOINT. */
  const char *metrics_endpoint;
  /** Optional. Headers of every export, such as a key of the collector's; at most 32. Default:
      OTEL_EXPORTER_OTLP_HEADERS. Their values are never logged. */
  const daytona_header_t *headers;
  size_t header_count;
  /** Optional. Default: OTEL_EXPORTER_OTLP_COMPRESSION, else none. */
  daytona_telemetry_compression_t compression;
  /** Optional. Limit of one export. Default: OTEL_EXPORTER_OTLP_TIMEOUT (milliseconds), else 10000. */
  int64_t timeout_ms;

  /** Optional. PEM file with the certificates that are trusted for the collector. Default:
      OTEL_EXPORTER_OTLP_CERTIFICATE, else what the client trusts. */
  const char *ca_file;
  /** Optional. PEM files with a certificate for the collector and its key; the client's own are never used for it. Default:
      OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and OTEL_EXPORTER_OTLP_CLIENT_KEY. */
  const char *client_cert;
  const char *client_key;

  /** Optional. The longest time that a span waits to be sent. Default: OTEL_BSP_SCHEDULE_DELAY, else 5000. */
  int64_t interval_ms;
  /** Optional. Time between two exports of metrics. Default: OTEL_METRIC_EXPORT_INTERVAL, else 60000. */
  int64_t metrics_interval_ms;
  /** Optional. How long the close of the client may wait for what is still to be sent. Default: 5000.
      DAYTONA_NO_WAIT: it is dropped. */
  int64_t flush_timeout_ms;
  /** Optional. Spans that may wait, 1 to 65536; further ones are dropped and counted. Default: OTEL_BSP_MAX_QUEUE_SIZE,
      else 2048. They take at most 4 MiB whatever this says. */
  int max_queue;
  /** Optional. Share of the traces that are recorded, 0 to 1. Traces that the program has given a parent follow that.
      Default: OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG, else all. */
  daytona_opt_num_t sample_ratio;
  /** Optional. Attributes of the resource, "key=value,key=value", values percent-encoded. Default:
      OTEL_RESOURCE_ATTRIBUTES. `service.name` and `service.version` are always the SDK's. */
  const char *resource_attributes;

  uint64_t reserved[8]; /**< Must be zero. */
} daytona_telemetry_opts_t;

/**
 * Set the parent of the calls that follow: their spans become its children, and its trace goes on to the server.
 *
 * The parent is the client's until it is set again. What is under way keeps the one that it began with. Without
 * telemetry the texts are checked and have no effect.
 *
 * @param client       Borrowed for the call.
 * @param traceparent  Copied. As W3C Trace Context has it, "00-<trace id>-<span id>-<flags>". NULL: none, each call
 *                     begins a trace of its own.
 * @param tracestate   Copied. Optional: passed on unchanged, at most 512 bytes.
 * @return 0; DAYTONA_EINVAL for NULL or a text that is malformed; DAYTONA_ENOMEM; DAYTONA_ETHREAD; DAYTONA_ECLOSED once
 *         the client closes. On failure the parent is as before.
 *
 * Thread: loop.  In callbacks: yes.
 */
DAYTONA_API int daytona_telemetry_set_parent(daytona_client_t *client, const char *traceparent,
                                             const char *tracestate);

DAYTONA_END

#endif
