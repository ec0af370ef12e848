/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connection to the X server: what everything in this program uses. One thread, one screen.
 */
#ifndef DL_DESKTOP_SCREEN_H
#define DL_DESKTOP_SCREEN_H

#include "base/buf.h"

#include <xcb/shm.h>
#include <xcb/xcb.h>

typedef struct {
  xcb_connection_t *x;
  xcb_screen_t *screen; /* of the connection; its size is that of the start, see screen_size */
  xcb_window_t root;
  bool has_fixes, has_test, has_randr;
  /* A shared segment for pictures; address NULL: none, and pictures come through the socket. */
  xcb_shm_seg_t segment;
  uint8_t *shared;
  size_t shared_size;
  bool has_shm;
} screen_t;

/* NULL, or why not: nothing needs to be closed then. */
const char *screen_open(screen_t *s, const char *display);
void screen_close(screen_t *s);
/* libxcb gives counts as replies say them, whatever they bring. The bytes behind the first 32 of a reply, by its length. */
uint64_t screen_reply_bytes(uint32_t length);
/* The server has handled all that was sent. */
void screen_sync(screen_t *s);
bool screen_is_lost(const screen_t *s);
/* The size of the root as it is now. */
void screen_size(screen_t *s, int *width, int *height);
bool screen_pointer(screen_t *s, int *x, int *y, unsigned *mask);
xcb_atom_t screen_atom(screen_t *s, const char *name);

#endif
