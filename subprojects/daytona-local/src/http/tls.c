/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection: decrypted bytes go to `inner`, bytes from `inner` are encrypted. A block at a time
 * is under way in each direction, so back-pressure passes through. When the daemon's side ends, what
 * it sent is delivered, then the end is reported to the client; when the client ends, the daemon's side reads an end.
 *
 * handshake -> ready -> over, or from both through refused: an alert tells the client why, and what it
 * still sends is dropped for a while, since closing with unread bytes would destroy the alert.
 */
#include "http/tls.h"

#include "base/list.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BLOCK 16384
#define ROUNDS 8
#define LINGER_MS 1000 /* for the client's own end after ours */
#define STUCK_MS 30000 /* for a client to take something, once the daemon's side has ended */
/* RFC 8996 leaves nothing below. */
#define PRIORITIES "NORMAL:-VERS-TLS1.1:-VERS-TLS1.0"

struct dl_tls {
  uv_loop_t *loop;
  gnutls_certificate_credentials_t credentials;
  bool wants_client_certificate, is_closing;
  dl_list_t connections;
  struct connection **by_plain; /* indexed by descriptor */
  size_t by_plain_count, alive;
  void (*on_closed)(void *user);
  void *user;
};

/* What one side did not take; NULL: nothing. */
typedef struct {
  char *bytes;
  size_t at, len;
} held_t;

typedef struct connection {
  dl_list_t link;
  dl_tls_t *tls;
  gnutls_session_t session;
  uv_poll_t outer, inner;
  uv_timer_t limit;
  int open_handles, outer_fd, inner_fd, plain_fd, outer_watch, inner_watch;
  held_t to_inner, to_client; /* of the latter the library may have encrypted a part */
  bool is_ready;              /* the handshake is done */
  bool is_refused;
  bool client_hung_up, inner_hung_up; /* no more will come; what is on its way is still to be read */
  bool is_cut_off; /* the client's bytes ended, not necessarily with the word of TLS for it */
  bool client_ended, inner_ended, has_said_bye, is_over;
} connection_t;

static char block[BLOCK]; /* one loop; bytes do not stay in it */

/* --- the end --- */

static void maybe_free_tls(dl_tls_t *t) {
  if (!t->is_closing || t->alive > 0) return;
  gnutls_certificate_free_credentials(t->credentials);
  free(t->by_plain);
  void (*on_closed)(void *) = t->on_closed;
  void *user = t->user;
  free(t);
  on_closed(user);
}

static void on_handle_closed(uv_handle_t *handle) {
  connection_t *c = handle->data;
  if (--c->open_handles > 0) return;
  dl_tls_t *t = c->tls;
  gnutls_deinit(c->session);
  free(c->to_inner.bytes);
  free(c->to_client.bytes);
  free(c);
  t->alive--;
  maybe_free_tls(t);
}

static void end(connection_t *c) {
  if (c->is_over) return;
  c->is_over = true;
  dl_list_unlink(&c->link);
  if (c->tls->by_plain[c->plain_fd] == c) c->tls->by_plain[c->plain_fd] = NULL;
  uv_close((uv_handle_t *)&c->outer, on_handle_closed);
  uv_close((uv_handle_t *)&c->inner, on_handle_closed);
  uv_close((uv_handle_t *)&c->limit, on_handle_closed);
  /* Somebody may hold a duplicate of it for a while. */
  shutdown(c->outer_fd, SHUT_RDWR);
  close(c->outer_fd);
  close(c->inner_fd);
}

static void on_limit(uv_timer_t *timer) { end(timer->data); }

static void refuse(connection_t *c, int why) {
  dl_debug("tls: %s", gnutls_strerror_name(why));
  /* As far as it goes at once. For no certificate the library has a word in TLS 1.3 only. */
  if (why == GNUTLS_E_NO_CERTIFICATE_FOUND)
    gnutls_alert_send(c->session, GNUTLS_AL_FATAL, GNUTLS_A_HANDSHAKE_FAILURE);
  else
    gnutls_alert_send_appropriate(c->session, why);
  c->is_refused = true;
  shutdown(c->inner_fd, SHUT_RDWR);
  shutdown(c->outer_fd, SHUT_WR);
  uv_timer_start(&c->limit, on_limit, LINGER_MS, 0);
}

static void drop_what_comes(connection_t *c) {
  for (int i = 0; i < ROUNDS; i++) {
    ssize_t got = recv(c->outer_fd, block, sizeof block, MSG_DONTWAIT);
    if (got > 0 || (got < 0 && errno == EINTR)) continue;
    if (got == 0 || errno != EAGAIN) end(c);
    return;
  }
}

/* --- what is held --- */

static void hold(held_t *h, const char *bytes, size_t len) {
  if (len == 0) return;
  *h = (held_t){.bytes = dl_xmalloc(len), .len = len};
  memcpy(h->bytes, bytes, len);
}

static void let_go(held_t *h, size_t count) {
  h->at += count;
  if (h->at < h->len) return;
  free(h->bytes);
  *h = (held_t){0};
}

/* --- towards the daemon --- */

/* The library may not see an end without the word of TLS for it: it would write nothing any more, and clients that
 * only send no more want their answer. */
static ssize_t pull(gnutls_transport_ptr_t user, void *out, size_t max) {
  connection_t *c = user;
  ssize_t got = recv(c->outer_fd, out, max, MSG_DONTWAIT);
  if (got != 0) {
    if (got < 0) gnutls_transport_set_errno(c->session, errno);
    return got;
  }
  c->is_cut_off = true;
  gnutls_transport_set_errno(c->session, EAGAIN);
  return -1;
}

/* Returns how much it takes now. */
static size_t send_inner(connection_t *c, const char *bytes, size_t len) {
  size_t taken = 0;
  while (taken < len) {
    ssize_t sent = send(c->inner_fd, bytes + taken, len - taken, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN) break;
    /* Nobody reads any more: what the client still says is dropped. */
    taken = sent < 0 ? len : taken + (size_t)sent;
  }
  return taken;
}

static void decrypt(connection_t *c) {
  held_t *h = &c->to_inner;
  if (h->bytes != NULL) let_go(h, send_inner(c, h->bytes + h->at, h->len - h->at));
  for (int i = 0; !c->client_ended && h->bytes == NULL; i++) {
    /* What the library has read already shows on no socket. */
    if (i >= ROUNDS && gnutls_record_check_pending(c->session) == 0) return;
    ssize_t got = gnutls_record_recv(c->session, block, sizeof block);
    if (got == GNUTLS_E_AGAIN && !c->is_cut_off) return;
    if (got == GNUTLS_E_INTERRUPTED || got == GNUTLS_E_WARNING_ALERT_RECEIVED) continue;
    if (got > 0) {
      size_t taken = send_inner(c, block, (size_t)got);
      hold(h, block + taken, (size_t)got - taken);
    } else if (got == 0 || c->is_cut_off) {
      c->client_ended = true;
      shutdown(c->inner_fd, SHUT_WR);
      if (c->has_said_bye) end(c);
    } else {
      if (got == GNUTLS_E_PULL_ERROR || got == GNUTLS_E_FATAL_ALERT_RECEIVED)
        end(c);
      else
        refuse(c, (int)got);
      return;
    }
  }
}

/* --- towards the client --- */

static void say_bye(connection_t *c) {
  if (gnutls_bye(c->session, GNUTLS_SHUT_WR) == GNUTLS_E_AGAIN) return;
  c->has_said_bye = true;
  if (c->client_ended) {
    end(c);
    return;
  }
  shutdown(c->outer_fd, SHUT_WR);
  uv_timer_start(&c->limit, on_limit, LINGER_MS, 0);
}

/* Returns how much the client takes now, in as many records as it takes. The rest must be offered again as it is. */
static size_t send_client(connection_t *c, const char *bytes, size_t len) {
  size_t taken = 0, max = gnutls_record_get_max_size(c->session); /* with TLS 1.2 the library forgets it */
  while (taken < len) {
    ssize_t sent = gnutls_record_send(c->session, bytes + taken, len - taken < max ? len - taken : max);
    if (sent == GNUTLS_E_INTERRUPTED) continue;
    if (sent < 0) {
      if (sent != GNUTLS_E_AGAIN) end(c);
      break;
    }
    taken += (size_t)sent;
  }
  if (taken > 0 && c->inner_hung_up && !c->is_over) uv_timer_start(&c->limit, on_limit, STUCK_MS, 0);
  return taken;
}

static void encrypt(connection_t *c) {
  held_t *h = &c->to_client;
  if (h->bytes != NULL) let_go(h, send_client(c, h->bytes + h->at, h->len - h->at));
  for (int i = 0; i < ROUNDS && !c->is_over && !c->inner_ended && h->bytes == NULL; i++) {
    ssize_t got = recv(c->inner_fd, block, sizeof block, MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
      c->inner_ended = true;
    } else {
      size_t taken = send_client(c, block, (size_t)got);
      hold(h, block + taken, (size_t)got - taken);
    }
  }
  if (!c->is_over && c->inner_ended && !c->has_said_bye) say_bye(c);
}

/* --- events --- */

static void on_outer(uv_poll_t *poll, int status, int events);
static void on_inner(uv_poll_t *poll, int status, int events);

static void set_watch(uv_poll_t *poll, int *have, int want, uv_poll_cb cb) {
  if (*have == want) return;
  *have = want;
  if (want != 0)
    uv_poll_start(poll, want, cb);
  else
    uv_poll_stop(poll);
}

static void watch(connection_t *c) {
  if (c->is_over) return;
  int outer = c->client_hung_up ? 0 : UV_DISCONNECT, inner = c->inner_hung_up ? 0 : UV_DISCONNECT;
  if (c->is_refused) {
    outer = UV_READABLE;
    inner = 0;
  } else if (!c->is_ready) {
    outer |= gnutls_record_get_direction(c->session) ? UV_WRITABLE : UV_READABLE;
  } else {
    if (!c->client_ended && c->to_inner.bytes == NULL) outer |= UV_READABLE;
    if (c->to_client.bytes != NULL || (c->inner_ended && !c->has_said_bye)) outer |= UV_WRITABLE;
    if (c->to_inner.bytes != NULL) inner |= UV_WRITABLE;
    if (!c->inner_ended && c->to_client.bytes == NULL) inner |= UV_READABLE;
  }
  set_watch(&c->outer, &c->outer_watch, outer, on_outer);
  set_watch(&c->inner, &c->inner_watch, inner, on_inner);
}

static void shake_hands(connection_t *c) {
  int rc;
  do rc = gnutls_handshake(c->session);
  while (rc == GNUTLS_E_INTERRUPTED || rc == GNUTLS_E_WARNING_ALERT_RECEIVED);
  c->is_ready = rc == 0;
  if (rc != 0 && gnutls_error_is_fatal(rc))
    refuse(c, rc);
  else if (rc != 0 && c->is_cut_off)
    end(c);
}

static void advance(connection_t *c) {
  if (!c->is_ready) shake_hands(c);
  if (c->is_ready) decrypt(c);
  if (c->is_ready && !c->is_over && !c->is_refused) encrypt(c);
  watch(c);
}

static void on_outer(uv_poll_t *poll, int status, int events) {
  connection_t *c = poll->data;
  if (events & UV_DISCONNECT) c->client_hung_up = true;
  if (status < 0) c->outer_watch = 0; /* libuv has stopped it; the socket itself says what is wrong */
  int error = 0;
  socklen_t len = sizeof error;
  getsockopt(c->outer_fd, SOL_SOCKET, SO_ERROR, &error, &len);
  if (error != 0 || (status < 0 && c->to_inner.bytes != NULL))
    end(c);
  else if (c->is_refused)
    drop_what_comes(c);
  else
    advance(c);
}

static void on_inner(uv_poll_t *poll, int status, int events) {
  connection_t *c = poll->data;
  if (status < 0) c->inner_watch = 0;
  if (!c->is_ready) {
    end(c); /* the daemon has lost patience before there was a request */
    return;
  }
  if (((events & UV_DISCONNECT) || status < 0) && !c->inner_hung_up) {
    c->inner_hung_up = true;
    if (!c->has_said_bye) uv_timer_start(&c->limit, on_limit, STUCK_MS, 0);
  }
  advance(c);
}

/* --- the start --- */

/* With a client CA the handshake itself fails for a client that shows no certificate of it. */
static int verify_client(gnutls_session_t session) {
  unsigned status = 0;
  if (gnutls_certificate_verify_peers2(session, &status) != 0) return GNUTLS_E_CERTIFICATE_ERROR;
  return status == 0 ? 0 : GNUTLS_E_CERTIFICATE_ERROR;
}

static int open_session(connection_t *c) {
  static const gnutls_datum_t protocols[] = {{(unsigned char *)"http/1.1", 8}};
  int rc = gnutls_init(&c->session, GNUTLS_SERVER | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL);
  if (rc != 0) return rc;
  gnutls_priority_set_direct(c->session, PRIORITIES, NULL);
  gnutls_credentials_set(c->session, GNUTLS_CRD_CERTIFICATE, c->tls->credentials);
  gnutls_alpn_set_protocols(c->session, protocols, 1, 0);
  gnutls_transport_set_ptr2(c->session, c, (void *)(intptr_t)c->outer_fd);
  gnutls_transport_set_pull_function(c->session, pull);
  if (!c->tls->wants_client_certificate) return 0;
  gnutls_certificate_server_set_request(c->session, GNUTLS_CERT_REQUIRE);
  gnutls_session_set_verify_function(c->session, verify_client);
  return 0;
}

static void remember(dl_tls_t *t, connection_t *c) {
  size_t need = (size_t)c->plain_fd + 1;
  if (need > t->by_plain_count) {
    t->by_plain = dl_xrealloc(t->by_plain, 2 * need * sizeof *t->by_plain);
    memset(t->by_plain + t->by_plain_count, 0, (2 * need - t->by_plain_count) * sizeof *t->by_plain);
    t->by_plain_count = 2 * need;
  }
  t->by_plain[c->plain_fd] = c;
}

int dl_tls_accept(dl_tls_t *t, int fd) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) != 0) {
    close(fd);
    return -1;
  }
  connection_t *c = dl_xcalloc(1, sizeof *c);
  *c = (connection_t){.tls = t, .outer_fd = fd, .inner_fd = pair[0], .plain_fd = pair[1]};
  if (open_session(c) != 0) {
    close(fd);
    close(pair[0]);
    close(pair[1]);
    free(c);
    return -1;
  }
  uv_poll_init_socket(t->loop, &c->outer, fd);
  uv_poll_init_socket(t->loop, &c->inner, pair[0]);
  uv_timer_init(t->loop, &c->limit);
  c->outer.data = c->inner.data = c->limit.data = c;
  c->open_handles = 3;
  t->alive++;
  dl_list_push(&t->connections, &c->link);
  remember(t, c);
  watch(c);
  return pair[1];
}

int dl_tls_wire(const dl_tls_t *t, int plain_fd) {
  if (t == NULL || plain_fd < 0 || (size_t)plain_fd >= t->by_plain_count || t->by_plain[plain_fd] == NULL)
    return -1;
  return t->by_plain[plain_fd]->outer_fd;
}

dl_tls_t *dl_tls_new(uv_loop_t *loop, const char *cert_pem, const char *key_pem, const char *client_ca_pem) {
  gnutls_datum_t cert = {(unsigned char *)cert_pem, (unsigned)strlen(cert_pem)};
  gnutls_datum_t key = {(unsigned char *)key_pem, (unsigned)strlen(key_pem)};
  dl_tls_t *t = dl_xcalloc(1, sizeof *t);
  t->loop = loop;
  t->wants_client_certificate = client_ca_pem != NULL;
  dl_list_init(&t->connections);
  bool ok = gnutls_certificate_allocate_credentials(&t->credentials) == 0;
  if (!ok) t->credentials = NULL;
  ok = ok && gnutls_certificate_set_x509_key_mem(t->credentials, &cert, &key, GNUTLS_X509_FMT_PEM) == 0;
  if (ok && client_ca_pem != NULL) {
    gnutls_datum_t ca = {(unsigned char *)client_ca_pem, (unsigned)strlen(client_ca_pem)};
    ok = gnutls_certificate_set_x509_trust_mem(t->credentials, &ca, GNUTLS_X509_FMT_PEM) > 0;
  }
  if (ok) return t;
  if (t->credentials != NULL) gnutls_certificate_free_credentials(t->credentials);
  free(t);
  return NULL;
}

/* The daemon's side is over, and was read as far as it goes without waiting. */
void dl_tls_close(dl_tls_t *t, void (*on_closed)(void *user), void *user) {
  t->is_closing = true;
  t->on_closed = on_closed;
  t->user = user;
  t->alive++; /* ourselves, so that the end is reported once */
  DL_LIST_EACH_SAFE(&t->connections, node, after) {
    connection_t *c = DL_CONTAINER(node, connection_t, link);
    if (c->is_ready && !c->is_refused) encrypt(c);
    end(c);
  }
  t->alive--;
  maybe_free_tls(t);
}

const struct dl_tls_functions DL_TLS = {
  .open = dl_tls_new, .close = dl_tls_close, .accept = dl_tls_accept, .wire = dl_tls_wire};
