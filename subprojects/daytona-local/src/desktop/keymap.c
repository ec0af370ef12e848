/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading and changing the layout. Only the first group is used, and of it the plain and the shifted symbol; everything
 * else is lent a place of a key without a symbol. A layout has some twenty of those; a screen of ours has no need of the keys for
 * multimedia and gets a hundred more.
 */
#include "desktop/keymap.h"

#include <stdlib.h>
#include <string.h>

#define RETURN 0xff0d
/* The symbols of multimedia keys. */
#define VENDOR_FIRST 0x1008fe00u
#define VENDOR_LAST 0x1008ffffu

uint32_t keysym_of_char(uint32_t code_point) {
  if (code_point == '\n') return RETURN;
  bool is_latin1 = (code_point >= 0x20 && code_point < 0x7f) || (code_point >= 0xa0 && code_point <= 0xff);
  return is_latin1 ? code_point : 0x01000000u | code_point;
}

void keymap_clear(keymap_t *k) {
  free(k->symbols);
  k->symbols = NULL;
}

static const uint32_t *row_of(const keymap_t *k, int code) {
  return k->symbols + (code - k->first) * k->width;
}

static bool is_vendor(uint32_t keysym) { return keysym >= VENDOR_FIRST && keysym <= VENDOR_LAST; }

static bool means_nothing(const keymap_t *k, int code, bool counts_vendor) {
  const uint32_t *row = row_of(k, code);
  for (int i = 0; i < k->width; i++)
    if (row[i] != 0 && (counts_vendor || !is_vendor(row[i]))) return false;
  return true;
}

/* What was lent is still there unless somebody has set another layout. */
static void check_places(keymap_t *k, int code) {
  const uint32_t *row = row_of(k, code);
  bool is_ours = false;
  for (int level = 0; level < 2; level++) {
    place_t *p = &k->places[code][level];
    if (p->keysym != 0 && level < k->width && row[level] == p->keysym)
      is_ours = true;
    else
      *p = (place_t){0};
  }
  k->is_spare[code] = is_ours || means_nothing(k, code, true);
}

bool keymap_load(screen_t *s, keymap_t *k) {
  const xcb_setup_t *setup = xcb_get_setup(s->x);
  int first = setup->min_keycode, count = setup->max_keycode - first + 1;
  xcb_get_keyboard_mapping_reply_t *reply = xcb_get_keyboard_mapping_reply(
    s->x, xcb_get_keyboard_mapping(s->x, (uint8_t)first, (uint8_t)count), NULL);
  if (reply == NULL || reply->keysyms_per_keycode < 2 ||
      screen_reply_bytes(reply->length) < (uint64_t)count * reply->keysyms_per_keycode * 4) {
    free(reply);
    return false;
  }
  keymap_clear(k);
  k->first = first;
  k->count = count;
  k->width = reply->keysyms_per_keycode;
  size_t size = (size_t)count * (size_t)k->width * sizeof *k->symbols;
  k->symbols = dl_xmalloc(size);
  memcpy(k->symbols, xcb_get_keyboard_mapping_keysyms(reply), size);
  free(reply);
  for (int code = first; code < first + count; code++) check_places(k, code);
  return true;
}

bool keymap_find(const keymap_t *k, uint32_t keysym, stroke_t *out) {
  for (int level = 0; level < 2; level++)
    for (int code = k->first; code < k->first + k->count; code++) {
      if (row_of(k, code)[level] != keysym) continue;
      *out = (stroke_t){(uint8_t)code, level == 1};
      return true;
    }
  return false;
}

/* The place that was not pressed for longest; NULL when all of them wait to be pressed. */
static place_t *oldest_place(const keymap_t *k, int *code, int *level) {
  const place_t *oldest = NULL;
  for (int c = k->first + k->count - 1; c >= k->first; c--)
    for (int l = 0; l < 2 && k->is_spare[c]; l++) {
      const place_t *p = &k->places[c][l];
      if (p->is_waiting || (oldest != NULL && p->pressed_ms >= oldest->pressed_ms)) continue;
      oldest = p;
      *code = c;
      *level = l;
    }
  return (place_t *)oldest;
}

static bool is_settled(const place_t *p, int64_t now_ms) {
  return p->pressed_ms == 0 || now_ms - p->pressed_ms >= KEYMAP_SETTLE_MS;
}

/* Until all of them are settled: every change of the layout costs the programs time. */
int keymap_wait_ms(const keymap_t *k, int64_t now_ms) {
  int64_t latest = -1;
  for (int code = k->first; code < k->first + k->count; code++)
    for (int level = 0; level < 2 && k->is_spare[code]; level++) {
      const place_t *p = &k->places[code][level];
      if (!p->is_waiting && p->pressed_ms > latest) latest = p->pressed_ms;
    }
  if (latest < 0) return -1;
  int64_t left = latest + KEYMAP_SETTLE_MS - now_ms;
  return left > 0 ? (int)left : 0;
}

/* A place that was never lent is given the symbol of its neighbour: a key with one symbol gets another one from the server. */
static void set_symbol(keymap_t *k, int code, int level, uint32_t keysym) {
  uint32_t *row = k->symbols + (code - k->first) * k->width;
  k->places[code][level].keysym = keysym;
  for (int i = 0; i < k->width; i++) row[i] = 0;
  for (int i = 0; i < 2; i++) row[i] = k->places[code][i].keysym != 0 ? k->places[code][i].keysym : keysym;
  k->is_changed[code] = true;
}

/* Every request makes every program read the whole layout again, so neighbours go in one. */
static void send_changes(screen_t *s, keymap_t *k) {
  uint32_t symbols[KEYS_MAX * 2];
  for (int code = k->first; code < k->first + k->count;) {
    int end = code;
    while (end < k->first + k->count && k->is_changed[end]) end++;
    for (int i = code; i < end; i++) {
      memcpy(symbols + (i - code) * 2, row_of(k, i), 2 * sizeof *symbols);
      k->is_changed[i] = false;
    }
    if (end > code) xcb_change_keyboard_mapping(s->x, (uint8_t)(end - code), (uint8_t)code, 2, symbols);
    code = end + 1;
  }
}

void keymap_make_room(screen_t *s, keymap_t *k) {
  for (int code = k->first; code < k->first + k->count; code++) {
    if (k->is_spare[code] || !means_nothing(k, code, false)) continue;
    for (int i = 0; i < k->width; i++) k->symbols[(code - k->first) * k->width + i] = 0;
    k->is_spare[code] = k->is_changed[code] = true;
  }
  send_changes(s, k);
}

size_t keymap_lend(screen_t *s, keymap_t *k, const uint32_t *keysyms, size_t count, int64_t now_ms) {
  size_t ready = 0;
  for (; ready < count; ready++) {
    stroke_t stroke;
    int code, level;
    if (keymap_find(k, keysyms[ready], &stroke)) {
      place_t *p = &k->places[stroke.code][stroke.needs_shift];
      if (p->keysym != 0) p->is_waiting = true;
      continue;
    }
    place_t *p = oldest_place(k, &code, &level);
    if (p == NULL || !is_settled(p, now_ms)) break;
    p->is_waiting = true;
    set_symbol(k, code, level, keysyms[ready]);
  }
  send_changes(s, k);
  return ready;
}

void keymap_pressed(keymap_t *k, const stroke_t *stroke, int64_t now_ms) {
  place_t *p = &k->places[stroke->code][stroke->needs_shift];
  if (p->keysym == 0) return;
  p->is_waiting = false;
  p->pressed_ms = now_ms;
}

void keymap_give_up(keymap_t *k) {
  for (int code = 0; code < KEYS_MAX; code++)
    for (int level = 0; level < 2; level++) k->places[code][level].is_waiting = false;
}
