/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network of the jail: its own namespace, with outside access through slirp4netns where it is wanted, and without any way to
 * the host's loopback; but for the services there that the server's options name (a registry of one's own, a proxy), which
 * are at the same address in the jail. Both sides run in processes of the jail's role, each of one thread.
 */
#ifndef DL_IMAGE_JAIL_NET_H
#define DL_IMAGE_JAIL_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define DL_JAIL_FORWARDS_MAX 16

/* An address on the loopback: PORT or 127.x.x.x:PORT or [::1]:PORT; localhost is both of its addresses. */
typedef struct {
  const char *const *forwards;
  size_t count;
  bool has_outside; /* through slirp4netns */
} dl_jail_net_t;

/* In the new network namespace: brings loopback up, and sends what listens there over `line` to dl_jail_net_serve; returns
 * when that is ready. NULL, or what failed, with errno. */
const char *dl_jail_net_enter(const dl_jail_net_t *net, int line);
/* Outside: `jail` is a process in it. The helpers die with the caller. NULL, or what failed, with errno. */
const char *dl_jail_net_serve(const dl_jail_net_t *net, pid_t jail, int line);

#endif
