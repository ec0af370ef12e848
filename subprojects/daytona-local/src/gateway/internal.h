/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program daytona-local-ssh: the SSH protocol in front of sandboxes, see ssh/link.h.
 *
 * main takes connections and gives each a process of its own, which gives up its rights (confine); session is the life of such a process: the login, and then
 * all channels of the connection; channel is one of them; host_key is the key that clients know the gateway by. The
 * protocol itself is libssh's. What channels do happens in the sandbox (toolbox/ssh).
 */
#ifndef DL_GATEWAY_INTERNAL_H
#define DL_GATEWAY_INTERNAL_H

#include "base/buf.h"
#include "base/list.h"

#include <libssh/callbacks.h>
#include <libssh/libssh.h>
#include <libssh/server.h>
#include <poll.h>

/* --- confine --- */

/* False: it cannot, and must not go on. */
bool dl_confine(void);

/* --- host_key --- */

/* The key in `path`, which is made where there is none. NULL and *failure (yours to free). */
ssh_key dl_host_key_get(const char *path, char **failure);
/* "ssh-ed25519 AAAA...\nSHA256:...", yours to free; NULL when libssh fails. */
char *dl_host_key_text(ssh_key key);

/* --- session --- */

typedef struct dl_session {
  ssh_session ssh;
  int link_fd;      /* to the server */
  const char *from; /* "ADDRESS PORT" of the client */
  dl_list_t channels;
  size_t channel_count;
  char *farewell; /* why it ends; NULL: it does not, or the client has gone */
  bool is_over;
} dl_session_t;

/* The life of a connection. `client_fd` and `link_fd` are taken; `login_fd` gets a byte when the login has succeeded, and
 * is closed then. The login may take `login_seconds`. */
void dl_session_run(ssh_bind bind, int client_fd, int link_fd, int login_fd, unsigned login_seconds,
                    const char *from);

/* A connection to the toolbox; -1 and *failure (yours to free). */
int dl_session_connect(dl_session_t *s, char **failure);

/* --- channel --- */

typedef struct dl_channel dl_channel_t;

/* A session channel that the client has opened, not used for anything yet. NULL: libssh has refused it. */
dl_channel_t *dl_channel_new(dl_session_t *s, ssh_message open);
/* A forwarded port. `open` is taken: it is answered when the sandbox has connected, or not. */
void dl_channel_forward(dl_session_t *s, ssh_message open);
/* A request for one of them, which is answered. `request` stays the caller's. */
void dl_channel_request(dl_session_t *s, ssh_message request);
/* Moves what can be moved in both directions. True if something was; the channel may be gone afterwards. */
bool dl_channel_pump(dl_channel_t *c);
/* What it waits for. */
struct pollfd dl_channel_poll(const dl_channel_t *c);
/* Writes to the standard error of a client that sees it. */
void dl_channel_tell(dl_channel_t *c, const char *text);
void dl_channel_free(dl_channel_t *c);
dl_channel_t *dl_channel_of(dl_list_t *link);

#endif
