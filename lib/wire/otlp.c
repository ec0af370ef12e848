/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See otlp.h. The numbers of fields are those of opentelemetry/proto; traces and metrics have the same ones around their
 * records. A record reserves the most that it can take and is written without further checks; docs/telemetry.md says
 * why there is no generated code.
 */
#include "wire/otlp.h"

#include <assert.h>
#include <string.h>

#include "core/memory.h"
#include "wire/protobuf.h"

enum { FIXED_ROOM = 256, POINT_ROOM = 512, ATTRIBUTE_ROOM = 48 };
enum { HAS_REMOTE = 0x100, IS_REMOTE = 0x200, CUMULATIVE = 2 };

static const double bounds[DAYTONA__OTLP_BOUNDS] = {0,   5,   10,   25,   50,   75,   100,  250,
                                                    500, 750, 1000, 2500, 5000, 7500, 10000};

static size_t attributes_room(const daytona__otlp_attribute_t *attributes, size_t count) {
  size_t room = 0;
  for (size_t i = 0; i < count; i++)
    room +=
      ATTRIBUTE_ROOM + daytona__pb_text_size(attributes[i].key) + daytona__pb_text_size(attributes[i].text);
  return room;
}

static void put_attributes(uint8_t **at, unsigned field, const daytona__otlp_attribute_t *attributes,
                           size_t count) {
  for (size_t i = 0; i < count; i++) {
    uint8_t *pair = daytona__pb_begin(at, field);
    daytona__pb_text(at, 1, attributes[i].key);
    uint8_t *value = daytona__pb_begin(at, 2);
    if (attributes[i].text != NULL)
      daytona__pb_text(at, 1, attributes[i].text);
    else
      daytona__pb_number(at, 3, (uint64_t)attributes[i].number);
    daytona__pb_end(at, value);
    daytona__pb_end(at, pair);
  }
}

/* Where to write at most `room` bytes; NULL: `out` has its error. */
static uint8_t *reserve(daytona__strbuf_t *out, size_t room) {
  return (uint8_t *)daytona__strbuf_reserve(out, room);
}

static int finish(daytona__strbuf_t *out, const uint8_t *at, size_t room) {
  size_t size = (size_t)(at - (uint8_t *)out->data) - out->size;
  assert(size <= room);
  (void)room;
  out->size += size;
  return 0;
}

/* --- records ------------------------------------------------------------------------------------ */

static size_t alike_room(const char *name, const daytona__otlp_attribute_t *attributes, size_t count) {
  return ATTRIBUTE_ROOM + daytona__pb_text_size(name) + attributes_room(attributes, count);
}

/* What spans of a kind have alike. */
static void put_alike(uint8_t **at, const char *name, const daytona__otlp_attribute_t *attributes,
                      size_t count) {
  daytona__pb_text(at, 5, name);
  put_attributes(at, 9, attributes, count);
}

char *daytona__otlp_encode(const char *name, const daytona__otlp_attribute_t *attributes, size_t count,
                           size_t *size) {
  char *bytes = daytona__alloc(alike_room(name, attributes, count));
  if (bytes == NULL) return NULL;
  uint8_t *at = (uint8_t *)bytes;
  put_alike(&at, name, attributes, count);
  *size = (size_t)(at - (uint8_t *)bytes);
  assert(*size <= alike_room(name, attributes, count));
  return bytes;
}

static void put_exception(uint8_t **at, const daytona__otlp_span_t *span,
                          const daytona__otlp_attribute_t *exception) {
  uint8_t *event = daytona__pb_begin(at, 11);
  daytona__pb_fixed64(at, 1, span->end_ns);
  daytona__pb_text(at, 2, "exception");
  put_attributes(at, 3, exception, span->message != NULL ? 2 : 1);
  daytona__pb_end(at, event);
}

static void put_status(uint8_t **at, const daytona__otlp_span_t *span) {
  uint8_t *status = daytona__pb_begin(at, 15);
  if (span->message != NULL) daytona__pb_text(at, 2, span->message);
  daytona__pb_number(at, 3, (uint64_t)span->status);
  daytona__pb_end(at, status);
}

int daytona__otlp_put_span(daytona__strbuf_t *out, const daytona__otlp_span_t *span) {
  const daytona__otlp_attribute_t exception[] = {{.key = "exception.type", .text = span->exception_type},
                                                 {.key = "exception.message", .text = span->message}};
  bool is_encoded = span->encoded != NULL;
  size_t room = FIXED_ROOM + daytona__pb_text_size(span->state);
  room += is_encoded ? span->encoded_size : alike_room(span->name, span->attributes, span->attribute_count);
  if (span->message != NULL || span->exception_type != NULL)
    room += daytona__pb_text_size(span->message) + attributes_room(exception, 2);
  uint8_t *at = reserve(out, room);
  if (at == NULL) return out->error;
  uint8_t *record = daytona__pb_begin(&at, 2);
  daytona__pb_bytes(&at, 1, span->trace_id, 16);
  daytona__pb_bytes(&at, 2, span->span_id, 8);
  if (span->state != NULL) daytona__pb_text(&at, 3, span->state);
  if (span->parent_id != NULL) daytona__pb_bytes(&at, 4, span->parent_id, 8);
  daytona__pb_number(&at, 6, (uint64_t)span->kind);
  daytona__pb_fixed64(&at, 7, span->begin_ns);
  daytona__pb_fixed64(&at, 8, span->end_ns);
  if (is_encoded) {
    memcpy(at, span->encoded, span->encoded_size);
    at += span->encoded_size;
  } else {
    put_alike(&at, span->name, span->attributes, span->attribute_count);
  }
  if (span->exception_type != NULL) put_exception(&at, span, exception);
  if (span->status != DAYTONA__SPAN_UNSET) put_status(&at, span);
  daytona__pb_tag(&at, 16, DAYTONA__PB_FIXED32);
  daytona__pb_low(&at, HAS_REMOTE | (span->has_remote_parent ? IS_REMOTE : 0) | 1, 4);
  daytona__pb_end(&at, record);
  return finish(out, at, room);
}

void daytona__otlp_record(daytona__otlp_histogram_t *histogram, double value) {
  int bucket = 0;
  while (bucket < DAYTONA__OTLP_BOUNDS && value > bounds[bucket]) bucket++;
  if (histogram->count == 0 || value < histogram->min) histogram->min = value;
  if (histogram->count == 0 || value > histogram->max) histogram->max = value;
  histogram->count++;
  histogram->counts[bucket]++;
  histogram->sum += value;
}

static void put_point(uint8_t **at, const daytona__otlp_point_t *point, uint64_t begin_ns, uint64_t now_ns) {
  const daytona__otlp_histogram_t *histogram = point->histogram;
  uint8_t *content = daytona__pb_begin(at, 1);
  daytona__pb_fixed64(at, 2, begin_ns);
  daytona__pb_fixed64(at, 3, now_ns);
  daytona__pb_fixed64(at, 4, histogram->count);
  daytona__pb_fixed64(at, 5, daytona__pb_bits_of(histogram->sum));
  uint8_t *counts = daytona__pb_begin(at, 6);
  for (int i = 0; i <= DAYTONA__OTLP_BOUNDS; i++) daytona__pb_low(at, histogram->counts[i], 8);
  daytona__pb_end(at, counts);
  uint8_t *limits = daytona__pb_begin(at, 7);
  for (int i = 0; i < DAYTONA__OTLP_BOUNDS; i++) daytona__pb_low(at, daytona__pb_bits_of(bounds[i]), 8);
  daytona__pb_end(at, limits);
  put_attributes(at, 9, point->attributes, point->attribute_count);
  daytona__pb_fixed64(at, 11, daytona__pb_bits_of(histogram->min));
  daytona__pb_fixed64(at, 12, daytona__pb_bits_of(histogram->max));
  daytona__pb_end(at, content);
}

int daytona__otlp_put_metric(daytona__strbuf_t *out, const char *name, const char *description,
                             uint64_t begin_ns, uint64_t now_ns, const daytona__otlp_point_t *points,
                             size_t count) {
  size_t room = FIXED_ROOM + daytona__pb_text_size(name) + daytona__pb_text_size(description);
  for (size_t i = 0; i < count; i++)
    room += POINT_ROOM + attributes_room(points[i].attributes, points[i].attribute_count);
  uint8_t *at = reserve(out, room);
  if (at == NULL) return out->error;
  uint8_t *record = daytona__pb_begin(&at, 2);
  daytona__pb_text(&at, 1, name);
  daytona__pb_text(&at, 2, description);
  daytona__pb_text(&at, 3, "ms");
  uint8_t *histogram = daytona__pb_begin(&at, 9);
  for (size_t i = 0; i < count; i++) put_point(&at, &points[i], begin_ns, now_ns);
  daytona__pb_number(&at, 2, CUMULATIVE);
  daytona__pb_end(&at, histogram);
  daytona__pb_end(&at, record);
  return finish(out, at, room);
}

/* --- around them -------------------------------------------------------------------------------- */

int daytona__otlp_put_resource(daytona__strbuf_t *out, const daytona__otlp_attribute_t *attributes,
                               size_t count) {
  size_t room = FIXED_ROOM + attributes_room(attributes, count);
  uint8_t *at = reserve(out, room);
  if (at == NULL) return out->error;
  uint8_t *resource = daytona__pb_begin(&at, 1);
  put_attributes(&at, 1, attributes, count);
  daytona__pb_end(&at, resource);
  return finish(out, at, room);
}

int daytona__otlp_put_scope(daytona__strbuf_t *out, const char *name, const char *version) {
  size_t room = FIXED_ROOM + daytona__pb_text_size(name) + daytona__pb_text_size(version);
  uint8_t *at = reserve(out, room);
  if (at == NULL) return out->error;
  uint8_t *scope = daytona__pb_begin(&at, 1);
  daytona__pb_text(&at, 1, name);
  daytona__pb_text(&at, 2, version);
  daytona__pb_end(&at, scope);
  return finish(out, at, room);
}

static size_t head_room(const daytona__otlp_head_t *head) {
  return 2 * (1 + DAYTONA__PB_LENGTH_ROOM) + head->resource_size + head->scope_size;
}

int daytona__otlp_open(daytona__strbuf_t *out, const daytona__otlp_head_t *head) {
  assert(out->size == 0);
  if (reserve(out, head_room(head)) == NULL) return out->error;
  out->size = head_room(head);
  return 0;
}

size_t daytona__otlp_close(daytona__strbuf_t *out, const daytona__otlp_head_t *head) {
  uint8_t inner[1 + DAYTONA__PB_LENGTH_ROOM], outer[1 + DAYTONA__PB_LENGTH_ROOM], *inner_end = inner,
                                                                                  *outer_end = outer;
  size_t room = head_room(head);
  assert(out->size >= room);
  daytona__pb_tag(&inner_end, 2, DAYTONA__PB_BYTES); /* ScopeSpans, ScopeMetrics */
  daytona__pb_varint(&inner_end, head->scope_size + out->size - room);
  size_t inner_size = (size_t)(inner_end - inner);
  daytona__pb_tag(&outer_end, 1, DAYTONA__PB_BYTES); /* ResourceSpans, ResourceMetrics */
  daytona__pb_varint(&outer_end, head->resource_size + inner_size + head->scope_size + out->size - room);
  size_t outer_size = (size_t)(outer_end - outer);
  char *at = out->data + room - head->scope_size;
  memcpy(at, head->scope, head->scope_size);
  memcpy(at -= inner_size, inner, inner_size);
  memcpy(at -= head->resource_size, head->resource, head->resource_size);
  memcpy(at -= outer_size, outer, outer_size);
  return (size_t)(at - out->data);
}

/* --- responses ---------------------------------------------------------------------------------- */

static bool get_varint(const uint8_t **at, const uint8_t *end, uint64_t *out) {
  *out = 0;
  for (int shift = 0; shift < 64 && *at < end; shift += 7) {
    uint8_t byte = *(*at)++;
    *out |= (uint64_t)(byte & 0x7f) << shift;
    if ((byte & 0x80) == 0) return true;
  }
  return false;
}

/* Move behind the next field. False: there is none, or it is broken. Of DAYTONA__PB_BYTES, `*value` is the size of what is in front. */
static bool next_field(const uint8_t **at, const uint8_t *end, unsigned *field, uint64_t *value) {
  uint64_t tag;
  if (!get_varint(at, end, &tag)) return false;
  *field = (unsigned)(tag >> 3 & 0x1fffffff);
  uint64_t skipped = 0;
  switch (tag & 7) {
    case DAYTONA__PB_VARINT: return get_varint(at, end, value);
    case DAYTONA__PB_FIXED64: skipped = 8; break;
    case DAYTONA__PB_FIXED32: skipped = 4; break;
    case DAYTONA__PB_BYTES:
      if (!get_varint(at, end, &skipped)) return false;
      break;
    default: return false;
  }
  if (skipped > (uint64_t)(end - *at)) return false;
  *at += skipped;
  *value = skipped;
  return true;
}

uint64_t daytona__otlp_rejected(const void *answer, size_t size) {
  const uint8_t *at = answer, *end = at + size;
  unsigned field;
  uint64_t value, rejected = 0;
  while (next_field(&at, end, &field, &value)) {
    if (field != 1 || value > (uint64_t)(at - (const uint8_t *)answer)) continue; /* partial_success */
    const uint8_t *inner = at - value, *inner_end = at;
    while (next_field(&inner, inner_end, &field, &value))
      if (field == 1 && value <= INT64_MAX) rejected = value;
  }
  return rejected;
}
