/*
 * Creating a sandbox.
 *
 * The request is sent at most once. When its answer is lost, the sandbox is looked for by name: the server
 * may have made it, or may still be about to, so the search goes on for a while. That is why a create
 * without a name gets a UUID for one.
 *
 *   gate -> POST -> (answer) ---------------------> wait until started
 *                \-> (answer lost) -> GET by name -/     \-> not there: the first error
 */
#include <daytona/sandbox.h>

#include <inttypes.h>
#include <string.h>

#include "api/sandbox_life.h"
#include "core/random.h"

static const char language_label[] = "code-toolbox-language";

/* How the search for a lost sandbox paces itself, and how long it lasts at the most. */
enum { SEARCH_FIRST_MS = 250, SEARCH_MAX_MS = 2000, SEARCH_WHOLE_MS = 15000 };

typedef struct create_request {
  const char *name, *snapshot, *user, *target;
  daytona_map_t env, labels;
  daytona_opt_bool_t is_public;
  daytona_opt_int_t auto_stop, auto_pause, auto_archive, auto_delete, ttl;
  const daytona_volume_mount_t *volumes;
  size_t volume_count;
  daytona_opt_bool_t network_block_all;
  const char *network_allow_list, *domain_allow_list;
  daytona_map_t secrets;
  const char *outbound_proxy_url, *otel_endpoint_override, *linked_sandbox;
  daytona_opt_bool_t is_spot;
} create_request_t;

#define FIELD(type, member, key, ...) DAYTONA__FIELD(create_request_t, type, member, key, __VA_ARGS__)

static const daytona__json_field_t create_fields[] = {
  FIELD(STRING, name, "name"),
  FIELD(STRING, snapshot, "snapshot"),
  FIELD(STRING, user, "user"),
  FIELD(MAP, env, "env", .flags = DAYTONA__JSON_ALWAYS | DAYTONA__JSON_SECRET),
  FIELD(MAP, labels, "labels", .flags = DAYTONA__JSON_ALWAYS),
  FIELD(OPT_BOOL, is_public, "public"),
  FIELD(STRING, target, "target"),
  FIELD(OPT_INT, auto_stop, "autoStopInterval"),
  FIELD(OPT_INT, auto_pause, "autoPauseInterval"),
  FIELD(OPT_INT, auto_archive, "autoArchiveInterval"),
  FIELD(OPT_INT, auto_delete, "autoDeleteInterval"),
  FIELD(OPT_INT, ttl, "ttlMinutes"),
  DAYTONA__FIELD_ARRAY(create_request_t, volumes, volume_count, "volumes", &daytona__volume_mount_model,
                       .flags = DAYTONA__JSON_ALWAYS),
  FIELD(PAIRS, secrets, "secrets"),
  FIELD(OPT_BOOL, network_block_all, "networkBlockAll"),
  FIELD(STRING, network_allow_list, "networkAllowList"),
  FIELD(STRING, domain_allow_list, "domainAllowList"),
  FIELD(STRING, outbound_proxy_url, "outboundProxyUrl", .flags = DAYTONA__JSON_SECRET),
  FIELD(STRING, otel_endpoint_override, "otelEndpointOverride"),
  FIELD(STRING, linked_sandbox, "linkedSandbox"),
  FIELD(OPT_BOOL, is_spot, "spot"),
};

static DAYTONA__MODEL(create_model, create_request_t, "CreateSandbox", create_fields);

static const daytona__endpoint_t create_endpoint = {.prefix = "Failed to create sandbox: ",
                                                    .method = "POST",
                                                    .path = "/sandbox",
                                                    .request = &create_model,
                                                    .gives_sandbox = true,
                                                    .is_create = true};

typedef struct create {
  daytona__life_t life; /* first */
  const char *name;
  bool is_searching;
  daytona_error_t *lost; /* why the answer to the request never came */
  daytona__timer_t search;
  int64_t search_began_ms, search_interval_ms;
  void (*end_life)(daytona__op_t *op);
} create_t;

/* --- arguments --------------------------------------------------------------------------------- */

static bool is_language(const char *text) {
  return strcmp(text, "python") == 0 || strcmp(text, "typescript") == 0 || strcmp(text, "javascript") == 0;
}

static bool is_given(const char *text) { return text != NULL && text[0] != '\0'; }
static bool is_negative(daytona_opt_int_t value) { return value.is_set && value.value < 0; }
static bool is_nonzero(daytona_opt_int_t value) { return value.is_set && value.value != 0; }

static bool has_bad_pair(const daytona_map_t *map) {
  if (map->count != 0 && map->items == NULL) return true;
  for (size_t i = 0; i < map->count; i++)
    if (!is_given(map->items[i].key) || map->items[i].value == NULL) return true;
  return false;
}

static bool has_bad_volume(const daytona_sandbox_create_opts_t *opts) {
  if (opts->volume_count != 0 && opts->volumes == NULL) return true;
  for (size_t i = 0; i < opts->volume_count; i++)
    if (!is_given(opts->volumes[i].volume_id) || !is_given(opts->volumes[i].mount_path)) return true;
  return false;
}

/* What is wrong with the options, or NULL. */
static const char *problem_of(const daytona_sandbox_create_opts_t *opts) {
  bool is_ephemeral =
    opts->is_ephemeral || (opts->auto_delete_minutes.is_set && opts->auto_delete_minutes.value == 0);
  if (!DAYTONA__RESERVED_OK(opts)) return "reserved words of the options are not zero";
  if (opts->language != NULL && !is_language(opts->language))
    return "language must be python, typescript or javascript";
  if (is_negative(opts->auto_stop_minutes)) return "auto_stop_minutes must not be negative";
  if (is_negative(opts->auto_pause_minutes)) return "auto_pause_minutes must not be negative";
  if (is_negative(opts->auto_archive_minutes)) return "auto_archive_minutes must not be negative";
  if (is_negative(opts->ttl_minutes)) return "ttl_minutes must not be negative";
  if (is_nonzero(opts->auto_stop_minutes) && is_nonzero(opts->auto_pause_minutes))
    return "auto_stop_minutes and auto_pause_minutes exclude each other";
  if (is_nonzero(opts->auto_pause_minutes) && is_ephemeral) return "an ephemeral sandbox cannot be paused";
  if (has_bad_pair(&opts->env)) return "env has an entry without a name or a value";
  if (has_bad_pair(&opts->labels)) return "labels have an entry without a name or a value";
  if (has_bad_pair(&opts->secrets)) return "secrets have an entry without a name or a value";
  if (has_bad_volume(opts)) return "a volume lacks its volume_id or mount_path";
  return NULL;
}

/* The labels with that of the language; one given by the caller gives way. */
static int add_language(daytona__arena_t *arena, const daytona_sandbox_create_opts_t *opts,
                        daytona_map_t *labels) {
  daytona_pair_t *pairs = daytona__arena_array(arena, opts->labels.count + 1, sizeof *pairs);
  size_t count = 0;
  if (pairs == NULL) return DAYTONA_ENOMEM;
  for (size_t i = 0; i < opts->labels.count; i++)
    if (strcmp(opts->labels.items[i].key, language_label) != 0) pairs[count++] = opts->labels.items[i];
  pairs[count].key = language_label;
  pairs[count++].value = opts->language != NULL ? opts->language : "python";
  labels->items = pairs;
  labels->count = count;
  return 0;
}

static int fill_request(create_t *self, const daytona_sandbox_create_opts_t *opts,
                        create_request_t *request) {
  daytona__arena_t *arena = &self->life.op.future->arena;
  char uuid[DAYTONA__UUID_SIZE];
  if (is_given(opts->name))
    self->name = daytona__arena_strdup(arena, opts->name);
  else if (daytona__uuid(&self->life.op.client->entropy, uuid) == 0)
    self->name = daytona__arena_strdup(arena, uuid);
  if (self->name == NULL) return DAYTONA_ENOMEM;
  request->name = self->name;
  request->snapshot = is_given(opts->snapshot) ? opts->snapshot : NULL;
  request->user = opts->user;
  request->env = opts->env;
  request->is_public = opts->is_public;
  request->target = self->life.op.client->settings.region;
  request->auto_stop = opts->auto_stop_minutes;
  request->auto_pause = opts->auto_pause_minutes;
  request->auto_archive = opts->auto_archive_minutes;
  request->auto_delete = opts->is_ephemeral ? daytona_int(0) : opts->auto_delete_minutes;
  request->ttl = opts->ttl_minutes;
  request->volumes = opts->volumes;
  request->volume_count = opts->volume_count;
  request->network_block_all = opts->network_block_all;
  request->network_allow_list = opts->network_allow_list;
  request->domain_allow_list = opts->domain_allow_list;
  request->secrets = opts->secrets;
  request->outbound_proxy_url = opts->outbound_proxy_url;
  request->otel_endpoint_override = opts->otel_endpoint_override;
  request->linked_sandbox = opts->linked_sandbox;
  request->is_spot = opts->is_spot;
  return add_language(arena, opts, &request->labels);
}

/* --- after the answer -------------------------------------------------------------------------- */

static void go_on_with(create_t *self, void *answer) {
  daytona__op_t *op = &self->life.op;
  self->is_searching = false;
  self->life.name = self->name;
  op->sandbox = daytona__sandbox_new(op->client, op->data, answer);
  if (op->sandbox == NULL)
    daytona__op_fail(op, daytona__error_static(DAYTONA_ENOMEM));
  else
    daytona__life_wait(&self->life, &daytona__wait_started);
}

/* --- looking for a lost sandbox ---------------------------------------------------------------- */

/* Whether the request may have made a sandbox although it failed. */
static bool is_ambiguous(const daytona__op_t *op, const daytona_error_t *error) {
  if (error->http_status >= 500 || error->http_status == 408) return true;
  if (error->code == DAYTONA_EPROTOCOL) return true;
  return error->http_status < 300 && op->http.was_sent && error->code != DAYTONA_ENOMEM;
}

static const daytona__endpoint_t search_endpoint = {
  .method = "GET", .path = "/sandbox/{}", .gives_sandbox = true};

static void give_up_search(create_t *self) {
  daytona_error_t error = *self->lost;
  error.message = daytona__arena_printf(
    &self->life.op.future->arena,
    "%s (the request may have been carried out; no sandbox named %s was found afterwards)",
    self->lost->message, self->name);
  daytona__op_fail(&self->life.op, &error);
}

/* A limit that ends the search must not hide why there was one. */
static bool on_late(daytona__life_t *life) {
  create_t *self = (create_t *)life;
  if (!self->is_searching) return false;
  give_up_search(self);
  return true;
}

static void on_searched(daytona__op_t *op, const daytona_error_t *error, void *answer) {
  create_t *self = (create_t *)op;
  if (error == NULL) {
    go_on_with(self, answer);
    return;
  }
  int64_t now = daytona__loop_now(op->client->loop);
  if (now - self->search_began_ms >= SEARCH_WHOLE_MS) {
    give_up_search(self);
    return;
  }
  daytona__timer_start(op->client->loop, &self->search, self->search_interval_ms);
  self->search_interval_ms *= 2;
  if (self->search_interval_ms > SEARCH_MAX_MS) self->search_interval_ms = SEARCH_MAX_MS;
}

static void on_search_pause_over(daytona__timer_t *timer) {
  daytona__op_send(&DAYTONA__CONTAINER(timer, create_t, search)->life.op);
}

static void search(create_t *self, const daytona_error_t *error) {
  daytona__op_t *op = &self->life.op;
  self->lost = daytona__error_copy(&op->future->arena, error, NULL);
  self->is_searching = true;
  self->search_began_ms = daytona__loop_now(op->client->loop);
  self->search_interval_ms = SEARCH_FIRST_MS;
  daytona__log(op->client->loop, DAYTONA_LOG_WARN,
               "sandbox %s: the answer to its creation was lost (%s); looking for it", self->name,
               self->lost->message);
  daytona__op_switch(op, &search_endpoint);
  daytona__op_path(op, self->name, NULL, NULL);
  op->done = on_searched;
  if (daytona__op_prepare(op, NULL, SEARCH_WHOLE_MS) == 0) daytona__op_send(op);
}

static void on_created(daytona__op_t *op, const daytona_error_t *error, void *answer) {
  create_t *self = (create_t *)op;
  if (error == NULL)
    go_on_with(self, answer);
  else if (is_ambiguous(op, error))
    search(self, error);
  else
    daytona__op_fail(op, error);
}

/* --- the operation ----------------------------------------------------------------------------- */

static void end_create(daytona__op_t *op) {
  create_t *self = (create_t *)op;
  daytona__timer_stop(&self->search);
  self->end_life(op);
}

daytona_future_t *daytona_sandbox_create(daytona_client_t *client,
                                         const daytona_sandbox_create_opts_t *opts) {
  static const daytona_sandbox_create_opts_t defaults;
  daytona_future_t *future;
  if (opts == NULL) opts = &defaults;
  create_t *self = (create_t *)daytona__life_new(&create_endpoint, client, NULL, sizeof *self, &future);
  if (self == NULL) return future;
  daytona__op_t *op = &self->life.op;
  self->end_life = op->ending;
  op->ending = end_create;
  self->life.late = on_late;
  daytona__timer_init(&self->search, on_search_pause_over);
  const char *problem = problem_of(opts);
  if (problem != NULL) return daytona__op_reject(op, DAYTONA_EINVAL, "%s", problem);
  if (daytona__life_options(&self->life, opts->timeout_ms, opts->counts_queue_time) != 0) return future;
  create_request_t request = {0};
  int rc = fill_request(self, opts, &request);
  if (rc != 0) return daytona__op_reject(op, rc, "%s", daytona_errcode_text(rc));
  self->life.what = daytona__arena_printf(&future->arena, "creating the sandbox named %s", self->name);
  if (self->life.what == NULL) self->life.what = "creating the sandbox";
  op->done = on_created;
  /* A quarter of the time is kept for finding out what became of a request that got no answer. */
  int64_t whole_ms = self->life.timeout_ms;
  int64_t request_ms = whole_ms < 0 ? DAYTONA_NO_TIMEOUT : whole_ms - whole_ms / 4;
  if (daytona__op_prepare(op, &request, request_ms) == 0) daytona__life_start(&self->life, true);
  return future;
}
