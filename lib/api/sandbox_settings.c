/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a sandbox lets in and out: who sees its previews, its network, its secrets and its environment.
 *
 * Secrets go by their names; values are in the environment alone, which is wiped and of which no response is read.
 */
#include <daytona/sandbox.h>

#include "call/method.h"
#include "call/results.h"

typedef struct settings_args {
  const char *is_public; /* as the path spells it */
  daytona_map_t secrets, env;
} settings_args_t;

#define ARGS(...) .request = DAYTONA__ARGS(settings_args_t, __VA_ARGS__)

/* The response is the sandbox as it is now. */
#define SETTING(noun, http_verb, tail, what, ...)                            \
  DAYTONA__METHOD(noun, .prefix = "Failed to " what ": ", .verb = http_verb, \
                  .path = "/sandbox/{sandbox}" tail, .gives_sandbox = true, .is_lenient = true, __VA_ARGS__)

/* --- previews ---------------------------------------------------------------------------------- */

SETTING(set_public, "POST", "/public/{public}", "set public status",
        ARGS(DAYTONA__ARG(IN_PATH, settings_args_t, STRING, is_public, "public")));

daytona_future_t *daytona_sandbox_set_public(daytona_sandbox_t *sandbox, bool is_public,
                                             const daytona_call_opts_t *opts) {
  return daytona__call(sandbox, &set_public_method, &(settings_args_t){is_public ? "true" : "false"},
                       DAYTONA__OPTS(opts));
}

/* --- network ----------------------------------------------------------------------------------- */

/* What goes out is decided by one of these; "" clears a list. */
#define RULE(type, member, key)                                                                        \
  DAYTONA__OPT(IN_BODY, daytona_sandbox_update_network_settings_opts_t, type, member, key, .group = 1, \
               .rules = DAYTONA__ANY_OF)

SETTING(update_network, "POST", "/network-settings", "update network settings",
        ARGS(RULE(OPT_BOOL, network_block_all, "networkBlockAll"),
             RULE(STRING, network_allow_list, "networkAllowList"),
             RULE(STRING, domain_allow_list, "domainAllowList")));

daytona_future_t *daytona_sandbox_update_network_settings(
  daytona_sandbox_t *sandbox, const daytona_sandbox_update_network_settings_opts_t *opts) {
  return daytona__call(sandbox, &update_network_method, NULL, DAYTONA__OPTS(opts));
}

/* --- secrets ----------------------------------------------------------------------------------- */

SETTING(update_secrets, "PUT", "/secrets", "update secrets",
        ARGS(DAYTONA__ARG(IN_BODY, settings_args_t, PAIRS, secrets, "secrets", .flags = DAYTONA__JSON_ALWAYS,
                          .rules = DAYTONA__ENV)));

daytona_future_t *daytona_sandbox_update_secrets(daytona_sandbox_t *sandbox, const daytona_map_t *secrets,
                                                 const daytona_call_opts_t *opts) {
  return daytona__call(sandbox, &update_secrets_method,
                       &(settings_args_t){.secrets = DAYTONA__OR_EMPTY(secrets)}, DAYTONA__OPTS(opts));
}

/* --- environment ------------------------------------------------------------------------------- */

static const char *check_env(const void *args, const void *given) {
  const daytona_sandbox_update_env_opts_t *opts = given;
  bool is_something = ((const settings_args_t *)args)->env.count != 0 || opts->unset.count != 0 ||
                      (opts->unset_value_prefix != NULL && opts->unset_value_prefix[0] != '\0');
  return is_something ? NULL : "env, unset or unset_value_prefix is required";
}

/* The response has the whole environment, with values that are nobody's business here. */
DAYTONA__METHOD(update_env, .prefix = "Failed to update environment: ", .verb = "POST", .path = "/env",
                .service = DAYTONA__TOOLBOX,
                ARGS(DAYTONA__ARG(IN_BODY, settings_args_t, MAP, env, "set",
                                  .flags = DAYTONA__JSON_ALWAYS | DAYTONA__JSON_SECRET,
                                  .rules = DAYTONA__ENV | DAYTONA__PASSED),
                     DAYTONA__OPT(IN_BODY, daytona_sandbox_update_env_opts_t, STRINGS, unset, "unset"),
                     DAYTONA__OPT(IN_BODY, daytona_sandbox_update_env_opts_t, STRING, unset_value_prefix,
                                  "unsetValuePrefix", .flags = DAYTONA__JSON_SECRET)),
                .is_secret = true, .check = check_env);

daytona_future_t *daytona_sandbox_update_env(daytona_sandbox_t *sandbox, const daytona_map_t *env,
                                             const daytona_sandbox_update_env_opts_t *opts) {
  return daytona__call(sandbox, &update_env_method, &(settings_args_t){.env = DAYTONA__OR_EMPTY(env)},
                       DAYTONA__OPTS(opts));
}
