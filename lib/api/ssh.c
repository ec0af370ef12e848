/*
 * Permissions to log in to a sandbox by SSH.
 */
#include <daytona/sandbox.h>

#include <math.h>

#include "call/op.h"

static const daytona__json_field_t access_fields[] = {
  DAYTONA__FIELD(daytona_ssh_access_t, STRING, id, "id"),
  DAYTONA__FIELD(daytona_ssh_access_t, STRING, sandbox_id, "sandboxId"),
  DAYTONA__FIELD(daytona_ssh_access_t, STRING, token, "token",
                 .flags = DAYTONA__JSON_SECRET | DAYTONA__JSON_REQUIRED),
  DAYTONA__FIELD(daytona_ssh_access_t, STRING, expires_at, "expiresAt"),
  DAYTONA__FIELD(daytona_ssh_access_t, STRING, created_at, "createdAt"),
  DAYTONA__FIELD(daytona_ssh_access_t, STRING, updated_at, "updatedAt"),
  DAYTONA__FIELD(daytona_ssh_access_t, STRING, ssh_command, "sshCommand", .flags = DAYTONA__JSON_SECRET),
};

static DAYTONA__MODEL(access_model, daytona_ssh_access_t, "SshAccessDto", access_fields);

static const daytona__json_field_t validation_fields[] = {
  DAYTONA__FIELD(daytona_ssh_validation_t, BOOL, is_valid, "valid"),
  DAYTONA__FIELD(daytona_ssh_validation_t, STRING, sandbox_id, "sandboxId"),
};

static DAYTONA__MODEL(validation_model, daytona_ssh_validation_t, "SshAccessValidationDto",
                      validation_fields);

static const daytona__type_t type_access = {"SSH access", NULL};
static const daytona__type_t type_validation = {"SSH validation", NULL};

const daytona_ssh_access_t *daytona_future_ssh_access(const daytona_future_t *future) {
  return daytona__future_result(future, &type_access);
}

const daytona_ssh_validation_t *daytona_future_ssh_validation(const daytona_future_t *future) {
  return daytona__future_result(future, &type_validation);
}

static void on_access(daytona__op_t *op, const daytona_error_t *error, void *answer) {
  if (error != NULL)
    daytona__op_fail(op, error);
  else
    daytona__op_resolve(op, &type_access, answer);
}

static const daytona__endpoint_t create_endpoint = {.prefix = "Failed to create SSH access: ",
                                                    .method = "POST",
                                                    .path = "/sandbox/{}/ssh-access",
                                                    .response = &access_model};

daytona_future_t *daytona_sandbox_create_ssh_access(daytona_sandbox_t *sandbox,
                                                    const daytona_sandbox_create_ssh_access_opts_t *opts) {
  daytona_future_t *future;
  daytona_call_opts_t request_opts = {.timeout_ms = opts != NULL ? opts->timeout_ms : 0};
  daytona__op_t *op = daytona__op_new(&create_endpoint, NULL, sandbox, 0, &future);
  if (op == NULL) return future;
  if (opts != NULL && !DAYTONA__RESERVED_OK(opts))
    return daytona__op_reject(op, DAYTONA_EINVAL, "reserved words of the options are not zero");
  daytona__op_path(op, sandbox->id, NULL, NULL);
  if (opts != NULL) {
    daytona_opt_num_t minutes = opts->expires_in_minutes;
    if (minutes.is_set && !(isfinite(minutes.value) && minutes.value > 0))
      return daytona__op_reject(op, DAYTONA_EINVAL, "expires_in_minutes must be more than 0");
    daytona__url_query_num(&op->url, "expiresInMinutes", minutes);
  }
  return daytona__op_run(op, NULL, &request_opts, on_access);
}

/* An operation about one token, which travels in the query. */
static daytona_future_t *run_on_token(daytona_sandbox_t *sandbox, const char *token,
                                      const daytona__endpoint_t *endpoint, const daytona_call_opts_t *opts,
                                      void (*done)(daytona__op_t *op, const daytona_error_t *error,
                                                   void *answer)) {
  daytona_future_t *future;
  daytona__op_t *op = daytona__op_new(endpoint, NULL, sandbox, 0, &future);
  if (op == NULL) return future;
  if (token == NULL || token[0] == '\0') return daytona__op_reject(op, DAYTONA_EINVAL, "token is required");
  future->arena.is_secret = true;
  daytona__op_path(op, sandbox->id, NULL, NULL); /* ignored where the path has no argument */
  daytona__url_query(&op->url, "token", token);
  return daytona__op_run(op, NULL, opts, done);
}

/* The answer is a sandbox; nothing in it is news, and it may lack members that a GET has. */
static const daytona__endpoint_t revoke_endpoint = {
  .prefix = "Failed to revoke SSH access: ", .method = "DELETE", .path = "/sandbox/{}/ssh-access"};

daytona_future_t *daytona_sandbox_revoke_ssh_access(daytona_sandbox_t *sandbox, const char *token,
                                                    const daytona_call_opts_t *opts) {
  return run_on_token(sandbox, token, &revoke_endpoint, opts, daytona__op_done_empty);
}

static void on_validation(daytona__op_t *op, const daytona_error_t *error, void *answer) {
  if (error != NULL) {
    daytona__op_fail(op, error);
    return;
  }
  daytona_ssh_validation_t *validation = answer;
  if (validation->sandbox_id == NULL) validation->sandbox_id = "";
  daytona__op_resolve(op, &type_validation, validation);
}

static const daytona__endpoint_t validate_endpoint = {.prefix = "Failed to validate SSH access: ",
                                                      .method = "GET",
                                                      .path = "/sandbox/ssh-access/validate",
                                                      .response = &validation_model};

daytona_future_t *daytona_sandbox_validate_ssh_access(daytona_sandbox_t *sandbox, const char *token,
                                                      const daytona_call_opts_t *opts) {
  return run_on_token(sandbox, token, &validate_endpoint, opts, on_validation);
}
