/* SPDX-License-Identifier: Apache-2.0
 *
 * The interpreter contexts of a toolbox; everything else about them is in the routes.
 */
#ifndef DL_INTERPRETER_H
#define DL_INTERPRETER_H

#include "toolbox/core/toolbox.h"

dl_list *dl_interpreters_new(void);
/* Their workers end at once, and clients are told. */
void dl_interpreters_close(dl_toolbox *tb);

#endif
