/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SSH access to a sandbox for as long as this program runs.
 *
 *   daytona-local run -- ssh                           the command to type elsewhere; Enter ends the access
 *   daytona-local run -- ssh --run --accept-host-key   a shell in a fresh sandbox, with ssh itself
 *   ssh --run SANDBOX -- uname -a                      a command in a sandbox of yours, with its exit code
 *
 * What is worth a look: the token is the SSH user name, and all that there is to know, so it is revoked on every way out.
 * The command comes from a server: it is taken apart and checked, and no shell sees it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uv.h>

#include "shared/ending.h"
#include "shared/options.h"
#include "shared/steps.h"

enum { WORDS_MAX = 64, FIXED_WORDS = 16, MINUTES_MAX = 24 * 60 };

static const char usage[] =
  "usage: ssh [OPTIONS] [SANDBOX] [-- COMMAND...]\n"
  "Make SSH access to SANDBOX, an id or name, or to a fresh one that is deleted afterwards. Print the\n"
  "command and wait for Enter, or run it. The access is revoked at the end.\n"
  "The exit code of --run is that of ssh.\n";

typedef struct wish {
  const char *sandbox;
  char **command;
  int minutes;
  bool runs, accepts_key;
} wish_t;

/* --- the command ------------------------------------------------------------------------------- */

/* "ssh [-p PORT] TOKEN@HOST", and nothing else: what begins with a dash would be an option of ssh. `text` is taken apart. */
static bool parse_command(char *text, char **port, char **place) {
  char *rest = NULL, *word = strtok_r(text, " ", &rest);
  if (word == NULL || strcmp(word, "ssh") != 0) return false;
  *port = NULL;
  *place = strtok_r(NULL, " ", &rest);
  if (*place != NULL && strcmp(*place, "-p") == 0) {
    *port = strtok_r(NULL, " ", &rest);
    *place = strtok_r(NULL, " ", &rest);
    if (*port == NULL || strspn(*port, "0123456789") != strlen(*port)) return false;
  }
  return *place != NULL && **place != '-' && strchr(*place, '@') != NULL &&
         strtok_r(NULL, " ", &rest) == NULL;
}

static void put_words(char *words[WORDS_MAX], const wish_t *wish, char *port, char *place) {
  int count = 0;
  words[count++] = "ssh";
  if (wish->accepts_key) {
    words[count++] = "-oStrictHostKeyChecking=no";
    words[count++] = "-oUserKnownHostsFile=/dev/null";
    words[count++] = "-oLogLevel=ERROR";
  }
  if (port != NULL) {
    words[count++] = "-p";
    words[count++] = port;
  }
  words[count++] = place;
  for (char **word = wish->command; word != NULL && *word != NULL && count < WORDS_MAX - 1; word++)
    words[count++] = *word;
  words[count] = NULL;
}

/* --- until it is over -------------------------------------------------------------------------- */

typedef struct stay {
  ending_t ending;
  uv_process_t child;
  uv_poll_t input;
  bool has_child, is_over;
  int status;
} stay_t;

static void on_signal(uv_signal_t *handle, int number) {
  stay_t *stay = handle->data;
  stay->status = 128 + number;
  if (stay->has_child)
    uv_process_kill(&stay->child, number); /* its end is ours */
  else
    stay->is_over = true;
}

static void on_exit_seen(uv_process_t *child, int64_t status, int number) {
  stay_t *stay = child->data;
  stay->status = number != 0 ? 128 + number : (int)status;
  stay->has_child = false;
  stay->is_over = true;
}

static void on_input(uv_poll_t *poll, int status, int events) {
  (void)status, (void)events;
  ((stay_t *)poll->data)->is_over = true;
}

static int run(uv_loop_t *loop, stay_t *stay, char **words) {
  uv_stdio_container_t stdio[3];
  for (int i = 0; i < 3; i++) stdio[i] = (uv_stdio_container_t){.flags = UV_INHERIT_FD, .data.fd = i};
  const uv_process_options_t opts = {
    .file = words[0], .args = words, .stdio = stdio, .stdio_count = 3, .exit_cb = on_exit_seen};
  stay->child.data = stay;
  int rc = uv_spawn(loop, &stay->child, &opts);
  stay->has_child = rc == 0;
  if (rc != 0) fprintf(stderr, "ssh: cannot run %s: %s\n", words[0], uv_strerror(rc));
  return rc == 0 ? 0 : 127;
}

/* Until the child has ended, or Enter was pressed, or a signal came. `words` NULL: no child. */
static int stay_until_over(stay_t *stay, uv_loop_t *loop, char **words) {
  bool has_input =
    words == NULL && uv_poll_init(loop, &stay->input, 0) == 0; /* a file cannot be waited for */
  bool starts = words != NULL && !stay->is_over;
  stay->input.data = stay;
  if (has_input) uv_poll_start(&stay->input, UV_READABLE, on_input);
  if (starts) stay->status = run(loop, stay, words);
  stay->is_over = stay->is_over || (!has_input && !stay->has_child);
  while (!stay->is_over) uv_run(loop, UV_RUN_ONCE);
  if (has_input) uv_close((uv_handle_t *)&stay->input, NULL);
  if (starts) uv_close((uv_handle_t *)&stay->child, NULL);
  return stay->status;
}

/* --- the access -------------------------------------------------------------------------------- */

static int use(stay_t *stay, uv_loop_t *loop, const wish_t *wish, const daytona_ssh_access_t *access) {
  char *text = strdup(access->ssh_command), *port = NULL, *place = NULL, *words[WORDS_MAX];
  int status = 1;
  if (text == NULL || !parse_command(text, &port, &place)) {
    fprintf(stderr, "ssh: the server sends a command that is not understood\n");
  } else if (wish->runs) {
    put_words(words, wish, port, place);
    status = stay_until_over(stay, loop, words);
  } else {
    printf("%s\nThe access is good until %s, or until you press Enter.\n", access->ssh_command,
           access->expires_at != NULL ? access->expires_at : "it is revoked");
    fflush(stdout);
    status = stay_until_over(stay, loop, NULL);
  }
  free(text);
  return status;
}

static int open_access(stay_t *stay, daytona_client_t *client, const wish_t *wish,
                       daytona_sandbox_t *sandbox) {
  const daytona_sandbox_create_ssh_access_opts_t opts = {.expires_in_minutes = daytona_num(wish->minutes)};
  daytona_future_t *future = daytona_sandbox_create_ssh_access(sandbox, &opts);
  int status = 1;
  if (succeeds(future)) {
    const daytona_ssh_access_t *access = daytona_future_ssh_access(future);
    status = use(stay, daytona_client_loop(client), wish, access);
    if (!is_done(daytona_sandbox_revoke_ssh_access(sandbox, access->token, NULL)) && status == 0) status = 1;
  }
  daytona_future_release(future);
  return status;
}

/* --- main -------------------------------------------------------------------------------------- */

static void parse(wish_t *wish, int argc, char **argv) {
  const option_row_t rows[] = {
    {'r', "run", NULL, "run ssh, with COMMAND if there is one", .flag = &wish->runs},
    {'m', "minutes", "N", "how long the access is good (default 60)", .number = &wish->minutes, .least = 1,
     .most = MINUTES_MAX},
    {'a', "accept-host-key", NULL, "with --run: do not ask whether the host key is right, and do not keep it",
     .flag = &wish->accepts_key},
  };
  int next = parse_options_of_command(argc, argv, usage, rows, sizeof rows / sizeof rows[0]);
  bool is_command = next > 1 && strcmp(argv[next - 1], "--") == 0;
  if (!is_command && next < argc) {
    wish->sandbox = argv[next++];
    is_command = next < argc && strcmp(argv[next], "--") == 0;
    next += is_command;
  }
  if (is_command) wish->command = argv + next;
  if (!is_command && next != argc) refuse_arguments(usage, "COMMAND comes after --");
  if (argc - next > WORDS_MAX - FIXED_WORDS) refuse_arguments(usage, "COMMAND has too many words");
  if (!wish->runs && (is_command || wish->accepts_key))
    refuse_arguments(usage, "COMMAND and --accept-host-key need --run");
}

int main(int argc, char **argv) {
  wish_t wish = {.minutes = 60};
  parse(&wish, argc, argv);
  daytona_client_t *client = open_client();
  const daytona_sandbox_create_opts_t opts = {.is_ephemeral = true};
  stay_t stay = {0};
  /* From here on no signal ends the program before the access is revoked and the sandbox deleted. */
  ending_open(&stay.ending, daytona_client_loop(client), on_signal, &stay);
  daytona_sandbox_t *sandbox =
    take_sandbox(wish.sandbox != NULL ? daytona_sandbox_get(client, wish.sandbox, NULL)
                                      : daytona_sandbox_create(client, &opts));
  int status = sandbox != NULL ? open_access(&stay, client, &wish, sandbox) : 1;
  bool ok = true;
  if (wish.sandbox == NULL)
    ok = discard(sandbox);
  else
    daytona_sandbox_release(sandbox);
  ending_close(&stay.ending);
  ok = close_client(client) && ok;
  return status == 0 && !ok ? EXIT_FAILURE : status;
}
