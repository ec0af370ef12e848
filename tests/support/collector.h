/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An OpenTelemetry collector on the test's own loop: it decodes what it is sent by a reader of protobuf of its own, and
 * answers as the test says. That the bytes mean the same to others is shown with their decoder, in tests/interop.
 */
#ifndef TESTS_SUPPORT_COLLECTOR_H
#define TESTS_SUPPORT_COLLECTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "peer.h"

enum { COLLECTED_SPANS = 4096, COLLECTED_POINTS = 64, COLLECTED_TEXT = 2048 };

typedef struct collected_span {
  char trace_id[33], span_id[17], parent_id[17]; /* hexadecimal */
  char state[520], name[128];
  int kind, status;
  uint64_t begin_ns, end_ns;
  char attributes[1536]; /* "component=AsyncProcess method=exec" */
  char message[1100];
  char event[1200]; /* "exception: exception.type=... exception.message=..." */
  uint32_t flags;
} collected_span_t;

typedef struct collected_point {
  char name[128], unit[8], attributes[256];
  uint64_t count, bucket_sum;
  double sum, min, max;
  int temporality;
} collected_point_t;

typedef struct collector {
  peer_t peer;
  char url[64];
  /* the script: whole responses, in order; the last one again and again. NULL: 200 without a body; "": silence */
  const char *answers[8];
  size_t answer_count;
  /* what came */
  size_t requests, trace_requests, metric_requests;
  char last_head[4096]; /* request line and headers of the latest */
  char resource[COLLECTED_TEXT], scope[128];
  collected_span_t *spans;
  size_t span_count;
  collected_point_t points[COLLECTED_POINTS]; /* of the latest metrics */
  size_t point_count;
} collector_t;

void collector_open(collector_t *collector, uv_loop_t *uv);
void collector_close(collector_t *collector); /* the loop must turn once more */

/* The n-th span of that name, from 0; NULL: there is none. */
const collected_span_t *collector_find(const collector_t *collector, const char *name, size_t n);
const collected_point_t *collector_point(const collector_t *collector, const char *name, const char *status);

/* The one whose id it is. */
const collected_span_t *collector_by_id(const collector_t *collector, const char *span_id);

#endif
