/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an image is built with, uploaded beforehand: a file or a folder of this machine in the object storage of the service.
 *
 *   daytona-local run -- object_storage FOLDER
 *
 * What is worth a look: what is there already is not sent again, whoever has sent it, because its name is made of its content.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "shared/options.h"
#include "shared/steps.h"

static const char usage[] =
  "usage: object_storage [OPTIONS] PATH\n"
  "Uploads a file or a folder, and prints the hash by which builds find it.\n";

static void show_progress(const daytona_transfer_progress_t *progress, void *user) {
  (void)user;
  if (isatty(STDERR_FILENO))
    fprintf(stderr, "\r%lld of %lld bytes", (long long)progress->bytes, (long long)progress->total);
}

static bool upload(daytona_client_t *client, const char *path, const char *name) {
  const daytona_object_storage_upload_opts_t opts = {.archive_path = name, .on_progress = show_progress};
  daytona_future_t *future = daytona_object_storage_upload(client, path, &opts);
  bool ok = succeeds(future);
  if (isatty(STDERR_FILENO)) fprintf(stderr, "\n");
  if (ok) {
    const daytona_object_storage_result_t *result = daytona_future_object_storage_result(future);
    printf("%s: ", result->hash);
    if (result->was_there)
      printf("was there\n");
    else
      printf("%lld bytes were sent\n", (long long)result->sent_bytes);
  }
  daytona_future_release(future);
  return ok;
}

int main(int argc, char **argv) {
  const char *name = NULL;
  const option_row_t row = {'n', "name", "NAME", "what it is called for the build (default: PATH)",
                            .text = &name};
  int first = parse_options(argc, argv, usage, &row, 1);
  if (argc - first != 1) refuse_arguments(usage, "one PATH, please");
  daytona_client_t *client = open_client();
  bool ok = upload(client, argv[first], name);
  return close_client(client) && ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
