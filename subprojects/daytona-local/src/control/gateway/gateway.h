/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's side of SSH: it keeps the listening socket, runs the gateway's program (daytona-local-ssh, see ssh/link.h),
 * and answers which sandbox a token opens. A session counts as activity of its sandbox, and is ended when its token is
 * not good any more or the sandbox stops.
 *
 * The program is started when it is first needed, and again when it has ended.
 */
#ifndef DL_GATEWAY_H
#define DL_GATEWAY_H

#include "control/auth/rates.h"
#include "control/objects/objects.h"

typedef struct dl_gateway dl_gateway_t;

typedef struct {
  dl_objects_t *objects;  /* Required. */
  dl_rates_t *limits;     /* Required. Bad tokens count as failed logins of their client's address. */
  const char *host;       /* Required. A numeric address. */
  int port;               /* 0: any free one */
  const char *program;    /* Required. See dl_gateway_find_program. */
  unsigned login_seconds; /* for a login; 0: 20 */
} dl_gateway_opts_t;

/* The path of the program, yours to free. NULL: it is not there, because daytona-local was built without libssh. */
char *dl_gateway_find_program(void);
extern const char DL_GATEWAY_MISSING[]; /* what to say then */

/* Listens. NULL and *error (yours to free) when it cannot. */
dl_gateway_t *dl_gateway_new(uv_loop_t *loop, const dl_gateway_opts_t *opts, char **error);
/* Starts the program now and waits until it is ready, before the loop runs. -1 and *error when it does not get ready. */
int dl_gateway_start(dl_gateway_t *g, char **error);
/* Ends all sessions. NULL is fine; `on_closed` comes either way, perhaps at once. */
void dl_gateway_close(dl_gateway_t *g, void (*on_closed)(void *user), void *user);

const char *dl_gateway_host(const dl_gateway_t *g);
int dl_gateway_port(const dl_gateway_t *g);
/* "ssh-ed25519 AAAA...", and "SHA256:..."; NULL while the program was never started. */
const char *dl_gateway_host_key(const dl_gateway_t *g);
const char *dl_gateway_fingerprint(const dl_gateway_t *g);
/* Somebody is about to come. */
void dl_gateway_expect(dl_gateway_t *g);
/* Tokens or sandboxes have changed: sessions that are not allowed any more end now. NULL is fine. */
void dl_gateway_check(dl_gateway_t *g);

#endif
