/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From what the program and the environment say to the settings of one client.
 */
#ifndef DAYTONA_CALL_CONFIG_H
#define DAYTONA_CALL_CONFIG_H

#include <daytona/client.h>

#include "call/telemetry_config.h"
#include "core/arena.h"
#include "net/options.h"

/* A name, id, label or path given by the program. */
#define DAYTONA__NAME_MAX ((size_t)4 << 10)

/* An API key, a JWT, an organization's id: they go into headers, and servers refuse far shorter ones. */
#define DAYTONA__TOKEN_MAX ((size_t)32 << 10)

/* Sandboxes of one client that may be in creation or start at once, unless configured otherwise. */
#define DAYTONA__STARTING_DEFAULT 100

typedef struct daytona__settings {
  const char *token;           /* API key or JWT: the bearer */
  const char *organization_id; /* NULL in API key mode */
  const char *api_url;         /* normalised: no trailing slash */
  const char *region;          /* NULL: none */
  int max_starting;
  bool allows_plain_toolbox;  /* that of an https control plane may be http */
  int64_t request_timeout_ms; /* -1: none */
  bool uses_events;           /* waits use the event socket */
  daytona__net_options_t net;
  daytona__telemetry_settings_t telemetry;
} daytona__settings_t;

/*
 * Resolve `config` (may be NULL) into `settings`, whose strings live in `arena`, which is marked secret. 0, or the
 * code with one line in `reason` (of `size` bytes, may be NULL). Warnings (deprecated variables) go to the
 * configuration's log callback.
 */
int daytona__config_resolve(daytona__arena_t *arena, const daytona_config_t *config,
                            daytona__settings_t *settings, char *reason, size_t size);

#endif
