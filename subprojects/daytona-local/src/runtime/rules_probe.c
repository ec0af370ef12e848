/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What rules this machine can enforce: nft writes some into a namespace made for it. On a thread of its own, so that no start
 * of the server waits; who asks first does.
 */
#include "runtime/internal.h"
#include "runtime/rules.h"

#include <pthread.h>
#include <stdlib.h>

struct dl_rules_probe {
  pthread_t thread;
  bool is_running;
  char *nft;
  char *lists, *names; /* why not, each */
};

static char *try_rules(const char *nft, const dl_box_rules_t *some) {
  dl_rules_t *rules = dl_rules_new(some, NULL);
  char *script = dl_rules_script(rules, &(dl_rules_script_t){.port = 53, .mark = 1});
  char *failure = dl_rules_try(nft, script);
  free(script);
  dl_rules_release(rules);
  return failure;
}

static void *look(void *user) {
  struct dl_rules_probe *p = user;
  p->names = try_rules(p->nft, &(dl_box_rules_t){.allow_list = "10.0.0.0/8", .domain_list = "example.com"});
  if (p->names != NULL) p->lists = try_rules(p->nft, &(dl_box_rules_t){.allow_list = "10.0.0.0/8"});
  return NULL;
}

void dl_rules_probe_begin(dl_runtime_t *rt) {
  if (rt->nft == NULL || rt->isolation == DL_ISOLATION_NONE || rt->network != DL_NETWORK_PRIVATE) return;
  rt->rules_probe = dl_xcalloc(1, sizeof *rt->rules_probe);
  rt->rules_probe->nft = dl_xstrdup(rt->nft);
  rt->rules_probe->is_running = pthread_create(&rt->rules_probe->thread, NULL, look, rt->rules_probe) == 0;
  if (!rt->rules_probe->is_running) look(rt->rules_probe);
}

static void join(struct dl_rules_probe *p) {
  if (p->is_running) pthread_join(p->thread, NULL);
  p->is_running = false;
}

const char *dl_rules_missing(const dl_runtime_t *rt, bool has_names) {
  struct dl_rules_probe *p = rt->rules_probe;
  if (rt->nft == NULL) return "nft is not installed (package nftables)";
  if (p == NULL) return "the sandbox's network is not its own";
  join(p);
  return has_names ? p->names : p->lists;
}

void dl_rules_probe_end(dl_runtime_t *rt) {
  struct dl_rules_probe *p = rt->rules_probe;
  if (p == NULL) return;
  join(p);
  free(p->nft);
  free(p->lists);
  free(p->names);
  free(p);
  rt->rules_probe = NULL;
}

const char *dl_runtime_rules_missing(const dl_runtime_t *rt, const dl_box_rules_t *rules) {
  char *failure = NULL;
  dl_rules_t *read = dl_rules_new(rules, &failure);
  if (read == NULL) {
    free(failure);
    return "they cannot be read";
  }
  bool has_lists = dl_rules_have_lists(read), has_names = dl_rules_have_names(read);
  dl_rules_release(read);
  if (rt->isolation == DL_ISOLATION_NONE && (has_lists || rules->blocks_all))
    return "the network of a sandbox without isolation is the server's own (--isolation=none)";
  if (!has_lists || rt->network == DL_NETWORK_NONE) return NULL;
  if (rt->network == DL_NETWORK_HOST) return "sandboxes share the server's network (--network=host)";
  return dl_rules_missing(rt, has_names);
}
