/* SPDX-License-Identifier: Apache-2.0 */
/*
 * API keys and their permissions. Every configured key is compared on every call, so that the time
 * taken reveals nothing about which one came close.
 */
#include "control/auth/keys.h"

#include "base/buf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *const permission_names[DL_PERM_COUNT] = {
  "",
  "write:sandboxes",
  "delete:sandboxes",
  "write:snapshots",
  "delete:snapshots",
  "read:volumes",
  "write:volumes",
  "delete:volumes",
  "manage:secrets",
};

const char *dl_permission_name(dl_permission_t p) { return permission_names[p]; }

char *dl_key_generate(void) {
  char *hex = dl_random_token(64, DL_ALPHABET_HEX);
  char *key = dl_xprintf("dtn_%s", hex);
  free(hex);
  return key;
}

bool dl_key_is_usable(const char *key) {
  for (const unsigned char *at = (const unsigned char *)key; *at != '\0'; at++)
    if (*at <= ' ' || *at == 0x7f) return false;
  return *key != '\0';
}

void dl_keys_init(dl_keys_t *k, const dl_key_t *list, size_t count, const char *jwt_token,
                  const char *organization_id) {
  *k = (dl_keys_t){.list = dl_xcalloc(count, sizeof *list), .count = count};
  for (size_t i = 0; i < count; i++) k->list[i] = (dl_key_t){dl_xstrdup(list[i].key), list[i].permissions};
  dl_set(&k->jwt_token, jwt_token);
  dl_set(&k->organization_id, organization_id);
}

static void wipe(char *secret) {
  if (secret) explicit_bzero(secret, strlen(secret));
  free(secret);
}

void dl_keys_free_list(dl_key_t *list, size_t count) {
  for (size_t i = 0; i < count; i++) wipe(list[i].key);
  free(list);
}

void dl_keys_clear(dl_keys_t *k) {
  dl_keys_free_list(k->list, k->count);
  wipe(k->jwt_token);
  free(k->organization_id);
  *k = (dl_keys_t){0};
}

static const char *bearer(const char *authorization) {
  if (!authorization || strncasecmp(authorization, "Bearer ", 7) != 0) return NULL;
  authorization += 7;
  while (*authorization == ' ') authorization++;
  return *authorization ? authorization : NULL;
}

dl_auth_t dl_keys_check(const dl_keys_t *k, const char *authorization, const char *organization,
                        unsigned *permissions) {
  const char *token = bearer(authorization);
  if (!token) return DL_AUTH_UNKNOWN;
  dl_auth_t result = DL_AUTH_UNKNOWN;
  for (size_t i = 0; i < k->count; i++) {
    if (!dl_same_secret(k->list[i].key, token)) continue;
    *permissions = k->list[i].permissions;
    result = DL_AUTH_OK;
  }
  if (k->jwt_token && dl_same_secret(k->jwt_token, token)) {
    *permissions = DL_PERM_ALL;
    bool is_ours = organization && strcmp(organization, k->organization_id) == 0;
    result = is_ours ? DL_AUTH_OK : DL_AUTH_NO_ORGANIZATION;
  }
  return result;
}

int dl_keys_find(const dl_keys_t *k, const char *key) {
  int found = 0;
  for (size_t i = 0; i < k->count; i++)
    if (dl_same_secret(k->list[i].key, key)) found = (int)i + 1;
  if (k->jwt_token && dl_same_secret(k->jwt_token, key)) found = (int)k->count + 1;
  return found;
}

/* Whether `word` of `len` bytes is one of them; as long for a wrong one as for a right one. */
static bool is_one(const dl_keys_t *k, const char *word, size_t len) {
  char *copy = dl_xstrndup(word, len);
  bool found = k->jwt_token != NULL && dl_same_secret(k->jwt_token, copy);
  for (size_t i = 0; i < k->count; i++) found = dl_same_secret(k->list[i].key, copy) || found;
  wipe(copy);
  return found;
}

bool dl_keys_holds(const dl_keys_t *k, const char *value) {
  static const char between[] = " \t,;\"";
  for (const char *at = value + strspn(value, between); *at != '\0'; at += strspn(at, between)) {
    size_t len = strcspn(at, between);
    if (is_one(k, at, len)) return true;
    at += len;
  }
  return false;
}

static bool parse_permissions(char *text, unsigned *out) {
  char *save = NULL;
  *out = 0;
  for (char *word = strtok_r(text, ", \t", &save); word; word = strtok_r(NULL, ", \t", &save)) {
    unsigned p = 1;
    while (p < DL_PERM_COUNT && strcmp(permission_names[p], word) != 0) p++;
    if (p == DL_PERM_COUNT) return false;
    *out |= 1u << p;
  }
  return true;
}

/* 1: a key was read, 0: nothing on the line, -1: not understood. */
static int parse_line(char *line, dl_key_t *out) {
  line[strcspn(line, "#\r\n")] = '\0';
  line += strspn(line, " \t");
  size_t len = strcspn(line, " \t");
  if (len == 0) return 0;
  char *rest = line + len + strspn(line + len, " \t");
  out->permissions = DL_PERM_ALL;
  if (*rest && !parse_permissions(rest, &out->permissions)) return -1;
  out->key = dl_xstrndup(line, len);
  return 1;
}

/* The next line into `line`, without its end. 1: there is one, 0: no more, -1: too long, or holds a NUL. */
static int read_line(FILE *file, dl_buf_t *line) {
  int byte = 0;
  dl_buf_reset(line);
  while ((byte = getc(file)) != EOF && byte != '\n') {
    char c = (char)byte;
    if (c == '\0' || !dl_buf_append(line, &c, 1)) return -1;
  }
  return byte == '\n' || line->len > 0;
}

/* NULL, or what is wrong with the line. */
static const char *take_line(char *line, dl_key_t **list, size_t *count) {
  dl_key_t key;
  int got = parse_line(line, &key);
  if (got < 0) return "has an unknown permission";
  if (got == 0) return NULL;
  *list = dl_xrealloc(*list, (*count + 1) * sizeof **list);
  (*list)[(*count)++] = key;
  return dl_key_is_usable(key.key) ? NULL : "has a key with control characters, which no header can carry";
}

dl_key_t *dl_keys_read_file(const char *path, size_t *count, char **error) {
  FILE *file = fopen(path, "re");
  if (!file) {
    *error = dl_xprintf("cannot read the key file %s: %s", path, strerror(errno));
    return NULL;
  }
  dl_key_t *list = dl_xcalloc(1, sizeof *list);
  dl_buf_t line;
  const char *problem = NULL;
  int got = 0, number = 0;
  *count = 0;
  dl_buf_init(&line, DL_KEY_LINE_MAX);
  dl_buf_reserve(&line, DL_KEY_LINE_MAX); /* at once: what growing leaves behind would not be wiped */
  while (!problem && (got = read_line(file, &line)) > 0) {
    number++;
    if (line.len > 0) problem = take_line(line.data, &list, count);
  }
  if (got < 0) number++;
  if (got < 0) problem = line.len == DL_KEY_LINE_MAX ? "is too long" : "holds a NUL";
  if (problem)
    *error = dl_xprintf("%s line %d %s", path, number, problem);
  else if (ferror(file))
    *error = dl_xprintf("cannot read the key file %s: %s", path, strerror(errno));
  else if (*count == 0)
    *error = dl_xprintf("%s holds no key", path);
  explicit_bzero(line.data, line.cap);
  dl_buf_clear(&line);
  fclose(file);
  if (!*error) return list;
  dl_keys_free_list(list, *count);
  return NULL;
}
