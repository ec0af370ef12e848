/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The flags of a route of the control plane, and the tables of the nouns.
 */
#ifndef DL_FLAGS_H
#define DL_FLAGS_H

#include "control/auth/keys.h"
#include "http/http.h"

enum {
  DL_R_PUBLIC = 1 << 0,     /* no credential */
  DL_R_BODY = 1 << 1,       /* reads a JSON body */
  DL_R_SANDBOX = 1 << 2,    /* {x}: id or name, 404 if unknown */
  DL_R_SANDBOX_ID = 1 << 3, /* {x}: id only */
  DL_R_CREATE = 1 << 4,     /* rate-limit bucket sandbox-create */
  DL_R_LIFECYCLE = 1 << 5,  /* rate-limit bucket sandbox-lifecycle */
  DL_R_ANONYMOUS = 1 << 6,  /* rate-limit bucket anonymous */
  DL_R_UNLIMITED = 1 << 7,
  DL_R_OR_SNAPSHOTS = 1 << 8, /* write:snapshots is as good as the permission that is named */
  DL_R_LIST = 1 << 10,        /* rate-limit bucket sandbox-list */
  DL_R_MEMORY = 1 << 9,       /* with DL_R_SANDBOX: also one that is destroyed and still shown */
};
/* The permission a key needs, in the upper half of the flags. */
#define DL_R_PERM(permission) ((unsigned)(permission) << 16)

/* One per file of nouns; api.c joins them. */
dl_route_table_t dl_sandbox_routes(void);
dl_route_table_t dl_action_routes(void);
dl_route_table_t dl_settings_routes(void);
dl_route_table_t dl_preview_routes(void);
dl_route_table_t dl_signing_routes(void);
dl_route_table_t dl_ssh_routes(void);
dl_route_table_t dl_build_routes(void);
dl_route_table_t dl_snapshot_routes(void);
dl_route_table_t dl_volume_routes(void);
dl_route_table_t dl_storage_routes(void);
dl_route_table_t dl_secret_routes(void);
dl_route_table_t dl_metrics_routes(void);
dl_route_table_t dl_pool_routes(void);
dl_route_table_t dl_info_routes(void);

#endif
