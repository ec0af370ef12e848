/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The resolver of a box whose rules have names: a process in the box's network namespace that answers questions about the
 * names that are allowed, and lets the box reach the addresses that it has answered with.
 */
#ifndef DL_RUNTIME_NAMES_H
#define DL_RUNTIME_NAMES_H

#include "runtime/helper.h"
#include "runtime/rules.h"

typedef struct dl_names dl_names_t;

#define DL_NAMES_RULES_MAX (48 * 1024) /* as a message to it; what is longer is refused */

/* `on_told` is called when it has taken the rules; `failure` is why not. NULL when it could not be started. `on_died`: it
 * has ended by itself, and is still to be stopped. */
dl_names_t *dl_names_start(dl_box_t *box, const dl_rules_t *rules,
                           void (*on_told)(dl_box_t *box, const char *failure),
                           void (*on_died)(dl_box_t *box));
/* Other rules; addresses of names that are still allowed stay. `on_told` comes again. False: it does not listen. */
bool dl_names_tell(dl_names_t *names, const dl_rules_t *rules);
/* The port on 127.0.0.1 where it answers; 0 before it has told. */
unsigned dl_names_port(const dl_names_t *names);
void dl_names_stop(dl_names_t *names, void (*done)(void *user), void *user);

#endif
