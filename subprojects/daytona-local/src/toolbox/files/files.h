/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /files: listing, changing, finding, uploading and downloading files.
 */
#ifndef DL_TOOLBOX_FILES_H
#define DL_TOOLBOX_FILES_H

#include "http/http.h"

extern const dl_route_table_t DL_TB_FILES_ROUTES, DL_TB_SEARCH_ROUTES, DL_TB_UPLOAD_ROUTES,
  DL_TB_DOWNLOAD_ROUTES, DL_TB_BULK_DOWNLOAD_ROUTES;

#endif
