/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of the server example share: the service, and its runs.
 */
#ifndef EXAMPLES_SERVER_H
#define EXAMPLES_SERVER_H

#include <stdio.h>

#include "server_http.h"
#include "server_pool.h"
#include "shared/ending.h"

typedef struct service service_t;

/* One request: it waits, then it has a slot and a future. */
typedef struct run {
  service_t *service;
  struct run *next; /* in the list of those that wait, or of those that run */
  http_exchange_t *client;
  char *code;
  slot_t *slot;
  daytona_future_t *future;
  uv_timer_t limit; /* of waiting, then of the run */
  bool has_begun, is_paused, is_late;
} run_t;

struct service {
  uv_loop_t *loop;
  daytona_client_t *client;
  http_server_t http;
  pool_t pool;
  run_t *waiting, *running;
  int waiting_count;
  long long served;
  ending_t ending;
  uv_timer_t grace;
  int signal_count;
  bool was_ready;
  /* what was asked for */
  int port, pool_size, queue_max, timeout_s, runs_per_sandbox;
};

/* A response that is an error: why, as text. */
void refuse(http_exchange_t *client, int status, const char *why);

/* POST /run: a sandbox runs the body, at once, or when one is free. */
void run_serve(service_t *service, http_exchange_t *client);
/* A sandbox is free: the run that waits longest, if there is one, begins. */
void run_next(service_t *service);
/* Refuse those that wait; cancel those that run. */
void run_refuse_waiting(service_t *service, const char *why);
void run_cancel_all(service_t *service);
/* Its client takes output again, or is gone. */
void run_resume(run_t *run);
void run_forget_client(run_t *run);

/* GET /status and GET /metrics. */
void status_serve(service_t *service, http_exchange_t *client);
void metrics_serve(service_t *service, http_exchange_t *client);

#endif
