/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS connections on mbedTLS; see tls.h.
 *
 * mbedTLS is fed and emptied by two callbacks that never block: reading gives what the layer below has
 * and else WANT_READ; writing always takes everything, because the queue behind it is bounded by the code that
 * asks for the write. So there is no half-written record to be offered again.
 *
 * A target that is an IP address: mbedTLS before 3.5 compares names only, so the address is looked for in
 * the certificate by a callback of our own, in all versions alike, and no server name is sent. Names are looked at by
 * the same callback, besides mbedTLS, whose wildcards may stand for too much.
 */
#include "net/tls.h"

#include <assert.h>
#include <mbedtls/error.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <uv.h>

#include "core/memory.h"
#include "net/tls_impl.h"

/* The types of a dNSName and an iPAddress in a subject alternative name (RFC 5280 4.2.1.6), below the class bits. */
#define SAN_DNS_NAME 2
#define SAN_IP_ADDRESS 7

struct daytona__tls {
  daytona__tls_ctx_t *ctx;
  daytona__tls_anchors_t *anchors; /* of the time when it began */
  daytona__tls_io_t io;
  mbedtls_ssl_context ssl;
  bool is_established;
  bool is_starved; /* the layer below had nothing when it was last asked */
  int port;
  int push_code; /* why the layer below did not take bytes */
  unsigned char address[16];
  size_t address_size; /* 0: the target is a name */
  int code;
  char *host;
  char message[200];
};

/* --- mbedTLS's callbacks ----------------------------------------------------------------------- */

static int on_send(void *user, const unsigned char *bytes, size_t size) {
  daytona__tls_t *tls = user;
  tls->push_code = tls->io.push(tls->io.user, bytes, size);
  if (tls->push_code != 0) return MBEDTLS_ERR_SSL_INTERNAL_ERROR;
  return (int)size;
}

static int on_receive(void *user, unsigned char *buffer, size_t size) {
  daytona__tls_t *tls = user;
  ptrdiff_t got = tls->io.pull(tls->io.user, buffer, size);
  tls->is_starved = got == 0;
  if (got > 0) return (int)got;
  return got == 0 ? MBEDTLS_ERR_SSL_WANT_READ : 0; /* 0 is the end, for mbedTLS */
}

static bool has_address(const mbedtls_x509_crt *certificate, const daytona__tls_t *tls) {
  for (const mbedtls_x509_sequence *name = &certificate->subject_alt_names; name != NULL; name = name->next)
    if ((name->buf.tag & 0x1f) == SAN_IP_ADDRESS && name->buf.len == tls->address_size &&
        memcmp(name->buf.p, tls->address, tls->address_size) == 0)
      return true;
  return false;
}

/*
 * Whether a name of a certificate is the target's. "*" stands for one label in front of two or more: mbedTLS would take
 * "*.localhost" or "*.com", libcurl does not.
 */
static bool is_name_of(const mbedtls_x509_buf *name, const char *host) {
  const char *text = (const char *)name->p, *rest = host;
  size_t size = name->len;
  if (size > 2 && text[0] == '*' && text[1] == '.') {
    rest = strchr(host, '.');
    if (rest == NULL || rest == host || memchr(text + 2, '.', size - 2) == NULL) return false;
    text++;
    size--;
  }
  return strlen(rest) == size && strncasecmp(rest, text, size) == 0;
}

/* As libcurl and mbedTLS look: the common name only where there is no alternative name. */
static bool has_name(const mbedtls_x509_crt *certificate, const char *host) {
  static const char common_name[] = "\x55\x04\x03"; /* 2.5.4.3 */
  if (certificate->subject_alt_names.buf.p != NULL) {
    for (const mbedtls_x509_sequence *name = &certificate->subject_alt_names; name != NULL; name = name->next)
      if ((name->buf.tag & 0x1f) == SAN_DNS_NAME && is_name_of(&name->buf, host)) return true;
    return false;
  }
  for (const mbedtls_x509_name *name = &certificate->subject; name != NULL; name = name->next)
    if (name->oid.len == sizeof common_name - 1 && memcmp(name->oid.p, common_name, name->oid.len) == 0 &&
        is_name_of(&name->val, host))
      return true;
  return false;
}

static int on_verify(void *user, mbedtls_x509_crt *certificate, int depth, uint32_t *flags) {
  const daytona__tls_t *tls = user;
  if (depth != 0) return 0;
  bool is_ours = tls->address_size != 0 ? has_address(certificate, tls) : has_name(certificate, tls->host);
  if (!is_ours) *flags |= MBEDTLS_X509_BADCERT_CN_MISMATCH;
  return 0;
}

/* --- failures ---------------------------------------------------------------------------------- */

/* Note what went wrong: the reasons why a certificate was refused, or mbedTLS's text. */
static int fail(daytona__tls_t *tls, int error) {
  tls->code = tls->push_code != 0 ? tls->push_code : daytona__tls_map(error);
  if (error == MBEDTLS_ERR_X509_CERT_VERIFY_FAILED) {
    char reasons[160];
    mbedtls_x509_crt_verify_info(reasons, sizeof reasons, "", mbedtls_ssl_get_verify_result(&tls->ssl));
    reasons[strcspn(reasons, "\n")] = '\0';
    snprintf(tls->message, sizeof tls->message, "the server's certificate was refused: %s", reasons);
  } else if (error == MBEDTLS_ERR_SSL_CONN_EOF) {
    snprintf(tls->message, sizeof tls->message, "the connection ended during the TLS handshake");
  } else {
    char reason[128];
    mbedtls_strerror(error, reason, sizeof reason);
    snprintf(tls->message, sizeof tls->message, "%s", reason);
  }
  return tls->code;
}

int daytona__tls_code(const daytona__tls_t *tls) { return tls->code; }
const char *daytona__tls_message(const daytona__tls_t *tls) { return tls->message; }

/* --- life -------------------------------------------------------------------------------------- */

/* Name or address to verify. The name is set in every case: some versions skip the check otherwise. */
static int set_peer(daytona__tls_t *tls) {
  if (uv_inet_pton(AF_INET, tls->host, tls->address) == 0)
    tls->address_size = 4;
  else if (uv_inet_pton(AF_INET6, tls->host, tls->address) == 0)
    tls->address_size = 16;
  if (!tls->ctx->options.is_unverified) mbedtls_ssl_set_verify(&tls->ssl, on_verify, tls);
  return mbedtls_ssl_set_hostname(&tls->ssl, tls->address_size == 0 ? tls->host : NULL);
}

int daytona__tls_new(daytona__tls_ctx_t *ctx, const char *host, int port, const daytona__tls_io_t *io,
                     daytona__tls_t **out) {
  daytona__tls_t *tls = daytona__calloc(1, sizeof *tls);
  if (tls == NULL) return DAYTONA_ENOMEM;
  tls->ctx = ctx;
  tls->anchors = daytona__tls_anchors_retain(ctx->anchors);
  tls->io = *io;
  tls->port = port;
  mbedtls_ssl_init(&tls->ssl);
  size_t size = strlen(host);
  if (size > 1 && host[size - 1] == '.')
    size--; /* "localhost." is a way to write localhost, in no certificate */
  tls->host = daytona__strndup(host, size);
  int status =
    tls->host != NULL ? mbedtls_ssl_setup(&tls->ssl, &tls->anchors->conf) : MBEDTLS_ERR_SSL_ALLOC_FAILED;
  if (status == 0) status = set_peer(tls);
  if (status != 0) {
    daytona__tls_free(tls);
    return daytona__tls_map(status);
  }
  const mbedtls_ssl_session *session = daytona__tls_session_find(ctx, tls->host, port);
  if (session != NULL) mbedtls_ssl_set_session(&tls->ssl, session); /* a failure: a full handshake */
  mbedtls_ssl_set_bio(&tls->ssl, tls, on_send, on_receive, NULL);
  *out = tls;
  return 0;
}

void daytona__tls_free(daytona__tls_t *tls) {
  if (tls == NULL) return;
  mbedtls_ssl_free(&tls->ssl);
  daytona__tls_anchors_release(tls->anchors);
  daytona__free(tls->host);
  daytona__free(tls);
}

/* --- traffic ----------------------------------------------------------------------------------- */

/*
 * mbedTLS says WANT_READ also to be called again at once, after a message that was not for us. Whether
 * there is really nothing to read is what the layer below said.
 */
static bool wants_again(const daytona__tls_t *tls, int status) {
  return status == MBEDTLS_ERR_SSL_WANT_READ && !tls->is_starved;
}

/* Not one that was verified by certificates that have been replaced. */
static void keep_session(daytona__tls_t *tls) {
  if (tls->anchors == tls->ctx->anchors) daytona__tls_session_keep(tls->ctx, tls->host, tls->port, &tls->ssl);
}

int daytona__tls_handshake(daytona__tls_t *tls) {
  int status;
  do {
    tls->is_starved = false;
    status = mbedtls_ssl_handshake(&tls->ssl);
  } while (wants_again(tls, status));
  if (status == MBEDTLS_ERR_SSL_WANT_READ) return 0;
  if (status != 0) {
    daytona__trust_doubt(&tls->ctx->trust);
    return fail(tls, status);
  }
  tls->is_established = true;
#if DAYTONA__MBEDTLS_3
  if (mbedtls_ssl_get_version_number(&tls->ssl) == MBEDTLS_SSL_VERSION_TLS1_3) return 1;
#endif
  keep_session(tls);
  return 1;
}

ptrdiff_t daytona__tls_read(daytona__tls_t *tls, void *buffer, size_t size) {
  for (;;) {
    tls->is_starved = false;
    int status = mbedtls_ssl_read(&tls->ssl, buffer, size);
    if (status > 0) return status;
    if (wants_again(tls, status)) continue;
    if (status == MBEDTLS_ERR_SSL_WANT_READ) return 0;
#if DAYTONA__MBEDTLS_3
    if (status == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET) {
      keep_session(tls);
      continue; /* not an error and not the end of what is there */
    }
#endif
    if (status == 0 || status == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY || status == MBEDTLS_ERR_SSL_CONN_EOF)
      return DAYTONA__TLS_END;
    fail(tls, status);
    return DAYTONA__TLS_FAIL;
  }
}

int daytona__tls_write(daytona__tls_t *tls, const void *bytes, size_t size) {
  const unsigned char *at = bytes;
  assert(tls->is_established);
  while (size != 0) {
    int status = mbedtls_ssl_write(&tls->ssl, at, size);
#if DAYTONA__MBEDTLS_3
    if (status == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET) continue;
#endif
    if (status < 0) return fail(tls, status);
    at += status;
    size -= (size_t)status;
  }
  return 0;
}

void daytona__tls_close_notify(daytona__tls_t *tls) {
  if (tls->is_established && tls->code == 0) mbedtls_ssl_close_notify(&tls->ssl);
}
