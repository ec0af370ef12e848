/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From keysyms to keys. Places of the layout that mean nothing here are lent to symbols that no key has.
 *
 * A place is a key, plain or with Shift. A program that is late looks a key up in the layout as it is by then, so a place is
 * given to another symbol only when its last press is some time ago, and the one that was not pressed for longest comes first.
 */
#ifndef DL_DESKTOP_KEYMAP_H
#define DL_DESKTOP_KEYMAP_H

#include "desktop/screen.h"

#define KEYS_MAX 256
/* Programs have looked up a key that was pressed so long ago. */
#define KEYMAP_SETTLE_MS 500

typedef struct {
  uint32_t keysym;    /* 0: not lent */
  int64_t pressed_ms; /* 0: never */
  bool is_waiting;    /* lent, and not pressed yet */
} place_t;

typedef struct {
  int first, count;                              /* keycodes of the server */
  int width;                                     /* symbols of a key */
  uint32_t *symbols;                             /* count rows */
  bool is_spare[KEYS_MAX], is_changed[KEYS_MAX]; /* is_changed: the server does not know it yet */
  place_t places[KEYS_MAX][2];
} keymap_t;

typedef struct {
  uint8_t code;
  bool needs_shift;
} stroke_t;

/* Reads the layout as it is now; false when the server has gone. */
bool keymap_load(screen_t *s, keymap_t *k);
void keymap_clear(keymap_t *k);
bool keymap_find(const keymap_t *k, uint32_t keysym, stroke_t *out);
/* Lends places to those of `keysyms` that have none, from the first on, as far as places go. Returns how many from the first
 * on have one now. */
size_t keymap_lend(screen_t *s, keymap_t *k, const uint32_t *keysyms, size_t count, int64_t now_ms);
/* Takes the keys for multimedia out of the layout. Before a window manager runs, which would want them for itself. */
void keymap_make_room(screen_t *s, keymap_t *k);
/* How long to wait when keymap_lend finds no place; -1: there is none at all. */
int keymap_wait_ms(const keymap_t *k, int64_t now_ms);
/* The key was pressed: for keys that are lent. */
void keymap_pressed(keymap_t *k, const stroke_t *stroke, int64_t now_ms);
/* Lent places that were not pressed are free: the text was given up. */
void keymap_give_up(keymap_t *k);

/* The keysym of a character. */
uint32_t keysym_of_char(uint32_t code_point);

#endif
