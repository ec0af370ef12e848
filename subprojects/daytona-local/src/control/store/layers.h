/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Work on files that belong to the users of an image, done for a server that is an ordinary user and may not touch them
 * itself: a process of this program does it as root of a user namespace that has their ids.
 */
#ifndef DL_LAYERS_H
#define DL_LAYERS_H

#include "runtime/runtime.h"

#include <stdatomic.h>
#include <stdint.h>

typedef enum { DL_LAYER_PACK, DL_LAYER_UNPACK, DL_LAYER_REMOVE, DL_LAYER_MEASURE } dl_layer_task_t;

/* Bytes that a tree takes on the disk, a file with several links counted once for all of them. 0, or an errno value. */
int dl_layer_measure(const char *dir, const atomic_bool *stop, uint64_t *out);

/* The task in a process of its own; blocks. `exe` is this program. `out` for DL_LAYER_MEASURE only. NULL, or the reason
 * (yours to free). */
char *dl_layer_run(const char *exe, const dl_box_ids_t *ids, dl_layer_task_t task, const char *from,
                   const char *to, bool is_durable, const atomic_bool *stop, uint64_t *out);

/* The role of that process, "image-files". */
int dl_layer_main(int argc, char **argv);

#endif
