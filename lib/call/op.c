/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machinery behind every REST call; see op.h.
 *
 * A URL is built against the control plane's base and only its tail is kept: the base of a toolbox call may
 * be unknown until it is asked for, and changes when the sandbox moves. Answers that are sandboxes are
 * decoded into memory of their own, everything else into the future's, so that a wait which polls for an hour
 * does not grow.
 */
#include "call/op.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <strings.h>

#include "call/observer.h"
#include "call/params.h"
#include "core/large.h"
#include "core/memory.h"
#include "wire/error_map.h"

/* As much of a response as is read in one turn. */
enum { READ_PART = 256 * 1024 };

static void on_http_done(daytona__http_call_t *http);
static void on_reading(daytona__task_t *task);
static void stop_reading(daytona__op_t *op);

/* --- beginning --------------------------------------------------------------------------------- */

static void op_release(daytona__op_t *op);

static void on_stop(daytona_future_t *future) { op_release(future->op); }

daytona__op_t *daytona__op_new_named(const char *name, const daytona__method_t *method,
                                     daytona_client_t *client, daytona_sandbox_t *sandbox, size_t size,
                                     daytona_future_t **future) {
  if (sandbox != NULL) client = sandbox->client;
  if (client == NULL) {
    *future = daytona__future_orphan();
    return NULL;
  }
  if (client->is_closing) {
    *future = daytona__future_failed(client->loop, method->prefix, DAYTONA_ECLOSED, "%s",
                                     daytona_errcode_text(DAYTONA_ECLOSED));
    return NULL;
  }
  *future = daytona__future_new(client->loop, size != 0 ? size : sizeof(daytona__op_t), method->prefix);
  if (daytona__future_is_dead(*future)) return NULL;
  daytona__op_t *op = (*future)->op;
  op->future = daytona_future_retain(*future);
  op->client = daytona_client_retain(client);
  op->sandbox = sandbox != NULL ? daytona_sandbox_retain(sandbox) : NULL;
  (*future)->stop = on_stop;
  daytona__task_init(&op->reading, on_reading);
  daytona__op_switch(op, method);
  daytona__observe_op_begin(op, name);
  return op;
}

void daytona__op_switch(daytona__op_t *op, const daytona__method_t *method) {
  assert(daytona__method_is_registered(method));
  op->method = method;
  op->target = NULL;
  op->body = NULL;
  op->body_size = 0;
  op->headers = NULL;
  op->header_count = 0;
  daytona__url_clear(&op->url);
  daytona__url_init(&op->url);
  if (op->scratch == NULL) return;
  op->full_url = NULL;
  daytona__arena_clear(op->scratch);
}

void daytona__op_path(daytona__op_t *op, const char *first, const char *second, const char *third) {
  daytona__url_path(&op->url, op->client->settings.api_url, op->method->path, first, second, third);
}

/* Let go of what was received last, wiped where a secret was in it. */
static void drop_exchange(daytona__op_t *op) {
  daytona__strbuf_t *body = &op->http.collected;
  bool is_secret = op->future->arena.is_secret || (op->data != NULL && op->data->arena.is_secret);
  daytona__free_large(op->client->loop, body->data, body->room, is_secret);
  daytona__strbuf_init(body, body->max);
  daytona__http_call_clear(&op->http);
}

/* --- ending ------------------------------------------------------------------------------------ */

/* Let go of everything but the future, then of that. Safe at any point of an operation's life. */
static void op_release(daytona__op_t *op) {
  daytona_future_t *future = op->future;
  daytona_client_t *client = op->client;
  assert(client != NULL && daytona__loop_on_thread(client->loop));
  if (op->is_requesting) daytona__http_cancel(&op->http);
  op->is_requesting = false;
  stop_reading(op);
  if (op->ending != NULL) op->ending(op);
  daytona__observe_op_end(op);
  drop_exchange(op);
  daytona__url_clear(&op->url);
  daytona__sandbox_data_release(op->data);
  daytona_sandbox_release(op->sandbox);
  op->data = NULL;
  op->sandbox = NULL;
  op->client = NULL;
  daytona_client_release(client);
  daytona_future_release(future);
}

void daytona__op_resolve(daytona__op_t *op, const daytona__type_t *type, void *result) {
  assert(daytona__future_is_pending(op->future));
  daytona__future_resolve(op->future, type, result);
  op_release(op);
}

void daytona__op_resolve_sandbox(daytona__op_t *op, daytona_sandbox_t *sandbox) {
  daytona__op_resolve(op, &daytona__type_sandbox, sandbox);
}

int daytona__op_copy(daytona__op_t *op, const daytona__json_model_t *model, const void *item, void **out) {
  daytona__arena_t *arena = &op->future->arena;
  const char *text;
  size_t size;
  int rc = daytona__json_encode(arena, model, item, &text, &size, NULL);
  return rc == 0 ? daytona__json_decode(arena, model, text, size, out, NULL) : rc;
}

void daytona__op_resolve_copy(daytona__op_t *op, const daytona__type_t *type,
                              const daytona__json_model_t *model, const void *item) {
  void *copy = NULL;
  int rc = daytona__op_copy(op, model, item, &copy);
  if (rc == 0)
    daytona__op_resolve(op, type, copy);
  else
    daytona__op_fail(op, daytona__error_static((daytona_errcode_t)rc));
}

/* A server may repeat the request in what it answers, and errors are what programs log. */
void daytona__op_fail(daytona__op_t *op, const daytona_error_t *error) {
  daytona_error_t clean = *error;
  assert(daytona__future_is_pending(op->future) && error->code != DAYTONA_OK);
  daytona__secrets_clean(&op->client->secrets, &op->future->arena, &clean);
  daytona__future_fail_error(op->future, &clean);
  op_release(op);
}

const daytona_error_t *daytona__op_copy_error(daytona__op_t *op, const daytona_error_t *error,
                                              const char *prefix) {
  daytona_error_t clean = *error;
  if (clean.attempts == 0)
    clean.attempts = op->http.response.attempts; /* of the request that all of them share */
  daytona__secrets_clean(&op->client->secrets, &op->future->arena, &clean);
  return daytona__error_copy(&op->future->arena, &clean, prefix);
}

char *daytona__op_copy_text(daytona__op_t *op, const char *text) {
  daytona__arena_t *arena = &op->future->arena;
  return daytona__arena_strdup(arena, daytona__secrets_clean_text(&op->client->secrets, arena, text));
}

daytona_future_t *daytona__op_reject(daytona__op_t *op, daytona_errcode_t code, const char *format, ...) {
  daytona_future_t *future = op->future;
  daytona_error_t error = {.code = code, .retry_after_ms = -1};
  va_list args;
  va_start(args, format);
  error.message = daytona__arena_vprintf(&future->arena, format, args);
  va_end(args);
  daytona__op_fail(op, &error);
  return future;
}

/* --- the request ------------------------------------------------------------------------------- */

bool daytona__reserved_is_zero(const uint64_t *words, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (words[i] != 0) return false;
  return true;
}

bool daytona__timeout_resolve(int64_t given, int64_t fallback, int64_t *out) {
  if (given < 0 && given != DAYTONA_NO_TIMEOUT) return false;
  *out = given == 0 ? fallback : given;
  return true;
}

/* Finish the URL and keep its tail. */
static int finish_target(daytona__op_t *op, const void *args, const void *opts) {
  const char *url;
  /* Not yet asked for; a path for which there was no memory has no text either. */
  if (op->url.text.data == NULL && op->url.text.error == 0)
    daytona__params_url(&op->url, daytona__op_arena(op), op->client->settings.api_url, op->method->path,
                        op->sandbox != NULL ? op->sandbox->id : NULL, op->method->request, args, opts);
  const char *problem = op->url.problem;
  int rc = daytona__url_finish(&op->url, daytona__op_arena(op), &url);
  if (rc != 0) {
    if (problem == NULL) problem = op->url.problem;
    daytona__op_reject(op, rc, "%s", problem != NULL ? problem : daytona_errcode_text(rc));
    return rc;
  }
  op->target = url + strlen(op->client->settings.api_url);
  return 0;
}

int daytona__op_prepare(daytona__op_t *op, const void *request, int64_t timeout_ms) {
  return daytona__op_prepare_args(op, request, NULL, timeout_ms);
}

int daytona__op_prepare_args(daytona__op_t *op, const void *args, const void *opts, int64_t timeout_ms) {
  if (!daytona__timeout_resolve(timeout_ms, op->client->settings.request_timeout_ms, &op->timeout_ms)) {
    daytona__op_reject(op, DAYTONA_EINVAL, "timeout_ms must be at least 0, or DAYTONA_NO_TIMEOUT");
    return DAYTONA_EINVAL;
  }
  int rc = finish_target(op, args, opts);
  if (rc != 0) return rc;
  if (op->method->request == NULL || !daytona__params_have_body(op->method->request)) return 0;
  daytona__json_error_t problem = {0};
  const char *body;
  rc = daytona__json_encode_args(daytona__op_arena(op), op->method->request, args, opts, &body,
                                 &op->body_size, &problem);
  op->body = body;
  if (rc != 0)
    daytona__op_reject(op, rc, "%s%s%s", problem.field, problem.field[0] != '\0' ? ": " : "",
                       problem.message[0] != '\0' ? problem.message : daytona_errcode_text(rc));
  return rc;
}

int daytona__op_add_member(daytona__op_t *op, const char *key, const daytona__json_model_t *model,
                           const void *object) {
  const char *text, *old = op->body;
  size_t size;
  int rc = daytona__json_encode(daytona__op_arena(op), model, object, &text, &size, NULL);
  if (rc != 0) return rc;
  assert(op->body_size >= 2 && old[0] == '{');
  const char *comma = old[1] != '}' ? "," : "";
  size_t room = strlen(key) + size + op->body_size + sizeof "{\"\":,";
  char *body = daytona__arena_alloc(daytona__op_arena(op), room);
  if (body == NULL) return DAYTONA_ENOMEM;
  int head = snprintf(body, room, "{\"%s\":%s%s", key, text, comma);
  memcpy(body + head, old + 1, op->body_size - 1);
  op->body = body;
  op->body_size += (size_t)head - 1;
  return 0;
}

static void fail_for_memory(daytona__op_t *op) { op->done(op, daytona__error_static(DAYTONA_ENOMEM), NULL); }

static void on_admitted(daytona__http_call_t *http) {
  daytona__op_t *op = http->user;
  if (op->began_ms < 0) op->began_ms = daytona__loop_now(op->client->loop);
  if (op->admitted != NULL) op->admitted(op);
}

/* What is left of the limit for the next request. */
static int64_t rest_of_limit(const daytona__op_t *op) {
  if (op->timeout_ms < 0 || op->began_ms < 0) return op->timeout_ms;
  int64_t rest_ms = op->began_ms + op->timeout_ms - daytona__loop_now(op->client->loop);
  return rest_ms > 0 ? rest_ms : 1;
}

static const char *join(daytona__arena_t *arena, const char *base, const char *target) {
  size_t base_size = strlen(base), target_size = strlen(target);
  char *url = daytona__arena_alloc(arena, base_size + target_size + 1);
  if (url == NULL) return NULL;
  memcpy(url, base, base_size);
  memcpy(url + base_size, target, target_size + 1);
  return url;
}

static void start_http(daytona__op_t *op, const char *method, const char *base, const char *target) {
  /* A poll sends the same request again and again: its URL is made once. */
  const char *url = op->full_url != NULL && op->full_base == base && op->full_target == target
                      ? op->full_url
                      : join(daytona__op_arena(op), base, target);
  op->full_url = op->method->service == DAYTONA__CONTROL_PLANE ? url : NULL;
  op->full_base = base;
  op->full_target = target;
  if (url == NULL) {
    fail_for_memory(op);
    return;
  }
  drop_exchange(op);
  memset(&op->http, 0, sizeof op->http);
  op->http.method = method;
  op->http.url = url;
  op->http.total_timeout_ms = rest_of_limit(op);
  op->http.counts_queue_time = op->counts_queue_time;
  op->http.is_urgent = op->is_urgent;
  op->http.on_admitted = on_admitted;
  op->http.on_done = on_http_done;
  op->http.user = op;
  op->http.owner = op;
  op->is_requesting = true;
}

/* --- finding the toolbox ----------------------------------------------------------------------- */

typedef struct toolbox_url {
  const char *url;
} toolbox_url_t;

static DAYTONA__MODEL_OF(toolbox_url_model, toolbox_url_t, "ToolboxProxyUrl",
                         DAYTONA__FIELD(toolbox_url_t, STRING, url, "url"));

static void ask_for_toolbox(daytona__op_t *op) {
  const char *path;
  daytona__url_t url;
  daytona__url_init(&url);
  daytona__url_path(&url, op->client->settings.api_url, "/sandbox/{}/toolbox-proxy-url", op->sandbox->id);
  if (daytona__url_finish(&url, daytona__op_arena(op), &path) != 0) {
    fail_for_memory(op);
    return;
  }
  start_http(op, "GET", "", path);
  op->is_finding = true;
  op->http.max_body = DAYTONA__URL_MAX * 2;
  /* A plain request, also when what comes after it may take for ever. */
  int64_t limit_ms = op->client->settings.request_timeout_ms;
  if (limit_ms > 0 && (op->timeout_ms < 0 || op->timeout_ms > limit_ms)) op->http.total_timeout_ms = limit_ms;
  if (op->is_requesting) daytona__http_start(op->client->http, &op->http);
}

static const char *base_of(const daytona__op_t *op) {
  switch (op->method->service) {
    case DAYTONA__TOOLBOX: return op->sandbox->toolbox_url;
    case DAYTONA__ANALYTICS: return op->client->analytics_url;
    default: return op->client->settings.api_url;
  }
}

/* The next request: that which finds the toolbox, or the operation's own. */
static void send_next(daytona__op_t *op) {
  if (op->method->service == DAYTONA__TOOLBOX && op->sandbox->toolbox_url == NULL) {
    ask_for_toolbox(op);
    return;
  }
  if (op->method->is_stream) {
    op->done(op, NULL, NULL);
    return;
  }
  start_http(op, op->method->verb, base_of(op), op->target);
  if (!op->is_requesting) return;
  op->is_finding = false;
  op->http.body = op->body;
  op->http.body_size = op->body_size;
  op->http.headers = op->headers;
  op->http.header_count = op->header_count;
  op->http.is_create = op->method->is_create;
  if (op->outgoing != NULL) op->outgoing(op);
  daytona__http_start(op->client->http, &op->http);
}

void daytona__op_send(daytona__op_t *op) {
  assert(op->target != NULL && !op->is_requesting && op->done != NULL);
  op->began_ms = op->counts_queue_time ? daytona__loop_now(op->client->loop) : -1;
  send_next(op);
}

void daytona__op_resend(daytona__op_t *op) {
  assert(op->target != NULL && !op->is_requesting && op->done != NULL);
  send_next(op);
}

/* --- the response -------------------------------------------------------------------------------- */

bool daytona__op_may_have_acted(const daytona__op_t *op, const daytona_error_t *error) {
  int status = error->http_status;
  if (op->http.is_other_protocol) return false;
  if (error->code == DAYTONA_EPROTOCOL && status < 300) return true;
  if (status < 300) return op->http.was_sent && error->code != DAYTONA_ENOMEM;
  /* A redirect that was not followed, and refusals. A 408 may be that of a proxy behind which the request went on. */
  if (status < 500) return status == 408;
  /* A server says 501, 505 and 511 (log in to the network first) before it does anything. */
  return status != 501 && status != 505 && status != 511;
}

static int decode_error(const daytona__json_error_t *problem, daytona__op_t *op, daytona_error_t *error) {
  error->code = problem->code;
  error->http_status = op->http.response.status;
  error->retry_after_ms = -1;
  error->attempts = op->http.response.attempts;
  error->field =
    problem->field[0] != '\0' ? daytona__arena_strdup(daytona__op_arena(op), problem->field) : NULL;
  error->message = daytona__arena_printf(daytona__op_arena(op), "malformed response: %s%s%s", problem->field,
                                         problem->field[0] != '\0' ? ": " : "", problem->message);
  return problem->code;
}

/* What the response is read as, and where it goes; no model: it is not read. 0, or the code of an error. */
static int plan_reading(daytona__op_t *op, daytona__arena_t **arena, const daytona__json_model_t **model) {
  *arena = daytona__op_arena(op);
  *model = op->method->response;
  if (op->method->may_be_text && strcmp(op->http.response_type, "application/json") != 0) *model = NULL;
  if (!op->method->gives_sandbox && !op->method->keeps_answer) return 0;
  if (op->http.response.body_size == 0) return DAYTONA_EPROTOCOL;
  daytona__sandbox_data_release(op->data);
  op->data = daytona__sandbox_data_new();
  if (op->data == NULL) return DAYTONA_ENOMEM;
  *arena = &op->data->arena;
  if (op->method->gives_sandbox) *model = &daytona__sandbox_model;
  return 0;
}

static int finish_sandbox(daytona__sandbox_dto_t *dto, daytona__json_error_t *problem) {
  daytona__sandbox_dto_finish(dto);
  if (dto->info.id[0] != '\0') return 0;
  /* Every path of the sandbox is made of its id. */
  *problem = (daytona__json_error_t){DAYTONA_EPROTOCOL, "id", "it is empty"};
  return DAYTONA_EPROTOCOL;
}

/* What was read, in the form in which it is delivered. */
static int finish_reading(daytona__op_t *op, void *object, size_t count, void **answer,
                          daytona__json_error_t *problem) {
  *answer = object;
  if (op->method->gives_sandbox) return finish_sandbox(object, problem);
  if (!op->method->gives_array) return 0;
  daytona__array_t *array = daytona__arena_alloc(daytona__op_arena(op), sizeof *array);
  if (array == NULL) return DAYTONA_ENOMEM;
  *array = (daytona__array_t){object, count};
  *answer = array;
  return 0;
}

/* Records were left out: count them, and tell which was the first, without secrets that the server may have put there. */
static void note_skipped(daytona__op_t *op, const daytona__json_error_t *problem) {
  daytona__arena_t *arena = daytona__op_arena(op);
  const char *id = problem->skipped_id, *name = op->watch.name != NULL ? op->watch.name : "a list";
  op->future->skipped_count += problem->skipped_count;
  if (!daytona__log_enabled(op->client->loop)) return;
  daytona_error_t error = {.code = DAYTONA_EPROTOCOL};
  error.message = daytona__arena_printf(
    arena, "%s: left out %zu of the records, which cannot be read; the first%s%s%s: %s: %s", name,
    problem->skipped_count, id[0] != '\0' ? " is \"" : "", id, id[0] != '\0' ? "\"" : "", problem->field,
    problem->message);
  if (error.message == NULL) return;
  daytona__secrets_clean(&op->client->secrets, arena, &error);
  daytona__log(op->client->loop, DAYTONA_LOG_WARN, "%s", error.message);
}

static void hand_on(daytona__op_t *op, int rc, const daytona__json_error_t *problem, void *answer) {
  daytona_error_t error = {.code = DAYTONA_OK};
  daytona__json_error_t own = *problem;
  if (rc == 0 && problem->skipped_count != 0) note_skipped(op, problem);
  if (rc == 0 || (op->method->is_lenient && rc != DAYTONA_ENOMEM)) {
    op->done(op, NULL, rc == 0 ? answer : NULL);
    return;
  }
  if (own.code == DAYTONA_OK) {
    own.code = (daytona_errcode_t)rc;
    snprintf(own.message, sizeof own.message, "%s",
             rc == DAYTONA_EPROTOCOL ? "the body is empty" : daytona_errcode_text(rc));
  }
  decode_error(&own, op, &error);
  op->done(op, &error, NULL);
}

static void stop_reading(daytona__op_t *op) {
  daytona__task_cancel(&op->reading);
  daytona__json_decoder_free(op->decoder);
  op->decoder = NULL;
}

/* One part of a long response. */
static void on_reading(daytona__task_t *task) {
  daytona__op_t *op = DAYTONA__CONTAINER(task, daytona__op_t, reading);
  int rc = daytona__json_decoder_run(op->decoder, READ_PART);
  if (rc == DAYTONA__JSON_GOES_ON) {
    daytona__loop_defer(op->client->loop, &op->reading);
    return;
  }
  daytona__json_error_t problem = *daytona__json_decoder_error(op->decoder);
  size_t count = 0;
  void *object = rc == 0 ? daytona__json_decoder_result(op->decoder, &count) : NULL, *answer = NULL;
  stop_reading(op);
  if (rc == 0) rc = finish_reading(op, object, count, &answer, &problem);
  hand_on(op, rc, &problem, answer);
}

/* Read the response of a request that succeeded: a long one in parts, so that others have their turns. */
static void read_answer(daytona__op_t *op) {
  const daytona__response_t *response = &op->http.response;
  const daytona__json_model_t *model;
  daytona__json_error_t problem = {.code = DAYTONA_OK};
  daytona__arena_t *arena;
  void *object = NULL, *answer = NULL;
  size_t count = 0;
  bool is_array = op->method->gives_array;
  int rc = plan_reading(op, &arena, &model);
  if (rc == 0 && model != NULL && response->body_size > READ_PART) {
    op->decoder = daytona__json_decoder_new(arena, model, is_array, response->body, response->body_size);
    if (op->decoder != NULL) {
      daytona__loop_defer(op->client->loop, &op->reading);
      return;
    }
    rc = DAYTONA_ENOMEM;
  }
  if (rc == 0 && model != NULL)
    rc = is_array
           ? daytona__json_decode_list(arena, model, response->body, response->body_size, &object, &count,
                                       &problem)
           : daytona__json_decode(arena, model, response->body, response->body_size, &object, &problem);
  if (rc == 0) rc = finish_reading(op, object, count, &answer, &problem);
  hand_on(op, rc, &problem, answer);
}

static const char *toolbox_fault_text(daytona__op_t *op, daytona__toolbox_fault_t fault, const char *url) {
  switch (fault) {
    case DAYTONA__TOOLBOX_PLAIN:
      return daytona__arena_printf(
        daytona__op_arena(op),
        "the server names %s as the sandbox's toolbox: the control plane is reached by https, and the "
        "credentials are not sent in the clear unless allows_plain_toolbox of the configuration is set",
        url);
    case DAYTONA__TOOLBOX_NO_URL: return "the server names an unusable URL as the sandbox's toolbox";
    default: return "the server does not say where the sandbox's toolbox is";
  }
}

/* The response about the toolbox's address has come: go on with the request itself. */
static void on_toolbox_url(daytona__op_t *op) {
  void *decoded = NULL;
  daytona__toolbox_fault_t fault = DAYTONA__TOOLBOX_UNNAMED;
  const char *url = NULL;
  int rc = daytona__json_decode(daytona__op_arena(op), &toolbox_url_model, op->http.response.body,
                                op->http.response.body_size, &decoded, NULL);
  if (rc == 0) url = ((const toolbox_url_t *)decoded)->url;
  if (rc == 0) rc = daytona__sandbox_set_toolbox(op->sandbox, url, &fault);
  if (op->sandbox->toolbox_url != NULL) {
    send_next(op);
    return;
  }
  if (rc == DAYTONA_ENOMEM) {
    fail_for_memory(op);
    return;
  }
  daytona_error_t error = {
    .code = DAYTONA_EPROTOCOL, .retry_after_ms = -1, .message = toolbox_fault_text(op, fault, url)};
  op->done(op, &error, NULL);
}

/* A limit of which only the rest was left is still the caller's. */
static void name_whole_limit(daytona__op_t *op, daytona_error_t *error) {
  bool is_rest = op->http.total_timeout_ms < op->timeout_ms && !op->is_finding;
  if (error->code == DAYTONA_EDEADLINE && is_rest)
    error->message =
      daytona__arena_printf(daytona__op_arena(op), "not finished within %" PRId64 " ms", op->timeout_ms);
}

/* The proxy in front of the sandboxes, which knows nothing of what the control plane has. */
static bool is_of_proxy(const daytona_error_t *error) {
  return error->source != NULL && strcmp(error->source, "DAYTONA_PROXY") == 0;
}

/* Whether a 404 is about the path and not about an object: no JSON, or what frameworks say of unknown routes. */
static bool is_unknown_route(const daytona_error_t *error) {
  if (is_of_proxy(error)) return true;
  if (error->body == NULL || error->body[strspn(error->body, " \r\n")] != '{') return true;
  return strncmp(error->message, "Cannot ", 7) == 0 || strcasecmp(error->message, "not found") == 0;
}

/* A path that names no object is always there: when it is not, the server's URL leads to something else. */
static void name_wrong_base(daytona__op_t *op, daytona_error_t *error) {
  if (error->http_status != 404 || (error->server_code != NULL && !is_of_proxy(error)) || op->is_finding)
    return;
  if (op->method->service != DAYTONA__CONTROL_PLANE || strchr(op->method->path, '{') != NULL) return;
  if (!is_unknown_route(error)) return;
  error->message =
    daytona__arena_printf(&op->future->arena, "%s (%s is not there: is api_url, %s, that of a Daytona API?)",
                          error->message, op->method->path, op->client->settings.api_url);
}

static void on_http_done(daytona__http_call_t *http) {
  daytona__op_t *op = http->user;
  daytona_error_t error = {.code = DAYTONA_OK};
  op->is_requesting = false;
  if (http->response.code != DAYTONA_OK) {
    daytona__error_from_response(daytona__op_arena(op), &http->response, &error);
    name_whole_limit(op, &error);
    name_wrong_base(op, &error);
    op->done(op, &error, NULL);
  } else if (op->is_finding) {
    on_toolbox_url(op);
  } else {
    read_answer(op);
  }
}
