/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WebSocket URLs; see ws_url.h. ws and wss are rewritten as http and https at once: they parse alike, and
 * libcurl's parser, which joins relative references, does not know them in every version.
 */
#include "net/ws_url.h"

#include <curl/curl.h>
#include <string.h>
#include <strings.h>

#include "core/limits.h"
#include "core/memory.h"
#include "core/strbuf.h"

/* A copy with an http or https scheme, without the fragment. */
static int normalise(const char *text, char **out) {
  static const struct { const char *from, *to; } schemes[] = {{"ws://", "http://"}, {"wss://", "https://"}};
  daytona__strbuf_t copy;
  daytona__strbuf_init(&copy, DAYTONA__URL_MAX);
  for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
    size_t size = strlen(schemes[i].from);
    if (strncasecmp(text, schemes[i].from, size) != 0) continue;
    daytona__strbuf_puts(&copy, schemes[i].to);
    text += size;
    break;
  }
  int code = daytona__strbuf_append(&copy, text, strcspn(text, "#"));
  if (code == 0) {
    *out = copy.data;
    return 0;
  }
  daytona__strbuf_clear(&copy);
  return code == DAYTONA_ELIMIT ? DAYTONA_EINVAL : code;
}

/* Only visible ASCII: a blank or a line end would end the request line. */
static bool is_clean(const char *text) {
  for (; *text != '\0'; text++)
    if ((unsigned char)*text <= ' ' || (unsigned char)*text >= 0x7f) return false;
  return true;
}

static int parse_normal(daytona__ws_url_t *url, char *text) {
  daytona__ws_url_t parsed = {.text = text};
  const char *path;
  if (!is_clean(text)) return DAYTONA_EINVAL;
  int code = daytona__target_parse(text, &parsed.target, &path);
  if (code != 0) return code;
  daytona__strbuf_t resource;
  daytona__strbuf_init(&resource, DAYTONA__URL_MAX + 1);
  if (*path != '/') daytona__strbuf_putc(&resource, '/');
  if (daytona__strbuf_puts(&resource, path) != 0) {
    daytona__strbuf_clear(&resource);
    return DAYTONA_ENOMEM;
  }
  parsed.resource = resource.data;
  daytona__ws_url_clear(url);
  *url = parsed;
  return 0;
}

int daytona__ws_url_parse(daytona__ws_url_t *url, const char *text) {
  char *copy;
  int code = normalise(text, &copy);
  if (code != 0) return code;
  code = parse_normal(url, copy);
  if (code != 0) daytona__free(copy);
  return code;
}

int daytona__ws_url_follow(daytona__ws_url_t *url, const daytona__ws_url_t *base, const char *location) {
  char *reference, *joined = NULL;
  int code = normalise(location, &reference);
  if (code != 0) return code;
  CURLU *parser = curl_url();
  CURLUcode result = parser != NULL ? CURLUE_OK : CURLUE_OUT_OF_MEMORY;
  if (result == CURLUE_OK) result = curl_url_set(parser, CURLUPART_URL, base->text, 0);
  if (result == CURLUE_OK) result = curl_url_set(parser, CURLUPART_URL, reference, 0);
  if (result == CURLUE_OK) result = curl_url_get(parser, CURLUPART_URL, &joined, 0);
  if (result == CURLUE_OK)
    code = daytona__ws_url_parse(url, joined);
  else
    code = result == CURLUE_OUT_OF_MEMORY ? DAYTONA_ENOMEM : DAYTONA_EINVAL;
  curl_free(joined);
  curl_url_cleanup(parser);
  daytona__free(reference);
  return code;
}

void daytona__ws_url_clear(daytona__ws_url_t *url) {
  daytona__free(url->text);
  daytona__free(url->resource);
  memset(url, 0, sizeof *url);
}
