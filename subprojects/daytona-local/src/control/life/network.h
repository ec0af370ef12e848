/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a sandbox's settings ask of the network of its box.
 */
#ifndef DL_SANDBOX_NETWORK_H
#define DL_SANDBOX_NETWORK_H

#include "control/objects/sandbox.h"
#include "runtime/runtime.h"

/* Settings that clients choose; the texts are borrowed, NULL or "" is no list. */
typedef struct {
  bool is_blocked;
  const char *allow_list, *domain_list;
  const char *secret_hosts; /* of the sandbox, see sandbox.h; no client chooses it */
} dl_network_settings_t;

dl_network_settings_t dl_network_settings(const dl_sandbox_t *sb);
/* All but the hosts. */
void dl_network_take(dl_sandbox_t *sb, const dl_network_settings_t *settings);

/* The rules of a box with these settings; they borrow from `settings`. What this machine cannot enforce is left out if
 * `accepts_unenforced`: then it is only shown. The hosts of secrets are never left out. */
dl_box_rules_t dl_network_rules(const dl_runtime_t *rt, const dl_network_settings_t *settings,
                                bool accepts_unenforced);
/* NULL, or why this machine cannot enforce them; lives as long as the runtime. */
const char *dl_network_missing_for(const dl_runtime_t *rt, const dl_network_settings_t *settings);

#endif
