/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WebSocket upgrade; see ws_upgrade.h. The platform's proxy looks for `Upgrade: websocket` in lower case and
 * reads only the first Sec-WebSocket-Protocol line, hence one line for all protocols.
 */
#include "net/ws_upgrade.h"

#include <psa/crypto.h>
#include <string.h>
#include <strings.h>

#include "core/ascii.h"
#include "core/header.h"
#include "core/random.h"

/* Headers that belong to the handshake itself. */
static bool is_ours(const char *name) {
  static const char *const ours[] = {"Host", "Upgrade", "Connection", "Content-Length", "Transfer-Encoding"};
  if (strncasecmp(name, "Sec-WebSocket-", 14) == 0) return true;
  for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
    if (strcasecmp(name, ours[i]) == 0) return true;
  return false;
}

int daytona__ws_upgrade_validate(const daytona__ws_upgrade_t *upgrade) {
  for (size_t i = 0; i < upgrade->header_count; i++) {
    const daytona_header_t *header = &upgrade->headers[i];
    if (!daytona__header_is_valid(header) || is_ours(header->name)) return DAYTONA_EINVAL;
  }
  for (size_t i = 0; i < upgrade->protocol_count; i++)
    if (!daytona__is_token(upgrade->protocols[i])) return DAYTONA_EINVAL;
  return 0;
}

static int make_key(char *key) {
  unsigned char nonce[16];
  if (daytona__random(nonce, sizeof nonce) != 0) return DAYTONA_EFAILED;
  daytona__base64(key, nonce, sizeof nonce);
  return 0;
}

static void add_host(const daytona__target_t *target, daytona__strbuf_t *out) {
  bool is_v6 = strchr(target->host, ':') != NULL;
  daytona__strbuf_printf(out, "Host: %s%s%s", is_v6 ? "[" : "", target->host, is_v6 ? "]" : "");
  if (target->port != (target->is_secure ? 443 : 80)) daytona__strbuf_printf(out, ":%d", target->port);
  daytona__strbuf_puts(out, "\r\n");
}

/* One line for all. What is not sent to another origin in a header is not sent here either. */
static void add_protocols(const daytona__ws_upgrade_t *upgrade, daytona__strbuf_t *out) {
  const char *before = "Sec-WebSocket-Protocol: ";
  bool has_line = false;
  for (size_t i = 0; i < upgrade->protocol_count; i++) {
    if (daytona__redirect_hides(&upgrade->redirect, upgrade->protocols[i])) continue;
    daytona__strbuf_puts(out, before);
    daytona__strbuf_puts(out, upgrade->protocols[i]);
    before = ", ";
    has_line = true;
  }
  if (has_line) daytona__strbuf_puts(out, "\r\n");
}

int daytona__ws_upgrade_request(daytona__ws_upgrade_t *upgrade, daytona__strbuf_t *out) {
  int code = make_key(upgrade->key);
  if (code != 0) return code;
  daytona__strbuf_printf(out, "GET %s HTTP/1.1\r\n", upgrade->url->resource);
  add_host(&upgrade->url->target, out);
  daytona__strbuf_printf(out,
                         "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                         "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n",
                         upgrade->key);
  add_protocols(upgrade, out);
  for (size_t i = 0; i < upgrade->header_count; i++) {
    const daytona_header_t *header = &upgrade->headers[i];
    if (daytona__redirect_hides(&upgrade->redirect, header->name)) continue;
    daytona__strbuf_printf(out, "%s: %s\r\n", header->name, header->value);
  }
  return daytona__strbuf_puts(out, "\r\n");
}

int daytona__ws_upgrade_accept(const char *key, char *out) {
  static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  unsigned char text[64], hash[20];
  size_t key_size = strlen(key), size;
  if (key_size + sizeof guid > sizeof text) return DAYTONA_EFAILED;
  memcpy(text, key, key_size);
  memcpy(text + key_size, guid, sizeof guid - 1);
  if (psa_hash_compute(PSA_ALG_SHA_1, text, key_size + sizeof guid - 1, hash, sizeof hash, &size) !=
      PSA_SUCCESS)
    return DAYTONA_EFAILED;
  daytona__base64(out, hash, sizeof hash);
  return 0;
}

static bool was_offered(const daytona__ws_upgrade_t *upgrade, const char *protocol) {
  for (size_t i = 0; i < upgrade->protocol_count; i++)
    if (strcmp(upgrade->protocols[i], protocol) == 0) return true;
  return false;
}

int daytona__ws_upgrade_check(const daytona__ws_upgrade_t *upgrade, const daytona__http1_head_t *answer,
                              const char **protocol, const char **message) {
  char accept[29];
  const char *chosen = daytona__http1_head_header(answer, "Sec-WebSocket-Protocol");
  const char *given = daytona__http1_head_header(answer, "Sec-WebSocket-Accept");
  const char *extensions = daytona__http1_head_header(answer, "Sec-WebSocket-Extensions");
  const char *wrong = NULL;
  if (!daytona__http1_head_has_token(answer, "Upgrade", "websocket") ||
      !daytona__http1_head_has_token(answer, "Connection", "Upgrade"))
    wrong = "the server switched to something other than WebSocket";
  else if (daytona__ws_upgrade_accept(upgrade->key, accept) != 0 || given == NULL ||
           daytona__http1_head_count(answer, "Sec-WebSocket-Accept") != 1 || strcmp(given, accept) != 0)
    wrong = "the server's Sec-WebSocket-Accept is wrong";
  else if (extensions != NULL && *extensions != '\0')
    wrong = "the server chose an extension that was not offered";
  else if (chosen != NULL && (daytona__http1_head_count(answer, "Sec-WebSocket-Protocol") != 1 ||
                              !was_offered(upgrade, chosen)))
    wrong = "the server chose a protocol that was not offered";
  if (wrong != NULL) {
    *message = wrong;
    return DAYTONA_EPROTOCOL;
  }
  *protocol = chosen;
  return 0;
}
