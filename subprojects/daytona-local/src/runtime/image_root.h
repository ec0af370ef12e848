/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The root of a box on an image, put together in the launcher's own mount namespace.
 *
 * An image is hostile input: any name in it may be a link or something else than expected. Nothing in it is opened by its
 * path as text; a path in it is resolved as if the image's root were the root, so that no link leads out.
 *
 * All functions return NULL, or the reason (a text to be freed). They run in a process of one thread.
 */
#ifndef DL_IMAGE_ROOT_H
#define DL_IMAGE_ROOT_H

#include "runtime/internal.h"

#include <jansson.h>

/* Below /dev, which is ours alone: the server's own system, read-only. */
#define DL_HIDDEN_DIR "/dev/.daytona"
#define DL_HIDDEN_GIT DL_HIDDEN_DIR "/git"
#define DL_HIDDEN_DESKTOP DL_HIDDEN_DIR "/desktop"
/* How a program of that system is started: its loader and libraries are named. */
#define DL_HIDDEN_LOADER DL_HIDDEN_DIR "/loader"
#define DL_HIDDEN_LIBRARIES                                                                                 \
  DL_HIDDEN_DIR "/lib0:" DL_HIDDEN_DIR "/lib1:" DL_HIDDEN_DIR "/lib2:" DL_HIDDEN_DIR "/lib3:" DL_HIDDEN_DIR \
                "/lib4:" DL_HIDDEN_DIR "/lib5:" DL_HIDDEN_DIR "/lib6:" DL_HIDDEN_DIR "/lib7"
#define DL_HIDDEN_NODE_MODULES DL_HIDDEN_DIR "/node_modules"

/* Takes hold of the layers, the writable layer and the volumes that `image` (see DL_FD_IMAGE in image_box.c) names and puts
 * them on a small file system over /tmp. With the rights that it takes to reach them. */
char *dl_image_root_stage(const json_t *image, const dl_box_ids_t *ids);

/* Mounts the overlay. *root is its root, to be closed by you. As root of the box's user namespace, as the following ones. */
char *dl_image_root_mount(const json_t *image, int *root);

/* /proc, /dev, the files of /etc that belong to the box, volumes; then the root is the process's. *sysctl is
 * /proc/sys, writable, to be closed by you. The process is the first one of its PID namespace. */
char *dl_image_root_enter(const json_t *image, int root, int *sysctl);

/* A file of the image, whole, as text; "" when there is none or it is no ordinary one. Yours to free. */
char *dl_image_root_read(int root, const char *path);
/* Makes the folder `path` and what is missing above it, for these. */
char *dl_image_root_make_dir(int root, const char *path, uid_t uid, gid_t gid);

#endif
