/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a box may reach, as data: read from text, and written as a script for nft. Never changed once made.
 */
#ifndef DL_RUNTIME_RULES_H
#define DL_RUNTIME_RULES_H

#include "runtime/runtime.h"

#include <stdint.h>

#define DL_RULES_PARTS_MAX 10 /* of each list, as on the platform */

typedef struct {
  uint32_t address; /* host order; no bits beyond the prefix */
  unsigned prefix;  /* 0..32 */
} dl_cidr_t;

typedef struct dl_rules {
  unsigned refs;
  bool blocks_all;
  dl_cidr_t cidrs[DL_RULES_PARTS_MAX];
  size_t cidr_count;
  char *domains; /* lower case, separated by single commas; NULL: no such list */
  char *hosts;   /* the same */
} dl_rules_t;

/* A reference that you own, or NULL with *failure (yours to free). NULL as `from` is no rules. */
dl_rules_t *dl_rules_new(const dl_box_rules_t *from, char **failure);
dl_rules_t *dl_rules_retain(dl_rules_t *rules);
void dl_rules_release(dl_rules_t *rules); /* takes NULL */

/* There is something for nft to enforce. A block needs none: it is the absence of a network. */
bool dl_rules_have_lists(const dl_rules_t *rules);
/* Some of it are names, which our resolver (names.c) has to look up. */
bool dl_rules_have_names(const dl_rules_t *rules);

/* As one line for people, yours to free. */
char *dl_rules_text(const dl_rules_t *rules);

typedef struct {
  unsigned port; /* of the resolver, on 127.0.0.1; 0: none */
  unsigned mark; /* of connections that were let through because of a name; another one for each new script */
  bool keeps_names; /* the addresses of names that are known stay */
} dl_rules_script_t;

/* For `nft -f`, in one transaction. Yours to free. */
char *dl_rules_script(const dl_rules_t *rules, const dl_rules_script_t *how);

/* Runs nft with a script in a network namespace that belongs to the user namespace `user_fd`. Waits for it: for a thread of
 * the pool. NULL, or the reason (yours to free). */
char *dl_rules_run(const char *nft, int net_fd, int user_fd, const char *script);
/* The same in a new namespace, which is gone afterwards: whether nft and the kernel can do it. */
char *dl_rules_try(const char *nft, const char *script);

/* The marks of packets of the resolver itself. */
#define DL_RULES_NAMES_MARK 100
#define DL_RULES_TABLE "daytona"
#define DL_RULES_SET "names"
#define DL_RULES_SET_SIZE 4096
/* The interfaces of all links (link.h) begin with it. */
#define DL_LINK_PREFIX "link"
/* slirp4netns' own resolver, and the network that it makes. */
#define DL_SLIRP_RESOLVER "10.0.2.3"
#define DL_SLIRP_NETWORK 0x0a000200u /* /24 */

#endif
