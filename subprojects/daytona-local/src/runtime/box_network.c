/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network of one box, from what it has to what is wanted, one step after the other:
 *
 *   what must go  - slirp4netns of a box that is blocked
 *   rules         - the resolver if names are wanted, then nft
 *   what may come - slirp4netns
 *
 * so that nothing is open at any time that neither the old rules nor the new ones allow. nft replaces all rules in one
 * transaction: when it fails, the old ones are still there, and they are what is wanted again. A box whose first rules
 * cannot be had does not start.
 */
#include "runtime/helper.h"
#include "runtime/link.h"
#include "runtime/names.h"
#include "runtime/rules.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct {
  dl_list_t link;
  dl_box_rules_cb cb;
  void *user;
} waiter_t;

#define RESTARTS_MAX 5 /* of a resolver that dies */

static void step(dl_box_t *box);

/* --- outcomes --- */

static void finish_waiters(dl_box_t *box, const char *error) {
  dl_list_t *waiters = &box->net.waiters;
  size_t count = 0;
  DL_LIST_EACH(waiters, node) count++;
  for (; count > 0; count--) { /* those that a callback adds wait for what it wants */
    waiter_t *w = DL_CONTAINER(waiters->next, waiter_t, link);
    dl_list_unlink(&w->link);
    w->cb(w->user, error);
    free(w);
  }
}

static void want(dl_box_t *box, dl_rules_t *rules) {
  dl_rules_t *before = box->net.wanted;
  box->net.wanted = dl_rules_retain(rules);
  dl_rules_release(before);
}

/* The step that was under way is over, the box perhaps as well. */
static void go_on(dl_box_t *box) {
  assert(box->net.is_busy);
  box->net.is_busy = false;
  if (box->is_ended)
    dl_box_net_ended(box);
  else
    step(box);
}

/* `reason` is taken. */
static void failed(dl_box_t *box, char *reason) {
  dl_box_net_t *net = &box->net;
  if (!net->was_told) {
    net->is_open = false;
    dl_box_fail(box, reason);
    return;
  }
  dl_warn("box %s: %s", box->id, reason);
  want(box, net->applied);
  finish_waiters(box, reason);
  free(reason);
}

/* --- slirp4netns --- */

static void on_slirp_stopped(void *user) {
  dl_box_t *box = user;
  box->net.slirp = NULL;
  go_on(box);
}

static void stop_slirp(dl_box_t *box) {
  box->net.is_busy = true;
  box->net.awaits_slirp = false;
  dl_helper_stop(box->net.slirp, on_slirp_stopped, box);
}

static void slirp_is_ready(dl_box_t *box, bool works) {
  box->net.awaits_slirp = false;
  box->net.is_broken = !works;
  step(box);
}

static void on_slirp_said(void *user, const char *bytes, size_t len) {
  dl_box_t *box = user;
  (void)bytes;
  if (box->net.awaits_slirp) slirp_is_ready(box, len > 0);
}

static void start_slirp(dl_box_t *box) {
  box->net.awaits_slirp = true;
  box->net.slirp = dl_network_start(box, on_slirp_said);
  if (box->net.slirp == NULL) slirp_is_ready(box, false);
}

/* --- nft --- */

static void apply_work(uv_work_t *work) {
  dl_box_t *box = work->data;
  dl_box_net_t *net = &box->net;
  if (net->script != NULL) net->failure = dl_rules_run(box->rt->nft, net->net_fd, net->user_fd, net->script);
}

/* Drops what nobody needs any more. */
static void end_script(dl_box_net_t *net) {
  if (net->script == NULL) return;
  free(net->script);
  net->script = NULL;
  close(net->net_fd);
  close(net->user_fd);
}

/* `rules` is taken. */
static void take_applied(dl_box_net_t *net, dl_rules_t *rules) {
  dl_rules_release(net->applied);
  free(net->text);
  net->applied = rules;
  net->has_table = dl_rules_have_lists(rules);
  net->is_stale = false;
  net->text = dl_rules_text(rules);
}

static void on_applied(uv_work_t *work, int status) {
  dl_box_t *box = work->data;
  dl_box_net_t *net = &box->net;
  (void)status;
  end_script(net);
  char *failure = net->failure;
  net->failure = NULL;
  if (failure == NULL) {
    take_applied(net, net->in_work);
  } else {
    dl_rules_release(net->in_work);
  }
  net->in_work = NULL;
  if (failure != NULL && !box->is_ended)
    failed(box, failure);
  else
    free(failure);
  if (failure == NULL && !box->is_ended) dl_box_report_start(box);
  go_on(box);
}

/* --- the resolver --- */

static void set_names_rules(dl_box_net_t *net, dl_rules_t *rules) {
  dl_rules_release(net->names_rules);
  net->names_rules = rules != NULL ? dl_rules_retain(rules) : NULL;
}

static void on_names_told(dl_box_t *box, const char *failure) {
  dl_box_net_t *net = &box->net;
  if (!net->awaits_names) return;
  net->awaits_names = false;
  if (failure != NULL) {
    set_names_rules(net, NULL);
    net->are_names_broken = true;
    failed(box, dl_xprintf("its resolver does not work: %s", failure));
  }
  step(box);
}

static void on_names_stopped(void *user) {
  dl_box_t *box = user;
  dl_box_net_t *net = &box->net;
  net->names = NULL;
  net->is_stale = net->has_dead_names; /* the next one has another port */
  net->has_dead_names = false;
  go_on(box);
}

static void stop_names(dl_box_t *box) {
  box->net.is_busy = true;
  box->net.awaits_names = false;
  set_names_rules(&box->net, NULL);
  dl_names_stop(box->net.names, on_names_stopped, box);
}

static void on_names_died(dl_box_t *box) {
  dl_box_net_t *net = &box->net;
  if (net->awaits_names) {
    on_names_told(box, "it has ended");
    return;
  }
  net->has_dead_names = net->names_restarts++ < RESTARTS_MAX;
  step(box);
}

static void tell_names(dl_box_t *box) {
  dl_box_net_t *net = &box->net;
  bool is_told = true;
  net->awaits_names = true;
  set_names_rules(net, net->wanted);
  if (net->names == NULL)
    is_told = (net->names = dl_names_start(box, net->wanted, on_names_told, on_names_died)) != NULL;
  else
    is_told = dl_names_tell(net->names, net->wanted);
  if (!is_told) on_names_told(box, "it does not listen");
}

/* NULL, or why nft cannot be run. */
static char *write_script(dl_box_t *box) {
  dl_box_net_t *net = &box->net;
  if (dl_netns_open(box, &net->net_fd, &net->user_fd) == 0) {
    dl_rules_script_t how = {.port = net->names != NULL ? dl_names_port(net->names) : 0,
                             .mark = ++net->mark,
                             .keeps_names = !net->is_stale && net->applied != NULL &&
                                            dl_rules_have_names(net->applied) &&
                                            dl_rules_have_names(net->wanted)};
    net->script = dl_rules_script(net->wanted, &how);
    return NULL;
  }
  if (errno == ESRCH) return NULL; /* with process 1 all of the box has ended */
  return dl_xprintf("cannot open the sandbox's network namespace: %s", strerror(errno));
}

/* Also where nft has nothing to do it is a later turn that goes on. */
static void apply(dl_box_t *box) {
  dl_box_net_t *net = &box->net;
  net->in_work = dl_rules_retain(net->wanted);
  if (box->network == DL_NETWORK_PRIVATE && (net->has_table || dl_rules_have_lists(net->wanted)))
    net->failure = write_script(box);
  net->is_busy = true;
  net->work.data = box;
  uv_queue_work(box->rt->loop, &net->work, apply_work, on_applied);
}

/* --- links --- */

static bool is_end_of(const dl_link_t *link, const dl_box_t *box) {
  return link->ends[0] == box || link->ends[1] == box;
}

/* Ends those that must not be; true while one is ending. */
static bool stop_links(dl_box_t *box) {
  bool is_waiting = false;
  DL_LIST_EACH(&box->rt->links, node) {
    dl_link_t *link = DL_CONTAINER(node, dl_link_t, link);
    if (!is_end_of(link, box) || link->helper == NULL) continue;
    if (!link->is_stopping && dl_link_may_run(link)) continue;
    if (!link->is_stopping) dl_link_stop(link);
    is_waiting = true;
  }
  return is_waiting;
}

/* True while one is not ready. */
static bool start_links(dl_box_t *box) {
  bool is_waiting = false;
  DL_LIST_EACH(&box->rt->links, node) {
    dl_link_t *link = DL_CONTAINER(node, dl_link_t, link);
    if (!is_end_of(link, box)) continue;
    if (link->helper == NULL && !link->has_failed && dl_link_may_run(link)) dl_link_start(link);
    is_waiting = is_waiting || link->awaits_helper;
  }
  return is_waiting;
}

/* Of a box that has ended and has none any more. */
static void drop_links(dl_box_t *box) {
  DL_LIST_EACH_SAFE(&box->rt->links, node, after) {
    dl_link_t *link = DL_CONTAINER(node, dl_link_t, link);
    if (!is_end_of(link, box)) continue;
    assert(link->helper == NULL);
    dl_list_unlink(&link->link);
    free(link);
  }
}

/* --- the order of things --- */

static void settled(dl_box_t *box) {
  dl_box_net_t *net = &box->net;
  if (net->slirp != NULL) dl_helper_pause(net->slirp, net->is_quiet);
  if (!net->was_told) {
    net->was_told = true;
    send(box->control_fd, "N", 1, MSG_NOSIGNAL); /* the end of a box that is gone is reported by itself */
    dl_box_report_start(box);                    /* a spare one waits for it */
  }
  finish_waiters(box, NULL);
}

static void step(dl_box_t *box) {
  dl_box_net_t *net = &box->net;
  const dl_rules_t *wanted = net->wanted;
  if (!net->is_open || net->is_busy || net->awaits_names || box->is_ended) return;
  bool is_private = box->network == DL_NETWORK_PRIVATE, has_outside = is_private && !wanted->blocks_all,
       has_names = is_private && dl_rules_have_names(wanted);
  if (stop_links(box)) return; /* its end comes back here */
  if (net->slirp != NULL && !has_outside)
    stop_slirp(box);
  else if (net->has_dead_names)
    stop_names(box);
  else if (has_names && !net->are_names_broken && net->names_rules != wanted)
    tell_names(box);
  else if ((net->applied != wanted || net->is_stale) && !(has_names && net->are_names_broken))
    apply(box);
  else if (net->names != NULL && !has_names)
    stop_names(box);
  else if (has_outside && net->slirp == NULL && !net->is_broken)
    start_slirp(box);
  else if (!start_links(box) && !net->awaits_slirp)
    settled(box);
}

void dl_box_net_look(dl_box_t *box) {
  if (box->is_ended)
    dl_box_net_ended(box);
  else
    step(box);
}

/* --- for box.c --- */

/* A static text, or one of the runtime. */
static const char *cannot(const dl_box_t *box, const dl_rules_t *rules) {
  const dl_runtime_t *rt = box->rt;
  if (rt->isolation == DL_ISOLATION_NONE && dl_rules_have_lists(rules))
    return "the network of a sandbox without isolation is the server's own (--isolation=none)";
  if (rt->isolation == DL_ISOLATION_NONE || box->network == DL_NETWORK_NONE) return NULL;
  if (box->network == DL_NETWORK_HOST)
    return rules->blocks_all || dl_rules_have_lists(rules)
             ? "the sandbox shares the server's network (--network=host)"
             : NULL;
  return dl_rules_have_lists(rules) ? dl_rules_missing(rt, dl_rules_have_names(rules)) : NULL;
}

static void choose_network(dl_box_t *box, const dl_box_spec_t *spec) {
  const dl_runtime_t *rt = box->rt;
  box->network = spec->network == DL_NETWORK_DEFAULT ? rt->network : spec->network;
  if (rt->isolation == DL_ISOLATION_NONE) box->network = DL_NETWORK_HOST;
  const char *missing = box->network == DL_NETWORK_PRIVATE ? dl_network_missing(rt) : NULL;
  if (missing != NULL)
    snprintf(box->net.reason, sizeof box->net.reason, "none (%s)", missing);
  else
    snprintf(box->net.reason, sizeof box->net.reason, "none");
  /* One that shares nothing needs no rules. */
  if (missing != NULL ||
      (box->network == DL_NETWORK_HOST && rt->isolation != DL_ISOLATION_NONE && spec->rules.blocks_all))
    box->network = DL_NETWORK_NONE;
}

char *dl_box_net_init(dl_box_t *box, const dl_box_spec_t *spec) {
  dl_box_net_t *net = &box->net;
  char *failure = NULL;
  dl_list_init(&net->waiters);
  choose_network(box, spec);
  net->was_told = box->network != DL_NETWORK_PRIVATE; /* nobody waits for it */
  net->wanted = dl_rules_new(&spec->rules, &failure);
  if (failure != NULL) net->wanted = dl_rules_new(NULL, NULL);
  const char *missing = cannot(box, net->wanted);
  if (failure == NULL && missing != NULL) failure = dl_xstrdup(missing);
  /* A new namespace is as these want it. */
  if (box->network != DL_NETWORK_PRIVATE || !dl_rules_have_lists(net->wanted))
    take_applied(net, dl_rules_retain(net->wanted));
  return failure;
}

void dl_box_net_open(dl_box_t *box) {
  if (box->net.is_open) return;
  box->net.is_open = true;
  step(box);
}

/* Packets that come before it goes on again wait in the device. */
void dl_box_net_rest(dl_box_t *box, bool is_quiet) {
  dl_box_net_t *net = &box->net;
  bool has_changed = net->is_quiet != is_quiet;
  net->is_quiet = is_quiet;
  bool is_settled = net->slirp != NULL && !net->is_busy && !net->awaits_slirp && !box->is_ended;
  if (has_changed && is_settled) dl_helper_pause(net->slirp, is_quiet);
}

bool dl_box_net_is_safe(const dl_box_t *box) { return box->net.applied != NULL; }

static void on_slirp_ended(void *user) {
  dl_box_t *box = user;
  box->net.slirp = NULL;
  box->net.is_ending = false;
  dl_box_net_ended(box);
}

static void on_names_ended(void *user) {
  dl_box_t *box = user;
  box->net.names = NULL;
  box->net.is_ending = false;
  dl_box_net_ended(box);
}

void dl_box_net_ended(dl_box_t *box) {
  dl_box_net_t *net = &box->net;
  assert(box->is_ended);
  if (net->is_busy || box->open_handles > 0) return; /* go_on comes back here, and the last handle does */
  if (stop_links(box)) return;
  drop_links(box);
  if (net->is_ending) return; /* what ends comes back here */
  net->is_ending = net->slirp != NULL || net->names != NULL;
  if (net->slirp != NULL)
    dl_helper_stop(net->slirp, on_slirp_ended, box);
  else if (net->names != NULL)
    dl_names_stop(net->names, on_names_ended, box);
  else
    dl_box_free(box);
}

void dl_box_net_clear(dl_box_t *box) {
  dl_box_net_t *net = &box->net;
  assert(!net->is_busy && net->slirp == NULL && net->names == NULL && net->script == NULL);
  finish_waiters(box, NULL); /* its next start begins with what they want */
  dl_rules_release(net->wanted);
  dl_rules_release(net->applied);
  dl_rules_release(net->names_rules);
  free(net->text);
}

const char *dl_box_net_text(const dl_box_t *box) {
  const dl_box_net_t *net = &box->net;
  if (box->rt->isolation == DL_ISOLATION_NONE)
    return net->wanted->blocks_all ? "host (isolation is off: cannot be blocked)" : "host";
  if (box->network == DL_NETWORK_HOST) return "host";
  if (net->wanted->blocks_all) return "none";
  if (box->network == DL_NETWORK_NONE) return net->reason;
  return net->is_broken ? "none (slirp4netns does not work)" : "private";
}

/* --- for everybody --- */

char *dl_box_set_rules(dl_box_t *box, const dl_box_rules_t *rules, dl_box_rules_cb cb, void *user) {
  char *failure = NULL;
  dl_rules_t *wanted = dl_rules_new(rules, &failure);
  if (failure != NULL) return failure;
  const char *missing = cannot(box, wanted);
  if (missing == NULL && box->rt->network == DL_NETWORK_HOST && box->network == DL_NETWORK_NONE &&
      !wanted->blocks_all)
    missing = "the sandbox can share the server's network (--network=host) only from its next start on";
  if (missing == NULL) {
    waiter_t *w = dl_xcalloc(1, sizeof *w);
    *w = (waiter_t){.cb = cb, .user = user};
    dl_list_push(&box->net.waiters, &w->link);
    want(box, wanted);
    box->net.is_broken = box->net.are_names_broken = false;
    step(box);
  }
  dl_rules_release(wanted);
  return missing != NULL ? dl_xstrdup(missing) : NULL;
}

const char *dl_runtime_links_missing(const dl_runtime_t *rt) {
  if (rt->isolation == DL_ISOLATION_NONE || rt->network == DL_NETWORK_HOST)
    return "sandboxes share the server's network";
  return rt->network == DL_NETWORK_NONE ? "sandboxes have no network (--network=none)"
                                        : dl_network_missing(rt);
}

void dl_box_link(dl_box_t *a, uint32_t address_a, dl_box_t *b, uint32_t address_b) {
  dl_runtime_t *rt = a->rt;
  assert(a != b && b->rt == rt);
  dl_link_t *link = dl_xcalloc(1, sizeof *link);
  *link = (dl_link_t){.ends = {a, b}, .address = {address_a, address_b}, .number = ++rt->link_count};
  dl_list_push(&rt->links, &link->link);
  step(a);
  step(b);
}
