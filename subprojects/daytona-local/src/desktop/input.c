/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One action at a time. What an action presses it releases, whether or not it comes to its end; only BUTTON and KEY leave
 * something down, and that is noted.
 */
#include "desktop/input.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <xcb/xtest.h>

#define BUTTON_MS 12 /* a button is down */
#define BETWEEN_CLICKS_MS 40
#define DRAG_STEPS 20
#define DRAG_STEP_MS 8
#define SCROLL_STEP_MS 2
#define CHARS_PER_SYNC 64
#define SHIFT_L 0xffe1
#define CAPS_LOCK 0xffe5

static void fake(input_t *in, int type, unsigned detail, int x, int y) {
  xcb_test_fake_input(in->screen->x, (uint8_t)type, (uint8_t)detail, XCB_CURRENT_TIME, in->screen->root,
                      (int16_t)x, (int16_t)y, 0);
}

static void set_key(input_t *in, unsigned code, bool down) {
  fake(in, down ? XCB_KEY_PRESS : XCB_KEY_RELEASE, code, 0, 0);
}

static void set_button(input_t *in, unsigned button, bool down) {
  fake(in, down ? XCB_BUTTON_PRESS : XCB_BUTTON_RELEASE, button, 0, 0);
}

static void move_to(input_t *in, int x, int y) { fake(in, XCB_MOTION_NOTIFY, 0, x, y); }

static int64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool pause_ms(input_t *in, int ms) {
  xcb_flush(in->screen->x);
  return in->pause(in->user, ms);
}

static int refuse(dl_buf_t *out, int status, const char *text) {
  dl_buf_reset(out);
  dl_buf_puts(out, text);
  return status;
}

void input_release(input_t *in) {
  xcb_query_keymap_reply_t *keys =
    xcb_query_keymap_reply(in->screen->x, xcb_query_keymap(in->screen->x), NULL);
  bool has_keys = keys != NULL && screen_reply_bytes(keys->length) >= 8; /* the rest of the 32 */
  for (int code = 8; has_keys && code < KEYS_MAX; code++)
    if (keys->keys[code / 8] >> code % 8 & 1) set_key(in, (unsigned)code, false);
  free(keys);
  int x, y;
  unsigned mask = 0;
  if (screen_pointer(in->screen, &x, &y, &mask))
    for (unsigned button = 1; button <= 5; button++)
      if (mask >> (7 + button) & 1) set_button(in, button, false);
  memset(in->held_keys, 0, sizeof in->held_keys);
  in->held_buttons = 0;
  screen_sync(in->screen);
}

/* --- modifiers of one action --- */

typedef struct {
  uint8_t codes[DL_DESKTOP_MODIFIERS_MAX];
  int count;
} modifiers_t;

/* One that is down already is left to whom it belongs. */
static bool press_modifiers(input_t *in, const dl_desktop_ask_t *ask, modifiers_t *m) {
  stroke_t stroke;
  m->count = 0;
  if (ask->modifier_count == 0) return true;
  for (unsigned i = 0; i < ask->modifier_count && i < DL_DESKTOP_MODIFIERS_MAX; i++) {
    if (!keymap_find(&in->keys, ask->modifiers[i], &stroke)) return false;
    if (in->held_keys[stroke.code]) continue;
    set_key(in, stroke.code, true);
    m->codes[m->count++] = stroke.code;
  }
  return true;
}

static void release_modifiers(input_t *in, modifiers_t *m) {
  while (m->count > 0) set_key(in, m->codes[--m->count], false);
}

/* --- mouse --- */

static bool is_on_screen(input_t *in, int x, int y, dl_buf_t *out) {
  int width, height;
  screen_size(in->screen, &width, &height);
  if (x >= 0 && y >= 0 && x < width && y < height) return true;
  dl_buf_printf(out, "position %d, %d is outside of the screen, which has %d x %d pixels", x, y, width,
                height);
  return false;
}

static int answer_position(input_t *in, dl_buf_t *out) {
  int x, y;
  unsigned mask;
  screen_sync(in->screen);
  if (!screen_pointer(in->screen, &x, &y, &mask)) return refuse(out, 503, "the X server does not answer");
  dl_buf_printf(out, "{\"x\":%d,\"y\":%d}", x, y);
  return 200;
}

static void click(input_t *in, const dl_desktop_ask_t *ask) {
  unsigned button = (unsigned)ask->args[2];
  bool cancelled = false;
  for (int i = 0; i < ask->args[3] && !cancelled; i++) {
    if (i > 0 && (cancelled = pause_ms(in, BETWEEN_CLICKS_MS))) break;
    set_button(in, button, true);
    cancelled = pause_ms(in, BUTTON_MS);
    set_button(in, button, false);
  }
}

static void drag(input_t *in, const dl_desktop_ask_t *ask) {
  const int32_t *a = ask->args;
  unsigned button = (unsigned)a[4];
  set_button(in, button, true);
  bool cancelled = pause_ms(in, BUTTON_MS);
  for (int i = 1; i <= DRAG_STEPS && !cancelled; i++) {
    move_to(in, a[0] + (a[2] - a[0]) * i / DRAG_STEPS, a[1] + (a[3] - a[1]) * i / DRAG_STEPS);
    cancelled = pause_ms(in, DRAG_STEP_MS);
  }
  set_button(in, button, false);
}

static void scroll(input_t *in, const dl_desktop_ask_t *ask) {
  unsigned button = (unsigned)ask->args[2];
  bool cancelled = false;
  for (int i = 0; i < ask->args[3] && !cancelled; i++) {
    set_button(in, button, true);
    set_button(in, button, false);
    cancelled = pause_ms(in, SCROLL_STEP_MS);
  }
}

static int hold_button(input_t *in, const dl_desktop_ask_t *ask, dl_buf_t *out) {
  unsigned button = (unsigned)ask->args[0];
  bool down = ask->args[1] != 0;
  if (ask->args[2] != 0 && !is_on_screen(in, ask->args[3], ask->args[4], out)) return 400;
  if (ask->args[2] != 0) move_to(in, ask->args[3], ask->args[4]);
  set_button(in, button, down);
  if (down)
    in->held_buttons |= 1u << button;
  else
    in->held_buttons &= ~(1u << button);
  return answer_position(in, out);
}

/* Those that begin with a place and may have modifiers. */
static int run_at(input_t *in, const dl_desktop_ask_t *ask, dl_buf_t *out) {
  modifiers_t modifiers;
  if (!is_on_screen(in, ask->args[0], ask->args[1], out)) return 400;
  if (ask->kind == DL_DESKTOP_DRAG && !is_on_screen(in, ask->args[2], ask->args[3], out)) return 400;
  move_to(in, ask->args[0], ask->args[1]);
  bool ok = press_modifiers(in, ask, &modifiers);
  if (ok && ask->kind == DL_DESKTOP_CLICK) click(in, ask);
  if (ok && ask->kind == DL_DESKTOP_DRAG) drag(in, ask);
  if (ok && ask->kind == DL_DESKTOP_SCROLL) scroll(in, ask);
  release_modifiers(in, &modifiers);
  return ok ? answer_position(in, out) : refuse(out, 500, "the layout of the keyboard has no such modifier");
}

/* --- keyboard --- */

static size_t decode(const char *text, size_t size, uint32_t *keysyms) {
  size_t count = 0;
  for (size_t i = 0; i < size;) {
    unsigned char c = (unsigned char)text[i];
    int more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : c >= 0xc0 ? 1 : 0;
    uint32_t point = more == 3 ? c & 7u : more == 2 ? c & 15u : more == 1 ? c & 31u : c;
    for (i++; more > 0 && i < size; more--, i++) point = point << 6 | ((unsigned char)text[i] & 63u);
    keysyms[count++] = keysym_of_char(point);
  }
  return count;
}

static void strike(input_t *in, const stroke_t *stroke, uint8_t shift) {
  bool with_shift = stroke->needs_shift && shift != 0;
  if (with_shift) set_key(in, shift, true);
  set_key(in, stroke->code, true);
  set_key(in, stroke->code, false);
  if (with_shift) set_key(in, shift, false);
  keymap_pressed(&in->keys, stroke, now_ms());
}

/* Lends places to what follows; false: the ask was cancelled. *ready 0: there is no place for the first one. */
static bool lend_more(input_t *in, const uint32_t *keysyms, size_t count, size_t *ready) {
  int wait_ms;
  while ((*ready = keymap_lend(in->screen, &in->keys, keysyms, count, now_ms())) == 0) {
    screen_sync(in->screen);
    if ((wait_ms = keymap_wait_ms(&in->keys, now_ms())) < 0) return true;
    if (pause_ms(in, wait_ms)) return false;
  }
  return true;
}

static int type_all(input_t *in, const uint32_t *keysyms, size_t count, int delay_ms, dl_buf_t *out) {
  stroke_t shift = {0}, stroke;
  keymap_find(&in->keys, SHIFT_L, &shift);
  for (size_t at = 0; at < count;) {
    size_t ready = 0;
    if (!lend_more(in, keysyms + at, count - at, &ready)) return refuse(out, 499, "cancelled");
    if (ready == 0)
      return refuse(out, 500, "the layout of the keyboard has no key to spare for a character of the text");
    for (size_t end = at + ready; at < end; at++) {
      if (!keymap_find(&in->keys, keysyms[at], &stroke))
        return refuse(out, 500, "the layout was changed meanwhile");
      strike(in, &stroke, shift.code);
      bool is_round = (at + 1) % CHARS_PER_SYNC == 0;
      if (is_round) screen_sync(in->screen);
      if ((delay_ms > 0 || is_round) && pause_ms(in, delay_ms)) return refuse(out, 499, "cancelled");
    }
  }
  return 200;
}

static int type_text(input_t *in, const dl_desktop_ask_t *ask, const char *text, dl_buf_t *out) {
  int x, y;
  unsigned mask = 0;
  stroke_t caps;
  uint32_t *keysyms = dl_xcalloc(ask->size + 1, sizeof *keysyms);
  size_t count = decode(text, ask->size, keysyms);
  screen_pointer(in->screen, &x, &y, &mask);
  /* With Caps Lock on programs make capitals of letters, whichever key they come from. */
  bool has_caps = (mask & XCB_MOD_MASK_LOCK) != 0 && keymap_find(&in->keys, CAPS_LOCK, &caps);
  if (has_caps) strike(in, &caps, 0);
  int status = type_all(in, keysyms, count, ask->args[0], out);
  if (has_caps) strike(in, &caps, 0);
  keymap_give_up(&in->keys);
  screen_sync(in->screen);
  free(keysyms);
  return status == 200 ? refuse(out, 200, "{}") : status;
}

static bool find_key(input_t *in, uint32_t keysym, stroke_t *stroke) {
  size_t ready = 0;
  if (keymap_find(&in->keys, keysym, stroke)) return true;
  return lend_more(in, &keysym, 1, &ready) && ready == 1 && keymap_find(&in->keys, keysym, stroke);
}

static int press(input_t *in, const dl_desktop_ask_t *ask, dl_buf_t *out) {
  stroke_t stroke;
  modifiers_t modifiers;
  if (!find_key(in, (uint32_t)ask->args[0], &stroke))
    return refuse(out, 500, "the layout of the keyboard has no such key");
  bool ok = press_modifiers(in, ask, &modifiers);
  stroke_t shift = {0}; /* the digits of the number pad need it */
  if (stroke.needs_shift) keymap_find(&in->keys, SHIFT_L, &shift);
  if (ok) strike(in, &stroke, shift.code);
  release_modifiers(in, &modifiers);
  screen_sync(in->screen);
  return ok ? refuse(out, 200, "{}") : refuse(out, 500, "the layout of the keyboard has no such modifier");
}

static int hold_key(input_t *in, const dl_desktop_ask_t *ask, dl_buf_t *out) {
  stroke_t stroke;
  bool down = ask->args[1] != 0;
  if (!find_key(in, (uint32_t)ask->args[0], &stroke))
    return refuse(out, 500, "the layout of the keyboard has no such key");
  set_key(in, stroke.code, down);
  keymap_pressed(&in->keys, &stroke, now_ms());
  in->held_keys[stroke.code] = down;
  screen_sync(in->screen);
  return refuse(out, 200, "{}");
}

int input_run(input_t *in, const dl_desktop_ask_t *ask, const char *text, dl_buf_t *out) {
  if (!in->screen->has_test) return refuse(out, 500, "the X server takes no input from programs (no XTEST)");
  if (!keymap_load(in->screen, &in->keys)) return refuse(out, 503, "the X server does not answer");
  switch (ask->kind) {
    case DL_DESKTOP_PREPARE:
      keymap_make_room(in->screen, &in->keys);
      screen_sync(in->screen);
      return refuse(out, 200, "{}");
    case DL_DESKTOP_BUTTON: return hold_button(in, ask, out);
    case DL_DESKTOP_TYPE: return type_text(in, ask, text, out);
    case DL_DESKTOP_PRESS: return press(in, ask, out);
    case DL_DESKTOP_KEY: return hold_key(in, ask, out);
    default: return run_at(in, ask, out);
  }
}
