/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /git: working with repositories by running git.
 */
#ifndef DL_TOOLBOX_GIT_H
#define DL_TOOLBOX_GIT_H

#include "http/http.h"

extern const dl_route_table_t DL_TB_GIT_ROUTES;

#endif
