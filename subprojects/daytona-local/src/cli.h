/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line of daytona-local.
 */
#ifndef DL_CLI_H
#define DL_CLI_H

#include "server/server.h"

int dl_cli_main(int argc, char **argv);

/* What serve and run share, filled from their options. */
typedef struct {
  dl_control_opts_t control;
  dl_key_t *keys;
  size_t key_count;
  char *cert, *key, *client_ca, *state, *listen_host, *organization, *ssh_host, *xterm;
  char *fault_texts[64];
  size_t fault_count;
  char **trusted_proxies, **allowed_origins, **insecure_registries;
  dl_image_pair_t *build_env, *sandbox_env;
  dl_image_mirror_t *mirrors;
  size_t trusted_proxy_count, allowed_origin_count;
  bool is_run, prints_env, wants_help, has_ssh;
  char **command; /* of run */
} dl_cli_opts_t;

/* 0, or an exit status after the reason was printed. */
int dl_cli_parse(int argc, char **argv, dl_cli_opts_t *out);
void dl_cli_clear(dl_cli_opts_t *o);

/* As process 1: the caller continues in a child, and process 1 never returns. 0, or an exit status after the reason was
 * printed. Before there are threads. */
int dl_init_split(void);
int dl_cli_serve(dl_cli_opts_t *o);
int dl_cli_run(dl_cli_opts_t *o);
int dl_cli_admin(int argc, char **argv);
int dl_cli_image(int argc, char **argv);

/* Where the state is when nobody says it; yours to free. NULL: the environment names no place. */
char *dl_cli_default_state(void);
/* Makes the state directory and what is missing above it. 0, or -1 after the reason was printed. */
int dl_cli_make_state(const char *path);

#endif
