/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way of a call to its route. The order is the platform's: credential, rate limit, permission,
 * the resource, then the body.
 */
#include "control/routes/api.h"

#include "control/routes/admit.h"
#include "control/routes/call.h"

dl_routes_t *dl_api_routes(char **error) {
  const dl_route_table_t tables[] = {
    dl_sandbox_routes(), dl_action_routes(),  dl_settings_routes(), dl_preview_routes(), dl_signing_routes(),
    dl_ssh_routes(),     dl_build_routes(),   dl_snapshot_routes(), dl_volume_routes(),  dl_storage_routes(),
    dl_secret_routes(),  dl_metrics_routes(), dl_pool_routes(),     dl_info_routes()};
  return dl_routes_join(tables, DL_COUNT(tables), error);
}

/* `known`: NULL, or the permissions of somebody whose credential was looked at. */
static void handle(dl_control_t *c, dl_req_t *req, const char *path, const unsigned *known) {
  bool bad_escape;
  dl_req_add_header(req, "X-Daytona-Api-Version", DL_API_VERSION);
  const dl_route_t *route = dl_routes_find(req, c->routes, path, &bad_escape);
  if (bad_escape) {
    dl_fail(c, req, 400, "the path holds a broken percent escape");
    return;
  }
  unsigned flags = route ? route->flags : 0, permissions = known ? *known : 0;
  if (!route) {
    dl_fail(c, req, 404, "Cannot %s %s", dl_req_method(req), dl_req_path(req));
    return;
  }
  if (!known && !(flags & DL_R_PUBLIC) && !dl_authenticate(c, req, &permissions)) return;
  if (!dl_within_limit(c, req, flags)) return;
  unsigned needed = flags >> 16;
  bool has_other = (flags & DL_R_OR_SNAPSHOTS) && (permissions & 1u << DL_PERM_WRITE_SNAPSHOTS);
  if (needed && !has_other && !(permissions & 1u << needed)) {
    dl_fail(c, req, 403, "this key lacks the permission %s", dl_permission_name((dl_permission_t)needed));
    return;
  }
  dl_run_route(c, req, route);
}

void dl_api_handle(dl_control_t *c, dl_req_t *req, const char *path) { handle(c, req, path, NULL); }

void dl_api_handle_as(dl_control_t *c, dl_req_t *req, const char *path, unsigned permissions) {
  handle(c, req, path, &permissions);
}
