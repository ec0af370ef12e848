/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control plane's calls as a whole.
 */
#ifndef DL_API_H
#define DL_API_H

#include "control/context.h"

/* All routes. NULL and *error when two of them contradict each other. */
dl_routes_t *dl_api_routes(char **error);
/* `path` is without the prefix. */
void dl_api_handle(dl_control_t *c, dl_req_t *req, const char *path);

/* The same for somebody who has shown elsewhere what he may. */
void dl_api_handle_as(dl_control_t *c, dl_req_t *req, const char *path, unsigned permissions);

#endif
