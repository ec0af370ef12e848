/* SPDX-License-Identifier: Apache-2.0 */
#include "control/life/links.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* 198.18.0.0/15 is for tests of networks, so nobody's hosts are there. */
#define FIRST_ADDRESS 0xc6120001u
#define ADDRESS_COUNT 0x1fffeu

static uint32_t address_of(dl_objects_t *o, dl_sandbox_t *sb) {
  if (sb->link_address == 0) sb->link_address = FIRST_ADDRESS + o->link_address_count++ % ADDRESS_COUNT;
  return sb->link_address;
}

static dl_sandbox_t *owner_of(const dl_objects_t *o, const dl_sandbox_t *sb) {
  return sb->linked ? dl_map_get(&o->sandboxes, sb->linked) : NULL;
}

static bool is_host_name(const char *name) {
  static const char *const taken[] = {"localhost", "ip6-localhost"};
  struct in_addr address;
  for (size_t i = 0; i < DL_COUNT(taken); i++)
    if (strcasecmp(name, taken[i]) == 0) return false;
  for (const char *c = name; *c; c++)
    if (!isalnum((unsigned char)*c) && !strchr("-_.", *c)) return false;
  return *name && strlen(name) <= 253 && inet_aton(name, &address) == 0;
}

char *dl_links_hosts(dl_objects_t *o, dl_sandbox_t *sb) {
  dl_sandbox_t *owner = owner_of(o, sb);
  if (!owner) return NULL;
  struct in_addr address = {htonl(address_of(o, owner))};
  char text[INET_ADDRSTRLEN];
  inet_ntop(AF_INET, &address, text, sizeof text);
  bool has_name = strcmp(owner->name, owner->id) != 0 && is_host_name(owner->name);
  return dl_xprintf("%s\t%s%s%s\n", text, owner->id, has_name ? " " : "", has_name ? owner->name : "");
}

static void make(dl_objects_t *o, dl_sandbox_t *owner, dl_sandbox_t *follower) {
  if (owner->box && follower->box)
    dl_box_link(owner->box, address_of(o, owner), follower->box, address_of(o, follower));
}

void dl_links_make(dl_objects_t *o, dl_sandbox_t *sb) {
  dl_sandbox_t *owner = owner_of(o, sb);
  if (owner) make(o, owner, sb);
  DL_LIST_EACH(&o->sandbox_list, node) {
    dl_sandbox_t *other = DL_CONTAINER(node, dl_sandbox_t, link);
    if (owner_of(o, other) == sb) make(o, sb, other);
  }
}

char *dl_links_refused(const dl_sandbox_t *owner) {
  if (owner->state != DL_STARTED || owner->is_pending)
    return dl_xprintf("Sandbox %s is not started: nothing can be linked to it", owner->name);
  if (owner->linked)
    return dl_xprintf("Sandbox %s is linked to another one itself: nothing can be linked to it", owner->name);
  return NULL;
}
