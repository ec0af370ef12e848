/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers: JSON, and the one error envelope. A handler answers through these, so that every response has
 * the request id.
 */
#ifndef DL_TOOLBOX_REPLY_H
#define DL_TOOLBOX_REPLY_H

#include "base/jsonx.h"
#include "http/http.h"

/* `value` is taken. */
void dl_tb_reply_json(dl_req_t *req, int status, json_t *value);
/* The error envelope; the code follows from the status. */
void dl_tb_reply_error(dl_req_t *req, int status, const char *fmt, ...) DL_PRINTF(3, 4);
/* The same with a code of its own. */
void dl_tb_reply_error_code(dl_req_t *req, int status, const char *code, const char *fmt, ...)
  DL_PRINTF(4, 5);
/* A page of ours. No other page may show it in a frame, and it loads nothing from elsewhere. Borrowed for the call. */
void dl_tb_reply_page(dl_req_t *req, const char *html);
/* For answers made by hand: adds the id unless the request brought one. */
void dl_tb_add_request_id(dl_req_t *req);

#endif
