/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a request goes. Faults come first, so that they also hit what would be refused; admin
 * calls are never hit, so that faults can always be taken away again.
 */
#include "server/dispatch.h"

#include "base/buf.h"
#include "control/events/events.h"
#include "control/routes/admin.h"
#include "control/routes/answer.h"
#include "control/routes/api.h"
#include "page/page.h"
#include "proxy/logs.h"
#include "proxy/proxy.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  dl_control_t *control;
  dl_fault_t fault; /* its texts are our own */
} pending_fault_t;

static void drop_pending(void *user) {
  pending_fault_t *p = user;
  free(p->fault.bucket);
  free(p->fault.message);
  free(p->fault.code);
  free(p->fault.close_reason);
  free(p);
}

/* --- faults --- */

static void answer_status(dl_control_t *c, dl_req_t *req, const dl_fault_t *f) {
  const char *message = f->message ? f->message : dl_reason((int)f->status);
  if (f->retry_after >= 0) {
    char *name = f->bucket ? dl_xprintf("Retry-After-%s", f->bucket) : dl_xstrdup("Retry-After");
    char *value = dl_xprintf("%lld", (long long)f->retry_after);
    dl_req_add_header(req, name, value);
    free(name);
    free(value);
  }
  if (dl_s3_is_for(req)) {
    dl_s3_reply_fault(req, (int)f->status, f->code, f->message);
    return;
  }
  json_t *body = json_pack("{s:s, s:s, s:i, s:s, s:s}", "path", dl_req_path(req), "timestamp",
                           dl_iso_format(dl_objects_stamp(&c->objects)).text, "statusCode", (int)f->status,
                           "error", dl_reason((int)f->status), "message", message);
  if (f->code) {
    json_object_set_new(body, "code", json_string(f->code));
    json_object_set_new(body, "source", json_string("DAYTONA_API"));
  }
  dl_reply_json(req, (int)f->status, body);
}

static void strike(dl_control_t *c, dl_req_t *req, const dl_fault_t *f) {
  dl_req_clear_headers(req);
  if (f->action == DL_FAULT_RESET)
    dl_reply_reset(req);
  else if (f->action == DL_FAULT_STALL)
    dl_reply_never(req);
  else
    answer_status(c, req, f);
}

static bool on_reply(dl_req_t *req, void *user) {
  pending_fault_t *p = user;
  strike(p->control, req, &p->fault);
  return true;
}

static void strike_after(dl_control_t *c, dl_req_t *req, const dl_fault_t *f) {
  pending_fault_t *p = dl_xcalloc(1, sizeof *p);
  p->control = c;
  p->fault = *f;
  p->fault.method = p->fault.path = NULL;
  p->fault.bucket = f->bucket ? dl_xstrdup(f->bucket) : NULL;
  p->fault.message = f->message ? dl_xstrdup(f->message) : NULL;
  p->fault.code = f->code ? dl_xstrdup(f->code) : NULL;
  p->fault.close_reason = NULL;
  dl_req_on_reply(req, on_reply, p, drop_pending);
}

static const struct {
  dl_fault_action_t action;
  dl_damage_kind_t kind;
} stream_actions[] = {
  {DL_FAULT_TRUNCATE, DL_DAMAGE_END},        {DL_FAULT_RESET, DL_DAMAGE_RESET},
  {DL_FAULT_FREEZE, DL_DAMAGE_FREEZE},       {DL_FAULT_CLOSE, DL_DAMAGE_CLOSE},
  {DL_FAULT_DELAY_PONGS, DL_DAMAGE_PONGS},   {DL_FAULT_SPLIT, DL_DAMAGE_SPLIT},
  {DL_FAULT_LEAVE_UNREAD, DL_DAMAGE_UNREAD},
};

/* Nothing comes of it when the response turns out not to be an upgrade. */
static void damage_stream(dl_req_t *req, const dl_fault_t *f) {
  for (size_t i = 0; i < DL_COUNT(stream_actions); i++) {
    if (stream_actions[i].action != f->action) continue;
    dl_damage_t d = {.kind = stream_actions[i].kind,
                     .after_bytes = f->after_bytes,
                     .after_frames = f->after_frames,
                     .into_bytes = f->into_bytes,
                     .hold_ms = f->action == DL_FAULT_DELAY_PONGS ? f->delay_ms : f->for_ms,
                     .piece_bytes = f->piece_bytes,
                     .fragment_bytes = f->fragment_bytes,
                     .pause_ms = f->pause_ms,
                     .close_code = (int)f->close_code};
    if (f->action == DL_FAULT_CLOSE && d.after_frames < 0) d.after_frames = 0;
    if (d.piece_bytes < 0 && d.fragment_bytes < 0) d.piece_bytes = 1;
    if (f->close_reason) snprintf(d.close_reason, sizeof d.close_reason, "%s", f->close_reason);
    dl_req_set_damage(req, &d);
  }
}

/* True when the request needs no handler any more. */
static bool apply_fault(dl_control_t *c, dl_req_t *req, const dl_fault_t *f) {
  dl_shape_t shape = DL_SHAPE_NONE;
  bool is_whole = f->action == DL_FAULT_STATUS || f->action == DL_FAULT_STALL ||
                  (f->action == DL_FAULT_RESET && f->after_bytes < 0 && f->after_frames < 0);
  if (f->delay_ms > 0 && f->action != DL_FAULT_DELAY_PONGS) shape.delay_ms = (unsigned)f->delay_ms;
  if (f->action == DL_FAULT_TRUNCATE) shape.truncate_after = f->after_bytes;
  if (f->action == DL_FAULT_SHORT) shape.short_after = f->after_bytes;
  if (f->action == DL_FAULT_RESET) shape.reset_after = f->after_bytes;
  if (f->action == DL_FAULT_DRIBBLE) shape.bytes_per_second = (unsigned)f->bytes_per_second;
  if (f->action == DL_FAULT_FREEZE) {
    shape.freeze_after = f->after_bytes;
    shape.freeze_ms = f->for_ms;
  }
  dl_req_shape(req, &shape);
  if (!is_whole && dl_req_header(req, "Upgrade")) damage_stream(req, f);
  if (!is_whole) return false;
  if (f->is_after)
    strike_after(c, req, f);
  else
    strike(c, req, f);
  return !f->is_after;
}

static bool hit(dl_control_t *c, dl_req_t *req, dl_fault_target_t target) {
  dl_fault_t f;
  const char *upgrade = dl_req_header(req, "Upgrade"); /* may be h2c, which is nothing of frames */
  bool is_upgrade = upgrade && strcasestr(upgrade, "websocket");
  if (!dl_faults_hit(c->faults, target, dl_req_method(req), dl_req_path(req), is_upgrade, &f)) return false;
  dl_info("fault %s hits %s %s", f.id, dl_req_method(req), dl_req_path(req));
  return apply_fault(c, req, &f);
}

/* --- where to --- */

/* "3000-abc" of "3000-abc.localhost:4000"; NULL when the host is not of that form. Yours to free. */
static char *preview_label(const char *host) {
  size_t digits = host ? strspn(host, "0123456789") : 0;
  if (digits == 0 || digits > 5 || host[digits] != '-') return NULL;
  size_t len = strcspn(host, ".:");
  return host[len] == '.' ? dl_xstrndup(host, len) : NULL;
}

/* The path behind `prefix`, at least "/"; NULL when it is not there. A doubled slash is one. */
static const char *behind(const char *path, const char *prefix) {
  while (path[0] == '/' && path[1] == '/') path++;
  size_t len = strlen(prefix);
  if (strncmp(path, prefix, len) != 0) return NULL;
  if (path[len] == '\0') return "/";
  return path[len] == '/' ? path + len : NULL;
}

/* Which pages may call and read: see dl_origin_may_read. Others get no header, so that their browser keeps the response
 * from them and sends no request that carries a key. Never with credentials: a cookie is no key of the API. */
static bool preflight(dl_control_t *c, dl_req_t *req) {
  const char *origin = dl_req_header(req, "Origin");
  if (!origin) return false;
  bool may_read = dl_origin_may_read(&c->front, req, origin);
  const char *wanted = dl_req_header(req, "Access-Control-Request-Headers");
  dl_req_add_header(req, "Vary", "Origin");
  if (may_read) dl_req_add_header(req, "Access-Control-Allow-Origin", origin);
  if (strcmp(dl_req_method(req), "OPTIONS") != 0 || !dl_req_header(req, "Access-Control-Request-Method"))
    return false;
  if (may_read) {
    dl_req_add_header(req, "Access-Control-Allow-Methods", "GET, HEAD, PUT, PATCH, POST, DELETE, OPTIONS");
    if (wanted) dl_req_add_header(req, "Access-Control-Allow-Headers", wanted);
  }
  dl_reply_empty(req, 204);
  return true;
}

/* What sandboxes and clients have written is shown on the host of our own page, too. To a browser it is of no origin: its
 * scripts are not the page's, and nothing of the browser's that belongs to the page is theirs. */
static void keep_apart(const dl_control_t *c, dl_req_t *req) {
  if (c->page == NULL) return;
  dl_req_add_header(req, "Content-Security-Policy",
                    "sandbox allow-downloads allow-forms allow-modals allow-popups allow-scripts");
}

static void to_preview(dl_control_t *c, dl_req_t *req, const char *label, const char *prefix,
                       const char *path) {
  if (!hit(c, req, DL_TARGET_PREVIEW)) dl_proxy_preview(c, req, label, prefix, path);
}

static void preview_by_path(dl_control_t *c, dl_req_t *req, const char *rest) {
  size_t len = strcspn(rest, "/");
  keep_apart(c, req);
  char *label = dl_xstrndup(rest, len);
  char *prefix = dl_xprintf("/preview/%s", label);
  to_preview(c, req, label, prefix, rest[len] ? rest + len : "/");
  free(prefix);
  free(label);
}

void dl_dispatch(dl_req_t *req, void *control) {
  dl_control_t *c = control;
  const char *path = dl_req_path(req), *rest;
  char *label = preview_label(dl_req_header(req, "Host"));
  if (c->is_closing) {
    dl_fail(c, req, 503, "the server is stopping");
  } else if (label) {
    to_preview(c, req, label, "", path);
  } else if (c->page != NULL && dl_page_take(c->page, req)) {
    return free(label);
  } else if ((rest = behind(path, "/admin"))) {
    dl_admin_handle(c, req, rest);
  } else if ((rest = behind(path, "/api"))) {
    if (!hit(c, req, DL_TARGET_CONTROL) && !preflight(c, req) && !dl_events_take(c->events, req, rest))
      dl_api_handle(c, req, rest);
  } else if ((rest = behind(path, "/toolbox"))) {
    if (hit(c, req, DL_TARGET_TOOLBOX) || preflight(c, req)) return free(label);
    keep_apart(c, req);
    dl_proxy_toolbox(c, req, rest);
  } else if ((rest = behind(path, "/sandboxes")) || (rest = behind(path, "/snapshots"))) {
    if (!hit(c, req, DL_TARGET_LOGS) && !preflight(c, req)) dl_proxy_logs(c, req, path);
  } else if ((rest = behind(path, "/preview"))) {
    preview_by_path(c, req, rest + 1);
  } else if (strcmp(path, "/health") == 0) {
    dl_reply_json(req, 200, json_pack("{s:s, s:s}", "status", "ok", "version", DL_API_VERSION));
  } else if (dl_s3_is_for(req)) {
    if (!hit(c, req, DL_TARGET_STORAGE)) dl_s3_handle(c->s3, req);
  } else {
    dl_fail_proxy(c, req, 404, "not found: nothing is here; the API is below /api");
  }
  free(label);
}

/* --- the log of requests --- */

#define LOGGED_PATH_MAX 1024

/* Where a token may stand in a path: behind these segments, as one segment or, in a preview's label, behind a port. */
static bool is_token_next(const char *path, size_t at) {
  static const char *const before[] = {"/signed-preview-url/", "/preview/"};
  for (size_t i = 0; i < DL_COUNT(before); i++) {
    size_t len = strlen(before[i]);
    if (at >= len && strncmp(path + at - len, before[i], len) == 0) return true;
  }
  return false;
}

/* The id of a sandbox is no secret, and a port says what is looked at. */
static char *shown_segment(const char *segment, size_t len) {
  char *text = dl_xstrndup(segment, len);
  size_t digits = strspn(text, "0123456789");
  bool has_port = digits > 0 && digits < 6 && text[digits] == '-';
  if (has_port && !dl_is_uuid(text + digits + 1)) {
    char *masked = dl_xprintf("%.*s-***", (int)digits, text);
    free(text);
    return masked;
  }
  if (!has_port) dl_set(&text, "***");
  return text;
}

/* Anything may be in a path that is not printable. */
static void put_shown(dl_buf_t *out, const char *text, size_t len) {
  for (size_t i = 0; i < len;) {
    size_t plain = 0;
    while (i + plain < len && text[i + plain] > ' ' && text[i + plain] < 0x7f) plain++;
    if (plain > 0) dl_buf_append(out, text + i, plain);
    i += plain;
    if (i < len) dl_buf_printf(out, "%%%02X", (unsigned char)text[i++]);
  }
}

/* Yours to free. */
static char *shown_path(const dl_req_t *req) {
  const char *path = dl_req_path(req);
  char *label = preview_label(dl_req_header(req, "Host")), *shown = NULL;
  dl_buf_t out;
  dl_buf_init(&out, 4 * LOGGED_PATH_MAX);
  if (label) {
    shown = shown_segment(label, strlen(label));
    dl_buf_printf(&out, "//%s", shown);
    free(shown);
  }
  for (size_t at = 0; path[at] != '\0' && at < LOGGED_PATH_MAX;) {
    size_t len = strcspn(path + at, "/");
    if (len > 0 && !label && is_token_next(path, at)) {
      shown = shown_segment(path + at, len);
      put_shown(&out, shown, strlen(shown));
      free(shown);
    } else {
      put_shown(&out, path + at, len);
    }
    at += len;
    if (path[at] == '/') put_shown(&out, path + at++, 1);
  }
  free(label);
  return dl_buf_take(&out);
}

void dl_log_request(const dl_req_t *req, int status, uint64_t took_ms, void *control) {
  dl_control_t *c = control;
  char *path = shown_path(req), shown_status[16] = "gone";
  if (status >= 0) snprintf(shown_status, sizeof shown_status, "%d", status);
  if (c->opts.logs_requests)
    fprintf(stderr, "daytona-local: %s %s %s %llu ms\n", dl_req_method(req), path, shown_status,
            (unsigned long long)took_ms);
  if (c->page) dl_page_note(c->page, req, path, status, took_ms);
  free(path);
}

/* Nothing of what was sent is shown: who knows what it is. */
void dl_log_refusal(const char *peer, int status, const char *problem, void *control) {
  (void)control;
  fprintf(stderr, "daytona-local: refused a client at %s with %d: %s\n", peer, status, problem);
}
