/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls for SSH access.
 */
#include "control/objects/ssh.h"
#include "control/routes/call.h"

#include <math.h>

static json_t *ssh_dto(const dl_control_t *c, const dl_sandbox_t *sb, const json_t *entry) {
  const char *token = dl_json_str(entry, "token");
  const dl_clock_t *clock = &c->objects.clock;
  dl_iso_t created = dl_iso_format(dl_clock_shown(clock, dl_json_int(entry, "createdAt", 0))),
           expires = dl_iso_format(dl_clock_shown(clock, dl_json_int(entry, "expiresAt", 0)));
  return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:o}", "id", dl_json_str(entry, "id"), "sandboxId", sb->id,
                   "token", token, "expiresAt", expires.text, "createdAt", created.text, "updatedAt",
                   created.text, "sshCommand", json_sprintf("ssh -p 2222 %s@127.0.0.1", token));
}

static void create_ssh(dl_req_t *req, void *user) {
  dl_control_t *c = user;
  dl_sandbox_t *sb = dl_target(req);
  const char *text = dl_query_get(dl_req_query(req), "expiresInMinutes");
  double expires_in = 60;
  if (text && (!dl_parse_double(text, &expires_in) || fabs(expires_in) > 1e9)) {
    dl_fail(c, req, 400, "expiresInMinutes must be a number");
    return;
  }
  const json_t *entry = dl_ssh_create(&c->objects, sb, (int64_t)(expires_in * 60000));
  dl_life_save(sb);
  dl_answer_durable(c, req, 200, ssh_dto(c, sb, entry));
}

static void delete_ssh(dl_req_t *req, void *user) {
  dl_control_t *c = user;
  dl_sandbox_t *sb = dl_target(req);
  dl_ssh_revoke(sb, dl_query_get(dl_req_query(req), "token"));
  dl_life_save(sb);
  dl_answer_sandbox(c, req, sb);
}

static void validate_ssh(dl_req_t *req, void *user) {
  dl_control_t *c = user;
  const char *token = dl_query_get(dl_req_query(req), "token");
  const dl_sandbox_t *sb = token ? dl_ssh_find(&c->objects, token) : NULL;
  dl_reply_json(req, 200, json_pack("{s:b, s:s}", "valid", sb != NULL, "sandboxId", sb ? sb->id : ""));
}

#define WRITE DL_R_PERM(DL_PERM_WRITE_SANDBOXES)
static const dl_route_t routes[] = {
  {"POST", "/sandbox/{x}/ssh-access", create_ssh, DL_R_SANDBOX | WRITE},
  {"DELETE", "/sandbox/{x}/ssh-access", delete_ssh, DL_R_SANDBOX | WRITE},
  {"GET", "/sandbox/ssh-access/validate", validate_ssh, 0},
};

dl_route_table_t dl_ssh_routes(void) { return (dl_route_table_t){routes, DL_COUNT(routes)}; }
