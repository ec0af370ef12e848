/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions and calls; see s3.h.
 *
 * A call goes round: it is signed and sent, and when it has failed it waits, for a while or for new credentials, and is
 * sent again. Each attempt has an arena of its own, so that nothing of it points at credentials that were replaced.
 */
#include "call/s3.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/ascii.h"
#include "core/header.h"
#include "core/limits.h"
#include "core/memory.h"
#include "core/retry_after.h"
#include "net/proxy.h"
#include "wire/error_map.h"
#include "wire/s3_error.h"

enum {
  RETRY_FIRST_MS = 250,
  RETRY_STEP_MAX_MS = 10 * 1000,
  RETRY_AFTER_MAX_MS = 60 * 1000,
  RETRY_JITTER_MS = 100,
  RENEWALS_MAX = 3 /* one after the other, without a request that succeeds */
};

static const char access_path[] = "/object-storage/push-access";
static const char region_default[] = "us-east-1"; /* older servers name none */

DAYTONA__MODEL_OF(
  daytona__s3_access_model, daytona__s3_access_t, "StorageAccess",
  DAYTONA__FIELD(daytona__s3_access_t, STRING, access_key, "accessKey", .flags = DAYTONA__JSON_SECRET),
  DAYTONA__FIELD(daytona__s3_access_t, STRING, secret, "secret", .flags = DAYTONA__JSON_SECRET),
  DAYTONA__FIELD(daytona__s3_access_t, STRING, session_token, "sessionToken", .flags = DAYTONA__JSON_SECRET),
  DAYTONA__FIELD(daytona__s3_access_t, STRING, url, "storageUrl"),
  DAYTONA__FIELD(daytona__s3_access_t, STRING, organization, "organizationId"),
  DAYTONA__FIELD(daytona__s3_access_t, STRING, bucket, "bucket"),
  DAYTONA__FIELD(daytona__s3_access_t, STRING, region, "region"));

static daytona__loop_t *loop_of(const daytona__s3_t *s3) { return s3->op->client->loop; }

/* Free what was answered; credentials may be in it. */
static void drop_answer(daytona__http_call_t *http) {
  if (http->collected.data != NULL) daytona__wipe(http->collected.data, http->collected.size);
  daytona__http_call_clear(http);
  memset(http, 0, sizeof *http);
}

/* --- credentials ------------------------------------------------------------------------------- */

static bool is_present(const char *text) { return text != NULL && *text != '\0'; }

/* One that can stand between slashes, and in a header. */
static bool is_segment(const char *text) {
  return is_present(text) && strcmp(text, ".") != 0 && strcmp(text, "..") != 0 &&
         daytona__utf8_is_valid(text, strlen(text));
}

static const char *access_problem(const daytona__s3_access_t *access) {
  if (!is_present(access->access_key) || !is_present(access->secret))
    return "the credentials of object storage have no access key or no secret";
  if (!is_segment(access->bucket)) return "object storage has no bucket, or one whose name cannot be used";
  if (!is_segment(access->organization))
    return "there is no organization for object storage, or no usable one";
  if (!daytona__header_value_is_valid(access->access_key) ||
      (access->session_token != NULL && !daytona__header_value_is_valid(access->session_token)) ||
      (access->region != NULL && !daytona__header_value_is_valid(access->region)))
    return "the credentials of object storage have characters that cannot be sent";
  return NULL;
}

/* Whether nobody between here and there sees what is sent, or could change it. */
static bool is_private(const daytona__s3_t *s3, const daytona__target_t *target) {
  bool is_local =
    target->is_literal ? daytona__host_is_loopback(target->host) : strcmp(target->host, "localhost") == 0;
  const daytona__proxy_options_t *proxy = &s3->op->client->settings.net.proxy;
  return target->is_secure || (is_local && daytona__proxy_pick(proxy, target) == NULL);
}

/* Take the URL apart: "https://host:port", what the Host header will be, and the path. */
static int split_url(daytona__s3_t *s3, const char *base, const char **problem) {
  daytona__target_t target;
  const char *authority = strstr(base, "://") + 3;
  size_t size = strcspn(authority, "/");
  *problem = "the URL of object storage cannot be used";
  if (daytona__target_parse(base, &target, NULL) != 0) return DAYTONA_EPROTOCOL;
  s3->is_private = is_private(s3, &target);
  s3->url = daytona__arena_strndup(&s3->arena, base, (size_t)(authority - base) + size);
  s3->path = daytona__arena_strdup(&s3->arena, authority + size);
  char *host = daytona__arena_strndup(&s3->arena, authority, size);
  *problem = NULL;
  if (s3->url == NULL || s3->path == NULL || host == NULL) return DAYTONA_ENOMEM;
  char *port = strrchr(host, ':');
  bool has_port = port != NULL && strchr(port, ']') == NULL;
  if (has_port && target.port == (target.is_secure ? 443 : 80)) *port = '\0';
  s3->host = host;
  return 0;
}

/* Make the session's own of `access`, which is in its arena. */
static int take_access(daytona__s3_t *s3, const daytona__s3_access_t *access, const char **problem) {
  const char *base;
  *problem = access_problem(access);
  if (*problem != NULL) return DAYTONA_EPROTOCOL;
  int rc = daytona__url_base(&s3->arena, access->url, &base, problem);
  if (rc != 0) return rc == DAYTONA_ENOMEM ? rc : DAYTONA_EPROTOCOL;
  rc = split_url(s3, base, problem);
  if (rc != 0) return rc;
  s3->access = *access;
  s3->identity = (daytona__s3_identity_t){access->access_key, access->secret, access->session_token,
                                          is_present(access->region) ? access->region : region_default};
  memset(&s3->secrets, 0, sizeof s3->secrets);
  daytona__secrets_add(&s3->secrets, &s3->arena, access->secret);
  daytona__secrets_add(&s3->secrets, &s3->arena, access->session_token);
  if (s3->secrets.is_short) return DAYTONA_ENOMEM;
  s3->generation++;
  return 0;
}

void daytona__s3_init(daytona__s3_t *s3, daytona__op_t *op) {
  memset(s3, 0, sizeof *s3);
  s3->op = op;
  s3->idle_timeout_ms = DAYTONA__S3_IDLE_DEFAULT_MS;
  daytona__arena_init(&s3->arena, 0);
  s3->arena.is_secret = true;
  daytona__list_init(&s3->waiting);
}

int daytona__s3_give(daytona__s3_t *s3, const daytona__s3_access_t *access, const char **problem) {
  daytona__s3_access_t copy = {0};
  const struct {
    const char *from, **to;
  } parts[] = {{access->access_key, &copy.access_key},
               {access->secret, &copy.secret},
               {access->session_token, &copy.session_token},
               {access->url, &copy.url},
               {access->organization, &copy.organization},
               {access->bucket, &copy.bucket},
               {access->region, &copy.region}};
  *problem = daytona_errcode_text(DAYTONA_ENOMEM);
  s3->is_given = true;
  for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
    *parts[i].to = daytona__arena_strdup(&s3->arena, parts[i].from);
    if (parts[i].from != NULL && *parts[i].to == NULL) return DAYTONA_ENOMEM;
  }
  int rc = take_access(s3, &copy, problem);
  if (rc == DAYTONA_ENOMEM) *problem = daytona_errcode_text(DAYTONA_ENOMEM);
  return rc == DAYTONA_EPROTOCOL ? DAYTONA_EINVAL : rc;
}

void daytona__s3_clear(daytona__s3_t *s3) {
  assert(daytona__list_empty(&s3->waiting));
  if (s3->is_asking) daytona__http_cancel(&s3->asking);
  s3->is_asking = false;
  drop_answer(&s3->asking);
  daytona__arena_clear(&s3->arena);
  s3->generation = 0;
}

bool daytona__s3_signs_bodies(const daytona__s3_t *s3) { return !s3->is_private; }

/* --- asking for them --------------------------------------------------------------------------- */

static void try(daytona__s3_call_t *call);
static void finish(daytona__s3_call_t *call, const daytona_error_t *error);

/* Everybody who waits goes on, or fails; any of them may end the session, and then all were cancelled. */
static void wake(daytona__s3_t *s3, const daytona_error_t *error) {
  daytona__list_t waiting, *node;
  void (*ready)(daytona__s3_t *, const daytona_error_t *) = s3->ready;
  daytona__list_move(&s3->waiting, &waiting);
  s3->ready = NULL;
  if (ready != NULL) {
    assert(daytona__list_empty(&waiting));
    ready(s3, error);
    return;
  }
  while ((node = daytona__list_shift(&waiting)) != NULL) {
    daytona__s3_call_t *call = DAYTONA__CONTAINER(node, daytona__s3_call_t, link);
    if (error != NULL)
      finish(call, error);
    else
      try(call);
  }
}

static void fail_access(daytona__s3_t *s3, int code, const char *message) {
  const daytona_error_t error = {.code = (daytona_errcode_t)code,
                                 .http_status = s3->asking.response.status,
                                 .message = message != NULL ? message : daytona_errcode_text(code),
                                 .retry_after_ms = -1};
  wake(s3, &error);
}

/* What was begun with the old credentials can be ended with the new ones only at the same place. */
static bool is_same_place(const daytona__s3_t *old, const daytona__s3_t *fresh) {
  return strcmp(old->url, fresh->url) == 0 && strcmp(old->path, fresh->path) == 0 &&
         strcmp(old->access.bucket, fresh->access.bucket) == 0 &&
         strcmp(old->access.organization, fresh->access.organization) == 0;
}

static int read_access(daytona__s3_t *s3, const char **problem) {
  daytona__s3_t fresh = *s3;
  daytona__json_error_t fault = {.code = DAYTONA_OK};
  void *access = NULL;
  *problem = NULL;
  daytona__arena_init(&fresh.arena, 0);
  fresh.arena.is_secret = true;
  int rc = daytona__json_decode(&fresh.arena, &daytona__s3_access_model, s3->asking.response.body,
                                s3->asking.response.body_size, &access, &fault);
  if (rc != 0 && rc != DAYTONA_ENOMEM)
    *problem = daytona__arena_printf(&s3->arena, "malformed answer: %s%s%s", fault.field,
                                     fault.field[0] != '\0' ? ": " : "", fault.message);
  if (rc == 0) rc = take_access(&fresh, access, problem);
  if (rc == 0 && s3->generation != 0 && !is_same_place(s3, &fresh)) {
    *problem = "object storage has moved while a context was being uploaded";
    rc = DAYTONA_EPROTOCOL;
  }
  if (rc != 0) {
    daytona__arena_clear(&fresh.arena);
    return rc;
  }
  daytona__arena_clear(&s3->arena);
  s3->arena = fresh.arena;
  s3->access = fresh.access;
  s3->identity = fresh.identity;
  s3->url = fresh.url;
  s3->host = fresh.host;
  s3->path = fresh.path;
  s3->is_private = fresh.is_private;
  s3->secrets = fresh.secrets;
  s3->generation = fresh.generation;
  return 0;
}

static void on_access(daytona__http_call_t *http) {
  daytona__s3_t *s3 = http->user;
  daytona_error_t error;
  const char *problem;
  s3->is_asking = false;
  if (http->response.code != DAYTONA_OK) {
    daytona__error_from_response(&s3->arena, &http->response, &error);
    wake(s3, &error);
    return;
  }
  int rc = read_access(s3, &problem);
  if (rc != 0)
    fail_access(s3, rc, problem);
  else
    wake(s3, NULL);
}

static void ask(daytona__s3_t *s3) {
  daytona_client_t *client = s3->op->client;
  assert(!s3->is_asking);
  drop_answer(&s3->asking);
  s3->asking.method = "GET";
  s3->asking.url = daytona__arena_printf(&s3->arena, "%s%s", client->settings.api_url, access_path);
  s3->asking.total_timeout_ms = client->settings.request_timeout_ms;
  s3->asking.max_body = DAYTONA__S3_BODY_MAX;
  s3->asking.on_done = on_access;
  s3->asking.user = s3;
  s3->asking.owner = s3->op;
  s3->is_asking = true;
  daytona__http_start(client->http, &s3->asking); /* without memory for the URL it fails in a later turn */
}

void daytona__s3_ask(daytona__s3_t *s3, void (*ready)(daytona__s3_t *s3, const daytona_error_t *error)) {
  assert(s3->generation == 0 && ready != NULL);
  s3->ready = ready;
  ask(s3);
}

/* --- an attempt -------------------------------------------------------------------------------- */

static void on_http_done(daytona__http_call_t *http);

static ptrdiff_t on_source(daytona__http_call_t *http, char *buffer, size_t size) {
  daytona__s3_call_t *call = http->user;
  size_t left = call->body_size - call->sent;
  if (call->s3->is_paused && left != 0) return DAYTONA__HTTP_SOURCE_WAIT;
  if (size > left) size = left;
  if (size != 0) memcpy(buffer, call->body + call->sent, size);
  call->sent += size;
  if (size != 0 && call->on_sent != NULL) call->on_sent(call);
  return (ptrdiff_t)size;
}

/* "/bucket" or "/bucket/organization/object", behind the path of the storage's own URL. */
static int make_path(const daytona__s3_call_t *call, daytona__arena_t *arena, const char **out) {
  const daytona__s3_t *s3 = call->s3;
  daytona__strbuf_t path;
  daytona__strbuf_init(&path, DAYTONA__URL_MAX);
  daytona__strbuf_puts(&path, s3->path);
  daytona__strbuf_putc(&path, '/');
  daytona__s3_encode(&path, s3->access.bucket, false);
  if (call->object != NULL) {
    daytona__strbuf_putc(&path, '/');
    daytona__s3_encode(&path, s3->access.organization, false);
    daytona__strbuf_putc(&path, '/');
    daytona__s3_encode(&path, call->object, true);
  }
  int rc = path.error;
  if (rc == 0 && (*out = daytona__arena_strndup(arena, path.data, path.size)) == NULL) rc = DAYTONA_ENOMEM;
  daytona__strbuf_clear(&path);
  return rc;
}

/* Headers outlive the credentials that they were made with. */
static int own_headers(daytona__s3_call_t *call, size_t count) {
  for (size_t i = 0; i < count; i++) {
    call->headers[i].value = daytona__arena_strdup(&call->arena, call->headers[i].value);
    if (call->headers[i].value == NULL) return DAYTONA_ENOMEM;
  }
  call->http.headers = call->headers;
  call->http.header_count = count;
  return 0;
}

static int sign(daytona__s3_call_t *call, const char *path) {
  const daytona__s3_t *s3 = call->s3;
  bool has_body = call->body != NULL;
  size_t count = 0;
  daytona__s3_request_t request = {.verb = call->verb,
                                   .host = s3->host,
                                   .path = path,
                                   .query = call->query != NULL ? call->query : "",
                                   .payload = daytona__s3_empty_payload,
                                   .time_s = (int64_t)time(NULL) + s3->skew_s};
  if (has_body) request.payload = call->body_hash != NULL ? call->body_hash : daytona__s3_unsigned_payload;
  int rc = daytona__s3_sign(&call->arena, &s3->identity, &request, call->headers, &count);
  return rc == 0 ? own_headers(call, count) : rc;
}

static int prepare(daytona__s3_call_t *call) {
  const daytona__s3_t *s3 = call->s3;
  daytona__http_call_t *http = &call->http;
  const char *path;
  int rc = make_path(call, &call->arena, &path);
  if (rc != 0) return rc;
  http->method = call->verb;
  http->url = daytona__arena_printf(&call->arena, "%s%s%s%s", s3->url, path, call->query != NULL ? "?" : "",
                                    call->query != NULL ? call->query : "");
  if (http->url == NULL) return DAYTONA_ENOMEM;
  if (call->body != NULL) {
    http->source = on_source;
    http->source_size = (int64_t)call->body_size;
  }
  http->accept = "*/*";
  http->content_type = call->body != NULL ? "application/octet-stream" : "";
  http->idle_timeout_ms = s3->idle_timeout_ms;
  http->total_timeout_ms = call->timeout_ms;
  http->skips_common = http->no_redirects = http->no_http2 = http->keeps_headers = true;
  http->max_body = http->max_error_body = DAYTONA__S3_BODY_MAX;
  http->on_done = on_http_done;
  http->user = call;
  http->owner = s3->op;
  return sign(call, path);
}

static void try(daytona__s3_call_t *call) {
  daytona__s3_t *s3 = call->s3;
  assert(call->is_active && !call->is_requesting && s3->generation != 0);
  drop_answer(&call->http);
  daytona__arena_clear(&call->arena);
  call->sent = 0;
  call->attempts++;
  call->generation = s3->generation;
  int rc = prepare(call);
  if (rc != 0) {
    call->failure = (daytona_errcode_t)rc;
    daytona__loop_defer(loop_of(s3), &call->failing);
    return;
  }
  call->is_requesting = true;
  daytona__http_start(s3->op->client->http, &call->http);
}

/* --- its end ----------------------------------------------------------------------------------- */

static void finish(daytona__s3_call_t *call, const daytona_error_t *error) {
  assert(call->is_active && !call->is_requesting);
  call->is_active = false;
  call->done(call, error);
}

static void on_failing(daytona__task_t *task) {
  daytona__s3_call_t *call = DAYTONA__CONTAINER(task, daytona__s3_call_t, failing);
  finish(call, daytona__error_static(call->failure));
}

static void on_pause_over(daytona__timer_t *timer) {
  try(DAYTONA__CONTAINER(timer, daytona__s3_call_t, pause));
}

/* Wait for new credentials. False: there will be none. */
static bool renew(daytona__s3_call_t *call) {
  daytona__s3_t *s3 = call->s3;
  if (s3->is_given) return false;
  if (call->generation != s3->generation) { /* another call has got new ones meanwhile */
    try(call);
    return true;
  }
  if (!s3->is_asking && s3->renewals == RENEWALS_MAX) return false;
  daytona__list_append(&s3->waiting, &call->link);
  if (s3->is_asking) return true;
  s3->renewals++;
  daytona__log(loop_of(s3), DAYTONA_LOG_INFO,
               "object storage: the credentials have expired; asking for new ones");
  ask(s3);
  return true;
}

/* Go by the storage's clock. False: it does not say what that is, or that was not the trouble. */
static bool reclock(daytona__s3_call_t *call, const daytona_error_t *error) {
  const char *date = daytona_error_header(error, "Date");
  int64_t now_ms = date != NULL ? daytona__http_date_ms(date, strlen(date)) : -1;
  if (now_ms < 0 || call->is_reclocked) return false;
  call->is_reclocked = true;
  call->s3->skew_s = now_ms / 1000 - (int64_t)time(NULL);
  daytona__log(loop_of(call->s3), DAYTONA_LOG_WARN,
               "object storage: its clock is %lld s ahead of this machine's", (long long)call->s3->skew_s);
  try(call);
  return true;
}

/* Wait and try again. False: it has been tried often or long enough. */
static bool retry(daytona__s3_call_t *call, const daytona_error_t *error) {
  daytona__loop_t *loop = loop_of(call->s3);
  int64_t now_ms = daytona__loop_now(loop), delay_ms = RETRY_FIRST_MS;
  if (call->first_failed_ms < 0) call->first_failed_ms = now_ms;
  if (call->attempts >= DAYTONA__S3_ATTEMPTS_MAX ||
      now_ms - call->first_failed_ms >= DAYTONA__S3_RETRY_MAX_MS)
    return false;
  for (int i = 1; i < call->attempts && delay_ms < RETRY_STEP_MAX_MS; i++) delay_ms *= 2;
  if (delay_ms > RETRY_STEP_MAX_MS) delay_ms = RETRY_STEP_MAX_MS;
  if (error->retry_after_ms > delay_ms)
    delay_ms = error->retry_after_ms < RETRY_AFTER_MAX_MS ? error->retry_after_ms : RETRY_AFTER_MAX_MS;
  daytona__log(loop, DAYTONA_LOG_INFO, "object storage: %s: attempt %d has failed (%s)", call->verb,
               call->attempts, error->message);
  daytona__timer_start(loop, &call->pause, delay_ms + (int64_t)(uv_hrtime() % RETRY_JITTER_MS));
  return true;
}

static bool remedy(daytona__s3_call_t *call, daytona__s3_remedy_t how, const daytona_error_t *error) {
  if (call->is_tried_once) return false;
  switch (how) {
    case DAYTONA__S3_RENEW: return renew(call);
    case DAYTONA__S3_RECLOCK: return reclock(call, error);
    case DAYTONA__S3_RETRY: return retry(call, error);
    case DAYTONA__S3_FATAL: break;
  }
  return false;
}

static void on_http_done(daytona__http_call_t *http) {
  daytona__s3_call_t *call = http->user;
  daytona_error_t error;
  call->is_requesting = false;
  daytona__s3_remedy_t how = daytona__s3_error(&call->arena, &http->response, &error);
  if (error.code == DAYTONA_OK) {
    call->s3->renewals = 0;
    finish(call, NULL);
    return;
  }
  error.attempts = call->attempts;
  daytona__secrets_clean(&call->s3->secrets, &call->arena, &error);
  if (!remedy(call, how, &error)) finish(call, &error);
}

/* --- calls ------------------------------------------------------------------------------------- */

void daytona__s3_start(daytona__s3_t *s3, daytona__s3_call_t *call) {
  assert(!call->is_active && call->done != NULL && (call->body != NULL || call->body_size == 0));
  if (call->s3 == NULL) {
    daytona__list_init(&call->link);
    daytona__arena_init(&call->arena, 0);
    call->arena.is_secret = true;
    daytona__timer_init(&call->pause, on_pause_over);
    daytona__task_init(&call->failing, on_failing);
  }
  call->s3 = s3;
  call->attempts = 0;
  call->first_failed_ms = -1;
  call->is_active = true;
  call->is_reclocked = false;
  try(call);
}

void daytona__s3_cancel(daytona__s3_call_t *call) {
  if (call->s3 == NULL) return;
  daytona__list_remove(&call->link);
  daytona__timer_stop(&call->pause);
  daytona__task_cancel(&call->failing);
  if (call->is_requesting) daytona__http_cancel(&call->http);
  call->is_requesting = call->is_active = false;
  drop_answer(&call->http);
  daytona__arena_clear(&call->arena);
}

void daytona__s3_resume(daytona__s3_call_t *call) {
  if (call->is_requesting) daytona__http_resume_send(&call->http);
}
