/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The options of the server.
 */
#ifndef DL_OPTIONS_H
#define DL_OPTIONS_H

#include "control/auth/keys.h"
#include "control/auth/origin.h"
#include "control/auth/rates.h"
#include "images/images.h"
#include "runtime/runtime.h"

typedef struct {
  const char *listen_host;  /* default 127.0.0.1 */
  int listen_port;          /* 0: any */
  const char *public_url;   /* what clients call us, without a path; default from the address */
  const char *proxy_domain; /* preview host names end in it; default localhost:PORT */
  const char *state_dir;    /* Required. */
  bool is_durable;
  const char *tls_cert_pem, *tls_key_pem, *tls_client_ca_pem;
  const dl_key_t *keys; /* Required: at least one. */
  size_t key_count;
  const char *jwt_token, *organization_id;
  dl_runtime_opts_t runtime;        /* run_dir is filled in */
  dl_images_opts_t images;          /* state_dir is filled in */
  const dl_box_pair_t *sandbox_env; /* of every sandbox; its own win */
  size_t sandbox_env_count;
  unsigned warm_count;                  /* boxes kept ready for creates; 0: none */
  double clock_speed;                   /* 0: 1 */
  bool answers_creating;                /* create answers before the sandbox is up */
  bool logs_requests;                   /* a line on stderr for each */
  bool has_no_page;                     /* nothing for browsers at / */
  const char *xterm_dir;                /* Optional. Where xterm.js is; NULL: where packages have it */
  bool accepts_unenforced;              /* store network lists that nothing here enforces */
  double max_cpu, max_memory, max_disk; /* per sandbox; 0: 4, 8, 10 */
  int64_t max_volumes;                  /* 0: 100 */
  int64_t max_object, max_storage;      /* bytes of one object, of all; 0: 5 GiB, 100 GiB */
  int max_snapshots;                    /* 0: 30 */
  double max_snapshot_gb;               /* each; 0: 20 */
  unsigned max_builds;                  /* builds at the same time, and as many pulls; 0: 2 */
  unsigned event_ping_ms;               /* of the event socket; 0: 25000 */
  dl_rate_opts_t limits[DL_BUCKET_COUNT];
  const char *ssh_host;        /* NULL: no SSH */
  int ssh_port;                /* 0: any */
  bool ssh_is_asked;           /* there is no server without it; else it is started when it is needed */
  unsigned ssh_login_seconds;  /* 0: 20 */
  int64_t metrics_interval_ms; /* between samples of what sandboxes use; 0: 10 s, -1: only when asked */
  const char *analytics_url;   /* Optional. Of a service that has the metrics instead. */
  const char *region;          /* default "local" */
  dl_front_t front;            /* its lists; scheme and url are filled in */
} dl_control_opts_t;

#endif
