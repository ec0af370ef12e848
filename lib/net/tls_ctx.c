/*
 * TLS context of a client; see tls.h.
 *
 * Reading and parsing a CA bundle takes several milliseconds, so it happens on the thread pool, when the
 * first secure connection asks for it, and once. While the state is LOADING only the pool thread touches
 * the mbedTLS members.
 */
#include <assert.h>
#include <mbedtls/error.h>
#include <mbedtls/platform.h>
#include <psa/crypto.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/memory.h"
#include "net/tls_impl.h"

enum { CTX_NEW, CTX_LOADING, CTX_LOADED, CTX_FAILED, CTX_CLOSING };

/* Tickets are offered for as long as servers commonly accept them; a fresh one replaces one of this age. */
#define SESSION_OFFER_MS (10 * 60 * 1000)
#define SESSION_RENEW_MS (60 * 1000)

/* Where distributions keep their CA bundle; the first that exists is used. */
static const char *const system_bundles[] = {
  "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem",
  "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "/etc/ssl/ca-bundle.pem"};

/* --- PSA --------------------------------------------------------------------------------------- */

static uv_once_t psa_once = UV_ONCE_INIT;
static int psa_status;

static void init_psa(void) { psa_status = psa_crypto_init() == PSA_SUCCESS ? 0 : DAYTONA_EFAILED; }

int daytona__psa_init(void) {
  uv_once(&psa_once, init_psa);
  return psa_status;
}

int daytona__tls_random(void *unused, unsigned char *out, size_t size) {
  return psa_generate_random(out, size) == PSA_SUCCESS ? 0 : MBEDTLS_ERR_SSL_INTERNAL_ERROR;
}

/* --- loading ----------------------------------------------------------------------------------- */

int daytona__tls_map(int error) {
  switch (error) {
    case MBEDTLS_ERR_SSL_ALLOC_FAILED:
    case MBEDTLS_ERR_X509_ALLOC_FAILED:
    case MBEDTLS_ERR_MPI_ALLOC_FAILED:
    case MBEDTLS_ERR_PK_ALLOC_FAILED: return DAYTONA_ENOMEM;
    default: return DAYTONA_ETLS;
  }
}

static int load_failed(daytona__tls_ctx_t *ctx, const char *what, const char *path, int error) {
  char reason[128];
  mbedtls_strerror(error, reason, sizeof reason);
  snprintf(ctx->message, sizeof ctx->message, "%s %s: %s", what, path, reason);
  return daytona__tls_map(error);
}

static int load_trusted(daytona__tls_ctx_t *ctx) {
  const char *file = ctx->options.ca_file;
  if (ctx->options.is_unverified) return 0;
  if (file == NULL && ctx->options.ca_path == NULL) {
    for (size_t i = 0; file == NULL && i < sizeof system_bundles / sizeof *system_bundles; i++)
      if (access(system_bundles[i], R_OK) == 0) file = system_bundles[i];
    if (file == NULL) {
      snprintf(ctx->message, sizeof ctx->message,
               "no CA bundle was found on this system; name one in the configuration");
      return DAYTONA_ETLS;
    }
  }
  /* A positive result counts entries that could not be parsed; the others are good to use. */
  int status = file != NULL ? mbedtls_x509_crt_parse_file(&ctx->trusted, file) : 0;
  if (status < 0) return load_failed(ctx, "CA file", file, status);
  const char *path = ctx->options.ca_path;
  status = path != NULL ? mbedtls_x509_crt_parse_path(&ctx->trusted, path) : 0;
  if (status < 0) return load_failed(ctx, "CA directory", path, status);
  if (ctx->trusted.version != 0) return 0;
  snprintf(ctx->message, sizeof ctx->message, "no CA certificate in %s", file != NULL ? file : path);
  return DAYTONA_ETLS;
}

static int load_own(daytona__tls_ctx_t *ctx) {
  const char *file = ctx->options.client_cert;
  if (file == NULL) return 0;
  int status = mbedtls_x509_crt_parse_file(&ctx->own, file);
  if (status != 0) return load_failed(ctx, "client certificate", file, status);
  if (ctx->options.client_key != NULL) file = ctx->options.client_key;
#if DAYTONA__MBEDTLS_3
  status =
    mbedtls_pk_parse_keyfile(&ctx->key, file, ctx->options.client_key_password, daytona__tls_random, NULL);
#else
  status = mbedtls_pk_parse_keyfile(&ctx->key, file, ctx->options.client_key_password);
#endif
  if (status != 0) return load_failed(ctx, "client key", file, status);
    /* Said here: a server would only say that it cannot decrypt. */
#if DAYTONA__MBEDTLS_3
  status = mbedtls_pk_check_pair(&ctx->own.pk, &ctx->key, daytona__tls_random, NULL);
#else
  status = mbedtls_pk_check_pair(&ctx->own.pk, &ctx->key);
#endif
  if (status != 0) {
    snprintf(ctx->message, sizeof ctx->message, "client key %s: it does not belong to the client certificate",
             file);
    return daytona__tls_map(status);
  }
  status = mbedtls_ssl_conf_own_cert(&ctx->conf, &ctx->own, &ctx->key);
  return status == 0 ? 0 : load_failed(ctx, "client certificate", file, status);
}

static int load_config(daytona__tls_ctx_t *ctx) {
  static const char *alpn[] = {"http/1.1", NULL};
  mbedtls_ssl_config *conf = &ctx->conf;
  int status = mbedtls_ssl_config_defaults(conf, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_STREAM,
                                           MBEDTLS_SSL_PRESET_DEFAULT);
  if (status == 0) status = mbedtls_ssl_conf_alpn_protocols(conf, alpn);
  if (status != 0) return load_failed(ctx, "TLS", "settings", status);
  mbedtls_ssl_conf_rng(conf, daytona__tls_random, NULL);
  mbedtls_ssl_conf_authmode(
    conf, ctx->options.is_unverified ? MBEDTLS_SSL_VERIFY_NONE : MBEDTLS_SSL_VERIFY_REQUIRED);
  mbedtls_ssl_conf_ca_chain(conf, &ctx->trusted, NULL);
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
#if MBEDTLS_VERSION_NUMBER >= 0x03060100 && defined(MBEDTLS_SSL_PROTO_TLS1_3)
  mbedtls_ssl_conf_tls13_enable_signal_new_session_tickets(
    conf, MBEDTLS_SSL_TLS1_3_SIGNAL_NEW_SESSION_TICKETS_ENABLED);
#endif
#endif
  return 0;
}

static void on_load(uv_work_t *work) {
  daytona__tls_ctx_t *ctx = work->data;
  ctx->code = load_config(ctx);
  if (ctx->code == 0) ctx->code = load_trusted(ctx);
  if (ctx->code == 0) ctx->code = load_own(ctx);
}

static void report_closed(daytona__tls_ctx_t *ctx);

static void on_loaded(uv_work_t *work, int status) {
  daytona__tls_ctx_t *ctx = work->data;
  if (ctx->state == CTX_CLOSING) {
    report_closed(ctx);
    return;
  }
  ctx->state = ctx->code == 0 ? CTX_LOADED : CTX_FAILED;
  daytona__loop_defer(ctx->loop, &ctx->tell);
}

static void on_tell(daytona__task_t *task) {
  daytona__tls_ctx_t *ctx = DAYTONA__CONTAINER(task, daytona__tls_ctx_t, tell);
  if (ctx->state == CTX_CLOSING) {
    report_closed(ctx);
    return;
  }
  daytona__list_t batch, *node;
  char
    message[sizeof ctx->message]; /* whoever is told may begin another loading, which then owns these two */
  int code = ctx->code;
  memcpy(message, ctx->message, sizeof message);
  daytona__list_move(&ctx->waiters, &batch);
  while ((node = daytona__list_shift(&batch)) != NULL) {
    daytona__tls_waiter_t *waiter = DAYTONA__CONTAINER(node, daytona__tls_waiter_t, link);
    waiter->on_loaded(waiter, code, message);
  }
}

static void init_trust(daytona__tls_ctx_t *ctx) {
  mbedtls_x509_crt_init(&ctx->trusted);
  mbedtls_x509_crt_init(&ctx->own);
  mbedtls_pk_init(&ctx->key);
  mbedtls_ssl_config_init(&ctx->conf);
}

static void free_trust(daytona__tls_ctx_t *ctx) {
  mbedtls_ssl_config_free(&ctx->conf);
  mbedtls_x509_crt_free(&ctx->trusted);
  mbedtls_x509_crt_free(&ctx->own);
  mbedtls_pk_free(&ctx->key);
}

void daytona__tls_ctx_wait(daytona__tls_ctx_t *ctx, daytona__tls_waiter_t *waiter) {
  assert(ctx->state != CTX_CLOSING);
  daytona__list_append(&ctx->waiters, &waiter->link);
  /* What failed, for lack of memory perhaps, may succeed now. But a verdict that is still to be told holds for all. */
  if (ctx->state == CTX_FAILED && !daytona__task_is_queued(&ctx->tell)) {
    free_trust(ctx);
    init_trust(ctx);
    ctx->state = CTX_NEW;
  }
  if (ctx->state == CTX_NEW) {
    ctx->state = CTX_LOADING;
    int status = uv_queue_work(daytona__loop_uv(ctx->loop), &ctx->work, on_load, on_loaded);
    assert(status == 0);
    (void)status;
  } else if (ctx->state != CTX_LOADING) {
    daytona__loop_defer(ctx->loop, &ctx->tell);
  }
}

void daytona__tls_waiter_cancel(daytona__tls_waiter_t *waiter) { daytona__list_remove(&waiter->link); }

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
  free_trust(ctx);
  daytona__tls_options_disown(&ctx->options);
  daytona__free(ctx);
}

int daytona__tls_ctx_new(daytona__loop_t *loop, const daytona__tls_options_t *options,
                         daytona__tls_ctx_t **out) {
  daytona__tls_ctx_t *ctx = daytona__calloc(1, sizeof *ctx);
  if (ctx == NULL) return DAYTONA_ENOMEM;
  ctx->loop = loop;
  ctx->work.data = ctx;
  daytona__list_init(&ctx->waiters);
  daytona__task_init(&ctx->tell, on_tell);
  init_trust(ctx);
  int code = daytona__tls_options_own(&ctx->options, options);
  if (code != 0) {
    ctx_free(ctx);
    return code;
  }
  *out = ctx;
  return 0;
}

static void report_closed(daytona__tls_ctx_t *ctx) {
  void (*closed)(void *user) = ctx->closed;
  void *user = ctx->closed_user;
  ctx_free(ctx);
  closed(user);
}

void daytona__tls_ctx_close(daytona__tls_ctx_t *ctx, void (*closed)(void *user), void *user) {
  assert(ctx->state != CTX_CLOSING && daytona__list_empty(&ctx->waiters));
  bool is_loading = ctx->state == CTX_LOADING;
  ctx->state = CTX_CLOSING;
  ctx->closed = closed;
  ctx->closed_user = user;
  if (is_loading)
    uv_cancel((uv_req_t *)&ctx->work); /* whether it comes in time or not, on_loaded comes */
  else
    daytona__loop_defer(ctx->loop, &ctx->tell);
}
