/* SPDX-License-Identifier: Apache-2.0
 *
 * The control plane as its files see it: one organization, its sandboxes, snapshots and volumes,
 * who may call, and the answers every route gives.
 *
 * Layers: route files (one per noun) -> lifecycle (the only place that changes a sandbox's state
 * or touches a box) -> sandbox (data) -> store, clock.
 */
#ifndef DL_CONTROL_H
#define DL_CONTROL_H

#include "base/list.h"
#include "base/map.h"
#include "base/clock.h"
#include "control/faults/faults.h"
#include "control/auth/keys.h"
#include "control/auth/origin.h"
#include "control/auth/rates.h"
#include "control/objects/sandbox.h"
#include "control/store/store.h"
#include "http/http.h"
#include "runtime/runtime.h"

typedef struct dl_control dl_control;

typedef struct {
  const char *listen_host;  /* default 127.0.0.1 */
  int listen_port;          /* 0: any */
  const char *public_url;   /* what clients call us, without a path; default from the address */
  const char *proxy_domain; /* preview host names end in it; default localhost:PORT */
  const char *state_dir;    /* Required. */
  bool is_durable;
  const char *tls_cert_pem, *tls_key_pem, *tls_client_ca_pem;
  const dl_key *keys; /* Required: at least one. */
  size_t key_count;
  const char *jwt_token, *organization_id;
  dl_runtime_opts runtime;              /* run_dir is filled in */
  double clock_speed;                   /* 0: 1 */
  bool answers_creating;                /* create answers before the sandbox is up */
  bool accepts_unenforced;              /* store network lists that nothing here enforces */
  double max_cpu, max_memory, max_disk; /* per sandbox; 0: 4, 8, 10 */
  dl_rate_opts limits[DL_BUCKET_COUNT];
  const char *region; /* default "local" */
  dl_front front;     /* its lists; scheme and url are filled in */
} dl_control_opts;

struct dl_control {
  uv_loop_t *loop;
  dl_control_opts opts;
  dl_http *http;
  dl_routes *routes;
  dl_store *store;
  dl_runtime *runtime;
  dl_clock clock;
  dl_faults *faults;
  dl_rates limits;
  dl_keys keys;
  dl_front front;
  char *state_dir, *url, *scheme, *proxy_domain, *organization_id;
  dl_map sandboxes; /* id -> dl_sandbox */
  dl_map names;     /* name -> dl_sandbox, living ones only */
  dl_list sandbox_list;
  dl_map preview_tokens; /* signed token -> dl_sandbox */
  dl_list jobs;          /* work that must end before we close */
  uv_timer_t timers;
  bool is_closing, is_runtime_closed;
  void (*on_closed)(void *user);
  void *closed_user;
};

/* NULL and *error when it cannot start. Boots the sandboxes that were started. */
dl_control *dl_control_new(uv_loop_t *loop, const dl_control_opts *opts, char **error);
/* Stops serving, ends every box, writes what is unwritten. */
void dl_control_close(dl_control *c, void (*on_closed)(void *user), void *user);
const char *dl_control_url(const dl_control *c); /* http://127.0.0.1:PORT */

static inline int64_t dl_now(const dl_control *c) { return dl_clock_now(&c->clock); }

/* ---- answers ---- */

/* The envelope of the control plane. */
void dl_fail(dl_control *c, dl_req *req, int status, const char *fmt, ...) DL_PRINTF(4, 5);
/* The envelope of the proxy: code from the status, source DAYTONA_PROXY. */
void dl_fail_proxy(dl_control *c, dl_req *req, int status, const char *fmt, ...) DL_PRINTF(4, 5);
/* The reason phrase of a status. */
const char *dl_reason(int status);

/* Answer once everything put into the store is durable. `body` is taken; NULL: empty. */
void dl_answer_durable(dl_control *c, dl_req *req, int status, json_t *body);
void dl_answer_sandbox(dl_control *c, dl_req *req, dl_sandbox *sb);

/* ---- requests ---- */

/* The body of a route that wants one: a JSON object, empty when there was no body. Borrowed. */
const json_t *dl_body(dl_req *req);
/* The sandbox of a route that names one. */
dl_sandbox *dl_target(dl_req *req);

/* Collects validation failures; several are joined with ", ". */
typedef struct {
  dl_buf text;
} dl_check;
void dl_check_init(dl_check *k);
void dl_check_add(dl_check *k, const char *fmt, ...) DL_PRINTF(2, 3);
/* True and answered 400 if anything was added. Frees the collection either way. */
bool dl_check_failed(dl_check *k, dl_control *c, dl_req *req);

/* ---- routes: rows of dl_route with these flags; tables in the files of the nouns ---- */

enum {
  DL_R_PUBLIC = 1 << 0,     /* no credential */
  DL_R_BODY = 1 << 1,       /* reads a JSON body */
  DL_R_SANDBOX = 1 << 2,    /* {x}: id or name, 404 if unknown */
  DL_R_SANDBOX_ID = 1 << 3, /* {x}: id only */
  DL_R_CREATE = 1 << 4,     /* rate-limit bucket sandbox-create */
  DL_R_LIFECYCLE = 1 << 5,  /* rate-limit bucket sandbox-lifecycle */
  DL_R_ANONYMOUS = 1 << 6,  /* rate-limit bucket anonymous */
  DL_R_UNLIMITED = 1 << 7,
};
/* The permission a key needs, in the upper half of the flags. */
#define DL_R_PERM(permission) ((unsigned)(permission) << 16)

dl_route_table dl_sandbox_routes(void);
dl_route_table dl_lifecycle_routes(void);
dl_route_table dl_settings_routes(void);
dl_route_table dl_access_routes(void);
dl_route_table dl_snapshot_routes(void);
dl_route_table dl_volume_routes(void);
dl_route_table dl_info_routes(void);

#endif
