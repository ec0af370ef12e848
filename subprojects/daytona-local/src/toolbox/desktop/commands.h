/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the programs of a desktop are started here: their command lines, the display, the ports.
 */
#ifndef DL_DESKTOP_COMMANDS_H
#define DL_DESKTOP_COMMANDS_H

#include "toolbox/core/toolbox.h"

enum { DL_XVFB, DL_XFCE4, DL_X11VNC, DL_NOVNC, DL_DESKTOP_PROCESSES };

typedef struct {
  int display; /* :N */
  int width, height, depth;
  int vnc_port, novnc_port;
} dl_desktop_place_t;

/* From VNC_RESOLUTION, VNC_PORT, NO_VNC_PORT and DISPLAY of the environment. NULL, or what is wrong with them (yours to
 * free). */
char *dl_desktop_place_read(const dl_environ_t *e, dl_desktop_place_t *out);
/* An X server has this display, or has left its socket or lock. */
bool dl_desktop_display_taken(int display);
/* Makes the folder of the sockets of X servers, which an X server makes only for root. */
void dl_desktop_make_socket_dir(void);
/* Something listens there. */
bool dl_desktop_port_taken(int port);
/* The command line of a process, ended by NULL; NULL and *problem (both yours to free) if a program is missing. */
char **dl_desktop_command(const dl_toolbox_t *tb, int which, const dl_desktop_place_t *place, char **problem);
void dl_desktop_command_free(char **argv);

#endif
