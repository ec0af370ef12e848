/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls. See call.h.
 *
 * References to a call: one of the operation, one of each JavaScript function that may still use it (cancel, and the
 * continuation of a paused stream), which goes when that is collected.
 */
#include "call.h"

#include <assert.h>
#include <stdlib.h>

struct call {
  napi_env env;
  addon_t *addon;
  int references;
  daytona_future_t *future; /* NULL: it has settled, or has none */
  call_value_cb value;
  napi_deferred deferred; /* NULL: there is a callback */
  napi_ref self, callback, output;
  napi_async_context context;
};

static void release(call_t *call) {
  assert(call->references > 0);
  if (--call->references == 0) free(call);
}

static void on_collected(napi_env env, void *data, void *hint) {
  (void)env, (void)hint;
  release(data);
}

/* A function of `call`, which it keeps. NULL on failure. */
static napi_value new_function(call_t *call, const char *name, napi_callback run) {
  napi_value function;
  if (napi_create_function(call->env, name, NAPI_AUTO_LENGTH, run, call, &function) != napi_ok) return NULL;
  if (napi_add_finalizer(call->env, function, call, on_collected, NULL, NULL) != napi_ok) return NULL;
  call->references++;
  return function;
}

/* --- entering JavaScript ----------------------------------------------------------------------- */

/* As if it had been thrown in a callback of Node's own: process.on('uncaughtException'), or the end of the process. */
static void report_exception(napi_env env) {
  napi_value exception;
  bool is_pending = false;
  napi_is_exception_pending(env, &is_pending);
  if (is_pending && napi_get_and_clear_last_exception(env, &exception) == napi_ok)
    napi_fatal_exception(env, exception);
}

/* Call the function of `reference`. NULL when it has thrown, which has been reported. */
static napi_value enter(call_t *call, napi_ref reference, size_t count, const napi_value *values) {
  napi_env env = call->env;
  napi_value function, global, returned = NULL;
  napi_get_global(env, &global);
  napi_get_reference_value(env, reference, &function);
  if (napi_make_callback(env, call->context, global, function, count, values, &returned) != napi_ok) {
    report_exception(env);
    return NULL;
  }
  return returned;
}

/* Closing the scope is what runs the continuations of the promise. */
static void settle_promise(call_t *call, bool is_success, napi_value value) {
  napi_env env = call->env;
  napi_value resource;
  napi_callback_scope scope = NULL;
  napi_create_object(env, &resource);
  napi_open_callback_scope(env, resource, call->context, &scope);
  if (is_success)
    napi_resolve_deferred(env, call->deferred, value);
  else
    napi_reject_deferred(env, call->deferred, value);
  if (scope != NULL) napi_close_callback_scope(env, scope);
  report_exception(env);
}

static void settle(call_t *call, bool is_success, napi_value value) {
  napi_value arguments[2] = {value, value};
  if (call->deferred != NULL) {
    settle_promise(call, is_success, value);
  } else if (call->callback == NULL) {
    return; /* it could not be opened, which was an exception */
  } else if (is_success) {
    napi_get_null(call->env, &arguments[0]);
    enter(call, call->callback, 2, arguments);
  } else {
    enter(call, call->callback, 1, arguments);
  }
}

/* --- the end of a call ------------------------------------------------------------------------- */

/* Everything that keeps JavaScript objects alive goes; the functions that are left do nothing any more. */
static void finish(call_t *call) {
  const napi_ref references[] = {call->self, call->callback, call->output};
  for (size_t i = 0; i < sizeof references / sizeof references[0]; i++)
    if (references[i] != NULL) napi_delete_reference(call->env, references[i]);
  if (call->context != NULL) napi_async_destroy(call->env, call->context);
  daytona_future_release(call->future);
  call->future = NULL;
  release(call);
}

static void set_text(napi_env env, napi_value object, const char *name, const char *text) {
  napi_value value;
  if (text != NULL && napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &value) == napi_ok)
    napi_set_named_property(env, object, name, value);
}

/* An Error with the code's name, such as DAYTONA_ENOTFOUND, in `code`. */
static napi_value error_of(napi_env env, const daytona_error_t *error) {
  napi_value message, made, status;
  napi_create_string_utf8(env, error->message, NAPI_AUTO_LENGTH, &message);
  napi_create_error(env, NULL, message, &made);
  set_text(env, made, "code", daytona_errcode_name(error->code));
  set_text(env, made, "requestId", error->request_id);
  set_text(env, made, "sandbox", error->sandbox);
  napi_create_int32(env, error->http_status, &status);
  napi_set_named_property(env, made, "status", status);
  return made;
}

static napi_value value_of(call_t *call, daytona_future_t *future) {
  napi_value self, value = NULL;
  napi_get_reference_value(call->env, call->self, &self);
  if (future != NULL && call->value != NULL) value = call->value(call->env, self, future);
  if (value == NULL) napi_get_undefined(call->env, &value);
  return value;
}

static void on_settled(daytona_future_t *future, void *user) {
  call_t *call = user;
  const daytona_error_t *error = future != NULL ? daytona_future_error(future) : NULL;
  napi_handle_scope scope;
  if (!call->addon->is_leaving && napi_open_handle_scope(call->env, &scope) == napi_ok) {
    settle(call, error == NULL, error != NULL ? error_of(call->env, error) : value_of(call, future));
    napi_close_handle_scope(call->env, scope);
  }
  finish(call);
}

void call_succeed(call_t *call) { on_settled(NULL, call); }

/* --- streams ----------------------------------------------------------------------------------- */

static napi_value resume(napi_env env, napi_callback_info info) {
  void *call;
  napi_get_cb_info(env, info, NULL, NULL, NULL, &call);
  daytona_future_resume(((call_t *)call)->future);
  return NULL;
}

/* Output is no faster than its reader: while the promise that it returned is pending, the stream is paused. */
static void wait_for(call_t *call, napi_value promise) {
  napi_env env = call->env;
  napi_value then, both[2];
  both[0] = both[1] = new_function(call, "resume", resume);
  if (both[0] == NULL || napi_get_named_property(env, promise, "then", &then) != napi_ok) return;
  daytona_future_pause(call->future);
  if (napi_call_function(env, promise, then, 2, both, NULL) != napi_ok) daytona_future_resume(call->future);
}

void call_output(const daytona_output_t *output, void *user) {
  call_t *call = user;
  napi_env env = call->env;
  napi_handle_scope scope;
  napi_value arguments[2], returned = NULL;
  const char *name = output->stream == DAYTONA_OUTPUT_STDERR ? "stderr" : "stdout";
  bool is_promise = false;
  if (call->addon->is_leaving || napi_open_handle_scope(env, &scope) != napi_ok) return;
  if (napi_create_buffer_copy(env, output->size, output->bytes, NULL, &arguments[0]) == napi_ok &&
      napi_create_string_utf8(env, name, NAPI_AUTO_LENGTH, &arguments[1]) == napi_ok)
    returned = enter(call, call->output, 2, arguments);
  if (returned != NULL) napi_is_promise(env, returned, &is_promise);
  if (is_promise && call->future != NULL) wait_for(call, returned);
  report_exception(env);
  napi_close_handle_scope(env, scope);
}

/* --- the begin --------------------------------------------------------------------------------- */

static napi_value cancel(napi_env env, napi_callback_info info) {
  void *call;
  napi_get_cb_info(env, info, NULL, NULL, NULL, &call);
  daytona_future_cancel(((call_t *)call)->future);
  return NULL;
}

static bool keep(napi_env env, napi_value value, napi_ref *reference) {
  return value == NULL || napi_create_reference(env, value, 1, reference) == napi_ok;
}

call_t *call_new(napi_env env, napi_value self, napi_value callback, napi_value output) {
  call_t *call = calloc(1, sizeof *call);
  napi_value name;
  if (call == NULL) {
    napi_throw_error(env, "DAYTONA_ENOMEM", "out of memory");
    return NULL;
  }
  call->env = env;
  call->references = 1;
  napi_get_instance_data(env, (void **)&call->addon);
  if (napi_create_string_utf8(env, "daytona", NAPI_AUTO_LENGTH, &name) == napi_ok &&
      napi_async_init(env, NULL, name, &call->context) == napi_ok && keep(env, self, &call->self) &&
      keep(env, callback, &call->callback) && keep(env, output, &call->output))
    return call;
  call_drop(call);
  return NULL;
}

void call_drop(call_t *call) {
  bool is_pending = false;
  napi_is_exception_pending(call->env, &is_pending);
  if (!is_pending) napi_throw_error(call->env, "DAYTONA_EFAILED", "the call could not be made");
  finish(call);
}

napi_value call_open(call_t *call) {
  napi_value handle, function;
  napi_status status = call->callback != NULL ? napi_create_object(call->env, &handle)
                                              : napi_create_promise(call->env, &call->deferred, &handle);
  if (status != napi_ok) return NULL;
  function = new_function(call, "cancel", cancel);
  return function != NULL && napi_set_named_property(call->env, handle, "cancel", function) == napi_ok
           ? handle
           : NULL;
}

napi_value call_watch(call_t *call, daytona_future_t *future, call_value_cb value) {
  call->value = value;
  call->future = daytona_future_retain(future);
  napi_value handle = call_open(call);
  if (handle == NULL) daytona_future_cancel(future); /* nobody could see what becomes of it */
  daytona_future_then(future, on_settled, call);
  return handle;
}
