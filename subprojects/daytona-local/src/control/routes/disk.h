/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What sandboxes take on the disk, for the information about the server.
 */
#ifndef DL_DISK_H
#define DL_DISK_H

#include "control/context.h"

/* Answers 200 with `answer` (taken) and in it "disk": {id: bytes of its files or its archive; null: unknown}. */
void dl_disk_answer(dl_control_t *c, dl_req_t *req, json_t *answer);

#endif
