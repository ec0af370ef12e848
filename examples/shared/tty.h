/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The terminal that is stdin. Once it is guarded it is restored whenever the program ends: by exit(), and by signals that say
 * that it is broken.
 */
#ifndef EXAMPLES_TTY_H
#define EXAMPLES_TTY_H

void tty_guard(void);
void tty_make_raw(void); /* every key comes as it is, and nothing is shown */
void tty_restore(void);

/* Stop the program, with its terminal restored, until the user's shell continues it. */
void tty_suspend(void);

/* The size of the window, or 80 and 24 without one; `most` at the most. */
void tty_read_size(int *cols, int *rows, int most);

#endif
