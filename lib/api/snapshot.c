/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Snapshots; see snapshot.h.
 *
 * create: POST -> poll until it is active, with the log of a build beside it
 * delete, activate: only ids are accepted, so a name is looked up first; what looks like an id is tried as one, and is
 * looked up when there is no such id
 */
#include <daytona/snapshot.h>

#include <assert.h>
#include <string.h>

#include "api/build.h"
#include "call/pager.h"
#include "call/results.h"
#include "core/ascii.h"

/* --- tables ------------------------------------------------------------------------------------ */

#define STATE_NAME(name, value, text) [value] = text,
static const char *const state_names[] = {DAYTONA_SNAPSHOT_STATE_MAP(STATE_NAME) NULL};
#undef STATE_NAME
static const daytona__json_names_t states = {state_names, DAYTONA_SNAPSHOT_UNKNOWN};

typedef struct build_info {
  const char *dockerfile, *snapshot_ref;
} build_info_t;

static_assert(offsetof(daytona_snapshot_t, snapshot_ref) ==
                offsetof(daytona_snapshot_t, dockerfile) + offsetof(build_info_t, snapshot_ref),
              "the two descriptions of a build are one");

static const daytona__json_field_t build_fields[] = {
  DAYTONA__FIELD(build_info_t, STRING, dockerfile, "dockerfileContent"),
  DAYTONA__FIELD(build_info_t, STRING, snapshot_ref, "snapshotRef"),
};

static DAYTONA__MODEL(build_model, build_info_t, "BuildInfo", build_fields);

#define FIELD(type, member, key, ...) DAYTONA__FIELD(daytona_snapshot_t, type, member, key, __VA_ARGS__)

static const daytona__json_field_t snapshot_fields[] = {
  FIELD(STRING, id, "id", .flags = DAYTONA__JSON_REQUIRED),
  FIELD(STRING, organization_id, "organizationId"),
  FIELD(BOOL, is_general, "general"),
  FIELD(STRING, name, "name"),
  FIELD(STRING, image_name, "imageName"),
  DAYTONA__FIELD_WORD(daytona_snapshot_t, state_name, state, "state", &states),
  FIELD(OPT_NUM, size_gb, "size"),
  FIELD(STRINGS, entrypoint, "entrypoint"),
  FIELD(NUMBER, cpu, "cpu"),
  FIELD(NUMBER, gpu, "gpu"),
  FIELD(STRING, gpu_type, "gpuType"),
  FIELD(NUMBER, memory_gib, "mem"),
  FIELD(NUMBER, disk_gib, "disk"),
  FIELD(STRING, error_reason, "errorReason"),
  FIELD(STRING, created_at, "createdAt"),
  FIELD(STRING, updated_at, "updatedAt"),
  FIELD(STRING, last_used_at, "lastUsedAt"),
  FIELD(INLINE, dockerfile, "buildInfo", .model = &build_model),
  FIELD(STRINGS, regions, "regionIds"),
  FIELD(STRING, runner_id, "initialRunnerId"),
  FIELD(STRING, ref, "ref"),
  FIELD(STRING, source_sandbox_id, "sourceSandboxId"),
  FIELD(STRING, sandbox_class, "sandboxClass"),
};

static DAYTONA__MODEL(snapshot_model, daytona_snapshot_t, "Snapshot", snapshot_fields);

DAYTONA__PAGE_MODEL(page_model, "PaginatedSnapshots", &snapshot_model);

typedef struct snapshot_args {
  const char *id_or_name, *name, *region;
  daytona_strings_t entrypoint;
} snapshot_args_t;

typedef struct context_args {
  daytona_image_t *image;
} context_args_t;

#define ARGS(...) .request = DAYTONA__ARGS(snapshot_args_t, __VA_ARGS__)
#define ID DAYTONA__ARG(IN_PATH, snapshot_args_t, STRING, id_or_name, "id", .rules = DAYTONA__NONEMPTY)

/* --- lists ------------------------------------------------------------------------------------- */

static int finish_page(daytona__op_t *op, const void *args, void **answer, const char **problem) {
  const daytona__page_t *given = *answer;
  daytona_snapshot_page_t *page = daytona__arena_alloc(&op->future->arena, sizeof *page);
  if (page == NULL) return DAYTONA_ENOMEM;
  *page = (daytona_snapshot_page_t){.items = (const daytona_snapshot_t *const *)given->items,
                                    .count = given->count,
                                    .total = given->total,
                                    .page = given->page,
                                    .total_pages = given->total_pages};
  *answer = page;
  return 0;
}

#define FILTER(type, member, key, ...) \
  DAYTONA__OPT(IN_QUERY, daytona_snapshot_list_opts_t, type, member, key, __VA_ARGS__)
#define FILTERS                                                                                   \
  FILTER(OPT_INT, limit, "limit", .rules = DAYTONA__MIN, .min = 1), FILTER(STRING, name, "name"), \
    FILTER(STRING, source_sandbox_id, "sourceSandboxId"), FILTER(STRING, sort, "sort"),           \
    FILTER(STRING, order, "order")

DAYTONA__METHOD(list, .prefix = "Failed to list snapshots: ", .verb = "GET", .path = "/snapshots",
                ARGS(FILTER(OPT_INT, page, "page", .rules = DAYTONA__MIN, .min = 1), FILTERS),
                .response = &page_model, .result = &daytona__type_snapshot_page, .finish = finish_page);

daytona_future_t *daytona_snapshot_list(daytona_client_t *client, const daytona_snapshot_list_opts_t *opts) {
  return daytona__call(client, &list_method, NULL, DAYTONA__OPTS(opts));
}

static const char *check_walk(const void *args, const void *opts) {
  return ((const daytona_snapshot_list_opts_t *)opts)->page.is_set ? "an iteration has no page" : NULL;
}

DAYTONA__METHOD(walk, .prefix = "Failed to list snapshots: ", .verb = "GET", .path = "/snapshots",
                ARGS(FILTERS), .response = &page_model, .keeps_answer = true, .check = check_walk);

static const daytona__paged_t snapshots = {
  .fetch = &walk_method, .by_number = true, .item = &snapshot_model, .result = &daytona__type_snapshot};

/* An iterator of snapshots is a walk. */
static daytona__pager_t *pager_of(daytona_snapshot_iter_t *iter) { return (daytona__pager_t *)iter; }

int daytona_snapshot_iter_new(daytona_client_t *client, const daytona_snapshot_list_opts_t *opts,
                              daytona_snapshot_iter_t **out) {
  daytona__pager_t *pager;
  if (out == NULL) return DAYTONA_EINVAL;
  int rc = daytona__pager_new(client, &snapshots, NULL, DAYTONA__OPTS(opts), &pager);
  if (rc == 0) *out = (daytona_snapshot_iter_t *)pager;
  return rc;
}

daytona_future_t *daytona_snapshot_iter_next(daytona_snapshot_iter_t *iter) {
  return daytona__pager_next(pager_of(iter));
}

void daytona_snapshot_iter_release(daytona_snapshot_iter_t *iter) { daytona__pager_release(pager_of(iter)); }

DAYTONA__METHOD(get, .prefix = "Failed to get snapshot: ", .verb = "GET", .path = "/snapshots/{id}", ARGS(ID),
                .response = &snapshot_model, .result = &daytona__type_snapshot);

daytona_future_t *daytona_snapshot_get(daytona_client_t *client, const char *id_or_name,
                                       const daytona_call_opts_t *opts) {
  return daytona__call(client, &get_method, &(snapshot_args_t){.id_or_name = id_or_name},
                       DAYTONA__OPTS(opts));
}

/* --- create ------------------------------------------------------------------------------------ */

typedef struct create {
  daytona__life_t life; /* first */
  daytona__build_t build;
  const char *name, *id;
  const daytona_snapshot_t *snapshot; /* in op->data; NULL before the first response */
} create_t;

static create_t *create_of(const daytona__op_t *op) { return (create_t *)(void *)op; }

static int state_of(const daytona__op_t *op) {
  const daytona_snapshot_t *snapshot = create_of(op)->snapshot;
  return snapshot != NULL ? (int)snapshot->state : DAYTONA_SNAPSHOT_UNKNOWN;
}

static const char *state_name(const daytona__op_t *op) {
  const daytona_snapshot_t *snapshot = create_of(op)->snapshot;
  return snapshot != NULL ? snapshot->state_name : NULL;
}

static void take(daytona__op_t *op, void *answer) { create_of(op)->snapshot = answer; }

static void settle(daytona__op_t *op) {
  daytona__op_resolve_copy(op, &daytona__type_snapshot, &snapshot_model, create_of(op)->snapshot);
}

static const char *describe(const daytona__op_t *op) {
  const create_t *self = create_of(op);
  const char *reason = self->snapshot->error_reason;
  return daytona__arena_printf(&op->future->arena, "snapshot %s is in state %s%s%s", self->name,
                               self->snapshot->state_name, reason != NULL ? ": " : "",
                               reason != NULL ? reason : "");
}

static const char *name(const daytona__op_t *op) {
  return daytona__arena_printf(&op->future->arena, "snapshot %s", create_of(op)->name);
}

static const char *id_of(const daytona__op_t *op) { return create_of(op)->id; }
static void locate(daytona__op_t *op) { daytona__op_path(op, id_of(op), NULL, NULL); }

static const daytona__waited_t waited_snapshot = {.state_of = state_of,
                                                  .take = take,
                                                  .settle = settle,
                                                  .describe = describe,
                                                  .name = name,
                                                  .state_name = state_name,
                                                  .locate = locate,
                                                  .noun = "snapshot",
                                                  .id = id_of,
                                                  .failure = DAYTONA_ESNAPSHOT_FAILED};

DAYTONA__METHOD(poll, .verb = "GET", .path = "/snapshots/{}", .response = &snapshot_model,
                .keeps_answer = true);

#define STATE(name) ((uint64_t)1 << DAYTONA_SNAPSHOT_##name)

static const daytona__wait_rule_t wait_active = {
  .of = &waited_snapshot,
  .fetch = &poll_method,
  .goals = STATE(ACTIVE),
  .failures = STATE(ERROR) | STATE(BUILD_FAILED) | STATE(REMOVING)};

DAYTONA__BUILD_LOG_URL(log_url, "/snapshots/{}/build-logs-url");

static bool is_built(const daytona__op_t *op) { return state_of(op) != DAYTONA_SNAPSHOT_ACTIVE; }

static bool has_log(const daytona__op_t *op) {
  int state = state_of(op);
  return state == DAYTONA_SNAPSHOT_BUILDING || state == DAYTONA_SNAPSHOT_ACTIVE;
}

static const char *check_create(const void *args, const void *given) {
  const daytona_snapshot_create_opts_t *opts = given;
  bool is_named = opts->image_name != NULL && opts->image_name[0] != '\0';
  if (is_named && opts->image != NULL) return "image_name and image exclude each other";
  return is_named || opts->image != NULL ? NULL : "image_name or image is required";
}

#define OPT(type, member, key, ...) \
  DAYTONA__OPT(IN_BODY, daytona_snapshot_create_opts_t, type, member, key, __VA_ARGS__)
#define SIZE(member, key, least) OPT(OPT_INT, resources.member, key, .rules = DAYTONA__MIN, .min = least)

DAYTONA__METHOD(create, .prefix = "Failed to create snapshot: ", .verb = "POST", .path = "/snapshots",
                ARGS(DAYTONA__ARG(IN_BODY, snapshot_args_t, STRING, name, "name", .rules = DAYTONA__NONEMPTY),
                     OPT(STRING, image_name, "imageName"),
                     DAYTONA__OPT(NOWHERE, daytona_snapshot_create_opts_t, STRINGS, entrypoint, "entrypoint"),
                     DAYTONA__ARG(IN_BODY, snapshot_args_t, STRINGS, entrypoint, "entrypoint"),
                     SIZE(cpu, "cpu", 1), SIZE(memory_gib, "memory", 1), SIZE(disk_gib, "disk", 1),
                     SIZE(gpu, "gpu", 0), OPT(STRINGS, resources.gpu_types, "gpuType"),
                     OPT(RESERVED, resources.reserved, "reserved"),
                     DAYTONA__ARG(IN_BODY, snapshot_args_t, STRING, region, "regionId"),
                     OPT(STRING, sandbox_class, "sandboxClass")),
                .response = &snapshot_model, .keeps_answer = true, .is_create = true, .check = check_create);

static void on_created(daytona__op_t *op, const daytona_error_t *error, void *answer) {
  create_t *self = create_of(op);
  if (error != NULL) {
    daytona__op_fail(op, error);
    return;
  }
  take(op, answer);
  self->id = daytona__arena_strdup(&op->future->arena, self->snapshot->id);
  if (self->id == NULL) {
    daytona__op_fail(op, daytona__error_static(DAYTONA_ENOMEM));
    return;
  }
  self->life.rule = &wait_active;
  daytona_future_t *future = daytona_future_retain(op->future);
  daytona__build_report(&self->build);
  if (daytona__future_is_pending(future)) daytona__life_wait(&self->life, &wait_active);
  daytona_future_release(future);
}

static void send_create(daytona__op_t *op) { daytona__life_start(&create_of(op)->life, false); }

static bool on_late(daytona__life_t *life) { return daytona__build_late(&((create_t *)life)->build); }

static void end_create(daytona__op_t *op) {
  daytona__build_end(&create_of(op)->build);
  daytona__life_end(op);
}

daytona_future_t *daytona_snapshot_create(daytona_client_t *client, const char *snapshot_name,
                                          const daytona_snapshot_create_opts_t *opts) {
  static const daytona_snapshot_create_opts_t none;
  daytona_future_t *future;
  if (opts == NULL) opts = &none;
  snapshot_args_t args = {.name = snapshot_name, .region = opts->region};
  if (opts->image == NULL) args.entrypoint = opts->entrypoint;
  const daytona__life_opts_t life_opts = {.opts = DAYTONA__OPTS(opts), .default_ms = DAYTONA_NO_TIMEOUT};
  create_t *self =
    (create_t *)daytona__life_new(&create_method, client, NULL, sizeof *self, &args, life_opts, &future);
  daytona__future_own(future, opts->destroy_user, opts->user);
  if (self == NULL) return future;
  daytona__op_t *op = &self->life.op;
  if (args.region == NULL || args.region[0] == '\0') args.region = op->client->settings.region;
  self->name = daytona__arena_strdup(&future->arena, snapshot_name);
  self->life.what = daytona__arena_printf(&future->arena, "creating the snapshot named %s", snapshot_name);
  if (self->name == NULL || self->life.what == NULL)
    return daytona__op_reject(op, DAYTONA_ENOMEM, "%s", daytona_errcode_text(DAYTONA_ENOMEM));
  self->life.late = on_late;
  self->build = (daytona__build_t){.life = &self->life,
                                   .on_event = opts->on_build,
                                   .user = opts->user,
                                   .log_url = opts->image != NULL ? &log_url_method : NULL,
                                   .is_built = is_built,
                                   .has_log = has_log,
                                   .id = id_of};
  daytona__build_watch(&self->build);
  op->ending = end_create;
  op->done = on_created;
  if (daytona__call_prepare(op, &args, life_opts.opts, DAYTONA_NO_TIMEOUT) != 0) return future;
  if (opts->image == NULL)
    daytona__life_start(&self->life, false);
  else
    daytona__build_from(&self->build, opts->image, opts->entrypoint.count != 0 ? &opts->entrypoint : NULL,
                        send_create);
  return future;
}

/* --- contexts alone ---------------------------------------------------------------------------- */

static const char *check_context(const void *args, const void *opts) {
  return ((const context_args_t *)args)->image == NULL ? "image is required" : NULL;
}

DAYTONA__METHOD(process_context, .prefix = "Failed to process image context: ", .check = check_context);

static void on_contexts_stored(daytona__op_t *op) {
  daytona_strings_t *hashes = daytona__arena_alloc(&op->future->arena, sizeof *hashes);
  if (hashes == NULL || daytona__build_hashes(((daytona__life_t *)op)->watcher, hashes) != 0)
    daytona__op_fail(op, daytona__error_static(DAYTONA_ENOMEM));
  else
    daytona__op_resolve(op, &daytona__type_strings, hashes);
}

daytona_future_t *daytona_snapshot_process_image_context(daytona_client_t *client, daytona_image_t *image,
                                                         const daytona_call_opts_t *opts) {
  daytona_future_t *future;
  const context_args_t args = {.image = image};
  const daytona__life_opts_t life_opts = {.opts = DAYTONA__OPTS(opts), .default_ms = DAYTONA_NO_TIMEOUT};
  create_t *self = (create_t *)daytona__life_new(&process_context_method, client, NULL, sizeof *self, &args,
                                                 life_opts, &future);
  if (self == NULL) return future;
  self->life.what = "uploading the context";
  self->build.life = &self->life;
  self->life.op.ending = end_create;
  daytona__build_watch(&self->build);
  daytona__build_store(&self->build, image, NULL, on_contexts_stored);
  return future;
}

/* --- delete and activate ------------------------------------------------------------------------ */

typedef struct change {
  daytona__op_t op; /* first */
  const daytona__method_t *method;
  const char *id_or_name;
  bool was_looked_up;
  int64_t timeout_ms;
} change_t;

/* As the official SDKs have it: 8-4-4-4-12 hexadecimal digits, of a version and variant that exist, or nil. */
static bool is_uuid(const char *text) {
  static const char form[] = "xxxxxxxx-xxxx-Vxxx-Wxxx-xxxxxxxxxxxx";
  bool is_nil = strcmp(text, "00000000-0000-0000-0000-000000000000") == 0;
  for (size_t i = 0; form[i] != '\0'; i++) {
    int digit = daytona__hex_digit(text[i]);
    if (form[i] == '-' ? text[i] != '-' : digit < 0) return false;
    if (form[i] == 'V' && !is_nil && (digit < 1 || digit > 5)) return false;
    if (form[i] == 'W' && !is_nil && (digit < 8 || digit > 11)) return false;
  }
  return text[sizeof form - 1] == '\0';
}

static void on_changed(daytona__op_t *op, const daytona_error_t *error, void *answer);
static void on_looked_up(daytona__op_t *op, const daytona_error_t *error, void *answer);

static void ask(change_t *self, const daytona__method_t *method, const char *id,
                void (*done)(daytona__op_t *op, const daytona_error_t *error, void *answer)) {
  daytona__op_switch(&self->op, method);
  daytona__op_path(&self->op, id, NULL, NULL);
  self->op.done = done;
  if (daytona__op_prepare(&self->op, NULL, self->timeout_ms) == 0) daytona__op_send(&self->op);
}

static void on_looked_up(daytona__op_t *op, const daytona_error_t *error, void *answer) {
  change_t *self = (change_t *)op;
  if (error != NULL) {
    daytona__op_fail(op, error);
    return;
  }
  self->was_looked_up = true;
  ask(self, self->method, ((const daytona_snapshot_t *)answer)->id, on_changed);
}

static void on_changed(daytona__op_t *op, const daytona_error_t *error, void *answer) {
  change_t *self = (change_t *)op;
  if (error != NULL && error->http_status == 404 && !self->was_looked_up)
    ask(self, &poll_method, self->id_or_name, on_looked_up);
  else if (error != NULL)
    daytona__op_fail(op, error);
  else
    daytona__op_resolve(op, self->method->result != NULL ? self->method->result : &daytona__type_none,
                        answer);
}

/* `checked` has the row of the argument, `method` the path. */
static daytona_future_t *change(const char *public_name, daytona_client_t *client,
                                const daytona__method_t *checked, const daytona__method_t *method,
                                const char *id_or_name, daytona__opts_t opts) {
  daytona_future_t *future;
  change_t *self =
    (change_t *)daytona__call_new_named(public_name, checked, client, NULL, sizeof *self,
                                        &(snapshot_args_t){.id_or_name = id_or_name}, opts, &future);
  if (self == NULL) return future;
  self->method = method;
  self->timeout_ms = opts.timeout_ms;
  self->id_or_name = daytona__arena_strdup(&future->arena, id_or_name);
  if (self->id_or_name == NULL)
    return daytona__op_reject(&self->op, DAYTONA_ENOMEM, "%s", daytona_errcode_text(DAYTONA_ENOMEM));
  if (is_uuid(id_or_name))
    ask(self, method, self->id_or_name, on_changed);
  else
    ask(self, &poll_method, self->id_or_name, on_looked_up);
  return future;
}

DAYTONA__METHOD(delete, .prefix = "Failed to delete snapshot: ", ARGS(ID));
DAYTONA__METHOD(delete_by_id, .verb = "DELETE", .path = "/snapshots/{}");

daytona_future_t *daytona_snapshot_delete(daytona_client_t *client, const char *id_or_name,
                                          const daytona_call_opts_t *opts) {
  return change(__func__, client, &delete_method, &delete_by_id_method, id_or_name, DAYTONA__OPTS(opts));
}

DAYTONA__METHOD(activate, .prefix = "Failed to activate snapshot: ", ARGS(ID));
DAYTONA__METHOD(activate_by_id, .verb = "POST", .path = "/snapshots/{}/activate", .response = &snapshot_model,
                .result = &daytona__type_snapshot);

daytona_future_t *daytona_snapshot_activate(daytona_client_t *client, const char *id_or_name,
                                            const daytona_call_opts_t *opts) {
  return change(__func__, client, &activate_method, &activate_by_id_method, id_or_name, DAYTONA__OPTS(opts));
}
