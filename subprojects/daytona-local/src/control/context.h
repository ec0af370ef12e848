/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a call of the control plane or the proxy works with: the objects, the life of the
 * sandboxes, who may call, and the server's options. One per server; every handler gets it.
 */
#ifndef DL_CONTEXT_H
#define DL_CONTEXT_H

#include "control/auth/keys.h"
#include "control/auth/origin.h"
#include "control/auth/rates.h"
#include "control/faults/faults.h"
#include "control/gateway/gateway.h"
#include "control/life/life.h"
#include "control/life/meter.h"
#include "control/life/pools.h"
#include "control/objects/objects.h"
#include "control/options.h"
#include "http/http.h"
#include "s3/s3.h"

typedef struct dl_control {
  dl_control_opts_t opts; /* with the defaults filled in */
  dl_objects_t objects;
  dl_life_t life;
  dl_keys_t keys;
  dl_rates_t limits;
  dl_front_t front;
  dl_meter_t *meter;
  dl_pool_keeper_t *pools;
  dl_faults_t *faults;
  struct dl_events *events; /* for clients that listen */
  dl_s3_t *s3;              /* objects that clients have sent, build contexts among them */
  struct dl_page *page;     /* for people; NULL: there is none */
  dl_gateway_t *gateway;    /* NULL: no SSH */
  dl_routes_t *routes;
  char *url, *scheme, *proxy_domain; /* of our own addresses */
  bool is_closing;
} dl_control_t;

/* The server's clock. */
static inline int64_t dl_now(const dl_control_t *c) { return dl_objects_now(&c->objects); }

#endif
