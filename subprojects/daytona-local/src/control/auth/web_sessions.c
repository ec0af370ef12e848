/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A few sessions in a list. All of them are compared on every request, so that the time taken says nothing.
 */
#include "control/auth/web_sessions.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Of one name in a request. What others put into a browser comes first: for each path, for each domain above us, and once
 * more without a name. */
#define COOKIES_MAX 64

static dl_web_session_t *at(dl_list_t *node) { return DL_CONTAINER(node, dl_web_session_t, link); }

void dl_web_sessions_init(dl_web_sessions_t *s, void (*on_end)(uint64_t number, void *user), void *user) {
  *s = (dl_web_sessions_t){.on_end = on_end, .user = user};
  dl_list_init(&s->list);
}

static void drop(dl_web_sessions_t *s, dl_web_session_t *session) {
  uint64_t number = session->number;
  dl_list_unlink(&session->link);
  explicit_bzero(session, sizeof *session);
  free(session);
  if (s->on_end != NULL) s->on_end(number, s->user);
}

void dl_web_sessions_clear(dl_web_sessions_t *s) {
  s->on_end = NULL;
  while (!dl_list_empty(&s->list)) drop(s, at(s->list.next));
}

size_t dl_web_sessions_count(const dl_web_sessions_t *s) {
  size_t count = 0;
  DL_LIST_EACH(&s->list, node) count++;
  return count;
}

void dl_web_sessions_expire(dl_web_sessions_t *s, int64_t now) {
  DL_LIST_EACH_SAFE(&s->list, node, after) {
    dl_web_session_t *session = at(node);
    bool is_over =
      now - session->began_ms >= DL_SESSION_LIFE_MS || now - session->used_ms >= DL_SESSION_IDLE_MS;
    if (is_over) drop(s, session);
  }
}

static void make_room(dl_web_sessions_t *s, int owner) {
  dl_web_session_t *oldest = NULL;
  size_t count = 0;
  DL_LIST_EACH(&s->list, node) {
    if (at(node)->owner != owner) continue;
    if (count++ == 0) oldest = at(node);
  }
  assert(count <= DL_SESSIONS_PER_KEY);
  if (count == DL_SESSIONS_PER_KEY) drop(s, oldest);
}

static void put_token(char out[DL_SESSION_TOKEN_LEN + 1]) {
  char *token = dl_random_token(DL_SESSION_TOKEN_LEN, DL_ALPHABET_MIXED);
  memcpy(out, token, DL_SESSION_TOKEN_LEN + 1);
  explicit_bzero(token, DL_SESSION_TOKEN_LEN);
  free(token);
}

const dl_web_session_t *dl_web_session_begin(dl_web_sessions_t *s, int owner, unsigned permissions,
                                             int64_t now) {
  dl_web_sessions_expire(s, now);
  make_room(s, owner);
  dl_web_session_t *session = dl_xcalloc(1, sizeof *session);
  *session = (dl_web_session_t){
    .number = ++s->begun, .owner = owner, .permissions = permissions, .began_ms = now, .used_ms = now};
  put_token(session->cookie);
  put_token(session->proof);
  dl_list_push(&s->list, &session->link);
  return session;
}

void dl_web_session_end(dl_web_sessions_t *s, const dl_web_session_t *session) {
  drop(s, (dl_web_session_t *)session);
}

/* The session of one value. Every session is compared. */
static dl_web_session_t *find(dl_web_sessions_t *s, const char *cookie, const char *proof) {
  dl_web_session_t *found = NULL;
  DL_LIST_EACH(&s->list, node) {
    bool is_it = dl_same_secret(at(node)->cookie, cookie);
    is_it = (proof == NULL || dl_same_secret(at(node)->proof, proof)) && is_it;
    if (is_it) found = at(node);
  }
  return found;
}

const dl_web_session_t *dl_web_session_find(dl_web_sessions_t *s, const char *cookies, const char *name,
                                            const char *proof, int64_t now) {
  size_t name_len = strlen(name), seen = 0;
  dl_web_session_t *found = NULL;
  dl_web_sessions_expire(s, now);
  for (const char *from = cookies; *from != '\0' && seen < COOKIES_MAX;) {
    from += strspn(from, "; ");
    size_t len = strcspn(from, ";");
    if (len > name_len && strncmp(from, name, name_len) == 0 && from[name_len] == '=') {
      char *value = dl_xstrndup(from + name_len + 1, len - name_len - 1);
      dl_web_session_t *one = find(s, value, proof);
      if (one != NULL) found = one;
      explicit_bzero(value, strlen(value));
      free(value);
      seen++;
    }
    from += len;
  }
  if (found == NULL || proof == NULL) return found;
  found->used_ms = now;
  dl_list_unlink(&found->link);
  dl_list_push(&s->list, &found->link);
  return found;
}
