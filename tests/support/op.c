/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operation that tests steer. See op.h.
 */
#include "support/op.h"

#include <stdio.h>
#include <string.h>

#include "support/check.h"

static void end(support_op_t *op) {
  assert_true(op->is_running);
  op->is_running = false;
  daytona_future_release(op->future);
}

static void on_stop(daytona_future_t *future) {
  support_op_t *op = *(support_op_t **)future->op;
  op->stop_count++;
  end(op);
}

void support_op_start(stage_t *host, support_op_t *op) {
  memset(op, 0, sizeof *op);
  op->future = daytona__future_new(host->loop, sizeof(support_op_t *), "op: ");
  if (daytona__future_is_dead(op->future)) return;
  *(support_op_t **)op->future->op = op;
  op->future->stop = on_stop;
  op->is_running = true;
  daytona_future_retain(op->future);
}

void support_op_succeed(support_op_t *op, const char *text) {
  if (text == NULL)
    daytona__future_succeed(op->future);
  else
    daytona__future_resolve(op->future, &daytona__type_string,
                            daytona__arena_strdup(&op->future->arena, text));
  end(op);
}

void support_op_fail(support_op_t *op, daytona_errcode_t code) {
  daytona__future_fail(op->future, code, "%s", daytona_errcode_text(code));
  end(op);
}

void support_see(daytona_future_t *future, void *user) {
  support_seen_t *seen = user;
  seen->count++;
  assert_true(daytona_future_is_settled(future));
  seen->code = daytona_future_code(future);
  seen->future = future;
  seen->thread = uv_thread_self();
  const daytona_error_t *error = daytona_future_error(future);
  bool is_string = daytona__future_type(future) == &daytona__type_string;
  const char *text = error != NULL ? error->message : is_string ? daytona_future_string(future) : NULL;
  snprintf(seen->text, sizeof seen->text, "%s", text != NULL ? text : "");
}
