/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of keys, modifiers and chords as the wire has them.
 */
#ifndef DL_DESKTOP_KEYS_H
#define DL_DESKTOP_KEYS_H

#include "base/base.h"
#include "toolbox/desktop/wire.h"

typedef struct {
  uint32_t key; /* keysyms of X */
  uint32_t modifiers[DL_DESKTOP_MODIFIERS_MAX];
  uint32_t modifier_count;
} dl_chord_t;

/* All return NULL, or what is wrong (yours to free); the results are set only when nothing is. Case does not matter. */

char *dl_key_parse(const char *name, uint32_t *keysym);
/* Adds a modifier: ctrl, alt, shift, cmd, or another name of these. */
char *dl_modifier_add(dl_chord_t *chord, const char *name);
/* False: two of them are the same key, or the key is one of them. */
bool dl_chord_is_sound(const dl_chord_t *chord);
/* "ctrl+shift+t" */
char *dl_hotkey_parse(const char *text, dl_chord_t *out);
/* What cannot be typed as text: control characters except line ends. "\r\n" and "\r" become "\n" in *out (yours to free). */
char *dl_typed_text(const char *text, char **out, size_t *len);

#endif
