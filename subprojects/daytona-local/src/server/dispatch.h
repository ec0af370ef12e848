/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a request goes: a fault, a preview, the control plane, the toolbox proxy, admin.
 */
#ifndef DL_DISPATCH_H
#define DL_DISPATCH_H

#include "control/context.h"

/* The handler of the HTTP server. */
void dl_dispatch(dl_req *req, void *control);

#endif
