/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors: one tree without holes, and records that copy deep, on one line, within bounds.
 */
#include <daytona/error.h>

#include <string.h>

#include "core/future.h"
#include "core/limits.h"
#include "core/memory.h"

#include "support/alloc.h"
#include "support/check.h"

typedef struct code {
  int code, parent, parent2;
  const char *name, *text;
} code_t;

static const code_t codes[] = {
#define ENTRY(name, number, parent, parent2, text) {number, parent, parent2, #name, text},
  DAYTONA_ERROR_MAP(ENTRY)
#undef ENTRY
};

enum { COUNT = sizeof codes / sizeof codes[0] };

static daytona__arena_t arena;

static int setup(void **state) {
  support_alloc_install();
  daytona__arena_init(&arena, 0);
  return 0;
}

static int teardown(void **state) {
  daytona__arena_clear(&arena);
  support_alloc_remove();
  return 0;
}

/* --- the tree ---------------------------------------------------------------------------------- */

static void every_code_is_negative_and_unique(void **state) {
  for (int i = 0; i < COUNT; i++) {
    assert_true(codes[i].code < 0);
    for (int j = 0; j < i; j++) {
      assert_int_not_equal(codes[i].code, codes[j].code);
      assert_string_not_equal(codes[i].name, codes[j].name);
    }
  }
}

static const code_t *find(int code) {
  for (int i = 0; i < COUNT; i++)
    if (codes[i].code == code) return &codes[i];
  return NULL;
}

static void every_chain_of_parents_ends_in_failed(void **state) {
  for (int i = 0; i < COUNT; i++) {
    const code_t *at = &codes[i];
    for (int depth = 0; at->code != DAYTONA_EFAILED; depth++) {
      assert_true(depth < 10);
      if (at->parent2 != DAYTONA_OK) assert_non_null(find(at->parent2));
      at = find(at->parent);
      assert_non_null(at);
    }
    assert_true(daytona_errcode_is(codes[i].code, DAYTONA_EFAILED));
    assert_true(daytona_errcode_is(codes[i].code, (daytona_errcode_t)codes[i].code));
    assert_true(codes[i].parent == DAYTONA_OK ||
                daytona_errcode_is(codes[i].code, (daytona_errcode_t)codes[i].parent));
    assert_false(daytona_errcode_is(codes[i].code, DAYTONA_OK));
    if (codes[i].code != DAYTONA_EFAILED)
      assert_false(daytona_errcode_is(DAYTONA_EFAILED, (daytona_errcode_t)codes[i].code));
  }
}

static void kinds_follow_the_classes_of_the_official_sdk(void **state) {
  assert_true(daytona_errcode_is(DAYTONA_ECONNECTION_TIMEOUT, DAYTONA_ECONNECTION));
  assert_true(daytona_errcode_is(DAYTONA_ECONNECTION_TIMEOUT, DAYTONA_ETIMEOUT));
  assert_true(daytona_errcode_is(DAYTONA_EIDLE_TIMEOUT, DAYTONA_ETIMEOUT));
  assert_true(daytona_errcode_is(DAYTONA_ECONNECT_TIMEOUT, DAYTONA_ECONNECTION));
  assert_true(daytona_errcode_is(DAYTONA_EDEADLINE, DAYTONA_ETIMEOUT));
  assert_false(daytona_errcode_is(DAYTONA_EDEADLINE, DAYTONA_ECONNECTION));
  assert_true(daytona_errcode_is(DAYTONA_EFILE_NOT_FOUND, DAYTONA_ENOTFOUND));
  assert_true(daytona_errcode_is(DAYTONA_EGIT_AUTH_FAILED, DAYTONA_EAUTH));
  assert_true(daytona_errcode_is(DAYTONA_EGIT_MERGE_CONFLICT, DAYTONA_ECONFLICT));
  assert_false(daytona_errcode_is(DAYTONA_ENOTFOUND, DAYTONA_EFILE_NOT_FOUND));
  assert_false(daytona_errcode_is(DAYTONA_EGIT_AUTH_FAILED, DAYTONA_ENOTFOUND));
  assert_true(daytona_errcode_is(DAYTONA_OK, DAYTONA_OK));
  assert_false(daytona_errcode_is(DAYTONA_OK, DAYTONA_EFAILED));
  assert_false(daytona_errcode_is(-9999, DAYTONA_EFAILED));
}

static void error_is_walks_the_same_tree(void **state) {
  const daytona_error_t error = {.code = DAYTONA_EPROCESS_TIMEOUT};
  assert_true(daytona_error_is(&error, DAYTONA_EPROCESS_TIMEOUT));
  assert_true(daytona_error_is(&error, DAYTONA_ETIMEOUT));
  assert_true(daytona_error_is(&error, DAYTONA_EFAILED));
  assert_false(daytona_error_is(&error, DAYTONA_ENOTFOUND));
  assert_false(daytona_error_is(NULL, DAYTONA_EFAILED));
}

static void every_code_has_name_and_text(void **state) {
  for (int i = 0; i < COUNT; i++) {
    assert_string_equal(daytona_errcode_name(codes[i].code), codes[i].name);
    assert_string_equal(daytona_errcode_text(codes[i].code), codes[i].text);
    assert_null(strchr(codes[i].text, '\n'));
    assert_memory_equal(codes[i].name, "DAYTONA_E", 9);
  }
  assert_string_equal(daytona_errcode_name(0), "DAYTONA_OK");
  assert_string_equal(daytona_errcode_name(12345), "unknown");
  assert_true(strlen(daytona_errcode_text(0)) > 0);
  assert_true(strlen(daytona_errcode_text(12345)) > 0);
}

static void every_code_has_a_static_record(void **state) {
  for (int i = 0; i < COUNT; i++) {
    const daytona_error_t *error = daytona__error_static((daytona_errcode_t)codes[i].code);
    assert_int_equal(error->code, codes[i].code);
    assert_string_equal(error->message, codes[i].text);
    assert_int_equal(error->retry_after_ms, -1);
  }
  assert_int_equal(daytona__error_static((daytona_errcode_t)-9999)->code, DAYTONA_EFAILED);
}

static void headers_are_found_in_any_case(void **state) {
  static const daytona_header_t headers[] = {
    {"X-Request-Id", "1"}, {"retry-after", "2"}, {"Retry-After", "3"}};
  const daytona_header_t *const list[] = {&headers[0], &headers[1], &headers[2]};
  const daytona_error_t error = {.code = DAYTONA_EFAILED, .headers = list, .header_count = 3};
  const daytona_error_t none = {.code = DAYTONA_EFAILED};
  assert_string_equal(daytona_error_header(&error, "x-request-id"), "1");
  assert_string_equal(daytona_error_header(&error, "RETRY-AFTER"), "2");
  assert_null(daytona_error_header(&error, "x-request"));
  assert_null(daytona_error_header(&error, NULL));
  assert_null(daytona_error_header(&none, "a"));
  assert_null(daytona_error_header(NULL, "a"));
}

/* --- records ----------------------------------------------------------------------------------- */

static void copies_are_deep(void **state) {
  char text[] = "no such file", code[] = "FILE_NOT_FOUND", source[] = "DAYTONA_DAEMON", id[] = "id-1",
       field[] = "items[2].id", name[] = "A", value[] = "b", body[] = "{\0}";
  daytona_header_t header = {name, value};
  const daytona_header_t *const list[] = {&header};
  const daytona_error_t error = {.code = DAYTONA_EFILE_NOT_FOUND,
                                 .http_status = 404,
                                 .message = text,
                                 .server_code = code,
                                 .source = source,
                                 .request_id = id,
                                 .field = field,
                                 .headers = list,
                                 .header_count = 1,
                                 .body = body,
                                 .body_size = 3,
                                 .retry_after_ms = 1500,
                                 .attempts = 2};
  const daytona_error_t *copy = daytona__error_copy(&arena, &error, "fs_read: ");
  char *originals[] = {text, code, source, id, field, name, value, body};
  for (size_t i = 0; i < sizeof originals / sizeof originals[0]; i++) originals[i][0] = '#';
  header = (daytona_header_t){0};
  assert_int_equal(copy->code, DAYTONA_EFILE_NOT_FOUND);
  assert_int_equal(copy->http_status, 404);
  assert_string_equal(copy->message, "fs_read: no such file");
  assert_string_equal(copy->server_code, "FILE_NOT_FOUND");
  assert_string_equal(copy->source, "DAYTONA_DAEMON");
  assert_string_equal(copy->request_id, "id-1");
  assert_string_equal(copy->field, "items[2].id");
  assert_string_equal(daytona_error_header(copy, "a"), "b");
  assert_int_equal(copy->body_size, 3);
  assert_memory_equal(copy->body, "{\0}", 4);
  assert_int_equal(copy->retry_after_ms, 1500);
  assert_int_equal(copy->attempts, 2);
}

static void absent_parts_stay_absent(void **state) {
  const daytona_error_t error = {.code = DAYTONA_EGONE, .retry_after_ms = -1};
  const daytona_error_t *copy = daytona__error_copy(&arena, &error, NULL);
  assert_string_equal(copy->message, "gone");
  assert_null(copy->server_code);
  assert_null(copy->source);
  assert_null(copy->request_id);
  assert_null(copy->field);
  assert_null(copy->headers);
  assert_null(copy->body);
  assert_int_equal(copy->header_count + copy->body_size, 0);
}

static const char *message_of(const char *text) {
  const daytona_error_t error = {.code = DAYTONA_EFAILED, .message = text};
  return daytona__error_copy(&arena, &error, "op: ")->message;
}

static void messages_become_one_line(void **state) {
  assert_string_equal(message_of("a\nb\r\nc\td\x1b[31m\x7f!"), "op: a b  c d [31m !");
  assert_string_equal(message_of("trailing \n\n"), "op: trailing");
  assert_string_equal(message_of("gr\xc3\xbc\xc3\x9f"), "op: gr\xc3\xbc\xc3\x9f");
  assert_string_equal(message_of("\n"), "op: the operation failed");
  assert_string_equal(message_of(""), "op: the operation failed");
}

static void long_messages_are_cut_between_characters(void **state) {
  static const char *const characters[] = {"x", "\xc3\xbc", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
  static char text[DAYTONA__ERROR_MESSAGE_MAX * 2];
  for (int kind = 0; kind < 4; kind++) {
    size_t width = strlen(characters[kind]);
    for (size_t shift = 0; shift < width; shift++) {
      size_t size = 0;
      while (size < shift) text[size++] = '-';
      while (size + width < sizeof text) {
        memcpy(text + size, characters[kind], width);
        size += width;
      }
      text[size] = '\0';
      const char *message = message_of(text);
      size_t length = strlen(message);
      assert_in_range(length, DAYTONA__ERROR_MESSAGE_MAX - 3, DAYTONA__ERROR_MESSAGE_MAX);
      assert_int_equal((length - 4 - shift) % width, 0);
      assert_memory_equal(message + length - width, characters[kind], width);
    }
  }
}

static void bytes_that_are_no_text_are_cut_as_well(void **state) {
  static char text[DAYTONA__ERROR_MESSAGE_MAX * 2];
  memset(text, 0x80, sizeof text - 1); /* continuation bytes only */
  assert_in_range(strlen(message_of(text)), 4, DAYTONA__ERROR_MESSAGE_MAX);
}

static void bodies_are_bounded(void **state) {
  static char body[DAYTONA__ERROR_BODY_MAX + 10];
  memset(body, 'b', sizeof body);
  const daytona_error_t error = {.code = DAYTONA_EFAILED, .body = body, .body_size = sizeof body};
  const daytona_error_t *copy = daytona__error_copy(&arena, &error, NULL);
  assert_int_equal(copy->body_size, DAYTONA__ERROR_BODY_MAX);
  assert_int_equal(strlen(copy->body), DAYTONA__ERROR_BODY_MAX);
}

static void copy_all(void *user) {
  static char body[40000], value[2000];
  const daytona_header_t headers[] = {{"a", value}, {"b", value}};
  const daytona_header_t *const list[] = {&headers[0], &headers[1]};
  memset(value, 'v', sizeof value - 1);
  memset(body, 'b', sizeof body);
  const daytona_error_t error = {.code = DAYTONA_ECONFLICT,
                                 .message = "text",
                                 .server_code = "CODE",
                                 .headers = list,
                                 .header_count = 2,
                                 .body = body,
                                 .body_size = sizeof body,
                                 .retry_after_ms = -1};
  daytona__arena_t local;
  daytona__arena_init(&local, 0);
  const daytona_error_t *copy = daytona__error_copy(&local, &error, "op: ");
  assert_int_equal(copy->code, DAYTONA_ECONFLICT);
  assert_non_null(copy->message);
  for (size_t i = 0; i < copy->header_count; i++) assert_string_equal(copy->headers[i]->value, value);
  assert_true(copy->body_size == 0 || copy->body != NULL);
  if (support_alloc_failed() == 0) assert_int_equal(copy->body_size, sizeof body);
  daytona__arena_clear(&local);
}

static void copies_survive_every_failing_allocation(void **state) { support_alloc_sweep(copy_all, NULL); }

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
    TEST(every_code_is_negative_and_unique),
    TEST(every_chain_of_parents_ends_in_failed),
    TEST(kinds_follow_the_classes_of_the_official_sdk),
    TEST(error_is_walks_the_same_tree),
    TEST(every_code_has_name_and_text),
    TEST(every_code_has_a_static_record),
    TEST(headers_are_found_in_any_case),
    TEST(copies_are_deep),
    TEST(absent_parts_stay_absent),
    TEST(messages_become_one_line),
    TEST(long_messages_are_cut_between_characters),
    TEST(bytes_that_are_no_text_are_cut_as_well),
    TEST(bodies_are_bounded),
    TEST(copies_survive_every_failing_allocation),
  };
  return cmocka_run_group_tests_name("error", tests, NULL, NULL);
}
