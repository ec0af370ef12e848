/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls that wait for the life of a sandbox.
 */
#include "control/routes/started.h"

#include "control/auth/called.h"
#include "control/routes/answer.h"
#include "control/routes/shown.h"

#include <stdlib.h>

typedef struct {
  dl_control_t *control;
  dl_req_t *req;
  bool takes_failure;
} ticket_t;

typedef struct {
  dl_control_t *control;
  dl_req_t *req;
  char *id;
  json_t *body;
} made_answer_t;

/* That it was made and shall run is on disk, or it would have been undone; that it runs now is true whether it can be
 * written or not. */
static void on_made(dl_written_t outcome, void *user) {
  made_answer_t *a = user;
  const dl_sandbox_t *sb = dl_map_get(&a->control->objects.sandboxes, a->id);
  if (outcome != DL_WRITTEN && (!sb || sb->is_unmade)) {
    json_decref(a->body);
    dl_fail_unwritten(a->control, a->req, outcome);
  } else {
    dl_reply_json(a->req, 200, a->body);
  }
  free(a->id);
  free(a);
}

static void answer_made(dl_control_t *c, dl_req_t *req, const dl_sandbox_t *sb) {
  made_answer_t *a = dl_xcalloc(1, sizeof *a);
  char *url = dl_called_url(&c->front, req);
  *a = (made_answer_t){c, req, dl_xstrdup(sb->id), dl_sandbox_dto(c, url, sb)};
  free(url);
  dl_store_commit(c->objects.store, on_made, a);
}

static void on_outcome(dl_sandbox_t *sb, dl_life_outcome_t outcome, void *user) {
  ticket_t t = *(ticket_t *)user;
  free(user);
  if (outcome == DL_LIFE_NOT_WRITTEN)
    dl_fail_unwritten(t.control, t.req, DL_NOT_WRITTEN);
  else if (outcome == DL_LIFE_ENDING)
    dl_fail(t.control, t.req, 503, "the server is stopping");
  else if (outcome == DL_LIFE_FAILED && !t.takes_failure)
    dl_fail(t.control, t.req, 400, "Sandbox %s failed to start: %s", sb->id, sb->error_reason);
  else
    answer_made(t.control, t.req, sb);
}

static dl_life_wait_t new_ticket(dl_control_t *c, dl_req_t *req, bool takes_failure) {
  ticket_t *t = dl_xcalloc(1, sizeof *t);
  *t = (ticket_t){c, req, takes_failure};
  return (dl_life_wait_t){on_outcome, t};
}

dl_life_wait_t dl_wait_started(dl_control_t *c, dl_req_t *req) { return new_ticket(c, req, false); }
dl_life_wait_t dl_wait_any(dl_control_t *c, dl_req_t *req) { return new_ticket(c, req, true); }
