/*
 * Git repositories in a sandbox.
 *
 * `path` is the folder of the repository in the sandbox; relative paths start at the work folder.
 *
 * Unless a function says otherwise:
 *   Settles without a value. Fails with the git codes of <daytona/error.h> (DAYTONA_EGIT_AUTH_FAILED and so on) or
 *   their parents from older servers, which may send nothing but a status; DAYTONA_EINVAL for an argument that is
 *   missing or not allowed, before anything is sent; DAYTONA_EPROTOCOL for an answer that is none; DAYTONA_ENOMEM;
 *   and the errors of every request.
 *   Arguments: strings, lists and option structs are copied; the sandbox is retained until the future settles.
 *   Strings are required unless marked, and are UTF-8. Options may be NULL, which stands for all defaults.
 *   Results belong to the future and go with its last reference; an accessor is NULL for a future that is pending,
 *   has failed, or is of another call.
 *   Thread: loop.  In callbacks: yes.  After close: fails with DAYTONA_ECLOSED.
 *   Cancel: ends the waiting; what the server has begun it finishes.
 *   Retry: only requests that cannot have reached the sandbox are repeated; of others, only GET and DELETE.
 *   Time: milliseconds. `timeout_ms` bounds the request; the default is none, because clones may be long.
 *
 * Secrets: user names, passwords, URLs with them, and values of settings are kept out of log lines, are blotted out
 * of whatever an error repeats (its message, body, headers; as they are, escaped, percent-encoded, in base64), and
 * are wiped from memory when the future goes. User names under four bytes and settings under eight are left in errors:
 * they would be in every word.
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

/** Who pushes, pulls or clones. Both or none, or DAYTONA_EINVAL; HTTP(S) remotes only. Not stored in the
    repository; what stands in a URL is, as git does it. */
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
  daytona_opt_int_t depth;               /**< Optional. So many commits only; at least 1. */
  int64_t timeout_ms;                    /**< Optional. Default: none. */
  uint64_t reserved[8];                  /**< Must be zero. */
} daytona_git_clone_opts_t;

/** Clone `url` into the folder `path`, which is new or empty: otherwise DAYTONA_ECONFLICT.
    DAYTONA_EGIT_REPO_NOT_FOUND also for a repository without a commit, DAYTONA_EGIT_BRANCH_NOT_FOUND also for an
    unknown commit. */
DAYTONA_API daytona_future_t *daytona_git_clone(daytona_sandbox_t *sandbox, const char *url, const char *path,
                                                const daytona_git_clone_opts_t *opts);

/** Stage files. @param files  Required, at least one, none NULL; relative to the repository; "." stands for all. */
DAYTONA_API daytona_future_t *daytona_git_add(daytona_sandbox_t *sandbox, const char *path,
                                              const daytona_strings_t *files,
                                              const daytona_call_opts_t *opts);

typedef struct daytona_git_commit_opts {
  bool allow_empty;     /**< Commit also when nothing is staged. */
  int64_t timeout_ms;   /**< Optional. Default: none. */
  uint64_t reserved[8]; /**< Must be zero. */
} daytona_git_commit_opts_t;

/** Commit what is staged. Settles with daytona_future_string(): the hash, 40 hexadecimal digits. With nothing
    staged it is an error unless `allow_empty`. */
DAYTONA_API daytona_future_t *daytona_git_commit(daytona_sandbox_t *sandbox, const char *path,
                                                 const char *message, const char *author, const char *email,
                                                 const daytona_git_commit_opts_t *opts);

typedef struct daytona_git_remote_opts {
  daytona_git_credentials_t credentials; /**< Optional. */
  const char *remote;                    /**< Optional. Default: origin. */
  const char *branch;                    /**< Optional. Default: the current one. */
  bool set_upstream;                     /**< push: remember the remote branch. */
  int64_t timeout_ms;                    /**< Optional. Default: none. */
  uint64_t reserved[8];                  /**< Must be zero. */
} daytona_git_remote_opts_t;

/** Push the branch; with a detached HEAD DAYTONA_EINVAL. DAYTONA_EGIT_PUSH_REJECTED when the remote has moved on,
    DAYTONA_EGIT_REMOTE_REJECTED for its hooks. */
DAYTONA_API daytona_future_t *daytona_git_push(daytona_sandbox_t *sandbox, const char *path,
                                               const daytona_git_remote_opts_t *opts);

/** Pull, fast-forward only. DAYTONA_EGIT_MERGE_CONFLICT or DAYTONA_EGIT_DIRTY_WORKTREE when that cannot be. */
DAYTONA_API daytona_future_t *daytona_git_pull(daytona_sandbox_t *sandbox, const char *path,
                                               const daytona_git_remote_opts_t *opts);

/** One changed file. The words are the server's: Unmodified, Untracked, Modified, Added, Deleted, Renamed, Copied,
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

/** What has changed. Settles with daytona_future_git_status(). */
DAYTONA_API daytona_future_t *daytona_git_get_status(daytona_sandbox_t *sandbox, const char *path,
                                                     const daytona_call_opts_t *opts);
/** The status of a future of daytona_git_get_status(), or NULL. Borrowed from the future. */
DAYTONA_API const daytona_git_status_t *daytona_future_git_status(const daytona_future_t *future);

typedef struct daytona_git_branches {
  daytona_strings_t names; /**< local branches */
  const char *current;     /**< NULL when detached or from older servers */
} daytona_git_branches_t;

/** The local branches. Settles with daytona_future_git_branches(). */
DAYTONA_API daytona_future_t *daytona_git_list_branches(daytona_sandbox_t *sandbox, const char *path,
                                                        const daytona_call_opts_t *opts);
/** The branches of a future of daytona_git_list_branches(), or NULL. Borrowed from the future. */
DAYTONA_API const daytona_git_branches_t *daytona_future_git_branches(const daytona_future_t *future);

/** Create a branch from HEAD and check it out. DAYTONA_EGIT_BRANCH_EXISTS if there is one. */
DAYTONA_API daytona_future_t *daytona_git_create_branch(daytona_sandbox_t *sandbox, const char *path,
                                                        const char *name, const daytona_call_opts_t *opts);
/** Check a branch or a full commit hash out. DAYTONA_EGIT_BRANCH_NOT_FOUND; DAYTONA_EGIT_DIRTY_WORKTREE when local
    changes would be lost, and nothing is changed then. */
DAYTONA_API daytona_future_t *daytona_git_checkout_branch(daytona_sandbox_t *sandbox, const char *path,
                                                          const char *branch,
                                                          const daytona_call_opts_t *opts);
/** Delete a local branch, also one that is not merged. The current one is DAYTONA_ECONFLICT. */
DAYTONA_API daytona_future_t *daytona_git_delete_branch(daytona_sandbox_t *sandbox, const char *path,
                                                        const char *name, const daytona_call_opts_t *opts);

typedef struct daytona_git_init_opts {
  bool is_bare;
  const char *initial_branch; /**< Optional. Default: git's. */
  int64_t timeout_ms;         /**< Optional. Default: none. */
  uint64_t reserved[8];       /**< Must be zero. */
} daytona_git_init_opts_t;

/** Make a repository and its folder. DAYTONA_ECONFLICT if there is one. */
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
  daytona_opt_bool_t staged;   /**< Optional. Default: not, unless worktree is false. */
  daytona_opt_bool_t worktree; /**< Optional. Default: yes, unless staged is true. */
  const char *source;          /**< Optional. Default: the index, or HEAD for staged. */
  int64_t timeout_ms;          /**< Optional. Default: none. */
  uint64_t reserved[8];        /**< Must be zero. */
} daytona_git_restore_opts_t;

/** Take files back. @param files  Required, at least one, none NULL. */
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

/** The remotes: names and URLs, passwords removed. Settles with daytona_future_map(). */
DAYTONA_API daytona_future_t *daytona_git_list_remotes(daytona_sandbox_t *sandbox, const char *path,
                                                       const daytona_call_opts_t *opts);

/** The URL of one remote. Settles with daytona_future_string(); daytona_future_is_absent() if there is no such remote. */
DAYTONA_API daytona_future_t *daytona_git_remote_get(daytona_sandbox_t *sandbox, const char *path,
                                                     const char *name, const daytona_call_opts_t *opts);

/** Where a setting lives. */
typedef struct daytona_git_config_opts {
  const char *scope;    /**< Optional. global (default), local, system. */
  const char *path;     /**< Required for local: the repository. */
  int64_t timeout_ms;   /**< Optional. Default: none. */
  uint64_t reserved[8]; /**< Must be zero. */
} daytona_git_config_opts_t;

/** Change a setting. @param value  Optional. NULL and "" set it to nothing. */
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

/** Store a password for git in the sandbox, in plain text, readable by everything that runs there. */
DAYTONA_API daytona_future_t *daytona_git_dangerously_authenticate(
  daytona_sandbox_t *sandbox, const char *username, const char *password,
  const daytona_git_dangerously_authenticate_opts_t *opts);

DAYTONA_END

#endif
