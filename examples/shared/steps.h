/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client of an example; and, for those that wait for each call, what to do with a future.
 */
#ifndef EXAMPLES_STEPS_H
#define EXAMPLES_STEPS_H

#include <stdbool.h>

#include <daytona/daytona.h>

/* Wait for it. False: it has failed, and why was printed. */
bool succeeds(daytona_future_t *future);

/* The same, when the result is not looked at; releases it. */
bool is_done(daytona_future_t *future);

/* Wait for a sandbox, and take it over; NULL when that has failed. Releases the future. */
daytona_sandbox_t *take_sandbox(daytona_future_t *future);

/* Run a command in a sandbox and print what it prints. False when it fails. */
bool run_and_print(daytona_sandbox_t *sandbox, const char *command);

/* Start a program that has no terminal, and whose output is appended to the file `log` of the sandbox, NULL for nowhere. It goes
   on when this returns. */
bool run_in_background(daytona_sandbox_t *sandbox, const char *command, const char *log);

/* Delete a sandbox and let it go. NULL is done already. */
bool discard(daytona_sandbox_t *sandbox);

/* A client of the environment; ends the program with the reason where there is none. */
daytona_client_t *open_client(void);

/* The same with settings, NULL for none, and with a name before the reason, "" for none, and an exit code of your own. */
daytona_client_t *open_client_with(const daytona_config_t *config, const char *program, int status);

/* Close it, and run the loop to its end. True: nothing is left on it. */
bool close_client(daytona_client_t *client);

#endif
