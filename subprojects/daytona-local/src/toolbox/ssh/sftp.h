/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server of sftp (version 3, as OpenSSH speaks it), for sandboxes that have none.
 */
#ifndef DL_TOOLBOX_SFTP_H
#define DL_TOOLBOX_SFTP_H

/* Serves the client at `in` and `out` until it ends; for a process of its own, whose rights are the client's. Returns the exit
 * status. */
int dl_sftp_serve(int in, int out);

#endif
