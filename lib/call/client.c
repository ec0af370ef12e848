/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client: makes the layers below from a configuration and takes them down again in order.
 *
 * Closing: 1. every pending future fails with DAYTONA_ECLOSED, which stops its operation; 2. the event socket is let go,
 * and WebSockets that are left, terminals mostly, are cut and report it; 3. HTTP closes its connections; 4. telemetry sends
 * what it has, within its limit; 5. the resolver waits for lookups that run; 6. the loop's handles close; 7. the callbacks
 * are called. Each step begins when the one before has reported.
 */
#include "call/client_impl.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "call/events.h"
#include "call/observer.h"
#include "call/op.h"
#include "call/telemetry.h"
#include "core/combine.h"
#include "core/future.h"
#include "core/memory.h"
#include "core/promise.h"
#include "net/trust.h"

/*
 * The version whose behaviour we ask the toolbox for. It decides how sessions answer: from 0.167.0 on with
 * JSON and split output, so it must never be our own, far lower version.
 */
#define PROTOCOL_VERSION "0.205.1"
#define SOURCE "sdk-c"

/* --- making ------------------------------------------------------------------------------------ */

size_t daytona__client_headers(const daytona_client_t *client, const char *version,
                               daytona_header_t headers[DAYTONA__COMMON_HEADERS]) {
  const char *organization = client->settings.organization_id;
  headers[0] = (daytona_header_t){"Authorization", client->bearer};
  headers[1] = (daytona_header_t){"X-Daytona-Source", SOURCE};
  headers[2] = (daytona_header_t){"X-Daytona-SDK-Version", version != NULL ? version : PROTOCOL_VERSION};
  headers[3] = (daytona_header_t){"User-Agent", SOURCE "/" DAYTONA_VERSION};
  headers[4] = (daytona_header_t){"X-Daytona-Organization-ID", organization};
  return DAYTONA__COMMON_HEADERS - (organization == NULL);
}

/* What is shorter is in every other word, and no secret. */
enum { SECRET_MIN = 6 };

static void drop_short(daytona__secrets_t *secrets) {
  size_t kept = 0;
  for (size_t i = 0; i < secrets->count; i++)
    if (strlen(secrets->texts[i]) >= SECRET_MIN) secrets->texts[kept++] = secrets->texts[i];
  secrets->count = kept;
}

static int keep_secrets(daytona_client_t *client) {
  const daytona__proxy_options_t *proxy = &client->settings.net.proxy;
  daytona__secrets_add(&client->secrets, &client->arena, client->settings.token);
  daytona__secrets_add_url(&client->secrets, &client->arena, proxy->http_proxy);
  if (proxy->https_proxy != proxy->http_proxy)
    daytona__secrets_add_url(&client->secrets, &client->arena, proxy->https_proxy);
  drop_short(&client->secrets);
  return client->secrets.is_short ? DAYTONA_ENOMEM : 0;
}

/* Both TLS stacks are to trust the same, so the system's certificates are looked for once. */
static int choose_trust(daytona_client_t *client) {
  daytona__tls_options_t *tls = &client->settings.net.tls;
  char path[PATH_MAX];
  bool is_folder;
  if (tls->is_unverified || tls->ca_file != NULL || tls->ca_path != NULL) return 0;
  if (!daytona__trust_of_system(path, sizeof path, &is_folder)) return 0; /* used when it is needed */
  const char *copy = daytona__arena_strdup(&client->arena, path);
  *(is_folder ? &tls->ca_path : &tls->ca_file) = copy;
  return copy != NULL ? 0 : DAYTONA_ENOMEM;
}

static int http_new(daytona_client_t *client) {
  const daytona__settings_t *settings = &client->settings;
  daytona_header_t headers[DAYTONA__COMMON_HEADERS];
  client->bearer = daytona__arena_printf(&client->arena, "Bearer %s", settings->token);
  if (client->bearer == NULL) return DAYTONA_ENOMEM;
  size_t count = daytona__client_headers(client, NULL, headers);
  return daytona__http_new(client->loop, &settings->net, client->resolver, headers, count, &client->http);
}

int daytona__client_ws(daytona_client_t *client, daytona__ws_env_t **out) {
  daytona_header_t headers[DAYTONA__COMMON_HEADERS];
  int rc = 0;
  if (client->is_closing) return DAYTONA_ECLOSED;
  if (client->ws == NULL) {
    size_t count = daytona__client_headers(client, NULL, headers);
    rc =
      daytona__ws_env_new(client->loop, &client->settings.net, client->resolver, headers, count, &client->ws);
  }
  if (rc == 0) *out = client->ws;
  return rc;
}

static void client_free(daytona_client_t *client) {
  assert(client->starting == 0 && daytona__list_empty(&client->gate));
  assert(daytona__list_empty(&client->closed_entries));
  daytona__loop_release(client->loop);
  daytona__arena_clear(&client->arena);
  daytona__free(client);
}

/* What may fail, before there is anything on the host's loop. */
static int make_parts(daytona_client_t *client, uv_loop_t *loop, const daytona_config_t *config) {
  daytona_log_cb log = config != NULL ? config->log : NULL;
  int rc = daytona__config_resolve(&client->arena, config, &client->settings, NULL, 0);
  if (rc == 0) rc = keep_secrets(client);
  if (rc == 0) rc = choose_trust(client);
  if (rc == 0 && log != NULL) {
    client->log_observer = daytona__arena_alloc(&client->arena, sizeof *client->log_observer);
    if (client->log_observer == NULL) rc = DAYTONA_ENOMEM;
  }
  if (rc == 0) rc = daytona__loop_new(loop, log, config != NULL ? config->log_user : NULL, &client->loop);
  if (rc == 0) rc = daytona__resolver_new(client->loop, &client->resolver);
  if (rc == 0) rc = http_new(client);
  if (rc == 0 && client->settings.telemetry.is_on)
    rc = daytona__telemetry_new(client->loop, &client->settings.telemetry, &client->settings.net,
                                client->resolver, &client->exports, &client->telemetry);
  return rc;
}

int daytona_client_new(uv_loop_t *loop, const daytona_config_t *config, daytona_client_t **out) {
  if (loop == NULL || out == NULL) return DAYTONA_EINVAL;
  daytona_client_t *client = daytona__calloc(1, sizeof *client);
  if (client == NULL) return DAYTONA_ENOMEM;
  client->refs = 1;
  daytona__list_init(&client->closed_entries);
  daytona__list_init(&client->gate);
  daytona__arena_init(&client->arena, 0);
  int rc = make_parts(client, loop, config);
  if (rc == 0) rc = daytona__loop_open(client->loop); /* the handles, when nothing else can fail */
  if (rc != 0) {
    if (client->telemetry != NULL) daytona__telemetry_discard(client->telemetry);
    if (client->http != NULL) daytona__http_discard(client->http);
    if (client->resolver != NULL) daytona__resolver_discard(client->resolver);
    client_free(client);
    return rc;
  }
  if (daytona__log_enabled(client->loop)) {
    *client->log_observer = daytona__log_observer;
    client->log_observer->user = client->loop;
    daytona__client_observe(client, client->log_observer);
  }
  if (client->telemetry != NULL)
    daytona__client_observe(client, daytona__telemetry_observer(client->telemetry));
  *out = client;
  return 0;
}

/* --- closing ----------------------------------------------------------------------------------- */

static void on_loop_closed(void *user) {
  daytona_client_t *client = user;
  daytona__list_t batch, *node;
  client->is_closed = true;
  daytona__list_move(&client->closed_entries, &batch);
  while ((node = daytona__list_shift(&batch)) != NULL) {
    daytona__closed_entry_t *entry = DAYTONA__CONTAINER(node, daytona__closed_entry_t, link);
    daytona_client_closed_cb callback = entry->callback;
    void *entry_user = entry->user;
    if (entry != &client->first_closed) daytona__free(entry);
    callback(entry_user);
  }
  daytona_client_release(client);
}

static void on_resolver_closed(void *user) {
  daytona_client_t *client = user;
  client->resolver = NULL;
  daytona__loop_close(client->loop, on_loop_closed, client);
}

static void on_telemetry_closed(void *user) {
  daytona_client_t *client = user;
  daytona__resolver_close(client->resolver, on_resolver_closed, client);
}

static void on_http_closed(void *user) {
  daytona_client_t *client = user;
  daytona__telemetry_t *telemetry = client->telemetry;
  client->http = NULL;
  client->telemetry = NULL;
  if (telemetry == NULL) {
    on_telemetry_closed(client);
    return;
  }
  daytona__client_unobserve(client, daytona__telemetry_observer(telemetry));
  daytona__telemetry_close(telemetry, on_telemetry_closed, client);
}

static void on_ws_closed(void *user) {
  daytona_client_t *client = user;
  if (client->ws != NULL) client->ws_totals = *daytona__ws_stats(client->ws);
  client->ws = NULL;
  client->http_totals = *daytona__http_stats(client->http);
  client->http_totals.connections = 0;
  daytona__http_close(client->http, on_http_closed, client);
}

static void begin_close(daytona_client_t *client) {
  client->is_closing = true;
  client->refs++; /* until the close has been reported */
  daytona__list_t *pending = daytona__loop_pending(client->loop);
  while (!daytona__list_empty(pending))
    daytona__future_abort(DAYTONA__CONTAINER(pending->next, daytona_future_t, pending), DAYTONA_ECLOSED,
                          "the client was closed");
  assert(daytona__list_empty(&client->gate));
  daytona__events_end(client);
  if (client->ws != NULL)
    daytona__ws_env_close(client->ws, on_ws_closed, client);
  else
    on_ws_closed(client);
}

/* A close that comes after the report still owes its callback a later turn. */
typedef struct late_closed {
  daytona__task_t task;
  daytona_client_t *client;
  daytona_client_closed_cb callback;
  void *user;
} late_closed_t;

static void notify_closed(daytona_client_t *client, daytona_client_closed_cb callback, void *user) {
  daytona__loop_enter(client->loop);
  callback(user);
  daytona__loop_leave(client->loop);
}

static void on_late_closed(daytona__task_t *task) {
  late_closed_t late = *DAYTONA__CONTAINER(task, late_closed_t, task);
  daytona__free(DAYTONA__CONTAINER(task, late_closed_t, task));
  notify_closed(late.client, late.callback, late.user);
  daytona_client_release(late.client);
}

static void notify_later(daytona_client_t *client, daytona_client_closed_cb callback, void *user) {
  late_closed_t *late = daytona__calloc(1, sizeof *late);
  if (late == NULL) {
    notify_closed(client, callback, user); /* better early than never */
    return;
  }
  daytona__task_init(&late->task, on_late_closed);
  late->client = daytona_client_retain(client);
  late->callback = callback;
  late->user = user;
  daytona__loop_defer(client->loop, &late->task);
}

void daytona_client_close(daytona_client_t *client, daytona_client_closed_cb closed, void *user) {
  if (client == NULL) return;
  if (closed != NULL && client->is_closed) {
    notify_later(client, closed, user);
  } else if (closed != NULL) {
    daytona__closed_entry_t *entry = &client->first_closed;
    if (entry->callback != NULL) entry = daytona__calloc(1, sizeof *entry);
    if (entry != NULL) {
      entry->callback = closed;
      entry->user = user;
      daytona__list_append(&client->closed_entries, &entry->link);
    } else {
      daytona__log(client->loop, DAYTONA_LOG_ERROR, "client: no memory to report the close again");
    }
  }
  if (!client->is_closing) begin_close(client);
}

/* --- references -------------------------------------------------------------------------------- */

daytona_client_t *daytona_client_retain(daytona_client_t *client) {
  if (client == NULL) return NULL;
  assert(client->refs != 0);
  client->refs++;
  return client;
}

void daytona_client_release(daytona_client_t *client) {
  if (client == NULL || --client->refs != 0) return;
  if (client->is_closed)
    client_free(client);
  else
    begin_close(client);
}

bool daytona_client_is_closing(const daytona_client_t *client) {
  return client != NULL && client->is_closing;
}

uv_loop_t *daytona_client_loop(const daytona_client_t *client) {
  return client != NULL ? daytona__loop_uv(client->loop) : NULL;
}

int daytona_client_post(daytona_client_t *client, void (*run)(void *user), void *user) {
  if (client == NULL || run == NULL) return DAYTONA_EINVAL;
  return daytona__loop_post(client->loop, run, user);
}

/* --- promises, on the client's loop -------------------------------------------------------------- */

int daytona_promise_new(daytona_client_t *client, const daytona_promise_opts_t *opts, daytona_promise_t **out,
                        daytona_future_t **future) {
  static const daytona_promise_opts_t defaults;
  if (opts == NULL) opts = &defaults;
  if (client == NULL || out == NULL || future == NULL || !DAYTONA__RESERVED_OK(opts)) return DAYTONA_EINVAL;
  if (!daytona__loop_on_thread(client->loop)) return DAYTONA_ETHREAD;
  if (client->is_closing) return DAYTONA_ECLOSED;
  return daytona__promise_new(client->loop, opts, out, future);
}

/* --- combinators, on the client's loop --------------------------------------------------------- */

daytona_future_t *daytona_future_all(daytona_client_t *client, daytona_future_t *const *futures,
                                     size_t count) {
  return daytona__combine_all(client != NULL ? client->loop : NULL, futures, count);
}

daytona_future_t *daytona_future_any(daytona_client_t *client, daytona_future_t *const *futures,
                                     size_t count) {
  return daytona__combine_any(client != NULL ? client->loop : NULL, futures, count);
}

daytona_future_t *daytona_future_race(daytona_client_t *client, daytona_future_t *const *futures,
                                      size_t count) {
  return daytona__combine_race(client != NULL ? client->loop : NULL, futures, count);
}
