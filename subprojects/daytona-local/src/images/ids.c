/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which ids of the host the files of images belong to. Root takes a range that nobody else has; an ordinary user has what
 * /etc/subuid and /etc/subgid give it, and its own id as 0.
 */
#include "images/internal.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIRST_UID 300000
#define COUNT 65536
/* Below it nearly no image can be unpacked: nogroup is 65534. */
#define COUNT_MIN 65536

/* The longest range of the user in a file of lines NAME-OR-UID:FIRST:COUNT. */
static unsigned read_range(const char *path, const char *name, unsigned uid, unsigned *first) {
  char line[512], number[16];
  unsigned best = 0;
  FILE *file = fopen(path, "re");
  snprintf(number, sizeof number, "%u", uid);
  while (file && fgets(line, sizeof line, file)) {
    unsigned from, count;
    size_t len = strcspn(line, ":");
    bool is_ours = (name && strlen(name) == len && strncmp(line, name, len) == 0) ||
                   (strlen(number) == len && strncmp(line, number, len) == 0);
    if (!is_ours || line[len] != ':' || sscanf(line + len + 1, "%u:%u", &from, &count) != 2 || count <= best)
      continue;
    best = count;
    *first = from;
  }
  if (file) fclose(file);
  return best;
}

char *dl_image_ids_find(unsigned first_uid, dl_image_ids_t *out) {
  if (geteuid() == 0) {
    unsigned zero = first_uid ? first_uid : FIRST_UID;
    *out = (dl_image_ids_t){zero, zero + 1, zero, zero + 1, COUNT};
    return NULL;
  }
  unsigned uid = geteuid(), first = 0, first_group = 0;
  *out = (dl_image_ids_t){.zero_uid = uid, .zero_gid = getegid(), .count = 1};
  struct passwd *user = getpwuid(uid);
  const char *name = user ? user->pw_name : NULL;
  unsigned count = read_range("/etc/subuid", name, uid, &first);
  unsigned group_count = read_range("/etc/subgid", name, uid, &first_group);
  if (group_count < count) count = group_count;
  if (count + 1 < COUNT_MIN)
    return dl_xprintf(
      "the user needs %u ids in /etc/subuid and /etc/subgid (as root: usermod --add-subuids "
      "100000-165535 --add-subgids 100000-165535 %s)",
      COUNT, name ? name : "USER");
  out->first_uid = first;
  out->first_gid = first_group;
  out->count = count + 1 > COUNT ? COUNT : count + 1;
  return NULL;
}
