/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The page for people: what a browser gets at /, and what the page asks for below /page/.
 *
 * Without a session there is the form for a key, and nothing else. A session is a cookie and a proof together (web_sessions.h); a
 * request that has only one of them, or that another origin sends, is refused. Sessions count here and nowhere else: of the
 * API a page reaches what calls.c lists, of a sandbox its terminal, its ports and the start of its desktop.
 */
#ifndef DL_PAGE_H
#define DL_PAGE_H

#include "control/context.h"

typedef struct dl_page dl_page_t; /* see internal.h */

dl_page_t *dl_page_new(dl_control_t *c);
/* The server is stopping. After it, when no request is left: free. NULL is fine for both. */
void dl_page_end(dl_page_t *p);
void dl_page_free(dl_page_t *p);

/* False: the request is not for the page, and nothing was done. Else it is answered. */
bool dl_page_take(dl_page_t *p, dl_req_t *req);

/* A request was answered. What the page asks for all the time is left out. `path` is as it may be shown; copied. */
void dl_page_note(dl_page_t *p, const dl_req_t *req, const char *path, int status, uint64_t took_ms);

#endif
