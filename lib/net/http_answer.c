/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What came back: the collected body, the response headers, Retry-After, and the outcome on a transfer.
 *
 * Success costs nothing but the body: libcurl keeps the headers anyway, and they are copied only for
 * failures and for calls that want them, in one block.
 */
#include "net/http_private.h"

#include <string.h>
#include <sys/socket.h>
#include <strings.h>
#include <time.h>

#include "core/ascii.h"
#include "core/memory.h"
#include "core/retry_after.h"
#include "net/http1_head.h"

/* Of a response that libcurl has not read; it refuses, and so it is short. */
enum { LAST_WORDS_MAX = 4096 };

/* --- bodies ------------------------------------------------------------------------------------- */

/* Room for the whole body at once, if its size was announced and is within the limit. */
static void reserve_announced(daytona__http_transfer_t *t) {
  curl_off_t size = -1;
  curl_easy_getinfo(t->easy->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &size);
  if (size > 0 && size <= (1 << 20) && (size_t)size <= t->call->collected.max)
    daytona__strbuf_reserve(&t->call->collected, (size_t)size);
}

size_t daytona__http_answer_collect(daytona__http_transfer_t *t, const char *bytes, size_t size) {
  daytona__strbuf_t *body = &t->call->collected;
  if (t->status / 100 != 2) {
    size_t max = t->call->max_error_body != 0 ? t->call->max_error_body : DAYTONA__ERROR_BODY_MAX;
    size_t room = max - body->size;
    size_t kept = size < room ? size : room;
    if (daytona__strbuf_append(body, bytes, kept) == 0 && kept == size) return size;
    if (body->error == 0) t->is_cut = true;
  } else {
    if (body->size == 0) reserve_announced(t);
    if (daytona__strbuf_append(body, bytes, size) == 0) return size;
  }
  t->fail_code = (daytona_errcode_t)body->error;
  return 0;
}

/* --- last words --------------------------------------------------------------------------------- */

/*
 * A server that refuses an upload may answer and reset the connection at once. libcurl then fails in sending, reads no more,
 * and some versions throw away what has come when they close; so it is copied when sending has failed.
 */
void daytona__http_keep_last_words(daytona__http_transfer_t *t) {
  char words[LAST_WORDS_MAX];
  bool is_readable = t->is_source_asked && !t->is_head_whole && t->fd != CURL_SOCKET_BAD;
  if (!is_readable || t->last_words != NULL || t->easy->target.is_secure || t->easy->proxy != NULL) return;
  ssize_t got = recv(t->fd, words, sizeof words, MSG_PEEK | MSG_DONTWAIT);
  t->last_words = got > 0 ? daytona__alloc((size_t)got) : NULL;
  if (t->last_words == NULL) return;
  memcpy(t->last_words, words, (size_t)got);
  t->last_words_size = (size_t)got;
}

/* True: they are a refusal, and it is the response. */
bool daytona__http_take_last_words(daytona__http_transfer_t *t) {
  daytona__http1_head_t head;
  int code = DAYTONA__HTTP1_HEAD_MORE;
  size_t at = 0;
  daytona__http1_head_init(&head);
  while (code == DAYTONA__HTTP1_HEAD_MORE && at < t->last_words_size)
    code = daytona__http1_head_head(&head, t->last_words[at++]);
  bool is_refusal = code == DAYTONA__HTTP1_HEAD_DONE && head.status >= 400;
  if (is_refusal && daytona__http1_head_begin_body(&head) == DAYTONA__HTTP1_HEAD_MORE)
    daytona__http1_head_body(&head, t->last_words + at, t->last_words_size - at);
  if (is_refusal) {
    t->call->response.status = t->status = head.status;
    if (head.body.size != 0) daytona__http_answer_collect(t, head.body.data, head.body.size);
  }
  daytona__http1_head_clear(&head);
  return is_refusal;
}

/* --- headers ------------------------------------------------------------------------------------ */

static struct curl_header *next_header(const daytona__http_transfer_t *t, struct curl_header *previous) {
  return curl_easy_nextheader(t->easy->curl, CURLH_HEADER, -1, previous);
}

static char *put(char **at, const char *text) {
  size_t size = strlen(text) + 1;
  char *start = *at;
  memcpy(start, text, size);
  *at += size;
  return start;
}

/* The type without its parameters, in lower case, written to `out` of at least strlen(value) + 1. */
static size_t bare_type(const char *value, char *out) {
  size_t size = strcspn(value, "; \t");
  for (size_t i = 0; i < size; i++) out[i] = daytona__to_lower(value[i]);
  out[size] = '\0';
  return size + 1;
}

static const char json_type[] = "application/json";

/* Fill response_type and, if wanted, response_headers; 0 or DAYTONA_ENOMEM. Once per answer. */
int daytona__http_answer_take(daytona__http_transfer_t *t, bool with_headers) {
  daytona__http_call_t *call = t->call;
  char *type = NULL;
  curl_easy_getinfo(t->easy->curl, CURLINFO_CONTENT_TYPE, &type);
  bool is_json = type != NULL && strncasecmp(type, json_type, sizeof json_type - 1) == 0 &&
                 strchr("; \t", type[sizeof json_type - 1]) != NULL;
  call->response_type = is_json ? json_type : "";
  size_t text_size = type != NULL && !is_json ? strlen(type) + 1 : 0, count = 0;
  for (struct curl_header *at = NULL; with_headers && (at = next_header(t, at)) != NULL;) {
    count++;
    text_size += strlen(at->name) + strlen(at->value) + 2;
  }
  if (text_size == 0) return 0;
  assert(call->storage == NULL);
  call->storage = daytona__alloc(count * sizeof(daytona_header_t) + text_size);
  if (call->storage == NULL) return DAYTONA_ENOMEM;
  daytona_header_t *headers = call->storage;
  char *text = (char *)&headers[count];
  size_t used = 0;
  for (struct curl_header *at = NULL; used < count && (at = next_header(t, at)) != NULL; used++) {
    headers[used].name = put(&text, at->name);
    headers[used].value = put(&text, at->value);
  }
  if (count != 0) {
    call->response.headers = headers;
    call->response.header_count = used;
  }
  if (type != NULL && !is_json) {
    call->response_type = text;
    bare_type(type, text);
  }
  return 0;
}

void daytona__http_answer_reset(daytona__http_call_t *call) {
  daytona__strbuf_clear(&call->collected);
  daytona__free(call->storage);
  call->response.body = "";
  call->response.body_size = 0;
  call->storage = NULL;
  call->response.headers = NULL;
  call->response.header_count = 0;
  call->response_type = "";
  call->response.status = 0;
}

/* --- Retry-After -------------------------------------------------------------------------------- */

/* Each limiter of the platform names its own: the longest of them counts. */
int64_t daytona__http_retry_after_ms(const daytona__http_transfer_t *t) {
  int64_t longest = -1, now_ms = (int64_t)time(NULL) * 1000;
  for (struct curl_header *at = NULL; (at = next_header(t, at)) != NULL;) {
    int64_t ms = daytona__is_retry_after(at->name) ? daytona__retry_after_ms(at->value, now_ms) : -1;
    if (ms > longest) longest = ms;
  }
  return longest;
}

bool daytona__http_proxy_refusal(const daytona__http_transfer_t *t, char *text, size_t size) {
  const daytona__http_easy_t *easy = t->easy;
  const daytona__proxy_t *proxy = easy->proxy;
  daytona__proxy_offers_t offers = {""};
  struct curl_header *at = NULL;
  long connect_status = 0;
  curl_easy_getinfo(easy->curl, CURLINFO_HTTP_CONNECTCODE, &connect_status);
  if (proxy == NULL || (proxy->kind != DAYTONA__PROXY_HTTP && proxy->kind != DAYTONA__PROXY_HTTPS))
    return false;
  bool in_tunnel = connect_status == 407 && !t->is_connected;
  /* What comes through a tunnel is the server's. */
  if (!in_tunnel && (t->status != 407 || easy->target.is_secure)) return false;
  if (in_tunnel) offers = easy->offers;
  while (!in_tunnel && (at = curl_easy_nextheader(easy->curl, CURLH_HEADER, -1, at)) != NULL)
    if (strcasecmp(at->name, "Proxy-Authenticate") == 0) daytona__proxy_offers_add(&offers, at->value);
  daytona__proxy_refusal(proxy->user != NULL || proxy->password != NULL, &offers, text, size);
  return true;
}

/* --- the outcome -------------------------------------------------------------------------------- */

static const struct {
  CURLcode result;
  daytona_errcode_t code;
  bool is_final;
} outcomes[] = {
  {CURLE_OUT_OF_MEMORY, DAYTONA_ENOMEM, true},
  {CURLE_URL_MALFORMAT, DAYTONA_EINVAL, true},
  {CURLE_UNSUPPORTED_PROTOCOL, DAYTONA_EPROTOCOL, true},
  {CURLE_WEIRD_SERVER_REPLY, DAYTONA_EPROTOCOL, true},
  {CURLE_BAD_CONTENT_ENCODING, DAYTONA_EPROTOCOL, true},
  {CURLE_FILESIZE_EXCEEDED, DAYTONA_ELIMIT, true},
  {(CURLcode)100, DAYTONA_ELIMIT, true}, /* CURLE_TOO_LARGE, since 8.6; older headers have no name for it */
  {CURLE_COULDNT_RESOLVE_HOST, DAYTONA_ERESOLVE, false},
  {CURLE_COULDNT_RESOLVE_PROXY, DAYTONA_ERESOLVE, false},
  {CURLE_PROXY, DAYTONA_EPROXY, false},
  {CURLE_SSL_CONNECT_ERROR, DAYTONA_ETLS, false},
  {CURLE_PEER_FAILED_VERIFICATION, DAYTONA_ETLS, true},
  {CURLE_SSL_CERTPROBLEM, DAYTONA_ETLS, true},
  {CURLE_SSL_CIPHER, DAYTONA_ETLS, true},
  {CURLE_SSL_CACERT_BADFILE, DAYTONA_ETLS, true},
  {CURLE_SSL_ISSUER_ERROR, DAYTONA_ETLS, true},
  {CURLE_SSL_INVALIDCERTSTATUS, DAYTONA_ETLS, true},
  {CURLE_SSL_CLIENTCERT, DAYTONA_ETLS, true},
  {CURLE_BAD_FUNCTION_ARGUMENT, DAYTONA_ETLS,
   true}, /* a private key that cannot be used, since 8.16 with OpenSSL */
  {CURLE_USE_SSL_FAILED, DAYTONA_ETLS, true},
  {CURLE_PARTIAL_FILE, DAYTONA_ETRUNCATED, false},
  {CURLE_OPERATION_TIMEDOUT, DAYTONA_ECONNECT_TIMEOUT, true}, /* only its connect limit is set */
};

/* What a server that was asked in the wrong protocol makes TLS libraries and libcurl say. */
static const char *const no_tls[] = {"wrong version number",  "packet length too long", "http request",
                                     "unexpected TLS packet", "invalid SSL record",     "INVALID_RECORD"};

const char *daytona__http_mix_up(const daytona__http_transfer_t *t, CURLcode result) {
  const daytona__http_easy_t *easy = t->easy;
  if (t->is_repeat_refused || t->fail_code != DAYTONA_OK || easy->proxy != NULL) return NULL;
  if (easy->target.is_secure) {
    for (size_t i = 0; result == CURLE_SSL_CONNECT_ERROR && i < sizeof no_tls / sizeof no_tls[0]; i++)
      if (strstr(easy->error, no_tls[i]) != NULL) return "does not speak TLS: is http:// meant?";
  } else if (result == CURLE_UNSUPPORTED_PROTOCOL || result == CURLE_WEIRD_SERVER_REPLY) {
    if (strstr(easy->error, "HTTP/0.9") != NULL) return "does not answer in HTTP: is https:// meant?";
  }
  return NULL;
}

/* libcurl has one code for many things on a broken connection; the state of the transfer distinguishes them. */
static daytona__http_outcome_t judge_connection(const daytona__http_transfer_t *t) {
  const daytona__http_easy_t *easy = t->easy;
  long connect_status = 0;
  curl_easy_getinfo(easy->curl, CURLINFO_HTTP_CONNECTCODE, &connect_status);
  if (!t->is_connected && easy->proxy != NULL) {
    /* A proxy's own refusal will be repeated; a gateway error of its may pass. */
    bool is_final = connect_status >= 400 && connect_status < 500;
    return (daytona__http_outcome_t){DAYTONA_EPROXY, is_final};
  }
  /* TLS 1.3 refuses a client after its handshake; mbedTLS 3.6 garbles the alert that says so. */
  if (t->status == 0 &&
      (strstr(easy->error, "alert") != NULL || strstr(easy->error, "bad record mac") != NULL))
    return (daytona__http_outcome_t){DAYTONA_ETLS, true};
  long status = 0;
  curl_easy_getinfo(easy->curl, CURLINFO_RESPONSE_CODE, &status);
  if (status >= 200) return (daytona__http_outcome_t){DAYTONA_ETRUNCATED, false};
  return (daytona__http_outcome_t){DAYTONA_ECONNECTION, false};
}

daytona__http_outcome_t daytona__http_judge(daytona__http_transfer_t *t, CURLcode result) {
  if (t->is_repeat_refused) return (daytona__http_outcome_t){DAYTONA_ECONNECTION, true};
  if (t->fail_code != DAYTONA_OK) return (daytona__http_outcome_t){t->fail_code, true};
  if (daytona__http_mix_up(t, result) != NULL)
    return (daytona__http_outcome_t){t->easy->target.is_secure ? DAYTONA_ETLS : DAYTONA_EPROTOCOL, true};
  for (size_t i = 0; i < sizeof outcomes / sizeof outcomes[0]; i++)
    if (outcomes[i].result == result)
      return (daytona__http_outcome_t){outcomes[i].code, outcomes[i].is_final};
  return judge_connection(t);
}

bool daytona__http_was_sent(const daytona__http_transfer_t *t) {
  if (!t->is_connected || t->easy == NULL) return false;
  long sent = 0;
  curl_easy_getinfo(t->easy->curl, CURLINFO_REQUEST_SIZE, &sent);
  return sent > t->sent_base;
}
