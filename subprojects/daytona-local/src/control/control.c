/* SPDX-License-Identifier: Apache-2.0
 *
 * The control plane as a whole: coming up from what is on disk, and going down in order: no new
 * requests, boxes, what runs on the thread pool, the journal, memory.
 */
#include "control/control.h"

#include "control/dispatch.h"
#include "control/life/life.h"
#include "control/objects/snapshots.h"
#include "control/routes/call.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static void set_defaults(dl_control *c, const dl_control_opts *opts) {
  c->opts = *opts;
  if (!c->opts.region) c->opts.region = "local";
  if (c->opts.clock_speed <= 0) c->opts.clock_speed = 1;
  if (c->opts.max_cpu <= 0) c->opts.max_cpu = 4;
  if (c->opts.max_memory <= 0) c->opts.max_memory = 8;
  if (c->opts.max_disk <= 0) c->opts.max_disk = 10;
}

static int make_dirs(const char *root, char **error) {
  static const char *const names[] = {"sandboxes", "volumes", "archives"};
  for (size_t i = 0; i < DL_COUNT(names); i++) {
    char *path = dl_xprintf("%s/%s", root, names[i]);
    int rc = mkdir(path, 0700) == 0 || errno == EEXIST ? 0 : -1;
    if (rc != 0) *error = dl_xprintf("cannot make %s: %s", path, strerror(errno));
    free(path);
    if (rc != 0) return -1;
  }
  return 0;
}

/* The organization's id is made once and kept. */
static void load_meta(dl_control *c) {
  json_t *meta = json_object_get(dl_store_all(c->store, "meta"), "organization");
  const char *id = c->opts.organization_id ? c->opts.organization_id : dl_json_str(meta, "id");
  c->organization_id = dl_xstrdup(id ? id : dl_uuid_new().text);
  if (!dl_json_str(meta, "id") || strcmp(dl_json_str(meta, "id"), c->organization_id) != 0)
    dl_store_put(c->store, "meta", "organization", json_pack("{s:s}", "id", c->organization_id));
}

static void load_tokens(dl_control *c, dl_sandbox *sb) {
  size_t i;
  json_t *entry;
  json_array_foreach (sb->signed_tokens, i, entry)
    dl_map_put(&c->preview_tokens, dl_json_str(entry, "token"), sb);
}

static void load_sandboxes(dl_control *c) {
  const char *id;
  json_t *record;
  int64_t latest = 0;
  json_object_foreach ((json_t *)dl_store_all(c->store, "sandbox"), id, record) {
    dl_sandbox *sb = dl_sandbox_from_record(c, record);
    if (!sb) {
      dl_error("the record of sandbox %s makes no sense and is left alone", id);
      continue;
    }
    dl_map_put(&c->sandboxes, sb->id, sb);
    if (sb->want != DL_WANT_DESTROYED) dl_map_put(&c->names, sb->name, sb);
    dl_list_push(&c->sandbox_list, &sb->link);
    load_tokens(c, sb);
    if (sb->updated_at > latest) latest = sb->updated_at;
    if (sb->last_activity_at > latest) latest = sb->last_activity_at;
  }
  /* The clock may have been jumped or run fast: it never goes back behind what it has stamped. */
  int64_t now = dl_now(c);
  if (latest > now) dl_clock_jump(&c->clock, latest - now);
}

static void resume_sandboxes(dl_control *c) {
  DL_LIST_EACH_SAFE(&c->sandbox_list, node, after) { dl_life_resume(DL_CONTAINER(node, dl_sandbox, link)); }
}

static bool on_accept(void *user) { return dl_faults_hit_accept(((dl_control *)user)->faults); }

static int listen_http(dl_control *c, char **error) {
  dl_http_opts http = {
    .listen_fd = -1,
    .host = c->opts.listen_host,
    .port = c->opts.listen_port,
    .tls_cert_pem = c->opts.tls_cert_pem,
    .tls_key_pem = c->opts.tls_key_pem,
    .tls_client_ca_pem = c->opts.tls_client_ca_pem,
    .on_request = dl_dispatch,
    .on_accept = on_accept,
    .user = c,
  };
  c->http = dl_http_new(c->loop, &http, error);
  if (!c->http) return -1;
  c->scheme = dl_xstrdup(c->opts.tls_cert_pem ? "https" : "http");
  const char *host = c->opts.listen_host ? c->opts.listen_host : "127.0.0.1";
  if (strcmp(host, "0.0.0.0") == 0) host = "127.0.0.1";
  if (strcmp(host, "::") == 0) host = "::1";
  bool is_v6 = strchr(host, ':') != NULL;
  int port = dl_http_port(c->http);
  c->url = c->opts.public_url
             ? dl_xstrdup(c->opts.public_url)
             : dl_xprintf("%s://%s%s%s:%d", c->scheme, is_v6 ? "[" : "", host, is_v6 ? "]" : "", port);
  c->proxy_domain =
    c->opts.proxy_domain ? dl_xstrdup(c->opts.proxy_domain) : dl_xprintf("localhost:%d", port);
  c->front = c->opts.front;
  c->front.scheme = c->scheme;
  c->front.url = c->url;
  return 0;
}

static int start_runtime(dl_control *c, char **error) {
  char text[512] = "", *run_dir = dl_xprintf("%s/run", c->state_dir);
  dl_runtime_opts opts = c->opts.runtime;
  opts.run_dir = run_dir;
  int rc = dl_runtime_new(c->loop, &opts, &c->runtime, text, sizeof text);
  if (rc != 0) *error = dl_xstrdup(text);
  free(run_dir);
  return rc;
}

static void free_control(dl_control *c) {
  while (!dl_list_empty(&c->sandbox_list))
    dl_sandbox_free(DL_CONTAINER(c->sandbox_list.next, dl_sandbox, link));
  dl_map_clear(&c->sandboxes);
  dl_map_clear(&c->names);
  dl_map_clear(&c->preview_tokens);
  dl_routes_free(c->routes);
  dl_faults_free(c->faults);
  dl_rates_clear(&c->limits);
  dl_keys_clear(&c->keys);
  free(c->state_dir);
  free(c->url);
  free(c->scheme);
  free(c->proxy_domain);
  free(c->organization_id);
  free(c);
}

static dl_control *half_built(uv_loop_t *loop, const dl_control_opts *opts) {
  dl_control *c = dl_xcalloc(1, sizeof *c);
  c->loop = loop;
  set_defaults(c, opts);
  c->state_dir = realpath(opts->state_dir, NULL);
  if (!c->state_dir) c->state_dir = dl_xstrdup(opts->state_dir);
  dl_list_init(&c->sandbox_list);
  dl_list_init(&c->jobs);
  dl_clock_init(&c->clock, c->opts.clock_speed);
  dl_rates_init(&c->limits, opts->limits);
  c->faults = dl_faults_new();
  uv_timer_init(loop, &c->timers);
  return c;
}

static void on_failed_down(void *user) { (void)user; }

dl_control *dl_control_new(uv_loop_t *loop, const dl_control_opts *opts, char **error) {
  dl_control *c = half_built(loop, opts);
  c->routes = dl_api_routes(error);
  if (!c->routes) goto out;
  c->store = dl_store_open(loop, c->state_dir, opts->is_durable, error);
  if (!c->store) goto out;
  load_meta(c);
  dl_keys_init(&c->keys, opts->keys, opts->key_count, opts->jwt_token, c->organization_id);
  if (make_dirs(c->state_dir, error) != 0 || start_runtime(c, error) != 0 || listen_http(c, error) != 0)
    goto out;
  load_sandboxes(c);
  dl_snapshots_init(c);
  resume_sandboxes(c);
  dl_timers_mark(c);
  return c;
out:
  dl_control_close(c, on_failed_down, NULL);
  return NULL;
}

const char *dl_control_url(const dl_control *c) { return c->url; }

/* ---- the end ---- */

static void on_store_closed(void *user) {
  dl_control *c = user;
  void (*on_closed)(void *) = c->on_closed;
  void *closed_user = c->closed_user;
  free_control(c);
  if (on_closed) on_closed(closed_user);
}

static void on_timer_closed(uv_handle_t *handle) {
  dl_control *c = DL_CONTAINER(handle, dl_control, timers);
  if (c->store)
    dl_store_close(c->store, on_store_closed, c);
  else
    on_store_closed(c);
}

static void wait_for_jobs(uv_timer_t *timer) {
  dl_control *c = DL_CONTAINER(timer, dl_control, timers);
  /* What was written by committed requests is told before the journal closes. */
  if (!dl_list_empty(&c->jobs))
    uv_timer_start(&c->timers, wait_for_jobs, 5, 0);
  else
    uv_close((uv_handle_t *)&c->timers, on_timer_closed);
}

static void on_runtime_closed(void *user) {
  dl_control *c = user;
  uv_timer_start(&c->timers, wait_for_jobs, 0, 0);
}

static void on_http_closed(void *user) {
  dl_control *c = user;
  DL_LIST_EACH(&c->sandbox_list, node) dl_life_abandon(DL_CONTAINER(node, dl_sandbox, link));
  if (c->runtime)
    dl_runtime_close(c->runtime, on_runtime_closed, c);
  else
    on_runtime_closed(c);
}

void dl_control_close(dl_control *c, void (*on_closed)(void *user), void *user) {
  if (c->is_closing) return;
  c->is_closing = true;
  c->on_closed = on_closed;
  c->closed_user = user;
  uv_timer_stop(&c->timers);
  if (c->http)
    dl_http_close(c->http, on_http_closed, c);
  else
    on_http_closed(c);
}
