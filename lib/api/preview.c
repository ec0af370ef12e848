/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Previews: URLs under which a port of a sandbox is reachable.
 */
#include <daytona/sandbox.h>

#include "call/method.h"
#include "call/results.h"

static DAYTONA__MODEL_OF(link_model, daytona_preview_link_t, "PortPreviewUrl",
                         DAYTONA__FIELD(daytona_preview_link_t, STRING, sandbox_id, "sandboxId"),
                         DAYTONA__FIELD(daytona_preview_link_t, INT, port, "port"),
                         DAYTONA__FIELD(daytona_preview_link_t, STRING, url, "url",
                                        .flags = DAYTONA__JSON_REQUIRED),
                         DAYTONA__FIELD(daytona_preview_link_t, STRING, token, "token",
                                        .flags = DAYTONA__JSON_SECRET));

typedef struct preview_args {
  int port;
  const char *token;
} preview_args_t;

/* Plain links do not repeat the port. */
static int finish_link(daytona__op_t *op, const void *args, void **answer, const char **problem) {
  daytona_preview_link_t *link = *answer;
  if (link->port == 0) link->port = ((const preview_args_t *)args)->port;
  return 0;
}

#define PORT                                                                                                 \
  DAYTONA__ARG(IN_PATH, preview_args_t, INT32, port, "port", .rules = DAYTONA__MIN | DAYTONA__MAX, .min = 1, \
               .max = 65535)

#define PREVIEW(noun, http_verb, tail, what, ...)                            \
  DAYTONA__METHOD(noun, .prefix = "Failed to " what ": ", .verb = http_verb, \
                  .path = "/sandbox/{sandbox}/ports/{port}" tail, __VA_ARGS__)
#define ARGS(...) .request = DAYTONA__ARGS(preview_args_t, __VA_ARGS__)
#define LINK .response = &link_model, .result = &daytona__type_preview_link, .finish = finish_link

PREVIEW(get, "GET", "/preview-url", "get preview link", ARGS(PORT), LINK);

daytona_future_t *daytona_sandbox_get_preview_link(daytona_sandbox_t *sandbox, int port,
                                                   const daytona_call_opts_t *opts) {
  return daytona__call(sandbox, &get_method, &(preview_args_t){port}, DAYTONA__OPTS(opts));
}

PREVIEW(sign, "GET", "/signed-preview-url", "create signed preview url",
        ARGS(PORT, DAYTONA__OPT(IN_QUERY, daytona_sandbox_create_signed_preview_url_opts_t, OPT_INT,
                                expires_in_seconds, "expiresInSeconds", .rules = DAYTONA__MIN | DAYTONA__MAX,
                                .min = 1, .max = 86400)),
        LINK);

daytona_future_t *daytona_sandbox_create_signed_preview_url(
  daytona_sandbox_t *sandbox, int port, const daytona_sandbox_create_signed_preview_url_opts_t *opts) {
  return daytona__call(sandbox, &sign_method, &(preview_args_t){port}, DAYTONA__OPTS(opts));
}

PREVIEW(expire, "POST", "/signed-preview-url/{token}/expire", "expire signed preview url",
        ARGS(PORT, DAYTONA__ARG(IN_PATH, preview_args_t, STRING, token, "token",
                                .flags = DAYTONA__JSON_SECRET, .rules = DAYTONA__NONEMPTY)));

daytona_future_t *daytona_sandbox_expire_signed_preview_url(daytona_sandbox_t *sandbox, int port,
                                                            const char *token,
                                                            const daytona_call_opts_t *opts) {
  return daytona__call(sandbox, &expire_method, &(preview_args_t){port, token}, DAYTONA__OPTS(opts));
}
