/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A desktop's processes, mouse, keyboard and windows: what is sent for each call, what responses become, and recorded
 * exchanges with the published toolbox.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/api_scene.h"
#include "support/check.h"
#include "support/misuse.h"
#include "support/recorded.h"
#include "support/same_json.h"

#define USE "/toolbox/sb-1/computeruse/"
#define AT_3_4 "{\"x\":3,\"y\":4}"

/* The body of the request that came last. */
static const char *last_body(const api_scene_t *scene) {
  return api_body_of(scene->requests[scene->request_count - 1]);
}

/* --- processes --------------------------------------------------------------------------------- */

static void start_and_stop_report_every_process(void **state) {
  (void)state;
  static const char body[] =
    "{\"message\":\"started\",\"status\":{\"xvfb\":{\"Running\":true,\"Priority\":100,\"AutoRestart\":true,"
    "\"Pid\":4711},\"n\\u00fc\":{\"running\":false,\"priority\":2,\"autoRestart\":false,\"pid\":null,\"x\":["
    "1]}}}";
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  api_answer(&scene, "POST " USE "start", 200, body);
  api_answer(&scene, "POST " USE "stop", 200, "{\"message\":\"stopped\"}");
  daytona_future_t *future = api_must(daytona_computer_use_start(sandbox, NULL));
  const daytona_computer_use_result_t *result = daytona_future_computer_use_result(future);
  assert_string_equal(result->message, "started");
  assert_int_equal(result->process_count, 2);
  assert_string_equal(result->processes[0]->name, "xvfb");
  assert_true(result->processes[0]->is_running && result->processes[0]->restarts);
  assert_int_equal(result->processes[0]->priority, 100);
  assert_true(result->processes[0]->pid.is_set);
  assert_int_equal(result->processes[0]->pid.value, 4711);
  assert_string_equal(result->processes[1]->name, "n\xc3\xbc");
  assert_false(result->processes[1]->is_running || result->processes[1]->restarts);
  assert_int_equal(result->processes[1]->priority, 2);
  assert_false(result->processes[1]->pid.is_set);
  assert_wrong_accessor(daytona_future_mouse_position(future));
  daytona_future_release(future);
  future = api_must(daytona_computer_use_stop(sandbox, NULL));
  assert_int_equal(daytona_future_computer_use_result(future)->process_count, 0);
  daytona_future_release(future);
  api_close_with(&scene, sandbox);
}

static void processes_that_cannot_be_read_are_an_error(void **state) {
  (void)state;
  static const char *const statuses[] = {"[]", "\"x\"", "{\"a\":1}", "{\"a\":{\"Running\":\"yes\"}}"};
  for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
    char body[128];
    api_scene_t scene;
    daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
    snprintf(body, sizeof body, "{\"status\":%s}", statuses[i]);
    api_answer(&scene, "POST " USE "start", 200, body);
    api_fails(daytona_computer_use_start(sandbox, NULL), DAYTONA_EPROTOCOL);
    api_close_with(&scene, sandbox);
  }
}

static void processes_have_a_ceiling(void **state) {
  (void)state;
  static char body[80 << 10];
  for (int count = 64; count <= 65; count++) {
    char *end = body + sprintf(body, "{\"status\":{");
    for (int i = 0; i < count; i++) end += sprintf(end, "%s\"p%d\":{}", i != 0 ? "," : "", i);
    strcpy(end, "}}");
    api_scene_t scene;
    daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
    api_answer(&scene, "POST " USE "start", 200, body);
    if (count == 64)
      api_done(daytona_computer_use_start(sandbox, NULL));
    else
      api_fails(daytona_computer_use_start(sandbox, NULL), DAYTONA_ELIMIT);
    sprintf(body, "{\"status\":{\"a\":{\"x\":\"%0*d\"}}}", 70 << 10, 1);
    api_answer(&scene, "POST " USE "stop", 200, body);
    api_fails(daytona_computer_use_stop(sandbox, NULL), DAYTONA_ELIMIT);
    api_close_with(&scene, sandbox);
  }
}

static void states_and_texts_of_processes(void **state) {
  (void)state;
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  api_answer(&scene, "GET " USE "process-status", 200, "{\"status\":\"partial\"}");
  api_answer(&scene, "GET " USE "process/a%2Fb/status", 200, "{\"processName\":\"a/b\",\"running\":true}");
  api_answer(&scene, "POST " USE "process/xvfb/restart", 200, "{\"message\":\"m\",\"processName\":\"xvfb\"}");
  api_answer(&scene, "GET " USE "process/xvfb/logs", 200, "{\"processName\":\"xvfb\",\"logs\":\"l\\n\"}");
  api_answer(&scene, "GET " USE "process/xvfb/errors", 200, "{\"processName\":\"xvfb\",\"errors\":\"\"}");
  daytona_future_t *future = api_must(daytona_computer_use_get_status(sandbox, NULL));
  assert_string_equal(daytona_future_string(future), "partial");
  daytona_future_release(future);
  future = api_must(daytona_computer_use_get_process_status(sandbox, "a/b", NULL));
  assert_string_equal(daytona_future_computer_use_process_status(future)->name, "a/b");
  assert_true(daytona_future_computer_use_process_status(future)->is_running);
  daytona_future_release(future);
  future = api_must(daytona_computer_use_restart_process(sandbox, "xvfb", NULL));
  assert_string_equal(daytona_future_string(future), "m");
  daytona_future_release(future);
  future = api_must(daytona_computer_use_get_process_logs(sandbox, "xvfb", NULL));
  assert_string_equal(daytona_future_string(future), "l\n");
  daytona_future_release(future);
  future = api_must(daytona_computer_use_get_process_errors(sandbox, "xvfb", NULL));
  assert_string_equal(daytona_future_string(future), "");
  daytona_future_release(future);
  api_close_with(&scene, sandbox);
}

/* --- mouse ------------------------------------------------------------------------------------- */

static void must_be_at_3_4(daytona_future_t *future) {
  const daytona_mouse_position_t *position = daytona_future_mouse_position(api_must(future));
  assert_int_equal(position->x, 3);
  assert_int_equal(position->y, 4);
  daytona_future_release(future);
}

static void mouse_sends_defaults_and_zeros(void **state) {
  (void)state;
  static const daytona_mouse_button_opts_t at_zero = {.x = {true, 0}, .y = {true, 0}};
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  static const char *const tails[] = {"move", "click", "drag", "down", "up"};
  for (int i = 0; i < 5; i++) {
    char line[96];
    snprintf(line, sizeof line, "POST " USE "mouse/%s", tails[i]);
    api_answer(&scene, line, 200, AT_3_4);
  }
  api_answer(&scene, "GET " USE "mouse/position", 200, AT_3_4);
  must_be_at_3_4(daytona_mouse_get_position(sandbox, NULL));
  must_be_at_3_4(daytona_mouse_move(sandbox, 0, -5, NULL));
  assert_same_json(last_body(&scene), "{\"x\":0,\"y\":-5}");
  must_be_at_3_4(daytona_mouse_click(sandbox, 0, 7, NULL));
  assert_same_json(last_body(&scene), "{\"x\":0,\"y\":7,\"button\":\"left\",\"double\":false}");
  must_be_at_3_4(daytona_mouse_drag(sandbox, 0, 1, 2, 3, NULL));
  assert_same_json(last_body(&scene),
                   "{\"startX\":0,\"startY\":1,\"endX\":2,\"endY\":3,\"button\":\"left\"}");
  must_be_at_3_4(daytona_mouse_down(sandbox, NULL));
  assert_same_json(last_body(&scene), "{\"button\":\"left\"}");
  must_be_at_3_4(daytona_mouse_up(sandbox, &at_zero));
  assert_same_json(last_body(&scene), "{\"button\":\"left\",\"x\":0,\"y\":0}");
  api_close_with(&scene, sandbox);
}

static void mouse_sends_all_options(void **state) {
  (void)state;
  static const char *const names[] = {"ctrl", "Shift"};
  const daytona_mouse_click_opts_t click = {
    .button = "RIGHT", .is_double = true, .clicks = daytona_int(0), .modifiers = {names, 2}};
  const daytona_mouse_drag_opts_t drag = {.button = "middle", .modifiers = {names, 1}};
  const daytona_mouse_button_opts_t down = {.button = "right", .x = daytona_int(9)};
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  api_answer(&scene, "POST " USE "mouse/click", 200, AT_3_4);
  api_answer(&scene, "POST " USE "mouse/drag", 200, AT_3_4);
  api_answer(&scene, "POST " USE "mouse/down", 200, AT_3_4);
  api_done(daytona_mouse_click(sandbox, 1, 2, &click));
  assert_same_json(last_body(&scene),
                   "{\"x\":1,\"y\":2,\"button\":\"RIGHT\",\"double\":true,\"clicks\":0,"
                   "\"modifiers\":[\"ctrl\",\"Shift\"]}");
  api_done(daytona_mouse_drag(sandbox, 1, 2, 3, 4, &drag));
  assert_same_json(last_body(&scene),
                   "{\"startX\":1,\"startY\":2,\"endX\":3,\"endY\":4,\"button\":\"middle\","
                   "\"modifiers\":[\"ctrl\"]}");
  api_done(daytona_mouse_down(sandbox, &down)); /* one coordinate alone is the sandbox's to judge */
  assert_same_json(last_body(&scene), "{\"button\":\"right\",\"x\":9}");
  api_close_with(&scene, sandbox);
}

static void scrolling_must_be_confirmed(void **state) {
  (void)state;
  static const char *const names[] = {"ctrl"};
  const daytona_mouse_scroll_opts_t opts = {.amount = daytona_int(0), .modifiers = {names, 1}};
  const daytona_mouse_scroll_opts_t negative = {.amount = daytona_int(-1)};
  static const char *const refusals[] = {"{\"success\":false}", "{}"};
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  api_answer(&scene, "POST " USE "mouse/scroll", 200, "{\"success\":true}");
  api_done(daytona_mouse_scroll(sandbox, 0, 1, "down", NULL));
  assert_same_json(last_body(&scene), "{\"x\":0,\"y\":1,\"direction\":\"down\",\"amount\":1}");
  api_done(daytona_mouse_scroll(sandbox, 0, 1, "left", &opts));
  assert_same_json(last_body(&scene),
                   "{\"x\":0,\"y\":1,\"direction\":\"left\",\"amount\":0,\"modifiers\":[\"ctrl\"]}");
  api_fails(daytona_mouse_scroll(sandbox, 0, 1, "up", &negative), DAYTONA_EINVAL);
  api_fails(daytona_mouse_scroll(sandbox, 0, 1, "", NULL), DAYTONA_EINVAL);
  assert_int_equal(scene.request_count, 2);
  for (int i = 0; i < 2; i++) {
    api_forget(&scene, "POST " USE "mouse/scroll");
    api_answer(&scene, "POST " USE "mouse/scroll", 200, refusals[i]);
    daytona_future_t *future =
      api_must_fail(daytona_mouse_scroll(sandbox, 0, 1, "up", NULL), DAYTONA_EFAILED);
    api_says(future, "Failed to scroll mouse: ");
    daytona_future_release(future);
  }
  api_close_with(&scene, sandbox);
}

/* --- keyboard ---------------------------------------------------------------------------------- */

static void keyboard_sends_what_was_given(void **state) {
  (void)state;
  static const char *const names[] = {"ctrl", "alt"};
  const daytona_keyboard_type_opts_t slow = {.delay_ms = daytona_int(0)},
                                     negative = {.delay_ms = daytona_int(-1)};
  const daytona_keyboard_press_opts_t with = {.modifiers = {names, 2}};
  static const char *const tails[] = {"type", "key", "hotkey", "down", "up"};
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  for (int i = 0; i < 5; i++) {
    char line[96];
    snprintf(line, sizeof line, "POST " USE "keyboard/%s", tails[i]);
    api_answer(&scene, line, 200, "{}");
  }
  api_done(daytona_keyboard_type(sandbox, "", NULL));
  assert_same_json(last_body(&scene), "{\"text\":\"\"}");
  api_done(daytona_keyboard_type(sandbox, "gr\xc3\xbcn\n", &slow));
  assert_same_json(last_body(&scene), "{\"text\":\"gr\xc3\xbcn\\n\",\"delay\":0}");
  api_done(daytona_keyboard_press(sandbox, "Return", NULL));
  assert_same_json(last_body(&scene), "{\"key\":\"Return\",\"modifiers\":[]}");
  api_done(daytona_keyboard_press(sandbox, "a", &with));
  assert_same_json(last_body(&scene), "{\"key\":\"a\",\"modifiers\":[\"ctrl\",\"alt\"]}");
  api_done(daytona_keyboard_hotkey(sandbox, "ctrl+shift+t", NULL));
  assert_same_json(last_body(&scene), "{\"keys\":\"ctrl+shift+t\"}");
  api_done(daytona_keyboard_down(sandbox, "shift", NULL));
  assert_same_json(last_body(&scene), "{\"key\":\"shift\"}");
  api_done(daytona_keyboard_up(sandbox, "shift", NULL));
  assert_same_json(last_body(&scene), "{\"key\":\"shift\"}");
  size_t before = scene.request_count;
  api_fails(daytona_keyboard_type(sandbox, NULL, NULL), DAYTONA_EINVAL);
  api_fails(daytona_keyboard_type(sandbox, "\xff", NULL), DAYTONA_EINVAL);
  api_fails(daytona_keyboard_type(sandbox, "x", &negative), DAYTONA_EINVAL);
  api_fails(daytona_keyboard_press(sandbox, "", NULL), DAYTONA_EINVAL);
  api_fails(daytona_keyboard_hotkey(sandbox, "", NULL), DAYTONA_EINVAL);
  api_fails(daytona_keyboard_down(sandbox, NULL, NULL), DAYTONA_EINVAL);
  api_fails(daytona_keyboard_up(sandbox, "", NULL), DAYTONA_EINVAL);
  assert_int_equal(scene.request_count, before);
  api_close_with(&scene, sandbox);
}

/* A text that is typed may be a password. */
static void typed_text_is_redacted_from_errors(void **state) {
  (void)state;
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  api_answer(&scene, "POST " USE "keyboard/type", 400, "{\"error\":\"cannot type correct horse\"}");
  daytona_future_t *future =
    api_must_fail(daytona_keyboard_type(sandbox, "correct horse", NULL), DAYTONA_EINVAL);
  api_says(future, "cannot type ***");
  assert_null(strstr(daytona_future_error(future)->body, "horse"));
  daytona_future_release(future);
  api_close_with(&scene, sandbox);
}

/* --- display ----------------------------------------------------------------------------------- */

static void displays_and_windows(void **state) {
  (void)state;
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  api_answer(&scene, "GET " USE "display/info", 200,
             "{\"displays\":[{\"id\":1,\"x\":2,\"y\":3,\"width\":4,\"height\":5,\"isActive\":true}]}");
  api_answer(&scene, "GET " USE "display/info", 200, "{\"displays\":null}");
  api_answer(&scene, "GET " USE "display/windows", 200,
             "{\"windows\":[{\"id\":108,\"title\":\"t\",\"x\":-1,\"y\":3,\"width\":4,\"height\":5,"
             "\"isActive\":false},{\"id\":6}]}");
  daytona_future_t *future = api_must(daytona_display_get_info(sandbox, NULL));
  const daytona_display_info_list_t *displays = daytona_future_display_info_list(future);
  assert_int_equal(displays->count, 1);
  assert_int_equal(displays->items[0]->id, 1);
  assert_int_equal(displays->items[0]->x, 2);
  assert_int_equal(displays->items[0]->y, 3);
  assert_int_equal(displays->items[0]->width, 4);
  assert_int_equal(displays->items[0]->height, 5);
  assert_true(displays->items[0]->is_active);
  daytona_future_release(future);
  future = api_must(daytona_display_get_info(sandbox, NULL));
  assert_int_equal(daytona_future_display_info_list(future)->count, 0);
  daytona_future_release(future);
  future = api_must(daytona_display_get_windows(sandbox, NULL));
  const daytona_display_window_list_t *windows = daytona_future_display_window_list(future);
  assert_int_equal(windows->count, 2);
  assert_string_equal(windows->items[0]->title, "t");
  assert_int_equal(windows->items[0]->id, 108);
  assert_int_equal(windows->items[0]->x, -1);
  assert_null(windows->items[1]->title);
  daytona_future_release(future);
  api_close_with(&scene, sandbox);
}

/* --- recordings -------------------------------------------------------------------------------- */

static const char *member(const recorded_step_t *step, const char *name, const char *fallback) {
  const char *text = recorded_member(step, name);
  return text != NULL ? text : fallback;
}

static int number(const recorded_step_t *step, const char *name) { return atoi(member(step, name, "0")); }

static daytona_opt_int_t optional(const recorded_step_t *step, const char *name) {
  const char *text = recorded_member(step, name);
  return text != NULL ? daytona_int(atoi(text)) : (daytona_opt_int_t){0};
}

/* The strings of an array at `name`. */
static daytona_strings_t strings(const recorded_step_t *step, const char *name) {
  static char text[512];
  static const char *items[8];
  size_t count = 0;
  snprintf(text, sizeof text, "%s", member(step, name, ""));
  for (char *at = strtok(text, "[]\", "); at != NULL && count < 8; at = strtok(NULL, "[]\", "))
    items[count++] = at;
  return (daytona_strings_t){items, count};
}

static daytona_future_t *ask_mouse(daytona_sandbox_t *sandbox, const recorded_step_t *step,
                                   const char *what) {
  int x = number(step, "x"), y = number(step, "y");
  const char *button = recorded_member(step, "button");
  if (strcmp(what, "position") == 0) return daytona_mouse_get_position(sandbox, NULL);
  if (strcmp(what, "move") == 0) return daytona_mouse_move(sandbox, x, y, NULL);
  if (strcmp(what, "click") == 0)
    return daytona_mouse_click(
      sandbox, x, y,
      &(daytona_mouse_click_opts_t){.button = button,
                                    .is_double = strcmp(member(step, "double", ""), "true") == 0});
  if (strcmp(what, "drag") == 0)
    return daytona_mouse_drag(sandbox, number(step, "startX"), number(step, "startY"), number(step, "endX"),
                              number(step, "endY"), &(daytona_mouse_drag_opts_t){.button = button});
  const daytona_mouse_scroll_opts_t opts = {.amount = optional(step, "amount")};
  return daytona_mouse_scroll(sandbox, x, y, member(step, "direction", ""), &opts);
}

static daytona_future_t *ask_keyboard(daytona_sandbox_t *sandbox, const recorded_step_t *step,
                                      const char *what) {
  if (strcmp(what, "type") == 0)
    return daytona_keyboard_type(sandbox, member(step, "text", ""),
                                 &(daytona_keyboard_type_opts_t){.delay_ms = optional(step, "delay")});
  if (strcmp(what, "key") == 0)
    return daytona_keyboard_press(sandbox, member(step, "key", ""),
                                  &(daytona_keyboard_press_opts_t){.modifiers = strings(step, "modifiers")});
  return daytona_keyboard_hotkey(sandbox, member(step, "keys", ""), NULL);
}

static daytona_future_t *ask_process(daytona_sandbox_t *sandbox, const char *what) {
  char name[32];
  snprintf(name, sizeof name, "%.*s", (int)strcspn(what, "/"), what);
  const char *verb = what + strlen(name) + 1;
  if (strcmp(verb, "status") == 0) return daytona_computer_use_get_process_status(sandbox, name, NULL);
  if (strcmp(verb, "logs") == 0) return daytona_computer_use_get_process_logs(sandbox, name, NULL);
  if (strcmp(verb, "errors") == 0) return daytona_computer_use_get_process_errors(sandbox, name, NULL);
  return daytona_computer_use_restart_process(sandbox, name, NULL);
}

/* The call that a recorded request is of. NULL: one of another header, or none that this client sends. */
static daytona_future_t *ask(daytona_sandbox_t *sandbox, const recorded_step_t *step) {
  if (strncmp(step->target, "/computeruse/", 13) != 0) return NULL;
  const char *what = step->target + 13;
  if (step->body[0] != '\0' && json_at(step->body, "") == NULL && step->body[strlen(step->body) - 1] != '}')
    return NULL; /* broken on purpose */
  if (strncmp(what, "mouse/", 6) == 0) return ask_mouse(sandbox, step, what + 6);
  if (strncmp(what, "keyboard/", 9) == 0) return ask_keyboard(sandbox, step, what + 9);
  if (strncmp(what, "process/", 8) == 0) return ask_process(sandbox, what + 8);
  if (strcmp(what, "process-status") == 0) return daytona_computer_use_get_status(sandbox, NULL);
  if (strcmp(what, "start") == 0) return daytona_computer_use_start(sandbox, NULL);
  if (strcmp(what, "stop") == 0) return daytona_computer_use_stop(sandbox, NULL);
  if (strcmp(what, "display/info") == 0) return daytona_display_get_info(sandbox, NULL);
  if (strcmp(what, "display/windows") == 0) return daytona_display_get_windows(sandbox, NULL);
  return NULL;
}

static void check_answer(const recorded_step_t *step, const daytona_future_t *future) {
  const char *what = step->target + 13;
  if (strcmp(what, "start") == 0 || strcmp(what, "stop") == 0) {
    const daytona_computer_use_result_t *result = daytona_future_computer_use_result(future);
    assert_string_equal(result->message, json_at(step->answer, "message"));
    assert_in_range(result->process_count, 4, 5);
  } else if (strncmp(what, "mouse/", 6) == 0 && strstr(what, "scroll") == NULL) {
    const daytona_mouse_position_t *position = daytona_future_mouse_position(future);
    assert_int_equal(position->x, atoi(json_at(step->answer, "x")));
    assert_int_equal(position->y, atoi(json_at(step->answer, "y")));
  } else if (strcmp(what, "display/info") == 0) {
    assert_int_equal(daytona_future_display_info_list(future)->items[0]->width, 1024);
  } else if (strcmp(what, "display/windows") == 0) {
    const daytona_display_window_list_t *windows = daytona_future_display_window_list(future);
    assert_true(windows->count >= 2);
    for (size_t i = 0; i < windows->count; i++) assert_true(windows->items[i]->title[0] != '\0');
  }
}

/* Play one step; false: it is not a call of these headers, or refused before it is sent. */
static bool play(const recorded_step_t *step) {
  char line[256];
  api_scene_t scene;
  daytona_sandbox_t *sandbox = api_open_with(&scene, "started");
  snprintf(line, sizeof line, "%s /toolbox/sb-1%s", step->verb, step->target);
  api_answer(&scene, line, step->status, step->answer);
  daytona_future_t *future = ask(sandbox, step);
  daytona_errcode_t code = future != NULL ? (daytona_errcode_t)daytona_future_await(future) : DAYTONA_OK;
  bool is_sent = future != NULL && scene.request_count != 0;
  if (is_sent && step->status == 200) assert_int_equal(code, DAYTONA_OK);
  if (is_sent && step->status == 200) check_answer(step, future);
  if (is_sent && step->status != 200) {
    const daytona_error_t *error = daytona_future_error(future);
    assert_int_equal(error->http_status, step->status);
    assert_true(strlen(error->message) > strlen("Failed to : "));
  }
  daytona_future_release(future);
  api_close_with(&scene, sandbox);
  return is_sent;
}

static void play_all(const char *name, int least) {
  int played = 0;
  for (const recorded_step_t *step = recorded_load(name); step->verb != NULL; step++) played += play(step);
  recorded_free();
  if (played < least) fail_msg("%s: only %d steps were played", name, played);
}

static void recorded_start_is_understood(void **state) {
  (void)state;
  play_all("computer-start.json", 10);
}

static void recorded_mouse_is_understood(void **state) {
  (void)state;
  play_all("computer-mouse.json", 14);
}

static void recorded_keyboard_is_understood(void **state) {
  (void)state;
  play_all("computer-keyboard.json", 28);
}

static void recorded_display_is_understood(void **state) {
  (void)state;
  play_all("computer-display.json", 2);
}

static void recorded_refusals_are_understood(void **state) {
  (void)state;
  play_all("computer-not-loaded.json", 10);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(start_and_stop_report_every_process),
    cmocka_unit_test(processes_that_cannot_be_read_are_an_error),
    cmocka_unit_test(processes_have_a_ceiling),
    cmocka_unit_test(states_and_texts_of_processes),
    cmocka_unit_test(mouse_sends_defaults_and_zeros),
    cmocka_unit_test(mouse_sends_all_options),
    cmocka_unit_test(scrolling_must_be_confirmed),
    cmocka_unit_test(keyboard_sends_what_was_given),
    cmocka_unit_test(typed_text_is_redacted_from_errors),
    cmocka_unit_test(displays_and_windows),
    cmocka_unit_test(recorded_start_is_understood),
    cmocka_unit_test(recorded_mouse_is_understood),
    cmocka_unit_test(recorded_keyboard_is_understood),
    cmocka_unit_test(recorded_display_is_understood),
    cmocka_unit_test(recorded_refusals_are_understood),
  };
  if (argc > 1) recorded_folder = argv[1];
  signal(SIGPIPE, SIG_IGN); /* the peer writes to clients that have gone */
  return cmocka_run_group_tests(tests, NULL, NULL);
}
