/* SPDX-License-Identifier: Apache-2.0
 *
 * Calls that wait for the life of a sandbox.
 */
#include "control/routes/started.h"

#include "control/routes/answer.h"

#include <stdlib.h>

typedef struct {
  dl_control *control;
  dl_req *req;
  bool takes_failure;
} ticket;

static void on_outcome(dl_sandbox *sb, dl_life_outcome outcome, void *user) {
  ticket t = *(ticket *)user;
  free(user);
  if (outcome == DL_LIFE_ENDING)
    dl_fail(t.control, t.req, 503, "the server is stopping");
  else if (outcome == DL_LIFE_FAILED && !t.takes_failure)
    dl_fail(t.control, t.req, 400, "Sandbox %s failed to start: %s", sb->id, sb->error_reason);
  else
    dl_answer_sandbox(t.control, t.req, sb);
}

static dl_life_wait new_ticket(dl_control *c, dl_req *req, bool takes_failure) {
  ticket *t = dl_xcalloc(1, sizeof *t);
  *t = (ticket){c, req, takes_failure};
  return (dl_life_wait){on_outcome, t};
}

dl_life_wait dl_wait_started(dl_control *c, dl_req *req) { return new_ticket(c, req, false); }
dl_life_wait dl_wait_any(dl_control *c, dl_req *req) { return new_ticket(c, req, true); }
