/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls for SSH access.
 */
#include "control/routes/ssh.h"

#include "control/auth/called.h"
#include "control/objects/ssh.h"
#include "control/routes/call.h"

#include <stdlib.h>
#include <string.h>

/* The gateway's address as this client reaches it; yours to free. A wildcard is everywhere the client calls us. */
static char *gateway_host(const dl_control_t *c, dl_req_t *req) {
  const char *host = dl_gateway_host(c->gateway);
  if (strcmp(host, "0.0.0.0") != 0 && strcmp(host, "::") != 0) return dl_xstrdup(host);
  char *url = dl_called_url(&c->front, req), *start = strstr(url, "://");
  start = start ? start + 3 : url;
  char *out = *start == '[' ? dl_xstrndup(start + 1, strcspn(start + 1, "]"))
                            : dl_xstrndup(start, strcspn(start, ":/"));
  free(url);
  return out;
}

char *dl_ssh_command(const dl_control_t *c, dl_req_t *req, const char *token) {
  char *host = gateway_host(c, req);
  int port = dl_gateway_port(c->gateway);
  char *out =
    port == 22 ? dl_xprintf("ssh %s@%s", token, host) : dl_xprintf("ssh -p %d %s@%s", port, token, host);
  free(host);
  return out;
}

void dl_ssh_describe(const dl_control_t *c, dl_req_t *req, json_t *config) {
  if (!c->gateway) return;
  char *command = dl_ssh_command(c, req, "{{TOKEN}}"), *host = gateway_host(c, req);
  const char *key = dl_gateway_host_key(c->gateway);
  json_object_set_new(config, "sshGatewayCommand", json_string(command));
  json_object_set_new(config, "sshGatewayHost", json_string(host));
  json_object_set_new(config, "sshGatewayPort", json_integer(dl_gateway_port(c->gateway)));
  if (key) {
    json_object_set_new(config, "sshGatewayHostKeys", json_pack("[s]", key));
    json_object_set_new(config, "sshGatewayHostKeyFingerprints",
                        json_pack("[s]", dl_gateway_fingerprint(c->gateway)));
  }
  free(host);
  free(command);
}

/* True when there is a gateway; otherwise answered. A token that opens nothing helps nobody. */
static bool has_gateway(dl_control_t *c, dl_req_t *req) {
  if (c->gateway) {
    dl_gateway_expect(c->gateway);
    return true;
  }
  char *program = dl_gateway_find_program();
  dl_fail(c, req, 400, "SSH access is not available: %s",
          program ? "daytona-local was started without --ssh-listen" : DL_GATEWAY_MISSING);
  free(program);
  return false;
}

static json_t *ssh_dto(const dl_control_t *c, dl_req_t *req, const dl_sandbox_t *sb, const json_t *entry) {
  const char *token = dl_json_str(entry, "token");
  const dl_clock_t *clock = &c->objects.clock;
  dl_iso_t created = dl_iso_format(dl_clock_shown(clock, dl_json_int(entry, "createdAt", 0))),
           expires = dl_iso_format(dl_clock_shown(clock, dl_json_int(entry, "expiresAt", 0)));
  char *command = dl_ssh_command(c, req, token);
  json_t *dto = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "id", dl_json_str(entry, "id"), "sandboxId",
                          sb->id, "token", token, "expiresAt", expires.text, "createdAt", created.text,
                          "updatedAt", created.text, "sshCommand", command);
  free(command);
  return dto;
}

#define MINUTES_MAX (10 * 366 * 24 * 60)

static void create_ssh(dl_req_t *req, void *user) {
  dl_control_t *c = user;
  dl_sandbox_t *sb = dl_target(req);
  const char *text = dl_query_get(dl_req_query(req), "expiresInMinutes");
  double expires_in = 60;
  /* Written so that what is no number is refused as well. */
  if (text && !(dl_parse_double(text, &expires_in) && expires_in > 0 && expires_in <= MINUTES_MAX)) {
    dl_fail(c, req, 400, "expiresInMinutes must be a positive number, at most %d (ten years)", MINUTES_MAX);
    return;
  }
  if (!has_gateway(c, req)) return;
  const json_t *entry = dl_ssh_create(&c->objects, sb, (int64_t)(expires_in * 60000));
  dl_life_save(sb);
  dl_answer_durable(c, req, 200, ssh_dto(c, req, sb, entry));
  dl_gateway_check(c->gateway);
}

static void delete_ssh(dl_req_t *req, void *user) {
  dl_control_t *c = user;
  dl_sandbox_t *sb = dl_target(req);
  dl_ssh_revoke(sb, dl_query_get(dl_req_query(req), "token"));
  dl_life_save(sb);
  dl_gateway_check(c->gateway);
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
