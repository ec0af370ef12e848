/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making repositories: clone and init.
 *
 * A clone goes to a folder that is absent or empty, with git cleaning up after itself when it
 * fails. Credentials of the body are never stored; those of the URL are, as git does it, because
 * who clones that way expects to push.
 */
#include "toolbox/git/internal.h"

#include "base/jsonx.h"
#include "http/http.h"
#include "toolbox/core/fields.h"
#include "toolbox/core/text.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- the target --- */

typedef enum { TARGET_FREE, TARGET_EMPTY, TARGET_FULL, TARGET_REPOSITORY, TARGET_BAD } target_kind_t;

static bool has_entry(const char *folder, const char *name) {
  struct stat st;
  char *path = dl_xprintf("%s/%s", folder, name);
  bool is_there = lstat(path, &st) == 0;
  free(path);
  return is_there;
}

/* TARGET_BAD leaves the reason in errno. */
static target_kind_t look_at(const char *path) {
  DIR *dir = opendir(path);
  if (dir == NULL) return errno == ENOENT ? TARGET_FREE : TARGET_BAD;
  bool is_empty = true;
  for (struct dirent *entry; is_empty && (entry = readdir(dir)) != NULL;)
    is_empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
  closedir(dir);
  if (is_empty) return TARGET_EMPTY;
  bool is_bare = has_entry(path, "HEAD") && has_entry(path, "objects") && has_entry(path, "refs");
  return is_bare || has_entry(path, ".git") ? TARGET_REPOSITORY : TARGET_FULL;
}

/* False: answered. */
static bool target_ok(dl_git_t *g, bool may_be_full) {
  char reason[128];
  target_kind_t kind = look_at(g->path);
  dl_tb_errno_text(errno, reason, sizeof reason);
  g->is_new_folder = kind == TARGET_FREE;
  if (kind == TARGET_FREE || kind == TARGET_EMPTY || (kind == TARGET_FULL && may_be_full)) return true;
  if (kind == TARGET_REPOSITORY)
    dl_git_fail_as(g, 409, NULL, "repository already exists");
  else if (kind == TARGET_FULL)
    dl_git_fail_as(g, 409, NULL, "the folder is not empty: %s", g->path);
  else
    dl_git_fail_as(g, errno == EACCES ? 403 : 400, NULL, "%s: %s", g->path, reason);
  return false;
}

/* --- clone --- */

static void on_commit_checked_out(dl_git_t *g, const dl_run_result_t *result) {
  if (dl_git_ok(g, result)) dl_git_store_url(g);
}

static void checkout_commit(dl_git_t *g) {
  DL_GIT_RUN(g, on_commit_checked_out, "checkout", "-q", "--detach", g->target, "--");
}

static void on_commit_fetched(dl_git_t *g, const dl_run_result_t *result) {
  if (dl_git_exit_code(result) == 0)
    checkout_commit(g);
  else
    dl_git_fail_as(g, 404, "GIT_BRANCH_NOT_FOUND", "object not found: %s", g->target);
}

/* A commit of another branch, or below the depth, is fetched by itself where the remote allows it. */
static void on_commit_looked_up(dl_git_t *g, const dl_run_result_t *result) {
  if (dl_git_exit_code(result) == 0)
    checkout_commit(g);
  else if (!dl_git_is_hash(g->target))
    on_commit_fetched(g, result);
  else if (g->depth > 0)
    DL_GIT_RUN(g, on_commit_fetched, "fetch", "-q", "--depth=1", "origin", g->target);
  else
    DL_GIT_RUN(g, on_commit_fetched, "fetch", "-q", "origin", g->target);
}

/* Only .git is in there, and git has just made it. */
static void on_empty_removed(dl_git_t *g, const dl_run_result_t *result) {
  (void)result;
  if (g->is_new_folder) rmdir(g->path);
  dl_git_fail_as(g, 404, "GIT_REPO_NOT_FOUND", "remote repository is empty");
}

static void on_head(dl_git_t *g, const dl_run_result_t *result) {
  bool has_commit;
  if (!dl_git_answered(g, result, &has_commit)) return;
  if (!has_commit) {
    dl_git_exec_program(g, "rm", NULL, on_empty_removed, NULL, 0, (const char *const[]){"-rf", ".git", NULL});
  } else if (g->target != NULL && *g->target != '\0') {
    char *object = dl_xprintf("%s^{commit}", g->target);
    DL_GIT_RUN(g, on_commit_looked_up, "cat-file", "-e", object);
    free(object);
  } else {
    dl_git_store_url(g);
  }
}

static void on_cloned(dl_git_t *g, const dl_run_result_t *result) {
  if (dl_git_ok(g, result)) DL_GIT_RUN(g, on_head, "rev-parse", "-q", "--verify", "HEAD^{commit}");
}

static void run_clone(dl_git_t *g) {
  char *branch = g->name != NULL && *g->name != '\0' ? dl_xprintf("--branch=%s", g->name) : NULL;
  char *depth = g->depth > 0 ? dl_xprintf("--depth=%u", g->depth) : NULL;
  const char *args[10] = {"clone", "-q", "--single-branch"};
  size_t count = 3;
  if (branch != NULL) args[count++] = branch;
  if (depth != NULL) args[count++] = depth;
  args[count++] = "--";
  args[count++] = g->plain_url;
  args[count++] = g->path;
  dl_git_exec(g, g->tb->work_dir, on_cloned, NULL, 0, args);
  free(branch);
  free(depth);
}

/* "host:path" is SSH for git, "helper::address" is not. */
static bool is_ssh(const char *url) {
  if (dl_starts_with(url, "ssh://") || dl_starts_with(url, "git+ssh://") || dl_starts_with(url, "ssh+git://"))
    return true;
  size_t colon = strcspn(url, ":/");
  return url[colon] == ':' && url[colon + 1] != ':' && strstr(url, "://") == NULL;
}

void dl_git_clone(dl_toolbox_t *tb, dl_req_t *req, json_t *body) {
  const char *path = NULL, *url = NULL;
  bool skips_tls = false;
  if (!dl_tb_field_text(req, body, "url", true, &url) || !dl_tb_field_text(req, body, "path", true, &path)) {
    json_decref(body);
    return;
  }
  dl_git_t *g = dl_git_new(tb, req, body, path);
  if (!dl_tb_field_text(req, body, "branch", false, &g->name) ||
      !dl_tb_field_text(req, body, "commit_id", false, &g->target) ||
      !dl_tb_field_text(req, body, "username", false, &g->username) ||
      !dl_tb_field_text(req, body, "password", false, &g->password) ||
      !dl_tb_field_bool(req, body, "insecure_skip_tls", &skips_tls) ||
      !dl_tb_field_uint32(req, body, "depth", &g->depth) || !dl_git_name_ok(req, "commit", g->target)) {
    dl_git_drop(g);
    return;
  }
  dl_git_keep_secret(g, g->password);
  g->url = url;
  g->remote = "origin";
  g->is_clone = true;
  dl_git_url_t u = dl_git_url_split(url);
  g->plain_url = dl_xstrdup(u.plain);
  dl_git_url_clear(&u);
  if (is_ssh(url)) {
    dl_git_fail_as(g, 401, "GIT_AUTH_FAILED", "invalid auth method: SSH remotes are not supported");
    return;
  }
  if (!target_ok(g, false)) return;
  if (skips_tls) dl_git_set(g, "http.sslVerify", "false");
  dl_git_prepare_url(g, url);
  run_clone(g);
}

/* --- init --- */

void dl_git_init(dl_toolbox_t *tb, dl_req_t *req, json_t *body) {
  const char *path = NULL, *initial = NULL;
  bool is_bare = false;
  if (!dl_tb_field_text(req, body, "path", true, &path) || !dl_tb_field_bool(req, body, "bare", &is_bare) ||
      !dl_tb_field_text(req, body, "initial_branch", false, &initial)) {
    json_decref(body);
    return;
  }
  dl_git_t *g = dl_git_new(tb, req, body, path);
  if (!target_ok(g, true)) return;
  char *option = initial != NULL && *initial != '\0' ? dl_xprintf("--initial-branch=%s", initial) : NULL;
  const char *args[8] = {"init", "-q"};
  size_t count = 2;
  if (is_bare) args[count++] = "--bare";
  if (option != NULL) args[count++] = option;
  args[count++] = "--";
  args[count++] = g->path;
  dl_git_exec(g, tb->work_dir, dl_git_created, NULL, 0, args);
  free(option);
}
