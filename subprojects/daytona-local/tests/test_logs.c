/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Logs of builds: what is written can be read from the beginning, by whoever comes when.
 */
#include "control/builds/logs.h"

#include "base/base.h"
#include "base/buf.h"
#include "http/http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static uv_loop_t loop;
static dl_logs_t *logs;
static char dir[64];

static int set_up(void **state) {
  (void)state;
  strcpy(dir, "/tmp/dl-logs-XXXXXX");
  assert_non_null(mkdtemp(dir));
  assert_int_equal(uv_loop_init(&loop), 0);
  logs = dl_logs_new(&loop, dir);
  assert_non_null(logs);
  return 0;
}

static void on_closed(void *user) { *(bool *)user = true; }

static int tear_down(void **state) {
  bool is_closed = false;
  char *path = dl_xprintf("%s/a", dir);
  (void)state;
  dl_logs_close(logs, on_closed, &is_closed);
  uv_run(&loop, UV_RUN_DEFAULT);
  assert_true(is_closed);
  assert_int_equal(uv_loop_close(&loop), 0);
  unlink(path);
  free(path);
  assert_int_equal(rmdir(dir), 0);
  return 0;
}

/* Somebody who reads, and takes all there is whenever there is something. */
typedef struct {
  dl_log_reader_t *reader;
  bool is_open, is_missing, is_over;
  dl_buf_t text;
} reading_t;

static void take(reading_t *r) {
  char bytes[7];
  ssize_t got;
  while ((got = dl_log_pull(r->reader, bytes, sizeof bytes)) > 0) dl_buf_append(&r->text, bytes, (size_t)got);
  if (got == DL_PULL_END) r->is_over = true;
}

static void on_open(dl_log_reader_t *reader, void *user) {
  reading_t *r = user;
  assert_false(r->is_open || r->is_missing);
  r->reader = reader;
  r->is_open = reader != NULL;
  r->is_missing = reader == NULL;
  if (reader) take(r);
}

static void on_more(void *user) { take(user); }

static void read_log(reading_t *r, bool follows) {
  static const dl_log_events_t events = {on_open, on_more};
  *r = (reading_t){0};
  dl_buf_init(&r->text, 1u << 24);
  dl_log_read(logs, "a", follows, &events, r);
}

static void wait_text(reading_t *r, const char *text) {
  while (!r->text.data || strcmp(r->text.data, text) != 0) {
    assert_false(r->is_over || r->is_missing);
    uv_run(&loop, UV_RUN_ONCE);
  }
}

static void wait_over(reading_t *r) {
  while (!r->is_over) {
    assert_false(r->is_missing);
    uv_run(&loop, UV_RUN_ONCE);
  }
}

static void stop(reading_t *r) {
  if (r->reader) dl_log_close(r->reader);
  dl_buf_clear(&r->text);
}

static void put(dl_log_t *log, const char *text) { dl_log_write(log, text, strlen(text)); }

static void a_log_that_is_not_there_is_said_so(void **state) {
  (void)state;
  reading_t r;
  read_log(&r, true);
  assert_false(r.is_missing);
  while (!r.is_missing) uv_run(&loop, UV_RUN_ONCE);
  stop(&r);
}

static void a_follower_gets_what_comes_until_the_end(void **state) {
  (void)state;
  reading_t r;
  dl_log_t *log = dl_log_new(logs, "a");
  read_log(&r, true);
  put(log, "one\n");
  wait_text(&r, "one\n");
  put(log, "two\n");
  put(log, "three\n");
  wait_text(&r, "one\ntwo\nthree\n");
  assert_false(r.is_over);
  dl_log_end(log);
  wait_over(&r);
  assert_string_equal(r.text.data, "one\ntwo\nthree\n");
  stop(&r);
}

/* It comes late, reads from the beginning, and twice. */
static void followers_come_and_go(void **state) {
  (void)state;
  reading_t first, second;
  dl_log_t *log = dl_log_new(logs, "a");
  put(log, "one\n");
  read_log(&first, true);
  wait_text(&first, "one\n");
  stop(&first);
  read_log(&second, true);
  wait_text(&second, "one\n");
  put(log, "two\n");
  dl_log_end(log);
  wait_over(&second);
  assert_string_equal(second.text.data, "one\ntwo\n");
  stop(&second);
  read_log(&first, true);
  wait_over(&first);
  assert_string_equal(first.text.data, "one\ntwo\n");
  stop(&first);
}

static void who_does_not_follow_gets_what_there_is(void **state) {
  (void)state;
  reading_t r, follower;
  dl_log_t *log = dl_log_new(logs, "a");
  put(log, "one\n");
  read_log(&follower, true);
  wait_text(&follower, "one\n");
  read_log(&r, false);
  wait_over(&r);
  assert_string_equal(r.text.data, "one\n");
  stop(&r);
  stop(&follower);
  dl_log_end(log);
}

static void an_empty_log_ends(void **state) {
  (void)state;
  reading_t early, late;
  dl_log_t *log = dl_log_new(logs, "a");
  read_log(&early, true);
  dl_log_end(log);
  wait_over(&early);
  read_log(&late, false);
  wait_over(&late);
  assert_int_equal(early.text.len + late.text.len, 0);
  stop(&early);
  stop(&late);
}

/* Who follows the older one sees its end, and nothing of the new one; who comes now sees nothing of the old. */
static void a_new_log_takes_the_place_of_an_older_one(void **state) {
  (void)state;
  reading_t old, fresh;
  dl_log_t *log = dl_log_new(logs, "a");
  put(log, "old\n");
  read_log(&old, true);
  wait_text(&old, "old\n");
  put(log, "the end\n");
  dl_log_end(log);
  log = dl_log_new(logs, "a");
  read_log(&fresh, true);
  put(log, "new\n");
  wait_over(&old);
  wait_text(&fresh, "new\n");
  assert_string_equal(old.text.data, "old\nthe end\n");
  dl_log_end(log);
  wait_over(&fresh);
  stop(&old);
  stop(&fresh);
}

static void a_discarded_log_is_gone(void **state) {
  (void)state;
  reading_t r;
  dl_log_t *log = dl_log_new(logs, "a");
  put(log, "one\n");
  dl_log_discard(logs, "a"); /* it is written: it stays */
  dl_log_end(log);
  read_log(&r, true);
  wait_over(&r);
  stop(&r);
  dl_log_discard(logs, "a");
  do {
    read_log(&r, false);
    while (!r.is_missing && !r.is_over) uv_run(&loop, UV_RUN_ONCE);
    bool is_gone = r.is_missing;
    stop(&r);
    if (is_gone) return;
  } while (true);
}

static void what_is_too_much_is_left_out(void **state) {
  (void)state;
  reading_t r;
  dl_log_t *log = dl_log_new(logs, "a");
  char *block = dl_xmalloc(1u << 20);
  memset(block, 'x', 1u << 20);
  for (size_t i = 0; i < DL_LOG_MAX / (1u << 20) + 2; i++) dl_log_write(log, block, 1u << 20);
  free(block);
  dl_log_end(log);
  *(&r) = (reading_t){0};
  dl_buf_init(&r.text, 2u * DL_LOG_MAX);
  static const dl_log_events_t events = {on_open, on_more};
  dl_log_read(logs, "a", true, &events, &r);
  wait_over(&r);
  assert_true(r.text.len > DL_LOG_MAX && r.text.len < DL_LOG_MAX + 200);
  assert_non_null(strstr(r.text.data + DL_LOG_MAX, "left out"));
  stop(&r);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(a_log_that_is_not_there_is_said_so, set_up, tear_down),
    cmocka_unit_test_setup_teardown(a_follower_gets_what_comes_until_the_end, set_up, tear_down),
    cmocka_unit_test_setup_teardown(followers_come_and_go, set_up, tear_down),
    cmocka_unit_test_setup_teardown(who_does_not_follow_gets_what_there_is, set_up, tear_down),
    cmocka_unit_test_setup_teardown(an_empty_log_ends, set_up, tear_down),
    cmocka_unit_test_setup_teardown(a_new_log_takes_the_place_of_an_older_one, set_up, tear_down),
    cmocka_unit_test_setup_teardown(a_discarded_log_is_gone, set_up, tear_down),
    cmocka_unit_test_setup_teardown(what_is_too_much_is_left_out, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
