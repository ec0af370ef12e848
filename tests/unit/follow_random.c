/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Logs of random bytes, shown in random frames, cut and frozen at random places, read with random pauses: whatever
 * happens on the way, what the reader hears is the log, every byte once and in order.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/check.h"
#include "support/log_scene.h"

enum { LOG_MAX = 3000 };

static char log_bytes[LOG_MAX];

/* Bytes that look like marks, halves of marks, NULs, characters, broken characters and lines. */
static size_t random_log(bool is_ascii) {
  static const char *const pieces[] = {
    "\1\1\1", "\2\2\2",          "\1", "\2", "\1\1", "\2\2", "\n", "line\n", "x", "\xC3\xA9", "\xE2\x82",
    "\xFF",   "\xF0\x9F\x98\x80"};
  size_t size = 0, wanted = (size_t)rand() % (rand() % 4 == 0 ? LOG_MAX - 4 : 200);
  while (size < wanted) {
    const char *piece = pieces[(size_t)rand() % (is_ascii ? 9 : 13)];
    if (!is_ascii && rand() % 10 == 0) {
      log_bytes[size++] = '\0';
      continue;
    }
    memcpy(log_bytes + size, piece, strlen(piece));
    size += strlen(piece);
  }
  return size;
}

static size_t between(size_t low, size_t high) { return low + (size_t)rand() % (high - low + 1); }

/* One log, up to six cuts, and a last socket that shows everything. */
static void play_once(log_scene_t *scene, unsigned seed) {
  srand(seed);
  bool is_json = seed % 7 == 0;
  size_t size = random_log(is_json), cuts = between(0, 6), shown = 0;
  log_scene_begin(scene, log_bytes, size);
  scene->is_json = is_json;
  scene->pauses_of_8 = seed % 3 == 0 ? between(1, 8) : 0;
  scene->exit_code = (int)between(0, 255);
  for (size_t i = 0; i < cuts; i++) {
    shown = between(shown, size);
    /* Frozen sockets take long to be noticed, so they are rare. */
    stream_fate_t fate = rand() % 10 == 0 ? STREAM_STAYS : rand() % 2 == 0 ? STREAM_ENDS : STREAM_BREAKS;
    size_t whole = shown + shown / 8 + 2;
    log_scene_socket(scene, shown, rand() % 3 == 0 ? 0 : between(1, 300), rand() % 3 == 0,
                     rand() % 4 == 0 ? SIZE_MAX : between(0, whole), fate);
    scene->shown[i] = shown;
  }
  scene->finished_at = between(cuts == 0 ? 1 : cuts, cuts + 1);
  log_scene_socket(scene, size, between(1, 1024), true, SIZE_MAX, STREAM_ENDS);
  const daytona_session_follow_opts_t opts = {.policy = (daytona_buffer_policy_t)(seed / 3 % 2)};
  daytona_future_t *future = log_scene_run(scene, opts, scene->pauses_of_8 != 0 ? 50 : between(50, 1000));
  log_scene_expect_all(scene, future);
  daytona_future_release(future);
}

static unsigned last_seed;

static int say_seed(void **state) {
  print_message("# the last seed was %u\n", last_seed);
  return 0;
}

static void every_byte_is_heard_once_whatever_happens(void **state) {
  static log_scene_t scene;
  log_scene_open(&scene);
  for (unsigned seed = 1; seed <= 400; seed++) {
    if (getenv("FOLLOW_SEED") != NULL && seed != (unsigned)atoi(getenv("FOLLOW_SEED"))) continue;
    last_seed = seed;
    play_once(&scene, seed);
  }
  log_scene_close(&scene);
}

/* A connection that breaks again and again, but each time behind something new, has not failed. */
static void progress_is_no_failure(void **state) {
  static log_scene_t scene;
  static const char text[] = "\1\1\1a long line that comes in small chunks\n";
  log_scene_open(&scene);
  log_scene_begin(&scene, text, sizeof text - 1);
  scene.pauses_of_8 = 0;
  for (size_t i = 0; i < STREAM_SCRIPTS - 1; i++) {
    size_t shown = 5 + 2 * i;
    log_scene_socket(&scene, shown, shown, false, SIZE_MAX, STREAM_ENDS);
    scene.shown[i] = shown;
  }
  log_scene_socket(&scene, sizeof text - 1, 9, true, SIZE_MAX, STREAM_ENDS);
  scene.finished_at = STREAM_SCRIPTS;
  daytona_future_t *future = log_scene_run(&scene, (daytona_session_follow_opts_t){0}, 100);
  log_scene_expect_all(&scene, future);
  assert_true(daytona_future_stream_end(future)->resumed_count >= STREAM_SCRIPTS - 1);
  daytona_future_release(future);
  log_scene_close(&scene);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test_teardown(every_byte_is_heard_once_whatever_happens, say_seed),
    cmocka_unit_test(progress_is_no_failure),
  };
  signal(SIGPIPE, SIG_IGN); /* the peer writes to clients that have gone */
  return cmocka_run_group_tests(tests, NULL, NULL);
}
