/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The local terminal. See tty.h.
 */
#include "tty.h"

#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

/* Global, because it is restored from wherever the program ends: exit(), and signals that say it is broken.
   */
static struct termios cooked;
static volatile sig_atomic_t is_raw;

void tty_restore(void) {
  if (is_raw) tcsetattr(STDIN_FILENO, TCSANOW, &cooked);
  is_raw = 0;
}

static void on_crash(int number) {
  if (is_raw) tcsetattr(STDIN_FILENO, TCSANOW, &cooked); /* allowed in signal handlers */
  raise(number);                                         /* SA_RESETHAND: this time it ends the program */
}

void tty_make_raw(void) {
  struct termios raw;
  if (tcgetattr(STDIN_FILENO, &cooked) != 0) return;
  raw = cooked;
  cfmakeraw(&raw);
  if (tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0) is_raw = 1;
}

void tty_guard(void) {
  static const int crashes[] = {SIGABRT, SIGSEGV, SIGBUS, SIGILL, SIGFPE};
  struct sigaction old, ours = {.sa_handler = on_crash, .sa_flags = SA_RESETHAND | SA_NODEFER};
  sigemptyset(&ours.sa_mask);
  atexit(tty_restore);
  for (size_t i = 0; i < sizeof crashes / sizeof crashes[0]; i++)
    if (sigaction(crashes[i], NULL, &old) == 0 && old.sa_handler == SIG_DFL)
      sigaction(crashes[i], &ours, NULL);
}

void tty_read_size(int *cols, int *rows, int most) {
  struct winsize size = {0};
  for (int fd = 0; fd < 3 && size.ws_col == 0; fd++)
    if (ioctl(fd, TIOCGWINSZ, &size) != 0) size.ws_col = 0;
  *cols = size.ws_col == 0 ? 80 : size.ws_col;
  *rows = size.ws_row == 0 ? 24 : size.ws_row;
  if (*cols > most) *cols = most;
  if (*rows > most) *rows = most;
}

/* Out of the way, and back when the user's shell continues us. The whole job is stopped, as the terminal
   itself would do it; where nobody could continue it, the default action of SIGTSTP is nothing. */
void tty_suspend(void) {
  struct sigaction ours, stops = {.sa_handler = SIG_DFL};
  bool was_raw = is_raw;
  tty_restore();
  sigemptyset(&stops.sa_mask);
  sigaction(SIGTSTP, &stops, &ours);
  kill(0, SIGTSTP);
  sigaction(SIGTSTP, &ours, NULL);
  if (was_raw) tty_make_raw();
}
