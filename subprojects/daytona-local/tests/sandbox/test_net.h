/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An outside for tests: a network namespace of this process with nothing but addresses on its loopback, and servers on them.
 *
 *   10.77.1.1, 10.77.2.1   TCP and UDP on port 7001: each says its own address
 *   10.77.1.53             names on port 53, UDP and TCP; /etc/resolv.conf names it
 */
#ifndef DL_TEST_NET_H
#define DL_TEST_NET_H

#include <stdbool.h>

/* For root, before there are threads. NULL, or why it cannot be (for a skip). The servers run until the process ends. */
const char *test_net_enter(void);
/* How often a name was asked for since the last call; with what was answered: see test_net.c. */
int test_net_asked(const char *name);

#endif
