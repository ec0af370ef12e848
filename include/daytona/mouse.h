/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mouse on a sandbox's desktop. Positions are in pixels, from the upper left corner of the screen; ones outside of it are
 * not refused, and the result says where the pointer really is.
 *
 * The rules of <daytona/computer_use.h> hold for all functions here. They settle with daytona_future_mouse_position(), the
 * position after the action, unless they say otherwise.
 *
 * Buttons are "left", "right" and "middle". Modifiers are "ctrl", "alt", "shift" and "cmd", or their other names (control,
 * option, meta, win); they are held during the one action. Toolboxes before 0.223 ignore modifiers and `clicks`, refuse to
 * scroll sideways, and have no daytona_mouse_down() and daytona_mouse_up() (DAYTONA_ENOTFOUND).
 *
 * Protocol: toolbox, /computeruse/mouse.
 */
#ifndef DAYTONA_MOUSE_H
#define DAYTONA_MOUSE_H

#include <stdbool.h>
#include <stdint.h>

#include <daytona/export.h>
#include <daytona/future.h>
#include <daytona/sandbox.h>
#include <daytona/types.h>

DAYTONA_BEGIN

/** A position on the screen. */
typedef struct daytona_mouse_position {
  int x;
  int y;
} daytona_mouse_position_t;

/** Where the pointer is. */
DAYTONA_API daytona_future_t *daytona_mouse_get_position(daytona_sandbox_t *sandbox,
                                                         const daytona_call_opts_t *opts);

/** Move the pointer. */
DAYTONA_API daytona_future_t *daytona_mouse_move(daytona_sandbox_t *sandbox, int x, int y,
                                                 const daytona_call_opts_t *opts);

typedef struct daytona_mouse_click_opts {
  const char *button;          /**< Optional. Default: "left". */
  bool is_double;              /**< Click twice. */
  daytona_opt_int_t clicks;    /**< Optional. 1 to 10; counts before `is_double`. */
  daytona_strings_t modifiers; /**< Optional. */
  int64_t timeout_ms;          /**< Optional. */
  uint64_t reserved[8];        /**< Must be zero. */
} daytona_mouse_click_opts_t;

/** Move there and click. */
DAYTONA_API daytona_future_t *daytona_mouse_click(daytona_sandbox_t *sandbox, int x, int y,
                                                  const daytona_mouse_click_opts_t *opts);

typedef struct daytona_mouse_drag_opts {
  const char *button;          /**< Optional. Default: "left". */
  daytona_strings_t modifiers; /**< Optional. */
  int64_t timeout_ms;          /**< Optional. */
  uint64_t reserved[8];        /**< Must be zero. */
} daytona_mouse_drag_opts_t;

/** Press the button at the start, move to the end, release it there. */
DAYTONA_API daytona_future_t *daytona_mouse_drag(daytona_sandbox_t *sandbox, int start_x, int start_y,
                                                 int end_x, int end_y, const daytona_mouse_drag_opts_t *opts);

typedef struct daytona_mouse_scroll_opts {
  daytona_opt_int_t amount;    /**< Optional. Steps, from 0; the sandbox takes 0 for 1. Default: 1. */
  daytona_strings_t modifiers; /**< Optional. */
  int64_t timeout_ms;          /**< Optional. */
  uint64_t reserved[8];        /**< Must be zero. */
} daytona_mouse_scroll_opts_t;

/**
 * Move there and scroll. Settles without a value. Fails with DAYTONA_EFAILED if the sandbox does not say that it has
 * scrolled.
 * @param direction  "up", "down", "left" or "right".
 */
DAYTONA_API daytona_future_t *daytona_mouse_scroll(daytona_sandbox_t *sandbox, int x, int y,
                                                   const char *direction,
                                                   const daytona_mouse_scroll_opts_t *opts);

typedef struct daytona_mouse_button_opts {
  daytona_opt_int_t x;  /**< Optional, together with `y`: move there first. Default: where the pointer is. */
  daytona_opt_int_t y;  /**< Optional. */
  const char *button;   /**< Optional. Default: "left". */
  int64_t timeout_ms;   /**< Optional. */
  uint64_t reserved[8]; /**< Must be zero. */
} daytona_mouse_button_opts_t;

/** Press a button and hold it until daytona_mouse_up(), or until the desktop is stopped. */
DAYTONA_API daytona_future_t *daytona_mouse_down(daytona_sandbox_t *sandbox,
                                                 const daytona_mouse_button_opts_t *opts);

/** Release a button. */
DAYTONA_API daytona_future_t *daytona_mouse_up(daytona_sandbox_t *sandbox,
                                               const daytona_mouse_button_opts_t *opts);

/** The position of a future of the calls above, or NULL. Borrowed from the future. */
DAYTONA_API const daytona_mouse_position_t *daytona_future_mouse_position(const daytona_future_t *future);

DAYTONA_END

#endif
