/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Version gates. A version is major.minor.patch with an optional leading v and an optional
 * pre-release (1.2.3-a1 and 1.2.3a1 are the same), which comes before the release itself.
 */
#include "toolbox/process/sdk_version.h"

#include "toolbox/core/websocket.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  unsigned long numbers[3];
  bool is_prerelease;
} version_t;

static bool parse(const char *text, version_t *out) {
  *out = (version_t){{0}, false};
  if (*text == 'v') text++;
  for (int i = 0; i < 3; i++) {
    char *end;
    if (!isdigit((unsigned char)*text)) return false;
    out->numbers[i] = strtoul(text, &end, 10);
    text = end;
    if (*text != '.') break;
    if (i < 2) text++;
  }
  out->is_prerelease = *text == '-' || isalpha((unsigned char)*text);
  return *text == '\0' || *text == '+' || out->is_prerelease;
}

static bool is_below(const version_t *v, unsigned long minor) {
  if (v->numbers[0] > 0) return false;
  if (v->numbers[1] != minor) return v->numbers[1] < minor;
  return v->numbers[2] == 0 && v->is_prerelease;
}

dl_sdk_rules_t dl_sdk_rules_for(const char *text, bool wants_split) {
  version_t v;
  if (text == NULL) return (dl_sdk_rules_t){wants_split ? DL_LOG_VIEW_MARKED : DL_LOG_VIEW_STRIPPED, false};
  bool is_dev = strstr(text, "dev") != NULL;
  /* A build from source may call itself "dev" and nothing else. */
  if (!parse(text, &v)) return (dl_sdk_rules_t){is_dev ? DL_LOG_VIEW_SPLIT : DL_LOG_VIEW_MARKED, false};
  dl_sdk_rules_t rules = {DL_LOG_VIEW_MARKED, is_below(&v, 103) && strcmp(text, "0.0.0-dev") != 0};
  if (is_dev || !is_below(&v, 167))
    rules.view = DL_LOG_VIEW_SPLIT;
  else if (is_below(&v, 27))
    rules.view = DL_LOG_VIEW_STRIPPED;
  return rules;
}

dl_sdk_rules_t dl_sdk_rules_of(dl_req_t *req) {
  const char *split = dl_req_header(req, "X-Daytona-Split-Output"),
             *header = dl_req_header(req, "X-Daytona-SDK-Version");
  char *token = dl_ws_token(req, "X-Daytona-SDK-Version~");
  const char *text = header != NULL && *header != '\0' ? header : token;
  dl_sdk_rules_t rules = dl_sdk_rules_for(text, split != NULL && strcmp(split, "true") == 0);
  free(token);
  return rules;
}
