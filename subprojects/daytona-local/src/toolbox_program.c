/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What runs in boxes and beside them: the roles "toolbox", "image-box" and "own-root" alone. The program of the server has them too, and takes the
 * place of this one where a file in the state directory cannot be run; see runtime/runtime.c.
 */
#include "runtime/runtime.h"
#include "toolbox/main.h"

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv) {
  const char *role = argc > 1 ? argv[1] : "";
  if (strcmp(role, "toolbox") == 0) return dl_toolbox_main(argc - 1, argv + 1);
  if (strcmp(role, "image-box") == 0) return dl_image_box_main(dl_toolbox_main, argc - 2, argv + 2);
  if (strcmp(role, "own-root") == 0) return dl_own_root_main(argc - 2, argv + 2);
  fputs("this is a part of daytona-local, which starts it\n", stderr);
  return 2;
}
