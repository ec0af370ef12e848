/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DL_TOOLBOX_PORT_H
#define DL_TOOLBOX_PORT_H

#include "toolbox/core/toolbox.h"

/* A decimal port number, 1 to 65535. */
bool dl_tb_port_parse(const char *text, int *out);

#endif
