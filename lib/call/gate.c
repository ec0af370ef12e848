/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Admission of starting sandboxes; see gate.h. A place that becomes free goes to the first in the queue at
 * once, so nobody who comes later can overtake; the holder is called in a later turn.
 */
#include "call/gate.h"

#include <assert.h>

static void on_admitted(daytona__task_t *task) {
  daytona__gate_pass_t *pass = DAYTONA__CONTAINER(task, daytona__gate_pass_t, task);
  pass->admitted(pass);
}

void daytona__gate_enter(daytona_client_t *client, daytona__gate_pass_t *pass,
                         void (*admitted)(daytona__gate_pass_t *pass)) {
  daytona__list_init(&pass->link);
  daytona__task_init(&pass->task, on_admitted);
  pass->admitted = admitted;
  if (client->starting >= client->settings.max_starting) {
    daytona__list_append(&client->gate, &pass->link);
    return;
  }
  assert(client->starting >= 0 && daytona__list_empty(&client->gate));
  client->starting++;
  pass->client = client;
  admitted(pass);
}

void daytona__gate_leave(daytona__gate_pass_t *pass) {
  daytona_client_t *client = pass->client;
  if (pass->admitted == NULL) return;
  daytona__list_remove(&pass->link);
  daytona__task_cancel(&pass->task);
  pass->admitted = NULL;
  pass->client = NULL;
  if (client == NULL) return;
  daytona__list_t *node = daytona__list_shift(&client->gate);
  if (node == NULL) {
    assert(client->starting > 0);
    client->starting--;
    return;
  }
  daytona__gate_pass_t *next = DAYTONA__CONTAINER(node, daytona__gate_pass_t, link);
  next->client = client;
  daytona__loop_defer(client->loop, &next->task);
}
