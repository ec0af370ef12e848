/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Snapshots: their states, with a real journal and images that are made by hand; and what a server that is started again
 * makes of each state.
 */
#include "control/life/snapshot_life.h"

#include "control/life/timers.h"
#include "control/objects/build_info.h"
#include "control/store/removal.h"
#include "fake_images.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uv_loop_t loop;
static dl_objects_t objects;
static dl_life_t life;
static dl_faults_t *faults;
static dl_images_t *images;
static char dir[64];

/* As the server does it, without boxes and requests. */
static void open_server(void) {
  char *error = NULL;
  const dl_objects_opts_t opts = {.state_dir = dir, .region = "local", .clock_speed = 1};
  dl_life_init(&life, &objects, &loop);
  assert_int_equal(dl_objects_open(&objects, &loop, &opts, &error), 0);
  faults = dl_faults_new();
  if (!images) images = fake_images_new(&loop);
  char *logs = dl_xprintf("%s/builds", objects.state_dir);
  life.images = images;
  life.works =
    dl_works_new(&loop, &(dl_works_opts_t){.images = images, .faults = faults, .log_dir = logs}, &error);
  life.max_snapshot_gb = 20;
  free(logs);
  dl_snapshots_init(&objects);
  dl_snapshot_life_init(&life);
  dl_life_resume(&life);
}

static void on_closed(void *user) { *(bool *)user = true; }

static void run_until(const bool *is_true) {
  while (!*is_true) uv_run(&loop, UV_RUN_ONCE);
}

/* `keeps_images`: those that are there are there when the next server starts. */
static void close_server(bool keeps_images) {
  bool is_closed = false;
  dl_life_freeze(&life);
  if (keeps_images) life.images = NULL;
  dl_life_close(&life, on_closed, &is_closed);
  run_until(&is_closed);
  is_closed = false;
  dl_objects_close(&objects, on_closed, &is_closed);
  run_until(&is_closed);
  dl_faults_free(faults);
  if (!keeps_images) images = NULL;
}

static int set_up(void **state) {
  (void)state;
  strcpy(dir, "/tmp/dl-snapshots-XXXXXX");
  assert_non_null(mkdtemp(dir));
  assert_int_equal(uv_loop_init(&loop), 0);
  open_server();
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  close_server(false);
  uv_run(&loop, UV_RUN_DEFAULT);
  assert_int_equal(uv_loop_close(&loop), 0);
  dl_remove_tree(dir, NULL);
  return 0;
}

static void restart(void) {
  close_server(true);
  open_server();
}

static json_t *snapshot(const char *name) { return dl_snapshot_find(&objects, name); }

static bool is_in(const char *name, dl_snapshot_state_t state) {
  return snapshot(name) && dl_snapshot_state(snapshot(name)) == state;
}

static void wait_state(const char *name, dl_snapshot_state_t state) {
  for (int i = 0; i < 10000 && !is_in(name, state); i++) uv_run(&loop, UV_RUN_ONCE);
  if (!is_in(name, state)) fail_msg("%s is not in state %d", name, (int)state);
}

static void wait_gone(const char *name) {
  while (snapshot(name)) uv_run(&loop, UV_RUN_ONCE);
}

static void wait_no_image(const char *id) {
  while (fake_image_is_there(images, id)) uv_run(&loop, UV_RUN_ONCE);
}

static dl_image_job_t *wait_job(const char *kind, const char *name) {
  dl_image_job_t *job;
  while (!(job = fake_job(images, kind, name))) uv_run(&loop, UV_RUN_ONCE);
  return job;
}

/* Ends it with an image; `entrypoint` may be NULL. */
static void finish(const char *kind, const char *name, const char *id, uint64_t size,
                   const char *entrypoint) {
  dl_image_job_t *job = wait_job(kind, name);
  if (!fake_image_is_there(images, id)) fake_image_add(images, name, id, size, entrypoint);
  fake_job_done(job, NULL);
}

/* Whatever is on its way to disk arrives. */
static void on_committed(dl_written_t outcome, void *user) {
  assert_int_equal(outcome, DL_WRITTEN);
  *(bool *)user = true;
}

static void settle(void) {
  for (int i = 0; i < 3; i++) {
    bool is_written = false;
    dl_store_commit(objects.store, on_committed, &is_written);
    run_until(&is_written);
  }
}

static char *create_pull(const char *name, const char *image) {
  const dl_snapshot_spec_t spec = {.name = name, .image_name = image, .cpu = 1, .memory = 1, .disk = 3};
  return dl_xstrdup(dl_json_str(dl_snapshot_create(&life, dl_snapshot_new(&objects, &spec)), "id"));
}

/* *ref: what its image is called, yours to free. */
static char *create_build(const char *name, const char *dockerfile, char **ref) {
  json_t *build = dl_build_info(dockerfile, NULL, dl_objects_now(&objects));
  const dl_snapshot_spec_t spec = {.name = name, .build = build, .cpu = 1, .memory = 1, .disk = 3};
  char *id = dl_xstrdup(dl_json_str(dl_snapshot_create(&life, dl_snapshot_new(&objects, &spec)), "id"));
  *ref = dl_build_image_name(dl_json_str(build, "snapshotRef"));
  json_decref(build);
  return id;
}

/* --- pulling --- */

static void a_pull_makes_it_active(void **state) {
  (void)state;
  free(create_pull("a", "busybox:1"));
  assert_true(is_in("a", DL_SNAPSHOT_PENDING));
  wait_state("a", DL_SNAPSHOT_PULLING);
  finish("pull", "busybox:1", "id-1", 1200000, "/bin/sh");
  assert_true(is_in("a", DL_SNAPSHOT_ACTIVE));
  const json_t *s = snapshot("a");
  assert_string_equal(dl_json_str(s, "image"), "id-1");
  assert_string_equal(dl_json_str(s, "ref"), "busybox:1@sha256:0");
  assert_true(dl_json_num(s, "size", 0) == 0.0012);
  assert_string_equal(json_string_value(json_array_get(dl_json_get(s, "entrypoint"), 0)), "/bin/sh");
  json_t *shown = dl_snapshot_shown(s);
  assert_null(json_object_get(shown, "image"));
  assert_true(json_is_null(json_object_get(shown, "errorReason")));
  json_decref(shown);
}

static void the_entrypoint_that_was_asked_for_stays(void **state) {
  (void)state;
  json_t *entrypoint = json_pack("[s, s]", "sleep", "9");
  const dl_snapshot_spec_t spec = {.name = "a", .image_name = "x:1", .entrypoint = entrypoint, .cpu = 1};
  dl_snapshot_create(&life, dl_snapshot_new(&objects, &spec));
  finish("pull", "x:1", "id-1", 1, "/bin/sh");
  assert_true(json_equal(dl_json_get(snapshot("a"), "entrypoint"), entrypoint));
  json_decref(entrypoint);
}

static void a_pull_that_fails_says_why(void **state) {
  (void)state;
  free(create_pull("a", "x:1"));
  fake_job_done(wait_job("pull", "x:1"), "no registry has it");
  assert_true(is_in("a", DL_SNAPSHOT_ERROR));
  assert_string_equal(dl_json_str(snapshot("a"), "errorReason"), "no registry has it");
  assert_null(dl_json_get(snapshot("a"), "size"));
}

static void an_image_that_is_too_large_is_an_error(void **state) {
  (void)state;
  free(create_pull("a", "x:1"));
  finish("pull", "x:1", "id-1", UINT64_C(20100000000), NULL);
  assert_true(is_in("a", DL_SNAPSHOT_ERROR));
  assert_non_null(strstr(dl_json_str(snapshot("a"), "errorReason"), "20.10 GB"));
}

/* --- building --- */

static void a_build_is_followed_by_active_or_failed(void **state) {
  (void)state;
  char *good, *bad;
  free(create_build("good", "FROM a\n", &good));
  free(create_build("bad", "FROM b\n", &bad));
  wait_state("good", DL_SNAPSHOT_BUILDING);
  wait_state("bad", DL_SNAPSHOT_BUILDING);
  assert_non_null(dl_json_str(snapshot("good"), "initialRunnerId"));
  fake_job_done(wait_job("build", bad), "RUN false: exit status 1");
  finish("build", good, "id-1", 1, NULL);
  assert_true(is_in("good", DL_SNAPSHOT_ACTIVE));
  assert_true(is_in("bad", DL_SNAPSHOT_BUILD_FAILED));
  assert_string_equal(dl_json_str(snapshot("bad"), "errorReason"), "RUN false: exit status 1");
  assert_true(json_is_null(json_object_get(snapshot("good"), "entrypoint")));
  free(good);
  free(bad);
}

static void the_same_build_is_active_at_once(void **state) {
  (void)state;
  char *ref;
  free(create_build("a", "FROM a\n", &ref));
  finish("build", ref, "id-1", 1, NULL);
  free(ref);
  free(create_build("b", "FROM a\n", &ref));
  assert_true(is_in("b", DL_SNAPSHOT_ACTIVE));
  settle();
  assert_int_equal(fake_job_count(images), 0);
  free(ref);
}

static void a_build_under_way_is_shared(void **state) {
  (void)state;
  char *ref, *again;
  char *id = create_build("a", "FROM a\n", &ref);
  wait_job("build", ref);
  free(create_build("b", "FROM a\n", &again));
  wait_state("b", DL_SNAPSHOT_BUILDING);
  dl_snapshot_remove(&life, id);
  wait_gone("a");
  assert_int_equal(fake_job_count(images), 1);
  fake_image_add(images, ref, "id-1", 1, NULL);
  fake_job_done(fake_job(images, "build", ref), NULL);
  assert_true(is_in("b", DL_SNAPSHOT_ACTIVE));
  free(id);
  free(ref);
  free(again);
}

static void the_identity_of_a_build_is_the_platforms(void **state) {
  (void)state;
  json_t *one = json_pack("[s, s]", "b", "a"), *other = json_pack("[s, s]", "a", "b");
  char *ref = dl_build_ref("FROM debian:12.9\n", one), *same = dl_build_ref("FROM debian:12.9\n", other),
       *none = dl_build_ref("FROM debian:12.9\n", NULL);
  assert_string_equal(ref,
                      "daytona-285998ab247a63ca2d099ecd3915d797d77a0f30076b0726ab6ff6d3806820c4:daytona");
  assert_string_equal(ref, same);
  assert_string_not_equal(ref, none);
  free(ref);
  free(same);
  free(none);
  json_decref(one);
  json_decref(other);
}

/* --- removing --- */

static void removal_gives_up_what_is_under_way(void **state) {
  (void)state;
  char *id = create_pull("a", "x:1");
  wait_job("pull", "x:1");
  dl_snapshot_remove(&life, id);
  assert_true(is_in("a", DL_SNAPSHOT_REMOVING));
  wait_gone("a");
  while (fake_job_count(images) > 0) uv_run(&loop, UV_RUN_ONCE);
  free(id);
}

/* Before its creation is on disk. */
static void removal_may_come_at_once(void **state) {
  (void)state;
  char *id = create_pull("a", "x:1");
  dl_snapshot_remove(&life, id);
  wait_gone("a");
  settle();
  assert_int_equal(fake_job_count(images), 0);
  free(id);
}

/* The pull ends while the removal is on its way to disk. */
static void a_pull_that_ends_during_the_removal_changes_nothing(void **state) {
  (void)state;
  char *id = create_pull("a", "x:1");
  dl_image_job_t *job = wait_job("pull", "x:1");
  fake_image_add(images, "x:1", "id-1", 1, NULL);
  dl_snapshot_remove(&life, id);
  fake_job_done(job, NULL);
  assert_true(is_in("a", DL_SNAPSHOT_REMOVING));
  wait_gone("a");
  free(id);
}

static char *make_active(const char *name, const char *image, const char *image_id) {
  char *id = create_pull(name, image);
  finish("pull", image, image_id, 1, NULL);
  settle();
  return id;
}

static void an_image_goes_with_the_last_that_needs_it(void **state) {
  (void)state;
  char *a = make_active("a", "x:1", "id-1"), *b = make_active("b", "x:1", "id-1");
  dl_sandbox_t *sb = dl_sandbox_new(dl_uuid_new().text, "local", dl_objects_now(&objects));
  dl_set(&sb->image, "id-1");
  dl_objects_add(&objects, sb);
  dl_snapshot_remove(&life, a);
  wait_gone("a");
  assert_true(fake_image_is_there(images, "id-1"));
  sb->state = DL_DESTROYED;
  dl_objects_forget_name(&objects, sb);
  dl_objects_remove(&objects, sb);
  dl_sandbox_free(sb);
  dl_snapshot_remove(&life, b);
  wait_gone("b");
  wait_no_image("id-1");
  free(a);
  free(b);
}

/* Its image is that of the one that is removed; neither pull nor removal knows of the other. */
static void an_image_that_is_pulled_again_stays(void **state) {
  (void)state;
  char *a = make_active("a", "x:1", "id-1");
  free(create_pull("b", "x:1"));
  dl_image_job_t *job = wait_job("pull", "x:1");
  dl_snapshot_remove(&life, a);
  wait_gone("a");
  settle();
  assert_true(fake_image_is_there(images, "id-1"));
  fake_job_done(job, NULL);
  assert_true(is_in("b", DL_SNAPSHOT_ACTIVE));
  for (int i = 0; i < 20; i++) uv_run(&loop, UV_RUN_NOWAIT);
  settle();
  assert_true(fake_image_is_there(images, "id-1"));
  assert_int_equal(json_object_size(dl_store_all(objects.store, "unneeded")), 0);
  free(a);
}

static void a_pull_waits_for_a_removal(void **state) {
  (void)state;
  char *a = make_active("a", "x:1", "id-1");
  fake_jobs_linger(images, true);
  dl_snapshot_remove(&life, a);
  dl_image_job_t *removal = wait_job("remove", "id-1");
  free(create_pull("b", "x:1"));
  settle();
  assert_true(is_in("b", DL_SNAPSHOT_PENDING));
  fake_jobs_linger(images, false);
  fake_job_done(removal, NULL);
  wait_state("b", DL_SNAPSHOT_PULLING);
  finish("pull", "x:1", "id-2", 1, NULL);
  assert_true(is_in("b", DL_SNAPSHOT_ACTIVE));
  free(a);
}

static void an_image_that_was_imported_stays(void **state) {
  (void)state;
  char *a = make_active("a", "x:1", "id-1");
  fake_image_set_imported(images, "id-1");
  dl_snapshot_remove(&life, a);
  wait_gone("a");
  for (int i = 0; i < 20; i++) uv_run(&loop, UV_RUN_NOWAIT);
  assert_true(fake_image_is_there(images, "id-1"));
  free(a);
}

/* --- active and inactive --- */

static void inactive_and_back(void **state) {
  (void)state;
  char *id = make_active("a", "x:1", "id-1");
  dl_snapshot_deactivate(&life, id);
  assert_true(is_in("a", DL_SNAPSHOT_INACTIVE));
  settle();
  dl_snapshot_activate(&life, id);
  assert_true(is_in("a", DL_SNAPSHOT_PENDING));
  wait_state("a", DL_SNAPSHOT_ACTIVE); /* its image is there: nothing is pulled */
  assert_int_equal(fake_job_count(images), 0);
  free(id);
}

static void one_that_nobody_uses_becomes_inactive(void **state) {
  (void)state;
  const int64_t day = INT64_C(24) * 3600 * 1000;
  char *id = make_active("a", "x:1", "id-1");
  dl_clock_jump(&objects.clock, 13 * day);
  assert_true(dl_snapshots_run_due(&life) < INT64_MAX);
  assert_true(is_in("a", DL_SNAPSHOT_ACTIVE));
  dl_snapshot_used(&objects, snapshot("a"));
  dl_clock_jump(&objects.clock, 13 * day);
  dl_timers_run(&life);
  assert_true(is_in("a", DL_SNAPSHOT_ACTIVE));
  dl_clock_jump(&objects.clock, 2 * day);
  dl_timers_run(&life);
  assert_true(is_in("a", DL_SNAPSHOT_INACTIVE));
  assert_int_equal(dl_snapshot_state(snapshot(NULL)),
                   DL_SNAPSHOT_ACTIVE); /* the default one is always there */
  free(id);
}

static void a_phase_that_takes_an_hour_is_given_up(void **state) {
  (void)state;
  char *ref;
  free(create_build("a", "FROM a\n", &ref));
  wait_state("a", DL_SNAPSHOT_BUILDING);
  dl_clock_jump(&objects.clock, INT64_C(61) * 60000);
  dl_timers_run(&life);
  assert_true(is_in("a", DL_SNAPSHOT_BUILD_FAILED));
  while (fake_job_count(images) > 0) uv_run(&loop, UV_RUN_ONCE);
  free(ref);
}

/* --- after a restart --- */

static void what_was_under_way_begins_again(void **state) {
  (void)state;
  char *ref;
  free(create_build("built", "FROM a\n", &ref));
  free(create_pull("pulled", "x:1"));
  wait_job("build", ref);
  wait_job("pull", "x:1");
  settle();
  restart();
  assert_true(is_in("built", DL_SNAPSHOT_BUILDING));
  assert_true(is_in("pulled", DL_SNAPSHOT_PULLING));
  fake_image_add(images, ref, "id-1", 1, NULL);
  fake_image_add(images, "x:1", "id-2", 1, NULL);
  fake_job_done(wait_job("build", ref), NULL);
  fake_job_done(wait_job("pull", "x:1"), NULL);
  assert_true(is_in("built", DL_SNAPSHOT_ACTIVE));
  assert_true(is_in("pulled", DL_SNAPSHOT_ACTIVE));
  free(ref);
}

static void an_end_that_was_not_written_is_found_again(void **state) {
  (void)state;
  char *ref;
  free(create_build("a", "FROM a\n", &ref));
  wait_job("build", ref);
  settle();
  fake_image_add(images, ref, "id-1", 1, NULL);
  restart(); /* the build was over, and nobody has heard of it */
  assert_true(is_in("a", DL_SNAPSHOT_ACTIVE));
  free(ref);
}

static void a_removal_goes_on(void **state) {
  (void)state;
  char *id = make_active("a", "x:1", "id-1");
  dl_snapshot_remove(&life, id);
  bool is_written = false;
  dl_store_commit(objects.store, on_committed, &is_written);
  dl_life_freeze(&life); /* what follows from the change does not come any more */
  close_server(true);
  open_server();
  wait_gone("a");
  wait_no_image("id-1");
  free(id);
}

static void an_active_one_without_its_image_is_an_error(void **state) {
  (void)state;
  free(make_active("a", "x:1", "id-1"));
  char *ref;
  free(create_build("b", "FROM a\n", &ref));
  finish("build", ref, "id-2", 1, NULL);
  settle();
  close_server(false);
  open_server();
  assert_true(is_in("a", DL_SNAPSHOT_ERROR));
  assert_true(is_in("b", DL_SNAPSHOT_ERROR));
  assert_non_null(dl_json_str(snapshot("a"), "errorReason"));
  free(ref);
}

static void records_that_make_no_sense_are_put_aside(void **state) {
  (void)state;
  static const char *const bad[] = {
    "{\"id\": \"1\", \"name\": \"a\", \"state\": \"nonsense\", \"imageName\": \"x:1\", \"updatedAt\": "
    "\"2026-01-01T00:00:00.000Z\"}",
    "{\"id\": \"1\", \"state\": \"active\", \"imageName\": \"x:1\", \"updatedAt\": "
    "\"2026-01-01T00:00:00.000Z\"}",
    "{\"id\": \"2\", \"name\": \"a\", \"state\": \"active\", \"imageName\": \"x:1\", \"updatedAt\": "
    "\"2026-01-01T00:00:00.000Z\"}",
    "{\"id\": \"1\", \"name\": \"a\", \"state\": \"active\", \"imageName\": \"x:1\", \"updatedAt\": "
    "\"never\"}",
    "{\"id\": \"1\", \"name\": \"a\", \"state\": \"active\", \"imageName\": \"\", \"updatedAt\": "
    "\"2026-01-01T00:00:00.000Z\"}",
    "{\"id\": \"1\", \"name\": \"a\", \"state\": \"building\", \"buildInfo\": {}, \"updatedAt\": "
    "\"2026-01-01T00:00:00.000Z\"}",
  };
  for (size_t i = 0; i < DL_COUNT(bad); i++) {
    char *error = NULL;
    json_t *record = dl_json_parse(bad[i], strlen(bad[i]), &error);
    assert_non_null(record);
    dl_store_put(objects.store, "snapshot", "1", json_incref(record));
    restart();
    assert_null(json_object_get(dl_snapshots_all(&objects), "1"));
    assert_true(json_equal(json_object_get(dl_store_all(objects.store, "unsound"), "1"), record));
    assert_null(dl_store_damage(objects.store));
    json_decref(record);
  }
}

/* --- a journal that cannot be written --- */

static void set_full(bool is_full) { dl_store_set_waiting_max(objects.store, is_full ? 0 : 1u << 20); }

static void on_refused(dl_written_t outcome, void *user) {
  assert_int_equal(outcome, DL_NOT_WRITTEN);
  *(bool *)user = true;
}

static void wait_refusal(void) {
  bool is_told = false;
  dl_store_commit(objects.store, on_refused, &is_told);
  run_until(&is_told);
}

/* What the server does a moment after something was taken back. */
static void retry(void) { life.snapshots->go_on(&life); }

static void an_end_that_cannot_be_written_is_found_again(void **state) {
  (void)state;
  char *ref;
  free(create_build("a", "FROM a\n", &ref));
  dl_image_job_t *job = wait_job("build", ref);
  settle();
  fake_image_add(images, ref, "id-1", 1, NULL);
  set_full(true);
  fake_job_done(job, NULL);
  wait_refusal();
  assert_true(is_in("a", DL_SNAPSHOT_BUILDING));
  retry();
  wait_refusal();
  assert_true(is_in("a", DL_SNAPSHOT_BUILDING));
  set_full(false);
  retry();
  settle();
  assert_true(is_in("a", DL_SNAPSHOT_ACTIVE));
  free(ref);
}

static void a_failure_that_cannot_be_written_is_tried_again(void **state) {
  (void)state;
  free(create_pull("a", "x:1"));
  dl_image_job_t *job = wait_job("pull", "x:1");
  settle();
  set_full(true);
  fake_job_done(job, "no registry has it");
  wait_refusal();
  assert_true(is_in("a", DL_SNAPSHOT_PULLING));
  set_full(false);
  retry();
  finish("pull", "x:1", "id-1", 1, NULL);
  settle();
  assert_true(is_in("a", DL_SNAPSHOT_ACTIVE));
}

static void a_beginning_that_cannot_be_written_is_written_later(void **state) {
  (void)state;
  free(create_pull("a", "x:1"));
  settle();
  set_full(true);
  dl_image_job_t *job = wait_job("pull", "x:1");
  if (!is_in("a", DL_SNAPSHOT_PULLING)) wait_refusal();
  set_full(false);
  retry();
  settle();
  assert_true(is_in("a", DL_SNAPSHOT_PULLING));
  assert_ptr_equal(fake_job(images, "pull", "x:1"), job);
  fake_image_add(images, "x:1", "id-1", 1, NULL);
  fake_job_done(job, NULL);
  assert_true(is_in("a", DL_SNAPSHOT_ACTIVE));
}

static void what_was_asked_for_and_cannot_be_written_did_not_happen(void **state) {
  (void)state;
  char *a = make_active("a", "x:1", "id-1");
  set_full(true);
  dl_snapshot_remove(&life, a);
  wait_refusal();
  assert_true(is_in("a", DL_SNAPSHOT_ACTIVE));
  dl_snapshot_deactivate(&life, a);
  wait_refusal();
  assert_true(is_in("a", DL_SNAPSHOT_ACTIVE));
  free(create_pull("b", "y:1"));
  wait_refusal();
  assert_null(snapshot("b"));
  set_full(false);
  retry();
  for (int i = 0; i < 20; i++) uv_run(&loop, UV_RUN_NOWAIT);
  assert_int_equal(fake_job_count(images), 0);
  assert_true(fake_image_is_there(images, "id-1"));
  free(a);
}

/* --- finding --- */

static void an_own_one_comes_before_the_default_one(void **state) {
  (void)state;
  char *id = make_active(DL_DEFAULT_SNAPSHOT, "x:1", "id-1");
  assert_string_equal(dl_json_str(snapshot(DL_DEFAULT_SNAPSHOT), "id"), id);
  assert_true(dl_snapshot_is_general(snapshot(NULL)));
  assert_true(dl_snapshot_is_general(snapshot("  ")));
  dl_snapshot_deactivate(&life, id);
  assert_string_equal(dl_json_str(snapshot(DL_DEFAULT_SNAPSHOT), "id"), id);
  assert_true(dl_snapshot_is_general(dl_snapshot_find_usable(&objects, DL_DEFAULT_SNAPSHOT)));
  assert_int_equal(dl_snapshots_count(&objects), 1);
  free(id);
}

static void on_begun(void *user) { ++*(int *)user; }

static void who_waits_for_the_beginning_is_told(void **state) {
  (void)state;
  int told = 0;
  char *ref, *id = create_build("a", "FROM a\n", &ref);
  dl_snapshot_wait_begun(&life, id, on_begun, &told);
  dl_snapshot_wait_begun(&life, "unknown", on_begun, &told);
  assert_int_equal(told, 0);
  wait_state("a", DL_SNAPSHOT_BUILDING);
  while (told < 2) uv_run(&loop, UV_RUN_ONCE);
  free(id);
  free(ref);
  id = create_build("b", "FROM b\n", &ref);
  dl_snapshot_wait_begun(&life, id, on_begun, &told);
  life.snapshots->tell_all(&life);
  assert_int_equal(told, 3);
  free(id);
  free(ref);
}

int main(void) {
  const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    TEST(a_pull_makes_it_active),
    TEST(the_entrypoint_that_was_asked_for_stays),
    TEST(a_pull_that_fails_says_why),
    TEST(an_image_that_is_too_large_is_an_error),
    TEST(a_build_is_followed_by_active_or_failed),
    TEST(the_same_build_is_active_at_once),
    TEST(a_build_under_way_is_shared),
    TEST(the_identity_of_a_build_is_the_platforms),
    TEST(removal_gives_up_what_is_under_way),
    TEST(removal_may_come_at_once),
    TEST(a_pull_that_ends_during_the_removal_changes_nothing),
    TEST(an_image_goes_with_the_last_that_needs_it),
    TEST(an_image_that_is_pulled_again_stays),
    TEST(a_pull_waits_for_a_removal),
    TEST(an_image_that_was_imported_stays),
    TEST(inactive_and_back),
    TEST(one_that_nobody_uses_becomes_inactive),
    TEST(a_phase_that_takes_an_hour_is_given_up),
    TEST(what_was_under_way_begins_again),
    TEST(an_end_that_was_not_written_is_found_again),
    TEST(a_removal_goes_on),
    TEST(an_active_one_without_its_image_is_an_error),
    TEST(records_that_make_no_sense_are_put_aside),
    TEST(an_end_that_cannot_be_written_is_found_again),
    TEST(a_failure_that_cannot_be_written_is_tried_again),
    TEST(a_beginning_that_cannot_be_written_is_written_later),
    TEST(what_was_asked_for_and_cannot_be_written_did_not_happen),
    TEST(an_own_one_comes_before_the_default_one),
    TEST(who_waits_for_the_beginning_is_told),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
