/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies of requests: from memory, from local files and their ranges, from sources of the program.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "call/body.h"
#include "core/limits.h"
#include "support/alloc.h"
#include "support/check.h"
#include "support/local_files.h"
#include "support/stage.h"

static stage_t stage;
static char folder[64];
static size_t events;

static void on_event(void *user) { events++; }

static int open_stage(void **state) {
  stage_open(&stage);
  events = 0;
  strcpy(folder, "/tmp/unit_body-XXXXXX");
  assert_non_null(mkdtemp(folder));
  return 0;
}

static int close_stage(void **state) {
  stage_close(&stage);
  assert_int_equal(rmdir(folder), 0);
  return 0;
}

static const char *make(size_t size) {
  const char *path = local_path(folder, "a");
  char *bytes = local_pattern(size + 1, 1);
  local_write(path, bytes, size);
  free(bytes);
  return path;
}

static void turn_until_event(size_t seen) {
  while (events == seen) assert_true(uv_run(&stage.uv, UV_RUN_ONCE) != 0 || events != seen);
}

/* Take the rest in chunks; it is what `bytes` begins with. Returns how much it was. */
static size_t take_all(daytona__body_t *body, const char *bytes, size_t piece) {
  static char out[70000];
  size_t size = 0;
  while (!daytona__body_is_done(body) && body->state != DAYTONA__BODY_FAILED) {
    size_t seen = events, got = daytona__body_take(body, out, piece);
    assert_memory_equal(out, bytes + size, got);
    size += got;
    daytona__body_refill(body);
    if (got == 0 && !daytona__body_is_ready(body)) turn_until_event(seen);
  }
  return size;
}

static void memory_is_taken_again_after_a_rewind(void **state) {
  daytona__body_t body;
  daytona__body_memory(&body, "alphabet", 8);
  for (int i = 0; i < 2; i++) {
    assert_true(daytona__body_look(&body) && daytona__body_is_ready(&body));
    assert_int_equal(take_all(&body, "alphabet", 3), 8);
    assert_true(daytona__body_rewind(&body));
  }
  daytona__body_clear(&body);
  daytona__body_memory(&body, NULL, 0);
  assert_true(daytona__body_is_done(&body));
  daytona__body_clear(&body);
}

static void file_is_looked_at_closed_and_read_again(void **state) {
  enum { SIZE = 2 * DAYTONA__FILE_BLOCK + 17 };
  char *bytes = local_pattern(SIZE, 1);
  daytona__body_t body;
  daytona__body_file(&body, stage.loop, make(SIZE), 0, -1, on_event, NULL);
  assert_false(daytona__body_look(&body));
  turn_until_event(0);
  assert_true(daytona__body_look(&body));
  assert_int_equal(body.size, SIZE);
  for (int i = 0; i < 3; i++) {
    assert_int_equal(take_all(&body, bytes, 50000), SIZE);
    assert_true(daytona__body_rewind(&body));
    assert_int_equal(body.state, DAYTONA__BODY_IDLE);
  }
  daytona__body_clear(&body);
  unlink(local_path(folder, "a"));
  free(bytes);
}

/* As the parts of an upload in parts do. */
static void ranges_of_a_file_are_read_side_by_side(void **state) {
  enum { SIZE = 3 * DAYTONA__FILE_BLOCK, PART = DAYTONA__FILE_BLOCK + 1000, COUNT = 3 };
  char *bytes = local_pattern(SIZE, 1);
  daytona__body_t bodies[COUNT];
  const char *path = make(SIZE);
  for (size_t i = 0; i < COUNT; i++) {
    int64_t from = (int64_t)(i * PART), left = SIZE - from;
    daytona__body_file(&bodies[i], stage.loop, path, from, left < PART ? left : PART, on_event, NULL);
    assert_true(daytona__body_look(&bodies[i]));
    daytona__body_refill(&bodies[i]);
  }
  for (size_t i = 0; i < COUNT; i++) {
    assert_int_equal(take_all(&bodies[i], bytes + i * PART, 33333), bodies[i].size);
    daytona__body_clear(&bodies[i]);
  }
  free(bytes);
  unlink(path);
}

static void range_that_is_not_there_is_an_error(void **state) {
  static const int64_t starts[] = {50, 100, 1000};
  for (size_t i = 0; i < 3; i++) {
    daytona__body_t body;
    const char *text;
    daytona__body_file(&body, stage.loop, make(100), starts[i], 60, on_event, NULL);
    daytona__body_refill(&body);
    turn_until_event(events);
    assert_int_equal(daytona__body_error(&body, &text), DAYTONA_EIO);
    assert_non_null(strstr(text, "changed its size"));
    assert_true(daytona__body_is_ready(&body)); /* for what waits for it */
    daytona__body_clear(&body);
  }
  unlink(local_path(folder, "a"));
}

/* --- sources ----------------------------------------------------------------------------------- */

typedef struct source {
  daytona__body_t body;
  int calls, waits_at;
  bool resumes, clears;
} source_t;

static ptrdiff_t on_source(char *buffer, size_t size, void *user) {
  source_t *self = user;
  int call = ++self->calls;
  if (self->clears) daytona__body_clear(&self->body);
  memset(buffer, 'x', size < 10 ? size : 10); /* also behind a clear: the room is lent until it returns */
  if (self->resumes) daytona__body_resume(&self->body);
  if (call == self->waits_at) return DAYTONA_SOURCE_WAIT;
  return call <= 3 ? 10 : 0;
}

static void source_is_asked_again_when_it_was_resumed(void **state) {
  char out[64];
  source_t source = {.waits_at = 2};
  daytona__body_source(&source.body, stage.loop, on_source, &source);
  assert_true(daytona__body_look(&source.body));
  assert_false(daytona__body_is_ready(&source.body));
  for (int i = 0; i < 3; i++) daytona__body_refill(&source.body);
  assert_int_equal(source.calls, 2);
  assert_int_equal(source.body.state, DAYTONA__BODY_WAITING);
  daytona__body_resume(&source.body);
  daytona__body_resume(&source.body);
  daytona__body_refill(&source.body);
  assert_int_equal(source.calls, 4);
  assert_int_equal(source.body.state, DAYTONA__BODY_DRY);
  assert_false(daytona__body_is_done(&source.body));
  assert_int_equal(daytona__body_take(&source.body, out, sizeof out), 20);
  assert_true(daytona__body_is_done(&source.body));
  assert_false(daytona__body_rewind(&source.body));
  daytona__body_clear(&source.body);
}

static void source_that_resumes_itself_is_asked_in_the_next_refill(void **state) {
  source_t source = {.waits_at = 1, .resumes = true};
  daytona__body_source(&source.body, stage.loop, on_source, &source);
  daytona__body_refill(&source.body);
  assert_int_equal(source.calls, 1);
  assert_int_equal(source.body.state, DAYTONA__BODY_READY);
  daytona__body_refill(&source.body);
  assert_int_equal(source.body.state, DAYTONA__BODY_DRY);
  daytona__body_clear(&source.body);
}

static void source_may_let_its_body_go(void **state) {
  source_t source = {.clears = true};
  daytona__body_source(&source.body, stage.loop, on_source, &source);
  daytona__body_refill(&source.body);
  assert_int_equal(source.calls, 1);
  assert_int_equal(source.body.state, DAYTONA__BODY_CLEARED);
  daytona__body_clear(&source.body);
}

static void lack_of_memory_is_a_failure_of_the_body(void **state) {
  source_t source = {0};
  daytona__body_t file;
  const char *text;
  daytona__body_source(&source.body, stage.loop, on_source, &source);
  daytona__body_file(&file, stage.loop, make(10), 0, -1, on_event, NULL);
  stage_fail_alloc(0);
  daytona__body_refill(&source.body);
  assert_int_equal(daytona__body_error(&source.body, &text), DAYTONA_ENOMEM);
  stage_fail_alloc(0);
  daytona__body_refill(&file);
  assert_int_equal(daytona__body_error(&file, &text), DAYTONA_ENOMEM);
  daytona__body_clear(&file);
  /* The block, once it is open. */
  daytona__body_file(&file, stage.loop, local_path(folder, "a"), 0, -1, on_event, NULL);
  daytona__body_refill(&file);
  turn_until_event(events);
  stage_fail_alloc(0);
  size_t seen = events;
  daytona__body_refill(&file);
  assert_int_equal(events, seen + 1);
  assert_int_equal(daytona__body_error(&file, &text), DAYTONA_ENOMEM);
  stage_alloc_restore();
  daytona__body_clear(&file);
  daytona__body_clear(&source.body);
  unlink(local_path(folder, "a"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_stage, close_stage)

int main(void) {
  const struct CMUnitTest tests[] = {
    TEST(memory_is_taken_again_after_a_rewind),
    TEST(file_is_looked_at_closed_and_read_again),
    TEST(ranges_of_a_file_are_read_side_by_side),
    TEST(range_that_is_not_there_is_an_error),
    TEST(source_is_asked_again_when_it_was_resumed),
    TEST(source_that_resumes_itself_is_asked_in_the_next_refill),
    TEST(source_may_let_its_body_go),
    TEST(lack_of_memory_is_a_failure_of_the_body),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
