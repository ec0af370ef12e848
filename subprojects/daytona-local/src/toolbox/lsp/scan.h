/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of a project that contain a text. Blocks; for a thread of the pool.
 */
#ifndef DL_LSP_SCAN_H
#define DL_LSP_SCAN_H

#include "base/buf.h"

#include <stdatomic.h>

/* Ceilings of one search. */
#define DL_LSP_SCAN_ENTRIES 100000u            /* entries of folders that are looked at */
#define DL_LSP_SCAN_BYTES (256u * 1024 * 1024) /* read */
#define DL_LSP_SCAN_FILE (1024u * 1024)        /* larger files are left out */
#define DL_LSP_SCAN_FOUND 200u                 /* files that contain the text */

typedef struct {
  char *path; /* absolute */
  char *text;
  size_t len;
  uint32_t *imports; /* numbers of the lines that import, ascending */
  size_t import_count;
} dl_lsp_file_t;

typedef struct {
  const char *root, *query;
  const char *const *suffixes;
  uint64_t end_ns; /* by uv_hrtime; what was found until then is the result */
  atomic_bool is_abandoned;
  dl_lsp_file_t *found; /* those nearest to the root first */
  size_t count;
} dl_lsp_scan_t;

/* ASCII letters of either case are the same. */
bool dl_lsp_contains(const char *text, size_t len, const char *part);
/* Hidden folders, links, other people's code (node_modules, site-packages, virtual environments) are left out. */
void dl_lsp_scan_run(dl_lsp_scan_t *s);
void dl_lsp_scan_clear(dl_lsp_scan_t *s);

#endif
