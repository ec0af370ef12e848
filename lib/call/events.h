/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The platform's event socket, for waits: one per client, there only while something is waited for.
 *
 * An event is a hint, never an answer: it says of which object something has changed, and the wait asks for the object at
 * once. So a lost, late, repeated or invented event costs a request or some time, and no wait ends wrongly. Polling goes
 * on as the safety net, at a pace that follows what the socket has shown to be worth.
 */
#ifndef DAYTONA_CALL_EVENTS_H
#define DAYTONA_CALL_EVENTS_H

#include <stdbool.h>
#include <stdint.h>

#include <daytona/client.h>

#include "core/list.h"

/* A message of the event socket that is looked at; of a longer one nothing is kept. */
#define DAYTONA__EVENT_MESSAGE_MAX ((size_t)1 << 20)

typedef struct daytona__events daytona__events_t;
typedef struct daytona__event_waiter daytona__event_waiter_t;

/* A wait for one object. Embedded; all zero: not registered. The callbacks come from turns of the loop, and must neither
   register nor withdraw anything. */
struct daytona__event_waiter {
  daytona__list_t link; /* in a list of the events that have the same hash, more or less */
  daytona__events_t *events;
  unsigned connection; /* number of the one that was there when it was registered; 0: none */
  uint64_t hash;
  const char *noun, *id; /* borrowed: "sandbox" and the like */
  void (*on_event)(daytona__event_waiter_t *waiter,
                   const char *state);              /* that is its state now; "": not said */
  void (*on_pace)(daytona__event_waiter_t *waiter); /* daytona__events_pace() has changed */
};

/*
 * Register a wait. With a client that uses no events, and without memory, this does nothing, and the pace stays that of
 * polling alone. A connection that cannot be made is tried again as long as there are waits.
 */
void daytona__events_join(daytona_client_t *client, daytona__event_waiter_t *waiter, const char *noun,
                          const char *id);

/* At any time, also when it is not registered. */
void daytona__events_leave(daytona__event_waiter_t *waiter);

/* How far apart the polls of each wait may be now; 0: as without events. */
int64_t daytona__events_pace(const daytona_client_t *client);

/* Whether it has heard of everything since it was registered, from a socket that has proved itself. */
bool daytona__events_covers(const daytona__event_waiter_t *waiter);

/* A poll of the safety net has found what no event had told: from here on the pace is not trusted. */
void daytona__events_missed(daytona_client_t *client);

/* The client closes: no wait is registered any more. */
void daytona__events_end(daytona_client_t *client);

#endif
