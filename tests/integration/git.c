/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Git against daytona-local: every call, and every typed error, with repositories that the tests make in the
 * sandbox, reached as files and over HTTP.
 */
#include <stdio.h>
#include <string.h>

#include "support/check.h"
#include "support/session.h"

/* One sandbox serves the tests of this file; each works in a folder of its own. */
static session_t shared;
static daytona_sandbox_t *sandbox;

/* git http-backend behind basic auth; its port goes to a file. */
static const char web_server[] =
  "mkdir -p /tmp/web && cat > /tmp/web.py <<'END'\n"
  "import base64, http.server, os, subprocess\n"
  "KEY = 'Basic ' + base64.b64encode(b'ann:top-secret').decode()\n"
  "class Handler(http.server.BaseHTTPRequestHandler):\n"
  "    def serve(self):\n"
  "        path, _, query = self.path.partition('?')\n"
  "        body = self.rfile.read(int(self.headers.get('Content-Length', 0)))\n"
  "        with open('/tmp/web/seen', 'ab') as seen:\n" /* the command lines while somebody asks */
  "            for pid in filter(str.isdigit, os.listdir('/proc')):\n"
  "                try: seen.write(open('/proc/' + pid + '/cmdline', 'rb').read().replace(b'\\0', b' ') + "
  "b'\\n')\n"
  "                except OSError: pass\n"
  "        if self.headers.get('Authorization') != KEY:\n"
  "            self.send_response(401)\n"
  "            self.send_header('WWW-Authenticate', 'Basic realm=\"git\"')\n"
  "            self.end_headers()\n"
  "            return\n"
  "        env = dict(os.environ, GIT_PROJECT_ROOT='/tmp/web', GIT_HTTP_EXPORT_ALL='1', PATH_INFO=path,\n"
  "                   QUERY_STRING=query, REQUEST_METHOD=self.command, REMOTE_USER='ann', "
  "REMOTE_ADDR='::1',\n"
  "                   CONTENT_TYPE=self.headers.get('Content-Type', ''), CONTENT_LENGTH=str(len(body)),\n"
  "                   HTTP_CONTENT_ENCODING=self.headers.get('Content-Encoding', ''))\n"
  "        out = subprocess.run(['git', 'http-backend'], input=body, env=env, "
  "stdout=subprocess.PIPE).stdout\n"
  "        head, _, content = out.partition(b'\\r\\n\\r\\n')\n"
  "        lines = [line.split(': ', 1) for line in head.decode().split('\\r\\n')]\n"
  "        self.send_response(int(dict(lines).get('Status', '200').split()[0]))\n"
  "        for name, value in lines:\n"
  "            if name != 'Status': self.send_header(name, value)\n"
  "        self.end_headers()\n"
  "        self.wfile.write(content)\n"
  "    do_GET = do_POST = serve\n"
  "    def log_message(self, *args): pass\n"
  "server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)\n"
  "open('/tmp/port', 'w').write(str(server.server_port))\n"
  "if os.fork() == 0:\n"
  "    os.setsid()\n"
  "    for fd in (0, 1, 2): os.dup2(os.open(os.devnull, os.O_RDWR), fd)\n"
  "    server.serve_forever()\n"
  "END\n"
  "python3 /tmp/web.py";

/* Everything that the library logs, to be searched. */
static char log_text[1 << 20];
static size_t log_size;

static void on_log(daytona_log_level_t level, const char *line, void *user) {
  size_t size = strlen(line);
  if (log_size + size + 2 > sizeof log_text) return;
  memcpy(log_text + log_size, line, size);
  log_text[log_size + size] = '\n';
  log_size += size + 1;
}

static int open_shared(void **state) {
  daytona_config_t config = {.log = on_log};
  session_open(&shared, &config);
  sandbox = session_sandbox(&shared, NULL);
  api_done(daytona_git_configure_user(sandbox, "Shared", "shared@example.com", NULL));
  return 0;
}

static int close_shared(void **state) {
  session_delete(sandbox);
  session_close(&shared);
  return 0;
}

/* --- helpers ----------------------------------------------------------------------------------- */

/* Run in the shell what only prepares or checks. */
static void shell(const char *command) { session_expect(sandbox, command, 0, NULL); }

static void expect(const char *command, const char *output) { session_expect(sandbox, command, 0, output); }

/* NAME/origin.git with a commit on main and one on feature, and NAME/copy, a clone of main. */
static void make_place(const char *name) {
  char command[1024], url[64], path[64];
  daytona_git_clone_opts_t opts = {.branch = "main"};
  snprintf(command, sizeof command,
           "mkdir -p %s && cd %s && git init -q -b main seed && cd seed && echo one > a.txt && git add . && "
           "git commit -q -m first && git checkout -q -b feature && echo f > f.txt && git add . && "
           "git commit -q -m feature && git checkout -q main && git clone -q --bare . ../origin.git && "
           "git remote add origin ../origin.git",
           name, name);
  shell(command);
  snprintf(url, sizeof url, "%s/origin.git", name);
  snprintf(path, sizeof path, "%s/copy", name);
  api_done(daytona_git_clone(sandbox, url, path, &opts));
}

static void fails_exactly(daytona_future_t *future, daytona_errcode_t code, int status) {
  api_must_fail_as(future, code);
  assert_int_equal(daytona_future_code(future), code);
  assert_int_equal(daytona_future_error(future)->http_status, status);
  daytona_future_release(future);
}

static void commit_to(const char *path, const char *message) {
  daytona_git_commit_opts_t opts = {.allow_empty = true};
  api_done(daytona_git_commit(sandbox, path, message, "Ann Ä", "ann@example.com", &opts));
}

static void add(const char *path, const char *file) {
  daytona_strings_t files = {&file, 1};
  api_done(daytona_git_add(sandbox, path, &files, NULL));
}

/* --- tests ------------------------------------------------------------------------------------- */

static void clone_takes_branch_commit_and_depth(void **state) {
  make_place("clone");
  daytona_git_clone_opts_t branch = {.branch = "feature"}, depth = {.depth = daytona_int(1)};
  api_done(daytona_git_clone(sandbox, "clone/origin.git", "clone/c1", NULL));
  api_done(daytona_git_clone(sandbox, "clone/origin.git", "clone/c2", &branch));
  expect("git -C clone/c2 branch --show-current", "feature\n");
  api_done(daytona_git_clone(sandbox, "file:///home/daytona/clone/origin.git", "clone/c3", &depth));
  expect("git -C clone/c3 rev-list --count HEAD", "1\n");
  daytona_future_t *future =
    api_must(daytona_process_exec(sandbox, "git -C clone/seed rev-parse main", NULL));
  char hash[41];
  snprintf(hash, sizeof hash, "%.40s", daytona_future_exec_result(future)->result);
  daytona_future_release(future);
  daytona_git_clone_opts_t commit = {.commit_id = hash};
  api_done(daytona_git_clone(sandbox, "clone/origin.git", "clone/c4", &commit));
  future = api_must(daytona_git_get_status(sandbox, "clone/c4", NULL));
  const daytona_git_status_t *status = daytona_future_git_status(future);
  assert_true(status->is_detached);
  assert_string_equal(status->current_branch, "HEAD");
  daytona_future_release(future);
  future = api_must(daytona_git_list_branches(sandbox, "clone/c4", NULL));
  assert_null(daytona_future_git_branches(future)->current);
  daytona_future_release(future);
}

static void status_tells_files_and_upstream(void **state) {
  make_place("status");
  shell("cd status/copy && echo x >> a.txt && echo n > 'grün \"q\".txt'");
  commit_to("status/copy", "ahead");
  daytona_future_t *future = api_must(daytona_git_get_status(sandbox, "status/copy", NULL));
  const daytona_git_status_t *status = daytona_future_git_status(future);
  assert_string_equal(status->current_branch, "main");
  assert_string_equal(status->upstream, "origin/main");
  assert_true(status->is_published);
  assert_false(status->is_detached);
  assert_int_equal(status->ahead, 1);
  assert_int_equal(status->behind, 0);
  assert_int_equal(status->file_count, 2);
  assert_string_equal(status->files[0]->name, "a.txt");
  assert_string_equal(status->files[0]->staging, "Unmodified");
  assert_string_equal(status->files[0]->worktree, "Modified");
  assert_string_equal(status->files[1]->name, "grün \"q\".txt");
  assert_string_equal(status->files[1]->staging, "Untracked");
  daytona_future_release(future);
}

static void add_and_commit_give_the_hash(void **state) {
  make_place("commit");
  shell("echo new > commit/copy/new.txt");
  api_fails_as(daytona_git_commit(sandbox, "commit/copy", "m", "a", "e", NULL), DAYTONA_EINTERNAL);
  add("commit/copy", ".");
  daytona_future_t *future =
    api_must(daytona_git_commit(sandbox, "commit/copy", "größer\n\nbody", "Ann Ä", "ann@example.com", NULL));
  char head[42];
  snprintf(head, sizeof head, "%s\n", daytona_future_string(future));
  assert_int_equal(strlen(head), 41);
  expect("git -C commit/copy rev-parse HEAD", head);
  expect("git -C commit/copy log -1 --format='%an <%ae>%n%B'", "Ann Ä <ann@example.com>\ngrößer\n\nbody\n");
  daytona_future_release(future);
}

static void branches_are_made_checked_out_and_deleted(void **state) {
  make_place("branches");
  api_done(daytona_git_create_branch(sandbox, "branches/copy", "topic/ü", NULL));
  daytona_future_t *future = api_must(daytona_git_list_branches(sandbox, "branches/copy", NULL));
  const daytona_git_branches_t *branches = daytona_future_git_branches(future);
  assert_int_equal(branches->names.count, 2);
  assert_string_equal(branches->names.items[0], "main");
  assert_string_equal(branches->names.items[1], "topic/ü");
  assert_string_equal(branches->current, "topic/ü");
  daytona_future_release(future);
  fails_exactly(daytona_git_create_branch(sandbox, "branches/copy", "main", NULL), DAYTONA_EGIT_BRANCH_EXISTS,
                409);
  api_fails_as(daytona_git_create_branch(sandbox, "branches/copy", "a b", NULL), DAYTONA_EINVAL);
  api_fails_as(daytona_git_delete_branch(sandbox, "branches/copy", "topic/ü", NULL), DAYTONA_ECONFLICT);
  api_done(daytona_git_checkout_branch(sandbox, "branches/copy", "main", NULL));
  api_done(daytona_git_delete_branch(sandbox, "branches/copy", "topic/ü", NULL));
  fails_exactly(daytona_git_checkout_branch(sandbox, "branches/copy", "topic/ü", NULL),
                DAYTONA_EGIT_BRANCH_NOT_FOUND, 404);
  expect("git -C branches/copy branch --show-current", "main\n");
}

static void dirty_checkout_and_pull_change_nothing(void **state) {
  make_place("dirty");
  shell(
    "cd dirty/copy && git branch other && echo dirty > a.txt && cd ../seed && echo r > r.txt && git add . && "
    "git commit -q -m remote && git push -q origin main");
  fails_exactly(daytona_git_checkout_branch(sandbox, "dirty/copy", "other", NULL),
                DAYTONA_EGIT_DIRTY_WORKTREE, 409);
  fails_exactly(daytona_git_pull(sandbox, "dirty/copy", NULL), DAYTONA_EGIT_DIRTY_WORKTREE, 409);
  expect("cd dirty/copy && git branch --show-current && git log --format=%s && cat a.txt",
         "main\nfirst\ndirty\n");
}

static void push_and_pull_move_commits(void **state) {
  make_place("move");
  commit_to("move/copy", "mine");
  api_done(daytona_git_push(sandbox, "move/copy", NULL));
  expect("git -C move/origin.git log -1 --format=%s main", "mine\n");
  shell(
    "cd move/seed && git pull -q origin main && git commit -q --allow-empty -m theirs && git push -q origin "
    "main");
  api_done(daytona_git_pull(sandbox, "move/copy", NULL));
  expect("git -C move/copy log -1 --format=%s", "theirs\n");
  api_done(daytona_git_create_branch(sandbox, "move/copy", "topic", NULL));
  daytona_git_remote_opts_t upstream = {.remote = "origin", .branch = "topic", .set_upstream = true};
  api_done(daytona_git_push(sandbox, "move/copy", &upstream));
  daytona_future_t *future = api_must(daytona_git_get_status(sandbox, "move/copy", NULL));
  assert_string_equal(daytona_future_git_status(future)->upstream, "origin/topic");
  daytona_future_release(future);
  daytona_git_remote_opts_t unknown = {.branch = "nosuch"}, none = {.remote = "nosuch"};
  fails_exactly(daytona_git_pull(sandbox, "move/copy", &unknown), DAYTONA_EGIT_BRANCH_NOT_FOUND, 404);
  api_fails_as(daytona_git_push(sandbox, "move/copy", &none), DAYTONA_ENOTFOUND);
}

static void diverged_branches_are_conflicts(void **state) {
  make_place("diverged");
  shell("cd diverged/seed && git commit -q --allow-empty -m theirs && git push -q origin main");
  commit_to("diverged/copy", "mine");
  fails_exactly(daytona_git_push(sandbox, "diverged/copy", NULL), DAYTONA_EGIT_PUSH_REJECTED, 409);
  fails_exactly(daytona_git_pull(sandbox, "diverged/copy", NULL), DAYTONA_EGIT_MERGE_CONFLICT, 409);
  expect("git -C diverged/copy log -1 --format=%s", "mine\n");
  shell(
    "cd diverged/origin.git/hooks && printf '#!/bin/sh\\necho not today >&2\\nexit 1\\n' > pre-receive && "
    "chmod +x pre-receive");
  shell("cd diverged/copy && git reset -q --hard origin/main && git commit -q --allow-empty -m hooked");
  daytona_future_t *future =
    api_must_fail_as(daytona_git_push(sandbox, "diverged/copy", NULL), DAYTONA_EGIT_REMOTE_REJECTED);
  assert_non_null(strstr(daytona_future_error(future)->message, "not today"));
  assert_int_equal(daytona_future_error(future)->http_status, 422);
  daytona_future_release(future);
}

static void missing_repositories_and_remotes_are_named(void **state) {
  make_place("missing");
  shell("mkdir missing/plain");
  fails_exactly(daytona_git_get_status(sandbox, "missing/plain", NULL), DAYTONA_EGIT_REPO_NOT_FOUND, 404);
  fails_exactly(daytona_git_list_branches(sandbox, "missing/none", NULL), DAYTONA_EGIT_REPO_NOT_FOUND, 404);
  fails_exactly(daytona_git_clone(sandbox, "missing/none.git", "missing/x", NULL),
                DAYTONA_EGIT_REPO_NOT_FOUND, 404);
  daytona_git_clone_opts_t branch = {.branch = "nosuch"};
  fails_exactly(daytona_git_clone(sandbox, "missing/origin.git", "missing/x", &branch),
                DAYTONA_EGIT_BRANCH_NOT_FOUND, 404);
  fails_exactly(daytona_git_clone(sandbox, "http://127.0.0.1:1/x.git", "missing/x", NULL),
                DAYTONA_EGIT_TRANSPORT_FAILED, 502);
  fails_exactly(daytona_git_clone(sandbox, "git@example.com:a/b.git", "missing/x", NULL),
                DAYTONA_EGIT_AUTH_FAILED, 401);
  api_fails_as(daytona_git_clone(sandbox, "missing/origin.git", "missing/copy", NULL), DAYTONA_ECONFLICT);
}

static void reset_and_restore_take_changes_back(void **state) {
  static const char *const names[] = {"a.txt"};
  const daytona_strings_t files = {names, 1};
  make_place("reset");
  shell("echo x > reset/copy/a.txt");
  add("reset/copy", "a.txt");
  daytona_git_reset_opts_t unstage = {.files = files};
  api_done(daytona_git_reset(sandbox, "reset/copy", &unstage));
  expect("git -C reset/copy diff --cached --name-only", "");
  api_done(daytona_git_restore(sandbox, "reset/copy", &files, NULL));
  expect("cat reset/copy/a.txt", "one\n");
  commit_to("reset/copy", "second");
  daytona_git_reset_opts_t back = {.mode = "hard", .target = "HEAD~1"}, nowhere = {.target = "nosuch"};
  api_done(daytona_git_reset(sandbox, "reset/copy", &back));
  expect("git -C reset/copy log -1 --format=%s", "first\n");
  fails_exactly(daytona_git_reset(sandbox, "reset/copy", &nowhere), DAYTONA_EGIT_BRANCH_NOT_FOUND, 404);
  shell("echo x > reset/copy/a.txt");
  add("reset/copy", "a.txt");
  daytona_git_restore_opts_t both = {
    .staged = daytona_bool(true), .worktree = daytona_bool(true), .source = "HEAD"};
  api_done(daytona_git_restore(sandbox, "reset/copy", &files, &both));
  expect("git -C reset/copy status --porcelain", "");
}

static void init_and_remotes(void **state) {
  daytona_git_init_opts_t bare = {.is_bare = true}, named = {.initial_branch = "trunk"};
  api_done(daytona_git_init(sandbox, "init/bare.git", &bare));
  api_done(daytona_git_init(sandbox, "init/work", &named));
  api_fails_as(daytona_git_init(sandbox, "init/work", NULL), DAYTONA_ECONFLICT);
  api_done(daytona_git_remote_add(sandbox, "init/work", "origin", "../bare.git", NULL));
  api_fails_as(daytona_git_remote_add(sandbox, "init/work", "origin", "x", NULL), DAYTONA_ECONFLICT);
  daytona_git_remote_add_opts_t overwrite = {.overwrites = true}, fetch = {.fetches = true};
  api_done(
    daytona_git_remote_add(sandbox, "init/work", "origin", "https://u:hidden@example.com/x.git", &overwrite));
  daytona_future_t *future = api_must(daytona_git_list_remotes(sandbox, "init/work", NULL));
  assert_int_equal(daytona_future_map(future)->count, 1);
  assert_string_equal(daytona_map_value(daytona_future_map(future), "origin"), "https://example.com/x.git");
  daytona_future_release(future);
  future = api_must(daytona_git_remote_get(sandbox, "init/work", "origin", NULL));
  assert_string_equal(daytona_future_string(future), "https://example.com/x.git");
  daytona_future_release(future);
  future = api_must(daytona_git_remote_get(sandbox, "init/work", "nosuch", NULL));
  assert_null(daytona_future_string(future));
  daytona_future_release(future);
  fails_exactly(daytona_git_remote_add(sandbox, "init/work", "gone", "/nowhere.git", &fetch),
                DAYTONA_EGIT_REPO_NOT_FOUND, 404);
  future = api_must(daytona_git_list_branches(sandbox, "init/work", NULL));
  assert_string_equal(daytona_future_git_branches(future)->current, "trunk");
  daytona_future_release(future);
}

static void settings_are_read_and_written(void **state) {
  make_place("config");
  daytona_git_config_opts_t local = {.scope = "local", .path = "config/copy"};
  api_done(daytona_git_set_config(sandbox, "x.y", "global", NULL));
  api_done(daytona_git_set_config(sandbox, "x.y", "", &local));
  daytona_future_t *future = api_must(daytona_git_get_config(sandbox, "x.y", NULL));
  assert_string_equal(daytona_future_string(future), "global");
  daytona_future_release(future);
  future = api_must(daytona_git_get_config(sandbox, "x.y", &local));
  assert_string_equal(daytona_future_string(future), "");
  daytona_future_release(future);
  future = api_must(daytona_git_get_config(sandbox, "x.unset", NULL));
  assert_null(daytona_future_string(future));
  daytona_future_release(future);
  api_done(daytona_git_configure_user(sandbox, "Bob", "bob@example.com", &local));
  expect("cd config/copy && git config user.name && git config user.email", "Bob\nbob@example.com\n");
  api_fails_as(daytona_git_get_config(sandbox, "nodot", NULL), DAYTONA_EINVAL);
}

static void credentials_open_a_repository_over_http(void **state) {
  char url[128], port[8], with_user[160];
  shell(web_server);
  daytona_future_t *future = api_must(daytona_process_exec(sandbox, "cat /tmp/port", NULL));
  snprintf(port, sizeof port, "%s", daytona_future_exec_result(future)->result);
  daytona_future_release(future);
  make_place("web");
  shell("git clone -q --bare web/seed /tmp/web/x.git && git -C /tmp/web/x.git config http.receivepack true");
  snprintf(url, sizeof url, "http://127.0.0.1:%s/x.git", port);
  snprintf(with_user, sizeof with_user, "http://ann:top-secrets@127.0.0.1:%s/x.git", port);
  daytona_git_clone_opts_t good = {.credentials = {"ann", "top-secret"}},
                           bad = {.credentials = {"ann", "top-secrets"}};
  daytona_git_remote_opts_t known = {.credentials = {"ann", "top-secret"}},
                            wrong = {.credentials = {"ann", "top-secrets"}};
  fails_exactly(daytona_git_clone(sandbox, url, "web/c", NULL), DAYTONA_EGIT_AUTH_FAILED, 401);
  daytona_future_t *refused[] = {daytona_git_clone(sandbox, url, "web/c", &bad),
                                 daytona_git_clone(sandbox, with_user, "web/d", NULL)};
  for (int i = 0; i < 2; i++) {
    api_must_fail_as(refused[i], DAYTONA_EGIT_AUTH_FAILED);
    assert_null(strstr(daytona_future_error(refused[i])->message, "top-secret"));
    daytona_future_release(refused[i]);
  }
  api_done(daytona_git_clone(sandbox, url, "web/c", &good));
  commit_to("web/c", "over http");
  fails_exactly(daytona_git_push(sandbox, "web/c", &wrong), DAYTONA_EGIT_AUTH_FAILED, 401);
  api_done(daytona_git_push(sandbox, "web/c", &known));
  expect("git -C /tmp/web/x.git log -1 --format=%s main", "over http\n");
  fails_exactly(daytona_git_pull(sandbox, "web/c", NULL), DAYTONA_EGIT_AUTH_FAILED, 401);
  api_done(daytona_git_pull(sandbox, "web/c", &known));
  session_expect(sandbox, "grep -r -e top-secret -e YW5uOnRvcC1zZWNyZXQ web/c", 1, "");
  session_expect(sandbox,
                 "cat /tmp/web/seen | grep -c git-remote-http > /dev/null && ! grep -e top-secret -e "
                 "YW5uOnRvcC1z /tmp/web/seen",
                 0, "");
  shell(
    "git clone -q /tmp/web/x.git web/other && cd web/other && git commit -q --allow-empty -m theirs && git "
    "push -q");
  commit_to("web/c", "mine");
  fails_exactly(daytona_git_push(sandbox, "web/c", &known), DAYTONA_EGIT_PUSH_REJECTED, 409);
  fails_exactly(daytona_git_pull(sandbox, "web/c", &known), DAYTONA_EGIT_MERGE_CONFLICT, 409);
  shell("cd web/c && git reset -q --hard HEAD~1");
  api_done(daytona_git_pull(sandbox, "web/c", &known));
  commit_to("web/c", "refused");
  shell(
    "printf '#!/bin/sh\\necho not on my watch >&2\\nexit 1\\n' > /tmp/web/x.git/hooks/update && chmod +x "
    "/tmp/web/x.git/hooks/update");
  future = api_must_fail_as(daytona_git_push(sandbox, "web/c", &known), DAYTONA_EGIT_REMOTE_REJECTED);
  assert_non_null(strstr(daytona_future_error(future)->message, "not on my watch"));
  daytona_future_release(future);
  daytona_git_clone_opts_t unknown = {.credentials = {"ann", "top-secret"}, .branch = "nosuch"};
  fails_exactly(daytona_git_clone(sandbox, url, "web/e", &unknown), DAYTONA_EGIT_BRANCH_NOT_FOUND, 404);
  char host[32];
  snprintf(host, sizeof host, "127.0.0.1:%s", port);
  daytona_git_dangerously_authenticate_opts_t where = {.host = host, .protocol = "http"};
  api_done(daytona_git_dangerously_authenticate(sandbox, "ann", "top-secret", &where));
  api_done(daytona_git_pull(sandbox, "web/c", NULL));
}

/* The last test: whatever the others did with secrets, none of it may be there. */
static void no_secret_was_logged(void **state) {
  assert_true(log_size > 1000 && log_size < sizeof log_text - 4096);
  assert_non_null(strstr(log_text, "POST"));
  static const char *const secrets[] = {"top-secret", "hidden", "YW5uOnRvcC1zZWNyZXQ", "ann:"};
  for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++) assert_null(strstr(log_text, secrets[i]));
}

static void empty_and_detached_repositories_are_told_apart(void **state) {
  make_place("states");
  shell("git init -q --bare states/empty.git");
  daytona_future_t *future = api_must_fail_as(
    daytona_git_clone(sandbox, "states/empty.git", "states/e", NULL), DAYTONA_EGIT_REPO_NOT_FOUND);
  daytona_future_release(future);
  session_expect(sandbox, "ls states/e", 2, NULL); /* nothing half done */
  daytona_git_clone_opts_t unknown = {.commit_id = "0123456789012345678901234567890123456789"};
  fails_exactly(daytona_git_clone(sandbox, "states/origin.git", "states/u", &unknown),
                DAYTONA_EGIT_BRANCH_NOT_FOUND, 404);
  daytona_git_init_opts_t trunk = {.initial_branch = "trunk"};
  api_done(daytona_git_init(sandbox, "states/new", &trunk));
  api_fails_as(daytona_git_get_status(sandbox, "states/new", NULL), DAYTONA_ENOTFOUND);
  fails_exactly(daytona_git_create_branch(sandbox, "states/new", "x", NULL), DAYTONA_EGIT_BRANCH_NOT_FOUND,
                404);
  api_fails_as(daytona_git_push(sandbox, "states/new", NULL), DAYTONA_ENOTFOUND);
  api_fails_as(daytona_git_pull(sandbox, "states/new", NULL), DAYTONA_ENOTFOUND);
  shell("cd states/copy && git checkout -q --detach");
  future = api_must(daytona_git_get_status(sandbox, "states/copy", NULL));
  assert_true(daytona_future_git_status(future)->is_detached);
  assert_string_equal(daytona_future_git_status(future)->current_branch, "HEAD");
  assert_null(daytona_future_git_status(future)->upstream);
  daytona_future_release(future);
  api_fails_as(daytona_git_push(sandbox, "states/copy", NULL), DAYTONA_EINVAL);
  api_fails_as(daytona_git_pull(sandbox, "states/copy", NULL), DAYTONA_EINVAL);
  commit_to("states/copy", "on no branch");
  api_done(daytona_git_create_branch(sandbox, "states/copy", "kept", NULL));
  expect("git -C states/copy log -1 --format=%s kept", "on no branch\n");
}

/* A conflict in the files: they are named, and neither commit nor checkout covers it up. */
static void conflicts_in_files_are_shown(void **state) {
  make_place("conflict");
  shell(
    "cd conflict/copy && git checkout -q -b side && echo side > a.txt && git commit -q -am side && git "
    "checkout -q main && "
    "echo main > a.txt && git commit -q -am main && ! git merge -q side > /dev/null");
  daytona_future_t *future = api_must(daytona_git_get_status(sandbox, "conflict/copy", NULL));
  assert_int_equal(daytona_future_git_status(future)->file_count, 1);
  assert_string_equal(daytona_future_git_status(future)->files[0]->worktree, "Updated but unmerged");
  daytona_future_release(future);
  api_fails_as(daytona_git_commit(sandbox, "conflict/copy", "m", "a", "e@x", NULL),
               DAYTONA_EGIT_MERGE_CONFLICT);
  api_fails_as(daytona_git_checkout_branch(sandbox, "conflict/copy", "side", NULL), DAYTONA_ECONFLICT);
  daytona_git_reset_opts_t hard = {.mode = "hard"};
  api_done(daytona_git_reset(sandbox, "conflict/copy", &hard));
  api_done(daytona_git_checkout_branch(sandbox, "conflict/copy", "side", NULL));
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(clone_takes_branch_commit_and_depth),
    cmocka_unit_test(status_tells_files_and_upstream),
    cmocka_unit_test(add_and_commit_give_the_hash),
    cmocka_unit_test(branches_are_made_checked_out_and_deleted),
    cmocka_unit_test(dirty_checkout_and_pull_change_nothing),
    cmocka_unit_test(push_and_pull_move_commits),
    cmocka_unit_test(diverged_branches_are_conflicts),
    cmocka_unit_test(missing_repositories_and_remotes_are_named),
    cmocka_unit_test(reset_and_restore_take_changes_back),
    cmocka_unit_test(init_and_remotes),
    cmocka_unit_test(settings_are_read_and_written),
    cmocka_unit_test(empty_and_detached_repositories_are_told_apart),
    cmocka_unit_test(conflicts_in_files_are_shown),
    cmocka_unit_test(credentials_open_a_repository_over_http),
    cmocka_unit_test(no_secret_was_logged),
  };
  return cmocka_run_group_tests(tests, open_shared, close_shared);
}
