/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS context of a client; see tls.h.
 *
 * What connections share (trusted and own certificates, settings) is made on the thread pool, see trust.h, and
 * counted: when the files have changed, new connections get new anchors, and those that are open keep theirs. Sessions
 * are forgotten then: who resumes one is not verified again.
 */
#include <assert.h>
#include <mbedtls/error.h>
#include <mbedtls/platform.h>
#include <psa/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/random.h"
#include "net/tls_impl.h"

/* Tickets are offered for as long as servers commonly accept them; a fresh one replaces one of this age. */
#define SESSION_OFFER_MS (10 * 60 * 1000)
#define SESSION_RENEW_MS (60 * 1000)

static void session_drop(daytona__tls_session_t *slot);

/* --- PSA --------------------------------------------------------------------------------------- */

static uv_once_t psa_once = UV_ONCE_INIT;
static int psa_status;

static void init_psa(void) { psa_status = psa_crypto_init() == PSA_SUCCESS ? 0 : DAYTONA_EFAILED; }

int daytona__psa_init(void) {
  uv_once(&psa_once, init_psa);
  return psa_status;
}

/* Not PSA's: its generator belongs to the process, and threads may share it only in some builds of mbedTLS. */
int daytona__tls_random(void *unused, unsigned char *out, size_t size) {
  return daytona__random(out, size) == 0 ? 0 : MBEDTLS_ERR_SSL_INTERNAL_ERROR;
}

/* --- loading, on the pool ---------------------------------------------------------------------- */

int daytona__tls_map(int error) {
  switch (error) {
#if DAYTONA__MBEDTLS_4 /* all of them are one code of PSA */
    case PSA_ERROR_INSUFFICIENT_MEMORY: return DAYTONA_ENOMEM;
#else
    case MBEDTLS_ERR_SSL_ALLOC_FAILED:
    case MBEDTLS_ERR_X509_ALLOC_FAILED:
    case MBEDTLS_ERR_MPI_ALLOC_FAILED:
    case MBEDTLS_ERR_PK_ALLOC_FAILED: return DAYTONA_ENOMEM;
#endif
    default: return DAYTONA_ETLS;
  }
}

/* What a loading has in hand. */
typedef struct loading {
  daytona__trust_t *trust;
  const daytona__tls_options_t *options;
  daytona__tls_anchors_t *anchors;
} loading_t;

static int load_failed(const loading_t *self, const char *what, const char *path, int error) {
  char reason[128];
  mbedtls_strerror(error, reason, sizeof reason);
  snprintf(self->trust->message, sizeof self->trust->message, "%s %s: %s", what, path, reason);
  return daytona__tls_map(error);
}

static int load_trusted(const loading_t *self) {
  const char *file = self->options->ca_file, *path = self->options->ca_path;
  mbedtls_x509_crt *trusted = &self->anchors->trusted;
  char *message = self->trust->message;
  size_t size = sizeof self->trust->message;
  if (self->options->is_unverified) return 0;
  if (file == NULL && path == NULL) {
    snprintf(message, size, "no CA bundle was found on this system; name one in the configuration");
    return DAYTONA_ETLS;
  }
  /* A positive result counts entries that could not be parsed; the others are good to use. */
  int status = file != NULL ? mbedtls_x509_crt_parse_file(trusted, file) : 0;
  if (status < 0) return load_failed(self, "CA file", file, status);
  status = path != NULL ? mbedtls_x509_crt_parse_path(trusted, path) : 0;
  if (status < 0) return load_failed(self, "CA directory", path, status);
  if (trusted->version != 0) return 0;
  snprintf(message, size, "no CA certificate in %s", file != NULL ? file : path);
  return DAYTONA_ETLS;
}

static int load_own(const loading_t *self) {
  const daytona__tls_options_t *options = self->options;
  daytona__tls_anchors_t *anchors = self->anchors;
  const char *file = options->client_cert;
  if (file == NULL) return 0;
  int status = mbedtls_x509_crt_parse_file(&anchors->own, file);
  if (status != 0) return load_failed(self, "client certificate", file, status);
  if (options->client_key != NULL) file = options->client_key;
#if DAYTONA__MBEDTLS_KEY_RNG
  status =
    mbedtls_pk_parse_keyfile(&anchors->key, file, options->client_key_password, daytona__tls_random, NULL);
#else
  status = mbedtls_pk_parse_keyfile(&anchors->key, file, options->client_key_password);
#endif
  if (status != 0) return load_failed(self, "client key", file, status);
    /* Said here: a server would only say that it cannot decrypt. */
#if DAYTONA__MBEDTLS_KEY_RNG
  status = mbedtls_pk_check_pair(&anchors->own.pk, &anchors->key, daytona__tls_random, NULL);
#else
  status = mbedtls_pk_check_pair(&anchors->own.pk, &anchors->key);
#endif
  if (status != 0) {
    snprintf(self->trust->message, sizeof self->trust->message,
             "client key %s: it does not belong to the client certificate", file);
    return daytona__tls_map(status);
  }
  status = mbedtls_ssl_conf_own_cert(&anchors->conf, &anchors->own, &anchors->key);
  return status == 0 ? 0 : load_failed(self, "client certificate", file, status);
}

static int load_config(const loading_t *self) {
  static const char *alpn[] = {"http/1.1", NULL};
  mbedtls_ssl_config *conf = &self->anchors->conf;
  int status = mbedtls_ssl_config_defaults(conf, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_STREAM,
                                           MBEDTLS_SSL_PRESET_DEFAULT);
  if (status == 0) status = mbedtls_ssl_conf_alpn_protocols(conf, alpn);
  if (status != 0) return load_failed(self, "TLS", "settings", status);
#if !DAYTONA__MBEDTLS_4
  mbedtls_ssl_conf_rng(conf, daytona__tls_random, NULL);
#endif
  mbedtls_ssl_conf_authmode(
    conf, self->options->is_unverified ? MBEDTLS_SSL_VERIFY_NONE : MBEDTLS_SSL_VERIFY_REQUIRED);
  mbedtls_ssl_conf_ca_chain(conf, &self->anchors->trusted, NULL);
#if DAYTONA__MBEDTLS_3
  mbedtls_ssl_conf_min_tls_version(conf, MBEDTLS_SSL_VERSION_TLS1_2);
#else
  mbedtls_ssl_conf_min_version(conf, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
#endif
#if defined(MBEDTLS_SSL_RENEGOTIATION)
  mbedtls_ssl_conf_renegotiation(conf, MBEDTLS_SSL_RENEGOTIATION_DISABLED);
#endif
#if defined(MBEDTLS_SSL_SESSION_TICKETS)
  mbedtls_ssl_conf_session_tickets(conf, MBEDTLS_SSL_SESSION_TICKETS_ENABLED);
/* 4 always reports them. */
#if MBEDTLS_VERSION_NUMBER >= 0x03060100 && !DAYTONA__MBEDTLS_4 && defined(MBEDTLS_SSL_PROTO_TLS1_3)
  mbedtls_ssl_conf_tls13_enable_signal_new_session_tickets(
    conf, MBEDTLS_SSL_TLS1_3_SIGNAL_NEW_SESSION_TICKETS_ENABLED);
#endif
#endif
  return 0;
}

static void anchors_free(void *anchors) {
  daytona__tls_anchors_t *self = anchors;
  mbedtls_ssl_config_free(&self->conf);
  mbedtls_x509_crt_free(&self->trusted);
  mbedtls_x509_crt_free(&self->own);
  mbedtls_pk_free(&self->key);
  free(self);
}

static void *load(daytona__trust_t *trust) {
  daytona__tls_ctx_t *ctx = DAYTONA__CONTAINER(trust, daytona__tls_ctx_t, trust);
  daytona__tls_anchors_t *anchors = calloc(1, sizeof *anchors); /* malloc's: see trust.h */
  loading_t self = {trust, &ctx->options, anchors};
  if (anchors == NULL) {
    snprintf(trust->message, sizeof trust->message, "%s", daytona_errcode_text(DAYTONA_ENOMEM));
    trust->code = DAYTONA_ENOMEM;
    return NULL;
  }
  anchors->refs = 1;
  mbedtls_x509_crt_init(&anchors->trusted);
  mbedtls_x509_crt_init(&anchors->own);
  mbedtls_pk_init(&anchors->key);
  mbedtls_ssl_config_init(&anchors->conf);
  trust->code = load_config(&self);
  if (trust->code == 0) trust->code = load_trusted(&self);
  if (trust->code == 0) trust->code = load_own(&self);
  if (trust->code == 0) return anchors;
  anchors_free(anchors);
  return NULL;
}

/* --- anchors ----------------------------------------------------------------------------------- */

static int use(daytona__trust_t *trust, void *loaded) {
  daytona__tls_ctx_t *ctx = DAYTONA__CONTAINER(trust, daytona__tls_ctx_t, trust);
  for (size_t i = 0; i < DAYTONA__TLS_SESSIONS_MAX; i++) session_drop(&ctx->sessions[i]);
  daytona__tls_anchors_release(ctx->anchors);
  ctx->anchors = loaded;
  return 0;
}

daytona__tls_anchors_t *daytona__tls_anchors_retain(daytona__tls_anchors_t *anchors) {
  assert(anchors != NULL && anchors->refs != 0);
  anchors->refs++;
  return anchors;
}

void daytona__tls_anchors_release(daytona__tls_anchors_t *anchors) {
  if (anchors == NULL) return;
  assert(anchors->refs != 0);
  if (--anchors->refs == 0) anchors_free(anchors);
}

void daytona__tls_ctx_wait(daytona__tls_ctx_t *ctx, daytona__trust_waiter_t *waiter) {
  daytona__trust_wait(&ctx->trust, waiter);
}

/* --- sessions ---------------------------------------------------------------------------------- */

static daytona__tls_session_t *session_slot(daytona__tls_ctx_t *ctx, const char *host, int port) {
  for (size_t i = 0; i < DAYTONA__TLS_SESSIONS_MAX; i++) {
    daytona__tls_session_t *slot = &ctx->sessions[i];
    if (slot->host != NULL && slot->port == port && strcmp(slot->host, host) == 0) return slot;
  }
  return NULL;
}

static void session_drop(daytona__tls_session_t *slot) {
  if (slot->host == NULL) return;
  daytona__free(slot->host);
  mbedtls_ssl_session_free(&slot->session);
  memset(slot, 0, sizeof *slot);
}

const mbedtls_ssl_session *daytona__tls_session_find(daytona__tls_ctx_t *ctx, const char *host, int port) {
  daytona__tls_session_t *slot = session_slot(ctx, host, port);
  if (slot == NULL || daytona__loop_now(ctx->loop) - slot->saved_ms > SESSION_OFFER_MS) return NULL;
  return &slot->session;
}

/* A free slot, or the one with the oldest session. */
static daytona__tls_session_t *session_room(daytona__tls_ctx_t *ctx) {
  daytona__tls_session_t *oldest = &ctx->sessions[0];
  for (size_t i = 0; i < DAYTONA__TLS_SESSIONS_MAX; i++) {
    daytona__tls_session_t *slot = &ctx->sessions[i];
    if (slot->host == NULL) return slot;
    if (slot->saved_ms < oldest->saved_ms) oldest = slot;
  }
  return oldest;
}

/*
 * Each resumed connection gets a copy of its session, and with it of the server's certificate, taken apart
 * anew: 1.5 KB that nobody looks at, because the certificate was verified when the session began. Later
 * versions hide the member.
 */
static void drop_certificate(mbedtls_ssl_session *session) {
#if !DAYTONA__MBEDTLS_3 && defined(MBEDTLS_SSL_KEEP_PEER_CERTIFICATE)
  if (session->peer_cert == NULL) return;
  mbedtls_x509_crt_free(session->peer_cert);
  mbedtls_free(session->peer_cert);
  session->peer_cert = NULL;
#endif
}

void daytona__tls_session_keep(daytona__tls_ctx_t *ctx, const char *host, int port,
                               const mbedtls_ssl_context *ssl) {
  int64_t now = daytona__loop_now(ctx->loop);
  daytona__tls_session_t *slot = session_slot(ctx, host, port);
  if (slot != NULL && now - slot->saved_ms < SESSION_RENEW_MS) return;
  if (slot == NULL) slot = session_room(ctx);
  session_drop(slot);
  mbedtls_ssl_session_init(&slot->session);
  slot->host = daytona__strdup(host);
  if (slot->host == NULL) return;
  slot->port = port;
  slot->saved_ms = now;
  if (mbedtls_ssl_get_session(ssl, &slot->session) != 0)
    session_drop(slot);
  else
    drop_certificate(&slot->session);
}

/* --- life -------------------------------------------------------------------------------------- */

static void ctx_free(daytona__tls_ctx_t *ctx) {
  for (size_t i = 0; i < DAYTONA__TLS_SESSIONS_MAX; i++) session_drop(&ctx->sessions[i]);
  daytona__tls_anchors_release(ctx->anchors);
  daytona__tls_options_disown(&ctx->options);
  daytona__free(ctx);
}

int daytona__tls_ctx_new(daytona__loop_t *loop, const daytona__tls_options_t *options,
                         daytona__tls_ctx_t **out) {
  daytona__tls_ctx_t *ctx = daytona__calloc(1, sizeof *ctx);
  if (ctx == NULL) return DAYTONA_ENOMEM;
  int code = daytona__tls_options_own(&ctx->options, options);
  if (code != 0) {
    ctx_free(ctx);
    return code;
  }
  ctx->loop = loop;
  if (!options->is_unverified) {
    ctx->trust.files[0] = ctx->options.ca_file;
    ctx->trust.files[1] = ctx->options.ca_path;
  }
  ctx->trust.files[2] = ctx->options.client_cert;
  ctx->trust.files[3] = ctx->options.client_key;
  ctx->trust.load = load;
  ctx->trust.use = use;
  ctx->trust.drop = anchors_free;
  ctx->trust.stays_on_loop = !DAYTONA__MBEDTLS_IN_THREADS;
  daytona__trust_init(&ctx->trust, loop);
  *out = ctx;
  return 0;
}

static void on_trust_closed(void *user) {
  daytona__tls_ctx_t *ctx = user;
  void (*closed)(void *user) = ctx->closed;
  void *closed_user = ctx->closed_user;
  ctx_free(ctx);
  closed(closed_user);
}

void daytona__tls_ctx_close(daytona__tls_ctx_t *ctx, void (*closed)(void *user), void *user) {
  assert(ctx->closed == NULL);
  ctx->closed = closed;
  ctx->closed_user = user;
  daytona__trust_close(&ctx->trust, on_trust_closed, ctx);
}
