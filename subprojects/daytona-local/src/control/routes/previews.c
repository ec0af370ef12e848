/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls for preview URLs, with the standing token of a sandbox or with signed ones.
 */
#include "control/auth/called.h"
#include "control/objects/previews.h"
#include "control/routes/call.h"

#include <stdlib.h>

static bool read_port(dl_control_t *c, dl_req_t *req, int64_t *port) {
  if (dl_parse_int(dl_req_param(req, "port"), 1, 65535, port)) return true;
  dl_fail(c, req, 400, "port must be an integer from 1 to 65535");
  return false;
}

static char *host_url(const dl_control_t *c, const dl_req_t *req, int64_t port, const char *label) {
  char *scheme = dl_called_scheme(&c->front, req), *domain = dl_called_domain(&c->front, req);
  char *url = dl_xprintf("%s://%lld-%s.%s", scheme, (long long)port, label, domain);
  free(domain);
  free(scheme);
  return url;
}

static void preview_url(dl_req_t *req, void *user) {
  dl_control_t *c = user;
  dl_sandbox_t *sb = dl_target(req);
  int64_t port;
  if (!read_port(c, req, &port)) return;
  char *url = host_url(c, req, port, sb->id);
  dl_reply_json(req, 200,
                json_pack("{s:s, s:s, s:s}", "sandboxId", sb->id, "url", url, "token", sb->preview_token));
  free(url);
}

/* --- signed ones --- */

static void signed_preview_url(dl_req_t *req, void *user) {
  dl_control_t *c = user;
  dl_sandbox_t *sb = dl_target(req);
  const char *text = dl_query_get(dl_req_query(req), "expiresInSeconds");
  int64_t port, seconds = 60;
  if (!read_port(c, req, &port)) return;
  if (text && !dl_parse_int(text, 1, 86400, &seconds)) {
    dl_fail(c, req, 400, "expiresInSeconds must be an integer from 1 to 86400");
    return;
  }
  char *token = dl_preview_add(&c->objects, sb, port, dl_now(c) + seconds * 1000);
  if (!token) {
    dl_fail(c, req, 400, "too many signed preview URLs of this sandbox are alive");
    return;
  }
  char *url = host_url(c, req, port, token);
  dl_life_save(sb);
  dl_answer_durable(c, req, 200,
                    json_pack("{s:s, s:I, s:s, s:s}", "sandboxId", sb->id, "port", (json_int_t)port, "token",
                              token, "url", url));
  free(token);
  free(url);
}

static void expire_signed(dl_req_t *req, void *user) {
  dl_control_t *c = user;
  dl_sandbox_t *sb = dl_target(req);
  dl_preview_remove(&c->objects, sb, dl_req_param(req, "token"));
  dl_life_save(sb);
  dl_answer_durable(c, req, 200, NULL);
}

static const dl_route_t routes[] = {
  {"GET", "/sandbox/{x}/ports/{port}/preview-url", preview_url, DL_R_SANDBOX},
  {"GET", "/sandbox/{x}/ports/{port}/signed-preview-url", signed_preview_url, DL_R_SANDBOX},
  {"POST", "/sandbox/{x}/ports/{port}/signed-preview-url/{token}/expire", expire_signed, DL_R_SANDBOX},
};

dl_route_table_t dl_preview_routes(void) { return (dl_route_table_t){routes, DL_COUNT(routes)}; }
