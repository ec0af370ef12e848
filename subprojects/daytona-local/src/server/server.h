/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server as a whole.
 */
#ifndef DL_SERVER_H
#define DL_SERVER_H

#include "base/jsonx.h"
#include "control/options.h"

typedef struct dl_server dl_server_t;

/* NULL and *error when it cannot start. Boots the sandboxes that were started. */
dl_server_t *dl_server_new(uv_loop_t *loop, const dl_control_opts_t *opts, char **error);
/* Stops serving, ends every box, writes what is unwritten, and reports. */
void dl_server_close(dl_server_t *s, void (*on_closed)(void *user), void *user);
/* What a close is waiting for, in words. From any thread. */
const char *dl_server_closing_step(void);
const char *dl_server_url(const dl_server_t *s); /* for clients: http://127.0.0.1:PORT, or --public-url */
int dl_server_port(const dl_server_t *s);
const struct dl_gateway *dl_server_gateway(const dl_server_t *s); /* NULL: no SSH */
/* False and *error when it is no rule of a fault. */
bool dl_server_add_fault(dl_server_t *s, const json_t *rule, char **error);

#endif
