/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sandboxes as data: how they are found, what their tokens open, and what is recorded of a change under way.
 */
#include "control/objects/previews.h"
#include "control/objects/ssh.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static dl_objects_t o;

/* No journal and no files: nothing here needs them. */
static int set_up(void **state) {
  (void)state;
  o = (dl_objects_t){0};
  dl_list_init(&o.sandbox_list);
  dl_clock_init(&o.clock, 1);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  while (!dl_list_empty(&o.sandbox_list))
    dl_sandbox_free(DL_CONTAINER(o.sandbox_list.next, dl_sandbox_t, link));
  dl_map_clear(&o.sandboxes);
  dl_map_clear(&o.names);
  dl_map_clear(&o.preview_tokens);
  return 0;
}

static dl_sandbox_t *add(const char *name) {
  dl_sandbox_t *sb = dl_sandbox_new(dl_uuid_new().text, "local", dl_objects_now(&o));
  dl_set(&sb->name, name);
  dl_objects_add(&o, sb);
  return sb;
}

static void sandboxes_are_found_by_id_and_name(void **state) {
  (void)state;
  dl_sandbox_t *a = add("a"), *b = add("b");
  assert_ptr_equal(dl_objects_find(&o, a->id, false), a);
  assert_ptr_equal(dl_objects_find(&o, "b", true), b);
  assert_null(dl_objects_find(&o, "b", false));
  assert_null(dl_objects_find(&o, "c", true));
}

/* One that shows "destroying" is still found; its name is free at once. */
static void a_sandbox_that_leaves_is_found_as_long_as_it_shows(void **state) {
  (void)state;
  dl_sandbox_t *sb = add("a");
  sb->state = DL_STARTED;
  sb->want = DL_WANT_DESTROYED;
  dl_objects_forget_name(&o, sb);
  assert_ptr_equal(dl_objects_find(&o, sb->id, true), sb);
  assert_null(dl_objects_find(&o, "a", true));
  sb->state = DL_ARCHIVED;
  assert_null(dl_objects_find(&o, sb->id, true));
  sb->state = DL_DESTROYED;
  dl_objects_remove(&o, sb);
  dl_sandbox_free(sb);
  assert_int_equal(o.sandboxes.count, 0);
  assert_true(dl_list_empty(&o.sandbox_list));
}

static void a_preview_token_opens_its_port_until_it_expires(void **state) {
  (void)state;
  dl_sandbox_t *sb = add("a");
  int64_t now = dl_objects_now(&o);
  char *token = dl_preview_add(&o, sb, 3000, now + 60000),
       *other = dl_preview_add(&o, sb, 3000, now + 3600000);
  assert_ptr_equal(dl_preview_find(&o, token, 3000), sb);
  assert_null(dl_preview_find(&o, token, 3001));
  assert_null(dl_preview_find(&o, "none", 3000));
  dl_clock_jump(&o.clock, 61000);
  assert_null(dl_preview_find(&o, token, 3000));
  assert_ptr_equal(dl_preview_find(&o, other, 3000), sb);
  dl_preview_remove(&o, sb, "none");
  dl_preview_remove(&o, sb, other);
  assert_null(dl_preview_find(&o, other, 3000));
  free(token);
  free(other);
}

/* Expired ones are dropped when the next is made, in the list and in the map. */
static void preview_tokens_are_bounded(void **state) {
  (void)state;
  dl_sandbox_t *sb = add("a");
  int64_t now = dl_objects_now(&o);
  size_t count = 0;
  for (char *token; (token = dl_preview_add(&o, sb, 80, now + 60000)) != NULL; free(token)) count++;
  assert_int_equal(count, 1000);
  assert_int_equal(o.preview_tokens.count, 1000);
  dl_clock_jump(&o.clock, 61000);
  char *token = dl_preview_add(&o, sb, 80, now + 3600000);
  assert_non_null(token);
  assert_int_equal(o.preview_tokens.count, 1);
  assert_int_equal(json_array_size(sb->signed_tokens), 1);
  dl_objects_forget_name(&o, sb);
  assert_null(dl_preview_find(&o, token, 80));
  free(token);
}

/* The journal keeps the old list; a change makes a new one. */
static void a_record_does_not_change_with_its_sandbox(void **state) {
  (void)state;
  dl_sandbox_t *sb = add("a");
  free(dl_preview_add(&o, sb, 80, dl_objects_now(&o) + 60000));
  dl_ssh_create(&o, sb, 60000);
  json_t *record = dl_sandbox_record(sb, sb->state, 0), *before = json_deep_copy(record);
  free(dl_preview_add(&o, sb, 81, dl_objects_now(&o) + 60000));
  dl_ssh_create(&o, sb, 60000);
  dl_ssh_revoke(sb, NULL);
  assert_true(json_equal(record, before));
  json_decref(record);
  json_decref(before);
}

static void one_ssh_token_is_good(void **state) {
  (void)state;
  dl_sandbox_t *sb = add("a"), *other = add("b");
  char *first = dl_xstrdup(dl_json_str(dl_ssh_create(&o, sb, 60000), "token"));
  const char *foreign = dl_json_str(dl_ssh_create(&o, other, 60000), "token");
  assert_ptr_equal(dl_ssh_find(&o, first), sb);
  assert_ptr_equal(dl_ssh_find(&o, foreign), other);
  char *second = dl_xstrdup(dl_json_str(dl_ssh_create(&o, sb, 60000), "token"));
  assert_null(dl_ssh_find(&o, first));
  dl_ssh_revoke(sb, first);
  assert_ptr_equal(dl_ssh_find(&o, second), sb);
  dl_ssh_revoke(sb, second);
  assert_null(dl_ssh_find(&o, second));
  sb->want = DL_WANT_DESTROYED;
  other->want = DL_WANT_DESTROYED;
  assert_null(dl_ssh_find(&o, foreign));
  free(first);
  free(second);
}

static void an_expired_ssh_token_opens_nothing(void **state) {
  (void)state;
  dl_sandbox_t *sb = add("a");
  const char *token = dl_json_str(dl_ssh_create(&o, sb, 60000), "token");
  dl_clock_jump(&o.clock, 61000);
  assert_null(dl_ssh_find(&o, token));
  dl_ssh_create(&o, sb, -60000);
  assert_null(dl_ssh_find(&o, dl_json_str(json_array_get(sb->ssh_access, 0), "token")));
}

/* No server can go on from "resizing": what is recorded is what the sandbox goes back to, with its new sizes. */
static void a_resize_is_recorded_as_done(void **state) {
  (void)state;
  dl_sandbox_t *sb = add("a");
  sb->intent.state = DL_STARTED;
  sb->intent.want = DL_WANT_STARTED;
  sb->state = DL_RESIZING;
  sb->want = DL_WANT_RESIZED;
  sb->cpu = 3;
  json_t *record = dl_sandbox_record(sb, sb->state, 0);
  dl_sandbox_t *back = dl_sandbox_from_record(record, "local");
  assert_int_equal(back->state, DL_STARTED);
  assert_int_equal(back->want, DL_WANT_STARTED);
  assert_true(back->cpu == 3);
  dl_sandbox_free(back);
  json_decref(record);
}

static void records_that_make_no_sense_are_refused(void **state) {
  (void)state;
  static const char *const keys[] = {"id", "state", "want", "backupState"};
  dl_sandbox_t *sb = add("a");
  for (size_t i = 0; i < DL_COUNT(keys); i++) {
    json_t *record = dl_sandbox_record(sb, sb->state, 0);
    json_object_set_new(record, keys[i], json_string("nonsense"));
    assert_null(dl_sandbox_from_record(record, "local"));
    json_object_del(record, keys[i]);
    assert_null(dl_sandbox_from_record(record, "local"));
    json_decref(record);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(sandboxes_are_found_by_id_and_name, set_up, tear_down),
    cmocka_unit_test_setup_teardown(a_sandbox_that_leaves_is_found_as_long_as_it_shows, set_up, tear_down),
    cmocka_unit_test_setup_teardown(a_preview_token_opens_its_port_until_it_expires, set_up, tear_down),
    cmocka_unit_test_setup_teardown(preview_tokens_are_bounded, set_up, tear_down),
    cmocka_unit_test_setup_teardown(a_record_does_not_change_with_its_sandbox, set_up, tear_down),
    cmocka_unit_test_setup_teardown(one_ssh_token_is_good, set_up, tear_down),
    cmocka_unit_test_setup_teardown(an_expired_ssh_token_opens_nothing, set_up, tear_down),
    cmocka_unit_test_setup_teardown(a_resize_is_recorded_as_done, set_up, tear_down),
    cmocka_unit_test_setup_teardown(records_that_make_no_sense_are_refused, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
