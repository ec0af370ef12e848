/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calling a method; see method.h.
 *
 * A call is an operation with one request. Its result is made here from what its row says; only where that is not
 * enough the row has a `finish` of its own.
 */
#include "call/method.h"

#include <assert.h>
#include <string.h>

typedef struct call {
  daytona__op_t op;            /* first */
  daytona__secrets_t *secrets; /* NULL: none */
  void *kept;                  /* the arguments, for `finish` */
  void *answer;                /* while `finish` continues */
  daytona__task_t again;
} call_t;

/* Stands for options that were not given. */
static const uint64_t no_opts[128];

static const void *opts_of(const daytona__opts_t *opts) {
  assert(opts->size <= sizeof no_opts);
  return opts->given != NULL ? opts->given : no_opts;
}

/* --- beginning --------------------------------------------------------------------------------- */

static bool has_hidden(const daytona__json_model_t *rows) {
  for (size_t i = 0; i < rows->field_count; i++)
    if ((rows->fields[i].rules & DAYTONA__HIDE_ANY) != 0) return true;
  return false;
}

/* Check and place the arguments. 0, or the code with `problem` filled in. */
static int place(daytona__op_t *op, const void *args, const void *opts, daytona__params_problem_t *problem) {
  const daytona__method_t *method = op->method;
  const daytona__json_model_t *rows = method->request;
  daytona__arena_t *arena = &op->future->arena;
  if (rows != NULL && !daytona__params_check(rows, args, opts, problem)) return DAYTONA_EINVAL;
  const char *fault = method->check != NULL ? method->check(args, opts) : NULL;
  if (fault != NULL) {
    snprintf(problem->text, sizeof problem->text, "%s", fault);
    return DAYTONA_EINVAL;
  }
  if (method->path != NULL)
    daytona__params_url(&op->url, arena, op->client->settings.api_url, method->path,
                        op->sandbox != NULL ? op->sandbox->id : NULL, rows, args, opts);
  if (method->query != NULL) method->query(&op->url, args, opts);
  if (rows == NULL) return 0;
  int rc = daytona__params_headers(arena, rows, args, opts, &op->headers, &op->header_count);
  if (rc != 0)
    snprintf(problem->text, sizeof problem->text, "%s",
             rc == DAYTONA_EINVAL ? "a header has a control character" : daytona_errcode_text(rc));
  return rc;
}

daytona__op_t *daytona__call_new_named(const char *name, const daytona__method_t *method,
                                       daytona_client_t *client, daytona_sandbox_t *sandbox, size_t size,
                                       const void *args, daytona__opts_t opts, daytona_future_t **future) {
  daytona__params_problem_t problem;
  daytona__op_t *op = daytona__op_new_named(name, method, client, sandbox, size, future);
  if (op == NULL) return NULL;
  if (method->is_secret) (*future)->arena.is_secret = true;
  if (!opts.reserved_is_zero) {
    daytona__op_reject(op, DAYTONA_EINVAL, "reserved words of the options are not zero");
    return NULL;
  }
  int rc = place(op, args, opts_of(&opts), &problem);
  if (rc == 0) return op;
  daytona__op_reject(op, (daytona_errcode_t)rc, "%s", problem.text);
  return NULL;
}

int daytona__call_prepare(daytona__op_t *op, const void *args, daytona__opts_t opts, int64_t timeout_ms) {
  return daytona__op_prepare_args(op, args, opts_of(&opts), timeout_ms);
}

/* --- ending ------------------------------------------------------------------------------------ */

static void fail(call_t *self, const daytona_error_t *error) {
  daytona_error_t clean = *error;
  if (self->secrets != NULL) daytona__secrets_clean(self->secrets, &self->op.future->arena, &clean);
  daytona__op_fail(&self->op, &clean);
}

static void fail_with(call_t *self, int code, const char *problem) {
  daytona_error_t error = {.code = (daytona_errcode_t)code, .retry_after_ms = -1};
  error.message = problem != NULL ? problem : daytona_errcode_text(code);
  error.http_status = self->op.http.response.status;
  fail(self, &error);
}

/* The sandbox that the response is about: the owner brought up to date, or a new one of a client. */
static int take_sandbox(daytona__op_t *op, void **answer) {
  daytona_sandbox_t *sandbox = op->sandbox;
  if (sandbox != NULL && *answer != NULL) daytona__sandbox_update(sandbox, op->data, *answer);
  sandbox =
    sandbox != NULL ? daytona_sandbox_retain(sandbox) : daytona__sandbox_new(op->client, op->data, *answer);
  *answer = sandbox;
  return sandbox != NULL ? 0 : DAYTONA_ENOMEM;
}

/* Make the result of a response that has been decoded. 0, or the code with `problem`, which may stay NULL. */
static int make_result(call_t *self, void **answer, const char **problem) {
  daytona__op_t *op = &self->op;
  const daytona__method_t *method = op->method;
  if (method->finish != NULL) {
    int rc = method->finish(op, self->kept, answer, problem);
    if (rc != 0) return rc;
  }
  if (method->gives_sandbox) return take_sandbox(op, answer);
  if (method->gives_text) *answer = (void *)((const daytona__text_t *)*answer)->text;
  return 0;
}

static const daytona__type_t *type_of(const daytona__method_t *method) {
  if (method->gives_sandbox) return &daytona__type_sandbox;
  if (method->gives_text) return &daytona__type_string;
  return method->result != NULL ? method->result : &daytona__type_none;
}

/* The response has been decoded, and perhaps a part of the result made of it. */
static void go_on(call_t *self) {
  daytona__op_t *op = &self->op;
  const char *problem = NULL;
  int rc = make_result(self, &self->answer, &problem);
  if (rc == DAYTONA__FINISH_AGAIN)
    daytona__loop_defer(op->client->loop, &self->again);
  else if (rc != 0)
    fail_with(self, rc, problem);
  else
    daytona__op_resolve(op, type_of(op->method), self->answer);
}

static void on_again(daytona__task_t *task) { go_on(DAYTONA__CONTAINER(task, call_t, again)); }

static void on_ending(daytona__op_t *op) { daytona__task_cancel(&((call_t *)op)->again); }

static void on_answer(daytona__op_t *op, const daytona_error_t *error, void *answer) {
  call_t *self = (call_t *)op;
  self->answer = answer;
  if (error != NULL)
    fail(self, error);
  else
    go_on(self);
}

/* --- the whole --------------------------------------------------------------------------------- */

/* Keep what the ending needs of the arguments. */
static int keep(call_t *self, const void *args, const void *opts) {
  const daytona__method_t *method = self->op.method;
  daytona__arena_t *arena = &self->op.future->arena;
  if (method->request == NULL) return 0;
  if (has_hidden(method->request) &&
      (self->secrets = daytona__arena_alloc(arena, sizeof *self->secrets)) == NULL)
    return DAYTONA_ENOMEM;
  if (!daytona__params_hide(arena, method->request, args, opts, self->secrets)) return DAYTONA_ENOMEM;
  if (method->finish == NULL || args == NULL) return 0;
  self->kept = daytona__params_keep(arena, method->request, args);
  return self->kept != NULL ? 0 : DAYTONA_ENOMEM;
}

static daytona_future_t *call(const char *name, daytona_client_t *client, daytona_sandbox_t *sandbox,
                              const daytona__method_t *method, const void *args, daytona__opts_t opts) {
  daytona_future_t *future;
  call_t *self =
    (call_t *)daytona__call_new_named(name, method, client, sandbox, sizeof *self, args, opts, &future);
  if (self == NULL) return future;
  daytona__op_t *op = &self->op;
  daytona__task_init(&self->again, on_again);
  int rc = keep(self, args, opts_of(&opts));
  if (rc != 0) return daytona__op_reject(op, (daytona_errcode_t)rc, "%s", daytona_errcode_text(rc));
  op->done = on_answer;
  op->ending = on_ending;
  int64_t timeout_ms = opts.timeout_ms != 0 ? opts.timeout_ms : method->timeout_ms;
  if (daytona__call_prepare(op, args, opts, timeout_ms) == 0) daytona__op_send(op);
  return future;
}

daytona_future_t *daytona__call_client(const char *name, daytona_client_t *client,
                                       const daytona__method_t *method, const void *args,
                                       daytona__opts_t opts) {
  return call(name, client, NULL, method, args, opts);
}

daytona_future_t *daytona__call_sandbox(const char *name, daytona_sandbox_t *sandbox,
                                        const daytona__method_t *method, const void *args,
                                        daytona__opts_t opts) {
  return call(name, NULL, sandbox, method, args, opts);
}
