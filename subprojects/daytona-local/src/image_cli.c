/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command image: imports, lists and removes images of a state directory. Where a server runs on it, that one is asked
 * through its door; else this process holds the directory as a server does for as long as it takes.
 */
#include "cli.h"

#include "base/thread.h"
#include "control/store/store.h"
#include "images/door.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static const char usage[] =
  "usage: daytona-local image import NAME FILE|FOLDER   an image from a file or a folder\n"
  "       daytona-local image list [--json]             the images that are there\n"
  "       daytona-local image remove NAME|ID            one name, or an image with all its names\n"
  "       daytona-local image prune                     what nothing needs any more\n"
  "\n"
  "Works on the state directory, with or without a server that runs on it. FILE is one of `docker save` or "
  "an OCI\n"
  "archive (gzip, bzip2, xz and zstd are unpacked), FOLDER a root file system or an OCI layout. The image "
  "then\n"
  "answers to NAME in FROM, in a create and in a snapshot, and no registry is asked for it.\n"
  "\n"
  "prune removes the images that no snapshot and no sandbox is made from and that were not imported, and "
  "what\n"
  "builds have kept as cache.\n"
  "\n"
  "  --state DIR   state directory ($DAYTONA_LOCAL_STATE, $XDG_STATE_HOME/daytona-local, or\n"
  "                ~/.local/state/daytona-local)\n"
  "  --json        a line of JSON for each image\n";

typedef struct {
  char *state;
  bool is_json, is_done;
  int rc;
  size_t column;
  json_t *command;
  /* without a server */
  uv_loop_t loop;
  uv_signal_t signals[2];
  dl_store_t *store;
  dl_images_t *images;
  dl_image_command_t *running;
} ask_t;

/* --- what comes back --- */

static void print_size(double bytes) {
  static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
  size_t unit = 0;
  while (bytes >= 1000 && unit + 1 < DL_COUNT(units)) bytes /= 1000, unit++;
  printf(unit == 0 ? "%7.0f %-2s" : "%7.1f %-2s", bytes, units[unit]);
}

static void print_image(const ask_t *a, const json_t *image) {
  size_t i;
  json_t *name;
  if (a->is_json) {
    char *text = dl_json_text(image);
    puts(text);
    free(text);
    return;
  }
  json_array_foreach (dl_json_get(image, "names"), i, name) {
    printf("%.12s  ", dl_json_str(image, "id"));
    print_size(dl_json_num(image, "sizeBytes", 0));
    printf("  %s%s\n", json_string_value(name), dl_json_bool(image, "imported", false) ? "  (imported)" : "");
  }
}

static void take_line(ask_t *a, const json_t *line) {
  const char *log = dl_json_str(line, "log"), *error = dl_json_str(line, "error");
  const char *verb = dl_json_str(a->command, "command");
  if (log) fputs(log, stderr);
  if (json_object_get(line, "image")) print_image(a, dl_json_get(line, "image"));
  if (!json_object_get(line, "error")) return;
  a->is_done = true;
  a->rc = error ? 1 : 0;
  if (error) fprintf(stderr, "daytona-local: %s\n", error);
  if (!error && !a->is_json && (strcmp(verb, "list") == 0 || strcmp(verb, "prune") == 0)) {
    printf("all layers: ");
    print_size(dl_json_num(line, "diskBytes", 0));
    putchar('\n');
  }
}

/* --- with a server --- */

/* -1: no server listens there. */
static int connect_door(const char *state) {
  struct sockaddr_un to = {.sun_family = AF_UNIX};
  char *folder = dl_xprintf("%s/images", state);
  int fd = -1, folder_fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
  char *address = dl_image_door_address(folder_fd);
  free(folder);
  assert(strlen(address) < sizeof to.sun_path);
  strcpy(to.sun_path, address);
  free(address);
  if (folder_fd >= 0) fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) != 0) {
    close(fd);
    fd = -1;
  }
  if (folder_fd >= 0) close(folder_fd);
  return fd;
}

static int ask_server(ask_t *a, int fd) {
  char *text = dl_json_text(a->command), *line = NULL;
  size_t room = 0;
  FILE *stream = fdopen(fd, "r");
  if (!stream || dprintf(fd, "%s\n", text) < 0) a->is_done = true, a->rc = 1;
  free(text);
  while (!a->is_done && getline(&line, &room, stream) > 0) {
    json_t *object = dl_json_parse(line, strlen(line), NULL);
    if (object) take_line(a, object);
    json_decref(object);
  }
  if (!a->is_done) fputs("daytona-local: the server has ended\n", stderr);
  free(line);
  if (stream) fclose(stream);
  return a->is_done ? a->rc : 1;
}

/* --- without --- */

static bool is_made_from(const json_t *records, const char *id) {
  const char *key;
  json_t *record;
  json_object_foreach ((json_t *)records, key, record) {
    const char *image = dl_json_str(record, "image");
    if (image && strcmp(image, id) == 0) return true;
  }
  return false;
}

static bool is_used(const char *id, void *user) {
  const ask_t *a = user;
  return is_made_from(dl_store_all(a->store, "sandbox"), id) ||
         is_made_from(dl_store_all(a->store, "snapshot"), id);
}

static void on_store_closed(void *user) { (void)user; }

static void on_images_closed(void *user) {
  ask_t *a = user;
  for (size_t i = 0; i < DL_COUNT(a->signals); i++) uv_close((uv_handle_t *)&a->signals[i], NULL);
  if (a->store) dl_store_close(a->store, on_store_closed, a);
}

static void on_line(const json_t *line, bool is_last, void *user) {
  ask_t *a = user;
  take_line(a, line);
  if (!is_last) return;
  a->running = NULL;
  dl_images_close(a->images, on_images_closed, a);
}

static void on_signal(uv_signal_t *handle, int number) {
  ask_t *a = handle->data;
  (void)number;
  if (a->running) dl_image_command_cancel(a->running);
}

static void catch_signals(ask_t *a) {
  static const int caught[] = {SIGINT, SIGTERM};
  for (size_t i = 0; i < DL_COUNT(caught); i++) {
    uv_signal_init(&a->loop, &a->signals[i]);
    a->signals[i].data = a;
    uv_signal_start(&a->signals[i], on_signal, caught[i]);
  }
}

static int ask_here(ask_t *a) {
  char *error = NULL;
  dl_thread_is_loop();
  uv_loop_init(&a->loop);
  catch_signals(a);
  a->store = dl_store_open(&a->loop, a->state, true, &error); /* and its lock, which keeps servers out */
  if (a->store) {
    const dl_images_opts_t images = {
      .state_dir = a->state, .is_used = is_used, .user = a, .is_durable = true};
    a->images = dl_images_new(&a->loop, &images, &error);
  }
  if (a->images) {
    a->running = dl_image_command_begin(&a->loop, a->images, a->command, on_line, a);
  } else {
    fprintf(stderr, "daytona-local: %s\n", error);
    a->rc = 1;
    on_images_closed(a);
  }
  free(error);
  uv_run(&a->loop, UV_RUN_DEFAULT);
  uv_loop_close(&a->loop);
  return a->rc;
}

/* --- the command line --- */

static json_t *read_command(char **words, int count, const char **problem) {
  static const struct {
    const char *verb;
    int words;
    const char *wants;
  } verbs[] = {{"import", 2, "image import needs a name and a file or folder"},
               {"list", 0, "image list takes no name"},
               {"remove", 1, "image remove needs a name or an id"},
               {"prune", 0, "image prune takes no name"}};
  for (size_t i = 0; i < DL_COUNT(verbs); i++) {
    if (strcmp(verbs[i].verb, words[0]) != 0) continue;
    *problem = verbs[i].wants;
    if (count - 1 != verbs[i].words) return NULL;
    json_t *command = json_pack("{s:s}", "command", words[0]);
    if (count > 1) json_object_set_new(command, "name", json_string(words[1]));
    return command;
  }
  *problem = "there are image import, list, remove and prune";
  return NULL;
}

/* The path as the server finds it, wherever that runs. */
static bool add_path(json_t *command, const char *path) {
  char *absolute = realpath(path, NULL);
  if (!absolute) fprintf(stderr, "daytona-local: cannot read %s: %s\n", path, strerror(errno));
  if (absolute) json_object_set_new(command, "path", json_string(absolute));
  free(absolute);
  return absolute != NULL;
}

static int perform(ask_t *a, char **words, int count) {
  const char *problem = NULL;
  a->command = read_command(words, count, &problem);
  if (!a->command) return fprintf(stderr, "daytona-local: %s; see daytona-local image --help\n", problem), 2;
  if (count == 3 && !add_path(a->command, words[2])) return 1;
  if (!a->state) a->state = dl_cli_default_state();
  if (!a->state)
    return fputs("daytona-local: --state is needed, since neither XDG_STATE_HOME nor HOME is set\n", stderr),
           2;
  int fd = connect_door(a->state);
  if (fd >= 0) return ask_server(a, fd);
  return dl_cli_make_state(a->state) == 0 ? ask_here(a) : 1;
}

int dl_cli_image(int argc, char **argv) {
  ask_t a = {0};
  char *words[3] = {0};
  int count = 0, rc = -1;
  const char *state = getenv("DAYTONA_LOCAL_STATE");
  if (state && *state) a.state = dl_xstrdup(state);
  for (int i = 0; i < argc && rc < 0; i++) {
    if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
      rc = fputs(usage, stdout) < 0;
    else if (strcmp(argv[i], "--json") == 0)
      a.is_json = true;
    else if (strcmp(argv[i], "--state") == 0 && i + 1 < argc)
      dl_set(&a.state, argv[++i]);
    else if (dl_starts_with(argv[i], "--state="))
      dl_set(&a.state, argv[i] + strlen("--state="));
    else if (argv[i][0] == '-' || count == (int)DL_COUNT(words))
      rc = (fprintf(stderr, "daytona-local: %s is not understood; see daytona-local image --help\n", argv[i]),
            2);
    else
      words[count++] = argv[i];
  }
  if (rc < 0 && count == 0) rc = (fputs(usage, stderr), 2);
  if (rc < 0) rc = perform(&a, words, count);
  json_decref(a.command);
  free(a.state);
  return rc;
}
