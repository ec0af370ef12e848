/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The desktop against daytona-local: every call but those of accessibility. Skipped where its programs are missing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/check.h"
#include "support/session.h"

static session_t shared;
static daytona_sandbox_t *sandbox;
static bool has_desktop, has_ffmpeg;

static void done(daytona_future_t *future) { daytona_future_release(api_must(future)); }

static void before_the_start(void) {
  daytona_future_t *future = api_must(daytona_computer_use_get_status(sandbox, NULL));
  assert_string_equal(daytona_future_string(future), "inactive");
  daytona_future_release(future);
  future = api_must(daytona_display_get_windows(sandbox, NULL));
  assert_int_equal(daytona_future_display_window_list(future)->count, 0);
  daytona_future_release(future);
  api_fails_as(daytona_screenshot_take_full_screen(sandbox, NULL), DAYTONA_EUNAVAILABLE);
  api_fails_as(daytona_mouse_move(sandbox, 1, 1, NULL), DAYTONA_EUNAVAILABLE);
  api_fails_as(daytona_computer_use_get_process_logs(sandbox, "xvfb", NULL), DAYTONA_EINVAL);
}

static int open_shared(void **state) {
  const daytona_pair_t env[] = {{"VNC_RESOLUTION", "800x600"}};
  const daytona_sandbox_create_opts_t opts = {.env = {env, 1}};
  session_open(&shared, NULL);
  sandbox = session_sandbox(&shared, &opts);
  before_the_start();
  daytona_future_t *future = daytona_computer_use_start(sandbox, NULL);
  has_desktop = daytona_future_await(future) == 0;
  daytona_future_release(future);
  future = api_must(daytona_process_exec(sandbox, "command -v ffmpeg", NULL));
  has_ffmpeg = daytona_future_exec_result(future)->exit_code == 0;
  daytona_future_release(future);
  return 0;
}

static int close_shared(void **state) {
  session_delete(sandbox);
  session_close(&shared);
  return 0;
}

static void processes_are_told(void **state) {
  if (!has_desktop) skip();
  daytona_future_t *future = api_must(daytona_computer_use_start(sandbox, NULL));
  const daytona_computer_use_result_t *result = daytona_future_computer_use_result(future);
  assert_true(result->process_count >= 4);
  for (size_t i = 0; i < result->process_count; i++) {
    const daytona_computer_use_process_t *process = result->processes[i];
    if (strcmp(process->name, "atspi") == 0) continue; /* of accessibility, where there is one */
    assert_true(process->is_running && process->restarts);
    assert_true(process->pid.is_set && process->priority >= 100);
  }
  daytona_future_release(future);
  future = api_must(daytona_computer_use_get_status(sandbox, NULL));
  assert_string_equal(daytona_future_string(future), "active");
  daytona_future_release(future);
  future = api_must(daytona_computer_use_get_process_status(sandbox, "xfce4", NULL));
  assert_true(daytona_future_computer_use_process_status(future)->is_running);
  daytona_future_release(future);
  future = api_must(daytona_computer_use_get_process_logs(sandbox, "x11vnc", NULL));
  assert_non_null(strstr(daytona_future_string(future), "PORT=5901"));
  daytona_future_release(future);
  done(daytona_computer_use_get_process_errors(sandbox, "x11vnc", NULL));
  done(daytona_computer_use_restart_process(sandbox, "x11vnc", NULL));
  api_fails_as(daytona_computer_use_get_process_status(sandbox, "nosuch", NULL), DAYTONA_EUNAVAILABLE);
  api_fails_as(daytona_computer_use_restart_process(sandbox, "nosuch", NULL), DAYTONA_EINVAL);
}

static void is_at(daytona_future_t *future, int x, int y) {
  const daytona_mouse_position_t *at = daytona_future_mouse_position(api_must(future));
  assert_int_equal(at->x, x);
  assert_int_equal(at->y, y);
  daytona_future_release(future);
}

static void the_mouse_moves(void **state) {
  const char *const names[] = {"ctrl", "shift"};
  const daytona_strings_t modifiers = {names, 2};
  if (!has_desktop) skip();
  is_at(daytona_mouse_move(sandbox, 700, 500, NULL), 700, 500);
  is_at(daytona_mouse_get_position(sandbox, NULL), 700, 500);
  const daytona_mouse_click_opts_t click = {.button = "middle", .clicks = {true, 3}, .modifiers = modifiers};
  is_at(daytona_mouse_click(sandbox, 710, 510, &click), 710, 510);
  is_at(daytona_mouse_drag(sandbox, 700, 400, 720, 450, &(daytona_mouse_drag_opts_t){.modifiers = modifiers}),
        720, 450);
  const char *const directions[] = {"up", "down", "left", "right"};
  for (size_t i = 0; i < 4; i++)
    done(daytona_mouse_scroll(sandbox, 700, 500, directions[i],
                              &(daytona_mouse_scroll_opts_t){.amount = {true, 2}}));
  is_at(daytona_mouse_down(sandbox, &(daytona_mouse_button_opts_t){.x = {true, 600}, .y = {true, 550}}), 600,
        550);
  is_at(daytona_mouse_up(sandbox, NULL), 600, 550);
  api_fails_as(daytona_mouse_move(sandbox, 800, 1, NULL), DAYTONA_EINVAL);
  api_fails_as(daytona_mouse_click(sandbox, 1, 1, &(daytona_mouse_click_opts_t){.button = "fourth"}),
               DAYTONA_EINVAL);
  api_fails_as(daytona_mouse_down(sandbox, &(daytona_mouse_button_opts_t){.x = {true, 1}}), DAYTONA_EINVAL);
}

/* A terminal whose input goes into the file "typed"; the window that has the focus then. */
static void open_terminal(void) {
  session_expect(sandbox, "(xterm -T typed -e sh -c 'cat >typed' >/dev/null 2>&1 </dev/null &)", 0, "");
  for (int i = 0; i < 300; i++) {
    daytona_future_t *future = api_must(daytona_display_get_windows(sandbox, NULL));
    const daytona_display_window_list_t *windows = daytona_future_display_window_list(future);
    bool is_there = windows->count == 1 && strcmp(windows->items[0]->title, "typed") == 0;
    int x = is_there ? windows->items[0]->x + 20 : 0, y = is_there ? windows->items[0]->y + 20 : 0;
    daytona_future_release(future);
    if (!is_there) continue;
    is_at(daytona_mouse_click(sandbox, x, y, NULL), x, y);
    return;
  }
  fail_msg("the terminal has shown no window");
}

static void text_is_typed(void **state) {
  const char *const shift[] = {"shift"};
  if (!has_desktop) skip();
  open_terminal();
  done(daytona_keyboard_type(sandbox, "Gr\xc3\xbc\xc3\x9f\x65, \xe6\xbc\xa2\n", NULL));
  done(daytona_keyboard_type(sandbox, "slow", &(daytona_keyboard_type_opts_t){.delay_ms = {true, 5}}));
  done(daytona_keyboard_press(sandbox, "a", &(daytona_keyboard_press_opts_t){.modifiers = {shift, 1}}));
  done(daytona_keyboard_down(sandbox, "shift", NULL));
  done(daytona_keyboard_press(sandbox, "b", NULL));
  done(daytona_keyboard_up(sandbox, "shift", NULL));
  done(daytona_keyboard_press(sandbox, "Return", NULL));
  done(daytona_keyboard_hotkey(sandbox, "ctrl+d", NULL));
  session_expect(sandbox, "while pgrep xterm >/dev/null; do sleep 0.05; done; cat typed", 0,
                 "Gr\xc3\xbc\xc3\x9f\x65, \xe6\xbc\xa2\nslowAB\n");
  done(daytona_keyboard_type(sandbox, "", NULL));
  api_fails_as(daytona_keyboard_type(sandbox, "a\tb", NULL), DAYTONA_EINVAL);
  api_fails_as(daytona_keyboard_press(sandbox, "nosuch", NULL), DAYTONA_EINVAL);
  api_fails_as(daytona_keyboard_hotkey(sandbox, "a+b", NULL), DAYTONA_EINVAL);
  char *large = calloc(1, (1 << 20) + 1);
  memset(large, 'x', 1 << 20);
  api_fails_as(daytona_keyboard_type(sandbox, large, NULL), DAYTONA_EINVAL);
  free(large);
}

static void has_size(daytona_future_t *future, const char *format, int width, int height) {
  const daytona_screenshot_t *shot = daytona_future_screenshot(api_must(future));
  assert_string_equal(shot->format, format);
  assert_int_equal(shot->width, width);
  assert_int_equal(shot->height, height);
  if (shot->size_bytes.is_set) assert_int_equal(shot->size_bytes.value, shot->image.size);
  daytona_future_release(future);
}

static void screenshots_are_taken(void **state) {
  if (!has_desktop) skip();
  has_size(daytona_screenshot_take_full_screen(sandbox, NULL), "png", 800, 600);
  has_size(daytona_screenshot_take_region(sandbox, 790, 590, 64, 48,
                                          &(daytona_screenshot_opts_t){.shows_cursor = true}),
           "png", 64, 48);
  const char *const formats[] = {"png", "jpeg", "webp"};
  for (size_t i = 0; i < 3; i++) {
    const daytona_screenshot_compressed_opts_t opts = {
      .format = formats[i], .quality = {true, 50}, .scale = {true, 0.5}, .shows_cursor = {true, true}};
    has_size(daytona_screenshot_take_compressed(sandbox, &opts), formats[i], 400, 300);
    has_size(daytona_screenshot_take_compressed_region(sandbox, 10, 20, 64, 48, &opts), formats[i], 32, 24);
  }
  daytona_future_t *future = api_must(daytona_display_get_info(sandbox, NULL));
  const daytona_display_info_list_t *displays = daytona_future_display_info_list(future);
  assert_int_equal(displays->count, 1);
  assert_int_equal(displays->items[0]->width, 800);
  assert_int_equal(displays->items[0]->height, 600);
  daytona_future_release(future);
  api_fails_as(daytona_screenshot_take_region(sandbox, 0, 0, 0, 5, NULL), DAYTONA_EINVAL);
  const daytona_screenshot_compressed_opts_t bad[] = {
    {.format = "bmp"}, {.quality = {true, 0}}, {.scale = {true, 0.01}}};
  for (size_t i = 0; i < 3; i++)
    api_fails_as(daytona_screenshot_take_compressed(sandbox, &bad[i]), DAYTONA_EINVAL);
}

static size_t count_bytes(const char *bytes, size_t size, void *user) {
  *(size_t *)user += size;
  return size;
}

static void films_are_recorded(void **state) {
  const daytona_recording_start_opts_t named = {.label = "a film"};
  if (!has_desktop || !has_ffmpeg) skip();
  daytona_future_t *future = api_must(daytona_recording_start(sandbox, &named));
  char *id = strdup(daytona_future_recording(future)->id);
  assert_string_equal(daytona_future_recording(future)->status, "recording");
  assert_non_null(strstr(daytona_future_recording(future)->file_name, "_a film_"));
  daytona_future_release(future);
  api_fails_as(daytona_recording_delete(sandbox, id, NULL), DAYTONA_ERECORDING_ACTIVE);
  api_fails_as(daytona_recording_download(sandbox, id, NULL), DAYTONA_ENOTFOUND);
  future = api_must(daytona_recording_stop(sandbox, id, NULL));
  size_t size = (size_t)daytona_future_recording(future)->size_bytes.value, counted = 0;
  assert_string_equal(daytona_future_recording(future)->status, "completed");
  assert_true(daytona_future_recording(future)->duration_seconds.is_set && size > 1000);
  daytona_future_release(future);
  future = api_must(daytona_recording_list(sandbox, NULL));
  assert_int_equal(daytona_future_recording_list(future)->count, 1);
  assert_string_equal(daytona_future_recording_list(future)->items[0]->id, id);
  daytona_future_release(future);
  future = api_must(daytona_recording_download(sandbox, id, NULL));
  assert_int_equal(daytona_future_bytes(future)->size, size);
  assert_memory_equal((const char *)daytona_future_bytes(future)->data + 4, "ftyp", 4);
  daytona_future_release(future);
  done(daytona_recording_download_file_stream(sandbox, id, count_bytes, &counted, NULL));
  assert_int_equal(counted, size);
  char path[] = "/tmp/client-desktop-XXXXXX";
  close(mkstemp(path));
  done(daytona_recording_download_file(sandbox, id, path, NULL));
  assert_int_equal(unlink(path), 0);
  done(daytona_recording_delete(sandbox, id, NULL));
  api_fails_as(daytona_recording_get(sandbox, id, NULL), DAYTONA_ENOTFOUND);
  api_fails_as(daytona_recording_stop(sandbox, id, NULL), DAYTONA_ENOTFOUND);
  api_fails_as(daytona_recording_start(sandbox, &(daytona_recording_start_opts_t){.label = "a/b"}),
               DAYTONA_EINVAL);
  free(id);
}

static void calls_can_be_cancelled(void **state) {
  const daytona_keyboard_type_opts_t slow = {.delay_ms = {true, 1000}};
  if (!has_desktop) skip();
  daytona_future_t *future =
    daytona_keyboard_type(sandbox, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", &slow);
  done(daytona_screenshot_take_full_screen(sandbox, NULL));
  daytona_future_cancel(future);
  api_fails_as(future, DAYTONA_ECANCELED);
  is_at(daytona_mouse_move(sandbox, 5, 5, NULL), 5, 5); /* which would wait for half a minute */
}

static void the_stop_ends_it(void **state) {
  if (!has_desktop) skip();
  daytona_future_t *future = api_must(daytona_computer_use_stop(sandbox, NULL));
  const daytona_computer_use_result_t *result = daytona_future_computer_use_result(future);
  for (size_t i = 0; i < result->process_count; i++) assert_false(result->processes[i]->is_running);
  daytona_future_release(future);
  api_fails_as(daytona_screenshot_take_full_screen(sandbox, NULL), DAYTONA_EUNAVAILABLE);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(processes_are_told), cmocka_unit_test(the_mouse_moves),
    cmocka_unit_test(text_is_typed),      cmocka_unit_test(screenshots_are_taken),
    cmocka_unit_test(films_are_recorded), cmocka_unit_test(calls_can_be_cancelled),
    cmocka_unit_test(the_stop_ends_it),
  };
  return cmocka_run_group_tests(tests, open_shared, close_shared);
}
