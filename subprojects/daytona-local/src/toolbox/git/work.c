/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Work inside one repository: add, commit, branches, checkout, reset, restore, init.
 *
 * Lists of files go through standard input, NUL between them and taken literally, so that there
 * may be any number of any name. A checkout that cannot be done changes nothing (the platform
 * moves HEAD and fails; toolbox-wire 17, row 19).
 */
#include "toolbox/git/internal.h"

#include "toolbox/core/fields.h"

#include <stdlib.h>
#include <string.h>

/* --- helpers --- */

/* Starts a request whose body has `path`; NULL: it was answered. */
static dl_git_t *begin(dl_toolbox_t *tb, dl_req_t *req, json_t *body) {
  const char *path = NULL;
  if (dl_tb_field_text(req, body, "path", true, &path)) return dl_git_new(tb, req, body, path);
  json_decref(body);
  return NULL;
}

/* The required list `files` as pathspecs for standard input. False: answered. */
static bool read_files(dl_git_t *g, bool is_required, dl_buf_t *out) {
  json_t *files = NULL;
  dl_buf_init(out, DL_TB_BODY_MAX);
  if (!dl_tb_field_texts(g->req, g->body, "files", &files)) {
    dl_git_drop(g);
    return false;
  }
  if (files == NULL && is_required) {
    dl_git_fail_as(g, 400, "INVALID_REQUEST_BODY", "invalid request body: field 'files' is required");
    return false;
  }
  size_t i;
  json_t *file;
  json_array_foreach (files, i, file) {
    if (*json_string_value(file) == '\0') {
      dl_buf_clear(out);
      dl_git_fail_as(g, 400, "INVALID_REQUEST_BODY", "invalid request body: a name in 'files' is empty");
      return false;
    }
    dl_buf_append(out, json_string_value(file), json_string_length(file) + 1);
  }
  return true;
}

static void keep_hash(dl_git_t *g, const dl_run_result_t *result) {
  free(g->hash);
  g->hash = dl_xstrndup(result->output, strcspn(result->output, "\n"));
}

/* --- add --- */

void dl_git_add(dl_toolbox_t *tb, dl_req_t *req, json_t *body) {
  dl_buf_t files;
  dl_git_t *g = begin(tb, req, body);
  if (g == NULL || !read_files(g, true, &files)) return;
  dl_git_exec(g, NULL, dl_git_done, files.data, files.len,
              (const char *const[]){"add", "--pathspec-from-file=-", "--pathspec-file-nul", NULL});
  dl_buf_clear(&files);
}

/* --- commit --- */

static void on_new_head(dl_git_t *g, const dl_run_result_t *result) {
  if (!dl_git_ok(g, result)) return;
  keep_hash(g, result);
  dl_git_reply(g, 200, json_pack("{s:s}", "hash", g->hash));
}

static void on_committed(dl_git_t *g, const dl_run_result_t *result) {
  /* "nothing to commit", "nothing added to commit", "no changes added to commit" */
  if (dl_git_exit_code(result) == 1 && strstr(result->output, "to commit") != NULL) {
    dl_git_fail_as(g, 500, NULL, "cannot create empty commit: clean working tree");
    return;
  }
  if (dl_git_ok(g, result)) DL_GIT_RUN(g, on_new_head, "rev-parse", "--verify", "HEAD");
}

void dl_git_commit(dl_toolbox_t *tb, dl_req_t *req, json_t *body) {
  const char *message = NULL, *author = NULL, *email = NULL;
  bool allow_empty = false;
  dl_git_t *g = begin(tb, req, body);
  if (g == NULL) return;
  if (!dl_tb_field_text(req, body, "message", true, &message) ||
      !dl_tb_field_text(req, body, "author", true, &author) ||
      !dl_tb_field_text(req, body, "email", true, &email) ||
      !dl_tb_field_bool(req, body, "allow_empty", &allow_empty)) {
    dl_git_drop(g);
    return;
  }
  static const char *const NAMES[] = {"GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"};
  static const char *const EMAILS[] = {"GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"};
  for (size_t i = 0; i < 2; i++) {
    dl_environ_set(&g->environment, NAMES[i], author);
    dl_environ_set(&g->environment, EMAILS[i], email);
  }
  dl_git_exec(g, NULL, on_committed, message, strlen(message),
              (const char *const[]){"commit", "-F", "-", "--cleanup=verbatim", "--allow-empty-message",
                                    allow_empty ? "--allow-empty" : NULL, NULL});
}

/* --- branches --- */

static void on_branch_base(dl_git_t *g, const dl_run_result_t *result) {
  bool has_commit;
  if (!dl_git_answered(g, result, &has_commit)) return;
  if (!has_commit)
    dl_git_fail_as(g, 404, "GIT_BRANCH_NOT_FOUND", "reference not found: the repository has no commit yet");
  else
    DL_GIT_RUN(g, dl_git_created, "checkout", "-q", "--no-track", "-b", g->name);
}

void dl_git_branch_create(dl_toolbox_t *tb, dl_req_t *req, json_t *body) {
  dl_git_t *g = begin(tb, req, body);
  if (g == NULL) return;
  if (!dl_tb_field_text(req, body, "name", true, &g->name) || !dl_git_name_ok(req, "branch name", g->name))
    dl_git_drop(g);
  else
    DL_GIT_RUN(g, on_branch_base, "rev-parse", "-q", "--verify", "HEAD^{commit}");
}

static void on_deleted(dl_git_t *g, const dl_run_result_t *result) {
  if (dl_git_ok(g, result)) dl_git_reply(g, 204, NULL);
}

static void on_current_to_delete(dl_git_t *g, const dl_run_result_t *result) {
  bool is_attached;
  if (!dl_git_answered(g, result, &is_attached)) return;
  size_t len = strcspn(result->output, "\n");
  char *ref = dl_xprintf("refs/heads/%s", g->name);
  if (is_attached && len == strlen(ref) && strncmp(result->output, ref, len) == 0)
    dl_git_fail_as(g, 409, NULL, "cannot delete the branch that is checked out: %s", g->name);
  else
    DL_GIT_RUN(g, on_deleted, "update-ref", "-d", ref);
  free(ref);
}

/* Without a current branch a repository has no status and no history, so that one stays. A branch
 * that does not exist is deleted already. */
void dl_git_branch_delete(dl_toolbox_t *tb, dl_req_t *req, json_t *body) {
  dl_git_t *g = begin(tb, req, body);
  if (g == NULL) return;
  if (!dl_tb_field_text(req, body, "name", true, &g->name) || !dl_git_name_ok(req, "branch name", g->name))
    dl_git_drop(g);
  else
    DL_GIT_RUN(g, on_current_to_delete, "symbolic-ref", "-q", "HEAD");
}

/* --- checkout --- */

static void not_found(dl_git_t *g) {
  dl_git_fail_as(g, 404, "GIT_BRANCH_NOT_FOUND", "failed to checkout branch or commit '%s': %s not found",
                 g->name, dl_git_is_hash(g->name) ? "object" : "reference");
}

static void on_clean(dl_git_t *g, const dl_run_result_t *result) {
  bool is_clean;
  if (!dl_git_answered(g, result, &is_clean)) return;
  if (!is_clean)
    dl_git_fail_as(g, 409, "GIT_DIRTY_WORKTREE", "worktree contains unstaged changes");
  else if (g->flag)
    DL_GIT_RUN(g, dl_git_done, "checkout", "-q", g->name, "--");
  else
    DL_GIT_RUN(g, dl_git_done, "checkout", "-q", "--detach", g->name, "--");
}

static void check_clean(dl_git_t *g) {
  DL_GIT_RUN(g, on_clean, "diff", "--quiet", "--no-ext-diff", "--ignore-submodules", "--");
}

static void on_commit_looked_up(dl_git_t *g, const dl_run_result_t *result) {
  if (dl_git_exit_code(result) == 0)
    check_clean(g);
  else
    not_found(g);
}

static void on_branch_looked_up(dl_git_t *g, const dl_run_result_t *result) {
  if (!dl_git_answered(g, result, &g->flag)) return;
  if (g->flag) {
    check_clean(g);
  } else if (!dl_git_is_hash(g->name)) {
    not_found(g);
  } else {
    char *object = dl_xprintf("%s^{commit}", g->name);
    DL_GIT_RUN(g, on_commit_looked_up, "cat-file", "-e", object);
    free(object);
  }
}

void dl_git_checkout(dl_toolbox_t *tb, dl_req_t *req, json_t *body) {
  dl_git_t *g = begin(tb, req, body);
  if (g == NULL) return;
  if (!dl_tb_field_text(req, body, "branch", true, &g->name) ||
      !dl_git_name_ok(req, "branch name", g->name)) {
    dl_git_drop(g);
    return;
  }
  char *ref = dl_xprintf("refs/heads/%s", g->name);
  DL_GIT_RUN(g, on_branch_looked_up, "show-ref", "--verify", "--quiet", ref);
  free(ref);
}

/* --- reset and restore --- */

static void run_reset(dl_git_t *g, const char *revision) {
  const char *mode = g->name;
  dl_buf_t files;
  if (!read_files(g, false, &files)) return;
  if (files.len > 0) {
    dl_git_exec(
      g, NULL, dl_git_done, files.data, files.len,
      (const char *const[]){"reset", "-q", "--pathspec-from-file=-", "--pathspec-file-nul", revision, NULL});
  } else {
    char *option = dl_xprintf("--%s", mode);
    const char *const with_revision[] = {"reset", "-q", option, revision, "--", NULL};
    const char *const without_revision[] = {"reset", "-q", option, "--", NULL};
    dl_git_exec(g, NULL, dl_git_done, NULL, 0, revision != NULL ? with_revision : without_revision);
    free(option);
  }
  dl_buf_clear(&files);
}

/* Looks a revision up and continues with `step`. */
static void find_revision(dl_git_t *g, dl_git_step_fn step) {
  char *object = dl_xprintf("%s^{commit}", g->target);
  DL_GIT_RUN(g, step, "rev-parse", "-q", "--verify", object);
  free(object);
}

static bool has_revision(dl_git_t *g, const dl_run_result_t *result) {
  bool is_found;
  if (!dl_git_answered(g, result, &is_found)) return false;
  if (!is_found)
    dl_git_fail_as(g, 404, "GIT_BRANCH_NOT_FOUND", "revision not found: %s", g->target);
  else
    keep_hash(g, result);
  return is_found;
}

static void on_reset_target(dl_git_t *g, const dl_run_result_t *result) {
  if (has_revision(g, result)) run_reset(g, g->hash);
}

static bool is_reset_mode(const char *mode) {
  static const char *const MODES[] = {"soft", "mixed", "hard", "merge", "keep"};
  for (size_t i = 0; i < DL_COUNT(MODES); i++)
    if (strcmp(MODES[i], mode) == 0) return true;
  return false;
}

void dl_git_reset(dl_toolbox_t *tb, dl_req_t *req, json_t *body) {
  json_t *files = NULL;
  dl_git_t *g = begin(tb, req, body);
  if (g == NULL) return;
  g->name = "mixed";
  if (!dl_tb_field_text(req, body, "mode", false, &g->name) ||
      !dl_tb_field_text(req, body, "target", false, &g->target) ||
      !dl_tb_field_texts(req, body, "files", &files) || !dl_git_name_ok(req, "target", g->target)) {
    dl_git_drop(g);
    return;
  }
  if (*g->name == '\0') g->name = "mixed";
  if (!is_reset_mode(g->name))
    dl_git_fail_as(g, 400, NULL, "invalid mode '%s': must be soft, mixed, hard, merge or keep", g->name);
  else if (json_array_size(files) > 0 && strcmp(g->name, "mixed") != 0)
    dl_git_fail_as(g, 400, NULL, "files can only be reset with mode mixed");
  else if (g->target == NULL || *g->target == '\0')
    run_reset(g, NULL);
  else
    find_revision(g, on_reset_target);
}

static void run_restore(dl_git_t *g, const char *source) {
  bool staged = false, worktree = false;
  dl_buf_t files;
  if (!read_files(g, true, &files)) return;
  json_t *value = dl_json_get_nocase(g->body, "staged");
  staged = json_is_true(value);
  value = dl_json_get_nocase(g->body, "worktree");
  worktree = value != NULL ? json_is_true(value) : !staged;
  char *option = source != NULL ? dl_xprintf("--source=%s", source) : NULL;
  const char *args[8] = {"restore", "-q", "--pathspec-from-file=-", "--pathspec-file-nul"};
  size_t count = 4;
  if (staged) args[count++] = "--staged";
  if (worktree) args[count++] = "--worktree";
  if (option != NULL) args[count++] = option;
  if (files.len == 0)
    dl_git_fail_as(g, 400, "INVALID_REQUEST_BODY", "invalid request body: field 'files' is required");
  else if (!staged && !worktree)
    dl_git_fail_as(g, 400, NULL, "nothing to restore: staged and worktree are both false");
  else
    dl_git_exec(g, NULL, dl_git_done, files.data, files.len, args);
  free(option);
  dl_buf_clear(&files);
}

static void on_restore_source(dl_git_t *g, const dl_run_result_t *result) {
  if (has_revision(g, result)) run_restore(g, g->hash);
}

void dl_git_restore(dl_toolbox_t *tb, dl_req_t *req, json_t *body) {
  bool ignored = false;
  dl_git_t *g = begin(tb, req, body);
  if (g == NULL) return;
  if (!dl_tb_field_bool(req, body, "staged", &ignored) ||
      !dl_tb_field_bool(req, body, "worktree", &ignored) ||
      !dl_tb_field_text(req, body, "source", false, &g->target) || !dl_git_name_ok(req, "source", g->target))
    dl_git_drop(g);
  else if (g->target == NULL || *g->target == '\0')
    run_restore(g, NULL);
  else
    find_revision(g, on_restore_source);
}
