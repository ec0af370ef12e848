/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Git repositories in a sandbox.
 *
 * `path` is the folder of the repository in the sandbox; relative paths start at the work folder.
 *
 * Unless a function says otherwise:
 *   Settles without a value. Fails with the git codes of <daytona/error.h> (DAYTONA_EGIT_AUTH_FAILED and
 *   so on) or their parents from older servers, which may send a status only; with DAYTONA_EINVAL for an
 *   argument that is missing or not allowed, before anything is sent; DAYTONA_EPROTOCOL for a malformed
 *   response; DAYTONA_ENOMEM; and the errors of every request (connection, authentication, time limits).
 *   Arguments: strings, lists and option structs are copied; the sandbox is retained until the future settles.
 *   Strings are required unless marked Optional, and are UTF-8. Options may be NULL: all defaults.
 *   Results belong to the future and are freed with its last reference; an accessor
 *   returns NULL for a future that is pending, has failed, or is of another call.
 *   Thread: loop.  In callbacks: yes.  After close: fails with DAYTONA_ECLOSED.
 *   Cancel: stops waiting; the server may still complete the request.
 *   Retry: only requests that cannot have reached the sandbox are retried; of others, only GET and DELETE.
 *   Time: milliseconds. `timeout_ms` bounds the call. Default: none, because clones may take long.
 *
 * Secrets: user names, passwords, URLs with them, and values of settings are not logged, are redacted
 * from errors (message, body and headers; in plain, escaped, percent-encoded and base64 form), and
 * are wiped from memory when the future is freed. User names under four bytes and settings under
 * eight are not redacted from errors, because they would match parts of ordinary words.
 *
 * Protocol: toolbox, /git.
 */
#ifndef DAYTONA_GIT_H
#define DAYTONA_GIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <daytona/export.h>
#include <daytona/future.h>
#include <daytona/sandbox.h>
#include <daytona/types.h>

DAYTONA_BEGIN

/** Credentials to push, pull or clone. Both or none, else DAYTONA_EINVAL; HTTP(S) remotes only.
    They are not stored in the repository, but credentials within a URL are, as git does. */
typedef struct daytona_git_credentials {
  const char *username;
  const char *password; /**< or a token */
  uint64_t reserved[8]; /**< Must be zero. */
} daytona_git_credentials_t;

typedef struct daytona_git_clone_opts {
  const char *branch;    /**< Optional. Default: the remote's. */
  const char *commit_id; /**< Optional. Check this commit out after cloning; HEAD is detached then. */
  daytona_git_credentials_t credentials; /**< Optional. */
  bool insecure_skip_tls;                /**< Accept any certificate of the remote. */
  daytona_opt_int_t depth;               /**< Optional. Limit the history to this many commits, at least 1. */
  int64_t timeout_ms;                    /**< Optional. Default: none. */
  uint64_t reserved[8];                  /**< Must be zero. */
} daytona_git_clone_opts_t;

/** Clone `url` into the folder `path`, which must be new or empty, else
    DAYTONA_ECONFLICT. DAYTONA_EGIT_REPO_NOT_FOUND also for a repository without
    a commit, DAYTONA_EGIT_BRANCH_NOT_FOUND also for an unknown commit. */
DAYTONA_API daytona_future_t *daytona_git_clone(daytona_sandbox_t *sandbox, const char *url, const char *path,
                                                const daytona_git_clone_opts_t *opts);

/** Stage files. @param files  Required, at least one, none NULL; relative to the repository; "." means all. */
DAYTONA_API daytona_future_t *daytona_git_add(daytona_sandbox_t *sandbox, const char *path,
                                              const daytona_strings_t *files,
                                              const daytona_call_opts_t *opts);

typedef struct daytona_git_commit_opts {
  bool allow_empty;     /**< Commit also when nothing is staged. */
  int64_t timeout_ms;   /**< Optional. Default: none. */
  uint64_t reserved[8]; /**< Must be zero. */
} daytona_git_commit_opts_t;

/** Commit what is staged. Settles with daytona_future_string(): the hash, 40
    hexadecimal digits. Fails if nothing is staged, unless `allow_empty`. */
DAYTONA_API daytona_future_t *daytona_git_commit(daytona_sandbox_t *sandbox, const char *path,
                                                 const char *message, const char *author, const char *email,
                                                 const daytona_git_commit_opts_t *opts);

typedef struct daytona_git_remote_opts {
  daytona_git_credentials_t credentials; /**< Optional. */
  const char *remote;                    /**< Optional. Default: origin. */
  const char *branch;                    /**< Optional. Default: the current branch. */
  bool set_upstream;                     /**< push: make the remote branch the upstream. */
  int64_t timeout_ms;                    /**< Optional. Default: none. */
  uint64_t reserved[8];                  /**< Must be zero. */
} daytona_git_remote_opts_t;

/** Push the branch. A detached HEAD is DAYTONA_EINVAL; DAYTONA_EGIT_PUSH_REJECTED when the
    remote has newer commits; DAYTONA_EGIT_REMOTE_REJECTED when its hooks refuse the push. */
DAYTONA_API daytona_future_t *daytona_git_push(daytona_sandbox_t *sandbox, const char *path,
                                               const daytona_git_remote_opts_t *opts);

/** Pull, fast-forward only. Otherwise DAYTONA_EGIT_MERGE_CONFLICT or DAYTONA_EGIT_DIRTY_WORKTREE. */
DAYTONA_API daytona_future_t *daytona_git_pull(daytona_sandbox_t *sandbox, const char *path,
                                               const daytona_git_remote_opts_t *opts);

/** One changed file. The values are the server's: Unmodified, Untracked, Modified, Added, Deleted, Renamed, Copied,
    `Updated but unmerged`. */
typedef struct daytona_git_file_status {
  const char *name; /**< relative to the repository */
  const char *staging;
  const char *worktree;
  const char *extra; /**< the old name of a renamed file, or "" */
} daytona_git_file_status_t;

typedef struct daytona_git_status {
  const char *current_branch; /**< "HEAD" when detached */
  const daytona_git_file_status_t *const *files;
  size_t file_count;
  int64_t ahead, behind; /**< commits, against the upstream branch */
  bool is_published;     /**< there is an upstream branch */
  bool is_detached;
  const char *upstream; /**< its name, or NULL */
} daytona_git_status_t;

/** Get the changes. Settles with daytona_future_git_status(). */
DAYTONA_API daytona_future_t *daytona_git_get_status(daytona_sandbox_t *sandbox, const char *path,
                                                     const daytona_call_opts_t *opts);
/** The status of a future of daytona_git_get_status(), or NULL. Borrowed from the future. */
DAYTONA_API const daytona_git_status_t *daytona_future_git_status(const daytona_future_t *future);

typedef struct daytona_git_branches {
  daytona_strings_t names; /**< local branches */
  const char *current;     /**< NULL when detached or from older servers */
} daytona_git_branches_t;

/** List the local branches. Settles with daytona_future_git_branches(). */
DAYTONA_API daytona_future_t *daytona_git_list_branches(daytona_sandbox_t *sandbox, const char *path,
                                                        const daytona_call_opts_t *opts);
/** The branches of a future of daytona_git_list_branches(), or NULL. Borrowed from the future. */
DAYTONA_API const daytona_git_branches_t *daytona_future_git_branches(const daytona_future_t *future);

/** Create a branch from HEAD and check it out. DAYTONA_EGIT_BRANCH_EXISTS if it exists. */
DAYTONA_API daytona_future_t *daytona_git_create_branch(daytona_sandbox_t *sandbox, const char *path,
                                                        const char *name, const daytona_call_opts_t *opts);
/** Check out a branch or a full commit hash. DAYTONA_EGIT_BRANCH_NOT_FOUND if it does not exist;
    DAYTONA_EGIT_DIRTY_WORKTREE when local changes would be lost; nothing is changed then. */
DAYTONA_API daytona_future_t *daytona_git_checkout_branch(daytona_sandbox_t *sandbox, const char *path,
                                                          const char *branch,
                                                          const daytona_call_opts_t *opts);
/** Delete a local branch, even if it is not merged. The current branch is DAYTONA_ECONFLICT. */
DAYTONA_API daytona_future_t *daytona_git_delete_branch(daytona_sandbox_t *sandbox, const char *path,
                                                        const char *name, const daytona_call_opts_t *opts);

typedef struct daytona_git_init_opts {
  bool is_bare;
  const char *initial_branch; /**< Optional. Default: git's. */
  int64_t timeout_ms;         /**< Optional. Default: none. */
  uint64_t reserved[8];       /**< Must be zero. */
} daytona_git_init_opts_t;

/** Make a repository and its folder. DAYTONA_ECONFLICT if a repository exists. */
DAYTONA_API daytona_future_t *daytona_git_init(daytona_sandbox_t *sandbox, const char *path,
                                               const daytona_git_init_opts_t *opts);

typedef struct daytona_git_reset_opts {
  const char *mode;        /**< Optional. soft, mixed (default), hard, merge, keep. */
  const char *target;      /**< Optional. Default: HEAD. */
  daytona_strings_t files; /**< Optional. Unstage only these. */
  int64_t timeout_ms;      /**< Optional. Default: none. */
  uint64_t reserved[8];    /**< Must be zero. */
} daytona_git_reset_opts_t;

/** Move HEAD or unstage files. Another `mode` is DAYTONA_EINVAL, an unknown `target` DAYTONA_EGIT_BRANCH_NOT_FOUND.
    */
DAYTONA_API daytona_future_t *daytona_git_reset(daytona_sandbox_t *sandbox, const char *path,
                                                const daytona_git_reset_opts_t *opts);

typedef struct daytona_git_restore_opts {
  daytona_opt_bool_t staged;   /**< Optional. Default: false, unless worktree is false. */
  daytona_opt_bool_t worktree; /**< Optional. Default: true, unless staged is true. */
  const char *source;          /**< Optional. Default: the index, or HEAD for staged. */
  int64_t timeout_ms;          /**< Optional. Default: none. */
  uint64_t reserved[8];        /**< Must be zero. */
} daytona_git_restore_opts_t;

/** Restore files from `source`. @param files  Required, at least one, none NULL. */
DAYTONA_API daytona_future_t *daytona_git_restore(daytona_sandbox_t *sandbox, const char *path,
                                                  const daytona_strings_t *files,
                                                  const daytona_git_restore_opts_t *opts);

typedef struct daytona_git_remote_add_opts {
  bool fetches;         /**< Fetch from it at once. */
  bool overwrites;      /**< Replace a remote of that name. */
  int64_t timeout_ms;   /**< Optional. Default: none. */
  uint64_t reserved[8]; /**< Must be zero. */
} daytona_git_remote_add_opts_t;

/** Add a remote. DAYTONA_ECONFLICT if the name is taken, unless `overwrites`. */
DAYTONA_API daytona_future_t *daytona_git_remote_add(daytona_sandbox_t *sandbox, const char *path,
                                                     const char *name, const char *url,
                                                     const daytona_git_remote_add_opts_t *opts);

/** List the remotes: names and URLs, passwords removed. Settles with daytona_future_map(). */
DAYTONA_API daytona_future_t *daytona_git_list_remotes(daytona_sandbox_t *sandbox, const char *path,
                                                       const daytona_call_opts_t *opts);

/** Get the URL of a remote. Settles with daytona_future_string(); daytona_future_is_absent() if there is none. */
DAYTONA_API daytona_future_t *daytona_git_remote_get(daytona_sandbox_t *sandbox, const char *path,
                                                     const char *name, const daytona_call_opts_t *opts);

/** Where a setting is stored. */
typedef struct daytona_git_config_opts {
  const char *scope;    /**< Optional. global (default), local, system. */
  const char *path;     /**< Required for local: the repository. */
  int64_t timeout_ms;   /**< Optional. Default: none. */
  uint64_t reserved[8]; /**< Must be zero. */
} daytona_git_config_opts_t;

/** Change a setting. @param value  Optional. NULL and "" set the empty value. */
DAYTONA_API daytona_future_t *daytona_git_set_config(daytona_sandbox_t *sandbox, const char *key,
                                                     const char *value,
                                                     const daytona_git_config_opts_t *opts);
/** Read a setting. Settles with daytona_future_string(); daytona_future_is_absent() if it is not set. */
DAYTONA_API daytona_future_t *daytona_git_get_config(daytona_sandbox_t *sandbox, const char *key,
                                                     const daytona_git_config_opts_t *opts);
/** Set user.name and user.email. */
DAYTONA_API daytona_future_t *daytona_git_configure_user(daytona_sandbox_t *sandbox, const char *name,
                                                         const char *email,
                                                         const daytona_git_config_opts_t *opts);

typedef struct daytona_git_dangerously_authenticate_opts {
  const char *host;     /**< Optional. Server default: github.com. */
  const char *protocol; /**< Optional. Server default: https. */
  int64_t timeout_ms;   /**< Optional. Default: none. */
  uint64_t reserved[8]; /**< Must be zero. */
} daytona_git_dangerously_authenticate_opts_t;

/** Store a password for git in the sandbox, in plain text, readable by every process there. */
DAYTONA_API daytona_future_t *daytona_git_dangerously_authenticate(
  daytona_sandbox_t *sandbox, const char *username, const char *password,
  const daytona_git_dangerously_authenticate_opts_t *opts);

DAYTONA_END

#endif
