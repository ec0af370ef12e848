/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the server says about itself: configuration, health, regions.
 */
#include "control/auth/called.h"
#include "control/objects/snapshots.h"
#include "control/routes/call.h"
#include "control/routes/ssh.h"

#include <stdlib.h>

static json_t *limit_json(const dl_control_t *c, dl_bucket_t bucket) {
  const dl_rate_opts_t *o = &c->limits.opts[bucket];
  return json_pack("{s:I, s:I}", "ttl", (json_int_t)(o->window_ms / 1000), "limit", (json_int_t)o->limit);
}

static void config(dl_req_t *req, void *user) {
  dl_control_t *c = user;
  char *url = dl_called_url(&c->front, req), *scheme = dl_called_scheme(&c->front, req),
       *domain = dl_called_domain(&c->front, req);
  json_t *o =
    json_pack("{s:s, s:{s:o, s:s, s:s, s:s}, s:b, s:{}, s:o, s:o, s:s, s:s, s:i, s:b, s:s}", "version",
              DL_API_VERSION, "oidc", "issuer", json_sprintf("%s/oidc", url), "clientId", "local", "audience",
              "local", "provider", "local", "linkedAccountsEnabled", 0, "announcements", "proxyTemplateUrl",
              json_sprintf("%s://{{PORT}}-{{sandboxId}}.%s", scheme, domain), "proxyToolboxUrl",
              json_sprintf("%s/toolbox", url), "defaultSnapshot", DL_DEFAULT_SNAPSHOT, "dashboardUrl", url,
              "maxAutoArchiveInterval", 43200, "maintananceMode", 0, "environment", "local");
  free(url);
  free(scheme);
  free(domain);
  json_object_set_new(
    o, "rateLimit",
    json_pack("{s:o, s:o, s:o, s:o, s:o}", "failedAuth", limit_json(c, DL_BUCKET_FAILED_AUTH),
              "authenticated", limit_json(c, DL_BUCKET_AUTHENTICATED), "sandboxCreate",
              limit_json(c, DL_BUCKET_CREATE), "sandboxLifecycle", limit_json(c, DL_BUCKET_LIFECYCLE),
              "sandboxList", limit_json(c, DL_BUCKET_LIST)));
  if (c->opts.analytics_url) json_object_set_new(o, "analyticsApiUrl", json_string(c->opts.analytics_url));
  dl_ssh_describe(c, req, o);
  dl_reply_json(req, 200, o);
}

static void health(dl_req_t *req, void *user) {
  (void)user;
  dl_reply_json(req, 200, json_pack("{s:s}", "status", "ok"));
}

static void regions(dl_req_t *req, void *user) {
  dl_control_t *c = user;
  json_t *snapshot = dl_snapshot_find(&c->objects, NULL);
  const char *since = dl_json_str(snapshot, "createdAt");
  dl_reply_json(
    req, 200,
    json_pack("[{s:s, s:s, s:n, s:s, s:s, s:s, s:n, s:n, s:n, s:n}]", "id", c->objects.region, "name",
              c->objects.region, "organizationId", "regionType", "shared", "createdAt", since, "updatedAt",
              since, "proxyUrl", "sshGatewayUrl", "snapshotManagerUrl", "otelEndpoint"));
}

static void key_info(dl_req_t *req, void *user) {
  dl_control_t *c = user;
  dl_iso_t now = dl_iso_format(dl_objects_stamp(&c->objects));
  dl_reply_json(
    req, 200,
    json_pack("{s:s, s:s, s:s, s:[], s:n, s:n, s:s}", "name", "local", "value", "dtn_********", "createdAt",
              now.text, "permissions", "lastUsedAt", "expiresAt", "userId", c->objects.organization_id));
}

static const dl_route_t routes[] = {
  {"GET", "/config", config, DL_R_PUBLIC | DL_R_UNLIMITED},
  {"GET", "/health", health, DL_R_PUBLIC | DL_R_ANONYMOUS},
  {"GET", "/shared-regions", regions, DL_R_PUBLIC | DL_R_UNLIMITED},
  {"GET", "/regions", regions, 0},
  {"GET", "/api-keys/current", key_info, 0},
};

dl_route_table_t dl_info_routes(void) { return (dl_route_table_t){routes, DL_COUNT(routes)}; }
