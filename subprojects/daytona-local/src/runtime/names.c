/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's side of a box's resolver. Rules are one message of lines ("domains LIST", "network CIDR", "hosts LIST"); the
 * answer is its port, or "!" and what went wrong.
 */
#include "runtime/names.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct dl_names {
  dl_helper_t *helper;
  dl_box_t *box;
  unsigned port;
  void (*on_told)(dl_box_t *box, const char *failure);
  void (*on_died)(dl_box_t *box);
  void (*done)(void *user);
  void *user;
};

static void on_said(void *user, const char *bytes, size_t len) {
  dl_names_t *names = user;
  char text[256];
  int64_t port;
  snprintf(text, sizeof text, "%.*s", (int)(len < sizeof text ? len : sizeof text - 1), bytes);
  if (len == 0) {
    names->on_told(names->box, "the resolver has ended");
  } else if (dl_parse_int(text, 1, 65535, &port)) {
    names->port = (unsigned)port;
    names->on_told(names->box, NULL);
  } else {
    names->on_told(names->box, *text == '!' ? text + 1 : "the resolver says nothing that makes sense");
  }
}

static void on_died(void *user) {
  dl_names_t *names = user;
  names->on_died(names->box);
}

dl_names_t *dl_names_start(dl_box_t *box, const dl_rules_t *rules,
                           void (*on_told)(dl_box_t *box, const char *failure), void (*died)(dl_box_t *box)) {
  int fds[3] = {-1, -1, -1}, line[2] = {-1, -1};
  if (dl_netns_open(box, &fds[0], &fds[1]) == 0 &&
      socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, line) == 0)
    fds[2] = line[1];
  dl_names_t *names = dl_xcalloc(1, sizeof *names);
  *names = (dl_names_t){.box = box, .on_told = on_told, .on_died = died};
  char *args[] = {box->rt->exe, (char *)"name-server", NULL};
  names->helper = dl_helper_start(box->rt, &(dl_helper_spec_t){.what = "its resolver",
                                                               .box_id = box->id,
                                                               .argv = args,
                                                               .fds = fds,
                                                               .fd_count = DL_COUNT(fds),
                                                               .line_fd = line[0],
                                                               .alive_fd = -1,
                                                               .on_said = on_said,
                                                               .on_died = on_died,
                                                               .user = names});
  if (names->helper == NULL) {
    free(names);
    return NULL;
  }
  dl_names_tell(names, rules); /* that it has not listened shows as its end */
  return names;
}

bool dl_names_tell(dl_names_t *names, const dl_rules_t *rules) {
  dl_buf_t text;
  dl_buf_init(&text, DL_NAMES_RULES_MAX);
  bool fits = true;
  if (rules->domains != NULL) fits = dl_buf_printf(&text, "domains %s\n", rules->domains);
  for (size_t i = 0; i < rules->cidr_count; i++) {
    struct in_addr address = {htonl(rules->cidrs[i].address)};
    char dotted[INET_ADDRSTRLEN];
    inet_ntop(AF_INET, &address, dotted, sizeof dotted);
    fits = fits && dl_buf_printf(&text, "network %s/%u\n", dotted, rules->cidrs[i].prefix);
  }
  if (rules->hosts != NULL) fits = fits && dl_buf_printf(&text, "hosts %s\n", rules->hosts);
  bool is_told = fits && dl_helper_say(names->helper, text.data);
  dl_buf_clear(&text);
  return is_told;
}

unsigned dl_names_port(const dl_names_t *names) { return names->port; }

static void on_stopped(void *user) {
  dl_names_t *names = user;
  void (*done)(void *) = names->done;
  void *done_user = names->user;
  free(names);
  done(done_user);
}

void dl_names_stop(dl_names_t *names, void (*done)(void *user), void *user) {
  names->done = done;
  names->user = user;
  dl_helper_stop(names->helper, on_stopped, names);
}
