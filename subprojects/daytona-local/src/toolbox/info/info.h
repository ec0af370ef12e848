/* SPDX-License-Identifier: Apache-2.0
 *
 * The running measurement behind GET /system/metrics.
 */
#ifndef DL_TOOLBOX_INFO_H
#define DL_TOOLBOX_INFO_H

#include "toolbox/core/toolbox.h"

dl_tb_metrics *dl_tb_metrics_new(uv_loop_t *loop);
void dl_tb_metrics_close(dl_tb_metrics *m);

#endif
