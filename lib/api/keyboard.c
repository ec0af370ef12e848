/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keyboard; see keyboard.h. Names of keys are the sandbox's and not checked here. A text that is typed may be a
 * password: it is kept out of errors and wiped.
 */
#include <daytona/keyboard.h>

#include "call/method.h"
#include "call/results.h"

typedef struct keyboard_args {
  const char *text, *key, *keys;
} keyboard_args_t;

#define TEXT(member, ...) DAYTONA__ARG(IN_BODY, keyboard_args_t, STRING, member, #member, __VA_ARGS__)
#define KEYBOARD(noun, tail, what, ...)                                               \
  DAYTONA__METHOD(noun, .prefix = "Failed to " what ": ", .verb = "POST",             \
                  .path = "/computeruse/keyboard/" tail, .service = DAYTONA__TOOLBOX, \
                  .request = DAYTONA__ARGS(keyboard_args_t, __VA_ARGS__))

KEYBOARD(type, "type", "type text",
         TEXT(text, .flags = DAYTONA__JSON_ALWAYS | DAYTONA__JSON_SECRET,
              .rules = DAYTONA__GIVEN | DAYTONA__HIDE),
         DAYTONA__OPT(IN_BODY, daytona_keyboard_type_opts_t, OPT_INT, delay_ms, "delay",
                      .rules = DAYTONA__MIN));

daytona_future_t *daytona_keyboard_type(daytona_sandbox_t *sandbox, const char *text,
                                        const daytona_keyboard_type_opts_t *opts) {
  return daytona__call(sandbox, &type_method, &(keyboard_args_t){.text = text}, DAYTONA__OPTS(opts));
}

KEYBOARD(press, "key", "press key", TEXT(key, .rules = DAYTONA__NONEMPTY),
         DAYTONA__OPT(IN_BODY, daytona_keyboard_press_opts_t, STRINGS, modifiers, "modifiers",
                      .flags = DAYTONA__JSON_ALWAYS));

daytona_future_t *daytona_keyboard_press(daytona_sandbox_t *sandbox, const char *key,
                                         const daytona_keyboard_press_opts_t *opts) {
  return daytona__call(sandbox, &press_method, &(keyboard_args_t){.key = key}, DAYTONA__OPTS(opts));
}

KEYBOARD(hotkey, "hotkey", "press hotkey", TEXT(keys, .rules = DAYTONA__NONEMPTY));

daytona_future_t *daytona_keyboard_hotkey(daytona_sandbox_t *sandbox, const char *keys,
                                          const daytona_call_opts_t *opts) {
  return daytona__call(sandbox, &hotkey_method, &(keyboard_args_t){.keys = keys}, DAYTONA__OPTS(opts));
}

KEYBOARD(down, "down", "press key down", TEXT(key, .rules = DAYTONA__NONEMPTY));

daytona_future_t *daytona_keyboard_down(daytona_sandbox_t *sandbox, const char *key,
                                        const daytona_call_opts_t *opts) {
  return daytona__call(sandbox, &down_method, &(keyboard_args_t){.key = key}, DAYTONA__OPTS(opts));
}

KEYBOARD(up, "up", "release key", TEXT(key, .rules = DAYTONA__NONEMPTY));

daytona_future_t *daytona_keyboard_up(daytona_sandbox_t *sandbox, const char *key,
                                      const daytona_call_opts_t *opts) {
  return daytona__call(sandbox, &up_method, &(keyboard_args_t){.key = key}, DAYTONA__OPTS(opts));
}
