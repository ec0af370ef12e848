/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mouse and the keyboard.
 */
#include "toolbox/core/fields.h"
#include "toolbox/core/reply.h"
#include "toolbox/desktop/ask.h"
#include "toolbox/desktop/desktop.h"
#include "toolbox/desktop/keys.h"
#include "toolbox/desktop/life.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define BODY_MAX (8u * DL_DESKTOP_ASK_MAX) /* a text with every character escaped */
#define CLICKS_MAX 10
#define SCROLL_MAX 1000
#define DELAY_MAX_MS 10000

/* --- fields; each answers the request when it is wrong --- */

/* *is_set: NULL where that makes no difference. */
static bool read_int(dl_req_t *req, const json_t *body, const char *name, int32_t *out, bool *is_set) {
  json_t *value = dl_json_get_nocase(body, name);
  if (is_set != NULL) *is_set = value != NULL;
  if (value == NULL) return true;
  if (!json_is_integer(value) || json_integer_value(value) < INT32_MIN ||
      json_integer_value(value) > INT32_MAX) {
    dl_tb_reply_error_code(req, 400, "INVALID_REQUEST_BODY",
                           "invalid request body: field '%s' must be an integer", name);
    return false;
  }
  *out = (int32_t)json_integer_value(value);
  return true;
}

static bool read_button(dl_req_t *req, const json_t *body, int32_t *out) {
  static const char *const NAMES[] = {"left", "middle", "right"}; /* 1, 2, 3 */
  const char *name = "left";
  if (!dl_tb_field_text(req, body, "button", false, &name)) return false;
  if (*name == '\0') name = "left";
  for (int i = 0; i < 3; i++)
    if (strcasecmp(NAMES[i], name) == 0) {
      *out = i + 1;
      return true;
    }
  dl_tb_reply_error(req, 400, "unsupported mouse button \"%.64s\": expected one of left, right, middle",
                    name);
  return false;
}

/* `problem` is taken. */
static bool refuse(dl_req_t *req, char *problem) {
  dl_tb_reply_error(req, 400, "%s", problem);
  free(problem);
  return false;
}

static bool read_modifiers(dl_req_t *req, const json_t *body, dl_chord_t *chord) {
  json_t *names = NULL, *name;
  size_t i;
  if (!dl_tb_field_texts(req, body, "modifiers", &names)) return false;
  json_array_foreach (names, i, name) {
    char *problem = dl_modifier_add(chord, json_string_value(name));
    if (problem != NULL) return refuse(req, problem);
  }
  if (dl_chord_is_sound(chord)) return true;
  return refuse(req,
                dl_xstrdup("duplicate modifier usage after normalization: a key or modifier is named twice"));
}

static void set_modifiers(dl_desktop_ask_t *ask, const dl_chord_t *chord) {
  ask->modifier_count = chord->modifier_count;
  memcpy(ask->modifiers, chord->modifiers, sizeof ask->modifiers);
}

static void pass_on(dl_req_t *req, dl_toolbox_t *tb, const dl_desktop_ask_t *ask, dl_desktop_shape_cb shape) {
  dl_desktop_pass_on(req, tb->desktop->input, ask, NULL, shape);
}

/* --- mouse --- */

static bool read_move(dl_req_t *req, const json_t *body, dl_desktop_ask_t *ask) {
  ask->kind = DL_DESKTOP_MOVE;
  return read_int(req, body, "x", &ask->args[0], NULL) && read_int(req, body, "y", &ask->args[1], NULL);
}

static bool read_click(dl_req_t *req, const json_t *body, dl_desktop_ask_t *ask) {
  bool is_double = false, has_count = false;
  dl_chord_t chord = {0};
  if (!read_move(req, body, ask) || !read_button(req, body, &ask->args[2]) ||
      !dl_tb_field_bool(req, body, "double", &is_double) ||
      !read_int(req, body, "clicks", &ask->args[3], &has_count) || !read_modifiers(req, body, &chord))
    return false;
  if (has_count && (ask->args[3] < 1 || ask->args[3] > CLICKS_MAX))
    return refuse(req, dl_xprintf("clicks must be from 1 to %d", CLICKS_MAX));
  if (!has_count) ask->args[3] = is_double ? 2 : 1;
  ask->kind = DL_DESKTOP_CLICK;
  set_modifiers(ask, &chord);
  return true;
}

static bool read_drag(dl_req_t *req, const json_t *body, dl_desktop_ask_t *ask) {
  static const char *const NAMES[] = {"startX", "startY", "endX", "endY"};
  dl_chord_t chord = {0};
  for (int i = 0; i < 4; i++)
    if (!read_int(req, body, NAMES[i], &ask->args[i], NULL)) return false;
  if (!read_button(req, body, &ask->args[4]) || !read_modifiers(req, body, &chord)) return false;
  ask->kind = DL_DESKTOP_DRAG;
  set_modifiers(ask, &chord);
  return true;
}

static bool read_scroll(dl_req_t *req, const json_t *body, dl_desktop_ask_t *ask) {
  static const char *const NAMES[] = {"up", "down", "left", "right"}; /* buttons 4 to 7 */
  const char *direction = "";
  dl_chord_t chord = {0};
  int button = 0;
  if (!read_move(req, body, ask) || !dl_tb_field_text(req, body, "direction", false, &direction) ||
      !read_int(req, body, "amount", &ask->args[3], NULL) || !read_modifiers(req, body, &chord))
    return false;
  for (int i = 0; i < 4; i++)
    if (strcasecmp(NAMES[i], direction) == 0) button = i + 4;
  if (button == 0)
    return refuse(
      req, dl_xprintf("unsupported scroll direction \"%.64s\": expected up, down, left or right", direction));
  if (ask->args[3] < 0) return refuse(req, dl_xstrdup("scroll amount must be greater than or equal to 0"));
  if (ask->args[3] > SCROLL_MAX)
    return refuse(req, dl_xprintf("scroll amount must not be greater than %d", SCROLL_MAX));
  if (ask->args[3] == 0) ask->args[3] = 1;
  ask->kind = DL_DESKTOP_SCROLL;
  ask->args[2] = button;
  set_modifiers(ask, &chord);
  return true;
}

static bool read_hold(dl_req_t *req, const json_t *body, dl_desktop_ask_t *ask) {
  bool has_x, has_y;
  if (!read_int(req, body, "x", &ask->args[3], &has_x) || !read_int(req, body, "y", &ask->args[4], &has_y) ||
      !read_button(req, body, &ask->args[0]))
    return false;
  if (has_x != has_y) return refuse(req, dl_xstrdup("give both x and y, or neither"));
  ask->args[2] = has_x;
  ask->kind = DL_DESKTOP_BUTTON;
  return true;
}

static bool reply_scrolled(dl_req_t *req, int status) {
  if (status != 200) return false;
  dl_tb_reply_json(req, 200, json_pack("{s:b}", "success", 1));
  return true;
}

typedef bool (*read_cb)(dl_req_t *req, const json_t *body, dl_desktop_ask_t *ask);

/* `ask`: what is known already. */
static void act(dl_req_t *req, dl_toolbox_t *tb, const char *body, size_t len, dl_desktop_ask_t ask,
                read_cb read, dl_desktop_shape_cb shape) {
  json_t *value = dl_tb_body(req, body, len);
  if (value != NULL && read(req, value, &ask)) pass_on(req, tb, &ask, shape);
  json_decref(value);
}

#define ACTION(name, read, shape, ...)                                               \
  static void name##_body(dl_req_t *req, const char *body, size_t len, void *user) { \
    act(req, user, body, len, (dl_desktop_ask_t){__VA_ARGS__}, read, shape);         \
  }                                                                                  \
  static void name(dl_req_t *req, void *user) { dl_req_read_body(req, BODY_MAX, name##_body, user); }

ACTION(on_move, read_move, NULL, .args = {0})
ACTION(on_click, read_click, NULL, .args = {0})
ACTION(on_drag, read_drag, NULL, .args = {0})
ACTION(on_scroll, read_scroll, reply_scrolled, .args = {0})
ACTION(on_mouse_down, read_hold, NULL, .args = {[1] = 1})
ACTION(on_mouse_up, read_hold, NULL, .args = {0})

static void on_position(dl_req_t *req, void *user) {
  dl_desktop_ask_t ask = {.kind = DL_DESKTOP_POSITION};
  pass_on(req, user, &ask, NULL);
}

/* --- keyboard --- */

static void on_type_body(dl_req_t *req, const char *body, size_t len, void *user) {
  dl_toolbox_t *tb = user;
  dl_desktop_ask_t ask = {.kind = DL_DESKTOP_TYPE};
  json_t *value = dl_tb_body(req, body, len);
  const char *text = "";
  char *typed = NULL;
  size_t size = 0;
  if (value != NULL && dl_tb_field_text(req, value, "text", false, &text) &&
      read_int(req, value, "delay", &ask.args[0], NULL)) {
    char *problem = dl_typed_text(text, &typed, &size);
    if (problem == NULL && (ask.args[0] < 0 || ask.args[0] > DELAY_MAX_MS))
      problem = dl_xprintf("delay must be from 0 to %d milliseconds", DELAY_MAX_MS);
    ask.size = (uint32_t)size;
    if (problem != NULL)
      refuse(req, problem);
    else
      dl_desktop_pass_on(req, tb->desktop->input, &ask, typed, NULL);
  }
  free(typed);
  json_decref(value);
}

static void on_type(dl_req_t *req, void *user) { dl_req_read_body(req, BODY_MAX, on_type_body, user); }

static bool read_key(dl_req_t *req, const json_t *body, uint32_t *keysym) {
  const char *name = "";
  if (!dl_tb_field_text(req, body, "key", false, &name)) return false;
  char *problem = dl_key_parse(name, keysym);
  return problem == NULL || refuse(req, problem);
}

static bool read_press(dl_req_t *req, const json_t *body, dl_desktop_ask_t *ask) {
  dl_chord_t chord = {0};
  if (!read_key(req, body, &chord.key) || !read_modifiers(req, body, &chord)) return false;
  ask->kind = DL_DESKTOP_PRESS;
  ask->args[0] = (int32_t)chord.key;
  set_modifiers(ask, &chord);
  return true;
}

static bool read_hotkey(dl_req_t *req, const json_t *body, dl_desktop_ask_t *ask) {
  const char *keys = "";
  dl_chord_t chord;
  if (!dl_tb_field_text(req, body, "keys", false, &keys)) return false;
  char *problem = dl_hotkey_parse(keys, &chord);
  if (problem != NULL) return refuse(req, problem);
  ask->kind = DL_DESKTOP_PRESS;
  ask->args[0] = (int32_t)chord.key;
  set_modifiers(ask, &chord);
  return true;
}

static bool read_held_key(dl_req_t *req, const json_t *body, dl_desktop_ask_t *ask) {
  uint32_t keysym;
  if (!read_key(req, body, &keysym)) return false;
  ask->kind = DL_DESKTOP_KEY;
  ask->args[0] = (int32_t)keysym;
  return true;
}

ACTION(on_press, read_press, NULL, .args = {0})
ACTION(on_hotkey, read_hotkey, NULL, .args = {0})
ACTION(on_key_down, read_held_key, NULL, .args = {[1] = 1})
ACTION(on_key_up, read_held_key, NULL, .args = {0})

static const dl_route_t ROUTES[] = {
  {"GET", "/computeruse/mouse/position", on_position, 0},
  {"POST", "/computeruse/mouse/move", on_move, 0},
  {"POST", "/computeruse/mouse/click", on_click, 0},
  {"POST", "/computeruse/mouse/drag", on_drag, 0},
  {"POST", "/computeruse/mouse/scroll", on_scroll, 0},
  {"POST", "/computeruse/mouse/down", on_mouse_down, 0},
  {"POST", "/computeruse/mouse/up", on_mouse_up, 0},
  {"POST", "/computeruse/keyboard/type", on_type, 0},
  {"POST", "/computeruse/keyboard/key", on_press, 0},
  {"POST", "/computeruse/keyboard/hotkey", on_hotkey, 0},
  {"POST", "/computeruse/keyboard/down", on_key_down, 0},
  {"POST", "/computeruse/keyboard/up", on_key_up, 0},
};
const dl_route_table_t DL_TB_INPUT_ROUTES = {ROUTES, DL_COUNT(ROUTES)};
