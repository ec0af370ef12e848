/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event socket; see events.h.
 *
 *   RESTING  no socket; with waits, `timer` is set for the next attempt
 *   OPENING  from the attempt until the server has accepted the credential; `timer` is the limit
 *   LIVE     events come; `timer` looks whether the server still pings; without waits `linger` is set
 *   LEAVING  our close frame is out
 *
 * Only a socket that is LIVE slows polls down, and only one that has brought an event for something waited for slows
 * them to the slowest pace. Nothing here keeps the host's loop alive: the waits do that themselves.
 */
#include "call/events.h"

#include <assert.h>
#include <string.h>

#include "call/client_impl.h"
#include "core/memory.h"
#include "core/random.h"
#include "core/strbuf.h"
#include "json/codec.h"
#include "wire/event_packet.h"
#include "wire/url.h"

/* The limit of an attempt, and how long a socket stays that nobody needs. */
enum { OPEN_LIMIT_MS = 5000, LINGER_MS = 15000 };
/* Between attempts: doubled after each failure. A server that refuses is not asked more often than REFUSED_MS. */
enum { RETRY_FIRST_MS = 1000, RETRY_MAX_MS = 30000, REFUSED_MS = 60000 };
/* Polls of one wait: beside a socket that has not proved itself, and beside one that has. The latter is a matter of all
   waits together: so many polls per second. */
enum { PACE_NEW_MS = 1000, PACE_MIN_MS = 2000, PACE_MAX_MS = 10000, PACE_POLLS_PER_S = 20 };
enum { BUCKETS = 256 };

typedef enum events_state { RESTING, OPENING, LIVE, LEAVING } events_state_t;

struct daytona__events {
  daytona_client_t *client;
  events_state_t state;
  bool is_trusted;
  unsigned connection; /* how many have been LIVE */
  daytona__ws_t *ws;
  daytona__timer_t timer, linger;
  unsigned failures;         /* in a row */
  int64_t next_ms;           /* no attempt before */
  int64_t silence_max_ms;    /* 0: its server has not said hello */
  daytona__strbuf_t message; /* as far as it has come */
  bool is_skipping;          /* it is too long, or not text */
  size_t count;              /* of waits */
  daytona__list_t waits[BUCKETS];
};

static int64_t now_ms(const daytona__events_t *events) { return daytona__loop_now(events->client->loop); }

static void tell_pace(daytona__events_t *events) {
  for (size_t i = 0; i < BUCKETS; i++)
    for (daytona__list_t *node = events->waits[i].next; node != &events->waits[i]; node = node->next) {
      daytona__event_waiter_t *waiter = DAYTONA__CONTAINER(node, daytona__event_waiter_t, link);
      waiter->on_pace(waiter);
    }
}

int64_t daytona__events_pace(const daytona_client_t *client) {
  const daytona__events_t *events = client->events;
  if (events == NULL || events->state != LIVE) return 0;
  if (!events->is_trusted) return PACE_NEW_MS;
  int64_t pace = (int64_t)events->count * 1000 / PACE_POLLS_PER_S;
  return pace < PACE_MIN_MS ? PACE_MIN_MS : pace < PACE_MAX_MS ? pace : PACE_MAX_MS;
}

static void set_trusted(daytona__events_t *events, bool is_trusted) {
  if (events->is_trusted == is_trusted) return;
  events->is_trusted = is_trusted;
  if (events->state == LIVE) tell_pace(events);
}

bool daytona__events_covers(const daytona__event_waiter_t *waiter) {
  const daytona__events_t *events = waiter->events;
  return events != NULL && events->state == LIVE && events->is_trusted &&
         waiter->connection == events->connection;
}

void daytona__events_missed(daytona_client_t *client) {
  if (client->events != NULL) set_trusted(client->events, false);
}

/* --- connecting ---------------------------------------------------------------------------------- */

/* The only place that changes a state. */
static void set_state(daytona__events_t *events, events_state_t to) {
  static const unsigned char allowed[] = {[RESTING] = 1 << OPENING,
                                          [OPENING] = 1 << LIVE | 1 << RESTING,
                                          [LIVE] = 1 << LEAVING | 1 << RESTING,
                                          [LEAVING] = 1 << RESTING};
  assert((allowed[events->state] >> to & 1) != 0);
  assert((to == RESTING) == (events->ws == NULL));
  bool was_live = events->state == LIVE;
  events->state = to;
  events->is_trusted = false;
  if (to == LIVE || was_live) tell_pace(events);
}

static void plan_attempt(daytona__events_t *events) {
  int64_t rest = events->next_ms - now_ms(events);
  assert(events->state == RESTING && events->ws == NULL);
  if (events->count != 0) daytona__timer_start(events->client->loop, &events->timer, rest > 0 ? rest : 0);
}

/* Let the socket go, whatever it is doing. */
static void rest(daytona__events_t *events) {
  daytona__ws_t *ws = events->ws;
  daytona__timer_stop(&events->timer);
  daytona__timer_stop(&events->linger);
  daytona__strbuf_clear(&events->message);
  events->ws = NULL;
  set_state(events, RESTING);
  daytona__ws_release(ws);
}

/* Some earlier than planned, so that clients that have lost a server do not all come back in the same moment. */
static int64_t spread(int64_t delay_ms) {
  unsigned char dice = 0;
  (void)daytona__random(&dice, sizeof dice);
  return delay_ms - delay_ms / 4 * dice / 256;
}

static void lost(daytona__events_t *events, bool is_refusal, const char *why) {
  int64_t delay = RETRY_FIRST_MS;
  for (unsigned i = 0; i < events->failures && delay < RETRY_MAX_MS; i++) delay *= 2;
  if (delay > RETRY_MAX_MS) delay = RETRY_MAX_MS;
  if (is_refusal) delay = REFUSED_MS;
  daytona__log(events->client->loop, DAYTONA_LOG_DEBUG, "events: %s; next attempt in %d ms at most", why,
               (int)delay);
  events->failures++;
  events->next_ms = now_ms(events) + spread(delay);
  if (events->state != RESTING) rest(events);
  plan_attempt(events);
}

typedef struct credential {
  const char *token;
} credential_t;

static DAYTONA__MODEL_OF(credential_model, credential_t, "Credential",
                         DAYTONA__FIELD(credential_t, STRING, token, "token", .flags = DAYTONA__JSON_SECRET));

/* 0 or the code of an error. */
static int show_credential(daytona__events_t *events) {
  const credential_t credential = {events->client->settings.token};
  daytona__arena_t arena;
  const char *json, *text = NULL;
  size_t size;
  daytona__arena_init(&arena, 0);
  arena.is_secret = true;
  int rc = daytona__json_encode(&arena, &credential_model, &credential, &json, &size, NULL);
  if (rc == 0) text = daytona__arena_printf(&arena, "40%s", json);
  if (rc == 0 && text == NULL) rc = DAYTONA_ENOMEM;
  if (rc == 0) rc = daytona__ws_send(events->ws, true, text, size + 2);
  daytona__arena_clear(&arena);
  return rc;
}

static void watch_silence(daytona__events_t *events) {
  int64_t rest_ms = daytona__ws_heard_ms(events->ws) + events->silence_max_ms - now_ms(events);
  daytona__timer_start(events->client->loop, &events->timer, rest_ms > 0 ? rest_ms : 0);
}

static void on_silence(daytona__events_t *events) {
  if (now_ms(events) - daytona__ws_heard_ms(events->ws) >= events->silence_max_ms)
    lost(events, false, "the server is silent");
  else
    watch_silence(events);
}

/* --- packets ------------------------------------------------------------------------------------- */

static uint64_t hash_of(const char *noun, const char *id) {
  uint64_t hash = UINT64_C(14695981039346656037);
  for (const char *at = noun; *at != '\0'; at++) hash = (hash ^ (unsigned char)*at) * UINT64_C(1099511628211);
  for (const char *at = id; *at != '\0'; at++) hash = (hash ^ (unsigned char)*at) * UINT64_C(1099511628211);
  return hash;
}

static void tell_change(daytona__events_t *events, const daytona__event_packet_t *packet) {
  uint64_t hash = hash_of(packet->noun, packet->id);
  daytona__list_t *list = &events->waits[hash % BUCKETS];
  bool is_waited_for = false;
  for (daytona__list_t *node = list->next; node != list; node = node->next) {
    daytona__event_waiter_t *waiter = DAYTONA__CONTAINER(node, daytona__event_waiter_t, link);
    if (waiter->hash != hash || strcmp(waiter->id, packet->id) != 0 ||
        strcmp(waiter->noun, packet->noun) != 0)
      continue;
    is_waited_for = true;
    waiter->on_event(waiter, packet->state);
  }
  if (is_waited_for) set_trusted(events, true);
}

static void on_accepted(daytona__events_t *events) {
  daytona__log(events->client->loop, DAYTONA_LOG_DEBUG, "events: connected");
  events->connection++;
  set_state(events, LIVE);
  watch_silence(events);
}

/* What does not fit the state is passed over, as what cannot be read is. */
static void on_packet(daytona__events_t *events, const char *text, size_t size) {
  daytona__event_packet_t packet;
  bool is_opening = events->state == OPENING;
  int rc = 0;
  daytona__event_packet_read(text, size, &packet);
  switch (packet.kind) {
    case DAYTONA__EVENT_OPEN:
      if (!is_opening || events->silence_max_ms != 0) break;
      events->silence_max_ms = packet.ping_interval_ms + packet.ping_timeout_ms;
      rc = show_credential(events);
      break;
    case DAYTONA__EVENT_PING:
      if (!is_opening) events->failures = 0;
      rc = daytona__ws_send(events->ws, true, "3", 1);
      break;
    case DAYTONA__EVENT_ACCEPTED:
      if (is_opening && events->silence_max_ms != 0) on_accepted(events);
      break;
    case DAYTONA__EVENT_REFUSED:
      if (is_opening) lost(events, true, "the server refuses the credential");
      return;
    case DAYTONA__EVENT_CLOSE: lost(events, false, "the server has ended it"); return;
    case DAYTONA__EVENT_CHANGE:
      if (is_opening) break;
      events->failures = 0;
      tell_change(events, &packet);
      break;
    case DAYTONA__EVENT_OTHER: break;
  }
  if (rc != 0) lost(events, false, "it cannot be written to");
}

static void on_data(daytona__ws_t *ws, const daytona__ws_chunk_t *chunk) {
  daytona__events_t *events = daytona__ws_user(ws);
  daytona__strbuf_t *message = &events->message;
  if (events->state == LEAVING) return;
  if (chunk->is_first) {
    daytona__strbuf_clear(message);
    events->is_skipping = !chunk->is_text;
  }
  if (!events->is_skipping && chunk->is_first && chunk->is_final) {
    on_packet(events, chunk->bytes, chunk->size);
    return;
  }
  if (!events->is_skipping)
    events->is_skipping = daytona__strbuf_append(message, chunk->bytes, chunk->size) != 0;
  if (events->is_skipping) daytona__strbuf_clear(message);
  if (!chunk->is_final || events->is_skipping) return;
  daytona__strbuf_t whole = *message;
  daytona__strbuf_init(message, DAYTONA__EVENT_MESSAGE_MAX);
  on_packet(events, whole.data, whole.size);
  daytona__strbuf_clear(&whole);
}

static void on_close(daytona__ws_t *ws, const daytona__ws_close_t *close) {
  daytona__events_t *events = daytona__ws_user(ws);
  bool was_asked = events->state == LEAVING;
  bool is_refusal = close->how == DAYTONA__WS_END_HTTP && close->response.status < 500;
  assert(events->ws == ws);
  if (!was_asked) {
    lost(events, is_refusal,
         close->how == DAYTONA__WS_END_FRAME ? "the server has closed it" : close->response.message);
    return;
  }
  rest(events);
  plan_attempt(events);
}

/* --- attempts ------------------------------------------------------------------------------------ */

/* As the official SDKs ask. */
static int url_of(const daytona_client_t *client, daytona__arena_t *arena, const char **out) {
  daytona_header_t headers[DAYTONA__COMMON_HEADERS];
  daytona__url_t url;
  daytona__client_headers(client, NULL, headers);
  daytona__url_init(&url);
  daytona__url_path(&url, client->settings.api_url, "/socket.io/");
  daytona__url_query(&url, "EIO", "4");
  daytona__url_query(&url, "transport", "websocket");
  daytona__url_query(&url, "organizationId", client->settings.organization_id);
  daytona__url_query(&url, "source", headers[1].value);
  daytona__url_query(&url, "sdkVersion", headers[2].value);
  return daytona__url_finish(&url, arena, out);
}

static void attempt(daytona__events_t *events) {
  daytona__ws_env_t *env;
  daytona__arena_t arena;
  daytona__ws_opts_t opts = {.connect_timeout_ms = OPEN_LIMIT_MS,
                             .ping_ms = -1,
                             .pong_timeout_ms = -1,
                             .is_background = true,
                             .on_data = on_data,
                             .on_close = on_close,
                             .user = events};
  assert(events->ws == NULL && events->count != 0);
  daytona__arena_init(&arena, 0);
  int rc = daytona__client_ws(events->client, &env);
  if (rc == 0) rc = url_of(events->client, &arena, &opts.url);
  if (rc == 0) rc = daytona__ws_open(env, &opts, &events->ws);
  daytona__arena_clear(&arena);
  if (rc != 0) {
    lost(events, false, daytona_errcode_text(rc));
    return;
  }
  events->silence_max_ms = 0;
  set_state(events, OPENING);
  daytona__timer_start(events->client->loop, &events->timer, OPEN_LIMIT_MS);
}

static void on_timer(daytona__timer_t *timer) {
  daytona__events_t *events = DAYTONA__CONTAINER(timer, daytona__events_t, timer);
  switch (events->state) {
    case RESTING: attempt(events); break;
    case OPENING: lost(events, false, "it was not accepted in time"); break;
    case LIVE: on_silence(events); break;
    case LEAVING: break;
  }
}

/* Nobody has needed it for a while. */
static void on_linger(daytona__timer_t *timer) {
  daytona__events_t *events = DAYTONA__CONTAINER(timer, daytona__events_t, linger);
  assert(events->state == LIVE && events->count == 0);
  daytona__timer_stop(&events->timer);
  set_state(events, LEAVING);
  daytona__ws_close(events->ws, 1000, "");
}

/* --- waits --------------------------------------------------------------------------------------- */

static daytona__events_t *events_new(daytona_client_t *client) {
  daytona__events_t *events = daytona__calloc(1, sizeof *events);
  if (events == NULL) return NULL;
  events->client = client;
  daytona__strbuf_init(&events->message, DAYTONA__EVENT_MESSAGE_MAX);
  daytona__timer_init(&events->timer, on_timer);
  daytona__timer_init(&events->linger, on_linger);
  events->timer.is_background = events->linger.is_background = true;
  for (size_t i = 0; i < BUCKETS; i++) daytona__list_init(&events->waits[i]);
  return events;
}

void daytona__events_join(daytona_client_t *client, daytona__event_waiter_t *waiter, const char *noun,
                          const char *id) {
  daytona__events_leave(waiter);
  if (!client->settings.uses_events || client->is_closing) return;
  if (client->events == NULL) client->events = events_new(client);
  daytona__events_t *events = client->events;
  if (events == NULL) return;
  waiter->events = events;
  waiter->noun = noun;
  waiter->id = id;
  waiter->hash = hash_of(noun, id);
  waiter->connection = events->state == LIVE ? events->connection : 0;
  daytona__list_append(&events->waits[waiter->hash % BUCKETS], &waiter->link);
  if (events->count++ != 0) return;
  daytona__timer_stop(&events->linger);
  if (events->state == LEAVING) rest(events);
  if (events->state == RESTING) plan_attempt(events);
}

void daytona__events_leave(daytona__event_waiter_t *waiter) {
  daytona__events_t *events = waiter->events;
  if (events == NULL) return;
  daytona__list_remove(&waiter->link);
  waiter->events = NULL;
  assert(events->count != 0);
  if (--events->count != 0) return;
  if (events->state == LIVE)
    daytona__timer_start(events->client->loop, &events->linger, LINGER_MS);
  else if (events->state == RESTING)
    daytona__timer_stop(&events->timer);
  else if (events->state == OPENING) { /* its lookup and its connection would keep the loop alive */
    rest(events);
    events->next_ms = now_ms(events) + RETRY_FIRST_MS; /* waits this short do without */
  }
}

void daytona__events_end(daytona_client_t *client) {
  daytona__events_t *events = client->events;
  if (events == NULL) return;
  assert(events->count == 0);
  if (events->state != RESTING) rest(events);
  daytona__timer_stop(&events->timer);
  daytona__strbuf_clear(&events->message);
  client->events = NULL;
  daytona__free(events);
}
