/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The image engine without a server, for tests: one command per line on standard input, begun at once; what happens is told
 * on standard output, one JSON object per line.
 *
 *   engine STATE [OPTION VALUE]...     see `options` below
 *
 *   pull ID NAME | build ID NAME DOCKERFILE-FILE [CONTEXT]... | import ID NAME PATH | commit ID BASE UPPER NAME
 *   remove ID NAME | prune ID | cancel ID | show NAME | hold NAME | drop NAME | use ID-OF-IMAGE | list | quit
 *
 * ID is a word of the caller's; `show` and `list` answer at once.
 */
#include "base/buf.h"
#include "base/jsonx.h"
#include "images/images.h"
#include "images/jail.h"
#include "images/variables.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <signal.h>
#include <unistd.h>

typedef struct {
  char id[64];
  dl_image_job_t *job;
} task_t;

static uv_loop_t loop;
static uv_pipe_t input;
static dl_buf_t text;
static dl_images_t *images;
static task_t *tasks[256];
static dl_image_t *held[16];
static char used[65];
static dl_image_pair_t build_env[8];
static const char *insecure[4];
static dl_image_mirror_t mirrors[4];

static void tell(json_t *object) {
  char *line = dl_json_text(object);
  puts(line);
  fflush(stdout);
  free(line);
  json_decref(object);
}

static json_t *texts(const char *const *list) {
  json_t *array = json_array();
  for (; *list; list++) json_array_append_new(array, json_string(*list));
  return array;
}

static json_t *shown(const dl_image_info_t *i) {
  return json_pack("{s:s, s:s, s:o, s:I, s:s, s:s, s:o, s:o, s:o, s:s, s:s, s:b}", "id", i->id, "digest",
                   i->digest, "names", texts(i->names), "size", (json_int_t)i->size_bytes, "architecture",
                   i->architecture, "os", i->os, "entrypoint", texts(i->entrypoint), "cmd", texts(i->cmd),
                   "env", texts(i->env), "user", i->user, "workDir", i->work_dir, "isImported",
                   i->is_imported);
}

static void on_log(const char *bytes, size_t len, void *user) {
  const task_t *task = user;
  tell(json_pack("{s:s, s:s%}", "id", task->id, "log", bytes, len));
}

static void on_done(const dl_image_result_t *result, void *user) {
  task_t *task = user;
  json_t *object = json_pack("{s:s, s:i, s:o}", "id", task->id, "code", result->code, "error",
                             dl_json_str_or_null(result->error));
  if (result->image) json_object_set_new(object, "image", shown(dl_image_info(result->image)));
  if (result->image) json_object_set_new(object, "layers", texts(dl_image_layers(result->image)));
  task->job = NULL;
  tell(object);
}

static task_t *task_of(const char *id) {
  for (size_t i = 0; i < DL_COUNT(tasks); i++) {
    if (tasks[i] && strcmp(tasks[i]->id, id) == 0) return tasks[i];
    if (tasks[i]) continue;
    tasks[i] = dl_xcalloc(1, sizeof *tasks[i]);
    snprintf(tasks[i]->id, sizeof tasks[i]->id, "%s", id);
    return tasks[i];
  }
  abort();
}

static char *read_text(const char *path) {
  dl_buf_t out;
  char block[4096];
  FILE *file = fopen(path, "re");
  dl_buf_init(&out, 4 << 20);
  if (!file) abort();
  for (size_t got; (got = fread(block, 1, sizeof block, file)) > 0;) dl_buf_append(&out, block, got);
  fclose(file);
  return dl_buf_take(&out);
}

static dl_image_job_t *build(char **words, size_t count, const dl_image_callbacks_t *cb) {
  char *dockerfile = read_text(words[3]);
  const dl_image_build_t spec = {.dockerfile = dockerfile,
                                 .name = strcmp(words[2], "-") == 0 ? NULL : words[2],
                                 .contexts = (const char *const *)words + 4,
                                 .context_count = count - 4};
  dl_image_job_t *job = dl_images_build(images, &spec, cb);
  free(dockerfile);
  return job;
}

static void begin(char **words, size_t count) {
  task_t *task = task_of(words[1]);
  const dl_image_callbacks_t cb = {on_log, on_done, task};
  if (strcmp(words[0], "pull") == 0) task->job = dl_images_pull(images, words[2], &cb);
  if (strcmp(words[0], "build") == 0) task->job = build(words, count, &cb);
  if (strcmp(words[0], "import") == 0) task->job = dl_images_import(images, words[2], words[3], &cb);
  if (strcmp(words[0], "remove") == 0) task->job = dl_images_remove(images, words[2], &cb);
  if (strcmp(words[0], "prune") == 0) task->job = dl_images_prune(images, &cb);
  if (strcmp(words[0], "commit") == 0) {
    dl_image_t *base = dl_image_open(images, words[2], NULL);
    if (!base) abort();
    task->job = dl_images_commit(images, base, words[3], words[4], &cb);
    dl_image_release(base);
  }
}

static void on_listed(const dl_image_info_t *info, void *user) { json_array_append_new(user, shown(info)); }

static void show(const char *name) {
  char *error = NULL;
  dl_image_t *image = dl_image_open(images, name, &error);
  tell(json_pack("{s:s, s:o, s:o}", "show", name, "image", image ? shown(dl_image_info(image)) : json_null(),
                 "error", dl_json_str_or_null(error)));
  dl_image_release(image);
  free(error);
}

static void hold(const char *name) {
  for (size_t i = 0; i < DL_COUNT(held); i++)
    if (!held[i]) {
      held[i] = dl_image_open(images, name, NULL);
      return;
    }
}

static void drop_all(void) {
  for (size_t i = 0; i < DL_COUNT(held); i++) {
    dl_image_release(held[i]);
    held[i] = NULL;
  }
}

static void quit(void) {
  uv_close((uv_handle_t *)&input, NULL);
  drop_all();
  dl_images_close(images, NULL, NULL);
}

static void obey(char *line) {
  char *words[512] = {0}, *save = NULL;
  size_t count = 0;
  for (char *word = strtok_r(line, "\t", &save); word && count < DL_COUNT(words) - 1;
       word = strtok_r(NULL, "\t", &save))
    words[count++] = word;
  if (count == 0) return;
  if (strcmp(words[0], "quit") == 0)
    quit();
  else if (strcmp(words[0], "list") == 0) {
    json_t *list = json_array();
    dl_images_list(images, on_listed, list);
    tell(json_pack("{s:o, s:I}", "list", list, "disk", (json_int_t)dl_images_disk_bytes(images)));
  } else if (strcmp(words[0], "show") == 0)
    show(words[1]);
  else if (strcmp(words[0], "hold") == 0)
    hold(words[1]);
  else if (strcmp(words[0], "drop") == 0)
    drop_all();
  else if (strcmp(words[0], "use") == 0)
    snprintf(used, sizeof used, "%s", words[1] ? words[1] : "");
  else if (strcmp(words[0], "cancel") == 0) {
    if (task_of(words[1])->job) dl_image_job_cancel(task_of(words[1])->job);
  } else
    begin(words, count);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf) {
  (void)handle;
  *buf = uv_buf_init(dl_buf_reserve(&text, suggested), (unsigned)suggested);
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf) {
  (void)buf;
  if (got < 0) {
    if (!uv_is_closing((uv_handle_t *)stream)) quit();
    return;
  }
  dl_buf_grew(&text, (size_t)got);
  for (char *end; text.len > 0 && (end = memchr(text.data, '\n', text.len)) != NULL;) {
    char *line = dl_xstrndup(text.data, (size_t)(end - text.data));
    dl_buf_consume(&text, (size_t)(end - text.data) + 1);
    obey(line);
    free(line);
    if (uv_is_closing((uv_handle_t *)stream)) return;
  }
}

static bool is_used(const char *id, void *user) {
  (void)user;
  return strcmp(id, used) == 0;
}

static void read_option(dl_images_opts_t *o, const char *name, char *value) {
  char *rest = strchr(value, '=');
  if (strcmp(name, "--network") == 0)
    o->network = strcmp(value, "host") == 0   ? DL_NETWORK_HOST
                 : strcmp(value, "none") == 0 ? DL_NETWORK_NONE
                                              : DL_NETWORK_PRIVATE;
  if (strcmp(name, "--at-once") == 0) o->jobs_at_once = (unsigned)atoi(value);
  if (strcmp(name, "--memory") == 0) o->memory_gib = atof(value);
  if (strcmp(name, "--auth-file") == 0) o->auth_file = value;
  if (strcmp(name, "--no-proxy-env") == 0) o->no_proxy_env = true;
  if (strcmp(name, "--insecure") == 0) insecure[o->insecure_registry_count++] = value;
  if (rest && strcmp(name, "--mirror") == 0) {
    *rest = '\0';
    mirrors[o->mirror_count++] = (dl_image_mirror_t){value, rest + 1};
  }
  if (rest && strcmp(name, "--build-env") == 0) {
    *rest = '\0';
    build_env[o->build_env_count++] = (dl_image_pair_t){value, rest + 1};
  }
}

int main(int argc, char **argv) {
  char *error = NULL;
  if (argc > 1 && strcmp(argv[1], "image-jail") == 0) return dl_image_jail_main(argc - 1, argv + 1);
  if (argc > 1 && strcmp(argv[1], "image-runtime") == 0) return dl_image_runtime_main(argc - 1, argv + 1);
  if (argc < 2) return 2;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  dl_images_opts_t opts = {.state_dir = argv[1],
                           .build_env = build_env,
                           .insecure_registries = insecure,
                           .mirrors = mirrors,
                           .is_used = is_used,
                           .is_durable = true};
  for (int i = 2; i + 1 < argc; i += 2) read_option(&opts, argv[i], argv[i + 1]);
  uv_loop_init(&loop);
  dl_buf_init(&text, 16 << 20);
  images = dl_images_new(&loop, &opts, &error);
  if (!images) {
    fprintf(stderr, "%s\n", error);
    free(error);
    return 1;
  }
  tell(json_pack("{s:o}", "missing", dl_json_str_or_null(dl_images_missing(images))));
  uv_pipe_init(&loop, &input, 0);
  uv_pipe_open(&input, 0);
  uv_read_start((uv_stream_t *)&input, on_alloc, on_read);
  uv_run(&loop, UV_RUN_DEFAULT);
  int rc = uv_loop_close(&loop);
  for (size_t i = 0; i < DL_COUNT(tasks); i++) free(tasks[i]);
  dl_buf_clear(&text);
  return rc == 0 ? 0 : 3;
}
