/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The toolbox role: the HTTP service inside a sandbox, as its handlers see it.
 *
 * A folder per noun, each with a header for main.c that names its routes and what it keeps for the
 * life of the toolbox. Nouns know core and not each other. Handlers get the toolbox as `user`.
 */
#ifndef DL_TOOLBOX_H
#define DL_TOOLBOX_H

#include "base/list.h"
#include "toolbox/core/environ.h"

#include <uv.h>

#define DL_TOOLBOX_VERSION "v" DL_API_VERSION

/* Ceilings. */
#define DL_TB_BODY_MAX (16u * 1024 * 1024)   /* JSON bodies: commands and code */
#define DL_TB_OUTPUT_MAX (64u * 1024 * 1024) /* output of one command */

typedef struct dl_toolbox {
  uv_loop_t *loop;
  struct dl_reaper *reaper; /* see spawn.h */
  struct dl_tb_gate *gate;  /* see gate.h */
  dl_environ_t environment; /* of everything started from now on */
  char *home, *work_dir;
  char *node_modules; /* or NULL */
  /* Where the server's own system is seen, in a box on an image; else NULL, and the system is the server's. */
  char *hidden_dir;
  char **desktop_command; /* how daytona-local-desktop is started, ended by NULL; or NULL */
  /* What the nouns keep. */
  struct dl_tb_metrics *metrics;
  struct dl_sessions *sessions;
  dl_list_t *ptys;
  dl_list_t programs;      /* that are talked to, see program.h */
  dl_list_t *ssh_channels; /* see ssh.h */
  dl_list_t *terminals;    /* in browsers */
  dl_list_t *contexts;     /* of the interpreter */
  struct dl_lsp *lsp;      /* language servers */
  struct dl_desktop *desktop;
  struct dl_a11y *a11y; /* accessibility */
  /* Called when the desktop starts, before its programs do, and when it was stopped. */
  void (*on_desktop)(struct dl_toolbox *tb, bool starts);
  /* -1: accessibility is not installed; else whether its bus runs. */
  int (*accessibility)(const struct dl_toolbox *tb);
  /* How long the output of a program waits for a client that takes nothing of it; 0: not at all. */
  uint64_t reader_patience_ms;
  size_t live_count; /* operations that still have handles on the loop and will answer */
} dl_toolbox_t;

/* A flag of a route: a slash at the end of the path makes no difference. */
#define DL_TB_ANY_SLASH 1u

#endif
