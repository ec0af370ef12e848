/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log of a build as the body of an answer.
 */
#ifndef DL_LOG_STREAM_H
#define DL_LOG_STREAM_H

#include "control/routes/answer.h"

/* Answers `req`, on a later turn: with what the log of the build `ref` holds and, with `follows`, what comes until its end.
 * Where there is no log, `on_missing` answers. */
void dl_stream_log(dl_control_t *c, dl_req_t *req, const char *ref, bool follows,
                   void (*on_missing)(dl_control_t *c, dl_req_t *req));

#endif
