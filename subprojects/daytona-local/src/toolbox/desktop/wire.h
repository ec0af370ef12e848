/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the toolbox and the program daytona-local-desktop say to each other, over a socket pair that is the program's
 * standard input. Both are of one build and run as one user in one box, so structs go as they are in memory.
 *
 * An ask is its head and `size` bytes of text; the reply to it has the same id. Asks are handled in order; a CANCEL has no
 * reply, and the ask that it cancels is answered with 499. The end of the socket ends the program; before that it releases what it holds.
 */
#ifndef DL_DESKTOP_WIRE_H
#define DL_DESKTOP_WIRE_H

#include <stddef.h>
#include <stdint.h>

#define DL_DESKTOP_PROGRAM "daytona-local-desktop"

/* Characters of one text. More is a mistake: a person's keyboard is the wrong way for a file. */
#define DL_DESKTOP_TEXT_MAX 65536u
#define DL_DESKTOP_ASK_MAX (4u * DL_DESKTOP_TEXT_MAX) /* bytes: UTF-8 */
/* A screenshot as base64 in JSON; clients of ours take 48 MiB. */
#define DL_DESKTOP_REPLY_MAX (64u * 1024 * 1024)
/* Asks that one program has taken and not answered. */
#define DL_DESKTOP_ASKS_MAX 64
#define DL_DESKTOP_MODIFIERS_MAX 8

typedef enum {
  DL_DESKTOP_CANCEL, /* the ask with the id args[0], if it runs or waits */
  DL_DESKTOP_SHOT, /* args: x, y, width (0: the whole screen), height, cursor, format, quality, scale, is_compressed */
  DL_DESKTOP_DISPLAYS, /* JSON */
  DL_DESKTOP_WINDOWS,  /* JSON */
  DL_DESKTOP_MANAGED,  /* 200 when a window manager runs, else 404 */
  DL_DESKTOP_PREPARE,  /* of a screen that is ours and new: makes room in the layout of the keyboard */
  DL_DESKTOP_POSITION, /* and all that follow answer with the position as JSON, those of the keyboard with {} */
  DL_DESKTOP_MOVE,     /* args: x, y */
  DL_DESKTOP_CLICK,    /* args: x, y, button, count */
  DL_DESKTOP_DRAG,     /* args: x, y, x, y, button */
  DL_DESKTOP_SCROLL,   /* args: x, y, button (4 up, 5 down, 6 left, 7 right), steps */
  DL_DESKTOP_BUTTON,   /* args: button, down, has_position, x, y */
  DL_DESKTOP_TYPE,     /* args: delay in ms; the text */
  DL_DESKTOP_PRESS,    /* args: keysym */
  DL_DESKTOP_KEY,      /* args: keysym, down */
} dl_desktop_kind_t;

enum { DL_SHOT_PNG, DL_SHOT_JPEG, DL_SHOT_WEBP };
#define DL_SHOT_SCALE_ONE 1000000

typedef struct {
  uint32_t size; /* of what follows */
  uint32_t id, kind;
  int32_t args[9];
  uint32_t modifier_count;
  uint32_t modifiers[DL_DESKTOP_MODIFIERS_MAX]; /* keysyms, held during the action */
} dl_desktop_ask_t;
/* An ask with its text, filled up so that the next one is aligned. */
#define DL_DESKTOP_ASK_LEN(size) ((sizeof(dl_desktop_ask_t) + (size) + 3) & ~(size_t)3)

typedef struct {
  uint32_t size; /* of what follows: JSON with status 200, else a message */
  uint32_t id;
  int32_t status; /* as in HTTP; 503: no X server answers, and the program ends */
} dl_desktop_reply_t;

#endif
