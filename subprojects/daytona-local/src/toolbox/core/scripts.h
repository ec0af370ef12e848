/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scripts of ours that run in other programs; embed.py makes the texts at build time.
 */
#ifndef DL_SCRIPTS_H
#define DL_SCRIPTS_H

extern const char DL_SCRIPT_CHARTS_PY[];
extern const char DL_SCRIPT_RECORDINGS_PAGE_HTML[];
extern const char DL_SCRIPT_TERMINAL_PAGE_HTML[];
extern const char DL_SCRIPT_WORKER_PY[];
extern const char DL_SCRIPT_TS_DRIVER_JS[];

#endif
