/* SPDX-License-Identifier: Apache-2.0
 *
 * Rules for values that callers send: mount points, network lists, names.
 */
#include "control/routes/validate.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LIST_MAX 10

static bool has_component(const char *path, const char *name) {
  size_t len = strlen(name);
  for (const char *at = path; at; at = strchr(at, '/')) {
    while (*at == '/') at++;
    if (strncmp(at, name, len) == 0 && (at[len] == '/' || at[len] == '\0')) return true;
    if (*at == '\0') break;
  }
  return false;
}

const char *dl_check_mount_path(const char *path) {
  static const char *const forbidden[] = {"/proc", "/sys",  "/dev", "/boot", "/etc",
                                          "/bin",  "/sbin", "/lib", "/lib64"};
  if (path[0] != '/') return "must be an absolute path";
  if (path[1] == '\0' || strcmp(path, "//") == 0) return "must not be the root directory";
  if (strlen(path) > 1024) return "is too long";
  if (has_component(path, ".") || has_component(path, "..")) return "must not contain . or .. components";
  if (strstr(path + 1, "//")) return "must not contain empty components";
  const char *clean = path[1] == '/' ? path + 1 : path;
  for (size_t i = 0; i < DL_COUNT(forbidden); i++) {
    size_t len = strlen(forbidden[i]);
    if (strncmp(clean, forbidden[i], len) == 0 && (clean[len] == '/' || clean[len] == '\0'))
      return "must not be a system directory";
  }
  return NULL;
}

const char *dl_check_subpath(const char *path) {
  if (path[0] == '/') return "must be relative";
  if (strlen(path) > 1024) return "is too long";
  if (strstr(path, "..")) return "must not contain ..";
  if (strstr(path, "//")) return "must not contain empty components";
  return NULL;
}

/* Calls `check` for each comma-separated part without its blanks; blank parts only count. */
static const char *each_part(const char *list, const char *(*check)(char *part)) {
  char *copy = dl_xstrdup(list), *at = copy;
  const char *problem = NULL;
  int count = 0;
  while (at && !problem) {
    char *comma = strchr(at, ',');
    if (comma) *comma = '\0';
    if (++count > LIST_MAX) {
      problem = "must have at most 10 entries";
      break;
    }
    while (isspace((unsigned char)*at)) at++;
    size_t len = strlen(at);
    while (len > 0 && isspace((unsigned char)at[len - 1])) at[--len] = '\0';
    if (len > 0) problem = check(at);
    at = comma ? comma + 1 : NULL;
  }
  free(copy);
  return problem;
}

static const char *check_cidr(char *part) {
  static const char *const problem = "must be a list of IPv4 CIDR blocks such as 10.0.0.0/8";
  char *slash = strchr(part, '/');
  struct in_addr addr;
  if (!slash) return problem;
  *slash = '\0';
  size_t digits = strspn(slash + 1, "0123456789");
  if (digits == 0 || digits > 2 || slash[1 + digits] != '\0' || atoi(slash + 1) > 32) return problem;
  return inet_pton(AF_INET, part, &addr) == 1 ? NULL : problem;
}

const char *dl_check_allow_list(const char *list) { return each_part(list, check_cidr); }

static const char *check_domain(char *part) {
  static const char *const problem = "must be a list of domain names such as example.com or *.example.com";
  const char *at = strncmp(part, "*.", 2) == 0 ? part + 2 : part;
  if (strlen(at) > 253 || !strchr(at, '.')) return problem;
  for (;;) {
    size_t len = strcspn(at, ".");
    if (len < 1 || len > 63 || at[0] == '-' || at[len - 1] == '-') return problem;
    bool only_letters = true;
    for (size_t i = 0; i < len; i++) {
      if (!isalnum((unsigned char)at[i]) && at[i] != '-') return problem;
      if (!isalpha((unsigned char)at[i])) only_letters = false;
    }
    if (at[len] == '\0') return len >= 2 && only_letters ? NULL : problem;
    at += len + 1;
  }
}

const char *dl_check_domain_list(const char *list) { return each_part(list, check_domain); }

const char *dl_check_display(const char *text) {
  static const char *const links[] = {
    "http://", "https://", "ftp://", "javascript:", "data:", "vbscript:", "file:", "mailto:", "tel:", "www."};
  for (const char *c = text; *c; c++) {
    if ((unsigned char)*c < 0x20 && !strchr("\t\n\r", *c)) return "must not contain control characters";
    if (*c == 0x7f) return "must not contain control characters";
    if (*c == '<' && (isalpha((unsigned char)c[1]) || c[1] == '/' || c[1] == '!'))
      return "must not contain markup";
    for (size_t i = 0; i < DL_COUNT(links); i++)
      if (strncasecmp(c, links[i], strlen(links[i])) == 0) return "must not contain a link";
  }
  return NULL;
}

bool dl_env_name_ok(const char *name) { return *name != '\0' && !strchr(name, '='); }
