/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wildcards; see glob.h. A pattern is split at its last slash: the folders that its front stands for are found
 * first, then what is in each of them.
 */
#include "core/glob.h"

#include <dirent.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <daytona/error.h>

#include "core/arena.h"
#include "core/ascii.h"

/* --- one name ---------------------------------------------------------------------------------- */

/* Take one character. A byte that is no UTF-8 stands for itself, apart from all characters. */
static uint32_t next_char(const char **at) {
  size_t length = daytona__utf8_length(*at, strnlen(*at, 4));
  uint32_t c = length != 0 ? daytona__utf8_get(*at, length) : 0xdc00u + (unsigned char)**at;
  *at += length != 0 ? length : 1;
  return c;
}

/* The ']' that closes the set behind `at`, or NULL: then the bracket is a character as others are. */
static const char *set_end(const char *at) {
  if (*at == '!') at++;
  return *at != '\0' ? strchr(at + 1, ']') : NULL;
}

static bool set_has(const char *at, const char *end, uint32_t c) {
  bool is_negated = *at == '!', is_in = false;
  if (is_negated) at++;
  while (at < end) {
    uint32_t low = next_char(&at), high = low;
    if (*at == '-' && at + 1 < end) {
      at++;
      high = next_char(&at);
    }
    if (low <= c && c <= high) is_in = true;
  }
  return is_in != is_negated;
}

/* Whether one element of the pattern, which is not '*', takes `c`. `*pattern` moves behind it. */
static bool take_element(const char **pattern, uint32_t c) {
  const char *end = **pattern == '[' ? set_end(*pattern + 1) : NULL;
  if (end != NULL) {
    const char *start = *pattern + 1;
    *pattern = end + 1;
    return set_has(start, end, c);
  }
  if (**pattern == '\0') return false;
  bool is_any = **pattern == '?';
  return next_char(pattern) == c || is_any;
}

bool daytona__glob_matches(const char *pattern, const char *name) {
  const char *star = NULL, *retry = NULL; /* behind the last '*', and what comes after what it has taken */
  while (*name != '\0') {
    if (*pattern == '*') {
      star = ++pattern;
      retry = name;
      continue;
    }
    const char *next = name;
    uint32_t c = next_char(&next);
    if (take_element(&pattern, c)) {
      name = next;
    } else if (star != NULL) {
      next_char(&retry);
      name = retry;
      pattern = star;
    } else {
      return false;
    }
  }
  while (*pattern == '*') pattern++;
  return *pattern == '\0';
}

/* --- folders ----------------------------------------------------------------------------------- */

typedef struct glob_state {
  daytona__arena_t arena;
  bool (*must_stop)(void *user);
  void *user;
} glob_state_t;

typedef struct paths {
  const char **items;
  size_t count, room;
} paths_t;

static bool has_magic(const char *text) { return strpbrk(text, "*?[") != NULL; }

static int add_path(glob_state_t *state, paths_t *paths, const char *path) {
  if (path == NULL) return state->arena.used > DAYTONA__GLOB_MEMORY_MAX / 2 ? DAYTONA_ELIMIT : DAYTONA_ENOMEM;
  if (paths->count == DAYTONA__GLOB_MATCHES_MAX) return DAYTONA_ELIMIT;
  if (paths->count == paths->room) {
    size_t room = paths->room != 0 ? paths->room * 2 : 16;
    const char **items = daytona__arena_array(&state->arena, room, sizeof *items);
    if (items == NULL) return add_path(state, paths, NULL);
    if (paths->count != 0) memcpy(items, paths->items, paths->count * sizeof *items);
    paths->items = items;
    paths->room = room;
  }
  paths->items[paths->count++] = path;
  return 0;
}

static const char *join(glob_state_t *state, const char *folder, const char *name) {
  size_t size = strlen(folder);
  const char *slash = size != 0 && folder[size - 1] != '/' ? "/" : "";
  return daytona__arena_printf(&state->arena, "%s%s%s", folder, slash, name);
}

static bool is_folder(const char *path) {
  struct stat info;
  return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static bool is_there(const char *path) {
  struct stat info;
  return lstat(path, &info) == 0;
}

static int compare_paths(const void *a, const void *b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Whether an entry of a folder is one, a link to one included. */
static int check_folder(glob_state_t *state, const char *path, bool *is_good) {
  if (path == NULL) return add_path(state, NULL, NULL);
  *is_good = is_folder(path);
  return 0;
}

/* The entries of a folder that `pattern` stands for. */
static int list_folder(glob_state_t *state, const char *folder, const char *pattern, bool only_folders,
                       paths_t *out) {
  DIR *dir = opendir(folder[0] != '\0' ? folder : ".");
  size_t first = out->count;
  int rc = 0;
  if (dir == NULL) return 0;
  for (struct dirent *entry; rc == 0 && (entry = readdir(dir)) != NULL;) {
    const char *name = entry->d_name;
    if (state->must_stop(state->user)) {
      rc = DAYTONA_ECANCELED;
      break;
    }
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || (name[0] == '.' && pattern[0] != '.')) continue;
    if (!daytona__glob_matches(pattern, name)) continue;
    const char *path = join(state, folder, name);
    bool is_good = true;
    if (only_folders) rc = check_folder(state, path, &is_good);
    if (rc == 0 && is_good) rc = add_path(state, out, path);
  }
  closedir(dir);
  if (out->count > first) qsort(out->items + first, out->count - first, sizeof *out->items, compare_paths);
  return rc;
}

static int expand(glob_state_t *state, const char *pattern, bool only_folders, unsigned depth, paths_t *out);

/* What `base` stands for in `folder`. */
static int expand_in(glob_state_t *state, const char *folder, const char *base, bool only_folders,
                     paths_t *out) {
  if (has_magic(base)) return list_folder(state, folder, base, only_folders, out);
  const char *path = join(state, folder, base);
  if (path == NULL) return add_path(state, out, NULL);
  bool is_match = base[0] != '\0' ? is_there(path) : is_folder(folder);
  return is_match ? add_path(state, out, path) : 0;
}

/* The part in front of the last slash, without slashes at its end unless it has nothing else. */
static const char *front_of(glob_state_t *state, const char *pattern, const char *base) {
  size_t size = (size_t)(base - pattern);
  while (size != 0 && pattern[size - 1] == '/') size--;
  if (size == 0) size = (size_t)(base - pattern);
  return daytona__arena_strndup(&state->arena, pattern, size);
}

static int expand(glob_state_t *state, const char *pattern, bool only_folders, unsigned depth, paths_t *out) {
  const char *slash = strrchr(pattern, '/'), *base = slash != NULL ? slash + 1 : pattern;
  const char *front = front_of(state, pattern, base);
  if (front == NULL) return add_path(state, out, NULL);
  if (!has_magic(pattern)) {
    bool is_match = base[0] != '\0' ? is_there(pattern) : is_folder(front);
    return is_match ? add_path(state, out, daytona__arena_strdup(&state->arena, pattern)) : 0;
  }
  if (!has_magic(front)) return expand_in(state, front, base, only_folders, out);
  if (depth == DAYTONA__GLOB_DEPTH_MAX) return DAYTONA_ELIMIT;
  paths_t folders = {0};
  int rc = expand(state, front, true, depth + 1, &folders);
  for (size_t i = 0; rc == 0 && i < folders.count; i++)
    rc = expand_in(state, folders.items[i], base, only_folders, out);
  return rc;
}

int daytona__glob(const char *pattern, bool is_pool, daytona__glob_cb on_match, bool (*must_stop)(void *user),
                  void *user) {
  glob_state_t state = {.must_stop = must_stop, .user = user};
  paths_t paths = {0};
  daytona__arena_init(&state.arena, DAYTONA__GLOB_MEMORY_MAX);
  state.arena.is_pool = is_pool;
  if (has_magic(pattern) && strlen(pattern) > DAYTONA__GLOB_PATTERN_MAX) return DAYTONA_ELIMIT;
  int rc = pattern[0] != '\0' ? expand(&state, pattern, false, 0, &paths) : 0;
  for (size_t i = 0; rc == 0 && i < paths.count; i++) rc = on_match(paths.items[i], user);
  daytona__arena_clear(&state.arena);
  return rc;
}
