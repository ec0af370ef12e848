/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The routes of /git. Requests with a body wait for the network of the sandbox, since most of them
 * may talk to a remote; questions about a repository do not.
 */
#include "toolbox/git/internal.h"

#include "base/jsonx.h"
#include "http/http.h"
#include "toolbox/core/fields.h"
#include "toolbox/core/gate.h"
#include "toolbox/core/reply.h"
#include "toolbox/git/git.h"

#include <ctype.h>
#include <string.h>

#define HASH_LEN 40

/* git would take these for options, or for what was checked out before. */
bool dl_git_name_ok(dl_req_t *req, const char *what, const char *name) {
  if (name == NULL || (name[0] != '-' && !dl_starts_with(name, "@{"))) return true;
  dl_tb_reply_error(req, 400, "invalid %s: must not begin with '-' or '@{'", what);
  return false;
}

bool dl_git_is_hash(const char *text) {
  size_t len = 0;
  while (isxdigit((unsigned char)text[len])) len++;
  return len == HASH_LEN && text[len] == '\0';
}

const char *dl_git_query_path(dl_req_t *req) {
  const char *path = dl_query_get(dl_req_query(req), "path");
  if (path != NULL && *path != '\0') return path;
  dl_tb_reply_error(req, 400, "path is required");
  return NULL;
}

/* One pair of functions per endpoint: the router knows plain handlers, the body comes later. */
#define WITH_BODY(name)                                                                  \
  static void body_of_##name(dl_req_t *req, const char *bytes, size_t len, void *user) { \
    json_t *body = dl_tb_body(req, bytes, len);                                          \
    if (body != NULL) dl_git_##name(user, req, body);                                    \
  }                                                                                      \
  static void on_##name(dl_req_t *req, void *user) { dl_tb_read_body_gated(user, req, body_of_##name); }
#define QUERY(name) \
  static void on_##name(dl_req_t *req, void *user) { dl_git_##name(user, req); }

WITH_BODY(add)
WITH_BODY(commit)
WITH_BODY(checkout)
WITH_BODY(branch_create)
WITH_BODY(branch_delete)
WITH_BODY(reset)
WITH_BODY(restore)
WITH_BODY(init)
WITH_BODY(clone)
WITH_BODY(push)
WITH_BODY(pull)
WITH_BODY(remote_add)
WITH_BODY(config_set)
WITH_BODY(config_user)
WITH_BODY(credentials)
QUERY(status)
QUERY(branches)
QUERY(history)
QUERY(remotes)
QUERY(config_get)

static const dl_route_t ROUTES[] = {
  {"POST", "/git/add", on_add, 0},
  {"GET", "/git/branches", on_branches, 0},
  {"POST", "/git/branches", on_branch_create, 0},
  {"DELETE", "/git/branches", on_branch_delete, 0},
  {"POST", "/git/checkout", on_checkout, 0},
  {"POST", "/git/clone", on_clone, 0},
  {"POST", "/git/commit", on_commit, 0},
  {"GET", "/git/config", on_config_get, 0},
  {"POST", "/git/config", on_config_set, 0},
  {"POST", "/git/config/user", on_config_user, 0},
  {"POST", "/git/credentials", on_credentials, 0},
  {"GET", "/git/history", on_history, 0},
  {"POST", "/git/init", on_init, 0},
  {"POST", "/git/pull", on_pull, 0},
  {"POST", "/git/push", on_push, 0},
  {"GET", "/git/remotes", on_remotes, 0},
  {"POST", "/git/remotes", on_remote_add, 0},
  {"POST", "/git/reset", on_reset, 0},
  {"POST", "/git/restore", on_restore, 0},
  {"GET", "/git/status", on_status, 0},
};
const dl_route_table_t DL_TB_GIT_ROUTES = {ROUTES, DL_COUNT(ROUTES)};
