/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of a client, for the services.
 */
#ifndef DAYTONA_CALL_CLIENT_IMPL_H
#define DAYTONA_CALL_CLIENT_IMPL_H

#include <daytona/client.h>
#include <daytona/stats.h>

#include "call/config.h"
#include "call/exporter.h"
#include "call/secrets.h"
#include "core/arena.h"
#include "core/loop.h"
#include "core/random.h"
#include "net/http.h"
#include "net/resolver.h"
#include "net/ws.h"

/* A callback for the end of a client's closing. The first needs no allocation, so a close can always report. */
typedef struct daytona__closed_entry {
  daytona__list_t link;
  daytona_client_closed_cb callback;
  void *user;
} daytona__closed_entry_t;

/* What became of the operations so far. */
typedef struct daytona__op_stats {
  uint64_t begun, succeeded, failed;
  uint64_t failures[DAYTONA_STATS_CODES]; /* by the code without its sign */
} daytona__op_stats_t;

/* The headers that every request carries: daytona__client_headers() */
enum { DAYTONA__COMMON_HEADERS = 5 };

struct daytona_client {
  unsigned refs;
  daytona__arena_t arena; /* settings, with secrets */
  daytona__settings_t settings;
  daytona__loop_t *loop;
  daytona__resolver_t *resolver;
  daytona__http_t *http;
  daytona__ws_env_t *ws;      /* NULL until the first socket; see daytona__client_ws() */
  const char *bearer;         /* in the arena */
  daytona__secrets_t secrets; /* what no error may repeat: the token and the logins of proxies */
  daytona__entropy_t entropy;
  struct daytona__observer *observers, *log_observer; /* see observer.h */
  struct daytona__telemetry *telemetry;               /* NULL: none */
  daytona__export_stats_t exports;
  uint64_t last_op_id;
  daytona__op_stats_t ops;
  daytona__http_stats_t http_totals; /* of `http` and `ws`, kept while the client closes without them */
  daytona__ws_stats_t ws_totals;
  bool lacks_pages;          /* the server has no list by page numbers: the one by cursors makes up for it */
  bool knows_analytics;      /* the server was asked for its configuration */
  const char *analytics_url; /* base of the service that has the metrics, in the arena; NULL: none is known */
  struct daytona__events *events; /* NULL until something is waited for with them; see events.h */
  bool is_closing;
  bool is_closed;
  daytona__list_t closed_entries;
  daytona__closed_entry_t first_closed;

  /* Admission of sandboxes that are being started; see gate.c. */
  int starting;
  daytona__list_t gate;
};

/*
 * Fill in the headers of every request, with `version` as the protocol version, or the usual one for NULL.
 * Returns their number. The values live as long as the client.
 */
size_t daytona__client_headers(const daytona_client_t *client, const char *version,
                               daytona_header_t headers[DAYTONA__COMMON_HEADERS]);

/* What the client's WebSockets share, made when the first one is opened. 0 or the code of an error. */
int daytona__client_ws(daytona_client_t *client, daytona__ws_env_t **out);

#endif
