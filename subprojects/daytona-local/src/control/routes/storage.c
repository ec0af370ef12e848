/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The call for credentials of the object store.
 */
#include "control/auth/called.h"
#include "control/routes/call.h"

#include <stdlib.h>

static void push_access(dl_req_t *req, void *user) {
  dl_control_t *c = user;
  dl_s3_access_t a = dl_s3_issue(c->s3);
  char *url = dl_called_url(&c->front, req);
  dl_reply_json(req, 200,
                json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "accessKey", a.access_key, "secret",
                          a.secret, "sessionToken", a.session_token, "storageUrl", url, "organizationId",
                          c->objects.organization_id, "bucket", DL_S3_BUCKET, "region", DL_S3_REGION));
  dl_s3_access_clear(&a);
  free(url);
}

static const dl_route_t routes[] = {
  {"GET", "/object-storage/push-access", push_access, DL_R_PERM(DL_PERM_WRITE_SANDBOXES) | DL_R_OR_SNAPSHOTS},
};

dl_route_table_t dl_storage_routes(void) { return (dl_route_table_t){routes, DL_COUNT(routes)}; }
