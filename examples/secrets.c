/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A secret that a sandbox uses: stored, given to it, taken away, replaced, given to it again, deleted.
 *
 *   daytona-local run -- secrets [NAME]
 *   TOKEN=... secrets my_token      the value comes from the environment
 *
 * What is worth a look: the value goes to the server once, and no call gives it back. On the platform the variable in the sandbox
 * holds a placeholder, which is replaced in requests to the secret's hosts; daytona-local has nothing on the way that could, so
 * there it holds the value, and a sandbox that has a secret with hosts reaches no others. The command below prints how long it is
 * and not what it is.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/options.h"
#include "shared/steps.h"

static const char show[] =
  "test -n \"$API_TOKEN\" && echo \"API_TOKEN has ${#API_TOKEN} characters\" || echo 'no API_TOKEN'";

/* The future has it; NULL: why not was printed. */
static daytona_future_t *store(daytona_client_t *client, const char *name, const char *value) {
  const daytona_secret_create_opts_t opts = {.description = "of the example, may be deleted"};
  daytona_future_t *future = daytona_secret_create(client, name, value, &opts);
  if (succeeds(future)) return future;
  daytona_future_release(future);
  return NULL;
}

/* All of them but for their values, which nobody is told. */
static bool list(daytona_client_t *client) {
  daytona_future_t *future = daytona_secret_list(client, NULL);
  bool ok = succeeds(future);
  const daytona_secret_page_t *page = daytona_future_secret_page(future);
  for (size_t i = 0; ok && i < page->count; i++)
    printf("%s: %s, %zu hosts\n", page->items[i]->name, page->items[i]->description,
           page->items[i]->hosts.count);
  daytona_future_release(future);
  return ok;
}

static bool use(daytona_client_t *client, const daytona_secret_t *secret) {
  daytona_pair_t pair = {"API_TOKEN", secret->name};
  const daytona_map_t secrets = {&pair, 1};
  const daytona_sandbox_create_opts_t opts = {.secrets = secrets, .is_ephemeral = true};
  const daytona_secret_update_opts_t replaced = {.value = "another value"};
  daytona_sandbox_t *sandbox = take_sandbox(daytona_sandbox_create(client, &opts));
  bool ok = sandbox != NULL && run_and_print(sandbox, show);
  /* What runs already keeps what it has; this is about what is started from now on. */
  ok = ok && is_done(daytona_sandbox_update_secrets(sandbox, NULL, NULL)) && run_and_print(sandbox, show);
  ok = ok && is_done(daytona_secret_update(client, secret->id, &replaced));
  ok = ok && is_done(daytona_sandbox_update_secrets(sandbox, &secrets, NULL)) && run_and_print(sandbox, show);
  return discard(sandbox) && ok;
}

static const char usage[] =
  "usage: secrets [NAME]\n"
  "Stores the value of TOKEN as the secret NAME (default secrets_example), lets a sandbox use it, and "
  "deletes it.\n";

int main(int argc, char **argv) {
  int first = parse_options(argc, argv, usage, NULL, 0);
  if (argc - first > 1) refuse_arguments(usage, "one NAME at most");
  const char *name = first < argc ? argv[first] : "secrets_example", *value = getenv("TOKEN");
  daytona_client_t *client = open_client();
  daytona_future_t *stored = store(client, name, value != NULL ? value : "a value for the example");
  bool ok = stored != NULL;
  if (ok) {
    const daytona_secret_t *secret = daytona_future_secret(stored);
    ok = list(client) && use(client, secret);
    ok = is_done(daytona_secret_delete(client, secret->id, NULL)) && ok;
  }
  daytona_future_release(stored);
  ok = close_client(client) && ok;
  return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
