/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests to a language server and its replies: JSON-RPC 2.0 over a program.
 *
 * Requests of the server are answered here; its notifications, diagnostics among them, are dropped.
 */
#ifndef DL_LSP_RPC_H
#define DL_LSP_RPC_H

#include "toolbox/lsp/program.h"

typedef struct dl_lsp_rpc dl_lsp_rpc_t;

/* Requests of one server that wait for their replies. */
#define DL_LSP_PENDING_MAX 512

typedef struct {
  const json_t *result; /* borrowed; NULL: it failed */
  int status;           /* of a failure, for HTTP */
  const char *message;
} dl_lsp_outcome_t;

typedef void (*dl_lsp_done_cb)(void *user, const dl_lsp_outcome_t *outcome);

/* 0 and *out, or an errno value. `on_end`: the program has ended, after all requests have failed; the last event, the rpc is
 * gone. */
int dl_lsp_rpc_start(dl_toolbox_t *tb, char *const *argv, const char *cwd,
                     void (*on_end)(void *user, const char *why), void *user, dl_lsp_rpc_t **out);
/* `params` is taken. `done` is called once, on a later turn of the loop, unless the request is cancelled. Its id, or 0: too
 * many or too large requests are waiting, nothing was sent. */
int64_t dl_lsp_rpc_request(dl_lsp_rpc_t *r, const char *method, json_t *params, uint64_t timeout_ms,
                           dl_lsp_done_cb done, void *user);
/* The reply is of no interest any more: `done` is not called. */
void dl_lsp_rpc_cancel(dl_lsp_rpc_t *r, int64_t id);
/* `params` is taken. False: too much is waiting. */
bool dl_lsp_rpc_notify(dl_lsp_rpc_t *r, const char *method, json_t *params);
/* All pending requests fail with that. */
void dl_lsp_rpc_fail_all(dl_lsp_rpc_t *r, int status, const char *message);
/* Ends the program; nothing may be pending. No event follows. */
void dl_lsp_rpc_kill(dl_lsp_rpc_t *r);

#endif
