/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See options.h. Every string of the options stands in one list, so that copying and freeing cannot forget one.
 */
#include "net/options.h"

#include <stddef.h>

#include "core/own.h"

static const size_t tls_strings[] = {
  offsetof(daytona__tls_options_t, ca_file), offsetof(daytona__tls_options_t, ca_path),
  offsetof(daytona__tls_options_t, client_cert), offsetof(daytona__tls_options_t, client_key),
  offsetof(daytona__tls_options_t, client_key_password)};

static const size_t proxy_strings[] = {offsetof(daytona__proxy_options_t, http_proxy),
                                       offsetof(daytona__proxy_options_t, https_proxy),
                                       offsetof(daytona__proxy_options_t, no_proxy)};

enum {
  TLS_COUNT = sizeof tls_strings / sizeof tls_strings[0],
  PROXY_COUNT = sizeof proxy_strings / sizeof proxy_strings[0]
};

static const char **at(void *options, size_t offset) {
  return (const char **)(void *)((char *)options + offset);
}

/* Put copies in the place of borrowed strings; those behind a failure become NULL. */
static int own_all(void *options, const size_t *offsets, size_t count) {
  int code = 0;
  for (size_t i = 0; i < count; i++) {
    const char **text = at(options, offsets[i]), *given = *text;
    *text = NULL;
    if (code == 0) code = daytona__own(text, given);
  }
  return code;
}

static void disown_all(void *options, const size_t *offsets, size_t count) {
  for (size_t i = 0; i < count; i++) daytona__disown(at(options, offsets[i]));
}

int daytona__tls_options_own(daytona__tls_options_t *out, const daytona__tls_options_t *options) {
  *out = *options;
  return own_all(out, tls_strings, TLS_COUNT);
}

void daytona__tls_options_disown(daytona__tls_options_t *options) {
  disown_all(options, tls_strings, TLS_COUNT);
}

int daytona__proxy_options_own(daytona__proxy_options_t *out, const daytona__proxy_options_t *options) {
  *out = *options;
  return own_all(out, proxy_strings, PROXY_COUNT);
}

void daytona__proxy_options_disown(daytona__proxy_options_t *options) {
  disown_all(options, proxy_strings, PROXY_COUNT);
}

int daytona__net_options_own(daytona__net_options_t *out, const daytona__net_options_t *options) {
  *out = *options;
  int code = daytona__tls_options_own(&out->tls, &options->tls);
  int proxy_code = daytona__proxy_options_own(&out->proxy, &options->proxy);
  return code != 0 ? code : proxy_code;
}

void daytona__net_options_disown(daytona__net_options_t *options) {
  daytona__tls_options_disown(&options->tls);
  daytona__proxy_options_disown(&options->proxy);
}
