/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event socket. A client is waited for until it shows a credential, then for the time of the next ping, then for
 * its answer: one timer each, whose end is the end of the client but for the ping. What clients send is only looked
 * at, never kept. Invariant: a client is in the list as long as its WebSocket is open.
 */
#include "control/events/events.h"

#include "control/auth/called.h"
#include "control/routes/admit.h"
#include "control/routes/shown.h"
#include "control/objects/snapshots.h"
#include "http/websocket.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* A credential is the longest thing that a client has to say. */
#define MESSAGE_MAX (64u * 1024)
/* For a client that does not read: more than the changes of a thousand sandboxes at once. */
#define QUEUE_MAX 8192u
#define QUEUE_BYTES_MAX (16u * 1024 * 1024)
#define FLUSH_LIMIT_MS 1000
#define SESSION_ID_LEN 20
#define NAMESPACE_MAX 64
/* Clients that have not shown a credential yet; one more ends the oldest of them. */
#define UNKNOWN_MAX 256

typedef enum { UNKNOWN, IDLE, PINGED } phase_t;

typedef struct {
  dl_list_t link;
  dl_events_t *owner;
  dl_ws_t *ws; /* NULL: not yet, or no more */
  uv_timer_t timer;
  phase_t phase;
  unsigned permissions;
  char *url, *address,
    *organization; /* how it calls us, whom limits count for, which one it asks for or NULL */
} client_t;

struct dl_events {
  dl_control_t *control;
  unsigned connect_limit_ms, ping_every_ms, pong_limit_ms;
  dl_list_t clients;
  bool is_ending;
};

/* --- the end of a client --- */

static void on_timer_closed(uv_handle_t *handle) {
  client_t *k = DL_CONTAINER(handle, client_t, timer);
  free(k->url);
  free(k->address);
  free(k->organization);
  free(k);
}

/* Its WebSocket has been closed or has ended. */
static void drop(client_t *k) {
  dl_list_unlink(&k->link);
  k->ws = NULL;
  uv_close((uv_handle_t *)&k->timer, on_timer_closed);
}

static void hang_up(client_t *k, int code, const char *reason) {
  dl_ws_close(k->ws, code, reason);
  drop(k);
}

/* --- sending --- */

/* False: it was too slow, and is gone. */
static bool send_text(client_t *k, const char *text) {
  if (dl_ws_send(k->ws, DL_WS_TEXT, text, strlen(text))) return true;
  dl_info("a client of the event socket is too slow, and was closed");
  drop(k);
  return false;
}

static void on_time(uv_timer_t *timer) {
  client_t *k = DL_CONTAINER(timer, client_t, timer);
  if (k->phase != IDLE) {
    hang_up(k, DL_WS_POLICY, k->phase == UNKNOWN ? "no credential was shown" : "no answer to a ping");
    return;
  }
  k->phase = PINGED;
  uv_timer_start(&k->timer, on_time, k->owner->pong_limit_ms, 0);
  send_text(k, "2");
}

/* `text` is taken. */
static void send_taken(client_t *k, char *text) {
  send_text(k, text);
  free(text);
}

/* --- what a client says --- */

/* What is behind the packet's type and its namespace: "40{...}" or "40/name,{...}". `name_len` 0: the one that there is. */
static const char *connect_body(const char *packet, size_t *name_len) {
  const char *at = packet + 2;
  *name_len = *at == '/' ? strcspn(at, ",") : 0;
  const char *body = at + *name_len;
  if (*name_len == 1) *name_len = 0;
  return *body == ',' ? body + 1 : body;
}

/* Only names that cannot be taken for anything else are said back. */
static void refuse_namespace(client_t *k, const char *name, size_t len) {
  static const char chars[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/_-";
  if (len > NAMESPACE_MAX || strspn(name, chars) < len) return;
  send_taken(k, dl_xprintf("44%.*s,{\"message\":\"Invalid namespace\"}", (int)len, name));
}

static void be_idle(client_t *k) {
  k->phase = IDLE;
  uv_timer_start(&k->timer, on_time, k->owner->ping_every_ms, 0);
}

static void let_in(client_t *k) {
  char *sid = dl_random_token(SESSION_ID_LEN, DL_ALPHABET_MIXED);
  be_idle(k);
  send_taken(k, dl_xprintf("40{\"sid\":\"%s\"}", sid));
  free(sid);
}

/* A refused client may try again on the same connection, as often and as long as failed credentials may be tried. */
static void show_credential(client_t *k, const char *body) {
  char *problem = NULL;
  json_t *auth = dl_json_parse(body, strlen(body), &problem);
  const char *token = dl_json_str(auth, "token");
  bool is_known = token != NULL && dl_key_is_usable(token) &&
                  dl_admit_later(k->owner->control, k->address, token, k->organization, &k->permissions);
  if (token != NULL) explicit_bzero((char *)token, strlen(token));
  json_decref(auth);
  free(problem);
  if (is_known)
    let_in(k);
  else
    send_text(k, "44{\"message\":\"Unauthorized\"}");
}

/* Whatever else it says is nothing to us. */
static void on_message(dl_ws_t *ws, const char *bytes, size_t len, void *user) {
  client_t *k = user;
  assert(k->ws == ws);
  char *text = dl_xstrndup(len > 0 ? bytes : "", len); /* up to its first NUL */
  if (dl_starts_with(text, "40") && k->phase == UNKNOWN) {
    size_t name_len;
    const char *body = connect_body(text, &name_len);
    if (name_len > 0)
      refuse_namespace(k, text + 2, name_len);
    else
      show_credential(k, body);
  } else if (*text == '3' && k->phase == PINGED) {
    be_idle(k);
  } else if (*text == '1' || dl_starts_with(text, "41")) {
    hang_up(k, DL_WS_NORMAL, "");
  }
  explicit_bzero(text, strlen(text));
  free(text);
}

static void on_end(dl_ws_t *ws, void *user) {
  client_t *k = user;
  assert(k->ws == ws);
  (void)ws;
  drop(k);
}

static void on_open(dl_ws_t *ws, void *user) {
  client_t *k = user;
  k->ws = ws;
  if (ws == NULL) {
    drop(k);
    return;
  }
  if (k->owner->is_ending) {
    hang_up(k, DL_WS_GOING_AWAY, "the server is stopping");
    return;
  }
  char *sid = dl_random_token(SESSION_ID_LEN, DL_ALPHABET_MIXED);
  uv_timer_start(&k->timer, on_time, k->owner->connect_limit_ms, 0);
  send_taken(
    k,
    dl_xprintf("0{\"sid\":\"%s\",\"upgrades\":[],\"pingInterval\":%u,\"pingTimeout\":%u,\"maxPayload\":%u}",
               sid, k->owner->ping_every_ms, k->owner->pong_limit_ms, MESSAGE_MAX));
  free(sid);
}

/* --- the handshake --- */

/* In the words of Engine.IO. */
static void refuse(dl_req_t *req, int code, const char *message) {
  dl_reply_json(req, 400, json_pack("{s:i, s:s}", "code", code, "message", message));
}

static bool is_value(dl_req_t *req, const char *key, const char *wanted) {
  const char *value = dl_query_get(dl_req_query(req), key);
  return value != NULL && strcmp(value, wanted) == 0;
}

static client_t *new_client(dl_events_t *e, dl_req_t *req) {
  client_t *k = dl_xcalloc(1, sizeof *k);
  *k = (client_t){.owner = e,
                  .url = dl_called_url(&e->control->front, req),
                  .address = dl_client_address(&e->control->front, req)};
  dl_set(&k->organization, dl_query_get(dl_req_query(req), "organizationId"));
  dl_list_init(&k->link);
  uv_timer_init(e->control->objects.loop, &k->timer);
  return k;
}

/* Whoever knows no key holds no more of our descriptors than this. */
static void make_room(dl_events_t *e) {
  client_t *oldest = NULL;
  unsigned count = 0;
  DL_LIST_EACH(&e->clients, node) {
    client_t *k = DL_CONTAINER(node, client_t, link);
    if (k->phase != UNKNOWN || k->ws == NULL) continue;
    if (count++ == 0) oldest = k;
  }
  if (count >= UNKNOWN_MAX) hang_up(oldest, DL_WS_POLICY, "no credential was shown, and others wait");
}

static void open_socket(dl_events_t *e, dl_req_t *req) {
  static const dl_ws_events_t events = {.on_open = on_open, .on_message = on_message, .on_end = on_end};
  static const dl_ws_opts_t opts = {.message_max = MESSAGE_MAX,
                                    .queue_max = QUEUE_MAX,
                                    .queue_bytes = QUEUE_BYTES_MAX,
                                    .flush_ms = FLUSH_LIMIT_MS};
  make_room(e);
  client_t *k = new_client(e, req);
  dl_list_push(&e->clients, &k->link);
  if (dl_ws_open(req, NULL, &opts, &events, k)) return;
  drop(k);
  refuse(req, 3, "Bad request");
}

bool dl_events_take(dl_events_t *e, dl_req_t *req, const char *path) {
  if (strcmp(path, "/socket.io/") != 0 && strcmp(path, "/socket.io") != 0) return false;
  if (!is_value(req, "EIO", "4"))
    refuse(req, 5, "Unsupported protocol version");
  else if (!is_value(req, "transport", "websocket"))
    refuse(req, 0, "Transport unknown");
  else if (strcmp(dl_req_method(req), "GET") != 0)
    refuse(req, 2, "Bad handshake method");
  else if (dl_query_get(dl_req_query(req), "sid") != NULL)
    refuse(req, 1, "Session ID unknown");
  else
    open_socket(e, req);
  return true;
}

/* --- events --- */

static bool hears(const client_t *k, dl_permission_t needed) {
  return k->ws != NULL && k->phase != UNKNOWN &&
         (needed == DL_PERM_NONE || (k->permissions & 1u << needed) != 0);
}

static bool anybody_hears(const dl_events_t *e, dl_permission_t needed) {
  DL_LIST_EACH(&e->clients, node) {
    if (hears(DL_CONTAINER(node, client_t, link), needed)) return true;
  }
  return false;
}

/* `payload` is taken. */
static char *packet(const char *name, json_t *payload) {
  json_t *both = json_pack("[s, o]", name, payload);
  char *text = dl_json_text(both), *full = dl_xprintf("42%s", text);
  json_decref(both);
  free(text);
  return full;
}

typedef struct {
  const dl_sandbox_t *sandbox;
  const char *event, *old_key, *new_key, *old_value, *new_value; /* old_key NULL: the sandbox alone */
} sandbox_event_t;

static char *sandbox_packet(const dl_control_t *c, const char *url, const sandbox_event_t *s) {
  json_t *dto = dl_sandbox_dto(c, url, s->sandbox);
  if (s->old_key != NULL)
    dto = json_pack("{s:o, s:s, s:s}", "sandbox", dto, s->old_key, s->old_value, s->new_key, s->new_value);
  return packet(s->event, dto);
}

/* Clients that call us by the same name, which are nearly always all, get the same text. */
static void tell_of_sandbox(dl_events_t *e, const sandbox_event_t *s) {
  const char *url = "";
  char *text = NULL;
  DL_LIST_EACH_SAFE(&e->clients, node, after) {
    client_t *k = DL_CONTAINER(node, client_t, link);
    if (!hears(k, DL_PERM_NONE)) continue;
    if (text == NULL || strcmp(url, k->url) != 0) {
      free(text);
      text = sandbox_packet(e->control, k->url, s);
      url = k->url; /* it is freed on a later turn at the earliest */
    }
    send_text(k, text);
  }
  free(text);
}

static void on_sandbox(dl_sandbox_t *sb, const char *old_state, const char *old_want, void *user) {
  dl_events_t *e = user;
  const char *state = sb->told.state, *want = sb->told.want;
  if (dl_list_empty(&e->clients)) return;
  if (old_state == NULL) {
    tell_of_sandbox(e, &(sandbox_event_t){.sandbox = sb, .event = "sandbox.created"});
    return;
  }
  if (strcmp(old_state, state) != 0)
    tell_of_sandbox(
      e, &(sandbox_event_t){sb, "sandbox.state.updated", "oldState", "newState", old_state, state});
  if (strcmp(old_want, want) != 0)
    tell_of_sandbox(e, &(sandbox_event_t){sb, "sandbox.desired-state.updated", "oldDesiredState",
                                          "newDesiredState", old_want, want});
}

/* Snapshots and volumes: objects whose records are what is shown. */
typedef struct {
  const char *kind, *created, *updated, *removed; /* `removed` NULL: it shows as a state */
  dl_permission_t needed;
  json_t *(*show)(const json_t *record);
} kind_t;

static json_t *show_volume(const json_t *record) { return json_incref((json_t *)record); }

static const kind_t kinds[] = {
  {"snapshot", "snapshot.created", "snapshot.state.updated", "snapshot.removed", DL_PERM_NONE,
   dl_snapshot_shown},
  {"volume", "volume.created", "volume.state.updated", NULL, DL_PERM_READ_VOLUMES, show_volume},
};

/* NULL: nothing that is to be told. */
static char *record_packet(const kind_t *kind, const json_t *before, const json_t *after) {
  if (before == NULL) return packet(kind->created, kind->show(after));
  if (after == NULL) return kind->removed != NULL ? packet(kind->removed, kind->show(before)) : NULL;
  const char *was = dl_json_str(before, "state"), *is = dl_json_str(after, "state");
  if (was == NULL || is == NULL || strcmp(was, is) == 0) return NULL;
  return packet(kind->updated,
                json_pack("{s:o, s:s, s:s}", kind->kind, kind->show(after), "oldState", was, "newState", is));
}

static void on_record(const char *name, const json_t *before, const json_t *after, void *user) {
  dl_events_t *e = user;
  const kind_t *kind = kinds;
  while (kind < kinds + DL_COUNT(kinds) && strcmp(kind->kind, name) != 0) kind++;
  if (kind == kinds + DL_COUNT(kinds) || (before == NULL && after == NULL)) return;
  char *text = anybody_hears(e, kind->needed) ? record_packet(kind, before, after) : NULL;
  if (text == NULL) return;
  DL_LIST_EACH_SAFE(&e->clients, node, after_node) {
    client_t *k = DL_CONTAINER(node, client_t, link);
    if (hears(k, kind->needed)) send_text(k, text);
  }
  free(text);
}

/* --- all of it --- */

dl_events_t *dl_events_new(dl_control_t *c) {
  dl_events_t *e = dl_xcalloc(1, sizeof *e);
  e->control = c;
  e->ping_every_ms = c->opts.event_ping_ms;
  e->pong_limit_ms = e->ping_every_ms / 5 * 4;
  e->connect_limit_ms = e->ping_every_ms / 5 * 2;
  dl_list_init(&e->clients);
  dl_life_watch(&c->life, on_sandbox, e);
  dl_store_on_change(c->objects.store, on_record, e);
  return e;
}

void dl_events_end(dl_events_t *e) {
  e->is_ending = true;
  DL_LIST_EACH_SAFE(&e->clients, node, after) {
    client_t *k = DL_CONTAINER(node, client_t, link);
    if (k->ws != NULL) hang_up(k, DL_WS_GOING_AWAY, "the server is stopping");
  }
}

void dl_events_free(dl_events_t *e) {
  if (e == NULL) return;
  assert(e->is_ending && dl_list_empty(&e->clients));
  free(e);
}
