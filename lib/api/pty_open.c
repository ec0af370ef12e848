/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Creating a terminal and attaching to one.
 *
 * Newer servers create and attach in one upgrade. Older ones answer it with 404, and a front may refuse headers with much
 * of an environment in it: then the terminal is created with a request of its own, which starts its shell only when
 * the first client attaches, and attached to.
 *
 *   CREATING -> POSTING -> ATTACHING -> PROMPTING       each of the first three may be where it begins
 *
 *   PROMPTING: it is attached, and has not printed yet what it is waited for.
 */
#include "api/pty_impl.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "core/ascii.h"
#include "core/memory.h"
#include "call/op.h"
#include "call/params.h"
#include "call/results.h"

enum { COLS_DEFAULT = 80, ROWS_DEFAULT = 24, HANDSHAKE_MS = 10000 };

/* Of the environment's JSON; and how much of it and of the folder goes with an upgrade, whose headers fronts limit. */
enum { ENV_MAX = 192 * 1024, HEAD_MAX = 4 * 1024, PROMPT_MAX = 256 };

static const char exit_control[] = "X-Daytona-Pty-Exit-Control";

typedef struct create_request {
  const char *id;
  const char *cwd;
  daytona_map_t env;
  int cols, rows;
  bool is_lazy;
} create_request_t;

static DAYTONA__MODEL_OF(create_model, create_request_t, "PtyCreateRequest",
                         DAYTONA__FIELD(create_request_t, STRING, id, "id", .flags = DAYTONA__JSON_ALWAYS),
                         DAYTONA__FIELD(create_request_t, STRING, cwd, "cwd"),
                         DAYTONA__FIELD(create_request_t, MAP, env, "envs", .flags = DAYTONA__JSON_SECRET),
                         DAYTONA__FIELD(create_request_t, INT32, cols, "cols", .flags = DAYTONA__JSON_ALWAYS),
                         DAYTONA__FIELD(create_request_t, INT32, rows, "rows", .flags = DAYTONA__JSON_ALWAYS),
                         DAYTONA__FIELD(create_request_t, BOOL, is_lazy, "lazyStart"));

/* The environment alone, whose encoding is cut out of that of an object with it. */
static DAYTONA__MODEL_OF(env_model, create_request_t, "PtyEnvs",
                         DAYTONA__FIELD(create_request_t, MAP, env, "e",
                                        .flags = DAYTONA__JSON_ALWAYS | DAYTONA__JSON_SECRET));

#define CREATE_PREFIX "Failed to create PTY session: "

DAYTONA__METHOD(create, .prefix = CREATE_PREFIX, .verb = "GET", .path = "/process/pty/create-connect",
                .service = DAYTONA__TOOLBOX, .is_stream = true);
DAYTONA__METHOD(post, .prefix = CREATE_PREFIX, .verb = "POST", .path = "/process/pty",
                .service = DAYTONA__TOOLBOX, .request = &create_model);
DAYTONA__METHOD(connect, .prefix = "Failed to connect PTY session: ", .verb = "GET",
                .path = "/process/pty/{}/connect", .service = DAYTONA__TOOLBOX, .is_stream = true);

typedef enum phase { NEW, CREATING, POSTING, ATTACHING, PROMPTING } phase_t;

typedef struct open_op {
  daytona__op_t op; /* first */
  phase_t phase;
  daytona_pty_attach_t attach;
  create_request_t request; /* strings in the arena */
  const char *env_protocol; /* NULL: none */
  daytona_pty_t *pty;       /* a reference */
  bool was_missing;         /* the server does not create and attach in one step */
  bool was_created;         /* by a request of its own, and so it is there although nobody is attached */
  const char *prompt;       /* NULL: not waited for */
  char tail[PROMPT_MAX];    /* what was printed last */
  size_t tail_size;
  bool was_prompted;
  daytona__timer_t timer;
} open_op_t;

static void drop_pty(void *result) { daytona_pty_release(result); }

const daytona__type_t daytona__type_pty = {"pty", drop_pty};

static void set_phase(open_op_t *self, phase_t to) {
#define TO(phase) (1u << (phase))
  static const unsigned allowed[] = {[NEW] = TO(CREATING) | TO(POSTING) | TO(ATTACHING),
                                     [CREATING] = TO(POSTING) | TO(PROMPTING),
                                     [POSTING] = TO(ATTACHING),
                                     [ATTACHING] = TO(PROMPTING),
                                     [PROMPTING] = 0};
#undef TO
  assert((allowed[self->phase] & 1u << to) != 0);
  assert(to != PROMPTING || (self->prompt != NULL && self->pty->phase == DAYTONA__PTY_ATTACHED));
  self->phase = to;
}

/* However it ends, the terminal has no opening any more. */
static void end_open(daytona__op_t *op) {
  open_op_t *self = (open_op_t *)op;
  daytona__timer_stop(&self->timer);
  if (self->pty != NULL) self->pty->opener.op = NULL;
  daytona_pty_release(self->pty);
  self->pty = NULL;
}

static void fail_with(daytona__op_t *op, int code) {
  daytona__op_reject(op, (daytona_errcode_t)code, "%s", daytona_errcode_text(code));
}

static void on_timer(daytona__timer_t *timer) {
  open_op_t *self = DAYTONA__CONTAINER(timer, open_op_t, timer);
  daytona__op_reject(&self->op, DAYTONA_ETIMEOUT,
                     self->phase == PROMPTING
                       ? "the terminal has not printed what is waited for within its time limit"
                       : "the terminal was not ready within its time limit");
}

/* --- attaching --------------------------------------------------------------------------------- */

static void on_created(daytona__op_t *op, const daytona_error_t *error, void *answer);

static void create_by_request(open_op_t *self) {
  daytona__op_t *op = &self->op;
  set_phase(self, POSTING);
  daytona__op_switch(op, &post_method);
  op->done = on_created;
  self->request.is_lazy = true;
  if (daytona__op_prepare(op, &self->request, 0) == 0) daytona__op_send(op);
}

/* Whether the upgrade was refused because it is not known, or because of its size. */
static bool may_be_done_in_turn(const open_op_t *self, const daytona__ws_close_t *close) {
  if (self->phase != CREATING || close == NULL || close->how != DAYTONA__WS_END_HTTP) return false;
  int status = close->response.status;
  bool was_refused = daytona__stream_was_refused(close);
  bool is_size = status == 400 || status == 413 || status == 414 || status == 431 || status == 494;
  return was_refused ? is_size && self->env_protocol != NULL : status == 404;
}

static void succeed(open_op_t *self) {
  daytona_pty_t *pty = daytona_pty_retain(self->pty);
  pty->opener.op = NULL;
  daytona__op_resolve(&self->op, &daytona__type_pty, pty);
}

static void on_opened(daytona__op_t *op, const daytona_error_t *error, const daytona__ws_close_t *close) {
  open_op_t *self = (open_op_t *)op;
  if (error == NULL &&
      (self->prompt == NULL || self->was_prompted || self->pty->phase >= DAYTONA__PTY_ENDED)) {
    succeed(self);
  } else if (error == NULL) {
    set_phase(self, PROMPTING);
  } else if (may_be_done_in_turn(self, close)) {
    self->pty->opener.op = NULL;
    self->was_missing = close->response.status == 404;
    create_by_request(self);
  } else {
    /* A terminal that nobody can reach is not left behind. */
    if (self->was_created) daytona_future_release(daytona_pty_kill(op->sandbox, self->pty->id, NULL));
    daytona__op_fail(op, error);
  }
}

/* Look for the prompt, which may come in chunks. */
static void on_printed(daytona__op_t *op, const char *bytes, size_t size) {
  open_op_t *self = (open_op_t *)op;
  if (self->prompt == NULL || self->was_prompted) return;
  size_t wanted = strlen(self->prompt);
  for (size_t i = 0; i < size && !self->was_prompted; i++) {
    if (self->tail_size == wanted) memmove(self->tail, self->tail + 1, --self->tail_size);
    self->tail[self->tail_size++] = bytes[i];
    self->was_prompted = self->tail_size == wanted && memcmp(self->tail, self->prompt, wanted) == 0;
  }
  if (self->was_prompted && self->phase == PROMPTING) succeed(self);
}

static void on_ended(daytona__op_t *op) { succeed((open_op_t *)op); }

static void attach(open_op_t *self) {
  daytona__pty_opener_t opener = {&self->op, on_opened, on_printed, on_ended};
  const char *protocols[] = {exit_control, self->env_protocol};
  size_t count = 1 + (self->env_protocol != NULL && self->phase == CREATING);
  int rc = daytona__pty_attach(self->pty, &self->attach, protocols, count, &opener);
  if (rc != 0) fail_with(&self->op, rc);
}

static void on_created(daytona__op_t *op, const daytona_error_t *error, void *answer) {
  open_op_t *self = (open_op_t *)op;
  if (error != NULL) {
    daytona__op_fail(op, error);
    return;
  }
  self->was_created = true;
  if (self->was_missing) op->sandbox->creates_ptys_in_turn = true;
  set_phase(self, ATTACHING);
  daytona__op_switch(op, &connect_method);
  daytona__op_path(op, self->pty->id, NULL, NULL);
  if (daytona__op_prepare(op, NULL, DAYTONA_NO_TIMEOUT) == 0) attach(self);
}

static void on_located(daytona__op_t *op, const daytona_error_t *error, void *answer) {
  if (error != NULL)
    daytona__op_fail(op, error);
  else
    attach((open_op_t *)op);
}

/* --- arguments --------------------------------------------------------------------------------- */

static int copy_env(daytona__arena_t *arena, daytona_map_t env, daytona_map_t *out) {
  if (env.count != 0 && env.items == NULL) return DAYTONA_EINVAL;
  daytona_pair_t *pairs = env.count != 0 ? daytona__arena_array(arena, env.count, sizeof *pairs) : NULL;
  if (env.count != 0 && pairs == NULL) return DAYTONA_ENOMEM;
  for (size_t i = 0; i < env.count; i++) {
    if (env.items[i].key == NULL || env.items[i].key[0] == '\0' || env.items[i].value == NULL)
      return DAYTONA_EINVAL;
    pairs[i].key = daytona__arena_strdup(arena, env.items[i].key);
    pairs[i].value = daytona__arena_strdup(arena, env.items[i].value);
    if (pairs[i].key == NULL || pairs[i].value == NULL) return DAYTONA_ENOMEM;
  }
  *out = (daytona_map_t){pairs, env.count};
  return 0;
}

/* The environment as a protocol token, of its JSON. */
static int make_env_protocol(daytona__arena_t *arena, const create_request_t *request, const char **out) {
  static const char name[] = "X-Daytona-Pty-Envs~";
  static const size_t before = sizeof "{\"e\":" - 1;
  const char *json;
  size_t size;
  if (request->env.count == 0) return 0;
  int rc = daytona__json_encode(arena, &env_model, request, &json, &size, NULL);
  if (rc != 0) return rc;
  size -= before + 1;
  if (size > ENV_MAX) return DAYTONA_ELIMIT;
  char *token = daytona__arena_alloc(arena, sizeof name + DAYTONA__BASE64_ROOM(size));
  if (token == NULL) return DAYTONA_ENOMEM;
  memcpy(token, name, sizeof name);
  daytona__base64_url(token + sizeof name - 1, json + before, size);
  *out = token;
  return 0;
}

/* What creating and attaching have in common. False: the operation has failed and is gone. */
static bool begin(open_op_t *self, const char *id, const daytona_pty_attach_t *given) {
  daytona__op_t *op = &self->op;
  size_t buffer;
  int64_t handshake_ms, connect_ms;
  self->attach = *given;
  daytona__timer_init(&self->timer, on_timer);
  op->done = on_located;
  op->ending = end_open;
  if (!DAYTONA__RESERVED_OK(given)) {
    daytona__op_reject(op, DAYTONA_EINVAL, "reserved words of attach are not zero");
    return false;
  }
  if (daytona__stream_buffer(given->policy, given->buffer_bytes, &buffer) != 0) {
    daytona__op_reject(op, DAYTONA_EINVAL, "policy is unknown or buffer_bytes is over 64 MiB");
    return false;
  }
  buffer = given->buffer_bytes != 0 ? given->buffer_bytes : DAYTONA__STREAM_BUFFER_DEFAULT;
  if (!daytona__timeout_resolve(given->handshake_timeout_ms, HANDSHAKE_MS, &handshake_ms) ||
      !daytona__timeout_resolve(given->connect_timeout_ms, 0, &connect_ms)) {
    daytona__op_reject(op, DAYTONA_EINVAL, "a timeout must be at least 0, or DAYTONA_NO_TIMEOUT");
    return false;
  }
  self->pty = daytona__pty_new(op->sandbox, id, given, buffer);
  if (self->pty == NULL) {
    fail_with(op, DAYTONA_ENOMEM);
    return false;
  }
  daytona__future_disown(op->future); /* the terminal gives `user` back */
  if (handshake_ms > 0) daytona__timer_start(op->client->loop, &self->timer, handshake_ms);
  return true;
}

/* --- public ------------------------------------------------------------------------------------ */

static int read_create(open_op_t *self, const daytona_pty_create_opts_t *opts) {
  daytona__arena_t *arena = &self->op.future->arena;
  create_request_t *request = &self->request;
  char uuid[DAYTONA__UUID_SIZE];
  const char *id = opts->id;
  arena->is_secret = true; /* the environment */
  if (id == NULL) {
    if (daytona__uuid(&self->op.client->entropy, uuid) != 0) return DAYTONA_EFAILED;
    id = uuid;
  }
  if (opts->wait_for != NULL) {
    self->prompt = daytona__arena_strdup(arena, opts->wait_for);
    if (self->prompt == NULL) return DAYTONA_ENOMEM;
  }
  request->id = daytona__arena_strdup(arena, id);
  request->cwd = daytona__arena_strdup(arena, opts->cwd);
  request->cols = opts->cols != 0 ? opts->cols : COLS_DEFAULT;
  request->rows = opts->rows != 0 ? opts->rows : ROWS_DEFAULT;
  if (request->id == NULL || (request->cwd == NULL && opts->cwd != NULL)) return DAYTONA_ENOMEM;
  int rc = copy_env(arena, opts->env, &request->env);
  return rc == 0 ? make_env_protocol(arena, request, &self->env_protocol) : rc;
}

static bool fits_head(const open_op_t *self) {
  size_t size = self->env_protocol != NULL ? strlen(self->env_protocol) : 0;
  return size + (self->request.cwd != NULL ? strlen(self->request.cwd) : 0) <= HEAD_MAX;
}

daytona_future_t *daytona_pty_create(daytona_sandbox_t *sandbox, const daytona_pty_create_opts_t *opts) {
  static const daytona_pty_create_opts_t defaults;
  daytona_future_t *future;
  if (opts == NULL) opts = &defaults;
  open_op_t *self = (open_op_t *)daytona__op_new(&create_method, NULL, sandbox, sizeof *self, &future);
  daytona__future_own(future, opts->attach.destroy_user, opts->attach.user);
  if (self == NULL) return future;
  daytona__op_t *op = &self->op;
  if (!DAYTONA__RESERVED_OK(opts))
    return daytona__op_reject(op, DAYTONA_EINVAL, "reserved words of the options are not zero");
  if (opts->id != NULL && opts->id[0] == '\0') return daytona__op_reject(op, DAYTONA_EINVAL, "id is empty");
  if (opts->cols < 0 || opts->cols > DAYTONA__PTY_SIZE_MAX || opts->rows < 0 ||
      opts->rows > DAYTONA__PTY_SIZE_MAX)
    return daytona__op_reject(op, DAYTONA_EINVAL, "cols and rows must be 1 to %d",
                              (int)DAYTONA__PTY_SIZE_MAX);
  if (opts->wait_for != NULL && (opts->wait_for[0] == '\0' || strlen(opts->wait_for) > PROMPT_MAX))
    return daytona__op_reject(op, DAYTONA_EINVAL, "wait_for must have 1 to %d bytes", (int)PROMPT_MAX);
  int rc = read_create(self, opts);
  if (rc == DAYTONA_ELIMIT) return daytona__op_reject(op, rc, "env is over %d KiB", (int)ENV_MAX / 1024);
  const daytona_pair_t *variable = rc == 0 ? daytona__params_long_variable(&self->request.env) : NULL;
  if (variable != NULL) {
    daytona__params_problem_t problem;
    daytona__params_blame_variable("env", variable, &problem);
    return daytona__op_reject(op, DAYTONA_EINVAL, "%s", problem.text);
  }
  if (rc == DAYTONA_EINVAL)
    return daytona__op_reject(op, rc, "env has an entry without a name or value, or one that is not UTF-8");
  if (rc != 0) {
    fail_with(op, rc);
    return future;
  }
  if (!begin(self, self->request.id, &opts->attach)) return future;
  self->pty->is_fresh = true;
  if (op->sandbox->creates_ptys_in_turn || !fits_head(self)) {
    create_by_request(self);
    return future;
  }
  set_phase(self, CREATING);
  daytona__op_path(op, NULL, NULL, NULL);
  daytona__url_query(&op->url, "id", self->request.id);
  daytona__url_query_int(&op->url, "cols", daytona_int(self->request.cols));
  daytona__url_query_int(&op->url, "rows", daytona_int(self->request.rows));
  daytona__url_query(&op->url, "cwd", self->request.cwd);
  if (daytona__op_prepare(op, NULL, 0) == 0) daytona__op_send(op);
  return future;
}

daytona_future_t *daytona_pty_connect(daytona_sandbox_t *sandbox, const char *id,
                                      const daytona_pty_connect_opts_t *opts) {
  static const daytona_pty_connect_opts_t defaults;
  daytona_future_t *future;
  if (opts == NULL) opts = &defaults;
  open_op_t *self = (open_op_t *)daytona__op_new(&connect_method, NULL, sandbox, sizeof *self, &future);
  daytona__future_own(future, opts->attach.destroy_user, opts->attach.user);
  if (self == NULL) return future;
  daytona__op_t *op = &self->op;
  if (!DAYTONA__RESERVED_OK(opts))
    return daytona__op_reject(op, DAYTONA_EINVAL, "reserved words of the options are not zero");
  if (id == NULL || id[0] == '\0') return daytona__op_reject(op, DAYTONA_EINVAL, "id is required");
  if (!begin(self, id, &opts->attach)) return future;
  set_phase(self, ATTACHING);
  daytona__op_path(op, id, NULL, NULL);
  if (daytona__op_prepare(op, NULL, 0) == 0) daytona__op_send(op);
  return future;
}
