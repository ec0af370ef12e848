/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls that wait for the life of a sandbox.
 */
#include "control/routes/started.h"

#include "control/routes/answer.h"

#include <stdlib.h>

typedef struct {
  dl_control_t *control;
  dl_req_t *req;
  bool takes_failure;
} ticket_t;

static void on_outcome(dl_sandbox_t *sb, dl_life_outcome_t outcome, void *user) {
  ticket_t t = *(ticket_t *)user;
  free(user);
  if (outcome == DL_LIFE_ENDING)
    dl_fail(t.control, t.req, 503, "the server is stopping");
  else if (outcome == DL_LIFE_FAILED && !t.takes_failure)
    dl_fail(t.control, t.req, 400, "Sandbox %s failed to start: %s", sb->id, sb->error_reason);
  else
    dl_answer_sandbox(t.control, t.req, sb);
}

static dl_life_wait_t new_ticket(dl_control_t *c, dl_req_t *req, bool takes_failure) {
  ticket_t *t = dl_xcalloc(1, sizeof *t);
  *t = (ticket_t){c, req, takes_failure};
  return (dl_life_wait_t){on_outcome, t};
}

dl_life_wait_t dl_wait_started(dl_control_t *c, dl_req_t *req) { return new_ticket(c, req, false); }
dl_life_wait_t dl_wait_any(dl_control_t *c, dl_req_t *req) { return new_ticket(c, req, true); }
