/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How calls of the control plane and the proxy are answered.
 */
#ifndef DL_ANSWER_H
#define DL_ANSWER_H

#include "control/context.h"

/* The envelope of the control plane. */
void dl_fail(dl_control_t *c, dl_req_t *req, int status, const char *fmt, ...) DL_PRINTF(4, 5);
/* The envelope of the proxy: code from the status, source DAYTONA_PROXY. */
void dl_fail_proxy(dl_control_t *c, dl_req_t *req, int status, const char *fmt, ...) DL_PRINTF(4, 5);
/* The reason phrase of a status. */
const char *dl_reason(int status);

/* 500: whatever the call has changed is as it was. */
void dl_fail_unwritten(dl_control_t *c, dl_req_t *req, dl_written_t outcome);

/* Answer once everything put into the store is durable. `body` is taken; NULL: empty. */
void dl_answer_durable(dl_control_t *c, dl_req_t *req, int status, json_t *body);
/* The same with a text, copied. */
void dl_answer_durable_text(dl_control_t *c, dl_req_t *req, int status, const char *text);
/* As the client of `req` sees it; yours to release. */
json_t *dl_sandbox_shown_to(dl_control_t *c, dl_req_t *req, const dl_sandbox_t *sb);
void dl_answer_sandbox(dl_control_t *c, dl_req_t *req, dl_sandbox_t *sb);

/* Collects validation failures; several are joined with ", ". */
typedef struct {
  dl_buf_t text;
} dl_check_t;
void dl_check_init(dl_check_t *k);
void dl_check_add(dl_check_t *k, const char *fmt, ...) DL_PRINTF(2, 3);
/* True and answered 400 if anything was added. Frees the collection either way. */
bool dl_check_failed(dl_check_t *k, dl_control_t *c, dl_req_t *req);

#endif
