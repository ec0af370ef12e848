/*
 * Previews: URLs under which a port of a sandbox is reachable.
 */
#include <daytona/sandbox.h>

#include <stdio.h>

#include "call/op.h"

static const daytona__json_field_t link_fields[] = {
  DAYTONA__FIELD(daytona_preview_link_t, STRING, sandbox_id, "sandboxId"),
  DAYTONA__FIELD(daytona_preview_link_t, INT, port, "port"),
  DAYTONA__FIELD(daytona_preview_link_t, STRING, url, "url", .flags = DAYTONA__JSON_REQUIRED),
  DAYTONA__FIELD(daytona_preview_link_t, STRING, token, "token", .flags = DAYTONA__JSON_SECRET),
};

static DAYTONA__MODEL(link_model, daytona_preview_link_t, "PortPreviewUrl", link_fields);

static const daytona__type_t type_link = {"preview link", NULL};

const daytona_preview_link_t *daytona_future_preview_link(const daytona_future_t *future) {
  return daytona__future_result(future, &type_link);
}

typedef struct preview_op {
  daytona__op_t op;
  int port;
} preview_op_t;

static void on_link(daytona__op_t *op, const daytona_error_t *error, void *answer) {
  if (error != NULL) {
    daytona__op_fail(op, error);
    return;
  }
  daytona_preview_link_t *link = answer;
  if (link->port == 0) link->port = ((preview_op_t *)op)->port; /* plain links do not repeat it */
  daytona__op_resolve(op, &type_link, link);
}

/* An operation on a port of a sandbox, with its path filled in; NULL if *future has failed. */
static daytona__op_t *port_op(daytona_sandbox_t *sandbox, int port, const char *token,
                              const daytona__endpoint_t *endpoint, daytona_future_t **future) {
  char text[16];
  daytona__op_t *op = daytona__op_new(endpoint, NULL, sandbox, sizeof(preview_op_t), future);
  if (op == NULL) return NULL;
  if (port < 1 || port > 65535) {
    daytona__op_reject(op, DAYTONA_EINVAL, "port must be 1 to 65535");
    return NULL;
  }
  ((preview_op_t *)op)->port = port;
  if (token != NULL) (*future)->arena.is_secret = true;
  snprintf(text, sizeof text, "%d", port);
  daytona__op_path(op, sandbox->id, text, token);
  return op;
}

static const daytona__endpoint_t link_endpoint = {.prefix = "Failed to get preview link: ",
                                                  .method = "GET",
                                                  .path = "/sandbox/{}/ports/{}/preview-url",
                                                  .response = &link_model};

daytona_future_t *daytona_sandbox_get_preview_link(daytona_sandbox_t *sandbox, int port,
                                                   const daytona_call_opts_t *opts) {
  daytona_future_t *future;
  daytona__op_t *op = port_op(sandbox, port, NULL, &link_endpoint, &future);
  return op != NULL ? daytona__op_run(op, NULL, opts, on_link) : future;
}

static const daytona__endpoint_t signed_endpoint = {.prefix = "Failed to create signed preview url: ",
                                                    .method = "GET",
                                                    .path = "/sandbox/{}/ports/{}/signed-preview-url",
                                                    .response = &link_model};

daytona_future_t *daytona_sandbox_create_signed_preview_url(
  daytona_sandbox_t *sandbox, int port, const daytona_sandbox_create_signed_preview_url_opts_t *opts) {
  daytona_future_t *future;
  daytona_call_opts_t request_opts = {.timeout_ms = opts != NULL ? opts->timeout_ms : 0};
  daytona__op_t *op = port_op(sandbox, port, NULL, &signed_endpoint, &future);
  if (op == NULL) return future;
  if (opts != NULL && !DAYTONA__RESERVED_OK(opts))
    return daytona__op_reject(op, DAYTONA_EINVAL, "reserved words of the options are not zero");
  if (opts != NULL) {
    daytona_opt_int_t seconds = opts->expires_in_seconds;
    if (seconds.is_set && (seconds.value < 1 || seconds.value > 86400))
      return daytona__op_reject(op, DAYTONA_EINVAL, "expires_in_seconds must be 1 to 86400");
    daytona__url_query_int(&op->url, "expiresInSeconds", seconds);
  }
  return daytona__op_run(op, NULL, &request_opts, on_link);
}

static const daytona__endpoint_t expire_endpoint = {
  .prefix = "Failed to expire signed preview url: ",
  .method = "POST",
  .path = "/sandbox/{}/ports/{}/signed-preview-url/{}/expire"};

daytona_future_t *daytona_sandbox_expire_signed_preview_url(daytona_sandbox_t *sandbox, int port,
                                                            const char *token,
                                                            const daytona_call_opts_t *opts) {
  daytona_future_t *future;
  daytona__op_t *op = port_op(sandbox, port, token, &expire_endpoint, &future);
  if (op == NULL) return future;
  if (token == NULL || token[0] == '\0') return daytona__op_reject(op, DAYTONA_EINVAL, "token is required");
  return daytona__op_run(op, NULL, opts, daytona__op_done_empty);
}
