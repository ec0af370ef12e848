/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first character is Engine.IO's type: 0 open, 1 close, 2 ping, 4 message. A message begins with Socket.IO's: 0
 * accepted, 1 disconnected, 2 event, 4 refused. Everything is in the default namespace, which has no name.
 */
#include "wire/event_packet.h"

#include <string.h>

#include "json/lexer.h"

#define PING_INTERVAL_DEFAULT_MS 25000
#define PING_TIMEOUT_DEFAULT_MS 20000

/* The string that comes next, with its NUL. An empty text: it is none, does not fit, or holds a NUL. */
static bool take_text(daytona__json_lexer_t *lexer, char *out, size_t room) {
  daytona__json_string_t string;
  out[0] = '\0';
  if (daytona__json_peek(lexer) != '"') return daytona__json_skip(lexer);
  if (!daytona__json_lex_string(lexer, &string)) return false;
  if (string.size >= room || string.nul_count != 0) return true;
  daytona__json_copy(&string, DAYTONA__JSON_NUL_KEPT, out);
  out[string.size] = '\0';
  return true;
}

/* Milliseconds; anything else leaves `*ms` as it is. */
static bool take_ms(daytona__json_lexer_t *lexer, int64_t *ms) {
  daytona__json_number_t number;
  int64_t value;
  int next = daytona__json_peek(lexer);
  if (next != '-' && (next < '0' || next > '9')) return daytona__json_skip(lexer);
  if (!daytona__json_lex_number(lexer, &number)) return false;
  if (daytona__json_to_int(&number, &value) && value > 0)
    *ms = value < DAYTONA__EVENT_PING_MAX_MS ? value : DAYTONA__EVENT_PING_MAX_MS;
  return true;
}

/* To the next member of an object, and what it is called; a long key is called "". */
static bool next_key(daytona__json_lexer_t *lexer, daytona__json_walk_t *walk, char *key, size_t room) {
  if (!daytona__json_next_member(lexer, walk)) return false;
  return take_text(lexer, key, room) && daytona__json_colon(lexer);
}

enum { KEY_ROOM = DAYTONA__EVENT_NOUN_MAX + 1 };

static void read_open(daytona__json_lexer_t *lexer, daytona__event_packet_t *out) {
  char key[KEY_ROOM];
  daytona__json_walk_t walk = {0};
  bool is_fine = true;
  out->ping_interval_ms = PING_INTERVAL_DEFAULT_MS;
  out->ping_timeout_ms = PING_TIMEOUT_DEFAULT_MS;
  out->kind = DAYTONA__EVENT_OPEN; /* also without a readable object: there are defaults */
  if (daytona__json_peek(lexer) != '{' || !daytona__json_open(lexer)) return;
  while (is_fine && next_key(lexer, &walk, key, sizeof key)) {
    if (strcmp(key, "pingInterval") == 0)
      is_fine = take_ms(lexer, &out->ping_interval_ms);
    else if (strcmp(key, "pingTimeout") == 0)
      is_fine = take_ms(lexer, &out->ping_timeout_ms);
    else
      is_fine = daytona__json_skip(lexer);
  }
}

/* The "id" of the object that comes next. */
static bool take_id(daytona__json_lexer_t *lexer, char *id, size_t room) {
  char key[KEY_ROOM];
  daytona__json_walk_t walk = {0};
  bool is_fine = true;
  if (daytona__json_peek(lexer) != '{') return daytona__json_skip(lexer);
  if (!daytona__json_open(lexer)) return false;
  while (is_fine && next_key(lexer, &walk, key, sizeof key))
    is_fine = strcmp(key, "id") == 0 ? take_text(lexer, id, room) : daytona__json_skip(lexer);
  return lexer->code == 0;
}

/* The object of an event: under its own name, or (one that was created) the payload itself. */
static bool read_payload(daytona__json_lexer_t *lexer, daytona__event_packet_t *out) {
  char key[KEY_ROOM], own[sizeof out->id] = "";
  daytona__json_walk_t walk = {0};
  bool is_fine = true;
  if (daytona__json_peek(lexer) != '{' || !daytona__json_open(lexer)) return false;
  while (is_fine && next_key(lexer, &walk, key, sizeof key)) {
    if (strcmp(key, out->noun) == 0)
      is_fine = take_id(lexer, out->id, sizeof out->id);
    else if (strcmp(key, "id") == 0)
      is_fine = take_text(lexer, own, sizeof own);
    else if (strcmp(key, "newState") == 0)
      is_fine = take_text(lexer, out->state, sizeof out->state);
    else
      is_fine = daytona__json_skip(lexer);
  }
  if (out->id[0] == '\0') memcpy(out->id, own, sizeof own);
  return lexer->code == 0;
}

/* ["sandbox.state.updated", {...}] */
static void read_event(daytona__json_lexer_t *lexer, daytona__event_packet_t *out) {
  char name[64];
  daytona__json_walk_t walk = {0};
  if (daytona__json_peek(lexer) != '[' || !daytona__json_open(lexer)) return;
  if (!daytona__json_next_item(lexer, &walk) || !take_text(lexer, name, sizeof name)) return;
  const char *rest = strchr(name, '.');
  if (rest == NULL || rest == name || rest - name > DAYTONA__EVENT_NOUN_MAX) return;
  if (strcmp(rest, ".created") != 0 && strcmp(rest, ".state.updated") != 0) return;
  memcpy(out->noun, name, (size_t)(rest - name));
  out->noun[rest - name] = '\0';
  bool is_whole = daytona__json_next_item(lexer, &walk) && read_payload(lexer, out) &&
                  !daytona__json_next_item(lexer, &walk) && daytona__json_at_end(lexer);
  if (is_whole && out->id[0] != '\0') out->kind = DAYTONA__EVENT_CHANGE;
}

void daytona__event_packet_read(const char *text, size_t size, daytona__event_packet_t *out) {
  daytona__json_lexer_t lexer;
  memset(out, 0, sizeof *out);
  if (size == 0) return;
  char type = text[0], message = size > 1 ? text[1] : '\0';
  size_t head = type == '4' ? 2 : 1;
  daytona__json_lexer_init(&lexer, text + (head < size ? head : size), head < size ? size - head : 0);
  if (type == '0')
    read_open(&lexer, out);
  else if (type == '1' || (type == '4' && message == '1'))
    out->kind = DAYTONA__EVENT_CLOSE;
  else if (type == '2')
    out->kind = DAYTONA__EVENT_PING;
  else if (type == '4' && message == '0')
    out->kind = DAYTONA__EVENT_ACCEPTED;
  else if (type == '4' && message == '4')
    out->kind = DAYTONA__EVENT_REFUSED;
  else if (type == '4' && message == '2')
    read_event(&lexer, out);
}
