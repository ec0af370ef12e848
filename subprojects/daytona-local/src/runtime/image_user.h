/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whom a box on an image runs as: what the image's configuration says, looked up in the image's own files.
 */
#ifndef DL_IMAGE_USER_H
#define DL_IMAGE_USER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define DL_IMAGE_GROUPS_MAX 64

typedef struct {
  uid_t uid;
  gid_t gid;
  gid_t groups[DL_IMAGE_GROUPS_MAX]; /* others that the user is in */
  size_t group_count;
  char *name;  /* its number where the image has no name for it */
  char *home;  /* an absolute path; "/" where the image names none */
  char *shell; /* an absolute path, or NULL */
} dl_image_user_t;

/* `text` is NAME or UID, with :GROUP or :GID or without; NULL and "" are root. `passwd` and `group` are the texts of those
 * files, "" where the image has none; any bytes may be in them. NULL and *out, or the reason (yours to free). */
char *dl_image_user_find(const char *text, const char *passwd, const char *group, dl_image_user_t *out);
void dl_image_user_clear(dl_image_user_t *user);

/* The id of a name in such a text; false when it is not there. */
bool dl_image_uid(const char *passwd, const char *name, uid_t *out);
bool dl_image_gid(const char *group, const char *name, gid_t *out);

#endif
