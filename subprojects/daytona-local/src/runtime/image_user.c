/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads /etc/passwd and /etc/group as texts. The C library's functions are not asked, because they would load what the
 * image's nsswitch.conf names.
 */
#include "runtime/image_user.h"

#include "base/base.h"

#include <stdlib.h>
#include <string.h>

#define FIELDS_MAX 7
/* (uid_t)-1 means "no change" to the kernel. */
#define ID_MAX (UINT32_MAX - 1)

typedef struct {
  char *line; /* a copy, cut into fields */
  char *fields[FIELDS_MAX];
  size_t count;
} entry_t;

/* The next line as fields; false at the end. Clears what was in `e`. */
static bool next_entry(const char **at, entry_t *e) {
  free(e->line);
  memset(e, 0, sizeof *e);
  if (**at == '\0') return false;
  size_t len = strcspn(*at, "\n");
  e->line = dl_xstrndup(*at, len);
  *at += len + ((*at)[len] == '\n');
  for (char *rest = e->line; rest != NULL && e->count < FIELDS_MAX;)
    e->fields[e->count++] = strsep(&rest, ":");
  return true;
}

static bool parse_id(const char *text, unsigned *out) {
  int64_t id;
  if (*text == '\0' || text[strspn(text, "0123456789")] != '\0' || !dl_parse_int(text, 0, ID_MAX, &id))
    return false;
  *out = (unsigned)id;
  return true;
}

/* Names come first, as in any login: a user may be called "1000". */
static bool find_user(const char *passwd, const char *name, const unsigned *uid, dl_image_user_t *out) {
  entry_t e = {0};
  bool is_found = false;
  for (const char *at = passwd; !is_found && next_entry(&at, &e);) {
    unsigned own_uid, own_gid;
    if (e.count < 4 || !parse_id(e.fields[2], &own_uid) || !parse_id(e.fields[3], &own_gid)) continue;
    is_found = uid != NULL ? own_uid == *uid : strcmp(e.fields[0], name) == 0;
    if (!is_found) continue;
    out->uid = own_uid;
    out->gid = own_gid;
    dl_set(&out->name, e.fields[0]);
    if (e.count > 5 && e.fields[5][0] == '/') dl_set(&out->home, e.fields[5]);
    if (e.count > 6 && e.fields[6][0] == '/') dl_set(&out->shell, e.fields[6]);
  }
  free(e.line);
  return is_found;
}

bool dl_image_gid(const char *group, const char *name, gid_t *out) {
  entry_t e = {0};
  bool is_found = false;
  for (const char *at = group; !is_found && next_entry(&at, &e);) {
    unsigned gid;
    if (e.count < 3 || strcmp(e.fields[0], name) != 0 || !parse_id(e.fields[2], &gid)) continue;
    *out = gid;
    is_found = true;
  }
  free(e.line);
  return is_found;
}

static bool has_member(char *members, const char *name) {
  for (char *member; (member = strsep(&members, ",")) != NULL;)
    if (strcmp(member, name) == 0) return true;
  return false;
}

static void add_groups(const char *group, dl_image_user_t *user) {
  entry_t e = {0};
  for (const char *at = group; user->group_count < DL_IMAGE_GROUPS_MAX && next_entry(&at, &e);) {
    unsigned gid;
    if (e.count < 4 || !parse_id(e.fields[2], &gid) || gid == user->gid) continue;
    if (has_member(e.fields[3], user->name)) user->groups[user->group_count++] = gid;
  }
  free(e.line);
}

char *dl_image_user_find(const char *text, const char *passwd, const char *group, dl_image_user_t *out) {
  memset(out, 0, sizeof *out);
  if (text == NULL) text = "";
  size_t len = strcspn(text, ":");
  char *name = len > 0 ? dl_xstrndup(text, len) : dl_xstrdup("0");
  const char *wanted_group = text[len] == ':' ? text + len + 1 : "";
  unsigned uid, gid;
  char *failure = NULL;
  if (!find_user(passwd, name, NULL, out)) {
    if (strcmp(name, "root") == 0) /* of an image without accounts too */
      out->uid = 0;
    else if (!parse_id(name, &uid))
      failure = dl_xprintf("the image's user '%s' is not in its /etc/passwd", name);
    else if (!find_user(passwd, name, &uid, out))
      out->uid = uid;
  }
  if (out->name == NULL) dl_set(&out->name, out->uid == 0 ? "root" : name);
  if (out->home == NULL) dl_set(&out->home, out->uid == 0 ? "/root" : "/");
  if (failure == NULL && *wanted_group != '\0' && !dl_image_gid(group, wanted_group, &out->gid)) {
    if (parse_id(wanted_group, &gid))
      out->gid = gid;
    else
      failure = dl_xprintf("the image's group '%s' is not in its /etc/group", wanted_group);
  }
  if (failure == NULL) add_groups(group, out);
  free(name);
  if (failure != NULL) dl_image_user_clear(out);
  return failure;
}

void dl_image_user_clear(dl_image_user_t *user) {
  free(user->name);
  free(user->home);
  free(user->shell);
  memset(user, 0, sizeof *user);
}

bool dl_image_uid(const char *passwd, const char *name, uid_t *out) {
  dl_image_user_t user = {0};
  bool is_found = find_user(passwd, name, NULL, &user);
  if (is_found) *out = user.uid;
  dl_image_user_clear(&user);
  return is_found;
}
