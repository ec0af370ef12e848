/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dbus-daemon with an address of ours, so that the environment has it before the daemon is ready. Its folder is the user's
 * alone.
 */
#include "toolbox/a11y/session_bus.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define VARIABLE "DBUS_SESSION_BUS_ADDRESS"

/* The environment may have got another one meanwhile, which stays. */
static void forget(dl_session_bus_t *b) {
  const char *set = dl_environ_get(&b->tb->environment, VARIABLE);
  if (set != NULL && strcmp(set, b->address) == 0) dl_environ_unset(&b->tb->environment, VARIABLE);
  char *socket = dl_xprintf("%s/bus", b->folder);
  unlink(socket);
  rmdir(b->folder);
  free(socket);
  dl_set(&b->folder, NULL);
  dl_set(&b->address, NULL);
}

static void on_exit_told(dl_process_t *p, int status) {
  dl_session_bus_t *b = DL_CONTAINER(p, dl_session_bus_t, process);
  (void)status;
  forget(b);
}

void dl_session_bus_init(dl_session_bus_t *b, dl_toolbox_t *tb) {
  *b = (dl_session_bus_t){.tb = tb, .process.on_exit = on_exit_told};
  dl_list_init(&b->process.link);
}

/* 0, or an errno value. */
static int start(dl_session_bus_t *b, const char *program) {
  char folder[] = "/tmp/daytona-bus-XXXXXX";
  if (mkdtemp(folder) == NULL) return errno;
  b->folder = dl_xstrdup(folder);
  b->address = dl_xprintf("unix:path=%s/bus", folder);
  char *listen = dl_xprintf("--address=%s", b->address);
  char *argv[] = {(char *)program, "--session", "--nofork", "--nopidfile", "--nosyslog", listen, NULL};
  int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
  dl_process_opts_t opts = {.file = program,
                            .argv = argv,
                            .envp = b->tb->environment.pairs,
                            .cwd = "/",
                            .fds = {nothing, nothing, nothing},
                            .is_subreaper = true};
  int error = nothing < 0 ? errno : dl_process_start(b->tb->reaper, &b->process, &opts);
  if (nothing >= 0) close(nothing);
  free(listen);
  return error;
}

void dl_session_bus_start(dl_session_bus_t *b) {
  if (b->address != NULL || dl_environ_get(&b->tb->environment, VARIABLE) != NULL) return;
  char *program = dl_process_find(&b->tb->environment, "dbus-daemon");
  if (program == NULL) return;
  int error = start(b, program);
  free(program);
  if (error == 0) {
    dl_environ_set(&b->tb->environment, VARIABLE, b->address);
    return;
  }
  dl_warn("no session bus: %s", strerror(error));
  if (b->address != NULL) forget(b);
}

void dl_session_bus_stop(dl_session_bus_t *b) {
  if (b->address == NULL) return;
  dl_process_kill_tree(&b->process);
  dl_process_forget(&b->process);
  forget(b);
}
