/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Being process 1 of a container. Whatever loses its parent becomes a child of process 1, and stays a zombie until that
 * waits for it. The server waits for its own children only, so as process 1 it puts itself into a child, and what stays
 * here waits for everything, passes signals on, and ends with the status of that child.
 */
#include "cli.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* What somebody may send to end the server or to make it do something. */
static const int passed[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGALRM, SIGUSR1, SIGUSR2, SIGWINCH, SIGCONT};

/* True when the server has ended, with its status. */
static bool reap(pid_t server, int *status) {
  int how;
  for (pid_t pid; (pid = waitpid(-1, &how, WNOHANG)) > 0;) {
    if (pid != server) continue;
    *status = WIFSIGNALED(how) ? 128 + WTERMSIG(how) : WEXITSTATUS(how);
    return true;
  }
  return false;
}

_Noreturn static void wait_for(pid_t server, const sigset_t *signals) {
  int status = 0;
  siginfo_t info;
  while (!reap(server, &status)) {
    int number = sigwaitinfo(signals, &info);
    /* A terminal has signalled the whole foreground group already, and the server is in ours. */
    if (number > 0 && number != SIGCHLD && info.si_code != SI_KERNEL) kill(server, number);
  }
  _exit(status);
}

int dl_init_split(void) {
  if (getpid() != 1) return 0;
  sigset_t signals, before;
  sigemptyset(&signals);
  sigaddset(&signals, SIGCHLD);
  for (size_t i = 0; i < DL_COUNT(passed); i++) sigaddset(&signals, passed[i]);
  sigprocmask(SIG_BLOCK, &signals, &before);
  pid_t server = fork();
  if (server > 0) wait_for(server, &signals);
  int reason = errno;
  sigprocmask(SIG_SETMASK, &before, NULL);
  if (server == 0) return 0;
  fprintf(stderr, "daytona-local: cannot start a process: %s\n", strerror(reason));
  return 1;
}
