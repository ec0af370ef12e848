/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules for values that callers send: mount points, network lists, names.
 */
#include "control/routes/validate.h"

#include "base/buf.h"
#include "http/url.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LIST_MAX 10

/* --- all texts of a body --- */

typedef struct {
  dl_buf_t path; /* "volumes.0.mountPath" */
  char *problem;
} text_walk_t;

static bool has_control(const char *text) {
  for (const unsigned char *c = (const unsigned char *)text; *c; c++)
    if ((*c < 0x20 && !strchr("\t\n\r", *c)) || *c == 0x7f) return true;
  return false;
}

/* How much of a text fits into `max` bytes in whole characters. */
static int fitting(const char *text, size_t max) {
  size_t len = strnlen(text, max + 1);
  if (len > max)
    for (len = max; len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80;) len--;
  return (int)len;
}

/* A name that is the problem itself must not make the response unreadable. Yours to free. */
static char *sentence(const char *name, const char *what) {
  char *text = dl_xprintf("%.*s %s", fitting(name, 200), name, what);
  for (char *c = text; *c; c++)
    if ((unsigned char)*c < 0x20 || *c == 0x7f) *c = '?';
  return text;
}

static void complain(text_walk_t *w, const char *what) {
  if (!w->problem) w->problem = sentence(w->path.data ? w->path.data : "the body", what);
}

static bool is_dockerfile(const text_walk_t *w) {
  return w->path.data && strcmp(w->path.data, "buildInfo.dockerfileContent") == 0;
}

/* `name` is that of a variable, or NULL. */
static void check_text(text_walk_t *w, const json_t *value, const char *name) {
  const char *text = json_string_value(value);
  size_t len = json_string_length(value);
  if (strlen(text) != len)
    complain(w, "must not contain a NUL character");
  else if (name && len + strlen(name) + 2 > DL_ENV_ENTRY_MAX)
    complain(w, "is too long: with its name no program could be given it (131072 bytes)");
  else if (!name && len > DL_TEXT_MAX && !is_dockerfile(w))
    complain(w, "is too long (65536 bytes at most)");
  else if (len > DL_DOCKERFILE_MAX)
    complain(w, "is too long (1 MiB at most)");
  else if (!name && has_control(text))
    complain(w, "must not contain control characters");
}

static void check_value(text_walk_t *w, const json_t *value, const char *name);

static void step_into(text_walk_t *w, const char *key, const json_t *value, const char *name) {
  size_t len = w->path.len;
  dl_buf_printf(&w->path, "%s%.*s", len > 0 ? "." : "", fitting(key, 100), key);
  if (has_control(key)) complain(w, "must not contain control characters");
  if (strlen(key) > DL_NAME_MAX) complain(w, "is too long for a name");
  check_value(w, value, name);
  w->path.len = len;
  w->path.data[len] = '\0';
}

static void check_value(text_walk_t *w, const json_t *value, const char *name) {
  bool is_env = strcmp(w->path.data ? w->path.data : "", "env") == 0;
  const char *key;
  json_t *member;
  size_t i;
  if (w->problem) return;
  if (json_is_string(value)) check_text(w, value, name);
  if (json_is_object(value))
    json_object_foreach ((json_t *)value, key, member) step_into(w, key, member, is_env ? key : NULL);
  json_array_foreach (value, i, member) {
    char number[24];
    snprintf(number, sizeof number, "%zu", i);
    step_into(w, number, member, NULL);
  }
}

char *dl_check_texts(const json_t *body) {
  text_walk_t w = {0};
  dl_buf_init(&w.path, 64 * 1024);
  check_value(&w, body, NULL);
  dl_buf_clear(&w.path);
  return w.problem;
}

/* --- path and query --- */

static const char *problem_of(const char *text, size_t max) {
  return strlen(text) > max  ? "is too long"
         : has_control(text) ? "must not contain control characters"
                             : NULL;
}

char *dl_check_path(const char *path) {
  const char *problem = NULL;
  while (*path && !problem) {
    path += strspn(path, "/");
    size_t len = strcspn(path, "/");
    char *text = dl_url_decode(path, len, false);
    problem = text ? problem_of(text, DL_NAME_MAX) : "holds an escape that is none, a NUL, or no UTF-8";
    free(text);
    path += len;
  }
  return problem ? sentence("the path", problem) : NULL;
}

static char *check_pair(const char *pair, size_t len) {
  const char *equals = memchr(pair, '=', len);
  size_t key_len = equals ? (size_t)(equals - pair) : len;
  char *key = dl_url_decode(pair, key_len, true), *text = NULL;
  if (equals) text = dl_url_decode(equals + 1, len - key_len - 1, true);
  const char *problem = !key || (equals && !text)      ? "holds an escape that is none, a NUL, or no UTF-8"
                        : problem_of(key, DL_NAME_MAX) ? problem_of(key, DL_NAME_MAX)
                                                       : problem_of(text ? text : "", DL_TEXT_MAX);
  char *found = problem ? sentence(key ? key : "the query", problem) : NULL;
  free(key);
  free(text);
  return found;
}

char *dl_check_query(const char *raw) {
  size_t count = 0;
  char *problem = NULL;
  while (raw && *raw && !problem) {
    size_t len = strcspn(raw, "&");
    problem = ++count > DL_QUERY_MAX ? sentence("the query", "has too many values") : check_pair(raw, len);
    raw += len + (raw[len] == '&');
  }
  return problem;
}

/* --- single fields --- */

static bool has_component(const char *path, const char *name) {
  size_t len = strlen(name);
  for (const char *at = path; at; at = strchr(at, '/')) {
    while (*at == '/') at++;
    if (strncmp(at, name, len) == 0 && (at[len] == '/' || at[len] == '\0')) return true;
    if (*at == '\0') break;
  }
  return false;
}

/* Longer than the name of any file can be. */
static bool has_long_component(const char *path) {
  for (; *path; path += strspn(path, "/")) {
    size_t len = strcspn(path, "/");
    if (len > 255) return true;
    path += len;
  }
  return false;
}

const char *dl_check_mount_path(const char *path) {
  static const char *const forbidden[] = {"/proc", "/sys",  "/dev", "/boot", "/etc",
                                          "/bin",  "/sbin", "/lib", "/lib64"};
  if (path[0] != '/') return "must be an absolute path";
  if (path[1] == '\0' || strcmp(path, "//") == 0) return "must not be the root directory";
  if (strlen(path) > 1024 || has_long_component(path)) return "is too long";
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
  if (strlen(path) > 1024 || has_long_component(path)) return "is too long";
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
  if (strlen(text) > DL_NAME_MAX) return "is too long";
  if (has_control(text)) return "must not contain control characters";
  for (const char *c = text; *c; c++) {
    if (*c == '<' && (isalpha((unsigned char)c[1]) || c[1] == '/' || c[1] == '!'))
      return "must not contain markup";
    for (size_t i = 0; i < DL_COUNT(links); i++)
      if (strncasecmp(c, links[i], strlen(links[i])) == 0) return "must not contain a link";
  }
  return NULL;
}

/* --- names of snapshots and images --- */

static const char *const digest_mark = "@sha256:";

/* Where a digest begins; the end of the text when there is none. NULL: it is none that could be. */
static const char *find_digest(const char *name) {
  const char *at = strchr(name, '@');
  if (!at) return name + strlen(name);
  if (!dl_starts_with(at, digest_mark)) return NULL;
  const char *hex = at + strlen(digest_mark);
  return strspn(hex, "0123456789abcdefABCDEF") == 64 && hex[64] == '\0' ? at : NULL;
}

static const char *check_segments(const char *name) {
  static const char *const problem =
    "must consist of letters, digits and . _ - : in segments between slashes, with @sha256: and a digest or "
    "not";
  const char *end = find_digest(name);
  if (!end || end == name) return problem;
  for (const char *at = name; at < end; at++) {
    bool is_slash = *at == '/';
    if (is_slash && (at == name || at + 1 == end || at[1] == '/')) return problem;
    if (!is_slash && !isalnum((unsigned char)*at) && !strchr("._-:", *at)) return problem;
  }
  return NULL;
}

const char *dl_check_snapshot_name(const char *name) {
  if (!*name) return "should not be empty";
  const char *problem = dl_check_display(name);
  return problem ? problem : check_segments(name);
}

const char *dl_check_image_name(const char *name) {
  if (!*name) return "should not be empty";
  const char *problem = check_segments(name);
  if (problem) return problem;
  if (strchr(name, '@')) return NULL;
  const char *slash = strrchr(name, '/'), *last = slash ? slash + 1 : name, *colon = strrchr(last, ':');
  if (!colon || colon == last || !colon[1]) return "must have a tag or a digest, such as debian:12.9";
  return strcmp(colon, ":latest") == 0 ? "must not have the tag latest: it is another image tomorrow" : NULL;
}

const char *dl_check_context_hash(const char *hash) {
  size_t len = strlen(hash);
  bool is_name = len > 0 && len <= 128 && hash[0] != '.';
  for (const char *at = hash; is_name && *at; at++)
    is_name = isalnum((unsigned char)*at) || strchr("._-", *at);
  return is_name ? NULL : "must be the hash of an uploaded context";
}

bool dl_env_name_ok(const char *name) { return *name != '\0' && !strchr(name, '='); }
