/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests that start programs wait until the network of the sandbox is ready.
 */
#ifndef DL_TOOLBOX_GATE_H
#define DL_TOOLBOX_GATE_H

#include "http/http.h"
#include "toolbox/core/toolbox.h"

struct dl_tb_gate *dl_tb_gate_new(uv_loop_t *loop, bool is_open);
void dl_tb_gate_open(struct dl_tb_gate *g);
void dl_tb_gate_close(struct dl_tb_gate *g);
/* For requests that start a program: reads the body, and calls `cb` with the toolbox as `user` when
 * the network of the sandbox is ready. */
void dl_tb_read_body_gated(dl_toolbox_t *tb, dl_req_t *req, dl_body_cb cb);

#endif
