/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions of the page in a browser. A session is shown by two secrets together: a cookie, which scripts cannot read, and a
 * proof, which the page keeps in its own storage and sends in a header. A cookie goes to every port of its host, and another
 * host of the same domain can set one; storage belongs to one origin. So neither a cookie that a program on another port
 * has seen nor one that was put into the browser is a session.
 *
 * Sessions are in memory only. Each key has a limited number of them, and its least recently used one gives way, so nobody
 * ends the sessions of another key.
 */
#ifndef DL_WEB_SESSIONS_H
#define DL_WEB_SESSIONS_H

#include "base/list.h"

#define DL_SESSION_TOKEN_LEN 43 /* of 62 characters: 256 bits */
#define DL_SESSIONS_PER_KEY 32
#define DL_SESSION_LIFE_MS (12 * INT64_C(3600000))
#define DL_SESSION_IDLE_MS (2 * INT64_C(3600000))

/* What the cookie's name begins with; over TLS with the prefix, which browsers accept from this very host over TLS only. */
#define DL_SESSION_COOKIE "daytona-local-page"
#define DL_SESSION_HOST_COOKIE "__Host-" DL_SESSION_COOKIE

typedef struct {
  dl_list_t link;
  uint64_t number; /* never used again */
  int owner;       /* dl_keys_find */
  unsigned permissions;
  int64_t began_ms, used_ms; /* dl_steady_ms */
  char cookie[DL_SESSION_TOKEN_LEN + 1], proof[DL_SESSION_TOKEN_LEN + 1];
} dl_web_session_t;

typedef struct {
  dl_list_t list; /* the least recently used one first */
  uint64_t begun; /* ever */
  void (*on_end)(uint64_t number, void *user);
  void *user;
} dl_web_sessions_t;

/* `on_end` is called for each session that ends, however it does, but not by the clear. Optional. */
void dl_web_sessions_init(dl_web_sessions_t *s, void (*on_end)(uint64_t number, void *user), void *user);
void dl_web_sessions_clear(dl_web_sessions_t *s);
/* Those that have lived or idled too long end. Also done by the calls below. */
void dl_web_sessions_expire(dl_web_sessions_t *s, int64_t now);
/* Borrowed until the next call. */
const dl_web_session_t *dl_web_session_begin(dl_web_sessions_t *s, int owner, unsigned permissions,
                                             int64_t now);
void dl_web_session_end(dl_web_sessions_t *s, const dl_web_session_t *session);
/* `cookies` is what the Cookie headers hold, `name` the one that counts. Several of that name are all looked at. `proof`
 * NULL: the cookie alone, which shows that there is a session and is good for nothing else. NULL: there is none. Found with
 * its proof it counts as used. Borrowed until the next call. */
const dl_web_session_t *dl_web_session_find(dl_web_sessions_t *s, const char *cookies, const char *name,
                                            const char *proof, int64_t now);
size_t dl_web_sessions_count(const dl_web_sessions_t *s);

#endif
