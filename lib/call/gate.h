/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gate: how many sandboxes of a client may be in creation or start at once.
 *
 * What overwhelms a fleet of runners is not the rate of creations but the number that are not up yet, so an
 * operation holds its place from its request until the sandbox is started or has failed.
 */
#ifndef DAYTONA_CALL_GATE_H
#define DAYTONA_CALL_GATE_H

#include "call/client_impl.h"

typedef struct daytona__gate_pass {
  daytona__list_t link;     /* in the queue */
  daytona__task_t task;     /* admits in a later turn */
  daytona_client_t *client; /* not NULL while a place is held */
  void (*admitted)(struct daytona__gate_pass *pass);
} daytona__gate_pass_t;

/* Ask for a place. `admitted` is called at once if one is free, else from a later turn, in order. */
void daytona__gate_enter(daytona_client_t *client, daytona__gate_pass_t *pass,
                         void (*admitted)(daytona__gate_pass_t *pass));

/* Give the place back, or stop waiting for it. Harmless on a zeroed pass and twice. */
void daytona__gate_leave(daytona__gate_pass_t *pass);

#endif
