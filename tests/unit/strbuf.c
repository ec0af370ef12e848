/* SPDX-License-Identifier: Apache-2.0 */
/*
 * String buffers: they grow up to their ceiling, and the first failure stays visible.
 */
#include "core/strbuf.h"

#include <string.h>
#include <wchar.h>

#include <daytona/error.h>

#include "core/memory.h"

#include "support/alloc.h"
#include "support/check.h"

static daytona__strbuf_t buf;

static int setup(void **state) {
  support_alloc_install();
  daytona__strbuf_init(&buf, 1000);
  return 0;
}

static int teardown(void **state) {
  daytona__strbuf_clear(&buf);
  support_alloc_remove();
  return 0;
}

static void appends_stay_terminated(void **state) {
  assert_int_equal(daytona__strbuf_append(&buf, NULL, 0), 0);
  assert_string_equal(buf.data, "");
  assert_int_equal(daytona__strbuf_puts(&buf, "ab"), 0);
  assert_int_equal(daytona__strbuf_putc(&buf, 'c'), 0);
  assert_int_equal(daytona__strbuf_append(&buf, "\0d", 2), 0);
  assert_int_equal(daytona__strbuf_printf(&buf, "%03d%s", 7, "e"), 0);
  assert_int_equal(buf.size, 9);
  assert_memory_equal(buf.data, "abc\0d007e", 10);
}

static void it_holds_exactly_its_maximum(void **state) {
  for (int i = 0; i < 1000; i++) assert_int_equal(daytona__strbuf_putc(&buf, 'x'), 0);
  assert_int_equal(strlen(buf.data), 1000);
  assert_int_equal(buf.room, 1001);
  assert_int_equal(daytona__strbuf_putc(&buf, 'y'), DAYTONA_ELIMIT);
  assert_int_equal(buf.size, 1000);
  assert_int_equal(strlen(buf.data), 1000);
}

static void the_first_failure_sticks(void **state) {
  assert_int_equal(daytona__strbuf_puts(&buf, "kept"), 0);
  char large[1001];
  memset(large, 'z', sizeof large);
  assert_int_equal(daytona__strbuf_append(&buf, large, sizeof large), DAYTONA_ELIMIT);
  assert_int_equal(daytona__strbuf_append(&buf, large, SIZE_MAX), DAYTONA_ELIMIT);
  assert_int_equal(daytona__strbuf_puts(&buf, "lost"), DAYTONA_ELIMIT);
  assert_int_equal(daytona__strbuf_printf(&buf, "lost"), DAYTONA_ELIMIT);
  assert_null(daytona__strbuf_reserve(&buf, 1));
  assert_int_equal(buf.error, DAYTONA_ELIMIT);
  assert_string_equal(buf.data, "kept");
}

static void text_that_cannot_be_printed_is_a_failure(void **state) {
  assert_int_equal(daytona__strbuf_printf(&buf, "%lc", (wint_t)0x7fffffff), DAYTONA_ELIMIT);
  assert_int_equal(buf.error, DAYTONA_ELIMIT);
}

static void clear_makes_it_usable_again(void **state) {
  daytona__strbuf_append(&buf, "x", SIZE_MAX);
  assert_int_equal(buf.error, DAYTONA_ELIMIT);
  daytona__strbuf_clear(&buf);
  assert_int_equal(daytona__strbuf_puts(&buf, "fresh"), 0);
  assert_string_equal(buf.data, "fresh");
  assert_int_equal(buf.max, 1000);
}

static void reserved_room_is_there_to_write(void **state) {
  daytona__strbuf_puts(&buf, "head-");
  char *at = daytona__strbuf_reserve(&buf, 500);
  assert_ptr_equal(at, buf.data + 5);
  assert_true(buf.room > 505);
  memset(at, 'r', 500);
  buf.size += 500;
  daytona__strbuf_puts(&buf, "-tail");
  assert_int_equal(strlen(buf.data), 510);
}

static void a_buffer_with_no_room_at_all_takes_nothing(void **state) {
  daytona__strbuf_init(&buf, 0);
  assert_int_equal(daytona__strbuf_puts(&buf, ""), 0);
  assert_int_equal(daytona__strbuf_putc(&buf, 'x'), DAYTONA_ELIMIT);
}

static void build(void *user) {
  daytona__strbuf_t local;
  daytona__strbuf_init(&local, 100000);
  for (int i = 0; i < 500; i++) daytona__strbuf_printf(&local, "line %d\n", i);
  int wanted = support_alloc_failed() == 0 ? 0 : DAYTONA_ENOMEM;
  assert_int_equal(local.error, wanted);
  if (local.data != NULL) assert_int_equal(strlen(local.data), local.size);
  daytona__strbuf_clear(&local);
}

static void buffers_survive_every_failing_allocation(void **state) { support_alloc_sweep(build, NULL); }

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
    TEST(appends_stay_terminated),
    TEST(it_holds_exactly_its_maximum),
    TEST(the_first_failure_sticks),
    TEST(text_that_cannot_be_printed_is_a_failure),
    TEST(clear_makes_it_usable_again),
    TEST(reserved_room_is_there_to_write),
    TEST(a_buffer_with_no_room_at_all_takes_nothing),
    TEST(buffers_survive_every_failing_allocation),
  };
  return cmocka_run_group_tests_name("strbuf", tests, NULL, NULL);
}
