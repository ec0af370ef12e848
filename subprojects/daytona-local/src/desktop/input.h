/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mouse and the keyboard, through XTest.
 */
#ifndef DL_DESKTOP_INPUT_H
#define DL_DESKTOP_INPUT_H

#include "desktop/keymap.h"
#include "toolbox/desktop/wire.h"

typedef struct {
  screen_t *screen;
  keymap_t keys;
  bool held_keys[KEYS_MAX]; /* by an ask of their own; those of one action are released at its end */
  unsigned held_buttons;    /* bit 1 is button 1 */
  /* Waits; true: the ask was cancelled. */
  bool (*pause)(void *user, int ms);
  void *user;
} input_t;

/* A status as in HTTP; `out` gets the JSON, or a message. `text` is of TYPE, valid UTF-8. */
int input_run(input_t *in, const dl_desktop_ask_t *ask, const char *text, dl_buf_t *out);
/* Everything that is down goes up, whoever has pressed it. */
void input_release(input_t *in);

#endif
