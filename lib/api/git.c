/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Git in a sandbox.
 *
 * Credentials come back in strange ways: a server may quote a URL or a header of the remote in its message. So
 * what is secret in a request is redacted from every error it gets; the rows say what that is.
 */
#include <daytona/git.h>

#include <string.h>

#include "call/method.h"
#include "call/results.h"

typedef struct git_args {
  const char *path, *url, *name, *branch, *message, *author, *email, *key, *value, *username, *password;
  daytona_strings_t files;
} git_args_t;

#define BODY(type, member, key, ...) DAYTONA__ARG(IN_BODY, git_args_t, type, member, key, __VA_ARGS__)
#define QUERY(type, member, key, ...) DAYTONA__ARG(IN_QUERY, git_args_t, type, member, key, __VA_ARGS__)
#define TEXT(member) BODY(STRING, member, #member, .rules = DAYTONA__NONEMPTY)
#define FILES BODY(STRINGS, files, "files", .rules = DAYTONA__NONEMPTY)
#define QUERY_PATH QUERY(STRING, path, "path", .rules = DAYTONA__NONEMPTY)
#define OPT(opts_type, type, member, key, ...) \
  DAYTONA__OPT(IN_BODY, opts_type, type, member, key, __VA_ARGS__)

/* Credentials count only together. */
#define CREDENTIALS(opts_type)                                                                          \
  DAYTONA__OPT(NOWHERE, opts_type, RESERVED, credentials.reserved, "reserved"),                         \
    OPT(opts_type, STRING, credentials.username, "username", .flags = DAYTONA__JSON_SECRET, .group = 1, \
        .rules = DAYTONA__TOGETHER | DAYTONA__HIDE_USER),                                               \
    OPT(opts_type, STRING, credentials.password, "password", .flags = DAYTONA__JSON_SECRET, .group = 1, \
        .rules = DAYTONA__TOGETHER)

/* Requests are unbounded by default: a clone may take its time. */
#define GIT(noun, http_verb, tail, what, ...)                                                       \
  DAYTONA__METHOD(noun, .prefix = "Failed to " what ": ", .verb = http_verb, .path = "/git/" tail,  \
                  .service = DAYTONA__TOOLBOX, .timeout_ms = DAYTONA_NO_TIMEOUT, .is_secret = true, \
                  __VA_ARGS__)
#define ARGS(...) .request = DAYTONA__ARGS(git_args_t, __VA_ARGS__)

/* --- answers ----------------------------------------------------------------------------------- */

static DAYTONA__MODEL_OF(file_model, daytona_git_file_status_t, "FileStatus",
                         DAYTONA__FIELD(daytona_git_file_status_t, STRING, name, "name"),
                         DAYTONA__FIELD(daytona_git_file_status_t, STRING, staging, "staging"),
                         DAYTONA__FIELD(daytona_git_file_status_t, STRING, worktree, "worktree"),
                         DAYTONA__FIELD(daytona_git_file_status_t, STRING, extra, "extra"));

static DAYTONA__MODEL_OF(status_model, daytona_git_status_t, "GitStatus",
                         DAYTONA__FIELD(daytona_git_status_t, STRING, current_branch, "currentBranch"),
                         DAYTONA__FIELD_LIST(daytona_git_status_t, files, file_count, "fileStatus",
                                             &file_model),
                         DAYTONA__FIELD(daytona_git_status_t, INT, ahead, "ahead"),
                         DAYTONA__FIELD(daytona_git_status_t, INT, behind, "behind"),
                         DAYTONA__FIELD(daytona_git_status_t, BOOL, is_published, "branchPublished"),
                         DAYTONA__FIELD(daytona_git_status_t, BOOL, is_detached, "detached"),
                         DAYTONA__FIELD(daytona_git_status_t, STRING, upstream, "upstream"));

static DAYTONA__MODEL_OF(branches_model, daytona_git_branches_t, "ListBranchResponse",
                         DAYTONA__FIELD(daytona_git_branches_t, STRINGS, names, "branches"),
                         DAYTONA__FIELD(daytona_git_branches_t, STRING, current, "current"));

static DAYTONA__MODEL_OF(hash_model, daytona__text_t, "GitCommitResponse",
                         DAYTONA__FIELD(daytona__text_t, STRING, text, "hash",
                                        .flags = DAYTONA__JSON_REQUIRED));

static DAYTONA__MODEL_OF(value_model, daytona__text_t, "GitConfigResponse",
                         DAYTONA__FIELD(daytona__text_t, STRING, text, "value",
                                        .flags = DAYTONA__JSON_SECRET));

static DAYTONA__MODEL_OF(remote_model, daytona_pair_t, "GitRemote",
                         DAYTONA__FIELD(daytona_pair_t, STRING, key, "name", .flags = DAYTONA__JSON_REQUIRED),
                         DAYTONA__FIELD(daytona_pair_t, STRING, value, "url",
                                        .flags = DAYTONA__JSON_REQUIRED));

static DAYTONA__MODEL_OF(remotes_model, daytona_map_t, "ListRemotesResponse",
                         DAYTONA__FIELD_ARRAY(daytona_map_t, items, count, "remotes", &remote_model));

/* --- repositories ------------------------------------------------------------------------------ */

GIT(clone, "POST", "clone", "clone repository",
    ARGS(BODY(STRING, url, "url", .flags = DAYTONA__JSON_SECRET,
              .rules = DAYTONA__NONEMPTY | DAYTONA__HIDE_URL),
         TEXT(path), OPT(daytona_git_clone_opts_t, STRING, branch, "branch"),
         OPT(daytona_git_clone_opts_t, STRING, commit_id, "commit_id"), CREDENTIALS(daytona_git_clone_opts_t),
         OPT(daytona_git_clone_opts_t, BOOL, insecure_skip_tls, "insecure_skip_tls",
             .flags = DAYTONA__JSON_OMIT_ZERO),
         OPT(daytona_git_clone_opts_t, OPT_INT, depth, "depth", .rules = DAYTONA__MIN, .min = 1)));

daytona_future_t *daytona_git_clone(daytona_sandbox_t *sandbox, const char *url, const char *path,
                                    const daytona_git_clone_opts_t *opts) {
  return daytona__call(sandbox, &clone_method, &(git_args_t){.url = url, .path = path}, DAYTONA__OPTS(opts));
}

GIT(init, "POST", "init", "initialize repository",
    ARGS(TEXT(path), OPT(daytona_git_init_opts_t, BOOL, is_bare, "bare"),
         OPT(daytona_git_init_opts_t, STRING, initial_branch, "initial_branch")));

daytona_future_t *daytona_git_init(daytona_sandbox_t *sandbox, const char *path,
                                   const daytona_git_init_opts_t *opts) {
  return daytona__call(sandbox, &init_method, &(git_args_t){.path = path}, DAYTONA__OPTS(opts));
}

GIT(status, "GET", "status", "get status", ARGS(QUERY_PATH), .response = &status_model,
    .result = &daytona__type_git_status);

daytona_future_t *daytona_git_get_status(daytona_sandbox_t *sandbox, const char *path,
                                         const daytona_call_opts_t *opts) {
  return daytona__call(sandbox, &status_method, &(git_args_t){.path = path}, DAYTONA__OPTS(opts));
}

/* --- changes ----------------------------------------------------------------------------------- */

GIT(add, "POST", "add", "add files", ARGS(TEXT(path), FILES));

daytona_future_t *daytona_git_add(daytona_sandbox_t *sandbox, const char *path,
                                  const daytona_strings_t *files, const daytona_call_opts_t *opts) {
  return daytona__call(sandbox, &add_method, &(git_args_t){.path = path, .files = DAYTONA__OR_EMPTY(files)},
                       DAYTONA__OPTS(opts));
}

GIT(commit, "POST", "commit", "commit changes",
    ARGS(TEXT(path), TEXT(message), TEXT(author), TEXT(email),
         OPT(daytona_git_commit_opts_t, BOOL, allow_empty, "allow_empty")),
    .response = &hash_model, .gives_text = true);

daytona_future_t *daytona_git_commit(daytona_sandbox_t *sandbox, const char *path, const char *message,
                                     const char *author, const char *email,
                                     const daytona_git_commit_opts_t *opts) {
  const git_args_t args = {.path = path, .message = message, .author = author, .email = email};
  return daytona__call(sandbox, &commit_method, &args, DAYTONA__OPTS(opts));
}

static const char *const reset_modes[] = {"soft", "mixed", "hard", "merge", "keep", NULL};

GIT(reset, "POST", "reset", "reset",
    ARGS(TEXT(path), OPT(daytona_git_reset_opts_t, STRING, mode, "mode", .one_of = reset_modes),
         OPT(daytona_git_reset_opts_t, STRING, target, "target"),
         OPT(daytona_git_reset_opts_t, STRINGS, files, "files")));

daytona_future_t *daytona_git_reset(daytona_sandbox_t *sandbox, const char *path,
                                    const daytona_git_reset_opts_t *opts) {
  return daytona__call(sandbox, &reset_method, &(git_args_t){.path = path}, DAYTONA__OPTS(opts));
}

GIT(restore, "POST", "restore", "restore files",
    ARGS(TEXT(path), FILES, OPT(daytona_git_restore_opts_t, OPT_BOOL, staged, "staged"),
         OPT(daytona_git_restore_opts_t, OPT_BOOL, worktree, "worktree"),
         OPT(daytona_git_restore_opts_t, STRING, source, "source")));

daytona_future_t *daytona_git_restore(daytona_sandbox_t *sandbox, const char *path,
                                      const daytona_strings_t *files,
                                      const daytona_git_restore_opts_t *opts) {
  return daytona__call(sandbox, &restore_method,
                       &(git_args_t){.path = path, .files = DAYTONA__OR_EMPTY(files)}, DAYTONA__OPTS(opts));
}

/* --- branches ---------------------------------------------------------------------------------- */

/* An empty name is that of no branch: HEAD is detached. */
static int finish_branches(daytona__op_t *op, const void *args, void **answer, const char **problem) {
  daytona_git_branches_t *branches = *answer;
  if (branches->current != NULL && branches->current[0] == '\0') branches->current = NULL;
  return 0;
}

GIT(branches, "GET", "branches", "list branches", ARGS(QUERY_PATH), .response = &branches_model,
    .result = &daytona__type_git_branches, .finish = finish_branches);

daytona_future_t *daytona_git_list_branches(daytona_sandbox_t *sandbox, const char *path,
                                            const daytona_call_opts_t *opts) {
  return daytona__call(sandbox, &branches_method, &(git_args_t){.path = path}, DAYTONA__OPTS(opts));
}

GIT(create_branch, "POST", "branches", "create branch", ARGS(TEXT(path), TEXT(name)));

daytona_future_t *daytona_git_create_branch(daytona_sandbox_t *sandbox, const char *path, const char *name,
                                            const daytona_call_opts_t *opts) {
  return daytona__call(sandbox, &create_branch_method, &(git_args_t){.path = path, .name = name},
                       DAYTONA__OPTS(opts));
}

GIT(delete_branch, "DELETE", "branches", "delete branch", ARGS(TEXT(path), TEXT(name)));

daytona_future_t *daytona_git_delete_branch(daytona_sandbox_t *sandbox, const char *path, const char *name,
                                            const daytona_call_opts_t *opts) {
  return daytona__call(sandbox, &delete_branch_method, &(git_args_t){.path = path, .name = name},
                       DAYTONA__OPTS(opts));
}

GIT(checkout, "POST", "checkout", "checkout branch", ARGS(TEXT(path), TEXT(branch)));

daytona_future_t *daytona_git_checkout_branch(daytona_sandbox_t *sandbox, const char *path,
                                              const char *branch, const daytona_call_opts_t *opts) {
  return daytona__call(sandbox, &checkout_method, &(git_args_t){.path = path, .branch = branch},
                       DAYTONA__OPTS(opts));
}

/* --- remotes ----------------------------------------------------------------------------------- */

#define REMOTE_OPT(type, member, key, ...) OPT(daytona_git_remote_opts_t, type, member, key, __VA_ARGS__)
#define REMOTE_OPTS                                                             \
  CREDENTIALS(daytona_git_remote_opts_t), REMOTE_OPT(STRING, branch, "branch"), \
    REMOTE_OPT(STRING, remote, "remote", .flags = DAYTONA__JSON_SECRET, .rules = DAYTONA__HIDE_URL)

GIT(push, "POST", "push", "push changes",
    ARGS(TEXT(path), REMOTE_OPTS, REMOTE_OPT(BOOL, set_upstream, "set_upstream")));

daytona_future_t *daytona_git_push(daytona_sandbox_t *sandbox, const char *path,
                                   const daytona_git_remote_opts_t *opts) {
  return daytona__call(sandbox, &push_method, &(git_args_t){.path = path}, DAYTONA__OPTS(opts));
}

GIT(pull, "POST", "pull", "pull changes", ARGS(TEXT(path), REMOTE_OPTS));

daytona_future_t *daytona_git_pull(daytona_sandbox_t *sandbox, const char *path,
                                   const daytona_git_remote_opts_t *opts) {
  return daytona__call(sandbox, &pull_method, &(git_args_t){.path = path}, DAYTONA__OPTS(opts));
}

GIT(remote_add, "POST", "remotes", "add remote",
    ARGS(TEXT(path), TEXT(name),
         BODY(STRING, url, "url", .flags = DAYTONA__JSON_SECRET,
              .rules = DAYTONA__NONEMPTY | DAYTONA__HIDE_URL),
         OPT(daytona_git_remote_add_opts_t, BOOL, fetches, "fetch"),
         OPT(daytona_git_remote_add_opts_t, BOOL, overwrites, "overwrite")));

daytona_future_t *daytona_git_remote_add(daytona_sandbox_t *sandbox, const char *path, const char *name,
                                         const char *url, const daytona_git_remote_add_opts_t *opts) {
  return daytona__call(sandbox, &remote_add_method, &(git_args_t){.path = path, .name = name, .url = url},
                       DAYTONA__OPTS(opts));
}

GIT(remotes, "GET", "remotes", "list remotes", ARGS(QUERY_PATH), .response = &remotes_model,
    .result = &daytona__type_map);

daytona_future_t *daytona_git_list_remotes(daytona_sandbox_t *sandbox, const char *path,
                                           const daytona_call_opts_t *opts) {
  return daytona__call(sandbox, &remotes_method, &(git_args_t){.path = path}, DAYTONA__OPTS(opts));
}

static int finish_remote(daytona__op_t *op, const void *args, void **answer, const char **problem) {
  *answer = (void *)daytona_map_value(*answer, ((const git_args_t *)args)->name);
  return 0;
}

GIT(remote, "GET", "remotes", "get remote",
    ARGS(QUERY_PATH,
         DAYTONA__ARG(NOWHERE, git_args_t, STRING, name, "name", .rules = DAYTONA__NONEMPTY | DAYTONA__KEPT)),
    .response = &remotes_model, .result = &daytona__type_string, .finish = finish_remote);

daytona_future_t *daytona_git_remote_get(daytona_sandbox_t *sandbox, const char *path, const char *name,
                                         const daytona_call_opts_t *opts) {
  return daytona__call(sandbox, &remote_method, &(git_args_t){.path = path, .name = name},
                       DAYTONA__OPTS(opts));
}

/* --- settings ---------------------------------------------------------------------------------- */

static const char *const scopes[] = {"global", "local", "system", NULL};

#define SCOPE(place)                                                                           \
  DAYTONA__OPT(place, daytona_git_config_opts_t, STRING, scope, "scope", .fallback = "global", \
               .one_of = scopes),                                                              \
    DAYTONA__OPT(place, daytona_git_config_opts_t, STRING, path, "path")

static const char *check_scope(const void *args, const void *opts) {
  const daytona_git_config_opts_t *where = opts;
  bool is_local = where->scope != NULL && strcmp(where->scope, "local") == 0;
  bool has_path = where->path != NULL && where->path[0] != '\0';
  return is_local && !has_path ? "path is required for local" : NULL;
}

/* A value may be a header or a helper with a token. */
GIT(set_config, "POST", "config", "set config",
    ARGS(TEXT(key),
         BODY(STRING, value, "value", .flags = DAYTONA__JSON_ALWAYS | DAYTONA__JSON_SECRET,
              .rules = DAYTONA__HIDE),
         SCOPE(IN_BODY)),
    .check = check_scope);

daytona_future_t *daytona_git_set_config(daytona_sandbox_t *sandbox, const char *key, const char *value,
                                         const daytona_git_config_opts_t *opts) {
  return daytona__call(sandbox, &set_config_method, &(git_args_t){.key = key, .value = value},
                       DAYTONA__OPTS(opts));
}

GIT(get_config, "GET", "config", "get config",
    ARGS(QUERY(STRING, key, "key", .rules = DAYTONA__NONEMPTY), SCOPE(IN_QUERY)), .check = check_scope,
    .response = &value_model, .gives_text = true);

daytona_future_t *daytona_git_get_config(daytona_sandbox_t *sandbox, const char *key,
                                         const daytona_git_config_opts_t *opts) {
  return daytona__call(sandbox, &get_config_method, &(git_args_t){.key = key}, DAYTONA__OPTS(opts));
}

GIT(configure_user, "POST", "config/user", "configure user", ARGS(TEXT(name), TEXT(email), SCOPE(IN_BODY)),
    .check = check_scope);

daytona_future_t *daytona_git_configure_user(daytona_sandbox_t *sandbox, const char *name, const char *email,
                                             const daytona_git_config_opts_t *opts) {
  return daytona__call(sandbox, &configure_user_method, &(git_args_t){.name = name, .email = email},
                       DAYTONA__OPTS(opts));
}

GIT(authenticate, "POST", "credentials", "authenticate",
    ARGS(BODY(STRING, username, "username", .flags = DAYTONA__JSON_SECRET,
              .rules = DAYTONA__NONEMPTY | DAYTONA__HIDE_USER),
         BODY(STRING, password, "password", .flags = DAYTONA__JSON_SECRET, .rules = DAYTONA__NONEMPTY),
         OPT(daytona_git_dangerously_authenticate_opts_t, STRING, host, "host"),
         OPT(daytona_git_dangerously_authenticate_opts_t, STRING, protocol, "protocol")));

daytona_future_t *daytona_git_dangerously_authenticate(
  daytona_sandbox_t *sandbox, const char *username, const char *password,
  const daytona_git_dangerously_authenticate_opts_t *opts) {
  return daytona__call(sandbox, &authenticate_method,
                       &(git_args_t){.username = username, .password = password}, DAYTONA__OPTS(opts));
}
