/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OTLP, the protocol of OpenTelemetry collectors, in its protobuf form: spans and histograms as bytes.
 *
 * A record is appended to a buffer once, in the form in which it is sent, so that nothing is encoded a second time and
 * what is held is known to the byte. What goes in front of all records, the resource and the scope, has room at the
 * beginning of the buffer and is filled in at the end, when the lengths are known.
 */
#ifndef DAYTONA_WIRE_OTLP_H
#define DAYTONA_WIRE_OTLP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/strbuf.h"

/* What is read of a response of a collector. */
#define DAYTONA__OTLP_ANSWER_MAX ((size_t)64 << 10)

enum { DAYTONA__OTLP_BOUNDS = 15 };

typedef enum daytona__span_kind { DAYTONA__SPAN_INTERNAL = 1, DAYTONA__SPAN_CLIENT = 3 } daytona__span_kind_t;
typedef enum daytona__span_status {
  DAYTONA__SPAN_UNSET = 0,
  DAYTONA__SPAN_OK = 1,
  DAYTONA__SPAN_ERROR = 2
} daytona__span_status_t;

typedef struct daytona__otlp_attribute {
  const char *key;
  const char *text; /* NULL: a number */
  int64_t number;
} daytona__otlp_attribute_t;

typedef struct daytona__otlp_span {
  const uint8_t *trace_id, *span_id; /* 16 and 8 bytes */
  const uint8_t *parent_id;          /* NULL: none */
  const char *state;                 /* tracestate; NULL: none */
  bool has_remote_parent;
  const char *name;
  daytona__span_kind_t kind;
  const char
    *encoded; /* name and attributes, as daytona__otlp_encode() gives them, instead of the three members */
  size_t encoded_size;
  uint64_t begin_ns, end_ns; /* since 1970 */
  const daytona__otlp_attribute_t *attributes;
  size_t attribute_count;
  daytona__span_status_t status;
  const char *message;        /* of a failure; NULL: none */
  const char *exception_type; /* an exception is recorded, with the message; NULL: none */
} daytona__otlp_span_t;

/*
 * Encode what all spans of a kind have alike, once: the bytes, for `encoded`, in a block to be freed, or NULL without memory.
 */
char *daytona__otlp_encode(const char *name, const daytona__otlp_attribute_t *attributes, size_t count,
                           size_t *size);

/* Durations, in milliseconds. `counts` has one more than there are bounds. */
typedef struct daytona__otlp_histogram {
  uint64_t count, counts[DAYTONA__OTLP_BOUNDS + 1];
  double sum, min, max;
} daytona__otlp_histogram_t;

void daytona__otlp_record(daytona__otlp_histogram_t *histogram, double value);

/* One series of a metric. */
typedef struct daytona__otlp_point {
  const daytona__otlp_histogram_t *histogram;
  const daytona__otlp_attribute_t *attributes;
  size_t attribute_count;
} daytona__otlp_point_t;

/* What stands in front of the records of every request. `bytes` are the fields of resource and scope. */
typedef struct daytona__otlp_head {
  const char *resource, *scope;
  size_t resource_size, scope_size;
} daytona__otlp_head_t;

/* Append a resource, or a scope, as fields of daytona__otlp_head_t. */
int daytona__otlp_put_resource(daytona__strbuf_t *out, const daytona__otlp_attribute_t *attributes,
                               size_t count);
int daytona__otlp_put_scope(daytona__strbuf_t *out, const char *name, const char *version);

/* The beginning of a buffer of records: room for `head`. The functions give 0, DAYTONA_ENOMEM or DAYTONA_ELIMIT. */
int daytona__otlp_open(daytona__strbuf_t *out, const daytona__otlp_head_t *head);
int daytona__otlp_put_span(daytona__strbuf_t *out, const daytona__otlp_span_t *span);
int daytona__otlp_put_metric(daytona__strbuf_t *out, const char *name, const char *description,
                             uint64_t begin_ns, uint64_t now_ns, const daytona__otlp_point_t *points,
                             size_t count);

/* Fill in what is in front. Gives where the request begins in the buffer. */
size_t daytona__otlp_close(daytona__strbuf_t *out, const daytona__otlp_head_t *head);

/* How many records a collector says that it has refused, of a response that was a success. 0 for one that is none of OTLP. */
uint64_t daytona__otlp_rejected(const void *answer, size_t size);

#endif
