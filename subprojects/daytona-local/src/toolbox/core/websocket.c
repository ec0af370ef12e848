/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handshakes of the toolbox. Clients may insist on the choice of a sub-protocol that they offered; another is never
 * chosen.
 */
#include "toolbox/core/websocket.h"

#include "toolbox/core/reply.h"

#include <stdlib.h>
#include <string.h>

#define EXIT_CONTROL "X-Daytona-Pty-Exit-Control"

static char *find_token(dl_req_t *req, const char *prefix) {
  const char *list = dl_req_header(req, "Sec-WebSocket-Protocol");
  while (list != NULL && *list != '\0') {
    list += strspn(list, ", \t");
    size_t len = strcspn(list, ", \t");
    if (len >= strlen(prefix) && strncmp(list, prefix, strlen(prefix)) == 0) return dl_xstrndup(list, len);
    list += len;
  }
  return NULL;
}

char *dl_ws_token(dl_req_t *req, const char *prefix) {
  char *token = find_token(req, prefix);
  if (token != NULL) memmove(token, token + strlen(prefix), strlen(token + strlen(prefix)) + 1);
  return token;
}

bool dl_ws_accept(dl_toolbox_t *tb, dl_req_t *req, const dl_ws_opts_t *opts, const dl_ws_events_t *events,
                  void *user) {
  static const char refusal[] = "Bad Request\n";
  char *token = find_token(req, "X-Daytona-SDK-Version~");
  (void)tb;
  if (token == NULL) token = find_token(req, EXIT_CONTROL);
  bool is_open = dl_ws_open(req, token, opts, events, user);
  free(token);
  if (is_open) return true;
  dl_tb_add_request_id(req);
  dl_req_add_header(req, "Sec-Websocket-Version", "13");
  dl_reply_bytes(req, 400, "text/plain", refusal, strlen(refusal));
  return false;
}
