/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Creating a sandbox.
 *
 * The request is sent at most once. When its response is lost, the sandbox is looked for by name: the server
 * may have made it, or may still be about to, so the search continues for a while. That is why a create
 * without a name gets a UUID for one.
 *
 *   gate -> POST -> (answer) ---------------------> wait until started
 *                \-> (answer lost) -> GET by name -/     \-> not there: the first error
 *
 * From an image, its files are looked at and its contexts uploaded first; the limit runs from there. The log of the build is
 * followed while the sandbox is waited for; see build.h.
 *
 * A create that is cancelled deletes what it made, if it is certain that it was this one: by the id of its response, or
 * by a name that was made up here; never by a name of the caller's, which may be that of another sandbox.
 */
#include <daytona/sandbox.h>

#include <inttypes.h>
#include <string.h>

#include "api/build.h"
#include "api/sandbox_life.h"
#include "core/random.h"

static const char language_label[] = "code-toolbox-language";

/* How the search for a lost sandbox paces itself, and how long it lasts at the most. */
enum { SEARCH_FIRST_MS = 250, SEARCH_MAX_MS = 2000, SEARCH_WHOLE_MS = 15000 };

/* How long a cancelled create tries to delete what it made, and how often. */
enum { REMOVAL_WHOLE_MS = 10000, REMOVAL_PAUSE_MS = 500 };

/* What is made here; everything else goes as it stands in the options. */
typedef struct create_args {
  const char *name, *snapshot, *target;
  daytona_map_t labels; /* the caller's and that of the language */
  daytona_opt_int_t auto_delete;
} create_args_t;

static const char *const languages[] = {"python", "typescript", "javascript", NULL};

#define ARG(type, member, key, ...) DAYTONA__ARG(IN_BODY, create_args_t, type, member, key, __VA_ARGS__)
#define OPT_AT(place, type, member, key, ...) \
  DAYTONA__OPT(place, daytona_sandbox_create_opts_t, type, member, key, __VA_ARGS__)
#define OPT(type, member, key, ...) OPT_AT(IN_BODY, type, member, key, __VA_ARGS__)
#define SIZE(member, key, least) OPT(OPT_INT, resources.member, key, .rules = DAYTONA__MIN, .min = least)
#define MINUTES(member, key) OPT(OPT_INT, member##_minutes, key, .rules = DAYTONA__MIN, .min = 0)

static const char *check_create(const void *args, const void *opts);

DAYTONA__METHOD(
  create, .prefix = "Failed to create sandbox: ", .verb = "POST", .path = "/sandbox",
  .request = DAYTONA__ARGS(
    create_args_t, OPT_AT(NOWHERE, STRING, language, "language", .one_of = languages),
    OPT_AT(NOWHERE, MAP, labels, "labels"), ARG(STRING, name, "name"), ARG(STRING, snapshot, "snapshot"),
    OPT(STRING, os_user, "user"),
    OPT(MAP, env, "env", .flags = DAYTONA__JSON_ALWAYS | DAYTONA__JSON_SECRET, .rules = DAYTONA__PASSED),
    ARG(MAP, labels, "labels", .flags = DAYTONA__JSON_ALWAYS), OPT(OPT_BOOL, is_public, "public"),
    ARG(STRING, target, "target"), MINUTES(auto_stop, "autoStopInterval"),
    MINUTES(auto_pause, "autoPauseInterval"), MINUTES(auto_archive, "autoArchiveInterval"),
    ARG(OPT_INT, auto_delete, "autoDeleteInterval"), MINUTES(ttl, "ttlMinutes"),
    OPT(ARRAY, volumes, "volumes", .count_offset = offsetof(daytona_sandbox_create_opts_t, volume_count),
        .model = &daytona__volume_mount_model, .flags = DAYTONA__JSON_ALWAYS),
    OPT(PAIRS, secrets, "secrets"), OPT(OPT_BOOL, network_block_all, "networkBlockAll"),
    OPT(STRING, network_allow_list, "networkAllowList"), OPT(STRING, domain_allow_list, "domainAllowList"),
    OPT(STRING, outbound_proxy_url, "outboundProxyUrl", .flags = DAYTONA__JSON_SECRET),
    OPT(STRING, otel_endpoint_override, "otelEndpointOverride"), OPT(STRING, linked_sandbox, "linkedSandbox"),
    OPT(OPT_BOOL, is_spot, "spot"), OPT(OPT_BOOL, has_kvm, "kvm"),
    OPT(OPT_INT, queue_timeout_minutes, "queueTimeout", .rules = DAYTONA__MIN, .min = 1), SIZE(cpu, "cpu", 1),
    SIZE(memory_gib, "memory", 1), SIZE(disk_gib, "disk", 1), SIZE(gpu, "gpu", 0),
    OPT(STRINGS, resources.gpu_types, "gpuType"), OPT(RESERVED, resources.reserved, "reserved")),
  .gives_sandbox = true, .is_create = true, .check = check_create);

typedef struct create {
  daytona__life_t life; /* first */
  daytona__build_t build;
  const char *name;
  bool has_own_name; /* made up here: no other sandbox has it */
  bool keeps_on_cancel;
  bool is_searching;
  daytona_error_t *lost; /* why the answer to the request never came */
  daytona__timer_t search;
  int64_t search_began_ms, search_interval_ms;
} create_t;

/* --- arguments --------------------------------------------------------------------------------- */

static bool is_given(const char *text) { return text != NULL && text[0] != '\0'; }
static bool is_nonzero(daytona_opt_int_t value) { return value.is_set && value.value != 0; }

/* Ways to end a sandbox that exclude each other. */
static const char *check_life(const void *args, const void *given) {
  const daytona_sandbox_create_opts_t *opts = given;
  bool is_ephemeral =
    opts->is_ephemeral || (opts->auto_delete_minutes.is_set && opts->auto_delete_minutes.value == 0);
  if (is_nonzero(opts->auto_stop_minutes) && is_nonzero(opts->auto_pause_minutes))
    return "auto_stop_minutes and auto_pause_minutes exclude each other";
  if (is_nonzero(opts->auto_pause_minutes) && is_ephemeral) return "an ephemeral sandbox cannot be paused";
  return NULL;
}

static bool is_sized(const daytona_resources_t *size) {
  return size->cpu.is_set || size->memory_gib.is_set || size->disk_gib.is_set || size->gpu.is_set ||
         size->gpu_types.count != 0;
}

/* What it is made from. */
static const char *check_create(const void *args, const void *given) {
  const daytona_sandbox_create_opts_t *opts = given;
  bool is_named = is_given(opts->image_name);
  if (is_named + (opts->image != NULL) + is_given(opts->snapshot) > 1)
    return "snapshot, image_name and image exclude each other";
  if (!is_named && opts->image == NULL && is_sized(&opts->resources))
    return "resources are those of the snapshot; they are for image_name and image only";
  return check_life(args, given);
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

static int fill_args(create_t *self, const daytona_sandbox_create_opts_t *opts, create_args_t *args) {
  daytona__arena_t *arena = &self->life.op.future->arena;
  char uuid[DAYTONA__UUID_SIZE];
  if (is_given(opts->name))
    self->name = daytona__arena_strdup(arena, opts->name);
  else if (daytona__uuid(&self->life.op.client->entropy, uuid) == 0)
    self->name = daytona__arena_strdup(arena, uuid);
  self->has_own_name = !is_given(opts->name);
  self->keeps_on_cancel = opts->keeps_on_cancel;
  if (self->name == NULL) return DAYTONA_ENOMEM;
  args->name = self->name;
  args->snapshot = is_given(opts->snapshot) ? opts->snapshot : NULL;
  args->target = is_given(opts->target) ? opts->target : self->life.op.client->settings.region;
  args->auto_delete = opts->is_ephemeral ? daytona_int(0) : opts->auto_delete_minutes;
  return add_language(arena, opts, &args->labels);
}

/* --- after the response -------------------------------------------------------------------------- */

static void go_on_with(create_t *self, void *answer) {
  daytona__op_t *op = &self->life.op;
  self->is_searching = false;
  self->life.new_name = self->name;
  op->sandbox = daytona__sandbox_new(op->client, op->data, answer);
  if (op->sandbox == NULL) {
    daytona__op_fail(op, daytona__error_static(DAYTONA_ENOMEM));
    return;
  }
  self->life.rule = &daytona__wait_started;
  daytona_future_t *future = daytona_future_retain(op->future);
  daytona__build_report(&self->build);
  if (daytona__future_is_pending(future)) daytona__life_wait(&self->life, &daytona__wait_started);
  daytona_future_release(future);
}

/* --- looking for a lost sandbox ---------------------------------------------------------------- */

DAYTONA__METHOD(search, .verb = "GET", .path = "/sandbox/{}", .gives_sandbox = true);

static void give_up_search(create_t *self) {
  daytona_error_t error = *self->lost;
  error.sandbox = self->name;
  error.message = daytona__arena_printf(
    &self->life.op.future->arena,
    "%s (the request may have been carried out; no sandbox named %s was found afterwards)",
    self->lost->message, self->name);
  daytona__op_fail(&self->life.op, &error);
}

/* A limit that ends the search must not hide why there was one. */
static bool on_late(daytona__life_t *life) {
  create_t *self = (create_t *)life;
  if (daytona__build_late(&self->build)) return true;
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
               "sandbox %s: the response to its creation was lost (%s); looking for it", self->name,
               self->lost->message);
  daytona__op_switch(op, &search_method);
  daytona__op_path(op, self->name, NULL, NULL);
  op->done = on_searched;
  if (daytona__op_prepare(op, NULL, SEARCH_WHOLE_MS) == 0) daytona__op_send(op);
}

static void on_created(daytona__op_t *op, const daytona_error_t *error, void *answer) {
  create_t *self = (create_t *)op;
  if (error == NULL)
    go_on_with(self, answer);
  else if (daytona__op_may_have_acted(op, error))
    search(self, error);
  else
    daytona__op_fail(op, error);
}

/* --- what is left behind ----------------------------------------------------------------------- */

/* The sandbox that exists, or may: from the moment that the request has left the queue. */
static const char *orphan(const daytona__life_t *life) {
  const daytona__op_t *op = &life->op;
  if (op->sandbox != NULL) return op->sandbox->id;
  return op->began_ms >= 0 || ((const create_t *)life)->is_searching ? ((const create_t *)life)->name : NULL;
}

DAYTONA__METHOD(remove, .prefix = "Failed to delete a cancelled sandbox: ", .verb = "DELETE",
                .path = "/sandbox/{}", .is_background = true);

typedef struct removal {
  daytona__op_t op; /* first */
  char *target;     /* id or name */
  daytona__timer_t pause;
  int64_t began_ms;
} removal_t;

static void end_removal(daytona__op_t *op) { daytona__timer_stop(&((removal_t *)op)->pause); }

static void on_removal_pause_over(daytona__timer_t *timer) {
  daytona__op_send(&DAYTONA__CONTAINER(timer, removal_t, pause)->op);
}

/* It may not be there yet, or be busy with its start: both pass. */
static void on_removed(daytona__op_t *op, const daytona_error_t *error, void *answer) {
  removal_t *self = (removal_t *)op;
  daytona__loop_t *loop = op->client->loop;
  if (error == NULL) {
    daytona__log(loop, DAYTONA_LOG_INFO, "sandbox %s: its creation was cancelled; it is deleted",
                 self->target);
    daytona__op_resolve(op, &daytona__type_none, NULL);
    return;
  }
  int64_t left_ms = self->began_ms + REMOVAL_WHOLE_MS - daytona__loop_now(loop);
  bool may_pass = error->http_status == 404 || error->http_status == 409 || error->http_status >= 500 ||
                  error->http_status == 0;
  if (may_pass && left_ms > REMOVAL_PAUSE_MS) {
    daytona__timer_start(loop, &self->pause, REMOVAL_PAUSE_MS);
    return;
  }
  daytona__log(
    loop, error->http_status == 404 ? DAYTONA_LOG_INFO : DAYTONA_LOG_WARN,
    "sandbox %s: its creation was cancelled; it %s: %s", self->target,
    error->http_status == 404 ? "was not there to be deleted" : "could not be deleted and may exist",
    error->message);
  daytona__op_fail(op, error);
}

/* Detached from the create, which has settled. False: there is no memory for it, or no client. */
static bool remove_later(daytona_client_t *client, const char *target) {
  daytona_future_t *future;
  removal_t *self = (removal_t *)daytona__op_new_named("sandbox_create_undo", &remove_method, client, NULL,
                                                       sizeof *self, &future);
  if (self != NULL) {
    self->op.ending = end_removal;
    self->op.done = on_removed;
    self->began_ms = daytona__loop_now(client->loop);
    daytona__timer_init(&self->pause, on_removal_pause_over);
    self->target = daytona__arena_strdup(&future->arena, target);
    if (self->target == NULL) {
      daytona__op_fail(&self->op, daytona__error_static(DAYTONA_ENOMEM));
      self = NULL;
    } else {
      daytona__op_path(&self->op, self->target, NULL, NULL);
      if (daytona__op_prepare(&self->op, NULL, REMOVAL_WHOLE_MS) == 0)
        daytona__op_send(&self->op);
      else
        self = NULL;
    }
  }
  daytona_future_release(future);
  return self != NULL;
}

/* Cancelled, or the client closes. A closing client sends nothing. */
static void stop_create(daytona_future_t *future) {
  create_t *self = future->op;
  daytona__op_t *op = &self->life.op;
  daytona_error_t error = {.code = DAYTONA_ECANCELED, .retry_after_ms = -1, .sandbox = orphan(&self->life)};
  bool is_certain = op->sandbox != NULL || self->has_own_name;
  if (op->client->is_closing) {
    error.code = DAYTONA_ECLOSED;
    error.message = "the client was closed";
  } else if (error.sandbox == NULL) {
    error.message = "cancelled";
  } else if (is_certain && !self->keeps_on_cancel && remove_later(op->client, error.sandbox)) {
    error.message = daytona__arena_printf(
      &future->arena, "cancelled; sandbox %s will be deleted if it was made", error.sandbox);
  } else {
    error.message = daytona__arena_printf(&future->arena, "cancelled; sandbox %s may exist", error.sandbox);
  }
  daytona__op_fail(op, &error);
}

/* --- the operation ----------------------------------------------------------------------------- */

static void end_create(daytona__op_t *op) {
  create_t *self = (create_t *)op;
  daytona__timer_stop(&self->search);
  daytona__build_end(&self->build);
  daytona__life_end(op);
}

DAYTONA__BUILD_LOG_URL(log_url, "/sandbox/{}/build-logs-url");

/* From an image that the server has already, it is created as from a snapshot. */
static bool is_built(const daytona__op_t *op) {
  if (op->sandbox == NULL) return false;
  const daytona_sandbox_state_t state = op->sandbox->info->state;
  return state == DAYTONA_SANDBOX_PENDING_BUILD || state == DAYTONA_SANDBOX_BUILDING_SNAPSHOT;
}

static bool has_log(const daytona__op_t *op) {
  return op->sandbox != NULL && op->sandbox->info->state != DAYTONA_SANDBOX_PENDING_BUILD;
}

static const char *id_of(const daytona__op_t *op) { return op->sandbox->id; }

static void watch(create_t *self, const daytona_sandbox_create_opts_t *opts) {
  bool is_image = opts->image != NULL || is_given(opts->image_name);
  self->build.life = &self->life;
  self->build.on_event = opts->on_build;
  self->build.user = opts->user;
  self->build.log_url = is_image ? &log_url_method : NULL;
  self->build.is_built = is_built;
  self->build.has_log = has_log;
  self->build.id = id_of;
  daytona__build_watch(&self->build);
}

static void send_create(daytona__op_t *op) { daytona__life_start(&((create_t *)op)->life, true); }

/* The body is there but for what the sandbox is built from. */
static void begin(create_t *self, const daytona_sandbox_create_opts_t *opts) {
  daytona__op_t *op = &self->life.op;
  if (opts->image != NULL) {
    daytona__build_from(&self->build, opts->image, NULL, send_create);
    return;
  }
  int rc = is_given(opts->image_name) ? daytona__build_from_name(op, opts->image_name) : 0;
  if (rc != 0)
    daytona__op_reject(op, (daytona_errcode_t)rc, "image_name: %s", daytona_errcode_text(rc));
  else
    send_create(op);
}

daytona_future_t *daytona_sandbox_create(daytona_client_t *client,
                                         const daytona_sandbox_create_opts_t *opts) {
  static const daytona_sandbox_create_opts_t defaults;
  daytona_future_t *future;
  create_args_t args = {NULL};
  if (opts == NULL) opts = &defaults;
  const daytona__life_opts_t life_opts = {.opts = DAYTONA__OPTS(opts),
                                          .counts_queue_time = opts->counts_queue_time};
  create_t *self =
    (create_t *)daytona__life_new(&create_method, client, NULL, sizeof *self, &args, life_opts, &future);
  daytona__future_own(future, opts->destroy_user, opts->user);
  if (self == NULL) return future;
  daytona__op_t *op = &self->life.op;
  future->stop = stop_create;
  self->life.orphan = orphan;
  op->ending = end_create;
  self->life.late = on_late;
  daytona__timer_init(&self->search, on_search_pause_over);
  int rc = fill_args(self, opts, &args);
  if (rc != 0) return daytona__op_reject(op, rc, "%s", daytona_errcode_text(rc));
  self->life.what = daytona__arena_printf(&future->arena, "creating the sandbox named %s", self->name);
  if (self->life.what == NULL) self->life.what = "creating the sandbox";
  op->done = on_created;
  /* A quarter of the time is kept for finding out what became of a request that got no response. */
  int64_t whole_ms = self->life.timeout_ms;
  int64_t request_ms = whole_ms < 0 ? DAYTONA_NO_TIMEOUT : whole_ms - whole_ms / 4;
  watch(self, opts);
  if (daytona__call_prepare(op, &args, life_opts.opts, request_ms) == 0) begin(self, opts);
  return future;
}
