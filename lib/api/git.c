/*
 * Git in a sandbox. All requests share one structure; each has a table of the members that it sends.
 *
 * Credentials come back in strange ways: a server may quote a URL or a header of the remote in its message. So
 * what is secret in a request is blotted out of every error it gets.
 */
#include <daytona/git.h>

#include <string.h>

#include "call/op.h"
#include "call/secrets.h"

/* Shorter settings are words like "true" and "main", which are in what an error says anyway. */
enum { SECRET_SETTING_MIN = 8 };

typedef struct git_request {
  const char *path, *url, *name, *branch, *commit_id;
  const char *username, *password, *host, *protocol;
  const char *message, *author, *email;
  const char *remote, *mode, *target, *source, *initial_branch, *key, *value, *scope;
  daytona_strings_t files;
  daytona_opt_int_t depth;
  daytona_opt_bool_t insecure_skip_tls, staged, worktree;
  bool allow_empty, set_upstream, is_bare, fetches, overwrites;
} git_request_t;

#define FIELD(type, member, key, ...) DAYTONA__FIELD(git_request_t, type, member, key, __VA_ARGS__)
#define PATH FIELD(STRING, path, "path")
#define CREDENTIALS                                                   \
  FIELD(STRING, username, "username", .flags = DAYTONA__JSON_SECRET), \
    FIELD(STRING, password, "password", .flags = DAYTONA__JSON_SECRET)
#define REQUEST(noun) static DAYTONA__MODEL(noun##_model, git_request_t, "git " #noun, noun##_fields)

static const daytona__json_field_t clone_fields[] = {
  FIELD(STRING, url, "url", .flags = DAYTONA__JSON_SECRET),
  PATH,
  FIELD(STRING, branch, "branch"),
  FIELD(STRING, commit_id, "commit_id"),
  CREDENTIALS,
  FIELD(OPT_BOOL, insecure_skip_tls, "insecure_skip_tls"),
  FIELD(OPT_INT, depth, "depth"),
};
REQUEST(clone);

static const daytona__json_field_t add_fields[] = {PATH, FIELD(STRINGS, files, "files")};
REQUEST(add);

static const daytona__json_field_t commit_fields[] = {
  PATH,
  FIELD(STRING, message, "message"),
  FIELD(STRING, author, "author"),
  FIELD(STRING, email, "email"),
  FIELD(BOOL, allow_empty, "allow_empty"),
};
REQUEST(commit);

static const daytona__json_field_t push_fields[] = {
  PATH,
  CREDENTIALS,
  FIELD(STRING, branch, "branch"),
  FIELD(STRING, remote, "remote", .flags = DAYTONA__JSON_SECRET),
  FIELD(BOOL, set_upstream, "set_upstream"),
};
REQUEST(push);

static const daytona__json_field_t pull_fields[] = {
  PATH, CREDENTIALS, FIELD(STRING, branch, "branch"),
  FIELD(STRING, remote, "remote", .flags = DAYTONA__JSON_SECRET)};
REQUEST(pull);

static const daytona__json_field_t branch_fields[] = {PATH, FIELD(STRING, name, "name")};
REQUEST(branch);

static const daytona__json_field_t checkout_fields[] = {PATH, FIELD(STRING, branch, "branch")};
REQUEST(checkout);

static const daytona__json_field_t init_fields[] = {PATH, FIELD(BOOL, is_bare, "bare"),
                                                    FIELD(STRING, initial_branch, "initial_branch")};
REQUEST(init);

static const daytona__json_field_t reset_fields[] = {
  PATH, FIELD(STRING, mode, "mode"), FIELD(STRING, target, "target"), FIELD(STRINGS, files, "files")};
REQUEST(reset);

static const daytona__json_field_t restore_fields[] = {
  PATH,
  FIELD(STRINGS, files, "files"),
  FIELD(OPT_BOOL, staged, "staged"),
  FIELD(OPT_BOOL, worktree, "worktree"),
  FIELD(STRING, source, "source"),
};
REQUEST(restore);

static const daytona__json_field_t remote_add_fields[] = {
  PATH,
  FIELD(STRING, name, "name"),
  FIELD(STRING, url, "url", .flags = DAYTONA__JSON_SECRET),
  FIELD(BOOL, fetches, "fetch"),
  FIELD(BOOL, overwrites, "overwrite"),
};
REQUEST(remote_add);

static const daytona__json_field_t set_config_fields[] = {
  FIELD(STRING, key, "key"),
  FIELD(STRING, value, "value", .flags = DAYTONA__JSON_ALWAYS | DAYTONA__JSON_SECRET),
  FIELD(STRING, scope, "scope"),
  PATH,
};
REQUEST(set_config);

static const daytona__json_field_t user_fields[] = {
  FIELD(STRING, name, "name"), FIELD(STRING, email, "email"), FIELD(STRING, scope, "scope"), PATH};
REQUEST(user);

static const daytona__json_field_t authenticate_fields[] = {CREDENTIALS, FIELD(STRING, host, "host"),
                                                            FIELD(STRING, protocol, "protocol")};
REQUEST(authenticate);

/* --- answers ----------------------------------------------------------------------------------- */

static const daytona__json_field_t file_fields[] = {
  DAYTONA__FIELD(daytona_git_file_status_t, STRING, name, "name"),
  DAYTONA__FIELD(daytona_git_file_status_t, STRING, staging, "staging"),
  DAYTONA__FIELD(daytona_git_file_status_t, STRING, worktree, "worktree"),
  DAYTONA__FIELD(daytona_git_file_status_t, STRING, extra, "extra"),
};
static DAYTONA__MODEL(file_model, daytona_git_file_status_t, "FileStatus", file_fields);

static const daytona__json_field_t status_fields[] = {
  DAYTONA__FIELD(daytona_git_status_t, STRING, current_branch, "currentBranch"),
  DAYTONA__FIELD_ARRAY(daytona_git_status_t, files, file_count, "fileStatus", &file_model),
  DAYTONA__FIELD(daytona_git_status_t, INT, ahead, "ahead"),
  DAYTONA__FIELD(daytona_git_status_t, INT, behind, "behind"),
  DAYTONA__FIELD(daytona_git_status_t, BOOL, is_published, "branchPublished"),
  DAYTONA__FIELD(daytona_git_status_t, BOOL, is_detached, "detached"),
  DAYTONA__FIELD(daytona_git_status_t, STRING, upstream, "upstream"),
};
static DAYTONA__MODEL(status_model, daytona_git_status_t, "GitStatus", status_fields);

static const daytona__json_field_t branches_fields[] = {
  DAYTONA__FIELD(daytona_git_branches_t, STRINGS, names, "branches"),
  DAYTONA__FIELD(daytona_git_branches_t, STRING, current, "current"),
};
static DAYTONA__MODEL(branches_model, daytona_git_branches_t, "ListBranchResponse", branches_fields);

typedef struct git_text {
  const char *text;
} git_text_t;

static const daytona__json_field_t hash_fields[] = {
  DAYTONA__FIELD(git_text_t, STRING, text, "hash", .flags = DAYTONA__JSON_REQUIRED)};
static DAYTONA__MODEL(hash_model, git_text_t, "GitCommitResponse", hash_fields);

static const daytona__json_field_t value_fields[] = {
  DAYTONA__FIELD(git_text_t, STRING, text, "value", .flags = DAYTONA__JSON_SECRET)};
static DAYTONA__MODEL(value_model, git_text_t, "GitConfigResponse", value_fields);

static const daytona__json_field_t remote_fields[] = {
  DAYTONA__FIELD(daytona_pair_t, STRING, key, "name", .flags = DAYTONA__JSON_REQUIRED),
  DAYTONA__FIELD(daytona_pair_t, STRING, value, "url", .flags = DAYTONA__JSON_REQUIRED),
};
static DAYTONA__MODEL(remote_model, daytona_pair_t, "GitRemote", remote_fields);

static const daytona__json_field_t remotes_fields[] = {
  DAYTONA__FIELD_ARRAY(daytona_map_t, items, count, "remotes", &remote_model)};
static DAYTONA__MODEL(remotes_model, daytona_map_t, "ListRemotesResponse", remotes_fields);

static const daytona__type_t type_status = {"git status", NULL};
static const daytona__type_t type_branches = {"git branches", NULL};

const daytona_git_status_t *daytona_future_git_status(const daytona_future_t *future) {
  return daytona__future_result(future, &type_status);
}

const daytona_git_branches_t *daytona_future_git_branches(const daytona_future_t *future) {
  return daytona__future_result(future, &type_branches);
}

/* --- the operation ----------------------------------------------------------------------------- */

typedef struct git_op {
  daytona__op_t op; /* first */
  daytona__secrets_t secrets;
  const char *name; /* remote_get: which */
} git_op_t;

static void fail(daytona__op_t *op, const daytona_error_t *error) {
  daytona_error_t clean = *error;
  daytona__secrets_clean(&((git_op_t *)op)->secrets, &op->future->arena, &clean);
  daytona__op_fail(op, &clean);
}

static void on_empty(daytona__op_t *op, const daytona_error_t *error, void *answer) {
  if (error != NULL)
    fail(op, error);
  else
    daytona__op_resolve(op, &daytona__type_none, NULL);
}

static void on_text(daytona__op_t *op, const daytona_error_t *error, void *answer) {
  if (error != NULL)
    fail(op, error);
  else
    daytona__op_resolve(op, &daytona__type_string, (void *)((const git_text_t *)answer)->text);
}

static void on_status(daytona__op_t *op, const daytona_error_t *error, void *answer) {
  if (error != NULL)
    fail(op, error);
  else
    daytona__op_resolve(op, &type_status, answer);
}

static void on_branches(daytona__op_t *op, const daytona_error_t *error, void *answer) {
  daytona_git_branches_t *branches = answer;
  if (error != NULL) {
    fail(op, error);
    return;
  }
  if (branches->current != NULL && branches->current[0] == '\0') branches->current = NULL; /* detached */
  daytona__op_resolve(op, &type_branches, branches);
}

static void on_remotes(daytona__op_t *op, const daytona_error_t *error, void *answer) {
  if (error != NULL)
    fail(op, error);
  else
    daytona__op_resolve(op, &daytona__type_map, answer);
}

static void on_remote(daytona__op_t *op, const daytona_error_t *error, void *answer) {
  if (error != NULL)
    fail(op, error);
  else
    daytona__op_resolve(op, &daytona__type_string, (void *)daytona_map_value(answer, ((git_op_t *)op)->name));
}

#define GIT(verb, tail, what, ...)                                                                       \
  {                                                                                                      \
    .prefix = "Failed to " what ": ", .method = verb, .path = "/git/" tail, .service = DAYTONA__TOOLBOX, \
    __VA_ARGS__                                                                                          \
  }

/* An operation whose required arguments are all there; NULL if *future has failed. */
static git_op_t *git_new(daytona_sandbox_t *sandbox, const daytona__endpoint_t *endpoint,
                         const char *const *required, bool reserved_is_zero, daytona_future_t **future) {
  git_op_t *self = (git_op_t *)daytona__op_new(endpoint, NULL, sandbox, sizeof *self, future);
  if (self == NULL) return NULL;
  (*future)->arena.is_secret = true;
  if (!reserved_is_zero) {
    daytona__op_reject(&self->op, DAYTONA_EINVAL, "reserved words of the options are not zero");
    return NULL;
  }
  for (; required[0] != NULL; required += 2) {
    if (required[1] != NULL && required[1][0] != '\0') continue;
    daytona__op_reject(&self->op, DAYTONA_EINVAL, "%s is required", required[0]);
    return NULL;
  }
  return self;
}

/* Name and value of each required argument, for the message and for the check. */
#define REQUIRED(...) ((const char *const[]){__VA_ARGS__, NULL})
#define AS_GIVEN(text) (text) != NULL ? (text) : ""

/* Requests are unbounded by default: a clone may take its time. */
static daytona_future_t *git_run(git_op_t *self, const git_request_t *request, int64_t timeout_ms,
                                 void (*done)(daytona__op_t *op, const daytona_error_t *error,
                                              void *answer)) {
  daytona_call_opts_t opts = {.timeout_ms = timeout_ms != 0 ? timeout_ms : DAYTONA_NO_TIMEOUT};
  if (self->secrets.is_short)
    return daytona__op_reject(&self->op, DAYTONA_ENOMEM, "%s", daytona_errcode_text(DAYTONA_ENOMEM));
  return daytona__op_run(&self->op, request, &opts, done);
}

/* Credentials count only together. False, with the future failed, when one is missing. */
static bool take_credentials(git_op_t *self, const daytona_git_credentials_t *credentials,
                             git_request_t *request) {
  bool has_user = credentials->username != NULL, has_password = credentials->password != NULL;
  if (has_user != has_password) {
    daytona__op_reject(&self->op, DAYTONA_EINVAL, "credentials need a username and a password");
    return false;
  }
  if (!has_user) return true;
  request->username = credentials->username;
  request->password = credentials->password;
  daytona__secrets_add_login(&self->secrets, &self->op.future->arena, request->username, request->password);
  return true;
}

static bool has_bad_string(const daytona_strings_t *list, bool is_required) {
  if (list == NULL || list->count == 0) return is_required;
  if (list->items == NULL) return true;
  for (size_t i = 0; i < list->count; i++)
    if (list->items[i] == NULL) return true;
  return false;
}

static const char bad_files[] = "files are required, and none may be NULL";

/* --- calls ------------------------------------------------------------------------------------- */

static const daytona_call_opts_t default_opts;

static const daytona__endpoint_t clone_endpoint =
  GIT("POST", "clone", "clone repository", .request = &clone_model);

daytona_future_t *daytona_git_clone(daytona_sandbox_t *sandbox, const char *url, const char *path,
                                    const daytona_git_clone_opts_t *opts) {
  static const daytona_git_clone_opts_t defaults;
  daytona_future_t *future;
  if (opts == NULL) opts = &defaults;
  git_op_t *self = git_new(sandbox, &clone_endpoint, REQUIRED("url", AS_GIVEN(url), "path", AS_GIVEN(path)),
                           DAYTONA__RESERVED_OK(opts), &future);
  if (self == NULL) return future;
  git_request_t request = {
    .url = url, .path = path, .branch = opts->branch, .commit_id = opts->commit_id, .depth = opts->depth};
  if (opts->insecure_skip_tls) request.insecure_skip_tls = daytona_bool(true);
  if (opts->depth.is_set && opts->depth.value < 1)
    return daytona__op_reject(&self->op, DAYTONA_EINVAL, "depth must be at least 1");
  if (!take_credentials(self, &opts->credentials, &request)) return future;
  daytona__secrets_add_url(&self->secrets, &future->arena, url);
  return git_run(self, &request, opts->timeout_ms, on_empty);
}

static const daytona__endpoint_t add_endpoint = GIT("POST", "add", "add files", .request = &add_model);

daytona_future_t *daytona_git_add(daytona_sandbox_t *sandbox, const char *path,
                                  const daytona_strings_t *files, const daytona_call_opts_t *opts) {
  daytona_future_t *future;
  if (opts == NULL) opts = &default_opts;
  git_op_t *self =
    git_new(sandbox, &add_endpoint, REQUIRED("path", AS_GIVEN(path)), DAYTONA__RESERVED_OK(opts), &future);
  if (self == NULL) return future;
  if (has_bad_string(files, true)) return daytona__op_reject(&self->op, DAYTONA_EINVAL, bad_files);
  git_request_t request = {.path = path, .files = *files};
  return git_run(self, &request, opts->timeout_ms, on_empty);
}

static const daytona__endpoint_t commit_endpoint =
  GIT("POST", "commit", "commit changes", .request = &commit_model, .response = &hash_model);

daytona_future_t *daytona_git_commit(daytona_sandbox_t *sandbox, const char *path, const char *message,
                                     const char *author, const char *email,
                                     const daytona_git_commit_opts_t *opts) {
  static const daytona_git_commit_opts_t defaults;
  daytona_future_t *future;
  if (opts == NULL) opts = &defaults;
  git_op_t *self = git_new(sandbox, &commit_endpoint,
                           REQUIRED("path", AS_GIVEN(path), "message", AS_GIVEN(message), "author",
                                    AS_GIVEN(author), "email", AS_GIVEN(email)),
                           DAYTONA__RESERVED_OK(opts), &future);
  if (self == NULL) return future;
  git_request_t request = {
    .path = path, .message = message, .author = author, .email = email, .allow_empty = opts->allow_empty};
  return git_run(self, &request, opts->timeout_ms, on_text);
}

/* Push and pull differ in their tables only. */
static daytona_future_t *run_remote(daytona_sandbox_t *sandbox, const daytona__endpoint_t *endpoint,
                                    const char *path, const daytona_git_remote_opts_t *opts) {
  static const daytona_git_remote_opts_t defaults;
  daytona_future_t *future;
  if (opts == NULL) opts = &defaults;
  git_op_t *self =
    git_new(sandbox, endpoint, REQUIRED("path", AS_GIVEN(path)), DAYTONA__RESERVED_OK(opts), &future);
  if (self == NULL) return future;
  git_request_t request = {
    .path = path, .remote = opts->remote, .branch = opts->branch, .set_upstream = opts->set_upstream};
  daytona__secrets_add_url(&self->secrets, &future->arena, opts->remote);
  if (!take_credentials(self, &opts->credentials, &request)) return future;
  return git_run(self, &request, opts->timeout_ms, on_empty);
}

static const daytona__endpoint_t push_endpoint = GIT("POST", "push", "push changes", .request = &push_model);
static const daytona__endpoint_t pull_endpoint = GIT("POST", "pull", "pull changes", .request = &pull_model);

daytona_future_t *daytona_git_push(daytona_sandbox_t *sandbox, const char *path,
                                   const daytona_git_remote_opts_t *opts) {
  return run_remote(sandbox, &push_endpoint, path, opts);
}

daytona_future_t *daytona_git_pull(daytona_sandbox_t *sandbox, const char *path,
                                   const daytona_git_remote_opts_t *opts) {
  return run_remote(sandbox, &pull_endpoint, path, opts);
}

/* A GET whose only argument is the repository. */
static daytona_future_t *run_query(daytona_sandbox_t *sandbox, const daytona__endpoint_t *endpoint,
                                   const char *path, const char *name, const daytona_call_opts_t *opts,
                                   void (*done)(daytona__op_t *op, const daytona_error_t *error,
                                                void *answer)) {
  daytona_future_t *future;
  if (opts == NULL) opts = &default_opts;
  git_op_t *self =
    git_new(sandbox, endpoint, REQUIRED("path", AS_GIVEN(path), name != NULL ? "name" : NULL, AS_GIVEN(name)),
            DAYTONA__RESERVED_OK(opts), &future);
  if (self == NULL) return future;
  self->name = daytona__arena_strdup(&future->arena, name);
  if (name != NULL && self->name == NULL)
    return daytona__op_reject(&self->op, DAYTONA_ENOMEM, "%s", daytona_errcode_text(DAYTONA_ENOMEM));
  daytona__op_path(&self->op, NULL, NULL, NULL);
  daytona__url_query(&self->op.url, "path", path);
  return git_run(self, NULL, opts->timeout_ms, done);
}

static const daytona__endpoint_t status_endpoint =
  GIT("GET", "status", "get status", .response = &status_model);

daytona_future_t *daytona_git_get_status(daytona_sandbox_t *sandbox, const char *path,
                                         const daytona_call_opts_t *opts) {
  return run_query(sandbox, &status_endpoint, path, NULL, opts, on_status);
}

static const daytona__endpoint_t branches_endpoint =
  GIT("GET", "branches", "list branches", .response = &branches_model);

daytona_future_t *daytona_git_list_branches(daytona_sandbox_t *sandbox, const char *path,
                                            const daytona_call_opts_t *opts) {
  return run_query(sandbox, &branches_endpoint, path, NULL, opts, on_branches);
}

static const daytona__endpoint_t remotes_endpoint =
  GIT("GET", "remotes", "list remotes", .response = &remotes_model);
static const daytona__endpoint_t remote_endpoint =
  GIT("GET", "remotes", "get remote", .response = &remotes_model);

daytona_future_t *daytona_git_list_remotes(daytona_sandbox_t *sandbox, const char *path,
                                           const daytona_call_opts_t *opts) {
  return run_query(sandbox, &remotes_endpoint, path, NULL, opts, on_remotes);
}

daytona_future_t *daytona_git_remote_get(daytona_sandbox_t *sandbox, const char *path, const char *name,
                                         const daytona_call_opts_t *opts) {
  return run_query(sandbox, &remote_endpoint, path, AS_GIVEN(name), opts, on_remote);
}

/* A branch by name: create, delete, check out. */
static daytona_future_t *run_branch(daytona_sandbox_t *sandbox, const daytona__endpoint_t *endpoint,
                                    const char *path, const char *argument, const char *name,
                                    const daytona_call_opts_t *opts) {
  daytona_future_t *future;
  if (opts == NULL) opts = &default_opts;
  git_op_t *self = git_new(sandbox, endpoint, REQUIRED("path", AS_GIVEN(path), argument, AS_GIVEN(name)),
                           DAYTONA__RESERVED_OK(opts), &future);
  if (self == NULL) return future;
  git_request_t request = {.path = path, .name = name, .branch = name};
  return git_run(self, &request, opts->timeout_ms, on_empty);
}

static const daytona__endpoint_t create_branch_endpoint =
  GIT("POST", "branches", "create branch", .request = &branch_model);
static const daytona__endpoint_t delete_branch_endpoint =
  GIT("DELETE", "branches", "delete branch", .request = &branch_model);
static const daytona__endpoint_t checkout_endpoint =
  GIT("POST", "checkout", "checkout branch", .request = &checkout_model);

daytona_future_t *daytona_git_create_branch(daytona_sandbox_t *sandbox, const char *path, const char *name,
                                            const daytona_call_opts_t *opts) {
  return run_branch(sandbox, &create_branch_endpoint, path, "name", name, opts);
}

daytona_future_t *daytona_git_delete_branch(daytona_sandbox_t *sandbox, const char *path, const char *name,
                                            const daytona_call_opts_t *opts) {
  return run_branch(sandbox, &delete_branch_endpoint, path, "name", name, opts);
}

daytona_future_t *daytona_git_checkout_branch(daytona_sandbox_t *sandbox, const char *path,
                                              const char *branch, const daytona_call_opts_t *opts) {
  return run_branch(sandbox, &checkout_endpoint, path, "branch", branch, opts);
}

static const daytona__endpoint_t init_endpoint =
  GIT("POST", "init", "initialize repository", .request = &init_model);

daytona_future_t *daytona_git_init(daytona_sandbox_t *sandbox, const char *path,
                                   const daytona_git_init_opts_t *opts) {
  static const daytona_git_init_opts_t defaults;
  daytona_future_t *future;
  if (opts == NULL) opts = &defaults;
  git_op_t *self =
    git_new(sandbox, &init_endpoint, REQUIRED("path", AS_GIVEN(path)), DAYTONA__RESERVED_OK(opts), &future);
  if (self == NULL) return future;
  git_request_t request = {.path = path, .is_bare = opts->is_bare, .initial_branch = opts->initial_branch};
  return git_run(self, &request, opts->timeout_ms, on_empty);
}

static bool is_reset_mode(const char *mode) {
  static const char *const modes[] = {"soft", "mixed", "hard", "merge", "keep"};
  for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++)
    if (strcmp(modes[i], mode) == 0) return true;
  return false;
}

static const daytona__endpoint_t reset_endpoint = GIT("POST", "reset", "reset", .request = &reset_model);

daytona_future_t *daytona_git_reset(daytona_sandbox_t *sandbox, const char *path,
                                    const daytona_git_reset_opts_t *opts) {
  static const daytona_git_reset_opts_t defaults;
  daytona_future_t *future;
  if (opts == NULL) opts = &defaults;
  git_op_t *self =
    git_new(sandbox, &reset_endpoint, REQUIRED("path", AS_GIVEN(path)), DAYTONA__RESERVED_OK(opts), &future);
  if (self == NULL) return future;
  if (opts->mode != NULL && !is_reset_mode(opts->mode))
    return daytona__op_reject(&self->op, DAYTONA_EINVAL, "mode must be soft, mixed, hard, merge or keep");
  if (has_bad_string(&opts->files, false)) return daytona__op_reject(&self->op, DAYTONA_EINVAL, bad_files);
  git_request_t request = {.path = path, .mode = opts->mode, .target = opts->target, .files = opts->files};
  return git_run(self, &request, opts->timeout_ms, on_empty);
}

static const daytona__endpoint_t restore_endpoint =
  GIT("POST", "restore", "restore files", .request = &restore_model);

daytona_future_t *daytona_git_restore(daytona_sandbox_t *sandbox, const char *path,
                                      const daytona_strings_t *files,
                                      const daytona_git_restore_opts_t *opts) {
  static const daytona_git_restore_opts_t defaults;
  daytona_future_t *future;
  if (opts == NULL) opts = &defaults;
  git_op_t *self = git_new(sandbox, &restore_endpoint, REQUIRED("path", AS_GIVEN(path)),
                           DAYTONA__RESERVED_OK(opts), &future);
  if (self == NULL) return future;
  if (has_bad_string(files, true)) return daytona__op_reject(&self->op, DAYTONA_EINVAL, bad_files);
  git_request_t request = {.path = path,
                           .files = *files,
                           .staged = opts->staged,
                           .worktree = opts->worktree,
                           .source = opts->source};
  return git_run(self, &request, opts->timeout_ms, on_empty);
}

static const daytona__endpoint_t remote_add_endpoint =
  GIT("POST", "remotes", "add remote", .request = &remote_add_model);

daytona_future_t *daytona_git_remote_add(daytona_sandbox_t *sandbox, const char *path, const char *name,
                                         const char *url, const daytona_git_remote_add_opts_t *opts) {
  static const daytona_git_remote_add_opts_t defaults;
  daytona_future_t *future;
  if (opts == NULL) opts = &defaults;
  git_op_t *self = git_new(sandbox, &remote_add_endpoint,
                           REQUIRED("path", AS_GIVEN(path), "name", AS_GIVEN(name), "url", AS_GIVEN(url)),
                           DAYTONA__RESERVED_OK(opts), &future);
  if (self == NULL) return future;
  daytona__secrets_add_url(&self->secrets, &future->arena, url);
  git_request_t request = {
    .path = path, .name = name, .url = url, .fetches = opts->fetches, .overwrites = opts->overwrites};
  return git_run(self, &request, opts->timeout_ms, on_empty);
}

/* --- settings ---------------------------------------------------------------------------------- */

static const char *scope_of(const daytona_git_config_opts_t *opts) {
  return opts->scope != NULL ? opts->scope : "global";
}

/* What is wrong with the place of a setting, or NULL. */
static const char *scope_problem(const daytona_git_config_opts_t *opts) {
  const char *scope = scope_of(opts);
  bool is_local = strcmp(scope, "local") == 0;
  if (!is_local && strcmp(scope, "global") != 0 && strcmp(scope, "system") != 0)
    return "scope must be global, local or system";
  if (is_local && (opts->path == NULL || opts->path[0] == '\0')) return "path is required for local";
  return NULL;
}

static const daytona_git_config_opts_t default_config_opts;

static git_op_t *config_new(daytona_sandbox_t *sandbox, const daytona__endpoint_t *endpoint,
                            const char *const *required, const daytona_git_config_opts_t *opts,
                            daytona_future_t **future) {
  git_op_t *self = git_new(sandbox, endpoint, required, DAYTONA__RESERVED_OK(opts), future);
  const char *problem = scope_problem(opts);
  if (self == NULL || problem == NULL) return self;
  daytona__op_reject(&self->op, DAYTONA_EINVAL, "%s", problem);
  return NULL;
}

static const daytona__endpoint_t set_config_endpoint =
  GIT("POST", "config", "set config", .request = &set_config_model);

daytona_future_t *daytona_git_set_config(daytona_sandbox_t *sandbox, const char *key, const char *value,
                                         const daytona_git_config_opts_t *opts) {
  daytona_future_t *future;
  if (opts == NULL) opts = &default_config_opts;
  git_op_t *self = config_new(sandbox, &set_config_endpoint, REQUIRED("key", AS_GIVEN(key)), opts, &future);
  if (self == NULL) return future;
  if (value != NULL && strlen(value) >= SECRET_SETTING_MIN) /* may be a header or a helper with a token */
    daytona__secrets_add(&self->secrets, &future->arena, value);
  git_request_t request = {.key = key, .value = value, .scope = scope_of(opts), .path = opts->path};
  return git_run(self, &request, opts->timeout_ms, on_empty);
}

static const daytona__endpoint_t get_config_endpoint =
  GIT("GET", "config", "get config", .response = &value_model);

daytona_future_t *daytona_git_get_config(daytona_sandbox_t *sandbox, const char *key,
                                         const daytona_git_config_opts_t *opts) {
  daytona_future_t *future;
  if (opts == NULL) opts = &default_config_opts;
  git_op_t *self = config_new(sandbox, &get_config_endpoint, REQUIRED("key", AS_GIVEN(key)), opts, &future);
  if (self == NULL) return future;
  daytona__op_path(&self->op, NULL, NULL, NULL);
  daytona__url_query(&self->op.url, "key", key);
  daytona__url_query(&self->op.url, "scope", scope_of(opts));
  daytona__url_query(&self->op.url, "path", opts->path);
  return git_run(self, NULL, opts->timeout_ms, on_text);
}

static const daytona__endpoint_t user_endpoint =
  GIT("POST", "config/user", "configure user", .request = &user_model);

daytona_future_t *daytona_git_configure_user(daytona_sandbox_t *sandbox, const char *name, const char *email,
                                             const daytona_git_config_opts_t *opts) {
  daytona_future_t *future;
  if (opts == NULL) opts = &default_config_opts;
  git_op_t *self = config_new(sandbox, &user_endpoint,
                              REQUIRED("name", AS_GIVEN(name), "email", AS_GIVEN(email)), opts, &future);
  if (self == NULL) return future;
  git_request_t request = {.name = name, .email = email, .scope = scope_of(opts), .path = opts->path};
  return git_run(self, &request, opts->timeout_ms, on_empty);
}

static const daytona__endpoint_t authenticate_endpoint =
  GIT("POST", "credentials", "authenticate", .request = &authenticate_model);

daytona_future_t *daytona_git_dangerously_authenticate(
  daytona_sandbox_t *sandbox, const char *username, const char *password,
  const daytona_git_dangerously_authenticate_opts_t *opts) {
  static const daytona_git_dangerously_authenticate_opts_t defaults;
  daytona_future_t *future;
  if (opts == NULL) opts = &defaults;
  git_op_t *self = git_new(sandbox, &authenticate_endpoint,
                           REQUIRED("username", AS_GIVEN(username), "password", AS_GIVEN(password)),
                           DAYTONA__RESERVED_OK(opts), &future);
  if (self == NULL) return future;
  git_request_t request = {
    .username = username, .password = password, .host = opts->host, .protocol = opts->protocol};
  daytona__secrets_add_login(&self->secrets, &future->arena, username, password);
  return git_run(self, &request, opts->timeout_ms, on_empty);
}
