/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What git says, made into what clients receive: which error it means, in few words, and without
 * secrets. git runs in the C locale, so its words are known; the first row that matches decides.
 */
#include "toolbox/git/internal.h"

#include "base/buf.h"

#include <stdlib.h>
#include <string.h>

#define SUMMARY_MAX 1000

static const struct {
  const char *words;
  dl_git_error_t error;
} MEANINGS[] = {
  {"[remote rejected]", {422, "GIT_REMOTE_REJECTED"}},
  {"[rejected]", {409, "GIT_PUSH_REJECTED"}},
  {"pre-receive hook declined", {422, "GIT_REMOTE_REJECTED"}},
  {"transport 'ssh' not allowed", {401, "GIT_AUTH_FAILED"}},
  {"Authentication failed", {401, "GIT_AUTH_FAILED"}},
  {"could not read Username", {401, "GIT_AUTH_FAILED"}},
  {"could not read Password", {401, "GIT_AUTH_FAILED"}},
  {"returned error: 401", {401, "GIT_AUTH_FAILED"}},
  {"returned error: 403", {403, NULL}},
  {"returned error: 404", {404, "GIT_REPO_NOT_FOUND"}},
  {"returned error: 413", {422, "GIT_REMOTE_REJECTED"}},
  {"transport '", {400, NULL}}, /* ... not allowed */
  {"unable to access '", {502, "GIT_TRANSPORT_FAILED"}},
  {"Unable to find remote helper", {400, NULL}},
  {"couldn't find remote ref", {404, "GIT_BRANCH_NOT_FOUND"}},
  {"not found in upstream", {404, "GIT_BRANCH_NOT_FOUND"}},
  {"does not match any", {404, "GIT_BRANCH_NOT_FOUND"}}, /* src refspec */
  {"not our ref", {404, "GIT_BRANCH_NOT_FOUND"}},
  {"not a git repository", {404, "GIT_REPO_NOT_FOUND"}},
  {"can only be used inside a git repo", {404, "GIT_REPO_NOT_FOUND"}},
  {"does not appear to be a git repository", {404, "GIT_REPO_NOT_FOUND"}},
  {"' does not exist", {404, "GIT_REPO_NOT_FOUND"}},
  {"' not found", {404, "GIT_REPO_NOT_FOUND"}},
  {"does not have any commits yet", {404, "GIT_BRANCH_NOT_FOUND"}},
  {"could not resolve HEAD", {404, "GIT_BRANCH_NOT_FOUND"}},
  {"ambiguous argument 'HEAD'", {404, "GIT_BRANCH_NOT_FOUND"}},
  {"bad revision 'HEAD'", {404, "GIT_BRANCH_NOT_FOUND"}},
  {"already exists and is not an empty directory", {409, NULL}},
  {"No such remote", {404, NULL}},
  {"remote error:", {422, "GIT_REMOTE_REJECTED"}},
  {"unable to look up", {502, "GIT_TRANSPORT_FAILED"}},
  {"unable to connect to", {502, "GIT_TRANSPORT_FAILED"}},
  {"RPC failed", {502, "GIT_TRANSPORT_FAILED"}},
  {"early EOF", {502, "GIT_TRANSPORT_FAILED"}},
  {"hung up unexpectedly", {502, "GIT_TRANSPORT_FAILED"}},
  {"Could not read from remote repository", {502, "GIT_TRANSPORT_FAILED"}},
  {"invalid server response", {502, "GIT_TRANSPORT_FAILED"}},
  {"not valid: is this a git repository?", {404, "GIT_REPO_NOT_FOUND"}},
  {"expected flush after ref listing", {502, "GIT_TRANSPORT_FAILED"}},
  {"Not possible to fast-forward", {409, "GIT_MERGE_CONFLICT"}},
  {"you have unmerged files", {409, "GIT_MERGE_CONFLICT"}},
  {"You have not concluded your merge", {409, "GIT_MERGE_CONFLICT"}},
  {"need to resolve your current index", {409, "GIT_MERGE_CONFLICT"}},
  {"needs merge", {409, "GIT_MERGE_CONFLICT"}},
  {"is unmerged", {409, "GIT_MERGE_CONFLICT"}},
  {"in the middle of a merge", {409, "GIT_MERGE_CONFLICT"}},
  {"would be overwritten by", {409, "GIT_DIRTY_WORKTREE"}},
  {"not uptodate", {409, "GIT_DIRTY_WORKTREE"}},
  {"would lose untracked files", {409, "GIT_DIRTY_WORKTREE"}},
  {"a branch named '", {409, "GIT_BRANCH_EXISTS"}}, /* ... already exists */
  {"cannot lock ref", {409, NULL}},
  {"already exists", {409, NULL}},
  {"File exists", {409, NULL}}, /* a lock of another git */
  {"is not a valid branch name", {400, NULL}},
  {"invalid initial branch name", {400, NULL}},
  {"is not a valid remote name", {400, NULL}},
  {"did not match any file", {400, NULL}},
  {"is outside repository", {400, NULL}},
  {"is beyond a symbolic link", {400, NULL}},
  {"is in submodule", {400, NULL}},
  {"are ignored by one of your", {400, NULL}},
  {"empty ident name", {400, NULL}},
  {"name consists only of disallowed characters", {400, NULL}},
  {"invalid key", {400, NULL}},
  {"key does not contain", {400, NULL}},
  {"must be run in a work tree", {400, NULL}},
  {"Permission denied", {403, NULL}},
  {"Read-only file system", {403, NULL}},
};

dl_git_error_t dl_git_classify(const char *text) {
  for (size_t i = 0; i < DL_COUNT(MEANINGS); i++)
    if (strstr(text, MEANINGS[i].words) != NULL) return MEANINGS[i].error;
  return (dl_git_error_t){500, NULL};
}

/* Lines that say nothing to a client. */
static bool is_noise(const char *line, size_t len) {
  static const char *const STARTS[] = {"hint:",
                                       "To ",
                                       "Done",
                                       "Please make sure",
                                       "and the repository",
                                       "Aborting",
                                       "Please commit your changes"};
  if (len == 0) return true;
  for (size_t i = 0; i < DL_COUNT(STARTS); i++)
    if (strncmp(line, STARTS[i], strlen(STARTS[i])) == 0) return true;
  return false;
}

char *dl_git_summary(const char *text) {
  static const char *const PREFIXES[] = {"fatal: ", "error: ", "remote: "};
  dl_buf_t out;
  dl_buf_init(&out, SUMMARY_MAX);
  while (*text != '\0') {
    size_t len = strcspn(text, "\r\n");
    const char *line = text, *next = text + len + (text[len] != '\0');
    while (len > 0 && (*line == ' ' || *line == '\t')) line++, len--;
    for (size_t i = 0; i < DL_COUNT(PREFIXES); i++) {
      size_t prefix = strlen(PREFIXES[i]);
      if (len >= prefix && strncmp(line, PREFIXES[i], prefix) == 0) line += prefix, len -= prefix;
    }
    while (len > 0 && (line[len - 1] == ' ' || line[len - 1] == '\t')) len--;
    if (!is_noise(line, len) &&
        (!dl_buf_puts(&out, out.len > 0 ? "; " : "") || !dl_buf_append(&out, line, len)))
      break;
    text = next;
  }
  for (char *p = out.data; p != NULL && *p != '\0'; p++)
    if ((unsigned char)*p < 0x20) *p = ' ';
  return dl_buf_take(&out);
}

/* Puts `text` into `out` with every `secret` replaced by stars. */
static char *without(char *text, const char *secret) {
  size_t len = strlen(secret);
  if (strstr(text, secret) == NULL) return text;
  dl_buf_t out;
  dl_buf_init(&out, strlen(text) * 3 + 4);
  const char *from = text;
  for (const char *at; (at = strstr(from, secret)) != NULL; from = at + len) {
    dl_buf_append(&out, from, (size_t)(at - from));
    dl_buf_puts(&out, "***");
  }
  dl_buf_puts(&out, from);
  explicit_bzero(text, strlen(text));
  free(text);
  return dl_buf_take(&out);
}

/* Takes what stands between "://" and "@" out of every URL in the text, in place. */
static void strip_users(char *text) {
  for (char *at = text; (at = strstr(at, "://")) != NULL;) {
    at += 3;
    size_t authority = strcspn(at, "/?# \t\n'\"<>");
    char *user_end = memrchr(at, '@', authority);
    if (user_end != NULL) memmove(at, user_end + 1, strlen(user_end + 1) + 1);
  }
}

char *dl_git_blot(const char *text, char *const *secrets, size_t count) {
  char *clean = dl_xstrdup(text);
  for (size_t i = 0; i < count; i++) clean = without(clean, secrets[i]);
  strip_users(clean);
  return clean;
}
