/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DL_TOOLBOX_MAIN_H
#define DL_TOOLBOX_MAIN_H

/* The toolbox role; argv[0] is "toolbox". Returns the exit status. */
int dl_toolbox_main(int argc, char **argv);

#endif
