/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Builds the images that its input describes, with the public calls of the library, and prints what has
 * become of them: a JSON object a line in, one a line out. compare.py has the official SDK do the same.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <uv.h>

#include <daytona/daytona.h>

enum { LIST_MAX = 64 };

/* Lists live until the next image. */
static struct { const char *items[LIST_MAX]; } lists[LIST_MAX];
static size_t list_count;

static void die(const char *what) {
  fprintf(stderr, "driver: %s\n", what);
  exit(2);
}

static const char *text_at(const json_t *call, size_t i) {
  return json_string_value(json_array_get(call, i));
}

static daytona_strings_t strings_of(const json_t *array) {
  daytona_strings_t out = {NULL, json_array_size(array)};
  if (list_count == LIST_MAX || out.count > LIST_MAX) die("too many lists");
  for (size_t i = 0; i < out.count; i++) lists[list_count].items[i] = text_at(array, i);
  out.items = lists[list_count++].items;
  return out;
}

static const char *text_of(const json_t *opts, const char *key) {
  return json_string_value(json_object_get(opts, key));
}

static daytona_image_pip_install_opts_t pip_of(const json_t *opts) {
  const daytona_image_pip_install_opts_t out = {
    .find_links = strings_of(json_object_get(opts, "find_links")),
    .index_url = text_of(opts, "index_url"),
    .extra_index_urls = strings_of(json_object_get(opts, "extra_index_urls")),
    .takes_pre_releases = json_is_true(json_object_get(opts, "pre")),
    .extra_options = text_of(opts, "extra_options")};
  return out;
}

/* --- calls: [name, arguments...] --------------------------------------------------------------- */

typedef daytona_image_t *(*call_t)(daytona_image_t *image, const json_t *call);

static daytona_image_t *base(daytona_image_t *image, const json_t *call) {
  return daytona_image_base(text_at(call, 1));
}

static daytona_image_t *debian_slim(daytona_image_t *image, const json_t *call) {
  return daytona_image_debian_slim(text_at(call, 1));
}

static daytona_image_t *from_dockerfile(daytona_image_t *image, const json_t *call) {
  const daytona_image_from_dockerfile_opts_t opts = {.is_strict = json_is_true(json_array_get(call, 2))};
  return daytona_image_from_dockerfile(text_at(call, 1), &opts);
}

static daytona_image_t *pip_install(daytona_image_t *image, const json_t *call) {
  const daytona_strings_t packages = strings_of(json_array_get(call, 1));
  const daytona_image_pip_install_opts_t opts = pip_of(json_array_get(call, 2));
  return daytona_image_pip_install(image, &packages, &opts);
}

static daytona_image_t *requirements(daytona_image_t *image, const json_t *call) {
  const daytona_image_pip_install_opts_t opts = pip_of(json_array_get(call, 2));
  return daytona_image_pip_install_from_requirements(image, text_at(call, 1), &opts);
}

static daytona_image_t *pyproject(daytona_image_t *image, const json_t *call) {
  const json_t *given = json_array_get(call, 3);
  const daytona_image_pip_install_from_pyproject_opts_t opts = {
    .optional_dependencies = strings_of(json_array_get(call, 2)),
    .find_links = text_of(given, "find_links"),
    .index_url = text_of(given, "index_url"),
    .extra_index_url = text_of(given, "extra_index_url"),
    .takes_pre_releases = json_is_true(json_object_get(given, "pre")),
    .extra_options = text_of(given, "extra_options")};
  return daytona_image_pip_install_from_pyproject(image, text_at(call, 1), &opts);
}

static daytona_image_t *add_file(daytona_image_t *image, const json_t *call) {
  return daytona_image_add_local_file(image, text_at(call, 1), text_at(call, 2));
}

static daytona_image_t *add_dir(daytona_image_t *image, const json_t *call) {
  return daytona_image_add_local_dir(image, text_at(call, 1), text_at(call, 2));
}

/* One call of Python's is several of ours, when it is given commands of both forms. */
static daytona_image_t *run(daytona_image_t *image, const json_t *call) {
  for (size_t i = 1; i < json_array_size(call); i++) {
    const json_t *command = json_array_get(call, i);
    const char *text = json_string_value(command);
    const daytona_strings_t one = {&text, 1};
    if (text != NULL) {
      daytona_image_run_commands(image, &one);
    } else {
      const daytona_strings_t words = strings_of(command);
      daytona_image_run_words(image, &words);
    }
  }
  return image;
}

static daytona_image_t *env(daytona_image_t *image, const json_t *call) {
  daytona_pair_t pairs[LIST_MAX];
  daytona_map_t map = {pairs, 0};
  const char *key;
  json_t *value;
  json_object_foreach (json_array_get(call, 1), key, value) {
    pairs[map.count++] = (daytona_pair_t){key, json_string_value(value)};
  }
  return daytona_image_env(image, &map);
}

static daytona_image_t *workdir(daytona_image_t *image, const json_t *call) {
  return daytona_image_workdir(image, text_at(call, 1));
}

static daytona_image_t *entrypoint(daytona_image_t *image, const json_t *call) {
  const daytona_strings_t words = strings_of(json_array_get(call, 1));
  return daytona_image_entrypoint(image, &words);
}

static daytona_image_t *cmd(daytona_image_t *image, const json_t *call) {
  const daytona_strings_t words = strings_of(json_array_get(call, 1));
  return daytona_image_cmd(image, &words);
}

static daytona_image_t *commands(daytona_image_t *image, const json_t *call) {
  const daytona_strings_t lines = strings_of(json_array_get(call, 1));
  const daytona_image_dockerfile_commands_opts_t opts = {.context_dir = text_at(call, 2),
                                                         .is_strict = json_is_true(json_array_get(call, 3))};
  return daytona_image_dockerfile_commands(image, &lines, &opts);
}

static const struct {
  const char *name;
  call_t call;
} calls[] = {
  {"base", base},
  {"debian_slim", debian_slim},
  {"from_dockerfile", from_dockerfile},
  {"pip_install", pip_install},
  {"requirements", requirements},
  {"pyproject", pyproject},
  {"file", add_file},
  {"dir", add_dir},
  {"run", run},
  {"env", env},
  {"workdir", workdir},
  {"entrypoint", entrypoint},
  {"cmd", cmd},
  {"commands", commands},
};

static daytona_image_t *build(const json_t *list) {
  daytona_image_t *image = NULL;
  for (size_t i = 0; i < json_array_size(list); i++) {
    const json_t *call = json_array_get(list, i);
    size_t at = 0;
    while (strcmp(calls[at].name, text_at(call, 0)) != 0)
      if (++at == sizeof calls / sizeof calls[0]) die("no such call");
    image = calls[at].call(image, call);
  }
  return image;
}

/* --- what has become of it --------------------------------------------------------------------- */

static json_t *error_of(const daytona_error_t *error) {
  const char *kind = error->code == DAYTONA_ENOTFOUND ? "not found"
                     : error->code == DAYTONA_EINVAL  ? "validation"
                                                      : daytona_errcode_name(error->code);
  const char *prefix = "Failed to resolve image: ";
  if (strncmp(error->message, prefix, strlen(prefix)) != 0) die("an error without its prefix");
  return json_pack("{s:s, s:s}", "error", kind, "message", error->message + strlen(prefix));
}

static json_t *content_of(const daytona_image_content_t *content) {
  json_t *contexts = json_array();
  for (size_t i = 0; i < content->context_count; i++)
    json_array_append_new(
      contexts, json_pack("[s, s]", content->contexts[i]->source_path, content->contexts[i]->archive_path));
  return json_pack("{s:s, s:o}", "dockerfile", content->dockerfile, "contexts", contexts);
}

static json_t *outcome_of(daytona_client_t *client, daytona_image_t *image) {
  daytona_future_t *future = daytona_image_resolve(client, image);
  const char *known = daytona_image_dockerfile(image);
  daytona_future_await(future);
  const daytona_image_content_t *content = daytona_future_image_content(future);
  if (content != NULL && known != NULL && strcmp(known, content->dockerfile) != 0) die("two texts");
  json_t *out = content != NULL ? content_of(content) : error_of(daytona_future_error(future));
  daytona_future_release(future);
  daytona_image_release(image);
  return out;
}

int main(void) {
  static char line[1 << 20];
  uv_loop_t loop;
  daytona_client_t *client;
  const daytona_config_t config = {
    .api_key = "none", .api_url = "http://127.0.0.1:1/api", .ignores_environment = true};
  uv_loop_init(&loop);
  if (daytona_client_new(&loop, &config, &client) != 0) die("no client");
  while (fgets(line, sizeof line, stdin) != NULL) {
    json_t *list = json_loads(line, 0, NULL);
    if (list == NULL) die("a line that is not JSON");
    list_count = 0;
    json_t *outcome = outcome_of(client, build(list));
    json_dumpf(outcome, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(outcome);
    json_decref(list);
  }
  daytona_client_close(client, NULL, NULL);
  uv_run(&loop, UV_RUN_DEFAULT);
  daytona_client_release(client);
  return uv_loop_close(&loop) == 0 ? 0 : 2;
}
