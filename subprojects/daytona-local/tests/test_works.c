/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pulls and builds under way: shared, in turn, given up, failed on purpose. The images are made by hand.
 */
#include "control/builds/works.h"

#include "base/buf.h"
#include "control/objects/build_info.h"
#include "control/store/removal.h"
#include "fake_images.h"
#include "http/http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uv_loop_t loop;
static dl_images_t *images;
static dl_faults_t *faults;
static dl_works_t *works;
static char dir[64];

static char *take_context(void *user, const char *hash, char **error) {
  (void)user;
  if (strcmp(hash, "none") != 0) return dl_xprintf("/objects/%s", hash);
  *error = dl_xstrdup("context none was not uploaded");
  return NULL;
}

static int set_up(void **state) {
  char *error = NULL;
  (void)state;
  strcpy(dir, "/tmp/dl-works-XXXXXX");
  assert_non_null(mkdtemp(dir));
  assert_int_equal(uv_loop_init(&loop), 0);
  images = fake_images_new(&loop);
  faults = dl_faults_new();
  works = dl_works_new(
    &loop,
    &(dl_works_opts_t){.images = images, .faults = faults, .log_dir = dir, .take_context = take_context},
    &error);
  assert_non_null(works);
  return 0;
}

static void on_images_closed(void *user) { *(bool *)user = true; }
static void on_works_closed(void *user) { dl_images_close(images, on_images_closed, user); }

static int tear_down(void **state) {
  bool is_closed = false;
  (void)state;
  dl_works_stop(works);
  dl_works_close(works, on_works_closed, &is_closed);
  uv_run(&loop, UV_RUN_DEFAULT);
  assert_true(is_closed);
  assert_int_equal(uv_loop_close(&loop), 0);
  dl_faults_free(faults);
  dl_remove_tree(dir, NULL);
  return 0;
}

typedef struct {
  dl_wanted_t wanted;
  unsigned begun, ended;
  char *image, *error;
  dl_wanted_t *drops; /* when it begins */
} user_t;

static void on_begun(dl_wanted_t *w) {
  user_t *u = DL_CONTAINER(w, user_t, wanted);
  assert_true(dl_wanted_has_begun(w));
  u->begun++;
  if (u->drops) dl_wanted_drop(u->drops);
}

static void on_end(dl_wanted_t *w, dl_image_t *image, const char *error) {
  user_t *u = DL_CONTAINER(w, user_t, wanted);
  assert_null(w->work);
  u->ended++;
  dl_set(&u->image, image ? dl_image_info(image)->id : NULL);
  dl_set(&u->error, error);
}

static void init(user_t *u) { *u = (user_t){.wanted = {.on_begun = on_begun, .on_end = on_end}}; }

static void pull(user_t *u, const char *name) {
  init(u);
  dl_works_pull(works, &u->wanted, name);
}

static void clear(user_t *u) {
  dl_wanted_drop(&u->wanted);
  free(u->image);
  free(u->error);
}

/* Until nothing happens any more by itself. */
static void turn(void) {
  for (int i = 0; i < 10; i++) uv_run(&loop, UV_RUN_NOWAIT);
}

static dl_image_job_t *wait_job(const char *kind, const char *name) {
  turn();
  dl_image_job_t *job = fake_job(images, kind, name);
  assert_non_null(job);
  return job;
}

static void one_work_serves_all_who_want_it(void **state) {
  (void)state;
  user_t a, b;
  pull(&a, "x:1");
  assert_int_equal(a.begun, 0); /* not inside the call */
  dl_image_job_t *job = wait_job("pull", "x:1");
  pull(&b, "x:1");
  assert_true(dl_wanted_has_begun(&b.wanted));
  turn();
  assert_int_equal(fake_job_count(images), 1);
  fake_image_add(images, "x:1", "id-x", 1, NULL);
  fake_job_done(job, NULL);
  assert_int_equal(a.begun, 1);
  assert_int_equal(b.begun, 0); /* it had begun */
  assert_int_equal(a.ended + b.ended, 2);
  assert_string_equal(a.image, "id-x");
  assert_string_equal(b.image, "id-x");
  clear(&a);
  clear(&b);
}

static void a_failure_is_told_with_its_reason(void **state) {
  (void)state;
  user_t a;
  pull(&a, "x:1");
  fake_job_done(wait_job("pull", "x:1"), "no registry has it");
  assert_null(a.image);
  assert_string_equal(a.error, "no registry has it");
  clear(&a);
}

static void two_run_and_the_others_wait_in_order(void **state) {
  (void)state;
  static const char *const names[] = {"a:1", "b:1", "c:1", "d:1"};
  user_t users[4];
  for (int i = 0; i < 4; i++) pull(&users[i], names[i]);
  turn();
  assert_int_equal(fake_job_count(images), 2);
  assert_int_equal(users[0].begun + users[1].begun, 2);
  assert_int_equal(users[2].begun + users[3].begun, 0);
  json_t *list = dl_works_list(works);
  assert_int_equal(json_array_size(list), 4);
  assert_string_equal(dl_json_str(json_array_get(list, 0), "state"), "running");
  assert_string_equal(dl_json_str(json_array_get(list, 3), "state"), "waiting");
  json_decref(list);
  fake_job_done(fake_job(images, "pull", "b:1"), "failed");
  turn();
  assert_int_equal(users[2].begun, 1);
  assert_int_equal(users[3].begun, 0);
  for (int i = 0; i < 4; i++) clear(&users[i]);
}

static void the_last_who_leaves_gives_it_up(void **state) {
  (void)state;
  user_t a, b;
  pull(&a, "x:1");
  pull(&b, "x:1");
  dl_image_job_t *job = wait_job("pull", "x:1");
  clear(&a);
  turn();
  assert_ptr_equal(fake_job(images, "pull", "x:1"), job);
  clear(&b);
  turn();
  assert_int_equal(fake_job_count(images), 0);
  assert_int_equal(a.ended + b.ended, 0);
}

/* The old one still ends when the same is wanted again: they never run side by side, and the new one is not cancelled. */
static void what_is_wanted_again_begins_after_the_end_of_what_was_given_up(void **state) {
  (void)state;
  user_t a, b;
  json_t *build = dl_build_info("FROM x\n", NULL, 0);
  fake_jobs_linger(images, true);
  init(&a);
  dl_works_build(works, &a.wanted, "image", build);
  dl_image_job_t *old = wait_job("build", "image");
  clear(&a);
  init(&b);
  dl_works_build(works, &b.wanted, "image", build);
  turn();
  assert_int_equal(b.begun, 0);
  fake_job_done(old, "cancelled");
  turn();
  assert_int_equal(b.begun, 1);
  fake_image_add(images, "image", "id", 1, NULL);
  fake_job_done(fake_job(images, "build", "image"), NULL);
  assert_string_equal(b.image, "id");
  fake_jobs_linger(images, false);
  clear(&b);
  json_decref(build);
}

/* Somebody is told that it has begun, and drops it for somebody who has not been told yet. */
static void the_beginning_may_end_it(void **state) {
  (void)state;
  user_t a, b;
  pull(&a, "x:1");
  pull(&b, "x:1");
  a.drops = &b.wanted;
  turn();
  assert_int_equal(a.begun, 1);
  assert_int_equal(b.begun, 0);
  assert_non_null(fake_job(images, "pull", "x:1"));
  clear(&a);
  pull(&a, "y:1");
  a.drops = &a.wanted;
  turn();
  assert_int_equal(fake_job_count(images), 0);
  clear(&a);
  clear(&b);
}

typedef struct {
  dl_log_reader_t *reader;
  bool is_over;
  dl_buf_t text;
} log_t;

static void on_more(void *user) {
  log_t *l = user;
  char bytes[100];
  ssize_t got;
  while ((got = dl_log_pull(l->reader, bytes, sizeof bytes)) > 0) dl_buf_append(&l->text, bytes, (size_t)got);
  l->is_over = got == DL_PULL_END;
}

static void on_open(dl_log_reader_t *reader, void *user) {
  assert_non_null(reader);
  ((log_t *)user)->reader = reader;
  on_more(user);
}

/* Of a build that is over; yours to free. */
static char *log_of(const char *ref) {
  static const dl_log_events_t events = {on_open, on_more};
  log_t l = {0};
  dl_buf_init(&l.text, 10000);
  dl_log_read(dl_works_logs(works), ref, false, &events, &l);
  while (!l.is_over) uv_run(&loop, UV_RUN_ONCE);
  dl_log_close(l.reader);
  return dl_buf_take(&l.text);
}

static void a_build_has_a_log_that_stays(void **state) {
  (void)state;
  user_t a;
  json_t *build = dl_build_info("FROM x\n", NULL, 0);
  const char *ref = dl_json_str(build, "snapshotRef");
  init(&a);
  dl_works_build(works, &a.wanted, "image", build);
  dl_image_job_t *job = wait_job("build", "image");
  fake_job_log(job, "STEP 1: FROM x\n");
  fake_job_done(job, "a step has failed");
  char *text = log_of(ref);
  assert_string_equal(text, "STEP 1: FROM x\na step has failed\n");
  assert_string_equal(a.error, "a step has failed");
  free(text);
  clear(&a);
  json_decref(build);
}

static void a_context_that_is_not_there_fails_the_build(void **state) {
  (void)state;
  user_t a;
  json_t *hashes = json_pack("[s, s]", "some", "none"), *build = dl_build_info("FROM x\n", hashes, 0);
  init(&a);
  dl_works_build(works, &a.wanted, "image", build);
  turn();
  assert_int_equal(a.ended, 1);
  assert_string_equal(a.error, "context none was not uploaded");
  char *text = log_of(dl_json_str(build, "snapshotRef"));
  assert_string_equal(text, "context none was not uploaded\n");
  free(text);
  clear(&a);
  json_decref(hashes);
  json_decref(build);
}

static void add_fault(const char *text) {
  char *error = NULL;
  json_t *rule = dl_json_parse(text, strlen(text), &error);
  assert_non_null(dl_faults_add(faults, rule, &error));
  json_decref(rule);
}

static void faults_hit_works(void **state) {
  (void)state;
  user_t a, b;
  json_t *build = dl_build_info("FROM x\n", NULL, 0);
  const char *ref = dl_json_str(build, "snapshotRef");
  add_fault(
    "{\"match\": {\"target\": \"pull\", \"path\": \"x:1\"}, \"action\": \"fail\", \"message\": \"on "
    "purpose\"}");
  add_fault("{\"match\": {\"target\": \"build\"}, \"action\": \"fail\", \"after_bytes\": 5}");
  pull(&a, "y:1");
  pull(&b, "x:1");
  turn();
  assert_non_null(fake_job(images, "pull", "y:1"));
  assert_string_equal(b.error, "on purpose");
  clear(&a);
  clear(&b);
  init(&a);
  dl_works_build(works, &a.wanted, "image", build);
  dl_image_job_t *job = wait_job("build", "image");
  fake_job_log(job, "one");
  fake_job_log(job, "two");
  fake_job_log(job, "three");
  turn();
  assert_string_equal(a.error, "failed on purpose");
  char *text = log_of(ref);
  assert_string_equal(text, "onetwofailed on purpose\n");
  free(text);
  clear(&a);
  json_decref(build);
}

static void a_stalled_work_can_be_given_up(void **state) {
  (void)state;
  user_t a;
  add_fault("{\"match\": {\"target\": \"pull\"}, \"action\": \"stall\"}");
  pull(&a, "x:1");
  turn();
  assert_int_equal(a.begun, 1);
  assert_int_equal(fake_job_count(images), 0);
  clear(&a);
  pull(&a, "x:1");
  turn();
  assert_non_null(fake_job(images, "pull", "x:1"));
  clear(&a);
}

static void rules_that_make_no_sense_for_works_are_refused(void **state) {
  (void)state;
  static const char *const bad[] = {
    "{\"action\": \"fail\"}",
    "{\"match\": {\"target\": \"control\"}, \"action\": \"fail\"}",
    "{\"match\": {\"target\": [\"build\", \"control\"]}, \"action\": \"delay\", \"delay_ms\": 5}",
    "{\"match\": {\"target\": \"build\"}, \"action\": \"reset\"}",
    "{\"match\": {\"target\": \"pull\", \"method\": \"GET\"}, \"action\": \"fail\"}",
  };
  for (size_t i = 0; i < DL_COUNT(bad); i++) {
    char *error = NULL;
    json_t *rule = dl_json_parse(bad[i], strlen(bad[i]), &error);
    assert_null(dl_faults_add(faults, rule, &error));
    assert_non_null(error);
    free(error);
    json_decref(rule);
  }
}

static void nobody_is_told_after_the_stop(void **state) {
  (void)state;
  user_t a, b, c;
  pull(&a, "x:1");
  turn();
  pull(&b, "y:1");
  pull(&c, "z:1");
  dl_works_stop(works);
  turn();
  assert_null(a.wanted.work);
  assert_int_equal(a.ended + b.ended + c.ended, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(one_work_serves_all_who_want_it, set_up, tear_down),
    cmocka_unit_test_setup_teardown(a_failure_is_told_with_its_reason, set_up, tear_down),
    cmocka_unit_test_setup_teardown(two_run_and_the_others_wait_in_order, set_up, tear_down),
    cmocka_unit_test_setup_teardown(the_last_who_leaves_gives_it_up, set_up, tear_down),
    cmocka_unit_test_setup_teardown(what_is_wanted_again_begins_after_the_end_of_what_was_given_up, set_up,
                                    tear_down),
    cmocka_unit_test_setup_teardown(the_beginning_may_end_it, set_up, tear_down),
    cmocka_unit_test_setup_teardown(a_build_has_a_log_that_stays, set_up, tear_down),
    cmocka_unit_test_setup_teardown(a_context_that_is_not_there_fails_the_build, set_up, tear_down),
    cmocka_unit_test_setup_teardown(faults_hit_works, set_up, tear_down),
    cmocka_unit_test_setup_teardown(a_stalled_work_can_be_given_up, set_up, tear_down),
    cmocka_unit_test_setup_teardown(rules_that_make_no_sense_for_works_are_refused, set_up, tear_down),
    cmocka_unit_test_setup_teardown(nobody_is_told_after_the_stop, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
