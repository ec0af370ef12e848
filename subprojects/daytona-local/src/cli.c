/* SPDX-License-Identifier: Apache-2.0
 *
 * The command line of daytona-local.
 */
#include "cli.h"

#include "base/base.h"

#include <stdio.h>
#include <string.h>

int dl_cli_main(int argc, char **argv) {
  const char *command = argc > 1 ? argv[1] : "--help";
#ifdef DL_HAVE_TOOLBOX
  if (strcmp(command, "toolbox") == 0) return dl_toolbox_main(argc - 1, argv + 1);
#endif
  if (strcmp(command, "--version") == 0) {
    puts("daytona-local " DL_VERSION);
    return 0;
  }
  fprintf(stderr, "usage: daytona-local serve|run|toolbox|admin\n");
  return 2;
}
