/* SPDX-License-Identifier: Apache-2.0 */
#include "control/life/network.h"

static const char *or_none(const char *list) { return list && *list ? list : NULL; }

dl_network_settings_t dl_network_settings(const dl_sandbox_t *sb) {
  return (dl_network_settings_t){sb->is_blocked, sb->allow_list, sb->domain_list, sb->secret_hosts};
}

void dl_network_take(dl_sandbox_t *sb, const dl_network_settings_t *settings) {
  sb->is_blocked = settings->is_blocked;
  dl_set(&sb->allow_list, or_none(settings->allow_list));
  dl_set(&sb->domain_list, or_none(settings->domain_list));
}

static dl_box_rules_t wanted(const dl_network_settings_t *settings) {
  return (dl_box_rules_t){.blocks_all = settings->is_blocked,
                          .allow_list = or_none(settings->allow_list),
                          .domain_list = or_none(settings->domain_list),
                          .hosts = settings->secret_hosts};
}

const char *dl_network_missing_for(const dl_runtime_t *rt, const dl_network_settings_t *settings) {
  const dl_box_rules_t rules = wanted(settings);
  return dl_runtime_rules_missing(rt, &rules);
}

dl_box_rules_t dl_network_rules(const dl_runtime_t *rt, const dl_network_settings_t *settings,
                                bool accepts_unenforced) {
  if (accepts_unenforced && dl_network_missing_for(rt, settings))
    return (dl_box_rules_t){.hosts = settings->secret_hosts};
  return wanted(settings);
}
