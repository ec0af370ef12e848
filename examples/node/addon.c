/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libdaytona for Node: the classes Client and Sandbox, on the loop that Node itself runs.
 *
 * No thread is made and nothing is polled: the library's handles are among Node's own, so a program ends by itself once
 * nothing is pending. A Client keeps its library client until that has reported its close, however it comes about: close(),
 * the collector, or the end of the environment. A Sandbox keeps its Client object, and a call keeps the object that it was
 * made with.
 */
#include "methods.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uv.h>

typedef struct client {
  daytona_client_t *client;
  addon_t *addon;
  napi_async_cleanup_hook_handle hook;
  bool is_closing, is_closed, is_collected;
} client_t;

/* --- calling a method -------------------------------------------------------------------------- */

static napi_value call_method(napi_env env, arguments_t *arguments, const method_t *method, void *self) {
  call_t *call = call_new(env, arguments->self, arguments->callback, arguments->output);
  if (call == NULL) return NULL;
  daytona_future_t *future = method->begin(self, arguments->texts, &arguments->options, call);
  if (future != NULL) return call_watch(call, future, method->value);
  call_drop(call);
  return NULL;
}

static napi_value invoke(napi_env env, napi_callback_info info, const napi_type_tag *tag) {
  arguments_t arguments = {0};
  napi_value returned = NULL;
  const method_t *method = read_info(env, info, &arguments);
  void *self = unwrap(env, arguments.self, tag);
  if (self != NULL && tag == &client_tag) self = ((client_t *)self)->client;
  if (self != NULL && read_arguments(env, &arguments, method->name, method->text_count, method->has_output))
    returned = call_method(env, &arguments, method, self);
  clear_arguments(&arguments);
  return returned;
}

static napi_value on_client_method(napi_env env, napi_callback_info info) {
  return invoke(env, info, &client_tag);
}

static napi_value on_sandbox_method(napi_env env, napi_callback_info info) {
  return invoke(env, info, &sandbox_tag);
}

/* --- clients ----------------------------------------------------------------------------------- */

static void free_client(client_t *client) {
  if (!client->is_closed || !client->is_collected) return;
  daytona_client_release(client->client);
  free(client);
}

static void on_closed(void *user) {
  client_t *client = user;
  client->is_closed = true;
  if (client->hook != NULL)
    napi_remove_async_cleanup_hook(client->hook); /* this is what Node waits for at its end */
  free_client(client);
}

static void close_once(client_t *client) {
  if (client->is_closing) return;
  client->is_closing = true;
  daytona_client_close(client->client, on_closed, client);
}

static void on_client_collected(napi_env env, void *data, void *hint) {
  client_t *client = data;
  (void)env, (void)hint;
  client->is_collected = true;
  close_once(client);
  free_client(client);
}

/* process.exit(), the end of a worker, or of the program with a client that was never closed. */
static void on_leaving(napi_async_cleanup_hook_handle hook, void *data) {
  client_t *client = data;
  (void)hook;
  client->addon->is_leaving = true;
  close_once(client);
}

static void on_close_reported(void *user) { call_succeed(user); }

/* close([callback]): what is pending fails with DAYTONA_ECLOSED. */
static napi_value on_close(napi_env env, napi_callback_info info) {
  arguments_t arguments = {0};
  read_info(env, info, &arguments);
  client_t *client = unwrap(env, arguments.self, &client_tag);
  if (client == NULL || !read_arguments(env, &arguments, "close", 0, false)) return NULL;
  call_t *call = call_new(env, arguments.self, arguments.callback, NULL);
  if (call == NULL) return NULL;
  napi_value handle = call_open(call);
  close_once(client);
  daytona_client_close(client->client, on_close_reported, call);
  return handle;
}

static int open_client(napi_env env, napi_value object, client_t *client) {
  options_t options = {.env = env, .object = object};
  struct uv_loop_s *loop;
  char reason[256];
  const daytona_config_t config = {.api_key = text_option(&options, "apiKey"),
                                   .api_url = text_option(&options, "apiUrl")};
  int rc = has_exception(env) || napi_get_uv_event_loop(env, &loop) != napi_ok ? DAYTONA_EINVAL : 0;
  if (rc == 0) rc = daytona_client_new(loop, &config, &client->client);
  if (rc != 0 && !has_exception(env)) {
    daytona_config_check(&config, reason, sizeof reason);
    napi_throw_error(env, daytona_errcode_name(rc), reason);
  }
  options_clear(&options);
  return rc;
}

/* new Client([options]) */
static napi_value new_client(napi_env env, napi_callback_info info) {
  arguments_t arguments = {0};
  napi_value target = NULL;
  read_info(env, info, &arguments);
  napi_get_new_target(env, info, &target);
  if (target == NULL) return throw_type(env, "Client", "must be called with new"), NULL;
  client_t *client = calloc(1, sizeof *client);
  if (client == NULL) return napi_throw_error(env, "DAYTONA_ENOMEM", "out of memory"), NULL;
  if (!read_arguments(env, &arguments, "Client", 0, false) ||
      open_client(env, arguments.options.object, client) != 0)
    return free(client), NULL;
  napi_get_instance_data(env, (void **)&client->addon);
  if (napi_add_async_cleanup_hook(env, on_leaving, client, &client->hook) != napi_ok ||
      napi_wrap(env, arguments.self, client, on_client_collected, NULL, NULL) != napi_ok) {
    on_client_collected(env, client, NULL);
    return napi_throw_error(env, "DAYTONA_EFAILED", "the client could not be made"), NULL;
  }
  napi_type_tag_object(env, arguments.self, &client_tag);
  return arguments.self;
}

/* The library makes them: it gives the Client as the argument, which is kept as a property. */
static napi_value new_sandbox(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value self, client;
  napi_get_cb_info(env, info, &count, &client, &self, NULL);
  napi_set_named_property(env, self, "client", client);
  return self;
}

/* --- the module -------------------------------------------------------------------------------- */

/* Node has a libuv inside, or uses the system's. The library has to use the same one: process.versions.uv names it. */
static bool has_one_libuv(napi_env env) {
  static const char *const names[] = {"process", "versions", "uv"};
  napi_value value;
  char text[32] = "";
  napi_get_global(env, &value);
  for (int i = 0; i < 3; i++) napi_get_named_property(env, value, names[i], &value);
  napi_get_value_string_utf8(env, value, text, sizeof text, NULL);
  return strcmp(text, uv_version_string()) == 0;
}

static napi_value define(napi_env env, const char *name, napi_callback make, napi_callback invoke_method,
                         const method_t *methods, size_t count, napi_ref *reference) {
  napi_property_descriptor rows[SANDBOX_METHODS + 1] = {
    {.utf8name = "close", .method = on_close, .attributes = napi_default_method}};
  napi_value class;
  size_t first = make == new_client; /* a Client has close() as well */
  for (size_t i = 0; i < count; i++)
    rows[first + i] = (napi_property_descriptor){.utf8name = methods[i].name,
                                                 .method = invoke_method,
                                                 .attributes = napi_default_method,
                                                 .data = (void *)&methods[i]};
  if (napi_define_class(env, name, NAPI_AUTO_LENGTH, make, NULL, first + count, rows, &class) != napi_ok)
    return NULL;
  return napi_create_reference(env, class, 1, reference) == napi_ok ? class : NULL;
}

static void on_environment_gone(napi_env env, void *data, void *hint) {
  (void)env, (void)hint;
  free(data);
}

NAPI_MODULE_INIT() {
  addon_t *addon = calloc(1, sizeof *addon);
  if (!has_one_libuv(env))
    return free(addon), napi_throw_error(env, "DAYTONA_EUNSUPPORTED", "Node has another libuv"), NULL;
  if (addon == NULL || napi_set_instance_data(env, addon, on_environment_gone, NULL) != napi_ok)
    return free(addon), NULL;
  napi_value client =
    define(env, "Client", new_client, on_client_method, client_methods, CLIENT_METHODS, &addon->client);
  napi_value sandbox =
    define(env, "Sandbox", new_sandbox, on_sandbox_method, sandbox_methods, SANDBOX_METHODS, &addon->sandbox);
  if (client != NULL && sandbox != NULL) napi_set_named_property(env, exports, "Client", client);
  return exports;
}
