/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of the git noun share: one request as a chain of runs of the git program.
 *
 * A handler makes a dl_git_t and starts a command with a step; the step looks at the result and starts
 * the next command or answers. Exactly one of dl_git_reply, dl_git_fail and dl_git_fail_as ends it
 * and frees it. No shell is ever involved, nothing secret is ever in an argument, and every text
 * that leaves passes the redactor (error.c).
 */
#ifndef DL_GIT_H
#define DL_GIT_H

#include "base/jsonx.h"
#include "http/http.h"
#include "toolbox/core/run.h"

#define DL_GIT_SECRETS_MAX 4
/* Seconds for work on the disk, and for what talks to a remote. */
#define DL_GIT_LOCAL_S 900
#define DL_GIT_NETWORK_S 3600

typedef struct dl_git dl_git_t;
typedef void (*dl_git_step_fn)(dl_git_t *g, const dl_run_result_t *result);

struct dl_git {
  dl_toolbox_t *tb;
  dl_req_t *req;
  json_t *body; /* or NULL; texts below that come from it are borrowed */
  char *path;   /* of the repository, absolute */
  dl_environ_t environment;
  unsigned setting_count;
  uint32_t timeout_s;
  dl_git_step_fn step;
  char *secrets[DL_GIT_SECRETS_MAX];
  size_t secret_count;
  /* What a chain of several commands remembers. */
  const char *name, *remote, *url, *target, *username, *password;
  char *plain_url, *branch, *hash;
  bool flag, is_push, is_clone, is_overwrite, is_new_folder;
  uint32_t depth;
};

/* --- one request (run.c) --- */

/* `body` is taken; `path` relative to the work directory. */
dl_git_t *dl_git_new(dl_toolbox_t *tb, dl_req_t *req, json_t *body, const char *path);
/* A setting for the git programs of this request; it travels in the environment, not in an argument. */
void dl_git_set(dl_git_t *g, const char *key, const char *value);
/* Texts that no response may show. NULL and "" are ignored. Copied, wiped at the end. */
void dl_git_keep_secret(dl_git_t *g, const char *text);
/* Name and password for the host of `url` and for nothing else. */
void dl_git_use_credentials(dl_git_t *g, const char *url, const char *username, const char *password);

/* Runs git in the repository; `cwd` NULL: there. `args` ends with NULL and lacks the program's name. */
void dl_git_exec(dl_git_t *g, const char *cwd, dl_git_step_fn step, const char *input, size_t input_len,
                 const char *const *args);
#define DL_GIT_RUN(g, step, ...) dl_git_exec(g, NULL, step, NULL, 0, (const char *const[]){__VA_ARGS__, NULL})
#define DL_GIT_RUN_IN(g, cwd, step, ...) \
  dl_git_exec(g, cwd, step, NULL, 0, (const char *const[]){__VA_ARGS__, NULL})

/* The same for a program that is not git. */
void dl_git_exec_program(dl_git_t *g, const char *name, const char *cwd, dl_git_step_fn step,
                         const char *input, size_t input_len, const char *const *args);

/* The exit code; a start that failed, a signal and a timeout count as -1. */
int dl_git_exit_code(const dl_run_result_t *result);
/* True when git ended with 0; otherwise the request is answered and over. */
bool dl_git_ok(dl_git_t *g, const dl_run_result_t *result);
/* The same for commands that say "no" with 1; *yes says which. */
bool dl_git_answered(dl_git_t *g, const dl_run_result_t *result, bool *yes);

/* A step that ends the request with an empty 200, and one with 201. */
void dl_git_done(dl_git_t *g, const dl_run_result_t *result);
void dl_git_created(dl_git_t *g, const dl_run_result_t *result);

/* The request was answered by somebody else: only free it. */
void dl_git_drop(dl_git_t *g);
/* `value` NULL: an empty response; taken otherwise. */
void dl_git_reply(dl_git_t *g, int status, json_t *value);
/* What git said, as the typed error that it means. */
void dl_git_fail(dl_git_t *g, const dl_run_result_t *result);
/* `code` NULL: that of the status. */
void dl_git_fail_as(dl_git_t *g, int status, const char *code, const char *fmt, ...) DL_PRINTF(4, 5);

/* --- texts (error.c) --- */

typedef struct {
  int status;
  const char *code; /* NULL: that of the status */
} dl_git_error_t;

/* What the output of a failed git means. */
dl_git_error_t dl_git_classify(const char *text);
/* The words of git without its prefixes and hints, in one line. Yours to free. */
char *dl_git_summary(const char *text);
/* The text without the user information of URLs and without the given secrets. Yours to free. */
char *dl_git_blot(const char *text, char *const *secrets, size_t count);

/* --- URLs (url.c) --- */

/* The URL without user information, yours to free; the parts of that, decoded, or NULL. */
typedef struct {
  char *plain, *username, *password;
  bool had_user;
} dl_git_url_t;
dl_git_url_t dl_git_url_split(const char *url);
void dl_git_url_clear(dl_git_url_t *u);
/* "https://host:port/" of a http(s) URL, yours to free; NULL for any other. */
char *dl_git_url_base(const char *url);

/* --- requests, one handler per endpoint (a file per family) --- */

typedef void dl_git_handler_fn(dl_toolbox_t *tb, dl_req_t *req, json_t *body);
/* `body` is taken. */
dl_git_handler_fn dl_git_add, dl_git_commit, dl_git_checkout, dl_git_branch_create, dl_git_branch_delete,
  dl_git_reset, dl_git_restore, dl_git_init, dl_git_clone, dl_git_push, dl_git_pull, dl_git_remote_add,
  dl_git_config_set, dl_git_config_user, dl_git_credentials;

typedef void dl_git_query_fn(dl_toolbox_t *tb, dl_req_t *req);
dl_git_query_fn dl_git_status, dl_git_branches, dl_git_history, dl_git_remotes, dl_git_config_get;

/* A full hash of a commit. */
bool dl_git_is_hash(const char *text);
/* From now on git may talk to `url`: with the credentials of the body or else of the URL. */
void dl_git_prepare_url(dl_git_t *g, const char *url);
/* Stores g->url for g->remote, which has g->plain_url by now, and ends the request. */
void dl_git_store_url(dl_git_t *g);

/* The query parameter `path`, or NULL and the request was answered. */
const char *dl_git_query_path(dl_req_t *req);
/* Names of branches, remotes and revisions that git would take for options. Answers when it is one. */
bool dl_git_name_ok(dl_req_t *req, const char *what, const char *name);

#endif
