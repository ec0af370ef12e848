/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Displays through RandR, windows through what window managers say about them on the root (EWMH). Without a window manager
 * the children of the root are the windows.
 *
 * A window can go at any moment, and its properties are its program's: nothing about them is sure.
 */
#include "desktop/windows.h"

#include <stdlib.h>
#include <string.h>
#include <xcb/randr.h>

#define WINDOWS_MAX 1000
#define TITLE_MAX 1024 /* bytes */

/* --- JSON --- */

static void put_text(dl_buf_t *out, const char *text, size_t len) {
  dl_buf_puts(out, "\"");
  for (size_t i = 0; i < len; i++) {
    unsigned char c = (unsigned char)text[i];
    if (c == '"' || c == '\\')
      dl_buf_printf(out, "\\%c", c);
    else if (c < 0x20 || c == 0x7f)
      dl_buf_printf(out, "\\u%04x", c);
    else
      dl_buf_append(out, text + i, 1);
  }
  dl_buf_puts(out, "\"");
}

/* --- properties --- */

/* *len: of the bytes. Yours to free; NULL when there are none of that type. */
static xcb_get_property_reply_t *get_property(screen_t *s, xcb_window_t window, xcb_atom_t name,
                                              xcb_atom_t type, unsigned bytes) {
  if (name == XCB_ATOM_NONE) return NULL;
  xcb_get_property_cookie_t cookie = xcb_get_property(s->x, 0, window, name, type, 0, bytes / 4);
  xcb_get_property_reply_t *reply = xcb_get_property_reply(s->x, cookie, NULL);
  uint64_t len = reply != NULL ? (uint64_t)reply->value_len * (reply->format / 8) : 0;
  if (len > 0 && len <= bytes && len <= screen_reply_bytes(reply->length)) return reply;
  free(reply);
  return NULL;
}

static uint32_t get_number(screen_t *s, xcb_window_t window, const char *name, xcb_atom_t type) {
  uint32_t value = 0;
  xcb_get_property_reply_t *reply = get_property(s, window, screen_atom(s, name), type, 4);
  if (reply != NULL && reply->format == 32 && xcb_get_property_value_length(reply) >= 4)
    memcpy(&value, xcb_get_property_value(reply), sizeof value);
  free(reply);
  return value;
}

static void put_latin1(dl_buf_t *to, unsigned char c) {
  char two[2] = {(char)(0xc0 | c >> 6), (char)(0x80 | (c & 0x3f))};
  if (c < 0x80)
    dl_buf_append(to, &c, 1);
  else
    dl_buf_append(to, two, 2);
}

/* The older property: Latin-1, or compound text, which changes its charset with escape sequences. Signs of charsets other than
 * Latin-1 and UTF-8 become one U+FFFD a run. */
static void put_compound(dl_buf_t *to, const unsigned char *text, size_t len) {
  enum { LATIN, UTF8, OTHER } charset = LATIN;
  bool is_run = false;
  for (size_t i = 0; i < len; i++) {
    if (text[i] != 0x1b) {
      if (charset == LATIN) put_latin1(to, text[i]);
      if (charset == UTF8) dl_buf_append(to, text + i, 1);
      if (charset == OTHER && !is_run) dl_buf_puts(to, "\xef\xbf\xbd");
      is_run = charset == OTHER;
      continue;
    }
    size_t start = ++i;
    while (i < len && text[i] >= 0x20 && text[i] <= 0x2f) i++;
    if (i == len) return;
    bool is_utf8 = i == start + 1 && text[start] == '%' && text[i] == 'G';
    bool is_latin =
      i == start + 1 && ((text[start] == '(' && text[i] == 'B') || (text[start] == '-' && text[i] == 'A') ||
                         (text[start] == '%' && text[i] == '@'));
    charset = is_utf8 ? UTF8 : is_latin ? LATIN : OTHER;
    is_run = false;
  }
}

static void get_title(screen_t *s, xcb_window_t window, dl_buf_t *title) {
  xcb_get_property_reply_t *reply =
    get_property(s, window, screen_atom(s, "_NET_WM_NAME"), screen_atom(s, "UTF8_STRING"), TITLE_MAX);
  if (reply != NULL) {
    const char *text = xcb_get_property_value(reply);
    size_t len = strnlen(text, (size_t)xcb_get_property_value_length(reply));
    while (len > 0 && !dl_utf8_valid(text, len)) len--; /* cut in the middle, or of another charset */
    dl_buf_append(title, text, len);
    free(reply);
  }
  if (title->len > 0) return;
  reply = get_property(s, window, XCB_ATOM_WM_NAME, XCB_GET_PROPERTY_TYPE_ANY, TITLE_MAX);
  if (reply == NULL) return;
  const char *text = xcb_get_property_value(reply);
  size_t len = strnlen(text, (size_t)xcb_get_property_value_length(reply));
  bool is_plain = dl_utf8_valid(text, len) && memchr(text, 0x1b, len) == NULL; /* whatever its type says */
  if (reply->format == 8 && is_plain)
    dl_buf_append(title, text, len);
  else if (reply->format == 8)
    put_compound(title, (const unsigned char *)text, len);
  free(reply);
  if (title->len > 0 && !dl_utf8_valid(title->data, title->len)) dl_buf_reset(title);
}

/* --- windows --- */

static bool is_shown(screen_t *s, xcb_window_t window) {
  xcb_get_window_attributes_reply_t *reply =
    xcb_get_window_attributes_reply(s->x, xcb_get_window_attributes(s->x, window), NULL);
  bool shown = reply != NULL && reply->map_state == XCB_MAP_STATE_VIEWABLE;
  free(reply);
  return shown;
}

/* The window without its decoration, in coordinates of the screen. */
static bool get_place(screen_t *s, xcb_window_t window, int place[4]) {
  xcb_get_geometry_cookie_t size_cookie = xcb_get_geometry(s->x, window);
  xcb_translate_coordinates_cookie_t place_cookie = xcb_translate_coordinates(s->x, window, s->root, 0, 0);
  xcb_get_geometry_reply_t *size = xcb_get_geometry_reply(s->x, size_cookie, NULL);
  xcb_translate_coordinates_reply_t *at = xcb_translate_coordinates_reply(s->x, place_cookie, NULL);
  bool ok = size != NULL && at != NULL;
  if (ok) {
    place[0] = at->dst_x;
    place[1] = at->dst_y;
    place[2] = size->width;
    place[3] = size->height;
  }
  free(size);
  free(at);
  return ok;
}

static void put_window(screen_t *s, xcb_window_t window, xcb_window_t active, bool *is_first, dl_buf_t *out) {
  dl_buf_t title;
  int place[4];
  dl_buf_init(&title, 4 * TITLE_MAX);
  get_title(s, window, &title);
  if (title.len > 0 && get_place(s, window, place)) {
    dl_buf_printf(out, "%s{\"id\":%u,\"title\":", *is_first ? "" : ",", window);
    put_text(out, title.data, title.len);
    dl_buf_printf(out, ",\"x\":%d,\"y\":%d,\"width\":%d,\"height\":%d,\"isActive\":%s,\"isVisible\":%s}",
                  place[0], place[1], place[2], place[3], window == active ? "true" : "false",
                  is_shown(s, window) ? "true" : "false");
    *is_first = false;
  }
  dl_buf_clear(&title);
}

static void put_children(screen_t *s, bool *is_first, dl_buf_t *out) {
  xcb_query_tree_reply_t *tree = xcb_query_tree_reply(s->x, xcb_query_tree(s->x, s->root), NULL);
  if (tree == NULL) return;
  const xcb_window_t *children = xcb_query_tree_children(tree);
  xcb_get_input_focus_reply_t *focus = xcb_get_input_focus_reply(s->x, xcb_get_input_focus(s->x), NULL);
  int count = xcb_query_tree_children_length(tree);
  if ((uint64_t)count * sizeof *children > screen_reply_bytes(tree->length)) count = 0;
  for (int i = 0; i < count && i < WINDOWS_MAX; i++)
    if (is_shown(s, children[i])) put_window(s, children[i], focus != NULL ? focus->focus : 0, is_first, out);
  free(focus);
  free(tree);
}

void put_windows(screen_t *s, dl_buf_t *out) {
  bool is_first = true;
  dl_buf_puts(out, "{\"windows\":[");
  xcb_get_property_reply_t *list =
    get_property(s, s->root, screen_atom(s, "_NET_CLIENT_LIST"), XCB_ATOM_WINDOW, WINDOWS_MAX * 4);
  if (list != NULL && list->format == 32) {
    xcb_window_t active = get_number(s, s->root, "_NET_ACTIVE_WINDOW", XCB_ATOM_WINDOW);
    const xcb_window_t *windows = xcb_get_property_value(list);
    for (int i = 0; i < xcb_get_property_value_length(list) / 4; i++)
      put_window(s, windows[i], active, &is_first, out);
  } else if (!windows_are_managed(s)) {
    put_children(s, &is_first, out);
  }
  free(list);
  dl_buf_puts(out, "]}");
}

/* The property is on the root and on the window that it names; one of a manager that has gone is not. */
bool windows_are_managed(screen_t *s) {
  xcb_window_t check = get_number(s, s->root, "_NET_SUPPORTING_WM_CHECK", XCB_ATOM_WINDOW);
  return check != 0 && get_number(s, check, "_NET_SUPPORTING_WM_CHECK", XCB_ATOM_WINDOW) == check;
}

/* --- displays --- */

static void put_display(int id, int x, int y, int width, int height, dl_buf_t *out) {
  dl_buf_printf(out, "%s{\"id\":%d,\"x\":%d,\"y\":%d,\"width\":%d,\"height\":%d,\"isActive\":true}",
                id > 0 ? "," : "", id, x, y, width, height);
}

/* Each is followed by its outputs. Returns how many there are. */
static int put_monitors(const xcb_randr_get_monitors_reply_t *reply, dl_buf_t *out) {
  const uint8_t *at = (const uint8_t *)(reply + 1);
  uint64_t left = screen_reply_bytes(reply->length), size;
  int count = 0;
  for (xcb_randr_monitor_info_t m; (uint32_t)count < reply->nMonitors && left >= sizeof m; count++) {
    memcpy(&m, at, sizeof m);
    size = sizeof m + (uint64_t)m.nOutput * sizeof(xcb_randr_output_t);
    put_display(count, m.x, m.y, m.width, m.height, out);
    at += size < left ? size : left;
    left -= size < left ? size : left;
  }
  return count;
}

void put_displays(screen_t *s, dl_buf_t *out) {
  int count = 0, width, height;
  dl_buf_puts(out, "{\"displays\":[");
  xcb_randr_get_monitors_reply_t *reply = NULL;
  if (s->has_randr)
    reply = xcb_randr_get_monitors_reply(s->x, xcb_randr_get_monitors(s->x, s->root, 1), NULL);
  if (reply != NULL) count = put_monitors(reply, out);
  free(reply);
  screen_size(s, &width, &height);
  if (count == 0) put_display(0, 0, 0, width, height, out);
  dl_buf_puts(out, "]}");
}
