/* SPDX-License-Identifier: Apache-2.0
 *
 * Ways into a sandbox from outside: preview URLs with standing and signed tokens, the toolbox
 * URL, the key for signed file URLs, SSH tokens.
 */
#include "control/routes/call.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SIGNED_MAX 1000

static bool read_port(dl_control *c, dl_req *req, int64_t *port) {
  if (dl_parse_int(dl_req_param(req, "port"), 1, 65535, port)) return true;
  dl_fail(c, req, 400, "port must be an integer from 1 to 65535");
  return false;
}

static char *host_url(const dl_control *c, int64_t port, const char *label) {
  return dl_xprintf("%s://%lld-%s.%s", c->scheme, (long long)port, label, c->proxy_domain);
}

static void preview_url(dl_req *req, void *user) {
  dl_control *c = user;
  dl_sandbox *sb = dl_target(req);
  int64_t port;
  if (!read_port(c, req, &port)) return;
  char *url = host_url(c, port, sb->id);
  dl_reply_json(req, 200,
                json_pack("{s:s, s:s, s:s}", "sandboxId", sb->id, "url", url, "token", sb->preview_token));
  free(url);
}

/* ---- signed previews ---- */

/* Drops what has expired; a new array because the stored one is shared with the journal. */
static json_t *living(dl_control *c, json_t *entries, bool is_preview) {
  json_t *kept = json_array(), *entry;
  size_t i;
  json_array_foreach (entries, i, entry) {
    if (dl_json_int(entry, "expiresAt", 0) > dl_now(c))
      json_array_append(kept, entry);
    else if (is_preview)
      dl_map_remove(&c->objects.preview_tokens, dl_json_str(entry, "token"));
  }
  return kept;
}

static void replace(json_t **slot, json_t *value) {
  json_decref(*slot);
  *slot = value;
}

static void signed_preview_url(dl_req *req, void *user) {
  dl_control *c = user;
  dl_sandbox *sb = dl_target(req);
  const char *text = dl_query_get(dl_req_query(req), "expiresInSeconds");
  int64_t port, seconds = 60;
  if (!read_port(c, req, &port)) return;
  if (text && !dl_parse_int(text, 1, 86400, &seconds)) {
    dl_fail(c, req, 400, "expiresInSeconds must be an integer from 1 to 86400");
    return;
  }
  replace(&sb->signed_tokens, living(c, sb->signed_tokens, true));
  if (json_array_size(sb->signed_tokens) >= SIGNED_MAX) {
    dl_fail(c, req, 400, "too many signed preview URLs of this sandbox are alive");
    return;
  }
  char *token = dl_random_token(16, DL_ALPHABET_LOWER), *url = host_url(c, port, token);
  json_array_append_new(sb->signed_tokens,
                        json_pack("{s:s, s:I, s:I}", "token", token, "port", (json_int_t)port, "expiresAt",
                                  (json_int_t)(dl_now(c) + seconds * 1000)));
  dl_map_put(&c->objects.preview_tokens, token, sb);
  dl_life_save(sb);
  dl_answer_durable(c, req, 200,
                    json_pack("{s:s, s:I, s:s, s:s}", "sandboxId", sb->id, "port", (json_int_t)port, "token",
                              token, "url", url));
  free(token);
  free(url);
}

static void expire_signed(dl_req *req, void *user) {
  dl_control *c = user;
  dl_sandbox *sb = dl_target(req);
  const char *token = dl_req_param(req, "token");
  json_t *kept = json_array(), *entry;
  size_t i;
  json_array_foreach (sb->signed_tokens, i, entry) {
    if (strcmp(dl_json_str(entry, "token"), token) != 0)
      json_array_append(kept, entry);
    else
      dl_map_remove(&c->objects.preview_tokens, token);
  }
  replace(&sb->signed_tokens, kept);
  dl_life_save(sb);
  dl_answer_durable(c, req, 200, NULL);
}

/* ---- toolbox URL and signing key ---- */

static void toolbox_url(dl_req *req, void *user) {
  dl_control *c = user;
  dl_reply_json(req, 200, json_pack("{s:o}", "url", json_sprintf("%s/toolbox", c->url)));
}

static void signing_key(dl_req *req, void *user) {
  (void)user;
  dl_reply_text(req, 200, dl_target(req)->signing_key);
}

typedef struct {
  dl_control *control;
  dl_req *req;
  char *key;
} rotation;

static void on_rotated(bool is_durable, void *user) {
  rotation *r = user;
  if (is_durable)
    dl_reply_text(r->req, 200, r->key);
  else
    dl_fail(r->control, r->req, 500, "the change could not be written to disk");
  free(r->key);
  free(r);
}

static void rotate_signing_key(dl_req *req, void *user) {
  dl_control *c = user;
  dl_sandbox *sb = dl_target(req);
  char *key = dl_random_token(40, DL_ALPHABET_MIXED);
  free(sb->signing_key);
  sb->signing_key = dl_xprintf("sk%s", key);
  free(key);
  dl_life_save(sb);
  rotation *r = dl_xcalloc(1, sizeof *r);
  *r = (rotation){c, req, dl_xstrdup(sb->signing_key)};
  dl_store_commit(c->objects.store, on_rotated, r);
}

/* ---- SSH ---- */

static json_t *ssh_dto(const dl_sandbox *sb, const json_t *entry) {
  const char *token = dl_json_str(entry, "token");
  dl_iso created = dl_iso_format(dl_json_int(entry, "createdAt", 0)),
         expires = dl_iso_format(dl_json_int(entry, "expiresAt", 0));
  return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:o}", "id", dl_json_str(entry, "id"), "sandboxId", sb->id,
                   "token", token, "expiresAt", expires.text, "createdAt", created.text, "updatedAt",
                   created.text, "sshCommand", json_sprintf("ssh -p 2222 %s@127.0.0.1", token));
}

static void create_ssh(dl_req *req, void *user) {
  dl_control *c = user;
  dl_sandbox *sb = dl_target(req);
  const char *text = dl_query_get(dl_req_query(req), "expiresInMinutes");
  double expires_in = 60;
  if (text && (!dl_parse_double(text, &expires_in) || fabs(expires_in) > 1e9)) {
    dl_fail(c, req, 400, "expiresInMinutes must be a number");
    return;
  }
  char *token = dl_random_token(32, DL_ALPHABET_MIXED);
  int64_t now = dl_now(c);
  json_t *entry = json_pack("{s:s, s:s, s:I, s:I}", "id", dl_uuid_new().text, "token", token, "createdAt",
                            (json_int_t)now, "expiresAt", (json_int_t)(now + (int64_t)(expires_in * 60000)));
  free(token);
  /* A new token revokes every earlier one. */
  replace(&sb->ssh_access, json_pack("[o]", entry));
  dl_life_save(sb);
  dl_answer_durable(c, req, 200, ssh_dto(sb, entry));
}

static void delete_ssh(dl_req *req, void *user) {
  dl_control *c = user;
  dl_sandbox *sb = dl_target(req);
  const char *token = dl_query_get(dl_req_query(req), "token");
  json_t *kept = json_array(), *entry;
  size_t i;
  json_array_foreach (sb->ssh_access, i, entry) {
    if (token && strcmp(dl_json_str(entry, "token"), token) != 0) json_array_append(kept, entry);
  }
  replace(&sb->ssh_access, kept);
  dl_life_save(sb);
  dl_answer_sandbox(c, req, sb);
}

static void validate_ssh(dl_req *req, void *user) {
  dl_control *c = user;
  const char *token = dl_query_get(dl_req_query(req), "token"), *found = "";
  DL_LIST_EACH(&c->objects.sandbox_list, node) {
    dl_sandbox *sb = DL_CONTAINER(node, dl_sandbox, link);
    json_t *entry = json_array_get(sb->ssh_access, 0);
    if (!token || !entry || sb->want == DL_WANT_DESTROYED) continue;
    bool is_ours = dl_same_secret(dl_json_str(entry, "token"), token);
    if (is_ours && dl_json_int(entry, "expiresAt", 0) > dl_now(c)) found = sb->id;
  }
  dl_reply_json(req, 200, json_pack("{s:b, s:s}", "valid", *found != '\0', "sandboxId", found));
}

static void no_build(dl_req *req, void *user) {
  dl_fail(user, req, 404, "Sandbox %s has no build info", dl_target(req)->id);
}

#define WRITE DL_R_PERM(DL_PERM_WRITE_SANDBOXES)
static const dl_route routes[] = {
  {"GET", "/sandbox/{x}/ports/{port}/preview-url", preview_url, DL_R_SANDBOX},
  {"GET", "/sandbox/{x}/ports/{port}/signed-preview-url", signed_preview_url, DL_R_SANDBOX},
  {"POST", "/sandbox/{x}/ports/{port}/signed-preview-url/{token}/expire", expire_signed, DL_R_SANDBOX},
  {"GET", "/sandbox/{x}/toolbox-proxy-url", toolbox_url, DL_R_SANDBOX_ID},
  {"GET", "/sandbox/{x}/signing-key", signing_key, DL_R_SANDBOX_ID},
  {"POST", "/sandbox/{x}/signing-key/rotate", rotate_signing_key, DL_R_SANDBOX_ID},
  {"POST", "/sandbox/{x}/ssh-access", create_ssh, DL_R_SANDBOX | WRITE},
  {"DELETE", "/sandbox/{x}/ssh-access", delete_ssh, DL_R_SANDBOX | WRITE},
  {"GET", "/sandbox/ssh-access/validate", validate_ssh, 0},
  {"GET", "/sandbox/{x}/build-logs-url", no_build, DL_R_SANDBOX},
  {"GET", "/sandbox/{x}/build-logs", no_build, DL_R_SANDBOX},
};

dl_route_table dl_access_routes(void) { return (dl_route_table){routes, DL_COUNT(routes)}; }
