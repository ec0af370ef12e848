/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Screenshots: what is sent, the image that comes out of the base64, and recorded exchanges.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/ascii.h"
#include "support/api_scene.h"
#include "support/check.h"
#include "support/misuse.h"
#include "support/recorded.h"
#include "support/same_json.h"

#define SHOT "GET /toolbox/sb-1/computeruse/screenshot"

/* A PNG of 2 by 3 pixels, as far as its header goes. */
static const char head[] = "\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\2\0\0\0\3";

/* A response with `size` bytes of an image in base64, and more members. free() it. */
static char *shot_of(const char *bytes, size_t size, const char *more) {
  char *body = malloc(DAYTONA__BASE64_ROOM(size) + strlen(more) + 32);
  assert_non_null(body);
  size_t at = (size_t)sprintf(body, "{\"screenshot\":\"");
  at += daytona__base64(body + at, bytes, size);
  sprintf(body + at, "\"%s}", more);
  return body;
}

static void image_is_decoded(void **state) {
  (void)state;
  char *body = shot_of(head, sizeof head - 1, ",\"cursorPosition\":{\"x\":7,\"y\":0},\"sizeBytes\":24");
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  api_answer(&scene, SHOT, 200, body);
  daytona_future_t *future = api_must(daytona_screenshot_take_full_screen(sandbox, NULL));
  const daytona_screenshot_t *shot = daytona_future_screenshot(future);
  assert_int_equal(shot->image.size, sizeof head - 1);
  assert_memory_equal(shot->image.data, head, sizeof head); /* with the NUL behind it */
  assert_string_equal(shot->format, "png");
  assert_int_equal(shot->width, 2);
  assert_int_equal(shot->height, 3);
  assert_true(shot->size_bytes.is_set);
  assert_int_equal(shot->size_bytes.value, 24);
  assert_true(shot->has_cursor);
  assert_int_equal(shot->cursor.x, 7);
  assert_wrong_accessor(daytona_future_mouse_position(future));
  daytona_future_release(future);
  free(body);
  api_close_with(&scene, sandbox);
}

/* Longer than what is decoded in one turn, with every length of the last group. */
static void long_images_are_decoded_in_parts(void **state) {
  (void)state;
  enum { LONG = 3 << 20 };
  char *bytes = malloc(LONG + 2);
  assert_non_null(bytes);
  for (size_t i = 0; i < LONG + 2; i++) bytes[i] = (char)(i * 31 + (i >> 12));
  for (size_t size = LONG; size < LONG + 3; size++) {
    char *body = shot_of(bytes, size, "");
    api_scene_t scene;
    daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
    api_answer(&scene, SHOT, 200, body);
    daytona_future_t *future = api_must(daytona_screenshot_take_full_screen(sandbox, NULL));
    const daytona_screenshot_t *shot = daytona_future_screenshot(future);
    assert_int_equal(shot->image.size, size);
    assert_memory_equal(shot->image.data, bytes, size);
    assert_null(shot->format);
    assert_false(shot->has_cursor || shot->size_bytes.is_set);
    daytona_future_release(future);
    free(body);
    api_close_with(&scene, sandbox);
  }
  free(bytes);
}

static void what_is_not_base64_is_an_error(void **state) {
  (void)state;
  enum { TURN = 1 << 20 };
  static const char *const bodies[] = {"{}",
                                       "{\"screenshot\":null}",
                                       "{\"screenshot\":\"\"}",
                                       "{\"screenshot\":\"AAAAA\"}",
                                       "{\"screenshot\":\"AA-_\"}",
                                       "{\"screenshot\":\"AA==AAAA\"}",
                                       "{\"screenshot\":\"AAA\\u0000\"}"};
  char *padded = malloc(TURN + 64); /* the padding is the end of what is decoded in one turn */
  assert_non_null(padded);
  static const char begin[] = "{\"screenshot\":\"";
  size_t start = sizeof begin - 1;
  memcpy(padded, begin, start);
  memset(padded + start, 'A', TURN - 1);
  strcpy(padded + start + TURN - 1, "=AAAA\"}");
  for (size_t i = 0; i <= sizeof bodies / sizeof bodies[0]; i++) {
    api_scene_t scene;
    daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
    api_answer(&scene, SHOT, 200, i < sizeof bodies / sizeof bodies[0] ? bodies[i] : padded);
    daytona_future_t *future =
      api_must_fail(daytona_screenshot_take_full_screen(sandbox, NULL), DAYTONA_EPROTOCOL);
    api_says(future, "Failed to take screenshot: ");
    daytona_future_release(future);
    api_close_with(&scene, sandbox);
  }
  free(padded);
}

static void queries_have_what_was_given(void **state) {
  (void)state;
  const daytona_screenshot_opts_t cursor = {.shows_cursor = true};
  const daytona_screenshot_compressed_opts_t all = {.shows_cursor = daytona_bool(false),
                                                    .format = "jpeg",
                                                    .quality = daytona_int(0),
                                                    .scale = daytona_num(0.5)};
  char *body = shot_of(head, sizeof head - 1, "");
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  static const char *const tails[] = {"", "/region", "/compressed", "/region/compressed"};
  for (int i = 0; i < 4; i++) {
    char line[96];
    snprintf(line, sizeof line, SHOT "%s", tails[i]);
    api_answer(&scene, line, 200, body);
  }
  api_done(daytona_screenshot_take_full_screen(sandbox, NULL));
  api_done(daytona_screenshot_take_full_screen(sandbox, &cursor));
  api_done(daytona_screenshot_take_region(sandbox, 0, -1, 3, 4, NULL));
  api_done(daytona_screenshot_take_compressed(sandbox, NULL));
  api_done(daytona_screenshot_take_compressed(sandbox, &all));
  api_done(daytona_screenshot_take_compressed_region(sandbox, 0, 0, 3, 4, &all));
  static const char *const lines[] = {
    SHOT "?showCursor=false",
    SHOT "?showCursor=true",
    SHOT "/region?x=0&y=-1&width=3&height=4&showCursor=false",
    SHOT "/compressed",
    SHOT "/compressed?showCursor=false&format=jpeg&quality=0&scale=0.5",
    SHOT "/region/compressed?x=0&y=0&width=3&height=4&showCursor=false&format=jpeg&quality=0&scale=0.5"};
  for (int i = 0; i < 6; i++) assert_string_equal(api_line_of(scene.requests[i]), lines[i]);
  free(body);
  api_close_with(&scene, sandbox);
}

static void bad_options_do_not_leave_the_client(void **state) {
  (void)state;
  const daytona_screenshot_compressed_opts_t rows[] = {{.quality = {true, -1}}, {.quality = {true, 101}},
                                                       {.scale = {true, 0}},    {.scale = {true, -1}},
                                                       {.format = "\xff"},      {.timeout_ms = -5}};
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    api_fails(daytona_screenshot_take_compressed(sandbox, &rows[i]), DAYTONA_EINVAL);
    api_fails(daytona_screenshot_take_compressed_region(sandbox, 1, 1, 1, 1, &rows[i]), DAYTONA_EINVAL);
  }
  assert_int_equal(scene.request_count, 0);
  api_close_with(&scene, sandbox);
}

/* A recorded response: its image has the format and the size that it says it has. */
static int play(const recorded_step_t *step) {
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  api_answer(&scene, SHOT, step->status, step->answer);
  daytona_future_t *future = daytona_screenshot_take_full_screen(sandbox, NULL);
  daytona_errcode_t code = (daytona_errcode_t)daytona_future_await(future);
  if (step->status != 200) {
    assert_int_equal(daytona_future_error(future)->http_status, step->status);
  } else {
    const daytona_screenshot_t *shot = daytona_future_screenshot(future);
    assert_int_equal(code, DAYTONA_OK);
    assert_non_null(shot->format);
    assert_true(shot->width > 0 && shot->height > 0);
    if (shot->size_bytes.is_set) assert_int_equal(shot->size_bytes.value, shot->image.size);
  }
  daytona_future_release(future);
  api_close_with(&scene, sandbox);
  return step->status == 200;
}

static void recorded_screenshots_are_understood(void **state) {
  (void)state;
  int understood = 0, played = 0;
  for (const recorded_step_t *step = recorded_load("computer-screenshot.json"); step->verb != NULL; step++) {
    if (strncmp(step->target, "/computeruse/screenshot", 23) != 0 || step->answer[0] != '{') continue;
    played++;
    understood += play(step);
  }
  recorded_free();
  if (played < 6 || understood < 3) fail_msg("%d played, %d understood", played, understood);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(image_is_decoded),
    cmocka_unit_test(long_images_are_decoded_in_parts),
    cmocka_unit_test(what_is_not_base64_is_an_error),
    cmocka_unit_test(queries_have_what_was_given),
    cmocka_unit_test(bad_options_do_not_leave_the_client),
    cmocka_unit_test(recorded_screenshots_are_understood),
  };
  if (argc > 1) recorded_folder = argv[1];
  signal(SIGPIPE, SIG_IGN); /* the peer writes to clients that have gone */
  return cmocka_run_group_tests(tests, NULL, NULL);
}
