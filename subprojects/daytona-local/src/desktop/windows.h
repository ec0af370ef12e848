/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Displays and windows as JSON.
 */
#ifndef DL_DESKTOP_WINDOWS_H
#define DL_DESKTOP_WINDOWS_H

#include "desktop/screen.h"

void put_displays(screen_t *s, dl_buf_t *out);
void put_windows(screen_t *s, dl_buf_t *out);
/* A window manager runs. */
bool windows_are_managed(screen_t *s);

#endif
