/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watches of epoll are counted per user of the host (fs.epoll.max_user_watches). Where programs of a sandbox have the same user
 * as others of us, they can take all of them, and then libuv ends the process that asks for one more. So asking waits
 * until there is one, a minute at most.
 */
#ifndef DL_WATCHES_H
#define DL_WATCHES_H

/* Of this process: what is called, again and again, while there are none. It may not ask for one. */
void dl_watches_on_lack(void (*cb)(void *user), void *user);

#endif
