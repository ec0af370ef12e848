/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Screenshots of a sandbox's desktop.
 *
 * The rules of <daytona/computer_use.h> hold for all functions here. All of them settle with daytona_future_screenshot().
 * The image arrives as base64 in JSON and is decoded once; it can have 48 MiB (DAYTONA_ELIMIT).
 *
 * Protocol: toolbox, /computeruse/screenshot.
 */
#ifndef DAYTONA_SCREENSHOT_H
#define DAYTONA_SCREENSHOT_H

#include <stdbool.h>
#include <stdint.h>

#include <daytona/export.h>
#include <daytona/future.h>
#include <daytona/mouse.h>
#include <daytona/sandbox.h>
#include <daytona/types.h>

DAYTONA_BEGIN

/** A screenshot. */
typedef struct daytona_screenshot {
  daytona_bytes_t image;           /**< the file, as it can be written to disk */
  const char *format;              /**< what `image` is: "png", "jpeg" or "webp"; NULL: something else */
  int width, height;               /**< of the image, in pixels, as it says itself; 0: it does not say */
  daytona_opt_int_t size_bytes;    /**< the size of the image as the sandbox reports it */
  bool has_cursor;                 /**< the sandbox sent a position */
  daytona_mouse_position_t cursor; /**< where the cursor is drawn; of use only when it was asked for */
} daytona_screenshot_t;

typedef struct daytona_screenshot_opts {
  bool shows_cursor;    /**< Draw the cursor into the image. */
  int64_t timeout_ms;   /**< Optional. */
  uint64_t reserved[8]; /**< Must be zero. */
} daytona_screenshot_opts_t;

/** The whole screen as PNG. */
DAYTONA_API daytona_future_t *daytona_screenshot_take_full_screen(daytona_sandbox_t *sandbox,
                                                                  const daytona_screenshot_opts_t *opts);

/** A part of the screen as PNG. What is outside of the screen is black; sandboxes refuse a size that is not positive.
    @param x  In pixels, as are `y`, `width` and `height`. */
DAYTONA_API daytona_future_t *daytona_screenshot_take_region(daytona_sandbox_t *sandbox, int x, int y,
                                                             int width, int height,
                                                             const daytona_screenshot_opts_t *opts);

typedef struct daytona_screenshot_compressed_opts {
  daytona_opt_bool_t shows_cursor; /**< Optional. Draw the cursor into the image. Default: no. */
  const char *format; /**< Optional. "png", "jpeg" or "webp". Default: "png". Toolboxes up to 0.190.0 send a
                                          PNG instead of others: look at the result. */
  daytona_opt_int_t quality; /**< Optional. 0 to 100. Default: 85. */
  daytona_opt_num_t scale;   /**< Optional. More than 0; sandboxes take 0.1 to 1. Default: 1. */
  int64_t timeout_ms;        /**< Optional. */
  uint64_t reserved[8];      /**< Must be zero. */
} daytona_screenshot_compressed_opts_t;

/** The whole screen, in a format, quality and scale of your choice. */
DAYTONA_API daytona_future_t *daytona_screenshot_take_compressed(
  daytona_sandbox_t *sandbox, const daytona_screenshot_compressed_opts_t *opts);

/** A part of the screen in the same way. */
DAYTONA_API daytona_future_t *daytona_screenshot_take_compressed_region(
  daytona_sandbox_t *sandbox, int x, int y, int width, int height,
  const daytona_screenshot_compressed_opts_t *opts);

/** The screenshot of a future of the calls above, or NULL. Borrowed from the future. */
DAYTONA_API const daytona_screenshot_t *daytona_future_screenshot(const daytona_future_t *future);

DAYTONA_END

#endif
