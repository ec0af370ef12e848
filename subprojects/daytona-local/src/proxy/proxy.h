/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way from a client to a sandbox: toolbox calls and previews, authenticated, streamed both
 * ways, upgrades included.
 */
#ifndef DL_PROXY_H
#define DL_PROXY_H

#include "control/context.h"
#include "http/duplex.h"

/* `path` is "/{sandboxId}/{rest}", still encoded. */
void dl_proxy_toolbox(dl_control_t *c, dl_req_t *req, const char *path);
/* `label` is "{port}-{sandbox id or signed token}"; `path` goes to the program on that port; `prefix` is what the client
 * has in front of it. */
void dl_proxy_preview(dl_control_t *c, dl_req_t *req, const char *label, const char *prefix,
                      const char *path);

/* What the page's WebSockets are opened with. */
#define DL_PAGE_PROTOCOL "daytona-local-page"
typedef struct {
  void (*on_upgraded)(void *user, dl_duplex_t *client); /* as of dl_forward_opts_t */
  void (*on_end)(void *user);                           /* once, in any case */
  void *user;
} dl_passage_watch_t;
/* For our own page, whose session was looked at: `path` goes to the toolbox of `sb`. Nothing passes between the browser and the
 * sandbox but the body, its type and what a WebSocket is opened with. `watch`: copied; NULL: nobody does. */
void dl_proxy_page(dl_control_t *c, dl_req_t *req, dl_sandbox_t *sb, const char *path,
                   const dl_passage_watch_t *watch);

#endif
