/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One binary, two roles: the control plane with its proxy (serve, run), and the toolbox inside a
 * sandbox, which is there a second time as a small program of its own (toolbox_program.c). This file only picks the role.
 */
#include "cli.h"

int main(int argc, char **argv) { return dl_cli_main(argc, argv); }
