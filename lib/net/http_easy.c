/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request for libcurl: handles and their options, pinned names, and libcurl's callbacks.
 *
 * A handle keeps its options between requests; what a request changes is remembered in the handle and
 * set only when it differs. Kinds of request that leave options behind (HEAD, streamed bodies) are rare,
 * and reset the handle afterwards. libcurl never looks a name up: every host is a literal address or
 * pinned with CURLOPT_RESOLVE, in a permanent entry that is written again when the addresses change.
 */
#include "net/http_private.h"

#include <arpa/inet.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "core/memory.h"

enum { KEEP_ALIVE_S = 30, CONNECT_BELT_MS = 1000 };

/* libcurl's buffer for what is received: its own default, and for bodies that may be large. */
enum { RECEIVE_SMALL = 16 * 1024, RECEIVE_STREAM = 128 * 1024 };

const char *daytona__http_url(const daytona__http_transfer_t *t) {
  return t->redirect_url != NULL ? t->redirect_url : t->call->url;
}

const char *daytona__http_method(const daytona__http_transfer_t *t) {
  return t->redirect.becomes_get ? "GET" : t->call->method;
}

/* --- libcurl's callbacks ------------------------------------------------------------------------ */

/*
 * The connection is ready and the request is about to be written. A second time in one attempt means
 * that libcurl found its pooled connection dead without a response and sends again by itself, whatever
 * the method (7.88 and 8.x alike). If bytes of the first try went out, the server may have executed it.
 * A stream that an HTTP/2 server refused looks the same from here, so a POST fails there, too.
 */
static int on_ready(void *user, char *ip, char *local_ip, int port, int local_port) {
  daytona__http_easy_t *easy = user;
  daytona__http_transfer_t *t = easy->transfer;
  long sent = 0;
  curl_easy_getinfo(easy->curl, CURLINFO_REQUEST_SIZE, &sent);
  if (!t->is_connected) {
    t->sent_base = sent;
    daytona__http_connected(t);
    return CURL_PREREQFUNC_OK;
  }
  if (sent == t->sent_base || daytona__http_may_repeat(t)) return CURL_PREREQFUNC_OK;
  t->is_repeat_refused = true;
  return CURL_PREREQFUNC_ABORT;
}

/* Of the answer to CONNECT only what a proxy says of credentials is wanted. */
static void take_tunnel_header(daytona__http_easy_t *easy, const char *line, size_t size) {
  static const char name[] = "Proxy-Authenticate:";
  char value[64];
  if (size >= 5 && memcmp(line, "HTTP/", 5) == 0) memset(&easy->offers, 0, sizeof easy->offers);
  if (size < sizeof name || strncasecmp(line, name, sizeof name - 1) != 0) return;
  line += sizeof name - 1;
  size -= sizeof name - 1;
  for (; size != 0 && (*line == ' ' || *line == '\t'); size--) line++;
  snprintf(value, sizeof value, "%.*s", (int)(size < sizeof value ? size : sizeof value - 1), line);
  value[strcspn(value, "\r\n")] = '\0';
  daytona__proxy_offers_add(&easy->offers, value);
}

/*
 * A server that refuses an upload seldom reads the rest of it: its connection ends soon, whatever the response says of
 * that. The next request is not sent on it.
 */
static void distrust_refused(daytona__http_easy_t *easy) {
  long status = 0;
  if (easy->kind != HTTP_KIND_RARE || easy->transfer->call->source == NULL)
    return; /* its options do not stay */
  curl_easy_getinfo(easy->curl, CURLINFO_RESPONSE_CODE, &status);
  if (status >= 400) curl_easy_setopt(easy->curl, CURLOPT_FORBID_REUSE, 1L);
}

static size_t on_header(char *line, size_t size, size_t count, void *user) {
  daytona__http_easy_t *easy = user;
  daytona__http_transfer_t *t = easy->transfer;
  daytona__http_touch(t);
  if (!t->is_connected) {
    take_tunnel_header(easy, line, size * count);
    return size * count;
  }
  t->header_bytes += size * count;
  if (size * count <= 2) distrust_refused(easy);
  if (size * count <= 2)
    t->is_head_whole = true;
  else if (size * count > 5 && memcmp(line, "HTTP/", 5) == 0)
    t->is_head_whole = false; /* an interim response may have come before */
  if (t->header_bytes <= DAYTONA__HEADERS_MAX) return size * count;
  t->fail_code = DAYTONA_ELIMIT;
  return 0;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *user) {
  daytona__http_easy_t *easy = user;
  daytona__http_transfer_t *t = easy->transfer;
  if (t->is_discarding) return 0;
  daytona__http_touch(t);
  if (t->status == 0) {
    long status = 0;
    curl_easy_getinfo(easy->curl, CURLINFO_RESPONSE_CODE, &status);
    t->status = (int)status;
  }
  if (t->call->sink != NULL && t->status / 100 == 2)
    return daytona__http_stream_write(t, bytes, size * count);
  return daytona__http_answer_collect(t, bytes, size * count);
}

/* Whether the server has said something already. */
static bool has_answer(const daytona__http_transfer_t *t) {
  char byte;
  return t->fd != CURL_SOCKET_BAD && recv(t->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

/*
 * Over TLS only libcurl can read a refusal, and does not after a failed write: it is looked for before each record, as long
 * as one is likely. The rest goes in larger pieces.
 */
enum { TLS_RECORD = 16 * 1024, CAREFUL_BYTES = 4 << 20 };

static size_t on_source(char *buffer, size_t size, size_t count, void *user) {
  daytona__http_transfer_t *t = ((daytona__http_easy_t *)user)->transfer;
  daytona__http_call_t *call = t->call;
  size_t room = size * count;
  if (t->easy->target.is_secure && t->source_sent < CAREFUL_BYTES && room > TLS_RECORD) room = TLS_RECORD;
  daytona__http_touch(t);
  if (call->source_size >= 0) {
    if (t->source_sent == call->source_size) return 0;
    if ((int64_t)room > call->source_size - t->source_sent)
      room = (size_t)(call->source_size - t->source_sent);
  }
  t->is_source_asked = true;
  /* A server that refuses may answer before it has everything, and then reset the connection: what it said is read
     before more is sent into that. */
  if (has_answer(t)) {
    t->is_send_paused = true;
    daytona__http_resume_send(call);
    return CURL_READFUNC_PAUSE;
  }
  ptrdiff_t got = call->source(call, buffer, room);
  if (got == DAYTONA__HTTP_SOURCE_WAIT) {
    t->is_send_paused = true;
    return CURL_READFUNC_PAUSE;
  }
  bool is_short = got == 0 && call->source_size >= 0;
  if (got < 0 || (size_t)got > room || is_short) {
    t->fail_code = call->user_error != DAYTONA_OK ? call->user_error : DAYTONA_EIO;
    return CURL_READFUNC_ABORT;
  }
  t->source_sent += got;
  return (size_t)got;
}

/* Of uploads, what libcurl says of them: that sending has failed, before it does anything about it. */
static int on_words(CURL *curl, curl_infotype type, char *words, size_t size, void *user) {
  static const char failure[] = "Send failure";
  daytona__http_transfer_t *t = ((daytona__http_easy_t *)user)->transfer;
  bool is_failure =
    type == CURLINFO_TEXT && size >= sizeof failure - 1 && memcmp(words, failure, sizeof failure - 1) == 0;
  if (is_failure && t != NULL && t->call != NULL) daytona__http_keep_last_words(t);
  return 0;
}

/* Only with an idle limit: bytes that libcurl moves without another callback. */
static int on_progress(void *user, curl_off_t down_total, curl_off_t down, curl_off_t up_total,
                       curl_off_t up) {
  daytona__http_transfer_t *t = ((daytona__http_easy_t *)user)->transfer;
  if (t == NULL || t->call == NULL || down + up == t->progress) return 0;
  t->progress = down + up;
  daytona__http_touch(t);
  return 0;
}

/* --- handles ------------------------------------------------------------------------------------ */

/* What libcurl keeps twice, for the server and for a proxy. mbedTLS has one configuration for both, so both are set
   alike; a libcurl that was built without the second kind refuses it, and then has no secure proxies. */
static bool set_both(CURL *curl, CURLoption option, CURLoption for_proxy, const char *value) {
  curl_easy_setopt(curl, for_proxy, value);
  return curl_easy_setopt(curl, option, value) == CURLE_OK;
}

static bool set_checks(CURL *curl, bool is_verified) {
  long peer = is_verified ? 1 : 0, host = is_verified ? 2 : 0, least = CURL_SSLVERSION_TLSv1_2;
  curl_easy_setopt(curl, CURLOPT_PROXY_SSL_VERIFYPEER, peer);
  curl_easy_setopt(curl, CURLOPT_PROXY_SSL_VERIFYHOST, host);
  curl_easy_setopt(curl, CURLOPT_PROXY_SSLVERSION, least);
  return curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, peer) == CURLE_OK &&
         curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, host) == CURLE_OK &&
         curl_easy_setopt(curl, CURLOPT_SSLVERSION, least) == CURLE_OK;
}

bool daytona__http_easy_trust(CURL *curl, const char *ca_file, const char *ca_path) {
  /* Without a directory libcurl parses the bundle once and keeps it, instead of at each handshake. Some TLS libraries
     know no directories, which is told only if there is one. */
  bool ok = set_both(curl, CURLOPT_CAPATH, CURLOPT_PROXY_CAPATH, ca_path) || ca_path == NULL;
  if (ca_file != NULL || ca_path != NULL)
    ok = set_both(curl, CURLOPT_CAINFO, CURLOPT_PROXY_CAINFO, ca_file) && ok;
  curl_easy_setopt(curl, CURLOPT_CA_CACHE_TIMEOUT, -1L); /* a changed file is noticed here: http_trust.c */
  return ok;
}

static bool configure_tls(daytona__http_easy_t *easy) {
  CURL *curl = easy->curl;
  const daytona__tls_options_t *tls = &easy->http->options.tls;
  bool ok = set_checks(curl, !tls->is_unverified);
  ok = daytona__http_easy_trust(curl, tls->ca_file, tls->ca_path) && ok;
  if (tls->client_cert == NULL) return ok;
  const char *key = tls->client_key != NULL ? tls->client_key : tls->client_cert;
  ok = set_both(curl, CURLOPT_SSLCERT, CURLOPT_PROXY_SSLCERT, tls->client_cert) && ok;
  ok = set_both(curl, CURLOPT_SSLKEY, CURLOPT_PROXY_SSLKEY, key) && ok;
  if (tls->client_key_password != NULL)
    ok = set_both(curl, CURLOPT_KEYPASSWD, CURLOPT_PROXY_KEYPASSWD, tls->client_key_password) && ok;
  return ok;
}

static void configure_callbacks(daytona__http_easy_t *easy) {
  CURL *curl = easy->curl;
  curl_easy_setopt(curl, CURLOPT_PRIVATE, easy);
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, easy->error);
  curl_easy_setopt(curl, CURLOPT_PREREQFUNCTION, on_ready);
  curl_easy_setopt(curl, CURLOPT_PREREQDATA, easy);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, easy);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, easy);
  curl_easy_setopt(curl, CURLOPT_READFUNCTION, on_source);
  curl_easy_setopt(curl, CURLOPT_READDATA, easy);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, easy);
  curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, daytona__http_on_open_socket);
  curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, easy);
  curl_easy_setopt(curl, CURLOPT_CLOSESOCKETFUNCTION, daytona__http_on_close_socket);
  curl_easy_setopt(curl, CURLOPT_CLOSESOCKETDATA, easy->http);
}

static bool configure(daytona__http_easy_t *easy) {
  CURL *curl = easy->curl;
  const daytona__net_options_t *options = &easy->http->options;
  configure_callbacks(easy);
  bool ok = configure_tls(easy);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  /* Proxies are chosen here; the environment is not asked again. */
  ok = ok && curl_easy_setopt(curl, CURLOPT_PROXY, "") == CURLE_OK;
  ok = ok && curl_easy_setopt(curl, CURLOPT_NOPROXY, "") == CURLE_OK;
  ok = ok && curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK;
  curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(curl, CURLOPT_MAXAGE_CONN, (long)KEEP_ALIVE_S);
  curl_easy_setopt(curl, CURLOPT_HTTP_VERSION,
                   options->no_http2 ? (long)CURL_HTTP_VERSION_1_1 : (long)CURL_HTTP_VERSION_2TLS);
  if (options->happy_eyeballs_ms >= 0)
    curl_easy_setopt(curl, CURLOPT_HAPPY_EYEBALLS_TIMEOUT_MS,
                     options->happy_eyeballs_ms > INT_MAX ? (long)INT_MAX : (long)options->happy_eyeballs_ms);
  easy->kind = HTTP_KIND_NONE;
  easy->method[0] = '\0';
  easy->proxy = NULL;
  easy->connect_ms = 0;
  easy->receive = RECEIVE_SMALL;
  easy->has_progress = easy->has_encoding = easy->waits = false;
  easy->no_http2 = options->no_http2;
  return ok;
}

static void easy_free(daytona__http_easy_t *easy) {
  curl_easy_cleanup(easy->curl);
  daytona__free(easy);
}

daytona__http_easy_t *daytona__http_easy_get(daytona__http_t *http) {
  daytona__list_t *node = daytona__list_shift(&http->easies);
  if (node != NULL) {
    http->easy_count--;
    return DAYTONA__CONTAINER(node, daytona__http_easy_t, link);
  }
  daytona__http_easy_t *easy = daytona__calloc(1, sizeof *easy);
  if (easy == NULL) return NULL;
  daytona__list_init(&easy->link);
  easy->http = http;
  easy->curl = curl_easy_init();
  if (easy->curl != NULL && configure(easy)) return easy;
  easy_free(easy);
  return NULL;
}

/*
 * Only a handle whose transfer came to a good end is used again; another one takes the place of the rest. Some versions
 * (8.14 is one) do not forget that a request was to be repeated and its body could not be rewound, not even in
 * curl_easy_reset(): all later requests would fail.
 */
static bool make_usable(daytona__http_easy_t *easy) {
  if (easy->is_clean && easy->kind != HTTP_KIND_RARE) return true;
  if (easy->is_clean) {
    curl_easy_reset(easy->curl);
  } else {
    curl_easy_cleanup(easy->curl);
    easy->curl = curl_easy_init();
  }
  return easy->curl != NULL && configure(easy);
}

void daytona__http_easy_put(daytona__http_easy_t *easy) {
  daytona__http_t *http = easy->http;
  assert(!easy->is_added && http->easy_count <= http->max_connections);
  bool is_wanted = http->easy_count < http->max_connections && !http->is_closing;
  easy->transfer = NULL;
  easy->hub = NULL;
  easy->has_pin = false;
  if (!is_wanted || !make_usable(easy)) {
    easy_free(easy);
    return;
  }
  easy->is_clean = false;
  /* The last one used is the next: its memory is warm. */
  daytona__list_append(http->easies.next, &easy->link);
  http->easy_count++;
}

/* What a busy moment has left over; kept are as many as are at work, and a few. */
void daytona__http_easy_trim(daytona__http_t *http) {
  while (http->easy_count > HTTP_IDLE_EASIES && http->easy_count > http->slot_count) {
    easy_free(DAYTONA__CONTAINER(daytona__list_shift(&http->easies), daytona__http_easy_t, link));
    http->easy_count--;
  }
}

void daytona__http_easy_free_all(daytona__http_t *http) {
  daytona__list_t *node;
  while ((node = daytona__list_shift(&http->easies)) != NULL)
    easy_free(DAYTONA__CONTAINER(node, daytona__http_easy_t, link));
  http->easy_count = 0;
}

/* --- pinned names ------------------------------------------------------------------------------- */

void daytona__http_forget_pins(daytona__http_hub_t *hub) {
  while (hub->pin_count != 0) daytona__free(hub->pins[--hub->pin_count]);
}

/* Whether libcurl's cache holds exactly these addresses already; remembers that it is about to. */
static bool pin_is_known(daytona__http_hub_t *hub, const char *host, int port,
                         const daytona__addresses_t *addresses) {
  daytona__http_pin_t *pin = NULL;
  for (size_t i = 0; i < hub->pin_count && pin == NULL; i++)
    if (hub->pins[i]->port == port && strcmp(hub->pins[i]->host, host) == 0) pin = hub->pins[i];
  size_t size = addresses->count * sizeof addresses->items[0];
  if (pin != NULL && pin->addresses.count == addresses->count &&
      memcmp(pin->addresses.items, addresses->items, size) == 0)
    return true;
  if (pin == NULL && hub->pin_count < HTTP_PINS && (pin = daytona__calloc(1, sizeof *pin)) != NULL) {
    hub->pins[hub->pin_count++] = pin;
    snprintf(pin->host, sizeof pin->host, "%s", host);
    pin->port = port;
  }
  if (pin != NULL) pin->addresses = *addresses;
  return false;
}

void daytona__http_easy_pin(daytona__http_easy_t *easy, const char *host, int port,
                            const daytona__addresses_t *addresses) {
  if (pin_is_known(easy->hub, host, port, addresses)) return;
  size_t used = (size_t)snprintf(easy->pin_text, sizeof easy->pin_text, "%s:%d:", host, port);
  for (size_t i = 0; i < addresses->count; i++) {
    char text[INET6_ADDRSTRLEN] = "";
    const struct sockaddr_storage *item = &addresses->items[i];
    bool is_v6 = item->ss_family == AF_INET6;
    if (is_v6)
      uv_ip6_name((const struct sockaddr_in6 *)item, text, sizeof text);
    else
      uv_ip4_name((const struct sockaddr_in *)item, text, sizeof text);
    used += (size_t)snprintf(easy->pin_text + used, sizeof easy->pin_text - used, is_v6 ? "%s[%s]" : "%s%s",
                             i != 0 ? "," : "", text);
  }
  assert(used < sizeof easy->pin_text);
  easy->pin.data = easy->pin_text;
  easy->pin.next = NULL;
  easy->has_pin = true;
  curl_easy_setopt(easy->curl, CURLOPT_RESOLVE, &easy->pin);
}

/* --- a request ---------------------------------------------------------------------------------- */

const daytona__proxy_t *daytona__http_easy_proxy(const daytona__http_easy_t *easy) {
  const daytona__http_t *http = easy->http;
  const daytona__target_t *target = &easy->target;
  if (!http->has_proxy[target->is_secure] || daytona__proxy_pick(&http->options.proxy, target) == NULL)
    return NULL;
  return &http->proxies[target->is_secure];
}

static bool set_proxy(daytona__http_easy_t *easy) {
  const daytona__proxy_t *proxy = daytona__http_easy_proxy(easy);
  if (proxy == easy->proxy) return true;
  static const long types[] = {CURLPROXY_HTTP, CURLPROXY_HTTPS, CURLPROXY_SOCKS4A, CURLPROXY_SOCKS5_HOSTNAME};
  char host[DAYTONA__HOST_ROOM + 2] = "";
  if (proxy != NULL)
    snprintf(host, sizeof host, strchr(proxy->host, ':') != NULL ? "[%s]" : "%s", proxy->host);
  bool ok = curl_easy_setopt(easy->curl, CURLOPT_PROXY, host) == CURLE_OK;
  if (ok && proxy != NULL) {
    curl_easy_setopt(easy->curl, CURLOPT_PROXYTYPE, types[proxy->kind]);
    curl_easy_setopt(easy->curl, CURLOPT_PROXYPORT, (long)proxy->port);
    curl_easy_setopt(easy->curl, CURLOPT_PROXYAUTH, (long)CURLAUTH_BASIC);
    ok = curl_easy_setopt(easy->curl, CURLOPT_PROXYUSERNAME, proxy->user) == CURLE_OK &&
         curl_easy_setopt(easy->curl, CURLOPT_PROXYPASSWORD, proxy->password) == CURLE_OK;
  }
  if (ok) easy->proxy = proxy;
  return ok;
}

static bool set_method(daytona__http_easy_t *easy, const char *method, const char *implied) {
  const char *custom = strcmp(method, implied) == 0 ? "" : method;
  if (strcmp(easy->method, custom) == 0) return true;
  if (curl_easy_setopt(easy->curl, CURLOPT_CUSTOMREQUEST, *custom != '\0' ? custom : NULL) != CURLE_OK)
    return false;
  snprintf(easy->method, sizeof easy->method, "%s", custom);
  return true;
}

static bool has_body(const daytona__http_transfer_t *t, const char *method) {
  if (t->redirect.becomes_get) return false;
  return t->call->body != NULL || strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0 ||
         strcmp(method, "PATCH") == 0;
}

static bool set_body(daytona__http_transfer_t *t) {
  daytona__http_easy_t *easy = t->easy;
  CURL *curl = easy->curl;
  const char *method = daytona__http_method(t);
  if (t->call->source != NULL && !t->redirect.becomes_get) {
    easy->kind = HTTP_KIND_RARE;
    curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(curl, CURLOPT_DEBUGFUNCTION, on_words);
    curl_easy_setopt(curl, CURLOPT_DEBUGDATA, easy);
    curl_easy_setopt(curl, CURLOPT_VERBOSE, 1L);
    curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)t->call->source_size);
    curl_easy_setopt(curl, CURLOPT_UPLOAD_BUFFERSIZE, 64L * 1024);
    return set_method(easy, method, "PUT");
  }
  if (strcmp(method, "HEAD") == 0) {
    easy->kind = HTTP_KIND_RARE;
    curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    return set_method(easy, method, "HEAD");
  }
  if (!has_body(t, method)) {
    if (easy->kind != HTTP_KIND_GET) curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
    easy->kind = HTTP_KIND_GET;
    return set_method(easy, method, "GET");
  }
  easy->kind = HTTP_KIND_BODY;
  curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)t->call->body_size);
  curl_easy_setopt(curl, CURLOPT_POSTFIELDS, t->call->body != NULL ? t->call->body : "");
  return set_method(easy, method, "POST");
}

/* What most requests have in common and few change. */
static bool set_rest(daytona__http_transfer_t *t) {
  daytona__http_easy_t *easy = t->easy;
  CURL *curl = easy->curl;
  const daytona__http_call_t *call = t->call;
  bool no_http2 = call->no_http2 || easy->http->options.no_http2;
  if (no_http2 != easy->no_http2) {
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION,
                     no_http2 ? (long)CURL_HTTP_VERSION_1_1 : (long)CURL_HTTP_VERSION_2TLS);
    easy->no_http2 = no_http2;
  }
  /* Wait for a connection that may turn out to be shared. Without TLS libcurl knows only after a response. */
  bool waits = !no_http2 && easy->target.is_secure;
  if (waits != easy->waits) {
    curl_easy_setopt(curl, CURLOPT_PIPEWAIT, waits ? 1L : 0L);
    easy->waits = waits;
  }
  bool has_progress = call->idle_timeout_ms > 0;
  if (has_progress != easy->has_progress) {
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, has_progress ? 0L : 1L);
    easy->has_progress = has_progress;
  }
  long receive = call->sink != NULL ? RECEIVE_STREAM : RECEIVE_SMALL;
  if (receive != easy->receive) {
    curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, receive);
    easy->receive = receive;
  }
  bool has_encoding = call->sink == NULL;
  if (has_encoding != easy->has_encoding) {
    if (curl_easy_setopt(curl, CURLOPT_ACCEPT_ENCODING, has_encoding ? "gzip, deflate" : NULL) != CURLE_OK)
      return false;
    easy->has_encoding = has_encoding;
  }
  int64_t limit =
    call->connect_timeout_ms != 0 ? call->connect_timeout_ms : easy->http->options.connect_timeout_ms;
  long connect_ms =
    limit > 0 && limit < INT_MAX - CONNECT_BELT_MS ? (long)limit + CONNECT_BELT_MS : (long)INT_MAX;
  if (connect_ms != easy->connect_ms) {
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, connect_ms);
    easy->connect_ms = connect_ms;
  }
  return true;
}

int daytona__http_easy_prepare(daytona__http_transfer_t *t, const char **message) {
  daytona__http_easy_t *easy = t->easy;
  struct curl_slist *headers;
  easy->transfer = t;
  easy->error[0] = '\0';
  int error = daytona__http_headers_make(t, &headers, message);
  if (error != 0) return error;
  bool ok = curl_easy_setopt(easy->curl, CURLOPT_URL, daytona__http_url(t)) == CURLE_OK;
  curl_easy_setopt(easy->curl, CURLOPT_HTTPHEADER, headers);
  return ok && set_proxy(easy) && set_body(t) && set_rest(t) ? 0 : DAYTONA_ENOMEM;
}
