/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Contexts of a build, unpacked; and a folder made empty. Both run in the jail and block.
 */
#ifndef DL_IMAGE_UNPACK_H
#define DL_IMAGE_UNPACK_H

/* Unpacks the tar file `fd` (borrowed) below the folder `to`, which is there. Files, folders and symbolic links only; nothing is written
 * through a link or outside. NULL, or the reason (yours to free). */
char *dl_image_unpack(int fd, const char *to);

/* Removes what is in the folder, and not the folder. As far as possible. */
void dl_image_empty(const char *dir);

#endif
