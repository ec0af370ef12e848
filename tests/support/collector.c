/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See collector.h. The reader fails the test at whatever is malformed.
 */
#include "collector.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/check.h"

typedef struct view {
  const uint8_t *at, *end;
} view_t;

typedef struct field {
  unsigned number, type;
  uint64_t value; /* of numbers */
  view_t bytes;   /* of type 2 */
} field_t;

static uint64_t get_varint(view_t *view) {
  uint64_t value = 0;
  for (int shift = 0;; shift += 7) {
    assert_true(view->at < view->end && shift < 70);
    uint8_t byte = *view->at++;
    value |= (uint64_t)(byte & 0x7f) << shift;
    if ((byte & 0x80) == 0) return value;
  }
}

static uint64_t get_fixed(view_t *view, int size) {
  uint64_t value = 0;
  assert_true(view->end - view->at >= size);
  for (int i = 0; i < size; i++) value |= (uint64_t)*view->at++ << (8 * i);
  return value;
}

static bool next(view_t *view, field_t *field) {
  if (view->at == view->end) return false;
  uint64_t tag = get_varint(view);
  field->number = (unsigned)(tag >> 3);
  field->type = (unsigned)(tag & 7);
  switch (field->type) {
    case 0: field->value = get_varint(view); break;
    case 1: field->value = get_fixed(view, 8); break;
    case 5: field->value = get_fixed(view, 4); break;
    case 2:
      field->value = get_varint(view);
      assert_true(field->value <= (uint64_t)(view->end - view->at));
      field->bytes = (view_t){view->at, view->at + field->value};
      view->at += field->value;
      break;
    default: fail_msg("a field of type %u", field->type);
  }
  return true;
}

static void text_of(const field_t *field, char *out, size_t room) {
  assert_int_equal(field->type, 2);
  snprintf(out, room, "%.*s", (int)(field->bytes.end - field->bytes.at), (const char *)field->bytes.at);
}

static void hex_of(const field_t *field, char *out, size_t room) {
  assert_int_equal(field->type, 2);
  assert_int_equal(field->bytes.end - field->bytes.at, (room - 1) / 2);
  for (const uint8_t *at = field->bytes.at; at < field->bytes.end; at++, out += 2)
    snprintf(out, 3, "%02x", *at);
}

static double double_of(uint64_t bits) {
  double value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

/* " key=value" behind what is in `out`, without the blank in front of the first. */
static void add_attribute(view_t pair, char *out, size_t room) {
  char key[128] = "", value[1100] = "";
  field_t field, inner;
  while (next(&pair, &field)) {
    if (field.number == 1) text_of(&field, key, sizeof key);
    if (field.number != 2) continue;
    while (next(&field.bytes, &inner)) {
      if (inner.number == 1) text_of(&inner, value, sizeof value);
      if (inner.number == 3) snprintf(value, sizeof value, "%lld", (long long)inner.value);
    }
  }
  size_t size = strlen(out);
  snprintf(out + size, room - size, "%s%s=%s", size != 0 ? " " : "", key, value);
}

static void read_event(view_t view, collected_span_t *span) {
  char attributes[1150] = "", name[32] = "";
  field_t field;
  while (next(&view, &field)) {
    if (field.number == 2) text_of(&field, name, sizeof name);
    if (field.number == 3) add_attribute(field.bytes, attributes, sizeof attributes);
  }
  snprintf(span->event, sizeof span->event, "%s: %s", name, attributes);
}

static void read_status(view_t view, collected_span_t *span) {
  field_t field;
  while (next(&view, &field)) {
    if (field.number == 2) text_of(&field, span->message, sizeof span->message);
    if (field.number == 3) span->status = (int)field.value;
  }
}

static void read_span(collector_t *self, view_t view) {
  assert_true(self->span_count < COLLECTED_SPANS);
  collected_span_t *span = &self->spans[self->span_count++];
  field_t field;
  while (next(&view, &field)) {
    switch (field.number) {
      case 1: hex_of(&field, span->trace_id, sizeof span->trace_id); break;
      case 2: hex_of(&field, span->span_id, sizeof span->span_id); break;
      case 3: text_of(&field, span->state, sizeof span->state); break;
      case 4: hex_of(&field, span->parent_id, sizeof span->parent_id); break;
      case 5: text_of(&field, span->name, sizeof span->name); break;
      case 6: span->kind = (int)field.value; break;
      case 7: span->begin_ns = field.value; break;
      case 8: span->end_ns = field.value; break;
      case 9: add_attribute(field.bytes, span->attributes, sizeof span->attributes); break;
      case 11: read_event(field.bytes, span); break;
      case 15: read_status(field.bytes, span); break;
      case 16: span->flags = (uint32_t)field.value; break;
      default: fail_msg("field %u of a span", field.number);
    }
  }
}

static void read_point(collector_t *self, view_t view, const char *name, const char *unit, int temporality) {
  assert_true(self->point_count < COLLECTED_POINTS);
  collected_point_t *point = &self->points[self->point_count++];
  field_t field;
  memset(point, 0, sizeof *point);
  snprintf(point->name, sizeof point->name, "%s", name);
  snprintf(point->unit, sizeof point->unit, "%s", unit);
  point->temporality = temporality;
  while (next(&view, &field)) {
    switch (field.number) {
      case 4: point->count = field.value; break;
      case 5: point->sum = double_of(field.value); break;
      case 6:
        while (field.bytes.at < field.bytes.end) point->bucket_sum += get_fixed(&field.bytes, 8);
        break;
      case 9: add_attribute(field.bytes, point->attributes, sizeof point->attributes); break;
      case 11: point->min = double_of(field.value); break;
      case 12: point->max = double_of(field.value); break;
      default: break;
    }
  }
}

static void read_metric(collector_t *self, view_t view) {
  char name[128] = "", unit[8] = "";
  field_t field, inner;
  while (next(&view, &field)) {
    if (field.number == 1) text_of(&field, name, sizeof name);
    if (field.number == 3) text_of(&field, unit, sizeof unit);
    if (field.number != 9) continue;
    int temporality = 0;
    for (view_t again = field.bytes; next(&again, &inner);)
      if (inner.number == 2) temporality = (int)inner.value;
    while (next(&field.bytes, &inner))
      if (inner.number == 1) read_point(self, inner.bytes, name, unit, temporality);
  }
}

static void read_texts(view_t view, char *out, size_t room, bool is_resource) {
  field_t field;
  out[0] = '\0';
  while (next(&view, &field)) {
    if (is_resource) {
      if (field.number == 1) add_attribute(field.bytes, out, room);
      continue;
    }
    char text[64];
    text_of(&field, text, sizeof text);
    size_t size = strlen(out);
    snprintf(out + size, room - size, "%s%s", size != 0 ? " " : "", text);
  }
}

static void read_request(collector_t *self, view_t view, bool is_metrics) {
  field_t field, inner, record;
  while (next(&view, &field)) {
    assert_int_equal(field.number, 1);
    while (next(&field.bytes, &inner)) {
      if (inner.number == 1) read_texts(inner.bytes, self->resource, sizeof self->resource, true);
      if (inner.number != 2) continue;
      while (next(&inner.bytes, &record)) {
        if (record.number == 1) read_texts(record.bytes, self->scope, sizeof self->scope, false);
        if (record.number == 2 && is_metrics) read_metric(self, record.bytes);
        if (record.number == 2 && !is_metrics) read_span(self, record.bytes);
      }
    }
  }
}

static size_t unzip(const char *bytes, size_t size, char *out, size_t room) {
  struct archive *archive = archive_read_new();
  struct archive_entry *entry;
  archive_read_support_filter_gzip(archive);
  archive_read_support_format_raw(archive);
  assert_int_equal(archive_read_open_memory(archive, bytes, size), ARCHIVE_OK);
  assert_int_equal(archive_read_next_header(archive, &entry), ARCHIVE_OK);
  la_ssize_t got = archive_read_data(archive, out, room);
  assert_true(got > 0);
  archive_read_free(archive);
  return (size_t)got;
}

static void on_request(peer_conn_t *conn, const char *request, size_t size) {
  static const char fine[] =
    "HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n";
  static char plain[4 << 20];
  collector_t *self = conn->peer->user;
  const char *body = strstr(request, "\r\n\r\n");
  assert_non_null(body);
  body += 4;
  snprintf(self->last_head, sizeof self->last_head, "%.*s", (int)(body - request), request);
  view_t view = {(const uint8_t *)body, (const uint8_t *)request + size};
  if (strstr(self->last_head, "Content-Encoding: gzip\r\n") != NULL) {
    size_t got = unzip(body, size - (size_t)(body - request), plain, sizeof plain);
    view = (view_t){(const uint8_t *)plain, (const uint8_t *)plain + got};
  }
  bool is_metrics = strstr(self->last_head, "/v1/metrics") != NULL;
  if (is_metrics) self->point_count = 0;
  read_request(self, view, is_metrics);
  size_t n = self->requests++;
  *(is_metrics ? &self->metric_requests : &self->trace_requests) += 1;
  const char *answer = NULL;
  if (self->answer_count != 0) answer = self->answers[n < self->answer_count ? n : self->answer_count - 1];
  if (answer == NULL)
    peer_puts(conn, fine);
  else if (answer[0] != '\0')
    peer_puts(conn, answer);
  if (answer != NULL && strstr(answer, "Connection: close\r\n") != NULL) peer_end(conn);
}

void collector_open(collector_t *self, uv_loop_t *uv) {
  memset(self, 0, sizeof *self);
  self->spans = calloc(COLLECTED_SPANS, sizeof *self->spans);
  if (self->spans == NULL) abort();
  peer_open(&self->peer, uv);
  self->peer.on_request = on_request;
  self->peer.user = self;
  snprintf(self->url, sizeof self->url, "http://127.0.0.1:%d", self->peer.port);
}

void collector_close(collector_t *self) {
  peer_close(&self->peer);
  free(self->spans);
  self->spans = NULL;
}

const collected_span_t *collector_find(const collector_t *self, const char *name, size_t n) {
  for (size_t i = 0; i < self->span_count; i++)
    if (strcmp(self->spans[i].name, name) == 0 && n-- == 0) return &self->spans[i];
  return NULL;
}

const collected_span_t *collector_by_id(const collector_t *self, const char *span_id) {
  for (size_t i = 0; i < self->span_count; i++)
    if (strcmp(self->spans[i].span_id, span_id) == 0) return &self->spans[i];
  return NULL;
}

const collected_point_t *collector_point(const collector_t *self, const char *name, const char *status) {
  char wanted[64];
  snprintf(wanted, sizeof wanted, "status=%s", status);
  for (size_t i = 0; i < self->point_count; i++)
    if (strcmp(self->points[i].name, name) == 0 && strstr(self->points[i].attributes, wanted) != NULL)
      return &self->points[i];
  return NULL;
}
