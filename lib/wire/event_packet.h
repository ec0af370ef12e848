/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets of the platform's event socket: Socket.IO 5 on Engine.IO 4, one packet per text message. Pure: a text in, what it
 * says out, without memory of its own.
 */
#ifndef DAYTONA_WIRE_EVENT_PACKET_H
#define DAYTONA_WIRE_EVENT_PACKET_H

#include <stddef.h>
#include <stdint.h>

/* Ids and kinds of objects in an event; a longer one belongs to nothing that is waited for. */
enum { DAYTONA__EVENT_ID_MAX = 255, DAYTONA__EVENT_NOUN_MAX = 31, DAYTONA__EVENT_STATE_MAX = 31 };

typedef enum daytona__event_packet_kind {
  DAYTONA__EVENT_OTHER, /* whatever cannot be read, or is of no interest */
  DAYTONA__EVENT_OPEN,
  DAYTONA__EVENT_CLOSE,
  DAYTONA__EVENT_PING,
  DAYTONA__EVENT_ACCEPTED,
  DAYTONA__EVENT_REFUSED,
  DAYTONA__EVENT_CHANGE /* an object was created, or its state has changed */
} daytona__event_packet_kind_t;

typedef struct daytona__event_packet {
  daytona__event_packet_kind_t kind;
  int64_t ping_interval_ms, ping_timeout_ms; /* OPEN: 1 to DAYTONA__EVENT_PING_MAX_MS each */
  char noun[DAYTONA__EVENT_NOUN_MAX + 1];    /* CHANGE: "sandbox", ... */
  char id[DAYTONA__EVENT_ID_MAX + 1];        /* CHANGE: not empty */
  char state[DAYTONA__EVENT_STATE_MAX + 1];  /* CHANGE: what it has become; "": not said */
} daytona__event_packet_t;

/* What a server may ask a client to wait for its pings: longer ones count as this. */
#define DAYTONA__EVENT_PING_MAX_MS ((int64_t)600000)

void daytona__event_packet_read(const char *text, size_t size, daytona__event_packet_t *out);

#endif
