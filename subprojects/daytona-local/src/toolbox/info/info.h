/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the sandbox says about itself; metrics are a running measurement.
 */
#ifndef DL_TOOLBOX_INFO_H
#define DL_TOOLBOX_INFO_H

#include "http/http.h"

#include <uv.h>

extern const dl_route_table_t DL_TB_INFO_ROUTES;

typedef struct dl_tb_metrics dl_tb_metrics_t;
dl_tb_metrics_t *dl_tb_metrics_new(uv_loop_t *loop);
void dl_tb_metrics_close(dl_tb_metrics_t *m);

#endif
