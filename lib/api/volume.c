/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Volumes; see volume.h.
 *
 *   get:     GET by name -> [404: POST -> (refused or lost: GET by name)] -> wait until ready
 *   create:  POST -> wait until ready
 *   delete:  DELETE -> wait until it is gone
 *
 * A creation whose response is lost, or that is refused because another program was faster, is followed by one more
 * look under the name, for the caller of get asked for the volume and not for its creation.
 */
#include <daytona/volume.h>

#include "call/life.h"
#include "call/results.h"

/* --- tables ------------------------------------------------------------------------------------ */

#define STATE_NAME(name, value, text) [value] = text,
static const char *const state_names[] = {DAYTONA_VOLUME_STATE_MAP(STATE_NAME) NULL};
#undef STATE_NAME
static const daytona__json_names_t states = {state_names, DAYTONA_VOLUME_UNKNOWN};

#define FIELD(member, key, ...) DAYTONA__FIELD(daytona_volume_t, STRING, member, key, __VA_ARGS__)

static DAYTONA__MODEL_OF(volume_model, daytona_volume_t, "Volume",
                         FIELD(id, "id", .flags = DAYTONA__JSON_REQUIRED), FIELD(name, "name"),
                         FIELD(organization_id, "organizationId"),
                         DAYTONA__FIELD_WORD(daytona_volume_t, state_name, state, "state", &states),
                         FIELD(created_at, "createdAt"), FIELD(updated_at, "updatedAt"),
                         FIELD(last_used_at, "lastUsedAt"), FIELD(error_reason, "errorReason"));

/* --- list -------------------------------------------------------------------------------------- */

typedef struct volume_args {
  const char *id, *name;
} volume_args_t;

DAYTONA__METHOD(list, .prefix = "Failed to list volumes: ", .verb = "GET", .path = "/volumes",
                .request = DAYTONA__ARGS(volume_args_t, DAYTONA__OPT(IN_QUERY, daytona_volume_list_opts_t,
                                                                     BOOL, includes_deleted, "includeDeleted",
                                                                     .flags = DAYTONA__JSON_OMIT_ZERO)),
                .gives_array = true, .response = &volume_model, .result = &daytona__type_volume_list);

daytona_future_t *daytona_volume_list(daytona_client_t *client, const daytona_volume_list_opts_t *opts) {
  return daytona__call(client, &list_method, NULL, DAYTONA__OPTS(opts));
}

/* --- operations that may wait ------------------------------------------------------------------- */

typedef struct volume_op {
  daytona__life_t life; /* first */
  const char *name;     /* NULL: not known, as of deletions */
  const char *id;
  const daytona_volume_t *volume; /* in op->data; NULL before the first response */
  bool creates, waits, is_deletion;
  daytona_error_t *refused; /* why it was not created */
} volume_op_t;

static volume_op_t *volume_op(const daytona__op_t *op) { return (volume_op_t *)(void *)op; }

static int state_of(const daytona__op_t *op) {
  const volume_op_t *self = volume_op(op);
  return self->volume != NULL ? (int)self->volume->state : DAYTONA_VOLUME_UNKNOWN;
}

static void take(daytona__op_t *op, void *answer) {
  volume_op_t *self = volume_op(op);
  self->volume = answer;
  if (self->id == NULL) self->id = daytona__arena_strdup(&op->future->arena, self->volume->id);
}

static void settle(daytona__op_t *op) {
  if (volume_op(op)->is_deletion)
    daytona__op_resolve(op, &daytona__type_none, NULL);
  else
    daytona__op_resolve_copy(op, &daytona__type_volume, &volume_model, volume_op(op)->volume);
}

static void gone(daytona__op_t *op) {
  static const daytona_volume_t deleted = {.state = DAYTONA_VOLUME_DELETED, .state_name = "deleted"};
  volume_op(op)->volume = &deleted;
}

static const char *label(const daytona__op_t *op) {
  const volume_op_t *self = volume_op(op);
  return self->name != NULL ? self->name : self->id != NULL ? self->id : "?";
}

static const char *describe(const daytona__op_t *op) {
  const daytona_volume_t *volume = volume_op(op)->volume;
  const char *reason = volume->error_reason;
  return daytona__arena_printf(&op->future->arena, "volume %s is in state %s%s%s", label(op),
                               volume->state_name, reason != NULL ? ": " : "", reason != NULL ? reason : "");
}

static const char *name(const daytona__op_t *op) {
  return daytona__arena_printf(&op->future->arena, "volume %s", label(op));
}

static const char *state_name(const daytona__op_t *op) {
  return volume_op(op)->volume != NULL ? volume_op(op)->volume->state_name : NULL;
}

static const char *id_of(const daytona__op_t *op) { return volume_op(op)->id; }
static void locate(daytona__op_t *op) { daytona__op_path(op, volume_op(op)->id, NULL, NULL); }

static const daytona__waited_t waited_volume = {.state_of = state_of,
                                                .take = take,
                                                .settle = settle,
                                                .gone = gone,
                                                .describe = describe,
                                                .name = name,
                                                .state_name = state_name,
                                                .locate = locate,
                                                .noun = "volume",
                                                .id = id_of,
                                                .failure = DAYTONA_EVOLUME_FAILED};

DAYTONA__METHOD(poll, .verb = "GET", .path = "/volumes/{}", .response = &volume_model, .keeps_answer = true);

#define STATE(name) ((uint64_t)1 << DAYTONA_VOLUME_##name)

static const daytona__wait_rule_t wait_ready = {
  .of = &waited_volume,
  .fetch = &poll_method,
  .goals = STATE(READY),
  .failures = STATE(ERROR) | STATE(PENDING_DELETE) | STATE(DELETING) | STATE(DELETED)};

static const daytona__wait_rule_t wait_deleted = {.of = &waited_volume,
                                                  .fetch = &poll_method,
                                                  .goals = STATE(DELETED),
                                                  .failures = STATE(ERROR),
                                                  .is_safe = true};

/* --- get and create ---------------------------------------------------------------------------- */

#define BY_NAME                                                                                             \
  .request = DAYTONA__ARGS(                                                                                 \
    volume_args_t, DAYTONA__ARG(IN_PATH, volume_args_t, STRING, name, "name", .rules = DAYTONA__NONEMPTY)), \
  .response = &volume_model, .keeps_answer = true

DAYTONA__METHOD(get, .prefix = "Failed to get volume: ", .verb = "GET", .path = "/volumes/by-name/{name}",
                BY_NAME);
DAYTONA__METHOD(get_or_create, .prefix = "Failed to create volume: ", .verb = "GET",
                .path = "/volumes/by-name/{name}", BY_NAME);
DAYTONA__METHOD(create, .prefix = "Failed to create volume: ", .verb = "POST", .path = "/volumes",
                .request = DAYTONA__ARGS(volume_args_t, DAYTONA__ARG(IN_BODY, volume_args_t, STRING, name,
                                                                     "name", .rules = DAYTONA__NONEMPTY)),
                .response = &volume_model, .keeps_answer = true, .is_create = true);

static void on_got(daytona__op_t *op, const daytona_error_t *error, void *answer);

/* Send another request about the name. Its part of the limit is what is left. */
static void ask(volume_op_t *self, const daytona__method_t *method,
                void (*done)(daytona__op_t *op, const daytona_error_t *error, void *answer)) {
  daytona__op_t *op = &self->life.op;
  const volume_args_t args = {.name = self->name};
  daytona__op_switch(op, method);
  op->done = done;
  if (daytona__op_prepare(op, &args, DAYTONA_NO_TIMEOUT) == 0) daytona__op_send(op);
}

static void on_created(daytona__op_t *op, const daytona_error_t *error, void *answer) {
  volume_op_t *self = volume_op(op);
  if (error != NULL && self->creates && self->refused == NULL) {
    self->refused = daytona__error_copy(&op->future->arena, error, NULL);
    if (self->refused != NULL) {
      ask(self, &get_or_create_method, on_got);
      return;
    }
  }
  on_got(op, error, answer);
}

static void on_got(daytona__op_t *op, const daytona_error_t *error, void *answer) {
  volume_op_t *self = volume_op(op);
  if (error != NULL && error->http_status == 404 && self->creates && self->refused == NULL) {
    ask(self, &create_method, on_created);
    return;
  }
  if (error != NULL) {
    daytona__op_fail(op, self->refused != NULL ? self->refused : error);
    return;
  }
  take(op, answer);
  if (self->id == NULL)
    daytona__op_fail(op, daytona__error_static(DAYTONA_ENOMEM));
  else if (self->waits)
    daytona__life_wait(&self->life, &wait_ready);
  else
    settle(op);
}

/* The beginning of all three; NULL: *future has failed. The limit is on the whole, and the requests have none. */
static volume_op_t *begin(const char *public_name, daytona_client_t *client, const daytona__method_t *method,
                          const volume_args_t *args, daytona__opts_t opts, const char *what,
                          daytona_future_t **future) {
  volume_op_t *self = (volume_op_t *)daytona__life_new_named(
    public_name, method, client, NULL, sizeof *self, args, (daytona__life_opts_t){.opts = opts}, future);
  if (self == NULL) return NULL;
  self->life.what = what;
  daytona__arena_t *arena = &(*future)->arena;
  self->name = args->name != NULL ? daytona__arena_strdup(arena, args->name) : NULL;
  self->id = args->id != NULL ? daytona__arena_strdup(arena, args->id) : NULL;
  if (self->name != NULL || self->id != NULL) return self;
  daytona__op_reject(&self->life.op, DAYTONA_ENOMEM, "out of memory");
  return NULL;
}

static void start(volume_op_t *self, const volume_args_t *args, daytona__opts_t opts) {
  if (daytona__call_prepare(&self->life.op, args, opts, DAYTONA_NO_TIMEOUT) == 0)
    daytona__life_start(&self->life, false);
}

daytona_future_t *daytona_volume_get(daytona_client_t *client, const char *volume_name,
                                     const daytona_volume_get_opts_t *opts) {
  daytona_future_t *future;
  const volume_args_t args = {.name = volume_name};
  bool creates = opts != NULL && opts->creates;
  volume_op_t *self = begin(__func__, client, creates ? &get_or_create_method : &get_method, &args,
                            DAYTONA__OPTS(opts), "getting the volume", &future);
  if (self == NULL) return future;
  self->creates = creates;
  self->waits = opts != NULL && opts->waits;
  self->life.op.done = on_got;
  start(self, &args, DAYTONA__OPTS(opts));
  return future;
}

daytona_future_t *daytona_volume_create(daytona_client_t *client, const char *volume_name,
                                        const daytona_volume_create_opts_t *opts) {
  daytona_future_t *future;
  const volume_args_t args = {.name = volume_name};
  volume_op_t *self =
    begin(__func__, client, &create_method, &args, DAYTONA__OPTS(opts), "creating the volume", &future);
  if (self == NULL) return future;
  self->waits = opts != NULL && opts->waits;
  self->life.op.done = on_created;
  start(self, &args, DAYTONA__OPTS(opts));
  return future;
}

/* --- delete ------------------------------------------------------------------------------------ */

DAYTONA__METHOD(delete, .prefix = "Failed to delete volume: ", .verb = "DELETE", .path = "/volumes/{id}",
                .request = DAYTONA__ARGS(volume_args_t, DAYTONA__ARG(IN_PATH, volume_args_t, STRING, id, "id",
                                                                     .rules = DAYTONA__NONEMPTY)));

static void on_deleted(daytona__op_t *op, const daytona_error_t *error, void *answer) {
  if (error != NULL)
    daytona__op_fail(op, error);
  else if (volume_op(op)->waits)
    daytona__life_wait(&volume_op(op)->life, &wait_deleted);
  else
    settle(op);
}

daytona_future_t *daytona_volume_delete(daytona_client_t *client, const char *id,
                                        const daytona_volume_delete_opts_t *opts) {
  daytona_future_t *future;
  const volume_args_t args = {.id = id};
  volume_op_t *self =
    begin(__func__, client, &delete_method, &args, DAYTONA__OPTS(opts), "deleting the volume", &future);
  if (self == NULL) return future;
  self->is_deletion = true;
  self->waits = opts != NULL && opts->waits;
  self->life.op.done = on_deleted;
  start(self, &args, DAYTONA__OPTS(opts));
  return future;
}
