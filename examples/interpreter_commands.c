/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands of the interpreter example.
 */
#include "interpreter.h"

#include <stdlib.h>
#include <string.h>

static const char help[] =
  "%env NAME=VALUE   set an environment variable for the cells to come; %env shows them\n"
  "%time [CODE]      tell how long CODE takes; alone: every cell, or no longer\n"
  "%reset            begin again without variables\n"
  "%quit [STATUS]    leave, as at the end of the input\n";

static void command_env(notebook_t *self, char *argument) {
  char *equals = strchr(argument, '=');
  size_t i = 0;
  if (*argument == '\0') {
    for (i = 0; i < self->env_count; i++) notebook_say(self, "%s=%s", self->env[i].key, self->env[i].value);
    return;
  }
  if (equals == NULL || equals == argument || self->env_count == PAIRS_MAX) {
    notebook_say(self, "interpreter: %%env NAME=VALUE, at most %d of them", PAIRS_MAX);
    return;
  }
  *equals = '\0';
  while (i < self->env_count && strcmp(self->env[i].key, argument) != 0) i++;
  char *key = strdup(argument), *value = strdup(equals + 1);
  if (key == NULL || value == NULL) {
    free(key);
    free(value);
    notebook_fail(self, "out of memory");
    return;
  }
  if (i < self->env_count) {
    free((char *)self->env[i].key);
    free((char *)self->env[i].value);
  } else {
    self->env_count++;
  }
  self->env[i] = (daytona_pair_t){key, value};
}

static void command_time(notebook_t *self, char *argument) {
  if (*argument == '\0') {
    self->shows_time = !self->shows_time;
    return;
  }
  self->is_timed = true;
  run_cell(self, argument);
}

static void command_reset(notebook_t *self, char *argument) {
  (void)argument;
  run_reset(self);
}

static void command_quit(notebook_t *self, char *argument) {
  notebook_quit(self, atoi(argument) & 255, false);
}

static void command_help(notebook_t *self, char *argument) {
  (void)argument;
  notebook_print(self, false, help, sizeof help - 1);
}

void run_command(notebook_t *self, char *line) {
  static const struct {
    const char *name;
    void (*run)(notebook_t *self, char *argument);
  } commands[] = {{"%env", command_env},   {"%time", command_time}, {"%reset", command_reset},
                  {"%quit", command_quit}, {"%exit", command_quit}, {"%help", command_help}};
  size_t name_size = strcspn(line, " \t");
  char *argument = line + name_size + strspn(line + name_size, " \t");
  for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
    if (strlen(commands[i].name) == name_size && strncmp(commands[i].name, line, name_size) == 0) {
      commands[i].run(self, argument);
      return;
    }
  notebook_say(self, "interpreter: no such command: %.*s (try %%help)", (int)name_size, line);
  if (!self->is_interactive) notebook_quit(self, CELL_FAILED, false);
}
