/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Logs of builds on the proxy's side: a bearer token opens them, and errors are the proxy's.
 */
#include "proxy/logs.h"

#include "control/objects/snapshots.h"
#include "control/routes/answer.h"
#include "control/routes/log_stream.h"

#include <string.h>

static void no_log(dl_control_t *c, dl_req_t *req) {
  dl_fail_proxy(c, req, 404, "not found: there is no log of this build");
}

static const json_t *build_of_sandbox(dl_control_t *c, const char *id) {
  const dl_sandbox_t *sb = dl_objects_find(&c->objects, id, false);
  return sb ? sb->build : NULL;
}

static const json_t *build_of_snapshot(dl_control_t *c, const char *id) {
  const json_t *snapshot = json_object_get(dl_snapshots_all(&c->objects), id);
  return snapshot ? dl_snapshot_build(snapshot) : NULL;
}

static void stream(dl_control_t *c, dl_req_t *req, const json_t *build) {
  const char *text = dl_query_get(dl_req_query(req), "follow");
  bool follows = false;
  if (text && !dl_parse_bool(text, &follows))
    dl_fail_proxy(c, req, 400, "bad request: follow must be true or false");
  else if (!build)
    no_log(c, req);
  else
    dl_stream_log(c, req, dl_json_str(build, "snapshotRef"), follows, no_log);
}

static void of_sandbox(dl_req_t *req, void *user) {
  stream(user, req, build_of_sandbox(user, dl_req_param(req, "id")));
}

static void of_snapshot(dl_req_t *req, void *user) {
  stream(user, req, build_of_snapshot(user, dl_req_param(req, "id")));
}

static const dl_route_t routes[] = {
  {"GET", "/sandboxes/{id}/build-logs", of_sandbox, 0},
  {"GET", "/snapshots/{id}/build-logs", of_snapshot, 0},
};

void dl_proxy_logs(dl_control_t *c, dl_req_t *req, const char *path) {
  bool bad_escape;
  unsigned permissions;
  const dl_route_t *route = dl_route_find(req, routes, DL_COUNT(routes), path, &bad_escape);
  const char *organization = dl_req_header(req, "X-Daytona-Organization-ID");
  if (dl_keys_check(&c->keys, dl_req_header(req, "Authorization"),
                    organization ? organization : c->objects.organization_id, &permissions) != DL_AUTH_OK)
    dl_fail_proxy(c, req, 401, "unauthorized: no usable credential");
  else if (!route)
    dl_fail_proxy(c, req, 404, "not found: not found");
  else
    route->handler(req, c);
}
