/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions about a repository: status, branches, history. They change nothing and take no locks.
 *
 * Every list is asked for with NUL between its parts, so that no name can break it.
 */
#include "toolbox/git/internal.h"

#include "toolbox/core/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The next NUL-terminated part of the output, or NULL at its end. */
static const char *next_part(const char **at, const char *end) {
  if (*at >= end) return NULL;
  const char *part = *at;
  *at += strlen(part) + 1;
  return part;
}

static json_t *text_of(const char *text) { return dl_tb_text(text, strlen(text)); }

/* --- status --- */

typedef struct {
  const char *name;
  const char *staging, *worktree;
} changed_file_t;

static const char *word_of(char letter) {
  switch (letter) {
    case 'M':
    case 'T': return "Modified";
    case 'A': return "Added";
    case 'D': return "Deleted";
    case 'R': return "Renamed";
    case 'C': return "Copied";
    case 'U': return "Updated but unmerged";
    case '?': return "Untracked";
    default: return "Unmodified";
  }
}

/* What follows `count` blanks, or NULL. */
static const char *after_blanks(const char *line, int count) {
  while (count-- > 0) {
    line = strchr(line, ' ');
    if (line == NULL) return NULL;
    line++;
  }
  return line;
}

static bool read_file_line(const char *line, changed_file_t *file) {
  char kind = line[0];
  if (strlen(line) < 4) return false;
  file->name = after_blanks(line, kind == '?' ? 1 : kind == '1' ? 8 : kind == 'u' ? 10 : 0);
  if (kind == '?') {
    file->staging = file->worktree = word_of('?');
  } else if (kind == 'u') {
    file->staging = file->worktree = word_of('U');
  } else if (kind == '1') {
    file->staging = word_of(line[2]);
    file->worktree = word_of(line[3]);
  } else {
    return false;
  }
  return file->name != NULL;
}

static void read_branch_line(const char *line, json_t *status) {
  long long ahead = 0, behind = 0;
  if (dl_starts_with(line, "# branch.head ")) {
    const char *head = line + strlen("# branch.head ");
    bool is_detached = strcmp(head, "(detached)") == 0;
    json_object_set_new(status, "currentBranch", is_detached ? json_string("HEAD") : text_of(head));
    json_object_set_new(status, "detached", json_boolean(is_detached));
  } else if (dl_starts_with(line, "# branch.upstream ")) {
    json_object_set_new(status, "upstream", text_of(line + strlen("# branch.upstream ")));
  } else if (sscanf(line, "# branch.ab +%lld -%lld", &ahead, &behind) == 2) {
    json_object_set_new(status, "branchPublished", json_true());
    json_object_set_new(status, "ahead", json_integer(ahead));
    json_object_set_new(status, "behind", json_integer(behind));
  }
}

static int by_name(const void *a, const void *b) {
  const changed_file_t *x = a, *y = b;
  int order = strcmp(x->name, y->name);
  return order != 0 ? order : (x < y ? -1 : x > y);
}

static json_t *files_json(changed_file_t *files, size_t count) {
  json_t *list = json_array();
  if (count > 0) qsort(files, count, sizeof *files, by_name);
  for (size_t i = 0; i < count; i++) {
    /* A file that was taken out of the index only has two lines; clients know one, untracked. */
    bool is_twice = i + 1 < count && strcmp(files[i].name, files[i + 1].name) == 0;
    const changed_file_t *f = &files[is_twice && strcmp(files[i + 1].staging, "Untracked") == 0 ? i + 1 : i];
    json_array_append_new(list, json_pack("{s:o, s:s, s:s, s:s}", "name", text_of(f->name), "extra", "",
                                          "staging", f->staging, "worktree", f->worktree));
    i += is_twice;
  }
  return list;
}

static void on_status(dl_git_t *g, const dl_run_result_t *result) {
  if (!dl_git_ok(g, result)) return;
  const char *at = result->output, *end = at + result->output_len;
  size_t count = 0, room = 0;
  changed_file_t *files = NULL;
  bool has_commit = true;
  json_t *status = json_pack("{s:s, s:b, s:i, s:i, s:b}", "currentBranch", "HEAD", "branchPublished", 0,
                             "ahead", 0, "behind", 0, "detached", 0);
  for (const char *line; (line = next_part(&at, end)) != NULL;) {
    if (strcmp(line, "# branch.oid (initial)") == 0) has_commit = false;
    if (line[0] == '#') {
      read_branch_line(line, status);
      continue;
    }
    if (count == room) files = dl_xrealloc(files, (room = room ? room * 2 : 64) * sizeof *files);
    count += read_file_line(line, &files[count]);
  }
  if (has_commit) {
    json_object_set_new(status, "fileStatus", files_json(files, count));
    dl_git_reply(g, 200, status);
  } else {
    json_decref(status);
    dl_git_fail_as(g, 404, "GIT_BRANCH_NOT_FOUND", "reference not found: the repository has no commit yet");
  }
  free(files);
}

void dl_git_status(dl_toolbox_t *tb, dl_req_t *req) {
  const char *path = dl_git_query_path(req);
  if (path == NULL) return;
  DL_GIT_RUN(dl_git_new(tb, req, NULL, path), on_status, "status", "--porcelain=v2", "-z", "--branch",
             "--untracked-files=all", "--no-renames");
}

/* --- branches --- */

static void on_branch_list(dl_git_t *g, const dl_run_result_t *result) {
  if (!dl_git_ok(g, result)) return;
  static const char PREFIX[] = "refs/heads/";
  json_t *names = json_array();
  const char *at = result->output;
  for (size_t len; *at != '\0'; at += len + (at[len] != '\0')) {
    len = strcspn(at, "\n");
    if (len >= sizeof PREFIX && strncmp(at, PREFIX, sizeof PREFIX - 1) == 0)
      json_array_append_new(names, dl_tb_text(at + sizeof PREFIX - 1, len - (sizeof PREFIX - 1)));
  }
  dl_git_reply(g, 200, json_pack("{s:o, s:o}", "branches", names, "current", text_of(g->branch)));
}

static void on_current(dl_git_t *g, const dl_run_result_t *result) {
  bool is_attached;
  if (!dl_git_answered(g, result, &is_attached)) return;
  g->branch = dl_xstrndup(result->output, is_attached ? strcspn(result->output, "\n") : 0);
  DL_GIT_RUN(g, on_branch_list, "for-each-ref", "--format=%(refname)", "refs/heads/");
}

void dl_git_branches(dl_toolbox_t *tb, dl_req_t *req) {
  const char *path = dl_git_query_path(req);
  if (path == NULL) return;
  DL_GIT_RUN(dl_git_new(tb, req, NULL, path), on_current, "symbolic-ref", "-q", "--short", "HEAD");
}

/* --- history --- */

enum { HASH, AUTHOR, EMAIL, DATE, MESSAGE, COMMIT_PARTS };

/* RFC 3339 wants Z or an offset; clients know Z for UTC. */
static json_t *date_json(const char *date) {
  size_t len = strlen(date);
  if (len < 6 || strcmp(date + len - 6, "+00:00") != 0) return json_string(date);
  char *utc = dl_xprintf("%.*sZ", (int)len - 6, date);
  json_t *text = json_string(utc);
  free(utc);
  return text;
}

static void on_history(dl_git_t *g, const dl_run_result_t *result) {
  if (!dl_git_ok(g, result)) return;
  const char *at = result->output, *end = at + result->output_len;
  json_t *commits = json_array();
  const char *part[COMMIT_PARTS];
  for (;;) {
    int have = 0;
    while (have < COMMIT_PARTS && (part[have] = next_part(&at, end)) != NULL) have++;
    if (have < COMMIT_PARTS) break;
    json_array_append_new(commits, json_pack("{s:s, s:o, s:o, s:o, s:o}", "hash", part[HASH], "author",
                                             text_of(part[AUTHOR]), "email", text_of(part[EMAIL]), "message",
                                             text_of(part[MESSAGE]), "timestamp", date_json(part[DATE])));
  }
  dl_git_reply(g, 200, commits);
}

void dl_git_history(dl_toolbox_t *tb, dl_req_t *req) {
  const char *path = dl_git_query_path(req);
  if (path == NULL) return;
  DL_GIT_RUN(dl_git_new(tb, req, NULL, path), on_history, "log", "-z", "--encoding=UTF-8", "--no-notes",
             "--no-decorate", "--format=tformat:%H%x00%an%x00%ae%x00%aI%x00%B", "HEAD", "--");
}
