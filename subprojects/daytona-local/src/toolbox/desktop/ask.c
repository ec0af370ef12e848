/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a request to a lane and back.
 */
#include "toolbox/desktop/ask.h"

#include "toolbox/core/reply.h"

#include <stdlib.h>

typedef struct {
  dl_req_t *req;
  dl_desktop_lane_t *lane;
  uint32_t id;
  dl_desktop_shape_cb shape;
} passed_t;

static void on_reply(void *user, int status, const char *body, size_t len) {
  passed_t *p = user;
  dl_req_t *req = p->req;
  dl_desktop_shape_cb shape = p->shape;
  if (shape != NULL && shape(req, status)) return;
  if (status == 200) {
    dl_tb_add_request_id(req);
    dl_reply_bytes(req, 200, "application/json; charset=utf-8", body, len);
  } else {
    bool is_known = status == 400 || status == 500 || status == 503;
    dl_tb_reply_error(req, is_known ? status : 500, "%.*s", (int)len, body);
  }
}

static void on_gone(dl_req_t *req, void *user) {
  passed_t *p = user;
  (void)req;
  dl_desktop_lane_cancel(p->lane, p->id);
}

void dl_desktop_pass_on(dl_req_t *req, dl_desktop_lane_t *lane, const dl_desktop_ask_t *ask, const char *text,
                        dl_desktop_shape_cb shape) {
  passed_t *p = dl_xcalloc(1, sizeof *p);
  *p = (passed_t){.req = req, .lane = lane, .shape = shape};
  dl_req_set_data(req, p, free);
  dl_req_on_gone(req, on_gone, p);
  p->id = dl_desktop_lane_ask(lane, ask, text, on_reply, p);
}
