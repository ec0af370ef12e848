/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The displays and windows of a sandbox's desktop.
 *
 * The rules of <daytona/computer_use.h> hold for all functions here. While no desktop runs, the lists are empty.
 *
 * Protocol: toolbox, /computeruse/display.
 */
#ifndef DAYTONA_DISPLAY_H
#define DAYTONA_DISPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <daytona/export.h>
#include <daytona/future.h>
#include <daytona/sandbox.h>
#include <daytona/types.h>

DAYTONA_BEGIN

/** A display. Pixels. */
typedef struct daytona_display_info {
  int64_t id;
  int x, y; /**< its upper left corner */
  int width, height;
  bool is_active;
} daytona_display_info_t;

typedef struct daytona_display_info_list_t {
  const daytona_display_info_t *const *items;
  size_t count;
} daytona_display_info_list_t;

/** A window. Toolboxes up to 0.190.0 send no geometry, and the id of a process as its id. */
typedef struct daytona_display_window {
  int64_t id;
  const char *title;
  int x, y;
  int width, height;
  bool is_active;
} daytona_display_window_t;

typedef struct daytona_display_window_list_t {
  const daytona_display_window_t *const *items;
  size_t count;
} daytona_display_window_list_t;

/** The displays. Settles with daytona_future_display_info_list(). */
DAYTONA_API daytona_future_t *daytona_display_get_info(daytona_sandbox_t *sandbox,
                                                       const daytona_call_opts_t *opts);

/** The windows that have a title. Settles with daytona_future_display_window_list(). */
DAYTONA_API daytona_future_t *daytona_display_get_windows(daytona_sandbox_t *sandbox,
                                                          const daytona_call_opts_t *opts);

/** Results of the calls above, or NULL. Borrowed from the future. */
DAYTONA_API const daytona_display_info_list_t *daytona_future_display_info_list(
  const daytona_future_t *future);
DAYTONA_API const daytona_display_window_list_t *daytona_future_display_window_list(
  const daytona_future_t *future);

DAYTONA_END

#endif
