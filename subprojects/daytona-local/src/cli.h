/* SPDX-License-Identifier: Apache-2.0
 *
 * The command line of daytona-local.
 */
#ifndef DL_CLI_H
#define DL_CLI_H

int dl_cli_main(int argc, char **argv);

/* The toolbox role (src/toolbox): argv[0] is "toolbox". */
int dl_toolbox_main(int argc, char **argv);

#endif
