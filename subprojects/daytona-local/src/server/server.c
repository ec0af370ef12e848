/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server as a whole: coming up from what is on disk, and going down in order: no new
 * requests, boxes, work on files, the journal, memory.
 */
#include "server/server.h"

#include "control/events/events.h"
#include "control/life/copies.h"
#include "control/life/snapshot_life.h"
#include "control/life/timers.h"
#include "control/objects/leftovers.h"
#include "control/objects/orphans.h"
#include "control/objects/pools.h"
#include "control/objects/secrets.h"
#include "control/objects/volumes.h"
#include "control/routes/api.h"
#include "http/tls.h"
#include "page/page.h"
#include "server/dispatch.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct dl_server {
  uv_loop_t *loop;
  dl_control_t control;
  dl_http_t *http;
  void (*on_closed)(void *user);
  void *closed_user;
};

static void set_defaults(dl_control_t *c, const dl_control_opts_t *opts) {
  c->opts = *opts;
  if (!c->opts.region) c->opts.region = "local";
  if (c->opts.clock_speed <= 0) c->opts.clock_speed = 1;
  if (c->opts.max_cpu <= 0) c->opts.max_cpu = 4;
  if (c->opts.max_memory <= 0) c->opts.max_memory = 8;
  if (c->opts.max_disk <= 0) c->opts.max_disk = 10;
  if (c->opts.max_volumes <= 0) c->opts.max_volumes = 100;
  if (c->opts.max_snapshots <= 0) c->opts.max_snapshots = 30;
  if (c->opts.max_snapshot_gb <= 0) c->opts.max_snapshot_gb = 20;
  if (c->opts.max_builds == 0) c->opts.max_builds = 2;
  if (c->opts.event_ping_ms == 0) c->opts.event_ping_ms = 25000;
}

static bool on_accept(void *user) { return dl_faults_hit_accept(((dl_control_t *)user)->faults); }

static int listen_http(dl_server_t *s, char **error) {
  dl_control_t *c = &s->control;
  dl_http_opts_t http = {
    .listen_fd = -1,
    .host = c->opts.listen_host,
    .port = c->opts.listen_port,
    .tls_cert_pem = c->opts.tls_cert_pem,
    .tls_key_pem = c->opts.tls_key_pem,
    .tls_client_ca_pem = c->opts.tls_client_ca_pem,
    .tls = &DL_TLS,
    .on_request = dl_dispatch,
    .on_accept = on_accept,
    .on_decided = c->opts.logs_requests || c->page ? dl_log_request : NULL,
    .on_refused = c->opts.logs_requests ? dl_log_refusal : NULL,
    .user = c,
  };
  s->http = dl_http_new(s->loop, &http, error);
  if (!s->http) return -1;
  c->scheme = dl_xstrdup(c->opts.tls_cert_pem ? "https" : "http");
  const char *host = c->opts.listen_host ? c->opts.listen_host : "127.0.0.1";
  if (strcmp(host, "0.0.0.0") == 0) host = "127.0.0.1";
  if (strcmp(host, "::") == 0) host = "::1";
  bool is_v6 = strchr(host, ':') != NULL;
  int port = dl_http_port(s->http);
  c->url = c->opts.public_url
             ? dl_xstrdup(c->opts.public_url)
             : dl_xprintf("%s://%s%s%s:%d", c->scheme, is_v6 ? "[" : "", host, is_v6 ? "]" : "", port);
  c->proxy_domain =
    c->opts.proxy_domain ? dl_xstrdup(c->opts.proxy_domain) : dl_xprintf("localhost:%d", port);
  c->front = c->opts.front;
  c->front.scheme = c->scheme;
  c->front.url = c->url;
  c->front.domain = c->proxy_domain;
  c->front.has_public_url = c->opts.public_url != NULL;
  c->front.has_proxy_domain = c->opts.proxy_domain != NULL;
  return 0;
}

/* A link to the object: what it reads stays, also when the object is replaced or deleted meanwhile. */
static char *take_context(void *user, const char *hash, char **error) {
  const dl_control_t *c = user;
  int64_t size;
  int fd = dl_s3_open_context(c->s3, hash, &size);
  if (fd < 0) {
    *error = errno == ENOENT ? dl_xprintf("the context %s was not uploaded", hash)
                             : dl_xprintf("the context %s cannot be read: %s", hash, strerror(errno));
    return NULL;
  }
  char *from = dl_xprintf("/proc/self/fd/%d", fd), *name = dl_random_token(20, DL_ALPHABET_LOWER),
       *path = dl_xprintf("%s/builds/context-%s", c->objects.state_dir, name);
  bool is_made = linkat(AT_FDCWD, from, AT_FDCWD, path, AT_SYMLINK_FOLLOW) == 0;
  if (!is_made) *error = dl_xprintf("the context %s cannot be used: %s", hash, strerror(errno));
  if (!is_made) dl_set(&path, NULL);
  close(fd);
  free(from);
  free(name);
  return path;
}

static int start_life(dl_control_t *c, char **error) {
  char *run_dir = dl_xprintf("%s/run", c->objects.state_dir);
  dl_life_opts_t opts = {
    .runtime = c->opts.runtime,
    .images = c->opts.images,
    .works = {.faults = c->faults, .take_context = take_context, .user = c, .at_once = c->opts.max_builds},
    .max_snapshot_gb = c->opts.max_snapshot_gb,
    .accepts_unenforced = c->opts.accepts_unenforced,
    .sandbox_env = c->opts.sandbox_env,
    .sandbox_env_count = c->opts.sandbox_env_count,
    .warm_count = c->opts.warm_count};
  opts.runtime.run_dir = run_dir;
  opts.images.state_dir = c->objects.state_dir;
  opts.images.is_durable = c->opts.is_durable;
  opts.images.jobs_at_once = 2 * c->opts.max_builds; /* the works keep the order */
  int rc = dl_life_open(&c->life, &opts, error);
  free(run_dir);
  return rc;
}

static int start_storage(dl_server_t *s, char **error) {
  dl_control_t *c = &s->control;
  const dl_s3_opts_t opts = {.objects = &c->objects,
                             .limits = &c->limits,
                             .front = &c->front,
                             .is_durable = c->opts.is_durable,
                             .object_max = c->opts.max_object,
                             .total_max = c->opts.max_storage};
  c->s3 = dl_s3_new(s->loop, &opts, error);
  return c->s3 ? 0 : -1;
}

static int start_gateway(dl_server_t *s, char **error) {
  dl_control_t *c = &s->control;
  if (!c->opts.ssh_host) return 0;
  char *program = dl_gateway_find_program();
  if (!program) {
    if (c->opts.ssh_is_asked) *error = dl_xprintf("--ssh-listen: %s", DL_GATEWAY_MISSING);
    return c->opts.ssh_is_asked ? -1 : 0;
  }
  const dl_gateway_opts_t opts = {.objects = &c->objects,
                                  .limits = &c->limits,
                                  .host = c->opts.ssh_host,
                                  .port = c->opts.ssh_port,
                                  .program = program,
                                  .login_seconds = c->opts.ssh_login_seconds};
  c->gateway = dl_gateway_new(s->loop, &opts, error);
  free(program);
  if (!c->gateway) return -1;
  return c->opts.ssh_is_asked ? dl_gateway_start(c->gateway, error) : 0;
}

static void on_failed_down(void *user) { (void)user; }

dl_server_t *dl_server_new(uv_loop_t *loop, const dl_control_opts_t *opts, char **error) {
  dl_server_t *s = dl_xcalloc(1, sizeof *s);
  dl_control_t *c = &s->control;
  s->loop = loop;
  set_defaults(c, opts);
  dl_rates_init(&c->limits, opts->limits);
  c->faults = dl_faults_new();
  dl_life_init(&c->life, &c->objects, loop);
  const dl_objects_opts_t objects = {.state_dir = opts->state_dir,
                                     .is_durable = opts->is_durable,
                                     .organization_id = opts->organization_id,
                                     .region = c->opts.region,
                                     .clock_speed = c->opts.clock_speed};
  if (dl_objects_open(&c->objects, loop, &objects, error) != 0) goto out;
  dl_keys_init(&c->keys, opts->keys, opts->key_count, opts->jwt_token, c->objects.organization_id);
  c->routes = dl_api_routes(error);
  if (!c->opts.has_no_page) c->page = dl_page_new(c);
  if (!c->routes || start_life(c, error) != 0 || listen_http(s, error) != 0 || start_storage(s, error) != 0 ||
      start_gateway(s, error) != 0)
    goto out;
  dl_leftovers_sweep(&c->objects);
  dl_orphans_report(&c->objects);
  dl_volumes_check(&c->objects);
  dl_snapshots_init(&c->objects);
  dl_secrets_init(&c->objects);
  dl_pools_init(&c->objects);
  dl_snapshot_life_init(&c->life);
  dl_copies_init(&c->life);
  dl_life_resume(&c->life);
  dl_timers_start(&c->life);
  int64_t interval = c->opts.metrics_interval_ms;
  c->pools = dl_pool_keeper_new(&c->life);
  c->meter = dl_meter_new(&c->life, interval > 0 ? (int)interval : interval < 0 ? 0 : DL_METER_INTERVAL_MS);
  c->events = dl_events_new(c);
  return s;
out:
  dl_server_close(s, on_failed_down, NULL);
  return NULL;
}

const char *dl_server_url(const dl_server_t *s) { return s->control.url; }

const dl_gateway_t *dl_server_gateway(const dl_server_t *s) { return s->control.gateway; }

int dl_server_port(const dl_server_t *s) { return dl_http_port(s->http); }

bool dl_server_add_fault(dl_server_t *s, const json_t *rule, char **error) {
  return dl_faults_add(s->control.faults, rule, error) != NULL;
}

/* --- the end --- */

/* Read by the thread that ends the program when something does not. */
static const char *_Atomic closing_step = "the start";

const char *dl_server_closing_step(void) { return closing_step; }

static void on_objects_closed(void *user) {
  dl_server_t *s = user;
  dl_control_t *c = &s->control;
  void (*on_closed)(void *) = s->on_closed;
  void *closed_user = s->closed_user;
  dl_events_free(c->events);
  dl_page_free(c->page);
  dl_routes_free(c->routes);
  dl_faults_free(c->faults);
  dl_rates_clear(&c->limits);
  dl_keys_clear(&c->keys);
  free(c->url);
  free(c->scheme);
  free(c->proxy_domain);
  free(s);
  on_closed(closed_user);
}

/* What was written by committed requests is reported before the journal closes. */
static void on_life_closed(void *user) {
  dl_server_t *s = user;
  closing_step = "the journal";
  dl_objects_close(&s->control.objects, on_objects_closed, s);
}

static void on_pools_closed(void *user) {
  dl_server_t *s = user;
  closing_step = "sandboxes, archives and removals";
  dl_life_close(&s->control.life, on_life_closed, s);
}

static void on_meter_closed(void *user) {
  dl_server_t *s = user;
  if (s->control.pools)
    dl_pool_keeper_close(s->control.pools, on_pools_closed, s);
  else
    on_pools_closed(s);
}

static void on_storage_closed(void *user) {
  dl_server_t *s = user;
  closing_step = "readings of metrics";
  if (s->control.meter)
    dl_meter_close(s->control.meter, on_meter_closed, s);
  else
    on_meter_closed(s);
}

static void on_http_closed(void *user) {
  dl_server_t *s = user;
  closing_step = "objects on their way to the disk";
  dl_s3_close(s->control.s3, on_storage_closed, s);
}

static void on_gateway_closed(void *user) {
  dl_server_t *s = user;
  s->control.gateway = NULL;
  closing_step = "requests";
  if (s->control.events) dl_events_end(s->control.events);
  dl_page_end(s->control.page);
  if (s->http)
    dl_http_close(s->http, on_http_closed, s);
  else
    on_http_closed(s);
}

void dl_server_close(dl_server_t *s, void (*on_closed)(void *user), void *user) {
  assert(!s->control.is_closing);
  s->control.is_closing = true;
  s->on_closed = on_closed;
  s->closed_user = user;
  closing_step = "SSH sessions";
  dl_life_freeze(&s->control.life);
  dl_gateway_close(s->control.gateway, on_gateway_closed, s);
}
