/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP CONNECT; see tunnel.h. Credentials are wiped from every buffer but the caller's, who wipes `out`.
 */
#include "net/tunnel.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/ascii.h"
#include "core/memory.h"

static int add_basic(const daytona__proxy_t *proxy, daytona__strbuf_t *out) {
  const char *user = proxy->user != NULL ? proxy->user : "";
  const char *password = proxy->password != NULL ? proxy->password : "";
  size_t size = strlen(user) + 1 + strlen(password), room = DAYTONA__BASE64_ROOM(size);
  char *plain = daytona__alloc(size + 1), *encoded = daytona__alloc(room);
  int code = DAYTONA_ENOMEM;
  if (plain != NULL && encoded != NULL) {
    snprintf(plain, size + 1, "%s:%s", user, password);
    daytona__base64(encoded, plain, size);
    code = daytona__strbuf_printf(out, "Proxy-Authorization: Basic %s\r\n", encoded);
  }
  if (plain != NULL) daytona__wipe(plain, size);
  if (encoded != NULL) daytona__wipe(encoded, room);
  daytona__free(plain);
  daytona__free(encoded);
  return code;
}

int daytona__tunnel_request(const daytona__proxy_t *proxy, const daytona__target_t *target,
                            daytona__strbuf_t *out) {
  bool is_v6 = strchr(target->host, ':') != NULL;
  const char *open = is_v6 ? "[" : "", *close = is_v6 ? "]" : "";
  daytona__strbuf_printf(out, "CONNECT %s%s%s:%d HTTP/1.1\r\nHost: %s%s%s:%d\r\n", open, target->host, close,
                         target->port, open, target->host, close, target->port);
  if ((proxy->user != NULL || proxy->password != NULL) && add_basic(proxy, out) != 0) return DAYTONA_ENOMEM;
  daytona__strbuf_puts(out, "Proxy-Connection: keep-alive\r\n\r\n");
  return out->error != 0 ? DAYTONA_ENOMEM : 0;
}

void daytona__proxy_offers_add(daytona__proxy_offers_t *offers, const char *value) {
  size_t used = strlen(offers->text), size = 0;
  while (value[size] != '\0' && strchr(" \t,=", value[size]) == NULL) size++;
  char scheme[32];
  if (size == 0 || size >= sizeof scheme) return;
  memcpy(scheme, value, size);
  scheme[size] = '\0';
  if (!daytona__is_token(scheme) || used + size + 2 >= sizeof offers->text) return;
  snprintf(offers->text + used, sizeof offers->text - used, "%s%s", used != 0 ? ", " : "", scheme);
}

void daytona__proxy_refusal(bool had_credentials, const daytona__proxy_offers_t *offers, char *text,
                            size_t size) {
  bool has_offers = offers->text[0] != '\0';
  snprintf(text, size, "the proxy wants %s (407%s%s); Basic is what this library knows",
           had_credentials ? "other credentials" : "credentials", has_offers ? ", it offers " : "",
           offers->text);
}

int daytona__tunnel_check(const daytona__proxy_t *proxy, const daytona__http1_head_t *answer, char *text,
                          size_t size) {
  daytona__proxy_offers_t offers = {""};
  if (answer->status >= 200 && answer->status < 300) return 0;
  if (answer->status != 407) {
    snprintf(text, size, "the proxy refused the tunnel with status %d", answer->status);
    return DAYTONA_EPROXY;
  }
  for (size_t i = 0; i < answer->header_count; i++)
    if (strcasecmp(answer->headers[i].name, "Proxy-Authenticate") == 0)
      daytona__proxy_offers_add(&offers, answer->headers[i].value);
  daytona__proxy_refusal(proxy->user != NULL || proxy->password != NULL, &offers, text, size);
  return DAYTONA_EPROXY;
}
