/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One call: its sandbox and its body, as the flags of its route say, then its handler.
 */
#include "control/routes/call.h"

#include "control/routes/validate.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define BODY_MAX (1024 * 1024)

typedef struct {
  const dl_route_t *route;
  dl_sandbox_t *sandbox;
  json_t *body;
} call_t;

static void drop_call(void *data) {
  call_t *k = data;
  json_decref(k->body);
  free(k);
}

const json_t *dl_body(dl_req_t *req) { return ((call_t *)dl_req_data(req))->body; }
dl_sandbox_t *dl_target(dl_req_t *req) { return ((call_t *)dl_req_data(req))->sandbox; }

/* Nothing is done with a sandbox of a warm pool before it is somebody's: it is shown, and it can be deleted. */
static bool refuse_unclaimed(dl_control_t *c, dl_req_t *req, const call_t *k) {
  bool may = (k->route->flags & DL_R_MEMORY) || strcmp(dl_req_method(req), "DELETE") == 0;
  if (!k->sandbox->pool_id || may) return false;
  dl_fail(c, req, 409, "Sandbox %s waits in a warm pool, and is nobody's yet", k->sandbox->id);
  return true;
}

static bool resolve(dl_control_t *c, dl_req_t *req, call_t *k) {
  bool by_name = k->route->flags & DL_R_SANDBOX;
  if (!by_name && !(k->route->flags & DL_R_SANDBOX_ID)) return true;
  const char *x = dl_req_param(req, "x");
  k->sandbox = k->route->flags & DL_R_MEMORY ? dl_objects_find_shown(&c->objects, x)
                                             : dl_objects_find(&c->objects, x, by_name);
  if (!k->sandbox) dl_fail(c, req, 404, "Sandbox with ID or name %s not found", x);
  return k->sandbox != NULL && !refuse_unclaimed(c, req, k);
}

/* Takes `problem`; NULL: there is none. */
static bool refused(dl_control_t *c, dl_req_t *req, char *problem) {
  if (!problem) return false;
  dl_fail(c, req, 400, "%s", problem);
  free(problem);
  return true;
}

static void on_body(dl_req_t *req, const char *text, size_t len, void *user) {
  dl_control_t *c = user;
  call_t *k = dl_req_data(req);
  /* Time has passed since the head: the sandbox may be gone. */
  if (!resolve(c, req, k)) return;
  size_t blank = strspn(text, " \t\r\n");
  char *error = NULL;
  k->body = blank == len ? json_object() : dl_json_parse(text, len, &error);
  if (!k->body) {
    json_t *body = json_pack("{s:o, s:s, s:i}", "message", json_sprintf("malformed JSON: %s", error), "error",
                             "Bad Request", "statusCode", 400);
    free(error);
    dl_reply_json(req, 400, body);
    return;
  }
  if (!json_is_object(k->body)) {
    dl_fail(c, req, 400, "the body must be a JSON object");
    return;
  }
  if (refused(c, req, dl_check_texts(k->body))) return;
  k->route->handler(req, c);
}

void dl_run_route(dl_control_t *c, dl_req_t *req, const dl_route_t *route) {
  call_t *k = dl_xcalloc(1, sizeof *k);
  k->route = route;
  dl_req_set_data(req, k, drop_call);
  if (refused(c, req, dl_check_path(dl_req_path(req))) ||
      refused(c, req, dl_check_query(dl_req_raw_query(req))))
    return;
  if (!resolve(c, req, k)) return;
  if (route->flags & DL_R_BODY)
    dl_req_read_body(req, BODY_MAX, on_body, c);
  else
    route->handler(req, c);
}
