/*
 * The inside of a client, for the services.
 */
#ifndef DAYTONA_API_CLIENT_IMPL_H
#define DAYTONA_API_CLIENT_IMPL_H

#include <daytona/client.h>

#include "api/config.h"
#include "core/arena.h"
#include "core/loop.h"
#include "core/random.h"
#include "net/http.h"
#include "net/resolver.h"

/* Somebody to tell when the client is closed. The first needs no allocation, so a close can always report. */
typedef struct daytona__closed_entry {
  daytona__list_t link;
  daytona_client_closed_cb callback;
  void *user;
} daytona__closed_entry_t;

struct daytona_client {
  unsigned refs;
  daytona__arena_t arena; /* settings, with secrets */
  daytona__settings_t settings;
  daytona__loop_t *loop;
  daytona__resolver_t *resolver;
  daytona__http_t *http;
  daytona__entropy_t entropy;
  bool is_closing;
  bool is_closed;
  daytona__list_t closed_entries;
  daytona__closed_entry_t first_closed;

  /* Admission of sandboxes that are being started; see gate.c. */
  int starting;
  daytona__list_t gate;
};

#endif
