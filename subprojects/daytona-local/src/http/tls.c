/* SPDX-License-Identifier: Apache-2.0
 *
 * One connection: decrypted bytes go to `inner`, bytes from `inner` are encrypted. A block at a time
 * is under way in each direction, so back-pressure passes through. When the daemon's side ends, what
 * it sent is delivered, then the client is told; when the client ends, the daemon's side reads an end.
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

struct dl_tls {
  uv_loop_t *loop;
  gnutls_certificate_credentials_t credentials;
  bool wants_client_certificate, is_closing;
  dl_list connections;
  struct connection **by_plain; /* indexed by descriptor */
  size_t by_plain_count, alive;
  void (*on_closed)(void *user);
  void *user;
};

typedef struct connection {
  dl_list link;
  dl_tls *tls;
  gnutls_session_t session;
  uv_poll_t outer, inner;
  uv_timer_t linger;
  int open_handles, outer_fd, inner_fd, plain_fd, outer_watch, inner_watch;
  char *to_inner; /* what `inner` did not take; NULL: nothing */
  size_t to_inner_at, to_inner_len;
  bool is_ready;       /* the handshake is done */
  bool is_sending;     /* the library holds a record that the client did not take */
  bool client_ended, inner_ended, has_said_bye, has_hung_up, is_over;
} connection;

static char block[BLOCK]; /* one loop; bytes do not stay in it */

/* ---- the end ---- */

static void maybe_free_tls(dl_tls *t) {
  if (!t->is_closing || t->alive > 0) return;
  gnutls_certificate_free_credentials(t->credentials);
  free(t->by_plain);
  void (*on_closed)(void *) = t->on_closed;
  void *user = t->user;
  free(t);
  on_closed(user);
}

static void on_handle_closed(uv_handle_t *handle) {
  connection *c = handle->data;
  if (--c->open_handles > 0) return;
  dl_tls *t = c->tls;
  gnutls_deinit(c->session);
  free(c->to_inner);
  free(c);
  t->alive--;
  maybe_free_tls(t);
}

static void end(connection *c) {
  if (c->is_over) return;
  c->is_over = true;
  dl_list_unlink(&c->link);
  if (c->tls->by_plain[c->plain_fd] == c) c->tls->by_plain[c->plain_fd] = NULL;
  uv_close((uv_handle_t *)&c->outer, on_handle_closed);
  uv_close((uv_handle_t *)&c->inner, on_handle_closed);
  uv_close((uv_handle_t *)&c->linger, on_handle_closed);
  /* Somebody may hold a duplicate of it for a while. */
  shutdown(c->outer_fd, SHUT_RDWR);
  close(c->outer_fd);
  close(c->inner_fd);
}

static void on_linger_over(uv_timer_t *timer) { end(timer->data); }

/* ---- towards the daemon ---- */

/* False: it takes nothing now. */
static bool flush_inner(connection *c) {
  while (c->to_inner != NULL) {
    ssize_t sent = send(c->inner_fd, c->to_inner + c->to_inner_at, c->to_inner_len - c->to_inner_at, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == EAGAIN) return false;
    /* Nobody reads any more: what the client still says is dropped. */
    c->to_inner_at = sent < 0 ? c->to_inner_len : c->to_inner_at + (size_t)sent;
    if (c->to_inner_at < c->to_inner_len) continue;
    free(c->to_inner);
    c->to_inner = NULL;
  }
  return true;
}

static void decrypt(connection *c) {
  for (int i = 0; !c->is_over && !c->client_ended && flush_inner(c); i++) {
    /* What the library has read already shows on no socket. */
    if (i >= ROUNDS && gnutls_record_check_pending(c->session) == 0) return;
    ssize_t got = gnutls_record_recv(c->session, block, sizeof block);
    if (got == GNUTLS_E_AGAIN) return;
    if (got == GNUTLS_E_INTERRUPTED || got == GNUTLS_E_WARNING_ALERT_RECEIVED) continue;
    if (got > 0) {
      c->to_inner = dl_xmalloc((size_t)got);
      memcpy(c->to_inner, block, (size_t)got);
      c->to_inner_at = 0;
      c->to_inner_len = (size_t)got;
    } else if (got == 0 || got == GNUTLS_E_PREMATURE_TERMINATION) {
      c->client_ended = true;
      shutdown(c->inner_fd, SHUT_WR);
    } else {
      end(c);
    }
  }
}

/* ---- towards the client ---- */

static void say_bye(connection *c) {
  if (gnutls_bye(c->session, GNUTLS_SHUT_WR) == GNUTLS_E_AGAIN) return;
  c->has_said_bye = true;
  if (c->client_ended) {
    end(c);
    return;
  }
  shutdown(c->outer_fd, SHUT_WR);
  uv_timer_start(&c->linger, on_linger_over, LINGER_MS, 0);
}

/* Empty `bytes`: go on with the record that is under way. False: not for now. */
static bool send_record(connection *c, const char *bytes, size_t len) {
  ssize_t sent;
  do sent = gnutls_record_send(c->session, bytes, len);
  while (sent == GNUTLS_E_INTERRUPTED);
  c->is_sending = sent == GNUTLS_E_AGAIN;
  if (sent < 0 && !c->is_sending) end(c);
  return sent >= 0;
}

static void encrypt(connection *c) {
  if (c->is_sending && !send_record(c, NULL, 0)) return;
  for (int i = 0; i < ROUNDS && !c->inner_ended; i++) {
    ssize_t got = recv(c->inner_fd, block, sizeof block, MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) c->inner_ended = true;
    else if (!send_record(c, block, (size_t)got)) return;
  }
  if (c->inner_ended && !c->has_said_bye) say_bye(c);
}

/* ---- events ---- */

static void on_outer(uv_poll_t *poll, int status, int events);
static void on_inner(uv_poll_t *poll, int status, int events);

static void set_watch(uv_poll_t *poll, int *have, int want, uv_poll_cb cb) {
  if (*have == want) return;
  *have = want;
  if (want != 0) uv_poll_start(poll, want, cb);
  else uv_poll_stop(poll);
}

static void watch(connection *c) {
  if (c->is_over) return;
  int outer = c->has_hung_up ? 0 : UV_DISCONNECT, inner = 0;
  if (!c->is_ready) {
    outer |= gnutls_record_get_direction(c->session) ? UV_WRITABLE : UV_READABLE;
  } else {
    if (!c->client_ended && c->to_inner == NULL) outer |= UV_READABLE;
    if (c->is_sending || (c->inner_ended && !c->has_said_bye)) outer |= UV_WRITABLE;
  }
  if (c->to_inner != NULL) inner |= UV_WRITABLE;
  if (!c->inner_ended && !c->is_sending) inner |= UV_READABLE;
  set_watch(&c->outer, &c->outer_watch, outer, on_outer);
  set_watch(&c->inner, &c->inner_watch, inner, on_inner);
}

static void advance(connection *c) {
  if (!c->is_ready) {
    int rc = gnutls_handshake(c->session);
    c->is_ready = rc == 0;
    if (rc != 0 && gnutls_error_is_fatal(rc)) {
      gnutls_alert_send_appropriate(c->session, rc); /* as far as it goes at once */
      end(c);
      return;
    }
  }
  if (c->is_ready) decrypt(c);
  if (c->is_ready && !c->is_over) encrypt(c);
  watch(c);
}

static void on_outer(uv_poll_t *poll, int status, int events) {
  connection *c = poll->data;
  if (events & UV_DISCONNECT) c->has_hung_up = true; /* reading tells the rest */
  if (status < 0) c->outer_watch = 0; /* libuv has stopped it; the socket itself says what is wrong */
  int error = 0;
  socklen_t len = sizeof error;
  getsockopt(c->outer_fd, SOL_SOCKET, SO_ERROR, &error, &len);
  if (error != 0 || (status < 0 && c->to_inner != NULL)) end(c);
  else advance(c);
}

static void on_inner(uv_poll_t *poll, int status, int events) {
  connection *c = poll->data;
  (void)events;
  if (status < 0) c->inner_watch = 0;
  if (c->is_ready) {
    advance(c);
    return;
  }
  end(c); /* the daemon has lost patience before there was a request */
}

/* ---- the start ---- */

/* With a client CA the handshake itself fails for a client that shows no certificate of it. */
static int verify_client(gnutls_session_t session) {
  unsigned status = 0;
  if (gnutls_certificate_verify_peers2(session, &status) != 0) return GNUTLS_E_CERTIFICATE_ERROR;
  return status == 0 ? 0 : GNUTLS_E_CERTIFICATE_ERROR;
}

static int open_session(connection *c) {
  static const gnutls_datum_t protocols[] = {{(unsigned char *)"http/1.1", 8}};
  int rc = gnutls_init(&c->session, GNUTLS_SERVER | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL);
  if (rc != 0) return rc;
  gnutls_priority_set_direct(c->session, "NORMAL", NULL);
  gnutls_credentials_set(c->session, GNUTLS_CRD_CERTIFICATE, c->tls->credentials);
  gnutls_alpn_set_protocols(c->session, protocols, 1, 0);
  gnutls_transport_set_int(c->session, c->outer_fd);
  if (!c->tls->wants_client_certificate) return 0;
  gnutls_certificate_server_set_request(c->session, GNUTLS_CERT_REQUIRE);
  gnutls_session_set_verify_function(c->session, verify_client);
  return 0;
}

static void remember(dl_tls *t, connection *c) {
  size_t need = (size_t)c->plain_fd + 1;
  if (need > t->by_plain_count) {
    t->by_plain = dl_xrealloc(t->by_plain, 2 * need * sizeof *t->by_plain);
    memset(t->by_plain + t->by_plain_count, 0, (2 * need - t->by_plain_count) * sizeof *t->by_plain);
    t->by_plain_count = 2 * need;
  }
  t->by_plain[c->plain_fd] = c;
}

int dl_tls_accept(dl_tls *t, int fd) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) != 0) {
    close(fd);
    return -1;
  }
  connection *c = dl_xcalloc(1, sizeof *c);
  *c = (connection){.tls = t, .outer_fd = fd, .inner_fd = pair[0], .plain_fd = pair[1]};
  if (open_session(c) != 0) {
    close(fd);
    close(pair[0]);
    close(pair[1]);
    free(c);
    return -1;
  }
  uv_poll_init_socket(t->loop, &c->outer, fd);
  uv_poll_init_socket(t->loop, &c->inner, pair[0]);
  uv_timer_init(t->loop, &c->linger);
  c->outer.data = c->inner.data = c->linger.data = c;
  c->open_handles = 3;
  t->alive++;
  dl_list_push(&t->connections, &c->link);
  remember(t, c);
  watch(c);
  return pair[1];
}

int dl_tls_wire(const dl_tls *t, int plain_fd) {
  if (t == NULL || plain_fd < 0 || (size_t)plain_fd >= t->by_plain_count || t->by_plain[plain_fd] == NULL) return -1;
  return t->by_plain[plain_fd]->outer_fd;
}

dl_tls *dl_tls_new(uv_loop_t *loop, const char *cert_pem, const char *key_pem, const char *client_ca_pem) {
  gnutls_datum_t cert = {(unsigned char *)cert_pem, (unsigned)strlen(cert_pem)};
  gnutls_datum_t key = {(unsigned char *)key_pem, (unsigned)strlen(key_pem)};
  dl_tls *t = dl_xcalloc(1, sizeof *t);
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

/* The daemon's side is over, and has been heard as far as it goes without waiting. */
void dl_tls_close(dl_tls *t, void (*on_closed)(void *user), void *user) {
  t->is_closing = true;
  t->on_closed = on_closed;
  t->user = user;
  t->alive++; /* ourselves, so that the end is told once */
  DL_LIST_EACH_SAFE(&t->connections, node, after) {
    connection *c = DL_CONTAINER(node, connection, link);
    if (c->is_ready) encrypt(c);
    end(c);
  }
  t->alive--;
  maybe_free_tls(t);
}
