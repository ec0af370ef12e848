/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of SSH share: channel (one of them), command (what a channel runs), target (where it connects to).
 */
#ifndef DL_TOOLBOX_SSH_INTERNAL_H
#define DL_TOOLBOX_SSH_INTERNAL_H

#include "toolbox/core/program.h"
#include "toolbox/core/toolbox.h"

/* A START frame. */
typedef struct {
  const char *bytes;
  size_t len;
} dl_ssh_start_t;

/* Starts what a START asks for: a shell, a command, or the server of sftp. NULL and *failure (yours to free). */
dl_program_t *dl_ssh_run(dl_toolbox_t *tb, const dl_ssh_start_t *start, const dl_program_events_t *events,
                         void *user, char **failure);

/* A connecting or connected socket to a port of the sandbox itself: by a loopback name or address, by the host's name, or
 * by an address of one of its interfaces. *attempt is the number of the address to begin with, and then of the one that was
 * taken. -1 and *failure (yours to free) when there is none. */
int dl_ssh_connect(const char *host, const char *port, int *attempt, bool *is_connecting, char **failure);

#endif
