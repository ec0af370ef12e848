/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls for the logs of builds: where one can be followed, and the older streams of the API itself.
 */
#include "control/auth/called.h"
#include "control/life/snapshot_life.h"
#include "control/routes/call.h"
#include "control/routes/log_stream.h"
#include "control/routes/query.h"

#include <stdlib.h>

static void answer_url(dl_control_t *c, dl_req_t *req, const char *noun, const char *id) {
  char *url = dl_called_url(&c->front, req);
  /* SDKs put "?follow=true" behind it, as text. */
  dl_reply_json(req, 200, json_pack("{s:o}", "url", json_sprintf("%s/%s/%s/build-logs", url, noun, id)));
  free(url);
}

static void no_log(dl_control_t *c, dl_req_t *req) {
  dl_fail(c, req, 404, "there is no log of this build any more");
}

/* True when the request was answered. */
static bool read_follow(dl_control_t *c, dl_req_t *req, bool *follows) {
  dl_check_t k;
  dl_check_init(&k);
  *follows = dl_query_bool(req, &k, "follow") == 1;
  return dl_check_failed(&k, c, req);
}

/* --- of sandboxes --- */

static bool has_build(dl_control_t *c, dl_req_t *req, const dl_sandbox_t *sb) {
  if (sb->build) return true;
  dl_fail(c, req, 404, "Sandbox %s has no build info", sb->id);
  return false;
}

static void sandbox_url(dl_req_t *req, void *user) {
  dl_control_t *c = user;
  const dl_sandbox_t *sb = dl_target(req);
  if (has_build(c, req, sb)) answer_url(c, req, "sandboxes", sb->id);
}

static void sandbox_log(dl_req_t *req, void *user) {
  dl_control_t *c = user;
  const dl_sandbox_t *sb = dl_target(req);
  bool follows;
  if (read_follow(c, req, &follows) || !has_build(c, req, sb)) return;
  if (sb->state == DL_PENDING_BUILD)
    dl_fail(c, req, 404, "the build of sandbox %s has not begun", sb->id);
  else
    dl_stream_log(c, req, dl_json_str(sb->build, "snapshotRef"), follows, no_log);
}

/* --- of snapshots --- */

typedef struct {
  dl_control_t *control;
  dl_req_t *req;
  char *id;
  bool follows;
  void (*answer)(dl_control_t *c, dl_req_t *req, const json_t *snapshot, bool follows);
} ticket_t;

/* The build has begun, or it has taken too long to begin, or the snapshot is gone. */
static void on_begun(void *user) {
  ticket_t *t = user;
  dl_control_t *c = t->control;
  const json_t *snapshot = json_object_get(dl_snapshots_all(&c->objects), t->id);
  if (c->is_closing)
    dl_fail(c, t->req, 503, "the server is stopping");
  else if (!snapshot)
    dl_fail(c, t->req, 404, "Snapshot %s not found", t->id);
  else if (dl_snapshot_state(snapshot) == DL_SNAPSHOT_PENDING)
    dl_fail(c, t->req, 404, "the build of snapshot %s has not begun", t->id);
  else
    t->answer(c, t->req, snapshot, t->follows);
  free(t->id);
  free(t);
}

static void when_begun(dl_control_t *c, dl_req_t *req, bool follows,
                       void (*answer)(dl_control_t *c, dl_req_t *req, const json_t *snapshot, bool follows)) {
  const char *x = dl_req_param(req, "x");
  const json_t *snapshot = dl_snapshot_find(&c->objects, x);
  if (!snapshot) {
    dl_fail(c, req, 404, "Snapshot %s not found", x);
  } else if (!dl_snapshot_build(snapshot)) {
    dl_fail(c, req, 404, "Snapshot %s has no build info", x);
  } else {
    ticket_t *t = dl_xcalloc(1, sizeof *t);
    *t = (ticket_t){c, req, dl_xstrdup(dl_json_str(snapshot, "id")), follows, answer};
    dl_snapshot_wait_begun(&c->life, t->id, on_begun, t);
  }
}

static void snapshot_url_of(dl_control_t *c, dl_req_t *req, const json_t *snapshot, bool follows) {
  (void)follows;
  answer_url(c, req, "snapshots", dl_json_str(snapshot, "id"));
}

static void snapshot_url(dl_req_t *req, void *user) { when_begun(user, req, false, snapshot_url_of); }

static void snapshot_log_of(dl_control_t *c, dl_req_t *req, const json_t *snapshot, bool follows) {
  if (dl_snapshot_state(snapshot) == DL_SNAPSHOT_ACTIVE)
    dl_reply_bytes(req, 200, "application/octet-stream", "", 0);
  else
    dl_stream_log(c, req, dl_json_str(dl_snapshot_build(snapshot), "snapshotRef"), follows, no_log);
}

static void snapshot_log(dl_req_t *req, void *user) {
  bool follows;
  if (!read_follow(user, req, &follows)) when_begun(user, req, follows, snapshot_log_of);
}

static const dl_route_t routes[] = {
  {"GET", "/sandbox/{x}/build-logs-url", sandbox_url, DL_R_SANDBOX},
  {"GET", "/sandbox/{x}/build-logs", sandbox_log, DL_R_SANDBOX},
  {"GET", "/snapshots/{x}/build-logs-url", snapshot_url, 0},
  {"GET", "/snapshots/{x}/build-logs", snapshot_log, 0},
};

dl_route_table_t dl_build_routes(void) { return (dl_route_table_t){routes, DL_COUNT(routes)}; }
