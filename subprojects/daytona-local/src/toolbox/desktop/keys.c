/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of keys. The numbers are keysyms of the X protocol.
 *
 * A key is not a character: "!" is refused with the way to press it, because which key gives it is the layout's business.
 * Texts are for that.
 */
#include "toolbox/desktop/keys.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NAME_MAX_LEN 32
#define SHOWN 64 /* bytes of a name that a message repeats */

enum {
  SHIFT_L = 0xffe1,
  SHIFT_R,
  CONTROL_L,
  CONTROL_R,
  ALT_L = 0xffe9,
  ALT_R,
  SUPER_L,
  SUPER_R,
  F1 = 0xffbe,
  KP_0 = 0xffb0
};

typedef struct {
  const char *name; /* with '_' for '-' */
  uint32_t keysym;
} key_name_t;

static const key_name_t KEYS[] = {
  {"alt", ALT_L},
  {"backspace", 0xff08},
  {"capslock", 0xffe5},
  {"cmd", SUPER_L},
  {"ctrl", CONTROL_L},
  {"delete", 0xffff},
  {"down", 0xff54},
  {"end", 0xff57},
  {"enter", 0xff0d},
  {"escape", 0xff1b},
  {"home", 0xff50},
  {"insert", 0xff63},
  {"left", 0xff51},
  {"menu", 0xff67},
  {"num_asterisk", 0xffaa},
  {"num_decimal", 0xffae},
  {"num_enter", 0xff8d},
  {"num_equal", 0xffbd},
  {"num_lock", 0xff7f},
  {"num_minus", 0xffad},
  {"num_plus", 0xffab},
  {"num_slash", 0xffaf},
  {"pagedown", 0xff56},
  {"pageup", 0xff55},
  {"right", 0xff53},
  {"shift", SHIFT_L},
  {"space", ' '},
  {"tab", 0xff09},
  {"up", 0xff52},
  {"lalt", ALT_L},
  {"ralt", ALT_R},
  {"lcmd", SUPER_L},
  {"rcmd", SUPER_R},
  {"lctrl", CONTROL_L},
  {"rctrl", CONTROL_R},
  {"lshift", SHIFT_L},
  {"rshift", SHIFT_R},
  {"esc", 0xff1b},
  {"del", 0xffff},
  {"return", 0xff0d},
  {"spacebar", ' '},
  {"page_up", 0xff55},
  {"page_down", 0xff56},
  {"control", CONTROL_L},
  {"option", ALT_L},
  {"command", SUPER_L},
  {"meta", SUPER_L},
  {"super", SUPER_L},
  {"win", SUPER_L},
  {"windows", SUPER_L},
  {"left_alt", ALT_L},
  {"right_alt", ALT_R},
  {"left_cmd", SUPER_L},
  {"right_cmd", SUPER_R},
  {"left_ctrl", CONTROL_L},
  {"right_ctrl", CONTROL_R},
  {"left_shift", SHIFT_L},
  {"right_shift", SHIFT_R},
  {"left_control", CONTROL_L},
  {"right_control", CONTROL_R},
  {"left_option", ALT_L},
  {"right_option", ALT_R},
  {"left_command", SUPER_L},
  {"right_command", SUPER_R},
  {"caps_lock", 0xffe5},
};

static const key_name_t MODIFIERS[] = {
  {"ctrl", CONTROL_L}, {"control", CONTROL_L}, {"alt", ALT_L},       {"option", ALT_L},
  {"shift", SHIFT_L},  {"cmd", SUPER_L},       {"command", SUPER_L}, {"meta", SUPER_L},
  {"super", SUPER_L},  {"win", SUPER_L},       {"windows", SUPER_L},
};

static uint32_t find_name(const key_name_t *names, size_t count, const char *name) {
  for (size_t i = 0; i < count; i++)
    if (strcmp(names[i].name, name) == 0) return names[i].keysym;
  return 0;
}

/* In lower case, '-' as '_'; false: too long for a name. */
static bool normalize(const char *name, char out[NAME_MAX_LEN]) {
  size_t len = strlen(name);
  if (len >= NAME_MAX_LEN) return false;
  for (size_t i = 0; i <= len; i++)
    out[i] = name[i] == '-' && len > 1 ? '_' : (char)tolower((unsigned char)name[i]);
  return true;
}

/* f1 to f24, num0 to num9. */
static uint32_t find_numbered(const char *name) {
  const char *digits = name + strcspn(name, "0123456789");
  int64_t number = -1;
  if (*digits == '\0' || strlen(digits) > 2 || (digits[0] == '0' && digits[1] != '\0') ||
      !dl_parse_int(digits, 0, 24, &number))
    return 0;
  size_t letters = (size_t)(digits - name);
  if (letters == 1 && name[0] == 'f' && number >= 1) return (uint32_t)(F1 + number - 1);
  return letters == 3 && strncmp(name, "num", 3) == 0 && number <= 9 ? (uint32_t)(KP_0 + number) : 0;
}

/* The key of US keyboards whose shifted sign this is, or '\0'. */
static char unshifted(char c) {
  static const char shifted[] = "!@#$%^&*()_+{}|:\"<>?~", plain[] = "1234567890-=[]\\;',./`";
  const char *at = c != '\0' ? strchr(shifted, c) : NULL;
  return at != NULL ? plain[at - shifted] : '\0';
}

static char *refuse_key(const char *name) {
  bool is_ascii = true;
  for (const char *c = name; *c != '\0'; c++) is_ascii = is_ascii && (unsigned char)*c < 0x80;
  if (*name == '\0') return dl_xstrdup("unsupported key \"\": empty key token");
  if (!is_ascii) return dl_xprintf("unsupported key \"%.*s\"; use type(...) for text input", SHOWN, name);
  if (strcmp(name, " ") == 0) return dl_xstrdup("unsupported key \" \"; use press(\"space\") or type(\" \")");
  if (name[1] == '\0' && unshifted(name[0]) != '\0')
    return dl_xprintf(
      "unsupported key \"%s\"; use press(\"%c\", [\"shift\"]) for a shifted key or type(\"%s\") for text",
      name, unshifted(name[0]), name);
  return dl_xprintf("unsupported key \"%.*s\"; see the names of keys in docs/desktop.md", SHOWN, name);
}

char *dl_key_parse(const char *name, uint32_t *keysym) {
  char key[NAME_MAX_LEN];
  uint32_t found = 0;
  if (normalize(name, key)) {
    bool is_plain =
      key[0] != '\0' && key[1] == '\0' && (isalnum((unsigned char)key[0]) || strchr("',-./;=[\\]`", key[0]));
    found = is_plain ? (unsigned char)key[0] : find_name(KEYS, DL_COUNT(KEYS), key);
    if (found == 0) found = find_numbered(key);
  }
  if (found == 0) return refuse_key(name);
  *keysym = found;
  return NULL;
}

char *dl_modifier_add(dl_chord_t *chord, const char *name) {
  char key[NAME_MAX_LEN];
  uint32_t keysym = 0;
  uint32_t found = normalize(name, key) ? find_name(MODIFIERS, DL_COUNT(MODIFIERS), key) : 0;
  if (found == 0) {
    char *problem = dl_key_parse(name, &keysym);
    free(problem);
    bool is_sided = keysym >= SHIFT_L && keysym <= SUPER_R && keysym != 0xffe5;
    return dl_xprintf(
      "unsupported modifier \"%.*s\"; supported modifiers: ctrl, alt, shift, cmd%s", SHOWN, name,
      is_sided ? "; left/right-specific modifier keys are only supported as the main key" : "");
  }
  if (chord->modifier_count == DL_DESKTOP_MODIFIERS_MAX) return dl_xstrdup("too many modifiers");
  chord->modifiers[chord->modifier_count++] = found;
  return NULL;
}

bool dl_chord_is_sound(const dl_chord_t *chord) {
  for (uint32_t i = 0; i < chord->modifier_count; i++) {
    if (chord->modifiers[i] == chord->key) return false;
    for (uint32_t j = 0; j < i; j++)
      if (chord->modifiers[i] == chord->modifiers[j]) return false;
  }
  return true;
}

/* One token without blanks around it; *at moves behind the '+'. NULL at the end. Yours to free. */
static char *next_token(const char **at) {
  if (*at == NULL) return NULL;
  const char *start = *at, *plus = strchr(start, '+');
  size_t len = plus != NULL ? (size_t)(plus - start) : strlen(start);
  *at = plus != NULL ? plus + 1 : NULL;
  while (len > 0 && isspace((unsigned char)*start)) start++, len--;
  while (len > 0 && isspace((unsigned char)start[len - 1])) len--;
  return dl_xstrndup(start, len);
}

static char *parse_token(dl_chord_t *chord, const char *token, bool is_last) {
  uint32_t keysym;
  if (*token == '\0') return dl_xstrdup("empty key token");
  if (strpbrk(token, " \t\r\n") != NULL) return dl_xstrdup("only a single chord is supported");
  if (is_last) return dl_key_parse(token, &chord->key);
  char *problem = dl_modifier_add(chord, token),
       *other = problem != NULL ? dl_key_parse(token, &keysym) : NULL;
  bool is_key = problem != NULL && other == NULL;
  free(other);
  if (!is_key) return problem;
  free(problem);
  return dl_xstrdup("chords may contain at most one non-modifier key");
}

char *dl_hotkey_parse(const char *text, dl_chord_t *out) {
  dl_chord_t chord = {0};
  char *problem = NULL, *token;
  const char *at = text;
  while (problem == NULL && (token = next_token(&at)) != NULL) {
    problem = parse_token(&chord, token, at == NULL);
    free(token);
  }
  if (problem == NULL && !dl_chord_is_sound(&chord)) problem = dl_xstrdup("a key is named twice");
  if (problem == NULL) {
    *out = chord;
    return NULL;
  }
  char *full = dl_xprintf("invalid hotkey \"%.*s\": %s", SHOWN, text, problem);
  free(problem);
  return full;
}

static char *refuse_char(const char *at) {
  unsigned char c = (unsigned char)*at;
  if (c == '\t')
    return dl_xstrdup(
      "keyboard.type does not translate '\\t' to Tab; use keyboard.press(\"tab\") for Tab key events");
  if (c < 0x20 || c == 0x7f) return dl_xprintf("keyboard.type does not type the control character 0x%02x", c);
  if (c == 0xc2 && (unsigned char)at[1] < 0xa0)
    return dl_xprintf("keyboard.type does not type the control character U+%04X", (unsigned char)at[1]);
  if (strncmp(at, "\xe2\x80\xa8", 3) == 0 || strncmp(at, "\xe2\x80\xa9", 3) == 0)
    return dl_xstrdup("keyboard.type does not type the separators U+2028 and U+2029; use a line end");
  return NULL;
}

char *dl_typed_text(const char *text, char **out, size_t *len) {
  size_t count = 0, chars = 0;
  char *typed = dl_xmalloc(strlen(text) + 1), *problem = NULL;
  for (const char *at = text; *at != '\0' && problem == NULL; at++) {
    if (((unsigned char)*at & 0xc0) != 0x80) chars++;
    if (at[0] == '\r' && at[1] == '\n') at++;
    if (*at == '\r' || *at == '\n')
      typed[count++] = '\n';
    else if ((problem = refuse_char(at)) == NULL)
      typed[count++] = *at;
    if (problem == NULL && chars > DL_DESKTOP_TEXT_MAX)
      problem = dl_xprintf("the text is too long to be typed: %u characters at most; write a file instead",
                           DL_DESKTOP_TEXT_MAX);
  }
  if (problem != NULL) {
    free(typed);
    return problem;
  }
  typed[count] = '\0';
  *len = count;
  *out = typed;
  return NULL;
}
