/* SPDX-License-Identifier: Apache-2.0 */
/* Names of keys and chords, and what of a text can be typed. */
#include "toolbox/desktop/keys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint32_t key(const char *name) {
  uint32_t keysym = 0;
  char *problem = dl_key_parse(name, &keysym);
  if (problem != NULL) fail_msg("%s", problem);
  return keysym;
}

static void refuses(char *problem, const char *words) {
  assert_non_null(problem);
  if (strstr(problem, words) == NULL) fail_msg("'%s' has no '%s'", problem, words);
  free(problem);
}

static void names_of_keys(void **state) {
  (void)state;
  assert_int_equal(key("a"), 'a');
  assert_int_equal(key("A"), 'a');
  assert_int_equal(key("7"), '7');
  assert_int_equal(key("-"), '-');
  assert_int_equal(key("\\"), '\\');
  assert_int_equal(key("Return"), 0xff0d);
  assert_int_equal(key("PAGE-UP"), key("pageup"));
  assert_int_equal(key("f1"), 0xffbe);
  assert_int_equal(key("F24"), 0xffbe + 23);
  assert_int_equal(key("num0"), 0xffb0);
  assert_int_equal(key("num9"), 0xffb9);
  assert_int_equal(key("win"), key("cmd"));
  assert_int_equal(key("left_shift"), key("lshift"));
  static const char *const bad[] = {"f0", "f25", "f01", "num10", "ff", "num", "f1x", "nosuch", "a b", "num+"};
  uint32_t keysym = 7;
  for (size_t i = 0; i < DL_COUNT(bad); i++) refuses(dl_key_parse(bad[i], &keysym), "unsupported key");
  refuses(dl_key_parse("", &keysym), "empty key token");
  refuses(dl_key_parse("?", &keysym), "press(\"/\", [\"shift\"])");
  refuses(dl_key_parse("_", &keysym), "press(\"-\", [\"shift\"])");
  refuses(dl_key_parse(" ", &keysym), "press(\"space\")");
  refuses(dl_key_parse("\xc3\xbc", &keysym), "text input");
  assert_int_equal(keysym, 7);
}

static void chords(void **state) {
  dl_chord_t chord;
  (void)state;
  assert_null(dl_hotkey_parse(" Ctrl + shift+T ", &chord));
  assert_int_equal(chord.key, 't');
  assert_int_equal(chord.modifier_count, 2);
  assert_int_equal(chord.modifiers[0], 0xffe3);
  assert_int_equal(chord.modifiers[1], 0xffe1);
  assert_null(dl_hotkey_parse("enter", &chord));
  assert_int_equal(chord.modifier_count, 0);
  assert_null(dl_hotkey_parse("ctrl+shift", &chord));
  assert_int_equal(chord.key, 0xffe1);
  static const struct {
    const char *keys, *words;
  } bad[] = {{"", "empty"},
             {"+", "empty"},
             {"ctrl+", "empty"},
             {"+a", "empty"},
             {"a+b", "at most one"},
             {"ctrl+a ctrl+b", "single chord"},
             {"ctrl+nosuch", "unsupported key"},
             {"nosuch+a", "unsupported modifier"},
             {"ctrl+control+a", "twice"},
             {"shift+lshift", "twice"},
             {"lctrl+a", "at most one"}};
  for (size_t i = 0; i < DL_COUNT(bad); i++) refuses(dl_hotkey_parse(bad[i].keys, &chord), bad[i].words);
}

static void many_modifiers(void **state) {
  dl_chord_t chord = {.key = 'a'};
  (void)state;
  for (int i = 0; i < DL_DESKTOP_MODIFIERS_MAX; i++) assert_null(dl_modifier_add(&chord, "ctrl"));
  refuses(dl_modifier_add(&chord, "ctrl"), "too many");
  assert_false(dl_chord_is_sound(&chord));
  refuses(dl_modifier_add(&chord, "rshift"), "only supported as the main key");
  refuses(dl_modifier_add(&chord, "caps_lock"), "ctrl, alt, shift, cmd");
}

static void texts(void **state) {
  char *out = NULL;
  size_t len = 0;
  (void)state;
  assert_null(dl_typed_text("a\r\nb\rc\n\xe2\x82\xac", &out, &len));
  assert_string_equal(out, "a\nb\nc\n\xe2\x82\xac");
  assert_int_equal(len, strlen(out));
  free(out);
  assert_null(dl_typed_text("", &out, &len));
  assert_int_equal(len, 0);
  free(out);
  refuses(dl_typed_text("a\tb", &out, &len), "press(\"tab\")");
  refuses(dl_typed_text("\x1b", &out, &len), "0x1b");
  refuses(dl_typed_text("\x7f", &out, &len), "0x7f");
  refuses(dl_typed_text("\xc2\x85", &out, &len), "U+0085");
  refuses(dl_typed_text("x\xe2\x80\xa9", &out, &len), "U+2029");
}

static void long_texts(void **state) {
  size_t max = DL_DESKTOP_TEXT_MAX, len = 0;
  char *text = dl_xcalloc(max + 2, 4), *out = NULL;
  (void)state;
  for (size_t i = 0; i < max; i++) memcpy(text + i * 4, "\xf0\x9f\x98\x80", 4);
  assert_null(dl_typed_text(text, &out, &len));
  assert_int_equal(len, DL_DESKTOP_ASK_MAX);
  free(out);
  text[max * 4] = 'x';
  refuses(dl_typed_text(text, &out, &len), "too long");
  free(text);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(names_of_keys), cmocka_unit_test(chords),
                                     cmocka_unit_test(many_modifiers), cmocka_unit_test(texts),
                                     cmocka_unit_test(long_texts)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
