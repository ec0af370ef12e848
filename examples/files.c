/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Move a folder into a sandbox, run something on it, and fetch the result, with a progress bar.
 *
 *   daytona-local run -- files [FOLDER] [RESULT]    with no account
 *
 * Without a folder it makes one with some text files. Every file of it (one level deep) goes up in one request; then a
 * command in the sandbox makes an archive and a list of checksums, which are downloaded to RESULT, "result" by default.
 */
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <uv.h>

#include "shared/options.h"
#include "shared/steps.h"

enum { FILES_MAX = 1000 };

static const char usage[] =
  "usage: files [FOLDER] [RESULT]\n"
  "Upload the files of FOLDER (made up when it is not given) to a fresh sandbox, pack and count them\n"
  "there, and download what came out into the folder RESULT (default: result).\n";

typedef struct example {
  daytona_client_t *client;
  daytona_sandbox_t *sandbox;
  const char *folder, *result;
  char own_folder[32]; /* made by the example, and removed by it */
  char *local[FILES_MAX], *remote[FILES_MAX];
  size_t count;
  const char *doing; /* in front of the progress bar */
  int percent;
  int status;
} example_t;

/* --- the progress bar -------------------------------------------------------------------------- */

static void show_progress(const daytona_transfer_progress_t *progress, void *user) {
  static const char bar[] = "########################################";
  example_t *self = user;
  double mib = (double)progress->bytes / (1 << 20);
  if (progress->total <= 0) { /* several downloads: nobody knows the sum before the end */
    if (isatty(1)) printf("\r%-12s %8.1f MiB", self->doing, mib);
    return;
  }
  int percent = (int)(progress->bytes * 100 / progress->total);
  bool is_news = percent != self->percent && (isatty(1) || percent % 25 == 0);
  self->percent = percent;
  if (!is_news) return;
  printf("%s%-12s [%-40.*s] %3d%%  %.1f MiB%s", isatty(1) ? "\r" : "", self->doing, percent * 40 / 100, bar,
         percent, mib, isatty(1) ? "" : "\n");
  if (isatty(1) && percent == 100) printf("\n");
  fflush(stdout);
}

static daytona_transfer_opts_t transfer_opts(example_t *self, const char *doing) {
  self->doing = doing;
  self->percent = -1;
  return (daytona_transfer_opts_t){.on_progress = show_progress, .user = self};
}

/* --- the local folder -------------------------------------------------------------------------- */

static void fail(const char *what) {
  perror(what);
  exit(EXIT_FAILURE);
}

static void make_folder(example_t *self) {
  char path[64];
  strcpy(self->own_folder, "/tmp/daytona-files-XXXXXX");
  if (mkdtemp(self->own_folder) == NULL) fail("mkdtemp");
  self->folder = self->own_folder;
  for (int i = 1; i <= 5; i++) {
    snprintf(path, sizeof path, "%s/chapter %d.txt", self->folder, i);
    FILE *file = fopen(path, "w");
    if (file == NULL) fail(path);
    for (int line = 0; line < i * 20000; line++) fprintf(file, "chapter %d, line %d\n", i, line);
    fclose(file);
  }
}

/* Everything, or nothing: half a folder is no result. */
static void read_folder(example_t *self) {
  DIR *dir = opendir(self->folder);
  struct dirent *entry;
  struct stat info;
  if (dir == NULL) fail(self->folder);
  while ((entry = readdir(dir)) != NULL) {
    char local[PATH_MAX], remote[PATH_MAX];
    snprintf(local, sizeof local, "%s/%s", self->folder, entry->d_name);
    snprintf(remote, sizeof remote, "work/%s", entry->d_name);
    if (stat(local, &info) != 0 || !S_ISREG(info.st_mode)) continue;
    if (self->count == FILES_MAX) {
      fprintf(stderr, "%s: more than %d files\n", self->folder, FILES_MAX);
      exit(EXIT_FAILURE);
    }
    self->local[self->count] = strdup(local);
    self->remote[self->count++] = strdup(remote);
  }
  closedir(dir);
  if (self->count != 0) return;
  fprintf(stderr, "%s: no files in it\n", self->folder);
  exit(EXIT_FAILURE);
}

static void forget_folder(example_t *self) {
  for (size_t i = 0; i < self->count; i++) {
    if (self->own_folder[0] != '\0') unlink(self->local[i]);
    free(self->local[i]);
    free(self->remote[i]);
  }
  if (self->own_folder[0] != '\0') rmdir(self->own_folder);
}

/* --- the steps, last one first ----------------------------------------------------------------- */

static void finish(daytona_future_t *future, void *user) {
  example_t *self = user;
  if (daytona_future_error(future) != NULL) {
    fprintf(stderr, "%s\n", daytona_future_message(future));
    self->status = EXIT_FAILURE;
  }
  daytona_sandbox_release(self->sandbox);
  daytona_client_close(self->client, NULL, NULL);
}

/* Whatever went wrong, the sandbox goes. */
static void delete_sandbox(example_t *self, const char *problem) {
  daytona_sandbox_lifecycle_opts_t opts = {.waits = true};
  if (problem != NULL) {
    fprintf(stderr, "%s\n", problem);
    self->status = EXIT_FAILURE;
  }
  daytona_future_then(daytona_sandbox_delete(self->sandbox, &opts), finish, self);
}

static void on_downloaded(daytona_future_t *future, void *user) {
  example_t *self = user;
  const daytona_fs_result_list_t *results = daytona_future_fs_result_list(future);
  if (results == NULL) {
    delete_sandbox(self, daytona_future_message(future));
    return;
  }
  if (isatty(1)) printf("\n");
  for (size_t i = 0; i < results->count; i++) {
    const daytona_fs_result_t *item = results->items[i];
    if (item->error != NULL)
      printf("%s: %s\n", item->path, item->error->message);
    else
      printf("%s: %lld bytes\n", item->local_path, (long long)item->size);
  }
  delete_sandbox(self, results->failed_count != 0 ? "not everything could be downloaded" : NULL);
}

static void on_ran(daytona_future_t *future, void *user) {
  example_t *self = user;
  char archive[PATH_MAX], sums[PATH_MAX];
  const daytona_exec_result_t *result = daytona_future_exec_result(future);
  if (result == NULL || result->exit_code != 0) {
    delete_sandbox(self, result != NULL ? result->result : daytona_future_message(future));
    return;
  }
  fputs(result->result, stdout);
  snprintf(archive, sizeof archive, "%s/work.tar.gz", self->result);
  snprintf(sums, sizeof sums, "%s/SHA256SUMS", self->result);
  const daytona_fs_download_item_t items[] = {{.source = "work.tar.gz", .local_path = archive},
                                              {.source = "SHA256SUMS", .local_path = sums}};
  daytona_transfer_opts_t opts = transfer_opts(self, "downloading");
  daytona_future_then(daytona_fs_download_files(self->sandbox, items, 2, &opts), on_downloaded, self);
}

static void on_uploaded(daytona_future_t *future, void *user) {
  example_t *self = user;
  const daytona_fs_result_list_t *results = daytona_future_fs_result_list(future);
  if (results == NULL || results->failed_count != 0) {
    delete_sandbox(self,
                   results == NULL ? daytona_future_message(future) : "not everything could be uploaded");
    return;
  }
  daytona_future_then(
    daytona_process_exec(
      self->sandbox, "cd work && sha256sum -- * > ../SHA256SUMS && tar czf ../work.tar.gz . && wc -l -- *",
      NULL),
    on_ran, self);
}

static void on_created(daytona_future_t *future, void *user) {
  example_t *self = user;
  static daytona_fs_upload_item_t items[FILES_MAX];
  if (daytona_future_sandbox(future) == NULL) {
    finish(future, self);
    return;
  }
  self->sandbox = daytona_sandbox_retain(daytona_future_sandbox(future));
  for (size_t i = 0; i < self->count; i++)
    items[i] = (daytona_fs_upload_item_t){.destination = self->remote[i], .local_path = self->local[i]};
  daytona_transfer_opts_t opts = transfer_opts(self, "uploading");
  daytona_future_then(daytona_fs_upload_files(self->sandbox, items, self->count, &opts), on_uploaded, self);
}

int main(int argc, char **argv) {
  static example_t self = {.status = EXIT_SUCCESS};
  uv_loop_t *loop = uv_default_loop();
  int first = parse_options(argc, argv, usage, NULL, 0);
  if (argc - first > 2) refuse_arguments(usage, "FOLDER and RESULT at most");
  self.folder = argv[first];
  self.result = argc - first > 1 ? argv[first + 1] : "result";
  if (self.folder != NULL) read_folder(&self); /* before anything is asked for */
  self.client = open_client();
  if (self.folder == NULL) {
    make_folder(&self);
    read_folder(&self);
  }
  daytona_future_then(daytona_sandbox_create(self.client, NULL), on_created, &self);
  uv_run(loop, UV_RUN_DEFAULT);
  daytona_client_release(self.client);
  forget_folder(&self);
  return uv_loop_close(loop) != 0 ? EXIT_FAILURE : self.status;
}
