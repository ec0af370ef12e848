/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connection and what is asked often. Every reply may be missing, because the server can end at any time.
 */
#include "desktop/screen.h"

#include <stdlib.h>
#include <string.h>
#include <sys/shm.h>
#include <xcb/randr.h>
#include <xcb/xfixes.h>
#include <xcb/xtest.h>

static bool has_extension(screen_t *s, xcb_extension_t *extension) {
  const xcb_query_extension_reply_t *reply = xcb_get_extension_data(s->x, extension);
  return reply != NULL && reply->present != 0;
}

/* Servers refuse requests of an extension whose version was not asked for. */
static void open_extensions(screen_t *s) {
  s->has_test = has_extension(s, &xcb_test_id);
  s->has_randr = has_extension(s, &xcb_randr_id);
  s->has_fixes = has_extension(s, &xcb_xfixes_id);
  s->has_shm = has_extension(s, &xcb_shm_id);
  if (s->has_randr) free(xcb_randr_query_version_reply(s->x, xcb_randr_query_version(s->x, 1, 5), NULL));
  if (s->has_fixes) free(xcb_xfixes_query_version_reply(s->x, xcb_xfixes_query_version(s->x, 4, 0), NULL));
}

uint64_t screen_reply_bytes(uint32_t length) { return (uint64_t)length * 4; }

/* Takes `size` bytes of what is left; false: there are not as many. */
static bool take(uint64_t *left, uint64_t size) {
  if (size > *left) return false;
  *left -= size;
  return true;
}

/* The lists of formats and of screens, with their depths, are as long as they say. */
static bool is_sound(const xcb_setup_t *setup) {
  uint64_t left = 8 + screen_reply_bytes(setup->length);
  uint64_t vendor = ((uint64_t)setup->vendor_len + 3) & ~(uint64_t)3;
  if (setup->roots_len == 0 || setup->max_keycode < setup->min_keycode || !take(&left, sizeof *setup) ||
      !take(&left, vendor + (uint64_t)setup->pixmap_formats_len * sizeof(xcb_format_t)))
    return false;
  xcb_screen_iterator_t screens = xcb_setup_roots_iterator(setup);
  const uint8_t *at = (const uint8_t *)screens.data;
  for (int i = 0; i < setup->roots_len; i++) {
    xcb_screen_t screen;
    if (!take(&left, sizeof screen)) return false;
    memcpy(&screen, at, sizeof screen);
    at += sizeof screen;
    for (int d = 0; d < screen.allowed_depths_len; d++) {
      xcb_depth_t depth;
      if (!take(&left, sizeof depth)) return false;
      memcpy(&depth, at, sizeof depth);
      uint64_t visuals = (uint64_t)depth.visuals_len * sizeof(xcb_visualtype_t);
      if (!take(&left, visuals)) return false;
      at += sizeof depth + visuals;
    }
  }
  return true;
}

const char *screen_open(screen_t *s, const char *display) {
  int number = 0;
  *s = (screen_t){.x = xcb_connect(display, &number)};
  if (xcb_connection_has_error(s->x) != 0) {
    xcb_disconnect(s->x);
    s->x = NULL;
    return "no X server answers";
  }
  if (!is_sound(xcb_get_setup(s->x))) {
    xcb_disconnect(s->x);
    s->x = NULL;
    return "the X server describes itself wrongly";
  }
  xcb_screen_iterator_t screens = xcb_setup_roots_iterator(xcb_get_setup(s->x));
  for (; number > 0 && screens.rem > 1; number--) xcb_screen_next(&screens);
  s->screen = screens.data;
  s->root = s->screen->root;
  open_extensions(s);
  return NULL;
}

void screen_close(screen_t *s) {
  if (s->x == NULL) return;
  if (s->shared != NULL) shmdt(s->shared);
  xcb_disconnect(s->x);
  *s = (screen_t){0};
}

void screen_sync(screen_t *s) { free(xcb_get_input_focus_reply(s->x, xcb_get_input_focus(s->x), NULL)); }

bool screen_is_lost(const screen_t *s) { return xcb_connection_has_error(s->x) != 0; }

void screen_size(screen_t *s, int *width, int *height) {
  xcb_get_geometry_reply_t *reply = xcb_get_geometry_reply(s->x, xcb_get_geometry(s->x, s->root), NULL);
  *width = reply != NULL ? reply->width : s->screen->width_in_pixels;
  *height = reply != NULL ? reply->height : s->screen->height_in_pixels;
  free(reply);
}

bool screen_pointer(screen_t *s, int *x, int *y, unsigned *mask) {
  xcb_query_pointer_reply_t *reply = xcb_query_pointer_reply(s->x, xcb_query_pointer(s->x, s->root), NULL);
  if (reply == NULL) return false;
  *x = reply->root_x;
  *y = reply->root_y;
  *mask = reply->mask;
  free(reply);
  return true;
}

xcb_atom_t screen_atom(screen_t *s, const char *name) {
  xcb_intern_atom_cookie_t cookie = xcb_intern_atom(s->x, 0, (uint16_t)strlen(name), name);
  xcb_intern_atom_reply_t *reply = xcb_intern_atom_reply(s->x, cookie, NULL);
  xcb_atom_t atom = reply != NULL ? reply->atom : XCB_ATOM_NONE;
  free(reply);
  return atom;
}
