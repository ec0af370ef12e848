/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /computeruse and /recordings: what the platform's toolbox has and this one has not.
 */
#ifndef DL_TOOLBOX_ABSENT_H
#define DL_TOOLBOX_ABSENT_H

#include "http/http.h"

extern const dl_route_table_t DL_TB_ABSENT_ROUTES;

#endif
