/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Remotes: push, pull, listing and adding.
 *
 * A URL in the repository's settings may hold a password. Before git talks to such a remote, the
 * URL is rewritten for this one request (url.*.insteadOf) to one without, and the password goes
 * as a header for that host, so that it is in no argument of any program.
 *
 * A pull only ever moves the branch forward, and only when everything has been checked: what
 * answers 409 has changed nothing (toolbox-wire 17, row 19).
 */
#include "toolbox/git/internal.h"

#include "toolbox/core/fields.h"
#include "toolbox/core/reply.h"
#include "toolbox/core/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ORIGIN "origin"

static void on_url(dl_git_t *g, const dl_run_result_t *result);

/* --- before talking to a remote --- */

void dl_git_prepare_url(dl_git_t *g, const char *url) {
  dl_git_url_t u = dl_git_url_split(url);
  if (u.had_user) {
    char *key = dl_xprintf("url.%s.insteadOf", u.plain);
    dl_git_set(g, key, url);
    free(key);
    dl_git_keep_secret(g, *u.password != '\0' ? u.password : u.username);
  }
  /* They count only together. */
  if (g->username != NULL && *g->username != '\0' && g->password != NULL && *g->password != '\0')
    dl_git_use_credentials(g, u.plain, g->username, g->password);
  else if (u.had_user)
    dl_git_use_credentials(g, u.plain, u.username, u.password);
  dl_git_url_clear(&u);
  g->timeout_s = DL_GIT_NETWORK_S;
}

/* Nothing in the name of a branch may make a pattern or a pair of it. */
static bool branch_ok(dl_req_t *req, const char *name) {
  if (name == NULL || strpbrk(name, " ~^:?*[\\") == NULL) return dl_git_name_ok(req, "branch name", name);
  dl_tb_reply_error(req, 400, "invalid branch name");
  return false;
}

/* The fields that push and pull share. NULL: answered. */
static dl_git_t *begin(dl_toolbox_t *tb, dl_req_t *req, json_t *body, const char **branch) {
  const char *path = NULL;
  if (!dl_tb_field_text(req, body, "path", true, &path)) {
    json_decref(body);
    return NULL;
  }
  dl_git_t *g = dl_git_new(tb, req, body, path);
  if (!dl_tb_field_text(req, body, "username", false, &g->username) ||
      !dl_tb_field_text(req, body, "password", false, &g->password) ||
      !dl_tb_field_text(req, body, "remote", false, &g->remote) ||
      !dl_tb_field_text(req, body, "branch", false, branch) || !branch_ok(req, *branch) ||
      !dl_git_name_ok(req, "remote name", g->remote)) {
    dl_git_drop(g);
    return NULL;
  }
  dl_git_keep_secret(g, g->password);
  if (g->remote == NULL || *g->remote == '\0') g->remote = ORIGIN;
  return g;
}

static void find_url(dl_git_t *g) {
  if (g->is_push)
    DL_GIT_RUN(g, on_url, "remote", "get-url", "--push", g->remote);
  else
    DL_GIT_RUN(g, on_url, "remote", "get-url", g->remote);
}

static void on_current(dl_git_t *g, const dl_run_result_t *result) {
  bool is_attached;
  if (!dl_git_answered(g, result, &is_attached)) return;
  if (!is_attached) {
    dl_git_fail_as(g, 400, NULL, "HEAD is detached: name the branch");
    return;
  }
  g->branch = dl_xstrndup(result->output, strcspn(result->output, "\n"));
  find_url(g);
}

static void find_branch(dl_git_t *g, const char *branch) {
  if (branch == NULL || *branch == '\0') {
    DL_GIT_RUN(g, on_current, "symbolic-ref", "-q", "--short", "HEAD");
    return;
  }
  g->branch = dl_xstrdup(branch);
  find_url(g);
}

/* --- push --- */

static void push(dl_git_t *g) {
  char *refspec = dl_xprintf("refs/heads/%s:refs/heads/%s", g->branch, g->branch);
  const char *option = g->flag ? "--set-upstream" : "--no-verify";
  DL_GIT_RUN(g, dl_git_done, "push", "--porcelain", option, g->remote, refspec);
  free(refspec);
}

static void on_tracked(dl_git_t *g, const dl_run_result_t *result) {
  if (dl_git_ok(g, result)) push(g);
}

/* A clone follows one branch. An upstream that it does not follow would count for nothing. */
static void on_followed(dl_git_t *g, const dl_run_result_t *result) {
  bool has_rules;
  if (!dl_git_answered(g, result, &has_rules)) return;
  char *rule = dl_xprintf("refs/heads/%s:", g->branch);
  if (has_rules && strstr(result->output, rule) == NULL && strstr(result->output, "refs/heads/*:") == NULL)
    DL_GIT_RUN(g, on_tracked, "remote", "set-branches", "--add", g->remote, g->branch);
  else
    push(g);
  free(rule);
}

static void on_pushed_branch(dl_git_t *g, const dl_run_result_t *result) {
  bool is_there;
  if (!dl_git_answered(g, result, &is_there)) return;
  if (!is_there) {
    dl_git_fail_as(g, 404, "GIT_BRANCH_NOT_FOUND", "branch not found: %s", g->branch);
  } else if (g->flag) {
    char *key = dl_xprintf("remote.%s.fetch", g->remote);
    DL_GIT_RUN(g, on_followed, "config", "--get-all", key);
    free(key);
  } else {
    push(g);
  }
}

void dl_git_push(dl_toolbox_t *tb, dl_req_t *req, json_t *body) {
  const char *branch = NULL;
  dl_git_t *g = begin(tb, req, body, &branch);
  if (g == NULL) return;
  g->is_push = true;
  if (!dl_tb_field_bool(req, body, "set_upstream", &g->flag))
    dl_git_drop(g);
  else
    find_branch(g, branch);
}

/* --- pull --- */

static void merge(dl_git_t *g) {
  DL_GIT_RUN(g, dl_git_done, "merge", "-q", "--ff-only", "--no-stat", g->hash);
}

static void on_clean(dl_git_t *g, const dl_run_result_t *result) {
  bool is_clean;
  if (!dl_git_answered(g, result, &is_clean)) return;
  if (is_clean)
    merge(g);
  else
    dl_git_fail_as(g, 409, "GIT_DIRTY_WORKTREE", "worktree contains unstaged changes");
}

static void on_is_behind(dl_git_t *g, const dl_run_result_t *result) {
  bool is_behind;
  if (!dl_git_answered(g, result, &is_behind)) return;
  if (!is_behind)
    dl_git_fail_as(g, 409, "GIT_MERGE_CONFLICT", "non-fast-forward update: %s and %s/%s have diverged",
                   g->branch, g->remote, g->branch);
  else
    DL_GIT_RUN(g, on_clean, "diff", "--quiet", "--no-ext-diff", "--ignore-submodules", "--");
}

static void on_is_current(dl_git_t *g, const dl_run_result_t *result) {
  bool is_current;
  if (!dl_git_answered(g, result, &is_current)) return;
  if (is_current)
    dl_git_reply(g, 200, NULL);
  else
    DL_GIT_RUN(g, on_is_behind, "merge-base", "--is-ancestor", "HEAD", g->hash);
}

static void on_own_head(dl_git_t *g, const dl_run_result_t *result) {
  bool has_commit;
  if (!dl_git_answered(g, result, &has_commit)) return;
  if (has_commit)
    DL_GIT_RUN(g, on_is_current, "merge-base", "--is-ancestor", g->hash, "HEAD");
  else
    merge(g);
}

static void on_fetch_head(dl_git_t *g, const dl_run_result_t *result) {
  if (!dl_git_ok(g, result)) return;
  g->hash = dl_xstrndup(result->output, strcspn(result->output, "\n"));
  DL_GIT_RUN(g, on_own_head, "rev-parse", "-q", "--verify", "HEAD^{commit}");
}

static void on_fetched(dl_git_t *g, const dl_run_result_t *result) {
  if (!dl_git_ok(g, result)) return;
  g->timeout_s = DL_GIT_LOCAL_S;
  DL_GIT_RUN(g, on_fetch_head, "rev-parse", "--verify", "FETCH_HEAD^{commit}");
}

void dl_git_pull(dl_toolbox_t *tb, dl_req_t *req, json_t *body) {
  const char *branch = NULL;
  dl_git_t *g = begin(tb, req, body, &branch);
  if (g != NULL) find_branch(g, branch);
}

static void on_url(dl_git_t *g, const dl_run_result_t *result) {
  if (!dl_git_ok(g, result)) return;
  char *url = dl_xstrndup(result->output, strcspn(result->output, "\n"));
  char *ref = dl_xprintf("refs/heads/%s", g->branch);
  dl_git_prepare_url(g, url);
  if (g->is_push)
    DL_GIT_RUN(g, on_pushed_branch, "show-ref", "--verify", "--quiet", ref);
  else
    DL_GIT_RUN(g, on_fetched, "fetch", "-q", g->remote, ref);
  free(ref);
  free(url);
}

/* --- the list --- */

/* A key is "remote.NAME.url", a line break follows, then the value. */
static void append_remote(json_t *list, const char *entry) {
  const char *line_end = strchr(entry, '\n');
  size_t prefix = strlen("remote."), suffix = strlen(".url");
  if (line_end == NULL || (size_t)(line_end - entry) <= prefix + suffix) return;
  json_t *name = dl_tb_text(entry + prefix, (size_t)(line_end - entry) - prefix - suffix);
  size_t i;
  json_t *item;
  json_array_foreach (list, i, item) {
    if (!json_equal(json_object_get(item, "name"), name)) continue;
    json_decref(name); /* a second URL of the same remote */
    return;
  }
  dl_git_url_t u = dl_git_url_split(line_end + 1);
  json_array_append_new(list,
                        json_pack("{s:o, s:o}", "name", name, "url", dl_tb_text(u.plain, strlen(u.plain))));
  dl_git_url_clear(&u);
}

static void on_remotes(dl_git_t *g, const dl_run_result_t *result) {
  bool has_some;
  if (!dl_git_answered(g, result, &has_some)) return;
  json_t *list = json_array();
  const char *end = result->output + result->output_len;
  if (has_some)
    for (const char *at = result->output; at < end; at += strlen(at) + 1) append_remote(list, at);
  dl_git_reply(g, 200, json_pack("{s:o}", "remotes", list));
}

void dl_git_remotes(dl_toolbox_t *tb, dl_req_t *req) {
  const char *path = dl_git_query_path(req);
  if (path == NULL) return;
  DL_GIT_RUN(dl_git_new(tb, req, NULL, path), on_remotes, "config", "--local", "--null", "--get-regexp",
             "^remote\\..*\\.url$");
}

/* --- adding --- */

static void after_stored(dl_git_t *g) {
  if (g->flag) {
    dl_git_prepare_url(g, g->url);
    DL_GIT_RUN(g, dl_git_created, "fetch", "-q", g->remote);
  } else {
    dl_git_reply(g, g->is_clone ? 200 : 201, NULL);
  }
}

static void put_quoted(dl_buf_t *out, const char *text) {
  dl_buf_puts(out, "\"");
  for (; *text != '\0'; text++) {
    if (*text == '"' || *text == '\\') dl_buf_puts(out, "\\");
    dl_buf_append(out, text, 1);
  }
  dl_buf_puts(out, "\"");
}

/* The settings file is open to everybody who may read the folder; git leaves it so as well. */
static int append_url(const char *file, const char *remote, const char *url) {
  dl_buf_t text;
  dl_buf_init(&text, DL_TB_BODY_MAX * 2);
  dl_buf_puts(&text, "[remote ");
  put_quoted(&text, remote);
  dl_buf_puts(&text, "]\n\turl = ");
  put_quoted(&text, url);
  dl_buf_puts(&text, "\n");
  int fd = open(file, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY);
  int error = fd < 0 || write(fd, text.data, text.len) != (ssize_t)text.len ? errno : 0;
  if (fd >= 0) close(fd);
  explicit_bzero(text.data, text.len);
  dl_buf_clear(&text);
  return error;
}

static void on_settings_file(dl_git_t *g, const dl_run_result_t *result) {
  if (!dl_git_ok(g, result)) return;
  char *name = dl_xstrndup(result->output, strcspn(result->output, "\n"));
  char *file = name[0] == '/' ? dl_xstrdup(name) : dl_xprintf("%s/%s", g->path, name);
  int error = append_url(file, g->remote, g->url);
  free(file);
  free(name);
  if (error == 0) {
    after_stored(g);
    return;
  }
  char reason[128];
  dl_tb_errno_text(error, reason, sizeof reason);
  dl_git_fail_as(g, 500, NULL, "cannot write the settings of the repository: %s", reason);
}

static void on_plain_unset(dl_git_t *g, const dl_run_result_t *result) {
  if (dl_git_ok(g, result)) DL_GIT_RUN(g, on_settings_file, "rev-parse", "--git-path", "config");
}

void dl_git_store_url(dl_git_t *g) {
  if (strpbrk(g->url, "\r\n") != NULL || strcmp(g->url, g->plain_url) == 0) {
    after_stored(g);
    return;
  }
  char *key = dl_xprintf("remote.%s.url", g->remote);
  DL_GIT_RUN(g, on_plain_unset, "config", "--local", "--unset-all", key);
  free(key);
}

static void on_remote_set(dl_git_t *g, const dl_run_result_t *result) {
  if (dl_git_ok(g, result)) dl_git_store_url(g);
}

static void on_remote_looked_up(dl_git_t *g, const dl_run_result_t *result) {
  int code = dl_git_exit_code(result);
  bool is_there = code == 0;
  if (!is_there && strstr(result->errors, "No such remote") == NULL)
    dl_git_fail(g, result);
  else if (is_there && !g->is_overwrite)
    dl_git_fail_as(g, 409, NULL, "remote already exists: %s", g->remote);
  else if (is_there)
    DL_GIT_RUN(g, on_remote_set, "remote", "set-url", g->remote, g->plain_url);
  else
    DL_GIT_RUN(g, on_remote_set, "remote", "add", g->remote, g->plain_url);
}

void dl_git_remote_add(dl_toolbox_t *tb, dl_req_t *req, json_t *body) {
  const char *path = NULL;
  if (!dl_tb_field_text(req, body, "path", true, &path)) {
    json_decref(body);
    return;
  }
  dl_git_t *g = dl_git_new(tb, req, body, path);
  if (!dl_tb_field_text(req, body, "name", true, &g->remote) ||
      !dl_tb_field_text(req, body, "url", true, &g->url) || !dl_tb_field_bool(req, body, "fetch", &g->flag) ||
      !dl_tb_field_bool(req, body, "overwrite", &g->is_overwrite) ||
      !dl_git_name_ok(req, "remote name", g->remote) || !dl_git_name_ok(req, "URL", g->url)) {
    dl_git_drop(g);
    return;
  }
  dl_git_url_t u = dl_git_url_split(g->url);
  if (u.had_user) dl_git_keep_secret(g, *u.password != '\0' ? u.password : u.username);
  g->plain_url = dl_xstrdup(u.plain);
  dl_git_url_clear(&u);
  DL_GIT_RUN(g, on_remote_looked_up, "remote", "get-url", g->remote);
}
