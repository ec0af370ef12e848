/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Permissions to log in to a sandbox by SSH.
 */
#include <daytona/sandbox.h>

#include "call/method.h"
#include "call/results.h"

static DAYTONA__MODEL_OF(access_model, daytona_ssh_access_t, "SshAccessDto",
                         DAYTONA__FIELD(daytona_ssh_access_t, STRING, id, "id"),
                         DAYTONA__FIELD(daytona_ssh_access_t, STRING, sandbox_id, "sandboxId"),
                         DAYTONA__FIELD(daytona_ssh_access_t, STRING, token, "token",
                                        .flags = DAYTONA__JSON_SECRET | DAYTONA__JSON_REQUIRED),
                         DAYTONA__FIELD(daytona_ssh_access_t, STRING, expires_at, "expiresAt"),
                         DAYTONA__FIELD(daytona_ssh_access_t, STRING, created_at, "createdAt"),
                         DAYTONA__FIELD(daytona_ssh_access_t, STRING, updated_at, "updatedAt"),
                         DAYTONA__FIELD(daytona_ssh_access_t, STRING, ssh_command, "sshCommand",
                                        .flags = DAYTONA__JSON_SECRET));

static DAYTONA__MODEL_OF(validation_model, daytona_ssh_validation_t, "SshAccessValidationDto",
                         DAYTONA__FIELD(daytona_ssh_validation_t, BOOL, is_valid, "valid"),
                         DAYTONA__FIELD(daytona_ssh_validation_t, STRING, sandbox_id, "sandboxId"));

typedef struct ssh_args {
  const char *token;
} ssh_args_t;

#define TOKEN                                                                          \
  DAYTONA__ARGS(ssh_args_t, DAYTONA__ARG(IN_QUERY, ssh_args_t, STRING, token, "token", \
                                         .flags = DAYTONA__JSON_SECRET, .rules = DAYTONA__NONEMPTY))

DAYTONA__METHOD(create, .prefix = "Failed to create SSH access: ", .verb = "POST",
                .path = "/sandbox/{sandbox}/ssh-access",
                .request = DAYTONA__ARGS(ssh_args_t,
                                         DAYTONA__OPT(IN_QUERY, daytona_sandbox_create_ssh_access_opts_t,
                                                      OPT_NUM, expires_in_minutes, "expiresInMinutes",
                                                      .rules = DAYTONA__POSITIVE)),
                .response = &access_model, .result = &daytona__type_ssh_access);

daytona_future_t *daytona_sandbox_create_ssh_access(daytona_sandbox_t *sandbox,
                                                    const daytona_sandbox_create_ssh_access_opts_t *opts) {
  return daytona__call(sandbox, &create_method, NULL, DAYTONA__OPTS(opts));
}

/* The response is a sandbox; nothing in it is news, and it may lack members that a GET has. */
DAYTONA__METHOD(revoke, .prefix = "Failed to revoke SSH access: ", .verb = "DELETE",
                .path = "/sandbox/{sandbox}/ssh-access", .request = TOKEN);

daytona_future_t *daytona_sandbox_revoke_ssh_access(daytona_sandbox_t *sandbox, const char *token,
                                                    const daytona_call_opts_t *opts) {
  return daytona__call(sandbox, &revoke_method, &(ssh_args_t){token}, DAYTONA__OPTS(opts));
}

static int finish_validation(daytona__op_t *op, const void *args, void **answer, const char **problem) {
  daytona_ssh_validation_t *validation = *answer;
  if (validation->sandbox_id == NULL) validation->sandbox_id = "";
  return 0;
}

DAYTONA__METHOD(validate, .prefix = "Failed to validate SSH access: ", .verb = "GET",
                .path = "/sandbox/ssh-access/validate", .request = TOKEN, .response = &validation_model,
                .result = &daytona__type_ssh_validation, .finish = finish_validation);

daytona_future_t *daytona_sandbox_validate_ssh_access(daytona_sandbox_t *sandbox, const char *token,
                                                      const daytona_call_opts_t *opts) {
  return daytona__call(sandbox, &validate_method, &(ssh_args_t){token}, DAYTONA__OPTS(opts));
}
