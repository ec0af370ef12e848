/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /process: commands, code runs, and sessions.
 */
#ifndef DL_TOOLBOX_PROCESS_H
#define DL_TOOLBOX_PROCESS_H

#include "http/http.h"
#include "toolbox/core/toolbox.h"

extern const dl_route_table_t DL_TB_EXEC_ROUTES, DL_TB_CODE_ROUTES, DL_TB_SESSION_ROUTES;

/* The toolbox's sessions. */
struct dl_sessions *dl_sessions_new(void);
/* Starts the program that the sandbox is started with (NULL at the end of `argv`, at least one), as the only command of
 * the session "entrypoint". 0, or an errno value; with that the session is there or not, and the program never. */
int dl_entrypoint_start(dl_toolbox_t *tb, char *const *argv);
/* At the end of the toolbox: nothing on the loop is left soon after. */
void dl_sessions_close(dl_toolbox_t *tb);

#endif
