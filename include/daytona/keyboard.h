/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keyboard of a sandbox's desktop. What is typed goes to the window that has the focus.
 *
 * The rules of <daytona/computer_use.h> hold for all functions here.
 *
 * Keys are named without regard to case: letters, digits, signs of unshifted keys, "enter", "escape", "tab", "f1" and so
 * on, and other names of the same ("Return"). Modifiers are "ctrl", "alt", "shift" and "cmd", or their other names. The sandbox
 * knows the names; it refuses others with DAYTONA_EINVAL.
 *
 * Secrets: a text that is typed is not logged, is redacted from errors if it has eight bytes or more, and is wiped from
 * memory when the future is freed.
 *
 * Protocol: toolbox, /computeruse/keyboard.
 */
#ifndef DAYTONA_KEYBOARD_H
#define DAYTONA_KEYBOARD_H

#include <stdint.h>

#include <daytona/export.h>
#include <daytona/future.h>
#include <daytona/sandbox.h>
#include <daytona/types.h>

DAYTONA_BEGIN

typedef struct daytona_keyboard_type_opts {
  daytona_opt_int_t delay_ms; /**< Optional. Between keys. Default: the sandbox's. */
  int64_t timeout_ms;         /**< Optional. Counts the delays. */
  uint64_t reserved[8];       /**< Must be zero. */
} daytona_keyboard_type_opts_t;

/** Type a text. Line ends are the key Enter; other control characters are refused with DAYTONA_EINVAL, and nothing
    is typed then. @param text  May be empty. */
DAYTONA_API daytona_future_t *daytona_keyboard_type(daytona_sandbox_t *sandbox, const char *text,
                                                    const daytona_keyboard_type_opts_t *opts);

typedef struct daytona_keyboard_press_opts {
  daytona_strings_t modifiers; /**< Optional. Held while the key is pressed. */
  int64_t timeout_ms;          /**< Optional. */
  uint64_t reserved[8];        /**< Must be zero. */
} daytona_keyboard_press_opts_t;

/** Press a key and release it. */
DAYTONA_API daytona_future_t *daytona_keyboard_press(daytona_sandbox_t *sandbox, const char *key,
                                                     const daytona_keyboard_press_opts_t *opts);

/** Press one chord, such as "ctrl+shift+t". */
DAYTONA_API daytona_future_t *daytona_keyboard_hotkey(daytona_sandbox_t *sandbox, const char *keys,
                                                      const daytona_call_opts_t *opts);

/** Press a key and hold it until daytona_keyboard_up(), or until the desktop is stopped. Toolboxes before 0.223 do not
    have these two: DAYTONA_ENOTFOUND. */
DAYTONA_API daytona_future_t *daytona_keyboard_down(daytona_sandbox_t *sandbox, const char *key,
                                                    const daytona_call_opts_t *opts);

/** Release a key. */
DAYTONA_API daytona_future_t *daytona_keyboard_up(daytona_sandbox_t *sandbox, const char *key,
                                                  const daytona_call_opts_t *opts);

DAYTONA_END

#endif
