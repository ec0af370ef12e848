/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Secure connections of libcurl: the trusted certificates are parsed on the thread pool, once per version of the file.
 *
 * libcurl parses the bundle in the middle of a handshake, about 20 ms for the usual one, and keeps the result with the
 * multi handle. So a multi handle gets its first handshake on the pool, with a listener of ours on the loopback that
 * answers with something other than TLS: by then the certificates are parsed and kept. The loop takes over a handle
 * that knows them. Where this does not work (TLS libraries for which libcurl keeps nothing, no loopback), the first
 * handshake parses them on the loop, as it would have. A folder of certificates is searched at each handshake, a file
 * or two at a time, and needs none of this.
 */
#include "net/http_private.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WARM_MS = 1000, WARM_POLL_MS = 100 };

static int loopback_listener(int *port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -1;
  if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 4) != 0 ||
      getsockname(fd, (struct sockaddr *)&address, &size) != 0) {
    close(fd);
    return -1;
  }
  *port = ntohs(address.sin_port);
  return fd;
}

/* A connecting peer, in all likelihood libcurl, receives something that is not TLS. */
static void answer(int listener) {
  static const char text[] = "not TLS\r\n";
  int fd = accept(listener, NULL, NULL);
  if (fd < 0) return;
  ssize_t sent = send(fd, text, sizeof text - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
  (void)sent; /* libcurl notices the end, too */
  close(fd);
}

static size_t discard(char *bytes, size_t size, size_t count, void *user) { return size * count; }

static CURL *warm_handle(const char *ca_file, int port) {
  char url[64];
  CURL *curl = curl_easy_init();
  if (curl == NULL) return NULL;
  snprintf(url, sizeof url, "https://127.0.0.1:%d/", port);
  curl_easy_setopt(curl, CURLOPT_URL, url);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_PROXY, "");
  curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https");
  curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)WARM_MS);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, discard);
  daytona__http_easy_trust(curl, ca_file, NULL);
  return curl;
}

/* What became of it; the certificates were parsed unless it is CURLE_SSL_CACERT_BADFILE. */
static CURLcode result_of(CURLM *multi) {
  int left;
  CURLMsg *message = curl_multi_info_read(multi, &left);
  return message != NULL && message->msg == CURLMSG_DONE ? message->data.result : CURLE_OK;
}

static CURLcode warm(CURLM *multi, const char *ca_file) {
  int port, running = 1;
  CURLcode result = CURLE_OK;
  int listener = loopback_listener(&port);
  CURL *curl = listener >= 0 ? warm_handle(ca_file, port) : NULL;
  if (curl != NULL && curl_multi_add_handle(multi, curl) == CURLM_OK) {
    struct curl_waitfd also = {.fd = listener, .events = CURL_WAIT_POLLIN};
    while (curl_multi_perform(multi, &running) == CURLM_OK && running != 0) {
      answer(listener);
      if (curl_multi_poll(multi, &also, 1, WARM_POLL_MS, NULL) != CURLM_OK) break;
    }
    result = result_of(multi);
    curl_multi_remove_handle(multi, curl);
  }
  curl_easy_cleanup(curl);
  if (listener >= 0) close(listener);
  return result;
}

/* On a thread of the pool. */
static void *load(daytona__trust_t *trust) {
  daytona__http_t *http = DAYTONA__CONTAINER(trust, daytona__http_t, trust);
  const char *ca_file = http->options.tls.ca_file;
  CURLM *multi = curl_multi_init();
  if (multi == NULL) {
    trust->code = DAYTONA_ENOMEM;
    snprintf(trust->message, sizeof trust->message, "%s", daytona_errcode_text(DAYTONA_ENOMEM));
  } else if (warm(multi, ca_file) == CURLE_SSL_CACERT_BADFILE) {
    trust->code = DAYTONA_ETLS;
    snprintf(trust->message, sizeof trust->message, "CA file %s: it cannot be read, or has no certificate",
             ca_file);
    curl_multi_cleanup(multi);
    multi = NULL;
  }
  return multi;
}

static void drop(void *loaded) { curl_multi_cleanup(loaded); }

static int use(daytona__trust_t *trust, void *loaded) {
  return daytona__http_hub_take(DAYTONA__CONTAINER(trust, daytona__http_t, trust), loaded);
}

void daytona__http_trust_init(daytona__http_t *http) {
  const daytona__tls_options_t *tls = &http->options.tls;
  http->has_trust = !tls->is_unverified && tls->ca_file != NULL && tls->ca_path == NULL;
  http->trust.files[0] = tls->ca_file;
  http->trust.load = load;
  http->trust.use = use;
  http->trust.drop = drop;
  daytona__trust_init(&http->trust, http->loop);
}
