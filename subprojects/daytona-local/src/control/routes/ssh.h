/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is said about SSH access.
 */
#ifndef DL_ROUTES_SSH_H
#define DL_ROUTES_SSH_H

#include "control/context.h"

/* The command that opens a sandbox with the token, for whoever has sent the request. There is a gateway. Yours to free. */
char *dl_ssh_command(const dl_control_t *c, dl_req_t *req, const char *token);
/* Adds to the answer of GET /config where the gateway is, if there is one. */
void dl_ssh_describe(const dl_control_t *c, dl_req_t *req, json_t *config);

#endif
