/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The position of a span in its trace, and the text of it that travels with requests (W3C Trace Context).
 */
#ifndef DAYTONA_WIRE_TRACE_CONTEXT_H
#define DAYTONA_WIRE_TRACE_CONTEXT_H

#include <stdbool.h>
#include <stdint.h>

/* The text of a traceparent with its NUL. */
#define DAYTONA__TRACEPARENT_SIZE 56

/* The longest tracestate; the specification asks for no more to be passed on. */
#define DAYTONA__TRACESTATE_MAX 512

typedef struct daytona__trace_context {
  uint8_t trace_id[16]; /* not all zero */
  uint8_t span_id[8];   /* not all zero */
  bool is_sampled;      /* it is recorded */
} daytona__trace_context_t;

/* 0, or DAYTONA_EINVAL with `*out` untouched. Of later versions than 00 what that one has is taken. */
int daytona__traceparent_parse(const char *text, daytona__trace_context_t *out);

void daytona__traceparent_format(const daytona__trace_context_t *context,
                                 char out[DAYTONA__TRACEPARENT_SIZE]);

/* Whether it can be passed on: printable, one or more members "key=value", not too long. */
bool daytona__tracestate_is_valid(const char *text);

#endif
