/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Screenshots as the response of the wire.
 */
#ifndef DL_DESKTOP_SHOT_H
#define DL_DESKTOP_SHOT_H

#include "desktop/screen.h"
#include "toolbox/desktop/wire.h"

/* A status as in HTTP; `out` gets the JSON, or a message. */
int shot_take(screen_t *s, const dl_desktop_ask_t *ask, dl_buf_t *out);

#endif
