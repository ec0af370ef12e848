/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /port and /proxy: the listening ports of the sandbox, and the way to them.
 */
#ifndef DL_TOOLBOX_PORT_H
#define DL_TOOLBOX_PORT_H

#include "http/http.h"

extern const dl_route_table_t DL_TB_PORT_ROUTES, DL_TB_FORWARD_ROUTES;

/* A decimal port number, 1 to 65535. */
bool dl_tb_port_parse(const char *text, int *out);

#endif
