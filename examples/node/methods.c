/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The methods as rows. See methods.h.
 */
#include "methods.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const napi_type_tag client_tag = {0x5e1f9c70a2d14b83u, 0x9b6d0c3ee47f2a15u};
const napi_type_tag sandbox_tag = {0xc84a7b1950e64f2eu, 0x83d2a96f1b7c405du};

/* --- results ----------------------------------------------------------------------------------- */

static void set(napi_env env, napi_value object, const char *name, napi_value value) {
  napi_set_named_property(env, object, name, value);
}

static napi_value text_value(napi_env env, const char *text, size_t size) {
  napi_value value = NULL;
  napi_create_string_utf8(env, text, size, &value);
  return value;
}

static napi_value number_value(napi_env env, int64_t number) {
  napi_value value = NULL;
  napi_create_int64(env, number, &value);
  return value;
}

static void on_sandbox_collected(napi_env env, void *data, void *hint) {
  (void)env, (void)hint;
  daytona_sandbox_release(data);
}

/* `self` is the Client that it came from. */
static napi_value sandbox_value(napi_env env, napi_value self, daytona_future_t *future) {
  addon_t *addon;
  napi_value class, made;
  daytona_sandbox_t *sandbox = daytona_sandbox_retain(daytona_future_sandbox(future));
  napi_get_instance_data(env, (void **)&addon);
  napi_get_reference_value(env, addon->sandbox, &class);
  if (napi_new_instance(env, class, 1, &self, &made) == napi_ok &&
      napi_wrap(env, made, sandbox, on_sandbox_collected, NULL, NULL) == napi_ok &&
      napi_type_tag_object(env, made, &sandbox_tag) == napi_ok) {
    set(env, made, "id", text_value(env, daytona_sandbox_id(sandbox), NAPI_AUTO_LENGTH));
    return made;
  }
  daytona_sandbox_release(sandbox);
  return NULL;
}

static napi_value exec_value(napi_env env, napi_value self, daytona_future_t *future) {
  const daytona_exec_result_t *result = daytona_future_exec_result(future);
  napi_value made;
  (void)self;
  napi_create_object(env, &made);
  set(env, made, "exitCode", number_value(env, result->exit_code));
  set(env, made, "result", text_value(env, result->result, result->result_size));
  return made;
}

static napi_value command_value(napi_env env, napi_value self, daytona_future_t *future) {
  (void)self;
  return text_value(env, daytona_future_session_exec_result(future)->command_id, NAPI_AUTO_LENGTH);
}

static napi_value end_value(napi_env env, napi_value self, daytona_future_t *future) {
  const daytona_stream_end_t *end = daytona_future_stream_end(future);
  napi_value made;
  (void)self;
  napi_create_object(env, &made);
  set(env, made, "reason", text_value(env, daytona_stream_reason_text(end->reason), NAPI_AUTO_LENGTH));
  if (end->has_exit_code) set(env, made, "exitCode", number_value(env, end->exit_code));
  return made;
}

/* --- methods ----------------------------------------------------------------------------------- */

static daytona_future_t *begin_create(void *self, char *const *texts, options_t *options, call_t *call) {
  const daytona_sandbox_create_opts_t opts = {.name = text_option(options, "name"),
                                              .snapshot = text_option(options, "snapshot"),
                                              .language = text_option(options, "language"),
                                              .is_ephemeral = flag_option(options, "ephemeral"),
                                              .timeout_ms = number_option(options, "timeoutMs")};
  (void)texts, (void)call;
  return has_exception(options->env) ? NULL : daytona_sandbox_create(self, &opts);
}

static daytona_future_t *begin_get(void *self, char *const *texts, options_t *options, call_t *call) {
  (void)options, (void)call;
  return daytona_sandbox_get(self, texts[0], NULL);
}

static daytona_future_t *begin_exec(void *self, char *const *texts, options_t *options, call_t *call) {
  const daytona_process_exec_opts_t opts = {.cwd = text_option(options, "cwd"),
                                            .timeout_ms = number_option(options, "timeoutMs")};
  (void)call;
  return has_exception(options->env) ? NULL : daytona_process_exec(self, texts[0], &opts);
}

static daytona_future_t *begin_create_session(void *self, char *const *texts, options_t *options,
                                              call_t *call) {
  (void)options, (void)call;
  return daytona_session_create(self, texts[0], NULL);
}

static daytona_future_t *begin_start(void *self, char *const *texts, options_t *options, call_t *call) {
  const daytona_session_exec_opts_t opts = {.run_async = true};
  (void)options, (void)call;
  return daytona_session_exec(self, texts[0], texts[1], &opts);
}

static daytona_future_t *begin_follow(void *self, char *const *texts, options_t *options, call_t *call) {
  const daytona_session_follow_opts_t opts = {.on_stdout = call_output,
                                              .on_stderr = call_output,
                                              .user = call,
                                              .timeout_ms = number_option(options, "timeoutMs")};
  return has_exception(options->env) ? NULL : daytona_session_follow(self, texts[0], texts[1], &opts);
}

static daytona_future_t *begin_delete_session(void *self, char *const *texts, options_t *options,
                                              call_t *call) {
  (void)options, (void)call;
  return daytona_session_delete(self, texts[0], NULL);
}

static daytona_future_t *begin_delete(void *self, char *const *texts, options_t *options, call_t *call) {
  const daytona_sandbox_lifecycle_opts_t opts = {.waits = true};
  (void)texts, (void)options, (void)call;
  return daytona_sandbox_delete(self, &opts);
}

const method_t client_methods[CLIENT_METHODS] = {
  {"create", 0, .begin = begin_create, .value = sandbox_value},
  {"get", 1, .begin = begin_get, .value = sandbox_value},
};

const method_t sandbox_methods[SANDBOX_METHODS] = {
  {"exec", 1, .begin = begin_exec, .value = exec_value},
  {"createSession", 1, .begin = begin_create_session},
  {"start", 2, .begin = begin_start, .value = command_value},
  {"follow", 2, .has_output = true, .begin = begin_follow, .value = end_value},
  {"deleteSession", 1, .begin = begin_delete_session},
  {"delete", 0, .begin = begin_delete},
};
