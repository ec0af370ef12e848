/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The session bus of a sandbox. Programs that are started while it runs find it in their environment; at-spi2-core's own
 * services are started by it when the first of them asks.
 */
#ifndef DL_SESSION_BUS_H
#define DL_SESSION_BUS_H

#include "toolbox/core/spawn.h"
#include "toolbox/core/toolbox.h"

typedef struct {
  dl_toolbox_t *tb;
  dl_process_t process;
  char *folder, *address; /* NULL: it does not run */
} dl_session_bus_t;

void dl_session_bus_init(dl_session_bus_t *b, dl_toolbox_t *tb);
/* Does nothing when it runs, when the environment names another one, or when dbus-daemon is not installed. */
void dl_session_bus_start(dl_session_bus_t *b);
/* Ends it, and takes its address out of the environment. */
void dl_session_bus_stop(dl_session_bus_t *b);

#endif
